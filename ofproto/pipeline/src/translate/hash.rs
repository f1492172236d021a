//! Hashes of a frame's fields, for everything that chooses by them: select groups, `bundle`, `multipath`.
//!
//! What: [`Context::hash_fields`] for the sets of fields that ovs-actions(7) names, [`Context::hash_selected`] for the
//! fields that a group names. Both say in the mask what they looked at; which bits that are is what Open vSwitch's
//! megaflows show. The numbers are our own: no two switches need to agree on them.
//!
//! Invariant: the symmetric ones give both directions of a connection the same number.

use weft_flow::field::Prerequisite;
use weft_flow::{FieldId, FlowKey};
use weft_openflow::action::HashFields;
use weft_openflow::group::Selection;

use super::Context;
use super::fields::{ETH_IPV4, TAG_PRESENT, eth_type, is_ip, nw_proto};

/// One step of a hash: every bit of `value` reaches every bit of what comes out.
#[inline]
pub(crate) fn mix(hash: u64, value: u64) -> u64 {
    let wide = u128::from(hash ^ 0x9e37_79b9_7f4a_7c15) * u128::from(value.rotate_left(17) ^ 0xbf58_476d_1ce4_e5b9 | 1);
    let folded = wide as u64 ^ (wide >> 64) as u64;
    (folded ^ folded >> 29).wrapping_mul(0x94d0_49bb_1331_11eb) ^ folded >> 32
}

fn mix_wide(hash: u64, value: u128) -> u64 {
    mix(mix(hash, value as u64), (value >> 64) as u64)
}

const UDP: u8 = 17;
const TCP: u8 = 6;
const SCTP: u8 = 132;

impl Context<'_, '_> {
    /// Hash a named set of fields.
    pub(super) fn hash_fields(&mut self, fields: HashFields, basis: u16) -> u64 {
        let start = mix(u64::from(basis), fields as u64);
        match fields {
            HashFields::EthSrc => {
                self.unwildcard(FieldId::EthSrc);
                mix_wide(start, FieldId::EthSrc.get(&self.key))
            }
            HashFields::NwSrc => match self.ip_addresses() {
                Some((src, _)) => mix_wide(start, self.taken(src)),
                None => start,
            },
            HashFields::NwDst => match self.ip_addresses() {
                Some((_, dst)) => mix_wide(start, self.taken(dst)),
                None => start,
            },
            HashFields::SymmetricL3 => self.hash_addresses(start),
            HashFields::SymmetricL4 => self.symmetric_l4(start),
            HashFields::SymmetricL3L4 => self.symmetric_l3l4(start, false),
            HashFields::SymmetricL3L4Udp => self.symmetric_l3l4(start, true),
        }
    }

    /// Hash the fields that a group names, where the frame has them.
    pub(super) fn hash_selected(&mut self, selection: &Selection) -> u64 {
        let mut hash = mix(0, selection.param);
        for &(field, bits) in &selection.fields {
            let row = field.field();
            if row.prerequisite == Prerequisite::Vlan || field == FieldId::VlanTci {
                // of a tag only what is asked for matters, and whether there is one
                self.unwildcard_vid_bits((bits as u64) & if field == FieldId::VlanPcp { 0x7 } else { 0xffff }, field);
            } else if !self.has(row.prerequisite) {
                continue;
            } else {
                field.add_mask(&mut self.mask, bits);
            }
            hash = mix_wide(hash, field.get(&self.key) & bits);
        }
        hash
    }

    fn unwildcard_vid_bits(&mut self, bits: u64, field: FieldId) {
        let bits = if field == FieldId::VlanPcp { bits << 13 } else { bits };
        self.mask.or_word(2, bits & 0xffff | u64::from(TAG_PRESENT));
    }

    fn symmetric_l4(&mut self, start: u64) -> u64 {
        self.unwildcard(FieldId::EthSrc);
        self.unwildcard(FieldId::EthDst);
        self.unwildcard_vid_bits(0x0fff, FieldId::VlanTci);
        let key = &self.key;
        let ends = FieldId::EthSrc.get(key) ^ FieldId::EthDst.get(key);
        let kind = u64::from(eth_type(key)) | (key.word(2) & 0x1fff) << 16;
        let hash = self.hash_addresses(mix(mix_wide(start, ends), kind));
        if !is_ip(&self.key) {
            return hash;
        }
        self.unwildcard(FieldId::NwProto);
        let proto = nw_proto(&self.key);
        let hash = mix(hash, proto.into());
        if proto == UDP || is_later_fragment(&self.key) {
            return hash;
        }
        self.mask.or_word(6, PORT_BITS);
        match proto {
            TCP | SCTP => mix(hash, both_ports(&self.key)),
            _ => hash,
        }
    }

    fn symmetric_l3l4(&mut self, start: u64, udp: bool) -> u64 {
        if !is_ip(&self.key) {
            return start;
        }
        let hash = self.hash_addresses(start);
        self.unwildcard(FieldId::NwProto);
        let proto = nw_proto(&self.key);
        let hash = mix(hash, proto.into());
        let has_ports = matches!(proto, TCP | SCTP) || (udp && proto == UDP);
        if !has_ports || is_fragment(&self.key) {
            return hash;
        }
        self.mask.or_word(6, PORT_BITS);
        mix(hash, both_ports(&self.key))
    }

    fn hash_addresses(&mut self, start: u64) -> u64 {
        match self.ip_addresses() {
            Some((src, dst)) => {
                let both = self.taken(src) ^ self.taken(dst);
                mix_wide(start, both)
            }
            None => start,
        }
    }

    fn ip_addresses(&self) -> Option<(FieldId, FieldId)> {
        is_ip(&self.key).then(|| match eth_type(&self.key) {
            ETH_IPV4 => (FieldId::IpSrc, FieldId::IpDst),
            _ => (FieldId::Ipv6Src, FieldId::Ipv6Dst),
        })
    }

    fn taken(&mut self, field: FieldId) -> u128 {
        self.unwildcard(field);
        field.get(&self.key)
    }
}

/// Both transport ports in their word.
const PORT_BITS: u64 = 0xffff_ffff_0000_0000;

fn both_ports(key: &FlowKey) -> u64 {
    (key.word(6) >> 48) ^ (key.word(6) >> 32 & 0xffff)
}

fn is_fragment(key: &FlowKey) -> bool {
    key.word(1) >> 8 & 0x1 != 0
}

fn is_later_fragment(key: &FlowKey) -> bool {
    key.word(1) >> 8 & 0x2 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each of the 16 bits that a score takes is as often set as not, whatever the bucket.
    #[test]
    fn scores_are_even() {
        for bucket in 0..8u64 {
            let mut ones = [0u32; 16];
            for flow in 0..4096u64 {
                let score = mix(mix(0, flow), bucket) >> 48;
                ones.iter_mut().enumerate().for_each(|(bit, n)| *n += (score >> bit & 1) as u32);
            }
            assert!(ones.iter().all(|n| (1800..2300).contains(n)), "bucket {bucket}: {ones:?}");
        }
    }
}
