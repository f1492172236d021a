//! One flow table: its rules, what it is set to, and the newest changes.
//!
//! Invariant: only [`super::FlowTables`] adds and removes rules, so that `log`, `used` and `evictable` are true.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;
use weft_flow::classifier::RuleTable;
use weft_flow::{CompactMatch, FieldId, FlowKey, FlowMask, Match, OfPort};
use weft_openflow::TableId;
use weft_openflow::action::SubField;
use weft_openflow::ids::MeterId;
use weft_openflow::table::{TableMiss, Vacancy};

use super::uses::{self, Used};
use crate::config::TableSettings;
use crate::eviction::{EvictionIndex, parse_subfield};
use crate::rule::{Rule, may_overlap};

/// How many changes a table remembers.
const LOG: usize = 256;

/// One table.
#[derive(Clone)]
pub struct FlowTable {
    /// Which.
    pub id: TableId,
    /// What a frame that nothing matches meets.
    pub miss: TableMiss,
    /// Its name (Flow_Table `name`), empty for `tableN`.
    pub name: String,
    /// The name that a controller gave it, which counts where the configuration has none.
    pub given_name: String,
    /// At most so many rules (Flow_Table `flow_limit`).
    pub max_flows: Option<u32>,
    /// Whether a controller has switched eviction on (1.4+ table mod).
    pub eviction: bool,
    /// Whether the configuration has (Flow_Table `overflow_policy`).
    evict: bool,
    /// Who goes when it is full, while eviction is on.
    pub(super) evictable: Option<EvictionIndex>,
    groups: Vec<SubField>,
    /// Vacancy thresholds (1.4+ table mod).
    pub vacancy: Vacancy,
    /// Whether the lower threshold was passed last.
    pub is_short: bool,
    /// Lookups.
    pub counters: Arc<TableCounters>,
    pub(super) rules: RuleTable<Arc<Rule>>,
    /// How many of them use something.
    pub(super) used: Used,
    /// How many of them controllers do not see.
    pub(super) hidden: usize,
    version: u64,
    log: VecDeque<Arc<Rule>>,
}

/// How often a table was asked.
#[derive(Default, Debug)]
pub struct TableCounters {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl TableCounters {
    /// Lookups that found a flow, or did not.
    pub fn count(&self, found: bool, n: u64) {
        if found { &self.hits } else { &self.misses }.fetch_add(n, Ordering::Relaxed);
    }

    /// (lookups, of which found a flow)
    pub fn get(&self) -> (u64, u64) {
        let hits = self.hits.load(Ordering::Relaxed);
        (hits + self.misses.load(Ordering::Relaxed), hits)
    }
}

impl FlowTable {
    pub(super) fn new(id: TableId) -> FlowTable {
        FlowTable {
            id,
            miss: TableMiss::Default,
            name: String::new(),
            given_name: String::new(),
            max_flows: None,
            eviction: false,
            evict: false,
            evictable: None,
            groups: Vec::new(),
            vacancy: Vacancy::default(),
            is_short: false,
            counters: Arc::default(),
            rules: RuleTable::default(),
            used: Used::default(),
            hidden: 0,
            version: 0,
            log: VecDeque::new(),
        }
    }

    /// What a row of Flow_Table says.
    pub(super) fn configure(&mut self, settings: &TableSettings) {
        self.name.clone_from(&settings.name);
        self.max_flows = settings.flow_limit;
        self.evict = settings.evict;
        self.groups = settings.groups.iter().filter_map(|text| parse_subfield(text)).collect();
        self.set_eviction();
        let fields: Vec<FieldId> = match settings.prefixes.as_slice() {
            [] => vec![FieldId::IpDst, FieldId::IpSrc],
            named => named.iter().filter_map(|name| prefix_field(name)).collect(),
        };
        if self.rules.prefixes() != fields {
            self.rules.set_prefixes(&fields);
            self.touch();
        }
    }

    /// What it is called; empty: nothing but its number.
    pub fn shown_name(&self) -> &str {
        if self.name.is_empty() { &self.given_name } else { &self.name }
    }

    /// Eviction was switched on or off, or its groups are others, or all flows went.
    pub fn set_eviction(&mut self) {
        self.evictable = self.evicts().then(|| {
            let mut index = EvictionIndex::new(self.groups.clone());
            self.rules().for_each(|rule| index.add(rule));
            index
        });
    }

    /// Whether a full table makes room.
    pub fn evicts(&self) -> bool {
        self.evict || self.eviction
    }

    /// Number of rules, without hidden ones.
    pub fn visible_len(&self) -> usize {
        self.len() - self.hidden
    }

    /// The rule for a frame; the bits that led to the answer are added to `mask`.
    #[inline]
    pub fn lookup(&self, key: &FlowKey, mask: &mut FlowMask) -> Option<&Arc<Rule>> {
        match self.used.clauses {
            0 => self.rules.lookup(key, Some(mask)),
            _ => self.rules.find_conjunctive(key, mask, |rule| uses::clauses(rule)).map(|found| found.value),
        }
    }

    /// Lookups of these keys are about to come: have what they need at hand.
    pub fn warm(&self, keys: &[&FlowKey]) {
        let mut read = 0;
        let mut rules: SmallVec<[&Rule; 32]> = SmallVec::new();
        self.rules.warm(keys, |rule| rules.push(rule));
        for rule in rules {
            read ^= rule.touch();
        }
        std::hint::black_box(read);
    }

    /// The rules that send frames through one of these meters.
    pub(crate) fn rules_through(&self, these: &BTreeSet<MeterId>) -> Vec<Arc<Rule>> {
        if self.used.any == 0 {
            return Vec::new();
        }
        self.rules().filter(|rule| uses::meters(&rule.instructions).any(|m| these.contains(&m))).cloned().collect()
    }

    /// The rule with exactly this match and priority.
    pub fn get(&self, matching: &Match, priority: u32) -> Option<&Arc<Rule>> {
        self.rules.get(matching, priority)
    }

    /// [`FlowTable::get`] by a packed match.
    pub fn get_compact(&self, pattern: &CompactMatch, priority: u32) -> Option<&Arc<Rule>> {
        self.rules.get_compact(pattern, priority)
    }

    /// Whether some other rule of this priority could match a frame that `matching` matches too.
    pub fn overlaps(&self, matching: &Match, priority: u32) -> bool {
        self.rules.overlapping(matching, priority).is_some()
    }

    /// The rules that match nothing but what `matching` matches.
    pub fn covered_by(&self, matching: &Match) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.covered_by(matching).into_iter().map(|found| found.value)
    }

    /// All rules, in no order.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.iter().map(|found| found.value)
    }

    /// Number of rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Moves with every change.
    #[inline]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether a change since `version` could matter to frames of a megaflow that came in by `in_port`.
    pub fn affected(&self, version: u64, megaflow: &CompactMatch, in_port: OfPort) -> bool {
        let newer = (self.version - version) as usize;
        newer > self.log.len() || self.log.iter().rev().take(newer).any(|r| may_overlap(&r.pattern, megaflow, in_port))
    }

    /// Something other than a rule changed: all verdicts that asked this table are open again.
    pub fn touch(&mut self) {
        self.version += 1;
        self.log.clear();
    }

    /// Have the memory at hand that putting these rules in takes, see [`RuleTable::glance`].
    pub(crate) fn glance<'r>(&self, rules: impl Iterator<Item = &'r Arc<Rule>>) {
        std::hint::black_box(rules.fold(0, |seen, rule| seen ^ self.rules.glance(&rule.pattern)));
    }

    /// Put a rule in that uses so much; what it replaces is returned, and still counted among the used.
    pub(crate) fn put(&mut self, rule: &Arc<Rule>, used: Used) -> Option<Arc<Rule>> {
        self.used.add(used);
        self.changed(rule);
        let old = self.rules.insert_compact(&rule.pattern, rule.priority, Arc::clone(rule));
        if let Some(evictable) = &mut self.evictable {
            old.iter().for_each(|old| evictable.remove(old));
            evictable.add(rule);
        }
        old
    }

    pub(super) fn changed(&mut self, rule: &Arc<Rule>) {
        self.version += 1;
        if self.log.len() == LOG {
            self.log.pop_front();
        }
        self.log.push_back(rule.clone());
    }
}

/// Which field a word of Flow_Table `prefixes` means.
fn prefix_field(name: &str) -> Option<FieldId> {
    use FieldId::{IpDst, IpSrc, Ipv6Dst, Ipv6Src, TunDst, TunId, TunIpv6Dst, TunIpv6Src, TunSrc};
    let can = [IpDst, IpSrc, Ipv6Dst, Ipv6Src, TunDst, TunId, TunIpv6Dst, TunIpv6Src, TunSrc];
    FieldId::by_name(name).filter(|field| can.contains(field))
}
