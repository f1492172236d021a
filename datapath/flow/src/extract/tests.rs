use super::*;
use crate::FieldId;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

fn keyed(bytes: &[u8], vlans: u8) -> (FlowKey, Frame) {
    let mut key = FlowKey::new();
    // What an earlier frame left behind must not show.
    for i in 0..30 {
        key.set_word(i, u64::MAX);
    }
    key.begin(0, 1);
    let mut frame = Frame::copy_of(bytes);
    extract(&mut frame, &mut key, Limits { vlans }).unwrap();
    (key, frame)
}

const TCP: &str = "aabbccddee01 aabbccddee02 0800 4510 0028 0001 4000 40 06 0000 0a000001 0a000002
    1f90 0050 00000001 00000002 5012 ffff 0000 0000";

#[test]
fn a_tcp_frame_fills_the_first_line_of_the_key() {
    let (key, frame) = keyed(&hex(TCP), 1);
    let expect = [
        (FieldId::InPort, 1),
        (FieldId::EthDst, 0xaabb_ccdd_ee01),
        (FieldId::EthSrc, 0xaabb_ccdd_ee02),
        (FieldId::EthType, 0x0800),
        (FieldId::NwTos, 0x10),
        (FieldId::NwTtl, 64),
        (FieldId::NwProto, 6),
        (FieldId::IpSrc, 0x0a00_0001),
        (FieldId::IpDst, 0x0a00_0002),
        (FieldId::TcpSrc, 8080),
        (FieldId::TcpDst, 80),
        (FieldId::TcpFlags, 0x12),
        (FieldId::VlanTci, 0),
        (FieldId::IpFrag, 0),
    ];
    for (field, value) in expect {
        assert_eq!(field.get(&key), value, "{}", field.field().name);
    }
    assert!((7..crate::key::WORDS).all(|i| key.word(i) == 0));
    assert_eq!((frame.l3, frame.l4), (14, 34));
}

#[test]
fn the_second_tag_is_payload_unless_two_may_be_matched() {
    let mut bytes = hex(TCP);
    bytes.splice(12..12, hex("88a8 2064 8100 000a"));
    let (key, _) = keyed(&bytes, 1);
    assert_eq!(FieldId::VlanTci.get(&key), 0x3064);
    assert_eq!((FieldId::EthType.get(&key), FieldId::IpSrc.get(&key)), (0x8100, 0));
    let (key, frame) = keyed(&bytes, 2);
    assert_eq!(key.word(4) >> 32, 0x100a_8100);
    assert_eq!(key.word(3) & 0xffff, 0x88a8);
    assert_eq!((FieldId::EthType.get(&key), FieldId::IpSrc.get(&key)), (0x0800, 0x0a00_0001));
    assert_eq!((frame.l3, frame.l4), (22, 42));
}

#[test]
fn only_the_first_fragment_has_ports() {
    let mut bytes = hex(TCP);
    bytes[20..22].copy_from_slice(&[0x20, 0]);
    let (key, _) = keyed(&bytes, 1);
    assert_eq!((FieldId::IpFrag.get(&key), FieldId::TcpSrc.get(&key)), (1, 8080));
    bytes[20..22].copy_from_slice(&[0x20, 1]);
    let (key, frame) = keyed(&bytes, 1);
    assert_eq!((FieldId::IpFrag.get(&key), FieldId::TcpSrc.get(&key), frame.l4), (3, 0, 0));
}

#[test]
fn neighbour_solicitation_shows_target_and_source_address() {
    let bytes = hex("333300000001 aabbccddee02 86dd 6000 0000 0020 3a ff fe80000000000000 0000000000000001
         ff020000000000000000000000000001 87 00 0000 00000000 fe800000000000000000000000000002 0101 aabbccddee02");
    let (key, frame) = keyed(&bytes, 1);
    assert_eq!(FieldId::Icmpv6Type.get(&key), 135);
    assert_eq!(FieldId::NdTarget.get(&key), 0xfe80_0000_0000_0000_0000_0000_0000_0002);
    assert_eq!(FieldId::NdSll.get(&key), 0xaabb_ccdd_ee02);
    assert_eq!(FieldId::NdOptionsType.get(&key), 1);
    assert_eq!(frame.l4, 54);
}

#[test]
fn equal_keys_hash_alike_whatever_they_held_before() {
    let (key, _) = keyed(&hex(TCP), 1);
    let mut fresh = FlowKey::new();
    fresh.begin(0, 1);
    extract(&mut Frame::copy_of(&hex(TCP)), &mut fresh, Limits::default()).unwrap();
    assert!(key == fresh);
    assert_eq!(key.microflow_hash(7), fresh.microflow_hash(7));
    let mut other = fresh.clone();
    FieldId::TcpFlags.set(&mut other, 0x10);
    assert_eq!(other.microflow_hash(7), fresh.microflow_hash(7));
    FieldId::TcpSrc.set(&mut other, 1);
    assert_ne!(other.microflow_hash(7), fresh.microflow_hash(7));
}

#[test]
fn a_frame_shorter_than_ethernet_is_refused() {
    let mut key = FlowKey::new();
    assert!(extract(&mut Frame::copy_of(&[0; 13]), &mut key, Limits::default()).is_err());
}

#[test]
fn no_bytes_make_it_panic() {
    bolero::check!().for_each(|bytes: &[u8]| {
        for vlans in 0..=2 {
            let mut key = FlowKey::new();
            let mut frame = Frame::copy_of(bytes);
            let _ = extract(&mut frame, &mut key, Limits { vlans });
            assert!(usize::from(frame.l4) <= frame.len());
        }
    });
}

#[test]
fn every_truncation_is_read_without_panic() {
    let ipv6 = "333300000001aabbccddee0286dd60000000002800fffe800000000000000000000000000001ff02000000000000000000000000000\
                13a0000000000000087000000000000000fe8000000000000000000000000000020101aabbccddee02";
    for text in [TCP, ipv6] {
        let bytes = hex(text);
        for len in 14..bytes.len() {
            keyed(&bytes[..len], 2);
        }
    }
}
