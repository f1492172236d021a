//! What: statistics of interfaces and of the machine, and the state of controllers, written every few seconds.
//!
//! The machine's are read on a thread of their own: a file system may take its time.

use std::collections::BTreeMap;

use weft_base::Time;
use weft_openflow::controller::Role;
use weft_ovsdb::{Atom, Datum, Uuid};

use super::Owner;
use crate::event::Event;
use crate::status::{key_values, machine, optional_text, statistics};

/// When statistics are due.
#[derive(Debug, Default)]
pub struct Schedule {
    /// When they were written last; `None`: never.
    last: Option<Time>,
}

impl Owner {
    pub(super) fn statistics_deadline(&self) -> Option<Time> {
        if self.switch.interfaces.is_empty() && !self.reader.desired().switch.enable_statistics {
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
            .chain(self.patch_statistics())
            .collect();
        for (row, value) in counted {
            self.report("Interface", row, "statistics", value);
        }
        self.report_controllers();
        self.read_machine();
    }

    /// What went through patches, which have no devices that count.
    fn patch_statistics(&self) -> Vec<(Uuid, Datum)> {
        let counted = self.switch.pipeline.patch_counters();
        let of = |(name, counters): (String, weft_pipeline::PortCounters)| {
            let row = self.switch.interfaces.get(&name)?.row;
            let stats = weft_netdev::Stats {
                rx_packets: counters.rx_packets,
                rx_bytes: counters.rx_bytes,
                tx_packets: counters.tx_packets,
                tx_bytes: counters.tx_bytes,
                ..weft_netdev::Stats::default()
            };
            Some((row, statistics(&stats))).filter(|(row, _)| !row.is_nil())
        };
        counted.into_iter().filter_map(of).collect()
    }

    /// Has the machine's statistics read, if they are wanted.
    fn read_machine(&self) {
        if self.reader.desired().switch.enable_statistics {
            let events = self.events.clone();
            // who is on its way out wants no statistics
            self.sockets.handle().spawn_blocking(move || {
                drop(events.blocking_send(Event::Machine(machine::read(&weft_jsonrpc::rundir::run_dir()))));
            });
        }
    }

    /// Writes what was read, or that nobody wants it.
    pub(super) fn report_machine(&mut self, found: Option<BTreeMap<String, String>>) {
        let found = found.filter(|_| self.reader.desired().switch.enable_statistics).unwrap_or_default();
        let Some(root) = self.client.replica().and_then(|replica| replica.rows("Open_vSwitch").next()) else { return };
        let pairs = found.iter().map(|(key, value)| (key.as_str(), value.clone()));
        self.report("Open_vSwitch", root.uuid, "statistics", key_values(pairs));
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
