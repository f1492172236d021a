//! Tunnel options as TLVs (NXM_NX_TUN_METADATA0 to 63): values of any length up to 124 bytes.
//!
//! A value that is shorter than the field counts as its low bytes. Who knows a bridge's table writes whole fields, who
//! does not leaves leading zeros out; no bytes at all are the value 0, or with the mask flag "it is there".

use weft_flow::tun_metadata::{MAX_LEN, TunValue};
use weft_flow::{FieldId, Match};

use super::action::simple;
use super::buf::{Decoded, Encoded, Reader, Writer, bad, cannot};
use super::oxm::Header;
use crate::action::{Action, SetTunnelOption};
use crate::error::ErrorCode;
use crate::ids::Version;

/// The value behind a header. `bad_len` is the error for what cannot be a value.
pub(super) fn read_value(header: Header, r: &mut Reader<'_>, bad_len: ErrorCode) -> Decoded<TunValue> {
    let len = if header.has_mask { header.payload / 2 } else { header.payload };
    if len > MAX_LEN || header.has_mask && !header.payload.is_multiple_of(2) {
        return bad(bad_len, format!("a tunnel option of {} bytes", header.payload));
    }
    let bytes = r.bytes(len, "tunnel option")?;
    if !header.has_mask {
        return Ok(TunValue::exact(bytes));
    }
    Ok(TunValue::masked(bytes, r.bytes(len, "tunnel option's mask")?))
}

/// As [`read_value`] for a match: bits outside of the mask must be zero.
pub(super) fn read_match_value(header: Header, r: &mut Reader<'_>) -> Decoded<TunValue> {
    let rest = r.rest();
    let value = read_value(header, r, ErrorCode::OFPBMC_BAD_LEN)?;
    let half = header.payload / 2;
    if header.has_mask && rest[..half].iter().zip(&rest[half..]).any(|(value, mask)| value & !mask != 0) {
        return bad(ErrorCode::OFPBMC_BAD_WILDCARDS, "a tunnel option has value bits outside of its mask");
    }
    Ok(value)
}

/// Appends the options that a match requires to be there.
pub(super) fn write_match(w: &mut Writer, m: &Match) {
    let bridge = m.layout().filter(|layout| layout.is_bridge());
    for (index, value) in m.tun_options() {
        // that an option is absent cannot be said
        let (Some(value), Some(field)) = (value, FieldId::tun_metadata(index)) else { continue };
        match bridge.and_then(|layout| layout.len_of(index)).filter(|_| value.mask().is_none_or(|m| !m.is_empty())) {
            Some(len) => {
                let (bytes, mask) = value.fit(len);
                write_bytes(w, field, &bytes, value.mask().map(|_| mask.as_slice()));
            }
            None => write_value(w, field, &value),
        }
    }
}

fn write_value(w: &mut Writer, field: FieldId, value: &TunValue) {
    write_bytes(w, field, value.bytes(), value.mask());
}

fn write_bytes(w: &mut Writer, field: FieldId, bytes: &[u8], mask: Option<&[u8]>) {
    let Some(header) = Header::of(field, None) else { return };
    let payload = bytes.len() + mask.map_or(0, <[u8]>::len);
    Header { has_mask: mask.is_some(), payload, ..header }.write(w);
    w.slice(bytes);
    w.slice(mask.unwrap_or_default());
}

/// The TLV of a set_field or reg_load2.
pub(super) fn read_set(index: u8, header: Header, r: &mut Reader<'_>) -> Decoded<Action> {
    let value = read_value(header, r, ErrorCode::OFPBAC_BAD_SET_LEN)?;
    Ok(Action::SetTunnelOption(SetTunnelOption { index, value: Box::new(value) }))
}

/// Appends set_field, or reg_load2 where set_field cannot say it.
pub(super) fn write_set(w: &mut Writer, set: &SetTunnelOption, version: Version) -> Encoded<()> {
    let Some(field) = FieldId::tun_metadata(set.index) else {
        return cannot(version, format!("tun_metadata{}", set.index));
    };
    if version >= Version::V15 || version >= Version::V12 && set.value.mask().is_none() {
        simple(w, 25, |w| write_value(w, field, &set.value));
    } else {
        super::nicira::simple(w, 33, |w| write_value(w, field, &set.value));
    }
    Ok(())
}
