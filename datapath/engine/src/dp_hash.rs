//! The datapath's hash of a packet's five-tuple, for whoever spreads connections by it (`hash(l4(0))`).
//!
//! What: [`hash`] over protocol, addresses and ports, of both directions alike if wanted; never 0, which says "no hash
//! yet". It reads the key that the frame was looked up by.
//! Invariant: packets of one connection get the same number, in every worker.

use weft_flow::FlowKey;

/// Hash.
pub fn hash(key: &FlowKey, symmetric: bool, basis: u32) -> u32 {
    let kind = key.word(1) & 0xffff_00ff; // EtherType, protocol
    let fragment = key.word(1) >> 8 & 0x1 != 0; // only the first one has ports, and all go one way
    let ports = if fragment || !matches!(kind as u8, 6 | 17 | 132) { 0 } else { key.word(6) >> 32 };
    let (src_port, dst_port) = (ports >> 16, ports & 0xffff);
    let v6 = kind >> 16 == 0x86dd;
    let src = if v6 { [key.word(7), key.word(8)] } else { [key.word(5) >> 32, 0] };
    let dst = if v6 { [key.word(9), key.word(10)] } else { [key.word(5) & 0xffff_ffff, 0] };
    let one = |address: [u64; 2], port: u64| mix(mix(address[0], address[1]), port);
    let (from, to) = (one(src, src_port), one(dst, dst_port));
    let both = match symmetric {
        true => mix(from ^ to, from.wrapping_add(to)),
        false => mix(from, to.rotate_left(32)),
    };
    let hash = mix(mix(both, kind), basis.into());
    match (hash >> 32) as u32 {
        0 => 1,
        some => some,
    }
}

/// A hash for packets that have no addresses but those of their Ethernet header, if they have one.
pub fn hash_link(key: &FlowKey) -> u32 {
    (mix(key.word(2) & !0xffff, key.word(3) & !0xffff) >> 32) as u32
}

/// Every bit of both reaches every bit of what comes out.
fn mix(a: u64, b: u64) -> u64 {
    let wide = u128::from(a ^ 0x9e37_79b9_7f4a_7c15) * u128::from(b.rotate_left(17) ^ 0xbf58_476d_1ce4_e5b9 | 1);
    let folded = wide as u64 ^ (wide >> 64) as u64;
    (folded ^ folded >> 29).wrapping_mul(0x94d0_49bb_1331_11eb) ^ folded >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_flow::FieldId;

    fn tcp(src: u128, dst: u128, from: u128, to: u128) -> FlowKey {
        let mut key = FlowKey::new();
        FieldId::EthType.set(&mut key, 0x0800);
        FieldId::NwProto.set(&mut key, 6);
        FieldId::IpSrc.set(&mut key, src);
        FieldId::IpDst.set(&mut key, dst);
        FieldId::TcpSrc.set(&mut key, from);
        FieldId::TcpDst.set(&mut key, to);
        key
    }

    #[test]
    fn both_directions_are_alike_if_wanted() {
        let (there, back) = (tcp(1, 2, 3, 4), tcp(2, 1, 4, 3));
        assert_eq!(hash(&there, true, 7), hash(&back, true, 7));
        assert_ne!(hash(&there, false, 7), hash(&back, false, 7));
        assert_ne!(hash(&there, true, 7), hash(&there, true, 8));
        assert_ne!(hash(&there, true, 7), hash(&tcp(1, 2, 4, 3), true, 7), "which port is whose matters");
    }

    /// Connections that differ little are spread evenly over few slots.
    #[test]
    fn slots_fill_evenly() {
        for symmetric in [false, true] {
            let mut slots = [0u32; 16];
            (0..16_000u128).for_each(|port| {
                let h = hash(&tcp(0x0a00_0001, 0x0a00_0002, port, 80), symmetric, 0);
                slots[(h & 15) as usize] += 1;
            });
            assert!(slots.iter().all(|n| (850..1150).contains(n)), "{slots:?}");
        }
    }
}
