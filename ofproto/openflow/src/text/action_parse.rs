//! Actions from text (ovs-actions(7)), with the error texts that the tools print.

use std::net::IpAddr;

use weft_flow::text::number::{parse_u64, parse_u128};
use weft_flow::text::value::parse_mac;
use weft_flow::text::{match_parse::field_by_any_name, parse_value};
use weft_flow::{FieldId, OfPort};

use super::Names;
use super::action_print::REASONS;
use super::learn_parse::parse_learn;
use super::words::{Word, Words};
use crate::action::*;
use crate::ids::{GroupId, MeterId, QueueId, TableId, Timeout};

/// Actions separated by commas. `drop` stands for none and must stand alone.
///
/// # Errors
/// The text that the tools print.
pub fn parse_actions(text: &str, names: &Names) -> Result<Vec<Action>, String> {
    let mut actions = Vec::new();
    let mut dropped = false;
    for word in Words::of(text) {
        if word.key.eq_ignore_ascii_case("drop") && word.value.is_none() {
            dropped = true;
            continue;
        }
        actions.push(parse_action(&word, names)?);
    }
    if dropped && !actions.is_empty() {
        return Err("\"drop\" must not be accompanied by any other action or instruction".to_owned());
    }
    Ok(actions)
}

/// One action from its word.
///
/// # Errors
/// The text that the tools print.
pub fn parse_action(word: &Word<'_>, names: &Names) -> Result<Action, String> {
    let arg = word.text();
    let lower = word.key.to_ascii_lowercase();
    Ok(match lower.as_str() {
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
        "move" | "copy_field" => parse_move(arg)?,
        "push" => Action::Push(subfield(arg)?),
        "pop" => Action::Pop(subfield(arg)?),
        "delete_field" => Action::DeleteField(field(arg)?),
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
        "dec_ttl" => parse_dec_ttl(arg),
        "encap" => parse_encap(arg)?,
        "decap" => parse_decap(arg)?,
        "learn" => Action::Learn(Box::new(parse_learn(arg, names)?)),
        "conjunction" => parse_conjunction(arg)?,
        "fin_timeout" => parse_fin_timeout(arg)?,
        "clone" => Action::Clone(parse_actions(arg, names)?),
        "ct" => Action::Ct(Box::new(parse_ct(arg, names)?)),
        "ct_clear" => Action::CtClear,
        "nat" => Action::Nat(parse_nat(arg)?),
        "sample" => Action::Sample(parse_sample(arg, names)?),
        "check_pkt_larger" => {
            let dst = word.rest.strip_prefix("->").ok_or_else(|| format!("{}: missing `->'", word.all))?;
            Action::CheckPktLarger { pkt_len: number(arg, "check_pkt_larger")?, dst: subfield(dst)? }
        }
        "meter" => Action::Meter(MeterId(number(arg, "meter")?)),
        "note" => Action::Note(parse_note(arg)?),
        "exit" => Action::Exit,
        "debug_recirc" => Action::DebugRecirc,
        "debug_slow" => Action::DebugSlow,
        "unroll_xlate" => return Err("UNROLL is an internal action that shouldn't be used via OpenFlow".to_owned()),
        name => match parse_mod(name, arg)? {
            Some(action) => action,
            None => match names.ports.parse(word.key).filter(|_| word.value.is_none()) {
                Some(port) => output(port)?,
                None => return Err(format!("unknown action {}", word.key)),
            },
        },
    })
}

/// The actions of OpenFlow 1.0 that set one header field.
fn parse_mod(name: &str, arg: &str) -> Result<Option<Action>, String> {
    let ipv4 = || {
        arg.parse::<std::net::Ipv4Addr>()
            .map(|a| u128::from(u32::from(a)))
            .map_err(|_| format!("{arg}: invalid IP address"))
    };
    let mac = || parse_mac(arg).map(u128::from).ok_or_else(|| format!("{arg}: invalid Ethernet address"));
    let ranged = |max: u64, what: &str| {
        parse_u64(arg).filter(|v| *v <= max).map(u128::from).ok_or_else(|| format!("{arg}: not a valid {what}"))
    };
    let (field, value, form) = match name {
        "mod_dl_src" => (FieldId::EthSrc, mac()?, SetForm::Mod),
        "mod_dl_dst" => (FieldId::EthDst, mac()?, SetForm::Mod),
        "mod_nw_src" => (FieldId::IpSrc, ipv4()?, SetForm::Mod),
        "mod_nw_dst" => (FieldId::IpDst, ipv4()?, SetForm::Mod),
        "mod_nw_tos" => {
            let tos = ranged(255, "TOS")?;
            if tos & 3 != 0 {
                return Err(format!("{arg}: not a valid TOS"));
            }
            (FieldId::IpDscp, tos >> 2, SetForm::Mod)
        }
        "mod_nw_ecn" => (FieldId::NwEcn, ranged(3, "ECN")?, SetForm::Mod),
        "mod_nw_ttl" => (FieldId::NwTtl, u128::from(number::<u8>(arg, "TTL")?), SetForm::Mod),
        "mod_tp_src" => (FieldId::TcpSrc, u128::from(number::<u16>(arg, "source port")?), SetForm::Mod),
        "mod_tp_dst" => (FieldId::TcpDst, u128::from(number::<u16>(arg, "destination port")?), SetForm::Mod),
        "set_tunnel" | "set_tunnel64" => {
            let id = u128::from(number::<u64>(arg, "tunnel")?);
            let short = name == "set_tunnel" && id <= u128::from(u32::MAX);
            (FieldId::TunId, id, if short { SetForm::Mod } else { SetForm::Mod64 })
        }
        "set_mpls_label" => (FieldId::MplsLabel, ranged(0xf_ffff, "MPLS label")?, SetForm::Mod),
        "set_mpls_tc" => (FieldId::MplsTc, ranged(7, "MPLS TC")?, SetForm::Mod),
        "set_mpls_ttl" => (FieldId::MplsTtl, u128::from(number::<u8>(arg, "MPLS TTL")?), SetForm::Mod),
        _ => return Ok(None),
    };
    Ok(Some(Action::SetField(SetField { field, value, mask: field.field().all_ones(), form })))
}

/// A number that fits its type.
pub(super) fn number<T: TryFrom<u64>>(text: &str, what: &str) -> Result<T, String> {
    let bits = 8 * size_of::<T>();
    match parse_u64(text) {
        Some(value) => T::try_from(value).map_err(|_| format!("invalid {what} \"{text}\": does not fit {bits} bits")),
        None if bits >= 32 => Err(format!("invalid numeric format {text}")),
        None => Err(format!("invalid {what} \"{text}\"")),
    }
}

/// A field by any of its names.
pub(super) fn field(name: &str) -> Result<FieldId, String> {
    field_by_any_name(name).ok_or_else(|| format!("{name}: unknown field `{name}'"))
}

/// `FIELD`, `FIELD[]`, `FIELD[BIT]`, `FIELD[LOW..HIGH]`.
pub(super) fn subfield(text: &str) -> Result<SubField, String> {
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
    let bit = |t: &str| t.parse::<u16>().map_err(|_| syntax());
    let (start, end) = match range.split_once("..") {
        Some((start, end)) => (bit(start)?, bit(end)?),
        None => (bit(range)?, bit(range)?),
    };
    let width = id.field().bits;
    if start > end {
        Err(format!("{text}: starting bit {start} is after ending bit {end}"))
    } else if start >= width {
        Err(format!("{text}: starting bit {start} is not valid because field is only {width} bits wide"))
    } else if end >= width {
        Err(format!("{text}: ending bit {end} is not valid because field is only {width} bits wide"))
    } else {
        Ok(SubField { field: id, ofs: start, n_bits: end - start + 1 })
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
    if let Some(port) = names.ports.parse(arg) {
        return output(port);
    }
    if arg.contains("port") && arg.contains("max_len") {
        let (mut port, mut max_len) = (None, None);
        for option in Words::of(arg) {
            match option.key {
                "port" => {
                    let text = option.text();
                    port = Some(
                        names.ports.parse(text).ok_or_else(|| format!("output to unknown truncate port: {text}"))?,
                    );
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
        Err(error) if arg.contains('[') => Err(error),
        Err(_) => Err(format!("{arg}: output to unknown port")),
    }
}

fn parse_controller(arg: &str) -> Result<Action, String> {
    if arg.is_empty() {
        return output(OfPort::CONTROLLER);
    }
    if arg.bytes().all(|b| b.is_ascii_alphanumeric()) && arg.starts_with(|c: char| c.is_ascii_digit()) {
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
            "meter_id" => c.meter = Some(MeterId(number(value, "meter_id")?)),
            other => return Err(format!("unknown key \"{other}\" parsing controller action")),
        }
    }
    // what the plain form can say is the plain form
    if c == (Controller { max_len: c.max_len, ..Controller::default() }) {
        return Ok(Action::Output { port: OfPort::CONTROLLER, max_len: c.max_len });
    }
    Ok(Action::Controller(c))
}

fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.chars().filter(|c| *c != '.').collect();
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).ok()).collect()
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
    let (port, queue) = arg.split_once([':', ',']).ok_or(syntax)?;
    let port = names.ports.parse(port.trim()).ok_or_else(|| format!("{port}: enqueue to unknown port"))?;
    Ok(Action::Enqueue { port, queue: QueueId(number(queue.trim(), "queue")?) })
}

fn parse_hash_fields(text: &str) -> Option<HashFields> {
    use HashFields::*;
    [EthSrc, SymmetricL4, SymmetricL3L4, SymmetricL3L4Udp, NwSrc, NwDst, SymmetricL3]
        .into_iter()
        .find(|f| super::action_print::hash_fields(*f) == text)
}

fn parse_bundle(arg: &str, names: &Names, load: bool) -> Result<Bundle, String> {
    let (head, members) = ["members:", "slaves:"]
        .iter()
        .find_map(|word| arg.split_once(word))
        .ok_or_else(|| format!("{arg}: not enough arguments to bundle action"))?;
    let args: Vec<&str> = head.split(',').map(str::trim).filter(|a| !a.is_empty()).collect();
    if args.len() != if load { 5 } else { 4 } {
        return Err(format!("{arg}: not enough arguments to bundle action"));
    }
    let fields = parse_hash_fields(args[0]).ok_or_else(|| format!("{arg}: unknown fields `{}'", args[0]))?;
    let algorithm = match args[2] {
        "active_backup" => BundleAlgorithm::ActiveBackup,
        "hrw" => BundleAlgorithm::Hrw,
        other => return Err(format!("{arg}: unknown algorithm `{other}'")),
    };
    if args[3] != "ofport" {
        return Err(format!("{arg}: unknown member_type `{}'", args[3]));
    }
    let port = |p: &str| names.ports.parse(p).ok_or_else(|| format!("{p}: bad port number"));
    let members = members.split(',').map(str::trim).filter(|m| !m.is_empty()).map(port).collect::<Result<_, _>>()?;
    let dst = if load { Some(subfield(args[4])?) } else { None };
    Ok(Bundle { fields, basis: number(args[1], "basis")?, algorithm, members, dst })
}

fn parse_multipath(arg: &str) -> Result<Multipath, String> {
    let args: Vec<&str> = arg.split(',').map(str::trim).collect();
    let [fields, basis, algorithm, links, argument, dst] = args[..] else {
        return Err(format!("{arg}: not enough arguments to multipath action"));
    };
    let fields = parse_hash_fields(fields).ok_or_else(|| format!("{arg}: unknown fields `{fields}'"))?;
    let algorithm = match algorithm {
        "modulo_n" => MultipathAlgorithm::ModuloN,
        "hash_threshold" => MultipathAlgorithm::HashThreshold,
        "hrw" => MultipathAlgorithm::Hrw,
        "iter_hash" => MultipathAlgorithm::IterHash,
        other => return Err(format!("{arg}: unknown algorithm `{other}'")),
    };
    let n_links: u32 = number(links, "n_links")?;
    if !(1..=65536).contains(&n_links) {
        return Err(format!("{arg}: n_links {links} is not in valid range 1 to 65536"));
    }
    let dst = subfield(dst)?;
    if dst.n_bits < 16 && n_links > 1 << dst.n_bits {
        return Err(format!(
            "{arg}: {}-bit destination field has {} possible values, less than specified n_links {n_links}",
            dst.n_bits,
            1u32 << dst.n_bits
        ));
    }
    Ok(Multipath {
        fields,
        basis: number(basis, "basis")?,
        algorithm,
        max_link: (n_links - 1) as u16,
        arg: number(argument, "arg")?,
        dst,
    })
}

fn parse_resubmit(arg: &str, names: &Names) -> Result<Action, String> {
    let mut parts = arg.splitn(3, ',').map(str::trim);
    let port = parts.next().unwrap_or_default();
    let in_port = match port {
        "" => OfPort::IN_PORT,
        p => names.ports.parse(p).ok_or_else(|| format!("{p}: resubmit to unknown port"))?,
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
        return Err("at least one \"in_port\" or \"table\" must be specified  on resubmit".to_owned());
    }
    Ok(Action::Resubmit(Resubmit { in_port, table, ct }))
}

fn parse_set_field(arg: &str, names: &Names) -> Result<Action, String> {
    let (value, name) = arrow(arg)?;
    let name = name.trim_end_matches("[]");
    let id = field_by_any_name(name).ok_or_else(|| format!("{name} is not a valid OXM field name"))?;
    if !id.field().writable {
        return Err(format!("{name} is read-only"));
    }
    let (mut value, mask) = parse_value(id, value, &names.ports)?;
    if id == FieldId::VlanVid {
        // setting a VLAN id sets the "tag present" bit of OpenFlow 1.2's field
        value |= mask & 0x1000;
    }
    Ok(Action::SetField(SetField { field: id, value, mask, form: SetForm::SetField }))
}

fn parse_load(arg: &str) -> Result<Action, String> {
    let (value_text, dst) = arrow(arg)?;
    let dst = subfield(dst)?;
    let value = parse_u128(value_text).ok_or_else(|| format!("{arg}: cannot parse integer value"))?;
    if dst.n_bits < 128 && value >> dst.n_bits != 0 {
        return Err(format!("{arg}: value {value_text} does not fit into {} bits", dst.n_bits));
    }
    if !dst.field.field().writable {
        return Err(format!("{} is read-only", dst.field.field().name));
    }
    Ok(Action::SetField(SetField { field: dst.field, value: value << dst.ofs, mask: dst.mask(), form: SetForm::Load }))
}

fn parse_move(arg: &str) -> Result<Action, String> {
    let (src, dst) = arrow(arg)?;
    let (src, dst) = (subfield(src)?, subfield(dst)?);
    if src.n_bits != dst.n_bits {
        return Err(format!(
            "{arg}: source field is {} bits wide but destination is {} bits wide",
            src.n_bits, dst.n_bits
        ));
    }
    Ok(Action::Move { src, dst })
}

fn vlan_vid(arg: &str) -> Result<u16, String> {
    number::<u16>(arg, "VLAN VID").ok().filter(|v| *v <= 0xfff).ok_or_else(|| format!("{arg}: not a valid VLAN VID"))
}

fn vlan_pcp(arg: &str) -> Result<u8, String> {
    number::<u8>(arg, "VLAN PCP").ok().filter(|v| *v <= 7).ok_or_else(|| format!("{arg}: not a valid VLAN PCP"))
}

fn parse_dec_ttl(arg: &str) -> Action {
    let ids: Vec<u16> =
        arg.split([',', ' ']).filter(|t| !t.is_empty()).map(|t| parse_u64(t).unwrap_or(0) as u16).collect();
    match ids.is_empty() {
        true => Action::DecTtl(DecTtl { controllers: vec![0], explicit: false }),
        false => Action::DecTtl(DecTtl { controllers: ids, explicit: true }),
    }
}

fn parse_encap(arg: &str) -> Result<Action, String> {
    let word = Words::of(arg).next().ok_or("missing encap argument")?;
    Ok(Action::Encap(match word.key {
        "ethernet" => Encap::Ethernet,
        "mpls" => Encap::Mpls { ethertype: 0x8847 },
        "mpls_mc" => Encap::Mpls { ethertype: 0x8848 },
        "nsh" => {
            let (mut md_type, mut tlvs) = (None, Vec::new());
            for option in Words::of(word.text()) {
                match option.key {
                    "md_type" => {
                        let t: u8 = number(option.text(), "md_type")?;
                        if !(1..=2).contains(&t) {
                            return Err("invalid md_type".to_owned());
                        }
                        md_type = Some(t);
                    }
                    "tlv" => tlvs.push(parse_nsh_tlv(option.text())?),
                    other => return Err(format!("Invalid property: {other}")),
                }
            }
            Encap::Nsh { md_type, tlvs }
        }
        other => return Err(format!("Encap hdr not supported: {other}")),
    }))
}

fn parse_nsh_tlv(arg: &str) -> Result<(u16, u8, Vec<u8>), String> {
    let parts: Vec<&str> = arg.split(',').collect();
    let [class, kind, value] = parts[..] else { return Err(format!("Invalid NSH TLV header: {arg}")) };
    let digits = value.trim().strip_prefix("0x").unwrap_or(value.trim());
    let value = hex_bytes(digits).ok_or_else(|| format!("Invalid NSH TLV header: {arg}"))?;
    Ok((number(class.trim(), "class")?, number(kind.trim(), "type")?, value))
}

fn parse_decap(arg: &str) -> Result<Action, String> {
    let Some(word) = Words::of(arg).next() else { return Ok(Action::Decap { packet_type: None }) };
    if word.key != "packet_type" {
        return Err(format!("Invalid decap argument: {}", word.key));
    }
    let (mut ns, mut kind) = (None, None);
    for option in Words::of(word.text()) {
        match option.key {
            "ns" => ns = Some(number::<u16>(option.text(), "namespace")?),
            "type" => kind = Some(number::<u16>(option.text(), "type")?),
            other => return Err(format!("Invalid packet_type attribute {other}")),
        }
    }
    let ns = ns.ok_or("Missing packet_type attribute ns")?;
    let kind = kind.ok_or("Missing packet_type attribute type")?;
    Ok(Action::Decap { packet_type: Some(u32::from(ns) << 16 | u32::from(kind)) })
}

fn parse_conjunction(arg: &str) -> Result<Action, String> {
    let wrong = || format!("\"conjunction\" syntax is \"conjunction(id,i/n)\": {arg}");
    let (id, place) = arg.split_once(',').ok_or_else(wrong)?;
    let (clause, n) = place.trim().split_once('/').ok_or_else(wrong)?;
    let (clause, n): (u32, u32) = (number(clause, "clause")?, number(n, "n_clauses")?);
    if n < 2 {
        return Err("conjunction must have at least 2 clauses".to_owned());
    } else if n > 64 {
        return Err("conjunction must have at most 64 clauses".to_owned());
    } else if clause < 1 {
        return Err("clause index must be positive".to_owned());
    } else if clause > n {
        return Err("clause index must be less than or equal to number of clauses".to_owned());
    }
    Ok(Action::Conjunction { id: number(id.trim(), "conjunction id")?, clause: (clause - 1) as u8, n_clauses: n as u8 })
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

fn parse_ct(arg: &str, names: &Names) -> Result<Ct, String> {
    let mut ct =
        Ct { commit: false, force: false, zone: CtZone::Immediate(0), table: None, alg: 0, actions: Vec::new() };
    for option in Words::of(arg) {
        let value = option.text();
        match option.key {
            "commit" => ct.commit = true,
            "force" => ct.force = true,
            "table" => {
                let table = names.parse_table(value).ok_or_else(|| format!("unknown table {value}"))?;
                if table == TableId::ALL {
                    return Err(format!("invalid table {:#x}", table.0));
                }
                ct.table = Some(table);
            }
            "zone" => {
                ct.zone = match number::<u16>(value, "zone") {
                    Ok(zone) => CtZone::Immediate(zone),
                    Err(_) => CtZone::Field(subfield(value)?),
                }
            }
            "alg" => {
                ct.alg = match value {
                    "ftp" => 21,
                    "tftp" => 69,
                    other => number(other, "alg")?,
                }
            }
            "nat" => ct.actions.push(Action::Nat(parse_nat(value)?)),
            "exec" => ct.actions.extend(parse_actions(value, names)?),
            other => return Err(format!("invalid argument to \"ct\" action: `{other}'")),
        }
    }
    if ct.force && !ct.commit {
        return Err("\"force\" flag requires \"commit\" flag.".to_owned());
    }
    Ok(ct)
}

fn parse_nat(arg: &str) -> Result<Nat, String> {
    let mut nat = Nat::default();
    for option in Words::of(arg) {
        match option.key {
            "src" | "dst" => {
                if nat.direction.is_some() {
                    return Err("May only specify one of \"src\" or \"dst\".".to_owned());
                }
                nat.direction =
                    Some(if option.key == "src" { NatDirection::Source } else { NatDirection::Destination });
                if let Some(range) = option.value.filter(|r| !r.is_empty()) {
                    (nat.addresses, nat.ports) = parse_nat_range(range)?;
                }
            }
            "persistent" => nat.persistent = true,
            "hash" => nat.algorithm = Some(NatAlgorithm::Hash),
            "random" => nat.algorithm = Some(NatAlgorithm::Random),
            other => return Err(format!("invalid key \"{other}\" in \"nat\" argument")),
        }
    }
    Ok(nat)
}

type NatRange = (Option<(IpAddr, Option<IpAddr>)>, Option<(u16, Option<u16>)>);

/// `A[-B][:P[-Q]]`; IPv6 addresses in brackets where ports follow.
fn parse_nat_range(text: &str) -> Result<NatRange, String> {
    let bad = || format!("invalid or missing NAT range: {text}");
    let bracketed = text.contains('[');
    let (addresses, ports) = match bracketed {
        true => match text.rfind(']') {
            Some(end) => (&text[..=end], text[end + 1..].strip_prefix(':')),
            None => return Err(bad()),
        },
        // more than one colon without brackets is IPv6 alone
        false if text.matches(':').count() > 1 => (text, None),
        false => text.split_once(':').map_or((text, None), |(a, p)| (a, Some(p))),
    };
    let address = |t: &str| t.trim_matches(['[', ']']).parse::<IpAddr>().map_err(|_| bad());
    let addresses = match addresses.split_once('-') {
        _ if addresses.is_empty() => None,
        Some((low, high)) => Some((address(low)?, Some(address(high)?))),
        None => Some((address(addresses)?, None)),
    };
    let port = |t: &str| t.parse::<u16>().map_err(|_| bad());
    let ports = match ports {
        None => None,
        Some(range) => Some(match range.split_once('-') {
            Some((low, high)) => (port(low)?, Some(port(high)?)),
            None => (port(range)?, None),
        }),
    };
    Ok((addresses, ports))
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
                sample.sampling_port = names.ports.parse(value).ok_or_else(|| format!("{value}: unknown port"))?;
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
