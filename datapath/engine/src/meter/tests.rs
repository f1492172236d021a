//! Rates in virtual time.

use std::time::Duration;

use weft_packet::{Gso, GsoKind};

use super::*;

fn meter(unit: MeterUnit, bands: &[(u32, u32)]) -> Meter {
    let band = |&(rate, burst): &(u32, u32)| MeterBand { rate, burst, then: Beyond::Drop };
    Meter::new(&MeterConfig { unit, bands: bands.iter().map(band).collect() }, Time::from_millis(7))
}

fn frame(len: usize) -> Frame {
    Frame::copy_of(&vec![0; len])
}

/// How many of `n` frames pass at once.
fn passed(meter: &Meter, n: usize, len: usize, now: Time) -> usize {
    (0..n).filter(|_| meter.charge(&frame(len), now) == Metered::Within).count()
}

/// Unit, rate and burst of each band, what each has counted after each of three bursts.
type Case = (MeterUnit, &'static [(u32, u32)], [&'static [u64]; 3]);

/// Captured from ovs-vswitchd 3.1 on its dummy datapath: eight frames at once, a second later eight more, ten seconds later
/// eight more; what each band had counted then.
#[test]
fn bands_count_as_open_vswitch_counts() {
    use MeterUnit::{Kilobits, Packets};
    let cases: [Case; 4] = [
        (Packets, &[(1, 3)], [&[5], &[12], &[17]]),
        (Packets, &[(2, 0)], [&[6], &[12], &[18]]),
        (Kilobits, &[(1, 2)], [&[6], &[13], &[19]]),
        (Packets, &[(1, 5), (2, 4)], [&[0, 4], &[1, 10], &[1, 14]]),
    ];
    for (unit, bands, expected) in cases {
        let meter = meter(unit, bands);
        for (at, expected) in [7, 1012, 11_017].into_iter().zip(expected) {
            passed(&meter, 8, 100, Time::from_millis(at));
            let counted: Vec<u64> = meter.exceeded().map(|(packets, _)| packets).collect();
            assert_eq!(counted, expected, "{unit:?} {bands:?} at {at}");
        }
        assert_eq!(meter.counted(), (24, 2400));
    }
}

/// 100 kbit/s for ten seconds, offered eight times as much in uneven steps.
#[test]
fn a_rate_holds_within_one_percent() {
    for (rate, burst, len) in [(100, 10, 125), (100, 0, 1500), (10_000_000, 1000, 1500), (1_000_000, 100, 64)] {
        let meter = meter(MeterUnit::Kilobits, &[(rate, burst)]);
        let start = Time::from_millis(7);
        let bits = len as u64 * 8;
        let total = u64::from(rate) * 1000; // a second's worth
        let seconds = if rate > 1000 { 1 } else { 10 };
        let step = Duration::from_nanos(1_000_000_000 * bits / total / 8);
        passed(&meter, 100_000, len, start); // the burst is gone
        let mut now = start;
        let mut sent = 0;
        let end = start + Duration::from_secs(seconds);
        let mut offered = 0;
        while now < end {
            let n = 1 + offered % 3;
            offered += n;
            now += step * n as u32;
            sent += passed(&meter, n, len, now) as u64 * bits;
        }
        let wanted = total * seconds;
        assert!(sent.abs_diff(wanted) * 100 <= wanted, "{rate} kbit/s: {sent} of {wanted} bits");
    }
}

#[test]
fn two_workers_share_one_rate() {
    let meter = Arc::new(meter(MeterUnit::Packets, &[(1000, 1000)]));
    let passed: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let meter = Arc::clone(&meter);
                scope.spawn(move || {
                    (0..20_000u64)
                        .map(|i| passed(&meter, 1, 60, Time::from_millis(7) + Duration::from_micros(i * 100)))
                        .sum::<usize>()
                })
            })
            .collect();
        workers.into_iter().map(|w| w.join().unwrap()).sum()
    });
    // the burst and two seconds' worth, whoever got it
    assert!((2990..=3000).contains(&passed), "{passed}");
    assert_eq!(meter.counted().0, 40_000);
}

#[test]
fn a_gso_frame_costs_its_segments() {
    let meter = meter(MeterUnit::Packets, &[(10, 10)]);
    let mut big = frame(54 + 20 * 1000);
    big.gso = Some(Gso { kind: GsoKind::TcpV4, size: 1000, header_len: 54, ecn: false });
    let start = Time::from_millis(7);
    assert_eq!(meter.charge(&big, start), Metered::Within);
    assert_eq!(meter.counted(), (20, 20_054));
    // ten in debt: nothing passes before a second and the next packet's share
    assert_eq!(passed(&meter, 1, 60, start + Duration::from_millis(1099)), 0);
    assert_eq!(passed(&meter, 2, 60, start + Duration::from_millis(1100)), 1);
}

#[test]
fn a_rate_of_nothing_lets_nothing_pass() {
    assert_eq!(passed(&meter(MeterUnit::Packets, &[(0, 5)]), 3, 60, Time::from_millis(9)), 0);
}

#[test]
fn drop_precedence_goes_up_to_three() {
    // AF11 -> AF12 -> AF13; EF, CS1 and best effort have none
    assert_eq!(remarked(10, 1), 12);
    assert_eq!(remarked(10, 2), 14);
    assert_eq!(remarked(14, 1), 14);
    assert_eq!(remarked(34, 200), 38);
    for dscp in [0, 8, 46, 63] {
        assert_eq!(remarked(dscp, 1), dscp);
    }
}

#[test]
fn meters_come_and_go_by_number() {
    let meters = Meters::default();
    let none =
        MeterConfig { unit: MeterUnit::Packets, bands: vec![MeterBand { rate: 0, burst: 0, then: Beyond::Drop }] };
    let now = Time::ZERO;
    assert_eq!(meters.charge(3, &frame(60), now), Metered::Within);
    meters.set(3, Some(Arc::new(Meter::new(&none, now))));
    assert_eq!(meters.charge(3, &frame(60), now), Metered::Exceeds(Beyond::Drop));
    assert_eq!(meters.charge(2, &frame(60), now), Metered::Within);
    meters.set(3, None);
    assert_eq!(meters.charge(3, &frame(60), now), Metered::Within);
}

#[test]
fn of_two_who_set_meters_at_once_neither_loses_its_own() {
    let meters = Meters::default();
    let put = |id: u32| {
        for _ in 0..2000 {
            meters.set(id, Some(Arc::new(meter(MeterUnit::Packets, &[]))));
            assert!(meters.0.load().get(id as usize).is_some_and(Option::is_some), "meter {id} was lost");
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| put(1));
        scope.spawn(|| put(2));
    });
}
