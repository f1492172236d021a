//! A match: which values, and which of their bits matter.

use std::sync::Arc;

use crate::tun_metadata::{PRESENT_WORD, TunLayout, TunValue, Unmapped};
use crate::{FieldId, FlowKey, FlowMask, OfPort};

/// A key and the bits of it that must agree. Invariant: bits that do not matter are zero in the key.
#[derive(Clone, Default)]
pub struct Match {
    key: FlowKey,
    mask: FlowMask,
    /// Where its tunnel options lie; a bridge's layout, or one of its own as soon as it has options.
    tun: Option<Arc<TunLayout>>,
}

impl Match {
    /// Matches everything.
    pub fn any() -> Match {
        Match::default()
    }

    /// Forget all that is required.
    pub fn clear(&mut self) {
        self.key.clear();
        self.mask.clear();
        self.tun = None;
    }

    /// `key` where `mask` has ones.
    pub fn new(mut key: FlowKey, mask: FlowMask) -> Match {
        key.mask_with(&mask);
        Match { key, mask, tun: None }
    }

    /// The same, its tunnel options lying as `layout` says.
    pub fn with_layout(key: FlowKey, mask: FlowMask, layout: Option<Arc<TunLayout>>) -> Match {
        Match { tun: layout, ..Match::new(key, mask) }
    }

    /// Where its tunnel options lie.
    pub fn layout(&self) -> Option<&Arc<TunLayout>> {
        self.tun.as_ref()
    }

    /// Whether it speaks of tunnel options.
    pub fn has_tun(&self) -> bool {
        self.mask.word(PRESENT_WORD) != 0
    }

    /// What it requires of tunnel options, by index; `None`: that the option is not there.
    pub fn tun_options(&self) -> impl Iterator<Item = (u8, Option<TunValue>)> + '_ {
        let bits = crate::key::UsedWords(self.mask.word(PRESENT_WORD).into());
        bits.filter_map(move |index| Some((index as u8, self.tun_option(index as u8)?)))
    }

    /// What it requires of one tunnel option.
    pub fn tun_option(&self, index: u8) -> Option<Option<TunValue>> {
        let none = TunLayout::default();
        self.tun.as_deref().unwrap_or(&none).required(&self.key, &self.mask, index)
    }

    /// Require a tunnel option to agree with `value`, forgetting what was required of it.
    ///
    /// # Errors
    /// If the bridge whose layout this is does not map the field, or there is no room.
    pub fn set_tun(&mut self, index: u8, value: &TunValue) -> Result<(), Unmapped> {
        if let Some(layout) = self.tun.as_deref().filter(|layout| layout.is_bridge()) {
            return layout.require(&mut self.key, &mut self.mask, index, value);
        }
        let mut options: Vec<(u8, Option<TunValue>)> = self.tun_options().filter(|(of, _)| *of != index).collect();
        options.push((index, Some(value.clone())));
        options.sort_by_key(|(index, _)| *index);
        let mut layout = TunLayout::default();
        for (index, value) in &options {
            let (len, masked) = value.as_ref().map_or((0, true), |v| (v.len(), v.mask().is_some()));
            if !layout.add(*index, len, masked) {
                return Err(Unmapped(*index));
            }
        }
        self.lay_out(Arc::new(layout), &options)
    }

    /// The same match with its tunnel options where a bridge has them.
    ///
    /// # Errors
    /// The first option that the bridge does not map.
    pub fn bind(&mut self, layout: &Arc<TunLayout>) -> Result<(), Unmapped> {
        let options: Vec<_> = self.tun_options().collect();
        self.lay_out(layout.clone(), &options)
    }

    fn lay_out(&mut self, layout: Arc<TunLayout>, options: &[(u8, Option<TunValue>)]) -> Result<(), Unmapped> {
        for word in crate::key::TUN_METADATA_WORD..=PRESENT_WORD {
            if self.mask.used() >> word & 1 == 1 {
                self.key.set_word(word, 0);
                self.mask.set_word(word, 0);
            }
        }
        for (index, value) in options {
            match value {
                Some(value) => layout.require(&mut self.key, &mut self.mask, *index, value)?,
                None => self.mask.or_word(PRESENT_WORD, 1 << index),
            }
        }
        self.tun = Some(layout);
        Ok(())
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
    /// - ERSPAN's and GTP-U's fields ask for the bits that are set, as Open vSwitch has it;
    /// - `nw_tos` leaves the two ECN bits to `nw_ecn`.
    ///
    /// A tunnel option that a bridge does not map stays unmatched ([`Match::set_tun`] says so).
    pub fn set_masked(&mut self, field: FieldId, value: u128, bits: u128) {
        if let Some(index) = field.tun_metadata_index() {
            let _ = self.set_tun(index, &TunValue::from_u128(value, bits));
            return;
        }
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
            // the other bits mean nothing
            FieldId::CtState => (field, value, bits & 0xff),
            field if field.asks_for_set_bits() => (field, value & bits, value & bits),
            _ => (field, value, bits),
        };
        field.set(&mut self.key, value & bits);
        field.set_mask(&mut self.mask, bits);
    }

    /// The value and mask required of a field (`(0, 0)` for a wildcard).
    pub fn get(&self, field: FieldId) -> (u128, u128) {
        if let Some(index) = field.tun_metadata_index() {
            let low = |bytes: &[u8]| bytes.iter().fold(0u128, |n, b| n << 8 | u128::from(*b));
            let Some(value) = self.tun_option(index).flatten() else { return (0, 0) };
            return (low(value.bytes()), value.mask().map_or(u128::MAX, low));
        }
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

/// Equal requirements, and equal places of the tunnel options that they speak of.
impl PartialEq for Match {
    fn eq(&self, other: &Match) -> bool {
        let present = self.mask.word(PRESENT_WORD);
        let places = || match (&self.tun, &other.tun) {
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs) || ours.same_places(theirs, present),
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        self.mask == other.mask && self.key == other.key && (present == 0 || places())
    }
}

impl Eq for Match {}

impl std::hash::Hash for Match {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
        self.mask.hash(state);
    }
}

impl std::fmt::Debug for Match {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Match({})", crate::text::format_match(self, &crate::text::PortNames::new()))
    }
}
