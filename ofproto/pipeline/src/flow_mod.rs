//! Flow mods: what adding, modifying and deleting does to the tables (OpenFlow 1.3 §6.4, and 1.0 where it differs).
//!
//! How: [`prepare`] does what needs no tables, so that they are locked for the rest only: [`apply`] changes them and says what it did as a list of [`Change`]s. The list serves three: the caller's
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
use crate::shared::Shared;

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

/// A flow mod that only waits for the tables: all that can be said without them has been checked.
pub struct Ready {
    what: What,
}

enum What {
    /// Most are of this kind, so it is small.
    Add(Arc<Rule>),
    Other(Box<FlowMod>, Version),
}

/// Do what needs no look at the tables. From 1.1 on actions must fit the match.
///
/// # Errors
/// The specification's, if the flow mod can never be obeyed.
pub fn prepare(todo: FlowMod, version: Version, shared: &mut Shared, now: Time) -> Result<Ready, ErrorCode> {
    if todo.flags.contains(FlowModFlags::EMERG) {
        return Err(ErrorCode::OFPFMFC_TABLE_FULL);
    }
    permitted(&todo)?;
    let what = match todo.command {
        FlowModCommand::Add => What::Add(rule_of(todo, version, shared, now)?),
        _ => What::Other(Box::new(todo), version),
    };
    Ok(Ready { what })
}

/// Do it, and append what was done. From 1.2 on a modify never adds.
///
/// # Errors
/// The specification's, if the flow mod cannot be obeyed in full.
pub fn apply(bridge: &mut Bridge, ready: Ready, now: Time, done: &mut Vec<Change>) -> Result<(), ErrorCode> {
    match ready.what {
        What::Add(rule) => add(bridge, rule, done),
        What::Other(todo, version) => match todo.command {
            FlowModCommand::Add | FlowModCommand::Modify | FlowModCommand::ModifyStrict => {
                modify(bridge, *todo, version, now, done)
            }
            FlowModCommand::Delete | FlowModCommand::DeleteStrict => {
                delete(bridge, &todo, done);
                Ok(())
            }
        },
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

/// The rule that a flow mod adds.
fn rule_of(todo: FlowMod, version: Version, shared: &mut Shared, now: Time) -> Result<Arc<Rule>, ErrorCode> {
    let table = if todo.table == TableId::ALL { TableId(0) } else { todo.table };
    check::instructions(&todo.instructions, &todo.matching, table, version > Version::V10)?;
    let pattern = shared.pattern(&todo.matching);
    let instructions = shared.instructions(todo.instructions);
    let mut rule = Rule::of_parts(table, todo.priority.into(), pattern, instructions, now);
    rule.cookie = if todo.cookie == Cookie::UNCHANGED { Cookie(0) } else { todo.cookie };
    rule.idle_timeout = todo.idle_timeout;
    rule.hard_timeout = todo.hard_timeout;
    rule.importance = todo.importance;
    rule.flags = todo.flags;
    Ok(Arc::new(rule))
}

fn add(bridge: &mut Bridge, rule: Arc<Rule>, done: &mut Vec<Change>) -> Result<(), ErrorCode> {
    let target = bridge.flows.table(rule.table).ok_or(ErrorCode::OFPBRC_BAD_TABLE_ID)?;
    if rule.flags.contains(FlowModFlags::CHECK_OVERLAP) && target.overlaps(&rule.pattern.unpack(), rule.priority) {
        return Err(ErrorCode::OFPFMFC_OVERLAP);
    }
    if target.max_flows.is_some_and(|max| target.len() >= max as usize)
        && target.get_compact(&rule.pattern, rule.priority).is_none()
    {
        return Err(ErrorCode::OFPFMFC_TABLE_FULL);
    }
    let reset = rule.flags.contains(FlowModFlags::RESET_COUNTS);
    done.push(match bridge.flows.insert(rule.clone()) {
        Some(old) => Change::Replaced { old, new: rule, added: true, reset },
        None => Change::Added(rule),
    });
    Ok(())
}

fn modify(
    bridge: &mut Bridge,
    todo: FlowMod,
    version: Version,
    now: Time,
    done: &mut Vec<Change>,
) -> Result<(), ErrorCode> {
    let meant = select(bridge, &todo, todo.command == FlowModCommand::ModifyStrict, false);
    if meant.is_empty() {
        // 1.0 and 1.1: a modify that finds nothing adds; a cookie to match says that nothing is to be added
        if version < Version::V12 && todo.cookie_mask == 0 && todo.cookie != Cookie::UNCHANGED {
            let rule = rule_of(todo, version, &mut Shared::default(), now)?;
            return add(bridge, rule, done);
        }
        return Ok(());
    }
    for rule in &meant {
        check::instructions(&todo.instructions, &rule.pattern.unpack(), rule.table, version > Version::V10)?;
    }
    let reset = todo.flags.contains(FlowModFlags::RESET_COUNTS);
    let instructions = Arc::new(todo.instructions);
    for old in meant {
        let mut rule = Rule::of_parts(old.table, old.priority, old.pattern.clone(), Arc::clone(&instructions), now);
        rule.cookie = if todo.cookie == Cookie::UNCHANGED { old.cookie } else { todo.cookie };
        rule.idle_timeout = old.idle_timeout;
        rule.hard_timeout = old.hard_timeout;
        rule.importance = old.importance;
        rule.flags = old.flags;
        rule.created = old.created;
        let new = Arc::new(rule);
        bridge.flows.insert(new.clone());
        done.push(Change::Replaced { old, new, added: false, reset });
    }
    Ok(())
}

fn delete(bridge: &mut Bridge, todo: &FlowMod, done: &mut Vec<Change>) {
    let meant = select(bridge, todo, todo.command == FlowModCommand::DeleteStrict, true);
    for rule in &meant {
        bridge.flows.remove(rule);
    }
    done.extend(meant.into_iter().map(|rule| Change::Removed(rule, FlowRemovedReason::Delete)));
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
