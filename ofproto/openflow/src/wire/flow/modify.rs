//! Flow mods: 1.0's, Nicira's with a NXM match, and the one from 1.1 on.
//!
//! The three differ in where table, cookie filter and flags lie; [`finish10`] is what the two forms of 1.0 share.

use weft_flow::{Match, OfPort};
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{flags_of, has_vlan, port16, port32, read_match11_into, read_nxm, write_match11, write_nxm};
use crate::codec::Dialect;
use crate::error::ErrorCode;
use crate::flow::{FlowMod, FlowModCommand, FlowModFlags};
use crate::ids::{Cookie, GroupId, TableId, Timeout, Version};
use crate::wire::buf::{Decoded, Encoded, Reader, Writer, bad, cannot};
use crate::wire::oxm::{NxCookie, Unknown};
use crate::wire::{instruction, match10, match11};

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

fn buffer(id: U32) -> Option<u32> {
    (id.get() != u32::MAX).then_some(id.get())
}

/// 1.0's flow mod; `with_table`: NXT_FLOW_MOD_TABLE_ID is on and the command's high byte is a table.
fn split_command(command: u16, with_table: bool) -> (u16, TableId) {
    if with_table { (command & 0xff, TableId((command >> 8) as u8)) } else { (command, TableId::ALL) }
}

/// 1.0 lets a flow speak of ports without a protocol and the like; such a flow matches without them.
fn normalized(mut matching: Match) -> Match {
    crate::text::normalize_logged(&mut matching);
    matching
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

/// A flow mod of the version, or in `nicira`'s form, into one that is used again.
pub(crate) fn read_mod(
    r: &mut Reader<'_>,
    version: Version,
    nicira: bool,
    dialect: &Dialect,
    to: &mut FlowMod,
) -> Decoded<()> {
    match version {
        _ if nicira => *to = read_nx_mod(r, dialect)?,
        Version::V10 => *to = read_mod10(r, dialect)?,
        later => read_mod11(r, later, to)?,
    }
    Ok(())
}

fn read_mod10(r: &mut Reader<'_>, dialect: &Dialect) -> Decoded<FlowMod> {
    let wire: &FlowMod10Wire = r.get("flow mod")?;
    let head = Head10 {
        matching: normalized(match10::read(&wire.matching)),
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

fn read_nx_mod(r: &mut Reader<'_>, dialect: &Dialect) -> Decoded<FlowMod> {
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

fn read_mod11(r: &mut Reader<'_>, version: Version, to: &mut FlowMod) -> Decoded<()> {
    let wire: &FlowMod11Wire = r.get("flow mod")?;
    let command = command(wire.command.into())?;
    to.clear();
    read_match11_into(r, Unknown::Refuse, &mut to.matching)?;
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
    let out_port = port32(wire.out_port.get())?;
    to.command = command;
    to.table = table;
    to.priority = wire.priority.get();
    to.cookie = Cookie(new_cookie);
    to.filter_cookie = Cookie(if adding { 0 } else { cookie & filter });
    to.cookie_mask = if adding { 0 } else { filter };
    to.idle_timeout = Timeout(wire.idle.get());
    to.hard_timeout = Timeout(wire.hard.get());
    to.importance = if version >= Version::V14 { wire.importance.get() } else { 0 };
    to.buffer_id = buffer(wire.buffer);
    to.out_port = if delete { out_port } else { OfPort::NONE };
    to.out_group = if delete { GroupId(wire.out_group.get()) } else { GroupId::ANY };
    to.flags = flags;
    instruction::read11(r.take_rest(), version, &mut to.instructions)
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
        // 1.1 knows no number for all tables: there ovs-ofctl means the first
        table: if version == Version::V11 && m.table == TableId::ALL { 0 } else { m.table.0 },
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
