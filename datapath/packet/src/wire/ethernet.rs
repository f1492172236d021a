//! Ethernet II (IEEE 802.3 §3.2).
//!
//! ```text
//! | dst: 6 | src: 6 | type: 2 | payload ...
//! ```

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Missing, view_mut};
use crate::{Frame, Mac};

/// Bytes of the header.
pub const LEN: usize = 14;

/// The header as it lies on the wire.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy, Debug)]
#[repr(C)]
pub struct EthernetWire {
    /// Destination address.
    pub dst: [u8; 6],
    /// Source address.
    pub src: [u8; 6],
    /// Ethertype (or an 802.3 length below 0x600).
    pub ethertype: U16,
}

impl EthernetWire {
    /// A header.
    pub fn new(dst: Mac, src: Mac, ethertype: u16) -> EthernetWire {
        EthernetWire { dst: dst.0, src: src.0, ethertype: ethertype.into() }
    }
}

/// Write the destination address.
///
/// # Errors
/// If the frame has no Ethernet header.
#[inline]
pub fn set_dst(frame: &mut Frame, mac: Mac) -> Result<(), Missing> {
    view_mut::<EthernetWire>(frame.bytes_mut(), 0).ok_or(Missing)?.dst = mac.0;
    Ok(())
}

/// Write the source address.
///
/// # Errors
/// If the frame has no Ethernet header.
#[inline]
pub fn set_src(frame: &mut Frame, mac: Mac) -> Result<(), Missing> {
    view_mut::<EthernetWire>(frame.bytes_mut(), 0).ok_or(Missing)?.src = mac.0;
    Ok(())
}
