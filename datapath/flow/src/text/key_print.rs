//! The `Flow:` line: a key as a match on all that such a frame has.

use std::sync::Arc;

use crate::field::FieldId;
use crate::key::FlowKey;
use crate::matching::Match;
use crate::text::{PortNames, format_match};
use crate::tun_metadata::TunLayout;

/// A whole key, as `ofproto/trace` prints it: every field that a frame of its kind has, also where it is zero, but
/// of the metadata only what is not.
pub fn format_key(key: &FlowKey, ports: &PortNames) -> String {
    format_key_with(key, ports, None)
}

/// The same, with the tunnel options of a bridge whose layout is given.
pub fn format_key_with(key: &FlowKey, ports: &PortNames, options: Option<&Arc<TunLayout>>) -> String {
    let mut pattern = Match::any();
    let mut take = |fields: &[FieldId]| fields.iter().for_each(|field| pattern.set(*field, field.get(key)));
    let nonzero =
        |fields: &[FieldId]| -> Vec<FieldId> { fields.iter().copied().filter(|field| field.get(key) != 0).collect() };
    take(&nonzero(&METADATA));
    if FieldId::CtNwProto.get(key) != 0 {
        match FieldId::EthType.get(key) {
            0x86dd => take(&[FieldId::CtIpv6Src, FieldId::CtIpv6Dst]),
            _ => take(&[FieldId::CtNwSrc, FieldId::CtNwDst]),
        }
        take(&[FieldId::CtNwProto, FieldId::CtTpSrc, FieldId::CtTpDst]);
    }
    let registers = FieldId::Reg0 as usize..=FieldId::Reg15 as usize;
    take(&nonzero(&FieldId::ALL[registers]));
    let in_tunnel = FieldId::TunDst.get(key) != 0 || FieldId::TunIpv6Dst.get(key) != 0;
    if in_tunnel {
        take(&TUNNEL);
    }
    match key.word(36) >> 48 & u64::from(weft_packet::tunnel::KEY) {
        0 if in_tunnel => {} // its header had none
        0 => take(&nonzero(&[FieldId::TunId])),
        _ => take(&[FieldId::TunId]), // a key of 0 is one
    }
    take(&nonzero(&[FieldId::InPortOxm]));
    take(&[FieldId::PacketType]);
    let packet_type = FieldId::PacketType.get(key);
    let mut inner_tag = None;
    if packet_type == 0 {
        take(&[FieldId::EthSrc, FieldId::EthDst, FieldId::VlanTci, FieldId::EthType]);
        inner_tag = (FieldId::VlanTci.get(key) != 0).then(|| key.word(4) >> 48 << 48);
    }
    // a packet without an Ethernet header is what it came as, though a label lie on it
    let eth_type = match packet_type {
        0x1_0800 | 0x1_86dd => packet_type & 0xffff,
        _ => FieldId::EthType.get(key),
    };
    match eth_type {
        0x0800 => take(&[FieldId::IpSrc, FieldId::IpDst]),
        0x86dd => take(&[FieldId::Ipv6Src, FieldId::Ipv6Dst, FieldId::Ipv6Label]),
        0x0806 | 0x8035 => {
            take(&[FieldId::ArpSpa, FieldId::ArpTpa, FieldId::NwProto, FieldId::ArpSha, FieldId::ArpTha]);
        }
        0x8847 | 0x8848 => take(&[FieldId::MplsLabel, FieldId::MplsTc, FieldId::MplsTtl, FieldId::MplsBos]),
        0x894f => take(&NSH[..if FieldId::NshMdtype.get(key) == 1 { 10 } else { 6 }]),
        _ => {}
    }
    let mut exact = [0u64; 2];
    if matches!(eth_type, 0x8847 | 0x8848) && FieldId::MplsBos.get(key) == 0 {
        exact[0] = 0xffff_ffff;
        // The third label exists if the second is not the bottom.
        exact[1] = if key.word(25) & 0x100 == 0 { 0xffff_ffff << 32 } else { 0 };
    }
    let ip = matches!(eth_type, 0x0800 | 0x86dd);
    if ip || eth_type == 0x894f {
        take(&[FieldId::NwProto, FieldId::NwTtl, FieldId::IpFrag]);
    }
    let proto = FieldId::NwProto.get(key);
    if ip && FieldId::IpFrag.get(key) & 2 == 0 {
        let (is_v4, is_v6) = (eth_type == 0x0800, eth_type == 0x86dd);
        let has_ports = matches!(proto, 6 | 17 | 132) || matches!(proto, 2 | 58) || (is_v4 && proto == 1);
        if has_ports {
            take(&[FieldId::TcpSrc, FieldId::TcpDst]);
        }
        if proto == 6 {
            take(&[FieldId::TcpFlags]);
        }
        let nd = (matches!(FieldId::TcpSrc.get(key), 135 | 136), FieldId::TcpDst.get(key) == 0) == (true, true);
        if is_v6 && proto == 58 && nd {
            take(&[FieldId::NdTarget, FieldId::NdSll, FieldId::NdTll]);
        }
    }
    if eth_type == 0x86dd && proto == 58 && FieldId::IpFrag.get(key) & 2 != 0 {
        take(&[FieldId::TcpSrc, FieldId::TcpDst]); // as OVS has it: a later fragment of ICMPv6 alone shows its zeros
    }
    let (mut key_words, mut mask) = (pattern.key().clone(), pattern.mask().clone());
    if in_tunnel {
        for field in TUNNEL.into_iter().filter(|field| field.asks_for_set_bits()) {
            field.unwildcard(&mut mask);
            field.set(&mut key_words, field.get(key));
        }
        // all of the flags
        mask.or_word(36, 0xffff << 48);
        key_words.or_word(36, key.word(36) >> 48 << 48);
    }
    if ip || eth_type == 0x894f {
        FieldId::NwTos.unwildcard(&mut mask);
        FieldId::NwTos.set(&mut key_words, FieldId::NwTos.get(key));
    }
    for (word, bits) in [(25, exact[0]), (26, exact[1])] {
        mask.or_word(word, bits);
        key_words.or_word(word, key.word(word) & bits);
    }
    if let Some(tag) = inner_tag {
        mask.or_word(4, 0xffff << 48);
        key_words.or_word(4, tag);
    }
    let mut pattern = Match::with_layout(key_words, mask, options.cloned());
    if let Some(layout) = options.filter(|_| in_tunnel) {
        for index in layout.indices() {
            if let Some(value) = layout.get(key, index) {
                let _ = pattern.set_tun(index, &value);
            }
        }
    }
    format_match(&pattern, ports)
}

/// Written only where not zero.
const METADATA: [FieldId; 10] = [
    FieldId::PktMark,
    FieldId::RecircId,
    FieldId::DpHash,
    FieldId::ConjId,
    FieldId::SkbPriority,
    FieldId::CtState,
    FieldId::CtZone,
    FieldId::CtMark,
    FieldId::CtLabel,
    FieldId::Metadata,
];

const TUNNEL: [FieldId; 12] = [
    FieldId::TunSrc,
    FieldId::TunDst,
    FieldId::TunIpv6Src,
    FieldId::TunIpv6Dst,
    FieldId::TunGbpId,
    FieldId::TunGbpFlags,
    FieldId::TunTos,
    FieldId::TunTtl,
    FieldId::TunErspanVer,
    FieldId::TunGtpuFlags,
    FieldId::TunGtpuMsgtype,
    FieldId::TunFlags,
];

const NSH: [FieldId; 10] = [
    FieldId::NshFlags,
    FieldId::NshTtl,
    FieldId::NshMdtype,
    FieldId::NshNp,
    FieldId::NshSpi,
    FieldId::NshSi,
    FieldId::NshC1,
    FieldId::NshC2,
    FieldId::NshC3,
    FieldId::NshC4,
];
