//! Each finding, and tables without any.

use weft_flow::OfPort;
use weft_openflow::flow::FlowModCommand;
use weft_openflow::group::Bucket;
use weft_openflow::text::{FlowCommand, Names, parse_flow};

use weft_openflow::{Action, GroupId};

use super::report::Finding;
use super::rule::{Known, Rule};
use super::{check, report};

fn rules(text: &str) -> Vec<Rule> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let m = parse_flow(line, FlowCommand::Mod(FlowModCommand::Add), &Names::none()).expect(line);
            Rule::new(m.table.0, m.priority, m.matching, m.instructions)
        })
        .collect()
}

fn lint(text: &str) -> Vec<Finding> {
    check(&rules(text), &Known::default())
}

fn kinds(text: &str) -> Vec<&'static str> {
    lint(text).iter().map(|finding| finding.kind).collect()
}

#[test]
fn a_wider_flow_of_higher_priority_hides_a_narrower_one() {
    let found = lint("priority=10,ip,nw_src=10.0.0.0/24,actions=drop\npriority=5,ip,nw_src=10.0.0.1,actions=output:1");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, "shadowed");
    assert_eq!(found[0].rule.as_deref(), Some("priority=5,ip,nw_src=10.0.0.1 actions=output:1"));
    assert_eq!(found[0].other.as_deref(), Some("priority=10,ip,nw_src=10.0.0.0/24 actions=drop"));
    assert_eq!(
        kinds("priority=10,ip,nw_src=10.0.1.0/24,actions=drop\npriority=5,ip,nw_src=10.0.0.1,actions=1"),
        [""; 0]
    );
    assert_eq!(
        kinds("priority=5,ip,nw_src=10.0.0.0/24,actions=drop\npriority=10,ip,nw_src=10.0.0.1,actions=1"),
        [""; 0]
    );
    assert_eq!(kinds("in_port=1,actions=1\nin_port=1,actions=2"), ["duplicate"]);
}

#[test]
fn flows_of_one_priority_that_meet_are_a_warning_unless_they_agree() {
    assert_eq!(kinds("ip,nw_src=10.0.0.1,actions=1\nip,nw_dst=10.0.0.2,actions=2"), ["overlap"]);
    assert_eq!(kinds("ip,nw_src=10.0.0.1,actions=1\nip,nw_dst=10.0.0.2,actions=1"), [""; 0]);
    assert_eq!(kinds("ip,nw_src=10.0.0.1,actions=1\narp,actions=2"), [""; 0]);
}

#[test]
fn tables_that_nothing_leads_to_and_tables_that_are_not_there() {
    assert_eq!(kinds("actions=goto_table:1\ntable=1,actions=drop\ntable=2,actions=drop"), ["unreachable-table"]);
    assert_eq!(kinds("actions=goto_table:1"), ["missing-table"]);
    assert_eq!(kinds("ip,actions=ct(table=3)\ntable=3,actions=clone(resubmit(,4))\ntable=4,actions=drop"), [""; 0]);
}

#[test]
fn a_group_leads_where_its_buckets_lead() {
    let text = "actions=group:1\ntable=5,actions=drop";
    let resubmit = rules("actions=resubmit(,5)").remove(0).instructions.apply;
    let bucket = |actions| Bucket { id: 0, weight: 0, watch_port: OfPort::NONE, watch_group: GroupId::ANY, actions };
    let mut known = Known::default();
    // The first one leads to itself too: that ends.
    known.add_group(GroupId(1), vec![bucket(vec![Action::Group(GroupId(1)), Action::Group(GroupId(2))])]);
    known.add_group(GroupId(2), vec![bucket(resubmit)]);
    assert_eq!(check(&rules(text), &known).iter().map(|finding| finding.kind).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_contradiction_is_found_behind_many_that_agree() {
    let mut text: String = (0..9).map(|n| format!("tcp,nw_src=10.0.0.{n},tp_src=7,actions=1\n")).collect();
    text += "tcp,nw_src=10.0.0.9,tp_src=7,actions=2\ntcp,tp_dst=80,actions=1";
    assert_eq!(kinds(&text), ["overlap"]);
}

#[test]
fn circles_of_resubmits_are_found_where_nothing_changes() {
    assert_eq!(kinds("in_port=1,actions=resubmit(,0)"), ["loop"]);
    assert_eq!(kinds("in_port=1,actions=resubmit:2"), [""; 0]);
    assert_eq!(kinds("ip,actions=resubmit(,1)\ntable=1,tcp,actions=resubmit(,0)"), ["loop"]);
    assert_eq!(kinds("reg0=0,actions=load:1->reg0,resubmit(,0)\npriority=1,actions=2"), [""; 0]);
    // The drop takes every packet that could go round.
    assert_eq!(
        kinds("arp,actions=resubmit(,1)\ntable=1,priority=9,arp,actions=drop\ntable=1,priority=1,actions=resubmit(,0)"),
        [""; 0]
    );
    assert_eq!(kinds("actions=resubmit(,1)\ntable=1,actions=resubmit(,2)\ntable=2,actions=resubmit(,0)"), ["loop"]);
}

#[test]
fn ports_groups_and_meters_are_missed_where_it_is_known_what_there_is() {
    let known =
        Known { ports: Some([1].into()), groups: Some([7].into()), meters: Some([3].into()), ..Known::default() };
    let rules = rules("in_port=1,actions=output:9,group:8\nin_port=2,actions=meter:4,output:1,group:7,LOCAL");
    let found: Vec<_> = check(&rules, &known).into_iter().map(|finding| finding.kind).collect();
    assert_eq!(found, ["missing-port", "missing-group", "missing-meter"]);
}

#[test]
fn conjunctions_that_cannot_complete() {
    let whole = "ip,nw_src=10.0.0.1,actions=conjunction(5,1/2)\ntcp,tp_dst=80,actions=conjunction(5,2/2)\n\
                 conj_id=5,ip,actions=1";
    assert_eq!(kinds(whole), [""; 0]);
    let said = |text: &str| lint(text).into_iter().map(|f| f.what).collect::<Vec<_>>().join("; ");
    assert_eq!(
        said("ip,nw_src=10.0.0.1,actions=conjunction(5,1/2)\nconj_id=5,ip,actions=1"),
        "conjunction 5 never completes: clause 2 of 2 is missing at this priority"
    );
    assert_eq!(
        said("ip,nw_src=10.0.0.1,actions=conjunction(5,1/2)\ntcp,tp_dst=80,actions=conjunction(5,2/2)"),
        "conjunction 5 leads nowhere: no flow of this table matches conj_id=5"
    );
    assert_eq!(
        said("conj_id=5,ip,actions=1"),
        "conj_id=5 never comes true: no flow of this table is part of conjunction 5"
    );
    assert_eq!(
        said("udp,actions=conjunction(5,1/2)\ntcp,tp_dst=80,actions=conjunction(5,2/2)\nconj_id=5,ip,actions=1"),
        "conjunction 5 never completes: no packet matches clause 1 and clause 2"
    );
}

#[test]
fn actions_behind_exit_and_actions_that_do_not_fit() {
    assert_eq!(kinds("actions=output:1,exit,output:2"), ["dead-action"]);
    assert_eq!(kinds("actions=output:1,exit"), [""; 0]);
    assert_eq!(kinds("actions=dec_ttl"), ["prerequisite"]);
    assert_eq!(kinds("ip,actions=dec_ttl"), [""; 0]);
    assert_eq!(kinds("ip,actions=push_mpls:0x8847,set_field:1.1.1.1->ip_src"), ["prerequisite"]);
}

/// Pipelines in the manner of those that controllers make: nothing to say.
#[test]
fn tables_as_controllers_make_them_are_clean() {
    let faucet = "
        table=0,priority=4096,in_port=1,vlan_tci=0x0000/0x1fff,actions=push_vlan:0x8100,set_field:4196->vlan_vid,goto_table:1
        table=0,priority=4096,in_port=2,vlan_tci=0x0000/0x1fff,actions=push_vlan:0x8100,set_field:4196->vlan_vid,goto_table:1
        table=0,priority=0,actions=drop
        table=1,priority=20490,dl_type=0x9000,actions=drop
        table=1,priority=20480,dl_src=ff:ff:ff:ff:ff:ff,actions=drop
        table=1,priority=8191,in_port=1,dl_vlan=100,dl_src=0e:00:00:00:00:01,actions=goto_table:2
        table=1,priority=4096,dl_vlan=100,actions=CONTROLLER:96,goto_table:2
        table=1,priority=0,actions=goto_table:2
        table=2,priority=8192,dl_vlan=100,dl_dst=0e:00:00:00:00:01,actions=strip_vlan,output:1
        table=2,priority=0,actions=goto_table:3
        table=3,priority=8208,dl_vlan=100,dl_dst=ff:ff:ff:ff:ff:ff,actions=strip_vlan,output:1,output:2
        table=3,priority=0,actions=drop";
    let ovn = "
        table=0,priority=100,in_port=1,actions=load:0x1->NXM_NX_REG13[],load:0x2->OXM_OF_METADATA[],load:0x1->NXM_NX_REG14[],resubmit(,8)
        table=8,priority=100,metadata=0x2,vlan_tci=0x1000/0x1000,actions=drop
        table=8,priority=50,reg14=0x1,metadata=0x2,actions=resubmit(,9)
        table=9,priority=110,ip,metadata=0x2,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=resubmit(,10)
        table=9,priority=100,ip,metadata=0x2,actions=ct(table=10,zone=NXM_NX_REG13[0..15])
        table=9,priority=0,metadata=0x2,actions=resubmit(,10)
        table=10,priority=2002,ct_state=-new+est-rpl+trk,ip,reg14=0x1,metadata=0x2,actions=conjunction(7,1/2)
        table=10,priority=2002,tcp,metadata=0x2,tp_dst=80,actions=conjunction(7,2/2)
        table=10,priority=2002,conj_id=7,ip,metadata=0x2,actions=resubmit(,37)
        table=10,priority=0,metadata=0x2,actions=resubmit(,37)
        table=37,priority=100,reg15=0x1,metadata=0x2,actions=load:0->NXM_NX_REG0[],output:1";
    for table in [faucet, ovn] {
        assert_eq!(report::text(&lint(table), 0), "0 flows, nothing wrong\n");
    }
}

#[test]
fn many_flows_are_looked_at_by_their_masks() {
    let mut many = String::new();
    for i in 0..20_000u32 {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + i);
        many += &match i % 4 {
            0 => format!("priority=20,ip,nw_dst={address},actions=output:1\n"),
            1 => format!("priority=30,tcp,nw_dst={address},tp_dst=80,actions=output:2\n"),
            2 => format!("priority=40,udp,nw_src={address},actions=output:3\n"),
            _ => {
                format!("priority=50,dl_src=0e:00:00:{:02x}:{:02x}:{:02x},actions=4\n", i >> 16, i >> 8 & 255, i & 255)
            }
        };
    }
    many += "priority=1,ip,nw_dst=10.0.0.0,actions=drop\n";
    assert_eq!(kinds(&many), ["shadowed"]);
}

#[test]
fn findings_are_json_too() {
    let found = lint("in_port=1,actions=exit,output:2");
    assert_eq!(
        report::json(&found),
        "[{\"kind\":\"dead-action\",\"severity\":\"error\",\"table\":0,\"message\":\"output:2 and what follows never run: \
         they stand behind exit\",\"rule\":\"in_port=1 actions=exit,output:2\",\"other\":null}]\n"
    );
}
