//! How a table is configured: mods, descriptions, and the status message that reports a change.

use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{EVICTION_BIT, VACANCY_BIT, miss, miss_bits};
use crate::error::ErrorCode;
use crate::ids::{TableId, Version};
use crate::table::{TableDesc, TableMiss, TableMod, TableStatus, Vacancy};
use crate::wire::buf::{Decoded, Reader, Writer, bad};
use crate::wire::nicira::{read_property, write_property};
use crate::wire::said::{Module, warn};

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

const EVICTION: u16 = 2;

const VACANCY: u16 = 3;

pub(crate) fn read_mod(r: &mut Reader<'_>, version: Version) -> Decoded<TableMod> {
    let wire: &ModWire = r.get("table mod")?;
    let config = wire.config.get();
    let mut m =
        TableMod { table: TableId(wire.table), miss: None, eviction: None, eviction_flags: None, vacancy: None };
    if version < Version::V14 {
        if version < Version::V13 && config & 3 == 3 {
            return bad(ErrorCode::OFPTMFC_BAD_CONFIG, format!("unknown table configuration {config:#x}"));
        }
        m.miss = Some(if version == Version::V13 && config == 0 { TableMiss::Default } else { miss(config) });
        return Ok(m);
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
                let why = if vacancy.down > vacancy.up {
                    Some("Value of vacancy_down is greater than vacancy_up")
                } else if vacancy.down > 100 || vacancy.up > 100 {
                    Some("Vacancy threshold percentage should not be greater than 100")
                } else if vacancy.current != 0 {
                    Some("Vacancy value should be zero for table-mod messages")
                } else {
                    None
                };
                if let Some(why) = why {
                    warn(Module::Table, || why.to_owned());
                    return bad(ErrorCode::OFPBPC_BAD_VALUE, why);
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
    // what it would evict by is said even while it does not
    if d.eviction || d.eviction_flags != 0 {
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
