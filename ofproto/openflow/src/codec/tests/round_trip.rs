//! What is said comes back: generated messages, and whatever bytes decode.
//!
//! "The same" is [`meaning`]: a message without what the wire may change. Those normalisations, all of them on purpose:
//! - durations are whole milliseconds, as users of Open vSwitch know them;
//! - reasons (of packet-ins, of removals) that a version lacks become the nearest that it has;
//! - before 1.3 the default of a table miss is the controller;
//! - how writing a field was said ([`SetForm`]) may change where a version lacks the form, and a masked write may become
//!   several of consecutive bits: writes of one field in a row are compared as what they do together;
//! - a port's name has 15 bytes.

use std::time::Duration;

use proptest::prelude::*;
use weft_flow::{FieldId, Match, OfPort};

use super::*;
use crate::action::{Action, Controller, Resubmit, SetField, SetForm};
use crate::bundle::{BundleAdd, BundleFlags};
use crate::flow::{FlowRemoved, FlowRemovedReason};
use crate::message::{StatsReply, StatsRequest};
use crate::monitor::FlowUpdate;
use crate::packet::{PacketIn, PacketInFormat, PacketInReason, PacketOut};
use crate::port::{PortStats, Rfc2819Stats};
use crate::table::TableMiss;
use crate::{
    Cookie, FlowMod, FlowModCommand, FlowModFlags, FlowStats, GroupId, Instructions, QueueId, TableId, Timeout,
};

/// Bytes that decode mean the same after another round; what they mean may be unsayable in that form, no more.
pub(super) fn assert_bytes_mean_the_same(bytes: &[u8], dialect: &Dialect) {
    assert_flow_mods_agree(bytes, dialect);
    let Ok(first) = decode(bytes, dialect) else { return };
    // Nicira's flow mod is heard in every version and means what 1.0's does; from 1.1 on we never say it.
    if first.kind == Kind::NxFlowMod && first.version > Version::V10 {
        return;
    }
    let dialect = said_in(&first, *dialect);
    let Ok(again) = encode(&first.message, first.xid, &dialect) else { return };
    if again.len() > 0xffff {
        return;
    }
    let second = decode(&again, &dialect).unwrap_or_else(|e| panic!("{e}\n{:?}\n{again:02x?}", first.message));
    assert_eq!(second.xid, first.xid);
    assert_eq!(meaning(second.message, &dialect), meaning(first.message, &dialect), "{bytes:02x?}");
}

/// The dialect in which a message was said.
fn said_in(message: &Incoming, dialect: Dialect) -> Dialect {
    use Kind::{NxAggregateReply, NxAggregateRequest, NxFlowMod, NxFlowRemoved, NxFlowReply, NxFlowRequest};
    let nxm = matches!(
        message.kind,
        NxFlowMod | NxFlowRemoved | NxFlowRequest | NxFlowReply | NxAggregateRequest | NxAggregateReply
    );
    let packet_in = match message.kind {
        Kind::NxPacketIn => PacketInFormat::Nxt,
        Kind::NxPacketIn2 | Kind::Resume => PacketInFormat::Nxt2,
        _ => PacketInFormat::Standard,
    };
    Dialect { version: message.version, nxm, packet_in, ..dialect }
}

/// A message without what the wire may change; see the head of this file.
fn meaning(mut message: Message, dialect: &Dialect) -> Message {
    let version = dialect.version;
    match &mut message {
        Message::FlowMod(m) => {
            instructions(&mut m.instructions);
            said(&mut m.matching, version);
        }
        Message::PacketOut(p) => actions(&mut p.actions),
        Message::PacketIn(p) | Message::Resume(p) => {
            // NXT_PACKET_IN2 says 1.4's reasons in every version.
            said(&mut p.metadata, version);
            let nxt2 = dialect.packet_in == PacketInFormat::Nxt2;
            let version = if nxt2 { version.max(Version::V14) } else { version };
            p.reason = match p.reason {
                PacketInReason::EXPLICIT_MISS if version < Version::V13 => PacketInReason::ACTION,
                PacketInReason::EXPLICIT_MISS | PacketInReason::IMPLICIT_MISS => PacketInReason::NO_MATCH,
                PacketInReason(3..=5) if version < Version::V14 => PacketInReason::ACTION,
                other => other,
            }
        }
        Message::FlowRemoved(f) => {
            use FlowRemovedReason::{Delete, Eviction, GroupDelete, MeterDelete};
            millis(&mut f.duration);
            said(&mut f.matching, version);
            f.reason = match f.reason {
                MeterDelete | Eviction if version < Version::V14 => Delete,
                GroupDelete if version == Version::V10 => Delete,
                other => other,
            }
        }
        Message::GroupMod(m) => m.buckets.iter_mut().for_each(|b| actions(&mut b.actions)),
        // 1.3 has no word for what happens to a miss any more
        Message::TableMod(m) if version >= Version::V13 && m.miss == Some(TableMiss::Controller) => {
            m.miss = Some(TableMiss::Default);
        }
        Message::PortStatus(s) => name(&mut s.desc.name),
        Message::FeaturesReply(f) => f.ports.iter_mut().for_each(|p| name(&mut p.name)),
        Message::BundleAdd(b) => *b.message = meaning((*b.message).clone(), dialect),
        Message::RequestForward { message, .. } => **message = meaning((**message).clone(), dialect),
        Message::StatsRequest(StatsRequest::Flow(f) | StatsRequest::Aggregate(f)) => said(&mut f.matching, version),
        Message::StatsReply { body, .. } => match body {
            StatsReply::Table(tables) if version < Version::V13 => tables.iter_mut().for_each(|t| {
                name(&mut t.features.name);
                if t.features.miss == TableMiss::Default {
                    t.features.miss = TableMiss::Controller;
                }
            }),
            StatsReply::Flow(flows) => flows.iter_mut().for_each(|f| {
                millis(&mut f.duration);
                instructions(&mut f.instructions);
                said(&mut f.matching, version);
            }),
            StatsReply::Port(ports) => ports.iter_mut().flat_map(|s| &mut s.duration).for_each(millis),
            StatsReply::Queue(queues) => queues.iter_mut().flat_map(|s| &mut s.duration).for_each(millis),
            StatsReply::Group(groups) => groups.iter_mut().flat_map(|s| &mut s.duration).for_each(millis),
            StatsReply::Meter(meters) => meters.iter_mut().for_each(|s| millis(&mut s.duration)),
            StatsReply::PortDesc(ports) => ports.iter_mut().for_each(|p| name(&mut p.name)),
            StatsReply::GroupDesc(groups) => {
                groups.iter_mut().flat_map(|g| &mut g.buckets).for_each(|b| actions(&mut b.actions));
            }
            StatsReply::FlowMonitor(updates) => updates.iter_mut().for_each(|u| {
                if let FlowUpdate::Full(full) = u {
                    actions(&mut full.actions);
                    said(&mut full.matching, version);
                }
            }),
            _ => {}
        },
        _ => {}
    }
    message
}

/// A match without what goes unsaid: ports of a connection without its protocol, MPLS fields of what is no MPLS, ...
fn said(m: &mut weft_flow::Match, version: Version) {
    let version = (version >= Version::V12).then_some(version);
    let bytes = crate::codec::match_to_oxm(m, None, version);
    if let Ok((said, _)) = crate::wire::oxm::read_match(&bytes, crate::wire::oxm::Unknown::Skip) {
        *m = said;
    }
}

fn millis(duration: &mut Duration) {
    *duration = Duration::new(duration.as_secs(), duration.subsec_millis() * 1_000_000);
}

fn name(name: &mut String) {
    let end = (0..=15).rev().find(|&n| name.is_char_boundary(n)).unwrap_or(0);
    name.truncate(end);
}

fn instructions(i: &mut Instructions) {
    actions(&mut i.apply);
    i.write_actions.iter_mut().for_each(actions);
}

/// Forgets forms; joins writes of one field in a row.
fn actions(list: &mut Vec<Action>) {
    let mut out: Vec<Action> = Vec::new();
    for mut action in list.drain(..) {
        match &mut action {
            Action::Clone(inner) => actions(inner),
            Action::Ct(ct) => actions(&mut ct.actions),
            Action::SetField(set) => {
                set.form = SetForm::SetField;
                if let Some(Action::SetField(last)) = out.last_mut()
                    && last.field == set.field
                {
                    last.value = last.value & !set.mask | set.value;
                    last.mask |= set.mask;
                    continue;
                }
            }
            _ => {}
        }
        out.push(action);
    }
    *list = out;
}

fn dialects() -> impl Strategy<Value = Dialect> {
    let nxm = Dialect { nxm: true, flow_mod_table_id: true, ..Dialect::new(Version::V10) };
    let mut all: Vec<Dialect> = Version::ALL.into_iter().map(Dialect::new).collect();
    all.push(nxm);
    proptest::sample::select(all)
}

/// A match that every dialect can say; the second half of the cases adds what only TLVs say.
fn matches(dialect: Dialect) -> impl Strategy<Value = Match> {
    let tlvs = dialect.version >= Version::V12 || dialect.nxm;
    let l3 = prop_oneof![Just(None), Just(Some(0x0800u16)), Just(Some(0x0806)), Just(Some(0x86dd)), Just(Some(0x8847))];
    let l4 = prop_oneof![Just(None), Just(Some(6u8)), Just(Some(17)), Just(Some(132)), Just(Some(1)), Just(Some(58))];
    let numbers = proptest::collection::vec(any::<u64>(), 12);
    (l3, l4, numbers, any::<u32>(), any::<u8>()).prop_map(move |(l3, l4, n, which, plen)| {
        let mut m = Match::any();
        let has = |bit: u32| which >> bit & 1 == 1;
        let mut exact = |on: bool, field: FieldId, value: u64| {
            if on {
                m.set(field, u128::from(value) & field.field().all_ones());
            }
        };
        exact(has(0), FieldId::InPortOxm, n[0] % 0xff00);
        exact(has(1), FieldId::EthSrc, n[1]);
        exact(has(2), FieldId::EthDst, n[2]);
        exact(l3.is_some(), FieldId::EthType, l3.unwrap_or(0).into());
        let (src, dst) =
            if l3 == Some(0x0806) { (FieldId::ArpSpa, FieldId::ArpTpa) } else { (FieldId::IpSrc, FieldId::IpDst) };
        let ipv4 = matches!(l3, Some(0x0800 | 0x0806));
        let ip = matches!(l3, Some(0x0800)) || tlvs && l3 == Some(0x86dd);
        exact(ip && has(5), FieldId::IpDscp, n[5]);
        exact(l3 == Some(0x0806) && has(6), FieldId::ArpOp, n[6] & 0xff);
        let l4 = l4.filter(|l4| ip && (*l4 == 1) <= (l3 == Some(0x0800)) && (*l4 == 58) <= (l3 == Some(0x86dd)));
        exact(l4.is_some(), FieldId::NwProto, l4.unwrap_or(0).into());
        let ports = match l4 {
            Some(6) => Some((FieldId::TcpSrc, FieldId::TcpDst)),
            Some(17) => Some((FieldId::UdpSrc, FieldId::UdpDst)),
            Some(132) => Some((FieldId::SctpSrc, FieldId::SctpDst)),
            Some(1) => Some((FieldId::IcmpType, FieldId::IcmpCode)),
            Some(58) => Some((FieldId::Icmpv6Type, FieldId::Icmpv6Code)),
            _ => None,
        };
        if let Some((tp_src, tp_dst)) = ports {
            exact(has(7), tp_src, n[7]);
            exact(has(8), tp_dst, n[8]);
        }
        if has(10) {
            m.set_masked(FieldId::VlanTci, u128::from(n[9] & 0xfff | 0x1000), 0x1fff);
        }
        let prefix = |bits: u32| if bits == 0 { 0 } else { u128::from(u32::MAX << (32 - bits)) };
        if ipv4 {
            m.set_masked(src, (n[3] as u32).into(), prefix(u32::from(plen) % 33));
            m.set_masked(dst, (n[4] as u32).into(), prefix(u32::from(plen >> 3) % 33));
        }
        if tlvs && has(16) {
            m.set_masked(FieldId::Metadata, n[10].into(), n[11].into());
            m.set_masked(FieldId::TunId, n[9].into(), n[8].into());
            m.set_masked(FieldId::Reg3, (n[7] as u32).into(), (n[6] as u32).into());
            m.set_masked(FieldId::EthDst, u128::from(n[5] & 0xffff_ffff_ffff), u128::from(n[4] & 0xffff_ffff_ffff));
            if l3 == Some(0x86dd) {
                m.set_masked(FieldId::Ipv6Src, u128::from(n[3]) << 64 | u128::from(n[2]), u128::MAX << (plen % 128));
            }
        }
        m
    })
}

fn port() -> impl Strategy<Value = OfPort> {
    prop_oneof![
        (1..0xff00u32).prop_map(OfPort),
        proptest::sample::select(vec![OfPort::LOCAL, OfPort::IN_PORT, OfPort::NORMAL])
    ]
}

/// Actions: what the real tool sent in this version, and generated ones.
fn action_lists(dialect: Dialect) -> impl Strategy<Value = Vec<Action>> {
    let golden: Vec<Vec<Action>> = flow_mods()
        .filter(|(d, ..)| d.version == dialect.version)
        .filter_map(|(d, _, bytes)| match decode(&bytes, &d).unwrap().message {
            Message::FlowMod(m) if !m.instructions.apply.is_empty() => Some(m.instructions.apply),
            _ => None,
        })
        .collect();
    let writable =
        [FieldId::EthSrc, FieldId::IpDst, FieldId::Reg0, FieldId::TunId, FieldId::Metadata, FieldId::Ipv6Dst];
    let one = prop_oneof![
        (port(), any::<u16>()).prop_map(|(port, max_len)| Action::Output { port, max_len }),
        any::<u32>().prop_map(|n| Action::Group(GroupId(n))),
        any::<u32>().prop_map(|n| Action::SetQueue(QueueId(n))),
        (port(), any::<u8>(), any::<bool>()).prop_map(|(in_port, table, ct)| Action::Resubmit(Resubmit {
            in_port,
            table: TableId(table),
            ct
        })),
        (any::<u16>(), any::<u16>(), 0u8..6, proptest::collection::vec(any::<u8>(), 0..20), any::<bool>()).prop_map(
            |(max_len, controller_id, reason, userdata, pause)| {
                Action::Controller(Controller { max_len, controller_id, reason, userdata, pause, meter: None })
            }
        ),
        (proptest::sample::select(writable.to_vec()), any::<u128>(), any::<u128>(), any::<bool>()).prop_map(
            |(field, value, mask, exact)| {
                let ones = field.field().all_ones();
                let mask = if exact || mask & ones == 0 { ones } else { mask & ones };
                Action::SetField(SetField { field, value: value & mask, mask, form: SetForm::Load })
            }
        ),
        Just(Action::CtClear),
        Just(Action::Exit),
    ];
    let any_list = prop_oneof![proptest::sample::select(golden), proptest::collection::vec(one, 0..4)];
    proptest::collection::vec(any_list, 0..3).prop_map(|lists| lists.concat())
}

/// A flow mod, without what the dialect cannot say or says of itself.
fn flow_mod(dialect: Dialect) -> impl Strategy<Value = FlowMod> {
    use FlowModCommand::{Add, Delete, DeleteStrict, Modify, ModifyStrict};
    let commands = proptest::sample::select(vec![Add, Modify, ModifyStrict, Delete, DeleteStrict]);
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<[u16; 4]>(), any::<u8>(), any::<u16>());
    (commands, matches(dialect), action_lists(dialect), numbers, port()).prop_map(
        move |(command, matching, apply, numbers, out_port)| {
            let (cookie, filter, mask, [priority, idle, hard, importance], table, flags) = numbers;
            let v = dialect.version;
            let (v10, adding, deleting) = (v == Version::V10, command == Add, matches!(command, Delete | DeleteStrict));
            let known = match v {
                Version::V10 | Version::V11 => 0b11,
                Version::V12 => 0b111,
                _ => 0b1_1111,
            };
            // Adding chooses no flows by their cookie; 1.0's own form never does.
            let cookie_mask = if adding || v10 && !dialect.nxm { 0 } else { mask };
            // 1.1+ has one cookie: with a mask, or in a delete, it chooses.
            let unchanged = !v10 && (deleting || cookie_mask != 0);
            let resets = adding && v <= Version::V11;
            FlowMod {
                command,
                table: if v10 && !dialect.flow_mod_table_id { TableId::ALL } else { TableId(table % 0xff) },
                matching,
                priority,
                cookie: if unchanged { Cookie::UNCHANGED } else { Cookie(cookie) },
                filter_cookie: Cookie(filter & cookie_mask),
                cookie_mask,
                idle_timeout: Timeout(idle),
                hard_timeout: Timeout(hard),
                importance: if v >= Version::V14 { importance } else { 0 },
                buffer_id: (importance & 1 == 1).then_some(u32::from(importance)),
                out_port: if v10 || deleting { out_port } else { OfPort::NONE },
                out_group: if !v10 && deleting { GroupId(filter as u32) } else { GroupId::ANY },
                flags: FlowModFlags::from_bits_retain(flags & known | if resets { 4 } else { 0 }),
                instructions: Instructions::apply(apply),
            }
        },
    )
}

/// The way of those who take many flow mods leads to the same as everybody's, whatever was read before.
fn assert_flow_mods_agree(bytes: &[u8], dialect: &Dialect) {
    let mut flow = FlowMod { command: FlowModCommand::Delete, table: TableId(9), cookie_mask: 5, ..FlowMod::default() };
    flow.matching.set(FieldId::Reg3, 7);
    flow.instructions = Instructions { clear: true, ..Instructions::apply(vec![Action::PopQueue]) };
    let outcome = super::super::decode_flow_mod(bytes, dialect, &mut flow);
    let whole = decode(bytes, dialect);
    let head = match (outcome, &whole) {
        (Ok(head), _) => head,
        (Err(error), Err(expected)) if error == *expected => None,
        (Err(error), whole) => panic!("{error:?}, but {whole:?}"),
    };
    let expected = match whole.map(|incoming| (incoming.xid, incoming.message)) {
        Ok((xid, Message::FlowMod(m))) => Some((xid, None, m)),
        Ok((_, Message::BundleAdd(add))) => match *add.message {
            Message::FlowMod(m) => Some((add.xid, Some((add.id, add.flags)), m)),
            _ => None,
        },
        _ => None,
    };
    assert_eq!(head.map(|head| (head.xid, head.bundle, flow)), expected);
}

/// Says a message and hears it again; what the dialect cannot say is a typed error and no more.
fn assert_comes_back(message: Message, dialect: &Dialect) {
    let Ok(bytes) = encode(&message, Xid(7), dialect) else { return };
    let back = decode(&bytes, dialect).unwrap_or_else(|e| panic!("{e}\n{message:?}\n{bytes:02x?}"));
    assert_eq!((back.version, back.xid), (dialect.version, Xid(7)));
    assert_eq!(meaning(back.message, dialect), meaning(message, dialect));
}

proptest! {
    #[test]
    fn flow_mods_come_back((dialect, m) in dialects().prop_flat_map(|d| (Just(d), flow_mod(d)))) {
        let mut alone = vec![1, 2, 3];
        let outcome = super::super::encode_flow_mod(&m, Xid(7), &dialect, &mut alone);
        let bytes = encode(&Message::FlowMod(m.clone()), Xid(7), &dialect);
        prop_assert_eq!(outcome.is_ok(), bytes.is_ok());
        prop_assert_eq!(&alone[..3], &[1, 2, 3]);
        prop_assert_eq!(&alone[3..], bytes.as_deref().unwrap_or_default());
        if let Ok(bytes) = bytes {
            assert_flow_mods_agree(&bytes, &dialect);
            let flags = BundleFlags::ORDERED;
            let add = BundleAdd { id: 3, flags, xid: Xid(7), message: Box::new(Message::FlowMod(m.clone())) };
            if let Ok(bytes) = encode(&Message::BundleAdd(add), Xid(7), &dialect) {
                assert_flow_mods_agree(&bytes, &dialect);
            }
        }
        assert_comes_back(Message::FlowMod(m), &dialect);
    }

    #[test]
    fn flow_statistics_come_back(
        (dialect, flows) in dialects().prop_flat_map(|d| (Just(d), proptest::collection::vec(flow_mod(d), 0..4))),
        ages: [Option<u8>; 2], millis in 0u64..1 << 40, counters: [u64; 2],
    ) {
        let (v, nxm) = (dialect.version, dialect.nxm);
        let flows = flows.into_iter().map(|m| FlowStats {
            matching: m.matching,
            cookie: m.cookie,
            table: m.table,
            priority: m.priority,
            duration: Duration::from_millis(millis),
            idle_timeout: m.idle_timeout,
            hard_timeout: m.hard_timeout,
            importance: m.importance,
            flags: if v >= Version::V13 { m.flags } else { FlowModFlags::empty() },
            idle_age: ages[0].map(u16::from).filter(|_| nxm || v >= Version::V15),
            hard_age: ages[1].map(u16::from).filter(|_| nxm),
            packet_count: counters[0],
            byte_count: counters[1],
            instructions: m.instructions,
        });
        assert_comes_back(Message::StatsReply { body: StatsReply::Flow(flows.collect()), more: false }, &dialect);
    }

    #[test]
    fn flow_removals_come_back(
        (dialect, m) in dialects().prop_flat_map(|d| (Just(d), flow_mod(d))), reason in 0usize..3, millis in 0u64..1 << 40, counters: [u64; 2],
    ) {
        use FlowRemovedReason::{Delete, HardTimeout, IdleTimeout};
        let v10 = dialect.version == Version::V10;
        assert_comes_back(Message::FlowRemoved(FlowRemoved {
            matching: m.matching,
            cookie: m.cookie,
            priority: m.priority,
            reason: [IdleTimeout, HardTimeout, Delete][reason],
            table: if v10 && !dialect.nxm { TableId::ALL } else { m.table },
            duration: Duration::from_millis(millis),
            idle_timeout: m.idle_timeout,
            hard_timeout: if dialect.version >= Version::V12 { m.hard_timeout } else { Timeout::NEVER },
            packet_count: counters[0],
            byte_count: counters[1],
        }), &dialect);
    }

    #[test]
    fn packet_ins_come_back(
        dialect in dialects(), nxt2: bool, packet in proptest::collection::vec(any::<u8>(), 1..200), more in 0usize..1000,
        buffer in proptest::option::of(0u32..u32::MAX), reason in 0u8..8, table: u8, cookie: u64, in_port in 1u32..0xff00,
        userdata in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let v = dialect.version;
        let dialect = Dialect { packet_in: if nxt2 { PacketInFormat::Nxt2 } else { PacketInFormat::Standard }, ..dialect };
        let mut metadata = Match::any();
        metadata.set(FieldId::InPortOxm, in_port.into());
        if nxt2 || v >= Version::V12 {
            metadata.set(FieldId::Metadata, cookie.into());
        }
        assert_comes_back(Message::PacketIn(PacketIn {
            total_len: packet.len() + more,
            packet,
            buffer_id: buffer,
            reason: PacketInReason(reason),
            table: (nxt2 || v >= Version::V11).then_some(TableId(table)),
            cookie: (nxt2 || v >= Version::V13).then_some(Cookie(cookie)),
            metadata,
            userdata: if nxt2 { userdata } else { Vec::new() },
            continuation: Vec::new(),
        }), &dialect);
    }

    #[test]
    fn packet_outs_come_back(
        (dialect, actions) in dialects().prop_flat_map(|d| (Just(d), action_lists(d))), in_port in 1u32..0xff00,
        buffer in proptest::option::of(0u32..u32::MAX), packet in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut metadata = Match::any();
        metadata.set(FieldId::InPortOxm, in_port.into());
        // With a buffer the switch has the packet.
        let packet = if buffer.is_some() { Vec::new() } else { packet };
        assert_comes_back(Message::PacketOut(PacketOut { packet, buffer_id: buffer, metadata, actions }), &dialect);
    }

    #[test]
    fn port_statistics_come_back(
        dialect in dialects(), port in 1u32..0xff00, n: [u64; 12], rmon in proptest::option::of(any::<[u64; 21]>()), millis in proptest::option::of(0u64..1 << 40),
        custom in proptest::collection::vec(("[a-z_]{1,20}", any::<u64>()), 0..4),
    ) {
        let v = dialect.version;
        let stats = PortStats {
            port: OfPort(port), rx_packets: n[0], tx_packets: n[1], rx_bytes: n[2], tx_bytes: n[3], rx_dropped: n[4], tx_dropped: n[5],
            rx_errors: n[6], tx_errors: n[7], rx_frame_err: n[8], rx_over_err: n[9], rx_crc_err: n[10], collisions: n[11],
            duration: millis.map(Duration::from_millis).filter(|_| v >= Version::V13),
            rfc2819: rmon.map(|n| Box::new(Rfc2819Stats::from_counters(n))).filter(|_| v >= Version::V14),
            custom: if v >= Version::V14 { custom } else { Vec::new() },
        };
        assert_comes_back(Message::StatsReply { body: StatsReply::Port(vec![stats.clone(), stats]), more: false }, &dialect);
    }

    #[test]
    fn echoes_and_errors_come_back(dialect in dialects(), reply: bool, data in proptest::collection::vec(any::<u8>(), 0..300), which in any::<proptest::sample::Index>()) {
        let codes: Vec<ErrorCode> = ErrorCode::all().collect();
        let code = codes[which.index(codes.len())];
        // Several names share numbers in some versions; a version hears the first of them.
        let heard = ErrorCode::from_wire(dialect.version, code.to_wire(dialect.version)).unwrap();
        assert_comes_back(Message::Error(ErrorMessage { code: heard, data: data.clone() }), &dialect);
        assert_comes_back(if reply { Message::EchoReply(data) } else { Message::EchoRequest(data) }, &dialect);
    }
}
