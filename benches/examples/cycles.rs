//! Cycles a frame, from a looping capture through a worker to a sink: `cargo run --release -p weft-benches --example cycles`.
//!
//! The figures stand beside those of OVS-DPDK for the same frames and rules; source copy and sink are included.

#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::time::{Duration, Instant};

use weft_benches::frames;
use weft_benches::rig::{Rig, Rules, SINK};
use weft_flow::DpAction;
use weft_packet::DpPort;

fn main() {
    let ghz = ghz();
    let only = std::env::args().nth(1).unwrap_or_default();
    let output = || vec![DpAction::Output(DpPort(SINK))];
    let cases = [
        ("a: 1 flow", frames::flows(1), Rules::port(output())),
        ("b: 1000 microflows", frames::flows(1000), Rules::port(output())),
        ("c: 100k microflows, 1 mask", frames::ladder(1, 100_000), Rules::ladder(1)),
        ("c: 100k microflows, 10 masks", frames::ladder(10, 100_000), Rules::ladder(10)),
        ("c: 100k microflows, 30 masks", frames::ladder(30, 100_000), Rules::ladder(30)),
        ("c: 100k microflows, 100 masks", frames::ladder(100, 100_000), Rules::ladder(100)),
        ("h: 100k megaflows, 1 mask", frames::flows(100_000), Rules::connections(output())),
        (
            "e2: push VLAN",
            frames::flows(1000),
            Rules::port(vec![DpAction::PushVlan { tpid: 0x8100, tci: 0x1064 }, output().remove(0)]),
        ),
    ];
    for (name, frames, rules) in cases {
        if !name.starts_with(&only) {
            continue;
        }
        let mut rig = Rig::new(&frames, rules);
        rig.forward(300_000);
        let mut best = f64::MAX;
        let mut all = Vec::new();
        let end = Instant::now() + Duration::from_millis(1500);
        while Instant::now() < end {
            let start = Instant::now();
            rig.forward(200_000);
            let cycles = start.elapsed().as_nanos() as f64 * ghz / 200_000.0;
            best = best.min(cycles);
            all.push(cycles);
        }
        all.sort_by(f64::total_cmp);
        let c = &rig.counters;
        println!(
            "{name:32} best {best:6.1} median {:6.1} cycles a frame   ({} cache hits, {} table hits, {} probes, {} misses, {} masks)",
            all[all.len() / 2],
            c.cache_hit.get(),
            c.table_hit.get(),
            c.probes.get(),
            c.missed.get(),
            c.masks.get()
        );
    }
}

/// The clock of the time stamp counter, as /proc/cpuinfo names it.
fn ghz() -> f64 {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mhz = cpuinfo.lines().find(|l| l.starts_with("cpu MHz")).and_then(|l| l.split(':').nth(1));
    mhz.and_then(|mhz| mhz.trim().parse::<f64>().ok()).unwrap_or(2600.0) / 1000.0
}
