//! Debian's own Open vSwitch tools drive our daemon, unmodified.

use anyhow::{Context, Result, ensure};
use weft_tests::Stage;
use weft_tests::sandbox::story;

const OVS_VSCTL: &str = "/usr/bin/ovs-vsctl";
const OVS_OFCTL: &str = "/usr/bin/ovs-ofctl";
const OVS_APPCTL: &str = "/usr/bin/ovs-appctl";

fn vsctl(stage: &Stage, args: &[&str]) -> Result<String> {
    let mut all = vec!["--timeout=20"];
    all.extend_from_slice(args);
    stage.ours(OVS_VSCTL, &all)
}

fn ofctl(stage: &Stage, args: &[&str]) -> Result<String> {
    stage.ours(OVS_OFCTL, args)
}

fn appctl(stage: &Stage, args: &[&str]) -> Result<String> {
    stage.ours(OVS_APPCTL, args)
}

fn contains(text: &str, part: &str) -> Result<()> {
    ensure!(text.contains(part), "no `{part}` in:\n{text}");
    Ok(())
}

#[test]
fn ovs_vsctl_configures_bridges_and_ports() {
    story("ovs_vsctl_configures_bridges_and_ports", || {
        let stage = Stage::for_test("vsctl")?;
        let _daemon = stage.start(&[])?;
        vsctl(&stage, &["add-br", "br0"])?;
        vsctl(
            &stage,
            &["add-port", "br0", "tap0", "tag=10", "--", "set", "Interface", "tap0", "type=tap", "ofport_request=7"],
        )?;
        ensure!(vsctl(&stage, &["list-br"])? == "br0\n");
        ensure!(vsctl(&stage, &["list-ports", "br0"])? == "tap0\n");
        ensure!(vsctl(&stage, &["get", "Interface", "tap0", "ofport"])? == "7\n");
        ensure!(vsctl(&stage, &["get", "Interface", "br0", "ofport"])? == "65534\n");
        let mac = vsctl(&stage, &["get", "Interface", "tap0", "mac_in_use"])?;
        ensure!(mac.trim().trim_matches('"').split(':').count() == 6, "mac_in_use is {mac}");
        contains(&vsctl(&stage, &["show"])?, "Bridge br0")?;
        // a device that is not there costs its own row an error and nothing else
        vsctl(&stage, &["add-port", "br0", "absent0"])?;
        let error = vsctl(&stage, &["get", "Interface", "absent0", "error"])?;
        contains(&error, "could not open network device absent0 (No such device)")?;
        ensure!(vsctl(&stage, &["get", "Interface", "absent0", "ofport"])?.trim() == "-1");
        vsctl(&stage, &["del-port", "absent0"])?;
        vsctl(&stage, &["del-br", "br0"])?;
        ensure!(vsctl(&stage, &["list-br"])?.is_empty());
        Ok(())
    });
}

#[test]
fn ovs_ofctl_programs_flows_in_both_versions() {
    story("ovs_ofctl_programs_flows_in_both_versions", || {
        let stage = Stage::for_test("ofctl")?;
        let _daemon = stage.start(&["--enable-dummy=override"])?;
        vsctl(
            &stage,
            &[
                "add-br",
                "br0",
                "--",
                "set",
                "bridge",
                "br0",
                "datapath_type=dummy",
                "fail-mode=secure",
                "other-config:datapath-id=fedcba9876543210",
            ],
        )?;
        for (port, number) in [("p1", "1"), ("p2", "2")] {
            vsctl(
                &stage,
                &[
                    "add-port",
                    "br0",
                    port,
                    "--",
                    "set",
                    "Interface",
                    port,
                    "type=dummy",
                    &format!("ofport_request={number}"),
                ],
            )?;
        }
        for version in ["OpenFlow10", "OpenFlow13"] {
            let o = ["-O", version];
            let run = |args: &[&str]| ofctl(&stage, &[&o, args].concat());
            contains(&run(&["show", "br0"])?, "dpid:fedcba9876543210")?;
            contains(&run(&["dump-ports", "br0", "p1"])?, "rx pkts=")?;
            contains(&run(&["dump-tables", "br0"])?, "table 0")?;
            run(&[
                "add-flow",
                "br0",
                "table=0,priority=100,tcp,nw_dst=10.0.0.0/8,tp_dst=80,actions=mod_vlan_vid:5,output:2",
            ])?;
            run(&["add-flow", "br0", "cookie=0x5,priority=5,arp,actions=NORMAL"])?;
            let flows = run(&["dump-flows", "br0"])?;
            contains(&flows, "priority=100,tcp,nw_dst=10.0.0.0/8,tp_dst=80 actions=")?;
            contains(&flows, "cookie=0x5")?;
            run(&["mod-flows", "br0", "tcp,actions=drop"])?;
            contains(&run(&["dump-flows", "br0"])?, "tp_dst=80 actions=drop")?;
            run(&["--strict", "del-flows", "br0", "priority=5,arp"])?;
            let file = stage.run.join("flows.txt");
            std::fs::write(&file, "priority=1,ip,actions=2\npriority=2,arp,actions=drop\n")?;
            let file = file.to_str().context("the run directory's name is text")?;
            run(&["replace-flows", "br0", file])?;
            ensure!(run(&["diff-flows", "br0", file])?.is_empty());
            run(&["del-flows", "br0"])?;
            let left = run(&["dump-flows", "br0"])?;
            ensure!(!left.contains("actions="), "flows are left: {left}");
        }
        // a wrong flow gets an answer that names the field
        let refused = stage.program(OVS_OFCTL, &["add-flow", "br0", "tcp,actions=output:2,resubmit(,300)"]).output()?;
        ensure!(!refused.ok());
        Ok(())
    });
}

#[test]
fn ovs_appctl_traces_and_lists() {
    story("ovs_appctl_traces_and_lists", || {
        let stage = Stage::for_test("appctl")?;
        let _daemon = stage.start(&["--enable-dummy=override"])?;
        vsctl(&stage, &["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy", "fail-mode=secure"])?;
        for (port, number) in [("p1", "1"), ("p2", "2")] {
            vsctl(
                &stage,
                &[
                    "add-port",
                    "br0",
                    port,
                    "--",
                    "set",
                    "Interface",
                    port,
                    "type=dummy",
                    &format!("ofport_request={number}"),
                ],
            )?;
        }
        ofctl(&stage, &["add-flow", "br0", "in_port=1,ip,actions=dec_ttl,output:2"])?;
        let trace =
            appctl(&stage, &["ofproto/trace", "br0", "in_port=1,icmp,nw_ttl=64,nw_src=10.0.0.1,nw_dst=10.0.0.2"])?;
        for part in [
            "Flow: icmp,in_port=1",
            "bridge(\"br0\")",
            "dec_ttl",
            "output:2",
            "Final flow:",
            "Megaflow:",
            "Datapath actions: set(ipv4(ttl=63)),",
        ] {
            contains(&trace, part)?;
        }
        contains(&appctl(&stage, &["list-commands"])?, "ofproto/trace")?;
        contains(&appctl(&stage, &["dpif/show"])?, "br0")?;
        appctl(&stage, &["time/stop"])?;
        // a frame goes in by p1 and is counted by its flow and by p2
        let frame = "in_port(1),eth(src=50:54:00:00:00:01,dst=50:54:00:00:00:02),eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=1,tos=0,ttl=64,frag=no),icmp(type=8,code=0)";
        appctl(&stage, &["netdev-dummy/receive", "p1", frame])?;
        contains(&ofctl(&stage, &["dump-flows", "br0"])?, "n_packets=1,")?;
        contains(&ofctl(&stage, &["dump-ports", "br0", "p2"])?, "tx pkts=1,")?;
        contains(&appctl(&stage, &["dpctl/dump-flows"])?, "set(ipv4(ttl=63))")?;
        contains(&appctl(&stage, &["coverage/show"])?, "Event coverage")?;
        contains(&appctl(&stage, &["vlog/list"])?, "console")?;
        // what no rule takes dies with a reason
        appctl(&stage, &["netdev-dummy/receive", "p2", &frame.replace("in_port(1)", "in_port(2)")])?;
        contains(&appctl(&stage, &["drop/show"])?, "table-miss")?;
        let unknown = stage.program(OVS_APPCTL, &["no/such"]).output()?;
        ensure!(!unknown.ok() && unknown.stderr.contains("\"no/such\" is not a valid command"), "{unknown:?}");
        Ok(())
    });
}

#[test]
fn ovs_ofctl_sends_and_watches_packets() {
    story("ovs_ofctl_sends_and_watches_packets", || {
        let stage = Stage::for_test("packets")?;
        let _daemon = stage.start(&["--enable-dummy=override"])?;
        vsctl(
            &stage,
            &[
                "add-br",
                "br0",
                "--",
                "set",
                "bridge",
                "br0",
                "datapath_type=dummy",
                "fail-mode=secure",
                "--",
                "add-port",
                "br0",
                "p1",
                "--",
                "set",
                "Interface",
                "p1",
                "type=dummy",
                "ofport_request=1",
            ],
        )?;
        let out = stage.run.join("monitor.log");
        let out = out.to_str().context("text")?;
        let pid = stage.run.join("monitor.pid");
        let monitor = stage.program(
            OVS_OFCTL,
            &[
                "monitor",
                "br0",
                "65534",
                "-P",
                "nxt_packet_in",
                "--detach",
                "--no-chdir",
                &format!("--pidfile={}", pid.display()),
                &format!("--log-file={out}.log"),
                "--unixctl",
                &format!("{out}.ctl"),
            ],
        );
        monitor.detach()?;
        stage.ours(OVS_APPCTL, &["-t", &format!("{out}.ctl"), "ofctl/set-output-file", out])?;
        ofctl(&stage, &["add-flow", "br0", "in_port=1,actions=controller"])?;
        appctl(
            &stage,
            &["netdev-dummy/receive", "p1", "505400000002505400000001080045000014000000004001f8e90a0000010a000002"],
        )?;
        ofctl(
            &stage,
            &[
                "packet-out",
                "br0",
                "in_port=none,packet=505400000002505400000001080045000014000000004001f8e90a0000010a000002,actions=output:1",
            ],
        )?;
        weft_tests::stage::wait_until("packet-in", std::time::Duration::from_secs(10), || {
            Ok(std::fs::read_to_string(out).unwrap_or_default().contains("PACKET_IN"))
        })?;
        stage.ours(OVS_APPCTL, &["-t", &format!("{out}.ctl"), "exit"])?;
        contains(&ofctl(&stage, &["dump-ports", "br0", "p1"])?, "tx pkts=1,")?;
        Ok(())
    });
}
