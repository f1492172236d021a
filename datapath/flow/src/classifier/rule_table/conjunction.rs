//! Conjunctive matches: rules that are clauses of a match, "one of these AND one of those" (ovs-fields(7), conj_id).
//!
//! What: a lookup in which a rule may fulfil clauses instead of deciding. Where a frame meets rules of every clause of a
//! conjunction, at one priority, the answer is what a lookup with the conjunction's number in `conj_id` finds.
//! How: the best rule that decides by itself is looked for as ever, and what is met on the way of higher priority that
//! only fulfils clauses is kept. Then, priority by priority from the highest: a complete conjunction answers; an
//! incomplete one gives way to the rule with the same match behind it.
//! Invariants: at equal priority a rule that decides wins; a lookup with `conj_id` sees no clauses, so it ends.

use smallvec::SmallVec;

use super::subtable::{Rule, Subtable};
use super::{Found, RuleTable};
use crate::field::FieldId;
use crate::key::{FlowKey, FlowMask};

/// What a rule fulfils of a conjunction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clause {
    /// Which conjunction.
    pub id: u32,
    /// Which of its clauses, from 0.
    pub clause: u8,
    /// How many it has.
    pub n_clauses: u8,
}

/// A rule that fulfils clauses, with its chain.
struct Soft<'a, V> {
    subtable: &'a Subtable<V>,
    rule: &'a Rule<V>,
}

/// How far a conjunction has got.
struct Progress {
    id: u32,
    fulfilled: u64,
    wanted: u64,
}

impl<V> RuleTable<V> {
    /// [`RuleTable::find_best`] where rules may be clauses: `clauses` says of which, and of none for a rule that decides.
    pub fn find_conjunctive<'a, C: IntoIterator<Item = Clause>>(
        &'a self,
        key: &FlowKey,
        mask: &mut FlowMask,
        clauses: impl Fn(&'a V) -> C,
    ) -> Option<Found<'a, V>> {
        let is_soft = |rule: &'a Rule<V>| clauses(&rule.value).into_iter().next().is_some();
        let mut hard: Option<&Rule<V>> = None;
        let mut soft: SmallVec<[Soft<'a, V>; 8]> = SmallVec::new();
        self.scan(key, Some(&mut *mask), |subtable, rule| {
            match rule {
                _ if hard.is_some_and(|h| h.priority >= rule.priority) => {}
                _ if is_soft(rule) => soft.push(Soft { subtable, rule }),
                _ => hard = Some(rule),
            }
            hard.map(|h| h.priority)
        });
        loop {
            soft.retain(|s| hard.is_none_or(|h| s.rule.priority > h.priority));
            let Some(highest) = soft.iter().map(|s| s.rule.priority).max() else { return hard.map(Rule::found) };
            let mut progress: SmallVec<[Progress; 4]> = SmallVec::new();
            for met in soft.iter().filter(|s| s.rule.priority == highest) {
                for clause in clauses(&met.rule.value) {
                    let Some(id) = advance(&mut progress, clause) else { continue };
                    if let Some(found) = self.find_by_number(key, mask, id, &is_soft) {
                        return Some(found);
                    }
                }
            }
            // nothing complete at this priority: what lies behind these rules comes forward
            soft.retain(|s| {
                if s.rule.priority < highest {
                    return true;
                }
                let Some(behind) = s.subtable.chain(Some(s.rule)).nth(1) else { return false };
                s.rule = behind;
                let stays = is_soft(behind);
                if !stays && hard.is_none_or(|h| behind.priority > h.priority) {
                    hard = Some(behind);
                }
                stays
            });
        }
    }

    /// What a complete conjunction means; clauses do not count.
    fn find_by_number<'a>(
        &'a self,
        key: &FlowKey,
        mask: &mut FlowMask,
        id: u32,
        is_soft: &impl Fn(&'a Rule<V>) -> bool,
    ) -> Option<Found<'a, V>> {
        let mut key = key.clone();
        FieldId::ConjId.set(&mut key, id.into());
        let mut best: Option<&Rule<V>> = None;
        self.scan(&key, Some(mask), |subtable, head| {
            let rule = subtable.chain(Some(head)).find(|rule| !is_soft(rule));
            if let Some(rule) = rule
                && best.is_none_or(|b| rule.priority > b.priority)
            {
                best = Some(rule);
            }
            best.map(|b| b.priority)
        });
        best.map(Rule::found)
    }
}

/// Note a clause as fulfilled; the conjunction's number if that completes it.
fn advance(progress: &mut SmallVec<[Progress; 4]>, clause: Clause) -> Option<u32> {
    let at = match progress.iter().position(|p| p.id == clause.id) {
        Some(at) => at,
        None => {
            let wanted = if clause.n_clauses >= 64 { u64::MAX } else { (1 << clause.n_clauses) - 1 };
            progress.push(Progress { id: clause.id, fulfilled: 0, wanted });
            progress.len() - 1
        }
    };
    let conjunction = &mut progress[at];
    let before = conjunction.fulfilled;
    conjunction.fulfilled |= 1u64.checked_shl(clause.clause.into()).unwrap_or(0);
    let complete = |bits: u64| bits & conjunction.wanted == conjunction.wanted;
    (complete(conjunction.fulfilled) && !complete(before)).then_some(clause.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Match;
    use proptest::prelude::*;

    /// A rule: a name and the clauses it fulfils.
    type Value = (usize, Vec<Clause>);

    const FIELDS: [FieldId; 3] = [FieldId::EthSrc, FieldId::EthDst, FieldId::Metadata];

    fn matching(of: &[Option<u8>; 3], id: Option<u32>) -> Match {
        let mut m = Match::any();
        for (field, value) in FIELDS.iter().zip(of) {
            if let Some(value) = value {
                m.set(*field, u128::from(*value));
            }
        }
        if let Some(id) = id {
            m.set(FieldId::ConjId, id.into());
        }
        m
    }

    /// The definition, rule by rule: priorities downwards, at each first what decides, then what completes.
    fn by_the_book(rules: &[(Match, u32, Value)], key: &FlowKey) -> Option<(u32, bool)> {
        let deciding = |key: &FlowKey, at_most: u32| {
            let fits = rules.iter().filter(|(m, p, (_, c))| c.is_empty() && *p <= at_most && m.matches(key));
            fits.map(|(_, p, _)| *p).max()
        };
        let mut priorities: Vec<u32> = rules.iter().map(|(_, p, _)| *p).collect();
        priorities.sort_unstable_by(|a, b| b.cmp(a));
        priorities.dedup();
        for priority in priorities {
            if deciding(key, u32::MAX) == Some(priority) {
                return Some((priority, false));
            }
            let here: Vec<&Clause> = rules
                .iter()
                .filter(|(m, p, _)| *p == priority && m.matches(key))
                .flat_map(|(_, _, (_, clauses))| clauses)
                .collect();
            let mut ids: Vec<u32> = here.iter().map(|c| c.id).collect();
            ids.sort_unstable();
            ids.dedup();
            for id in ids {
                if (0..2).all(|n| here.iter().any(|c| c.id == id && c.clause == n)) {
                    let mut key = key.clone();
                    FieldId::ConjId.set(&mut key, id.into());
                    if let Some(found) = deciding(&key, u32::MAX) {
                        return Some((found, true));
                    }
                }
            }
        }
        None
    }

    /// Values to match, priority, `conj_id`, and (conjunction, clause) of what it fulfils.
    type Made = ([Option<u8>; 3], u32, Option<u32>, Vec<(u32, u8)>);

    fn rule() -> impl Strategy<Value = Made> {
        let value = || prop::option::weighted(0.4, 0u8..2);
        let clauses = prop_oneof![
            2 => Just(vec![]),
            3 => prop::collection::vec((1u32..3, 0u8..2), 1..3),
        ];
        ([value(), value(), value()], 1u32..5, prop::option::weighted(0.3, 1u32..3), clauses)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// One conjunction may hide another of the same priority, so only tables are made where ids do not share one.
        #[test]
        fn lookups_find_what_the_definition_says(
            made in prop::collection::vec(rule(), 0..14),
            frames in prop::collection::vec([0u8..2, 0u8..2, 0u8..2], 8),
        ) {
            let mut table: RuleTable<Value> = RuleTable::new();
            let mut rules: Vec<(Match, u32, Value)> = Vec::new();
            for (nth, (values, priority, conj_id, clauses)) in made.into_iter().enumerate() {
                let clauses: Vec<Clause> =
                    clauses.into_iter().map(|(id, clause)| Clause { id, clause, n_clauses: 2 }).collect();
                let clauses: Vec<Clause> =
                    clauses.into_iter().filter(|c| c.id % 2 == priority % 2).collect();
                let conj_id = if clauses.is_empty() { conj_id } else { None };
                let m = matching(&values, conj_id);
                rules.retain(|(other, p, _)| !(*other == m && *p == priority));
                table.insert(&m, priority, (nth, clauses.clone()));
                rules.push((m, priority, (nth, clauses)));
            }
            let mut verdicts = Vec::new();
            for frame in frames {
                let mut key = FlowKey::new();
                for (field, value) in FIELDS.iter().zip(frame) {
                    field.set(&mut key, value.into());
                }
                let mut mask = FlowMask::new();
                let found = table.find_conjunctive(&key, &mut mask, |(_, clauses)| clauses.iter().copied());
                let expected = by_the_book(&rules, &key);
                prop_assert_eq!(found.map(|f| f.priority), expected.map(|(p, _)| p));
                prop_assert!(found.is_none_or(|f| f.value.1.is_empty()));
                verdicts.push((key, mask, expected));
            }
            // what agrees under the mask gets the same answer
            for (key, mask, verdict) in &verdicts {
                for (other, _, theirs) in &verdicts {
                    if mask.agree(&{ let mut k = key.clone(); k.mask_with(mask); k }, other) {
                        prop_assert_eq!(verdict, theirs);
                    }
                }
            }
        }
    }
}
