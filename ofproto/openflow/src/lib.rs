//! OpenFlow 1.0 to 1.5 with Nicira's extensions: what messages say, how they lie on the wire, how the tools write them.
//!
//! In reading order:
//! - meaning, the same for every version: [`ids`], [`action`], [`instruction`], [`flow`], [`packet`], [`port`],
//!   [`table`], [`group`], [`meter`], [`switch`], [`controller`], [`bundle`], [`conntrack`], [`monitor`], [`error`], [`message`].
//!
//! - [`text`]: flows and actions as people write them; [`consistency`]: whether a flow's actions fit its match.
//! - [`codec`]: messages to bytes and back, framing, multipart; [`wire`] holds the layouts.
//!
//! Invariant: the meaning structs know no version. What a version cannot say is a typed error when it is encoded.

pub mod action;
pub mod bundle;
pub mod codec;
pub mod conntrack;
pub mod consistency;
pub mod controller;
pub mod error;
pub mod flow;
pub mod group;
pub mod ids;
pub mod instruction;
pub mod message;
pub mod meter;
pub mod monitor;
pub mod packet;
pub mod port;
pub mod switch;
pub mod table;
pub mod text;
pub mod wire;

pub use action::Action;
pub use codec::{Dialect, Incoming};
pub use error::{ErrorCode, ErrorMessage};
pub use flow::{FlowMod, FlowModCommand, FlowModFlags, FlowStats};
pub use ids::{Cookie, GroupId, MeterId, QueueId, TableId, Timeout, Version, Xid};
pub use instruction::Instructions;
pub use message::{Message, StatsReply, StatsRequest};
pub use packet::{PacketIn, PacketInReason, PacketOut};
