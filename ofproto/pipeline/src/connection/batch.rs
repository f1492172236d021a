//! Flow mods that a peer sends in a row: those that add are done together, big deletions in steps.
//!
//! Why: a lock, a look for who wants to be told and a wake-up for each of a million flows would cost more than the
//! flows; a lock held for all of them would make frames wait that need a verdict.
//! How: [`Pipeline::join`] prepares a flow mod without the tables; [`Pipeline::finish`] adds at most [`MOST`] of them
//! under one lock. Errors are told in the order of the messages, before whatever comes next is answered.
//!
//! Invariant: nobody monitors the flows of a bridge whose flow mods are batched, so nobody is told late.

use weft_base::Time;
use weft_openflow::codec::{self as wire, Dialect, Kind};
use weft_openflow::controller::Role;
use weft_openflow::{ErrorCode, FlowModCommand, Message, Version, Xid};

use super::bundle::first_message;
use crate::config::{ConnectionId, ConnectionKind};
use crate::flow_mod::{self, Change, Ready};
use crate::flow_table::Waste;
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
}

/// How many flows are added under one lock.
const MOST: usize = 128;
/// How many flows are removed under one lock.
const MOST_REMOVED: usize = 512;

impl Pipeline {
    /// Whether a message joined the batch; else it is to be handled like any other.
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
        if !adds_flow(bytes, version) || connection.role == Role::Secondary {
            return false;
        }
        connection.admitted = true; // whoever adds flows has taken charge
        let dialect = Dialect { version, ..connection.dialect };
        let (bridge, kind) = (connection.bridge, connection.settings.kind);
        if !*batch.allowed.get_or_insert_with(|| !control.connections.is_monitored(bridge)) {
            return false;
        }
        let Ok(mut incoming) = wire::decode(bytes, &dialect) else { return false };
        // tunnel options have to be bound to the bridge's places first
        if tlv::speaks_of_options(&mut incoming.message) {
            return false;
        }
        let Message::FlowMod(todo) = incoming.message else { return false };
        if todo.buffer_id.is_some() {
            return false;
        }
        let Ok(ready) = flow_mod::prepare(todo, version, &mut control.shared, now) else { return false };
        if kind == ConnectionKind::Controller {
            control.connections.snoop(bridge, bytes);
        }
        batch.ready.push((incoming.xid, ready, batch.quotes.len()));
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
                let mut rest = &gone[..];
                for len in steps {
                    let (step, later) = rest.split_at(len);
                    rest = later;
                    let mut tables = self.write();
                    let flows = &mut tables.bridge_mut(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?.flows;
                    flow_mod::remove_all(flows, step);
                    crate::learn::remove_orphans(flows, done);
                    waste.add(flows.take_waste());
                }
                flow_mod::removed(gone, done);
            }
            None => {
                let mut tables = self.write();
                let flows = &mut tables.bridge_mut(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?.flows;
                flow_mod::apply(flows, &ready, now, done)?;
            }
        }
        Ok(())
    }
}

/// Whether a message is a flow mod that adds, as far as its first bytes say.
fn adds_flow(bytes: &[u8], version: Version) -> bool {
    let command = match (wire::kind_of(bytes), version) {
        (Ok(Kind::FlowMod), Version::V10) => bytes.get(57),
        (Ok(Kind::FlowMod | Kind::NxFlowMod), _) => bytes.get(25),
        _ => None,
    };
    bytes[0] == version as u8 && command == Some(&(FlowModCommand::Add as u8))
}
