//! The groups of one bridge.
//!
//! What: [`GroupTable`] holds a bridge's [`Group`]s; [`modify`] says what group mods do to them; [`action_set`] what a
//! bucket's actions come to; [`spread`] how a datapath's hash finds its bucket.
//! Why groups do not change: megaflows hold them, to credit statistics. A modification makes a new group. Buckets that
//! stay (insert, remove) are shared by the old and the new one, so that they keep their counters.
//!
//! Invariant: two different groups of a bridge never have the same `serial`; a verdict that saw one number can tell
//! whether the group is still that one.

pub mod action_set;
pub mod modify;
mod report;
pub mod spread;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;
use weft_base::Time;
use weft_flow::OfPort;
use weft_openflow::action::Action;
use weft_openflow::group::{self as wire, GroupDesc, GroupKind, GroupStats, Selection};
use weft_openflow::{GroupId, Instructions, TableId};

use crate::rule::Rule;
use crate::tables::Map;
use spread::Spread;

/// The groups, and which rules use them.
#[derive(Clone, Default)]
pub struct GroupTable {
    groups: BTreeMap<GroupId, Arc<Group>>,
    /// Rules by their addresses.
    users: Map<GroupId, Map<usize, Arc<Rule>>>,
    last_serial: u64,
}

/// A group.
pub struct Group {
    /// Its number.
    pub id: GroupId,
    /// All, select, indirect, fast failover.
    pub kind: GroupKind,
    /// How a select group was told to choose.
    pub selection: Selection,
    /// How a select group does choose.
    pub choice: Choice,
    /// In order.
    pub buckets: Vec<Arc<Bucket>>,
    /// When it was added; a modification does not count.
    pub created: Time,
    /// See the module.
    pub serial: u64,
    counters: Counters,
}

/// How a select group chooses.
#[derive(Clone, PartialEq, Debug)]
pub enum Choice {
    /// By a hash of everything that makes up a connection.
    Default,
    /// By a hash of these fields.
    Fields,
    /// By a hash that the datapath makes.
    Datapath {
        /// Over both directions of a connection alike.
        symmetric: bool,
        /// Where the hash starts.
        basis: u32,
        /// Which bucket a hash means.
        spread: Spread,
    },
}

/// A bucket.
pub struct Bucket {
    /// What was said.
    pub said: wire::Bucket,
    /// What its actions come to.
    pub actions: Vec<Action>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    fn count(&self, packets: u64, bytes: u64) {
        self.packets.fetch_add(packets, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn get(&self) -> (u64, u64) {
        (self.packets.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

impl GroupTable {
    /// The group of that number.
    #[inline]
    pub fn get(&self, id: GroupId) -> Option<&Arc<Group>> {
        self.groups.get(&id)
    }

    /// The serial of the group of that number; 0 if there is none.
    #[inline]
    pub fn serial(&self, id: GroupId) -> u64 {
        self.groups.get(&id).map_or(0, |g| g.serial)
    }

    /// The groups that a request's number means, in order.
    pub fn meant_by(&self, id: GroupId) -> impl Iterator<Item = &Arc<Group>> {
        self.groups.values().filter(move |g| id == GroupId::ALL || g.id == id)
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Whether every group that the instructions name is there.
    pub fn know_all(&self, instructions: &Instructions) -> bool {
        let mut known = true;
        instructions.for_each_action(&mut |action| {
            known &= !matches!(action, Action::Group(id) if !self.groups.contains_key(id));
        });
        known
    }

    /// The rules that use a group.
    pub fn rules_using(&self, id: GroupId) -> Vec<Arc<Rule>> {
        self.users.get(&id).map_or(Vec::new(), |rules| rules.values().cloned().collect())
    }

    /// How many rules use a group.
    pub fn users(&self, id: GroupId) -> usize {
        self.users.get(&id).map_or(0, |rules| rules.len())
    }

    /// A rule that uses groups came.
    pub(crate) fn rule_added(&mut self, rule: &Arc<Rule>) {
        for id in named_by(&rule.instructions) {
            self.users.entry(id).or_default().insert(Arc::as_ptr(rule) as usize, Arc::clone(rule));
        }
    }

    /// A rule that uses groups went.
    pub(crate) fn rule_removed(&mut self, rule: &Arc<Rule>) {
        for id in named_by(&rule.instructions) {
            if let Some(rules) = self.users.get_mut(&id) {
                rules.remove(&(Arc::as_ptr(rule) as usize));
                if rules.is_empty() {
                    self.users.remove(&id);
                }
            }
        }
    }

    /// All rules of a flow table went.
    pub(crate) fn table_cleared(&mut self, table: TableId) {
        self.users.retain(|_, rules| {
            rules.retain(|_, rule| rule.table != table);
            !rules.is_empty()
        });
    }

    fn next_serial(&mut self) -> u64 {
        self.last_serial += 1;
        self.last_serial
    }

    fn put(&mut self, group: Arc<Group>) -> Option<Arc<Group>> {
        self.groups.insert(group.id, group)
    }

    fn take(&mut self, id: GroupId) -> Option<Arc<Group>> {
        self.groups.remove(&id)
    }
}

impl Group {
    fn new(
        id: GroupId,
        kind: GroupKind,
        selection: Selection,
        buckets: Vec<Arc<Bucket>>,
        created: Time,
        serial: u64,
    ) -> Group {
        let choice = Choice::of(&selection, &buckets);
        Group { id, kind, selection, choice, buckets, created, serial, counters: Counters::default() }
    }

    /// Frames went through.
    pub fn count(&self, packets: u64, bytes: u64) {
        self.counters.count(packets, bytes);
    }

    /// As OFPMP_GROUP_DESC shows it.
    pub fn desc(&self) -> GroupDesc {
        GroupDesc {
            group: self.id,
            kind: self.kind,
            buckets: self.buckets.iter().map(|b| b.said.clone()).collect(),
            selection: self.selection.clone(),
        }
    }

    /// As OFPMP_GROUP shows it; `ref_count` flows refer to it.
    pub fn stats(&self, ref_count: usize, now: Time) -> GroupStats {
        let (packet_count, byte_count) = self.counters.get();
        GroupStats {
            group: self.id,
            ref_count: u32::try_from(ref_count).unwrap_or(u32::MAX),
            packet_count,
            byte_count,
            duration: Some(now.since(self.created)),
            buckets: self.buckets.iter().map(|b| b.counters.get()).collect(),
        }
    }
}

impl Choice {
    /// Where nothing was said it is the datapath's hash, unless the weights cannot be told apart by it.
    fn of(selection: &Selection, buckets: &[Arc<Bucket>]) -> Choice {
        let weights = || buckets.iter().map(|b| b.said.weight);
        let datapath = |symmetric, basis| match Spread::new(weights()) {
            Some(spread) => Choice::Datapath { symmetric, basis, spread },
            None => Choice::Default,
        };
        match selection.method.as_str() {
            "hash" if selection.fields.is_empty() => Choice::Default,
            "hash" => Choice::Fields,
            "dp_hash" => datapath(selection.param >> 32 == 1, selection.param as u32),
            _ => datapath(true, 0),
        }
    }
}

impl Bucket {
    fn new(said: wire::Bucket) -> Bucket {
        let actions = action_set::effect_of(&said.actions);
        Bucket { said, actions, counters: Counters::default() }
    }

    /// Frames went through.
    pub fn count(&self, packets: u64, bytes: u64) {
        self.counters.count(packets, bytes);
    }

    /// Whether its life depends on a port's or a group's.
    pub fn watches(&self) -> bool {
        self.said.watch_port != OfPort::NONE || self.said.watch_group != GroupId::ANY
    }
}

/// Whether instructions name a group anywhere.
pub(crate) fn uses_groups(instructions: &Instructions) -> bool {
    let mut found = false;
    instructions.for_each_action(&mut |action| found |= matches!(action, Action::Group(_)));
    found
}

/// The groups that instructions name, in nested lists too.
fn named_by(instructions: &Instructions) -> SmallVec<[GroupId; 2]> {
    let mut all = SmallVec::new();
    instructions.for_each_action(&mut |action| {
        if let Action::Group(id) = action
            && !all.contains(id)
        {
            all.push(*id);
        }
    });
    all
}

#[cfg(test)]
mod tests;
