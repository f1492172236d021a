//! A message of every kind, and how both switches take it.

use weft_flow::{FieldId, Match, OfPort};
use weft_openflow::bundle::{BundleAdd, BundleControl, BundleControlKind, BundleFlags};
use weft_openflow::codec::{Dialect, encode};
use weft_openflow::controller::{AsyncConfig, Role, RoleMessage};
use weft_openflow::flow::FlowStatsRequest;
use weft_openflow::ids::Mac;
use weft_openflow::monitor::{FlowMonitorCommand, FlowMonitorFlags, FlowMonitorRequest};
use weft_openflow::packet::PacketInFormat;
use weft_openflow::port::{PortConfig, PortFeatures, PortMod};
use weft_openflow::switch::SwitchConfig;
use weft_openflow::table::{TableMiss, TableMod, Vacancy};
use weft_openflow::text::{FlowCommand, Names, parse_flow};
use weft_openflow::{
    ErrorCode, ErrorMessage, FlowModCommand, GroupId, Message, MeterId, PacketOut, QueueId, StatsRequest, TableId,
    Version, Xid,
};

use super::{Pair, show};
use crate::support;

pub fn flow(command: FlowModCommand, text: &str) -> Message {
    Message::FlowMod(parse_flow(text, FlowCommand::Mod(command), &Names::none()).expect(text))
}

fn packet_out(in_port: OfPort, actions: &str) -> Message {
    let Message::FlowMod(flow) = flow(FlowModCommand::Add, &format!("actions={actions}")) else { unreachable!() };
    let mut metadata = Match::any();
    metadata.set(FieldId::InPortOxm, in_port.0.into());
    let packet = support::ethernet(1, 2, 0x1234);
    Message::PacketOut(PacketOut { packet, buffer_id: None, metadata, actions: flow.instructions.apply })
}

/// A message of every kind that a controller sends, where a version has it.
pub fn seeds(version: Version) -> Vec<(&'static str, Vec<u8>)> {
    use BundleControlKind::{CloseRequest, CommitRequest, DiscardRequest, OpenRequest};
    let all = FlowStatsRequest { table: TableId::ALL, ..FlowStatsRequest::default() };
    let mut some = all.clone();
    some.matching = parse_match("ip,in_port=1,nw_dst=10.0.0.0/8");
    let monitor = |command, flags| {
        Message::StatsRequest(StatsRequest::FlowMonitor(vec![FlowMonitorRequest {
            id: 5,
            command,
            flags,
            out_port: OfPort::NONE,
            out_group: GroupId::ANY,
            table: TableId::ALL,
            matching: parse_match("tcp,in_port=1"),
        }]))
    };
    let bundle = |kind, flags| Message::BundleControl(BundleControl { id: 1, kind, flags });
    let both = [Some(7), Some(1)];
    let asynchronous = AsyncConfig { packet_in: both, port_status: both, flow_removed: both, ..AsyncConfig::default() };
    let newer = AsyncConfig { role_status: both, table_status: both, request_forward: both, ..AsyncConfig::default() };
    let port_mod = |mac: [u8; 6], port: u32| {
        Message::PortMod(PortMod {
            port: OfPort(port),
            hw_addr: Mac(mac),
            config: PortConfig::empty(),
            mask: PortConfig::NO_FWD | PortConfig::NO_RECV,
            advertise: PortFeatures::empty(),
        })
    };
    let table_mod = |table: u8, miss, eviction: Option<bool>, vacancy| {
        let eviction_flags = eviction.map(|_| 1);
        Message::TableMod(TableMod { table: TableId(table), miss, eviction, eviction_flags, vacancy })
    };
    let vacancy = Vacancy { enabled: true, down: 20, up: 80, current: 0 };
    let inner = |m: Message| {
        Message::BundleAdd(BundleAdd { id: 9, flags: BundleFlags::ORDERED, xid: Xid(7), message: Box::new(m) })
    };
    use FlowModCommand::{Add, Delete, DeleteStrict, Modify, ModifyStrict};
    let mut list: Vec<(&'static str, Message)> = vec![
        ("echo", Message::EchoRequest(vec![1, 2, 3])),
        ("error", Message::Error(ErrorMessage { code: ErrorCode::OFPBRC_BAD_LEN, data: vec![0; 64] })),
        ("features", Message::FeaturesRequest),
        ("get config", Message::GetConfigRequest),
        (
            "set config",
            Message::SetConfig(SwitchConfig {
                frag: Default::default(),
                invalid_ttl_to_controller: None,
                miss_send_len: 128,
            }),
        ),
        ("barrier", Message::BarrierRequest),
        ("flow add", flow(Add, "table=1,in_port=1,tcp,nw_src=1.0.0.0/8,tp_dst=80,actions=output:2,set_queue:1")),
        ("flow vlan", flow(Add, "table=1,dl_vlan=3,actions=strip_vlan,mod_dl_src:00:00:00:00:00:01,output:2")),
        ("flow arp", flow(Add, "table=1,arp,arp_spa=1.2.3.4,actions=output:2")),
        (
            "flow regs",
            flow(
                Add,
                "table=1,reg0=1,tun_id=5,actions=load:1->NXM_NX_REG1[],move:NXM_NX_REG0[]->NXM_NX_REG2[],resubmit(1,2),note:01.02,output:NXM_NX_REG1[],push:NXM_NX_REG0[],pop:NXM_NX_REG0[]",
            ),
        ),
        (
            "flow ctl",
            flow(
                Add,
                "table=1,ipv6,ipv6_src=::1,actions=controller(reason=no_match,max_len=12,id=0),dec_ttl,enqueue:1:2,exit",
            ),
        ),
        ("flow modify", flow(Modify, "table=1,in_port=1,actions=output:2")),
        ("flow modify strict", flow(ModifyStrict, "table=1,priority=5,in_port=1,actions=output:2")),
        ("flow delete", flow(Delete, "table=1,in_port=1,out_port=2")),
        ("flow delete strict", flow(DeleteStrict, "table=1,priority=5,in_port=1")),
        ("packet out", packet_out(OfPort(1), "output:2")),
        ("packet out none", packet_out(OfPort::NONE, "set_queue:1,output:2")),
        ("packet out ctl", packet_out(OfPort::CONTROLLER, "resubmit(,2),load:1->NXM_NX_REG1[]")),
        ("port mod", port_mod([0xaa, 0x55, 0xaa, 0x55, 0, 1], 1)),
        ("port mod local", port_mod([0xaa, 0x55, 0xaa, 0x55, 0, 0x64], OfPort::LOCAL.0)),
        ("port mod zero", port_mod([0; 6], 2)),
        ("port mod wrong", port_mod([1; 6], 2)),
        ("port mod none", port_mod([1; 6], 77)),
        ("table mod", table_mod(1, Some(TableMiss::Drop), None, None)),
        ("table mod all", table_mod(255, Some(TableMiss::Default), None, None)),
        ("table mod evict", table_mod(1, None, Some(true), None)),
        ("table mod vacancy", table_mod(1, None, None, Some(vacancy))),
        ("queue config", Message::QueueGetConfigRequest { port: OfPort(1), queue: QueueId::ALL }),
        ("role equal", Message::RoleRequest(RoleMessage { role: Role::Equal, generation_id: None })),
        ("role nochange", Message::RoleRequest(RoleMessage { role: Role::NoChange, generation_id: None })),
        ("get async", Message::GetAsyncRequest),
        ("set async", Message::SetAsync(asynchronous)),
        ("set async new", Message::SetAsync(newer)),
        ("desc", Message::StatsRequest(StatsRequest::Desc)),
        ("flow stats", Message::StatsRequest(StatsRequest::Flow(all.clone()))),
        ("flow stats some", Message::StatsRequest(StatsRequest::Flow(some.clone()))),
        ("aggregate", Message::StatsRequest(StatsRequest::Aggregate(all))),
        ("aggregate some", Message::StatsRequest(StatsRequest::Aggregate(some))),
        ("table stats", Message::StatsRequest(StatsRequest::Table)),
        ("port stats", Message::StatsRequest(StatsRequest::Port(OfPort::NONE))),
        ("port stats one", Message::StatsRequest(StatsRequest::Port(OfPort(1)))),
        ("queue stats", Message::StatsRequest(StatsRequest::Queue { port: OfPort::NONE, queue: QueueId::ALL })),
        ("queue stats one", Message::StatsRequest(StatsRequest::Queue { port: OfPort(1), queue: QueueId(0) })),
        ("table features", Message::StatsRequest(StatsRequest::TableFeatures(Vec::new()))),
        ("port desc", Message::StatsRequest(StatsRequest::PortDesc(OfPort::NONE))),
        ("table desc", Message::StatsRequest(StatsRequest::TableDesc)),
        ("queue desc", Message::StatsRequest(StatsRequest::QueueDesc { port: OfPort(1), queue: QueueId::ALL })),
        ("group stats", Message::StatsRequest(StatsRequest::Group(GroupId::ALL))),
        ("group desc", Message::StatsRequest(StatsRequest::GroupDesc(GroupId::ALL))),
        ("group features", Message::StatsRequest(StatsRequest::GroupFeatures)),
        ("meter stats", Message::StatsRequest(StatsRequest::Meter(MeterId::ALL))),
        ("meter config", Message::StatsRequest(StatsRequest::MeterConfig(MeterId::ALL))),
        ("meter features", Message::StatsRequest(StatsRequest::MeterFeatures)),
        ("ipfix bridge", Message::StatsRequest(StatsRequest::IpfixBridge)),
        ("ipfix flow", Message::StatsRequest(StatsRequest::IpfixFlow)),
        (
            "monitor",
            monitor(
                FlowMonitorCommand::Add,
                FlowMonitorFlags::INITIAL | FlowMonitorFlags::ADD | FlowMonitorFlags::INSTRUCTIONS,
            ),
        ),
        ("monitor modify", monitor(FlowMonitorCommand::Modify, FlowMonitorFlags::ADD)),
        ("monitor cancel", Message::FlowMonitorCancel(5)),
        ("flow format", Message::SetFlowFormat(weft_openflow::message::FlowFormat::Nxm)),
        ("flow mod table id", Message::FlowModTableId(true)),
        ("packet in format", Message::SetPacketInFormat(PacketInFormat::Nxt2)),
        ("controller id", Message::SetControllerId(3)),
        ("flow age", Message::FlowAge),
        ("tlv request", Message::TlvTableRequest),
        ("bundle open", bundle(OpenRequest, BundleFlags::ORDERED)),
        ("bundle close", bundle(CloseRequest, BundleFlags::ORDERED)),
        ("bundle commit", bundle(CommitRequest, BundleFlags::ORDERED)),
        ("bundle discard", bundle(DiscardRequest, BundleFlags::ORDERED)),
        ("bundle add", inner(flow(Add, "table=1,in_port=1,actions=output:2"))),
        ("bundle add port", inner(port_mod([0xaa, 0x55, 0xaa, 0x55, 0, 1], 1))),
        ("bundle add out", inner(packet_out(OfPort(1), "output:2"))),
    ];
    if version >= Version::V11 {
        list.push(("flow goto", flow(Add, "table=1,in_port=1,actions=write_metadata:1/3,goto_table:2")));
        list.push((
            "flow write",
            flow(Add, "table=1,in_port=1,ip,actions=clear_actions,write_actions(output:2,set_field:1.2.3.4->ip_dst)"),
        ));
    }
    let dialects = [
        Dialect { flow_mod_table_id: false, ..Dialect::new(version) },
        Dialect { nxm: true, flow_mod_table_id: true, ..Dialect::new(version) },
    ];
    let dialects = if version == Version::V10 { &dialects[..] } else { &dialects[..1] };
    let mut out = Vec::new();
    for dialect in dialects {
        for (name, message) in &list {
            if let Ok(bytes) = encode(message, Xid(7), dialect)
                && !out.iter().any(|(_, have)| *have == bytes)
            {
                out.push((*name, bytes));
            }
        }
    }
    out
}

fn parse_match(text: &str) -> Match {
    let Message::FlowMod(flow) = flow(FlowModCommand::Delete, text) else { unreachable!() };
    flow.matching
}

/// The errors of both, or "ok".
pub fn answers(pair: &mut Pair<'_>, message: &[u8]) -> (String, String) {
    let version = pair.version;
    let answers = pair.ask(&[message.to_vec()]);
    let errors = |all: &[Vec<u8>]| {
        let errors: Vec<String> = all
            .iter()
            .filter(|m| m.get(1) == Some(&1) || !matches!(m.first(), Some(1..=6)))
            .map(|m| match m.first() {
                Some(1..=6) => show(version, m),
                _ => String::from_utf8_lossy(m).into_owned(),
            })
            .collect();
        if errors.is_empty() { "ok".to_owned() } else { errors.join("; ") }
    };
    let (real, ours) = (errors(&answers.real), errors(&answers.ours));
    // a slip of its own: about flow monitors it answers with the version and id of whatever lies behind the header
    let garbled = answers.real.iter().any(|m| m.get(1) == Some(&1) && m.first() != Some(&(version as u8)));
    if garbled && ours != "ok" && pair_version_is_known(message, version) {
        return ("an error".to_owned(), "an error".to_owned());
    }
    (real, ours)
}

fn pair_version_is_known(message: &[u8], version: Version) -> bool {
    message.first() == Some(&(version as u8))
}

/// One message cut and extended to other lengths, which its header says.
pub fn lengths(bytes: &[u8]) -> Vec<Vec<u8>> {
    let with_len = |mut b: Vec<u8>| {
        let len = (b.len() as u16).to_be_bytes();
        b[2..4].copy_from_slice(&len);
        b
    };
    let cut = (8..bytes.len()).map(|len| with_len(bytes[..len].to_vec()));
    let extended = [1, 4, 8, 16].map(|more| with_len([bytes, &vec![0; more]].concat()));
    std::iter::once(bytes.to_vec()).chain(cut).chain(extended).collect()
}
