//! Messages to bytes: which form a message takes in a dialect, then its body.
//!
//! A statistics reply longer than a message becomes several in a row, all but the last marked "more".

use zerocopy::byteorder::big_endian::{U16, U32};

use super::kind::{self, Kind};
use super::{Dialect, EXPERIMENTER_ERROR, NICIRA_ERROR, VERSION_BITMAP};
use crate::error::{ErrorMessage, ErrorWire};
use crate::flow::FlowMod;
use crate::ids::{Version, Xid};
use crate::message::{FlowFormat, Message, StatsRequest};
use crate::packet::PacketInFormat;
use crate::table::TableFeatures;
use crate::wire::buf::{Encoded, Writer, cannot};
use crate::wire::{EncodeError, conntrack, controller, flow, group, meter, multipart, packet, port, switch, table};

/// Encodes a message. A statistics reply longer than a message becomes several in a row.
pub fn encode(message: &Message, xid: Xid, dialect: &Dialect) -> Result<Vec<u8>, EncodeError> {
    let mut w = Writer { bytes: Vec::with_capacity(192) };
    match message {
        Message::StatsRequest(StatsRequest::TableFeatures(tables)) if !tables.is_empty() => {
            write_tables(&mut w, tables, xid, dialect.version)?;
        }
        Message::StatsRequest(q) => {
            let kind = multipart::request_kind(q, dialect.version, dialect.nxm);
            let start = kind::open(&mut w, kind, dialect.version, xid.0, false)?;
            multipart::write_request(&mut w, kind, q, dialect.version)?;
            kind::close(&mut w, start, kind, dialect.version)?;
        }
        Message::StatsReply { body, more } => write_reply(&mut w, body, *more, xid, dialect)?,
        _ => {
            let kind = kind_for(message, dialect);
            let start = kind::open(&mut w, kind, dialect.version, xid.0, false)?;
            write_body(&mut w, kind, message, dialect)?;
            kind::close(&mut w, start, kind, dialect.version)?;
        }
    }
    Ok(w.bytes)
}

/// Appends a flow mod, which for those who send many need be neither a [`Message`] nor bytes of its own.
///
/// # Errors
/// If the version cannot say it; then nothing is appended.
pub fn encode_flow_mod(todo: &FlowMod, xid: Xid, dialect: &Dialect, to: &mut Vec<u8>) -> Result<(), EncodeError> {
    let mut w = Writer { bytes: std::mem::take(to) };
    let before = w.len();
    let kind = flow_mod_kind(todo, dialect);
    let outcome = kind::open(&mut w, kind, dialect.version, xid.0, false).and_then(|start| {
        write_flow_mod(&mut w, kind, todo, dialect)?;
        kind::close(&mut w, start, kind, dialect.version)
    });
    *to = w.bytes;
    if outcome.is_err() {
        to.truncate(before);
    }
    outcome
}

fn flow_mod_kind(todo: &FlowMod, dialect: &Dialect) -> Kind {
    match dialect.version == Version::V10 && flow::wants_nxm(dialect, &todo.matching, todo.cookie_mask) {
        true => Kind::NxFlowMod,
        false => Kind::FlowMod,
    }
}

fn write_flow_mod(w: &mut Writer, kind: Kind, todo: &FlowMod, dialect: &Dialect) -> Encoded<()> {
    match dialect.version {
        _ if kind == Kind::NxFlowMod => flow::write_nx_mod(w, todo, dialect),
        Version::V10 => flow::write_mod10(w, todo, dialect),
        later => flow::write_mod11(w, todo, later),
    }
}

/// The most that a part of a reply holds.
const MAX_MESSAGE: usize = 0xffff;

fn write_reply(
    w: &mut Writer,
    body: &crate::message::StatsReply,
    more: bool,
    xid: Xid,
    dialect: &Dialect,
) -> Encoded<()> {
    let v = dialect.version;
    let kind = multipart::reply_kind(body, v, dialect.nxm);
    let mut start = kind::open(w, kind, v, xid.0, more)?;
    let empty = w.len() - start;
    multipart::write_reply(kind, body, v, &mut |entry| {
        if w.len() - start + entry.len() > MAX_MESSAGE && w.len() - start > empty {
            // The flags stand behind the statistics number, two bytes behind the header.
            w.set_u16(start + 10, 1);
            kind::close(w, start, kind, v)?;
            start = kind::open(w, kind, v, xid.0, more)?;
        }
        w.slice(entry);
        Ok(())
    })?;
    kind::close(w, start, kind, v)
}

/// A request that says what all tables shall be is longer than a message.
fn write_tables(w: &mut Writer, tables: &[TableFeatures], xid: Xid, v: Version) -> Encoded<()> {
    let kind = Kind::TableFeaturesRequest;
    let mut start = kind::open(w, kind, v, xid.0, false)?;
    for one in tables {
        let mut entry = Writer::default();
        table::write_features(&mut entry, one, v);
        if w.len() - start + entry.len() > MAX_MESSAGE {
            w.set_u16(start + 10, 1);
            kind::close(w, start, kind, v)?;
            start = kind::open(w, kind, v, xid.0, false)?;
        }
        w.slice(&entry.bytes);
    }
    kind::close(w, start, kind, v)
}

/// Which form a message takes.
pub(crate) fn kind_for(message: &Message, dialect: &Dialect) -> Kind {
    let v = dialect.version;
    let v10 = v == Version::V10;
    match message {
        Message::Hello { .. } => Kind::Hello,
        Message::Error(_) => Kind::Error,
        Message::EchoRequest(_) => Kind::EchoRequest,
        Message::EchoReply(_) => Kind::EchoReply,
        Message::FeaturesRequest => Kind::FeaturesRequest,
        Message::FeaturesReply(_) => Kind::FeaturesReply,
        Message::GetConfigRequest => Kind::GetConfigRequest,
        Message::GetConfigReply(_) => Kind::GetConfigReply,
        Message::SetConfig(_) => Kind::SetConfig,
        Message::PacketIn(_) => match dialect.packet_in {
            PacketInFormat::Standard => Kind::PacketIn,
            PacketInFormat::Nxt => Kind::NxPacketIn,
            PacketInFormat::Nxt2 => Kind::NxPacketIn2,
        },
        Message::FlowRemoved(_) if v10 && dialect.nxm => Kind::NxFlowRemoved,
        Message::FlowRemoved(_) => Kind::FlowRemoved,
        Message::PortStatus(_) => Kind::PortStatus,
        Message::PacketOut(_) => Kind::PacketOut,
        Message::FlowMod(m) => flow_mod_kind(m, dialect),
        Message::GroupMod(_) => Kind::GroupMod,
        Message::PortMod(_) => Kind::PortMod,
        Message::TableMod(_) => Kind::TableMod,
        Message::MeterMod(_) => Kind::MeterMod,
        Message::BarrierRequest => Kind::BarrierRequest,
        Message::BarrierReply => Kind::BarrierReply,
        Message::QueueGetConfigRequest { .. } => Kind::QueueGetConfigRequest,
        Message::QueueGetConfigReply { .. } => Kind::QueueGetConfigReply,
        Message::RoleRequest(_) if v < Version::V12 => Kind::NxRoleRequest,
        Message::RoleRequest(_) => Kind::RoleRequest,
        Message::RoleReply(_) if v < Version::V12 => Kind::NxRoleReply,
        Message::RoleReply(_) => Kind::RoleReply,
        Message::RoleStatus(_) if v < Version::V14 => Kind::OnfRoleStatus,
        Message::RoleStatus(_) => Kind::RoleStatus,
        Message::GetAsyncRequest => Kind::GetAsyncRequest,
        Message::GetAsyncReply(_) => Kind::GetAsyncReply,
        Message::SetAsync(a) if v < Version::V14 && !controller::says_async13(a) => Kind::NxSetAsync2,
        Message::SetAsync(_) if v < Version::V13 => Kind::NxSetAsync,
        Message::SetAsync(_) => Kind::SetAsync,
        Message::TableStatus(_) => Kind::TableStatus,
        Message::RequestForward { .. } if v == Version::V13 => Kind::OnfRequestForward,
        Message::RequestForward { .. } if v < Version::V13 => Kind::NxRequestForward,
        Message::RequestForward { .. } => Kind::RequestForward,
        Message::BundleControl(_) if v == Version::V13 => Kind::OnfBundleControl,
        Message::BundleControl(_) => Kind::BundleControl,
        Message::BundleAdd(_) if v == Version::V13 => Kind::OnfBundleAdd,
        Message::BundleAdd(_) => Kind::BundleAdd,
        Message::SetFlowFormat(_) => Kind::SetFlowFormat,
        Message::FlowModTableId(_) => Kind::FlowModTableId,
        Message::SetPacketInFormat(_) => Kind::SetPacketInFormat,
        Message::SetControllerId(_) => Kind::SetControllerId,
        Message::FlowAge => Kind::FlowAge,
        Message::Resume(_) => Kind::Resume,
        Message::TlvTableMod(_) => Kind::TlvTableMod,
        Message::TlvTableRequest => Kind::TlvTableRequest,
        Message::TlvTableReply(_) => Kind::TlvTableReply,
        Message::FlowMonitorCancel(_) if v >= Version::V13 => Kind::OnfFlowMonitorCancel,
        Message::FlowMonitorCancel(_) => Kind::FlowMonitorCancel,
        Message::FlowMonitorPaused if v >= Version::V13 => Kind::OnfFlowMonitorPaused,
        Message::FlowMonitorPaused => Kind::FlowMonitorPaused,
        Message::FlowMonitorResumed if v >= Version::V13 => Kind::OnfFlowMonitorResumed,
        Message::FlowMonitorResumed => Kind::FlowMonitorResumed,
        Message::CtFlushZone(_) => Kind::CtFlushZone,
        Message::CtFlush(_) => Kind::CtFlush,
        // Written by their own code in `encode`.
        Message::StatsRequest(_) => Kind::DescRequest,
        Message::StatsReply { .. } => Kind::DescReply,
    }
}

fn write_body(w: &mut Writer, kind: Kind, message: &Message, dialect: &Dialect) -> Encoded<()> {
    let v = dialect.version;
    match message {
        Message::Hello { versions } => write_hello(w, *versions, v),
        Message::Error(e) => write_error(w, e, v),
        Message::EchoRequest(data) | Message::EchoReply(data) => w.slice(data),
        Message::FeaturesReply(f) => switch::write_features(w, f, v)?,
        Message::GetConfigReply(c) | Message::SetConfig(c) => switch::write_config(w, c, v),
        Message::PacketIn(p) => match kind {
            Kind::NxPacketIn => packet::write_nx_in(w, p, v),
            Kind::NxPacketIn2 => packet::write_nx_in2(w, p, v),
            _ => packet::write_in(w, p, v)?,
        },
        Message::Resume(p) => packet::write_nx_in2(w, p, v),
        Message::FlowRemoved(f) if kind == Kind::NxFlowRemoved => flow::write_nx_removed(w, f),
        Message::FlowRemoved(f) => flow::write_removed(w, f, v),
        Message::PortStatus(s) => port::write_status(w, s, v)?,
        Message::PacketOut(p) => packet::write_out(w, p, v)?,
        Message::FlowMod(m) => write_flow_mod(w, kind, m, dialect)?,
        Message::GroupMod(m) => group::write_mod(w, m, v)?,
        Message::PortMod(m) => port::write_mod(w, m, v)?,
        Message::TableMod(m) => table::write_mod(w, m, v),
        Message::MeterMod(m) => meter::write_mod(w, m),
        Message::QueueGetConfigRequest { port, .. } => multipart::write_get_config_port(w, *port, v, false)?,
        Message::QueueGetConfigReply { port, queues } => {
            multipart::write_get_config_port(w, *port, v, true)?;
            queues.iter().for_each(|q| port::write_queue_config(w, q, v));
        }
        Message::RoleRequest(m) | Message::RoleReply(m) if v < Version::V12 => controller::write_nx_role(w, m, v)?,
        Message::RoleRequest(m) => controller::write_role(w, m, false),
        Message::RoleReply(m) => controller::write_role(w, m, true),
        Message::RoleStatus(s) => controller::write_role_status(w, s),
        Message::SetAsync(a) if kind == Kind::NxSetAsync2 => controller::write_async14(w, a),
        Message::GetAsyncReply(a) | Message::SetAsync(a) if v < Version::V14 => controller::write_async13(w, a),
        Message::GetAsyncReply(a) | Message::SetAsync(a) => controller::write_async14(w, a),
        Message::TableStatus(s) => table::write_status(w, s),
        Message::RequestForward { xid, message } => w.slice(&encode(message, *xid, dialect)?),
        Message::BundleControl(c) => {
            w.put(&U32::new(c.id));
            w.put(&U16::new(c.kind as u16));
            w.put(&U16::new(c.flags.bits()));
        }
        Message::BundleAdd(b) => {
            w.put(&U32::new(b.id));
            w.zeros(2);
            w.put(&U16::new(b.flags.bits()));
            if matches!(*b.message, Message::BundleAdd(_)) {
                return cannot(v, "a bundle in a bundle");
            }
            w.slice(&encode(&b.message, b.xid, dialect)?);
        }
        Message::SetFlowFormat(f) => w.put(&U32::new(if *f == FlowFormat::Nxm { 2 } else { 0 })),
        Message::FlowModTableId(on) => w.slice(&[u8::from(*on), 0, 0, 0, 0, 0, 0, 0]),
        Message::SetPacketInFormat(f) => w.put(&U32::new(*f as u32)),
        Message::SetControllerId(id) => {
            w.zeros(6);
            w.put(&U16::new(*id));
        }
        Message::TlvTableMod(m) => switch::write_tlv_mod(w, m),
        Message::TlvTableReply(t) => switch::write_tlv_table(w, t),
        Message::FlowMonitorCancel(id) => w.put(&U32::new(*id)),
        Message::CtFlush(flush) => conntrack::write(w, flush),
        Message::CtFlushZone(zone) => {
            w.zeros(6);
            w.put(&U16::new(*zone));
        }
        Message::FeaturesRequest
        | Message::GetConfigRequest
        | Message::BarrierRequest
        | Message::BarrierReply
        | Message::GetAsyncRequest
        | Message::FlowAge
        | Message::TlvTableRequest
        | Message::FlowMonitorPaused
        | Message::FlowMonitorResumed
        | Message::StatsRequest(_)
        | Message::StatsReply { .. } => {}
    }
    Ok(())
}

/// The bitmap is left out where the version says it all: everything from 1.0 on.
fn write_hello(w: &mut Writer, versions: u32, v: Version) {
    let up_to = Version::ALL.iter().filter(|o| **o <= v).fold(0, |bits, o| bits | o.bit());
    if versions != up_to {
        w.put(&U16::new(VERSION_BITMAP));
        w.put(&U16::new(8));
        w.put(&U32::new(versions));
    }
}

fn write_error(w: &mut Writer, e: &ErrorMessage, v: Version) {
    match e.code.to_wire(v) {
        ErrorWire::Standard(kind, code) => {
            w.put(&U16::new(kind));
            w.put(&U16::new(code));
        }
        ErrorWire::Nicira(kind, code) => {
            w.put(&U16::new(NICIRA_ERROR));
            w.put(&U16::new(0));
            w.put(&U32::new(crate::wire::NICIRA));
            w.put(&U16::new(kind));
            w.put(&U16::new(code));
        }
        ErrorWire::Experimenter(vendor, kind) => {
            w.put(&U16::new(EXPERIMENTER_ERROR));
            w.put(&U16::new(kind));
            w.put(&U32::new(vendor));
        }
    }
    let room = MAX_MESSAGE - w.len();
    w.slice(&e.data[..e.data.len().min(room)]);
}
