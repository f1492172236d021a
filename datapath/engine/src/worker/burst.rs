//! The frames at hand, and what each step has found out about them.
//!
//! Parallel arrays, one entry per frame: a step is a loop over one or two of them, and its memory accesses overlap.

use std::iter::Take;
use std::vec::Drain;

use weft_flow::FlowKey;
use weft_flow::extract::{Limits, extract, extract_again};
use weft_netdev::BURST;
use weft_packet::{DpPort, Frame};

use crate::cache::Cache;
use crate::execute::Again;
use crate::store::{NOWHERE, SlotId, Store};

/// Up to [`BURST`] frames of one port.
pub struct Burst {
    frames: Vec<Frame>,
    keys: Box<[FlowKey]>,
    hashes: [u64; BURST],
    slots: [SlotId; BURST],
    /// Which frames no cache knew: the first `misses` entries.
    missed: [u8; BURST],
    misses: usize,
    /// One bit for each frame that is no frame at all.
    malformed: u32,
    /// Where they came in; `None` for recirculated frames, whose keys say it.
    in_port: Option<u32>,
}

/// Neighbours with the same megaflow.
pub struct Run {
    /// Its slot.
    pub slot: SlotId,
    /// How many frames.
    pub packets: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Their TCP flags.
    pub tcp_flags: u16,
}

impl Burst {
    pub fn new() -> Burst {
        Burst {
            frames: Vec::with_capacity(2 * BURST),
            keys: vec![FlowKey::new(); BURST].into_boxed_slice(),
            hashes: [0; BURST],
            slots: [NOWHERE; BURST],
            missed: [0; BURST],
            misses: 0,
            malformed: 0,
            in_port: None,
        }
    }

    /// Start a burst of a port.
    #[inline]
    pub fn begin(&mut self, in_port: u32) {
        debug_assert!(self.frames.is_empty());
        self.in_port = Some(in_port);
    }

    /// Where the device puts its frames.
    #[inline]
    pub fn frames_mut(&mut self) -> &mut Vec<Frame> {
        &mut self.frames
    }

    /// Start a burst of recirculated frames.
    pub fn fill(&mut self, again: impl Iterator<Item = Again>) {
        self.in_port = None;
        for (again, key) in again.zip(&mut self.keys) {
            *key = again.key;
            self.frames.push(again.frame);
        }
    }

    /// Bytes of all frames.
    #[inline]
    pub fn bytes(&self) -> u64 {
        self.frames.iter().map(|f| f.len() as u64).sum()
    }

    /// Read every frame into its key, and hash it.
    #[inline]
    pub fn extract(&mut self, limits: Limits, seed: u64) {
        self.malformed = 0;
        let places = self.keys.iter_mut().zip(&mut self.hashes).enumerate();
        for (frame, (i, (key, hash))) in self.frames.iter_mut().zip(places) {
            let read = match self.in_port {
                Some(in_port) => {
                    frame.in_port = DpPort(in_port);
                    key.begin(0, in_port);
                    extract(frame, key, limits)
                }
                None => extract_again(frame, key, limits),
            };
            if read.is_err() {
                key.begin(0, DpPort::NONE.0); // no megaflow has this port
                self.malformed |= 1 << i;
            }
            *hash = key.microflow_hash(seed);
        }
    }

    /// Ask the microflow cache for all, then let the proposed megaflows check. Two loops, so that neither waits for the
    /// other's memory. Returns how many it knew.
    #[inline]
    pub fn ask_cache(&mut self, cache: &Cache, store: &Store) -> usize {
        let n = self.frames.len().min(BURST);
        for (slot, hash) in self.slots[..n].iter_mut().zip(&self.hashes) {
            *slot = cache.propose(*hash);
        }
        store.touch(&self.slots[..n]);
        self.misses = 0;
        for (i, (slot, key)) in self.slots[..n].iter().zip(&self.keys).enumerate() {
            self.missed[self.misses] = i as u8;
            self.misses += usize::from(!store.slot(*slot).matches(key));
        }
        n - self.misses
    }

    /// Whether any frame's megaflow is still unknown.
    #[inline]
    pub fn has_missed(&self) -> bool {
        self.misses != 0
    }

    /// Which frames' megaflows are still unknown.
    pub fn missed(&self) -> impl Iterator<Item = usize> + use<> {
        self.missed.into_iter().take(self.misses).map(usize::from)
    }

    /// Ask someone else for those still unknown.
    #[inline]
    pub fn retry(&mut self, mut ask: impl FnMut(&FlowKey, u64) -> Option<SlotId>) {
        let mut left = 0;
        for i in 0..self.misses {
            let at = self.missed[i] as usize;
            match ask(&self.keys[at], self.hashes[at]) {
                Some(slot) => self.slots[at] = slot,
                None => {
                    self.missed[left] = at as u8;
                    left += 1;
                }
            }
        }
        self.misses = left;
    }

    /// Whether a frame has no Ethernet header.
    pub fn is_malformed(&self, at: usize) -> bool {
        self.malformed & 1 << at != 0
    }

    /// A frame's key and hash.
    pub fn key(&self, at: usize) -> (&FlowKey, u64) {
        (&self.keys[at], self.hashes[at])
    }

    /// A frame.
    pub fn frame(&self, at: usize) -> &Frame {
        &self.frames[at]
    }

    /// A frame's megaflow.
    pub fn set_slot(&mut self, at: usize, slot: SlotId) {
        self.slots[at] = slot;
    }

    /// Take all frames out, neighbours with the same megaflow together.
    #[inline]
    pub fn runs(&mut self, mut each: impl FnMut(Run, Take<&mut Drain<'_, Frame>>, &mut [FlowKey])) {
        let n = self.frames.len().min(BURST);
        let mut frames = self.frames.drain(..);
        let mut at = 0;
        while at < n {
            let slot = self.slots[at];
            let len = self.slots[at..n].iter().take_while(|s| **s == slot).count();
            let keys = &mut self.keys[at..at + len];
            let mut run = Run { slot, packets: len as u64, bytes: 0, tcp_flags: 0 };
            for (frame, key) in frames.as_slice().iter().zip(&*keys) {
                run.bytes += frame.len() as u64;
                run.tcp_flags |= if key.word(1) & 0xff == PROTO_TCP { key.word(4) as u16 & 0xfff } else { 0 };
            }
            each(run, frames.by_ref().take(len), keys);
            at += len;
        }
    }
}

const PROTO_TCP: u64 = 6;
