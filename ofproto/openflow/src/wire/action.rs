//! Action lists: OFPAT_* of every version (1.0 §5.2.4, 1.1 to 1.5 §7.2.6), padded and bounded.
//!
//! Nicira's extensions are in [`super::nicira`]. Invariant: an action's length is a multiple of 8, inside its list, and
//! all of it was understood.

mod known;
mod write;

use weft_flow::{FieldId, OfPort};
use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::buf::{Decoded, Encoded, Reader, Writer, bad, cannot};
use super::match10::mac;
use super::said::{self, Module, warn};
use super::{NICIRA, ONF, nicira, oxm, set_field};
use crate::action::{Action, DecTtl, SetField, SetForm, StripForm, SubField};
use crate::error::ErrorCode;
use crate::ids::{GroupId, MeterId, QueueId, Version};
use crate::instruction::WriteMetadata;

pub(super) use write::{argument, simple};
pub(crate) use write::{rewrite_list, write_list};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct HeaderWire {
    pub kind: U16,
    pub len: U16,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct VendorWire {
    kind: U16,
    len: U16,
    vendor: U32,
    subtype: U16,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Output10Wire {
    port: U16,
    max_len: U16,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Output11Wire {
    port: U32,
    max_len: U16,
    pad: [u8; 6],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Enqueue10Wire {
    port: U16,
    pad: [u8; 6],
    queue: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct CopyFieldWire {
    n_bits: U16,
    src_ofs: U16,
    dst_ofs: U16,
    pad: [u8; 2],
}

/// OFPAT_VENDOR, OFPAT_EXPERIMENTER.
pub(super) const VENDOR: u16 = 0xffff;

/// A list of actions, and what stood among them that is an instruction: OpenFlow 1.0's write_metadata, with the number of
/// actions before it.
pub(super) struct List {
    pub actions: Vec<Action>,
    pub metadata: Option<(usize, WriteMetadata)>,
}

/// Decodes a list that fills `bytes`.
pub(crate) fn read_list(bytes: &[u8], version: Version) -> Decoded<Vec<Action>> {
    checked(read_with_metadata(bytes, version)?)
}

/// As [`read_list`], where write_metadata may stand among the actions; what else they must not be is not looked at yet.
pub(super) fn read_with_metadata(bytes: &[u8], version: Version) -> Decoded<List> {
    if !bytes.len().is_multiple_of(8) {
        let text = format!("OpenFlow message actions length {} is not a multiple of 8", bytes.len());
        warn(Module::Actions, || text.clone());
        return bad(ErrorCode::OFPBRC_BAD_LEN, text);
    }
    read_items(bytes, version, 0)
}

/// As [`read_list`], inside `depth` other actions.
pub(super) fn read_nested(bytes: &[u8], version: Version, depth: u8) -> Decoded<Vec<Action>> {
    checked(read_items(bytes, version, depth)?)
}

/// Decodes what follows, action by action.
pub(super) fn read_items(bytes: &[u8], version: Version, depth: u8) -> Decoded<List> {
    if depth > MAX_DEPTH {
        return bad(ErrorCode::OFPBAC_TOO_MANY, "actions are nested too deep");
    }
    let mut r = Reader::new(bytes, ErrorCode::OFPBAC_BAD_LEN);
    let mut list = List { actions: Vec::new(), metadata: None };
    while !r.is_empty() {
        let at = bytes.len() - r.len();
        let read = known::split_one(&mut r, version).and_then(|one| match is_nicira(one, nicira::WRITE_METADATA) {
            true if list.metadata.is_some() => bad(ErrorCode::OFPBIC_DUP_INST, "write_metadata twice"),
            true => {
                list.metadata = Some((list.actions.len(), nicira::read_write_metadata(one)?));
                Ok(())
            }
            false => {
                list.actions.push(read_one(one, version, depth)?);
                Ok(())
            }
        });
        if let Err(error) = read {
            warn(Module::Actions, || format!("bad action at offset {at} ({}):\n{}", error.code, said::dump(bytes)));
            return Err(error);
        }
    }
    Ok(list)
}

/// A list without instructions, of actions that may stand outside of `ct`.
fn checked(list: List) -> Decoded<Vec<Action>> {
    if list.metadata.is_some() {
        return refuse(ErrorCode::OFPBIC_UNSUP_INST, "write_metadata instruction not allowed here");
    }
    check_outside_ct(&list.actions)?;
    Ok(list.actions)
}

/// What only `ct` may have among its actions.
pub(super) fn check_outside_ct(actions: &[Action]) -> Decoded<()> {
    for action in actions {
        match action {
            Action::Nat(_) => {
                let text = "Cannot have NAT action outside of \"ct\" action";
                return refuse(ErrorCode::OFPBAC_BAD_SET_ARGUMENT, text);
            }
            action if matches!(written(action), Some(FieldId::CtMark | FieldId::CtLabel)) => {
                return refuse(ErrorCode::OFPBAC_BAD_SET_ARGUMENT, "cannot set CT fields outside of ct action");
            }
            _ => {}
        }
    }
    Ok(())
}

/// The field that an action writes.
pub(super) fn written(action: &Action) -> Option<FieldId> {
    match action {
        Action::SetField(set) => Some(set.field),
        Action::Move { dst, .. } => Some(dst.field),
        _ => None,
    }
}

/// An error of actions that were understood, and its line in the log.
pub(super) fn refuse<T>(code: ErrorCode, text: impl Into<String>) -> Decoded<T> {
    let text = text.into();
    warn(Module::Verify, || text.clone());
    bad(code, text)
}

/// Whether these bytes are Nicira's action with this number.
fn is_nicira(bytes: &[u8], subtype: u16) -> bool {
    VendorWire::ref_from_prefix(bytes)
        .is_ok_and(|(wire, _)| (wire.kind.get(), wire.vendor.get(), wire.subtype.get()) == (VENDOR, NICIRA, subtype))
}

fn read_one(bytes: &[u8], version: Version, depth: u8) -> Decoded<Action> {
    let mut r = Reader::new(bytes, ErrorCode::OFPBAC_BAD_LEN);
    let header: &HeaderWire = r.get("action header")?;
    let kind = header.kind.get();
    if kind == VENDOR {
        let vendor = r.get::<U32>("experimenter id")?.get();
        return match vendor {
            NICIRA => nicira::read(r, version, depth),
            ONF if matches!(version, Version::V13 | Version::V14) => {
                if r.get::<U16>("ONF action type")?.get() != ONF_COPY_FIELD {
                    return bad(ErrorCode::OFPBAC_BAD_VENDOR_TYPE, "unknown ONF action");
                }
                r.skip(2, "padding")?;
                read_copy_field(r)
            }
            _ => bad(ErrorCode::OFPBAC_BAD_VENDOR, format!("unknown experimenter {vendor:#x}")),
        };
    }
    if version == Version::V10 { read10(kind, r) } else { read11(kind, r, version) }
}

/// ONF's copy_field for 1.3 and 1.4.
const ONF_COPY_FIELD: u16 = 3200;

fn read10(kind: u16, mut r: Reader<'_>) -> Decoded<Action> {
    let action = match kind {
        0 => {
            let wire: &Output10Wire = r.get("output")?;
            let port = wire.port.get();
            if (0xff00..0xfff8).contains(&port) || port == 0xffff {
                return bad(ErrorCode::OFPBAC_BAD_OUT_PORT, format!("output to reserved port {port:#x}"));
            }
            Action::Output { port: OfPort::from_u16(port), max_len: wire.max_len.get() }
        }
        1 => set_vlan_vid(&mut r, true)?,
        2 => set_vlan_pcp(&mut r, true)?,
        3 => {
            r.skip(4, "padding")?;
            Action::StripVlan(StripForm::Strip)
        }
        4 => dl(&mut r, FieldId::EthSrc)?,
        5 => dl(&mut r, FieldId::EthDst)?,
        6 => nw(&mut r, FieldId::IpSrc)?,
        7 => nw(&mut r, FieldId::IpDst)?,
        8 => nw_tos(&mut r)?,
        9 => tp(&mut r, FieldId::TcpSrc)?,
        10 => tp(&mut r, FieldId::TcpDst)?,
        11 => {
            let wire: &Enqueue10Wire = r.get("enqueue")?;
            let port = OfPort::from_u16(wire.port.get());
            if wire.port.get() >= 0xff00 && port != OfPort::IN_PORT && port != OfPort::LOCAL {
                return bad(ErrorCode::OFPBAC_BAD_OUT_PORT, format!("enqueue to reserved port {port}"));
            }
            Action::Enqueue { port, queue: QueueId(wire.queue.get()) }
        }
        _ => return bad(ErrorCode::OFPBAC_BAD_TYPE, format!("unknown action type {kind}")),
    };
    finish(r, action)
}

/// 1.1 and later. What 1.1 has for single fields is heard from later versions too.
fn read11(kind: u16, mut r: Reader<'_>, version: Version) -> Decoded<Action> {
    let action = match kind {
        0 => {
            let wire: &Output11Wire = r.get("output")?;
            let port = super::flow::port32(wire.port.get())?;
            if (0xff00..0xffff_fff8).contains(&port.0) || port == OfPort::NONE {
                return bad(ErrorCode::OFPBAC_BAD_OUT_PORT, format!("output to reserved port {:#x}", port.0));
            }
            Action::Output { port, max_len: wire.max_len.get() }
        }
        1 => set_vlan_vid(&mut r, false)?,
        2 => set_vlan_pcp(&mut r, false)?,
        3 => dl(&mut r, FieldId::EthSrc)?,
        4 => dl(&mut r, FieldId::EthDst)?,
        5 => nw(&mut r, FieldId::IpSrc)?,
        6 => nw(&mut r, FieldId::IpDst)?,
        7 => nw_tos(&mut r)?,
        8 => {
            let ecn = byte(&mut r)?;
            if ecn > 3 {
                return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "nw_ecn has two bits");
            }
            modify(FieldId::NwEcn, ecn.into())
        }
        9 => tp(&mut r, FieldId::TcpSrc)?,
        10 => tp(&mut r, FieldId::TcpDst)?,
        13 => {
            let label = r.get::<U32>("label")?.get();
            if label > 0xf_ffff {
                return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "an MPLS label has 20 bits");
            }
            modify(FieldId::MplsLabel, label.into())
        }
        14 => {
            let tc = byte(&mut r)?;
            if tc > 7 {
                return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "an MPLS traffic class has three bits");
            }
            modify(FieldId::MplsTc, tc.into())
        }
        15 => modify(FieldId::MplsTtl, byte(&mut r)?.into()),
        16 => {
            r.skip(4, "padding")?;
            Action::DecMplsTtl
        }
        17 => {
            let ethertype = short(&mut r)?;
            if !matches!(ethertype, 0x8100 | 0x88a8) {
                return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, format!("{ethertype:#x} is no VLAN tag"));
            }
            Action::PushVlan { ethertype }
        }
        18 => {
            r.skip(4, "padding")?;
            Action::StripVlan(StripForm::Pop)
        }
        19 => {
            let ethertype = short(&mut r)?;
            if !matches!(ethertype, 0x8847 | 0x8848) {
                return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, format!("{ethertype:#x} is no MPLS type"));
            }
            Action::PushMpls { ethertype }
        }
        20 => Action::PopMpls { ethertype: short(&mut r)? },
        21 => Action::SetQueue(QueueId(r.get::<U32>("queue")?.get())),
        22 => Action::Group(GroupId(r.get::<U32>("group")?.get())),
        23 => modify(FieldId::NwTtl, byte(&mut r)?.into()),
        24 => {
            r.skip(4, "padding")?;
            Action::DecTtl(DecTtl { controllers: vec![0], explicit: false })
        }
        25 => return set_field::read(r, version),
        28 => return read_copy_field(r),
        29 => Action::Meter(MeterId(r.get::<U32>("meter")?.get())),
        _ => return bad(ErrorCode::OFPBAC_BAD_TYPE, format!("unknown action type {kind}")),
    };
    finish(r, action)
}

fn finish(r: Reader<'_>, action: Action) -> Decoded<Action> {
    if r.is_empty() { Ok(action) } else { bad(ErrorCode::OFPBAC_BAD_LEN, format!("{} bytes too many", r.len())) }
}

fn modify(field: FieldId, value: u128) -> Action {
    Action::SetField(SetField { field, value, mask: field.field().all_ones(), form: SetForm::Mod })
}

fn byte(r: &mut Reader<'_>) -> Decoded<u8> {
    Ok(r.bytes(4, "argument")?[0])
}

fn short(r: &mut Reader<'_>) -> Decoded<u16> {
    let value = r.get::<U16>("argument")?.get();
    r.skip(2, "padding")?;
    Ok(value)
}

fn set_vlan_vid(r: &mut Reader<'_>, push: bool) -> Decoded<Action> {
    let vid = short(r)?;
    if vid > 0xfff {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, format!("VLAN {vid} does not exist"));
    }
    Ok(Action::SetVlanVid { vid, push })
}

fn set_vlan_pcp(r: &mut Reader<'_>, push: bool) -> Decoded<Action> {
    let pcp = byte(r)?;
    if pcp > 7 {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, format!("VLAN priority {pcp} does not exist"));
    }
    Ok(Action::SetVlanPcp { pcp, push })
}

fn dl(r: &mut Reader<'_>, field: FieldId) -> Decoded<Action> {
    let bytes = r.get::<[u8; 6]>("address")?;
    r.skip(6, "padding")?;
    Ok(modify(field, mac(*bytes)))
}

fn nw(r: &mut Reader<'_>, field: FieldId) -> Decoded<Action> {
    Ok(modify(field, r.get::<U32>("address")?.get().into()))
}

fn nw_tos(r: &mut Reader<'_>) -> Decoded<Action> {
    let tos = byte(r)?;
    if tos & 3 != 0 {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "nw_tos has its two low bits set");
    }
    Ok(modify(FieldId::IpDscp, (tos >> 2).into()))
}

fn tp(r: &mut Reader<'_>, field: FieldId) -> Decoded<Action> {
    Ok(modify(field, short(r)?.into()))
}

fn read_copy_field(mut r: Reader<'_>) -> Decoded<Action> {
    let wire: &CopyFieldWire = r.get("copy_field")?;
    let (n_bits, src_ofs, dst_ofs) = (wire.n_bits.get(), wire.src_ofs.get(), wire.dst_ofs.get());
    let src = oxm::read_field(&mut r)?;
    let dst = oxm::read_field(&mut r)?;
    move_checked(SubField { field: src, ofs: src_ofs, n_bits }, SubField { field: dst, ofs: dst_ofs, n_bits })
}

/// A move whose bits exist; both forms of it end here.
pub(super) fn move_checked(src: SubField, dst: SubField) -> Decoded<Action> {
    check_source(src)?;
    check_destination(dst)?;
    Ok(Action::Move { src, dst })
}

/// The bits exist.
pub(super) fn check_source(sub: SubField) -> Decoded<()> {
    check_bits(sub, "source")
}

fn check_bits(sub: SubField, what: &str) -> Decoded<()> {
    let (bits, name) = (SubField::width(sub.field), sub.field.field().name);
    let why = if sub.ofs >= bits {
        format!("bit offset {} exceeds {bits}-bit width of {what} field {name}", sub.ofs)
    } else if u32::from(sub.ofs) + u32::from(sub.n_bits) > u32::from(bits) {
        let (ofs, n_bits) = (sub.ofs, sub.n_bits);
        format!("bit offset {ofs} and width {n_bits} exceeds {bits}-bit width of {what} field {name}")
    } else if sub.n_bits == 0 {
        format!("zero bit {what} field {name}")
    } else {
        return Ok(());
    };
    warn(Module::MetaFlow, || why.clone());
    bad(ErrorCode::OFPBAC_BAD_SET_LEN, why)
}

/// The bits exist and may be written.
pub(super) fn check_destination(sub: SubField) -> Decoded<()> {
    check_bits(sub, "destination")?;
    if !sub.field.field().writable {
        let why = format!("destination field {} is not writable", sub.field.field().name);
        warn(Module::MetaFlow, || why.clone());
        return bad(ErrorCode::OFPBAC_BAD_SET_ARGUMENT, why);
    }
    Ok(())
}

/// How deep actions nest: clone in clone ..., ct in clone.
const MAX_DEPTH: u8 = 64;
