//! Lookups at 1, 10, 100 and 500 masks: a worker's megaflows, and an OpenFlow table's rules without and with
//! un-wildcarding; and in rule sets like those of access lists, firewalls and IP chains, where loading is measured too:
//! `cargo bench -p weft-benches --bench lookup [-- acl]`. The time is that of one lookup, or of one insertion.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use weft_benches::classbench::{KINDS, keys, rules};
use weft_benches::frames::Random;
use weft_flow::{CompactMatch, FieldId, FlowKey, FlowMask, FlowTable, Match, RuleTable};

const MASKS: [u32; 4] = [1, 10, 100, 500];
const RULES: u32 = 10_000;

/// Rule `nth` of a table with `masks` masks: a prefix or a set of bits of the destination, a protocol, a port.
fn pattern(nth: u32, masks: u32, random: &mut Random) -> Match {
    let class = nth % masks;
    let mut pattern = Match::any();
    for (field, value) in
        [(FieldId::RecircId, 0), (FieldId::InPortOxm, 1), (FieldId::PacketType, 0), (FieldId::EthType, 0x0800)]
    {
        pattern.set(field, value);
    }
    pattern.set_masked(FieldId::EthDst, u128::from(random.draw()), 0xff << 40 | u128::from(class));
    pattern.set_masked(FieldId::IpDst, u128::from(random.draw() as u32), u128::from(u32::MAX << (class % 16)));
    pattern.set(FieldId::NwProto, 17);
    pattern.set(FieldId::UdpDst, u128::from(random.draw() as u16));
    pattern
}

/// The patterns, and keys that match them.
fn workload(masks: u32) -> (Vec<Match>, Vec<FlowKey>) {
    let mut random = Random::new(7);
    let patterns: Vec<Match> = (0..RULES).map(|nth| pattern(nth, masks, &mut random)).collect();
    // As many keys as a burst has: in a worker they have just been extracted.
    let keys = patterns.iter().step_by(311).take(32).map(|p| p.key().clone()).collect();
    (patterns, keys)
}

fn lookups(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lookup");
    for masks in MASKS {
        let (patterns, keys) = workload(masks);
        let mut flows = FlowTable::new(0x5eed);
        let (mut rules, mut plain) = (RuleTable::new(), RuleTable::plain());
        for (nth, pattern) in patterns.iter().enumerate() {
            flows.insert(&CompactMatch::new(pattern), nth);
            rules.insert(pattern, nth as u32 % masks, nth);
            plain.insert(pattern, nth as u32 % masks, nth);
        }
        let mut at = 0;
        let mut next = || {
            at = (at + 1) % keys.len();
            &keys[at]
        };
        group.bench_function(BenchmarkId::new("megaflow", masks), |b| b.iter(|| flows.lookup(next())));
        group.bench_function(BenchmarkId::new("rule", masks), |b| b.iter(|| rules.lookup(next(), None)));
        for (name, table) in [("rule, un-wildcarding", &rules), ("rule, un-wildcarding, every mask asked", &plain)] {
            group.bench_function(BenchmarkId::new(name, masks), |b| {
                b.iter(|| {
                    let mut mask = FlowMask::new();
                    table.lookup(next(), Some(&mut mask)).copied()
                });
            });
        }
    }
    group.finish();
}

fn sets(criterion: &mut Criterion) {
    for (kind, name) in KINDS {
        let mut group = criterion.benchmark_group(name);
        for n in [1_000, 10_000, 100_000] {
            let set = rules(kind, n, 1);
            let (mut table, mut plain) = (RuleTable::new(), RuleTable::plain());
            for (nth, (pattern, priority)) in set.iter().enumerate() {
                table.insert(pattern, *priority, nth);
                plain.insert(pattern, *priority, nth);
            }
            let keys = keys(&set, 1024, 2);
            let mut at = 0;
            for (name, table) in [("un-wildcarding", &table), ("un-wildcarding, every mask asked", &plain)] {
                group.bench_function(BenchmarkId::new(format!("{} masks, {name}", table.masks()), n), |b| {
                    b.iter(|| {
                        at = (at + 1) % keys.len();
                        let mut mask = FlowMask::new();
                        table.lookup(&keys[at], Some(&mut mask)).copied()
                    });
                });
            }
            group.bench_function(BenchmarkId::new("without", n), |b| {
                b.iter(|| {
                    at = (at + 1) % keys.len();
                    table.lookup(&keys[at], None).copied()
                });
            });
            let mut nth = 0;
            group.bench_function(BenchmarkId::new("remove and insert", n), |b| {
                b.iter(|| {
                    nth = (nth + 7919) % set.len();
                    let (pattern, priority) = &set[nth];
                    let old = table.remove(pattern, *priority).unwrap_or(nth);
                    table.insert(pattern, *priority, old)
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1))
        .sample_size(30);
    targets = lookups, sets
}
criterion_main!(benches);
