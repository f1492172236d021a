//! What: the OpenFlow side of the owner: which sockets a bridge has, who is connected, and the bytes between them
//! and the pipeline.
//!
//! ```text
//!   Bridge ── BRIDGE.mgmt, BRIDGE.snoop, p*: targets ── listeners ──┐
//!          └─ active targets ── Reconnect ── dials ─────────────────┴─ Link <──> pipeline connection
//! ```
//!
//! Invariants: a link is known to the pipeline exactly as long as its socket is open here.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use weft_base::Time;
use weft_jsonrpc::address::{Passive, Remote};
use weft_jsonrpc::rundir;
use weft_pipeline::{ConnectionId, ConnectionKind, ConnectionSettings};

use super::Owner;
use super::wire_log::log_messages;
use crate::config::{BridgeConfig, ControllerConfig, ControllerKind};
use crate::serve::{ConnId, Connection, Dial, ListenerId, Net, OpenFlowListener, Outbox, Reconnect, ReconnectEvent};

/// All OpenFlow sockets.
#[derive(Default)]
pub struct Controllers {
    listeners: BTreeMap<ListenerId, Listening>,
    actives: BTreeMap<(String, String), Active>,
    links: HashMap<ConnId, Link>,
    by_pipeline: HashMap<ConnectionId, ConnId>,
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
    _socket: Option<OpenFlowListener>,
}

/// A target that we connect to.
struct Active {
    config: ControllerConfig,
    machine: Reconnect,
    dial: Option<Dial>,
    link: Option<ConnId>,
}

/// A connection.
struct Link {
    id: ConnectionId,
    out: Outbox,
    bridge: String,
    name: String,
    /// The active target that it belongs to.
    target: Option<String>,
}

/// How a controller of a bridge stands, for its row.
pub struct Standing {
    /// Its settings.
    pub config: ControllerConfig,
    /// Is anybody connected?
    pub connected: bool,
    /// The pipeline's connection.
    pub connection: Option<ConnectionId>,
    /// The keys of `status`.
    pub status: Vec<(&'static str, String)>,
}

impl Controllers {
    /// How many peers are connected.
    pub fn connections(&self) -> usize {
        self.links.len()
    }

    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// All configured controllers, as they stand at `now`.
    pub fn standings(&self, now: Time) -> Vec<Standing> {
        let mut all: Vec<Standing> = self.actives.values().map(|active| active.standing(&self.links, now)).collect();
        for listening in self.listeners.values() {
            let Some(config) = listening.settings.clone() else { continue };
            let connected = self.links.values().any(|link| {
                link.bridge == listening.bridge && link.target.as_deref() == Some(listening.target.as_str())
            });
            let state = if connected { "ACTIVE" } else { "BACKOFF" };
            all.push(Standing { config, connected, connection: None, status: vec![("state", state.to_owned())] });
        }
        all
    }
}

impl Active {
    fn standing(&self, links: &HashMap<ConnId, Link>, now: Time) -> Standing {
        let mut status = vec![("state", self.machine.state_name().to_owned())];
        let (connected, disconnected) = self.machine.history();
        let seconds = |then: Time| now.since(then).as_secs().to_string();
        status.extend(connected.map(|then| ("sec_since_connect", seconds(then))));
        status.extend(disconnected.map(|then| ("sec_since_disconnect", seconds(then))));
        status.extend(self.machine.last_error().map(|error| ("last_error", error.to_owned())));
        Standing {
            config: self.config.clone(),
            connected: self.machine.is_connected(),
            connection: self.link.and_then(|link| links.get(&link)).map(|link| link.id),
            status,
        }
    }
}

impl Owner {
    /// Opens and closes sockets so that they are what the bridges ask for.
    pub(super) fn reconcile_controllers(&mut self) {
        let bridges: BTreeMap<String, Arc<BridgeConfig>> =
            self.switch.running.bridges.iter().map(|(name, bridge)| (name.clone(), bridge.config.clone())).collect();
        let wanted = |bridge: &str, target: &str| bridges.get(bridge).and_then(|config| config.controllers.get(target));
        let restoring = self.reader.desired().switch.flow_restore_wait;
        self.controllers.listeners.retain(|_, listening| match &listening.settings {
            None => bridges.contains_key(&listening.bridge),
            Some(_) => wanted(&listening.bridge, &listening.target).is_some(),
        });
        let gone: Vec<(String, String)> = self
            .controllers
            .actives
            .keys()
            .filter(|(bridge, target)| wanted(bridge, target).is_none() || restoring)
            .cloned()
            .collect();
        for key in gone {
            if let Some(active) = self.controllers.actives.remove(&key)
                && let Some(link) = active.link
            {
                self.hang_up(link);
            }
        }
        for (name, config) in &bridges {
            self.listen_management(name);
            for controller in config.controllers.values() {
                match &controller.remote {
                    Remote::Passive(at) => self.listen_for(name, controller, at),
                    Remote::Active(_) if !restoring => self.connect_to(name, controller),
                    Remote::Active(_) => {}
                }
            }
        }
        self.controllers_changed();
    }

    fn listen_management(&mut self, bridge: &str) {
        for (suffix, kind) in [("mgmt", ConnectionKind::Service), ("snoop", ConnectionKind::Snoop)] {
            let path = rundir::run_dir().join(format!("{bridge}.{suffix}"));
            let target = format!("punix:{}", path.display());
            if self.controllers.listeners.values().any(|listening| listening.target == target) {
                continue;
            }
            if suffix == "mgmt" {
                tracing::info!(target: "connmgr", "{bridge}: added service controller \"{target}\"");
            }
            self.listen(bridge, &target, kind, None, &Passive::Unix(path));
        }
    }

    fn listen_for(&mut self, bridge: &str, controller: &ControllerConfig, at: &Passive) {
        let same = |l: &&mut Listening| l.bridge == bridge && l.target == controller.target && l.settings.is_some();
        if let Some(listening) = self.controllers.listeners.values_mut().find(same) {
            listening.settings = Some(controller.clone());
            return;
        }
        tracing::info!(target: "connmgr", "{bridge}: added service controller \"{}\"", controller.target);
        self.listen(bridge, &controller.target, ConnectionKind::Service, Some(controller.clone()), at);
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
        let socket = OpenFlowListener::bind(self.sockets.handle(), id, at, self.events.clone());
        let socket = match socket {
            Ok(socket) => {
                if let Passive::Tcp { port, .. } = socket.local {
                    tracing::info!(target: "socket_util", "{}: listening on port {port}", at.target());
                }
                Some(socket)
            }
            Err(error) => {
                let why = weft_jsonrpc::session::bare(&error);
                tracing::error!(target: "connmgr", "failed to listen on {target}: {why}");
                None
            }
        };
        let (bridge, target) = (bridge.to_owned(), target.to_owned());
        self.controllers.listeners.insert(id, Listening { bridge, target, kind, settings, _socket: socket });
    }

    fn connect_to(&mut self, bridge: &str, controller: &ControllerConfig) {
        let now = self.now();
        let key = (bridge.to_owned(), controller.target.clone());
        if let Some(active) = self.controllers.actives.get_mut(&key) {
            active.machine.set_limits(controller.max_backoff);
            active.config = controller.clone();
            return;
        }
        let kind = if controller.kind == ControllerKind::Primary { "primary" } else { "service" };
        tracing::info!(target: "connmgr", "{bridge}: added {kind} controller \"{}\"", controller.target);
        let machine = Reconnect::new(now, controller.max_backoff);
        self.controllers.actives.insert(key, Active { config: controller.clone(), machine, dial: None, link: None });
    }

    pub(super) fn on_net(&mut self, net: Net) {
        let now = self.now();
        match net {
            Net::Accepted(listener, connection) => self.accepted(listener, connection),
            Net::Dialed(dial, outcome) => self.dialed(dial, outcome),
            Net::Frame(id, bytes) => {
                let Some(link) = self.controllers.links.get(&id) else { return };
                log_messages(&link.name, "received", &bytes);
                self.switch.pipeline.input(link.id, &bytes, now);
                if let [theirs, HELLO, ..] = bytes[..] {
                    let status = self.switch.pipeline.connection_status(link.id);
                    if let Some(version) = status.and_then(|status| status.version) {
                        tracing::debug!(
                            target: "vconn",
                            "{}: negotiated OpenFlow version {:#04x} (we support version 0x06 and earlier, peer supports version {theirs:#04x})",
                            link.name,
                            version as u8
                        );
                    }
                }
            }
            Net::Drained(_) => {}
            Net::Closed(id, reason) => self.closed(id, &reason),
        }
        self.flush_connections();
    }

    fn accepted(&mut self, listener: ListenerId, connection: Connection) {
        let Some(listening) = self.controllers.listeners.get(&listener) else { return };
        let mut settings = match &listening.settings {
            Some(config) => settings(config, &connection.peer),
            None => ConnectionSettings::new(listening.kind, &connection.peer),
        };
        settings.kind = listening.kind;
        let (bridge, target) = (listening.bridge.clone(), listening.settings.as_ref().map(|c| c.target.clone()));
        self.link(bridge, target, settings, connection);
    }

    fn dialed(&mut self, dial: Dial, outcome: Result<Connection, String>) {
        let now = self.now();
        let Some((key, active)) = self.controllers.actives.iter_mut().find(|(_, active)| active.dial == Some(dial))
        else {
            return;
        };
        active.dial = None;
        let (bridge, target) = key.clone();
        match outcome {
            Ok(connection) => {
                tracing::info!(target: "rconn", "{bridge}<->{target}: connected");
                active.machine.on_connected(now);
                active.link = Some(connection.id);
                let settings = settings(&active.config, &target);
                self.link(bridge, Some(target), settings, connection);
            }
            Err(reason) => {
                tracing::warn!(target: "rconn", "{bridge}<->{target}: connection failed ({reason})");
                active.machine.on_lost(now, &reason);
                log_backoff(&bridge, &target, &active.machine, now);
            }
        }
        self.controllers_changed();
    }

    fn link(&mut self, bridge: String, target: Option<String>, settings: ConnectionSettings, connection: Connection) {
        let name = settings.name.clone();
        let Ok(id) = self.switch.pipeline.connect(&bridge, settings, self.now()) else { return };
        self.controllers.by_pipeline.insert(id, connection.id);
        self.controllers.links.insert(connection.id, Link { id, out: connection.out, bridge, name, target });
    }

    fn closed(&mut self, id: ConnId, reason: &str) {
        let now = self.now();
        let Some(link) = self.controllers.links.remove(&id) else { return };
        self.controllers.by_pipeline.remove(&link.id);
        self.switch.pipeline.disconnect(link.id);
        let active = self.controllers.actives.iter_mut().find(|(_, active)| active.link == Some(id));
        match active {
            Some(((bridge, target), active)) => {
                tracing::info!(target: "rconn", "{bridge}<->{target}: {reason}");
                active.link = None;
                active.machine.on_lost(now, reason);
                log_backoff(bridge, target, &active.machine, now);
            }
            None => tracing::debug!(target: "vconn", "{}<->{}: {reason}", link.bridge, link.name),
        }
        self.controllers_changed();
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
        let links: Vec<ConnId> = self
            .controllers
            .links
            .iter()
            .filter(|(_, link)| link.target.is_some() && bridge.is_none_or(|bridge| bridge == link.bridge))
            .map(|(id, _)| *id)
            .collect();
        for id in links {
            if let Some(active) = self.controllers.actives.values_mut().find(|active| active.link == Some(id)) {
                active.machine.on_lost(now, "forced reconnect");
            }
            self.hang_up(id);
        }
        self.controllers_changed();
    }

    /// What is due: attempts to connect, the pipeline's own deadlines; then sends what is queued.
    pub(super) fn controllers_turn(&mut self) {
        let now = self.now();
        self.drive_machines(now);
        let due = self.switch.pipeline.run(now);
        self.switch.pipeline.ran(self.now().since(now));
        self.controllers.due = (due < Time::MAX).then_some(due);
        self.flush_connections();
    }

    fn drive_machines(&mut self, now: Time) {
        let mut to_hang_up = Vec::new();
        for ((bridge, target), active) in &mut self.controllers.actives {
            match active.machine.on_deadline(now) {
                None => {}
                Some(ReconnectEvent::Dial) => {
                    let Remote::Active(address) = active.config.remote.clone() else { continue };
                    tracing::info!(target: "rconn", "{bridge}<->{target}: connecting...");
                    self.controllers.next += 1;
                    let dial = Dial(self.controllers.next);
                    active.dial = Some(dial);
                    dial.start(self.sockets.handle(), address, self.events.clone());
                }
                Some(ReconnectEvent::Abandon) => {
                    tracing::info!(target: "rconn", "{bridge}<->{target}: connection timed out");
                    active.dial = None;
                    log_backoff(bridge, target, &active.machine, now);
                }
            }
            to_hang_up.extend(active.link.filter(|_| !active.machine.is_connected()));
        }
        to_hang_up.into_iter().for_each(|id| self.hang_up(id));
    }

    /// Hands what the pipeline has queued to the sockets, and ends what it is done with.
    pub(super) fn flush_connections(&mut self) {
        for id in self.switch.pipeline.pending() {
            let Some(conn) = self.controllers.by_pipeline.get(&id).copied() else { continue };
            let Some(link) = self.controllers.links.get(&conn) else { continue };
            // A peer that does not read: what it is owed stays in the pipeline, which drops what may be dropped.
            loop {
                if link.out.waiting() >= MOST_WAITING {
                    link.out.has_more();
                    if link.out.waiting() >= MOST_WAITING {
                        break;
                    }
                }
                let bytes = self.switch.pipeline.output(id);
                if bytes.is_empty() {
                    break;
                }
                log_messages(&link.name, "sent (Success)", &bytes);
                link.out.send(bytes);
            }
            if self.switch.pipeline.connection_status(id).is_none_or(|status| status.closing) {
                self.closed(conn, "connection closed by switch");
            }
        }
    }

    /// Tells bridges whether a primary controller is there.
    fn controllers_changed(&mut self) {
        let bridges: Vec<String> = self.switch.bridges.keys().cloned().collect();
        for bridge in bridges {
            let connected = self.controllers.actives.iter().any(|((of, _), active)| {
                *of == bridge && active.config.kind == ControllerKind::Primary && active.machine.is_connected()
            });
            self.switch.set_controller_connected(&bridge, connected);
        }
        self.report_controllers();
    }

    pub(super) fn controllers_deadline(&self) -> Option<Time> {
        self.controllers.actives.values().filter_map(|active| active.machine.next_deadline()).min()
    }

    pub(super) fn pipeline_deadline(&self) -> Option<Time> {
        self.controllers.due
    }

    pub(super) fn close_controllers(&mut self) {
        self.flush_connections();
        self.controllers = Controllers::default();
    }
}

fn settings(config: &ControllerConfig, name: &str) -> ConnectionSettings {
    let rate = config.rate_limit.map(|rate| (rate, config.burst_limit.unwrap_or(rate / 4).max(1)));
    ConnectionSettings {
        probe_interval: config.inactivity_probe,
        packet_in_limit: rate,
        ..ConnectionSettings::new(ConnectionKind::Controller, name)
    }
}

fn log_backoff(bridge: &str, target: &str, machine: &Reconnect, now: Time) {
    if let Some(due) = machine.next_deadline() {
        let seconds = due.since(now).as_secs();
        tracing::info!(target: "rconn", "{bridge}<->{target}: waiting {seconds} seconds before reconnect");
    }
}

/// OFPT_HELLO, in every version.
const HELLO: u8 = 0;
/// Bytes that may wait for one peer's socket: enough to keep it busy. What is more waits where it can be dropped or made
/// later.
const MOST_WAITING: usize = 64 << 10;
