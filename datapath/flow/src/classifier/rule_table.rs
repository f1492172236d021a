//! An OpenFlow table's rules: the highest priority wins, and the verdict says which bits it rests on.
//!
//! How a lookup goes: the masks are tried in the order of their highest priority, until none left could beat what was
//! found. For a mask, three things can rule it out early, each adding only the bits it looked at:
//!   1 the prefix tries: no rule of this mask's prefix length contains the address
//!   2 the stages: no rule of this mask has these metadata, these layer-2, these layer-3 fields
//!   3 the ports' trie: of the ports only the bits that tell them from every rule's
//! Where there are many masks, a [`Filter`] says which of them need not be asked at all.
//! Invariants: a lookup's answer is the same for every key that agrees with it in the added bits; a subtable is never
//! empty; `order` lists the subtables by descending highest priority.

mod conjunction;
mod filter;
mod scan;
mod subtable;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::field::{FieldId, Prerequisite};
use crate::key::{FlowKey, FlowMask};
use crate::matching::Match;

use super::packed::{CompactMatch, MaskHash, PackedMask};
use super::trie::{Prefixes, Trie};
pub use conjunction::Clause;
use filter::Filter;
pub(super) use subtable::NoHash;
use subtable::{Rule, Subtable};

/// How many fields can have a trie (`Flow_Table` `prefixes`).
pub const MAX_PREFIX_FIELDS: usize = 3;

/// Masks that [`RuleTable::warm`] looks at.
const MOST_WARMED: usize = 4;

/// Rules found by key or by match. See the module.
#[derive(Clone)]
pub struct RuleTable<V> {
    /// By id; ids of removed subtables are used again.
    subtables: Vec<Option<Box<Subtable<V>>>>,
    by_mask: HashMap<Arc<PackedMask>, u32, MaskHash>,
    /// Highest priority, subtable; descending.
    order: Vec<(u32, u32)>,
    prefixes: SmallVec<[PrefixField; MAX_PREFIX_FIELDS]>,
    len: usize,
    /// Where masks are many.
    filter: Option<Box<Filter>>,
    is_plain: bool,
    /// The subtable that the last rule went into: the next one's probably.
    last: u32,
}

/// A field with a trie of the prefixes that rules match.
#[derive(Clone)]
struct PrefixField {
    field: FieldId,
    trie: Trie,
}

/// A rule that was looked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'a, V> {
    /// Its priority.
    pub priority: u32,
    /// What the table's owner keeps of it.
    pub value: &'a V,
}

impl<V> Clone for Found<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Found<'_, V> {}

impl<V> Default for RuleTable<V> {
    fn default() -> RuleTable<V> {
        RuleTable::new()
    }
}

impl<V> RuleTable<V> {
    /// An empty table with tries for IPv4 addresses.
    pub fn new() -> RuleTable<V> {
        let mut table = RuleTable {
            subtables: Vec::new(),
            by_mask: HashMap::default(),
            last: 0,
            order: Vec::new(),
            prefixes: SmallVec::new(),
            len: 0,
            filter: None,
            is_plain: false,
        };
        table.set_prefixes(&[FieldId::IpDst, FieldId::IpSrc]);
        table
    }

    /// An empty table that asks every mask, however many: what a filter is measured by.
    pub fn plain() -> RuleTable<V> {
        RuleTable { is_plain: true, ..RuleTable::new() }
    }

    /// Which fields have tries, at most [`MAX_PREFIX_FIELDS`] (`Flow_Table` `prefixes`); further ones are ignored.
    pub fn set_prefixes(&mut self, fields: &[FieldId]) {
        self.prefixes =
            fields.iter().take(MAX_PREFIX_FIELDS).map(|&field| PrefixField { field, trie: Trie::default() }).collect();
        for subtable in self.subtables.iter_mut().flatten() {
            subtable.set_prefixes(&mut self.prefixes);
        }
        self.build_filter();
    }

    /// The fields that have tries.
    pub fn prefixes(&self) -> Vec<FieldId> {
        self.prefixes.iter().map(|p| p.field).collect()
    }

    /// The highest priority of any rule.
    pub fn highest(&self) -> Option<u32> {
        self.order.first().map(|(highest, _)| *highest)
    }

    /// How many rules.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many distinct masks.
    pub fn masks(&self) -> usize {
        self.by_mask.len()
    }

    /// The rule of highest priority that matches. Adds to `mask` the bits on which that rests. Of overlapping rules of
    /// the same priority any may win, as OpenFlow leaves it undefined.
    pub fn lookup(&self, key: &FlowKey, mask: Option<&mut FlowMask>) -> Option<&V> {
        self.find_best(key, mask).map(|found| found.value)
    }

    /// [`RuleTable::lookup`] that also says the rule's priority.
    pub fn find_best(&self, key: &FlowKey, mask: Option<&mut FlowMask>) -> Option<Found<'_, V>> {
        let mut best: Option<Found<'_, V>> = None;
        self.scan(key, mask, |_, rule| {
            if best.is_none_or(|b| rule.priority > b.priority) {
                best = Some(rule.found());
            }
            best.map(|b| b.priority)
        });
        best
    }

    /// Lookups of these keys are about to come, one by one: read what they will read now, for all of them at a time, as
    /// loads that wait for nothing overlap. Whom they will probably find goes to `found`. Nothing is done for what the
    /// processor's caches hold anyway.
    pub fn warm<'a>(&'a self, keys: &[&FlowKey], mut found: impl FnMut(&'a V)) {
        for &(_, id) in self.order.iter().take(MOST_WARMED) {
            let subtable = self.at(id);
            if subtable.is_large() {
                subtable.warm(keys, &mut found);
            }
        }
    }

    /// All rules that match, by descending priority (for conjunctive matches). Adds to `mask` as a lookup that tried
    /// every subtable does.
    pub fn find_all(&self, key: &FlowKey, mask: Option<&mut FlowMask>) -> Vec<Found<'_, V>> {
        let mut all = Vec::new();
        self.scan(key, mask, |subtable, rule| {
            all.extend(subtable.chain(Some(rule)).map(Rule::found));
            None
        });
        all.sort_by_key(|found| std::cmp::Reverse(found.priority));
        all
    }

    /// The rule with exactly this match and priority.
    pub fn get(&self, pattern: &Match, priority: u32) -> Option<&V> {
        let id = *self.by_mask.get(&PackedMask::of(pattern))?;
        let subtable = self.at(id);
        subtable.get(&subtable.mask().pack(pattern.key()), priority)
    }

    /// [`RuleTable::get`] by a packed match.
    pub fn get_compact(&self, pattern: &CompactMatch, priority: u32) -> Option<&V> {
        self.at(self.id_of(pattern.mask())?).get(pattern.values(), priority)
    }

    /// Add a rule; returns the one with the same match and priority that it replaces.
    pub fn insert(&mut self, pattern: &Match, priority: u32, value: V) -> Option<V> {
        self.insert_compact(&CompactMatch::new(pattern), priority, value)
    }

    /// [`RuleTable::insert`] by a packed match, whose mask the table shares from then on.
    pub fn insert_compact(&mut self, pattern: &CompactMatch, priority: u32, value: V) -> Option<V> {
        let id = match self.id_of(pattern.mask()) {
            Some(id) => id,
            None => self.add_subtable(Arc::clone(pattern.mask())),
        };
        self.last = id;
        let subtable = self.subtables[id as usize].as_mut().expect("by_mask names subtables that are there");
        let before = subtable.highest();
        let old = subtable.insert(pattern.values(), priority, value, &mut self.prefixes);
        let after = subtable.highest();
        if before != Some(after.expect("it has a rule now")) {
            self.reorder(id, before, after);
        }
        self.len += usize::from(old.is_none());
        self.filter_added(id, pattern, before.is_none());
        old
    }

    /// Look at what an insertion would look at. Whoever inserts many rules does this for some of them first: memory then
    /// answers for all of them at once, and not for one after another.
    pub fn glance(&self, pattern: &CompactMatch) -> u64 {
        self.id_of(pattern.mask()).map_or(0, |id| self.at(id).glance(pattern.values(), &self.prefixes))
    }

    /// Remove the rule with exactly this match and priority.
    pub fn remove(&mut self, pattern: &Match, priority: u32) -> Option<V> {
        self.remove_compact(&CompactMatch::new(pattern), priority)
    }

    /// [`RuleTable::remove`] by a packed match.
    pub fn remove_compact(&mut self, pattern: &CompactMatch, priority: u32) -> Option<V> {
        let id = self.id_of(pattern.mask())?;
        let subtable = self.subtables[id as usize].as_mut()?;
        let before = subtable.highest();
        let old = subtable.remove(pattern.values(), priority, &mut self.prefixes)?;
        let after = subtable.highest();
        if after.is_none() {
            self.by_mask.remove(subtable.mask());
            self.subtables[id as usize] = None;
        }
        if before != after {
            self.reorder(id, before, after);
        }
        self.len -= 1;
        self.filter_removed(id, after.is_none());
        Some(old)
    }

    /// Leave the table empty; what was in it is returned as a table.
    pub fn take_all(&mut self) -> RuleTable<V> {
        let prefixes: SmallVec<[FieldId; MAX_PREFIX_FIELDS]> = self.prefixes.iter().map(|p| p.field).collect();
        let mut empty = RuleTable::new();
        empty.set_prefixes(&prefixes);
        std::mem::replace(self, empty)
    }

    /// All rules, in no particular but a stable order.
    pub fn iter(&self) -> impl Iterator<Item = Found<'_, V>> {
        self.order.iter().flat_map(|(_, id)| self.at(*id).rules()).map(|(_, rule)| rule.found())
    }

    /// All rules with their matches.
    pub fn iter_matches(&self) -> impl Iterator<Item = (Match, Found<'_, V>)> {
        self.order.iter().flat_map(|(_, id)| {
            let subtable = self.at(*id);
            subtable.rules().map(|(words, rule)| (subtable.mask().unpack_match(words), rule.found()))
        })
    }

    /// The rules that match nothing but what `pattern` matches (OpenFlow 1.3 §6.4: what a non-strict modify or delete
    /// means), of any priority.
    pub fn covered_by(&self, pattern: &Match) -> Vec<Found<'_, V>> {
        let mut covered = Vec::new();
        for (_, id) in &self.order {
            let subtable = self.at(*id);
            let mask = subtable.mask();
            if !mask.unpack().covers(pattern.mask()) {
                continue;
            }
            if mask.words().len() == pattern.mask().used_words().filter(|&i| pattern.mask().word(i) != 0).count()
                && mask.unpack() == *pattern.mask()
            {
                let head = subtable.head(&mask.pack(pattern.key()));
                covered.extend(subtable.chain(head).map(Rule::found));
                continue;
            }
            let wanted: SmallVec<[(usize, u64, u64); 6]> = wanted_words(mask, pattern);
            let agrees = |words: &[u64]| wanted.iter().all(|&(nth, bits, value)| words[nth] & bits == value);
            covered.extend(subtable.rules().filter(|(words, _)| agrees(words)).map(|(_, rule)| rule.found()));
        }
        covered
    }

    /// Some rule of this priority that a frame could match together with `pattern` (OFPFF_CHECK_OVERLAP).
    pub fn overlapping(&self, pattern: &Match, priority: u32) -> Option<&V> {
        self.order.iter().find_map(|(highest, id)| {
            if *highest < priority {
                return None;
            }
            let subtable = self.at(*id);
            let wanted = wanted_words(subtable.mask(), pattern);
            let meets = |words: &[u64]| wanted.iter().all(|&(nth, bits, value)| (words[nth] ^ value) & bits == 0);
            subtable
                .rules()
                .find(|(words, rule)| rule.priority == priority && meets(words))
                .map(|(_, rule)| &rule.value)
        })
    }

    fn id_of(&self, mask: &Arc<PackedMask>) -> Option<u32> {
        let is_last = |s: &Subtable<V>| Arc::ptr_eq(s.mask(), mask);
        match self.subtables.get(self.last as usize) {
            Some(Some(last)) if is_last(last) => Some(self.last),
            _ => self.by_mask.get(mask).copied(),
        }
    }

    #[inline]
    fn at(&self, id: u32) -> &Subtable<V> {
        self.subtables[id as usize].as_ref().expect("order and by_mask name subtables that are there")
    }

    fn add_subtable(&mut self, mask: Arc<PackedMask>) -> u32 {
        let id = self.subtables.iter().position(Option::is_none).unwrap_or_else(|| {
            self.subtables.push(None);
            self.subtables.len() - 1
        });
        self.subtables[id] = Some(Box::new(Subtable::new(Arc::clone(&mask), &self.prefixes)));
        let id = id as u32;
        self.by_mask.insert(mask, id);
        id
    }

    fn reorder(&mut self, id: u32, before: Option<u32>, after: Option<u32>) {
        if before.is_some() {
            self.order.retain(|(_, other)| *other != id);
        }
        if let Some(after) = after {
            let at = self.order.partition_point(|(highest, _)| *highest >= after);
            self.order.insert(at, (after, id));
            if let Some(filter) = &mut self.filter {
                filter.rank(id, after);
            }
        }
    }
}

/// Which packed words of `mask` a pattern speaks of: their places, the bits both look at, the pattern's values there.
fn wanted_words(mask: &PackedMask, pattern: &Match) -> SmallVec<[(usize, u64, u64); 6]> {
    let both = |&(nth, (i, bits)): &(usize, (u8, u64))| {
        let bits = bits & pattern.mask().word(i.into());
        (bits != 0).then(|| (nth, bits, pattern.key().word(i.into()) & bits))
    };
    mask.words().iter().copied().enumerate().filter_map(|word| both(&word)).collect()
}

/// Each field's trie is looked up at most once per key, and only if a subtable asks.
struct TrieLookups<'a> {
    prefixes: &'a [PrefixField],
    key: &'a FlowKey,
    found: [Option<Prefixes>; MAX_PREFIX_FIELDS],
}

impl<'a> TrieLookups<'a> {
    fn new(prefixes: &'a [PrefixField], key: &'a FlowKey) -> TrieLookups<'a> {
        TrieLookups { prefixes, key, found: [None; MAX_PREFIX_FIELDS] }
    }

    /// What field `nth`'s trie says, if it is about this frame.
    fn found(&mut self, nth: usize) -> Option<Prefixes> {
        let PrefixField { field, trie } = &self.prefixes[nth];
        let value = applies(*field, self.key).then(|| left_aligned(*field, field.get(self.key)))?;
        Some(*self.found[nth].get_or_insert_with(|| trie.lookup(value, field.field().bits as u8)))
    }

    /// Whether `mask` has the bits that prove which prefixes field `nth` has not: from then on the trie rules out free of charge.
    fn is_settled(&mut self, nth: usize, mask: &FlowMask) -> bool {
        let field = self.prefixes[nth].field;
        self.found(nth).is_none_or(|found| {
            let proof = prefix_mask(found.decisive, field.field().bits as u8);
            field.get_mask(mask) & proof == proof
        })
    }

    /// Whether some rule has a matching prefix of this length in field `nth`. If not, notes the bits that tell so; but
    /// where they are more than the prefix itself, it does not rule the subtable out.
    fn may_match(&mut self, nth: usize, len: u8, mask: &mut FlowMask) -> bool {
        let PrefixField { field, trie } = &self.prefixes[nth];
        let bits = field.field().bits as u8;
        let key = self.key;
        if !applies(*field, key) {
            return true;
        }
        let value = left_aligned(*field, field.get(key));
        // the first that asks mostly has the prefix, and then nobody needs to know more
        if self.found[nth].is_none() && trie.has(value, len) == Some(true) {
            return true;
        }
        let found = self.found[nth].get_or_insert_with(|| trie.lookup(value, bits));
        if found.has(len) {
            return true;
        }
        let proof = prefix_mask(found.decisive, bits);
        if field.get_mask(mask) & proof == proof {
            return false; // free of charge
        }
        if found.decisive > len {
            return true; // the subtable itself looks at fewer bits
        }
        field.add_mask(mask, proof);
        false
    }
}

/// Whether the trie is about this frame: ARP's addresses lie where IPv4's do, but are not tracked.
fn applies(field: FieldId, key: &FlowKey) -> bool {
    match field.field().prerequisite {
        Prerequisite::Ipv4 => FieldId::EthType.get(key) == 0x0800,
        Prerequisite::Ipv6 => FieldId::EthType.get(key) == 0x86dd,
        _ => true,
    }
}

/// A field's value in the upper bits.
fn left_aligned(field: FieldId, value: u128) -> u128 {
    value << (128 - u32::from(field.field().bits))
}

/// The first `len` of `bits` bits.
fn prefix_mask(len: u8, bits: u8) -> u128 {
    let ones = |n: u8| if n >= 128 { u128::MAX } else { (1 << n) - 1 };
    ones(bits) & !ones(bits - len.min(bits))
}
