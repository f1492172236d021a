use std::sync::Arc;

use weft_base::Time;
use weft_flow::{CompactMatch, FieldId, FlowKey, Match};

use super::*;
use crate::Megaflow;
use crate::megaflow::no_attachment;
use crate::program::Program;

fn key(port: u32) -> FlowKey {
    let mut key = FlowKey::new();
    key.begin(0, port);
    key
}

fn flow(port: u32) -> Arc<Megaflow> {
    let mut pattern = Match::any();
    pattern.set(FieldId::InPort, port.into());
    pattern.set(FieldId::RecircId, 0);
    Arc::new(Megaflow::new(CompactMatch::new(&pattern), Some(0), Arc::default(), no_attachment(), Time::ZERO))
}

fn knows(cache: &Cache, store: &Store, hash: u64, key: &FlowKey) -> Option<SlotId> {
    let proposed = cache.propose(hash);
    if store.slot(proposed).matches(key) { Some(proposed) } else { cache.find(hash, key, store) }
}

#[test]
fn an_empty_cache_proposes_nothing_that_matches() {
    let (cache, store) = (Cache::new(16), Store::default());
    for hash in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
        assert_eq!(knows(&cache, &store, hash, &key(1)), None);
    }
}

#[test]
fn eight_flows_with_the_same_hash_are_all_found() {
    let (mut cache, mut store) = (Cache::new(16), Store::default());
    let slots: Vec<_> = (1..=8).map(|port| store.insert(flow(port), Program::default())).collect();
    for hash in [0u64, 0x1_0000_ffff, 0x5_0001_2345] {
        for (port, slot) in (1..=8).zip(&slots) {
            assert_eq!(knows(&cache, &store, hash, &key(port)), None);
            cache.insert(hash, *slot, &store);
        }
        for (port, slot) in (1..=8).zip(&slots) {
            assert_eq!(knows(&cache, &store, hash, &key(port)), Some(*slot), "hash {hash:x} port {port}");
        }
    }
}

#[test]
fn a_ninth_replaces_one_of_eight() {
    let (mut cache, mut store) = (Cache::new(1), Store::default());
    for port in 1..=9 {
        let slot = store.insert(flow(port), Program::default());
        cache.insert(u64::from(port) * 3, slot, &store);
    }
    let known = (1..=9).filter(|&p| knows(&cache, &store, u64::from(p) * 3, &key(p)).is_some()).count();
    assert_eq!(known, 8);
    assert!(knows(&cache, &store, 27, &key(9)).is_some(), "the newest is there");
}

#[test]
fn an_entry_of_a_removed_flow_answers_nothing_and_is_used_again() {
    let (mut cache, mut store) = (Cache::new(1), Store::default());
    let slots: Vec<_> = (1..=8).map(|port| store.insert(flow(port), Program::default())).collect();
    (1..=8).zip(&slots).for_each(|(port, slot)| cache.insert(port, *slot, &store));
    store.remove(slots[3]);
    assert_eq!(knows(&cache, &store, 4, &key(4)), None);
    let again = store.insert(flow(99), Program::default());
    assert_eq!(again, slots[3], "the slot is taken again");
    assert_eq!(knows(&cache, &store, 4, &key(4)), None, "by a flow that does not match");
    store.remove(again);
    let other = store.insert(flow(4), Program::default());
    cache.insert(4, other, &store);
    assert!((1..=8).all(|p| knows(&cache, &store, p.into(), &key(p)).is_some()), "no other was pushed out");
}
