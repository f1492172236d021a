//! What: the running switch: [`Switch::apply`] is the only place where a planned [`Step`] acts.
//!
//! Why: devices, packet workers, the pipeline and what `plan` compares with ([`Running`]) must change together.
//!
//! ```text
//!   Step ──apply──> device opened ─ queues ─> Engine (workers)
//!                        │                      port number
//!                        └── Interfaces        Pipeline (bridge, bundle, OpenFlow number)
//! ```
//!
//! How: after the steps, [`Switch::settle_bridges`] works out what follows for the bridges that were touched: the
//! bridge's Ethernet address, its datapath id, the MTU of its internal ports.
//!
//! Invariants: an interface that cannot be opened costs its own `error` and one warning. The pipeline never names
//! a datapath port that the engine lacks for longer than one call.

mod bridge;
mod events;
mod hooks;
mod interface;
mod kind;
mod numbers;
mod queues;
mod settings;
mod tunnel;

pub use hooks::{port_counters, set_admin};
pub use interface::{Interface, Seen, State};
pub use kind::{Kind, kind_of};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};

use weft_base::{Clock, SystemClock, Time};
use weft_engine::Engine;
use weft_netdev::Device;
use weft_packet::{DpPort, Mac};
use weft_pipeline::Pipeline;

use crate::config::SwitchConfig;
use crate::options::Dummy;
use crate::plan::{Running, Step};
use crate::pmd::Cores;
use numbers::Numbers;

/// See the module's header.
pub struct Switch {
    /// The OpenFlow side.
    pub pipeline: Arc<Pipeline>,
    /// The packet workers.
    pub engine: Arc<Engine>,
    /// What time it is.
    pub clock: Arc<SystemClock>,
    /// What is planned against.
    pub running: Running,
    /// Interfaces by name, open or not.
    pub interfaces: BTreeMap<String, Interface>,
    /// Patches by the name that they lead to.
    patches: BTreeMap<String, BTreeSet<String>>,
    /// Bridges by name.
    pub bridges: BTreeMap<String, Bridge>,
    /// Devices for whoever counts: shared with the pipeline's hook.
    pub devices: Devices,
    /// Which core polls which queue.
    pub cores: Cores,
    /// What the log said last of how cores are used.
    said: Option<queues::Said>,
    numbers: Numbers,
    /// The machine has told its routes.
    routes_known: bool,
    /// Devices of the machine whose addresses the pipeline knows.
    addressed: BTreeSet<String>,
    /// The datapath's ports for tunnels.
    pub backers: tunnel::Backers,
    dummy: Dummy,
}

/// What the switch knows of a bridge beside its configuration.
#[derive(Clone, Debug, Default)]
pub struct Bridge {
    /// The bridge's Ethernet address.
    pub mac: Mac,
    /// The address that its local device had before anybody chose another.
    own_mac: Option<Mac>,
    /// Its OpenFlow datapath id.
    pub datapath_id: u64,
    /// Does it forward by itself because its controllers are away?
    pub fail_open: bool,
}

/// Open devices by interface name.
pub type Devices = Arc<RwLock<BTreeMap<String, (Arc<Device>, DpPort)>>>;

impl Switch {
    /// A switch without bridges.
    pub fn new(
        pipeline: Arc<Pipeline>,
        engine: Arc<Engine>,
        clock: Arc<SystemClock>,
        devices: Devices,
        dummy: Dummy,
        topology: Vec<u32>,
    ) -> Switch {
        pipeline.set_tunnels_over_host(dummy == Dummy::Off);
        Switch {
            pipeline,
            engine,
            clock,
            running: Running::default(),
            interfaces: BTreeMap::new(),
            patches: BTreeMap::new(),
            bridges: BTreeMap::new(),
            devices,
            cores: Cores::new(topology),
            said: None,
            numbers: Numbers::default(),
            routes_known: false,
            addressed: BTreeSet::new(),
            backers: tunnel::Backers::new(),
            dummy,
        }
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Carries out a plan. Returns the interfaces that are new or changed.
    pub fn apply(&mut self, steps: &[Step]) -> BTreeSet<String> {
        let mut bridges = BTreeSet::new();
        let mut interfaces = BTreeSet::new();
        for step in steps {
            tracing::debug!(target: "bridge", "{step}");
            let ofport = self.step(step);
            self.running.record(step, ofport);
            bridges.extend(bridge_of(step).map(str::to_owned));
            match step {
                Step::AddInterface { interface, .. } | Step::ChangeInterface { interface, .. } => {
                    interfaces.insert(interface.name.clone());
                    interfaces.extend(self.patches_to(&interface.name).cloned());
                }
                Step::RemoveInterface { interface, .. } => interfaces.extend(self.patches_to(interface).cloned()),
                _ => {}
            }
        }
        self.arrange_queues();
        self.settle_over_host();
        for bridge in bridges {
            interfaces.extend(self.settle_bridge(&bridge));
        }
        interfaces
    }

    fn step(&mut self, step: &Step) -> Option<u32> {
        match step {
            Step::Configure(config) => self.configure(config),
            Step::AddBridge(config) => self.add_bridge(config),
            Step::ChangeBridge(config) => self.change_bridge(config),
            Step::RemoveBridge { bridge } => self.remove_bridge(bridge),
            Step::AddPort { bridge, port } | Step::ChangePort { bridge, port } => {
                if let Err(error) = self.pipeline.set_bundle(bridge, settings::bundle(port)) {
                    tracing::error!(target: "bridge", "port {}: {error}", port.name);
                }
            }
            Step::RemovePort { bridge, port } => {
                if let Err(error) = self.pipeline.remove_bundle(bridge, port, self.now()) {
                    tracing::error!(target: "bridge", "port {port}: {error}");
                }
            }
            Step::AddInterface { bridge, port, interface } => return self.add_interface(bridge, port, interface),
            Step::ChangeInterface { interface, .. } => self.change_interface(interface),
            Step::RemoveInterface { bridge, interface, .. } => self.remove_interface(bridge, interface),
        }
        None
    }
}

impl Switch {
    fn configure(&self, config: &SwitchConfig) {
        let before = self.running.switch.as_ref();
        if before.is_none_or(|b| (b.flow_limit, b.max_idle) != (config.flow_limit, config.max_idle)) {
            let limits = weft_pipeline::Limits { flow_limit: config.flow_limit as usize, max_idle: config.max_idle };
            self.pipeline.set_limits(limits);
        }
        self.pipeline.set_bundle_idle_timeout(config.bundle_idle_timeout);
        if let Some(ssl) = config.ssl.as_ref() {
            weft_jsonrpc::tls::process().change(|settings| {
                settings.private_key = Some(ssl.private_key.clone());
                settings.certificate = Some(ssl.certificate.clone());
                settings.ca_cert = Some(ssl.ca_cert.clone());
                settings.bootstrap = ssl.bootstrap;
            });
        }
        if before.map_or(1, |before| before.vlan_limit) != config.vlan_limit {
            // 0 asks for as many tags as the datapath can look at.
            let tags = if config.vlan_limit == 0 { u8::MAX } else { config.vlan_limit.min(u8::MAX.into()) as u8 };
            self.engine.set_vlan_limit(tags);
            self.pipeline.purge();
        }
    }

    /// Types of datapaths that a bridge can name.
    pub fn datapath_types(&self) -> &'static [&'static str] {
        if self.dummy == Dummy::Off { &["netdev", "system"] } else { &["dummy", "netdev", "system"] }
    }

    /// Types that an interface can have.
    pub fn interface_types(&self) -> Vec<&'static str> {
        let mut types = vec!["internal", "null", "patch", "pcap", "system", "tap"];
        types.extend(weft_packet::tunnel::Kind::ALL.map(weft_packet::tunnel::Kind::name));
        if self.dummy != Dummy::Off {
            types.extend(["dummy", "dummy-internal", "dummy-pmd"]);
        }
        types.sort_unstable();
        types
    }
}

fn bridge_of(step: &Step) -> Option<&str> {
    match step {
        Step::Configure(_) | Step::RemoveBridge { .. } => None,
        Step::AddBridge(config) | Step::ChangeBridge(config) => Some(&config.name),
        Step::AddPort { bridge, .. }
        | Step::ChangePort { bridge, .. }
        | Step::RemovePort { bridge, .. }
        | Step::AddInterface { bridge, .. }
        | Step::ChangeInterface { bridge, .. }
        | Step::RemoveInterface { bridge, .. } => Some(bridge),
    }
}
