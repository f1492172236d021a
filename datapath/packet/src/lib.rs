//! Frames: bytes with headroom and the offload metadata that travels with them.
//!
//! - [`frame`]: [`Frame`], its offload state and the buffer [`Pool`](frame::Pool).
//! - [`port`]: [`DpPort`], the datapath's port number.
//! - [`mac`]: [`Mac`], an Ethernet address.
//! - [`drop`]: [`DropReason`], why a frame died.
//!
//! Invariant: nothing here knows a device, a flow or a table.

pub mod drop;
pub mod frame;
pub mod mac;
pub mod port;

pub use drop::DropReason;
pub use frame::{ChecksumState, Frame, FrameError, Gso, GsoKind, Layer, Pool};
pub use mac::Mac;
pub use port::DpPort;
