//! Packets between switch and controller.

use weft_flow::{Match, OfPort};

use crate::action::Action;
use crate::ids::{Cookie, TableId};

/// A packet for a controller. `metadata` holds what the pipeline knew (in_port, registers, tunnel, metadata ...).
#[derive(Clone, PartialEq, Debug)]
pub struct PacketIn {
    /// The packet, possibly cut.
    pub packet: Vec<u8>,
    /// Length before it was cut.
    pub total_len: usize,
    /// The number under which the switch keeps the whole packet.
    pub buffer_id: Option<u32>,
    /// Why.
    pub reason: PacketInReason,
    /// Which table's flow sent it (`None`: not said).
    pub table: Option<TableId>,
    /// That flow's cookie (`None`: not said or not a flow).
    pub cookie: Option<Cookie>,
    /// Fields of the pipeline; in_port among them.
    pub metadata: Match,
    /// The controller action's opaque bytes (NXT_PACKET_IN2).
    pub userdata: Vec<u8>,
    /// What NXT_RESUME must bring back (NXT_PACKET_IN2).
    pub continuation: Vec<u8>,
}

impl Default for PacketIn {
    fn default() -> PacketIn {
        PacketIn {
            packet: Vec::new(),
            total_len: 0,
            buffer_id: None,
            reason: PacketInReason::NO_MATCH,
            table: None,
            cookie: None,
            metadata: Match::any(),
            userdata: Vec::new(),
            continuation: Vec::new(),
        }
    }
}

/// OFPR_*: the numbers of OpenFlow 1.4 and later, which older versions see reduced.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PacketInReason(pub u8);

#[allow(missing_docs, reason = "the specification's names")]
impl PacketInReason {
    pub const NO_MATCH: PacketInReason = PacketInReason(0);
    pub const ACTION: PacketInReason = PacketInReason(1);
    pub const INVALID_TTL: PacketInReason = PacketInReason(2);
    pub const ACTION_SET: PacketInReason = PacketInReason(3);
    pub const GROUP: PacketInReason = PacketInReason(4);
    pub const PACKET_OUT: PacketInReason = PacketInReason(5);
    /// OVS: an explicit table-miss flow; on the wire NO_MATCH (1.3+) or ACTION.
    pub const EXPLICIT_MISS: PacketInReason = PacketInReason(6);
    /// OVS: a table miss that the table's configuration sends; on the wire NO_MATCH.
    pub const IMPLICIT_MISS: PacketInReason = PacketInReason(7);
}

/// Which message carries packets to this controller.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum PacketInFormat {
    /// The version's own OFPT_PACKET_IN.
    #[default]
    Standard,
    /// NXT_PACKET_IN.
    Nxt,
    /// NXT_PACKET_IN2.
    Nxt2,
}

/// A packet from a controller, to be sent.
#[derive(Clone, PartialEq, Debug)]
pub struct PacketOut {
    /// The packet, empty when `buffer_id` is set.
    pub packet: Vec<u8>,
    /// The switch has it under this number.
    pub buffer_id: Option<u32>,
    /// Fields to start with: in_port always, in 1.5 any pipeline field.
    pub metadata: Match,
    /// What to do with it.
    pub actions: Vec<Action>,
}

impl PacketOut {
    /// Where it pretends to come from.
    pub fn in_port(&self) -> OfPort {
        OfPort(self.metadata.get(weft_flow::FieldId::InPortOxm).0 as u32)
    }
}
