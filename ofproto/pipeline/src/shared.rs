//! What many flows have in common, kept once: the masks of their matches, their instructions.
//!
//! Why: of a million flows most match the same fields and do one of a few things. A flow then costs its own values and
//! counters only.
//! How: the owner of the tables keeps one [`Shared`] beside them; whoever makes a rule asks it first.
//!
//! Invariant: what nobody else holds any more goes at the latest when the set would have to grow.

use std::sync::Arc;

use weft_flow::{CompactMatch, Masks, Match};
use weft_openflow::Instructions;

use crate::tables::Map;

/// See the module.
#[derive(Default)]
pub struct Shared {
    masks: Masks,
    last: Option<Arc<Instructions>>,
    instructions: Map<Arc<Instructions>, ()>,
}

impl Shared {
    /// Pack a match over a shared mask.
    pub fn pattern(&mut self, matching: &Match) -> CompactMatch {
        self.masks.compact(matching)
    }

    /// The one value for equal instructions.
    pub fn instructions(&mut self, of: &Instructions) -> Arc<Instructions> {
        if let Some(last) = self.last.as_ref().filter(|last| ***last == *of) {
            return Arc::clone(last);
        }
        let shared = match self.instructions.get_key_value(of) {
            Some((shared, ())) => Arc::clone(shared),
            None => self.add(of),
        };
        self.last = Some(Arc::clone(&shared));
        shared
    }

    fn add(&mut self, of: &Instructions) -> Arc<Instructions> {
        if self.instructions.len() == self.instructions.capacity() {
            self.instructions.retain(|held, ()| Arc::strong_count(held) > 1);
            // room for as many again: not every newcomer shall look through all of them
            self.instructions.reserve(self.instructions.len().max(16));
        }
        let shared = Arc::new(of.clone());
        self.instructions.insert(Arc::clone(&shared), ());
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_flow::OfPort;
    use weft_openflow::Action;

    fn output(port: u32) -> Instructions {
        Instructions::apply(vec![Action::Output { port: OfPort(port), max_len: 0 }])
    }

    #[test]
    fn equal_instructions_become_one_and_unused_ones_go() {
        let mut shared = Shared::default();
        let one = shared.instructions(&output(1));
        shared.instructions(&output(2));
        assert!(Arc::ptr_eq(&one, &shared.instructions(&output(1))));
        for port in 0..1000 {
            shared.instructions(&output(port));
        }
        assert!(shared.instructions.capacity() < 100);
        assert!(Arc::ptr_eq(&one, &shared.instructions(&output(1))));
    }

    /// While few of many go, newcomers do not look through all of them each.
    #[test]
    fn a_full_set_makes_room_for_many() {
        let mut shared = Shared::default();
        let held: Vec<_> = (0..5000).map(|port| shared.instructions(&output(port))).collect();
        let (mut grown, mut before) = (0, shared.instructions.capacity());
        for port in 5000..6000 {
            shared.instructions(&output(port));
            let full = shared.instructions.len() == shared.instructions.capacity();
            grown += usize::from(full || shared.instructions.capacity() != before);
            before = shared.instructions.capacity();
        }
        assert!(grown < 5, "looked through {grown} times for {} held", held.len());
    }
}
