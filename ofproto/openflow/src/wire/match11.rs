//! OpenFlow 1.1's fixed match (1.1 §A.2.3 `ofp_match`): 88 bytes, masks inverted (ones are ignored).

use weft_flow::{FieldId, Match};
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::buf::{Decoded, bad};
use super::match10::{l4_fields, mac, mac_bytes};
use crate::error::ErrorCode;

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Default)]
#[repr(C)]
pub(crate) struct Match11Wire {
    kind: U16,
    length: U16,
    in_port: U32,
    wildcards: U32,
    dl_src: [u8; 6],
    dl_src_mask: [u8; 6],
    dl_dst: [u8; 6],
    dl_dst_mask: [u8; 6],
    dl_vlan: U16,
    dl_vlan_pcp: u8,
    pad1: u8,
    dl_type: U16,
    nw_tos: u8,
    nw_proto: u8,
    nw_src: U32,
    nw_src_mask: U32,
    nw_dst: U32,
    nw_dst_mask: U32,
    tp_src: U16,
    tp_dst: U16,
    mpls_label: U32,
    mpls_tc: u8,
    pad2: [u8; 3],
    metadata: U64,
    metadata_mask: U64,
}

const IN_PORT: u32 = 1 << 0;
const DL_VLAN: u32 = 1 << 1;
const DL_VLAN_PCP: u32 = 1 << 2;
const DL_TYPE: u32 = 1 << 3;
const NW_TOS: u32 = 1 << 4;
const NW_PROTO: u32 = 1 << 5;
const TP_SRC: u32 = 1 << 6;
const TP_DST: u32 = 1 << 7;
const MPLS_LABEL: u32 = 1 << 8;
const MPLS_TC: u32 = 1 << 9;
const ALL: u32 = 0x3ff;

/// dl_vlan's "any tag" and "no tag".
const ANY_VLAN: u16 = 0xfffe;
const NO_VLAN: u16 = 0xffff;
const CFI: u128 = 0x1000;

pub(crate) fn read(wire: &Match11Wire) -> Decoded<Match> {
    if wire.kind.get() != 0 || usize::from(wire.length.get()) != size_of::<Match11Wire>() {
        return bad(ErrorCode::OFPBMC_BAD_LEN, "an OpenFlow 1.1 match has type 0 and 88 bytes");
    }
    let mut m = Match::any();
    let wild = wire.wildcards.get();
    let has = |bit: u32| wild & bit == 0;
    if has(IN_PORT) {
        let port = wire.in_port.get();
        if !super::oxm::is_port(port) {
            return bad(ErrorCode::OFPBMC_BAD_VALUE, format!("port {port:#x} does not exist"));
        }
        m.set(FieldId::InPortOxm, port.into());
    }
    let inverted = |mask: [u8; 6]| mac(mask.map(|b| !b));
    m.set_masked(FieldId::EthSrc, mac(wire.dl_src), inverted(wire.dl_src_mask));
    m.set_masked(FieldId::EthDst, mac(wire.dl_dst), inverted(wire.dl_dst_mask));
    let pcp = u128::from(wire.dl_vlan_pcp & 7) << 13;
    if has(DL_VLAN) {
        match wire.dl_vlan.get() {
            NO_VLAN => m.set(FieldId::VlanTci, 0),
            ANY_VLAN if has(DL_VLAN_PCP) => m.set_masked(FieldId::VlanTci, pcp | CFI, 0xf000),
            ANY_VLAN => m.set_masked(FieldId::VlanTci, CFI, CFI),
            vid if vid < 0x1000 && has(DL_VLAN_PCP) => m.set(FieldId::VlanTci, u128::from(vid) | pcp | CFI),
            vid if vid < 0x1000 => m.set_masked(FieldId::VlanTci, u128::from(vid) | CFI, 0x1fff),
            vid => return bad(ErrorCode::OFPBMC_BAD_VALUE, format!("dl_vlan {vid:#x} is no VLAN")),
        }
    }
    if has(DL_TYPE) {
        m.set(FieldId::EthType, wire.dl_type.get().into());
        read_network(wire, &mut m)?;
    }
    m.set_masked(FieldId::Metadata, wire.metadata.get().into(), u128::from(!wire.metadata_mask.get()));
    Ok(m)
}

fn read_network(wire: &Match11Wire, m: &mut Match) -> Decoded<()> {
    let wild = wire.wildcards.get();
    let has = |bit: u32| wild & bit == 0;
    let eth_type = wire.dl_type.get();
    let (src, dst) = match eth_type {
        0x0806 | 0x8035 => (FieldId::ArpSpa, FieldId::ArpTpa),
        0x0800 => (FieldId::IpSrc, FieldId::IpDst),
        0x8847 | 0x8848 => {
            if has(MPLS_LABEL) {
                m.set(FieldId::MplsLabel, wire.mpls_label.get().into());
            }
            if has(MPLS_TC) {
                m.set(FieldId::MplsTc, wire.mpls_tc.into());
            }
            return Ok(());
        }
        _ => return Ok(()),
    };
    m.set_masked(src, wire.nw_src.get().into(), u128::from(!wire.nw_src_mask.get()));
    m.set_masked(dst, wire.nw_dst.get().into(), u128::from(!wire.nw_dst_mask.get()));
    if eth_type != 0x0800 {
        if has(NW_PROTO) {
            m.set(FieldId::ArpOp, wire.nw_proto.into());
        }
        return Ok(());
    }
    if has(NW_TOS) {
        if wire.nw_tos & 3 != 0 {
            return bad(ErrorCode::OFPBMC_BAD_VALUE, "nw_tos has its two low bits set");
        }
        m.set(FieldId::IpDscp, u128::from(wire.nw_tos >> 2));
    }
    if !has(NW_PROTO) {
        return Ok(());
    }
    m.set(FieldId::NwProto, wire.nw_proto.into());
    match l4_fields(eth_type, wire.nw_proto) {
        Some((tp_src, tp_dst)) => {
            for (bit, field, value) in [(TP_SRC, tp_src, wire.tp_src.get()), (TP_DST, tp_dst, wire.tp_dst.get())] {
                if has(bit) {
                    if u128::from(value) > field.field().all_ones() {
                        return bad(
                            ErrorCode::OFPBMC_BAD_VALUE,
                            format!("{value} does not fit {}", field.field().name),
                        );
                    }
                    m.set(field, value.into());
                }
            }
            Ok(())
        }
        // ports of a protocol that has none say nothing
        None => Ok(()),
    }
}

/// The match as OpenFlow 1.1 says it; what it cannot say is lost.
pub(crate) fn write(m: &Match) -> Match11Wire {
    let mut wire = Match11Wire { length: (size_of::<Match11Wire>() as u16).into(), ..Match11Wire::default() };
    let mut wild = ALL;
    let value = |field: FieldId| m.get(field);
    if value(FieldId::InPortOxm).1 != 0 {
        wild &= !IN_PORT;
        wire.in_port = (value(FieldId::InPortOxm).0 as u32).into();
    }
    let inverted = |mask: u128| mac_bytes(!mask);
    wire.dl_src = mac_bytes(value(FieldId::EthSrc).0);
    wire.dl_src_mask = inverted(value(FieldId::EthSrc).1);
    wire.dl_dst = mac_bytes(value(FieldId::EthDst).0);
    wire.dl_dst_mask = inverted(value(FieldId::EthDst).1);
    let (tci, tci_mask) = value(FieldId::VlanTci);
    if tci_mask & CFI != 0 {
        wild &= !DL_VLAN;
        wire.dl_vlan = match tci {
            _ if tci & CFI == 0 => NO_VLAN.into(),
            _ if tci_mask & 0xfff == 0 => ANY_VLAN.into(),
            _ => (tci as u16 & 0xfff).into(),
        };
        if tci & CFI != 0 && tci_mask & 0xe000 != 0 {
            wild &= !DL_VLAN_PCP;
            wire.dl_vlan_pcp = (tci >> 13) as u8;
        }
    }
    if m.is_exact(FieldId::EthType) {
        wild &= !DL_TYPE;
        wire.dl_type = (value(FieldId::EthType).0 as u16).into();
    }
    let (src, dst, proto) = match wire.dl_type.get() {
        0x0806 | 0x8035 => (FieldId::ArpSpa, FieldId::ArpTpa, FieldId::ArpOp),
        _ => (FieldId::IpSrc, FieldId::IpDst, FieldId::NwProto),
    };
    (wire.nw_src_mask, wire.nw_dst_mask) = (u32::MAX.into(), u32::MAX.into());
    if matches!(wire.dl_type.get(), 0x0800 | 0x0806 | 0x8035) {
        wire.nw_src = (value(src).0 as u32).into();
        wire.nw_src_mask = (!(value(src).1 as u32)).into();
        wire.nw_dst = (value(dst).0 as u32).into();
        wire.nw_dst_mask = (!(value(dst).1 as u32)).into();
        if value(proto).1 != 0 {
            wild &= !NW_PROTO;
            wire.nw_proto = value(proto).0 as u8;
        }
    }
    if value(FieldId::IpDscp).1 != 0 {
        wild &= !NW_TOS;
        wire.nw_tos = (value(FieldId::IpDscp).0 << 2) as u8;
    }
    if let Some((tp_src, tp_dst)) = l4_fields(wire.dl_type.get(), wire.nw_proto).filter(|_| wild & NW_PROTO == 0) {
        if m.is_exact(tp_src) {
            wild &= !TP_SRC;
            wire.tp_src = (value(tp_src).0 as u16).into();
        }
        if m.is_exact(tp_dst) {
            wild &= !TP_DST;
            wire.tp_dst = (value(tp_dst).0 as u16).into();
        }
    }
    if value(FieldId::MplsLabel).1 != 0 {
        wild &= !MPLS_LABEL;
        wire.mpls_label = (value(FieldId::MplsLabel).0 as u32).into();
    }
    if value(FieldId::MplsTc).1 != 0 {
        wild &= !MPLS_TC;
        wire.mpls_tc = value(FieldId::MplsTc).0 as u8;
    }
    wire.metadata = (value(FieldId::Metadata).0 as u64).into();
    wire.metadata_mask = (!(value(FieldId::Metadata).1 as u64)).into();
    wire.wildcards = wild.into();
    wire
}

/// Whether OpenFlow 1.1's match says all of `m`.
pub(crate) fn says_all(m: &Match) -> bool {
    read(&write(m)).is_ok_and(|back| back == *m)
}
