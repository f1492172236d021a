//! Requests in several messages: which errors they get, and what of them is quoted, beside the real ovs-vswitchd where it is
//! installed.

mod oracle;
mod real;
mod support;

use std::time::Duration;

use oracle::Both;
use weft_openflow::Version;

/// A multipart request, and whether more follows.
fn request(version: Version, xid: u32, kind: u16, more: bool, body: &[u8]) -> Vec<u8> {
    let length = (16 + body.len() as u16).to_be_bytes();
    let head = [version as u8, 18, length[0], length[1]];
    [&head[..], &xid.to_be_bytes(), &kind.to_be_bytes(), &[0, more.into(), 0, 0, 0, 0], body].concat()
}

/// Features of table 1 without a property, which nobody takes.
fn features() -> Vec<u8> {
    [&[0, 64, 1, 0, 0, 0, 0, 0, b'x'][..], &[0; 51], &[0, 0, 0, 10]].concat()
}

fn hex(messages: &[Vec<u8>]) -> Vec<String> {
    let hex = |m: &Vec<u8>| m.iter().map(|b| format!("{b:02x}")).collect();
    messages.iter().map(hex).collect()
}

const DESC: u16 = 0;
const FLOW: u16 = 1;
const FEATURES: u16 = 12;
const PORTS: u16 = 13;

#[test]
fn parts_get_the_errors_of_ovs_to_the_byte() {
    let Some(both) = Both::start() else { return };
    for version in [Version::V13, Version::V14, Version::V15] {
        let part = |xid, kind, more, body: &[u8]| request(version, xid, kind, more, body);
        let (good, some) = (features(), &features()[..30]);
        let flows = [&[255, 0, 0, 0][..], &[255; 8], &[0; 20], &[0, 1, 0, 4, 0, 0, 0, 0]].concat();
        let many: Vec<Vec<u8>> = (0..100).map(|_| part(5, FEATURES, true, &good.repeat(900))).collect();
        let cases: Vec<(&str, Vec<Vec<u8>>)> = vec![
            ("wrong, and told at the end", vec![part(1, FEATURES, true, &good), part(1, FEATURES, false, &good)]),
            ("too much", many),
            ("the rest of that", vec![part(5, FEATURES, false, &good)]),
            (
                "a part of a wrong length",
                vec![part(2, FEATURES, true, &good), part(2, FEATURES, true, some), part(2, FEATURES, false, &good)],
            ),
            ("an empty first part", vec![part(3, FEATURES, true, &[]), part(3, FEATURES, false, &good)]),
            (
                "two at once",
                vec![
                    part(6, FEATURES, true, &good),
                    part(7, FEATURES, true, &good),
                    part(7, FEATURES, false, &good),
                    part(6, FEATURES, false, &good),
                ],
            ),
            (
                "two kinds under one number",
                vec![part(8, FEATURES, true, &good), part(8, DESC, true, &[]), part(8, FEATURES, false, &good)],
            ),
            ("nothing twice", vec![part(9, DESC, true, &[]), part(9, DESC, false, &[])]),
            ("what cannot be joined", vec![part(10, FLOW, true, &flows), part(10, FLOW, false, &flows)]),
        ];
        let mut pair = both.pair(version);
        for (what, messages) in cases {
            let answers = pair.ask(&messages);
            assert_eq!(hex(&answers.real), hex(&answers.ours), "{version} {what}");
        }
        // what never ends is given up, with the first part for the one who asked
        let body = if version == Version::V15 { &[255, 255, 255, 255, 0, 0, 0, 0][..] } else { &[] };
        let waiting = [part(20, FEATURES, true, &good), part(21, DESC, true, &[]), part(22, PORTS, true, body)];
        assert!(pair.ask(&waiting).real.is_empty());
        let late = pair.wait(Duration::from_secs(3), 3);
        let sorted = |mut all: Vec<String>| {
            all.sort_by_key(|hex| hex[8..16].to_owned());
            all
        };
        assert_eq!(sorted(hex(&late.real)), sorted(hex(&late.ours)), "{version}");
        assert_eq!(late.ours.len(), 3, "{version}");
    }
}
