//! SCTP's common header (RFC 9260 §3.1).
//!
//! ```text
//! | src: 2 | dst: 2 | verification tag: 4 | CRC32c: 4, little-endian |
//! ```

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::Frame;
use crate::checksum::crc32c;

/// Bytes of the common header.
pub const LEN: usize = 12;

/// The common header as it lies on the wire.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy, Debug)]
#[repr(C)]
pub struct SctpWire {
    /// Source port.
    pub src: U16,
    /// Destination port.
    pub dst: U16,
    /// Verification tag.
    pub tag: U32,
    /// CRC32c of the packet.
    pub checksum: [u8; 4],
}

impl SctpWire {
    /// A header; the checksum is left zero.
    pub fn new(src: u16, dst: u16) -> SctpWire {
        SctpWire { src: src.into(), dst: dst.into(), tag: 0.into(), checksum: [0; 4] }
    }
}

/// Compute the CRC of the packet at the frame's transport header anew. A CRC cannot be repaired from the edit alone
/// at less cost than that; SCTP is rare enough.
pub fn refresh(frame: &mut Frame) {
    if let Some(packet) = packet(frame) {
        let crc = correct(packet);
        packet[8..12].copy_from_slice(&crc);
    }
}

/// In which bits the checksum is wrong: an edit must not make a broken packet look whole.
pub(super) fn error(frame: &mut Frame) -> [u8; 4] {
    let Some(packet) = packet(frame) else { return [0; 4] };
    let there = [packet[8], packet[9], packet[10], packet[11]];
    let correct = correct(packet);
    packet[8..12].copy_from_slice(&there);
    std::array::from_fn(|i| there[i] ^ correct[i])
}

/// Make the checksum wrong in these bits.
pub(super) fn add_error(frame: &mut Frame, wrong: [u8; 4]) {
    if let Some(packet) = packet(frame) {
        packet[8..12].iter_mut().zip(wrong).for_each(|(byte, wrong)| *byte ^= wrong);
    }
}

fn packet(frame: &mut Frame) -> Option<&mut [u8]> {
    let l4 = usize::from(frame.l4);
    let end = super::layers::find(frame.bytes()).map_or(frame.len(), |found| found.end);
    frame.bytes_mut().get_mut(l4..end).filter(|packet| l4 != 0 && packet.len() >= LEN)
}

/// The checksum that the packet should have; its own is zero afterwards.
fn correct(packet: &mut [u8]) -> [u8; 4] {
    packet[8..12].fill(0);
    crc32c(packet).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use crate::builder::Builder;
    use crate::wire::{proto, transport};
    use crate::{Frame, Mac};

    fn sctp(src: u16, dst: u16) -> Frame {
        let bytes = Builder::ethernet(Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]))
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2])
            .sctp(src, dst)
            .payload(&[7; 20])
            .build();
        let mut frame = Frame::copy_of(&bytes);
        (frame.l3, frame.l4) = (14, 34);
        frame
    }

    #[test]
    fn a_wrong_checksum_stays_as_wrong_as_it_was() {
        let (mut whole, mut broken, wanted) = (sctp(1, 2), sctp(1, 2), sctp(85, 86));
        broken.bytes_mut()[42] ^= 0x5a;
        for frame in [&mut whole, &mut broken] {
            transport::set_ports(frame, proto::SCTP, Some(85), Some(86)).unwrap();
        }
        assert_eq!(whole.bytes(), wanted.bytes());
        assert_eq!(broken.bytes()[42], wanted.bytes()[42] ^ 0x5a);
        broken.bytes_mut()[42] ^= 0x5a;
        assert_eq!(broken.bytes(), wanted.bytes());
    }
}
