//! What: how BFD and CFM find the links, in the columns of Interface.
//!
//! How: the state is looked at ten times a second at most, and at once when the pipeline has found a link to work or not.

use std::time::Duration;

use weft_base::Time;
use weft_ovsdb::{Atom, Datum};

use super::Owner;
use crate::status::{key_values, optional_text};

/// When the columns are due.
#[derive(Debug, Default)]
pub struct Schedule {
    /// When they were looked at last; `None`: never.
    last: Option<Time>,
}

const INTERVAL: Duration = Duration::from_millis(100);

impl Owner {
    pub(super) fn liveness_deadline(&self) -> Option<Time> {
        self.switch.pipeline.has_machines().then(|| self.liveness.last.map_or(Time::ZERO, |last| last + INTERVAL))
    }

    pub(super) fn liveness_turn(&mut self) {
        let now = self.now();
        let news = self.switch.pipeline.take_machine_news();
        if !news && self.liveness_deadline().is_none_or(|due| now < due) {
            return;
        }
        self.liveness.last = Some(now);
        let watched: Vec<_> = self.switch.interfaces.values().filter(|interface| !interface.row.is_nil()).collect();
        let mut columns = Vec::new();
        for interface in watched {
            let bfd = self.switch.pipeline.bfd_status(&interface.name);
            let bfd = bfd.map_or_else(Datum::empty_map, key_values);
            columns.push((interface.row, "bfd_status", bfd));
            let cfm = cfm_columns(self.switch.pipeline.cfm_status(&interface.name));
            columns.extend(cfm.into_iter().map(|(column, value)| (interface.row, column, value)));
        }
        for (row, column, value) in columns {
            self.report("Interface", row, column, value);
        }
    }
}

fn cfm_columns(status: Option<weft_link::cfm::Status>) -> [(&'static str, Datum); 6] {
    let Some(status) = status else {
        return [
            "cfm_fault",
            "cfm_fault_status",
            "cfm_flap_count",
            "cfm_health",
            "cfm_remote_mpids",
            "cfm_remote_opstate",
        ]
        .map(|column| (column, Datum::empty_set()));
    };
    let number = |n: u64| Atom::from(n as i64);
    [
        ("cfm_fault", Datum::One(Atom::from(status.fault))),
        ("cfm_fault_status", Datum::set_of(status.fault_status.into_iter().map(Atom::from))),
        ("cfm_flap_count", Datum::One(number(status.flap_count))),
        ("cfm_health", status.health.map_or_else(Datum::empty_set, |health| Datum::One(number(health)))),
        ("cfm_remote_mpids", Datum::set_of(status.remote_mpids.into_iter().map(number))),
        ("cfm_remote_opstate", optional_text(status.remote_opstate)),
    ]
}
