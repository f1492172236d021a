//! What: what a transaction would do to the switch, in the words of those who run it.
//!
//! How: the rows before (the replica) and after (the transaction) are compared from the root down. What makes a device be
//! opened anew, a bridge be rebuilt or its flow tables be emptied is what the daemon's own plan and flow tables do
//! (vswitchd/plan, ofproto/pipeline flow_table):
//!
//! | change | consequence |
//! |---|---|
//! | bridge gone, `datapath_type` | flows gone, ports closed, controllers hung up on |
//! | first primary controller comes, last one goes | flows gone |
//! | `fail_mode` while there is no controller | flows gone |
//! | `protocols` | controllers reconnect |
//! | interface `type`, `options` (but of patch and dummy), `ofport_request` to another number | the port flaps |
//! | `ofport_request` for a number that another has who did not ask for it | that port flaps too |
//!
//! Where an OpenFlow port number moves, `numbers` says to which.
//!
//! Invariants: pure; no consequences means that the request is empty or changes only what the switch reports.

mod numbers;
mod plan;
mod rows;

pub use numbers::Moved;
pub use plan::{Consequence, Kind, Plan};

use crate::view::{Rows, named, references, text};
use rows::{changes, shown};
use std::collections::{BTreeMap, BTreeSet};
use weft_ovsdb::replica::Transaction;
use weft_ovsdb::{Atom, DatabaseSchema, Datum, Uuid};

/// What the transaction would change.
pub fn consequences(tx: &Transaction<'_>) -> Plan {
    let schema = tx.replica().schema().clone();
    let mut compare = Compare {
        schema: &schema,
        old: tx.replica(),
        new: tx,
        found: Vec::new(),
        reopened: BTreeSet::new(),
        numbers: Vec::new(),
    };
    compare.switch();
    Plan { consequences: compare.found, numbers: compare.numbers }
}

struct Compare<'a> {
    schema: &'a DatabaseSchema,
    old: &'a dyn Rows,
    new: &'a dyn Rows,
    found: Vec<Consequence>,
    /// Interfaces that are closed and opened again.
    reopened: BTreeSet<String>,
    numbers: Vec<Moved>,
}

impl Compare<'_> {
    fn switch(&mut self) {
        let (old_root, new_root) = (self.old.root(), self.new.root());
        let of = |rows: &dyn Rows, root: Option<Uuid>, column: &str, table: (&str, &str)| match root {
            Some(root) => named(rows, ("Open_vSwitch", root, column), table),
            None => BTreeMap::new(),
        };
        if let Some(new) = new_root {
            let details = self.changes("Open_vSwitch", old_root, new, &["bridges", "manager_options"]);
            self.put_if(Kind::ChangeSwitch, None, "switch", details);
        }
        let old = of(self.old, old_root, "manager_options", ("Manager", "target"));
        let new = of(self.new, new_root, "manager_options", ("Manager", "target"));
        self.targets(None, "Manager", &old, &new);
        let old = of(self.old, old_root, "bridges", ("Bridge", "name"));
        let new = of(self.new, new_root, "bridges", ("Bridge", "name"));
        let moved = self.moved(&old, &new);
        for name in union(&old, &new) {
            match (old.get(name).copied(), new.get(name).copied()) {
                (Some(old), None) => self.bridge_goes(name, old, &moved),
                (None, Some(new)) => self.bridge_comes(name, new, &moved),
                (Some(old), Some(new)) => self.bridge(name, old, new, &moved),
                (None, None) => {}
            }
        }
        self.numbers(&old, &new);
    }

    /// Which ports will have other OpenFlow numbers.
    fn numbers(&mut self, old: &BTreeMap<String, Uuid>, new: &BTreeMap<String, Uuid>) {
        let before = numbers::present(self.old, old);
        for (name, new) in new {
            let rebuilt = |c: &Consequence| c.kind == Kind::RebuildBridge && c.name == *name;
            let old = old.get(name).copied().filter(|_| !self.found.iter().any(rebuilt));
            let bridge = numbers::Bridge { name, old, new: *new, reopened: &self.reopened, before: &before };
            for moved in numbers::moved(self.old, self.new, &bridge) {
                self.renumber(&moved);
                self.numbers.push(moved);
            }
        }
    }

    /// Says that a number moves where the port is spoken of.
    fn renumber(&mut self, moved: &Moved) {
        let Moved { bridge, port, interface, from, to, gives_way_to } = moved;
        let prefix = if interface == port { String::new() } else { format!("interface {interface}: ") };
        let to_text = to.map_or("another".to_owned(), |to| to.to_string());
        let mut detail = format!("{prefix}ofport: {from} -> {to_text}");
        if let Some(rival) = gives_way_to {
            detail += &format!(" ({rival} asks for {from})");
        }
        let is_port = |c: &&mut Consequence| {
            c.name == *port
                && c.bridge.as_ref() == Some(bridge)
                && matches!(c.kind, Kind::AddPort | Kind::ChangePort | Kind::FlapPort)
        };
        let Some(found) = self.found.iter_mut().find(is_port) else {
            return self.put(Kind::FlapPort, Some(bridge), port, vec![detail]);
        };
        if found.kind == Kind::ChangePort {
            found.kind = Kind::FlapPort;
        }
        // Who asks for a number and gets it has said so already.
        let said = |had: &String| {
            had.starts_with(&format!("{prefix}ofport_request:")) && had.ends_with(&format!(" {to_text}"))
        };
        if !found.details.iter().any(said) {
            found.details.push(detail);
        }
    }

    /// Ports that leave one bridge for another: their old bridge by name.
    fn moved(&self, old: &BTreeMap<String, Uuid>, new: &BTreeMap<String, Uuid>) -> BTreeMap<String, String> {
        let homes = |rows: &dyn Rows, bridges: &BTreeMap<String, Uuid>| -> BTreeMap<String, String> {
            let ports = |(name, row): (&String, &Uuid)| {
                let ports = named(rows, ("Bridge", *row, "ports"), ("Port", "name")).into_keys();
                ports.map(|port| (port, name.clone())).collect::<Vec<_>>()
            };
            bridges.iter().flat_map(ports).collect()
        };
        let after = homes(self.new, new);
        let leaves = |(port, bridge): &(String, String)| after.get(port).is_some_and(|home| home != bridge);
        homes(self.old, old).into_iter().filter(leaves).collect()
    }

    fn bridge_goes(&mut self, name: &str, row: Uuid, moved: &BTreeMap<String, String>) {
        self.put(Kind::RemoveBridge, None, name, Vec::new());
        self.lose(name, "the bridge goes");
        for (port, _) in self.ports(self.old, row) {
            if port != name && !moved.contains_key(&port) {
                self.put(Kind::RemovePort, Some(name), &port, Vec::new());
            }
        }
        for (target, _) in self.controllers(self.old, row) {
            self.put(Kind::RemoveController, Some(name), &target, Vec::new());
        }
    }

    fn bridge_comes(&mut self, name: &str, row: Uuid, moved: &BTreeMap<String, String>) {
        let details = self.changes("Bridge", None, row, &["ports", "controller"]);
        self.put(Kind::AddBridge, None, name, details);
        for (port, row) in self.ports(self.new, row) {
            if port != name {
                self.port_comes(name, &port, row, moved);
            }
        }
        for (target, row) in self.controllers(self.new, row) {
            let details = self.changes("Controller", None, row, &[]);
            self.put(Kind::AddController, Some(name), &target, details);
        }
    }

    fn bridge(&mut self, name: &str, old: Uuid, new: Uuid, moved: &BTreeMap<String, String>) {
        let datapath =
            |rows: &dyn Rows, row| match text(rows, "Bridge", row, "datapath_type").unwrap_or_default().as_str() {
                "" => "system".to_owned(),
                other => other.to_owned(),
            };
        let rebuilt = datapath(self.old, old) != datapath(self.new, new);
        let details = self.changes("Bridge", Some(old), new, &["ports", "controller"]);
        let restarts = details.iter().any(|detail| detail.starts_with("protocols"));
        match rebuilt {
            true => self.put(Kind::RebuildBridge, None, name, details),
            false => self.put_if(Kind::ChangeBridge, None, name, details),
        }
        if let Some(why) = self.loses_flows(old, new, rebuilt) {
            self.lose(name, why);
        }
        let (had, has) = (self.controllers(self.old, old), self.controllers(self.new, new));
        self.targets(Some(name), "Controller", &had, &has);
        if rebuilt || restarts {
            let why = if rebuilt { "the bridge is built anew" } else { "its bridge speaks other versions" };
            for target in had.keys().filter(|target| has.contains_key(*target)) {
                self.put(Kind::ReconnectController, Some(name), target, vec![why.to_owned()]);
            }
        }
        let (had, has) = (self.ports(self.old, old), self.ports(self.new, new));
        for port in union(&had, &has) {
            match (had.get(port), has.get(port)) {
                (Some(_), None) if !moved.contains_key(port) => {
                    self.put(Kind::RemovePort, Some(name), port, Vec::new());
                }
                (None, Some(row)) => self.port_comes(name, port, *row, moved),
                (Some(old), Some(new)) => self.port(name, port, *old, *new, rebuilt),
                _ => {}
            }
        }
    }

    /// Why the bridge's tables would be emptied.
    fn loses_flows(&self, old: Uuid, new: Uuid, rebuilt: bool) -> Option<&'static str> {
        let primary = |rows: &dyn Rows, row: Uuid| {
            let controllers = references(rows, "Bridge", row, "controller");
            controllers.iter().any(|c| text(rows, "Controller", *c, "type").as_deref() != Some("service"))
        };
        let secure = |rows: &dyn Rows, row| text(rows, "Bridge", row, "fail_mode").as_deref() == Some("secure");
        match (primary(self.old, old), primary(self.new, new)) {
            _ if rebuilt => Some("another datapath type: the bridge is built anew"),
            (false, true) => Some("its first controller comes"),
            (true, false) => Some("its last controller goes"),
            (false, false) if secure(self.old, old) != secure(self.new, new) => {
                Some("another fail_mode while there is no controller")
            }
            _ => None,
        }
    }

    fn port_comes(&mut self, bridge: &str, port: &str, row: Uuid, moved: &BTreeMap<String, String>) {
        let mut details = self.changes("Port", None, row, &["interfaces"]);
        for (name, row) in named(self.new, ("Port", row, "interfaces"), ("Interface", "name")) {
            let prefix = if name == port { String::new() } else { format!("interface {name}: ") };
            details.extend(self.changes("Interface", None, row, &[]).into_iter().map(|d| format!("{prefix}{d}")));
        }
        match moved.get(port) {
            Some(from) => {
                details.insert(0, format!("moves here from {from}"));
                self.put(Kind::FlapPort, Some(bridge), port, details);
            }
            None => self.put(Kind::AddPort, Some(bridge), port, details),
        }
    }

    fn port(&mut self, bridge: &str, port: &str, old: Uuid, new: Uuid, rebuilt: bool) {
        let mut details = self.changes("Port", Some(old), new, &["interfaces"]);
        let mut flaps = rebuilt || old != new;
        if rebuilt {
            details.push("its bridge is built anew".to_owned());
        }
        let had = named(self.old, ("Port", old, "interfaces"), ("Interface", "name"));
        let has = named(self.new, ("Port", new, "interfaces"), ("Interface", "name"));
        for name in union(&had, &has) {
            match (had.get(name), has.get(name)) {
                (Some(_), None) => details.push(format!("interface {name} leaves")),
                (None, Some(_)) => details.push(format!("interface {name} joins")),
                (Some(old), Some(new)) => {
                    let prefix = if name == port { String::new() } else { format!("interface {name}: ") };
                    let changed = self.changes("Interface", Some(*old), *new, &[]);
                    details.extend(changed.into_iter().map(|detail| format!("{prefix}{detail}")));
                    if rebuilt || self.reopens(*old, *new) {
                        self.reopened.insert(name.clone());
                        flaps = true;
                    }
                }
                (None, None) => {}
            }
        }
        match flaps {
            true => self.put(Kind::FlapPort, Some(bridge), port, details),
            false => self.put_if(Kind::ChangePort, Some(bridge), port, details),
        }
    }

    /// Whether the device must be closed and opened again.
    fn reopens(&self, old: Uuid, new: Uuid) -> bool {
        let both = |column: &str| (self.old.value("Interface", old, column), self.new.value("Interface", new, column));
        let (had, has) = both("type");
        let kind = has.and_then(Datum::as_str).unwrap_or_default();
        let (options, other_options) = both("options");
        let lively = LIVELY.contains(&kind);
        let number = |datum: Option<&Datum>| datum.and_then(Datum::as_integer);
        let (asked, asks) = both("ofport_request");
        let present = number(self.old.value("Interface", old, "ofport"));
        let renumbered = asked != asks && number(asks).is_some() && number(asks) != present;
        old != new || had != has || (options != other_options && !lively) || renumbered
    }

    /// Controllers or managers, known by their targets.
    fn targets(
        &mut self,
        bridge: Option<&str>,
        table: &str,
        old: &BTreeMap<String, Uuid>,
        new: &BTreeMap<String, Uuid>,
    ) {
        let (come, go, change) = match table {
            "Manager" => (Kind::AddManager, Kind::RemoveManager, Kind::ChangeManager),
            _ => (Kind::AddController, Kind::RemoveController, Kind::ChangeController),
        };
        for target in union(old, new) {
            match (old.get(target), new.get(target)) {
                (Some(_), None) => self.put(go, bridge, target, Vec::new()),
                (old, Some(new)) => {
                    let details = self.changes(table, old.copied(), *new, &[]);
                    match old {
                        None => self.put(come, bridge, target, details),
                        Some(_) => self.put_if(change, bridge, target, details),
                    }
                }
                (None, None) => {}
            }
        }
    }

    fn ports(&self, rows: &dyn Rows, bridge: Uuid) -> BTreeMap<String, Uuid> {
        named(rows, ("Bridge", bridge, "ports"), ("Port", "name"))
    }

    fn controllers(&self, rows: &dyn Rows, bridge: Uuid) -> BTreeMap<String, Uuid> {
        named(rows, ("Bridge", bridge, "controller"), ("Controller", "target"))
    }

    fn changes(&self, table: &str, old: Option<Uuid>, new: Uuid, but: &[&str]) -> Vec<String> {
        changes(self.schema, (self.old, old), (self.new, Some(new)), table, but)
    }

    fn lose(&mut self, bridge: &str, why: &str) {
        self.put(Kind::LoseFlows, Some(bridge), bridge, vec![why.to_owned()]);
    }

    fn put_if(&mut self, kind: Kind, bridge: Option<&str>, name: &str, details: Vec<String>) {
        if !details.is_empty() {
            self.put(kind, bridge, name, details);
        }
    }

    fn put(&mut self, kind: Kind, bridge: Option<&str>, name: &str, details: Vec<String>) {
        let (bridge, name) = (bridge.map(str::to_owned), name.to_owned());
        self.found.push(Consequence { kind, bridge, name, details, flows: None });
    }
}

fn union<'a>(a: &'a BTreeMap<String, Uuid>, b: &'a BTreeMap<String, Uuid>) -> BTreeSet<&'a String> {
    a.keys().chain(b.keys()).collect()
}

/// An atom for people.
pub(crate) fn atom(atom: &Atom) -> String {
    shown(&Datum::One(atom.clone()))
}

/// Types whose options change while the interface lives: those of tunnels, and those without a device of the machine.
const LIVELY: [&str; 15] = [
    "patch",
    "internal",
    "dummy",
    "dummy-pmd",
    "vxlan",
    "geneve",
    "gre",
    "ip6gre",
    "erspan",
    "ip6erspan",
    "gtpu",
    "bareudp",
    "srv6",
    "stt",
    "lisp",
];
