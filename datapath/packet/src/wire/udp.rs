//! UDP (RFC 768).
//!
//! ```text
//! | src: 2 | dst: 2 | length: 2 | checksum: 2 |
//! ```

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of the header.
pub const LEN: usize = 8;

/// The header as it lies on the wire.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy, Debug)]
#[repr(C)]
pub struct UdpWire {
    /// Source port.
    pub src: U16,
    /// Destination port.
    pub dst: U16,
    /// Header and payload.
    pub len: U16,
    /// Checksum, 0 for none.
    pub checksum: U16,
}

impl UdpWire {
    /// A header; the checksum is left zero.
    pub fn new(src: u16, dst: u16, payload_len: u16) -> UdpWire {
        UdpWire { src: src.into(), dst: dst.into(), len: (payload_len + LEN as u16).into(), checksum: 0.into() }
    }
}
