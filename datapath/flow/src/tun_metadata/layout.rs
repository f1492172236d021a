//! Where options lie within a key.

use smallvec::SmallVec;

use super::value::TunValue;
use super::{FIELDS, PRESENT_WORD, SPACE};
use crate::key::{FlowKey, FlowMask, TUN_METADATA_WORD, UsedWords};

/// The places of some options. That of a bridge is fixed; that of a match without a bridge follows what it holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TunLayout {
    /// By index, ascending.
    places: Vec<Place>,
    /// A bridge's: values are as long as the field, and fields that are not here do not exist.
    bridge: bool,
}

/// Where one option lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub index: u8,
    /// Bytes.
    pub len: u8,
    /// Slots of four bytes, most significant first; the first may be used in part.
    pub slots: SmallVec<[u8; 4]>,
    /// Without a bridge: a mask was given, though it may be all ones.
    pub masked: bool,
}

/// `tun_metadataN` is not mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unmapped(pub u8);

const SLOT: usize = 4;

impl TunLayout {
    /// A bridge's, without options yet.
    pub fn of_bridge() -> TunLayout {
        TunLayout { places: Vec::new(), bridge: true }
    }

    /// Whether the places are those of a bridge.
    pub fn is_bridge(&self) -> bool {
        self.bridge
    }

    /// The length of a field in bytes, if it has a place.
    pub fn len_of(&self, index: u8) -> Option<usize> {
        self.place(index).map(|place| place.len.into())
    }

    /// The fields that have a place, ascending.
    pub fn indices(&self) -> impl Iterator<Item = u8> + '_ {
        self.places.iter().map(|place| place.index)
    }

    pub(crate) fn place(&self, index: u8) -> Option<&Place> {
        self.places.iter().find(|place| place.index == index)
    }

    /// Give a field a place. False: there is no room, or it has one.
    pub(crate) fn add(&mut self, index: u8, len: usize, masked: bool) -> bool {
        let taken = |slot: &u8| self.places.iter().any(|place| place.slots.contains(slot));
        let need = len.div_ceil(SLOT);
        let slots: SmallVec<[u8; 4]> = (0..(SPACE / SLOT) as u8).filter(|slot| !taken(slot)).take(need).collect();
        if slots.len() < need || index >= FIELDS || self.place(index).is_some() {
            return false;
        }
        let at = self.places.partition_point(|place| place.index < index);
        self.places.insert(at, Place { index, len: len as u8, slots, masked });
        true
    }

    pub(crate) fn remove(&mut self, index: u8) {
        self.places.retain(|place| place.index != index);
    }

    /// An option's bytes in some words (a key's or a mask's), as long as the field.
    pub(crate) fn bytes(&self, index: u8, words: &[u64]) -> Vec<u8> {
        let Some(place) = self.place(index) else { return Vec::new() };
        let mut bytes = Vec::with_capacity(place.slots.len() * SLOT);
        for &slot in &place.slots {
            let word = words[TUN_METADATA_WORD + usize::from(slot / 2)];
            bytes.extend(if slot.is_multiple_of(2) { (word >> 32) as u32 } else { word as u32 }.to_be_bytes());
        }
        bytes.split_off(bytes.len() - usize::from(place.len))
    }

    /// The inverse: writes through `or`, which is told a word and its bits; the place must be zero before.
    fn spread(&self, index: u8, bytes: &[u8], mut or: impl FnMut(usize, u64)) {
        let Some(place) = self.place(index) else { return };
        let lead = place.slots.len() * SLOT - usize::from(place.len);
        let padded: Vec<u8> = std::iter::repeat_n(0, lead).chain(bytes.iter().copied()).collect();
        for (&slot, four) in place.slots.iter().zip(padded.chunks_exact(SLOT)) {
            let bits = u64::from(u32::from_be_bytes([four[0], four[1], four[2], four[3]]));
            or(TUN_METADATA_WORD + usize::from(slot / 2), if slot.is_multiple_of(2) { bits << 32 } else { bits });
        }
    }

    /// The bits of the words that a field's place covers.
    fn place_bits(&self, index: u8) -> Vec<(usize, u64)> {
        let Some(place) = self.place(index) else { return Vec::new() };
        let half = |slot: u8| if slot.is_multiple_of(2) { 0xffff_ffff_0000_0000 } else { 0xffff_ffff };
        place.slots.iter().map(|&slot| (TUN_METADATA_WORD + usize::from(slot / 2), half(slot))).collect()
    }

    /// A key's option; `None` if it is not there.
    pub fn get(&self, key: &FlowKey, index: u8) -> Option<TunValue> {
        let there = self.place(index).is_some() && key.word(PRESENT_WORD) >> index & 1 == 1;
        there.then(|| TunValue::exact(&self.bytes(index, key.words())))
    }

    /// Write an option's bits; it is there from now on.
    ///
    /// # Errors
    /// If the field has no place.
    pub fn set(&self, key: &mut FlowKey, index: u8, value: &TunValue) -> Result<(), Unmapped> {
        let len = self.len_of(index).ok_or(Unmapped(index))?;
        let (new, mask) = value.fit(len);
        let old = self.bytes(index, key.words());
        let bytes: Vec<u8> =
            old.iter().zip(&new).zip(&mask).map(|((old, new), mask)| old & !mask | new & mask).collect();
        self.clear(key, index);
        self.spread(index, &bytes, |word, bits| key.or_word(word, bits));
        key.or_word(PRESENT_WORD, 1 << index);
        Ok(())
    }

    /// Take an option off a key.
    pub fn clear(&self, key: &mut FlowKey, index: u8) {
        for (word, bits) in self.place_bits(index) {
            key.set_word(word, key.word(word) & !bits);
        }
        key.set_word(PRESENT_WORD, key.word(PRESENT_WORD) & !(1 << index));
    }

    /// Some bits of a key's option, lowest first; zero if it is not there.
    pub fn get_bits(&self, key: &FlowKey, index: u8, ofs: u16, n_bits: u16) -> u128 {
        let bytes = self.bytes(index, key.words());
        let bit = |at: usize| bytes.len().checked_sub(1 + at / 8).is_some_and(|byte| bytes[byte] >> (at % 8) & 1 == 1);
        (0..n_bits.min(128)).fold(0, |n, i| n | u128::from(bit(usize::from(ofs + i))) << i)
    }

    /// Make bits of an option, and whether it is there, matter.
    pub fn unwildcard(&self, mask: &mut FlowMask, index: u8, bits: &TunValue) {
        let Some(len) = self.len_of(index) else { return };
        let (_, ones) = bits.fit(len);
        self.spread(index, &ones, |word, bits| mask.or_word(word, bits));
        mask.or_word(PRESENT_WORD, 1 << index);
    }

    /// Require an option in a match that is taken apart; see [`crate::Match::set_tun`].
    pub(crate) fn require(
        &self,
        key: &mut FlowKey,
        mask: &mut FlowMask,
        index: u8,
        value: &TunValue,
    ) -> Result<(), Unmapped> {
        let len = self.len_of(index).ok_or(Unmapped(index))?;
        let (bytes, ones) = value.fit(len);
        self.forget(key, mask, index);
        self.spread(index, &bytes, |word, bits| key.or_word(word, bits));
        self.spread(index, &ones, |word, bits| mask.or_word(word, bits));
        key.or_word(PRESENT_WORD, 1 << index);
        mask.or_word(PRESENT_WORD, 1 << index);
        Ok(())
    }

    /// Forget what is required of an option.
    pub(crate) fn forget(&self, key: &mut FlowKey, mask: &mut FlowMask, index: u8) {
        self.clear(key, index);
        for (word, bits) in self.place_bits(index) {
            mask.set_word(word, mask.word(word) & !bits);
        }
        mask.set_word(PRESENT_WORD, mask.word(PRESENT_WORD) & !(1 << index));
    }

    /// What a match requires of an option; `None` twice: nothing, `Some(None)`: that it is not there.
    pub(crate) fn required(&self, key: &FlowKey, mask: &FlowMask, index: u8) -> Option<Option<TunValue>> {
        if mask.word(PRESENT_WORD) >> index & 1 == 0 {
            return None;
        }
        if key.word(PRESENT_WORD) >> index & 1 == 0 {
            return Some(None);
        }
        let Some(place) = self.place(index) else { return Some(Some(TunValue::present())) };
        let (bytes, ones) = (self.bytes(index, key.words()), self.bytes(index, mask.words()));
        let exact = ones.iter().all(|m| *m == 0xff) && !place.masked && place.len > 0;
        if self.bridge && place.len == 0 {
            return Some(Some(TunValue::present())); // there is nothing else to it
        }
        let zero = place.len == 0 && !place.masked;
        Some(Some(if exact || zero { TunValue::exact(&bytes) } else { TunValue::masked(&bytes, &ones) }))
    }

    /// The places of the fields that a match speaks of, for comparisons.
    pub(crate) fn same_places(&self, other: &TunLayout, present: u64) -> bool {
        UsedWords(present.into()).all(|index| self.place(index as u8) == other.place(index as u8))
    }
}
