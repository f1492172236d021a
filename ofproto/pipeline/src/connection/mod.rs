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

mod answer;
mod batch;
mod bundle;
mod codec;
mod dispatch;
mod fail_open;
pub(crate) mod features;
mod group;
mod hello;
mod meter;
mod monitor;
mod notify;
mod pace;
mod packet_in;
mod packet_out;
mod parts;
mod peers;
mod staging;
mod stats;
mod table_status;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use pace::Pace;
pub(crate) use packet_out::Begin;
pub(crate) use peers::{Connection, Connections};
pub(crate) use stats::patch_counters;
use weft_base::Time;
use weft_openflow::codec::{self as wire, Dialect, Framer, Incoming};
use weft_openflow::controller::{AsyncConfig, Role};
use weft_openflow::{ErrorCode, ErrorMessage, Message, Version, Xid};

use crate::config::{ConfigError, ConnectionId, ConnectionKind, ConnectionSettings, ConnectionStatus, Ended, Versions};
use crate::pipeline::{Control, Pipeline};
use crate::tables::BridgeId;

/// How many bytes may wait for a peer before messages of our own accord are dropped.
pub const MAX_BACKLOG: usize = 4 << 20;
/// How many bytes may wait for a peer before its requests are left alone until it has read.
const FULL: usize = 1 << 20;
/// How many bytes of requests may wait for a peer to read its answers. Who asks for more is no peer to serve.
const MAX_HELD: usize = 64 << 20;
/// How long a peer may take for its HELLO.
const HELLO_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

impl Pipeline {
    /// A peer has connected (or we to it): queues our HELLO.
    ///
    /// # Errors
    /// If there is no such bridge.
    pub fn connect(&self, bridge: &str, settings: ConnectionSettings, now: Time) -> Result<ConnectionId, ConfigError> {
        let mut control = self.control();
        let name = bridge;
        let (bridge, versions) = {
            let tables = self.read();
            let found = tables.bridge_named(bridge).ok_or_else(|| ConfigError::NoSuchBridge(bridge.into()))?;
            (found.id, found.settings.versions)
        };
        let connections = &mut control.connections;
        connections.last_id += 1;
        let id = ConnectionId(connections.last_id);
        let mut connection = Connection::new((bridge, name), settings, versions, now);
        let xid = connection.own_xid();
        connections.all.insert(id, connection);
        connections.send(id, xid, &Message::Hello { versions: versions.0 });
        Ok(id)
    }

    /// The peer has gone.
    pub fn disconnect(&self, id: ConnectionId) {
        let mut control = self.control();
        if let Some(gone) = control.connections.all.remove(&id) {
            self.peers_changed(&mut control, gone.bridge);
        }
    }

    /// Other settings for a connection that stays.
    pub fn reconfigure_connection(&self, id: ConnectionId, settings: ConnectionSettings, now: Time) {
        let mut control = self.control();
        let Some(connection) = control.connections.get_mut(id) else { return };
        let limits = connection.pace.as_ref().map(|[miss, _]| miss.limit());
        if limits != settings.packet_in_limit {
            connection.pace = settings.packet_in_limit.map(|limit| [Pace::new(limit, now), Pace::new(limit, now)]);
        }
        connection.settings = settings;
    }

    /// Bytes of the stream have come, however they were cut.
    pub fn input(&self, id: ConnectionId, bytes: &[u8], now: Time) {
        let mut control = self.control();
        let Some(connection) = control.connections.get_mut(id) else { return };
        connection.heard = now;
        connection.probing = false;
        // who snoops says its HELLO, and then nothing that matters
        if connection.settings.kind == ConnectionKind::Snoop && connection.version.is_some() {
            return;
        }
        connection.input.push(bytes);
        self.requests(&mut control, id, now);
    }

    /// Serve requests that have come, as long as the peer reads the answers.
    fn requests(&self, control: &mut Control, id: ConnectionId, now: Time) {
        let Some(connection) = control.connections.get_mut(id) else { return };
        let mut input = std::mem::take(&mut connection.input);
        let mut batch = batch::Batch::default();
        loop {
            let Some(connection) = control.connections.get_mut(id) else { return };
            if connection.closing {
                return;
            }
            if connection.is_full() {
                connection.closing = input.pending() > MAX_HELD;
                break self.finish(control, id, &mut batch, now);
            }
            match input.next_message() {
                Ok(Some(message)) if self.join(control, id, message, &mut batch, now) => continue,
                Ok(Some(message)) => {
                    self.finish(control, id, &mut batch, now);
                    batch = batch::Batch::default();
                    self.one_message(control, id, message, now);
                }
                Ok(None) => break self.finish(control, id, &mut batch, now),
                // nothing after a length that cannot be makes sense
                Err(_) => {
                    self.finish(control, id, &mut batch, now);
                    return self.close(control, id, Ended::Garbage);
                }
            }
        }
        if let Some(connection) = control.connections.get_mut(id) {
            connection.input = input;
        }
    }

    /// Take what is queued for the peer.
    pub fn output(&self, id: ConnectionId) -> Vec<u8> {
        let mut control = self.control();
        let was_full = control.connections.get_mut(id).is_some_and(|c| c.is_full());
        self.go_on_answering(&mut control, id);
        let Some(connection) = control.connections.get_mut(id) else { return Vec::new() };
        let was_full = was_full || connection.is_full();
        connection.backlog = 0;
        connection.waiting = 0;
        let waits = connection.monitors.is_paused() || connection.input.pending() > 0;
        if waits && (was_full || connection.monitors.is_paused()) && !connection.is_full() {
            self.wake(); // there is something to do for it again
        }
        let all = std::mem::take(&mut connection.output);
        let mut bytes = Vec::with_capacity(all.iter().map(Vec::len).sum());
        all.into_iter().for_each(|one| bytes.extend_from_slice(&one));
        bytes
    }

    /// Connections that have something queued, or are to be closed.
    pub fn pending(&self) -> Vec<ConnectionId> {
        let mut control = self.control();
        control.connections.iter_mut().filter(|(_, c)| c.has_output() || c.closing).map(|(id, _)| id).collect()
    }

    /// How a connection stands; `None` if its bridge is gone.
    pub fn connection_status(&self, id: ConnectionId) -> Option<ConnectionStatus> {
        let mut control = self.control();
        let c = control.connections.get_mut(id)?;
        Some(ConnectionStatus {
            version: c.version,
            role: c.role,
            closing: c.closing,
            ended: c.ended.clone(),
            probing: c.probing,
            admitted: c.admitted,
            pace: c.pace.as_ref().map(|[miss, action]| [miss.stats(), action.stats()]),
        })
    }

    /// What waited for peers to read; probes, HELLO timeouts; returns when the next is due.
    pub(crate) fn run_connections(&self, control: &mut Control, now: Time) -> Time {
        let all: Vec<ConnectionId> = control.connections.iter_mut().map(|(id, _)| id).collect();
        for id in all {
            self.resume_monitors(control, id);
            self.requests(control, id, now);
            let Some(connection) = control.connections.get_mut(id) else { continue };
            for (xid, first) in connection.parts.expired(now) {
                let late = wire::error_reply(ErrorCode::OFPBRC_MULTIPART_REQUEST_TIMEOUT, &first);
                control.connections.send(id, xid, &late);
            }
        }
        let mut next = control.connections.iter_mut().map(|(_, c)| c.parts.due()).min().unwrap_or(Time::MAX);
        next = next.min(control.connections.run_paces(now));
        let mut probe = Vec::new();
        let is_probed = |c: &Connection| c.settings.kind != ConnectionKind::Snoop || c.version.is_none();
        for (id, c) in control.connections.iter_mut().filter(|(_, c)| is_probed(c)) {
            let (Some(interval), false) = (c.settings.probe_interval, c.closing) else { continue };
            let due = c.heard + if c.version.is_none() { HELLO_TIMEOUT } else { interval };
            let due = if c.probing { due + interval } else { due };
            if due > now {
                next = next.min(due);
            } else if c.probing || c.version.is_none() {
                c.closing = true;
                c.ended =
                    Some(if c.version.is_none() { Ended::NoHello(None) } else { Ended::Silent(interval.as_secs()) });
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

    fn close(&self, control: &mut Control, id: ConnectionId, why: Ended) {
        if let Some(connection) = control.connections.get_mut(id) {
            connection.closing = true;
            connection.ended = Some(why);
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
        if connection.settings.kind == ConnectionKind::Snoop {
            return;
        }
        let dialect = Dialect { version, ..connection.dialect };
        let (said_in, kind) = (bytes[0], bytes[1]);
        if kind == HELLO || said_in != version as u8 {
            // echoes are answered in whatever version they come; anything else in the words of the version that was used
            let code = match kind {
                ECHO_REQUEST => return control.connections.push(id, &[&[said_in, ECHO_REPLY], &bytes[2..]].concat()),
                ECHO_REPLY | ERROR => return,
                HELLO => ErrorCode::OFPBRC_BAD_TYPE,
                _ => ErrorCode::OFPBRC_BAD_VERSION,
            };
            let words = Dialect { version: Version::from_wire(said_in).unwrap_or(Version::V10), ..dialect };
            return control.connections.send_in(id, xid_of(bytes), &wire::error_reply(code, bytes), &words);
        }
        if connection.role == Role::Secondary && wire::kind_of_sound(bytes).is_ok_and(dispatch::is_write) {
            let code = ErrorCode::OFPBRC_IS_SECONDARY;
            return control.connections.send(id, xid_of(bytes), &wire::error_reply(code, bytes));
        }
        match wire::decode(bytes, &dialect) {
            Ok(incoming) => self.one_request(control, id, incoming, bytes, dialect, now),
            // an error about an error would go on for ever
            Err(_) if kind == ERROR => {}
            Err(why) => {
                let xid = xid_of(bytes);
                let Some(connection) = control.connections.get_mut(id) else { return };
                // what is wrong with a request of several parts is told when all of it is there
                let outcome = match wire::request_part(bytes) {
                    Some((kind, more)) => {
                        let part = parts::Part { version, xid, kind, more, says: Err(why.code), bytes };
                        connection.parts.add(part, now).map(drop)
                    }
                    None => Err((why.code, bytes.to_vec())),
                };
                if let Err((code, quote)) = outcome {
                    control.connections.send(id, xid, &wire::error_reply(code, &quote));
                }
            }
        }
    }

    fn one_request(
        &self,
        control: &mut Control,
        id: ConnectionId,
        incoming: Incoming,
        bytes: &[u8],
        dialect: Dialect,
        now: Time,
    ) {
        let dialect = dialect.answering(&incoming);
        let Incoming { xid, message, more, version, kind } = incoming;
        let Some(connection) = control.connections.get_mut(id) else { return };
        connection.admitted |= takes_charge(&message);
        let mut first = None;
        let message = match message {
            Message::StatsRequest(says) => {
                let part = parts::Part { version, xid, kind, more, says: Ok(says), bytes };
                match connection.parts.add(part, now) {
                    Ok(Some((whole, quote))) => {
                        first = quote;
                        Message::StatsRequest(whole)
                    }
                    Ok(None) => return,
                    Err((code, quote)) => return control.connections.send(id, xid, &wire::error_reply(code, &quote)),
                }
            }
            other => other,
        };
        match self.handle(control, id, (xid, dialect), message, bytes, now) {
            Ok(replies) => {
                for reply in &replies {
                    control.connections.send_in(id, xid, reply, &dialect);
                }
            }
            Err(code) => {
                let quote = first.as_deref().unwrap_or(bytes);
                control.connections.send(id, xid, &wire::error_reply(code, quote));
            }
        }
    }
}

/// Whether a message is more than peers exchange before they have decided to work with each other.
fn takes_charge(message: &Message) -> bool {
    !matches!(
        message,
        Message::Hello { .. }
            | Message::Error(_)
            | Message::EchoRequest(_)
            | Message::EchoReply(_)
            | Message::FeaturesRequest
            | Message::GetConfigRequest
            | Message::SetConfig(_)
    )
}

/// To hear of no event at all.
fn nothing() -> AsyncConfig {
    let none = [Some(0); 2];
    AsyncConfig {
        packet_in: none,
        port_status: none,
        flow_removed: none,
        role_status: none,
        table_status: none,
        request_forward: none,
    }
}

/// Types that are the same in every version.
const HELLO: u8 = 0;
const ERROR: u8 = 1;
const ECHO_REQUEST: u8 = 2;
const ECHO_REPLY: u8 = 3;

/// A message's transaction id, even if the rest makes no sense.
fn xid_of(message: &[u8]) -> Xid {
    match message.first_chunk::<8>() {
        Some(h) => Xid(u32::from_be_bytes([h[4], h[5], h[6], h[7]])),
        None => Xid(0),
    }
}
