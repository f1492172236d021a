//! ICMP (RFC 792) and ICMPv6 (RFC 4443 §2.1) begin alike.
//!
//! ```text
//! | type | code | checksum: 2 | rest of the header: 4 |
//! ```

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Missing, header_mut, transport};
use crate::Frame;

/// Bytes of the header.
pub const LEN: usize = 8;

/// The header as it lies on the wire.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy, Debug)]
#[repr(C)]
pub struct IcmpWire {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Checksum.
    pub checksum: U16,
    /// What type and code make of it.
    pub rest: U32,
}

impl IcmpWire {
    /// A header; the checksum is left zero.
    pub fn new(kind: u8, code: u8) -> IcmpWire {
        IcmpWire { kind, code, checksum: 0.into(), rest: 0.into() }
    }
}

/// Write type and code; `protocol` says which ICMP.
///
/// # Errors
/// If the frame has no such header.
pub fn edit(frame: &mut Frame, protocol: u8, kind: Option<u8>, code: Option<u8>) -> Result<(), Missing> {
    let header = header_mut::<IcmpWire>(frame, frame.l4)?;
    let old = [header.kind, header.code];
    header.kind = kind.unwrap_or(header.kind);
    header.code = code.unwrap_or(header.code);
    let new = [header.kind, header.code];
    transport::covered_changed(frame, protocol, &old, &new);
    Ok(())
}
