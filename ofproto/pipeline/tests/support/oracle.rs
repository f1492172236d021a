//! The real ovs-vswitchd beside ours: the same bytes go to both, what comes back is compared.
//!
//! How: each side has a bridge `br0` (secure) with dummy ports 1 to 3. A [`Pair`] of connections of one version is opened
//! on both; [`Pair::ask`] sends raw messages to both and collects everything up to the reply of a barrier.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use weft_openflow::codec::{Dialect, Framer, decode};
use weft_openflow::{Message, StatsReply, Version};
use weft_pipeline::{ConnectionId, ConnectionKind, ConnectionSettings, FailMode, PortState};

use super::Switch;

const VSWITCHD: &str = "/usr/lib/openvswitch-switch/ovs-vswitchd";
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
/// The transaction id of the barrier behind every question.
const END: u32 = 0xfeed_f00d;

/// The real daemons in a directory of their own.
pub struct Real {
    dir: PathBuf,
    _keep: tempfile::TempDir,
}

impl Real {
    /// `None` where it is not installed.
    pub fn start() -> Option<Real> {
        if !Path::new(VSWITCHD).exists() || !Path::new(SCHEMA).exists() {
            eprintln!("skipped: no ovs-vswitchd here");
            return None;
        }
        let keep = tempfile::tempdir().expect("a temporary directory");
        let real = Real { dir: keep.path().to_owned(), _keep: keep };
        real.run("ovsdb-tool", &["create", "conf.db", SCHEMA]);
        let remote = format!("punix:{}/db.sock", real.dir.display());
        let common = ["--detach", "--no-chdir", "--pidfile", "--log-file"];
        real.run("ovsdb-server", &[&common[..], &["--remote", &remote, "conf.db"]].concat());
        real.run("ovs-vsctl", &["--no-wait", "init"]);
        let db = format!("unix:{}/db.sock", real.dir.display());
        real.run(VSWITCHD, &[&common[..], &["--enable-dummy=override", "--disable-system", &db]].concat());
        let mut args: Vec<String> =
            "add-br br0 -- set bridge br0 datapath-type=dummy fail-mode=secure other-config:datapath-id=fedcba9876543210 other-config:hwaddr=aa:55:aa:55:00:64 protocols=[]"
                .split(' ')
                .map(str::to_owned)
                .collect();
        for i in 1..=3 {
            let port = format!("-- add-port br0 p{i} -- set interface p{i} type=dummy ofport_request={i}");
            args.extend(port.split(' ').map(str::to_owned));
        }
        real.run("ovs-vsctl", &args.iter().map(String::as_str).collect::<Vec<_>>());
        Some(real)
    }

    /// Standard output of a program that must succeed.
    pub fn run(&self, program: &str, args: &[&str]) -> String {
        let mut command = Command::new(program);
        for var in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"] {
            command.env(var, &self.dir);
        }
        let output = command.current_dir(&self.dir).args(args).output().expect("the program runs");
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.dir.join("br0.mgmt")).expect("br0 is there");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        stream
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        for program in ["ovs-vswitchd", "ovsdb-server"] {
            let mut command = Command::new("ovs-appctl");
            let _ = command.env("OVS_RUNDIR", &self.dir).args(["-t", program, "exit"]).output();
        }
    }
}

/// Both switches.
pub struct Both {
    pub real: Real,
    pub ours: Switch,
}

impl Both {
    /// `None` where the real one is not installed.
    pub fn start() -> Option<Both> {
        let real = Real::start()?;
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
        let mut pair = Pair { both: self, version, stream: self.real.connect(), id };
        let bitmap = version.bit().to_be_bytes();
        let hello = [&[version as u8, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8][..], &bitmap].concat();
        pair.stream.write_all(&hello).expect("the real one listens");
        self.ours.pipeline.input(id, &hello, self.ours.now);
        pair
    }
}

/// A connection to each switch, of one version.
pub struct Pair<'a> {
    both: &'a Both,
    pub version: Version,
    stream: UnixStream,
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

    /// Send the same to both. `None` for a side that has closed the connection.
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

    fn read_real(&mut self) -> Vec<Vec<u8>> {
        let (mut all, mut framer, mut buffer) = (Vec::new(), Framer::new(), vec![0; 65536]);
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    all.push(b"closed".to_vec());
                    return all;
                }
                Ok(n) => framer.push(&buffer[..n]),
                Err(error) => {
                    all.push(format!("{error}").into_bytes());
                    return all;
                }
            }
            while let Ok(Some(message)) = framer.next_message() {
                if is_end(message) {
                    return all;
                }
                if !is_noise(message) {
                    all.push(message.to_vec());
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
