//! `learn`: a flow made from the frame at hand.
//!
//! Invariant: the flow is not seen by the lookups of this translation, wherever they are; it is an effect.

use std::fmt::Write as _;
use std::sync::Arc;

use weft_flow::{CompactMatch, FieldId, Match, OfPort};
use weft_openflow::action::{Action, Learn, LearnDst, LearnSpec, LearnSrc, SetField, SetForm, SubField};
use weft_openflow::{FlowModFlags, Instructions};

use super::trace::NodeKind;
use super::{Context, Credit};
use crate::learn::LearnFlow;
use crate::text;

impl Context<'_, '_> {
    pub(super) fn learn(&mut self, learn: &Learn) {
        let (matching, flow) = self.learned(learn);
        if self.trace.as_deref().is_some_and(|trace| !trace.learns) {
            self.note(NodeKind::Warn, || "suppressing side effects, so learn action ignored".into());
            return;
        }
        self.note(NodeKind::Detail, || describe(&flow, &matching));
        let besides = self.flows.iter().filter(|f| f.bridge == flow.bridge && f.table == flow.table);
        let besides = besides.filter(|f| f.cookie == flow.cookie && f.pattern != flow.pattern).count();
        let within = flow.within_limit(self.bridge, besides);
        if let Some(dst) = learn.result_dst {
            self.write(dst, within.into());
            self.note_value(dst);
        }
        if within {
            let flow = Arc::new(flow);
            self.credits.push(Credit::Learn(flow.clone()));
            self.flows.push(flow);
            return;
        }
        self.note(NodeKind::Detail, || "Limit exceeded, learn failed".into());
        // others that reach it must ask, too: there may be room again
        self.once = true;
    }

    /// The flow that this frame teaches.
    fn learned(&mut self, learn: &Learn) -> (Match, LearnFlow) {
        let mut matching = Match::any();
        let mut actions = Vec::new();
        if learn.fin_idle_timeout.0 != 0 || learn.fin_hard_timeout.0 != 0 {
            actions.push(Action::FinTimeout { idle: learn.fin_idle_timeout, hard: learn.fin_hard_timeout });
        }
        for LearnSpec { src, dst, .. } in &learn.specs {
            let value = match src {
                LearnSrc::Field(sub) => self.read(*sub),
                LearnSrc::Immediate(value) => *value,
            };
            match dst {
                LearnDst::Match(sub) => require(&mut matching, *sub, value),
                LearnDst::Load(sub) => actions.push(Action::SetField(SetField {
                    field: sub.field,
                    value: (value << sub.ofs) & sub.mask(),
                    mask: sub.mask(),
                    form: SetForm::Load,
                })),
                LearnDst::Output => {
                    let port = OfPort::from_u16(value as u16);
                    let max_len = if port == OfPort::CONTROLLER { u16::MAX } else { 0 };
                    actions.push(Action::Output { port, max_len });
                }
            }
        }
        let flags = if learn.send_flow_rem { FlowModFlags::SEND_FLOW_REM } else { FlowModFlags::empty() };
        crate::rule::say_ethernet(&mut matching);
        let flow = LearnFlow {
            bridge: self.bridge.id,
            table: learn.table,
            priority: learn.priority,
            pattern: CompactMatch::new(&matching),
            instructions: Arc::new(Instructions::apply(actions)),
            cookie: learn.cookie,
            idle_timeout: learn.idle_timeout,
            hard_timeout: learn.hard_timeout,
            flags,
            limit: learn.limit,
        };
        (matching, flow)
    }
}

/// Add bits of a field to a match, besides those that it has of that field.
pub(crate) fn require(matching: &mut Match, sub: SubField, value: u128) {
    let (old, bits) = match sub.field {
        // kept under another name
        FieldId::InPort => (0, 0),
        field => matching.get(field),
    };
    let value = old & !sub.mask() | (value << sub.ofs) & sub.mask();
    matching.set_masked(sub.field, value, bits | sub.mask());
}

/// As `ofproto/trace` shows it: `table=1 ip,dl_dst=... priority=7 cookie=0x1 idle=10 actions=...`
fn describe(flow: &LearnFlow, matching: &Match) -> String {
    let mut line = format!("table={}", flow.table.0);
    let shown = text::matching(matching, &Default::default());
    if !shown.is_empty() {
        let _ = write!(line, " {shown}");
    }
    let _ = write!(line, " priority={}", flow.priority);
    if flow.cookie.0 != 0 {
        let _ = write!(line, " cookie={:#x}", flow.cookie.0);
    }
    for (name, timeout) in [("idle", flow.idle_timeout), ("hard", flow.hard_timeout)] {
        if timeout.0 != 0 {
            let _ = write!(line, " {name}={}", timeout.0);
        }
    }
    if flow.flags.contains(FlowModFlags::SEND_FLOW_REM) {
        line.push_str(" send_flow_rem");
    }
    let _ = write!(line, " {}", text::instructions(&flow.instructions));
    line
}
