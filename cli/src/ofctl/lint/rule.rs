//! A flow as it is looked at, and masks as lists of words.

use std::collections::{BTreeMap, BTreeSet};

use weft_flow::{FlowKey, FlowMask, Match};
use weft_openflow::group::Bucket;
use weft_openflow::text::Names;
use weft_openflow::text::flow_print::format_pattern;
use weft_openflow::text::format_instructions;
use weft_openflow::{Action, GroupId, Instructions};

/// One flow.
pub struct Rule {
    pub table: u8,
    pub priority: u16,
    pub matching: Match,
    pub instructions: Instructions,
}

/// What exists besides flows; `None`: nobody knows.
#[derive(Default)]
pub struct Known {
    pub ports: Option<BTreeSet<u32>>,
    pub groups: Option<BTreeSet<u32>>,
    /// What the buckets of groups do, as far as that is known.
    pub buckets: BTreeMap<u32, Vec<Action>>,
    pub meters: Option<BTreeSet<u32>>,
}

impl Known {
    /// A group that exists, and what it does. Each bucket gets a copy of the packet.
    pub fn add_group(&mut self, group: GroupId, buckets: Vec<Bucket>) {
        self.groups.get_or_insert_default().insert(group.0);
        let copies = buckets.into_iter().map(|bucket| Action::Clone(bucket.actions));
        self.buckets.insert(group.0, copies.collect());
    }
}

impl Rule {
    pub fn new(table: u8, priority: u16, matching: Match, instructions: Instructions) -> Rule {
        Rule { table, priority, matching, instructions }
    }

    /// As `dump-flows` quotes it.
    pub fn text(&self) -> String {
        let names = Names::none();
        let actions = format_instructions(&self.instructions, &names);
        format!("{}actions={actions}", format_pattern(&self.matching, self.priority, &names))
    }

    /// Part of a conjunction: it never matches alone.
    pub fn is_conjunctive(&self) -> bool {
        self.instructions.apply.iter().any(|action| matches!(action, Action::Conjunction { .. }))
    }

    /// Whether some packet matches both.
    pub fn overlaps(&self, other: &Rule) -> bool {
        overlap(&self.matching, &other.matching)
    }
}

/// Whether some packet matches both.
pub fn overlap(a: &Match, b: &Match) -> bool {
    a.mask().used_words().all(|word| {
        let bits = a.mask().word(word) & b.mask().word(word);
        (a.key().word(word) ^ b.key().word(word)) & bits == 0
    })
}

/// The words of a mask that have bits.
pub type Words = Vec<(usize, u64)>;

pub fn words(mask: &FlowMask) -> Words {
    mask.used_words().map(|word| (word, mask.word(word))).filter(|(_, bits)| *bits != 0).collect()
}

/// A key under a mask, to be hashed.
pub fn masked(key: &FlowKey, words: &[(usize, u64)]) -> Vec<u64> {
    words.iter().map(|(word, bits)| key.word(*word) & bits).collect()
}

/// The bits that both masks have.
pub fn common(a: &[(usize, u64)], b: &[(usize, u64)]) -> Words {
    let mut out = Words::new();
    let mut others = b.iter().peekable();
    for (word, bits) in a {
        while others.next_if(|(other, _)| other < word).is_some() {}
        if let Some((_, other)) = others.next_if(|(other, _)| other == word)
            && bits & other != 0
        {
            out.push((*word, bits & other));
        }
    }
    out
}
