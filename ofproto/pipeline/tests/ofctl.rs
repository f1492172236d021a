//! The real ovs-ofctl against our connections, over a socket that the test carries.

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use support::Switch;
use weft_base::Time;
use weft_pipeline::{ConnectionKind, ConnectionSettings, FailMode, Pipeline};

/// Serve `br0` on a socket until the process ends. Each connection is a service.
fn serve(pipeline: Arc<Pipeline>, path: &Path, now: Time) {
    let listener = UnixListener::bind(path).expect("a socket");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut stream), pipeline) = (stream, pipeline.clone()) else { return };
            std::thread::spawn(move || {
                let settings = ConnectionSettings::new(ConnectionKind::Service, "test");
                let id = pipeline.connect("br0", settings, now).expect("br0 is there");
                let mut bytes = [0; 65536];
                loop {
                    let out = pipeline.output(id);
                    if stream.write_all(&out).is_err() {
                        break;
                    }
                    match stream.read(&mut bytes) {
                        Ok(0) | Err(_) => break,
                        Ok(n) => pipeline.input(id, &bytes[..n], now),
                    }
                    pipeline.run(now);
                }
                pipeline.disconnect(id);
            });
        }
    });
}

struct Rig {
    switch: Switch,
    socket: String,
    _dir: tempfile::TempDir,
}

impl Rig {
    fn start(fail_mode: FailMode) -> Option<Rig> {
        if !Path::new("/usr/bin/ovs-ofctl").exists() {
            assert!(std::env::var_os("WEFT_E2E_REQUIRED").is_none(), "ovs-ofctl is not installed");
            println!("weft-skip {:?}: ovs-ofctl is not installed", std::thread::current().name());
            return None;
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        let switch = Switch::new(fail_mode, 3);
        let path = dir.path().join("br0.mgmt");
        serve(switch.pipeline.clone(), &path, switch.now);
        Some(Rig { switch, socket: format!("unix:{}", path.display()), _dir: dir })
    }

    /// Standard output and error of one command on version `version` (10 to 15).
    fn ofctl(&self, version: u32, command: &str, args: &[&str]) -> String {
        let output = Command::new("ovs-ofctl")
            .args(["-O", &format!("OpenFlow{version}"), "--timeout=10", command, &self.socket])
            .args(args)
            .output()
            .expect("ovs-ofctl runs");
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).replace(&self.socket, "SOCKET")
    }
}

fn without_times(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive([',', ' ', '\n']) {
        if !(word.starts_with("duration=") || word.starts_with("idle_age=") || word.starts_with("hard_age=")) {
            out.push_str(word);
        }
    }
    out
}

const VERSIONS: [u32; 6] = [10, 11, 12, 13, 14, 15];

#[test]
fn every_version_sees_the_flows() {
    let Some(rig) = Rig::start(FailMode::Secure) else { return };
    for version in VERSIONS {
        assert_eq!(rig.ofctl(version, "del-flows", &[]), "", "{version}");
        assert_eq!(rig.ofctl(version, "add-flow", &["priority=7,in_port=1,tcp,tp_dst=80,actions=2"]), "", "{version}");
        assert_eq!(rig.ofctl(version, "add-flow", &["priority=8,cookie=0x12,arp,actions=NORMAL"]), "", "{version}");
        let flows = without_times(&rig.ofctl(version, "dump-flows", &[]));
        assert!(flows.contains("priority=7,tcp,in_port=1,tp_dst=80 actions=output:2"), "{version}: {flows}");
        assert!(flows.contains("cookie=0x12, "), "{version}: {flows}");
        let sums = rig.ofctl(version, "dump-aggregate", &["arp"]);
        assert!(sums.contains("packet_count=0 byte_count=0 flow_count=1"), "{version}: {sums}");
        assert_eq!(rig.ofctl(version, "mod-flows", &["arp,actions=LOCAL"]), "", "{version}");
        assert!(rig.ofctl(version, "dump-flows", &["arp"]).contains("actions=LOCAL"), "{version}");
        assert_eq!(rig.ofctl(version, "del-flows", &["--strict", "priority=8,arp"]), "", "{version}");
        assert!(!rig.ofctl(version, "dump-flows", &[]).contains("arp"), "{version}");
    }
}

#[test]
fn every_version_sees_the_switch() {
    let Some(rig) = Rig::start(FailMode::Secure) else { return };
    for version in VERSIONS {
        let shown = rig.ofctl(version, "show", &[]);
        for expected in
            ["dpid:fedcba9876543210", "n_tables:254, n_buffers:0", " 1(p1): addr:aa:55:aa:55:00:01", "LOCAL(br0)"]
        {
            assert!(shown.contains(expected), "{version}: {shown}");
        }
        let desc = rig.ofctl(version, "dump-desc", &[]);
        assert!(desc.contains("Manufacturer: Nicira, Inc."), "{version}: {desc}");
        let ports = rig.ofctl(version, "dump-ports", &[]);
        assert!(ports.contains("4 ports") && ports.contains("port LOCAL: rx pkts=?"), "{version}: {ports}");
        let tables = rig.ofctl(version, "dump-tables", &[]);
        assert!(tables.contains("table 0:") && tables.contains("active=0, lookup=0, matched=0"), "{version}: {tables}");
        let queues = rig.ofctl(version, "queue-stats", &[]);
        assert!(queues.contains("queue 0"), "{version}: {queues}");
        assert_eq!(rig.ofctl(version, "mod-port", &["p1", "no-flood"]), "", "{version}");
        if version == 10 {
            assert!(rig.ofctl(version, "show", &[]).contains("NO_FLOOD"));
        }
        assert_eq!(rig.ofctl(version, "mod-port", &["p1", "flood"]), "", "{version}");
        if version >= 13 {
            let features = rig.ofctl(version, "dump-table-features", &[]);
            assert!(features.contains("table 0:") && features.contains("next tables: 1-253"), "{version}: {features}");
            assert!(rig.ofctl(version, "dump-group-features", &[]).contains("Group table"), "{version}");
            assert!(rig.ofctl(version, "meter-features", &[]).contains("max_meter:262144"), "{version}");
        }
        if version >= 11 {
            assert!(rig.ofctl(version, "dump-groups", &[]).contains("reply"), "{version}");
        }
    }
}

#[test]
fn what_cannot_be_done_is_refused_with_the_specified_error() {
    let Some(rig) = Rig::start(FailMode::Secure) else { return };
    for (version, command, args, error) in [
        (13, "add-flow", "actions=group:7", "OFPBAC_BAD_OUT_GROUP"),
        (13, "add-flow", "actions=meter:7,1", "OFPMMFC_INVALID_METER"),
        (10, "add-flow", "check_overlap,priority=5,actions=1", "OFPFMFC_OVERLAP"),
        (10, "add-flow", "table=254,actions=1", "OFPBRC_EPERM"),
    ] {
        rig.ofctl(10, "add-flow", &["priority=5,in_port=1,actions=2"]);
        let text = rig.ofctl(version, command, &[args]);
        assert!(text.contains(error), "{command} {args}: {text}");
    }
}

#[test]
fn replace_diff_and_bundles_work() {
    let Some(rig) = Rig::start(FailMode::Secure) else { return };
    let file = rig._dir.path().join("flows");
    std::fs::write(&file, "in_port=1,actions=2\nin_port=2,actions=1\ntable=3,ip,actions=drop\n").expect("a file");
    let path = file.to_string_lossy().into_owned();
    for version in [11, 13, 14] {
        rig.ofctl(version, "add-flow", &["in_port=3,actions=3"]);
        let diff = rig.ofctl(version, "diff-flows", &[&path]);
        assert!(diff.contains("-in_port=3 actions=output:3") && diff.contains("ip actions=drop"), "{version}: {diff}");
        assert_eq!(rig.ofctl(version, "replace-flows", &[&path]), "", "{version}");
        assert_eq!(rig.ofctl(version, "diff-flows", &[&path]), "", "{version}");
        assert_eq!(rig.ofctl(13, "del-flows", &[]), ""); // in 1.1 the tool means table 0
        assert!(
            !rig.ofctl(13, "dump-flows", &[]).contains("actions"),
            "{version}: {}",
            rig.ofctl(13, "dump-flows", &[])
        );
    }
    for version in [13, 14] {
        assert_eq!(rig.ofctl(version, "add-flows", &["--bundle", &path]), "", "{version}");
        assert!(rig.ofctl(version, "dump-flows", &[]).contains("table=3"), "{version}");
    }
    // all or nothing
    std::fs::write(&file, "in_port=4,actions=2\nin_port=5,actions=group:9\n").expect("a file");
    let text = rig.ofctl(14, "add-flows", &["--bundle", &path]);
    assert!(text.contains("OFPBAC_BAD_OUT_GROUP"), "{text}");
    assert!(!rig.ofctl(14, "dump-flows", &[]).contains("in_port=4"));
}

#[test]
fn a_packet_out_is_executed() {
    let Some(rig) = Rig::start(FailMode::Secure) else { return };
    let packet = "000000000001000000000002123400000000";
    for version in VERSIONS {
        let before = rig.switch.script.executed.lock().unwrap().len();
        let out = format!("in_port=controller packet={packet} actions=output:2,mod_dl_src:00:00:00:00:00:09,3");
        assert_eq!(rig.ofctl(version, "packet-out", &[&out]), "", "{version}");
        let done = rig.switch.script.executed.lock().unwrap()[before..].to_vec();
        assert_eq!(done.len(), 1, "{version}");
        assert_eq!(done[0].len(), 3, "{version}: {:?}", done[0]);
    }
}

/// What ovs-vswitchd 3.1 answers to the same commands, but for features, where we remark too.
#[test]
fn meters_as_ofctl_shows_them() {
    let Some(rig) = Rig::start(FailMode::Secure) else { return };
    let ofctl = |command, args: &[&str]| rig.ofctl(13, command, args);
    let band = "pktps,burst,stats,bands=type=drop,rate=1,burst_size=1";
    assert_eq!(ofctl("add-meter", &[&format!("meter=1,{band}")]), "");
    let again = ofctl("add-meter", &[&format!("meter=1,{band}")]);
    assert!(again.starts_with("OFPT_ERROR (OF1.3) (xid=0x2): OFPMMFC_METER_EXISTS"), "{again}");
    assert_eq!(ofctl("add-meter", &["meter=2,kbps,burst,bands=type=dscp_remark,rate=1,prec_level=1,burst_size=1"]), "");
    assert_eq!(ofctl("add-meter", &["meter=controller,pktps,bands=type=drop,rate=1"]), "");
    let two = "meter=slowpath,pktps,stats,bands=type=drop,rate=1 type=drop,rate=3";
    assert_eq!(ofctl("add-meter", &[two]), "");
    let unknown = ofctl("mod-meter", &["meter=9,kbps,bands=type=drop,rate=3"]);
    assert!(unknown.starts_with("OFPT_ERROR (OF1.3) (xid=0x2): OFPMMFC_UNKNOWN_METER"), "{unknown}");
    assert_eq!(ofctl("add-flow", &["in_port=1,actions=meter:1,2"]), "");
    let invalid = ofctl("add-flow", &["in_port=2,actions=meter:100,2"]);
    assert!(invalid.contains("OFPMMFC_INVALID_METER"), "{invalid}");
    assert_eq!(ofctl("add-flow", &["in_port=3,actions=controller(meter_id=77)"]), "");
    assert_eq!(
        ofctl("dump-meters", &[]),
        "OFPST_METER_CONFIG reply (OF1.3) (xid=0x2):\nmeter=1 pktps burst stats bands=\ntype=drop rate=1 burst_size=1\n\n\
         meter=2 kbps burst bands=\ntype=dscp_remark rate=1 burst_size=1 prec_level=1\n\n\
         meter=slowpath pktps stats bands=\ntype=drop rate=1\ntype=drop rate=3\n\n\
         meter=controller pktps bands=\ntype=drop rate=1\n"
    );
    assert_eq!(
        ofctl("meter-stats", &["meter=1"]),
        "OFPST_METER reply (OF1.3) (xid=0x2):\n\
         meter:1 flow_count:1 packet_in_count:0 byte_in_count:0 duration:0s bands:\n0: packet_count:0 byte_count:0\n"
    );
    let missing = ofctl("meter-stats", &["meter=33"]);
    assert!(missing.starts_with("OFPT_ERROR (OF1.3) (xid=0x2): OFPMMFC_UNKNOWN_METER"), "{missing}");
    for version in [13, 14, 15] {
        let features = rig.ofctl(version, "meter-features", &[]);
        let expected = "max_meter:262144 max_bands:8 max_color:0\nband_types: drop dscp_remark\ncapabilities: kbps pktps burst stats\n";
        assert!(features.ends_with(expected), "{features}");
    }
    let out = ["in_port=1,packet=112233445566112233445577880011223344,actions=meter:30,2"];
    assert!(rig.ofctl(15, "packet-out", &out).contains("OFPMMFC_INVALID_METER"));
    // flows go with their meter; those whose controller action names it stay
    assert_eq!(ofctl("del-meter", &["meter=1"]), "");
    let left = ofctl("dump-flows", &[]);
    assert!(!left.contains("meter:1") && left.contains("controller(meter_id=77)"), "{left}");
    assert_eq!(ofctl("del-meter", &["meter=99"]), "");
    assert_eq!(ofctl("del-meters", &[]), "");
    assert_eq!(ofctl("dump-meters", &[]), "OFPST_METER_CONFIG reply (OF1.3) (xid=0x2):\n");
    let dropped = weft_flow::DpAction::Drop(weft_packet::DropReason::TableMiss);
    assert_eq!(rig.switch.frame(1, 1, 2, 0x1234), [dropped], "the flow is gone");
}
