//! Packet-ins in all their forms, packet-outs.

use weft_flow::{FieldId, Match, OfPort};
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::action;
use super::buf::{Decoded, Encoded, Reader, Writer, bad};
use super::flow::{port16, port32, read_match11, write_match11};
use super::nicira::{read_property, write_property};
use super::oxm::{self, Unknown};
use crate::error::ErrorCode;
use crate::ids::{Cookie, TableId, Version};
use crate::packet::{PacketIn, PacketInReason, PacketOut};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct In10Wire {
    buffer: U32,
    total_len: U16,
    in_port: U16,
    reason: u8,
    pad: u8,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct In11Wire {
    buffer: U32,
    in_port: U32,
    in_phy_port: U32,
    total_len: U16,
    reason: u8,
    table: u8,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct In12Wire {
    buffer: U32,
    total_len: U16,
    reason: u8,
    table: u8,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct NxInWire {
    buffer: U32,
    total_len: U16,
    reason: u8,
    table: u8,
    cookie: U64,
    match_len: U16,
    pad: [u8; 6],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Out10Wire {
    buffer: U32,
    in_port: U16,
    actions_len: U16,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Out11Wire {
    buffer: U32,
    in_port: U32,
    actions_len: U16,
    pad: [u8; 6],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Out15Wire {
    buffer: U32,
    actions_len: U16,
    pad: [u8; 2],
}

fn buffer(id: U32) -> Option<u32> {
    (id.get() != u32::MAX).then_some(id.get())
}

/// The reason as a version knows it.
fn reason(reason: PacketInReason, version: Version) -> u8 {
    match reason {
        PacketInReason::EXPLICIT_MISS if version >= Version::V13 => 0,
        PacketInReason::EXPLICIT_MISS => 1,
        PacketInReason::IMPLICIT_MISS => 0,
        PacketInReason::ACTION_SET | PacketInReason::GROUP | PacketInReason::PACKET_OUT if version < Version::V14 => 1,
        PacketInReason(number) => number,
    }
}

fn check_reason(number: u8) -> Decoded<PacketInReason> {
    if number <= PacketInReason::PACKET_OUT.0 {
        return Ok(PacketInReason(number));
    }
    bad(ErrorCode::OFPBRC_BAD_TYPE, format!("unknown packet-in reason {number}"))
}

pub(crate) fn read_in(r: &mut Reader<'_>, version: Version) -> Decoded<PacketIn> {
    let mut p = PacketIn::default();
    match version {
        Version::V10 => {
            let wire: &In10Wire = r.get("packet-in")?;
            p.buffer_id = buffer(wire.buffer);
            p.total_len = wire.total_len.get().into();
            p.reason = PacketInReason(wire.reason);
            p.metadata.set(FieldId::InPortOxm, OfPort::from_u16(wire.in_port.get()).0.into());
        }
        Version::V11 => {
            let wire: &In11Wire = r.get("packet-in")?;
            p.buffer_id = buffer(wire.buffer);
            p.total_len = wire.total_len.get().into();
            p.reason = PacketInReason(wire.reason);
            p.table = Some(TableId(wire.table));
            p.metadata.set(FieldId::InPortOxm, wire.in_port.get().into());
        }
        _ => {
            let wire: &In12Wire = r.get("packet-in")?;
            p.buffer_id = buffer(wire.buffer);
            p.total_len = wire.total_len.get().into();
            p.reason = PacketInReason(wire.reason);
            p.table = Some(TableId(wire.table));
            if version >= Version::V13 {
                p.cookie = Some(Cookie(r.get::<U64>("cookie")?.get()));
            }
            p.metadata = read_match11(r, Unknown::Skip)?;
            r.skip(2, "padding")?;
        }
    }
    p.packet = r.take_rest().to_vec();
    Ok(p)
}

/// The standard packet-in of a version.
pub(crate) fn write_in(w: &mut Writer, p: &PacketIn, version: Version) -> Encoded<()> {
    let in_port = OfPort(p.metadata.get(FieldId::InPortOxm).0 as u32);
    let buffer = p.buffer_id.unwrap_or(u32::MAX).into();
    let total_len = U16::new(p.total_len.min(0xffff) as u16);
    let reason = reason(p.reason, version);
    let table = p.table.unwrap_or(TableId(0)).0;
    match version {
        Version::V10 => {
            w.put(&In10Wire { buffer, total_len, in_port: port16(in_port, version)?, reason, pad: 0 });
        }
        Version::V11 => w.put(&In11Wire {
            buffer,
            in_port: in_port.0.into(),
            in_phy_port: in_port.0.into(),
            total_len,
            reason,
            table,
        }),
        _ => {
            w.put(&In12Wire { buffer, total_len, reason, table });
            if version >= Version::V13 {
                w.put(&U64::new(p.cookie.map_or(u64::MAX, |c| c.0)));
            }
            write_match11(w, &p.metadata, version);
            w.zeros(2);
        }
    }
    w.slice(&p.packet);
    Ok(())
}

pub(crate) fn read_nx_in(r: &mut Reader<'_>) -> Decoded<PacketIn> {
    let wire: &NxInWire = r.get("packet-in")?;
    let len = usize::from(wire.match_len.get());
    let mut padded = r.sub(len.next_multiple_of(8), "packet-in's metadata")?;
    let (metadata, _) = oxm::read_match(padded.bytes(len, "metadata")?, Unknown::Skip)?;
    r.skip(2, "padding")?;
    Ok(PacketIn {
        packet: r.take_rest().to_vec(),
        total_len: wire.total_len.get().into(),
        buffer_id: buffer(wire.buffer),
        reason: PacketInReason(wire.reason),
        table: Some(TableId(wire.table)),
        cookie: Some(Cookie(wire.cookie.get())),
        metadata,
        ..PacketIn::default()
    })
}

pub(crate) fn write_nx_in(w: &mut Writer, p: &PacketIn, version: Version) {
    let start = w.len();
    w.put(&NxInWire {
        buffer: p.buffer_id.unwrap_or(u32::MAX).into(),
        total_len: (p.total_len.min(0xffff) as u16).into(),
        reason: reason(p.reason, version),
        table: p.table.unwrap_or(TableId(0)).0,
        cookie: p.cookie.map_or(u64::MAX, |c| c.0).into(),
        match_len: 0.into(),
        pad: [0; 6],
    });
    let at = w.len();
    oxm::write_match(w, &p.metadata, None);
    let len = w.len() - at;
    w.set_u16(start + 16, len);
    w.pad(at, 8);
    w.zeros(2);
    w.slice(&p.packet);
}

const PACKET: u16 = 0;
const FULL_LEN: u16 = 1;
const BUFFER_ID: u16 = 2;
const TABLE_ID: u16 = 3;
const COOKIE: u16 = 4;
const REASON: u16 = 5;
const METADATA: u16 = 6;
const USERDATA: u16 = 7;
const CONTINUATION: u16 = 8;

/// NXT_PACKET_IN2 and NXT_RESUME.
pub(crate) fn read_nx_in2(r: &mut Reader<'_>) -> Decoded<PacketIn> {
    let mut p = PacketIn::default();
    let mut full_len = None;
    while !r.is_empty() {
        let (kind, mut body) = read_property(r)?;
        match kind {
            PACKET => p.packet = body.take_rest().to_vec(),
            FULL_LEN => full_len = Some(body.get::<U32>("length")?.get() as usize),
            BUFFER_ID => p.buffer_id = buffer(*body.get::<U32>("buffer id")?),
            TABLE_ID => p.table = Some(TableId(body.bytes(1, "table")?[0])),
            COOKIE => {
                body.skip(4, "padding")?;
                p.cookie = Some(Cookie(body.get::<U64>("cookie")?.get()));
            }
            REASON => p.reason = check_reason(body.bytes(1, "reason")?[0])?,
            METADATA => {
                p.metadata = oxm::read_match(property_match(body.take_rest()), Unknown::Skip)?.0;
            }
            USERDATA => p.userdata = body.take_rest().to_vec(),
            CONTINUATION => p.continuation = nested(body.take_rest()).to_vec(),
            _ => return bad(ErrorCode::OFPBPC_BAD_TYPE, format!("unknown packet-in property {kind}")),
        }
    }
    if p.packet.is_empty() {
        return bad(ErrorCode::OFPBRC_BAD_LEN, "a packet-in without a packet");
    }
    p.total_len = full_len.unwrap_or(p.packet.len());
    if p.total_len < p.packet.len() {
        return bad(ErrorCode::OFPBRC_BAD_LEN, "a packet-in with more bytes than its packet had");
    }
    Ok(p)
}

/// The metadata property holds bare TLVs.
fn property_match(bytes: &[u8]) -> &[u8] {
    bytes
}

/// The continuation is padded to 8 behind its header.
fn nested(bytes: &[u8]) -> &[u8] {
    bytes.get(4..).unwrap_or_default()
}

pub(crate) fn write_nx_in2(w: &mut Writer, p: &PacketIn, version: Version) {
    write_property(w, PACKET, |w| w.slice(&p.packet));
    if p.total_len != p.packet.len() {
        write_property(w, FULL_LEN, |w| w.put(&U32::new(p.total_len as u32)));
    }
    if let Some(id) = p.buffer_id {
        write_property(w, BUFFER_ID, |w| w.put(&U32::new(id)));
    }
    if let Some(table) = p.table {
        write_property(w, TABLE_ID, |w| w.slice(&[table.0, 0, 0, 0]));
    }
    if let Some(cookie) = p.cookie {
        write_property(w, COOKIE, |w| {
            w.zeros(4);
            w.put(&U64::new(cookie.0));
        });
    }
    write_property(w, REASON, |w| w.slice(&[reason(p.reason, version.max(Version::V14)), 0, 0, 0]));
    if !p.metadata.mask().is_empty() {
        write_property(w, METADATA, |w| oxm::write_match(w, &p.metadata, Some(version).filter(|v| *v > Version::V10)));
    }
    if !p.userdata.is_empty() {
        write_property(w, USERDATA, |w| w.slice(&p.userdata));
    }
    if !p.continuation.is_empty() {
        write_property(w, CONTINUATION, |w| {
            w.zeros(4);
            w.slice(&p.continuation);
        });
    }
}

/// A packet-out's in_port: a real port or one that stands for "from nowhere".
fn check_in_port(port: OfPort) -> Decoded<OfPort> {
    let ok = port.0 < OfPort::MAX.0 || matches!(port, OfPort::LOCAL | OfPort::NONE | OfPort::CONTROLLER);
    if ok { Ok(port) } else { bad(ErrorCode::OFPBRC_BAD_PORT, format!("packet-out from port {port}")) }
}

pub(crate) fn read_out(r: &mut Reader<'_>, version: Version) -> Decoded<PacketOut> {
    let (buffer_id, metadata, actions_len) = match version {
        Version::V10 => {
            let wire: &Out10Wire = r.get("packet-out")?;
            (wire.buffer, in_port(check_in_port(OfPort::from_u16(wire.in_port.get()))?), wire.actions_len)
        }
        Version::V15 => {
            let wire: &Out15Wire = r.get("packet-out")?;
            let metadata = read_match11(r, Unknown::Skip)?;
            if metadata.get(FieldId::InPortOxm).1 == 0 {
                return bad(ErrorCode::OFPBRC_BAD_PORT, "packet-out without in_port");
            }
            check_in_port(OfPort(metadata.get(FieldId::InPortOxm).0 as u32))?;
            if FieldId::ALL.iter().any(|&f| metadata.get(f).1 != 0 && !is_pipeline_field(f)) {
                return bad(ErrorCode::OFPBRC_PIPELINE_FIELDS_ONLY, "packet-out takes pipeline fields only");
            }
            (wire.buffer, metadata, wire.actions_len)
        }
        _ => {
            let wire: &Out11Wire = r.get("packet-out")?;
            (wire.buffer, in_port(check_in_port(port32(wire.in_port.get())?)?), wire.actions_len)
        }
    };
    let actions = r.bytes(actions_len.get().into(), "packet-out's actions")?;
    let actions = action::read_list(actions, version)?;
    let buffer_id = buffer(buffer_id);
    // With a buffer, bytes behind the actions say nothing.
    let rest = r.take_rest();
    let packet = if buffer_id.is_none() { rest.to_vec() } else { Vec::new() };
    Ok(PacketOut { packet, buffer_id, metadata, actions })
}

fn in_port(port: OfPort) -> Match {
    let mut m = Match::any();
    m.set(FieldId::InPortOxm, port.0.into());
    m
}

/// Fields that belong to the pipeline and not to the packet's headers.
fn is_pipeline_field(field: FieldId) -> bool {
    field <= FieldId::Xxreg3
}

pub(crate) fn write_out(w: &mut Writer, p: &PacketOut, version: Version) -> Encoded<()> {
    let start = w.len();
    let buffer = p.buffer_id.unwrap_or(u32::MAX).into();
    let len_at = match version {
        Version::V10 => {
            w.put(&Out10Wire { buffer, in_port: port16(p.in_port(), version)?, actions_len: 0.into() });
            start + 6
        }
        Version::V15 => {
            w.put(&Out15Wire { buffer, actions_len: 0.into(), pad: [0; 2] });
            write_match11(w, &p.metadata, version);
            start + 4
        }
        _ => {
            w.put(&Out11Wire { buffer, in_port: p.in_port().0.into(), actions_len: 0.into(), pad: [0; 6] });
            start + 8
        }
    };
    let at = w.len();
    action::write_list(w, &p.actions, version, false)?;
    let len = w.len() - at;
    w.set_u16(len_at, len);
    w.slice(&p.packet);
    Ok(())
}
