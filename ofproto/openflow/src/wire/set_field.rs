//! Writing fields: one meaning, many wire forms.
//!
//! 1.0 has an action per classic field; 1.1 a few more; 1.2+ OFPAT_SET_FIELD with an OXM TLV, masked since 1.5. For
//! everything else there is Nicira's NXAST_REG_LOAD, which writes up to 64 consecutive bits.

use weft_flow::FieldId;
use weft_flow::tun_metadata::TunValue;
use zerocopy::byteorder::big_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::action::{HeaderWire, argument, simple};
use super::buf::{Decoded, Encoded, Reader, Writer, bad, cannot};
use super::match10::mac_bytes;
use super::{nicira, oxm, tun_metadata};
use crate::action::{Action, SetField, SetForm, SetTunnelOption, SubField};
use crate::error::ErrorCode;
use crate::ids::Version;

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct RegLoadWire {
    /// ofs << 6 | (n_bits - 1)
    ofs_nbits: U16,
}

/// OFPAT_SET_FIELD behind its header.
pub(super) fn read(mut r: Reader<'_>, version: Version) -> Decoded<Action> {
    let action = read_tlv(&mut r, SetForm::SetField)?;
    let masked = match &action {
        Action::SetField(set) => set.mask != set.field.field().all_ones(),
        Action::SetTunnelOption(set) => set.value.mask().is_some(),
        _ => false,
    };
    if masked && version < Version::V15 {
        return bad(ErrorCode::OFPBAC_BAD_SET_MASK, "set_field takes no mask before OpenFlow 1.5");
    }
    must_be_zero(&mut r)?;
    Ok(action)
}

/// NXAST_REG_LOAD2 behind its header.
pub(super) fn read_reg_load2(mut r: Reader<'_>) -> Decoded<Action> {
    let action = read_tlv(&mut r, SetForm::SetField)?;
    must_be_zero(&mut r)?;
    Ok(action)
}

/// NXAST_REG_LOAD behind its header.
pub(super) fn read_reg_load(mut r: Reader<'_>) -> Decoded<Action> {
    let bits = r.get::<U16>("reg_load")?.get();
    let field = oxm::read_short_field(&mut r)?;
    let value = u128::from(r.get::<U64>("reg_load value")?.get());
    let sub = SubField { field, ofs: bits >> 6, n_bits: (bits & 63) + 1 };
    super::action::check_destination(sub)?;
    if sub.n_bits < 64 && value >> sub.n_bits != 0 {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, format!("{value:#x} does not fit {} bits", sub.n_bits));
    }
    if let Some(index) = field.tun_metadata_index() {
        let value = Box::new(TunValue::from_bits(value, sub.ofs, sub.n_bits));
        return Ok(Action::SetTunnelOption(SetTunnelOption { index, value }));
    }
    let bits = field.field().all_ones();
    let set = SetField { field, value: (value << sub.ofs) & bits, mask: sub.mask() & bits, form: SetForm::Load };
    Ok(Action::SetField(set))
}

fn read_tlv(r: &mut Reader<'_>, form: SetForm) -> Decoded<Action> {
    let header = oxm::Header::read(r)?;
    let Some(field) = header.lookup() else {
        let code = match header.payload {
            0 => ErrorCode::OFPBAC_BAD_SET_TYPE,
            _ => ErrorCode::OFPBAC_BAD_SET_LEN,
        };
        return bad(code, format!("unknown OXM {:#010x}", header.number()));
    };
    if let Some(index) = field.tun_metadata_index() {
        return tun_metadata::read_set(index, header, r);
    }
    let row = field.field();
    let width = row.wire_bytes();
    if header.payload != if header.has_mask { 2 * width } else { width } {
        return bad(ErrorCode::OFPBAC_BAD_SET_LEN, format!("{} has a payload of {} bytes", row.name, header.payload));
    }
    let number = |bytes: &[u8]| bytes.iter().fold(0u128, |n, &b| n << 8 | u128::from(b));
    let mut value = number(r.bytes(width, "set_field value")?);
    let mut mask = row.all_ones();
    if header.has_mask {
        mask = number(r.bytes(width, "set_field mask")?);
    }
    if value & !mask != 0 {
        return oxm::outside_of_mask(header);
    }
    if !row.writable {
        return bad(ErrorCode::OFPBAC_BAD_SET_ARGUMENT, format!("{} is read-only", row.name));
    }
    if value & !row.all_ones() != 0 {
        return bad(ErrorCode::OFPBAC_BAD_SET_ARGUMENT, format!("{value:#x} does not fit {}", row.name));
    }
    mask &= row.all_ones();
    value &= mask;
    Ok(Action::SetField(SetField { field, value, mask, form }))
}

fn must_be_zero(r: &mut Reader<'_>) -> Decoded<()> {
    if r.take_rest().iter().any(|&b| b != 0) {
        return bad(ErrorCode::OFPBAC_BAD_SET_ARGUMENT, "padding behind set_field is not zero");
    }
    Ok(())
}

/// Appends one write of a field.
pub(super) fn write(w: &mut Writer, set: &SetField, version: Version) -> Encoded<()> {
    let exact = set.mask == set.field.field().all_ones();
    let load = set.form == SetForm::Load;
    if version >= Version::V12 {
        if set.form == SetForm::Mod && matches!(set.field, FieldId::MplsTtl | FieldId::NwTtl) {
            argument(w, if set.field == FieldId::NwTtl { 23 } else { 15 }, one(set.value));
            return Ok(());
        }
        if version >= Version::V15 || (exact && !load) {
            return write_tlv(w, set, version);
        }
        return reg_loads(w, set, version);
    }
    if load || !exact || !write_classic(w, set, version) {
        return reg_loads(w, set, version);
    }
    Ok(())
}

fn write_tlv(w: &mut Writer, set: &SetField, version: Version) -> Encoded<()> {
    // NXM_OF_IN_PORT has 16 bits and no OXM twin of that width.
    if oxm::Header::of(set.field, Some(version)).is_none() {
        return cannot(version, format!("set_field of {}", set.field.field().name));
    }
    simple(w, 25, |w| oxm::write_value(w, set.field, set.value, set.mask, Some(version)));
    Ok(())
}

/// The actions of 1.0 and 1.1 that write one whole field. False: there is none.
fn write_classic(w: &mut Writer, set: &SetField, version: Version) -> bool {
    let v10 = version == Version::V10;
    let value = set.value;
    let modify = set.form == SetForm::Mod;
    let kind = |in10: u16| if v10 { in10 } else { in10 - 1 };
    match set.field {
        FieldId::VlanVid => write_vlan_vid(w, value as u16 & 0xfff, version),
        FieldId::VlanPcp => write_vlan_pcp(w, value as u8, version),
        FieldId::EthSrc | FieldId::EthDst => simple(w, kind(if set.field == FieldId::EthSrc { 4 } else { 5 }), |w| {
            w.slice(&mac_bytes(value));
            w.zeros(6);
        }),
        FieldId::IpSrc => argument(w, kind(6), (value as u32).to_be_bytes()),
        FieldId::IpDst => argument(w, kind(7), (value as u32).to_be_bytes()),
        FieldId::IpDscp => argument(w, kind(8), one(value << 2)),
        FieldId::NwEcn if !v10 => argument(w, 8, one(value)),
        FieldId::SctpSrc | FieldId::SctpDst if v10 && !modify => return false,
        FieldId::TcpSrc | FieldId::UdpSrc | FieldId::SctpSrc => argument(w, 9, short(value)),
        FieldId::TcpDst | FieldId::UdpDst | FieldId::SctpDst => argument(w, 10, short(value)),
        FieldId::NwTtl if !v10 && modify => argument(w, 23, one(value)),
        FieldId::MplsLabel if !v10 => argument(w, 13, (value as u32).to_be_bytes()),
        FieldId::MplsTc if !v10 => argument(w, 14, one(value)),
        FieldId::MplsTtl if !v10 => argument(w, 15, one(value)),
        FieldId::MplsLabel | FieldId::MplsTc | FieldId::MplsTtl if !modify => return false,
        FieldId::MplsLabel => nicira::simple(w, 30, |w| {
            w.zeros(2);
            w.slice(&(value as u32).to_be_bytes());
        }),
        FieldId::MplsTc => nicira::simple(w, 31, |w| w.slice(&[value as u8])),
        FieldId::MplsTtl => nicira::simple(w, 25, |w| w.slice(&[value as u8])),
        FieldId::TunId if set.form == SetForm::Mod && value <= u32::MAX.into() => nicira::simple(w, 2, |w| {
            w.zeros(2);
            w.slice(&(value as u32).to_be_bytes());
        }),
        FieldId::TunId if matches!(set.form, SetForm::Mod | SetForm::Mod64) => nicira::simple(w, 9, |w| {
            w.zeros(6);
            w.slice(&(value as u64).to_be_bytes());
        }),
        _ => return false,
    }
    true
}

/// `mod_vlan_vid`'s own action (the tag must be there in 1.1+).
pub(super) fn write_vlan_vid(w: &mut Writer, vid: u16, version: Version) {
    if version >= Version::V12 {
        simple(w, 25, |w| oxm::write_value(w, FieldId::VlanVid, u128::from(vid | 0x1000), 0x1fff, Some(version)));
    } else {
        argument(w, 1, short(vid.into()));
    }
}

/// `mod_vlan_pcp`'s own action (the tag must be there in 1.1+).
pub(super) fn write_vlan_pcp(w: &mut Writer, pcp: u8, version: Version) {
    if version >= Version::V12 {
        simple(w, 25, |w| oxm::write_value(w, FieldId::VlanPcp, pcp.into(), 7, Some(version)));
    } else {
        argument(w, 2, one(pcp.into()));
    }
}

/// One NXAST_REG_LOAD per run of at most 64 ones in the mask, lowest first.
fn reg_loads(w: &mut Writer, set: &SetField, version: Version) -> Encoded<()> {
    let Some(header) = oxm::Header::of(set.field, None) else {
        return cannot(version, format!("load of {}", set.field.field().name));
    };
    if set.field.field().wire_bytes() > 16 || header.vendor != 0 {
        return reg_load2(w, set);
    }
    let mut rest = set.mask;
    if rest == set.field.field().all_ones() {
        let bits = SubField::width(set.field);
        rest = if bits >= 128 { u128::MAX } else { (1 << bits) - 1 };
    }
    while rest != 0 {
        let ofs = rest.trailing_zeros();
        let n_bits = (rest >> ofs).trailing_ones().min(64);
        let ones = (1u128 << n_bits) - 1;
        let start = w.len();
        w.put(&HeaderWire { kind: super::action::VENDOR.into(), len: 0.into() });
        w.slice(&super::NICIRA.to_be_bytes());
        w.slice(&7u16.to_be_bytes());
        w.put(&RegLoadWire { ofs_nbits: ((ofs << 6 | (n_bits - 1)) as u16).into() });
        header.write(w);
        w.slice(&((set.value >> ofs & ones) as u64).to_be_bytes());
        w.pad(start, 8);
        w.close(start, 2);
        rest &= !(ones << ofs);
    }
    Ok(())
}

/// NXAST_REG_LOAD2: a whole TLV, for fields that a 32-bit header cannot name.
fn reg_load2(w: &mut Writer, set: &SetField) -> Encoded<()> {
    nicira::simple(w, 33, |w| {
        oxm::write_value(w, set.field, set.value, set.mask, None);
    });
    Ok(())
}

fn one(value: u128) -> [u8; 4] {
    [value as u8, 0, 0, 0]
}

fn short(value: u128) -> [u8; 4] {
    let [a, b] = (value as u16).to_be_bytes();
    [a, b, 0, 0]
}
