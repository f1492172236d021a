//! The megaflow table: from a key to a slot, one probe per mask.
//!
//! What: tuple space search. Flows are split first by what is always exact (recirculation, port, packet and Ethernet type,
//! fragment: a [`Partition`]), then by mask (a [`Subtable`], a hash table of masked keys).
//! Why: a frame probes only the masks that occur together with its own partition, and those that hit most first.
//! Invariants: flows are disjoint, so the first match is the only one. A flow whose mask leaves part of the partition
//! open (`dpctl add-flow` can make one) lives in the `open` partition, which every lookup asks last.

#[cfg(test)]
mod tests;

use hashbrown::HashMap;
use weft_flow::{FlowKey, FlowMask, Match};

use crate::store::{NOWHERE, SlotId, Store};

/// The bits of words 0 and 1 that make the partition: all but the IP protocol.
const PARTITION: [u64; 2] = [u64::MAX, !0xff];

/// From keys to slots.
pub struct Table {
    seed: u64,
    partitions: HashMap<[u64; 2], Partition>,
    open: Partition,
    len: usize,
}

/// What a lookup found, and at what price.
pub struct Found {
    /// The slot, if a flow matched.
    pub slot: Option<SlotId>,
    /// Masks probed.
    pub probes: u32,
}

impl Table {
    /// No flows.
    pub fn new(seed: u64) -> Table {
        Table { seed, partitions: HashMap::new(), open: Partition::default(), len: 0 }
    }

    /// Forget all flows.
    pub fn clear(&mut self) {
        *self = Table::new(self.seed);
    }

    /// Number of flows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Number of different masks, counted once per partition.
    pub fn masks(&self) -> usize {
        self.open.subtables.len() + self.partitions.values().map(|p| p.subtables.len()).sum::<usize>()
    }

    /// Find the flow of a key.
    #[inline]
    pub fn find(&mut self, key: &FlowKey, store: &Store) -> Found {
        let mut found = Found { slot: None, probes: 0 };
        if let Some(partition) = self.partitions.get_mut(&partition_of(key)) {
            partition.find(key, self.seed, store, &mut found);
        }
        if found.slot.is_none() && !self.open.subtables.is_empty() {
            self.open.find(key, self.seed, store, &mut found);
        }
        found
    }

    /// Add a flow. It must overlap no other.
    pub fn insert(&mut self, pattern: &Match, slot: SlotId) {
        let (key, mask) = (pattern.key(), pattern.mask());
        let partition =
            if is_closed(mask) { self.partitions.entry(partition_of(key)).or_default() } else { &mut self.open };
        let subtable = match partition.subtables.iter().position(|s| s.has_mask(mask)) {
            Some(at) => &mut partition.subtables[at],
            None => partition.subtables.push_mut(Subtable::new(mask)),
        };
        subtable.insert(masked_hash(key, &subtable.words, self.seed), slot);
        self.len += 1;
    }

    /// The slot of the flow with exactly this pattern.
    pub fn slot_of(&self, pattern: &Match, store: &Store) -> Option<SlotId> {
        let (key, mask) = (pattern.key(), pattern.mask());
        let partition = if is_closed(mask) { self.partitions.get(&partition_of(key))? } else { &self.open };
        let subtable = partition.subtables.iter().find(|s| s.has_mask(mask))?;
        subtable.find(masked_hash(key, &subtable.words, self.seed), key, store)
    }

    /// Take the flow in `slot` out; its slot must still be occupied.
    pub fn remove(&mut self, pattern: &Match, slot: SlotId) {
        let (key, mask) = (pattern.key(), pattern.mask());
        let closed = is_closed(mask);
        let partition = match closed {
            true => self.partitions.get_mut(&partition_of(key)),
            false => Some(&mut self.open),
        };
        let Some(partition) = partition else { return };
        let Some(at) = partition.subtables.iter().position(|s| s.has_mask(mask)) else { return };
        let subtable = &mut partition.subtables[at];
        if subtable.remove(masked_hash(key, &subtable.words, self.seed), slot) {
            self.len -= 1;
        }
        if subtable.len == 0 {
            partition.subtables.remove(at);
        }
        if closed && partition.subtables.is_empty() {
            self.partitions.remove(&partition_of(key));
        }
    }
}

fn partition_of(key: &FlowKey) -> [u64; 2] {
    [key.word(0) & PARTITION[0], key.word(1) & PARTITION[1]]
}

fn is_closed(mask: &FlowMask) -> bool {
    (0..2).all(|i| mask.word(i) & PARTITION[i] == PARTITION[i])
}

/// Flows that agree in all that is always exact.
#[derive(Default)]
struct Partition {
    /// Most useful first.
    subtables: Vec<Subtable>,
    /// Lookups until they are ranked again.
    until_ranking: u32,
}

/// Lookups between two rankings.
const RANKING: u32 = 4096;

impl Partition {
    #[inline]
    fn find(&mut self, key: &FlowKey, seed: u64, store: &Store, found: &mut Found) {
        for subtable in &mut self.subtables {
            found.probes += 1;
            if let Some(slot) = subtable.find(masked_hash(key, &subtable.words, seed), key, store) {
                subtable.hits += 1;
                found.slot = Some(slot);
                break;
            }
        }
        match self.until_ranking.checked_sub(1) {
            Some(left) => self.until_ranking = left,
            None => self.rank(),
        }
    }

    /// Masks that hit most come first; old hits count half each time.
    #[cold]
    fn rank(&mut self) {
        self.subtables.sort_by_key(|s| std::cmp::Reverse(s.hits));
        for subtable in &mut self.subtables {
            subtable.hits /= 2;
        }
        self.until_ranking = RANKING;
    }
}

/// Flows of one mask: an open-addressed hash table, at most half full, that stores hashes and slot numbers.
struct Subtable {
    /// The words that matter, and which of their bits.
    words: Box<[(u8, u64)]>,
    /// A power of two of them.
    entries: Box<[Entry]>,
    len: usize,
    hits: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    hash: u32,
    /// [`NOWHERE`]: empty.
    slot: SlotId,
}

const EMPTY: Entry = Entry { hash: 0, slot: NOWHERE };

impl Subtable {
    fn new(mask: &FlowMask) -> Subtable {
        let words = mask.used_words().filter(|&at| mask.word(at) != 0).map(|at| (at as u8, mask.word(at))).collect();
        Subtable { words, entries: Box::new([EMPTY; 4]), len: 0, hits: 0 }
    }

    fn has_mask(&self, mask: &FlowMask) -> bool {
        self.words.iter().all(|&(at, bits)| mask.word(at as usize) == bits)
            && mask.used_words().filter(|&at| mask.word(at) != 0).count() == self.words.len()
    }

    #[inline]
    fn find(&self, hash: u32, key: &FlowKey, store: &Store) -> Option<SlotId> {
        let last = self.entries.len() - 1;
        let mut at = hash as usize;
        loop {
            let entry = self.entries[at & last];
            if entry.slot == NOWHERE {
                return None;
            }
            if entry.hash == hash && store.slot(entry.slot).matches(key) {
                return Some(entry.slot);
            }
            at += 1;
        }
    }

    fn insert(&mut self, hash: u32, slot: SlotId) {
        if (self.len + 1) * 2 > self.entries.len() {
            let grown = vec![EMPTY; self.entries.len() * 2].into_boxed_slice();
            let old = std::mem::replace(&mut self.entries, grown);
            old.iter().filter(|e| e.slot != NOWHERE).for_each(|&e| self.place(e));
        }
        self.place(Entry { hash, slot });
        self.len += 1;
    }

    fn place(&mut self, entry: Entry) {
        let last = self.entries.len() - 1;
        let mut at = entry.hash as usize & last;
        while self.entries[at].slot != NOWHERE {
            at = (at + 1) & last;
        }
        self.entries[at] = entry;
    }

    /// Empty the entry, then move back those behind it that were pushed on by it, so that no chain has a hole.
    fn remove(&mut self, hash: u32, slot: SlotId) -> bool {
        let last = self.entries.len() - 1;
        let mut hole = hash as usize & last;
        while self.entries[hole].slot != slot {
            if self.entries[hole].slot == NOWHERE {
                return false;
            }
            hole = (hole + 1) & last;
        }
        let mut at = (hole + 1) & last;
        while self.entries[at].slot != NOWHERE {
            let home = self.entries[at].hash as usize & last;
            if at.wrapping_sub(home) & last >= at.wrapping_sub(hole) & last {
                self.entries[hole] = self.entries[at];
                hole = at;
            }
            at = (at + 1) & last;
        }
        self.entries[hole] = EMPTY;
        self.len -= 1;
        true
    }
}

/// The hash of some bits of some words.
#[inline(always)]
fn masked_hash(key: &FlowKey, bits: &[(u8, u64)], seed: u64) -> u32 {
    let words = key.words();
    let mut hash = seed;
    for pair in bits.chunks(2) {
        let word = |i: usize| pair.get(i).map_or(0, |&(at, mask)| words[at as usize % words.len()] & mask);
        let product = u128::from(word(0) ^ hash) * u128::from(word(1) ^ seed.rotate_left(32) | 1);
        hash = (product as u64 ^ (product >> 64) as u64).wrapping_add(ODD);
    }
    (hash ^ (hash >> 32)) as u32
}

/// The fraction of the golden ratio.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
