//! Instructions: what a flow does, in the order in which OpenFlow runs them.

use crate::action::Action;
use crate::ids::{MeterId, TableId};

/// The instructions of a flow (OpenFlow 1.5 §5.5). OpenFlow 1.0's action list is `apply` alone.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Instructions {
    /// Rate-limit first.
    pub meter: Option<MeterId>,
    /// Run these now. Empty and nothing else: drop.
    pub apply: Vec<Action>,
    /// Empty the action set.
    pub clear: bool,
    /// Put these into the action set.
    pub write_actions: Option<Vec<Action>>,
    /// Write bits of the metadata.
    pub write_metadata: Option<WriteMetadata>,
    /// Go on at a later table.
    pub goto_table: Option<TableId>,
}

/// Write these bits of the metadata.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "plain words")]
pub struct WriteMetadata {
    pub value: u64,
    pub mask: u64,
}

impl Instructions {
    /// Just these actions.
    pub fn apply(actions: Vec<Action>) -> Instructions {
        Instructions { apply: actions, ..Instructions::default() }
    }

    /// Forget them all; the room for actions stays.
    pub fn clear(&mut self) {
        let Instructions { meter, apply, clear, write_actions, write_metadata, goto_table } = self;
        apply.clear();
        (*meter, *clear, *write_actions, *write_metadata, *goto_table) = (None, false, None, None, None);
    }

    /// Whether nothing happens to the packet (`actions=drop`).
    pub fn is_drop(&self) -> bool {
        *self == Instructions::default()
    }

    /// Whether there is an instruction that comes after the actions.
    pub fn has_more_than_actions(&self) -> bool {
        self.clear || self.write_actions.is_some() || self.write_metadata.is_some() || self.goto_table.is_some()
    }

    /// Every action, inside `clone`, `ct` and the action set too, in order.
    pub fn for_each_action(&self, visit: &mut dyn FnMut(&Action)) {
        walk(&self.apply, visit);
        walk(self.write_actions.as_deref().unwrap_or_default(), visit);
    }
}

fn walk(actions: &[Action], visit: &mut dyn FnMut(&Action)) {
    for action in actions {
        visit(action);
        match action {
            Action::Clone(inner) => walk(inner, visit),
            Action::Ct(ct) => walk(&ct.actions, visit),
            _ => {}
        }
    }
}
