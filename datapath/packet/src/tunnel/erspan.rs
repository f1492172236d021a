//! ERSPAN types I, II and III (draft-foschiano-erspan §4): mirrored frames over GRE.
//!
//! ```text
//! type II, version 1:  | version:4 VLAN:12 | COS:3 En:2 T:1 session:10 | reserved:12 index:20 |
//! type III, version 2: | version:4 VLAN:12 | COS:3 BSO:2 T:1 session:10 | timestamp: 4 |
//!                      | SGT: 2 | P:1 FT:5 hardware id:6 direction:1 Gra:2 O:1 | subheader: 8 (if O) |
//! type I: GRE without a sequence number, and no header of its own
//! ```

use super::gre::{self, HAS_SEQ};
use super::{Body, ETHERNET, Encap, GRE, KEY, Tunnel, TunnelError};

/// GRE's protocol types for types I and II, and III.
const TYPE_II: u16 = 0x88be;
const TYPE_III: u16 = 0x22eb;

pub(super) fn decap(body: &mut Body<'_>, tunnel: &mut Tunnel) -> Result<u32, TunnelError> {
    let flags = body.rest().first_chunk::<2>().map_or(0, |flags| u16::from_be_bytes(*flags));
    let kind = gre::read(body, tunnel)?;
    if kind == TYPE_II && flags & HAS_SEQ == 0 {
        return Ok(ETHERNET);
    }
    let first = u32::from_be_bytes(body.take()?);
    (tunnel.id, tunnel.flags) = (u64::from(first & 0x3ff), tunnel.flags | KEY);
    match (kind, first >> 28) {
        (TYPE_II, 1) => {
            tunnel.erspan_ver = 1;
            tunnel.erspan_idx = u32::from_be_bytes(body.take()?) & 0xf_ffff;
        }
        (TYPE_III, 2) => {
            let _time: [u8; 4] = body.take()?;
            let last = u32::from_be_bytes(body.take()?);
            tunnel.erspan_ver = 2;
            tunnel.erspan_dir = (last >> 3 & 1) as u8;
            tunnel.erspan_hwid = (last >> 4 & 0x3f) as u8;
            if last & 1 != 0 {
                let _subheader: [u8; 8] = body.take()?;
            }
        }
        (TYPE_II | TYPE_III, _) => return Err(TunnelError::Flags),
        _ => return Err(TunnelError::Payload),
    }
    Ok(ETHERNET)
}

pub(super) fn encap(encap: &Encap<'_>, out: &mut Vec<u8>) -> Result<u8, TunnelError> {
    let Encap { tunnel, inner, .. } = encap;
    if *inner != ETHERNET {
        return Err(TunnelError::Payload);
    }
    let (flags, kind) = match tunnel.erspan_ver {
        0 => (0, TYPE_II),
        1 => (HAS_SEQ, TYPE_II),
        2 => (HAS_SEQ, TYPE_III),
        _ => return Err(TunnelError::Flags),
    };
    out.extend(flags.to_be_bytes());
    out.extend(kind.to_be_bytes());
    if tunnel.erspan_ver == 0 {
        return Ok(GRE);
    }
    out.extend([0; 4]);
    out.extend((u32::from(tunnel.erspan_ver) << 28 | (tunnel.id as u32) & 0x3ff).to_be_bytes());
    if tunnel.erspan_ver == 1 {
        out.extend((tunnel.erspan_idx & 0xf_ffff).to_be_bytes());
    } else {
        let (hardware, direction) = (u32::from(tunnel.erspan_hwid & 0x3f), u32::from(tunnel.erspan_dir & 1));
        out.extend([0; 4]);
        out.extend((hardware << 4 | direction << 3).to_be_bytes());
    }
    Ok(GRE)
}
