//! LISP's data packets (RFC 6830 §5.3).
//!
//! ```text
//! |N|L|E|V|I| flags: 3 | nonce or map versions: 3 |
//! | instance id: 3 (if I), locator status bits: 1 |
//! ```

use super::{Body, Encap, KEY, Tunnel, TunnelError, of_ethertype};
use crate::wire::{ethertype, proto};

const NONCE: u8 = 0x80;
const VERSIONS: u8 = 0x10;
const INSTANCE: u8 = 0x08;

pub(super) fn decap(body: &mut Body<'_>, tunnel: &mut Tunnel) -> Result<u32, TunnelError> {
    let [flags, ..]: [u8; 4] = body.take()?;
    let last = u32::from_be_bytes(body.take()?);
    // "the N-bit and the V-bit MUST NOT be set both"
    if flags & NONCE != 0 && flags & VERSIONS != 0 {
        return Err(TunnelError::Flags);
    }
    if flags & INSTANCE != 0 {
        (tunnel.id, tunnel.flags) = (u64::from(last >> 8), tunnel.flags | KEY);
    }
    body.ip()
}

pub(super) fn encap(encap: &Encap<'_>, out: &mut Vec<u8>) -> Result<u8, TunnelError> {
    if ![of_ethertype(ethertype::IPV4), of_ethertype(ethertype::IPV6)].contains(&encap.inner) {
        return Err(TunnelError::Payload);
    }
    let has_key = encap.tunnel.flags & KEY != 0;
    out.extend([if has_key { INSTANCE } else { 0 }, 0, 0, 0]);
    out.extend((if has_key { encap.tunnel.id as u32 } else { 0 }).wrapping_shl(8).to_be_bytes());
    Ok(proto::UDP)
}
