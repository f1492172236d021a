//! Messages to bytes and back, for either side of a connection.
//!
//! ```text
//! bytes --Framer--> one message's bytes --decode--> Incoming { version, xid, name, message }
//! Message --encode--> bytes (several messages where an answer is longer than 64 KiB)
//! ```
//! A [`Dialect`] says what the two sides agreed on. Invariants: whatever bytes come in, the result is a message or an
//! error with the code that goes back; what is decoded and encoded again means the same.

pub(crate) mod kind;
mod stream;
#[cfg(test)]
mod tests;

pub use kind::Kind;
pub use stream::{Framer, Reassembler};

use weft_flow::Match;
use zerocopy::FromBytes;
use zerocopy::byteorder::big_endian::{U16, U32};

use crate::bundle::{BundleAdd, BundleControl, BundleControlKind, BundleFlags};
use crate::error::{ErrorCode, ErrorMessage, ErrorWire};
use crate::ids::{Version, Xid};
use crate::instruction::Instructions;
use crate::message::{FlowFormat, Message};
use crate::packet::PacketInFormat;
use crate::wire::buf::{Decoded, Encoded, Reader, Writer, bad, cannot};
use crate::wire::oxm::Unknown;
use crate::wire::{
    DecodeError, EncodeError, action, controller, flow, group, instruction, match10, match11, meter, multipart, oxm,
    packet, port, switch, table,
};
use kind::{HeaderWire, Identity};

/// What the two sides of a connection agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dialect {
    /// The version.
    pub version: Version,
    /// 1.0: flows in Nicira's form (NXT_SET_FLOW_FORMAT, or the request came in it).
    pub nxm: bool,
    /// 1.0: flow mods carry a table (NXT_FLOW_MOD_TABLE_ID).
    pub flow_mod_table_id: bool,
    /// Which packet-in to send.
    pub packet_in: PacketInFormat,
}

impl Dialect {
    /// A version as it is before anything was negotiated.
    pub fn new(version: Version) -> Dialect {
        Dialect { version, nxm: false, flow_mod_table_id: false, packet_in: PacketInFormat::Standard }
    }

    /// The dialect in which a request wants its answer.
    pub fn answering(self, request: &Incoming) -> Dialect {
        Dialect { nxm: self.nxm || matches!(request.kind, Kind::NxFlowRequest | Kind::NxAggregateRequest), ..self }
            .exactly(request)
    }

    /// A plain request gets a plain answer, whatever the flow format.
    fn exactly(self, request: &Incoming) -> Dialect {
        match request.kind {
            Kind::FlowRequest | Kind::AggregateRequest => Dialect { nxm: false, ..self },
            _ => self,
        }
    }
}

/// A message that came in.
#[derive(Clone, PartialEq, Debug)]
pub struct Incoming {
    /// Its version.
    pub version: Version,
    /// Its transaction id.
    pub xid: Xid,
    /// Which of the forms of its meaning it had.
    pub kind: Kind,
    /// What it says.
    pub message: Message,
}

/// The version that both sides speak, newest first; the arguments are bitmaps of [`Version::bit`].
pub fn negotiate(ours: u32, theirs: u32) -> Option<Version> {
    Version::ALL.into_iter().rev().find(|v| ours & theirs & v.bit() != 0)
}

/// Which kind of message these bytes are, even if their body makes no sense.
pub fn kind_of(bytes: &[u8]) -> Result<Kind, DecodeError> {
    let (version, _) = version_of(bytes)?;
    Ok(kind::identify(bytes, version)?.kind)
}

/// As [`kind_of`], of a message of which only the start is there.
pub fn kind_of_start(bytes: &[u8]) -> Option<Kind> {
    let version = bytes.first().and_then(|v| Version::from_wire(*v))?;
    Some(kind::identify(bytes, version).ok()?.kind)
}

/// The version and transaction id of a message. A HELLO of a version from the future counts as our newest.
fn version_of(bytes: &[u8]) -> Decoded<(Version, Xid)> {
    let Ok((header, _)) = HeaderWire::ref_from_prefix(bytes) else {
        return bad(ErrorCode::OFPBRC_BAD_LEN, "a message has 8 bytes at least");
    };
    if usize::from(header.len.get()) != bytes.len() {
        return bad(ErrorCode::OFPBRC_BAD_LEN, format!("length {} of {} bytes", header.len, bytes.len()));
    }
    let xid = Xid(header.xid.get());
    match Version::from_wire(header.version) {
        Some(version) => Ok((version, xid)),
        None if header.kind == 0 && header.version > Version::V15 as u8 => Ok((Version::V15, xid)),
        None => bad(ErrorCode::OFPBRC_BAD_VERSION, format!("version {:#04x} is unknown", header.version)),
    }
}

/// Decodes one whole message.
pub fn decode(bytes: &[u8], dialect: &Dialect) -> Result<Incoming, DecodeError> {
    decode_nested(bytes, dialect, 0)
}

fn decode_nested(bytes: &[u8], dialect: &Dialect, depth: u8) -> Decoded<Incoming> {
    let (version, xid) = version_of(bytes)?;
    let Identity { kind, more, body: mut r } = kind::identify(bytes, version)?;
    let message = match kind.stats_direction(version) {
        Some(false) => Message::StatsRequest(multipart::read_request(kind, &mut r, version)?),
        Some(true) => Message::StatsReply { body: multipart::read_reply(kind, &mut r, version)?, more },
        None => read_body(kind, &mut r, version, xid, dialect, depth, bytes[0])?,
    };
    if !r.is_empty() {
        return bad(ErrorCode::OFPBRC_BAD_LEN, format!("{} has {} bytes too many", kind.name(), r.len()));
    }
    Ok(Incoming { version, xid, kind, message })
}

fn read_body(
    kind: Kind,
    r: &mut Reader<'_>,
    v: Version,
    xid: Xid,
    dialect: &Dialect,
    depth: u8,
    raw_version: u8,
) -> Decoded<Message> {
    Ok(match kind {
        Kind::Hello => Message::Hello { versions: read_hello(r, raw_version)? },
        Kind::Error => Message::Error(read_error(r, v)?),
        Kind::EchoRequest => Message::EchoRequest(r.take_rest().to_vec()),
        Kind::EchoReply => Message::EchoReply(r.take_rest().to_vec()),
        Kind::FeaturesRequest => Message::FeaturesRequest,
        Kind::FeaturesReply => Message::FeaturesReply(switch::read_features(r, v)?),
        Kind::GetConfigRequest => Message::GetConfigRequest,
        Kind::GetConfigReply => Message::GetConfigReply(switch::read_config(r, v, false)?),
        Kind::SetConfig => Message::SetConfig(switch::read_config(r, v, true)?),
        Kind::PacketIn => Message::PacketIn(packet::read_in(r, v)?),
        Kind::NxPacketIn => Message::PacketIn(packet::read_nx_in(r)?),
        Kind::NxPacketIn2 => Message::PacketIn(packet::read_nx_in2(r)?),
        Kind::Resume => Message::Resume(packet::read_nx_in2(r)?),
        Kind::FlowRemoved => Message::FlowRemoved(flow::read_removed(r, v)?),
        Kind::NxFlowRemoved => Message::FlowRemoved(flow::read_nx_removed(r)?),
        Kind::PortStatus => Message::PortStatus(port::read_status(r, v)?),
        Kind::PacketOut => Message::PacketOut(packet::read_out(r, v)?),
        Kind::FlowMod if v == Version::V10 => Message::FlowMod(flow::read_mod10(r, dialect)?),
        Kind::FlowMod => Message::FlowMod(flow::read_mod11(r, v)?),
        Kind::NxFlowMod => Message::FlowMod(flow::read_nx_mod(r, dialect)?),
        Kind::GroupMod => Message::GroupMod(group::read_mod(r, v)?),
        Kind::PortMod => Message::PortMod(port::read_mod(r, v)?),
        Kind::TableMod => Message::TableMod(table::read_mod(r, v)?),
        Kind::MeterMod => Message::MeterMod(meter::read_mod(r)?),
        Kind::BarrierRequest => Message::BarrierRequest,
        Kind::BarrierReply => Message::BarrierReply,
        Kind::QueueGetConfigRequest => Message::QueueGetConfigRequest {
            port: multipart::read_get_config_port(r, v, false)?,
            queue: crate::QueueId::ALL,
        },
        Kind::QueueGetConfigReply => {
            let port = multipart::read_get_config_port(r, v, true)?;
            let mut queues = Vec::new();
            while !r.is_empty() {
                queues.push(port::read_queue_config(r, v, port)?);
            }
            Message::QueueGetConfigReply { port, queues }
        }
        Kind::RoleRequest => Message::RoleRequest(controller::read_role(r)?),
        Kind::RoleReply => Message::RoleReply(controller::read_role(r)?),
        Kind::NxRoleRequest => Message::RoleRequest(controller::read_nx_role(r)?),
        Kind::NxRoleReply => Message::RoleReply(controller::read_nx_role(r)?),
        Kind::RoleStatus | Kind::OnfRoleStatus => Message::RoleStatus(controller::read_role_status(r)?),
        Kind::GetAsyncRequest => Message::GetAsyncRequest,
        Kind::GetAsyncReply if v == Version::V13 => Message::GetAsyncReply(controller::read_async13(r)?),
        Kind::GetAsyncReply => Message::GetAsyncReply(controller::read_async14(r)?),
        Kind::SetAsync if v == Version::V13 => Message::SetAsync(controller::read_async13(r)?),
        Kind::NxSetAsync => Message::SetAsync(controller::read_async13(r)?),
        Kind::SetAsync | Kind::NxSetAsync2 => Message::SetAsync(controller::read_async14(r)?),
        Kind::TableStatus => Message::TableStatus(table::read_status(r)?),
        Kind::RequestForward | Kind::NxRequestForward => {
            let inner = read_inner(r, v, dialect, depth, ErrorCode::OFPBRC_BAD_LEN)?;
            if !matches!(inner.message, Message::GroupMod(_) | Message::MeterMod(_)) {
                return bad(ErrorCode::OFPBRC_BAD_TYPE, "only group and meter changes are forwarded");
            }
            Message::RequestForward { xid: inner.xid, message: Box::new(inner.message) }
        }
        Kind::BundleControl | Kind::OnfBundleControl => Message::BundleControl(read_bundle_control(r)?),
        Kind::BundleAdd | Kind::OnfBundleAdd => Message::BundleAdd(read_bundle_add(r, v, xid, dialect, depth)?),
        Kind::SetFlowFormat => Message::SetFlowFormat(match r.get::<U32>("flow format")?.get() {
            0 => FlowFormat::OpenFlow10,
            2 => FlowFormat::Nxm,
            n => return bad(ErrorCode::OFPBRC_EPERM, format!("unknown flow format {n}")),
        }),
        Kind::FlowModTableId => Message::FlowModTableId(r.bytes(8, "flow_mod_table_id")?[0] != 0),
        Kind::SetPacketInFormat => Message::SetPacketInFormat(match r.get::<U32>("packet-in format")?.get() {
            0 => PacketInFormat::Standard,
            1 => PacketInFormat::Nxt,
            2 => PacketInFormat::Nxt2,
            n => return bad(ErrorCode::OFPBRC_EPERM, format!("unknown packet-in format {n}")),
        }),
        Kind::SetControllerId => {
            if r.bytes(6, "padding")?.iter().any(|&b| b != 0) {
                return bad(ErrorCode::NXBRC_MUST_BE_ZERO, "padding is not zero");
            }
            Message::SetControllerId(r.get::<U16>("controller id")?.get())
        }
        Kind::FlowAge => Message::FlowAge,
        Kind::TlvTableMod => Message::TlvTableMod(switch::read_tlv_mod(r)?),
        Kind::TlvTableRequest => Message::TlvTableRequest,
        Kind::TlvTableReply => Message::TlvTableReply(switch::read_tlv_table(r)?),
        Kind::FlowMonitorCancel => Message::FlowMonitorCancel(r.get::<U32>("monitor id")?.get()),
        Kind::FlowMonitorPaused | Kind::OnfFlowMonitorPaused => Message::FlowMonitorPaused,
        Kind::FlowMonitorResumed | Kind::OnfFlowMonitorResumed => Message::FlowMonitorResumed,
        Kind::CtFlushZone => {
            if r.bytes(6, "padding")?.iter().any(|&b| b != 0) {
                return bad(ErrorCode::NXBRC_MUST_BE_ZERO, "padding is not zero");
            }
            Message::CtFlushZone(r.get::<U16>("zone")?.get())
        }
        _ => return bad(ErrorCode::OFPBRC_BAD_TYPE, "statistics are read elsewhere"),
    })
}

/// A HELLO's versions: the bitmap if there is one, else everything up to its own version.
fn read_hello(r: &mut Reader<'_>, version: u8) -> Decoded<u32> {
    let up_to = |version: u8| Version::ALL.iter().filter(|v| **v as u8 <= version).fold(0, |bits, v| bits | v.bit());
    let mut versions = None;
    while r.len() >= 4 {
        let (kind, len) = (r.get::<U16>("hello element")?.get(), r.get::<U16>("hello element")?.get());
        let Some(body_len) = usize::from(len).checked_sub(4) else { break };
        let Ok(mut body) = r.sub(body_len, "hello element") else { break };
        let pad = usize::from(len).next_multiple_of(8) - usize::from(len);
        r.skip(pad.min(r.len()), "padding")?;
        if kind == VERSION_BITMAP && versions.is_none() {
            versions = Some(body.get::<U32>("version bitmap").map_or(0, |bits| bits.get()));
        }
    }
    r.take_rest();
    Ok(versions.filter(|bits| *bits != 0).unwrap_or_else(|| up_to(version)))
}

const VERSION_BITMAP: u16 = 1;

const NICIRA_ERROR: u16 = 0xb0c2;
const EXPERIMENTER_ERROR: u16 = 0xffff;

fn read_error(r: &mut Reader<'_>, v: Version) -> Decoded<ErrorMessage> {
    let (kind, code) = (r.get::<U16>("error type")?.get(), r.get::<U16>("error code")?.get());
    let wire = match kind {
        NICIRA_ERROR => {
            let vendor = r.get::<U32>("error's vendor")?.get();
            let inner = ErrorWire::Nicira(r.get::<U16>("error type")?.get(), r.get::<U16>("error code")?.get());
            if vendor != crate::wire::NICIRA {
                return bad(ErrorCode::OFPBRC_BAD_VENDOR, format!("error of unknown vendor {vendor:#x}"));
            }
            inner
        }
        EXPERIMENTER_ERROR => ErrorWire::Experimenter(r.get::<U32>("error's experimenter")?.get(), code),
        _ => ErrorWire::Standard(kind, code),
    };
    let Some(code) = ErrorCode::from_wire(v, wire) else {
        return bad(ErrorCode::OFPBRC_BAD_SUBTYPE, format!("unknown error {wire:?}"));
    };
    Ok(ErrorMessage { code, data: r.take_rest().to_vec() })
}

/// A whole message inside another.
fn read_inner(r: &mut Reader<'_>, v: Version, dialect: &Dialect, depth: u8, short: ErrorCode) -> Decoded<Incoming> {
    if depth > 0 {
        return bad(ErrorCode::OFPBFC_MSG_UNSUP, "messages are nested once only");
    }
    let Ok(header) = r.peek::<HeaderWire>("inner message") else { return bad(short, "the inner message is cut") };
    if header.version != v as u8 {
        return bad(ErrorCode::OFPBFC_BAD_VERSION, "the inner message is of another version");
    }
    let len = usize::from(header.len.get());
    if len < size_of::<HeaderWire>() || len > r.len() {
        return bad(short, format!("an inner message of {len} bytes"));
    }
    decode_nested(r.bytes(len, "inner message")?, dialect, depth + 1)
}

fn read_bundle_control(r: &mut Reader<'_>) -> Decoded<BundleControl> {
    use BundleControlKind as K;
    let id = r.get::<U32>("bundle id")?.get();
    let number = r.get::<U16>("bundle control")?.get();
    let bits = r.get::<U16>("bundle flags")?.get();
    r.take_rest();
    let kinds = [
        K::OpenRequest,
        K::OpenReply,
        K::CloseRequest,
        K::CloseReply,
        K::CommitRequest,
        K::CommitReply,
        K::DiscardRequest,
        K::DiscardReply,
    ];
    let Some(kind) = kinds.get(usize::from(number)) else {
        return bad(ErrorCode::OFPBFC_BAD_TYPE, format!("unknown bundle control {number}"));
    };
    let Some(flags) = BundleFlags::from_bits(bits) else {
        return bad(ErrorCode::OFPBFC_BAD_FLAGS, format!("unknown bundle flags {bits:#x}"));
    };
    Ok(BundleControl { id, kind: *kind, flags })
}

fn read_bundle_add(r: &mut Reader<'_>, v: Version, xid: Xid, dialect: &Dialect, depth: u8) -> Decoded<BundleAdd> {
    let id = r.get::<U32>("bundle id")?.get();
    r.skip(2, "padding")?;
    let bits = r.get::<U16>("bundle flags")?.get();
    let Some(flags) = BundleFlags::from_bits(bits) else {
        return bad(ErrorCode::OFPBFC_BAD_FLAGS, format!("unknown bundle flags {bits:#x}"));
    };
    let inner = read_inner(r, v, dialect, depth, ErrorCode::OFPBFC_MSG_BAD_LEN)?;
    r.take_rest();
    if inner.xid != xid {
        return bad(ErrorCode::OFPBFC_MSG_BAD_XID, "inner and outer transaction ids differ");
    }
    let known = matches!(
        inner.message,
        Message::FlowMod(_) | Message::GroupMod(_) | Message::PortMod(_) | Message::PacketOut(_)
    );
    if !known {
        return bad(ErrorCode::OFPBFC_MSG_UNSUP, format!("{} in a bundle", inner.kind.name()));
    }
    Ok(BundleAdd { id, flags, xid: inner.xid, message: Box::new(inner.message) })
}

/// Encodes a message. A statistics reply longer than a message becomes several in a row.
pub fn encode(message: &Message, xid: Xid, dialect: &Dialect) -> Result<Vec<u8>, EncodeError> {
    let mut w = Writer::default();
    match message {
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
        Message::FlowMod(m) if v10 && flow::wants_nxm(dialect, &m.matching, m.cookie_mask) => Kind::NxFlowMod,
        Message::FlowMod(_) => Kind::FlowMod,
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
        Message::SetAsync(_) if v < Version::V13 => Kind::NxSetAsync,
        Message::SetAsync(_) => Kind::SetAsync,
        Message::TableStatus(_) => Kind::TableStatus,
        Message::RequestForward { .. } if v < Version::V14 => Kind::NxRequestForward,
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
        Message::FlowMonitorCancel(_) => Kind::FlowMonitorCancel,
        Message::FlowMonitorPaused if v >= Version::V13 => Kind::OnfFlowMonitorPaused,
        Message::FlowMonitorPaused => Kind::FlowMonitorPaused,
        Message::FlowMonitorResumed if v >= Version::V13 => Kind::OnfFlowMonitorResumed,
        Message::FlowMonitorResumed => Kind::FlowMonitorResumed,
        Message::CtFlushZone(_) => Kind::CtFlushZone,
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
        Message::FlowMod(m) if kind == Kind::NxFlowMod => flow::write_nx_mod(w, m, dialect)?,
        Message::FlowMod(m) if v == Version::V10 => flow::write_mod10(w, m, dialect)?,
        Message::FlowMod(m) => flow::write_mod11(w, m, v)?,
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

/// The error message that answers a bad message: its code, and as much of the message as the error carries.
pub fn error_reply(code: ErrorCode, offending: &[u8]) -> Message {
    Message::Error(ErrorMessage { code, data: offending[..offending.len().min(ERROR_DATA)].to_vec() })
}

/// How much of a bad message an error brings back: at least 64 bytes by the specification.
const ERROR_DATA: usize = 64;

/// A match from bare TLVs, with Nicira's cookie and its mask. `strict`: unknown fields are errors.
pub fn match_from_oxm(bytes: &[u8], strict: bool) -> Result<(Match, Option<(u64, u64)>), ErrorCode> {
    let unknown = if strict { Unknown::Refuse } else { Unknown::SkipButCheck };
    oxm::read_match(bytes, unknown).map_err(|error| error.code)
}

/// The inverse of [`match_from_oxm`]; `version` `None` is NXM.
pub fn match_to_oxm(m: &Match, cookie: Option<(u64, u64)>, version: Option<Version>) -> Vec<u8> {
    let mut w = Writer::default();
    oxm::write_match(&mut w, m, version);
    if let Some((value, mask)) = cookie {
        oxm::write_nx_cookie(&mut w, value, mask);
    }
    w.bytes
}

/// OpenFlow 1.0's or 1.1's fixed match.
pub fn fixed_match_from_wire(bytes: &[u8], version: Version) -> Result<Match, ErrorCode> {
    let mut r = Reader::new(bytes, ErrorCode::OFPBMC_BAD_LEN);
    let matching = match version {
        Version::V10 => r.get("match").map(match10::read),
        _ => r.get("match").and_then(match11::read),
    };
    matching.map_err(|error| error.code)
}

/// A list of actions (in 1.0: what stands for instructions too).
pub fn actions_from_wire(bytes: &[u8], version: Version) -> Result<Instructions, ErrorCode> {
    if !bytes.len().is_multiple_of(8) {
        return Err(ErrorCode::OFPBRC_BAD_LEN);
    }
    let read = match version {
        Version::V10 => instruction::read(bytes, version),
        _ => action::read_list(bytes, version).map(Instructions::apply),
    };
    read.map_err(|error| error.code)
}

/// A list of instructions.
pub fn instructions_from_wire(bytes: &[u8], version: Version) -> Result<Instructions, ErrorCode> {
    if !bytes.len().is_multiple_of(8) {
        return Err(ErrorCode::OFPBIC_BAD_LEN);
    }
    instruction::read(bytes, version).map_err(|error| error.code)
}
