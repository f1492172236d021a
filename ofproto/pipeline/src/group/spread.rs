//! Which bucket a datapath's hash means.
//!
//! Why: matching a few bits of a hash needs few megaflows, however many connections there are. So a power of two of slots
//! is dealt out to the buckets by their weights.
//! How: Webster's method (Sainte-Laguë): slot by slot, the bucket with the highest weight / (2 * slots it has + 1) gets
//! it, the first of equals. A slot whose bucket is not alive serves the bucket of the next slot that is, so that of all
//! other slots none moves when a bucket comes or goes.

/// The slots.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spread {
    /// The bucket of each slot, by position in the group.
    slots: Vec<u16>,
}

/// There are never fewer slots.
const MIN_SLOTS: u64 = 16;
/// There are never more.
pub(super) const MAX_SLOTS: u64 = 256;

impl Spread {
    /// Deal the slots out; `None` if the lightest bucket would need more slots than there are, or nothing has a weight.
    pub fn new(weights: impl Iterator<Item = u16>) -> Option<Spread> {
        let weights: Vec<u64> = weights.map(u64::from).collect();
        let total: u64 = weights.iter().sum();
        let least = weights.iter().copied().filter(|w| *w > 0).min()?;
        let n = total.div_ceil(least).next_power_of_two().max(MIN_SLOTS);
        if n > MAX_SLOTS {
            return None;
        }
        let mut has = vec![0u64; weights.len()];
        let slots = (0..n).map(|_| {
            let mut best = 0;
            for i in 1..weights.len() {
                // weight / (2 has + 1), compared without dividing
                if weights[i] * (2 * has[best] + 1) > weights[best] * (2 * has[i] + 1) {
                    best = i;
                }
            }
            has[best] += 1;
            best as u16
        });
        Some(Spread { slots: slots.collect() })
    }

    /// Number of slots.
    #[allow(clippy::len_without_is_empty, reason = "there always are some")]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many of them a bucket has.
    pub fn slots_of(&self, bucket: usize) -> usize {
        self.slots.iter().filter(|b| usize::from(**b) == bucket).count()
    }

    /// The bits of the hash that matter.
    pub fn mask(&self) -> u32 {
        self.slots.len() as u32 - 1
    }

    /// The bucket that a hash means, among those that are alive.
    pub fn pick(&self, hash: u32, mut is_alive: impl FnMut(usize) -> bool) -> Option<usize> {
        let start = (hash & self.mask()) as usize;
        let n = self.slots.len();
        (0..n).map(|i| usize::from(self.slots[(start + i) % n])).find(|&bucket| is_alive(bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slots(weights: &[u16]) -> Vec<u16> {
        Spread::new(weights.iter().copied()).map_or(Vec::new(), |s| s.slots)
    }

    /// As the real switch's trace shows them, hash by hash.
    #[test]
    fn slots_are_dealt_as_ovs_deals_them() {
        assert_eq!(slots(&[1, 1]), [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
        assert_eq!(slots(&[1, 1, 1]), [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);
        assert_eq!(slots(&[1, 2, 5]), [2, 1, 2, 0, 2, 2, 1, 2, 2, 1, 2, 0, 2, 2, 1, 2]);
        assert_eq!(slots(&[5, 2, 1]), [0, 1, 0, 0, 2, 0, 1, 0, 0, 1, 0, 0, 2, 0, 1, 0]);
        assert_eq!(slots(&[0, 1, 1]), [1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2]);
        for (weights, n) in [([1, 15], 16), ([1, 16], 32), ([1, 31], 32), ([1, 32], 64), ([1, 63], 64), ([1, 64], 128)]
        {
            assert_eq!(slots(&weights).len(), n, "{weights:?}");
        }
        for (weights, n) in [([1, 127], 128), ([1, 128], 256), ([1, 255], 256), ([1, 256], 0), ([10, 1000], 128)] {
            assert_eq!(slots(&weights).len(), n, "{weights:?}");
        }
        assert_eq!(slots(&[5, 5, 5, 5, 100]).len(), 32);
        assert!(slots(&[]).is_empty() && slots(&[0, 0]).is_empty());
    }

    #[test]
    fn the_next_live_slot_stands_in() {
        let spread = Spread::new([1, 1, 1].into_iter()).expect("slots");
        let served = |dead: &[usize]| {
            (0..6).map(|h| spread.pick(h, |b| !dead.contains(&b)).map_or(9, |b| b)).collect::<Vec<_>>()
        };
        assert_eq!(served(&[0]), [1, 1, 2, 1, 1, 2]);
        assert_eq!(served(&[0, 2]), [1, 1, 1, 1, 1, 1]);
        assert_eq!(served(&[0, 1, 2]), [9, 9, 9, 9, 9, 9]);
    }

    proptest! {
        /// Whatever dies, a hash whose bucket lives keeps it; and shares are fair to within one slot of the weights.
        #[test]
        fn life_and_death_move_nobody_else(weights in prop::collection::vec(0u16..40, 1..12), dead in any::<u16>()) {
            let Some(spread) = Spread::new(weights.iter().copied()) else { return Ok(()) };
            let lives = |b: usize| dead >> (b % 16) & 1 == 0;
            let n = spread.mask() + 1;
            for hash in 0..n {
                let before = spread.pick(hash, |_| true).expect("a bucket");
                if lives(before) {
                    prop_assert_eq!(spread.pick(hash, lives), Some(before));
                }
            }
            let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
            for (i, weight) in weights.iter().enumerate() {
                let has = spread.slots.iter().filter(|b| usize::from(**b) == i).count() as f64;
                let fair = f64::from(*weight) * f64::from(n) / total;
                prop_assert!((has - fair).abs() < 2.0, "bucket {i} has {has} of {fair}");
                prop_assert!(*weight == 0 || has > 0.0);
            }
        }
    }
}
