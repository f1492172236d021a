//! What: the owner stays awake for a moment when it has nothing to do, in case that the next message is near.
//!
//! Why: a client that asks, waits and asks again pays for waking the server's thread with each request, and that takes
//! longer than serving it. Where requests come less quickly than that, staying awake would only burn a processor, so how
//! often it is tried follows from how often it was worth it.
//!
//! Invariant: where it is never worth it, it is tried once in [`MOST_SKIPPED`] turns.

use super::Event;
use std::time::Duration;
use tokio::sync::mpsc;
use weft_base::Clock;

/// See the header of this file.
pub(super) struct Spin {
    longest: Duration,
    /// How many turns are skipped after the next time that it is not worth it.
    penalty: u32,
    /// How many turns are still to be skipped.
    skip: u32,
}

impl Spin {
    pub(super) fn new(longest: Duration) -> Spin {
        let alone = std::thread::available_parallelism().is_ok_and(|n| n.get() == 1);
        Spin { longest: if alone { Duration::ZERO } else { longest }, penalty: 1, skip: 0 }
    }

    /// Returns when something is there, or when it is better to sleep.
    pub(super) async fn stay_awake(&mut self, clock: &dyn Clock, inbox: &mpsc::Receiver<Event>) {
        if self.longest.is_zero() || !inbox.is_empty() {
            return;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        let until = clock.now() + self.longest;
        loop {
            // Lets the connections' tasks look at their sockets.
            tokio::task::yield_now().await;
            if !inbox.is_empty() {
                self.penalty = (self.penalty / 2).max(1);
                return;
            }
            if clock.now() >= until {
                break;
            }
        }
        self.skip = self.penalty;
        self.penalty = (self.penalty * 2).min(MOST_SKIPPED);
    }
}

const MOST_SKIPPED: u32 = 64;
