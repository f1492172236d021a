//! What the control thread does for the machines: it hands them frames and the time, and does what they want.

use weft_base::Time;
use weft_flow::action::SlowPathReason;
use weft_flow::extract::extract;
use weft_flow::{FlowKey, OfPort};
use weft_link::{bfd, cfm};
use weft_openflow::Action;
use weft_openflow::port::PortReason;
use weft_packet::wire::{layers, udp};
use weft_packet::{Frame, Mac};

use super::{MAX_INBOX, Machine, Machines, Monitoring, Pdu};
use crate::bridge::Port;
use crate::config::ConfigError;
use crate::connection::{Begin, features, patch_counters};
use crate::pipeline::{Control, Pipeline, lock};
use crate::tables::BridgeId;

/// How often frames between two ports of this switch go to and fro in one turn.
const ROUNDS: usize = 8;

impl Pipeline {
    /// Watch a port's link like this from now on.
    ///
    /// # Errors
    /// If there is no such port.
    pub fn set_monitoring(&self, bridge: &str, name: &str, wanted: Monitoring, now: Time) -> Result<(), ConfigError> {
        let mut control = self.control();
        let mut tables = self.write();
        let bridge = tables.bridge_named_mut(bridge).ok_or_else(|| ConfigError::NoSuchBridge(bridge.into()))?;
        let number = bridge.port_named(name).map(|p| p.number).ok_or_else(|| ConfigError::NoSuchPort(name.into()))?;
        let Some(port) = bridge.port_mut(number) else { return Ok(()) };
        if port.monitoring == wanted {
            return Ok(());
        }
        port.monitoring = wanted.clone();
        bridge.changed();
        let id = bridge.id;
        drop(tables);
        let works = control.machines.set(name, wanted, now);
        self.link_works(&mut control, id, number, works, now);
        self.wake();
        Ok(())
    }

    /// Whether any port has one.
    pub fn has_machines(&self) -> bool {
        !self.control().machines.ports.is_empty()
    }

    /// Whether something has changed that should be written down at once.
    pub fn take_machine_news(&self) -> bool {
        std::mem::take(&mut self.control().machines.news)
    }

    /// Interface `bfd_status`; `None`: no session.
    pub fn bfd_status(&self, name: &str) -> Option<[(&'static str, String); 6]> {
        Some(self.control().machines.ports.get(name)?.bfd.as_ref()?.status())
    }

    /// The columns `cfm_*` of Interface; `None`: no endpoint.
    pub fn cfm_status(&self, name: &str) -> Option<cfm::Status> {
        Some(self.control().machines.ports.get(name)?.cfm.as_ref()?.status())
    }

    /// A frame is for a machine of the port by which it came to this bridge.
    pub(crate) fn to_machine(&self, pdu: Pdu) {
        let mut inbox = lock(self.inbox());
        if inbox.len() < MAX_INBOX {
            inbox.push_back(pdu);
            drop(inbox);
            self.wake();
        }
    }

    /// Hand over what came, do what is due, send what there is to say. Returns when something is due.
    pub(crate) fn run_machines(&self, control: &mut Control, now: Time) -> Option<Time> {
        for _ in 0..ROUNDS {
            self.hand_over_pdus(control, now);
            let out = self.turn(control, now);
            for (bridge, number, frame) in out {
                self.send_by_port(bridge, number, &frame, now);
            }
            if lock(self.inbox()).is_empty() {
                break;
            }
        }
        let due = |machine: &Machine| {
            let bfd = machine.bfd.as_ref().map(|bfd| bfd.next_deadline(now));
            bfd.into_iter().chain(machine.cfm.as_ref().map(cfm::Endpoint::next_deadline)).min()
        };
        control.machines.ports.values().filter_map(due).min()
    }

    fn hand_over_pdus(&self, control: &mut Control, now: Time) {
        let pdus = std::mem::take(&mut *lock(self.inbox()));
        let tables = self.read();
        for pdu in pdus {
            let port = tables.bridge(pdu.bridge).and_then(|bridge| bridge.port(pdu.port));
            let Some(name) = port.map(|port| port.settings.name.as_str()) else { continue };
            let Some(machine) = control.machines.ports.get_mut(name) else { continue };
            match (pdu.reason, &mut machine.bfd, &mut machine.cfm) {
                (SlowPathReason::Bfd, Some(session), _) => hear_bfd(session, name, &pdu.frame, now),
                (SlowPathReason::Cfm, _, Some(endpoint)) => hear_cfm(endpoint, name, &pdu.frame, now),
                _ => {} // it was switched off meanwhile
            }
        }
    }

    /// One look at all machines: what they want sent, and whom that says something new of.
    fn turn(&self, control: &mut Control, now: Time) -> Vec<(BridgeId, OfPort, Vec<u8>)> {
        if control.machines.ports.is_empty() {
            return Vec::new();
        }
        let mut out = Vec::new();
        let mut news = Vec::new();
        {
            let tables = self.read();
            for (name, machine) in &mut control.machines.ports {
                let Some((bridge, port)) = tables.port_named(name) else { continue };
                machine.count(|| self.received(port), now);
                for frame in machine.turn(port, now) {
                    out.push((bridge.id, port.number, frame));
                }
                let found = machine.found();
                if found != port.link_works {
                    news.push((bridge.id, port.number, found));
                }
            }
        }
        control.machines.news |= !news.is_empty();
        for (bridge, number, works) in news {
            self.link_works(control, bridge, number, works, now);
        }
        out
    }

    /// A port's link works from now on, or does not: groups, bundles and controllers go by it.
    fn link_works(&self, control: &mut Control, bridge: BridgeId, number: OfPort, works: bool, now: Time) {
        let mut tables = self.write();
        let Some(bridge) = tables.bridge_mut(bridge) else { return };
        let id = bridge.id;
        let Some(port) = bridge.port_mut(number) else { return };
        let before = features::port_desc(port);
        port.link_works = works;
        let desc = features::port_desc(port);
        bridge.changed();
        drop(tables);
        self.changed();
        if desc != before {
            self.port_status(control, id, PortReason::Modify, desc, now);
        }
    }

    /// How many frames a port has received.
    fn received(&self, port: &Port) -> u64 {
        patch_counters(port)
            .unwrap_or_else(|| (self.hooks().port_counters)(&port.settings.name))
            .rx_packets
            .unwrap_or(0)
    }

    fn send_by_port(&self, bridge: BridgeId, number: OfPort, bytes: &[u8], now: Time) {
        let mut frame = Frame::copy_of(bytes);
        let mut key = FlowKey::new();
        if extract(&mut frame, &mut key, Default::default()).is_err() {
            return; // we built it: it has all its headers
        }
        crate::upcall::set_in_port(&mut key, OfPort::NONE);
        let by_the_port = [Action::Output { port: number, max_len: 0 }];
        // its bridge may be gone by now
        let _ = self.send_through(bridge, frame, key, Begin::Actions(&by_the_port), now);
    }
}

impl Machines {
    /// Other machines for a port, or other settings for those that it has; whether its link works as far as they know.
    pub fn set(&mut self, name: &str, wanted: Monitoring, now: Time) -> bool {
        if wanted == Monitoring::default() {
            self.remove(name);
            return true;
        }
        let seed = self.discriminator();
        self.news = true;
        let machine = self.ports.entry(name.to_owned()).or_default();
        match (wanted.bfd, &mut machine.bfd) {
            (None, place) => *place = None,
            (Some(config), Some(session)) => session.set(*config, now),
            (Some(config), place @ None) => {
                tracing::info!(target: "bfd", "{name}: BFD session starts, discriminator {seed:#x}");
                *place = Some(bfd::Session::new(*config, seed, now));
            }
        }
        match (wanted.cfm, &mut machine.cfm) {
            (None, place) => *place = None,
            (Some(config), Some(endpoint)) => endpoint.set(*config, now),
            (Some(config), place @ None) => *place = Some(cfm::Endpoint::new(*config, seed.into(), now)),
        }
        machine.found()
    }
}

impl Machine {
    fn count(&mut self, received: impl Fn() -> u64, now: Time) {
        if let Some(session) = self.bfd.as_mut().filter(|session| session.wants_counters()) {
            session.on_counters(received(), now);
        }
        if let Some(endpoint) = self.cfm.as_mut().filter(|endpoint| endpoint.wants_counters()) {
            endpoint.on_counters(received());
        }
    }

    /// What they want sent.
    fn turn(&mut self, port: &Port, now: Time) -> Vec<Vec<u8>> {
        let mac = Mac(port.settings.state.mac);
        let mut frames = Vec::new();
        if let Some(session) = &mut self.bfd {
            session.on_deadline(now);
            while let Some(control) = session.poll() {
                frames.push(control.frame(session.config(), mac));
            }
        }
        if let Some(endpoint) = &mut self.cfm {
            endpoint.on_deadline(now);
            while let Some(ccm) = endpoint.poll() {
                let (group, tci) = (endpoint.group(), endpoint.tci());
                frames.push(ccm.frame(group, mac, tci));
            }
        }
        frames
    }

    /// Whether frames may go by the link.
    fn found(&self) -> bool {
        self.bfd.as_ref().is_none_or(bfd::Session::is_forwarding)
            && self.cfm.as_ref().is_none_or(|cfm| !cfm.is_at_fault() && cfm.remote_opstate_up())
    }
}

fn hear_bfd(session: &mut bfd::Session, name: &str, frame: &[u8], now: Time) {
    let heard = match bfd_payload(frame) {
        None => return,
        Some(payload) => bfd::Control::parse(payload).and_then(|control| session.on_pdu(&control, now)),
    };
    if let Err(why) = heard {
        tracing::warn!(target: "bfd", limit = 5u64, "{name}: {why}");
    }
}

/// The payload of a UDP datagram over IPv4 whose time to live says that its sender is a neighbour (RFC 5881 §5).
fn bfd_payload(bytes: &[u8]) -> Option<&[u8]> {
    const TTL: u8 = 255;
    let layers = layers::find(bytes)?;
    (*bytes.get(layers.l3 + 8)? == TTL).then_some(())?;
    bytes.get(layers.l4 + udp::LEN..layers.end)
}

fn hear_cfm(endpoint: &mut cfm::Endpoint, name: &str, frame: &[u8], now: Time) {
    let after_tags = (12..).step_by(4).find(|at| !matches!(frame.get(*at..at + 2), Some([0x81, 0] | [0x88, 0xa8])));
    let message = after_tags.and_then(|at| frame.get(at + 2..)).unwrap_or_default();
    match cfm::Ccm::parse(message) {
        Ok(ccm) => endpoint.on_pdu(&ccm, now),
        Err(why) => tracing::warn!(target: "cfm", limit = 5u64, "{name}: {why}"),
    }
}
