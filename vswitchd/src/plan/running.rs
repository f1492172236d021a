//! What: what the switch is doing now, as far as planning must know: [`Running`].
//!
//! Why: planning compares two values; devices, queues and sockets live elsewhere and are reached by `apply`.
//!
//! Invariants: only [`Running::record`] changes what is planned against, and it changes exactly what the step
//! says; so a plan that was carried out leaves nothing to plan (`tests::a_plan_carried_out_leaves_nothing`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Step;
use crate::config::{BridgeConfig, InterfaceConfig, PortConfig, SwitchConfig};

/// What is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// Settings last applied; `None` before the first time.
    pub switch: Option<SwitchConfig>,
    /// Bridges, by name.
    pub bridges: BTreeMap<String, RunningBridge>,
}

/// One bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningBridge {
    /// Settings last applied.
    pub config: Arc<BridgeConfig>,
    /// Its ports, by name.
    pub ports: BTreeMap<String, RunningPort>,
}

/// One port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningPort {
    /// Settings last applied. Its `interfaces` are those of the row, whatever became of them.
    pub config: Arc<PortConfig>,
    /// Its interfaces, by name.
    pub interfaces: BTreeMap<String, RunningInterface>,
}

/// One interface, open or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningInterface {
    /// Settings last applied, or tried.
    pub config: Arc<InterfaceConfig>,
    /// Its OpenFlow number; `None` while it is not open.
    pub ofport: Option<u32>,
    /// Worth another attempt to open: the device has come (back) since the last one.
    pub retry: bool,
}

impl Running {
    /// Notes that `step` was carried out. `ofport` is the number that an interface got, `None` if it could not be
    /// opened.
    pub fn record(&mut self, step: &Step, ofport: Option<u32>) {
        match step {
            Step::Configure(switch) => self.switch = Some(switch.clone()),
            Step::AddBridge(config) => {
                let bridge = RunningBridge { config: config.clone(), ports: BTreeMap::new() };
                self.bridges.insert(config.name.clone(), bridge);
            }
            Step::ChangeBridge(config) => {
                if let Some(bridge) = self.bridges.get_mut(&config.name) {
                    bridge.config = config.clone();
                }
            }
            Step::RemoveBridge { bridge } => {
                self.bridges.remove(bridge);
            }
            Step::AddPort { bridge, port } => {
                if let Some(bridge) = self.bridges.get_mut(bridge) {
                    let running = RunningPort { config: port.clone(), interfaces: BTreeMap::new() };
                    bridge.ports.insert(port.name.clone(), running);
                }
            }
            Step::ChangePort { bridge, port } => {
                if let Some(running) = self.port_mut(bridge, &port.name) {
                    running.config = port.clone();
                }
            }
            Step::RemovePort { bridge, port } => {
                if let Some(bridge) = self.bridges.get_mut(bridge) {
                    bridge.ports.remove(port);
                }
            }
            Step::AddInterface { bridge, port, interface } => {
                if let Some(running) = self.port_mut(bridge, port) {
                    let config = interface.clone();
                    let name = interface.name.clone();
                    running.interfaces.insert(name, RunningInterface { config, ofport, retry: false });
                }
            }
            Step::ChangeInterface { bridge, port, interface } => {
                if let Some(running) = self.port_mut(bridge, port)
                    && let Some(running) = running.interfaces.get_mut(&interface.name)
                {
                    running.config = interface.clone();
                }
            }
            Step::RemoveInterface { bridge, port, interface } => {
                if let Some(running) = self.port_mut(bridge, port) {
                    running.interfaces.remove(interface);
                }
            }
        }
    }

    /// One port.
    pub fn port(&self, bridge: &str, port: &str) -> Option<&RunningPort> {
        self.bridges.get(bridge)?.ports.get(port)
    }

    /// An interface's configuration as it was applied.
    pub fn interface(&self, bridge: &str, port: &str, name: &str) -> Option<&InterfaceConfig> {
        let running = self.bridges.get(bridge)?.ports.get(port)?.interfaces.get(name)?;
        Some(&running.config)
    }

    /// One port, to change.
    pub fn port_mut(&mut self, bridge: &str, port: &str) -> Option<&mut RunningPort> {
        self.bridges.get_mut(bridge)?.ports.get_mut(port)
    }
}
