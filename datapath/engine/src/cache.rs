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
//! bucket  tags 0-3 | tags 4-7 | slots 0,1 | slots 2,3 | slots 4,5 | slots 6,7 | unused | unused     (8 words)
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
        let hits = tag_hits(bucket[0], bucket[1], hash as u16);
        // No hit: `way` is 0 and its slot fails the comparison, so no branch is needed here.
        slot_of(bucket, (hits.trailing_zeros() as usize / 2) % WAYS)
    }

    /// The slot of a key whose first proposal was wrong: another entry with the same tag.
    #[inline(never)]
    pub fn find(&self, hash: u64, key: &FlowKey, store: &Store) -> Option<SlotId> {
        let bucket = self.bucket(hash);
        let mut hits = tag_hits(bucket[0], bucket[1], hash as u16);
        while hits != 0 {
            let way = hits.trailing_zeros() as usize / 2;
            let slot = slot_of(bucket, way);
            if store.slot(slot).matches(key) {
                return Some(slot);
            }
            hits &= !(3 << (2 * way));
        }
        None
    }

    /// Remember the slot of a key that [`Cache::find`] did not know.
    pub fn insert(&mut self, hash: u64, slot: SlotId, store: &Store) {
        let at = self.base + ((hash >> 32) as usize & self.mask) * LINE;
        let Some(bucket) = self.words[at..].first_chunk_mut::<LINE>() else { return };
        let tag = hash as u16;
        let dead = (0..WAYS).find(|&way| tag_of(bucket, way) == tag && store.is_free(slot_of(bucket, way)));
        let empty = || (0..WAYS).find(|&way| slot_of(bucket, way) == NOWHERE);
        let way = dead.or_else(empty).unwrap_or_else(|| {
            self.victim += 1;
            self.victim % WAYS
        });
        let (word, shift) = (way / 4, 16 * (way % 4));
        bucket[word] = bucket[word] & !(0xffff << shift) | u64::from(tag) << shift;
        let (word, shift) = (2 + way / 2, 32 * (way % 2));
        bucket[word] = bucket[word] & !(0xffff_ffff << shift) | u64::from(slot) << shift;
    }
}

#[inline(always)]
fn slot_of(bucket: &[u64; LINE], way: usize) -> SlotId {
    (bucket[2 + way / 2] >> (32 * (way % 2))) as SlotId
}

#[inline(always)]
fn tag_of(bucket: &[u64; LINE], way: usize) -> u16 {
    (bucket[way / 4] >> (16 * (way % 4))) as u16
}

/// Two bits for each of the eight tags that equals `tag`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn tag_hits(low: u64, high: u64, tag: u16) -> u32 {
    use std::arch::x86_64::{_mm_cmpeq_epi16, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi16};
    let tags = _mm_set_epi64x(high as i64, low as i64);
    _mm_movemask_epi8(_mm_cmpeq_epi16(tags, _mm_set1_epi16(tag as i16))) as u32
}

/// Two bits for each of the eight tags that equals `tag`.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn tag_hits(low: u64, high: u64, tag: u16) -> u32 {
    let mut hits = 0;
    for way in 0..4 {
        hits |= if (low >> (16 * way)) as u16 == tag { 3 << (2 * way) } else { 0 };
        hits |= if (high >> (16 * way)) as u16 == tag { 3 << (8 + 2 * way) } else { 0 };
    }
    hits
}

