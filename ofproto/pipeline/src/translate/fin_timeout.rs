//! `fin_timeout`: the flow that holds it lives shorter once a TCP connection's end has passed.
//!
//! The end need not be seen here: statistics of the megaflow tell it by their TCP flags, so the verdict does not rest on
//! them (see [`crate::learn`]).

use weft_flow::field::Prerequisite;
use weft_openflow::Timeout;

use super::{Context, Credit};

impl Context<'_, '_> {
    pub(super) fn fin_timeout(&mut self, idle: Timeout, hard: Timeout) {
        if self.has(Prerequisite::Tcp)
            && let Some(rule) = self.rule
        {
            let rule = rule.clone();
            self.credits.push(Credit::FinTimeout { bridge: self.bridge.id, rule, idle, hard });
        }
    }
}
