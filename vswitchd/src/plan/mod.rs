//! What: the difference between what is wanted and what is, as a list of [`Step`]s.
//!
//! Why: what a change of the database will do can be read (and tested) before anything does it; `apply` is the
//! only place that acts.
//!
//! How: `plan` looks only at what was [`Touched`], so that one port among a thousand costs what one port costs.
//!
//! Order: interfaces and ports go, then bridges go, then bridges come, then ports and interfaces come. A device
//! that moves from one bridge to another is therefore closed before it is opened again. Interfaces that ask for
//! an OpenFlow port number come before those that take what is left.
//!
//! Invariants: pure. Carrying out the steps and planning again gives no steps.

mod running;

pub use running::{Running, RunningBridge, RunningInterface, RunningPort};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::config::{BridgeConfig, Desired, InterfaceConfig, PortConfig, SwitchConfig, Touched};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "names of a bridge, a port of it, an interface of that")]
pub enum Step {
    /// Settings of the whole daemon.
    Configure(SwitchConfig),
    /// A new bridge.
    AddBridge(Arc<BridgeConfig>),
    /// Other settings for a bridge, its controllers included.
    ChangeBridge(Arc<BridgeConfig>),
    /// A bridge without ports goes.
    RemoveBridge { bridge: String },
    /// A new port, without interfaces yet.
    AddPort { bridge: String, port: Arc<PortConfig> },
    /// Other VLANs or the like.
    ChangePort { bridge: String, port: Arc<PortConfig> },
    /// A port without interfaces goes.
    RemovePort { bridge: String, port: String },
    /// Open a device and let it carry frames.
    AddInterface { bridge: String, port: String, interface: Arc<InterfaceConfig> },
    /// Other settings for a device that stays open.
    ChangeInterface { bridge: String, port: String, interface: Arc<InterfaceConfig> },
    /// Close a device.
    RemoveInterface { bridge: String, port: String, interface: String },
}

/// What must be done so that `running` becomes `desired`, as far as it was `touched`.
pub fn plan(desired: &Desired, running: &Running, touched: &Touched) -> Vec<Step> {
    let mut going = Vec::new();
    let mut bridges_going = Vec::new();
    let mut bridges = Vec::new();
    let mut coming = Vec::new();
    if touched.switch && running.switch.as_ref() != Some(&desired.switch) {
        bridges.push(Step::Configure(desired.switch.clone()));
    }
    for name in &touched.bridges {
        match (desired.bridges.get(name), running.bridges.get(name)) {
            (None, None) => {}
            (None, Some(running)) => {
                running.ports.iter().for_each(|(port, running)| remove_port(name, port, running, &mut going));
                bridges_going.push(Step::RemoveBridge { bridge: name.clone() });
            }
            (Some(desired), None) => {
                bridges.push(Step::AddBridge(desired.config.clone()));
                desired.ports.values().for_each(|port| add_port(name, port, &mut coming));
            }
            (Some(desired), Some(running)) if desired.config.datapath_type != running.config.datapath_type => {
                // Another datapath: nothing of the old bridge can stay.
                running.ports.iter().for_each(|(port, running)| remove_port(name, port, running, &mut going));
                bridges_going.push(Step::RemoveBridge { bridge: name.clone() });
                bridges.push(Step::AddBridge(desired.config.clone()));
                desired.ports.values().for_each(|port| add_port(name, port, &mut coming));
            }
            (Some(desired), Some(running)) if desired.config != running.config => {
                bridges.push(Step::ChangeBridge(desired.config.clone()));
            }
            (Some(_), Some(_)) => {}
        }
    }
    let rebuilt = |bridge: &String| coming_from_scratch(desired, running, bridge) && touched.bridges.contains(bridge);
    for (bridge, port) in touched.ports.iter().filter(|(bridge, _)| !rebuilt(bridge)) {
        let wanted = desired.bridges.get(bridge).and_then(|desired| desired.ports.get(port));
        match (wanted, running.port(bridge, port)) {
            (None, None) => {}
            (None, Some(running)) => remove_port(bridge, port, running, &mut going),
            (Some(wanted), None) if running.bridges.contains_key(bridge) => add_port(bridge, wanted, &mut coming),
            (Some(_), None) => {}
            (Some(wanted), Some(running)) => change_port(bridge, wanted, running, &mut going, &mut coming),
        }
    }
    give_way(desired, running, &mut going, &mut coming);
    coming.sort_by_key(rank);
    going.into_iter().chain(bridges_going).chain(bridges).chain(coming).collect()
}

/// An interface that nobody gave its OpenFlow number gives it up to one that asks for it: it is opened anew and takes what
/// is left (ovs-vswitchd.conf.db(5), Interface `ofport_request`).
fn give_way(desired: &Desired, running: &Running, going: &mut Vec<Step>, coming: &mut Vec<Step>) {
    let mut asked: BTreeMap<&str, BTreeSet<(u32, &str)>> = BTreeMap::new();
    for step in coming.iter() {
        if let Step::AddInterface { bridge, interface, .. } = step
            && let Some(number) = interface.ofport_request
        {
            asked.entry(bridge).or_default().insert((number, &interface.name));
        }
    }
    let mut moves = Vec::new();
    for (bridge, asked) in asked {
        let (Some(had), Some(wanted)) = (running.bridges.get(bridge), desired.bridges.get(bridge)) else { continue };
        let leaving: BTreeSet<&str> = going
            .iter()
            .filter_map(|step| match step {
                Step::RemoveInterface { bridge: of, interface, .. } if of == bridge => Some(interface.as_str()),
                _ => None,
            })
            .collect();
        for (port, running) in &had.ports {
            for (name, held) in running.interfaces.iter().filter(|(name, _)| **name != *bridge) {
                let Some(number) = held.ofport else { continue };
                // Those who ask for this number, other than its holder.
                let mut rivals = asked.range((number, "")..).take_while(|(n, _)| *n == number);
                let port_config = wanted.ports.get(port);
                let holder = port_config.and_then(|port| port.interfaces.iter().find(|i| i.name == *name));
                let holder = holder.filter(|holder| holder.ofport_request != Some(number));
                if let (Some(port_config), Some(holder)) = (port_config, holder)
                    && rivals.any(|(_, rival)| rival != name)
                    && !leaving.contains(name.as_str())
                {
                    moves.push((remove_interface(bridge, port, name), add_interface(bridge, port_config, holder)));
                }
            }
        }
    }
    for (leave, come) in moves {
        let same = |step: &Step| {
            matches!((step, &come),
            (Step::ChangeInterface { interface: a, .. }, Step::AddInterface { interface: b, .. }) if a.name == b.name)
        };
        coming.retain(|step| !same(step));
        going.push(leave);
        coming.push(come);
    }
}

/// Whether `bridge` is created or goes in this plan, its ports with it.
fn coming_from_scratch(desired: &Desired, running: &Running, bridge: &str) -> bool {
    match (desired.bridges.get(bridge), running.bridges.get(bridge)) {
        (Some(desired), Some(running)) => desired.config.datapath_type != running.config.datapath_type,
        _ => true,
    }
}

fn remove_port(bridge: &str, port: &str, running: &RunningPort, going: &mut Vec<Step>) {
    going.extend(running.interfaces.keys().map(|name| remove_interface(bridge, port, name)));
    going.push(Step::RemovePort { bridge: bridge.to_owned(), port: port.to_owned() });
}

fn remove_interface(bridge: &str, port: &str, name: &str) -> Step {
    Step::RemoveInterface { bridge: bridge.to_owned(), port: port.to_owned(), interface: name.to_owned() }
}

fn add_port(bridge: &str, port: &Arc<PortConfig>, coming: &mut Vec<Step>) {
    coming.push(Step::AddPort { bridge: bridge.to_owned(), port: port.clone() });
    coming.extend(port.interfaces.iter().map(|interface| add_interface(bridge, port, interface)));
}

fn add_interface(bridge: &str, port: &PortConfig, interface: &Arc<InterfaceConfig>) -> Step {
    Step::AddInterface { bridge: bridge.to_owned(), port: port.name.clone(), interface: interface.clone() }
}

fn change_port(
    bridge: &str,
    wanted: &Arc<PortConfig>,
    running: &RunningPort,
    going: &mut Vec<Step>,
    coming: &mut Vec<Step>,
) {
    if *wanted != running.config {
        coming.push(Step::ChangePort { bridge: bridge.to_owned(), port: wanted.clone() });
    }
    for name in running.interfaces.keys() {
        if !wanted.interfaces.iter().any(|interface| interface.name == *name) {
            going.push(remove_interface(bridge, &wanted.name, name));
        }
    }
    for interface in &wanted.interfaces {
        let Some(running) = running.interfaces.get(&interface.name) else {
            coming.push(add_interface(bridge, wanted, interface));
            continue;
        };
        if running.retry || must_reopen(interface, running) {
            going.push(remove_interface(bridge, &wanted.name, &interface.name));
            coming.push(add_interface(bridge, wanted, interface));
        } else if *interface != running.config {
            let (bridge, port, interface) = (bridge.to_owned(), wanted.name.clone(), interface.clone());
            coming.push(Step::ChangeInterface { bridge, port, interface });
        }
    }
}

/// Whether the new settings cannot be had from the open device.
fn must_reopen(wanted: &InterfaceConfig, running: &RunningInterface) -> bool {
    let had = &*running.config;
    let other_device = wanted.kind != had.kind || wanted.id != had.id;
    // A dummy or a tunnel takes other options and a patch another peer while it lives, and an internal port has none unless it
    // is a dummy; other devices read theirs when opened.
    let takes_options = matches!(wanted.kind.as_str(), "patch" | "internal" | "dummy" | "dummy-pmd")
        || weft_pipeline::tunnel::options::kind_of(&wanted.kind).is_some();
    let other_options = wanted.options != had.options && !takes_options;
    let other_number = wanted.ofport_request.is_some()
        && wanted.ofport_request != had.ofport_request
        && wanted.ofport_request != running.ofport;
    // What could not be opened is tried again when its row changes.
    let failed = running.ofport.is_none() && *wanted != *had;
    other_device || other_options || other_number || failed
}

/// Ports before interfaces; local ports, then requested numbers, before the rest.
fn rank(step: &Step) -> (u8, u32) {
    match step {
        Step::AddPort { .. } | Step::ChangePort { .. } => (0, 0),
        Step::ChangeInterface { .. } => (1, 0),
        Step::AddInterface { bridge, interface, .. } if interface.name == *bridge => (2, 0),
        Step::AddInterface { interface, .. } => match interface.ofport_request.or(interface.ofport_hint.0) {
            Some(number) if interface.ofport_request.is_some() => (3, number),
            Some(number) => (4, number),
            None => (5, 0),
        },
        _ => (6, 0),
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Configure(_) => write!(f, "configure switch"),
            Step::AddBridge(config) => write!(f, "add bridge {}", config.name),
            Step::ChangeBridge(config) => write!(f, "change bridge {}", config.name),
            Step::RemoveBridge { bridge } => write!(f, "remove bridge {bridge}"),
            Step::AddPort { bridge, port } => write!(f, "add port {bridge} {}", port.name),
            Step::ChangePort { bridge, port } => write!(f, "change port {bridge} {}", port.name),
            Step::RemovePort { bridge, port } => write!(f, "remove port {bridge} {port}"),
            Step::AddInterface { bridge, port, interface } => {
                let kind = if interface.kind.is_empty() { "system" } else { &interface.kind };
                write!(f, "add interface {bridge} {port} {} type={kind}", interface.name)
            }
            Step::ChangeInterface { bridge, port, interface } => {
                write!(f, "change interface {bridge} {port} {}", interface.name)
            }
            Step::RemoveInterface { bridge, port, interface } => {
                write!(f, "remove interface {bridge} {port} {interface}")
            }
        }
    }
}

#[cfg(test)]
mod tests;
