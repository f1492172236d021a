//! What: `dpctl/add-flow`, `mod-flow` and `del-flow`, from words and from files.

use std::fmt::Write;
use std::sync::Arc;

use weft_engine::{Datapath, Megaflow, flow_text};
use weft_flow::dpctl;

use super::{Answer, Options, is_datapath, names, skip_datapath};
use crate::owner::Owner;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// A flow that is not there yet.
    Add,
    /// One that is.
    Modify,
    /// Away with it.
    Delete,
}

pub fn delete_all(owner: &mut Owner, args: &[String]) -> Answer {
    let file = args.last().filter(|last| !is_datapath(owner, last));
    if file.is_some() {
        return from_file(owner, args, Verb::Delete);
    }
    skip_datapath(owner, args, 0)?;
    owner.switch.pipeline.purge();
    owner.switch.engine.flow_flush();
    Ok(String::new())
}

pub fn one(owner: &mut Owner, args: &[String], verb: Verb) -> Answer {
    let options = Options::of(args)?;
    let without = if verb == Verb::Delete { 1 } else { 2 };
    if options.words.len() < without {
        return Err(format!("too few arguments: {without} needed"));
    }
    let rest = skip_datapath(owner, &options.words, without)?;
    let counted = change_one(owner, verb, &rest[0], rest.get(1).map(String::as_str))?;
    Ok(if options.statistics { counted } else { String::new() })
}

/// Lines of flows and actions, each of which may say by itself what is done with it.
pub fn from_file(owner: &mut Owner, args: &[String], verb: Verb) -> Answer {
    let rest = skip_datapath(owner, args, 1)?;
    let file = &rest[0];
    let lines = match std::fs::read_to_string(file) {
        Ok(lines) => lines,
        Err(error) => {
            let why = weft_jsonrpc::session::bare(&error);
            return Ok(format!("ovs-vswitchd: Opening file \"{file}\" failed ({why})\n"));
        }
    };
    let mut said = String::new();
    for (number, line) in lines.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let word = line.split_whitespace().next().unwrap_or_default();
        let of_its_own = match word {
            "add" => Some(Verb::Add),
            "modify" => Some(Verb::Modify),
            "delete" => Some(Verb::Delete),
            _ => None,
        };
        let rest = if of_its_own.is_some() { line[word.len()..].trim() } else { line };
        let verb = of_its_own.unwrap_or(verb);
        let (flow, actions) = match rest.split_once(char::is_whitespace) {
            Some((flow, actions)) => (flow, Some(actions.trim())),
            None => (rest, None),
        };
        if verb != Verb::Delete && actions.is_none() {
            let _ = writeln!(said, "ovs-vswitchd: Failed parsing line number {}, skipped!", number + 1);
            continue;
        }
        if let Err(error) = change_one(owner, verb, flow, actions) {
            let _ = writeln!(said, "{error}");
        }
    }
    Ok(said)
}

/// Bytes of a netlink attribute's header.
const ATTRIBUTE: usize = 4;

/// Does it, and tells what the flow had counted.
fn change_one(owner: &mut Owner, verb: Verb, flow: &str, actions: Option<&str>) -> Answer {
    let names = names(owner);
    let id = flow.strip_prefix("ufid:").map(|rest| rest.split(',').next().unwrap_or_default());
    let id = id.map(|id| uuid::Uuid::parse_str(id).map(|id| id.as_u128()));
    let id = id.transpose().map_err(|_| "ovs-vswitchd: parsing flow ufid".to_owned())?;
    let text = if id.is_some() { flow.split_once(',').map_or("", |(_, rest)| rest) } else { flow };
    let refused = |why: String, error: &str| match verb {
        Verb::Delete => format!("ovs-vswitchd: {why} ({error})"),
        _ => format!("ovs-vswitchd: parsing flow key ({why}) ({error})"),
    };
    let bad_key = |why: String| refused(why, "Invalid argument");
    if let Some(rest) = dpctl::tunnel::too_long(text, ATTRIBUTE) {
        return Err(refused(format!("syntax error at {rest}"), "Argument list too long"));
    }
    let pattern = dpctl::parse_match(text, &names).map_err(bad_key)?;
    let bad_actions = |_| "ovs-vswitchd: parsing actions (Invalid argument)".to_owned();
    if actions.is_some_and(|text| dpctl::tunnel::too_long(text, 4 * ATTRIBUTE).is_some()) {
        return Err("ovs-vswitchd: parsing actions (Argument list too long)".into());
    }
    let actions = actions.map(|text| dpctl::parse_actions(text, &names)).transpose().map_err(bad_actions)?;
    // the frame that the flow speaks of, whatever of it matters
    let frame = dpctl::parse_key(&without_masks(text), &names).unwrap_or_else(|_| pattern.key().clone());
    let is_it = |flow: &Arc<Megaflow>| match id {
        Some(id) => flow.ufid() == id,
        None => flow.pattern.unpack().matches(&frame),
    };
    let there: Vec<Arc<Megaflow>> = owner.switch.engine.flows().into_iter().filter(is_it).collect();
    let engine = &owner.switch.engine;
    let updating = |why: &str| format!("ovs-vswitchd: updating flow table ({why})");
    match (verb, actions) {
        (Verb::Add | Verb::Modify, _) if !is_complete(text) => return Err(updating("Invalid argument")),
        (Verb::Add, Some(actions)) if there.is_empty() => {
            engine.flow_put(pattern, &frame, actions, id).map_err(|_| updating("File exists"))?;
        }
        (Verb::Add, _) => return Err(updating("File exists")),
        (Verb::Modify, _) if there.is_empty() => return Err(updating("No such file or directory")),
        (Verb::Delete, _) if there.is_empty() => {
            let hint = "Perhaps you need to specify a UFID?";
            return Err(format!("ovs-vswitchd: deleting flow (No such file or directory)\n{hint}"));
        }
        (Verb::Modify, Some(actions)) => {
            for flow in &there {
                engine.flow_modify(flow, actions.clone(), Box::new(()));
            }
        }
        (_, _) => engine.flows_delete(&there),
    }
    Ok(match there.is_empty() {
        true => String::new(),
        false => flow_text::statistics(&there, owner.now()) + "\n",
    })
}

/// A flow's values: `src=192.1.1.1/0.0.0.0` is 192.1.1.1.
fn without_masks(flow: &str) -> String {
    let mut in_mask = false;
    let keep = |c: &char| {
        in_mask = *c == '/' || in_mask && !matches!(c, ',' | ')');
        !in_mask
    };
    flow.chars().filter(keep).collect()
}

/// Whether a flow says what the datapath must know: its type, and the header that this promises.
fn is_complete(flow: &str) -> bool {
    let says = |what: &str| flow.contains(what);
    let typed = |number: &str, header: &str| !says(&format!("eth_type({number})")) || says(header);
    (says("eth_type(") || says("packet_type("))
        && typed("0x0800", "ipv4(")
        && typed("0x800", "ipv4(")
        && typed("0x86dd", "ipv6(")
        && typed("0x0806", "arp(")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_taken_off() {
        assert_eq!(
            without_masks("ipv4(src=192.1.1.1/0.0.0.0,dst=1.2.3.4/8),x(1/2)"),
            "ipv4(src=192.1.1.1,dst=1.2.3.4),x(1)"
        );
    }

    #[test]
    fn a_flow_must_say_the_headers_that_it_promises() {
        assert!(is_complete("in_port(1),eth(),eth_type(0x0800),ipv4(src=1.2.3.4)"));
        assert!(is_complete("in_port(1),eth(),eth_type(0x1234)"));
        assert!(is_complete("in_port(1),eth_type(0x0800),ipv4(src=0.0.0.0/192.0.0.0)"));
        assert!(!is_complete("in_port(1)"));
        assert!(!is_complete("in_port(1),eth(),eth_type(0x0806)"));
    }
}
