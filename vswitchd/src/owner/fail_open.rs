//! What: a standalone bridge whose controllers have been away for too long forwards by itself.
//!
//! ```text
//!            away for three probe intervals, standalone
//!   Normal ──────────────────────────────────────────────> Open ── every 2 s: ask connected controllers for a sign
//!      ^   a controller has taken charge; secure; none left   │
//!      └──────────────────────────────────────────────────────┘
//! ```
//!
//! How: a controller is away from the moment it was last in charge: connected, and having sent more than greetings
//! (ovs-vswitchd.conf.db(5), Bridge `fail_mode`).
//!
//! Invariants: no clock, no I/O. Entering says for how long nobody was there, once.

use std::time::Duration;

use weft_base::Time;

/// See the module's header.
#[derive(Clone, Copy, Debug, Default)]
pub struct FailOpen {
    /// When controllers are asked next; `None`: not open.
    asks: Option<Time>,
    /// When it was last said that it is still open.
    said: Time,
}

/// What it looks like for a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// When a primary controller was last in charge, or was configured.
    pub contact: Time,
    /// One is in charge now.
    pub in_charge: bool,
    /// The longest inactivity probe among them.
    pub probe: Duration,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOpenEvent {
    /// Nobody was there for so long: forward.
    Open(Duration),
    /// Stop forwarding by oneself.
    Close,
    /// Ask connected controllers for a sign.
    Ask,
    /// It goes on; nobody was there for so long.
    Still(Duration),
}

impl FailOpen {
    /// Is the bridge forwarding by itself?
    pub fn is_open(&self) -> bool {
        self.asks.is_some()
    }

    /// How things are now; `None`: no primary controller, or a secure bridge. Call again while there are events.
    pub fn on_situation(&mut self, situation: Option<Situation>, now: Time) -> Option<FailOpenEvent> {
        let away = situation.map(|situation| now.since(situation.contact));
        let late = situation.zip(away).is_some_and(|(situation, away)| away >= situation.probe * INTERVALS);
        match self.asks {
            None if late => {
                self.asks = Some(now + ASK);
                self.said = now;
                Some(FailOpenEvent::Open(away.unwrap_or_default()))
            }
            None => None,
            Some(_) if situation.is_none_or(|situation| situation.in_charge) => {
                self.asks = None;
                Some(FailOpenEvent::Close)
            }
            Some(due) if due <= now => {
                self.asks = Some(now + ASK);
                Some(FailOpenEvent::Ask)
            }
            Some(_) if now.since(self.said) >= SAY => {
                self.said = now;
                Some(FailOpenEvent::Still(away.unwrap_or_default()))
            }
            Some(_) => None,
        }
    }

    /// When to look again even if nothing happens.
    pub fn next_deadline(&self, situation: Option<Situation>) -> Option<Time> {
        match self.asks {
            None => situation.map(|situation| situation.contact + situation.probe * INTERVALS),
            due => due,
        }
    }
}

/// Probe intervals without a controller.
const INTERVALS: u32 = 3;
/// Between two questions.
const ASK: Duration = Duration::from_secs(2);
/// Between two reminders in the log.
const SAY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    fn since(seconds: u64) -> Option<Situation> {
        Some(Situation { contact: at(seconds), in_charge: false, probe: Duration::from_secs(5) })
    }

    fn in_charge(now: u64) -> Option<Situation> {
        since(now).map(|situation| Situation { in_charge: true, ..situation })
    }

    #[test]
    fn it_opens_after_three_intervals_and_closes_when_somebody_takes_charge() {
        let mut machine = FailOpen::default();
        assert_eq!(machine.next_deadline(since(0)), Some(at(15)));
        assert_eq!(machine.on_situation(since(0), at(14)), None);
        let opened = Some(FailOpenEvent::Open(Duration::from_secs(15)));
        assert_eq!(machine.on_situation(since(0), at(15)), opened);
        assert_eq!(machine.on_situation(since(0), at(16)), None);
        assert_eq!(machine.on_situation(since(0), at(17)), Some(FailOpenEvent::Ask));
        assert_eq!(machine.next_deadline(since(0)), Some(at(19)));
        assert_eq!(machine.on_situation(since(18), at(18)), None, "another controller is not yet one in charge");
        assert_eq!(machine.on_situation(in_charge(18), at(18)), Some(FailOpenEvent::Close));
        assert!(!machine.is_open());
        assert_eq!(machine.on_situation(since(18), at(20)), None);
    }

    #[test]
    fn secure_mode_and_the_last_controllers_end_close_it() {
        let mut machine = FailOpen::default();
        assert_eq!(machine.on_situation(None, at(100)), None);
        assert_eq!(machine.next_deadline(None), None);
        machine.on_situation(since(0), at(25));
        assert_eq!(machine.on_situation(None, at(26)), Some(FailOpenEvent::Close));
        let again = Some(FailOpenEvent::Open(Duration::from_secs(27)));
        assert_eq!(machine.on_situation(since(0), at(27)), again, "the time away counts on");
    }
}
