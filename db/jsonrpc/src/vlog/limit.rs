//! What: how often one place of the program may say something, when a peer can make it say it again and again.
//!
//! Why: a peer that fails its handshake a thousand times a second must not fill the disk.
//!
//! How: an event with a field `limit` may appear that often a minute, a few times at once; what was held back is counted and
//! said with the next one that appears. `vlog/disable-rate-limit` lets a module say everything.
//!
//! Invariants: no clock in here; an event without the field is never held back.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use tracing::callsite::Identifier;

/// Limits of all places.
#[derive(Default)]
pub(super) struct Limits {
    places: HashMap<Identifier, Place>,
    free: BTreeSet<String>,
}

struct Place {
    /// In thousandths.
    tokens: u64,
    filled: Instant,
    dropped: Option<Dropped>,
}

/// What was held back before an event that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dropped {
    pub count: u64,
    pub first: Instant,
    pub last: Instant,
}

impl Limits {
    /// May this place, of a module, say something now? With what was held back before it.
    pub fn pass(
        &mut self,
        place: Identifier,
        module: &str,
        per_minute: u64,
        now: Instant,
    ) -> Result<Option<Dropped>, ()> {
        if self.free.contains(module) {
            return Ok(None);
        }
        let full = BURST * 1000;
        let place = self.places.entry(place).or_insert(Place { tokens: full, filled: now, dropped: None });
        let gained = now.saturating_duration_since(place.filled).as_millis() as u64 * per_minute / 60;
        if gained > 0 {
            place.tokens = (place.tokens + gained).min(full);
            place.filled = now;
        }
        if place.tokens >= 1000 {
            place.tokens -= 1000;
            return Ok(place.dropped.take());
        }
        let dropped = place.dropped.get_or_insert(Dropped { count: 0, first: now, last: now });
        dropped.count += 1;
        dropped.last = now;
        Err(())
    }

    /// Whether a module is limited from now on.
    pub fn set(&mut self, module: &str, limited: bool) {
        if limited {
            self.free.remove(module);
        } else {
            self.free.insert(module.to_owned());
        }
    }
}

impl Dropped {
    /// The line that users know.
    pub fn say(&self, now: Instant) -> String {
        let seconds = |then: Instant| now.saturating_duration_since(then).as_secs();
        format!(
            "Dropped {} log messages in last {} seconds (most recently, {} seconds ago) due to excessive rate",
            self.count,
            seconds(self.first),
            seconds(self.last)
        )
    }
}

/// So many at once.
const BURST: u64 = 5;

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a place to count from")]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Some place.
    fn place() -> Identifier {
        static CALLSITE: tracing::callsite::DefaultCallsite = {
            static META: tracing::Metadata<'static> = tracing::metadata! {
                name: "limited",
                target: "test",
                level: tracing::Level::WARN,
                fields: &[],
                callsite: &CALLSITE,
                kind: tracing::metadata::Kind::EVENT,
            };
            tracing::callsite::DefaultCallsite::new(&META)
        };
        use tracing::Callsite as _;
        CALLSITE.metadata().callsite()
    }

    #[test]
    fn a_flood_becomes_a_few_lines_and_a_count() {
        let mut limits = Limits::default();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let passed = (0..100).filter(|_| limits.pass(place(), "m", 60, at(0)).is_ok()).count();
        assert_eq!(passed, 5);
        let dropped = limits.pass(place(), "m", 60, at(1000)).unwrap().unwrap();
        assert_eq!(dropped.count, 95);
        let text = "Dropped 95 log messages in last 1 seconds (most recently, 1 seconds ago) due to excessive rate";
        assert_eq!(dropped.say(at(1000)), text);
        assert!(limits.pass(place(), "m", 60, at(1001)).is_err());
        assert_eq!(limits.pass(place(), "m", 60, at(2001)).unwrap().map(|dropped| dropped.count), Some(1));
    }

    #[test]
    fn a_module_can_be_set_free() {
        let mut limits = Limits::default();
        let now = Instant::now();
        limits.set("m", false);
        assert!((0..100).all(|_| limits.pass(place(), "m", 1, now) == Ok(None)));
        limits.set("m", true);
        assert_eq!((0..100).filter(|_| limits.pass(place(), "m", 1, now).is_ok()).count(), 5);
    }
}
