//! The seam between workers and devices: one call per burst.

use std::io;
use std::os::fd::BorrowedFd;

use weft_packet::{Frame, Pool};

/// How many frames a worker takes from a queue at a time.
pub const BURST: usize = 32;

/// One receive queue of a device, owned by one worker.
pub trait RxQueue: Send {
    /// Append up to `max` waiting frames to `out`, with buffers from `pool`; never blocks. The frames carry their
    /// offload state (checksum, GSO). `Ok(0)` means nothing waits now.
    ///
    /// # Errors
    /// When the device is gone or broken; the worker counts it, logs once and asks again later. Its descriptor may stay
    /// readable for ever (a deleted tap), so the worker must not sleep on it until a burst succeeds again. A device that
    /// is merely down is no error.
    fn rx_burst(&mut self, pool: &mut Pool, out: &mut Vec<Frame>, max: usize) -> io::Result<usize>;

    /// What becomes readable when frames wait; `None` for a source that always has frames (a looping pcap) or
    /// never (null), see [`RxQueue::always_ready`].
    fn poll_fd(&self) -> Option<BorrowedFd<'_>>;

    /// Whether these are outer packets of a tunnel, as the host's stack has them, with [`Frame::l3`] at their IP header.
    fn is_tunnel(&self) -> bool {
        false
    }

    /// Whether the queue has frames without ever waking anybody (a looping pcap): its worker must not sleep.
    fn always_ready(&self) -> bool {
        false
    }
}

/// What an egress queue can take without help.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TxCaps {
    /// Fills in partial checksums.
    pub checksum: bool,
    /// Segments TCP over IPv4.
    pub tso4: bool,
    /// Segments TCP over IPv6.
    pub tso6: bool,
    /// Segments UDP (VIRTIO_NET_HDR_GSO_UDP_L4).
    pub uso: bool,
}

/// What became of a burst.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TxReport {
    /// Frames the device took.
    pub sent: u32,
    /// Bytes of them.
    pub sent_bytes: u64,
    /// Frames dropped because the queue was full.
    pub full: u32,
    /// Frames dropped because the device refused them.
    pub errors: u32,
}

/// One transmit queue of a device, owned by one worker.
pub trait TxQueue: Send {
    /// Send every frame of `frames` or drop it; leaves `frames` empty and the buffers in `pool`. Never blocks.
    /// Frames need no more help than [`TxQueue::caps`] says: the caller segmented and summed the rest.
    fn tx_burst(&mut self, frames: &mut Vec<Frame>, pool: &mut Pool) -> TxReport;

    /// What this queue can take without help. May change while the device is open.
    fn caps(&self) -> TxCaps;
}
