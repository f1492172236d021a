//! Flow mods that a peer sends in a row: those that add are done together, those for a bundle go into it, big deletions
//! are done in steps.
//!
//! Why: a lock, a look for who wants to be told and a wake-up for each of a million flows would cost more than the
//! flows; a lock held for all of them would make frames wait that need a verdict. And a flow mod is big: here all are
//! read into one.
//! How: [`Pipeline::join`] prepares a flow mod without the tables; [`Pipeline::finish`] adds at most [`MOST`] of them
//! under one lock. Errors are told in the order of the messages, before whatever comes next is answered.
//!
//! Invariants: nobody monitors the flows of a bridge whose flow mods are batched, so nobody is told late. What does not
//! join, for whatever reason, is handled as any message, which tells what is wrong with it.

use weft_base::Time;
use weft_openflow::codec::{self as wire, Dialect, Kind};
use weft_openflow::controller::Role;
use weft_openflow::{ErrorCode, FlowMod, FlowModCommand, Version, Xid};

use super::bundle::{STAGED_ATTEMPTS, first_message};
use super::xid_of;
use crate::config::{ConnectionId, ConnectionKind};
use crate::flow_mod::{self, Change, Ready};
use crate::flow_table::{FlowTables, Waste};
use crate::pipeline::{Control, Pipeline};
use crate::tables::BridgeId;
use crate::tlv;

/// Flow mods that wait for the tables.
#[derive(Default)]
pub(super) struct Batch {
    ready: Vec<(Xid, Ready, usize)>,
    /// Their bytes, for errors to quote; the number is where they begin.
    quotes: Vec<u8>,
    done: Vec<Change>,
    /// Whether batches may be made; found out once.
    allowed: Option<bool>,
    /// What is being read.
    todo: Option<Box<FlowMod>>,
}

/// How many flows are added under one lock.
const MOST: usize = 128;
/// How many flows are removed under one lock.
const MOST_REMOVED: usize = 512;
/// How many flows are changed under one lock.
const MOST_CHANGED: usize = 4096;

impl Pipeline {
    /// Whether a message joined the batch, or its bundle; else it is to be handled like any other.
    pub(super) fn join(
        &self,
        control: &mut Control,
        id: ConnectionId,
        bytes: &[u8],
        batch: &mut Batch,
        now: Time,
    ) -> bool {
        let Some(connection) = control.connections.get_mut(id) else { return false };
        let Some(version) = connection.version else { return false };
        if !may_join(bytes, version) || connection.role == Role::Secondary {
            return false;
        }
        let dialect = Dialect { version, ..connection.dialect };
        let (bridge, kind) = (connection.bridge, connection.settings.kind);
        let todo = batch.todo.get_or_insert_default();
        let head = match wire::decode_flow_mod(bytes, &dialect, todo) {
            Ok(Some(head)) => head,
            Ok(None) => return false,
            Err(wrong) => {
                self.finish(control, id, batch, now);
                if kind == ConnectionKind::Controller {
                    control.connections.snoop(bridge, bytes);
                }
                control.connections.send(id, xid_of(bytes), &wire::error_reply(wrong.code, bytes));
                return true;
            }
        };
        // tunnel options have to be bound to the bridge's places first
        if todo.buffer_id.is_some() || tlv::flow_mod_speaks_of_options(todo) {
            return false;
        }
        match head.bundle {
            Some(which) if !connection.bundles.takes(which) => return false,
            Some(_) => {}
            None if !*batch.allowed.get_or_insert_with(|| !control.connections.is_monitored(bridge)) => return false,
            None => {}
        }
        let Ok(ready) = flow_mod::prepare(todo, version, &mut control.shared, now) else { return false };
        let Some(connection) = control.connections.get_mut(id) else { return false };
        connection.admitted = true; // whoever adds flows has taken charge
        if kind == ConnectionKind::Controller {
            control.connections.snoop(bridge, bytes);
        }
        if let Some((bundle, _)) = head.bundle {
            self.finish(control, id, batch, now);
            self.put_into_bundle(control, id, bundle, (head.xid, ready, &bytes[head.at..]), now);
            return true;
        }
        batch.ready.push((head.xid, ready, batch.quotes.len()));
        batch.quotes.extend_from_slice(bytes);
        if batch.ready.len() == MOST {
            self.finish(control, id, batch, now);
        }
        true
    }

    /// Do what was collected.
    pub(super) fn finish(&self, control: &mut Control, id: ConnectionId, batch: &mut Batch, now: Time) {
        if batch.ready.is_empty() {
            return;
        }
        let Some(bridge) = control.connections.get_mut(id).map(|c| c.bridge) else { return };
        let mut errors = Vec::new();
        if let Some(target) = self.read().bridge(bridge) {
            let rules = || batch.ready.iter().filter_map(|(_, ready, _)| flow_mod::new_rule(ready));
            let table = rules().next().and_then(|first| target.flows.table(first.table));
            table.into_iter().for_each(|table| table.glance(rules().filter(|rule| rule.table == table.id)));
        }
        {
            let mut tables = self.write();
            let mut target = tables.bridge_mut(bridge);
            for (xid, ready, quote) in batch.ready.drain(..) {
                let outcome = match &mut target {
                    Some(target) => flow_mod::apply(&mut target.flows, &ready, now, &mut batch.done),
                    None => Err(ErrorCode::OFPBRC_EPERM),
                };
                errors.extend(outcome.err().map(|code| (xid, code, quote)));
            }
        }
        for (xid, code, quote) in errors {
            control.connections.send(id, xid, &wire::error_reply(code, first_message(&batch.quotes[quote..])));
        }
        batch.quotes.clear();
        self.changes_made(control, None, bridge, &batch.done, now);
        batch.done.clear();
    }

    /// A flow mod that is no simple addition. Many removals are done in steps, each under a lock of its own.
    pub(super) fn change_flows(
        &self,
        bridge: BridgeId,
        ready: Ready,
        now: Time,
        done: &mut Vec<Change>,
    ) -> Result<(), ErrorCode> {
        let removals = {
            let tables = self.read();
            let flows = &tables.bridge(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?.flows;
            flow_mod::removals(flows, &ready).map(|gone| {
                let steps = flow_mod::steps(flows, &gone, MOST_REMOVED);
                (gone, steps)
            })
        };
        let mut waste = Waste::default();
        match removals {
            Some((gone, steps)) => {
                let mut gone = gone.into_iter();
                for step in steps {
                    let some = gone.by_ref().take(step.len).collect();
                    let mut tables = self.write();
                    let flows = &mut tables.bridge_mut(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?.flows;
                    flow_mod::remove_step(flows, &step, some, done);
                    crate::learn::remove_orphans(flows, done);
                    waste.add(flows.take_waste());
                }
            }
            None if self.change_staged(bridge, &ready, now, done)? => {}
            None => {
                let mut tables = self.write();
                let flows = &mut tables.bridge_mut(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?.flows;
                flow_mod::apply(flows, &ready, now, done)?;
            }
        }
        Ok(())
    }
}

impl Pipeline {
    /// A flow mod that changes many flows is done on a copy of the tables, as a big bundle is. False: it is to be done
    /// under the lock.
    fn change_staged(
        &self,
        bridge: BridgeId,
        ready: &Ready,
        now: Time,
        done: &mut Vec<Change>,
    ) -> Result<bool, ErrorCode> {
        let is_big = |flows: &FlowTables| flow_mod::changes_more_than(flows, ready, MOST_CHANGED);
        if !self.read().bridge(bridge).is_some_and(|bridge| is_big(&bridge.flows)) {
            return Ok(false);
        }
        for _ in 0..STAGED_ATTEMPTS {
            let mut staged = self.read().bridge(bridge).map(|b| b.flows.stage()).ok_or(ErrorCode::OFPBRC_EPERM)?;
            let mut changes = Vec::new();
            flow_mod::apply(&mut staged, ready, now, &mut changes)?;
            let _waste: Waste;
            let mut tables = self.write();
            let target = tables.bridge_mut(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?;
            if target.flows.commit(staged) {
                _waste = target.flows.take_waste();
                drop(tables);
                done.append(&mut changes);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a message is a flow mod that adds, or one in a bundle, as far as its first bytes say.
fn may_join(bytes: &[u8], version: Version) -> bool {
    let may_be = match bytes {
        [said_in, ..] if *said_in != version as u8 => false,
        [_, FLOW_MOD, ..] => true,
        [_, BUNDLE_ADD, ..] => version >= Version::V14,
        [_, EXPERIMENTER, ..] => matches!(bytes.get(8..16), Some(NX_FLOW_MOD | ONF_BUNDLE_ADD)),
        _ => false,
    };
    let command = match (may_be.then(|| wire::kind_of(bytes)), version) {
        (Some(Ok(Kind::BundleAdd | Kind::OnfBundleAdd)), _) => return true,
        (Some(Ok(Kind::FlowMod)), Version::V10) => bytes.get(57),
        (Some(Ok(Kind::FlowMod | Kind::NxFlowMod)), _) => bytes.get(25),
        _ => None,
    };
    command == Some(&(FlowModCommand::Add as u8))
}

/// Types of messages, and what stands behind an experimenter's header.
const EXPERIMENTER: u8 = 4;
const FLOW_MOD: u8 = 14;
const BUNDLE_ADD: u8 = 34;
const NX_FLOW_MOD: &[u8] = &[0, 0, 0x23, 0x20, 0, 0, 0, 13];
const ONF_BUNDLE_ADD: &[u8] = &[0x4f, 0x4e, 0x46, 0, 0, 0, 0x08, 0xfd];
