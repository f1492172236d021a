use super::*;
use crate::pcap::Reader;
use crate::wake::Sleeper;
use std::time::Duration;

fn one(options: &DummyOptions) -> (Arc<Dummy>, QueuePair) {
    let (dummy, mut pairs) = open("p1", options, 1).unwrap();
    (dummy, pairs.remove(0))
}

fn drain(pair: &mut QueuePair) -> Vec<Vec<u8>> {
    let (mut pool, mut out) = (Pool::new(0), Vec::new());
    while pair.rx.rx_burst(&mut pool, &mut out, 32).unwrap() > 0 {}
    out.iter().map(|f| f.bytes().to_vec()).collect()
}

#[test]
fn a_pushed_frame_wakes_its_worker_and_comes_out_once() {
    let (dummy, mut pair) = one(&DummyOptions::default());
    let bed = Sleeper::new().unwrap();
    bed.add(pair.rx.poll_fd().unwrap()).unwrap();
    assert!(!bed.sleep(Some(Duration::ZERO)));
    dummy.receive(b"one", None).unwrap();
    dummy.receive(b"two", Some(0)).unwrap();
    assert!(bed.sleep(None));
    assert_eq!(drain(&mut pair), [b"one", b"two"]);
    assert!(!bed.sleep(Some(Duration::ZERO)));
    assert_eq!(dummy.receive(b"x", Some(1)).unwrap_err().to_string(), "bad rx queue id.");
    assert_eq!((dummy.stats().rx_packets, dummy.stats().rx_bytes), (Some(2), Some(6)));
}

#[test]
fn a_full_inbox_drops() {
    let (dummy, mut pair) = one(&DummyOptions::default());
    (0..INBOX + 5).for_each(|_| dummy.receive(b"x", None).unwrap());
    assert_eq!(drain(&mut pair).len(), INBOX);
    assert_eq!(dummy.stats().rx_packets, Some(INBOX as u64));
}

#[test]
fn addresses_count_up_from_one_device_to_the_next() {
    let (first, _) = one(&DummyOptions::default());
    let (second, _) = one(&DummyOptions::default());
    assert_eq!(first.soft.mac().0[..4], [0xaa, 0x55, 0xaa, 0x55]);
    assert!(second.soft.mac() > first.soft.mac());
}

#[test]
fn both_directions_are_recorded_in_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p1.pcap");
    let options = DummyOptions {
        rx_pcap: Some(path.clone()),
        tx_pcap: Some(path.clone()),
        rx_queues: 1,
        ..DummyOptions::default()
    };
    let (dummy, mut pair) = one(&options);
    dummy.receive(b"in", None).unwrap();
    pair.tx.tx_burst(&mut vec![Frame::copy_of(b"out")], &mut Pool::new(0));
    let file = std::fs::read(path).unwrap();
    let records: Vec<_> = Reader::new(&file).unwrap().map(|r| r.unwrap().bytes).collect();
    assert_eq!(records, [&b"in"[..], b"out"]);
}

#[test]
fn an_arp_request_for_its_address_is_answered() {
    let (dummy, mut pair) = one(&DummyOptions::default());
    dummy.set_ip4(Ipv4Addr::new(10, 0, 0, 1), 24);
    let mut request = vec![0xff; 6];
    request.extend([2, 0, 0, 0, 0, 9, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9, 10, 0, 0, 9]);
    request.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 1]);
    let send = |pair: &mut QueuePair, bytes: &[u8]| {
        pair.tx.tx_burst(&mut vec![Frame::copy_of(bytes)], &mut Pool::new(0));
        drain(pair)
    };
    let mac = dummy.soft.mac().0;
    let mut reply = vec![2, 0, 0, 0, 0, 9];
    reply.extend(mac);
    reply.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
    reply.extend(mac);
    reply.extend([10, 0, 0, 1, 2, 0, 0, 0, 0, 9, 10, 0, 0, 9]);
    assert_eq!(send(&mut pair, &request), [reply]);
    for len in 0..request.len() {
        assert!(send(&mut pair, &request[..len]).is_empty());
    }
    *request.last_mut().unwrap() = 2;
    assert!(send(&mut pair, &request).is_empty());
}

#[test]
fn queues_of_a_pmd_dummy_are_dealt_to_the_workers() {
    let (dummy, mut pairs) = open("p1", &DummyOptions { rx_queues: 3, ..DummyOptions::default() }, 2).unwrap();
    (0..3).for_each(|queue| dummy.receive(&[queue as u8], Some(queue)).unwrap());
    assert_eq!(drain(&mut pairs[0]), [[0], [2]]);
    assert_eq!(drain(&mut pairs[1]), [[1]]);
    assert_eq!(dummy.backlog(), 0);
}

#[test]
fn who_listens_is_plugged_into_all_that_dial() {
    let path = "/nowhere/who_listens_is_plugged_into_all_that_dial.sock";
    let listening = DummyOptions { pstream: Some(format!("punix:{path}")), ..DummyOptions::default() };
    let dialling = DummyOptions { stream: Some(format!("unix:{path}")), ..DummyOptions::default() };
    let (early, mut early_queues) = one(&dialling);
    assert_eq!(early.is_connected(), Some(false));
    let (listener, mut queues) = one(&listening);
    let (late, mut late_queues) = one(&dialling);
    assert_eq!((early.is_connected(), late.is_connected(), listener.is_connected()), (Some(true), Some(true), None));
    queues.tx.tx_burst(&mut vec![Frame::copy_of(b"to all")], &mut Pool::new(0));
    assert_eq!(
        (drain(&mut early_queues), drain(&mut late_queues)),
        (vec![b"to all".to_vec()], vec![b"to all".to_vec()])
    );
    late_queues.tx.tx_burst(&mut vec![Frame::copy_of(b"to one")], &mut Pool::new(0));
    assert_eq!(drain(&mut queues), [b"to one"]);
    assert!(drain(&mut early_queues).is_empty());
    // an end that is pulled hears nothing more
    early.set_options("p1", &DummyOptions::default()).unwrap();
    queues.tx.tx_burst(&mut vec![Frame::copy_of(b"again")], &mut Pool::new(0));
    assert_eq!((drain(&mut early_queues), drain(&mut late_queues)), (vec![], vec![b"again".to_vec()]));
    drop((listener, queues));
    assert_eq!((early.is_connected(), late.is_connected()), (None, Some(false)));
}

#[test]
fn frames_are_spread_over_transmit_queues_if_that_is_wanted() {
    let (dummy, mut pair) = one(&DummyOptions { tx_queues: 2, ..DummyOptions::default() });
    let sent = |dummy: &Dummy| dummy.soft.tx.iter().map(|queue| queue.get().0).collect::<Vec<_>>();
    let mut send = |ports: std::ops::Range<u8>| {
        let mut frames = ports.map(|port| Frame::copy_of(&[port; 60])).collect();
        pair.tx.tx_burst(&mut frames, &mut Pool::new(0));
    };
    send(0..100);
    assert_eq!(sent(&dummy), [100, 0]);
    dummy.steer_by_hash(true);
    send(0..100);
    assert!(sent(&dummy)[0] > 110 && sent(&dummy)[1] > 10, "{:?}", sent(&dummy));
}
