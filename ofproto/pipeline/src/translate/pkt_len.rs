//! `check_pkt_larger`: the rest of the list is translated twice, for longer frames and for the others.
//!
//! Why: how long a frame is, only the datapath knows. How: what is left of the rule, after the check, goes into both branches
//! of a `check_pkt_len`; each starts from the same frame, and neither shows outside. What comes behind the resubmit that
//! led here is done once, after both, and not at all if the longer frames' branch has met an `exit`: so it is in OVS.

use weft_flow::DpAction;
use weft_flow::action::SlowPathReason;
use weft_openflow::Instructions;
use weft_openflow::action::{Action, SubField};

use super::Context;
use super::trace::NodeKind;
use crate::features::Feature;
use crate::frozen::Step;

/// What is left after the check.
#[derive(Clone, Copy)]
pub(super) enum Rest<'t> {
    /// These actions, then the rule's other instructions if the list is a rule's.
    Actions(&'t [Action], Option<&'t Instructions>),
    /// Steps of a translation that was stopped.
    Steps(&'t [Step]),
}

impl<'t> Context<'t, '_> {
    pub(super) fn branch_by_length(&mut self, size: u16, dst: SubField, rest: Rest<'t>) {
        if !self.tables.features.has(Feature::CheckPktLen) {
            self.slow = Some(SlowPathReason::Action);
        }
        self.commit();
        let (gt, exited) = self.branch(dst, 1, rest);
        let (le, _) = self.branch(dst, 0, rest);
        self.out.push(DpAction::CheckPktLen { size, gt, le });
        // both have run it
        self.action_set.clear();
        self.exit |= exited;
    }

    /// What comes of one answer, and whether it met an `exit`.
    fn branch(&mut self, dst: SubField, larger: u128, rest: Rest<'t>) -> (Vec<DpAction>, bool) {
        let outside = std::mem::take(&mut self.out);
        let base = self.base.clone();
        let last = std::mem::replace(&mut self.last, true);
        let (conntracked, table, resumed) = (self.conntracked, self.table, self.resumed);
        let mut exited = false;
        self.on_a_copy(|ctx| {
            ctx.write(dst, larger);
            match rest {
                Rest::Actions([], None) => ctx.note(NodeKind::Action, || "drop".into()),
                Rest::Actions([], Some(of)) if !of.has_more_than_actions() => {
                    ctx.note(NodeKind::Action, || "drop".into());
                }
                Rest::Actions(actions, None) => {
                    ctx.run_actions(actions);
                }
                Rest::Actions(actions, Some(of)) => ctx.run_list_of(actions, of),
                Rest::Steps(steps) => ctx.run_steps(steps),
            }
            exited = ctx.exit && ctx.freezing.is_none();
            if ctx.freezing.is_none() {
                ctx.run_action_set();
            }
        });
        (self.conntracked, self.table, self.resumed) = (conntracked, table, resumed);
        self.last = last;
        self.base = base;
        let mut inside = std::mem::replace(&mut self.out, outside);
        if inside.is_empty() {
            inside.push(DpAction::Drop(self.drop));
        }
        (inside, exited)
    }
}
