//! Matches packed to the words that their mask uses.
//!
//! A [`crate::Match`] is 1.4 kB, most of it zeros; a rule that matches three fields needs 24 bytes and a shared mask.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::key::{FlowKey, FlowMask, SALT, UsedWords, fold};
use crate::matching::Match;
use crate::tun_metadata::{PRESENT_WORD, TunLayout};

/// A mask without its empty words. Two are equal if they ask for the same bits and, where tunnel options are among these,
/// have the same options at the same places; what else a bridge maps does not matter.
#[derive(Clone, Debug, Default)]
pub struct PackedMask {
    /// Which words, ascending, each with the bits that matter.
    words: SmallVec<[(u8, u64); 6]>,
    /// Where the tunnel options lie, if any matter.
    tun: Option<Arc<TunLayout>>,
}

impl PackedMask {
    /// Pack the mask of a match.
    pub fn of(pattern: &Match) -> PackedMask {
        PackedMask { tun: layout_of(pattern).cloned(), ..PackedMask::new(pattern.mask()) }
    }

    /// Pack a mask.
    pub fn new(mask: &FlowMask) -> PackedMask {
        let words = UsedWords(mask.used()).filter(|&i| mask.word(i) != 0).map(|i| (i as u8, mask.word(i))).collect();
        PackedMask { words, tun: None }
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
        Match::with_layout(key, self.unpack(), self.tun.clone())
    }

    /// Which bits of word `i` matter.
    #[inline]
    pub fn bits(&self, i: usize) -> u64 {
        self.words.iter().find(|(at, _)| usize::from(*at) == i).map_or(0, |(_, bits)| *bits)
    }

    /// Whether every bit that matters to `other` matters here too.
    pub fn covers(&self, other: &FlowMask) -> bool {
        UsedWords(other.used()).all(|i| other.word(i) == 0 || other.word(i) & !self.bits(i) == 0)
    }

    /// Word `i` of the key that packed values stand for.
    #[inline]
    pub(super) fn word_of(&self, values: &[u64], i: usize) -> u64 {
        self.words.iter().position(|&(at, _)| usize::from(at) == i).map_or(0, |nth| values[nth])
    }

    /// Which tunnel options it speaks of.
    fn options(&self) -> u64 {
        self.bits(PRESENT_WORD)
    }

    /// Whether it is what [`PackedMask::of`] would make of `pattern`.
    fn is(&self, pattern: &Match) -> bool {
        let same_layout = match (&self.tun, layout_of(pattern)) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            _ => false,
        };
        same_layout && self.has_words_of(pattern.mask())
    }

    /// Whether the same bits matter.
    fn has_words_of(&self, mask: &FlowMask) -> bool {
        let mut words = self.words.iter();
        UsedWords(mask.used())
            .filter(|&i| mask.word(i) != 0)
            .all(|i| words.next().is_some_and(|&(at, bits)| usize::from(at) == i && bits == mask.word(i)))
            && words.next().is_none()
    }

    /// Whether packed values say what `key` says.
    #[inline]
    pub(super) fn fits(&self, values: &[u64], key: &FlowKey) -> bool {
        self.words.iter().zip(values).all(|(&(i, bits), &value)| key.word(i.into()) & bits == value)
    }
}

impl PartialEq for PackedMask {
    fn eq(&self, other: &PackedMask) -> bool {
        self.words == other.words
            && match (&self.tun, &other.tun) {
                (None, None) => true,
                (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs) || ours.same_places(theirs, self.options()),
                _ => false,
            }
    }
}

impl Eq for PackedMask {}

fn layout_of(pattern: &Match) -> Option<&Arc<TunLayout>> {
    pattern.layout().filter(|_| pattern.has_tun())
}

/// A match in as few bytes as it needs, for those who keep many.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CompactMatch {
    mask: Arc<PackedMask>,
    values: Box<[u64]>,
}

impl CompactMatch {
    /// Pack a match; see [`Masks::compact`] for one that shares its mask with others.
    pub fn new(pattern: &Match) -> CompactMatch {
        CompactMatch::with_mask(pattern, Arc::new(PackedMask::of(pattern)))
    }

    /// Pack a match whose packed mask is at hand.
    pub(super) fn with_mask(pattern: &Match, mask: Arc<PackedMask>) -> CompactMatch {
        CompactMatch::of(pattern.key(), mask)
    }

    /// What a key says under a mask.
    pub fn of(key: &FlowKey, mask: Arc<PackedMask>) -> CompactMatch {
        let values = mask.words.iter().map(|&(i, bits)| key.word(i.into()) & bits).collect();
        CompactMatch { mask, values }
    }

    /// The values as a key: zero where nothing matters.
    pub fn key(&self) -> FlowKey {
        let mut key = FlowKey::new();
        self.iter().for_each(|(i, value, _)| key.set_word(i, value));
        key
    }

    /// The values of one word.
    #[inline]
    pub fn word(&self, i: usize) -> u64 {
        self.mask.word_of(&self.values, i)
    }

    /// Whether some key fits both.
    pub fn overlaps(&self, other: &CompactMatch) -> bool {
        self.iter().all(|(i, value, bits)| (value ^ other.word(i)) & bits & other.mask.bits(i) == 0)
    }

    /// The match in full.
    pub fn unpack(&self) -> Match {
        self.mask.unpack_match(&self.values)
    }

    /// The mask.
    pub fn mask(&self) -> &Arc<PackedMask> {
        &self.mask
    }

    /// The values under the mask's words.
    #[inline]
    pub fn values(&self) -> &[u64] {
        &self.values
    }

    /// Whether it matches everything.
    pub fn is_any(&self) -> bool {
        self.values.is_empty()
    }

    /// (word, value, bits) of the words that matter, ascending.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (usize, u64, u64)> + '_ {
        self.mask.words.iter().zip(&self.values).map(|(&(i, bits), &value)| (i.into(), value, bits))
    }

    /// Whether a key fits.
    #[inline]
    pub fn matches(&self, key: &FlowKey) -> bool {
        self.mask.fits(&self.values, key)
    }
}

/// Masks that many matches share: equal ones become one.
#[derive(Default)]
pub struct Masks {
    last: Option<Arc<PackedMask>>,
    all: HashMap<Arc<PackedMask>, (), MaskHash>,
}

impl Masks {
    /// Pack a match. Neighbours in a load mostly have the same mask, so the last one is tried first.
    pub fn compact(&mut self, pattern: &Match) -> CompactMatch {
        if let Some(last) = &self.last
            && last.is(pattern)
        {
            return CompactMatch::with_mask(pattern, Arc::clone(last));
        }
        let packed = PackedMask::of(pattern);
        let shared = match self.all.get_key_value(&packed) {
            Some((shared, ())) => Arc::clone(shared),
            None => self.add(packed),
        };
        self.last = Some(Arc::clone(&shared));
        CompactMatch::with_mask(pattern, shared)
    }

    /// What a key says under a mask, in the datapath's terms: tunnel options are no more than bits.
    pub fn pack(&mut self, key: &FlowKey, mask: &FlowMask) -> CompactMatch {
        if let Some(last) = &self.last
            && last.tun.is_none()
            && last.has_words_of(mask)
        {
            return CompactMatch::of(key, Arc::clone(last));
        }
        let packed = PackedMask::new(mask);
        let shared = match self.all.get_key_value(&packed) {
            Some((shared, ())) => Arc::clone(shared),
            None => self.add(packed),
        };
        self.last = Some(Arc::clone(&shared));
        CompactMatch::of(key, shared)
    }

    fn add(&mut self, packed: PackedMask) -> Arc<PackedMask> {
        if self.all.len() == self.all.capacity() {
            self.all.retain(|mask, ()| Arc::strong_count(mask) > 1);
        }
        let shared = Arc::new(packed);
        self.all.insert(Arc::clone(&shared), ());
        shared
    }
}

/// Hashes masks, with a few multiplications.
#[derive(Clone, Copy, Default)]
pub(super) struct MaskHash;

impl BuildHasher for MaskHash {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded(SALT[0])
    }
}

/// See [`MaskHash`].
pub(super) struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = fold(self.0 ^ value, SALT[1]).wrapping_add(SALT[2]);
    }
}

impl Hash for PackedMask {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for &(i, bits) in &self.words {
            state.write_u64(bits);
            state.write_u64(i.into());
        }
    }
}
