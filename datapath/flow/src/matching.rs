//! A match: which values, and which of their bits matter.

use crate::{FieldId, FlowKey, FlowMask, OfPort};

/// A key and the bits of it that must agree. Invariant: bits that do not matter are zero in the key.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Match {
    key: FlowKey,
    mask: FlowMask,
}

impl Match {
    /// Matches everything.
    pub fn any() -> Match {
        Match::default()
    }

    /// `key` where `mask` has ones.
    pub fn new(mut key: FlowKey, mask: FlowMask) -> Match {
        key.mask_with(&mask);
        Match { key, mask }
    }

    /// The values.
    pub fn key(&self) -> &FlowKey {
        &self.key
    }

    /// The bits that matter.
    pub fn mask(&self) -> &FlowMask {
        &self.mask
    }

    /// Require the field to have exactly this value.
    pub fn set(&mut self, field: FieldId, value: u128) {
        self.set_masked(field, value, field.field().all_ones());
    }

    /// Require the field to agree with `value` where `bits` has ones; forgets what was required of the field. Equal
    /// requirements become equal matches, whichever of the fields that share a place said them:
    /// - `in_port` is a 16-bit name of the 32-bit `in_port_oxm`;
    /// - ICMP's type and code take all 16 bits of the ports' place, as the ports do;
    /// - `dl_vlan`, `vlan_pcp` and `dl_vlan_pcp` also require a tag to be present, but for `dl_vlan=0xffff`, which
    ///   requires that there be none;
    /// - `nw_tos` leaves the two ECN bits to `nw_ecn`.
    pub fn set_masked(&mut self, field: FieldId, value: u128, bits: u128) {
        let all = bits & field.field().all_ones() == field.field().all_ones();
        let (field, value, bits) = match field {
            FieldId::InPort if all => (FieldId::InPortOxm, OfPort::from_u16(value as u16).0.into(), u32::MAX.into()),
            FieldId::InPort if bits == 0 => (FieldId::InPortOxm, 0, 0),
            FieldId::IcmpType | FieldId::Icmpv6Type if all || bits == 0 => {
                (FieldId::TcpSrc, value & 0xff, if all { 0xffff } else { 0 })
            }
            FieldId::IcmpCode | FieldId::Icmpv6Code if all || bits == 0 => {
                (FieldId::TcpDst, value & 0xff, if all { 0xffff } else { 0 })
            }
            FieldId::DlVlan if all && value == 0xffff => (FieldId::VlanTci, 0, 0xffff),
            FieldId::DlVlan | FieldId::VlanPcp | FieldId::DlVlanPcp if bits != 0 => {
                let tci = FieldId::VlanTci.get(&self.key) | 0x1000;
                FieldId::VlanTci.set(&mut self.key, tci);
                FieldId::VlanTci.add_mask(&mut self.mask, 0x1000);
                (field, value, bits)
            }
            FieldId::NwTos => (FieldId::IpDscp, value >> 2, bits >> 2),
            _ => (field, value, bits),
        };
        field.set(&mut self.key, value & bits);
        field.set_mask(&mut self.mask, bits);
    }

    /// The value and mask required of a field (`(0, 0)` for a wildcard).
    pub fn get(&self, field: FieldId) -> (u128, u128) {
        (field.get(&self.key), field.get_mask(&self.mask))
    }

    /// Whether the field is matched in full.
    pub fn is_exact(&self, field: FieldId) -> bool {
        let bits = field.get_mask(&self.mask);
        bits == field.field().all_ones() || (field == FieldId::NwTos && bits & 0xfc == 0xfc)
    }

    /// Whether a key fits.
    pub fn matches(&self, key: &FlowKey) -> bool {
        self.mask.agree(&self.key, key)
    }
}

impl std::fmt::Debug for Match {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Match({})", crate::text::format_match(self, &crate::text::PortNames::new()))
    }
}
