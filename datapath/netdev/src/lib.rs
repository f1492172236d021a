//! Devices: where frames come in and go out, a burst at a time.
//!
//! - [`queue`]: the seam [`RxQueue`] / [`TxQueue`] that the workers drive.
//!
//! Invariants: VLAN modes, bonding, mirrors and tunnels live above devices and know none of them;
//! `unsafe` lives in `sys` alone.

pub mod queue;

pub use queue::{BURST, RxQueue, TxCaps, TxQueue, TxReport};
