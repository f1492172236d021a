//! What: bridges, ports and interfaces as the bridge and port commands see them, fake bridges included.
//!
//! Why: a fake bridge is only a port with `fake_bridge=true` and a VLAN tag; the ports on that VLAN count as the
//! fake bridge's. Working that out in one place lets every command treat both kinds alike.
//!
//! Invariants: a bridge's own port (the local port) is not among its ports.

use super::context::{Context, ROOT};
use crate::failure::{Failure, fail};
use std::collections::{BTreeMap, BTreeSet};
use weft_ovsdb::Uuid;

/// Everything at one moment of a transaction.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// By name.
    pub bridges: BTreeMap<String, Bridge>,
    /// By name, without local ports.
    pub ports: BTreeMap<String, Port>,
    /// By name, without those of local ports.
    pub interfaces: BTreeMap<String, Interface>,
}

/// A real or fake bridge.
#[derive(Clone, Debug)]
pub struct Bridge {
    /// Its name.
    pub name: String,
    /// The `Bridge` row: of a fake bridge, its parent's.
    pub row: Uuid,
    /// Of a fake bridge: its parent and VLAN.
    pub fake: Option<Fake>,
}

/// What makes a bridge a fake one.
#[derive(Clone, Debug)]
pub struct Fake {
    /// The real bridge.
    pub parent: String,
    /// The VLAN.
    pub vlan: i64,
    /// The `Port` row that stands for it.
    pub port: Uuid,
}

/// A port that is no local port.
#[derive(Clone, Debug)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its row.
    pub row: Uuid,
    /// The bridge, real or fake, that it counts to.
    pub bridge: String,
    /// Its interfaces' names, sorted.
    pub interfaces: Vec<String>,
}

/// An interface of such a port.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Its row.
    pub row: Uuid,
    /// Its port's name.
    pub port: String,
}

impl Model {
    /// Reads the transaction's present state.
    pub fn new(context: &Context<'_>) -> Model {
        let mut model = Model::default();
        for root in context.tx.rows(ROOT) {
            for row in context.uuids(ROOT, root, "bridges") {
                model.add_bridge(context, row);
            }
        }
        model
    }

    /// The bridge of that name.
    pub fn bridge(&self, name: &str) -> Result<&Bridge, Failure> {
        match self.bridges.get(name) {
            Some(bridge) => Ok(bridge),
            None => fail(format!("no bridge named {name}")),
        }
    }

    /// The real bridge of that name.
    pub fn real_bridge(&self, name: &str) -> Result<&Bridge, Failure> {
        let bridge = self.bridge(name)?;
        match bridge.fake {
            None => Ok(bridge),
            Some(_) => fail(format!("{name} is a fake bridge")),
        }
    }

    /// The port of that name.
    pub fn port(&self, name: &str) -> Result<&Port, Failure> {
        match self.ports.get(name) {
            Some(port) => Ok(port),
            None => fail(format!("no port named {name}")),
        }
    }

    /// The interface of that name.
    pub fn interface(&self, name: &str) -> Result<&Interface, Failure> {
        match self.interfaces.get(name) {
            Some(interface) => Ok(interface),
            None => fail(format!("no interface named {name}")),
        }
    }

    /// The ports of a bridge by name.
    pub fn ports_of<'a>(&'a self, bridge: &'a str) -> impl Iterator<Item = &'a Port> {
        self.ports.values().filter(move |port| port.bridge == bridge)
    }

    /// The fake bridges in a real one.
    pub fn fakes_in<'a>(&'a self, parent: &'a str) -> impl Iterator<Item = &'a Bridge> {
        self.bridges.values().filter(move |bridge| bridge.fake.as_ref().is_some_and(|fake| fake.parent == parent))
    }

    /// Refuses a name that something else has already; `what` begins the sentence.
    pub fn check_free(&self, name: &str, what: &str) -> Result<(), Failure> {
        if self.bridges.contains_key(name) {
            return fail(format!("{what} because a bridge named {name} already exists"));
        }
        if let Some(port) = self.ports.get(name) {
            return fail(format!("{what} because a port named {name} already exists on bridge {}", port.bridge));
        }
        if let Some(interface) = self.interfaces.get(name) {
            let bridge = &self.ports[&interface.port].bridge;
            return fail(format!("{what} because an interface named {name} already exists on bridge {bridge}"));
        }
        Ok(())
    }

    fn add_bridge(&mut self, context: &Context<'_>, row: Uuid) {
        let name = context.name("Bridge", row);
        if self.bridges.contains_key(&name) {
            return;
        }
        self.bridges.insert(name.clone(), Bridge { name: name.clone(), row, fake: None });
        let ports: Vec<Row> =
            context.uuids("Bridge", row, "ports").into_iter().map(|port| Row::new(context, port)).collect();
        let mut vlans: BTreeMap<i64, String> = BTreeMap::new();
        for port in ports.iter().filter(|port| port.fake_bridge && port.name != name) {
            let Some(vlan) = port.tag else { continue };
            let fake = Fake { parent: name.clone(), vlan, port: port.row };
            vlans.insert(vlan, port.name.clone());
            self.bridges.insert(port.name.clone(), Bridge { name: port.name.clone(), row, fake: Some(fake) });
        }
        let fakes: BTreeSet<&String> = vlans.values().collect();
        for port in ports {
            if port.name != name && !fakes.contains(&port.name) {
                let bridge = port.tag.and_then(|tag| vlans.get(&tag)).unwrap_or(&name).clone();
                self.add_row(context, port, bridge);
            }
        }
    }

    /// A new port of the real bridge `parent`, which is no bridge of its own.
    pub fn add_port(&mut self, context: &Context<'_>, parent: &str, port: Uuid) {
        let port = Row::new(context, port);
        let on_its_vlan = |bridge: &&Bridge| bridge.fake.as_ref().is_some_and(|fake| Some(fake.vlan) == port.tag);
        let fake = port.tag.and_then(|_| self.fakes_in(parent).find(on_its_vlan));
        let bridge = fake.map_or_else(|| parent.to_owned(), |fake| fake.name.clone());
        self.add_row(context, port, bridge);
    }

    /// A port that is no longer there.
    pub fn remove_port(&mut self, name: &str) {
        if let Some(port) = self.ports.remove(name) {
            port.interfaces.iter().for_each(|name| drop(self.interfaces.remove(name)));
        }
    }

    fn add_row(&mut self, context: &Context<'_>, port: Row, bridge: String) {
        let mut interfaces = Vec::new();
        for row in context.uuids("Port", port.row, "interfaces") {
            let name = context.name("Interface", row);
            let interface = Interface { row, port: port.name.clone() };
            self.interfaces.insert(name.clone(), interface);
            interfaces.push(name);
        }
        interfaces.sort();
        self.ports.insert(port.name.clone(), Port { name: port.name, row: port.row, bridge, interfaces });
    }
}

/// A port's row, before it is known whose it is.
struct Row {
    row: Uuid,
    name: String,
    tag: Option<i64>,
    fake_bridge: bool,
}

impl Row {
    fn new(context: &Context<'_>, row: Uuid) -> Row {
        Row {
            row,
            name: context.name("Port", row),
            tag: context.get("Port", row, "tag").as_integer(),
            fake_bridge: context.get("Port", row, "fake_bridge").as_bool() == Some(true),
        }
    }
}

/// What a [`Model`] is made of.
pub const NAMES: &[(&str, &[&str])] = &[
    (ROOT, &["bridges"]),
    ("Bridge", &["name", "ports"]),
    ("Port", &["name", "tag", "fake_bridge", "interfaces"]),
    ("Interface", &["name"]),
];
