//! What: tunnel ports. They have no device; tunnels of a kind (and port) share a port of the datapath.
//!
//! How: the row's options are read by the pipeline's [`options`]; what they get wrong is told to the log and to
//! Interface:error in Open vSwitch's words.
//!
//! Invariants: a datapath port for tunnels is there exactly as long as a tunnel uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use weft_engine::Datapath;
use weft_flow::OfPort;
use weft_netdev::spec::HostTunnel;
use weft_netdev::{RouteSnapshot, Spec};
use weft_packet::DpPort;
use weft_packet::tunnel::Kind;
use weft_pipeline::tunnel::listen::Device as Addresses;
use weft_pipeline::tunnel::route::{Prefix, Route, source_for};
use weft_pipeline::tunnel::{Tunnel, TunnelConfig, options};
use weft_pipeline::{ConfigError, PortKind, PortSettings};

use super::{State, Switch};
use crate::config::InterfaceConfig;
use crate::options::Dummy;

/// A port of the datapath for tunnels.
#[derive(Clone, Debug)]
pub struct Backer {
    /// Its number.
    pub dp: DpPort,
    /// What `dpctl/show` says of it.
    pub shown: String,
    /// The host's stack shall send and receive for it; whether it can.
    over_host: Option<bool>,
    users: usize,
}

/// By name.
pub type Backers = BTreeMap<String, Backer>;

/// The tunnel that an interface's type names, unless dummies stand in for everything.
pub fn tunnel_kind(kind: &super::Kind) -> Option<Kind> {
    if kind.opened == kind.shown { options::kind_of(&kind.opened) } else { None }
}

impl Switch {
    /// Reads the options and adds the port.
    pub(super) fn open_tunnel(
        &mut self,
        bridge: &str,
        port: &str,
        config: &Arc<InterfaceConfig>,
        kind: Kind,
        ofport_request: Option<OfPort>,
        guessable: bool,
    ) -> Result<State, String> {
        let settings = self.read_tunnel(config, kind)?;
        let dp = self.back(&settings, guessable).ok_or("all datapath port numbers are in use")?;
        let tunnel = Tunnel { dp, config: settings.clone() };
        let port_settings = PortSettings {
            name: config.name.clone(),
            device_type: kind.name().to_owned(),
            kind: PortKind::Tunnel(Box::new(tunnel)),
            ofport_request,
            state: super::interface::Seen::without_device(&config.name).port_state(),
        };
        let watch = config.monitoring.clone();
        match self.pipeline.add_watched_port(bridge, port, port_settings, watch, self.now()) {
            Ok(ofport) => Ok(State::Tunnel { ofport, dp, config: Box::new(settings) }),
            Err(error) => {
                self.give_back(&settings);
                Err(refused(bridge, &config.name, &error))
            }
        }
    }

    /// Other options for a tunnel that is open. False: only a new port can have them.
    pub(super) fn change_tunnel(&mut self, bridge: &str, config: &Arc<InterfaceConfig>, had: &TunnelConfig) -> bool {
        let read = options::read(&config.name, had.kind, &config.options);
        let Some(wanted) = read.config.filter(|wanted| wanted.dp_name() == had.dp_name()) else { return false };
        if self.gbp_conflict(&config.name, &wanted).is_some() {
            return false;
        }
        complain(&read.complaints, &read.bad_addresses);
        let Some(interface) = self.interfaces.get_mut(&config.name) else { return false };
        let State::Tunnel { dp, config: place, .. } = &mut interface.state else { return false };
        let tunnel = Tunnel { dp: *dp, config: wanted.clone() };
        let done = wanted == *had || self.pipeline.set_tunnel(bridge, &config.name, tunnel).is_ok();
        if done {
            **place = wanted;
        }
        done
    }

    fn read_tunnel(&self, config: &InterfaceConfig, kind: Kind) -> Result<TunnelConfig, String> {
        let read = options::read(&config.name, kind, &config.options);
        complain(&read.complaints, &read.bad_addresses);
        let failed = |why: &str| {
            let what = format!("{}: could not set configuration ({why})", config.name);
            tracing::warn!(target: "netdev", "{what}");
            what
        };
        let Some(settings) = read.config else {
            let what = failed("Invalid argument");
            return Err(if read.complaints.is_empty() { what } else { read.complaints.join("\n") });
        };
        if let Some(conflict) = self.gbp_conflict(&config.name, &settings) {
            complain(std::slice::from_ref(&conflict), &[]);
            failed("File exists");
            return Err([&read.complaints[..], &[conflict]].concat().join("\n"));
        }
        Ok(settings)
    }

    /// One UDP port either has group policies or not: packets do not say which tunnel's they are before that is known.
    fn gbp_conflict(&self, name: &str, wanted: &TunnelConfig) -> Option<String> {
        let others = self.interfaces.values().filter(|interface| interface.name != name);
        let clash = |config: &TunnelConfig| {
            wanted.kind == Kind::Vxlan
                && config.kind == Kind::Vxlan
                && config.dst_port == wanted.dst_port
                && config.gbp != wanted.gbp
        };
        let mut tunnels = others.filter_map(|interface| match &interface.state {
            State::Tunnel { config, .. } => Some(&**config),
            _ => None,
        });
        tunnels
            .any(clash)
            .then(|| format!("{name}: VXLAN-GBP, and non-VXLAN-GBP tunnels can't be configured on the same dst_port"))
    }

    fn back(&mut self, config: &TunnelConfig, guessable: bool) -> Option<DpPort> {
        let name = config.dp_name();
        if let Some(backer) = self.backers.get_mut(&name) {
            backer.users += 1;
            return Some(backer.dp);
        }
        let dp = self.numbers.take(&name, guessable)?;
        self.engine.tunnel_set(dp, Some(config.dialect()));
        self.backers.insert(name, Backer { dp, shown: config.dp_shown(), over_host: None, users: 1 });
        Some(dp)
    }

    /// Where no bridge of ours carries the outer packets the host's own stack does: opens its sockets where they are needed,
    /// and closes them where a bridge has come to carry the packets, which would come twice.
    pub(super) fn settle_over_host(&mut self) {
        if self.dummy != Dummy::Off || !self.routes_known {
            return;
        }
        let tunnels = self.interfaces.values().filter_map(|interface| match &interface.state {
            State::Tunnel { config, .. } => Some((config.dp_name(), &**config)),
            _ => None,
        });
        let mut wanted: BTreeMap<String, TunnelConfig> = BTreeMap::new();
        for (name, config) in tunnels.filter(|(_, config)| !self.pipeline.is_carried(config.remote)) {
            wanted.entry(name).or_insert_with(|| config.clone());
        }
        let changed: Vec<_> = self
            .backers
            .iter()
            .filter(|(name, backer)| backer.over_host.is_some() != wanted.contains_key(*name))
            .map(|(name, backer)| (name.clone(), backer.dp))
            .collect();
        for (name, dp) in changed {
            let is_open = match wanted.get(&name) {
                Some(config) => Some(self.open_over_host(&name, dp, config)),
                None => {
                    self.close_over_host(&name);
                    None
                }
            };
            if let Some(backer) = self.backers.get_mut(&name) {
                backer.over_host = is_open;
            }
        }
    }

    fn close_over_host(&mut self, name: &str) {
        if let Some(backer) = self.backers.get_mut(name)
            && backer.over_host.take() == Some(true)
        {
            self.engine.port_remove(backer.dp);
        }
    }

    fn open_over_host(&self, name: &str, dp: DpPort, config: &TunnelConfig) -> bool {
        if matches!(config.kind, Kind::Stt | Kind::Srv6) {
            return false;
        }
        let options = HostTunnel { kind: config.kind, port: config.dst_port };
        let spec = Spec { name: name.to_owned(), kind: weft_netdev::Kind::HostTunnel(options) };
        let opened = weft_netdev::open(&spec, self.engine.workers()).map_err(|error| error.to_string());
        let added = opened.and_then(|opened| {
            self.engine.port_add(dp, WHOLE_PACKETS, opened.queues).map_err(|error| error.to_string())
        });
        if let Err(error) = &added {
            tracing::warn!(target: "tunnel", "{name}: packets go through bridges only, not through the host's stack: {error}");
        }
        added.is_ok()
    }

    /// A tunnel does not use its datapath port any more.
    pub(super) fn give_back(&mut self, config: &TunnelConfig) {
        let name = config.dp_name();
        let Some(backer) = self.backers.get_mut(&name) else { return };
        backer.users -= 1;
        if backer.users == 0 {
            let dp = backer.dp;
            self.close_over_host(&name);
            self.engine.tunnel_set(dp, None);
            self.numbers.give_back(dp);
            self.backers.remove(&name);
        }
    }

    /// Takes in the machine's routes and addresses.
    pub fn on_routes(&mut self, snapshot: &RouteSnapshot) {
        let is_dummy = |name: &str| {
            let device = self.interfaces.get(name).and_then(super::Interface::device);
            device.is_some_and(|device| device.dummy().is_some())
        };
        let known: Vec<_> = snapshot.devices.iter().filter(|device| !is_dummy(&device.device)).collect();
        let names = known.iter().map(|device| device.device.clone()).collect();
        for gone in std::mem::replace(&mut self.addressed, names).difference(&self.addressed) {
            self.pipeline.set_device(gone, None);
        }
        for device in known {
            let addresses = Addresses { mac: device.mac, addresses: device.addresses.clone() };
            self.pipeline.set_device(&device.device, Some(addresses));
        }
        let addresses_of = |name: &str| {
            let device = snapshot.devices.iter().find(|device| device.device == name);
            device.map_or(&[][..], |device| &device.addresses)
        };
        let routes = snapshot.routes.iter().filter_map(|route| {
            let to = Prefix::new(route.to, route.len)?;
            let source = route.source.or_else(|| source_for(route.to, route.gateway, addresses_of(&route.device)))?;
            let (device, gateway, local) = (route.device.clone(), route.gateway, route.local);
            Some(Route { to, mark: 0, device, gateway, source, local, by_user: false })
        });
        self.pipeline.set_kernel_routes(routes.collect());
        self.routes_known = true;
        self.settle_over_host();
    }

    /// The tunnels' names.
    pub fn tunnels(&self) -> BTreeSet<String> {
        let is_tunnel = |interface: &&super::Interface| matches!(interface.state, State::Tunnel { .. });
        self.interfaces.values().filter(is_tunnel).map(|interface| interface.name.clone()).collect()
    }

    /// Interface:status of a tunnel: by which device of the machine its packets leave.
    pub(super) fn egress(&self, config: &TunnelConfig) -> Vec<(String, String)> {
        let Some(device) = config.remote.addr().and_then(|to| self.pipeline.tunnel_egress(to)) else {
            return Vec::new();
        };
        let carrier = weft_netdev::netlink::link_by_name(&device).is_ok_and(|link| link.carrier);
        let word = if carrier { "up" } else { "down" };
        [("tunnel_egress_iface", device.as_str()), ("tunnel_egress_iface_carrier", word)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    /// Tells the pipeline which addresses a dummy has.
    pub fn push_addresses(&self, name: &str) {
        if self.dummy == Dummy::Off {
            return;
        }
        let Some(device) = self.interfaces.get(name).and_then(super::Interface::device) else {
            return self.pipeline.set_device(name, None);
        };
        let Some(dummy) = device.dummy() else { return };
        let v4 = dummy.ip4().map(|(addr, len)| (IpAddr::from(addr), len));
        let addresses = v4.into_iter().chain(dummy.ip6().into_iter().map(|(addr, len)| (addr.into(), len))).collect();
        let mac = device.mac().unwrap_or_default();
        self.pipeline.set_device(name, Some(Addresses { mac, addresses }));
    }
}

/// An outer packet may be as long as IP lets it be: the host's stack knows the way's MTU.
const WHOLE_PACKETS: u32 = 65535;

fn complain(lines: &[String], bad_addresses: &[String]) {
    for text in bad_addresses {
        tracing::error!(target: "socket_util", "\"{text}\" is not a valid IP address");
    }
    if !lines.is_empty() {
        tracing::warn!(target: "netdev_vport", "{}", lines.join("\n"));
    }
}

/// What is said of a port that the pipeline does not take.
fn refused(bridge: &str, name: &str, error: &ConfigError) -> String {
    match error {
        ConfigError::SameTunnel { .. } => {
            tracing::warn!(target: "tunnel", "{name}: {error}");
            tracing::warn!(target: "ofproto", "{bridge}: could not add port {name} (File exists)");
            format!("could not add network device {name} to ofproto (File exists)")
        }
        error => error.to_string(),
    }
}
