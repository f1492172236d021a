//! Metadata that must survive until a packet-in is made: registers, OpenFlow metadata and port of a frame that the datapath
//! hands to the slow path.
//!
//! The datapath carries only a number; equal states share one. A state lives as long as some verdict holds its `Arc`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use weft_flow::FlowKey;
use weft_flow::key::{OPENFLOW_WORDS, WORDS};

use crate::pipeline::lock;
use crate::tables::{BridgeId, Map};

/// A state with its number.
#[derive(Debug)]
pub struct Frozen {
    /// The number that the datapath carries (OVS shows it as `recirc_id`).
    pub id: u32,
    /// What it stands for.
    pub state: FrozenState,
}

/// What the datapath does not carry.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FrozenState {
    /// Whose packet-in it will be.
    pub bridge: BridgeId,
    /// OpenFlow ingress port.
    pub in_port: u32,
    /// Metadata and registers.
    pub words: [u64; WORDS - OPENFLOW_WORDS],
    /// Tunnel fields, which actions may have written.
    pub tunnel: [u64; TUNNEL.end - TUNNEL.start],
}

impl FrozenState {
    pub(crate) fn new(bridge: BridgeId, key: &FlowKey) -> FrozenState {
        let mut words = [0; WORDS - OPENFLOW_WORDS];
        words.copy_from_slice(&key.words()[OPENFLOW_WORDS..]);
        let mut tunnel = [0; TUNNEL.end - TUNNEL.start];
        tunnel.copy_from_slice(&key.words()[TUNNEL]);
        FrozenState { bridge, in_port: key.word(0) as u32, words, tunnel }
    }

    /// Write it back into a key.
    pub(crate) fn thaw(&self, key: &mut FlowKey) {
        key.set_word(0, key.word(0) & !0xffff_ffff | u64::from(self.in_port));
        for (i, word) in self.words.iter().enumerate().filter(|(_, word)| **word != 0) {
            key.set_word(OPENFLOW_WORDS + i, *word);
        }
        for (i, word) in self.tunnel.iter().enumerate().filter(|(_, word)| **word != 0) {
            key.set_word(TUNNEL.start + i, *word);
        }
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
}

impl FrozenStates {
    /// The number of a state.
    pub fn intern(&self, state: FrozenState) -> Arc<Frozen> {
        let mut inner = lock(&self.inner);
        if let Some(there) = inner.by_state.get(&state).and_then(Weak::upgrade) {
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
        let frozen = Arc::new(Frozen { id, state: state.clone() });
        inner.by_state.insert(state, Arc::downgrade(&frozen));
        inner.by_id.insert(id, Arc::downgrade(&frozen));
        frozen
    }

    /// The state of a number.
    pub fn find(&self, id: u32) -> Option<Arc<Frozen>> {
        lock(&self.inner).by_id.get(&id).and_then(Weak::upgrade)
    }
}
