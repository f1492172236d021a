//! Which flow goes when a full table shall take another (ovs-vswitchd.conf.db(5), "Eviction Policy").
//!
//! How: flows that will end by themselves fall into groups by the values of some fields. The largest group gives a flow:
//! of its least important ones the one that expires first. Groups keep their flows in that order; a deadline that has
//! moved since (the flow was used) is noticed when it comes to be the flow's turn.
//!
//! Invariant: the index holds exactly the flows of its table that have a timeout and are not hidden.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weft_base::Time;
use weft_openflow::action::SubField;

use crate::rule::Rule;
use crate::tables::Map;

/// The flows of a table that may be evicted.
#[derive(Clone, Default)]
pub struct EvictionIndex {
    fields: Vec<SubField>,
    groups: BTreeMap<Key, BTreeSet<Place>>,
    /// The groups by the number of their flows.
    sizes: BTreeSet<(usize, Key)>,
    /// Where each flow is, by its address.
    places: Map<usize, Entry>,
}

/// What a group's flows match in the fields.
type Key = Arc<[u128]>;
/// Importance, deadline, address.
type Place = (u16, Time, usize);

#[derive(Clone)]
struct Entry {
    rule: Arc<Rule>,
    key: Key,
    place: Place,
}

impl EvictionIndex {
    /// Without flows yet.
    pub fn new(fields: Vec<SubField>) -> EvictionIndex {
        EvictionIndex { fields, ..EvictionIndex::default() }
    }

    /// A flow came, or its timeouts are others.
    pub fn add(&mut self, rule: &Arc<Rule>) {
        self.remove(rule);
        let Some(deadline) = rule.deadline().filter(|_| !rule.is_hidden()) else { return };
        let address = Arc::as_ptr(rule) as usize;
        let key = self.key_of(rule);
        let place = (rule.importance, deadline, address);
        self.places.insert(address, Entry { rule: Arc::clone(rule), key: Arc::clone(&key), place });
        let group = self.groups.entry(Arc::clone(&key)).or_default();
        let before = group.len();
        group.insert(place);
        self.resize(key, before, before + 1);
    }

    /// A flow went.
    pub fn remove(&mut self, rule: &Arc<Rule>) {
        let Some(Entry { key, place, .. }) = self.places.remove(&(Arc::as_ptr(rule) as usize)) else { return };
        let Some(group) = self.groups.get_mut(&key) else { return };
        let before = group.len();
        group.remove(&place);
        if before == 1 {
            self.groups.remove(&key);
        }
        self.resize(key, before, before - 1);
    }

    /// The flow that is to go next; it stays until it is removed.
    pub fn candidate(&mut self) -> Option<Arc<Rule>> {
        loop {
            let largest = self.sizes.last()?.0;
            let tied = self.sizes.range((largest, Key::default())..).filter_map(|(_, key)| self.groups[key].first());
            let place = *tied.min()?;
            let entry = self.places.get_mut(&place.2)?;
            let deadline = entry.rule.deadline().unwrap_or(Time::MAX);
            if deadline == place.1 {
                return Some(Arc::clone(&entry.rule));
            }
            entry.place.1 = deadline;
            let (key, moved) = (Arc::clone(&entry.key), entry.place);
            let group = self.groups.get_mut(&key)?;
            group.remove(&place);
            group.insert(moved);
        }
    }

    fn key_of(&self, rule: &Rule) -> Key {
        if self.fields.is_empty() {
            return Key::default();
        }
        let matching = rule.pattern.unpack();
        self.fields.iter().map(|sub| (matching.get(sub.field).0 & sub.mask()) >> sub.ofs).collect()
    }

    fn resize(&mut self, key: Key, before: usize, after: usize) {
        self.sizes.remove(&(before, Arc::clone(&key)));
        if after > 0 {
            self.sizes.insert((after, key));
        }
    }
}

/// `field[]`, `field[bit]` or `field[start..end]`.
pub fn parse_subfield(text: &str) -> Option<SubField> {
    let text = text.trim();
    text.contains('[').then(|| weft_openflow::text::parse_subfield(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;
    use weft_flow::{FieldId, Match};
    use weft_openflow::{Instructions, TableId, Timeout};

    fn rule(group: u128, importance: u16, hard: u16, nth: u128) -> Arc<Rule> {
        let mut matching = Match::any();
        matching.set(FieldId::InPortOxm, group);
        matching.set(FieldId::EthSrc, nth);
        let mut rule = Rule::new(TableId(0), 1, &matching, Instructions::default(), Time::ZERO);
        rule.importance = importance;
        rule.set_timeouts(Timeout::NEVER, Timeout(hard));
        Arc::new(rule)
    }

    #[test]
    fn subfields_are_read_as_the_column_has_them() {
        let sub = parse_subfield("NXM_OF_ETH_SRC[8..15]").unwrap();
        assert_eq!((sub.field, sub.ofs, sub.n_bits), (FieldId::EthSrc, 8, 8));
        assert_eq!(parse_subfield("NXM_OF_IN_PORT[]").unwrap().n_bits, 16);
        for wrong in ["", "NXM_OF_IN_PORT", "nonsense[]", "NXM_OF_IN_PORT[3..99]", "NXM_OF_IN_PORT[5..2]"] {
            assert!(parse_subfield(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_flow_that_was_used_lives_longer() {
        let mut index = EvictionIndex::default();
        let idle = |nth| {
            let mut rule = Rule::new(TableId(0), 1, &Match::any(), Instructions::default(), Time::from_millis(nth));
            rule.set_timeouts(Timeout(10), Timeout::NEVER);
            Arc::new(rule)
        };
        let (old, young) = (idle(0), idle(5));
        index.add(&old);
        index.add(&young);
        assert!(Arc::ptr_eq(&index.candidate().unwrap(), &old));
        old.count(1, 60, Time::ZERO + Duration::from_secs(3));
        assert!(Arc::ptr_eq(&index.candidate().unwrap(), &young));
    }

    proptest! {
        #[test]
        fn the_largest_groups_least_important_soonest_flow_goes(
            flows in prop::collection::vec((0u128..4, 0u16..3, 0u16..9), 1..40), removals in 0usize..20,
        ) {
            let mut index = EvictionIndex::new(vec![parse_subfield("in_port_oxm[]").or(parse_subfield("in_port[]")).unwrap()]);
            let mut list = Vec::new();
            for (nth, (group, importance, hard)) in flows.into_iter().enumerate() {
                let one = rule(group, importance, hard, nth as u128);
                index.add(&one);
                if hard > 0 {
                    list.push((group, one));
                }
            }
            for _ in 0..removals {
                let size = |of: u128| list.iter().filter(|(group, _)| *group == of).count();
                let largest = (0..4).map(size).max().unwrap();
                let rank = |rule: &Arc<Rule>| (rule.importance, rule.deadline());
                let expect = list.iter().filter(|(g, _)| size(*g) == largest).map(|(_, r)| rank(r)).min();
                let next = index.candidate();
                prop_assert_eq!(next.as_ref().map(rank), expect);
                let Some(next) = next else { break };
                index.remove(&next);
                list.retain(|(_, rule)| !Arc::ptr_eq(rule, &next));
            }
        }
    }
}
