//! Misses: a worker asks what to do with a frame, under the tables' read lock.
//!
//! What is learned on the way goes into the MAC tables at once (they have locks of their own); packets for controllers go
//! into a bounded queue that the control thread empties. Anything that may change other verdicts wakes the control thread.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use weft_base::Time;
use weft_engine::{Slowpath, Upcall, Verdict};
use weft_flow::action::{ControllerAction, Userspace};
use weft_flow::{DpAction, FieldId, FlowKey, FlowMask, OfPort};
use weft_openflow::TableId;
use weft_packet::{DpPort, DropReason};

use crate::bridge::Bridge;
use crate::frozen::Frozen;
use crate::learn::saw_tcp_flags;
use crate::liveness::Pdu;
use crate::mac_table::Learned;
use crate::pipeline::{Pipeline, lock};
use crate::tables::{BridgeId, Tables};
use crate::translate::{Credit, Deps, Input, KeptDeps, LearnMac, MachineOf, Translation, boxed, translate_from};

/// What a megaflow remembers of its translation ([`weft_engine::Megaflow::attachment`]).
pub(crate) struct Attachment {
    pub credits: Box<[Credit]>,
    pub deps: KeptDeps,
    /// Keeps the metadata of its packet-ins findable.
    _frozen: Box<[Arc<Frozen>]>,
    /// Frames and bytes that were credited already.
    pub pushed: (AtomicU64, AtomicU64),
}

impl Attachment {
    pub fn new(translation: &mut Translation, pushed: (u64, u64)) -> Attachment {
        Attachment {
            credits: boxed(&mut translation.credits),
            deps: translation.deps.keep(),
            _frozen: boxed(&mut translation.frozen),
            pushed: (AtomicU64::new(pushed.0), AtomicU64::new(pushed.1)),
        }
    }
}

/// A frame on its way to the controllers.
pub(crate) struct PacketEvent {
    pub bridge: BridgeId,
    pub action: ControllerAction,
    /// The frame, whole.
    pub packet: Vec<u8>,
    /// Its key in OpenFlow's terms, metadata included.
    pub key: FlowKey,
    /// How it would go on: what a paused packet's controller gets to keep.
    pub continuation: Vec<u8>,
}

/// How many packets may wait for the control thread.
const MAX_EVENTS: usize = 1024;

impl Slowpath for Pipeline {
    fn upcall(&self, upcall: &Upcall<'_>, now: Time) -> Verdict {
        let tables = self.read();
        let entry = match Entry::of(&tables, upcall.key) {
            Ok(entry) => entry,
            Err(why) => return no_entry(&tables, upcall.key, why),
        };
        let mut translation = entry.translate(&tables, upcall.key);
        self.learn(&tables, &translation.learn, now);
        self.meet(&tables, &mut translation, now);
        let install = upcall.may_install && !translation.once;
        // This frame is credited here; the megaflow counts those that follow.
        credit(&tables, &translation.credits, 1, upcall.frame.len() as u64, now);
        saw_tcp_flags(&tables, &translation.credits, FieldId::TcpFlags.get(upcall.key) as u16);
        drop(tables);
        self.learn_flows(&translation.flows, now);
        let attachment = Box::new(Attachment::new(&mut translation, (0, 0)));
        let actions = translation.take_megaflow_actions();
        if self.megaflows_disabled() {
            every_bit(&mut translation.mask, upcall.key);
        }
        Verdict { actions, mask: translation.mask, install, attachment }
    }

    fn expect(&self, keys: &[&FlowKey]) -> u64 {
        let changes = self.changes();
        // a burst comes in by one port; what recirculates has been here a moment ago
        if let [first, _, ..] = keys
            && first.word(0) >> 32 == 0
        {
            let tables = self.read();
            let bridge = tables.port_of_dp(DpPort(first.word(0) as u32)).map(|(bridge, _)| bridge);
            if let Some(table) = bridge.and_then(|bridge| bridge.flows.table(TableId(0))) {
                table.warm(keys);
            }
        }
        changes
    }

    fn installed(&self, stamp: u64) {
        self.flow_installed();
        if self.changes() != stamp {
            self.changed(); // who looked for stale megaflows may have been too early for these
        }
    }

    fn userspace(&self, upcall: &Upcall<'_>, what: &Userspace, now: Time) -> Vec<DpAction> {
        match what {
            Userspace::Controller(action) => match self.to_controllers(upcall, action) {
                Ok(()) => Vec::new(),
                Err(why) => vec![DpAction::Drop(why)],
            },
            Userspace::FlowSample(sample) => {
                (self.hooks().sample)(sample, upcall);
                Vec::new()
            }
            Userspace::SlowPath(_) => {
                let tables = self.read();
                let Ok(entry) = Entry::of(&tables, upcall.key) else { return Vec::new() };
                let mut translation = entry.translate(&tables, upcall.key);
                self.learn(&tables, &translation.learn, now);
                self.meet(&tables, &mut translation, now);
                drop(tables);
                self.learn_flows(&translation.flows, now);
                self.to_machines(&translation, upcall.frame.bytes());
                translation.actions
            }
        }
    }

    fn flow_limit(&self) -> usize {
        self.limit()
    }
}

/// Where a frame of the datapath enters translation: by a port, or where it was frozen.
pub(crate) struct Entry<'t> {
    bridge: &'t Bridge,
    /// Its number there, unless what was frozen says it.
    in_port: Option<OfPort>,
    frozen: Option<Arc<Frozen>>,
}

impl<'t> Entry<'t> {
    /// From the datapath's key.
    pub fn of(tables: &'t Tables, key: &FlowKey) -> Result<Entry<'t>, DropReason> {
        let recirc_id = (key.word(0) >> 32) as u32;
        if recirc_id != 0 {
            let frozen = tables.frozen.find(recirc_id).ok_or(DropReason::RecircUnknown)?;
            let bridge = tables.bridge(frozen.state.bridge).ok_or(DropReason::RecircUnknown)?;
            return Ok(Entry { bridge, in_port: None, frozen: Some(frozen) });
        }
        let unknown = if weft_flow::tunnel::is_there(key) { DropReason::TunnelUnknown } else { DropReason::NoSuchPort };
        let (bridge, port) = tables.port_of_key(key).ok_or(unknown)?;
        Ok(Entry { bridge, in_port: Some(port.number), frozen: None })
    }

    /// Translate what the datapath has under this key.
    pub fn translate(&self, tables: &Tables, key: &FlowKey) -> Translation {
        let frozen = self.frozen.as_deref().map(|f| &f.state);
        let input = Input { tables, bridge: self.bridge, key, actions: None, frozen };
        if !weft_flow::tunnel::is_there(key) {
            return translate_from(&input, self.in_port, None);
        }
        // a bridge knows options by its fields, the datapath as they came
        let mut of_fields = key.clone();
        weft_flow::tunnel::to_fields(&mut of_fields, &self.bridge.tlv);
        let mut translation = translate_from(&Input { key: &of_fields, ..input }, self.in_port, None);
        weft_flow::tunnel::mask_to_raw(&mut translation.mask, key, &self.bridge.tlv);
        translation
    }
}

impl Pipeline {
    /// Learn addresses; whatever is news may change other verdicts.
    pub(crate) fn learn(&self, tables: &Tables, learn: &[LearnMac], now: Time) {
        for mac in learn {
            let Some(bridge) = tables.bridge(mac.bridge) else { continue };
            let learned = bridge.macs.learn(mac.vlan, mac.mac, mac.bundle, mac.gratuitous, now);
            if matches!(learned, Learned::New | Learned::Moved) {
                self.changed();
            }
        }
    }

    /// Take in who our neighbours are, and leave questions to others for the control thread.
    pub(crate) fn meet(&self, tables: &Tables, translation: &mut Translation, now: Time) {
        for who in &translation.neighbours {
            let Some(bridge) = tables.bridge(who.bridge) else { continue };
            if tables.tunnels.learn(&bridge.name, who.ip, who.mac, now) {
                self.changed();
            }
        }
        if !translation.questions.is_empty() {
            self.ask(tables, translation.questions.drain(..), now);
        }
    }

    /// Bring a frame to the machines that it is for.
    pub(crate) fn to_machines(&self, translation: &Translation, frame: &[u8]) {
        for MachineOf { bridge, port, reason } in translation.pdus.iter().copied() {
            self.to_machine(Pdu { bridge, port, reason, frame: frame.to_vec() });
        }
    }

    fn to_controllers(&self, upcall: &Upcall<'_>, action: &ControllerAction) -> Result<(), DropReason> {
        let mut key = upcall.key.clone();
        let frozen = self.read().frozen.find(action.recirc_id).ok_or(DropReason::RecircUnknown)?;
        frozen.state.thaw(&mut key);
        let continuation = match action.continuation {
            true => crate::continuation::encode(&frozen.state, &key).ok_or(DropReason::TranslationError)?,
            false => Vec::new(),
        };
        let (bridge, packet) = (frozen.state.bridge, upcall.frame.bytes().to_vec());
        let event = PacketEvent { bridge, action: action.clone(), packet, key, continuation };
        let mut events = lock(self.events());
        if events.len() >= MAX_EVENTS {
            return Err(DropReason::ControllerQueue);
        }
        events.push_back(event);
        drop(events);
        self.wake();
        Ok(())
    }
}

/// Give statistics to whom they belong.
pub(crate) fn credit(tables: &Tables, credits: &[Credit], packets: u64, bytes: u64, used: Time) {
    let mut bytes = bytes;
    for to in credits {
        match to {
            Credit::Longer(by) => bytes = bytes.wrapping_add_signed(i64::from(*by).wrapping_mul(packets as i64)),
            Credit::Rule(rule) => rule.count(packets, bytes, used),
            // by what else is known of the frames: see `learn`
            Credit::Learn(_) | Credit::FinTimeout { .. } => {}
            Credit::Table(table, found) => table.count(*found, packets),
            Credit::PatchTx(port) => port.count_tx(packets, bytes),
            Credit::PatchRx(port) => port.count_rx(packets, bytes),
            Credit::Neighbour(bridge, ip) => {
                if let Some(bridge) = tables.bridge(*bridge) {
                    tables.tunnels.refresh(&bridge.name, *ip, used);
                }
            }
            Credit::Group(group) => group.count(packets, bytes),
            Credit::Bucket(bucket) => bucket.count(packets, bytes),
            Credit::Mac(mac) => {
                let bridge = tables.bridge(mac.bridge).filter(|b| b.bundle(mac.bundle).is_some());
                if let Some(bridge) = bridge {
                    bridge.macs.refresh(mac.vlan, mac.mac, mac.bundle, used);
                }
            }
        }
    }
}

pub(crate) fn set_in_port(key: &mut FlowKey, port: OfPort) {
    let word = key.word(0) & !0xffff_ffff | u64::from(port.0);
    key.set_word(0, word);
}

fn no_entry(tables: &Tables, key: &FlowKey, why: DropReason) -> Verdict {
    let mut mask = FlowMask::new();
    mask.set_word(0, u64::MAX);
    mask.set_word(1, 0xffff_ffff_ffff_ff00);
    let attachment = Attachment {
        credits: Box::default(),
        deps: Deps::no_bridge(tables).keep(),
        _frozen: Box::default(),
        pushed: Default::default(),
    };
    let actions = vec![DpAction::Drop(why)];
    // nobody would tell when an unknown recirculation becomes a known one
    let install = matches!(why, DropReason::NoSuchPort | DropReason::TunnelUnknown);
    if weft_flow::tunnel::is_there(key) {
        // other packets of the same port may be for somebody
        use FieldId::{TunDst, TunId, TunIpv6Dst, TunIpv6Src, TunSrc};
        [TunId, TunSrc, TunDst, TunIpv6Src, TunIpv6Dst].into_iter().for_each(|field| field.unwildcard(&mut mask));
    }
    Verdict { actions, mask, install, attachment: Box::new(attachment) }
}

/// `upcall/disable-megaflows`: a flow for just this frame's fields.
fn every_bit(mask: &mut FlowMask, key: &FlowKey) {
    let words = weft_flow::key::UsedWords(key.used()).filter(|&i| i < weft_flow::key::OPENFLOW_WORDS);
    let present: u128 = words.filter(|&i| key.word(i) != 0).fold(0b111111, |bits, i| bits | 1 << i);
    for i in weft_flow::key::UsedWords(present) {
        mask.set_word(i, u64::MAX);
    }
}
