//! Conjunctions that can never complete (ovs-fields(7), "Conjunctive Match Fields").

use std::collections::{BTreeMap, BTreeSet};

use weft_flow::FieldId;
use weft_openflow::Action;

use super::report::Finding;
use super::rule::Rule;

/// The flows of one conjunction: clause to flows, and how many clauses they say there are.
#[derive(Default)]
struct Parts<'a> {
    clauses: BTreeMap<u8, Vec<&'a Rule>>,
    counts: BTreeSet<u8>,
}

pub fn check(rules: &[Rule], findings: &mut Vec<Finding>) {
    let mut parts: BTreeMap<(u8, u32, u16), Parts<'_>> = BTreeMap::new();
    let mut matched: BTreeMap<(u8, u32), &Rule> = BTreeMap::new();
    for rule in rules {
        if rule.matching.is_exact(FieldId::ConjId) {
            matched.insert((rule.table, rule.matching.get(FieldId::ConjId).0 as u32), rule);
        }
        for action in &rule.instructions.apply {
            if let Action::Conjunction { id, clause, n_clauses } = action {
                let parts = parts.entry((rule.table, *id, rule.priority)).or_default();
                parts.clauses.entry(*clause).or_default().push(rule);
                parts.counts.insert(*n_clauses);
            }
        }
    }
    let made: BTreeSet<(u8, u32)> = parts.keys().map(|(table, id, _)| (*table, *id)).collect();
    for ((table, id), rule) in &matched {
        if !made.contains(&(*table, *id)) {
            let what = format!("conj_id={id} never comes true: no flow of this table is part of conjunction {id}");
            findings.push(Finding::error("conjunction", *table, what).of(rule));
        }
    }
    for ((table, id, _), parts) in &parts {
        one(*table, *id, parts, matched.contains_key(&(*table, *id)), findings);
    }
}

fn one(table: u8, id: u32, parts: &Parts<'_>, is_matched: bool, findings: &mut Vec<Finding>) {
    let Some(example) = parts.clauses.values().flatten().next() else { return };
    if parts.counts.len() > 1 {
        let counts: Vec<String> = parts.counts.iter().map(u8::to_string).collect();
        let what = format!("flows of conjunction {id} do not agree on how many clauses it has: {}", counts.join(", "));
        findings.push(Finding::error("conjunction", table, what).of(example));
        return;
    }
    let n = parts.counts.first().copied().unwrap_or(0);
    for missing in (0..n).filter(|clause| !parts.clauses.contains_key(clause)) {
        let what =
            format!("conjunction {id} never completes: clause {} of {n} is missing at this priority", missing + 1);
        findings.push(Finding::error("conjunction", table, what).of(example));
    }
    if !is_matched {
        let what = format!("conjunction {id} leads nowhere: no flow of this table matches conj_id={id}");
        findings.push(Finding::error("conjunction", table, what).of(example));
    }
    let clauses: Vec<(&u8, &Vec<&Rule>)> = parts.clauses.iter().collect();
    for (i, (a, left)) in clauses.iter().enumerate() {
        for (b, right) in &clauses[i + 1..] {
            if never_both(left, right) {
                let what = format!(
                    "conjunction {id} never completes: no packet matches clause {} and clause {}",
                    **a + 1,
                    **b + 1
                );
                findings.push(Finding::error("conjunction", table, what).of(left[0]).beside(right[0]));
            }
        }
    }
}

/// As many pairs of flows as are looked at.
const PAIRS: usize = 1_000_000;

fn never_both(left: &[&Rule], right: &[&Rule]) -> bool {
    if left.len().saturating_mul(right.len()) > PAIRS {
        return false;
    }
    !left.iter().any(|a| right.iter().any(|b| a.overlaps(b)))
}
