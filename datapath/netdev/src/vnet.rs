//! The offload header before each frame (`struct virtio_net_hdr`, virtio 1.2 §5.1.6), as taps and packet sockets
//! have it: ten bytes in the machine's own byte order.
//!
//! Invariant: what a frame says after [`read`] lies within its bytes, whatever the header claimed.

use weft_packet::{ChecksumState, Frame, Gso, GsoKind};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Length of the header.
pub(crate) const LEN: usize = 10;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Clone, Copy, Default, Debug, PartialEq, Eq)]
#[repr(C)]
struct HeaderWire {
    flags: u8,
    gso_type: u8,
    hdr_len: u16,
    gso_size: u16,
    csum_start: u16,
    csum_offset: u16,
}

const _: () = assert!(size_of::<HeaderWire>() == LEN);

/// Take over into `frame` what the header says of its bytes. `false`: it says something impossible, drop the frame.
#[inline]
pub(crate) fn read(header: &[u8; LEN], frame: &mut Frame) -> bool {
    if *header == [0; LEN] {
        return true;
    }
    let wire: HeaderWire = zerocopy::transmute!(*header);
    if wire.flags & NEEDS_CSUM != 0 {
        let end = usize::from(wire.csum_start) + usize::from(wire.csum_offset) + 2;
        if end > frame.len() {
            return false;
        }
        frame.checksum = ChecksumState::Partial { start: wire.csum_start, offset: wire.csum_offset };
    } else if wire.flags & DATA_VALID != 0 {
        frame.checksum = ChecksumState::Valid;
    }
    let kind = match wire.gso_type & !GSO_ECN {
        GSO_NONE => return true,
        GSO_TCPV4 => GsoKind::TcpV4,
        GSO_TCPV6 => GsoKind::TcpV6,
        GSO_UDP_L4 => GsoKind::UdpL4,
        _ => return false,
    };
    let ecn = wire.gso_type & GSO_ECN != 0;
    // `hdr_len` is only a hint (the kernel tells its linear part), so the length is read from the transport header,
    // which the checksum's start points to: GSO implies a partial checksum.
    let Some(header_len) = header_len(frame, kind) else { return false };
    if wire.gso_size == 0 {
        return false;
    }
    frame.gso = Some(Gso { kind, size: wire.gso_size, header_len, ecn });
    true
}

/// The header for `frame`.
#[inline]
pub(crate) fn write(frame: &Frame) -> [u8; LEN] {
    let mut wire = HeaderWire::default();
    match frame.checksum {
        ChecksumState::Partial { start, offset } => {
            wire.flags = NEEDS_CSUM;
            wire.csum_start = start;
            wire.csum_offset = offset;
        }
        ChecksumState::Valid => wire.flags = DATA_VALID,
        ChecksumState::Unknown => {}
    }
    if let Some(gso) = frame.gso {
        wire.gso_type = match gso.kind {
            GsoKind::TcpV4 => GSO_TCPV4,
            GsoKind::TcpV6 => GSO_TCPV6,
            GsoKind::UdpL4 => GSO_UDP_L4,
        };
        wire.gso_type |= if gso.ecn { GSO_ECN } else { 0 };
        wire.hdr_len = gso.header_len;
        wire.gso_size = gso.size;
    }
    zerocopy::transmute!(wire)
}

/// Length of all headers of a frame that waits for segmentation.
fn header_len(frame: &Frame, kind: GsoKind) -> Option<u16> {
    let ChecksumState::Partial { start, .. } = frame.checksum else { return None };
    let transport = match kind {
        GsoKind::UdpL4 => 8,
        GsoKind::TcpV4 | GsoKind::TcpV6 => u16::from(frame.bytes().get(usize::from(start) + 12)? >> 4) * 4,
    };
    let len = start.checked_add(transport)?;
    (usize::from(len) <= frame.len()).then_some(len)
}

const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
const GSO_ECN: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(len: usize) -> Frame {
        let mut bytes = vec![0u8; len];
        if len > 46 {
            bytes[46] = 8 << 4; // TCP data offset: 32 bytes
        }
        Frame::copy_of(&bytes)
    }

    #[test]
    fn a_segmentation_request_survives_the_round_trip_with_its_true_header_length() {
        let wire = HeaderWire {
            flags: NEEDS_CSUM,
            gso_type: GSO_TCPV4 | GSO_ECN,
            hdr_len: 200,
            gso_size: 1448,
            csum_start: 34,
            csum_offset: 16,
        };
        let mut frame = frame(3000);
        assert!(read(&zerocopy::transmute!(wire), &mut frame));
        assert_eq!(frame.checksum, ChecksumState::Partial { start: 34, offset: 16 });
        assert_eq!(frame.gso, Some(Gso { kind: GsoKind::TcpV4, size: 1448, header_len: 66, ecn: true }));
        let again: HeaderWire = zerocopy::transmute!(write(&frame));
        assert_eq!(again, HeaderWire { hdr_len: 66, ..wire });
    }

    #[test]
    fn any_header_leaves_the_offsets_inside_the_frame() {
        bolero::check!().with_type().for_each(|(header, len): &([u8; LEN], u8)| {
            let mut frame = frame(usize::from(*len));
            if !read(header, &mut frame) {
                return;
            }
            if let ChecksumState::Partial { start, offset } = frame.checksum {
                assert!(usize::from(start) + usize::from(offset) + 2 <= frame.len());
            }
            if let Some(gso) = frame.gso {
                assert!(gso.size > 0 && usize::from(gso.header_len) <= frame.len());
            }
        });
    }
}
