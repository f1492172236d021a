//! VXLAN (RFC 7348 §5), with group policy (draft-smith-vxlan-group-policy §2) and other payloads
//! (draft-ietf-nvo3-vxlan-gpe §3).
//!
//! ```text
//! |G|R|R|R|I|P|R|R|R|D|R|R|A|R|R|R| group policy id: 2, or R: 1 and next protocol: 1 |
//! | VNI: 3                        | reserved: 1                                      |
//! ```

use super::{Body, Dialect, ETHERNET, Encap, KEY, Tunnel, TunnelError, of_ethertype};
use crate::wire::{ethertype, proto};

/// Bytes of the header.
pub const LEN: usize = 8;
/// The VNI is there.
const VNI: u32 = 0x0800_0000;
/// The group policy is there.
const GBP: u32 = 0x8000_0000;
/// Do not learn, and policy applied.
const GBP_FLAGS: u32 = 0x0048_0000;
/// The next protocol is there.
const GPE: u32 = 0x0400_0000;

/// The payloads that a next protocol names.
const NEXT: [(u32, u32); 5] = [
    (1, of_ethertype(ethertype::IPV4)),
    (2, of_ethertype(ethertype::IPV6)),
    (3, ETHERNET),
    (4, of_ethertype(ethertype::NSH)),
    (5, of_ethertype(ethertype::MPLS)),
];

pub(super) fn decap(body: &mut Body<'_>, tunnel: &mut Tunnel, dialect: Dialect) -> Result<u32, TunnelError> {
    let flags = u32::from_be_bytes(body.take()?);
    let last = u32::from_be_bytes(body.take()?);
    tunnel.id = u64::from(last >> 8);
    tunnel.flags |= KEY;
    if last & 0xff != 0 {
        return Err(TunnelError::Flags);
    }
    if flags == VNI {
        return Ok(ETHERNET);
    }
    if dialect.gpe && flags & !0xff == VNI | GPE {
        let next = NEXT.iter().find(|(number, _)| *number == flags & 0xff);
        return next.map(|(_, inner)| *inner).ok_or(TunnelError::Payload);
    }
    if dialect.gbp && flags & !(GBP_FLAGS | 0xffff) == VNI | GBP {
        tunnel.gbp_id = flags as u16;
        tunnel.gbp_flags = (flags >> 16) as u8;
        return Ok(ETHERNET);
    }
    Err(TunnelError::Flags)
}

pub(super) fn encap(encap: &Encap<'_>, out: &mut Vec<u8>) -> Result<u8, TunnelError> {
    let Encap { dialect, tunnel, inner, .. } = encap;
    let mut flags = VNI;
    if dialect.gpe {
        let next = NEXT.iter().find(|(_, kind)| kind == inner).ok_or(TunnelError::Payload)?;
        flags |= GPE | next.0;
    } else if *inner != ETHERNET {
        return Err(TunnelError::Payload);
    } else if dialect.gbp && (tunnel.gbp_id != 0 || tunnel.gbp_flags != 0) {
        flags |= GBP | u32::from(tunnel.gbp_flags) << 16 & GBP_FLAGS | u32::from(tunnel.gbp_id);
    }
    out.extend(flags.to_be_bytes());
    out.extend((tunnel.id as u32).wrapping_shl(8).to_be_bytes());
    Ok(proto::UDP)
}
