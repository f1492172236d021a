//! What: `dpif-netdev/*`: the packet workers, in the layout that scripts read.
//!
//! How: where scripts look for cores they find the lists of queues that people arranged ([`crate::pmd`]); what the workers count stands at
//! the first core, as the workers serve all of them. There is one way to look flows up and one to read frames, under the
//! names that stand for that elsewhere.

use std::fmt::Write;

use weft_packet::DpPort;

use super::datapath::MAIN_THREAD;
use super::{Answer, Command, command};
use crate::owner::Owner;

pub const COMMANDS: &[Command] = &[
    command("dpif-netdev/pmd-stats-show", "[-pmd core] [dp]", 0, 3, worker_stats),
    command("dpif-netdev/pmd-stats-clear", "[-pmd core] [dp]", 0, 3, |owner, _| {
        owner.clear_worker_stats();
        Ok(String::new())
    }),
    command("dpif-netdev/pmd-rxq-show", "[-pmd core] [-secs secs] [dp]", 0, 5, queues),
    command("dpif-netdev/pmd-rxq-rebalance", "[dp]", 0, 1, |_, _| Ok("pmd rxq rebalance requested.\n".to_owned())),
    command("dpif-netdev/bond-show", "[dp]", 0, 1, |_, _| Ok(String::new())),
    command("dpif-netdev/dpif-impl-get", "", 0, 0, |owner, _| {
        Ok(format!("Available DPIF implementations:\n  dpif_scalar (pmds: {})\n", cores(owner)))
    }),
    command("dpif-netdev/dpif-impl-set", "dpif_implementation_name", 1, 1, |_, args| match args[0].as_str() {
        "dpif_scalar" => Ok("DPIF implementation set to dpif_scalar.\n".to_owned()),
        other => Err(format!("DPIF implementation not available: Unknown DPIF implementation {other}.")),
    }),
    command("dpif-netdev/miniflow-parser-get", "", 0, 0, |owner, _| {
        Ok(format!("Available MFEX implementations:\n  scalar (available: True pmds: {})\n", cores(owner)))
    }),
    command(
        "dpif-netdev/miniflow-parser-set",
        "[-pmd core] miniflow_implementation_name [study_pkt_cnt]",
        1,
        5,
        set_parser,
    ),
    command("dpif-netdev/subtable-lookup-info-get", "", 0, 0, lookups),
    command("dpif-netdev/subtable-lookup-prio-get", "", 0, 0, lookups),
];

/// Which core polls for a port; ports that nobody polls are the main thread's.
pub fn core_of(owner: &Owner, port: DpPort) -> i64 {
    let name = owner.switch.by_dp(port).map(|interface| interface.name.as_str());
    name.and_then(|name| owner.switch.cores.of_port(name)).map_or(MAIN_THREAD, i64::from)
}

fn cores(owner: &Owner) -> String {
    let cores: Vec<String> = owner.switch.cores.used.keys().map(u32::to_string).collect();
    if cores.is_empty() { "none".to_owned() } else { cores.join(",") }
}

fn lookups(owner: &mut Owner, _: &[String]) -> Answer {
    use weft_engine::Datapath;
    let used = owner.switch.engine.stats().masks;
    Ok(format!("Available dpcls implementations:\n  generic (Use count: {used}, Priority: 1)\n"))
}

fn set_parser(owner: &mut Owner, args: &[String]) -> Answer {
    let not_changed = "Error: miniflow extract parser not changed, PMD thread";
    let rest = match args {
        [option, rest @ ..] if option == "-pmd" => {
            let [core, rest @ ..] = rest else {
                return Err("Error: -pmd option requires a thread id argument.".to_owned());
            };
            let Ok(core) = core.parse::<u32>() else {
                return Err(format!("{not_changed} passed is not valid: '{core}'. Pass a valid pmd thread ID."));
            };
            if !owner.switch.cores.used.contains_key(&core) {
                return Err(format!("{not_changed} {core} not in use, pass a valid pmd thread ID."));
            }
            rest
        }
        rest => rest,
    };
    match rest {
        [name] if name == "scalar" => Ok("Miniflow extract implementation set to scalar.\n".to_owned()),
        [name, extra, ..] if name == "scalar" => Err(format!("Error: unknown argument {extra}.")),
        [name, ..] => Err(format!("Error: unknown miniflow extract implementation {name}.")),
        [] => Err("Error: no miniflow extract implementation name provided.".to_owned()),
    }
}

/// The core that `-pmd` names, if it does.
fn asked_core(args: &[String]) -> Option<u32> {
    let at = args.iter().position(|arg| arg == "-pmd")?;
    args.get(at + 1)?.parse().ok()
}

/// Lookups that this datapath does not have stand at zero.
fn worker_stats(owner: &mut Owner, args: &[String]) -> Answer {
    let stats = owner.worker_stats();
    let asked = asked_core(args);
    let mut text = String::new();
    let first = owner.switch.cores.used.keys().next().copied();
    for (id, core) in owner.switch.cores.used.iter().filter(|(id, _)| asked.is_none_or(|asked| asked == **id)) {
        let _ = writeln!(text, "pmd thread numa_id {} core_id {id}:", core.numa);
        text += &counters(&if first == Some(*id) { stats } else { Default::default() });
    }
    if asked.is_none() {
        text += "main thread:\n";
        text += &counters(&if first.is_none() { stats } else { Default::default() });
    }
    Ok(text)
}

fn counters(stats: &weft_engine::DpStats) -> String {
    let hits = stats.hit.saturating_sub(stats.cache_hit);
    let packets = stats.hit + stats.missed + stats.lost;
    let per = |a: u64, b: u64| if b == 0 { 0.0 } else { a as f64 / b as f64 };
    format!(
        "  packets received: {packets}\n  packet recirculations: 0\n  avg. datapath passes per packet: {:.2}\n  \
         phwol hits: 0\n  mfex opt hits: 0\n  simple match hits: 0\n  emc hits: {}\n  smc hits: 0\n  \
         megaflow hits: {hits}\n  avg. subtable lookups per megaflow hit: {:.2}\n  miss with success upcall: {}\n  \
         miss with failed upcall: {}\n  avg. packets per output batch: 0.00\n",
        if packets == 0 { 0.0 } else { 1.0 },
        stats.cache_hit,
        per(stats.mask_hit, hits),
        stats.missed,
        stats.lost,
    )
}

fn queues(owner: &mut Owner, args: &[String]) -> Answer {
    let seconds = args.iter().position(|arg| arg == "-secs").and_then(|at| args.get(at + 1));
    let asked = asked_core(args);
    let mut text = format!("Displaying last {} seconds pmd usage %\n", window(seconds.map(String::as_str)));
    for (id, core) in owner.switch.cores.used.iter().filter(|(id, _)| asked.is_none_or(|asked| asked == **id)) {
        let _ = writeln!(text, "pmd thread numa_id {} core_id {id}:\n  isolated : {}", core.numa, core.isolated);
        let mut polled = core.queues.clone();
        polled.sort();
        for (port, queue) in &polled {
            let _ = writeln!(text, "  port: {port:<16}  queue-id: {queue:>2} (enabled)   pmd usage: NOT AVAIL");
        }
        if !polled.is_empty() {
            text += "  overhead: NOT AVAIL\n";
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_of_whole_steps_within_a_minute() {
        let table =
            [("0", 60), ("1", 5), ("5", 5), ("6", 10), ("29", 30), ("60", 60), ("100", 60), ("-1", 60), ("x", 60)];
        for (asked, shown) in table {
            assert_eq!(window(Some(asked)), shown, "{asked}");
        }
        assert_eq!(window(None), 60);
    }
}
