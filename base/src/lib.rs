//! The ground floor: time, rates and counters. No protocol word may appear here.
//!
//! - [`time`]: `Time` and the `Clock` seam; everything above is told `now`.
//! - [`rate`]: a token bucket that is told the time.
//! - [`counter`]: counters with one writer, read by anyone.

pub mod counter;
pub mod rate;
pub mod time;

pub use counter::Counter;
pub use rate::TokenBucket;
pub use time::{Clock, SimClock, SystemClock, Time};
