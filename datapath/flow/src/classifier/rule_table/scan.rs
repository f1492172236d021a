//! Going over the masks of a table for a key, one after another or only those that a filter leaves.
//!
//! How with a filter: the first few masks are asked as ever, for a rule of high priority ends most lookups there. If many are
//! left, those that could match are probed by descending priority, so that it is known how far a lookup would have got. Then
//! the bits are noted that such a lookup adds. A mask whose bits are there already need not be asked, whatever its answer;
//! the filter knows for each mask at which stage it ends at the latest, and the others are asked as ever.
//! The order in which masks are asked matters only until the tries are settled: until the bits are noted that prove which
//! prefixes are not there.
//! Invariant: with a filter and without one a scan meets the same rules, and notes the same bits.

use smallvec::SmallVec;

use super::filter::{self, Block, Filter, Ids, Rank, Reach, are_noted};
use super::subtable::{Rule, Subtable, stage_of};
use super::{MAX_PREFIX_FIELDS, RuleTable, TrieLookups};
use crate::classifier::packed::CompactMatch;
use crate::classifier::stage::STAGES;
use crate::classifier::trie::Prefixes;
use crate::key::{FlowKey, FlowMask};

/// From so many masks on a table has a filter.
const MANY: usize = if cfg!(test) { 2 } else { 32 };
/// So many masks are asked before it.
const FIRST: usize = if cfg!(test) { 1 } else { 24 };
/// So many must be left then.
const WORTH: usize = if cfg!(test) { 1 } else { 32 };
/// More masks that may match than this are sifted by their prefixes.
const SIFTED: u32 = if cfg!(test) { 0 } else { 4 };
/// So few are put in order; among more the order of all is followed.
const SORTED: u32 = if cfg!(test) { 3 } else { 16 };

/// Tries that are asked: which prefix field, its stage, what it says.
type Asked = SmallVec<[(usize, usize, Prefixes); MAX_PREFIX_FIELDS]>;

impl<V> RuleTable<V> {
    /// Tell `met` of every mask's best rule that matches, by the masks' descending highest priorities. It answers with a
    /// priority that only higher ones are of interest to, once there is one. Notes the bits that this rests on.
    pub(super) fn scan<'a>(
        &'a self,
        key: &FlowKey,
        mut mask: Option<&mut FlowMask>,
        mut met: impl FnMut(&'a Subtable<V>, &'a Rule<V>) -> Option<u32>,
    ) {
        let mut tries = TrieLookups::new(&self.prefixes, key);
        let mut bound = None;
        for (nth, &(highest, id)) in self.order.iter().enumerate() {
            if bound.is_some_and(|bound| bound >= highest) {
                break;
            }
            if nth > 0
                && nth.is_multiple_of(FIRST)
                && let Some(filter) = &self.filter
                && self.order[nth..].partition_point(|(highest, _)| bound.is_none_or(|b| *highest > b)) >= WORTH
            {
                return self.scan_rest(filter, nth, bound, &mut tries, mask, met);
            }
            let subtable = self.at(id);
            let found = match mask.as_deref_mut() {
                Some(mask) => subtable.find_noting(key, &mut tries, mask),
                None => subtable.find(key),
            };
            if let Some(rule) = found {
                bound = met(subtable, rule);
            }
        }
    }

    /// The masks from the place `start` of the order on.
    fn scan_rest<'a>(
        &'a self,
        filter: &Filter,
        start: usize,
        mut bound: Option<u32>,
        tries: &mut TrieLookups<'_>,
        mask: Option<&mut FlowMask>,
        mut met: impl FnMut(&'a Subtable<V>, &'a Rule<V>) -> Option<u32>,
    ) {
        let reach = filter.reach(tries.key);
        let mut candidates = filter.reaching(&reach, STAGES);
        self.order[..start].iter().for_each(|&(_, id)| filter::take(&mut candidates, id));
        if count(&candidates) > SIFTED {
            for nth in 0..self.prefixes.len() {
                if let Some(found) = tries.found(nth) {
                    let blocks = candidates.iter_mut().zip(filter.blocks());
                    blocks.for_each(|(ids, block)| *ids &= !block.without_prefix(nth, &found));
                }
            }
        }
        let mut last = None;
        self.in_order(&candidates, filter, start, self.order.len(), |highest, id| {
            if bound.is_some_and(|bound| bound >= highest) {
                return false;
            }
            let subtable = self.at(id);
            if let Some(rule) = subtable.find(tries.key) {
                (bound, last) = (met(subtable, rule), Some(filter.rank_of(id)));
            }
            true
        });
        if let Some(mask) = mask {
            // what could have beaten what was found, and what was asked before that was
            let above = self.order.partition_point(|(highest, _)| bound.is_none_or(|bound| *highest > bound));
            let before = last.map_or(0, |last| self.order.partition_point(|(_, id)| filter.rank_of(*id) <= last));
            self.note(filter, &reach, start, above.max(before), tries, mask);
        }
    }

    /// Add the bits that asking the masks from one place of the order to another adds.
    fn note(
        &self,
        filter: &Filter,
        reach: &Reach,
        start: usize,
        end: usize,
        tries: &mut TrieLookups<'_>,
        mask: &mut FlowMask,
    ) {
        let looked = self.between(filter, start, end);
        let asked = self.asked_tries(filter, reach, &looked, tries);
        let mut unsettled = asked.clone();
        unsettled.retain(|(nth, ..)| !tries.is_settled(*nth, mask));
        if let Some(stage) = unsettled.iter().map(|(_, stage, _)| *stage).min() {
            // in order, those that may get to the tries, until these are settled or all have been asked
            let reaching = both(filter.reaching(reach, stage), &looked);
            self.in_order(&reaching, filter, start, end, |_, id| {
                if !are_noted(filter.words_of(id), reach.last_stage(id), mask) {
                    self.at(id).find_noting(tries.key, tries, mask);
                    unsettled.retain(|(nth, ..)| !tries.is_settled(*nth, mask));
                }
                !unsettled.is_empty()
            });
        }
        for (nth, (block, looked)) in filter.blocks().iter().zip(&looked).enumerate() {
            let last = last_stages(*looked, block, reach.of_block(nth), &asked);
            for (stage, mut ids) in last.into_iter().enumerate() {
                if ids == 0 || are_noted(block.union(), stage, mask) {
                    continue;
                }
                while ids != 0 {
                    let id = (nth * 64) as u32 + ids.trailing_zeros();
                    ids &= ids - 1;
                    if !are_noted(filter.words_of(id), stage, mask) {
                        self.at(id).find_noting(tries.key, tries, mask);
                    }
                }
            }
        }
    }

    /// The tries that some mask asks about this key, and what they say.
    fn asked_tries(&self, filter: &Filter, reach: &Reach, looked: &Ids, tries: &mut TrieLookups<'_>) -> Asked {
        let mut asked = Asked::new();
        for (nth, prefix) in self.prefixes.iter().enumerate() {
            let stage = stage_of(prefix.field);
            if filter.some_asks(nth, stage, reach, looked)
                && let Some(found) = tries.found(nth)
            {
                asked.push((nth, stage, found));
            }
        }
        asked
    }

    /// The masks from one place of the order to another.
    fn between(&self, filter: &Filter, start: usize, end: usize) -> Ids {
        if end - start < self.order.len() / 2 {
            let mut ids: Ids = SmallVec::from_elem(0, filter.blocks().len());
            self.order[start..end].iter().for_each(|&(_, id)| filter::put(&mut ids, id));
            ids
        } else {
            let mut ids: Ids = filter.blocks().iter().map(Block::present).collect();
            let others = self.order[..start].iter().chain(&self.order[end..]);
            others.for_each(|&(_, id)| filter::take(&mut ids, id));
            ids
        }
    }

    /// Tell of masks of a set, all between two places of the order, with their highest priorities, until told to stop.
    fn in_order(&self, ids: &Ids, filter: &Filter, start: usize, end: usize, mut tell: impl FnMut(u32, u32) -> bool) {
        if count(ids) <= SORTED {
            let mut ranked: SmallVec<[(Rank, u32); SORTED as usize]> =
                filter::each(ids).map(|id| (filter.rank_of(id), id)).collect();
            ranked.sort_unstable();
            ranked.into_iter().all(|(rank, id)| tell(rank.highest(), id));
        } else {
            let mut those = self.order[start..end].iter().filter(|(_, id)| filter::is_in(ids, *id));
            those.all(|&(highest, id)| tell(highest, id));
        }
    }

    /// A rule was added to the subtable `id`, which is a new one or not.
    pub(super) fn filter_added(&mut self, id: u32, pattern: &CompactMatch, is_new: bool) {
        let masks = self.by_mask.len();
        match &mut self.filter {
            Some(filter) if !(is_new && filter.is_outgrown(masks)) => {
                if is_new {
                    let subtable = self.subtables[id as usize].as_ref().expect("a rule went into it");
                    filter.open(id, pattern.mask(), subtable.prefix_lens());
                }
                filter.add(id, pattern.values());
            }
            Some(_) => self.build_filter(),
            None if masks >= MANY && !self.is_plain => self.build_filter(),
            None => {}
        }
    }

    /// A rule of the subtable `id` was removed, perhaps its last one.
    pub(super) fn filter_removed(&mut self, id: u32, is_gone: bool) {
        let Some(filter) = &mut self.filter else { return };
        filter.remove();
        if is_gone {
            filter.close(id);
        }
        if self.by_mask.len() < MANY / 2 || filter.is_stale(self.len) {
            self.build_filter();
        }
    }

    /// Make the filter anew, if there should be one.
    pub(super) fn build_filter(&mut self) {
        let is_wanted = self.by_mask.len() >= MANY && !self.is_plain;
        self.filter = is_wanted.then(|| Box::new(Filter::build(&self.subtables, &self.order)));
    }
}

/// Masks by the last stage whose bits they could add, the tries being settled.
fn last_stages(mut left: u64, block: &Block, reach: &[u64; STAGES], asked: &Asked) -> [u64; STAGES] {
    let mut last = [0; STAGES];
    for stage in 0..STAGES {
        for (nth, _, found) in asked.iter().filter(|(_, of, _)| *of == stage) {
            // a prefix that no rule has adds no bits of its stage
            let missing = left & block.without_prefix(*nth, found);
            left &= !missing;
            if stage > 0 {
                last[stage - 1] |= missing;
            }
        }
        last[stage] |= left & !reach[stage];
        left &= reach[stage];
    }
    last[STAGES - 1] |= left;
    last
}

fn both(mut ids: Ids, others: &Ids) -> Ids {
    ids.iter_mut().zip(others).for_each(|(ids, others)| *ids &= others);
    ids
}

fn count(ids: &Ids) -> u32 {
    ids.iter().map(|ids| ids.count_ones()).sum()
}

#[cfg(test)]
mod tests;
