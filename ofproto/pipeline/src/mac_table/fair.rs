//! Which bundle has most addresses: it is the one that has to give one up when there is no room.
//!
//! How: a binary heap of the bundles that have any. Among bundles with equally many the heap's shape decides, and so
//! evictions go around instead of hitting the oldest bundle each time.
//!
//! Invariant: no bundle has more addresses than the one at the top.

use crate::tables::BundleId;

/// Bundles by their number of addresses.
#[derive(Default)]
pub(super) struct Fair(Vec<(BundleId, usize)>);

impl Fair {
    /// The bundle with most addresses.
    pub fn most(&self) -> Option<BundleId> {
        self.0.first().map(|(bundle, _)| *bundle)
    }

    /// A bundle has so many addresses now.
    pub fn set(&mut self, bundle: BundleId, count: usize) {
        match self.0.iter().position(|(known, _)| *known == bundle) {
            None if count == 0 => {}
            None => {
                self.0.push((bundle, count));
                self.rise(self.0.len() - 1);
            }
            Some(at) if count == 0 => {
                self.0.swap_remove(at);
                if at < self.0.len() {
                    self.rise(at);
                    self.sink(at);
                }
            }
            Some(at) => {
                let before = std::mem::replace(&mut self.0[at].1, count);
                if count > before { self.rise(at) } else { self.sink(at) }
            }
        }
    }

    fn rise(&mut self, mut at: usize) {
        while at > 0 && self.0[at].1 > self.0[(at - 1) / 2].1 {
            self.0.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }

    fn sink(&mut self, mut at: usize) {
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let count = |i: usize| self.0.get(i).map_or(0, |(_, count)| *count);
            let larger = if count(right) > count(left) { right } else { left };
            if count(larger) <= self.0[at].1 {
                return;
            }
            self.0.swap(at, larger);
            at = larger;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evictions_go_around_among_equals() {
        let mut fair = Fair::default();
        let mut counts = [2usize; 5];
        for i in 0..5 {
            fair.set(BundleId(i), 1);
            fair.set(BundleId(i), 2);
        }
        let mut gave_up = Vec::new();
        for new in 1..=3 {
            let top = fair.most().unwrap().0;
            gave_up.push(top);
            counts[top as usize] -= 1;
            fair.set(BundleId(top), counts[top as usize]);
            fair.set(BundleId(5), new);
        }
        assert_eq!(gave_up, [0, 1, 3]); // as Open vSwitch's table does it
        assert_eq!(fair.most(), Some(BundleId(5)));
    }

    #[test]
    fn the_top_has_most_whatever_comes_and_goes() {
        let mut fair = Fair::default();
        let mut counts = [0usize; 9];
        let mut random = 7u32;
        for _ in 0..5000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (bundle, count) = ((random >> 8) % 9, (random >> 16) as usize % 6);
            counts[bundle as usize] = count;
            fair.set(BundleId(bundle), count);
            let most = counts.iter().copied().max().unwrap_or(0);
            assert_eq!(fair.most().map_or(0, |b| counts[b.0 as usize]), most);
        }
    }
}
