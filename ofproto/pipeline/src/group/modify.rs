//! Group mods: what adding, modifying and deleting does to a bridge's groups (OpenFlow 1.5 §6.5, §7.3.4.3).
//!
//! How: as flow mods do it: [`apply`] changes the tables and appends what it did to the list that serves notification and
//! undoing. Deleting a group takes the flows that refer to it along; they are told of with the reason GROUP_DELETE.
//!
//! Invariant: on an error the tables are as before. Groups may name groups that are not there, and each other in a circle,
//! as OVS has it; translation copes.

use std::sync::Arc;

use weft_base::Time;
use weft_openflow::flow::FlowRemovedReason;
use weft_openflow::group::{self as wire, GroupKind, GroupMod, GroupModCommand};
use weft_openflow::{ErrorCode, GroupId};

use super::{Bucket, Group, report};
use crate::check;
use crate::flow_mod::Change;
use crate::flow_table::FlowTables;

/// Number of a bucket up to this can exist.
const MAX_BUCKET: u32 = wire::Bucket::MAX;

/// One group as it was and as it is.
#[derive(Clone)]
pub struct GroupChange {
    /// Which.
    pub group: GroupId,
    /// What was.
    pub old: Option<Arc<Group>>,
    /// What is.
    pub new: Option<Arc<Group>>,
}

/// Do what a group mod says, and append what was done.
///
/// # Errors
/// The specification's, if it cannot be obeyed.
pub fn apply(flows: &mut FlowTables, todo: &GroupMod, now: Time, done: &mut Vec<Change>) -> Result<(), ErrorCode> {
    let known = flows.groups().get(todo.group).cloned();
    match (todo.command, known) {
        (GroupModCommand::Add, Some(_)) => Err(ErrorCode::OFPGMFC_GROUP_EXISTS),
        (GroupModCommand::Add | GroupModCommand::AddOrModify, None) => set(flows, todo, None, now, done),
        (GroupModCommand::Modify | GroupModCommand::AddOrModify, Some(old)) => set(flows, todo, Some(old), now, done),
        (GroupModCommand::Modify | GroupModCommand::InsertBucket | GroupModCommand::RemoveBucket, None) => {
            Err(ErrorCode::OFPGMFC_UNKNOWN_GROUP)
        }
        (GroupModCommand::InsertBucket, Some(old)) => insert(flows, todo, old, done),
        (GroupModCommand::RemoveBucket, Some(old)) => remove(flows, todo, old, done),
        (GroupModCommand::Delete, _) => {
            delete(flows, todo.group, done);
            crate::learn::remove_orphans(flows, done);
            Ok(())
        }
    }
}

/// Undo one change.
pub fn revert(flows: &mut FlowTables, change: GroupChange) {
    match change.old {
        Some(old) => {
            flows.groups_mut().put(old);
        }
        None => {
            flows.groups_mut().take(change.group);
        }
    }
}

fn set(
    flows: &mut FlowTables,
    todo: &GroupMod,
    old: Option<Arc<Group>>,
    now: Time,
    done: &mut Vec<Change>,
) -> Result<(), ErrorCode> {
    let buckets = buckets(&todo.buckets)?;
    let created = old.map_or(now, |old| old.created);
    let serial = flows.groups_mut().next_serial();
    put(flows, Group::new(todo.group, todo.kind, todo.selection.clone(), buckets, created, serial), done);
    Ok(())
}

fn insert(flows: &mut FlowTables, todo: &GroupMod, old: Arc<Group>, done: &mut Vec<Change>) -> Result<(), ErrorCode> {
    let at = match todo.command_bucket {
        wire::Bucket::FIRST => 0,
        wire::Bucket::LAST => old.buckets.len(),
        id if id > MAX_BUCKET => return Err(ErrorCode::OFPGMFC_BAD_COMMAND),
        id => position(&old, id)? + 1,
    };
    if todo.buckets.iter().any(|new| position(&old, new.id).is_ok()) {
        return Err(ErrorCode::OFPGMFC_BUCKET_EXISTS);
    }
    let mut all = old.buckets.clone();
    all.splice(at..at, buckets(&todo.buckets)?);
    with_buckets(flows, &old, all, done);
    Ok(())
}

fn remove(flows: &mut FlowTables, todo: &GroupMod, old: Arc<Group>, done: &mut Vec<Change>) -> Result<(), ErrorCode> {
    let mut all = old.buckets.clone();
    match todo.command_bucket {
        wire::Bucket::ALL => all.clear(),
        wire::Bucket::FIRST => {
            all.drain(..all.len().min(1));
        }
        wire::Bucket::LAST => {
            all.pop();
        }
        id if id > MAX_BUCKET => return Err(ErrorCode::OFPGMFC_BAD_COMMAND),
        id => {
            all.remove(position(&old, id)?);
        }
    }
    with_buckets(flows, &old, all, done);
    Ok(())
}

fn delete(flows: &mut FlowTables, which: GroupId, done: &mut Vec<Change>) {
    let gone: Vec<GroupId> = flows.groups().meant_by(which).map(|g| g.id).collect();
    for id in gone {
        for rule in flows.groups().rules_using(id) {
            if flows.remove(&rule) {
                done.push(Change::Removed(rule, FlowRemovedReason::GroupDelete));
            }
        }
        let old = flows.groups_mut().take(id);
        done.push(Change::Group(GroupChange { group: id, old, new: None }));
    }
}

fn with_buckets(flows: &mut FlowTables, old: &Group, buckets: Vec<Arc<Bucket>>, done: &mut Vec<Change>) {
    let serial = flows.groups_mut().next_serial();
    put(flows, Group::new(old.id, old.kind, old.selection.clone(), buckets, old.created, serial), done);
}

fn put(flows: &mut FlowTables, group: Group, done: &mut Vec<Change>) {
    if group.kind == GroupKind::Select {
        report::log_choice(&group);
    }
    let new = Arc::new(group);
    let old = flows.groups_mut().put(Arc::clone(&new));
    done.push(Change::Group(GroupChange { group: new.id, old, new: Some(new) }));
}

fn position(group: &Group, id: u32) -> Result<usize, ErrorCode> {
    group.buckets.iter().position(|b| b.said.id == id).ok_or(ErrorCode::OFPGMFC_UNKNOWN_BUCKET)
}

/// Buckets, after a look at whether translation can do what they come to.
fn buckets(said: &[wire::Bucket]) -> Result<Vec<Arc<Bucket>>, ErrorCode> {
    said.iter()
        .map(|bucket| {
            let bucket = Bucket::new(bucket.clone());
            check::packet_out(&bucket.actions)?;
            Ok(Arc::new(bucket))
        })
        .collect()
}
