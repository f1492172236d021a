//! Tables: lookups, rules, resubmit and goto_table, the action set.

use std::fmt::Write as _;

use weft_flow::{FieldId, FlowKey, OfPort};
use weft_openflow::action::{Action, Resubmit};
use weft_openflow::instruction::WriteMetadata;
use weft_openflow::switch::FragHandling;
use weft_openflow::table::TableMiss;
use weft_openflow::{Instructions, PacketInReason, TableId};
use weft_packet::DropReason;

use super::actions::Flow;
use super::facts::Found;
use super::trace::NodeKind;
use super::{Context, Credit, Failure, MAX_DEPTH, MAX_RESUBMITS, MAX_STACK, TableDep};
use crate::group::action_set::ordered;
use crate::rule::Rule;
use crate::text;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

impl<'t> Context<'t, '_> {
    /// The first lookup: a miss is what the table's policy makes of it.
    /// What the action set does afterwards is said to be this table's and its rule's.
    pub(super) fn start_at_table(&mut self, table: TableId) {
        (self.table, self.rule) = self.lookup_and_run(table, self.in_port(), true);
    }

    pub(super) fn goto_table(&mut self, table: TableId) {
        self.lookup_and_run(table, self.in_port(), true);
    }

    pub(super) fn resubmit(&mut self, to: &Resubmit) {
        let in_port = if to.in_port == OfPort::IN_PORT { self.in_port() } else { to.in_port };
        let table = if to.table == TableId::ALL { self.table } else { to.table };
        if !self.may_go_deeper() {
            return;
        }
        self.depth += 1;
        self.lookup_and_run(table, in_port, false);
        self.depth -= 1;
    }

    /// The limits of recursion.
    pub(super) fn may_go_deeper(&mut self) -> bool {
        self.resubmits += 1;
        let failure = if self.depth >= MAX_DEPTH {
            self.note(NodeKind::Error, || format!("over max translation depth {MAX_DEPTH}"));
            Failure::TooDeep
        } else if self.resubmits > MAX_RESUBMITS {
            self.note(NodeKind::Error, || format!("over {MAX_RESUBMITS} resubmit actions"));
            Failure::TooManyResubmits
        } else if self.stack.len() > MAX_STACK {
            self.note(NodeKind::Error, || "resubmits yielded over 64 kB of stack".into());
            Failure::StackTooLarge
        } else if self.out.len() > super::MAX_ACTIONS {
            self.note(NodeKind::Error, || "resubmits yielded over 64 kB of actions".into());
            Failure::TooManyActions
        } else {
            return true;
        };
        self.fail(failure);
        false
    }

    /// Returns where it was, and under which rule.
    fn lookup_and_run(
        &mut self,
        table: TableId,
        in_port: OfPort,
        honor_miss: bool,
    ) -> (TableId, Option<&'t Arc<Rule>>) {
        let (old_table, old_rule, old_port) = (self.table, self.rule, self.in_port());
        self.table = table;
        self.set_in_port(in_port);
        let swap = std::mem::take(&mut self.swap_tuple);
        let in_clone = std::mem::take(&mut self.clone_rule);
        let pristine = self.pristine;
        if swap {
            self.swap_tuples();
            self.pristine = false;
        }
        let found = self.lookup(honor_miss);
        if swap {
            self.swap_tuples();
            self.pristine = pristine;
        }
        self.set_in_port(old_port);
        let was = (self.table, found.as_ref().ok().copied());
        match found {
            Ok(rule) => {
                self.rule = Some(rule);
                self.first_rule.get_or_insert(rule);
                self.fact_lookup(|| Found::Rule(rule.clone()));
                self.open(|ctx| ctx.rule_text(rule));
                match in_clone && !rule.instructions.apply.iter().all(super::recirc::can_be_undone) {
                    true => self.in_dp_clone(|ctx| ctx.run_instructions(&rule.instructions)),
                    false => self.run_instructions(&rule.instructions),
                }
                self.close();
            }
            Err(Miss::Fragment) => {
                self.rule = None;
                self.drop = DropReason::FlowDrop;
                self.fact_lookup(|| Found::Dropped);
                self.open(|ctx| {
                    let table = ctx.table.0;
                    format!("{table:2}. Packets are IP fragments and the fragment handling mode is \"drop\".")
                });
                self.note(NodeKind::Action, || "drop".into());
                self.close();
            }
            Err(Miss::Drop) => {
                if self.out.is_empty() {
                    self.drop = DropReason::TableMiss;
                }
                self.fact_lookup(|| Found::Dropped);
                self.open(|ctx| match ctx.is_outermost() {
                    true => format!("{:2}. No match.", ctx.table.0),
                    false => format!("{:2}. reg0=0x2, priority 0", ctx.table.0),
                });
                self.note(NodeKind::Action, || "drop".into());
                self.close();
            }
            Err(Miss::Controller) => {
                self.rule = None;
                self.fact_lookup(|| Found::Controller);
                self.open(|ctx| match ctx.is_outermost() {
                    true => format!("{:2}. No match, and a \"packet-in\" is called for.", ctx.table.0),
                    false => format!("{:2}. reg0=0x1, priority 0", ctx.table.0),
                });
                self.note(NodeKind::Action, || "controller(reason=)".into());
                self.packet_in(&Default::default(), PacketInReason::IMPLICIT_MISS.0);
                self.close();
            }
        }
        (self.table, self.rule) = (old_table, old_rule);
        was
    }

    /// The rule at `self.table` or, where the tables' miss policy says so, at a later one.
    fn lookup(&mut self, honor_miss: bool) -> Result<&'t Arc<Rule>, Miss> {
        let bridge = self.bridge;
        let without_ports = match self.fragment() {
            Some(FragHandling::Drop) => return Err(Miss::Fragment),
            Some(FragHandling::Normal | FragHandling::Reassemble) => Some(self.key_without_ports()),
            Some(FragHandling::NxMatch) | None => None,
        };
        loop {
            let Some(table) = bridge.flows.table(self.table) else { return Err(Miss::Drop) };
            let rule = table.lookup(without_ports.as_ref().unwrap_or(&self.key), &mut self.mask);
            self.deps.tables.push(TableDep {
                bridge: bridge.id,
                table: self.table,
                version: AtomicU64::new(table.version()),
                in_port: self.in_port(),
                pristine: self.pristine,
            });
            self.credits.push(Credit::Table(table.counters.clone(), rule.is_some()));
            if let Some(rule) = rule {
                self.credits.push(Credit::Rule(rule.clone()));
                return Ok(rule);
            }
            match table.miss {
                TableMiss::Continue if honor_miss && self.table.0 < crate::flow_table::HIDDEN_TABLE.0 - 1 => {
                    self.table.0 += 1;
                }
                // nowhere to continue: as OpenFlow 1.1 and 1.2 have it by default
                TableMiss::Continue if honor_miss => return Err(self.packet_in_or_drop()),
                TableMiss::Controller if honor_miss => return Err(self.packet_in_or_drop()),
                TableMiss::Default if honor_miss && bridge.packet_in_on_miss => return Err(self.packet_in_or_drop()),
                _ => return Err(Miss::Drop),
            }
        }
    }

    /// How the bridge wants fragments handled, if this is one.
    fn fragment(&self) -> Option<FragHandling> {
        (FieldId::IpFrag.get(&self.key) != 0).then_some(self.bridge.frag)
    }

    /// The key as it is looked up where no fragment has transport ports, not even the first (OFPC_FRAG_NORMAL).
    fn key_without_ports(&self) -> FlowKey {
        let mut key = self.key.clone();
        FieldId::TcpSrc.set(&mut key, 0);
        FieldId::TcpDst.set(&mut key, 0);
        key
    }

    /// A port may be configured to send no packet-ins on a miss.
    fn packet_in_or_drop(&self) -> Miss {
        let no_packet_in = weft_openflow::port::PortConfig::NO_PACKET_IN;
        let port = self.bridge.port(self.in_port());
        if port.is_some_and(|p| p.config.contains(no_packet_in)) { Miss::Drop } else { Miss::Controller }
    }

    /// Instructions in the order of OpenFlow 1.5 §5.5.
    fn run_instructions(&mut self, todo: &'t Instructions) {
        if todo.is_drop() {
            self.note(NodeKind::Action, || "drop".into());
            return;
        }
        if let Some(meter) = todo.meter {
            self.note(NodeKind::Action, || format!("meter:{}", meter.0));
            self.meter(meter);
        }
        self.run_list_of(&todo.apply, todo);
    }

    /// Run (the rest of) a rule's actions, then its other instructions.
    pub(super) fn run_list_of(&mut self, actions: &'t [Action], todo: &'t Instructions) {
        let nothing_after = self.last;
        self.last &= !todo.has_more_than_actions();
        self.tail = Some(todo);
        let flow = self.run_actions(actions);
        self.last = nothing_after;
        // nothing is left where the list branched
        if self.tail.take().is_none() || flow == Flow::Stop {
            return;
        }
        if self.exit {
            if self.freezing.is_some() {
                self.keep_instructions(todo);
            }
            return;
        }
        if self.was_mpls && self.failure.is_none() && todo.has_more_than_actions() {
            self.freeze_and_recirculate(super::recirc::GoOn::After, None);
            self.keep_instructions(todo);
            return;
        }
        if todo.clear {
            self.clear_action_set();
        }
        if let Some(actions) = &todo.write_actions {
            self.add_to_action_set(actions);
        }
        if let Some(write) = todo.write_metadata {
            self.write_metadata(write);
        }
        if let Some(table) = todo.goto_table {
            self.note(NodeKind::Action, || format!("goto_table:{}", table.0));
            self.goto_table(table);
        }
    }

    pub(super) fn clear_action_set(&mut self) {
        self.note(NodeKind::Action, || "clear_actions".into());
        if self.trace.is_some() {
            let was = match self.action_set_text() {
                none if none.is_empty() => "action set was empty".into(),
                set => format!("action set was: {set}"),
            };
            self.note(NodeKind::Detail, || was);
        }
        self.action_set.clear();
        self.say_set_output();
    }

    pub(super) fn add_to_action_set(&mut self, actions: &'t [Action]) {
        if self.trace.is_some() {
            let names = self.names();
            self.note(NodeKind::Action, || format!("write_actions({})", text::actions(actions, &names)));
        }
        self.write_actions(actions);
        if self.trace.is_some() {
            let set = match self.action_set_text() {
                none if none.is_empty() => "action set is empty".into(),
                set => format!("action set is: {set}"),
            };
            self.note(NodeKind::Detail, || set);
        }
    }

    pub(super) fn write_metadata(&mut self, write: WriteMetadata) {
        self.note(NodeKind::Action, || text::write_metadata(&write));
        self.write_field(weft_flow::FieldId::Metadata, u128::from(write.value), u128::from(write.mask));
    }

    /// Into the action set; what counts of it is found when it runs ([`ordered`]).
    fn write_actions(&mut self, actions: &'t [Action]) {
        self.action_set.extend(actions);
        self.say_set_output();
    }

    /// `actset_output`: where the action set would send, if it sends to a port and to no group (ovs-fields(7)).
    pub(super) fn say_set_output(&mut self) {
        let port = match ordered(self.action_set.iter().copied()).last() {
            Some(Action::Output { port, .. }) => *port,
            _ => OfPort::UNSET,
        };
        FieldId::ActsetOutput.set(&mut self.key, port.0.into());
    }

    /// Run the action set in its order. Without an output or a group it changes nothing that anybody sees.
    pub(super) fn run_action_set(&mut self) {
        let set = ordered(std::mem::take(&mut self.action_set));
        if set.is_empty() || self.failure.is_some() {
            return;
        }
        if self.exit {
            // `exit` ends the set too, before it begins
            self.open_set();
            return self.close_set();
        }
        self.open_set();
        let in_set = std::mem::replace(&mut self.in_action_set, true);
        for (i, action) in set.iter().enumerate() {
            self.last = i + 1 == set.len();
            let flow = self.run_action(action);
            if self.freezing.is_some() {
                self.keep_set(&set[i..]);
                break;
            }
            if flow == Flow::Stop {
                break;
            }
        }
        self.in_action_set = in_set;
        self.last = true;
        self.close_set();
    }

    /// Whether this is the bridge that the frame came in by. OVS tells a miss by the rule of its internal table that
    /// stands for it, and shows that rule where the frame came through a patch port.
    fn is_outermost(&self) -> bool {
        self.deps.bridges.first().is_none_or(|(id, _)| *id == self.bridge.id)
    }

    fn action_set_text(&self) -> String {
        let (mut all, names) = (String::new(), self.names());
        for action in ordered(self.action_set.iter().copied()) {
            let comma = if all.is_empty() { "" } else { "," };
            let _ = write!(all, "{comma}{}", text::action(action, &names));
        }
        all
    }

    fn rule_text(&self, rule: &Rule) -> String {
        let mut line = format!("{:2}. ", self.table.0);
        let matching = text::matching(&rule.pattern.unpack(), &self.names().ports);
        if !matching.is_empty() {
            let _ = write!(line, "{matching}, ");
        }
        let _ = write!(line, "priority {}", rule.priority);
        if rule.cookie.0 != 0 {
            let _ = write!(line, ", cookie {:#x}", rule.cookie.0);
        }
        line
    }
}

enum Miss {
    /// Fragments are not wanted at all.
    Fragment,
    Drop,
    Controller,
}
