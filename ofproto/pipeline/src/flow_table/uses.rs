//! What flows refer to: conjunctions, flows that they have learned, meters.
//!
//! Why: a table without clauses is looked up the short way; when the last flow goes that learned others with
//! `delete_learned`, those go too; a meter tells how many flows use it. All of it is counted as flows come and go.
//! Invariant: what [`Uses::come`] counts, [`Uses::go`] takes back.

use std::collections::{BTreeMap, BTreeSet};

use weft_flow::classifier::Clause;
use weft_openflow::action::Action;
use weft_openflow::ids::MeterId;
use weft_openflow::{Cookie, Instructions, TableId};

use crate::rule::Rule;

/// The counts of one bridge.
#[derive(Clone, Default)]
pub struct Uses {
    /// Learn actions with `delete_learned`, by the table and cookie of what they learn.
    learners: BTreeMap<(TableId, Cookie), usize>,
    /// Of those, the ones that have just lost their last learn action.
    orphans: Vec<(TableId, Cookie)>,
    meters: BTreeMap<MeterId, usize>,
    /// The meters that there are.
    pub(crate) known_meters: BTreeSet<MeterId>,
}

/// How many flows of a table use something.
#[derive(Clone, Copy, Default)]
pub struct Used {
    /// Flows that are clauses of conjunctions.
    pub(super) clauses: usize,
    /// Flows that [`Uses`] counts.
    pub(super) any: usize,
}

impl Used {
    pub(super) fn add(&mut self, one: Used) {
        self.clauses += one.clauses;
        self.any += one.any;
    }

    pub(super) fn take(&mut self, one: Used) {
        self.clauses -= one.clauses;
        self.any -= one.any;
    }
}

impl Uses {
    /// A flow is put in; what it uses.
    pub(super) fn come(&mut self, rule: &Rule) -> Used {
        self.count(rule, true)
    }

    /// A flow is taken out; what it used.
    pub(super) fn go(&mut self, rule: &Rule) -> Used {
        self.count(rule, false)
    }

    fn count(&mut self, rule: &Rule, one_more: bool) -> Used {
        let (learners, orphans, meters) = (&mut self.learners, &mut self.orphans, &mut self.meters);
        let mut used = Used::default();
        for meter in self::meters(&rule.instructions) {
            step(meters, meter, one_more);
            used.any = 1;
        }
        rule.instructions.for_each_action(&mut |action| match action {
            Action::Learn(learn) if learn.delete_learned => {
                let of = (learn.table, learn.cookie);
                if step(learners, of, one_more) == 0 {
                    orphans.push(of);
                }
                used.any = 1;
            }
            _ => {}
        });
        // a conjunction inside a clone means nothing, as in OVS
        used.clauses = usize::from(clauses(rule).next().is_some());
        used
    }

    /// Tables and cookies of learned flows that nobody would learn any more, since the last call.
    pub(crate) fn take_orphans(&mut self) -> Vec<(TableId, Cookie)> {
        if self.orphans.is_empty() {
            return Vec::new();
        }
        let mut gone = std::mem::take(&mut self.orphans);
        gone.retain(|of| !self.learners.contains_key(of));
        gone
    }

    /// Whether a flow's meters are there.
    pub(crate) fn knows_meters(&self, of: &Instructions) -> bool {
        meters(of).all(|meter| self.known_meters.contains(&meter))
    }

    /// How many flows send their frames through a meter.
    pub fn flows_of_meter(&self, meter: MeterId) -> usize {
        self.meters.get(&meter).copied().unwrap_or(0)
    }
}

/// The meters that instructions send frames through; those of `controller` are not meant.
pub(super) fn meters(of: &Instructions) -> impl Iterator<Item = MeterId> {
    let actions = of.apply.iter().filter_map(|action| match action {
        Action::Meter(meter) => Some(*meter),
        _ => None,
    });
    of.meter.into_iter().chain(actions)
}

/// What a rule fulfils; nothing, if it decides by itself.
pub(super) fn clauses(rule: &Rule) -> impl Iterator<Item = Clause> {
    rule.instructions.apply.iter().filter_map(|action| match *action {
        Action::Conjunction { id, clause, n_clauses } => Some(Clause { id, clause, n_clauses }),
        _ => None,
    })
}

/// Count one more or less; how many there are now.
fn step<K: Ord + Copy>(counts: &mut BTreeMap<K, usize>, of: K, one_more: bool) -> usize {
    let n = counts.entry(of).or_default();
    *n = if one_more { *n + 1 } else { n.saturating_sub(1) };
    let now = *n;
    if now == 0 {
        counts.remove(&of);
    }
    now
}
