//! What: the OpenFlow side of the owner: which sockets a bridge has, who is connected, and the bytes between them
//! and the pipeline.
//!
//! ```text
//!   Bridge ── BRIDGE.mgmt, BRIDGE.snoop, p*: targets ── listeners ──┐
//!          └─ active targets ── Reconnect ── dials ─────────────────┴─ Link <──> pipeline connection
//! ```
//!
//! How: [`Owner::reconcile_controllers`] makes the sockets what the rows ask for; [`links`] carries what happens on them;
//! [`modes`] decides who forwards when nobody is there, and how controllers are reached; [`standing`] is what the rows say.
//!
//! Invariants: a link is known to the pipeline exactly as long as its socket is open here. A target that goes takes its
//! connections with it.

mod links;
mod modes;
mod standing;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use weft_base::Time;
use weft_jsonrpc::address::{Address, Passive, Remote};
use weft_jsonrpc::rundir;
use weft_jsonrpc::session::bare;
use weft_pipeline::{ConnectionId, ConnectionKind, ConnectionSettings};

use super::Owner;
use crate::config::{BridgeConfig, ControllerConfig, ControllerKind, Protocol};
use crate::serve::{ConnId, Dialing, ListenerId, OpenFlowListener, Outbox, Reconnect};
use modes::Mode;

/// All OpenFlow sockets.
#[derive(Default)]
pub struct Controllers {
    listeners: BTreeMap<ListenerId, Listening>,
    actives: BTreeMap<(String, String), Active>,
    links: HashMap<ConnId, Link>,
    by_pipeline: HashMap<ConnectionId, ConnId>,
    /// Per bridge: the versions that its connections were made with.
    versions: BTreeMap<String, Vec<Protocol>>,
    modes: BTreeMap<String, Mode>,
    next: u64,
    pub(super) due: Option<Time>,
}

/// A listening socket of a bridge.
struct Listening {
    bridge: String,
    target: String,
    kind: ConnectionKind,
    settings: Option<ControllerConfig>,
    /// Listens as long as it is kept; `None` if it could not be opened.
    socket: Option<OpenFlowListener>,
}

/// A target that we connect to.
struct Active {
    config: ControllerConfig,
    machine: Reconnect,
    dial: Option<Dialing>,
    link: Option<ConnId>,
    /// When it was last in charge; when it was configured, if never.
    contact: Time,
    /// It is in charge now.
    in_charge: bool,
}

/// A connection.
struct Link {
    id: ConnectionId,
    out: Outbox,
    bridge: String,
    name: String,
    /// HELLOs were exchanged.
    up: bool,
    /// The listener that it came through; `None`: we connected.
    listener: Option<ListenerId>,
}

impl Controllers {
    /// How many peers are connected.
    pub fn connections(&self) -> usize {
        self.links.values().filter(|link| link.up).count()
    }

    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Owner {
    /// Opens and closes sockets so that they are what the bridges ask for.
    pub(super) fn reconcile_controllers(&mut self) {
        let bridges: BTreeMap<String, Arc<BridgeConfig>> =
            self.switch.running.bridges.iter().map(|(name, bridge)| (name.clone(), bridge.config.clone())).collect();
        self.forget_outdated(&bridges);
        for (name, config) in &bridges {
            let restarted = self.restart_for_versions(config);
            let restoring = self.reader.desired().switch.flow_restore_wait;
            for controller in config.controllers.values().filter(|controller| permitted(name, controller)) {
                match &controller.remote {
                    Remote::Passive(at) => self.listen_for(name, controller, at),
                    Remote::Active(_) if !restoring => self.connect_to(name, controller, restarted),
                    Remote::Active(_) => {}
                }
            }
            self.listen_management(name);
            if !self.has_controller(name) {
                self.dismiss_snoops(name);
            }
        }
        self.controllers.versions = bridges.iter().map(|(name, c)| (name.clone(), c.protocols.clone())).collect();
        self.controllers.modes.retain(|name, _| bridges.contains_key(name));
        self.modes_turn(true);
        self.report_controllers();
    }

    /// Sockets that nobody asks for any more.
    fn forget_outdated(&mut self, bridges: &BTreeMap<String, Arc<BridgeConfig>>) {
        let restoring = self.reader.desired().switch.flow_restore_wait;
        let wanted = |bridge: &str, target: &str| {
            bridges
                .get(bridge)
                .and_then(|config| config.controllers.get(target))
                .filter(|c| permitted_quietly(bridge, c))
        };
        let listeners = self.controllers.listeners.iter();
        let gone = listeners.filter(|(_, listening)| match &listening.settings {
            None => !bridges.contains_key(&listening.bridge),
            Some(_) => wanted(&listening.bridge, &listening.target).is_none(),
        });
        for id in gone.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.stop_listening(id);
        }
        let actives = self.controllers.actives.keys();
        let gone = actives.filter(|(bridge, target)| restoring || wanted(bridge, target).is_none());
        for key in gone.cloned().collect::<Vec<_>>() {
            if let Some(active) = self.controllers.actives.remove(&key) {
                let kind = word(active.config.kind);
                tracing::info!(target: "connmgr", "{}: removed {kind} controller \"{}\"", key.0, key.1);
                active.link.inspect(|link| self.hang_up(*link));
            }
        }
    }

    /// A bridge that speaks other versions from now on starts all its connections anew. Says whether it did.
    fn restart_for_versions(&mut self, config: &BridgeConfig) -> bool {
        let name = &config.name;
        if self.controllers.versions.get(name).is_none_or(|versions| *versions == config.protocols) {
            return false;
        }
        let listeners = self.controllers.listeners.iter().filter(|(_, l)| l.bridge == *name);
        let listeners: Vec<_> = listeners.filter(|(_, l)| l.kind != ConnectionKind::Snoop).collect();
        let through: Vec<ListenerId> = listeners.iter().map(|(id, _)| **id).collect();
        let mut targets: Vec<String> = listeners.iter().map(|(_, listening)| listening.target.clone()).collect();
        let keys: Vec<_> = self.controllers.actives.keys().filter(|(bridge, _)| bridge == name).cloned().collect();
        targets.extend(keys.iter().map(|(_, target)| target.clone()));
        for target in targets {
            let what = "expects re-initialization: Re-initializing now.";
            tracing::info!(target: "connmgr", "{name}: Changes to controller \"{target}\" {what}");
        }
        // Their sockets stay: who comes from now on is greeted with the new versions.
        let came = |link: &Link| link.listener.is_some_and(|id| through.contains(&id));
        let links = self.controllers.links.iter().filter(|(_, link)| came(link)).map(|(id, _)| *id);
        for link in links.collect::<Vec<_>>() {
            self.hang_up(link);
        }
        for key in keys {
            if let Some(link) = self.controllers.actives.get_mut(&key).and_then(|active| active.link.take()) {
                self.hang_up(link);
            }
        }
        true
    }

    fn listen_management(&mut self, bridge: &str) {
        for (suffix, kind) in [("mgmt", ConnectionKind::Service), ("snoop", ConnectionKind::Snoop)] {
            let path = rundir::run_dir().join(format!("{bridge}.{suffix}"));
            let target = format!("punix:{}", path.display());
            if self
                .controllers
                .listeners
                .values()
                .any(|listening| listening.target == target && listening.socket.is_some())
            {
                continue;
            }
            // One that could not be opened is tried again with each new configuration.
            self.controllers.listeners.retain(|_, listening| listening.target != target);
            if suffix == "mgmt" {
                tracing::info!(target: "connmgr", "{bridge}: added service controller \"{target}\"");
            }
            self.listen(bridge, &target, kind, None, &Passive::Unix(path));
        }
    }

    /// There is nobody any more whose messages could be seen.
    fn dismiss_snoops(&mut self, bridge: &str) {
        let is_snoop = |link: &Link| {
            let listening = link.listener.and_then(|id| self.controllers.listeners.get(&id));
            listening.is_some_and(|l| l.bridge == bridge && l.kind == ConnectionKind::Snoop)
        };
        let links = self.controllers.links.iter().filter(|(_, link)| is_snoop(link)).map(|(id, _)| *id);
        for link in links.collect::<Vec<_>>() {
            self.hang_up(link);
        }
    }

    fn listen_for(&mut self, bridge: &str, controller: &ControllerConfig, at: &Passive) {
        let same = |l: &&mut Listening| l.bridge == bridge && l.target == controller.target && l.settings.is_some();
        if let Some(listening) = self.controllers.listeners.values_mut().find(same)
            && listening.socket.is_some()
        {
            listening.settings = Some(controller.clone());
            return;
        }
        let failed = |l: &Listening| l.bridge == bridge && l.target == controller.target && l.socket.is_none();
        self.controllers.listeners.retain(|_, listening| !failed(listening));
        tracing::info!(target: "connmgr", "{bridge}: added {} controller \"{}\"", word(controller.kind), controller.target);
        let kind = pipelines(controller.kind);
        self.listen(bridge, &controller.target, kind, Some(controller.clone()), at);
    }

    fn listen(
        &mut self,
        bridge: &str,
        target: &str,
        kind: ConnectionKind,
        settings: Option<ControllerConfig>,
        at: &Passive,
    ) {
        let id = ListenerId(self.controllers.fresh());
        let dscp = settings.as_ref().map(|config| config.dscp);
        let socket = OpenFlowListener::bind(self.sockets.handle(), id, at, dscp, self.events.clone());
        if let Err(error) = &socket {
            tracing::error!(target: "connmgr", "{bridge}: failed to listen on {target}: {}", bare(error));
        }
        let (bridge, target, socket) = (bridge.to_owned(), target.to_owned(), socket.ok());
        self.controllers.listeners.insert(id, Listening { bridge, target, kind, settings, socket });
    }

    /// Closes a listener and the connections that came through it.
    fn stop_listening(&mut self, id: ListenerId) {
        let Some(gone) = self.controllers.listeners.remove(&id) else { return };
        if gone.kind != ConnectionKind::Snoop {
            let kind = gone.settings.map_or("service", |settings| word(settings.kind));
            tracing::info!(target: "connmgr", "{}: removed {kind} controller \"{}\"", gone.bridge, gone.target);
        }
        let links = self.controllers.links.iter().filter(|(_, link)| link.listener == Some(id));
        for link in links.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.hang_up(link);
        }
    }

    fn connect_to(&mut self, bridge: &str, controller: &ControllerConfig, restarted: bool) {
        let now = self.now();
        let key = (bridge.to_owned(), controller.target.clone());
        let tell = || {
            let kind = word(controller.kind);
            tracing::info!(target: "connmgr", "{bridge}: added {kind} controller \"{}\"", controller.target);
        };
        let queue_size = self.queue_size(bridge);
        if let Some(active) = self.controllers.actives.get_mut(&key) {
            active.machine.set_limits(controller.max_backoff);
            if restarted || active.config.kind != controller.kind || active.config.dscp != controller.dscp {
                tell();
                active.machine = Reconnect::new(now, controller.max_backoff);
                active.dial = None;
                let link = active.link.take();
                active.config = controller.clone();
                link.inspect(|link| self.hang_up(*link));
            } else {
                active.config = controller.clone();
                let id = active.link.and_then(|link| self.controllers.links.get(&link)).map(|link| link.id);
                let settings = settings(controller, queue_size, &controller.target);
                id.inspect(|id| self.switch.pipeline.reconfigure_connection(*id, settings, now));
            }
            return;
        }
        tell();
        let machine = Reconnect::new(now, controller.max_backoff);
        let config = controller.clone();
        self.controllers
            .actives
            .insert(key, Active { config, machine, dial: None, link: None, contact: now, in_charge: false });
    }

    /// How many packet-ins may wait for a peer of the bridge whose row does not say.
    fn queue_size(&self, bridge: &str) -> usize {
        let running = self.switch.running.bridges.get(bridge);
        running.map_or(100, |running| running.config.controller_queue_size as usize)
    }

    /// Ends a connection from our side.
    fn hang_up(&mut self, id: ConnId) {
        if let Some(link) = self.controllers.links.remove(&id) {
            self.controllers.by_pipeline.remove(&link.id);
            self.switch.pipeline.disconnect(link.id);
        }
        if let Some(active) = self.controllers.actives.values_mut().find(|active| active.link == Some(id)) {
            active.link = None;
        }
    }

    /// Makes a bridge, or all of them, drop its controllers and connect anew.
    pub fn reconnect_controllers(&mut self, bridge: Option<&str>) {
        let now = self.now();
        let listeners = &self.controllers.listeners;
        let of_controller = |link: &Link| match link.listener {
            None => true,
            Some(id) => listeners.get(&id).is_some_and(|listening| listening.settings.is_some()),
        };
        let links = self.controllers.links.iter();
        let meant = links.filter(|(_, link)| of_controller(link) && bridge.is_none_or(|bridge| bridge == link.bridge));
        for id in meant.map(|(id, _)| *id).collect::<Vec<_>>() {
            if let Some(((bridge, target), active)) =
                self.controllers.actives.iter_mut().find(|(_, active)| active.link == Some(id))
            {
                tracing::info!(target: "rconn", "{bridge}<->{target}: disconnecting");
                active.machine = Reconnect::new(now, active.config.max_backoff);
            }
            self.hang_up(id);
        }
        self.report_controllers();
    }

    pub(super) fn controllers_deadline(&self) -> Option<Time> {
        let machines = self.controllers.actives.values().filter_map(|active| active.machine.next_deadline());
        machines.chain(self.modes_deadline()).min()
    }

    pub(super) fn pipeline_deadline(&self) -> Option<Time> {
        self.controllers.due
    }

    pub(super) fn close_controllers(&mut self) {
        self.flush_connections();
        self.controllers = Controllers::default();
    }
}

/// A controller's settings in the pipeline's words; `queue_size` is that of its bridge.
fn settings(config: &ControllerConfig, queue_size: usize, name: &str) -> ConnectionSettings {
    let rate = config.rate_limit.map(|rate| (rate, config.burst_limit.unwrap_or(rate / 4).max(1)));
    ConnectionSettings {
        probe_interval: probe_interval(config),
        packet_in_limit: rate,
        queue_size: config.queue_size.map_or(queue_size, |size| size as usize),
        async_messages: config.async_messages,
        ..ConnectionSettings::new(pipelines(config.kind), name)
    }
}

/// How long a controller may be silent; shorter intervals would only bother one that is busy.
fn probe_interval(config: &ControllerConfig) -> Option<std::time::Duration> {
    config.inactivity_probe.map(|probe| probe.max(SHORTEST_PROBE))
}

fn pipelines(kind: ControllerKind) -> ConnectionKind {
    match kind {
        ControllerKind::Primary => ConnectionKind::Controller,
        ControllerKind::Service => ConnectionKind::Service,
    }
}

/// What logs call a controller of this kind.
fn word(kind: ControllerKind) -> &'static str {
    match kind {
        ControllerKind::Primary => "primary",
        ControllerKind::Service => "service",
    }
}

/// Whether a row may name this socket; if not, the log says why. Whoever may write to the database must not reach files and
/// sockets of the machine by it.
fn permitted(bridge: &str, controller: &ControllerConfig) -> bool {
    let ok = permitted_quietly(bridge, controller);
    let (dir, target) = (rundir::run_dir(), &controller.target);
    let or = format!("unix:{}\" (which is always available without special configuration)", file(&dir, bridge, "mgmt"));
    match &controller.remote {
        Remote::Passive(_) if !ok => {
            let why = "due to possibility of overwriting local files. Instead, specify path in permitted format";
            let format = file(&dir, bridge, "*");
            tracing::error!(
                target: "bridge",
                "bridge {bridge}: Not adding Unix domain socket controller \"{target}\" {why} \"punix:{format}\" or connect to \"{or}."
            );
        }
        Remote::Active(_) if !ok => {
            let why = "due to possibility for remote exploit.  Instead, specify socket in permitted directory";
            let dir = dir.display();
            tracing::error!(
                target: "bridge",
                "bridge {bridge}: Not connecting to socket controller \"{target}\" {why} \"unix:{dir}/\" or connect to \"{or}."
            );
        }
        Remote::Active(_) | Remote::Passive(_) => {}
    }
    ok
}

fn permitted_quietly(bridge: &str, controller: &ControllerConfig) -> bool {
    let dir = rundir::run_dir();
    let climbs = |path: &Path| path.components().any(|part| part == std::path::Component::ParentDir);
    match &controller.remote {
        Remote::Active(Address::Unix(path)) => path.starts_with(&dir) && !climbs(path),
        Remote::Passive(Passive::Unix(path)) => {
            path.display().to_string().starts_with(&file(&dir, bridge, "")) && !climbs(path)
        }
        Remote::Active(_) | Remote::Passive(_) => true,
    }
}

fn file(dir: &Path, bridge: &str, suffix: &str) -> String {
    dir.join(format!("{bridge}.{suffix}")).display().to_string()
}

/// The shortest interval between probes, and what a disabled probe counts as.
const SHORTEST_PROBE: std::time::Duration = std::time::Duration::from_secs(5);
