//! The fast path: workers take bursts of frames through caches to their actions.
//!
//! - [`seam`]: [`Slowpath`] (whom workers ask about unknown flows) and [`Datapath`] (what the control side can ask of
//!   the engine): the one inverted arrow of the house.
//! - [`megaflow`]: [`Megaflow`], a cached verdict with its counters.

pub mod megaflow;
pub mod seam;

pub use megaflow::{Megaflow, MegaflowStats};
pub use seam::{Datapath, DpStats, Execute, PortStats, Slowpath, Upcall, Verdict};
