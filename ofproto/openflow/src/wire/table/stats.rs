//! Table statistics. Versions before 1.3 put the table's features into them, each as bitmaps of its own.

use weft_flow::FieldId;
use zerocopy::byteorder::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{action_set, action_set_bits, blank, miss, miss_bits, name32};
use crate::ids::{TableId, Version};
use crate::table::{InstructionSet, TableFeatures, TableStats};
use crate::wire::buf::{Decoded, Reader, Writer, text};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Stats10Wire {
    table: u8,
    pad: [u8; 3],
    name: [u8; 32],
    wildcards: U32,
    max_entries: U32,
    active: U32,
    lookup: U64,
    matched: U64,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Stats11Wire {
    table: u8,
    pad: [u8; 7],
    name: [u8; 32],
    wildcards: U32,
    matching: U32,
    instructions: U32,
    write_actions: U32,
    apply_actions: U32,
    config: U32,
    max_entries: U32,
    active: U32,
    lookup: U64,
    matched: U64,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Stats12Wire {
    table: u8,
    pad: [u8; 7],
    name: [u8; 32],
    matching: U64,
    wildcards: U64,
    write_actions: U32,
    apply_actions: U32,
    write_fields: U64,
    apply_fields: U64,
    metadata_match: U64,
    metadata_write: U64,
    instructions: U32,
    config: U32,
    max_entries: U32,
    active: U32,
    lookup: U64,
    matched: U64,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Stats13Wire {
    table: u8,
    pad: [u8; 3],
    active: U32,
    lookup: U64,
    matched: U64,
}

/// Which field each bit of 1.0's and 1.1's wildcards stands for.
const FIELDS10: [(FieldId, u32); 12] = [
    (FieldId::InPort, 1 << 0),
    (FieldId::VlanVid, 1 << 1),
    (FieldId::EthSrc, 1 << 2),
    (FieldId::EthDst, 1 << 3),
    (FieldId::EthType, 1 << 4),
    (FieldId::NwProto, 1 << 5),
    (FieldId::TcpSrc, 1 << 6),
    (FieldId::TcpDst, 1 << 7),
    (FieldId::IpSrc, 0x3f << 8),
    (FieldId::IpDst, 0x3f << 14),
    (FieldId::VlanPcp, 1 << 20),
    (FieldId::NwTos, 1 << 21),
];

/// Bit 10 is the match's own type.
const FIELDS11: [(FieldId, u32); 15] = [
    (FieldId::InPort, 1 << 0),
    (FieldId::VlanVid, 1 << 1),
    (FieldId::VlanPcp, 1 << 2),
    (FieldId::EthType, 1 << 3),
    (FieldId::NwTos, 1 << 4),
    (FieldId::NwProto, 1 << 5),
    (FieldId::TcpSrc, 1 << 6),
    (FieldId::TcpDst, 1 << 7),
    (FieldId::MplsLabel, 1 << 8),
    (FieldId::MplsTc, 1 << 9),
    (FieldId::EthSrc, 1 << 11),
    (FieldId::EthDst, 1 << 12),
    (FieldId::IpSrc, 1 << 13),
    (FieldId::IpDst, 1 << 14),
    (FieldId::Metadata, 1 << 15),
];

pub(super) fn fields(table: &[(FieldId, u32)], bits: u32) -> Vec<FieldId> {
    let mut fields: Vec<FieldId> = table.iter().filter(|(_, bit)| bits & bit != 0).map(|(field, _)| *field).collect();
    fields.sort_unstable();
    fields
}

pub(super) fn bits(table: &[(FieldId, u32)], fields: &[FieldId]) -> u32 {
    table.iter().filter(|(field, _)| fields.contains(field)).fold(0, |bits, (_, bit)| bits | bit)
}

/// 1.2's bitmaps of OXM fields.
fn oxm_fields(bitmap: u64) -> Vec<FieldId> {
    let basic = |n: u8| FieldId::by_oxm(0x8000, 0, n);
    let mut fields: Vec<FieldId> = (0..64u8).filter(|n| bitmap >> n & 1 == 1).filter_map(basic).collect();
    fields.sort_unstable();
    fields
}

fn oxm_bitmap(fields: &[FieldId]) -> u64 {
    let number = |field: &FieldId| field.field().oxm.iter().find(|o| o.class == 0x8000 && o.field < 40);
    fields.iter().filter_map(number).fold(0, |bits, o| bits | 1 << o.field)
}

/// 1.1 and 1.2 number instructions as bits by OFPIT_*; they have no meter.
fn instructions(bits: u32) -> InstructionSet {
    InstructionSet::from_bits_truncate(bits) - InstructionSet::METER
}

pub(crate) fn read_stats(r: &mut Reader<'_>, version: Version) -> Decoded<TableStats> {
    let same = |f: &mut TableFeatures| f.miss_instructions = f.nonmiss.clone();
    Ok(match version {
        Version::V10 => {
            let wire: &Stats10Wire = r.get("table stats")?;
            let mut f = blank(TableId(wire.table));
            f.name = text(&wire.name);
            f.max_entries = wire.max_entries.get();
            f.match_fields = fields(&FIELDS10, wire.wildcards.get());
            f.wildcard_fields = f.match_fields.clone();
            stats(f, wire.active, wire.lookup, wire.matched)
        }
        Version::V11 => {
            let wire: &Stats11Wire = r.get("table stats")?;
            let mut f = blank(TableId(wire.table));
            f.name = text(&wire.name);
            f.max_entries = wire.max_entries.get();
            f.miss = miss(wire.config.get());
            f.match_fields = fields(&FIELDS11, wire.matching.get());
            f.wildcard_fields = fields(&FIELDS11, wire.wildcards.get());
            f.nonmiss.instructions = instructions(wire.instructions.get());
            f.nonmiss.write.actions = action_set(wire.write_actions.get(), version);
            f.nonmiss.apply.actions = action_set(wire.apply_actions.get(), version);
            same(&mut f);
            stats(f, wire.active, wire.lookup, wire.matched)
        }
        Version::V12 => {
            let wire: &Stats12Wire = r.get("table stats")?;
            let mut f = blank(TableId(wire.table));
            f.name = text(&wire.name);
            f.max_entries = wire.max_entries.get();
            f.miss = miss(wire.config.get());
            f.metadata_match = wire.metadata_match.get();
            f.metadata_write = wire.metadata_write.get();
            f.match_fields = oxm_fields(wire.matching.get());
            f.wildcard_fields = oxm_fields(wire.wildcards.get());
            f.nonmiss.instructions = instructions(wire.instructions.get());
            f.nonmiss.write.actions = action_set(wire.write_actions.get(), version);
            f.nonmiss.apply.actions = action_set(wire.apply_actions.get(), version);
            f.nonmiss.write.set_fields = oxm_fields(wire.write_fields.get());
            f.nonmiss.apply.set_fields = oxm_fields(wire.apply_fields.get());
            same(&mut f);
            stats(f, wire.active, wire.lookup, wire.matched)
        }
        _ => {
            let wire: &Stats13Wire = r.get("table stats")?;
            stats(blank(TableId(wire.table)), wire.active, wire.lookup, wire.matched)
        }
    })
}

fn stats(features: TableFeatures, active: U32, lookup: U64, matched: U64) -> TableStats {
    TableStats {
        table: features.table,
        active_count: active.get(),
        lookup_count: lookup.get(),
        matched_count: matched.get(),
        features,
    }
}

pub(crate) fn write_stats(w: &mut Writer, s: &TableStats, version: Version) {
    let f = &s.features;
    let (active, lookup, matched) = (s.active_count.into(), s.lookup_count.into(), s.matched_count.into());
    match version {
        Version::V10 => w.put(&Stats10Wire {
            table: s.table.0,
            pad: [0; 3],
            name: name32(&f.name),
            wildcards: bits(&FIELDS10, &f.wildcard_fields).into(),
            max_entries: f.max_entries.into(),
            active,
            lookup,
            matched,
        }),
        Version::V11 => w.put(&Stats11Wire {
            table: s.table.0,
            pad: [0; 7],
            name: name32(&f.name),
            wildcards: bits(&FIELDS11, &f.wildcard_fields).into(),
            matching: bits(&FIELDS11, &f.match_fields).into(),
            instructions: (f.nonmiss.instructions - InstructionSet::METER).bits().into(),
            write_actions: action_set_bits(f.nonmiss.write.actions, version).into(),
            apply_actions: action_set_bits(f.nonmiss.apply.actions, version).into(),
            config: miss_bits(f.miss).into(),
            max_entries: f.max_entries.into(),
            active,
            lookup,
            matched,
        }),
        Version::V12 => w.put(&Stats12Wire {
            table: s.table.0,
            pad: [0; 7],
            name: name32(&f.name),
            matching: oxm_bitmap(&f.match_fields).into(),
            wildcards: oxm_bitmap(&f.wildcard_fields).into(),
            write_actions: action_set_bits(f.nonmiss.write.actions, version).into(),
            apply_actions: action_set_bits(f.nonmiss.apply.actions, version).into(),
            write_fields: oxm_bitmap(&f.nonmiss.write.set_fields).into(),
            apply_fields: oxm_bitmap(&f.nonmiss.apply.set_fields).into(),
            metadata_match: f.metadata_match.into(),
            metadata_write: f.metadata_write.into(),
            instructions: (f.nonmiss.instructions - InstructionSet::METER).bits().into(),
            config: miss_bits(f.miss).into(),
            max_entries: f.max_entries.into(),
            active,
            lookup,
            matched,
        }),
        _ => w.put(&Stats13Wire { table: s.table.0, pad: [0; 3], active, lookup, matched }),
    }
}
