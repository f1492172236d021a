//! What: `dpctl/*` and `dpif-netdev/*`: the datapath as ovs-dpctl(8) shows it.
//!
//! How: there is one datapath; users know it by the type of its bridges (`netdev@ovs-netdev`).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use weft_base::Time;
use weft_engine::{Datapath, Megaflow};
use weft_flow::CompactMatch;
use weft_flow::dpctl::{self, DpNames};
use weft_packet::DpPort;

use super::{Answer, Command, command};
use crate::owner::Owner;

pub const COMMANDS: &[Command] = &[
    command("dpctl/add-flow", "[dp] flow actions", 2, 3, |owner, args| change(owner, args, Verb::Add)),
    command("dpctl/mod-flow", "[dp] flow actions", 2, 3, |owner, args| change(owner, args, Verb::Modify)),
    command("dpctl/del-flow", "[dp] flow", 1, 2, |owner, args| change(owner, args, Verb::Delete)),
    command("dpctl/del-flows", "[dp]", 0, 1, del_flows),
    command("dpctl/get-flow", "[-m] [--names] [dp] ufid", 1, 4, get_flow),
    command("dpctl/dump-flows", "[-m] [--names] [dp] [filter=..] [type=..] [pmd=..]", 0, 6, dump_flows),
    command("dpctl/dump-dps", "", 0, 0, dump_dps),
    command("dpif/dump-dps", "", 0, 0, dump_dps),
    command("dpctl/show", "[-s] [dp...]", 0, 100, show),
    command("dpctl/add-dp", "dp [iface...]", 1, 100, |_, _| Err(managed("add_dp"))),
    command("dpctl/del-dp", "dp", 1, 1, |_, _| Err(managed("del_dp"))),
    command("dpctl/add-if", "dp iface...", 2, 100, |_, _| Err(managed("add_if"))),
    command("dpctl/del-if", "dp iface...", 2, 100, del_if),
    command("dpctl/set-if", "dp iface...", 2, 100, |_, _| Err(managed("set_if"))),
    command("dpctl/parse-actions", "actions", 1, 100, |_, args| {
        args.iter().map(|text| round_trip(text)).collect::<Result<Vec<_>, _>>().map(|lines| lines.concat())
    }),
    command("dpctl/normalize-actions", "flow actions", 2, 2, |_, args| round_trip(&args[1])),
    command("dpctl/list-commands", "", 0, 0, |_, _| {
        Ok(COMMANDS
            .iter()
            .filter_map(|c| Some(format!("  {} {}\n", c.name.strip_prefix("dpctl/")?, c.usage)))
            .collect())
    }),
    command("dpif-netdev/pmd-stats-show", "[-pmd core] [dp]", 0, 3, worker_stats),
    command("dpif-netdev/pmd-stats-clear", "[-pmd core] [dp]", 0, 3, |owner, _| {
        owner.clear_worker_stats();
        Ok(String::new())
    }),
    command("dpif-netdev/pmd-rxq-show", "[-pmd core] [-secs secs] [dp]", 0, 5, queues),
    command("dpif/show-dp-features", "bridge", 1, 1, features),
];

enum Verb {
    Add,
    Modify,
    Delete,
}

fn managed(verb: &str) -> String {
    format!("ovs-vswitchd: {verb} (Operation not supported): datapaths follow the bridges of the database")
}

/// The datapath under the names of its bridges' types.
fn datapaths(owner: &Owner) -> Vec<String> {
    let types = owner.switch.running.bridges.values().map(|bridge| bridge.config.datapath_type.as_str());
    let mut types: Vec<&str> = types.map(|kind| if kind.is_empty() { "system" } else { kind }).collect();
    types.sort_unstable();
    types.dedup();
    types.into_iter().map(|kind| format!("{kind}@ovs-{kind}")).collect()
}

fn is_datapath(owner: &Owner, name: &str) -> bool {
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

fn del_if(owner: &mut Owner, args: &[String]) -> Answer {
    if !is_datapath(owner, &args[0]) {
        return Err(NO_DATAPATH.to_owned());
    }
    for name in &args[1..] {
        if !owner.detach(name) {
            return Err(format!("ovs-vswitchd: no port named {name}"));
        }
    }
    Ok(String::new())
}

fn dump_dps(owner: &mut Owner, _: &[String]) -> Answer {
    Ok(datapaths(owner).into_iter().map(|name| name + "\n").collect())
}

fn show(owner: &mut Owner, args: &[String]) -> Answer {
    let with_counters = args.iter().any(|arg| matches!(arg.as_str(), "-s" | "--statistics"));
    let wanted: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    if let Some(unknown) = wanted.iter().find(|name| !is_datapath(owner, name)) {
        return Err(format!("ovs-vswitchd: opening datapath {unknown} failed (No such device)"));
    }
    let mut text = String::new();
    for datapath in datapaths(owner) {
        let kind = datapath.split('@').next().unwrap_or_default().to_owned();
        if !wanted.is_empty()
            && !wanted.iter().any(|name| **name == datapath || datapath.ends_with(&format!("@{name}")))
        {
            continue;
        }
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
            if with_counters {
                text += &counters(owner, &name);
            }
        }
    }
    Ok(text)
}

fn counters(owner: &Owner, name: &str) -> String {
    let stats = crate::switch::port_counters(&owner.switch.devices, name);
    let show = |n: Option<u64>| n.map_or("?".to_owned(), |n| n.to_string());
    format!(
        "    RX packets:{} errors:{} dropped:{} overruns:{} frame:{}\n    TX packets:{} errors:{} dropped:{} aborted:? \
         carrier:?\n    collisions:{}\n    RX bytes:{}  TX bytes:{}\n",
        show(stats.rx_packets),
        show(stats.rx_errors),
        show(stats.rx_dropped),
        show(stats.rx_over_err),
        show(stats.rx_frame_err),
        show(stats.tx_packets),
        show(stats.tx_errors),
        show(stats.tx_dropped),
        show(stats.collisions),
        show(stats.rx_bytes),
        show(stats.tx_bytes),
    )
}

/// One flow as `dump-flows` shows it. `flows` are the same flow in each worker that has it.
fn line(flows: &[Arc<Megaflow>], names: &DpNames, more: bool, now: Time) -> String {
    let first = &flows[0];
    let sum = |read: fn(&Megaflow) -> u64| flows.iter().map(|flow| read(flow)).sum::<u64>();
    let used = flows.iter().map(|flow| flow.stats.used.get()).max().unwrap_or(0);
    let used = match used {
        0 => "never".to_owned(),
        used => {
            let ago = now.since(Time::from_nanos(used));
            format!("{}.{:03}s", ago.as_secs(), ago.subsec_millis())
        }
    };
    let flags = flows.iter().fold(0, |flags, flow| flags | flow.stats.tcp_flags());
    let flags = if flags == 0 { String::new() } else { format!(", flags:{}", tcp_flags(flags)) };
    let prefix = if more { format!("ufid:{}, ", ufid(first.ufid())) } else { String::new() };
    format!(
        "{prefix}{}, packets:{}, bytes:{}, used:{used}{flags}, actions:{}",
        dpctl::format_match(&first.pattern.unpack(), names),
        sum(|flow| flow.stats.packets.get()),
        sum(|flow| flow.stats.bytes.get()),
        dpctl::format_actions(&first.actions.load(), names)
    )
}

fn ufid(id: u128) -> String {
    uuid::Uuid::from_u128(id).hyphenated().to_string()
}

fn tcp_flags(flags: u16) -> String {
    let letters = [
        (0x001, 'F'),
        (0x002, 'S'),
        (0x004, 'R'),
        (0x008, 'P'),
        (0x010, '.'),
        (0x020, 'U'),
        (0x040, 'E'),
        (0x080, 'C'),
        (0x100, 'N'),
    ];
    letters.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, letter)| *letter).collect()
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

fn dump_flows(owner: &mut Owner, args: &[String]) -> Answer {
    let (mut more, mut with_names, mut filter) = (false, false, None);
    for arg in args {
        match arg.as_str() {
            "-m" | "--more" => (more, with_names) = (true, true),
            "--names" => with_names = true,
            "--no-names" => with_names = false,
            text => match text.split_once('=') {
                Some(("filter", text)) => filter = Some(text.to_owned()),
                Some(("type" | "pmd", _)) => {}
                _ if is_datapath(owner, text) => {}
                _ => return Err(NO_DATAPATH.to_owned()),
            },
        }
    }
    let names = if with_names { names(owner) } else { DpNames::new() };
    let wanted = filter.map(|text| parse_filter(&text)).transpose()?.map(|wanted| CompactMatch::new(&wanted));
    let now = owner.now();
    let lines: Vec<String> = grouped(owner)
        .iter()
        .filter(|flows| wanted.as_ref().is_none_or(|wanted| flows[0].pattern.overlaps(wanted)))
        .map(|flows| line(flows, &names, more, now) + "\n")
        .collect();
    if lines.is_empty() {
        return Ok(String::new());
    }
    Ok("flow-dump from the main thread:\n".to_owned() + &lines.concat())
}

/// `filter=` is in OpenFlow's syntax.
fn parse_filter(text: &str) -> Result<weft_flow::Match, String> {
    let mut wanted = weft_flow::Match::any();
    let ports = weft_flow::text::PortNames::new();
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let (key, value) = word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value)));
        if !weft_flow::text::parse_match_key(&mut wanted, key, value, &ports)? {
            return Err(format!("{word}: unknown field in filter"));
        }
    }
    Ok(wanted)
}

fn get_flow(owner: &mut Owner, args: &[String]) -> Answer {
    let wanted = args.iter().find_map(|arg| arg.strip_prefix("ufid:")).ok_or("Failed to parse ufid")?;
    let id = uuid::Uuid::parse_str(wanted).map_err(|_| "Failed to parse ufid".to_owned())?.as_u128();
    let flows = grouped(owner).into_iter().find(|flows| flows[0].ufid() == id);
    let flows = flows.ok_or("ovs-vswitchd: getting flow (No such file or directory)")?;
    let more = args.iter().any(|arg| matches!(arg.as_str(), "-m" | "--more"));
    let names = if args.iter().any(|arg| arg == "--names") { names(owner) } else { DpNames::new() };
    Ok(line(&flows, &names, more, owner.now()) + "\n")
}

fn del_flows(owner: &mut Owner, args: &[String]) -> Answer {
    skip_datapath(owner, args, 0)?;
    owner.switch.pipeline.purge();
    owner.switch.engine.flow_flush();
    Ok(String::new())
}

fn change(owner: &mut Owner, args: &[String], verb: Verb) -> Answer {
    let plain: Vec<String> = args.iter().filter(|arg| !arg.starts_with('-')).cloned().collect();
    let without = if matches!(verb, Verb::Delete) { 1 } else { 2 };
    if plain.len() < without {
        return Err("too few arguments".to_owned());
    }
    let rest = skip_datapath(owner, &plain, without)?;
    let names = names(owner);
    let pattern =
        dpctl::parse_match(&rest[0], &names).map_err(|error| format!("ovs-vswitchd: parsing flow key: {error}"))?;
    let actions = rest.get(1).map(|text| dpctl::parse_actions(text, &names)).transpose()?;
    let compact = CompactMatch::new(&pattern);
    let there: Vec<Arc<Megaflow>> =
        owner.switch.engine.flows().into_iter().filter(|flow| flow.pattern == compact).collect();
    let engine = &owner.switch.engine;
    match (verb, actions) {
        (Verb::Add, Some(actions)) if there.is_empty() => {
            let put = engine.flow_put(pattern, actions);
            put.map_err(|_| "ovs-vswitchd: updating flow table (File exists)".to_owned())?;
        }
        (Verb::Add, _) => return Err("ovs-vswitchd: updating flow table (File exists)".to_owned()),
        (_, _) if there.is_empty() => {
            return Err("ovs-vswitchd: updating flow table (No such file or directory)".to_owned());
        }
        (Verb::Modify, Some(actions)) => {
            for flow in &there {
                engine.flow_modify(flow, actions.clone(), Box::new(()));
            }
        }
        (_, _) => engine.flows_delete(&there),
    }
    Ok(String::new())
}

fn round_trip(text: &str) -> Answer {
    let actions = dpctl::parse_actions(text, &DpNames::new())?;
    Ok(dpctl::format_actions(&actions, &DpNames::new()) + "\n")
}

/// The layout that scripts read; lookups that this datapath does not have stand at zero.
fn worker_stats(owner: &mut Owner, _: &[String]) -> Answer {
    let stats = owner.worker_stats();
    let hits = stats.hit.saturating_sub(stats.cache_hit);
    let packets = stats.hit + stats.missed + stats.lost;
    let per = |a: u64, b: u64| if b == 0 { 0.0 } else { a as f64 / b as f64 };
    let mut text = String::from("main thread:\n");
    let _ = write!(
        text,
        "  packets received: {packets}\n  packet recirculations: 0\n  avg. datapath passes per packet: {:.2}\n  \
         phwol hits: 0\n  mfex opt hits: 0\n  simple match hits: 0\n  emc hits: {}\n  smc hits: 0\n  \
         megaflow hits: {hits}\n  avg. subtable lookups per megaflow hit: {:.2}\n  miss with success upcall: {}\n  \
         miss with failed upcall: {}\n  avg. packets per output batch: 0.00\n",
        if packets == 0 { 0.0 } else { 1.0 },
        stats.cache_hit,
        per(stats.mask_hit, hits),
        stats.missed,
        stats.lost,
    );
    Ok(text)
}

/// The layout that scripts read: a worker stands where they look for a core, under its number.
fn queues(owner: &mut Owner, args: &[String]) -> Answer {
    let asked = args.iter().position(|arg| arg == "-secs").and_then(|at| args.get(at + 1));
    let mut text = format!("Displaying last {} seconds pmd usage %\n", window(asked.map(String::as_str)));
    for worker in 0..owner.switch.engine.workers() {
        let _ = writeln!(text, "pmd thread numa_id 0 core_id {worker}:\n  isolated : false");
        let interfaces = owner.switch.interfaces.values();
        for interface in interfaces.filter(|interface| interface.device().is_some() && polled(&interface.kind.opened)) {
            let _ = writeln!(
                text,
                "  port: {:<16}  queue-id: {worker:>2} (enabled)   pmd usage: NOT AVAIL",
                interface.name
            );
        }
        text += "  overhead: NOT AVAIL\n";
    }
    Ok(text)
}

/// Seconds come in steps of five up to a minute; what is no such number means the whole minute.
fn window(asked: Option<&str>) -> u32 {
    match asked.and_then(|text| text.parse::<u32>().ok()) {
        Some(secs @ 1..60) => secs.div_ceil(5) * 5,
        _ => 60,
    }
}

/// Plain dummies get their frames handed over; nobody looks for them in a queue.
fn polled(kind: &str) -> bool {
    !matches!(kind, "dummy" | "dummy-internal")
}

fn features(owner: &mut Owner, args: &[String]) -> Answer {
    if !owner.switch.bridges.contains_key(&args[0]) {
        return Err("no such bridge".to_owned());
    }
    Ok("Masked set action: Yes\nUfid: Yes\nTruncate action: Yes\nClone action: Yes\nExplicit Drop action: Yes\n\
        Max VLAN headers: 2\nRecirc: Yes\nIPv6 ND Extension: No\n"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_letters_in_their_order() {
        assert_eq!(tcp_flags(0x012), "S.");
        assert_eq!(tcp_flags(0x1ff), "FSRP.UECN");
    }

    #[test]
    fn usage_is_of_whole_steps_within_a_minute() {
        let table =
            [("0", 60), ("1", 5), ("5", 5), ("6", 10), ("29", 30), ("60", 60), ("100", 60), ("-1", 60), ("x", 60)];
        for (asked, shown) in table {
            assert_eq!(window(Some(asked)), shown, "{asked}");
        }
        assert_eq!(window(None), 60);
    }

    #[test]
    fn plain_dummies_have_no_queue_to_look_into() {
        assert!(polled("dummy-pmd") && polled("system"));
        assert!(!polled("dummy") && !polled("dummy-internal"));
    }

    #[test]
    fn matches_that_contradict_do_not_overlap() {
        let one = |text: &str| dpctl::parse_match(text, &DpNames::new()).unwrap();
        let overlaps = |a: &weft_flow::Match, b| CompactMatch::new(a).overlaps(&CompactMatch::new(b));
        assert!(overlaps(&one("in_port(1)"), &one("eth_type(0x0800)")));
        assert!(!overlaps(&one("in_port(1)"), &one("in_port(2),eth_type(0x0800)")));
    }
}
