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

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use weft_base::Time;
use weft_engine::{Datapath, Upcall};
use weft_flow::OfPort;
use weft_flow::action::FlowSample;
use weft_openflow::group::GroupMod;
use weft_openflow::port::PortReason;
use weft_openflow::{ErrorCode, FlowMod, Message, Version};

use crate::config::{BridgeSettings, BundleSettings, ConfigError, PortCounters, PortSettings, PortState};
use crate::connection::{Connections, features};
use crate::flow_mod;
use crate::liveness::{Machines, Monitoring, Pdu};
use crate::revalidate::{Limits, Revalidator};
use crate::shared::Shared;
use crate::tables::Tables;
use crate::tlv;
use crate::upcall::PacketEvent;

/// The pipeline.
pub struct Pipeline {
    tables: RwLock<Tables>,
    control: Mutex<Control>,
    events: Mutex<VecDeque<PacketEvent>>,
    /// Frames for machines of ports.
    inbox: Mutex<VecDeque<Pdu>>,
    datapath: OnceLock<Arc<dyn Datapath>>,
    hooks: Hooks,
    flow_limit: AtomicUsize,
    /// Something changed that verdicts may rest on.
    dirty: AtomicBool,
    /// How often.
    changes: AtomicU64,
    /// The control thread waits for the first megaflow.
    waits_for_flows: AtomicBool,
    megaflows_off: AtomicBool,
}

/// What only the control thread touches.
pub(crate) struct Control {
    pub connections: Connections,
    pub revalidator: Revalidator,
    /// What rules have in common.
    pub shared: Shared,
    /// What watches links.
    pub machines: Machines,
    /// other_config:bundle-idle-timeout: a bundle untouched for so long goes.
    pub bundle_idle_timeout: Duration,
}

impl Default for Control {
    fn default() -> Control {
        Control {
            connections: Connections::default(),
            revalidator: Revalidator::default(),
            shared: Shared::default(),
            machines: Machines::default(),
            bundle_idle_timeout: Duration::from_secs(10),
        }
    }
}

/// Takes an interface down or up.
pub type SetAdmin = Box<dyn Fn(&str, bool) + Send + Sync>;

/// Takes a sampled frame.
pub type Sample = Box<dyn Fn(&FlowSample, &Upcall<'_>) + Send + Sync>;

/// What the pipeline needs of the daemon.
pub struct Hooks {
    /// Wake the control thread: there is something for [`Pipeline::run`] or [`Pipeline::output`]. Called from any
    /// thread, must not call back.
    pub wake: Box<dyn Fn() + Send + Sync>,
    /// Counters of a device's port by interface name, for OFPST_PORT. Called from the control thread, must not call back.
    pub port_counters: Box<dyn Fn(&str) -> PortCounters + Send + Sync>,
    /// A controller took a port down or up (port mod), by interface name. As above.
    pub set_admin: SetAdmin,
    /// A frame that a `sample` action chose. Called from any thread, must not call back.
    pub sample: Sample,
}

impl Default for Hooks {
    fn default() -> Hooks {
        Hooks {
            wake: Box::new(|| ()),
            port_counters: Box::new(|_| PortCounters::default()),
            set_admin: Box::new(|_, _| ()),
            sample: Box::new(|_, _| ()),
        }
    }
}

impl Pipeline {
    /// An empty pipeline.
    pub fn new(hooks: Hooks) -> Arc<Pipeline> {
        Arc::new(Pipeline {
            tables: RwLock::default(),
            control: Mutex::default(),
            events: Mutex::default(),
            inbox: Mutex::default(),
            datapath: OnceLock::new(),
            hooks,
            flow_limit: AtomicUsize::new(Limits::default().flow_limit),
            dirty: AtomicBool::new(false),
            changes: AtomicU64::new(0),
            waits_for_flows: AtomicBool::new(false),
            megaflows_off: AtomicBool::new(false),
        })
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
        let mut control = self.control();
        let mut tables = self.write();
        let bridge = tables.bridge_named_mut(name).ok_or_else(|| ConfigError::NoSuchBridge(name.into()))?;
        if bridge.settings == settings {
            return Ok(());
        }
        let gone = bridge.set(settings, now);
        let id = bridge.id;
        drop(tables);
        self.changed();
        for (rule, reason) in gone {
            self.rule_removed(&mut control, id, &rule, reason, now);
        }
        Ok(())
    }

    /// Remove a bridge with its bundles, ports and flows. Its connections are told to close.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn remove_bridge(&self, name: &str) -> Result<(), ConfigError> {
        let mut control = self.control();
        let gone = self.write().remove_bridge(name)?;
        gone.ports().for_each(|port| control.machines.remove(&port.settings.name));
        self.close_all(&mut control, gone.id);
        self.changed();
        self.wake();
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
        let mut control = self.control();
        let mut tables = self.write();
        let gone = tables.remove_bundle(bridge, name)?;
        let id = tables.bridge_named(bridge).map(|b| b.id);
        drop(tables);
        gone.iter().for_each(|port| control.machines.remove(&port.settings.name));
        self.changed();
        for (id, port) in gone.iter().filter_map(|port| Some((id?, port))) {
            self.port_changed(&mut control, id, PortReason::Delete, port);
        }
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
        self.add_watched_port(bridge, bundle, settings, Monitoring::default(), now)
    }

    /// As [`Pipeline::add_port`], with something that watches its link from the first moment.
    ///
    /// # Errors
    /// As there.
    pub fn add_watched_port(
        &self,
        bridge: &str,
        bundle: &str,
        settings: PortSettings,
        monitoring: Monitoring,
        now: Time,
    ) -> Result<OfPort, ConfigError> {
        let mut control = self.control();
        let mut tables = self.write();
        let name = settings.name.clone();
        let number = tables.add_port(bridge, bundle, settings, now)?;
        if let Some(port) = tables.bridge_named_mut(bridge).and_then(|bridge| bridge.port_mut(number)) {
            port.link_works = control.machines.set(&name, monitoring.clone(), now);
            port.monitoring = monitoring;
        }
        drop(tables);
        self.changed();
        let tables = self.read();
        if let Some(bridge) = tables.bridge_named(bridge)
            && let Some(port) = bridge.port(number)
        {
            self.port_changed(&mut control, bridge.id, PortReason::Add, port);
        }
        Ok(number)
    }

    /// Remove a port. Its bundle stays.
    ///
    /// # Errors
    /// If it is not there.
    pub fn remove_port(&self, bridge: &str, name: &str, _now: Time) -> Result<(), ConfigError> {
        let mut control = self.control();
        let mut tables = self.write();
        let port = tables.remove_port(bridge, name)?;
        control.machines.remove(name);
        let id = tables.bridge_named(bridge).map(|b| b.id);
        drop(tables);
        self.changed();
        if let Some(id) = id {
            self.port_changed(&mut control, id, PortReason::Delete, &port);
        }
        Ok(())
    }

    /// A patch port leads elsewhere from now on.
    ///
    /// # Errors
    /// If there is no such patch port.
    pub fn set_patch_peer(&self, bridge: &str, name: &str, peer: &str) -> Result<(), ConfigError> {
        self.write().set_patch_peer(bridge, name, peer)?;
        self.changed();
        Ok(())
    }

    /// A port's link, administrative state, address, speed or MTU changed.
    ///
    /// # Errors
    /// If there is no such port.
    pub fn set_port_state(&self, bridge: &str, name: &str, state: PortState, now: Time) -> Result<(), ConfigError> {
        let mut control = self.control();
        let mut tables = self.write();
        let bridge = tables.bridge_named_mut(bridge).ok_or_else(|| ConfigError::NoSuchBridge(bridge.into()))?;
        let number = bridge.port_named(name).map(|p| p.number).ok_or_else(|| ConfigError::NoSuchPort(name.into()))?;
        if let Some(port) = bridge.port_mut(number)
            && port.settings.state != state
        {
            let before = features::port_desc(port);
            port.settings.state = state;
            let desc = features::port_desc(port);
            bridge.changed();
            let id = bridge.id;
            drop(tables);
            self.changed();
            if desc != before {
                self.port_status(&mut control, id, PortReason::Modify, desc, now);
            }
        }
        Ok(())
    }

    /// Do what a flow mod says, as if a controller of OpenFlow 1.0 had sent it (for restoring flows after a restart).
    ///
    /// # Errors
    /// The error that the controller would get; `OFPBRC_EPERM` if there is no such bridge.
    pub fn program(&self, bridge: &str, todo: FlowMod, now: Time) -> Result<(), ErrorCode> {
        let mut message = Message::FlowMod(todo);
        if tlv::speaks_of_options(&mut message) {
            let tables = self.read();
            tlv::bind(&mut message, &tables.bridge_named(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?.tlv)?;
        }
        let Message::FlowMod(mut todo) = message else { return Ok(()) };
        let mut control = self.control();
        let ready = flow_mod::prepare(&mut todo, Version::V10, &mut control.shared, now)?;
        let mut tables = self.write();
        let bridge = tables.bridge_named_mut(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?;
        let id = bridge.id;
        let mut changes = Vec::new();
        let outcome = flow_mod::apply(&mut bridge.flows, &ready, now, &mut changes);
        let waste = bridge.flows.take_waste();
        drop(tables);
        drop(waste); // a million flows that went take a while
        // what was evicted in vain is gone all the same
        self.changes_made(&mut control, None, id, &changes, now);
        outcome
    }

    /// Do what a group mod says, as if a controller had sent it (for restoring groups after a restart).
    ///
    /// # Errors
    /// The error that the controller would get; `OFPBRC_EPERM` if there is no such bridge.
    pub fn program_group(&self, bridge: &str, todo: &GroupMod, now: Time) -> Result<(), ErrorCode> {
        let mut control = self.control();
        let mut tables = self.write();
        let bridge = tables.bridge_named_mut(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?;
        let id = bridge.id;
        let mut changes = Vec::new();
        crate::group::modify::apply(&mut bridge.flows, todo, now, &mut changes)?;
        drop(tables);
        self.changes_made(&mut control, None, id, &changes, now);
        Ok(())
    }

    /// The OpenFlow number of a port.
    pub fn port_number(&self, bridge: &str, name: &str) -> Option<OfPort> {
        self.read().bridge_named(bridge)?.port_named(name).map(|p| p.number)
    }

    /// Cached verdicts may be wrong from now on: let the control thread look soon.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        if !self.dirty.swap(true, Ordering::AcqRel) {
            self.wake();
        }
    }

    /// How often something has changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire)
    }

    pub(crate) fn clear_dirty(&self) {
        self.dirty.store(false, Ordering::Release);
    }

    pub(crate) fn wake(&self) {
        (self.hooks.wake)();
    }

    /// A worker is about to install a megaflow: someone must be there to expire it.
    pub(crate) fn flow_installed(&self) {
        if self.waits_for_flows.load(Ordering::Acquire) && self.waits_for_flows.swap(false, Ordering::AcqRel) {
            self.wake();
        }
    }

    pub(crate) fn sleep_until_flows(&self) {
        self.waits_for_flows.store(true, Ordering::Release);
    }

    pub(crate) fn limit(&self) -> usize {
        self.flow_limit.load(Ordering::Relaxed)
    }

    pub(crate) fn set_limit(&self, limit: usize) {
        self.flow_limit.store(limit, Ordering::Relaxed);
    }

    pub(crate) fn megaflows_disabled(&self) -> bool {
        self.megaflows_off.load(Ordering::Relaxed)
    }

    pub(crate) fn disable_megaflows(&self, off: bool) {
        self.megaflows_off.store(off, Ordering::Relaxed);
    }

    pub(crate) fn events(&self) -> &Mutex<VecDeque<PacketEvent>> {
        &self.events
    }

    pub(crate) fn inbox(&self) -> &Mutex<VecDeque<Pdu>> {
        &self.inbox
    }

    pub(crate) fn datapath(&self) -> Option<&Arc<dyn Datapath>> {
        self.datapath.get()
    }

    pub(crate) fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    pub(crate) fn control(&self) -> MutexGuard<'_, Control> {
        lock(&self.control)
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
