//! What: connections as they come, speak and go.

use weft_base::Time;
use weft_jsonrpc::address::Remote;
use weft_openflow::{Message, Version, codec};
use weft_pipeline::{ConnectionKind, ConnectionSettings, Ended, Versions};

use super::{Link, settings};
use crate::owner::Owner;
use crate::owner::wire_log::{Shown, log_messages};
use crate::serve::{ConnId, Connection, Dial, Hangup, ListenerId, Net, Outlook, Reconnect, ReconnectEvent};

/// How long the first message is, as far as it is there.
fn first_message(bytes: &[u8]) -> usize {
    let length = bytes.get(2..4).map_or(bytes.len(), |l| usize::from(u16::from_be_bytes([l[0], l[1]])));
    length.clamp(8.min(bytes.len()), bytes.len())
}

impl Owner {
    pub(in crate::owner) fn on_net(&mut self, net: Net) {
        let now = self.now();
        match net {
            Net::Accepted(listener, connection) => self.accepted(listener, connection),
            Net::Dialed(dial, outcome) => self.dialed(dial, outcome),
            Net::Frame(id, bytes) => {
                let Some(link) = self.controllers.links.get(&id) else { return };
                // what came with the peer's HELLO waits until that is answered
                let (hello, rest) = if link.up { (&[][..], &bytes[..]) } else { bytes.split_at(first_message(&bytes)) };
                for part in [hello, rest].into_iter().filter(|part| !part.is_empty()) {
                    let Some(link) = self.controllers.links.get(&id) else { return };
                    log_messages(&link.name, "received", part);
                    self.switch.pipeline.input(link.id, part, now);
                    if !link.up {
                        self.greeted(id, part);
                    }
                }
            }
            Net::Drained(_) => {}
            Net::Closed(id, why) => self.closed(id, &why),
        }
        self.flush_connections();
    }

    fn accepted(&mut self, listener: ListenerId, connection: Connection) {
        let Some(listening) = self.controllers.listeners.get(&listener) else { return };
        if listening.kind == ConnectionKind::Snoop && !self.has_controller(&listening.bridge) {
            tracing::debug!(target: "connmgr", "{}: no controller to snoop on", listening.bridge);
            return;
        }
        let mut settings = match &listening.settings {
            Some(config) => settings(config, self.queue_size(&listening.bridge), &connection.peer),
            None => ConnectionSettings {
                queue_size: self.queue_size(&listening.bridge),
                ..ConnectionSettings::new(listening.kind, &connection.peer)
            },
        };
        settings.kind = listening.kind;
        let bridge = listening.bridge.clone();
        self.link(bridge, Some(listener), settings, connection);
    }

    /// Whether there is one to snoop on: a controller that we connect to, or one that came.
    pub(super) fn has_controller(&self, bridge: &str) -> bool {
        let came = |link: &Link| {
            let listening = link.listener.and_then(|id| self.controllers.listeners.get(&id));
            listening.is_some_and(|listening| listening.bridge == bridge && listening.settings.is_some())
        };
        self.controllers.actives.keys().any(|(of, _)| of == bridge) || self.controllers.links.values().any(came)
    }

    fn dialed(&mut self, dial: Dial, outcome: Result<Connection, String>) {
        let now = self.now();
        let Some((key, active)) = self
            .controllers
            .actives
            .iter_mut()
            .find(|(_, active)| active.dial.as_ref().is_some_and(|dialing| dialing.dial == dial))
        else {
            return;
        };
        active.dial = None;
        let (bridge, target) = key.clone();
        match outcome {
            Ok(connection) => {
                active.link = Some(connection.id);
                let config = active.config.clone();
                let settings = settings(&config, self.queue_size(&bridge), &target);
                self.link(bridge, None, settings, connection);
            }
            Err(reason) => {
                tracing::warn!(target: "rconn", "{bridge}<->{target}: connection failed ({reason})");
                active.machine.on_lost(now, &reason);
                log_outlook(&bridge, &target, &mut active.machine);
                self.report_controllers();
            }
        }
    }

    fn link(
        &mut self,
        bridge: String,
        listener: Option<ListenerId>,
        settings: ConnectionSettings,
        connection: Connection,
    ) {
        let name = settings.name.clone();
        let Ok(id) = self.switch.pipeline.connect(&bridge, settings, self.now()) else { return };
        self.controllers.by_pipeline.insert(id, connection.id);
        let link = Link { id, out: connection.out, bridge, name, up: false, listener };
        self.controllers.links.insert(connection.id, link);
    }

    /// Perhaps HELLOs were exchanged: the connection counts from then on.
    fn greeted(&mut self, id: ConnId, bytes: &[u8]) {
        let now = self.now();
        let Some(link) = self.controllers.links.get_mut(&id) else { return };
        let status = self.switch.pipeline.connection_status(link.id);
        let Some(version) = status.and_then(|status| status.version) else { return };
        link.up = true;
        let ours = self
            .controllers
            .versions
            .get(&link.bridge)
            .map_or(0, |protocols| protocols.iter().fold(0, |bits, protocol| bits | 1u32 << (*protocol as u8 + 1)));
        let (version, theirs) = (version as u8, hello_versions(bytes));
        tracing::debug!(
            target: "vconn",
            "{}: negotiated OpenFlow version {version:#04x} (we support {}, peer supports {})",
            link.name,
            versions(ours),
            versions(theirs)
        );
        let active = self.controllers.actives.iter_mut().find(|(_, active)| active.link == Some(id));
        match active {
            Some(((bridge, target), active)) => {
                tracing::info!(target: "rconn", "{bridge}<->{target}: connected");
                active.machine.on_connected(now);
            }
            None => tracing::debug!(target: "rconn", "{}<->{}: connected", link.bridge, link.name),
        }
        self.report_controllers();
    }

    fn closed(&mut self, id: ConnId, why: &Hangup) {
        let now = self.now();
        let Some(link) = self.controllers.links.remove(&id) else { return };
        self.controllers.by_pipeline.remove(&link.id);
        self.switch.pipeline.disconnect(link.id);
        let name = format!("{}<->{}", link.bridge, link.name);
        let active = self.controllers.actives.values_mut().find(|active| active.link == Some(id));
        match why {
            Hangup::Peer if active.is_some() => {
                tracing::info!(target: "rconn", limit = 60u64, "{name}: connection closed by peer")
            }
            Hangup::Peer => tracing::debug!(target: "rconn", "{name}: connection closed by peer"),
            Hangup::Broken(error) => {
                tracing::warn!(target: "rconn", limit = 60u64, "{name}: connection dropped ({error})")
            }
            Hangup::Silent(seconds) => {
                let text = format!("no response to inactivity probe after {seconds} seconds, disconnecting");
                tracing::error!(target: "rconn", limit = 60u64, "{name}: {text}");
            }
            Hangup::Ours => tracing::debug!(target: "rconn", "{name}: disconnecting"),
        }
        let Some(active) = active else { return };
        active.link = None;
        let was_connected = active.machine.is_connected();
        active.machine.on_refused(now, why.error());
        if !was_connected {
            log_outlook(&link.bridge, &link.name, &mut active.machine);
        }
        self.report_controllers();
    }

    /// What is due: attempts to connect, the pipeline's own deadlines; then sends what is queued.
    pub(in crate::owner) fn controllers_turn(&mut self) {
        let now = self.now();
        self.drive_machines(now);
        self.modes_turn(false);
        let due = self.switch.pipeline.run(now);
        if self.switch.clock.is_stopped() {
            self.switch.pipeline.look_at_changes(now); // the time for it would never come
        }
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
                    match active.machine.is_quiet() {
                        true => tracing::debug!(target: "rconn", "{bridge}<->{target}: connecting..."),
                        false => tracing::info!(target: "rconn", "{bridge}<->{target}: connecting..."),
                    }
                    self.controllers.next += 1;
                    let dial = Dial(self.controllers.next);
                    let dscp = Some(active.config.dscp);
                    active.dial = Some(dial.start(self.sockets.handle(), address, dscp, self.events.clone()));
                }
                Some(ReconnectEvent::Abandon) => {
                    tracing::info!(target: "rconn", "{bridge}<->{target}: connection timed out");
                    active.dial = None;
                    log_outlook(bridge, target, &mut active.machine);
                    to_hang_up.extend(active.link);
                }
            }
        }
        to_hang_up.into_iter().for_each(|id| self.hang_up(id));
    }

    /// Hands what the pipeline has queued to the sockets, and ends what it is done with.
    pub(in crate::owner) fn flush_connections(&mut self) {
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
            match self.switch.pipeline.connection_status(id) {
                Some(status) if status.closing => self.closed(conn, &hangup(&link.name, status.ended)),
                Some(_) => {}
                None => self.closed(conn, &Hangup::Ours),
            }
        }
    }
}

/// Why the pipeline is done with a connection, in the words of sockets; the log gets the details.
fn hangup(name: &str, ended: Option<Ended>) -> Hangup {
    let protocol = || Hangup::Broken("Protocol error".to_owned());
    match ended {
        None => Hangup::Ours,
        Some(Ended::Silent(seconds)) => Hangup::Silent(seconds),
        Some(Ended::NoCommonVersion(Versions(ours), Versions(theirs))) => {
            tracing::warn!(
                target: "vconn",
                "{name}: version negotiation failed (we support {}, peer supports {})",
                versions(ours),
                versions(theirs)
            );
            protocol()
        }
        Some(Ended::NoHello(Some(said))) => {
            let shown = Shown(&said);
            tracing::warn!(target: "vconn", limit = 60u64, "{name}: received message while expecting hello: {shown}");
            protocol()
        }
        Some(Ended::NoHello(None)) => {
            tracing::warn!(target: "vconn", limit = 60u64, "{name}: no OFPT_HELLO in time");
            protocol()
        }
        Some(Ended::Garbage) => {
            tracing::error!(target: "vconn", "{name}: received a message with an impossible length");
            protocol()
        }
    }
}

/// The versions that a HELLO offers, as bits; it is the first of these messages.
fn hello_versions(bytes: &[u8]) -> u32 {
    let length = bytes.get(2..4).map_or(0, |l| usize::from(u16::from_be_bytes([l[0], l[1]])));
    let hello = bytes.get(..length).unwrap_or(bytes);
    match codec::decode(hello, &codec::Dialect::new(Version::V15)).map(|incoming| incoming.message) {
        Ok(Message::Hello { versions }) => versions,
        _ => 0,
    }
}

/// `version 0x01`, `version 0x06 and earlier`, `versions 0x01, 0x04`; a peer may have versions of the future.
fn versions(bits: u32) -> String {
    let all: Vec<u8> = (1..32).filter(|v| bits >> v & 1 == 1).collect();
    match all[..] {
        [] => "no version".to_owned(),
        [one] => format!("version {one:#04x}"),
        [1, .., last] if usize::from(last) == all.len() => format!("version {last:#04x} and earlier"),
        _ => format!("versions {}", all.iter().map(|v| format!("{v:#04x}")).collect::<Vec<_>>().join(", ")),
    }
}

fn log_outlook(bridge: &str, target: &str, machine: &mut Reconnect) {
    match machine.outlook() {
        Outlook::In(wait) => {
            let seconds = wait.as_secs();
            tracing::info!(target: "rconn", "{bridge}<->{target}: waiting {seconds} seconds before reconnect");
        }
        Outlook::Quiet => {
            let text = "continuing to retry connections in the background but suppressing further logging";
            tracing::info!(target: "rconn", "{bridge}<->{target}: {text}");
        }
        Outlook::Known => {}
    }
}

/// Bytes that may wait for one peer's socket: enough to keep it busy. What is more waits where it can be dropped or made
/// later.
const MOST_WAITING: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_as_in_the_logs_of_open_vswitch() {
        assert_eq!(versions(0b10), "version 0x01");
        assert_eq!(hello_versions(&[5, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, 0x20]), 0x20);
        assert_eq!(hello_versions(&[4, 0, 0, 8, 0, 0, 0, 1, 4, 5, 0, 8, 0, 0, 0, 2]), 0b1_1110);
        assert_eq!(versions(0b111_1110), "version 0x06 and earlier");
        assert_eq!(versions(0b1_0010), "versions 0x01, 0x04");
        assert_eq!(versions(0b1_0000), "version 0x04");
        assert_eq!(versions(1 << 9), "version 0x09");
    }

    #[test]
    fn a_hello_is_taken_by_itself() {
        let hello = [1, 0, 0, 8, 0, 0, 0, 1];
        let both = [hello, [1, 5, 0, 8, 0, 0, 0, 2]].concat();
        assert_eq!(first_message(&both), 8);
        assert_eq!(first_message(&hello[..3]), 3);
        assert_eq!(first_message(&[1, 0, 0xff, 0xff, 0, 0, 0, 1]), 8);
        assert_eq!(first_message(&[1, 0, 0, 3, 0, 0, 0, 1, 9]), 8);
        assert_eq!(first_message(&[]), 0);
    }
}
