//! Groups.

use std::fmt::Write;

use weft_flow::OfPort;
use weft_flow::text::format_value;

use super::switch::actions;
use crate::group::*;
use crate::text::flow_print::seconds;
use crate::text::{Names, format_actions};
use crate::{GroupId, Version};

pub(super) fn id(group: GroupId) -> String {
    match group {
        GroupId::ALL => "ALL".to_owned(),
        GroupId::ANY => "ANY".to_owned(),
        GroupId(number) => number.to_string(),
    }
}

fn kind_name(kind: GroupKind) -> &'static str {
    match kind {
        GroupKind::All => "all",
        GroupKind::Select => "select",
        GroupKind::Indirect => "indirect",
        GroupKind::FastFailover => "ff",
    }
}

fn group(
    group: GroupId,
    kind: Option<GroupKind>,
    buckets: &[Bucket],
    s: &Selection,
    version: Version,
    names: &Names,
) -> String {
    let mut text = format!("group_id={}", group.0);
    if let Some(kind) = kind {
        let _ = write!(text, ",type={}", kind_name(kind));
    }
    if !s.method.is_empty() {
        let _ = write!(text, ",selection_method={}", s.method);
        if s.param != 0 {
            let _ = write!(text, ",selection_method_param={}", s.param);
        }
        let fields: Vec<String> = s
            .fields
            .iter()
            .map(|(id, mask)| {
                let field = id.field();
                if *mask == field.all_ones() {
                    return field.name.to_owned();
                }
                format!("{}={}", field.name, format_value(*id, *mask, field.all_ones(), &names.ports))
            })
            .collect();
        match fields.len() {
            0 => {}
            1 => {
                let _ = write!(text, ",fields={}", fields[0]);
            }
            _ => {
                let _ = write!(text, ",fields({})", fields.join(","));
            }
        }
    }
    for b in buckets {
        text.push_str(",bucket=");
        if (version == Version::V10 || version >= Version::V15) && b.id <= Bucket::MAX {
            let _ = write!(text, "bucket_id:{},", b.id);
        }
        if b.weight != 1 && !(b.weight == 0 && kind != Some(GroupKind::Select)) {
            let _ = write!(text, "weight:{},", b.weight);
        }
        if b.watch_port != OfPort::NONE {
            let _ = write!(text, "watch_port:{},", names.ports.show(b.watch_port));
        }
        if b.watch_group != GroupId::ANY {
            let _ = write!(text, "watch_group:{},", b.watch_group.0);
        }
        let _ = write!(text, "actions={}", format_actions(&b.actions, names));
    }
    text
}

pub(super) fn group_mod(m: &GroupMod, version: Version, names: &Names) -> String {
    let (word, kind, bucket_command) = match m.command {
        GroupModCommand::Add => ("ADD", true, None),
        GroupModCommand::Modify => ("MOD", true, None),
        GroupModCommand::AddOrModify => ("ADD_OR_MOD", true, None),
        GroupModCommand::Delete => ("DEL", true, None),
        GroupModCommand::InsertBucket => ("INSERT_BUCKET", false, Some(m.command_bucket)),
        GroupModCommand::RemoveBucket => ("REMOVE_BUCKET", false, Some(m.command_bucket)),
    };
    let bucket = match bucket_command {
        None => String::new(),
        Some(Bucket::FIRST) => " command_bucket_id:first,".to_owned(),
        Some(Bucket::LAST) => " command_bucket_id:last,".to_owned(),
        Some(Bucket::ALL) => " command_bucket_id:all,".to_owned(),
        Some(number) => format!(" command_bucket_id:{number},"),
    };
    let body = group(m.group, kind.then_some(m.kind), &m.buckets, &m.selection, version, names);
    let space = if bucket.is_empty() { " " } else { "" };
    format!("\n {word}{bucket}{space}{body}")
}

pub(super) fn descs(groups: &[GroupDesc], version: Version, names: &Names) -> String {
    let lines: String = groups
        .iter()
        .map(|g| format!("\n {}", group(g.group, Some(g.kind), &g.buckets, &g.selection, version, names)))
        .collect();
    format!("{lines}\n")
}

pub(super) fn stats(groups: &[GroupStats]) -> String {
    let mut text = String::new();
    for g in groups {
        let _ = write!(text, "\n group_id={},", g.group.0);
        if let Some(duration) = g.duration {
            let _ = write!(text, "duration={}s,", seconds(duration));
        }
        let _ = write!(text, "ref_count={},packet_count={},byte_count={}", g.ref_count, g.packet_count, g.byte_count);
        for (i, (packets, bytes)) in g.buckets.iter().enumerate() {
            let _ = write!(text, ",bucket{i}:packet_count={packets},byte_count={bytes}");
        }
    }
    text.push('\n');
    text
}

pub(super) fn features(f: &GroupFeatures) -> String {
    let mut text =
        format!("\n Group table:\n    Types:  {:#x}\n    Capabilities:  {:#x}\n", f.types, f.capabilities.bits());
    for (i, name) in ["all", "select", "indirect", "fast failover"].iter().enumerate() {
        if f.types & 1 << i != 0 {
            let _ = writeln!(
                text,
                "    {name} group:\n       max_groups={:#x}\n       actions: {}",
                f.max_groups[i],
                actions(f.actions[i])
            );
        }
    }
    text
}
