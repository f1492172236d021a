//! OpenFlow connections as machines without I/O: bytes in, bytes out, told the time.
//!
//! What: [`Connection`] is one peer: negotiated version, role, what it wants to hear of, its unfinished input and its queued
//! output. [`Connections`] is all of them. The daemon carries the bytes.
//!
//! ```text
//!   input(bytes) -> whole messages -> dispatch.rs -> replies      -> output()
//!                                        |  flow_mod, port_mod ...
//!                                        v
//!                                     notify.rs  -> flow removed, port status, flow updates, to whoever wants them
//!   worker -> events -> packet_in.rs  -> packet-ins               -> output()
//! ```
//!
//! Invariants: the first message each way is HELLO; every request gets its reply or an error with its transaction id, in
//! order (barriers need nothing else); a peer that does not read costs at most [`MAX_BACKLOG`] in messages of our own accord.

mod batch;
mod bundle;
mod codec;
mod dispatch;
mod features;
mod monitor;
mod notify;
mod packet_in;
mod stats;
mod table_status;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use weft_base::{Time, TokenBucket};
use weft_openflow::codec::{self as wire, Dialect, Framer};
use weft_openflow::controller::{AsyncConfig, Role};
use weft_openflow::switch::FragHandling;
use weft_openflow::{ErrorCode, ErrorMessage, Message, Version, Xid};

use crate::config::{ConfigError, ConnectionId, ConnectionKind, ConnectionSettings, ConnectionStatus, Versions};
use crate::pipeline::{Control, Pipeline};
use crate::tables::BridgeId;

/// How many bytes may wait for a peer before messages of our own accord are dropped.
pub const MAX_BACKLOG: usize = 4 << 20;
/// How long a peer may take for its HELLO.
const HELLO_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// All connections.
#[derive(Default)]
pub(crate) struct Connections {
    all: BTreeMap<ConnectionId, Connection>,
    last_id: u64,
    /// The newest generation id of a role request, per bridge.
    generations: BTreeMap<BridgeId, u64>,
}

/// One peer.
pub(crate) struct Connection {
    pub bridge: BridgeId,
    pub settings: ConnectionSettings,
    versions: Versions,
    pub version: Option<Version>,
    pub role: Role,
    /// What it wants to hear of; `None` where it never said.
    pub wanted: AsyncConfig,
    /// How it says flows and wants packet-ins.
    pub dialect: Dialect,
    pub controller_id: u16,
    pub miss_send_len: u16,
    pub invalid_ttl: bool,
    pub frag: FragHandling,
    /// Flow monitors by id.
    pub monitors: monitor::Monitors,
    pub bundles: bundle::Bundles,
    limiter: Option<TokenBucket>,
    input: Framer,
    output: VecDeque<Vec<u8>>,
    backlog: usize,
    closing: bool,
    /// When it was last heard, and whether a probe is out.
    heard: Time,
    probing: bool,
    /// Transaction ids of our own messages.
    next_xid: u32,
}

impl Connection {
    fn new(bridge: BridgeId, settings: ConnectionSettings, versions: Versions, now: Time) -> Connection {
        let service = settings.kind != ConnectionKind::Controller;
        Connection {
            bridge,
            limiter: settings.packet_in_limit.map(|(rate, burst)| TokenBucket::new(rate.into(), burst.into(), now)),
            settings,
            versions,
            version: None,
            role: Role::Equal,
            wanted: AsyncConfig::default(),
            dialect: Dialect::new(Version::V10),
            controller_id: 0,
            miss_send_len: if service { 0 } else { 128 },
            invalid_ttl: false,
            frag: FragHandling::Normal,
            monitors: Default::default(),
            bundles: Default::default(),
            input: Framer::new(),
            output: VecDeque::new(),
            backlog: 0,
            closing: false,
            heard: now,
            probing: false,
            next_xid: 0,
        }
    }

    /// The version to speak; before HELLOs were exchanged the highest that we offer.
    pub fn version(&self) -> Version {
        self.version.unwrap_or_else(|| self.highest())
    }

    fn highest(&self) -> Version {
        let ours = |v: &&Version| self.versions.0 & v.bit() != 0;
        Version::ALL.iter().rev().find(ours).copied().unwrap_or(Version::V10)
    }

    /// A transaction id for a message of our own accord.
    pub fn own_xid(&mut self) -> Xid {
        self.next_xid = self.next_xid.wrapping_add(1);
        Xid(self.next_xid)
    }

    fn push(&mut self, bytes: Vec<u8>) {
        self.backlog += bytes.len();
        self.output.push_back(bytes);
    }

    /// Whether messages of our own accord may be queued.
    pub fn has_room(&self) -> bool {
        self.backlog < MAX_BACKLOG && !self.closing
    }
}

impl Connections {
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ConnectionId, &mut Connection)> {
        self.all.iter_mut().map(|(id, c)| (*id, c))
    }

    pub fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.all.get_mut(&id)
    }

    pub fn of_bridge(&mut self, bridge: BridgeId) -> impl Iterator<Item = (ConnectionId, &mut Connection)> {
        self.iter_mut().filter(move |(_, c)| c.bridge == bridge)
    }

    /// Queue a message, and copies of it for those who snoop.
    pub fn send(&mut self, to: ConnectionId, xid: Xid, message: &Message) {
        if let Some(connection) = self.all.get(&to) {
            let dialect = Dialect { version: connection.version(), ..connection.dialect };
            self.send_in(to, xid, message, &dialect);
        }
    }

    /// [`Connections::send`], in the words of a request.
    fn send_in(&mut self, to: ConnectionId, xid: Xid, message: &Message, dialect: &Dialect) {
        let Some(connection) = self.all.get(&to) else { return };
        let (bridge, is_controller) = (connection.bridge, connection.settings.kind == ConnectionKind::Controller);
        let bytes = codec::encode(dialect, xid, message);
        if is_controller {
            self.snoop(bridge, &bytes);
        }
        if let Some(connection) = self.all.get_mut(&to) {
            connection.push(bytes);
        }
    }

    fn snoop(&mut self, bridge: BridgeId, bytes: &[u8]) {
        let is_snoop = |c: &Connection| c.settings.kind == ConnectionKind::Snoop && c.bridge == bridge;
        for connection in self.all.values_mut().filter(|c| is_snoop(c) && c.has_room()) {
            connection.push(bytes.to_vec());
        }
    }

    /// Whether some peer of the bridge wants a packet-in when table 0 has no flow (OpenFlow 1.0 to 1.2).
    fn packet_in_on_miss(&mut self, bridge: BridgeId) -> bool {
        self.of_bridge(bridge).any(|(_, c)| c.wants_implicit_miss())
    }
}

impl Pipeline {
    /// A peer has connected (or we to it): queues our HELLO.
    ///
    /// # Errors
    /// If there is no such bridge.
    pub fn connect(&self, bridge: &str, settings: ConnectionSettings, now: Time) -> Result<ConnectionId, ConfigError> {
        let mut control = self.control();
        let (bridge, versions) = {
            let tables = self.read();
            let found = tables.bridge_named(bridge).ok_or_else(|| ConfigError::NoSuchBridge(bridge.into()))?;
            (found.id, found.settings.versions)
        };
        let connections = &mut control.connections;
        connections.last_id += 1;
        let id = ConnectionId(connections.last_id);
        let mut connection = Connection::new(bridge, settings, versions, now);
        if connection.settings.kind != ConnectionKind::Snoop {
            let xid = connection.own_xid();
            connections.all.insert(id, connection);
            connections.send(id, xid, &Message::Hello { versions: versions.0 });
        } else {
            connections.all.insert(id, connection);
        }
        Ok(id)
    }

    /// The peer has gone.
    pub fn disconnect(&self, id: ConnectionId) {
        let mut control = self.control();
        if let Some(gone) = control.connections.all.remove(&id) {
            self.peers_changed(&mut control, gone.bridge);
        }
    }

    /// Bytes of the stream have come, however they were cut.
    pub fn input(&self, id: ConnectionId, bytes: &[u8], now: Time) {
        let mut control = self.control();
        let Some(connection) = control.connections.get_mut(id) else { return };
        connection.heard = now;
        connection.probing = false;
        if connection.settings.kind == ConnectionKind::Snoop {
            return;
        }
        let mut input = std::mem::take(&mut connection.input);
        input.push(bytes);
        let mut batch = batch::Batch::default();
        loop {
            match input.next_message() {
                Ok(Some(message)) if self.join(&mut control, id, message, &mut batch, now) => continue,
                Ok(Some(message)) => {
                    self.finish(&mut control, id, &mut batch, now);
                    batch = batch::Batch::default();
                    self.one_message(&mut control, id, message, now);
                }
                Ok(None) => break self.finish(&mut control, id, &mut batch, now),
                // nothing after a length that cannot be makes sense
                Err(_) => {
                    self.finish(&mut control, id, &mut batch, now);
                    return self.close(&mut control, id);
                }
            }
            if control.connections.get_mut(id).is_none_or(|c| c.closing) {
                return;
            }
        }
        if let Some(connection) = control.connections.get_mut(id) {
            connection.input = input;
        }
    }

    /// Take what is queued for the peer.
    pub fn output(&self, id: ConnectionId) -> Vec<u8> {
        let mut control = self.control();
        let Some(connection) = control.connections.get_mut(id) else { return Vec::new() };
        connection.backlog = 0;
        let all = std::mem::take(&mut connection.output);
        let mut bytes = Vec::with_capacity(all.iter().map(Vec::len).sum());
        all.into_iter().for_each(|one| bytes.extend_from_slice(&one));
        bytes
    }

    /// Connections that have something queued, or are to be closed.
    pub fn pending(&self) -> Vec<ConnectionId> {
        let mut control = self.control();
        control.connections.iter_mut().filter(|(_, c)| !c.output.is_empty() || c.closing).map(|(id, _)| id).collect()
    }

    /// How a connection stands; `None` if its bridge is gone.
    pub fn connection_status(&self, id: ConnectionId) -> Option<ConnectionStatus> {
        let mut control = self.control();
        let c = control.connections.get_mut(id)?;
        Some(ConnectionStatus { version: c.version, role: c.role, closing: c.closing })
    }

    /// Probes, HELLO timeouts; returns when the next is due.
    pub(crate) fn run_connections(&self, control: &mut Control, now: Time) -> Time {
        let mut next = Time::MAX;
        let mut probe = Vec::new();
        for (id, c) in control.connections.iter_mut().filter(|(_, c)| c.settings.kind != ConnectionKind::Snoop) {
            let (Some(interval), false) = (c.settings.probe_interval, c.closing) else { continue };
            let due = c.heard + if c.version.is_none() { HELLO_TIMEOUT } else { interval };
            let due = if c.probing { due + interval } else { due };
            if due > now {
                next = next.min(due);
            } else if c.probing || c.version.is_none() {
                c.closing = true;
            } else {
                c.probing = true;
                next = next.min(c.heard + interval + interval);
                probe.push(id);
            }
        }
        for id in probe {
            if let Some(connection) = control.connections.get_mut(id) {
                let xid = connection.own_xid();
                control.connections.send(id, xid, &Message::EchoRequest(Vec::new()));
            }
        }
        next
    }

    /// The connections of a bridge that is gone.
    pub(crate) fn close_all(&self, control: &mut Control, bridge: BridgeId) {
        control.connections.of_bridge(bridge).for_each(|(_, c)| c.closing = true);
    }

    /// Who wants to hear of misses may have changed.
    pub(crate) fn peers_changed(&self, control: &mut Control, bridge: BridgeId) {
        let wanted = control.connections.packet_in_on_miss(bridge);
        let mut tables = self.write();
        if let Some(bridge) = tables.bridge_mut(bridge)
            && bridge.packet_in_on_miss != wanted
        {
            bridge.packet_in_on_miss = wanted;
            bridge.changed();
            drop(tables);
            self.changed();
        }
    }

    fn close(&self, control: &mut Control, id: ConnectionId) {
        if let Some(connection) = control.connections.get_mut(id) {
            connection.closing = true;
        }
    }

    fn one_message(&self, control: &mut Control, id: ConnectionId, bytes: &[u8], now: Time) {
        let Some(connection) = control.connections.get_mut(id) else { return };
        if connection.settings.kind == ConnectionKind::Controller {
            let bridge = connection.bridge;
            control.connections.snoop(bridge, bytes);
        }
        let Some(connection) = control.connections.get_mut(id) else { return };
        let Some(version) = connection.version else { return self.hello(control, id, bytes) };
        let dialect = Dialect { version, ..connection.dialect };
        match wire::decode(bytes, &dialect) {
            Ok(incoming) if incoming.version != version && !matches!(incoming.message, Message::Hello { .. }) => {
                // in the words of the version that was used
                let error = wire::error_reply(ErrorCode::OFPBRC_BAD_VERSION, bytes);
                let dialect = Dialect { version: incoming.version, ..dialect };
                control.connections.send_in(id, incoming.xid, &error, &dialect);
            }
            Ok(incoming) => {
                let dialect = dialect.answering(&incoming);
                let xid = incoming.xid;
                match self.handle(control, id, xid, incoming.message, bytes, now) {
                    Ok(replies) => {
                        for reply in &replies {
                            control.connections.send_in(id, xid, reply, &dialect);
                        }
                    }
                    Err(code) => control.connections.send(id, xid, &wire::error_reply(code, bytes)),
                }
            }
            Err(why) => control.connections.send(id, xid_of(bytes), &wire::error_reply(why.code, bytes)),
        }
    }

    /// Version negotiation (OpenFlow 1.3.1 §6.3.1): by bitmaps if both sent one, else the lower of the two versions.
    fn hello(&self, control: &mut Control, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = control.connections.get_mut(id) else { return };
        let ours = connection.versions.0;
        let theirs = match wire::decode(bytes, &Dialect::new(Version::V15)).map(|incoming| incoming.message) {
            Ok(Message::Hello { versions }) => versions,
            _ => return self.close(control, id), // something else than a HELLO came first
        };
        match wire::negotiate(ours, theirs) {
            Some(version) => {
                connection.version = Some(version);
                let bridge = connection.bridge;
                self.peers_changed(control, bridge);
            }
            None => {
                connection.closing = true;
                let names = |bits: u32| {
                    let all = Version::ALL.iter().filter(|v| bits & v.bit() != 0);
                    all.map(|v| format!("0x{:02x}", *v as u8)).collect::<Vec<_>>().join(", ")
                };
                let text = format!(
                    "We support version {}, you support version {}, no common versions.",
                    names(ours),
                    names(theirs)
                );
                let code = ErrorCode::OFPHFC_INCOMPATIBLE;
                let error = Message::Error(ErrorMessage { code, data: text.into_bytes() });
                control.connections.send(id, xid_of(bytes), &error);
            }
        }
    }
}

/// A message's transaction id, even if the rest makes no sense.
fn xid_of(message: &[u8]) -> Xid {
    match message.first_chunk::<8>() {
        Some(h) => Xid(u32::from_be_bytes([h[4], h[5], h[6], h[7]])),
        None => Xid(0),
    }
}
