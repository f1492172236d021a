//! Whether actions make sense before they are stored: unsupported ones, ports and tables that cannot be, fields that the
//! match does not promise.
//!
//! Invariant: what this accepts, translation can do. A flow that could only be half obeyed is refused with the error that
//! the specifications give.

mod headers;
mod stateful;

use weft_flow::field::Prerequisite;
use weft_flow::{FieldId, Match, OfPort};
use weft_openflow::action::{Action, SetField, SetForm, SubField};
use weft_openflow::{ErrorCode, Instructions, TableId};

use crate::flow_table::HIDDEN_TABLE;

/// What a frame is known to be at some point of an action list.
#[derive(Clone)]
struct Known {
    eth_type: Option<u16>,
    nw_proto: Option<u8>,
    /// Whether there certainly is a tag.
    tagged: bool,
    /// Whether there is an Ethernet header.
    ethernet: bool,
    /// Whether conntrack certainly knows it.
    tracked: bool,
    /// It is a packet at hand: what it is shows when the actions run.
    at_hand: bool,
}

impl Known {
    fn of(matching: &Match) -> Known {
        let exact = |field: FieldId| matching.is_exact(field).then(|| matching.get(field).0);
        let (tci, bits) = matching.get(FieldId::VlanTci);
        Known {
            eth_type: headers::eth_type(matching),
            nw_proto: exact(FieldId::NwProto).map(|v| v as u8),
            tagged: tci & bits & 0x1000 != 0,
            ethernet: headers::is_ethernet(matching),
            tracked: headers::is_tracked(matching),
            at_hand: false,
        }
    }

    fn promises(&self, what: Prerequisite) -> bool {
        let ip = matches!(self.eth_type, Some(0x0800 | 0x86dd));
        let l4 = |proto: u8| ip && self.nw_proto == Some(proto);
        match what {
            _ if self.at_hand => true,
            Prerequisite::None | Prerequisite::Ct => true,
            Prerequisite::Ethernet => self.ethernet,
            Prerequisite::Arp => matches!(self.eth_type, Some(0x0806 | 0x8035)),
            Prerequisite::Vlan => self.tagged,
            Prerequisite::Ipv4 => self.eth_type == Some(0x0800),
            Prerequisite::Ipv6 => self.eth_type == Some(0x86dd),
            Prerequisite::Ip => ip,
            Prerequisite::Nsh => self.eth_type == Some(0x894f),
            Prerequisite::Mpls => matches!(self.eth_type, Some(0x8847 | 0x8848)),
            Prerequisite::Tcp => l4(6),
            Prerequisite::Udp => l4(17),
            Prerequisite::Sctp => l4(132),
            Prerequisite::Icmpv4 => self.eth_type == Some(0x0800) && l4(1),
            Prerequisite::Icmpv6 | Prerequisite::Nd | Prerequisite::NdSolicit | Prerequisite::NdAdvert => {
                self.eth_type == Some(0x86dd) && l4(58)
            }
        }
    }
}

/// Check a flow's instructions. `strict`: fields that the match does not promise are an error (OpenFlow 1.1 and later).
pub(crate) fn instructions(of: &Instructions, matching: &Match, table: TableId, strict: bool) -> Result<(), ErrorCode> {
    if let Some(to) = of.goto_table
        && (to <= table || to > HIDDEN_TABLE)
    {
        return Err(ErrorCode::OFPBIC_BAD_TABLE_ID);
    }
    stateful::conjunctions(of)?;
    stateful::meters(of)?;
    let known = Known::of(matching);
    list(&of.apply, &mut known.clone(), strict)?;
    // what the packet will be when they run nobody can say
    let mut later = Known { at_hand: true, tracked: true, ..known };
    list(of.write_actions.as_deref().unwrap_or_default(), &mut later, false)
}

/// Check a packet-out's actions.
pub(crate) fn packet_out(actions: &[Action]) -> Result<(), ErrorCode> {
    list(actions, &mut Known { at_hand: true, tracked: true, ..Known::of(&Match::any()) }, false)
}

fn list(actions: &[Action], known: &mut Known, strict: bool) -> Result<(), ErrorCode> {
    actions.iter().try_for_each(|action| one(action, known, strict))
}

fn one(action: &Action, known: &mut Known, strict: bool) -> Result<(), ErrorCode> {
    let promised = |known: &Known, what| match strict && !known.promises(what) {
        true => Err(ErrorCode::OFPBAC_MATCH_INCONSISTENT),
        false => Ok(()),
    };
    let readable = |known: &Known, sub: &SubField| promised(known, sub.field.field().prerequisite);
    let writable = |known: &Known, sub: &SubField| match sub.field.field().writable {
        true => promised(known, sub.field.field().prerequisite),
        false => Err(ErrorCode::OFPBAC_BAD_SET_ARGUMENT),
    };
    match action {
        Action::Output { port, .. } | Action::OutputTrunc { port, .. } => output(*port),
        Action::Enqueue { port, .. } => match *port {
            OfPort::IN_PORT | OfPort::LOCAL => Ok(()),
            port if port.is_ordinary() => Ok(()),
            _ => Err(ErrorCode::OFPBAC_BAD_OUT_PORT),
        },
        Action::OutputReg { src, .. } => readable(known, src),
        Action::SetQueue(_) | Action::PopQueue | Action::Note(_) | Action::Exit => Ok(()),
        Action::DebugRecirc | Action::DebugSlow => Ok(()),
        Action::Resubmit(to) => headers::resubmit(to, known),
        Action::Controller(_) => Ok(()),
        Action::SetField(set) => set_field(set, known, strict),
        Action::SetTunnelOption(_) | Action::DeleteField(_) => Ok(()),
        Action::SetVlanVid { push, .. } | Action::SetVlanPcp { push, .. } => {
            if !push {
                promised(known, Prerequisite::Vlan)?;
            }
            known.tagged = true;
            Ok(())
        }
        // taking off a tag that is not there does nothing
        Action::StripVlan(_) => {
            known.tagged = false;
            Ok(())
        }
        Action::PushVlan { ethertype: 0x8100 | 0x88a8 } => {
            known.tagged = true;
            Ok(())
        }
        Action::PushVlan { .. } => Err(ErrorCode::OFPBAC_BAD_ARGUMENT),
        Action::DecTtl(_) => promised(known, Prerequisite::Ip),
        Action::Move { src, dst } => {
            readable(known, src)?;
            writable(known, dst)
        }
        Action::Push(src) => readable(known, src),
        Action::Pop(dst) => writable(known, dst),
        Action::Learn(learn) => stateful::learn(learn, known, strict),
        Action::FinTimeout { .. } => stateful::fin_timeout(known, strict),
        Action::Conjunction { .. } | Action::Meter(_) | Action::Sample(_) => Ok(()),
        Action::CheckPktLarger { dst, .. } => writable(known, dst),
        Action::Clone(inner) => list(inner, &mut known.clone(), strict),
        Action::PushMpls { .. } | Action::PopMpls { .. } | Action::DecMplsTtl => headers::check(action, known, strict),
        Action::Ct(_) | Action::CtClear | Action::Nat(_) => headers::check(action, known, strict),
        Action::Bundle(bundle) => bundle.dst.iter().try_for_each(|dst| writable(known, dst)),
        Action::Multipath(to) => writable(known, &to.dst),
        // whether it is there is looked up when the tables are at hand
        Action::Group(_) => Ok(()),
        Action::DecNshTtl | Action::Encap(_) | Action::Decap { .. } => headers::check(action, known, strict),
    }
}

fn output(port: OfPort) -> Result<(), ErrorCode> {
    match port {
        OfPort::IN_PORT | OfPort::TABLE | OfPort::NORMAL | OfPort::FLOOD | OfPort::ALL | OfPort::CONTROLLER => Ok(()),
        OfPort::LOCAL | OfPort::NONE => Ok(()),
        port if port.0 < OfPort::MAX.0 => Ok(()),
        _ => Err(ErrorCode::OFPBAC_BAD_OUT_PORT),
    }
}

fn set_field(set: &SetField, known: &mut Known, strict: bool) -> Result<(), ErrorCode> {
    let row = set.field.field();
    if !row.writable {
        return Err(ErrorCode::OFPBAC_BAD_SET_ARGUMENT);
    }
    let is_ports = set.form == SetForm::Mod && matches!(set.field, FieldId::TcpSrc | FieldId::TcpDst);
    let promised = if is_ports {
        matches!(known.eth_type, Some(0x0800 | 0x86dd)) && matches!(known.nw_proto, Some(6 | 17 | 132))
    } else {
        known.promises(row.prerequisite)
    };
    if strict && !promised {
        return Err(ErrorCode::OFPBAC_MATCH_INCONSISTENT);
    }
    if set.field == FieldId::VlanTci {
        known.tagged = set.value & 0x1000 != 0;
    }
    Ok(())
}
