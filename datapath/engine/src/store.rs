//! Where a worker keeps its megaflows for the packet loop: numbered slots, each three cache lines.
//!
//! What: [`Slot`] holds a megaflow's masked words inline, so that a cache's answer is verified without following a
//! pointer, and beside them the compiled program and the `Arc` that the control side shares.
//! Why: megaflows are disjoint, so WHATEVER number a cache proposes, the slot's own masked comparison decides; caches
//! may be stale, collide or point to a slot that was freed and taken again, and still never give a wrong answer.
//! Invariants: slot 0 and every free slot match no key.

use std::sync::Arc;

use weft_base::Time;
use weft_flow::FlowKey;

use crate::program::Program;
use crate::{Megaflow, MegaflowStats};

/// The number of a slot.
pub type SlotId = u32;

/// No megaflow.
pub const NOWHERE: SlotId = 0;

/// Words of the key that are compared inline: all that plain Ethernet, VLAN, ARP and IPv4 flows use.
const INLINE: usize = 8;

/// So many megaflows, with their counters, stay in the second-level cache.
const FEW: usize = 2048;

/// So many slots have their place from the start, that none moves while frames wait. Places that nobody uses are
/// addresses without memory.
const ROOM: usize = 1 << 18;

/// One megaflow as the packet loop sees it.
#[repr(C, align(64))]
pub struct Slot {
    value: [u64; INLINE],
    mask: [u64; INLINE],
    /// Words at and behind [`INLINE`]: IPv6 addresses, connection state, tunnels.
    rest: Box<[Word]>,
    /// Whether other workers count on the same megaflow. A copy: the megaflow has it on a line of its own.
    shared: bool,
    /// What is done with its frames.
    pub program: Program,
    /// Its counters and what the control side sees; `None` for a free slot.
    pub flow: Option<Arc<Megaflow>>,
}

struct Word {
    at: u16,
    value: u64,
    mask: u64,
}

impl Slot {
    /// A slot that no key matches: no port has this number.
    fn free() -> Slot {
        let mut slot = Slot {
            value: [0; INLINE],
            mask: [0; INLINE],
            rest: Box::default(),
            shared: false,
            program: Program::default(),
            flow: None,
        };
        slot.value[0] = u64::MAX - 1;
        slot.mask[0] = u64::MAX;
        slot
    }

    fn new(flow: Arc<Megaflow>, program: Program) -> Slot {
        let rest = flow.pattern.iter().filter(|(at, ..)| *at >= INLINE);
        let rest = rest.map(|(at, value, mask)| Word { at: at as u16, value, mask }).collect();
        let shared = flow.worker.is_none();
        let mut slot = Slot { value: [0; INLINE], mask: [0; INLINE], rest, shared, program, flow: None };
        for (at, value, mask) in flow.pattern.iter().take_while(|(at, ..)| *at < INLINE) {
            (slot.value[at], slot.mask[at]) = (value, mask);
        }
        slot.flow = Some(flow);
        slot
    }

    /// Whether the key is one of this megaflow's.
    #[inline(always)]
    pub fn matches(&self, key: &FlowKey) -> bool {
        let words = key.words();
        let mut differ = 0;
        for (i, word) in words.iter().enumerate().take(INLINE) {
            differ |= (word ^ self.value[i]) & self.mask[i];
        }
        differ == 0 && (self.rest.is_empty() || self.matches_rest(key))
    }

    #[inline(never)]
    fn matches_rest(&self, key: &FlowKey) -> bool {
        self.rest.iter().all(|w| (key.word(w.at as usize) ^ w.value) & w.mask == 0)
    }

    /// Count a run of frames.
    #[inline]
    pub fn count(&self, packets: u64, bytes: u64, tcp_flags: u16, now: Time) {
        if let Some(flow) = &self.flow {
            match self.shared {
                false => flow.stats.count(packets, bytes, tcp_flags, now),
                true => flow.stats.count_shared(packets, bytes, tcp_flags, now),
            }
        }
    }
}

/// All slots of one worker.
pub struct Store {
    slots: Vec<Slot>,
    free: Vec<SlotId>,
}

impl Default for Store {
    /// No megaflows.
    fn default() -> Store {
        let mut slots = Vec::with_capacity(ROOM);
        slots.push(Slot::free());
        Store { slots, free: Vec::new() }
    }
}

impl Store {
    /// The slot with that number; numbers that were never given out answer like a free slot.
    #[inline(always)]
    pub fn slot(&self, id: SlotId) -> &Slot {
        self.slots.get(id as usize).unwrap_or(&self.slots[NOWHERE as usize])
    }

    /// Read what [`Slot::count`] will write, for all of a burst at once: with many megaflows neither is in any cache, and
    /// only loads that wait for nothing overlap. With few it would be lost time, so then nothing is done.
    #[inline]
    pub fn touch(&self, ids: &[SlotId]) {
        if self.slots.len() > FEW {
            // the first and the last: they may lie in two lines
            let both = |stats: &MegaflowStats| stats.packets.get() ^ stats.used.get() ^ u64::from(stats.tcp_flags());
            let seen = |id: &SlotId| self.slot(*id).flow.as_ref().map_or(0, |flow| both(&flow.stats));
            std::hint::black_box(ids.iter().fold(0, |sum, id| sum ^ seen(id)));
        }
    }

    /// Whether nobody lives there.
    pub fn is_free(&self, id: SlotId) -> bool {
        self.slot(id).flow.is_none()
    }

    /// The number that the next megaflow will get.
    pub fn next(&self) -> SlotId {
        self.free.last().copied().unwrap_or(self.slots.len() as SlotId)
    }

    /// Give a megaflow a slot.
    pub fn insert(&mut self, flow: Arc<Megaflow>, program: Program) -> SlotId {
        let slot = Slot::new(flow, program);
        match self.free.pop() {
            Some(id) => {
                self.slots[id as usize] = slot;
                id
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as SlotId
            }
        }
    }

    /// Free a slot.
    pub fn remove(&mut self, id: SlotId) -> Option<Arc<Megaflow>> {
        let slot = std::mem::replace(self.slots.get_mut(id as usize)?, Slot::free());
        if slot.flow.is_some() {
            self.free.push(id);
        }
        slot.flow
    }

    /// Give a megaflow another program.
    pub fn reprogram(&mut self, id: SlotId, program: Program) {
        if let Some(slot) = self.slots.get_mut(id as usize) {
            slot.program = program;
        }
    }

    /// All megaflows with their slots.
    pub fn iter(&self) -> impl Iterator<Item = (SlotId, &Arc<Megaflow>)> {
        self.slots.iter().enumerate().filter_map(|(i, slot)| Some((i as SlotId, slot.flow.as_ref()?)))
    }

    /// Forget all megaflows.
    pub fn clear(&mut self) {
        self.slots.truncate(1);
        self.free.clear();
    }
}
