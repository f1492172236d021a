//! What a wrong message is answered: the same error (type and code) as from the real ovs-vswitchd, where it is installed.

mod oracle;
mod real;
mod support;

use std::collections::BTreeMap;

use oracle::seeds::{answers, lengths, seeds};
use oracle::{Both, show};
use weft_openflow::Version;

/// [`lengths`], and single bytes changed.
fn variants(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = lengths(bytes);
    for at in (1..bytes.len()).filter(|at| !(2..8).contains(at)) {
        let old = bytes[at];
        for new in [0, 1, 0xff, old ^ 1, old.wrapping_add(1), old.wrapping_sub(1), old ^ 0x80, old.wrapping_add(8)] {
            if new != old {
                let mut b = bytes.to_vec();
                b[at] = new;
                all.push(b);
            }
        }
    }
    all
}

/// What is cut or too long gets the error that OVS gives, in every version. Left out: messages inside bundles; several
/// monitors in one message, where OVS starts the first before it reads the second; errors from peers, which are not
/// answered here at all.
#[test]
fn messages_of_other_lengths_get_the_errors_of_ovs() {
    let Some(both) = Both::start() else { return };
    let mut wrong = Vec::new();
    for version in Version::ALL {
        for (name, bytes) in seeds(version).into_iter().filter(|(name, _)| !LEFT_OUT.contains(name)) {
            let mut pair = both.pair(version);
            for variant in lengths(&bytes) {
                let (real, ours) = answers(&mut pair, &variant);
                if real != ours {
                    wrong.push(format!(
                        "{version} {name}, {} bytes of {}: {real}, ours {ours}",
                        variant.len(),
                        bytes.len()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

const LEFT_OUT: &[&str] = &["error", "bundle add", "bundle add port", "bundle add out", "monitor", "monitor modify"];

#[test]
#[ignore = "explores: prints where the two differ"]
fn explore() {
    let Some(both) = Both::start() else { return };
    let only = std::env::var("ONLY").unwrap_or_default();
    let version_only: Option<u8> = std::env::var("V").ok().and_then(|v| v.parse().ok());
    let mut differences: BTreeMap<(String, String, String), (usize, String)> = BTreeMap::new();
    let mut n = 0;
    for version in Version::ALL.into_iter().filter(|v| version_only.is_none_or(|only| *v as u8 == only)) {
        for (name, bytes) in seeds(version).into_iter().filter(|(name, _)| name.contains(&only)) {
            let mut pair = both.pair(version);
            for variant in variants(&bytes) {
                n += 1;
                let (real, ours) = answers(&mut pair, &variant);
                if real != ours {
                    let at = bytes.iter().zip(&variant).position(|(a, b)| a != b);
                    let hex: String = variant.iter().map(|b| format!("{b:02x}")).collect();
                    let hint = format!("len {} -> {}, first change at {at:?} {hex}", bytes.len(), variant.len());
                    let entry = differences
                        .entry((name.to_owned(), real.clone(), ours))
                        .or_insert((0, format!("{version}: {hint}")));
                    entry.0 += 1;
                }
                if real.contains("closed") {
                    pair = both.pair(version);
                }
            }
        }
    }
    println!("{n} messages, {} kinds of differences", differences.len());
    for ((name, real, ours), (count, hint)) in differences {
        println!("{name} x{count}\n    real {real}\n    ours {ours}\n    {hint}");
    }
}

/// Requests that change nothing are answered with the same messages, to the byte where time plays no part.
#[test]
#[ignore = "explores: prints where the two differ"]
fn replies() {
    let Some(both) = Both::start() else { return };
    for version in Version::ALL {
        for (name, bytes) in seeds(version) {
            if name.starts_with("monitor") || name.starts_with("flow stats") {
                continue;
            }
            let mut pair = both.pair(version);
            let answers = pair.ask(std::slice::from_ref(&bytes));
            let text = |all: &[Vec<u8>]| all.iter().map(|m| show(version, m)).collect::<Vec<_>>().join("\n       ");
            let (real, ours) = (text(&answers.real), text(&answers.ours));
            let timed = ["port stats", "port stats one", "queue stats", "queue stats one"].contains(&name);
            if real != ours {
                println!("{version} {name}\n  real {real}\n  ours {ours}");
            } else if !timed && answers.real != answers.ours {
                println!("{version} {name} bytes\n  real {:02x?}\n  ours {:02x?}", answers.real, answers.ours);
            }
        }
    }
}
