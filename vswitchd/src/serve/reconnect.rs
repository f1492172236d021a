//! What: when to connect to a controller, and when to try again.
//!
//! Why: the switch's clock can be stopped and warped, so these times are the owner's, not the sockets'.
//!
//! ```text
//!             dial                connected (HELLOs were exchanged)
//!   Backoff ───────> Connecting ───────────> Active <──> Idle (probed)
//!      ^                 │ failed, late         │ closed   │
//!      └─────────────────┴──────────────────────┴──────────┘
//! ```
//!
//! Probing a silent peer is the business of the pipeline's connection, which speaks the protocol; here it is only known.
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
    /// An attempt is under way: the socket, TLS, the exchange of HELLOs.
    Connecting,
    /// Connected.
    Active,
    /// Connected, silent, and asked for a sign of life.
    Idle,
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
    said_quiet: bool,
}

/// What may be said about the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It comes after this wait.
    In(Duration),
    /// From now on attempts are made without a word.
    Quiet,
    /// Nothing new.
    Known,
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
            said_quiet: false,
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
            State::Active | State::Idle => None,
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
            State::Active | State::Idle => None,
        }
    }

    /// The attempt succeeded.
    pub fn on_connected(&mut self, now: Time) {
        self.enter(State::Active, now);
        self.connected_at = Some(now);
        self.said_quiet = false;
    }

    /// The peer is asked for a sign of life, or gave one.
    pub fn on_probe(&mut self, probing: bool) {
        match self.state {
            State::Active if probing => self.state = State::Idle,
            State::Idle if !probing => self.state = State::Active,
            State::Active | State::Idle | State::Backoff | State::Connecting => {}
        }
    }

    /// The attempt failed, or the connection ended.
    pub fn on_lost(&mut self, now: Time, reason: &str) {
        if self.state != State::Backoff {
            self.lost(now, reason);
        }
    }

    /// A connection ended on which nothing was agreed yet.
    pub fn on_refused(&mut self, now: Time, reason: &str) {
        self.disconnected_at = Some(now);
        self.on_lost(now, reason);
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Is there a connection?
    pub fn is_connected(&self) -> bool {
        matches!(self.state, State::Active | State::Idle)
    }

    /// Have attempts become so rare that nobody wants to read of each?
    pub fn is_quiet(&self) -> bool {
        self.said_quiet
    }

    /// What to say after an attempt has failed.
    pub fn outlook(&mut self) -> Outlook {
        match self.state {
            State::Backoff if self.backoff < self.max_backoff => Outlook::In(self.backoff),
            State::Backoff if !self.said_quiet => {
                self.said_quiet = true;
                Outlook::Quiet
            }
            _ => Outlook::Known,
        }
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
        let (mut waits, mut said) = (vec![], vec![]);
        for _ in 0..6 {
            let due = machine.next_deadline().unwrap();
            waits.push((due - now).as_secs());
            now = due;
            assert_eq!(machine.on_deadline(now), Some(ReconnectEvent::Dial));
            machine.on_lost(now, "Connection refused");
            said.push(machine.outlook());
        }
        assert_eq!(waits, [0, 1, 2, 4, 8, 8]);
        assert_eq!(machine.last_error(), Some("Connection refused"));
        let wait = |seconds| Outlook::In(Duration::from_secs(seconds));
        assert_eq!(said, [wait(1), wait(2), wait(4), Outlook::Quiet, Outlook::Known, Outlook::Known]);
        assert!(machine.is_quiet());
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

    #[test]
    fn a_probe_makes_it_idle_until_an_answer() {
        let mut machine = Reconnect::new(at(0), Duration::from_secs(8));
        machine.on_probe(true);
        assert_eq!(machine.state_name(), "BACKOFF");
        machine.on_deadline(at(0));
        machine.on_connected(at(0));
        machine.on_probe(true);
        assert_eq!((machine.state_name(), machine.is_connected()), ("IDLE", true));
        machine.on_probe(false);
        assert_eq!(machine.state_name(), "ACTIVE");
    }
}
