//! A megaflow: which frames, what is done with them, how many there were.
//!
//! One worker owns and counts it; the control side holds an `Arc` to dump, push statistics and revalidate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use arc_swap::ArcSwap;
use weft_base::{Counter, Time};
use weft_flow::{CompactMatch, DpAction, FlowKey, SparseKey};

use crate::seam::Attachment;

/// A cached verdict. There may be a million of them: what many have in common they share.
pub struct Megaflow {
    /// Which frames, in the datapath's terms (`in_port` is a [`weft_packet::DpPort`]).
    pub pattern: CompactMatch,
    /// Which worker has it in its table; `None` for a flow that every worker has (`dpctl add-flow`).
    pub worker: Option<usize>,
    /// What is done; replaced when revalidation finds a new verdict.
    pub actions: ArcSwap<Vec<DpAction>>,
    /// Counters, written by the worker.
    pub stats: MegaflowStats,
    /// When it was made.
    pub created: Time,
    /// What the slow path wants to find again at revalidation (rules to credit, what the verdict rests on).
    pub attachment: ArcSwap<Attachment>,
    /// The frame that made it, as it was, if one did: what tools show beside the masks.
    seen: Option<SparseKey>,
    /// An id that it was given.
    id: Option<Box<u128>>,
}

impl Megaflow {
    /// One that no frame has met yet.
    pub fn new(
        pattern: CompactMatch,
        worker: Option<usize>,
        actions: Arc<Vec<DpAction>>,
        attachment: Attachment,
        created: Time,
    ) -> Megaflow {
        let attachment = ArcSwap::from_pointee(attachment);
        let (actions, stats) = (ArcSwap::new(actions), MegaflowStats::default());
        Megaflow { pattern, worker, actions, stats, created, attachment, seen: None, id: None }
    }

    /// This frame made it.
    pub fn made_by(self, key: &FlowKey) -> Megaflow {
        Megaflow { seen: Some(SparseKey::of(key)), ..self }
    }

    /// Under an id of its maker's.
    pub fn named(self, id: u128) -> Megaflow {
        Megaflow { id: Some(Box::new(id)), ..self }
    }

    /// The frame that made it; of one that no frame made, what it matches.
    pub fn seen(&self) -> FlowKey {
        self.seen.as_ref().map_or_else(|| self.pattern.unpack().key().clone(), SparseKey::key)
    }

    /// Unique flow id: the same match always gets the same id within one run of the daemon (printed as `ufid`).
    pub fn ufid(&self) -> u128 {
        self.id.as_deref().copied().unwrap_or_else(|| ufid(&self.pattern))
    }

    /// `ufid:` and its id, as the tools show it.
    pub fn name(&self) -> String {
        format!("ufid:{}", uuid::Uuid::from_u128(self.ufid()).hyphenated())
    }
}

/// What a worker counts per megaflow. Not aligned to a line, as that makes the allocation of a megaflow slow: see
/// [`crate::store::Store::touch`].
#[derive(Default)]
#[repr(C)]
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

    /// [`MegaflowStats::count`] for a megaflow that several workers have.
    pub fn count_shared(&self, packets: u64, bytes: u64, tcp_flags: u16, now: Time) {
        self.packets.add_shared(packets);
        self.bytes.add_shared(bytes);
        self.used.set(now.as_nanos());
        self.tcp_flags.fetch_or(tcp_flags, Ordering::Relaxed);
    }

    /// All TCP flags seen.
    pub fn tcp_flags(&self) -> u16 {
        self.tcp_flags.load(Ordering::Relaxed)
    }
}

/// An attachment for flows that the slow path knows nothing of.
pub fn no_attachment() -> Attachment {
    Box::new(())
}

/// The id of a megaflow with this pattern: a hash, the same in every run.
fn ufid(pattern: &CompactMatch) -> u128 {
    let mut halves = [0x243f_6a88_85a3_08d3_u64, 0x1319_8a2e_0370_7345];
    for (word, value, bits) in pattern.iter() {
        for half in &mut halves {
            let a = value ^ *half ^ (word as u64) << 56;
            let b = bits.rotate_left(29) ^ half.rotate_left(32) ^ 0xa409_3822_299f_31d0;
            let product = u128::from(a | 1 << 63) * u128::from(b | 1);
            *half = (product as u64 ^ (product >> 64) as u64).wrapping_add(half.rotate_left(11));
        }
    }
    u128::from(halves[0]) << 64 | u128::from(halves[1])
}
