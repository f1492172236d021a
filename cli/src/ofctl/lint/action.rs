//! Actions that come too late, and actions that can never do what they say.

use weft_openflow::text::format_action;
use weft_openflow::text::{Names, Protocols};
use weft_openflow::{Action, TableId, Version, consistency};

use super::report::Finding;
use super::rule::Rule;

pub fn check(rules: &[Rule], findings: &mut Vec<Finding>) {
    for rule in rules {
        dead(rule, &rule.instructions.apply, findings);
        fitting(rule, findings);
    }
}

/// What stands behind `exit`.
fn dead(rule: &Rule, actions: &[Action], findings: &mut Vec<Finding>) {
    for (at, action) in actions.iter().enumerate() {
        match action {
            Action::Exit => {
                let behind = actions.get(at + 1).map(|next| format_action(next, &Names::none()));
                let table = rule.instructions.goto_table.map(|table| format!("goto_table:{}", table.0));
                if let Some(behind) = behind.or(table) {
                    let what = format!("{behind} and what follows never run: they stand behind exit");
                    findings.push(Finding::error("dead-action", rule.table, what).of(rule));
                }
                return;
            }
            Action::Clone(inner) => dead(rule, inner, findings),
            _ => {}
        }
    }
}

/// Actions that need a header which the match and the actions before them do not promise.
fn fitting(rule: &Rule, findings: &mut Vec<Finding>) {
    let mut usable = Protocols::ANY;
    let mut notes = Vec::new();
    let table = TableId(rule.table);
    let result = consistency::check(&rule.instructions, &rule.matching, table, &mut usable, &mut notes);
    let note = notes.last().map(|note| format!(": {}", note.text)).unwrap_or_default();
    if let Err(error) = result {
        let what = format!("actions do not fit the match ({}){note}", error.name());
        findings.push(Finding::error("prerequisite", rule.table, what).of(rule));
    } else if Version::ALL.iter().all(|v| *v == Version::V10 || !usable.contains(*v, false, false)) {
        let what = "some action needs a header that the match and the actions before it do not promise: it does nothing \
                    to other packets, and OpenFlow 1.1 and later refuse it";
        findings.push(Finding::warning("prerequisite", rule.table, what).of(rule));
    }
}
