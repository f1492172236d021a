//! Reading and writing fields of the working key, with their prerequisites.

use weft_flow::field::Prerequisite;
use weft_flow::key::OPENFLOW_WORDS;
use weft_flow::tun_metadata::TunValue;
use weft_flow::{FieldId, FlowKey};
use weft_openflow::action::SubField;

use super::Context;

/// The CFI bit of a TCI in a key: "there is a tag".
pub(super) const TAG_PRESENT: u16 = 0x1000;

pub(super) const ETH_IPV4: u16 = 0x0800;
pub(super) const ETH_ARP: u16 = 0x0806;
pub(super) const ETH_RARP: u16 = 0x8035;
pub(super) const ETH_IPV6: u16 = 0x86dd;
pub(super) const ETH_NSH: u16 = 0x894f;

#[inline]
pub(super) fn eth_type(key: &FlowKey) -> u16 {
    (key.word(1) >> 16) as u16
}

#[inline]
pub(super) fn nw_proto(key: &FlowKey) -> u8 {
    key.word(1) as u8
}

#[inline]
pub(super) fn is_ip(key: &FlowKey) -> bool {
    matches!(eth_type(key), ETH_IPV4 | ETH_IPV6)
}

#[inline]
pub(super) fn is_icmp(key: &FlowKey) -> bool {
    matches!((eth_type(key), nw_proto(key)), (ETH_IPV4, 1) | (ETH_IPV6, 58))
}

/// One tag as a key holds it.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tag {
    pub tpid: u16,
    /// With [`TAG_PRESENT`]; 0 if there is no tag.
    pub tci: u16,
}

#[inline]
pub(super) fn outer_tag(key: &FlowKey) -> Tag {
    Tag { tpid: key.word(3) as u16, tci: key.word(2) as u16 }
}

#[inline]
pub(super) fn inner_tag(key: &FlowKey) -> Tag {
    Tag { tpid: (key.word(4) >> 32) as u16, tci: (key.word(4) >> 48) as u16 }
}

pub(super) fn set_tags(key: &mut FlowKey, outer: Tag, inner: Tag) {
    key.set_word(2, key.word(2) & !0xffff | u64::from(outer.tci));
    key.set_word(3, key.word(3) & !0xffff | u64::from(outer.tpid));
    let inner_bits = u64::from(inner.tci) << 48 | u64::from(inner.tpid) << 32;
    if inner_bits != 0 || key.word(4) >> 32 != 0 {
        key.set_word(4, key.word(4) & 0xffff_ffff | inner_bits);
    }
}

/// Of a field's bits those that are its own: beneath nw_tos lies ECN, which is no part of it (ovs-fields(7)).
pub(super) fn carried(field: FieldId, bits: u128) -> u128 {
    if field == FieldId::NwTos { bits & 0xfc } else { bits }
}

impl Context<'_, '_> {
    /// Every bit of both tags matters.
    pub(super) fn unwildcard_tags(&mut self) {
        self.mask.or_word(2, 0xffff);
        self.mask.or_word(4, 0xffff_0000_0000_0000);
        if self.base.word(2) as u16 != 0 {
            self.mask.or_word(3, 0xffff);
            self.mask.or_word(4, 0x0000_ffff_0000_0000);
        }
    }

    pub(super) fn unwildcard(&mut self, field: FieldId) {
        field.unwildcard(&mut self.mask);
    }

    pub(super) fn read(&mut self, sub: SubField) -> u128 {
        if let Some(index) = sub.field.tun_metadata_index() {
            return self.read_option(index, sub);
        }
        let bits = carried(sub.field, sub.mask());
        sub.field.add_mask(&mut self.mask, bits);
        (sub.field.get(&self.key) & bits) >> sub.ofs
    }

    pub(super) fn write(&mut self, sub: SubField, value: u128) {
        if let Some(index) = sub.field.tun_metadata_index() {
            return self.set_option(index, &TunValue::from_bits(value, sub.ofs, sub.n_bits));
        }
        self.write_field(sub.field, value << sub.ofs, sub.mask());
    }

    /// `move`: nothing happens where the frame lacks either field, as a later fragment lacks ports.
    pub(super) fn copy_bits(&mut self, src: SubField, dst: SubField) {
        if self.has(src.field.field().prerequisite) {
            let value = self.read(src);
            self.write(dst, value);
        }
    }

    /// Write the bits of a field, if the frame has that field; whether it has.
    pub(super) fn write_field(&mut self, field: FieldId, value: u128, bits: u128) -> bool {
        let bits = carried(field, bits);
        let row = field.field();
        if row.word() >= OPENFLOW_WORDS || row.word() == 0 {
            let old = field.get(&self.key);
            field.set(&mut self.key, old & !bits | value & bits);
            return true;
        }
        if !self.has(row.prerequisite) {
            return false;
        }
        field.add_mask(&mut self.mask, bits);
        let old = field.get(&self.key);
        field.set(&mut self.key, old & !bits | value & bits);
        self.pristine = false;
        if field == FieldId::VlanTci {
            self.unwildcard_tags();
            self.normalise_tags();
        }
        true
    }

    /// After a write to the whole TCI: a new tag is an 802.1Q one. Without the CFI bit there is none, whatever else is
    /// written; what is written stays to be seen.
    fn normalise_tags(&mut self) {
        let (mut outer, inner) = (outer_tag(&self.key), inner_tag(&self.key));
        if outer.tci & TAG_PRESENT != 0 && outer.tpid == 0 {
            outer.tpid = 0x8100;
        }
        set_tags(&mut self.key, outer, inner);
    }

    /// Whether the frame fulfils a field's prerequisite; what was looked at matters.
    pub(super) fn has(&mut self, what: Prerequisite) -> bool {
        let key = &self.key;
        let (ethernet, eth_type, proto) = (key.word(1) >> 32 == 0, eth_type(key), nw_proto(key));
        let l4 = |ctx: &mut Self, wanted: u8| {
            if !is_ip(&ctx.key) {
                return false;
            }
            ctx.unwildcard(FieldId::NwProto);
            let later = ctx.key.word(1) >> 8 & 0x2 != 0;
            proto == wanted && !later
        };
        match what {
            Prerequisite::None => true,
            Prerequisite::Ethernet => ethernet,
            Prerequisite::Arp => matches!(eth_type, ETH_ARP | ETH_RARP),
            Prerequisite::Vlan => {
                self.mask.or_word(2, u64::from(TAG_PRESENT));
                outer_tag(&self.key).tci & TAG_PRESENT != 0
            }
            Prerequisite::Ipv4 => eth_type == ETH_IPV4,
            Prerequisite::Ipv6 => eth_type == ETH_IPV6,
            Prerequisite::Ip => is_ip(key),
            Prerequisite::Nsh => eth_type == 0x894f,
            Prerequisite::Ct => true,
            Prerequisite::Mpls => matches!(eth_type, 0x8847 | 0x8848),
            Prerequisite::Tcp => l4(self, 6),
            Prerequisite::Udp => l4(self, 17),
            Prerequisite::Sctp => l4(self, 132),
            Prerequisite::Icmpv4 => eth_type == ETH_IPV4 && l4(self, 1),
            Prerequisite::Icmpv6 => eth_type == ETH_IPV6 && l4(self, 58),
            Prerequisite::Nd => eth_type == ETH_IPV6 && l4(self, 58) && self.icmpv6_type_in(&[135, 136]),
            Prerequisite::NdSolicit => eth_type == ETH_IPV6 && l4(self, 58) && self.icmpv6_type_in(&[135]),
            Prerequisite::NdAdvert => eth_type == ETH_IPV6 && l4(self, 58) && self.icmpv6_type_in(&[136]),
        }
    }

    /// Whether this is a first fragment or whole packet of TCP, UDP or SCTP: it has ports.
    pub(super) fn has_ports(&mut self) -> bool {
        is_ip(&self.key) && {
            self.unwildcard(FieldId::NwProto);
            matches!(nw_proto(&self.key), 6 | 17 | 132) && self.key.word(1) >> 8 & 0x2 == 0
        }
    }

    fn icmpv6_type_in(&mut self, types: &[u128]) -> bool {
        self.unwildcard(FieldId::Icmpv6Type);
        self.unwildcard(FieldId::Icmpv6Code);
        types.contains(&FieldId::Icmpv6Type.get(&self.key)) && FieldId::Icmpv6Code.get(&self.key) == 0
    }
}
