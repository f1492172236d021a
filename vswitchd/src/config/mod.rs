//! What: the configuration that the database asks for, as typed values: [`Desired`].
//!
//! Why: everything after this speaks of bridges and ports, not of columns; what is wrong in the database has
//! become a [`Warning`] and a default here.
//!
//! How: [`Reader`] keeps the `Desired` and an index from rows to the places they matter in, so that a changed row
//! costs the reading of its own port or bridge, not of the whole database. It says what it [`Touched`].
//!
//! ```text
//!   replica ── changed rows ──> Reader ──> Desired + Touched ──> plan
//! ```
//!
//! Invariants: after `update`, `Desired` is what a fresh `Reader` would read (`tests::incremental_is_full`).

mod bridge;
mod controller;
mod interface;
mod monitoring;
mod port;
pub mod row;
mod switch;

pub use bridge::{BridgeConfig, FailMode, FlowTableConfig, Protocol};
pub use controller::{ControllerConfig, ControllerKind, LocalAddress};
pub use interface::{Hint, InterfaceConfig};
pub use port::{PortConfig, PriorityTags, VlanMode};
pub use row::{Rows, Warning};
pub use switch::{SslConfig, SwitchConfig};

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use row::{Checked, Row};
use uuid::Uuid;

/// What the database asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// Settings of the whole daemon.
    pub switch: SwitchConfig,
    /// The bridges, by name.
    pub bridges: BTreeMap<String, DesiredBridge>,
}

/// One bridge with its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredBridge {
    /// The bridge.
    pub config: Arc<BridgeConfig>,
    /// Its ports, by name.
    pub ports: BTreeMap<String, Arc<PortConfig>>,
}

/// What may differ from before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Settings of the daemon.
    pub switch: bool,
    /// Bridges whose own settings, controllers or existence may differ.
    pub bridges: BTreeSet<String>,
    /// Ports that may differ: bridge, port.
    pub ports: BTreeSet<(String, String)>,
}

impl Touched {
    /// Everything that is in `desired`.
    pub fn all(desired: &Desired) -> Touched {
        let ports = desired
            .bridges
            .iter()
            .flat_map(|(bridge, desired)| desired.ports.keys().map(|port| (bridge.clone(), port.clone())));
        Touched { switch: true, bridges: desired.bridges.keys().cloned().collect(), ports: ports.collect() }
    }

    /// Adds what `other` touched.
    pub fn merge(&mut self, other: Touched) {
        self.switch |= other.switch;
        self.bridges.extend(other.bridges);
        self.ports.extend(other.ports);
    }

    /// Nothing at all?
    pub fn is_empty(&self) -> bool {
        !self.switch && self.bridges.is_empty() && self.ports.is_empty()
    }
}

/// Keeps a [`Desired`] in step with the rows.
#[derive(Default)]
pub struct Reader {
    desired: Desired,
    /// Bridge rows that are in use, with their names and the port rows read for each.
    bridges: HashMap<Uuid, (String, HashMap<Uuid, Known>)>,
    /// Which bridge or port a row of another table matters to.
    places: HashMap<Uuid, HashSet<Place>>,
    noted: HashSet<String>,
}

/// A port row that was read.
#[derive(Default)]
struct Known {
    name: String,
    /// The rows that matter to it: itself and its interfaces.
    dependencies: Vec<Uuid>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    Bridge(Uuid),
    /// Bridge row, port row.
    Port(Uuid, Uuid),
}

impl Reader {
    /// What the rows ask for, as of the last update.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// Takes in that the rows `changed` (table, identity) were added, changed or deleted. Returns what may differ,
    /// and the warnings that were not given before.
    pub fn update<'a>(
        &mut self,
        rows: &dyn Rows,
        changed: impl IntoIterator<Item = (&'a str, Uuid)>,
    ) -> (Touched, Vec<Warning>) {
        let mut touched = Touched::default();
        let mut warnings = Vec::new();
        let (mut root, mut bridges, mut ports) = (false, BTreeSet::new(), BTreeSet::new());
        for (table, id) in changed {
            match table {
                "Open_vSwitch" | "SSL" | "Manager" => root = true,
                "Bridge" => {
                    bridges.insert(id);
                }
                _ => {
                    for place in self.places.get(&id).into_iter().flatten() {
                        match place {
                            Place::Bridge(bridge) => bridges.insert(*bridge),
                            Place::Port(bridge, port) => ports.insert((*bridge, *port)),
                        };
                    }
                }
            }
        }
        if root {
            self.read_root(rows, &mut bridges, &mut touched, &mut warnings);
        }
        for id in bridges {
            self.read_bridge(rows, id, &mut ports, &mut touched, &mut warnings);
        }
        for (bridge, port) in ports {
            self.read_port(rows, bridge, port, &mut touched, &mut warnings);
        }
        warnings.retain(|warning| self.noted.len() >= MAX_NOTED || self.noted.insert(warning.to_string()));
        (touched, warnings)
    }

    /// The Open_vSwitch row: settings, and which bridges there are.
    fn read_root(
        &mut self,
        rows: &dyn Rows,
        bridges: &mut BTreeSet<Uuid>,
        touched: &mut Touched,
        warnings: &mut Vec<Warning>,
    ) {
        let root = rows.ids(ROOT).first().and_then(|id| Row::find(rows, ROOT, *id));
        let wanted: HashSet<Uuid> = root.map(|row| row.refs("bridges").into_iter().collect()).unwrap_or_default();
        let switch = root.map(|row| SwitchConfig::read(&mut Checked::new(row, warnings))).unwrap_or_default();
        if switch != self.desired.switch {
            self.desired.switch = switch;
            touched.switch = true;
        }
        let gone: Vec<Uuid> = self.bridges.keys().filter(|id| !wanted.contains(id)).copied().collect();
        for id in gone {
            bridges.remove(&id);
            self.forget_bridge(id, touched);
        }
        for id in wanted {
            if let Entry::Vacant(free) = self.bridges.entry(id) {
                free.insert(Default::default());
                bridges.insert(id);
            }
        }
    }

    fn forget_bridge(&mut self, id: Uuid, touched: &mut Touched) {
        let Some((name, _)) = self.bridges.remove(&id) else { return };
        self.places.retain(|_, places| {
            places.retain(|place| !matches!(place, Place::Bridge(b) | Place::Port(b, _) if *b == id));
            !places.is_empty()
        });
        self.desired.bridges.remove(&name);
        touched.bridges.insert(name);
    }

    /// A Bridge row: its settings, and which ports it has.
    fn read_bridge(
        &mut self,
        rows: &dyn Rows,
        id: Uuid,
        ports: &mut BTreeSet<(Uuid, Uuid)>,
        touched: &mut Touched,
        warnings: &mut Vec<Warning>,
    ) {
        if !self.bridges.contains_key(&id) {
            return;
        }
        let Some(row) = Row::find(rows, "Bridge", id) else { return self.forget_bridge(id, touched) };
        let config = Arc::new(BridgeConfig::read(row, warnings));
        let name = config.name.clone();
        let (known_as, known) = self.bridges.get_mut(&id).expect("checked above");
        *known_as = name.clone();
        let wanted: HashSet<Uuid> = row.refs("ports").into_iter().collect();
        let gone: Vec<Uuid> = known.keys().filter(|port| !wanted.contains(port)).copied().collect();
        ports.extend(wanted.iter().filter(|port| !known.contains_key(port)).map(|port| (id, *port)));
        ports.extend(gone.iter().map(|port| (id, *port)));
        for controller in row.refs("controller") {
            self.places.entry(controller).or_default().insert(Place::Bridge(id));
        }
        for (_, table) in row.numbered_refs("flow_tables", "Flow_Table") {
            self.places.entry(table.id).or_default().insert(Place::Bridge(id));
        }
        touched.bridges.insert(name.clone());
        let bridge = self
            .desired
            .bridges
            .entry(name.clone())
            .or_insert_with(|| DesiredBridge { config: config.clone(), ports: BTreeMap::new() });
        bridge.config = config;
        // Every bridge has a local port, whether or not the database spells it out.
        if !bridge.ports.contains_key(&name) {
            bridge.ports.insert(name.clone(), Arc::new(PortConfig::local(&name)));
            touched.ports.insert((name.clone(), name));
        }
    }

    /// A Port row with its interfaces, or its absence.
    fn read_port(
        &mut self,
        rows: &dyn Rows,
        bridge_id: Uuid,
        id: Uuid,
        touched: &mut Touched,
        warnings: &mut Vec<Warning>,
    ) {
        let Some((bridge_name, known)) = self.bridges.get_mut(&bridge_id) else { return };
        let Some(bridge) = self.desired.bridges.get_mut(bridge_name) else { return };
        let listed = Row::find(rows, "Bridge", bridge_id).is_some_and(|row| row.refers_to("ports", id));
        let row = Row::find(rows, "Port", id).filter(|_| listed);
        let place = Place::Port(bridge_id, id);
        let before = known.remove(&id);
        for dependency in before.iter().flat_map(|known| &known.dependencies) {
            if let Entry::Occupied(mut places) = self.places.entry(*dependency) {
                places.get_mut().remove(&place);
                if places.get().is_empty() {
                    places.remove();
                }
            }
        }
        let Some(row) = row else {
            let Some(Known { name, .. }) = before else { return };
            // Another row may have taken the name over by now.
            if bridge.ports.get(&name).is_some_and(|port| port.id == id) {
                bridge.ports.remove(&name);
                if name == *bridge_name {
                    bridge.ports.insert(name.clone(), Arc::new(PortConfig::local(&name)));
                }
            }
            touched.ports.insert((bridge_name.clone(), name));
            return;
        };
        let config = Arc::new(PortConfig::read(row, warnings));
        let name = config.name.clone();
        let dependencies: Vec<Uuid> = row.refs("interfaces").into_iter().chain([id]).collect();
        for dependency in &dependencies {
            self.places.entry(*dependency).or_default().insert(place.clone());
        }
        known.insert(id, Known { name: name.clone(), dependencies });
        bridge.ports.insert(name.clone(), config);
        touched.ports.insert((bridge_name.clone(), name));
    }
}

const ROOT: &str = "Open_vSwitch";
/// Enough to name every mistake once; beyond this somebody is generating them.
const MAX_NOTED: usize = 10_000;

#[cfg(test)]
pub(crate) mod tests;
