use super::*;
use crate::{FieldId, Match};
use proptest::prelude::*;

fn exact(in_port: u128, eth_type: u128) -> Match {
    let mut pattern = Match::any();
    for (field, value) in
        [(FieldId::RecircId, 0), (FieldId::InPortOxm, in_port), (FieldId::PacketType, 0), (FieldId::EthType, eth_type)]
    {
        pattern.set(field, value);
    }
    pattern
}

/// Flow `n` of mask `bits`: the flows of a mask differ within its bits, those of two masks in in_port.
fn pattern(mask_nth: u32, value: u32) -> Match {
    let mut pattern = exact(u128::from(mask_nth % 3), 0x0800);
    pattern.set_masked(FieldId::IpDst, u128::from(value), u128::from(mask_nth));
    pattern.set(FieldId::IpSrc, u128::from(mask_nth));
    pattern
}

proptest! {
    #[test]
    fn finds_what_a_list_finds(
        ops in prop::collection::vec((any::<bool>(), 0u32..40, any::<u32>()), 1..300), probe in any::<u32>(),
    ) {
        let mut table = FlowTable::new(1);
        let mut list: Vec<(Match, u32)> = Vec::new();
        for (nth, (insert, mask, value)) in ops.into_iter().enumerate() {
            let flow = pattern(mask, value & 7);
            let old = list.iter().position(|(p, _)| *p == flow).map(|i| list.swap_remove(i).1);
            if insert {
                prop_assert_eq!(table.insert(&CompactMatch::new(&flow), nth as u32), old);
                list.push((flow.clone(), nth as u32));
                prop_assert_eq!(table.get(&CompactMatch::new(&flow)), Some(&(nth as u32)));
            } else {
                prop_assert_eq!(table.remove(&CompactMatch::new(&flow)), old);
            }
            let mut key = pattern(mask, u32::MAX).key().clone();
            FieldId::IpDst.set(&mut key, u128::from(probe & 7));
            let expect = list.iter().find(|(p, _)| p.matches(&key)).map(|(_, v)| v);
            prop_assert_eq!(table.lookup(&key), expect);
            if nth % 50 == 0 {
                table.rank();
            }
        }
        prop_assert_eq!(table.len(), list.len());
        prop_assert_eq!(table.iter().count(), list.len());
    }
}

#[test]
fn five_hundred_masks_stay_correct_and_the_busy_one_comes_first() {
    let mut table = FlowTable::new(3);
    for nth in 0..500u32 {
        let mut flow = exact(1, 0x86dd);
        flow.set_masked(FieldId::Ipv6Dst, u128::from(nth), u128::from(nth) | 1 << 100);
        flow.set(FieldId::TcpSrc, u128::from(nth));
        flow.set(FieldId::EthSrc, 7);
        flow.set(FieldId::Ipv6Src, 9);
        table.insert(&CompactMatch::new(&flow), nth);
    }
    let key_of = |nth: u32| {
        let mut key = exact(1, 0x86dd).key().clone();
        for (field, value) in
            [(FieldId::Ipv6Dst, nth), (FieldId::TcpSrc, nth), (FieldId::EthSrc, 7), (FieldId::Ipv6Src, 9)]
        {
            field.set(&mut key, u128::from(value));
        }
        key
    };
    assert_eq!(table.masks(), 500);
    for nth in 0..500 {
        assert_eq!(table.lookup(&key_of(nth)), Some(&nth));
    }
    for _ in 0..9 {
        table.lookup(&key_of(77));
    }
    table.rank();
    let before = table.probes();
    table.lookup(&key_of(77));
    assert_eq!(table.probes() - before, 1);
}

#[test]
fn a_flow_that_leaves_the_port_open_is_found_too() {
    let mut table = FlowTable::new(3);
    let mut any_port = Match::any();
    any_port.set(FieldId::EthType, 0x0806);
    table.insert(&CompactMatch::new(&any_port), 1);
    table.insert(&CompactMatch::new(&exact(5, 0x0800)), 2);
    assert_eq!(table.lookup(exact(9, 0x0806).key()), Some(&1));
    assert_eq!(table.lookup(exact(5, 0x0800).key()), Some(&2));
    assert_eq!(table.lookup(exact(5, 0x86dd).key()), None);
    table.clear();
    assert!(table.is_empty() && table.lookup(exact(5, 0x0800).key()).is_none());
}

/// Flow `n` under one of some hundred masks: bits of addresses and a port, of one partition.
fn scattered(mask_nth: u32, value: u32) -> Match {
    let spread = |n: u32| n.wrapping_mul(0x9e37_79b9);
    let mut pattern = exact(1, 0x0800);
    // disjoint by its source, whatever the rest says
    pattern.set(FieldId::IpSrc, u128::from(mask_nth));
    pattern.set_masked(FieldId::IpDst, u128::from(spread(value)), u128::from(spread(mask_nth) | 1 << (mask_nth % 32)));
    pattern.set_masked(FieldId::UdpDst, u128::from(value), u128::from(mask_nth & 0x3f));
    pattern
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// With a guard, through its building, emptied masks and their forgetting.
    #[test]
    fn many_masks_find_what_a_list_finds(
        ops in prop::collection::vec((0u8..8, 0u32..600, 0u32..4), 600..1500), order in any::<u64>(),
    ) {
        let mut table = FlowTable::new(order);
        let mut list: Vec<(Match, u32)> = Vec::new();
        for (nth, (op, mask, value)) in ops.iter().copied().enumerate() {
            let flow = scattered(mask, value);
            let at = list.iter().position(|(p, _)| *p == flow);
            // mostly in at first, mostly out later
            if (op < 6) == (nth < ops.len() / 2) {
                let old = at.map(|i| list.swap_remove(i).1);
                prop_assert_eq!(table.insert(&CompactMatch::new(&flow), nth as u32), old);
                list.push((flow.clone(), nth as u32));
            } else {
                let old = at.map(|i| list.swap_remove(i).1);
                prop_assert_eq!(table.remove(&CompactMatch::new(&flow)), old);
            }
            if nth % 100 == 99 {
                table.rank();
            }
            if nth % 7 == 0 {
                let mut key = flow.key().clone();
                FieldId::IpSrc.set(&mut key, u128::from(mask));
                FieldId::TcpFlags.set(&mut key, 0xff);
                FieldId::IpDst.set(&mut key, u128::from(value.wrapping_mul(0x9e37_79b9)));
                let expect = list.iter().find(|(p, _)| p.matches(&key)).map(|(_, v)| v);
                prop_assert_eq!(table.lookup(&key), expect);
            }
        }
        for (flow, value) in &list {
            prop_assert_eq!(table.lookup(flow.key()), Some(value));
        }
        prop_assert_eq!(table.len(), list.len());
        prop_assert_eq!(table.masks(), list.iter().map(|(p, _)| CompactMatch::new(p).mask().words().to_vec()).collect::<std::collections::HashSet<_>>().len());
        for (flow, value) in &list {
            prop_assert_eq!(table.remove(&CompactMatch::new(flow)), Some(*value));
        }
        prop_assert!(table.is_empty() && table.masks() == 0);
    }
}
