//! Which masks of a table a lookup need not ask: for each key and each mask, the stage at which it ends at the latest.
//!
//! How: a [`Guard`] knows of some bytes of each stage which masks have a rule with each value. Masks are taken together in
//! blocks of 64 with the union of their bits: where a lookup has noted all of these already, none of the block is asked.
//! Invariant: [`Reach`] never says that a mask ends before it does; that it ends later costs time only.

use std::sync::Arc;

use smallvec::SmallVec;

use super::MAX_PREFIX_FIELDS;
use super::subtable::Subtable;
use crate::classifier::guard::{Guard, WIDE};
use crate::classifier::packed::PackedMask;
use crate::classifier::stage::{STAGES, UP_TO};
use crate::classifier::trie::Prefixes;
use crate::key::{FlowKey, FlowMask};

/// Rules that are read at once to build one; the masks with the most rules are left out of the guard if there are more.
const MOST_READ: usize = 1 << 15;
/// Rules that must have gone, beside twice as many as there are, until what they left behind is swept.
const STALE: usize = 4096;

/// See the module. Masks are named by their subtables' ids.
#[derive(Clone)]
pub(super) struct Filter {
    blocks: Vec<Block>,
    masks: Vec<Known>,
    guard: Rows,
    /// Where the next mask goes among those of the same highest priority.
    next: u64,
    removed: usize,
    /// With so many masks the guard chooses its bytes anew.
    enough: usize,
}

/// 64 masks.
#[derive(Clone, Default)]
pub(super) struct Block {
    present: u64,
    union: Vec<(u8, u64)>,
    /// Per prefix field: the masks with a prefix of some length.
    lens: [SmallVec<[(u8, u64); 4]>; MAX_PREFIX_FIELDS],
}

#[derive(Clone, Default)]
struct Known {
    mask: Arc<PackedMask>,
    rank: Rank,
    /// Whether the guard knows nothing of its rules.
    is_left_out: bool,
}

/// The order in which masks are asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Rank {
    /// The complement of the highest priority.
    below: u32,
    nth: u64,
}

impl Rank {
    pub fn highest(self) -> u32 {
        !self.below
    }
}

/// A guard that fits the number of masks.
#[derive(Clone)]
enum Rows {
    Few(Guard<1>),
    Many(Guard<WIDE>),
    Most(Guard<{ 2 * WIDE }>),
}

/// Do the same with whichever guard it is.
macro_rules! with {
    ($rows:expr, $guard:ident => $do:expr) => {
        match $rows {
            Rows::Few($guard) => $do,
            Rows::Many($guard) => $do,
            Rows::Most($guard) => $do,
        }
    };
}

/// A set of masks, by block.
pub(super) type Ids = SmallVec<[u64; WIDE]>;

/// Per block and stage: the masks that may get past it.
pub(super) struct Reach(SmallVec<[[u64; STAGES]; WIDE]>);

impl Reach {
    pub fn of_block(&self, nth: usize) -> &[u64; STAGES] {
        &self.0[nth]
    }

    /// The last stage whose bits a mask could add.
    pub fn last_stage(&self, id: u32) -> usize {
        let [nth, bit] = place(id);
        let past = |stage: &usize| self.0[nth][*stage] >> bit & 1 != 0;
        (0..STAGES - 1).find(|stage| !past(stage)).unwrap_or(STAGES - 1)
    }
}

impl Block {
    pub fn present(&self) -> u64 {
        self.present
    }

    pub fn union(&self) -> &[(u8, u64)] {
        &self.union
    }

    /// The masks whose prefix of field `nth` no rule has.
    pub fn without_prefix(&self, nth: usize, found: &Prefixes) -> u64 {
        self.lens[nth].iter().filter(|(len, _)| !found.has(*len)).fold(0, |ids, (_, with)| ids | with)
    }

    fn unite(&mut self, mask: &PackedMask) {
        for &(i, bits) in mask.words() {
            match self.union.binary_search_by_key(&i, |(i, _)| *i) {
                Ok(at) => self.union[at].1 |= bits,
                Err(at) => self.union.insert(at, (i, bits)),
            }
        }
    }
}

impl Filter {
    /// `order`: ids by descending highest priority.
    pub fn build<V>(subtables: &[Option<Box<Subtable<V>>>], order: &[(u32, u32)]) -> Filter {
        let mut masks = vec![Known::default(); subtables.len()];
        for (known, subtable) in masks.iter_mut().zip(subtables) {
            known.mask = subtable.as_ref().map(|s| Arc::clone(s.mask())).unwrap_or_default();
        }
        for (nth, &(highest, id)) in order.iter().enumerate() {
            masks[id as usize].rank = Rank { below: !highest, nth: nth as u64 };
        }
        let len_of = |id: usize| subtables[id].as_ref().map_or(0, |s| s.len());
        let mut by_size: Vec<usize> = (0..subtables.len()).collect();
        by_size.sort_by_key(|id| len_of(*id));
        let mut read = 0;
        for id in by_size {
            read += len_of(id);
            masks[id].is_left_out = read > MOST_READ;
        }
        let any = PackedMask::default();
        let asked: Vec<&PackedMask> = masks.iter().map(|k| if k.is_left_out { &any } else { &*k.mask }).collect();
        let left_out: Vec<bool> = masks.iter().map(|known| known.is_left_out).collect();
        let left_out = &left_out;
        let rules_of = |id: usize| {
            let known = subtables[id].iter().filter(move |_| !left_out[id]);
            known.flat_map(|s| s.rules().map(|(words, _)| words))
        };
        let guard = match masks.len() {
            0..=64 => Rows::Few(Guard::build_staged(&asked, rules_of)),
            65..=512 => Rows::Many(Guard::build_staged(&asked, rules_of)),
            _ => Rows::Most(Guard::build_staged(&asked, rules_of)),
        };
        let enough = 2 * order.len().next_power_of_two().max(1);
        let mut filter = Filter { blocks: Vec::new(), masks, guard, next: order.len() as u64, removed: 0, enough };
        for (id, subtable) in subtables.iter().enumerate() {
            filter.make_room(id as u32);
            if let Some(subtable) = subtable {
                filter.enter(id as u32, subtable.mask(), subtable.prefix_lens());
            }
        }
        filter
    }

    /// Whether it should be built anew for so many masks.
    pub fn is_outgrown(&self, masks: usize) -> bool {
        let most = match self.guard {
            Rows::Few(_) => 64,
            Rows::Many(_) => 512,
            Rows::Most(_) => usize::MAX,
        };
        masks >= self.enough || masks > most
    }

    /// Whether it should be built anew for what has gone.
    pub fn is_stale(&self, rules: usize) -> bool {
        self.removed > 2 * rules + STALE
    }

    /// There is a new mask.
    pub fn open(&mut self, id: u32, mask: &Arc<PackedMask>, lens: &[u8; MAX_PREFIX_FIELDS]) {
        self.make_room(id);
        let rank = self.masks[id as usize].rank;
        self.masks[id as usize] = Known { mask: Arc::clone(mask), rank, is_left_out: false };
        with!(&mut self.guard, guard => guard.open(id as usize, mask));
        self.enter(id, mask, lens);
    }

    /// A mask is gone.
    pub fn close(&mut self, id: u32) {
        with!(&mut self.guard, guard => guard.close(id as usize));
        self.masks[id as usize] = Known::default();
        let [nth, bit] = place(id);
        let block = &mut self.blocks[nth];
        block.present &= !(1 << bit);
        block.lens.iter_mut().flatten().for_each(|(_, with)| *with &= !(1 << bit));
        block.union.clear();
        let all = self.masks.iter().skip(nth * 64).take(64);
        all.for_each(|known| block.unite(&known.mask));
    }

    /// There is a new rule.
    pub fn add(&mut self, id: u32, values: &[u64]) {
        let known = &self.masks[id as usize];
        if known.is_left_out {
            return;
        }
        with!(&mut self.guard, guard => guard.add(id as usize, &known.mask, values));
    }

    /// A rule is gone.
    pub fn remove(&mut self) {
        self.removed += 1;
    }

    /// A mask's highest priority is this now.
    pub fn rank(&mut self, id: u32, highest: u32) {
        self.make_room(id);
        self.masks[id as usize].rank = Rank { below: !highest, nth: self.next };
        self.next += 1;
    }

    pub fn rank_of(&self, id: u32) -> Rank {
        self.masks[id as usize].rank
    }

    pub fn words_of(&self, id: u32) -> &[(u8, u64)] {
        self.masks[id as usize].mask.words()
    }

    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// How far each mask may get with a key.
    pub fn reach(&self, key: &FlowKey) -> Reach {
        let mut reach: SmallVec<[[u64; STAGES]; WIDE]> = SmallVec::from_elem([u64::MAX; STAGES], self.blocks.len());
        with!(&self.guard, guard => spread(&guard.by_stage(key), &mut reach));
        Reach(reach)
    }

    /// The masks that may get past all stages before this one.
    pub fn reaching(&self, reach: &Reach, stage: usize) -> Ids {
        let past = |past: &[u64; STAGES]| past[..stage].iter().fold(u64::MAX, |ids, past| ids & past);
        self.blocks.iter().zip(&reach.0).map(|(block, stages)| block.present & past(stages)).collect()
    }

    /// Whether one of some masks that may get to a stage matches a prefix of field `nth`, which belongs to it.
    pub fn some_asks(&self, nth: usize, stage: usize, reach: &Reach, ids: &Ids) -> bool {
        self.blocks.iter().zip(&reach.0).zip(ids).any(|((block, past), ids)| {
            let here = past[..stage].iter().fold(*ids, |ids, past| ids & past);
            block.lens[nth].iter().any(|(_, with)| with & here != 0)
        })
    }

    fn make_room(&mut self, id: u32) {
        let len = self.masks.len().max(id as usize + 1);
        self.masks.resize_with(len, Known::default);
        self.blocks.resize_with(len.div_ceil(64), Block::default);
    }

    fn enter(&mut self, id: u32, mask: &PackedMask, lens: &[u8; MAX_PREFIX_FIELDS]) {
        let [nth, bit] = place(id);
        let block = &mut self.blocks[nth];
        block.present |= 1 << bit;
        block.unite(mask);
        for (&len, with) in lens.iter().zip(&mut block.lens).filter(|(len, _)| **len > 0) {
            match with.iter_mut().find(|(other, _)| *other == len) {
                Some((_, with)) => *with |= 1 << bit,
                None => with.push((len, 1 << bit)),
            }
        }
    }
}

/// Whether the words of a mask up to a stage are in `mask` already.
#[inline]
pub(super) fn are_noted(words: &[(u8, u64)], stage: usize, mask: &FlowMask) -> bool {
    let up_to = &UP_TO[stage];
    words.iter().all(|&(i, bits)| bits & up_to[usize::from(i)] & !mask.word(i.into()) == 0)
}

/// The masks of a set.
pub(super) fn each(ids: &Ids) -> impl Iterator<Item = u32> {
    ids.iter().enumerate().flat_map(|(nth, ids)| bits_of(*ids).map(move |bit| (nth * 64) as u32 + bit))
}

#[inline]
pub(super) fn is_in(ids: &Ids, id: u32) -> bool {
    let [nth, bit] = place(id);
    ids[nth] >> bit & 1 != 0
}

#[inline]
pub(super) fn put(ids: &mut Ids, id: u32) {
    let [nth, bit] = place(id);
    ids[nth] |= 1 << bit;
}

#[inline]
pub(super) fn take(ids: &mut Ids, id: u32) {
    let [nth, bit] = place(id);
    ids[nth] &= !(1 << bit);
}

fn spread<const ROW: usize>(rows: &[[u64; ROW]; STAGES], reach: &mut [[u64; STAGES]]) {
    for (nth, past) in reach.iter_mut().take(ROW).enumerate() {
        *past = std::array::from_fn(|stage| rows[stage][nth]);
    }
}

fn place(id: u32) -> [usize; 2] {
    [id as usize / 64, id as usize % 64]
}

fn bits_of(mut bits: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = bits.trailing_zeros();
        (bits != 0).then(|| {
            bits &= bits - 1;
            bit
        })
    })
}
