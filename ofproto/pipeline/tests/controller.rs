//! What a controller is answered, message by message, without a socket.

mod support;

use support::Switch;
use support::peer::{Peer, flow_mod};
use weft_flow::{Match, OfPort};
use weft_openflow::bundle::{BundleAdd, BundleControl, BundleControlKind, BundleFlags};
use weft_openflow::monitor::{FlowMonitorCommand, FlowMonitorFlags, FlowMonitorRequest, FlowUpdate, FlowUpdateEvent};
use weft_openflow::{ErrorCode, FlowModCommand, GroupId, Message, StatsReply, StatsRequest, TableId, Version, Xid};
use weft_pipeline::{BridgeSettings, FailMode, TableSettings};

fn bundle(peer: &Peer<'_>, kind: BundleControlKind, flags: BundleFlags) -> Message {
    peer.ask(Message::BundleControl(BundleControl { id: 1, kind, flags })).pop().expect("an answer")
}

fn is_error(message: &Message, code: ErrorCode) -> bool {
    matches!(message, Message::Error(error) if error.code == code)
}

#[test]
fn replies_about_bundles_carry_no_flags_and_requests_must_agree_on_theirs() {
    use BundleControlKind::{CloseReply, CloseRequest, CommitRequest, OpenReply, OpenRequest};
    let (ordered, atomic) = (BundleFlags::ORDERED, BundleFlags::ATOMIC);
    let switch = Switch::new(FailMode::Secure, 3);
    for version in [Version::V13, Version::V14] {
        let peer = Peer::new(&switch, version);
        let reply = |kind| Message::BundleControl(BundleControl { id: 1, kind, flags: BundleFlags::empty() });
        assert_eq!(bundle(&peer, OpenRequest, ordered), reply(OpenReply));
        assert_eq!(bundle(&peer, CloseRequest, ordered), reply(CloseReply));
        assert!(is_error(&bundle(&peer, CommitRequest, atomic), ErrorCode::OFPBFC_BAD_FLAGS));
        assert_eq!(bundle(&peer, OpenRequest, ordered), reply(OpenReply));
        assert!(is_error(&bundle(&peer, CloseRequest, atomic), ErrorCode::OFPBFC_BAD_FLAGS));
        assert!(is_error(&bundle(&peer, CommitRequest, ordered), ErrorCode::OFPBFC_BAD_ID));
    }
}

#[test]
fn a_flow_mod_that_is_not_permitted_is_refused_when_it_is_put_into_a_bundle() {
    let switch = Switch::new(FailMode::Secure, 3);
    let peer = Peer::new(&switch, Version::V14);
    bundle(&peer, BundleControlKind::OpenRequest, BundleFlags::ORDERED);
    let message = Box::new(flow_mod(FlowModCommand::Add, "table=254,actions=drop"));
    let add = BundleAdd { id: 1, flags: BundleFlags::ORDERED, xid: Xid(7), message };
    let answers = peer.ask(Message::BundleAdd(add));
    assert!(matches!(&answers[..], [error] if is_error(error, ErrorCode::OFPBRC_EPERM)), "{answers:?}");
}

#[test]
fn who_watches_a_port_hears_of_a_flow_that_stops_sending_there() {
    let switch = Switch::new(FailMode::Secure, 3);
    for version in [Version::V10, Version::V14] {
        let peer = Peer::new(&switch, version);
        peer.ask(flow_mod(FlowModCommand::Add, "in_port=1,actions=1,2"));
        let monitor = FlowMonitorRequest {
            id: 5,
            command: FlowMonitorCommand::Add,
            flags: FlowMonitorFlags::MODIFY | FlowMonitorFlags::INSTRUCTIONS | FlowMonitorFlags::NO_ABBREV,
            out_port: OfPort(2),
            out_group: GroupId::ANY,
            table: TableId::ALL,
            matching: Match::any(),
        };
        peer.ask(Message::StatsRequest(StatsRequest::FlowMonitor(vec![monitor])));
        let heard = peer.ask(flow_mod(FlowModCommand::Modify, "table=0,in_port=1,actions=3"));
        let [Message::StatsReply { body: StatsReply::FlowMonitor(updates), .. }] = &heard[..] else {
            panic!("{heard:?}");
        };
        let modified = |u: &FlowUpdate| matches!(u, FlowUpdate::Full(full) if full.event == FlowUpdateEvent::Modified);
        assert!(matches!(&updates[..], [one] if modified(one)), "{updates:?}");
        assert_eq!(peer.ask(flow_mod(FlowModCommand::Modify, "table=0,in_port=1,actions=1")), []);
    }
}

#[test]
fn what_others_do_is_told_whoever_asked_for_its_own_changes_too() {
    let switch = Switch::new(FailMode::Secure, 3);
    let peer = Peer::new(&switch, Version::V14);
    let monitor = FlowMonitorRequest {
        id: 5,
        command: FlowMonitorCommand::Add,
        flags: FlowMonitorFlags::ADD | FlowMonitorFlags::INSTRUCTIONS | FlowMonitorFlags::ONLY_OWN,
        out_port: OfPort::NONE,
        out_group: GroupId::ANY,
        table: TableId::ALL,
        matching: Match::any(),
    };
    peer.ask(Message::StatsRequest(StatsRequest::FlowMonitor(vec![monitor])));
    let told = |heard: Vec<Message>| {
        let is_full = |u: &FlowUpdate| matches!(u, FlowUpdate::Full(_));
        heard.iter().any(
            |m| matches!(m, Message::StatsReply { body: StatsReply::FlowMonitor(all), .. } if all.iter().any(is_full)),
        )
    };
    assert!(told(peer.ask(flow_mod(FlowModCommand::Add, "in_port=1,actions=2"))));
    Peer::new(&switch, Version::V14).ask(flow_mod(FlowModCommand::Add, "in_port=2,actions=1"));
    assert!(told(peer.ask(Message::BarrierRequest)));
}

#[test]
fn a_table_says_what_it_would_evict_by_even_while_it_evicts_nothing() {
    let switch = Switch::new(FailMode::Secure, 3);
    let peer = Peer::new(&switch, Version::V14);
    let heard = peer.ask(Message::StatsRequest(StatsRequest::TableDesc));
    let [Message::StatsReply { body: StatsReply::TableDesc(tables), .. }] = &heard[..] else { panic!("{heard:?}") };
    assert!(!tables.is_empty() && tables.iter().all(|t| !t.eviction && t.eviction_flags == 0b111));
}

#[test]
fn a_table_description_says_how_much_is_free_once_vacancy_is_asked_for() {
    use weft_openflow::table::{TableMod, Vacancy};
    let switch = Switch::new(FailMode::Secure, 3);
    let peer = Peer::new(&switch, Version::V14);
    let vacancy = Vacancy { enabled: true, down: 20, up: 80, current: 0 };
    let change =
        TableMod { table: TableId(1), miss: None, eviction: None, eviction_flags: None, vacancy: Some(vacancy) };
    assert_eq!(peer.ask(Message::TableMod(change)), []);
    let heard = peer.ask(Message::StatsRequest(StatsRequest::TableDesc));
    let [Message::StatsReply { body: StatsReply::TableDesc(tables), .. }] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!(tables[1].vacancy, Vacancy { current: 100, ..vacancy });
}

#[test]
fn a_learned_flow_that_fills_a_table_is_a_vacancy_event_too() {
    use weft_openflow::controller::AsyncConfig;
    use weft_openflow::table::{TableMod, Vacancy};
    let switch = Switch::new(FailMode::Secure, 3);
    let limit = TableSettings { flow_limit: Some(2), ..Default::default() };
    let tables = [(1, limit)].into_iter().collect();
    let settings = BridgeSettings { fail_mode: FailMode::Secure, tables, ..BridgeSettings::default() };
    switch.pipeline.set_bridge("br0", settings, switch.now).unwrap();
    let peer = Peer::new(&switch, Version::V14);
    let wanted = AsyncConfig { table_status: [Some(0b1_1000), Some(0)], ..AsyncConfig::default() };
    assert_eq!(peer.ask(Message::SetAsync(wanted)), []);
    let vacancy = Vacancy { enabled: true, down: 60, up: 80, current: 0 };
    let change =
        TableMod { table: TableId(1), miss: None, eviction: None, eviction_flags: None, vacancy: Some(vacancy) };
    assert_eq!(peer.ask(Message::TableMod(change)), []);
    peer.ask(flow_mod(FlowModCommand::Add, "in_port=1,actions=learn(table=1,NXM_OF_ETH_SRC[]),2"));
    switch.frame(1, 5, 6, 0x1234);
    switch.pipeline.run(switch.now);
    let heard = peer.heard();
    assert!(matches!(&heard[..], [Message::TableStatus(status)] if status.desc.table == TableId(1)), "{heard:?}");
}

#[test]
fn what_was_evicted_in_vain_is_told() {
    use weft_openflow::flow::FlowRemovedReason;
    use weft_openflow::table::TableMod;
    use weft_pipeline::{BridgeSettings, TableSettings};
    let switch = Switch::new(FailMode::Secure, 3);
    let peer = Peer::new(&switch, Version::V14);
    for text in ["in_port=1,idle_timeout=9,send_flow_rem", "in_port=2", "in_port=3"] {
        assert_eq!(peer.ask(flow_mod(FlowModCommand::Add, &format!("{text},actions=drop"))), []);
    }
    let table = TableSettings { flow_limit: Some(2), ..TableSettings::default() };
    let settings = BridgeSettings {
        fail_mode: FailMode::Secure,
        datapath_id: 0xfedc_ba98_7654_3210,
        tables: [(0, table)].into(),
        ..BridgeSettings::default()
    };
    switch.pipeline.set_bridge("br0", settings, switch.now).unwrap();
    let evict = TableMod { table: TableId(0), miss: None, eviction: Some(true), eviction_flags: None, vacancy: None };
    assert_eq!(peer.ask(Message::TableMod(evict)), []);
    // only one of the three may go, and that is not enough
    let heard = peer.ask(flow_mod(FlowModCommand::Add, "in_port=4,actions=drop"));
    let removed = |m: &Message| matches!(m, Message::FlowRemoved(f) if f.reason == FlowRemovedReason::Eviction);
    assert!(heard.iter().any(removed), "{heard:?}");
    assert!(heard.iter().any(|m| is_error(m, ErrorCode::OFPFMFC_TABLE_FULL)), "{heard:?}");
}

#[test]
fn peers_that_ask_for_it_hear_what_others_do_to_meters() {
    use weft_openflow::MeterId;
    use weft_openflow::controller::AsyncConfig;
    use weft_openflow::meter::{MeterConfig, MeterFlags, MeterMod, MeterModCommand};
    let switch = Switch::new(FailMode::Secure, 3);
    for version in [Version::V14, Version::V15] {
        let (writer, listener, other) =
            (Peer::new(&switch, version), Peer::new(&switch, version), Peer::new(&switch, version));
        let wanted = AsyncConfig { request_forward: [Some(0b10), None], ..AsyncConfig::default() };
        assert_eq!(listener.error(Message::SetAsync(wanted)), None);
        let meter = |command, id| {
            let meter = MeterConfig { id: MeterId(id), flags: MeterFlags::KBPS, bands: Vec::new() };
            Message::MeterMod(MeterMod { command, meter })
        };
        for command in [MeterModCommand::Add, MeterModCommand::Modify, MeterModCommand::Delete] {
            assert_eq!(writer.error(meter(command, 5)), None);
            let heard = listener.heard();
            let forwarded = matches!(&heard[..], [Message::RequestForward { xid: Xid(7), message }]
                if matches!(&**message, Message::MeterMod(m) if (m.command, m.meter.id) == (command, MeterId(5))));
            assert!(forwarded, "{heard:?}");
            assert_eq!((other.heard(), writer.heard()), (vec![], vec![]));
        }
        // what failed is nobody's business
        assert_eq!(writer.error(meter(MeterModCommand::Modify, 77)), Some(ErrorCode::OFPMMFC_UNKNOWN_METER));
        assert_eq!(writer.error(flow_mod(FlowModCommand::Add, "in_port=1,actions=2")), None);
        assert_eq!(listener.heard(), vec![]);
        for peer in [writer, listener, other] {
            switch.pipeline.disconnect(peer.id);
        }
    }
}

#[test]
fn fields_that_only_the_switch_may_look_at_are_refused() {
    let switch = Switch::new(FailMode::Secure, 3);
    let peer = Peer::new(&switch, Version::V13);
    for text in
        ["table=0,recirc_id=5,actions=drop", "table=0,dp_hash=0/1,actions=drop", "table=0,dp_hash=3,actions=drop"]
    {
        for command in [FlowModCommand::Add, FlowModCommand::Modify] {
            assert_eq!(peer.error(flow_mod(command, text)), Some(ErrorCode::OFPBRC_EPERM), "{text}");
        }
    }
    assert_eq!(peer.error(flow_mod(FlowModCommand::Add, "recirc_id=0,actions=drop")), None);
    assert_eq!(peer.error(flow_mod(FlowModCommand::Delete, "recirc_id=5")), None);
}

#[test]
fn reserved_ports_have_no_queues_and_all_is_no_port_with_counters() {
    use weft_openflow::QueueId;
    let switch = Switch::new(FailMode::Secure, 3);
    let peer = Peer::new(&switch, Version::V13);
    for port in [OfPort::LOCAL, OfPort::ALL, OfPort::CONTROLLER] {
        let request = Message::QueueGetConfigRequest { port, queue: QueueId::ALL };
        assert_eq!(peer.error(request), Some(ErrorCode::OFPQOFC_BAD_PORT), "{port}");
    }
    let counted = |port| match &peer.ask(Message::StatsRequest(StatsRequest::Port(port)))[..] {
        [Message::StatsReply { body: StatsReply::Port(ports), .. }] => ports.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!((counted(OfPort::ALL), counted(OfPort(1))), (0, 1));
    assert!(counted(OfPort::NONE) >= 3);
}

#[test]
fn a_table_that_the_configuration_named_keeps_its_name() {
    use weft_openflow::table::{FeaturesCommand, TableFeatures};
    let switch = Switch::new(FailMode::Secure, 3);
    let named = TableSettings { name: "front".into(), ..TableSettings::default() };
    let settings =
        BridgeSettings { fail_mode: FailMode::Secure, tables: [(0, named)].into(), ..BridgeSettings::default() };
    switch.pipeline.set_bridge("br0", settings, switch.now).unwrap();
    let peer = Peer::new(&switch, Version::V15);
    let now = || {
        let answers = peer.ask(Message::StatsRequest(StatsRequest::TableFeatures(Vec::new())));
        let tables = answers.into_iter().flat_map(|message| match message {
            Message::StatsReply { body: StatsReply::TableFeatures(tables), .. } => tables,
            other => panic!("{other:?}"),
        });
        tables.take(2).collect::<Vec<TableFeatures>>()
    };
    let rename = |nth: usize, name: &str| {
        let mut one = now().swap_remove(nth);
        (one.command, one.name) = (FeaturesCommand::Modify, name.into());
        peer.ask(Message::StatsRequest(StatsRequest::TableFeatures(vec![one])))
    };
    assert!(is_error(&rename(0, "back")[0], ErrorCode::OFPTFFC_EPERM));
    assert!(!is_error(&rename(1, "back")[0], ErrorCode::OFPTFFC_EPERM));
    assert_eq!(now().iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["front", "back"]);
}
