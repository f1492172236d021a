//! Segment routing over IPv6 (RFC 8754 §2; RFC 8986 §4.4-4.8: End.DX4, End.DX6, End.DX2).
//!
//! ```text
//! | next header | length (8 bytes) | 4 | segments left | last entry | flags | tag: 2 | segments, the last one first |
//! ```

use super::{ETHERNET, Encap, Ends, TunnelError, of_ethertype};
use crate::wire::ethertype;

/// The routing header's type.
pub const TYPE: u8 = 4;
/// The protocol number of routing headers.
const ROUTING: u8 = 43;
/// More do not fit the headroom of a frame.
pub const MAX_SEGMENTS: usize = 16;

/// The payload is told by the last next header; the segments' list has been passed over.
pub(super) fn decap(proto: u8) -> Result<u32, TunnelError> {
    PAYLOADS.iter().find(|(number, _)| *number == proto).map(|(_, inner)| *inner).ok_or(TunnelError::Payload)
}

pub(super) fn encap(encap: &Encap<'_>, out: &mut Vec<u8>) -> Result<u8, TunnelError> {
    let payload = PAYLOADS.iter().find(|(_, inner)| *inner == encap.inner).ok_or(TunnelError::Payload)?.0;
    let Ends::V6 { dst, .. } = encap.tunnel.ends else { return Err(TunnelError::Flags) };
    if encap.segments.len() > MAX_SEGMENTS {
        return Err(TunnelError::Options);
    }
    let alone = [dst];
    let segments = if encap.segments.is_empty() { &alone } else { encap.segments };
    let last = (segments.len() - 1) as u8;
    out.extend([payload, 2 * (last + 1), TYPE, last, last, 0, 0, 0]);
    segments.iter().rev().for_each(|segment| out.extend(segment));
    Ok(ROUTING)
}

/// Protocol numbers of what may be inside.
const PAYLOADS: [(u8, u32); 3] =
    [(4, of_ethertype(ethertype::IPV4)), (41, of_ethertype(ethertype::IPV6)), (143, ETHERNET)];
