//! Statistics of flows, one entry per flow, and their sums.
//!
//! An entry starts with its own length and ends with its instructions; 1.5 puts the counters into TLVs ([`super::oxs`]).

use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::oxs::{read_oxs, write_oxs};
use super::{duration, flags_of, has_vlan, nanos, read_match11, read_nxm, seconds, write_match11, write_nxm};
use crate::flow::{AggregateStats, FlowModFlags, FlowStats};
use crate::ids::{Cookie, TableId, Timeout, Version};
use crate::wire::buf::{Decoded, Encoded, Reader, Writer};
use crate::wire::oxm::Unknown;
use crate::wire::{instruction, match10};

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
