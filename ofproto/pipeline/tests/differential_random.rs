//! Random flow tables and frames: our verdict (actions, wildcards, every line of the trace) beside the real ovs-vswitchd's.
//!
//! `WEFT_DIFFERENTIAL_TABLES=N` makes it long (default 25 tables of 40 flows, 100 frames each); `WEFT_DIFFERENTIAL_SEED=S`
//! starts elsewhere. Tables of 700 flows have so many masks that a filter says which of them are asked. A difference is made small before it is reported: flows that do not matter go.

mod random;
mod real;

use random::Rng;
use real::{DIED, Pair};

const FLOWS: usize = 40;
const FRAMES: usize = 100;
/// Differences after which to stop.
const ENOUGH: usize = 8;

#[test]
fn random_tables_and_frames_end_alike() {
    compare(number("WEFT_DIFFERENTIAL_TABLES", 25), FLOWS, FRAMES);
}

#[test]
fn random_tables_of_many_masks_end_alike() {
    compare(number("WEFT_DIFFERENTIAL_TABLES", 25) / 8, 700, 4 * FRAMES);
}

fn compare(tables: u64, flows: usize, frames: usize) {
    let Some(mut pair) = Pair::joined() else { return };
    let seed = number("WEFT_DIFFERENTIAL_SEED", 1);
    let mut found = Vec::new();
    for table in 0..tables {
        let mut rng = Rng::new(seed.wrapping_mul(1_000_003).wrapping_add(table));
        // a frame of bytes has effects, which a later frame must not meet
        let forgetful = rng.one_in(3);
        let kind = random::Table { forgetful, encaps: rng.one_in(2) };
        let mut flows: Vec<String> = (0..flows).map(|nth| random::flow(&mut rng, nth, kind)).collect();
        pair.replace_all(&mut flows);
        for _ in 0..frames {
            let (frame, port);
            let mut args = random::tracked(&mut rng);
            match rng.below(8) {
                0 => {
                    frame = random::bare(&mut rng);
                    args.splice(0..0, ["ovs-dummy", &frame]);
                }
                1..5 if forgetful => {
                    let (bridge, number) = random::place(&mut rng);
                    port = format!("in_port={number}");
                    frame = random::raw::frame(&mut rng);
                    args.splice(0..0, [bridge, &port, &frame]);
                }
                _ => {
                    let (bridge, number) = random::place(&mut rng);
                    frame = random::frame(&mut rng, number);
                    args.splice(0..0, [bridge, &frame]);
                }
            }
            let Err(difference) = pair.compare(&args) else { continue };
            if difference.contains(DIED) {
                // no shame of ours
                pair = Pair::joined().expect("another one");
                break;
            }
            if found.len() < ENOUGH {
                found.push(smallest(&pair, flows, &args));
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
fn smallest(pair: &Pair, mut flows: Vec<String>, args: &[&str]) -> String {
    let differs = |flows: &[String]| {
        pair.replace_all(&mut flows.to_vec());
        pair.compare(args).err()
    };
    let mut last = differs(&flows).unwrap_or_else(|| "it went away when the table was loaded again".into());
    for step in [64, 8, 4, 2, 1] {
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
