//! What tables can do, and their counters: one entry a table, which says only what differs from the table before.
//!
//! ```text
//!   table 0:            everything
//!   table 1 ("name"):   "(same instructions)", "(same matching)", "(same features)" where only the rest differs
//!   table 2 ("other"): ditto
//!   tables 3...252: ditto
//! ```

use std::fmt::Write;

use weft_flow::FieldId;

use super::switch::actions;
use super::table::miss_word;
use super::words;
use crate::table::*;
use crate::text::Names;
use crate::{TableId, Version};

/// Counters, before 1.3 with features.
pub(super) fn stats(tables: &[TableStats], version: Version, names: &Names) -> String {
    let old = version <= Version::V12;
    let entries: Vec<Entry<'_>> = tables
        .iter()
        .map(|t| Entry {
            table: t.table,
            name: &t.features.name,
            features: old.then_some(&t.features),
            counters: Some([t.active_count.into(), t.lookup_count, t.matched_count]),
        })
        .collect();
    format!("\n{}", list(&entries, version, names))
}

/// Features; of a request of 1.5 also what it does with them.
pub(super) fn features(tables: &[TableFeatures], version: Version, names: &Names) -> String {
    let entries: Vec<Entry<'_>> =
        tables.iter().map(|t| Entry { table: t.table, name: &t.name, features: Some(t), counters: None }).collect();
    let command = match tables.first().map(|t| t.command) {
        None | Some(FeaturesCommand::Replace) => "",
        Some(FeaturesCommand::Modify) => "  command: modify\n",
        Some(FeaturesCommand::Enable) => "  command: enable\n",
        Some(FeaturesCommand::Disable) => "  command: disable\n",
    };
    format!("\n{command}{}", list(&entries, version, names))
}

/// What there is to say of a table.
struct Entry<'a> {
    table: TableId,
    name: &'a str,
    features: Option<&'a TableFeatures>,
    counters: Option<[u64; 3]>,
}

fn list(all: &[Entry<'_>], version: Version, names: &Names) -> String {
    let mut text = String::new();
    let mut i = 0;
    while let Some(entry) = all.get(i) {
        let before = i.checked_sub(1).map(|p| &all[p]);
        let is_ditto = |at: usize| {
            let (a, b) = (&all[at - 1], &all[at]);
            a.counters == b.counters && same_features(a, b) && (a.features.is_some() || a.counters.is_some())
        };
        if before.is_none() || !is_ditto(i) {
            text.push_str(&full(entry, before, version, names));
            i += 1;
        } else if !entry.name.is_empty() {
            let _ = writeln!(text, "  {}: ditto", heading(entry, names));
            i += 1;
            // what follows belongs to the same run
            continue;
        } else {
            let end = (i..all.len()).find(|&at| !is_ditto(at) || !all[at].name.is_empty()).unwrap_or(all.len());
            match end - i {
                1 => _ = writeln!(text, "  {}: ditto", heading(entry, names)),
                _ => _ = writeln!(text, "  tables {}...{}: ditto", entry.table.0, all[end - 1].table.0),
            }
            i = end;
        }
        if i < all.len() {
            text.push('\n');
        }
    }
    text
}

fn heading(entry: &Entry<'_>, names: &Names) -> String {
    match entry.name {
        "" => format!("table {}", names.show_table(entry.table)),
        name => format!("table {} (\"{name}\")", entry.table.0),
    }
}

fn same_features(a: &Entry<'_>, b: &Entry<'_>) -> bool {
    match (a.features, b.features) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            let fixed = |f: &TableFeatures| {
                let supports = (f.supports_eviction, f.supports_vacancy);
                (f.metadata_match, f.metadata_write, f.miss, supports, f.max_entries)
            };
            fixed(a) == fixed(b) && same_instructions(a, b) && same_matching(a, b)
        }
        _ => false,
    }
}

/// Tables go on to later ones only: what the table itself is cannot be the difference.
fn same_next(a: &TableInstructions, b: &TableInstructions, table: TableId) -> bool {
    let later = |i: &TableInstructions| i.next.iter().copied().filter(|t| *t > table).collect::<Vec<_>>();
    later(a) == later(b)
}

fn same_instructions(a: &TableFeatures, b: &TableFeatures) -> bool {
    let same = |x: &TableInstructions, y: &TableInstructions| {
        x.instructions == y.instructions && x.write == y.write && x.apply == y.apply && same_next(x, y, b.table)
    };
    same(&a.nonmiss, &b.nonmiss) && same(&a.miss_instructions, &b.miss_instructions)
}

fn same_matching(a: &TableFeatures, b: &TableFeatures) -> bool {
    a.match_fields == b.match_fields && a.mask_fields == b.mask_fields
}

fn full(entry: &Entry<'_>, before: Option<&Entry<'_>>, version: Version, names: &Names) -> String {
    let mut text = format!("  {}:\n", heading(entry, names));
    if let Some([active, lookup, matched]) = entry.counters {
        let _ = writeln!(text, "    active={active}, lookup={lookup}, matched={matched}");
    }
    let Some(f) = entry.features else { return text };
    if before.is_some_and(|before| same_features(before, entry)) {
        text.push_str("    (same features)\n");
        return text;
    }
    if f.metadata_match != 0 || f.metadata_write != 0 {
        let mask = |bits: u64| if bits == 0 { "0".to_owned() } else { format!("{bits:#x}") };
        let _ = writeln!(text, "    metadata: match={} write={}", mask(f.metadata_match), mask(f.metadata_write));
    }
    if f.miss != TableMiss::Default {
        let _ = writeln!(text, "    config={}", miss_word(f.miss));
    }
    if version >= Version::V14 {
        let word = |can: bool| if can { "supported" } else { "not supported" };
        let _ = writeln!(text, "    eviction: {}", word(f.supports_eviction));
        let _ = writeln!(text, "    vacancy events: {}", word(f.supports_vacancy));
    }
    let _ = writeln!(text, "    max_entries={}", f.max_entries);
    let old = before.and_then(|before| before.features);
    let says_instructions = !(f.nonmiss == TableInstructions::default() && f.nonmiss == f.miss_instructions);
    if says_instructions {
        if old.is_some_and(|old| same_instructions(old, f)) {
            text.push_str("    (same instructions)\n");
        } else if f.nonmiss == f.miss_instructions {
            text.push_str("    instructions (table miss and others):\n");
            text.push_str(&instructions(&f.nonmiss, old.map(|old| &old.nonmiss)));
        } else {
            text.push_str("    instructions (other than table miss):\n");
            text.push_str(&instructions(&f.nonmiss, old.map(|old| &old.nonmiss)));
            text.push_str("    instructions (table miss):\n");
            text.push_str(&instructions(&f.miss_instructions, old.map(|old| &old.miss_instructions)));
        }
    }
    if !f.match_fields.is_empty() {
        match old {
            Some(old) if same_matching(old, f) => text.push_str("    (same matching)\n"),
            _ => text.push_str(&matching(f)),
        }
    }
    text
}

fn instructions(i: &TableInstructions, before: Option<&TableInstructions>) -> String {
    let mut text = String::new();
    if !i.next.is_empty() {
        let _ = writeln!(text, "      next tables: {}", ranges(&i.next));
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
    if before.is_some_and(|before| before.instructions == i.instructions) {
        text.push_str("      (same instructions)\n");
    } else if !i.instructions.is_empty() {
        let _ = writeln!(text, "      instructions: {}", words(i.instructions.bits().into(), &names, " "));
    }
    let sets = |a: &TableInstructions| !a.write.set_fields.is_empty() && !a.apply.set_fields.is_empty();
    if before.is_some_and(|b| (&b.write, &b.apply) == (&i.write, &i.apply)) && sets(i) {
        text.push_str("      (same actions)\n");
    } else if i.write != i.apply {
        text.push_str("      Write-Actions features:\n");
        text.push_str(&table_actions(&i.write));
        text.push_str("      Apply-Actions features:\n");
        text.push_str(&table_actions(&i.apply));
    } else if !i.write.is_empty() {
        text.push_str("      Write-Actions and Apply-Actions features:\n");
        text.push_str(&table_actions(&i.write));
    }
    text
}

fn table_actions(can: &TableActions) -> String {
    let mut text = String::new();
    if !can.actions.is_empty() {
        let _ = writeln!(text, "        actions: {}", actions(can.actions));
    }
    if !can.set_fields.is_empty() {
        let _ = writeln!(text, "        supported on Set-Field: {}", field_names(&can.set_fields));
    }
    text
}

/// `1-3,5`
fn ranges(tables: &[TableId]) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut i = 0;
    while let Some(first) = tables.get(i) {
        let run = tables[i..].iter().zip(first.0..).take_while(|(t, n)| t.0 == *n).count().max(1);
        said.push(match run {
            1 => first.0.to_string(),
            run => format!("{}-{}", first.0, tables[i + run - 1].0),
        });
        i += run;
    }
    said.join(",")
}

fn matching(f: &TableFeatures) -> String {
    let mut text = "    matching:\n".to_owned();
    let arbitrary: Vec<FieldId> = f.mask_fields.clone();
    let rest = || f.match_fields.iter().copied().filter(|id| !arbitrary.contains(id));
    let exact: Vec<FieldId> = rest().filter(|id| f.wildcard_fields.contains(id)).collect();
    let must: Vec<FieldId> = rest().filter(|id| !f.wildcard_fields.contains(id)).collect();
    for (name, fields) in
        [("arbitrary mask", &arbitrary), ("exact match or wildcard", &exact), ("must exact match", &must)]
    {
        if !fields.is_empty() {
            let _ = writeln!(text, "      {name}: {}", field_names(fields));
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
