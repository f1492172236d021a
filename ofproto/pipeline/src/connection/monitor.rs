//! Flow monitors: a peer follows what becomes of flows.

use std::collections::BTreeMap;
use std::sync::Arc;

use weft_openflow::flow::FlowRemovedReason;
use weft_openflow::monitor::{
    FlowMonitorCommand, FlowMonitorFlags, FlowMonitorRequest, FlowUpdate, FlowUpdateEvent, FlowUpdateFull,
};
use weft_openflow::{ErrorCode, Message, StatsReply, Xid};

use super::notify::means;
use crate::config::ConnectionId;
use crate::flow_mod::Change;
use crate::flow_table::FlowTables;
use crate::pipeline::{Control, Pipeline};
use crate::rule::Rule;
use crate::tables::BridgeId;

/// One peer's monitors.
#[derive(Default)]
pub(crate) struct Monitors {
    all: BTreeMap<u32, FlowMonitorRequest>,
}

impl Monitors {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether there was one of that id.
    pub fn cancel(&mut self, id: u32) -> bool {
        self.all.remove(&id).is_some()
    }

    /// Start, change or end one; returns whether the flows that are there are to be told.
    pub fn request(&mut self, request: FlowMonitorRequest) -> Result<bool, ErrorCode> {
        let known = self.all.contains_key(&request.id);
        match request.command {
            FlowMonitorCommand::Add if known => Err(ErrorCode::OFPMOFC_MONITOR_EXISTS),
            FlowMonitorCommand::Modify | FlowMonitorCommand::Delete if !known => {
                Err(ErrorCode::OFPMOFC_UNKNOWN_MONITOR)
            }
            FlowMonitorCommand::Delete => {
                self.all.remove(&request.id);
                Ok(false)
            }
            FlowMonitorCommand::Add | FlowMonitorCommand::Modify => {
                let initial = request.flags.contains(FlowMonitorFlags::INITIAL);
                self.all.insert(request.id, request);
                Ok(initial)
            }
        }
    }

    /// The flags of all monitors that a rule concerns, as it is or as it was, together.
    fn concerned(&self, rule: &Rule, was: Option<&Rule>) -> FlowMonitorFlags {
        let concerned = self.all.values().filter(|m| concerns(m, rule) || was.is_some_and(|was| concerns(m, was)));
        concerned.fold(FlowMonitorFlags::empty(), |flags, m| flags | m.flags)
    }
}

/// The flows that a new monitor is told of first.
pub(super) fn initial(request: &FlowMonitorRequest, flows: &FlowTables) -> Vec<FlowUpdate> {
    let mut all = Vec::new();
    for table in flows.meant_by(request.table) {
        for rule in table.rules().filter(|r| concerns(request, r)) {
            let with_actions = request.flags.contains(FlowMonitorFlags::INSTRUCTIONS);
            all.push(full(rule, FlowUpdateEvent::Initial, 0, with_actions));
        }
    }
    all
}

impl Pipeline {
    /// Tell the monitors of a bridge's peers.
    pub(super) fn flow_updates(
        &self,
        control: &mut Control,
        by: Option<(ConnectionId, Xid)>,
        bridge: BridgeId,
        changes: &[Change],
    ) {
        let mut messages = Vec::new();
        for (id, connection) in control.connections.of_bridge(bridge) {
            if connection.monitors.all.is_empty() || !connection.has_room() {
                continue;
            }
            let own = by.filter(|(who, _)| *who == id).map(|(_, xid)| xid);
            let updates = updates(&connection.monitors, changes, own);
            if !updates.is_empty() {
                messages.push((id, updates));
            }
        }
        for (id, updates) in messages {
            let message = Message::StatsReply { body: StatsReply::FlowMonitor(updates), more: false };
            control.connections.send(id, Xid(0), &message);
        }
    }
}

fn updates(monitors: &Monitors, changes: &[Change], own: Option<Xid>) -> Vec<FlowUpdate> {
    let mut all = Vec::new();
    for change in changes {
        let (rule, event, wanted, reason): (&Arc<Rule>, _, _, _) = match change {
            Change::Added(rule) | Change::Replaced { new: rule, added: true, .. } => {
                (rule, FlowUpdateEvent::Added, FlowMonitorFlags::ADD, 0)
            }
            Change::Replaced { new, .. } => (new, FlowUpdateEvent::Modified, FlowMonitorFlags::MODIFY, 0),
            Change::Removed(rule, reason) => (rule, FlowUpdateEvent::Removed, FlowMonitorFlags::REMOVED, *reason as u8),
        };
        let was = match change {
            Change::Replaced { old, .. } => Some(&**old),
            Change::Added(_) | Change::Removed(..) => None,
        };
        let flags = monitors.concerned(rule, was);
        if !flags.intersects(wanted) || rule.is_hidden() {
            continue;
        }
        // As OVS has it in every version, ONLY_OWN asks for the peer's own changes in full; it keeps no others back.
        match own {
            Some(xid) if !flags.intersects(FlowMonitorFlags::NO_ABBREV | FlowMonitorFlags::ONLY_OWN) => {
                if !matches!(all.last(), Some(FlowUpdate::Abbrev(last)) if *last == xid) {
                    all.push(FlowUpdate::Abbrev(xid));
                }
            }
            _ => all.push(full(rule, event, reason, flags.contains(FlowMonitorFlags::INSTRUCTIONS))),
        }
    }
    all
}

fn concerns(monitor: &FlowMonitorRequest, rule: &Rule) -> bool {
    means(monitor.table, rule.table)
        && rule.outputs_to(monitor.out_port)
        && rule.uses_group(monitor.out_group)
        && !rule.is_hidden()
        && covers(&monitor.matching, rule)
}

/// Whether the rule matches nothing but what `pattern` matches.
pub(super) fn covers(pattern: &weft_flow::Match, rule: &Rule) -> bool {
    if pattern.mask().is_empty() {
        return true;
    }
    let of_rule = rule.pattern.unpack();
    of_rule.mask().covers(pattern.mask()) && pattern.matches(of_rule.key())
}

fn full(rule: &Rule, event: FlowUpdateEvent, reason: u8, with_actions: bool) -> FlowUpdate {
    let gone = event == FlowUpdateEvent::Removed;
    FlowUpdate::Full(Box::new(FlowUpdateFull {
        event,
        reason: if gone { reason } else { FlowRemovedReason::IdleTimeout as u8 },
        priority: rule.priority as u16,
        idle_timeout: rule.idle_timeout(),
        hard_timeout: rule.hard_timeout(),
        cookie: rule.cookie,
        table: rule.table,
        matching: rule.pattern.unpack(),
        actions: if with_actions { rule.instructions.apply.clone() } else { Vec::new() },
    }))
}
