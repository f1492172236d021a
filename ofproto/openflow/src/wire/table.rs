//! Tables on the wire.
//!
//! - [`stats`]: counters (before 1.3 with what the table can do); [`features`]: what a table can do, from 1.3 on;
//!   [`config`]: table mods, descriptions and status.
//! - Here: what they share, that is names, sets of actions, what a miss does.

mod config;
mod features;
mod stats;

pub(crate) use config::{read_desc, read_mod, read_status, write_desc, write_mod, write_status};
pub(crate) use features::{read_features, write_features};
pub(crate) use stats::{read_stats, write_stats};

use crate::ids::{TableId, Version};
use crate::table::{ActionSet, FeaturesCommand, TableFeatures, TableInstructions, TableMiss};

/// Position of each of our action bits among the numbers of 1.1 and later; 0xff: there is none.
const BITS11: [(ActionSet, u8); 28] = [
    (ActionSet::OUTPUT, 0),
    (ActionSet::SET_VLAN_VID, 1),
    (ActionSet::SET_VLAN_PCP, 2),
    (ActionSet::SET_DL_SRC, 3),
    (ActionSet::SET_DL_DST, 4),
    (ActionSet::SET_NW_SRC, 5),
    (ActionSet::SET_NW_DST, 6),
    (ActionSet::SET_NW_TOS, 7),
    (ActionSet::SET_NW_ECN, 8),
    (ActionSet::SET_TP_SRC, 9),
    (ActionSet::SET_TP_DST, 10),
    (ActionSet::COPY_TTL_OUT, 11),
    (ActionSet::COPY_TTL_IN, 12),
    (ActionSet::SET_MPLS_LABEL, 13),
    (ActionSet::SET_MPLS_TC, 14),
    (ActionSet::SET_MPLS_TTL, 15),
    (ActionSet::DEC_MPLS_TTL, 16),
    (ActionSet::PUSH_VLAN, 17),
    (ActionSet::STRIP_VLAN, 18),
    (ActionSet::PUSH_MPLS, 19),
    (ActionSet::POP_MPLS, 20),
    (ActionSet::SET_QUEUE, 21),
    (ActionSet::GROUP, 22),
    (ActionSet::SET_NW_TTL, 23),
    (ActionSet::DEC_NW_TTL, 24),
    (ActionSet::SET_FIELD, 25),
    (ActionSet::PUSH_PBB, 26),
    (ActionSet::POP_PBB, 27),
];

/// A bitmap of OFPAT_* numbers.
pub(super) fn action_set(bits: u32, version: Version) -> ActionSet {
    if version == Version::V10 {
        return ActionSet::from_bits_truncate(bits & 0xfff);
    }
    BITS11.iter().filter(|(_, n)| bits >> n & 1 == 1).fold(ActionSet::empty(), |set, (bit, _)| set | *bit)
}

pub(super) fn action_set_bits(set: ActionSet, version: Version) -> u32 {
    if version == Version::V10 {
        return set.bits() & 0xfff;
    }
    BITS11.iter().filter(|(bit, _)| set.contains(*bit)).fold(0, |bits, (_, n)| bits | 1 << n)
}

fn name32(name: &str) -> [u8; 32] {
    let mut out = [0; 32];
    let n = name.len().min(31);
    out[..n].copy_from_slice(&name.as_bytes()[..n]);
    out
}

/// Features of a table about which nothing was said.
fn blank(table: TableId) -> TableFeatures {
    TableFeatures {
        table,
        command: FeaturesCommand::Replace,
        properties: false,
        name: String::new(),
        metadata_match: 0,
        metadata_write: 0,
        max_entries: 0,
        miss: TableMiss::Default,
        supports_eviction: false,
        supports_vacancy: false,
        nonmiss: TableInstructions::default(),
        miss_instructions: TableInstructions::default(),
        match_fields: Vec::new(),
        mask_fields: Vec::new(),
        wildcard_fields: Vec::new(),
    }
}

/// 1.1's OFPTC_TABLE_MISS_* bits.
fn miss(config: u32) -> TableMiss {
    match config & 3 {
        0 => TableMiss::Controller,
        1 => TableMiss::Continue,
        2 => TableMiss::Drop,
        _ => TableMiss::Default,
    }
}

fn miss_bits(miss: TableMiss) -> u32 {
    match miss {
        TableMiss::Default | TableMiss::Controller => 0,
        TableMiss::Continue => 1,
        TableMiss::Drop => 2,
    }
}

const EVICTION_BIT: u32 = 1 << 2;

const VACANCY_BIT: u32 = 1 << 3;
