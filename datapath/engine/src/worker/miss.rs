//! Frames whose flow no cache knows.
//!
//! Invariants: a flow that is new in a burst asks once; a port that has the worker for itself may always ask; a frame
//! whose verdict is not installed is handled by it all the same.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use smallvec::SmallVec;
use weft_base::Time;
use weft_flow::dpctl::{self, DpNames};
use weft_flow::{CompactMatch, DpAction, FlowKey, FlowMask};
use weft_netdev::BURST;
use weft_packet::DropReason;

use super::{ONCE, Worker};
use crate::program::Program;
use crate::store::SlotId;
use crate::{Megaflow, Upcall};

impl Worker {
    /// Each new flow asks once: the flows that this burst brought are tried before the next question.
    pub(super) fn ask_slowpath(&mut self, now: Time) {
        self.fresh.clear();
        self.credited.clear();
        self.once.clear();
        let stamp = {
            let asked = self.burst.missed().filter(|&at| !self.burst.is_malformed(at));
            let keys: SmallVec<[&FlowKey; BURST]> = asked.map(|at| self.burst.key(at).0).collect();
            self.shared.slowpath.expect(&keys)
        };
        for at in self.burst.missed() {
            let slot = match self.burst.is_malformed(at) {
                true => self.remember_once(Program::Drop(DropReason::Malformed)),
                false => self.resolve(at, now),
            };
            self.burst.set_slot(at, slot);
        }
        if !self.fresh.is_empty() {
            self.publish(&self.fresh);
            self.shared.slowpath.installed(stamp);
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
        let flows = self.shared.flows.load(Ordering::Relaxed) + self.fresh.len();
        let may_install = flows < self.shared.slowpath.flow_limit();
        let (key, _) = self.burst.key(at);
        let upcall = Upcall { key, frame: self.burst.frame(at), worker: self.id, may_install };
        tracing::trace!(
            target: "dpif_netdev",
            "miss upcall:\n{}\n{}",
            dpctl::format_key_in_full(key, &DpNames::new()),
            weft_flow::text::format_key(key, &weft_flow::text::PortNames::new())
        );
        let mut verdict = self.shared.slowpath.upcall(&upcall, now);
        if !(may_install && verdict.install) {
            return self.remember_once(Program::compile(&verdict.actions));
        }
        let pattern = self.pattern_of(at, &mut verdict.mask);
        let actions = self.share(verdict.actions);
        let flow = Megaflow::new(pattern, Some(self.id), actions, verdict.attachment, now);
        let flow = flow.made_by(self.burst.key(at).0);
        let slot = self.install(Arc::new(flow));
        let (_, hash) = self.burst.key(at);
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

    /// Put a megaflow into the table; [`Worker::publish`] is to follow before the burst goes on.
    pub(super) fn install(&mut self, flow: Arc<Megaflow>) -> SlotId {
        tracing::trace!(
            target: "dpif_netdev",
            "flow_add: {} {}, actions:{}",
            flow.name(),
            crate::flow_text::matching(&flow, &DpNames::new(), false),
            dpctl::format_actions(&flow.actions.load(), &DpNames::new())
        );
        let program = Program::compile(&flow.actions.load());
        let slot = self.store.next();
        let replaced = self.table.insert(&flow.pattern, slot);
        self.store.insert(flow, program);
        // A lookup has just failed to find it, so there is none; should there be one, it must not stay behind.
        if let Some(old) = replaced {
            self.store.remove(old);
            self.registry.remove(old);
            self.fresh.retain(|fresh| *fresh != old);
            self.shared.flows.fetch_sub(1, Ordering::Relaxed);
        }
        slot
    }

    /// Show new megaflows to the control side.
    pub(super) fn publish(&self, slots: &[SlotId]) {
        let flow = |&slot: &SlotId| Some((slot, Arc::clone(self.store.slot(slot).flow.as_ref()?)));
        self.registry.insert(slots.iter().filter_map(flow));
        self.shared.flows.fetch_add(slots.len(), Ordering::Relaxed);
        self.count_flows();
    }

    /// What a verdict rests on; always on port and recirculation id too.
    fn pattern_of(&mut self, at: usize, mask: &mut FlowMask) -> CompactMatch {
        mask.set_word(0, u64::MAX);
        self.masks.pack(self.burst.key(at).0, mask)
    }

    /// Neighbours mostly have the same actions: they share them.
    fn share(&mut self, actions: Vec<DpAction>) -> Arc<Vec<DpAction>> {
        if *self.last_actions != actions {
            self.last_actions = Arc::new(actions);
        }
        Arc::clone(&self.last_actions)
    }

    pub(super) fn count_flows(&self) {
        self.counters.flows.set(self.table.len() as u64);
        self.counters.masks.set(self.table.masks() as u64);
    }
}
