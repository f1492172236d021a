//! What: the database's part of the owner: rows in, plan, apply, status out.

use std::collections::BTreeSet;

use weft_jsonrpc::session::SessionEvent;
use weft_ovsdb::replica::{Changes, Event as Replicated, Outcome};
use weft_ovsdb::{Atom, Datum, Uuid};

use super::Owner;
use crate::config::Touched;
use crate::database::news;
use crate::options::COMPATIBLE;
use crate::plan::plan;
use crate::status::{interface_columns, key_values, optional_text};

impl Owner {
    pub(super) fn on_database(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Connected => self.client.on_connected(),
            SessionEvent::Message(message) => self.client.on_message(message),
            SessionEvent::Disconnected { reason } => self.client.on_disconnected(reason),
        }
        while let Some(event) = self.client.poll_event() {
            match event {
                Replicated::Ready(changes) => {
                    self.writer.on_reconnect();
                    self.read(&changes);
                    self.pending.switch = true;
                }
                Replicated::Changed(changes) => self.read(&changes),
                Replicated::Committed(token, outcome) => {
                    self.writer.on_outcome(token, &outcome);
                    if matches!(outcome, Outcome::Success { .. } | Outcome::Unchanged) && self.configured {
                        self.ready();
                    }
                }
                Replicated::Lock(true) => self.pending.merge(Touched::all(self.reader.desired())),
                Replicated::Lock(false) => {
                    if self.client.is_live() {
                        tracing::error!(
                            target: "bridge",
                            "another ovs-vswitchd process is running, disabling this process (pid {}) until it goes away",
                            std::process::id()
                        );
                        self.ready();
                    }
                }
                Replicated::Failed(reason) => tracing::error!(target: "ovsdb_idl", "{reason}"),
                Replicated::Answered(..) | Replicated::Disconnected(_) => {}
            }
        }
    }

    fn read(&mut self, changes: &Changes) {
        for table in crate::database::written() {
            let gone = changes.rows(table).filter(|(_, change)| change.new.is_none());
            gone.for_each(|(id, _)| self.writer.forget(table, id));
        }
        let Some(replica) = self.client.replica() else { return };
        let (touched, warnings) = self.reader.update(replica, news(replica, changes));
        for warning in warnings {
            // Open vSwitch says nothing of options that it cannot read, and scripts take a warning for a failure.
            match warning.column.starts_with("other_config:") {
                true => tracing::info!(target: "bridge", "{warning}"),
                false => tracing::warn!(target: "bridge", "{warning}"),
            }
        }
        self.pending.merge(touched);
    }

    /// See [`crate::switch::Switch::detach`].
    pub fn detach(&mut self, name: &str) -> bool {
        let touched = self.switch.detach(name);
        let found = touched.is_some();
        self.later.merge(touched.unwrap_or_default());
        found
    }

    /// Plans and applies what the rows ask for, and says so in rows.
    pub(super) fn database_turn(&mut self) {
        if self.pending.is_empty() || !self.client.has_lock() || !self.client.is_live() {
            return;
        }
        let mut touched = std::mem::take(&mut self.pending);
        touched.merge(std::mem::take(&mut self.later));
        let steps = plan(self.reader.desired(), &self.switch.running, &touched);
        let changed = self.switch.apply(&steps);
        self.reconfigurations += 1;
        self.reconcile_controllers();
        self.report_interfaces(&changed);
        let bridges = touched.bridges.iter().chain(touched.ports.iter().map(|(bridge, _)| bridge));
        for bridge in bridges.cloned().collect::<BTreeSet<_>>() {
            self.report_bridge(&bridge);
        }
        if touched.switch {
            self.report_switch();
            if !self.reader.desired().switch.enable_statistics {
                self.report_machine(None);
            }
        }
        self.configured = true;
    }

    /// The first configuration is applied and reported: whoever started us may go on.
    fn ready(&mut self) {
        if let Err(error) = self.daemon.ready() {
            tracing::warn!(target: "daemon", "could not report that the daemon is ready: {error}");
        }
        if !std::mem::replace(&mut self.announced, true) {
            tracing::info!(target: "bridge", "ovs-vswitchd (Open vSwitch) {COMPATIBLE}");
        }
    }

    /// Sends what is staged and what the client has to say.
    pub(super) fn database_flush(&mut self) {
        if self.client.is_live()
            && self.client.has_lock()
            && let Some(replica) = self.client.replica()
        {
            match self.writer.request(replica) {
                Some((request, columns)) => {
                    let token = self.client.transact(request);
                    self.writer.sent(token, columns);
                }
                // The database says already what we would say.
                None if self.configured && self.writer.is_idle() => self.ready(),
                None => {}
            }
        }
        while let Some(message) = self.client.poll_message() {
            // The session's task ends with the process only.
            let _ = self.to_database.send(message);
        }
    }

    /// Writes what is known of interfaces.
    pub fn report_interfaces(&mut self, names: &BTreeSet<String>) {
        for name in names {
            let Some(interface) = self.switch.interfaces.get(name).filter(|interface| !interface.row.is_nil()) else {
                continue;
            };
            for (column, value) in interface_columns(&self.switch.facts(interface)) {
                self.writer.put("Interface", interface.row, column, value);
            }
        }
    }

    /// Writes what is known of a bridge.
    pub fn report_bridge(&mut self, name: &str) {
        let (Some(running), Some(state)) = (self.switch.running.bridges.get(name), self.switch.bridges.get(name))
        else {
            return;
        };
        let id = running.config.id;
        let datapath_id = format!("{:016x}", state.datapath_id);
        self.writer.put("Bridge", id, "datapath_id", optional_text(Some(&datapath_id)));
        self.writer.put("Bridge", id, "datapath_version", Datum::One(Atom::from(DATAPATH_VERSION)));
        self.writer.put("Bridge", id, "status", Datum::empty_map());
    }

    fn report_switch(&mut self) {
        let Some(replica) = self.client.replica() else { return };
        let Some(root) = replica.rows("Open_vSwitch").next() else { return };
        let (id, version) = (root.uuid, replica.schema().version.clone().unwrap_or_default().to_string());
        let datapaths: Vec<Uuid> = replica.rows("Datapath").map(|row| row.uuid).collect();
        let texts = |texts: &[&str]| Datum::set_of(texts.iter().copied());
        let put = |(column, value)| self.writer.put("Open_vSwitch", id, column, value);
        let columns = [
            ("cur_cfg", Datum::One(Atom::from(self.reader.desired().switch.next_cfg))),
            ("ovs_version", optional_text(Some(COMPATIBLE))),
            ("db_version", optional_text(Some(version.as_str()))),
            ("datapath_types", texts(self.switch.datapath_types())),
            ("iface_types", texts(&self.switch.interface_types())),
            ("dpdk_initialized", Datum::One(Atom::from(false))),
            ("dpdk_version", optional_text(Some("none"))),
        ];
        columns.into_iter().for_each(put);
        for datapath in datapaths {
            self.writer.put("Datapath", datapath, "datapath_version", Datum::One(Atom::from(DATAPATH_VERSION)));
            let capabilities = CAPABILITIES.iter().map(|(key, value)| (*key, (*value).to_owned()));
            self.writer.put("Datapath", datapath, "capabilities", key_values(capabilities));
        }
    }

    /// Puts one column of a row of our own on its way.
    pub(super) fn report(&mut self, table: &'static str, id: Uuid, column: &'static str, value: Datum) {
        self.writer.put(table, id, column, value);
    }
}

/// The datapath is part of this program.
const DATAPATH_VERSION: &str = "<built-in>";

/// What the datapath can do, in the words of ovs-vswitchd.conf.db(5), table Datapath.
const CAPABILITIES: &[(&str, &str)] = &[
    ("clone", "true"),
    ("masked_set_action", "true"),
    ("max_vlan_headers", "1"),
    ("recirc", "true"),
    ("trunc", "true"),
    ("ufid", "true"),
];
