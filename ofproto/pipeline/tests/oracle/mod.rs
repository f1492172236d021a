//! The real ovs-vswitchd beside ours: the same bytes go to both, what comes back is compared.
//!
//! How: each side has a bridge `br0` (secure) with dummy ports 1 to 3. A [`Pair`] of connections of one version is opened
//! on both; [`Pair::ask`] sends raw messages to both and collects everything up to the reply of a barrier.
#![allow(dead_code, reason = "each test uses its part")]

pub mod seeds;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use weft_openflow::codec::{Dialect, Framer, decode};
use weft_openflow::{Message, StatsReply, Version};
use weft_pipeline::{ConnectionId, ConnectionKind, ConnectionSettings, FailMode, PortState};

use crate::real::Real;
use crate::support::Switch;

/// The transaction id of the barrier behind every question.
const END: u32 = 0xfeed_f00d;

/// Both switches.
pub struct Both {
    pub real: Real,
    pub ours: Switch,
}

impl Both {
    /// `None` where the real one is not installed.
    pub fn start() -> Option<Both> {
        let real = Real::start()?;
        real.run("ovs-vsctl", &with_ports().iter().map(String::as_str).collect::<Vec<_>>());
        let ours = Switch::new(FailMode::Secure, 3);
        for name in ["br0", "p1", "p2", "p3"] {
            let text = real.run("ovs-vsctl", &["get", "interface", name, "mac_in_use"]);
            let mac: Vec<u8> =
                text.trim().trim_matches('"').split(':').map(|b| u8::from_str_radix(b, 16).expect("a MAC")).collect();
            let mac = mac.try_into().expect("six bytes");
            let state = PortState { mac, ..PortState::default() };
            ours.pipeline.set_port_state("br0", name, state, ours.now).expect("the port is there");
        }
        Some(Both { real, ours })
    }

    /// A connection to each.
    pub fn pair(&self, version: Version) -> Pair<'_> {
        let settings = ConnectionSettings::new(ConnectionKind::Service, "test");
        let id = self.ours.pipeline.connect("br0", settings, self.ours.now).expect("br0 is there");
        let mut pair = Pair { both: self, version, stream: self.real.connect("br0"), framer: Framer::new(), id };
        let bitmap = version.bit().to_be_bytes();
        let hello = [&[version as u8, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8][..], &bitmap].concat();
        pair.stream.write_all(&hello).expect("the real one listens");
        self.ours.pipeline.input(id, &hello, self.ours.now);
        pair
    }
}

/// Words that make `br0` with three ports, as [`Switch::new`] does.
fn with_ports() -> Vec<String> {
    let mut text = "add-br br0 -- set bridge br0 datapath-type=dummy fail-mode=secure protocols=[] \
                    other-config:datapath-id=fedcba9876543210 other-config:hwaddr=aa:55:aa:55:00:64"
        .to_owned();
    for i in 1..=3 {
        text += &format!(" -- add-port br0 p{i} -- set interface p{i} type=dummy ofport_request={i}");
    }
    text.split(' ').map(str::to_owned).collect()
}

/// A connection to each switch, of one version.
pub struct Pair<'a> {
    both: &'a Both,
    pub version: Version,
    stream: UnixStream,
    framer: Framer,
    id: ConnectionId,
}

/// What came back from the real one and from ours.
#[derive(Debug)]
pub struct Answers {
    pub real: Vec<Vec<u8>>,
    pub ours: Vec<Vec<u8>>,
}

impl Pair<'_> {
    fn barrier(&self) -> Vec<u8> {
        let kind = if self.version == Version::V10 { 18 } else { 20 };
        [&[self.version as u8, kind, 0, 8][..], &END.to_be_bytes()].concat()
    }

    /// Send the same to both. A side that has closed the connection answers with a message `closed`.
    pub fn ask(&mut self, messages: &[Vec<u8>]) -> Answers {
        let mut bytes = messages.concat();
        bytes.extend(self.barrier());
        let _ = self.stream.write_all(&bytes);
        let pipeline = &self.both.ours.pipeline;
        pipeline.input(self.id, &bytes, self.both.ours.now);
        let mut ours = Vec::new();
        let mut framer = Framer::new();
        loop {
            pipeline.run(self.both.ours.now);
            let out = pipeline.output(self.id);
            if out.is_empty() {
                break;
            }
            framer.push(&out);
            while let Ok(Some(message)) = framer.next_message() {
                if !is_noise(message) {
                    ours.push(message.to_vec());
                }
            }
        }
        ours.retain(|m| !is_end(m));
        Answers { real: self.read_real(), ours }
    }

    /// Let both wait, until the real one has said so many messages; its timers run when it comes to them.
    pub fn wait(&mut self, wait: Duration, count: usize) -> Answers {
        self.both.ours.pipeline.run(self.both.ours.now + wait);
        let mut all = self.ask(&[]);
        self.both.real.ask("time/stop", &[]);
        for _ in 0..200 {
            if all.real.len() >= count {
                break;
            }
            self.both.real.ask("time/warp", &["500", "500"]);
            all.real.extend(self.ask(&[]).real);
        }
        all
    }

    /// Up to the reply of the barrier; what came behind it is kept for the next time.
    fn read_real(&mut self) -> Vec<Vec<u8>> {
        let (mut all, mut buffer) = (Vec::new(), vec![0; 65536]);
        loop {
            while let Ok(Some(message)) = self.framer.next_message() {
                if is_end(message) {
                    return all;
                }
                if !is_noise(message) {
                    all.push(message.to_vec());
                }
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    all.push(b"closed".to_vec());
                    return all;
                }
                Ok(n) => self.framer.push(&buffer[..n]),
                Err(error) => {
                    all.push(format!("{error}").into_bytes());
                    return all;
                }
            }
        }
    }
}

impl Drop for Pair<'_> {
    fn drop(&mut self) {
        self.both.ours.pipeline.disconnect(self.id);
    }
}

fn is_end(message: &[u8]) -> bool {
    message.get(4..8) == Some(&END.to_be_bytes()[..])
}

/// HELLOs and probes.
fn is_noise(message: &[u8]) -> bool {
    matches!(message.get(1), Some(0 | 2))
}

/// An error's type and code (and inner ones of experimenters), or what else an answer is, without what time changes.
pub fn show(version: Version, message: &[u8]) -> String {
    if message.get(1) == Some(&1) && message.len() >= 12 {
        let u16_at = |i: usize| u16::from_be_bytes([message[i], message[i + 1]]);
        let (kind, code) = (u16_at(8), u16_at(10));
        let inner = match (kind, message.get(12..20)) {
            (0xb0c2, Some(_)) => format!(" {} {}", u16_at(16), u16_at(18)),
            _ => String::new(),
        };
        let name = match decode(message, &Dialect::new(version)).map(|m| m.message) {
            Ok(Message::Error(e)) => e.code.name(),
            _ => "?",
        };
        return format!("v{} ERROR {kind} {code}{inner} {name}", message[0]);
    }
    match decode(message, &Dialect::new(version)) {
        Ok(incoming) => format!("v{} {:?} {:?}", message[0], incoming.kind, timeless(incoming.message)),
        Err(why) => format!("v{} type {} ({why}) {message:02x?}", message[0], message[1]),
    }
}

fn timeless(mut message: Message) -> Message {
    if let Message::StatsReply { body, .. } = &mut message {
        match body {
            StatsReply::Flow(flows) => {
                flows.iter_mut().for_each(|f| (f.duration, f.idle_age, f.hard_age) = (Duration::ZERO, None, None));
            }
            StatsReply::Port(ports) => ports.iter_mut().for_each(|p| p.duration = None),
            StatsReply::Queue(queues) => queues.iter_mut().for_each(|q| q.duration = None),
            StatsReply::Group(groups) => groups.iter_mut().for_each(|g| g.duration = None),
            StatsReply::Meter(meters) => meters.iter_mut().for_each(|m| m.duration = Duration::ZERO),
            _ => {}
        }
    }
    message
}
