//! How tables are configured: mods, descriptions, status.

use std::fmt::Write;

use super::words;
use crate::TableId;
use crate::table::*;
use crate::text::Names;

pub(super) fn table_mod(m: &TableMod, names: &Names) -> String {
    let mut text = match m.table {
        TableId::ALL => " table_id: ALL_TABLES".to_owned(),
        table => format!(" table_id={}", names.show_table(table)),
    };
    if let Some(miss) = m.miss.filter(|miss| *miss != TableMiss::Default) {
        let _ = write!(text, ", flow_miss_config={}", miss_word(miss));
    }
    // by what it evicts takes the place of whether it does, as in the tools: 1 and 2 happen to have words
    let eviction = match (m.eviction_flags, m.eviction) {
        (Some(0), _) | (None, None) => None,
        (Some(1), _) | (None, Some(true)) => Some("on"),
        (Some(2), _) | (None, Some(false)) => Some("off"),
        (Some(_), _) => Some("***error***"),
    };
    if let Some(eviction) = eviction {
        let _ = write!(text, ", eviction={eviction}");
    }
    if let Some(v) = m.vacancy {
        let how = if v.enabled { format!("on vacancy:{},{}", v.down, v.up) } else { "off".to_owned() };
        let _ = write!(text, ", vacancy={how}");
    }
    text
}

pub(super) fn miss_word(miss: TableMiss) -> &'static str {
    match miss {
        TableMiss::Controller => "controller",
        TableMiss::Continue => "continue",
        TableMiss::Drop => "drop",
        TableMiss::Default => "default",
    }
}

fn eviction_flags(flags: u32) -> String {
    words(flags.into(), &[(1, "OTHER"), (2, "IMPORTANCE"), (4, "LIFETIME")], "|")
}

fn desc(d: &TableDesc, names: &Names) -> String {
    let mut text = format!("\n  table {}", names.show_table(d.table));
    let _ = write!(
        text,
        ":\n   eviction={} eviction_flags={}\n",
        if d.eviction { "on" } else { "off" },
        eviction_flags(d.eviction_flags)
    );
    match d.vacancy.enabled {
        true => {
            let _ = writeln!(
                text,
                "   vacancy=on vacancy_down={}% vacancy_up={}% vacancy={}%",
                d.vacancy.down, d.vacancy.up, d.vacancy.current
            );
        }
        false => text.push_str("   vacancy=off\n"),
    }
    text
}

pub(super) fn descs(tables: &[TableDesc], names: &Names) -> String {
    tables.iter().map(|d| desc(d, names)).collect()
}

pub(super) fn status(s: &TableStatus, names: &Names) -> String {
    let reason = match s.reason {
        3 => "VACANCY_DOWN",
        4 => "VACANCY_UP",
        _ => "(unknown)",
    };
    format!(" reason={reason}\ntable_desc:-{}", desc(&s.desc, names).trim_start_matches('\n'))
}
