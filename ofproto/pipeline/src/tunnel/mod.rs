//! Tunnels: the ports, and what leads their outer packets to the other end.
//!
//! What: [`Tunnels`] is the part of [`crate::tables::Tables`] that knows tunnel ports by what they match, routes, next hops
//! and our own addresses. Translation asks it; nothing in here does I/O.
//!
//! ```text
//!   in    a bridge's local port ── listen: our address? whose protocol? ── tnl_pop(N) ── ports: whose key? ── a tunnel port
//!   out   a tunnel port ── route: which device, which gateway? ── neighbour: whose MAC? ── tnl_push(..) ── that bridge
//! ```
//!
//! - [`config`], [`options`]: what a port is told, and how that is read.
//! - [`ports`]: which port a packet came in by.
//! - [`route`], [`neighbour`], `ask`, [`listen`]: the way of outer packets.
//! - `control`: what the control thread does; `command`: `ovs/route/*`, `tnl/*`, `ofproto/list-tunnels`.
//!
//! Invariant: `generation` moves with whatever a verdict may rest on.

mod ask;
mod command;
pub mod config;
mod control;
pub mod listen;
pub mod neighbour;
pub mod options;
pub mod ports;
pub mod route;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use weft_base::Time;
use weft_flow::{FlowKey, FlowMask, OfPort};
use weft_packet::{DpPort, Mac};

use crate::pipeline::lock;
use crate::tables::BridgeId;
pub use config::TunnelConfig;
use listen::{Device, Devices, Listeners};
use neighbour::Neighbours;
use ports::TunnelPorts;
use route::{Route, Routes};

/// A tunnel port's place in the datapath, and its settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tunnel {
    /// The datapath's port for its kind.
    pub dp: DpPort,
    /// What it was told.
    pub config: TunnelConfig,
}

/// See the module's header.
#[derive(Default)]
pub struct Tunnels {
    /// Ports by what they match.
    pub(crate) ports: TunnelPorts,
    listeners: Listeners,
    routes: Routes,
    devices: Devices,
    /// Those of them that packets are routed through.
    routed: Vec<Device>,
    neighbours: Mutex<Neighbours>,
    asking: Mutex<ask::Asking>,
    generation: AtomicU64,
    /// The range from which outer UDP source ports are chosen; `None`: the default.
    source_ports: Option<(u16, u16)>,
    /// Whether the host's stack takes what no bridge of ours carries.
    pub(crate) over_host: bool,
}

impl Tunnels {
    /// Moves with whatever a verdict about tunnels may rest on.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn add(&mut self, tunnel: &Tunnel, port: (BridgeId, OfPort)) {
        self.ports.insert(tunnel.dp, &tunnel.config, port);
        self.listeners.add(tunnel.dp, &tunnel.config);
        self.changed();
    }

    pub(crate) fn remove(&mut self, tunnel: &Tunnel) {
        self.ports.remove(tunnel.dp, &tunnel.config);
        self.listeners.remove(tunnel.dp);
        self.changed();
    }

    /// Whether there are tunnel ports.
    pub fn is_there(&self) -> bool {
        !self.listeners.is_empty()
    }

    /// Whether the datapath's port is for tunnels.
    pub fn has(&self, dp: DpPort) -> bool {
        self.listeners.has(dp)
    }

    /// What is known of a device; nothing: it is gone, or has no addresses.
    pub(crate) fn set_device(&mut self, name: &str, device: Option<Device>) -> bool {
        let device = device.filter(|device| !device.addresses.is_empty());
        let before = match device.clone() {
            Some(device) => self.devices.insert(name.to_owned(), device),
            None => self.devices.remove(name),
        };
        let news = before != device;
        if news {
            self.find_routed();
        }
        news
    }

    /// What is known of a device.
    pub fn device(&self, name: &str) -> Option<&Device> {
        self.devices.get(name)
    }

    /// The kernel's routes, instead of those that it had.
    pub(crate) fn set_kernel_routes(&mut self, routes: Vec<Route>) -> bool {
        let news = self.routes.set_kernel(routes);
        if news {
            self.find_routed();
        }
        news
    }

    /// All routes.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Routes or devices have changed.
    fn find_routed(&mut self) {
        let names: BTreeSet<&str> = self.routes.iter().map(|route| route.device.as_str()).collect();
        let is_one = |(name, device): &(&String, &Device)| !device.mac.is_zero() && names.contains(name.as_str());
        self.routed = self.devices.iter().filter(is_one).map(|(_, device)| device.clone()).collect();
        self.changed();
    }

    /// The tunnel port that a packet for the local port of a bridge is for; see [`Listeners::find`].
    pub(crate) fn terminates(&self, key: &FlowKey, mask: &mut FlowMask) -> Option<DpPort> {
        self.listeners.find(&self.routed, key, mask)
    }

    /// Somebody is there; whether that is news.
    pub(crate) fn learn(&self, bridge: &str, ip: IpAddr, mac: Mac, now: Time) -> bool {
        let news = lock(&self.neighbours).set(bridge, ip, mac, now);
        if news {
            self.changed();
        }
        news
    }

    /// Who has an address.
    pub(crate) fn neighbour(&self, bridge: &str, ip: IpAddr) -> Option<Mac> {
        lock(&self.neighbours).find(bridge, ip)
    }

    /// A neighbour is still in use.
    pub(crate) fn refresh(&self, bridge: &str, ip: IpAddr, now: Time) {
        lock(&self.neighbours).refresh(bridge, ip, now);
    }

    /// Forget old neighbours; whether anything went.
    pub(crate) fn forget_old(&self, now: Time) -> bool {
        let gone = lock(&self.neighbours).forget_old(now);
        if gone {
            self.changed();
        }
        gone
    }

    /// When a neighbour is too old.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        lock(&self.neighbours).next_deadline()
    }

    /// The range from which outer UDP source ports are chosen.
    pub fn source_ports(&self) -> (u16, u16) {
        self.source_ports.unwrap_or((32768, 61000))
    }

    fn set_aging(&self, aging: Duration, now: Time) {
        lock(&self.neighbours).set_aging(aging, now);
    }
}
