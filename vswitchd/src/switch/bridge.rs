//! What: a bridge's address, datapath id and MTU, which follow from its ports.
//!
//! How: the address is `other_config:hwaddr`, else the lowest among the ports' physical devices, else what the local device
//! had by itself. Internal ports take the smallest MTU of the other ports unless they ask for one themselves.

use std::collections::BTreeSet;
use std::sync::Arc;

use weft_packet::Mac;

use super::{Bridge, State, Switch, settings};
use crate::config::{BridgeConfig, InterfaceConfig};

impl Switch {
    pub(super) fn add_bridge(&mut self, config: &Arc<BridgeConfig>) {
        self.bridges.insert(config.name.clone(), Bridge::default());
        let settings = settings::bridge(config, &self.bridges[&config.name]);
        if let Err(error) = self.pipeline.add_bridge(&config.name, settings, self.now()) {
            tracing::error!(target: "bridge", "failed to create bridge {}: {error}", config.name);
        }
    }

    pub(super) fn change_bridge(&mut self, config: &Arc<BridgeConfig>) {
        self.push_bridge(config);
    }

    pub(super) fn remove_bridge(&mut self, name: &str) {
        self.bridges.remove(name);
        if let Err(error) = self.pipeline.remove_bridge(name) {
            tracing::error!(target: "bridge", "{error}");
        }
    }

    /// The bridge forwards by itself from now on, or does not, as its controllers are away or back.
    pub fn set_fail_open(&mut self, name: &str, open: bool) {
        let Some(bridge) = self.bridges.get_mut(name) else { return };
        if bridge.fail_open != open {
            bridge.fail_open = open;
            if let Some(running) = self.running.bridges.get(name) {
                let config = running.config.clone();
                self.push_bridge(&config);
            }
        }
    }

    fn push_bridge(&mut self, config: &Arc<BridgeConfig>) {
        let Some(state) = self.bridges.get(&config.name) else { return };
        let settings = settings::bridge(config, state);
        if let Err(error) = self.pipeline.set_bridge(&config.name, settings, self.now()) {
            tracing::error!(target: "bridge", "{error}");
        }
    }

    fn choose_datapath_id(&mut self, config: &BridgeConfig) {
        let Some(bridge) = self.bridges.get_mut(&config.name) else { return };
        let [a, b, c, d, e, f] = bridge.mac.0;
        let from_mac = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        bridge.datapath_id = config.datapath_id.unwrap_or(from_mac);
    }

    /// Works out what follows from the bridge's ports. Returns the interfaces whose state it changed.
    pub fn settle_bridge(&mut self, name: &str) -> BTreeSet<String> {
        let Some(running) = self.running.bridges.get(name) else { return BTreeSet::new() };
        let config = running.config.clone();
        let mut changed = self.settle_mac(&config);
        changed.extend(self.settle_mtu(name));
        let before = self.bridges.get(name).map(|bridge| bridge.datapath_id);
        self.choose_datapath_id(&config);
        let chosen = self.bridges.get(name).map(|bridge| bridge.datapath_id);
        if let Some(chosen) = chosen.filter(|_| chosen != before) {
            tracing::info!(target: "bridge", "bridge {name}: using datapath ID {chosen:016x}");
        }
        self.push_bridge(&config);
        changed.retain(|name| self.look_again(name));
        changed
    }

    /// Tells the pipeline how a port is.
    pub fn push_state(&self, interface: &super::Interface) {
        if interface.ofport().is_some()
            && let Err(error) =
                self.pipeline.set_port_state(&interface.bridge, &interface.name, interface.port_state(), self.now())
        {
            tracing::error!(target: "bridge", "{error}");
        }
    }

    /// Tells the pipeline what watches a port's link.
    pub(super) fn push_monitoring(&self, interface: &super::Interface, config: &InterfaceConfig) {
        let wanted = config.monitoring.clone();
        if interface.ofport().is_some()
            && let Err(error) = self.pipeline.set_monitoring(&interface.bridge, &interface.name, wanted, self.now())
        {
            tracing::error!(target: "bridge", "{error}");
        }
    }

    fn settle_mac(&mut self, config: &BridgeConfig) -> BTreeSet<String> {
        let mut changed = BTreeSet::new();
        let name = &config.name;
        let others = self.interfaces.values().filter(|i| i.bridge == *name && i.name != *name);
        // Only devices of the machine lend their address: what stands behind a tap, an internal port or a dummy is
        // another host, which must not share it with the bridge.
        let machine = others.filter(|i| i.kind.opened == "system" && i.device().is_some());
        let macs = machine.map(|interface| interface.seen.mac);
        let lowest = macs.filter(|mac| !mac.is_multicast() && !mac.is_zero()).min();
        let local = self.interfaces.get(name).and_then(super::Interface::device).cloned();
        let port_mac = self.running.port(name, name).and_then(|port| port.config.mac);
        let interface_mac = self.running.port(name, name).and_then(|port| port.interfaces.get(name)?.config.mac);
        let Some(bridge) = self.bridges.get_mut(name) else { return changed };
        if let (None, Some(local)) = (bridge.own_mac, &local) {
            bridge.own_mac = local.mac().ok();
        }
        let chosen =
            config.hwaddr.or(interface_mac).or(port_mac).or(lowest).or(bridge.own_mac).unwrap_or_else(|| made_up(name));
        bridge.mac = chosen;
        if let Some(local) = local
            && local.mac().ok() != Some(chosen)
        {
            match local.set_mac(chosen) {
                Ok(()) => drop(changed.insert(name.clone())),
                Err(error) => {
                    let why = weft_jsonrpc::session::bare(&error);
                    tracing::warn!(target: "bridge", "bridge {name}: cannot set Ethernet address to {chosen} ({why})");
                }
            }
        }
        changed
    }

    fn settle_mtu(&mut self, name: &str) -> BTreeSet<String> {
        let mut changed = BTreeSet::new();
        let of_bridge = || self.interfaces.values().filter(|interface| interface.bridge == name);
        let is_internal = |interface: &super::Interface| {
            let config = self.running.port(name, &interface.port).and_then(|p| p.interfaces.get(&interface.name));
            config.map(|running| (running.config.is_internal(), running.config.mtu_request)).unwrap_or_default()
        };
        let external = of_bridge().filter(|interface| !is_internal(interface).0);
        let smallest = external.map(|interface| interface.seen.mtu).filter(|mtu| *mtu > 0).min();
        let Some(smallest) = smallest else { return changed };
        for interface in of_bridge().filter(|interface| is_internal(interface) == (true, None)) {
            let State::Open { device, .. } = &interface.state else { continue };
            if interface.seen.mtu != smallest && device.set_mtu(smallest).is_ok() {
                changed.insert(interface.name.clone());
            }
        }
        changed
    }
}

/// A bridge without any device still needs an address: locally administered, from its name.
fn made_up(name: &str) -> Mac {
    let sum = name.bytes().fold(7u32, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into()));
    let [a, b, c, d] = sum.to_be_bytes();
    Mac([0x02, 0x57, a, b, c, d])
}
