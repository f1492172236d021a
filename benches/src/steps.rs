//! The steps of a frame's journey, each as something that can be repeated for a burst of 32 frames.

use std::sync::Arc;

use weft_base::Time;
use weft_engine::cache::Cache;
use weft_engine::counters::PortCounters;
use weft_engine::execute::{Executor, Scene};
use weft_engine::megaflow::{Megaflow, no_attachment};
use weft_engine::port::Ports;
use weft_engine::program::Program;
use weft_engine::store::{SlotId, Store};
use weft_engine::{Slowpath, Upcall};
use weft_flow::action::{SetFields, SetHeader};
use weft_flow::classifier::FlowTable;
use weft_flow::extract::{Limits, extract};
use weft_flow::{CompactMatch, DpAction, FieldId, FlowKey, Match, OfPort};
use weft_netdev::{BURST, Kind, Spec};
use weft_openflow::FlowModCommand;
use weft_openflow::text::{FlowCommand, Names, parse_flow};
use weft_packet::{DpPort, Frame, Pool};
use weft_pipeline::{BridgeSettings, BundleSettings, FailMode, Hooks, Pipeline, PortKind, PortSettings, PortState};

use crate::frames;
use crate::rig::{Rig, Rules, SINK, SOURCE};

/// One step.
pub struct Step {
    /// What it is called in the tables.
    pub name: &'static str,
    /// Prepare it; each call of the result is one burst.
    pub prepare: fn() -> Box<dyn FnMut()>,
}

/// All steps, in the order of the journey.
pub const STEPS: [Step; 18] = [
    Step { name: "extract/udp4", prepare: || extraction(frames::flows(1000)) },
    Step { name: "microflow hit/1000", prepare: || microflows(1000) },
    Step { name: "microflow hit/100k", prepare: || microflows(100_000) },
    Step { name: "megaflow hit/1 mask", prepare: || megaflows(1) },
    Step { name: "megaflow hit/10 masks", prepare: || megaflows(10) },
    Step { name: "megaflow hit/100 masks", prepare: || megaflows(100) },
    Step { name: "translate/NORMAL", prepare: || translation(&["actions=NORMAL".to_owned()]) },
    Step { name: "translate/8 tables", prepare: || translation(&tables_deep()) },
    Step { name: "translate/30 masks", prepare: || translation(&rules_of_masks()) },
    Step { name: "execute/output", prepare: || execution(vec![output()]) },
    Step { name: "execute/MACs, ttl, output", prepare: || execution(vec![macs(), ttl(), output()]) },
    Step { name: "execute/push_vlan, output", prepare: || execution(vec![push_vlan(), output()]) },
    Step { name: "execute/output to 2", prepare: || execution(vec![output(), output()]) },
    Step { name: "end to end/1 flow", prepare: || end_to_end(frames::flows(1), 0) },
    Step { name: "end to end/1000 microflows", prepare: || end_to_end(frames::flows(1000), 0) },
    Step { name: "end to end/100k, 1 mask", prepare: || end_to_end(frames::ladder(1, 100_000), 1) },
    Step { name: "end to end/100k, 10 masks", prepare: || end_to_end(frames::ladder(10, 100_000), 10) },
    Step { name: "end to end/100k, 100 masks", prepare: || end_to_end(frames::ladder(100, 100_000), 100) },
];

const SEED: u64 = 0x5eed;

fn output() -> DpAction {
    DpAction::Output(DpPort(SINK))
}

fn push_vlan() -> DpAction {
    DpAction::PushVlan { tpid: 0x8100, tci: 0x1064 }
}

fn set(header: SetHeader, fields: &[(FieldId, u128)]) -> DpAction {
    let fields = fields.iter().map(|&(id, value)| (id, value, id.field().all_ones())).collect();
    DpAction::Set(SetFields { header, fields })
}

fn macs() -> DpAction {
    set(SetHeader::Ethernet, &[(FieldId::EthSrc, 0x0200_0000_0008), (FieldId::EthDst, 0x0200_0000_0009)])
}

fn ttl() -> DpAction {
    set(SetHeader::Ipv4, &[(FieldId::NwTtl, 63)])
}

fn keys_of(frames: &[Vec<u8>]) -> Vec<FlowKey> {
    frames
        .iter()
        .map(|bytes| {
            let mut key = FlowKey::new();
            key.begin(0, SOURCE);
            extract(&mut Frame::copy_of(bytes), &mut key, Limits::default()).expect("a whole frame");
            key
        })
        .collect()
}

/// Walks round a list in bursts.
fn bursts<T>(list: &[T]) -> impl FnMut() -> std::ops::Range<usize> + use<T> {
    let (mut at, len) = (0, list.len());
    move || {
        if at + BURST > len {
            at = 0;
        }
        at += BURST;
        at - BURST..at
    }
}

fn extraction(frames: Vec<Vec<u8>>) -> Box<dyn FnMut()> {
    let mut frames: Vec<Frame> = frames.iter().map(|bytes| Frame::copy_of(bytes)).collect();
    let mut keys = vec![FlowKey::new(); BURST];
    let mut next = bursts(&frames);
    Box::new(move || {
        for (frame, key) in frames[next()].iter_mut().zip(&mut keys) {
            key.begin(0, SOURCE);
            extract(frame, key, Limits::default()).expect("a whole frame");
            std::hint::black_box(key.microflow_hash(SEED));
        }
    })
}

fn microflows(n: usize) -> Box<dyn FnMut()> {
    let keys: Vec<(FlowKey, u64)> = keys_of(&frames::ladder(100, n))
        .into_iter()
        .map(|key| {
            let hash = key.microflow_hash(SEED);
            (key, hash)
        })
        .collect();
    let (table, store) = ladder(100);
    let mut cache = Cache::new(weft_engine::cache::BUCKETS);
    for (key, hash) in &keys {
        cache.insert(*hash, *table.lookup(key).expect("the ladder has all"), &store);
    }
    let mut next = bursts(&keys);
    Box::new(move || {
        let burst = &keys[next()];
        let mut slots = [0; BURST];
        for (slot, (_, hash)) in slots.iter_mut().zip(burst) {
            *slot = cache.propose(*hash);
        }
        let hits = slots.iter().zip(burst).filter(|(slot, (key, _))| store.slot(**slot).matches(key)).count();
        std::hint::black_box(hits);
    })
}

fn megaflows(masks: u32) -> Box<dyn FnMut()> {
    let keys = keys_of(&frames::ladder(masks, 10_000));
    let (table, _) = ladder(masks);
    let mut next = bursts(&keys);
    Box::new(move || {
        for key in &keys[next()] {
            std::hint::black_box(table.lookup(key));
        }
    })
}

/// The megaflows that `Rules::ladder` makes.
fn ladder(masks: u32) -> (FlowTable<SlotId>, Store) {
    let (mut table, mut store) = (FlowTable::new(SEED), Store::default());
    let rules = Rules::ladder(masks);
    for bytes in &frames::ladder(masks, 20_000) {
        let mut frame = Frame::copy_of(bytes);
        let mut key = FlowKey::new();
        key.begin(0, SOURCE);
        extract(&mut frame, &mut key, Limits::default()).expect("a whole frame");
        if table.lookup(&key).is_some() {
            continue;
        }
        let verdict = rules.upcall(&Upcall { key: &key, frame: &frame, worker: 0, may_install: true }, Time::ZERO);
        let pattern = CompactMatch::new(&Match::new(key, verdict.mask));
        let actions = Arc::new(verdict.actions);
        let flow = Megaflow::new(pattern.clone(), Some(0), actions, no_attachment(), Time::ZERO);
        let slot = store.insert(Arc::new(flow), Program::Output(SINK));
        table.insert(&pattern, slot);
    }
    (table, store)
}

fn tables_deep() -> Vec<String> {
    let next = |t| format!("table={t},ip,nw_dst=11.0.0.0/8,actions=resubmit(,{})", t + 1);
    let ends = ["in_port=1,ip,actions=resubmit(,1)".to_owned(), "table=8,udp,actions=2".to_owned()];
    ends.into_iter().chain((1..8).map(next)).collect()
}

fn rules_of_masks() -> Vec<String> {
    let rule = |k: u32| {
        let bit = std::net::Ipv4Addr::from(1 << k);
        format!("priority={},in_port=1,ip,nw_src={bit}/{bit},actions=2", 1000 - k)
    };
    (0..30).map(rule).collect()
}

/// A pipeline with one bridge between source and sink, and these flows.
pub fn pipeline(flows: impl IntoIterator<Item = impl AsRef<str>>) -> Arc<Pipeline> {
    let now = Time::from_millis(1000);
    let pipeline = Pipeline::new(Hooks::default());
    let bridge = BridgeSettings { fail_mode: FailMode::Secure, datapath_id: 1, ..BridgeSettings::default() };
    pipeline.add_bridge("br0", bridge, now).expect("a new bridge");
    for port in [SOURCE, SINK] {
        let name = format!("p{port}");
        pipeline.set_bundle("br0", BundleSettings::trunk(&name)).expect("a new bundle");
        let settings = PortSettings {
            name: name.clone(),
            device_type: "dummy".to_owned(),
            kind: PortKind::Device(DpPort(port)),
            ofport_request: Some(OfPort(port)),
            state: PortState::default(),
        };
        pipeline.add_port("br0", &name, settings, now).expect("a new port");
    }
    for flow in flows {
        let flow = parse_flow(flow.as_ref(), FlowCommand::Mod(FlowModCommand::Add), &Names::none()).expect("a flow");
        pipeline.program("br0", flow, now).expect("a flow that can be added");
    }
    pipeline
}

/// What a frame of an unknown flow costs in the slow path, its megaflow's installation not included.
fn translation(flows: &[String]) -> Box<dyn FnMut()> {
    let now = Time::from_millis(1000);
    let pipeline = pipeline(flows);
    let frames: Vec<Frame> = frames::flows(1024).iter().map(|bytes| Frame::copy_of(bytes)).collect();
    let keys = keys_of(&frames::flows(1024));
    let mut next = bursts(&keys);
    Box::new(move || {
        for at in next() {
            let upcall = Upcall { key: &keys[at], frame: &frames[at], worker: 0, may_install: true };
            std::hint::black_box(pipeline.upcall(&upcall, now));
        }
    })
}

fn execution(actions: Vec<DpAction>) -> Box<dyn FnMut()> {
    let sink = weft_netdev::open(&Spec { name: "sink".to_owned(), kind: Kind::Null }, 1).expect("in memory");
    let mut executor = Executor::new(Ports::new(Arc::<PortCounters>::default()), Pool::new(3 * BURST));
    for queues in sink.queues {
        executor.ports.add(SINK, queues, 1500, Arc::default(), Time::ZERO);
    }
    let program = Program::compile(&actions);
    let bytes = frames::flows(1).remove(0);
    let mut keys = vec![keys_of(std::slice::from_ref(&bytes)).remove(0); BURST];
    let mut burst = Vec::with_capacity(BURST);
    let (rules, meters) = (Rules::port(actions), weft_engine::meter::Meters::default());
    let tunnels = weft_engine::tunnel::Tunnels::default();
    Box::new(move || {
        for _ in 0..BURST {
            let mut frame = executor.pool.small();
            frame.fill(&bytes);
            (frame.l3, frame.l4) = (14, 34);
            burst.push(frame);
        }
        let scene = Scene {
            slowpath: &rules,
            worker: 0,
            now: Time::ZERO,
            limits: Limits::default(),
            times: 0,
            meters: &meters,
            tunnels: &tunnels,
        };
        executor.run(&program, burst.drain(..), &mut keys, &scene);
        executor.ports.flush(&mut executor.pool);
    })
}

fn end_to_end(frames: Vec<Vec<u8>>, masks: u32) -> Box<dyn FnMut()> {
    let rules = if masks == 0 { Rules::port(vec![output()]) } else { Rules::ladder(masks) };
    let mut rig = Rig::new(&frames, rules);
    rig.forward(3 * frames.len());
    Box::new(move || rig.forward(BURST))
}
