//! A rule in the queue of timeouts, earliest first.

use std::sync::Weak;

use weft_base::Time;

use crate::rule::Rule;

/// When to look at a rule. Only the time counts in comparisons.
pub(super) struct Due {
    pub at: Time,
    pub rule: Weak<Rule>,
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Due) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}
