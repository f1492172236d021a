//! Frames whose flow no cache knows.
//!
//! Invariants: a flow that is new in a burst asks once; a port that has the worker for itself may always ask; a frame
//! whose verdict is not installed is handled by it all the same.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use weft_base::Time;
use weft_flow::dpctl::{self, DpNames};
use weft_flow::{CompactMatch, DpAction, FlowMask};
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
        let (key, _) = self.burst.key(at);
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
        let pattern = self.pattern_of(at, verdict.mask);
        let actions = self.share(verdict.actions);
        let flow = Megaflow::new(pattern, Some(self.id), actions, verdict.attachment, now);
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

    pub(super) fn install(&mut self, flow: Arc<Megaflow>) -> SlotId {
        tracing::trace!(
            target: "dpif_netdev",
            "flow_add: ufid:{} {}, actions:{}",
            uuid::Uuid::from_u128(flow.ufid()).hyphenated(),
            dpctl::format_match(&flow.pattern.unpack(), &DpNames::new()),
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

    /// What a verdict rests on; always on port and recirculation id too.
    fn pattern_of(&mut self, at: usize, mut mask: FlowMask) -> CompactMatch {
        mask.set_word(0, u64::MAX);
        self.masks.pack(self.burst.key(at).0, &mask)
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
