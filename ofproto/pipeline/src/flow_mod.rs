//! Flow mods: what adding, modifying and deleting does to the tables (OpenFlow 1.3 §6.4, and 1.0 where it differs).
//!
//! How: [`prepare`] does what needs no tables, so that they are locked for the rest only: [`apply`] changes them and says
//! what it did as a list of [`Change`]s. The list serves three: the caller's notifications, [`settle`] (counters go over to
//! successors, once it is certain that the change stays), and [`revert`], so that a bundle of messages can be all or
//! nothing. What concerns one table and nothing beside it, [`add_alone`] can do to a copy of the table.
//!
//! Invariant: on an error the tables are as before.

use std::sync::Arc;

use weft_base::Time;
use weft_flow::FieldId;
use weft_openflow::flow::FlowRemovedReason;
use weft_openflow::{Action, Cookie, ErrorCode, FlowMod, FlowModCommand, FlowModFlags, Instructions, TableId, Version};

use crate::check;
use crate::flow_table::{FlowTable, FlowTables, HIDDEN_TABLE, Used};
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
pub fn prepare(todo: &mut FlowMod, version: Version, shared: &mut Shared, now: Time) -> Result<Ready, ErrorCode> {
    say_ethernet(&mut todo.matching);
    if todo.flags.contains(FlowModFlags::EMERG) {
        return Err(ErrorCode::OFPFMFC_TABLE_FULL);
    }
    permitted(todo)?;
    let what = match todo.command {
        FlowModCommand::Add => What::Add(rule_of(todo, version, shared, now)?),
        _ => What::Other(Box::new(todo.clone()), version),
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

/// Whether it modifies more flows than this.
pub(crate) fn changes_more_than(flows: &FlowTables, ready: &Ready, most: usize) -> bool {
    let What::Other(todo, _) = &ready.what else { return false };
    todo.command == FlowModCommand::Modify
        && flows.meant_by(todo.table).iter().map(|table| table.len()).sum::<usize>() > most
        && select(flows, todo, false, false).len() > most
}

/// Some of the flows that are to be removed, all of one table.
pub(crate) struct Step {
    /// How many.
    pub len: usize,
    /// They are all that the table had when it was of this version.
    pub whole: Option<u64>,
}

/// The steps in which flows are removed, none longer than `most`; but a whole table is one step.
pub(crate) fn steps(flows: &FlowTables, gone: &[Arc<Rule>], most: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    for of_table in gone.chunk_by(|a, b| a.table == b.table) {
        match flows.table(of_table[0].table).filter(|table| table.len() == of_table.len()) {
            Some(table) => steps.push(Step { len: of_table.len(), whole: Some(table.version()) }),
            None => steps.extend(of_table.chunks(most).map(|some| Step { len: some.len(), whole: None })),
        }
    }
    steps
}

/// Whether its sender may change the table that it names, which can be said before it is done.
pub(crate) fn permitted(todo: &FlowMod) -> Result<(), ErrorCode> {
    // what only the switch's own rules may look at
    let hidden = todo.matching.get(FieldId::RecircId).0 != 0 || todo.matching.get(FieldId::DpHash).1 != 0;
    let deletes = matches!(todo.command, FlowModCommand::Delete | FlowModCommand::DeleteStrict);
    if hidden && !deletes && !todo.flags.contains(FlowModFlags::HIDDEN_FIELDS) {
        return Err(ErrorCode::OFPBRC_EPERM);
    }
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
fn rule_of(todo: &FlowMod, version: Version, shared: &mut Shared, now: Time) -> Result<Arc<Rule>, ErrorCode> {
    let table = if todo.table == TableId::ALL { TableId(0) } else { todo.table };
    check::instructions(&todo.instructions, &todo.matching, table, version > Version::V10)?;
    let pattern = shared.pattern(&todo.matching);
    let instructions = shared.instructions(&todo.instructions);
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

/// The rule that this adds.
pub(crate) fn new_rule(ready: &Ready) -> Option<&Arc<Rule>> {
    match &ready.what {
        What::Add(rule) => Some(rule),
        What::Other(..) => None,
    }
}

/// The rule that this adds, if that is for its table alone to say: it uses nothing that other rules or groups share.
/// `known`: instructions of which that is known.
pub(crate) fn lone_rule(ready: &Ready, known: impl Fn(&Arc<Instructions>) -> bool) -> Option<&Arc<Rule>> {
    new_rule(ready).filter(|rule| known(&rule.instructions) || uses_nothing(&rule.instructions))
}

/// Whether instructions use nothing that is counted elsewhere: no group, no meter, nothing that they teach, no clause.
fn uses_nothing(of: &Instructions) -> bool {
    let mut nothing = of.meter.is_none();
    of.for_each_action(&mut |action| {
        nothing &=
            !matches!(action, Action::Group(_) | Action::Meter(_) | Action::Learn(_) | Action::Conjunction { .. });
    });
    nothing
}

/// Put a rule that [`lone_rule`] gave into one table. False: that needs more than the table, which is as before.
pub(crate) fn add_alone(table: &mut FlowTable, rule: &Arc<Rule>, done: &mut Vec<Change>) -> bool {
    if table.max_flows.is_some()
        || table.evicts()
        || (rule.flags.contains(FlowModFlags::CHECK_OVERLAP)
            && table.get_compact(&rule.pattern, rule.priority).is_none()
            && table.overlaps(&rule.pattern.unpack(), rule.priority))
    {
        return false;
    }
    let reset = rule.flags.contains(FlowModFlags::RESET_COUNTS);
    match table.put(rule, Used::default()) {
        None => done.push(Change::Added(Arc::clone(rule))),
        Some(old) if uses_nothing(&old.instructions) => {
            done.push(Change::Replaced { old, new: Arc::clone(rule), added: true, reset });
        }
        Some(old) => {
            table.put(&old, Used::default());
            return false;
        }
    }
    true
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
            let rule = rule_of(todo, version, &mut Shared::default(), now)?;
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
    let steps = steps(flows, &meant, usize::MAX);
    let mut meant = meant.into_iter();
    for step in steps {
        remove_step(flows, &step, meant.by_ref().take(step.len).collect(), done);
    }
}

/// Remove rules of one table; what went meanwhile is left alone. Where they are all of it, and nothing has come or gone
/// since that was found, it is done at a stroke.
pub(crate) fn remove_step(flows: &mut FlowTables, step: &Step, gone: Vec<Arc<Rule>>, done: &mut Vec<Change>) {
    let Some(table) = gone.first().map(|rule| rule.table) else { return };
    let version = flows.table(table).map(FlowTable::version);
    let at_a_stroke = step.whole.is_some() && step.whole == version;
    if at_a_stroke {
        flows.clear(table);
    }
    for rule in gone {
        if at_a_stroke || flows.remove(&rule) {
            done.push(Change::Removed(rule, FlowRemovedReason::Delete));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BridgeSettings;
    use weft_openflow::text::{FlowCommand, Names, parse_flow};

    fn ready(command: FlowModCommand, text: &str) -> Ready {
        let mut todo = parse_flow(text, FlowCommand::Mod(command), &Names::none()).expect(text);
        prepare(&mut todo, Version::V13, &mut Shared::default(), Time::ZERO).expect(text)
    }

    fn add(flows: &mut FlowTables, text: &str) {
        apply(flows, &ready(FlowModCommand::Add, text), Time::ZERO, &mut Vec::new()).expect(text);
    }

    #[test]
    fn what_comes_between_finding_flows_and_removing_them_stays() {
        for meanwhile in [true, false] {
            let mut flows = FlowTables::new(&BridgeSettings::default(), Time::ZERO);
            (0..5).for_each(|port| add(&mut flows, &format!("table=3,in_port={port},actions=drop")));
            let gone = removals(&flows, &ready(FlowModCommand::Delete, "table=3")).expect("a deletion");
            let steps = steps(&flows, &gone, 2);
            assert_eq!(steps.len(), 1, "a whole table is one step");
            if meanwhile {
                // one that was meant goes by itself, and another comes: there are as many as before
                assert!(flows.remove(&gone[0]));
                add(&mut flows, "table=3,in_port=9,actions=1");
            }
            let mut done = Vec::new();
            remove_step(&mut flows, &steps[0], gone, &mut done);
            let (left, told) = if meanwhile { (1, 4) } else { (0, 5) };
            assert_eq!((flows.table(TableId(3)).map(FlowTable::len), done.len()), (Some(left), told));
        }
    }
}
