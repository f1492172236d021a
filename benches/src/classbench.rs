//! Rule sets shaped like those of ClassBench (Taylor and Turner, 2007): access lists, firewalls, IP chains.
//!
//! How: each kind has its own habits of prefix lengths, ports and protocols; addresses come from a few networks, so that
//! prefixes nest. A port range is one that a mask can say. Everything follows from a seed.
//!
//! Invariant: no two rules have the same match and priority.

use weft_flow::{FieldId, FlowKey, Match};

use crate::frames::Random;

/// What a rule set is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Access lists: specific destinations and services.
    Acl,
    /// Firewalls: many wildcards, port ranges.
    Firewall,
    /// IP chains: both ends rather specific.
    Chains,
}

/// All kinds, with their names.
pub const KINDS: [(Kind, &str); 3] = [(Kind::Acl, "acl"), (Kind::Firewall, "fw"), (Kind::Chains, "ipc")];

/// Rules with their priorities, the first the highest, each with another one.
pub fn rules(kind: Kind, n: usize, seed: u64) -> Vec<(Match, u32)> {
    let mut random = Random::new(seed ^ kind as u64);
    let networks: Vec<u32> = (0..16 + n / 200).map(|_| random.draw() as u32).collect();
    (0..n).map(|nth| (rule(kind, &networks, &mut random), (n - nth) as u32)).collect()
}

fn rule(kind: Kind, networks: &[u32], random: &mut Random) -> Match {
    let (src, dst): (&[u32], &[u32]) = match kind {
        Kind::Acl => (&[0, 0, 16, 22, 24, 28, 32], &[24, 26, 28, 30, 32, 32, 32, 32]),
        Kind::Firewall => (&[0, 0, 0, 8, 16, 24, 32], &[0, 0, 12, 16, 24, 28, 32]),
        Kind::Chains => (&[8, 16, 20, 24, 27, 32, 32], &[8, 16, 20, 24, 27, 32, 32]),
    };
    let mut pattern = Match::any();
    pattern.set(FieldId::EthType, 0x0800);
    for (field, lens) in [(FieldId::IpSrc, src), (FieldId::IpDst, dst)] {
        let len = pick(lens, random);
        if len > 0 {
            let host = random.draw() as u32 & 0xffff;
            let address = (pick(networks, random) & 0xffff_0000) | host;
            pattern.set_masked(field, address.into(), (u32::MAX << (32 - len)).into());
        }
    }
    let protocols: &[u128] = if kind == Kind::Firewall { &[6, 6, 17, 1, 0] } else { &[6, 6, 6, 17, 17, 0] };
    let protocol = pick(protocols, random);
    if protocol == 0 {
        return pattern;
    }
    pattern.set(FieldId::NwProto, protocol);
    if protocol == 1 {
        return pattern;
    }
    let (sources, destinations): (&[u32], &[u32]) = match kind {
        Kind::Acl => (&[0, 0, 0, 0, 16], &[16, 16, 16, 16, 12, 6, 0]),
        Kind::Firewall => (&[0, 0, 6, 8, 16], &[0, 6, 8, 10, 12, 16]),
        Kind::Chains => (&[0, 0, 16, 6], &[0, 16, 16, 6]),
    };
    let services = [22, 25, 53, 80, 110, 123, 143, 443, 993, 3306, 5432, 8080];
    for (field, lens) in [(FieldId::TcpSrc, sources), (FieldId::TcpDst, destinations)] {
        let len = pick(lens, random);
        if len > 0 {
            let port =
                if random.draw().is_multiple_of(3) { random.draw() as u32 & 0xffff } else { pick(&services, random) };
            pattern.set_masked(field, port.into(), u128::from(0xffff_u32 << (16 - len) & 0xffff));
        }
    }
    pattern
}

/// Keys that some rule matches, their other bits at random.
pub fn keys(rules: &[(Match, u32)], n: usize, seed: u64) -> Vec<FlowKey> {
    let mut random = Random::new(seed);
    (0..n)
        .map(|_| {
            let (pattern, _) = &rules[random.draw() as usize % rules.len()];
            let mut key = FlowKey::new();
            FieldId::InPortOxm.set(&mut key, 1);
            for field in
                [FieldId::EthType, FieldId::NwProto, FieldId::IpSrc, FieldId::IpDst, FieldId::TcpSrc, FieldId::TcpDst]
            {
                let (value, mask) = pattern.get(field);
                let any = match field {
                    FieldId::NwProto => [6, 17][random.draw() as usize % 2],
                    _ => u128::from(random.draw()),
                };
                field.set(&mut key, value | any & !mask);
            }
            key
        })
        .collect()
}

fn pick<T: Copy>(from: &[T], random: &mut Random) -> T {
    from[(random.draw() >> 20) as usize % from.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_flow::{FlowMask, RuleTable};

    /// The table against the list, for every kind; also for keys that differ from one only where the mask allows it.
    #[test]
    fn lookups_find_what_a_linear_scan_finds() {
        for (kind, name) in KINDS {
            let rules = rules(kind, 1000, 7);
            let mut table = RuleTable::new();
            for (nth, (pattern, priority)) in rules.iter().enumerate() {
                assert_eq!(table.insert(pattern, *priority, nth), None);
            }
            let scan = |key: &FlowKey| rules.iter().position(|(pattern, _)| pattern.matches(key));
            let mut random = Random::new(9);
            for key in keys(&rules, 500, 3) {
                let mut mask = FlowMask::new();
                let found = table.lookup(&key, Some(&mut mask)).copied();
                assert_eq!(found, scan(&key), "{name}");
                assert_eq!(table.lookup(&key, None).copied(), found, "{name}");
                let mut other = key.clone();
                for word in 0..8 {
                    other.set_word(word, key.word(word) ^ (random.draw() & !mask.word(word)));
                }
                assert_eq!(scan(&other), found, "{name}: the mask misses something");
            }
        }
    }
}
