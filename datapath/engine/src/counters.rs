//! What is counted per port and per worker: written by one worker each, summed by whoever reads.

use std::sync::Arc;

use weft_base::{Counter, Time};
use weft_packet::{DropReason, Frame};

use crate::last_drop::{LastDrop, LastDropSlot};
use crate::{DpStats, PortStats};

/// One worker's counters of one port.
#[derive(Default)]
#[repr(align(64))]
pub struct PortCounters {
    /// Frames taken from the device.
    pub rx_packets: Counter,
    /// Bytes of them.
    pub rx_bytes: Counter,
    /// Reads that failed.
    pub rx_errors: Counter,
    /// Frames that the device took.
    pub tx_packets: Counter,
    /// Bytes of them.
    pub tx_bytes: Counter,
    /// Drops by [`DropReason`]: of frames that came in here, and of frames that could not go out here.
    drops: Drops,
    /// The newest of them.
    last: LastDropSlot,
}

struct Drops([Counter; DropReason::ALL.len()]);

impl Default for Drops {
    fn default() -> Drops {
        Drops(std::array::from_fn(|_| Counter::default()))
    }
}

impl PortCounters {
    /// Count drops.
    #[inline]
    pub fn count_drop(&self, reason: DropReason, frames: u64) {
        self.drops.0[reason as usize].add(frames);
    }

    /// Drops for one reason.
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops.0[reason as usize].get()
    }

    /// Remember one of those that were counted.
    pub fn note_drop(&self, reason: DropReason, frame: Option<&Frame>, now: Time) {
        self.last.note(reason, frame, now);
    }

    /// Add to a sum.
    pub fn add_to(&self, sum: &mut PortStats) {
        sum.rx_packets += self.rx_packets.get();
        sum.rx_bytes += self.rx_bytes.get();
        sum.rx_errors += self.rx_errors.get();
        sum.tx_packets += self.tx_packets.get();
        sum.tx_bytes += self.tx_bytes.get();
        sum.tx_errors += self.drops(DropReason::TxError);
        for reason in DropReason::ALL {
            match side(reason) {
                Side::In => sum.rx_dropped += self.drops(reason),
                Side::Out => sum.tx_dropped += self.drops(reason),
                Side::Neither => {}
            }
        }
    }
}

enum Side {
    In,
    Out,
    Neither,
}

/// Which of a port's statistics a drop belongs to. A rule that says drop is no loss of the port's.
fn side(reason: DropReason) -> Side {
    use DropReason::*;
    match reason {
        MtuExceeded | TxQueueFull | NoPeer => Side::Out,
        Malformed | MissBudget | FlowLimit | TunnelShort | TunnelLength | TunnelChecksum | TunnelFragment
        | TunnelFlags | TunnelOptions | TunnelPayload => Side::In,
        FlowDrop
        | TableMiss
        | NoSuchPort
        | PortDown
        | PortConfig
        | SamePort
        | VlanNotAllowed
        | ReservedMulticast
        | MirrorOutput
        | TtlExpired
        | TooManyResubmits
        | TranslationError
        | TxError
        | Meter
        | ActionFailed
        | RecircUnknown
        | ControllerQueue
        | Consumed
        | NoConntrack
        | RecursionTooDeep
        | StackTooDeep
        | TooManyLabels
        | UnsupportedPacketType
        | TunnelUnknown
        | TunnelEcn
        | TunnelToUs
        | NoRoute
        | NoNeighbour => Side::Neither,
    }
}

/// One worker's totals.
#[derive(Default)]
#[repr(align(64))]
pub struct WorkerCounters {
    /// Frames answered by the microflow cache.
    pub cache_hit: Counter,
    /// Frames answered by the megaflow table.
    pub table_hit: Counter,
    /// Frames that went to the slow path.
    pub missed: Counter,
    /// Frames that were not allowed to.
    pub lost: Counter,
    /// Masks probed.
    pub probes: Counter,
    /// Megaflows in the table.
    pub flows: Counter,
    /// Masks in the table.
    pub masks: Counter,
    /// Bursts handled.
    pub bursts: Counter,
    /// Times the thread went to sleep.
    pub sleeps: Counter,
}

impl WorkerCounters {
    /// Add to a sum.
    pub fn add_to(&self, sum: &mut DpStats) {
        sum.hit += self.cache_hit.get() + self.table_hit.get();
        sum.missed += self.missed.get();
        sum.lost += self.lost.get();
        sum.flows += self.flows.get();
        sum.mask_hit += self.probes.get();
        sum.masks += self.masks.get();
        sum.cache_hit += self.cache_hit.get();
    }
}

/// One port's counters, one set for each worker.
#[derive(Clone)]
pub struct PortLedger(Arc<[Arc<PortCounters>]>);

impl PortLedger {
    /// Zeros for `workers` workers.
    pub fn new(workers: usize) -> PortLedger {
        PortLedger((0..workers).map(|_| Arc::default()).collect())
    }

    /// The set that worker `id` writes.
    pub fn of(&self, id: usize) -> Arc<PortCounters> {
        Arc::clone(&self.0[id])
    }

    /// The sum.
    pub fn stats(&self) -> PortStats {
        let mut sum = PortStats::default();
        self.0.iter().for_each(|counters| counters.add_to(&mut sum));
        sum
    }

    /// A drop of the newest turn that had one.
    pub fn last_drop(&self) -> Option<LastDrop> {
        self.0.iter().filter_map(|counters| counters.last.get()).max_by_key(|drop| drop.at)
    }

    /// Drops for one reason.
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.0.iter().map(|counters| counters.drops(reason)).sum()
    }
}
