//! Stages: the order in which a rule's fields are looked at.
//!
//! A rule that a frame's Ethernet addresses rule out needs no look at its ports. So a mask is cut into metadata, layer 2,
//! layer 3 and layer 4, and a lookup that ends in an early stage leaves the later fields out of the megaflow.

use crate::key::WORDS;

/// How many stages there are.
pub(super) const STAGES: usize = 4;

/// The bits of a word of the key that belong to a stage: 0 metadata, 1 layer 2, 2 layer 3, 3 layer 4.
pub(super) const fn bits(word: usize, stage: usize) -> u64 {
    const HIGH: u64 = 0xffff_ffff_0000_0000;
    const LOW: u64 = 0xffff_ffff;
    let by_stage = match word {
        1 => [HIGH, 0xffff_0000, 0xffff, 0], // packet_type | eth_type | ip_frag, nw_proto
        2 | 3 => [0, !0, 0, 0],
        4 => [0, HIGH, 0xffff_0000, 0xffff], // inner tag | tos, ttl | tcp_flags
        5 | 7..=10 => [0, 0, !0, 0],
        11..=14 => [0, 0, 0, !0], // arp_sha, arp_tha, nd_target: with the ports, as in OVS
        6 => [0, 0, LOW, HIGH],   // ipv6_label | ports
        19..=23 => [0, 0, !0, 0],
        24 => [LOW, 0, 0, HIGH], // dp_hash | ct_tp_src, ct_tp_dst
        25 => [0, !0, 0, 0],
        26 => [0, HIGH, LOW, 0], // mpls | nsh
        27 | 28 => [0, 0, !0, 0],
        29 => [0, 0, HIGH, LOW], // nsh_c4 | nd_reserved, igmp_group
        _ => [!0, 0, 0, 0],
    };
    by_stage[stage]
}

/// The bits of each word that belong to a stage or to one before it.
pub(super) static UP_TO: [[u64; WORDS]; STAGES] = {
    let mut up_to = [[0; WORDS]; STAGES];
    let mut word = 0;
    while word < WORDS {
        let (mut stage, mut sum) = (0, 0);
        while stage < STAGES {
            sum |= bits(word, stage);
            up_to[stage][word] = sum;
            stage += 1;
        }
        word += 1;
    }
    up_to
};

const _: () = {
    let mut word = 0;
    while word < WORDS {
        assert!(bits(word, 0) ^ bits(word, 1) ^ bits(word, 2) ^ bits(word, 3) == !0);
        word += 1;
    }
};
