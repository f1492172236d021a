//! A datapath that does what the script says, and a switch of dummy ports on it.
#![allow(dead_code, reason = "each test uses its part")]

pub mod peer;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use weft_base::Time;
use weft_engine::{Datapath, DpStats, Execute, Megaflow, Slowpath, Upcall};
use weft_engine::{FlowExists, PortStats};
use weft_flow::action::Userspace;
use weft_flow::{CompactMatch, DpAction, FlowKey, Match, OfPort};
use weft_openflow::text::{FlowCommand, Names, parse_flow};
use weft_openflow::{ErrorCode, FlowModCommand};
use weft_packet::{DpPort, DropReason, Frame};
use weft_pipeline::{BridgeSettings, BundleSettings, FailMode, Hooks, Pipeline, PortKind, PortSettings, PortState};

/// Megaflows in a list; frames are looked up one by one.
#[derive(Default)]
pub struct Script {
    pub flows: Mutex<Vec<Arc<Megaflow>>>,
    pub executed: Mutex<Vec<Vec<DpAction>>>,
    pub frames: Mutex<Vec<String>>,
    pub upcalls: AtomicUsize,
    pub modified: AtomicUsize,
    pub dropped: Mutex<Vec<(DpPort, weft_engine::LastDrop)>>,
}

impl Script {
    /// The frames that the pipeline sent of its own accord, in hexadecimal.
    pub fn sent(&self) -> Vec<String> {
        self.frames.lock().unwrap().clone()
    }
}

impl Datapath for Script {
    fn flows(&self) -> Vec<Arc<Megaflow>> {
        self.flows.lock().unwrap().clone()
    }
    fn flow_delete(&self, flow: &Arc<Megaflow>) {
        self.flows.lock().unwrap().retain(|f| !Arc::ptr_eq(f, flow));
    }
    fn flow_flush(&self) {
        self.flows.lock().unwrap().clear();
    }
    fn flow_modify(&self, flow: &Arc<Megaflow>, actions: Vec<DpAction>, attachment: weft_engine::Attachment) {
        self.modified.fetch_add(1, Ordering::Relaxed);
        flow.actions.store(Arc::new(actions));
        flow.attachment.store(Arc::new(attachment));
    }
    fn flow_put(&self, _: Match, _: &FlowKey, _: Vec<DpAction>, _: Option<u128>) -> Result<Arc<Megaflow>, FlowExists> {
        Err(FlowExists)
    }
    fn execute(&self, execute: Execute) {
        let bytes = execute.frame.bytes();
        self.frames.lock().unwrap().push(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
        self.executed.lock().unwrap().push(execute.actions);
    }
    fn settle(&self) {}
    fn port_stats(&self, _: DpPort) -> Option<PortStats> {
        None
    }
    fn stats(&self) -> DpStats {
        DpStats::default()
    }
    fn drops(&self) -> Vec<(DpPort, DropReason, u64)> {
        Vec::new()
    }
    fn last_drop(&self, port: DpPort) -> Option<weft_engine::LastDrop> {
        self.dropped.lock().unwrap().iter().rev().find(|(at, _)| *at == port).map(|(_, drop)| drop.clone())
    }
}

/// A pipeline on a scripted datapath, in virtual time.
pub struct Switch {
    pub pipeline: Arc<Pipeline>,
    pub script: Arc<Script>,
    pub now: Time,
    pub wakes: Arc<AtomicUsize>,
}

impl Switch {
    /// A bridge `br0` with a local port (datapath port 100) and `ports` trunk ports of equal numbers.
    pub fn new(fail_mode: FailMode, ports: u32) -> Switch {
        let wakes = Arc::new(AtomicUsize::new(0));
        let count = wakes.clone();
        let wake = Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let pipeline = Pipeline::new(Hooks { wake, ..Hooks::default() });
        let script = Arc::new(Script::default());
        pipeline.attach(script.clone());
        let now = Time::from_millis(1_000_000);
        let switch = Switch { pipeline, script, now, wakes };
        let settings = BridgeSettings { fail_mode, datapath_id: 0xfedc_ba98_7654_3210, ..BridgeSettings::default() };
        switch.pipeline.add_bridge("br0", settings, now).unwrap();
        switch.port(BundleSettings::trunk("br0"), 100, OfPort::LOCAL);
        for i in 1..=ports {
            switch.port(BundleSettings::trunk(&format!("p{i}")), i, OfPort(i));
        }
        switch
    }

    pub fn port(&self, bundle: BundleSettings, dp: u32, number: OfPort) {
        let name = bundle.name.clone();
        self.pipeline.set_bundle("br0", bundle).unwrap();
        let settings = PortSettings {
            name: name.clone(),
            device_type: "dummy".into(),
            kind: PortKind::Device(DpPort(dp)),
            ofport_request: Some(number),
            state: PortState { mac: [0xaa, 0x55, 0xaa, 0x55, 0, dp as u8], ..PortState::default() },
        };
        self.pipeline.add_port("br0", &name, settings, self.now).unwrap();
    }

    pub fn flow(&self, text: &str) -> Result<(), ErrorCode> {
        self.program(FlowModCommand::Add, text)
    }

    pub fn program(&self, command: FlowModCommand, text: &str) -> Result<(), ErrorCode> {
        let todo = parse_flow(text, FlowCommand::Mod(command), &Names::none()).expect(text);
        self.pipeline.program("br0", todo, self.now)
    }

    /// Time passes; whatever is due happens when it is due.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let due = self.pipeline.run(self.now);
            if due > end {
                break;
            }
            self.now = due.max(self.now + Duration::from_nanos(1));
        }
        self.now = end;
        self.pipeline.run(self.now);
    }

    /// A frame comes in; returns what is done with it.
    pub fn frame(&self, port: u32, src: u64, dst: u64, eth_type: u16) -> Vec<DpAction> {
        let bytes = ethernet(src, dst, eth_type);
        self.receive(port, &bytes)
    }

    pub fn receive(&self, port: u32, bytes: &[u8]) -> Vec<DpAction> {
        self.recirculate(0, port, bytes)
    }

    /// What the slow path says to a frame of a slow flow.
    pub fn userspace(&self, port: u32, what: &Userspace, bytes: &[u8]) -> Vec<DpAction> {
        let mut frame = Frame::copy_of(bytes);
        let mut key = FlowKey::new();
        key.set_word(0, u64::from(port));
        weft_flow::extract::extract(&mut frame, &mut key, Default::default()).unwrap();
        let upcall = Upcall { key: &key, frame: &frame, worker: 0, may_install: false };
        self.pipeline.userspace(&upcall, what, self.now)
    }

    /// A frame comes back under a recirculation id.
    pub fn recirculate(&self, id: u32, port: u32, bytes: &[u8]) -> Vec<DpAction> {
        let mut frame = Frame::copy_of(bytes);
        frame.in_port = DpPort(port);
        let mut key = FlowKey::new();
        key.set_word(0, u64::from(id) << 32 | u64::from(port));
        weft_flow::extract::extract(&mut frame, &mut key, Default::default()).unwrap();
        let known = self.script.flows().into_iter().find(|f| f.pattern.matches(&key));
        if let Some(flow) = &known {
            flow.stats.count(1, frame.len() as u64, 0, self.now);
        }
        let flow = known.unwrap_or_else(|| self.miss(&key, &frame));
        let actions = flow.actions.load().to_vec();
        let upcall = Upcall { key: &key, frame: &frame, worker: 0, may_install: true };
        for action in &actions {
            if let DpAction::Userspace(what @ Userspace::Controller(_)) = action {
                self.pipeline.userspace(&upcall, what, self.now);
            }
        }
        actions
    }

    fn miss(&self, key: &FlowKey, frame: &Frame) -> Arc<Megaflow> {
        self.miss_slowly(key, frame, || ())
    }

    /// A new flow's frame comes in, and something happens between its verdict and its megaflow.
    pub fn receive_slowly(&self, port: u32, bytes: &[u8], between: impl FnOnce()) -> Arc<Megaflow> {
        let mut frame = Frame::copy_of(bytes);
        frame.in_port = DpPort(port);
        let mut key = FlowKey::new();
        key.set_word(0, u64::from(port));
        weft_flow::extract::extract(&mut frame, &mut key, Default::default()).unwrap();
        self.miss_slowly(&key, &frame, between)
    }

    fn miss_slowly(&self, key: &FlowKey, frame: &Frame, between: impl FnOnce()) -> Arc<Megaflow> {
        self.script.upcalls.fetch_add(1, Ordering::Relaxed);
        let upcall = Upcall { key, frame, worker: 0, may_install: true };
        let stamp = self.pipeline.expect(&[key]);
        let verdict = self.pipeline.upcall(&upcall, self.now);
        let install = verdict.install;
        between();
        let pattern = CompactMatch::new(&Match::new(key.clone(), verdict.mask));
        let flow =
            Megaflow::new(pattern, Some(0), Arc::new(verdict.actions), verdict.attachment, self.now).made_by(key);
        let flow = Arc::new(flow);
        if install {
            self.script.flows.lock().unwrap().push(flow.clone());
            self.pipeline.installed(stamp);
        }
        flow
    }

    pub fn command(&self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        self.pipeline.command(words[0], &words[1..], self.now).unwrap_or_else(|e| e)
    }

    pub fn upcalls(&self) -> usize {
        self.script.upcalls.load(Ordering::Relaxed)
    }
}

pub fn ethernet(src: u64, dst: u64, eth_type: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&dst.to_be_bytes()[2..]);
    bytes.extend_from_slice(&src.to_be_bytes()[2..]);
    bytes.extend_from_slice(&eth_type.to_be_bytes());
    bytes.resize(60, 0);
    bytes
}

pub fn outputs(ports: &[u32]) -> Vec<DpAction> {
    ports.iter().map(|p| DpAction::Output(DpPort(*p))).collect()
}
