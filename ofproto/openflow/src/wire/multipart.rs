//! Bodies of statistics requests and replies (`OFPST_*`, `OFPMP_*`, `NXST_*`).
//!
//! Invariant: a reply longer than a message is split between entries; parts say "more" but for the last.

use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::buf::{DecodeError, Decoded, Encoded, Reader, Writer, bad, cannot};
use super::{flow, group, meter, monitor, port, switch, table};
use crate::codec::kind::Kind;
use crate::error::ErrorCode;
use crate::ids::{GroupId, MeterId, Version};
use crate::message::{IpfixStats, StatsReply, StatsRequest};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct IpfixWire {
    total_flows: U64,
    current_flows: U64,
    packets: U64,
    ipv4_packets: U64,
    ipv6_packets: U64,
    error_packets: U64,
    ipv4_error_packets: U64,
    ipv6_error_packets: U64,
    tx_packets: U64,
    tx_errors: U64,
    collector_set_id: U32,
    pad: [u8; 4],
}

/// What becomes of a list with a bad entry.
#[derive(Default)]
pub(crate) struct Tolerance {
    /// The entries before it are kept.
    pub keep: bool,
    /// What was wrong with it then.
    pub error: Option<DecodeError>,
}

/// Reads entries until the end.
fn list<T>(
    r: &mut Reader<'_>,
    t: &mut Tolerance,
    mut one: impl FnMut(&mut Reader<'_>) -> Decoded<T>,
) -> Decoded<Vec<T>> {
    let mut out = Vec::new();
    while !r.is_empty() {
        match one(r) {
            Ok(entry) => out.push(entry),
            Err(error) if t.keep && !out.is_empty() => {
                t.error = Some(error);
                r.take_rest();
            }
            Err(error) => return Err(error),
        }
    }
    Ok(out)
}

fn id(r: &mut Reader<'_>) -> Decoded<u32> {
    let id = r.get::<U32>("number")?.get();
    r.skip(4, "padding")?;
    Ok(id)
}

fn write_id(w: &mut Writer, id: u32) {
    w.put(&U32::new(id));
    w.zeros(4);
}

pub(crate) fn read_request(kind: Kind, r: &mut Reader<'_>, v: Version) -> Decoded<StatsRequest> {
    let v10 = v == Version::V10;
    Ok(match kind {
        Kind::DescRequest => StatsRequest::Desc,
        Kind::FlowRequest if v10 => StatsRequest::Flow(flow::read_request10(r)?),
        Kind::FlowRequest => StatsRequest::Flow(flow::read_request11(r)?),
        Kind::AggregateRequest if v10 => StatsRequest::Aggregate(flow::read_request10(r)?),
        Kind::AggregateRequest => StatsRequest::Aggregate(flow::read_request11(r)?),
        Kind::NxFlowRequest => StatsRequest::Flow(flow::read_nx_request(r)?),
        Kind::NxAggregateRequest => StatsRequest::Aggregate(flow::read_nx_request(r)?),
        Kind::TableRequest => StatsRequest::Table,
        Kind::PortRequest => StatsRequest::Port(port::read_port_number(r, v)?),
        Kind::QueueRequest => {
            let (port, queue) = port::read_queue(r, v)?;
            StatsRequest::Queue { port, queue }
        }
        Kind::GroupRequest => StatsRequest::Group(GroupId(id(r)?)),
        Kind::GroupDescRequest if v10 || v >= Version::V15 => StatsRequest::GroupDesc(GroupId(id(r)?)),
        Kind::GroupDescRequest => StatsRequest::GroupDesc(GroupId::ALL),
        Kind::GroupFeaturesRequest => StatsRequest::GroupFeatures,
        Kind::MeterRequest => StatsRequest::Meter(MeterId(id(r)?)),
        Kind::MeterConfigRequest => StatsRequest::MeterConfig(MeterId(id(r)?)),
        Kind::MeterFeaturesRequest => StatsRequest::MeterFeatures,
        Kind::TableFeaturesRequest => {
            StatsRequest::TableFeatures(list(r, &mut Tolerance::default(), |r| table::read_features(r, v))?)
        }
        Kind::PortDescRequest if v >= Version::V15 => StatsRequest::PortDesc(port::read_port_number(r, v)?),
        Kind::PortDescRequest => StatsRequest::PortDesc(weft_flow::OfPort::NONE),
        Kind::TableDescRequest => StatsRequest::TableDesc,
        Kind::QueueDescRequest => {
            let (port, queue) = port::read_queue(r, v)?;
            StatsRequest::QueueDesc { port, queue }
        }
        Kind::NxFlowMonitorRequest | Kind::FlowMonitorRequest => {
            let form = monitor::Form::of(kind, v);
            StatsRequest::FlowMonitor(list(r, &mut Tolerance::default(), |r| monitor::read_request(r, form))?)
        }
        Kind::IpfixBridgeRequest => StatsRequest::IpfixBridge,
        _ => StatsRequest::IpfixFlow,
    })
}

/// The kind of message that carries a request. `nxm`: Nicira's form is wanted where there is one.
pub(crate) fn request_kind(q: &StatsRequest, v: Version, nxm: bool) -> Kind {
    match q {
        StatsRequest::Desc => Kind::DescRequest,
        StatsRequest::Flow(f) | StatsRequest::Aggregate(f) => {
            let nicira = v == Version::V10 && (nxm || f.cookie_mask != 0 || !super::match10::says_all(&f.matching));
            match (q, nicira) {
                (StatsRequest::Flow(_), false) => Kind::FlowRequest,
                (StatsRequest::Flow(_), true) => Kind::NxFlowRequest,
                (_, false) => Kind::AggregateRequest,
                (_, true) => Kind::NxAggregateRequest,
            }
        }
        StatsRequest::Table => Kind::TableRequest,
        StatsRequest::Port(_) => Kind::PortRequest,
        StatsRequest::Queue { .. } => Kind::QueueRequest,
        StatsRequest::Group(_) => Kind::GroupRequest,
        StatsRequest::GroupDesc(_) => Kind::GroupDescRequest,
        StatsRequest::GroupFeatures => Kind::GroupFeaturesRequest,
        StatsRequest::Meter(_) => Kind::MeterRequest,
        StatsRequest::MeterConfig(_) => Kind::MeterConfigRequest,
        StatsRequest::MeterFeatures => Kind::MeterFeaturesRequest,
        StatsRequest::TableFeatures(_) => Kind::TableFeaturesRequest,
        StatsRequest::PortDesc(_) => Kind::PortDescRequest,
        StatsRequest::TableDesc => Kind::TableDescRequest,
        StatsRequest::QueueDesc { .. } => Kind::QueueDescRequest,
        StatsRequest::FlowMonitor(_) if v < Version::V13 => Kind::NxFlowMonitorRequest,
        StatsRequest::FlowMonitor(_) => Kind::FlowMonitorRequest,
        StatsRequest::IpfixBridge => Kind::IpfixBridgeRequest,
        StatsRequest::IpfixFlow => Kind::IpfixFlowRequest,
    }
}

pub(crate) fn write_request(w: &mut Writer, kind: Kind, q: &StatsRequest, v: Version) -> Encoded<()> {
    let v10 = v == Version::V10;
    match q {
        StatsRequest::Flow(f) | StatsRequest::Aggregate(f) => match kind {
            Kind::NxFlowRequest | Kind::NxAggregateRequest => flow::write_nx_request(w, f)?,
            _ if v10 => flow::write_request10(w, f)?,
            _ => flow::write_request11(w, f, v)?,
        },
        StatsRequest::Port(port) => port::write_port_number(w, *port, v)?,
        StatsRequest::Queue { port, queue } | StatsRequest::QueueDesc { port, queue } => {
            port::write_queue(w, *port, *queue, v)?;
        }
        StatsRequest::Group(GroupId(id))
        | StatsRequest::Meter(MeterId(id))
        | StatsRequest::MeterConfig(MeterId(id)) => {
            write_id(w, *id);
        }
        StatsRequest::GroupDesc(GroupId(id)) if v10 || v >= Version::V15 => write_id(w, *id),
        StatsRequest::TableFeatures(tables) => tables.iter().for_each(|t| table::write_features(w, t, v)),
        StatsRequest::PortDesc(port) if v >= Version::V15 => port::write_port_number(w, *port, v)?,
        StatsRequest::FlowMonitor(monitors) => {
            for m in monitors {
                monitor::write_request(w, m, v, monitor::Form::of(kind, v))?;
            }
        }
        _ => {}
    }
    Ok(())
}

pub(crate) fn read_reply(kind: Kind, r: &mut Reader<'_>, v: Version, t: &mut Tolerance) -> Decoded<StatsReply> {
    Ok(match kind {
        Kind::DescReply => StatsReply::Desc(switch::read_desc(r)?),
        Kind::FlowReply => StatsReply::Flow(list(r, t, |r| flow::read_stats(r, v, false))?),
        Kind::NxFlowReply => StatsReply::Flow(list(r, t, |r| flow::read_stats(r, v, true))?),
        Kind::AggregateReply | Kind::NxAggregateReply => StatsReply::Aggregate(flow::read_aggregate(r, v)?),
        Kind::TableReply => StatsReply::Table(list(r, t, |r| table::read_stats(r, v))?),
        Kind::PortReply => StatsReply::Port(list(r, t, |r| port::read_stats(r, v))?),
        Kind::QueueReply => StatsReply::Queue(list(r, t, |r| port::read_queue_stats(r, v))?),
        Kind::GroupReply => StatsReply::Group(list(r, t, |r| group::read_stats(r, v))?),
        Kind::GroupDescReply => StatsReply::GroupDesc(list(r, t, |r| group::read_desc(r, v))?),
        Kind::GroupFeaturesReply => StatsReply::GroupFeatures(group::read_features(r, v)?),
        Kind::MeterReply => StatsReply::Meter(list(r, t, meter::read_stats)?),
        Kind::MeterConfigReply => StatsReply::MeterConfig(list(r, t, meter::read_config)?),
        Kind::MeterFeaturesReply => StatsReply::MeterFeatures(meter::read_features(r)?),
        Kind::TableFeaturesReply => StatsReply::TableFeatures(list(r, t, |r| table::read_features(r, v))?),
        Kind::PortDescReply => StatsReply::PortDesc(list(r, t, |r| port::read_port(r, v))?),
        Kind::TableDescReply => StatsReply::TableDesc(list(r, t, table::read_desc)?),
        Kind::QueueDescReply => {
            StatsReply::QueueDesc(list(r, t, |r| port::read_queue_config(r, v, weft_flow::OfPort::NONE))?)
        }
        Kind::NxFlowMonitorReply | Kind::FlowMonitorReply => {
            let form = monitor::Form::of(kind, v);
            StatsReply::FlowMonitor(list(r, t, |r| monitor::read_update(r, v, form))?)
        }
        Kind::IpfixBridgeReply => StatsReply::IpfixBridge(read_ipfix(r)?),
        _ => StatsReply::IpfixFlow(list(r, t, read_ipfix)?),
    })
}

/// The kind of message that carries a reply. `nxm`: the request was in Nicira's form.
pub(crate) fn reply_kind(s: &StatsReply, v: Version, nxm: bool) -> Kind {
    let nicira = nxm && v == Version::V10;
    match s {
        StatsReply::Desc(_) => Kind::DescReply,
        StatsReply::Flow(_) if nicira => Kind::NxFlowReply,
        StatsReply::Flow(_) => Kind::FlowReply,
        StatsReply::Aggregate(_) if nicira => Kind::NxAggregateReply,
        StatsReply::Aggregate(_) => Kind::AggregateReply,
        StatsReply::Table(_) => Kind::TableReply,
        StatsReply::Port(_) => Kind::PortReply,
        StatsReply::Queue(_) => Kind::QueueReply,
        StatsReply::Group(_) => Kind::GroupReply,
        StatsReply::GroupDesc(_) => Kind::GroupDescReply,
        StatsReply::GroupFeatures(_) => Kind::GroupFeaturesReply,
        StatsReply::Meter(_) => Kind::MeterReply,
        StatsReply::MeterConfig(_) => Kind::MeterConfigReply,
        StatsReply::MeterFeatures(_) => Kind::MeterFeaturesReply,
        StatsReply::TableFeatures(_) => Kind::TableFeaturesReply,
        StatsReply::PortDesc(_) => Kind::PortDescReply,
        StatsReply::TableDesc(_) => Kind::TableDescReply,
        StatsReply::QueueDesc(_) => Kind::QueueDescReply,
        StatsReply::FlowMonitor(_) if v < Version::V13 => Kind::NxFlowMonitorReply,
        StatsReply::FlowMonitor(_) => Kind::FlowMonitorReply,
        StatsReply::IpfixBridge(_) => Kind::IpfixBridgeReply,
        StatsReply::IpfixFlow(_) => Kind::IpfixFlowReply,
    }
}

/// Calls `part` with the bytes of each entry.
pub(crate) fn write_reply(
    kind: Kind,
    s: &StatsReply,
    v: Version,
    part: &mut dyn FnMut(&[u8]) -> Encoded<()>,
) -> Encoded<()> {
    fn each<T>(
        items: &[T],
        part: &mut dyn FnMut(&[u8]) -> Encoded<()>,
        mut one: impl FnMut(&mut Writer, &T) -> Encoded<()>,
    ) -> Encoded<()> {
        for item in items {
            let mut w = Writer::default();
            one(&mut w, item)?;
            part(&w.bytes)?;
        }
        Ok(())
    }
    let nxm = matches!(kind, Kind::NxFlowReply);
    let form = monitor::Form::of(kind, v);
    match s {
        StatsReply::Desc(d) => each(std::slice::from_ref(d), part, |w, d| {
            switch::write_desc(w, d);
            Ok(())
        }),
        StatsReply::Flow(flows) => each(flows, part, |w, f| flow::write_stats(w, f, v, nxm)),
        StatsReply::Aggregate(a) => each(&[*a], part, |w, a| {
            flow::write_aggregate(w, a, v);
            Ok(())
        }),
        StatsReply::Table(tables) => each(tables, part, |w, t| {
            table::write_stats(w, t, v);
            Ok(())
        }),
        StatsReply::Port(ports) => each(ports, part, |w, p| port::write_stats(w, p, v)),
        StatsReply::Queue(queues) => each(queues, part, |w, q| port::write_queue_stats(w, q, v)),
        StatsReply::Group(groups) => each(groups, part, |w, g| {
            group::write_stats(w, g, v);
            Ok(())
        }),
        StatsReply::GroupDesc(groups) => each(groups, part, |w, g| group::write_desc(w, g, v)),
        StatsReply::GroupFeatures(f) => each(&[*f], part, |w, f| {
            group::write_features(w, f, v);
            Ok(())
        }),
        StatsReply::Meter(meters) => each(meters, part, |w, m| {
            meter::write_stats(w, m);
            Ok(())
        }),
        StatsReply::MeterConfig(meters) => each(meters, part, |w, m| {
            meter::write_config(w, m);
            Ok(())
        }),
        StatsReply::MeterFeatures(f) => each(&[*f], part, |w, f| {
            meter::write_features(w, f);
            Ok(())
        }),
        StatsReply::TableFeatures(tables) => each(tables, part, |w, t| {
            table::write_features(w, t, v);
            Ok(())
        }),
        StatsReply::PortDesc(ports) => each(ports, part, |w, p| port::write_port(w, p, v)),
        StatsReply::TableDesc(tables) => each(tables, part, |w, t| {
            table::write_desc(w, t);
            Ok(())
        }),
        StatsReply::QueueDesc(queues) => each(queues, part, |w, q| {
            port::write_queue_config(w, q, v);
            Ok(())
        }),
        StatsReply::FlowMonitor(updates) => each(updates, part, |w, u| monitor::write_update(w, u, v, form)),
        StatsReply::IpfixBridge(s) => each(&[*s], part, |w, s| {
            write_ipfix(w, s);
            Ok(())
        }),
        StatsReply::IpfixFlow(all) => each(all, part, |w, s| {
            write_ipfix(w, s);
            Ok(())
        }),
    }
}

fn read_ipfix(r: &mut Reader<'_>) -> Decoded<IpfixStats> {
    let wire: &IpfixWire = r.get("IPFIX stats")?;
    Ok(IpfixStats {
        collector_set_id: wire.collector_set_id.get(),
        total_flows: wire.total_flows.get(),
        current_flows: wire.current_flows.get(),
        packets: wire.packets.get(),
        ipv4_packets: wire.ipv4_packets.get(),
        ipv6_packets: wire.ipv6_packets.get(),
        error_packets: wire.error_packets.get(),
        ipv4_error_packets: wire.ipv4_error_packets.get(),
        ipv6_error_packets: wire.ipv6_error_packets.get(),
        tx_packets: wire.tx_packets.get(),
        tx_errors: wire.tx_errors.get(),
    })
}

fn write_ipfix(w: &mut Writer, s: &IpfixStats) {
    w.put(&IpfixWire {
        total_flows: s.total_flows.into(),
        current_flows: s.current_flows.into(),
        packets: s.packets.into(),
        ipv4_packets: s.ipv4_packets.into(),
        ipv6_packets: s.ipv6_packets.into(),
        error_packets: s.error_packets.into(),
        ipv4_error_packets: s.ipv4_error_packets.into(),
        ipv6_error_packets: s.ipv6_error_packets.into(),
        tx_packets: s.tx_packets.into(),
        tx_errors: s.tx_errors.into(),
        collector_set_id: s.collector_set_id.into(),
        pad: [0; 4],
    });
}

/// QUEUE_GET_CONFIG (before 1.4): the port, and the queues of a reply.
/// Ports of the switch have queues, reserved ones have none.
pub(crate) fn with_queues(port: weft_flow::OfPort) -> Decoded<weft_flow::OfPort> {
    match port {
        weft_flow::OfPort::NONE => Ok(port),
        port if port.0 < weft_flow::OfPort::MAX.0 => Ok(port),
        _ => bad(ErrorCode::OFPQOFC_BAD_PORT, format!("port {} has no queues", port.0)),
    }
}

pub(crate) fn read_get_config_port(r: &mut Reader<'_>, v: Version, reply: bool) -> Decoded<weft_flow::OfPort> {
    if v == Version::V10 && !reply {
        let port = weft_flow::OfPort::from_u16(r.get::<U16>("port")?.get());
        r.skip(2, "padding")?;
        return Ok(port);
    }
    port::read_port_number(r, v)
}

pub(crate) fn write_get_config_port(w: &mut Writer, p: weft_flow::OfPort, v: Version, reply: bool) -> Encoded<()> {
    if v >= Version::V14 {
        return cannot(v, "a queue configuration request");
    }
    if v == Version::V10 && !reply {
        w.put(&flow::port16(p, v)?);
        w.zeros(2);
        return Ok(());
    }
    port::write_port_number(w, p, v)
}
