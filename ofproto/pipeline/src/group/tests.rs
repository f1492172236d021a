//! Group mods against a bridge's tables.

use weft_base::Time;
use weft_openflow::group::{Bucket, GroupMod, GroupModCommand};
use weft_openflow::text::{FlowCommand, Names, parse_flow, parse_group};
use weft_openflow::{ErrorCode, FlowModCommand, GroupId, Version};

use super::modify::apply;
use crate::config::BridgeSettings;
use crate::flow_mod::{self, Change};
use crate::flow_table::FlowTables;
use crate::shared::Shared;

struct Tables {
    flows: FlowTables,
    done: Vec<Change>,
}

impl Tables {
    fn new() -> Tables {
        Tables { flows: FlowTables::new(&BridgeSettings::default(), Time::ZERO), done: Vec::new() }
    }

    fn group(&mut self, command: GroupModCommand, text: &str) -> Result<(), ErrorCode> {
        let todo = parse_group(text, command, &Names::none()).expect(text);
        self.change(&todo)
    }

    fn change(&mut self, todo: &GroupMod) -> Result<(), ErrorCode> {
        apply(&mut self.flows, todo, Time::ZERO, &mut self.done)
    }

    fn flow(&mut self, text: &str) -> Result<(), ErrorCode> {
        let mut todo = parse_flow(text, FlowCommand::Mod(FlowModCommand::Add), &Names::none()).expect(text);
        let ready = flow_mod::prepare(&mut todo, Version::V13, &mut Shared::default(), Time::ZERO)?;
        flow_mod::apply(&mut self.flows, &ready, Time::ZERO, &mut self.done)
    }

    fn buckets(&self, id: u32) -> Vec<u32> {
        self.flows.groups().get(GroupId(id)).map_or(Vec::new(), |g| g.buckets.iter().map(|b| b.said.id).collect())
    }

    /// Groups, their buckets and users, and the number of flows.
    fn summary(&self) -> (Vec<(u32, Vec<u32>, usize)>, usize) {
        let groups = self.flows.groups();
        let of = |g: &std::sync::Arc<super::Group>| (g.id.0, self.buckets(g.id.0), groups.users(g.id));
        (groups.meant_by(GroupId::ALL).map(of).collect(), self.flows.len())
    }
}

use GroupModCommand::{Add, AddOrModify, Delete, InsertBucket, Modify, RemoveBucket};

#[test]
fn errors_are_the_specifications() {
    let mut t = Tables::new();
    assert_eq!(t.group(Modify, "group_id=1,type=all,bucket=output:1"), Err(ErrorCode::OFPGMFC_UNKNOWN_GROUP));
    assert_eq!(t.group(AddOrModify, "group_id=1,type=all,bucket=output:1"), Ok(()));
    assert_eq!(t.group(Add, "group_id=1,type=all,bucket=output:1"), Err(ErrorCode::OFPGMFC_GROUP_EXISTS));
    assert_eq!(t.group(Add, "group_id=2,type=all,bucket=group:2"), Ok(()), "a circle is translation's to survive");
    let insert = "group_id=1,command_bucket_id=last,bucket=bucket_id:0,output:2";
    assert_eq!(t.group(InsertBucket, insert), Err(ErrorCode::OFPGMFC_BUCKET_EXISTS));
    let insert = "group_id=1,command_bucket_id=9,bucket=bucket_id:3,output:2";
    assert_eq!(t.group(InsertBucket, insert), Err(ErrorCode::OFPGMFC_UNKNOWN_BUCKET));
    let insert = "group_id=7,command_bucket_id=first,bucket=bucket_id:3,output:2";
    assert_eq!(t.group(InsertBucket, insert), Err(ErrorCode::OFPGMFC_UNKNOWN_GROUP));
    assert_eq!(t.group(RemoveBucket, "group_id=1,command_bucket_id=4"), Err(ErrorCode::OFPGMFC_UNKNOWN_BUCKET));
    assert_eq!(t.group(Delete, "group_id=77"), Ok(()));
    assert_eq!(t.flow("actions=group:77"), Err(ErrorCode::OFPBAC_BAD_OUT_GROUP));
    assert_eq!(t.flow("actions=write_actions(group:77)"), Err(ErrorCode::OFPBAC_BAD_OUT_GROUP));
}

#[test]
fn buckets_come_and_go_at_their_places() {
    let mut t = Tables::new();
    t.group(Add, "group_id=1,type=select,bucket=output:1,bucket=output:2,bucket=output:3").unwrap();
    t.group(InsertBucket, "group_id=1,command_bucket_id=first,bucket=bucket_id:10,output:1").unwrap();
    t.group(InsertBucket, "group_id=1,command_bucket_id=last,bucket=bucket_id:11,output:1").unwrap();
    t.group(InsertBucket, "group_id=1,command_bucket_id=1,bucket=bucket_id:12,output:1,bucket=bucket_id:13,output:2")
        .unwrap();
    assert_eq!(t.buckets(1), [10, 0, 1, 12, 13, 2, 11]);
    t.group(RemoveBucket, "group_id=1,command_bucket_id=first").unwrap();
    t.group(RemoveBucket, "group_id=1,command_bucket_id=last").unwrap();
    t.group(RemoveBucket, "group_id=1,command_bucket_id=13").unwrap();
    assert_eq!(t.buckets(1), [0, 1, 12, 2]);
    t.group(RemoveBucket, "group_id=1,command_bucket_id=all").unwrap();
    assert!(t.buckets(1).is_empty());
    t.group(RemoveBucket, "group_id=1,command_bucket_id=last").unwrap();
    t.group(InsertBucket, "group_id=1,command_bucket_id=last,bucket=bucket_id:5,output:1").unwrap();
    assert_eq!(t.buckets(1), [5]);
}

#[test]
fn counters_stay_with_buckets_that_stay() {
    let mut t = Tables::new();
    t.group(Add, "group_id=1,type=all,bucket=output:1,bucket=output:2").unwrap();
    let group = t.flows.groups().get(GroupId(1)).unwrap().clone();
    group.count(3, 300);
    group.buckets[1].count(3, 300);
    t.group(RemoveBucket, "group_id=1,command_bucket_id=first").unwrap();
    let stats = |t: &Tables| t.flows.groups().get(GroupId(1)).unwrap().stats(0, Time::ZERO);
    assert_eq!((stats(&t).packet_count, stats(&t).buckets), (0, vec![(3, 300)]));
    t.group(Modify, "group_id=1,type=all,bucket=output:2").unwrap();
    assert_eq!(stats(&t).buckets, [(0, 0)]);
}

#[test]
fn flows_go_with_their_group() {
    let mut t = Tables::new();
    for id in 1..=3 {
        t.group(Add, &format!("group_id={id},type=indirect,bucket=output:1")).unwrap();
    }
    for flow in [
        "table=1,tcp,actions=group:1",
        "table=1,udp,actions=group:1,group:2",
        "table=2,actions=write_actions(group:2)",
        "table=3,actions=clone(group:3)",
        "table=4,actions=output:1",
    ] {
        t.flow(flow).unwrap();
    }
    let before = t.summary();
    assert_eq!(before.0.iter().map(|g| g.2).collect::<Vec<_>>(), [2, 2, 1]);
    t.done.clear();
    t.group(Delete, "group_id=1").unwrap();
    assert_eq!(t.summary().0.iter().map(|g| (g.0, g.2)).collect::<Vec<_>>(), [(2, 1), (3, 1)]);
    t.group(Delete, "group_id=all").unwrap();
    assert_eq!(t.summary(), (Vec::new(), before.1 - 4));
    let done = std::mem::take(&mut t.done);
    flow_mod::revert(&mut t.flows, done);
    assert_eq!(t.summary(), before, "undone");
}

#[test]
fn a_staged_copy_keeps_its_groups_to_itself() {
    let mut t = Tables::new();
    t.group(Add, "group_id=1,type=indirect,bucket=output:1").unwrap();
    let mut staged = t.flows.stage();
    let two = parse_group("group_id=2,type=indirect,bucket=output:1", Add, &Names::none()).unwrap();
    apply(&mut staged, &two, Time::ZERO, &mut Vec::new()).unwrap();
    assert_eq!(t.flows.groups().len(), 1);
    assert!(t.flows.commit(staged));
    assert_eq!(t.flows.groups().len(), 2);
}

#[test]
fn a_bucket_that_cannot_be_is_refused() {
    let mut t = Tables::new();
    let mut todo = parse_group("group_id=1,type=all,bucket=output:1", Add, &Names::none()).unwrap();
    t.change(&todo).unwrap();
    todo.command = InsertBucket;
    todo.command_bucket = Bucket::ALL;
    assert_eq!(t.change(&todo), Err(ErrorCode::OFPGMFC_BAD_COMMAND));
}

#[test]
fn a_group_that_no_flow_uses_any_more_costs_nothing() {
    let mut t = Tables::new();
    for id in 1..4 {
        t.group(Add, &format!("group_id={id},type=all,bucket=output:1")).unwrap();
        t.flow(&format!("table={id},actions=group:{id}")).unwrap();
    }
    let one = t.flows.table(weft_openflow::TableId(1)).unwrap().rules().next().cloned().unwrap();
    t.flows.remove(&one);
    assert_eq!(t.flows.groups().users.len(), 2);
    t.flows.clear(weft_openflow::TableId(2));
    assert_eq!(t.flows.groups().users.len(), 1);
}
