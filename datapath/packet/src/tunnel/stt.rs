//! STT (draft-davie-stt-08 §3): frames behind what looks like a TCP header, so that devices segment them.
//!
//! ```text
//! TCP:  ports, sequence number (STT frame length: 2, offset of this piece: 2), acknowledgment (frame id), 0x50, ACK, ...
//! STT:  | version | flags | L4 offset | 0 | MSS: 2 | PCP:3 V:1 VLAN:12 | context id: 8 | padding: 2 |
//! ```
//!
//! What: [`decap`] reads a frame that is whole, [`open`] gives the packet inside back what the header says of it (a sum that is
//! still to be filled in, segmentation still to be done, a tag). [`describe`] says the same of a packet that goes in, and
//! [`fit`] has a frame cut into pieces that a device's MTU allows. [`assembly`] puts pieces together.
//! How: a device that segments TCP adds each piece's offset to the sequence number, which is just what STT wants; so a frame that
//! goes in becomes one TCP packet, and cutting it is the device's or [`segment`](crate::segment)'s affair.

pub mod assembly;

use super::{Body, ETHERNET, Encap, KEY, Tunnel, TunnelError};
use crate::frame::{ChecksumState, Frame, Gso, GsoKind};
use crate::wire::layers::{self, Layers};
use crate::wire::{ethernet, ethertype, proto, transport, vlan};

/// Bytes of the TCP-like header.
pub const TCP_LEN: usize = 20;
/// Bytes of STT's own header.
pub const LEN: usize = 18;
/// A VLAN tag travels in the header.
const TAGGED: u16 = 0x1000;

/// The checksum of the packet inside was looked at, and is right.
const VERIFIED: u8 = 1;
/// It is that of the pseudo header only; the rest is to be added.
const PARTIAL: u8 = 2;
/// The packet inside is IPv4.
const IPV4: u8 = 4;
/// It is TCP, otherwise UDP.
const TCP: u8 = 8;

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
    let [version, ..]: [u8; 8] = body.take()?;
    if version != 0 {
        return Err(TunnelError::Flags);
    }
    tunnel.id = u64::from_be_bytes(body.take()?);
    tunnel.flags |= KEY;
    (tunnel.tp_src, tunnel.tp_dst) =
        (u16::from_be_bytes([ports[0], ports[1]]), u16::from_be_bytes([ports[2], ports[3]]));
    let _padding: [u8; 2] = body.take()?;
    Ok(ETHERNET)
}

/// Give a packet that has just lost its outer headers what they said of it; `header` is STT's own.
///
/// # Errors
/// If what it says is not true of the packet. The packet must go then.
pub fn open(frame: &mut Frame, header: &[u8; LEN]) -> Result<(), TunnelError> {
    let [_, flags, l4, _, mss @ ..] = *header.first_chunk::<6>().expect("it is longer");
    let tag = u16::from_be_bytes([header[6], header[7]]);
    (frame.checksum, frame.gso, frame.outer) = (ChecksumState::Unknown, None, None);
    match (flags & VERIFIED != 0, flags & PARTIAL != 0) {
        (true, true) => return Err(TunnelError::Flags),
        (true, false) => frame.checksum = ChecksumState::Valid,
        (false, true) => {
            // nothing is written where others say, only where the packet's own headers say so too
            let found = layers::find_inner(frame.bytes(), 0, true).ok_or(TunnelError::Payload)?;
            let wanted = if flags & TCP != 0 { proto::TCP } else { proto::UDP };
            let payload = found.payload(frame.bytes()).ok_or(TunnelError::Payload)?;
            if (found.l4, found.v6, found.proto) != (l4.into(), flags & IPV4 == 0, wanted) {
                return Err(TunnelError::Payload);
            }
            frame.truncate(found.end); // what filled it up is not part of the sum
            let offset = transport::checksum_offset(wanted).expect("TCP and UDP have one") as u16;
            frame.checksum = ChecksumState::Partial { start: l4.into(), offset };
            let size = u16::from_be_bytes(mss);
            if wanted == proto::TCP && size != 0 && found.end - payload > size.into() {
                let kind = if found.v6 { GsoKind::TcpV6 } else { GsoKind::TcpV4 };
                frame.gso = Some(Gso { kind, size, header_len: payload as u16, ecn: false });
            }
        }
        (false, false) => {}
    }
    if tag & TAGGED != 0 {
        frame.insert(12, vlan::LEN);
        let [kind, tci] = [ethertype::VLAN.to_be_bytes(), (tag & !TAGGED).to_be_bytes()];
        frame.bytes_mut()[12..16].copy_from_slice(&[kind[0], kind[1], tci[0], tci[1]]);
    }
    Ok(())
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

/// Whether a frame that waits for segmentation can be one STT frame: 16 bits count its length, and only TCP has a size of
/// segments there.
pub(super) fn takes(frame: &Frame, headers: usize) -> bool {
    match frame.gso {
        Some(Gso { kind: GsoKind::TcpV4 | GsoKind::TcpV6, .. }) => {
            let found = layers::find_inner(frame.bytes(), 0, true);
            frame.len() + headers - ethernet::LEN <= usize::from(u16::MAX)
                && found.is_some_and(|found| found.proto == proto::TCP && found.l4 < 256)
        }
        Some(_) => false,
        None => true,
    }
}

/// What the header says of a packet, from its flags to the size of segments; nothing is left to be done to the packet itself.
pub(super) fn describe(frame: &mut Frame) -> [u8; 5] {
    let found = layers::find_inner(frame.bytes(), 0, true)
        .filter(|found| matches!(found.proto, proto::TCP | proto::UDP) && found.l4 < 256);
    let Some(found) = found else {
        crate::checksum::fill(frame);
        return [0; 5];
    };
    let offset = transport::checksum_offset(found.proto).expect("TCP and UDP have one");
    let size = frame.gso.take().map_or(0, |gso| gso.size);
    let state = match frame.checksum {
        _ if size != 0 => {
            write_seed(frame, &found, offset);
            PARTIAL
        }
        ChecksumState::Partial { start, offset: at } if (start, at) == (found.l4 as u16, offset as u16) => PARTIAL,
        ChecksumState::Partial { .. } => {
            crate::checksum::fill(frame);
            0
        }
        ChecksumState::Valid => VERIFIED,
        ChecksumState::Unknown => 0,
    };
    frame.checksum = ChecksumState::Unknown;
    let kind = if found.v6 { 0 } else { IPV4 } | if found.proto == proto::TCP { TCP } else { 0 };
    let size = size.to_be_bytes();
    [state | kind, found.l4 as u8, 0, size[0], size[1]]
}

fn write_seed(frame: &mut Frame, found: &Layers, offset: usize) {
    let seed = found.pseudo(frame.bytes()).folded().to_be_bytes();
    let at = found.l4 + offset;
    frame.bytes_mut()[at..at + 2].copy_from_slice(&seed);
}

/// Have an STT frame that is longer than `mtu` allows cut into pieces.
pub fn fit(frame: &mut Frame, mtu: usize) {
    let Some(outer) = frame.outer.filter(|outer| outer.kind == super::Kind::Stt && frame.gso.is_none()) else { return };
    frame.outer = None;
    let (l3, head) = (usize::from(outer.l3), usize::from(outer.l4) + TCP_LEN);
    if frame.len() - l3 > mtu && mtu > head - l3 + LEN {
        let size = u16::try_from(mtu - (head - l3)).unwrap_or(u16::MAX);
        let kind = if frame.bytes()[l3] >> 4 == 4 { GsoKind::TcpV4 } else { GsoKind::TcpV6 };
        frame.gso = Some(Gso { kind, size, header_len: head as u16, ecn: false });
    }
}

#[cfg(test)]
mod tests;
