//! Stories about groups in virtual time: what becomes of cached megaflows, and whom frames are counted for.

mod support;

use std::time::Duration;

use support::{Switch, outputs};
use weft_base::Time;
use weft_flow::DpAction;
use weft_openflow::ErrorCode;
use weft_openflow::group::GroupModCommand;
use weft_openflow::text::{Names, parse_group};
use weft_packet::DropReason;
use weft_pipeline::{FailMode, PortState};

const A: u64 = 0x5054_0000_000a;
const B: u64 = 0x5054_0000_000b;

fn group(switch: &Switch, command: GroupModCommand, text: &str) -> Result<(), ErrorCode> {
    let todo = parse_group(text, command, &Names::none()).expect(text);
    switch.pipeline.program_group("br0", &todo, switch.now)
}

fn link(switch: &Switch, name: &str, up: bool) {
    let state = PortState { link_up: up, ..PortState::default() };
    switch.pipeline.set_port_state("br0", name, state, Time::ZERO).expect("a port");
}

#[test]
fn a_changed_group_takes_effect_on_its_megaflows_and_leaves_others_alone() {
    let mut switch = Switch::new(FailMode::Secure, 4);
    group(&switch, GroupModCommand::Add, "group_id=1,type=indirect,bucket=output:2").unwrap();
    group(&switch, GroupModCommand::Add, "group_id=2,type=indirect,bucket=output:3").unwrap();
    switch.flow("in_port=1,actions=group:1").unwrap();
    switch.flow("in_port=2,actions=group:2").unwrap();
    assert_eq!(switch.frame(1, A, B, 0x1234), outputs(&[2]));
    assert_eq!(switch.frame(2, A, B, 0x1234), outputs(&[3]));
    group(&switch, GroupModCommand::Modify, "group_id=1,type=indirect,bucket=output:4").unwrap();
    switch.run(Duration::from_millis(5));
    assert_eq!(switch.frame(1, A, B, 0x1234), outputs(&[4]));
    assert_eq!(switch.frame(2, A, B, 0x1234), outputs(&[3]));
    assert_eq!(switch.upcalls(), 2, "no frame went to the slow path for it");
    assert_eq!(switch.script.modified.load(std::sync::atomic::Ordering::Relaxed), 1, "one megaflow changed");
}

#[test]
fn a_dead_link_fails_over_and_comes_back() {
    let mut switch = Switch::new(FailMode::Secure, 3);
    let text = "group_id=1,type=ff,bucket=watch_port:2,output:2,bucket=watch_port:3,output:3";
    group(&switch, GroupModCommand::Add, text).unwrap();
    switch.flow("in_port=1,actions=group:1").unwrap();
    assert_eq!(switch.frame(1, A, B, 0x1234), outputs(&[2]));
    for (port, up, goes_to) in [("p2", false, outputs(&[3])), ("p2", true, outputs(&[2]))] {
        link(&switch, port, up);
        switch.run(Duration::from_millis(5));
        assert_eq!(switch.frame(1, A, B, 0x1234), goes_to);
    }
    link(&switch, "p2", false);
    link(&switch, "p3", false);
    switch.run(Duration::from_millis(5));
    assert_eq!(switch.frame(1, A, B, 0x1234), [DpAction::Drop(DropReason::FlowDrop)]);
    assert_eq!(switch.upcalls(), 1);
}

#[test]
fn flows_of_a_deleted_group_are_gone() {
    let mut switch = Switch::new(FailMode::Secure, 3);
    group(&switch, GroupModCommand::Add, "group_id=1,type=all,bucket=output:2,bucket=output:3").unwrap();
    switch.flow("in_port=1,actions=group:1").unwrap();
    assert_eq!(switch.frame(1, A, B, 0x1234), outputs(&[2, 3]));
    group(&switch, GroupModCommand::Delete, "group_id=all").unwrap();
    switch.run(Duration::from_millis(5));
    assert_eq!(switch.frame(1, A, B, 0x1234), [DpAction::Drop(DropReason::TableMiss)]);
    assert_eq!(switch.flow("in_port=1,actions=group:1"), Err(ErrorCode::OFPBAC_BAD_OUT_GROUP));
}

#[test]
fn hashes_are_made_by_the_datapath_first() {
    let switch = Switch::new(FailMode::Secure, 3);
    group(&switch, GroupModCommand::Add, "group_id=1,type=select,bucket=output:2,bucket=output:3").unwrap();
    switch.flow("in_port=1,actions=group:1").unwrap();
    let done = switch.frame(1, A, B, 0x1234);
    let [DpAction::Hash { symmetric: true, basis: 0 }, DpAction::Recirc(_)] = done[..] else { panic!("{done:?}") };
}

/// By a hash of fields every connection keeps its bucket when another goes.
#[test]
fn connections_stay_where_they_are() {
    let mut switch = Switch::new(FailMode::Secure, 4);
    let text = |buckets: &str| format!("group_id=1,type=select,selection_method=hash,fields(eth_src){buckets}");
    let all = ",bucket=bucket_id:1,output:2,bucket=bucket_id:2,output:3,bucket=bucket_id:3,output:4";
    group(&switch, GroupModCommand::Add, &text(all)).unwrap();
    switch.flow("in_port=1,actions=group:1").unwrap();
    let places = |switch: &Switch| (0..200u64).map(|i| switch.frame(1, A + i * 7, B, 0x1234)).collect::<Vec<_>>();
    let before = places(&switch);
    let share = |port| before.iter().filter(|to| **to == outputs(&[port])).count();
    assert!([2, 3, 4].into_iter().all(|port| (40..95).contains(&share(port))), "{:?}", [share(2), share(3), share(4)]);
    group(&switch, GroupModCommand::RemoveBucket, "group_id=1,command_bucket_id=2").unwrap();
    switch.run(Duration::from_millis(5));
    for (before, after) in before.iter().zip(places(&switch)) {
        assert!(*before == after || *before == outputs(&[3]), "{before:?} became {after:?}");
    }
}
