//! Table features (1.3+): one property per ability, for flows that match and for the miss flow.
//!
//! Invariant: what is not said of the miss flow is as for the others.

use weft_flow::FieldId;
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{EVICTION_BIT, VACANCY_BIT, action_set, action_set_bits, blank, name32};
use crate::error::ErrorCode;
use crate::ids::{TableId, Version};
use crate::table::{
    ActionSet, FeaturesCommand, InstructionSet, TableActions, TableFeatures, TableInstructions, TableMiss,
};
use crate::wire::buf::{Decoded, Reader, Writer, bad, text};
use crate::wire::nicira::{read_property, write_property};
use crate::wire::oxm;
use crate::wire::said::{Module, warn};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct FeaturesWire {
    len: U16,
    table: u8,
    /// 1.5.
    command: u8,
    pad: [u8; 4],
    name: [u8; 32],
    metadata_match: U64,
    metadata_write: U64,
    config: U32,
    max_entries: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct PropertyHeadWire {
    kind: U16,
    len: U16,
}

/// One table's features; an entry's properties are padded to 8.
pub(crate) fn read_features(r: &mut Reader<'_>, version: Version) -> Decoded<TableFeatures> {
    let len = usize::from(r.peek::<U16>("table features")?.get());
    if len < size_of::<FeaturesWire>() || len > r.len() || len % 8 != 0 {
        return bad(ErrorCode::OFPBPC_BAD_LEN, format!("features of a table in {len} bytes"));
    }
    let mut e = r.sub(len, "table features")?;
    let wire: &FeaturesWire = e.get("table features")?;
    if wire.table == TableId::ALL.0 {
        return bad(ErrorCode::OFPTFFC_BAD_TABLE, "features of all tables at once");
    }
    let mut f = blank(TableId(wire.table));
    f.command = match wire.command {
        _ if version < Version::V15 => FeaturesCommand::Replace,
        0 => FeaturesCommand::Replace,
        1 => FeaturesCommand::Modify,
        2 => FeaturesCommand::Enable,
        3 => FeaturesCommand::Disable,
        n => return bad(ErrorCode::OFPTFFC_BAD_COMMAND, format!("unknown table features command {n}")),
    };
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
    if e.is_empty() && version >= Version::V15 {
        return Ok(f);
    }
    f.properties = true;
    let mut seen = 0u32;
    let mut exact = Vec::new();
    let mut masked = Vec::new();
    while !e.is_empty() {
        let (kind, body) = read_property(&mut e)?;
        if kind < 16 {
            if seen & 1 << kind != 0 {
                return bad(ErrorCode::OFPTFFC_BAD_FEATURES, format!("table features property {kind} twice"));
            }
            seen |= 1 << kind;
        }
        match kind {
            0 | 1 => half(&mut f, kind).instructions = read_instructions(body)?,
            2 | 3 => {
                let mut next: Vec<TableId> = body.rest().iter().map(|&t| TableId(t)).collect();
                next.sort_unstable();
                next.dedup();
                half(&mut f, kind).next = next;
            }
            4 | 5 => half(&mut f, kind).write.actions = read_actions(body, version)?,
            6 | 7 => half(&mut f, kind).apply.actions = read_actions(body, version)?,
            8 => read_field_ids(body, &mut exact, &mut masked)?,
            10 => read_field_ids(body, &mut f.wildcard_fields, &mut Vec::new())?,
            12 | 13 => half(&mut f, kind).write.set_fields = read_set_fields(body)?,
            14 | 15 => half(&mut f, kind).apply.set_fields = read_set_fields(body)?,
            // what a table can do besides, nobody asks here
            _ => {}
        }
    }
    let missing = REQUIRED & !seen;
    if missing != 0 {
        let text = format!(
            "table features message missing {} required properties, including property {}",
            missing.count_ones(),
            missing.trailing_zeros()
        );
        warn(Module::Table, || text.clone());
        return bad(ErrorCode::OFPTFFC_BAD_FEATURES, text);
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

/// Instructions, next tables, actions and fields to set of both kinds, fields to match, fields that may be left out.
const REQUIRED: u32 = 0b0101_0101_0101_0101;

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

fn read_field_ids(r: Reader<'_>, exact: &mut Vec<FieldId>, masked: &mut Vec<FieldId>) -> Decoded<()> {
    let mut r = r.short(ErrorCode::OFPBMC_BAD_LEN);
    while !r.is_empty() {
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
        command: if version >= Version::V15 { f.command as u8 } else { 0 },
        pad: [0; 4],
        name: name32(&f.name),
        metadata_match: f.metadata_match.into(),
        metadata_write: f.metadata_write.into(),
        config: config.into(),
        max_entries: f.max_entries.into(),
    });
    if !f.properties {
        w.close(start, 0);
        return;
    }
    let (a, b) = (&f.nonmiss, &f.miss_instructions);
    for (miss, i) in [(0, a), (1, b)] {
        let other = |differs: bool| miss == 0 || differs;
        if other(a.instructions != b.instructions) {
            write_property(w, miss, |w| {
                let known = i.instructions.iter().filter(|one| version < Version::V15 || *one != InstructionSet::METER);
                known.for_each(|one| {
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
