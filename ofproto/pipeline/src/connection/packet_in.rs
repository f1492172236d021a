//! Packets for controllers: from the workers' queue to the peers that want them.

use weft_base::Time;
use weft_flow::{FieldId, FlowKey, Match};
use weft_openflow::{Cookie, Message, PacketIn, PacketInReason, TableId, Xid};

use crate::config::{ConnectionId, ConnectionKind};
use crate::pipeline::{Control, Pipeline, lock};
use crate::upcall::PacketEvent;

/// Fields of the pipeline that a packet-in reports when they are not zero.
const METADATA: [FieldId; 24] = {
    use FieldId::*;
    [
        TunId, TunSrc, TunDst, TunIpv6Src, TunIpv6Dst, PktMark, Metadata, Reg0, Reg1, Reg2, Reg3, Reg4, Reg5, Reg6,
        Reg7, Reg8, Reg9, Reg10, Reg11, Reg12, Reg13, Reg14, Reg15, CtMark,
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
        if connection.limiter.as_mut().is_some_and(|limit| !limit.take(1, now)) {
            continue;
        }
        let max_len = match reason {
            PacketInReason::IMPLICIT_MISS => connection.miss_send_len,
            _ => event.action.max_len,
        };
        let mut mine = message.clone();
        mine.packet.truncate(max_len.into());
        control.connections.send(id, Xid(0), &Message::PacketIn(mine));
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
        continuation: Vec::new(),
    }
}

/// What the pipeline knew besides the packet: the ingress port, and all else that is not zero.
fn metadata(key: &FlowKey) -> Match {
    let mut metadata = Match::any();
    metadata.set(FieldId::InPortOxm, FieldId::InPortOxm.get(key));
    for field in METADATA {
        let value = field.get(key);
        if value != 0 {
            metadata.set(field, value);
        }
    }
    metadata
}
