//! Flows that frames have taught (the `learn` action), and flows that a connection's end shortens (`fin_timeout`).
//!
//! What: translation says what is to be learned as [`LearnFlow`]s; here they become flows. The first frame of a megaflow
//! has them learned at once, before it goes on; frames that a cache handles have them refreshed, or learned anew if they
//! are gone, when their statistics are pushed.
//! How: whoever learns (a worker, the control thread) takes the tables' write lock for that moment, after translation has
//! let go of its read lock. What was done waits in [`Pending`] for the control thread, which tells those who watch flows.
//!
//! Invariants: a flow that is there already as it should be costs no write lock; learning the same again moves the time
//! from which the hard timeout runs, and nothing else.

use std::sync::{Arc, Mutex};

use weft_base::Time;
use weft_flow::CompactMatch;
use weft_openflow::flow::FlowRemovedReason;
use weft_openflow::{Cookie, FlowModFlags, Instructions, TableId, Timeout};

use crate::bridge::Bridge;
use crate::flow_mod::{self, Change, settle};
use crate::flow_table::FlowTables;
use crate::pipeline::{Control, Pipeline, lock};
use crate::rule::Rule;
use crate::tables::{BridgeId, Tables};
use crate::translate::Credit;

/// A flow that is to be there.
pub struct LearnFlow {
    /// Where.
    pub bridge: BridgeId,
    /// In which table.
    pub table: TableId,
    /// Its priority.
    pub priority: u16,
    /// What it matches.
    pub pattern: CompactMatch,
    /// What it does.
    pub instructions: Arc<Instructions>,
    /// Its cookie.
    pub cookie: Cookie,
    /// Its idle timeout, if it is new.
    pub idle_timeout: Timeout,
    /// Its hard timeout, if it is new.
    pub hard_timeout: Timeout,
    /// Its flags, if it is new.
    pub flags: FlowModFlags,
    /// Not if so many flows of its table have its cookie (0: no limit).
    pub limit: u32,
}

/// What those who hold only the read lock leave for the control thread.
#[derive(Default)]
pub struct Pending(Mutex<Todo>);

#[derive(Default)]
struct Todo {
    /// To be learned again.
    learn: Vec<Arc<LearnFlow>>,
    /// Due earlier than they are queued for.
    shortened: Vec<(BridgeId, Arc<Rule>)>,
    /// Done and settled; who watches flows is to be told.
    done: Vec<(BridgeId, Change)>,
}

impl Pending {
    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        let todo = lock(&self.0);
        todo.learn.is_empty() && todo.shortened.is_empty() && todo.done.is_empty()
    }
}

impl LearnFlow {
    /// The rule in its place.
    fn there<'t>(&self, bridge: &'t Bridge) -> Option<&'t Arc<Rule>> {
        bridge.flows.table(self.table)?.get_compact(&self.pattern, self.priority.into())
    }

    fn is_like(&self, rule: &Rule) -> bool {
        rule.cookie == self.cookie
            && (Arc::ptr_eq(&rule.instructions, &self.instructions) || rule.instructions == self.instructions)
    }

    /// Whether the limit leaves room for it, or it is there already. `besides`: more that will be there.
    pub(crate) fn within_limit(&self, bridge: &Bridge, besides: usize) -> bool {
        let limit = self.limit as usize;
        limit == 0
            || self.there(bridge).is_some()
            || bridge.flows.table(self.table).is_some_and(|table| {
                let same = table.rules().filter(|rule| rule.cookie == self.cookie);
                same.take(limit).count() + besides < limit
            })
    }

    /// If it is there, note that it was learned once more.
    fn refresh(&self, tables: &Tables, now: Time) -> bool {
        match tables.bridge(self.bridge).map(|bridge| self.there(bridge)) {
            Some(Some(rule)) if self.is_like(rule) => {
                rule.refresh(now);
                true
            }
            Some(_) => false,
            None => true, // its bridge is gone: nothing to do
        }
    }

    /// Add it, or make what is in its place like it. A flow mod that cannot be obeyed changes nothing.
    fn put(&self, bridge: &mut Bridge, now: Time, done: &mut Vec<Change>) {
        let shared = Arc::clone(&self.instructions);
        let mut rule = Rule::of_parts(self.table, self.priority.into(), self.pattern.clone(), shared, now);
        rule.cookie = self.cookie;
        let Some(old) = self.there(bridge).cloned() else {
            if self.within_limit(bridge, 0) {
                rule.set_timeouts(self.idle_timeout, self.hard_timeout);
                rule.flags = self.flags;
                // a full table does not learn: there is nobody to tell
                let _ = flow_mod::add(&mut bridge.flows, Arc::new(rule), done);
            }
            return;
        };
        if self.is_like(&old) {
            old.refresh(now);
            return;
        }
        rule.set_timeouts(old.idle_timeout(), old.hard_timeout());
        rule.importance = old.importance;
        rule.flags = old.flags;
        rule.created = old.created;
        let new = Arc::new(rule);
        bridge.flows.insert(new.clone());
        done.push(Change::Replaced { old, new, added: false, reset: false });
    }
}

/// Flows that were learned with `delete_learned` go when the last flow goes that learned such.
pub(crate) fn remove_orphans(flows: &mut FlowTables, done: &mut Vec<Change>) {
    loop {
        let orphans = flows.uses.take_orphans();
        if orphans.is_empty() {
            return;
        }
        for (table, cookie) in orphans {
            let Some(table) = flows.table(table) else { continue };
            let gone: Vec<Arc<Rule>> =
                table.rules().filter(|r| r.cookie == cookie && !r.is_hidden()).cloned().collect();
            for rule in gone {
                flows.remove(&rule);
                done.push(Change::Removed(rule, FlowRemovedReason::Delete));
            }
        }
    }
}

/// More frames of a verdict went by: what they teach is refreshed, or noted to be learned again.
pub(crate) fn learn_again(tables: &Tables, credits: &[Credit], now: Time) {
    for credit in credits {
        if let Credit::Learn(flow) = credit
            && !flow.refresh(tables, now)
        {
            lock(&tables.pending.0).learn.push(flow.clone());
        }
    }
}

/// Frames of a verdict went by, with these TCP flags among them.
pub(crate) fn saw_tcp_flags(tables: &Tables, credits: &[Credit], flags: u16) {
    if flags & TCP_FIN_RST == 0 {
        return;
    }
    for credit in credits {
        if let Credit::FinTimeout { bridge, rule, idle, hard } = credit
            && rule.shorten(*idle, *hard)
        {
            lock(&tables.pending.0).shortened.push((*bridge, rule.clone()));
        }
    }
}

const TCP_FIN_RST: u16 = 0x05;

impl Pipeline {
    /// Learn. The caller holds no lock of ours but, perhaps, `control`.
    pub(crate) fn learn_flows(&self, flows: &[Arc<LearnFlow>], now: Time) {
        if flows.is_empty() {
            return;
        }
        let missing: Vec<&Arc<LearnFlow>> = {
            let tables = self.read();
            flows.iter().filter(|flow| !flow.refresh(&tables, now)).collect()
        };
        if missing.is_empty() {
            return;
        }
        let mut tables = self.write();
        let mut done = Vec::new();
        for flow in missing {
            let Some(bridge) = tables.bridge_mut(flow.bridge) else { continue };
            let mut changes = Vec::new();
            flow.put(bridge, now, &mut changes);
            remove_orphans(&mut bridge.flows, &mut changes);
            settle(&changes);
            done.extend(changes.into_iter().map(|change| (flow.bridge, change)));
        }
        if !done.is_empty() {
            lock(&tables.pending.0).done.append(&mut done);
            drop(tables);
            self.changed();
            self.wake();
        }
    }

    /// Do what waits, and tell.
    pub(crate) fn finish_pending(&self, control: &mut Control, now: Time) {
        if self.read().pending.is_empty() {
            return;
        }
        let (learn, shortened) = {
            let tables = self.read();
            let mut todo = lock(&tables.pending.0);
            (std::mem::take(&mut todo.learn), std::mem::take(&mut todo.shortened))
        };
        self.learn_flows(&learn, now);
        if !shortened.is_empty() {
            let mut tables = self.write();
            for (id, rule) in shortened {
                if let Some(bridge) = tables.bridge_mut(id) {
                    bridge.flows.requeue(&rule);
                }
            }
        }
        let done = std::mem::take(&mut lock(&self.read().pending.0).done);
        for (bridge, change) in done {
            self.change_settled(control, bridge, change, now);
        }
    }
}
