//! How fast packets go to a controller: at most so many a second, the ports taking turns.
//!
//! What: [`Pace`] is one limit of one connection (there are two: for misses, and for packets that an action sends). While
//! the rate is not exceeded a packet passes at once; else it waits in the queue of its port, and the longest queue gives up
//! its oldest packet when too many wait. ovs-vswitchd.conf.db(5), table Controller, "Controller Rate Limiting".
//!
//! Invariants: never more than `burst` packets wait; every packet that was offered was passed, waits, or was dropped.

use std::collections::{BTreeMap, VecDeque};

use weft_base::{Time, TokenBucket};

use crate::config::PaceStats;

/// See the module's header.
pub(crate) struct Pace<M> {
    limit: (u32, u32),
    bucket: TokenBucket,
    queues: BTreeMap<u32, VecDeque<M>>,
    /// The port whose turn was last.
    last: u32,
    stats: PaceStats,
}

impl<M> Pace<M> {
    /// At most `rate` a second, `burst` at once.
    pub fn new(limit: (u32, u32), now: Time) -> Pace<M> {
        let bucket = TokenBucket::new(limit.0.into(), limit.1.into(), now);
        Pace { limit, bucket, queues: BTreeMap::new(), last: 0, stats: PaceStats::default() }
    }

    /// What it was made for.
    pub fn limit(&self) -> (u32, u32) {
        self.limit
    }

    /// A packet from `port`. `Some`: it may go at once.
    pub fn offer(&mut self, port: u32, packet: M, now: Time) -> Option<M> {
        if self.stats.backlog == 0 && self.bucket.take(1, now) {
            self.stats.bypassed += 1;
            return Some(packet);
        }
        if self.stats.backlog >= u64::from(self.limit.1) {
            let longest = self.queues.iter().max_by_key(|(_, queue)| queue.len()).map(|(port, _)| *port);
            longest.and_then(|port| self.pop(port));
            self.stats.dropped += 1;
        }
        self.queues.entry(port).or_default().push_back(packet);
        self.stats.queued += 1;
        self.stats.backlog += 1;
        None
    }

    /// A packet that has waited long enough.
    pub fn take(&mut self, now: Time) -> Option<M> {
        let next = self.queues.range(self.last.saturating_add(1)..).next().or_else(|| self.queues.iter().next());
        let port = *next?.0;
        if !self.bucket.take(1, now) {
            return None;
        }
        self.last = port;
        self.pop(port)
    }

    /// When [`Pace::take`] may have one.
    pub fn next_due(&self) -> Time {
        if self.stats.backlog == 0 { Time::MAX } else { self.bucket.ready_at(1) }
    }

    /// What has happened.
    pub fn stats(&self) -> PaceStats {
        self.stats
    }

    fn pop(&mut self, port: u32) -> Option<M> {
        let queue = self.queues.get_mut(&port)?;
        let packet = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&port);
        }
        self.stats.backlog -= u64::from(packet.is_some());
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn a_burst_passes_and_the_ports_take_turns_after_it() {
        let mut pace = Pace::new((100, 4), at(0));
        let passed = (0..4).filter(|n| pace.offer(1, *n, at(0)).is_some()).count();
        assert_eq!(passed, 4);
        for n in [10, 11, 12] {
            assert_eq!(pace.offer(1, n, at(0)), None);
        }
        assert_eq!(pace.offer(2, 20, at(0)), None);
        assert_eq!((pace.take(at(9)), pace.next_due()), (None, at(10)));
        let order: Vec<i32> = (1..6).filter_map(|n| pace.take(at(n * 10))).collect();
        assert_eq!(order, [10, 20, 11, 12]);
        assert_eq!(pace.stats(), PaceStats { bypassed: 4, queued: 4, dropped: 0, backlog: 0 });
        assert_eq!(pace.next_due(), Time::MAX);
    }

    #[test]
    fn the_longest_queue_pays_for_the_overflow() {
        let mut pace = Pace::new((100, 2), at(0));
        for n in 0..4 {
            pace.offer(1, n, at(0));
        }
        assert_eq!(pace.offer(2, 20, at(0)), None);
        assert_eq!(pace.stats(), PaceStats { bypassed: 2, queued: 3, dropped: 1, backlog: 2 });
        assert_eq!((pace.take(at(10)), pace.take(at(20))), (Some(3), Some(20)));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_unnoticed(steps in proptest::collection::vec((0u32..4, 0u64..30), 1..200)) {
            let mut pace = Pace::new((100, 5), at(0));
            let (mut now, mut passed, mut taken) = (0, 0u64, 0u64);
            for (n, (port, wait)) in steps.iter().enumerate() {
                now += wait;
                while pace.take(at(now)).is_some() {
                    taken += 1;
                }
                passed += u64::from(pace.offer(*port, n, at(now)).is_some());
                let stats = pace.stats();
                prop_assert!(stats.backlog <= 5 && stats.bypassed == passed);
                prop_assert_eq!(stats.queued, taken + stats.dropped + stats.backlog);
            }
        }
    }
}
