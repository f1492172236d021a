//! The rules of one mask.
//!
//! Rules with equal values differ in priority and form a chain, highest first; only its head is in the hash table.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use smallvec::SmallVec;

use super::{Found, PrefixField, TrieLookups, left_aligned};
use crate::classifier::packed::PackedMask;
use crate::classifier::ports::Ports;
use crate::classifier::stage::{self, STAGES};
use crate::classifier::store::{Salts, Store};
use crate::field::FieldId;
use crate::key::{FlowKey, FlowMask, SALT, fold};

/// A rule and the next one with equal values.
#[derive(Clone)]
pub(super) struct Rule<V> {
    pub value: V,
    pub priority: u32,
    next: Option<Next>,
}

/// An index that takes four bytes with its `Option`.
type Next = std::num::NonZeroU32;

#[derive(Clone)]
pub(super) struct Subtable<V> {
    mask: Arc<PackedMask>,
    rules: Store<Rule<V>>,
    priorities: BTreeMap<u32, u32>,
    /// The mask cut by stage, without empty stages; all but the last have an index.
    stages: SmallVec<[Stage; 2]>,
    /// Per prefix field: the length of the prefix that this mask matches, 0 if it matches none.
    prefix_lens: [u8; super::MAX_PREFIX_FIELDS],
    ports: Option<Box<Ports>>,
}

#[derive(Clone)]
struct Stage {
    number: usize,
    words: SmallVec<[(u8, u64); 3]>,
    /// How many chains have this hash of all words up to this stage. Empty for the last stage: the rules tell.
    index: HashMap<u32, u32, NoHash>,
}

impl<V> Rule<V> {
    pub fn found(&self) -> Found<'_, V> {
        Found { priority: self.priority, value: &self.value }
    }
}

impl<V> Subtable<V> {
    pub fn new(mask: Arc<PackedMask>, prefixes: &[PrefixField]) -> Subtable<V> {
        let stages = (0..STAGES)
            .filter_map(|number| {
                let cut = |&(i, bits): &(u8, u64)| {
                    let bits = bits & stage::bits(i.into(), number);
                    (bits != 0).then_some((i, bits))
                };
                let words: SmallVec<[(u8, u64); 3]> = mask.words().iter().filter_map(cut).collect();
                (!words.is_empty()).then(|| Stage { number, words, index: HashMap::default() })
            })
            .collect();
        let port_bits = mask.words().iter().find(|(i, _)| *i == PORTS_WORD).map_or(0, |(_, bits)| (bits >> 32) as u32);
        let ports = (port_bits != 0).then(|| Box::new(Ports::new(port_bits)));
        let mut subtable = Subtable {
            rules: Store::new(mask.words().len(), Salts::new(0)),
            priorities: BTreeMap::new(),
            stages,
            prefix_lens: [0; super::MAX_PREFIX_FIELDS],
            ports,
            mask,
        };
        subtable.measure_prefixes(prefixes);
        subtable
    }

    pub fn mask(&self) -> &Arc<PackedMask> {
        &self.mask
    }

    /// The highest priority, `None` when empty.
    pub fn highest(&self) -> Option<u32> {
        self.priorities.last_key_value().map(|(priority, _)| *priority)
    }

    /// Read what lookups of these keys will read, one kind of memory after the other, so that none waits for another's;
    /// whom they will probably find goes to `found`.
    pub fn warm<'a>(&'a self, keys: &[&FlowKey], found: &mut impl FnMut(&'a V)) {
        let mut read = 0;
        let masked = self.mask.words();
        let hash = |key: &FlowKey| self.rules.hash_of(|nth| key.word(masked[nth].0.into()) & masked[nth].1);
        for key in keys {
            read ^= self.rules.touch(hash(key));
        }
        for key in keys {
            if let Some(index) = self.rules.find(hash(key), |words| self.mask.fits(words, key)) {
                found(&self.rules.entry(index).value);
            }
        }
        std::hint::black_box(read);
    }

    /// Whether it is too large to lie in a processor's caches.
    pub fn is_large(&self) -> bool {
        self.rules.len() > FEW
    }

    /// The best rule for a key.
    pub fn find(&self, key: &FlowKey) -> Option<&Rule<V>> {
        let masked = self.mask.words();
        let hash = self.rules.hash_of(|nth| key.word(masked[nth].0.into()) & masked[nth].1);
        self.rules.find(hash, |words| self.mask.fits(words, key)).map(|index| self.rules.entry(index))
    }

    /// The best rule for a key; notes in `mask` what was looked at.
    pub fn find_noting(&self, key: &FlowKey, tries: &mut TrieLookups<'_>, mask: &mut FlowMask) -> Option<&Rule<V>> {
        // Where a rule is, neither tries nor stages rule it out. In a large table their memory is far, so it is asked first.
        if self.is_large()
            && let Some(rule) = self.find(key)
        {
            self.note(&self.stages, mask);
            return Some(rule);
        }
        let mut hash = 0;
        for (nth, stage) in self.stages.iter().enumerate() {
            if !self.prefixes_may_match(stage.number, tries, mask) {
                self.note(&self.stages[..nth], mask);
                return None;
            }
            hash = stage.hash(hash, key);
            if nth + 1 < self.stages.len() && !stage.index.contains_key(&hash) {
                self.note(&self.stages[..=nth], mask);
                return None;
            }
        }
        let found = self.find(key);
        match &self.ports {
            Some(ports) if found.is_none() => {
                let looked_at = ports.decisive((key.word(PORTS_WORD.into()) >> 32) as u32);
                for &(i, bits) in self.mask.words() {
                    let bits = if i == PORTS_WORD { bits & 0xffff_ffff } else { bits };
                    mask.or_word(i.into(), bits);
                }
                mask.or_word(PORTS_WORD.into(), u64::from(looked_at) << 32);
            }
            _ => self.note(&self.stages, mask),
        }
        found
    }

    /// How many rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// The length of the prefix that it matches of each prefix field, 0 if it matches none.
    pub fn prefix_lens(&self) -> &[u8; super::MAX_PREFIX_FIELDS] {
        &self.prefix_lens
    }

    /// The rule with these packed values and this priority.
    pub fn get(&self, words: &[u64], priority: u32) -> Option<&V> {
        self.chain(self.head(words)).find(|rule| rule.priority == priority).map(|rule| &rule.value)
    }

    /// The chain's first rule for packed values.
    pub fn head(&self, words: &[u64]) -> Option<&Rule<V>> {
        self.rules.find_words(words).map(|index| self.rules.entry(index))
    }

    /// A rule and those with equal values and lower priority.
    pub fn chain<'a>(&'a self, head: Option<&'a Rule<V>>) -> impl Iterator<Item = &'a Rule<V>> {
        std::iter::successors(head, |rule| rule.next.map(|next| self.rules.entry(index_of(next))))
    }

    /// All rules with their packed values.
    pub fn rules(&self) -> impl Iterator<Item = (&[u64], &Rule<V>)> {
        self.rules.entries().iter().enumerate().map(|(index, rule)| (self.rules.words_of(index), rule))
    }

    /// `words`: what the rule says under this mask.
    pub fn insert(&mut self, words: &[u64], priority: u32, value: V, prefixes: &mut [PrefixField]) -> Option<V> {
        let hash = self.rules.hash(words);
        let head = self.rules.find(hash, |stored| stored == words);
        let (before, after) = self.neighbours(head, priority);
        if let Some(same) = after.filter(|&i| self.rules.entry(i).priority == priority) {
            return Some(std::mem::replace(&mut self.rules.entries_mut()[same].value, value));
        }
        let index = self.rules.push(words, Rule { value, priority, next: after.map(next_to) });
        match (before, after) {
            (Some(before), _) => self.rules.entries_mut()[before].next = Some(next_to(index)),
            (None, Some(after)) => self.rules.relink(after, index),
            (None, None) => {
                self.rules.link(index, hash);
                self.count_chain(words, prefixes, true);
            }
        }
        *self.priorities.entry(priority).or_default() += 1;
        None
    }

    /// Look at all that an insertion of these values would look at; what comes of it means nothing.
    pub fn glance(&self, words: &[u64], prefixes: &[PrefixField]) -> u64 {
        let mut seen = self.rules.glance(self.rules.hash(words));
        let mut hash = 0;
        for stage in &self.stages[..self.stages.len().saturating_sub(1)] {
            hash = stage.hash_of(hash, |i| self.mask.word_of(words, i));
            seen ^= u64::from(stage.index.get(&hash).copied().unwrap_or(0));
        }
        if let Some(ports) = &self.ports {
            seen ^= u64::from(ports.count((self.mask.word_of(words, PORTS_WORD.into()) >> 32) as u32));
        }
        for (&len, PrefixField { field, trie }) in self.prefix_lens.iter().zip(prefixes).filter(|(len, _)| **len > 0) {
            seen ^= u64::from(trie.count(prefix_of(&self.mask, *field, words), len));
        }
        seen
    }

    pub fn remove(&mut self, words: &[u64], priority: u32, prefixes: &mut [PrefixField]) -> Option<V> {
        let head = self.rules.find_words(words)?;
        let (before, found) = self.neighbours(Some(head), priority);
        let index = found.filter(|&i| self.rules.entry(i).priority == priority)?;
        let next = self.rules.entry(index).next;
        match (before, next) {
            (Some(before), next) => self.rules.entries_mut()[before].next = next,
            (None, Some(next)) => self.rules.relink(index, index_of(next)),
            (None, None) => {
                self.rules.unlink(index);
                self.count_chain(words, prefixes, false);
            }
        }
        // The last rule is about to move here: whatever names it must learn.
        let last = self.rules.len() - 1;
        let before_last = if index == last { None } else { self.before(last) };
        if let Some(before) = before_last {
            self.rules.entries_mut()[before].next = Some(next_to(index));
        }
        let rule = self.rules.take(index, before_last.is_none());
        if let Some(count) = self.priorities.get_mut(&priority) {
            *count -= 1;
            if *count == 0 {
                self.priorities.remove(&priority);
            }
        }
        Some(rule.value)
    }

    /// Other fields have tries now: enter all chains into the new ones.
    pub fn set_prefixes(&mut self, prefixes: &mut [PrefixField]) {
        self.measure_prefixes(prefixes);
        for (words, rule) in self.rules.entries().iter().enumerate().map(|(i, rule)| (self.rules.words_of(i), rule)) {
            // Only heads count: a chain is one prefix.
            let is_head = self.rules.find_words(words).is_some_and(|i| std::ptr::eq(self.rules.entry(i), rule));
            if is_head {
                count_prefixes(&self.mask, &self.prefix_lens, words, prefixes, true);
            }
        }
    }

    /// The rule before a priority's place in a chain, and the one at or behind it.
    fn neighbours(&self, head: Option<usize>, priority: u32) -> (Option<usize>, Option<usize>) {
        let (mut before, mut at) = (None, head);
        while let Some(index) = at.filter(|&i| self.rules.entry(i).priority > priority) {
            before = Some(index);
            at = self.rules.entry(index).next.map(index_of);
        }
        (before, at)
    }

    /// The rule before this one in its chain.
    fn before(&self, index: usize) -> Option<usize> {
        let mut at = self.rules.find_words(self.rules.words_of(index)).filter(|&head| head != index)?;
        while let Some(next) = self.rules.entry(at).next.map(index_of).filter(|&next| next != index) {
            at = next;
        }
        Some(at)
    }

    fn count_chain(&mut self, words: &[u64], prefixes: &mut [PrefixField], add: bool) {
        let mut hash = 0;
        let indexed = self.stages.len().saturating_sub(1);
        for stage in &mut self.stages[..indexed] {
            hash = stage.hash_of(hash, |i| self.mask.word_of(words, i));
            if add {
                *stage.index.entry(hash).or_default() += 1;
            } else if let Some(count) = stage.index.get_mut(&hash) {
                *count -= 1;
                if *count == 0 {
                    stage.index.remove(&hash);
                }
            }
        }
        if let Some(ports) = &mut self.ports {
            let value = (self.mask.word_of(words, PORTS_WORD.into()) >> 32) as u32;
            if add { ports.insert(value) } else { ports.remove(value) }
        }
        count_prefixes(&self.mask, &self.prefix_lens, words, prefixes, add);
    }

    fn measure_prefixes(&mut self, prefixes: &[PrefixField]) {
        self.prefix_lens = [0; super::MAX_PREFIX_FIELDS];
        let mask = self.mask.unpack();
        for (len, prefix) in self.prefix_lens.iter_mut().zip(prefixes) {
            let bits = left_aligned(prefix.field, prefix.field.get_mask(&mask));
            let ones = bits.leading_ones();
            if ones == bits.count_ones() {
                *len = ones as u8;
            }
        }
    }

    fn prefixes_may_match(&self, stage: usize, tries: &mut TrieLookups<'_>, mask: &mut FlowMask) -> bool {
        self.prefix_lens.iter().enumerate().all(|(nth, &len)| {
            len == 0 || stage_of(tries.prefixes[nth].field) != stage || tries.may_match(nth, len, mask)
        })
    }

    fn note(&self, stages: &[Stage], mask: &mut FlowMask) {
        for &(i, bits) in stages.iter().flat_map(|stage| &stage.words) {
            mask.or_word(i.into(), bits);
        }
    }
}

impl Stage {
    fn hash(&self, before: u32, key: &FlowKey) -> u32 {
        self.hash_of(before, |i| key.word(i))
    }

    #[inline]
    fn hash_of(&self, before: u32, word: impl Fn(usize) -> u64) -> u32 {
        let hash = self.words.iter().fold(u64::from(before), |hash, &(i, bits)| {
            fold(word(i.into()) & bits ^ hash.wrapping_add(SALT[0]), SALT[usize::from(i) & 7])
        });
        (hash >> 32) as u32 ^ hash as u32
    }
}

fn count_prefixes(mask: &PackedMask, lens: &[u8], words: &[u64], prefixes: &mut [PrefixField], add: bool) {
    for (&len, PrefixField { field, trie }) in lens.iter().zip(prefixes).filter(|(len, _)| **len > 0) {
        let value = prefix_of(mask, *field, words);
        if add { trie.insert(value, len) } else { trie.remove(value, len) }
    }
}

/// What packed values say of a field, in the upper bits.
fn prefix_of(mask: &PackedMask, field: FieldId, words: &[u64]) -> u128 {
    let f = field.field();
    let bits = match f.bits {
        65.. => u128::from(mask.word_of(words, f.word())) << 64 | u128::from(mask.word_of(words, f.word() + 1)),
        // what the rest of the word says falls off when the bits move to the top
        _ => u128::from(mask.word_of(words, f.word()) >> f.shift()),
    };
    left_aligned(field, bits)
}

pub(super) fn stage_of(field: FieldId) -> usize {
    let f = field.field();
    (0..STAGES).find(|&s| stage::bits(f.word(), s) >> f.shift() & 1 != 0).unwrap_or(0)
}

fn next_to(index: usize) -> Next {
    Next::new(index as u32 + 1).expect("fewer than 2^32 - 1 rules")
}

fn index_of(next: Next) -> usize {
    next.get() as usize - 1
}

/// So many entries stay in the second-level cache.
const FEW: usize = 2048;
/// The key's word whose upper half holds the ports.
const PORTS_WORD: u8 = 6;

/// Stage hashes are well mixed already.
#[derive(Clone, Copy, Default)]
pub(in crate::classifier) struct NoHash;

impl std::hash::BuildHasher for NoHash {
    type Hasher = Spread;

    fn build_hasher(&self) -> Spread {
        Spread(0)
    }
}

/// Spreads a number over 64 bits: the map takes its tags from the upper ones.
pub(in crate::classifier) struct Spread(u64);

impl std::hash::Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32((*byte).into());
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.0 = (self.0 ^ u64::from(value)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = fold(self.0 ^ value ^ SALT[3], 0x9e37_79b9_7f4a_7c15);
    }
}
