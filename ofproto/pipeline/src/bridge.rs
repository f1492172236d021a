//! One bridge: its ports, bundles, flow tables and MAC table.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;
use weft_base::Time;
use weft_flow::OfPort;
use weft_flow::tun_metadata::TlvTable;
use weft_openflow::flow::FlowRemovedReason;
use weft_openflow::port::{PortConfig, PortState as OfPortState};
use weft_openflow::switch::FragHandling;
use weft_packet::DpPort;

use crate::config::{BridgeSettings, BundleSettings, PortKind, PortSettings};
use crate::flow_table::FlowTables;
use crate::liveness::Monitoring;
use crate::mac_table::MacTable;
use crate::meter::Meters;
use crate::rule::Rule;
use crate::tables::{BridgeId, BundleId, Map};

/// A bridge.
pub struct Bridge {
    /// Its id.
    pub id: BridgeId,
    /// Its name.
    pub name: String,
    /// What the daemon said of it.
    pub settings: BridgeSettings,
    /// What it has learned.
    pub macs: MacTable,
    /// Its flow tables.
    pub flows: FlowTables,
    /// Its meters.
    pub meters: Meters,
    /// Which tunnel option is which `tun_metadata` field.
    pub tlv: TlvTable,
    /// Whether a controller is connected that gets packets that no flow of table 0 matches, as OpenFlow 1.0 to 1.2 have
    /// it (1.3 and later drop).
    pub packet_in_on_miss: bool,
    /// What becomes of IP fragments (OFPT_SET_CONFIG): of the bridge, whichever controller said it.
    pub frag: FragHandling,
    /// Moves with every change of a port, a bundle or a setting.
    pub generation: u64,
    ports: BTreeMap<OfPort, Port>,
    bundles: BTreeMap<BundleId, Bundle>,
    bundle_names: Map<String, BundleId>,
    /// Numbers that names have had, so that a port that comes back gets its own.
    remembered: Map<String, OfPort>,
    last_number: u32,
    patches: usize,
}

/// A bundle of ports that act as one (bonding is not there yet: the first usable member sends).
pub struct Bundle {
    /// Its id.
    pub id: BundleId,
    /// What the daemon said of it.
    pub settings: BundleSettings,
    /// Its ports in the order in which they were added.
    pub ports: SmallVec<[OfPort; 1]>,
}

/// A port.
pub struct Port {
    /// Its OpenFlow number.
    pub number: OfPort,
    /// Its bundle.
    pub bundle: BundleId,
    /// What the daemon said of it.
    pub settings: PortSettings,
    /// What a controller said of it (port mod). The daemon's `admin_up` shows as PORT_DOWN besides.
    pub config: PortConfig,
    /// When it came.
    pub added: Time,
    /// Counted for patch ports and tunnels, which have no device that would.
    pub patch: Arc<PatchCounters>,
    /// What watches its link.
    pub monitoring: Monitoring,
    /// Whether that says that frames arrive.
    pub link_works: bool,
}

/// What went through a patch port.
#[derive(Default, Debug)]
#[allow(missing_docs, reason = "plain words")]
pub struct PatchCounters {
    pub rx_packets: AtomicU64,
    pub rx_bytes: AtomicU64,
    pub tx_packets: AtomicU64,
    pub tx_bytes: AtomicU64,
}

impl PatchCounters {
    pub(crate) fn count_rx(&self, packets: u64, bytes: u64) {
        self.rx_packets.fetch_add(packets, Ordering::Relaxed);
        self.rx_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn count_tx(&self, packets: u64, bytes: u64) {
        self.tx_packets.fetch_add(packets, Ordering::Relaxed);
        self.tx_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Bridge {
    pub(crate) fn new(id: BridgeId, name: &str, settings: BridgeSettings, now: Time) -> Bridge {
        Bridge {
            id,
            name: name.into(),
            macs: MacTable::new(settings.mac_table_size, settings.mac_aging),
            flows: FlowTables::new(&settings, now),
            meters: Meters::default(),
            settings,
            tlv: TlvTable::default(),
            packet_in_on_miss: false,
            frag: FragHandling::Normal,
            generation: 0,
            ports: BTreeMap::new(),
            bundles: BTreeMap::new(),
            bundle_names: Map::default(),
            remembered: Map::default(),
            last_number: 0,
            patches: 0,
        }
    }

    /// The port of that number.
    #[inline]
    pub fn port(&self, number: OfPort) -> Option<&Port> {
        self.ports.get(&number)
    }

    /// To change it; call [`Bridge::changed`] if translation can see the change.
    pub fn port_mut(&mut self, number: OfPort) -> Option<&mut Port> {
        self.ports.get_mut(&number)
    }

    /// All ports by number.
    pub fn ports(&self) -> impl Iterator<Item = &Port> {
        self.ports.values()
    }

    /// The port of that name.
    pub fn port_named(&self, name: &str) -> Option<&Port> {
        // the number that was given to the name last is that of the port, if there is one
        self.ports.get(self.remembered.get(name)?).filter(|port| port.settings.name == name)
    }

    /// The bundle of that id.
    #[inline]
    pub fn bundle(&self, id: BundleId) -> Option<&Bundle> {
        self.bundles.get(&id)
    }

    /// All bundles in the order of their creation: the order of flooding.
    pub fn bundles(&self) -> impl Iterator<Item = &Bundle> {
        self.bundles.values()
    }

    /// The bundle of that name.
    pub fn bundle_named(&self, name: &str) -> Option<&Bundle> {
        self.bundles.get(self.bundle_names.get(name)?)
    }

    pub(crate) fn bundle_named_mut(&mut self, name: &str) -> Option<&mut Bundle> {
        self.bundles.get_mut(self.bundle_names.get(name)?)
    }

    /// Translation may come out differently from now on.
    pub fn changed(&mut self) {
        self.generation += 1;
    }

    /// Whether a patch port is here.
    pub fn has_patches(&self) -> bool {
        self.patches > 0
    }

    /// New settings; returns the rules that went with the old ones.
    pub(crate) fn set(&mut self, settings: BridgeSettings, now: Time) -> Vec<(Arc<Rule>, FlowRemovedReason)> {
        self.macs.configure(settings.mac_table_size, settings.mac_aging);
        let gone = self.flows.configure(&self.settings, &settings, now);
        self.settings = settings;
        self.changed();
        gone
    }

    pub(crate) fn add_bundle(&mut self, bundle: Bundle) {
        self.bundle_names.insert(bundle.settings.name.clone(), bundle.id);
        self.bundles.insert(bundle.id, bundle);
        self.changed();
    }

    pub(crate) fn remove_bundle(&mut self, id: BundleId) {
        if let Some(bundle) = self.bundles.remove(&id) {
            self.bundle_names.remove(&bundle.settings.name);
        }
        self.macs.flush_bundle(id);
        self.changed();
    }

    /// The number for a new port: what it asks for if that is free, what it had before, else the next free one.
    pub(crate) fn assign_number(&mut self, settings: &PortSettings) -> Option<OfPort> {
        let free = |p: OfPort| (p.is_ordinary() || p == OfPort::LOCAL) && !self.ports.contains_key(&p);
        if let Some(asked) = settings.ofport_request
            && free(asked)
        {
            return Some(asked);
        }
        if let Some(&before) = self.remembered.get(&settings.name)
            && free(before)
        {
            return Some(before);
        }
        let count = OfPort::MAX.0 - 1;
        (0..count).map(|i| OfPort((self.last_number + i) % count + 1)).find(|p| free(*p)).inspect(|p| {
            self.last_number = p.0;
        })
    }

    pub(crate) fn insert_port(&mut self, port: Port) {
        if matches!(port.settings.kind, PortKind::Patch { .. }) {
            self.patches += 1;
        }
        self.remembered.insert(port.settings.name.clone(), port.number);
        if let Some(bundle) = self.bundles.get_mut(&port.bundle) {
            bundle.ports.push(port.number);
        }
        self.ports.insert(port.number, port);
        self.changed();
    }

    pub(crate) fn take_port(&mut self, number: OfPort) -> Option<Port> {
        let port = self.ports.remove(&number)?;
        if matches!(port.settings.kind, PortKind::Patch { .. }) {
            self.patches -= 1;
        }
        if let Some(bundle) = self.bundles.get_mut(&port.bundle) {
            bundle.ports.retain(|p| *p != number);
            if bundle.ports.is_empty() {
                self.macs.flush_bundle(port.bundle);
            }
        }
        self.changed();
        Some(port)
    }
}

impl Bundle {
    pub(crate) fn new(id: BundleId, settings: BundleSettings) -> Bundle {
        Bundle { id, settings, ports: SmallVec::new() }
    }
}

impl Port {
    pub(crate) fn new(number: OfPort, bundle: BundleId, settings: PortSettings, now: Time) -> Port {
        Port {
            number,
            bundle,
            settings,
            config: PortConfig::empty(),
            added: now,
            patch: Arc::default(),
            monitoring: Monitoring::default(),
            link_works: true,
        }
    }

    /// Its number in the datapath; patch ports have none, tunnels share that of their kind.
    #[inline]
    pub fn dp(&self) -> Option<DpPort> {
        match self.settings.kind {
            PortKind::Device(dp) => Some(dp),
            PortKind::Tunnel(ref tunnel) => Some(tunnel.dp),
            PortKind::Patch { .. } => None,
        }
    }

    /// What the datapath calls its port: tunnels share theirs.
    pub fn dp_name(&self) -> String {
        match &self.settings.kind {
            PortKind::Tunnel(tunnel) => tunnel.config.dp_name(),
            _ => self.settings.name.clone(),
        }
    }

    /// Its tunnel, if it is one.
    #[inline]
    pub fn tunnel(&self) -> Option<&crate::tunnel::Tunnel> {
        match &self.settings.kind {
            PortKind::Tunnel(tunnel) => Some(tunnel),
            _ => None,
        }
    }

    /// Whether frames may pass: neither a controller nor the administrator has taken it down, and it has a link.
    #[inline]
    pub fn is_up(&self) -> bool {
        self.settings.state.admin_up && !self.config.contains(PortConfig::PORT_DOWN)
    }

    /// Whether frames that are sent there arrive, as far as is known: what groups and bundles go by.
    #[inline]
    pub fn is_live(&self) -> bool {
        self.is_up() && self.settings.state.link_up && self.link_works
    }

    /// OFPPC_*, as a controller sees them.
    pub fn shown_config(&self) -> PortConfig {
        let mut config = self.config;
        config.set(PortConfig::PORT_DOWN, !self.is_up());
        config
    }

    /// OFPPS_*, as a controller sees them.
    pub fn shown_state(&self) -> OfPortState {
        let mut state = OfPortState::empty();
        state.set(OfPortState::LINK_DOWN, !self.settings.state.link_up);
        state.set(OfPortState::LIVE, self.is_live());
        state
    }
}
