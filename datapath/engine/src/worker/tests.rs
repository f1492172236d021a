//! Stories of one worker, in virtual time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use weft_base::Time;
use weft_flow::action::{ControllerAction, SetFields, SetHeader, SlowPathReason, Userspace};
use weft_flow::{CompactMatch, DpAction, FieldId};
use weft_packet::DropReason;

use super::Command;
use crate::Execute;
use crate::megaflow::{Megaflow, no_attachment};
use crate::sim::{Sim, Wire, output, script, tcp, udp, verdict};

#[test]
fn a_new_flow_asks_once_and_the_rest_follows_its_megaflow() {
    let mut sim = Sim::new(2, &script(vec![output(2)], &[FieldId::EthDst]));
    let frames: Vec<_> = (0..100).map(|i| udp(1, 2, i)).collect();
    frames.iter().for_each(|f| sim.wire(1).put(f));
    sim.run();
    assert_eq!(sim.wire(2).take(), frames, "all frames, in their order, unchanged");
    assert_eq!(sim.asked(), 1);
    let [flow] = &sim.flows()[..] else { panic!("one megaflow") };
    assert_eq!((flow.stats.packets.get(), flow.stats.bytes.get()), (99, 5940), "the first is the slow path's");
    assert_eq!(flow.stats.used.get(), sim.now.as_nanos() - 10_000);
    let stats = sim.stats();
    assert_eq!((stats.missed, stats.hit, stats.flows, stats.masks, stats.lost), (1, 99, 1, 1, 0));
}

#[test]
fn flows_that_differ_where_the_verdict_looked_get_a_megaflow_each() {
    let mut sim = Sim::new(2, &script(vec![output(2)], &[FieldId::EthDst, FieldId::UdpSrc]));
    for round in 0..3 {
        (0..40).for_each(|i| sim.wire(1).put(&udp(1, 2, i)));
        sim.run();
        assert_eq!(sim.wire(2).take().len(), 40);
        assert_eq!((sim.asked(), sim.flows().len()), (40, 40), "round {round}");
    }
    assert!(sim.flows().iter().all(|f| f.stats.packets.get() == 2));
    let mut ufids: Vec<_> = sim.flows().iter().map(|f| f.ufid()).collect();
    ufids.sort_unstable();
    ufids.dedup();
    assert_eq!(ufids.len(), 40);
}

#[test]
fn a_deleted_flow_misses_again_and_its_counters_are_final() {
    let mut sim = Sim::new(2, &script(vec![output(2)], &[]));
    sim.wire(1).put(&udp(1, 2, 1));
    sim.run();
    let old = sim.flows().remove(0);
    sim.obey(Command::Delete(vec![Arc::clone(&old)].into()));
    assert!(sim.flows().is_empty());
    *sim.script.answer.lock().unwrap() = Box::new(|_| verdict(vec![DpAction::Drop(DropReason::TableMiss)], &[]));
    sim.wire(1).put(&udp(1, 2, 1));
    sim.run();
    assert_eq!((old.stats.packets.get(), sim.asked(), sim.wire(2).take().len()), (0, 2, 1));
    assert_eq!(sim.drops(1, DropReason::TableMiss), 1);
    // Deleting the old one once more must not touch the new one, which has the same pattern.
    sim.obey(Command::Delete(vec![old].into()));
    assert_eq!((sim.flows().len(), sim.stats().flows), (1, 1));
    sim.obey(Command::Flush);
    assert_eq!((sim.flows().len(), sim.stats().flows, sim.stats().masks), (0, 0, 0));
}

#[test]
fn a_modified_flow_does_the_new_thing_at_once() {
    let mut sim = Sim::new(3, &script(vec![output(2)], &[]));
    sim.wire(1).put(&udp(1, 2, 1));
    sim.run();
    let flow = sim.flows().remove(0);
    flow.actions.store(Arc::new(vec![output(3)]));
    sim.obey(Command::Modify(vec![Arc::clone(&flow)].into()));
    sim.wire(1).put(&udp(1, 2, 1));
    sim.run();
    assert_eq!((sim.wire(2).take().len(), sim.wire(3).take().len(), sim.asked()), (1, 1, 1));
    assert_eq!(flow.stats.packets.get(), 1);
}

#[test]
fn an_installed_flow_must_not_take_what_another_takes() {
    let mut sim = Sim::new(2, &script(vec![output(2)], &[FieldId::EthDst]));
    sim.wire(1).put(&udp(1, 2, 1));
    sim.run();
    let mut pattern = sim.flows()[0].pattern.unpack();
    let make = |pattern: &weft_flow::Match| {
        let actions = Arc::new(vec![output(1)]);
        Arc::new(Megaflow::new(CompactMatch::new(pattern), None, actions, no_attachment(), Time::ZERO))
    };
    assert!(!sim.obey(Command::Put(make(&pattern))));
    pattern.set(FieldId::EthDst, 0x0200_0000_0003);
    let put = make(&pattern);
    assert!(sim.obey(Command::Put(Arc::clone(&put))));
    sim.wire(1).put(&udp(1, 3, 1));
    sim.run();
    assert_eq!((sim.wire(1).take().len(), put.stats.packets.get(), sim.asked()), (1, 1, 1));
    // a wider one may share keys with others, if the frame that it speaks of was nobody's
    let wide = || {
        Megaflow::new(CompactMatch::new(&weft_flow::Match::any()), None, Arc::default(), no_attachment(), Time::ZERO)
    };
    let mut key = pattern.key().clone();
    assert!(!sim.obey(Command::Put(Arc::new(wide().made_by(&key)))));
    FieldId::EthDst.set(&mut key, 0x0200_0000_0009);
    assert!(sim.obey(Command::Put(Arc::new(wide().made_by(&key)))));
}

#[test]
fn a_full_table_still_forwards_frame_by_frame() {
    let mut sim = Sim::new(2, &script(vec![output(2)], &[FieldId::UdpSrc]));
    sim.script.limit.store(3, Ordering::Relaxed);
    (0..10).for_each(|i| sim.wire(1).put(&udp(1, 2, i)));
    sim.run();
    assert_eq!((sim.wire(2).take().len(), sim.flows().len(), sim.asked()), (10, 3, 10));
    sim.wire(1).put(&udp(1, 2, 9));
    sim.run();
    assert_eq!((sim.wire(2).take().len(), sim.asked()), (1, 11));
}

#[test]
fn a_verdict_for_one_frame_is_asked_for_again() {
    let mut sim = Sim::new(2, &script(vec![], &[]));
    *sim.script.answer.lock().unwrap() =
        Box::new(|_| crate::Verdict { install: false, ..verdict(vec![output(2)], &[]) });
    (0..3).for_each(|_| sim.wire(1).put(&udp(1, 2, 1)));
    sim.run();
    assert_eq!((sim.wire(2).take().len(), sim.asked(), sim.flows().len()), (3, 3, 0));
}

#[test]
fn what_is_no_frame_is_dropped_where_it_came_in() {
    let mut sim = Sim::new(2, &script(vec![output(2)], &[]));
    sim.wire(1).put(&udp(1, 2, 1));
    sim.wire(1).put(&[1, 2, 3]);
    sim.wire(1).put(&[]);
    sim.wire(1).put(&udp(1, 2, 1));
    sim.run();
    assert_eq!((sim.wire(2).take().len(), sim.drops(1, DropReason::Malformed), sim.asked()), (2, 2, 1));
    let stats = sim.ledgers[0].stats();
    assert_eq!((stats.rx_packets, stats.rx_dropped, sim.ledgers[1].stats().tx_packets), (4, 2, 2));
}

#[test]
fn a_frame_for_a_port_that_is_gone_is_dropped_and_counted() {
    let mut sim = Sim::new(2, &script(vec![output(2)], &[]));
    sim.wire(1).put(&udp(1, 2, 1));
    sim.run();
    sim.obey(Command::PortRemove(2));
    sim.wire(1).put(&udp(1, 2, 1));
    sim.run();
    assert_eq!((sim.wire(2).take().len(), sim.drops(1, DropReason::NoSuchPort)), (1, 1));
}

#[test]
fn recirculated_frames_are_looked_up_again_with_their_metadata() {
    let mark =
        SetFields { header: SetHeader::SkbMark, fields: [(FieldId::PktMark, 0x77, 0xffff_ffff)].into_iter().collect() };
    let mut sim = Sim::new(2, &script(vec![], &[]));
    *sim.script.answer.lock().unwrap() = Box::new(move |key| match FieldId::RecircId.get(key) {
        0 => verdict(vec![DpAction::PopVlan, DpAction::Set(mark.clone()), DpAction::Recirc(9)], &[]),
        9 => verdict(vec![output(2)], &[FieldId::PktMark]),
        other => panic!("recirculation {other}"),
    });
    let mut tagged = udp(1, 2, 1);
    tagged.splice(12..12, [0x81, 0, 0, 5]);
    (0..40).for_each(|_| sim.wire(1).put(&tagged));
    sim.run();
    assert_eq!(sim.wire(2).take(), vec![udp(1, 2, 1); 40]);
    let asked = sim.script.asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    assert_eq!(FieldId::PktMark.get(&asked[1]), 0x77);
    assert_eq!(FieldId::InPort.get(&asked[1]), 1);
    assert_eq!(FieldId::VlanTci.get(&asked[1]), 0, "the key is read anew");
    assert!(sim.flows().iter().all(|f| f.stats.packets.get() == 39));
}

#[test]
fn endless_recirculation_ends() {
    let mut sim = Sim::new(2, &script(vec![output(2), DpAction::Recirc(5)], &[]));
    sim.wire(1).put(&udp(1, 2, 1));
    sim.run();
    let times = usize::from(crate::execute::MAX_RECIRCULATIONS) + 1;
    assert_eq!((sim.wire(2).take().len(), sim.drops(1, DropReason::TranslationError)), (times, 1));
}

#[test]
fn userspace_gets_the_frame_as_it_is_then_and_says_what_to_do() {
    let what = Userspace::SlowPath(SlowPathReason::Action);
    let actions = vec![DpAction::PushVlan { tpid: 0x8100, tci: 0x1007 }, DpAction::Userspace(what.clone()), output(2)];
    let mut sim = Sim::new(3, &script(actions, &[]));
    *sim.script.userspace.lock().unwrap() = vec![DpAction::PopVlan, output(3)];
    sim.wire(1).put(&udp(1, 2, 1));
    sim.run();
    let mut tagged = udp(1, 2, 1);
    tagged.splice(12..12, [0x81, 0, 0, 7]);
    assert_eq!(sim.wire(3).take(), [udp(1, 2, 1)]);
    assert_eq!(sim.wire(2).take(), [tagged.clone()]);
    assert_eq!(*sim.script.handed.lock().unwrap(), [(tagged, what)]);
}

#[test]
fn a_slow_path_that_sends_frames_to_itself_is_stopped() {
    let what = Userspace::Controller(ControllerAction {
        reason: 1,
        max_len: 128,
        controller_id: 0,
        rule_cookie: 0,
        table_id: 0,
        userdata: vec![],
        recirc_id: 0,
        continuation: false,
    });
    let mut sim = Sim::new(2, &script(vec![DpAction::Userspace(what.clone())], &[]));
    *sim.script.userspace.lock().unwrap() = vec![DpAction::Userspace(what)];
    sim.wire(1).put(&udp(1, 2, 1));
    sim.run();
    assert_eq!(sim.drops(1, DropReason::TranslationError), 1);
}

#[test]
fn one_ports_storm_leaves_the_slow_path_to_others() {
    let mut sim = Sim::new(3, &script(vec![output(3)], &[FieldId::UdpSrc]));
    sim.script.limit.store(usize::MAX, Ordering::Relaxed);
    // Port 1 brings nothing but new flows, port 2 a new flow in every turn; time hardly passes.
    let (mut storm, mut turns) = (0u32, 0);
    while sim.drops(1, DropReason::MissBudget) == 0 {
        for _ in 0..32 {
            storm += 1;
            let mut frame = udp(1, 3, storm as u16);
            frame[30..34].copy_from_slice(&storm.to_be_bytes());
            sim.wire(1).put(&frame);
        }
        sim.wire(2).put(&udp(2, 3, turns));
        sim.worker.warm_all();
        sim.worker.turn(sim.now);
        turns += 1;
        assert!(turns < 2000, "the storm is never stopped");
    }
    let lost = sim.stats().lost;
    assert!(lost > 0);
    assert_eq!(sim.drops(2, DropReason::MissBudget), 0);
    assert_eq!(sim.ledgers[1].stats().rx_packets, u64::from(turns));
    // Alone again, port 1 may have the slow path for itself.
    sim.worker.warm_all();
    sim.worker.turn(sim.now);
    sim.wire(1).put(&udp(9, 3, 60_000));
    let asked = sim.asked();
    sim.run();
    assert_eq!((sim.asked(), sim.stats().lost), (asked + 1, lost));
}

#[test]
fn tcp_flags_gather_on_the_megaflow() {
    let mut sim = Sim::new(2, &script(vec![output(2)], &[]));
    sim.wire(1).put(&tcp(0x02, 0));
    sim.wire(1).put(&tcp(0x10, 0));
    sim.wire(1).put(&udp(1, 2, 0xffff));
    sim.run();
    assert_eq!(sim.flows()[0].stats.tcp_flags(), 0x12);
}

#[test]
fn an_executed_frame_needs_no_flow() {
    let mut sim = Sim::new(2, &script(vec![], &[]));
    let execute = Execute {
        frame: weft_packet::Frame::copy_of(&udp(1, 2, 1)),
        key: weft_flow::FlowKey::new(),
        actions: vec![output(1), DpAction::PushVlan { tpid: 0x8100, tci: 0x1003 }, output(2), output(77)],
    };
    sim.obey(Command::Execute(Box::new(execute)));
    let mut tagged = udp(1, 2, 1);
    tagged.splice(12..12, [0x81, 0, 0, 3]);
    assert_eq!((sim.wire(1).take(), sim.wire(2).take()), (vec![udp(1, 2, 1)], vec![tagged]));
    assert_eq!((sim.asked(), sim.nobody.drops(DropReason::NoSuchPort)), (0, 1));
}

#[test]
fn a_device_that_fails_is_reported_and_left_alone_until_it_is_warm_again() {
    let mut sim = Sim::new(2, &script(vec![output(2)], &[]));
    *sim.wire(1).broken.lock().unwrap() = 1;
    sim.wire(1).put(&udp(1, 2, 1));
    sim.worker.warm_all();
    assert_eq!(sim.worker.turn(sim.now), 0);
    assert_eq!((sim.worker.take_failed(), sim.worker.take_failed()), (Some(1), None));
    assert_eq!(sim.ledgers[0].stats().rx_errors, 1);
    sim.run();
    assert_eq!(sim.wire(2).take().len(), 1);
}

#[test]
fn settling_handles_all_that_waits() {
    let mut sim = Sim::new(2, &script(vec![output(2)], &[]));
    (0..1000).for_each(|i| sim.wire(1).put(&udp(1, 2, i)));
    sim.obey(Command::Settle);
    assert_eq!(sim.wire(2).take().len(), 1000);
}

#[test]
fn a_port_that_is_replaced_speaks_through_its_new_queues() {
    let mut sim = Sim::new(2, &script(vec![output(2)], &[]));
    let (new, counters) = (Wire::default(), sim.ledgers[1].of(0));
    sim.obey(Command::PortAdd { port: 2, queues: new.queues(), mtu: 1500, counters });
    sim.wire(1).put(&udp(1, 2, 1));
    sim.run();
    assert_eq!((sim.wire(2).take().len(), new.take().len()), (0, 1));
}

#[test]
fn the_newest_drop_of_a_port_is_remembered_with_how_its_frame_began() {
    let mut sim = Sim::new(2, &script(vec![DpAction::Drop(DropReason::TableMiss)], &[]));
    assert_eq!(sim.ledgers[0].last_drop(), None);
    sim.wire(1).put(&udp(1, 2, 1));
    sim.run();
    sim.wire(1).put(&udp(3, 4, 1));
    sim.run();
    let last = sim.ledgers[0].last_drop().expect("two were dropped");
    assert_eq!((last.reason, last.head, last.len), (DropReason::TableMiss, udp(3, 4, 1), 60));
    assert_eq!(sim.ledgers[1].last_drop(), None);
}

#[test]
fn a_frame_too_large_for_the_way_out_is_remembered_there() {
    let mut sim = Sim::new(2, &script(vec![output(2)], &[]));
    sim.obey(Command::PortMtu(2, 100));
    sim.wire(1).put(&tcp(0x10, 600));
    sim.run();
    let last = sim.ledgers[1].last_drop().expect("it was dropped");
    assert_eq!((last.reason, last.in_port.0, last.head.len()), (DropReason::MtuExceeded, 1, 256));
}
