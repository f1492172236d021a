//! A match: which values, and which of their bits matter.

use crate::{FieldId, FlowKey, FlowMask};

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

    /// Require the field to agree with `value` where `bits` has ones; forgets what was required of the field.
    pub fn set_masked(&mut self, field: FieldId, value: u128, bits: u128) {
        field.set(&mut self.key, value & bits);
        field.set_mask(&mut self.mask, bits);
    }

    /// The value and mask required of a field (`(0, 0)` for a wildcard).
    pub fn get(&self, field: FieldId) -> (u128, u128) {
        (field.get(&self.key), field.get_mask(&self.mask))
    }

    /// Whether the field is matched in full.
    pub fn is_exact(&self, field: FieldId) -> bool {
        field.get_mask(&self.mask) == field.field().all_ones()
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
