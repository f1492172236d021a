use std::time::Duration;

use weft_base::Time;
use weft_packet::Mac;

use super::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Endpoints on one wire.
struct Wire {
    ends: Vec<Endpoint>,
    /// Whose messages are lost.
    mute: Vec<bool>,
    now: Time,
}

impl Wire {
    fn new<const N: usize>(configs: [Config; N]) -> Wire {
        let now = Time::from_millis(100);
        let ends: Vec<Endpoint> = configs.into_iter().map(|config| Endpoint::new(config, 7, now)).collect();
        Wire { mute: vec![false; ends.len()], ends, now }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now <= end {
            for from in 0..self.ends.len() {
                self.ends[from].on_deadline(self.now);
                while let Some(ccm) = self.ends[from].poll() {
                    let ccm = Ccm::parse(&ccm.emit()).unwrap();
                    for to in (0..self.ends.len()).filter(|to| *to != from && !self.mute[from]) {
                        self.ends[to].on_pdu(&ccm, self.now);
                    }
                }
            }
            let next = self.ends.iter().map(Endpoint::next_deadline).min().unwrap();
            assert!(next > self.now);
            self.now = next;
        }
        self.now = end;
    }

    fn faults(&self) -> Vec<Vec<&'static str>> {
        self.ends.iter().map(|end| end.status().fault_status).collect()
    }
}

fn mpid(mpid: u64) -> Config {
    Config { mpid, ..Config::default() }
}

const NONE: Vec<&str> = Vec::new();

#[test]
fn two_ends_hear_each_other_and_are_healthy() {
    let mut wire = Wire::new([mpid(1), mpid(2)]);
    wire.run(ms(50_000));
    assert_eq!(wire.faults(), [NONE, NONE]);
    let status = wire.ends[0].status();
    assert_eq!((status.remote_mpids, status.health, status.flap_count), (vec![2], Some(100), 0));
    assert_eq!(status.remote_opstate, None, "outside extended mode nobody says so");
}

#[test]
fn who_hears_nobody_says_so_and_the_other_knows() {
    let mut wire = Wire::new([mpid(1), mpid(2)]);
    wire.mute[1] = true;
    wire.run(ms(10_000));
    assert_eq!(wire.faults(), [vec!["recv"], vec!["rdi"]]);
    wire.mute[1] = false;
    wire.run(ms(10_000));
    assert_eq!(wire.faults(), [NONE, NONE], "RDI does not keep itself alive");
    assert_eq!(wire.ends[0].status().flap_count, 2);
}

#[test]
fn messages_that_say_what_they_should_not_are_faults_until_they_stop() {
    let mut wire = Wire::new([mpid(1), mpid(1)]);
    wire.run(ms(8_000));
    assert!(wire.faults().iter().all(|faults| faults.contains(&"loopback")));
    let now = wire.now;
    wire.ends[1].set(Config { interval: ms(100), ..mpid(2) }, now);
    wire.run(ms(8_000));
    // the faster one looks more often than it can hear something
    assert_eq!(wire.faults()[0], ["interval", "rdi"]);
    let now = wire.now;
    wire.ends[1].set(mpid(2), now);
    wire.run(ms(15_000));
    assert_eq!(wire.faults(), [NONE, NONE]);
    let now = wire.now;
    let strange = Ccm { maid_is_ours: false, ..wire.ends[0].message() };
    wire.ends[0].on_pdu(&strange, now);
    wire.run(ms(3_500));
    assert_eq!(wire.faults()[0], ["maid"]);
}

#[test]
fn health_falls_with_lost_messages_and_rises_again() {
    let mut wire = Wire::new([mpid(1), mpid(2)]);
    wire.run(ms(22_000));
    for _ in 0..21 {
        wire.mute[1] = !wire.mute[1];
        wire.run(ms(1000));
    }
    wire.mute[1] = false;
    let hurt = wire.ends[0].status().health.unwrap();
    assert!((40..80).contains(&hurt), "half of them were lost, every gap costs its successor: {hurt}");
    wire.run(ms(63_000));
    assert!(wire.ends[0].status().health.unwrap() > 90);
    let mut three = Wire::new([mpid(1), mpid(2), mpid(3)]);
    three.run(ms(45_000));
    assert_eq!(three.ends[0].status().health, None, "with several others there is no such number");
}

#[test]
fn in_extended_mode_an_end_says_that_it_is_down_without_a_fault() {
    let extended =
        |mpid, opstate_up| Config { extended: true, interval: ms(700), opstate_up, ..super::tests::mpid(mpid) };
    let mut wire = Wire::new([extended(u64::MAX, false), extended(2, true)]);
    wire.run(ms(8_000));
    assert_eq!(wire.faults(), [NONE, NONE]);
    assert_eq!(wire.ends[1].status().remote_opstate, Some("down"));
    assert_eq!(wire.ends[1].status().remote_mpids, [u64::MAX]);
    assert_eq!(wire.ends[0].status().remote_opstate, Some("up"));
}

#[test]
fn data_stands_for_messages_on_demand_but_not_for_a_hundred() {
    let demand = |mpid| Config { extended: true, demand: true, interval: ms(300), ..super::tests::mpid(mpid) };
    let mut wire = Wire::new([demand(1), demand(2)]);
    wire.run(ms(4_000));
    wire.mute[1] = true;
    for n in 0..28 {
        wire.ends[0].on_counters(n + 1);
        wire.run(ms(1000));
    }
    assert_eq!(wire.faults()[0], NONE);
    for n in 0..6 {
        wire.ends[0].on_counters(n + 1000);
        wire.run(ms(1000));
    }
    assert_eq!(wire.faults()[0], ["recv"]);
}

#[test]
fn intervals_are_the_standards_unless_extended() {
    for (said, means) in [(1, 3), (5, 3), (99, 10), (1000, 1000), (59_999, 10_000), (700_000, 600_000)] {
        let config = Config { interval: ms(said), ..mpid(1) }.rounded();
        assert_eq!(config.interval, ms(means));
        let extended = Config { interval: ms(said), extended: true, ..mpid(1) }.rounded();
        assert_eq!(extended.interval, ms(said.min(65_535)));
    }
}

#[test]
fn a_flood_of_mpids_is_one_fault() {
    let mut end = Endpoint::new(mpid(60_000), 1, Time::ZERO);
    let message = Endpoint::new(mpid(1), 1, Time::ZERO).message();
    for mepid in 0..5000 {
        end.on_pdu(&Ccm { mepid, ..message }, Time::ZERO);
    }
    assert_eq!(end.remotes.len(), MAX_REMOTES);
    end.on_deadline(Time::from_millis(3500));
    assert_eq!(end.status().fault_status, ["overflow"]);
}

/// Frames that ovs-vswitchd 3.1 sent, byte for byte; the MEPID of extended mode is not looked at.
#[test]
fn the_frames_are_those_that_open_vswitch_sends() {
    let port = Mac([0xaa, 0x55, 0xaa, 0x55, 0, 0x0f]);
    let mut plain = Endpoint::new(mpid(5), 1, Time::ZERO);
    plain.on_deadline(Time::ZERO);
    let frame = plain.poll().unwrap().frame(plain.group(), port, plain.tci());
    assert_eq!(frame[..24], hex("0180c2000030aa55aa55000f89020001044600000001 0005"));
    assert_eq!(frame[24..34], hex("04036f767302036f7673"));
    assert_eq!((frame.len(), frame[34..].iter().all(|byte| *byte == 0)), (89, true));

    let config =
        Config { extended: true, interval: ms(700), opstate_up: false, ccm_vlan: Vlan::Vid(7), ccm_pcp: 3, ..mpid(5) };
    let mut extended = Endpoint::new(config, 1, Time::ZERO);
    extended.on_deadline(Time::ZERO);
    let frame = extended.poll().unwrap().frame(extended.group(), port, extended.tci());
    assert_eq!(frame[..26], hex("012320000030aa55aa55000f 8100 6007 8902 0001 0046 00000001"));
    assert_eq!(frame[76..], hex("02bc 0000000000000005 01 0000000000 00"));
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len() / 2).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap()).collect()
}

#[test]
fn any_bytes_are_read_or_refused() {
    bolero::check!().for_each(|bytes: &[u8]| match Ccm::parse(bytes) {
        Ok(ccm) if ccm.maid_is_ours => assert_eq!(Ccm::parse(&ccm.emit()), Ok(ccm)),
        Ok(_) => {}
        Err(NotCcm::Short(have)) => assert!(have == bytes.len() && have < 75),
        Err(NotCcm::Opcode(code)) => assert_eq!(bytes[1], code),
    });
}
