//! The rows: one per field of ovs-fields(7), in the manual's order.
//!
//! A row: id, name, other names, bits on the wire, bits that may be set, form, masks, prerequisite, access, NXM and OXM
//! identities (class, number, name, wire version that brought it), then its place in the key: word and lowest bit.

use super::{Field, FieldForm, FieldForm::*, FieldId, Masking, OxmId, Prerequisite as P};

const NXM_OF: u16 = 0x0000;
const NXM_NX: u16 = 0x0001;
const OXM_OF: u16 = 0x8000;
const PACKET_REGISTERS: u16 = 0x8001;
const EXPERIMENTER: u16 = 0xffff;
/// A class that was never registered.
const ERICSSON: u16 = 0x1000;

const ONF: u32 = 0x4f4e_4600;
const NICIRA: u32 = 0x0000_2320;
const NSH: u32 = 0x005a_d650;

const EXACT: Masking = Masking::None;
const MASKED: Masking = Masking::Arbitrary;
const READ: bool = false;
const WRITE: bool = true;

const fn oxm(class: u16, field: u8, name: &'static str, since: u8) -> OxmId {
    OxmId { class, vendor: 0, field, name, since }
}

const fn exp(vendor: u32, field: u8, name: &'static str, since: u8) -> OxmId {
    OxmId { class: EXPERIMENTER, vendor, field, name, since }
}

#[allow(clippy::too_many_arguments, reason = "a row of a table, read by its columns")]
const fn row(
    id: FieldId,
    name: &'static str,
    aliases: &'static [&'static str],
    wire_bits: u16,
    bits: u16,
    form: FieldForm,
    masking: Masking,
    prerequisite: P,
    writable: bool,
    oxm: &'static [OxmId],
    word: u8,
    shift: u8,
) -> Field {
    let key_bits = bits as u8;
    Field { id, name, aliases, wire_bits, bits, form, masking, prerequisite, writable, oxm, word, shift, key_bits }
}

/// A tunnel option: up to 124 bytes, without a place of its own.
const fn option(id: FieldId, name: &'static str, oxm: &'static [OxmId]) -> Field {
    let field = row(id, name, &[], 992, 992, Hexadecimal, MASKED, P::None, WRITE, oxm, 39, 0);
    Field { key_bits: 0, ..field }
}

/// All fields, indexed by `FieldId as usize`.
#[rustfmt::skip]
pub(super) static FIELDS: [Field; 183] = [
    row(FieldId::ConjId, "conj_id", &[], 32, 32, Decimal, EXACT, P::None, READ, &[oxm(NXM_NX, 37, "NXM_NX_CONJ_ID", 0)], 81, 32),
    row(FieldId::DpHash, "dp_hash", &[], 32, 32, Hexadecimal, MASKED, P::None, READ, &[oxm(NXM_NX, 35, "NXM_NX_DP_HASH", 0)], 24, 0),
    row(FieldId::RecircId, "recirc_id", &[], 32, 32, Decimal, EXACT, P::None, READ, &[oxm(NXM_NX, 36, "NXM_NX_RECIRC_ID", 0)], 0, 32),
    row(FieldId::TunId, "tun_id", &["tunnel_id"], 64, 64, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 16, "NXM_NX_TUN_ID", 0), oxm(OXM_OF, 38, "OXM_OF_TUNNEL_ID", 4)], 35, 0),
    row(FieldId::TunSrc, "tun_src", &[], 32, 32, Ipv4, MASKED, P::None, WRITE, &[oxm(NXM_NX, 31, "NXM_NX_TUN_IPV4_SRC", 0)], 30, 32),
    row(FieldId::TunDst, "tun_dst", &[], 32, 32, Ipv4, MASKED, P::None, WRITE, &[oxm(NXM_NX, 32, "NXM_NX_TUN_IPV4_DST", 0)], 30, 0),
    row(FieldId::TunIpv6Src, "tun_ipv6_src", &[], 128, 128, Ipv6, MASKED, P::None, WRITE, &[oxm(NXM_NX, 109, "NXM_NX_TUN_IPV6_SRC", 0)], 31, 0),
    row(FieldId::TunIpv6Dst, "tun_ipv6_dst", &[], 128, 128, Ipv6, MASKED, P::None, WRITE, &[oxm(NXM_NX, 110, "NXM_NX_TUN_IPV6_DST", 0)], 33, 0),
    row(FieldId::TunGbpId, "tun_gbp_id", &[], 16, 16, Decimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 38, "NXM_NX_TUN_GBP_ID", 0)], 37, 48),
    row(FieldId::TunGbpFlags, "tun_gbp_flags", &[], 8, 8, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 39, "NXM_NX_TUN_GBP_FLAGS", 0)], 37, 40),
    row(FieldId::TunErspanVer, "tun_erspan_ver", &[], 8, 4, Decimal, MASKED, P::None, WRITE, &[exp(NICIRA, 12, "NXOXM_ET_ERSPAN_VER", 0)], 37, 32),
    row(FieldId::TunErspanIdx, "tun_erspan_idx", &[], 32, 20, Hexadecimal, MASKED, P::None, WRITE, &[exp(NICIRA, 11, "NXOXM_ET_ERSPAN_IDX", 0)], 37, 0),
    row(FieldId::TunErspanDir, "tun_erspan_dir", &[], 8, 1, Decimal, MASKED, P::None, WRITE, &[exp(NICIRA, 13, "NXOXM_ET_ERSPAN_DIR", 0)], 38, 56),
    row(FieldId::TunErspanHwid, "tun_erspan_hwid", &[], 8, 6, Hexadecimal, MASKED, P::None, WRITE, &[exp(NICIRA, 14, "NXOXM_ET_ERSPAN_HWID", 0)], 38, 48),
    row(FieldId::TunGtpuFlags, "tun_gtpu_flags", &[], 8, 8, Hexadecimal, MASKED, P::None, READ, &[exp(NICIRA, 15, "NXOXM_ET_GTPU_FLAGS", 0)], 38, 40),
    row(FieldId::TunGtpuMsgtype, "tun_gtpu_msgtype", &[], 8, 8, Decimal, MASKED, P::None, READ, &[exp(NICIRA, 16, "NXOXM_ET_GTPU_MSGTYPE", 0)], 38, 32),
    option(FieldId::TunMetadata0, "tun_metadata0", &[oxm(NXM_NX, 40, "NXM_NX_TUN_METADATA0", 0)]),
    option(FieldId::TunMetadata1, "tun_metadata1", &[oxm(NXM_NX, 41, "NXM_NX_TUN_METADATA1", 0)]),
    option(FieldId::TunMetadata2, "tun_metadata2", &[oxm(NXM_NX, 42, "NXM_NX_TUN_METADATA2", 0)]),
    option(FieldId::TunMetadata3, "tun_metadata3", &[oxm(NXM_NX, 43, "NXM_NX_TUN_METADATA3", 0)]),
    option(FieldId::TunMetadata4, "tun_metadata4", &[oxm(NXM_NX, 44, "NXM_NX_TUN_METADATA4", 0)]),
    option(FieldId::TunMetadata5, "tun_metadata5", &[oxm(NXM_NX, 45, "NXM_NX_TUN_METADATA5", 0)]),
    option(FieldId::TunMetadata6, "tun_metadata6", &[oxm(NXM_NX, 46, "NXM_NX_TUN_METADATA6", 0)]),
    option(FieldId::TunMetadata7, "tun_metadata7", &[oxm(NXM_NX, 47, "NXM_NX_TUN_METADATA7", 0)]),
    option(FieldId::TunMetadata8, "tun_metadata8", &[oxm(NXM_NX, 48, "NXM_NX_TUN_METADATA8", 0)]),
    option(FieldId::TunMetadata9, "tun_metadata9", &[oxm(NXM_NX, 49, "NXM_NX_TUN_METADATA9", 0)]),
    option(FieldId::TunMetadata10, "tun_metadata10", &[oxm(NXM_NX, 50, "NXM_NX_TUN_METADATA10", 0)]),
    option(FieldId::TunMetadata11, "tun_metadata11", &[oxm(NXM_NX, 51, "NXM_NX_TUN_METADATA11", 0)]),
    option(FieldId::TunMetadata12, "tun_metadata12", &[oxm(NXM_NX, 52, "NXM_NX_TUN_METADATA12", 0)]),
    option(FieldId::TunMetadata13, "tun_metadata13", &[oxm(NXM_NX, 53, "NXM_NX_TUN_METADATA13", 0)]),
    option(FieldId::TunMetadata14, "tun_metadata14", &[oxm(NXM_NX, 54, "NXM_NX_TUN_METADATA14", 0)]),
    option(FieldId::TunMetadata15, "tun_metadata15", &[oxm(NXM_NX, 55, "NXM_NX_TUN_METADATA15", 0)]),
    option(FieldId::TunMetadata16, "tun_metadata16", &[oxm(NXM_NX, 56, "NXM_NX_TUN_METADATA16", 0)]),
    option(FieldId::TunMetadata17, "tun_metadata17", &[oxm(NXM_NX, 57, "NXM_NX_TUN_METADATA17", 0)]),
    option(FieldId::TunMetadata18, "tun_metadata18", &[oxm(NXM_NX, 58, "NXM_NX_TUN_METADATA18", 0)]),
    option(FieldId::TunMetadata19, "tun_metadata19", &[oxm(NXM_NX, 59, "NXM_NX_TUN_METADATA19", 0)]),
    option(FieldId::TunMetadata20, "tun_metadata20", &[oxm(NXM_NX, 60, "NXM_NX_TUN_METADATA20", 0)]),
    option(FieldId::TunMetadata21, "tun_metadata21", &[oxm(NXM_NX, 61, "NXM_NX_TUN_METADATA21", 0)]),
    option(FieldId::TunMetadata22, "tun_metadata22", &[oxm(NXM_NX, 62, "NXM_NX_TUN_METADATA22", 0)]),
    option(FieldId::TunMetadata23, "tun_metadata23", &[oxm(NXM_NX, 63, "NXM_NX_TUN_METADATA23", 0)]),
    option(FieldId::TunMetadata24, "tun_metadata24", &[oxm(NXM_NX, 64, "NXM_NX_TUN_METADATA24", 0)]),
    option(FieldId::TunMetadata25, "tun_metadata25", &[oxm(NXM_NX, 65, "NXM_NX_TUN_METADATA25", 0)]),
    option(FieldId::TunMetadata26, "tun_metadata26", &[oxm(NXM_NX, 66, "NXM_NX_TUN_METADATA26", 0)]),
    option(FieldId::TunMetadata27, "tun_metadata27", &[oxm(NXM_NX, 67, "NXM_NX_TUN_METADATA27", 0)]),
    option(FieldId::TunMetadata28, "tun_metadata28", &[oxm(NXM_NX, 68, "NXM_NX_TUN_METADATA28", 0)]),
    option(FieldId::TunMetadata29, "tun_metadata29", &[oxm(NXM_NX, 69, "NXM_NX_TUN_METADATA29", 0)]),
    option(FieldId::TunMetadata30, "tun_metadata30", &[oxm(NXM_NX, 70, "NXM_NX_TUN_METADATA30", 0)]),
    option(FieldId::TunMetadata31, "tun_metadata31", &[oxm(NXM_NX, 71, "NXM_NX_TUN_METADATA31", 0)]),
    option(FieldId::TunMetadata32, "tun_metadata32", &[oxm(NXM_NX, 72, "NXM_NX_TUN_METADATA32", 0)]),
    option(FieldId::TunMetadata33, "tun_metadata33", &[oxm(NXM_NX, 73, "NXM_NX_TUN_METADATA33", 0)]),
    option(FieldId::TunMetadata34, "tun_metadata34", &[oxm(NXM_NX, 74, "NXM_NX_TUN_METADATA34", 0)]),
    option(FieldId::TunMetadata35, "tun_metadata35", &[oxm(NXM_NX, 75, "NXM_NX_TUN_METADATA35", 0)]),
    option(FieldId::TunMetadata36, "tun_metadata36", &[oxm(NXM_NX, 76, "NXM_NX_TUN_METADATA36", 0)]),
    option(FieldId::TunMetadata37, "tun_metadata37", &[oxm(NXM_NX, 77, "NXM_NX_TUN_METADATA37", 0)]),
    option(FieldId::TunMetadata38, "tun_metadata38", &[oxm(NXM_NX, 78, "NXM_NX_TUN_METADATA38", 0)]),
    option(FieldId::TunMetadata39, "tun_metadata39", &[oxm(NXM_NX, 79, "NXM_NX_TUN_METADATA39", 0)]),
    option(FieldId::TunMetadata40, "tun_metadata40", &[oxm(NXM_NX, 80, "NXM_NX_TUN_METADATA40", 0)]),
    option(FieldId::TunMetadata41, "tun_metadata41", &[oxm(NXM_NX, 81, "NXM_NX_TUN_METADATA41", 0)]),
    option(FieldId::TunMetadata42, "tun_metadata42", &[oxm(NXM_NX, 82, "NXM_NX_TUN_METADATA42", 0)]),
    option(FieldId::TunMetadata43, "tun_metadata43", &[oxm(NXM_NX, 83, "NXM_NX_TUN_METADATA43", 0)]),
    option(FieldId::TunMetadata44, "tun_metadata44", &[oxm(NXM_NX, 84, "NXM_NX_TUN_METADATA44", 0)]),
    option(FieldId::TunMetadata45, "tun_metadata45", &[oxm(NXM_NX, 85, "NXM_NX_TUN_METADATA45", 0)]),
    option(FieldId::TunMetadata46, "tun_metadata46", &[oxm(NXM_NX, 86, "NXM_NX_TUN_METADATA46", 0)]),
    option(FieldId::TunMetadata47, "tun_metadata47", &[oxm(NXM_NX, 87, "NXM_NX_TUN_METADATA47", 0)]),
    option(FieldId::TunMetadata48, "tun_metadata48", &[oxm(NXM_NX, 88, "NXM_NX_TUN_METADATA48", 0)]),
    option(FieldId::TunMetadata49, "tun_metadata49", &[oxm(NXM_NX, 89, "NXM_NX_TUN_METADATA49", 0)]),
    option(FieldId::TunMetadata50, "tun_metadata50", &[oxm(NXM_NX, 90, "NXM_NX_TUN_METADATA50", 0)]),
    option(FieldId::TunMetadata51, "tun_metadata51", &[oxm(NXM_NX, 91, "NXM_NX_TUN_METADATA51", 0)]),
    option(FieldId::TunMetadata52, "tun_metadata52", &[oxm(NXM_NX, 92, "NXM_NX_TUN_METADATA52", 0)]),
    option(FieldId::TunMetadata53, "tun_metadata53", &[oxm(NXM_NX, 93, "NXM_NX_TUN_METADATA53", 0)]),
    option(FieldId::TunMetadata54, "tun_metadata54", &[oxm(NXM_NX, 94, "NXM_NX_TUN_METADATA54", 0)]),
    option(FieldId::TunMetadata55, "tun_metadata55", &[oxm(NXM_NX, 95, "NXM_NX_TUN_METADATA55", 0)]),
    option(FieldId::TunMetadata56, "tun_metadata56", &[oxm(NXM_NX, 96, "NXM_NX_TUN_METADATA56", 0)]),
    option(FieldId::TunMetadata57, "tun_metadata57", &[oxm(NXM_NX, 97, "NXM_NX_TUN_METADATA57", 0)]),
    option(FieldId::TunMetadata58, "tun_metadata58", &[oxm(NXM_NX, 98, "NXM_NX_TUN_METADATA58", 0)]),
    option(FieldId::TunMetadata59, "tun_metadata59", &[oxm(NXM_NX, 99, "NXM_NX_TUN_METADATA59", 0)]),
    option(FieldId::TunMetadata60, "tun_metadata60", &[oxm(NXM_NX, 100, "NXM_NX_TUN_METADATA60", 0)]),
    option(FieldId::TunMetadata61, "tun_metadata61", &[oxm(NXM_NX, 101, "NXM_NX_TUN_METADATA61", 0)]),
    option(FieldId::TunMetadata62, "tun_metadata62", &[oxm(NXM_NX, 102, "NXM_NX_TUN_METADATA62", 0)]),
    option(FieldId::TunMetadata63, "tun_metadata63", &[oxm(NXM_NX, 103, "NXM_NX_TUN_METADATA63", 0)]),
    row(FieldId::TunFlags, "tun_flags", &[], 16, 1, TunnelFlags, MASKED, P::None, WRITE, &[oxm(NXM_NX, 104, "NXM_NX_TUN_FLAGS", 0)], 36, 48),
    row(FieldId::TunTos, "tun_tos", &[], 8, 8, Decimal, EXACT, P::None, WRITE, &[], 36, 40),
    row(FieldId::TunTtl, "tun_ttl", &[], 8, 8, Decimal, EXACT, P::None, WRITE, &[], 36, 32),
    row(FieldId::InPort, "in_port", &[], 16, 16, OfPort16, EXACT, P::None, WRITE, &[oxm(NXM_OF, 0, "NXM_OF_IN_PORT", 0)], 0, 0),
    row(FieldId::InPortOxm, "in_port_oxm", &[], 32, 32, OfPort32, EXACT, P::None, WRITE, &[oxm(OXM_OF, 0, "OXM_OF_IN_PORT", 3)], 0, 0),
    row(FieldId::SkbPriority, "skb_priority", &[], 32, 32, Hexadecimal, EXACT, P::None, READ, &[], 38, 0),
    row(FieldId::PktMark, "pkt_mark", &[], 32, 32, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 33, "NXM_NX_PKT_MARK", 0)], 16, 0),
    row(FieldId::ActsetOutput, "actset_output", &[], 32, 32, OfPort32, EXACT, P::None, READ, &[exp(ONF, 43, "ONFOXM_ET_ACTSET_OUTPUT", 4), oxm(OXM_OF, 43, "OXM_OF_ACTSET_OUTPUT", 6)], 81, 0),
    row(FieldId::PacketType, "packet_type", &[], 32, 32, PacketType, EXACT, P::None, READ, &[oxm(OXM_OF, 44, "OXM_OF_PACKET_TYPE", 6)], 1, 32),
    row(FieldId::CtState, "ct_state", &[], 32, 32, CtState, MASKED, P::None, READ, &[oxm(NXM_NX, 105, "NXM_NX_CT_STATE", 0)], 15, 32),
    row(FieldId::CtZone, "ct_zone", &[], 16, 16, Hexadecimal, EXACT, P::None, READ, &[oxm(NXM_NX, 106, "NXM_NX_CT_ZONE", 0)], 15, 16),
    row(FieldId::CtMark, "ct_mark", &[], 32, 32, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 107, "NXM_NX_CT_MARK", 0)], 16, 32),
    row(FieldId::CtLabel, "ct_label", &[], 128, 128, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 108, "NXM_NX_CT_LABEL", 0)], 17, 0),
    row(FieldId::CtNwSrc, "ct_nw_src", &[], 32, 32, Ipv4, MASKED, P::Ct, READ, &[oxm(NXM_NX, 120, "NXM_NX_CT_NW_SRC", 0)], 19, 32),
    row(FieldId::CtNwDst, "ct_nw_dst", &[], 32, 32, Ipv4, MASKED, P::Ct, READ, &[oxm(NXM_NX, 121, "NXM_NX_CT_NW_DST", 0)], 19, 0),
    row(FieldId::CtIpv6Src, "ct_ipv6_src", &[], 128, 128, Ipv6, MASKED, P::Ct, READ, &[oxm(NXM_NX, 122, "NXM_NX_CT_IPV6_SRC", 0)], 20, 0),
    row(FieldId::CtIpv6Dst, "ct_ipv6_dst", &[], 128, 128, Ipv6, MASKED, P::Ct, READ, &[oxm(NXM_NX, 123, "NXM_NX_CT_IPV6_DST", 0)], 22, 0),
    row(FieldId::CtNwProto, "ct_nw_proto", &[], 8, 8, Decimal, EXACT, P::Ct, READ, &[oxm(NXM_NX, 119, "NXM_NX_CT_NW_PROTO", 0)], 15, 8),
    row(FieldId::CtTpSrc, "ct_tp_src", &[], 16, 16, Decimal, MASKED, P::Ct, READ, &[oxm(NXM_NX, 124, "NXM_NX_CT_TP_SRC", 0)], 24, 48),
    row(FieldId::CtTpDst, "ct_tp_dst", &[], 16, 16, Decimal, MASKED, P::Ct, READ, &[oxm(NXM_NX, 125, "NXM_NX_CT_TP_DST", 0)], 24, 32),
    row(FieldId::Metadata, "metadata", &[], 64, 64, Hexadecimal, MASKED, P::None, WRITE, &[oxm(OXM_OF, 2, "OXM_OF_METADATA", 3)], 72, 0),
    row(FieldId::Reg0, "reg0", &[], 32, 32, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 0, "NXM_NX_REG0", 0)], 73, 32),
    row(FieldId::Reg1, "reg1", &[], 32, 32, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 1, "NXM_NX_REG1", 0)], 73, 0),
    row(FieldId::Reg2, "reg2", &[], 32, 32, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 2, "NXM_NX_REG2", 0)], 74, 32),
    row(FieldId::Reg3, "reg3", &[], 32, 32, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 3, "NXM_NX_REG3", 0)], 74, 0),
    row(FieldId::Reg4, "reg4", &[], 32, 32, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 4, "NXM_NX_REG4", 0)], 75, 32),
    row(FieldId::Reg5, "reg5", &[], 32, 32, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 5, "NXM_NX_REG5", 0)], 75, 0),
    row(FieldId::Reg6, "reg6", &[], 32, 32, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 6, "NXM_NX_REG6", 0)], 76, 32),
    row(FieldId::Reg7, "reg7", &[], 32, 32, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 7, "NXM_NX_REG7", 0)], 76, 0),
    row(FieldId::Reg8, "reg8", &[], 32, 32, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 8, "NXM_NX_REG8", 0)], 77, 32),
    row(FieldId::Reg9, "reg9", &[], 32, 32, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 9, "NXM_NX_REG9", 0)], 77, 0),
    row(FieldId::Reg10, "reg10", &[], 32, 32, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 10, "NXM_NX_REG10", 0)], 78, 32),
    row(FieldId::Reg11, "reg11", &[], 32, 32, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 11, "NXM_NX_REG11", 0)], 78, 0),
    row(FieldId::Reg12, "reg12", &[], 32, 32, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 12, "NXM_NX_REG12", 0)], 79, 32),
    row(FieldId::Reg13, "reg13", &[], 32, 32, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 13, "NXM_NX_REG13", 0)], 79, 0),
    row(FieldId::Reg14, "reg14", &[], 32, 32, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 14, "NXM_NX_REG14", 0)], 80, 32),
    row(FieldId::Reg15, "reg15", &[], 32, 32, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 15, "NXM_NX_REG15", 0)], 80, 0),
    row(FieldId::Xreg0, "xreg0", &[], 64, 64, Hexadecimal, MASKED, P::None, WRITE, &[oxm(PACKET_REGISTERS, 0, "OXM_OF_PKT_REG0", 4)], 73, 0),
    row(FieldId::Xreg1, "xreg1", &[], 64, 64, Hexadecimal, MASKED, P::None, WRITE, &[oxm(PACKET_REGISTERS, 1, "OXM_OF_PKT_REG1", 4)], 74, 0),
    row(FieldId::Xreg2, "xreg2", &[], 64, 64, Hexadecimal, MASKED, P::None, WRITE, &[oxm(PACKET_REGISTERS, 2, "OXM_OF_PKT_REG2", 4)], 75, 0),
    row(FieldId::Xreg3, "xreg3", &[], 64, 64, Hexadecimal, MASKED, P::None, WRITE, &[oxm(PACKET_REGISTERS, 3, "OXM_OF_PKT_REG3", 4)], 76, 0),
    row(FieldId::Xreg4, "xreg4", &[], 64, 64, Hexadecimal, MASKED, P::None, WRITE, &[oxm(PACKET_REGISTERS, 4, "OXM_OF_PKT_REG4", 4)], 77, 0),
    row(FieldId::Xreg5, "xreg5", &[], 64, 64, Hexadecimal, MASKED, P::None, WRITE, &[oxm(PACKET_REGISTERS, 5, "OXM_OF_PKT_REG5", 4)], 78, 0),
    row(FieldId::Xreg6, "xreg6", &[], 64, 64, Hexadecimal, MASKED, P::None, WRITE, &[oxm(PACKET_REGISTERS, 6, "OXM_OF_PKT_REG6", 4)], 79, 0),
    row(FieldId::Xreg7, "xreg7", &[], 64, 64, Hexadecimal, MASKED, P::None, WRITE, &[oxm(PACKET_REGISTERS, 7, "OXM_OF_PKT_REG7", 4)], 80, 0),
    row(FieldId::Xxreg0, "xxreg0", &[], 128, 128, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 111, "NXM_NX_XXREG0", 0)], 73, 0),
    row(FieldId::Xxreg1, "xxreg1", &[], 128, 128, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 112, "NXM_NX_XXREG1", 0)], 75, 0),
    row(FieldId::Xxreg2, "xxreg2", &[], 128, 128, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 113, "NXM_NX_XXREG2", 0)], 77, 0),
    row(FieldId::Xxreg3, "xxreg3", &[], 128, 128, Hexadecimal, MASKED, P::None, WRITE, &[oxm(NXM_NX, 114, "NXM_NX_XXREG3", 0)], 79, 0),
    row(FieldId::EthSrc, "eth_src", &["dl_src"], 48, 48, Ethernet, MASKED, P::Ethernet, WRITE, &[oxm(NXM_OF, 2, "NXM_OF_ETH_SRC", 0), oxm(OXM_OF, 4, "OXM_OF_ETH_SRC", 3)], 3, 16),
    row(FieldId::EthDst, "eth_dst", &["dl_dst"], 48, 48, Ethernet, MASKED, P::Ethernet, WRITE, &[oxm(NXM_OF, 1, "NXM_OF_ETH_DST", 0), oxm(OXM_OF, 3, "OXM_OF_ETH_DST", 3)], 2, 16),
    row(FieldId::EthType, "eth_type", &["dl_type"], 16, 16, Hexadecimal, EXACT, P::Ethernet, READ, &[oxm(NXM_OF, 3, "NXM_OF_ETH_TYPE", 0), oxm(OXM_OF, 5, "OXM_OF_ETH_TYPE", 3)], 1, 16),
    row(FieldId::VlanVid, "vlan_vid", &[], 16, 13, Decimal, MASKED, P::Ethernet, WRITE, &[oxm(OXM_OF, 6, "OXM_OF_VLAN_VID", 3)], 2, 0),
    row(FieldId::VlanPcp, "vlan_pcp", &[], 8, 3, Decimal, EXACT, P::Vlan, WRITE, &[oxm(OXM_OF, 7, "OXM_OF_VLAN_PCP", 3)], 2, 13),
    row(FieldId::VlanTci, "vlan_tci", &[], 16, 16, Hexadecimal, MASKED, P::Ethernet, WRITE, &[oxm(NXM_OF, 4, "NXM_OF_VLAN_TCI", 0)], 2, 0),
    row(FieldId::DlVlan, "dl_vlan", &[], 16, 12, Decimal, EXACT, P::Ethernet, WRITE, &[], 2, 0),
    row(FieldId::DlVlanPcp, "dl_vlan_pcp", &[], 8, 3, Decimal, EXACT, P::Ethernet, WRITE, &[], 2, 13),
    row(FieldId::MplsLabel, "mpls_label", &[], 32, 20, Decimal, EXACT, P::Mpls, WRITE, &[oxm(OXM_OF, 34, "OXM_OF_MPLS_LABEL", 3)], 25, 44),
    row(FieldId::MplsTc, "mpls_tc", &[], 8, 3, Decimal, EXACT, P::Mpls, WRITE, &[oxm(OXM_OF, 35, "OXM_OF_MPLS_TC", 3)], 25, 41),
    row(FieldId::MplsBos, "mpls_bos", &[], 8, 1, Decimal, EXACT, P::Mpls, READ, &[oxm(OXM_OF, 36, "OXM_OF_MPLS_BOS", 4)], 25, 40),
    row(FieldId::MplsTtl, "mpls_ttl", &[], 8, 8, Decimal, EXACT, P::Mpls, WRITE, &[oxm(NXM_NX, 30, "NXM_NX_MPLS_TTL", 0)], 25, 32),
    row(FieldId::IpSrc, "ip_src", &["nw_src"], 32, 32, Ipv4, MASKED, P::Ipv4, WRITE, &[oxm(NXM_OF, 7, "NXM_OF_IP_SRC", 0), oxm(OXM_OF, 11, "OXM_OF_IPV4_SRC", 3)], 5, 32),
    row(FieldId::IpDst, "ip_dst", &["nw_dst"], 32, 32, Ipv4, MASKED, P::Ipv4, WRITE, &[oxm(NXM_OF, 8, "NXM_OF_IP_DST", 0), oxm(OXM_OF, 12, "OXM_OF_IPV4_DST", 3)], 5, 0),
    row(FieldId::Ipv6Src, "ipv6_src", &[], 128, 128, Ipv6, MASKED, P::Ipv6, WRITE, &[oxm(NXM_NX, 19, "NXM_NX_IPV6_SRC", 0), oxm(OXM_OF, 26, "OXM_OF_IPV6_SRC", 3)], 7, 0),
    row(FieldId::Ipv6Dst, "ipv6_dst", &[], 128, 128, Ipv6, MASKED, P::Ipv6, WRITE, &[oxm(NXM_NX, 20, "NXM_NX_IPV6_DST", 0), oxm(OXM_OF, 27, "OXM_OF_IPV6_DST", 3)], 9, 0),
    row(FieldId::Ipv6Label, "ipv6_label", &[], 32, 20, Hexadecimal, MASKED, P::Ipv6, WRITE, &[oxm(NXM_NX, 27, "NXM_NX_IPV6_LABEL", 0), oxm(OXM_OF, 28, "OXM_OF_IPV6_FLABEL", 3)], 6, 0),
    row(FieldId::NwProto, "nw_proto", &["ip_proto"], 8, 8, Decimal, EXACT, P::Ip, READ, &[oxm(NXM_OF, 6, "NXM_OF_IP_PROTO", 0), oxm(OXM_OF, 10, "OXM_OF_IP_PROTO", 3)], 1, 0),
    row(FieldId::NwTtl, "nw_ttl", &[], 8, 8, Decimal, EXACT, P::Ip, WRITE, &[oxm(NXM_NX, 29, "NXM_NX_IP_TTL", 0)], 4, 16),
    row(FieldId::IpFrag, "ip_frag", &["nw_frag"], 8, 2, Frag, MASKED, P::Ip, READ, &[oxm(NXM_NX, 26, "NXM_NX_IP_FRAG", 0)], 1, 8),
    row(FieldId::NwTos, "nw_tos", &[], 8, 8, Decimal, EXACT, P::Ip, WRITE, &[oxm(NXM_OF, 5, "NXM_OF_IP_TOS", 0)], 4, 24),
    row(FieldId::IpDscp, "ip_dscp", &[], 8, 6, Decimal, EXACT, P::Ip, WRITE, &[oxm(OXM_OF, 8, "OXM_OF_IP_DSCP", 3)], 4, 26),
    row(FieldId::NwEcn, "nw_ecn", &["ip_ecn"], 8, 2, Decimal, EXACT, P::Ip, WRITE, &[oxm(NXM_NX, 28, "NXM_NX_IP_ECN", 0), oxm(OXM_OF, 9, "OXM_OF_IP_ECN", 3)], 4, 24),
    row(FieldId::ArpOp, "arp_op", &[], 16, 8, Decimal, EXACT, P::Arp, WRITE, &[oxm(NXM_OF, 15, "NXM_OF_ARP_OP", 0), oxm(OXM_OF, 21, "OXM_OF_ARP_OP", 3)], 1, 0),
    row(FieldId::ArpSpa, "arp_spa", &[], 32, 32, Ipv4, MASKED, P::Arp, WRITE, &[oxm(NXM_OF, 16, "NXM_OF_ARP_SPA", 0), oxm(OXM_OF, 22, "OXM_OF_ARP_SPA", 3)], 5, 32),
    row(FieldId::ArpTpa, "arp_tpa", &[], 32, 32, Ipv4, MASKED, P::Arp, WRITE, &[oxm(NXM_OF, 17, "NXM_OF_ARP_TPA", 0), oxm(OXM_OF, 23, "OXM_OF_ARP_TPA", 3)], 5, 0),
    row(FieldId::ArpSha, "arp_sha", &[], 48, 48, Ethernet, MASKED, P::Arp, WRITE, &[oxm(NXM_NX, 17, "NXM_NX_ARP_SHA", 0), oxm(OXM_OF, 24, "OXM_OF_ARP_SHA", 3)], 11, 16),
    row(FieldId::ArpTha, "arp_tha", &[], 48, 48, Ethernet, MASKED, P::Arp, WRITE, &[oxm(NXM_NX, 18, "NXM_NX_ARP_THA", 0), oxm(OXM_OF, 25, "OXM_OF_ARP_THA", 3)], 12, 16),
    row(FieldId::NshFlags, "nsh_flags", &[], 8, 8, Decimal, MASKED, P::Nsh, WRITE, &[exp(NSH, 1, "NXOXM_NSH_FLAGS", 0)], 26, 24),
    row(FieldId::NshTtl, "nsh_ttl", &[], 8, 8, Decimal, EXACT, P::Nsh, WRITE, &[exp(NSH, 10, "NXOXM_NSH_TTL", 0)], 26, 16),
    row(FieldId::NshMdtype, "nsh_mdtype", &[], 8, 8, Decimal, EXACT, P::Nsh, READ, &[exp(NSH, 2, "NXOXM_NSH_MDTYPE", 0)], 26, 8),
    row(FieldId::NshNp, "nsh_np", &[], 8, 8, Decimal, EXACT, P::Nsh, READ, &[exp(NSH, 3, "NXOXM_NSH_NP", 0)], 26, 0),
    row(FieldId::NshSpi, "nsh_spi", &["nsp"], 32, 24, Hexadecimal, EXACT, P::Nsh, WRITE, &[exp(NSH, 4, "NXOXM_NSH_SPI", 0)], 27, 40),
    row(FieldId::NshSi, "nsh_si", &["nsi"], 8, 8, Decimal, EXACT, P::Nsh, WRITE, &[exp(NSH, 5, "NXOXM_NSH_SI", 0)], 27, 32),
    row(FieldId::NshC1, "nsh_c1", &["nshc1"], 32, 32, Hexadecimal, MASKED, P::Nsh, WRITE, &[exp(NSH, 6, "NXOXM_NSH_C1", 0)], 27, 0),
    row(FieldId::NshC2, "nsh_c2", &["nshc2"], 32, 32, Hexadecimal, MASKED, P::Nsh, WRITE, &[exp(NSH, 7, "NXOXM_NSH_C2", 0)], 28, 32),
    row(FieldId::NshC3, "nsh_c3", &["nshc3"], 32, 32, Hexadecimal, MASKED, P::Nsh, WRITE, &[exp(NSH, 8, "NXOXM_NSH_C3", 0)], 28, 0),
    row(FieldId::NshC4, "nsh_c4", &["nshc4"], 32, 32, Hexadecimal, MASKED, P::Nsh, WRITE, &[exp(NSH, 9, "NXOXM_NSH_C4", 0)], 29, 32),
    row(FieldId::TcpSrc, "tcp_src", &["tp_src"], 16, 16, Decimal, MASKED, P::Tcp, WRITE, &[oxm(NXM_OF, 9, "NXM_OF_TCP_SRC", 0), oxm(OXM_OF, 13, "OXM_OF_TCP_SRC", 3)], 6, 48),
    row(FieldId::TcpDst, "tcp_dst", &["tp_dst"], 16, 16, Decimal, MASKED, P::Tcp, WRITE, &[oxm(NXM_OF, 10, "NXM_OF_TCP_DST", 0), oxm(OXM_OF, 14, "OXM_OF_TCP_DST", 3)], 6, 32),
    row(FieldId::TcpFlags, "tcp_flags", &[], 16, 12, TcpFlags, MASKED, P::Tcp, READ, &[oxm(NXM_NX, 34, "NXM_NX_TCP_FLAGS", 0), exp(ONF, 42, "ONFOXM_ET_TCP_FLAGS", 4), oxm(OXM_OF, 42, "OXM_OF_TCP_FLAGS", 6)], 4, 0),
    row(FieldId::UdpSrc, "udp_src", &[], 16, 16, Decimal, MASKED, P::Udp, WRITE, &[oxm(NXM_OF, 11, "NXM_OF_UDP_SRC", 0), oxm(OXM_OF, 15, "OXM_OF_UDP_SRC", 3)], 6, 48),
    row(FieldId::UdpDst, "udp_dst", &[], 16, 16, Decimal, MASKED, P::Udp, WRITE, &[oxm(NXM_OF, 12, "NXM_OF_UDP_DST", 0), oxm(OXM_OF, 16, "OXM_OF_UDP_DST", 3)], 6, 32),
    row(FieldId::SctpSrc, "sctp_src", &[], 16, 16, Decimal, MASKED, P::Sctp, WRITE, &[oxm(OXM_OF, 17, "OXM_OF_SCTP_SRC", 3)], 6, 48),
    row(FieldId::SctpDst, "sctp_dst", &[], 16, 16, Decimal, MASKED, P::Sctp, WRITE, &[oxm(OXM_OF, 18, "OXM_OF_SCTP_DST", 3)], 6, 32),
    row(FieldId::IcmpType, "icmp_type", &[], 8, 8, Decimal, EXACT, P::Icmpv4, WRITE, &[oxm(NXM_OF, 13, "NXM_OF_ICMP_TYPE", 0), oxm(OXM_OF, 19, "OXM_OF_ICMPV4_TYPE", 3)], 6, 48),
    row(FieldId::IcmpCode, "icmp_code", &[], 8, 8, Decimal, EXACT, P::Icmpv4, WRITE, &[oxm(NXM_OF, 14, "NXM_OF_ICMP_CODE", 0), oxm(OXM_OF, 20, "OXM_OF_ICMPV4_CODE", 3)], 6, 32),
    row(FieldId::Icmpv6Type, "icmpv6_type", &[], 8, 8, Decimal, EXACT, P::Icmpv6, WRITE, &[oxm(NXM_NX, 21, "NXM_NX_ICMPV6_TYPE", 0), oxm(OXM_OF, 29, "OXM_OF_ICMPV6_TYPE", 3)], 6, 48),
    row(FieldId::Icmpv6Code, "icmpv6_code", &[], 8, 8, Decimal, EXACT, P::Icmpv6, WRITE, &[oxm(NXM_NX, 22, "NXM_NX_ICMPV6_CODE", 0), oxm(OXM_OF, 30, "OXM_OF_ICMPV6_CODE", 3)], 6, 32),
    row(FieldId::NdTarget, "nd_target", &[], 128, 128, Ipv6, MASKED, P::Nd, WRITE, &[oxm(NXM_NX, 23, "NXM_NX_ND_TARGET", 0), oxm(OXM_OF, 31, "OXM_OF_IPV6_ND_TARGET", 3)], 13, 0),
    row(FieldId::NdSll, "nd_sll", &[], 48, 48, Ethernet, MASKED, P::NdSolicit, WRITE, &[oxm(NXM_NX, 24, "NXM_NX_ND_SLL", 0), oxm(OXM_OF, 32, "OXM_OF_IPV6_ND_SLL", 3)], 11, 16),
    row(FieldId::NdTll, "nd_tll", &[], 48, 48, Ethernet, MASKED, P::NdAdvert, WRITE, &[oxm(NXM_NX, 25, "NXM_NX_ND_TLL", 0), oxm(OXM_OF, 33, "OXM_OF_IPV6_ND_TLL", 3)], 12, 16),
    row(FieldId::NdReserved, "nd_reserved", &[], 32, 32, Decimal, EXACT, P::Nd, WRITE, &[oxm(ERICSSON, 1, "ERICOXM_OF_ICMPV6_ND_RESERVED", 0)], 29, 0),
    row(FieldId::NdOptionsType, "nd_options_type", &[], 8, 8, Decimal, EXACT, P::Nd, WRITE, &[oxm(ERICSSON, 2, "ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE", 0)], 4, 0),
];
