//! Flows that frames teach, from the first frame to their end, in virtual time.

mod support;

use std::time::Duration;

use support::{Switch, outputs};
use weft_engine::Datapath;
use weft_openflow::FlowModCommand;
use weft_pipeline::FailMode;

/// The flows of a table as `bridge/dump-flows` shows them, without times and counters.
fn flows(switch: &Switch, table: u32) -> Vec<String> {
    let text = switch.command("bridge/dump-flows br0");
    let of_table =
        |line: &&str| line.contains(&format!("table_id={table},")) || table == 0 && !line.contains("table_id=");
    text.lines()
        .filter(of_table)
        .map(|line| line.split_once("priority").map_or(line, |(_, rest)| rest).to_owned())
        .collect()
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn the_next_frame_sees_what_the_first_has_taught() {
    let switch = Switch::new(FailMode::Secure, 3);
    switch
        .flow("in_port=1,actions=learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),3")
        .unwrap();
    switch.flow("in_port=2,actions=resubmit(,1)").unwrap();
    assert_eq!(switch.frame(1, 7, 9, 0x1234), outputs(&[3]));
    assert_eq!(switch.frame(2, 9, 7, 0x1234), outputs(&[1]));
    assert_eq!(flows(&switch, 1).len(), 1);
}

#[test]
fn a_flow_does_not_see_itself_being_taught() {
    let switch = Switch::new(FailMode::Secure, 3);
    switch.flow("in_port=1,actions=learn(table=1,NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),resubmit(,1),2").unwrap();
    switch.flow("in_port=3,actions=resubmit(,1),2").unwrap();
    assert_eq!(switch.frame(1, 7, 9, 0x1234), outputs(&[2]));
    assert_eq!(switch.frame(3, 7, 9, 0x1234), outputs(&[1, 2]));
}

#[test]
fn traffic_through_a_cache_keeps_a_hard_timeout_away_but_not_an_idle_one() {
    let mut switch = Switch::new(FailMode::Secure, 3);
    switch.flow("in_port=1,actions=learn(table=1,hard_timeout=10,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),3").unwrap();
    switch.flow("in_port=2,actions=learn(table=2,idle_timeout=10,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),3").unwrap();
    for idle in [1, 1, 0, 1] {
        switch.frame(1, 7, 9, 0x1234);
        switch.frame(2, 7, 9, 0x1234);
        switch.run(secs(4));
        assert_eq!((flows(&switch, 1).len(), flows(&switch, 2).len()), (1, idle));
    }
    // the second one had expired, and was taught again (as with Open vSwitch, whose hard_age alone moves)
    assert_eq!(switch.upcalls(), 2);
    switch.run(secs(5));
    assert_eq!(flows(&switch, 1).len(), 1);
    switch.run(secs(2));
    assert_eq!(flows(&switch, 1).len(), 0);
}

#[test]
fn what_was_deleted_is_taught_again_by_the_next_cached_frame() {
    let mut switch = Switch::new(FailMode::Secure, 3);
    switch.flow("in_port=1,actions=learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),3").unwrap();
    switch.frame(1, 7, 9, 0x1234);
    switch.program(FlowModCommand::Delete, "table=1").unwrap();
    switch.run(secs(1));
    assert!(flows(&switch, 1).is_empty());
    switch.frame(1, 7, 9, 0x1234);
    switch.run(secs(1));
    assert_eq!((flows(&switch, 1).len(), switch.upcalls()), (1, 1));
}

#[test]
fn learned_flows_go_with_the_last_that_taught_such() {
    let mut switch = Switch::new(FailMode::Secure, 3);
    let learner = "actions=learn(table=1,cookie=5,delete_learned,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),3";
    switch.flow(&format!("in_port=1,{learner}")).unwrap();
    switch.flow(&format!("in_port=2,hard_timeout=9,{learner}")).unwrap();
    switch.flow("table=1,cookie=6,dl_dst=00:00:00:00:00:99,actions=1").unwrap();
    switch.frame(1, 7, 9, 0x1234);
    switch.frame(2, 8, 9, 0x1234);
    assert_eq!(flows(&switch, 1).len(), 3);
    switch.program(FlowModCommand::DeleteStrict, "in_port=1").unwrap();
    assert_eq!(flows(&switch, 1).len(), 3, "another one teaches such");
    switch.run(secs(10));
    assert_eq!(flows(&switch, 1).len(), 1, "the other one has timed out");
    // changing the action counts as removing it
    switch.flow(&format!("in_port=1,{learner}")).unwrap();
    switch.frame(1, 7, 9, 0x1235);
    assert_eq!(flows(&switch, 1).len(), 2);
    switch.program(FlowModCommand::Modify, "in_port=1,actions=2").unwrap();
    assert_eq!(flows(&switch, 1).len(), 1);
}

#[test]
fn a_limit_holds_until_there_is_room_again() {
    let mut switch = Switch::new(FailMode::Secure, 3);
    switch
        .flow("in_port=1,actions=learn(table=1,cookie=5,limit=2,hard_timeout=20,NXM_OF_ETH_SRC[],result_dst=reg0[0]),resubmit(,2)")
        .unwrap();
    switch.flow("table=2,reg0=1,actions=2").unwrap();
    switch.flow("table=2,reg0=0,actions=3").unwrap();
    assert_eq!(switch.frame(1, 7, 9, 0x1234), outputs(&[2]));
    assert_eq!(switch.frame(1, 8, 9, 0x1234), outputs(&[2]));
    assert_eq!(switch.frame(1, 6, 9, 0x1234), outputs(&[3]));
    assert_eq!(switch.frame(1, 7, 9, 0x1234), outputs(&[2]), "it is there already");
    switch.program(FlowModCommand::Delete, "table=1,dl_src=00:00:00:00:00:08").unwrap();
    switch.run(secs(1));
    assert_eq!(switch.frame(1, 6, 9, 0x1234), outputs(&[2]));
}

#[test]
fn the_end_of_a_connection_shortens_its_flow() {
    let mut switch = Switch::new(FailMode::Secure, 3);
    switch.flow("in_port=1,tcp,idle_timeout=100,actions=fin_timeout(idle_timeout=5,hard_timeout=30),2").unwrap();
    switch.flow("in_port=1,ip,priority=1,actions=3").unwrap();
    let tcp = |flags: u8| {
        let mut bytes = support::ethernet(7, 9, 0x0800);
        bytes[14] = 0x45;
        bytes[17] = 40;
        (bytes[22], bytes[23]) = (64, 6);
        (bytes[46], bytes[47]) = (0x50, flags);
        bytes
    };
    assert_eq!(switch.receive(1, &tcp(0x10)), outputs(&[2]));
    switch.run(secs(20));
    assert_eq!(flows(&switch, 0).len(), 2);
    switch.receive(1, &tcp(0x10));
    switch.script.flows()[0].stats.count(1, 60, 0x11, switch.now);
    switch.run(secs(3));
    assert_eq!(flows(&switch, 0).len(), 2);
    switch.run(secs(7));
    assert_eq!(flows(&switch, 0).len(), 1, "30 seconds after it came, 5 after it was idle");
    assert_eq!(switch.receive(1, &tcp(0x10)), outputs(&[3]));
}

#[test]
fn actions_that_make_no_sense_are_refused() {
    use weft_openflow::ErrorCode;
    let switch = Switch::new(FailMode::Secure, 3);
    for (flow, error) in [
        ("tcp,actions=learn(eth_type=0x800,tcp_dst=tcp_src)", ErrorCode::OFPBAC_MATCH_INCONSISTENT),
        ("tcp,actions=learn(eth_type=0x800,nw_proto=17,tcp_dst=tcp_src)", ErrorCode::OFPBAC_MATCH_INCONSISTENT),
        ("tcp,actions=learn(load:nw_src->nw_dst)", ErrorCode::OFPBAC_MATCH_INCONSISTENT),
    ] {
        assert_eq!(switch.flow(flow), Err(error), "{flow}");
    }
    switch.flow("tcp,actions=learn(eth_type=0x800,nw_proto=6,tcp_dst=tcp_src,load:nw_src->nw_dst)").unwrap();
}
