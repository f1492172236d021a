//! 802.1Q tags (IEEE 802.1Q-2018 §9).
//!
//! ```text
//! | dst: 6 | src: 6 | TPID: 2 | PCP:3 DEI:1 VID:12 | type: 2 | ...
//! ```
//! Pushing and popping moves the twelve bytes of addresses, never the payload.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Missing, ethertype, view, view_mut};
use crate::Frame;

/// Bytes of a tag.
pub const LEN: usize = 4;
/// Where the outer tag stands.
const AT: usize = 12;
/// The DEI bit of a TCI (formerly CFI). In flow keys the same bit means "a tag is present".
pub const DEI: u16 = 0x1000;

/// A tag as it lies on the wire.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy, Debug)]
#[repr(C)]
pub struct TagWire {
    /// Tag protocol id.
    pub tpid: U16,
    /// Priority, DEI, VID.
    pub tci: U16,
}

/// Insert an outer tag. The DEI bit of `tci` is taken as "present" and not sent.
///
/// # Errors
/// If the frame has no Ethernet header.
#[inline]
pub fn push(frame: &mut Frame, tpid: u16, tci: u16) -> Result<(), Missing> {
    if frame.len() < AT + 2 {
        return Err(Missing);
    }
    frame.insert(AT, LEN);
    let tag = view_mut::<TagWire>(frame.bytes_mut(), AT).ok_or(Missing)?;
    *tag = TagWire { tpid: tpid.into(), tci: (tci & !DEI).into() };
    Ok(())
}

/// Remove the outer tag.
///
/// # Errors
/// If there is none.
#[inline]
pub fn pop(frame: &mut Frame) -> Result<(), Missing> {
    outer(frame.bytes()).ok_or(Missing)?;
    frame.remove(AT, LEN);
    Ok(())
}

/// The outer tag, if there is one.
#[inline]
pub fn outer(bytes: &[u8]) -> Option<&TagWire> {
    let tag = view::<TagWire>(bytes, AT)?;
    matches!(tag.tpid.get(), ethertype::VLAN | ethertype::QINQ).then_some(tag)
}

/// Rewrite the outer tag's TCI (DEI not sent).
///
/// # Errors
/// If there is no tag.
pub fn set_tci(frame: &mut Frame, tci: u16) -> Result<(), Missing> {
    outer(frame.bytes()).ok_or(Missing)?;
    view_mut::<TagWire>(frame.bytes_mut(), AT).ok_or(Missing)?.tci = (tci & !DEI).into();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn push_then_pop_changes_nothing() {
        let bytes: Vec<u8> = (0..60).collect();
        let mut frame = Frame::copy_of(&bytes);
        frame.l3 = 14;
        push(&mut frame, ethertype::VLAN, 0x7064).unwrap();
        assert_eq!(&frame.bytes()[12..16], &[0x81, 0, 0x60, 0x64]);
        assert_eq!(frame.l3, 18);
        pop(&mut frame).unwrap();
        assert_eq!(frame.bytes(), bytes);
        assert_eq!(pop(&mut frame), Err(Missing));
    }
}
