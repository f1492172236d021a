//! What TCP, UDP, SCTP and ICMP have in common: ports in front, a checksum that edits must keep right.
//!
//! A checksum left to the device ([`ChecksumState::Partial`]) holds the folded sum of the pseudo header only, so a change
//! of addresses is repaired there too, and a change of ports needs nothing.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Missing, header_mut, layers, proto, sctp};
use crate::checksum;
use crate::frame::{ChecksumState, Frame};

/// The first four bytes of TCP, UDP and SCTP.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy, Debug)]
#[repr(C)]
pub struct PortsWire {
    /// Source port.
    pub src: U16,
    /// Destination port.
    pub dst: U16,
}

/// Write the ports of TCP, UDP or SCTP.
///
/// # Errors
/// If the frame has no such header.
#[inline]
pub fn set_ports(frame: &mut Frame, protocol: u8, src: Option<u16>, dst: Option<u16>) -> Result<(), Missing> {
    let wrong = (protocol == proto::SCTP).then(|| sctp::error(frame));
    let ports = header_mut::<PortsWire>(frame, frame.l4)?;
    let old = *ports;
    if let Some(src) = src {
        ports.src = src.into();
    }
    if let Some(dst) = dst {
        ports.dst = dst.into();
    }
    let new = *ports;
    covered_changed(frame, protocol, old.as_bytes(), new.as_bytes());
    if let Some(wrong) = wrong {
        sctp::add_error(frame, wrong);
    }
    Ok(())
}

/// Repair the checksum after bytes of the pseudo header changed.
#[inline]
pub fn pseudo_changed(frame: &mut Frame, protocol: u8, old: &[u8], new: &[u8]) {
    let partial = matches!(frame.checksum, ChecksumState::Partial { .. });
    let Some(field) = checksum_field(frame, protocol) else { return };
    if protocol == proto::ICMP || protocol == proto::SCTP {
        return; // no pseudo header
    }
    let check = u16::from_be_bytes(*field);
    *field = if partial {
        checksum::update_folded(check, old, new).to_be_bytes()
    } else if check == 0 && protocol == proto::UDP {
        return; // RFC 768: none
    } else {
        repaired(protocol, check, old, new).to_be_bytes()
    };
}

/// Repair the checksum after bytes of the transport header changed.
#[inline]
pub fn covered_changed(frame: &mut Frame, protocol: u8, old: &[u8], new: &[u8]) {
    if matches!(frame.checksum, ChecksumState::Partial { .. }) {
        return;
    }
    if protocol == proto::SCTP {
        sctp::refresh(frame);
        return;
    }
    let Some(field) = checksum_field(frame, protocol) else { return };
    let check = u16::from_be_bytes(*field);
    if check == 0 && protocol == proto::UDP {
        return;
    }
    *field = repaired(protocol, check, old, new).to_be_bytes();
}

/// Sum a frame's transport checksum anew and write it, whatever stood there (`l3`, `l4` must be known).
pub fn refresh(frame: &mut Frame) {
    let Some(found) = layers::find(frame.bytes()) else { return };
    frame.checksum = ChecksumState::Unknown;
    if found.proto == proto::SCTP {
        (frame.l3, frame.l4) = (found.l3 as u16, found.l4 as u16);
        sctp::refresh(frame);
        return;
    }
    let Some(offset) = checksum_offset(found.proto) else { return };
    let pseudo = found.pseudo(frame.bytes());
    let segment = &mut frame.bytes_mut()[found.l4..found.end];
    let Some(field) = segment.get_mut(offset..offset + 2) else { return };
    field.fill(0);
    let sum = if found.proto == proto::ICMP { checksum::Sum::of(segment) } else { pseudo.with(segment) };
    let check = if found.proto == proto::UDP { checksum::nonzero(sum.finish()) } else { sum.finish() };
    segment[offset..offset + 2].copy_from_slice(&check.to_be_bytes());
}

/// Where the checksum stands in the transport header.
pub const fn checksum_offset(protocol: u8) -> Option<usize> {
    match protocol {
        proto::TCP => Some(16),
        proto::UDP => Some(6),
        proto::ICMP | proto::ICMPV6 => Some(2),
        _ => None,
    }
}

fn repaired(protocol: u8, check: u16, old: &[u8], new: &[u8]) -> u16 {
    let check = checksum::update(check, old, new);
    if protocol == proto::UDP { checksum::nonzero(check) } else { check }
}

fn checksum_field(frame: &mut Frame, protocol: u8) -> Option<&mut [u8; 2]> {
    let l4 = usize::from(frame.l4);
    if l4 == 0 {
        return None;
    }
    let at = l4 + checksum_offset(protocol)?;
    frame.bytes_mut().get_mut(at..)?.first_chunk_mut()
}
