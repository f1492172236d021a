//! What: statistics of interfaces and the state of controllers, written every few seconds.

use weft_base::Time;
use weft_openflow::controller::Role;
use weft_ovsdb::{Atom, Datum};

use super::Owner;
use crate::status::{key_values, optional_text, statistics};

/// When statistics are due.
#[derive(Debug, Default)]
pub struct Schedule {
    /// When they were written last; `None`: never.
    last: Option<Time>,
}

impl Owner {
    pub(super) fn statistics_deadline(&self) -> Option<Time> {
        if self.switch.interfaces.is_empty() {
            return None;
        }
        // An interval that was changed counts from the last time too.
        Some(self.statistics.last.map_or(Time::ZERO, |last| last + self.reader.desired().switch.stats_interval))
    }

    pub(super) fn statistics_turn(&mut self) {
        let now = self.now();
        if self.statistics_deadline().is_none_or(|due| now < due) {
            return;
        }
        self.statistics.last = Some(now);
        // what peers send wrong may be told to the log again
        weft_openflow::wire::said::refill();
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

    /// Writes how the controllers stand.
    pub(super) fn report_controllers(&mut self) {
        for standing in self.controllers.standings(&self.switch.pipeline, self.now()) {
            let id = standing.config.id;
            let role = standing.connection.and_then(|id| self.switch.pipeline.connection_status(id)).map(|s| s.role);
            // The column's words are older than those of today.
            let role = role.map(|role| match role {
                Role::Primary => "master",
                Role::Secondary => "slave",
                _ => "other",
            });
            self.report("Controller", id, "is_connected", Datum::One(Atom::from(standing.connected)));
            self.report("Controller", id, "role", optional_text(role));
            self.report("Controller", id, "status", key_values(standing.status));
        }
    }
}
