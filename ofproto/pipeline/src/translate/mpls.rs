//! MPLS: labels pushed, popped, counted down, and what the datapath is told of it.
//!
//! How: a key holds the three outer entries of the label stack. Entries of nothing but zeros are not there as long as no
//! bottom has come. What lies beneath a popped stack is not known before the datapath has looked again: then `was_mpls`
//! is set, and the first action that might need more than Ethernet stops translation ([`Context::waits_for_network`]).
//!
//! Invariant: while the datapath's frame has labels, `base` says what is known of the network header beneath them.

use smallvec::SmallVec;
use weft_flow::action::{SetFields, SetHeader};
use weft_flow::{DpAction, FieldId, FlowKey};
use weft_openflow::PacketInReason;
use weft_openflow::action::{Action, Controller};
use weft_packet::DropReason;

use super::actions::Flow;
use super::fields::{ETH_IPV6, ETH_NSH, eth_type, is_ip};
use super::recirc::GoOn;
use super::trace::NodeKind;
use super::{Context, Failure};

/// How many entries a key holds.
const MAX_LABELS: usize = 3;
/// The bottom of the stack.
pub(super) const BOTTOM: u32 = 0x100;
const ETH_MPLS: u16 = 0x8847;

pub(super) const fn is_mpls(eth_type: u16) -> bool {
    matches!(eth_type, 0x8847 | 0x8848)
}

pub(super) fn entries(key: &FlowKey) -> [u32; MAX_LABELS] {
    [(key.word(25) >> 32) as u32, key.word(25) as u32, (key.word(26) >> 32) as u32]
}

pub(super) fn set_entries(key: &mut FlowKey, [a, b, c]: [u32; MAX_LABELS]) {
    key.set_word(25, u64::from(a) << 32 | u64::from(b));
    key.set_word(26, u64::from(c) << 32 | key.word(26) & 0xffff_ffff);
}

/// How many entries a key has, as far as it knows.
fn count(key: &FlowKey) -> usize {
    if !is_mpls(eth_type(key)) {
        return 0;
    }
    let entries = entries(key);
    match entries.iter().position(|entry| entry & BOTTOM != 0) {
        Some(at) => at + 1,
        None => entries.iter().filter(|entry| **entry != 0).count(),
    }
}

pub(super) fn set_eth_type(key: &mut FlowKey, kind: u16) {
    key.set_word(1, key.word(1) & !0xffff_0000 | u64::from(kind) << 16);
}

/// Forget everything behind the EtherType.
pub(super) fn forget_network(key: &mut FlowKey) {
    key.set_word(1, key.word(1) & !0xffff);
    key.set_word(4, key.word(4) & !0xffff_ffff);
    for word in (5..=14).chain([29]) {
        if key.word(word) != 0 {
            key.set_word(word, 0);
        }
    }
}

impl Context<'_, '_> {
    /// [`count`], having said what it rests on.
    pub(super) fn count_labels(&mut self) -> usize {
        if is_mpls(eth_type(&self.key)) {
            let entries = entries(&self.key);
            for (entry, (word, shift)) in entries.into_iter().zip(PLACES) {
                self.mask.or_word(word, u64::from(BOTTOM) << shift);
                if entry & BOTTOM != 0 {
                    break;
                }
            }
        }
        count(&self.key)
    }

    fn unwildcard_entries(&mut self, which: std::ops::Range<usize>) {
        for (word, shift) in &PLACES[which] {
            self.mask.or_word(*word, 0xffff_ffff << shift);
        }
    }

    pub(super) fn push_mpls(&mut self, kind: u16) {
        let n = self.count_labels();
        if n >= MAX_LABELS {
            return self.fail(Failure::TooManyLabels);
        }
        self.pristine = false;
        let mut stack = entries(&self.key);
        if n > 0 {
            self.unwildcard_entries(0..n);
            stack.copy_within(0..n, 1);
            stack[0] &= !BOTTOM;
        } else {
            self.commit();
            stack = [self.first_entry(), 0, 0];
            forget_network(&mut self.key);
        }
        set_entries(&mut self.key, stack);
        set_eth_type(&mut self.key, kind);
    }

    /// The entry on a packet that had none: explicit null, and what IP says of class and time to live (RFC 3032 §2.1, §2.4.3).
    fn first_entry(&mut self) -> u32 {
        let label = if eth_type(&self.key) == ETH_IPV6 { 2 } else { 0 };
        let (mut class, mut ttl) = (0, 64);
        if is_ip(&self.key) {
            FieldId::IpDscp.unwildcard(&mut self.mask);
            self.unwildcard(FieldId::NwTtl);
            class = FieldId::IpDscp.get(&self.key) as u32 & 7;
            ttl = match FieldId::NwTtl.get(&self.key) as u32 {
                0 => ttl, // as OVS
                ttl => ttl,
            };
        }
        label << 12 | class << 9 | BOTTOM | ttl
    }

    pub(super) fn pop_mpls(&mut self, kind: u16) {
        let n = self.count_labels();
        if n == 0 {
            return;
        }
        let mut stack = entries(&self.key);
        if n == MAX_LABELS && stack[n - 1] & BOTTOM == 0 {
            // nobody knows what would come up
            return self.fail(Failure::TooManyLabels);
        }
        self.pristine = false;
        self.unwildcard_entries(1..n);
        stack.copy_within(1.., 0);
        stack[MAX_LABELS - 1] = 0;
        set_entries(&mut self.key, stack);
        set_eth_type(&mut self.key, kind);
        if !is_mpls(kind) {
            (self.was_mpls, self.network_unknown) = (true, true);
        }
    }

    pub(super) fn dec_mpls_ttl(&mut self) -> Flow {
        if !is_mpls(eth_type(&self.key)) {
            return Flow::Continue;
        }
        self.unwildcard(FieldId::MplsTtl);
        let ttl = FieldId::MplsTtl.get(&self.key);
        if ttl > 1 {
            FieldId::MplsTtl.set(&mut self.key, ttl - 1);
            self.pristine = false;
            return Flow::Continue;
        }
        self.packet_in(&Controller::default(), PacketInReason::INVALID_TTL.0);
        self.note(NodeKind::Warn, || "MPLS decrement TTL exception".into());
        self.no_output(DropReason::TtlExpired);
        Flow::Stop
    }

    /// Whether an action must wait until the datapath has looked beneath a popped label stack; then translation stops.
    #[inline]
    pub(super) fn waits_for_network(&mut self, action: &Action) -> bool {
        if !self.was_mpls || goes_without_network(action) {
            return false;
        }
        self.freeze_and_recirculate(GoOn::Again, None);
        true
    }

    /// No verdict rests on headers that the frame did not have when it came.
    pub(super) fn forget_pushed_headers(&mut self) {
        let labels = is_mpls(self.first_eth_type);
        let service = self.first_eth_type == ETH_NSH;
        for (word, high, low) in
            [(25, labels, labels), (26, labels, service), (27, service, service), (28, service, service)]
        {
            let keep = (u64::from(high) * 0xffff_ffff_0000_0000) | (u64::from(low) * 0xffff_ffff);
            if self.mask.word(word) & !keep != 0 {
                self.mask.set_word(word, self.mask.word(word) & keep);
            }
        }
        // the lower half of this one is IPv6 neighbour discovery's
        if !service && self.mask.word(29) >> 32 != 0 {
            self.mask.set_word(29, self.mask.word(29) & 0xffff_ffff);
        }
    }

    /// The label stack of the datapath's frame becomes ours: entries that agree at the bottom stay.
    pub(super) fn commit_mpls(&mut self) {
        let kind = eth_type(&self.key);
        if !is_mpls(kind) && !is_mpls(eth_type(&self.base)) {
            return;
        }
        let (want, mut have) = (entries(&self.key), entries(&self.base));
        let (n_want, mut n_have) = (count(&self.key), count(&self.base));
        let from_bottom = want[..n_want].iter().rev().zip(have[..n_have].iter().rev());
        let common = from_bottom.take_while(|(a, b)| a == b).count();
        let as_it_came = n_want == n_have;
        while n_have > common {
            if n_have - 1 == common && n_want > common {
                let (new, old) = (want[n_want - n_have], have[0]);
                // an entry that has always been the outer one keeps the bits that nobody looked at
                let bits = match as_it_came && self.out_has_no_labels() {
                    true => {
                        self.mask.or_word(25, u64::from(new ^ old) << 32);
                        (self.mask.word(25) >> 32) as u32
                    }
                    false => u32::MAX,
                };
                self.out.push(DpAction::Set(set_entry(new, bits)));
                break;
            }
            let kind = if n_want == 0 && n_have > 1 { ETH_MPLS } else { kind };
            self.out.push(DpAction::PopMpls { ethertype: kind });
            have.copy_within(1.., 0);
            have[MAX_LABELS - 1] = 0;
            n_have -= 1;
        }
        while n_want > n_have {
            self.out.push(DpAction::PushMpls { ethertype: kind, entry: want[n_want - n_have - 1] });
            n_have += 1;
        }
        set_entries(&mut self.base, want);
        set_eth_type(&mut self.base, kind);
    }

    fn out_has_no_labels(&self) -> bool {
        !self.out.iter().any(|action| matches!(action, DpAction::PushMpls { .. } | DpAction::PopMpls { .. }))
    }
}

/// Where the entries lie in a mask.
const PLACES: [(usize, u32); MAX_LABELS] = [(25, 32), (25, 0), (26, 32)];

fn set_entry(entry: u32, bits: u32) -> SetFields {
    let all = [FieldId::MplsLabel, FieldId::MplsTc, FieldId::MplsTtl, FieldId::MplsBos];
    let part = |field: FieldId| {
        let shift = field.field().shift() - 32;
        let ones = field.field().all_ones();
        (field, u128::from(entry >> shift) & ones, u128::from(bits >> shift) & ones)
    };
    SetFields { header: SetHeader::Mpls, fields: all.into_iter().map(part).collect::<SmallVec<_>>() }
}

/// Whether an action means the same whatever lies beneath the labels.
fn goes_without_network(action: &Action) -> bool {
    match action {
        Action::Output { .. }
        | Action::OutputReg { .. }
        | Action::OutputTrunc { .. }
        | Action::Group(_)
        | Action::Enqueue { .. }
        | Action::SetQueue(_) => true,
        Action::Controller(to) => !to.pause,
        // metadata and layer 2 come before MPLS in the registry
        Action::SetField(set) => set.field < FieldId::MplsLabel,
        _ => false,
    }
}
