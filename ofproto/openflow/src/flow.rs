//! Flow mods, flow removal, flow statistics.
#![allow(missing_docs, reason = "the names are the specification's")]

use std::time::Duration;

use bitflags::bitflags;
use weft_flow::{Match, OfPort};

use crate::ids::{Cookie, GroupId, TableId, Timeout};
use crate::instruction::Instructions;

/// Add, change or delete flows.
#[derive(Clone, PartialEq, Debug)]
pub struct FlowMod {
    /// What to do.
    pub command: FlowModCommand,
    /// Where; [`TableId::ALL`] when adding in OpenFlow 1.0: the switch chooses (table 0).
    pub table: TableId,
    /// What the flow matches, or which flows are meant.
    pub matching: Match,
    /// Higher wins.
    pub priority: u16,
    /// The new cookie; [`Cookie::UNCHANGED`] in a modify: leave it.
    pub cookie: Cookie,
    /// Modify and delete only flows whose cookie agrees with this under `cookie_mask`.
    pub filter_cookie: Cookie,
    /// Which bits of the cookie must agree (0: any cookie).
    pub cookie_mask: u64,
    /// Remove after so long without a packet.
    pub idle_timeout: Timeout,
    /// Remove after so long.
    pub hard_timeout: Timeout,
    /// Eviction order (1.4+).
    pub importance: u16,
    /// Send this buffered packet through the new flow.
    pub buffer_id: Option<u32>,
    /// Delete: only flows that output here ([`OfPort::NONE`]: any).
    pub out_port: OfPort,
    /// Delete: only flows that use this group ([`GroupId::ANY`]: any).
    pub out_group: GroupId,
    /// Flags.
    pub flags: FlowModFlags,
    /// What to do with packets.
    pub instructions: Instructions,
}

impl Default for FlowMod {
    fn default() -> FlowMod {
        FlowMod {
            command: FlowModCommand::Add,
            table: TableId(0),
            matching: Match::any(),
            priority: FlowMod::DEFAULT_PRIORITY,
            cookie: Cookie(0),
            filter_cookie: Cookie(0),
            cookie_mask: 0,
            idle_timeout: Timeout::NEVER,
            hard_timeout: Timeout::NEVER,
            importance: 0,
            buffer_id: None,
            out_port: OfPort::NONE,
            out_group: GroupId::ANY,
            flags: FlowModFlags::empty(),
            instructions: Instructions::default(),
        }
    }
}

impl FlowMod {
    /// The priority of a flow whose text names none.
    pub const DEFAULT_PRIORITY: u16 = 0x8000;

    /// Become what [`FlowMod::default`] is. A flow mod is big, so whoever reads many uses one again and again.
    pub fn clear(&mut self) {
        let FlowMod {
            command,
            table,
            matching,
            priority,
            cookie,
            filter_cookie,
            cookie_mask,
            idle_timeout,
            hard_timeout,
            importance,
            buffer_id,
            out_port,
            out_group,
            flags,
            instructions,
        } = self;
        matching.clear();
        instructions.clear();
        (*command, *table, *priority) = (FlowModCommand::Add, TableId(0), FlowMod::DEFAULT_PRIORITY);
        (*cookie, *filter_cookie, *cookie_mask) = (Cookie(0), Cookie(0), 0);
        (*idle_timeout, *hard_timeout, *importance) = (Timeout::NEVER, Timeout::NEVER, 0);
        (*buffer_id, *out_port, *out_group) = (None, OfPort::NONE, GroupId::ANY);
        *flags = FlowModFlags::empty();
    }
}

/// OFPFC_*.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
#[repr(u8)]
pub enum FlowModCommand {
    Add = 0,
    Modify = 1,
    ModifyStrict = 2,
    Delete = 3,
    DeleteStrict = 4,
}

bitflags! {
    /// OFPFF_* (the bits are those of OpenFlow 1.3) and OVS's own.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct FlowModFlags: u16 {
        /// Report the flow's end.
        const SEND_FLOW_REM = 1 << 0;
        /// Refuse a flow that overlaps one of the same priority.
        const CHECK_OVERLAP = 1 << 1;
        /// Start the counters anew (implied in 1.0 and 1.1).
        const RESET_COUNTS = 1 << 2;
        /// Do not count packets.
        const NO_PKT_COUNTS = 1 << 3;
        /// Do not count bytes.
        const NO_BYT_COUNTS = 1 << 4;
        /// OpenFlow 1.0's OFPFF_EMERG: refused.
        const EMERG = 1 << 13;
        /// From a trusted place (OVS: may change read-only and hidden tables).
        const NO_READONLY = 1 << 14;
        /// From a trusted place (OVS: hidden tables).
        const HIDDEN_FIELDS = 1 << 15;
    }
}

/// A flow is gone.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "as in FlowMod and FlowStats")]
pub struct FlowRemoved {
    pub matching: Match,
    pub cookie: Cookie,
    pub priority: u16,
    pub reason: FlowRemovedReason,
    /// [`TableId::ALL`]: the version did not say.
    pub table: TableId,
    pub duration: Duration,
    pub idle_timeout: Timeout,
    pub hard_timeout: Timeout,
    pub packet_count: u64,
    pub byte_count: u64,
}

/// OFPRR_*.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
#[repr(u8)]
pub enum FlowRemovedReason {
    IdleTimeout = 0,
    HardTimeout = 1,
    Delete = 2,
    GroupDelete = 3,
    MeterDelete = 4,
    Eviction = 5,
}

/// Ask for flow or aggregate statistics.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "as in FlowMod")]
pub struct FlowStatsRequest {
    pub matching: Match,
    /// [`TableId::ALL`]: all tables.
    pub table: TableId,
    pub out_port: OfPort,
    pub out_group: GroupId,
    pub cookie: Cookie,
    pub cookie_mask: u64,
}

impl Default for FlowStatsRequest {
    fn default() -> FlowStatsRequest {
        FlowStatsRequest {
            matching: Match::any(),
            table: TableId::ALL,
            out_port: OfPort::NONE,
            out_group: GroupId::ANY,
            cookie: Cookie(0),
            cookie_mask: 0,
        }
    }
}

/// One flow and its counters.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "as in FlowMod")]
pub struct FlowStats {
    pub matching: Match,
    pub cookie: Cookie,
    pub table: TableId,
    pub priority: u16,
    pub duration: Duration,
    pub idle_timeout: Timeout,
    pub hard_timeout: Timeout,
    pub importance: u16,
    pub flags: FlowModFlags,
    /// Seconds since the last packet; `None`: the peer did not say.
    pub idle_age: Option<u16>,
    /// Seconds since the last change; `None`: the peer did not say.
    pub hard_age: Option<u16>,
    /// `u64::MAX`: unknown.
    pub packet_count: u64,
    /// `u64::MAX`: unknown.
    pub byte_count: u64,
    pub instructions: Instructions,
}

/// Sums over flows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "plain words")]
pub struct AggregateStats {
    pub packet_count: u64,
    pub byte_count: u64,
    pub flow_count: u32,
}
