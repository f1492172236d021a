//! IPv6 (RFC 8200 §3).
//!
//! ```text
//! | version:4 traffic class:8 label:20 | payload length: 2 | next header | hop limit | src: 16 | dst: 16 |
//! ```

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Missing, header_mut, transport};
use crate::Frame;

/// Bytes of the fixed header.
pub const LEN: usize = 40;

/// The fixed header as it lies on the wire.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy, Debug)]
#[repr(C)]
pub struct Ipv6Wire {
    /// Version (6), traffic class, flow label.
    pub first: U32,
    /// Extension headers and payload.
    pub payload_len: U16,
    /// Type of the next header.
    pub next: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source.
    pub src: [u8; 16],
    /// Destination.
    pub dst: [u8; 16],
}

impl Ipv6Wire {
    /// A header.
    pub fn new(src: [u8; 16], dst: [u8; 16], next: u8, payload_len: u16) -> Ipv6Wire {
        Ipv6Wire { first: 0x6000_0000.into(), payload_len: payload_len.into(), next, hop_limit: 64, src, dst }
    }

    /// Source and destination, for the pseudo header.
    pub fn addresses(&self) -> [u8; 32] {
        let mut both = [0; 32];
        both[..16].copy_from_slice(&self.src);
        both[16..].copy_from_slice(&self.dst);
        both
    }
}

/// Which fields to write.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ipv6Edit {
    /// Source address.
    pub src: Option<[u8; 16]>,
    /// Destination address.
    pub dst: Option<[u8; 16]>,
    /// Flow label.
    pub label: Option<u32>,
    /// DSCP and ECN.
    pub traffic_class: Option<u8>,
    /// Hop limit.
    pub hop_limit: Option<u8>,
}

/// Write fields, repairing the transport's checksum; `proto` is the transport protocol behind any extension headers.
///
/// # Errors
/// If the frame has no IPv6 header.
#[inline]
pub fn edit(frame: &mut Frame, edit: &Ipv6Edit, proto: u8) -> Result<(), Missing> {
    let header = header_mut::<Ipv6Wire>(frame, frame.l3)?;
    let mut first = header.first.get();
    if first >> 28 != 6 {
        return Err(Missing);
    }
    if let Some(label) = edit.label {
        first = first & !0x000f_ffff | label & 0x000f_ffff;
    }
    if let Some(class) = edit.traffic_class {
        first = first & !0x0ff0_0000 | u32::from(class) << 20;
    }
    header.first = first.into();
    header.hop_limit = edit.hop_limit.unwrap_or(header.hop_limit);
    let before = header.addresses();
    header.src = edit.src.unwrap_or(header.src);
    header.dst = edit.dst.unwrap_or(header.dst);
    let after = header.addresses();
    if before != after {
        transport::pseudo_changed(frame, proto, &before, &after);
    }
    Ok(())
}
