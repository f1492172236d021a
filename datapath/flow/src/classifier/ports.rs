//! The ports of one mask's rules: of a frame's ports, how many bits tell them from every rule's?
//!
//! How: values of one width, in order. What differs from a value latest is beside it in that order, so two neighbours
//! tell what a trie over all bits would, in a quarter of its memory.

use std::collections::BTreeMap;

/// tp_src and tp_dst side by side, under one mask.
#[derive(Clone)]
pub(super) struct Ports {
    bits: u32,
    /// Up to the last bit that the mask matches.
    len: u32,
    /// How many chains have these ports.
    values: BTreeMap<u32, u32>,
}

impl Ports {
    /// None yet, under a mask that is not empty.
    pub fn new(bits: u32) -> Ports {
        Ports { bits, len: 32 - bits.trailing_zeros(), values: BTreeMap::new() }
    }

    /// A chain with these ports came.
    pub fn insert(&mut self, ports: u32) {
        *self.values.entry(ports & self.bits).or_default() += 1;
    }

    /// A chain with these ports went.
    pub fn remove(&mut self, ports: u32) {
        let value = ports & self.bits;
        if let Some(count) = self.values.get_mut(&value) {
            *count -= 1;
            if *count == 0 {
                self.values.remove(&value);
            }
        }
    }

    /// The bits of a frame's ports to look at to know that no rule has them, if none has; else all that rules match.
    pub fn decisive(&self, ports: u32) -> u32 {
        let value = ports & self.bits;
        let below = self.values.range(..=value).next_back().map(|(v, _)| *v);
        let above = self.values.range(value..).next().map(|(v, _)| *v);
        let common = below.into_iter().chain(above).map(|v| (v ^ value).leading_zeros()).max();
        let first = common.map_or(0, |common| (common + 1).min(self.len));
        self.bits & !u32::MAX.checked_shr(first).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::trie::Trie;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn says_what_a_trie_says(
            bits in 1u32.., few in any::<bool>(),
            ops in prop::collection::vec((any::<bool>(), any::<u32>()), 1..40), asked in any::<u32>(),
        ) {
            let (mut ports, mut trie, mut list) = (Ports::new(bits), Trie::default(), Vec::new());
            let cut = |value: u32| if few { value & 0x8000_8001 | 0x1234 } else { value };
            for (insert, value) in ops {
                let value = cut(value);
                let wide = u128::from(value & bits) << 96;
                if insert {
                    ports.insert(value);
                    trie.insert(wide, ports.len as u8);
                    list.push(value);
                } else if let Some(value) = list.pop() {
                    ports.remove(value);
                    trie.remove(u128::from(value & bits) << 96, ports.len as u8);
                }
                let decisive = trie.lookup(u128::from(cut(asked) & bits) << 96, ports.len as u8).decisive;
                let expect = bits & !u32::MAX.checked_shr(decisive.into()).unwrap_or(0);
                prop_assert_eq!(ports.decisive(cut(asked)), expect);
            }
        }
    }
}
