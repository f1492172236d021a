//! Putting prepared outer headers on a frame.
//!
//! What: [`Push`] is made once for a flow; [`Push::apply`] copies the headers in front of a frame in one move and writes what
//! is the frame's own: lengths, sums, source port, numbers.
//! How: a frame that waits for segmentation keeps waiting, whole: [`Frame::outer`] says where its outer headers lie, and
//! [`finish`] does the same for each segment. A checksum that is still to be filled in further inside is taken for filled in
//! (its sum is known from its pseudo header), so nothing is summed twice.
//! Invariant: what `apply` leaves is right for a device that does nothing, once partial checksums and segmentation are done.

use super::{Ends, Kind, gre, gtpu, pseudo, stt};
use crate::checksum::{self, Sum};
use crate::frame::{ChecksumState, Frame, Outer};
use crate::wire::ipv4::Ipv4Wire;
use crate::wire::ipv6::Ipv6Wire;
use crate::wire::udp::{self, UdpWire};
use crate::wire::{ethernet, ethertype, ipv4, ipv6, proto, view, view_mut};

/// Outer headers, ready to be put on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    kind: Kind,
    header: Box<[u8]>,
    l4: u16,
    counts: bool,
}

/// The longest header: any of the kinds with all options.
pub const MAX_HEADER: usize = 512;

impl Push {
    /// From headers as [`encap`](super::encap) makes them, from Ethernet on; `None` if they are no such headers.
    pub fn new(kind: Kind, header: &[u8]) -> Option<Push> {
        let kind_at = *header.get(12..)?.first_chunk::<2>()?;
        let (l4, proto) = match u16::from_be_bytes(kind_at) {
            ethertype::IPV4 => (ethernet::LEN + ipv4::LEN, view::<Ipv4Wire>(header, ethernet::LEN)?.proto),
            ethertype::IPV6 => (ethernet::LEN + ipv6::LEN, view::<Ipv6Wire>(header, ethernet::LEN)?.next),
            _ => return None,
        };
        let (need, wanted) = match kind {
            Kind::Vxlan | Kind::Geneve | Kind::Lisp | Kind::Gtpu => (udp::LEN + 8, proto::UDP),
            Kind::BareUdp => (udp::LEN, proto::UDP),
            Kind::Gre | Kind::Ip6Gre | Kind::Erspan | Kind::Ip6Erspan => (4, super::GRE),
            Kind::Stt => (stt::TCP_LEN + stt::LEN, proto::TCP),
            Kind::Srv6 => (0, proto),
        };
        if proto != wanted || header.len() < l4 + need || header.len() > MAX_HEADER {
            return None;
        }
        let mut counts = kind == Kind::Stt;
        if wanted == super::GRE {
            let flags = u16::from_be_bytes([header[l4], header[l4 + 1]]);
            if header.len() < l4 + gre_len(flags) {
                return None;
            }
            counts = flags & gre::HAS_SEQ != 0;
        }
        Some(Push { kind, header: header.into(), l4: l4 as u16, counts })
    }

    /// Bytes that are put on.
    pub fn len(&self) -> usize {
        self.header.len()
    }

    /// Never: there is always a header.
    pub fn is_empty(&self) -> bool {
        self.header.is_empty()
    }

    /// Whether the packets are numbered: [`Push::apply`] wants the next number.
    pub fn counts(&self) -> bool {
        self.counts
    }

    /// Whether a frame that waits for segmentation can get these headers whole; its segments can if not.
    #[inline]
    pub fn takes(&self, frame: &Frame) -> bool {
        frame.outer.is_none() && (self.kind != Kind::Stt || stt::takes(frame, self.header.len()))
    }

    /// Put the headers on. `source` is the UDP source port, chosen by the flow; `number` the packet's, of which a
    /// frame that waits for segmentation takes one for each segment. `ethernet`: the frame has an Ethernet header.
    #[inline]
    pub fn apply(&self, frame: &mut Frame, ethernet: bool, source: u16, number: u32) {
        let inside = if self.kind == Kind::Stt { stt::describe(frame) } else { [0; 5] };
        frame.insert(0, self.header.len());
        let bytes = frame.bytes_mut();
        bytes[..self.header.len()].copy_from_slice(&self.header);
        if self.kind.is_udp() || self.kind == Kind::Stt {
            let at = usize::from(self.l4);
            bytes[at..at + 2].copy_from_slice(&source.to_be_bytes());
        }
        (frame.l3, frame.l4) = (ethernet::LEN as u16, self.l4);
        let (l3, l4, at) = (frame.l3, frame.l4, self.header.len() as u16);
        let outer = Outer { kind: self.kind, l3, l4, at, ethernet, number };
        frame.outer = frame.gso.map(|_| outer);
        if self.kind == Kind::Stt {
            let own = usize::from(l4) + stt::TCP_LEN;
            frame.bytes_mut()[own + 1..own + 6].copy_from_slice(&inside);
            frame.outer = Some(outer); // its egress knows how long a piece may be
        }
        finish(frame, &outer, number);
    }
}

fn gre_len(flags: u16) -> usize {
    let has = |bit: u16| if flags & bit != 0 { 4 } else { 0 };
    4 + has(gre::HAS_CSUM) + has(gre::HAS_KEY) + has(gre::HAS_SEQ)
}

/// Write lengths, numbers and sums of outer headers that lie in front of a frame's inner packet.
///
/// # Panics
/// If the frame is shorter than its outer headers.
#[inline]
pub fn finish(frame: &mut Frame, outer: &Outer, number: u32) {
    let partial = match frame.checksum {
        ChecksumState::Partial { start, offset } => Some((usize::from(start), usize::from(start + offset))),
        _ => None,
    };
    let whole = frame.gso.is_none();
    let bytes = frame.bytes_mut();
    let (len, l3, l4) = (bytes.len(), usize::from(outer.l3), usize::from(outer.l4));
    if bytes[l3] >> 4 == 4 {
        let ip = view_mut::<Ipv4Wire>(bytes, l3).expect(WAS_THERE);
        ip.total_len = short(len - l3).into();
        ip.id = (number as u16).into();
        ip.refresh();
    } else {
        let ip = view_mut::<Ipv6Wire>(bytes, l3).expect(WAS_THERE);
        ip.payload_len = short(len - l3 - ipv6::LEN).into();
    }
    match outer.kind {
        Kind::Vxlan | Kind::Geneve | Kind::Lisp | Kind::BareUdp => finish_udp(bytes, outer, partial, whole),
        Kind::Gtpu => {
            let at = l4 + udp::LEN;
            let length = short(len - at - gtpu::LEN).to_be_bytes();
            bytes[at + 2..at + 4].copy_from_slice(&length);
            finish_udp(bytes, outer, partial, whole);
        }
        Kind::Gre | Kind::Ip6Gre | Kind::Erspan | Kind::Ip6Erspan => {
            let flags = u16::from_be_bytes([bytes[l4], bytes[l4 + 1]]);
            if flags & gre::HAS_SEQ != 0 {
                let at = l4 + gre_len(flags) - 4;
                bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
            }
            if flags & gre::HAS_CSUM != 0 {
                bytes[l4 + 4..l4 + 8].fill(0);
                let sum = if whole { sum_from(bytes, l4, partial).finish() } else { 0 };
                bytes[l4 + 4..l4 + 6].copy_from_slice(&sum.to_be_bytes());
            }
        }
        Kind::Stt => {
            // the sequence number is the length of what follows the TCP-like header, and this piece's offset: 0
            let payload = short(len - l4 - stt::TCP_LEN).to_be_bytes();
            bytes[l4 + 4..l4 + 8].copy_from_slice(&[payload[0], payload[1], 0, 0]);
            bytes[l4 + 8..l4 + 12].copy_from_slice(&number.to_be_bytes());
            let seed = ends(bytes, l3, proto::TCP, len - l4).folded();
            bytes[l4 + 16..l4 + 18].copy_from_slice(&seed.to_be_bytes());
            frame.checksum = ChecksumState::Partial { start: outer.l4, offset: 16 };
        }
        Kind::Srv6 => {}
    }
}

/// Write what a datagram's tunnel header says of its length.
pub(crate) fn finish_datagram(datagram: &mut [u8], kind: Kind) {
    if kind == Kind::Gtpu {
        let length = short(datagram.len() - gtpu::LEN).to_be_bytes();
        datagram[2..4].copy_from_slice(&length);
    }
}

/// Write the outer headers of several datagrams in one frame: the device makes each one's sum, as it must. One alone has a sum
/// if it was asked for.
pub(crate) fn finish_bundle(frame: &mut Frame, outer: &Outer, number: u32) {
    (frame.l3, frame.l4) = (outer.l3, outer.l4);
    finish(frame, outer, number);
    let Some(gso) = frame.gso else {
        frame.checksum = ChecksumState::Valid;
        return;
    };
    let (l3, l4) = (usize::from(outer.l3), usize::from(outer.l4));
    let bytes = frame.bytes_mut();
    let body = l4 + udp::LEN;
    finish_datagram(&mut bytes[body..body + usize::from(gso.size)], outer.kind);
    let seed = ends(bytes, l3, proto::UDP, bytes.len() - l4).folded();
    view_mut::<UdpWire>(bytes, l4).expect(WAS_THERE).checksum = seed.into();
    frame.checksum = ChecksumState::Partial { start: outer.l4, offset: 6 };
}

fn finish_udp(bytes: &mut [u8], outer: &Outer, partial: Option<(usize, usize)>, whole: bool) {
    let (len, l3, l4) = (bytes.len(), usize::from(outer.l3), usize::from(outer.l4));
    let header = view_mut::<UdpWire>(bytes, l4).expect(WAS_THERE);
    header.len = short(len - l4).into();
    // a field that is zero stays so: no checksum was asked for; each segment will have its own
    if header.checksum.get() != 0 && whole {
        header.checksum = 0.into();
        let sum = ends(bytes, l3, proto::UDP, len - l4).join(sum_from(bytes, l4, partial));
        let check = checksum::nonzero(sum.finish());
        view_mut::<UdpWire>(bytes, l4).expect(WAS_THERE).checksum = check.into();
    }
}

/// The pseudo header of the outer packet.
fn ends(bytes: &[u8], l3: usize, proto: u8, len: usize) -> Sum {
    let ends = if bytes[l3] >> 4 == 4 {
        let ip = view::<Ipv4Wire>(bytes, l3).expect(WAS_THERE);
        Ends::V4 { src: ip.src, dst: ip.dst }
    } else {
        let ip = view::<Ipv6Wire>(bytes, l3).expect(WAS_THERE);
        // with a routing header the checksum is that of the last destination (RFC 8200 §8.1); only SRv6 has one, and no sum
        Ends::V6 { src: ip.src, dst: ip.dst }
    };
    pseudo(&ends, proto, len)
}

/// The sum from `from` to the end, as it will be once the partial checksum inside is filled in: what is summed there will add
/// up to the complement of its pseudo header, which stands in the field.
fn sum_from(bytes: &[u8], from: usize, partial: Option<(usize, usize)>) -> Sum {
    match partial {
        Some((start, field)) if start >= from && (start - from).is_multiple_of(2) && field + 2 <= bytes.len() => {
            let seed = u16::from_be_bytes([bytes[field], bytes[field + 1]]);
            Sum::of(&bytes[from..start]).with16(!seed)
        }
        _ => Sum::of(&bytes[from..]),
    }
}

/// A length of 16 bits; 0 says "up to the end" of a frame that is longer than they count.
fn short(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(0)
}

const WAS_THERE: &str = "Push::new saw the header";
