//! The real ovs-vswitchd on its dummy datapath beside our pipeline, configured alike, for tests that compare their traces.
#![allow(dead_code, reason = "each test uses its part")]

mod normal;

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use weft_base::Time;
use weft_flow::OfPort;
use weft_openflow::codec::{self, Dialect};
use weft_openflow::switch::{TlvMap, TlvTableCommand, TlvTableMod};
use weft_openflow::text::{FlowCommand, Names, parse_flow};
use weft_openflow::{Message, Version, Xid};
use weft_packet::DpPort;
use weft_pipeline::{BridgeSettings, BundleSettings, FailMode, Hooks, Pipeline, PortKind, PortSettings, PortState};
use weft_pipeline::{ConnectionKind, ConnectionSettings};

pub use normal::normal;

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
        let Some(reply) = replies.next() else { return DIED.to_owned() };
        let reply = reply.expect("a reply of JSON");
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

    /// Three bridges in a row, joined by [`CABLES`], with equal groups and tunnel options.
    pub fn joined() -> Option<Pair> {
        let pair = Pair::start()?;
        (100..).zip(BRIDGES).for_each(|(local, bridge)| pair.bridge(bridge, true, local));
        for (bridge, number, dp, name) in joined_ports() {
            pair.port_at(bridge, number, dp, BundleSettings::trunk(&name), &[]);
        }
        for (bridge, number, name, peer) in CABLES {
            pair.patch(bridge, number, name, peer);
        }
        for bridge in BRIDGES {
            pair.groups(bridge, &GROUPS);
            pair.real.run("ovs-ofctl", &["add-tlv-map", bridge, OPTIONS]);
            ours_options(&pair.ours, bridge);
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
        self.port_at(bridge, number, number, bundle, columns);
    }

    /// The same with a number `dp` of the datapath, which the port's name has to end with.
    pub fn port_at(&self, bridge: &str, number: u32, dp: u32, bundle: BundleSettings, columns: &[&str]) {
        let name = bundle.name.clone();
        let request = format!("ofport_request={number}");
        let mut args = vec!["add-port", bridge, &name];
        args.extend(columns);
        args.extend(["--", "set", "interface", &name, "type=dummy", &request]);
        self.real.run("ovs-vsctl", &args);
        self.ours_port(bridge, bundle, PortKind::Device(DpPort(dp)), OfPort(number));
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
            // what the tool takes the switch may refuse: a flow is known by its priority
            let refused = || {
                let decoded = error.split("priority=").nth(1).and_then(|rest| rest.split([',', ' ']).next());
                // or as bytes 30 and 31 of a message in hexadecimal digits
                let bytes = || {
                    let line = error.lines().find_map(|line| line.strip_prefix("00000010  "))?;
                    let digits = line[..line.find('|')?].trim().rsplit(' ').take(2).collect::<Vec<_>>();
                    u16::from_str_radix(&format!("{}{}", digits[1], digits[0]), 16).ok()
                };
                let priority = decoded.map(str::to_owned).or_else(|| Some(bytes()?.to_string()))?;
                flows.iter().position(|flow| flow.contains(&format!("priority={priority},")))
            };
            // what each version says, none says all of
            let unsayable = || {
                let fails = |flow: &String| {
                    !self.real.output("ovs-ofctl", &["-O", "OpenFlow15", "parse-flow", flow]).status.success()
                };
                flows.iter().position(fails)
            };
            let at = line.map(|line| line - 1).or_else(refused).or_else(unsayable);
            flows.remove(at.unwrap_or_else(|| panic!("{error}")));
        }
        let all = parse_flow("", FlowCommand::Mod(weft_openflow::FlowModCommand::Delete), &Names::none());
        self.ours.program(bridge, all.expect("an empty match"), Time::ZERO).expect("flows can be deleted");
        flows.iter().for_each(|flow| program_over_the_wire(&self.ours, bridge, flow));
    }

    /// As [`Pair::replace_flows`], of all bridges of [`Pair::joined`]: flows of others than the first begin with its name.
    pub fn replace_all(&self, lines: &mut Vec<String>) {
        let mut kept = Vec::new();
        for bridge in BRIDGES {
            let mine = lines.iter().map(|line| bridge_of(line)).filter(|(of, _)| *of == bridge);
            let mut mine: Vec<String> = mine.map(|(_, flow)| flow.to_owned()).collect();
            self.replace_flows(bridge, &mut mine);
            let prefix = if bridge == BRIDGES[0] { String::new() } else { format!("{bridge} ") };
            kept.extend(mine.into_iter().map(|flow| prefix.clone() + &flow));
        }
        *lines = kept;
    }

    /// Groups, added or changed.
    pub fn groups(&self, bridge: &str, groups: &[&str]) {
        for group in groups {
            self.real.run("ovs-ofctl", &["-O", "OpenFlow15", "--may-create", "mod-group", bridge, group]);
        }
        ours_groups(&self.ours, bridge, groups);
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
        difference(args, &self.real.trace(args), &self.trace_ours(args))
    }

    fn trace_ours(&self, args: &[&str]) -> String {
        self.ours.command("ofproto/trace", args, Time::ZERO).unwrap_or_else(|e| format!("{e}\n"))
    }

    /// Compare how the translation of a frame goes on after its recirculation.
    pub fn compare_resumed(&self, bridge: &str, frame: &str) -> Result<(), String> {
        let resumed = |said: String, trace: &dyn Fn(&[&str]) -> String| {
            let id = said.split_once("recirc(").and_then(|(_, rest)| rest.split_once(')')).map(|(id, _)| id);
            match id {
                Some(id) => trace(&[bridge, &format!("recirc_id={id},{frame}")]),
                None => said,
            }
        };
        let args = [bridge, frame];
        let real = resumed(self.real.trace(&args), &|args| self.real.trace(args));
        difference(&args, &real, &resumed(self.trace_ours(&args), &|args| self.trace_ours(args)))
    }
}

/// What only one of two traces says.
fn difference(args: &[&str], real: &str, ours: &str) -> Result<(), String> {
    {
        let (real, ours) = (normal(real), normal(ours));
        if real == ours {
            return Ok(());
        }
        let (theirs, mine): (Vec<&str>, Vec<&str>) = (real.lines().collect(), ours.lines().collect());
        let only = |these: &[&str], those: &[&str]| {
            these.iter().filter(|line| !those.contains(line)).map(|line| format!("{line}\n")).collect::<String>()
        };
        let (missing, extra) = (only(&theirs, &mine), only(&mine, &theirs));
        let whole = match std::env::var_os("WHOLE").is_some() || (missing.is_empty() && extra.is_empty()) {
            true => format!("-- real, whole\n{real}\n-- ours, whole\n{ours}\n"),
            false => String::new(),
        };
        Err(format!("== {args:?}\n{whole}-- real only\n{missing}-- ours only\n{extra}"))
    }
}

/// Ports of the first bridge.
pub const PORTS: u64 = 4;
/// The bridges of [`Pair::joined`].
pub const BRIDGES: [&str; 3] = ["br0", "br1", "br2"];
/// The options of all.
const OPTIONS: &str = "{class=0x102,type=0x80,len=4}->tun_metadata0,{class=0xffff,type=1,len=8}->tun_metadata1";
/// The groups of all.
pub const GROUPS: [&str; 9] = [
    "group_id=1,type=all,bucket=output:1,bucket=set_field:50:54:00:00:00:04->eth_dst,output:2,bucket=resubmit(,3)",
    "group_id=2,type=indirect,bucket=push_vlan:0x8100,set_field:4101->vlan_vid,output:3",
    "group_id=3,type=ff,bucket=watch_port:9,output:1,bucket=watch_port:2,set_field:1->reg1,output:10",
    "group_id=4,type=select,selection_method=hash,fields(ip_src,tcp_dst),bucket=output:2",
    "group_id=5,type=select,selection_method=dp_hash,bucket=set_field:2->reg2,resubmit(,3),output:4",
    "group_id=6,type=all,bucket=group:2,bucket=group:3,output:in_port,bucket=clone(output:2),resubmit(,3)",
    "group_id=7,type=all",
    "group_id=8,type=ff,bucket=watch_port:9,output:1",
    "group_id=9,type=indirect,bucket=push:NXM_NX_REG0[],pop:NXM_NX_REG1[],exit,output:2",
];

/// What is said of a real daemon that an assertion of its own has ended.
pub const DIED: &str = "the real one has died of this";

/// Our pipeline by itself, as [`Pair::joined`] has it.
pub fn ours_joined() -> Arc<Pipeline> {
    let ours = ours_alone(BRIDGES[0]);
    (101..).zip(&BRIDGES[1..]).for_each(|(local, bridge)| add_bridge(&ours, bridge, true, local));
    for (bridge, number, dp, name) in joined_ports() {
        add_port(&ours, bridge, BundleSettings::trunk(&name), PortKind::Device(DpPort(dp)), OfPort(number));
    }
    for (bridge, number, name, peer) in CABLES {
        let kind = PortKind::Patch { peer: peer.into() };
        add_port(&ours, bridge, BundleSettings::trunk(name), kind, OfPort(number));
    }
    for bridge in BRIDGES {
        ours_groups(&ours, bridge, &GROUPS);
        ours_options(&ours, bridge);
    }
    ours
}

/// The patch cables of [`Pair::joined`]: bridge, number, port, peer.
const CABLES: [(&str, u32, &str, &str); 4] = [
    (BRIDGES[0], 10, "a-b", "b-a"),
    (BRIDGES[1], 10, "b-a", "a-b"),
    (BRIDGES[1], 11, "b-c", "c-b"),
    (BRIDGES[2], 10, "c-b", "b-c"),
];

/// Give a bridge of ours what [`OPTIONS`] says.
fn ours_options(ours: &Pipeline, bridge: &str) {
    let map = |class, kind, len, index| TlvMap { class, kind, len, index };
    let maps = vec![map(0x102, 0x80, 4, 0), map(0xffff, 1, 8, 1)];
    let id = ours.connect(bridge, ConnectionSettings::new(ConnectionKind::Service, "test"), Time::ZERO);
    let (id, dialect) = (id.expect("the bridge is there"), Dialect::new(Version::V10));
    let table = Message::TlvTableMod(TlvTableMod { command: TlvTableCommand::Add, maps });
    for message in [Message::Hello { versions: Version::V10.bit() }, table] {
        let bytes = codec::encode(&message, Xid(1), &dialect).expect("1.0 can say it");
        ours.input(id, &bytes, Time::ZERO);
    }
    ours.run(Time::ZERO);
    ours.disconnect(id);
}

/// Bridge, OpenFlow number, datapath number, name.
fn joined_ports() -> impl Iterator<Item = (&'static str, u32, u32, String)> {
    let first = (1..=PORTS as u32).map(|port| (BRIDGES[0], port, port, format!("p{port}")));
    let others = [(BRIDGES[1], 20), (BRIDGES[2], 30)].into_iter();
    first.chain(
        others.flat_map(|(bridge, n)| (1..=2).map(move |port| (bridge, port, n + port, format!("q{}", n + port)))),
    )
}

fn ours_groups(ours: &Pipeline, bridge: &str, groups: &[&str]) {
    for group in groups {
        let command = weft_openflow::group::GroupModCommand::AddOrModify;
        let todo = weft_openflow::text::parse_group(group, command, &Names::none()).expect(group);
        ours.program_group(bridge, &todo, Time::ZERO).expect(group);
    }
}

/// The bridge that a line speaks of, and the flow.
pub fn bridge_of(line: &str) -> (&'static str, &str) {
    let named = BRIDGES.into_iter().find_map(|bridge| Some((bridge, line.strip_prefix(bridge)?.strip_prefix(' ')?)));
    named.unwrap_or((BRIDGES[0], line))
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

pub fn report(differences: Vec<String>, cases: usize) {
    assert!(differences.is_empty(), "{} of {cases} differ:\n{}", differences.len(), differences.join("\n"));
}

pub fn check(pair: &Pair, cases: &[Vec<&str>]) {
    report(cases.iter().filter_map(|args| pair.compare(args).err()).collect(), cases.len());
}
