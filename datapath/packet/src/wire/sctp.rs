//! SCTP's common header (RFC 9260 §3.1).
//!
//! ```text
//! | src: 2 | dst: 2 | verification tag: 4 | CRC32c: 4, little-endian |
//! ```

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::Frame;
use crate::checksum::crc32c;

/// Bytes of the common header.
pub const LEN: usize = 12;

/// The common header as it lies on the wire.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy, Debug)]
#[repr(C)]
pub struct SctpWire {
    /// Source port.
    pub src: U16,
    /// Destination port.
    pub dst: U16,
    /// Verification tag.
    pub tag: U32,
    /// CRC32c of the packet.
    pub checksum: [u8; 4],
}

impl SctpWire {
    /// A header; the checksum is left zero.
    pub fn new(src: u16, dst: u16) -> SctpWire {
        SctpWire { src: src.into(), dst: dst.into(), tag: 0.into(), checksum: [0; 4] }
    }
}

/// Compute the CRC of the packet at the frame's transport header anew. A CRC cannot be repaired from the edit alone
/// at less cost than that; SCTP is rare enough.
pub fn refresh(frame: &mut Frame) {
    let l4 = usize::from(frame.l4);
    let end = super::layers::find(frame.bytes()).map_or(frame.len(), |found| found.end);
    let Some(packet) = frame.bytes_mut().get_mut(l4..end).filter(|p| l4 != 0 && p.len() >= LEN) else { return };
    packet[8..12].fill(0);
    let crc = crc32c(packet);
    packet[8..12].copy_from_slice(&crc.to_le_bytes());
}
