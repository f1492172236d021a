//! Groups.
#![allow(missing_docs, reason = "the names are the specification's")]

use std::time::Duration;

use bitflags::bitflags;
use weft_flow::{FieldId, OfPort};

use crate::action::Action;
use crate::ids::GroupId;
use crate::table::ActionSet;

/// Add, change or delete a group, or buckets of it.
#[derive(Clone, PartialEq, Debug)]
pub struct GroupMod {
    /// What to do.
    pub command: GroupModCommand,
    /// Which group.
    pub group: GroupId,
    /// Its type.
    pub kind: GroupKind,
    /// The buckets.
    pub buckets: Vec<Bucket>,
    /// Where buckets are inserted or which is removed (1.5): a bucket's number or [`Bucket::FIRST`], `LAST`, `ALL`.
    pub command_bucket: u32,
    /// How a select group chooses.
    pub selection: Selection,
}

/// OFPGC_* (1.5; the last two of OVS's extension and 1.5; `AddOrModify` of OVS 2.6+).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub enum GroupModCommand {
    Add,
    Modify,
    AddOrModify,
    Delete,
    InsertBucket,
    RemoveBucket,
}

/// OFPGT_*.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
#[repr(u8)]
pub enum GroupKind {
    All = 0,
    Select = 1,
    Indirect = 2,
    FastFailover = 3,
}

/// One choice of a group.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct Bucket {
    /// The number (1.5); before 1.5 the position.
    pub id: u32,
    pub weight: u16,
    /// Alive while this port is ([`OfPort::NONE`]: always).
    pub watch_port: OfPort,
    /// Alive while this group is ([`GroupId::ANY`]: always).
    pub watch_group: GroupId,
    pub actions: Vec<Action>,
}

impl Bucket {
    /// The highest number of a bucket.
    pub const MAX: u32 = 0xffff_ff00;
    /// Command bucket: before all others.
    pub const FIRST: u32 = 0xffff_fffd;
    /// Command bucket: behind all others.
    pub const LAST: u32 = 0xffff_fffe;
    /// Command bucket: all of them.
    pub const ALL: u32 = 0xffff_ffff;
}

/// How a select group chooses its bucket (the `selection_method` extension).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Selection {
    /// Empty, `hash` or `dp_hash`.
    pub method: String,
    /// The method's parameter.
    pub param: u64,
    /// Fields that are hashed, with masks.
    pub fields: Vec<(FieldId, u128)>,
}

/// A group as it is.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "as in GroupMod")]
pub struct GroupDesc {
    pub group: GroupId,
    pub kind: GroupKind,
    pub buckets: Vec<Bucket>,
    pub selection: Selection,
}

/// A group's counters.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct GroupStats {
    pub group: GroupId,
    pub ref_count: u32,
    pub packet_count: u64,
    pub byte_count: u64,
    /// 1.3+.
    pub duration: Option<Duration>,
    /// Packets and bytes of each bucket.
    pub buckets: Vec<(u64, u64)>,
}

/// What groups can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct GroupFeatures {
    /// One bit per [`GroupKind`].
    pub types: u32,
    /// OFPGFC_*.
    pub capabilities: GroupCapabilities,
    /// Per type.
    pub max_groups: [u32; 4],
    /// Per type.
    pub actions: [ActionSet; 4],
}

bitflags! {
    /// OFPGFC_*.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct GroupCapabilities: u32 {
        const SELECT_WEIGHT = 1 << 0;
        const SELECT_LIVENESS = 1 << 1;
        const CHAINING = 1 << 2;
        const CHAINING_CHECKS = 1 << 3;
    }
}
