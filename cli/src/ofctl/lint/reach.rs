//! Where packets go: tables that nothing leads to, targets that are not there, resubmits that never end.

use std::collections::{BTreeMap, BTreeSet};

use weft_flow::{FieldId, Match, OfPort};
use weft_openflow::{Action, TableId};

use super::report::Finding;
use super::rule::{Known, Rule, overlap};

pub fn check(rules: &[Rule], known: &Known, findings: &mut Vec<Finding>) {
    let mut tables: BTreeMap<u8, Vec<&Rule>> = BTreeMap::new();
    for rule in rules {
        tables.entry(rule.table).or_default().push(rule);
    }
    let steps: Vec<Vec<Step>> = rules.iter().map(|rule| Step::of(rule, known)).collect();
    let mut edges: BTreeMap<u8, BTreeSet<u8>> = BTreeMap::new();
    for (rule, steps) in rules.iter().zip(&steps) {
        edges.entry(rule.table).or_default().extend(steps.iter().map(|step| step.to));
    }
    unreachable(&tables, &edges, findings);
    for (rule, steps) in rules.iter().zip(&steps) {
        for step in steps.iter().filter(|step| !tables.contains_key(&step.to)) {
            let what = format!("leads to table {}, which has no flows", step.to);
            findings.push(Finding::warning("missing-table", rule.table, what).of(rule));
        }
        targets(rule, known, findings);
    }
    loops(&tables, &edges, known, findings);
}

fn reached(from: u8, edges: &BTreeMap<u8, BTreeSet<u8>>) -> BTreeSet<u8> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<u8> = edges.get(&from).into_iter().flatten().copied().collect();
    while let Some(table) = next.pop() {
        if seen.insert(table) {
            next.extend(edges.get(&table).into_iter().flatten());
        }
    }
    seen
}

fn unreachable(tables: &BTreeMap<u8, Vec<&Rule>>, edges: &BTreeMap<u8, BTreeSet<u8>>, findings: &mut Vec<Finding>) {
    let seen = reached(0, edges);
    for (table, rules) in tables.iter().filter(|(table, _)| **table != 0 && !seen.contains(table)) {
        let n = rules.len();
        let what = format!("no goto_table, resubmit or group leads here from table 0: its {n} flows see no packet");
        findings.push(Finding::error("unreachable-table", *table, what).of(rules[0]));
    }
}

/// A way out of a flow into a table.
struct Step {
    to: u8,
    /// Whether the packet is looked up as it came: nothing that a flow could match was changed before.
    unchanged: bool,
    /// The fields that were written before.
    written: Vec<FieldId>,
    /// It pretends to have come in elsewhere.
    in_port: bool,
    resubmits: bool,
}

impl Step {
    fn of(rule: &Rule, known: &Known) -> Vec<Step> {
        let mut out = Vec::new();
        let walk = Walk { rule, known, depth: 0 };
        walk.over(&rule.instructions.apply, &mut (true, Vec::new()), &mut out);
        if let Some(TableId(to)) = rule.instructions.goto_table {
            out.push(Step { to, unchanged: false, written: Vec::new(), in_port: false, resubmits: false });
        }
        for action in rule.instructions.write_actions.iter().flatten() {
            if let Action::Resubmit(_) | Action::Ct(_) | Action::Group(_) = action {
                walk.over(std::slice::from_ref(action), &mut (false, Vec::new()), &mut out);
            }
        }
        out
    }

    /// Whether a packet of this match is still one when it arrives.
    fn keeps(&self, matching: &Match) -> bool {
        let port = self.in_port && matching.get(FieldId::InPortOxm).1 != 0;
        self.unchanged && !port && self.written.iter().all(|field| matching.get(*field).1 == 0)
    }
}

/// Collects a flow's ways out.
#[derive(Clone, Copy)]
struct Walk<'a> {
    rule: &'a Rule,
    known: &'a Known,
    /// How many groups we are inside of.
    depth: usize,
}

impl Walk<'_> {
    /// `state`: whether only single fields were written so far, and which.
    fn over(self, actions: &[Action], state: &mut (bool, Vec<FieldId>), out: &mut Vec<Step>) {
        for action in actions {
            let step = |to: u8, in_port: bool, resubmits: bool, state: &(bool, Vec<FieldId>)| Step {
                to,
                unchanged: state.0,
                written: state.1.clone(),
                in_port,
                resubmits,
            };
            match action {
                Action::Resubmit(to) => {
                    let table = if to.table == TableId::ALL { self.rule.table } else { to.table.0 };
                    out.push(step(table, to.in_port != OfPort::IN_PORT, !to.ct, state));
                    // What was resubmitted to may have changed anything.
                    state.0 = false;
                }
                Action::Ct(ct) => {
                    if let Some(TableId(to)) = ct.table {
                        out.push(step(to, false, false, state));
                    }
                }
                Action::Clone(inner) => self.over(inner, &mut state.clone(), out),
                Action::Group(group) => {
                    if let Some(buckets) = self.known.buckets.get(&group.0).filter(|_| self.depth < DEEPEST) {
                        Walk { depth: self.depth + 1, ..self }.over(buckets, &mut state.clone(), out);
                    }
                }
                Action::SetField(set) => state.1.push(set.field),
                Action::Move { dst, .. } | Action::Pop(dst) => state.1.push(dst.field),
                Action::CheckPktLarger { dst, .. } => state.1.push(dst.field),
                Action::Exit => return,
                Action::Output { .. }
                | Action::OutputReg { .. }
                | Action::OutputTrunc { .. }
                | Action::Controller(_)
                | Action::Enqueue { .. }
                | Action::SetQueue(_)
                | Action::PopQueue
                | Action::Push(_)
                | Action::Note(_)
                | Action::Sample(_)
                | Action::Meter(_) => {}
                _ => state.0 = false,
            }
        }
    }
}

/// Groups within groups that are followed; they may name each other in a circle.
const DEEPEST: usize = 8;

/// Ports, groups and meters that are not there.
fn targets(rule: &Rule, known: &Known, findings: &mut Vec<Finding>) {
    let mut missing: Vec<(&'static str, String)> = Vec::new();
    let port = |port: OfPort| match &known.ports {
        Some(ports) if port.reserved_name().is_none() && !ports.contains(&port.0) => {
            Some(("missing-port", format!("port {} does not exist", port.0)))
        }
        _ => None,
    };
    let meter = |id: u32| match &known.meters {
        Some(meters) if !meters.contains(&id) => Some(("missing-meter", format!("meter {id} does not exist"))),
        _ => None,
    };
    rule.instructions.for_each_action(&mut |action| match action {
        Action::Output { port: to, .. } | Action::OutputTrunc { port: to, .. } | Action::Enqueue { port: to, .. } => {
            missing.extend(port(*to));
        }
        Action::Bundle(bundle) => missing.extend(bundle.members.iter().filter_map(|member| port(*member))),
        Action::Meter(id) => missing.extend(meter(id.0)),
        Action::Group(group) => {
            if let Some(groups) = &known.groups
                && !groups.contains(&group.0)
            {
                missing.push(("missing-group", format!("group {} does not exist", group.0)));
            }
        }
        _ => {}
    });
    missing.extend(rule.instructions.meter.and_then(|id| meter(id.0)));
    for (kind, what) in missing {
        findings.push(Finding::error(kind, rule.table, what).of(rule));
    }
}

/// How many flows long a loop may be that is found.
const LONGEST: usize = 4;
/// How many flows are tried in all.
const TRIES: usize = 2_000_000;

/// Flows that send a packet round in a circle without changing anything that they match: it goes on until the switch's limit
/// on resubmits drops it.
fn loops(
    tables: &BTreeMap<u8, Vec<&Rule>>,
    edges: &BTreeMap<u8, BTreeSet<u8>>,
    known: &Known,
    findings: &mut Vec<Finding>,
) {
    let circular: BTreeSet<u8> =
        tables.keys().copied().filter(|table| reached(*table, edges).contains(table)).collect();
    let mut tries = TRIES;
    let mut search = Search { tables, circular: &circular, known, tries: &mut tries };
    for table in &circular {
        for rule in &tables[table] {
            if let Some(last) = search.circle(rule, rule, &rule.matching.clone(), 1) {
                let what = "a packet that matches these flows is resubmitted in a circle that never ends";
                let mut finding = Finding::error("loop", *table, what).of(rule);
                if !std::ptr::eq(last, *rule) {
                    // A circle is told once, where it begins.
                    if last.table < *table {
                        continue;
                    }
                    finding = finding.beside(last);
                }
                findings.push(finding);
            }
        }
    }
}

struct Search<'a, 'b> {
    tables: &'b BTreeMap<u8, Vec<&'a Rule>>,
    circular: &'b BTreeSet<u8>,
    known: &'b Known,
    tries: &'b mut usize,
}

impl<'a> Search<'a, '_> {
    /// From `at` back to `start` with packets that match `so_far`; gives the last flow of the circle.
    fn circle(&mut self, start: &Rule, at: &'a Rule, so_far: &Match, length: usize) -> Option<&'a Rule> {
        for step in Step::of(at, self.known).into_iter().filter(|step| step.resubmits && step.keeps(so_far)) {
            if step.to == start.table && step.keeps(&start.matching) {
                return Some(at);
            }
            if length == LONGEST || !self.circular.contains(&step.to) || step.to < start.table {
                continue;
            }
            for next in self.tables.get(&step.to).cloned().unwrap_or_default() {
                *self.tries = self.tries.checked_sub(1)?;
                if next.is_conjunctive() || !overlap(so_far, &next.matching) || !self.wins(next, so_far) {
                    continue;
                }
                if let Some(last) = self.circle(start, next, &both(so_far, &next.matching), length + 1) {
                    return Some(last);
                }
            }
        }
        None
    }

    /// Whether no flow of higher priority takes all packets of `so_far` from it.
    fn wins(&mut self, rule: &Rule, so_far: &Match) -> bool {
        let packets = both(so_far, &rule.matching);
        !self.tables[&rule.table].iter().any(|other| {
            other.priority > rule.priority
                && !other.is_conjunctive()
                && packets.mask().covers(other.matching.mask())
                && other.matching.matches(packets.key())
        })
    }
}

/// Packets that match both.
fn both(a: &Match, b: &Match) -> Match {
    let (mut key, mut mask) = (a.key().clone(), a.mask().clone());
    for word in b.mask().used_words() {
        key.or_word(word, b.key().word(word) & b.mask().word(word));
        mask.or_word(word, b.mask().word(word));
    }
    Match::new(key, mask)
}
