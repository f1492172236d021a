//! Choosing by hash or by life: `bundle`, `bundle_load`, `multipath` (ovs-actions(7)).

use weft_flow::OfPort;
use weft_openflow::action::{Bundle, BundleAlgorithm, Multipath, MultipathAlgorithm};

use super::Context;
use super::hash::mix;

/// Above so many links "highest random weight" takes too long.
const MOST_WEIGHED: u32 = 64;

impl Context<'_, '_> {
    /// The member that `bundle` chooses; [`OfPort::NONE`] if none lives. Sending to it is the caller's.
    pub(super) fn bundle_member(&mut self, bundle: &Bundle) -> OfPort {
        let bridge = self.bridge;
        let mut alive = bundle.members.iter().copied().filter(|m| bridge.port(*m).is_some_and(|port| port.is_live()));
        if bundle.algorithm == BundleAlgorithm::ActiveBackup || bundle.members.len() <= 1 {
            return alive.next().unwrap_or(OfPort::NONE); // nothing of the frame matters
        }
        let alive: Vec<OfPort> = alive.collect();
        let hash = self.hash_fields(bundle.fields, bundle.basis);
        let weight = |member: OfPort| {
            let place = bundle.members.iter().position(|m| *m == member).unwrap_or(0);
            mix(hash, place as u64)
        };
        let heavier = |best, next| if weight(next) > weight(best) { next } else { best };
        alive.into_iter().reduce(heavier).unwrap_or(OfPort::NONE)
    }

    /// `multipath`: a link number into a field.
    pub(super) fn multipath(&mut self, to: &Multipath) {
        let hash = self.hash_fields(to.fields, to.basis);
        let link = link(to.algorithm, hash, u32::from(to.max_link) + 1, to.arg);
        self.write(to.dst, link.into());
        self.note_value(to.dst);
    }
}

/// The link out of `n_links` that a hash means.
fn link(algorithm: MultipathAlgorithm, hash: u64, n_links: u32, arg: u32) -> u32 {
    let hash32 = (hash >> 32) as u32;
    match algorithm {
        MultipathAlgorithm::ModuloN => hash32 % n_links,
        MultipathAlgorithm::HashThreshold => threshold(hash32, n_links),
        MultipathAlgorithm::Hrw if n_links <= MOST_WEIGHED => {
            (0..n_links).max_by_key(|link| (mix(hash, u64::from(*link)), std::cmp::Reverse(*link))).unwrap_or(0)
        }
        MultipathAlgorithm::Hrw => threshold(hash32, n_links),
        MultipathAlgorithm::IterHash => {
            // the first of a row of hashes into [0, arg) that is a link
            let range = u64::from(arg.max(n_links));
            let hit = (0..1024u64).map(|i| ((mix(hash, i) >> 32) * range) >> 32).find(|n| *n < u64::from(n_links));
            hit.map_or(hash32 % n_links, |n| n as u32)
        }
    }
}

fn threshold(hash: u32, n_links: u32) -> u32 {
    ((u64::from(hash) * u64::from(n_links)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use MultipathAlgorithm::{HashThreshold, Hrw, IterHash, ModuloN};

    fn links(algorithm: MultipathAlgorithm, n_links: u32, arg: u32) -> Vec<u32> {
        (0..20_000u64).map(|flow| link(algorithm, mix(7, flow), n_links, arg)).collect()
    }

    #[test]
    fn every_link_gets_its_share() {
        for algorithm in [ModuloN, HashThreshold, Hrw, IterHash] {
            for n in [1, 2, 3, 5, 8, 63] {
                let mut count = vec![0usize; n as usize];
                links(algorithm, n, 2 * n).into_iter().for_each(|link| count[link as usize] += 1);
                let fair = 20_000 / n as usize;
                let even = count.iter().all(|c| c.abs_diff(fair) < fair / 4 + 20);
                assert!(even, "{algorithm:?} {n}: {count:?}");
            }
        }
    }

    /// What the manual says of how much traffic moves when a link is added.
    #[test]
    fn a_new_link_moves_little() {
        let moved = |algorithm, n: u32| {
            let (before, after) = (links(algorithm, n, 16), links(algorithm, n + 1, 16));
            before.iter().zip(&after).filter(|(a, b)| a != b).count() as f64 / before.len() as f64
        };
        assert!((moved(Hrw, 4) - 0.2).abs() < 0.03, "{}", moved(Hrw, 4));
        assert!((0.2..0.55).contains(&moved(HashThreshold, 4)), "{}", moved(HashThreshold, 4));
        assert!((moved(IterHash, 4) - 0.2).abs() < 0.05, "{}", moved(IterHash, 4));
        assert!(moved(ModuloN, 4) > 0.7);
    }
}
