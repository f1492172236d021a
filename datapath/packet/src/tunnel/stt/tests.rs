//! Against frames built by hand from draft-davie-stt-08 §3, and: what goes in comes out, whatever happens on the way.

use proptest::prelude::*;
use weft_base::Time;

use super::assembly::{Added, Assembly, LIFE, Lost, MOST, SHARE};
use super::*;
use crate::builder::Builder;
use crate::checksum::Sum;
use crate::frame::Pool;
use crate::tunnel::{Dialect, Ends, Kind, Push, Tunnel, decap, encap, pseudo};
use crate::{DpPort, Mac, segment};

const STT: Dialect = Dialect::of(Kind::Stt);

/// One IP packet of the draft's §3.1: `[length of the STT frame, offset]` are the sequence number, `id` the acknowledgment.
fn piece(src: u8, id: u32, total: u16, offset: u16, data: &[u8]) -> Frame {
    let mut bytes = vec![0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x08, 0x00];
    bytes.extend([0x45, 0]);
    bytes.extend((40 + data.len() as u16).to_be_bytes());
    bytes.extend([0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, src, 10, 0, 0, 99]);
    let sum = Sum::of(&bytes[14..34]).finish().to_be_bytes();
    bytes[24..26].copy_from_slice(&sum);
    bytes.extend([0xc0, 0x01]); // source port 49153
    bytes.extend(7471u16.to_be_bytes());
    bytes.extend(total.to_be_bytes());
    bytes.extend(offset.to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes.extend([0x50, 0x10, 0, 0, 0, 0, 0, 0]); // five words, ACK, window, checksum, urgent pointer
    bytes.extend(data);
    let ends = Ends::V4 { src: [10, 0, 0, src], dst: [10, 0, 0, 99] };
    let sum = pseudo(&ends, 6, data.len() + 20).with(&bytes[34..]).finish().to_be_bytes();
    bytes[50..52].copy_from_slice(&sum);
    let mut frame = Frame::copy_of(&bytes);
    (frame.l3, frame.l4, frame.in_port) = (14, 34, DpPort(1));
    frame
}

/// STT's own header (§3.2): version, flags, L4 offset, 0, MSS, tag, context id, padding.
fn header(flags: u8, l4: u8, mss: u16, tag: u16, context: u64) -> Vec<u8> {
    let mut bytes = vec![0, flags, l4, 0];
    bytes.extend(mss.to_be_bytes());
    bytes.extend(tag.to_be_bytes());
    bytes.extend(context.to_be_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn tcp(len: usize, v6: bool) -> Vec<u8> {
    let ethernet = Builder::ethernet(Mac([2; 6]), Mac([4; 6]));
    let ip = if v6 { ethernet.ipv6([1; 16], [2; 16]) } else { ethernet.ipv4([192, 0, 2, 1], [192, 0, 2, 2]) };
    ip.tcp(1000, 2000, 0x10).payload(&(0..len).map(|i| (i * 7) as u8).collect::<Vec<_>>()).build()
}

/// With its pseudo header's sum where the checksum belongs.
fn seeded(mut packet: Vec<u8>, v6: bool) -> Vec<u8> {
    let (from, l4) = if v6 { (22, 54) } else { (26, 34) };
    let seed = Sum::of(&packet[from..l4]).with16(6).with16((packet.len() - l4) as u16).folded();
    packet[l4 + 16..l4 + 18].copy_from_slice(&seed.to_be_bytes());
    packet
}

/// What a tunnel port does with a packet that is whole.
fn opened(mut frame: Frame) -> Result<(Tunnel, Frame), TunnelError> {
    let is_checked = frame.checksum != ChecksumState::Unknown;
    let read = decap(STT, frame.bytes(), frame.l3.into(), is_checked)?;
    let (tunnel, at, end) = (read.tunnel, read.at, read.end);
    frame.truncate(end);
    let own: [u8; LEN] = *frame.bytes()[at - LEN..at].first_chunk().unwrap();
    frame.remove(0, at);
    open(&mut frame, &own).map(|()| (tunnel, frame))
}

fn whole(added: Added) -> Frame {
    match added {
        Added::Whole(frame) => frame,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_frame_of_the_draft_is_read() {
    let packet = tcp(100, false);
    let data = [header(VERIFIED | IPV4 | TCP, 34, 0, 0, 0x0102_0304_0506_0708), packet.clone()].concat();
    let outer = piece(1, 77, data.len() as u16, 0, &data);
    let mut assembly = Assembly::default();
    let frame = whole(assembly.add(outer, 9, Time::ZERO, &mut Pool::new(1), |lost| panic!("{lost:?}")));
    let (tunnel, frame) = opened(frame).unwrap();
    assert_eq!((tunnel.id, tunnel.tp_src, tunnel.tp_dst), (0x0102_0304_0506_0708, 49153, 7471));
    assert_eq!((frame.bytes(), frame.checksum, frame.gso), (&packet[..], ChecksumState::Valid, None));
}

#[test]
fn a_tag_in_the_header_becomes_one_of_the_packet() {
    // priority 5, VLAN 0x234
    let packet = tcp(10, false);
    let data = [header(0, 0, 0, 5 << 13 | TAGGED | 0x234, 1), packet.clone()].concat();
    let (_, frame) = opened(piece(1, 1, data.len() as u16, 0, &data)).unwrap();
    let tagged = [&packet[..12], &[0x81, 0, 0xa2, 0x34], &packet[12..]].concat();
    assert_eq!((frame.bytes(), frame.checksum), (&tagged[..], ChecksumState::Unknown));
}

#[test]
fn a_large_packet_is_still_to_be_cut_and_summed() {
    for v6 in [false, true] {
        let (l4, kind) = if v6 { (54, GsoKind::TcpV6) } else { (34, GsoKind::TcpV4) };
        let packet = seeded(tcp(5000, v6), v6);
        let flags = PARTIAL | TCP | if v6 { 0 } else { IPV4 };
        let data = [header(flags, l4, 1400, 0, 1), packet.clone()].concat();
        let (_, frame) = opened(piece(1, 1, data.len() as u16, 0, &data)).unwrap();
        assert_eq!(frame.checksum, ChecksumState::Partial { start: l4.into(), offset: 16 });
        let gso = Gso { kind, size: 1400, header_len: u16::from(l4) + 20, ecn: false };
        assert_eq!((frame.bytes(), frame.gso), (&packet[..], Some(gso)));
        let mut cuts = Vec::new();
        segment::finish(frame, &mut Pool::new(1), |cut| cuts.push(cut)).unwrap();
        assert_eq!(cuts.len(), 4);
    }
}

#[test]
fn what_the_header_says_must_be_true_of_the_packet() {
    let packet = seeded(tcp(100, false), false);
    let wrong = [
        (VERIFIED | PARTIAL | IPV4 | TCP, 34, TunnelError::Flags),
        (PARTIAL | IPV4 | TCP, 30, TunnelError::Payload),
        (PARTIAL | IPV4 | TCP, 255, TunnelError::Payload),
        (PARTIAL | TCP, 34, TunnelError::Payload),
        (PARTIAL | IPV4, 34, TunnelError::Payload),
    ];
    for (flags, l4, error) in wrong {
        let data = [header(flags, l4, 0, 0, 1), packet.clone()].concat();
        let result = opened(piece(1, 1, data.len() as u16, 0, &data));
        assert_eq!(result.map(|_| ()), Err(error), "{flags} {l4}");
    }
    let mut data = [header(0, 0, 0, 0, 1), packet].concat();
    data[0] = 1;
    assert_eq!(opened(piece(1, 1, data.len() as u16, 0, &data)).map(|_| ()), Err(TunnelError::Flags), "a version");
}

/// Pieces of 1000 bytes.
fn pieces(src: u8, id: u32, data: &[u8]) -> Vec<Frame> {
    let cut = |(nth, part)| piece(src, id, data.len() as u16, nth as u16 * 1000, part);
    data.chunks(1000).enumerate().map(cut).collect()
}

#[test]
fn pieces_come_in_any_order_and_twice() {
    let packet = tcp(4500, false);
    let data = [header(0, 0, 0, 0, 5), packet.clone()].concat();
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3], [1, 3, 0, 4, 2]] {
        let (mut assembly, mut pool, mut lost) = (Assembly::default(), Pool::new(4), Vec::new());
        for nth in &order[..4] {
            for _ in 0..2 {
                let one = pieces(1, 9, &data).swap_remove(*nth);
                assert!(matches!(assembly.add(one, 7, Time::ZERO, &mut pool, |l| lost.push(l)), Added::Taken));
            }
        }
        assert_eq!(lost, [Lost { in_port: DpPort(1), pieces: 1 }; 4]);
        let last = pieces(1, 9, &data).swap_remove(order[4]);
        let frame = whole(assembly.add(last, 7, Time::ZERO, &mut pool, |lost| panic!("{lost:?}")));
        assert_eq!((frame.in_port, frame.l3, frame.l4, assembly.len()), (DpPort(1), 14, 34, 0));
        let (tunnel, frame) = opened(frame).unwrap();
        assert_eq!((tunnel.id, frame.bytes()), (5, &packet[..]));
    }
}

#[test]
fn congestion_of_one_piece_is_congestion_of_the_frame() {
    let data = [header(0, 0, 0, 0, 5), tcp(1500, false)].concat();
    let (mut assembly, mut pool) = (Assembly::default(), Pool::new(4));
    let [first, mut second] = <[Frame; 2]>::try_from(pieces(1, 9, &data)).unwrap();
    second.bytes_mut()[15] = 3;
    second.bytes_mut()[24..26].fill(0);
    let sum = Sum::of(&second.bytes()[14..34]).finish().to_be_bytes();
    second.bytes_mut()[24..26].copy_from_slice(&sum);
    assembly.add(first, 7, Time::ZERO, &mut pool, |_| ());
    let (tunnel, _) = opened(whole(assembly.add(second, 7, Time::ZERO, &mut pool, |_| ()))).unwrap();
    assert_eq!(tunnel.tos, 3);
}

#[test]
fn a_frame_with_a_lost_piece_goes_when_its_time_is_over() {
    let data = [header(0, 0, 0, 0, 5), tcp(2500, false)].concat();
    let (mut assembly, mut pool, mut lost) = (Assembly::default(), Pool::new(4), Vec::new());
    let mut all = pieces(1, 9, &data);
    let late = all.pop().unwrap();
    for one in all {
        assembly.add(one, 7, Time::ZERO, &mut pool, |l| lost.push(l));
    }
    let just = Time::ZERO + (LIFE - std::time::Duration::from_nanos(1));
    assembly.expire(just, &mut pool, |l| lost.push(l));
    assert!(lost.is_empty() && assembly.len() == 1);
    // the one that comes too late begins anew
    assert!(matches!(assembly.add(late, 7, Time::ZERO + LIFE, &mut pool, |l| lost.push(l)), Added::Taken));
    assert_eq!((&lost[..], assembly.len()), (&[Lost { in_port: DpPort(1), pieces: 2 }][..], 1));
    assembly.expire(Time::ZERO + LIFE + LIFE, &mut pool, |l| lost.push(l));
    assert!(assembly.is_empty() && lost.len() == 2);
}

#[test]
fn pieces_that_contradict_each_other_end_their_frame() {
    let (mut assembly, mut pool, mut lost) = (Assembly::default(), Pool::new(4), Vec::new());
    let mut add = |one: Frame| matches!(assembly.add(one, 7, Time::ZERO, &mut pool, |l| lost.push(l)), Added::Taken);
    assert!(add(piece(1, 1, 3000, 1000, &[1; 1000])));
    assert!(add(piece(1, 1, 3000, 1500, &[1; 1000])), "half of it is new");
    assert!(add(piece(1, 2, 3000, 1000, &[1; 1000])));
    assert!(add(piece(1, 2, 3000, 1000, &[2; 1000])), "the same place, and other bytes");
    assert_eq!(lost, [Lost { in_port: DpPort(1), pieces: 2 }; 2]);
    assert!(assembly.is_empty());
}

#[test]
fn what_is_no_piece_is_refused_with_its_reason() {
    let refused = |frame: Frame| match Assembly::default().add(frame, 7, Time::ZERO, &mut Pool::new(1), |_| ()) {
        Added::Refused(_, error) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(piece(1, 1, 1000, 500, &[0; 501])), TunnelError::Length);
    assert_eq!(refused(piece(1, 1, 18, 0, &[0; 18])), TunnelError::Length);
    assert_eq!(refused(piece(1, 1, 1000, 500, &[])), TunnelError::Length);
    let mut bad = piece(1, 1, 1000, 0, &[0; 100]);
    bad.bytes_mut()[80] = 1;
    assert_eq!(refused(bad), TunnelError::Checksum);
    let mut options = piece(1, 1, 1000, 0, &[0; 100]);
    options.bytes_mut()[46] = 0x60;
    assert_eq!(refused(options), TunnelError::Flags);
}

#[test]
fn a_flood_of_first_pieces_keeps_its_bounds_and_leaves_others_theirs() {
    let (mut assembly, mut pool, mut lost) = (Assembly::default(), Pool::new(4), 0);
    let data = [header(0, 0, 0, 0, 5), tcp(1500, false)].concat();
    let [first, second] = <[Frame; 2]>::try_from(pieces(200, 9, &data)).unwrap();
    assembly.add(first, 7, Time::ZERO, &mut pool, |_| panic!("there is room"));
    for id in 0..1000 {
        assembly.add(piece(1, id, u16::MAX, 0, &[0; 20]), 7, Time::ZERO, &mut pool, |l| lost += l.pieces);
        assert!(assembly.len() <= SHARE + 1);
    }
    assert_eq!(lost as usize, 1000 - SHARE);
    assert!(matches!(assembly.add(second, 7, Time::ZERO, &mut pool, |_| ()), Added::Whole(_)));
    // with addresses of many, the oldest goes
    for id in 0..1000 {
        assembly.add(piece(id as u8, id, u16::MAX, 0, &[0; 20]), 7, Time::ZERO, &mut pool, |l| lost += l.pieces);
        assert!(assembly.len() <= MOST);
    }
    assert_eq!((assembly.len(), lost as usize), (MOST, 2000 - MOST));
}

#[test]
fn many_small_gaps_end_a_frame() {
    let (mut assembly, mut pool, mut lost) = (Assembly::default(), Pool::new(4), 0);
    for nth in 0..33 {
        assembly.add(piece(1, 1, 1000, nth * 2, &[1]), 7, Time::ZERO, &mut pool, |l| lost += l.pieces);
    }
    assert!(assembly.is_empty() && lost == 33);
}

/// A tunnel's headers over either version of IP.
fn push(v6: bool) -> Push {
    let ends = match v6 {
        true => Ends::V6 { src: [0xfd; 16], dst: [0xfc; 16] },
        false => Ends::V4 { src: [10, 0, 0, 1], dst: [10, 0, 0, 2] },
    };
    let tunnel = Tunnel { ends, id: 42, flags: KEY, ttl: 64, ..Tunnel::default() };
    let (dst, src) = (Mac([6; 6]), Mac([8; 6]));
    let wanted = Encap {
        dialect: STT,
        dst,
        src,
        tunnel: &tunnel,
        options: &[],
        inner: ETHERNET,
        seq: false,
        label: 0,
        segments: &[],
    };
    Push::new(Kind::Stt, &encap(&wanted).unwrap()).unwrap()
}

/// How a sender's packet is summed.
#[derive(Clone, Copy, Debug)]
enum Sent {
    Whole,
    Checked,
    Unsummed,
    Uncut(u16),
}

proptest! {
    #[test]
    fn a_packet_crosses_in_pieces_as_it_was(
        len in 1usize..20_000, inner_v6: bool, outer_v6: bool, mtu in 600usize..9000, seed: u64,
        sent in prop_oneof![
            Just(Sent::Whole), Just(Sent::Checked), Just(Sent::Unsummed), (200u16..3000).prop_map(Sent::Uncut),
        ],
    ) {
        let l4 = if inner_v6 { 54 } else { 34 };
        let plain = tcp(len, inner_v6);
        let mut frame = Frame::copy_of(&match sent {
            Sent::Whole | Sent::Checked => plain,
            Sent::Unsummed | Sent::Uncut(_) => seeded(plain, inner_v6),
        });
        let partial = ChecksumState::Partial { start: l4, offset: 16 };
        match sent {
            Sent::Whole => {}
            Sent::Checked => frame.checksum = ChecksumState::Valid,
            Sent::Unsummed => frame.checksum = partial,
            Sent::Uncut(size) => {
                let kind = if inner_v6 { GsoKind::TcpV6 } else { GsoKind::TcpV4 };
                frame.checksum = partial;
                frame.gso = Some(Gso { kind, size, header_len: l4 + 20, ecn: false });
            }
        }
        let before = frame.duplicate();
        let push = push(outer_v6);
        prop_assert!(push.takes(&frame));
        push.apply(&mut frame, true, 40_000, 77);
        fit(&mut frame, mtu);
        let (mut pool, mut cuts) = (Pool::new(4), Vec::new());
        segment::finish(frame, &mut pool, |cut| cuts.push(cut)).unwrap();
        for cut in &cuts {
            prop_assert!(cut.len() <= mtu + 14);
            check_sum(cut.bytes(), outer_v6);
        }
        // any order
        let mut dice = seed | 1;
        for at in (1..cuts.len()).rev() {
            dice = dice.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            cuts.swap(at, (dice >> 33) as usize % (at + 1));
        }
        let (mut assembly, mut done) = (Assembly::default(), Vec::new());
        for mut cut in cuts {
            (cut.l3, cut.l4, cut.checksum) = (14, if outer_v6 { 54 } else { 34 }, ChecksumState::Unknown);
            if let Added::Whole(frame) = assembly.add(cut, 7, Time::ZERO, &mut pool, |lost| panic!("{lost:?}")) {
                done.push(frame);
            }
        }
        prop_assert_eq!(done.len(), 1);
        let (tunnel, after) = opened(done.remove(0)).unwrap();
        prop_assert_eq!(tunnel.id, 42);
        prop_assert_eq!((after.bytes(), after.checksum), (before.bytes(), before.checksum));
        prop_assert_eq!(after.gso, before.gso.filter(|gso| len > usize::from(gso.size)));
    }
}

/// The outer packet's TCP checksum by another library.
fn check_sum(bytes: &[u8], v6: bool) {
    use pnet_packet::Packet;
    let sum = if v6 {
        let ip = pnet_packet::ipv6::Ipv6Packet::new(&bytes[14..]).unwrap();
        let tcp = pnet_packet::tcp::TcpPacket::new(ip.payload()).unwrap();
        (tcp.get_checksum(), pnet_packet::tcp::ipv6_checksum(&tcp, &ip.get_source(), &ip.get_destination()))
    } else {
        let ip = pnet_packet::ipv4::Ipv4Packet::new(&bytes[14..]).unwrap();
        assert_eq!(ip.get_checksum(), pnet_packet::ipv4::checksum(&ip));
        let tcp = pnet_packet::tcp::TcpPacket::new(ip.payload()).unwrap();
        (tcp.get_checksum(), pnet_packet::tcp::ipv4_checksum(&tcp, &ip.get_source(), &ip.get_destination()))
    };
    assert_eq!(sum.0, if sum.1 == 0 { 0xffff } else { sum.1 });
}

#[test]
fn datagrams_that_wait_for_segmentation_go_one_by_one() {
    let mut frame = Frame::copy_of(&Builder::ethernet(Mac([2; 6]), Mac([4; 6])).ipv4([1; 4], [2; 4]).udp(1, 2).build());
    frame.gso = Some(Gso { kind: GsoKind::UdpL4, size: 1000, header_len: 42, ecn: false });
    assert!(!push(false).takes(&frame));
    frame.gso = None;
    assert!(push(false).takes(&frame));
}

/// Bytes as a sequence of pieces: nothing panics, and what is kept stays within its bounds.
#[test]
fn no_sequence_of_packets_makes_putting_together_panic() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let (mut assembly, mut pool, mut now) = (Assembly::default(), Pool::new(1), Time::ZERO);
        for chunk in bytes.chunks(9) {
            let at = |nth: usize| u16::from(chunk.get(nth).copied().unwrap_or_default());
            let data = vec![at(0) as u8; usize::from(at(1)) * 8];
            let mut frame = piece(at(2) as u8 & 3, u32::from(at(3) & 3), at(4) << 4, at(5) << 4 | at(6) & 15, &data);
            frame.checksum = ChecksumState::Valid;
            now += std::time::Duration::from_millis(at(7).into());
            if at(8) & 1 != 0
                && let Some(byte) = frame.bytes_mut().get_mut(14 + usize::from(at(6)))
            {
                *byte = at(8) as u8;
            }
            if let Added::Whole(frame) = assembly.add(frame, 7, now, &mut pool, |_| ()) {
                let _ = opened(frame);
            }
            assert!(assembly.len() <= MOST);
        }
    });
}

#[test]
fn no_header_makes_opening_panic() {
    bolero::check!().for_each(|bytes: &[u8]| {
        if let Some((own, rest)) = bytes.split_first_chunk::<LEN>()
            && rest.len() >= 14
        {
            let mut frame = Frame::copy_of(rest);
            if open(&mut frame, own).is_ok() {
                let _ = segment::finish(frame, &mut Pool::new(1), |_| ());
            }
        }
    });
}
