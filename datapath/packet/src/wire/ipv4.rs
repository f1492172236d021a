//! IPv4 (RFC 791 §3.1).
//!
//! ```text
//! | version:4 ihl:4 | tos | total length: 2 | id: 2 | flags:3 offset:13 | ttl | proto | checksum: 2 | src: 4 | dst: 4 |
//! ```

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Missing, header_mut, transport};
use crate::Frame;
use crate::checksum::{self, Sum};

/// Bytes of the header without options.
pub const LEN: usize = 20;
/// Flag "more fragments" in `fragment`.
pub const MORE_FRAGMENTS: u16 = 0x2000;
/// Flag "don't fragment" in `fragment`.
pub const DONT_FRAGMENT: u16 = 0x4000;
/// Offset bits of `fragment`, in units of 8 bytes.
pub const OFFSET: u16 = 0x1fff;

/// The header without options as it lies on the wire.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy, Debug)]
#[repr(C)]
pub struct Ipv4Wire {
    /// Version (4) and header length in words.
    pub version_ihl: u8,
    /// DSCP and ECN.
    pub tos: u8,
    /// Header and payload.
    pub total_len: U16,
    /// Identification.
    pub id: U16,
    /// Flags and offset.
    pub fragment: U16,
    /// Time to live.
    pub ttl: u8,
    /// Protocol of the payload.
    pub proto: u8,
    /// Header checksum.
    pub checksum: U16,
    /// Source.
    pub src: [u8; 4],
    /// Destination.
    pub dst: [u8; 4],
}

impl Ipv4Wire {
    /// A header of 20 bytes with its checksum.
    pub fn new(src: [u8; 4], dst: [u8; 4], proto: u8, payload_len: u16) -> Ipv4Wire {
        let mut header = Ipv4Wire {
            version_ihl: 0x45,
            tos: 0,
            total_len: (payload_len + LEN as u16).into(),
            id: 0.into(),
            fragment: 0.into(),
            ttl: 64,
            proto,
            checksum: 0.into(),
            src,
            dst,
        };
        header.refresh();
        header
    }

    /// Length of the header, options included.
    pub fn header_len(&self) -> usize {
        usize::from(self.version_ihl & 15) * 4
    }

    /// Sum the header anew (right for a header without options).
    pub fn refresh(&mut self) {
        self.checksum = 0.into();
        self.checksum = Sum::of(self.as_bytes()).finish().into();
    }

    /// Source and destination, for the pseudo header.
    pub fn addresses(&self) -> [u8; 8] {
        let ([a, b, c, d], [e, f, g, h]) = (self.src, self.dst);
        [a, b, c, d, e, f, g, h]
    }
}

/// Which fields to write.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ipv4Edit {
    /// Source address.
    pub src: Option<[u8; 4]>,
    /// Destination address.
    pub dst: Option<[u8; 4]>,
    /// DSCP and ECN.
    pub tos: Option<u8>,
    /// Time to live.
    pub ttl: Option<u8>,
}

/// Write fields, repairing the header's checksum and that of TCP and UDP.
///
/// # Errors
/// If the frame has no IPv4 header.
#[inline]
pub fn edit(frame: &mut Frame, edit: &Ipv4Edit) -> Result<(), Missing> {
    let header = header_mut::<Ipv4Wire>(frame, frame.l3)?;
    if header.version_ihl >> 4 != 4 {
        return Err(Missing);
    }
    let old = *header;
    let mut check = header.checksum.get();
    header.src = edit.src.unwrap_or(old.src);
    header.dst = edit.dst.unwrap_or(old.dst);
    header.tos = edit.tos.unwrap_or(old.tos);
    header.ttl = edit.ttl.unwrap_or(old.ttl);
    if header.tos != old.tos {
        check = checksum::update16(check, old.tos.into(), header.tos.into());
    }
    if header.ttl != old.ttl {
        check = checksum::update16(check, u16::from(old.ttl) << 8, u16::from(header.ttl) << 8);
    }
    let (before, after, proto) = (old.addresses(), header.addresses(), old.proto);
    if before != after {
        check = checksum::update(check, &before, &after);
    }
    header.checksum = check.into();
    if before != after {
        transport::pseudo_changed(frame, proto, &before, &after);
    }
    Ok(())
}
