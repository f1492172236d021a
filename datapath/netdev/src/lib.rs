//! Devices: where frames come in and go out, a burst at a time.
//!
//! - [`queue`]: the seam [`RxQueue`] / [`TxQueue`] that the workers drive.
//! - [`device`]: [`open`] and the control handle [`Device`]; the control thread's side.
//! - [`spec`]: which device to open, from an interface's type and options.
//! - [`link`]: what a device says of itself: speed, features, MTU range, statistics.
//! - [`dummy`], [`replay`], [`null`]: devices in memory, for tests and benchmarks.
//! - [`pcap`]: the capture file format.
//! - [`wake`]: how a sleeping worker is woken.
//!
//! Invariants: VLAN modes, bonding, mirrors and tunnels live above devices and know none of them;
//! `unsafe` lives in `sys` alone.

pub mod device;
pub mod dummy;
pub mod link;
pub mod null;
pub mod pcap;
pub mod queue;
pub mod replay;
mod soft;
pub mod spec;
pub mod wake;

pub use device::{Device, Opened, QueuePair, open};
pub use dummy::Dummy;
pub use link::{Duplex, Features, LinkInfo, MtuRange, Stats};
pub use queue::{BURST, RxQueue, TxCaps, TxQueue, TxReport};
pub use spec::{Kind, OpenError, Spec};
pub use wake::{Sleeper, Waker};
