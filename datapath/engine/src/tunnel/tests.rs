//! A frame goes into a tunnel at one switch and comes out at another.

use std::sync::Arc;

use weft_flow::dpctl::{DpNames, format_key, parse_actions};
use weft_flow::{DpAction, FieldId, FlowKey};

use weft_netdev::TxCaps;
use weft_packet::builder::Builder;
use weft_packet::tunnel::Kind;
use weft_packet::{Gso, GsoKind};

use super::*;
use crate::program::Program;
use crate::sim::{Sim, Wire, output, script, udp, verdict};

const TO_VXLAN: &str = "tnl_push(tnl_port(4789),header(size=50,type=4,eth(dst=f8:bc:12:44:34:b6,src=aa:55:aa:55:00:00,\
    dl_type=0x0800),ipv4(src=1.1.2.88,dst=1.1.2.92,proto=17,tos=0,ttl=64,frag=0x4000),udp(src=0,dst=4789,csum=0x0),\
    vxlan(flags=0x8000000,vni=0x7b)),out_port(2)),2";
const TO_GENEVE: &str = "tnl_push(tnl_port(6081),header(size=90,type=5,eth(dst=f8:bc:12:44:34:b7,src=aa:55:aa:55:00:00,\
    dl_type=0x86dd),ipv6(src=2001:cafe::88,dst=2001:cafe::92,label=0,proto=17,tclass=0x0,hlimit=64),udp(src=0,dst=6081,\
    csum=0xffff),geneve(crit,vni=0x555,options({class=0xffff,type=0x80,len=4,0xa}{class=0x102,type=0x1,len=8,\
    0x1234567890}))),out_port(2)),2";
const TO_GRE: &str = "pop_eth,tnl_push(tnl_port(3),header(size=46,type=3,eth(dst=f8:bc:12:44:34:b6,src=aa:55:aa:55:00:00,\
    dl_type=0x0800),ipv4(src=1.1.2.88,dst=1.1.2.92,proto=47,tos=0,ttl=64,frag=0x4000),gre((flags=0x3000,proto=0x800),\
    key=0x81,seq=0x0)),out_port(2)),2";

fn actions(text: &str) -> Vec<DpAction> {
    parse_actions(text, &DpNames::new()).unwrap()
}

/// A switch that puts what comes in by port 1 into a tunnel through port 2.
fn sender(text: &str) -> Sim {
    sender_to(text, TxCaps::default())
}

/// Two wires that can do this.
fn wires(caps: TxCaps) -> Vec<Wire> {
    (0..2).map(|_| Wire { caps, ..Wire::default() }).collect()
}

fn sender_to(text: &str, caps: TxCaps) -> Sim {
    let sim = Sim::with_wires(wires(caps), &script(actions(text), &[]));
    sim.worker.shared().tunnels.set(DpPort(3), Some(Dialect::of(Kind::Gre)));
    sim
}

/// A switch that opens what comes in by port 1, and sends it by port 2.
fn receiver(port: u32, kind: Kind) -> Sim {
    receiver_to(port, kind, TxCaps::default())
}

fn receiver_to(port: u32, kind: Kind, caps: TxCaps) -> Sim {
    let script = script(vec![], &[]);
    *script.answer.lock().unwrap() = Box::new(move |key: &FlowKey| match key.word(0) as u32 {
        1 => verdict(vec![DpAction::TnlPop(DpPort(port))], &[]),
        _ => verdict(vec![output(2)], &[FieldId::TunId, FieldId::TunDst]),
    });
    let sim = Sim::with_wires(wires(caps), &script);
    sim.worker.shared().tunnels.set(DpPort(port), Some(Dialect::of(kind)));
    sim
}

fn asked(sim: &Sim) -> FlowKey {
    sim.script.asked.lock().unwrap().last().unwrap().clone()
}

#[test]
fn a_frame_comes_out_as_it_went_in_and_its_key_says_how_it_came() {
    let cases = [
        (TO_VXLAN, 4789, Kind::Vxlan, "tunnel(tun_id=0x7b,src=1.1.2.88,dst=1.1.2.92,ttl=64,tp_src="),
        (
            TO_GENEVE,
            6081,
            Kind::Geneve,
            "tunnel(tun_id=0x555,ipv6_src=2001:cafe::88,ipv6_dst=2001:cafe::92,ttl=64,tp_src=",
        ),
    ];
    for (text, port, kind, start) in cases {
        let (mut here, mut there) = (sender(text), receiver(port, kind));
        // the second time all is cached
        for _ in 0..3 {
            here.wire(1).put(&udp(1, 2, 3));
            here.run();
            let sent = here.wire(2).take();
            assert_eq!(sent.len(), 1);
            there.wire(1).put(&sent[0]);
            there.run();
            assert_eq!(there.wire(2).take(), [udp(1, 2, 3)]);
        }
        let key = asked(&there);
        assert_eq!(key.word(0) as u32, port);
        let text = format_key(&key, &DpNames::new());
        assert!(text.starts_with(start), "{text}");
        if kind == Kind::Geneve {
            let options =
                "geneve({class=0xffff,type=0x80,len=4,0xa}{class=0x102,type=0x1,len=8,0x1234567890}),flags(csum|key)";
            assert!(text.contains(options), "{text}");
        }
    }
}

/// As Open vSwitch has it: what is inside ends where the frame does.
#[test]
fn what_lies_behind_the_outer_packet_stays() {
    let (mut here, mut there) = (sender(TO_VXLAN), receiver(4789, Kind::Vxlan));
    here.wire(1).put(&udp(1, 2, 3));
    here.run();
    let padded = [&here.wire(2).take()[0][..], &[7; 8]].concat();
    there.wire(1).put(&padded);
    there.run();
    assert_eq!(there.wire(2).take(), [[&udp(1, 2, 3)[..], &[7; 8]].concat()]);
}

#[test]
fn packets_without_ethernet_are_numbered_and_keep_their_type() {
    let (mut here, mut there) = (sender(TO_GRE), receiver(3, Kind::Gre));
    for number in 0..3 {
        here.wire(1).put(&udp(1, 2, 3));
        here.run();
        let sent = here.wire(2).take();
        assert_eq!(sent[0][42..46], [0, 0, 0, number]);
        there.wire(1).put(&sent[0]);
        there.run();
        assert_eq!(there.wire(2).take(), [udp(1, 2, 3)[14..].to_vec()]);
    }
    assert_eq!(FieldId::PacketType.get(&asked(&there)), 0x0001_0800);
}

#[test]
fn flows_spread_over_source_ports_and_one_flow_keeps_its_own() {
    let mut here = sender(TO_VXLAN);
    here.worker.shared().tunnels.set_sources(40000, 40099);
    assert_eq!(here.worker.shared().tunnels.sources(), (40000, 40099));
    let mut ports = std::collections::BTreeSet::new();
    for flow in 0..64u16 {
        for _ in 0..2 {
            here.wire(1).put(&udp(1, 2, flow));
        }
        here.run();
        let sent = here.wire(2).take();
        let port = |frame: &Vec<u8>| u16::from_be_bytes([frame[34], frame[35]]);
        assert_eq!(port(&sent[0]), port(&sent[1]));
        assert!((40000..=40099).contains(&port(&sent[0])));
        ports.insert(port(&sent[0]));
    }
    assert!(ports.len() > 20, "{}", ports.len());
}

/// TCP with `len` bytes that a device is still to cut.
fn tso(len: usize) -> Frame {
    let bytes = Builder::ethernet(Mac([2; 6]), Mac([4; 6])).ipv4([10, 0, 0, 1], [10, 0, 0, 2]).tcp(1, 2, 0x10);
    let mut frame = Frame::copy_of(&bytes.payload(&(0..len).map(|i| i as u8).collect::<Vec<_>>()).build());
    let seed =
        weft_packet::checksum::Sum::of(&frame.bytes()[26..34]).with16(6).with16((frame.len() - 34) as u16).folded();
    frame.bytes_mut()[50..52].copy_from_slice(&seed.to_be_bytes());
    frame.checksum = ChecksumState::Partial { start: 34, offset: 16 };
    frame.gso = Some(Gso { kind: GsoKind::TcpV4, size: 1000, header_len: 54, ecn: false });
    frame
}

#[test]
fn a_frame_that_waits_for_segmentation_crosses_a_tunnel_whole_or_is_cut_with_its_headers() {
    for (text, port, kind) in [(TO_VXLAN, 4789, Kind::Vxlan), (TO_GENEVE, 6081, Kind::Geneve)] {
        let (mut here, mut there) = (sender(text), receiver(port, kind));
        here.wire(1).put_frame(tso(3500));
        here.run();
        let sent = here.wire(2).take();
        assert_eq!(sent.len(), 4);
        for frame in &sent {
            there.wire(1).put(frame);
        }
        there.run();
        let mut plain = Vec::new();
        let mut pool = weft_packet::Pool::default();
        segment::finish(tso(3500), &mut pool, |cut| plain.push(cut.bytes().to_vec())).unwrap();
        assert_eq!(there.wire(2).take(), plain);

        // what a device hands on whole stays whole: its metadata is about the inner packet
        let Program::Steps(steps) = Program::compile(&actions(text)) else { panic!("steps") };
        let crate::program::Step::Push(push) = &steps[0] else { panic!("push") };
        let mut whole = tso(3500);
        let mut key = FlowKey::new();
        push.apply(&mut whole, &mut key, &Tunnels::default());
        whole.outer = None;
        there.wire(1).put_frame(whole);
        there.run();
        let out = there.wire(2).take();
        assert_eq!(out.len(), 4, "the wires of this test segment nothing");
        assert_eq!(out, plain);
    }
}

#[test]
fn a_tunnel_in_a_tunnel_is_cut_before_it_gets_the_second_header() {
    let both = format!("{},{TO_GENEVE}", TO_VXLAN.trim_end_matches(",2"));
    let mut here = sender(&both);
    here.wire(1).put_frame(tso(2500));
    here.run();
    let sent = here.wire(2).take();
    assert_eq!(sent.len(), 3);
    let mut middle = receiver(6081, Kind::Geneve);
    let mut there = receiver(4789, Kind::Vxlan);
    sent.iter().for_each(|frame| middle.wire(1).put(frame));
    middle.run();
    middle.wire(2).take().iter().for_each(|frame| there.wire(1).put(frame));
    there.run();
    let mut plain = Vec::new();
    segment::finish(tso(2500), &mut weft_packet::Pool::default(), |cut| plain.push(cut.bytes().to_vec())).unwrap();
    assert_eq!(there.wire(2).take(), plain);
}

#[test]
fn what_a_device_put_together_from_datagrams_is_taken_apart() {
    // two VXLAN packets behind one outer header, as UDP GRO leaves them
    let mut here = sender(TO_VXLAN);
    here.wire(1).put(&udp(1, 2, 3));
    here.run();
    let one = here.wire(2).take().remove(0);
    let mut both = one.clone();
    both.extend(&one[42..]);
    let mut frame = Frame::copy_of(&both);
    let ip = (both.len() - 14) as u16;
    frame.bytes_mut()[16..18].copy_from_slice(&ip.to_be_bytes());
    frame.bytes_mut()[38..40].copy_from_slice(&(ip - 20).to_be_bytes());
    frame.bytes_mut()[24..26].fill(0);
    let sum = weft_packet::checksum::Sum::of(&frame.bytes()[14..34]).finish();
    frame.bytes_mut()[24..26].copy_from_slice(&sum.to_be_bytes());
    frame.checksum = ChecksumState::Partial { start: 34, offset: 6 };
    frame.gso = Some(Gso { kind: GsoKind::UdpL4, size: (one.len() - 42) as u16, header_len: 42, ecn: false });
    let mut there = receiver(4789, Kind::Vxlan);
    there.wire(1).put_frame(frame);
    there.run();
    assert_eq!(there.wire(2).take(), [udp(1, 2, 3), udp(1, 2, 3)]);
}

#[test]
fn where_the_device_cuts_datagrams_a_whole_frame_crosses_in_one_piece_and_arrives_as_one() {
    for (text, port, kind) in [(TO_VXLAN, 4789, Kind::Vxlan), (TO_GENEVE, 6081, Kind::Geneve)] {
        let caps = TxCaps { checksum: true, tso4: true, tso6: true, uso: true };
        let (mut here, mut there) = (sender_to(text, caps), receiver_to(port, kind, caps));
        here.wire(1).put_frame(tso(3500));
        here.run();
        let mut sent = here.wire(2).take_frames();
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].gso.map(|gso| gso.kind), Some(GsoKind::UdpL4));
        there.wire(1).put_frame(sent.remove(0));
        there.run();
        let got = there.wire(2).take_frames();
        assert_eq!(got.len(), 1);
        assert_eq!((got[0].gso, got[0].checksum), (tso(3500).gso, tso(3500).checksum));
        assert_eq!(got[0].bytes(), tso(3500).bytes());
    }
}

#[test]
fn what_is_malformed_is_counted_by_its_kind_and_nothing_asks_the_slow_path_about_it() {
    let mut here = sender(TO_VXLAN);
    here.wire(1).put(&udp(1, 2, 3));
    here.run();
    let good = here.wire(2).take().remove(0);
    let mut there = receiver(4789, Kind::Vxlan);
    let wrong =
        [(42, 0x0c, DropReason::TunnelFlags), (39, 7, DropReason::TunnelLength), (22, 1, DropReason::TunnelChecksum)];
    for (at, to, reason) in wrong {
        let mut bytes = good.clone();
        bytes[at] = to;
        there.wire(1).put(&bytes);
        there.run();
        assert_eq!(there.ledgers[0].drops(reason), 1, "{reason:?}");
    }
    assert_eq!(there.script.asked.lock().unwrap().len(), 1, "for the outer packets");
    there.worker.shared().tunnels.set(DpPort(4789), None);
    there.wire(1).put(&good);
    there.run();
    assert_eq!(there.ledgers[0].drops(DropReason::TunnelUnknown), 1);
}

#[test]
fn a_port_that_changes_goes_on_counting() {
    let tunnels = Arc::new(Tunnels::default());
    tunnels.set(DpPort(7), Some(Dialect::of(Kind::Gre)));
    tunnels.set(DpPort(5), Some(Dialect::of(Kind::Vxlan)));
    assert_eq!((tunnels.number(7, 3), tunnels.number(7, 1), tunnels.number(9, 1)), (0, 3, 0));
    tunnels.set(DpPort(7), Some(Dialect::of(Kind::Erspan)));
    assert_eq!(tunnels.number(7, 1), 4);
    assert_eq!(tunnels.dialect(7).unwrap().kind, Kind::Erspan);
    tunnels.set(DpPort(7), None);
    assert!(tunnels.dialect(7).is_none() && tunnels.dialect(5).is_some());
}

const TO_STT: &str = "tnl_push(tnl_port(7471),header(size=72,type=106,eth(dst=f8:bc:12:44:34:b6,src=aa:55:aa:55:00:00,\
    dl_type=0x0800),ipv4(src=1.1.2.88,dst=1.1.2.92,proto=6,tos=0,ttl=64,frag=0x4000),tcp(src=0,dst=7471),\
    stt(flags=0x0,context=0x7b)),out_port(2)),2";

#[test]
fn stt_cuts_a_large_frame_for_its_egress_and_puts_it_together_at_the_other_end() {
    let (mut here, mut there) = (sender(TO_STT), receiver(7471, Kind::Stt));
    here.wire(1).put_frame(tso(3500));
    here.wire(1).put(&udp(1, 2, 3));
    here.run();
    let mut sent = here.wire(2).take();
    assert_eq!(sent.len(), 4);
    assert!(sent.iter().all(|frame| frame.len() <= 1514));
    // in any order
    sent.swap(0, 2);
    sent.iter().for_each(|frame| there.wire(1).put(frame));
    there.run();
    // the wires of this test segment nothing: the packet inside was whole again
    let mut plain = Vec::new();
    segment::finish(tso(3500), &mut weft_packet::Pool::default(), |cut| plain.push(cut.bytes().to_vec())).unwrap();
    plain.push(udp(1, 2, 3));
    assert_eq!(there.wire(2).take(), plain);
    let key = format_key(&asked(&there), &DpNames::new());
    assert!(key.starts_with("tunnel(tun_id=0x7b,src=1.1.2.88,dst=1.1.2.92,ttl=64,tp_src="), "{key}");
}

#[test]
fn stt_crosses_whole_where_the_devices_segment() {
    let caps = TxCaps { checksum: true, tso4: true, tso6: true, uso: true };
    let (mut here, mut there) = (sender_to(TO_STT, caps), receiver_to(7471, Kind::Stt, caps));
    here.wire(1).put_frame(tso(3500));
    here.run();
    let mut sent = here.wire(2).take_frames();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].gso.map(|gso| (gso.kind, gso.size)), Some((GsoKind::TcpV4, 1460)));
    there.wire(1).put_frame(sent.remove(0));
    there.run();
    let got = there.wire(2).take_frames();
    assert_eq!(got.len(), 1);
    assert_eq!((got[0].gso, got[0].checksum), (tso(3500).gso, tso(3500).checksum));
    assert_eq!(got[0].bytes(), tso(3500).bytes());
}

#[test]
fn a_piece_of_stt_that_stays_alone_is_lost_and_counted() {
    let (mut here, mut there) = (sender(TO_STT), receiver(7471, Kind::Stt));
    here.wire(1).put_frame(tso(3500));
    here.run();
    let sent = here.wire(2).take();
    there.wire(1).put(&sent[0]);
    there.wire(1).put(&sent[2]);
    there.run();
    assert_eq!(there.drops(1, DropReason::TunnelFragment), 0);
    there.now += std::time::Duration::from_secs(2);
    there.run();
    assert_eq!(there.drops(1, DropReason::TunnelFragment), 2);
    // the one that comes too late is the first of nothing
    there.wire(1).put(&sent[1]);
    there.run();
    assert!(there.wire(2).take().is_empty());
}

#[test]
fn stt_in_another_tunnel_is_cut_before_it_gets_the_second_header() {
    let both = format!("{},{TO_VXLAN}", TO_STT.trim_end_matches(",2"));
    let mut here = sender(&both);
    here.wire(1).put_frame(tso(3500));
    here.run();
    let sent = here.wire(2).take();
    assert!(sent.len() > 2 && sent.iter().all(|frame| frame.len() <= 1514));
    let (mut middle, mut there) = (receiver(4789, Kind::Vxlan), receiver(7471, Kind::Stt));
    sent.iter().for_each(|frame| middle.wire(1).put(frame));
    middle.run();
    middle.wire(2).take().iter().for_each(|frame| there.wire(1).put(frame));
    there.run();
    let mut plain = Vec::new();
    segment::finish(tso(3500), &mut weft_packet::Pool::default(), |cut| plain.push(cut.bytes().to_vec())).unwrap();
    assert_eq!(there.wire(2).take(), plain);
}
