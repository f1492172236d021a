//! Messages: everything that switch and controller say to each other.

use weft_flow::OfPort;

use crate::bundle::{BundleAdd, BundleControl};
use crate::controller::{AsyncConfig, RoleMessage, RoleStatus};
use crate::error::ErrorMessage;
use crate::flow::{AggregateStats, FlowMod, FlowRemoved, FlowStats, FlowStatsRequest};
use crate::group::{GroupDesc, GroupFeatures, GroupMod, GroupStats};
use crate::ids::{GroupId, MeterId, QueueId, TableId};
use crate::meter::{MeterConfig, MeterFeatures, MeterMod, MeterStats};
use crate::monitor::{FlowMonitorRequest, FlowUpdate};
use crate::packet::{PacketIn, PacketInFormat, PacketOut};
use crate::port::{PortDesc, PortMod, PortStats, PortStatus, QueueConfig, QueueStats};
use crate::switch::{SwitchConfig, SwitchDesc, SwitchFeatures, TlvTable, TlvTableMod};
use crate::table::{TableDesc, TableFeatures, TableMod, TableStats, TableStatus};

/// One message, whatever version carries it.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
#[allow(clippy::large_enum_variant, reason = "messages are handled one at a time; a Match is big by design")]
pub enum Message {
    /// The versions that the sender speaks, one bit each ([`Version::bit`](crate::Version::bit)).
    Hello {
        versions: u32,
    },
    Error(ErrorMessage),
    EchoRequest(Vec<u8>),
    EchoReply(Vec<u8>),
    FeaturesRequest,
    FeaturesReply(SwitchFeatures),
    GetConfigRequest,
    GetConfigReply(SwitchConfig),
    SetConfig(SwitchConfig),
    PacketIn(PacketIn),
    FlowRemoved(FlowRemoved),
    PortStatus(PortStatus),
    PacketOut(PacketOut),
    FlowMod(FlowMod),
    GroupMod(GroupMod),
    PortMod(PortMod),
    TableMod(TableMod),
    MeterMod(MeterMod),
    BarrierRequest,
    BarrierReply,
    /// Before 1.4 (since then a statistics request).
    QueueGetConfigRequest {
        port: OfPort,
        queue: QueueId,
    },
    QueueGetConfigReply {
        port: OfPort,
        queues: Vec<QueueConfig>,
    },
    RoleRequest(RoleMessage),
    RoleReply(RoleMessage),
    RoleStatus(RoleStatus),
    GetAsyncRequest,
    GetAsyncReply(AsyncConfig),
    SetAsync(AsyncConfig),
    TableStatus(TableStatus),
    /// Another controller changed a group or meter (1.4+); the inner message.
    RequestForward {
        xid: crate::Xid,
        message: Box<Message>,
    },
    BundleControl(BundleControl),
    BundleAdd(BundleAdd),
    StatsRequest(StatsRequest),
    /// `more`: further parts follow with the same transaction id.
    StatsReply {
        body: StatsReply,
        more: bool,
    },
    /// NXT_SET_FLOW_FORMAT.
    SetFlowFormat(FlowFormat),
    /// NXT_FLOW_MOD_TABLE_ID: whether OpenFlow 1.0 flow mods carry a table.
    FlowModTableId(bool),
    /// NXT_SET_PACKET_IN_FORMAT.
    SetPacketInFormat(PacketInFormat),
    /// NXT_SET_CONTROLLER_ID.
    SetControllerId(u16),
    /// NXT_FLOW_AGE.
    FlowAge,
    /// NXT_RESUME: go on with a paused packet.
    Resume(PacketIn),
    TlvTableMod(TlvTableMod),
    TlvTableRequest,
    TlvTableReply(TlvTable),
    FlowMonitorCancel(u32),
    FlowMonitorPaused,
    FlowMonitorResumed,
    /// NXT_CT_FLUSH_ZONE.
    CtFlushZone(u16),
    /// NXT_CT_FLUSH.
    CtFlush(crate::conntrack::CtFlush),
}

/// NXFF_*: how OpenFlow 1.0 flows are said.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum FlowFormat {
    /// OFPT_FLOW_MOD.
    #[default]
    OpenFlow10,
    /// NXT_FLOW_MOD.
    Nxm,
}

/// A statistics (multipart) request.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
#[allow(clippy::large_enum_variant, reason = "as Message")]
pub enum StatsRequest {
    Desc,
    Flow(FlowStatsRequest),
    Aggregate(FlowStatsRequest),
    Table,
    /// [`OfPort::NONE`]: all.
    Port(OfPort),
    /// [`OfPort::NONE`] (1.0: ALL) and [`QueueId::ALL`]: all.
    Queue {
        port: OfPort,
        queue: QueueId,
    },
    Group(GroupId),
    GroupDesc(GroupId),
    GroupFeatures,
    Meter(MeterId),
    MeterConfig(MeterId),
    MeterFeatures,
    /// Empty: ask; else set.
    TableFeatures(Vec<TableFeatures>),
    /// [`OfPort::NONE`]: all.
    PortDesc(OfPort),
    TableDesc,
    /// 1.4+.
    QueueDesc {
        port: OfPort,
        queue: QueueId,
    },
    FlowMonitor(Vec<FlowMonitorRequest>),
    /// NXST_IPFIX_BRIDGE.
    IpfixBridge,
    /// NXST_IPFIX_FLOW.
    IpfixFlow,
}

/// A statistics (multipart) reply; parts of one answer are joined by concatenating them.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub enum StatsReply {
    Desc(SwitchDesc),
    Flow(Vec<FlowStats>),
    Aggregate(AggregateStats),
    Table(Vec<TableStats>),
    Port(Vec<PortStats>),
    Queue(Vec<QueueStats>),
    Group(Vec<GroupStats>),
    GroupDesc(Vec<GroupDesc>),
    GroupFeatures(GroupFeatures),
    Meter(Vec<MeterStats>),
    MeterConfig(Vec<MeterConfig>),
    MeterFeatures(MeterFeatures),
    TableFeatures(Vec<TableFeatures>),
    PortDesc(Vec<PortDesc>),
    TableDesc(Vec<TableDesc>),
    QueueDesc(Vec<QueueConfig>),
    FlowMonitor(Vec<FlowUpdate>),
    /// Four counters and more, as the exporter has them, by name.
    IpfixBridge(IpfixStats),
    /// Per collector set.
    IpfixFlow(Vec<IpfixStats>),
}

/// NXST_IPFIX_*'s counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "plain words")]
pub struct IpfixStats {
    pub collector_set_id: u32,
    pub total_flows: u64,
    pub current_flows: u64,
    pub packets: u64,
    pub ipv4_packets: u64,
    pub ipv6_packets: u64,
    pub error_packets: u64,
    pub ipv4_error_packets: u64,
    pub ipv6_error_packets: u64,
    pub tx_packets: u64,
    pub tx_errors: u64,
}

impl StatsRequest {
    /// A table's number as it is said in requests that take one.
    pub fn all_flows() -> StatsRequest {
        StatsRequest::Flow(FlowStatsRequest { table: TableId::ALL, ..FlowStatsRequest::default() })
    }
}
