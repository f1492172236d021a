//! Flow mods: what adding, modifying and deleting does to the tables (OpenFlow 1.3 §6.4, and 1.0 where it differs).
//!
//! How: [`apply`] changes the tables and says what it did as a list of [`Change`]s. The list serves three: the caller's
//! notifications, [`settle`] (counters go over to successors, once it is certain that the change stays), and [`revert`],
//! so that a bundle of messages can be all or nothing.
//!
//! Invariant: on an error the tables are as before.

use std::sync::Arc;

use weft_base::Time;
use weft_openflow::flow::FlowRemovedReason;
use weft_openflow::{Cookie, ErrorCode, FlowMod, FlowModCommand, FlowModFlags, TableId, Version};

use crate::bridge::Bridge;
use crate::check;
use crate::flow_table::HIDDEN_TABLE;
use crate::rule::{MAX_PRIORITY, Rule};

/// One thing that a flow mod did.
#[derive(Clone)]
pub enum Change {
    /// A new rule.
    Added(Arc<Rule>),
    /// A rule took another's place: another with the same match was added (`added`), or it was modified.
    Replaced {
        /// What was.
        old: Arc<Rule>,
        /// What is.
        new: Arc<Rule>,
        /// By an add: a new flow of the same match.
        added: bool,
        /// The counters start anew.
        reset: bool,
    },
    /// A rule is gone.
    Removed(Arc<Rule>, FlowRemovedReason),
}

/// Do what a flow mod of a version says. From 1.1 on actions must fit the match; from 1.2 on a modify never adds.
///
/// # Errors
/// The specification's, if the flow mod cannot be obeyed in full.
pub fn apply(bridge: &mut Bridge, todo: FlowMod, version: Version, now: Time) -> Result<Vec<Change>, ErrorCode> {
    if todo.flags.contains(FlowModFlags::EMERG) {
        return Err(ErrorCode::OFPFMFC_TABLE_FULL);
    }
    permitted(&todo)?;
    match todo.command {
        FlowModCommand::Add => add(bridge, todo, version, now),
        FlowModCommand::Modify | FlowModCommand::ModifyStrict => modify(bridge, todo, version, now),
        FlowModCommand::Delete | FlowModCommand::DeleteStrict => Ok(delete(bridge, &todo)),
    }
}

/// Whether its sender may change the table that it names, which can be said before it is done.
pub(crate) fn permitted(todo: &FlowMod) -> Result<(), ErrorCode> {
    match todo.table == HIDDEN_TABLE && !todo.flags.contains(FlowModFlags::NO_READONLY) {
        true => Err(ErrorCode::OFPBRC_EPERM),
        false => Ok(()),
    }
}

/// The changes stay: counters go over to the rules that took others' places.
pub fn settle(changes: &[Change]) {
    for change in changes {
        if let Change::Replaced { old, new, reset, .. } = change {
            old.hand_over(new, *reset);
        }
    }
}

/// Undo changes that were not settled.
pub fn revert(bridge: &mut Bridge, changes: Vec<Change>) {
    for change in changes.into_iter().rev() {
        match change {
            Change::Added(rule) => {
                bridge.flows.remove(&rule);
            }
            Change::Replaced { old, .. } | Change::Removed(old, _) => {
                bridge.flows.insert(old);
            }
        }
    }
}

fn add(bridge: &mut Bridge, todo: FlowMod, version: Version, now: Time) -> Result<Vec<Change>, ErrorCode> {
    let table = if todo.table == TableId::ALL { TableId(0) } else { todo.table };
    check::instructions(&todo.instructions, &todo.matching, table, version > Version::V10)?;
    let priority = u32::from(todo.priority);
    let target = bridge.flows.table(table).ok_or(ErrorCode::OFPBRC_BAD_TABLE_ID)?;
    let old = target.get(&todo.matching, priority).cloned();
    if todo.flags.contains(FlowModFlags::CHECK_OVERLAP) && target.overlaps(&todo.matching, priority) {
        return Err(ErrorCode::OFPFMFC_OVERLAP);
    }
    if old.is_none() && target.max_flows.is_some_and(|max| target.len() >= max as usize) {
        return Err(ErrorCode::OFPFMFC_TABLE_FULL);
    }
    let mut rule = Rule::new(table, priority, &todo.matching, todo.instructions, now);
    rule.cookie = if todo.cookie == Cookie::UNCHANGED { Cookie(0) } else { todo.cookie };
    rule.idle_timeout = todo.idle_timeout;
    rule.hard_timeout = todo.hard_timeout;
    rule.importance = todo.importance;
    rule.flags = todo.flags;
    let reset = todo.flags.contains(FlowModFlags::RESET_COUNTS);
    let rule = Arc::new(rule);
    bridge.flows.insert(rule.clone());
    Ok(vec![match old {
        Some(old) => Change::Replaced { old, new: rule, added: true, reset },
        None => Change::Added(rule),
    }])
}

fn modify(bridge: &mut Bridge, todo: FlowMod, version: Version, now: Time) -> Result<Vec<Change>, ErrorCode> {
    let meant = select(bridge, &todo, todo.command == FlowModCommand::ModifyStrict, false);
    if meant.is_empty() {
        // 1.0 and 1.1: a modify that finds nothing adds; a cookie to match says that nothing is to be added
        if version < Version::V12 && todo.cookie_mask == 0 && todo.cookie != Cookie::UNCHANGED {
            return add(bridge, FlowMod { command: FlowModCommand::Add, ..todo }, version, now);
        }
        return Ok(Vec::new());
    }
    for rule in &meant {
        check::instructions(&todo.instructions, &rule.pattern.unpack(), rule.table, version > Version::V10)?;
    }
    let reset = todo.flags.contains(FlowModFlags::RESET_COUNTS);
    Ok(meant
        .into_iter()
        .map(|old| {
            let instructions = todo.instructions.clone();
            let mut rule = Rule::new(old.table, old.priority, &old.pattern.unpack(), instructions, now);
            rule.cookie = if todo.cookie == Cookie::UNCHANGED { old.cookie } else { todo.cookie };
            rule.idle_timeout = old.idle_timeout;
            rule.hard_timeout = old.hard_timeout;
            rule.importance = old.importance;
            rule.flags = old.flags;
            rule.created = old.created;
            let new = Arc::new(rule);
            bridge.flows.insert(new.clone());
            Change::Replaced { old, new, added: false, reset }
        })
        .collect())
}

fn delete(bridge: &mut Bridge, todo: &FlowMod) -> Vec<Change> {
    let meant = select(bridge, todo, todo.command == FlowModCommand::DeleteStrict, true);
    for rule in &meant {
        bridge.flows.remove(rule);
    }
    meant.into_iter().map(|rule| Change::Removed(rule, FlowRemovedReason::Delete)).collect()
}

/// The rules that a modify or delete means.
fn select(bridge: &Bridge, todo: &FlowMod, strict: bool, by_output: bool) -> Vec<Arc<Rule>> {
    let fits = |rule: &Rule| {
        (rule.cookie.0 ^ todo.filter_cookie.0) & todo.cookie_mask == 0
            && rule.priority <= MAX_PRIORITY
            && (!by_output || (rule.outputs_to(todo.out_port) && rule.uses_group(todo.out_group)))
    };
    let mut meant: Vec<Arc<Rule>> = Vec::new();
    for table in bridge.flows.meant_by(todo.table).iter().filter(|t| !t.is_empty()) {
        if strict {
            meant.extend(table.get(&todo.matching, todo.priority.into()).filter(|r| fits(r)).cloned());
        } else {
            meant.extend(table.covered_by(&todo.matching).filter(|r| fits(r)).cloned());
        }
    }
    meant
}
