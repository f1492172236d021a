//! Frames: bytes with headroom and the offload metadata that travels with them.
//!
//! - [`frame`]: [`Frame`], its offload state and the buffer [`Pool`](frame::Pool).
//! - [`wire`]: one file per header: how it lies on the wire, what it says, and how to edit it in a frame.
//! - [`checksum`]: the Internet checksum, its incremental update, SCTP's CRC, and filling in what an offload left.
//! - [`segment`]: cutting a GSO frame into the frames it stands for.
//! - [`coalesce`]: putting segments together again.
//! - [`tunnel`]: headers that carry a packet inside another: what they say, one file per encapsulation.
//! - [`builder`]: composing frames from parts.
//! - [`pcap`]: the capture file format.
//! - [`port`]: [`DpPort`], the datapath's port number.
//! - [`mac`]: [`Mac`], an Ethernet address.
//! - [`drop`]: [`DropReason`], why a frame died.
//!
//! Invariant: nothing here knows a device, a flow or a table.

pub mod builder;
pub mod checksum;
pub mod coalesce;
pub mod drop;
pub mod frame;
pub mod mac;
pub mod pcap;
pub mod port;
pub mod segment;
pub mod tunnel;
pub mod wire;

pub use drop::DropReason;
pub use frame::{ChecksumState, Frame, FrameError, Gso, GsoKind, Layer, Outer, Pool};
pub use mac::Mac;
pub use port::DpPort;
