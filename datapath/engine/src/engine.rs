//! The engine: workers on threads, and the control side's way to them.
//!
//! What: [`Engine`] starts the workers and implements [`Datapath`]. Each worker has a bounded channel of commands and a
//! bell; what it counts and which megaflows it has can be read without asking it.
//! Invariant: a call returns when every worker concerned has done what was asked.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use weft_base::Clock;
use weft_flow::{CompactMatch, DpAction, FlowKey, Match};
use weft_netdev::{QueuePair, Waker};
use weft_packet::{DpPort, DropReason};

use crate::counters::{PortLedger, WorkerCounters};
use crate::megaflow::no_attachment;
use crate::meter::{Meter, Meters};
use crate::port::MAX_PORTS;
use crate::registry::Registry;
use crate::seam::{Attachment, FlowExists};
use crate::thread::{self, Bed, Request};
use crate::worker::{Command, Shared, Worker};
use crate::{Datapath, DpStats, Execute, LastDrop, Megaflow, PortStats, Slowpath};

/// How to start an engine.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many workers.
    pub workers: usize,
    /// A number that nobody outside knows; hashes depend on it.
    pub seed: u64,
}

impl Default for Config {
    /// Half of the processors that we may use: the other half is for those who send and receive.
    fn default() -> Config {
        use std::hash::{BuildHasher, RandomState};
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Config { workers: (processors / 2).max(1), seed: RandomState::new().hash_one(processors) }
    }
}

/// Workers and the way to them. Dropping it ends them.
pub struct Engine {
    lanes: Vec<Lane>,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    ports: Mutex<BTreeMap<DpPort, PortLedger>>,
    /// Frames that came in by no port.
    nobody: PortLedger,
    /// Megaflows that every worker has.
    common: Mutex<Vec<Arc<Megaflow>>>,
}

/// One worker, seen from the control side.
struct Lane {
    /// `None` when the engine ends.
    inbox: Option<Sender<Request>>,
    bell: Arc<Waker>,
    registry: Arc<Registry>,
    counters: Arc<WorkerCounters>,
    thread: Option<JoinHandle<()>>,
}

/// Commands that may wait for a worker.
const INBOX: usize = 64;

/// The port number cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadPort(pub DpPort);

impl std::fmt::Display for BadPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "port number {} is not below {MAX_PORTS}, or there are fewer queue pairs than workers", self.0)
    }
}

impl std::error::Error for BadPort {}

impl Engine {
    /// Start the workers.
    ///
    /// # Errors
    /// When the system gives no thread or descriptor.
    pub fn start(config: &Config, slowpath: Arc<dyn Slowpath>, clock: Arc<dyn Clock>) -> io::Result<Engine> {
        let workers = config.workers.max(1);
        let shared = Arc::new(Shared {
            slowpath,
            flows: AtomicUsize::new(0),
            vlan_limit: AtomicU8::new(1),
            seed: config.seed,
            meters: Meters::default(),
            tunnels: Default::default(),
        });
        let nobody = PortLedger::new(workers);
        let lanes = (0..workers)
            .map(|id| {
                let (registry, counters) = (Arc::<Registry>::default(), Arc::<WorkerCounters>::default());
                let bell = Arc::new(Waker::new()?);
                let bed = Bed::new(Arc::clone(&bell))?;
                let (inbox, requests) = bounded(INBOX);
                let (at_work, shared, clock) = (Arc::clone(&registry), Arc::clone(&shared), Arc::clone(&clock));
                let (counted, lost) = (Arc::clone(&counters), nobody.of(id));
                let body = move || {
                    let _alarm = Alarm;
                    let worker = Worker::new(id, shared, at_work, counted, lost);
                    thread::run(worker, &requests, bed, &*clock);
                };
                let thread = std::thread::Builder::new().name(format!("worker{id}")).spawn(body)?;
                Ok(Lane { inbox: Some(inbox), bell, registry, counters, thread: Some(thread) })
            })
            .collect::<io::Result<Vec<Lane>>>()?;
        Ok(Engine { lanes, shared, clock, ports: Mutex::default(), nobody, common: Mutex::default() })
    }

    /// How many workers there are: as many queue pairs a port needs.
    pub fn workers(&self) -> usize {
        self.lanes.len()
    }

    /// Take up a port, with one queue pair for each worker; replaces a port of the same number.
    ///
    /// # Errors
    /// When the number is too large or there are too few queue pairs.
    pub fn port_add(&self, port: DpPort, mtu: u32, queues: Vec<QueuePair>) -> Result<(), BadPort> {
        if port.0 >= MAX_PORTS || queues.len() < self.lanes.len() {
            return Err(BadPort(port));
        }
        let ledger = PortLedger::new(self.lanes.len());
        let commands = queues.into_iter().enumerate().take(self.lanes.len()).map(|(id, queues)| {
            let counters = ledger.of(id);
            (id, Command::PortAdd { port: port.0, queues, mtu, counters })
        });
        self.ask_each(commands);
        self.ports().insert(port, ledger);
        Ok(())
    }

    /// Give a port up. Its queues are closed on return; frames for it are dropped from now on.
    pub fn port_remove(&self, port: DpPort) {
        self.ask_all(|_| Command::PortRemove(port.0));
        self.ports().remove(&port);
    }

    /// Say what a port's MTU is now.
    pub fn port_set_mtu(&self, port: DpPort, mtu: u32) {
        self.ask_all(|_| Command::PortMtu(port.0, mtu));
    }

    /// Have the workers look at all devices again. Needed after a device in memory was brought up, for which nothing else
    /// wakes them.
    pub fn wake(&self) {
        self.lanes.iter().for_each(|lane| lane.bell.wake());
    }

    /// How many 802.1Q tags keys hold (`other_config:vlan-limit`). Megaflows made before should be flushed.
    pub fn set_vlan_limit(&self, tags: u8) {
        self.shared.vlan_limit.store(tags.min(2), Ordering::Relaxed);
    }

    /// How often workers went to sleep: a busy engine's number stands still.
    pub fn sleeps(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.counters.sleeps.get()).sum()
    }

    /// The same command to all workers; whether all did it.
    fn ask_all(&self, command: impl Fn(usize) -> Command) -> bool {
        self.ask_each((0..self.lanes.len()).map(|id| (id, command(id))))
    }

    /// A command about megaflows, to each worker about those that it has.
    fn ask_owners(&self, flows: &[Arc<Megaflow>], command: fn(Arc<[Arc<Megaflow>]>) -> Command) {
        let part = |id: usize| flows.iter().filter(move |f| f.worker.is_none_or(|w| w == id)).cloned();
        let parts = (0..self.lanes.len()).map(|id| (id, part(id).collect::<Arc<[_]>>()));
        self.ask_each(parts.filter(|(_, part)| !part.is_empty()).map(|(id, part)| (id, command(part))));
    }

    /// Send commands to workers, then wait for all of them.
    fn ask_each(&self, commands: impl Iterator<Item = (usize, Command)>) -> bool {
        let waiting: Vec<Receiver<bool>> = commands.map(|(id, command)| self.lanes[id].send(command)).collect();
        // A worker that is gone answers nothing; that happens at the end only.
        waiting.into_iter().filter(|answer| !answer.recv().unwrap_or(false)).count() == 0
    }

    fn ports(&self) -> MutexGuard<'_, BTreeMap<DpPort, PortLedger>> {
        self.ports.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn common(&self) -> MutexGuard<'_, Vec<Arc<Megaflow>>> {
        self.common.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Ends the process when its thread panics: a switch that goes on without one of its workers would look healthy and
/// lose frames.
struct Alarm;

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

impl Lane {
    fn send(&self, command: Command) -> Receiver<bool> {
        let (done, answer) = bounded(1);
        if let Some(inbox) = &self.inbox {
            // Fails only when the worker is gone; then nobody answers.
            let _ = inbox.send(Request { command, done });
            self.bell.wake();
        }
        answer
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for lane in &mut self.lanes {
            lane.inbox = None;
            lane.bell.wake();
        }
        for lane in &mut self.lanes {
            if let Some(thread) = lane.thread.take() {
                // A worker that panicked has said so already.
                let _ = thread.join();
            }
        }
    }
}

impl Datapath for Engine {
    fn flows(&self) -> Vec<Arc<Megaflow>> {
        let mut flows = self.common().clone();
        self.lanes.iter().for_each(|lane| lane.registry.list(&mut flows));
        flows
    }

    fn flow_delete(&self, flow: &Arc<Megaflow>) {
        self.flows_delete(std::slice::from_ref(flow));
    }

    fn flows_delete(&self, flows: &[Arc<Megaflow>]) {
        if flows.iter().any(|flow| flow.worker.is_none()) {
            self.common().retain(|there| !flows.iter().any(|flow| Arc::ptr_eq(there, flow)));
        }
        self.ask_owners(flows, Command::Delete);
    }

    fn flow_flush(&self) {
        self.ask_all(|_| Command::Flush);
        self.common().clear();
    }

    fn flow_modify(&self, flow: &Arc<Megaflow>, actions: Vec<DpAction>, attachment: Attachment) {
        self.flows_modify(vec![(Arc::clone(flow), actions, attachment)]);
    }

    fn flows_modify(&self, changes: Vec<(Arc<Megaflow>, Vec<DpAction>, Attachment)>) {
        let change = |(flow, actions, attachment): (Arc<Megaflow>, _, _)| {
            flow.actions.store(Arc::new(actions));
            flow.attachment.store(Arc::new(attachment));
            flow
        };
        let flows: Vec<_> = changes.into_iter().map(change).collect();
        self.ask_owners(&flows, Command::Modify);
    }

    fn flow_put(
        &self,
        pattern: Match,
        frame: &FlowKey,
        actions: Vec<DpAction>,
        id: Option<u128>,
    ) -> Result<Arc<Megaflow>, FlowExists> {
        let pattern = CompactMatch::new(&pattern);
        let flow = Megaflow::new(pattern, None, Arc::new(actions), no_attachment(), self.clock.now()).made_by(frame);
        let flow = Arc::new(match id {
            Some(id) => flow.named(id),
            None => flow,
        });
        let put = self.ask_all(|_| Command::Put(Arc::clone(&flow)));
        self.common().push(Arc::clone(&flow));
        if !put {
            self.flow_delete(&flow);
            return Err(FlowExists);
        }
        Ok(flow)
    }

    fn meter_set(&self, id: u32, meter: Option<Arc<Meter>>) {
        self.shared.meters.set(id, meter);
    }

    fn tunnel_set(&self, port: DpPort, dialect: Option<weft_packet::tunnel::Dialect>) {
        self.shared.tunnels.set(port, dialect);
    }

    fn tunnel_sources(&self, lowest: u16, highest: u16) {
        self.shared.tunnels.set_sources(lowest, highest);
    }

    fn execute(&self, execute: Execute) {
        self.ask_each(std::iter::once((0, Command::Execute(Box::new(execute)))));
    }

    fn settle(&self) {
        self.ask_all(|_| Command::Settle);
    }

    fn port_stats(&self, port: DpPort) -> Option<PortStats> {
        self.ports().get(&port).map(PortLedger::stats)
    }

    fn stats(&self) -> DpStats {
        let mut sum = DpStats::default();
        self.lanes.iter().for_each(|lane| lane.counters.add_to(&mut sum));
        sum
    }

    fn drops(&self) -> Vec<(DpPort, DropReason, u64)> {
        let ports = self.ports();
        let ledgers = ports.iter().map(|(port, ledger)| (*port, ledger)).chain([(DpPort::NONE, &self.nobody)]);
        ledgers
            .flat_map(|(port, ledger)| DropReason::ALL.map(|reason| (port, reason, ledger.drops(reason))))
            .filter(|(_, _, frames)| *frames > 0)
            .collect()
    }

    fn last_drop(&self, port: DpPort) -> Option<LastDrop> {
        self.ports().get(&port)?.last_drop()
    }
}
