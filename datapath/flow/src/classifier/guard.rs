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
//! A table of rules asks stage by stage ([`Guard::by_stage`]): a mask that no rule fits in layer 2 adds no bits of layer 3.
//!
//! Invariant: a mask that has a matching flow is in every row that its key chooses. The reverse need not hold: what removed
//! flows have set stays.

use super::packed::PackedMask;
use super::stage::{self, STAGES};
use crate::key::{FlowKey, WORDS};

/// Words of a row for a worker's megaflows.
pub(super) const WIDE: usize = 8;
/// Bytes of the key that a worker's megaflows are told apart by.
const CHUNKS: usize = 12;
/// Bytes of the key that a stage of rules is told apart by.
const CHUNKS_OF_STAGE: usize = 5;
/// Flows that are looked up to see how much a byte tells.
const SAMPLE: usize = 512;

/// See the module. Masks from `64 * ROW` on are not in it.
#[derive(Clone)]
pub(super) struct Guard<const ROW: usize> {
    chunks: Vec<Chunk<ROW>>,
}

#[derive(Clone)]
struct Chunk<const ROW: usize> {
    word: u8,
    shift: u8,
    stage: u8,
    rows: Box<[[u64; ROW]]>,
}

/// The masks that are worth a probe.
pub(super) struct Candidates<const ROW: usize>([u64; ROW]);

impl<const ROW: usize> Guard<ROW> {
    /// So many masks it can tell apart; further ones are always worth a probe.
    pub const MOST: usize = 64 * ROW;

    /// For masks with their flows' packed values, in the order of their numbers.
    pub fn build<'a, F: Iterator<Item = &'a [u64]>>(
        masks: &[&PackedMask],
        flows_of: impl Fn(usize) -> F,
    ) -> Guard<ROW> {
        let mut scored = score(masks, flows_of);
        scored.truncate(CHUNKS);
        Guard { chunks: scored }
    }

    /// The same with some bytes of every stage, for [`Guard::by_stage`].
    pub fn build_staged<'a, F: Iterator<Item = &'a [u64]>>(
        masks: &[&PackedMask],
        flows_of: impl Fn(usize) -> F,
    ) -> Guard<ROW> {
        let mut chunks = score(masks, flows_of);
        let mut taken = [0; STAGES];
        chunks.retain(|chunk| {
            taken[usize::from(chunk.stage)] += 1;
            taken[usize::from(chunk.stage)] <= CHUNKS_OF_STAGE
        });
        Guard { chunks }
    }

    /// There is a new mask.
    pub fn open(&mut self, nth: usize, mask: &PackedMask) {
        if nth < Self::MOST {
            self.chunks.iter_mut().for_each(|chunk| chunk.open(nth, mask));
        }
    }

    /// A mask is gone; its number may go to another one.
    pub fn close(&mut self, nth: usize) {
        if nth < Self::MOST {
            let rows = self.chunks.iter_mut().flat_map(|chunk| &mut chunk.rows);
            rows.for_each(|row| row[nth / 64] &= !(1 << (nth % 64)));
        }
    }

    /// There is a new flow.
    pub fn add(&mut self, nth: usize, mask: &PackedMask, values: &[u64]) {
        if nth < Self::MOST {
            self.chunks.iter_mut().for_each(|chunk| chunk.add(nth, mask, values));
        }
    }

    /// The masks below [`Guard::MOST`] that could match a key, among them some that are not there.
    #[inline]
    pub fn candidates(&self, key: &FlowKey) -> Candidates<ROW> {
        let mut left = [u64::MAX; ROW];
        for chunk in &self.chunks {
            unite(&mut left, chunk.row(key));
        }
        Candidates(left)
    }

    /// For each stage, the masks below [`Guard::MOST`] that could match what the key says of it.
    #[inline]
    pub fn by_stage(&self, key: &FlowKey) -> [[u64; ROW]; STAGES] {
        let mut left = [[u64::MAX; ROW]; STAGES];
        for chunk in &self.chunks {
            unite(&mut left[usize::from(chunk.stage)], chunk.row(key));
        }
        left
    }
}

/// All bytes that some mask looks at, the most telling first.
fn score<'a, const ROW: usize, F: Iterator<Item = &'a [u64]>>(
    masks: &[&PackedMask],
    flows_of: impl Fn(usize) -> F,
) -> Vec<Chunk<ROW>> {
    let masks = &masks[..masks.len().min(64 * ROW)];
    let total: usize = (0..masks.len()).map(|nth| flows_of(nth).count()).sum();
    let step = (total / SAMPLE).max(1);
    let mut scored: Vec<(u64, Chunk<ROW>)> = Vec::new();
    for word in 0..WORDS {
        let used = masks.iter().fold(0, |bits, mask| bits | mask.bits(word));
        for shift in (0..64).step_by(8).filter(|shift| used >> shift & 0xff != 0) {
            let mut chunk = Chunk::new(word, shift);
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
    scored.into_iter().map(|(_, chunk)| chunk).collect()
}

#[inline]
fn unite<const ROW: usize>(left: &mut [u64; ROW], row: &[u64; ROW]) {
    left.iter_mut().zip(row).for_each(|(left, row)| *left &= row);
}

impl<const ROW: usize> Chunk<ROW> {
    fn new(word: usize, shift: u32) -> Chunk<ROW> {
        let stage = (0..STAGES).find(|&s| stage::bits(word, s) >> shift & 0xff != 0).unwrap_or(0);
        Chunk { word: word as u8, shift: shift as u8, stage: stage as u8, rows: vec![[0; ROW]; 256].into_boxed_slice() }
    }

    #[inline]
    fn value(&self, word: u64) -> usize {
        usize::from((word >> self.shift) as u8)
    }

    #[inline]
    fn row(&self, key: &FlowKey) -> &[u64; ROW] {
        &self.rows[self.value(key.words()[usize::from(self.word)])]
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
        if self.rows[value][nth / 64] >> (nth % 64) & 1 != 0 {
            return; // and so are the others below
        }
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

impl<const ROW: usize> Iterator for Candidates<ROW> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let (nth, bits) = self.0.iter_mut().enumerate().find(|(_, bits)| **bits != 0)?;
        let low = bits.trailing_zeros() as usize;
        *bits &= *bits - 1;
        Some(nth * 64 + low)
    }
}
