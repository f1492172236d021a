//! A worker between wires in memory and a scripted slow path, in virtual time.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use weft_base::Time;
use weft_flow::action::Userspace;
use weft_flow::{DpAction, FieldId, FlowKey, FlowMask};
use weft_netdev::{QueuePair, RxQueue, TxCaps, TxQueue, TxReport};
use weft_packet::builder::Builder;
use weft_packet::{DpPort, DropReason, Frame, Mac, Pool};

use crate::counters::{PortLedger, WorkerCounters};
use crate::registry::Registry;
use crate::worker::{Command, Shared, Worker};
use crate::{DpStats, Megaflow, Slowpath, Upcall, Verdict};

/// Both directions of a device in memory.
#[derive(Clone, Default)]
pub struct Wire {
    pub rx: Arc<Mutex<VecDeque<Frame>>>,
    pub tx: Arc<Mutex<Vec<Frame>>>,
    /// What the next reads report instead of frames.
    pub broken: Arc<Mutex<usize>>,
    pub caps: TxCaps,
}

impl Wire {
    pub fn put(&self, bytes: &[u8]) {
        self.put_frame(Frame::copy_of(bytes));
    }

    pub fn put_frame(&self, frame: Frame) {
        self.rx.lock().unwrap().push_back(frame);
    }

    /// What has gone out since the last call.
    pub fn take(&self) -> Vec<Vec<u8>> {
        self.tx.lock().unwrap().drain(..).map(|f| f.bytes().to_vec()).collect()
    }

    pub fn take_frames(&self) -> Vec<Frame> {
        std::mem::take(&mut *self.tx.lock().unwrap())
    }

    pub fn queues(&self) -> QueuePair {
        QueuePair { rx: Box::new(self.clone()), tx: Box::new(self.clone()) }
    }
}

impl RxQueue for Wire {
    fn rx_burst(&mut self, _pool: &mut Pool, out: &mut Vec<Frame>, max: usize) -> io::Result<usize> {
        let mut broken = self.broken.lock().unwrap();
        if *broken > 0 {
            *broken -= 1;
            return Err(io::Error::other("unplugged"));
        }
        let mut waiting = self.rx.lock().unwrap();
        let n = waiting.len().min(max);
        out.extend(waiting.drain(..n));
        Ok(n)
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn always_ready(&self) -> bool {
        !self.rx.lock().unwrap().is_empty()
    }
}

impl TxQueue for Wire {
    fn tx_burst(&mut self, frames: &mut Vec<Frame>, _pool: &mut Pool) -> TxReport {
        let sent_bytes = frames.iter().map(|f| f.len() as u64).sum();
        let sent = frames.len() as u32;
        self.tx.lock().unwrap().append(frames);
        TxReport { sent, sent_bytes, ..TxReport::default() }
    }

    fn caps(&self) -> TxCaps {
        self.caps
    }
}

/// What a script answers.
pub type Answer = Box<dyn Fn(&FlowKey) -> Verdict + Send + Sync>;

/// A slow path that does what it was told, and remembers what it was asked.
pub struct Script {
    pub answer: Mutex<Answer>,
    pub userspace: Mutex<Vec<DpAction>>,
    pub asked: Mutex<Vec<FlowKey>>,
    pub handed: Mutex<Vec<(Vec<u8>, Userspace)>>,
    pub limit: AtomicUsize,
}

impl Slowpath for Script {
    fn upcall(&self, upcall: &Upcall<'_>, _now: Time) -> Verdict {
        self.asked.lock().unwrap().push(upcall.key.clone());
        (self.answer.lock().unwrap())(upcall.key)
    }

    fn userspace(&self, upcall: &Upcall<'_>, what: &Userspace, _now: Time) -> Vec<DpAction> {
        self.handed.lock().unwrap().push((upcall.frame.bytes().to_vec(), what.clone()));
        self.userspace.lock().unwrap().clone()
    }

    fn flow_limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }
}

/// A verdict that rests on some fields.
pub fn verdict(actions: Vec<DpAction>, fields: &[FieldId]) -> Verdict {
    let mut mask = FlowMask::new();
    for id in [FieldId::InPort, FieldId::RecircId, FieldId::PacketType, FieldId::EthType].iter().chain(fields) {
        id.unwildcard(&mut mask);
    }
    Verdict { actions, mask, install: true, attachment: Box::new(()) }
}

pub fn script(actions: Vec<DpAction>, fields: &'static [FieldId]) -> Arc<Script> {
    Arc::new(Script {
        answer: Mutex::new(Box::new(move |_| verdict(actions.clone(), fields))),
        userspace: Mutex::default(),
        asked: Mutex::default(),
        handed: Mutex::default(),
        limit: AtomicUsize::new(1000),
    })
}

pub fn output(port: u32) -> DpAction {
    DpAction::Output(DpPort(port))
}

/// One worker with wires 1 to `n`.
pub struct Sim {
    pub worker: Worker,
    pub script: Arc<Script>,
    pub wires: Vec<Wire>,
    pub ledgers: Vec<PortLedger>,
    pub nobody: PortLedger,
    pub registry: Arc<Registry>,
    pub counters: Arc<WorkerCounters>,
    pub now: Time,
}

impl Sim {
    pub fn new(ports: u32, script: &Arc<Script>) -> Sim {
        Sim::with_wires((0..ports).map(|_| Wire::default()).collect(), script)
    }

    pub fn with_wires(wires: Vec<Wire>, script: &Arc<Script>) -> Sim {
        let shared = Arc::new(Shared {
            slowpath: Arc::clone(script) as Arc<dyn Slowpath>,
            flows: AtomicUsize::new(0),
            vlan_limit: AtomicU8::new(1),
            seed: 7,
            meters: Default::default(),
            tunnels: Default::default(),
        });
        let (registry, counters, nobody) = (Arc::default(), Arc::default(), PortLedger::new(1));
        let worker = Worker::new(0, shared, Arc::clone(&registry), Arc::clone(&counters), nobody.of(0));
        let now = Time::from_millis(1);
        let ledgers = wires.iter().map(|_| PortLedger::new(1)).collect();
        let mut sim = Sim { worker, script: Arc::clone(script), wires, ledgers, nobody, registry, counters, now };
        for (i, wire) in sim.wires.iter().enumerate() {
            let (port, counters) = (i as u32 + 1, sim.ledgers[i].of(0));
            let command = Command::PortAdd { port, queues: wire.queues(), mtu: 1500, counters };
            assert!(sim.worker.obey(command, now));
        }
        sim
    }

    pub fn wire(&self, port: u32) -> &Wire {
        &self.wires[port as usize - 1]
    }

    /// Turn until nothing waits.
    pub fn run(&mut self) {
        while {
            self.worker.warm_all();
            self.now += Duration::from_micros(10);
            self.worker.turn(self.now) > 0
        } {}
    }

    pub fn obey(&mut self, command: Command) -> bool {
        self.worker.obey(command, self.now)
    }

    pub fn flows(&self) -> Vec<Arc<Megaflow>> {
        let mut flows = Vec::new();
        self.registry.list(&mut flows);
        flows
    }

    pub fn asked(&self) -> usize {
        self.script.asked.lock().unwrap().len()
    }

    pub fn drops(&self, port: u32, reason: DropReason) -> u64 {
        self.ledgers[port as usize - 1].drops(reason)
    }

    pub fn stats(&self) -> DpStats {
        let mut stats = DpStats::default();
        self.counters.add_to(&mut stats);
        stats
    }
}

/// A UDP frame from host `src` to host `dst`.
pub fn udp(src: u8, dst: u8, sport: u16) -> Vec<u8> {
    Builder::ethernet(Mac([2, 0, 0, 0, 0, dst]), Mac([2, 0, 0, 0, 0, src]))
        .ipv4([10, 0, 0, src], [10, 0, 0, dst])
        .udp(sport, 53)
        .payload(&[0xab; 18])
        .build()
}

/// A TCP frame with these flags.
pub fn tcp(flags: u16, payload: usize) -> Vec<u8> {
    Builder::ethernet(Mac([2, 0, 0, 0, 0, 2]), Mac([2, 0, 0, 0, 0, 1]))
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2])
        .tcp(1000, 80, flags)
        .payload(&vec![0x5a; payload])
        .build()
}
