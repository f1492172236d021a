//! Whole flows from text: the flow syntax of ovs-ofctl(8).

use weft_flow::text::number::parse_u64;
use weft_flow::text::{normalize, parse_match_key};

use super::Names;
use super::flow_print::FLAG_WORDS;
use super::instruction_parse::parse_instructions;
use super::words::Words;
use crate::flow::{FlowMod, FlowModCommand};
use crate::ids::{Cookie, GroupId, TableId, Timeout};

/// What a line of flow syntax is for; it decides which keys may stand in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlowCommand {
    /// A flow mod.
    Mod(FlowModCommand),
    /// A request of statistics: `dump-flows`, `dump-aggregate`.
    Filter,
}

/// Read one flow.
///
/// # Errors
/// The text that the tools print.
pub fn parse_flow(text: &str, command: FlowCommand, names: &Names) -> Result<FlowMod, String> {
    use FlowModCommand::*;
    let wants_actions = matches!(command, FlowCommand::Mod(Add | Modify | ModifyStrict));
    let (fields, actions) = split_actions(text);
    if wants_actions && actions.is_none() {
        return Err("must specify an action".to_owned());
    }
    let mut flow = FlowMod::default();
    match command {
        FlowCommand::Mod(c) => flow.command = c,
        FlowCommand::Filter => flow.table = TableId::ALL,
    }
    if !matches!(command, FlowCommand::Mod(Add)) {
        flow.table = TableId::ALL;
        flow.cookie = Cookie::UNCHANGED;
    }
    for word in Words::of(fields) {
        if apply_option(&mut flow, command, word.key, word.value, names)? {
            continue;
        }
        if let Some((flag, _)) = FLAG_WORDS.iter().find(|(_, name)| *name == word.key).filter(|_| wants_actions) {
            flow.flags |= *flag;
        } else if !parse_match_key(&mut flow.matching, word.key, value_of(&word), &names.ports)? {
            return Err(format!("unknown keyword {}", word.key));
        }
    }
    normalize(&mut flow.matching);
    if let Some(actions) = actions.filter(|_| wants_actions) {
        flow.instructions = parse_instructions(actions, names)?;
    }
    Ok(flow)
}

/// A line of a file that `--bundle` or `add-flows` takes: it may begin with `add`, `modify`, `delete`, ... (ovs-ofctl(8)).
///
/// # Errors
/// As [`parse_flow`].
pub fn parse_flow_mod_line(text: &str, default: FlowModCommand, names: &Names) -> Result<FlowMod, String> {
    let text = text.trim();
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let command = match word {
        "add" => FlowModCommand::Add,
        "modify" => FlowModCommand::Modify,
        "modify_strict" => FlowModCommand::ModifyStrict,
        "delete" => FlowModCommand::Delete,
        "delete_strict" => FlowModCommand::DeleteStrict,
        _ => return parse_flow(text, FlowCommand::Mod(default), names),
    };
    parse_flow(rest, FlowCommand::Mod(command), names)
}

/// A value written with `(...)`, as `packet_type=(1,0x800)`, keeps its parentheses; `key=value` is as it stands.
fn value_of<'a>(word: &super::words::Word<'a>) -> Option<&'a str> {
    word.value
}

fn split_actions(text: &str) -> (&str, Option<&str>) {
    for mark in ["actions=", "action="] {
        // at the start of a word only: a port or table may be called like that
        let found =
            text.match_indices(mark).find(|(at, _)| *at == 0 || text[..*at].ends_with([',', ' ', '\t', '\r', '\n']));
        if let Some((at, _)) = found {
            return (&text[..at], Some(&text[at + mark.len()..]));
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
    let prioritized = matches!(command, FlowCommand::Mod(Add | ModifyStrict | DeleteStrict));
    let filters = !matches!(command, FlowCommand::Mod(Add | Modify | ModifyStrict));
    let text = || value.ok_or_else(|| format!("field {key} missing value"));
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
            flow.out_port = names.ports.parse(text).ok_or_else(|| format!("{text} is not a valid OpenFlow port"))?;
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
            Err("cannot set cookie (to match on a cookie, specify a mask, e.g. cookie=0x1/-1)".to_owned())
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
