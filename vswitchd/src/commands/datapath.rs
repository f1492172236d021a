//! What: `dpctl/*` about flows and datapaths, as ovs-dpctl(8) shows them.
//!
//! How: there is one datapath; users know it by the type of its bridges (`netdev@ovs-netdev`). Datapaths that were made
//! by hand stand beside it ([`super::spare`]).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use weft_engine::{Datapath, Megaflow, flow_text};
use weft_flow::CompactMatch;
use weft_flow::dpctl::{self, DpNames, lookup};
use weft_packet::DpPort;

use super::{Answer, Command, command};
use crate::owner::Owner;

pub const COMMANDS: &[Command] = &[
    command("dpctl/add-flow", "[dp] flow actions", 2, 3, |owner, args| change(owner, args, Verb::Add)),
    command("dpctl/add-flows", "[dp] file", 1, 2, |owner, args| change_from_file(owner, args, Verb::Add)),
    command("dpctl/mod-flow", "[dp] flow actions", 2, 4, |owner, args| change(owner, args, Verb::Modify)),
    command("dpctl/mod-flows", "[dp] file", 1, 2, |owner, args| change_from_file(owner, args, Verb::Modify)),
    command("dpctl/del-flow", "[dp] flow", 1, 3, |owner, args| change(owner, args, Verb::Delete)),
    command("dpctl/del-flows", "[dp] [file]", 0, 2, del_flows),
    command("dpctl/get-flow", "[dp] ufid", 1, 4, get_flow),
    command("dpctl/dump-flows", "[-m] [--names] [dp] [filter=..] [type=..] [pmd=..]", 0, 6, dump_flows),
    command("dpctl/dump-dps", "", 0, 0, dump_dps),
    command("dpctl/show", "[-s] [dp...]", 0, 100, show),
    command("dpctl/cache-get-size", "[dp]", 0, 1, |owner, args| {
        skip_datapath(owner, args, 0)?;
        Ok(datapaths(owner).into_iter().map(|name| name + ":\n").collect())
    }),
    command("dpctl/cache-set-size", "dp cache <size>", 3, 3, |_, _| {
        Err("ovs-vswitchd: Setting caches not supported (Operation not supported)".to_owned())
    }),
    command("dpctl/offload-stats-show", "[dp]", 0, 1, |owner, args| {
        skip_datapath(owner, args, 0)?;
        Err("ovs-vswitchd: retrieving offload statistics (Invalid argument)".to_owned())
    }),
    command("dpctl/parse-actions", "actions", 1, 100, |_, args| {
        args.iter().map(|text| round_trip(text)).collect::<Result<Vec<_>, _>>().map(|lines| lines.concat())
    }),
    command("dpctl/normalize-actions", "actions", 2, 2, |_, args| normalize(&args[0], &args[1])),
    command("dpctl/list-commands", "", 0, 0, |_, _| {
        let names = [COMMANDS, super::spare::COMMANDS].into_iter().flatten();
        let lines = names.filter_map(|c| Some(format!("  dpctl/{:<24}{}\n", c.name.strip_prefix("dpctl/")?, c.usage)));
        Ok("The available commands are:\n".to_owned() + &lines.collect::<String>())
    }),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Add,
    Modify,
    Delete,
}

/// The datapath under the names of its bridges' types.
pub(super) fn datapaths(owner: &Owner) -> Vec<String> {
    let types = owner.switch.running.bridges.values().map(|bridge| bridge.config.datapath_type.as_str());
    let mut types: Vec<&str> = types.map(|kind| if kind.is_empty() { "system" } else { kind }).collect();
    types.sort_unstable();
    types.dedup();
    types.into_iter().map(|kind| format!("{kind}@ovs-{kind}")).collect()
}

pub(super) fn is_datapath(owner: &Owner, name: &str) -> bool {
    datapaths(owner).iter().any(|known| known == name || known.split('@').nth(1) == Some(name))
}

const NO_DATAPATH: &str = "ovs-vswitchd: datapath not found (Invalid argument)";

/// Takes a datapath's name off the front of `args` if there is one more than `without`.
fn skip_datapath<'a>(owner: &Owner, args: &'a [String], without: usize) -> Result<&'a [String], String> {
    match args.len() > without {
        false => Ok(args),
        true if is_datapath(owner, &args[0]) => Ok(&args[1..]),
        true => Err(NO_DATAPATH.to_owned()),
    }
}

fn names(owner: &Owner) -> DpNames {
    owner.switch.dp_names().into_iter().collect()
}

/// Options that stand in front of, or between, the words of a dpctl command.
#[derive(Default)]
struct Options {
    more: bool,
    statistics: bool,
    names: Option<bool>,
    words: Vec<String>,
}

impl Options {
    fn of(args: &[String]) -> Result<Options, String> {
        let mut options = Options::default();
        for arg in args {
            match arg.as_str() {
                "-m" | "--more" => options.more = true,
                "-s" | "--statistics" => options.statistics = true,
                "--names" => options.names = Some(true),
                "--no-names" => options.names = Some(false),
                "--clear" | "--may-create" | "--read-only" => {}
                other if other.starts_with('-') => return Err(format!("Unrecognized option {other}")),
                word => options.words.push(word.to_owned()),
            }
        }
        Ok(options)
    }

    /// Names of ports, if they are wanted.
    fn port_names(&self, owner: &Owner) -> DpNames {
        if self.names.unwrap_or(self.more) { names(owner) } else { DpNames::new() }
    }
}

fn dump_dps(owner: &mut Owner, _: &[String]) -> Answer {
    let spare = owner.spare.names();
    Ok(datapaths(owner).into_iter().chain(spare).map(|name| name + "\n").collect())
}

/// Why a datapath of that name cannot be opened.
pub(super) fn cannot_open(name: &str) -> String {
    let known = name.split_once('@').is_some_and(|(kind, _)| matches!(kind, "dummy" | "netdev" | "system"));
    let why = if known { "No such device" } else { "Address family not supported by protocol" };
    format!("ovs-vswitchd: opening datapath {name} failed ({why})")
}

fn show(owner: &mut Owner, args: &[String]) -> Answer {
    let options = Options::of(args)?;
    let known = |owner: &Owner, name: &String| datapaths(owner).contains(name) || owner.spare.get(name).is_some();
    if let Some(unknown) = options.words.iter().find(|name| !known(owner, name)) {
        return Err(cannot_open(unknown));
    }
    let wanted = |name: &String| options.words.is_empty() || options.words.contains(name);
    let mut text = String::new();
    for datapath in datapaths(owner).iter().filter(|name| wanted(name)) {
        let kind = datapath.split('@').next().unwrap_or_default().to_owned();
        let stats = owner.switch.engine.stats();
        let _ = writeln!(text, "{datapath}:");
        let _ = writeln!(text, "  lookups: hit:{} missed:{} lost:{}", stats.hit, stats.missed, stats.lost);
        let _ = writeln!(text, "  flows: {}", stats.flows);
        let mut ports: BTreeMap<DpPort, (String, String)> = BTreeMap::new();
        if kind == "dummy" {
            ports.insert(DpPort(0), ("ovs-dummy".to_owned(), "dummy-internal".to_owned()));
        }
        for interface in owner.switch.interfaces.values() {
            if let crate::switch::State::Open { dp, .. } = &interface.state {
                ports.insert(*dp, (interface.name.clone(), interface.kind.shown.clone()));
            }
        }
        for (number, (name, shown)) in ports {
            let _ = writeln!(text, "  port {number}: {name} ({shown})");
            if options.statistics {
                text += &counters(owner, &name);
            }
        }
    }
    text += &owner.spare.show(|name| wanted(name));
    Ok(text)
}

fn counters(owner: &Owner, name: &str) -> String {
    let stats = crate::switch::port_counters(&owner.switch.devices, name);
    let show = |n: Option<u64>| n.map_or("?".to_owned(), |n| n.to_string());
    format!(
        "    RX packets:{} errors:{} dropped:{} overruns:{} frame:{}\n    TX packets:{} errors:{} dropped:{} aborted:? \
         carrier:?\n    collisions:{}\n    RX bytes:{}  TX bytes:{}\n",
        show(stats.rx_packets.or(Some(0))),
        show(stats.rx_errors),
        show(stats.rx_dropped),
        show(stats.rx_over_err),
        show(stats.rx_frame_err),
        show(stats.tx_packets.or(Some(0))),
        show(stats.tx_errors),
        show(stats.tx_dropped),
        show(stats.collisions),
        show(stats.rx_bytes.or(Some(0))),
        show(stats.tx_bytes.or(Some(0))),
    )
}

/// One flow as `dump-flows` shows it. `flows` are the same flow in each worker that has it.
fn line(owner: &Owner, flows: &[Arc<Megaflow>], names: &DpNames, more: bool) -> String {
    let first = &flows[0];
    let (matching, counted) = (flow_text::matching(first, names, more), flow_text::statistics(flows, owner.now()));
    let actions = dpctl::format_actions(&first.actions.load(), names);
    if !more {
        return format!("{matching}, {counted}, actions:{actions}");
    }
    let (outer, inner) = lookup::miniflow_bits(first.pattern.unpack().mask());
    format!(
        "{}, {matching}, {counted}, dp:ovs, actions:{actions}, dp-extra-info:miniflow_bits({outer},{inner})",
        first.name()
    )
}

/// The same flow of all workers together, oldest first.
fn grouped(owner: &Owner) -> Vec<Vec<Arc<Megaflow>>> {
    let mut groups: BTreeMap<u128, Vec<Arc<Megaflow>>> = BTreeMap::new();
    for flow in owner.switch.engine.flows() {
        groups.entry(flow.ufid()).or_default().push(flow);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|flows| flows.iter().map(|flow| flow.created).min());
    groups
}

/// Kinds of flows that `type=` can name, and whether ours is one: all of our flows are the software's.
const TYPES: &[(&str, bool)] = &[
    ("all", true),
    ("ovs", true),
    ("non-offloaded", true),
    ("tc", false),
    ("dpdk", false),
    ("offloaded", false),
    ("partially-offloaded", false),
];

fn dump_flows(owner: &mut Owner, args: &[String]) -> Answer {
    let options = Options::of(args)?;
    let (mut wanted, mut ours, mut core) = (None, true, None);
    for word in &options.words {
        match word.split_once('=') {
            Some(("filter", text)) => wanted = Some(CompactMatch::new(&parse_filter(text, owner)?)),
            Some(("type", text)) => {
                let of = |name: &str| TYPES.iter().find(|(known, _)| *known == name).map(|(_, ours)| *ours);
                let found: Option<Vec<bool>> = text.split(',').map(of).collect();
                let failed = || format!("ovs-vswitchd: Failed to parse type ({text}) (Invalid argument)");
                ours = found.ok_or_else(failed)?.contains(&true);
            }
            Some(("pmd", text)) => core = Some(text.parse::<i64>().map_err(|_| String::new())?),
            _ if is_datapath(owner, word) => {}
            _ => return Err(NO_DATAPATH.to_owned()),
        }
    }
    if !ours {
        return Ok(String::new());
    }
    let names = options.port_names(owner);
    let mut by_core: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for flows in grouped(owner) {
        if wanted.as_ref().is_none_or(|wanted| flows[0].pattern.overlaps(wanted)) {
            let text = line(owner, &flows, &names, options.more) + "\n";
            let port = DpPort(flows[0].pattern.word(0) as u32);
            by_core.entry(super::polling::core_of(owner, port)).or_default().push(text);
        }
    }
    let mut text = String::new();
    for (at, lines) in by_core.into_iter().filter(|(at, _)| core.is_none_or(|core| core == *at)) {
        let _ = match at {
            MAIN_THREAD => writeln!(text, "flow-dump from the main thread:"),
            core => writeln!(text, "flow-dump from pmd on cpu core: {core}"),
        };
        text += &lines.concat();
    }
    Ok(text)
}

/// Where frames are handled that no core polls for.
pub(super) const MAIN_THREAD: i64 = -1;

/// `filter=` is a flow in OpenFlow's syntax, with the datapath's ports.
fn parse_filter(text: &str, owner: &Owner) -> Result<weft_flow::Match, String> {
    let failed = |why: String| format!("ovs-vswitchd: Failed to parse filter ({text}: {why})");
    let mut wanted = weft_flow::Match::any();
    let mut ports = weft_flow::text::PortNames::new();
    for (dp, name) in owner.switch.dp_names() {
        ports.insert(weft_flow::OfPort(dp.0), &name);
    }
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let (key, value) = word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value)));
        let found = weft_flow::text::parse_match_key(&mut wanted, key, value, &ports);
        if !found.map_err(|why| failed(format!("bad value for {key} ({why})")))? {
            return Err(failed(format!("unknown field {key}")));
        }
    }
    Ok(wanted)
}

fn get_flow(owner: &mut Owner, args: &[String]) -> Answer {
    let options = Options::of(args)?;
    let rest = skip_datapath(owner, &options.words, 1)?;
    let id = rest.first().and_then(|text| text.strip_prefix("ufid:")).and_then(|id| uuid::Uuid::parse_str(id).ok());
    // as Open vSwitch, which says so and calls it a success
    let Some(id) = id else { return Ok("ovs-vswitchd: parsing flow ufid\n".to_owned()) };
    let flows = grouped(owner).into_iter().find(|flows| flows[0].ufid() == id.as_u128());
    let flows = flows.ok_or("ovs-vswitchd: getting flow (No such file or directory)")?;
    Ok(line(owner, &flows, &options.port_names(owner), options.more) + "\n")
}

fn del_flows(owner: &mut Owner, args: &[String]) -> Answer {
    let file = args.last().filter(|last| !is_datapath(owner, last));
    if file.is_some() {
        return change_from_file(owner, args, Verb::Delete);
    }
    skip_datapath(owner, args, 0)?;
    owner.switch.pipeline.purge();
    owner.switch.engine.flow_flush();
    Ok(String::new())
}

fn change(owner: &mut Owner, args: &[String], verb: Verb) -> Answer {
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
fn change_from_file(owner: &mut Owner, args: &[String], verb: Verb) -> Answer {
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

/// Does it, and tells what the flow had counted.
fn change_one(owner: &mut Owner, verb: Verb, flow: &str, actions: Option<&str>) -> Answer {
    let names = names(owner);
    let id = flow.strip_prefix("ufid:").map(|rest| rest.split(',').next().unwrap_or_default());
    let id = id.map(|id| uuid::Uuid::parse_str(id).map(|id| id.as_u128()));
    let id = id.transpose().map_err(|_| "ovs-vswitchd: parsing flow ufid".to_owned())?;
    let text = if id.is_some() { flow.split_once(',').map_or("", |(_, rest)| rest) } else { flow };
    let bad_key = |why: String| match verb {
        Verb::Delete => format!("ovs-vswitchd: {} (Invalid argument)", why),
        _ => format!("ovs-vswitchd: parsing flow key ({why}) (Invalid argument)"),
    };
    let pattern = dpctl::parse_match(text, &names).map_err(bad_key)?;
    let bad_actions = |_| "ovs-vswitchd: parsing actions (Invalid argument)".to_owned();
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

fn round_trip(text: &str) -> Answer {
    let failed = |_| "ovs-vswitchd: odp_actions_from_string (Invalid argument)".to_owned();
    let actions = dpctl::parse_actions(text, &DpNames::new()).map_err(failed)?;
    Ok(dpctl::format_actions(&actions, &DpNames::new()) + "\n")
}

/// What is done with the frame as it is tagged each time, the tags' states in their order.
fn normalize(flow: &str, actions: &str) -> Answer {
    use weft_flow::DpAction;
    let none = DpNames::new();
    let key = dpctl::parse_key(flow, &none).map_err(|why| format!("ovs-vswitchd: {why} (Invalid argument)"))?;
    let failed = |_| "ovs-vswitchd: odp_actions_from_string (Invalid argument)".to_owned();
    let actions = dpctl::parse_actions(actions, &none).map_err(failed)?;
    let (tci, mut labels) = (weft_flow::FieldId::VlanTci.get(&key) as u16, Vec::new());
    let mut tag = tci;
    let mut states: BTreeMap<(u16, Vec<u32>), Vec<DpAction>> = BTreeMap::new();
    for action in actions {
        match action {
            DpAction::PushVlan { tci, .. } => tag = tci | 0x1000,
            DpAction::PopVlan => tag = 0,
            DpAction::PushMpls { entry, .. } => labels.insert(0, entry),
            DpAction::PopMpls { .. } if !labels.is_empty() => drop(labels.remove(0)),
            other => states.entry((tag, labels.clone())).or_default().push(other),
        }
    }
    let mut text = format!("input flow: {}\n", dpctl::format_key(&key, &none));
    for ((tag, labels), actions) in states {
        text += &match tag {
            0 => "no vlan: ".to_owned(),
            tag => format!("vlan(vid={},pcp={}): ", tag & 0xfff, tag >> 13),
        };
        text += &match labels.first() {
            None => "no mpls: ".to_owned(),
            Some(entry) => format!(
                "mpls(label={},tc={},ttl={},bos={}): ",
                entry >> 12,
                entry >> 9 & 7,
                entry & 0xff,
                entry >> 8 & 1
            ),
        };
        text += &dpctl::format_actions(&actions, &none);
    }
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_that_contradict_do_not_overlap() {
        let one = |text: &str| dpctl::parse_match(text, &DpNames::new()).unwrap();
        let overlaps =
            |a: &weft_flow::Match, b: &weft_flow::Match| CompactMatch::new(a).overlaps(&CompactMatch::new(b));
        assert!(overlaps(&one("in_port(1)"), &one("eth_type(0x0800)")));
        assert!(!overlaps(&one("in_port(1)"), &one("in_port(2),eth_type(0x0800)")));
    }

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

    /// As Open vSwitch prints it.
    #[test]
    fn normalized_actions_stand_under_the_tags_of_their_frame() {
        let flow = "in_port(1),eth_type(0x800),ipv4(src=1.2.3.4)";
        let text = normalize(flow, "push_vlan(vid=1,pcp=0),2,pop_vlan,3").unwrap();
        assert!(text.ends_with("\nno vlan: no mpls: 3vlan(vid=1,pcp=0): no mpls: 2\n"), "{text}");
    }
}
