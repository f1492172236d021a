//! A worker's ports: its queue pair of each device, and the frames that wait to go out.
//!
//! What: [`Ports`], indexed by port number. Frames gather per port over a turn and leave in one burst.
//! Invariant: after [`Ports::flush`] no frame waits anywhere.

use std::sync::Arc;

use weft_base::{Time, TokenBucket};
use weft_netdev::{BURST, QueuePair, RxQueue, TxQueue};
use weft_packet::{DpPort, DropReason, Frame, Pool};

use crate::counters::PortCounters;
use crate::egress;

/// Port numbers are below this.
pub const MAX_PORTS: u32 = 1 << 16;

/// One worker's part of a port.
pub struct Port {
    /// Where its frames come in.
    pub rx: Box<dyn RxQueue>,
    tx: Box<dyn TxQueue>,
    /// Frames that leave at the end of the turn.
    waiting: Vec<Frame>,
    /// The largest payload of an Ethernet frame.
    pub mtu: u32,
    /// What is counted here.
    pub counters: Arc<PortCounters>,
    /// How many new flows it may bring to the slow path while others have work too.
    pub budget: TokenBucket,
    /// Whether it never wakes us: either it always has frames or never.
    pub is_mute: bool,
    /// Whether it is in the worker's list of ports to ask.
    pub is_polled: bool,
    /// How often it may still be asked for frames in vain before it must wake us; see [`crate::worker`].
    pub heat: u32,
    /// What `heat` is set to when frames come.
    pub patience: u32,
    /// Whether outer packets go to the host's stack here: frames get and lose their outer headers at this port.
    pub is_tunnel: bool,
    /// The turn in which a drop was last noted.
    noted: Time,
}

/// New flows a second that one port may bring to the slow path of one worker while other ports have frames waiting:
/// about a fifth of the worker's time.
const BUDGET_RATE: u64 = 20_000;
/// New flows that a quiet port may bring at once.
const BUDGET_BURST: u64 = 8192;

/// All ports of one worker.
pub struct Ports {
    slots: Vec<Option<Box<Port>>>,
    /// Ports with frames in `waiting`.
    dirty: Vec<u32>,
    /// Empty between calls: what segmentation made.
    scratch: Vec<Frame>,
    /// Counts for frames of no port.
    nobody: Arc<PortCounters>,
    /// When the turn began.
    now: Time,
}

impl Ports {
    /// No ports; drops of frames that came from none are counted in `nobody`.
    pub fn new(nobody: Arc<PortCounters>) -> Ports {
        Ports {
            slots: Vec::new(),
            dirty: Vec::with_capacity(64),
            scratch: Vec::with_capacity(64),
            nobody,
            now: Time::ZERO,
        }
    }

    /// A turn begins.
    #[inline]
    pub fn begin(&mut self, now: Time) {
        self.now = now;
    }

    /// Add a port, replacing one of the same number.
    pub fn add(&mut self, number: u32, queues: QueuePair, mtu: u32, counters: Arc<PortCounters>, now: Time) {
        let at = number as usize;
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, || None);
        }
        self.slots[at] = Some(Box::new(Port {
            is_mute: queues.rx.poll_fd().is_none(),
            is_tunnel: queues.rx.is_tunnel(),
            rx: queues.rx,
            tx: queues.tx,
            waiting: Vec::with_capacity(2 * BURST),
            mtu,
            counters,
            budget: TokenBucket::new(BUDGET_RATE, BUDGET_BURST, now),
            is_polled: false,
            heat: 0,
            patience: 0,
            noted: Time::ZERO,
        }));
    }

    /// Send what waits and close the queues.
    pub fn remove(&mut self, number: u32, pool: &mut Pool) {
        self.flush_port(number, pool);
        if let Some(slot) = self.slots.get_mut(number as usize) {
            *slot = None;
        }
    }

    /// A port.
    #[inline]
    pub fn get_mut(&mut self, number: u32) -> Option<&mut Port> {
        self.slots.get_mut(number as usize)?.as_deref_mut()
    }

    /// The numbers of all ports.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        self.slots.iter().enumerate().filter(|(_, slot)| slot.is_some()).map(|(number, _)| number as u32)
    }

    /// Count a drop for the port that the frame came in by, and take the buffer back.
    pub fn discard(&mut self, frame: Frame, reason: DropReason, pool: &mut Pool) {
        let now = self.now;
        match self.get_mut(frame.in_port.0) {
            Some(port) => port.dropped(reason, 1, Some(&frame), now),
            None => self.nobody.count_drop(reason, 1),
        }
        pool.put(frame);
    }

    /// Count a drop for a frame that is gone already, by the port that it came in by.
    pub fn count_lost(&mut self, in_port: DpPort, reason: DropReason) {
        let now = self.now;
        match self.get_mut(in_port.0) {
            Some(port) => port.dropped(reason, 1, None, now),
            None => self.nobody.count_drop(reason, 1),
        }
    }

    /// Frames that nobody has any more: so many that came in by `in_port`.
    pub fn count_many_lost(&mut self, in_port: DpPort, reason: DropReason, count: u32) {
        (0..count).for_each(|_| self.count_lost(in_port, reason));
    }

    /// Send frames to a port at the end of the turn, or when a burst is full.
    #[inline]
    pub fn send(&mut self, number: u32, frames: impl Iterator<Item = Frame>, pool: &mut Pool) {
        let Some(port) = self.slots.get_mut(number as usize).and_then(|slot| slot.as_deref_mut()) else {
            frames.for_each(|frame| self.discard(frame, DropReason::NoSuchPort, pool));
            return;
        };
        if port.waiting.is_empty() {
            self.dirty.push(number);
        }
        port.waiting.extend(frames);
        if port.waiting.len() >= BURST {
            port.flush(&mut self.scratch, pool, self.now);
        }
    }

    /// Send all that waits.
    #[inline]
    pub fn flush(&mut self, pool: &mut Pool) {
        while let Some(number) = self.dirty.pop() {
            self.flush_port(number, pool);
        }
    }

    fn flush_port(&mut self, number: u32, pool: &mut Pool) {
        if let Some(port) = self.slots.get_mut(number as usize).and_then(|slot| slot.as_deref_mut()) {
            port.flush(&mut self.scratch, pool, self.now);
        }
    }
}

impl Port {
    /// Count drops, and remember the first of a turn.
    fn dropped(&mut self, reason: DropReason, frames: u64, one: Option<&Frame>, now: Time) {
        self.counters.count_drop(reason, frames);
        if self.noted != now {
            self.noted = now;
            self.counters.note_drop(reason, one, now);
        }
    }

    fn flush(&mut self, scratch: &mut Vec<Frame>, pool: &mut Pool, now: Time) {
        if self.waiting.is_empty() {
            return;
        }
        let (caps, mtu) = (self.tx.caps(), self.mtu);
        let mut waiting = std::mem::take(&mut self.waiting);
        egress::prepare(&mut waiting, scratch, caps, mtu, pool, |reason, frame| self.dropped(reason, 1, frame, now));
        self.waiting = waiting;
        let report = self.tx.tx_burst(&mut self.waiting, pool);
        self.counters.tx_packets.add(u64::from(report.sent));
        self.counters.tx_bytes.add(report.sent_bytes);
        for (reason, frames) in [(DropReason::TxQueueFull, report.full), (DropReason::TxError, report.errors)] {
            if frames != 0 {
                self.dropped(reason, u64::from(frames), None, now);
            }
        }
    }
}
