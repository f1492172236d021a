//! Bundles: the same as their messages one by one, or nothing; whatever their length, and whatever happens meanwhile.

mod support;

use support::{Switch, outputs};
use weft_flow::{FieldId, OfPort};
use weft_openflow::bundle::{BundleAdd, BundleControl, BundleControlKind, BundleFlags};
use weft_openflow::codec::{Dialect, Framer, decode, encode};
use weft_openflow::flow::FlowStatsRequest;
use weft_openflow::ids::Mac;
use weft_openflow::port::{PortConfig, PortFeatures, PortMod};
use weft_openflow::text::{FlowCommand, Names, format_flow_stats, parse_flow, parse_group};
use weft_openflow::{Action, ErrorCode, FlowModCommand, Message, PacketOut, StatsReply, StatsRequest, Version, Xid};
use weft_pipeline::{ConnectionId, ConnectionKind, ConnectionSettings, FailMode};

const ATOMIC: BundleFlags = BundleFlags::ATOMIC.union(BundleFlags::ORDERED);

struct Peer<'a> {
    switch: &'a Switch,
    id: ConnectionId,
    dialect: Dialect,
}

impl<'a> Peer<'a> {
    fn new(switch: &'a Switch, version: Version) -> Peer<'a> {
        let settings = ConnectionSettings::new(ConnectionKind::Controller, "test");
        let id = switch.pipeline.connect("br0", settings, switch.now).unwrap();
        let peer = Peer { switch, id, dialect: Dialect::new(version) };
        peer.say(&[(Xid(1), Message::Hello { versions: version.bit() })]);
        peer
    }

    /// Say messages at once; what comes back, with its transaction ids.
    fn say(&self, messages: &[(Xid, Message)]) -> Vec<(Xid, Message)> {
        let encode = |(xid, message): &(Xid, Message)| encode(message, *xid, &self.dialect).unwrap();
        self.switch.pipeline.input(self.id, &messages.iter().flat_map(encode).collect::<Vec<u8>>(), self.switch.now);
        let (mut framer, mut all) = (Framer::new(), Vec::new());
        loop {
            let bytes = self.switch.pipeline.output(self.id);
            if bytes.is_empty() {
                return all;
            }
            framer.push(&bytes);
            while let Some(bytes) = framer.next_message().unwrap() {
                let incoming = decode(bytes, &self.dialect).unwrap();
                all.push((incoming.xid, incoming.message));
            }
            self.switch.pipeline.run(self.switch.now);
        }
    }

    fn control(&self, kind: BundleControlKind, flags: BundleFlags) -> Vec<(Xid, Message)> {
        self.say(&[(Xid(9), Message::BundleControl(BundleControl { id: 1, kind, flags }))])
    }

    /// Open a bundle and put these into it, some at a time; the messages have the transaction ids 1000, 1001, ...
    fn fill(&self, flags: BundleFlags, messages: &[Message]) {
        assert_eq!(self.control(BundleControlKind::OpenRequest, flags).len(), 1);
        let add = |(nth, message): (usize, &Message)| {
            let xid = Xid(1000 + nth as u32);
            (xid, Message::BundleAdd(BundleAdd { id: 1, flags, xid, message: Box::new(message.clone()) }))
        };
        let adds: Vec<(Xid, Message)> = messages.iter().enumerate().map(add).collect();
        for some in adds.chunks(100) {
            let heard = self.say(some);
            assert!(heard.is_empty(), "{heard:?}");
        }
    }

    /// The errors of a commit: about one of its messages, then about itself.
    fn commit(&self, flags: BundleFlags) -> Option<(Xid, ErrorCode)> {
        let heard = self.control(BundleControlKind::CommitRequest, flags);
        let code = |message: &Message| match message {
            Message::Error(error) => Some(error.code),
            _ => None,
        };
        let mut errors = heard.iter().filter_map(|(xid, message)| Some((*xid, code(message)?)));
        let first = errors.next();
        assert_eq!(errors.next(), first.map(|_| (Xid(9), ErrorCode::OFPBFC_MSG_FAILED)));
        first
    }

    /// All flows as text, in some order.
    fn flows(&self) -> Vec<String> {
        let request = Message::StatsRequest(StatsRequest::Flow(FlowStatsRequest::default()));
        let mut flows = Vec::new();
        for (_, message) in self.say(&[(Xid(5), request)]) {
            let Message::StatsReply { body: StatsReply::Flow(some), .. } = message else { continue };
            flows.extend(some.iter().map(|flow| format_flow_stats(flow, &Names::none())));
        }
        flows.sort();
        flows
    }
}

fn flow(command: FlowModCommand, text: &str) -> Message {
    Message::FlowMod(parse_flow(text, FlowCommand::Mod(command), &Names::none()).expect(text))
}

fn add(text: &str) -> Message {
    flow(FlowModCommand::Add, text)
}

fn group(text: &str) -> Message {
    Message::GroupMod(parse_group(text, weft_openflow::group::GroupModCommand::Add, &Names::none()).expect(text))
}

fn packet_out(in_port: u32, actions: Vec<Action>) -> Message {
    let mut metadata = weft_flow::Match::any();
    metadata.set(FieldId::InPortOxm, in_port.into());
    let packet = support::ethernet(0x0200_0000_0001, 0x0200_0000_0002, 0x1234);
    Message::PacketOut(PacketOut { packet, buffer_id: None, metadata, actions })
}

fn to(port: OfPort) -> Vec<Action> {
    vec![Action::Output { port, max_len: 0 }]
}

fn port_mod(port: u32, last_of_mac: u8, config: PortConfig) -> Message {
    Message::PortMod(PortMod {
        port: OfPort(port),
        hw_addr: Mac([0xaa, 0x55, 0xaa, 0x55, 0, last_of_mac]),
        config,
        mask: PortConfig::NO_FWD,
        advertise: PortFeatures::empty(),
    })
}

/// A small generator; the seed is the test's.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    /// Mostly additions; from `others` on anything.
    fn message(&mut self, nth: usize, others: usize) -> Message {
        let (table, port, dst) = (self.below(3), self.below(40), self.below(200));
        let matching = format!("table={table},priority={},in_port={port},ip,nw_dst=10.0.0.{dst}", self.below(2));
        match self.below(40) {
            0 if nth >= others => flow(FlowModCommand::Delete, &format!("table={table},in_port={port}")),
            1 if nth >= others => flow(FlowModCommand::DeleteStrict, &matching),
            2 if nth >= others => flow(FlowModCommand::Modify, &format!("table={table},in_port={port},actions=9")),
            3 if nth >= others => add(&format!("{matching},hard_timeout=7,actions=group:1")),
            4 => add(&format!("{matching},idle_timeout={},actions=drop", 10 + self.below(3))),
            5 => add(&format!("{matching},check_overlap,actions=3")),
            _ => add(&format!("{matching},cookie={nth},actions={}", self.below(4))),
        }
    }
}

#[test]
fn a_bundle_comes_to_what_its_messages_come_to_one_by_one() {
    for (seed, length, others) in [(1, 20, 0), (2, 511, 0), (3, 513, 0), (4, 900, 0), (5, 1500, 700), (6, 1300, 9999)] {
        let (bundled, single) = (Switch::new(FailMode::Secure, 3), Switch::new(FailMode::Secure, 3));
        let (one, other) = (Peer::new(&bundled, Version::V14), Peer::new(&single, Version::V14));
        let mut dice = Dice(seed * 0x9e37_79b9);
        let ready = group("group_id=1,type=all,bucket=actions=1");
        one.say(&[(Xid(2), ready.clone())]);
        other.say(&[(Xid(2), ready)]);
        let before: Vec<Message> = (0..50).map(|nth| dice.message(nth, 0)).collect();
        for message in &before {
            let heard = [one.say(&[(Xid(3), message.clone())]), other.say(&[(Xid(3), message.clone())])];
            assert_eq!(heard[0], heard[1]);
        }
        let all: Vec<Message> = (0..length).map(|nth| dice.message(nth, others)).collect();
        // one by one each may fail for itself: a bundle is of those that do not
        let good: Vec<Message> =
            all.into_iter().filter(|message| other.say(&[(Xid(4), message.clone())]).is_empty()).collect();
        one.fill(ATOMIC, &good);
        assert_eq!(one.commit(ATOMIC), None, "{seed}");
        assert_eq!(one.flows(), other.flows(), "{seed}");
        assert!(one.flows().len() > 10);
    }
}

#[test]
fn a_bundle_that_fails_leaves_everything_as_it_was_and_tells_the_message() {
    for length in [3, 600, 1200] {
        for bad_at in [0, length / 2, length] {
            let switch = Switch::new(FailMode::Secure, 3);
            let peer = Peer::new(&switch, Version::V14);
            peer.say(&[(Xid(2), add("priority=1,actions=1")), (Xid(3), add("table=1,in_port=2,actions=2"))]);
            let before = peer.flows();
            let mut messages: Vec<Message> =
                (0..length).map(|n| add(&format!("ip,nw_dst=10.0.{}.{},actions=2", n / 250, n % 250))).collect();
            messages.push(flow(FlowModCommand::Delete, "table=1"));
            messages.insert(bad_at, add("in_port=1,actions=group:99"));
            // another error behind it is not told
            messages.push(add("in_port=1,actions=group:98"));
            peer.fill(ATOMIC, &messages);
            let told = (Xid(1000 + bad_at as u32), ErrorCode::OFPBAC_BAD_OUT_GROUP);
            assert_eq!(peer.commit(ATOMIC), Some(told), "{length} {bad_at}");
            assert_eq!(peer.flows(), before);
        }
    }
}

#[test]
fn what_others_do_while_a_bundle_is_filled_stays() {
    for meanwhile in ["table=0,in_port=3,actions=1", "table=5,in_port=3,actions=1", "group"] {
        let switch = Switch::new(FailMode::Secure, 3);
        let (peer, other) = (Peer::new(&switch, Version::V14), Peer::new(&switch, Version::V14));
        let messages: Vec<Message> =
            (0..1000).map(|n| add(&format!("ip,nw_dst=10.0.{}.{},actions=2", n / 250, n % 250))).collect();
        peer.fill(ATOMIC, &messages);
        match meanwhile {
            "group" => {
                other.say(&[(Xid(2), group("group_id=1,type=all,bucket=actions=1"))]);
                other.say(&[(Xid(3), add("in_port=3,actions=group:1"))]);
            }
            text => drop(other.say(&[(Xid(2), add(text))])),
        }
        // a flow of the bundle's that is there already
        other.say(&[(Xid(3), add("ip,nw_dst=10.0.0.7,actions=1"))]);
        assert_eq!(peer.commit(ATOMIC), None);
        assert_eq!(peer.flows().len(), 1001, "{meanwhile}");
        let kept = peer.flows().into_iter().filter(|flow| flow.contains("in_port=3")).count();
        assert_eq!(kept, 1);
    }
}

#[test]
fn nothing_of_a_bundle_shows_before_its_commit_and_nothing_is_left_of_one_that_goes() {
    let switch = Switch::new(FailMode::Secure, 3);
    let peer = Peer::new(&switch, Version::V13);
    let messages: Vec<Message> =
        (0..700).map(|n| add(&format!("ip,nw_dst=10.0.{}.{},actions=2", n / 250, n % 250))).collect();
    peer.fill(ATOMIC, &messages);
    assert_eq!(peer.flows(), [""; 0]);
    assert_eq!(peer.control(BundleControlKind::DiscardRequest, ATOMIC).len(), 1);
    assert_eq!(peer.flows(), [""; 0]);
    peer.fill(ATOMIC, &messages);
    assert_eq!(peer.commit(ATOMIC), None);
    assert_eq!(peer.flows().len(), 700);
}

#[test]
fn packets_of_a_bundle_see_the_flows_before_them_and_go_only_if_all_is_well() {
    for filler in [0, 700] {
        let switch = Switch::new(FailMode::Secure, 4);
        let peer = Peer::new(&switch, Version::V14);
        let mut messages: Vec<Message> =
            (0..filler).map(|n| add(&format!("ip,nw_dst=10.0.{}.{},actions=2", n / 250, n % 250))).collect();
        messages.extend([
            add("in_port=1,actions=2"),
            packet_out(1, to(OfPort::TABLE)),
            flow(FlowModCommand::Modify, "table=0,in_port=1,actions=3"),
            packet_out(1, to(OfPort::TABLE)),
            group("group_id=7,type=all,bucket=actions=4"),
            packet_out(1, vec![Action::Group(weft_openflow::GroupId(7))]),
        ]);
        let executed = || std::mem::take(&mut *switch.script.executed.lock().unwrap());
        peer.fill(ATOMIC, &[&messages[..], &[add("in_port=9,actions=group:99")]].concat());
        assert_eq!(peer.commit(ATOMIC).map(|(_, code)| code), Some(ErrorCode::OFPBAC_BAD_OUT_GROUP));
        assert_eq!(executed(), [[]; 0]);
        peer.fill(ATOMIC, &messages);
        assert_eq!(executed(), [[]; 0]);
        assert_eq!(peer.commit(ATOMIC), None);
        assert_eq!(executed(), [outputs(&[2]), outputs(&[3]), outputs(&[4])]);
    }
}

#[test]
fn what_is_wrong_with_packets_and_ports_fails_the_commit() {
    let ordered = BundleFlags::ORDERED;
    let unknown_group = vec![Action::Group(weft_openflow::GroupId(99))];
    for (flags, message, code) in [
        (ordered, port_mod(77, 77, PortConfig::NO_FWD), ErrorCode::OFPPMFC_BAD_PORT),
        (ordered, port_mod(1, 9, PortConfig::NO_FWD), ErrorCode::OFPPMFC_BAD_HW_ADDR),
        (ATOMIC, port_mod(1, 1, PortConfig::NO_FWD), ErrorCode::OFPBFC_MSG_FAILED),
        (ATOMIC, port_mod(77, 1, PortConfig::NO_FWD), ErrorCode::OFPBFC_MSG_FAILED),
        (ATOMIC, packet_out(1, unknown_group), ErrorCode::OFPBAC_BAD_OUT_GROUP),
    ] {
        for filler in [1, 700] {
            let switch = Switch::new(FailMode::Secure, 3);
            let peer = Peer::new(&switch, Version::V14);
            let mut messages: Vec<Message> =
                (0..filler).map(|n| add(&format!("ip,nw_dst=10.0.{}.{},actions=2", n / 250, n % 250))).collect();
            messages.push(message.clone());
            messages.push(add("in_port=1,actions=group:99"));
            peer.fill(flags, &messages);
            assert_eq!(peer.commit(flags), Some((Xid(1000 + filler), code)), "{message:?}");
            assert_eq!(peer.flows(), [""; 0]);
        }
    }
}

#[test]
fn a_bundle_switches_ports_in_order() {
    let switch = Switch::new(FailMode::Secure, 3);
    let peer = Peer::new(&switch, Version::V14);
    let flags = BundleFlags::ORDERED;
    let no_forward = PortConfig::NO_FWD;
    peer.fill(
        flags,
        &[
            port_mod(1, 1, no_forward),
            add("actions=flood"),
            port_mod(2, 2, no_forward),
            port_mod(1, 1, PortConfig::empty()),
        ],
    );
    assert_eq!(peer.commit(flags), None);
    assert_eq!(switch.frame(3, 1, 2, 0x1234), outputs(&[1, 100]));
}

#[test]
fn a_buffer_that_is_not_there_is_told_at_once() {
    let switch = Switch::new(FailMode::Secure, 3);
    let peer = Peer::new(&switch, Version::V14);
    peer.fill(ATOMIC, &[]);
    let Message::PacketOut(out) = packet_out(1, to(OfPort(2))) else { panic!() };
    let message = Box::new(Message::PacketOut(PacketOut { packet: Vec::new(), buffer_id: Some(5), ..out }));
    let heard = peer.say(&[(Xid(4), Message::BundleAdd(BundleAdd { id: 1, flags: ATOMIC, xid: Xid(4), message }))]);
    assert!(matches!(&heard[..], [(Xid(4), Message::Error(e))] if e.code == ErrorCode::OFPBRC_BUFFER_UNKNOWN));
}
