//! Meters: token buckets that all workers charge.
//!
//! What: [`Meter`] says of a frame whether it may go on; [`Meters`] finds a meter by its number.
//! How: a bucket is one number, the time at which it would be full again ("virtual scheduling", ITU-T I.371): a frame
//! moves it on by what it costs. So a charge is one compare-and-swap, no worker waits for another, and two workers that
//! share a rate get that rate together. Counters are atomics for the same reason.
//! A GSO frame costs what its segments cost. It passes when its first segment would, and those behind it are charged in
//! advance: else a large frame could never pass a small bucket, and the rate holds all the same.
//!
//! Invariants: over any time a band lets no more through than its burst and what its rate brings, but for the rest of
//! one GSO frame; nothing here locks or allocates but [`Meters::set`].

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use weft_base::Time;
use weft_packet::Frame;

/// What a meter is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeterConfig {
    /// What is counted against the rates.
    pub unit: MeterUnit,
    /// The bands. Of those exceeded, the one with the highest rate decides.
    pub bands: Vec<MeterBand>,
}

/// What a band's rate and burst count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MeterUnit {
    /// Thousands of bits.
    Kilobits,
    /// Frames; a GSO frame's segments.
    Packets,
}

/// A rate and what happens beyond.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeterBand {
    /// Units a second.
    pub rate: u32,
    /// Units that an idle band saves; 0: what a second brings.
    pub burst: u32,
    /// What happens to a frame beyond.
    pub then: Beyond,
}

/// What happens to a frame that exceeds a band.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beyond {
    /// It goes no further.
    Drop,
    /// Its drop precedence (RFC 2597) is raised by so much.
    Remark(u8),
}

/// What a meter says of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Metered {
    /// It is within every band.
    Within,
    /// It is not.
    Exceeds(Beyond),
}

/// A meter at work.
#[derive(Debug)]
pub struct Meter {
    unit: MeterUnit,
    since: Time,
    bands: Box<[Band]>,
    packets: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Debug)]
struct Band {
    config: MeterBand,
    /// Bits or packets that come in.
    per_second: u64,
    /// Ticks that it takes from empty to full.
    depth: u64,
    /// When it will be full, in ticks since the meter was made.
    full_at: AtomicU64,
    packets: AtomicU64,
    bytes: AtomicU64,
}

/// Ticks of a nanosecond: fast rates lose little to rounding, and the clock does not overflow within six years.
const TICKS: u64 = 64;
const TICKS_PER_SECOND: u64 = TICKS * 1_000_000_000;
/// When a meter was made, in ticks: late enough for the deepest bucket to have filled.
const START: u64 = 1 << 62;

impl Meter {
    /// A meter whose buckets are full.
    pub fn new(config: &MeterConfig, now: Time) -> Meter {
        Meter {
            unit: config.unit,
            since: now,
            bands: config.bands.iter().map(|band| Band::new(*band, config.unit)).collect(),
            packets: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Charge a frame.
    pub fn charge(&self, frame: &Frame, now: Time) -> Metered {
        let len = frame.len() as u64;
        let (segments, first) = match frame.gso {
            Some(gso) if gso.size > 0 => {
                let header = u64::from(gso.header_len).min(len);
                let segments = (len - header).div_ceil(u64::from(gso.size)).max(1);
                (segments, len.min(header + u64::from(gso.size)))
            }
            _ => (1, len),
        };
        let (need, cost) = match self.unit {
            MeterUnit::Packets => (1, segments),
            MeterUnit::Kilobits => (first * 8, len * 8),
        };
        self.packets.fetch_add(segments, Ordering::Relaxed);
        self.bytes.fetch_add(len, Ordering::Relaxed);
        let at = START.saturating_add((now.since(self.since).as_nanos() as u64).saturating_mul(TICKS));
        let mut worst: Option<&Band> = None;
        for band in &self.bands {
            if !band.take(need, cost, at) && worst.is_none_or(|w| band.config.rate > w.config.rate) {
                worst = Some(band);
            }
        }
        let Some(band) = worst else { return Metered::Within };
        band.packets.fetch_add(segments, Ordering::Relaxed);
        band.bytes.fetch_add(len, Ordering::Relaxed);
        Metered::Exceeds(band.config.then)
    }

    /// Frames and bytes that came.
    pub fn counted(&self) -> (u64, u64) {
        (self.packets.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// Frames and bytes that exceeded each band, in the order in which the bands were given.
    pub fn exceeded(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.bands.iter().map(|band| (band.packets.load(Ordering::Relaxed), band.bytes.load(Ordering::Relaxed)))
    }
}

impl Band {
    fn new(config: MeterBand, unit: MeterUnit) -> Band {
        let burst = if config.burst == 0 { config.rate } else { config.burst };
        let per_second = match unit {
            MeterUnit::Kilobits => u64::from(config.rate) * 1000,
            MeterUnit::Packets => config.rate.into(),
        };
        let depth = u128::from(burst) * u128::from(TICKS_PER_SECOND) / u128::from(config.rate.max(1));
        Band {
            config,
            per_second,
            depth: depth.min(u128::from(START / 2)) as u64,
            full_at: AtomicU64::new(0),
            packets: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Take `cost` (bits or packets) if `need` of it is there. Ticks are rounded down: a burst of its full depth passes.
    fn take(&self, need: u64, cost: u64, at: u64) -> bool {
        if self.per_second == 0 {
            return false;
        }
        // at most 2^20 bits in a frame: this does not overflow by far
        let ticks =
            |units: u64| (u128::from(units) * u128::from(TICKS_PER_SECOND) / u128::from(self.per_second)) as u64;
        let (need, cost) = (ticks(need), ticks(cost));
        let charged = |full_at: u64| {
            let from = full_at.max(at.saturating_sub(self.depth));
            (from.saturating_add(need) <= at).then(|| from.saturating_add(cost))
        };
        self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, charged).is_ok()
    }
}

/// All meters of a datapath by number. Read by workers, written by the control side.
#[derive(Debug, Default)]
pub struct Meters(ArcSwap<Vec<Option<Arc<Meter>>>>);

impl Meters {
    /// Put a meter in, replace or remove it.
    pub fn set(&self, id: u32, meter: Option<Arc<Meter>>) {
        let at = id as usize;
        // two may write at once: neither's meter may get lost
        self.0.rcu(|all| {
            let mut all = Vec::clone(all);
            if meter.is_some() && all.len() <= at {
                all.resize(at + 1, None);
            }
            if let Some(slot) = all.get_mut(at) {
                slot.clone_from(&meter);
            }
            while all.last().is_some_and(Option::is_none) {
                all.pop();
            }
            all
        });
    }

    /// Charge a frame to a meter. One that is not there lets everything pass, as a meter that was deleted must.
    pub fn charge(&self, id: u32, frame: &Frame, now: Time) -> Metered {
        match self.0.load().get(id as usize) {
            Some(Some(meter)) => meter.charge(frame, now),
            _ => Metered::Within,
        }
    }
}

/// The DSCP after its drop precedence was raised: AFx1 to AFx3 have one (RFC 2597), all others stay.
pub fn remarked(dscp: u8, by: u8) -> u8 {
    let (class, precedence) = (dscp >> 3, dscp >> 1 & 3);
    match (class, precedence, dscp & 1) {
        (1..=4, 1..=3, 0) => class << 3 | precedence.saturating_add(by).min(3) << 1,
        _ => dscp,
    }
}
