//! Actions from text (ovs-actions(7)), with the error texts that the tools print.

mod set;

use std::borrow::Cow;

use weft_flow::field::FieldForm;
use weft_flow::text::number::{parse_u64, parse_u128};
use weft_flow::text::value::parse_mac;
use weft_flow::text::{match_parse::field_by_any_name, match_parse::parse_option, parse_value};
use weft_flow::tun_metadata::TunValue;
use weft_flow::{FieldId, OfPort};

use super::Names;
use super::action_print::REASONS;
use super::ct_parse::{parse_ct, parse_nat};
use super::encap_parse::{parse_decap, parse_encap};
use super::learn_parse::parse_learn;
use super::notes::{self, Note};
use super::select_parse::{parse_bundle, parse_multipath};
use super::words::{Word, Words};
use crate::action::*;
use crate::ids::{GroupId, MeterId, QueueId, TableId, Timeout};

pub(super) use set::move_ends;
use set::{parse_load, parse_mod, parse_move, parse_set_field, vlan_pcp, vlan_vid};

/// Actions separated by commas. `drop` stands for none and must stand alone.
///
/// # Errors
/// The text that the tools print.
pub fn parse_actions(text: &str, names: &Names) -> Result<Vec<Action>, String> {
    parse_inside(text, names, None)
}

/// As [`parse_actions`], inside another action.
pub(super) fn parse_inside(text: &str, names: &Names, around: Option<&str>) -> Result<Vec<Action>, String> {
    if let Some(around) = around.filter(|_| deepest(text) > MAX_DEPTH) {
        return Err(format!("{around}: actions are nested more than {MAX_DEPTH} deep"));
    }
    let mut actions = Vec::new();
    let mut dropped = false;
    for word in Words::of(text) {
        let key = lower(word.key);
        if key == "drop" {
            dropped = true;
            continue;
        }
        if let Some(around) = around.filter(|_| key == "meter") {
            return Err(format!("{around} action doesn't support nested action meter"));
        }
        if matches!(&*key, "clear_actions" | "write_actions" | "write_metadata" | "goto_table") {
            return Err(format!("{key} instruction not allowed here"));
        }
        actions.push(parse_action(&word, names)?);
    }
    if dropped && !actions.is_empty() {
        return Err("\"drop\" must not be accompanied by any other action or instruction".to_owned());
    }
    Ok(actions)
}

/// How deep the parentheses of a text go.
fn deepest(text: &str) -> usize {
    let mut depths = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' => depths = (depths.0 + 1, depths.1.max(depths.0 + 1)),
            b')' => depths.0 = depths.0.saturating_sub(1),
            _ => {}
        }
    }
    depths.1
}

/// How deep parentheses may go inside an action: as deep as actions nest in messages, each `ct(exec(...))` counting twice.
const MAX_DEPTH: usize = 128;

/// One action from its word.
///
/// # Errors
/// The text that the tools print.
pub fn parse_action(word: &Word<'_>, names: &Names) -> Result<Action, String> {
    let arg = word.text();
    let lower = lower(word.key);
    Ok(match &*lower {
        "output" => parse_output(word, names)?,
        "controller" => parse_controller(arg)?,
        "enqueue" => parse_enqueue(arg, names)?,
        "set_queue" => Action::SetQueue(QueueId(number(arg, "queue")?)),
        "pop_queue" => Action::PopQueue,
        "group" => Action::Group(GroupId(number(arg, "group")?)),
        "bundle" => Action::Bundle(parse_bundle(arg, names, false)?),
        "bundle_load" => Action::Bundle(parse_bundle(arg, names, true)?),
        "multipath" => Action::Multipath(parse_multipath(arg)?),
        "resubmit" => parse_resubmit(arg, names)?,
        "set_field" => parse_set_field(arg, names)?,
        "load" => parse_load(arg)?,
        "move" => parse_move(arg)?,
        "push" => Action::Push(subfield(arg)?),
        "pop" => Action::Pop(subfield(arg)?),
        "delete_field" => Action::DeleteField(field_by_any_name(arg).ok_or_else(|| format!("unknown field `{arg}'"))?),
        "mod_vlan_vid" => Action::SetVlanVid { vid: vlan_vid(arg)?, push: true },
        "set_vlan_vid" => Action::SetVlanVid { vid: vlan_vid(arg)?, push: false },
        "mod_vlan_pcp" => Action::SetVlanPcp { pcp: vlan_pcp(arg)?, push: true },
        "set_vlan_pcp" => Action::SetVlanPcp { pcp: vlan_pcp(arg)?, push: false },
        "strip_vlan" => Action::StripVlan(StripForm::Strip),
        "pop_vlan" => Action::StripVlan(StripForm::Pop),
        "push_vlan" => match number(arg, "ethertype")? {
            ethertype @ (0x8100 | 0x88a8) => Action::PushVlan { ethertype },
            _ => return Err(format!("{arg}: not a valid VLAN ethertype")),
        },
        "push_mpls" => Action::PushMpls { ethertype: number(arg, "push_mpls")? },
        "pop_mpls" => Action::PopMpls { ethertype: number(arg, "pop_mpls")? },
        "dec_mpls_ttl" => Action::DecMplsTtl,
        "dec_nsh_ttl" => Action::DecNshTtl,
        "dec_ttl" => parse_dec_ttl(word)?,
        "encap" => parse_encap(arg)?,
        "decap" => parse_decap(arg)?,
        "learn" => Action::Learn(Box::new(parse_learn(arg, names)?)),
        "conjunction" => parse_conjunction(arg)?,
        "fin_timeout" => parse_fin_timeout(arg)?,
        "clone" => Action::Clone(parse_inside(arg, names, Some("clone"))?),
        "ct" => Action::Ct(Box::new(parse_ct(arg, names)?)),
        "ct_clear" => Action::CtClear,
        "nat" => Action::Nat(parse_nat(arg)?),
        "sample" => Action::Sample(parse_sample(arg, names)?),
        "check_pkt_larger" => {
            let dst = subfield(word.rest.strip_prefix("->").ok_or_else(|| format!("{arg}: missing `->'"))?)?;
            if dst.n_bits != 1 {
                return Err("Only 1-bit destination field is allowed".to_owned());
            }
            Action::CheckPktLarger { pkt_len: number(arg, "check_pkt_larger")?, dst }
        }
        "meter" => Action::Meter(MeterId(number(arg, "meter")?)),
        "note" => Action::Note(parse_note(arg)?),
        "exit" => Action::Exit,
        "debug_recirc" => Action::DebugRecirc,
        "debug_slow" => Action::DebugSlow,
        "apply_actions" => return Err("apply_actions is the default instruction".to_owned()),
        "unroll_xlate" => return Err("UNROLL is an internal action that shouldn't be used via OpenFlow".to_owned()),
        name => match parse_mod(name, arg)? {
            Some(action) => action,
            None => match names.parse_port(word.key) {
                Some(port) => output(port)?,
                None => return Err(format!("unknown action {}", word.key)),
            },
        },
    })
}

/// The word in lower case, as it mostly is.
pub(super) fn lower(word: &str) -> Cow<'_, str> {
    match word.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(word.to_ascii_lowercase()),
        false => Cow::Borrowed(word),
    }
}

/// A number that fits its type.
pub(super) fn number<T: TryFrom<u64>>(text: &str, what: &str) -> Result<T, String> {
    let bits = 8 * size_of::<T>();
    // wide numbers may have a sign, and are cut to their width
    let value = match (bits >= 32, text.as_bytes()) {
        (true, [b'-', digit, ..]) if digit.is_ascii_digit() => parse_u64(&text[1..]).map(u64::wrapping_neg),
        (_, [b'+', digit, ..]) if digit.is_ascii_digit() => parse_u64(&text[1..]),
        _ => parse_u64(text),
    };
    let value = value.map(|value| if bits == 32 { value & 0xffff_ffff } else { value });
    let value = value.and_then(|value| T::try_from(value).ok());
    value.ok_or_else(|| match text {
        "" if bits >= 32 => "missing required numeric argument".to_owned(),
        _ if bits >= 32 => format!("invalid numeric format {text}"),
        _ => format!("invalid {what} \"{text}\""),
    })
}

/// `FIELD`, `FIELD[]`, `FIELD[BIT]`, `FIELD[LOW..HIGH]`.
pub fn subfield(text: &str) -> Result<SubField, String> {
    let (name, brackets) = match text.find('[') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let id = field_by_any_name(name).ok_or_else(|| format!("{text}: unknown field `{name}'"))?;
    let Some(brackets) = brackets else { return Ok(SubField::whole(id)) };
    let syntax = || format!("{text}: syntax error expecting [] or [<bit>] or [<start>..<end>]");
    let range = brackets.strip_suffix(']').ok_or_else(syntax)?;
    if range.is_empty() {
        return Ok(SubField::whole(id));
    }
    let bit = |t: &str| t.parse::<i32>().map_err(|_| syntax());
    let (start, end) = match range.split_once("..") {
        Some((start, end)) => (bit(start)?, bit(end)?),
        None => (bit(range)?, bit(range)?),
    };
    let width = SubField::width(id);
    let known = |bit: i32| (0..i32::from(width)).contains(&bit);
    if start > end {
        Err(format!("{text}: starting bit {start} is after ending bit {end}"))
    } else if !known(start) {
        Err(format!("{text}: starting bit {start} is not valid because field is only {width} bits wide"))
    } else if !known(end) {
        Err(format!("{text}: ending bit {end} is not valid because field is only {width} bits wide"))
    } else {
        Ok(SubField { field: id, ofs: start as u16, n_bits: (end - start + 1) as u16 })
    }
}

fn arrow(text: &str) -> Result<(&str, &str), String> {
    text.split_once("->").ok_or_else(|| format!("{text}: missing `->'"))
}

fn output(port: OfPort) -> Result<Action, String> {
    let max_len = if port == OfPort::CONTROLLER { u16::MAX } else { 0 };
    Ok(Action::Output { port, max_len })
}

fn parse_output(word: &Word<'_>, names: &Names) -> Result<Action, String> {
    let arg = word.text();
    if let Some(port) = names.parse_port(arg) {
        return output(port);
    }
    if arg.contains("port") && arg.contains("max_len") {
        let (mut port, mut max_len) = (None, None);
        for option in Words::of(arg) {
            match option.key {
                "port" => {
                    let text = option.text();
                    let to = names.parse_port(text);
                    port = Some(match to.ok_or_else(|| format!("output to unknown truncate port: {text}"))? {
                        to @ (OfPort::IN_PORT | OfPort::LOCAL) => to,
                        to if to.0 < OfPort::MAX.0 || to.reserved_name().is_none() => to,
                        _ => return Err(format!("output to unsupported truncate port: {text}")),
                    });
                }
                "max_len" => max_len = Some(number::<u32>(option.text(), "max_len")?),
                other => return Err(format!("invalid key '{other}' in output_trunc argument")),
            }
        }
        return match (port, max_len) {
            (Some(port), Some(max_len)) if max_len >= 14 => Ok(Action::OutputTrunc { port, max_len }),
            (_, Some(max_len)) => Err(format!("max_len {max_len} is less than the minimum value 14")),
            _ => Err(format!("{arg}: output(port=PORT,max_len=NBYTES) needs both")),
        };
    }
    match subfield(arg) {
        Ok(src) => Ok(Action::OutputReg { src, max_len: u16::MAX }),
        Err(_) => Err(format!("{arg}: output to unknown port")),
    }
}

fn parse_controller(arg: &str) -> Result<Action, String> {
    if arg.is_empty() {
        return output(OfPort::CONTROLLER);
    }
    if arg.starts_with(|c: char| c.is_ascii_digit()) && arg.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Ok(Action::Output { port: OfPort::CONTROLLER, max_len: number(arg, "max_len")? });
    }
    let mut c = Controller::default();
    for option in Words::of(arg) {
        let value = option.text();
        match option.key {
            "reason" => {
                c.reason = REASONS
                    .iter()
                    .position(|r| *r == value)
                    .map(|i| i as u8)
                    .ok_or_else(|| format!("unknown reason \"{value}\""))?;
            }
            "max_len" => c.max_len = number(value, "max_len")?,
            "id" => c.controller_id = number(value, "id")?,
            "userdata" => c.userdata = hex_bytes(value).ok_or("bad hex digit in `controller' action `userdata'")?,
            "pause" => c.pause = true,
            "meter_id" => c.meter = Some(MeterId(number(value, "meter_id")?)).filter(|meter| meter.0 != 0),
            other => return Err(format!("unknown key \"{other}\" parsing controller action")),
        }
    }
    // what the plain form can say is the plain form
    if c == (Controller { max_len: c.max_len, ..Controller::default() }) {
        return Ok(Action::Output { port: OfPort::CONTROLLER, max_len: c.max_len });
    }
    Ok(Action::Controller(c))
}

pub(super) fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    // points stand between bytes only
    for part in text.split('.') {
        if !part.len().is_multiple_of(2) || !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        for i in (0..part.len()).step_by(2) {
            bytes.push(u8::from_str_radix(&part[i..i + 2], 16).ok()?);
        }
    }
    Some(bytes)
}

fn parse_note(arg: &str) -> Result<Vec<u8>, String> {
    let mut bytes = hex_bytes(arg).ok_or("bad hex digit in `note' argument")?;
    // on the wire a note fills up to a multiple of 8 bytes behind 10 bytes of header
    while !(bytes.len() + 10).is_multiple_of(8) {
        bytes.push(0);
    }
    Ok(bytes)
}

fn parse_enqueue(arg: &str, names: &Names) -> Result<Action, String> {
    let syntax = "\"enqueue\" syntax is \"enqueue:PORT:QUEUE\" or \"enqueue(PORT,QUEUE)\"";
    let arg = arg.trim_start_matches([':', ',']);
    let (port, queue) = arg.split_once([':', ',']).filter(|(_, queue)| !queue.is_empty()).ok_or(syntax)?;
    let port = names.parse_port(port.trim()).ok_or_else(|| format!("{port}: enqueue to unknown port"))?;
    Ok(Action::Enqueue { port, queue: QueueId(number(queue.trim(), "queue")?) })
}

fn parse_resubmit(arg: &str, names: &Names) -> Result<Action, String> {
    let mut parts = arg.splitn(3, ',').map(str::trim);
    let port = parts.next().unwrap_or_default();
    let in_port = match port {
        "" => OfPort::IN_PORT,
        p => names.parse_port(p).ok_or_else(|| format!("{p}: resubmit to unknown port"))?,
    };
    let table = match parts.next().unwrap_or_default() {
        "" => TableId::ALL,
        t => names.parse_table(t).ok_or_else(|| format!("{t}: resubmit to unknown table"))?,
    };
    let ct = match parts.next() {
        None | Some("") => false,
        Some("ct") => true,
        Some(other) => return Err(format!("{other}: unknown parameter")),
    };
    if in_port == OfPort::IN_PORT && table == TableId::ALL {
        return Err("at least one \"in_port\" or \"table\" must be specified on resubmit".to_owned());
    }
    Ok(Action::Resubmit(Resubmit { in_port, table, ct }))
}

fn parse_dec_ttl(word: &Word<'_>) -> Result<Action, String> {
    let arg = word.text();
    let ids: Vec<u16> =
        arg.split([',', ' ']).filter(|t| !t.is_empty()).map(|t| parse_u64(t).unwrap_or(0) as u16).collect();
    match ids.is_empty() {
        true if !arg.is_empty() => Err("dec_ttl_cnt_ids: expected at least one controller id.".to_owned()),
        true => Ok(Action::DecTtl(DecTtl { controllers: vec![0], explicit: false })),
        false => Ok(Action::DecTtl(DecTtl { controllers: ids, explicit: true })),
    }
}

fn parse_conjunction(arg: &str) -> Result<Action, String> {
    let wrong = || "\"conjunction\" syntax is \"conjunction(id,i/n)\"".to_owned();
    let (id, place) = arg.split_once(',').ok_or_else(wrong)?;
    let (clause, n) = place.trim().split_once('/').ok_or_else(wrong)?;
    let read = |text: &str| number::<u32>(text.trim(), "conjunction").map_err(|_| wrong());
    let (id, clause, n) = (read(id)?, read(clause)?, read(n)?);
    if n < 2 {
        return Err("conjunction must have at least 2 clauses".to_owned());
    } else if n > 64 {
        return Err("conjunction must have at most 64 clauses".to_owned());
    } else if clause < 1 {
        return Err("clause index must be positive".to_owned());
    } else if clause > n {
        return Err("clause index must be less than or equal to number of clauses".to_owned());
    }
    Ok(Action::Conjunction { id, clause: (clause - 1) as u8, n_clauses: n as u8 })
}

fn parse_fin_timeout(arg: &str) -> Result<Action, String> {
    let (mut idle, mut hard) = (Timeout::NEVER, Timeout::NEVER);
    for option in Words::of(arg) {
        match option.key {
            "idle_timeout" => idle = Timeout(number(option.text(), option.key)?),
            "hard_timeout" => hard = Timeout(number(option.text(), option.key)?),
            other => return Err(format!("invalid key '{other}' in 'fin_timeout' argument")),
        }
    }
    Ok(Action::FinTimeout { idle, hard })
}

fn parse_sample(arg: &str, names: &Names) -> Result<Sample, String> {
    let mut sample = Sample {
        probability: 0,
        collector_set_id: 0,
        obs_domain_id: 0,
        obs_point_id: 0,
        sampling_port: OfPort::NONE,
        direction: SampleDirection::Default,
    };
    for option in Words::of(arg) {
        let value = option.text();
        match option.key {
            "probability" => {
                sample.probability = number(value, "probability")?;
                if sample.probability == 0 {
                    return Err(format!("invalid probability value \"{value}\""));
                }
            }
            "collector_set_id" => sample.collector_set_id = number(value, option.key)?,
            "obs_domain_id" => sample.obs_domain_id = number(value, option.key)?,
            "obs_point_id" => sample.obs_point_id = number(value, option.key)?,
            "sampling_port" => {
                sample.sampling_port = names.parse_port(value).ok_or_else(|| format!("{value}: unknown port"))?;
            }
            "ingress" => sample.direction = SampleDirection::Ingress,
            "egress" => sample.direction = SampleDirection::Egress,
            other => return Err(format!("invalid key \"{other}\" in \"sample\" argument")),
        }
    }
    if sample.probability == 0 {
        return Err("non-zero \"probability\" must be specified on sample".to_owned());
    }
    Ok(sample)
}
