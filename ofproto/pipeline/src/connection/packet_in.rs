//! Packets for controllers: from the workers' queue to the peers that want them.

use weft_base::Time;
use weft_flow::{FieldId, FlowKey, Match};
use weft_openflow::{Cookie, Message, PacketIn, PacketInReason, TableId, Xid};

use super::Connections;
use crate::config::{ConnectionId, ConnectionKind};
use crate::pipeline::{Control, Pipeline, lock};
use crate::upcall::PacketEvent;

/// Fields of the pipeline that a packet-in reports when they are not zero.
const METADATA: [FieldId; 34] = {
    use FieldId::*;
    [
        TunId, TunSrc, TunDst, TunIpv6Src, TunIpv6Dst, PktMark, Metadata, Reg0, Reg1, Reg2, Reg3, Reg4, Reg5, Reg6,
        Reg7, Reg8, Reg9, Reg10, Reg11, Reg12, Reg13, Reg14, Reg15, CtState, CtZone, CtMark, CtLabel, CtNwSrc, CtNwDst,
        CtIpv6Src, CtIpv6Dst, CtNwProto, CtTpSrc, CtTpDst,
    ]
};

impl Pipeline {
    /// Hand over what workers have queued.
    pub(crate) fn deliver_packets(&self, control: &mut Control, now: Time) {
        loop {
            let Some(event) = lock(self.events()).pop_front() else { return };
            deliver(control, &event, now);
        }
    }
}

fn deliver(control: &mut Control, event: &PacketEvent, now: Time) {
    let reason = PacketInReason(event.action.reason);
    let mut packet_in: Option<PacketIn> = None;
    let whom: Vec<ConnectionId> = control
        .connections
        .of_bridge(event.bridge)
        .filter(|(_, c)| {
            c.settings.kind != ConnectionKind::Snoop
                && c.controller_id == event.action.controller_id
                && c.wants_packet_in(reason)
                && (reason != PacketInReason::IMPLICIT_MISS || c.wants_implicit_miss())
                && c.has_room()
        })
        .map(|(id, _)| id)
        .collect();
    for id in whom {
        let message = packet_in.get_or_insert_with(|| make(event));
        let Some(connection) = control.connections.get_mut(id) else { continue };
        let max_len = match reason {
            PacketInReason::IMPLICIT_MISS => connection.miss_send_len,
            _ => event.action.max_len,
        };
        let mut mine = message.clone();
        mine.packet.truncate(max_len.into());
        let port = FieldId::InPortOxm.get(&event.key) as u32;
        control.connections.send_packet_in(id, port, mine, now);
    }
}

impl Connections {
    /// Sends a packet-in, at once or when the connection's rate limit lets it pass.
    pub(super) fn send_packet_in(&mut self, id: ConnectionId, port: u32, packet_in: PacketIn, now: Time) {
        let Some(connection) = self.get_mut(id) else { return };
        let miss = [PacketInReason::NO_MATCH, PacketInReason::IMPLICIT_MISS, PacketInReason::EXPLICIT_MISS];
        let which = usize::from(!miss.contains(&packet_in.reason));
        let passed = match &mut connection.pace {
            Some(pace) => pace[which].offer(port, packet_in, now),
            None => Some(packet_in),
        };
        if let Some(packet_in) = passed {
            self.pass(id, packet_in);
        }
    }

    /// Sends the packet-ins that have waited long enough; says when the next is due.
    pub(super) fn run_paces(&mut self, now: Time) -> Time {
        let mut due = Vec::new();
        let mut next = Time::MAX;
        for (id, connection) in self.iter_mut() {
            for pace in connection.pace.iter_mut().flatten() {
                while let Some(packet_in) = pace.take(now) {
                    due.push((id, packet_in));
                }
                next = next.min(pace.next_due());
            }
        }
        due.into_iter().for_each(|(id, packet_in)| self.pass(id, packet_in));
        next
    }

    fn pass(&mut self, id: ConnectionId, packet_in: PacketIn) {
        let Some(connection) = self.get_mut(id) else { return };
        // A peer that does not read loses packets, not memory.
        if connection.waiting < connection.settings.queue_size {
            connection.waiting += 1;
            self.send(id, Xid(0), &Message::PacketIn(packet_in));
        }
    }
}

fn make(event: &PacketEvent) -> PacketIn {
    let action = &event.action;
    PacketIn {
        packet: event.packet.clone(),
        total_len: event.packet.len(),
        buffer_id: None,
        reason: PacketInReason(action.reason),
        table: Some(TableId(action.table_id)),
        cookie: (action.rule_cookie != u64::MAX).then_some(Cookie(action.rule_cookie)),
        metadata: metadata(&event.key),
        userdata: action.userdata.clone(),
        continuation: event.continuation.clone(),
    }
}

/// What the pipeline knew besides the packet: the ingress port, and all else that is not zero.
fn metadata(key: &FlowKey) -> Match {
    let mut metadata = Match::any();
    metadata.set(FieldId::InPortOxm, FieldId::InPortOxm.get(key));
    for field in METADATA.into_iter().chain([FieldId::PacketType]) {
        let value = field.get(key);
        if value != 0 {
            metadata.set(field, value);
        }
    }
    metadata
}
