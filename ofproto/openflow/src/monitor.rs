//! Flow monitors: a controller follows changes of tables (Nicira's NXST_FLOW_MONITOR, OpenFlow 1.4+ and ONF's for 1.3).
#![allow(missing_docs, reason = "the names are the specification's")]

use bitflags::bitflags;
use weft_flow::{Match, OfPort};

use crate::action::Action;
use crate::ids::{Cookie, GroupId, TableId, Timeout, Xid};

/// Start, change or end one monitor.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct FlowMonitorRequest {
    pub id: u32,
    pub command: FlowMonitorCommand,
    pub flags: FlowMonitorFlags,
    pub out_port: OfPort,
    pub out_group: GroupId,
    pub table: TableId,
    pub matching: Match,
}

/// OFPFMC_*.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
#[repr(u8)]
pub enum FlowMonitorCommand {
    Add = 0,
    Modify = 1,
    Delete = 2,
}

bitflags! {
    /// OFPFMF_* (NXFMF_* have the same bits).
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct FlowMonitorFlags: u16 {
        const INITIAL = 1 << 0;
        const ADD = 1 << 1;
        const REMOVED = 1 << 2;
        const MODIFY = 1 << 3;
        const INSTRUCTIONS = 1 << 4;
        const NO_ABBREV = 1 << 5;
        const ONLY_OWN = 1 << 6;
    }
}

/// One change.
#[derive(Clone, PartialEq, Debug)]
pub enum FlowUpdate {
    /// A flow came, went or changed.
    Full(Box<FlowUpdateFull>),
    /// What this controller itself did under that transaction id.
    Abbrev(Xid),
    /// Too much at once: no updates until resumed.
    Paused,
    /// Updates go on.
    Resumed,
}

/// A flow's change in full.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "as in FlowMod")]
pub struct FlowUpdateFull {
    pub event: FlowUpdateEvent,
    /// For removals: why (OFPRR_*).
    pub reason: u8,
    pub priority: u16,
    pub idle_timeout: Timeout,
    pub hard_timeout: Timeout,
    pub cookie: Cookie,
    pub table: TableId,
    pub matching: Match,
    pub actions: Vec<Action>,
}

/// OFPFME_*.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub enum FlowUpdateEvent {
    Initial,
    Added,
    Removed,
    Modified,
}
