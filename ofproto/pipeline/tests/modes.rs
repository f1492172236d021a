//! Who forwards while no controller is there, how controllers are reached, and when one counts as in charge.

mod support;

use support::Switch;
use support::peer::Peer;
use weft_flow::{DpAction, FieldId, Match};
use weft_openflow::{FlowModCommand, Message, PacketInReason, Version};
use weft_packet::DropReason;
use weft_pipeline::{BridgeSettings, ConnectionKind, ConnectionSettings, FailMode, HiddenRule};

const A: u64 = 0x0200_0000_0001;
const B: u64 = 0x0200_0000_0002;

fn flows(switch: &Switch) -> String {
    switch.command("bridge/dump-flows br0")
}

#[test]
fn in_band_rules_go_above_everything_and_out_of_reach() {
    let mut switch = Switch::new(FailMode::Secure, 2);
    switch.flow("priority=65535,actions=drop").unwrap();
    let mut matching = Match::any();
    matching.set(FieldId::EthType, 0x0806);
    let rule = HiddenRule { priority: 180_002, matching, queue: None };
    switch.pipeline.set_in_band("br0", std::slice::from_ref(&rule), switch.now).unwrap();
    switch.run(std::time::Duration::from_millis(5));
    let arp = [&support::ethernet(A, B, 0x0806)[..14], &[0, 1, 8, 0, 6, 4, 0, 1], &[0; 24]].concat();
    assert_eq!(switch.receive(1, &arp).len(), 2, "NORMAL floods it to the local port and to port 2");
    assert!(matches!(switch.frame(1, A, B, 0x1234)[..], [DpAction::Drop(_)] | []));
    switch.program(FlowModCommand::Delete, "").unwrap();
    assert!(flows(&switch).contains("priority=180002,arp,actions=NORMAL"), "{}", flows(&switch));
    let queued = HiddenRule { queue: Some(7), ..rule };
    switch.pipeline.set_in_band("br0", &[queued], switch.now).unwrap();
    assert!(flows(&switch).contains("actions=set_queue:7,NORMAL"), "{}", flows(&switch));
    switch.pipeline.set_in_band("br0", &[], switch.now).unwrap();
    assert_eq!(flows(&switch), "");
}

#[test]
fn failing_open_takes_the_controllers_flows_away_and_other_modes_start_anew() {
    let mut switch = Switch::new(FailMode::Standalone, 2);
    let settings = |fail_open| BridgeSettings { has_controller: true, fail_open, ..BridgeSettings::default() };
    switch.pipeline.set_bridge("br0", settings(false), switch.now).unwrap();
    switch.flow("actions=drop").unwrap();
    switch.pipeline.set_bridge("br0", settings(true), switch.now).unwrap();
    assert!(flows(&switch).contains("priority=15790320,actions=NORMAL") && !flows(&switch).contains("drop"));
    switch.pipeline.set_bridge("br0", settings(false), switch.now).unwrap();
    assert_eq!(flows(&switch), "");
    // Without controllers, another fail_mode clears the tables.
    let alone = |fail_mode| BridgeSettings { fail_mode, ..BridgeSettings::default() };
    switch.pipeline.set_bridge("br0", alone(FailMode::Secure), switch.now).unwrap();
    switch.flow("actions=1").unwrap();
    switch.pipeline.set_bridge("br0", alone(FailMode::Standalone), switch.now).unwrap();
    assert!(flows(&switch).ends_with("priority=0,actions=NORMAL\n"), "{}", flows(&switch));
    switch.run(std::time::Duration::from_millis(5));
    assert_ne!(switch.frame(1, A, B, 0x1234), vec![DpAction::Drop(DropReason::TableMiss)]);
}

#[test]
fn a_controller_is_in_charge_once_it_does_more_than_greet() {
    let switch = Switch::new(FailMode::Standalone, 2);
    let peer = Peer::new(&switch, Version::V10);
    let admitted = || switch.pipeline.connection_status(peer.id).unwrap().admitted;
    for greeting in [Message::FeaturesRequest, Message::GetConfigRequest, Message::EchoRequest(vec![1])] {
        peer.ask(greeting);
        assert!(!admitted());
    }
    // A packet that matters to nobody asks whether it is there.
    switch.pipeline.ask_for_a_sign(peer.id, switch.now);
    let [Message::PacketIn(asked)] = &peer.heard()[..] else { panic!("one packet-in") };
    assert_eq!((asked.packet.len(), asked.reason), (42, PacketInReason::NO_MATCH));
    assert_eq!(asked.packet[12..14], [0x80, 0x35]);
    peer.ask(Message::BarrierRequest);
    assert!(admitted());
}

#[test]
fn a_controller_without_asynchronous_messages_hears_of_nothing_by_itself() {
    let switch = Switch::new(FailMode::Secure, 1);
    let kind = ConnectionKind::Controller;
    let settings = ConnectionSettings { async_messages: false, ..ConnectionSettings::new(kind, "quiet") };
    let id = switch.pipeline.connect("br0", settings, switch.now).unwrap();
    let dialect = weft_openflow::codec::Dialect::new(Version::V13);
    let peer = Peer { switch: &switch, id, dialect };
    peer.ask(Message::Hello { versions: Version::V13.bit() });
    let talkative = Peer::new(&switch, Version::V13);
    switch.port(weft_pipeline::BundleSettings::trunk("p9"), 9, weft_flow::OfPort(9));
    assert_eq!((peer.heard().len(), talkative.heard().len()), (0, 1), "a port came");
    switch.pipeline.ask_for_a_sign(peer.id, switch.now);
    assert!(peer.heard().is_empty());
}

#[test]
fn hidden_rules_take_no_room_of_a_tables_limit() {
    let switch = Switch::new(FailMode::Secure, 2);
    let limit = weft_pipeline::TableSettings { flow_limit: Some(2), ..Default::default() };
    let tables = [(0, limit)].into_iter().collect();
    let settings = BridgeSettings { fail_mode: FailMode::Secure, tables, ..BridgeSettings::default() };
    switch.pipeline.set_bridge("br0", settings, switch.now).unwrap();
    let hidden = |n: u32| {
        let mut matching = Match::any();
        matching.set(FieldId::EthType, 0x0800 + u128::from(n));
        HiddenRule { priority: 180_000 + n, matching, queue: None }
    };
    let all: Vec<HiddenRule> = (0..5).map(hidden).collect();
    switch.pipeline.set_in_band("br0", &all, switch.now).unwrap();
    switch.flow("in_port=1,actions=2").unwrap();
    switch.flow("in_port=2,actions=1").unwrap();
    assert_eq!(switch.flow("actions=drop"), Err(weft_openflow::ErrorCode::OFPFMFC_TABLE_FULL));
    switch.pipeline.set_in_band("br0", &all[..1], switch.now).unwrap();
    assert_eq!(switch.flow("actions=drop"), Err(weft_openflow::ErrorCode::OFPFMFC_TABLE_FULL));
}
