//! Flow mods, removals and statistics, in every version and in Nicira's NXM form of OpenFlow 1.0.

use std::time::Duration;

use weft_flow::{FieldId, Match, OfPort};
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::buf::{Decoded, Encoded, Reader, Writer, bad, cannot};
use super::oxm::{self, NxCookie, Unknown};
use super::{instruction, match10, match11};
use crate::codec::Dialect;
use crate::error::ErrorCode;
use crate::flow::{
    AggregateStats, FlowMod, FlowModCommand, FlowModFlags, FlowRemoved, FlowRemovedReason, FlowStats, FlowStatsRequest,
};
use crate::ids::{Cookie, GroupId, TableId, Timeout, Version};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct FlowMod10Wire {
    matching: match10::Match10Wire,
    cookie: U64,
    command: U16,
    idle: U16,
    hard: U16,
    priority: U16,
    buffer: U32,
    out_port: U16,
    flags: U16,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct NxFlowModWire {
    cookie: U64,
    command: U16,
    idle: U16,
    hard: U16,
    priority: U16,
    buffer: U32,
    out_port: U16,
    flags: U16,
    match_len: U16,
    pad: [u8; 6],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct FlowMod11Wire {
    cookie: U64,
    cookie_mask: U64,
    table: u8,
    command: u8,
    idle: U16,
    hard: U16,
    priority: U16,
    buffer: U32,
    out_port: U32,
    out_group: U32,
    flags: U16,
    importance: U16,
}

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

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Request10Wire {
    matching: match10::Match10Wire,
    table: u8,
    pad: u8,
    out_port: U16,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct NxRequestWire {
    out_port: U16,
    match_len: U16,
    table: u8,
    pad: [u8; 3],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Request11Wire {
    table: u8,
    pad1: [u8; 3],
    out_port: U32,
    out_group: U32,
    pad2: [u8; 4],
    cookie: U64,
    cookie_mask: U64,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Stats10Wire {
    len: U16,
    table: u8,
    pad1: u8,
    matching: match10::Match10Wire,
    seconds: U32,
    nanos: U32,
    priority: U16,
    idle: U16,
    hard: U16,
    pad2: [u8; 6],
    cookie: U64,
    packets: U64,
    bytes: U64,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct NxStatsWire {
    len: U16,
    table: u8,
    pad: u8,
    seconds: U32,
    nanos: U32,
    priority: U16,
    idle: U16,
    hard: U16,
    match_len: U16,
    /// Seconds plus one; 0: not said.
    idle_age: U16,
    hard_age: U16,
    cookie: U64,
    packets: U64,
    bytes: U64,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Stats11Wire {
    len: U16,
    table: u8,
    pad1: u8,
    seconds: U32,
    nanos: U32,
    priority: U16,
    idle: U16,
    hard: U16,
    flags: U16,
    importance: U16,
    pad2: [u8; 2],
    cookie: U64,
    packets: U64,
    bytes: U64,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Stats15Wire {
    len: U16,
    pad1: [u8; 2],
    table: u8,
    reason: u8,
    priority: U16,
    idle: U16,
    hard: U16,
    flags: U16,
    importance: U16,
    cookie: U64,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct AggregateWire {
    packets: U64,
    bytes: U64,
    flows: U32,
    pad: [u8; 4],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct MatchHeaderWire {
    kind: U16,
    len: U16,
}

/// Ports before 1.1 have 16 bits.
pub(super) fn port16(port: OfPort, version: Version) -> Encoded<U16> {
    match port.to_u16() {
        Some(port) => Ok(port.into()),
        None => cannot(version, format!("port {}", port.0)),
    }
}

/// A 32-bit port; the numbers between 1.0's and 1.1's reserved ones do not exist.
pub(super) fn port32(port: u32) -> Decoded<OfPort> {
    if (0xff00..0xffff_ff00).contains(&port) {
        return bad(ErrorCode::OFPBRC_BAD_PORT, format!("port {port:#x} does not exist"));
    }
    Ok(OfPort(port))
}

/// A match of 1.1 and later, with its header and padding.
pub(super) fn read_match11(r: &mut Reader<'_>, unknown: Unknown) -> Decoded<Match> {
    let header: &MatchHeaderWire =
        r.peek("match header").or_else(|_| bad(ErrorCode::OFPBMC_BAD_LEN, "match is cut"))?;
    let len = usize::from(header.len.get());
    match header.kind.get() {
        0 => match11::read(r.get("match")?),
        1 if len >= 4 => {
            let mut padded = match r.sub(len.next_multiple_of(8), "match") {
                Ok(padded) => padded,
                Err(e) => return bad(ErrorCode::OFPBMC_BAD_LEN, e.reason),
            };
            padded.skip(4, "match header")?;
            let tlvs = padded.bytes(len - 4, "match")?;
            Ok(oxm::read_match(tlvs, unknown)?.0)
        }
        1 => bad(ErrorCode::OFPBMC_BAD_LEN, format!("a match of {len} bytes")),
        kind => bad(ErrorCode::OFPBMC_BAD_TYPE, format!("unknown match type {kind}")),
    }
}

/// The inverse of [`read_match11`].
pub(super) fn write_match11(w: &mut Writer, m: &Match, version: Version) {
    if version == Version::V11 && match11::says_all(m) {
        w.put(&match11::write(m));
        return;
    }
    let start = w.len();
    w.put(&MatchHeaderWire { kind: 1.into(), len: 0.into() });
    oxm::write_match(w, m, Some(version));
    w.close(start, 2);
    w.pad(start, 8);
}

/// NXM TLVs whose length stands elsewhere, with padding.
fn read_nxm(r: &mut Reader<'_>, len: usize) -> Decoded<(Match, NxCookie)> {
    let mut padded = match r.sub(len.next_multiple_of(8), "match") {
        Ok(padded) => padded,
        Err(e) => return bad(ErrorCode::OFPBMC_BAD_LEN, e.reason),
    };
    oxm::read_match(padded.bytes(len, "match")?, Unknown::Refuse)
}

/// The inverse of [`read_nxm`]; gives the length without padding.
fn write_nxm(w: &mut Writer, m: &Match, cookie: (u64, u64)) -> usize {
    let start = w.len();
    oxm::write_match(w, m, None);
    oxm::write_nx_cookie(w, cookie.0, cookie.1);
    let len = w.len() - start;
    w.pad(start, 8);
    len
}

/// Whether packets of this match are known to have a VLAN tag.
fn has_vlan(m: &Match) -> bool {
    let (tci, mask) = m.get(FieldId::VlanTci);
    mask & tci & 0x1000 != 0
}

fn duration(seconds: U32, nanos: U32) -> Duration {
    Duration::new(seconds.get().into(), nanos.get().min(999_999_999))
}

fn seconds(d: Duration) -> U32 {
    (d.as_secs().min(u32::MAX.into()) as u32).into()
}

fn nanos(d: Duration) -> U32 {
    // Whole milliseconds, as users of Open vSwitch know durations.
    (d.subsec_millis() * 1_000_000).into()
}

fn command(number: u16) -> Decoded<FlowModCommand> {
    use FlowModCommand::{Add, Delete, DeleteStrict, Modify, ModifyStrict};
    match [Add, Modify, ModifyStrict, Delete, DeleteStrict].get(usize::from(number)) {
        Some(command) => Ok(*command),
        None => bad(ErrorCode::OFPFMFC_BAD_COMMAND, format!("unknown flow mod command {number}")),
    }
}

fn deletes(command: FlowModCommand) -> bool {
    matches!(command, FlowModCommand::Delete | FlowModCommand::DeleteStrict)
}

/// OFPFF_* as 1.0 has them: bit 2 is OFPFF_EMERG.
fn flags10(bits: u16) -> Decoded<FlowModFlags> {
    if bits & 4 != 0 {
        return bad(ErrorCode::OFPFMFC_BAD_FLAGS, "emergency flows do not exist");
    }
    match FlowModFlags::from_bits(bits).filter(|f| f.bits() <= 3) {
        Some(flags) => Ok(flags),
        None => bad(ErrorCode::OFPFMFC_BAD_FLAGS, format!("unknown flow mod flags {bits:#x}")),
    }
}

fn flags_of(version: Version) -> FlowModFlags {
    let base = FlowModFlags::SEND_FLOW_REM | FlowModFlags::CHECK_OVERLAP;
    match version {
        Version::V10 | Version::V11 => base,
        Version::V12 => base | FlowModFlags::RESET_COUNTS,
        _ => base | FlowModFlags::RESET_COUNTS | FlowModFlags::NO_PKT_COUNTS | FlowModFlags::NO_BYT_COUNTS,
    }
}

fn buffer(id: U32) -> Option<u32> {
    (id.get() != u32::MAX).then_some(id.get())
}

/// 1.0's flow mod; `with_table`: NXT_FLOW_MOD_TABLE_ID is on and the command's high byte is a table.
fn split_command(command: u16, with_table: bool) -> (u16, TableId) {
    if with_table { (command & 0xff, TableId((command >> 8) as u8)) } else { (command, TableId::ALL) }
}

/// What 1.0's two forms have in common, once the match is known.
struct Head10 {
    matching: Match,
    cookie: u64,
    filter: NxCookie,
    command: U16,
    idle: U16,
    hard: U16,
    priority: U16,
    buffer: U32,
    out_port: U16,
    flags: U16,
}

fn finish10(head: Head10, actions: &[u8], with_table: bool) -> Decoded<FlowMod> {
    let (number, table) = split_command(head.command.get(), with_table);
    let command = command(number)?;
    let (filter_cookie, cookie_mask) = head.filter.unwrap_or((0, 0));
    let mut flags = flags10(head.flags.get())?;
    if command == FlowModCommand::Add {
        // 1.0 starts the counters anew without saying so.
        flags |= FlowModFlags::RESET_COUNTS;
    }
    Ok(FlowMod {
        command,
        table,
        matching: head.matching,
        priority: head.priority.get(),
        cookie: Cookie(head.cookie),
        filter_cookie: Cookie(filter_cookie),
        cookie_mask,
        idle_timeout: Timeout(head.idle.get()),
        hard_timeout: Timeout(head.hard.get()),
        importance: 0,
        buffer_id: buffer(head.buffer),
        out_port: OfPort::from_u16(head.out_port.get()),
        out_group: GroupId::ANY,
        flags,
        instructions: instruction::read(actions, Version::V10)?,
    })
}

pub(crate) fn read_mod10(r: &mut Reader<'_>, dialect: &Dialect) -> Decoded<FlowMod> {
    let wire: &FlowMod10Wire = r.get("flow mod")?;
    let head = Head10 {
        matching: match10::read(&wire.matching),
        cookie: wire.cookie.get(),
        filter: None,
        command: wire.command,
        idle: wire.idle,
        hard: wire.hard,
        priority: wire.priority,
        buffer: wire.buffer,
        out_port: wire.out_port,
        flags: wire.flags,
    };
    let mut m = finish10(head, r.take_rest(), dialect.flow_mod_table_id)?;
    if exact10(&wire.matching) {
        m.priority = u16::MAX;
    }
    Ok(m)
}

/// 1.0 §3.4: a match without any wildcard has the highest priority.
fn exact10(wire: &match10::Match10Wire) -> bool {
    wire.as_bytes()[..4] == [0; 4]
}

pub(crate) fn read_nx_mod(r: &mut Reader<'_>, dialect: &Dialect) -> Decoded<FlowMod> {
    let wire: &NxFlowModWire = r.get("flow mod")?;
    let (matching, filter) = read_nxm(r, wire.match_len.get().into())?;
    let head = Head10 {
        matching,
        cookie: wire.cookie.get(),
        filter,
        command: wire.command,
        idle: wire.idle,
        hard: wire.hard,
        priority: wire.priority,
        buffer: wire.buffer,
        out_port: wire.out_port,
        flags: wire.flags,
    };
    if filter.is_some() && split_command(wire.command.get(), dialect.flow_mod_table_id).0 == 0 {
        return bad(ErrorCode::NXBRC_NXM_INVALID, "adding a flow takes no cookie to match");
    }
    finish10(head, r.take_rest(), dialect.flow_mod_table_id)
}

pub(crate) fn read_mod11(r: &mut Reader<'_>, version: Version) -> Decoded<FlowMod> {
    let wire: &FlowMod11Wire = r.get("flow mod")?;
    let command = command(wire.command.into())?;
    let matching = read_match11(r, Unknown::Refuse)?;
    let bits = wire.flags.get();
    let mut flags = match FlowModFlags::from_bits(bits).filter(|f| flags_of(version).contains(*f)) {
        Some(flags) => flags,
        None => return bad(ErrorCode::OFPFMFC_BAD_FLAGS, format!("unknown flow mod flags {bits:#x}")),
    };
    let table = TableId(wire.table);
    if table == TableId::ALL && !deletes(command) {
        return bad(ErrorCode::OFPFMFC_BAD_TABLE_ID, "only deletions take all tables");
    }
    let (cookie, filter) = (wire.cookie.get(), wire.cookie_mask.get());
    let adding = command == FlowModCommand::Add;
    if version == Version::V11 && adding {
        flags |= FlowModFlags::RESET_COUNTS;
    }
    // A modify with a mask uses the cookie to choose flows; OpenFlow 1.1 alone changes it too.
    let new_cookie = match command {
        FlowModCommand::Add => cookie,
        FlowModCommand::Modify | FlowModCommand::ModifyStrict if filter == 0 => cookie,
        _ => u64::MAX,
    };
    let delete = deletes(command);
    Ok(FlowMod {
        command,
        table,
        matching,
        priority: wire.priority.get(),
        cookie: Cookie(new_cookie),
        filter_cookie: Cookie(if adding { 0 } else { cookie & filter }),
        cookie_mask: if adding { 0 } else { filter },
        idle_timeout: Timeout(wire.idle.get()),
        hard_timeout: Timeout(wire.hard.get()),
        importance: if version >= Version::V14 { wire.importance.get() } else { 0 },
        buffer_id: buffer(wire.buffer),
        out_port: if delete { port32(wire.out_port.get())? } else { OfPort::NONE },
        out_group: if delete { GroupId(wire.out_group.get()) } else { GroupId::ANY },
        flags,
        instructions: instruction::read(r.take_rest(), version)?,
    })
}

/// Whether Nicira's form is needed or wanted (1.0 only).
pub(crate) fn wants_nxm(dialect: &Dialect, m: &Match, cookie_mask: u64) -> bool {
    dialect.nxm || cookie_mask != 0 || !match10::says_all(m)
}

pub(crate) fn write_mod10(w: &mut Writer, m: &FlowMod, dialect: &Dialect) -> Encoded<()> {
    w.put(&FlowMod10Wire {
        matching: match10::write(&m.matching),
        cookie: m.cookie.0.into(),
        command: command10(m, dialect).into(),
        idle: m.idle_timeout.0.into(),
        hard: m.hard_timeout.0.into(),
        priority: m.priority.into(),
        buffer: m.buffer_id.unwrap_or(u32::MAX).into(),
        out_port: port16(m.out_port, Version::V10)?,
        flags: (m.flags & flags_of(Version::V10)).bits().into(),
    });
    instruction::write(w, &m.instructions, Version::V10, has_vlan(&m.matching))
}

fn command10(m: &FlowMod, dialect: &Dialect) -> u16 {
    let table = if dialect.flow_mod_table_id { u16::from(m.table.0) << 8 } else { 0 };
    m.command as u16 | table
}

pub(crate) fn write_nx_mod(w: &mut Writer, m: &FlowMod, dialect: &Dialect) -> Encoded<()> {
    let start = w.len();
    w.put(&NxFlowModWire {
        cookie: m.cookie.0.into(),
        command: command10(m, dialect).into(),
        idle: m.idle_timeout.0.into(),
        hard: m.hard_timeout.0.into(),
        priority: m.priority.into(),
        buffer: m.buffer_id.unwrap_or(u32::MAX).into(),
        out_port: port16(m.out_port, Version::V10)?,
        flags: (m.flags & flags_of(Version::V10)).bits().into(),
        match_len: 0.into(),
        pad: [0; 6],
    });
    let len = write_nxm(w, &m.matching, (m.filter_cookie.0, m.cookie_mask));
    w.set_u16(start + size_of::<NxFlowModWire>() - 8, len);
    instruction::write(w, &m.instructions, Version::V10, has_vlan(&m.matching))
}

pub(crate) fn write_mod11(w: &mut Writer, m: &FlowMod, version: Version) -> Encoded<()> {
    if version == Version::V11 && !match11::says_all(&m.matching) {
        return cannot(version, "this match");
    }
    let filters = m.cookie_mask != 0;
    let deleting = deletes(m.command);
    w.put(&FlowMod11Wire {
        cookie: if filters || deleting { m.filter_cookie.0 } else { m.cookie.0 }.into(),
        cookie_mask: m.cookie_mask.into(),
        table: m.table.0,
        command: m.command as u8,
        idle: m.idle_timeout.0.into(),
        hard: m.hard_timeout.0.into(),
        priority: m.priority.into(),
        buffer: m.buffer_id.unwrap_or(u32::MAX).into(),
        out_port: m.out_port.0.into(),
        out_group: m.out_group.0.into(),
        flags: (m.flags & flags_of(version)).bits().into(),
        importance: if version >= Version::V14 { m.importance } else { 0 }.into(),
    });
    write_match11(w, &m.matching, version);
    instruction::write(w, &m.instructions, version, has_vlan(&m.matching))
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

pub(crate) fn read_request10(r: &mut Reader<'_>) -> Decoded<FlowStatsRequest> {
    let wire: &Request10Wire = r.get("flow stats request")?;
    Ok(FlowStatsRequest {
        matching: match10::read(&wire.matching),
        table: TableId(wire.table),
        out_port: OfPort::from_u16(wire.out_port.get()),
        ..FlowStatsRequest::default()
    })
}

pub(crate) fn read_nx_request(r: &mut Reader<'_>) -> Decoded<FlowStatsRequest> {
    let wire: &NxRequestWire = r.get("flow stats request")?;
    let (matching, filter) = read_nxm(r, wire.match_len.get().into())?;
    let (cookie, cookie_mask) = filter.unwrap_or((0, 0));
    Ok(FlowStatsRequest {
        matching,
        table: TableId(wire.table),
        out_port: OfPort::from_u16(wire.out_port.get()),
        out_group: GroupId::ANY,
        cookie: Cookie(cookie),
        cookie_mask,
    })
}

pub(crate) fn read_request11(r: &mut Reader<'_>) -> Decoded<FlowStatsRequest> {
    let wire: &Request11Wire = r.get("flow stats request")?;
    Ok(FlowStatsRequest {
        matching: read_match11(r, Unknown::Refuse)?,
        table: TableId(wire.table),
        out_port: port32(wire.out_port.get())?,
        out_group: GroupId(wire.out_group.get()),
        cookie: Cookie(wire.cookie.get() & wire.cookie_mask.get()),
        cookie_mask: wire.cookie_mask.get(),
    })
}

pub(crate) fn write_request10(w: &mut Writer, q: &FlowStatsRequest) -> Encoded<()> {
    w.put(&Request10Wire {
        matching: match10::write(&q.matching),
        table: q.table.0,
        pad: 0,
        out_port: port16(q.out_port, Version::V10)?,
    });
    Ok(())
}

pub(crate) fn write_nx_request(w: &mut Writer, q: &FlowStatsRequest) -> Encoded<()> {
    let start = w.len();
    w.put(&NxRequestWire {
        out_port: port16(q.out_port, Version::V10)?,
        match_len: 0.into(),
        table: q.table.0,
        pad: [0; 3],
    });
    let len = write_nxm(w, &q.matching, (q.cookie.0, q.cookie_mask));
    w.set_u16(start + 2, len);
    Ok(())
}

pub(crate) fn write_request11(w: &mut Writer, q: &FlowStatsRequest, version: Version) -> Encoded<()> {
    if version == Version::V11 && !match11::says_all(&q.matching) {
        return cannot(version, "this match");
    }
    w.put(&Request11Wire {
        table: q.table.0,
        pad1: [0; 3],
        out_port: q.out_port.0.into(),
        out_group: q.out_group.0.into(),
        pad2: [0; 4],
        cookie: q.cookie.0.into(),
        cookie_mask: q.cookie_mask.into(),
    });
    write_match11(w, &q.matching, version);
    Ok(())
}

/// An entry's bytes, by the length that it starts with.
fn entry<'a>(r: &mut Reader<'a>, what: &'static str) -> Decoded<Reader<'a>> {
    let len = usize::from(r.peek::<U16>(what)?.get());
    if len < 2 {
        return r.bad_len(format!("{what} of {len} bytes"));
    }
    r.sub(len, what)
}

pub(crate) fn read_stats(r: &mut Reader<'_>, version: Version, nxm: bool) -> Decoded<FlowStats> {
    let mut e = entry(r, "flow stats")?;
    if version == Version::V10 && nxm {
        let wire: &NxStatsWire = e.get("flow stats")?;
        let (matching, _) = read_nxm(&mut e, wire.match_len.get().into())?;
        return Ok(FlowStats {
            matching,
            cookie: Cookie(wire.cookie.get()),
            table: TableId(wire.table),
            priority: wire.priority.get(),
            duration: duration(wire.seconds, wire.nanos),
            idle_timeout: Timeout(wire.idle.get()),
            hard_timeout: Timeout(wire.hard.get()),
            importance: 0,
            flags: FlowModFlags::empty(),
            idle_age: wire.idle_age.get().checked_sub(1),
            hard_age: wire.hard_age.get().checked_sub(1),
            packet_count: wire.packets.get(),
            byte_count: wire.bytes.get(),
            instructions: instruction::read(e.take_rest(), version)?,
        });
    }
    if version == Version::V10 {
        let wire: &Stats10Wire = e.get("flow stats")?;
        return Ok(FlowStats {
            matching: match10::read(&wire.matching),
            cookie: Cookie(wire.cookie.get()),
            table: TableId(wire.table),
            priority: wire.priority.get(),
            duration: duration(wire.seconds, wire.nanos),
            idle_timeout: Timeout(wire.idle.get()),
            hard_timeout: Timeout(wire.hard.get()),
            importance: 0,
            flags: FlowModFlags::empty(),
            idle_age: None,
            hard_age: None,
            packet_count: wire.packets.get(),
            byte_count: wire.bytes.get(),
            instructions: instruction::read(e.take_rest(), version)?,
        });
    }
    let known = |bits: u16| FlowModFlags::from_bits_truncate(bits) & flags_of(Version::V13);
    if version >= Version::V15 {
        let wire: &Stats15Wire = e.get("flow stats")?;
        let matching = read_match11(&mut e, Unknown::Refuse)?;
        let stats = read_oxs(&mut e)?;
        return Ok(FlowStats {
            matching,
            cookie: Cookie(wire.cookie.get()),
            table: TableId(wire.table),
            priority: wire.priority.get(),
            duration: stats.duration,
            idle_timeout: Timeout(wire.idle.get()),
            hard_timeout: Timeout(wire.hard.get()),
            importance: wire.importance.get(),
            flags: known(wire.flags.get()),
            idle_age: stats.idle_age,
            hard_age: None,
            packet_count: stats.packets,
            byte_count: stats.bytes,
            instructions: instruction::read(e.take_rest(), version)?,
        });
    }
    let wire: &Stats11Wire = e.get("flow stats")?;
    Ok(FlowStats {
        matching: read_match11(&mut e, Unknown::Refuse)?,
        cookie: Cookie(wire.cookie.get()),
        table: TableId(wire.table),
        priority: wire.priority.get(),
        duration: duration(wire.seconds, wire.nanos),
        idle_timeout: Timeout(wire.idle.get()),
        hard_timeout: Timeout(wire.hard.get()),
        importance: if version >= Version::V14 { wire.importance.get() } else { 0 },
        flags: if version >= Version::V13 { known(wire.flags.get()) } else { FlowModFlags::empty() },
        idle_age: None,
        hard_age: None,
        packet_count: wire.packets.get(),
        byte_count: wire.bytes.get(),
        instructions: instruction::read(e.take_rest(), version)?,
    })
}

pub(crate) fn write_stats(w: &mut Writer, f: &FlowStats, version: Version, nxm: bool) -> Encoded<()> {
    let start = w.len();
    if version == Version::V10 && nxm {
        w.put(&NxStatsWire {
            len: 0.into(),
            table: f.table.0,
            pad: 0,
            seconds: seconds(f.duration),
            nanos: nanos(f.duration),
            priority: f.priority.into(),
            idle: f.idle_timeout.0.into(),
            hard: f.hard_timeout.0.into(),
            match_len: 0.into(),
            idle_age: f.idle_age.map_or(0, |age| age.saturating_add(1)).into(),
            hard_age: f.hard_age.map_or(0, |age| age.saturating_add(1)).into(),
            cookie: f.cookie.0.into(),
            packets: f.packet_count.into(),
            bytes: f.byte_count.into(),
        });
        let len = write_nxm(w, &f.matching, (0, 0));
        w.set_u16(start + 18, len);
    } else if version == Version::V10 {
        w.put(&Stats10Wire {
            len: 0.into(),
            table: f.table.0,
            pad1: 0,
            matching: match10::write(&f.matching),
            seconds: seconds(f.duration),
            nanos: nanos(f.duration),
            priority: f.priority.into(),
            idle: f.idle_timeout.0.into(),
            hard: f.hard_timeout.0.into(),
            pad2: [0; 6],
            cookie: f.cookie.0.into(),
            packets: f.packet_count.into(),
            bytes: f.byte_count.into(),
        });
    } else if version >= Version::V15 {
        w.put(&Stats15Wire {
            len: 0.into(),
            pad1: [0; 2],
            table: f.table.0,
            reason: 0,
            priority: f.priority.into(),
            idle: f.idle_timeout.0.into(),
            hard: f.hard_timeout.0.into(),
            flags: (f.flags & flags_of(version)).bits().into(),
            importance: f.importance.into(),
            cookie: f.cookie.0.into(),
        });
        write_match11(w, &f.matching, version);
        write_oxs(w, Some(f.duration), f.idle_age, None, f.packet_count, f.byte_count);
    } else {
        w.put(&Stats11Wire {
            len: 0.into(),
            table: f.table.0,
            pad1: 0,
            seconds: seconds(f.duration),
            nanos: nanos(f.duration),
            priority: f.priority.into(),
            idle: f.idle_timeout.0.into(),
            hard: f.hard_timeout.0.into(),
            flags: if version >= Version::V13 { (f.flags & flags_of(version)).bits() } else { 0 }.into(),
            importance: if version >= Version::V14 { f.importance } else { 0 }.into(),
            pad2: [0; 2],
            cookie: f.cookie.0.into(),
            packets: f.packet_count.into(),
            bytes: f.byte_count.into(),
        });
        write_match11(w, &f.matching, version);
    }
    instruction::write(w, &f.instructions, version, has_vlan(&f.matching))?;
    w.close(start, 0);
    Ok(())
}

pub(crate) fn read_aggregate(r: &mut Reader<'_>, version: Version) -> Decoded<AggregateStats> {
    if version >= Version::V15 {
        let stats = read_oxs(r)?;
        return Ok(AggregateStats { packet_count: stats.packets, byte_count: stats.bytes, flow_count: stats.flows });
    }
    let wire: &AggregateWire = r.get("aggregate stats")?;
    Ok(AggregateStats { packet_count: wire.packets.get(), byte_count: wire.bytes.get(), flow_count: wire.flows.get() })
}

pub(crate) fn write_aggregate(w: &mut Writer, a: &AggregateStats, version: Version) {
    if version >= Version::V15 {
        write_oxs(w, None, None, Some(a.flow_count), a.packet_count, a.byte_count);
        return;
    }
    w.put(&AggregateWire {
        packets: a.packet_count.into(),
        bytes: a.byte_count.into(),
        flows: a.flow_count.into(),
        pad: [0; 4],
    });
}

/// OpenFlow 1.5's statistics as TLVs (§7.2.4.2).
struct Oxs {
    duration: Duration,
    idle_age: Option<u16>,
    flows: u32,
    packets: u64,
    bytes: u64,
}

const OXS_CLASS: u16 = 0x8002;
const OXS_DURATION: u8 = 0;
const OXS_IDLE_TIME: u8 = 1;
const OXS_FLOW_COUNT: u8 = 3;
const OXS_PACKET_COUNT: u8 = 4;
const OXS_BYTE_COUNT: u8 = 5;

fn read_oxs(r: &mut Reader<'_>) -> Decoded<Oxs> {
    let header: &MatchHeaderWire =
        r.peek("statistics").or_else(|_| bad(ErrorCode::OFPBMC_BAD_LEN, "statistics are cut"))?;
    let len = usize::from(header.len.get());
    if len < 4 {
        return bad(ErrorCode::OFPBMC_BAD_LEN, format!("statistics of {len} bytes"));
    }
    let mut padded = match r.sub(len.next_multiple_of(8), "statistics") {
        Ok(padded) => padded,
        Err(e) => return bad(ErrorCode::OFPBMC_BAD_LEN, e.reason),
    };
    padded.skip(4, "statistics header")?;
    let mut tlvs = padded.sub(len - 4, "statistics")?;
    let mut out = Oxs { duration: Duration::ZERO, idle_age: None, flows: 0, packets: u64::MAX, bytes: u64::MAX };
    while !tlvs.is_empty() {
        let header = oxm::Header::read(&mut tlvs)?;
        let mut body = tlvs.sub(header.payload, "statistic")?.short(ErrorCode::OFPBMC_BAD_LEN);
        if header.class != OXS_CLASS {
            continue;
        }
        match header.field {
            OXS_DURATION => out.duration = duration(*body.get("duration")?, *body.get("duration")?),
            OXS_IDLE_TIME => out.idle_age = Some(body.get::<U32>("idle time")?.get().min(0xffff) as u16),
            OXS_FLOW_COUNT => out.flows = body.get::<U32>("flow count")?.get(),
            OXS_PACKET_COUNT => out.packets = body.get::<U64>("packet count")?.get(),
            OXS_BYTE_COUNT => out.bytes = body.get::<U64>("byte count")?.get(),
            _ => {}
        }
    }
    Ok(out)
}

fn write_oxs(
    w: &mut Writer,
    lifetime: Option<Duration>,
    idle: Option<u16>,
    flows: Option<u32>,
    packets: u64,
    bytes: u64,
) {
    let start = w.len();
    w.put(&MatchHeaderWire { kind: 0.into(), len: 0.into() });
    let tlv = |w: &mut Writer, field: u8, body: &[u8]| {
        let header = oxm::Header { class: OXS_CLASS, vendor: 0, field, has_mask: false, payload: body.len() };
        header.write(w);
        w.slice(body);
    };
    if let Some(lifetime) = lifetime {
        tlv(w, OXS_DURATION, &[seconds(lifetime).to_bytes(), nanos(lifetime).to_bytes()].concat());
    }
    if let Some(idle) = idle {
        tlv(w, OXS_IDLE_TIME, &[u32::from(idle).to_be_bytes(), [0; 4]].concat());
    }
    if let Some(flows) = flows {
        tlv(w, OXS_FLOW_COUNT, &flows.to_be_bytes());
    }
    if packets != u64::MAX {
        tlv(w, OXS_PACKET_COUNT, &packets.to_be_bytes());
    }
    if bytes != u64::MAX {
        tlv(w, OXS_BYTE_COUNT, &bytes.to_be_bytes());
    }
    w.close(start, 2);
    w.pad(start, 8);
}
