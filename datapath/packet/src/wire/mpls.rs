//! MPLS label stack entries (RFC 3032 §2.1), behind the Ethernet header and its tags.
//!
//! ```text
//! | label: 20 | traffic class: 3 | bottom of stack: 1 | time to live: 8 |
//! ```
//! The stack stands where the network header stood, and the type in front of it says so. A frame without an Ethernet
//! header begins with its stack (`at` 0), and whoever carries its type must say it.

use super::Missing;
use crate::Frame;

/// Bytes of an entry.
pub const LEN: usize = 4;

/// Put an entry in front of what stands at `at`.
///
/// # Errors
/// If the frame ends before `at`.
pub fn push(frame: &mut Frame, at: usize, ethertype: u16, entry: u32) -> Result<(), Missing> {
    if at > frame.len() {
        return Err(Missing);
    }
    frame.insert(at, LEN);
    frame.l3 = at as u16;
    frame.bytes_mut()[at..at + LEN].copy_from_slice(&entry.to_be_bytes());
    set_type(frame, at, ethertype);
    Ok(())
}

/// Take the entry at `at` off; what lies beneath has this type.
///
/// # Errors
/// If the frame ends inside it.
pub fn pop(frame: &mut Frame, at: usize, ethertype: u16) -> Result<(), Missing> {
    if at + LEN > frame.len() {
        return Err(Missing);
    }
    frame.remove(at, LEN);
    frame.l3 = at as u16;
    set_type(frame, at, ethertype);
    Ok(())
}

/// The type that stands in front of the network header, if there is one.
fn set_type(frame: &mut Frame, at: usize, ethertype: u16) {
    if let Some(from) = at.checked_sub(2) {
        frame.bytes_mut()[from..at].copy_from_slice(&ethertype.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChecksumState, Gso, GsoKind};

    #[test]
    fn push_then_pop_changes_nothing_and_offload_metadata_moves_along() {
        let bytes: Vec<u8> = (0..60).collect();
        let mut frame = Frame::copy_of(&bytes);
        (frame.l3, frame.l4) = (18, 38);
        frame.checksum = ChecksumState::Partial { start: 38, offset: 16 };
        frame.gso = Some(Gso { kind: GsoKind::TcpV4, size: 100, header_len: 58, ecn: false });
        push(&mut frame, 18, 0x8847, 0x0001_0140).unwrap();
        assert_eq!(frame.bytes()[16..22], [0x88, 0x47, 0, 1, 1, 0x40]);
        assert_eq!((frame.l3, frame.l4), (18, 42));
        assert_eq!(frame.checksum, ChecksumState::Partial { start: 42, offset: 16 });
        assert_eq!(frame.gso.unwrap().header_len, 62);
        pop(&mut frame, 18, 0x1011).unwrap();
        assert_eq!((frame.bytes(), frame.l3, frame.l4), (&bytes[..], 18, 38));
        assert_eq!(pop(&mut frame, 58, 0), Err(Missing));
        assert_eq!(push(&mut frame, 61, 0, 0), Err(Missing));
    }
}
