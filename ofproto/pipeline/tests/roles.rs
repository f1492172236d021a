//! What peers in a role may say, and what goes into a bundle: as the real ovs-vswitchd takes it, where it is installed.

mod oracle;
mod real;
mod support;

use oracle::Both;
use oracle::seeds::{answers, lengths, seeds};
use weft_openflow::Version;

/// A raw message.
fn message(version: Version, kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (8 + body.len() as u16).to_be_bytes();
    [&[version as u8, kind, length[0], length[1], 0, 0, 0, 7][..], body].concat()
}

/// NXT_ROLE_REQUEST before OpenFlow 1.2, then the standard's own.
fn role(version: Version, role: u32, generation: u64) -> Vec<u8> {
    if version < Version::V12 {
        let nicira = [0x2320u32.to_be_bytes(), 10u32.to_be_bytes(), (role.saturating_sub(1)).to_be_bytes()].concat();
        return message(version, 4, &nicira);
    }
    let body = [&role.to_be_bytes()[..], &[0; 4], &generation.to_be_bytes()].concat();
    message(version, 24, &body)
}

/// Each kind of message, said by a secondary controller.
#[test]
fn a_secondary_may_say_what_it_may_say_to_ovs() {
    let Some(both) = Both::start() else { return };
    let mut wrong = Vec::new();
    for version in Version::ALL {
        for (name, bytes) in
            seeds(version).into_iter().filter(|(name, _)| *name != "error" && !name.starts_with("role"))
        {
            let mut pair = both.pair(version);
            let (real, ours) = answers(&mut pair, &role(version, 3, 9));
            assert_eq!(real, ours, "{version} role");
            // of several monitors in one message OVS starts the first before it reads the second
            let variants = if name.starts_with("monitor") { vec![bytes.clone()] } else { lengths(&bytes) };
            for variant in variants {
                let (real, ours) = answers(&mut pair, &variant);
                if real != ours {
                    let (is, was) = (variant.len(), bytes.len());
                    wrong.push(format!("{version} {name}, {is} of {was} bytes: {real}, ours {ours}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Each kind of message, put into a bundle which is then committed.
#[test]
fn bundles_take_what_those_of_ovs_take() {
    let Some(both) = Both::start() else { return };
    let mut wrong = Vec::new();
    for version in Version::ALL {
        for (name, bytes) in seeds(version) {
            for flags in [0u16, 1, 2, 3] {
                let mut pair = both.pair(version);
                let is_standard = matches!(version, Version::V14 | Version::V15);
                let onf = |number: u32| [ONF, number.to_be_bytes()].concat();
                let flags = flags.to_be_bytes();
                let control = |kind: u16| {
                    let body = [&[0, 0, 0, 5][..], &kind.to_be_bytes(), &flags].concat();
                    match is_standard {
                        true => message(version, 33, &body),
                        false => message(version, 4, &[onf(2300), body].concat()),
                    }
                };
                let add = || {
                    let body = [&[0, 0, 0, 5, 0, 0][..], &flags, &bytes].concat();
                    match is_standard {
                        true => message(version, 34, &body),
                        false => message(version, 4, &[onf(2301), body].concat()),
                    }
                };
                let said = [control(0), add(), control(4), control(6)];
                let all: Vec<_> = said.iter().map(|message| answers(&mut pair, message)).collect();
                let side = |which: fn(&(String, String)) -> &String| {
                    all.iter().map(which).cloned().collect::<Vec<_>>().join(" | ")
                };
                let (real, ours) = (side(|a| &a.0), side(|a| &a.1));
                if real != ours {
                    wrong.push(format!("{version} {name} {flags:?}:\n   {real}\n   {ours}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

const ONF: [u8; 4] = 0x4f4e_4600u32.to_be_bytes();
