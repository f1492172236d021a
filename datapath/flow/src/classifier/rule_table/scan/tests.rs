use super::super::tests::{Choice, FIELDS, choices, key, pattern, value};
use super::*;
use crate::Match;
use crate::field::FieldId;
use proptest::prelude::*;

/// Ask every mask.
fn scan_all<'a>(
    table: &'a RuleTable<usize>,
    key: &FlowKey,
    mask: &mut FlowMask,
    mut met: impl FnMut(&'a Subtable<usize>, &'a Rule<usize>) -> Option<u32>,
) {
    let mut tries = TrieLookups::new(&table.prefixes, key);
    let mut bound = None;
    for &(highest, id) in &table.order {
        if bound.is_some_and(|bound| bound >= highest) {
            break;
        }
        let subtable = table.at(id);
        if let Some(rule) = subtable.find_noting(key, &mut tries, mask) {
            bound = met(subtable, rule);
        }
    }
}

/// What a lookup that asks every mask finds and notes, beside what the filter's does.
fn agree(table: &RuleTable<usize>, key: &FlowKey, noted: &FlowMask) {
    let (mut ours, mut theirs) = (noted.clone(), noted.clone());
    let found = table.find_best(key, Some(&mut ours)).map(|f| (f.priority, *f.value));
    let mut expect = None;
    scan_all(table, key, &mut theirs, |_, rule| {
        if expect.is_none_or(|(priority, _)| rule.priority > priority) {
            expect = Some((rule.priority, rule.value));
        }
        expect.map(|(priority, _)| priority)
    });
    assert_eq!(found, expect);
    assert!(ours == theirs, "{:?}", differing(&ours, &theirs));
    assert_eq!(table.find_best(key, None).map(|f| (f.priority, *f.value)), expect);

    let (mut ours, mut theirs) = (noted.clone(), noted.clone());
    let mut all: Vec<usize> = table.find_all(key, Some(&mut ours)).iter().map(|f| *f.value).collect();
    let mut expect = Vec::new();
    scan_all(table, key, &mut theirs, |subtable, rule| {
        expect.extend(subtable.chain(Some(rule)).map(|rule| rule.value));
        None
    });
    all.sort_unstable();
    expect.sort_unstable();
    assert_eq!(all, expect);
    assert!(ours == theirs, "all: {:?}", differing(&ours, &theirs));
}

fn differing(a: &FlowMask, b: &FlowMask) -> Vec<(usize, u64, u64)> {
    let words = 0..crate::key::WORDS;
    words.filter(|&i| a.word(i) != b.word(i)).map(|i| (i, a.word(i), b.word(i))).collect()
}

/// Prefixes of all lengths beside what the other tests' matches have.
fn wide_pattern(choice: &Choice, lens: (u8, u8), seed: u128) -> Match {
    let mut pattern = pattern(choice);
    for (field, len) in [(FieldId::IpSrc, lens.0), (FieldId::IpDst, lens.1)] {
        if (1..=32).contains(&len) {
            pattern.set_masked(field, seed >> (len % 7) ^ value(len), u128::from(u32::MAX << (32 - len)));
        }
    }
    pattern
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]
    #[test]
    fn a_filter_changes_neither_the_answer_nor_its_bits(
        rules in prop::collection::vec((choices(), (0u8..64, 0u8..64), any::<u32>(), 0u32..40, 0u8..6), 1..150),
        keys in prop::collection::vec((prop::collection::vec(any::<u8>(), FIELDS.len()), any::<[u32; 2]>(), any::<u16>()), 1..30),
        prefixes in prop::sample::subsequence(
            vec![FieldId::IpSrc, FieldId::IpDst, FieldId::Ipv6Dst, FieldId::Metadata], 0..=3),
    ) {
        let mut table = RuleTable::new();
        let mut list: Vec<(Match, u32)> = Vec::new();
        for (id, (choice, lens, seed, priority, then)) in rules.iter().enumerate() {
            if id == rules.len() / 3 {
                table.set_prefixes(&prefixes);
            }
            let pattern = wide_pattern(choice, *lens, (*seed).into());
            table.insert(&pattern, *priority, id);
            list.push((pattern, *priority));
            if *then == 0 {
                let (pattern, priority) = list.swap_remove((id * 7) % list.len());
                table.remove(&pattern, priority);
            }
        }
        prop_assert!(table.filter.is_some() || table.masks() < MANY);
        for (values, addresses, noted) in keys.iter().filter(|_| !list.is_empty()) {
            let mut key = key(values);
            // near to some rule's addresses, and far from all
            let near = &list[usize::from(*noted) % list.len()].0;
            for (field, address) in [FieldId::IpSrc, FieldId::IpDst].into_iter().zip(addresses) {
                let kept = if noted & 0x4000 != 0 { field.get(near.key()) } else { 0 };
                field.set(&mut key, kept ^ u128::from(address.checked_shr(u32::from(*noted) & 63).unwrap_or(0)));
            }
            let mut before = FlowMask::new();
            for (nth, (field, masks)) in FIELDS.iter().enumerate() {
                if noted >> nth & 1 != 0 {
                    field.add_mask(&mut before, masks[usize::from(*noted) % masks.len()]);
                }
            }
            agree(&table, &key, &before);
            agree(&table, &key, &FlowMask::new());
        }
    }
}

/// More masks than a guard tells apart, that come and go, with more rules than one is built from.
#[test]
fn a_thousand_masks_that_come_and_go_stay_the_same() {
    let mut dice = 7u64;
    let mut draw = move || {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        dice >> 33
    };
    let mut table = RuleTable::new();
    let mut list: Vec<(Match, u32)> = Vec::new();
    let mut most = 0;
    for step in 0..30_000usize {
        let class = if step < 15_000 { 0 } else { draw() % 1000 };
        let mut pattern = Match::any();
        pattern.set(FieldId::EthType, 0x0800);
        pattern.set_masked(FieldId::EthDst, draw().into(), u128::from(class) | 1 << 40);
        pattern.set_masked(FieldId::IpDst, u128::from(draw() as u32), u128::from(u32::MAX << (class % 24)));
        if class % 3 == 0 {
            pattern.set(FieldId::NwProto, 6);
            pattern.set(FieldId::TcpDst, (draw() % 64).into());
        }
        let priority = (draw() % 50) as u32;
        if table.insert(&pattern, priority, step).is_none() {
            list.push((pattern, priority));
        }
        if step > 25_000 {
            for _ in 0..4.min(list.len()) {
                let (pattern, priority) = list.swap_remove(draw() as usize % list.len());
                assert!(table.remove(&pattern, priority).is_some());
            }
        }
        most = most.max(table.masks());
        if step % 500 == 0 {
            let mut key = list[draw() as usize % list.len()].0.key().clone();
            FieldId::IpSrc.set(&mut key, draw().into());
            FieldId::TcpDst.set(&mut key, (draw() % 64).into());
            agree(&table, &key, &FlowMask::new());
            FieldId::EthDst.set(&mut key, draw().into());
            agree(&table, &key, &FlowMask::new());
        }
    }
    assert!(most > 900 && table.len() == list.len());
}
