//! Devices: where frames come in and go out, a burst at a time.
//!
//! - [`queue`]: the seam [`RxQueue`] / [`TxQueue`] that the workers drive.
//! - [`device`]: [`open`] and the control handle [`Device`]; the control thread's side.
//! - [`spec`]: which device to open, from an interface's type and options.
//! - [`link`]: what a device says of itself: speed, features, MTU range, statistics.
//! - [`monitor`], [`netlink`]: the kernel's links, and what happens to them. [`route`]: its routes and addresses.
//! - `kernel`, `tap`, `packet_socket`, `vnet`, `ethtool`: kernel devices.
//! - [`host_tunnel`]: outer packets through the host's own stack.
//! - [`dummy`], [`replay`], [`null`]: devices in memory, for tests and benchmarks.
//! - [`pcap`]: capture files of what passes now.
//! - [`wake`]: how a sleeping worker is woken.
//! - `sys`: the cellar.
//!
//! Invariants: VLAN modes, bonding, mirrors and tunnels live above devices and know none of them;
//! `unsafe` lives in `sys` alone.

pub mod address;
pub mod device;
pub mod dummy;
mod ethtool;
pub mod host_tunnel;
mod kernel;
pub mod link;
pub mod monitor;
pub mod netlink;
pub mod null;
mod packet_socket;
pub mod pcap;
pub mod queue;
pub mod replay;
pub mod route;
mod soft;
pub mod spec;
mod sys;
mod tap;
mod vnet;
pub mod wake;

pub use device::{Device, Opened, QueuePair, open};
pub use dummy::Dummy;
pub use link::{Duplex, Features, Link, LinkInfo, MtuRange, Stats};
pub use monitor::{LinkEvent, Monitor};
pub use queue::{BURST, RxQueue, TxCaps, TxQueue, TxReport};
pub use route::{RouteMonitor, RouteSnapshot};
pub use spec::{Kind, OpenError, Spec};
pub use sys::heap::trim_heap;
pub use sys::signal::die_of_crashes;
pub use wake::{Sleeper, Waker};
