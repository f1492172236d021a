use std::sync::Arc;

use super::*;
use crate::text::{PortNames, format_match, parse_match};
use crate::{FieldId, FlowKey, FlowMask, Match};
use proptest::prelude::*;

fn map(class: u16, kind: u8, len: u8, index: u8) -> TlvMap {
    TlvMap { class, kind, len, index }
}

fn table() -> TlvTable {
    let mut table = TlvTable::default();
    table.add(&[map(0x102, 0x80, 4, 0), map(0xffff, 1, 8, 1)]).unwrap();
    table
}

fn parse(text: &str) -> Match {
    parse_match(text, &PortNames::new()).unwrap()
}

fn bound(text: &str) -> Match {
    let mut pattern = parse(text);
    pattern.bind(table().layout()).unwrap();
    pattern
}

/// Pairs of what was written and what `ovs-ofctl parse-flow` made of it.
#[test]
fn options_print_as_the_tools_have_them() {
    for (written, printed) in [
        ("tun_metadata0=0x1234", "tun_metadata0=0x1234"),
        ("tun_metadata0=0x12345678/0xffff", "tun_metadata0=0x5678"),
        ("tun_metadata0", "tun_metadata0"),
        ("tun_metadata0=0/0", "tun_metadata0"),
        ("tun_metadata0=*", "tun_metadata0"),
        ("tun_metadata0=", "tun_metadata0"),
        ("tun_metadata0=0", "tun_metadata0=0"),
        ("tun_metadata0=5", "tun_metadata0=0x5"),
        ("tun_metadata0=0x5/0xf", "tun_metadata0=0x5/0xf"),
        ("tun_metadata3=0x55,tun_metadata1=0x1122", "tun_metadata1=0x1122,tun_metadata3=0x55"),
    ] {
        assert_eq!(format_match(&parse(written), &PortNames::new()), printed, "{written}");
    }
    let twice = parse_match("tun_metadata0=1,tun_metadata0=2", &PortNames::new());
    assert_eq!(twice, Err("field tun_metadata0 set multiple times".into()));
}

/// As `ofproto/trace` of a bridge with the table of these tests showed the rules.
#[test]
fn a_bridge_gives_options_their_length() {
    for (written, printed) in [
        ("tun_metadata0=5", "tun_metadata0=0x5"),
        ("tun_metadata0=5/0xff", "tun_metadata0=0x5/0xff"),
        ("tun_metadata0=5/0xffffffff", "tun_metadata0=0x5"),
        ("tun_metadata0=0/0xff", "tun_metadata0=0/0xff"),
        ("tun_metadata0=0", "tun_metadata0=0"),
        ("tun_metadata1", "tun_metadata1"),
        ("tun_metadata0=0x123456789a", "tun_metadata0=0x12345678"),
        ("tun_metadata1=0x1122334455667788/0xff00000000000000", "tun_metadata1=0x1100000000000000/0xff00000000000000"),
    ] {
        assert_eq!(format_match(&bound(written), &PortNames::new()), printed, "{written}");
    }
    assert_eq!(parse("tun_metadata2=1").bind(table().layout()), Err(Unmapped(2)));
}

#[test]
fn presence_and_values_decide_what_a_match_takes() {
    let layout = table().layout().clone();
    let mut key = FlowKey::new();
    assert!(!bound("tun_metadata0").matches(&key));
    assert!(!bound("tun_metadata0=0").matches(&key));
    layout.set(&mut key, 0, &TunValue::from_u128(0x1234, u128::MAX)).unwrap();
    assert!(bound("tun_metadata0").matches(&key));
    assert!(bound("tun_metadata0=0x1234").matches(&key));
    assert!(bound("tun_metadata0=0x34/0xff").matches(&key));
    assert!(!bound("tun_metadata0=0x34").matches(&key));
    assert_eq!(layout.get_bits(&key, 0, 4, 8), 0x23);
    assert_eq!(layout.get(&key, 0), Some(TunValue::exact(&[0x12, 0x34])));
    layout.set(&mut key, 0, &TunValue::from_bits(0xf, 12, 4)).unwrap();
    assert_eq!(layout.get_bits(&key, 0, 0, 32), 0xf234);
    assert_eq!(layout.get(&key, 1), None);
    let absent = {
        let mut mask = FlowMask::new();
        mask.set_word(PRESENT_WORD, 2);
        Match::with_layout(key.clone(), mask, Some(layout.clone()))
    };
    assert!(absent.matches(&key));
    assert_eq!(format_match(&absent, &PortNames::new()), "tun_metadata1=NP");
    layout.clear(&mut key, 0);
    assert!(key == FlowKey::new());
}

#[test]
fn a_table_refuses_what_cannot_be() {
    let mut table = table();
    for (maps, error) in [
        (&[map(0x102, 0x81, 4, 0)][..], TlvError::AlreadyMapped),
        (&[map(0x102, 0x80, 4, 2)], TlvError::Duplicate),
        (&[map(0x102, 0x82, 5, 2)], TlvError::BadLength),
        (&[map(0x102, 0x82, 128, 2)], TlvError::BadLength),
        (&[map(0x102, 0x82, 4, 64)], TlvError::BadIndex),
        (&[map(0x102, 0x83, 124, 3), map(0x102, 0x84, 124, 4)], TlvError::Full),
        (&[map(0x102, 0x83, 124, 3), map(0x102, 0x84, 4, 3)], TlvError::AlreadyMapped),
        (&[map(0x102, 0x83, 124, 3), map(0x102, 0x83, 4, 4)], TlvError::Duplicate),
    ] {
        assert_eq!(table.add(maps), Err(error), "{maps:?}");
    }
    assert_eq!(table.maps(), super::tests::table().maps());
    // a hole in the middle is used again, in pieces
    table.add(&[map(1, 1, 120, 5), map(1, 2, 124, 6)]).unwrap();
    table.remove(&[1]);
    table.add(&[map(1, 3, 8, 7)]).unwrap();
    assert_eq!(table.add(&[map(1, 4, 4, 8)]), Err(TlvError::Full));
    assert_eq!(table.removed_by(&[map(1, 2, 0, 6), map(1, 1, 0, 9)]), [6]);
    let mapped = table.maps().iter().find(|m| (m.class, m.kind) == (0x102, 0x80));
    assert_eq!(mapped.map(|m| m.index), Some(0));
}

#[test]
fn numbers_reach_the_fields_too() {
    let mut pattern = Match::any();
    pattern.set_masked(FieldId::TunMetadata5, 0x50, 0xf0);
    assert_eq!(pattern.get(FieldId::TunMetadata5), (0x50, 0xf0));
    assert_eq!(FieldId::tun_metadata(5), Some(FieldId::TunMetadata5));
    assert_eq!(FieldId::TunFlags.tun_metadata_index(), None);
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        lens in prop::collection::vec(1u8..=31, 1..8),
        bytes in prop::collection::vec(any::<u8>(), 124),
        mask in prop::collection::vec(any::<u8>(), 124),
    ) {
        let mut table = TlvTable::default();
        let mut fits = Vec::new();
        for (nth, len) in lens.iter().enumerate() {
            if table.add(&[map(7, nth as u8, len * 4, nth as u8)]).is_ok() {
                fits.push((nth as u8, usize::from(len * 4)));
            }
        }
        let mut key = FlowKey::new();
        let mut pattern = Match::any();
        for (index, len) in &fits {
            table.layout().set(&mut key, *index, &TunValue::exact(&bytes[..*len])).unwrap();
            pattern.set_tun(*index, &TunValue::masked(&bytes[..*len], &mask[..*len])).unwrap();
        }
        for (index, len) in &fits {
            prop_assert_eq!(table.layout().get(&key, *index), Some(TunValue::exact(&bytes[..*len])));
        }
        let printed = format_match(&pattern, &PortNames::new());
        prop_assert_eq!(format_match(&parse(&printed), &PortNames::new()), printed);
        pattern.bind(table.layout()).unwrap();
        prop_assert!(pattern.matches(&key));
        for (index, _) in &fits {
            table.layout().clear(&mut key, *index);
        }
        prop_assert!(key == FlowKey::new());
    }
}

#[test]
fn equal_options_are_equal_matches() {
    assert_eq!(bound("tun_metadata0=5,ip"), bound("ip,tun_metadata0=5"));
    assert_ne!(bound("tun_metadata0=5"), bound("tun_metadata0=5/0xff"));
    assert_ne!(parse("tun_metadata0=5"), parse("tun_metadata1=5"));
    let mut grown = table();
    let before = bound("tun_metadata1=5");
    grown.add(&[map(9, 9, 4, 9)]).unwrap();
    let mut after = parse("tun_metadata1=5");
    after.bind(grown.layout()).unwrap();
    assert_eq!(before, after);
    assert!(!Arc::ptr_eq(before.layout().unwrap(), after.layout().unwrap()));
}
