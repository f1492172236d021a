//! What can be done of a bundle before it is committed: its additions go into copies of the tables, while more of them come.
//!
//! Why: a commit of a million flows has little left to do, and the work is done while the peer is still talking.
//! How: from the [`MOST_AT_ONCE`]th message on, additions that concern their table alone are put into a copy of it, some at
//! a time, in the order of the messages. The first message of another kind ends that: it and what follows it wait for the
//! commit, which goes on where this has stopped.
//!
//! ```text
//!   messages   a a a a a a a a g a a d        a: adds, g: a group, d: deletes
//!              |-- in copies --|-- commit --|
//! ```
//! Invariants: nobody else sees a copy. A copy whose table has changed since is worth nothing, and the bundle is done anew.
//! No table is held while the bundle waits, so whoever changes one does not have to copy it.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use weft_openflow::{Instructions, TableId};

use crate::flow_mod::{self, Change, Ready};
use crate::flow_table::{FlowTable, FlowTables};
use crate::pipeline::Pipeline;
use crate::rule::Rule;
use crate::tables::BridgeId;

/// See the module.
#[derive(Default)]
pub(super) struct Staging {
    copies: BTreeMap<TableId, Copy>,
    /// So many of the messages are in them.
    done: usize,
    changes: Vec<Change>,
    /// Those with a timeout.
    timed: Vec<Arc<Rule>>,
    /// The next message is not of the kind that goes into a copy.
    ended: bool,
    /// The last instructions that use nothing: mostly the next one's too.
    plain: Option<Arc<Instructions>>,
}

struct Copy {
    table: FlowTable,
    of: Weak<FlowTable>,
    /// How many rules it has more.
    more: usize,
}

impl Staging {
    /// Put messages in from where the last call has stopped, if there are some to do.
    pub fn go_on<'r>(
        &mut self,
        pipeline: &Pipeline,
        bridge: BridgeId,
        total: usize,
        message: impl Fn(usize) -> Option<&'r Ready>,
    ) {
        if self.ended || total < MOST_AT_ONCE || total < self.done + STEP {
            return;
        }
        for (table, copy) in self.copies.iter().take(1) {
            let coming = (self.done..total).filter_map(|nth| flow_mod::new_rule(message(nth)?));
            copy.table.glance(coming.filter(|rule| rule.table == *table));
        }
        while self.done < total {
            let put = message(self.done).is_some_and(|ready| self.put(pipeline, bridge, ready));
            if !put {
                self.ended = true;
                return;
            }
            self.done += 1;
        }
    }

    fn put(&mut self, pipeline: &Pipeline, bridge: BridgeId, ready: &Ready) -> bool {
        let known = |of: &Arc<Instructions>| self.plain.as_ref().is_some_and(|plain| Arc::ptr_eq(plain, of));
        let Some(rule) = flow_mod::lone_rule(ready, known) else { return false };
        if !known(&rule.instructions) {
            self.plain = Some(Arc::clone(&rule.instructions));
        }
        let copy = match self.copies.get_mut(&rule.table) {
            Some(copy) => copy,
            None => {
                let live = pipeline.read().bridge(bridge).and_then(|bridge| bridge.flows.shared_table(rule.table));
                let Some(live) = live else { return false };
                let copy = Copy { table: FlowTable::clone(&live), of: Arc::downgrade(&live), more: 0 };
                self.copies.entry(rule.table).or_insert(copy)
            }
        };
        if !flow_mod::add_alone(&mut copy.table, rule, &mut self.changes) {
            return false;
        }
        copy.more += usize::from(matches!(self.changes.last(), Some(Change::Added(_))));
        if rule.deadline().is_some() {
            self.timed.push(Arc::clone(rule));
        }
        true
    }

    /// Hand the copies over to tables that are staged now; how many messages are in them, and what they did. Nothing, if
    /// one of the tables has changed.
    pub fn hand_over(self, staged: &mut FlowTables) -> Option<(usize, Vec<Change>)> {
        if !self.copies.iter().all(|(id, copy)| staged.is_still(*id, &copy.of)) {
            return None;
        }
        for Copy { table, of, more } in self.copies.into_values() {
            staged.adopt(table, &of, more);
        }
        self.timed.iter().for_each(|rule| staged.queue_timeout(rule));
        Some((self.done, self.changes))
    }
}

/// So many messages are done under one lock, without staging.
pub(super) const MOST_AT_ONCE: usize = 512;
/// So many go into the copies at a time.
const STEP: usize = 64;
