//! Flow tables: statistics of every version, features (1.3+), modification, description and status.

use weft_flow::FieldId;
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::buf::{Decoded, Reader, Writer, bad, text};
use super::nicira::{read_property, write_property};
use super::oxm;
use crate::error::ErrorCode;
use crate::ids::{TableId, Version};
use crate::table::{
    ActionSet, InstructionSet, TableActions, TableDesc, TableFeatures, TableInstructions, TableMiss, TableMod,
    TableStats, TableStatus, Vacancy,
};

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

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct FeaturesWire {
    len: U16,
    table: u8,
    pad: [u8; 5],
    name: [u8; 32],
    metadata_match: U64,
    metadata_write: U64,
    config: U32,
    max_entries: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct ModWire {
    table: u8,
    pad: [u8; 3],
    config: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct DescWire {
    len: U16,
    table: u8,
    pad: u8,
    config: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct PropertyHeadWire {
    kind: U16,
    len: U16,
}

/// Position of each of our action bits among the numbers of 1.1 and later; 0xff: there is none.
const BITS11: [(ActionSet, u8); 28] = [
    (ActionSet::OUTPUT, 0),
    (ActionSet::SET_VLAN_VID, 1),
    (ActionSet::SET_VLAN_PCP, 2),
    (ActionSet::SET_DL_SRC, 3),
    (ActionSet::SET_DL_DST, 4),
    (ActionSet::SET_NW_SRC, 5),
    (ActionSet::SET_NW_DST, 6),
    (ActionSet::SET_NW_TOS, 7),
    (ActionSet::SET_NW_ECN, 8),
    (ActionSet::SET_TP_SRC, 9),
    (ActionSet::SET_TP_DST, 10),
    (ActionSet::COPY_TTL_OUT, 11),
    (ActionSet::COPY_TTL_IN, 12),
    (ActionSet::SET_MPLS_LABEL, 13),
    (ActionSet::SET_MPLS_TC, 14),
    (ActionSet::SET_MPLS_TTL, 15),
    (ActionSet::DEC_MPLS_TTL, 16),
    (ActionSet::PUSH_VLAN, 17),
    (ActionSet::STRIP_VLAN, 18),
    (ActionSet::PUSH_MPLS, 19),
    (ActionSet::POP_MPLS, 20),
    (ActionSet::SET_QUEUE, 21),
    (ActionSet::GROUP, 22),
    (ActionSet::SET_NW_TTL, 23),
    (ActionSet::DEC_NW_TTL, 24),
    (ActionSet::SET_FIELD, 25),
    (ActionSet::PUSH_PBB, 26),
    (ActionSet::POP_PBB, 27),
];

/// A bitmap of OFPAT_* numbers.
pub(super) fn action_set(bits: u32, version: Version) -> ActionSet {
    if version == Version::V10 {
        return ActionSet::from_bits_truncate(bits & 0xfff);
    }
    BITS11.iter().filter(|(_, n)| bits >> n & 1 == 1).fold(ActionSet::empty(), |set, (bit, _)| set | *bit)
}

pub(super) fn action_set_bits(set: ActionSet, version: Version) -> u32 {
    if version == Version::V10 {
        return set.bits() & 0xfff;
    }
    BITS11.iter().filter(|(bit, _)| set.contains(*bit)).fold(0, |bits, (_, n)| bits | 1 << n)
}

fn name32(name: &str) -> [u8; 32] {
    let mut out = [0; 32];
    let n = name.len().min(31);
    out[..n].copy_from_slice(&name.as_bytes()[..n]);
    out
}

/// Features of a table about which nothing was said.
fn blank(table: TableId) -> TableFeatures {
    TableFeatures {
        table,
        name: String::new(),
        metadata_match: 0,
        metadata_write: 0,
        max_entries: 0,
        miss: TableMiss::Default,
        supports_eviction: false,
        supports_vacancy: false,
        nonmiss: TableInstructions::default(),
        miss_instructions: TableInstructions::default(),
        match_fields: Vec::new(),
        mask_fields: Vec::new(),
        wildcard_fields: Vec::new(),
    }
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

fn fields(table: &[(FieldId, u32)], bits: u32) -> Vec<FieldId> {
    let mut fields: Vec<FieldId> = table.iter().filter(|(_, bit)| bits & bit != 0).map(|(field, _)| *field).collect();
    fields.sort_unstable();
    fields
}

fn bits(table: &[(FieldId, u32)], fields: &[FieldId]) -> u32 {
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

/// 1.1's OFPTC_TABLE_MISS_* bits.
fn miss(config: u32) -> TableMiss {
    match config & 3 {
        0 => TableMiss::Controller,
        1 => TableMiss::Continue,
        2 => TableMiss::Drop,
        _ => TableMiss::Default,
    }
}

fn miss_bits(miss: TableMiss) -> u32 {
    match miss {
        TableMiss::Default | TableMiss::Controller => 0,
        TableMiss::Continue => 1,
        TableMiss::Drop => 2,
    }
}

/// 1.1 and 1.2 number instructions as bits by OFPIT_*.
fn instructions(bits: u32) -> InstructionSet {
    InstructionSet::from_bits_truncate(bits)
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

const EVICTION_BIT: u32 = 1 << 2;
const VACANCY_BIT: u32 = 1 << 3;

/// One table's features; an entry's properties are padded to 8.
pub(crate) fn read_features(r: &mut Reader<'_>, version: Version) -> Decoded<TableFeatures> {
    let len = usize::from(r.peek::<U16>("table features")?.get());
    let mut e = r.sub(len.max(size_of::<FeaturesWire>()), "table features")?;
    let wire: &FeaturesWire = e.get("table features")?;
    let mut f = blank(TableId(wire.table));
    f.name = text(&wire.name);
    f.metadata_match = wire.metadata_match.get();
    f.metadata_write = wire.metadata_write.get();
    f.max_entries = wire.max_entries.get();
    let config = wire.config.get();
    if version >= Version::V14 {
        f.supports_eviction = config & EVICTION_BIT != 0;
        f.supports_vacancy = config & VACANCY_BIT != 0;
    } else {
        f.miss = TableMiss::Default;
    }
    let mut seen = 0u32;
    let mut exact = Vec::new();
    let mut masked = Vec::new();
    while !e.is_empty() {
        let (kind, body) = read_property(&mut e)?;
        if kind < 32 {
            seen |= 1 << kind;
        }
        match kind {
            0 | 1 => half(&mut f, kind).instructions = read_instructions(body)?,
            2 | 3 => half(&mut f, kind).next = body.rest().iter().map(|&t| TableId(t)).collect(),
            4 | 5 => half(&mut f, kind).write.actions = read_actions(body, version)?,
            6 | 7 => half(&mut f, kind).apply.actions = read_actions(body, version)?,
            8 => read_field_ids(body, &mut exact, &mut masked)?,
            10 => read_field_ids(body, &mut f.wildcard_fields, &mut Vec::new())?,
            12 | 13 => half(&mut f, kind).write.set_fields = read_set_fields(body)?,
            14 | 15 => half(&mut f, kind).apply.set_fields = read_set_fields(body)?,
            0xfffe | 0xffff => {}
            _ => return bad(ErrorCode::OFPBPC_BAD_TYPE, format!("unknown table features property {kind}")),
        }
    }
    // What was not said of the miss flow is as for the others.
    for (bit, copy) in COPIES {
        if seen & 1 << bit == 0 {
            copy(&mut f);
        }
    }
    f.match_fields = exact;
    f.match_fields.extend(masked.iter().copied());
    f.mask_fields = masked;
    Ok(f)
}

type Copy = fn(&mut TableFeatures);
const COPIES: [(u16, Copy); 6] = [
    (1, |f| f.miss_instructions.instructions = f.nonmiss.instructions),
    (3, |f| f.miss_instructions.next = f.nonmiss.next.clone()),
    (5, |f| f.miss_instructions.write.actions = f.nonmiss.write.actions),
    (7, |f| f.miss_instructions.apply.actions = f.nonmiss.apply.actions),
    (13, |f| f.miss_instructions.write.set_fields = f.nonmiss.write.set_fields.clone()),
    (15, |f| f.miss_instructions.apply.set_fields = f.nonmiss.apply.set_fields.clone()),
];

/// Odd properties are of the miss flow.
fn half(f: &mut TableFeatures, kind: u16) -> &mut TableInstructions {
    if kind & 1 == 1 { &mut f.miss_instructions } else { &mut f.nonmiss }
}

fn read_instructions(mut r: Reader<'_>) -> Decoded<InstructionSet> {
    let mut set = InstructionSet::empty();
    while !r.is_empty() {
        let head: &PropertyHeadWire = r.get("instruction id")?;
        r.skip(usize::from(head.len.get()).saturating_sub(4), "instruction id")?;
        if head.kind.get() < 7 {
            set |= InstructionSet::from_bits_truncate(1 << head.kind.get());
        }
    }
    Ok(set)
}

fn read_actions(mut r: Reader<'_>, version: Version) -> Decoded<ActionSet> {
    let mut bits = 0;
    while !r.is_empty() {
        let head: &PropertyHeadWire = r.get("action id")?;
        r.skip(usize::from(head.len.get()).saturating_sub(4), "action id")?;
        if head.kind.get() < 32 {
            bits |= 1 << head.kind.get();
        }
    }
    Ok(action_set(bits, version))
}

fn read_field_ids(mut r: Reader<'_>, exact: &mut Vec<FieldId>, masked: &mut Vec<FieldId>) -> Decoded<()> {
    while r.len() >= 4 {
        let header = oxm::Header::read(&mut r)?;
        match header.lookup() {
            Some(field) if header.has_mask => masked.push(field),
            Some(field) => exact.push(field),
            None => {}
        }
    }
    Ok(())
}

fn read_set_fields(r: Reader<'_>) -> Decoded<Vec<FieldId>> {
    let mut fields = Vec::new();
    read_field_ids(r, &mut fields, &mut Vec::new())?;
    Ok(fields)
}

pub(crate) fn write_features(w: &mut Writer, f: &TableFeatures, version: Version) {
    let start = w.len();
    let mut config = 0;
    if version >= Version::V14 {
        config |= if f.supports_eviction { EVICTION_BIT } else { 0 };
        config |= if f.supports_vacancy { VACANCY_BIT } else { 0 };
    }
    w.put(&FeaturesWire {
        len: 0.into(),
        table: f.table.0,
        pad: [0; 5],
        name: name32(&f.name),
        metadata_match: f.metadata_match.into(),
        metadata_write: f.metadata_write.into(),
        config: config.into(),
        max_entries: f.max_entries.into(),
    });
    let (a, b) = (&f.nonmiss, &f.miss_instructions);
    for (miss, i) in [(0, a), (1, b)] {
        let other = |differs: bool| miss == 0 || differs;
        if other(a.instructions != b.instructions) {
            write_property(w, miss, |w| {
                i.instructions.iter().for_each(|one| {
                    w.put(&PropertyHeadWire { kind: (one.bits().trailing_zeros() as u16).into(), len: 4.into() });
                });
            });
        }
        if other(a.next != b.next) {
            write_property(w, 2 + miss, |w| i.next.iter().for_each(|t| w.slice(&[t.0])));
        }
        for (base, actions, same) in [(4, &i.write, a.write == b.write), (6, &i.apply, a.apply == b.apply)] {
            if other(!same) {
                write_property(w, base + miss, |w| {
                    let bits = action_set_bits(actions.actions, version);
                    (0..32u16).filter(|n| bits >> n & 1 == 1).for_each(|n| {
                        w.put(&PropertyHeadWire { kind: n.into(), len: 4.into() });
                    });
                });
                write_property(w, base + 8 + miss, |w| write_field_ids(w, &actions.set_fields, &[], version));
            }
        }
    }
    write_property(w, 8, |w| write_field_ids(w, &f.match_fields, &f.mask_fields, version));
    write_property(w, 10, |w| write_field_ids(w, &f.wildcard_fields, &[], version));
    w.close(start, 0);
}

fn write_field_ids(w: &mut Writer, fields: &[FieldId], masked: &[FieldId], version: Version) {
    for field in fields {
        if let Some(mut header) = oxm::Header::of(*field, Some(version)) {
            if masked.contains(field) {
                header.has_mask = true;
                header.payload *= 2;
            }
            header.write(w);
        }
    }
}

impl TableActions {
    /// Nothing at all.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty() && self.set_fields.is_empty()
    }
}

const EVICTION: u16 = 2;
const VACANCY: u16 = 3;

pub(crate) fn read_mod(r: &mut Reader<'_>, version: Version) -> Decoded<TableMod> {
    let wire: &ModWire = r.get("table mod")?;
    let config = wire.config.get();
    let mut m =
        TableMod { table: TableId(wire.table), miss: None, eviction: None, eviction_flags: None, vacancy: None };
    if version < Version::V14 {
        if config & !3 != 0 || (version < Version::V13 && config & 3 == 3) {
            return bad(ErrorCode::OFPTMFC_BAD_CONFIG, format!("unknown table configuration {config:#x}"));
        }
        m.miss = Some(if version == Version::V13 && config == 0 { TableMiss::Default } else { miss(config) });
        return Ok(m);
    }
    if config & !(EVICTION_BIT | VACANCY_BIT) != 0 {
        return bad(ErrorCode::OFPTMFC_BAD_CONFIG, format!("unknown table configuration {config:#x}"));
    }
    m.eviction = Some(config & EVICTION_BIT != 0);
    let mut vacancy = Vacancy { enabled: config & VACANCY_BIT != 0, ..Vacancy::default() };
    while !r.is_empty() {
        let (kind, mut body) = read_property(r)?;
        match kind {
            EVICTION => m.eviction_flags = Some(body.get::<U32>("eviction flags")?.get()),
            VACANCY => {
                let thresholds = body.bytes(4, "vacancy")?;
                (vacancy.down, vacancy.up, vacancy.current) = (thresholds[0], thresholds[1], thresholds[2]);
                if vacancy.enabled && (vacancy.down > 100 || vacancy.up > 100 || vacancy.down > vacancy.up) {
                    return bad(ErrorCode::OFPBPC_BAD_VALUE, "vacancy thresholds are percent, down below up");
                }
            }
            _ => return bad(ErrorCode::OFPBRC_BAD_TYPE, format!("unknown table mod property {kind}")),
        }
    }
    m.vacancy = Some(vacancy);
    Ok(m)
}

pub(crate) fn write_mod(w: &mut Writer, m: &TableMod, version: Version) {
    if version < Version::V14 {
        let config = m.miss.map_or(0, miss_bits).into();
        w.put(&ModWire { table: m.table.0, pad: [0; 3], config });
        return;
    }
    let vacancy = m.vacancy.unwrap_or_default();
    let mut config = if m.eviction == Some(true) { EVICTION_BIT } else { 0 };
    config |= if vacancy.enabled { VACANCY_BIT } else { 0 };
    w.put(&ModWire { table: m.table.0, pad: [0; 3], config: config.into() });
    if let Some(flags) = m.eviction_flags {
        write_property(w, EVICTION, |w| w.put(&U32::new(flags)));
    }
    if vacancy.enabled {
        write_property(w, VACANCY, |w| w.slice(&[vacancy.down, vacancy.up, vacancy.current, 0]));
    }
}

pub(crate) fn read_desc(r: &mut Reader<'_>) -> Decoded<TableDesc> {
    let len = usize::from(r.peek::<U16>("table description")?.get());
    let mut e = r.sub(len.max(size_of::<DescWire>()), "table description")?;
    let wire: &DescWire = e.get("table description")?;
    let config = wire.config.get();
    let mut d = TableDesc {
        table: TableId(wire.table),
        eviction: config & EVICTION_BIT != 0,
        eviction_flags: 0,
        vacancy: Vacancy { enabled: config & VACANCY_BIT != 0, ..Vacancy::default() },
    };
    while !e.is_empty() {
        let (kind, mut body) = read_property(&mut e)?;
        match kind {
            EVICTION => d.eviction_flags = body.get::<U32>("eviction flags")?.get(),
            VACANCY => {
                let bytes = body.bytes(4, "vacancy")?;
                (d.vacancy.down, d.vacancy.up, d.vacancy.current) = (bytes[0], bytes[1], bytes[2]);
            }
            _ => return bad(ErrorCode::OFPBRC_BAD_TYPE, format!("unknown table property {kind}")),
        }
    }
    Ok(d)
}

pub(crate) fn write_desc(w: &mut Writer, d: &TableDesc) {
    let start = w.len();
    let mut config = if d.eviction { EVICTION_BIT } else { 0 };
    config |= if d.vacancy.enabled { VACANCY_BIT } else { 0 };
    w.put(&DescWire { len: 0.into(), table: d.table.0, pad: 0, config: config.into() });
    if d.eviction {
        write_property(w, EVICTION, |w| w.put(&U32::new(d.eviction_flags)));
    }
    if d.vacancy.enabled {
        write_property(w, VACANCY, |w| w.slice(&[d.vacancy.down, d.vacancy.up, d.vacancy.current, 0]));
    }
    w.close(start, 0);
}

pub(crate) fn read_status(r: &mut Reader<'_>) -> Decoded<TableStatus> {
    let reason = r.bytes(8, "table status")?[0];
    if !matches!(reason, 3 | 4) {
        return bad(ErrorCode::OFPBRC_BAD_TYPE, format!("unknown table status reason {reason}"));
    }
    Ok(TableStatus { reason, desc: read_desc(r)? })
}

pub(crate) fn write_status(w: &mut Writer, s: &TableStatus) {
    w.slice(&[s.reason, 0, 0, 0, 0, 0, 0, 0]);
    write_desc(w, &s.desc);
}
