use super::*;
use proptest::prelude::*;

/// Fields that matches and keys are made of, each with the masks that rules use.
pub(super) const FIELDS: &[(FieldId, &[u128])] = &[
    (FieldId::InPortOxm, &[0xffff_ffff]),
    (FieldId::Metadata, &[u64::MAX as u128, 0xff]),
    (FieldId::EthDst, &[0xffff_ffff_ffff, 0x0100_0000_0000]),
    (FieldId::EthType, &[0xffff]),
    (FieldId::NwProto, &[0xff]),
    (FieldId::IpDst, &[0xffff_ffff, 0xffff_ff00, 0xffff_0000, 0xff00_0000, 0x0000_00ff]),
    (FieldId::IpSrc, &[0xffff_ffff, 0xfff0_0000]),
    (FieldId::Ipv6Dst, &[u128::MAX, u128::MAX << 64]),
    (FieldId::TcpSrc, &[0xffff, 0xff00]),
    (FieldId::TcpDst, &[0xffff, 0xfff8, 0x000f]),
];

/// Few distinct values, so that rules and keys meet.
pub(super) fn value(nth: u8) -> u128 {
    [0, 1, u128::MAX, 0x0a00_0001_0a01_0203_0a00_0001_0a01_0203, 0x0a00_0001_0a01_0204_0a00_0001_0a01_02f3]
        [usize::from(nth) % 5]
}

/// For each field of a match: which mask (beyond the list: none), which value.
pub(super) type Choice = Vec<(u8, u8)>;

pub(super) fn choices() -> impl Strategy<Value = Choice> {
    prop::collection::vec((0u8..12, any::<u8>()), FIELDS.len())
}

pub(super) fn pattern(choice: &Choice) -> Match {
    let mut pattern = Match::any();
    for ((field, masks), (mask, nth)) in FIELDS.iter().zip(choice) {
        if let Some(bits) = masks.get(usize::from(*mask)) {
            pattern.set_masked(*field, value(*nth), *bits);
        }
    }
    pattern
}

pub(super) fn key(values: &[u8]) -> FlowKey {
    let mut key = FlowKey::new();
    for ((field, _), nth) in FIELDS.iter().zip(values) {
        field.set(&mut key, value(*nth));
    }
    key
}

struct Listed {
    pattern: Match,
    priority: u32,
    id: usize,
}

fn best(list: &[Listed], key: &FlowKey) -> Option<u32> {
    list.iter().filter(|rule| rule.pattern.matches(key)).map(|rule| rule.priority).max()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_winner_is_the_lists_and_rests_on_the_noted_bits(
        rules in prop::collection::vec((choices(), 0u32..6, 0u8..5), 1..60),
        keys in prop::collection::vec(prop::collection::vec(any::<u8>(), FIELDS.len()), 1..20),
        noise in prop::collection::vec(any::<u64>(), 12),
        prefixes in prop::sample::subsequence(vec![FieldId::IpSrc, FieldId::IpDst, FieldId::Ipv6Dst], 0..=3),
    ) {
        let mut table = RuleTable::new();
        let mut list: Vec<Listed> = Vec::new();
        for (id, (choice, priority, remove)) in rules.iter().enumerate() {
            if id == rules.len() / 2 {
                table.set_prefixes(&prefixes);
            }
            let pattern = pattern(choice);
            let at = list.iter().position(|rule| rule.pattern == pattern && rule.priority == *priority);
            let old = at.map(|at| list.swap_remove(at).id);
            prop_assert_eq!(table.insert(&pattern, *priority, id), old);
            list.push(Listed { pattern, priority: *priority, id });
            if *remove == 0 {
                let victim = list.swap_remove((id * 7) % list.len());
                prop_assert_eq!(table.remove(&victim.pattern, victim.priority), Some(victim.id));
                prop_assert_eq!(table.remove(&victim.pattern, victim.priority), None);
            }
        }
        prop_assert_eq!(table.len(), list.len());
        for values in &keys {
            let key = key(values);
            let mut mask = FlowMask::new();
            let found = table.find_best(&key, Some(&mut mask));
            prop_assert_eq!(found.map(|f| f.priority), best(&list, &key));
            prop_assert_eq!(table.find_best(&key, None).map(|f| f.priority), found.map(|f| f.priority));
            if let Some(found) = found {
                let rule = list.iter().find(|rule| rule.id == *found.value).unwrap();
                prop_assert!(rule.pattern.matches(&key));
            }
            // Change every bit that was not noted.
            for flip in &noise {
                let mut other = key.clone();
                for i in 0..14 {
                    other.set_word(i, key.word(i) ^ (flip.rotate_left(i as u32 * 5) & !mask.word(i)));
                }
                other.set_word(71, key.word(71) ^ (flip & !mask.word(71)));
                let again = table.lookup(&other, None);
                prop_assert_eq!(best(&list, &other), best(&list, &key));
                prop_assert_eq!(again.is_some(), found.is_some());
            }
            let all: Vec<usize> = table.find_all(&key, None).iter().map(|f| *f.value).collect();
            let mut expect: Vec<usize> = list.iter().filter(|r| r.pattern.matches(&key)).map(|r| r.id).collect();
            let mut sorted = all.clone();
            sorted.sort_unstable();
            expect.sort_unstable();
            prop_assert_eq!(sorted, expect);
        }
        for rule in &list {
            prop_assert_eq!(table.get(&rule.pattern, rule.priority), Some(&rule.id));
            let compact = CompactMatch::new(&rule.pattern);
            prop_assert_eq!(table.get_compact(&compact, rule.priority), Some(&rule.id));
            prop_assert_eq!(compact.unpack(), rule.pattern.clone());
        }
        let wide = pattern(&rules[0].0);
        let mut covered: Vec<usize> = table.covered_by(&wide).iter().map(|f| *f.value).collect();
        let is_covered = |r: &Listed| r.pattern.mask().covers(wide.mask()) && wide.matches(r.pattern.key());
        let mut expect: Vec<usize> = list.iter().filter(|r| is_covered(r)).map(|r| r.id).collect();
        covered.sort_unstable();
        expect.sort_unstable();
        prop_assert_eq!(covered, expect);
        let meets = |r: &Listed| r.priority == 3 && {
            let mut both = r.pattern.mask().clone();
            let words = 0..crate::key::WORDS;
            words.for_each(|i| both.set_word(i, r.pattern.mask().word(i) & wide.mask().word(i)));
            both.agree(r.pattern.key(), wide.key())
        };
        prop_assert_eq!(table.overlapping(&wide, 3).is_some(), list.iter().any(meets));
        prop_assert_eq!(table.iter_matches().count(), list.len());
    }
}

fn tcp(dst: u128, prefix: u32, port: Option<u128>) -> Match {
    let mut pattern = Match::any();
    pattern.set(FieldId::EthType, 0x0800);
    if prefix > 0 {
        pattern.set_masked(FieldId::IpDst, dst, 0xffff_ffff << (32 - prefix) & 0xffff_ffff);
    }
    if let Some(port) = port {
        pattern.set(FieldId::NwProto, 6);
        pattern.set(FieldId::TcpDst, port);
    }
    pattern
}

#[test]
fn a_miss_in_an_early_stage_leaves_the_ports_open() {
    let mut table = RuleTable::new();
    table.insert(&tcp(0, 0, Some(80)), 10, "web");
    let mut key = FlowKey::new();
    FieldId::EthType.set(&mut key, 0x0806);
    let mut mask = FlowMask::new();
    assert_eq!(table.lookup(&key, Some(&mut mask)), None);
    assert_eq!((FieldId::EthType.get_mask(&mask), FieldId::TcpDst.get_mask(&mask)), (0xffff, 0));
}

#[test]
fn ports_and_addresses_are_noted_only_as_far_as_they_decide() {
    let mut table = RuleTable::new();
    table.insert(&tcp(0, 0, Some(80)), 10, "web");
    table.insert(&tcp(0x0a00_0001, 32, None), 9, "host");
    table.insert(&tcp(0x1400_0000, 8, None), 8, "net");
    let mut key = tcp(0x1401_0101, 32, Some(443)).key().clone();
    let mut mask = FlowMask::new();
    assert_eq!(table.lookup(&key, Some(&mut mask)), Some(&"net"));
    // 80 is 0000 0000 0101..., 443 is 0000 0001 1...
    assert_eq!(FieldId::TcpDst.get_mask(&mask), 0xff00);
    assert_eq!(FieldId::IpDst.get_mask(&mask), 0xff00_0000);
    FieldId::TcpDst.set(&mut key, 80);
    let mut mask = FlowMask::new();
    assert_eq!(table.lookup(&key, Some(&mut mask)), Some(&"web"));
    assert_eq!((FieldId::TcpDst.get_mask(&mask), FieldId::IpDst.get_mask(&mask)), (0xffff, 0));
}

#[test]
fn five_hundred_masks_stay_correct() {
    let mut table = RuleTable::new();
    for nth in 0..500u32 {
        let mut pattern = tcp(0, 0, None);
        pattern.set_masked(FieldId::EthDst, u128::from(nth), u128::from(nth) | 1 << 40);
        table.insert(&pattern, nth, nth);
    }
    assert_eq!(table.masks(), 500);
    for nth in 0..500u32 {
        let mut key = tcp(0, 0, None).key().clone();
        FieldId::EthDst.set(&mut key, u128::from(nth));
        let best = (0..500u32).filter(|rule| rule & nth == *rule).max();
        assert_eq!(table.lookup(&key, None).copied(), best);
    }
}

#[test]
fn verdicts_rest_on_the_bits_that_ovs_names() {
    use crate::text::{PortNames, format_match, normalize, parse_match};
    let read = |text: &str| parse_match(text, &PortNames::new()).unwrap();
    let (mut table, mut key) = (RuleTable::new(), FlowKey::new());
    for line in include_str!("golden.txt").lines().filter(|line| !line.starts_with('#')) {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("table", _) => table = RuleTable::new(),
            ("key", text) => key = read(text).key().clone(),
            ("megaflow", theirs) => {
                let mut mask = FlowMask::new();
                table.lookup(&key, Some(&mut mask));
                // What translation adds, and what the datapath does not know.
                for field in [FieldId::RecircId, FieldId::InPortOxm, FieldId::PacketType, FieldId::EthType] {
                    field.unwildcard(&mut mask);
                }
                if matches!(FieldId::EthType.get(&key), 0x0800 | 0x86dd) {
                    FieldId::IpFrag.unwildcard(&mut mask);
                }
                let mut known = FlowMask::new();
                (0..crate::key::OPENFLOW_WORDS).for_each(|i| known.set_word(i, mask.word(i)));
                assert_eq!(format_match(&Match::new(key.clone(), known), &PortNames::new()), theirs);
            }
            (priority, text) => {
                let mut pattern = read(text);
                normalize(&mut pattern);
                table.insert(&pattern, priority.parse().unwrap(), ());
            }
        }
    }
}

/// A rule that speaks of tunnel options is found by the very match that put it in, also after the bridge has mapped more.
#[test]
fn rules_of_tunnel_options_are_found_by_their_match() {
    use crate::text::{PortNames, parse_match};
    use crate::tun_metadata::{TlvMap, TlvTable};
    let map = |class, index| TlvMap { class, kind: 1, len: 4, index };
    let mut options = TlvTable::default();
    options.add(&[map(1, 0), map(2, 1)]).unwrap();
    let bound = |options: &TlvTable, text: &str| {
        let mut pattern = parse_match(text, &PortNames::new()).unwrap();
        pattern.bind(options.layout()).unwrap();
        pattern
    };
    let mut table = RuleTable::new();
    table.insert(&bound(&options, "tun_metadata1=5"), 7, "one");
    table.insert(&bound(&options, "tun_metadata0=5,tun_metadata1=6"), 7, "both");
    assert_eq!(table.get(&bound(&options, "tun_metadata1=5"), 7), Some(&"one"));
    options.add(&[map(3, 2)]).unwrap();
    assert_eq!(table.get(&bound(&options, "tun_metadata1=5"), 7), Some(&"one"));
    assert_eq!(table.insert(&bound(&options, "tun_metadata1=5"), 7, "again"), Some("one"));
    assert_eq!(table.remove(&bound(&options, "tun_metadata0=5,tun_metadata1=6"), 7), Some("both"));
    assert_eq!((table.len(), table.masks()), (1, 1));
}
