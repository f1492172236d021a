//! Chains of pause and resume: a packet that stops many times goes on where it stopped each time, whatever changes before.

mod support;

use std::collections::VecDeque;

use support::Switch;
use support::peer::Peer;
use weft_flow::DpAction;
use weft_flow::action::Userspace;
use weft_openflow::packet::PacketInFormat;
use weft_openflow::switch::SwitchConfig;
use weft_openflow::{FlowModCommand, Message, Version};
use weft_pipeline::{ConnectionKind, FailMode};

/// A frame comes in by port 1, and its controller ends every pause at once: where it was sent, and how often it paused.
fn chain(switch: &Switch, version: Version, bytes: &[u8]) -> (Vec<u32>, usize) {
    let mut peer = Peer::of_kind(switch, version, ConnectionKind::Service);
    let config = SwitchConfig { frag: Default::default(), invalid_ttl_to_controller: None, miss_send_len: 0xffff };
    assert_eq!(peer.error(Message::SetConfig(config)), None);
    peer.packet_ins(PacketInFormat::Nxt2);
    let (mut sent, mut paused) = (Vec::new(), 0);
    let mut outputs = |actions: &[DpAction]| {
        sent.extend(actions.iter().filter_map(|action| match action {
            DpAction::Output(port) => Some(port.0),
            _ => None,
        }));
    };
    outputs(&switch.receive(1, bytes));
    switch.pipeline.run(switch.now);
    let mut waiting = VecDeque::from(peer.heard());
    while let Some(message) = waiting.pop_front() {
        let Message::PacketIn(packet_in) = message else { panic!("{message:?}") };
        paused += 1;
        waiting.extend(peer.ask(Message::Resume(packet_in)));
        let executed = std::mem::take(&mut *switch.script.executed.lock().unwrap());
        for actions in executed {
            outputs(&actions);
            for action in &actions {
                if let DpAction::Userspace(what @ Userspace::Controller(_)) = action {
                    assert_eq!(switch.userspace(1, what, bytes), [], "nothing is lost");
                }
            }
        }
        switch.pipeline.run(switch.now);
        waiting.extend(peer.heard());
    }
    switch.pipeline.disconnect(peer.id);
    sent.sort_unstable();
    (sent, paused)
}

/// Where the pauses may stand: everywhere at first, then each time one less.
fn rounds() -> Vec<(Vec<String>, usize)> {
    let nested = |pauses: [&str; 2]| {
        let [a, b] = pauses;
        vec![
            format!("table=0,in_port=1,actions={a}output:2,{a}resubmit(,1),{a}output:10{b}"),
            format!("table=1,in_port=1,actions={a}output:3,{a}resubmit(,2),{a}output:9{b}"),
            format!("table=2,in_port=1,actions={a}output:4,{a}resubmit(,3),{a}output:8{b}"),
            format!("table=3,in_port=1,actions={a}output:5,{a}resubmit:55,{a}output:7{b}"),
            format!("table=3,in_port=55,actions={a}output:6{b}"),
        ]
    };
    let flat = |n: usize| {
        let ports = (2..=10).map(|port| match port - 2 < n {
            true => format!("controller(pause),output:{port}"),
            false => format!("output:{port}"),
        });
        vec![format!("in_port=1,actions={}", ports.collect::<Vec<_>>().join(","))]
    };
    let (pause, last) = ("controller(pause),", ",controller(pause)");
    let mut all =
        vec![(nested([pause, last]), 4 * 3 + 1 + 5), (nested(["", last]), 5), (nested([pause, ""]), 4 * 3 + 1)];
    all.extend((0..10).map(|n| (flat(n), n)));
    all
}

#[test]
fn a_chain_of_pauses_never_stalls() {
    let mut switch = Switch::new(FailMode::Secure, 10);
    let bytes = support::ethernet(5, 7, 0x1234);
    for version in [Version::V10, Version::V13, Version::V15] {
        for again in 0..2 {
            for (flows, pauses) in rounds() {
                switch.program(FlowModCommand::Delete, "").unwrap();
                flows.iter().for_each(|flow| switch.flow(flow).unwrap());
                if again == 0 {
                    switch.run(std::time::Duration::from_millis(700));
                } else {
                    switch.pipeline.look_at_changes(switch.now);
                }
                let expected = ((2..=10).collect(), pauses);
                assert_eq!(chain(&switch, version, &bytes), expected, "{version} {flows:#?}");
            }
        }
    }
}
