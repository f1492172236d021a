//! Matches packed to the words that their mask uses.
//!
//! A [`crate::Match`] is 1.4 kB, most of it zeros; a rule that matches three fields needs 24 bytes and a shared mask.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::key::{FlowKey, FlowMask, UsedWords};
use crate::matching::Match;

/// A mask without its empty words.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct PackedMask {
    /// Which words, ascending, each with the bits that matter.
    words: SmallVec<[(u8, u64); 6]>,
}

impl PackedMask {
    /// Pack a mask.
    pub fn new(mask: &FlowMask) -> PackedMask {
        let words = UsedWords(mask.used()).filter(|&i| mask.word(i) != 0).map(|i| (i as u8, mask.word(i))).collect();
        PackedMask { words }
    }

    /// The words that have bits, ascending, with their bits.
    #[inline]
    pub fn words(&self) -> &[(u8, u64)] {
        &self.words
    }

    /// The mask in full.
    pub fn unpack(&self) -> FlowMask {
        let mut mask = FlowMask::new();
        for &(i, bits) in &self.words {
            mask.set_word(i.into(), bits);
        }
        mask
    }

    /// What a key says under this mask.
    pub fn pack(&self, key: &FlowKey) -> SmallVec<[u64; 6]> {
        self.words.iter().map(|&(i, bits)| key.word(i.into()) & bits).collect()
    }

    /// The match that packed values stand for.
    pub fn unpack_match(&self, values: &[u64]) -> Match {
        let mut key = FlowKey::new();
        for (&(i, _), &value) in self.words.iter().zip(values) {
            key.set_word(i.into(), value);
        }
        Match::new(key, self.unpack())
    }

    /// Whether packed values say what `key` says.
    #[inline]
    pub(super) fn fits(&self, values: &[u64], key: &FlowKey) -> bool {
        self.words.iter().zip(values).all(|(&(i, bits), &value)| key.word(i.into()) & bits == value)
    }
}

/// A match in as few bytes as it needs, for those who keep many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompactMatch {
    mask: Arc<PackedMask>,
    values: Box<[u64]>,
}

impl CompactMatch {
    /// Pack a match; see [`super::RuleTable::compact`] for one that shares its mask.
    pub fn new(pattern: &Match) -> CompactMatch {
        CompactMatch::with_mask(pattern, Arc::new(PackedMask::new(pattern.mask())))
    }

    /// Pack a match whose packed mask is at hand.
    pub(super) fn with_mask(pattern: &Match, mask: Arc<PackedMask>) -> CompactMatch {
        let values = mask.pack(pattern.key()).into_boxed_slice();
        CompactMatch { mask, values }
    }

    /// The match in full.
    pub fn expand(&self) -> Match {
        self.mask.unpack_match(&self.values)
    }

    /// The mask.
    pub fn mask(&self) -> &PackedMask {
        &self.mask
    }

    /// Whether a key fits.
    #[inline]
    pub fn matches(&self, key: &FlowKey) -> bool {
        self.mask.fits(&self.values, key)
    }
}
