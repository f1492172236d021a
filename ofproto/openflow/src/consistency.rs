//! Whether a flow's actions fit what it matches (ovs-actions(7), "Error Handling"; ovs-fields(7), "Prerequisites"), before
//! any switch sees it.
//!
//! Two kinds of trouble: some actions need a header that the match must promise, or they are wrong in every version;
//! others are the legacy of OpenFlow 1.0, where they do nothing to other packets, and only rule out later versions.
//!
//! ```text
//!   match ──> Known ──action──> Known ──action──> ...     (what a packet certainly is at each action)
//! ```

use std::borrow::Cow;

use weft_flow::field::Prerequisite;
use weft_flow::{FieldId, Match, OfPort};

use crate::action::{Action, CtZone, Encap, LearnDst, LearnSrc, SetField, SetForm, SubField};
use crate::error::ErrorCode;
use crate::ids::{MeterId, TableId};
use crate::instruction::Instructions;
use crate::text::notes::Note;
use crate::text::usable::Protocols;

/// Checks a flow's instructions. Takes the forms away that cannot say them; tells what is wrong in `notes`.
///
/// # Errors
/// The error that a switch would answer with.
pub fn check(
    instructions: &Instructions,
    matching: &Match,
    table: TableId,
    usable: &mut Protocols,
    notes: &mut Vec<Note>,
) -> Result<(), ErrorCode> {
    if let Some(meter) = instructions.meter {
        known_meter(meter)?;
        *usable = usable.and(Protocols::OPENFLOW13_UP);
    }
    let mut check = Check { usable: *usable, legacy: true, notes };
    check.list(&instructions.apply, &mut Known::of(matching))?;
    let mut allowed = check.usable;
    if let Some(set) = &instructions.write_actions {
        // The action set runs later, on who knows what: only certain errors count.
        let mut check = Check { usable: allowed, legacy: false, notes };
        check.list(set, &mut Known::of(matching))?;
        allowed = check.usable;
    }
    if instructions.write_metadata.is_some() {
        allowed = allowed.and(Protocols::of_field(FieldId::Metadata, u64::MAX.into()));
    }
    if let Some(to) = instructions.goto_table
        && table != TableId::ALL
        && to <= table
    {
        return Err(ErrorCode::OFPBIC_BAD_TABLE_ID);
    }
    *usable = allowed;
    match usable.is_empty() {
        true => Err(ErrorCode::OFPBAC_MATCH_INCONSISTENT),
        false => Ok(()),
    }
}

/// What every packet is at some point of an action list.
#[derive(Clone)]
struct Known<'a> {
    matching: Cow<'a, Match>,
    /// VLAN tags that are certainly there.
    tags: u8,
}

impl Known<'_> {
    fn of(matching: &Match) -> Known<'_> {
        let (tci, bits) = matching.get(FieldId::VlanTci);
        Known { matching: Cow::Borrowed(matching), tags: u8::from(tci & bits & 0x1000 != 0) }
    }

    fn promises(&self, what: Prerequisite) -> bool {
        match what {
            // A conntrack field can be read in every IP packet.
            Prerequisite::Ct => Prerequisite::Ip.met(&self.matching),
            Prerequisite::NdSolicit => self.is_neighbor(&[135]),
            Prerequisite::NdAdvert => self.is_neighbor(&[136]),
            Prerequisite::Nd => self.is_neighbor(&[135, 136]),
            what => what.met(&self.matching),
        }
    }

    /// Whether the packet has certainly been through conntrack, which took it.
    fn is_tracked(&self) -> bool {
        const INVALID: u128 = 0x10;
        const TRACKED: u128 = 0x20;
        let (state, mask) = self.matching.get(FieldId::CtState);
        (state & mask & (INVALID | TRACKED), mask & (INVALID | TRACKED)) == (TRACKED, INVALID | TRACKED)
    }

    /// Neighbor discovery, where the match does not say otherwise of the code.
    fn is_neighbor(&self, types: &[u128]) -> bool {
        let (kind, code) = (self.matching.get(FieldId::Icmpv6Type), self.matching.get(FieldId::Icmpv6Code).0);
        Prerequisite::Icmpv6.met(&self.matching) && kind.1 != 0 && types.contains(&kind.0) && code == 0
    }

    fn set_tagged(&mut self, tags: u8) {
        self.tags = tags;
        let tci = if tags == 0 { 0 } else { 0x1000 };
        self.matching.to_mut().set_masked(FieldId::VlanTci, tci, 0x1000);
    }

    fn become_type(&mut self, eth_type: u16) {
        if self.matching.get(FieldId::PacketType).1 != 0 && self.matching.get(FieldId::PacketType).0 != 0 {
            self.matching.to_mut().set(FieldId::PacketType, 1 << 16 | u128::from(eth_type));
        } else {
            self.matching.to_mut().set(FieldId::EthType, eth_type.into());
        }
        self.matching.to_mut().set_masked(FieldId::NwProto, 0, 0);
    }
}

struct Check<'a> {
    usable: Protocols,
    /// Whether actions that do nothing to some packets rule out later versions.
    legacy: bool,
    notes: &'a mut Vec<Note>,
}

type Checked = Result<(), ErrorCode>;

impl Check<'_> {
    fn list(&mut self, actions: &[Action], known: &mut Known<'_>) -> Checked {
        actions.iter().try_for_each(|action| self.one(action, known))
    }

    /// A legacy of OpenFlow 1.0: later versions refuse it.
    fn only_old_unless(&mut self, fits: bool) {
        if self.legacy && !fits {
            self.usable = self.usable.and(Protocols::OPENFLOW10.or(Protocols::NXM));
        }
    }

    fn read(&mut self, known: &Known<'_>, sub: SubField) -> Checked {
        let field = sub.field.field();
        if known.promises(field.prerequisite) {
            return Ok(());
        }
        self.notes.push(Note::warn("meta_flow", format!("source field {} lacks correct prerequisites", field.name)));
        Err(ErrorCode::OFPBAC_MATCH_INCONSISTENT)
    }

    fn write(&mut self, known: &Known<'_>, field: FieldId) -> Checked {
        let field = field.field();
        if !known.promises(field.prerequisite) {
            let text = format!("destination field {} lacks correct prerequisites", field.name);
            self.notes.push(Note::warn("meta_flow", text));
            return Err(ErrorCode::OFPBAC_MATCH_INCONSISTENT);
        }
        if !field.writable {
            self.notes.push(Note::warn("meta_flow", format!("destination field {} is not writable", field.name)));
            return Err(ErrorCode::OFPBAC_BAD_SET_ARGUMENT);
        }
        Ok(())
    }

    fn one(&mut self, action: &Action, known: &mut Known<'_>) -> Checked {
        match action {
            Action::Output { port, .. } | Action::OutputTrunc { port, .. } => return output(*port),
            Action::Enqueue { port, .. } => return enqueue(*port),
            Action::OutputReg { src, .. } => return self.read(known, *src),
            Action::Bundle(bundle) => {
                if let Some(dst) = bundle.dst {
                    return self.write(known, dst.field);
                }
            }
            Action::Multipath(multipath) => return self.write(known, multipath.dst.field),
            Action::SetTunnelOption(_) => self.usable = self.usable.and(Protocols::NXM.or(Protocols::OXM)),
            Action::SetField(set) => return self.set_field(set, known),
            Action::SetVlanVid { push, .. } | Action::SetVlanPcp { push, .. } => {
                self.only_old_unless(*push || known.tags > 0);
                if known.tags == 0 {
                    known.set_tagged(1);
                }
            }
            Action::StripVlan(_) => {
                self.only_old_unless(known.tags > 0);
                known.set_tagged(known.tags.saturating_sub(1));
            }
            Action::PushVlan { .. } => {
                if known.tags >= MAX_TAGS {
                    return Err(ErrorCode::OFPBAC_BAD_TAG);
                }
                self.usable = self.usable.and(Protocols::OXM.or(Protocols::OPENFLOW11));
                known.set_tagged(known.tags + 1);
            }
            Action::PushMpls { ethertype } => {
                self.only_old_unless(Prerequisite::Ethernet.met(&known.matching));
                known.become_type(*ethertype);
            }
            Action::PopMpls { ethertype } => {
                self.only_old_unless(known.promises(Prerequisite::Mpls));
                known.become_type(*ethertype);
            }
            Action::DecMplsTtl => self.only_old_unless(known.promises(Prerequisite::Mpls)),
            Action::DecTtl(_) => self.only_old_unless(known.promises(Prerequisite::Ip)),
            Action::DecNshTtl => self.only_old_unless(known.promises(Prerequisite::Nsh)),
            Action::FinTimeout { .. } => self.only_old_unless(known.promises(Prerequisite::Tcp)),
            Action::Move { src, dst } => {
                self.read(known, *src)?;
                return self.write(known, dst.field);
            }
            Action::Push(src) => return self.read(known, *src),
            Action::Pop(dst) => return self.write(known, dst.field),
            Action::DeleteField(field) if !field.field().name.starts_with("tun_metadata") => {
                return Err(ErrorCode::OFPBAC_BAD_ARGUMENT);
            }
            Action::Encap(encap) => {
                self.usable = self.usable.and(Protocols::OPENFLOW13_UP);
                match encap {
                    Encap::Ethernet => known.matching.to_mut().set(FieldId::PacketType, 0),
                    Encap::Nsh { .. } => known.matching.to_mut().set(FieldId::PacketType, 0x1_894f),
                    Encap::Mpls { ethertype } => {
                        known.matching.to_mut().set(FieldId::PacketType, 1 << 16 | u128::from(*ethertype));
                    }
                }
            }
            Action::Decap { .. } => {
                // What lies beneath is for the switch to see.
                known.matching.to_mut().set_masked(FieldId::PacketType, 0, 0);
                known.matching.to_mut().set_masked(FieldId::EthType, 0, 0);
                known.matching.to_mut().set_masked(FieldId::NwProto, 0, 0);
            }
            Action::Learn(learn) => return self.learn(learn, known),
            Action::Clone(inner) => return self.list(inner, &mut known.clone()),
            Action::Resubmit(to) if to.ct && !known.is_tracked() => {
                return Err(ErrorCode::OFPBAC_MATCH_INCONSISTENT);
            }
            Action::Ct(ct) => {
                let alg_fits = match ct.alg {
                    21 => known.promises(Prerequisite::Tcp),
                    69 => known.promises(Prerequisite::Udp),
                    _ => true,
                };
                if !known.promises(Prerequisite::Ip) || !alg_fits {
                    return Err(ErrorCode::OFPBAC_MATCH_INCONSISTENT);
                }
                if let CtZone::Field(zone) = ct.zone {
                    self.read(known, zone)?;
                }
                return self.list(&ct.actions, &mut known.clone());
            }
            Action::Nat(nat) => {
                let fits = match nat.addresses {
                    Some((low, _)) if low.is_ipv4() => known.promises(Prerequisite::Ipv4),
                    Some(_) => known.promises(Prerequisite::Ipv6),
                    None => true,
                };
                if !fits {
                    return Err(ErrorCode::OFPBAC_MATCH_INCONSISTENT);
                }
            }
            Action::Meter(meter) => {
                known_meter(*meter)?;
                self.usable = self.usable.and(Protocols::OPENFLOW13_UP);
            }
            Action::DeleteField(_)
            | Action::Controller(_)
            | Action::SetQueue(_)
            | Action::PopQueue
            | Action::Group(_)
            | Action::Resubmit(_)
            | Action::Conjunction { .. }
            | Action::CtClear
            | Action::Sample(_)
            | Action::CheckPktLarger { .. }
            | Action::Note(_)
            | Action::Exit
            | Action::DebugRecirc
            | Action::DebugSlow => {}
        }
        Ok(())
    }

    fn set_field(&mut self, set: &SetField, known: &mut Known<'_>) -> Checked {
        let field = set.field.field();
        if matches!(set.form, SetForm::Mod | SetForm::Mod64) {
            let fits = match set.field {
                FieldId::TcpSrc
                | FieldId::TcpDst
                | FieldId::UdpSrc
                | FieldId::UdpDst
                | FieldId::SctpSrc
                | FieldId::SctpDst => [Prerequisite::Tcp, Prerequisite::Udp, Prerequisite::Sctp]
                    .into_iter()
                    .any(|transport| known.promises(transport)),
                FieldId::EthSrc | FieldId::EthDst => true,
                _ => known.promises(field.prerequisite),
            };
            self.only_old_unless(fits);
            return Ok(());
        }
        if set.form == SetForm::SetField {
            self.usable = self.usable.and(Protocols::of_field(set.field, field.all_ones()));
        }
        // Writing the VLAN's number does not push a tag.
        let untagged = set.field == FieldId::VlanVid && known.tags == 0;
        if untagged || !known.promises(field.prerequisite) {
            let text = format!("set_field {} lacks correct prerequisites", field.name);
            self.notes.push(Note::warn("ofp_actions", text));
            return Err(ErrorCode::OFPBAC_MATCH_INCONSISTENT);
        }
        if set.field == FieldId::VlanTci && set.mask & 0x1000 != 0 {
            known.set_tagged(if set.value & 0x1000 != 0 { known.tags.max(1) } else { 0 });
        }
        Ok(())
    }

    fn learn(&mut self, learn: &crate::action::Learn, known: &Known<'_>) -> Checked {
        // What the learned flow will match, as far as it is known here.
        let any = Match::any();
        let mut learned = Known::of(&any);
        for spec in &learn.specs {
            if let LearnSrc::Field(src) = spec.src {
                self.read(known, src)?;
            }
            match (spec.dst, spec.src) {
                (LearnDst::Match(dst), src) => {
                    self.read(&learned, dst)?;
                    if let LearnSrc::Immediate(value) = src {
                        let (old, bits) = learned.matching.get(dst.field);
                        let shifted = value.checked_shl(dst.ofs.into()).unwrap_or(0);
                        let value = old & !dst.mask() | shifted & dst.mask();
                        learned.matching.to_mut().set_masked(dst.field, value, bits | dst.mask());
                    }
                }
                (LearnDst::Load(dst), _) => self.write(&learned, dst.field)?,
                (LearnDst::Output, _) => {}
            }
        }
        Ok(())
    }
}

/// As many VLAN tags as are looked at.
const MAX_TAGS: u8 = 2;

fn output(port: OfPort) -> Checked {
    match port {
        OfPort::IN_PORT | OfPort::TABLE | OfPort::NORMAL | OfPort::FLOOD | OfPort::ALL => Ok(()),
        OfPort::CONTROLLER | OfPort::LOCAL => Ok(()),
        port if port.0 < OfPort::MAX.0 => Ok(()),
        _ => Err(ErrorCode::OFPBAC_BAD_OUT_PORT),
    }
}

fn enqueue(port: OfPort) -> Checked {
    match port {
        OfPort::IN_PORT | OfPort::LOCAL => Ok(()),
        port if port.0 < OfPort::MAX.0 => Ok(()),
        _ => Err(ErrorCode::OFPBAC_BAD_OUT_PORT),
    }
}

fn known_meter(meter: MeterId) -> Checked {
    match meter.0 {
        1..=0xffff_0000 => Ok(()),
        _ => Err(ErrorCode::OFPMMFC_INVALID_METER),
    }
}
