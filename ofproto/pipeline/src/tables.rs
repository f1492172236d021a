//! Everything that translation reads: bridges, their ports and bundles, flow tables and MAC tables, as one value.
//!
//! What: [`Tables`] lives behind one lock inside [`crate::Pipeline`]. Workers read it for one upcall at a time, the
//! control thread writes in short batches. Nothing in here does I/O or knows a clock.
//! How change is noticed: every bridge has a `generation` that moves with its ports, bundles and settings; every flow
//! table has a change log; every MAC table has change counters. A verdict remembers what it saw of each
//! ([`crate::translate::Deps`]).
//!
//! Invariants: ids are never reused; `by_dp` and `by_name` say exactly what the bridges' ports say; a bundle with no
//! port stays until it is removed.

use std::collections::{BTreeMap, HashMap};

use weft_base::Time;
use weft_flow::{FlowKey, OfPort};
use weft_packet::DpPort;

use crate::bridge::{Bridge, Bundle, Port};
use crate::config::{BridgeSettings, BundleSettings, ConfigError, PortKind, PortSettings};
use crate::features::Features;
use crate::frozen::FrozenStates;
use crate::learn::Pending;
use crate::meter::Numbers;
use crate::tunnel::{Tunnel, Tunnels, ports};

/// A bridge, for as long as the daemon runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BridgeId(pub u32);

/// A bundle (a row of the database's Port table), for as long as the daemon runs. In order of creation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BundleId(pub u32);

/// A hash map that any room of this crate uses: no defence against chosen keys is needed for our own numbers.
pub type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// The value.
#[derive(Default)]
pub struct Tables {
    pub(crate) bridges: BTreeMap<BridgeId, Bridge>,
    /// Numbers of the datapath's meters.
    pub(crate) meter_numbers: Numbers,
    by_bridge_name: BTreeMap<String, BridgeId>,
    by_dp: Map<DpPort, (BridgeId, OfPort)>,
    by_name: Map<String, (BridgeId, OfPort)>,
    last_id: u32,
    /// Moves whenever a port comes or goes.
    pub ports_generation: u64,
    /// Metadata of frames on their way to controllers.
    pub frozen: FrozenStates,
    /// What readers leave for the control thread.
    pub pending: Pending,
    /// What of the datapath is used.
    pub features: Features,
    /// Tunnel ports, and the way of outer packets.
    pub tunnels: Tunnels,
}

impl Tables {
    /// A bridge that is known to be there.
    #[inline]
    pub fn bridge(&self, id: BridgeId) -> Option<&Bridge> {
        self.bridges.get(&id)
    }

    /// To change it.
    pub fn bridge_mut(&mut self, id: BridgeId) -> Option<&mut Bridge> {
        self.bridges.get_mut(&id)
    }

    /// All bridges by name.
    pub fn bridges(&self) -> impl Iterator<Item = &Bridge> {
        self.by_bridge_name.values().filter_map(|id| self.bridges.get(id))
    }

    /// All bridges, to change them.
    pub fn bridges_mut(&mut self) -> impl Iterator<Item = &mut Bridge> {
        self.bridges.values_mut()
    }

    /// The bridge of that name.
    pub fn bridge_named(&self, name: &str) -> Option<&Bridge> {
        self.bridges.get(self.by_bridge_name.get(name)?)
    }

    /// See [`Tables::bridge_named`].
    pub fn bridge_named_mut(&mut self, name: &str) -> Option<&mut Bridge> {
        self.bridges.get_mut(self.by_bridge_name.get(name)?)
    }

    /// Which bridge's which port a datapath port is.
    #[inline]
    pub fn port_of_dp(&self, dp: DpPort) -> Option<(&Bridge, &Port)> {
        let (bridge, port) = self.by_dp.get(&dp)?;
        let bridge = self.bridges.get(bridge)?;
        Some((bridge, bridge.port(*port)?))
    }

    /// Which bridge's which port a frame came in by.
    #[inline]
    pub fn port_of_key(&self, key: &FlowKey) -> Option<(&Bridge, &Port)> {
        if !weft_flow::tunnel::is_there(key) {
            return self.port_of_dp(DpPort(key.word(0) as u32));
        }
        let (bridge, port) = self.tunnels.ports.find(key)?;
        let bridge = self.bridges.get(&bridge)?;
        Some((bridge, bridge.port(port)?))
    }

    /// The port of that name, on whatever bridge.
    pub fn port_named(&self, name: &str) -> Option<(&Bridge, &Port)> {
        let (bridge, port) = self.by_name.get(name)?;
        let bridge = self.bridges.get(bridge)?;
        Some((bridge, bridge.port(*port)?))
    }

    /// The other end of a patch port, if it points back.
    #[inline]
    pub fn patch_peer(&self, port: &Port) -> Option<(&Bridge, &Port)> {
        let PortKind::Patch { peer } = &port.settings.kind else { return None };
        let (bridge, other) = self.port_named(peer)?;
        match &other.settings.kind {
            PortKind::Patch { peer } if *peer == port.settings.name => Some((bridge, other)),
            _ => None,
        }
    }

    /// Add a bridge.
    pub fn add_bridge(&mut self, name: &str, settings: BridgeSettings, now: Time) -> Result<BridgeId, ConfigError> {
        if self.by_bridge_name.contains_key(name) {
            return Err(ConfigError::Exists(name.into()));
        }
        let id = BridgeId(self.next_id());
        self.bridges.insert(id, Bridge::new(id, name, settings, now));
        self.by_bridge_name.insert(name.into(), id);
        Ok(id)
    }

    /// Remove a bridge with all that is in it.
    pub fn remove_bridge(&mut self, name: &str) -> Result<Bridge, ConfigError> {
        let gone = || ConfigError::NoSuchBridge(name.into());
        let id = self.by_bridge_name.remove(name).ok_or_else(gone)?;
        self.ports_generation += 1;
        self.by_dp.retain(|_, (bridge, _)| *bridge != id);
        self.by_name.retain(|_, (bridge, _)| *bridge != id);
        let bridge = self.bridges.remove(&id).ok_or_else(gone)?;
        bridge.ports().filter_map(Port::tunnel).for_each(|tunnel| self.tunnels.remove(tunnel));
        self.patches_changed();
        Ok(bridge)
    }

    /// Add a bundle or change its settings.
    pub fn set_bundle(&mut self, bridge: &str, settings: BundleSettings) -> Result<BundleId, ConfigError> {
        let id = BundleId(self.last_id + 1);
        let bridge = self.bridge_or(bridge)?;
        if let Some(bundle) = bridge.bundle_named_mut(&settings.name) {
            let id = bundle.id;
            if bundle.settings != settings {
                bundle.settings = settings;
                bridge.changed();
            }
            return Ok(id);
        }
        bridge.add_bundle(Bundle::new(id, settings));
        self.last_id = id.0;
        Ok(id)
    }

    /// Remove a bundle and its ports; returns the ports.
    pub fn remove_bundle(&mut self, bridge: &str, name: &str) -> Result<Vec<Port>, ConfigError> {
        let (id, ports) = {
            let bridge = self.bridge_or(bridge)?;
            let bundle = bridge.bundle_named(name).ok_or_else(|| ConfigError::NoSuchBundle(name.into()))?;
            (bundle.id, bundle.ports.clone())
        };
        let names: Vec<String> = {
            let bridge = self.bridge_or(bridge)?;
            ports.iter().filter_map(|p| bridge.port(*p)).map(|p| p.settings.name.clone()).collect()
        };
        let gone = names.iter().filter_map(|name| self.remove_port(bridge, name).ok()).collect();
        self.bridge_or(bridge)?.remove_bundle(id);
        Ok(gone)
    }

    /// Add a port to a bundle; returns the OpenFlow port number that it got.
    pub fn add_port(
        &mut self,
        bridge: &str,
        bundle: &str,
        settings: PortSettings,
        now: Time,
    ) -> Result<OfPort, ConfigError> {
        if self.by_name.contains_key(&settings.name) {
            return Err(ConfigError::Exists(settings.name));
        }
        let name = settings.name.clone();
        let (dp, tunnel) = match &settings.kind {
            PortKind::Device(dp) => (Some(*dp), None),
            PortKind::Tunnel(tunnel) => (None, Some(tunnel.clone())),
            PortKind::Patch { .. } => (None, None),
        };
        if let Some(tunnel) = &tunnel {
            self.no_rival(tunnel, None)?;
        }
        let to = self.bridge_or(bridge)?;
        let id = to.id;
        let bundle = to.bundle_named(bundle).ok_or_else(|| ConfigError::NoSuchBundle(bundle.into()))?.id;
        let number = to.assign_number(&settings).ok_or(ConfigError::NoFreePort)?;
        to.insert_port(Port::new(number, bundle, settings, now));
        self.by_name.insert(name, (id, number));
        self.ports_generation += 1;
        match (dp, tunnel) {
            (Some(dp), _) => {
                self.by_dp.insert(dp, (id, number));
            }
            (None, Some(tunnel)) => self.tunnels.add(&tunnel, (id, number)),
            (None, None) => self.patches_changed(),
        }
        Ok(number)
    }

    /// Other settings for a tunnel port.
    pub fn set_tunnel(&mut self, bridge: &str, name: &str, tunnel: Tunnel) -> Result<(), ConfigError> {
        let gone = || ConfigError::NoSuchPort(name.into());
        let id = self.bridge_or(bridge)?.id;
        let (_, number) = self.by_name.get(name).filter(|(of, _)| *of == id).copied().ok_or_else(gone)?;
        self.no_rival(&tunnel, Some((id, number)))?;
        let bridge = self.bridge_or(bridge)?;
        let port = bridge.port_mut(number).ok_or_else(gone)?;
        let PortKind::Tunnel(place) = &mut port.settings.kind else { return Err(gone()) };
        let before = std::mem::replace(&mut **place, tunnel.clone());
        bridge.changed();
        self.tunnels.remove(&before);
        self.tunnels.add(&tunnel, (id, number));
        self.ports_generation += 1;
        Ok(())
    }

    fn no_rival(&self, tunnel: &Tunnel, own: Option<(BridgeId, OfPort)>) -> Result<(), ConfigError> {
        let rival = self.tunnels.ports.rival(tunnel.dp, &tunnel.config).filter(|rival| Some(*rival) != own);
        let Some((bridge, port)) = rival else { return Ok(()) };
        let rival = self.bridges.get(&bridge).and_then(|bridge| bridge.port(port));
        let rival = rival.map_or_else(String::new, |port| port.settings.name.clone());
        Err(ConfigError::SameTunnel { rival, wanted: ports::wanted_text(tunnel.dp, &tunnel.config) })
    }

    /// Remove a port; its bundle stays.
    pub fn remove_port(&mut self, bridge: &str, name: &str) -> Result<Port, ConfigError> {
        let gone = || ConfigError::NoSuchPort(name.into());
        let id = self.bridge_or(bridge)?.id;
        let number = match self.by_name.get(name) {
            Some((of, number)) if *of == id => *number,
            _ => return Err(gone()),
        };
        self.by_name.remove(name);
        self.ports_generation += 1;
        let port = self.bridge_or(bridge)?.take_port(number).ok_or_else(gone)?;
        match &port.settings.kind {
            PortKind::Device(dp) => {
                self.by_dp.remove(dp);
            }
            PortKind::Tunnel(tunnel) => self.tunnels.remove(tunnel),
            PortKind::Patch { .. } => self.patches_changed(),
        }
        Ok(port)
    }

    /// Another peer for a patch port.
    pub fn set_patch_peer(&mut self, bridge: &str, name: &str, peer: &str) -> Result<(), ConfigError> {
        let to = self.bridge_or(bridge)?;
        let number = to.port_named(name).map(|port| port.number);
        let port = number.and_then(|number| to.port_mut(number)).ok_or_else(|| ConfigError::NoSuchPort(name.into()))?;
        match &mut port.settings.kind {
            PortKind::Patch { peer: leads_to } => *leads_to = peer.to_owned(),
            PortKind::Device(_) | PortKind::Tunnel(_) => return Err(ConfigError::NoSuchPort(name.into())),
        }
        self.ports_generation += 1;
        self.patches_changed();
        Ok(())
    }

    fn bridge_or(&mut self, name: &str) -> Result<&mut Bridge, ConfigError> {
        self.bridge_named_mut(name).ok_or_else(|| ConfigError::NoSuchBridge(name.into()))
    }

    /// A patch cable was plugged or pulled: verdicts on the bridges at its other end may change.
    fn patches_changed(&mut self) {
        for bridge in self.bridges.values_mut().filter(|b| b.has_patches()) {
            bridge.changed();
        }
    }

    fn next_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }
}
