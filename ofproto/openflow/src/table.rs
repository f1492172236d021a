//! Flow tables: statistics, features, configuration.
#![allow(missing_docs, reason = "the names are the specification's")]

use bitflags::bitflags;
use weft_flow::FieldId;

use crate::ids::TableId;

/// What a table is and what happened in it. The counters are all that 1.3+ has; the rest serves 1.0 to 1.2.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct TableStats {
    pub table: TableId,
    pub active_count: u32,
    pub lookup_count: u64,
    pub matched_count: u64,
    pub features: TableFeatures,
}

/// What a request makes of a table's features (1.5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum FeaturesCommand {
    /// The tables that the request lists are all there are (before 1.5: always).
    #[default]
    Replace,
    /// Change the tables that it lists.
    Modify,
    /// Switch them on.
    Enable,
    /// Switch them off.
    Disable,
}

/// What a table can do (1.3+ table features; 1.0 to 1.2 show parts of it in the table statistics).
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct TableFeatures {
    pub table: TableId,
    /// Of a request.
    pub command: FeaturesCommand,
    /// Whether more is said than the fixed part; a request of 1.5 may leave it out.
    pub properties: bool,
    pub name: String,
    pub metadata_match: u64,
    pub metadata_write: u64,
    pub max_entries: u32,
    /// What a miss does (1.1, 1.2; OVS 1.3+).
    pub miss: TableMiss,
    pub supports_eviction: bool,
    pub supports_vacancy: bool,
    /// For flows other than the table miss.
    pub nonmiss: TableInstructions,
    /// For the table-miss flow.
    pub miss_instructions: TableInstructions,
    /// Fields that can be matched.
    pub match_fields: Vec<FieldId>,
    /// ... with a mask.
    pub mask_fields: Vec<FieldId>,
    /// ... and left out.
    pub wildcard_fields: Vec<FieldId>,
}

/// What one kind of flow of a table can do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TableInstructions {
    /// Tables to go to.
    pub next: Vec<TableId>,
    /// OFPIT_* supported.
    pub instructions: InstructionSet,
    /// In write_actions.
    pub write: TableActions,
    /// In apply_actions.
    pub apply: TableActions,
}

/// Actions of one kind of instruction.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TableActions {
    /// One bit per OFPAT_* of OpenFlow 1.3.
    pub actions: ActionSet,
    /// Fields that set_field can write.
    pub set_fields: Vec<FieldId>,
}

bitflags! {
    /// Instructions as a set.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct InstructionSet: u32 {
        const GOTO_TABLE = 1 << 1;
        const WRITE_METADATA = 1 << 2;
        const WRITE_ACTIONS = 1 << 3;
        const APPLY_ACTIONS = 1 << 4;
        const CLEAR_ACTIONS = 1 << 5;
        const METER = 1 << 6;
    }
}

bitflags! {
    /// Actions as a set, one bit for each kind that OpenFlow knows (any version).
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct ActionSet: u32 {
        const OUTPUT = 1 << 0;
        const SET_VLAN_VID = 1 << 1;
        const SET_VLAN_PCP = 1 << 2;
        const STRIP_VLAN = 1 << 3;
        const SET_DL_SRC = 1 << 4;
        const SET_DL_DST = 1 << 5;
        const SET_NW_SRC = 1 << 6;
        const SET_NW_DST = 1 << 7;
        const SET_NW_TOS = 1 << 8;
        const SET_TP_SRC = 1 << 9;
        const SET_TP_DST = 1 << 10;
        const ENQUEUE = 1 << 11;
        const COPY_TTL_OUT = 1 << 12;
        const COPY_TTL_IN = 1 << 13;
        const SET_MPLS_LABEL = 1 << 14;
        const SET_MPLS_TC = 1 << 15;
        const SET_MPLS_TTL = 1 << 16;
        const DEC_MPLS_TTL = 1 << 17;
        const PUSH_VLAN = 1 << 18;
        const POP_VLAN = 1 << 19;
        const PUSH_MPLS = 1 << 20;
        const POP_MPLS = 1 << 21;
        const SET_QUEUE = 1 << 22;
        const GROUP = 1 << 23;
        const SET_NW_TTL = 1 << 24;
        const DEC_NW_TTL = 1 << 25;
        const SET_FIELD = 1 << 26;
        const PUSH_PBB = 1 << 27;
        const POP_PBB = 1 << 28;
        const SET_NW_ECN = 1 << 29;
    }
}

/// What becomes of a packet that no flow matches.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum TableMiss {
    /// What the version says: to the controller before 1.3, drop since.
    #[default]
    Default,
    /// To the controller.
    Controller,
    /// On to the next table.
    Continue,
    /// Drop.
    Drop,
}

/// Configure a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableMod {
    /// Which; [`TableId::ALL`]: every.
    pub table: TableId,
    /// What a miss does (1.1, 1.2; OVS: 1.3).
    pub miss: Option<TableMiss>,
    /// Evict when full (1.4+).
    pub eviction: Option<bool>,
    /// OFPTMPEF_* (1.4+).
    pub eviction_flags: Option<u32>,
    /// Report vacancy (1.4+).
    pub vacancy: Option<Vacancy>,
}

/// Thresholds of vacancy events, percent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct Vacancy {
    /// Whether events are sent at all.
    pub enabled: bool,
    pub down: u8,
    pub up: u8,
    /// Now.
    pub current: u8,
}

/// A table's configuration as it is (1.4+).
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "as in TableMod")]
pub struct TableDesc {
    pub table: TableId,
    pub eviction: bool,
    pub eviction_flags: u32,
    pub vacancy: Vacancy,
}

/// A table's configuration or vacancy changed (1.4+).
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct TableStatus {
    /// OFPTR_*: 3 vacancy down, 4 vacancy up.
    pub reason: u8,
    pub desc: TableDesc,
}
