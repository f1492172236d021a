//! What other controllers send, kind by kind: Faucet (OpenFlow 1.3, as recorded) and Ryu's sample applications.

mod support;

use support::Switch;
use support::peer::{Peer, flow_mod};
use weft_flow::{FieldId, Match, OfPort};
use weft_openflow::controller::{AsyncConfig, Role, RoleMessage};
use weft_openflow::flow::FlowStatsRequest;
use weft_openflow::ids::Mac;
use weft_openflow::port::{PortConfig, PortFeatures, PortMod, PortReason};
use weft_openflow::switch::SwitchConfig;
use weft_openflow::{
    FlowModCommand, GroupId, Message, MeterId, PacketInReason, PacketOut, QueueId, StatsReply, StatsRequest, TableId,
    Version,
};
use weft_pipeline::{FailMode, PortState};

fn switch() -> Switch {
    Switch::new(FailMode::Secure, 3)
}

fn set_config(miss_send_len: u16) -> Message {
    Message::SetConfig(SwitchConfig { frag: Default::default(), invalid_ttl_to_controller: None, miss_send_len })
}

fn packet_out(in_port: OfPort, actions: &str) -> Message {
    let Message::FlowMod(parsed) = flow_mod(FlowModCommand::Add, &format!("actions={actions}")) else { panic!() };
    let mut metadata = Match::any();
    metadata.set(FieldId::InPortOxm, in_port.0.into());
    let packet = support::ethernet(1, 2, 0x1234);
    Message::PacketOut(PacketOut { packet, buffer_id: None, metadata, actions: parsed.instructions.apply })
}

/// Faucet's start: everything that it says before its first packet.
#[test]
fn faucet_sets_a_datapath_up() {
    let switch = switch();
    let peer = Peer::new(&switch, Version::V13);
    let heard = peer.ask(Message::FeaturesRequest);
    let [Message::FeaturesReply(features)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((features.n_tables, features.auxiliary_id), (254, 0));
    assert_eq!(peer.error(set_config(0)), None);
    assert_eq!(peer.error(set_config(0xffff)), None);
    let wanted = AsyncConfig {
        packet_in: [Some(0b11), Some(0)],
        port_status: [Some(0b111), Some(0b111)],
        flow_removed: [Some(0b1), Some(0)],
        ..AsyncConfig::default()
    };
    assert_eq!(peer.error(Message::SetAsync(wanted.clone())), None);
    assert_eq!(peer.ask(Message::GetAsyncRequest), [Message::GetAsyncReply(wanted)]);
    let heard = peer.ask(Message::StatsRequest(StatsRequest::PortDesc(OfPort::NONE)));
    assert!(matches!(&heard[..], [Message::StatsReply { body: StatsReply::PortDesc(p), .. }] if p.len() == 4));
    let heard = peer.ask(Message::StatsRequest(StatsRequest::Desc));
    assert!(
        matches!(&heard[..], [Message::StatsReply { body: StatsReply::Desc(d), .. }] if d.hw_desc == "Open vSwitch")
    );
    assert_eq!(peer.ask(Message::EchoRequest(vec![1])), [Message::EchoReply(vec![1])]);
    assert_eq!(peer.error(flow_mod(FlowModCommand::Delete, "table=255")), None);
    assert_eq!(peer.ask(Message::BarrierRequest), [Message::BarrierReply]);
}

/// Its pipeline: fields, instructions, actions and timeouts over tables 0 to 7.
#[test]
fn faucets_flows_are_taken() {
    let switch = switch();
    let peer = Peer::new(&switch, Version::V13);
    for text in [
        "table=0,priority=9000,in_port=1,actions=push_vlan:0x8100,set_field:4196->vlan_vid,goto_table:1",
        "table=0,priority=9000,in_port=2,dl_vlan=100,actions=goto_table:1",
        "table=1,priority=20490,dl_type=0x9000,actions=drop",
        "table=1,priority=20480,dl_src=ff:ff:ff:ff:ff:ff,actions=drop",
        "table=1,priority=4096,dl_vlan=100,actions=controller:96,goto_table:4",
        "table=1,priority=8191,idle_timeout=297,hard_timeout=300,in_port=1,dl_vlan=100,dl_src=00:00:00:00:00:01,\
         actions=goto_table:4",
        "table=2,arp,dl_vlan=100,arp_tpa=10.0.0.254,actions=controller",
        "table=2,icmp6,dl_vlan=100,icmpv6_type=135,actions=controller",
        "table=3,ip,dl_vlan=100,nw_dst=10.0.1.0/24,actions=set_field:00:00:00:00:00:0a->eth_src,\
         set_field:00:00:00:00:00:0b->eth_dst,set_field:4297->vlan_vid,dec_ttl,goto_table:4",
        "table=3,ipv6,dl_vlan=100,ipv6_dst=fc00::/64,actions=dec_ttl,goto_table:4",
        "table=3,tcp,dl_vlan=100,tcp_dst=179,actions=controller",
        "table=4,idle_timeout=397,dl_vlan=100,dl_dst=00:00:00:00:00:01,actions=pop_vlan,output:1",
        "table=5,priority=8192,dl_vlan=100,dl_dst=01:80:c2:00:00:00/ff:ff:ff:00:00:00,actions=pop_vlan,output:1,output:2",
        "table=7,priority=0,actions=drop",
    ] {
        assert_eq!(peer.error(flow_mod(FlowModCommand::Add, text)), None, "{text}");
    }
    let strict = "table=4,priority=32768,dl_vlan=100,dl_dst=00:00:00:00:00:01,actions=pop_vlan,output:2";
    assert_eq!(peer.error(flow_mod(FlowModCommand::ModifyStrict, strict)), None);
    let gone = "table=1,priority=8191,in_port=1,dl_vlan=100,dl_src=00:00:00:00:00:01";
    assert_eq!(peer.error(flow_mod(FlowModCommand::DeleteStrict, gone)), None);
}

#[test]
fn faucet_hears_of_packets_cut_as_it_wants_them_and_of_ports() {
    let switch = switch();
    let peer = Peer::new(&switch, Version::V13);
    assert_eq!(peer.error(flow_mod(FlowModCommand::Add, "table=0,actions=controller:20")), None);
    switch.frame(2, 5, 6, 0x1234);
    switch.pipeline.run(switch.now);
    let heard = peer.heard();
    let [Message::PacketIn(packet_in)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((packet_in.packet.len(), packet_in.total_len, packet_in.buffer_id), (20, 60, None));
    assert_eq!(packet_in.metadata.get(FieldId::InPortOxm).0, 2);
    assert_eq!(peer.error(packet_out(OfPort::CONTROLLER, "output:3")), None);
    assert_eq!(switch.script.executed.lock().unwrap().pop(), Some(support::outputs(&[3])));
    let state = PortState { mac: [0xaa, 0x55, 0xaa, 0x55, 0, 1], link_up: false, ..PortState::default() };
    switch.pipeline.set_port_state("br0", "p1", state, switch.now).unwrap();
    let heard = peer.heard();
    assert!(matches!(&heard[..], [Message::PortStatus(status)] if status.reason == PortReason::Modify), "{heard:?}");
}

/// simple_switch of Ryu in each version: the table miss, a packet-in, the packet back, a flow.
#[test]
fn ryus_sample_switch_learns_in_every_version() {
    for version in Version::ALL {
        let switch = switch();
        let peer = Peer::new(&switch, version);
        if version >= Version::V12 {
            assert_eq!(peer.error(flow_mod(FlowModCommand::Add, "table=0,priority=0,actions=controller")), None);
        }
        switch.frame(1, 5, 6, 0x1234);
        switch.pipeline.run(switch.now);
        let heard = peer.heard();
        let [Message::PacketIn(packet_in)] = &heard[..] else { panic!("{version} {heard:?}") };
        let reason = if matches!(version, Version::V12) { PacketInReason::ACTION } else { PacketInReason::NO_MATCH };
        assert_eq!(packet_in.reason, reason, "{version}");
        let flow =
            flow_mod(FlowModCommand::Add, "table=0,priority=1,in_port=1,dl_dst=00:00:00:00:00:06,actions=output:2");
        assert_eq!(peer.error(flow), None, "{version}");
        assert_eq!(peer.error(packet_out(OfPort(1), "output:2")), None, "{version}");
    }
}

/// ofctl_rest of Ryu on 1.3: a reply of the right kind to everything that it asks.
#[test]
fn ryus_rest_application_is_answered() {
    let switch = switch();
    let peer = Peer::new(&switch, Version::V13);
    let all = FlowStatsRequest { table: TableId::ALL, ..FlowStatsRequest::default() };
    for request in [
        StatsRequest::Desc,
        StatsRequest::Flow(all.clone()),
        StatsRequest::Aggregate(all),
        StatsRequest::Table,
        StatsRequest::TableFeatures(Vec::new()),
        StatsRequest::Port(OfPort::NONE),
        StatsRequest::PortDesc(OfPort::NONE),
        StatsRequest::Queue { port: OfPort::NONE, queue: QueueId::ALL },
        StatsRequest::Group(GroupId::ALL),
        StatsRequest::GroupDesc(GroupId::ALL),
        StatsRequest::GroupFeatures,
        StatsRequest::Meter(MeterId::ALL),
        StatsRequest::MeterConfig(MeterId::ALL),
        StatsRequest::MeterFeatures,
    ] {
        let heard = peer.ask(Message::StatsRequest(request.clone()));
        let is_reply = |m: &Message| matches!(m, Message::StatsReply { .. });
        assert!(!heard.is_empty() && heard.iter().all(is_reply), "{request:?}: {heard:?}");
    }
    let heard = peer.ask(Message::QueueGetConfigRequest { port: OfPort(1), queue: QueueId::ALL });
    assert!(matches!(&heard[..], [Message::QueueGetConfigReply { port: OfPort(1), .. }]), "{heard:?}");
    let role = RoleMessage { role: Role::Primary, generation_id: Some(1) };
    assert_eq!(peer.ask(Message::RoleRequest(role)), [Message::RoleReply(role)]);
    let port_mod = Message::PortMod(PortMod {
        port: OfPort(1),
        hw_addr: Mac([0xaa, 0x55, 0xaa, 0x55, 0, 1]),
        config: PortConfig::NO_RECV,
        mask: PortConfig::NO_RECV,
        advertise: PortFeatures::empty(),
    });
    let heard = peer.ask(port_mod);
    assert!(matches!(&heard[..], [Message::PortStatus(s)] if s.desc.config == PortConfig::NO_RECV), "{heard:?}");
}
