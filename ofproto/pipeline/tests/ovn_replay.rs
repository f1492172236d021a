//! What a real ovn-controller (23.03) sends over its three OpenFlow 1.5 connections, kind by kind, and what it needs
//! back. The kinds were recorded on the wire; the messages here are made by our encoder, or by hand where the layout is
//! the point.

mod support;

use support::Switch;
use support::peer::{Peer, flow_mod};
use weft_flow::{FieldId, Match, OfPort};
use weft_openflow::bundle::{BundleAdd, BundleControl, BundleControlKind, BundleFlags};
use weft_openflow::packet::PacketInFormat;
use weft_openflow::port::PortReason;
use weft_openflow::switch::{SwitchConfig, TlvMap, TlvTableCommand, TlvTableMod};
use weft_openflow::{FlowModCommand, Message, PacketOut, StatsReply, StatsRequest, Version, Xid};
use weft_pipeline::{ConnectionKind, ConnectionSettings, FailMode, PortState};

fn switch() -> Switch {
    Switch::new(FailMode::Secure, 3)
}

fn service(switch: &Switch) -> Peer<'_> {
    Peer::of_kind(switch, Version::V15, ConnectionKind::Service)
}

#[test]
fn hello_with_only_15_in_its_bitmap_is_answered_with_15() {
    let switch = switch();
    let settings = ConnectionSettings::new(ConnectionKind::Service, "ovn");
    let id = switch.pipeline.connect("br0", settings, switch.now).unwrap();
    let hello = [6, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, 0x40];
    switch.pipeline.input(id, &hello, switch.now);
    let ours = switch.pipeline.output(id);
    assert_eq!(ours[..4], [6, 0, 0, 8], "our HELLO offers 1.5 and all before it");
    assert_eq!(switch.pipeline.connection_status(id).unwrap().version, Some(Version::V15));
}

#[test]
fn probes_are_answered() {
    let switch = switch();
    let peer = service(&switch);
    assert_eq!(peer.ask(Message::EchoRequest(Vec::new())), [Message::EchoReply(Vec::new())]);
}

#[test]
fn meter_features_are_said_however_often_they_are_asked_for() {
    let switch = switch();
    let peer = service(&switch);
    for _ in 0..2 {
        let heard = peer.ask(Message::StatsRequest(StatsRequest::MeterFeatures));
        assert!(
            matches!(&heard[..], [Message::StatsReply { body: StatsReply::MeterFeatures(_), more: false }]),
            "{heard:?}"
        );
    }
}

#[test]
fn the_tunnel_option_table_takes_geneves_option_and_outlives_the_connection() {
    let switch = switch();
    let map = TlvMap { class: 0x0102, kind: 0x80, len: 4, index: 0 };
    {
        let peer = service(&switch);
        let heard = peer.ask(Message::TlvTableRequest);
        let [Message::TlvTableReply(table)] = &heard[..] else { panic!("{heard:?}") };
        assert_eq!((table.max_option_space, table.max_fields, &table.maps[..]), (256, 64, &[][..]));
        let add = TlvTableMod { command: TlvTableCommand::Add, maps: vec![map] };
        assert_eq!(peer.error(Message::TlvTableMod(add.clone())), None);
        assert_eq!(peer.error(Message::TlvTableMod(add)).map(|e| e.name()), Some("NXTTMFC_ALREADY_MAPPED"));
        assert_eq!(peer.ask(Message::BarrierRequest), [Message::BarrierReply]);
        switch.pipeline.disconnect(peer.id);
    }
    let heard = service(&switch).ask(Message::TlvTableRequest);
    assert!(matches!(&heard[..], [Message::TlvTableReply(table)] if table.maps == [map]), "{heard:?}");
}

#[test]
fn a_bundle_of_flow_mods_is_opened_filled_and_committed_without_closing_it() {
    let switch = switch();
    let peer = service(&switch);
    let flags = BundleFlags::ATOMIC | BundleFlags::ORDERED;
    let control = |kind, flags| Message::BundleControl(BundleControl { id: 3, kind, flags });
    let none = BundleFlags::empty();
    assert_eq!(peer.ask(control(BundleControlKind::OpenRequest, flags)), [control(BundleControlKind::OpenReply, none)]);
    for (command, text) in [
        (FlowModCommand::Delete, "table=255"),
        (
            FlowModCommand::Add,
            "table=0,priority=100,cookie=0xdeadbeef,in_port=1,actions=set_field:1->reg14,resubmit(,8)",
        ),
        (FlowModCommand::ModifyStrict, "table=0,priority=100,cookie=0xdeadbeef,in_port=1,actions=resubmit(,9)"),
        (FlowModCommand::DeleteStrict, "table=75,priority=65535,metadata=0x7"),
    ] {
        let message = Box::new(flow_mod(command, text));
        let add = BundleAdd { id: 3, flags, xid: Xid(7), message };
        assert_eq!(peer.ask(Message::BundleAdd(add)), [], "{text}");
    }
    assert_eq!(
        peer.ask(control(BundleControlKind::CommitRequest, flags)),
        [control(BundleControlKind::CommitReply, none)]
    );
    let heard = peer.ask(Message::StatsRequest(StatsRequest::all_flows()));
    let [Message::StatsReply { body: StatsReply::Flow(flows), more: false }] = &heard[..] else { panic!("{heard:?}") };
    assert!(matches!(&flows[..], [flow] if flow.cookie.0 == 0xdead_beef), "{flows:?}");
}

#[test]
fn the_packet_connection_is_set_up() {
    let switch = switch();
    let peer = service(&switch);
    assert!(matches!(peer.ask(Message::GetConfigRequest)[..], [Message::GetConfigReply(_)]));
    let format = [6, 4, 0, 20, 0, 0, 0, 7, 0, 0, 0x23, 0x20, 0, 0, 0, 16, 0, 0, 0, 2];
    assert_eq!(peer.say(&format), [], "NXT_SET_PACKET_IN_FORMAT 2");
    assert_eq!(peer.error(set_config()), None);
    let heard = peer.ask(Message::GetConfigRequest);
    assert!(matches!(&heard[..], [Message::GetConfigReply(config)] if config.miss_send_len == 0xffff), "{heard:?}");
}

fn set_config() -> Message {
    let frag = Default::default();
    Message::SetConfig(SwitchConfig { frag, invalid_ttl_to_controller: None, miss_send_len: 0xffff })
}

#[test]
fn a_packet_out_from_the_controller_port_runs_its_actions() {
    let switch = switch();
    let peer = service(&switch);
    assert_eq!(peer.error(flow_mod(FlowModCommand::Add, "table=8,metadata=0x5,reg14=0x2,actions=output:3")), None);
    let actions = "set_field:5->metadata,set_field:2->reg14,push:NXM_NX_REG0[],pop:NXM_NX_REG1[],\
                   move:NXM_NX_REG0[0..3]->NXM_NX_REG2[0..3],clone(set_field:1->reg3),resubmit(CONTROLLER,8)";
    let Message::FlowMod(parsed) = flow_mod(FlowModCommand::Add, &format!("actions={actions}")) else { panic!() };
    let mut metadata = Match::any();
    metadata.set(FieldId::InPortOxm, OfPort::CONTROLLER.0.into());
    let packet = support::ethernet(1, 2, 0x1234);
    let out = PacketOut { packet, buffer_id: None, metadata, actions: parsed.instructions.apply };
    assert_eq!(peer.error(Message::PacketOut(out)), None);
    assert_eq!(switch.script.executed.lock().unwrap().pop(), Some(support::outputs(&[3])));
}

#[test]
fn packets_for_the_controller_carry_what_the_pipeline_knew() {
    let switch = switch();
    let mut peer = service(&switch);
    peer.packet_ins(PacketInFormat::Nxt2);
    assert_eq!(peer.error(set_config()), None);
    let flow = "table=0,cookie=0xabcd1234,in_port=1,actions=set_field:9->metadata,set_field:3->reg0,set_field:4->reg15,\
                controller(userdata=00.00.00.01.05)";
    assert_eq!(peer.error(flow_mod(FlowModCommand::Add, flow)), None);
    switch.frame(1, 5, 6, 0x0800);
    switch.pipeline.run(switch.now);
    let heard = peer.heard();
    let [Message::PacketIn(packet_in)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!(packet_in.userdata, [0, 0, 0, 1, 5]);
    assert_eq!(packet_in.reason.0, 1);
    assert_eq!(packet_in.cookie.map(|c| c.0), Some(0xabcd_1234));
    assert_eq!(packet_in.table.map(|t| t.0), Some(0));
    let got = |field: FieldId| packet_in.metadata.get(field).0;
    assert_eq!((got(FieldId::InPortOxm), got(FieldId::Metadata)), (1, 9));
    assert_eq!((got(FieldId::Reg0), got(FieldId::Reg15)), (3, 4));
    assert_eq!(packet_in.packet.len(), 60, "whole");
}

#[test]
fn a_link_that_goes_down_is_a_port_status_of_15() {
    let switch = switch();
    let peer = service(&switch);
    assert_eq!(peer.error(set_config()), None);
    let state = PortState { mac: [0xaa, 0x55, 0xaa, 0x55, 0, 2], link_up: false, ..PortState::default() };
    switch.pipeline.set_port_state("br0", "p2", state, switch.now).unwrap();
    let heard = peer.heard();
    let [Message::PortStatus(status)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((status.reason, status.desc.port, &*status.desc.name), (PortReason::Modify, OfPort(2), "p2"));
}

/// Fields that flows match, alone or masked, with what they presuppose.
const MATCHES: &[&str] = &[
    "in_port=1",
    "metadata=0x1f",
    "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00",
    "dl_src=00:00:00:00:00:01",
    "dl_vlan=5",
    "vlan_tci=0x0000/0x1000",
    "ip,nw_src=10.0.0.0/8",
    "ip,nw_dst=10.0.0.1",
    "ip,nw_proto=17",
    "ip,nw_ttl=255",
    "ip,nw_frag=later",
    "ip,ip_dscp=10",
    "ip,nw_ecn=1",
    "tcp,tcp_src=80",
    "tcp,tcp_dst=0x50/0xfff0",
    "tcp,tcp_flags=+syn-ack",
    "udp,udp_src=67,udp_dst=68",
    "sctp,sctp_src=1,sctp_dst=2",
    "icmp,icmp_type=3,icmp_code=4",
    "arp,arp_op=1,arp_spa=10.0.0.0/24,arp_tpa=10.0.0.1,arp_sha=00:00:00:00:00:01,arp_tha=00:00:00:00:00:02",
    "ipv6,ipv6_src=fe80::/64,ipv6_dst=ff02::1,ipv6_label=7",
    "icmp6,icmpv6_type=135,icmpv6_code=0,nd_target=fe80::1,nd_sll=00:00:00:00:00:01",
    "icmp6,icmpv6_type=136,icmpv6_code=0,nd_target=fe80::1,nd_tll=00:00:00:00:00:01",
    "reg0=0x1,reg14=0x2/0xff,reg15=0x3",
    "conj_id=7",
    "ct_state=+trk+est-new,ip,ct_mark=0x1/0x1",
    "ct_state=+trk,ct_label=0x1/0x1",
    "pkt_mark=3",
    "tun_id=5",
    "xxreg0=0x1",
];

#[test]
fn every_field_that_flows_match_is_taken() {
    let switch = switch();
    let peer = service(&switch);
    for text in MATCHES {
        let flow = flow_mod(FlowModCommand::Add, &format!("table=20,priority=100,{text},actions=resubmit(,21)"));
        assert_eq!(peer.error(flow), None, "{text}");
    }
    let heard = peer.ask(Message::StatsRequest(StatsRequest::all_flows()));
    let [Message::StatsReply { body: StatsReply::Flow(flows), .. }] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!(flows.len(), MATCHES.len(), "each is a flow of its own");
}

/// Actions, with the match that they need.
const ACTIONS: &[(&str, &str)] = &[
    ("", "resubmit(,9)"),
    ("", "resubmit(CONTROLLER,37)"),
    ("", "set_field:0x1->metadata,set_field:2->reg0,set_field:3->xreg4,set_field:4->xxreg0,set_field:5->xxreg1"),
    ("", "set_field:00:00:00:00:00:01->eth_src,set_field:00:00:00:00:00:02->eth_dst"),
    ("arp,", "set_field:2->arp_op,set_field:00:00:00:00:00:01->arp_sha,set_field:10.0.0.1->arp_spa"),
    ("ip,", "set_field:10.0.0.1->ip_src,set_field:255->nw_ttl,set_field:10->ip_dscp"),
    ("ipv6,", "set_field:fe80::1->ipv6_src"),
    ("icmp,", "set_field:0->icmp_type,set_field:0->icmp_code"),
    ("icmp6,icmp_type=136,", "set_field:fe80::1->nd_target,set_field:00:00:00:00:00:01->nd_tll"),
    ("udp,", "set_field:67->udp_src,set_field:68->udp_dst"),
    ("dl_vlan=5,", "set_field:4101->vlan_vid"),
    ("", "set_field:5->tun_id,set_field:3->pkt_mark,set_field:0->in_port"),
    ("", "move:NXM_NX_REG14[]->NXM_NX_REG15[],move:OXM_OF_METADATA[0..23]->NXM_NX_TUN_ID[0..23]"),
    ("", "move:NXM_NX_REG10[1]->NXM_NX_XXREG0[97]"),
    ("", "push:NXM_OF_IN_PORT[],set_field:0->in_port,pop:NXM_OF_IN_PORT[]"),
    ("", "output:2"),
    ("", "IN_PORT"),
    ("", "controller(userdata=00.00.00.00.00.00.00.00)"),
    ("", "clone(set_field:1->reg14,resubmit(,8))"),
    (
        "tcp,",
        "learn(table=69,delete_learned,cookie=0xabc,OXM_OF_METADATA[],eth_type=0x800,NXM_OF_IP_SRC[],nw_proto=6,\
      NXM_OF_TCP_SRC[]=NXM_OF_TCP_DST[],load:0x1->NXM_NX_REG10[7])",
    ),
    ("", "check_pkt_larger(1500)->NXM_NX_REG9[1]"),
    ("", "bundle(eth_src,0,active_backup,ofport,members:1,2)"),
    ("", "sample(probability=65535,collector_set_id=1,obs_domain_id=1,obs_point_id=2)"),
    ("", "ct_clear"),
    ("ip,", "ct(table=9,zone=NXM_NX_REG13[0..15])"),
    ("ip,", "ct(table=9,zone=NXM_NX_REG13[0..15],nat)"),
    ("ip,", "ct(commit,zone=NXM_NX_REG13[0..15],exec(set_field:0x0/0x1->ct_mark))"),
    ("ip,", "ct(commit,table=16,zone=NXM_NX_REG12[0..15],nat(src=172.16.0.1))"),
    ("ip,", "ct(commit,table=16,zone=NXM_NX_REG11[0..15],nat(dst=10.0.0.2:80))"),
    ("", "conjunction(7,1/2)"),
    ("", "conjunction(7,2/3),conjunction(8,1/2)"),
    ("ip,", "dec_ttl"),
    ("ip,", "dec_ttl(1,2)"),
    ("", "push_vlan:0x8100,set_field:4101->vlan_vid,output:1"),
    ("dl_vlan=7,", "pop_vlan,output:1"),
    ("", "set_queue:7"),
    ("", "note:01.02.03"),
];

#[test]
fn every_action_is_taken() {
    let switch = switch();
    let peer = service(&switch);
    let refused: Vec<String> = ACTIONS
        .iter()
        .enumerate()
        .filter_map(|(i, (matching, actions))| {
            let text = format!("table=30,priority={},{matching}actions={actions}", 100 + i);
            Some(format!("{actions}: {}", peer.error(flow_mod(FlowModCommand::Add, &text))?))
        })
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// conntrack's own actions are read and written as OVN says them, whether or not the switch tracks connections.
const CONNTRACK: &[&str] = &[
    "ct(table=9,zone=NXM_NX_REG13[0..15])",
    "ct(table=9,zone=NXM_NX_REG13[0..15],nat)",
    "ct(commit,zone=NXM_NX_REG13[0..15],exec(set_field:0x0/0x1->ct_mark))",
    "ct(commit,zone=NXM_NX_REG13[0..15],exec(set_field:0x2/0x2->ct_mark,move:NXM_NX_XXREG0[]->NXM_NX_CT_LABEL[]))",
    "ct(commit,table=16,zone=NXM_NX_REG12[0..15],nat(src=172.16.0.1))",
    "ct(commit,table=16,zone=NXM_NX_REG11[0..15],nat(dst=10.0.0.2:80))",
    "ct(commit,table=16,zone=NXM_NX_REG12[0..15],nat(src=fe80::1))",
    "ct_clear",
    "clone(ct_clear,resubmit(,8))",
];

#[test]
fn conntracks_actions_come_through_the_codec_unchanged() {
    use weft_openflow::codec::{Dialect, decode, encode};
    let dialect = Dialect::new(Version::V15);
    for actions in CONNTRACK {
        let message = flow_mod(FlowModCommand::Add, &format!("table=9,ip,actions={actions}"));
        let bytes = encode(&message, Xid(7), &dialect).expect(actions);
        let again = decode(&bytes, &dialect).expect(actions);
        assert_eq!(encode(&again.message, Xid(7), &dialect).expect(actions), bytes, "{actions}");
    }
}

#[test]
fn meters_are_there_and_flows_may_use_them() {
    use weft_openflow::meter::MeterModCommand::{Add, Delete};
    use weft_openflow::text::parse_meter;
    let switch = switch();
    let peer = service(&switch);
    let heard = peer.ask(Message::StatsRequest(StatsRequest::MeterFeatures));
    let [Message::StatsReply { body: StatsReply::MeterFeatures(features), .. }] = &heard[..] else {
        panic!("{heard:?}")
    };
    assert_eq!((features.max_meters, features.max_bands, features.capabilities), (262_144, 8, 0xf), "more than none");
    assert_eq!(features.band_types & 2, 2, "drop");
    let change = |command, text| peer.error(Message::MeterMod(parse_meter(text, command).expect(text)));
    assert_eq!(change(Delete, "meter=all"), None, "the first thing that is said");
    let flow = || flow_mod(FlowModCommand::Add, "table=20,ip,actions=meter:5,resubmit(,21)");
    assert_eq!(peer.error(flow()).map(|e| e.name()), Some("OFPMMFC_INVALID_METER"));
    assert_eq!(change(Add, "meter=5,kbps,stats,burst,bands=type=drop,rate=1000,burst_size=100"), None);
    assert_eq!(change(Add, "meter=6,pktps,stats,bands=type=drop,rate=25"), None);
    assert_eq!(peer.error(flow()), None);
    assert_eq!(change(Delete, "meter=all"), None);
    let heard = peer.ask(Message::StatsRequest(StatsRequest::all_flows()));
    assert!(matches!(&heard[..], [Message::StatsReply { body: StatsReply::Flow(none), .. }] if none.is_empty()));
}

#[test]
fn a_load_balancers_group_chooses_by_the_datapaths_hash() {
    use weft_flow::DpAction;
    use weft_openflow::group::GroupModCommand::{Add, Delete};
    use weft_openflow::text::{Names, parse_group};
    let switch = switch();
    let peer = service(&switch);
    let change =
        |command, text: &str| peer.error(Message::GroupMod(parse_group(text, command, &Names::none()).expect(text)));
    assert_eq!(change(Delete, ""), None);
    for (id, param) in [(1, "0"), (2, "4294967296")] {
        let buckets = "bucket=bucket_id=0,weight=100,actions=set_field:1->reg0,resubmit(,9),\
                       bucket=bucket_id=1,weight=100,actions=set_field:2->reg0,resubmit(,9)";
        let text =
            format!("group_id={id},type=select,selection_method=dp_hash,selection_method_param={param},{buckets}");
        assert_eq!(change(Add, &text), None, "{text}");
        assert_eq!(change(Add, &text).map(|e| e.name()), Some("OFPGMFC_GROUP_EXISTS"));
    }
    assert_eq!(peer.error(flow_mod(FlowModCommand::Add, "table=9,reg0=1,actions=output:2")), None);
    assert_eq!(peer.error(flow_mod(FlowModCommand::Add, "table=9,reg0=2,actions=output:3")), None);
    for (port, group, symmetric) in [(1, 1, false), (2, 2, true)] {
        let flow = format!("table=0,in_port={port},ip,actions=group:{group}");
        assert_eq!(peer.error(flow_mod(FlowModCommand::Add, &flow)), None);
        let actions = switch.frame(port, 5, 6, 0x0800);
        let [DpAction::Hash { symmetric: as_asked, .. }, DpAction::Recirc(_)] = actions[..] else {
            panic!("{actions:?}")
        };
        assert_eq!(as_asked, symmetric, "ECMP wants both directions alike");
    }
    assert_eq!(change(Delete, ""), None);
    let heard = peer.ask(Message::StatsRequest(StatsRequest::all_flows()));
    let [Message::StatsReply { body: StatsReply::Flow(flows), .. }] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!(flows.len(), 2, "flows go with their groups");
}

#[test]
fn connections_of_a_zone_or_of_a_tuple_can_be_forgotten() {
    use weft_openflow::conntrack::CtFlush;
    let switch = switch();
    let peer = service(&switch);
    for zone in [0, 5, 0xffff] {
        assert_eq!(peer.error(Message::CtFlushZone(zone)), None);
    }
    let of_backend = CtFlush { zone: Some(7), proto: 6, ..CtFlush::default() };
    assert_eq!(peer.error(Message::CtFlush(of_backend)), None);
}

#[test]
fn a_paused_packet_goes_on_inside_nested_tables_with_its_stack_and_what_its_controller_has_written() {
    let switch = switch();
    let mut peer = service(&switch);
    peer.packet_ins(PacketInFormat::Nxt2);
    assert_eq!(peer.error(set_config()), None);
    for flow in [
        "table=0,cookie=0x1,in_port=1,actions=set_field:3->reg14,push:NXM_NX_REG14[],resubmit(,8),pop:NXM_NX_REG15[],\
         resubmit(,37)",
        "table=8,cookie=0x2,actions=controller(userdata=00.00.00.02,pause),resubmit(,9)",
        "table=9,cookie=0x3,reg3=0x1,actions=set_field:7->reg10",
        "table=37,cookie=0x4,reg10=7,reg15=3,actions=output:3",
    ] {
        assert_eq!(peer.error(flow_mod(FlowModCommand::Add, flow)), None, "{flow}");
    }
    switch.frame(1, 5, 6, 0x0800);
    switch.pipeline.run(switch.now);
    let mut heard = peer.heard();
    let Some(Message::PacketIn(mut packet_in)) = heard.pop() else { panic!("{heard:?}") };
    assert_eq!((packet_in.table.map(|t| t.0), packet_in.cookie.map(|c| c.0)), (Some(8), Some(2)));
    assert!(!packet_in.continuation.is_empty());
    packet_in.metadata.set(FieldId::Reg3, 1); // "put_dhcp_opts" says by a register whether it did
    assert_eq!(peer.error(Message::Resume(packet_in.clone())), None);
    assert_eq!(switch.script.executed.lock().unwrap().pop(), Some(support::outputs(&[3])));
    packet_in.continuation.truncate(5);
    assert!(peer.error(Message::Resume(packet_in)).is_some(), "what was cut is refused");
}

#[test]
fn a_gateway_is_left_when_its_link_goes() {
    let mut switch = switch();
    let add = flow_mod(FlowModCommand::Add, "in_port=1,actions=bundle(eth_src,0,active_backup,ofport,members:2,3)");
    assert_eq!(service(&switch).error(add), None);
    assert_eq!(switch.frame(1, 5, 6, 0x0800), support::outputs(&[2]));
    let down = PortState { link_up: false, ..PortState::default() };
    switch.pipeline.set_port_state("br0", "p2", down, switch.now).unwrap();
    switch.run(std::time::Duration::from_millis(5));
    assert_eq!(switch.frame(1, 5, 6, 0x0800), support::outputs(&[3]));
}
