//! The ports of one mask's rules: of a frame's ports, how many bits tell them from every rule's?
//!
//! How: values of one width, in order. What differs from a value latest is beside it in that order, so two neighbours
//! tell what a trie over all bits would, in a quarter of its memory. The order is kept in leaves of some hundred values,
//! beside each other in memory, so that a million of them are two short searches away.

/// tp_src and tp_dst side by side, under one mask.
#[derive(Clone)]
pub(super) struct Ports {
    bits: u32,
    /// Up to the last bit that the mask matches.
    len: u32,
    /// The least value of each leaf; of the first, 0.
    least: Vec<u32>,
    leaves: Vec<Leaf>,
}

/// Values in order, each with how many chains have it. Only the first leaf may be empty.
#[derive(Clone, Default)]
struct Leaf {
    values: Vec<u32>,
    counts: Vec<u32>,
}

/// A leaf with more values is split.
const MOST: usize = 256;

impl Ports {
    /// None yet, under a mask that is not empty.
    pub fn new(bits: u32) -> Ports {
        Ports { bits, len: 32 - bits.trailing_zeros(), least: vec![0], leaves: vec![Leaf::default()] }
    }

    /// A chain with these ports came.
    pub fn insert(&mut self, ports: u32) {
        let value = ports & self.bits;
        let at = self.leaf_of(value);
        let leaf = &mut self.leaves[at];
        match leaf.values.binary_search(&value) {
            Ok(nth) => leaf.counts[nth] += 1,
            Err(nth) => {
                leaf.values.insert(nth, value);
                leaf.counts.insert(nth, 1);
                if leaf.values.len() > MOST {
                    let upper =
                        Leaf { values: leaf.values.split_off(MOST / 2), counts: leaf.counts.split_off(MOST / 2) };
                    self.least.insert(at + 1, upper.values[0]);
                    self.leaves.insert(at + 1, upper);
                }
            }
        }
    }

    /// A chain with these ports went.
    pub fn remove(&mut self, ports: u32) {
        let value = ports & self.bits;
        let at = self.leaf_of(value);
        let leaf = &mut self.leaves[at];
        let Ok(nth) = leaf.values.binary_search(&value) else { return };
        leaf.counts[nth] -= 1;
        if leaf.counts[nth] == 0 {
            leaf.values.remove(nth);
            leaf.counts.remove(nth);
            if leaf.values.is_empty() && at > 0 {
                self.least.remove(at);
                self.leaves.remove(at);
            }
        }
    }

    /// The bits of a frame's ports to look at to know that no rule has them, if none has; else all that rules match.
    pub fn decisive(&self, ports: u32) -> u32 {
        let value = ports & self.bits;
        let at = self.leaf_of(value);
        let values = &self.leaves[at].values;
        let nth = values.partition_point(|v| *v < value);
        let above = values.get(nth).or_else(|| self.leaves.get(at + 1)?.values.first());
        let below = match nth.checked_sub(1) {
            _ if above == Some(&value) => above,
            Some(before) => values.get(before),
            None => at.checked_sub(1).and_then(|before| self.leaves[before].values.last()),
        };
        let common = below.into_iter().chain(above).map(|v| (v ^ value).leading_zeros()).max();
        let first = common.map_or(0, |common| (common + 1).min(self.len));
        self.bits & !u32::MAX.checked_shr(first).unwrap_or(0)
    }

    /// How many chains have these ports.
    pub fn count(&self, ports: u32) -> u32 {
        let leaf = &self.leaves[self.leaf_of(ports & self.bits)];
        leaf.values.binary_search(&(ports & self.bits)).map_or(0, |nth| leaf.counts[nth])
    }

    /// The leaf where a value is, or belongs.
    fn leaf_of(&self, value: u32) -> usize {
        self.least.partition_point(|least| *least <= value).max(1) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::super::trie::Trie;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn many_values_come_and_go_in_order() {
        let (mut ports, mut model) = (Ports::new(u32::MAX), std::collections::BTreeMap::new());
        let mut dice = 1u32;
        for step in 0..20_000 {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = dice >> 18 << 7;
            if step < 12_000 || step % 3 == 0 {
                ports.insert(value);
                *model.entry(value).or_insert(0) += 1;
            } else if let Some((&value, _)) = model.range(value..).next() {
                ports.remove(value);
                let count = model.get_mut(&value).expect("found");
                *count -= 1;
                if *count == 0 {
                    model.remove(&value);
                }
            }
        }
        let all: Vec<(u32, u32)> =
            ports.leaves.iter().flat_map(|leaf| leaf.values.iter().copied().zip(leaf.counts.iter().copied())).collect();
        assert!(ports.leaves.len() > 10 && ports.leaves.iter().skip(1).all(|leaf| !leaf.values.is_empty()));
        assert_eq!(all, model.clone().into_iter().collect::<Vec<_>>());
        for value in model.keys().copied().collect::<Vec<_>>() {
            (0..model[&value]).for_each(|_| ports.remove(value));
        }
        assert_eq!((ports.leaves.len(), ports.leaves[0].values.len()), (1, 0));
    }

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
