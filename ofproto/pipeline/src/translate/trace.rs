//! What `ofproto/trace` hears of a translation: a tree of what was looked up, done and noticed.
//!
//! How it prints (as OVS does): a node that is not the last of its list, or that is no table or bridge, is indented by one
//! step more than its list, and its own children by another. So a chain of last steps stays at the left margin.

use std::fmt::Write as _;
use std::sync::Arc;

use weft_flow::FlowKey;
use weft_flow::action::CtNat;
use weft_openflow::action::Action;
use weft_openflow::text::Names;

use super::Context;
use super::facts::Fact;
use crate::frozen::{Frozen, FrozenState};

/// The listener.
#[derive(Default)]
pub struct Trace {
    /// Finished nodes of the lists that are still open, outermost first; the last is the current one.
    open: Vec<(Node, Vec<Node>)>,
    /// The finished outermost list.
    pub(crate) nodes: Vec<Node>,
    /// The frame as the actions left it.
    pub(crate) final_key: Option<FlowKey>,
    /// Whether learning will be done, and is worth mentioning.
    pub(crate) learns: bool,
    /// For each action set that runs: whether its bridge's first table was opened again for it.
    reopened: Vec<bool>,
    /// Frames that conntrack would send back.
    pub(crate) forks: Vec<Fork>,
    /// The bridge that a trace of something recirculated began at: OVS shows its name.
    pub(crate) began_at: Option<String>,
    /// Ports are called by their names.
    pub(crate) with_names: bool,
    /// The same story for `explain`.
    pub(crate) facts: Vec<Fact>,
}

/// A frame on its way through conntrack.
pub(crate) struct Fork {
    /// How translation goes on with it.
    pub frozen: Arc<Frozen>,
    /// The frame as it is, its connection's zone, mark and label included.
    pub key: FlowKey,
    /// Whether its addresses are translated.
    pub nat: Option<CtNat>,
}

/// One line, with what hangs below it.
pub(crate) struct Node {
    kind: NodeKind,
    text: String,
    children: Vec<Node>,
}

/// What a line says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NodeKind {
    /// A bridge begins.
    Bridge,
    /// A table's answer.
    Table,
    /// A bucket of a group begins.
    Bucket,
    /// An action.
    Action,
    /// What came of it.
    Detail,
    /// Something that is probably not what the user wants.
    Warn,
    /// Translation cannot go on like this.
    Error,
}

impl Trace {
    /// A listener; `learns` says whether the caller will apply what is learned.
    pub fn new(learns: bool) -> Trace {
        Trace { learns, ..Trace::default() }
    }

    /// The frame as the actions left it.
    pub fn final_key(&self) -> Option<&FlowKey> {
        self.final_key.as_ref()
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            Some((_, list)) => list.push(node),
            None => self.nodes.push(node),
        }
    }

    fn enter(&mut self, kind: NodeKind, text: String) {
        self.open.push((Node { kind, text, children: Vec::new() }, Vec::new()));
    }

    fn leave(&mut self) {
        if let Some((mut node, list)) = self.open.pop() {
            node.children = list;
            self.add(node);
        }
    }

    /// The tree as text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        render(&mut text, &self.nodes, 0);
        text
    }
}

fn render(text: &mut String, nodes: &[Node], level: usize) {
    for (i, node) in nodes.iter().enumerate() {
        let is_line = !matches!(node.kind, NodeKind::Bridge | NodeKind::Table);
        let step = level + usize::from(is_line || i + 1 < nodes.len());
        let pad = " ".repeat(4 * step);
        let said = &node.text;
        let _ = match node.kind {
            NodeKind::Bridge => writeln!(text, "\n{pad}{said}\n{pad}{}", "-".repeat(said.len())),
            NodeKind::Table | NodeKind::Bucket | NodeKind::Action => writeln!(text, "{pad}{said}"),
            NodeKind::Detail => writeln!(text, "{pad} -> {said}"),
            NodeKind::Warn => writeln!(text, "{pad} >> {said}"),
            NodeKind::Error => writeln!(text, "{pad} >>>> {said} <<<<"),
        };
        render(text, &node.children, if step > level { step + 1 } else { step });
    }
}

impl Context<'_, '_> {
    /// Say one line.
    #[inline]
    pub(super) fn note(&mut self, kind: NodeKind, text: impl FnOnce() -> String) {
        if let Some(trace) = self.trace.as_deref_mut() {
            let text = text();
            trace.facts.push(Fact::Note(kind, text.clone()));
            trace.add(Node { kind, text, children: Vec::new() });
        }
    }

    /// What ports are called in what is said.
    pub(super) fn names(&self) -> Names {
        let mut names = Names::none();
        if self.trace.as_deref().is_some_and(|trace| trace.with_names) {
            names.ports = crate::command::port_names(self.bridge);
        }
        names
    }

    /// An action is said.
    pub(super) fn note_action(&mut self, action: &Action) {
        if self.trace.is_some() {
            let names = self.names();
            self.note(NodeKind::Action, || crate::text::action(action, &names));
        }
    }

    /// A table's answer, with what comes of it below, until [`Context::close`].
    #[inline]
    pub(super) fn open(&mut self, text: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let text = text(self);
            if let Some(trace) = self.trace.as_deref_mut() {
                trace.enter(NodeKind::Table, text);
            }
        }
    }

    /// A bucket, with what comes of it below, until [`Context::close`].
    #[inline]
    pub(super) fn open_bucket(&mut self, id: u32) {
        if let Some(trace) = self.trace.as_deref_mut() {
            let text = format!("bucket {id}");
            trace.facts.push(Fact::Note(NodeKind::Bucket, text.clone()));
            trace.enter(NodeKind::Bucket, text);
        }
    }

    #[inline]
    pub(super) fn close(&mut self) {
        if let Some(trace) = self.trace.as_deref_mut() {
            trace.leave();
        }
    }

    /// A frozen translation goes on.
    pub(super) fn note_thaw(&mut self, from: &FrozenState) {
        if let Some(trace) = self.trace.as_deref_mut() {
            let node = |kind, text| Node { kind, text, children: Vec::new() };
            let mut thaw = node(NodeKind::Action, "thaw".to_owned());
            thaw.children.push(node(NodeKind::Table, format!("Resuming from table {}", from.table.0)));
            if let Some(steps) = from.steps.as_deref().filter(|steps| !steps.is_empty()) {
                let names = Names::none();
                let steps: Vec<String> = steps.iter().map(|step| crate::text::step(step, &names)).collect();
                thaw.children.push(node(NodeKind::Table, format!("Restoring actions: {}", steps.join(","))));
            }
            trace.add(thaw);
        }
    }

    pub(super) fn enter_bridge(&mut self) {
        let name = &self.bridge.name;
        if let Some(trace) = self.trace.as_deref_mut() {
            trace.facts.push(Fact::Bridge(name.clone()));
            let shown = trace.began_at.take().unwrap_or_else(|| name.clone());
            trace.enter(NodeKind::Bridge, format!("bridge(\"{shown}\")"));
        }
    }

    pub(super) fn leave_bridge(&mut self) {
        self.close();
    }

    /// The end of what [`Context::open_set`] began.
    pub(super) fn close_set(&mut self) {
        if let Some(trace) = self.trace.as_deref_mut() {
            trace.leave();
            if trace.reopened.pop() == Some(true) {
                trace.leave();
            }
        }
    }

    /// The action set runs: said below the bridge's first table.
    pub(super) fn open_set(&mut self) {
        if let Some(trace) = self.trace.as_deref_mut() {
            let text = "--. Executing action set:".into();
            trace.reopened.push(false);
            // it belongs into the list of the bridge's last table; that of a clone stays where it is
            if let Some((open, list)) = trace.open.last_mut()
                && open.kind == NodeKind::Bridge
                && let Some(table) = list.pop()
            {
                trace.open.push((Node { children: Vec::new(), ..table }, table.children));
                trace.reopened.pop();
                trace.reopened.push(true);
            }
            trace.facts.push(Fact::ActionSet);
            trace.enter(NodeKind::Table, text);
        }
    }

    /// After a `move`: what the field holds now.
    pub(super) fn note_value(&mut self, dst: weft_openflow::action::SubField) {
        if self.trace.is_some() {
            let value = match dst.field.tun_metadata_index() {
                Some(index) => self.bridge.tlv.layout().get_bits(&self.key, index, 0, 128),
                None => super::fields::carried(dst.field, dst.field.get(&self.key)),
            };
            self.note(NodeKind::Detail, || crate::text::is_now(dst, value));
        }
    }
}
