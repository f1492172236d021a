//! Matches as TLVs, in the order in which switches write them.

use super::*;

/// Appends a match as TLVs, in the order that switches use. `version` `None`: NXM.
pub(crate) fn write_match(w: &mut Writer, m: &Match, version: Option<Version>) {
    let start = w.len();
    write_fields(w, m, version);
    let (packet_type, mask) = m.get(FieldId::PacketType);
    // an Ethernet frame goes without saying where something is said that only such a frame has
    if mask != 0 && (packet_type != 0 || !implies_ethernet(&w.bytes[start..])) {
        let mut first = Writer::default();
        write_value(&mut first, FieldId::PacketType, packet_type, mask, version);
        w.bytes.splice(start..start, first.bytes);
    }
}

/// Whether some of these TLVs have prerequisites.
pub(crate) fn implies_ethernet(tlvs: &[u8]) -> bool {
    let mut r = Reader::new(tlvs, ErrorCode::OFPBMC_BAD_LEN);
    while let Ok(header) = Header::read(&mut r) {
        let cookie = (header.class, header.field) == NX_COOKIE && header.payload >= 8;
        let layered = !cookie && header.lookup().is_some_and(|id| id.field().prerequisite != Prerequisite::None);
        if layered || r.skip(header.payload, "payload").is_err() {
            return layered;
        }
    }
    false
}

fn write_fields(w: &mut Writer, m: &Match, version: Option<Version>) {
    let used = m.mask().used();
    let put = |w: &mut Writer, field: FieldId| {
        let (value, mask) = m.get(field);
        if mask != 0 {
            write_value(w, field, value, mask, version);
        }
    };
    let all = |w: &mut Writer, fields: &[FieldId]| {
        fields.iter().filter(|f| used >> f.field().word() & 1 != 0).for_each(|&f| put(w, f));
    };

    all(w, &[FieldId::DpHash, FieldId::RecircId, FieldId::ConjId]);
    write_in_port(w, m, version);
    all(w, &[FieldId::ActsetOutput, FieldId::EthSrc, FieldId::EthDst, FieldId::EthType]);
    write_vlan(w, m, version);

    let eth_type = m.get(FieldId::EthType).0 as u16;
    let (packet_type, packet_type_mask) = m.get(FieldId::PacketType);
    let eth_type = if packet_type_mask != 0 && packet_type >> 16 == 1 { packet_type as u16 } else { eth_type };
    match eth_type {
        0x0800 => {
            all(w, &[FieldId::IpSrc, FieldId::IpDst]);
            write_ip(w, m, version);
        }
        0x86dd => {
            all(w, &[FieldId::Ipv6Src, FieldId::Ipv6Dst]);
            write_ip(w, m, version);
        }
        0x8847 | 0x8848 => all(w, &[FieldId::MplsTc, FieldId::MplsBos, FieldId::MplsTtl, FieldId::MplsLabel]),
        0x0806 | 0x8035 => {
            all(w, &[FieldId::ArpOp, FieldId::ArpSpa, FieldId::ArpTpa, FieldId::ArpSha, FieldId::ArpTha]);
        }
        _ => {}
    }
    if used >> RARE_WORD == 0 {
        return; // as most flows: nothing but what every frame says
    }
    all(
        w,
        &[
            FieldId::TunId,
            FieldId::TunFlags,
            FieldId::TunSrc,
            FieldId::TunDst,
            FieldId::TunIpv6Src,
            FieldId::TunIpv6Dst,
            FieldId::TunGbpId,
            FieldId::TunGbpFlags,
        ],
    );
    tun_metadata::write_match(w, m);
    all(
        w,
        &[
            FieldId::TunErspanVer,
            FieldId::TunErspanIdx,
            FieldId::TunErspanDir,
            FieldId::TunErspanHwid,
            FieldId::TunGtpuFlags,
            FieldId::TunGtpuMsgtype,
        ],
    );
    all(
        w,
        &[
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
        ],
    );
    write_registers(w, m, version);
    all(
        w,
        &[
            FieldId::PktMark,
            FieldId::CtState,
            FieldId::CtZone,
            FieldId::CtMark,
            FieldId::CtLabel,
            FieldId::CtNwSrc,
            FieldId::CtNwDst,
            FieldId::CtIpv6Src,
            FieldId::CtIpv6Dst,
        ],
    );
    // the original direction's ports make sense with its protocol only
    if m.get(FieldId::CtNwProto).0 != 0 {
        all(w, &[FieldId::CtNwProto, FieldId::CtTpSrc, FieldId::CtTpDst]);
    }
    all(w, &[FieldId::Metadata]);
}

/// From this word of a key on there is nothing but connections, marks, tunnels, NSH and registers.
const RARE_WORD: usize = 15;

/// Appends Nicira's cookie pseudo-field, unless any cookie fits.
pub(crate) fn write_nx_cookie(w: &mut Writer, cookie: u64, mask: u64) {
    if mask == 0 {
        return;
    }
    let header = Header {
        class: NX_COOKIE.0,
        vendor: 0,
        field: NX_COOKIE.1,
        has_mask: mask != u64::MAX,
        payload: if mask == u64::MAX { 8 } else { 16 },
    };
    header.write(w);
    w.slice(&(cookie & mask).to_be_bytes());
    if mask != u64::MAX {
        w.slice(&mask.to_be_bytes());
    }
}

fn write_in_port(w: &mut Writer, m: &Match, version: Option<Version>) {
    let (port, mask) = m.get(FieldId::InPortOxm);
    if mask == 0 {
        return;
    }
    match version {
        Some(_) => write_value(w, FieldId::InPortOxm, port, 0xffff_ffff, version),
        None => {
            let port = OfPort(port as u32).to_u16().unwrap_or(0xffff);
            write_value(w, FieldId::InPort, port.into(), 0xffff, version);
        }
    }
}

/// NXM says the tag control information in one; OXM in two fields.
fn write_vlan(w: &mut Writer, m: &Match, version: Option<Version>) {
    let (tci, mask) = m.get(FieldId::VlanTci);
    if mask == 0 {
        return;
    }
    if version.is_none() {
        write_value(w, FieldId::VlanTci, tci, mask, version);
        return;
    }
    if mask & 0x1fff != 0 {
        write_value(w, FieldId::VlanVid, tci & 0x1fff, mask & 0x1fff, version);
    }
    let no_tag = tci == 0;
    if mask & 0xe000 != 0 && !no_tag {
        write_value(w, FieldId::VlanPcp, tci >> 13, 7, version);
    }
}

fn write_ip(w: &mut Writer, m: &Match, version: Option<Version>) {
    let put = |w: &mut Writer, field: FieldId| {
        let (value, mask) = m.get(field);
        if mask != 0 {
            write_value(w, field, value, mask, version);
        }
    };
    put(w, FieldId::Ipv6Label);
    put(w, FieldId::IpFrag);
    let (dscp, dscp_mask) = m.get(FieldId::IpDscp);
    if dscp_mask != 0 {
        match version {
            Some(_) => write_value(w, FieldId::IpDscp, dscp, dscp_mask, version),
            None => write_value(w, FieldId::NwTos, dscp << 2, 0xff, version),
        }
    }
    put(w, FieldId::NwEcn);
    put(w, FieldId::NwTtl);
    put(w, FieldId::NwProto);
    if m.get(FieldId::NwProto).1 == 0 {
        return;
    }
    match m.get(FieldId::NwProto).0 {
        6 => [FieldId::TcpSrc, FieldId::TcpDst, FieldId::TcpFlags].iter().for_each(|&f| put(w, f)),
        17 => [FieldId::UdpSrc, FieldId::UdpDst].iter().for_each(|&f| put(w, f)),
        132 => [FieldId::SctpSrc, FieldId::SctpDst].iter().for_each(|&f| put(w, f)),
        1 => [FieldId::IcmpType, FieldId::IcmpCode].iter().for_each(|&f| put(w, f)),
        58 => {
            [FieldId::Icmpv6Type, FieldId::Icmpv6Code].iter().for_each(|&f| put(w, f));
            let code = m.get(FieldId::Icmpv6Code).0;
            let link = match m.get(FieldId::Icmpv6Type).0 {
                _ if code != 0 => return,
                135 => FieldId::NdSll,
                136 => FieldId::NdTll,
                _ => return,
            };
            [FieldId::NdReserved, FieldId::NdTarget, FieldId::NdOptionsType, link].iter().for_each(|&f| put(w, f));
        }
        _ => {}
    }
}

/// OpenFlow 1.5 has 64-bit packet registers of its own; before that there are only Nicira's.
fn write_registers(w: &mut Writer, m: &Match, version: Option<Version>) {
    let registers: &[FieldId] = if version.is_some_and(|v| v >= Version::V15) { &XREGS } else { &REGS };
    for &register in registers {
        let (value, mask) = m.get(register);
        if mask != 0 {
            write_value(w, register, value, mask, version);
        }
    }
}

const REGS: [FieldId; 16] = [
    FieldId::Reg0,
    FieldId::Reg1,
    FieldId::Reg2,
    FieldId::Reg3,
    FieldId::Reg4,
    FieldId::Reg5,
    FieldId::Reg6,
    FieldId::Reg7,
    FieldId::Reg8,
    FieldId::Reg9,
    FieldId::Reg10,
    FieldId::Reg11,
    FieldId::Reg12,
    FieldId::Reg13,
    FieldId::Reg14,
    FieldId::Reg15,
];

const XREGS: [FieldId; 8] = [
    FieldId::Xreg0,
    FieldId::Xreg1,
    FieldId::Xreg2,
    FieldId::Xreg3,
    FieldId::Xreg4,
    FieldId::Xreg5,
    FieldId::Xreg6,
    FieldId::Xreg7,
];
