//! How far a sender strays from its interval, so that neighbours do not fall into step (RFC 5880 §6.8.7).

use std::time::Duration;

/// A stream of numbers that look random and are the same for the same seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// The stream of this seed.
    pub const fn new(seed: u64) -> Jitter {
        Jitter(seed)
    }

    /// The next number.
    pub const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `interval`, shortened by at least `least` and less than `most` percent of it.
    pub fn shorten(&mut self, interval: Duration, least: u32, most: u32) -> Duration {
        let percent = least + (self.draw() % u64::from(most - least)) as u32;
        interval - interval * percent / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_shortened_within_bounds_and_not_always_alike() {
        let mut jitter = Jitter::new(5);
        let second = Duration::from_secs(1);
        let drawn: Vec<Duration> = (0..1000).map(|_| jitter.shorten(second, 10, 25)).collect();
        assert!(drawn.iter().all(|d| *d <= second * 90 / 100 && *d > second * 75 / 100));
        assert!(drawn.iter().max() > drawn.iter().min());
    }
}
