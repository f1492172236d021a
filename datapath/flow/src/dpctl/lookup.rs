//! How many 64-bit blocks of a key a lookup under a mask compares, in two halves, as `dpctl/dump-flows -m` of Open vSwitch
//! says at the end of a line (`dp-extra-info:miniflow_bits(4,1)`).
//!
//! Why: people read from it how expensive a flow's mask is, and scripts compare it.
//! How: [`BLOCKS`] says which fields share a block. Ports are told apart before anything is compared, and so do not
//! count; whether there is a tag always does.

use crate::{FieldId, FlowMask};

/// Blocks of metadata, Ethernet and labels; blocks of what lies in the frame beyond.
pub fn miniflow_bits(mask: &FlowMask) -> (usize, usize) {
    let matters = |fields: &[(FieldId, u128)]| fields.iter().any(|(field, bits)| field.get_mask(mask) & bits != 0);
    let count = |blocks: &[&[(FieldId, u128)]]| blocks.iter().filter(|fields| matters(fields)).count();
    let own = (30..=71).filter(|&i| mask.word(i) != 0 && i != 38).count();
    (1 + own + count(OUTER), count(INNER))
}

const ALL: u128 = u128::MAX;
const HIGH: u128 = ALL << 64;
const LOW: u128 = ALL >> 64;

/// The first half, but for tunnels and tags.
const OUTER: &[&[(FieldId, u128)]] = &[
    &[(FieldId::SkbPriority, ALL), (FieldId::PktMark, ALL)],
    &[(FieldId::RecircId, ALL), (FieldId::CtState, ALL), (FieldId::CtZone, ALL), (FieldId::CtNwProto, ALL)],
    &[(FieldId::CtMark, ALL), (FieldId::PacketType, ALL)],
    &[(FieldId::CtLabel, HIGH)],
    &[(FieldId::CtLabel, LOW)],
    &[(FieldId::EthDst, ALL), (FieldId::EthSrc, 0xffff_0000_0000)],
    &[(FieldId::EthSrc, 0xffff_ffff), (FieldId::EthType, ALL)],
    &[(FieldId::MplsLabel, ALL), (FieldId::MplsTc, ALL), (FieldId::MplsTtl, ALL), (FieldId::MplsBos, ALL)],
];

/// The second half.
const INNER: &[&[(FieldId, u128)]] = &[
    &[(FieldId::IpSrc, ALL), (FieldId::IpDst, ALL)],
    &[(FieldId::CtNwSrc, ALL), (FieldId::CtNwDst, ALL)],
    &[(FieldId::Ipv6Src, HIGH)],
    &[(FieldId::Ipv6Src, LOW)],
    &[(FieldId::Ipv6Dst, HIGH)],
    &[(FieldId::Ipv6Dst, LOW)],
    &[(FieldId::CtIpv6Src, HIGH)],
    &[(FieldId::CtIpv6Src, LOW)],
    &[(FieldId::CtIpv6Dst, HIGH)],
    &[(FieldId::CtIpv6Dst, LOW)],
    &[
        (FieldId::Ipv6Label, ALL),
        (FieldId::IpFrag, ALL),
        (FieldId::NwTos, ALL),
        (FieldId::NwTtl, ALL),
        (FieldId::NwProto, ALL),
    ],
    &[(FieldId::NdTarget, HIGH)],
    &[(FieldId::NdTarget, LOW)],
    &[(FieldId::ArpSha, ALL), (FieldId::ArpTha, 0xffff_0000_0000)],
    &[(FieldId::ArpTha, 0xffff_ffff), (FieldId::TcpFlags, ALL)],
    &[(FieldId::NshFlags, ALL), (FieldId::NshTtl, ALL), (FieldId::NshMdtype, ALL), (FieldId::NshNp, ALL)],
    &[(FieldId::NshSpi, ALL), (FieldId::NshSi, ALL), (FieldId::NshC1, ALL)],
    &[(FieldId::NshC2, ALL), (FieldId::NshC3, ALL)],
    &[(FieldId::TcpSrc, ALL), (FieldId::TcpDst, ALL), (FieldId::CtTpSrc, ALL), (FieldId::CtTpDst, ALL)],
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dpctl::{DpNames, parse_match};

    /// Read from Open vSwitch 3.1.
    #[test]
    fn blocks_are_counted_as_open_vswitch_does() {
        let table = [
            ("recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x0800),ipv4(frag=no)", (4, 1)),
            ("recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x0806)", (4, 0)),
            ("recirc_id(0),in_port(1),eth(),eth_type(0x0800),ipv4(src=1.2.3.4)", (3, 1)),
            ("recirc_id(0),in_port(2),eth(),eth_type(0x86dd),ipv6(src=::1)", (3, 2)),
            (
                "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x8100),vlan(vid=5,pcp=3/0x0),encap(\
                 eth_type(0x0800),ipv4(src=10.168.0.1/255.0.0.0,dst=192.168.0.2,proto=6,ttl=64,frag=no),\
                 tcp_flags(+syn-ack))",
                (4, 3),
            ),
        ];
        for (text, blocks) in table {
            let matching = parse_match(text, &DpNames::new()).unwrap();
            assert_eq!(miniflow_bits(matching.mask()), blocks, "{text}");
        }
    }
}
