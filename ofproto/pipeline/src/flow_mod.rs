//! Flow mods: what adding, modifying and deleting does to the tables (OpenFlow 1.3 §6.4, and 1.0 where it differs).
//!
//! How: [`prepare`] does what needs no tables, so that they are locked for the rest only: [`apply`] changes them and says
//! what it did as a list of [`Change`]s. The list serves three: the caller's notifications, [`settle`] (counters go over to
//! successors, once it is certain that the change stays), and [`revert`], so that a bundle of messages can be all or
//! nothing.
//!
//! Invariant: on an error the tables are as before.

use std::sync::Arc;

use weft_base::Time;
use weft_openflow::flow::FlowRemovedReason;
use weft_openflow::{Cookie, ErrorCode, FlowMod, FlowModCommand, FlowModFlags, TableId, Version};

use crate::check;
use crate::flow_table::{FlowTables, HIDDEN_TABLE};
use crate::group::modify::GroupChange;
use crate::learn;
use crate::rule::{MAX_PRIORITY, Rule, say_ethernet};
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
    /// A group came, went or changed.
    Group(GroupChange),
}

impl Change {
    /// The rule that it is about, if any, as it is or was.
    pub fn rule(&self) -> Option<&Arc<Rule>> {
        match self {
            Change::Added(rule) | Change::Replaced { new: rule, .. } | Change::Removed(rule, _) => Some(rule),
            Change::Group(_) => None,
        }
    }
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
pub fn prepare(mut todo: FlowMod, version: Version, shared: &mut Shared, now: Time) -> Result<Ready, ErrorCode> {
    say_ethernet(&mut todo.matching);
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
pub fn apply(flows: &mut FlowTables, ready: &Ready, now: Time, done: &mut Vec<Change>) -> Result<(), ErrorCode> {
    match &ready.what {
        What::Add(rule) => add(flows, rule.clone(), done)?,
        What::Other(todo, version) => match todo.command {
            FlowModCommand::Add | FlowModCommand::Modify | FlowModCommand::ModifyStrict => {
                modify(flows, todo, *version, now, done)?;
            }
            FlowModCommand::Delete | FlowModCommand::DeleteStrict => delete(flows, todo, done),
        },
    }
    learn::remove_orphans(flows, done);
    Ok(())
}

/// The flows that a deletion means; `None` if it is none.
pub(crate) fn removals(flows: &FlowTables, ready: &Ready) -> Option<Vec<Arc<Rule>>> {
    let What::Other(todo, _) = &ready.what else { return None };
    match todo.command {
        FlowModCommand::Delete => Some(select(flows, todo, false, true)),
        FlowModCommand::DeleteStrict => Some(select(flows, todo, true, true)),
        FlowModCommand::Add | FlowModCommand::Modify | FlowModCommand::ModifyStrict => None,
    }
}

/// The lengths of the steps in which flows are removed, none longer than `most`; but a whole table is one step.
pub(crate) fn steps(flows: &FlowTables, gone: &[Arc<Rule>], most: usize) -> Vec<usize> {
    let mut steps = Vec::new();
    for of_table in gone.chunk_by(|a, b| a.table == b.table) {
        if flows.table(of_table[0].table).is_some_and(|t| t.len() == of_table.len()) {
            steps.push(of_table.len());
        } else {
            steps.extend(of_table.chunks(most).map(<[_]>::len));
        }
    }
    steps
}

/// Say that flows were deleted.
pub(crate) fn removed(gone: Vec<Arc<Rule>>, done: &mut Vec<Change>) {
    done.extend(gone.into_iter().map(|rule| Change::Removed(rule, FlowRemovedReason::Delete)));
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
pub fn revert(flows: &mut FlowTables, changes: Vec<Change>) {
    for change in changes.into_iter().rev() {
        match change {
            Change::Added(rule) => {
                flows.remove(&rule);
            }
            Change::Replaced { old, .. } | Change::Removed(old, _) => {
                flows.insert(old);
            }
            Change::Group(change) => crate::group::modify::revert(flows, change),
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
    rule.set_timeouts(todo.idle_timeout, todo.hard_timeout);
    rule.importance = todo.importance;
    rule.flags = todo.flags;
    Ok(Arc::new(rule))
}

/// Put a rule in.
pub(crate) fn add(flows: &mut FlowTables, rule: Arc<Rule>, done: &mut Vec<Change>) -> Result<(), ErrorCode> {
    let target = flows.table(rule.table).ok_or(ErrorCode::OFPBRC_BAD_TABLE_ID)?;
    if !flows.groups().know_all(&rule.instructions) {
        return Err(ErrorCode::OFPBAC_BAD_OUT_GROUP);
    }
    if !flows.uses.knows_meters(&rule.instructions) {
        return Err(ErrorCode::OFPMMFC_INVALID_METER);
    }
    let checks = rule.flags.contains(FlowModFlags::CHECK_OVERLAP);
    let full = target.max_flows.filter(|most| target.visible_len() >= *most as usize);
    // a flow that takes the place of its like overlaps nothing new, and needs no room
    if (checks || full.is_some()) && target.get_compact(&rule.pattern, rule.priority).is_none() {
        if checks && target.overlaps(&rule.pattern.unpack(), rule.priority) {
            return Err(ErrorCode::OFPFMFC_OVERLAP);
        }
        if let Some(most) = full {
            make_room(flows, rule.table, most, done)?;
        }
    }
    let reset = rule.flags.contains(FlowModFlags::RESET_COUNTS);
    done.push(match flows.insert(rule.clone()) {
        Some(old) => Change::Replaced { old, new: rule, added: true, reset },
        None => Change::Added(rule),
    });
    Ok(())
}

/// Evict a flow, where the table does that.
fn make_room(flows: &mut FlowTables, table: TableId, most: u32, done: &mut Vec<Change>) -> Result<(), ErrorCode> {
    let most = most.checked_sub(1).ok_or(ErrorCode::OFPFMFC_TABLE_FULL)?;
    let (gone, enough) = flows.evict(table, most as usize);
    done.extend(gone.into_iter().map(|rule| Change::Removed(rule, FlowRemovedReason::Eviction)));
    if enough { Ok(()) } else { Err(ErrorCode::OFPFMFC_TABLE_FULL) }
}

fn modify(
    flows: &mut FlowTables,
    todo: &FlowMod,
    version: Version,
    now: Time,
    done: &mut Vec<Change>,
) -> Result<(), ErrorCode> {
    let meant = select(flows, todo, todo.command == FlowModCommand::ModifyStrict, false);
    if meant.is_empty() {
        // 1.0 and 1.1: a modify that finds nothing adds; a cookie to match says that nothing is to be added
        if version < Version::V12 && todo.cookie_mask == 0 && todo.cookie != Cookie::UNCHANGED {
            let rule = rule_of(todo.clone(), version, &mut Shared::default(), now)?;
            return add(flows, rule, done);
        }
        return Ok(());
    }
    if !flows.uses.knows_meters(&todo.instructions) {
        return Err(ErrorCode::OFPMMFC_INVALID_METER);
    }
    for rule in &meant {
        check::instructions(&todo.instructions, &rule.pattern.unpack(), rule.table, version > Version::V10)?;
    }
    if !flows.groups().know_all(&todo.instructions) {
        return Err(ErrorCode::OFPBAC_BAD_OUT_GROUP);
    }
    let reset = todo.flags.contains(FlowModFlags::RESET_COUNTS);
    let instructions = Arc::new(todo.instructions.clone());
    for old in meant {
        let mut rule = Rule::of_parts(old.table, old.priority, old.pattern.clone(), Arc::clone(&instructions), now);
        rule.cookie = if todo.cookie == Cookie::UNCHANGED { old.cookie } else { todo.cookie };
        rule.set_timeouts(old.idle_timeout(), old.hard_timeout());
        rule.importance = old.importance;
        rule.flags = old.flags;
        rule.created = old.created;
        let new = Arc::new(rule);
        flows.insert(new.clone());
        done.push(Change::Replaced { old, new, added: false, reset });
    }
    Ok(())
}

fn delete(flows: &mut FlowTables, todo: &FlowMod, done: &mut Vec<Change>) {
    let meant = select(flows, todo, todo.command == FlowModCommand::DeleteStrict, true);
    remove_all(flows, &meant);
    removed(meant, done);
}

/// Remove rules; where they are a whole table, in one step.
pub(crate) fn remove_all(flows: &mut FlowTables, gone: &[Arc<Rule>]) {
    for of_table in gone.chunk_by(|a, b| a.table == b.table) {
        let table = of_table[0].table;
        if flows.table(table).is_some_and(|t| t.len() == of_table.len()) {
            flows.clear(table);
        } else {
            of_table.iter().for_each(|rule| {
                flows.remove(rule);
            });
        }
    }
}

/// The rules that a modify or delete means.
fn select(flows: &FlowTables, todo: &FlowMod, strict: bool, by_output: bool) -> Vec<Arc<Rule>> {
    let fits = |rule: &Rule| {
        (rule.cookie.0 ^ todo.filter_cookie.0) & todo.cookie_mask == 0
            && rule.priority <= MAX_PRIORITY
            && (!by_output || (rule.outputs_to(todo.out_port) && rule.uses_group(todo.out_group)))
    };
    let mut meant: Vec<Arc<Rule>> = Vec::new();
    for table in flows.meant_by(todo.table).iter().filter(|t| !t.is_empty()) {
        if strict {
            meant.extend(table.get(&todo.matching, todo.priority.into()).filter(|r| fits(r)).cloned());
        } else {
            meant.extend(table.covered_by(&todo.matching).filter(|r| fits(r)).cloned());
        }
    }
    meant
}
