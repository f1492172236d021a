//! Extraction and the microflow hash, by kind of frame: `cargo bench -p weft-benches --bench extract`. The time is that of
//! one frame.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use weft_flow::FlowKey;
use weft_flow::extract::{Limits, extract};
use weft_packet::builder::Builder;
use weft_packet::wire::arp::ArpWire;
use weft_packet::{Frame, Mac};

fn extraction(criterion: &mut Criterion) {
    let ethernet = || Builder::ethernet(Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
    let (src, dst) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let arp = ArpWire::new(1, Mac([2, 0, 0, 0, 0, 2]), src, Mac::ZERO, dst);
    let kinds = [
        ("udp4", ethernet().ipv4(src, dst).udp(1, 2).payload(&[0; 18])),
        ("tcp4", ethernet().ipv4(src, dst).tcp(1, 2, 0x10).payload(&[0; 6])),
        ("tcp4 in a VLAN", ethernet().vlan(0x8100, 10).ipv4(src, dst).tcp(1, 2, 0x10).payload(&[0; 6])),
        ("tcp6", ethernet().ipv6([1; 16], [2; 16]).tcp(1, 2, 0x10)),
        ("icmp4", ethernet().ipv4(src, dst).icmp(8, 0).payload(&[0; 18])),
        ("arp", ethernet().arp(&arp).payload(&[0; 18])),
    ];
    let mut group = criterion.benchmark_group("extract");
    for (name, builder) in kinds {
        let mut frame = Frame::copy_of(&builder.build());
        let mut key = FlowKey::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                key.begin(0, 1);
                extract(black_box(&mut frame), &mut key, Limits::default()).expect("a whole frame");
                key.microflow_hash(0x5eed)
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1))
        .sample_size(30);
    targets = extraction
}
criterion_main!(benches);
