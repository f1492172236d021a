//! What the pipeline does while no controller is in charge: hidden rules, and the packet that asks for an answer.
//!
//! Why: a bridge that has failed open forwards by itself until a controller does more than say hello. One that only answers
//! to packets would never do more, as no packet reaches it; so it gets one that matters to nobody: a reverse ARP request
//! from an address of no host.

use weft_base::Time;
use weft_flow::{FieldId, Match, OfPort};
use weft_openflow::{Message, PacketIn, PacketInReason, TableId, Xid};

use crate::config::{ConfigError, ConnectionId, HiddenRule};
use crate::pipeline::Pipeline;

impl Pipeline {
    /// The rules of in-band control on a bridge shall be these and no others.
    ///
    /// # Errors
    /// If there is no such bridge.
    pub fn set_in_band(&self, bridge: &str, wanted: &[HiddenRule], now: Time) -> Result<(), ConfigError> {
        let mut tables = self.write();
        let bridge = tables.bridge_named_mut(bridge).ok_or_else(|| ConfigError::NoSuchBridge(bridge.into()))?;
        if bridge.flows.set_in_band(wanted, now) {
            drop(tables);
            self.changed();
        }
        Ok(())
    }

    /// Asks a controller, by a packet-in that matters to nobody, whether it is there.
    pub fn ask_for_a_sign(&self, id: ConnectionId, now: Time) {
        let mut control = self.control();
        let Some(connection) = control.connections.get_mut(id) else { return };
        if !connection.wants_packet_in(PacketInReason::NO_MATCH) {
            return;
        }
        let mut metadata = Match::any();
        metadata.set(FieldId::InPortOxm, OfPort::LOCAL.0.into());
        let packet = nobodys_request(now);
        let message = PacketIn {
            total_len: packet.len(),
            packet,
            buffer_id: None,
            reason: PacketInReason::NO_MATCH,
            table: Some(TableId(0)),
            cookie: None,
            metadata,
            userdata: Vec::new(),
            continuation: Vec::new(),
        };
        control.connections.send(id, Xid(0), &Message::PacketIn(message));
    }
}

/// A reverse ARP request (RFC 903) about an address of Nicira's range that changes with the time.
fn nobodys_request(now: Time) -> Vec<u8> {
    let [.., a, b, c] = (now.as_nanos() >> 10).to_be_bytes();
    let mac = [0x00, 0x23, 0x20, a | 0x80, b, c];
    let mut frame = vec![0xff; 6];
    frame.extend_from_slice(&mac);
    frame.extend_from_slice(&[0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3]);
    for _ in 0..2 {
        frame.extend_from_slice(&mac);
        frame.extend_from_slice(&[0; 4]);
    }
    frame
}
