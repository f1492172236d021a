//! Groups (1.1+; 1.5 has bucket ids, bucket commands and properties).

use std::time::Duration;

use weft_flow::OfPort;
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::buf::{Decoded, Encoded, Reader, Writer, bad, cannot, text};
use super::nicira::{read_property, write_property};
use super::{action, oxm};
use crate::error::ErrorCode;
use crate::group::{
    Bucket, GroupCapabilities, GroupDesc, GroupFeatures, GroupKind, GroupMod, GroupModCommand, GroupStats, Selection,
};
use crate::ids::{GroupId, Version};
use crate::wire::table::{action_set, action_set_bits};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct ModWire {
    command: U16,
    kind: u8,
    pad: u8,
    group: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Mod15Wire {
    buckets_len: U16,
    pad: [u8; 2],
    command_bucket: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct DescWire {
    len: U16,
    kind: u8,
    pad: u8,
    group: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Bucket11Wire {
    len: U16,
    weight: U16,
    watch_port: U32,
    watch_group: U32,
    pad: [u8; 4],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Bucket15Wire {
    len: U16,
    actions_len: U16,
    id: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct SelectionWire {
    experimenter: U32,
    exp_type: U32,
    pad: [u8; 4],
    method: [u8; 16],
    param: U64,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct StatsWire {
    len: U16,
    pad1: [u8; 2],
    group: U32,
    ref_count: U32,
    pad2: [u8; 4],
    packets: U64,
    bytes: U64,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct FeaturesWire {
    types: U32,
    capabilities: U32,
    max_groups: [U32; 4],
    actions: [U32; 4],
}

/// The experimenter of `selection_method`.
const NTR: u32 = 0x0000_154d;
/// What early implementations took it for.
const NTR_EARLY: u32 = 0x0000_1540;
const EXPERIMENTER: u16 = 0xffff;

/// Nicira's extension for 1.0 has 1.5's layout.
fn is_new(version: Version) -> bool {
    version == Version::V10 || version >= Version::V15
}

fn kind(number: u8) -> Decoded<GroupKind> {
    match number {
        0 => Ok(GroupKind::All),
        1 => Ok(GroupKind::Select),
        2 => Ok(GroupKind::Indirect),
        3 => Ok(GroupKind::FastFailover),
        n => bad(ErrorCode::OFPGMFC_BAD_TYPE, format!("unknown group type {n}")),
    }
}

pub(crate) fn read_mod(r: &mut Reader<'_>, version: Version) -> Decoded<GroupMod> {
    let wire: &ModWire = r.get("group mod")?;
    let command = match wire.command.get() {
        0 => GroupModCommand::Add,
        1 => GroupModCommand::Modify,
        2 => GroupModCommand::Delete,
        3 if is_new(version) => GroupModCommand::InsertBucket,
        5 if is_new(version) => GroupModCommand::RemoveBucket,
        0x8000 => GroupModCommand::AddOrModify,
        n => return bad(ErrorCode::OFPGMFC_BAD_COMMAND, format!("unknown group mod command {n}")),
    };
    let mut m = GroupMod {
        command,
        group: GroupId(wire.group.get()),
        kind: kind(wire.kind)?,
        buckets: Vec::new(),
        command_bucket: Bucket::ALL,
        selection: Selection::default(),
    };
    if is_new(version) {
        let wire: &Mod15Wire = r.get("group mod")?;
        m.command_bucket = wire.command_bucket.get();
        let buckets = r.sub(wire.buckets_len.get().into(), "buckets")?;
        m.buckets = read_buckets(buckets, version)?;
        m.selection = read_properties(r, m.kind, command)?;
    } else {
        m.buckets = read_buckets(*r, version)?;
        r.take_rest();
    }
    check_mod(&m)?;
    Ok(m)
}

fn check_mod(m: &GroupMod) -> Decoded<()> {
    use GroupModCommand::{Add, Delete, InsertBucket, RemoveBucket};
    if m.command == Add && m.group > GroupId::MAX {
        return bad(ErrorCode::OFPGMFC_INVALID_GROUP, format!("group {:#x} cannot exist", m.group.0));
    }
    if m.command == Delete && !m.buckets.is_empty() {
        return bad(ErrorCode::OFPGMFC_INVALID_GROUP, "deleting a group takes no buckets");
    }
    if m.command == RemoveBucket && !m.buckets.is_empty() {
        return bad(ErrorCode::OFPGMFC_BAD_BUCKET, "removing a bucket takes no buckets");
    }
    let place = m.command_bucket;
    let fits = match m.command {
        InsertBucket => place <= Bucket::MAX || matches!(place, Bucket::FIRST | Bucket::LAST),
        RemoveBucket => place <= Bucket::MAX || matches!(place, Bucket::FIRST | Bucket::LAST | Bucket::ALL),
        _ => place == Bucket::ALL,
    };
    if !fits {
        return bad(ErrorCode::OFPGMFC_BAD_BUCKET, format!("command bucket {place:#x}"));
    }
    if m.command != Delete && m.kind == GroupKind::Indirect && m.buckets.len() != 1 {
        return bad(ErrorCode::OFPGMFC_INVALID_GROUP, "an indirect group has one bucket");
    }
    for bucket in &m.buckets {
        if m.kind != GroupKind::Select && bucket.weight > 0 && m.command != InsertBucket {
            return bad(ErrorCode::OFPGMFC_INVALID_GROUP, "only select groups have weights");
        }
        let watches = bucket.watch_port != OfPort::NONE || bucket.watch_group != GroupId::ANY;
        match m.kind {
            GroupKind::All | GroupKind::Indirect if watches => {
                return bad(ErrorCode::OFPGMFC_WATCH_UNSUPPORTED, "such a group's buckets are always alive");
            }
            GroupKind::FastFailover if !watches => {
                return bad(ErrorCode::OFPGMFC_INVALID_GROUP, "a fast failover bucket watches a port or a group");
            }
            GroupKind::All | GroupKind::Indirect | GroupKind::FastFailover | GroupKind::Select => {}
        }
    }
    Ok(())
}

fn watch_port(port: u32) -> Decoded<OfPort> {
    super::flow::port32(port).or_else(|error| bad(ErrorCode::OFPGMFC_BAD_WATCH, error.reason))
}

fn read_buckets(mut r: Reader<'_>, version: Version) -> Decoded<Vec<Bucket>> {
    let mut buckets: Vec<Bucket> = Vec::new();
    let header = if is_new(version) { size_of::<Bucket15Wire>() } else { size_of::<Bucket11Wire>() };
    while !r.is_empty() {
        let len = usize::from(r.peek::<U16>("bucket")?.get());
        if r.len() < header {
            return bad(ErrorCode::OFPGMFC_BAD_BUCKET, format!("buckets end with {} leftover bytes", r.len()));
        }
        if len % 8 != 0 {
            return r.bad_len(format!("a bucket of {len} bytes"));
        }
        if len < header || len > r.len() {
            return bad(ErrorCode::OFPGMFC_BAD_BUCKET, format!("a bucket of {len} bytes"));
        }
        let mut e = r.sub(len, "bucket")?.short(ErrorCode::OFPGMFC_BAD_BUCKET);
        let mut bucket = Bucket {
            id: buckets.len() as u32,
            weight: 0,
            watch_port: OfPort::NONE,
            watch_group: GroupId::ANY,
            actions: Vec::new(),
        };
        if is_new(version) {
            let wire: &Bucket15Wire = e.get("bucket")?;
            bucket.id = wire.id.get();
            if bucket.id > Bucket::MAX {
                return bad(ErrorCode::OFPGMFC_BAD_BUCKET, format!("bucket {:#x} cannot exist", bucket.id));
            }
            bucket.actions = action::read_list(e.bytes(wire.actions_len.get().into(), "bucket's actions")?, version)?;
            while !e.is_empty() {
                let (kind, mut body) = read_property(&mut e)?;
                match kind {
                    0 => bucket.weight = body.get::<U16>("weight")?.get(),
                    1 => bucket.watch_port = watch_port(body.get::<U32>("watched port")?.get())?,
                    2 => bucket.watch_group = GroupId(body.get::<U32>("watched group")?.get()),
                    EXPERIMENTER => return bad(ErrorCode::OFPBPC_BAD_EXP_TYPE, "unknown bucket property"),
                    _ => return bad(ErrorCode::OFPBPC_BAD_TYPE, format!("unknown bucket property {kind}")),
                }
            }
        } else {
            let wire: &Bucket11Wire = e.get("bucket")?;
            bucket.weight = wire.weight.get();
            bucket.watch_port = watch_port(wire.watch_port.get())?;
            bucket.watch_group = GroupId(wire.watch_group.get());
            bucket.actions = action::read_list(e.take_rest(), version)?;
        }
        if buckets.iter().any(|b| b.id == bucket.id) {
            return bad(ErrorCode::OFPGMFC_BAD_BUCKET, format!("bucket {} twice", bucket.id));
        }
        buckets.push(bucket);
    }
    Ok(buckets)
}

fn read_properties(r: &mut Reader<'_>, kind: GroupKind, command: GroupModCommand) -> Decoded<Selection> {
    let mut selection = Selection::default();
    while !r.is_empty() {
        let (property, mut body) = read_property(r)?;
        if property != EXPERIMENTER {
            return bad(ErrorCode::OFPBPC_BAD_TYPE, format!("unknown group property {property}"));
        }
        let wire: &SelectionWire = body.get("selection method")?;
        if !matches!(wire.experimenter.get(), NTR | NTR_EARLY) {
            return bad(ErrorCode::OFPBPC_BAD_EXP_TYPE, "unknown experimenter of a group property");
        }
        if wire.exp_type.get() != 1 {
            return bad(ErrorCode::OFPBPC_BAD_EXP_TYPE, "unknown group property");
        }
        let changes = matches!(command, GroupModCommand::Add | GroupModCommand::Modify | GroupModCommand::AddOrModify);
        if !changes || kind != GroupKind::Select {
            return bad(ErrorCode::OFPBPC_BAD_VALUE, "only select groups have a selection method");
        }
        selection.method = text(&wire.method);
        if !matches!(selection.method.as_str(), "hash" | "dp_hash") {
            return bad(ErrorCode::OFPBPC_BAD_VALUE, format!("unknown selection method {:?}", selection.method));
        }
        selection.param = wire.param.get();
        while !body.is_empty() {
            let header = oxm::Header::read(&mut body)?;
            let mut payload = body.sub(header.payload, "selection field")?;
            let Some(field) = header.lookup() else {
                return bad(ErrorCode::OFPBMC_BAD_FIELD, "unknown selection field");
            };
            let width = field.field().wire_bytes();
            let bytes = payload.bytes(width.min(header.payload), "selection field")?;
            let mask = bytes.iter().fold(0, |n, &b| n << 8 | u128::from(b));
            let maskable = field.field().masking != weft_flow::field::Masking::None;
            if !maskable && mask != field.field().all_ones() {
                return bad(ErrorCode::OFPBMC_BAD_MASK, "a selection field that takes no mask");
            }
            selection.fields.push((field, mask));
        }
        if selection.method == "dp_hash" && !selection.fields.is_empty() {
            return bad(ErrorCode::OFPBPC_BAD_VALUE, "dp_hash takes no fields");
        }
    }
    Ok(selection)
}

fn write_buckets(w: &mut Writer, buckets: &[Bucket], kind: GroupKind, version: Version) -> Encoded<()> {
    for bucket in buckets {
        let start = w.len();
        if !is_new(version) {
            w.put(&Bucket11Wire {
                len: 0.into(),
                weight: bucket.weight.into(),
                watch_port: bucket.watch_port.0.into(),
                watch_group: bucket.watch_group.0.into(),
                pad: [0; 4],
            });
            action::write_list(w, &bucket.actions, version, false)?;
            w.close(start, 0);
            continue;
        }
        w.put(&Bucket15Wire { len: 0.into(), actions_len: 0.into(), id: bucket.id.into() });
        let at = w.len();
        action::write_list(w, &bucket.actions, version, false)?;
        let actions_len = w.len() - at;
        w.set_u16(start + 2, actions_len);
        if kind == GroupKind::Select || bucket.weight != 0 {
            write_property(w, 0, |w| w.slice(&[bucket.weight.to_be_bytes(), [0; 2]].concat()));
        }
        if bucket.watch_port != OfPort::NONE {
            write_property(w, 1, |w| w.put(&U32::new(bucket.watch_port.0)));
        }
        if bucket.watch_group != GroupId::ANY {
            write_property(w, 2, |w| w.put(&U32::new(bucket.watch_group.0)));
        }
        w.close(start, 0);
    }
    Ok(())
}

fn write_selection(w: &mut Writer, s: &Selection, version: Version) {
    if s.method.is_empty() {
        return;
    }
    write_property(w, EXPERIMENTER, |w| {
        let mut method = [0; 16];
        let n = s.method.len().min(15);
        method[..n].copy_from_slice(&s.method.as_bytes()[..n]);
        w.put(&SelectionWire {
            experimenter: NTR.into(),
            exp_type: 1.into(),
            pad: [0; 4],
            method,
            param: s.param.into(),
        });
        for (field, mask) in &s.fields {
            if let Some(header) = oxm::Header::of(*field, Some(version)) {
                header.write(w);
                w.slice(&mask.to_be_bytes()[16 - header.payload..]);
            }
        }
    });
}

pub(crate) fn write_mod(w: &mut Writer, m: &GroupMod, version: Version) -> Encoded<()> {
    let command = match m.command {
        GroupModCommand::Add => 0,
        GroupModCommand::Modify => 1,
        GroupModCommand::Delete => 2,
        GroupModCommand::AddOrModify => 0x8000,
        GroupModCommand::InsertBucket if is_new(version) => 3,
        GroupModCommand::RemoveBucket if is_new(version) => 5,
        _ => return cannot(version, "commands for single buckets"),
    };
    w.put(&ModWire { command: command.into(), kind: m.kind as u8, pad: 0, group: m.group.0.into() });
    if !is_new(version) {
        if !m.selection.method.is_empty() {
            return cannot(version, "a selection method");
        }
        return write_buckets(w, &m.buckets, m.kind, version);
    }
    let start = w.len();
    w.put(&Mod15Wire { buckets_len: 0.into(), pad: [0; 2], command_bucket: m.command_bucket.into() });
    let at = w.len();
    write_buckets(w, &m.buckets, m.kind, version)?;
    let len = w.len() - at;
    w.set_u16(start, len);
    write_selection(w, &m.selection, version);
    Ok(())
}

pub(crate) fn read_desc(r: &mut Reader<'_>, version: Version) -> Decoded<GroupDesc> {
    let len = usize::from(r.peek::<DescWire>("group")?.len.get());
    if len < size_of::<DescWire>() {
        return r.bad_len(format!("a group of {len} bytes"));
    }
    let mut e = r.sub(len, "group")?;
    let wire: &DescWire = e.get("group")?;
    let mut d = GroupDesc {
        group: GroupId(wire.group.get()),
        kind: kind(wire.kind)?,
        buckets: Vec::new(),
        selection: Selection::default(),
    };
    if is_new(version) {
        let buckets_len = e.get::<U16>("buckets' length")?.get();
        e.skip(6, "padding")?;
        let buckets = e.sub(buckets_len.into(), "buckets")?;
        d.buckets = read_buckets(buckets, version)?;
        d.selection = read_properties(&mut e, d.kind, GroupModCommand::Add)?;
    } else {
        d.buckets = read_buckets(e, version)?;
    }
    Ok(d)
}

pub(crate) fn write_desc(w: &mut Writer, d: &GroupDesc, version: Version) -> Encoded<()> {
    let start = w.len();
    w.put(&DescWire { len: 0.into(), kind: d.kind as u8, pad: 0, group: d.group.0.into() });
    if is_new(version) {
        w.zeros(8);
        let at = w.len();
        write_buckets(w, &d.buckets, d.kind, version)?;
        let len = w.len() - at;
        w.set_u16(start + 8, len);
        write_selection(w, &d.selection, version);
    } else {
        write_buckets(w, &d.buckets, d.kind, version)?;
    }
    w.close(start, 0);
    Ok(())
}

pub(crate) fn read_stats(r: &mut Reader<'_>, version: Version) -> Decoded<GroupStats> {
    let len = usize::from(r.peek::<StatsWire>("group stats")?.len.get());
    let mut e = r.sub(len.max(size_of::<StatsWire>()), "group stats")?;
    let wire: &StatsWire = e.get("group stats")?;
    let mut duration = None;
    if version >= Version::V13 || version == Version::V10 {
        let (seconds, nanos) = (e.get::<U32>("seconds")?.get(), e.get::<U32>("nanoseconds")?.get());
        duration = Some(Duration::new(seconds.into(), nanos.min(999_999_999)));
    }
    let mut buckets = Vec::new();
    while !e.is_empty() {
        buckets.push((e.get::<U64>("bucket's packets")?.get(), e.get::<U64>("bucket's bytes")?.get()));
    }
    Ok(GroupStats {
        group: GroupId(wire.group.get()),
        ref_count: wire.ref_count.get(),
        packet_count: wire.packets.get(),
        byte_count: wire.bytes.get(),
        duration,
        buckets,
    })
}

pub(crate) fn write_stats(w: &mut Writer, s: &GroupStats, version: Version) {
    let start = w.len();
    w.put(&StatsWire {
        len: 0.into(),
        pad1: [0; 2],
        group: s.group.0.into(),
        ref_count: s.ref_count.into(),
        pad2: [0; 4],
        packets: s.packet_count.into(),
        bytes: s.byte_count.into(),
    });
    if version >= Version::V13 || version == Version::V10 {
        let d = s.duration.unwrap_or_default();
        w.put(&U32::new(d.as_secs() as u32));
        w.put(&U32::new(d.subsec_nanos()));
    }
    for (packets, bytes) in &s.buckets {
        w.put(&U64::new(*packets));
        w.put(&U64::new(*bytes));
    }
    w.close(start, 0);
}

pub(crate) fn read_features(r: &mut Reader<'_>, version: Version) -> Decoded<GroupFeatures> {
    let wire: &FeaturesWire = r.get("group features")?;
    Ok(GroupFeatures {
        types: wire.types.get(),
        capabilities: GroupCapabilities::from_bits_truncate(wire.capabilities.get()),
        max_groups: wire.max_groups.map(|n| n.get()),
        actions: wire.actions.map(|bits| action_set(bits.get(), version)),
    })
}

pub(crate) fn write_features(w: &mut Writer, f: &GroupFeatures, version: Version) {
    w.put(&FeaturesWire {
        types: f.types.into(),
        capabilities: f.capabilities.bits().into(),
        max_groups: f.max_groups.map(U32::new),
        actions: f.actions.map(|set| U32::new(action_set_bits(set, version))),
    });
}
