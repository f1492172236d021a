//! Time as a value, and the clocks that produce it.
//!
//! What: [`Time`] is a point on a monotonic clock; [`Clock`] is the seam between real and simulated time.
//! Why: protocol machines, tables and caches are told the time, so that tests can run hours in a millisecond
//! and `time/stop` and `time/warp` can freeze or push a whole switch.
//! Invariant: a clock never goes back.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// A point in time: nanoseconds since an arbitrary start that is the same for all `Time`s of one [`Clock`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// The start of every clock.
    pub const ZERO: Time = Time(0);
    /// Later than every other time: "never".
    pub const MAX: Time = Time(u64::MAX);

    /// The point `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Time {
        Time(nanos)
    }

    /// The point `millis` milliseconds after the start.
    pub const fn from_millis(millis: u64) -> Time {
        Time(millis * 1_000_000)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the start.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, by: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, by: Duration) {
        *self = *self + by;
    }
}

impl Sub for Time {
    type Output = Duration;
    fn sub(self, earlier: Time) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

/// Where the time comes from. Read once per turn of a loop; all else is told.
pub trait Clock: Send + Sync {
    /// The monotonic time.
    fn now(&self) -> Time;
    /// The time of day, moved by the same stops and warps as [`Clock::now`].
    fn wall(&self) -> SystemTime;
}

/// The machine's clock, which can be stopped and warped for tests of a whole daemon (`time/stop`, `time/warp`).
pub struct SystemClock {
    start: Instant,
    start_wall: SystemTime,
    /// Nanoseconds by which warps have moved the clock ahead, less what passed while it stood.
    ahead: AtomicU64,
    /// `u64::MAX` while the clock runs, else the time at which it stands.
    stopped_at: AtomicU64,
    changing: Mutex<()>,
}

const RUNNING: u64 = u64::MAX;
/// The clock's first reading. Not zero, so that "an hour ago" exists on a machine that has just started.
const FIRST: u64 = 1_000_000_000;

impl SystemClock {
    /// A running clock.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn new() -> SystemClock {
        SystemClock {
            start: Instant::now(),
            start_wall: SystemTime::now(),
            ahead: AtomicU64::new(FIRST),
            stopped_at: AtomicU64::new(RUNNING),
            changing: Mutex::new(()),
        }
    }

    fn elapsed(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// Freeze the clock; it moves only by [`SystemClock::warp`] from now on.
    pub fn stop(&self) {
        let _guard = self.changing.lock().unwrap_or_else(|e| e.into_inner());
        if self.stopped_at.load(Ordering::Acquire) == RUNNING {
            let now = self.elapsed().wrapping_add(self.ahead.load(Ordering::Acquire));
            self.stopped_at.store(now, Ordering::Release);
        }
    }

    /// Whether [`SystemClock::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.stopped_at.load(Ordering::Acquire) != RUNNING
    }

    /// Move the clock ahead.
    pub fn warp(&self, by: Duration) {
        let _guard = self.changing.lock().unwrap_or_else(|e| e.into_inner());
        let by = by.as_nanos() as u64;
        match self.stopped_at.load(Ordering::Acquire) {
            RUNNING => {
                self.ahead.fetch_add(by, Ordering::AcqRel);
            }
            at => self.stopped_at.store(at.saturating_add(by), Ordering::Release),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        match self.stopped_at.load(Ordering::Acquire) {
            RUNNING => Time(self.elapsed().wrapping_add(self.ahead.load(Ordering::Acquire))),
            at => Time(at),
        }
    }

    fn wall(&self) -> SystemTime {
        self.start_wall + Duration::from_nanos(self.now().0.saturating_sub(FIRST))
    }
}

/// A clock that only tests move.
#[derive(Default)]
pub struct SimClock(AtomicU64);

impl SimClock {
    /// A clock that stands at `at`.
    pub fn new(at: Time) -> SimClock {
        SimClock(AtomicU64::new(at.0))
    }

    /// Move the clock ahead.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_nanos() as u64, Ordering::AcqRel);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Time {
        Time(self.0.load(Ordering::Acquire))
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.0.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_clock_moves_only_by_warps() {
        let clock = SystemClock::new();
        clock.stop();
        let at = clock.now();
        assert_eq!(clock.now(), at);
        clock.warp(Duration::from_secs(3600));
        assert_eq!(clock.now() - at, Duration::from_secs(3600));
    }

    #[test]
    fn a_warp_of_a_running_clock_never_turns_it_back() {
        let clock = SystemClock::new();
        let before = clock.now();
        clock.warp(Duration::from_millis(5));
        assert!(clock.now() - before >= Duration::from_millis(5));
    }

    #[test]
    fn time_saturates_at_both_ends() {
        assert_eq!(Time::ZERO - Time::from_millis(1), Duration::ZERO);
        assert_eq!(Time::MAX + Duration::from_secs(1), Time::MAX);
    }
}
