//! OpenFlow 1.0's fixed match (1.0 §5.2.3 `ofp_match`): 40 bytes, wildcards as bits and as prefix lengths.

use std::fmt::Write as _;

use weft_flow::text::{PortNames, value};
use weft_flow::{FieldId, Match, OfPort};
use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Default)]
#[repr(C)]
pub(crate) struct Match10Wire {
    wildcards: U32,
    in_port: U16,
    dl_src: [u8; 6],
    dl_dst: [u8; 6],
    dl_vlan: U16,
    dl_vlan_pcp: u8,
    pad1: u8,
    dl_type: U16,
    nw_tos: u8,
    nw_proto: u8,
    pad2: [u8; 2],
    nw_src: U32,
    nw_dst: U32,
    tp_src: U16,
    tp_dst: U16,
}

const IN_PORT: u32 = 1 << 0;
const DL_VLAN: u32 = 1 << 1;
const DL_SRC: u32 = 1 << 2;
const DL_DST: u32 = 1 << 3;
const DL_TYPE: u32 = 1 << 4;
const NW_PROTO: u32 = 1 << 5;
const TP_SRC: u32 = 1 << 6;
const TP_DST: u32 = 1 << 7;
const NW_SRC_SHIFT: u32 = 8;
const NW_DST_SHIFT: u32 = 14;
const DL_VLAN_PCP: u32 = 1 << 20;
const NW_TOS: u32 = 1 << 21;
const ALL: u32 = 0x0038_20ff;

/// dl_vlan's "no tag" (OFP_VLAN_NONE).
const NO_VLAN: u16 = 0xffff;
/// The tag control information's "there is a tag".
const CFI: u128 = 0x1000;

/// The four L4 protocols whose ports (or type and code) share tp_src and tp_dst, IPv4 only.
pub(super) fn l4_fields(eth_type: u16, proto: u8) -> Option<(FieldId, FieldId)> {
    match (eth_type, proto) {
        (0x0800, 6) => Some((FieldId::TcpSrc, FieldId::TcpDst)),
        (0x0800, 17) => Some((FieldId::UdpSrc, FieldId::UdpDst)),
        (0x0800, 132) => Some((FieldId::SctpSrc, FieldId::SctpDst)),
        (0x0800, 1) => Some((FieldId::IcmpType, FieldId::IcmpCode)),
        _ => None,
    }
}

pub(super) fn mac(bytes: [u8; 6]) -> u128 {
    bytes.iter().fold(0, |n, &b| n << 8 | u128::from(b))
}

pub(super) fn mac_bytes(value: u128) -> [u8; 6] {
    let bytes = value.to_be_bytes();
    [bytes[10], bytes[11], bytes[12], bytes[13], bytes[14], bytes[15]]
}

/// What the 40 bytes say, whether it makes sense or not: ports without a protocol, an IPv4 address of MPLS. Flow mods are
/// normalised afterwards; statistics are shown as they came.
pub(crate) fn read(wire: &Match10Wire) -> Match {
    let mut m = Match::any();
    let wild = wire.wildcards.get();
    let has = |bit: u32| wild & bit == 0;
    if has(IN_PORT) {
        m.set(FieldId::InPortOxm, OfPort::from_u16(wire.in_port.get()).0.into());
    }
    if has(DL_SRC) {
        m.set(FieldId::EthSrc, mac(wire.dl_src));
    }
    if has(DL_DST) {
        m.set(FieldId::EthDst, mac(wire.dl_dst));
    }
    let pcp = u128::from(wire.dl_vlan_pcp & 7) << 13;
    match (has(DL_VLAN), has(DL_VLAN_PCP)) {
        (true, _) if wire.dl_vlan.get() == NO_VLAN => m.set(FieldId::VlanTci, 0),
        (true, true) => m.set(FieldId::VlanTci, u128::from(wire.dl_vlan.get() & 0xfff) | pcp | CFI),
        (true, false) => m.set_masked(FieldId::VlanTci, u128::from(wire.dl_vlan.get() & 0xfff) | CFI, 0x1fff),
        (false, true) => m.set_masked(FieldId::VlanTci, pcp | CFI, 0xf000),
        (false, false) => {}
    }
    if has(DL_TYPE) {
        m.set(FieldId::EthType, wire.dl_type.get().into());
    }
    for (field, address, shift) in
        [(FieldId::IpSrc, &wire.nw_src, NW_SRC_SHIFT), (FieldId::IpDst, &wire.nw_dst, NW_DST_SHIFT)]
    {
        let prefix = 32 - (wild >> shift & 63).min(32);
        let mask = if prefix == 0 { 0 } else { u128::from(u32::MAX << (32 - prefix)) };
        m.set_masked(field, address.get().into(), mask);
    }
    if has(NW_TOS) {
        m.set(FieldId::IpDscp, u128::from(wire.nw_tos >> 2));
    }
    if has(NW_PROTO) {
        m.set(FieldId::NwProto, wire.nw_proto.into());
    }
    if has(TP_SRC) {
        m.set(FieldId::TcpSrc, wire.tp_src.get().into());
    }
    if has(TP_DST) {
        m.set(FieldId::TcpDst, wire.tp_dst.get().into());
    }
    m
}

/// The match as OpenFlow 1.0 says it; what it cannot say is lost (the caller asks [`says_all`] first if it matters).
pub(crate) fn write(m: &Match) -> Match10Wire {
    let mut wire = Match10Wire::default();
    let mut wild = ALL;
    let value = |field: FieldId| m.get(field);
    if value(FieldId::InPortOxm).1 != 0 {
        wild &= !IN_PORT;
        wire.in_port = OfPort(value(FieldId::InPortOxm).0 as u32).to_u16().unwrap_or(0xffff).into();
    }
    if m.is_exact(FieldId::EthSrc) {
        wild &= !DL_SRC;
        wire.dl_src = mac_bytes(value(FieldId::EthSrc).0);
    }
    if m.is_exact(FieldId::EthDst) {
        wild &= !DL_DST;
        wire.dl_dst = mac_bytes(value(FieldId::EthDst).0);
    }
    let (tci, tci_mask) = value(FieldId::VlanTci);
    if tci_mask & CFI != 0 && tci & CFI == 0 {
        wild &= !(DL_VLAN | DL_VLAN_PCP);
        wire.dl_vlan = NO_VLAN.into();
    } else if tci_mask != 0 {
        if tci_mask & 0xfff != 0 {
            wild &= !DL_VLAN;
            wire.dl_vlan = (tci as u16 & 0xfff).into();
        }
        if tci_mask & 0xe000 != 0 {
            wild &= !DL_VLAN_PCP;
            wire.dl_vlan_pcp = (tci >> 13) as u8;
        }
    }
    if m.is_exact(FieldId::EthType) {
        wild &= !DL_TYPE;
        wire.dl_type = (value(FieldId::EthType).0 as u16).into();
    }
    let bits = |field: FieldId| (value(field).1 as u32).leading_ones();
    wild &= !(63 << NW_SRC_SHIFT | 63 << NW_DST_SHIFT);
    wild |= (32 - bits(FieldId::IpSrc)) << NW_SRC_SHIFT | (32 - bits(FieldId::IpDst)) << NW_DST_SHIFT;
    wire.nw_src = (value(FieldId::IpSrc).0 as u32).into();
    wire.nw_dst = (value(FieldId::IpDst).0 as u32).into();
    if value(FieldId::NwProto).1 != 0 {
        wild &= !NW_PROTO;
        wire.nw_proto = value(FieldId::NwProto).0 as u8;
    }
    if value(FieldId::IpDscp).1 != 0 {
        wild &= !NW_TOS;
        wire.nw_tos = (value(FieldId::IpDscp).0 << 2) as u8;
    }
    if m.is_exact(FieldId::TcpSrc) {
        wild &= !TP_SRC;
        wire.tp_src = (value(FieldId::TcpSrc).0 as u16).into();
    }
    if m.is_exact(FieldId::TcpDst) {
        wild &= !TP_DST;
        wire.tp_dst = (value(FieldId::TcpDst).0 as u16).into();
    }
    wire.wildcards = wild.into();
    wire
}

/// Whether OpenFlow 1.0's match says all of `m`, and knows the protocols that it speaks of.
pub(crate) fn says_all(m: &Match) -> bool {
    let eth_type = m.get(FieldId::EthType).0 as u16;
    let proto = m.get(FieldId::NwProto);
    let has = |field: FieldId| m.get(field).1 != 0;
    let ports = has(FieldId::TcpSrc) || has(FieldId::TcpDst);
    let foreign = match eth_type {
        0x86dd | 0x8847 | 0x8848 => ports || proto.1 != 0 || has(FieldId::NwTos),
        _ => false,
    };
    !foreign && read(&write(m)) == *m
}

/// The match as it lies on the wire, field by field, as `ofctl -mmm` shows it.
pub(crate) fn show(wire: &Match10Wire) -> String {
    let wild = wire.wildcards.get();
    let has = |bit: u32| wild & bit == 0;
    let mut text = String::new();
    let (eth_type, proto) = (wire.dl_type.get(), wire.nw_proto);
    let mut named = (false, false);
    if has(DL_TYPE) {
        let l4 = has(NW_PROTO).then_some(proto);
        let word = match (eth_type, l4) {
            (0x0800, Some(1)) => "icmp",
            (0x0800, Some(6)) => "tcp",
            (0x0800, Some(17)) => "udp",
            (0x0800, Some(132)) => "sctp",
            (0x0800, _) => "ip",
            (0x0806, _) => "arp",
            (0x8035, _) => "rarp",
            (0x8847, _) => "mpls",
            (0x8848, _) => "mplsm",
            _ => "",
        };
        named = (!word.is_empty(), matches!(word, "icmp" | "tcp" | "udp" | "sctp"));
        if named.0 {
            let _ = write!(text, "{word},");
        }
    }
    let mut put = |name: &str, there: bool, value: String| {
        let value = if there { value } else { "*".to_owned() };
        let _ = write!(text, "{name}={value},");
    };
    let port = OfPort::from_u16(wire.in_port.get());
    put("in_port", has(IN_PORT), PortNames::new().show(port).to_string());
    put("dl_vlan", has(DL_VLAN), wire.dl_vlan.get().to_string());
    put("dl_vlan_pcp", has(DL_VLAN_PCP), wire.dl_vlan_pcp.to_string());
    put("dl_src", has(DL_SRC), value::format_mac(mac(wire.dl_src) as u64, u64::MAX));
    put("dl_dst", has(DL_DST), value::format_mac(mac(wire.dl_dst) as u64, u64::MAX));
    if !named.0 {
        put("dl_type", has(DL_TYPE), format!("{eth_type:#06x}"));
    }
    for (name, address, shift) in [("nw_src", &wire.nw_src, NW_SRC_SHIFT), ("nw_dst", &wire.nw_dst, NW_DST_SHIFT)] {
        let prefix = 32 - (wild >> shift & 63).min(32);
        let address = std::net::Ipv4Addr::from(address.get());
        put(name, prefix != 0, if prefix == 32 { address.to_string() } else { format!("{address}/{prefix}") });
    }
    let arp = has(DL_TYPE) && matches!(eth_type, 0x0806 | 0x8035);
    if !named.1 {
        put(if arp { "arp_op" } else { "nw_proto" }, has(NW_PROTO), proto.to_string());
    }
    put("nw_tos", has(NW_TOS), wire.nw_tos.to_string());
    let [src, dst] = if proto == 1 { ["icmp_type", "icmp_code"] } else { ["tp_src", "tp_dst"] };
    put(src, has(TP_SRC), wire.tp_src.get().to_string());
    put(dst, has(TP_DST), wire.tp_dst.get().to_string());
    text.pop();
    text
}
