use std::sync::Arc;

use arc_swap::ArcSwap;
use proptest::prelude::*;
use weft_base::Time;
use weft_flow::FieldId;

use super::*;
use crate::Megaflow;
use crate::megaflow::no_attachment;
use crate::program::Program;

/// A flow of a family in which flows are disjoint: the class says which bits are matched and gives each class a value
/// of its own in a field that all of them match.
fn pattern(class: u8, value: u16) -> Match {
    let mut pattern = Match::any();
    pattern.set(FieldId::InPort, u128::from(class % 3));
    if class % 4 != 3 {
        // The others leave part of the partition open.
        pattern.set(FieldId::RecircId, 0);
        pattern.set(FieldId::PacketType, 0);
        pattern.set(FieldId::EthType, 0x800);
        pattern.set(FieldId::IpFrag, 0);
    }
    pattern.set(FieldId::EthSrc, class.into());
    match class % 5 {
        0 => pattern.set(FieldId::EthDst, value.into()),
        1 => pattern.set(FieldId::Ipv6Dst, value.into()),
        2 => pattern.set_masked(FieldId::IpDst, u128::from(value) << 16, 0xffff_0000),
        3 => pattern.set(FieldId::CtMark, value.into()),
        _ => pattern.set(FieldId::UdpDst, value.into()),
    }
    pattern
}

/// A key that fits `pattern(class, value)`.
fn key(class: u8, value: u16, noise: u64) -> FlowKey {
    let mut key = FlowKey::new();
    FieldId::InPort.set(&mut key, (class % 3).into());
    FieldId::EthType.set(&mut key, 0x800);
    FieldId::EthSrc.set(&mut key, class.into());
    FieldId::EthDst.set(&mut key, value.into());
    FieldId::Ipv6Dst.set(&mut key, value.into());
    FieldId::IpDst.set(&mut key, u128::from(value) << 16 | u128::from(noise as u16));
    FieldId::CtMark.set(&mut key, value.into());
    FieldId::UdpDst.set(&mut key, value.into());
    FieldId::NwTtl.set(&mut key, u128::from(noise >> 16 & 0xff));
    key
}

fn flow(pattern: Match) -> Arc<Megaflow> {
    Arc::new(Megaflow {
        ufid: 0,
        pattern,
        worker: Some(0),
        actions: ArcSwap::from_pointee(vec![]),
        stats: Default::default(),
        created: Time::ZERO,
        attachment: no_attachment(),
    })
}

#[derive(Debug, Clone)]
enum Op {
    Toggle(u8, u16),
    Find(u8, u16, u64),
}

proptest! {
    #[test]
    fn it_finds_what_a_list_would(ops in proptest::collection::vec(
        prop_oneof![
            (0u8..30, 0u16..20).prop_map(|(c, v)| Op::Toggle(c, v)),
            (0u8..30, 0u16..20, any::<u64>()).prop_map(|(c, v, n)| Op::Find(c, v, n)),
        ], 1..400))
    {
        let (mut table, mut store) = (Table::new(99), Store::new());
        let mut list: Vec<(Match, SlotId)> = Vec::new();
        for op in ops {
            match op {
                Op::Toggle(class, value) => {
                    let pattern = pattern(class, value);
                    match list.iter().position(|(p, _)| *p == pattern) {
                        Some(at) => {
                            let (pattern, slot) = list.swap_remove(at);
                            prop_assert_eq!(table.slot_of(&pattern, &store), Some(slot));
                            table.remove(&pattern, slot);
                            store.remove(slot);
                            prop_assert_eq!(table.slot_of(&pattern, &store), None);
                        }
                        None => {
                            let slot = store.insert(flow(pattern.clone()), Program::default());
                            table.insert(&pattern, slot);
                            list.push((pattern, slot));
                        }
                    }
                }
                Op::Find(class, value, noise) => {
                    let key = key(class, value, noise);
                    let expected = list.iter().find(|(p, _)| p.matches(&key)).map(|(_, slot)| *slot);
                    prop_assert_eq!(table.find(&key, &store).slot, expected);
                }
            }
            prop_assert_eq!(table.len(), list.len());
        }
        let mut masks: Vec<_> = list.iter().map(|(p, _)| {
            let closed = is_closed(p.mask());
            (closed.then(|| partition_of(p.key())), p.mask().words().to_vec())
        }).collect();
        masks.sort();
        masks.dedup();
        prop_assert_eq!(table.masks(), masks.len());
    }
}

#[test]
fn the_mask_that_hits_most_is_probed_first() {
    let (mut table, mut store) = (Table::new(1), Store::new());
    for class in [0, 12, 24] {
        // The same partition, three masks.
        let mut p = pattern(class, 7);
        p.set(FieldId::InPort, 1);
        if class > 0 {
            p.set_masked(FieldId::NwTtl, 0, 1 << (class % 8));
        }
        if class > 12 {
            p.set(FieldId::NwTos, 0);
        }
        let slot = store.insert(flow(p.clone()), Program::default());
        table.insert(&p, slot);
    }
    let mut last = key(24, 7, 0);
    FieldId::InPort.set(&mut last, 1);
    assert_eq!(table.find(&last, &store).probes, 3);
    for _ in 0..2 * RANKING {
        table.find(&last, &store);
    }
    assert_eq!(table.find(&last, &store).probes, 1);
}
