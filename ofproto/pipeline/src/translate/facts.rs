//! What `explain` hears of a translation: not lines to print, but what was looked up, sent, refused.
//!
//! Invariant: in the order in which it happened; a listener that hears traces hears these too.

use std::sync::Arc;

use weft_openflow::TableId;
use weft_packet::DropReason;

use super::Context;
use super::trace::NodeKind;
use crate::rule::Rule;

/// One thing that happened.
pub(crate) enum Fact {
    /// A bridge's pipeline begins.
    Bridge(String),
    /// A table was asked.
    Lookup {
        bridge: String,
        table: TableId,
        found: Found,
        /// The frame as it was then.
        key: Box<weft_flow::FlowKey>,
    },
    /// The action set runs.
    ActionSet,
    /// A line of the trace.
    Note(NodeKind, String),
    /// A copy leaves by a port.
    Sent { bridge: String, port: String },
    /// A copy goes to the controllers.
    ToController,
    /// An output did not happen.
    Refused(DropReason),
}

/// A table's answer.
pub(crate) enum Found {
    Rule(Arc<Rule>),
    Dropped,
    Controller,
}

impl Context<'_, '_> {
    /// Say that something happened.
    #[inline]
    pub(super) fn fact(&mut self, fact: impl FnOnce(&Self) -> Fact) {
        if self.trace.is_some() {
            let fact = fact(self);
            if let Some(trace) = self.trace.as_deref_mut() {
                trace.facts.push(fact);
            }
        }
    }

    /// A table has answered.
    #[inline]
    pub(super) fn fact_lookup(&mut self, found: impl FnOnce() -> Found) {
        self.fact(|ctx| Fact::Lookup {
            bridge: ctx.bridge.name.clone(),
            table: ctx.table,
            found: found(),
            key: Box::new(ctx.key.clone()),
        });
    }
}
