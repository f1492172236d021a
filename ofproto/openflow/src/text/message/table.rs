//! Tables: statistics, features, configuration.

use std::fmt::Write;

use weft_flow::FieldId;

use super::switch::actions;
use super::words;
use crate::table::*;
use crate::text::Names;
use crate::{TableId, Version};

fn table_name(table: TableId, name: &str, names: &Names) -> String {
    match name {
        "" => format!("table {}", names.show_table(table)),
        name if name == format!("table{}", table.0) => format!("table {}", table.0),
        name => format!("table {} (\"{name}\")", table.0),
    }
}

/// Tables that say the same as the one before are one line: `tables 2...253: ditto`.
fn grouped<T>(
    all: &[T],
    same: impl Fn(&T, &T) -> bool,
    id: impl Fn(&T) -> TableId,
    mut show: impl FnMut(&T, Option<&T>) -> String,
) -> String {
    let mut text = String::new();
    let mut i = 0;
    while i < all.len() {
        let before = i.checked_sub(1).map(|p| &all[p]);
        let run = match before {
            Some(before) => all[i..].iter().take_while(|t| same(before, t)).count(),
            None => 0,
        };
        match run {
            0 => {
                text.push_str(&show(&all[i], before));
                i += 1;
            }
            1 => {
                let _ = writeln!(text, "  table {}: ditto", id(&all[i]).0);
                i += 1;
            }
            _ => {
                let _ = writeln!(text, "  tables {}...{}: ditto", id(&all[i]).0, id(&all[i + run - 1]).0);
                i += run;
            }
        }
        if i < all.len() {
            text.push('\n');
        }
    }
    text
}

pub(super) fn stats(tables: &[TableStats], version: Version, names: &Names) -> String {
    let old = version <= Version::V12;
    let features_equal = |a: &TableFeatures, b: &TableFeatures| {
        !old || (a.max_entries, &a.match_fields, &a.wildcard_fields)
            == (b.max_entries, &b.match_fields, &b.wildcard_fields)
    };
    let same = |a: &TableStats, b: &TableStats| {
        let counters = |t: &TableStats| (t.active_count, t.lookup_count, t.matched_count);
        counters(a) == counters(b) && plain_name(b) && features_equal(&a.features, &b.features)
    };
    let show = |t: &TableStats, before: Option<&TableStats>| {
        let mut text = format!("  {}:\n    active={}, ", table_name(t.table, &t.features.name, names), t.active_count);
        let _ = writeln!(text, "lookup={}, matched={}", t.lookup_count, t.matched_count);
        if old {
            if before.is_some_and(|b| features_equal(&b.features, &t.features)) {
                text.push_str("    (same features)\n");
            } else {
                let _ = writeln!(text, "    max_entries={}", t.features.max_entries);
                text.push_str(&matching(&t.features));
            }
        }
        text
    };
    format!("\n{}", grouped(tables, same, |t| t.table, show))
}

fn plain_name(t: &TableStats) -> bool {
    t.features.name.is_empty() || t.features.name == format!("table{}", t.table.0)
}

fn matching(f: &TableFeatures) -> String {
    let mut text = "    matching:\n".to_owned();
    let arbitrary: Vec<FieldId> = f.mask_fields.clone();
    let exact: Vec<FieldId> = f.wildcard_fields.iter().copied().filter(|id| !arbitrary.contains(id)).collect();
    let must: Vec<FieldId> = f
        .match_fields
        .iter()
        .copied()
        .filter(|id| !arbitrary.contains(id) && !f.wildcard_fields.contains(id))
        .collect();
    for (name, fields) in
        [("arbitrary mask", arbitrary), ("exact match or wildcard", exact), ("must exact match", must)]
    {
        if !fields.is_empty() {
            let _ = writeln!(text, "      {name}: {}", field_names(&fields));
        }
    }
    text
}

/// Field names with what they have in common said once: `eth_{src,dst,type} in_port reg0...reg15`.
fn field_names(fields: &[FieldId]) -> String {
    fn squeeze(names: &[String]) -> Vec<String> {
        let mut said = Vec::new();
        let mut i = 0;
        while i < names.len() {
            // runs that count up
            let stem = names[i].trim_end_matches(|c: char| c.is_ascii_digit());
            let start: Option<u32> = names[i][stem.len()..].parse().ok();
            if let Some(start) = start {
                let run = names[i..].iter().zip(start..).take_while(|(n, k)| **n == format!("{stem}{k}")).count();
                if run > 1 {
                    said.push(format!("{}...{}", names[i], names[i + run - 1]));
                    i += run;
                    continue;
                }
            }
            match names[i].split_once('_') {
                Some((prefix, _)) => {
                    let inside = |n: &&String| n.split_once('_').is_some_and(|(p, _)| p == prefix);
                    let run = names[i..].iter().take_while(inside).count();
                    if run > 1 {
                        let rest: Vec<String> =
                            names[i..i + run].iter().map(|n| n[prefix.len() + 1..].to_owned()).collect();
                        said.push(format!("{prefix}_{{{}}}", squeeze(&rest).join(",")));
                        i += run;
                    } else {
                        said.push(names[i].clone());
                        i += 1;
                    }
                }
                None => {
                    said.push(names[i].clone());
                    i += 1;
                }
            }
        }
        said
    }
    let mut fields = fields.to_vec();
    fields.sort_by_key(|field| place(*field));
    let names: Vec<String> = fields.iter().map(|id| id.field().name.to_owned()).collect();
    squeeze(&names).join(" ")
}

/// Where a field stands in lists of them: in the order of ovs-fields(7)'s chapters as the tools number them, which
/// differs from ours in a few places.
fn place(field: FieldId) -> (u8, usize) {
    use FieldId::*;
    const FIRST: [FieldId; 18] = [
        DpHash,
        RecircId,
        PacketType,
        ConjId,
        TunId,
        TunSrc,
        TunDst,
        TunIpv6Src,
        TunIpv6Dst,
        TunFlags,
        TunGbpId,
        TunGbpFlags,
        TunErspanIdx,
        TunErspanVer,
        TunErspanDir,
        TunErspanHwid,
        TunGtpuFlags,
        TunGtpuMsgtype,
    ];
    const PIPELINE: [FieldId; 5] = [Metadata, InPort, InPortOxm, PktMark, ActsetOutput];
    const NSH: [FieldId; 10] = [NshFlags, NshMdtype, NshNp, NshSpi, NshSi, NshC1, NshC2, NshC3, NshC4, NshTtl];
    let ours = |field: FieldId| 2 * FieldId::ALL.iter().position(|f| *f == field).unwrap_or(0) + 1;
    for (chapter, list) in [(0, &FIRST[..]), (2, &PIPELINE), (4, &NSH)] {
        if let Some(at) = list.iter().position(|f| *f == field) {
            return (chapter, at);
        }
    }
    match field {
        VlanTci => (3, ours(VlanVid) - 1),
        NwTtl => (3, ours(NwEcn) + 1),
        other if other.field().name.starts_with("tun_metadata") => (1, ours(other)),
        other => (3, ours(other)),
    }
}

pub(super) fn features(tables: &[TableFeatures], names: &Names) -> String {
    let same = |a: &TableFeatures, b: &TableFeatures| {
        let next = |t: &TableFeatures| t.nonmiss.next.is_empty();
        let comparable = |t: &TableFeatures| {
            let mut t = t.clone();
            t.table = TableId(0);
            t.name = String::new();
            t.nonmiss.next.clear();
            t.miss_instructions.next.clear();
            t
        };
        next(a) == next(b) && comparable(a) == comparable(b) && b.name.is_empty()
    };
    let show = |t: &TableFeatures, before: Option<&TableFeatures>| {
        let mut text = format!("  {}:\n", table_name(t.table, &t.name, names));
        let _ = writeln!(text, "    metadata: match={:#x} write={:#x}", t.metadata_match, t.metadata_write);
        let _ = writeln!(text, "    max_entries={}", t.max_entries);
        if t.nonmiss == t.miss_instructions {
            text.push_str("    instructions (table miss and others):\n");
            text.push_str(&instructions(&t.nonmiss, before.map(|b| &b.nonmiss)));
        } else {
            text.push_str("    instructions (other than table miss):\n");
            text.push_str(&instructions(&t.nonmiss, before.map(|b| &b.nonmiss)));
            text.push_str("    instructions (table miss):\n");
            text.push_str(&instructions(&t.miss_instructions, before.map(|b| &b.miss_instructions)));
        }
        let fields = |t: &TableFeatures| (t.match_fields.clone(), t.mask_fields.clone(), t.wildcard_fields.clone());
        match before {
            Some(before) if fields(before) == fields(t) => text.push_str("    (same matching)\n"),
            _ => text.push_str(&matching(t)),
        }
        text
    };
    format!("\n{}", grouped(tables, same, |t| t.table, show))
}

fn instructions(i: &TableInstructions, before: Option<&TableInstructions>) -> String {
    let mut text = String::new();
    if let (Some(first), Some(last)) = (i.next.first(), i.next.last()) {
        let range = if first == last { first.0.to_string() } else { format!("{}-{}", first.0, last.0) };
        let _ = writeln!(text, "      next tables: {range}");
    }
    let names = [
        (InstructionSet::METER, "meter"),
        (InstructionSet::APPLY_ACTIONS, "apply_actions"),
        (InstructionSet::CLEAR_ACTIONS, "clear_actions"),
        (InstructionSet::WRITE_ACTIONS, "write_actions"),
        (InstructionSet::WRITE_METADATA, "write_metadata"),
        (InstructionSet::GOTO_TABLE, "goto_table"),
    ]
    .map(|(bit, name)| (u64::from(bit.bits()), name));
    let _ = writeln!(text, "      instructions: {}", words(i.instructions.bits().into(), &names, " "));
    if before.is_some_and(|b| (&b.write, &b.apply) == (&i.write, &i.apply)) {
        text.push_str("      (same actions)\n");
        return text;
    }
    let kinds: Vec<(&str, &TableActions)> = if i.write == i.apply {
        vec![("Write-Actions and Apply-Actions", &i.write)]
    } else {
        vec![("Write-Actions", &i.write), ("Apply-Actions", &i.apply)]
    };
    for (name, kind) in kinds {
        let _ = writeln!(text, "      {name} features:");
        let _ = writeln!(text, "        actions: {}", actions(kind.actions));
        let _ = writeln!(text, "        supported on Set-Field: {}", field_names(&kind.set_fields));
    }
    text
}

pub(super) fn table_mod(m: &TableMod, names: &Names) -> String {
    let table = if m.table == TableId::ALL { "ALL_TABLES".to_owned() } else { names.show_table(m.table) };
    let mut text = format!(" table_id={table}");
    if let Some(miss) = m.miss.filter(|miss| *miss != TableMiss::Default) {
        let word = match miss {
            TableMiss::Controller => "controller",
            TableMiss::Continue => "continue",
            TableMiss::Drop => "drop",
            TableMiss::Default => "default",
        };
        let _ = write!(text, ", flow_miss_config={word}");
    }
    if let Some(eviction) = m.eviction {
        let _ = write!(text, "eviction={}, ", if eviction { "on" } else { "off" });
    }
    if let Some(flags) = m.eviction_flags {
        let _ = write!(text, "eviction_flags={}", eviction_flags(flags));
    }
    if let Some(v) = m.vacancy {
        let _ = write!(
            text,
            "{}",
            if v.enabled { format!("vacancy:{},{}", v.down, v.up) } else { "vacancy=off".to_owned() }
        );
    }
    text
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
