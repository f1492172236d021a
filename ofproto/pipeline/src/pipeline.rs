//! The room's door.
//!
//! What: [`Pipeline`] owns the tables behind one lock and hands out verbs. The daemon holds it in an `Arc`, gives it to
//! the engine as its slow path, and calls it from its control thread; workers call only what the engine's `Slowpath`
//! names.
//!
//! ```text
//!   vswitchd control thread                         packet workers
//!     add_bridge, add_port, ...   tables.write()      upcall     tables.read()
//!     input(connection, bytes)    control             userspace  events (bounded)
//!     run(now)                    control, datapath
//!     output(connection)          control
//! ```
//!
//! Locks, in the order in which they may be taken: `control` (connections, revalidation; never by workers), `tables`,
//! `events`. The datapath is called with neither `tables` nor `events` held.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};

use weft_base::Time;
use weft_engine::Datapath;
use weft_flow::OfPort;

use crate::config::{BridgeSettings, BundleSettings, ConfigError, PortCounters, PortSettings, PortState};
use crate::tables::Tables;

/// The pipeline.
pub struct Pipeline {
    tables: RwLock<Tables>,
    datapath: OnceLock<Arc<dyn Datapath>>,
    hooks: Hooks,
}

/// What the pipeline needs of the daemon.
pub struct Hooks {
    /// Wake the control thread: there is something for [`Pipeline::run`] or `Pipeline::output`. Called from any thread.
    pub wake: Box<dyn Fn() + Send + Sync>,
    /// Counters of a device's port by interface name, for OFPST_PORT. Called from the control thread, with no lock held.
    pub port_counters: Box<dyn Fn(&str) -> PortCounters + Send + Sync>,
}

impl Default for Hooks {
    fn default() -> Hooks {
        Hooks { wake: Box::new(|| ()), port_counters: Box::new(|_| PortCounters::default()) }
    }
}

impl Pipeline {
    /// An empty pipeline.
    pub fn new(hooks: Hooks) -> Arc<Pipeline> {
        Arc::new(Pipeline { tables: RwLock::default(), datapath: OnceLock::new(), hooks })
    }

    /// Say which datapath caches the verdicts. Once, before the first frame.
    pub fn attach(&self, datapath: Arc<dyn Datapath>) {
        let _ = self.datapath.set(datapath);
    }

    /// Add a bridge without ports.
    ///
    /// # Errors
    /// If there is one of that name.
    pub fn add_bridge(&self, name: &str, settings: BridgeSettings, now: Time) -> Result<(), ConfigError> {
        self.write().add_bridge(name, settings, now)?;
        self.changed();
        Ok(())
    }

    /// Change a bridge's settings.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn set_bridge(&self, name: &str, settings: BridgeSettings, now: Time) -> Result<(), ConfigError> {
        let mut tables = self.write();
        let bridge = tables.bridge_named_mut(name).ok_or_else(|| ConfigError::NoSuchBridge(name.into()))?;
        if bridge.settings != settings {
            bridge.set(settings, now);
            drop(tables);
            self.changed();
        }
        Ok(())
    }

    /// Remove a bridge with its bundles, ports and flows. Its connections are told to close.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn remove_bridge(&self, name: &str) -> Result<(), ConfigError> {
        self.write().remove_bridge(name)?;
        self.changed();
        Ok(())
    }

    /// Add a bundle (a row of Port) to a bridge, or change its settings. Its ports are added one by one.
    ///
    /// # Errors
    /// If there is no such bridge.
    pub fn set_bundle(&self, bridge: &str, settings: BundleSettings) -> Result<(), ConfigError> {
        self.write().set_bundle(bridge, settings)?;
        self.changed();
        Ok(())
    }

    /// Remove a bundle and all its ports.
    ///
    /// # Errors
    /// If there is no such bridge or bundle.
    pub fn remove_bundle(&self, bridge: &str, name: &str, _now: Time) -> Result<(), ConfigError> {
        self.write().remove_bundle(bridge, name)?;
        self.changed();
        Ok(())
    }

    /// Add a port (a row of Interface) to a bundle; returns the OpenFlow port number that it got.
    ///
    /// # Errors
    /// If the bridge or bundle is not there, the name is taken, or no number is free.
    pub fn add_port(
        &self,
        bridge: &str,
        bundle: &str,
        settings: PortSettings,
        now: Time,
    ) -> Result<OfPort, ConfigError> {
        let number = self.write().add_port(bridge, bundle, settings, now)?;
        self.changed();
        Ok(number)
    }

    /// Remove a port. Its bundle stays.
    ///
    /// # Errors
    /// If it is not there.
    pub fn remove_port(&self, bridge: &str, name: &str, _now: Time) -> Result<(), ConfigError> {
        self.write().remove_port(bridge, name)?;
        self.changed();
        Ok(())
    }

    /// A port's link, administrative state, address, speed or MTU changed.
    ///
    /// # Errors
    /// If there is no such port.
    pub fn set_port_state(&self, bridge: &str, name: &str, state: PortState, _now: Time) -> Result<(), ConfigError> {
        let mut tables = self.write();
        let bridge = tables.bridge_named_mut(bridge).ok_or_else(|| ConfigError::NoSuchBridge(bridge.into()))?;
        let number = bridge.port_named(name).map(|p| p.number).ok_or_else(|| ConfigError::NoSuchPort(name.into()))?;
        if let Some(port) = bridge.port_mut(number)
            && port.settings.state != state
        {
            port.settings.state = state;
            bridge.changed();
            drop(tables);
            self.changed();
        }
        Ok(())
    }

    /// The OpenFlow number of a port.
    pub fn port_number(&self, bridge: &str, name: &str) -> Option<OfPort> {
        self.read().bridge_named(bridge)?.port_named(name).map(|p| p.number)
    }

    /// Cached verdicts may be wrong from now on: let the control thread look soon.
    fn changed(&self) {
        (self.hooks.wake)();
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(|e| e.into_inner())
    }
}

/// Lock a mutex whose holders never leave it half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
