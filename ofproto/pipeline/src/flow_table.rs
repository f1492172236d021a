//! The flow tables of one bridge.
//!
//! What: 255 tables of [`Rule`]s, their lookup counters, their miss policies, and a queue of timeouts.
//! The groups are here too, because flows name them: a flow cannot name a group that is not there, and goes with it.
//! Table 254 is the switch's own: controllers do not see it. The rule that a standalone bridge without a controller
//! forwards by is in table 0, at priority 0, as if a controller had put it there.
//! How much changes at once: [`FlowTables::stage`] gives a copy that a big bundle changes while frames look into the old
//! tables; [`FlowTables::commit`] makes it theirs in one step.
//! How change is noticed: each table counts its changes and remembers the newest few; [`FlowTable::affected`] says
//! whether one of them could matter to a verdict that saw the table before.
//!
//! Invariant: whoever adds, replaces or removes a rule goes through [`FlowTables`], so that the logs are true.

mod table;
mod timeouts;
mod uses;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};

use weft_base::Time;
use weft_flow::classifier::RuleTable;
use weft_flow::{Match, OfPort};
use weft_openflow::action::Action;
use weft_openflow::flow::FlowRemovedReason;
use weft_openflow::{Instructions, TableId};

use crate::config::{BridgeSettings, FailMode, HiddenRule, TableSettings};
use crate::eviction::EvictionIndex;
use crate::group::{GroupTable, uses_groups};
use crate::rule::Rule;
use timeouts::Due;

pub use table::{FlowTable, TableCounters};
pub use uses::{Used, Uses};

/// Number of tables.
pub const N_TABLES: usize = 255;
/// The last table that controllers see is 253.
pub const HIDDEN_TABLE: TableId = TableId(254);
/// What OFPST_TABLE says of a table without a limit.
pub const MAX_ENTRIES: u32 = 1_000_000;
/// The priority of the rule that a fail-open bridge forwards by (fail-open takes over the whole table).
pub const FAIL_OPEN_PRIORITY: u32 = 0x00f0_f0f0;

/// The tables.
pub struct FlowTables {
    /// Each is copied when it is changed while a staged copy of it is being made ([`FlowTables::stage`]).
    tables: Vec<Arc<FlowTable>>,
    /// Copied when changed while staged, too.
    groups: Arc<GroupTable>,
    timeouts: BinaryHeap<Reverse<Due>>,
    /// All rules of all tables.
    n_rules: usize,
    /// What they refer to.
    pub uses: Uses,
    /// Indexes of flows that went all at once: freeing them takes a while, see [`FlowTables::take_waste`].
    waste: Waste,
    /// What a staged copy is a copy of.
    staged_on: Vec<Arc<FlowTable>>,
}

/// What remains to be freed, best without a lock.
#[derive(Default)]
pub struct Waste {
    _indexes: Vec<RuleTable<Arc<Rule>>>,
    _tables: Vec<Arc<FlowTable>>,
}

impl Waste {
    /// More of it.
    pub(crate) fn add(&mut self, more: Waste) {
        self._indexes.extend(more._indexes);
        self._tables.extend(more._tables);
    }
}

impl FlowTables {
    pub(crate) fn new(settings: &BridgeSettings, now: Time) -> FlowTables {
        let tables = (0..N_TABLES).map(|i| Arc::new(FlowTable::new(TableId(i as u8)))).collect();
        let mut all = FlowTables {
            tables,
            groups: Arc::default(),
            timeouts: BinaryHeap::new(),
            n_rules: 0,
            uses: Uses::default(),
            waste: Waste::default(),
            staged_on: Vec::new(),
        };
        all.configure_tables(&BridgeSettings::default(), settings);
        all.add_default(settings, now);
        all
    }

    /// The bridge's groups.
    #[inline]
    pub fn groups(&self) -> &GroupTable {
        &self.groups
    }

    /// To change them.
    pub(crate) fn groups_mut(&mut self) -> &mut GroupTable {
        Arc::make_mut(&mut self.groups)
    }

    /// One table.
    #[inline]
    pub fn table(&self, id: TableId) -> Option<&FlowTable> {
        self.tables.get(usize::from(id.0)).map(|table| &**table)
    }

    /// To configure it.
    pub fn table_mut(&mut self, id: TableId) -> Option<&mut FlowTable> {
        self.tables.get_mut(usize::from(id.0)).map(Arc::make_mut)
    }

    /// All tables that controllers see.
    pub fn visible(&self) -> &[Arc<FlowTable>] {
        &self.tables[..usize::from(HIDDEN_TABLE.0)]
    }

    /// All tables.
    pub fn all(&self) -> &[Arc<FlowTable>] {
        &self.tables
    }

    /// The tables that a request's table number means.
    pub fn meant_by(&self, id: TableId) -> &[Arc<FlowTable>] {
        match usize::from(id.0) {
            0xff => self.visible(),
            i => &self.tables[i..i + 1],
        }
    }

    /// Number of rules.
    pub fn len(&self) -> usize {
        self.n_rules
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.n_rules == 0
    }

    /// Put a rule in; what had the same match and priority is replaced and returned (its counters are the caller's to
    /// hand over).
    pub fn insert(&mut self, rule: Arc<Rule>) -> Option<Arc<Rule>> {
        self.queue_timeout(&rule);
        let used = self.uses.come(&rule);
        let grouped = uses_groups(&rule.instructions).then(|| Arc::clone(&rule));
        let hidden = usize::from(rule.is_hidden());
        let table = Arc::make_mut(&mut self.tables[usize::from(rule.table.0)]);
        let old = table.put(&rule, used);
        match &old {
            None => {
                self.n_rules += 1;
                table.hidden += hidden;
            }
            Some(old) => table.used.take(self.uses.go(old)),
        }
        if let Some(old) = old.as_ref().filter(|old| uses_groups(&old.instructions)) {
            self.groups_mut().rule_removed(old);
        }
        if let Some(rule) = grouped {
            self.groups_mut().rule_added(&rule);
        }
        old
    }

    /// Take a rule out; false if it is not there (any more).
    pub fn remove(&mut self, rule: &Arc<Rule>) -> bool {
        let table = &mut self.tables[usize::from(rule.table.0)];
        if !table.rules.get_compact(&rule.pattern, rule.priority).is_some_and(|r| Arc::ptr_eq(r, rule)) {
            return false;
        }
        let table = Arc::make_mut(table);
        table.rules.remove_compact(&rule.pattern, rule.priority);
        if let Some(evictable) = &mut table.evictable {
            evictable.remove(rule);
        }
        table.used.take(self.uses.go(rule));
        table.hidden -= usize::from(rule.is_hidden());
        table.changed(rule);
        self.n_rules -= 1;
        if uses_groups(&rule.instructions) {
            self.groups_mut().rule_removed(rule);
        }
        true
    }

    /// Take all rules of a table out, which costs next to nothing here; the caller has them already.
    pub(crate) fn clear(&mut self, table: TableId) {
        let table = Arc::make_mut(&mut self.tables[usize::from(table.0)]);
        self.n_rules -= table.len();
        if table.used.any > 0 {
            for found in table.rules.iter() {
                self.uses.go(found.value);
            }
            table.used = Used::default();
        }
        table.hidden = 0;
        self.waste._indexes.push(table.rules.take_all());
        table.set_eviction();
        table.touch();
        let id = table.id;
        self.groups_mut().table_cleared(id);
    }

    /// A copy to change while lookups go on in these. Only what is changed is copied.
    pub(crate) fn stage(&self) -> FlowTables {
        FlowTables {
            tables: self.tables.clone(),
            groups: Arc::clone(&self.groups),
            timeouts: BinaryHeap::new(),
            n_rules: self.n_rules,
            uses: self.uses.clone(),
            waste: Waste::default(),
            staged_on: self.tables.clone(),
        }
    }

    /// The staged copy takes the place of what it is a copy of. False if that has changed meanwhile.
    pub(crate) fn commit(&mut self, staged: FlowTables) -> bool {
        if !self.tables.iter().zip(&staged.staged_on).all(|(now, then)| Arc::ptr_eq(now, then)) {
            return false;
        }
        let FlowTables { tables, groups, mut timeouts, n_rules, uses, mut waste, staged_on } = staged;
        self.timeouts.append(&mut timeouts);
        self.n_rules = n_rules;
        self.uses = uses;
        self.groups = groups;
        waste._tables.extend(staged_on);
        waste._tables.append(&mut std::mem::replace(&mut self.tables, tables));
        self.waste.add(waste);
        true
    }

    /// In a staged copy: a table that somebody has changed by himself takes the place of the one that it is a copy of, with
    /// so many more rules. False if that one is no longer there.
    pub(crate) fn adopt(&mut self, table: FlowTable, of: &Weak<FlowTable>, more: usize) -> bool {
        let at = usize::from(table.id.0);
        if !self.is_still(table.id, of) {
            return false;
        }
        self.tables[at] = Arc::new(table);
        self.n_rules += more;
        true
    }

    /// Whether a table is unchanged.
    pub(crate) fn is_still(&self, table: TableId, then: &Weak<FlowTable>) -> bool {
        let now = self.tables.get(usize::from(table.0));
        now.is_some_and(|now| std::ptr::eq(Arc::as_ptr(now), then.as_ptr()) && then.strong_count() > 0)
    }

    /// A table, to look at it later.
    pub(crate) fn shared_table(&self, id: TableId) -> Option<Arc<FlowTable>> {
        self.tables.get(usize::from(id.0)).cloned()
    }

    /// What is to be dropped once the tables are unlocked.
    pub(crate) fn take_waste(&mut self) -> Waste {
        std::mem::take(&mut self.waste)
    }

    /// Remove flows until a table holds no more than `most`; they are returned. False in the second place: nothing more
    /// can go, and it still holds more.
    pub(crate) fn evict(&mut self, table: TableId, most: usize) -> (Vec<Arc<Rule>>, bool) {
        let mut gone = Vec::new();
        loop {
            let target = Arc::make_mut(&mut self.tables[usize::from(table.0)]);
            if target.visible_len() <= most {
                return (gone, true);
            }
            let Some(next) = target.evictable.as_mut().and_then(EvictionIndex::candidate) else { return (gone, false) };
            self.remove(&next);
            gone.push(next);
        }
    }

    /// Rules that are due by `now`. A rule whose deadline has moved meanwhile (it was used) is queued again.
    pub fn take_due(&mut self, now: Time) -> Vec<Arc<Rule>> {
        let mut due = Vec::new();
        while self.timeouts.peek().is_some_and(|Reverse(d)| d.at <= now) {
            let Some(Reverse(Due { rule, .. })) = self.timeouts.pop() else { break };
            let Some(rule) = rule.upgrade() else { continue };
            match rule.deadline() {
                Some(at) if at <= now => due.push(rule),
                Some(_) => self.queue_timeout(&rule),
                None => {}
            }
        }
        due
    }

    /// When the next rule may be due.
    pub fn next_due(&self) -> Time {
        self.timeouts.peek().map_or(Time::MAX, |Reverse(d)| d.at)
    }

    /// Its deadline has come nearer; what has taken its place has the same.
    pub(crate) fn requeue(&mut self, rule: &Arc<Rule>) {
        let there = self.tables[usize::from(rule.table.0)].rules.get_compact(&rule.pattern, rule.priority);
        if let Some(there) = there.cloned() {
            self.queue_timeout(&there);
            let table = &mut self.tables[usize::from(there.table.0)];
            if table.evictable.is_some()
                && let Some(evictable) = &mut Arc::make_mut(table).evictable
            {
                evictable.add(&there);
            }
        }
    }

    /// Queue the rule by its deadline (again).
    pub fn queue_timeout(&mut self, rule: &Arc<Rule>) {
        if let Some(at) = rule.deadline() {
            self.timeouts.push(Reverse(Due { at, rule: Arc::downgrade(rule) }));
        }
    }

    /// New settings: a bridge that gets its first controller, or loses its last, starts anew; fail-open comes and goes
    /// with the connection; tables with new limits may have to let flows go. Returns what went and why.
    pub(crate) fn configure(
        &mut self,
        old: &BridgeSettings,
        new: &BridgeSettings,
        now: Time,
    ) -> Vec<(Arc<Rule>, FlowRemovedReason)> {
        let mut gone = Vec::new();
        let other_mode = old.fail_mode != new.fail_mode && !new.has_controller;
        if old.has_controller != new.has_controller || other_mode {
            gone = self.flush().into_iter().map(|rule| (rule, FlowRemovedReason::Delete)).collect();
            self.add_default(new, now);
        }
        if old.tables != new.tables {
            gone.extend(self.configure_tables(old, new).into_iter().map(|rule| (rule, FlowRemovedReason::Eviction)));
        }
        match self.tables[0].rules.get(&Match::any(), FAIL_OPEN_PRIORITY).cloned() {
            None if new.fail_open => {
                gone.extend(self.flush().into_iter().map(|rule| (rule, FlowRemovedReason::Delete)));
                self.add_normal(FAIL_OPEN_PRIORITY, now);
            }
            Some(rule) if !new.fail_open => {
                self.remove(&rule);
            }
            _ => {}
        }
        gone
    }

    fn configure_tables(&mut self, old: &BridgeSettings, new: &BridgeSettings) -> Vec<Arc<Rule>> {
        let none = TableSettings::default();
        let mut gone = Vec::new();
        for id in (0..N_TABLES as u8).map(TableId) {
            let was = old.tables.get(&id.0).unwrap_or(&none);
            let now = new.tables.get(&id.0).unwrap_or(&none);
            if was == now {
                continue;
            }
            let table = Arc::make_mut(&mut self.tables[usize::from(id.0)]);
            table.configure(now);
            if let Some(most) = table.max_flows {
                gone.extend(self.evict(id, most as usize).0);
            }
        }
        gone
    }

    /// A standalone bridge without a controller forwards like a learning switch.
    fn add_default(&mut self, settings: &BridgeSettings, now: Time) {
        if settings.fail_mode == FailMode::Standalone && !settings.has_controller {
            self.add_normal(0, now);
        }
    }

    fn add_normal(&mut self, priority: u32, now: Time) {
        let actions = vec![Action::Output { port: OfPort::NORMAL, max_len: 0 }];
        self.insert(Arc::new(Rule::new(TableId(0), priority, &Match::any(), Instructions::apply(actions), now)));
    }

    /// Makes the rules of in-band control what is `wanted`; says whether anything changed.
    pub(crate) fn set_in_band(&mut self, wanted: &[HiddenRule], now: Time) -> bool {
        let rules: Vec<Arc<Rule>> = wanted
            .iter()
            .map(|one| {
                let instructions = Instructions::apply(one.actions());
                let mut matching = one.matching.clone();
                crate::rule::say_ethernet(&mut matching);
                Arc::new(Rule::new(TableId(0), one.priority, &matching, instructions, now))
            })
            .collect();
        let same =
            |a: &Rule, b: &Rule| a.priority == b.priority && a.pattern == b.pattern && a.instructions == b.instructions;
        let has = |table: &FlowTable, rule: &Rule| {
            table.get_compact(&rule.pattern, rule.priority).is_some_and(|have| same(have, rule))
        };
        let in_band = |rule: &&Arc<Rule>| rule.is_hidden() && rule.priority != FAIL_OPEN_PRIORITY;
        let gone: Vec<Arc<Rule>> = self.tables[0]
            .rules()
            .filter(in_band)
            .filter(|rule| !rules.iter().any(|new| same(new, rule)))
            .cloned()
            .collect();
        let new: Vec<Arc<Rule>> = rules.into_iter().filter(|rule| !has(&self.tables[0], rule)).collect();
        let changed = !gone.is_empty() || !new.is_empty();
        for rule in &gone {
            self.remove(rule);
        }
        for rule in new {
            self.insert(rule);
        }
        changed
    }

    /// Takes out all rules that controllers could have put in.
    fn flush(&mut self) -> Vec<Arc<Rule>> {
        let visible = self.tables.iter().flat_map(|t| t.rules()).filter(|rule| !rule.is_hidden());
        let all: Vec<Arc<Rule>> = visible.cloned().collect();
        for rule in &all {
            self.remove(rule);
        }
        all
    }
}
