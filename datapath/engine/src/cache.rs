//! The microflow cache: from the hash of all of a frame's addresses to the slot of its megaflow, in one cache line.
//!
//! What: buckets of one cache line, each with eight 16-bit tags and eight slot numbers.
//! Why: most frames belong to flows that were seen a moment ago; finding their megaflow must not cost a probe per mask.
//! How: two passes over a burst ([`Cache::find`] for each frame, then each slot's own comparison): the loads of a pass
//! do not depend on each other, so the processor overlaps their cache misses.
//!
//! ```text
//! hash  63 ........ 32 | 31 ....... 16 | 15 ....... 0
//!        bucket number |     unused    |     tag
//!
//! bucket  tags 0,2,4,6 | tags 1,3,5,7 | slots 0,1 | slots 2,3 | slots 4,5 | slots 6,7 | unused | unused   (8 words)
//! ```
//!
//! Invariants: a slot number found here is only a proposal (see [`crate::store`]). The memory comes zeroed from the
//! system and is touched bucket by bucket, so a cache that nobody uses costs address space only.

#[cfg(test)]
mod tests;

use weft_flow::FlowKey;

use crate::store::{NOWHERE, SlotId, Store};

/// Entries of a bucket.
const WAYS: usize = 8;
/// Words of a bucket.
const LINE: usize = 8;
/// Buckets by default: 262,144 microflows in 2 MiB.
pub const BUCKETS: usize = 1 << 15;

/// From hashes to slots.
pub struct Cache {
    /// One line more than buckets, so that buckets can start on a line's border.
    words: Vec<u64>,
    /// Where the first bucket starts.
    base: usize,
    /// Number of buckets less one.
    mask: usize,
    /// Which way is overwritten next in a full bucket.
    victim: usize,
}

impl Cache {
    /// An empty cache of a power of two of buckets.
    pub fn new(buckets: usize) -> Cache {
        let buckets = buckets.next_power_of_two();
        let words = vec![0u64; (buckets + 1) * LINE];
        let base = (words.as_ptr().align_offset(64)).min(LINE);
        Cache { words, base, mask: buckets - 1, victim: 0 }
    }

    #[inline(always)]
    fn bucket(&self, hash: u64) -> &[u64; LINE] {
        let at = self.base + ((hash >> 32) as usize & self.mask) * LINE;
        self.words[at..].first_chunk().expect("one line more than buckets")
    }

    /// The slot that the cache proposes for a key: the first entry whose tag agrees, [`NOWHERE`] if there is none.
    #[inline(always)]
    pub fn propose(&self, hash: u64) -> SlotId {
        let bucket = self.bucket(hash);
        // No hit: way 0 is proposed and its slot's comparison fails, so no branch is needed here.
        slot_of(bucket, first_way(tag_hits(bucket, hash as u16)))
    }

    /// The slot of a key whose first proposal was wrong: another entry with the same tag.
    #[inline(never)]
    pub fn find(&self, hash: u64, key: &FlowKey, store: &Store) -> Option<SlotId> {
        let bucket = self.bucket(hash);
        let mut hits = tag_hits(bucket, hash as u16);
        while hits != 0 {
            let slot = slot_of(bucket, first_way(hits));
            if store.slot(slot).matches(key) {
                return Some(slot);
            }
            hits &= hits - 1;
        }
        None
    }

    /// Remember the slot of a key that [`Cache::find`] did not know.
    pub fn insert(&mut self, hash: u64, slot: SlotId, store: &Store) {
        let at = self.base + ((hash >> 32) as usize & self.mask) * LINE;
        let Some(bucket) = self.words[at..].first_chunk_mut::<LINE>() else { return };
        let tag = hash as u16;
        let useless = |there| there == slot || store.is_free(there);
        let dead = (0..WAYS).find(|&way| tag_of(bucket, way) == tag && useless(slot_of(bucket, way)));
        let empty = || (0..WAYS).find(|&way| slot_of(bucket, way) == NOWHERE);
        let way = dead.or_else(empty).unwrap_or_else(|| {
            self.victim += 1;
            self.victim % WAYS
        });
        let (word, shift) = lane(way);
        bucket[word] = bucket[word] & !(0xffff << shift) | u64::from(tag) << shift;
        let (word, shift) = (2 + way / 2, 32 * (way % 2));
        bucket[word] = bucket[word] & !(0xffff_ffff << shift) | u64::from(slot) << shift;
    }
}

/// A tag's lane: which word, and how far up in it.
#[inline(always)]
fn lane(way: usize) -> (usize, usize) {
    (way % 2, 16 * (way / 2))
}

#[inline(always)]
fn slot_of(bucket: &[u64; LINE], way: usize) -> SlotId {
    (bucket[2 + way / 2 % 4] >> (32 * (way % 2))) as SlotId
}

fn tag_of(bucket: &[u64; LINE], way: usize) -> u16 {
    let (word, shift) = lane(way);
    (bucket[word] >> shift) as u16
}

/// One bit for each tag that equals `tag`: bit 14 of its lane for the first word, bit 15 for the second. The lowest bit
/// is always right; one above a right one may be wrong (a borrow went through its lane), which the slot's own comparison
/// finds out.
#[inline(always)]
fn tag_hits(bucket: &[u64; LINE], tag: u16) -> u64 {
    const ONES: u64 = 0x0001_0001_0001_0001;
    const HIGHS: u64 = ONES << 15;
    let wanted = ONES * u64::from(tag);
    let zero_lanes = |word: u64| (word ^ wanted).wrapping_sub(ONES) & !(word ^ wanted) & HIGHS;
    zero_lanes(bucket[0]) >> 1 | zero_lanes(bucket[1])
}

/// The way of the lowest hit; 0 if there is none.
#[inline(always)]
fn first_way(hits: u64) -> usize {
    let bit = hits.trailing_zeros() as usize;
    (bit / 16 * 2 + bit % 2) % WAYS
}
