//! Stories about a switch in virtual time: learning, revalidation, timeouts, statistics.

mod support;

use std::time::Duration;

use support::{Switch, ethernet, outputs};
use weft_flow::DpAction;
use weft_flow::action::{SlowPathReason, Userspace};
use weft_openflow::FlowModCommand;
use weft_packet::DropReason;
use weft_pipeline::{FailMode, Limits};

const A: u64 = 0x5054_0000_000a;
const B: u64 = 0x5054_0000_000b;

#[test]
fn two_hosts_talk_and_the_flood_ends() {
    let mut switch = Switch::new(FailMode::Standalone, 3);
    assert_eq!(switch.frame(1, A, B, 0x1234), outputs(&[100, 2, 3]));
    assert_eq!(switch.frame(2, B, A, 0x1234), outputs(&[1]));
    // the megaflow that floods is found and changed, without another frame missing
    switch.run(Duration::from_millis(5));
    assert_eq!(switch.frame(1, A, B, 0x1234), outputs(&[2]));
    assert_eq!(switch.upcalls(), 2);
}

#[test]
fn a_host_that_moves_is_followed() {
    let mut switch = Switch::new(FailMode::Standalone, 3);
    switch.frame(2, B, A, 0x1234);
    assert_eq!(switch.frame(1, A, B, 0x1234), outputs(&[2]));
    switch.frame(3, B, A, 0x1234);
    switch.run(Duration::from_millis(5));
    assert_eq!(switch.frame(1, A, B, 0x1234), outputs(&[3]));
    assert!(switch.command("fdb/stats-show br0").contains("port moved MAC entries  : 1"));
}

#[test]
fn an_address_in_use_does_not_age_and_one_that_is_silent_does() {
    let mut switch = Switch::new(FailMode::Standalone, 3);
    switch.frame(1, A, B, 0x1234);
    switch.frame(2, B, A, 0x1234);
    for _ in 0..400 {
        switch.frame(1, A, B, 0x1234);
        switch.run(Duration::from_secs(1));
    }
    let table = switch.command("fdb/show br0");
    assert!(table.contains("50:54:00:00:00:0a"), "{table}");
    assert!(!table.contains("50:54:00:00:00:0b"), "{table}");
    assert_eq!(switch.frame(1, A, B, 0x1234), outputs(&[100, 2, 3]));
}

#[test]
fn a_new_flow_takes_effect_on_a_cached_megaflow_and_leaves_others_alone() {
    let mut switch = Switch::new(FailMode::Secure, 3);
    switch.flow("in_port=1,actions=2").unwrap();
    switch.flow("in_port=2,actions=1").unwrap();
    switch.frame(1, A, B, 0x1234);
    switch.frame(2, B, A, 0x1234);
    switch.run(Duration::from_millis(10));
    let modified = switch.script.modified.load(std::sync::atomic::Ordering::Relaxed);
    switch.program(FlowModCommand::ModifyStrict, "priority=32768,in_port=1,actions=3").unwrap();
    switch.run(Duration::from_millis(5));
    assert_eq!(switch.frame(1, A, B, 0x1234), outputs(&[3]));
    assert_eq!(switch.script.modified.load(std::sync::atomic::Ordering::Relaxed), modified + 1);
    assert_eq!(switch.upcalls(), 2);
}

#[test]
fn a_flow_that_needs_more_of_the_frame_removes_the_megaflow() {
    let mut switch = Switch::new(FailMode::Secure, 3);
    switch.flow("in_port=1,actions=2").unwrap();
    switch.frame(1, A, B, 0x1234);
    switch.flow("priority=40000,in_port=1,dl_dst=50:54:00:00:00:0b,actions=3").unwrap();
    switch.run(Duration::from_millis(5));
    assert_eq!(switch.frame(1, A, B, 0x1234), outputs(&[3]));
    assert_eq!(switch.upcalls(), 2);
}

#[test]
fn statistics_reach_the_rules_however_the_megaflow_ends() {
    let mut switch = Switch::new(FailMode::Secure, 3);
    switch.flow("in_port=1,actions=resubmit(,1)").unwrap();
    switch.flow("table=1,actions=2").unwrap();
    for _ in 0..5 {
        switch.frame(1, A, B, 0x1234);
    }
    assert_eq!(switch.command("bridge/dump-flows br0").matches("n_packets=5, n_bytes=300").count(), 2);
    switch.frame(1, A, B, 0x1234);
    switch.command("revalidator/purge");
    assert_eq!(switch.command("bridge/dump-flows br0").matches("n_packets=6, n_bytes=360").count(), 2);
    switch.frame(1, A, B, 0x1234);
    switch.run(Duration::from_secs(11));
    assert!(switch.script.flows.lock().unwrap().is_empty());
    assert_eq!(switch.command("bridge/dump-flows br0").matches("n_packets=7, n_bytes=420").count(), 2);
    // a modified rule keeps its counters, and gets what was still on its way
    switch.frame(1, A, B, 0x1234);
    switch.program(FlowModCommand::Modify, "table=1,actions=3").unwrap();
    switch.run(Duration::from_millis(5));
    switch.frame(1, A, B, 0x1234);
    assert_eq!(switch.command("bridge/dump-flows br0").matches("n_packets=9, n_bytes=540").count(), 2);
}

#[test]
fn idle_flows_go_and_used_ones_stay() {
    let mut switch = Switch::new(FailMode::Secure, 3);
    switch.flow("in_port=1,idle_timeout=5,actions=2").unwrap();
    switch.flow("in_port=2,idle_timeout=5,actions=1").unwrap();
    switch.flow("in_port=3,hard_timeout=8,actions=1").unwrap();
    for _ in 0..7 {
        switch.frame(1, A, B, 0x1234);
        switch.run(Duration::from_secs(1));
    }
    let left = switch.command("bridge/dump-flows br0");
    assert!(left.contains("in_port=1") && !left.contains("in_port=2") && left.contains("in_port=3"), "{left}");
    switch.run(Duration::from_secs(1));
    assert!(!switch.command("bridge/dump-flows br0").contains("in_port=3"));
    switch.run(Duration::from_secs(10));
    assert_eq!(switch.command("bridge/dump-flows br0"), "");
    assert_eq!(switch.frame(1, A, B, 0x1234), vec![DpAction::Drop(DropReason::TableMiss)]);
}

#[test]
fn a_removed_port_is_sent_nothing_more() {
    let mut switch = Switch::new(FailMode::Standalone, 3);
    switch.frame(1, A, B, 0x1234);
    switch.pipeline.remove_bundle("br0", "p2", switch.now).unwrap();
    switch.run(Duration::from_millis(5));
    assert_eq!(switch.frame(1, A, B, 0x1234), outputs(&[100, 3]));
    assert_eq!(switch.frame(2, B, A, 0x1234), vec![DpAction::Drop(DropReason::NoSuchPort)]);
}

#[test]
fn a_port_that_comes_back_gets_its_number_back() {
    let switch = Switch::new(FailMode::Standalone, 0);
    let add = |name: &str| {
        switch.pipeline.set_bundle("br0", weft_pipeline::BundleSettings::trunk(name)).unwrap();
        let settings = weft_pipeline::PortSettings {
            name: name.into(),
            device_type: "dummy".into(),
            kind: weft_pipeline::PortKind::Device(weft_packet::DpPort(7)),
            ofport_request: None,
            state: Default::default(),
        };
        switch.pipeline.add_port("br0", name, settings, switch.now).unwrap().0
    };
    assert_eq!((add("x"), add("y")), (1, 2));
    switch.pipeline.remove_bundle("br0", "x", switch.now).unwrap();
    assert_eq!((add("z"), add("x")), (3, 1));
}

#[test]
fn an_overfull_cache_is_emptied_quickly() {
    let mut switch = Switch::new(FailMode::Secure, 3);
    switch.flow("actions=2").unwrap();
    switch.flow("priority=40000,dl_src=00:00:00:00:00:01,actions=3").unwrap();
    switch.pipeline.set_limits(Limits { flow_limit: 10, max_idle: Duration::from_secs(10) });
    for i in 0..15 {
        switch.frame(1, 0x100 + (i << 8), B, 0x1234);
    }
    switch.run(Duration::from_secs(1));
    let left = switch.script.flows.lock().unwrap().len();
    assert!(left <= 10, "{left} megaflows are left");
}

#[test]
fn a_bridge_that_gets_a_controller_starts_empty_and_fails_open() {
    let mut switch = Switch::new(FailMode::Standalone, 2);
    assert_eq!(switch.frame(1, A, B, 0x1234), outputs(&[100, 2]));
    let settings = |fail_open| weft_pipeline::BridgeSettings { has_controller: true, fail_open, ..Default::default() };
    switch.pipeline.set_bridge("br0", settings(false), switch.now).unwrap();
    switch.run(Duration::from_millis(5));
    assert_eq!(switch.frame(1, A, B, 0x1234), vec![DpAction::Drop(DropReason::TableMiss)]);
    switch.pipeline.set_bridge("br0", settings(true), switch.now).unwrap();
    switch.run(Duration::from_millis(5));
    assert_eq!(switch.frame(1, A, B, 0x1234), outputs(&[100, 2]));
}

#[test]
fn an_arp_frame_without_an_operation_is_not_rewritten() {
    let switch = Switch::new(FailMode::Secure, 3);
    switch.flow("arp,actions=set_field:00:02:03:04:05:06->arp_sha,2").unwrap();
    let mut frame = support::ethernet(A, B, 0x0806);
    frame[14..20].copy_from_slice(&[0, 1, 8, 0, 6, 4]);
    assert_eq!(switch.receive(1, &frame), outputs(&[2]));
    frame[21] = 1;
    assert_eq!(switch.receive(1, &frame).len(), 2);
}

/// debug_recirc stops inside nested tables: what was left goes on when the frame is back. What stops in a clone ends the
/// lists around the clone, as in ovs-vswitchd 3.1.
#[test]
fn a_frame_that_comes_back_goes_on_where_it_stopped() {
    let mut switch = Switch::new(FailMode::Secure, 4);
    for flow in [
        "table=0,cookie=0x5,in_port=1,actions=set_field:1->reg0,push:NXM_NX_REG0[],resubmit(,1),output:NXM_NX_REG2[]",
        "table=1,cookie=0x6,actions=set_field:3->reg2,resubmit(,2),output:4",
        "table=2,reg0=1,actions=mod_dl_src:00:00:00:00:00:01,debug_recirc,pop:NXM_NX_REG5[],resubmit(,3)",
        "table=3,reg5=1,dl_src=00:00:00:00:00:01,actions=2,clone(debug_recirc,output:2)",
    ] {
        switch.flow(flow).unwrap();
    }
    let first = switch.frame(1, 0x99, 2, 0x1234);
    let [.., DpAction::Recirc(id)] = first[..] else { panic!("{first:?}") };
    let mut bytes = support::ethernet(1, 2, 0x1234);
    bytes.resize(60, 0);
    let second = switch.recirculate(id, 1, &bytes);
    let Some(DpAction::Recirc(inner)) = second.get(1) else { panic!("{second:?}") };
    assert_eq!(second, [outputs(&[2]), vec![DpAction::Recirc(*inner)]].concat());
    assert_eq!(switch.recirculate(*inner, 1, &bytes), outputs(&[2]));
    // a flow that changes behind the stop takes effect
    switch.flow("table=3,reg5=1,dl_src=00:00:00:00:00:01,actions=drop").unwrap();
    switch.run(Duration::from_millis(600));
    assert_eq!(switch.recirculate(id, 1, &bytes), outputs(&[4, 3]));
    // and one before it lets the frame go another way; numbers that nobody gave out are dropped
    switch.flow("table=0,cookie=0x5,in_port=1,actions=2").unwrap();
    switch.run(Duration::from_secs(20));
    assert_eq!(switch.frame(1, 0x99, 2, 0x1234), outputs(&[2]));
    assert_eq!(switch.recirculate(0x7777, 1, &bytes), vec![DpAction::Drop(DropReason::RecircUnknown)]);
}

/// A flow with an action that the datapath cannot do sends each frame to the slow path, which does it.
#[test]
fn a_slow_flow_asks_for_every_frame() {
    let switch = Switch::new(FailMode::Secure, 3);
    switch.flow("in_port=1,actions=debug_slow,2").unwrap();
    let slow = Userspace::SlowPath(SlowPathReason::Action);
    assert_eq!(switch.frame(1, 0x99, 2, 0x1234), vec![DpAction::Userspace(slow.clone())]);
    assert_eq!(switch.userspace(1, &slow, &support::ethernet(0x99, 2, 0x1234)), outputs(&[2]));
}

/// What the control thread cannot be told is counted where it is lost.
#[test]
fn packets_for_controllers_are_not_lost_in_silence() {
    let switch = Switch::new(FailMode::Secure, 3);
    switch.flow("in_port=1,actions=controller").unwrap();
    let actions = switch.frame(1, 0x99, 2, 0x1234);
    let [DpAction::Userspace(what)] = &actions[..] else { panic!("{actions:?}") };
    let frame = support::ethernet(0x99, 2, 0x1234);
    let lost: Vec<DpAction> = (0..2000).flat_map(|_| switch.userspace(1, what, &frame)).collect();
    assert_eq!(lost, vec![DpAction::Drop(DropReason::ControllerQueue); 2000 - 1023]);
    let Userspace::Controller(mut unknown) = what.clone() else { panic!("{what:?}") };
    unknown.recirc_id = 0x7777;
    let lost = switch.userspace(1, &Userspace::Controller(unknown), &frame);
    assert_eq!(lost, [DpAction::Drop(DropReason::RecircUnknown)]);
}

/// A change takes effect where the clock stands still.
#[test]
fn changes_can_be_looked_at_without_waiting() {
    let switch = Switch::new(FailMode::Secure, 3);
    switch.flow("in_port=1,actions=2").unwrap();
    assert_eq!(switch.frame(1, 1, 2, 0x1234), outputs(&[2]));
    for port in [3, 2, 3] {
        switch.pipeline.run(switch.now);
        switch.flow(&format!("in_port=1,actions={port}")).unwrap();
        switch.pipeline.look_at_changes(switch.now);
        assert_eq!(switch.frame(1, 1, 2, 0x1234), outputs(&[port]));
    }
}

/// Revalidation looks at the megaflows that are there; one whose verdict is older than the change, but which was put in
/// after that look, must not stay as it is until the next.
#[test]
fn a_change_between_a_verdict_and_its_megaflow_is_found() {
    let mut switch = Switch::new(FailMode::Secure, 3);
    switch.flow("in_port=1,actions=output:2").unwrap();
    switch.run(Duration::from_millis(10));
    let now = switch.now;
    let flow = switch.receive_slowly(1, &ethernet(1, 2, 0x0800), || {
        switch.flow("in_port=1,actions=output:3").unwrap();
        switch.pipeline.run(now + Duration::from_millis(5));
    });
    assert_eq!(**flow.actions.load(), outputs(&[2]));
    switch.run(Duration::from_millis(20));
    assert_eq!(**flow.actions.load(), outputs(&[3]));
}
