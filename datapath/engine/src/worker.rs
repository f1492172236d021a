//! A worker: one slice of the whole switch, driven by hand in tests and by a thread in life.
//!
//! What: [`Worker`] owns a queue pair of every port, its caches, its megaflows and its buffers, and shares nothing that
//! the packet loop writes. [`Worker::turn`] handles what waits; [`Worker::obey`] does what the control side asks for.
//!
//! ```text
//!              keys, hashes        proposals         slots            programs
//!  rx burst ──> extract ──> microflow cache ──> megaflow table ──> runs ──> execute ──> tx bursts
//!                                   │ no mask          │ one probe a mask     ▲
//!                                   └──────────────────┴──> slow path ────────┘ once per new flow
//! ```
//!
//! Invariants: the clock is read outside, once per turn; nothing on the way of a frame whose flow is known allocates or
//! logs; frames of one flow keep their order.

mod burst;
mod control;
#[cfg(test)]
mod tests;

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use weft_base::Time;
use weft_flow::classifier::FlowTable;
use weft_flow::dpctl::{self, DpNames};
use weft_flow::extract::Limits;
use weft_flow::{FlowKey, Match};
use weft_netdev::BURST;
use weft_packet::{DropReason, Pool};

pub use control::Command;

use crate::cache::Cache;
use crate::counters::{PortCounters, WorkerCounters};
use crate::execute::{Again, Executor, Scene};
use crate::megaflow::ufid;
use crate::port::{Port, Ports};
use crate::program::Program;
use crate::registry::Registry;
use crate::store::{SlotId, Store};
use crate::{Megaflow, Slowpath, Upcall, Verdict};
use arc_swap::ArcSwap;
use burst::Burst;

/// What all workers share.
pub struct Shared {
    /// Whom to ask about new flows.
    pub slowpath: Arc<dyn Slowpath>,
    /// Megaflows of all workers.
    pub flows: AtomicUsize,
    /// 802.1Q tags that keys hold (`other_config:vlan-limit`).
    pub vlan_limit: AtomicU8,
    /// A secret that goes into every hash.
    pub seed: u64,
}

/// One slice of the switch.
pub struct Worker {
    id: usize,
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    counters: Arc<WorkerCounters>,
    burst: Burst,
    cache: Cache,
    table: FlowTable<SlotId>,
    /// When the table's masks were ranked.
    ranked: Time,
    store: Store,
    out: Executor,
    /// Ports to ask for frames, one burst each a turn: warm ones, and those that cannot wake us.
    polled: Vec<u32>,
    /// Ports whose devices have just failed.
    failed: Vec<u32>,
    /// Ports that had frames in the last turn.
    busy: u32,
    /// Megaflows made for the burst at hand.
    fresh: Vec<SlotId>,
    /// Frames of this burst that the slow path has credited already: their megaflow, their length.
    credited: Vec<(SlotId, u64)>,
    /// Verdicts for the burst at hand that are not installed.
    once: Vec<Program>,
}

/// Slot numbers from here on are those of `once`.
const ONCE: SlotId = 1 << 31;
/// Time between two rankings of the masks.
const RANKING: Duration = Duration::from_secs(1);
/// Buffers made in advance.
const BUFFERS: usize = 2 * BURST;
/// How many turns without frames a port is asked for more. At least some 20 microseconds: a round trip between two
/// hosts leaves gaps of that length, and a worker that sleeps in them doubles it (50 us against 100 over veth, with a
/// spin of 20 us and of 5), while every wake-up costs the sender's CPU, too. The bounds are turns, not times, so that a
/// stopped clock does not keep a worker spinning.
const PATIENCE: std::ops::RangeInclusive<u32> = 64..=256;

impl Worker {
    /// A worker without ports. `nobody` counts drops of frames that came in by no port.
    pub fn new(
        id: usize,
        shared: Arc<Shared>,
        registry: Arc<Registry>,
        counters: Arc<WorkerCounters>,
        nobody: Arc<PortCounters>,
    ) -> Worker {
        Worker {
            id,
            burst: Burst::new(),
            cache: Cache::new(crate::cache::BUCKETS),
            table: FlowTable::new(shared.seed),
            ranked: Time::ZERO,
            store: Store::default(),
            out: Executor { ports: Ports::new(nobody), pool: Pool::new(BUFFERS), again: Vec::with_capacity(BURST) },
            polled: Vec::new(),
            failed: Vec::new(),
            busy: 0,
            fresh: Vec::with_capacity(BURST),
            credited: Vec::with_capacity(BURST),
            once: Vec::with_capacity(BURST + 2),
            shared,
            registry,
            counters,
        }
    }

    /// One turn: a burst from each port that may have frames. Returns how many frames came in.
    pub fn turn(&mut self, now: Time) -> usize {
        let (mut frames, mut busy, mut at) = (0, 0, 0);
        while at < self.polled.len() {
            let number = self.polled[at];
            let came = self.receive(number);
            if came > 0 {
                self.forward(now, 0);
                self.forward_again(now);
                busy += 1;
                frames += came;
            } else if self.out.ports.get_mut(number).is_none_or(Port::leaves) {
                self.polled.swap_remove(at);
                continue;
            }
            at += 1;
        }
        self.out.ports.flush(&mut self.out.pool);
        self.busy = busy;
        frames
    }

    /// Whether any port is to be asked for frames in the next turn.
    pub fn is_warm(&mut self) -> bool {
        self.polled.iter().any(|&number| self.out.ports.get_mut(number).is_some_and(|port| port.is_warm()))
    }

    /// Ask this port for frames in the next turn.
    pub fn warm(&mut self, number: u32) {
        let Some(port) = self.out.ports.get_mut(number) else { return };
        port.heat = port.heat.max(1);
        if !std::mem::replace(&mut port.is_polled, true) {
            self.polled.push(number);
        }
    }

    /// What becomes readable when a port has frames.
    pub fn poll_fd(&mut self, port: u32) -> Option<BorrowedFd<'_>> {
        self.out.ports.get_mut(port)?.rx.poll_fd()
    }

    /// A port whose device has failed since the last question.
    pub fn take_failed(&mut self) -> Option<u32> {
        self.failed.pop()
    }

    /// Count a sleep.
    pub fn note_sleep(&self) {
        self.counters.sleeps.add(1);
    }

    /// The way of a burst. A frame leaves it at the first step that knows its megaflow:
    ///   1 the microflow cache, no mask arithmetic   2 the megaflow table, one probe per mask   3 the slow path
    fn forward(&mut self, now: Time, times: u8) {
        self.burst.extract(self.limits(), self.shared.seed);
        let known = self.burst.ask_cache(&self.cache, &self.store);
        self.counters.cache_hit.add(known as u64);
        if self.burst.has_missed() {
            self.ask_table(now);
            self.ask_slowpath(now);
        }
        self.execute(now, times);
    }

    /// Frames that were sent back to be looked up under a recirculation id.
    fn forward_again(&mut self, now: Time) {
        while let Some(Again { times, .. }) = self.out.again.first() {
            let times = *times;
            let wave = self.out.again.iter().take(BURST).take_while(|a| a.times == times).count();
            self.burst.fill(self.out.again.drain(..wave));
            self.forward(now, times);
        }
    }

    /// Fill the burst from a port; count what came and how long it is worth asking again.
    fn receive(&mut self, number: u32) -> usize {
        let Some(port) = self.out.ports.get_mut(number) else { return 0 };
        if !port.is_warm() {
            return 0;
        }
        self.burst.begin(number);
        let came = match port.rx.rx_burst(&mut self.out.pool, self.burst.frames_mut(), BURST) {
            Ok(came) => came,
            Err(_) => {
                port.counters.rx_errors.add(1);
                port.heat = 0;
                self.failed.push(number);
                0
            }
        };
        port.warm(came > 0);
        if came > 0 {
            port.counters.rx_packets.add(came as u64);
            port.counters.rx_bytes.add(self.burst.bytes());
        }
        came
    }

    fn ask_table(&mut self, now: Time) {
        if now.since(self.ranked) >= RANKING {
            self.table.rank();
            self.ranked = now;
        }
        let mut found = 0;
        let (cache, table, store) = (&mut self.cache, &self.table, &self.store);
        self.burst.retry(|key, hash| {
            let slot = match cache.find(hash, key, store) {
                Some(slot) => return Some(slot),
                None => *table.lookup(key)?,
            };
            cache.insert(hash, slot, store);
            found += 1;
            Some(slot)
        });
        self.counters.table_hit.add(found);
        self.counters.probes.set(self.table.probes());
    }

    /// Each new flow asks once: the flows that this burst brought are tried before the next question.
    fn ask_slowpath(&mut self, now: Time) {
        self.fresh.clear();
        self.credited.clear();
        self.once.clear();
        for at in self.burst.missed() {
            let slot = match self.burst.is_malformed(at) {
                true => self.remember_once(Program::Drop(DropReason::Malformed)),
                false => self.resolve(at, now),
            };
            self.burst.set_slot(at, slot);
        }
    }

    fn resolve(&mut self, at: usize, now: Time) -> SlotId {
        let (key, hash) = self.burst.key(at);
        if let Some(&slot) = self.fresh.iter().find(|&&slot| self.store.slot(slot).matches(key)) {
            self.cache.insert(hash, slot, &self.store);
            self.counters.table_hit.add(1);
            return slot;
        }
        if !self.may_ask(at, now) {
            self.counters.lost.add(1);
            return self.remember_once(Program::Drop(DropReason::MissBudget));
        }
        self.counters.missed.add(1);
        let may_install = self.shared.flows.load(Ordering::Relaxed) < self.shared.slowpath.flow_limit();
        let (key, hash) = self.burst.key(at);
        let upcall = Upcall { key, frame: self.burst.frame(at), worker: self.id, may_install };
        tracing::trace!(
            target: "dpif_netdev",
            "miss upcall:\n{}\n{}",
            dpctl::format_key_in_full(key, &DpNames::new()),
            weft_flow::text::format_key(key, &weft_flow::text::PortNames::new())
        );
        let verdict = self.shared.slowpath.upcall(&upcall, now);
        if !(may_install && verdict.install) {
            return self.remember_once(Program::compile(&verdict.actions));
        }
        let pattern = pattern_of(key.clone(), &verdict);
        let slot = self.install(Arc::new(Megaflow {
            ufid: ufid(&pattern),
            pattern,
            worker: Some(self.id),
            actions: ArcSwap::from_pointee(verdict.actions),
            stats: Default::default(),
            created: now,
            attachment: ArcSwap::from_pointee(verdict.attachment),
        }));
        self.cache.insert(hash, slot, &self.store);
        self.fresh.push(slot);
        self.credited.push((slot, self.burst.frame(at).len() as u64));
        slot
    }

    /// Whether a port may bring one more new flow: always while it has the worker for itself.
    fn may_ask(&mut self, at: usize, now: Time) -> bool {
        let alone = self.busy <= 1;
        let in_port = self.burst.frame(at).in_port.0;
        self.out.ports.get_mut(in_port).is_none_or(|port| port.budget.take(1, now) || alone)
    }

    fn remember_once(&mut self, program: Program) -> SlotId {
        self.once.push(program);
        ONCE + (self.once.len() - 1) as SlotId
    }

    fn install(&mut self, flow: Arc<Megaflow>) -> SlotId {
        tracing::trace!(
            target: "dpif_netdev",
            "flow_add: ufid:{} {}, actions:{}",
            uuid::Uuid::from_u128(flow.ufid).hyphenated(),
            dpctl::format_match(&flow.pattern, &DpNames::new()),
            dpctl::format_actions(&flow.actions.load(), &DpNames::new())
        );
        let slot = self.store.insert(Arc::clone(&flow), Program::compile(&flow.actions.load()));
        let replaced = self.table.insert(&flow.pattern, slot);
        self.registry.insert(slot, flow);
        match replaced {
            // A lookup has just failed to find it, so there is none; should there be one, it must not stay behind.
            Some(old) => {
                self.store.remove(old);
                self.registry.remove(old);
            }
            None => {
                self.shared.flows.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.count_flows();
        slot
    }

    fn count_flows(&self) {
        self.counters.flows.set(self.table.len() as u64);
        self.counters.masks.set(self.table.masks() as u64);
    }

    fn limits(&self) -> Limits {
        self.shared.limits()
    }

    /// Neighbours with the same megaflow are counted and executed together.
    fn execute(&mut self, now: Time, times: u8) {
        let scene = scene(&self.shared, self.id, now, times);
        let (store, once, out, credited) = (&self.store, &self.once, &mut self.out, &mut self.credited);
        self.burst.runs(|mut run, frames, keys| {
            if let Some(at) = credited.iter().position(|(slot, _)| *slot == run.slot) {
                run.packets -= 1;
                run.bytes -= credited.swap_remove(at).1;
            }
            if run.slot >= ONCE {
                out.run(&once[(run.slot - ONCE) as usize], frames, keys, &scene);
            } else {
                let slot = store.slot(run.slot);
                if run.packets > 0 {
                    slot.count(run.packets, run.bytes, run.tcp_flags, now);
                }
                out.run(&slot.program, frames, keys, &scene);
            }
        });
    }
}

impl Shared {
    fn limits(&self) -> Limits {
        Limits { vlans: self.vlan_limit.load(Ordering::Relaxed) }
    }
}

fn scene(shared: &Shared, worker: usize, now: Time, times: u8) -> Scene<'_> {
    Scene { slowpath: &*shared.slowpath, worker, now, limits: shared.limits(), times }
}

/// What the verdict rests on; always on port and recirculation id too.
fn pattern_of(key: FlowKey, verdict: &Verdict) -> Match {
    let mut mask = verdict.mask.clone();
    mask.set_word(0, u64::MAX);
    Match::new(key, mask)
}

impl Port {
    /// Whether to ask it for frames. A device that nothing wakes us for may have become ready by itself (a capture that
    /// is brought up).
    #[inline]
    fn is_warm(&self) -> bool {
        self.heat > 0 || self.is_mute && self.rx.always_ready()
    }

    /// Whether it need not be asked any more until it wakes us.
    fn leaves(&mut self) -> bool {
        let leaves = self.heat == 0 && !self.is_mute;
        self.is_polled &= !leaves;
        leaves
    }

    /// Note whether frames came: a port that had some is asked again for a while, the longer the more often that paid.
    #[inline]
    fn warm(&mut self, came: bool) {
        if came {
            self.patience = (self.patience * 2).min(*PATIENCE.end());
            self.heat = self.patience;
        } else if self.heat > 0 {
            self.heat -= 1;
            if self.heat == 0 {
                self.patience = (self.patience / 4).max(*PATIENCE.start());
            }
        }
    }
}
