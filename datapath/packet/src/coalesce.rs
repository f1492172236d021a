//! Putting TCP segments together again: what a receiving device does (large receive offload), for packets that were inside
//! datagrams until now.
//!
//! What: [`Coalescer`] takes packets in the order in which they came; neighbours that continue one TCP stream become one frame
//! that waits for segmentation, everything else passes as it is.
//! How: a segment continues a frame if its headers are the same but for what a sender that segments changes (lengths,
//! identification, sequence number, sums) and its checksum is right; the segments are as long as the first, the last may be
//! shorter. Segmentation gives back the same segments.
//! Invariant: no byte with a wrong checksum gets into a frame that says it is right.

use crate::checksum::Sum;
use crate::frame::{BIG, ChecksumState, Frame, Gso, GsoKind, HEADROOM, Pool};
use crate::wire::ipv4::Ipv4Wire;
use crate::wire::ipv6::Ipv6Wire;
use crate::wire::layers::{self, Layers};
use crate::wire::tcp::{TcpWire, flags};
use crate::wire::{proto, view, view_mut};

/// A frame in the making.
#[derive(Default)]
pub struct Coalescer {
    open: Option<Open>,
}

struct Open {
    frame: Frame,
    found: Layers,
    /// Where the payload begins.
    payload: usize,
    /// Bytes of the first segment's payload.
    size: usize,
    /// The sequence number that continues it.
    next: u32,
    segments: usize,
    /// A shorter segment, or one that pushes or ends, has been the last.
    is_full: bool,
}

impl Coalescer {
    /// The next packet; `ethernet` says whether it begins with an Ethernet header. Frames that are done go to `emit`.
    pub fn add(&mut self, packet: &[u8], ethernet: bool, pool: &mut Pool, mut emit: impl FnMut(Frame)) {
        let segment = Segment::read(packet, ethernet);
        if let (Some(open), Some(segment)) = (&mut self.open, &segment)
            && open.take(segment)
        {
            return;
        }
        self.flush(&mut emit);
        match segment {
            Some(segment) if segment.data() > 0 && !segment.ends() => self.open = Some(Open::new(&segment, pool)),
            _ => {
                let mut frame = pool.sized(packet.len());
                frame.fill(packet);
                emit(frame);
            }
        }
    }

    /// No more will come.
    pub fn flush(&mut self, emit: impl FnOnce(Frame)) {
        if let Some(open) = self.open.take() {
            emit(open.done());
        }
    }
}

/// A TCP segment whose checksum is right.
struct Segment<'a> {
    bytes: &'a [u8],
    found: Layers,
    payload: usize,
}

impl<'a> Segment<'a> {
    fn read(bytes: &'a [u8], ethernet: bool) -> Option<Segment<'a>> {
        let found = layers::find_inner(bytes, 0, ethernet)?;
        if found.proto != proto::TCP || found.end != bytes.len() {
            return None;
        }
        let payload = found.payload(bytes)?;
        if !found.v6 && Sum::of(&bytes[found.l3..found.l4]).finish() != 0 {
            return None;
        }
        let sum = found.pseudo(bytes).with(&bytes[found.l4..]);
        (sum.finish() == 0).then_some(Segment { bytes, found, payload })
    }

    fn tcp(&self) -> &TcpWire {
        view::<TcpWire>(self.bytes, self.found.l4).expect("read() saw it")
    }

    fn data(&self) -> usize {
        self.bytes.len() - self.payload
    }

    /// Whether nothing may follow it: segmentation gives these flags to the last segment.
    fn ends(&self) -> bool {
        self.tcp().flags() & !(flags::ACK | ECE) != 0
    }
}

const ECE: u16 = 0x40;

impl Open {
    fn new(segment: &Segment<'_>, pool: &mut Pool) -> Open {
        let mut frame = pool.big();
        frame.fill(segment.bytes);
        let next = segment.tcp().seq.get().wrapping_add(segment.data() as u32);
        let (found, payload, size) = (segment.found, segment.payload, segment.data());
        Open { frame, found, payload, size, next, segments: 1, is_full: false }
    }

    /// Take a segment in if it continues the stream.
    fn take(&mut self, segment: &Segment<'_>) -> bool {
        let tcp = segment.tcp();
        let is_next = !self.is_full
            && (segment.found.l3, segment.found.l4, segment.found.v6) == (self.found.l3, self.found.l4, self.found.v6)
            && segment.payload == self.payload
            && tcp.seq.get() == self.next
            && (1..=self.size).contains(&segment.data())
            && self.frame.len() + segment.data() <= LONGEST + self.found.l3
            && tcp.flags() & !(flags::ACK | ECE | flags::PSH | flags::FIN) == 0
            && same_headers(self.frame.bytes(), segment.bytes, &self.found, self.payload);
        if !is_next {
            return false;
        }
        self.frame.append(&segment.bytes[segment.payload..]);
        self.next = self.next.wrapping_add(segment.data() as u32);
        self.segments += 1;
        self.is_full = segment.data() < self.size || segment.ends();
        if segment.ends() {
            let flags = tcp.flags();
            view_mut::<TcpWire>(self.frame.bytes_mut(), self.found.l4).expect("as the first").set_flags(flags);
        }
        true
    }

    fn done(mut self) -> Frame {
        if self.segments == 1 {
            self.frame.checksum = ChecksumState::Valid;
            return self.frame;
        }
        let (l3, l4, len) = (self.found.l3, self.found.l4, self.frame.len());
        self.found.end = len;
        let bytes = self.frame.bytes_mut();
        if self.found.v6 {
            let ip = view_mut::<Ipv6Wire>(bytes, l3).expect("as the first");
            ip.payload_len = ((len - l3 - size_of::<Ipv6Wire>()) as u16).into();
        } else {
            let ip = view_mut::<Ipv4Wire>(bytes, l3).expect("as the first");
            ip.total_len = ((len - l3) as u16).into();
            ip.checksum = 0.into();
            let sum = Sum::of(&bytes[l3..l4]).finish();
            view_mut::<Ipv4Wire>(bytes, l3).expect("as the first").checksum = sum.into();
        }
        let seed = self.found.pseudo(bytes).folded();
        view_mut::<TcpWire>(bytes, l4).expect("as the first").checksum = seed.into();
        self.frame.checksum = ChecksumState::Partial { start: l4 as u16, offset: 16 };
        let kind = if self.found.v6 { GsoKind::TcpV6 } else { GsoKind::TcpV4 };
        self.frame.gso = Some(Gso { kind, size: self.size as u16, header_len: self.payload as u16, ecn: false });
        self.frame
    }
}

/// The longest IP packet, and no longer than a buffer takes without growing.
const LONGEST: usize = if 65535 < BIG - HEADROOM - 64 { 65535 } else { BIG - HEADROOM - 64 };

/// Whether the headers are those that one sender gave two neighbouring segments.
fn same_headers(first: &[u8], other: &[u8], found: &Layers, payload: usize) -> bool {
    let (l3, l4) = (found.l3, found.l4);
    let ip = match found.v6 {
        // but for the length
        true => first[l3..l3 + 4] == other[l3..l3 + 4] && first[l3 + 6..l4] == other[l3 + 6..l4],
        // but for length, identification and checksum
        false => {
            first[l3..l3 + 2] == other[l3..l3 + 2]
                && first[l3 + 6..l3 + 10] == other[l3 + 6..l3 + 10]
                && first[l3 + 12..l4] == other[l3 + 12..l4]
        }
    };
    // but for sequence number, flags and checksum; acknowledgment, window and options are one sender's at one time
    ip && first[..l3] == other[..l3]
        && first[l4..l4 + 4] == other[l4..l4 + 4]
        && first[l4 + 8..l4 + 13] == other[l4 + 8..l4 + 13]
        && (first[l4 + 13] ^ other[l4 + 13]) & (ECE as u8) == 0
        && first[l4 + 14..l4 + 16] == other[l4 + 14..l4 + 16]
        && first[l4 + 18..payload] == other[l4 + 18..payload]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Mac;
    use crate::builder::Builder;
    use crate::segment;

    fn whole(len: usize, size: u16, v6: bool, ethernet: bool, last: u16) -> Frame {
        let payload: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
        let builder = Builder::ethernet(Mac([2; 6]), Mac([4; 6]));
        let ip = if v6 { builder.ipv6([1; 16], [2; 16]) } else { builder.ipv4([10, 0, 0, 1], [10, 0, 0, 2]) };
        let mut frame = Frame::copy_of(&ip.tcp(1, 2, flags::ACK | last).payload(&payload).build());
        let kind = if v6 { GsoKind::TcpV6 } else { GsoKind::TcpV4 };
        let l4 = if v6 { 54 } else { 34 };
        let found = layers::find(frame.bytes()).unwrap();
        let seed = found.pseudo(frame.bytes()).folded();
        frame.bytes_mut()[l4 + 16..l4 + 18].copy_from_slice(&seed.to_be_bytes());
        frame.gso = Some(Gso { kind, size, header_len: l4 as u16 + 20, ecn: false });
        frame.checksum = ChecksumState::Partial { start: l4 as u16, offset: 16 };
        if !ethernet {
            frame.remove(0, 14);
        }
        frame
    }

    fn cuts(len: usize, size: u16, v6: bool, ethernet: bool, last: u16) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        let from = if ethernet { 0 } else { 14 };
        let frame = whole(len, size, v6, true, last);
        segment::finish(frame, &mut Pool::new(1), |cut| out.push(cut.bytes()[from..].to_vec())).unwrap();
        out
    }

    fn coalesced(packets: &[Vec<u8>], ethernet: bool) -> Vec<Frame> {
        let (mut pool, mut out, mut coalescer) = (Pool::new(1), Vec::new(), Coalescer::default());
        packets.iter().for_each(|packet| coalescer.add(packet, ethernet, &mut pool, |frame| out.push(frame)));
        coalescer.flush(|frame| out.push(frame));
        out
    }

    proptest! {
        #[test]
        fn segments_become_what_they_were_cut_from(
            len in 1usize..40_000, size in 500u16..3000, v6: bool, ethernet: bool, push: bool,
        ) {
            let last = if push { flags::PSH } else { 0 };
            let out = coalesced(&cuts(len, size, v6, ethernet, last), ethernet);
            prop_assert_eq!(out.len(), 1);
            if len <= usize::from(size) {
                prop_assert!(out[0].gso.is_none());
            } else {
                let expected = whole(len, size, v6, ethernet, last);
                prop_assert_eq!(out[0].bytes(), expected.bytes());
                prop_assert_eq!((out[0].gso, out[0].checksum), (expected.gso, expected.checksum));
            }
        }

        #[test]
        fn whatever_order_they_come_in_no_segment_is_lost_or_changed(
            len in 1usize..20_000, size in 500u16..3000, v6: bool, swaps in proptest::collection::vec((0usize..40, 0usize..40), 0..6),
            broken in proptest::collection::vec((0usize..40, 54usize..500), 0..3),
        ) {
            let mut packets = cuts(len, size, v6, true, flags::PSH);
            let n = packets.len();
            swaps.iter().for_each(|(a, b)| packets.swap(a % n, b % n));
            for (which, at) in broken {
                let packet = &mut packets[which % n];
                let at = at % packet.len();
                packet[at] ^= 1;
            }
            let mut again = Vec::new();
            for frame in coalesced(&packets, true) {
                if frame.gso.is_some() {
                    let l3 = frame.l3;
                    prop_assert_eq!(l3, 0);
                    segment::finish(frame, &mut Pool::new(1), |cut| again.push(cut.bytes().to_vec())).unwrap();
                } else {
                    again.push(frame.bytes().to_vec());
                }
            }
            // identifications are the only thing that may differ: they go on from the first one's
            let plain = |packet: &Vec<u8>| {
                let mut packet = packet.clone();
                if packet.len() > 26 && !v6 {
                    packet[18..20].fill(0);
                    packet[24..26].fill(0);
                }
                packet
            };
            prop_assert_eq!(again.iter().map(plain).collect::<Vec<_>>(), packets.iter().map(plain).collect::<Vec<_>>());
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let (one, two) = bytes.split_at(bytes.len() / 2);
            for ethernet in [false, true] {
                assert!(!coalesced(&[one.to_vec(), two.to_vec()], ethernet).is_empty());
            }
        });
    }
}
