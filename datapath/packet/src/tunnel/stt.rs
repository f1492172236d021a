//! STT (draft-davie-stt-08 §3): frames behind what looks like a TCP header, so that devices segment them.
//!
//! ```text
//! TCP:  ports, sequence number (STT frame length: 2, offset of this piece: 2), acknowledgment (frame id), 0x50, ACK, ...
//! STT:  | version | flags | L4 offset | 0 | MSS: 2 | PCP:3 V:1 VLAN:12 | context id: 8 | padding: 2 |
//! ```
//!
//! Only frames that come in one piece are read: putting pieces together would need state that anybody can fill.

use super::{Body, ETHERNET, Encap, KEY, Tunnel, TunnelError};
use crate::wire::proto;

/// Bytes of the TCP-like header.
pub const TCP_LEN: usize = 20;
/// Bytes of STT's own header.
pub const LEN: usize = 18;
/// A VLAN tag travels in the header.
const TAGGED: u16 = 0x1000;

pub(super) fn decap(body: &mut Body<'_>, tunnel: &mut Tunnel) -> Result<u32, TunnelError> {
    let ports: [u8; 4] = body.take()?;
    let sequence = u32::from_be_bytes(body.take()?);
    let (len, offset) = ((sequence >> 16) as usize, sequence as u16);
    let _frame_id: [u8; 4] = body.take()?;
    let [data_offset, _flags]: [u8; 2] = body.take()?;
    let _rest: [u8; 6] = body.take()?;
    if usize::from(data_offset >> 4) * 4 != TCP_LEN {
        return Err(TunnelError::Flags);
    }
    if offset != 0 || len > body.rest().len() {
        return Err(TunnelError::Fragment);
    }
    body.bytes = &body.bytes[..body.at + len];
    let [version, _flags, _l4, _, _, _, tag @ ..]: [u8; 8] = body.take()?;
    if version != 0 {
        return Err(TunnelError::Flags);
    }
    if u16::from_be_bytes(tag) & TAGGED != 0 {
        return Err(TunnelError::Payload);
    }
    tunnel.id = u64::from_be_bytes(body.take()?);
    tunnel.flags |= KEY;
    (tunnel.tp_src, tunnel.tp_dst) =
        (u16::from_be_bytes([ports[0], ports[1]]), u16::from_be_bytes([ports[2], ports[3]]));
    let _padding: [u8; 2] = body.take()?;
    Ok(ETHERNET)
}

pub(super) fn encap(encap: &Encap<'_>, out: &mut Vec<u8>) -> Result<u8, TunnelError> {
    if encap.inner != ETHERNET {
        return Err(TunnelError::Payload);
    }
    let port = if encap.tunnel.tp_dst == 0 { 7471 } else { encap.tunnel.tp_dst };
    out.extend([0, 0]);
    out.extend(port.to_be_bytes());
    out.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    out.extend([0; 8]);
    out.extend(encap.tunnel.id.to_be_bytes());
    out.extend([0; 2]);
    Ok(proto::TCP)
}
