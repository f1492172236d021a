//! What: when to connect to a controller, and when to try again.
//!
//! Why: the switch's clock can be stopped and warped, so these times are the owner's, not the sockets'.
//!
//! ```text
//!             dial                connected
//!   Backoff ───────> Connecting ───────────> Active
//!      ^                 │ failed               │ closed
//!      └─────────────────┴──────────────────────┘
//! ```
//!
//! Probing a silent peer is the business of the pipeline's connection, which speaks the protocol.
//!
//! Invariants: no clock, no socket, no logger. The wait between attempts doubles from one second to `max_backoff`
//! and starts over once a connection has lived for as long as the wait before it.

use std::time::Duration;

use weft_base::Time;

/// See the module's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waiting before the next attempt.
    Backoff,
    /// An attempt is under way.
    Connecting,
    /// Connected.
    Active,
}

/// What the owner must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconnectEvent {
    /// Start an attempt.
    Dial,
    /// The attempt took too long: forget it.
    Abandon,
}

/// One controller's connection.
#[derive(Clone, Debug)]
pub struct Reconnect {
    state: State,
    since: Time,
    backoff: Duration,
    max_backoff: Duration,
    connected_at: Option<Time>,
    disconnected_at: Option<Time>,
    last_error: Option<String>,
}

impl Reconnect {
    /// Connects at the first opportunity.
    pub fn new(now: Time, max_backoff: Duration) -> Reconnect {
        Reconnect {
            state: State::Backoff,
            since: now,
            backoff: Duration::ZERO,
            max_backoff: max_backoff.max(FIRST),
            connected_at: None,
            disconnected_at: None,
            last_error: None,
        }
    }

    /// Other limits, from now on.
    pub fn set_limits(&mut self, max_backoff: Duration) {
        self.max_backoff = max_backoff.max(FIRST);
        self.backoff = self.backoff.min(self.max_backoff);
    }

    /// When [`Reconnect::on_deadline`] wants to be called.
    pub fn next_deadline(&self) -> Option<Time> {
        match self.state {
            State::Backoff => Some(self.since + self.backoff),
            State::Connecting => Some(self.since + self.backoff.max(FIRST)),
            State::Active => None,
        }
    }

    /// The deadline has passed, or not.
    pub fn on_deadline(&mut self, now: Time) -> Option<ReconnectEvent> {
        if self.next_deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        match self.state {
            State::Backoff => {
                self.enter(State::Connecting, now);
                Some(ReconnectEvent::Dial)
            }
            State::Connecting => {
                self.lost(now, "Connection timed out");
                Some(ReconnectEvent::Abandon)
            }
            State::Active => None,
        }
    }

    /// The attempt succeeded.
    pub fn on_connected(&mut self, now: Time) {
        self.enter(State::Active, now);
        self.connected_at = Some(now);
    }

    /// The attempt failed, or the connection ended.
    pub fn on_lost(&mut self, now: Time, reason: &str) {
        if self.state != State::Backoff {
            self.lost(now, reason);
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Is there a connection?
    pub fn is_connected(&self) -> bool {
        self.state == State::Active
    }

    /// The word for `Controller.status:state`.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            State::Backoff => "BACKOFF",
            State::Connecting => "CONNECTING",
            State::Active => "ACTIVE",
        }
    }

    /// Why the last connection or attempt ended.
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// When the last connection came about, and when the last one was lost.
    pub fn history(&self) -> (Option<Time>, Option<Time>) {
        (self.connected_at, self.disconnected_at)
    }

    fn lost(&mut self, now: Time, reason: &str) {
        if self.is_connected() {
            self.disconnected_at = Some(now);
            if now - self.connected_at.unwrap_or(now) >= self.backoff {
                self.backoff = Duration::ZERO;
            }
        }
        self.backoff = (self.backoff * 2).clamp(FIRST, self.max_backoff);
        self.last_error = Some(reason.to_owned());
        self.enter(State::Backoff, now);
    }

    fn enter(&mut self, state: State, now: Time) {
        self.state = state;
        self.since = now;
    }
}

const FIRST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    #[test]
    fn waits_double_up_to_the_limit() {
        let mut machine = Reconnect::new(at(0), Duration::from_secs(8));
        let mut now = at(0);
        let mut waits = vec![];
        for _ in 0..6 {
            let due = machine.next_deadline().unwrap();
            waits.push((due - now).as_secs());
            now = due;
            assert_eq!(machine.on_deadline(now), Some(ReconnectEvent::Dial));
            machine.on_lost(now, "Connection refused");
        }
        assert_eq!(waits, [0, 1, 2, 4, 8, 8]);
        assert_eq!(machine.last_error(), Some("Connection refused"));
    }

    #[test]
    fn a_connection_that_lived_starts_the_waits_over() {
        let mut machine = Reconnect::new(at(0), Duration::from_secs(8));
        assert_eq!(machine.on_deadline(at(0)), Some(ReconnectEvent::Dial));
        machine.on_connected(at(1));
        assert_eq!(machine.next_deadline(), None);
        machine.on_lost(at(100), "connection closed by peer");
        assert_eq!(machine.next_deadline(), Some(at(101)));
        assert_eq!(machine.history(), (Some(at(1)), Some(at(100))));
    }

    #[test]
    fn an_attempt_that_takes_too_long_is_abandoned() {
        let mut machine = Reconnect::new(at(0), Duration::from_secs(8));
        machine.on_deadline(at(0));
        assert_eq!(machine.on_deadline(at(1)), Some(ReconnectEvent::Abandon));
        assert_eq!(machine.state(), State::Backoff);
        machine.on_lost(at(1), "late news");
        assert_eq!(machine.next_deadline(), Some(at(2)));
    }
}
