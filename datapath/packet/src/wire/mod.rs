//! Headers: one file per protocol.
//!
//! What: `*Wire` structs lie over a frame's bytes (big-endian lives in them alone); beside them stand the edits that the
//! datapath's actions make, which keep every checksum right.
//! How: [`layers`] finds where the headers lie; [`view`] and [`view_mut`] lay a struct over bytes. Edits work at
//! [`Frame::l3`] and [`Frame::l4`](Frame), which extraction has set; where a header is missing they say so.
//! Invariant: an edit that returns [`Missing`] has changed nothing.

pub mod arp;
pub mod ethernet;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod layers;
pub mod mpls;
pub mod nd;
pub mod nsh;
pub mod sctp;
pub mod tcp;
pub mod transport;
pub mod udp;
pub mod vlan;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::frame::Frame;

/// The frame has no such header (or ends inside it).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Missing;

/// Read a header at an offset.
#[inline]
pub fn view<T: FromBytes + Unaligned + Immutable + KnownLayout>(bytes: &[u8], at: usize) -> Option<&T> {
    T::ref_from_prefix(bytes.get(at..)?).ok().map(|(header, _)| header)
}

/// Edit a header at an offset.
#[inline]
pub fn view_mut<T: FromBytes + IntoBytes + Unaligned + Immutable + KnownLayout>(
    bytes: &mut [u8],
    at: usize,
) -> Option<&mut T> {
    T::mut_from_prefix(bytes.get_mut(at..)?).ok().map(|(header, _)| header)
}

/// A header of the frame at an offset that extraction noted (0: it found none).
#[inline]
fn header_mut<T: FromBytes + IntoBytes + Unaligned + Immutable + KnownLayout>(
    frame: &mut Frame,
    at: u16,
) -> Result<&mut T, Missing> {
    if at == 0 {
        return Err(Missing);
    }
    view_mut(frame.bytes_mut(), at.into()).ok_or(Missing)
}

/// Ethertypes.
pub mod ethertype {
    #![allow(missing_docs, reason = "the protocols' names")]
    pub const IPV4: u16 = 0x0800;
    pub const ARP: u16 = 0x0806;
    pub const RARP: u16 = 0x8035;
    pub const VLAN: u16 = 0x8100;
    pub const IPV6: u16 = 0x86dd;
    pub const MPLS: u16 = 0x8847;
    pub const MPLS_MULTICAST: u16 = 0x8848;
    pub const QINQ: u16 = 0x88a8;
    pub const NSH: u16 = 0x894f;
}

/// IP protocol numbers.
pub mod proto {
    #![allow(missing_docs, reason = "the protocols' names")]
    pub const ICMP: u8 = 1;
    pub const IGMP: u8 = 2;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const ICMPV6: u8 = 58;
    pub const SCTP: u8 = 132;
}
