//! "This flow is gone": 1.0's form, Nicira's, those of 1.1 to 1.4 and of 1.5.

use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::oxs::{read_oxs, write_oxs};
use super::{duration, nanos, read_match11, read_nxm, seconds, write_match11, write_nxm};
use crate::error::ErrorCode;
use crate::flow::{FlowRemoved, FlowRemovedReason};
use crate::ids::{Cookie, TableId, Timeout, Version};
use crate::wire::buf::{Decoded, Reader, Writer, bad};
use crate::wire::match10;
use crate::wire::oxm::Unknown;

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Removed10Wire {
    matching: match10::Match10Wire,
    cookie: U64,
    priority: U16,
    reason: u8,
    pad1: u8,
    seconds: U32,
    nanos: U32,
    idle: U16,
    pad2: [u8; 2],
    packets: U64,
    bytes: U64,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct NxRemovedWire {
    cookie: U64,
    priority: U16,
    reason: u8,
    /// Table plus one; 0: not said.
    table: u8,
    seconds: U32,
    nanos: U32,
    idle: U16,
    match_len: U16,
    packets: U64,
    bytes: U64,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Removed11Wire {
    cookie: U64,
    priority: U16,
    reason: u8,
    table: u8,
    seconds: U32,
    nanos: U32,
    idle: U16,
    hard: U16,
    packets: U64,
    bytes: U64,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Removed15Wire {
    table: u8,
    reason: u8,
    priority: U16,
    idle: U16,
    hard: U16,
    cookie: U64,
}

fn removed_reason(number: u8) -> Decoded<FlowRemovedReason> {
    use FlowRemovedReason::{Delete, Eviction, GroupDelete, HardTimeout, IdleTimeout, MeterDelete};
    match [IdleTimeout, HardTimeout, Delete, GroupDelete, MeterDelete, Eviction].get(usize::from(number)) {
        Some(reason) => Ok(*reason),
        None => bad(ErrorCode::NXBRC_BAD_REASON, format!("unknown flow removed reason {number}")),
    }
}

pub(crate) fn read_removed(r: &mut Reader<'_>, version: Version) -> Decoded<FlowRemoved> {
    if version == Version::V10 {
        let wire: &Removed10Wire = r.get("flow removed")?;
        return Ok(FlowRemoved {
            matching: match10::read(&wire.matching),
            cookie: Cookie(wire.cookie.get()),
            priority: wire.priority.get(),
            reason: removed_reason(wire.reason)?,
            table: TableId::ALL,
            duration: duration(wire.seconds, wire.nanos),
            idle_timeout: Timeout(wire.idle.get()),
            hard_timeout: Timeout::NEVER,
            packet_count: wire.packets.get(),
            byte_count: wire.bytes.get(),
        });
    }
    if version >= Version::V15 {
        let wire: &Removed15Wire = r.get("flow removed")?;
        let matching = read_match11(r, Unknown::Refuse)?;
        let stats = read_oxs(r)?;
        return Ok(FlowRemoved {
            matching,
            cookie: Cookie(wire.cookie.get()),
            priority: wire.priority.get(),
            reason: removed_reason(wire.reason)?,
            table: TableId(wire.table),
            duration: stats.duration,
            idle_timeout: Timeout(wire.idle.get()),
            hard_timeout: Timeout(wire.hard.get()),
            packet_count: stats.packets,
            byte_count: stats.bytes,
        });
    }
    let wire: &Removed11Wire = r.get("flow removed")?;
    Ok(FlowRemoved {
        matching: read_match11(r, Unknown::Refuse)?,
        cookie: Cookie(wire.cookie.get()),
        priority: wire.priority.get(),
        reason: removed_reason(wire.reason)?,
        table: TableId(wire.table),
        duration: duration(wire.seconds, wire.nanos),
        idle_timeout: Timeout(wire.idle.get()),
        hard_timeout: if version >= Version::V12 { Timeout(wire.hard.get()) } else { Timeout::NEVER },
        packet_count: wire.packets.get(),
        byte_count: wire.bytes.get(),
    })
}

pub(crate) fn read_nx_removed(r: &mut Reader<'_>) -> Decoded<FlowRemoved> {
    let wire: &NxRemovedWire = r.get("flow removed")?;
    let (matching, _) = read_nxm(r, wire.match_len.get().into())?;
    Ok(FlowRemoved {
        matching,
        cookie: Cookie(wire.cookie.get()),
        priority: wire.priority.get(),
        reason: removed_reason(wire.reason)?,
        table: TableId(wire.table.wrapping_sub(1)),
        duration: duration(wire.seconds, wire.nanos),
        idle_timeout: Timeout(wire.idle.get()),
        hard_timeout: Timeout::NEVER,
        packet_count: wire.packets.get(),
        byte_count: wire.bytes.get(),
    })
}

pub(crate) fn write_removed(w: &mut Writer, f: &FlowRemoved, version: Version) {
    let reason = match f.reason {
        // Reasons that older versions lack are deletions.
        FlowRemovedReason::GroupDelete if version == Version::V10 => FlowRemovedReason::Delete,
        FlowRemovedReason::MeterDelete | FlowRemovedReason::Eviction if version < Version::V14 => {
            FlowRemovedReason::Delete
        }
        reason => reason,
    } as u8;
    if version == Version::V10 {
        w.put(&Removed10Wire {
            matching: match10::write(&f.matching),
            cookie: f.cookie.0.into(),
            priority: f.priority.into(),
            reason,
            pad1: 0,
            seconds: seconds(f.duration),
            nanos: nanos(f.duration),
            idle: f.idle_timeout.0.into(),
            pad2: [0; 2],
            packets: f.packet_count.into(),
            bytes: f.byte_count.into(),
        });
        return;
    }
    if version >= Version::V15 {
        w.put(&Removed15Wire {
            table: f.table.0,
            reason,
            priority: f.priority.into(),
            idle: f.idle_timeout.0.into(),
            hard: f.hard_timeout.0.into(),
            cookie: f.cookie.0.into(),
        });
        write_match11(w, &f.matching, version);
        write_oxs(w, Some(f.duration), None, None, f.packet_count, f.byte_count);
        return;
    }
    w.put(&Removed11Wire {
        cookie: f.cookie.0.into(),
        priority: f.priority.into(),
        reason,
        table: f.table.0,
        seconds: seconds(f.duration),
        nanos: nanos(f.duration),
        idle: f.idle_timeout.0.into(),
        hard: if version >= Version::V12 { f.hard_timeout.0 } else { 0 }.into(),
        packets: f.packet_count.into(),
        bytes: f.byte_count.into(),
    });
    write_match11(w, &f.matching, version);
}

pub(crate) fn write_nx_removed(w: &mut Writer, f: &FlowRemoved) {
    let start = w.len();
    w.put(&NxRemovedWire {
        cookie: f.cookie.0.into(),
        priority: f.priority.into(),
        reason: f.reason as u8,
        table: f.table.0.wrapping_add(1),
        seconds: seconds(f.duration),
        nanos: nanos(f.duration),
        idle: f.idle_timeout.0.into(),
        match_len: 0.into(),
        packets: f.packet_count.into(),
        bytes: f.byte_count.into(),
    });
    let len = write_nxm(w, &f.matching, (0, 0));
    w.set_u16(start + 22, len);
}
