//! Telling peers what happened: flow removed, port status, flow updates, and who wants which of them.
//!
//! Who hears what (OVS's design document, "Asynchronous Messages"): a service connection hears nothing before it sets a
//! miss_send_len; a secondary hears of ports only; beyond that each peer says by its async configuration.

use weft_base::Time;
use weft_openflow::controller::{AsyncConfig, Role};
use weft_openflow::flow::{FlowRemoved, FlowRemovedReason};
use weft_openflow::port::{PortDesc, PortReason, PortStatus};
use weft_openflow::{Cookie, FlowModFlags, Message, PacketInReason, TableId, Version, Xid};

use super::Connection;
use crate::bridge::Port;
use crate::config::{ConnectionId, ConnectionKind};
use crate::flow_mod::{Change, settle};
use crate::pipeline::{Control, Pipeline};
use crate::rule::Rule;
use crate::tables::BridgeId;
use std::sync::Arc;

/// Every reason of packet-ins but TTLs.
const PACKET_IN_DEFAULT: u32 = !(1 << PacketInReason::INVALID_TTL.0);

impl Connection {
    /// Which reasons of a kind it hears of, as primary or equal (0) and as secondary (1).
    fn wants(&self, chosen: [Option<u32>; 2], default: [u32; 2], reason: u8) -> bool {
        let nobody = self.version.is_none() || self.closing || self.settings.kind == ConnectionKind::Snoop;
        let deaf = self.settings.kind == ConnectionKind::Service && self.miss_send_len == 0;
        let i = usize::from(self.role == Role::Secondary);
        !nobody && !deaf && chosen[i].unwrap_or(default[i]) >> reason & 1 == 1
    }

    pub fn wants_packet_in(&self, reason: PacketInReason) -> bool {
        let ttl = if self.invalid_ttl { 1 << PacketInReason::INVALID_TTL.0 } else { 0 };
        let wire = match reason {
            PacketInReason::IMPLICIT_MISS => PacketInReason::NO_MATCH,
            PacketInReason::EXPLICIT_MISS if self.version() >= Version::V13 => PacketInReason::NO_MATCH,
            PacketInReason::EXPLICIT_MISS => PacketInReason::ACTION,
            other => other,
        };
        self.wants(self.wanted.packet_in, [PACKET_IN_DEFAULT | ttl, 0], wire.0)
    }

    /// OpenFlow 1.3 and later drop what no flow matches; older versions send it.
    pub fn wants_implicit_miss(&self) -> bool {
        self.version.is_some_and(|v| v < Version::V13) && self.wants_packet_in(PacketInReason::IMPLICIT_MISS)
    }

    fn wants_flow_removed(&self, reason: FlowRemovedReason) -> bool {
        self.wants(self.wanted.flow_removed, [u32::MAX, 0], reason as u8)
    }

    pub(super) fn wants_request_forward(&self, reason: u8) -> bool {
        let nobody = self.version.is_none() || self.closing || self.settings.kind == ConnectionKind::Snoop;
        let chosen = self.wanted.request_forward[usize::from(self.role == Role::Secondary)];
        !nobody && chosen.unwrap_or(0) >> reason & 1 == 1
    }

    fn wants_port_status(&self, reason: PortReason) -> bool {
        self.wants(self.wanted.port_status, [u32::MAX, u32::MAX], reason as u8)
    }

    /// Nobody hears of tables who has not asked.
    pub fn wants_table_status(&self, reason: u8) -> bool {
        self.version() >= Version::V14 && self.wants(self.wanted.table_status, [0, 0], reason)
    }

    pub fn set_async(&mut self, new: &AsyncConfig) {
        let merge = |old: &mut [Option<u32>; 2], new: &[Option<u32>; 2]| {
            for (old, new) in old.iter_mut().zip(new) {
                *old = new.or(*old);
            }
        };
        merge(&mut self.wanted.packet_in, &new.packet_in);
        merge(&mut self.wanted.port_status, &new.port_status);
        merge(&mut self.wanted.flow_removed, &new.flow_removed);
        merge(&mut self.wanted.role_status, &new.role_status);
        merge(&mut self.wanted.table_status, &new.table_status);
        merge(&mut self.wanted.request_forward, &new.request_forward);
    }

    /// What GET_ASYNC_REPLY says: the defaults where nothing was set.
    pub fn shown_async(&self) -> AsyncConfig {
        let or = |chosen: [Option<u32>; 2], primary: u32, secondary: u32| {
            [Some(chosen[0].unwrap_or(primary)), Some(chosen[1].unwrap_or(secondary))]
        };
        let later = self.version() >= Version::V14;
        let packet_in = if later { 0b11_1011 } else { 0b011 };
        let flow_removed = if later { 0b11_1111 } else { 0b1111 };
        AsyncConfig {
            packet_in: or(self.wanted.packet_in, packet_in, 0),
            port_status: or(self.wanted.port_status, 0b111, 0b111),
            flow_removed: or(self.wanted.flow_removed, flow_removed, 0),
            role_status: if later { or(self.wanted.role_status, 0, 0) } else { [None; 2] },
            table_status: if later { or(self.wanted.table_status, 0, 0) } else { [None; 2] },
            request_forward: if later { or(self.wanted.request_forward, 0, 0) } else { [None; 2] },
        }
    }
}

impl Pipeline {
    /// Changes of a bridge's flows are final: hand counters over, tell who wants to know, look for what they affect.
    pub(crate) fn changes_made(
        &self,
        control: &mut Control,
        by: Option<(ConnectionId, Xid)>,
        bridge: BridgeId,
        changes: &[Change],
        now: Time,
    ) {
        if changes.is_empty() {
            return;
        }
        let told =
            |c: &Change| matches!(c, Change::Removed(rule, _) if rule.flags.contains(FlowModFlags::SEND_FLOW_REM));
        if changes.iter().any(told) {
            self.push_all(); // the counters that a removal reports are to be exact
        }
        settle(changes);
        self.changed();
        for change in changes {
            if let Change::Removed(rule, reason) = change {
                self.flow_removed(control, bridge, rule, *reason, now);
            }
        }
        self.flow_updates(control, by, bridge, changes);
        self.vacancy_events(control, bridge, changes);
    }

    /// A rule has timed out (or went with its bridge's mode).
    pub(crate) fn rule_removed(
        &self,
        control: &mut Control,
        bridge: BridgeId,
        rule: &Arc<Rule>,
        reason: FlowRemovedReason,
        now: Time,
    ) {
        self.change_settled(control, bridge, Change::Removed(rule.clone(), reason), now);
    }

    /// A change that was settled when it was made.
    pub(crate) fn change_settled(&self, control: &mut Control, bridge: BridgeId, change: Change, now: Time) {
        if let Change::Removed(rule, reason) = &change {
            self.flow_removed(control, bridge, rule, *reason, now);
        }
        let changes = [change];
        self.flow_updates(control, None, bridge, &changes);
        self.vacancy_events(control, bridge, &changes);
    }

    fn flow_removed(&self, control: &mut Control, bridge: BridgeId, rule: &Rule, reason: FlowRemovedReason, now: Time) {
        if !rule.flags.contains(FlowModFlags::SEND_FLOW_REM) || rule.is_hidden() {
            return;
        }
        let (packet_count, byte_count, _) = rule.counters();
        let message = Message::FlowRemoved(FlowRemoved {
            matching: rule.pattern.unpack(),
            cookie: Cookie(rule.cookie.0),
            priority: rule.priority as u16,
            reason,
            table: rule.table,
            duration: rule.age(now),
            idle_timeout: rule.idle_timeout(),
            hard_timeout: rule.hard_timeout(),
            packet_count,
            byte_count,
        });
        self.tell(control, bridge, &message, |c| c.wants_flow_removed(reason));
    }

    /// A port has come, gone or changed.
    pub(crate) fn port_status(
        &self,
        control: &mut Control,
        bridge: BridgeId,
        reason: PortReason,
        desc: PortDesc,
        _now: Time,
    ) {
        let message = Message::PortStatus(PortStatus { reason, desc });
        self.tell(control, bridge, &message, |c| c.wants_port_status(reason));
    }

    /// See [`Pipeline::port_status`].
    pub(crate) fn port_changed(&self, control: &mut Control, bridge: BridgeId, reason: PortReason, port: &Port) {
        self.port_status(control, bridge, reason, super::features::port_desc(port), Time::ZERO);
    }

    pub(super) fn tell(
        &self,
        control: &mut Control,
        bridge: BridgeId,
        message: &Message,
        wants: impl Fn(&Connection) -> bool,
    ) {
        let whom: Vec<ConnectionId> =
            control.connections.of_bridge(bridge).filter(|(_, c)| wants(c) && c.has_room()).map(|(id, _)| id).collect();
        for id in whom {
            control.connections.send(id, Xid(0), message);
        }
    }
}

/// Whether a table number in a request means this table.
pub(super) fn means(asked: TableId, table: TableId) -> bool {
    asked == TableId::ALL || asked == table
}
