//! ARP for Ethernet and IPv4 (RFC 826).
//!
//! ```text
//! | hardware: 2 | protocol: 2 | 6 | 4 | operation: 2 | sha: 6 | spa: 4 | tha: 6 | tpa: 4 |
//! ```

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Missing, header_mut};
use crate::{Frame, Mac};

/// Bytes of the packet.
pub const LEN: usize = 28;
/// Who has?
pub const REQUEST: u16 = 1;
/// Is at.
pub const REPLY: u16 = 2;

/// The packet as it lies on the wire.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy, Debug)]
#[repr(C)]
pub struct ArpWire {
    /// Hardware type, 1 for Ethernet.
    pub hardware: U16,
    /// Protocol, 0x0800 for IPv4.
    pub protocol: U16,
    /// 6.
    pub hardware_len: u8,
    /// 4.
    pub protocol_len: u8,
    /// Operation.
    pub op: U16,
    /// Sender's hardware address.
    pub sha: [u8; 6],
    /// Sender's protocol address.
    pub spa: [u8; 4],
    /// Target's hardware address.
    pub tha: [u8; 6],
    /// Target's protocol address.
    pub tpa: [u8; 4],
}

impl ArpWire {
    /// A packet.
    pub fn new(op: u16, sha: Mac, spa: [u8; 4], tha: Mac, tpa: [u8; 4]) -> ArpWire {
        ArpWire {
            hardware: 1.into(),
            protocol: 0x0800.into(),
            hardware_len: 6,
            protocol_len: 4,
            op: op.into(),
            sha: sha.0,
            spa,
            tha: tha.0,
            tpa,
        }
    }
}

/// Which fields to write.
#[derive(Clone, Copy, Debug, Default)]
pub struct ArpEdit {
    /// Operation.
    pub op: Option<u16>,
    /// Sender's hardware address.
    pub sha: Option<Mac>,
    /// Sender's protocol address.
    pub spa: Option<[u8; 4]>,
    /// Target's hardware address.
    pub tha: Option<Mac>,
    /// Target's protocol address.
    pub tpa: Option<[u8; 4]>,
}

/// Write fields.
///
/// # Errors
/// If the frame has no ARP packet.
pub fn edit(frame: &mut Frame, edit: &ArpEdit) -> Result<(), Missing> {
    let arp = header_mut::<ArpWire>(frame, frame.l3)?;
    arp.op = edit.op.map_or(arp.op, U16::new);
    arp.sha = edit.sha.map_or(arp.sha, |mac| mac.0);
    arp.spa = edit.spa.unwrap_or(arp.spa);
    arp.tha = edit.tha.map_or(arp.tha, |mac| mac.0);
    arp.tpa = edit.tpa.unwrap_or(arp.tpa);
    Ok(())
}
