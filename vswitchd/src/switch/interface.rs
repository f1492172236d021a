//! What: opening and closing what stands behind an interface.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use uuid::Uuid;
use weft_flow::OfPort;
use weft_netdev::{Device, Spec};
use weft_packet::{DpPort, Mac};
use weft_pipeline::tunnel::TunnelConfig;
use weft_pipeline::{PortKind, PortSettings, PortState};

use super::kind::{Kind, has_dummies, kind_of};
use super::{Switch, settings};
use crate::config::{InterfaceConfig, Touched};
use crate::status::InterfaceFacts;

/// An interface of a bridge.
#[derive(Debug)]
pub struct Interface {
    /// The row.
    pub row: Uuid,
    /// Its name.
    pub name: String,
    /// The bridge's name.
    pub bridge: String,
    /// The port's name.
    pub port: String,
    /// See [`Kind`].
    pub kind: Kind,
    /// What became of it.
    pub state: State,
    /// How its device was when we last asked: a bridge with a thousand ports does not ask them all for one.
    pub seen: Seen,
}

/// How a device was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its Ethernet address.
    pub mac: Mac,
    /// Its MTU; 0 if it has none.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// With carrier.
    pub carrier: bool,
    /// In bits per second; 0 if unknown.
    pub speed: u64,
}

/// What became of an interface.
#[derive(Debug)]
pub enum State {
    /// A device that carries frames.
    Open {
        /// The device.
        device: Arc<Device>,
        /// Its number in the datapath.
        dp: DpPort,
        /// Its number on the bridge.
        ofport: OfPort,
    },
    /// A tunnel, which has no device.
    Tunnel {
        /// Its number on the bridge.
        ofport: OfPort,
        /// The datapath's port for its kind.
        dp: DpPort,
        /// What it was told.
        config: Box<TunnelConfig>,
    },
    /// One end of a patch.
    Patch {
        /// Its number on the bridge.
        ofport: OfPort,
        /// The interface at the other end.
        peer: String,
    },
    /// It could not be opened, or its device is gone.
    Failed(String),
}

impl Interface {
    /// Its number on the bridge.
    pub fn ofport(&self) -> Option<OfPort> {
        match &self.state {
            State::Open { ofport, .. } | State::Patch { ofport, .. } | State::Tunnel { ofport, .. } => Some(*ofport),
            State::Failed(_) => None,
        }
    }

    /// Its device.
    pub fn device(&self) -> Option<&Arc<Device>> {
        match &self.state {
            State::Open { device, .. } => Some(device),
            _ => None,
        }
    }

    /// All that is known of it.
    pub fn facts(&self) -> InterfaceFacts {
        let ofport = self.ofport().map(|port| if port == OfPort::LOCAL { LOCAL_16 } else { port.0 });
        match &self.state {
            State::Failed(error) => InterfaceFacts {
                error: Some(error.clone()).filter(|error| !error.is_empty()),
                ..InterfaceFacts::default()
            },
            State::Patch { .. } | State::Tunnel { .. } => InterfaceFacts {
                ofport,
                mac: Some(patch_mac(&self.name)),
                up: Some(true),
                carrier: Some(true),
                link_resets: Some(0),
                ..InterfaceFacts::default()
            },
            State::Open { device, .. } => InterfaceFacts {
                ofport,
                error: None,
                mac: device.mac().ok(),
                mtu: device.mtu().ok(),
                up: device.is_up().ok(),
                carrier: device.carrier().ok(),
                link_resets: device.carrier_resets().ok(),
                ifindex: device.ifindex(),
                status: device.status().into_iter().collect(),
                link: device.link(),
            },
        }
    }

    /// Looks at the device again.
    pub fn look(&mut self) {
        self.seen = match &self.state {
            State::Open { device, .. } => Seen::of(device),
            State::Patch { .. } | State::Tunnel { .. } => Seen::without_device(&self.name),
            State::Failed(_) => Seen::default(),
        };
    }

    /// What the pipeline should know of its state.
    pub fn port_state(&self) -> PortState {
        self.seen.port_state()
    }
}

impl Seen {
    /// How a device is.
    fn of(device: &Device) -> Seen {
        Seen {
            mac: device.mac().unwrap_or_default(),
            mtu: device.mtu().unwrap_or(0),
            up: device.is_up().unwrap_or(false),
            carrier: device.carrier().unwrap_or(false),
            speed: device.link().speed_bps.unwrap_or(0),
        }
    }

    /// A patch or a tunnel is always there.
    pub(super) fn without_device(name: &str) -> Seen {
        Seen { mac: patch_mac(name), mtu: 0, up: true, carrier: true, speed: 0 }
    }

    /// In the pipeline's words.
    pub(super) fn port_state(&self) -> PortState {
        let Seen { mac, mtu, up, carrier, speed } = *self;
        PortState { mac: mac.0, admin_up: up, link_up: carrier, speed, mtu }
    }
}

impl Switch {
    /// Opens it and lets it carry frames; the number that it got.
    pub(super) fn add_interface(&mut self, bridge: &str, port: &str, config: &Arc<InterfaceConfig>) -> Option<u32> {
        let datapath_type =
            self.running.bridges.get(bridge).map_or("", |bridge| &bridge.config.datapath_type).to_owned();
        let mut kind = kind_of(&config.kind, &datapath_type, self.dummy);
        if kind.opened == "dummy-pmd" {
            let number = |key: &str| config.options.get(key).and_then(|n| n.parse::<u32>().ok()).unwrap_or(1).max(1);
            let (rx, tx) = (number("n_rxq"), number("n_txq"));
            kind.shown = format!(
                "dummy-pmd: configured_rx_queues={rx}, configured_tx_queues={tx}, requested_rx_queues={rx}, \
                 requested_tx_queues={tx}"
            );
        }
        let request = settings::ofport_request(bridge, config);
        let state = match self.open(bridge, port, config, &kind, request, has_dummies(&datapath_type, self.dummy)) {
            Ok(state) => state,
            Err(error) => {
                let is_said = config.is_patch() || error.contains(": ") && super::tunnel::tunnel_kind(&kind).is_some();
                if !is_said && !error.is_empty() {
                    tracing::warn!(target: "bridge", "{error}");
                }
                State::Failed(error)
            }
        };
        let (name, bridge, port) = (config.name.clone(), bridge.to_owned(), port.to_owned());
        let seen = Seen::default();
        let mut interface = Interface { row: config.id, name: name.clone(), bridge, port, kind, state, seen };
        interface.look();
        if let Some(ofport) = interface.ofport() {
            tracing::info!(target: "bridge", "bridge {}: added interface {name} on port {}", interface.bridge, decimal(ofport));
        }
        let ofport = interface.ofport();
        self.push_state(&interface);
        self.interfaces.insert(name, interface);
        ofport.map(|port| port.0)
    }

    fn open(
        &mut self,
        bridge: &str,
        port: &str,
        config: &Arc<InterfaceConfig>,
        kind: &Kind,
        ofport_request: Option<OfPort>,
        guessable: bool,
    ) -> Result<State, String> {
        let now = self.now();
        if RESERVED.iter().any(|reserved| config.name.starts_with(reserved)) {
            tracing::warn!(target: "bridge", "could not create interface {}, name is reserved", config.name);
            // The column `error` is for what the system says.
            return Err(String::new());
        }
        if config.is_patch() {
            let peer = config.peer().unwrap_or_default();
            if let Some(error) = patch_error(&config.name, peer) {
                return Err(error);
            }
            let settings = PortSettings {
                name: config.name.clone(),
                device_type: "patch".to_owned(),
                kind: PortKind::Patch { peer: peer.to_owned() },
                ofport_request,
                state: Seen::without_device(&config.name).port_state(),
            };
            let watched = self.pipeline.add_watched_port(bridge, port, settings, config.monitoring.clone(), now);
            let ofport = watched.map_err(|error| error.to_string())?;
            self.patches.entry(peer.to_owned()).or_default().insert(config.name.clone());
            return Ok(State::Patch { ofport, peer: peer.to_owned() });
        }
        if let Some(kind) = super::tunnel::tunnel_kind(kind) {
            return self.open_tunnel(bridge, port, config, kind, ofport_request, guessable);
        }
        let explain = |error: weft_netdev::OpenError| {
            if let Some(line) = error.log_line() {
                tracing::warn!(target: "netdev", "{line}");
            }
            error.to_string()
        };
        let spec = Spec::new(&config.name, &kind.opened, &config.options).map_err(explain)?;
        let opened = weft_netdev::open(&spec, self.engine.workers()).map_err(explain)?;
        let device = Arc::new(opened.device);
        prepare(&device, config, bridge);
        let dp = self.numbers.take(&config.name, guessable).ok_or("all datapath port numbers are in use")?;
        let mtu = device.mtu().unwrap_or(1500);
        let settings = PortSettings {
            name: config.name.clone(),
            device_type: kind.shown.clone(),
            kind: PortKind::Device(dp),
            ofport_request,
            state: Seen::of(&device).port_state(),
        };
        // the pipeline first: a worker may ask about the port's first frame as soon as it has the queues
        let watched = self.pipeline.add_watched_port(bridge, port, settings, config.monitoring.clone(), now);
        let ofport = watched.map_err(|error| {
            self.numbers.give_back(dp);
            error.to_string()
        })?;
        if let Err(error) = self.engine.port_add(dp, mtu, opened.queues) {
            self.numbers.give_back(dp);
            self.pipeline.remove_port(bridge, &config.name, now).map_err(|error| error.to_string())?;
            return Err(error.to_string());
        }
        let devices = &mut *self.devices.write().unwrap_or_else(|e| e.into_inner());
        devices.insert(config.name.clone(), (device.clone(), dp));
        Ok(State::Open { device, dp, ofport })
    }

    /// Other settings for what is open.
    pub(super) fn change_interface(&mut self, config: &Arc<InterfaceConfig>) {
        let Some(interface) = self.interfaces.get(&config.name) else { return };
        if self.has_other_queues(interface, config) {
            let (bridge, port, ofport) = (interface.bridge.clone(), interface.port.clone(), interface.ofport());
            let again = InterfaceConfig { ofport_request: ofport.map(|port| port.0), ..(**config).clone() };
            self.remove_interface(&bridge, &config.name);
            self.add_interface(&bridge, &port, &Arc::new(again));
            return;
        }
        self.push_monitoring(interface, config);
        match &interface.state {
            State::Failed(_) => {}
            State::Patch { .. } => self.lead_to(config),
            State::Tunnel { config: had, .. } => {
                let (had, bridge) = (had.clone(), interface.bridge.clone());
                let (port, ofport) = (interface.port.clone(), interface.ofport());
                if !self.change_tunnel(&bridge, config, &had) {
                    let again = InterfaceConfig { ofport_request: ofport.map(|port| port.0), ..(**config).clone() };
                    self.remove_interface(&bridge, &config.name);
                    self.add_interface(&bridge, &port, &Arc::new(again));
                    return;
                }
            }
            State::Open { device, .. } => {
                let device = device.clone();
                if let (Some(dummy), Ok(spec)) =
                    (device.dummy(), Spec::new(&config.name, &interface.kind.opened, &config.options))
                    && let weft_netdev::Kind::Dummy(options) = &spec.kind
                    && let Err(error) = dummy.set_options(&config.name, options)
                {
                    tracing::warn!(target: "netdev_dummy", "{error}");
                }
                prepare(&device, config, &interface.bridge);
            }
        }
        self.look_again(&config.name);
    }

    /// A patch has another peer: its number and its flows stay.
    fn lead_to(&mut self, config: &InterfaceConfig) {
        let Some(interface) = self.interfaces.get_mut(&config.name) else { return };
        let State::Patch { peer, .. } = &mut interface.state else { return };
        let wanted = config.peer().unwrap_or_default();
        if peer == wanted {
            return;
        }
        if let Some(error) = patch_error(&config.name, wanted) {
            return self.fail(&config.name, error);
        }
        let (bridge, before) = (interface.bridge.clone(), std::mem::replace(peer, wanted.to_owned()));
        self.unplug(&config.name, &before);
        self.patches.entry(wanted.to_owned()).or_default().insert(config.name.clone());
        if let Err(error) = self.pipeline.set_patch_peer(&bridge, &config.name, wanted) {
            tracing::error!(target: "bridge", "{error}");
        }
    }

    fn unplug(&mut self, name: &str, peer: &str) {
        if let Entry::Occupied(mut here) = self.patches.entry(peer.to_owned()) {
            here.get_mut().remove(name);
            if here.get().is_empty() {
                here.remove();
            }
        }
    }

    /// It cannot carry frames any more.
    pub(super) fn fail(&mut self, name: &str, error: String) {
        let Some(mut interface) = self.interfaces.remove(name) else { return };
        self.close(&interface);
        interface.state = State::Failed(error);
        interface.look();
        if let Some(running) = self.running.port_mut(&interface.bridge, &interface.port)
            && let Some(running) = running.interfaces.get_mut(name)
        {
            running.ofport = None;
        }
        self.interfaces.insert(name.to_owned(), interface);
    }

    /// Whether the configuration asks for another number of receive queues than its device has: only a new device has
    /// others.
    fn has_other_queues(&self, interface: &Interface, config: &InterfaceConfig) -> bool {
        let Some(dummy) = interface.device().and_then(|device| device.dummy()) else { return false };
        let Ok(spec) = Spec::new(&config.name, &interface.kind.opened, &config.options) else { return false };
        matches!(&spec.kind, weft_netdev::Kind::Dummy(options) if options.rx_queues != dummy.rx_queues())
    }

    /// Looks at an interface again; tells pipeline and workers what differs. Returns whether anything does.
    pub fn look_again(&mut self, name: &str) -> bool {
        let Some(interface) = self.interfaces.get_mut(name) else { return false };
        let before = interface.seen;
        interface.look();
        let seen = interface.seen;
        if seen == before {
            return false;
        }
        if let State::Open { dp, .. } = interface.state
            && seen.mtu != before.mtu
        {
            self.engine.port_set_mtu(dp, seen.mtu);
        }
        self.push_addresses(name);
        // A capture that was brought up has frames now, and nothing else tells the workers.
        self.engine.wake();
        self.push_state(&self.interfaces[name]);
        true
    }

    /// Closes it.
    pub(super) fn remove_interface(&mut self, bridge: &str, name: &str) {
        let Some(interface) = self.interfaces.remove(name) else { return };
        if let Some(ofport) = interface.ofport() {
            tracing::info!(target: "bridge", "bridge {bridge}: deleted interface {name} on port {}", decimal(ofport));
        }
        self.close(&interface);
    }

    /// Takes an interface out of the datapath although the database wants it (`dpctl/del-if`). It comes back with the
    /// next change of the configuration.
    pub fn detach(&mut self, name: &str) -> Option<Touched> {
        let mut interface = self.interfaces.remove(name)?;
        interface.device()?;
        self.close(&interface);
        interface.state = State::Failed(String::new());
        interface.look();
        let (bridge, port) = (interface.bridge.clone(), interface.port.clone());
        if let Some(running) = self.running.port_mut(&bridge, &port)
            && let Some(running) = running.interfaces.get_mut(name)
        {
            (running.ofport, running.retry) = (None, true);
        }
        self.interfaces.insert(name.to_owned(), interface);
        let mut touched = Touched::default();
        touched.ports.insert((bridge, port));
        Some(touched)
    }

    /// Takes it out of pipeline and engine.
    pub(super) fn close(&mut self, interface: &Interface) {
        if interface.ofport().is_some()
            && let Err(error) = self.pipeline.remove_port(&interface.bridge, &interface.name, self.now())
        {
            tracing::error!(target: "bridge", "{error}");
        }
        match &interface.state {
            State::Open { dp, .. } => {
                self.pipeline.set_device(&interface.name, None);
                self.engine.port_remove(*dp);
                self.numbers.give_back(*dp);
                self.devices.write().unwrap_or_else(|e| e.into_inner()).remove(&interface.name);
            }
            State::Patch { peer, .. } => self.unplug(&interface.name, peer),
            State::Tunnel { config, .. } => self.give_back(config),
            State::Failed(_) => {}
        }
    }

    /// All that is known of an interface: its own facts, and for a patch whether it leads anywhere.
    pub fn facts(&self, interface: &Interface) -> InterfaceFacts {
        let mut facts = interface.facts();
        if let State::Tunnel { config, .. } = &interface.state {
            facts.status = self.egress(config);
        }
        if let State::Patch { peer, .. } = &interface.state {
            let other = self.interfaces.get(peer).map(|other| &other.state);
            let usable = matches!(other, Some(State::Patch { peer: back, .. }) if *back == interface.name);
            if !usable {
                let bridge = self.running.bridges.get(&interface.bridge);
                let kind = super::kind::datapath_type(bridge.map_or("", |bridge| &bridge.config.datapath_type));
                facts.error = Some(format!("No usable peer '{peer}' exists in '{kind}' datapath."));
            }
        }
        facts
    }

    /// The patches that lead to an interface, whose facts depend on it.
    pub fn patches_to(&self, name: &str) -> impl Iterator<Item = &String> {
        self.patches.get(name).into_iter().flatten()
    }

    /// The interface that has this datapath number.
    pub fn by_dp(&self, port: DpPort) -> Option<&Interface> {
        self.interfaces.values().find(|interface| matches!(interface.state, State::Open { dp, .. } if dp == port))
    }

    /// Names by datapath number.
    pub fn dp_names(&self) -> BTreeMap<DpPort, String> {
        let open = self.interfaces.values().filter_map(|interface| match interface.state {
            State::Open { dp, .. } => Some((dp, interface.name.clone())),
            _ => None,
        });
        open.chain(self.backers.iter().map(|(name, backer)| (backer.dp, name.clone()))).collect()
    }
}

/// What the row says about address and MTU, and up unless the device is another's business.
fn prepare(device: &Device, config: &InterfaceConfig, bridge: &str) {
    let refused = |what: &str, error: std::io::Error| {
        tracing::warn!(target: "bridge", "interface {}: cannot set {what} ({})", config.name, weft_jsonrpc::session::bare(&error));
    };
    if let Some(mtu) = config.mtu_request
        && device.mtu().ok() != Some(mtu)
        && let Err(error) = device.set_mtu(mtu)
    {
        refused(&format!("MTU to {mtu}"), error);
    }
    if let Some(dummy) = device.dummy() {
        dummy.steer_by_hash(config.steers_by_hash);
    }
    // The local port's address is the bridge's, which follows other rules.
    if let Some(mac) = config.mac.filter(|_| config.name != bridge)
        && device.mac().ok() != Some(mac)
        && let Err(error) = device.set_mac(mac)
    {
        refused(&format!("Ethernet address to {mac}"), error);
    }
    // Internal ports are the host's to bring up; a dummy's host is the test, which expects it up.
    if (!config.is_internal() || device.dummy().is_some())
        && device.is_up().is_ok_and(|up| !up)
        && let Err(error) = device.set_up(true)
    {
        refused("it up", error);
    }
}

fn patch_error(name: &str, peer: &str) -> Option<String> {
    let error = match peer {
        "" => format!("{name}: patch type requires valid 'peer' argument"),
        peer if peer == name => format!("{name}: patch peer must not be self"),
        _ => return None,
    };
    tracing::error!(target: "netdev_vport", "{error}");
    Some(error)
}

/// A patch has no device that could have an address, so one is made from its name.
fn patch_mac(name: &str) -> Mac {
    // FNV-1a: any hash does that is the same tomorrow.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let [a, b, c, d, e, ..] = hash.to_be_bytes();
    Mac([0x02, a, b, c, d, e])
}

/// The local port is 65534 wherever people see numbers.
fn decimal(port: OfPort) -> u32 {
    if port == OfPort::LOCAL { LOCAL_16 } else { port.0 }
}

const LOCAL_16: u32 = 65534;

/// How names of ports begin that datapaths have of their own: their local ports and the ends of tunnels.
const RESERVED: &[&str] = &[
    "ovs-dummy",
    "ovs-netdev",
    "ovs-system",
    "bareudp_sys",
    "erspan_sys",
    "genev_sys",
    "gre_sys",
    "gtpu_sys",
    "ip6erspan_sys",
    "ip6gre_sys",
    "lisp_sys",
    "stt_sys",
    "vxlan_sys",
];
