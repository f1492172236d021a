//! Bytes to messages: one arm per kind, and the bodies too small for a file of their own.
//!
//! Invariant: a body is read to its end; bytes left over are an error of the message.

use zerocopy::byteorder::big_endian::{U16, U32};

use super::kind::{self, HeaderWire, Identity, Kind};
use super::{Dialect, EXPERIMENTER_ERROR, Incoming, NICIRA_ERROR, VERSION_BITMAP, lengths, version_of};
use crate::bundle::{BundleAdd, BundleControl, BundleControlKind, BundleFlags};
use crate::error::{ErrorCode, ErrorMessage, ErrorWire};
use crate::flow::FlowMod;
use crate::ids::{Version, Xid};
use crate::message::{FlowFormat, Message};
use crate::packet::PacketInFormat;
use crate::wire::buf::{Decoded, Reader, bad};
use crate::wire::multipart::Tolerance;
use crate::wire::{DecodeError, conntrack, controller, flow, group, meter, multipart, packet, port, switch, table};

/// Decodes one whole message.
pub fn decode(bytes: &[u8], dialect: &Dialect) -> Result<Incoming, DecodeError> {
    decode_nested(bytes, dialect, 0)
}

/// As [`decode`]; of a list with a bad entry what stands before it, and what is wrong.
pub fn decode_what_goes(bytes: &[u8], dialect: &Dialect) -> Result<(Incoming, Option<DecodeError>), DecodeError> {
    let mut tolerance = Tolerance { keep: true, error: None };
    let incoming = decode_with(bytes, dialect, 0, &mut tolerance)?;
    Ok((incoming, tolerance.error))
}

fn decode_nested(bytes: &[u8], dialect: &Dialect, depth: u8) -> Decoded<Incoming> {
    decode_with(bytes, dialect, depth, &mut Tolerance::default())
}

fn decode_with(bytes: &[u8], dialect: &Dialect, depth: u8, tolerance: &mut Tolerance) -> Decoded<Incoming> {
    let (version, xid) = version_of(bytes)?;
    let Identity { kind, more, body: mut r } = kind::identify(bytes, version)?;
    lengths::check(kind, version, r.len(), bytes.len())?;
    let message = match kind.stats_direction(version) {
        Some(false) => Message::StatsRequest(multipart::read_request(kind, &mut r, version)?),
        Some(true) => Message::StatsReply { body: multipart::read_reply(kind, &mut r, version, tolerance)?, more },
        None => read_body(kind, &mut r, version, xid, dialect, depth, bytes[0])?,
    };
    at_end(kind, &r)?;
    Ok(Incoming { version, xid, kind, more, message })
}

/// A flow mod that came in, alone or in a bundle; what it says stands elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowModHead {
    /// Its transaction id.
    pub xid: Xid,
    /// The bundle that it is for, and the flags that were said of that.
    pub bundle: Option<(u32, BundleFlags)>,
    /// Where it stands in the message.
    pub at: usize,
}

/// Decodes a flow mod, alone or in a bundle, into one that is used again: a flow mod is big, and those who take a million
/// of them do not want it carried about. `None`: it is something else, for [`decode`].
///
/// # Errors
/// As [`decode`].
pub fn decode_flow_mod(bytes: &[u8], dialect: &Dialect, to: &mut FlowMod) -> Result<Option<FlowModHead>, DecodeError> {
    let (version, xid) = version_of(bytes)?;
    let Identity { kind, body: mut r, .. } = kind::identify(bytes, version)?;
    let is_flow_mod = |kind| matches!(kind, Kind::FlowMod | Kind::NxFlowMod);
    if is_flow_mod(kind) {
        lengths::check(kind, version, r.len(), bytes.len())?;
        return read_flow_mod(kind, &mut r, version, dialect, to)
            .map(|()| Some(FlowModHead { xid, bundle: None, at: 0 }));
    }
    if !matches!(kind, Kind::BundleAdd | Kind::OnfBundleAdd) {
        return Ok(None);
    }
    lengths::check(kind, version, r.len(), bytes.len())?;
    let bundle = read_bundle_head(&mut r)?;
    let at = bytes.len() - r.len();
    let inner = inner_message(&mut r, version, ErrorCode::OFPBFC_MSG_BAD_LEN)?;
    let (_, inner_xid) = version_of(inner)?;
    let Identity { kind, body: mut r, .. } = kind::identify(inner, version)?;
    if !is_flow_mod(kind) {
        return Ok(None);
    }
    lengths::check(kind, version, r.len(), inner.len())?;
    read_flow_mod(kind, &mut r, version, dialect, to)?;
    same_xid(xid, inner_xid)?;
    Ok(Some(FlowModHead { xid, bundle: Some(bundle), at }))
}

/// A flow mod's whole body.
fn read_flow_mod(kind: Kind, r: &mut Reader<'_>, v: Version, dialect: &Dialect, to: &mut FlowMod) -> Decoded<()> {
    flow::read_mod(r, v, kind == Kind::NxFlowMod, dialect, to)?;
    at_end(kind, r)
}

fn at_end(kind: Kind, r: &Reader<'_>) -> Decoded<()> {
    match r.is_empty() {
        true => Ok(()),
        false => bad(ErrorCode::OFPBRC_BAD_LEN, format!("{} has {} bytes too many", kind.name(), r.len())),
    }
}

fn same_xid(outer: Xid, inner: Xid) -> Decoded<()> {
    match outer == inner {
        true => Ok(()),
        false => bad(ErrorCode::OFPBFC_MSG_BAD_XID, "inner and outer transaction ids differ"),
    }
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
        Kind::FlowMod | Kind::NxFlowMod => {
            let mut todo = FlowMod::default();
            flow::read_mod(r, v, kind == Kind::NxFlowMod, dialect, &mut todo)?;
            Message::FlowMod(todo)
        }
        Kind::GroupMod => Message::GroupMod(group::read_mod(r, v)?),
        Kind::PortMod => Message::PortMod(port::read_mod(r, v)?),
        Kind::TableMod => Message::TableMod(table::read_mod(r, v)?),
        Kind::MeterMod => Message::MeterMod(meter::read_mod(r)?),
        Kind::BarrierRequest => Message::BarrierRequest,
        Kind::BarrierReply => Message::BarrierReply,
        Kind::QueueGetConfigRequest => Message::QueueGetConfigRequest {
            port: multipart::read_get_config_port(r, v, false).and_then(multipart::with_queues)?,
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
        Kind::GetAsyncReply => Message::GetAsyncReply(controller::read_async14(r, v)?),
        Kind::SetAsync if v == Version::V13 => Message::SetAsync(controller::read_async13(r)?),
        Kind::NxSetAsync => Message::SetAsync(controller::read_async13(r)?),
        Kind::SetAsync | Kind::NxSetAsync2 => Message::SetAsync(controller::read_async14(r, v)?),
        Kind::TableStatus => Message::TableStatus(table::read_status(r)?),
        Kind::RequestForward | Kind::OnfRequestForward | Kind::NxRequestForward => {
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
        Kind::FlowMonitorCancel | Kind::OnfFlowMonitorCancel => {
            Message::FlowMonitorCancel(r.get::<U32>("monitor id")?.get())
        }
        Kind::FlowMonitorPaused | Kind::OnfFlowMonitorPaused => Message::FlowMonitorPaused,
        Kind::FlowMonitorResumed | Kind::OnfFlowMonitorResumed => Message::FlowMonitorResumed,
        Kind::CtFlush => Message::CtFlush(conntrack::read(Reader::new(r.take_rest(), ErrorCode::OFPBRC_BAD_LEN))?),
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
        return bad(ErrorCode::OFPBRC_BAD_LEN, format!("unknown error {wire:?}"));
    };
    Ok(ErrorMessage { code, data: r.take_rest().to_vec() })
}

/// A whole message inside another.
fn read_inner(r: &mut Reader<'_>, v: Version, dialect: &Dialect, depth: u8, short: ErrorCode) -> Decoded<Incoming> {
    if depth > 0 {
        return bad(ErrorCode::OFPBFC_MSG_UNSUP, "messages are nested once only");
    }
    decode_nested(inner_message(r, v, short)?, dialect, depth + 1)
}

/// What a bundle may hold.
const BUNDLED: [Kind; 5] = [Kind::FlowMod, Kind::NxFlowMod, Kind::GroupMod, Kind::PortMod, Kind::PacketOut];

/// The bytes of a whole message inside another.
fn inner_message<'a>(r: &mut Reader<'a>, v: Version, short: ErrorCode) -> Decoded<&'a [u8]> {
    let Ok(header) = r.peek::<HeaderWire>("inner message") else { return bad(short, "the inner message is cut") };
    if header.version != v as u8 {
        return bad(ErrorCode::OFPBFC_BAD_VERSION, "the inner message is of another version");
    }
    let len = usize::from(header.len.get());
    if len < size_of::<HeaderWire>() || len > r.len() {
        return bad(short, format!("an inner message of {len} bytes"));
    }
    r.bytes(len, "inner message")
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
    // unknown ones count when the flags of a bundle are compared
    let flags = BundleFlags::from_bits_retain(bits);
    Ok(BundleControl { id, kind: *kind, flags })
}

/// The bundle's id and flags.
fn read_bundle_head(r: &mut Reader<'_>) -> Decoded<(u32, BundleFlags)> {
    let id = r.get::<U32>("bundle id")?.get();
    r.skip(2, "padding")?;
    let bits = r.get::<U16>("bundle flags")?.get();
    // unknown ones count when the flags of a bundle are compared
    Ok((id, BundleFlags::from_bits_retain(bits)))
}

fn read_bundle_add(r: &mut Reader<'_>, v: Version, xid: Xid, dialect: &Dialect, depth: u8) -> Decoded<BundleAdd> {
    let (id, flags) = read_bundle_head(r)?;
    let inner = inner_message(r, v, ErrorCode::OFPBFC_MSG_BAD_LEN)?;
    let kind = super::kind_of_sound(inner)?;
    if let Ok((header, _)) = <HeaderWire as zerocopy::FromBytes>::read_from_prefix(inner) {
        same_xid(xid, Xid(header.xid.get()))?;
    }
    if !BUNDLED.contains(&kind) {
        return bad(ErrorCode::OFPBFC_MSG_UNSUP, format!("{} in a bundle", kind.name()));
    }
    let inner = decode_nested(inner, dialect, depth + 1)?;
    r.take_rest();
    Ok(BundleAdd { id, flags, xid: inner.xid, message: Box::new(inner.message) })
}
