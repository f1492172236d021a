//! The real ovs-vswitchd on its dummy datapath beside our pipeline, configured alike, for tests that compare their traces.
#![allow(dead_code, reason = "each test uses its part")]

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use weft_base::Time;
use weft_flow::OfPort;
use weft_openflow::codec::{self, Dialect};
use weft_openflow::text::{FlowCommand, Names, parse_flow};
use weft_openflow::{Message, Version, Xid};
use weft_packet::DpPort;
use weft_pipeline::{BridgeSettings, BundleSettings, FailMode, Hooks, Pipeline, PortKind, PortSettings, PortState};

/// The real daemons in a directory of their own.
pub struct Real {
    dir: PathBuf,
    _keep: tempfile::TempDir,
}

const VSWITCHD: &str = "/usr/lib/openvswitch-switch/ovs-vswitchd";
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

impl Real {
    /// `None` where it is not installed.
    pub fn start() -> Option<Real> {
        if !Path::new(VSWITCHD).exists() || !Path::new(SCHEMA).exists() {
            assert!(std::env::var_os("WEFT_E2E_REQUIRED").is_none(), "{VSWITCHD} is not installed");
            println!("weft-skip {:?}: {VSWITCHD} is not installed", std::thread::current().name());
            return None;
        }
        let keep = tempfile::tempdir().expect("a temporary directory");
        let real = Real { dir: keep.path().to_owned(), _keep: keep };
        real.run("ovsdb-tool", &["create", "conf.db", SCHEMA]);
        let remote = format!("punix:{}/db.sock", real.dir.display());
        real.run(
            "ovsdb-server",
            &["--detach", "--no-chdir", "--pidfile", "--log-file", "--remote", &remote, "conf.db"],
        );
        real.run("ovs-vsctl", &["--no-wait", "init"]);
        let db = format!("unix:{}/db.sock", real.dir.display());
        let flags = ["--detach", "--no-chdir", "--pidfile", "--log-file", "--enable-dummy", "--disable-system", &db];
        real.run(VSWITCHD, &flags);
        Some(real)
    }

    /// A connection to a bridge's management socket.
    pub fn connect(&self, bridge: &str) -> UnixStream {
        let stream = UnixStream::connect(self.dir.join(format!("{bridge}.mgmt"))).expect("the bridge is there");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        stream
    }

    pub fn output(&self, program: &str, args: &[&str]) -> Output {
        let mut command = Command::new(program);
        for var in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"] {
            command.env(var, &self.dir);
        }
        command.current_dir(&self.dir).args(args).output().expect("the program runs")
    }

    pub fn run(&self, program: &str, args: &[&str]) -> String {
        let output = self.output(program, args);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// What the daemon answers, or its error: JSON-RPC on its control socket, as ovs-appctl speaks it.
    pub fn ask(&self, method: &str, args: &[&str]) -> String {
        let pid = std::fs::read_to_string(self.dir.join("ovs-vswitchd.pid")).expect("a pidfile");
        let socket = self.dir.join(format!("ovs-vswitchd.{}.ctl", pid.trim()));
        let mut stream = UnixStream::connect(socket).expect("the daemon listens");
        let request = serde_json::json!({ "id": 0, "method": method, "params": args });
        stream.write_all(request.to_string().as_bytes()).expect("the daemon reads");
        let mut replies = serde_json::Deserializer::from_reader(stream).into_iter::<serde_json::Value>();
        let reply = replies.next().expect("a reply").expect("of JSON");
        let text = |member: &str| reply[member].as_str().unwrap_or_default().to_owned();
        text("result") + &text("error")
    }

    pub fn trace(&self, args: &[&str]) -> String {
        self.ask("ofproto/trace", args)
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        for program in ["ovs-vswitchd", "ovsdb-server"] {
            let _ = self.output("ovs-appctl", &["-t", program, "exit"]);
        }
    }
}

/// Both switches, configured alike.
pub struct Pair {
    pub real: Real,
    pub ours: Arc<Pipeline>,
}

impl Pair {
    pub fn start() -> Option<Pair> {
        let real = Real::start()?;
        let ours = Pipeline::new(Hooks::default());
        Some(Pair { real, ours })
    }

    /// With a bridge `br0` that drops what no flow matches, and ports `p1`, `p2`, ... of equal numbers.
    pub fn with_ports(ports: u32) -> Option<Pair> {
        let pair = Pair::start()?;
        pair.bridge("br0", true, 100);
        for i in 1..=ports {
            pair.port("br0", i, BundleSettings::trunk(&format!("p{i}")), &[]);
        }
        Some(pair)
    }

    /// Add a bridge; `local` is the datapath's number of its local port.
    pub fn bridge(&self, name: &str, secure: bool, local: u32) {
        let mode = if secure { "secure" } else { "standalone" };
        let fail_mode = format!("fail-mode={mode}");
        self.real.run(
            "ovs-vsctl",
            &["add-br", name, "--", "set", "bridge", name, "datapath-type=dummy", &fail_mode, "protocols=[]"],
        );
        add_bridge(&self.ours, name, secure, local);
    }

    pub fn ours_port(&self, bridge: &str, bundle: BundleSettings, kind: PortKind, number: OfPort) {
        add_port(&self.ours, bridge, bundle, kind, number);
    }

    /// A dummy port with the datapath's number equal to OpenFlow's, and columns of its Port row.
    pub fn port(&self, bridge: &str, number: u32, bundle: BundleSettings, columns: &[&str]) {
        let name = bundle.name.clone();
        let request = format!("ofport_request={number}");
        let mut args = vec!["add-port", bridge, &name];
        args.extend(columns);
        args.extend(["--", "set", "interface", &name, "type=dummy", &request]);
        self.real.run("ovs-vsctl", &args);
        self.ours_port(bridge, bundle, PortKind::Device(DpPort(number)), OfPort(number));
    }

    pub fn patch(&self, bridge: &str, number: u32, name: &str, peer: &str) {
        let (request, options) = (format!("ofport_request={number}"), format!("options:peer={peer}"));
        let args = ["add-port", bridge, name, "--", "set", "interface", name, "type=patch", &request, &options];
        self.real.run("ovs-vsctl", &args);
        self.ours_port(bridge, BundleSettings::trunk(name), PortKind::Patch { peer: peer.into() }, OfPort(number));
    }

    pub fn flows(&self, bridge: &str, flows: &[&str]) {
        for flow in flows {
            // as the version says actions that has them: nothing is rewritten on the way
            let newer = [
                "goto_table",
                "write_",
                "push_vlan",
                "set_field",
                "clear_actions",
                "_mpls",
                "meter:",
                "encap",
                "decap",
                "_nsh",
            ];
            let version = if newer.iter().any(|w| flow.contains(w)) { "OpenFlow13" } else { "OpenFlow10" };
            self.real.run("ovs-ofctl", &["-O", version, "add-flow", bridge, flow]);
            let todo =
                parse_flow(flow, FlowCommand::Mod(weft_openflow::FlowModCommand::Add), &Names::none()).expect(flow);
            self.ours.program(bridge, todo, Time::ZERO).expect(flow);
        }
    }

    /// Put these flows in the place of all that are there; leave out what the real one refuses.
    pub fn replace_flows(&self, bridge: &str, flows: &mut Vec<String>) {
        let file = self.real.dir.join("flows.txt");
        self.real.run("ovs-ofctl", &["-O", "OpenFlow15", "del-flows", bridge]);
        loop {
            std::fs::write(&file, flows.join("\n")).expect("a file of flows");
            let args = ["-O", "OpenFlow15", "--bundle", "add-flows", bridge, &file.display().to_string()];
            let output = self.real.output("ovs-ofctl", &args);
            if output.status.success() {
                break;
            }
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            let line = error.split("flows.txt:").nth(1).and_then(|rest| rest.split(':').next()?.parse::<usize>().ok());
            flows.remove(line.unwrap_or_else(|| panic!("{error}")) - 1);
        }
        let all = parse_flow("", FlowCommand::Mod(weft_openflow::FlowModCommand::Delete), &Names::none());
        self.ours.program(bridge, all.expect("an empty match"), Time::ZERO).expect("flows can be deleted");
        flows.iter().for_each(|flow| program_over_the_wire(&self.ours, bridge, flow));
    }

    /// Groups, added or changed.
    pub fn groups(&self, bridge: &str, groups: &[&str]) {
        for group in groups {
            self.real.run("ovs-ofctl", &["-O", "OpenFlow15", "--may-create", "mod-group", bridge, group]);
            let command = weft_openflow::group::GroupModCommand::AddOrModify;
            let todo = weft_openflow::text::parse_group(group, command, &Names::none()).expect(group);
            self.ours.program_group(bridge, &todo, Time::ZERO).expect(group);
        }
    }

    /// Take a port down or up.
    pub fn admin(&self, bridge: &str, name: &str, up: bool) {
        let word = if up { "up" } else { "down" };
        self.real.run("ovs-appctl", &["netdev-dummy/set-admin-state", name, word]);
        let state = PortState { admin_up: up, link_up: up, ..PortState::default() };
        self.ours.set_port_state(bridge, name, state, Time::ZERO).expect("a port");
        // the real one notices ports in its main loop; a reconfiguration waits for that
        self.real.run("ovs-vsctl", &["set", "open", ".", &format!("external-ids:{name}={word}")]);
    }

    /// Compare; returns a description of the difference.
    pub fn compare(&self, args: &[&str]) -> Result<(), String> {
        let real = normal(&self.real.trace(args));
        let ours = normal(&self.ours.command("ofproto/trace", args, Time::ZERO).unwrap_or_else(|e| format!("{e}\n")));
        if real == ours {
            return Ok(());
        }
        let (theirs, mine): (Vec<&str>, Vec<&str>) = (real.lines().collect(), ours.lines().collect());
        let only = |these: &[&str], those: &[&str]| {
            these.iter().filter(|line| !those.contains(line)).map(|line| format!("{line}\n")).collect::<String>()
        };
        let (missing, extra) = (only(&theirs, &mine), only(&mine, &theirs));
        let whole =
            if std::env::var_os("WHOLE").is_some() { format!("-- real, whole\n{real}\n") } else { String::new() };
        Err(format!("== {args:?}\n{whole}-- real only\n{missing}-- ours only\n{extra}"))
    }
}

/// Our pipeline by itself, with a bridge that drops what no flow matches.
pub fn ours_alone(bridge: &str) -> Arc<Pipeline> {
    let ours = Pipeline::new(Hooks::default());
    add_bridge(&ours, bridge, true, 100);
    ours
}

fn add_bridge(ours: &Pipeline, name: &str, secure: bool, local: u32) {
    let fail_mode = if secure { FailMode::Secure } else { FailMode::Standalone };
    let settings = BridgeSettings { datapath_type: "dummy".into(), fail_mode, ..BridgeSettings::default() };
    ours.add_bridge(name, settings, Time::ZERO).expect("a new bridge");
    add_port(ours, name, BundleSettings::trunk(name), PortKind::Device(DpPort(local)), OfPort::LOCAL);
}

pub fn add_port(ours: &Pipeline, bridge: &str, bundle: BundleSettings, kind: PortKind, number: OfPort) {
    let name = bundle.name.clone();
    ours.set_bundle(bridge, bundle).expect("a bundle");
    let settings = PortSettings {
        name: name.clone(),
        device_type: "dummy".into(),
        kind,
        ofport_request: Some(number),
        state: PortState::default(),
    };
    assert_eq!(ours.add_port(bridge, &name, settings, Time::ZERO), Ok(number));
}

/// Add a flow as the real one gets it: OpenFlow 1.5 says some actions in other words.
pub fn program_over_the_wire(ours: &Pipeline, bridge: &str, text: &str) {
    let dialect = Dialect::new(Version::V15);
    let add = FlowCommand::Mod(weft_openflow::FlowModCommand::Add);
    let todo = parse_flow(text, add, &Names::none()).expect(text);
    let bytes = codec::encode(&Message::FlowMod(todo), Xid(1), &dialect).expect(text);
    match codec::decode(&bytes, &dialect).expect(text).message {
        Message::FlowMod(todo) => ours.program(bridge, todo, Time::ZERO).expect(text),
        _ => panic!("{text}: no flow mod any more"),
    }
}

/// Without numbers that are each daemon's own, and without what only OVS's datapath cannot do.
pub fn normal(text: &str) -> String {
    let mut out = String::new();
    let skipped = |l: &&str| !l.contains("slow path because") && !l.contains("not supported by datapath");
    for line in text.lines().filter(skipped) {
        let mut rest = line;
        while let Some(at) = rest.find(",recirc_id=") {
            let end = rest[at + 11..].find([',', ')']).map_or(rest.len(), |n| at + 11 + n);
            out.push_str(&rest[..at]);
            out.push_str(",recirc_id=N");
            rest = &rest[end..];
        }
        out.push_str(rest);
        out.push('\n');
    }
    // a translation that failed has no megaflow worth the name
    if out.contains("Translation failed") {
        out = out.lines().filter(|l| !l.starts_with("Megaflow:")).map(|l| format!("{l}\n")).collect();
    }
    number_recirculations(&out)
}

/// Recirculation ids in the order of their appearance: 0x1, 0x2, ...
fn number_recirculations(text: &str) -> String {
    let mut seen: Vec<String> = Vec::new();
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = ["recirc(0x", "recirc_id=0x"].iter().filter_map(|p| Some(rest.find(p)? + p.len())).min() {
        let end = rest[at..].find(|c: char| !c.is_ascii_hexdigit()).map_or(rest.len(), |n| at + n);
        let id = &rest[at..end];
        let n = seen.iter().position(|s| s == id).unwrap_or_else(|| {
            seen.push(id.to_owned());
            seen.len() - 1
        });
        out.push_str(&rest[..at]);
        out.push_str(&format!("{:x}", n + 1));
        rest = &rest[end..];
    }
    out + rest
}

pub fn report(differences: Vec<String>, cases: usize) {
    assert!(differences.is_empty(), "{} of {cases} differ:\n{}", differences.len(), differences.join("\n"));
}

pub fn check(pair: &Pair, cases: &[Vec<&str>]) {
    report(cases.iter().filter_map(|args| pair.compare(args).err()).collect(), cases.len());
}
