use std::time::Duration;

use proptest::prelude::*;
use weft_base::Time;
use weft_packet::Mac;

use super::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Two ends and the wires between them.
struct Pair {
    ends: [Session; 2],
    cut: [bool; 2],
    now: Time,
    sent: [u32; 2],
}

impl Pair {
    fn new(a: Config, b: Config) -> Pair {
        let now = Time::from_millis(1000);
        let ends = [Session::new(a, 0x11, now), Session::new(b, 0x22, now)];
        Pair { ends, cut: [false; 2], now, sent: [0; 2] }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        let mut idle = 0;
        loop {
            for from in 0..2 {
                self.ends[from].on_deadline(self.now);
            }
            while self.carry() {}
            let next = self.ends.iter().map(|e| e.next_deadline(self.now)).min().unwrap();
            if next > end {
                self.now = end;
                return;
            }
            idle = if next > self.now { 0 } else { idle + 1 };
            assert!(idle < 4, "a machine that is due again and again");
            self.now = self.now.max(next);
        }
    }

    /// Whether somebody had something to say.
    fn carry(&mut self) -> bool {
        let mut any = false;
        for from in 0..2 {
            while let Some(pdu) = self.ends[from].poll() {
                any = true;
                self.sent[from] += 1;
                let pdu = Control::parse(&pdu.emit()).unwrap();
                if !self.cut[from] {
                    self.ends[1 - from].on_pdu(&pdu, self.now).unwrap();
                }
            }
        }
        any
    }

    fn states(&self) -> [State; 2] {
        [self.ends[0].state, self.ends[1].state]
    }
}

fn fast() -> Config {
    Config { min_rx: ms(300), min_tx: ms(300), ..Config::default() }
}

#[test]
fn two_ends_find_each_other_and_speed_up() {
    let mut pair = Pair::new(fast(), Config { min_rx: ms(500), ..fast() });
    pair.run(ms(3000));
    assert_eq!(pair.states(), [State::Up; 2]);
    assert!(pair.ends.iter().all(|e| e.is_forwarding() && e.flap_count == 1 && !e.polling));
    assert_eq!((pair.ends[0].tx_interval(), pair.ends[0].rx_interval()), (ms(500), ms(300)));
    assert_eq!((pair.ends[1].tx_interval(), pair.ends[1].rx_interval()), (ms(300), ms(500)));
    let before = pair.sent;
    pair.run(ms(60_000));
    let [a, b] = [0, 1].map(|i| pair.sent[i] - before[i]);
    assert!((120..=160).contains(&a), "one in 375 to 500 ms: {a}");
    assert!((200..=267).contains(&b), "one in 225 to 300 ms: {b}");
}

#[test]
fn silence_takes_both_ends_down_and_each_says_why() {
    let mut pair = Pair::new(fast(), fast());
    pair.run(ms(3000));
    pair.cut[1] = true; // the first hears nothing any more
    pair.run(ms(900));
    assert_eq!(pair.ends[0].diagnostic, Diagnostic::DETECTION_TIME_EXPIRED);
    assert!(!pair.ends[0].is_forwarding());
    pair.run(ms(1100));
    assert_eq!(pair.ends[1].diagnostic, Diagnostic::NEIGHBOUR_SIGNALED_DOWN);
    assert_ne!(pair.ends[1].state, State::Up);
    assert!(!pair.ends[1].is_forwarding());
    pair.cut[1] = false;
    pair.run(ms(3000));
    assert_eq!(pair.states(), [State::Up; 2]);
    assert_eq!(pair.ends[0].flap_count, 3);
}

#[test]
fn new_intervals_are_agreed_on_by_a_poll() {
    let mut pair = Pair::new(fast(), fast());
    pair.run(ms(3000));
    let slower = Config { min_tx: ms(900), min_rx: ms(100), ..fast() };
    pair.cut[1] = true;
    let now = pair.now;
    pair.ends[0].set(slower, now);
    pair.run(ms(10));
    assert!(pair.ends[0].polling);
    assert_eq!(pair.ends[0].tx_interval(), ms(300), "as before, until the other has agreed");
    assert_eq!(pair.ends[0].rx_interval(), ms(300));
    pair.cut[1] = false;
    pair.run(ms(700));
    assert!(!pair.ends[0].polling);
    assert_eq!(pair.ends[0].tx_interval(), ms(900));
    assert_eq!(pair.ends[1].rx_interval(), ms(900));
    assert_eq!(pair.states(), [State::Up; 2]);
}

#[test]
fn a_path_that_is_down_beyond_one_end_stops_the_other_from_forwarding() {
    let mut pair = Pair::new(Config { cpath_down: true, ..fast() }, fast());
    pair.run(ms(3000));
    assert_eq!(pair.states(), [State::Up; 2]);
    assert!(pair.ends[0].is_forwarding() && !pair.ends[1].is_forwarding());
    let now = pair.now;
    pair.ends[0].set(fast(), now);
    pair.run(ms(1000));
    assert!(pair.ends[1].is_forwarding());
    assert_eq!(pair.ends[0].diagnostic, Diagnostic::NONE);
}

#[test]
fn data_can_stand_for_control_packets_but_not_for_all_of_them() {
    let mut pair = Pair::new(Config { forwarding_if_rx: true, ..fast() }, fast());
    pair.run(ms(3000));
    pair.cut[1] = true;
    let mut packets = 10;
    for _ in 0..290 {
        packets += 5;
        let now = pair.now;
        pair.ends[0].on_counters(packets, now);
        pair.run(ms(100));
    }
    assert_eq!(pair.ends[0].state, State::Down);
    assert!(pair.ends[0].is_forwarding(), "29 s with data, 100 * min_rx are 30");
    for _ in 0..20 {
        packets += 5;
        let now = pair.now;
        pair.ends[0].on_counters(packets, now);
        pair.run(ms(100));
    }
    assert!(!pair.ends[0].is_forwarding());
}

#[test]
fn a_link_without_data_is_listened_to_less_often() {
    let mut pair = Pair::new(Config { decay_min_rx: ms(3000), ..fast() }, fast());
    pair.run(ms(3000));
    let quiet = |pair: &mut Pair, data: u64| {
        for _ in 0..40 {
            let (now, controls) = (pair.now, pair.ends[0].data.controls);
            let packets = controls + pair.ends[0].data.packets.max(controls) - controls + data;
            pair.ends[0].on_counters(packets, now);
            pair.run(ms(100));
        }
    };
    quiet(&mut pair, 0);
    quiet(&mut pair, 0);
    assert_eq!(pair.ends[0].rx_interval(), ms(3000));
    assert_eq!(pair.ends[1].tx_interval(), ms(3000));
    quiet(&mut pair, 50);
    quiet(&mut pair, 50);
    assert_eq!(pair.ends[0].rx_interval(), ms(300), "there is data again");
    assert_eq!(pair.states(), [State::Up; 2]);
}

#[test]
fn packets_for_others_change_nothing() {
    let mut pair = Pair::new(fast(), fast());
    pair.run(ms(3000));
    let mut pdu = Control {
        diagnostic: Diagnostic::NONE,
        state: State::AdminDown,
        flags: Flags::default(),
        detect_mult: 3,
        my_discriminator: 9,
        your_discriminator: 0x12,
        desired_min_tx: ms(1),
        required_min_rx: ms(1),
    };
    let now = pair.now;
    assert_eq!(pair.ends[0].on_pdu(&pdu, now), Err(Unheard::OtherReceiver));
    (pdu.your_discriminator, pdu.state) = (0, State::Up);
    assert_eq!(pair.ends[0].on_pdu(&pdu, now), Err(Unheard::NoReceiver));
    assert_eq!(pair.states(), [State::Up; 2]);
    assert_eq!(pair.ends[0].remote.discriminator, 0x22);
}

/// A frame that ovs-vswitchd 3.1 sent (`cpath_down`), byte for byte but for its discriminator.
#[test]
fn the_frame_is_the_one_that_open_vswitch_sends() {
    let config = Config { cpath_down: true, ..Config::default() };
    let mut session = Session::new(config.clone(), 0x52f4_c309, Time::ZERO);
    session.on_deadline(Time::ZERO);
    let frame = session.poll().unwrap().frame(&config, Mac([0xaa, 0x55, 0xaa, 0x55, 0, 0x0e]));
    let mut want = hex("002320000001aa55aa55000e080045c0003400000000ff1164fba9fe0101a9fe0100c0000ec80020 \
         00002640031852f4c30900000000000f4240000f424000000000");
    let (have, real) = (Control::parse(&frame[42..]).unwrap(), Control::parse(&want[42..]).unwrap());
    assert_eq!(have, real);
    // Open vSwitch leaves the checksum of UDP away
    want[40..42].copy_from_slice(&frame[40..42]);
    assert_eq!(frame, want);
    for len in 0..24 {
        assert_eq!(Control::parse(&frame[42..42 + len]), Err(Unheard::Short { have: len }));
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len() / 2).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap()).collect()
}

#[test]
fn any_bytes_are_read_or_refused() {
    bolero::check!().for_each(|bytes: &[u8]| {
        if let Ok(control) = Control::parse(bytes) {
            let again = Control::parse(&control.emit()).unwrap();
            assert_eq!(control, again);
        }
    });
}

proptest! {
    /// Whatever a neighbour says, the machine stays within its bounds: it never floods, and silence always takes it down.
    #[test]
    fn a_neighbour_that_lies_gains_nothing(
        lies in prop::collection::vec((any::<[u8; 22]>(), 0u64..3000), 1..40),
    ) {
        let mut session = Session::new(fast(), 0x11, Time::from_millis(1));
        let (mut now, mut sent, begin) = (Time::from_millis(1), 0u64, Time::from_millis(1));
        for (lie, wait) in lies {
            let mut bytes = vec![0x20 | lie[0] & 0x1f, lie[1] & !5];
            bytes.extend_from_slice(&[lie[2] | 1, 24]);
            bytes.extend_from_slice(&lie[2..]);
            bytes[8..12].copy_from_slice(&if lie[3] & 1 == 0 { [0; 4] } else { [0, 0, 0, 0x11] });
            if let Ok(pdu) = Control::parse(&bytes) {
                let _ = session.on_pdu(&pdu, now);
            }
            let until = now + ms(wait);
            loop {
                session.on_deadline(now);
                while let Some(pdu) = session.poll() {
                    // an answer to a poll is one for one
                    sent += u64::from(!pdu.flags.has(Flags::FINAL));
                }
                let next = session.next_deadline(now);
                prop_assert!(next > now, "due again and again");
                if next > until {
                    break;
                }
                now = next;
            }
            now = until;
            prop_assert!(sent <= now.since(begin).as_millis() as u64 / 225 + 2 + 40);
        }
        let end = now + Duration::from_secs(u64::from(u32::MAX) / 1_000_000 * 256 + 1);
        session.on_deadline(end);
        prop_assert!(!matches!(session.state, State::Up | State::Init));
    }
}
