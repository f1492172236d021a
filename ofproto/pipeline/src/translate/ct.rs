//! Conntrack: the `ct` and `ct_clear` actions, and looking up under a connection's original addresses.
//!
//! How: a frame that conntrack is shown comes back, if a table is named, as a copy that goes on there; the list at hand goes
//! on with the frame, of which it then knows nothing from conntrack. Zone, mark and label are said with the datapath's
//! action, so they need no commit.

use weft_flow::action::{Ct as DpCt, CtNat, NatDirection};
use weft_flow::{DpAction, FieldId, FlowKey};
use weft_openflow::action::{self, Action, Ct, CtZone, Nat, NatAlgorithm};

use super::fields::is_ip;
use super::trace::NodeKind;
use super::{Context, trace};
use crate::text;

impl<'t> Context<'t, '_> {
    pub(super) fn conntrack(&mut self, ct: &'t Ct) {
        self.commit();
        let zone = match ct.zone {
            CtZone::Immediate(zone) => zone,
            CtZone::Field(field) => self.read(field) as u16,
        };
        if ct.actions.is_empty() {
            self.note(NodeKind::Action, || "drop".into());
        }
        let (mut mark, mut label, mut nat) = ((0, 0), (0, 0), None);
        for inner in &ct.actions {
            self.note(NodeKind::Action, || text::action(inner, &Default::default()));
            let (field, value, mask) = match inner {
                Action::SetField(set) => (set.field, set.value, set.mask),
                Action::Move { src, dst } => {
                    let value = self.read(*src);
                    self.note(NodeKind::Detail, || text::is_now(*dst, value));
                    (dst.field, value << dst.ofs, dst.mask())
                }
                Action::Nat(how) => {
                    nat = Some(translation(how));
                    continue;
                }
                _ => continue,
            };
            let to = if field == FieldId::CtMark { &mut mark } else { &mut label };
            *to = (to.0 & !mask | value & mask, to.1 | mask);
        }
        self.out.push(DpAction::Ct(Box::new(DpCt {
            commit: ct.commit,
            force: ct.force,
            zone,
            mark: (mark.1 != 0).then_some((mark.0 as u32, mark.1 as u32)),
            label: (label.1 != 0).then_some(label),
            helper: match ct.alg {
                21 => Some("ftp".to_owned()),
                69 => Some("tftp".to_owned()),
                _ => None,
            },
            nat,
        })));
        if let Some(table) = ct.table {
            self.conntracked = true;
            let frozen = self.freeze(table, None);
            self.out.push(DpAction::Recirc(frozen.id));
            let detail = "A clone of the packet is forked to recirculate. The forked pipeline will be resumed at table";
            self.note(NodeKind::Detail, || format!("{detail} {}.", table.0));
            if let Some(listener) = self.trace.as_deref_mut() {
                let mut key = self.key.clone();
                key.set_word(0, u64::from(frozen.id) << 32 | key.word(0) & 0xffff_ffff);
                FieldId::CtZone.set(&mut key, zone.into());
                for (field, (value, mask)) in [(FieldId::CtMark, mark), (FieldId::CtLabel, label)] {
                    let old = field.get(&key);
                    field.set(&mut key, old & !mask | value & mask);
                }
                listener.forks.push(trace::Fork { frozen, key, nat });
            }
        }
        self.conntracked = false;
        self.note(NodeKind::Detail, || {
            "Sets the packet to an untracked state, and clears all the conntrack fields.".into()
        });
        forget_connection(&mut self.key);
    }

    pub(super) fn ct_clear(&mut self) {
        if std::mem::take(&mut self.conntracked) {
            self.out.push(DpAction::CtClear);
        }
        forget_connection(&mut self.key);
    }

    /// Look up with the addresses of the connection's first packet in place of the frame's own.
    pub(super) fn resubmit_tracked(&mut self, to: &action::Resubmit) {
        let tracked = FieldId::CtState.get(&self.key) & TRACKED != 0;
        if !(is_ip(&self.key) && tracked && FieldId::CtNwProto.get(&self.key) != 0) {
            return self.note(NodeKind::Error, || "resubmit(ct) with non-tracked or non-IP packet!".into());
        }
        self.swap_tuple = true;
        self.resubmit(&action::Resubmit { ct: false, ..*to });
    }

    /// Exchange the frame's addresses, protocol and ports with those of its connection, in the key and in the mask.
    pub(super) fn swap_tuples(&mut self) {
        for &(word, shift, bits, other, other_shift) in TUPLES {
            let (a, b) = (self.key.get_bits(word, shift, bits), self.key.get_bits(other, other_shift, bits));
            let (c, d) = (self.mask.get_bits(word, shift, bits), self.mask.get_bits(other, other_shift, bits));
            if a != b {
                self.key.set_bits(word, shift, bits, b);
                self.key.set_bits(other, other_shift, bits, a);
            }
            if c != d {
                self.mask.set_bits(word, shift, bits, d);
                self.mask.set_bits(other, other_shift, bits, c);
            }
        }
    }
}

/// Conntrack's fields become those of a frame that it has not seen.
pub(super) fn forget_connection(key: &mut FlowKey) {
    for (word, keep) in
        [(15, 0), (16, 0xffff_ffff), (17, 0), (18, 0), (19, 0), (20, 0), (21, 0), (22, 0), (23, 0), (24, 0xffff_ffff)]
    {
        if key.word(word) & !keep != 0 {
            key.set_word(word, key.word(word) & keep);
        }
    }
}

/// `ct_state` of the flag `trk`.
const TRACKED: u128 = 0x20;

/// (word, shift, bits) of the frame's and (word, shift) of the connection's: addresses, protocol, ports.
const TUPLES: &[(usize, u32, u32, usize, u32)] = &[
    (5, 0, 64, 19, 0),
    (7, 0, 64, 20, 0),
    (8, 0, 64, 21, 0),
    (9, 0, 64, 22, 0),
    (10, 0, 64, 23, 0),
    (1, 0, 8, 15, 8),
    (6, 32, 32, 24, 32),
];

fn translation(nat: &Nat) -> CtNat {
    CtNat {
        direction: nat.direction.map(|direction| match direction {
            action::NatDirection::Source => NatDirection::Source,
            action::NatDirection::Destination => NatDirection::Destination,
        }),
        addresses: nat.addresses,
        ports: nat.ports,
        persistent: nat.persistent,
        hash: nat.algorithm == Some(NatAlgorithm::Hash),
        random: nat.algorithm == Some(NatAlgorithm::Random),
    }
}
