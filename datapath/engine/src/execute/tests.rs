//! Random programs against a naive machine that copies the frame at every step.

use std::sync::Arc;

use proptest::prelude::*;
use weft_flow::action::{SetFields, SetHeader};
use weft_flow::{DpAction, FieldId};

use super::*;
use crate::Execute;
use crate::sim::{Sim, output, script, udp};
use crate::worker::Command;

const PORTS: u32 = 3;

fn set(header: SetHeader, id: FieldId, value: u128) -> DpAction {
    DpAction::Set(SetFields { header, fields: [(id, value, id.field().all_ones())].into_iter().collect() })
}

fn action() -> impl Strategy<Value = DpAction> {
    let leaf = prop_oneof![
        4 => (1..=PORTS + 1).prop_map(output),
        1 => (14u32..70).prop_map(DpAction::Trunc),
        1 => any::<u16>().prop_map(|tci| DpAction::PushVlan { tpid: 0x8100, tci: tci | 0x1000 }),
        1 => Just(DpAction::PopVlan),
        1 => any::<u32>().prop_map(|mac| set(SetHeader::Ethernet, FieldId::EthDst, mac.into())),
        1 => any::<u8>().prop_map(|ttl| set(SetHeader::Ipv4, FieldId::NwTtl, ttl.into())),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| proptest::collection::vec(inner, 0..5).prop_map(DpAction::Clone))
}

/// What goes out where, in order, by the book.
fn naive(actions: &[DpAction], mut bytes: Vec<u8>, out: &mut Vec<(u32, Vec<u8>)>) {
    let mut max_len = usize::MAX;
    for action in actions {
        match action {
            DpAction::Output(port) => {
                let len = bytes.len().min(std::mem::replace(&mut max_len, usize::MAX));
                out.push((port.0, bytes[..len].to_vec()));
            }
            DpAction::Trunc(len) => max_len = *len as usize,
            DpAction::PushVlan { tci, .. } => {
                let [a, b] = (tci & 0xefff).to_be_bytes();
                bytes.splice(12..12, [0x81, 0, a, b]);
            }
            DpAction::PopVlan if bytes[12..14] == [0x81, 0] => drop(bytes.splice(12..16, [])),
            DpAction::PopVlan => {}
            DpAction::Clone(inner) => naive(inner, bytes.clone(), out),
            DpAction::Set(set) => {
                let value = set.fields[0].1;
                match set.header {
                    SetHeader::Ethernet => bytes[..6].copy_from_slice(&value.to_be_bytes()[10..]),
                    _ => {
                        let ip = 14 + bytes[12..].chunks(4).take_while(|c| c[..2] == [0x81, 0]).count() * 4;
                        bytes[ip + 8] = value as u8;
                        bytes[ip + 10..ip + 12].fill(0);
                        let check = weft_packet::checksum::Sum::of(&bytes[ip..ip + 20]).finish();
                        bytes[ip + 10..ip + 12].copy_from_slice(&check.to_be_bytes());
                    }
                }
            }
            other => panic!("{other:?} is not made"),
        }
    }
}

proptest! {
    #[test]
    fn programs_do_what_their_actions_say(actions in proptest::collection::vec(action(), 0..8)) {
        let mut expected = Vec::new();
        naive(&actions, udp(1, 2, 3), &mut expected);

        let mut sim = Sim::new(PORTS, &script(vec![], &[]));
        let (frame, key) = (Frame::copy_of(&udp(1, 2, 3)), FlowKey::new());
        sim.obey(Command::Execute(Box::new(Execute { frame, key, actions: actions.clone() })));
        for port in 1..=PORTS {
            let here: Vec<_> = expected.iter().filter(|(p, _)| *p == port).map(|(_, b)| b.clone()).collect();
            prop_assert_eq!(sim.wire(port).take(), here, "port {}", port);
        }
        let nowhere = expected.iter().filter(|(p, _)| *p > PORTS).count() as u64;
        prop_assert_eq!(sim.nobody.drops(DropReason::NoSuchPort), nowhere);

        // The same through a megaflow, for a burst.
        let script = script(actions, &[]);
        let mut sim = Sim::new(PORTS, &Arc::clone(&script));
        (0..3).for_each(|_| sim.wire(1).put(&udp(1, 2, 3)));
        sim.run();
        for port in 1..=PORTS {
            let here: Vec<_> = expected.iter().filter(|(p, _)| *p == port).map(|(_, b)| b.clone()).collect();
            prop_assert_eq!(sim.wire(port).take(), [&here[..], &here[..], &here[..]].concat(), "port {}", port);
        }
    }
}

#[test]
fn every_buffer_comes_back_or_goes_out() {
    use crate::counters::PortCounters;
    use crate::program::Program;

    let script = script(vec![], &[]);
    let mut executor = Executor::new(Ports::new(Arc::<PortCounters>::default()), Pool::new(4));
    let (wire, meters, tunnels) = (crate::sim::Wire::default(), Meters::default(), crate::tunnel::Tunnels::default());
    executor.ports.add(1, wire.queues(), 1500, Arc::default(), Time::ZERO);
    let scene = Scene {
        slowpath: &*script,
        worker: 0,
        now: Time::ZERO,
        limits: Limits::default(),
        times: 0,
        meters: &meters,
        tunnels: &tunnels,
    };
    let clone = DpAction::Clone(vec![DpAction::PopVlan, output(9)]);
    let program = Program::compile(&[clone, output(9), DpAction::Trunc(20), output(1), DpAction::PopVlan]);
    for _ in 0..100 {
        let mut frame = executor.pool.small();
        frame.fill(&udp(1, 2, 3));
        executor.run_one(&program, frame, &mut FlowKey::new(), &scene);
        executor.ports.flush(&mut executor.pool);
        wire.take_frames().into_iter().for_each(|frame| executor.pool.put(frame));
    }
    assert_eq!(executor.pool.allocated, 0);
}

/// Actions done to one frame; the lengths that went out by each port.
fn sent(actions: &[DpAction], frame: Frame, meters: &[(u32, &crate::MeterConfig)]) -> Vec<Vec<Vec<u8>>> {
    let mut sim = Sim::new(PORTS, &script(vec![], &[]));
    for (id, config) in meters {
        sim.worker.shared().meters.set(*id, Some(Arc::new(crate::Meter::new(config, sim.now))));
    }
    sim.obey(Command::Execute(Box::new(Execute { frame, key: FlowKey::new(), actions: actions.to_vec() })));
    (1..=PORTS).map(|port| sim.wire(port).take()).collect()
}

#[test]
fn frames_go_by_their_length_without_tags() {
    let check = |size| DpAction::CheckPktLen { size, gt: vec![DpAction::PopVlan, output(1)], le: vec![output(2)] };
    let frame = udp(1, 2, 3);
    let len = frame.len() as u16;
    let tagged: Vec<u8> = [&frame[..12], &[0x81, 0, 0, 5], &frame[12..]].concat();
    for (size, to, bytes) in [(len - 1, 0, &frame), (len, 1, &frame), (len - 1, 0, &tagged), (len, 1, &tagged)] {
        let out = sent(&[check(size), output(3)], Frame::copy_of(bytes), &[]);
        assert_eq!(out[to].len(), 1, "{size}");
        assert!(out[1 - to].is_empty());
        assert_eq!(out[2], std::slice::from_ref(bytes), "what the branches do does not show outside");
    }
    let mut big = Frame::copy_of(&[&frame[..], &[0; 4000]].concat());
    big.gso = Some(weft_packet::Gso { kind: weft_packet::GsoKind::UdpL4, size: 1000, header_len: 42, ecn: false });
    assert_eq!(length(&big), 1042);
}

#[test]
fn sampling_takes_all_none_or_its_share() {
    let sample = |probability| DpAction::Sample { probability, actions: vec![output(1)] };
    let frame = || Frame::copy_of(&udp(1, 2, 3));
    assert_eq!(sent(&[sample(u32::MAX), output(2)], frame(), &[])[0].len(), 1);
    assert_eq!(sent(&[sample(u32::MAX)], frame(), &[])[0].len(), 1);
    let none = sent(&[sample(0), output(2), sample(0)], frame(), &[]);
    assert_eq!((none[0].len(), none[1].len()), (0, 1));
    let mut dice = Dice::default();
    let hits = (0..100_000).filter(|_| dice.says(u32::MAX / 4)).count();
    assert!((24_000..26_000).contains(&hits), "{hits}");
}

#[test]
fn a_meter_ends_its_list_only() {
    let config = |then| crate::MeterConfig {
        unit: crate::MeterUnit::Packets,
        bands: vec![crate::MeterBand { rate: 0, burst: 0, then }],
    };
    let (drop, remark) = (config(Beyond::Drop), config(Beyond::Remark(1)));
    let sample = DpAction::Sample { probability: u32::MAX, actions: vec![DpAction::Meter(4), output(1)] };
    let bytes = udp(1, 2, 3);
    let out = sent(&[sample, output(2), DpAction::Meter(4), output(3)], Frame::copy_of(&bytes), &[(4, &drop)]);
    assert_eq!((out[0].len(), out[1].len(), out[2].len()), (0, 1, 0));

    let mut marked = Frame::copy_of(&bytes);
    marked.bytes_mut()[15] = 10 << 2 | 1;
    marked.bytes_mut()[24..26].fill(0);
    let sum = weft_packet::checksum::Sum::of(&marked.bytes()[14..34]).finish();
    marked.bytes_mut()[24..26].copy_from_slice(&sum.to_be_bytes());
    let out = sent(&[DpAction::Meter(0), output(1)], marked, &[(0, &remark)]);
    assert_eq!(out[0][0][15], 12 << 2 | 1);
    assert_eq!(weft_packet::checksum::Sum::of(&out[0][0][14..34]).finish(), 0);
}
