//! Geneve (RFC 8926 §3.4, §3.5).
//!
//! ```text
//! | version:2 options length:6 (words) | O C reserved:6 | protocol type: 2 |
//! | VNI: 3                             | reserved: 1                       |
//! | option class: 2 | type: 1 | reserved:3 length:5 (words) | data ...     |
//! ```

use super::{Body, ETHERNET, Encap, KEY, OAM, Tunnel, TunnelError, of_ethertype};
use crate::wire::proto;

/// Bytes of the header without options.
pub const LEN: usize = 8;
/// Most bytes of options.
pub const MAX_OPTIONS: usize = 63 * 4;
/// Transparent Ethernet bridging.
const ETHERNET_TYPE: u16 = 0x6558;
const OAM_BIT: u8 = 0x80;
const CRITICAL: u8 = 0x40;
/// Of an option's type: whoever does not know it must drop the packet.
const CRITICAL_OPTION: u8 = 0x80;

pub(super) fn decap<'a>(body: &mut Body<'a>, tunnel: &mut Tunnel, options: &mut &'a [u8]) -> Result<u32, TunnelError> {
    let [first, flags, kind @ ..]: [u8; 4] = body.take()?;
    let last = u32::from_be_bytes(body.take()?);
    if first >> 6 != 0 {
        return Err(TunnelError::Flags);
    }
    tunnel.id = u64::from(last >> 8);
    tunnel.flags |= KEY | if flags & OAM_BIT != 0 { OAM } else { 0 };
    let raw = body.slice(usize::from(first & 0x3f) * 4)?;
    if !raw.is_empty() {
        check(raw)?;
        *options = raw;
    }
    Ok(match u16::from_be_bytes(kind) {
        ETHERNET_TYPE => ETHERNET,
        0 => return Err(TunnelError::Payload),
        other => of_ethertype(other),
    })
}

/// Whether the options fill their place: nothing that reads them later need look again.
fn check(raw: &[u8]) -> Result<(), TunnelError> {
    let mut at = 0;
    while at < raw.len() {
        let head: &[u8; 4] = raw.get(at..).and_then(|rest| rest.first_chunk()).ok_or(TunnelError::Options)?;
        at += 4 + usize::from(head[3] & 0x1f) * 4;
    }
    if at == raw.len() { Ok(()) } else { Err(TunnelError::Options) }
}

pub(super) fn encap(encap: &Encap<'_>, out: &mut Vec<u8>) -> Result<u8, TunnelError> {
    let Encap { tunnel, options, inner, .. } = encap;
    if options.len() > MAX_OPTIONS || !options.len().is_multiple_of(4) {
        return Err(TunnelError::Options);
    }
    check(options)?;
    let kind = match *inner {
        ETHERNET => ETHERNET_TYPE,
        other if other >> 16 == 1 => other as u16,
        _ => return Err(TunnelError::Payload),
    };
    let mut flags = if tunnel.flags & OAM != 0 { OAM_BIT } else { 0 };
    let mut at = 0;
    while let Some(head) = options.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
        flags |= if head[2] & CRITICAL_OPTION != 0 { CRITICAL } else { 0 };
        at += 4 + usize::from(head[3] & 0x1f) * 4;
    }
    out.extend([(options.len() / 4) as u8, flags]);
    out.extend(kind.to_be_bytes());
    out.extend((tunnel.id as u32).wrapping_shl(8).to_be_bytes());
    out.extend(*options);
    Ok(proto::UDP)
}
