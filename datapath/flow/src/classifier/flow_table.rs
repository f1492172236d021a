//! The megaflow table of a worker: disjoint entries, many masks, no priorities.
//!
//! How: the words that every megaflow matches in full (recirculation id, port, packet type, Ethertype) choose a
//! partition; within it each mask is a hash table, tried in the order of recent hits. The first that matches is the
//! answer: entries do not overlap, but for those that somebody put by hand, of which any may answer.
//! Where a partition has many masks, a [`Guard`] says which of them are worth a probe.
//! Why partitions: a frame never probes the masks of another port's or protocol's flows, and crafted traffic on one port
//! (tuple space explosion) slows down that port alone.
//! Invariants: a subtable is never empty, but where a guard knows it by its number; a partition is never without flows.

use std::cell::Cell;
use std::sync::Arc;

use crate::key::FlowKey;

use super::guard::{Guard, WIDE};
use super::packed::{CompactMatch, PackedMask};
use super::store::{Salts, Store};

/// Flows found by key. See the module.
pub struct FlowTable<V> {
    salts: Salts,
    /// By word 0 and the upper 48 bits of word 1.
    partitions: Store<Partition<V>>,
    /// Flows that do not match these words in full.
    loose: Partition<V>,
    len: usize,
    probes: Cell<u64>,
}

struct Partition<V> {
    subtables: Vec<Subtable<V>>,
    guard: Option<Box<Guard<WIDE>>>,
}

struct Subtable<V> {
    probe: Probe,
    store: Store<V>,
    hits: Cell<u64>,
    /// Not looked at while probing.
    mask: Arc<PackedMask>,
}

/// The mask in one cache line, if it has at most seven words.
#[repr(align(64))]
struct Probe {
    len: u8,
    index: [u8; 7],
    bits: [u64; 7],
}

/// From so many masks on a partition has a guard.
const MANY: usize = 16;
/// Flows that are read at once to build one.
const MOST_READ: usize = 1 << 16;

/// The bits of word 1 that choose the partition (packet_type, eth_type); ip_frag and nw_proto stay with the masks,
/// since not every flow matches them.
const PARTITION_BITS: u64 = !0xffff;

impl<V> FlowTable<V> {
    /// An empty table. `seed` should be a secret of this run, so that nobody can craft collisions.
    pub fn new(seed: u64) -> FlowTable<V> {
        FlowTable::with_salts(Salts::new(seed))
    }

    fn with_salts(salts: Salts) -> FlowTable<V> {
        FlowTable { salts, partitions: Store::new(2, salts), loose: Partition::new(), len: 0, probes: Cell::new(0) }
    }

    /// How many flows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many masks, summed over partitions.
    pub fn masks(&self) -> usize {
        let partitions = self.partitions.entries().iter().chain([&self.loose]);
        partitions.flat_map(|p| &p.subtables).filter(|s| s.store.len() > 0).count()
    }

    /// How many masks all lookups together have probed.
    pub fn probes(&self) -> u64 {
        self.probes.get()
    }

    /// The flow that a key belongs to.
    #[inline]
    pub fn lookup(&self, key: &FlowKey) -> Option<&V> {
        let words = partition_words(key);
        if let Some(index) = self.partitions.find(self.salts.hash(&words), |stored| stored == words) {
            let found = self.partitions.entry(index).lookup(key, &self.salts, &self.probes);
            if found.is_some() || self.loose.subtables.is_empty() {
                return found;
            }
        }
        self.loose.lookup(key, &self.salts, &self.probes)
    }

    /// The flow with exactly this match.
    pub fn get(&self, pattern: &CompactMatch) -> Option<&V> {
        self.partition(pattern)?.get(pattern)
    }

    /// Add a flow; returns the one with the same match that it replaces. The caller knows that no other overlaps it, or
    /// does not mind which of the two is found.
    /// The table shares its mask from then on: quickest where equal masks are one (see [`super::Masks`]).
    pub fn insert(&mut self, pattern: &CompactMatch, value: V) -> Option<V> {
        let salts = self.salts;
        let partition = if is_partitioned(pattern.mask()) {
            let words = partition_of(pattern);
            let index = self.partitions.find_words(&words).unwrap_or_else(|| {
                let index = self.partitions.push(&words, Partition::new());
                self.partitions.link(index, salts.hash(&words));
                index
            });
            &mut self.partitions.entries_mut()[index]
        } else {
            &mut self.loose
        };
        let old = partition.insert(pattern, value, salts);
        self.len += usize::from(old.is_none());
        old
    }

    /// Remove the flow with exactly this match.
    pub fn remove(&mut self, pattern: &CompactMatch) -> Option<V> {
        if !is_partitioned(pattern.mask()) {
            let removed = self.loose.remove(pattern)?;
            self.len -= 1;
            return Some(removed);
        }
        let index = self.partitions.find_words(&partition_of(pattern))?;
        let partition = &mut self.partitions.entries_mut()[index];
        let removed = partition.remove(pattern)?;
        self.len -= 1;
        if partition.subtables.is_empty() {
            self.partitions.unlink(index);
            self.partitions.take(index, true);
        }
        Some(removed)
    }

    /// Remove all flows.
    pub fn clear(&mut self) {
        *self = FlowTable { probes: self.probes.clone(), ..FlowTable::with_salts(self.salts) };
    }

    /// All flows, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &V> {
        let partitions = self.partitions.entries().iter().chain([&self.loose]);
        partitions.flat_map(|p| &p.subtables).flat_map(|s| s.store.entries())
    }

    /// Put the masks with the most hits since the last call first. Cheap; call it about once a second.
    pub fn rank(&mut self) {
        for partition in self.partitions.entries_mut().iter_mut().chain([&mut self.loose]) {
            match partition.guard {
                // their numbers stand in its rows
                Some(_) => partition.tidy(),
                None => partition.subtables.sort_by(|a, b| b.hits.cmp(&a.hits)),
            }
            for subtable in &partition.subtables {
                // Half of the past still counts, so that the order does not flutter.
                subtable.hits.set(subtable.hits.get() / 2);
            }
        }
    }

    fn partition(&self, pattern: &CompactMatch) -> Option<&Partition<V>> {
        if is_partitioned(pattern.mask()) {
            let index = self.partitions.find_words(&partition_of(pattern))?;
            Some(self.partitions.entry(index))
        } else {
            Some(&self.loose)
        }
    }
}

impl<V> Partition<V> {
    fn new() -> Partition<V> {
        Partition { subtables: Vec::new(), guard: None }
    }

    #[inline]
    fn lookup(&self, key: &FlowKey, salts: &Salts, probes: &Cell<u64>) -> Option<&V> {
        if let Some(guard) = &self.guard {
            return self.lookup_guarded(guard, key, salts, probes);
        }
        for (nth, subtable) in self.subtables.iter().enumerate() {
            if let Some(index) = subtable.find(key, salts) {
                subtable.hits.set(subtable.hits.get() + 1);
                probes.set(probes.get() + nth as u64 + 1);
                return Some(subtable.store.entry(index));
            }
        }
        probes.set(probes.get() + self.subtables.len() as u64);
        None
    }

    #[inline(never)]
    fn lookup_guarded(&self, guard: &Guard<WIDE>, key: &FlowKey, salts: &Salts, probes: &Cell<u64>) -> Option<&V> {
        let candidates = guard.candidates(key).take_while(|nth| *nth < self.subtables.len());
        for nth in candidates.chain(Guard::<WIDE>::MOST..self.subtables.len()) {
            let subtable = &self.subtables[nth];
            probes.set(probes.get() + 1);
            if let Some(index) = subtable.find(key, salts) {
                subtable.hits.set(subtable.hits.get() + 1);
                return Some(subtable.store.entry(index));
            }
        }
        None
    }

    /// With so many masks a guard pays, and doubling their number makes it worth choosing its bytes anew.
    fn build_guard(&mut self) {
        let masks: Vec<&PackedMask> = self.subtables.iter().map(|s| &*s.mask).collect();
        let flows_of = |nth: usize| {
            let store = &self.subtables[nth].store;
            (0..store.len()).map(move |index| store.words_of(index))
        };
        self.guard = Some(Box::new(Guard::build(&masks, flows_of)));
    }

    /// Forget masks without flows, if they are many.
    fn tidy(&mut self) {
        let empty = self.subtables.iter().filter(|s| s.store.len() == 0).count();
        if 2 * empty > self.subtables.len() {
            self.subtables.retain(|s| s.store.len() > 0);
            self.guard = None;
            if self.subtables.len() >= MANY && self.is_small() {
                self.build_guard();
            }
        }
    }

    /// Whether a guard is built in few milliseconds.
    fn is_small(&self) -> bool {
        self.subtables.iter().map(|s| s.store.len()).sum::<usize>() <= MOST_READ
    }

    fn position(&self, mask: &Arc<PackedMask>) -> Option<usize> {
        let same = self.subtables.iter().position(|s| Arc::ptr_eq(&s.mask, mask));
        same.or_else(|| self.subtables.iter().position(|s| s.mask.words() == mask.words()))
    }

    fn get(&self, pattern: &CompactMatch) -> Option<&V> {
        let store = &self.subtables[self.position(pattern.mask())?].store;
        store.find_words(pattern.values()).map(|i| store.entry(i))
    }

    fn insert(&mut self, pattern: &CompactMatch, value: V, salts: Salts) -> Option<V> {
        let position = self.position(pattern.mask()).unwrap_or_else(|| {
            self.subtables.push(Subtable::new(Arc::clone(pattern.mask()), salts));
            let nth = self.subtables.len() - 1;
            if nth >= MANY && nth.is_power_of_two() && self.is_small() {
                self.build_guard();
            } else if let Some(guard) = &mut self.guard {
                guard.open(nth, pattern.mask());
            }
            nth
        });
        if let Some(guard) = &mut self.guard {
            guard.add(position, pattern.mask(), pattern.values());
        }
        let store = &mut self.subtables[position].store;
        let hash = store.hash(pattern.values());
        if let Some(index) = store.find(hash, |stored| stored == pattern.values()) {
            return Some(std::mem::replace(&mut store.entries_mut()[index], value));
        }
        let index = store.push(pattern.values(), value);
        store.link(index, hash);
        None
    }

    fn remove(&mut self, pattern: &CompactMatch) -> Option<V> {
        let position = self.position(pattern.mask())?;
        let store = &mut self.subtables[position].store;
        let index = store.find_words(pattern.values())?;
        store.unlink(index);
        let value = store.take(index, true);
        if store.len() == 0 {
            match self.guard {
                None => drop(self.subtables.remove(position)),
                Some(_) if self.subtables.iter().any(|s| s.store.len() > 0) => {}
                Some(_) => *self = Partition::new(),
            }
        }
        Some(value)
    }
}

impl<V> Subtable<V> {
    fn new(mask: Arc<PackedMask>, salts: Salts) -> Subtable<V> {
        let mut probe = Probe { len: u8::MAX, index: [0; 7], bits: [0; 7] };
        if mask.words().len() <= 7 {
            probe.len = mask.words().len() as u8;
            for (nth, &(index, bits)) in mask.words().iter().enumerate() {
                (probe.index[nth], probe.bits[nth]) = (index, bits);
            }
        }
        Subtable { probe, store: Store::new(mask.words().len(), salts), hits: Cell::new(0), mask }
    }

    #[inline]
    fn find(&self, key: &FlowKey, salts: &Salts) -> Option<usize> {
        // A loop of known length is unrolled, its multiplications overlap.
        match self.probe.len {
            1 => self.find_words::<1>(key, salts),
            2 => self.find_words::<2>(key, salts),
            3 => self.find_words::<3>(key, salts),
            4 => self.find_words::<4>(key, salts),
            5 => self.find_words::<5>(key, salts),
            6 => self.find_words::<6>(key, salts),
            7 => self.find_words::<7>(key, salts),
            _ => self.find_wide(key),
        }
    }

    #[inline]
    fn find_words<const N: usize>(&self, key: &FlowKey, salts: &Salts) -> Option<usize> {
        let words = key.words();
        let masked: [u64; N] =
            std::array::from_fn(|nth| words[usize::from(self.probe.index[nth])] & self.probe.bits[nth]);
        self.store.find(salts.hash(&masked), |stored| stored == masked)
    }

    fn find_wide(&self, key: &FlowKey) -> Option<usize> {
        let hash = self.store.hash(&self.mask.pack(key));
        self.store.find(hash, |stored| self.mask.fits(stored, key))
    }
}

#[inline]
fn partition_words(key: &FlowKey) -> [u64; 2] {
    [key.word(0), key.word(1) & PARTITION_BITS]
}

fn partition_of(pattern: &CompactMatch) -> [u64; 2] {
    [pattern.word(0), pattern.word(1) & PARTITION_BITS]
}

fn is_partitioned(mask: &PackedMask) -> bool {
    mask.bits(0) == u64::MAX && mask.bits(1) & PARTITION_BITS == PARTITION_BITS
}

#[cfg(test)]
mod tests;
