//! A worker between a looping capture and a sink, and a slow path that knows a fixed set of rules.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize};

use tempfile::TempDir;
use weft_base::Time;
use weft_engine::counters::{PortLedger, WorkerCounters};
use weft_engine::worker::{Command, Shared, Worker};
use weft_engine::{Slowpath, Upcall, Verdict};
use weft_flow::action::Userspace;
use weft_flow::{DpAction, FieldId, FlowMask};
use weft_netdev::pcap::{WriteNow, Writer};
use weft_netdev::{Device, Kind, QueuePair, Spec};
use weft_packet::DpPort;

/// The port that frames come from.
pub const SOURCE: u32 = 1;
/// The port that swallows them.
pub const SINK: u32 = 2;

/// What the slow path answers.
#[derive(Clone)]
pub struct Rules {
    /// How many rules of the ladder; 0: one rule that looks at the port only.
    masks: u32,
    /// Whether verdicts rest on addresses and ports too.
    exact: bool,
    actions: Vec<DpAction>,
}

impl Rules {
    /// Everything from the source gets these actions.
    pub fn port(actions: Vec<DpAction>) -> Rules {
        Rules { masks: 0, exact: false, actions }
    }

    /// The same, but with a megaflow for each connection.
    pub fn connections(actions: Vec<DpAction>) -> Rules {
        Rules { masks: 0, exact: true, actions }
    }

    /// Rule k, in falling priority, matches bit k alone (of nw_src, then nw_dst, then eth_src) and outputs.
    pub fn ladder(masks: u32) -> Rules {
        let masks = if masks > 1 { masks } else { 0 };
        Rules { masks, exact: false, actions: vec![DpAction::Output(DpPort(SINK))] }
    }
}

impl Slowpath for Rules {
    fn upcall(&self, upcall: &Upcall<'_>, _now: Time) -> Verdict {
        let mut mask = FlowMask::new();
        for id in [FieldId::InPort, FieldId::RecircId, FieldId::PacketType, FieldId::EthType, FieldId::IpFrag] {
            id.unwildcard(&mut mask);
        }
        if self.exact {
            for id in [FieldId::IpSrc, FieldId::IpDst, FieldId::NwProto, FieldId::UdpSrc, FieldId::UdpDst] {
                id.unwildcard(&mut mask);
            }
        }
        for bit in 0..self.masks {
            let (id, shift) = match bit {
                0..31 => (FieldId::IpSrc, bit),
                31..62 => (FieldId::IpDst, bit - 31),
                _ => (FieldId::EthSrc, bit - 62),
            };
            id.add_mask(&mut mask, 1 << shift);
            if id.get(upcall.key) >> shift & 1 == 1 {
                break;
            }
        }
        Verdict { actions: self.actions.clone(), mask, install: upcall.may_install, attachment: Box::new(()) }
    }

    fn userspace(&self, _: &Upcall<'_>, _: &Userspace, _: Time) -> Vec<DpAction> {
        Vec::new()
    }

    fn flow_limit(&self) -> usize {
        200_000
    }
}

/// A worker that can be turned.
pub struct Rig {
    /// The worker.
    pub worker: Worker,
    now: Time,
    /// What it counts.
    pub counters: Arc<WorkerCounters>,
    _devices: [Device; 2],
    _files: TempDir,
}

impl Rig {
    /// Play `frames` for ever, with `rules` as the slow path.
    pub fn new(frames: &[Vec<u8>], rules: Rules) -> Rig {
        Rig::over(frames, Arc::new(rules))
    }

    /// The same with any slow path.
    pub fn over(frames: &[Vec<u8>], slowpath: Arc<dyn Slowpath>) -> Rig {
        const IN_MEMORY: &str = "files in a temporary directory and devices in memory";
        let files = tempfile::tempdir().expect(IN_MEMORY);
        let path = files.path().join("source.pcap");
        let mut capture = Writer::create(&path).expect(IN_MEMORY);
        frames.iter().for_each(|frame| capture.write(frame).expect(IN_MEMORY));
        drop(capture);
        let options = [("rx_pcap", path.display().to_string()), ("infinite_rx", "true".to_owned())];
        let options = options.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let source = Spec::new("source", "pcap", &options).expect(IN_MEMORY);
        let sink = Spec { name: "sink".to_owned(), kind: Kind::Null };

        let shared = Arc::new(Shared {
            slowpath,
            flows: AtomicUsize::new(0),
            vlan_limit: AtomicU8::new(1),
            seed: 1,
            meters: Default::default(),
            tunnels: Default::default(),
        });
        let counters = Arc::<WorkerCounters>::default();
        let nobody = PortLedger::new(1).of(0);
        let mut worker = Worker::new(0, shared, Arc::default(), Arc::clone(&counters), nobody);
        let mut add = |port: u32, spec: &Spec| {
            let opened = weft_netdev::open(spec, 1).expect(IN_MEMORY);
            opened.device.set_up(true).expect(IN_MEMORY);
            let queues: QueuePair = opened.queues.into_iter().next().expect("one worker");
            let counters = PortLedger::new(1).of(0);
            worker.obey(Command::PortAdd { port, queues, mtu: 1500, counters }, Time::ZERO);
            opened.device
        };
        let devices = [add(SOURCE, &source), add(SINK, &sink)];
        Rig { worker, now: Time::from_millis(1), counters, _devices: devices, _files: files }
    }

    /// Turn until `frames` frames have come in.
    pub fn forward(&mut self, frames: usize) {
        let mut came = 0;
        while came < frames {
            self.now += std::time::Duration::from_micros(2);
            came += self.worker.turn(self.now);
        }
    }
}
