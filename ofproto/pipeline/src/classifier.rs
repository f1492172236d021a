//! Tuple space search over rules: one hash table per distinct mask.

use smallvec::SmallVec;
use weft_flow::key::UsedWords;
use weft_flow::{FlowKey, FlowMask, Match};

use crate::tables::Map;

/// Rules by match and priority, found by key.
pub struct RuleTable<T> {
    /// Highest `max_priority` first.
    subtables: Vec<Subtable<T>>,
    len: usize,
}

struct Subtable<T> {
    mask: FlowMask,
    max_priority: u32,
    /// Per masked key, highest priority first.
    rules: Map<FlowKey, SmallVec<[(u32, T); 1]>>,
}

impl<T> Default for RuleTable<T> {
    fn default() -> Self {
        RuleTable { subtables: Vec::new(), len: 0 }
    }
}

impl<T> RuleTable<T> {
    /// The best rule for a key; the bits that led to it are added to `mask`.
    pub fn lookup(&self, key: &FlowKey, mask: &mut FlowMask) -> Option<&T> {
        let mut best: Option<(u32, &T)> = None;
        for sub in &self.subtables {
            if best.is_some_and(|(priority, _)| priority >= sub.max_priority) {
                break;
            }
            mask.unite(&sub.mask);
            let mut masked = key.clone();
            masked.mask_with(&sub.mask);
            if let Some((priority, rule)) = sub.rules.get(&masked).and_then(|r| r.first())
                && best.is_none_or(|(p, _)| *priority > p)
            {
                best = Some((*priority, rule));
            }
        }
        best.map(|(_, rule)| rule)
    }

    /// The rule with exactly this match and priority.
    pub fn get(&self, matching: &Match, priority: u32) -> Option<&T> {
        let sub = self.subtables.iter().find(|s| s.mask == *matching.mask())?;
        sub.rules.get(matching.key())?.iter().find(|(p, _)| *p == priority).map(|(_, rule)| rule)
    }

    /// Put a rule in; returns the one that had the same match and priority.
    pub fn insert(&mut self, matching: &Match, priority: u32, rule: T) -> Option<T> {
        let at = match self.subtables.iter().position(|s| s.mask == *matching.mask()) {
            Some(at) => at,
            None => {
                let mask = matching.mask().clone();
                self.subtables.push(Subtable { mask, max_priority: 0, rules: Map::default() });
                self.subtables.len() - 1
            }
        };
        let sub = &mut self.subtables[at];
        let rules = sub.rules.entry(matching.key().clone()).or_default();
        if let Some((_, old)) = rules.iter_mut().find(|(p, _)| *p == priority) {
            return Some(std::mem::replace(old, rule));
        }
        let place = rules.iter().position(|(p, _)| *p < priority).unwrap_or(rules.len());
        rules.insert(place, (priority, rule));
        self.len += 1;
        if priority > sub.max_priority || sub.rules.len() == 1 {
            sub.max_priority = sub.max_priority.max(priority);
            self.subtables.sort_by_key(|s| std::cmp::Reverse(s.max_priority));
        }
        None
    }

    /// Take a rule out.
    pub fn remove(&mut self, matching: &Match, priority: u32) -> Option<T> {
        let at = self.subtables.iter().position(|s| s.mask == *matching.mask())?;
        let sub = &mut self.subtables[at];
        let rules = sub.rules.get_mut(matching.key())?;
        let place = rules.iter().position(|(p, _)| *p == priority)?;
        let (_, rule) = rules.remove(place);
        if rules.is_empty() {
            sub.rules.remove(matching.key());
        }
        self.len -= 1;
        if sub.rules.is_empty() {
            self.subtables.remove(at);
        } else if priority == sub.max_priority {
            sub.max_priority = sub.rules.values().filter_map(|r| r.first()).map(|(p, _)| *p).max().unwrap_or(0);
            self.subtables.sort_by_key(|s| std::cmp::Reverse(s.max_priority));
        }
        Some(rule)
    }

    /// Whether some rule of this priority could match a frame that `matching` matches too.
    pub fn overlaps(&self, matching: &Match, priority: u32) -> bool {
        self.subtables.iter().any(|s| {
            s.rules.iter().any(|(key, rules)| {
                rules.iter().any(|(p, _)| *p == priority)
                    && UsedWords(s.mask.used() & matching.mask().used())
                        .all(|i| (key.word(i) ^ matching.key().word(i)) & s.mask.word(i) & matching.mask().word(i) == 0)
            })
        })
    }

    /// All rules.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.subtables.iter().flat_map(|s| s.rules.values()).flatten().map(|(_, rule)| rule)
    }

    /// Number of rules.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}
