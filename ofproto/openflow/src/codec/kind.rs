//! What kind of message bytes are: the numbers of every version, and the names that the tools print.

use std::sync::LazyLock;

use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::ErrorCode;
use crate::ids::Version;
use crate::wire::buf::{Decoded, Encoded, Reader, Writer, bad, cannot};
use crate::wire::said::{Module, warn};
use crate::wire::{NICIRA, ONF};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct HeaderWire {
    pub version: u8,
    pub kind: u8,
    pub len: U16,
    pub xid: U32,
}

macro_rules! kinds {
    ($($kind:ident $name:literal,)*) => {
        /// Every kind of message.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[allow(missing_docs, reason = "the specifications' names")]
        pub enum Kind { $($kind,)* }

        impl Kind {
            /// The name that the tools print.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name,)* }
            }

            pub(super) const ALL: &[Kind] = &[$(Kind::$kind,)*];
        }
    };
}

kinds! {
    Hello "OFPT_HELLO",
    Error "OFPT_ERROR",
    EchoRequest "OFPT_ECHO_REQUEST",
    EchoReply "OFPT_ECHO_REPLY",
    FeaturesRequest "OFPT_FEATURES_REQUEST",
    FeaturesReply "OFPT_FEATURES_REPLY",
    GetConfigRequest "OFPT_GET_CONFIG_REQUEST",
    GetConfigReply "OFPT_GET_CONFIG_REPLY",
    SetConfig "OFPT_SET_CONFIG",
    PacketIn "OFPT_PACKET_IN",
    NxPacketIn "NXT_PACKET_IN",
    NxPacketIn2 "NXT_PACKET_IN2",
    FlowRemoved "OFPT_FLOW_REMOVED",
    NxFlowRemoved "NXT_FLOW_REMOVED",
    PortStatus "OFPT_PORT_STATUS",
    PacketOut "OFPT_PACKET_OUT",
    FlowMod "OFPT_FLOW_MOD",
    NxFlowMod "NXT_FLOW_MOD",
    GroupMod "OFPT_GROUP_MOD",
    PortMod "OFPT_PORT_MOD",
    TableMod "OFPT_TABLE_MOD",
    MeterMod "OFPT_METER_MOD",
    BarrierRequest "OFPT_BARRIER_REQUEST",
    BarrierReply "OFPT_BARRIER_REPLY",
    QueueGetConfigRequest "OFPT_QUEUE_GET_CONFIG_REQUEST",
    QueueGetConfigReply "OFPT_QUEUE_GET_CONFIG_REPLY",
    RoleRequest "OFPT_ROLE_REQUEST",
    RoleReply "OFPT_ROLE_REPLY",
    NxRoleRequest "NXT_ROLE_REQUEST",
    NxRoleReply "NXT_ROLE_REPLY",
    RoleStatus "OFPT_ROLE_STATUS",
    GetAsyncRequest "OFPT_GET_ASYNC_REQUEST",
    GetAsyncReply "OFPT_GET_ASYNC_REPLY",
    SetAsync "OFPT_SET_ASYNC",
    NxSetAsync "NXT_SET_ASYNC_CONFIG",
    NxSetAsync2 "NXT_SET_ASYNC_CONFIG2",
    TableStatus "OFPT_TABLE_STATUS",
    RequestForward "OFPT_REQUESTFORWARD",
    BundleControl "OFPT_BUNDLE_CONTROL",
    BundleAdd "OFPT_BUNDLE_ADD_MESSAGE",
    OnfBundleControl "ONFT_BUNDLE_CONTROL",
    OnfBundleAdd "ONFT_BUNDLE_ADD_MESSAGE",
    SetFlowFormat "NXT_SET_FLOW_FORMAT",
    FlowModTableId "NXT_FLOW_MOD_TABLE_ID",
    SetPacketInFormat "NXT_SET_PACKET_IN_FORMAT",
    SetControllerId "NXT_SET_CONTROLLER_ID",
    FlowAge "NXT_FLOW_AGE",
    Resume "NXT_RESUME",
    TlvTableMod "NXT_TLV_TABLE_MOD",
    TlvTableRequest "NXT_TLV_TABLE_REQUEST",
    TlvTableReply "NXT_TLV_TABLE_REPLY",
    FlowMonitorCancel "NXT_FLOW_MONITOR_CANCEL",
    OnfFlowMonitorCancel "ONFT_FLOW_MONITOR_CANCEL",
    FlowMonitorPaused "NXT_FLOW_MONITOR_PAUSED",
    FlowMonitorResumed "NXT_FLOW_MONITOR_RESUMED",
    CtFlushZone "NXT_CT_FLUSH_ZONE",
    CtFlush "NXT_CT_FLUSH",
    OnfRoleStatus "ONFT_ROLE_STATUS",
    NxRequestForward "NXT_REQUESTFORWARD",
    OnfRequestForward "ONFT_REQUESTFORWARD",
    OnfFlowMonitorPaused "ONFT_FLOW_MONITOR_PAUSED",
    OnfFlowMonitorResumed "ONFT_FLOW_MONITOR_RESUMED",
    DescRequest "OFPST_DESC request",
    DescReply "OFPST_DESC reply",
    FlowRequest "OFPST_FLOW request",
    FlowReply "OFPST_FLOW reply",
    NxFlowRequest "NXST_FLOW request",
    NxFlowReply "NXST_FLOW reply",
    AggregateRequest "OFPST_AGGREGATE request",
    AggregateReply "OFPST_AGGREGATE reply",
    NxAggregateRequest "NXST_AGGREGATE request",
    NxAggregateReply "NXST_AGGREGATE reply",
    TableRequest "OFPST_TABLE request",
    TableReply "OFPST_TABLE reply",
    PortRequest "OFPST_PORT request",
    PortReply "OFPST_PORT reply",
    QueueRequest "OFPST_QUEUE request",
    QueueReply "OFPST_QUEUE reply",
    GroupRequest "OFPST_GROUP request",
    GroupReply "OFPST_GROUP reply",
    GroupDescRequest "OFPST_GROUP_DESC request",
    GroupDescReply "OFPST_GROUP_DESC reply",
    GroupFeaturesRequest "OFPST_GROUP_FEATURES request",
    GroupFeaturesReply "OFPST_GROUP_FEATURES reply",
    MeterRequest "OFPST_METER request",
    MeterReply "OFPST_METER reply",
    MeterConfigRequest "OFPST_METER_CONFIG request",
    MeterConfigReply "OFPST_METER_CONFIG reply",
    MeterFeaturesRequest "OFPST_METER_FEATURES request",
    MeterFeaturesReply "OFPST_METER_FEATURES reply",
    TableFeaturesRequest "OFPST_TABLE_FEATURES request",
    TableFeaturesReply "OFPST_TABLE_FEATURES reply",
    PortDescRequest "OFPST_PORT_DESC request",
    PortDescReply "OFPST_PORT_DESC reply",
    TableDescRequest "OFPST_TABLE_DESC request",
    TableDescReply "OFPST_TABLE_DESC reply",
    QueueDescRequest "OFPST_QUEUE_DESC request",
    QueueDescReply "OFPST_QUEUE_DESC reply",
    NxFlowMonitorRequest "NXST_FLOW_MONITOR request",
    NxFlowMonitorReply "NXST_FLOW_MONITOR reply",
    FlowMonitorRequest "OFPST_FLOW_MONITOR request",
    FlowMonitorReply "OFPST_FLOW_MONITOR reply",
    IpfixBridgeRequest "NXST_IPFIX_BRIDGE request",
    IpfixBridgeReply "NXST_IPFIX_BRIDGE reply",
    IpfixFlowRequest "NXST_IPFIX_FLOW request",
    IpfixFlowReply "NXST_IPFIX_FLOW reply",
}

/// Where a kind stands in a version's numbering.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// OFPT_*.
    Plain(u8),
    /// An experimenter's message.
    Experimenter(u32, u32),
    /// A statistics request or reply.
    Stats { reply: bool, number: u16 },
    /// Nicira's statistics.
    NxStats { reply: bool, number: u32 },
    /// ONF's statistics in 1.3.
    OnfStats { reply: bool, number: u32 },
}

impl Place {
    /// As the log has it.
    fn words(self, version: u8, kind: u8) -> String {
        let text = format!("version {version}, type {kind}");
        match self {
            Place::Plain(_) => text,
            Place::Experimenter(vendor, subtype) => format!("{text}, vendor {vendor:#x}, subtype {subtype}"),
            Place::Stats { number, .. } => format!("{text}, stat {number}"),
            Place::NxStats { number, .. } => format!("{text}, stat 65535, vendor {NICIRA:#x}, subtype {number}"),
            Place::OnfStats { number, .. } => format!("{text}, stat 65535, vendor {ONF:#x}, subtype {number}"),
        }
    }
}

impl Kind {
    /// The name in a version: groups are Nicira's extension in 1.0.
    pub fn name_in(self, v: Version) -> &'static str {
        match (self, self.place(v)) {
            (Kind::GroupMod, Some(Place::Experimenter(..))) => "NXT_GROUP_MOD",
            (Kind::GroupRequest, Some(Place::NxStats { .. })) => "NXST_GROUP request",
            (Kind::GroupReply, Some(Place::NxStats { .. })) => "NXST_GROUP reply",
            (Kind::GroupDescRequest, Some(Place::NxStats { .. })) => "NXST_GROUP_DESC request",
            (Kind::GroupDescReply, Some(Place::NxStats { .. })) => "NXST_GROUP_DESC reply",
            (Kind::GroupFeaturesRequest, Some(Place::NxStats { .. })) => "NXST_GROUP_FEATURES request",
            (Kind::GroupFeaturesReply, Some(Place::NxStats { .. })) => "NXST_GROUP_FEATURES reply",
            (Kind::FlowMonitorRequest, Some(Place::OnfStats { .. })) => "ONFST_FLOW_MONITOR request",
            (Kind::FlowMonitorReply, Some(Place::OnfStats { .. })) => "ONFST_FLOW_MONITOR reply",
            _ => self.name(),
        }
    }

    fn place(self, v: Version) -> Option<Place> {
        use Kind as K;
        let v10 = v == Version::V10;
        let since = |first: Version, place: Place| (v >= first).then_some(place);
        let until = |last: Version, place: Place| (v <= last).then_some(place);
        let plain = |n: u8| Some(Place::Plain(n));
        let nx = |n: u32| Place::Experimenter(NICIRA, n);
        let either = |in10: u8, later: u8| Some(Place::Plain(if v10 { in10 } else { later }));
        let nx_group = match self {
            K::GroupRequest | K::GroupReply if v10 => Some(7),
            K::GroupDescRequest | K::GroupDescReply if v10 => Some(8),
            K::GroupFeaturesRequest | K::GroupFeaturesReply if v <= Version::V11 => Some(9),
            _ => None,
        };
        if let (Some(number), Some((_, _, reply))) = (nx_group, self.stats()) {
            return Some(Place::NxStats { reply, number });
        }
        if let Some((first, number, reply)) = self.stats() {
            return since(first, Place::Stats { reply, number });
        }
        match self {
            K::Hello => plain(0),
            K::Error => plain(1),
            K::EchoRequest => plain(2),
            K::EchoReply => plain(3),
            K::FeaturesRequest => plain(5),
            K::FeaturesReply => plain(6),
            K::GetConfigRequest => plain(7),
            K::GetConfigReply => plain(8),
            K::SetConfig => plain(9),
            K::PacketIn => plain(10),
            K::FlowRemoved => plain(11),
            K::PortStatus => plain(12),
            K::PacketOut => plain(13),
            K::FlowMod => plain(14),
            K::GroupMod if v10 => Some(nx(31)),
            K::GroupMod => plain(15),
            K::PortMod => either(15, 16),
            K::TableMod => since(Version::V11, Place::Plain(17)),
            K::BarrierRequest => either(18, 20),
            K::BarrierReply => either(19, 21),
            K::QueueGetConfigRequest => until(Version::V13, Place::Plain(if v10 { 20 } else { 22 })),
            K::QueueGetConfigReply => until(Version::V13, Place::Plain(if v10 { 21 } else { 23 })),
            K::RoleRequest => since(Version::V12, Place::Plain(24)),
            K::RoleReply => since(Version::V12, Place::Plain(25)),
            K::GetAsyncRequest => since(Version::V13, Place::Plain(26)),
            K::GetAsyncReply => since(Version::V13, Place::Plain(27)),
            K::SetAsync => since(Version::V13, Place::Plain(28)),
            K::MeterMod => since(Version::V13, Place::Plain(29)),
            K::RoleStatus => since(Version::V14, Place::Plain(30)),
            K::TableStatus => since(Version::V14, Place::Plain(31)),
            K::RequestForward => since(Version::V14, Place::Plain(32)),
            K::BundleControl => since(Version::V14, Place::Plain(33)),
            K::BundleAdd => since(Version::V14, Place::Plain(34)),
            K::OnfBundleControl => (v == Version::V13).then_some(Place::Experimenter(ONF, 2300)),
            K::OnfBundleAdd => (v == Version::V13).then_some(Place::Experimenter(ONF, 2301)),
            K::OnfRoleStatus => (v == Version::V13).then_some(Place::Experimenter(ONF, 1911)),
            K::OnfFlowMonitorCancel => (v == Version::V13).then_some(Place::Experimenter(ONF, 1870)),
            K::OnfFlowMonitorPaused => (v == Version::V13).then_some(Place::Experimenter(ONF, 1871)),
            K::OnfFlowMonitorResumed => (v == Version::V13).then_some(Place::Experimenter(ONF, 1872)),
            K::OnfRequestForward => (v == Version::V13).then_some(Place::Experimenter(ONF, 2350)),
            K::NxRequestForward => until(Version::V12, nx(132)),
            K::NxRoleRequest => Some(nx(10)),
            K::NxRoleReply => Some(nx(11)),
            K::SetFlowFormat => until(Version::V10, nx(12)),
            K::NxFlowMod => Some(nx(13)),
            K::NxFlowRemoved => Some(nx(14)),
            K::FlowModTableId => Some(nx(15)),
            K::SetPacketInFormat => Some(nx(16)),
            K::NxPacketIn => Some(nx(17)),
            K::FlowAge => Some(nx(18)),
            K::NxSetAsync => Some(nx(19)),
            K::SetControllerId => Some(nx(20)),
            K::FlowMonitorCancel => until(Version::V12, nx(21)),
            K::FlowMonitorPaused => until(Version::V12, nx(22)),
            K::FlowMonitorResumed => until(Version::V12, nx(23)),
            K::TlvTableMod => Some(nx(24)),
            K::TlvTableRequest => Some(nx(25)),
            K::TlvTableReply => Some(nx(26)),
            K::NxSetAsync2 => until(Version::V13, nx(27)),
            K::Resume => Some(nx(28)),
            K::CtFlushZone => Some(nx(29)),
            K::CtFlush => Some(nx(32)),
            K::NxPacketIn2 => Some(nx(30)),
            K::NxFlowRequest => until(Version::V10, Place::NxStats { reply: false, number: 0 }),
            K::NxFlowReply => until(Version::V10, Place::NxStats { reply: true, number: 0 }),
            K::NxAggregateRequest => until(Version::V10, Place::NxStats { reply: false, number: 1 }),
            K::NxAggregateReply => until(Version::V10, Place::NxStats { reply: true, number: 1 }),
            K::NxFlowMonitorRequest => until(Version::V12, Place::NxStats { reply: false, number: 2 }),
            K::NxFlowMonitorReply => until(Version::V12, Place::NxStats { reply: true, number: 2 }),
            K::IpfixBridgeRequest => Some(Place::NxStats { reply: false, number: 3 }),
            K::IpfixBridgeReply => Some(Place::NxStats { reply: true, number: 3 }),
            K::IpfixFlowRequest => Some(Place::NxStats { reply: false, number: 4 }),
            K::IpfixFlowReply => Some(Place::NxStats { reply: true, number: 4 }),
            K::FlowMonitorRequest | K::FlowMonitorReply => {
                let reply = self == K::FlowMonitorReply;
                match v {
                    Version::V13 => Some(Place::OnfStats { reply, number: 1870 }),
                    _ => since(Version::V14, Place::Stats { reply, number: 16 }),
                }
            }
            _ => None,
        }
    }

    /// First version, number and direction of the standard statistics.
    fn stats(self) -> Option<(Version, u16, bool)> {
        use Kind as K;
        use Version::{V10, V11, V12, V13, V14};
        Some(match self {
            K::DescRequest => (V10, 0, false),
            K::DescReply => (V10, 0, true),
            K::FlowRequest => (V10, 1, false),
            K::FlowReply => (V10, 1, true),
            K::AggregateRequest => (V10, 2, false),
            K::AggregateReply => (V10, 2, true),
            K::TableRequest => (V10, 3, false),
            K::TableReply => (V10, 3, true),
            K::PortRequest => (V10, 4, false),
            K::PortReply => (V10, 4, true),
            K::QueueRequest => (V10, 5, false),
            K::QueueReply => (V10, 5, true),
            K::GroupRequest => (V11, 6, false),
            K::GroupReply => (V11, 6, true),
            K::GroupDescRequest => (V11, 7, false),
            K::GroupDescReply => (V11, 7, true),
            K::GroupFeaturesRequest => (V12, 8, false),
            K::GroupFeaturesReply => (V12, 8, true),
            K::MeterRequest => (V13, 9, false),
            K::MeterReply => (V13, 9, true),
            K::MeterConfigRequest => (V13, 10, false),
            K::MeterConfigReply => (V13, 10, true),
            K::MeterFeaturesRequest => (V13, 11, false),
            K::MeterFeaturesReply => (V13, 11, true),
            K::TableFeaturesRequest => (V13, 12, false),
            K::TableFeaturesReply => (V13, 12, true),
            K::PortDescRequest => (V10, 13, false),
            K::PortDescReply => (V10, 13, true),
            K::TableDescRequest => (V14, 14, false),
            K::TableDescReply => (V14, 14, true),
            K::QueueDescRequest => (V14, 15, false),
            K::QueueDescReply => (V14, 15, true),
            _ => return None,
        })
    }

    /// Whether this is a statistics message, and a reply.
    pub(super) fn stats_direction(self, v: Version) -> Option<bool> {
        match self.place(v)? {
            Place::Stats { reply, .. } | Place::NxStats { reply, .. } | Place::OnfStats { reply, .. } => Some(reply),
            _ => None,
        }
    }
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct StatsWire {
    number: U16,
    flags: U16,
}

/// A message's headers, understood.
pub(super) struct Identity<'a> {
    pub kind: Kind,
    /// OFPSF_REPLY_MORE, OFPMPF_*_MORE.
    pub more: bool,
    /// What stands behind the headers.
    pub body: Reader<'a>,
}

/// Understands a message's headers; `v` is its version.
pub(super) fn identify(bytes: &[u8], v: Version) -> Decoded<Identity<'_>> {
    let mut r = Reader::new(bytes, ErrorCode::OFPBRC_BAD_LEN);
    let header: &HeaderWire = r.get("header")?;
    let number = header.kind;
    let v10 = v == Version::V10;
    let stats = if v10 { 16 } else { 18 };
    let mut more = false;
    let (place, unknown) = if number == 4 {
        let vendor = r.get::<U32>("experimenter id")?.get();
        if vendor != NICIRA && vendor != ONF {
            warn(Module::Msgs, || format!("OpenFlow message has unknown vendor {vendor:#x}"));
            return bad(ErrorCode::OFPBRC_BAD_VENDOR, format!("unknown experimenter {vendor:#x}"));
        }
        (Place::Experimenter(vendor, r.get::<U32>("experimenter type")?.get()), ErrorCode::OFPBRC_BAD_SUBTYPE)
    } else if number == stats || number == stats + 1 {
        let reply = number == stats + 1;
        let wire: &StatsWire = r.get("statistics header")?;
        let flags = wire.flags.get();
        more = flags & 1 == 1;
        if !v10 {
            r.skip(4, "padding")?;
        }
        if wire.number.get() == 0xffff {
            let vendor = r.get::<U32>("experimenter id")?.get();
            let number = r.get::<U32>("experimenter type")?.get();
            if v10 && vendor == NICIRA {
                r.skip(4, "padding")?;
            }
            match vendor {
                NICIRA => (Place::NxStats { reply, number }, ErrorCode::OFPBRC_BAD_SUBTYPE),
                ONF => (Place::OnfStats { reply, number }, ErrorCode::OFPBRC_BAD_SUBTYPE),
                _ => {
                    warn(Module::Msgs, || format!("OpenFlow message has unknown vendor {vendor:#x}"));
                    return bad(ErrorCode::OFPBRC_BAD_VENDOR, format!("unknown experimenter {vendor:#x}"));
                }
            }
        } else {
            (Place::Stats { reply, number: wire.number.get() }, ErrorCode::OFPBRC_BAD_STAT)
        }
    } else {
        (Place::Plain(number), ErrorCode::OFPBRC_BAD_TYPE)
    };
    let kind = match place {
        Place::Plain(number) => PLAIN[v as usize - 1].get(usize::from(number)).copied().flatten(),
        _ => at(place, v),
    };
    match kind {
        Some(kind) => Ok(Identity { kind, more, body: r }),
        None => {
            warn(Module::Msgs, || format!("unknown OpenFlow message ({})", place.words(v as u8, number)));
            bad(unknown, format!("{v} has no message {place:?}"))
        }
    }
}

fn at(place: Place, v: Version) -> Option<Kind> {
    Kind::ALL.iter().find(|kind| kind.place(v) == Some(place)).copied()
}

/// The standard's messages of each version by their numbers, which every message asks for.
static PLAIN: LazyLock<[[Option<Kind>; 64]; 6]> =
    LazyLock::new(|| Version::ALL.map(|v| std::array::from_fn(|number| at(Place::Plain(number as u8), v))));

/// Appends the headers of a message; the length is filled in by [`close`].
pub(super) fn open(w: &mut Writer, kind: Kind, v: Version, xid: u32, more: bool) -> Encoded<usize> {
    let start = w.len();
    let Some(place) = kind.place(v) else { return cannot(v, kind.name()) };
    let v10 = v == Version::V10;
    let stats = |reply: bool| if v10 { 16 } else { 18 } + u8::from(reply);
    let number = match place {
        Place::Plain(number) => number,
        Place::Experimenter(..) => 4,
        Place::Stats { reply, .. } | Place::NxStats { reply, .. } | Place::OnfStats { reply, .. } => stats(reply),
    };
    w.put(&HeaderWire { version: v as u8, kind: number, len: 0.into(), xid: xid.into() });
    let stats_header = |w: &mut Writer, number: u16| {
        w.put(&StatsWire { number: number.into(), flags: u16::from(more).into() });
        w.zeros(if v10 { 0 } else { 4 });
    };
    match place {
        Place::Plain(_) => {}
        Place::Experimenter(vendor, number) => {
            w.put(&U32::new(vendor));
            w.put(&U32::new(number));
        }
        Place::Stats { number, .. } => stats_header(w, number),
        Place::NxStats { number, .. } => {
            stats_header(w, 0xffff);
            w.put(&U32::new(NICIRA));
            w.put(&U32::new(number));
            w.zeros(if v10 { 4 } else { 0 });
        }
        Place::OnfStats { number, .. } => {
            stats_header(w, 0xffff);
            w.put(&U32::new(ONF));
            w.put(&U32::new(number));
        }
    }
    Ok(start)
}

/// Fills the length in, or says that the message got too long.
pub(super) fn close(w: &mut Writer, start: usize, kind: Kind, v: Version) -> Encoded<()> {
    if w.len() - start > 0xffff {
        return cannot(v, format!("{} of {} bytes", kind.name(), w.len() - start));
    }
    w.close(start, 2);
    Ok(())
}
