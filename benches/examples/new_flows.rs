//! New flows through the slow path: `cargo run --release -p weft-benches --example new_flows [ROUNDS]`.
//!
//! 100,000 rules for exact 5-tuples, and a capture with one frame for each: every frame misses, is translated, and gets a
//! megaflow of its own. Each round is a worker that starts without megaflows, over the same tables.

use std::time::Duration;

use weft_benches::frames::Random;
use weft_benches::rig::{Rig, SINK};
use weft_benches::{frames, steps};

const FLOWS: usize = 100_000;

fn main() {
    let rounds = std::env::args().nth(1).map_or(3, |n| n.parse().expect("a number"));
    let (rules, frames) = workload();
    let pipeline = steps::pipeline(rules);
    // none is taken down before the end, which would show in a profile
    let mut rigs = Vec::new();
    for _ in 0..rounds {
        let mut rig = Rig::over(&frames, pipeline.clone());
        let start = on_processor();
        rig.forward(FLOWS);
        let took = on_processor() - start;
        let missed = rig.counters.missed.get();
        println!(
            "{missed} new flows in {:.0} ms: {:.0} ns each, {:.0} k/s",
            took.as_secs_f64() * 1e3,
            took.as_nanos() as f64 / missed as f64,
            missed as f64 / took.as_secs_f64() / 1e3
        );
        rigs.push(rig);
    }
    std::process::exit(0);
}

/// How long this thread has been running: what waits for a busy machine does not count.
fn on_processor() -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// Rules, and a frame for each.
fn workload() -> (Vec<String>, Vec<Vec<u8>>) {
    let mut random = Random::new(3);
    (0..FLOWS as u32)
        .map(|nth| {
            let r = random.draw();
            let (src, dst) = (0x0a00_0000 | nth, 0x0b00_0000 | r as u32 & 0xffff);
            let (sport, dport) = (1024 + (r >> 16) as u16 % 16384, 1024 + (r >> 32) as u16 % 16384);
            let ip = std::net::Ipv4Addr::from;
            let rule = format!(
                "priority=100,udp,nw_src={},nw_dst={},tp_src={sport},tp_dst={dport},actions=output:{SINK}",
                ip(src),
                ip(dst)
            );
            (rule, frames::udp(0x0200_0000_0001, src, dst, sport, dport))
        })
        .unzip()
}
