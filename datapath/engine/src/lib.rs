//! The fast path: workers take bursts of frames through caches to their actions.
//!
//! - [`seam`]: [`Slowpath`] (whom workers ask about unknown flows) and [`Datapath`] (what the control side can ask of
//!   the engine): the one inverted arrow of the house.
//! - [`megaflow`]: [`Megaflow`], a cached verdict with its counters; [`flow_text`]: how it is shown.
//! - [`engine`]: [`Engine`], workers on threads; implements `Datapath`.
//! - [`worker`]: one slice of the switch: the way of a burst from rx to tx. Below it, in the order of that way:
//!   [`port`], [`cache`] and `weft_flow`'s table of megaflows over [`store`], [`program`] and [`execute`] with [`edit`], [`egress`].
//! - [`meter`]: token buckets that workers share.
//! - [`tunnel`]: outer headers put on and taken off.
//! - [`thread`]: when a worker turns and when it sleeps.
//! - [`counters`], [`registry`]: what workers count and have, to be read by others.
//!
//! Invariants: workers share nothing that the packet loop writes; megaflows are disjoint; a frame's death has a reason
//! and a counter.

pub mod cache;
pub mod counters;
pub mod dp_hash;
pub mod edit;
pub mod egress;
pub mod engine;
pub mod execute;
pub mod flow_text;
pub mod last_drop;
pub mod megaflow;
pub mod meter;
pub mod port;
pub mod program;
pub mod registry;
pub mod seam;
#[cfg(test)]
mod sim;
pub mod store;
pub mod thread;
pub mod tunnel;
pub mod worker;

pub use engine::{BadPort, Config, Engine};
pub use last_drop::LastDrop;
pub use megaflow::{Megaflow, MegaflowStats};
pub use meter::{Beyond, Meter, MeterBand, MeterConfig, MeterUnit};
pub use seam::{Attachment, Datapath, DpStats, Execute, FlowExists, PortStats, Slowpath, Upcall, Verdict};
