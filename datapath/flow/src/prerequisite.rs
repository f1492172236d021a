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
        self == Prerequisite::None || self.holds(&Facts(pattern))
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

    fn holds(self, facts: &Facts<'_>) -> bool {
        use Prerequisite as P;
        match self {
            P::None => true,
            P::Ethernet => facts.other_type().is_none(),
            P::Arp => matches!(facts.eth_type(), Some(0x0806 | 0x8035)),
            P::Vlan => facts.has(FieldId::VlanTci, 0x1000),
            P::Ipv4 => facts.eth_type() == Some(0x0800),
            P::Ipv6 => facts.eth_type() == Some(0x86dd),
            P::Ip => matches!(facts.eth_type(), Some(0x0800 | 0x86dd)),
            P::Nsh => facts.eth_type() == Some(0x894f),
            P::Ct => P::Ip.holds(facts) && facts.ct_valid(),
            P::Mpls => matches!(facts.eth_type(), Some(0x8847 | 0x8848)),
            P::Tcp => facts.transport(6),
            P::Udp => facts.transport(17),
            P::Sctp => facts.transport(132),
            P::Icmpv4 => P::Ipv4.holds(facts) && facts.nw_proto() == Some(1),
            P::Icmpv6 => P::Ipv6.holds(facts) && facts.nw_proto() == Some(58),
            P::NdSolicit => P::Icmpv6.holds(facts) && facts.nd(135),
            P::NdAdvert => P::Icmpv6.holds(facts) && facts.nd(136),
            P::Nd => P::NdSolicit.holds(facts) || P::NdAdvert.holds(facts),
        }
    }
}

/// What a match says that prerequisites ask about, looked up when it is asked for; `None` where it says nothing.
struct Facts<'a>(&'a Match);

impl Facts<'_> {
    fn exact(&self, field: FieldId) -> Option<u128> {
        self.0.is_exact(field).then(|| self.0.get(field).0)
    }

    /// Whether all of these bits are required to be set.
    fn has(&self, field: FieldId, bits: u128) -> bool {
        let (value, mask) = self.0.get(field);
        value & mask & bits == bits
    }

    /// A packet type that is not Ethernet.
    fn other_type(&self) -> Option<u128> {
        let (packet_type, mask) = self.0.get(FieldId::PacketType);
        (mask != 0 && packet_type != 0).then_some(packet_type)
    }

    fn eth_type(&self) -> Option<u16> {
        match self.other_type() {
            // Namespace 1 is that of Ethertypes.
            Some(other) => (other >> 16 == 1).then_some(other as u16),
            None => self.exact(FieldId::EthType).map(|t| t as u16),
        }
    }

    fn nw_proto(&self) -> Option<u8> {
        self.exact(FieldId::NwProto).map(|p| p as u8)
    }

    fn ct_valid(&self) -> bool {
        let ct = self.0.get(FieldId::CtState);
        ct.0 & CT_VALID != 0 || (ct.0 & CT_TRK != 0 && ct.0 & CT_INV == 0 && ct.1 & CT_INV != 0)
    }

    /// Neighbour discovery has code 0; a match may leave that out.
    fn nd(&self, kind: u8) -> bool {
        let code = self.exact(FieldId::Icmpv6Code).map_or(0, |c| c as u8);
        self.exact(FieldId::Icmpv6Type).map(|t| t as u8) == Some(kind) && code == 0
    }

    fn transport(&self, proto: u8) -> bool {
        Prerequisite::Ip.holds(self)
            && self.nw_proto() == Some(proto)
            && !self.has(FieldId::IpFrag, u128::from(FRAG_LATER))
    }
}

/// Whoever is one of these is tracked, and valid: new, est, rel, rpl.
const CT_VALID: u128 = 0b1111;
const CT_INV: u128 = 0x10;
const CT_TRK: u128 = 0x20;
