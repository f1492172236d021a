//! Groups: which buckets a frame meets, and what happens in each.
//!
//! How: every bucket runs on a copy. A select group with a datapath hash stops translation the first time
//! ([`super::recirc`]): the datapath hashes, looks the frame up again, and then a few bits of the hash choose; so one
//! megaflow serves many connections. Other select groups hash fields here, which the megaflow then matches.
//! Weighted choice by score: hash(bucket, fields) * weight, the highest wins, so a bucket that comes or goes moves only
//! its own share.
//!
//! Invariants: whatever was looked at of groups is in `deps`; a port's life is part of its bridge's generation.

use std::sync::Arc;

use weft_flow::{DpAction, FieldId, OfPort};
use weft_openflow::GroupId;
use weft_openflow::action::HashFields;
use weft_openflow::group::GroupKind;

use super::hash::mix;
use super::recirc::{GoOn, Then};
use super::trace::NodeKind;
use super::{Context, Credit, Failure};
use crate::group::spread::Spread;
use crate::group::{Bucket, Choice, Group};

/// How many groups may watch one another in a row.
const MAX_CHAIN: u32 = 128;

impl<'t> Context<'t, '_> {
    /// Send through a group.
    pub(super) fn group(&mut self, id: GroupId) {
        let Some(group) = self.find_group(id) else {
            self.note(NodeKind::Warn, || format!("output to nonexistent group {}", id.0));
            return;
        };
        if !self.may_go_deeper() {
            return;
        }
        self.depth += 1;
        let chosen = match group.kind {
            GroupKind::All => {
                self.credits.push(Credit::Group(Arc::clone(group)));
                for (i, bucket) in group.buckets.iter().enumerate() {
                    self.bucket(bucket, i + 1 == group.buckets.len());
                }
                None
            }
            GroupKind::Indirect => group.buckets.first(),
            GroupKind::FastFailover => {
                let first = self.first_alive(group);
                self.note_choice(first);
                first
            }
            // the hash is of what lies beneath the labels
            GroupKind::Select if self.was_mpls => {
                self.freeze_and_recirculate(GoOn::Again, None);
                self.note_choice(None);
                None
            }
            GroupKind::Select => {
                let best = match &group.choice {
                    Choice::Datapath { symmetric, basis, spread } => self.by_dp_hash(group, *symmetric, *basis, spread),
                    Choice::Default => {
                        let hash = self.hash_fields(HashFields::SymmetricL4, 0);
                        self.by_score(group, hash)
                    }
                    Choice::Fields => {
                        let hash = self.hash_selected(&group.selection);
                        self.by_score(group, hash)
                    }
                };
                self.note_choice(best);
                best
            }
        };
        if let Some(bucket) = chosen {
            self.credits.push(Credit::Group(Arc::clone(group)));
            self.bucket(bucket, true);
        }
        self.depth -= 1;
    }

    fn find_group(&mut self, id: GroupId) -> Option<&'t Arc<Group>> {
        let bridge = self.bridge;
        let found = bridge.flows.groups().get(id);
        self.deps.groups.push((bridge.id, id, found.map_or(0, |g| g.serial)));
        found
    }

    /// One bucket, on a copy. `last`: the group does nothing after it.
    fn bucket(&mut self, bucket: &'t Arc<Bucket>, last: bool) {
        self.credits.push(Credit::Bucket(Arc::clone(bucket)));
        self.open_bucket(bucket.said.id);
        if bucket.actions.is_empty() {
            if self.failure.is_none() {
                self.note(NodeKind::Action, || "drop".into());
            }
        } else if self.failure.is_none() {
            let nothing_after = self.last;
            self.last &= last;
            let in_group = std::mem::replace(&mut self.in_group, true);
            self.clone_and_run(&bucket.actions, Then::Nothing);
            self.in_group = in_group;
            self.last = nothing_after;
            // what a frame cannot carry or lose ends this bucket; running out of depth ends all
            if matches!(self.failure, Some(Failure::TooManyLabels | Failure::UnsupportedPacketType)) {
                (self.failure, self.exit) = (None, false);
            }
        }
        self.close();
    }

    fn first_alive(&mut self, group: &'t Group) -> Option<&'t Arc<Bucket>> {
        group.buckets.iter().find(|bucket| self.is_alive(group.kind, bucket, 0))
    }

    fn by_score(&mut self, group: &'t Group, hash: u64) -> Option<&'t Arc<Bucket>> {
        let mut best: Option<(u32, &Arc<Bucket>)> = None;
        for bucket in &group.buckets {
            if !self.is_alive(group.kind, bucket, 0) {
                continue;
            }
            let random = mix(hash, bucket.said.id.into()) >> 48;
            let score = random as u32 * u32::from(bucket.said.weight);
            self.note(NodeKind::Detail, || format!("bucket {}: score {score}", bucket.said.id));
            if best.is_none_or(|(highest, _)| score > highest) {
                best = Some((score, bucket));
            }
        }
        best.map(|(_, bucket)| bucket)
    }

    fn by_dp_hash(
        &mut self,
        group: &'t Group,
        symmetric: bool,
        basis: u32,
        spread: &Spread,
    ) -> Option<&'t Arc<Bucket>> {
        let hash = FieldId::DpHash.get(&self.key) as u32;
        if hash == 0 {
            self.freeze_and_recirculate(GoOn::Again, Some(DpAction::Hash { symmetric, basis }));
            return None;
        }
        FieldId::DpHash.add_mask(&mut self.mask, spread.mask().into());
        let chosen = spread.pick(hash, |i| self.is_alive(group.kind, &group.buckets[i], 0));
        chosen.map(|i| &group.buckets[i])
    }

    /// Whether a bucket may be chosen.
    fn is_alive(&mut self, kind: GroupKind, bucket: &'t Bucket, depth: u32) -> bool {
        if depth > MAX_CHAIN {
            self.note(NodeKind::Error, || format!("bucket chaining exceeded {MAX_CHAIN} links"));
            return false;
        }
        let said = &bucket.said;
        let weightless = kind == GroupKind::Select && said.weight == 0;
        let alive = !weightless
            && (!bucket.watches()
                || self.bridge.port(said.watch_port).is_some_and(|port| port.is_live())
                || self.is_group_alive(said.watch_group, depth + 1));
        if !alive {
            self.note(NodeKind::Detail, || {
                let mut why = Vec::new();
                if said.watch_port != OfPort::NONE {
                    why.push(format!("port {}", said.watch_port.0));
                }
                if said.watch_group != GroupId::ANY {
                    why.push(format!("port {}", said.watch_group.0)); // sic, for a group too
                }
                format!("bucket {}: not live due to {}", said.id, why.join(" and "))
            });
        }
        alive
    }

    /// A group is alive while one of its buckets is.
    fn is_group_alive(&mut self, id: GroupId, depth: u32) -> bool {
        if id == GroupId::ANY {
            return false;
        }
        match self.find_group(id) {
            Some(group) => group.buckets.iter().any(|bucket| self.is_alive(group.kind, bucket, depth)),
            None => false,
        }
    }

    fn note_choice(&mut self, chosen: Option<&Arc<Bucket>>) {
        self.note(NodeKind::Detail, || match chosen {
            Some(bucket) => format!("using bucket {}", bucket.said.id),
            None => "no live bucket".into(),
        });
    }
}
