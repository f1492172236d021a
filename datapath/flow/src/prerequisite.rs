//! Prerequisites: what must be matched before a field can be (ovs-fields(7), "Prerequisites").
//!
//! [`Prerequisite::met`] is what codecs ask of a match, [`Prerequisite::met_by`] what actions ask of a frame.

use crate::extract::FRAG_LATER;
use crate::field::{FieldId, Prerequisite};
use crate::key::FlowKey;
use crate::matching::Match;

impl Prerequisite {
    /// Whether a match requires what this prerequisite asks for.
    pub fn met(self, pattern: &Match) -> bool {
        let facts = Facts::of_match(pattern);
        self.holds(&facts)
    }

    /// Whether a frame has the header in question (for `set_field` and friends).
    pub fn met_by(self, key: &FlowKey) -> bool {
        let mut pattern = Match::any();
        for field in [
            FieldId::PacketType,
            FieldId::EthType,
            FieldId::NwProto,
            FieldId::VlanTci,
            FieldId::IpFrag,
            FieldId::CtState,
            FieldId::TcpSrc,
            FieldId::TcpDst,
        ] {
            pattern.set(field, field.get(key));
        }
        self.met(&pattern)
    }

    fn holds(self, facts: &Facts) -> bool {
        use Prerequisite as P;
        match self {
            P::None => true,
            P::Ethernet => facts.ethernet,
            P::Arp => matches!(facts.eth_type, Some(0x0806 | 0x8035)),
            P::Vlan => facts.vlan,
            P::Ipv4 => facts.eth_type == Some(0x0800),
            P::Ipv6 => facts.eth_type == Some(0x86dd),
            P::Ip => matches!(facts.eth_type, Some(0x0800 | 0x86dd)),
            P::Nsh => facts.eth_type == Some(0x894f),
            P::Ct => P::Ip.holds(facts) && facts.ct_valid,
            P::Mpls => matches!(facts.eth_type, Some(0x8847 | 0x8848)),
            P::Tcp => facts.transport(6),
            P::Udp => facts.transport(17),
            P::Sctp => facts.transport(132),
            P::Icmpv4 => P::Ipv4.holds(facts) && facts.nw_proto == Some(1),
            P::Icmpv6 => P::Ipv6.holds(facts) && facts.nw_proto == Some(58),
            P::NdSolicit => P::Icmpv6.holds(facts) && facts.nd(135),
            P::NdAdvert => P::Icmpv6.holds(facts) && facts.nd(136),
            P::Nd => P::NdSolicit.holds(facts) || P::NdAdvert.holds(facts),
        }
    }
}

/// What a match says that prerequisites ask about; `None` where it says nothing.
struct Facts {
    ethernet: bool,
    eth_type: Option<u16>,
    nw_proto: Option<u8>,
    vlan: bool,
    later_fragment: bool,
    ct_valid: bool,
    icmp: (Option<u8>, Option<u8>),
}

impl Facts {
    fn of_match(pattern: &Match) -> Facts {
        let exact = |field: FieldId| pattern.is_exact(field).then(|| pattern.get(field).0);
        let (packet_type, packet_type_mask) = pattern.get(FieldId::PacketType);
        let other_type = packet_type_mask != 0 && packet_type != 0;
        let ct = pattern.get(FieldId::CtState);
        let (tci, tci_mask) = pattern.get(FieldId::VlanTci);
        let (frag, frag_mask) = pattern.get(FieldId::IpFrag);
        Facts {
            ethernet: !other_type,
            eth_type: if other_type {
                // Namespace 1 is that of Ethertypes.
                (packet_type >> 16 == 1).then_some(packet_type as u16)
            } else {
                exact(FieldId::EthType).map(|t| t as u16)
            },
            nw_proto: exact(FieldId::NwProto).map(|p| p as u8),
            vlan: tci & tci_mask & 0x1000 != 0,
            later_fragment: frag & frag_mask & u128::from(FRAG_LATER) != 0,
            ct_valid: ct.0 & CT_VALID != 0 || (ct.0 & CT_TRK != 0 && ct.0 & CT_INV == 0 && ct.1 & CT_INV != 0),
            icmp: (exact(FieldId::Icmpv6Type).map(|t| t as u8), exact(FieldId::Icmpv6Code).map(|c| c as u8)),
        }
    }

    /// Neighbour discovery has code 0; a match may leave that out.
    fn nd(&self, kind: u8) -> bool {
        self.icmp.0 == Some(kind) && self.icmp.1.unwrap_or(0) == 0
    }

    fn transport(&self, proto: u8) -> bool {
        Prerequisite::Ip.holds(self) && self.nw_proto == Some(proto) && !self.later_fragment
    }
}

/// Whoever is one of these is tracked, and valid: new, est, rel, rpl.
const CT_VALID: u128 = 0b1111;
const CT_INV: u128 = 0x10;
const CT_TRK: u128 = 0x20;
