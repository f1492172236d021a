//! What: `dpctl/*` about flows and datapaths, as ovs-dpctl(8) shows them.
//!
//! How: there is one datapath; users know it by the type of its bridges (`netdev@ovs-netdev`). Datapaths that were made
//! by hand stand beside it ([`super::spare`]).

mod change;
mod text;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use weft_engine::{Datapath, Megaflow, flow_text};
use weft_flow::CompactMatch;
use weft_flow::dpctl::{self, DpNames, lookup};
use weft_packet::DpPort;

use super::{Answer, Command, command};
use crate::owner::Owner;
use change::Verb;

pub const COMMANDS: &[Command] = &[
    command("dpctl/add-flow", "[dp] flow actions", 2, 3, |owner, args| change::one(owner, args, Verb::Add)),
    command("dpctl/add-flows", "[dp] file", 1, 2, |owner, args| change::from_file(owner, args, Verb::Add)),
    command("dpctl/mod-flow", "[dp] flow actions", 2, 4, |owner, args| change::one(owner, args, Verb::Modify)),
    command("dpctl/mod-flows", "[dp] file", 1, 2, |owner, args| change::from_file(owner, args, Verb::Modify)),
    command("dpctl/del-flow", "[dp] flow", 1, 3, |owner, args| change::one(owner, args, Verb::Delete)),
    command("dpctl/del-flows", "[dp] [file]", 0, 2, change::delete_all),
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
        args.iter().map(|text| text::round_trip(text)).collect::<Result<Vec<_>, _>>().map(|lines| lines.concat())
    }),
    command("dpctl/normalize-actions", "actions", 2, 2, |_, args| text::normalize(&args[0], &args[1])),
    command("dpctl/list-commands", "", 0, 0, |_, _| {
        let names = [COMMANDS, super::spare::COMMANDS].into_iter().flatten();
        let lines = names.filter_map(|c| Some(format!("  dpctl/{:<24}{}\n", c.name.strip_prefix("dpctl/")?, c.usage)));
        Ok("The available commands are:\n".to_owned() + &lines.collect::<String>())
    }),
];

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
        for (name, backer) in &owner.switch.backers {
            ports.insert(backer.dp, (name.clone(), backer.shown.clone()));
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
}
