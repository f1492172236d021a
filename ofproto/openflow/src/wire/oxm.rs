//! Field values as TLVs: OXM (OpenFlow 1.5 §7.2.3.2) and its forerunner NXM, alone and as a whole match.
//!
//! ```text
//! class:16 field:7 has_mask:1 length:8 [experimenter:32 if class is 0xffff] value [mask]
//! ```
//! Which of a field's identities is written depends on the version: none (Nicira's structures) takes NXM where there is
//! one, a version takes the newest OXM that it knows.
//!
//! Invariant: a decoded match holds each field once, its prerequisites first, and no value bit outside of its mask.

mod write;

use weft_flow::field::{Masking, Prerequisite};
use weft_flow::{FieldId, Match, OfPort};
use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::buf::{Decoded, Reader, Writer, bad};
use super::said::{Module, warn};
use super::tun_metadata;
use crate::error::ErrorCode;
use crate::ids::Version;

pub(crate) use write::{implies_ethernet, write_match, write_nx_cookie};

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
