//! Flow monitors: a peer follows what becomes of flows.
//!
//! What a peer does not read must not pile up (OVS's extension says how): once [`LIMIT`] bytes wait, it is told PAUSED,
//! and hears of nothing but the end of flows that it knows. When it has read everything it is told of each flow that is
//! new or different since, once, and then RESUMED.
//!
//! Invariant: while a peer is paused, at most one note per living flow is kept for it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use weft_openflow::codec::Dialect;
use weft_openflow::flow::FlowRemovedReason;
use weft_openflow::monitor::{
    FlowMonitorCommand, FlowMonitorFlags, FlowMonitorRequest, FlowUpdate, FlowUpdateEvent, FlowUpdateFull,
};
use weft_openflow::{ErrorCode, Message, StatsReply, Version, Xid};

use super::notify::means;
use crate::config::ConnectionId;
use crate::flow_mod::Change;
use crate::pipeline::{Control, Pipeline};
use crate::rule::Rule;
use crate::tables::BridgeId;

/// One peer's monitors.
#[derive(Default)]
pub(crate) struct Monitors {
    all: BTreeMap<u32, FlowMonitorRequest>,
    paused: Option<Paused>,
}

/// Changes that are told at a time.
const BATCH: usize = 256;
/// Bytes that may wait for a peer before its monitors are paused.
const LIMIT: usize = 128 << 10;

/// What a peer has not heard of yet: flows that are new or changed since it was paused, by their address.
#[derive(Default)]
struct Paused {
    missed: HashMap<usize, Missed>,
    next: u64,
}

struct Missed {
    rule: Arc<Rule>,
    /// The peer does not know the flow at all.
    is_new: bool,
    /// Order of the notes.
    at: u64,
}

impl Paused {
    /// Note a change; true if the peer is to hear of it now: a flow that it knows is gone.
    fn note(&mut self, change: &Change) -> bool {
        match change {
            Change::Added(rule) => self.miss(rule, true),
            Change::Replaced { old, new, .. } => {
                let was_new = self.missed.remove(&address(old)).is_some_and(|m| m.is_new);
                self.miss(new, was_new);
            }
            Change::Group(_) => {}
            Change::Removed(rule, _) => return self.missed.remove(&address(rule)).is_none_or(|m| !m.is_new),
        }
        false
    }

    fn miss(&mut self, rule: &Arc<Rule>, is_new: bool) {
        self.next += 1;
        self.missed.insert(address(rule), Missed { rule: rule.clone(), is_new, at: self.next });
    }

    /// Everything missed, in the order in which it happened.
    fn changes(self) -> Vec<Change> {
        let mut missed: Vec<Missed> = self.missed.into_values().collect();
        missed.sort_unstable_by_key(|m| m.at);
        let change = |m: Missed| match m.is_new {
            true => Change::Added(m.rule),
            false => Change::Replaced { old: m.rule.clone(), new: m.rule, added: false, reset: false },
        };
        missed.into_iter().map(change).collect()
    }
}

fn address(rule: &Arc<Rule>) -> usize {
    Arc::as_ptr(rule) as usize
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

    /// Whether the peer is paused, and hears what it missed once it has read everything.
    pub fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// The flags of all monitors that a rule concerns, as it is or as it was, together.
    fn concerned(&self, rule: &Rule, was: Option<&Rule>) -> FlowMonitorFlags {
        let concerned = self.all.values().filter(|m| concerns(m, rule) || was.is_some_and(|was| concerns(m, was)));
        concerned.fold(FlowMonitorFlags::empty(), |flags, m| flags | m.flags)
    }
}

/// A flow that a new monitor starts with.
pub(super) fn initial(rule: &Rule, with_actions: bool) -> FlowUpdate {
    full(rule, FlowUpdateEvent::Initial, 0, with_actions)
}

impl Pipeline {
    /// Start, change or end monitors; the answer has the flows that they start with.
    pub(super) fn monitor_requests(
        &self,
        control: &mut Control,
        id: ConnectionId,
        said: (Xid, Dialect),
        requests: Vec<FlowMonitorRequest>,
    ) -> Result<(), ErrorCode> {
        let Some(connection) = control.connections.get_mut(id) else { return Ok(()) };
        let mut rules = Vec::new();
        let mut with_actions = false;
        for request in requests {
            if !connection.monitors.request(request.clone())? {
                continue;
            }
            with_actions |= request.flags.contains(FlowMonitorFlags::INSTRUCTIONS);
            if let Some(bridge) = self.read().bridge(connection.bridge) {
                let tables = bridge.flows.meant_by(request.table).iter();
                let meant = tables.flat_map(|t| t.covered_by(&request.matching)).filter(|r| concerns(&request, r));
                rules.extend(meant.cloned());
            }
        }
        self.answer_monitor(control, id, said, rules, with_actions);
        Ok(())
    }

    /// Tell the monitors of a bridge's peers.
    pub(super) fn flow_updates(
        &self,
        control: &mut Control,
        by: Option<(ConnectionId, Xid)>,
        bridge: BridgeId,
        changes: &[Change],
    ) {
        if control.connections.is_monitored(bridge) {
            changes.chunks(BATCH).for_each(|some| self.some_updates(control, by, bridge, some));
        }
    }

    fn some_updates(
        &self,
        control: &mut Control,
        by: Option<(ConnectionId, Xid)>,
        bridge: BridgeId,
        changes: &[Change],
    ) {
        let mut messages = Vec::new();
        let mut to_pause = Vec::new();
        for (id, connection) in control.connections.of_bridge(bridge) {
            if connection.monitors.all.is_empty() {
                continue;
            }
            let own = by.filter(|(who, _)| *who == id).map(|(_, xid)| xid);
            let monitors = &mut connection.monitors;
            let updates = match monitors.paused.take() {
                None => updates(monitors, changes, own),
                Some(mut paused) => {
                    let gone: Vec<Change> = changes.iter().filter(|c| paused.note(c)).cloned().collect();
                    monitors.paused = Some(paused);
                    updates(monitors, &gone, None)
                }
            };
            if !updates.is_empty() {
                messages.push((id, updates));
            }
        }
        for (id, updates) in messages {
            send(control, id, updates);
            let full = |c: &&mut super::Connection| c.backlog > LIMIT && c.monitors.paused.is_none();
            if let Some(connection) = control.connections.get_mut(id).filter(full) {
                connection.monitors.paused = Some(Paused::default());
                to_pause.push(id);
            }
        }
        for id in to_pause {
            pause_or_resume(control, id, FlowUpdate::Paused);
        }
    }

    /// A paused peer that has read everything hears what it has missed.
    pub(super) fn resume_monitors(&self, control: &mut Control, id: ConnectionId) {
        let Some(connection) = control.connections.get_mut(id) else { return };
        if connection.backlog > 0 || connection.answer.is_some() {
            return;
        }
        let Some(paused) = connection.monitors.paused.take() else { return };
        let updates = updates(&connection.monitors, &paused.changes(), None);
        send(control, id, updates);
        pause_or_resume(control, id, FlowUpdate::Resumed);
    }
}

impl super::Connections {
    /// Whether anybody follows what becomes of the bridge's flows.
    pub(super) fn is_monitored(&mut self, bridge: BridgeId) -> bool {
        self.of_bridge(bridge).any(|(_, c)| !c.monitors.is_empty())
    }
}

fn send(control: &mut Control, id: ConnectionId, updates: Vec<FlowUpdate>) {
    if !updates.is_empty() {
        let message = Message::StatsReply { body: StatsReply::FlowMonitor(updates), more: false };
        control.connections.send(id, Xid(0), &message);
    }
}

/// Before 1.4 a message of its own, since then an update.
fn pause_or_resume(control: &mut Control, id: ConnectionId, which: FlowUpdate) {
    let Some(connection) = control.connections.get_mut(id) else { return };
    if connection.version() >= Version::V14 {
        return send(control, id, vec![which]);
    }
    let message = match which {
        FlowUpdate::Paused => Message::FlowMonitorPaused,
        _ => Message::FlowMonitorResumed,
    };
    control.connections.send(id, Xid(0), &message);
}

fn updates(monitors: &Monitors, changes: &[Change], own: Option<Xid>) -> Vec<FlowUpdate> {
    let mut all = Vec::new();
    for change in changes {
        let (rule, event, wanted, reason): (&Arc<Rule>, _, _, _) = match change {
            Change::Added(rule) | Change::Replaced { new: rule, added: true, .. } => {
                (rule, FlowUpdateEvent::Added, FlowMonitorFlags::ADD, 0)
            }
            Change::Replaced { new, .. } => (new, FlowUpdateEvent::Modified, FlowMonitorFlags::MODIFY, 0),
            Change::Group(_) => continue,
            Change::Removed(rule, reason) => (rule, FlowUpdateEvent::Removed, FlowMonitorFlags::REMOVED, *reason as u8),
        };
        let was = match change {
            Change::Replaced { old, .. } => Some(&**old),
            Change::Added(_) | Change::Removed(..) | Change::Group(_) => None,
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
