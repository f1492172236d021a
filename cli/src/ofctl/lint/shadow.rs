//! Flows that another flow hides, and flows of one priority that contradict each other.
//!
//! How: flows with the same mask stand in one hash table, keyed by what they match. A flow is hidden when, under the mask of
//! some table that asks for no more than it does, an entry of higher priority is found: one probe per such mask, not one
//! comparison per pair of flows.

use std::collections::HashMap;

use super::report::Finding;
use super::rule::{Rule, Words, common, masked, words};

pub fn check(rules: &[Rule], findings: &mut Vec<Finding>) {
    let mut tables: HashMap<u8, Vec<usize>> = HashMap::new();
    for (at, rule) in rules.iter().enumerate() {
        tables.entry(rule.table).or_default().push(at);
    }
    let mut numbers: Vec<u8> = tables.keys().copied().collect();
    numbers.sort_unstable();
    for number in numbers {
        let members = &tables[&number];
        shadowed(rules, members, findings);
        overlapping(rules, members, findings);
    }
}

/// Flows of one mask.
struct Subtable {
    mask: Words,
    members: Vec<usize>,
    /// What they match, to the flow of the highest priority that matches alone.
    best: HashMap<Vec<u64>, usize>,
}

fn subtables(rules: &[Rule], members: impl Iterator<Item = usize>) -> Vec<Subtable> {
    let mut by_mask: HashMap<Words, usize> = HashMap::new();
    let mut out: Vec<Subtable> = Vec::new();
    for at in members {
        let rule = &rules[at];
        let mask = words(rule.matching.mask());
        let place = *by_mask.entry(mask.clone()).or_insert_with(|| {
            out.push(Subtable { mask, members: Vec::new(), best: HashMap::new() });
            out.len() - 1
        });
        let subtable = &mut out[place];
        subtable.members.push(at);
        if rule.is_conjunctive() {
            continue;
        }
        let key = masked(rule.matching.key(), &subtable.mask);
        let best = subtable.best.entry(key).or_insert(at);
        if rules[*best].priority < rule.priority {
            *best = at;
        }
    }
    out
}

fn shadowed(rules: &[Rule], members: &[usize], findings: &mut Vec<Finding>) {
    let subtables = subtables(rules, members.iter().copied());
    for subtable in &subtables {
        let wider: Vec<&Subtable> =
            subtables.iter().filter(|other| common(&other.mask, &subtable.mask) == other.mask).collect();
        let mut seen: HashMap<(Vec<u64>, u16), usize> = HashMap::new();
        for &at in &subtable.members {
            let rule = &rules[at];
            let key = masked(rule.matching.key(), &subtable.mask);
            if let Some(before) = seen.insert((key, rule.priority), at) {
                let what = "two flows have the same match and priority: the later one replaces the earlier";
                findings.push(Finding::error("duplicate", rule.table, what).of(&rules[before]).beside(rule));
                continue;
            }
            let hider = wider
                .iter()
                .filter_map(|other| other.best.get(&masked(rule.matching.key(), &other.mask)))
                .map(|&at| &rules[at])
                .filter(|other| other.priority > rule.priority)
                .max_by_key(|other| other.priority);
            if let Some(hider) = hider {
                let what = "no packet ever gets to this flow: the second one takes all that it matches";
                findings.push(Finding::error("shadowed", rule.table, what).of(rule).beside(hider));
            }
        }
    }
}

/// As many comparisons of keys as are worth it; beyond, tables are too tangled to tell.
const BUDGET: usize = 20_000_000;

/// Flows of one priority that match a common packet and do not do the same: which one gets it is left to chance.
fn overlapping(rules: &[Rule], members: &[usize], findings: &mut Vec<Finding>) {
    let mut by_priority: HashMap<u16, Vec<usize>> = HashMap::new();
    for &at in members.iter().filter(|at| !rules[**at].is_conjunctive()) {
        by_priority.entry(rules[at].priority).or_default().push(at);
    }
    let mut priorities: Vec<u16> = by_priority.keys().copied().collect();
    priorities.sort_unstable_by(|a, b| b.cmp(a));
    let mut spent = 0;
    for priority in priorities {
        let subtables = subtables(rules, by_priority[&priority].iter().copied());
        for (i, a) in subtables.iter().enumerate() {
            for b in &subtables[i + 1..] {
                spent += a.members.len() + b.members.len();
                if spent > BUDGET {
                    return;
                }
                contradictions(rules, a, b, findings);
            }
        }
    }
}

fn contradictions(rules: &[Rule], a: &Subtable, b: &Subtable, findings: &mut Vec<Finding>) {
    let shared = common(&a.mask, &b.mask);
    let mut first: HashMap<Vec<u64>, Vec<usize>> = HashMap::new();
    for &at in &a.members {
        let places = first.entry(masked(rules[at].matching.key(), &shared)).or_default();
        // A few that do different things are enough to find one that does something else.
        if places.len() < 8 && !places.iter().any(|&other| rules[other].instructions == rules[at].instructions) {
            places.push(at);
        }
    }
    for &at in &b.members {
        let rule = &rules[at];
        let Some(others) = first.get(&masked(rule.matching.key(), &shared)) else { continue };
        let other = others.iter().map(|&at| &rules[at]).find(|other| other.instructions != rule.instructions);
        if let Some(other) = other {
            let what = "packets that match both flows get one of them by chance: same priority, other actions";
            findings.push(Finding::warning("overlap", rule.table, what).of(rule).beside(other));
        }
    }
}
