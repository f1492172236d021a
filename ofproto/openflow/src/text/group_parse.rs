//! Groups from text (ovs-ofctl(8), "Group Syntax").

use weft_flow::text::match_parse::field_by_any_name;
use weft_flow::text::number::parse_u64;
use weft_flow::{FieldId, OfPort};

use super::Names;
use super::action_parse::parse_actions;
use crate::group::{Bucket, GroupKind, GroupMod, GroupModCommand, Selection};
use crate::ids::GroupId;

/// Read one group, or what chooses a group or buckets of it.
///
/// # Errors
/// The text that the tools print.
pub fn parse_group(text: &str, command: GroupModCommand, names: &Names) -> Result<GroupMod, String> {
    use GroupModCommand as C;
    let (head, buckets) = split_buckets(text);
    let mut m = GroupMod {
        command,
        group: GroupId::ANY,
        kind: GroupKind::All,
        buckets: Vec::new(),
        command_bucket: Bucket::ALL,
        selection: Selection::default(),
    };
    let takes_buckets = matches!(command, C::Add | C::Modify | C::AddOrModify | C::InsertBucket);
    let takes_type = takes_buckets && command != C::InsertBucket;
    let (mut group, mut kind, mut command_bucket) = (None, None, None);
    let mut has_param = false;
    for piece in pieces(head) {
        let (key, value) = piece.split_once(['=', '(']).unwrap_or((piece, ""));
        let missing = || format!("field {key} missing value");
        if value.is_empty() && matches!(key, "group_id" | "type" | "command_bucket_id" | "selection_method_param") {
            return Err(missing());
        }
        match key {
            "group_id" if value == "all" => group = Some(GroupId::ALL),
            "group_id" => {
                let id = number(value)?;
                let invalid = format!("invalid group id {id}");
                let id = u32::try_from(id).ok().filter(|id| *id <= GroupId::MAX.0).ok_or(invalid)?;
                group = Some(GroupId(id));
            }
            "type" | "bucket" if !takes_type => return Err(format!("{key} is not needed")),
            "selection_method" if !takes_type => return Err("selection method is not needed".to_owned()),
            "type" => {
                kind = Some(match value {
                    "all" => GroupKind::All,
                    "select" => GroupKind::Select,
                    "indirect" => GroupKind::Indirect,
                    "ff" | "fast_failover" => GroupKind::FastFailover,
                    _ => return Err(format!("invalid group type {value}")),
                });
            }
            "command_bucket_id" if !matches!(command, C::InsertBucket | C::RemoveBucket) => {
                return Err("command bucket id is not needed".to_owned());
            }
            "command_bucket_id" => {
                command_bucket = Some(match (value, command) {
                    ("first", _) => Bucket::FIRST,
                    ("last", _) => Bucket::LAST,
                    ("all", C::RemoveBucket) => Bucket::ALL,
                    ("all", _) => return Err("command_bucket_id=all is not permitted".to_owned()),
                    _ => {
                        let id = u32::try_from(number(value)?).unwrap_or(u32::MAX);
                        if id > Bucket::MAX {
                            return Err(format!("invalid command bucket id {id}"));
                        }
                        id
                    }
                });
            }
            "selection_method" => {
                if value.len() > 15 {
                    return Err("selection method is longer than 15 bytes long".to_owned());
                }
                m.selection.method = value.to_owned();
            }
            "selection_method_param" if takes_type => {
                m.selection.param = number(value)?;
                has_param = true;
            }
            "fields" if takes_type => m.selection.fields = fields(piece)?,
            _ => return Err(format!("unknown keyword {key}")),
        }
    }
    m.group = match group {
        Some(group) => group,
        // which group is to go need not be said
        None if command == C::Delete && text.trim().is_empty() => GroupId::ALL,
        None => return Err("must specify a group_id".to_owned()),
    };
    if takes_type {
        m.kind = kind.ok_or("must specify a type")?;
    }
    if matches!(command, C::InsertBucket | C::RemoveBucket) {
        m.command_bucket = match command_bucket {
            Some(id) => id,
            None if command == C::RemoveBucket => Bucket::ALL,
            None => return Err("must specify a command bucket id".to_owned()),
        };
    }
    if !buckets.is_empty() && !takes_buckets {
        return Err("bucket is not needed".to_owned());
    }
    let mut unnumbered = Vec::new();
    for text in buckets {
        let (bucket, numbered) = parse_bucket(text, m.kind, command, names)?;
        if !numbered {
            unnumbered.push(m.buckets.len());
        }
        m.buckets.push(bucket);
    }
    // buckets that say no number get those that are left
    let taken: Vec<u32> = (0..).zip(&m.buckets).filter(|(i, _)| !unnumbered.contains(i)).map(|(_, b)| b.id).collect();
    let free = (0..).filter(|id| !taken.contains(id));
    for (i, id) in unnumbered.into_iter().zip(free) {
        m.buckets[i].id = id;
    }
    if !m.selection.fields.is_empty() && m.selection.method != "hash" {
        return Err("fields may only be specified with \"selection_method=hash\"".to_owned());
    }
    if has_param && m.selection.method.is_empty() {
        return Err("selection_method_param is only allowed with \"selection_method\"".to_owned());
    }
    Ok(m)
}

/// `bucket=` begins a bucket; the text before the first is the group's own.
fn split_buckets(text: &str) -> (&str, Vec<&str>) {
    let marks: Vec<(usize, usize)> = ["bucket="]
        .iter()
        .flat_map(|word| text.match_indices(word).map(|(at, w)| (at, w.len())))
        .filter(|(at, _)| *at == 0 || text[..*at].ends_with([',', ' ', '\t']))
        .collect();
    let mut marks = marks;
    marks.sort_unstable();
    let Some((first, _)) = marks.first().copied() else { return (text, Vec::new()) };
    let ends = marks.iter().skip(1).map(|(at, _)| *at).chain([text.len()]);
    let buckets = marks.iter().zip(ends).map(|((at, len), end)| text[at + len..end].trim_matches([',', ' '])).collect();
    (&text[..first], buckets)
}

fn parse_bucket(
    text: &str,
    kind: GroupKind,
    command: GroupModCommand,
    names: &Names,
) -> Result<(Bucket, bool), String> {
    if text.is_empty() {
        return Err("bucket must specify actions".to_owned());
    }
    let mut numbered = false;
    let mut bucket = Bucket {
        id: 0,
        weight: if kind == GroupKind::Select { 1 } else { 0 },
        watch_port: OfPort::NONE,
        watch_group: GroupId::ANY,
        actions: Vec::new(),
    };
    let mut actions: Vec<&str> = Vec::new();
    for piece in pieces(text) {
        let piece = piece.strip_prefix("actions=").unwrap_or(piece);
        let (key, value) = piece.split_once([':', '=']).unwrap_or((piece, ""));
        match key {
            "weight" => {
                let weight = parse_u64(value).and_then(|n| u16::try_from(n).ok());
                let weight = weight.ok_or_else(|| format!("invalid weight \"{value}\""))?;
                // of what kind the group is that gets a bucket more, nobody says
                let weighs = kind == GroupKind::Select || command == GroupModCommand::InsertBucket;
                if !weighs && weight != 1 {
                    return Err("Only select groups can have bucket weights.".to_owned());
                }
                bucket.weight = if weighs { weight } else { 0 };
            }
            "bucket_id" => {
                let id = plain_number(value)?;
                numbered = true;
                bucket.id = u32::try_from(id)
                    .ok()
                    .filter(|id| *id <= Bucket::MAX)
                    .ok_or_else(|| format!("invalid bucket_id id {id}"))?;
            }
            "watch_port" => {
                let bad = || format!("{value}: invalid watch_port");
                let port = names.ports.parse(value).filter(|p| p.is_ordinary() || *p == OfPort::NONE);
                bucket.watch_port = port.ok_or_else(bad)?;
            }
            "watch_group" => {
                let bad = || format!("invalid watch_group id {value}");
                bucket.watch_group = GroupId(u32::try_from(plain_number(value)?).map_err(|_| bad())?);
            }
            _ => actions.push(piece),
        }
    }
    let watches = bucket.watch_port != OfPort::NONE || bucket.watch_group != GroupId::ANY;
    if kind == GroupKind::FastFailover && !watches {
        return Err("fast failover bucket requires watch_port or watch_group".to_owned());
    }
    bucket.actions = parse_actions(&actions.join(","), names)?;
    Ok((bucket, numbered))
}

/// `fields(ip_src,tcp_dst)`, `fields=ip_src`, `fields(ip_src=255.255.255.0)`.
fn fields(text: &str) -> Result<Vec<(FieldId, u128)>, String> {
    let inner = text.trim_start_matches("fields").trim_start_matches(['=', '(']).trim_end_matches(')');
    let mut out = Vec::new();
    for piece in pieces(inner) {
        let (name, mask) = piece.split_once('=').map_or((piece, None), |(n, m)| (n, Some(m)));
        let field = field_by_any_name(name).ok_or_else(|| format!(": unknown field {name}"))?;
        let mask = match mask {
            None => field.field().all_ones(),
            Some(mask) => weft_flow::text::value::parse_value(field, mask, &weft_flow::text::PortNames::new())?.0,
        };
        out.push((field, mask));
    }
    Ok(out)
}

/// Words between commas and spaces that stand in no parentheses.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0usize;
    text.split(move |c| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && matches!(c, ',' | ' ' | '\t')
    })
    .filter(|piece| !piece.is_empty())
}

fn plain_number(text: &str) -> Result<u64, String> {
    parse_u64(text).ok_or_else(|| format!("invalid numeric format {text}"))
}

fn number(text: &str) -> Result<u64, String> {
    parse_u64(text).ok_or_else(|| format!("invalid integer value \"{text}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(text: &str) -> Result<GroupMod, String> {
        parse_group(text, GroupModCommand::Add, &Names::none())
    }

    #[test]
    fn groups_as_the_manual_writes_them() {
        let m = group(
            "group_id=1,type=select,selection_method=hash,fields(ip_src,tcp_dst),bucket=bucket_id:1,weight:5,output:1,\
             bucket=watch_port:2,actions=output:2,output:3",
        )
        .unwrap();
        assert_eq!((m.group, m.kind, m.buckets.len()), (GroupId(1), GroupKind::Select, 2));
        assert_eq!((m.buckets[0].id, m.buckets[0].weight, m.buckets[0].actions.len()), (1, 5, 1));
        assert_eq!((m.buckets[1].id, m.buckets[1].watch_port, m.buckets[1].actions.len()), (0, OfPort(2), 2));
        assert_eq!(m.selection.fields.len(), 2);
    }

    #[test]
    fn errors_in_the_tools_words() {
        for (text, error) in [
            ("group_id=5,type=foo,bucket=output:1", "invalid group type foo"),
            ("type=all,bucket=output:1", "must specify a group_id"),
            ("group_id=6,type=all,bucket=weight:3,output:2", "Only select groups can have bucket weights."),
            ("group_id=7,type=all,foo=3,bucket=output:2", "unknown keyword foo"),
            ("group_id=8,bucket=output:2", "must specify a type"),
            ("group_id=10,type=ff,bucket=output:1", "fast failover bucket requires watch_port or watch_group"),
        ] {
            assert_eq!(group(text).unwrap_err(), error);
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused() {
        bolero::check!().with_type::<String>().for_each(|text| drop(group(text)));
    }
}
