//! Our `ofproto/trace` beside that of the real ovs-vswitchd on its dummy datapath, where Debian's package is installed.
//! The texts must be equal to the letter, but for numbers that are each daemon's own (recirculation ids).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use weft_base::Time;
use weft_flow::OfPort;
use weft_openflow::text::{FlowCommand, Names, parse_flow};
use weft_packet::DpPort;
use weft_pipeline::{
    BridgeSettings, BundleSettings, FailMode, Hooks, Pipeline, PortKind, PortSettings, PortState, PriorityTags,
    VlanMode, VlanSet,
};

/// The real daemons in a directory of their own.
struct Real {
    dir: PathBuf,
    _keep: tempfile::TempDir,
}

const VSWITCHD: &str = "/usr/lib/openvswitch-switch/ovs-vswitchd";
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

impl Real {
    /// `None` where it is not installed.
    fn start() -> Option<Real> {
        if !Path::new(VSWITCHD).exists() || !Path::new(SCHEMA).exists() {
            eprintln!("skipped: no ovs-vswitchd here");
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

    fn output(&self, program: &str, args: &[&str]) -> Output {
        let mut command = Command::new(program);
        for var in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"] {
            command.env(var, &self.dir);
        }
        command.current_dir(&self.dir).args(args).output().expect("the program runs")
    }

    fn run(&self, program: &str, args: &[&str]) -> String {
        let output = self.output(program, args);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        text
    }

    fn trace(&self, args: &[&str]) -> String {
        let mut all = vec!["ofproto/trace"];
        all.extend(args);
        let output = self.output("ovs-appctl", &all);
        let error =
            String::from_utf8_lossy(&output.stderr).replace("ovs-appctl: ovs-vswitchd: server returned an error\n", "");
        format!("{}{error}", String::from_utf8_lossy(&output.stdout))
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
struct Pair {
    real: Real,
    ours: Arc<Pipeline>,
}

impl Pair {
    fn start() -> Option<Pair> {
        let real = Real::start()?;
        let ours = Pipeline::new(Hooks::default());
        Some(Pair { real, ours })
    }

    fn bridge(&self, name: &str, secure: bool, local: u32) {
        let mode = if secure { "secure" } else { "standalone" };
        let fail_mode = format!("fail-mode={mode}");
        self.real.run(
            "ovs-vsctl",
            &["add-br", name, "--", "set", "bridge", name, "datapath-type=dummy", &fail_mode, "protocols=[]"],
        );
        let fail_mode = if secure { FailMode::Secure } else { FailMode::Standalone };
        let settings = BridgeSettings { datapath_type: "dummy".into(), fail_mode, ..BridgeSettings::default() };
        self.ours.add_bridge(name, settings, Time::ZERO).expect("a new bridge");
        self.ours_port(name, BundleSettings::trunk(name), PortKind::Device(DpPort(local)), OfPort::LOCAL);
    }

    fn ours_port(&self, bridge: &str, bundle: BundleSettings, kind: PortKind, number: OfPort) {
        let name = bundle.name.clone();
        self.ours.set_bundle(bridge, bundle).expect("a bundle");
        let settings = PortSettings {
            name: name.clone(),
            device_type: "dummy".into(),
            kind,
            ofport_request: Some(number),
            state: PortState::default(),
        };
        assert_eq!(self.ours.add_port(bridge, &name, settings, Time::ZERO), Ok(number));
    }

    /// A dummy port with the datapath's number equal to OpenFlow's, and columns of its Port row.
    fn port(&self, bridge: &str, number: u32, bundle: BundleSettings, columns: &[&str]) {
        let name = bundle.name.clone();
        let request = format!("ofport_request={number}");
        let mut args = vec!["add-port", bridge, &name];
        args.extend(columns);
        args.extend(["--", "set", "interface", &name, "type=dummy", &request]);
        self.real.run("ovs-vsctl", &args);
        self.ours_port(bridge, bundle, PortKind::Device(DpPort(number)), OfPort(number));
    }

    fn patch(&self, bridge: &str, number: u32, name: &str, peer: &str) {
        let (request, options) = (format!("ofport_request={number}"), format!("options:peer={peer}"));
        let args = ["add-port", bridge, name, "--", "set", "interface", name, "type=patch", &request, &options];
        self.real.run("ovs-vsctl", &args);
        self.ours_port(bridge, BundleSettings::trunk(name), PortKind::Patch { peer: peer.into() }, OfPort(number));
    }

    fn flows(&self, bridge: &str, flows: &[&str]) {
        for flow in flows {
            // as the version says actions that has them: nothing is rewritten on the way
            let newer = ["goto_table", "write_", "push_vlan", "set_field", "clear_actions"];
            let version = if newer.iter().any(|w| flow.contains(w)) { "OpenFlow13" } else { "OpenFlow10" };
            self.real.run("ovs-ofctl", &["-O", version, "add-flow", bridge, flow]);
            let todo =
                parse_flow(flow, FlowCommand::Mod(weft_openflow::FlowModCommand::Add), &Names::none()).expect(flow);
            self.ours.program(bridge, todo, Time::ZERO).expect(flow);
        }
    }

    /// Compare; returns a description of the difference.
    fn compare(&self, args: &[&str]) -> Result<(), String> {
        let real = normal(&self.real.trace(args));
        let ours = normal(&self.ours.command("ofproto/trace", args, Time::ZERO).unwrap_or_else(|e| format!("{e}\n")));
        if real == ours { Ok(()) } else { Err(format!("== {args:?}\n-- real\n{real}\n-- ours\n{ours}\n")) }
    }
}

/// Without numbers that are each daemon's own, and without what only OVS's datapath cannot do.
fn normal(text: &str) -> String {
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
    out
}

fn report(differences: Vec<String>, cases: usize) {
    assert!(differences.is_empty(), "{} of {cases} differ:\n{}", differences.len(), differences.join("\n"));
}

fn check(pair: &Pair, cases: &[Vec<&str>]) {
    report(cases.iter().filter_map(|args| pair.compare(args).err()).collect(), cases.len());
}

#[test]
fn actions_and_tables_trace_alike() {
    let Some(pair) = Pair::start() else { return };
    pair.bridge("br0", true, 100);
    for i in 1..=4 {
        pair.port("br0", i, BundleSettings::trunk(&format!("p{i}")), &[]);
    }
    pair.bridge("br1", false, 101);
    pair.patch("br0", 20, "pa", "pb");
    pair.patch("br1", 1, "pb", "pa");
    pair.port("br1", 5, BundleSettings::trunk("q1"), &[]);
    pair.flows(
        "br0",
        &[
            "in_port=1,tcp,actions=resubmit(,1),resubmit(2,3),2",
            "in_port=1,udp,actions=set_field:4.5.6.7->ip_dst,set_field:00:00:00:00:00:09->eth_dst,set_field:4->ip_dscp,\
             set_field:80->udp_dst,push_vlan:0x8100,set_field:4100->vlan_vid,set_queue:5,set_field:7->pkt_mark,2",
            "in_port=1,arp,actions=set_field:4.5.6.7->arp_spa,2",
            "in_port=1,tcp6,actions=set_field:fe80::1->ipv6_src,mod_nw_ttl:9,2",
            "in_port=1,dl_type=0x1234,actions=load:0x1->NXM_OF_ETH_DST[4..7],2,\
             move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],3,controller(reason=no_match,userdata=01.02),\
             output(port=4,max_len=100),output(port=1,max_len=100)",
            "table=1,priority=5,tcp,actions=set_field:0x5->reg0,set_field:1.2.3.4->ip_src,output:NXM_NX_REG0[],goto_table:2",
            "table=1,priority=4,actions=drop",
            "table=2,ip,actions=dec_ttl,output:3,controller(max_len=100),note:00.01,set_queue:3,output:2,pop_queue",
            "table=3,actions=local,in_port,normal,exit",
            "in_port=2,cookie=0x99,actions=write_actions(output:3,push_vlan:0x8100,set_field:4100->vlan_vid),\
             write_metadata:0x55/0xff,goto_table:4",
            "table=4,metadata=0x55/0xff,actions=clear_actions,write_actions(output:1)",
            "in_port=3,dl_type=0x8888,actions=clone(mod_vlan_vid:9,2),1,push:NXM_NX_REG0[],pop:NXM_NX_REG1[],output:9,output:3",
            "in_port=3,dl_type=0x8889,actions=20,2",
            "in_port=3,dl_type=0x888a,actions=mod_vlan_vid:9,20,strip_vlan,2",
            "in_port=3,dl_type=0x888b,actions=resubmit:3",
            "in_port=3,dl_type=0x888c,actions=enqueue:4:7,2",
            "in_port=3,dl_type=0x888d,actions=set_field:0x11->reg3,resubmit(,5),1",
            "table=5,reg3=0x11,actions=move:NXM_OF_IN_PORT[]->NXM_NX_REG4[0..15],push:NXM_NX_REG4[],pop:NXM_NX_REG5[],2",
            "in_port=3,dl_type=0x888e,actions=CONTROLLER:100,2",
            "in_port=3,dl_type=0x888f,actions=load:0->NXM_OF_VLAN_TCI[],1,load:0x1005->NXM_OF_VLAN_TCI[],2",
            "in_port=3,dl_vlan=7,dl_type=0x9990,actions=strip_vlan,1,mod_vlan_pcp:3,2,mod_vlan_vid:4,4",
            "in_port=3,dl_type=0x9991,actions=write_actions(set_field:00:00:00:00:00:07->eth_src)",
            "in_port=3,dl_type=0x9992,actions=resubmit(,6),1",
            "table=6,actions=exit",
            "in_port=3,icmp,actions=clone(dec_ttl,1),2,4",
            "in_port=3,sctp,actions=mod_tp_src:7,1,mod_nw_src:1.1.1.1,2",
            "in_port=3,dl_vlan=8,tcp,actions=set_field:1->nw_ecn,push_vlan:0x88a8,1",
            "in_port=4,vlan_tci=0x0000/0x1000,actions=2",
            "in_port=4,ip,nw_src=10.1.0.0/16,actions=1",
            "in_port=4,ip,nw_src=10.2.0.0/24,tcp,tp_dst=80,priority=40000,actions=2",
        ],
    );
    check(
        &pair,
        &[
            vec!["br0", "in_port=1,tcp,nw_ttl=64"],
            vec!["br0", "in_port=1,tcp,nw_ttl=1"],
            vec!["br0", "in_port=1,udp,nw_ttl=5"],
            vec!["br0", "in_port=1,udp,nw_ttl=5,dl_vlan=5,dl_vlan_pcp=3"],
            vec!["br0", "in_port=1,arp,arp_op=1"],
            vec!["br0", "in_port=1,tcp6"],
            vec!["br0", "in_port=1,dl_type=0x1234"],
            vec!["br0", "in_port=1,dl_type=0x1234,dl_dst=00:00:00:00:00:10"],
            vec!["br0", "in_port=1,dl_type=0x1234,dl_dst=ff:ff:ff:ff:ff:ff,dl_src=00:00:00:00:00:05"],
            vec!["br0", "in_port=2"],
            vec!["br0", "in_port=3,dl_type=0x8888"],
            vec!["br0", "in_port=3,dl_type=0x8888,dl_vlan=4,dl_vlan_pcp=1"],
            vec!["br0", "in_port=3,dl_type=0x8889,dl_src=50:54:00:00:00:05"],
            vec!["br0", "in_port=3,dl_type=0x888a"],
            vec!["br0", "in_port=3,dl_type=0x888b"],
            vec!["br0", "in_port=3,dl_type=0x888c"],
            vec!["br0", "in_port=3,dl_type=0x888d"],
            vec!["br0", "in_port=3,dl_type=0x888e"],
            vec!["br0", "in_port=3,dl_type=0x888f"],
            vec!["br0", "in_port=3,dl_type=0x888f,dl_vlan=99"],
            vec!["br0", "in_port=3,dl_type=0x9990,dl_vlan=7"],
            vec!["br0", "in_port=3,dl_type=0x9990,dl_vlan=7,dl_vlan_pcp=5"],
            vec!["br0", "in_port=3,dl_type=0x9991"],
            vec!["br0", "in_port=3,dl_type=0x9992"],
            vec!["br0", "in_port=3,icmp,nw_ttl=9"],
            vec!["br0", "in_port=3,sctp"],
            vec!["br0", "in_port=3,tcp,dl_vlan=8"],
            vec!["br0", "in_port=3,tcp"],
            vec!["br0", "in_port=3"],
            vec!["br0", "in_port=4"],
            vec!["br0", "in_port=4,dl_vlan=3"],
            vec!["br0", "in_port=4,dl_vlan=3,tcp,nw_src=10.1.2.3"],
            vec!["br0", "in_port=4,dl_vlan=3,tcp,nw_src=10.2.0.3,tp_dst=80"],
            vec!["br0", "in_port=4,dl_vlan=3,tcp,nw_src=192.168.0.1,tp_dst=81"],
            vec!["br0", "in_port=9"],
            vec!["br1", "in_port=9"],
            vec!["br1", "in_port=CONTROLLER,dl_dst=01:02:03:04:05:06"],
            vec!["br1", "dl_dst=01:02:03:04:05:06"],
            vec!["br1", "in_port=1,dl_dst=01:80:c2:00:00:00"],
            vec!["br1", "in_port=5,dl_dst=01:80:c2:00:00:0f"],
            vec!["nobr", "in_port=1"],
            vec!["br0", "in_port=foo"],
            vec!["br0", "in_port=1", "zz"],
            vec!["br0", "in_port=1,ip", "--bad"],
            vec!["ovs-dummy", "in_port(77),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:06),eth_type(0x1234)"],
            vec![
                "ovs-dummy",
                "in_port(1),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:06),eth_type(0x0800),\
                 ipv4(src=1.1.1.1,dst=2.2.2.2,proto=6,tos=0,ttl=64,frag=no),tcp(src=1,dst=2)",
            ],
            vec![
                "in_port(1),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:06),eth_type(0x0800),\
                 ipv4(src=1.1.1.1,dst=2.2.2.2,proto=6,tos=0,ttl=64,frag=no),tcp(src=1,dst=2)",
            ],
            vec![
                "br0",
                "in_port=1",
                "ffffffffffff0000000000010806000108000604000100000000000101010101000000000000020202020000",
            ],
        ],
    );
}

/// Every VLAN mode in and out, with every kind of tag, learned and flooded.
#[test]
fn vlan_modes_trace_alike() {
    let Some(pair) = Pair::start() else { return };
    pair.bridge("br0", false, 100);
    let bundle = |name: &str, mode, tag: Option<u16>, trunks: &[u16]| BundleSettings {
        mode,
        tag,
        trunks: VlanSet::listed_or_all(trunks.iter().copied()),
        ..BundleSettings::trunk(name)
    };
    pair.port("br0", 1, BundleSettings::access("p1", 10), &["tag=10"]);
    pair.port("br0", 2, BundleSettings::access("p2", 20), &["tag=20"]);
    pair.port("br0", 3, bundle("p3", VlanMode::Trunk, None, &[10, 20]), &["trunks=10,20"]);
    pair.port("br0", 4, bundle("p4", VlanMode::Trunk, None, &[]), &[]);
    pair.port(
        "br0",
        5,
        bundle("p5", VlanMode::NativeTagged, Some(10), &[20]),
        &["vlan_mode=native-tagged", "tag=10", "trunks=20"],
    );
    pair.port(
        "br0",
        6,
        bundle("p6", VlanMode::NativeUntagged, Some(10), &[]),
        &["vlan_mode=native-untagged", "tag=10"],
    );
    let tunnel = BundleSettings { cvlans: VlanSet::of([10, 11]), ..bundle("p7", VlanMode::Dot1qTunnel, Some(30), &[]) };
    pair.port("br0", 7, tunnel, &["vlan_mode=dot1q-tunnel", "tag=30", "cvlans=10,11"]);
    let tagged = |name: &str, tag, priority_tags| BundleSettings { priority_tags, ..BundleSettings::access(name, tag) };
    pair.port(
        "br0",
        8,
        tagged("p8", 10, PriorityTags::IfNonzero),
        &["tag=10", "other-config:priority-tags=if-nonzero"],
    );
    pair.port("br0", 9, tagged("p9", 10, PriorityTags::Always), &["tag=10", "other-config:priority-tags=always"]);
    for (number, name) in [(11, "p11"), (12, "p12")] {
        let protected = BundleSettings { protected: true, ..BundleSettings::trunk(name) };
        pair.port("br0", number, protected, &["protected=true"]);
    }
    let mut differences = Vec::new();
    let mut cases = 0;
    for port in [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12] {
        for tag in [
            "",
            ",dl_vlan=0,dl_vlan_pcp=0",
            ",dl_vlan=0,dl_vlan_pcp=5",
            ",dl_vlan=10",
            ",dl_vlan=20,dl_vlan_pcp=3",
            ",dl_vlan=30",
            ",dl_vlan=11",
        ] {
            // OVS forgets that keeping a priority tag rests on the priority
            if tag.ends_with("pcp=5") && matches!(port, 4 | 11 | 12) {
                continue;
            }
            let src = format!("50:54:00:00:01:{port:02x}");
            let flow = format!("in_port={port},dl_src={src},dl_dst=ff:ff:ff:ff:ff:ff,dl_type=0x1234{tag}");
            cases += 1;
            differences.extend(pair.compare(&["br0", &flow, "-generate"]).err());
        }
    }
    for port in [1, 3, 4, 6, 7, 11] {
        for to in [1, 3, 5, 6, 7, 8, 12] {
            for tag in ["", ",dl_vlan=10,dl_vlan_pcp=1", ",dl_vlan=20"] {
                let flow = format!(
                    "in_port={port},dl_src=50:54:00:00:02:01,dl_dst=50:54:00:00:01:{to:02x},dl_type=0x1234{tag}"
                );
                cases += 1;
                differences.extend(pair.compare(&["br0", &flow]).err());
            }
        }
    }
    let arp =
        "in_port=1,arp,dl_src=50:54:00:00:01:01,dl_dst=ff:ff:ff:ff:ff:ff,arp_op=1,arp_spa=1.1.1.1,arp_tpa=1.1.1.1";
    differences.extend(pair.compare(&["br0", arp, "-generate"]).err());
    differences.extend(pair.compare(&["br0", &arp.replace("in_port=1", "in_port=6"), "-generate"]).err());
    differences.extend(pair.compare(&["br0", arp]).err());
    report(differences, cases + 3);
}
