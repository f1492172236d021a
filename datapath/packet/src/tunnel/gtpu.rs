//! GTP-U (3GPP TS 29.281 §5.1, §5.2).
//!
//! ```text
//! | version:3 PT:1 *:1 E:1 S:1 PN:1 | message type: 1 | length: 2 (behind the first 8 bytes) | TEID: 4 |
//! | sequence number: 2 | N-PDU: 1 | next extension: 1 | (if any of E, S, PN), then the extensions
//! ```

use super::{Body, ETHERNET, Encap, GTPU_MESSAGE, KEY, Tunnel, TunnelError, of_ethertype};
use crate::checksum::Sum;
use crate::wire::{ethertype, proto};

/// Where the length stands, and what it does not count.
pub const LEN: usize = 8;
/// A packet of the user's.
const G_PDU: u8 = 255;
/// Version 1, protocol type GTP.
const VERSION: u8 = 0x30;
const EXTENSION: u8 = 4;
const OPTIONAL: u8 = 7;

pub(super) fn decap(body: &mut Body<'_>, tunnel: &mut Tunnel) -> Result<u32, TunnelError> {
    let [flags, message, len @ ..]: [u8; 4] = body.take()?;
    let teid = u32::from_be_bytes(body.take()?);
    if flags & 0xf0 != VERSION {
        return Err(TunnelError::Flags);
    }
    (tunnel.id, tunnel.flags) = (u64::from(teid), tunnel.flags | KEY);
    (tunnel.gtpu_flags, tunnel.gtpu_msgtype) = (flags, message);
    // a GSO frame says 0: its length is the outer one
    let len = usize::from(u16::from_be_bytes(len));
    if len != 0 || message != G_PDU {
        let end = body.at + len;
        if end > body.bytes.len() {
            return Err(TunnelError::Length);
        }
        body.bytes = &body.bytes[..end];
    }
    if message != G_PDU {
        // a message of the protocol itself is handed on with its header
        body.at -= LEN;
        return Ok(GTPU_MESSAGE);
    }
    if flags & OPTIONAL != 0 {
        let [_, _, _, mut next]: [u8; 4] = body.take()?;
        // each extension is at least four bytes, so the packet bounds their number
        while flags & EXTENSION != 0 && next != 0 {
            let words = *body.rest().first().ok_or(TunnelError::Short)?;
            if words == 0 {
                return Err(TunnelError::Options);
            }
            next = *body.slice(usize::from(words) * 4)?.last().ok_or(TunnelError::Options)?;
        }
    }
    body.ip()
}

/// Whether a UDP checksum is wrong by just the message's length: Open vSwitch 3.1 sums before it writes that.
pub(super) fn is_summed_before_its_length(body: &Body<'_>, sum: u16) -> bool {
    body.rest().get(2..4).is_some_and(|len| Sum::of(len).finish() == sum)
}

pub(super) fn encap(encap: &Encap<'_>, out: &mut Vec<u8>) -> Result<u8, TunnelError> {
    let Encap { tunnel, inner, .. } = encap;
    let is_ip = [of_ethertype(ethertype::IPV4), of_ethertype(ethertype::IPV6)].contains(inner);
    if !is_ip || *inner == ETHERNET {
        return Err(TunnelError::Payload);
    }
    let message = if tunnel.gtpu_msgtype == 0 { G_PDU } else { tunnel.gtpu_msgtype };
    out.extend([VERSION, message, 0, 0]);
    out.extend((tunnel.id as u32).to_be_bytes());
    Ok(proto::UDP)
}
