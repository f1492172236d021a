//! Field values as TLVs: OXM (OpenFlow 1.5 §7.2.3.2) and its forerunner NXM, alone and as a whole match.
//!
//! ```text
//! class:16 field:7 has_mask:1 length:8 [experimenter:32 if class is 0xffff] value [mask]
//! ```
//! Which of a field's identities is written depends on the version: none (Nicira's structures) takes NXM where there is
//! one, a version takes the newest OXM that it knows.
//!
//! Invariant: a decoded match holds each field once, its prerequisites first, and no value bit outside of its mask.

use weft_flow::field::{Masking, Prerequisite};
use weft_flow::{FieldId, Match, OfPort};
use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::buf::{Decoded, Reader, Writer, bad};
use super::said::{Module, warn};
use super::tun_metadata;
use crate::error::ErrorCode;
use crate::ids::Version;

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct OxmWire {
    class: U16,
    field_mask: u8,
    length: u8,
}

const EXPERIMENTER_CLASS: u16 = 0xffff;

/// A TLV's header, understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub class: u16,
    pub vendor: u32,
    pub field: u8,
    pub has_mask: bool,
    /// Bytes of value and mask.
    pub payload: usize,
}

impl Header {
    /// The header of a field without a mask as `version` says it (`None`: Nicira's structures).
    pub fn of(field: FieldId, version: Option<Version>) -> Option<Header> {
        let row = field.field();
        let newest =
            version.and_then(|v| row.oxm.iter().filter(|o| o.since != 0 && o.since <= v as u8).max_by_key(|o| o.since));
        // tcp_flags and actset_output have both ONF's and the standard's identity: the newest known wins.
        let id = newest.or_else(|| row.oxm.first())?;
        Some(Header { class: id.class, vendor: id.vendor, field: id.field, has_mask: false, payload: row.wire_bytes() })
    }

    pub fn read(r: &mut Reader<'_>) -> Decoded<Header> {
        let wire: &OxmWire = r.get("OXM header")?;
        let mut payload = usize::from(wire.length);
        let class = wire.class.get();
        let mut vendor = 0;
        if class == EXPERIMENTER_CLASS {
            if payload < 4 {
                return bad(ErrorCode::OFPBMC_BAD_LEN, "an experimenter OXM is shorter than its experimenter id");
            }
            payload -= 4;
            vendor = r.get::<U32>("OXM experimenter id")?.get();
        }
        Ok(Header { class, vendor, field: wire.field_mask >> 1, has_mask: wire.field_mask & 1 == 1, payload })
    }

    pub fn write(self, w: &mut Writer) {
        let experimenter = self.class == EXPERIMENTER_CLASS;
        let length = self.payload + if experimenter { 4 } else { 0 };
        w.put(&OxmWire {
            class: U16::new(self.class),
            field_mask: self.field << 1 | u8::from(self.has_mask),
            length: length as u8,
        });
        if experimenter {
            w.put(&U32::new(self.vendor));
        }
    }

    /// The registry's field, if the length is one that it can have.
    pub fn known(self) -> Option<FieldId> {
        let field = self.lookup()?;
        let width = field.field().wire_bytes();
        (self.payload == if self.has_mask { 2 * width } else { width }).then_some(field)
    }

    /// The registry's field, whatever the length says.
    pub fn lookup(self) -> Option<FieldId> {
        FieldId::by_oxm(self.class, self.vendor, self.field)
    }

    /// The field that it names; tunnel options may be shorter than their most.
    fn field_named(self) -> Option<FieldId> {
        let field = self.lookup()?;
        let width = field.field().wire_bytes() * if self.has_mask { 2 } else { 1 };
        let fits = if field.tun_metadata_index().is_some() { self.payload <= width } else { self.payload == width };
        fits.then_some(field)
    }

    /// For messages: `0x00010604`-like.
    pub fn number(self) -> u32 {
        u32::from(self.class) << 16 | u32::from(self.field) << 9 | u32::from(self.has_mask) << 8 | self.payload as u32
    }
}

/// A field's header without value and mask, of any vendor (stack, move, output_reg2 ...).
pub(crate) fn read_field(r: &mut Reader<'_>) -> Decoded<FieldId> {
    let header = Header::read(r)?;
    match header.field_named() {
        Some(_) if header.has_mask => bad(ErrorCode::OFPBMC_BAD_MASK, "a field's name has no mask"),
        Some(field) => Ok(field),
        None => bad(ErrorCode::OFPBMC_BAD_FIELD, format!("unknown OXM {:#010x}", header.number())),
    }
}

/// A field in 32 bits, as the first of Nicira's actions name it: whether it says "masked" does not matter.
pub(crate) fn read_short_field(r: &mut Reader<'_>) -> Decoded<FieldId> {
    let wire: &OxmWire = r.get("OXM header")?;
    let header = Header {
        class: wire.class.get(),
        vendor: 0,
        field: wire.field_mask >> 1,
        has_mask: wire.field_mask & 1 == 1,
        payload: usize::from(wire.length),
    };
    match header.field_named().filter(|_| header.class != EXPERIMENTER_CLASS) {
        Some(field) => Ok(field),
        None => bad(ErrorCode::OFPBAC_BAD_SET_TYPE, format!("unknown OXM {:#010x}", header.number())),
    }
}

/// Writes a field's header; false if the field has no identity on the wire.
pub(crate) fn write_field(w: &mut Writer, field: FieldId, version: Option<Version>) -> bool {
    match Header::of(field, version) {
        Some(header) => {
            header.write(w);
            true
        }
        None => false,
    }
}

/// Writes a field with its value, and the mask unless it is all ones.
pub(crate) fn write_value(w: &mut Writer, field: FieldId, value: u128, mask: u128, version: Option<Version>) {
    let Some(mut header) = Header::of(field, version) else { return };
    let bytes = header.payload;
    let row = field.field();
    let never = row.bits < row.wire_bits && (field == FieldId::TunFlags || field.asks_for_set_bits());
    let exact = mask == field.field().all_ones() && !never;
    if !exact {
        header.has_mask = true;
        header.payload *= 2;
    }
    header.write(w);
    w.slice(&value.to_be_bytes()[16 - bytes..]);
    if !exact {
        w.slice(&mask.to_be_bytes()[16 - bytes..]);
    }
}

/// One TLV with a known field: the field, its value and mask.
pub(crate) fn read_known(header: Header, r: &mut Reader<'_>) -> Decoded<(FieldId, u128, u128)> {
    let Some(field) = header.known() else {
        return bad(ErrorCode::OFPBMC_BAD_FIELD, format!("unknown OXM {:#010x}", header.number()));
    };
    let row = field.field();
    let width = row.wire_bytes();
    let value = number(r.bytes(width, "OXM value")?);
    if !header.has_mask {
        return Ok((field, value, row.all_ones()));
    }
    let mask = number(r.bytes(width, "OXM mask")?);
    if row.masking == Masking::None && mask & row.all_ones() != row.all_ones() {
        return bad(ErrorCode::OFPBMC_BAD_MASK, format!("{} takes no mask", row.name));
    }
    if value & !mask != 0 {
        return outside_of_mask(header);
    }
    Ok((field, value, mask & row.all_ones()))
}

/// A value with bits that its mask says nothing of.
pub(crate) fn outside_of_mask<T>(header: Header) -> Decoded<T> {
    let Header { vendor, class, field, payload, .. } = header;
    let text = format!(
        "Rejecting NXM/OXM entry {vendor}:{class}:{field}:1:{payload} with 1-bits in value for bits wildcarded by the mask."
    );
    warn(Module::NxMatch, || text.clone());
    bad(ErrorCode::OFPBMC_BAD_WILDCARDS, text)
}

fn number(bytes: &[u8]) -> u128 {
    let of = |bytes: &[u8]| bytes.iter().fold(0u64, |n, &b| n << 8 | u64::from(b));
    match bytes.len() {
        0..=8 => of(bytes).into(),
        _ => bytes.iter().fold(0, |n, &b| n << 8 | u128::from(b)),
    }
}

/// What a decoder does with a field that it does not know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// Refuse the message.
    Refuse,
    /// Skip the field and take the others as they are (metadata of packets).
    Skip,
    /// Skip the field; the others must make sense together.
    SkipButCheck,
}

/// A cookie with its mask, that Nicira's match can carry.
pub(crate) type NxCookie = Option<(u64, u64)>;

/// Decodes TLVs into a match. Nicira's cookie pseudo-field is given beside it.
pub(crate) fn read_match(bytes: &[u8], unknown: Unknown) -> Decoded<(Match, NxCookie)> {
    let mut matching = Match::any();
    let cookie = read_match_into(bytes, unknown, &mut matching)?;
    Ok((matching, cookie))
}

/// [`read_match`] into a match that requires nothing yet.
pub(crate) fn read_match_into(bytes: &[u8], unknown: Unknown, matching: &mut Match) -> Decoded<NxCookie> {
    let mut r = Reader::new(bytes, ErrorCode::OFPBMC_BAD_LEN);
    let mut cookie = None;
    let mut layered = false;
    // Some packet-ins count the padding in: nothing but zeros is no field.
    let is_end = |r: &Reader<'_>| r.is_empty() || (unknown == Unknown::Skip && r.rest().iter().all(|&b| b == 0));
    while !is_end(&r) {
        let header = Header::read(&mut r)?;
        let is_cookie = (header.class, header.field) == NX_COOKIE && matches!(header.payload, 8 | 16);
        let mut payload = r.sub(header.payload, "OXM payload")?;
        if is_cookie {
            let value = number(payload.bytes(8, "cookie")?) as u64;
            let mask = if header.has_mask { number(payload.bytes(8, "cookie mask")?) as u64 } else { u64::MAX };
            if value & !mask != 0 {
                return bad(ErrorCode::OFPBMC_BAD_WILDCARDS, "a cookie has bits outside of its mask");
            }
            cookie = Some((value, mask));
            continue;
        }
        if unknown != Unknown::Refuse && header.lookup().is_none() {
            continue;
        }
        if let Some(index) = header.lookup().and_then(FieldId::tun_metadata_index) {
            let value = tun_metadata::read_match_value(header, &mut payload)?;
            if unknown != Unknown::Skip && matching.tun_option(index).is_some() {
                return bad(ErrorCode::OFPBMC_DUP_FIELD, format!("tun_metadata{index} is matched twice"));
            }
            if matching.set_tun(index, &value).is_err() {
                return bad(ErrorCode::NXFMFC_INVALID_TLV_FIELD, "more tunnel options than there is room for");
            }
            continue;
        }
        let (field, value, mask) = read_known(header, &mut payload)?;
        let row = field.field();
        let bits = row.all_ones();
        if value & !bits != 0 {
            return bad(ErrorCode::OFPBMC_BAD_VALUE, format!("{value:#x} does not fit {}", row.name));
        }
        check_value(field, value)?;
        if unknown != Unknown::Skip {
            let checked = unknown == Unknown::Refuse;
            if checked && !row.prerequisite.met(matching) {
                return bad(ErrorCode::OFPBMC_BAD_PREREQ, format!("{} without its prerequisites", row.name));
            }
            let twice = if field == FieldId::NwTos { FieldId::IpDscp } else { field };
            // what has layers has said that it is an Ethernet frame
            let typed = field == FieldId::PacketType && layered;
            if typed || matching.get(twice).1 != 0 && !shares_bits(field, matching) {
                return bad(ErrorCode::OFPBMC_DUP_FIELD, format!("{} is matched twice", row.name));
            }
        }
        layered |= row.prerequisite != Prerequisite::None;
        set(matching, field, value, mask);
    }
    Ok(cookie)
}

/// NXM_NX_COOKIE: no field of packets. It has the number of NXM_NX_MPLS_TTL too and differs in its length.
const NX_COOKIE: (u16, u8) = (0x0001, 30);

/// Values that a field of that width cannot have.
fn check_value(field: FieldId, value: u128) -> Decoded<()> {
    let wrong = match field {
        FieldId::NwTos if value & 3 != 0 => "the two low bits of nw_tos are ECN's",
        FieldId::InPortOxm | FieldId::ActsetOutput if !is_port(value as u32) => "there is no such port",
        FieldId::CtState if value > 0xff => "ct_state has eight flags",
        FieldId::NshTtl if value > 63 => "nsh_ttl has six bits",
        FieldId::NshMdtype if !matches!(value, 1 | 2) => "NSH has metadata of type 1 or 2",
        FieldId::IpDscp if value > 63 => "ip_dscp has six bits",
        _ => return Ok(()),
    };
    bad(ErrorCode::OFPBMC_BAD_VALUE, wrong)
}

/// Requires a field, where one field says more than its own bits.
fn set(matching: &mut Match, field: FieldId, value: u128, mask: u128) {
    match field {
        // NXM_OF_IP_TOS says no more than the DSCP.
        FieldId::NwTos => matching.set(FieldId::IpDscp, value >> 2),
        FieldId::InPort => matching.set(FieldId::InPortOxm, OfPort::from_u16(value as u16).0.into()),
        FieldId::VlanPcp => {
            matching.set_masked(FieldId::VlanPcp, value, mask);
            let (tci, bits) = matching.get(FieldId::VlanTci);
            matching.set_masked(FieldId::VlanTci, tci | CFI, bits | CFI);
        }
        FieldId::VlanVid if mask == 0x1fff && value == 0 => {
            matching.set_masked(FieldId::VlanTci, 0, 0x1fff | matching.get(FieldId::VlanTci).1)
        }
        _ => matching.set_masked(field, value, mask),
    }
}

const CFI: u128 = 0x1000;

/// The numbers between 1.0's and 1.1's reserved ports do not exist.
pub(crate) fn is_port(port: u32) -> bool {
    !(0xff00..0xffff_ff00).contains(&port)
}

/// vlan_pcp and vlan_vid share the tag's "present" bit; both may come.
fn shares_bits(field: FieldId, matching: &Match) -> bool {
    field == FieldId::VlanVid && matching.get(field).1 == CFI
}

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
