//! Whole flows from text: the flow syntax of ovs-ofctl(8).

use weft_flow::text::number::{parse_u64, parse_u128};
use weft_flow::text::{Said, format_match, normalize_from, parse_value, read_field, read_match_key};
use weft_flow::tun_metadata::TunValue;
use weft_flow::{FieldId, Match};

use super::action_parse::subfield;
use super::color::paint_match;
use super::flow_print::FLAG_WORDS;
use super::instruction_parse::parse_instructions;
use super::notes::{self, Note};
use super::usable::Protocols;
use super::words::Words;
use super::{Names, note_port, signed};
use crate::action::{Action, SetForm};
use crate::consistency;
use crate::flow::{FlowMod, FlowModCommand, FlowModFlags};
use crate::ids::{Cookie, GroupId, TableId, Timeout};

/// What a line of flow syntax is for; it decides which keys may stand in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlowCommand {
    /// A flow mod.
    Mod(FlowModCommand),
    /// A request of statistics: `dump-flows`, `dump-aggregate`.
    Filter,
}

/// A flow as it was read, and what can carry it.
#[derive(Clone, Debug)]
pub struct ParsedFlow {
    /// The flow.
    pub flow: FlowMod,
    /// The forms that can say it.
    pub usable: Protocols,
}

/// Read one flow, whatever form of OpenFlow can say it.
///
/// # Errors
/// The text that the tools print.
pub fn parse_flow(text: &str, command: FlowCommand, names: &Names) -> Result<FlowMod, String> {
    let mut flow = FlowMod::default();
    parse(text, command, names, &mut flow).map(|_| flow)
}

/// Read one flow as a tool does for its user: what it says besides goes to `notes`, and actions that do not fit the match
/// are an error.
///
/// # Errors
/// The text that the tools print.
pub fn read_flow(text: &str, command: FlowCommand, names: &Names, notes: &mut Vec<Note>) -> Result<ParsedFlow, String> {
    let mut flow = FlowMod::default();
    let usable = read_flow_into(text, command, names, notes, &mut flow)?;
    Ok(ParsedFlow { flow, usable })
}

/// [`read_flow`] into a flow mod that is used again; the forms that can say it.
fn read_flow_into(
    text: &str,
    command: FlowCommand,
    names: &Names,
    notes: &mut Vec<Note>,
    flow: &mut FlowMod,
) -> Result<Protocols, String> {
    notes::take();
    port_notes(split_actions(text).0);
    let parsed = parse(text, command, names, flow);
    notes.extend(notes::take());
    let (mut usable, written) = parsed?;
    if let Some(written) = written {
        notes.extend(normalized(&written, &flow.matching));
    }
    if flow.cookie_mask != 0 {
        usable = usable.and(Protocols::NXM.or(Protocols::OXM).or(Protocols::OPENFLOW11));
    }
    if wants_actions(command) {
        consistency::check(&flow.instructions, &flow.matching, flow.table, &mut usable, notes)
            .map_err(|error| format!("actions are invalid with specified match ({})", error.name()))?;
    }
    Ok(usable)
}

/// What the tools say when a match's fields were dropped.
pub fn normalized(before: &Match, after: &Match) -> [Note; 3] {
    let names = Names::none();
    let show = |of| paint_match(&format_match(of, &names.ports), &names).into_owned();
    [
        Note::info("ofp_match", "normalization changed ofp_match, details:"),
        Note::info("ofp_match", format!(" pre: {}", show(before))),
        Note::info("ofp_match", format!("post: {}", show(after))),
    ]
}

fn wants_actions(command: FlowCommand) -> bool {
    use FlowModCommand::*;
    matches!(command, FlowCommand::Mod(Add | Modify | ModifyStrict))
}

/// Reads the flow; gives the forms that its match allows, and the match as it was written if that is another one.
fn parse(
    text: &str,
    command: FlowCommand,
    names: &Names,
    flow: &mut FlowMod,
) -> Result<(Protocols, Option<Box<Match>>), String> {
    let wants_actions = wants_actions(command);
    let (fields, actions) = match wants_actions {
        true => split_actions(text),
        false => (text, None), // there, it is a word like others, which nothing knows
    };
    if wants_actions && actions.is_none() {
        return Err("must specify an action".to_owned());
    }
    flow.clear();
    match command {
        FlowCommand::Mod(c) => flow.command = c,
        FlowCommand::Filter => flow.table = TableId::ALL,
    }
    if !matches!(command, FlowCommand::Mod(FlowModCommand::Add)) {
        flow.table = TableId::ALL;
        flow.cookie = Cookie::UNCHANGED;
    }
    let mut usable = Protocols::ANY;
    for word in Words::of(fields) {
        // a field is asked for first: most words are one, and no option is called like one
        if let Some(field) = FieldId::by_name(word.key) {
            let said = read_field(&mut flow.matching, field, word.key, word.value, &names.ports)?;
            usable = usable.and(of_word(word.key, word.text(), said));
            continue;
        }
        if apply_option(flow, command, word.key, word.value, names)? {
            if word.key == "table" && flow.table != TableId::ALL {
                usable = usable.and(Protocols::TABLE_ID.or(Protocols::OXM).or(Protocols::OPENFLOW11));
            }
            if word.key == "out_group" && flow.out_group != GroupId::ANY {
                usable = usable.and(Protocols::OXM.or(Protocols::OPENFLOW11));
            }
            continue;
        }
        if let Some((flag, _)) = FLAG_WORDS.iter().find(|(_, name)| *name == word.key).filter(|_| wants_actions) {
            flow.flags |= *flag;
            usable = usable.and(of_flag(*flag));
        } else if word.key.ends_with(']') {
            usable = usable.and(match_bits(&mut flow.matching, word.key, word.text())?);
        } else if word.key == "allow_hidden_fields" {
            flow.flags |= FlowModFlags::HIDDEN_FIELDS;
        } else if word.key == "no_readonly_table" {
            // no table is read-only for those who write flows
        } else {
            let said = match is_specification_name(word.key) {
                true => None,
                false => read_match_key(&mut flow.matching, word.key, word.value, &names.ports)?,
            };
            let Some(said) = said else {
                return Err(match word.text() {
                    "" => format!("field {} missing value", word.key),
                    _ => format!("unknown keyword {}", word.key),
                });
            };
            usable = usable.and(of_word(word.key, word.text(), said));
        }
    }
    if matches!(flow.command, FlowModCommand::Modify | FlowModCommand::ModifyStrict)
        && flow.cookie_mask == 0
        && flow.cookie == Cookie::UNCHANGED
    {
        // a modify that does not choose by cookie may add the flow, which then has the cookie 0
        flow.cookie = Cookie(0);
    }
    if says_more_than_ipv6(&flow.matching) {
        usable = usable.and(Protocols::NXM.or(Protocols::OXM));
    }
    let written = normalize_from(&mut flow.matching);
    if let Some(actions) = actions.filter(|_| wants_actions) {
        flow.instructions = parse_instructions(actions, names)?;
        let proto = flow.matching.get(FieldId::NwProto);
        if proto.1 != 0 && matches!(proto.0, 17 | 132) {
            name_ports(&mut flow.instructions.apply, proto.0 == 17);
            name_ports(flow.instructions.write_actions.as_deref_mut().unwrap_or_default(), proto.0 == 17);
        }
    }
    Ok((usable, written))
}

/// `mod_tp_src` and `mod_tp_dst` write the ports of the protocol that the flow matches: later versions name it.
fn name_ports(actions: &mut [Action], udp: bool) {
    for action in actions {
        match action {
            Action::SetField(set) if set.form == SetForm::Mod => {
                set.field = match (set.field, udp) {
                    (FieldId::TcpSrc, true) => FieldId::UdpSrc,
                    (FieldId::TcpDst, true) => FieldId::UdpDst,
                    (FieldId::TcpSrc, false) => FieldId::SctpSrc,
                    (FieldId::TcpDst, false) => FieldId::SctpDst,
                    (field, _) => field,
                };
            }
            Action::Clone(inner) => name_ports(inner, udp),
            _ => {}
        }
    }
}

/// `FIELD[LOW..HIGH]=VALUE` matches some bits of a field.
fn match_bits(matching: &mut Match, key: &str, value: &str) -> Result<Protocols, String> {
    let bits = subfield(key)?;
    let number = parse_u128(value).ok_or_else(|| format!("{key}={value}: cannot parse integer value"))?;
    if bits.n_bits < 128 && number >> bits.n_bits != 0 {
        return Err(format!("{key}={value}: value {number:#x} does not fit into {} bits", bits.n_bits));
    }
    if let Some(index) = bits.field.tun_metadata_index() {
        let name = bits.field.field().name;
        if matching.tun_option(index).is_some() {
            return Err(format!("field {name} set multiple times"));
        }
        let value = TunValue::from_bits(number, bits.ofs, bits.n_bits);
        matching.set_tun(index, &value).map_err(|_| format!("field {name} is not mapped to a tunnel option"))?;
        return Ok(Protocols::of_field(bits.field, bits.mask()));
    }
    let (old, mask) = matching.get(bits.field);
    let mask = mask | bits.mask();
    matching.set_masked(bits.field, old & !bits.mask() | number << bits.ofs, mask);
    Ok(Protocols::of_field(bits.field, mask))
}

/// What the tools say of the ports that a match names by number.
fn port_notes(fields: &str) {
    if !fields.contains("in_port") {
        return;
    }
    for word in Words::of(fields).filter(|word| matches!(word.key, "in_port" | "in_port_oxm")) {
        signed(word.text()).into_iter().for_each(note_port);
    }
}

/// A name of the specifications; flow syntax has its own.
fn is_specification_name(key: &str) -> bool {
    (key.starts_with("NXM_") || key.starts_with("OXM_")) && FieldId::by_name(key).is_none()
}

/// Whether it looks into IPv6's header, for which OpenFlow 1.0 and 1.1 have no fields.
fn says_more_than_ipv6(matching: &Match) -> bool {
    let looks = |field: FieldId| matching.get(field).1 != 0;
    matching.is_exact(FieldId::EthType)
        && matching.get(FieldId::EthType).0 == 0x86dd
        && (looks(FieldId::NwProto) || looks(FieldId::NwTos))
}

/// The forms that can match what one word says.
fn of_word(key: &str, value: &str, said: Said) -> Protocols {
    let of = |field: FieldId, mask| match mask {
        0 => Protocols::ANY,
        _ if field == FieldId::VlanVid && value.contains('/') => Protocols::of_field(field, 1),
        mask => Protocols::of_field(field, mask),
    };
    match said {
        Said::Field(field, _) if value.is_empty() => of(field, field.field().all_ones()),
        Said::Field(field, mask) => of(field, mask),
        // A tunnel option; the names of protocols say what every version can say.
        Said::Other => FieldId::by_name(key).map_or(Protocols::ANY, |field| {
            of(field, parse_value(field, value, &weft_flow::text::PortNames::new()).map_or(u128::MAX, |(_, mask)| mask))
        }),
    }
}

fn of_flag(flag: FlowModFlags) -> Protocols {
    let later = FlowModFlags::NO_PKT_COUNTS | FlowModFlags::NO_BYT_COUNTS;
    if later.contains(flag) {
        Protocols::OPENFLOW13_UP
    } else if flag == FlowModFlags::RESET_COUNTS {
        Protocols::OXM
    } else {
        Protocols::ANY
    }
}

/// A line of a file that `--bundle` or `add-flows` takes: it may begin with `add`, `modify`, `delete`, ... (ovs-ofctl(8)).
///
/// # Errors
/// As [`parse_flow`].
pub fn parse_flow_mod_line(text: &str, default: FlowModCommand, names: &Names) -> Result<FlowMod, String> {
    let (command, rest) = leading_command(text, default);
    parse_flow(rest, FlowCommand::Mod(command), names)
}

/// As [`parse_flow_mod_line`], with what [`read_flow`] says besides.
///
/// # Errors
/// As [`read_flow`].
pub fn read_flow_mod_line(
    text: &str,
    default: FlowModCommand,
    names: &Names,
    notes: &mut Vec<Note>,
) -> Result<ParsedFlow, String> {
    let (command, rest) = leading_command(text, default);
    read_flow(rest, FlowCommand::Mod(command), names, notes)
}

/// [`read_flow_mod_line`] into a flow mod that is used again, for those who read many; the forms that can say it.
///
/// # Errors
/// As [`read_flow`].
pub fn read_flow_mod_line_into(
    text: &str,
    default: FlowModCommand,
    names: &Names,
    notes: &mut Vec<Note>,
    flow: &mut FlowMod,
) -> Result<Protocols, String> {
    let (command, rest) = leading_command(text, default);
    read_flow_into(rest, FlowCommand::Mod(command), names, notes, flow)
}

fn leading_command(text: &str, default: FlowModCommand) -> (FlowModCommand, &str) {
    let text = text.trim();
    // most lines are one long word
    let end = text.bytes().take(LONGEST_COMMAND + 1).position(|byte| matches!(byte, b' ' | b'\t'));
    let (word, rest) = end.map_or((text, ""), |end| (&text[..end], &text[end + 1..]));
    match word {
        "add" => (FlowModCommand::Add, rest),
        "modify" => (FlowModCommand::Modify, rest),
        "modify_strict" => (FlowModCommand::ModifyStrict, rest),
        "delete" => (FlowModCommand::Delete, rest),
        "delete_strict" => (FlowModCommand::DeleteStrict, rest),
        _ => (default, text),
    }
}

/// The length of `delete_strict`.
const LONGEST_COMMAND: usize = 13;

fn split_actions(text: &str) -> (&str, Option<&str>) {
    // at the start of a word only: a port or table may be called like that
    let is_mark = |mark: &str, at: usize| {
        let start = text[..at].strip_suffix(mark);
        start.is_some_and(|before| before.is_empty() || before.ends_with([',', ' ', '\t', '\r', '\n']))
    };
    for mark in ["actions", "action"] {
        if let Some((at, _)) = text.match_indices('=').find(|(at, _)| is_mark(mark, *at)) {
            return (&text[..at - mark.len()], Some(&text[at + 1..]));
        }
    }
    (text, None)
}

/// Keys that are no part of the match. `Ok(false)`: it is none of them.
fn apply_option(
    flow: &mut FlowMod,
    command: FlowCommand,
    key: &str,
    value: Option<&str>,
    names: &Names,
) -> Result<bool, String> {
    use FlowModCommand::*;
    let adds = matches!(command, FlowCommand::Mod(Add | Modify | ModifyStrict));
    let prioritized = adds || command == FlowCommand::Mod(DeleteStrict);
    let filters = !matches!(command, FlowCommand::Mod(Add | Modify | ModifyStrict));
    let text = || value.filter(|text| !text.is_empty()).ok_or_else(|| format!("field {key} missing value"));
    match key {
        "table" => {
            let text = text()?;
            flow.table = names.parse_table(text).ok_or_else(|| format!("unknown table \"{text}\""))?;
        }
        "priority" if prioritized => flow.priority = number(text()?, key)?,
        "idle_timeout" if adds => flow.idle_timeout = Timeout(number(text()?, key)?),
        "hard_timeout" if adds => flow.hard_timeout = Timeout(number(text()?, key)?),
        "importance" if adds => flow.importance = number(text()?, key)?,
        "out_port" if filters => {
            let text = text()?;
            flow.out_port = names.parse_port(text).ok_or_else(|| format!("{text} is not a valid OpenFlow port"))?;
        }
        "out_group" if filters => flow.out_group = GroupId(number(text()?, key)?),
        "cookie" => parse_cookie(flow, command, text()?)?,
        // what a dump prints is taken back
        "duration" | "n_packets" | "n_bytes" | "idle_age" | "hard_age" if value.is_some() => {}
        _ => return Ok(false),
    }
    Ok(true)
}

fn parse_cookie(flow: &mut FlowMod, command: FlowCommand, text: &str) -> Result<(), String> {
    let number = |t: &str| match t {
        "-1" => Ok(u64::MAX),
        t => parse_u64(t).ok_or_else(|| format!("invalid numeric format {t}")),
    };
    if let Some((value, mask)) = text.split_once('/') {
        if command == FlowCommand::Mod(FlowModCommand::Add) {
            return Err("flow additions cannot use a cookie mask".to_owned());
        }
        flow.filter_cookie = Cookie(number(value)?);
        flow.cookie_mask = number(mask)?;
        return Ok(());
    }
    match command {
        FlowCommand::Mod(FlowModCommand::Delete | FlowModCommand::DeleteStrict) | FlowCommand::Filter => {
            Err(format!("cannot set cookie (to match on a cookie, specify a mask, e.g. cookie={text}/-1)"))
        }
        FlowCommand::Mod(_) => {
            flow.cookie = Cookie(number(text)?);
            Ok(())
        }
    }
}

fn number<T: TryFrom<u64>>(text: &str, what: &str) -> Result<T, String> {
    parse_u64(text).and_then(|v| T::try_from(v).ok()).ok_or_else(|| format!("invalid {what} \"{text}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_is_called_like_an_option() {
        let options = [
            "table",
            "priority",
            "idle_timeout",
            "hard_timeout",
            "importance",
            "out_port",
            "out_group",
            "cookie",
            "duration",
            "n_packets",
            "n_bytes",
            "idle_age",
            "hard_age",
            "allow_hidden_fields",
        ];
        for name in options.into_iter().chain(FLAG_WORDS.map(|(_, name)| name)) {
            assert_eq!(FieldId::by_name(name), None);
        }
    }
}
