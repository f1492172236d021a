//! What: when to connect to a controller, when to probe it, when to give it up.
//!
//! Why: the switch's clock can be stopped and warped, so these times are the owner's, not the sockets'.
//!
//! ```text
//!             dial                connected            silence for `probe`
//!   Backoff ───────> Connecting ───────────> Active <─────────────────────> Idle
//!      ^                 │ failed               │ closed     heard anything   │ silence again: closed
//!      └─────────────────┴──────────────────────┴─────────────────────────────┘
//! ```
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
    /// Connected and silent: a probe is under way.
    Idle,
}

/// What the owner must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconnectEvent {
    /// Start an attempt.
    Dial,
    /// The attempt took too long: forget it.
    Abandon,
    /// Send an echo request.
    Probe,
    /// Nobody answers: hang up.
    HangUp,
}

/// One controller's connection.
#[derive(Clone, Debug)]
pub struct Reconnect {
    state: State,
    since: Time,
    backoff: Duration,
    max_backoff: Duration,
    probe: Option<Duration>,
    heard: Time,
    connected_at: Option<Time>,
    disconnected_at: Option<Time>,
    last_error: Option<String>,
}

impl Reconnect {
    /// Connects at the first opportunity.
    pub fn new(now: Time, max_backoff: Duration, probe: Option<Duration>) -> Reconnect {
        Reconnect {
            state: State::Backoff,
            since: now,
            backoff: Duration::ZERO,
            max_backoff: max_backoff.max(FIRST),
            probe,
            heard: now,
            connected_at: None,
            disconnected_at: None,
            last_error: None,
        }
    }

    /// Other limits, from now on.
    pub fn set_limits(&mut self, max_backoff: Duration, probe: Option<Duration>) {
        self.max_backoff = max_backoff.max(FIRST);
        self.backoff = self.backoff.min(self.max_backoff);
        self.probe = probe;
    }

    /// When [`Reconnect::on_deadline`] wants to be called.
    pub fn next_deadline(&self) -> Option<Time> {
        match self.state {
            State::Backoff => Some(self.since + self.backoff),
            State::Connecting => Some(self.since + self.backoff.max(FIRST)),
            State::Active => self.probe.map(|probe| self.heard.max(self.since) + probe),
            State::Idle => self.probe.map(|probe| self.since + probe),
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
            State::Active => {
                self.enter(State::Idle, now);
                Some(ReconnectEvent::Probe)
            }
            State::Idle => {
                self.lost(now, "Connection timed out");
                Some(ReconnectEvent::HangUp)
            }
        }
    }

    /// The attempt succeeded.
    pub fn on_connected(&mut self, now: Time) {
        self.enter(State::Active, now);
        self.heard = now;
        self.connected_at = Some(now);
    }

    /// The peer said something, anything.
    pub fn on_heard(&mut self, now: Time) {
        self.heard = now;
        if self.state == State::Idle {
            self.enter(State::Active, now);
        }
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
        matches!(self.state, State::Active | State::Idle)
    }

    /// The word for `Controller.status:state`.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            State::Backoff => "BACKOFF",
            State::Connecting => "CONNECTING",
            State::Active => "ACTIVE",
            State::Idle => "IDLE",
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

    /// Silence lasts at least this long before the switch acts as if there were no controller.
    pub fn silence(&self, now: Time) -> Duration {
        now - self.heard
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
        let mut machine = Reconnect::new(at(0), Duration::from_secs(8), None);
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
    fn a_silent_peer_is_probed_then_given_up() {
        let mut machine = Reconnect::new(at(0), Duration::from_secs(8), Some(Duration::from_secs(5)));
        assert_eq!(machine.on_deadline(at(0)), Some(ReconnectEvent::Dial));
        machine.on_connected(at(1));
        assert_eq!(machine.on_deadline(at(5)), None);
        assert_eq!(machine.on_deadline(at(6)), Some(ReconnectEvent::Probe));
        machine.on_heard(at(7));
        assert_eq!(machine.state(), State::Active);
        assert_eq!(machine.on_deadline(at(12)), Some(ReconnectEvent::Probe));
        assert_eq!(machine.on_deadline(at(17)), Some(ReconnectEvent::HangUp));
        assert_eq!(machine.history(), (Some(at(1)), Some(at(17))));
    }

    #[test]
    fn without_a_probe_silence_is_fine() {
        let mut machine = Reconnect::new(at(0), Duration::from_secs(8), None);
        machine.on_deadline(at(0));
        machine.on_connected(at(0));
        assert_eq!(machine.next_deadline(), None);
    }

    #[test]
    fn an_attempt_that_takes_too_long_is_abandoned() {
        let mut machine = Reconnect::new(at(0), Duration::from_secs(8), None);
        machine.on_deadline(at(0));
        assert_eq!(machine.on_deadline(at(1)), Some(ReconnectEvent::Abandon));
        assert_eq!(machine.state(), State::Backoff);
        machine.on_lost(at(1), "late news");
        assert_eq!(machine.next_deadline(), Some(at(2)));
    }
}
