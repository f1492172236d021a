//! Stopping halfway: what is left to do is frozen, the datapath looks the frame up again, and translation goes on.
//!
//! Why: what comes next may rest on something that only the datapath knows (what lies beneath an MPLS label, a hash, a
//! connection's state), or a controller was asked first.
//! How: [`Context::freeze_and_recirculate`] stops the action at hand. On the way out of the nested lists each one leaves
//! what it still had to do ([`Context::keep_rest`]), innermost first; whoever began the outermost list (a bridge, a clone,
//! a bucket) calls [`Context::finish_freezing`], which commits, names the state and emits `recirc`. The way back is
//! [`Context::resume`].
//!
//! ```text
//!   table 0: resubmit(,1), A      table 1: freeze, B      left: B, unroll(table 0), A
//! ```
//! Invariant: translating frozen steps does what the lists would have done without the stop.

use weft_flow::DpAction;
use weft_flow::action::{ControllerAction, Userspace};
use weft_openflow::action::{Action, Controller};
use weft_openflow::{Cookie, Instructions, MeterId, TableId};

use super::Context;
use super::actions::Flow;
use super::pkt_len::Rest;
use super::trace::NodeKind;
use crate::features::Feature;
use crate::frozen::{Frozen, FrozenState, Step};
use crate::text;
use std::sync::Arc;

/// A translation that is being stopped.
pub(super) struct Freezing {
    /// Whether the innermost action is to be done once more.
    again: bool,
    /// Emitted right before `recirc`.
    before: Option<DpAction>,
    /// A controller is asked instead.
    pause: Option<(ControllerAction, Option<MeterId>)>,
    steps: Vec<Step>,
    /// Where the steps so far are said to stand.
    at: Option<(TableId, Cookie)>,
}

/// What comes after a list that runs on a copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Then {
    /// The action set as it is by then: a clone's.
    ActionSet,
    /// Nothing: a bucket is an action set itself, and what is written in it for later is for the end of the pipeline.
    Nothing,
}

/// Where a frozen translation goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum GoOn {
    /// With the action after this one.
    After,
    /// With this action once more.
    Again,
}

impl<'t> Context<'t, '_> {
    /// Stop here; the datapath does `before` and looks the frame up again, and then translation goes on. The action that
    /// calls this must return right away.
    pub(super) fn freeze_and_recirculate(&mut self, on: GoOn, before: Option<DpAction>) {
        if self.failure.is_some() {
            return;
        }
        self.exit = true;
        self.was_mpls = false;
        self.freezing =
            Some(Box::new(Freezing { again: on == GoOn::Again, before, pause: None, steps: Vec::new(), at: None }));
    }

    /// The list at hand stops at `actions[0]`: what is left of it is kept.
    #[cold]
    pub(super) fn keep_rest(&mut self, actions: &'t [Action]) {
        let at = self.here();
        let skip = usize::from(!self.take_again());
        for action in actions.iter().skip(skip) {
            self.keep(Step::Act(action.clone()), at);
        }
    }

    /// The rule's actions stopped: its other instructions are kept.
    #[cold]
    pub(super) fn keep_instructions(&mut self, of: &'t Instructions) {
        let at = self.here();
        let clear = of.clear.then_some(Step::Clear);
        let write = of.write_actions.clone().map(Step::Write);
        let metadata = of.write_metadata.map(Step::Metadata);
        let goto = of.goto_table.map(Step::Goto);
        for step in [clear, write, metadata, goto].into_iter().flatten() {
            self.keep(step, at);
        }
    }

    /// The action set stops at `set[0]`.
    #[cold]
    pub(super) fn keep_set(&mut self, set: &[&'t Action]) {
        let at = self.here();
        let skip = usize::from(!self.take_again());
        for &action in set.iter().skip(skip) {
            self.keep(Step::Act(action.clone()), at);
        }
    }

    fn keep(&mut self, step: Step, at: (TableId, Cookie)) {
        let Some(freezing) = &mut self.freezing else { return };
        if asks_where(&step) && freezing.at != Some(at) {
            freezing.steps.push(Step::Unroll(at.0, at.1));
            freezing.at = Some(at);
        }
        freezing.steps.push(step);
    }

    fn take_again(&mut self) -> bool {
        self.freezing.as_deref_mut().is_some_and(|f| std::mem::take(&mut f.again))
    }

    fn here(&self) -> (TableId, Cookie) {
        (self.table, self.cookie().unwrap_or(Cookie(u64::MAX)))
    }

    /// The cookie of the rule that is being obeyed, frozen or not.
    pub(super) fn cookie(&self) -> Option<Cookie> {
        self.rule.map_or(self.resumed, |rule| Some(rule.cookie))
    }

    /// If translation was stopped: name what is left, and have the datapath come back with it.
    pub(super) fn finish_freezing(&mut self) {
        let Some(freezing) = self.freezing.take() else { return };
        self.exit = self.failure.is_some();
        if self.exit {
            return;
        }
        let (pause, before) = (freezing.pause, freezing.before);
        if pause.is_some() {
            self.fact(|_| super::facts::Fact::ToController);
        }
        self.commit();
        // a trace that does nothing asks nobody
        if pause.is_some() && self.trace.as_deref().is_some_and(|trace| !trace.learns) {
            return;
        }
        // as OVS: where nothing is left to do the frame begins at table 0 again
        let steps = Some(freezing.steps).filter(|steps| pause.is_some() || !steps.is_empty());
        let frozen = self.freeze(TableId(0), steps);
        match pause {
            Some((action, meter)) => {
                let action = ControllerAction { recirc_id: frozen.id, ..action };
                self.hand_over(Userspace::Controller(action), meter, MeterId::CONTROLLER);
            }
            None => {
                self.out.extend(before);
                self.out.push(DpAction::Recirc(frozen.id));
            }
        }
    }

    /// Stop here until a controller says how to go on.
    pub(super) fn pause(&mut self, to: &Controller) {
        let action = self.controller_action(to, to.reason);
        self.freeze_and_recirculate(GoOn::After, None);
        if let Some(freezing) = &mut self.freezing {
            freezing.pause = Some((action, to.meter));
        }
    }

    /// The state of the translation at hand, named and kept alive.
    pub(super) fn freeze(&mut self, table: TableId, steps: Option<Vec<Step>>) -> Arc<Frozen> {
        let state = FrozenState {
            table,
            steps,
            stack: self.stack.clone(),
            action_set: self.action_set.iter().map(|&a| a.clone()).collect(),
            conntracked: self.conntracked,
            ..FrozenState::new(self.bridge.id, &self.key)
        };
        let frozen = self.tables.frozen.intern(state);
        self.frozen.push(frozen.clone());
        frozen
    }

    /// Have the datapath look the frame up again, and a table after that.
    pub(super) fn recirculate_to(&mut self, table: TableId) {
        self.commit();
        let frozen = self.freeze(table, None);
        self.out.push(DpAction::Recirc(frozen.id));
    }

    /// Go on where a translation was stopped.
    pub(super) fn resume(&mut self, from: &'t FrozenState) {
        self.deps.bridges.push((self.bridge.id, self.bridge.generation));
        self.note_thaw(from);
        self.stack.clone_from(&from.stack);
        self.action_set = from.action_set.iter().collect();
        self.conntracked = from.conntracked;
        self.table = from.table;
        match &from.steps {
            Some(steps) => {
                self.resumed = Some(Cookie(0));
                self.run_steps(steps);
            }
            None => self.start_at_table(from.table),
        }
        self.end_of_bridge();
    }

    /// The end of a bridge's pipeline: the action set, unless it is for later.
    pub(super) fn end_of_bridge(&mut self) {
        if self.freezing.is_none() {
            self.run_action_set();
        }
        self.finish_freezing();
    }

    pub(super) fn run_steps(&mut self, steps: &'t [Step]) {
        if steps.is_empty() {
            self.note(NodeKind::Action, || "drop".into());
        }
        for (i, step) in steps.iter().enumerate() {
            self.last = i + 1 == steps.len();
            if let Step::Act(action @ Action::CheckPktLarger { pkt_len, dst }) = step {
                self.note_action(action);
                self.branch_by_length(*pkt_len, *dst, Rest::Steps(&steps[i + 1..]));
                break;
            }
            let flow = self.run_step(step);
            if self.exit {
                self.keep_steps(&steps[i..]);
                break;
            }
            if flow == Flow::Stop {
                break;
            }
        }
        self.last = true;
    }

    fn run_step(&mut self, step: &'t Step) -> Flow {
        match step {
            Step::Act(action) => return self.run_action(action),
            Step::Clear => self.clear_action_set(),
            Step::Write(actions) => self.add_to_action_set(actions),
            Step::Metadata(write) => self.write_metadata(*write),
            Step::Goto(table) => {
                let names = self.names();
                self.note(NodeKind::Action, || text::step(step, &names));
                self.goto_table(*table);
            }
            Step::Unroll(table, cookie) => {
                let names = self.names();
                self.note(NodeKind::Action, || text::step(step, &names));
                // OVS shows the cookie's bytes the other way round
                let shown = format!("{:#x}", cookie.0.swap_bytes());
                let shown = if cookie.0 == 0 { "0" } else { &shown };
                self.note(NodeKind::Action, || format!("restored state: table={}, cookie={shown}", table.0));
                self.table = *table;
                self.resumed = Some(*cookie);
            }
        }
        Flow::Continue
    }

    /// Steps are stopped at `steps[0]`.
    fn keep_steps(&mut self, steps: &'t [Step]) {
        if self.freezing.is_none() {
            return;
        }
        let mut at = self.here();
        let skip = usize::from(!self.take_again());
        for step in &steps[skip..] {
            match step {
                Step::Unroll(table, cookie) => at = (*table, *cookie),
                other => self.keep(other.clone(), at),
            }
        }
    }

    /// Run a list on a copy of the frame. The datapath needs a copy of its own where the list does something to the frame
    /// that no later `set` undoes, unless nothing comes after.
    pub(super) fn clone_and_run(&mut self, inner: &'t [Action], then: Then) {
        let (mut exited, mut written, mut was_mpls) = (false, None, self.was_mpls);
        let run = |ctx: &mut Self| {
            exited = ctx.run_clone(inner, then);
            written = (then == Then::Nothing).then(|| ctx.action_set.clone());
            was_mpls = ctx.was_mpls;
        };
        if self.last || inner.iter().all(can_be_undone) {
            self.on_a_copy(run);
        } else {
            self.in_dp_clone(|ctx| ctx.on_a_copy(run));
        }
        match written {
            Some(written) => self.action_set = written,
            // as OVS: a clone that popped labels has the list around it wait for what lies beneath them
            None => self.was_mpls = was_mpls,
        }
        self.exit |= exited;
    }

    /// A clone goes through its actions and then, as a pipeline does, through the action set as it is by then. Whether it
    /// met an `exit`, which ends everything; as OVS, a clone that stops for a recirculation ends the list around it too.
    fn run_clone(&mut self, inner: &'t [Action], then: Then) -> bool {
        self.run_actions(inner);
        let exited = self.exit && (then == Then::ActionSet || self.freezing.is_none());
        match then {
            Then::ActionSet => self.end_of_bridge(),
            Then::Nothing => self.finish_freezing(),
        }
        exited
    }

    /// What `run` emits goes into a `clone(...)` of the datapath.
    pub(super) fn in_dp_clone(&mut self, run: impl FnOnce(&mut Self)) {
        let features = &self.tables.features;
        if !features.has(Feature::Clone) && features.number(Feature::SampleNesting) < LEAST_NESTING {
            self.note(NodeKind::Error, || "Failed to compose clone action".into());
            return;
        }
        // what is committed now need not be said inside and outside
        self.commit();
        let base = self.base.clone();
        let outside = std::mem::take(&mut self.out);
        let last = std::mem::replace(&mut self.last, true);
        run(self);
        self.last = last;
        let inside = std::mem::replace(&mut self.out, outside);
        self.base = base;
        if inside.is_empty() {
            return;
        }
        let features = &self.tables.features;
        self.out.push(match features.has(Feature::Clone) {
            true => DpAction::Clone(inside),
            false => DpAction::Sample { probability: u32::MAX, actions: inside },
        });
    }
}

/// How deep samples must nest to stand in for a clone.
const LEAST_NESTING: u32 = 3;

/// Whether a step's doing depends on whose rule says it: outputs may become packet-ins, a resubmit may say no table.
fn asks_where(step: &Step) -> bool {
    use Action::{Controller, DecMplsTtl, DecNshTtl, DecTtl, Group, Output, OutputReg, OutputTrunc, Resubmit};
    match step {
        Step::Act(Resubmit(to)) => to.table == TableId::ALL,
        Step::Act(action) => matches!(
            action,
            Output { .. }
                | OutputReg { .. }
                | OutputTrunc { .. }
                | Controller(_)
                | Group(_)
                | DecTtl(_)
                | DecMplsTtl
                | DecNshTtl
        ),
        Step::Goto(_) | Step::Clear | Step::Write(_) | Step::Metadata(_) | Step::Unroll(..) => false,
    }
}

/// Whether later `set`s can bring the frame back to what it was before this action.
pub(super) fn can_be_undone(action: &Action) -> bool {
    !matches!(
        action,
        Action::Ct(_)
            | Action::Meter(_)
            | Action::Nat(_)
            | Action::OutputTrunc { .. }
            | Action::Encap(_)
            | Action::Decap { .. }
            | Action::DecNshTtl
    )
}
