//! What controllers are promised beyond single answers: order, back-pressure, roles, fragments, ports.

mod support;

use support::Switch;
use support::peer::{Peer, flow_mod};
use weft_flow::{DpAction, Match, OfPort};
use weft_openflow::codec::{Dialect, encode};
use weft_openflow::controller::{Role, RoleMessage, RoleStatus};
use weft_openflow::ids::Mac;
use weft_openflow::monitor::{FlowMonitorCommand, FlowMonitorFlags, FlowMonitorRequest, FlowUpdate, FlowUpdateEvent};
use weft_openflow::port::{PortConfig, PortFeatures, PortMod};
use weft_openflow::switch::{FragHandling, SwitchConfig};
use weft_openflow::{ErrorCode, FlowModCommand, GroupId, Message, StatsReply, StatsRequest, TableId, Version, Xid};
use weft_pipeline::{FailMode, PortState};

fn switch() -> Switch {
    Switch::new(FailMode::Secure, 3)
}

#[test]
fn a_long_answer_comes_in_pieces_and_what_was_asked_behind_it_comes_after_it() {
    const FLOWS: usize = 20_000;
    let switch = switch();
    for i in 0..FLOWS {
        switch.flow(&format!("table=1,reg0={i},actions=output:2")).unwrap();
    }
    let peer = Peer::new(&switch, Version::V13);
    let say = |message: &Message| encode(message, Xid(7), &Dialect::new(Version::V13)).unwrap();
    let asked = [say(&Message::StatsRequest(StatsRequest::all_flows())), say(&Message::BarrierRequest)].concat();
    switch.pipeline.input(peer.id, &asked, switch.now);
    let first = switch.pipeline.output(peer.id).len();
    assert!((100_000..400_000).contains(&first), "a piece, not all of it: {first}");
    assert_eq!(switch.pipeline.pending(), [peer.id], "there is more");
    let rest = peer.heard();
    let (barrier, parts) = rest.split_last().expect("the rest");
    assert_eq!(*barrier, Message::BarrierReply);
    let more: Vec<bool> = parts.iter().map(|m| matches!(m, Message::StatsReply { more: true, .. })).collect();
    assert!(more.iter().rev().skip(1).all(|more| *more) && !more[more.len() - 1], "only the last part is the last");
    assert_eq!(switch.pipeline.pending(), []);
}

fn watch(flags: FlowMonitorFlags) -> Message {
    Message::StatsRequest(StatsRequest::FlowMonitor(vec![FlowMonitorRequest {
        id: 5,
        command: FlowMonitorCommand::Add,
        flags,
        out_port: OfPort::NONE,
        out_group: GroupId::ANY,
        table: TableId::ALL,
        matching: Match::any(),
    }]))
}

#[test]
fn a_monitor_that_is_not_read_is_paused_and_told_later_what_it_missed() {
    let all = FlowMonitorFlags::ADD | FlowMonitorFlags::REMOVED | FlowMonitorFlags::MODIFY;
    for version in [Version::V10, Version::V13, Version::V15] {
        let switch = switch();
        let peer = Peer::new(&switch, version);
        switch.flow("table=2,reg0=1,actions=output:1").unwrap();
        switch.flow("table=2,reg0=2,actions=output:1").unwrap();
        peer.ask(watch(all | FlowMonitorFlags::INSTRUCTIONS));
        let note = "note:".to_owned() + &["77"; 1000].join(".");
        for i in 0..400 {
            switch.flow(&format!("table=1,reg0={i},actions={note}")).unwrap();
        }
        // while it is paused: known flows change and go, new ones come and go
        switch.program(FlowModCommand::ModifyStrict, "table=2,reg0=1,actions=output:2").unwrap();
        switch.program(FlowModCommand::DeleteStrict, "table=2,reg0=2").unwrap();
        switch.flow("table=3,reg0=1,actions=output:1").unwrap();
        switch.flow("table=3,reg0=2,actions=output:1").unwrap();
        switch.program(FlowModCommand::DeleteStrict, "table=3,reg0=1").unwrap();
        let mut told = Vec::new();
        for message in peer.heard() {
            match message {
                Message::StatsReply { body: StatsReply::FlowMonitor(updates), .. } => told.extend(updates),
                Message::FlowMonitorPaused => told.push(FlowUpdate::Paused),
                Message::FlowMonitorResumed => told.push(FlowUpdate::Resumed),
                other => panic!("{other:?}"),
            }
        }
        let at = |which: &FlowUpdate| told.iter().position(|u| u == which).expect("it is told");
        let (paused, resumed) = (at(&FlowUpdate::Paused), at(&FlowUpdate::Resumed));
        assert!((100..200).contains(&paused), "128 kB of a kilobyte each: {paused}");
        assert_eq!(resumed, told.len() - 1);
        let between = |table: u8| -> Vec<FlowUpdateEvent> {
            let full = |u: &FlowUpdate| match u {
                FlowUpdate::Full(full) if full.table == TableId(table) => Some(full.event),
                _ => None,
            };
            told[paused..].iter().filter_map(full).collect()
        };
        assert_eq!(between(2), [FlowUpdateEvent::Removed, FlowUpdateEvent::Modified], "{version}");
        assert_eq!(between(3), [FlowUpdateEvent::Added], "what came and went is not told");
        assert_eq!(paused + between(1).len(), 400, "each of the others once");
    }
}

#[test]
fn who_loses_the_primary_role_is_told() {
    let switch = switch();
    for (version, hears) in [(Version::V12, false), (Version::V13, true), (Version::V15, true)] {
        let (a, b) = (Peer::new(&switch, version), Peer::new(&switch, version));
        let primary =
            |generation| Message::RoleRequest(RoleMessage { role: Role::Primary, generation_id: Some(generation) });
        let generation = 10 * version as u64;
        a.ask(primary(generation));
        b.ask(primary(generation + 1));
        let status = RoleStatus { role: Role::Secondary, reason: 0, generation_id: Some(generation + 1) };
        let expected = if hears { vec![Message::RoleStatus(status)] } else { Vec::new() };
        assert_eq!(a.heard(), expected, "{version}");
        assert_eq!(
            a.error(flow_mod(FlowModCommand::Add, "table=0,actions=drop")),
            Some(ErrorCode::OFPBRC_IS_SECONDARY)
        );
        assert_eq!(a.error(primary(generation)), Some(ErrorCode::OFPRRFC_STALE));
        switch.pipeline.disconnect(a.id);
        switch.pipeline.disconnect(b.id);
    }
}

/// A first fragment of TCP to port 80.
fn first_fragment() -> Vec<u8> {
    let mut bytes = support::ethernet(1, 2, 0x0800);
    bytes[14..24].copy_from_slice(&[0x45, 0, 0, 46, 0, 1, 0x20, 0, 64, 6]);
    bytes[34..38].copy_from_slice(&[0x30, 0x39, 0, 80]);
    bytes[46] = 0x50;
    bytes
}

#[test]
fn fragments_match_as_the_bridge_was_told() {
    let switch = switch();
    let peer = Peer::new(&switch, Version::V13);
    let other = Peer::new(&switch, Version::V10);
    switch.flow("table=0,priority=2,tcp,tp_dst=80,actions=output:2").unwrap();
    switch.flow("table=0,priority=1,tcp,tp_dst=0,actions=output:3").unwrap();
    let set = |frag| {
        let config = SwitchConfig { frag, invalid_ttl_to_controller: None, miss_send_len: 128 };
        assert_eq!(peer.error(Message::SetConfig(config)), None);
        switch.script.flows.lock().unwrap().clear();
        switch.receive(1, &first_fragment())
    };
    assert_eq!(set(FragHandling::Normal), support::outputs(&[3]));
    assert_eq!(set(FragHandling::NxMatch), support::outputs(&[2]));
    assert_eq!(set(FragHandling::Reassemble), support::outputs(&[2]), "that cannot be had: nothing changes");
    let dropped = set(FragHandling::Drop);
    assert!(matches!(&dropped[..], [] | [DpAction::Drop(_)]), "{dropped:?}");
    let heard = other.ask(Message::GetConfigRequest);
    assert!(matches!(&heard[..], [Message::GetConfigReply(config)] if config.frag == FragHandling::Drop), "{heard:?}");
}

#[test]
fn a_port_mod_sticks_and_every_controller_hears_of_it_once() {
    let switch = switch();
    let (peer, other) = (Peer::new(&switch, Version::V14), Peer::new(&switch, Version::V10));
    let change = |mac, config, mask| {
        let hw_addr = Mac([0xaa, 0x55, 0xaa, 0x55, 0, mac]);
        Message::PortMod(PortMod { port: OfPort(2), hw_addr, config, mask, advertise: PortFeatures::empty() })
    };
    assert_eq!(peer.error(change(9, PortConfig::empty(), PortConfig::empty())), Some(ErrorCode::OFPPMFC_BAD_HW_ADDR));
    let heard = peer.ask(change(2, PortConfig::NO_FWD | PortConfig::PORT_DOWN, PortConfig::all()));
    let [Message::PortStatus(status)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!(status.desc.config, PortConfig::NO_FWD | PortConfig::PORT_DOWN);
    assert_eq!(other.heard().len(), 1);
    // the device follows, which is no news
    let state = PortState { mac: [0xaa, 0x55, 0xaa, 0x55, 0, 2], admin_up: false, ..PortState::default() };
    switch.pipeline.set_port_state("br0", "p2", state, switch.now).unwrap();
    assert_eq!(peer.heard(), []);
    assert_eq!(peer.ask(change(2, PortConfig::NO_FWD, PortConfig::NO_FWD)), [], "nothing changed");
}

#[test]
fn echoes_are_answered_in_any_version_and_errors_are_not_answered_at_all() {
    let switch = switch();
    let peer = Peer::new(&switch, Version::V13);
    let say = |bytes: &[u8]| {
        switch.pipeline.input(peer.id, bytes, switch.now);
        switch.pipeline.output(peer.id)
    };
    assert_eq!(say(&[9, 2, 0, 9, 0, 0, 0, 5, 1]), [9, 3, 0, 9, 0, 0, 0, 5, 1]);
    assert!(say(&[4, 1, 0, 12, 0, 0, 0, 5, 0x77, 0, 0, 1]).is_empty());
    assert_eq!(say(&[9, 5, 0, 8, 0, 0, 0, 5])[..12], [1, 1, 0, 20, 0, 0, 0, 5, 0, 1, 0, 0], "OFPBRC_BAD_VERSION");
    assert_eq!(say(&[4, 0, 0, 8, 0, 0, 0, 5])[8..12], [0, 1, 0, 1], "a second HELLO: OFPBRC_BAD_TYPE");
}
#[test]
fn whatever_comes_over_a_connection_is_survived() {
    bolero::check!().with_iterations(200).with_type::<Vec<(u8, u8, Vec<u8>)>>().for_each(|messages| {
        let switch = switch();
        let peer = Peer::new(&switch, Version::ALL[messages.len() % 6]);
        for (kind, version, body) in messages.iter().take(8) {
            // mostly in the version that was agreed on
            let version = if version % 8 == 0 { version / 8 } else { peer.dialect.version as u8 };
            let mut bytes = vec![version, kind % 36, 0, 0, 0, 0, 0, 1];
            bytes.extend_from_slice(&body[..body.len().min(400)]);
            let len = (bytes.len() as u16).to_be_bytes();
            bytes[2..4].copy_from_slice(&len);
            switch.pipeline.input(peer.id, &bytes, switch.now);
            switch.pipeline.run(switch.now);
            switch.pipeline.output(peer.id);
        }
    });
}
