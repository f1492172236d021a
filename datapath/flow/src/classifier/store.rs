//! A hash table of packed words: open addressing over one-byte tags, entries packed densely beside it.
//!
//! ```text
//! tags:   8 in a u64 (0 free, 1 was taken, 0x80 | 7 bits of the hash: taken)   one load and a few ALU steps per probe
//! slots:  8 x u32, the entry's index                                           read when a tag agrees
//! words:  width x u64 per entry;  entries: E                                   dense: no holes, swap_remove
//! ```
//! Why: most probes of a lookup miss, and a miss reads eight bytes; a million entries waste no space on free slots.
//! Invariants: at most 7/8 of the slots are not free; an entry that no slot names is the user's (a chained rule).

use crate::key::{SALT, fold};

const FREE: u8 = 0;
const WAS_TAKEN: u8 = 1;
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES << 7;
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// See the module.
#[derive(Clone)]
pub(super) struct Store<E> {
    width: usize,
    salts: Salts,
    tags: Vec<u64>,
    slots: Vec<[u32; 8]>,
    /// Slots that are not free.
    taken: usize,
    words: Vec<u64>,
    entries: Vec<E>,
}

/// What the hashes of a table are mixed with: secret as the seed is, so that nobody can craft collisions.
#[derive(Clone, Copy)]
pub(super) struct Salts([u64; 8]);

impl Salts {
    pub fn new(seed: u64) -> Salts {
        Salts(SALT.map(|salt| fold(salt ^ seed, MULTIPLIER) | 1))
    }

    /// Two words share a multiplication, and the products are added, so that they can be computed side by side.
    #[inline]
    pub fn hash(&self, words: &[u64]) -> u64 {
        self.hash_of(words.len(), |nth| words[nth])
    }

    /// The same for words that need not lie side by side.
    #[inline]
    pub fn hash_of(&self, len: usize, word: impl Fn(usize) -> u64) -> u64 {
        let salt = |nth: usize| self.0[nth & 7].rotate_left(nth as u32 & 56);
        let mut hash = 0u64;
        let mut nth = 0;
        while nth + 1 < len {
            hash = hash.wrapping_add(fold(word(nth) ^ salt(nth), word(nth + 1) ^ salt(nth + 1)));
            nth += 2;
        }
        if nth < len {
            hash = hash.wrapping_add(fold(word(nth) ^ salt(nth), MULTIPLIER));
        }
        hash
    }
}

impl<E> Store<E> {
    pub fn new(width: usize, salts: Salts) -> Store<E> {
        Store { width, salts, tags: vec![0], slots: vec![[0; 8]], taken: 0, words: Vec::new(), entries: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn entries(&self) -> &[E] {
        &self.entries
    }

    pub fn entries_mut(&mut self) -> &mut [E] {
        &mut self.entries
    }

    #[inline]
    pub fn entry(&self, index: usize) -> &E {
        &self.entries[index]
    }

    #[inline]
    pub fn words_of(&self, index: usize) -> &[u64] {
        &self.words[index * self.width..(index + 1) * self.width]
    }

    #[inline]
    pub fn hash(&self, words: &[u64]) -> u64 {
        self.salts.hash(words)
    }

    /// [`Store::hash`] of words that need not lie side by side.
    #[inline]
    pub fn hash_of(&self, word: impl Fn(usize) -> u64) -> u64 {
        self.salts.hash_of(self.width, word)
    }

    /// The entry with this hash for whose words `equal` says so.
    #[inline]
    pub fn find(&self, hash: u64, equal: impl Fn(&[u64]) -> bool) -> Option<usize> {
        let last = self.tags.len() - 1;
        let wanted = u64::from(tag(hash)) * ONES;
        let mut group = hash as usize & last;
        loop {
            let tags = self.tags[group];
            let mut hits = zero_bytes(tags ^ wanted);
            while hits != 0 {
                let index = self.slots[group][hits.trailing_zeros() as usize / 8] as usize;
                if equal(self.words_of(index)) {
                    return Some(index);
                }
                hits &= hits - 1;
            }
            if zero_bytes(tags) != 0 {
                return None;
            }
            group = (group + 1) & last;
        }
    }

    /// Read what [`Store::find`] reads first. Whoever asks for many at once calls this for all of them before, so that
    /// the loads overlap.
    #[inline]
    pub fn touch(&self, hash: u64) -> u64 {
        let group = hash as usize & (self.tags.len() - 1);
        self.tags[group] ^ u64::from(self.slots[group][0])
    }

    pub fn find_words(&self, words: &[u64]) -> Option<usize> {
        self.find(self.hash(words), |stored| stored == words)
    }

    /// Look where a search for this hash would begin.
    #[inline]
    pub fn glance(&self, hash: u64) -> u64 {
        let group = hash as usize & (self.tags.len() - 1);
        self.tags[group] ^ u64::from(self.slots[group][0])
    }

    /// Append an entry that no slot names yet.
    pub fn push(&mut self, words: &[u64], entry: E) -> usize {
        debug_assert_eq!(words.len(), self.width);
        self.words.extend_from_slice(words);
        self.entries.push(entry);
        self.entries.len() - 1
    }

    /// Make an entry findable. The caller knows that no equal one is.
    pub fn link(&mut self, index: usize, hash: u64) {
        if self.taken + 1 > self.tags.len() * 7 {
            self.rebuild();
        }
        self.place(hash, index as u32);
    }

    /// Make the slot that names one entry name another, which has equal words or is about to move there.
    pub fn relink(&mut self, from: usize, to: usize) {
        let (group, slot) = self.slot_of(from).expect("a linked entry has a slot");
        self.slots[group][slot] = to as u32;
    }

    /// Make an entry unfindable.
    pub fn unlink(&mut self, index: usize) {
        let (group, slot) = self.slot_of(index).expect("a linked entry has a slot");
        // A search stops at a group with a free slot, so nobody ever searched past this group if it has one.
        let fresh = if zero_bytes(self.tags[group]) != 0 { FREE } else { WAS_TAKEN };
        self.set_tag(group, slot, fresh);
        if fresh == FREE {
            self.taken -= 1;
        }
    }

    /// Take an unlinked entry out. The last entry moves to its index; `last_linked` says whether a slot names that one.
    pub fn take(&mut self, index: usize, last_linked: bool) -> E {
        let last = self.entries.len() - 1;
        if index != last {
            if last_linked {
                self.relink(last, index);
            }
            self.words.copy_within(last * self.width.., index * self.width);
        }
        self.words.truncate(last * self.width);
        let entry = self.entries.swap_remove(index);
        self.shrink();
        entry
    }

    /// The slot that names this entry.
    fn slot_of(&self, index: usize) -> Option<(usize, usize)> {
        self.seek(self.hash(self.words_of(index)), index as u32)
    }

    fn seek(&self, hash: u64, index: u32) -> Option<(usize, usize)> {
        let last = self.tags.len() - 1;
        let mut group = hash as usize & last;
        loop {
            let tags = self.tags[group];
            let found = (0..8).find(|slot| (tags >> (slot * 8)) as u8 & 0x80 != 0 && self.slots[group][*slot] == index);
            if let Some(slot) = found {
                return Some((group, slot));
            }
            if zero_bytes(tags) != 0 {
                return None;
            }
            group = (group + 1) & last;
        }
    }

    fn place(&mut self, hash: u64, index: u32) {
        let last = self.tags.len() - 1;
        let mut group = hash as usize & last;
        while zero_bytes(self.tags[group]) == 0 {
            group = (group + 1) & last;
        }
        let slot = zero_bytes(self.tags[group]).trailing_zeros() as usize / 8;
        self.set_tag(group, slot, tag(hash));
        self.slots[group][slot] = index;
        self.taken += 1;
    }

    fn set_tag(&mut self, group: usize, slot: usize, tag: u8) {
        let tags = &mut self.tags[group];
        *tags = *tags & !(0xff << (slot * 8)) | u64::from(tag) << (slot * 8);
    }

    /// Forget the marks of removed entries, and double the slots if the entries need it.
    fn rebuild(&mut self) {
        let linked: Vec<u32> = (0..self.tags.len())
            .flat_map(|group| (0..8).map(move |slot| (group, slot)))
            .filter(|&(group, slot)| (self.tags[group] >> (slot * 8)) as u8 & 0x80 != 0)
            .map(|(group, slot)| self.slots[group][slot])
            .collect();
        let groups = (linked.len() + 1).div_ceil(5).next_power_of_two();
        self.tags = vec![0; groups];
        self.slots = vec![[0; 8]; groups];
        self.taken = 0;
        for index in linked {
            let hash = self.hash(self.words_of(index as usize));
            self.place(hash, index);
        }
    }

    /// Give memory back once three quarters of it are unused.
    fn shrink(&mut self) {
        if self.entries.len() >= 64 && self.entries.len() * 4 < self.entries.capacity() {
            self.entries.shrink_to(self.entries.len() * 2);
            self.words.shrink_to(self.words.len() * 2);
            self.rebuild();
        }
    }
}

/// The upper bits choose the tag, the lower ones the group.
#[inline]
fn tag(hash: u64) -> u8 {
    (hash >> 57) as u8 | 0x80
}

/// The high bit of each byte that is zero; bytes above a zero byte may be marked wrongly, so the lowest mark is always
/// right, and a mark is only a candidate otherwise.
#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn behaves_like_a_map(ops in prop::collection::vec((any::<bool>(), 0u64..200), 0..2000)) {
            let mut store = Store::new(1, Salts::new(42));
            let mut model = HashMap::new();
            for (nth, (insert, word)) in ops.into_iter().enumerate() {
                let found = store.find_words(&[word]);
                prop_assert_eq!(found.map(|i| *store.entry(i)), model.get(&word).copied());
                match (insert, found) {
                    (true, None) => {
                        let index = store.push(&[word], nth);
                        store.link(index, store.hash(&[word]));
                        model.insert(word, nth);
                    }
                    (false, Some(index)) => {
                        store.unlink(index);
                        prop_assert_eq!(model.remove(&word), Some(store.take(index, true)));
                    }
                    _ => {}
                }
                prop_assert_eq!(store.len(), model.len());
            }
        }
    }
}
