//! Two devices cross-connected, with nothing in between: what a switch's I/O costs by itself.
//!
//! `relay A B [SPIN_US]`, where A and B are `TYPE:NAME` or `pcap:FILE` (played for ever) or `null:`; for example
//! `taskset -c 1 relay system:veth0 system:veth1`. It spins SPIN_US (50) after the last frame, then sleeps. With a pcap
//! source it prints its rate.

use std::collections::BTreeMap;
use std::time::Duration;

use weft_base::{Clock, SystemClock, Time};
use weft_netdev::{BURST, QueuePair, RxQueue, Sleeper, Spec, TxQueue, open};
use weft_packet::{Frame, Pool};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [a, b, rest @ ..] = args.as_slice() else {
        eprintln!("usage: relay TYPE:NAME TYPE:NAME [SPIN_US]");
        std::process::exit(2);
    };
    let spin = Duration::from_micros(rest.first().map_or(50, |s| s.parse().expect("SPIN_US is a number")));
    let (mut a, mut b) = (device(a), device(b));
    let bed = Sleeper::new().expect("epoll");
    for fd in [a.rx.poll_fd(), b.rx.poll_fd()].into_iter().flatten() {
        bed.add(fd).expect("epoll add");
    }
    let clock = SystemClock::new();
    let (mut pool, mut burst) = (Pool::new(256), Vec::with_capacity(BURST));
    let (mut moved, mut told) = (0u64, clock.now());
    let endless = a.rx.always_ready() || b.rx.always_ready();
    // When the frames ran out; `None` while they flow.
    let mut idle_since = None;
    loop {
        let n =
            pass(&mut *a.rx, &mut *b.tx, &mut pool, &mut burst) + pass(&mut *b.rx, &mut *a.tx, &mut pool, &mut burst);
        moved += n as u64;
        if n > 0 {
            idle_since = None;
            if endless && moved >= 10_000_000 {
                println!("{:.3} Mpps", rate(&mut moved, &mut told, clock.now()));
            }
            continue;
        }
        let now = clock.now();
        if now - *idle_since.get_or_insert(now) > spin {
            bed.sleep(None);
            idle_since = None;
        }
    }
}

fn pass(from: &mut dyn RxQueue, to: &mut dyn TxQueue, pool: &mut Pool, burst: &mut Vec<Frame>) -> usize {
    let n = from.rx_burst(pool, burst, BURST).unwrap_or(0);
    if n > 0 {
        to.tx_burst(burst, pool);
    }
    n
}

fn rate(moved: &mut u64, told: &mut Time, now: Time) -> f64 {
    let rate = *moved as f64 / (now - *told).as_secs_f64() / 1e6;
    (*moved, *told) = (0, now);
    rate
}

fn device(text: &str) -> QueuePair {
    let (kind, name) = text.split_once(':').expect("TYPE:NAME");
    let options = BTreeMap::from([
        ("rx_pcap".to_owned(), if kind == "pcap" { name.to_owned() } else { String::new() }),
        ("infinite_rx".to_owned(), "true".to_owned()),
    ]);
    let spec = Spec::new(name, kind, &options).unwrap_or_else(|error| panic!("{error}"));
    let mut opened = open(&spec, 1).unwrap_or_else(|error| panic!("{error}"));
    opened.device.set_up(true).expect("set up");
    // The queues alone keep the device.
    opened.queues.remove(0)
}
