//! Segmentation: the frames that one GSO frame stands for.
//!
//! What a network device does in hardware (virtio 1.2 §5.1.6.2): equal cuts of the payload behind copies of the headers,
//! with lengths, identification, sequence numbers, flags and checksums put right.
//! Why here: only an egress that cannot take a GSO frame calls this; every other frame crosses the switch whole.
//! Invariant: the segments' payloads, put together, are the frame's payload, and none is longer than `gso.size`.

use crate::checksum::{self, Sum};
use crate::frame::{ChecksumState, Frame, Gso, GsoKind, Pool};
use crate::tunnel::push;
use crate::wire::ipv4::Ipv4Wire;
use crate::wire::ipv6::Ipv6Wire;
use crate::wire::layers::{self, Layers};
use crate::wire::tcp::{TcpWire, flags};
use crate::wire::udp::UdpWire;
use crate::wire::{proto, transport, view_mut};

/// The frame's headers do not fit what its offload metadata says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CannotSegment;

/// Make a frame ready for a device that can do nothing itself: segmented, with all checksums filled in. Hands the results
/// to `send` in order; buffers come from `pool`, and `frame` itself goes back to it or on to `send`.
///
/// # Errors
/// If the frame's headers are not those of its GSO kind: the frame is gone.
pub fn finish(mut frame: Frame, pool: &mut Pool, mut send: impl FnMut(Frame)) -> Result<(), CannotSegment> {
    let done = match frame.gso {
        Some(gso) => segment(&frame, gso, pool, &mut send),
        None => {
            checksum::fill(&mut frame);
            send(frame);
            return Ok(());
        }
    };
    pool.put(frame);
    done
}

/// Cut a GSO frame into frames of `pool`, handed to `send` in order.
///
/// # Errors
/// If the headers are not those of the GSO kind, or the segment size is zero.
pub fn segment(frame: &Frame, gso: Gso, pool: &mut Pool, mut send: impl FnMut(Frame)) -> Result<(), CannotSegment> {
    let bytes = frame.bytes();
    let found = match frame.outer {
        Some(outer) => layers::find_inner(bytes, outer.at.into(), outer.ethernet),
        None => layers::find(bytes),
    };
    let found = found.ok_or(CannotSegment)?;
    let expected = match gso.kind {
        GsoKind::TcpV4 | GsoKind::TcpV6 => proto::TCP,
        GsoKind::UdpL4 => proto::UDP,
    };
    let v6_differs = matches!((gso.kind, found.v6), (GsoKind::TcpV4, true) | (GsoKind::TcpV6, false));
    if found.proto != expected || v6_differs || gso.size == 0 {
        return Err(CannotSegment);
    }
    let headers = found.payload(bytes).ok_or(CannotSegment)?;
    let payload = &bytes[headers..found.end];
    let cuts = payload.len().div_ceil(gso.size.into()).max(1);
    for nth in 0..cuts {
        let from = nth * usize::from(gso.size);
        let part = &payload[from..payload.len().min(from + usize::from(gso.size))];
        let mut cut = pool.sized(headers + part.len());
        cut.set_len(headers + part.len());
        let room = cut.bytes_mut();
        room[..headers].copy_from_slice(&bytes[..headers]);
        room[headers..].copy_from_slice(part);
        adjust(room, &found, &Nth { index: nth, offset: from, last: nth + 1 == cuts });
        (cut.l3, cut.l4) = (found.l3 as u16, found.l4 as u16);
        if let Some(outer) = frame.outer {
            push::finish(&mut cut, &outer, outer.number.wrapping_add(nth as u32));
            (cut.l3, cut.l4) = (outer.l3, outer.l4);
        }
        cut.in_port = frame.in_port;
        cut.checksum = ChecksumState::Valid;
        send(cut);
    }
    Ok(())
}

/// Turn a frame that waits for segmentation behind a UDP tunnel's headers into frames that wait for segmentation of the UDP
/// datagrams themselves: what is inside is cut, copied once, and lies in datagrams of one size behind one outer header.
///
/// # Errors
/// If it is no such frame.
pub fn bundle(frame: &Frame, pool: &mut Pool, mut send: impl FnMut(Frame)) -> Result<(), CannotSegment> {
    let (Some(gso), Some(outer)) = (frame.gso, frame.outer) else { return Err(CannotSegment) };
    let bytes = frame.bytes();
    let found = layers::find_inner(bytes, outer.at.into(), outer.ethernet).ok_or(CannotSegment)?;
    let headers = found.payload(bytes).ok_or(CannotSegment)?;
    let body = usize::from(outer.l4) + size_of::<UdpWire>();
    let (each, size) = (headers - body, usize::from(gso.size));
    if !outer.kind.is_udp() || size == 0 || each + size > LONGEST / 2 {
        return Err(CannotSegment);
    }
    // within a datagram
    let inside = Layers { l3: found.l3 - body, l4: found.l4 - body, end: found.end - body, ..found };
    let payload = &bytes[headers..found.end];
    let cuts = payload.len().div_ceil(size).max(1);
    let most = ((LONGEST - body) / (each + size)).min(MOST_DATAGRAMS);
    let mut nth = 0;
    while nth < cuts {
        let here = most.min(cuts - nth);
        let from = nth * size;
        let data = payload.len().min(from + here * size) - from;
        let mut big = pool.sized(body + here * each + data);
        big.set_len(body + here * each + data);
        let room = big.bytes_mut();
        room[..body].copy_from_slice(&bytes[..body]);
        let mut at = body;
        for nth in nth..nth + here {
            let from = nth * size;
            let part = &payload[from..payload.len().min(from + size)];
            let room = &mut room[at..at + each + part.len()];
            room[..each].copy_from_slice(&bytes[body..headers]);
            room[each..].copy_from_slice(part);
            adjust(room, &inside, &Nth { index: nth, offset: from, last: nth + 1 == cuts });
            push::finish_datagram(room, outer.kind);
            at += each + part.len();
        }
        big.in_port = frame.in_port;
        let gso = Gso { kind: GsoKind::UdpL4, size: (each + size) as u16, header_len: body as u16, ecn: false };
        big.gso = (here > 1).then_some(gso);
        push::finish_bundle(&mut big, &outer, outer.number.wrapping_add(nth as u32));
        send(big);
        nth += here;
    }
    Ok(())
}

/// The longest IP packet.
const LONGEST: usize = 65535;
/// Datagrams in one frame: what kernels since 4.18 take (UDP_MAX_SEGMENTS).
const MOST_DATAGRAMS: usize = 64;

struct Nth {
    index: usize,
    /// Of its payload within the whole.
    offset: usize,
    last: bool,
}

fn adjust(bytes: &mut [u8], found: &Layers, nth: &Nth) {
    const WAS_THERE: &str = "the headers were found in the whole frame";
    let len = bytes.len();
    if found.v6 {
        let ip = view_mut::<Ipv6Wire>(bytes, found.l3).expect(WAS_THERE);
        ip.payload_len = ((len - found.l3 - size_of::<Ipv6Wire>()) as u16).into();
    } else {
        let ip = view_mut::<Ipv4Wire>(bytes, found.l3).expect(WAS_THERE);
        ip.total_len = ((len - found.l3) as u16).into();
        ip.id = ip.id.get().wrapping_add(nth.index as u16).into();
        ip.checksum = 0.into();
        let check = Sum::of(&bytes[found.l3..found.l4]).finish();
        view_mut::<Ipv4Wire>(bytes, found.l3).expect(WAS_THERE).checksum = check.into();
    }
    if found.proto == proto::TCP {
        let tcp = view_mut::<TcpWire>(bytes, found.l4).expect(WAS_THERE);
        tcp.seq = tcp.seq.get().wrapping_add(nth.offset as u32).into();
        let mut kept = tcp.flags();
        if !nth.last {
            kept &= !(flags::FIN | flags::PSH);
        }
        if nth.index > 0 {
            kept &= !flags::CWR; // RFC 3168 §6.1.2: said once
        }
        tcp.set_flags(kept);
    } else {
        view_mut::<UdpWire>(bytes, found.l4).expect(WAS_THERE).len = ((len - found.l4) as u16).into();
    }
    let at = found.l4 + transport::checksum_offset(found.proto).expect("TCP and UDP have one");
    bytes[at..at + 2].fill(0);
    let sum = found.pseudo_for(bytes, len - found.l4).with(&bytes[found.l4..]);
    let check = if found.proto == proto::UDP { checksum::nonzero(sum.finish()) } else { sum.finish() };
    bytes[at..at + 2].copy_from_slice(&check.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mac;
    use crate::builder::Builder;
    use crate::wire::view;
    use proptest::prelude::*;

    fn cut(frame: &Frame, gso: Gso) -> Vec<Frame> {
        let mut out = Vec::new();
        segment(frame, gso, &mut Pool::new(4), |f| out.push(f)).unwrap();
        out
    }

    fn assert_checksums_hold(frame: &Frame) {
        let found = layers::find(frame.bytes()).unwrap();
        if !found.v6 {
            assert_eq!(Sum::of(&frame.bytes()[found.l3..found.l4]).finish(), 0);
        }
        assert_eq!(found.pseudo(frame.bytes()).with(&frame.bytes()[found.l4..found.end]).finish(), 0);
    }

    proptest! {
        #[test]
        fn segments_put_together_are_the_frame(len in 0usize..20_000, size in 1u16..3000, v6: bool, udp: bool) {
            let payload: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
            let ethernet = Builder::ethernet(Mac::BROADCAST, Mac::ZERO).vlan(0x8100, 10);
            let ip = if v6 { ethernet.ipv6([1; 16], [2; 16]) } else { ethernet.ipv4([10, 0, 0, 1], [10, 0, 0, 2]) };
            let built = if udp { ip.udp(1, 2) } else { ip.tcp(1, 2, flags::ACK | flags::PSH | flags::CWR) };
            let frame = Frame::copy_of(&built.payload(&payload).build());
            let kind = match (udp, v6) {
                (true, _) => GsoKind::UdpL4,
                (false, true) => GsoKind::TcpV6,
                (false, false) => GsoKind::TcpV4,
            };
            let parts = cut(&frame, Gso { kind, size, header_len: 0, ecn: false });
            let mut together = Vec::new();
            for (i, part) in parts.iter().enumerate() {
                assert_checksums_hold(part);
                let found = layers::find(part.bytes()).unwrap();
                if !udp {
                    let tcp = view::<TcpWire>(part.bytes(), found.l4).unwrap();
                    prop_assert_eq!(tcp.seq.get() as usize, together.len());
                    prop_assert_eq!(tcp.flags() & flags::PSH != 0, i + 1 == parts.len());
                    prop_assert_eq!(tcp.flags() & flags::CWR != 0, i == 0);
                }
                let data = &part.bytes()[found.payload(part.bytes()).unwrap()..];
                prop_assert!(data.len() <= usize::from(size));
                together.extend_from_slice(data);
            }
            prop_assert_eq!(together, payload);
        }
    }

    #[test]
    fn a_frame_of_another_kind_is_refused() {
        let frame = Frame::copy_of(&[0; 60]);
        let gso = Gso { kind: GsoKind::TcpV4, size: 100, header_len: 54, ecn: false };
        assert_eq!(segment(&frame, gso, &mut Pool::default(), |_| ()), Err(CannotSegment));
    }
}
