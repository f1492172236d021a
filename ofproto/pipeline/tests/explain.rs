//! What `explain` says of frames that die and of frames that live.

mod support;

use support::{Switch, ethernet};
use weft_engine::LastDrop;
use weft_packet::{DpPort, DropReason};
use weft_pipeline::{BundleSettings, FailMode};

const UDP: &str = "in_port=1,udp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1,tp_dst=53";

fn explain(switch: &Switch, args: &[&str]) -> String {
    switch.pipeline.command("explain", args, switch.now).unwrap_or_else(|error| format!("error: {error}"))
}

#[test]
fn a_miss_names_the_flows_that_the_frame_has_just_missed() {
    let switch = Switch::new(FailMode::Secure, 3);
    switch.flow("priority=10,ip,actions=resubmit(,7)").unwrap();
    switch.flow("table=7,priority=5,udp,nw_dst=10.0.0.3,actions=2").unwrap();
    switch.flow("table=7,priority=6,tcp,nw_dst=10.9.9.9,tp_dst=80,actions=3").unwrap();
    let said = explain(&switch, &["br0", UDP]);
    for expected in [
        "in by port p1 of bridge br0",
        "table 0: flow of priority 10 for ip\n      actions=resubmit(,7)",
        "table 7: none of 2 flows matches: drop",
        "near: priority 5, udp,nw_dst=10.0.0.3 actions=output:2",
        "wants nw_dst=10.0.0.3, the frame has nw_dst=10.0.0.2",
        "Verdict: dropped\n  why: table-miss:",
        "decided by: the miss policy of table 7",
        "datapath actions: drop",
    ] {
        assert!(said.contains(expected), "{expected:?} is missing in:\n{said}");
    }
    assert!(!said.contains("10.9.9.9"), "three terms are not near:\n{said}");
}

#[test]
fn a_drop_is_the_flow_s_the_port_s_or_the_vlan_s() {
    let switch = Switch::new(FailMode::Standalone, 2);
    switch.port(BundleSettings::access("acc", 7), 9, weft_flow::OfPort(9));
    switch.flow("priority=9,udp,cookie=0x5,actions=drop").unwrap();
    let said = explain(&switch, &["br0", UDP]);
    assert!(said.contains("why: flow-drop"), "{said}");
    assert!(said.contains("decided by: the flow of table 0 with priority 9 for udp"), "{said}");
    assert!(said.contains("cookie 0x5"), "{said}");
    let said = explain(&switch, &["br0", "in_port=acc,dl_vlan=8,dl_vlan_pcp=0,dl_src=50:54:00:00:00:01"]);
    assert!(said.contains("why: vlan-not-allowed"), "{said}");
    assert!(said.contains("! dropping VLAN 8 tagged packet received on port acc"), "{said}");
}

#[test]
fn a_frame_that_lives_says_where_it_goes() {
    let switch = Switch::new(FailMode::Secure, 3);
    switch.flow("udp,actions=2,controller").unwrap();
    let said = explain(&switch, &["br0", UDP]);
    assert!(said.contains("Verdict: sent to port br0/p2 and the controllers"), "{said}");
    let frame: String = ethernet(1, 2, 0x1234).iter().map(|b| format!("{b:02x}")).collect();
    let said = explain(&switch, &["br0", "in_port=p3", &frame]);
    assert!(said.contains("in by port p3") && said.contains("dl_type=0x1234"), "{said}");
}

#[test]
fn a_paused_frame_is_its_controllers_and_not_dropped() {
    let switch = Switch::new(FailMode::Secure, 3);
    switch.flow("udp,actions=controller(pause),2").unwrap();
    let said = explain(&switch, &["br0", UDP]);
    assert!(said.contains("Verdict: sent to the controllers"), "{said}");
    assert!(!said.contains("decided by"), "{said}");
}

#[test]
fn programs_get_the_same_as_json() {
    let switch = Switch::new(FailMode::Secure, 3);
    switch.flow("table=0,priority=5,udp,nw_dst=10.0.0.3,actions=2").unwrap();
    let said = explain(&switch, &["--json", "br0", UDP]);
    let value: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(value["verdict"], "dropped");
    assert_eq!(value["reason"], "table-miss");
    assert_eq!(value["steps"][1]["near"][0]["but"][0]["wanted"], "nw_dst=10.0.0.3");
    assert_eq!(value["steps"][1]["near"][0]["but"][0]["frame"], "nw_dst=10.0.0.2");
    assert_eq!(value["datapath_actions"], "drop");
}

#[test]
fn the_last_drop_is_explained_by_its_own_frame() {
    let switch = Switch::new(FailMode::Secure, 2);
    assert!(explain(&switch, &["last-drop", "p1"]).contains("nothing was dropped"));
    let drop = |reason, head: Vec<u8>| LastDrop {
        reason,
        at: switch.now,
        in_port: if head.is_empty() { DpPort::NONE } else { DpPort(1) },
        len: head.len(),
        head,
    };
    let bytes = ethernet(0x5054_0000_000a, 0x5054_0000_000b, 0x1234);
    switch.script.dropped.lock().unwrap().push((DpPort(1), drop(DropReason::TableMiss, bytes.clone())));
    let said = explain(&switch, &["last-drop", "p1"]);
    assert!(said.starts_with("Last drop at p1: 0.0 s ago, table-miss"), "{said}");
    assert!(said.contains("60 bytes that came in by p1"), "{said}");
    assert!(said.contains("dl_src=50:54:00:00:00:0a") && said.contains("Verdict: dropped"), "{said}");
    // at the way out, and the tables would send it
    switch.flow("in_port=1,actions=2").unwrap();
    switch.script.dropped.lock().unwrap().push((DpPort(2), drop(DropReason::MtuExceeded, bytes)));
    let said = explain(&switch, &["br0", "last-drop", "p2"]);
    assert!(said.contains("mtu-exceeded") && said.contains("sent to port br0/p2"), "{said}");
    assert!(said.contains("The tables do not say mtu-exceeded now"), "{said}");
    switch.script.dropped.lock().unwrap().push((DpPort(2), drop(DropReason::TxQueueFull, Vec::new())));
    let said = explain(&switch, &["last-drop", "p2"]);
    assert!(said.contains("tx-queue-full") && said.contains("Only the device had the frame"), "{said}");
}

#[test]
fn wrong_questions_get_clear_answers() {
    let switch = Switch::new(FailMode::Secure, 1);
    for (args, answer) in [
        (vec!["br9", UDP], "br9: unknown bridge"),
        (vec!["last-drop", "p9"], "p9: no bridge has a port of that name"),
        (vec!["br0", "in_port=1", "zz"], "zz: not a frame in hexadecimal digits"),
        (vec!["br0", "no_such_field=1"], "no_such_field"),
        (vec!["br0"], "explain takes"),
    ] {
        let said = explain(&switch, &args);
        assert!(said.starts_with("error: ") && said.contains(answer), "{args:?}: {said}");
    }
}

#[test]
fn a_frame_for_conntrack_is_followed_beyond_and_its_loss_is_not_hidden() {
    let switch = Switch::new(FailMode::Secure, 3);
    switch.flow("table=0,udp,actions=ct(commit,zone=3,table=1)").unwrap();
    switch.flow("table=1,udp,ct_state=+new+trk,actions=2").unwrap();
    let said = explain(&switch, &["br0", UDP]);
    assert!(said.contains("after conntrack, as the first frame of a new connection"), "{said}");
    assert!(said.contains("table 1: flow of priority 32768 for ct_state=+new+trk,udp"), "{said}");
    assert!(said.contains("why: no-conntrack"), "{said}");
}
