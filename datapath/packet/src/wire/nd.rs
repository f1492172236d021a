//! Neighbour solicitation and advertisement (RFC 4861 §4.3, §4.4), behind the first four bytes of ICMPv6.
//!
//! ```text
//! | type | code | checksum: 2 | flags, reserved: 4 | target: 16 | options ...        option: | type | length / 8 | ...
//! ```

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::icmp::IcmpWire;
use super::{Missing, header_mut, proto, transport};
use crate::{Frame, Mac};

/// Type of a neighbour solicitation.
pub const SOLICIT: u8 = 135;
/// Type of a neighbour advertisement.
pub const ADVERT: u8 = 136;
/// Option: source link-layer address.
pub const SOURCE: u8 = 1;
/// Option: target link-layer address.
pub const TARGET: u8 = 2;

/// Header and target as they lie on the wire.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy, Debug)]
#[repr(C)]
pub struct NdWire {
    /// Type, code, checksum, flags.
    pub icmp: IcmpWire,
    /// Whom the message is about.
    pub target: [u8; 16],
}

/// A link-layer address option as it lies on the wire.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy, Debug)]
#[repr(C)]
pub struct LinkOptionWire {
    /// [`SOURCE`] or [`TARGET`].
    pub kind: u8,
    /// In units of 8 bytes.
    pub len: u8,
    /// The address.
    pub mac: [u8; 6],
}

/// Write the target address.
///
/// # Errors
/// If the frame has no such message.
pub fn set_target(frame: &mut Frame, target: [u8; 16]) -> Result<(), Missing> {
    let nd = header_mut::<NdWire>(frame, frame.l4)?;
    let old = std::mem::replace(&mut nd.target, target);
    transport::covered_changed(frame, proto::ICMPV6, &old, &target);
    Ok(())
}

/// Write the flags and reserved bits.
///
/// # Errors
/// If the frame has no such message.
pub fn set_reserved(frame: &mut Frame, reserved: u32) -> Result<(), Missing> {
    let nd = header_mut::<NdWire>(frame, frame.l4)?;
    let old = std::mem::replace(&mut nd.icmp.rest, reserved.into()).get();
    transport::covered_changed(frame, proto::ICMPV6, &old.to_be_bytes(), &reserved.to_be_bytes());
    Ok(())
}

/// Write the address of the link-layer option of one kind, and optionally make it the other kind.
///
/// # Errors
/// If the frame has no such option.
pub fn set_link(frame: &mut Frame, kind: u8, mac: Mac, new_kind: u8) -> Result<(), Missing> {
    if frame.l4 == 0 {
        return Err(Missing);
    }
    let options = usize::from(frame.l4) + size_of::<NdWire>();
    let mut left = frame.bytes_mut().get_mut(options..).ok_or(Missing)?;
    loop {
        let [found, len] = *left.first_chunk().ok_or(Missing)?;
        let len = usize::from(len) * 8;
        if len == 0 || len > left.len() {
            return Err(Missing);
        }
        if found == kind && len == 8 {
            let option = LinkOptionWire::mut_from_bytes(&mut left[..8]).map_err(|_| Missing)?;
            let old = *option;
            *option = LinkOptionWire { kind: new_kind, len: 1, mac: mac.0 };
            let new = *option;
            transport::covered_changed(frame, proto::ICMPV6, old.as_bytes(), new.as_bytes());
            return Ok(());
        }
        left = &mut left[len..];
    }
}
