//! When a log is compacted by itself (ovsdb-server(1), `ovsdb-server/compact`): when it has grown to more than twice the
//! size that the last compaction left and has some size at all, but not soon after the last one and not for few commits;
//! and once a day if anything to speak of has happened.

use std::time::Duration;
use weft_base::Time;

/// The limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// A smaller log is small enough.
    pub min_size: u64,
    /// How many commits there must be at least since the last compaction.
    pub min_commits: u64,
    /// How long ago the last compaction must be at least.
    pub min_age: Duration,
    /// How long ago it may be, whatever the size.
    pub max_age: Duration,
}

impl Default for Rule {
    fn default() -> Rule {
        Rule {
            min_size: 10 << 20,
            min_commits: 100,
            min_age: Duration::from_secs(10 * 60),
            max_age: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// What a log has been through since it was compacted or opened.
#[derive(Debug, Default)]
pub struct Growth {
    /// Its size then.
    size: u64,
    /// When that was, as far as has been looked.
    since: Option<Time>,
    /// Commits since then.
    pub commits: u64,
}

impl Growth {
    /// The log has just been compacted or opened and is of this size.
    pub fn compacted(&mut self, size: u64) {
        *self = Growth { size, since: None, commits: 0 };
    }
}

impl Rule {
    /// Whether a log that is `size` bytes long should be compacted. Time counts from the first look at it.
    pub fn is_due(&self, growth: &mut Growth, size: u64, now: Time) -> bool {
        let age = now - *growth.since.get_or_insert(now);
        let grown = size >= self.min_size && size > 2 * growth.size;
        growth.commits >= self.min_commits && (age >= self.max_age || age >= self.min_age && grown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;
    const MINUTE: Duration = Duration::from_secs(60);

    fn due(compacted: u64, commits: u64, size: u64, age: Duration) -> bool {
        let mut growth = Growth::default();
        growth.compacted(compacted);
        growth.commits = commits;
        let rule = Rule::default();
        assert!(!rule.is_due(&mut growth, size, Time::ZERO));
        rule.is_due(&mut growth, size, Time::ZERO + age)
    }

    #[test]
    fn a_log_that_has_doubled_is_compacted_but_not_too_often() {
        assert!(due(6 * MB, 100, 13 * MB, 10 * MINUTE));
        assert!(!due(6 * MB, 100, 13 * MB, 9 * MINUTE), "too soon");
        assert!(!due(6 * MB, 99, 13 * MB, 10 * MINUTE), "too few commits");
        assert!(!due(7 * MB, 100, 13 * MB, 10 * MINUTE), "not doubled");
        assert!(!due(MB, 100, 9 * MB, 10 * MINUTE), "too small");
    }

    #[test]
    fn once_a_day_every_log_that_has_changed_is_compacted() {
        let day = 24 * 60 * MINUTE;
        assert!(due(MB, 100, MB + 1, day));
        assert!(!due(MB, 100, MB + 1, day - MINUTE));
        assert!(!due(MB, 99, MB + 1, day));
    }

    #[test]
    fn a_compaction_begins_anew() {
        let (mut growth, rule) = (Growth::default(), Rule::default());
        growth.commits = 1000;
        assert!(!rule.is_due(&mut growth, 20 * MB, Time::ZERO));
        assert!(rule.is_due(&mut growth, 20 * MB, Time::ZERO + 10 * MINUTE));
        growth.compacted(5 * MB);
        growth.commits = 1000;
        assert!(!rule.is_due(&mut growth, 20 * MB, Time::ZERO + 11 * MINUTE));
        assert!(!rule.is_due(&mut growth, 20 * MB, Time::ZERO + 20 * MINUTE));
        assert!(rule.is_due(&mut growth, 20 * MB, Time::ZERO + 21 * MINUTE));
    }
}
