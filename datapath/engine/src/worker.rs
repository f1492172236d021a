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
mod miss;
mod polling;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use weft_base::Time;
use weft_flow::classifier::FlowTable;
use weft_flow::extract::Limits;
use weft_flow::{DpAction, Masks};
use weft_netdev::BURST;
use weft_packet::Pool;

pub use control::Command;

use crate::Slowpath;
use crate::cache::Cache;
use crate::counters::{PortCounters, WorkerCounters};
use crate::execute::{Again, Executor, Scene};
use crate::meter::Meters;
use crate::port::{Port, Ports};
use crate::program::Program;
use crate::registry::Registry;
use crate::store::{SlotId, Store};
use crate::tunnel::Tunnels;
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
    /// Rates that the workers keep together.
    pub meters: Meters,
    /// Tunnel ports.
    pub tunnels: Tunnels,
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
    /// Masks that megaflows share.
    masks: Masks,
    /// The newest megaflow's actions.
    last_actions: Arc<Vec<DpAction>>,
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
            masks: Masks::default(),
            last_actions: Arc::default(),
            out: Executor::new(Ports::new(nobody), Pool::new(BUFFERS)),
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

    /// What it shares with the others.
    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// One turn: a burst from each port that may have frames. Returns how many frames came in.
    pub fn turn(&mut self, now: Time) -> usize {
        self.out.ports.begin(now);
        let (mut frames, mut busy, mut at) = (0, 0, 0);
        while at < self.polled.len() {
            let number = self.polled[at];
            let came = self.receive(number);
            if came > 0 {
                if self.out.ports.get_mut(number).is_some_and(|port| port.is_tunnel) {
                    self.open_tunnelled(number, now);
                } else {
                    self.forward(now, 0);
                }
                self.forward_again(now);
                busy += 1;
                frames += came;
            } else if self.out.ports.get_mut(number).is_none_or(Port::leaves) {
                self.polled.swap_remove(at);
                continue;
            }
            at += 1;
        }
        if !self.out.pieces.is_empty() {
            self.out.expire_pieces(now);
        }
        self.out.ports.flush(&mut self.out.pool);
        self.busy = busy;
        frames
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

    /// What the host's stack received for a tunnel port has outer headers, and is looked up without them.
    fn open_tunnelled(&mut self, number: u32, now: Time) {
        let scene = scene(&self.shared, self.id, now, 0);
        for mut frame in self.burst.frames_mut().drain(..) {
            frame.in_port = weft_packet::DpPort(number);
            self.out.pop(number, frame, &scene);
        }
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
    let (meters, tunnels) = (&shared.meters, &shared.tunnels);
    Scene { slowpath: &*shared.slowpath, worker, now, limits: shared.limits(), times, meters, tunnels }
}
