//! What: statistics of interfaces and the state of controllers, written every few seconds.

use weft_base::Time;

use super::Owner;
use crate::status::statistics;

/// When statistics are due.
#[derive(Debug)]
pub struct Schedule {
    due: Time,
}

impl Schedule {
    /// At once.
    pub fn new(now: Time) -> Schedule {
        Schedule { due: now }
    }
}

impl Owner {
    pub(super) fn statistics_deadline(&self) -> Option<Time> {
        (!self.switch.interfaces.is_empty()).then_some(self.statistics.due)
    }

    pub(super) fn statistics_turn(&mut self) {
        let now = self.now();
        if now < self.statistics.due {
            return;
        }
        self.statistics.due = now + self.reader.desired().switch.stats_interval;
        let counted: Vec<_> = self
            .switch
            .interfaces
            .values()
            .filter(|interface| !interface.row.is_nil())
            .filter_map(|interface| Some((interface.row, statistics(&interface.device()?.stats().ok()?))))
            .collect();
        for (row, value) in counted {
            self.report("Interface", row, "statistics", value);
        }
        self.report_controllers();
    }
}
