//! Actions that change which headers a packet has, and those of conntrack: what they need, and what is known afterwards.

use std::net::IpAddr;

use weft_flow::field::Prerequisite;
use weft_flow::{FieldId, Match};
use weft_openflow::ErrorCode;
use weft_openflow::action::{Action, Ct, CtZone, Encap, Nat, Resubmit};

use super::Known;

const INCONSISTENT: Result<(), ErrorCode> = Err(ErrorCode::OFPBAC_MATCH_INCONSISTENT);

/// Whether a match says that conntrack knows the packet for what it is.
pub(super) fn is_tracked(matching: &Match) -> bool {
    let (value, mask) = matching.get(FieldId::CtState);
    let (set, clear) = (value & mask, mask & !value);
    set & (NEW | ESTABLISHED | RELATED) != 0 || (set & TRACKED != 0 && clear & INVALID != 0)
}

/// Whether a match is for packets with an Ethernet header.
pub(super) fn is_ethernet(matching: &Match) -> bool {
    matching.get(FieldId::PacketType).0 == 0
}

/// The EtherType that a match promises, be it one of a packet without an Ethernet header.
pub(super) fn eth_type(matching: &Match) -> Option<u16> {
    if !is_ethernet(matching) {
        return Some(matching.get(FieldId::PacketType).0 as u16);
    }
    matching.is_exact(FieldId::EthType).then(|| matching.get(FieldId::EthType).0 as u16)
}

pub(super) fn check(action: &Action, known: &mut Known, strict: bool) -> Result<(), ErrorCode> {
    let promised = |known: &Known, what| if strict && !known.promises(what) { INCONSISTENT } else { Ok(()) };
    match action {
        Action::PushMpls { ethertype: 0x8847 | 0x8848 } => known.becomes(action_ethertype(action)),
        Action::PushMpls { .. } => return Err(ErrorCode::OFPBAC_BAD_ARGUMENT),
        Action::PopMpls { .. } => {
            promised(known, Prerequisite::Mpls)?;
            known.becomes(action_ethertype(action));
        }
        Action::DecMplsTtl => promised(known, Prerequisite::Mpls)?,
        Action::DecNshTtl => promised(known, Prerequisite::Nsh)?,
        Action::Encap(what) => match what {
            Encap::Ethernet => known.ethernet = true,
            Encap::Nsh { .. } => (known.eth_type, known.nw_proto, known.ethernet) = (Some(0x894f), None, false),
            Encap::Mpls { ethertype } => {
                (known.eth_type, known.nw_proto, known.ethernet) = (Some(*ethertype), None, false);
            }
        },
        Action::Decap { .. } if known.ethernet => known.ethernet = false,
        // what comes up shows only in the packet
        Action::Decap { .. } => (known.eth_type, known.nw_proto) = (None, None),
        Action::Ct(ct) => conntrack(ct, known)?,
        Action::CtClear => {}
        Action::Nat(_) => return Err(ErrorCode::OFPBAC_BAD_ARGUMENT),
        _ => return Err(ErrorCode::OFPBAC_BAD_TYPE),
    }
    Ok(())
}

pub(super) fn resubmit(to: &Resubmit, known: &Known) -> Result<(), ErrorCode> {
    if to.ct && !(known.tracked && known.promises(Prerequisite::Ip)) { INCONSISTENT } else { Ok(()) }
}

fn conntrack(ct: &Ct, known: &Known) -> Result<(), ErrorCode> {
    if !known.promises(Prerequisite::Ip) {
        return INCONSISTENT;
    }
    match ct.alg {
        21 if !known.promises(Prerequisite::Tcp) => return INCONSISTENT,
        69 if !known.promises(Prerequisite::Udp) => return INCONSISTENT,
        _ => {}
    }
    if let CtZone::Field(field) = ct.zone
        && !known.promises(field.field.field().prerequisite)
    {
        return INCONSISTENT;
    }
    if ct.force && !ct.commit {
        return Err(ErrorCode::OFPBAC_BAD_ARGUMENT);
    }
    ct.actions.iter().try_for_each(|inner| match inner {
        Action::Nat(nat) => translation(nat, ct, known),
        // a connection's mark and label are written when it is committed
        Action::SetField(set) if matches!(set.field, FieldId::CtMark | FieldId::CtLabel) => {
            if ct.commit {
                Ok(())
            } else {
                Err(ErrorCode::OFPBAC_BAD_ARGUMENT)
            }
        }
        Action::Move { src, dst } if matches!(dst.field, FieldId::CtMark | FieldId::CtLabel) => {
            if !ct.commit {
                return Err(ErrorCode::OFPBAC_BAD_ARGUMENT);
            }
            if known.promises(src.field.field().prerequisite) { Ok(()) } else { INCONSISTENT }
        }
        _ => Err(ErrorCode::OFPBAC_BAD_ARGUMENT),
    })
}

fn translation(nat: &Nat, ct: &Ct, known: &Known) -> Result<(), ErrorCode> {
    if nat.direction.is_some() && !ct.commit {
        return Err(ErrorCode::OFPBAC_BAD_ARGUMENT);
    }
    let fits = match nat.addresses {
        Some((IpAddr::V4(_), _)) => known.promises(Prerequisite::Ipv4),
        Some((IpAddr::V6(_), _)) => known.promises(Prerequisite::Ipv6),
        None => true,
    };
    if fits { Ok(()) } else { INCONSISTENT }
}

fn action_ethertype(action: &Action) -> u16 {
    match action {
        Action::PushMpls { ethertype } | Action::PopMpls { ethertype } => *ethertype,
        _ => 0,
    }
}

impl Known {
    /// Another network header is the outer one now.
    fn becomes(&mut self, ethertype: u16) {
        (self.eth_type, self.nw_proto) = (Some(ethertype), None);
    }
}

const NEW: u128 = 0x01;
const ESTABLISHED: u128 = 0x02;
const RELATED: u128 = 0x04;
const INVALID: u128 = 0x10;
const TRACKED: u128 = 0x20;
