//! Every edit against two judges: extraction reads back what was written and nothing else changed; pnet finds the
//! checksums right.

use pnet_packet::ip::IpNextHeaderProtocols as Proto;
use pnet_packet::ipv4::{self, Ipv4Packet};
use pnet_packet::ipv6::Ipv6Packet;
use pnet_packet::{Packet, icmp, icmpv6, tcp, udp};
use proptest::prelude::*;
use weft_flow::extract::extract;
use weft_packet::builder::Builder;
use weft_packet::{ChecksumState, checksum};

use super::*;

const FRAMES: usize = 9;

/// One frame of each kind.
fn frame(kind: usize) -> Vec<u8> {
    let ethernet = Builder::ethernet(Mac([2, 0, 0, 0, 0, 2]), Mac([2, 0, 0, 0, 0, 1]));
    let tagged = ethernet.clone().vlan(0x8100, 0x2005);
    let (v4, v6) = (([10, 0, 0, 1], [10, 0, 0, 2]), ([0x20; 16], [0x30; 16]));
    let payload = [0x5a; 33];
    match kind {
        0 => ethernet.ipv4(v4.0, v4.1).tcp(1, 2, 0x10).payload(&payload).build(),
        1 => ethernet.ipv4(v4.0, v4.1).udp(1, 2).payload(&payload).build(),
        2 => tagged.ipv4(v4.0, v4.1).icmp(8, 0).payload(&payload).build(),
        3 => tagged.ipv6(v6.0, v6.1).tcp(1, 2, 0x10).payload(&payload).build(),
        4 => ethernet.ipv6(v6.0, v6.1).udp(1, 2).payload(&payload).build(),
        5 => ethernet.ipv6(v6.0, v6.1).nd(135, 0, [0x40; 16], Some((1, Mac([9; 6])))).build(),
        6 => ethernet.arp(&weft_packet::wire::arp::ArpWire::new(1, Mac([1; 6]), v4.0, Mac::ZERO, v4.1)).build(),
        7 => ethernet.mpls(0x8847, &[0x0001_01ff]).payload(&payload).build(),
        _ => ethernet.ipv4(v4.0, v4.1).sctp(1, 2).payload(&payload).build(),
    }
}

/// Fields that can be set on each kind of frame.
fn fields(kind: usize) -> Vec<(SetHeader, Vec<FieldId>)> {
    use FieldId::*;
    let ethernet = (SetHeader::Ethernet, vec![EthSrc, EthDst]);
    let v4 = (SetHeader::Ipv4, vec![IpSrc, IpDst, NwTos, NwTtl, IpDscp, NwEcn]);
    let v6 = (SetHeader::Ipv6, vec![Ipv6Src, Ipv6Dst, Ipv6Label, NwTos, NwTtl, IpDscp, NwEcn]);
    let tcp = (SetHeader::Tcp, vec![TcpSrc, TcpDst]);
    let udp = (SetHeader::Udp, vec![UdpSrc, UdpDst]);
    match kind {
        0 => vec![ethernet, v4, tcp],
        1 => vec![ethernet, v4, udp],
        2 => vec![ethernet, v4, (SetHeader::Icmpv4, vec![IcmpType, IcmpCode])],
        3 => vec![ethernet, v6, tcp],
        4 => vec![ethernet, v6, udp],
        5 => vec![ethernet, v6, (SetHeader::Nd, vec![NdTarget, NdSll])],
        6 => vec![ethernet, (SetHeader::Arp, vec![ArpOp, ArpSpa, ArpTpa, ArpSha, ArpTha])],
        7 => vec![ethernet, (SetHeader::Mpls, vec![MplsLabel, MplsTc, MplsBos, MplsTtl])],
        _ => vec![ethernet, v4, (SetHeader::Sctp, vec![SctpSrc, SctpDst])],
    }
}

fn key_of(frame: &mut Frame) -> FlowKey {
    let mut key = FlowKey::new();
    key.begin(0, 1);
    extract(frame, &mut key, Limits { vlans: 2 }).unwrap();
    key
}

fn assert_checksums(bytes: &[u8]) {
    let vlan = if bytes[12..14] == [0x81, 0] { 4 } else { 0 };
    let (kind, ip) = ([bytes[12 + vlan], bytes[13 + vlan]], &bytes[14 + vlan..]);
    if kind == [8, 0] {
        let ip = Ipv4Packet::new(ip).unwrap();
        assert_eq!(ip.get_checksum(), ipv4::checksum(&ip));
        let (payload, src, dst) = (ip.payload(), ip.get_source(), ip.get_destination());
        match ip.get_next_level_protocol() {
            Proto::Tcp => {
                let segment = tcp::TcpPacket::new(payload).unwrap();
                assert_eq!(segment.get_checksum(), tcp::ipv4_checksum(&segment, &src, &dst));
            }
            Proto::Udp => {
                let datagram = udp::UdpPacket::new(payload).unwrap();
                assert_eq!(datagram.get_checksum(), nonzero(udp::ipv4_checksum(&datagram, &src, &dst)));
            }
            Proto::Icmp => {
                let message = icmp::IcmpPacket::new(payload).unwrap();
                // 0 and 0xffff are the same number; an incremental update may yield either.
                assert_eq!(nonzero(message.get_checksum()), nonzero(icmp::checksum(&message)));
            }
            Proto::Sctp => {
                let mut packet = payload.to_vec();
                let crc = packet.splice(8..12, [0; 4]).collect::<Vec<_>>();
                assert_eq!(crc, checksum::crc32c(&packet).to_le_bytes());
            }
            other => panic!("{other}"),
        }
    } else if kind == [0x86, 0xdd] {
        let ip = Ipv6Packet::new(ip).unwrap();
        let (payload, src, dst) = (ip.payload(), ip.get_source(), ip.get_destination());
        match ip.get_next_header() {
            Proto::Tcp => {
                let segment = tcp::TcpPacket::new(payload).unwrap();
                assert_eq!(segment.get_checksum(), tcp::ipv6_checksum(&segment, &src, &dst));
            }
            Proto::Udp => {
                let datagram = udp::UdpPacket::new(payload).unwrap();
                assert_eq!(datagram.get_checksum(), nonzero(udp::ipv6_checksum(&datagram, &src, &dst)));
            }
            Proto::Icmpv6 => {
                let message = icmpv6::Icmpv6Packet::new(payload).unwrap();
                assert_eq!(nonzero(message.get_checksum()), nonzero(icmpv6::checksum(&message, &src, &dst)));
            }
            other => panic!("{other}"),
        }
    }
}

fn nonzero(check: u16) -> u16 {
    if check == 0 { 0xffff } else { check }
}

proptest! {
    #[test]
    fn edits_change_what_they_name_and_keep_checksums_right(
        kind in 0..FRAMES,
        picks in proptest::collection::vec((any::<u8>(), any::<u8>(), any::<u128>(), any::<u128>(), any::<bool>()), 1..6),
    ) {
        let mut frame = Frame::copy_of(&frame(kind));
        assert_checksums(frame.bytes());
        let mut key = key_of(&mut frame);
        let mut expected = key.clone();
        for (header, field, value, bits, whole) in picks {
            let headers = fields(kind);
            let (header, ids) = &headers[usize::from(header) % headers.len()];
            let id = ids[usize::from(field) % ids.len()];
            let ones = id.field().all_ones();
            let bits = if whole { ones } else { bits & ones };
            // An operation above 255 reads back as none.
            let value = if id == FieldId::ArpOp { value & 0xff } else { value & ones };
            let bits = if id == FieldId::ArpOp { ones } else { bits };
            // Another type of ICMP message has other fields; without its bottom bit the label stack goes on.
            if matches!(id, FieldId::MplsBos) && value & bits == 0 { continue; }
            let merged = id.get(&expected) & !bits | value & bits;
            id.set(&mut expected, merged);
            let set = SetFields { header: *header, fields: [(id, value & bits, bits)].into_iter().collect() };
            Edit::set(&set).apply(&mut frame, &mut key).unwrap();
        }
        let read = key_of(&mut frame);
        for id in FieldId::ALL {
            prop_assert_eq!(id.get(&read), id.get(&expected), "{}", id.field().name);
        }
        assert_checksums(frame.bytes());
    }

    #[test]
    fn any_edit_of_any_frame_leaves_its_length(
        bytes in proptest::collection::vec(any::<u8>(), 14..200), kind in 0..FRAMES, pick: u8, value: u128, bits: u128,
    ) {
        let mut frame = Frame::copy_of(&bytes);
        let mut key = key_of(&mut frame);
        for (header, ids) in fields(kind) {
            let id = ids[usize::from(pick) % ids.len()];
            let set = SetFields { header, fields: [(id, value, bits & id.field().all_ones())].into_iter().collect() };
            Edit::set(&set).apply(&mut frame, &mut key).unwrap();
        }
        prop_assert_eq!(frame.len(), bytes.len());
    }
}

#[test]
fn a_checksum_left_to_the_device_stays_with_it() {
    let mut frame = Frame::copy_of(&frame(0));
    let mut key = key_of(&mut frame);
    let found = weft_packet::wire::layers::find(frame.bytes()).unwrap();
    let pseudo = found.pseudo(frame.bytes()).folded();
    frame.bytes_mut()[50..52].copy_from_slice(&pseudo.to_be_bytes());
    frame.checksum = ChecksumState::Partial { start: 34, offset: 16 };
    let sets = [
        (SetHeader::Ipv4, FieldId::IpSrc, 0xc000_0201),
        (SetHeader::Tcp, FieldId::TcpDst, 4242),
        (SetHeader::Ipv4, FieldId::NwTtl, 3),
    ];
    for (header, id, value) in sets {
        let fields = [(id, value, id.field().all_ones())].into_iter().collect();
        Edit::set(&SetFields { header, fields }).apply(&mut frame, &mut key).unwrap();
    }
    Edit::PushVlan { tpid: 0x8100, tci: 0x1009 }.apply(&mut frame, &mut key).unwrap();
    assert_eq!(frame.checksum, ChecksumState::Partial { start: 38, offset: 16 });
    checksum::fill(&mut frame);
    assert_checksums(frame.bytes());
}

#[test]
fn later_fragments_and_other_protocols_are_left_alone() {
    let ethernet = Builder::ethernet(Mac::BROADCAST, Mac::ZERO);
    let fragment = ethernet.ipv4([1; 4], [2; 4]).fragment(7).proto(17).payload(&[0x11; 40]).build();
    let mut frame = Frame::copy_of(&fragment);
    let mut key = key_of(&mut frame);
    let whole = |id: FieldId, value| [(id, value, id.field().all_ones())].into_iter().collect();
    let ports = SetFields { header: SetHeader::Udp, fields: whole(FieldId::UdpSrc, 9) };
    let six = SetFields { header: SetHeader::Ipv6, fields: whole(FieldId::NwTtl, 9) };
    Edit::set(&ports).apply(&mut frame, &mut key).unwrap();
    Edit::set(&six).apply(&mut frame, &mut key).unwrap();
    Edit::PopVlan.apply(&mut frame, &mut key).unwrap();
    assert_eq!(frame.bytes(), fragment);
}
