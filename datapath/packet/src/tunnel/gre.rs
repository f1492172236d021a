//! GRE (RFC 2784 §2.1, RFC 2890 §2).
//!
//! ```text
//! |C| |K|S| reserved: 9 | version: 3 | protocol type: 2 |
//! | checksum: 2 (if C)               | reserved: 2      |
//! | key: 4 (if K)                                       |
//! | sequence number: 4 (if S)                           |
//! ```

use super::{Body, CSUM, ETHERNET, Encap, GRE, KEY, Tunnel, TunnelError, of_ethertype};
use crate::checksum::Sum;

/// Transparent Ethernet bridging.
pub(crate) const ETHERNET_TYPE: u16 = 0x6558;
/// There is a checksum.
pub const HAS_CSUM: u16 = 0x8000;
/// There is a key.
pub const HAS_KEY: u16 = 0x2000;
/// There is a sequence number.
pub const HAS_SEQ: u16 = 0x1000;

pub(super) fn decap(body: &mut Body<'_>, tunnel: &mut Tunnel) -> Result<u32, TunnelError> {
    match read(body, tunnel)? {
        ETHERNET_TYPE => Ok(ETHERNET),
        0 => Err(TunnelError::Payload),
        other => Ok(of_ethertype(other)),
    }
}

/// The header; returns the protocol type.
pub(super) fn read(body: &mut Body<'_>, tunnel: &mut Tunnel) -> Result<u16, TunnelError> {
    let whole = body.rest();
    let mut sum = 0;
    let flags = u16::from_be_bytes(body.take()?);
    let kind = u16::from_be_bytes(body.take()?);
    if flags & !(HAS_CSUM | HAS_KEY | HAS_SEQ) != 0 {
        return Err(TunnelError::Flags);
    }
    if flags & HAS_CSUM != 0 {
        let _sum: [u8; 4] = body.take()?;
        if !body.is_checked {
            sum = Sum::of(whole).finish();
        }
        tunnel.flags |= CSUM;
    }
    if flags & HAS_KEY != 0 {
        tunnel.id = u64::from(u32::from_be_bytes(body.take()?));
        tunnel.flags |= KEY;
    }
    if flags & HAS_SEQ != 0 {
        let number: [u8; 4] = body.take()?;
        // Open vSwitch 3.1 sums before it numbers
        if sum != 0 && sum == Sum::of(&number).finish() {
            sum = 0;
        }
    }
    if sum != 0 {
        return Err(TunnelError::Checksum);
    }
    Ok(kind)
}

pub(super) fn encap(encap: &Encap<'_>, out: &mut Vec<u8>) -> Result<u8, TunnelError> {
    let Encap { tunnel, inner, seq, .. } = encap;
    let kind = match *inner {
        ETHERNET => ETHERNET_TYPE,
        other if other >> 16 == 1 => other as u16,
        _ => return Err(TunnelError::Payload),
    };
    let has = |said: bool, bit: u16| if said { bit } else { 0 };
    let flags = has(tunnel.flags & CSUM != 0, HAS_CSUM) | has(tunnel.flags & KEY != 0, HAS_KEY) | has(*seq, HAS_SEQ);
    out.extend(flags.to_be_bytes());
    out.extend(kind.to_be_bytes());
    if flags & HAS_CSUM != 0 {
        out.extend([0; 4]);
    }
    if flags & HAS_KEY != 0 {
        out.extend((tunnel.id as u32).to_be_bytes());
    }
    if flags & HAS_SEQ != 0 {
        out.extend([0; 4]);
    }
    Ok(GRE)
}
