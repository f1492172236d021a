//! Random flow tables and frames: our verdict (actions, wildcards, every line of the trace) beside the real ovs-vswitchd's.
//!
//! `WEFT_DIFFERENTIAL_TABLES=N` makes it long (default 40 tables of 40 flows, 100 frames each); `WEFT_DIFFERENTIAL_SEED=S`
//! starts elsewhere. A difference is made small before it is reported: flows that do not matter go.

mod random;
mod real;

use random::{PORTS, Rng};
use real::Pair;

const FLOWS: usize = 40;
const FRAMES: usize = 100;
/// Differences after which to stop.
const ENOUGH: usize = 5;

#[test]
fn random_tables_and_frames_end_alike() {
    let Some(pair) = Pair::with_ports(PORTS as u32) else { return };
    let (tables, seed) = (number("WEFT_DIFFERENTIAL_TABLES", 40), number("WEFT_DIFFERENTIAL_SEED", 1));
    let mut found = Vec::new();
    for table in 0..tables {
        let mut rng = Rng::new(seed.wrapping_mul(1_000_003).wrapping_add(table));
        let mut flows: Vec<String> = (0..FLOWS).map(|nth| random::flow(&mut rng, nth)).collect();
        pair.replace_flows("br0", &mut flows);
        for _ in 0..FRAMES {
            let frame = random::frame(&mut rng);
            if pair.compare(&["br0", &frame]).is_err() {
                found.push(smallest(&pair, flows, &frame));
                break;
            }
        }
        if found.len() >= ENOUGH {
            break;
        }
    }
    assert!(found.is_empty(), "{} tables differ:\n{}", found.len(), found.join("\n"));
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// Leave flows out as long as the difference stays.
fn smallest(pair: &Pair, mut flows: Vec<String>, frame: &str) -> String {
    let differs = |flows: &[String]| {
        pair.replace_flows("br0", &mut flows.to_vec());
        pair.compare(&["br0", frame]).err()
    };
    let mut last = differs(&flows).unwrap_or_else(|| "it went away when the table was loaded again".into());
    for step in [8, 4, 2, 1] {
        let mut at = 0;
        while at < flows.len() {
            let mut fewer = flows.clone();
            fewer.drain(at..(at + step).min(flows.len()));
            match differs(&fewer) {
                Some(difference) => (flows, last) = (fewer, difference),
                None => at += step,
            }
        }
    }
    format!("{}\n{last}", flows.join("\n"))
}
