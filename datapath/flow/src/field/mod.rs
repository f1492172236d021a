//! The field registry: one row per field, everything else (parsing, printing, OXM, matching, set_field) reads it.

mod id;
mod index;
mod table;

pub use id::FieldId;

use crate::{FlowKey, FlowMask};

/// One field of ovs-fields(7).
#[derive(Debug)]
pub struct Field {
    /// Which one.
    pub id: FieldId,
    /// The name that the tools print.
    pub name: &'static str,
    /// Other names that the tools take.
    pub aliases: &'static [&'static str],
    /// Width on the wire (OXM payload), in bits; a multiple of 8.
    pub wire_bits: u16,
    /// Low-order bits that may be other than zero.
    pub bits: u16,
    /// How the tools write it.
    pub form: FieldForm,
    /// Which masks it takes.
    pub masking: Masking,
    /// What must be matched before it can be.
    pub prerequisite: Prerequisite,
    /// Whether actions may write it.
    pub writable: bool,
    /// Its OXM and NXM identities, NXM first; empty for fields that only the tools or the datapath know.
    pub oxm: &'static [OxmId],
    word: u8,
    shift: u8,
    /// `bits`, but 0 for what has no fixed place in a key.
    key_bits: u8,
}

/// An OXM or NXM identity (OpenFlow 1.5 §7.2.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OxmId {
    /// oxm_class.
    pub class: u16,
    /// Experimenter id where `class` is 0xffff, else 0.
    pub vendor: u32,
    /// oxm_field.
    pub field: u8,
    /// The name in the specification.
    pub name: &'static str,
    /// The OpenFlow wire version (3 = 1.2 ... 6 = 1.5) that introduced it, 0 for Nicira's.
    pub since: u8,
}

/// How a field is written by the tools (ovs-fields(7), "Format").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the manual's own terms")]
pub enum FieldForm {
    Decimal,
    Hexadecimal,
    Ethernet,
    Ipv4,
    Ipv6,
    OfPort16,
    OfPort32,
    Frag,
    TunnelFlags,
    TcpFlags,
    CtState,
    PacketType,
}

/// Which masks a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Masking {
    /// Only an exact match.
    None,
    /// Any bits.
    Arbitrary,
}

/// What must be matched before a field can be (ovs-fields(7), "Prerequisites").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the manual's own terms")]
pub enum Prerequisite {
    None,
    Ethernet,
    Arp,
    Vlan,
    Ipv4,
    Ipv6,
    Ip,
    Nsh,
    Ct,
    Mpls,
    Tcp,
    Udp,
    Sctp,
    Icmpv4,
    Icmpv6,
    Nd,
    NdSolicit,
    NdAdvert,
}

impl FieldId {
    /// The registry's row.
    #[inline]
    pub fn field(self) -> &'static Field {
        &table::FIELDS[self as usize]
    }

    /// The field's value in a key. A tunnel option's is always 0 here: only its bridge's layout knows where it is.
    #[inline]
    pub fn get(self, key: &FlowKey) -> u128 {
        let f = self.field();
        key.get_bits(f.word as usize, f.shift.into(), f.key_bits.into())
    }

    /// Write the field's value into a key; bits beyond the field's width are ignored.
    #[inline]
    pub fn set(self, key: &mut FlowKey, value: u128) {
        let f = self.field();
        key.set_bits(f.word as usize, f.shift.into(), f.key_bits.into(), value);
    }

    /// Which of the field's bits matter to a mask.
    #[inline]
    pub fn get_mask(self, mask: &FlowMask) -> u128 {
        let f = self.field();
        mask.get_bits(f.word as usize, f.shift.into(), f.key_bits.into())
    }

    /// Say which of the field's bits matter, forgetting what was said before.
    #[inline]
    pub fn set_mask(self, mask: &mut FlowMask, bits: u128) {
        let f = self.field();
        mask.set_bits(f.word as usize, f.shift.into(), f.key_bits.into(), bits);
    }

    /// Make more of the field's bits matter.
    #[inline]
    pub fn add_mask(self, mask: &mut FlowMask, bits: u128) {
        self.set_mask(mask, self.get_mask(mask) | bits);
    }

    /// Make the whole field matter.
    #[inline]
    pub fn unwildcard(self, mask: &mut FlowMask) {
        self.add_mask(mask, self.field().all_ones());
    }

    /// The field with that name or alias.
    pub fn by_name(name: &str) -> Option<FieldId> {
        index::by_name(name)
    }

    /// The field with that OXM or NXM identity (`vendor` 0 unless `class` is 0xffff).
    pub fn by_oxm(class: u16, vendor: u32, field: u8) -> Option<FieldId> {
        index::by_oxm(class, vendor, field)
    }
}

impl Field {
    /// The largest value: every significant bit set.
    pub const fn all_ones(&self) -> u128 {
        if self.bits >= 128 { u128::MAX } else { (1 << self.bits) - 1 }
    }

    /// The word of the key where the field lies (128-bit fields: its high half).
    pub const fn word(&self) -> usize {
        self.word as usize
    }

    /// The field's lowest bit within its word.
    pub const fn shift(&self) -> u32 {
        self.shift as u32
    }

    /// Bytes of the OXM payload.
    pub const fn wire_bytes(&self) -> usize {
        (self.wire_bits / 8) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_stands_at_its_own_index() {
        for (i, id) in FieldId::ALL.into_iter().enumerate() {
            assert_eq!((id as usize, id.field().id), (i, id));
        }
    }

    #[test]
    fn every_field_reads_back_what_was_written_and_touches_no_other_bit() {
        for id in FieldId::ALL {
            let mut key = FlowKey::new();
            id.set(&mut key, u128::MAX);
            if id.tun_metadata_index().is_some() {
                assert!(key == FlowKey::new());
                continue;
            }
            assert_eq!(id.get(&key), id.field().all_ones(), "{}", id.field().name);
            let ones: u32 = key.words().iter().map(|w| w.count_ones()).sum();
            assert_eq!(ones, u32::from(id.field().bits), "{}", id.field().name);
        }
    }

    #[test]
    fn names_and_oxm_identities_are_unique() {
        for id in FieldId::ALL {
            assert_eq!(FieldId::by_name(id.field().name), Some(id));
            for o in id.field().oxm {
                assert_eq!(FieldId::by_oxm(o.class, o.vendor, o.field), Some(id), "{}", o.name);
            }
        }
    }
}
