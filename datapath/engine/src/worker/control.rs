//! What the control side asks a worker to do, between two turns.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use weft_base::Time;
use weft_flow::extract::extract_again;
use weft_flow::key::FRAME_WORDS;
use weft_netdev::QueuePair;
use weft_packet::{DpPort, DropReason};

use super::Worker;
use crate::counters::PortCounters;
use crate::program::Program;
use crate::{Execute, Megaflow};

/// One request.
pub enum Command {
    /// Take up a port, or replace the one with this number.
    PortAdd {
        /// Its number.
        port: u32,
        /// This worker's queues of it.
        queues: QueuePair,
        /// The largest payload of an Ethernet frame.
        mtu: u32,
        /// What this worker counts of it.
        counters: Arc<PortCounters>,
    },
    /// Send what waits for a port and close its queues.
    PortRemove(u32),
    /// A port's MTU changed.
    PortMtu(u32, u32),
    /// Remove megaflows.
    Delete(Arc<[Arc<Megaflow>]>),
    /// Remove all megaflows.
    Flush,
    /// Megaflows' actions changed.
    Modify(Arc<[Arc<Megaflow>]>),
    /// Install a megaflow; answers no when another takes the frame that it speaks of.
    Put(Arc<Megaflow>),
    /// Run actions on a frame.
    Execute(Box<Execute>),
    /// Handle all that waits.
    Settle,
}

/// Turns that settling may take (some ten milliseconds): a looping capture would keep it going for ever.
const SETTLE_TURNS: usize = 10_000;

impl Worker {
    /// Do what is asked; `false` when it cannot be.
    pub fn obey(&mut self, command: Command, now: Time) -> bool {
        self.out.ports.begin(now);
        match command {
            Command::PortAdd { port, queues, mtu, counters } => {
                self.polled.retain(|polled| *polled != port);
                self.out.ports.add(port, queues, mtu, counters, now);
                self.warm(port);
            }
            Command::PortRemove(port) => {
                self.polled.retain(|p| *p != port);
                self.out.ports.remove(port, &mut self.out.pool);
            }
            Command::PortMtu(number, mtu) => match self.out.ports.get_mut(number) {
                Some(port) => port.mtu = mtu,
                None => return false,
            },
            Command::Delete(flows) => flows.iter().for_each(|flow| self.delete(flow)),
            Command::Flush => self.flush_flows(),
            Command::Modify(flows) => flows.iter().for_each(|flow| self.modify(flow)),
            Command::Put(flow) => {
                let frame = flow.seen();
                if self.store.iter().any(|(_, there)| there.pattern.matches(&frame)) {
                    return false;
                }
                let slot = self.install(flow);
                self.publish(&[slot]);
            }
            Command::Execute(execute) => self.execute_one(*execute, now),
            Command::Settle => self.settle(now),
        }
        true
    }

    /// Ask all ports for frames in the next turn, whatever they did in the last ones.
    pub fn warm_all(&mut self) {
        for number in self.out.ports.numbers().collect::<Vec<_>>() {
            self.warm(number);
        }
    }

    fn settle(&mut self, now: Time) {
        for _ in 0..SETTLE_TURNS {
            self.warm_all();
            if self.turn(now) == 0 {
                break;
            }
        }
    }

    fn delete(&mut self, flow: &Arc<Megaflow>) {
        let Some(&slot) = self.table.get(&flow.pattern) else { return };
        if !self.store.slot(slot).flow.as_ref().is_some_and(|there| Arc::ptr_eq(there, flow)) {
            return;
        }
        self.table.remove(&flow.pattern);
        self.store.remove(slot);
        self.registry.remove(slot);
        self.shared.flows.fetch_sub(1, Ordering::Relaxed);
        self.count_flows();
    }

    fn flush_flows(&mut self) {
        self.shared.flows.fetch_sub(self.table.len(), Ordering::Relaxed);
        self.table.clear();
        self.store.clear();
        self.registry.clear();
        self.count_flows();
    }

    fn modify(&mut self, flow: &Arc<Megaflow>) {
        if let Some(&slot) = self.table.get(&flow.pattern) {
            self.store.reprogram(slot, Program::compile(&flow.actions.load()));
        }
    }

    fn execute_one(&mut self, execute: Execute, now: Time) {
        let Execute { mut frame, mut key, actions } = execute;
        frame.in_port = DpPort(key.word(0) as u32);
        let packet_type = key.word(1) & !0xffff_ffff;
        key.clear_words(FRAME_WORDS);
        key.set_word(1, packet_type);
        let read = extract_again(&mut frame, &mut key, self.limits());
        match read {
            Ok(()) => {
                let program = Program::compile(&actions);
                let scene = super::scene(&self.shared, self.id, now, 0);
                self.out.run_one(&program, frame, &mut key, &scene);
                self.forward_again(now);
            }
            Err(_) => self.out.ports.discard(frame, DropReason::Malformed, &mut self.out.pool),
        }
        self.out.ports.flush(&mut self.out.pool);
    }
}
