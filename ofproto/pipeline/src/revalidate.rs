//! Revalidation: keep the datapath's megaflows true, and bring their statistics home.
//!
//! What: [`Pipeline::run`] is called by the control thread when it is woken and at the deadline that the last call
//! returned. It delivers packets to controllers, expires flows, addresses and megaflows, and after a change looks for the
//! megaflows whose verdict rests on what has changed. Only those are translated again: a new verdict that needs no bit
//! more than the megaflow's mask replaces its actions, anything else makes the megaflow go.
//! Why sweeps are spaced: one sweep looks at every megaflow's few numbers and compares it with what has changed since the
//! last; a storm of new addresses, or a million new flows, must not make it a full-time job.
//!
//! Invariant: statistics are credited exactly once. Who credits holds `control`; `pushed` says how far it got.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use weft_base::Time;
use weft_engine::{Megaflow, flow_text};
use weft_flow::DpAction;
use weft_flow::dpctl::{self, DpNames};
use weft_openflow::flow::FlowRemovedReason;

use crate::flow_mod::Change;
use crate::learn::{learn_again, saw_tcp_flags};
use crate::pipeline::{Control, Pipeline};
use crate::tables::Tables;
use crate::translate::Translation;
use crate::upcall::{Attachment, Entry, credit};

/// How often statistics are pushed and idle megaflows looked for.
const FULL_INTERVAL: Duration = Duration::from_millis(500);
/// The least time between two sweeps.
const SWEEP_INTERVAL: Duration = Duration::from_millis(1);
/// How many times as long as a sweep took pays for it: in the long run sweeps may take a third of the control thread's time.
const SWEEP_SPACING: u32 = 2;
/// What of that may be paid later: a change now and then is looked at at once, whatever the last sweep took.
const SWEEP_ALLOWANCE: Duration = Duration::from_millis(20);
/// Idle time that is left to megaflows when there are too many.
const CROWDED_IDLE: Duration = Duration::from_millis(100);
/// The flow limit never goes below this.
const LEAST_FLOW_LIMIT: usize = 1000;

/// Settings of the whole switch (Open_vSwitch other_config).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// flow-limit: megaflows at most.
    pub flow_limit: usize,
    /// max-idle: a megaflow unused for so long goes.
    pub max_idle: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { flow_limit: 200_000, max_idle: Duration::from_secs(10) }
    }
}

/// What `upcall/show` tells, and when to look again.
#[derive(Default)]
pub(crate) struct Revalidator {
    pub limits: Limits,
    pub max_flows: usize,
    pub average_flows: usize,
    pub current_flows: usize,
    pub last_duration: Duration,
    /// `revalidator/pause`: megaflows stay as they are.
    pub paused: bool,
    /// `upcall/disable-ufid`.
    pub dumps_whole_flows: bool,
    last_full: Time,
    last_sweep: Time,
    /// Whether this run has swept.
    swept: bool,
    /// When the last run that did was over, and what was not paid for then.
    swept_until: Time,
    unpaid: Duration,
}

impl Revalidator {
    /// A run with a sweep is over.
    fn pay(&mut self, took: Duration) {
        let took = took.min(FULL_INTERVAL);
        let rested = self.last_sweep.since(self.swept_until);
        self.unpaid = self.unpaid.saturating_sub(rested / SWEEP_SPACING) + took;
        self.swept_until = self.last_sweep + took;
    }

    /// When the next sweep may begin.
    fn rested_at(&self) -> Time {
        let over = self.unpaid.saturating_sub(SWEEP_ALLOWANCE);
        self.swept_until + SWEEP_INTERVAL.max(SWEEP_SPACING * over)
    }
}

enum Fate {
    Keep,
    Delete,
    Modify(Vec<DpAction>, Box<Attachment>),
}

impl Pipeline {
    /// Do what is due. Returns when to call again at the latest; `hooks.wake` may ask for an earlier call.
    pub fn run(&self, now: Time) -> Time {
        let mut control = self.control();
        self.deliver_packets(&mut control, now);
        let machines_due = self.run_machines(&mut control, now).unwrap_or(Time::MAX);
        let macs_due = self.expire_macs(now);
        self.finish_pending(&mut control, now);
        let mut rules_due = self.expire_rules(&mut control, now);
        let sweep_due = self.sweep_if_due(&mut control, now);
        if !self.read().pending.is_empty() {
            self.finish_pending(&mut control, now);
            rules_due = self.expire_rules(&mut control, now);
        }
        let connections_due = self.run_connections(&mut control, now);
        let tunnels_due = self.run_tunnels(now).unwrap_or(connections_due);
        let bundles_due = self.expire_bundles(&mut control, now);
        macs_due.min(rules_due).min(sweep_due).min(connections_due).min(bundles_due).min(tunnels_due).min(machines_due)
    }

    /// How long the last [`Pipeline::run`] took: the number of megaflows adapts to what the control thread can handle.
    pub fn ran(&self, took: Duration) {
        let mut control = self.control();
        let revalidator = &mut control.revalidator;
        revalidator.last_duration = took;
        if std::mem::take(&mut revalidator.swept) {
            revalidator.pay(took);
        }
        let ceiling = revalidator.limits.flow_limit;
        let limit = self.limit();
        let new = if took > Duration::from_secs(2) {
            limit / took.as_secs() as usize
        } else if took > Duration::from_millis(1300) {
            limit / 4 * 3
        } else if took < Duration::from_secs(1) {
            limit.saturating_add(1000)
        } else {
            limit
        };
        self.set_limit(new.clamp(LEAST_FLOW_LIMIT.min(ceiling), ceiling));
    }

    /// Settings of the whole switch.
    pub fn set_limits(&self, limits: Limits) {
        self.control().revalidator.limits = limits;
        self.set_limit(limits.flow_limit);
    }

    /// other_config:bundle-idle-timeout.
    pub fn set_bundle_idle_timeout(&self, timeout: Duration) {
        self.control().bundle_idle_timeout = timeout.max(Duration::from_secs(1));
    }

    /// Look at what changes affect at once, however soon after the last time: where no time passes, or a test waits.
    pub fn look_at_changes(&self, now: Time) {
        if self.is_dirty() {
            let mut control = self.control();
            self.sweep(&mut control, now, false);
        }
    }

    /// Credit what the datapath has counted up to now.
    pub fn push_statistics(&self) {
        let _control = self.control();
        self.push_all();
    }

    /// Look at every megaflow now, whether something has changed or not (`revalidator/wait`).
    pub fn revalidate(&self, now: Time) {
        let mut control = self.control();
        self.deliver_packets(&mut control, now);
        self.sweep(&mut control, now, true);
    }

    /// Remove all megaflows, keeping their statistics (`revalidator/purge`).
    pub fn purge(&self) {
        let _control = self.control();
        let Some(datapath) = self.datapath() else { return };
        let flows: Vec<Arc<Megaflow>> = datapath.flows().into_iter().filter(|f| attachment(f).is_some()).collect();
        datapath.flows_delete(&flows);
        let tables = self.read();
        flows.iter().for_each(|flow| push(&tables, flow));
    }

    pub(crate) fn push_all(&self) {
        let Some(datapath) = self.datapath() else { return };
        let flows = datapath.flows();
        let tables = self.read();
        flows.iter().for_each(|flow| push(&tables, flow));
    }

    fn expire_macs(&self, now: Time) -> Time {
        let tables = self.read();
        tables.bridges().map(|b| b.macs.expire(now)).min().unwrap_or(Time::MAX)
    }

    fn expire_rules(&self, control: &mut Control, now: Time) -> Time {
        let next = |tables: &Tables| tables.bridges().map(|b| b.flows.next_due()).min().unwrap_or(Time::MAX);
        if next(&self.read()) > now {
            return next(&self.read());
        }
        self.push_all(); // whether a flow is idle shows only in what the datapath has counted
        let mut removed = Vec::new();
        let mut tables = self.write();
        for bridge in tables.bridges_mut() {
            let mut orphans = Vec::new();
            for rule in bridge.flows.take_due(now) {
                let hard = rule.hard_timeout().duration().is_some_and(|d| rule.modified() + d <= now);
                let reason = if hard { FlowRemovedReason::HardTimeout } else { FlowRemovedReason::IdleTimeout };
                if bridge.flows.remove(&rule) {
                    removed.push((bridge.id, rule, reason));
                }
            }
            crate::learn::remove_orphans(&mut bridge.flows, &mut orphans);
            removed.extend(orphans.into_iter().filter_map(|change| match change {
                Change::Removed(rule, reason) => Some((bridge.id, rule, reason)),
                Change::Added(_) | Change::Replaced { .. } | Change::Group(_) => None,
            }));
        }
        let due = next(&tables);
        drop(tables);
        if !removed.is_empty() {
            self.changed();
        }
        for (bridge, rule, reason) in removed {
            self.rule_removed(control, bridge, &rule, reason, now);
        }
        due
    }

    fn sweep_if_due(&self, control: &mut Control, now: Time) -> Time {
        let revalidator = &control.revalidator;
        let sweep_at = revalidator.rested_at().max(revalidator.last_sweep + SWEEP_INTERVAL);
        let full_at = revalidator.last_full + FULL_INTERVAL;
        let is_dirty = self.is_dirty();
        let full = now >= full_at || now < revalidator.last_full;
        if full || (is_dirty && now >= sweep_at) {
            self.sweep(control, now, full);
            let revalidator = &control.revalidator;
            if revalidator.current_flows == 0 {
                // nothing to expire: sleep until an upcall installs something
                self.sleep_until_flows();
                // a worker may have been about to install one just now: it need not wait for ever
                return now + revalidator.limits.max_idle.max(FULL_INTERVAL);
            }
            return revalidator.last_full + FULL_INTERVAL;
        }
        if is_dirty { sweep_at.min(full_at) } else { full_at }
    }

    fn sweep(&self, control: &mut Control, now: Time, full: bool) {
        if control.revalidator.paused {
            control.revalidator.last_sweep = now;
            control.revalidator.last_full = now;
            return;
        }
        self.clear_dirty();
        let Some(datapath) = self.datapath() else { return };
        let flows = datapath.flows();
        if full {
            self.log_dump(&flows, now);
        }
        let limit = self.limit();
        let revalidator = &mut control.revalidator;
        revalidator.last_sweep = now;
        revalidator.swept = true;
        revalidator.current_flows = flows.len();
        revalidator.max_flows = revalidator.max_flows.max(flows.len());
        if full {
            revalidator.last_full = now;
            revalidator.average_flows = (revalidator.average_flows + flows.len()) / 2;
        }
        let max_idle = match flows.len() {
            n if n > 2 * limit => Duration::ZERO,
            n if n > limit => CROWDED_IDLE.min(revalidator.limits.max_idle),
            _ => revalidator.limits.max_idle,
        };
        let mut delete = Vec::new();
        let mut modify = Vec::new();
        {
            let tables = self.read();
            for flow in &flows {
                match self.fate(&tables, flow, full.then_some(max_idle), now) {
                    Fate::Keep => {}
                    Fate::Delete => delete.push(flow.clone()),
                    Fate::Modify(actions, attachment) => {
                        log_modify(&tables, flow, &actions);
                        modify.push((flow.clone(), actions, attachment as weft_engine::Attachment))
                    }
                }
            }
        }
        if !modify.is_empty() {
            datapath.flows_modify(modify);
        }
        if !delete.is_empty() {
            datapath.flows_delete(&delete);
            let tables = self.read();
            delete.iter().for_each(|flow| {
                push(&tables, flow);
                log_delete(&tables, flow, now);
            });
            control.revalidator.current_flows -= delete.len();
        }
    }

    /// What a sweep finds, for whoever watches the datapath in the log.
    fn log_dump(&self, flows: &[Arc<Megaflow>], now: Time) {
        let tables = self.read();
        for flow in flows {
            tracing::debug!(
                target: "dpif",
                "{}: flow_dump {} {}",
                dp_name(&tables),
                flow.name(),
                flow_text::whole(flow, &DpNames::new(), true, now)
            );
        }
    }

    /// What becomes of a megaflow. With `max_idle`, its statistics are pushed and its age counts.
    fn fate(&self, tables: &Tables, flow: &Megaflow, max_idle: Option<Duration>, now: Time) -> Fate {
        let guard = flow.attachment.load();
        let Some(attachment) = guard.downcast_ref::<Attachment>() else { return Fate::Keep };
        if let Some(max_idle) = max_idle {
            push_attached(tables, flow, attachment);
            let used = Time::from_nanos(flow.stats.used.get()).max(flow.created);
            if now.since(used) >= max_idle {
                return Fate::Delete;
            }
        }
        if !attachment.deps.stale(tables, &flow.pattern) {
            return Fate::Keep;
        }
        push_attached(tables, flow, attachment);
        let Some(mut new) = translate_again(tables, flow) else { return Fate::Delete };
        if !new.questions.is_empty() {
            // frames come this way still: their next hop is asked for again
            self.ask(tables, new.questions.drain(..), now);
        }
        if new.once || !flow.pattern.mask().covers(&new.mask) {
            return Fate::Delete;
        }
        let pushed = (attachment.pushed.0.load(Ordering::Relaxed), attachment.pushed.1.load(Ordering::Relaxed));
        let actions = new.take_megaflow_actions();
        let renewed = Attachment::new(&mut new, pushed);
        if **flow.actions.load() != actions {
            return Fate::Modify(actions, Box::new(renewed));
        }
        flow.attachment.store(Arc::new(Box::new(renewed)));
        Fate::Keep
    }
}

/// `dummy@ovs-dummy`, as the log calls the datapath.
fn dp_name(tables: &Tables) -> String {
    let kind = tables.bridges().next().map_or("netdev", |bridge| bridge.settings.datapath_type.as_str());
    format!("{kind}@ovs-{kind}")
}

fn log_modify(tables: &Tables, flow: &Megaflow, actions: &[DpAction]) {
    tracing::debug!(
        target: "dpif",
        "{}: put[modify] {} {}, actions:{}",
        dp_name(tables),
        flow.name(),
        flow_text::matching(flow, &DpNames::new(), true),
        dpctl::format_actions(actions, &DpNames::new())
    );
}

fn log_delete(tables: &Tables, flow: &Arc<Megaflow>, now: Time) {
    tracing::debug!(
        target: "dpif",
        "{}: flow_del {} {}, {}",
        dp_name(tables),
        flow.name(),
        dpctl::format_key_in_full(&flow.seen(), &DpNames::new()),
        flow_text::statistics(std::slice::from_ref(flow), now)
    );
}

/// The verdict as it would be now, for any frame of the megaflow; `None` if its port is no bridge's any more, or what it
/// was to go on with is gone.
fn translate_again(tables: &Tables, flow: &Megaflow) -> Option<Translation> {
    let key = flow.pattern.key();
    Some(Entry::of(tables, &key).ok()?.translate(tables, &key))
}

fn attachment(flow: &Megaflow) -> Option<()> {
    flow.attachment.load().downcast_ref::<Attachment>().map(|_| ())
}

fn push(tables: &Tables, flow: &Megaflow) {
    let guard = flow.attachment.load();
    if let Some(attachment) = guard.downcast_ref::<Attachment>() {
        push_attached(tables, flow, attachment);
    }
}

/// Credit what was counted since the last time.
fn push_attached(tables: &Tables, flow: &Megaflow, attachment: &Attachment) {
    let (packets, bytes) = (flow.stats.packets.get(), flow.stats.bytes.get());
    let new_packets = packets.wrapping_sub(attachment.pushed.0.load(Ordering::Relaxed));
    if new_packets == 0 {
        return;
    }
    let new_bytes = bytes.wrapping_sub(attachment.pushed.1.load(Ordering::Relaxed));
    attachment.pushed.0.store(packets, Ordering::Relaxed);
    attachment.pushed.1.store(bytes, Ordering::Relaxed);
    let used = Time::from_nanos(flow.stats.used.get());
    credit(tables, &attachment.credits, new_packets, new_bytes, used);
    learn_again(tables, &attachment.credits, used);
    saw_tcp_flags(tables, &attachment.credits, flow.stats.tcp_flags());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_now_and_then_is_looked_at_at_once_and_a_storm_gets_a_third_of_the_time() {
        let mut revalidator = Revalidator::default();
        let mut now = Time::from_millis(1000);
        let mut sweep = |now: Time, took: u64| {
            revalidator.last_sweep = now;
            revalidator.pay(Duration::from_millis(took));
            revalidator.rested_at()
        };
        // every 500 ms one that takes 9, and changes in between: none waits
        for _ in 0..20 {
            assert_eq!(sweep(now, 9), now + Duration::from_millis(10));
            assert_eq!(sweep(now + Duration::from_millis(11), 2), now + Duration::from_millis(14));
            now += Duration::from_millis(500);
        }
        // always one more
        let (begin, mut swept) = (now, 0);
        while now.since(begin) < Duration::from_secs(30) {
            now = sweep(now, 50);
            swept += 50;
        }
        assert!((9_900..=10_200).contains(&swept), "{swept} ms of 30 s");
    }
}
