//! Which ports are worth asking for frames.
//!
//! A port that had frames is warm: it is asked again for some turns, the more the oftener that paid. A cold port is not
//! asked until its device wakes us, see [`crate::thread`].

use std::os::fd::BorrowedFd;

use super::Worker;
use crate::port::Port;

/// How many turns without frames a port is asked for more. At least some 20 microseconds: a round trip between two
/// hosts leaves gaps of that length, and a worker that sleeps in them doubles it (50 us against 100 over veth, with a
/// spin of 20 us and of 5), while every wake-up costs the sender's CPU, too. The bounds are turns, not times, so that a
/// stopped clock does not keep a worker spinning.
const PATIENCE: std::ops::RangeInclusive<u32> = 64..=256;

impl Worker {
    /// Whether any port is to be asked for frames in the next turn.
    pub fn is_warm(&mut self) -> bool {
        self.polled.iter().any(|&number| self.out.ports.get_mut(number).is_some_and(|port| port.is_warm()))
    }

    /// Ask this port for frames in the next turn.
    pub fn warm(&mut self, number: u32) {
        let Some(port) = self.out.ports.get_mut(number) else { return };
        port.heat = port.heat.max(1);
        if !std::mem::replace(&mut port.is_polled, true) {
            self.polled.push(number);
        }
    }

    /// What becomes readable when a port has frames.
    pub fn poll_fd(&mut self, port: u32) -> Option<BorrowedFd<'_>> {
        self.out.ports.get_mut(port)?.rx.poll_fd()
    }

    /// A port whose device has failed since the last question.
    pub fn take_failed(&mut self) -> Option<u32> {
        self.failed.pop()
    }

    /// Count a sleep.
    pub fn note_sleep(&self) {
        self.counters.sleeps.add(1);
    }
}

impl Port {
    /// Whether to ask it for frames. A device that nothing wakes us for may have become ready by itself (a capture that
    /// is brought up).
    #[inline]
    pub(super) fn is_warm(&self) -> bool {
        self.heat > 0 || self.is_mute && self.rx.always_ready()
    }

    /// Whether it need not be asked any more until it wakes us.
    pub(super) fn leaves(&mut self) -> bool {
        let leaves = self.heat == 0 && !self.is_mute;
        self.is_polled &= !leaves;
        leaves
    }

    /// Note whether frames came: a port that had some is asked again for a while, the longer the more often that paid.
    #[inline]
    pub(super) fn warm(&mut self, came: bool) {
        if came {
            self.patience = (self.patience * 2).min(*PATIENCE.end());
            self.heat = self.patience;
        } else if self.heat > 0 {
            self.heat -= 1;
            if self.heat == 0 {
                self.patience = (self.patience / 4).max(*PATIENCE.start());
            }
        }
    }
}
