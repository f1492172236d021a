//! The engine with its threads, over devices in memory.

use std::time::Duration;

use weft_base::SimClock;
use weft_flow::FieldId;
use weft_netdev::{Device, Kind, Spec};
use weft_packet::Frame;

use super::*;
use crate::sim::{output, script, udp};

struct Rig {
    engine: Engine,
    devices: Vec<Device>,
    script: Arc<crate::sim::Script>,
}

/// An engine with `ports` dummy devices.
fn rig(workers: usize, ports: u32, script: &Arc<crate::sim::Script>) -> Rig {
    let config = Config { workers, seed: 3 };
    let slowpath = Arc::clone(script) as Arc<dyn Slowpath>;
    let engine = Engine::start(&config, slowpath, Arc::new(SimClock::default())).unwrap();
    let devices = (1..=ports)
        .map(|port| {
            let spec = Spec { name: format!("p{port}"), kind: Kind::Dummy(Default::default()) };
            let opened = weft_netdev::open(&spec, workers).unwrap();
            opened.device.set_up(true).unwrap();
            engine.port_add(DpPort(port), 1500, opened.queues).unwrap();
            opened.device
        })
        .collect();
    Rig { engine, devices, script: Arc::clone(script) }
}

impl Rig {
    fn put(&self, port: usize, bytes: &[u8]) {
        self.devices[port - 1].dummy().unwrap().receive(bytes, None).unwrap();
    }

    fn sent(&self, port: u32) -> u64 {
        self.engine.port_stats(DpPort(port)).unwrap().tx_packets
    }
}

#[test]
fn frames_flow_and_commands_are_done_on_return() {
    let rig = rig(1, 3, &script(vec![output(2)], &[FieldId::EthDst]));
    (0..100).for_each(|i| rig.put(1, &udp(1, 2, i)));
    rig.engine.settle();
    assert_eq!(rig.sent(2), 100);
    let stats = rig.engine.stats();
    assert_eq!((stats.missed, stats.hit, stats.flows), (1, 99, 1));

    let flow = rig.engine.flows().remove(0);
    rig.engine.flow_modify(&flow, vec![output(3)], Box::new(()));
    rig.put(1, &udp(1, 2, 1));
    rig.engine.settle();
    assert_eq!((rig.sent(2), rig.sent(3), flow.stats.packets.get()), (100, 1, 100));

    rig.engine.flow_delete(&flow);
    assert!(rig.engine.flows().is_empty());
    rig.engine.port_remove(DpPort(2));
    assert_eq!(rig.engine.port_stats(DpPort(2)), None);
    rig.put(1, &udp(1, 2, 1));
    rig.engine.settle();
    assert_eq!(rig.engine.drops(), [(DpPort(1), DropReason::NoSuchPort, 1)]);
    assert_eq!(rig.script.asked.lock().unwrap().len(), 2);
}

#[test]
fn several_workers_share_a_flow_that_was_put() {
    let rig = rig(3, 2, &script(vec![], &[]));
    let mut pattern = Match::any();
    pattern.set(FieldId::RecircId, 0);
    pattern.set(FieldId::InPort, 1);
    let put = rig.engine.flow_put(pattern.clone(), pattern.key(), vec![output(2)], None).unwrap();
    assert!(rig.engine.flow_put(pattern.clone(), pattern.key(), vec![], None).is_err());
    assert_eq!(rig.engine.flows().len(), 1);
    (0..10).for_each(|i| rig.put(1, &udp(1, 2, i)));
    rig.engine.settle();
    assert_eq!((rig.sent(2), put.stats.packets.get(), rig.engine.stats().flows), (10, 10, 3));
    rig.engine.flow_delete(&put);
    assert_eq!((rig.engine.flows().len(), rig.engine.stats().flows), (0, 0));
    rig.engine.flow_put(pattern.clone(), pattern.key(), vec![], None).unwrap();
    rig.engine.flow_flush();
    assert_eq!((rig.engine.flows().len(), rig.engine.stats().flows), (0, 0));
}

#[test]
fn frames_that_wake_a_sleeping_worker_are_never_lost() {
    let rig = rig(1, 2, &script(vec![output(2)], &[]));
    // Without settling: the device alone must wake the worker, however deep it sleeps.
    for sent in 1..=200 {
        let before = rig.engine.sleeps();
        rig.put(1, &udp(1, 2, 7));
        while rig.sent(2) < sent {
            std::thread::yield_now();
        }
        while rig.engine.sleeps() == before && sent % 3 == 0 {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_capture_that_is_brought_up_late_plays_after_a_wake() {
    let rig = rig(1, 2, &script(vec![output(2)], &[]));
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("three.pcap");
    let mut capture = weft_netdev::pcap::Writer::create(&path).unwrap();
    use weft_netdev::pcap::WriteNow;
    (0..3).for_each(|i| capture.write(&udp(1, 2, i)).unwrap());
    drop(capture);
    let options = weft_netdev::spec::PcapOptions { rx_pcap: Some(path), ..Default::default() };
    let opened = weft_netdev::open(&Spec { name: "c".into(), kind: Kind::Pcap(options) }, 1).unwrap();
    rig.engine.port_add(DpPort(3), 1500, opened.queues).unwrap();
    opened.device.set_up(true).unwrap();
    rig.engine.wake();
    while rig.sent(2) < 3 {
        std::thread::yield_now();
    }
}

#[test]
fn an_idle_engine_stays_asleep() {
    let rig = rig(2, 16, &script(vec![output(2)], &[]));
    rig.engine.settle();
    // Whoever answered has been asleep or will be soon; then nothing moves any more.
    let mut last = rig.engine.sleeps();
    let mut calm = 0;
    for _ in 0..10_000 {
        std::thread::park_timeout(Duration::from_micros(100));
        let now = rig.engine.sleeps();
        calm = if now == last { calm + 1 } else { 0 };
        last = now;
        if calm == 100 {
            return;
        }
    }
    panic!("workers keep waking up");
}

#[test]
fn packet_out_runs_on_a_worker() {
    let rig = rig(2, 2, &script(vec![], &[]));
    let frame = Frame::copy_of(&udp(1, 2, 3));
    rig.engine.execute(Execute { frame, key: weft_flow::FlowKey::new(), actions: vec![output(1), output(2)] });
    assert_eq!((rig.sent(1), rig.sent(2)), (1, 1));
}

#[test]
fn bad_ports_are_refused() {
    let rig = rig(2, 1, &script(vec![], &[]));
    let queues = || weft_netdev::open(&Spec { name: "n".into(), kind: Kind::Null }, 1).unwrap().queues;
    assert_eq!(rig.engine.port_add(DpPort(5), 1500, queues()), Err(BadPort(DpPort(5))));
    assert_eq!(rig.engine.port_add(DpPort::NONE, 1500, queues()), Err(BadPort(DpPort::NONE)));
    assert_eq!(rig.engine.port_stats(DpPort(5)), None);
}
