//! Nicira's actions: NXAST_* (ovs-actions(7) names each; the layouts were taken from captures of the real tools).
//!
//! ```text
//! 0xffff:16 length:16 0x00002320:32 subtype:16 body, zero padded to a multiple of 8
//! ```
//! [`mod@read`] and [`mod@write`] list every subtype; what has a body worth a page has its own file: [`multipath`] (and
//! `bundle`), [`controller`], [`encap`], [`ct`], [`learn`]. Here: the layouts and pieces that both directions share,
//! and properties, in the form that OpenFlow 1.4 took over.

mod controller;
mod ct;
mod encap;
mod learn;
mod multipath;
mod read;
mod write;

pub(crate) use read::read;
pub(crate) use write::{write, write_learn2, write_resubmit};

use weft_flow::FieldId;
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::NICIRA;
use super::action::{HeaderWire, VENDOR};
use super::buf::{Decoded, Reader, Writer, bad};
use crate::action::SubField;
use crate::error::ErrorCode;
use crate::instruction::WriteMetadata;

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct MoveWire {
    n_bits: U16,
    src_ofs: U16,
    dst_ofs: U16,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct PropertyWire {
    kind: U16,
    len: U16,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct SampleWire {
    probability: U16,
    collector_set_id: U32,
    obs_domain_id: U32,
    obs_point_id: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct ConjunctionWire {
    clause: u8,
    n_clauses: u8,
    id: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct StackWire {
    ofs: U16,
}

pub(super) const WRITE_METADATA: u16 = 22;

const EMPTY_PAD: &str = "padding";

/// `decap()`: the switch finds out what lies beneath.
const USE_NEXT_PROTO: u32 = 0xfffe;

/// OpenFlow 1.0's write_metadata, which is an action there.
pub(super) fn read_write_metadata(bytes: &[u8]) -> Decoded<WriteMetadata> {
    let mut r = Reader::new(bytes, ErrorCode::OFPBAC_BAD_LEN);
    r.skip(10, "header")?;
    if r.bytes(6, EMPTY_PAD)?.iter().any(|&b| b != 0) {
        return bad(ErrorCode::NXBRC_MUST_BE_ZERO, "write_metadata's padding is not zero");
    }
    let value = r.get::<U64>("metadata")?.get();
    let mask = r.get::<U64>("metadata mask")?.get();
    if !r.is_empty() {
        return bad(ErrorCode::OFPBAC_BAD_LEN, "write_metadata has 32 bytes");
    }
    Ok(WriteMetadata { value, mask })
}

/// The inverse of [`read_write_metadata`].
pub(super) fn write_write_metadata(w: &mut Writer, metadata: WriteMetadata) {
    simple(w, WRITE_METADATA, |w| {
        w.zeros(6);
        w.slice(&metadata.value.to_be_bytes());
        w.slice(&metadata.mask.to_be_bytes());
    });
}

/// Ten bits of offset, six of length minus one.
fn sub_field(bits: u16, field: FieldId) -> SubField {
    SubField { field, ofs: bits >> 6, n_bits: (bits & 63) + 1 }
}

fn sub_bits(sub: SubField) -> u16 {
    sub.ofs << 6 | (sub.n_bits - 1)
}

/// A property (OpenFlow 1.4 §7.2.3): type, length without padding, body, padding to 8.
pub(super) fn read_property<'a>(r: &mut Reader<'a>) -> Decoded<(u16, Reader<'a>)> {
    let mut p = r.short(ErrorCode::OFPBPC_BAD_LEN);
    let wire: &PropertyWire = p.get("property")?;
    let len = usize::from(wire.len.get());
    if len < 4 {
        return bad(ErrorCode::OFPBPC_BAD_LEN, format!("a property of {len} bytes"));
    }
    let kind = wire.kind.get();
    // experimenters' have a number and a type of their own
    if kind >= 0xfffe && len < 12 {
        return bad(ErrorCode::OFPBPC_BAD_LEN, format!("an experimenter's property of {len} bytes"));
    }
    let body = p.sub(len - 4, "property")?;
    p.skip((len.next_multiple_of(8) - len).min(p.len()), "property's padding")?;
    r.skip(r.len() - p.len(), "property")?;
    Ok((kind, body))
}

/// The inverse of [`read_property`].
pub(super) fn write_property(w: &mut Writer, kind: u16, body: impl FnOnce(&mut Writer)) {
    let start = w.len();
    w.put(&PropertyWire { kind: kind.into(), len: 0.into() });
    body(w);
    w.close(start, 2);
    w.pad(start, 8);
}

/// Appends a Nicira action, padded and closed.
pub(super) fn simple(w: &mut Writer, subtype: u16, body: impl FnOnce(&mut Writer)) {
    let start = open(w, subtype);
    body(w);
    w.pad(start, 8);
    w.close(start, 2);
}

fn open(w: &mut Writer, subtype: u16) -> usize {
    let start = w.len();
    w.put(&HeaderWire { kind: VENDOR.into(), len: 0.into() });
    w.put(&U32::new(NICIRA));
    w.put(&U16::new(subtype));
    start
}
