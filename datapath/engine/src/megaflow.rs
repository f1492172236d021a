//! A megaflow: which frames, what is done with them, how many there were.
//!
//! One worker owns and counts it; the control side holds an `Arc` to dump, push statistics and revalidate.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use arc_swap::ArcSwap;
use weft_base::{Counter, Time};
use weft_flow::{DpAction, Match};

/// A cached verdict.
pub struct Megaflow {
    /// Unique flow id: the same match always gets the same id within one run of the daemon (printed as `ufid`).
    pub ufid: u128,
    /// Which frames, in the datapath's terms (`in_port` is a [`weft_packet::DpPort`]).
    pub pattern: Match,
    /// Which worker has it in its table; `None` for a flow that every worker has (`dpctl add-flow`).
    pub worker: Option<usize>,
    /// What is done; replaced when revalidation finds a new verdict.
    pub actions: ArcSwap<Vec<DpAction>>,
    /// Counters, written by the worker.
    pub stats: MegaflowStats,
    /// When it was made.
    pub created: Time,
    /// What the slow path wants to find again at revalidation (rules to credit, what the verdict rests on).
    pub attachment: ArcSwap<Box<dyn Any + Send + Sync>>,
}

/// What a worker counts per megaflow: one cache line.
#[derive(Default)]
#[repr(align(64))]
pub struct MegaflowStats {
    /// Frames (a GSO frame is one).
    pub packets: Counter,
    /// Bytes.
    pub bytes: Counter,
    /// [`Time::as_nanos`] of the newest frame, 0 if there was none.
    pub used: Counter,
    /// All TCP flags seen.
    tcp_flags: AtomicU16,
}

impl MegaflowStats {
    /// Count a batch of frames.
    #[inline]
    pub fn count(&self, packets: u64, bytes: u64, tcp_flags: u16, now: Time) {
        self.packets.add(packets);
        self.bytes.add(bytes);
        self.used.set(now.as_nanos());
        let seen = self.tcp_flags.load(Ordering::Relaxed);
        if seen | tcp_flags != seen {
            self.tcp_flags.store(seen | tcp_flags, Ordering::Relaxed);
        }
    }

    /// All TCP flags seen.
    pub fn tcp_flags(&self) -> u16 {
        self.tcp_flags.load(Ordering::Relaxed)
    }
}

/// An attachment for flows that the slow path knows nothing of.
pub fn no_attachment() -> ArcSwap<Box<dyn Any + Send + Sync>> {
    ArcSwap::new(Arc::new(Box::new(())))
}
