//! Goldens captured from the real ovs-ofctl, truncations, and arbitrary bytes.

mod round_trip;

use super::*;
use crate::flow::FlowStatsRequest;
use crate::message::{StatsReply, StatsRequest};
use proptest::prelude::*;
use round_trip::assert_bytes_mean_the_same;

/// Dialect, flow as it was typed, bytes of the flow mod.
const FLOW_MODS: &str = include_str!("../../tests/golden/flow_mods.tsv");

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn dialect(name: &str) -> Dialect {
    let version = Version::by_name(name).unwrap_or(Version::V10);
    Dialect { nxm: name == "NXM", flow_mod_table_id: version == Version::V10, ..Dialect::new(version) }
}

fn flow_mods() -> impl Iterator<Item = (Dialect, &'static str, Vec<u8>)> {
    FLOW_MODS.lines().map(|line| {
        let mut columns = line.split('\t');
        let dialect = dialect(columns.next().unwrap());
        (dialect, columns.next().unwrap(), hex(columns.next().unwrap()))
    })
}

#[test]
fn flow_mods_of_the_real_tool_decode_and_encode_to_the_same_bytes() {
    let mut wrong = Vec::new();
    for (dialect, flow, bytes) in flow_mods() {
        let again = decode(&bytes, &dialect)
            .map_err(|e| e.to_string())
            .and_then(|m| encode(&m.message, m.xid, &dialect).map_err(|e| e.to_string()));
        if again.as_ref() != Ok(&bytes) {
            let again = again.map(|b| b.iter().map(|b| format!("{b:02x}")).collect::<String>());
            let bytes: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            wrong.push(format!("{:?} {flow}\n  want {bytes}\n  have {again:?}", dialect.version));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What the real ovs-ofctl sends though no switch takes it, and the error that the real ovs-vswitchd answers with.
#[test]
fn flow_mods_that_the_real_switch_refuses_are_refused() {
    for line in include_str!("../../tests/golden/flow_mods_refused.tsv").lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let error = decode(&hex(columns[2]), &dialect(columns[0])).expect_err(columns[1]);
        assert_eq!(error.code.name(), columns[3], "{} {}", columns[0], columns[1]);
    }
}

#[test]
fn every_truncation_of_a_message_is_an_error_or_another_message() {
    for (dialect, _, bytes) in flow_mods().step_by(7) {
        for len in 8..bytes.len() {
            let mut cut = bytes[..len].to_vec();
            cut[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            let _ = decode(&cut, &dialect);
            assert!(decode(&bytes[..len], &dialect).is_err(), "a wrong length passed");
        }
    }
}

#[test]
fn a_long_answer_is_split_and_joined() {
    let flow = crate::FlowStats {
        matching: weft_flow::Match::any(),
        cookie: crate::Cookie(7),
        table: crate::TableId(1),
        priority: 3,
        duration: std::time::Duration::from_millis(1500),
        idle_timeout: crate::Timeout(0),
        hard_timeout: crate::Timeout(0),
        importance: 0,
        flags: crate::FlowModFlags::empty(),
        idle_age: None,
        hard_age: None,
        packet_count: 1,
        byte_count: 2,
        instructions: crate::Instructions::default(),
    };
    for version in Version::ALL {
        let dialect = Dialect::new(version);
        let all = StatsReply::Flow(vec![flow.clone(); 5000]);
        let bytes = encode(&Message::StatsReply { body: all.clone(), more: false }, Xid(9), &dialect).unwrap();
        let mut framer = Framer::new();
        let mut reassembler = Reassembler::default();
        let mut parts = 0;
        let mut whole = None;
        for chunk in bytes.chunks(1000) {
            framer.push(chunk);
            while let Some(message) = framer.next_message().unwrap() {
                parts += 1;
                let Message::StatsReply { body, more } = decode(message, &dialect).unwrap().message else { panic!() };
                whole = reassembler.push(Xid(9), body, more).unwrap();
            }
        }
        assert!(parts > 3, "{version}: {parts}");
        assert_eq!(framer.pending(), 0);
        assert_eq!(whole, Some(all), "{version}");
    }
}

#[test]
fn hello_says_its_versions() {
    for (version, versions) in [(Version::V10, 2), (Version::V13, 1 << 4), (Version::V15, 0x7e)] {
        let bytes = encode(&Message::Hello { versions }, Xid(1), &Dialect::new(version)).unwrap();
        let back = decode(&bytes, &Dialect::new(version)).unwrap().message;
        assert_eq!(back, Message::Hello { versions });
    }
    assert_eq!(negotiate(0x7e, 1 << 4 | 1 << 1), Some(Version::V13));
    assert_eq!(negotiate(2, 4), None);
}

#[test]
fn errors_name_what_is_wrong() {
    let dialect = Dialect::new(Version::V13);
    let code = |text: &str| decode(&hex(text), &dialect).unwrap_err().code;
    assert_eq!(code("09050008000000ff"), ErrorCode::OFPBRC_BAD_VERSION);
    assert_eq!(code("0463000800000001"), ErrorCode::OFPBRC_BAD_TYPE);
    assert_eq!(code("040500090000000100"), ErrorCode::OFPBRC_BAD_LEN);
    assert_eq!(code("0412001000000001006300000000 0000".replace(' ', "").as_str()), ErrorCode::OFPBRC_BAD_STAT);
    assert_eq!(code("04040010000000010000232000ffffff"), ErrorCode::OFPBRC_BAD_SUBTYPE);
    assert_eq!(code("04040010000000011234567800000001"), ErrorCode::OFPBRC_BAD_VENDOR);
    // a greeting in a bundle: whose it is comes before what it is
    assert_eq!(code("052200180000000100000001000000010500000800000002"), ErrorCode::OFPBFC_MSG_BAD_XID);
    assert_eq!(code("052200180000000100000001000000010500000800000001"), ErrorCode::OFPBFC_MSG_UNSUP);
}

#[test]
fn every_error_comes_back() {
    for version in Version::ALL {
        let dialect = Dialect::new(version);
        for code in ErrorCode::all() {
            let message = Message::Error(ErrorMessage { code, data: vec![1, 2, 3] });
            let bytes = encode(&message, Xid(3), &dialect).unwrap();
            let Message::Error(back) = decode(&bytes, &dialect).unwrap().message else { panic!() };
            assert_eq!((back.code.to_wire(version), back.data), (code.to_wire(version), vec![1, 2, 3]));
        }
    }
}

/// Whatever the bytes: no panic, and what is understood means the same after another round.
fn check_bytes(bytes: &[u8]) {
    for dialect in [Dialect::new(Version::V10), Dialect { nxm: true, ..Dialect::new(Version::V10) }] {
        assert_bytes_mean_the_same(bytes, &dialect);
    }
}

fn header(version: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![version, kind, 0, 0, 0, 0, 0, 1];
    bytes.extend_from_slice(body);
    let len = (bytes.len() as u16).to_be_bytes();
    bytes[2..4].copy_from_slice(&len);
    bytes
}

proptest! {
    #[test]
    fn arbitrary_bodies_never_panic(version in 1u8..7, kind in 0u8..36, body in proptest::collection::vec(any::<u8>(), 0..300)) {
        check_bytes(&header(version, kind, &body));
    }

    #[test]
    fn arbitrary_statistics_never_panic(version in 1u8..7, reply: bool, number in 0u16..18, body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let kind = if version == 1 { 16 } else { 18 } + u8::from(reply);
        let mut all = number.to_be_bytes().to_vec();
        all.extend_from_slice(&[0, 0]);
        all.extend_from_slice(if version == 1 { &[] } else { &[0; 4] });
        all.extend_from_slice(&body);
        check_bytes(&header(version, kind, &all));
    }

    #[test]
    fn arbitrary_nicira_messages_never_panic(version in 1u8..7, number in 8u32..34, body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut all = 0x2320u32.to_be_bytes().to_vec();
        all.extend_from_slice(&number.to_be_bytes());
        all.extend_from_slice(&body);
        check_bytes(&header(version, 4, &all));
    }

    #[test]
    fn damaged_goldens_never_panic_and_mean_the_same_again(pick in any::<proptest::sample::Index>(), at in any::<proptest::sample::Index>(), bits in 1u8..) {
        let all: Vec<_> = flow_mods().collect();
        let (dialect, _, mut bytes) = all[pick.index(all.len())].clone();
        let at = 4 + at.index(bytes.len() - 4);
        bytes[at] ^= bits;
        assert_bytes_mean_the_same(&bytes, &dialect);
    }
}

/// A message of this kind with whatever body, where the version has the kind.
fn framed(kind: Kind, version: Version, body: &[u8]) -> Option<Vec<u8>> {
    let mut w = crate::wire::buf::Writer::default();
    let start = kind::open(&mut w, kind, version, 1, false).ok()?;
    w.slice(body);
    kind::close(&mut w, start, kind, version).ok()?;
    Some(w.bytes)
}

/// Behind the right headers bytes get as deep into each decoder as they can. A body of any length and content is read or
/// refused; what is read is never more than the body has room for.
fn check_every_kind(pick: usize, body: &[u8]) {
    let kind = Kind::ALL[pick % Kind::ALL.len()];
    for version in Version::ALL {
        let Some(bytes) = framed(kind, version, body) else { continue };
        let dialect = Dialect::new(version);
        if let Ok(Incoming { message: Message::StatsReply { body: entries, .. }, .. }) = decode(&bytes, &dialect) {
            assert!(stream::entries(&entries) <= bytes.len(), "{} {version}", kind.name());
        }
        assert_bytes_mean_the_same(&bytes, &dialect);
    }
}

#[test]
fn fuzz_every_kind() {
    bolero::check!().with_type::<(u8, Vec<u8>)>().for_each(|(pick, body)| check_every_kind((*pick).into(), body));
}

proptest! {
    #[test]
    fn arbitrary_bodies_of_every_kind_are_read_or_refused(pick in any::<proptest::sample::Index>(), body in proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..200)) {
        check_every_kind(pick.index(Kind::ALL.len()), &body);
    }
}

#[test]
fn fuzz_decode() {
    bolero::check!().for_each(|bytes: &[u8]| {
        check_bytes(bytes);
        let [version, kind, body @ ..] = bytes else { return };
        check_bytes(&header(version % 7, kind % 36, body));
    });
}

#[test]
fn a_partial_set_async_stays_partial() {
    // Only packet-ins for a secondary: 1.3's own form would switch everything else off.
    let config = crate::controller::AsyncConfig { packet_in: [None, Some(1)], ..Default::default() };
    for version in Version::ALL {
        let dialect = Dialect::new(version);
        let bytes = encode(&Message::SetAsync(config.clone()), Xid(5), &dialect).unwrap();
        assert_eq!(decode(&bytes, &dialect).unwrap().message, Message::SetAsync(config.clone()), "{version}");
    }
}

#[test]
fn requests_in_nicira_s_form_are_answered_in_it() {
    let dialect = Dialect { nxm: true, ..Dialect::new(Version::V10) };
    let request = Message::StatsRequest(StatsRequest::Flow(FlowStatsRequest::default()));
    let bytes = encode(&request, Xid(4), &dialect).unwrap();
    assert_eq!(bytes, hex("0110002000000004ffff0000000023200000000000000000ffff0000ff000000"));
    let got = decode(&bytes, &Dialect::new(Version::V10)).unwrap();
    assert!(Dialect::new(Version::V10).answering(&got).nxm);
}
