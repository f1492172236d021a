//! A token bucket: how much of something may happen, told the time.

use std::time::Duration;

use crate::Time;

/// Tokens flow in at `rate` per second up to `burst`; [`TokenBucket::take`] spends them.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    rate: u64,
    burst: u64,
    /// In token-nanoseconds (tokens times 10^9), so that slow rates lose nothing to rounding.
    level: u128,
    at: Time,
}

const UNIT: u128 = 1_000_000_000;

impl TokenBucket {
    /// A full bucket: `rate` tokens per second, at most `burst` saved.
    pub fn new(rate: u64, burst: u64, now: Time) -> TokenBucket {
        TokenBucket { rate, burst, level: u128::from(burst) * UNIT, at: now }
    }

    /// Take `n` tokens if they are there.
    pub fn take(&mut self, n: u64, now: Time) -> bool {
        self.refill(now);
        let need = u128::from(n) * UNIT;
        let enough = self.level >= need;
        if enough {
            self.level -= need;
        }
        enough
    }

    /// When `n` tokens will be there if nobody takes any before.
    pub fn ready_at(&self, n: u64) -> Time {
        let need = (u128::from(n) * UNIT).saturating_sub(self.level);
        if need == 0 {
            return self.at;
        }
        match self.rate {
            0 => Time::MAX,
            rate => self.at + Duration::from_nanos(u64::try_from(need.div_ceil(u128::from(rate))).unwrap_or(u64::MAX)),
        }
    }

    fn refill(&mut self, now: Time) {
        let gained = now.since(self.at).as_nanos().saturating_mul(u128::from(self.rate));
        self.level = self.level.saturating_add(gained).min(u128::from(self.burst) * UNIT);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate_decides() {
        let mut bucket = TokenBucket::new(10, 3, Time::ZERO);
        let passed = (0..5).filter(|_| bucket.take(1, Time::ZERO)).count();
        assert_eq!(passed, 3);
        assert_eq!(bucket.ready_at(1), Time::from_millis(100));
        assert!(!bucket.take(1, Time::from_millis(99)));
        assert!(bucket.take(1, Time::from_millis(100)));
    }

    #[test]
    fn an_idle_bucket_never_saves_more_than_its_burst() {
        let mut bucket = TokenBucket::new(1000, 2, Time::ZERO);
        assert!(!bucket.take(3, Time::from_millis(3_600_000)));
        assert!(bucket.take(2, Time::from_millis(3_600_000)));
    }
}
