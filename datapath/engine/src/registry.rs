//! A worker's megaflows as the control side sees them.
//!
//! The worker takes the lock when it installs or removes a megaflow, the control side when it lists them: never for a
//! frame whose flow is known.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::Megaflow;
use crate::store::SlotId;

/// Megaflows by slot.
#[derive(Default)]
pub struct Registry(Mutex<Vec<Option<Arc<Megaflow>>>>);

impl Registry {
    /// Note megaflows.
    pub fn insert(&self, flows: impl Iterator<Item = (SlotId, Arc<Megaflow>)>) {
        let mut slots = self.lock();
        for (slot, flow) in flows {
            if slots.len() <= slot as usize {
                slots.resize(slot as usize + 1, None);
            }
            slots[slot as usize] = Some(flow);
        }
    }

    /// Forget a megaflow.
    pub fn remove(&self, slot: SlotId) {
        if let Some(place) = self.lock().get_mut(slot as usize) {
            *place = None;
        }
    }

    /// Forget all.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Append the worker's own to a list; those that every worker has are listed elsewhere.
    pub fn list(&self, out: &mut Vec<Arc<Megaflow>>) {
        out.extend(self.lock().iter().flatten().filter(|flow| flow.worker.is_some()).cloned());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Arc<Megaflow>>>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}
