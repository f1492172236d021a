//! Which of many masks could match a key: asked before any of them is probed.
//!
//! What: for some bytes of the key, and for each value of such a byte, the set of masks under which some flow has it. A key's
//! sets, intersected, leave the masks worth a probe: mostly one, whatever the number of masks.
//! Why: a lookup that probes mask after mask takes longer with each, and a frame of a new flow probes them all; crafted
//! traffic that makes many masks would slow down its port's other flows.
//!
//! ```text
//! byte 3 of ip_dst = 0x2a:   masks 0 . . 3 . 5 . 7 ...        16 kB a byte: 256 rows of one cache line
//! byte 1 of tcp_src = 0x16:  masks . . 2 3 . 5 . . ...
//!                             and: . . . 3 . 5 . . ...        probe these
//! ```
//! Invariant: a mask that has a matching flow is in every row that its key chooses. The reverse need not hold: what removed
//! flows have set stays.

use super::packed::PackedMask;
use crate::key::{FlowKey, WORDS};

/// Masks from here on are always probed.
pub(super) const MOST: usize = 64 * ROW;
/// Words of a row.
const ROW: usize = 8;
/// Bytes of the key that are looked at.
const CHUNKS: usize = 12;
/// Flows that are looked up to see how much a byte tells.
const SAMPLE: usize = 512;

type Row = [u64; ROW];

/// See the module.
pub(super) struct Guard {
    chunks: Vec<Chunk>,
}

struct Chunk {
    word: u8,
    shift: u8,
    rows: Box<[Row]>,
}

/// The masks that are worth a probe.
pub(super) struct Candidates(Row);

impl Guard {
    /// For masks with their flows' packed values, in the order of their numbers.
    pub fn build<'a, F: Iterator<Item = &'a [u64]>>(masks: &[&PackedMask], flows_of: impl Fn(usize) -> F) -> Guard {
        let masks = &masks[..masks.len().min(MOST)];
        let total: usize = (0..masks.len()).map(|nth| flows_of(nth).count()).sum();
        let step = (total / SAMPLE).max(1);
        let mut scored: Vec<(u64, Chunk)> = Vec::new();
        for word in 0..WORDS {
            let used = masks.iter().fold(0, |bits, mask| bits | mask.bits(word));
            for shift in (0..64).step_by(8).filter(|shift| used >> shift & 0xff != 0) {
                let mut chunk = Chunk { word: word as u8, shift, rows: vec![[0; ROW]; 256].into_boxed_slice() };
                for (nth, mask) in masks.iter().enumerate() {
                    chunk.open(nth, mask);
                    flows_of(nth).for_each(|values| chunk.add(nth, mask, values));
                }
                // how many masks are left on average
                let all = (0..masks.len()).flat_map(|nth| flows_of(nth).map(move |values| (nth, values)));
                let left = all.step_by(step).map(|(nth, values)| chunk.left(masks[nth].word_of(values, word)));
                scored.push((left.sum(), chunk));
            }
        }
        scored.sort_by_key(|(left, _)| *left);
        Guard { chunks: scored.into_iter().take(CHUNKS).map(|(_, chunk)| chunk).collect() }
    }

    /// There is a new mask.
    pub fn open(&mut self, nth: usize, mask: &PackedMask) {
        if nth < MOST {
            self.chunks.iter_mut().for_each(|chunk| chunk.open(nth, mask));
        }
    }

    /// There is a new flow.
    pub fn add(&mut self, nth: usize, mask: &PackedMask, values: &[u64]) {
        if nth < MOST {
            self.chunks.iter_mut().for_each(|chunk| chunk.add(nth, mask, values));
        }
    }

    /// The masks below [`MOST`] that could match a key, among them some that are not there.
    #[inline]
    pub fn candidates(&self, key: &FlowKey) -> Candidates {
        let mut left = [u64::MAX; ROW];
        for chunk in &self.chunks {
            let row = &chunk.rows[chunk.value(key.words()[usize::from(chunk.word)])];
            left.iter_mut().zip(row).for_each(|(left, row)| *left &= row);
        }
        Candidates(left)
    }
}

impl Chunk {
    #[inline]
    fn value(&self, word: u64) -> usize {
        usize::from((word >> self.shift) as u8)
    }

    fn open(&mut self, nth: usize, mask: &PackedMask) {
        if self.value(mask.bits(self.word.into())) == 0 {
            self.rows.iter_mut().for_each(|row| row[nth / 64] |= 1 << (nth % 64));
        }
    }

    fn add(&mut self, nth: usize, mask: &PackedMask, values: &[u64]) {
        let free = !self.value(mask.bits(self.word.into())) & 0xff;
        if free == 0xff {
            return; // as `open` has it
        }
        let value = self.value(mask.word_of(values, self.word.into()));
        // every value that agrees in the bits that matter: all subsets of the others
        let mut other = free;
        loop {
            self.rows[value | other][nth / 64] |= 1 << (nth % 64);
            if other == 0 {
                break;
            }
            other = (other - 1) & free;
        }
    }

    fn left(&self, word: u64) -> u64 {
        self.rows[self.value(word)].iter().map(|bits| u64::from(bits.count_ones())).sum()
    }
}

impl Iterator for Candidates {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let (nth, bits) = self.0.iter_mut().enumerate().find(|(_, bits)| **bits != 0)?;
        let low = bits.trailing_zeros() as usize;
        *bits &= *bits - 1;
        Some(nth * 64 + low)
    }
}
