//! One bench per step of a frame's journey: `cargo bench -p weft-benches [STEP]`. The time is that of one frame.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weft_benches::steps::STEPS;
use weft_netdev::BURST;

fn journey(criterion: &mut Criterion) {
    for step in &STEPS {
        let (group, name) = step.name.split_once('/').expect("group/name");
        let mut group = criterion.benchmark_group(group);
        group.throughput(Throughput::Elements(BURST as u64));
        let mut prepared = None;
        group.bench_function(name, |bencher| {
            let burst = prepared.get_or_insert_with(step.prepare);
            bencher.iter(burst);
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1))
        .sample_size(30);
    targets = journey
}
criterion_main!(benches);
