//! Translations that stopped halfway: what must survive until the datapath hands the frame back.
//!
//! What: a [`FrozenState`] holds what the datapath does not carry (registers, OpenFlow metadata, port, tunnel fields as
//! actions left them) and how translation goes on: at a table, or with the [`Step`]s that were left over. A packet-in
//! needs only the first half.
//! How: the datapath carries a number (OVS shows it as `recirc_id`); equal states that somebody holds share one. A state lives as long as some
//! verdict holds its `Arc`; the newest ones live a little longer, for frames whose verdict was not installed. Those can be
//! found by number, but their number is not given out again.
//!
//! Invariant: a number is not given to another state while the first lives.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use weft_flow::FlowKey;
use weft_flow::key::{OPENFLOW_WORDS, WORDS};
use weft_openflow::action::Action;
use weft_openflow::instruction::WriteMetadata;
use weft_openflow::{Cookie, TableId};

use crate::pipeline::lock;
use crate::tables::{BridgeId, Map};

/// A state with its number.
#[derive(Debug)]
pub struct Frozen {
    /// The number that the datapath carries (OVS shows it as `recirc_id`).
    pub id: u32,
    /// What it stands for.
    pub state: FrozenState,
    /// How often it is among the newest.
    newest: AtomicUsize,
}

/// What the datapath does not carry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FrozenState {
    /// Where translation goes on, or whose packet-in it will be.
    pub bridge: BridgeId,
    /// OpenFlow ingress port.
    pub in_port: u32,
    /// Metadata and registers.
    pub words: [u64; WORDS - OPENFLOW_WORDS],
    /// Tunnel fields, which actions may have written.
    pub tunnel: [u64; TUNNEL.end - TUNNEL.start],
    /// The table of the rule that was being obeyed; without `steps`, where the next lookup begins.
    pub table: TableId,
    /// What is left to do; `None`: look up in `table`.
    pub steps: Option<Vec<Step>>,
    /// Values on the stack, the top last.
    pub stack: Vec<u128>,
    /// The action set so far.
    pub action_set: Vec<Action>,
    /// Whether conntrack has seen the frame on its way here.
    pub conntracked: bool,
}

/// One thing that was left to do when translation stopped. Rules' lists within lists lie flat, one after the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// An action.
    Act(Action),
    /// Empty the action set.
    Clear,
    /// Put these into the action set.
    Write(Vec<Action>),
    /// Write bits of the metadata.
    Metadata(WriteMetadata),
    /// Look up in this table.
    Goto(TableId),
    /// What follows is said by a rule of this table with this cookie.
    Unroll(TableId, Cookie),
}

impl Hash for FrozenState {
    fn hash<H: Hasher>(&self, to: &mut H) {
        (self.bridge, self.in_port, self.words, self.tunnel, self.table, &self.stack).hash(to);
        // actions are compared, not hashed: states that differ in nothing else are few
        (self.steps.as_ref().map(Vec::len), self.action_set.len(), self.conntracked).hash(to);
    }
}

impl FrozenState {
    /// The metadata of a frame, as a packet-in needs it.
    pub(crate) fn new(bridge: BridgeId, key: &FlowKey) -> FrozenState {
        let mut words = [0; WORDS - OPENFLOW_WORDS];
        words.copy_from_slice(&key.words()[OPENFLOW_WORDS..]);
        let mut tunnel = [0; TUNNEL.end - TUNNEL.start];
        tunnel.copy_from_slice(&key.words()[TUNNEL]);
        FrozenState {
            bridge,
            in_port: key.word(0) as u32,
            words,
            tunnel,
            table: TableId(0),
            steps: None,
            stack: Vec::new(),
            action_set: Vec::new(),
            conntracked: false,
        }
    }

    /// Write the metadata back into a key. Returns whether the datapath's part of the key stayed as it was.
    pub(crate) fn thaw(&self, key: &mut FlowKey) -> bool {
        key.set_word(0, key.word(0) & !0xffff_ffff | u64::from(self.in_port));
        for (i, word) in self.words.iter().enumerate() {
            if key.word(OPENFLOW_WORDS + i) != *word {
                key.set_word(OPENFLOW_WORDS + i, *word);
            }
        }
        let mut same = true;
        for (i, word) in self.tunnel.iter().enumerate() {
            if key.word(TUNNEL.start + i) != *word {
                key.set_word(TUNNEL.start + i, *word);
                same = false;
            }
        }
        same
    }
}

/// Words of the tunnel fields.
const TUNNEL: std::ops::Range<usize> = 30..38;

/// All living states.
#[derive(Default)]
pub struct FrozenStates {
    inner: Mutex<Inner>,
    sweep_at: AtomicUsize,
}

#[derive(Default)]
struct Inner {
    by_state: Map<FrozenState, Weak<Frozen>>,
    by_id: Map<u32, Weak<Frozen>>,
    last: u32,
    /// The newest states, for frames that are under way.
    newest: VecDeque<Arc<Frozen>>,
}

/// How many of the newest states stay whether anybody needs them or not: more than the frames that can be under way.
const NEWEST: usize = 1024;

impl Inner {
    /// It is new, or wanted anew.
    fn keep(&mut self, frozen: Arc<Frozen>) {
        if self.newest.len() >= NEWEST
            && let Some(oldest) = self.newest.pop_front()
        {
            oldest.newest.fetch_sub(1, Ordering::Relaxed);
        }
        frozen.newest.fetch_add(1, Ordering::Relaxed);
        self.newest.push_back(frozen);
    }
}

impl FrozenStates {
    /// The number of a state.
    pub fn intern(&self, state: FrozenState) -> Arc<Frozen> {
        let mut inner = lock(&self.inner);
        // one that nobody holds any more is on its way out; the state gets a new number, as in OVS
        let held = |f: &Arc<Frozen>| Arc::strong_count(f) > 1 + f.newest.load(Ordering::Relaxed);
        if let Some(there) = inner.by_state.get(&state).and_then(Weak::upgrade).filter(held) {
            // whoever held it may let go of it while this frame is under way
            if !inner.newest.iter().rev().take(64).any(|newer| Arc::ptr_eq(newer, &there)) {
                inner.keep(there.clone());
            }
            return there;
        }
        if inner.by_id.len() >= self.sweep_at.load(Ordering::Relaxed).max(64) {
            inner.by_id.retain(|_, f| f.strong_count() > 0);
            inner.by_state.retain(|_, f| f.strong_count() > 0);
            self.sweep_at.store(inner.by_id.len() * 2, Ordering::Relaxed);
        }
        let id = loop {
            inner.last = inner.last.wrapping_add(1).max(1);
            let id = inner.last;
            if !inner.by_id.contains_key(&id) {
                break id;
            }
        };
        let frozen = Arc::new(Frozen { id, state: state.clone(), newest: AtomicUsize::new(0) });
        inner.by_state.insert(state, Arc::downgrade(&frozen));
        inner.by_id.insert(id, Arc::downgrade(&frozen));
        inner.keep(frozen.clone());
        frozen
    }

    /// The state of a number.
    pub fn find(&self, id: u32) -> Option<Arc<Frozen>> {
        lock(&self.inner).by_id.get(&id).and_then(Weak::upgrade)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_one_number_while_somebody_holds_it_and_a_new_one_after() {
        let states = FrozenStates::default();
        let state = FrozenState {
            bridge: BridgeId(1),
            in_port: 1,
            words: [0; WORDS - OPENFLOW_WORDS],
            tunnel: [0; TUNNEL.end - TUNNEL.start],
            table: TableId(3),
            steps: None,
            stack: Vec::new(),
            action_set: Vec::new(),
            conntracked: false,
        };
        let held = states.intern(state.clone());
        assert_eq!(states.intern(state.clone()).id, held.id);
        let old = held.id;
        drop(held);
        assert!(states.find(old).is_some(), "a frame may be under way with it");
        assert_ne!(states.intern(state).id, old);
    }
}
