//! Stories about kernel devices in namespaces of their own.

mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use support::*;
use weft_netdev::{BURST, LinkEvent, Monitor, Sleeper, Spec, open};
use weft_packet::{ChecksumState, Frame, Gso, GsoKind, Mac, Pool};

/// A veth pair in the namespace, both ends up: `v0` is ours, `v1` the other side's.
fn pair(host: &Host) {
    host.ip("link add v0 type veth peer name v1");
    host.ip("link set v1 up");
    host.ip("link set v0 up");
}

#[test]
fn frames_of_all_sizes_arrive_whole_and_in_order() {
    if skip("frames_of_all_sizes_arrive_whole_and_in_order") {
        return;
    }
    let host = Host::new();
    pair(&host);
    host.ip("link set v0 mtu 9000");
    host.ip("link set v1 mtu 9000");
    host.run(|| {
        let (_a, mut a) = device("v0", "system");
        let (_b, mut b) = device("v1", "system");
        let sizes = [60, 64, 65, 180, 181, 255, 256, 300, 1514, 1793, 2000, 9014];
        let frames: Vec<_> = (0..200).map(|i| numbered(i, sizes[i as usize % sizes.len()])).collect();
        assert_eq!(send(&mut b, &frames).sent, 200);
        let got = receive(&mut a, 200, is_numbered);
        assert!(got.iter().zip(&frames).all(|(got, sent)| got.bytes() == &sent[..]));
    });
}

#[test]
fn a_tag_that_the_kernel_took_out_is_put_back() {
    if skip("a_tag_that_the_kernel_took_out_is_put_back") {
        return;
    }
    let host = Host::new();
    pair(&host);
    host.run(|| {
        let (_a, mut a) = device("v0", "system");
        let (_b, mut b) = device("v1", "system");
        let tagged = |number: u32, len: usize, tag: [u8; 4]| {
            let mut bytes = numbered(number, len);
            bytes.splice(12..12, tag);
            bytes
        };
        let frames = [
            tagged(1, 60, [0x81, 0, 0x60, 10]),
            tagged(2, 1000, [0x81, 0, 0, 0]),
            tagged(3, 60, [0x88, 0xa8, 0x0f, 0xff]),
            tagged(4, 1496, [0x81, 0, 0, 1]),
        ];
        assert_eq!(send(&mut b, &frames).sent, 4);
        let got = receive(&mut a, 4, |bytes| bytes.get(16..18) == Some(&[0x88, 0xb5]));
        for (got, sent) in got.iter().zip(&frames) {
            assert_eq!(got.bytes(), &sent[..]);
        }
    });
}

#[test]
fn a_tagged_giant_keeps_tag_and_segmentation() {
    if skip("a_tagged_giant_keeps_tag_and_segmentation") {
        return;
    }
    let host = Host::new();
    pair(&host);
    host.run(|| {
        let (_a, mut a) = device("v0", "system");
        let (_b, mut b) = device("v1", "system");
        let headers: [u8; 58] = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x81, 0, 0x20, 10, 8, 0, // Ethernet, VLAN 10
            0x45, 0, 0x4e, 0x48, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, // IPv4, 20,040 bytes
            4, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0, // TCP
        ];
        let mut bytes = headers.to_vec();
        bytes.extend((0..20_000u32).map(|i| (i * 13) as u8));
        let mut giant = Frame::copy_of(&bytes);
        giant.checksum = ChecksumState::Partial { start: 38, offset: 16 };
        giant.gso = Some(Gso { kind: GsoKind::TcpV4, size: 1000, header_len: 58, ecn: false });
        let (checksum, gso) = (giant.checksum, giant.gso);
        assert_eq!(b.tx.tx_burst(&mut vec![giant], &mut Pool::new(0)).sent, 1);
        let got = receive(&mut a, 1, |got| got.get(12..16) == Some(&headers[12..16])).remove(0);
        assert!(got.bytes() == &bytes[..], "{:02x?}", &got.bytes()[..58]);
        assert_eq!((got.checksum, got.gso), (checksum, gso));
    });
}

#[test]
fn queues_share_the_traffic_and_hear_no_echo() {
    if skip("queues_share_the_traffic_and_hear_no_echo") {
        return;
    }
    let host = Host::new();
    pair(&host);
    host.run(|| {
        let opened = open(&Spec::new("v0", "system", &BTreeMap::new()).unwrap(), 2).unwrap();
        let mut queues = opened.queues;
        let (_b, mut b) = device("v1", "system");
        // Distinct UDP flows, so that the hash has something to spread.
        let flow = |port: u16| {
            let mut bytes = vec![0xff; 6];
            bytes.extend([2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
            bytes.extend(port.to_be_bytes());
            bytes.extend([0, 9, 0, 26, 0, 0]);
            bytes.resize(60, port as u8);
            bytes
        };
        let is_flow = |f: &Frame| f.bytes().get(12..14) == Some(&[8, 0]);
        send(&mut queues[0], &[flow(7)]);
        let frames: Vec<_> = (1000..1100).map(flow).collect();
        assert_eq!(send(&mut b, &frames).sent, 100);
        let bed = Sleeper::new().unwrap();
        queues.iter().for_each(|q| bed.add(q.rx.poll_fd().unwrap()).unwrap());
        let (mut pool, mut counts) = (Pool::new(0), [0, 0]);
        while counts[0] + counts[1] < 100 {
            assert!(bed.sleep(Some(PATIENCE)), "only {counts:?} came");
            for (queue, count) in queues.iter_mut().zip(&mut counts) {
                let mut burst = Vec::new();
                queue.rx.rx_burst(&mut pool, &mut burst, BURST).unwrap();
                *count += burst.iter().filter(|f| is_flow(f)).count();
            }
        }
        assert!(counts[0] > 0 && counts[1] > 0, "{counts:?}");
        assert_eq!(counts[0] + counts[1], 100);
    });
}

/// Two hosts behind two ports of `kind` that are cross-connected; returns how many frames of more than an MTU passed.
fn bulk_transfer(kind: &'static str) -> usize {
    let (switch, left, right) = (Host::new(), Host::new(), Host::new());
    let stop = Arc::new(AtomicBool::new(false));
    let giants = Arc::new(AtomicUsize::new(0));
    let (ids, stopped, counted) = ([left.id, right.id], Arc::clone(&stop), Arc::clone(&giants));
    let (tell, ready) = std::sync::mpsc::channel();
    let relay = switch.start(move || {
        let mut ports: Vec<_> = ["h0", "h1"]
            .iter()
            .zip(ids)
            .map(|(name, id)| {
                if kind == "system" {
                    ip(&format!("link add p{name} type veth peer name {name} netns {id}"));
                    device(&format!("p{name}"), kind)
                } else {
                    let tap = device(name, kind);
                    ip(&format!("link set {name} netns {id}"));
                    assert!(tap.0.is_alive(), "a tap that was moved lives on");
                    tap
                }
            })
            .collect();
        tell.send(()).unwrap();
        let bed = Sleeper::new().unwrap();
        ports.iter().for_each(|(_, pair)| bed.add(pair.rx.poll_fd().unwrap()).unwrap());
        let (mut pool, mut burst) = (Pool::new(64), Vec::new());
        while !stopped.load(Ordering::Relaxed) {
            let mut moved = 0;
            for (from, to) in [(0, 1), (1, 0)] {
                moved += ports[from].1.rx.rx_burst(&mut pool, &mut burst, BURST).unwrap();
                counted
                    .fetch_add(burst.iter().filter(|f| f.len() > 1514 && f.gso.is_some()).count(), Ordering::Relaxed);
                ports[to].1.tx.tx_burst(&mut burst, &mut pool);
            }
            if moved == 0 {
                bed.sleep(Some(Duration::from_millis(20)));
            }
        }
        let stats = ports[0].0.stats().unwrap();
        assert!(stats.rx_bytes.unwrap() > TOTAL as u64, "{stats:?}");
    });
    ready.recv().unwrap();
    for (host, name, address) in [(&left, "h0", "10.99.0.1/24"), (&right, "h1", "10.99.0.2/24")] {
        host.ip(&format!("addr add {address} dev {name}"));
        host.ip(&format!("link set {name} up"));
    }
    let (tell, listening) = std::sync::mpsc::channel();
    let server = right.start(move || {
        let listener = TcpListener::bind("10.99.0.2:5001").unwrap();
        tell.send(()).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let mut data = Vec::new();
        stream.read_to_end(&mut data).unwrap();
        data
    });
    listening.recv().unwrap();
    left.run(|| {
        let mut stream = TcpStream::connect("10.99.0.2:5001").unwrap();
        stream.write_all(&payload()).unwrap();
    });
    assert!(
        server.recv_timeout(PATIENCE).expect("the transfer ends") == payload(),
        "what arrived is not what was sent"
    );
    // A datagram whose checksum the sender left to the device.
    let echo = right.start(|| {
        let socket = UdpSocket::bind("10.99.0.2:5002").unwrap();
        let mut buffer = [0; 100];
        let (n, from) = socket.recv_from(&mut buffer).unwrap();
        socket.send_to(&buffer[..n], from).unwrap();
    });
    let answer = left.run(|| {
        let socket = UdpSocket::bind("10.99.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut buffer = [0; 100];
        // The other host may not listen yet: ask again.
        for _ in 0..100 {
            socket.send_to(b"hello", "10.99.0.2:5002").unwrap();
            if let Ok(n) = socket.recv(&mut buffer) {
                return buffer[..n].to_vec();
            }
        }
        Vec::new()
    });
    assert_eq!(answer, b"hello");
    echo.recv_timeout(PATIENCE).unwrap();
    stop.store(true, Ordering::Relaxed);
    relay.recv_timeout(PATIENCE).expect("the relay ends well");
    giants.load(Ordering::Relaxed)
}

const TOTAL: usize = 8 << 20;

fn payload() -> Vec<u8> {
    (0..TOTAL).map(|i| (i * 31 + i / 256) as u8).collect()
}

#[test]
fn tcp_passes_between_veths_in_frames_larger_than_the_mtu() {
    if !skip("tcp_passes_between_veths_in_frames_larger_than_the_mtu") {
        assert!(bulk_transfer("system") > 0);
    }
}

#[test]
fn tcp_passes_between_taps_in_frames_larger_than_the_mtu() {
    if !skip("tcp_passes_between_taps_in_frames_larger_than_the_mtu") {
        assert!(bulk_transfer("tap") > 0);
    }
}

#[test]
fn the_control_side_reads_and_changes_a_veth() {
    if skip("the_control_side_reads_and_changes_a_veth") {
        return;
    }
    let host = Host::new();
    pair(&host);
    host.run(|| {
        let (a, _queues) = device("v0", "system");
        let mac = Mac([2, 0, 0, 0, 0, 0x77]);
        a.set_mac(mac).unwrap();
        assert_eq!(a.mac().unwrap(), mac);
        a.set_mtu(1400).unwrap();
        assert_eq!(a.mtu().unwrap(), 1400);
        let range = a.mtu_range().unwrap();
        assert_eq!(a.set_mtu(range.max + 1).unwrap_err().raw_os_error(), Some(22));
        assert!(a.carrier().unwrap() && a.is_up().unwrap());
        a.set_up(false).unwrap();
        assert!(!a.is_up().unwrap() && !a.carrier().unwrap());
        a.set_up(true).unwrap();
        assert_eq!(a.carrier_resets().unwrap(), 2);
        assert_eq!(a.status()["driver_name"], "veth");
        assert_eq!(a.link().speed_bps, Some(10_000_000_000));
        ip("link set v0 down");
        ip("link set v0 name c");
        assert_eq!(a.mac().unwrap(), mac, "a rename changes nothing");
        assert!(a.is_alive());
        ip("link del c");
        assert!(!a.is_alive() && a.mtu().is_err() && a.stats().is_err());
    });
}

#[test]
fn a_device_that_goes_leaves_its_worker_in_peace() {
    if skip("a_device_that_goes_leaves_its_worker_in_peace") {
        return;
    }
    let host = Host::new();
    pair(&host);
    host.run(|| {
        for (kind, name) in [("system", "v0"), ("tap", "tap0")] {
            let (device, mut pair) = device(name, kind);
            let (mut pool, mut out) = (Pool::new(0), Vec::new());
            ip(&format!("link del {name}"));
            let bed = Sleeper::new().unwrap();
            bed.add(pair.rx.poll_fd().unwrap()).unwrap();
            assert!(bed.sleep(Some(PATIENCE)), "{kind}: the worker wakes");
            let told = (0..1000).any(|_| pair.rx.rx_burst(&mut pool, &mut out, BURST).is_err());
            // A dead tap stays readable for ever, so its worker must hear that it is dead; a packet socket falls silent.
            assert_eq!(told, kind == "tap", "{kind}");
            assert_eq!(bed.sleep(Some(Duration::ZERO)), kind == "tap", "{kind}");
            assert_eq!(send(&mut pair, &[numbered(1, 60)]).sent, 0);
            assert!(!device.is_alive());
        }
    });
}

#[test]
fn the_monitor_tells_what_happens_to_links() {
    if skip("the_monitor_tells_what_happens_to_links") {
        return;
    }
    let host = Host::new();
    host.run(|| {
        let mut monitor = Monitor::open().unwrap();
        let mut told = Vec::new();
        let mut until = |what: &str, found: &dyn Fn(&LinkEvent) -> bool| {
            while !told.iter().any(found) {
                told.extend(monitor.wait().unwrap_or_else(|error| panic!("{what}: {error}")));
            }
            told.clear();
        };
        ip("link add v0 type veth peer name v1");
        until("added", &|e| matches!(e, LinkEvent::Added(l) if l.name == "v0" && l.kind == "veth"));
        ip("link set v0 mtu 1300");
        until("mtu", &|e| matches!(e, LinkEvent::Changed(l) if l.name == "v0" && l.mtu == 1300));
        ip("link set v0 up");
        until("up", &|e| matches!(e, LinkEvent::Changed(l) if l.name == "v0" && l.up));
        ip("link set v1 name z");
        until("renamed", &|e| matches!(e, LinkEvent::Renamed { from, link } if from == "v1" && link.name == "z"));
        ip("link del v0");
        until("removed", &|e| matches!(e, LinkEvent::Removed(l) if l.name == "v0"));
    });
}

#[test]
fn a_missing_device_has_the_error_that_users_know() {
    let missing = |kind: &str| open(&Spec::new("weft-none", kind, &BTreeMap::new()).unwrap(), 1).err().unwrap();
    assert_eq!(missing("system").to_string(), "could not open network device weft-none (No such device)");
    let long = Spec::new("a-name-of-16-chr", "system", &BTreeMap::new()).unwrap();
    assert!(open(&long, 1).err().unwrap().to_string().ends_with("(No such device)"));
}
