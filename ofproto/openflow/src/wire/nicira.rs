//! Nicira's actions: NXAST_* (ovs-actions(7) names each; the layouts were taken from captures of the real tools).
//!
//! ```text
//! 0xffff:16 length:16 0x00002320:32 subtype:16 body, zero padded to a multiple of 8
//! ```

mod ct;
mod learn;

use weft_flow::{FieldId, OfPort};
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::action::{HeaderWire, VENDOR, check_destination, check_source, move_checked, read_nested, write_list};
use super::buf::{Decoded, Encoded, Reader, Writer, bad, cannot};
use super::{NICIRA, oxm, set_field};
use crate::action::{
    Action, Bundle, BundleAlgorithm, Controller, DecTtl, Encap, HashFields, Multipath, MultipathAlgorithm, Resubmit,
    Sample, SampleDirection, SetField, SetForm, StripForm, SubField,
};
use crate::error::ErrorCode;
use crate::ids::{GroupId, MeterId, QueueId, TableId, Timeout, Version};
use crate::instruction::WriteMetadata;

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct ResubmitWire {
    in_port: U16,
    table: u8,
    pad: [u8; 3],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct MoveWire {
    n_bits: U16,
    src_ofs: U16,
    dst_ofs: U16,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct MultipathWire {
    fields: U16,
    basis: U16,
    pad1: [u8; 2],
    algorithm: U16,
    max_link: U16,
    arg: U32,
    pad2: [u8; 2],
    ofs_nbits: U16,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct BundleWire {
    algorithm: U16,
    fields: U16,
    basis: U16,
    member_type: U32,
    n_members: U16,
    ofs_nbits: U16,
    dst: U32,
    pad: [u8; 4],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct ControllerWire {
    max_len: U16,
    controller_id: U16,
    reason: u8,
    pad: u8,
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

/// NXM_NX_TUN_METADATA0.
const EMPTY_PAD: &str = "padding";

/// A Nicira action behind its vendor id.
pub(super) fn read(mut r: Reader<'_>, version: Version, depth: u8) -> Decoded<Action> {
    let subtype = r.get::<U16>("Nicira action type")?.get();
    let action = match subtype {
        1 => Action::Resubmit(resubmit(&mut r, false, false)?),
        2 => {
            r.skip(2, EMPTY_PAD)?;
            modify(FieldId::TunId, r.get::<U32>("tunnel id")?.get().into(), SetForm::Mod)
        }
        4 => {
            r.skip(2, EMPTY_PAD)?;
            Action::SetQueue(QueueId(r.get::<U32>("queue")?.get()))
        }
        5 => padded(&mut r, 6, Action::PopQueue)?,
        6 => {
            let wire: &MoveWire = r.get("reg_move")?;
            let n_bits = wire.n_bits.get();
            let src = SubField { field: oxm::read_field(&mut r)?, ofs: wire.src_ofs.get(), n_bits };
            let dst = SubField { field: oxm::read_field(&mut r)?, ofs: wire.dst_ofs.get(), n_bits };
            move_checked(src, dst)?
        }
        7 => return set_field::read_reg_load(r),
        8 => Action::Note(r.take_rest().to_vec()),
        9 => {
            r.skip(6, EMPTY_PAD)?;
            modify(FieldId::TunId, r.get::<U64>("tunnel id")?.get().into(), SetForm::Mod64)
        }
        10 => multipath(&mut r)?,
        12 | 13 => bundle(&mut r, subtype == 13)?,
        14 => Action::Resubmit(resubmit(&mut r, true, false)?),
        15 => {
            let bits = r.get::<U16>("output_reg")?.get();
            let src = sub_field(bits, oxm::read_field(&mut r)?);
            check_source(src)?;
            let max_len = r.get::<U16>("max_len")?.get();
            zero(&mut r)?;
            Action::OutputReg { src, max_len }
        }
        16 => learn::read(&mut r, false)?,
        17 => padded(&mut r, 6, Action::Exit)?,
        18 => padded(&mut r, 6, Action::DecTtl(DecTtl { controllers: vec![0], explicit: false }))?,
        19 => {
            let idle = Timeout(r.get::<U16>("idle timeout")?.get());
            let hard = Timeout(r.get::<U16>("hard timeout")?.get());
            padded(&mut r, 2, Action::FinTimeout { idle, hard })?
        }
        20 => {
            let wire: &ControllerWire = r.get("controller")?;
            if wire.pad != 0 {
                return bad(ErrorCode::NXBAC_MUST_BE_ZERO, "controller action's padding is not zero");
            }
            Action::Controller(Controller {
                max_len: wire.max_len.get(),
                controller_id: wire.controller_id.get(),
                reason: wire.reason,
                ..Controller::default()
            })
        }
        21 => {
            let n = usize::from(r.get::<U16>("dec_ttl")?.get());
            r.skip(4, EMPTY_PAD)?;
            let ids = r.bytes(2 * n, "controller ids")?;
            if r.take_rest().len() >= 8 {
                return bad(ErrorCode::OFPBAC_BAD_LEN, "dec_ttl's length does not fit its controllers");
            }
            let controllers = ids.chunks(2).map(|id| u16::from_be_bytes([id[0], id[1]])).collect();
            Action::DecTtl(DecTtl { controllers, explicit: true })
        }
        WRITE_METADATA => {
            return bad(ErrorCode::OFPBIC_UNSUP_INST, "write_metadata among the actions of another action");
        }
        23 => Action::PushMpls { ethertype: mpls_type(ethertype(&mut r)?)? },
        24 => Action::PopMpls { ethertype: ethertype(&mut r)? },
        25 => modify(FieldId::MplsTtl, first_of_six(&mut r)?.into(), SetForm::Mod),
        26 => padded(&mut r, 6, Action::DecMplsTtl)?,
        27 | 28 => {
            let ofs = r.get::<StackWire>("stack")?.ofs.get();
            let field = oxm::read_field(&mut r)?;
            let sub = SubField { field, ofs, n_bits: r.get::<U16>("bits")?.get() };
            zero(&mut r)?;
            if subtype == 27 {
                check_source(sub)?;
                Action::Push(sub)
            } else {
                check_destination(sub)?;
                Action::Pop(sub)
            }
        }
        29 | 38 | 41 => sample(&mut r, subtype)?,
        30 => {
            r.skip(2, EMPTY_PAD)?;
            modify(FieldId::MplsLabel, u128::from(r.get::<U32>("label")?.get() & 0xf_ffff), SetForm::Mod)
        }
        31 => modify(FieldId::MplsTc, u128::from(first_of_six(&mut r)? & 7), SetForm::Mod),
        32 => {
            let bits = r.get::<U16>("output_reg")?.get();
            let max_len = r.get::<U16>("max_len")?.get();
            let src = sub_field(bits, oxm::read_field(&mut r)?);
            check_source(src)?;
            zero(&mut r)?;
            Action::OutputReg { src, max_len }
        }
        33 => return set_field::read_reg_load2(r),
        34 => {
            let wire: &ConjunctionWire = r.get("conjunction")?;
            if wire.n_clauses < 2 || wire.n_clauses > 64 || wire.clause >= wire.n_clauses {
                return bad(
                    ErrorCode::NXBAC_BAD_CONJUNCTION,
                    format!("clause {} of {}", u16::from(wire.clause) + 1, wire.n_clauses),
                );
            }
            Action::Conjunction { id: wire.id.get(), clause: wire.clause, n_clauses: wire.n_clauses }
        }
        35 => ct::read(&mut r, version, depth)?,
        36 => ct::read_nat(&mut r)?,
        37 => controller2(&mut r)?,
        39 => {
            let port = r.get::<U16>("port")?.get();
            let max_len = r.get::<U32>("max_len")?.get();
            if max_len < 14 {
                return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "max_len below 14 cuts the Ethernet header");
            }
            Action::OutputTrunc { port: OfPort::from_u16(port), max_len }
        }
        40 => {
            r.skip(2, EMPTY_PAD)?;
            Action::Group(GroupId(r.get::<U32>("group")?.get()))
        }
        42 => {
            r.skip(6, EMPTY_PAD)?;
            Action::Clone(read_nested(r.take_rest(), version, depth + 1)?)
        }
        43 => padded(&mut r, 6, Action::CtClear)?,
        44 => Action::Resubmit(resubmit(&mut r, true, true)?),
        45 => learn::read(&mut r, true)?,
        46 => encap(&mut r)?,
        47 => {
            r.skip(2, EMPTY_PAD)?;
            let packet_type = r.get::<U32>("packet type")?.get();
            Action::Decap { packet_type: (packet_type != USE_NEXT_PROTO).then_some(packet_type) }
        }
        48 => padded(&mut r, 6, Action::DecNshTtl)?,
        49 => {
            let pkt_len = r.get::<U16>("packet length")?.get();
            let ofs = r.get::<U16>("offset")?.get();
            let field = oxm::read_field(&mut r)?;
            let dst = SubField { field, ofs, n_bits: 1 };
            check_destination(dst)?;
            zero(&mut r)?;
            Action::CheckPktLarger { pkt_len, dst }
        }
        50 => {
            let field = oxm::read_field(&mut r)?;
            zero(&mut r)?;
            Action::DeleteField(field)
        }
        254 => padded(&mut r, 6, Action::DebugSlow)?,
        255 => padded(&mut r, 6, Action::DebugRecirc)?,
        _ => return bad(ErrorCode::OFPBAC_BAD_VENDOR_TYPE, format!("unknown Nicira action {subtype}")),
    };
    Ok(action)
}

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

fn padded(r: &mut Reader<'_>, n: usize, action: Action) -> Decoded<Action> {
    r.skip(n, EMPTY_PAD)?;
    if !r.is_empty() {
        return bad(ErrorCode::OFPBAC_BAD_LEN, format!("{} bytes too many", r.len()));
    }
    Ok(action)
}

fn zero(r: &mut Reader<'_>) -> Decoded<()> {
    if r.take_rest().iter().any(|&b| b != 0) {
        return bad(ErrorCode::NXBAC_MUST_BE_ZERO, "padding is not zero");
    }
    Ok(())
}

fn modify(field: FieldId, value: u128, form: SetForm) -> Action {
    Action::SetField(SetField { field, value, mask: field.field().all_ones(), form })
}

fn ethertype(r: &mut Reader<'_>) -> Decoded<u16> {
    let value = r.get::<U16>("EtherType")?.get();
    r.skip(4, EMPTY_PAD)?;
    Ok(value)
}

fn mpls_type(ethertype: u16) -> Decoded<u16> {
    match ethertype {
        0x8847 | 0x8848 => Ok(ethertype),
        _ => bad(ErrorCode::OFPBAC_BAD_ARGUMENT, format!("{ethertype:#x} is no MPLS type")),
    }
}

fn first_of_six(r: &mut Reader<'_>) -> Decoded<u8> {
    Ok(r.bytes(6, "argument")?[0])
}

/// Ten bits of offset, six of length minus one.
fn sub_field(bits: u16, field: FieldId) -> SubField {
    SubField { field, ofs: bits >> 6, n_bits: (bits & 63) + 1 }
}

fn sub_bits(sub: SubField) -> u16 {
    sub.ofs << 6 | (sub.n_bits - 1)
}

fn resubmit(r: &mut Reader<'_>, with_table: bool, ct: bool) -> Decoded<Resubmit> {
    let wire: &ResubmitWire = r.get("resubmit")?;
    if with_table && wire.pad != [0; 3] {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "resubmit's padding is not zero");
    }
    let table = if with_table { TableId(wire.table) } else { TableId::ALL };
    Ok(Resubmit { in_port: OfPort::from_u16(wire.in_port.get()), table, ct })
}

const HASHES: [HashFields; 7] = [
    HashFields::EthSrc,
    HashFields::SymmetricL4,
    HashFields::SymmetricL3L4,
    HashFields::SymmetricL3L4Udp,
    HashFields::NwSrc,
    HashFields::NwDst,
    HashFields::SymmetricL3,
];

fn hash_fields(number: u16) -> Decoded<HashFields> {
    match HASHES.get(usize::from(number)) {
        Some(fields) => Ok(*fields),
        None => bad(ErrorCode::OFPBAC_BAD_ARGUMENT, format!("unknown hash fields {number}")),
    }
}

fn hash_number(fields: HashFields) -> u16 {
    HASHES.iter().position(|f| *f == fields).unwrap_or(0) as u16
}

fn multipath(r: &mut Reader<'_>) -> Decoded<Action> {
    let wire: &MultipathWire = r.get("multipath")?;
    let dst = sub_field(wire.ofs_nbits.get(), oxm::read_field(r)?);
    check_destination(dst)?;
    let algorithm = match wire.algorithm.get() {
        0 => MultipathAlgorithm::ModuloN,
        1 => MultipathAlgorithm::HashThreshold,
        2 => MultipathAlgorithm::Hrw,
        3 => MultipathAlgorithm::IterHash,
        n => return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, format!("unknown multipath algorithm {n}")),
    };
    let n_links = usize::from(wire.max_link.get()) + 1;
    if dst.n_bits < 16 && n_links > 1 << dst.n_bits {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, format!("{n_links} links do not fit {} bits", dst.n_bits));
    }
    Ok(Action::Multipath(Multipath {
        fields: hash_fields(wire.fields.get())?,
        basis: wire.basis.get(),
        algorithm,
        max_link: wire.max_link.get(),
        arg: wire.arg.get(),
        dst,
    }))
}

/// The members' type: NXM_OF_IN_PORT, that is OpenFlow ports.
const MEMBER_PORTS: u32 = 0x0000_0002;

fn bundle(r: &mut Reader<'_>, load: bool) -> Decoded<Action> {
    let wire: &BundleWire = r.get("bundle")?;
    let algorithm = match wire.algorithm.get() {
        0 => BundleAlgorithm::ActiveBackup,
        1 => BundleAlgorithm::Hrw,
        n => return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, format!("unknown bundle algorithm {n}")),
    };
    if wire.member_type.get() != MEMBER_PORTS {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "bundle's members must be OpenFlow ports");
    }
    let n = usize::from(wire.n_members.get());
    if n > MAX_MEMBERS {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, format!("{n} members are too many"));
    }
    if wire.pad != [0; 4] {
        return bad(ErrorCode::NXBAC_MUST_BE_ZERO, "bundle's padding is not zero");
    }
    let dst = if load {
        let bytes = wire.dst.get().to_be_bytes();
        let field = oxm::read_field(&mut Reader::new(&bytes, ErrorCode::OFPBAC_BAD_LEN))?;
        let dst = sub_field(wire.ofs_nbits.get(), field);
        check_destination(dst)?;
        if dst.n_bits < 16 {
            return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "bundle_load needs 16 bits");
        }
        Some(dst)
    } else if wire.ofs_nbits.get() != 0 || wire.dst.get() != 0 {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "bundle has no destination");
    } else {
        None
    };
    let members = r.bytes(2 * n, "bundle's members")?;
    let members = members.chunks(2).map(|m| OfPort::from_u16(u16::from_be_bytes([m[0], m[1]]))).collect();
    Ok(Action::Bundle(Bundle {
        fields: hash_fields(wire.fields.get())?,
        basis: wire.basis.get(),
        algorithm,
        members,
        dst,
    }))
}

const MAX_MEMBERS: usize = 2048;

fn controller2(r: &mut Reader<'_>) -> Decoded<Action> {
    if r.bytes(6, EMPTY_PAD)?.iter().any(|&b| b != 0) {
        return bad(ErrorCode::NXBRC_MUST_BE_ZERO, "controller action's padding is not zero");
    }
    let mut c = Controller::default();
    while !r.is_empty() {
        let (kind, mut body) = read_property(r)?;
        match kind {
            0 => c.max_len = body.get::<U16>("max_len")?.get(),
            1 => c.controller_id = body.get::<U16>("controller id")?.get(),
            2 => c.reason = body.bytes(1, "reason")?[0],
            3 => c.userdata = body.take_rest().to_vec(),
            4 => c.pause = true,
            5 => c.meter = Some(MeterId(body.get::<U32>("meter")?.get())),
            _ => return bad(ErrorCode::OFPBPC_BAD_TYPE, format!("unknown controller property {kind}")),
        }
    }
    Ok(Action::Controller(c))
}

/// A property (OpenFlow 1.4 §7.2.3): type, length without padding, body, padding to 8.
pub(super) fn read_property<'a>(r: &mut Reader<'a>) -> Decoded<(u16, Reader<'a>)> {
    let mut p = r.short(ErrorCode::OFPBPC_BAD_LEN);
    let wire: &PropertyWire = p.get("property")?;
    let len = usize::from(wire.len.get());
    if len < 4 {
        return bad(ErrorCode::OFPBPC_BAD_LEN, format!("a property of {len} bytes"));
    }
    let body = p.sub(len - 4, "property")?;
    p.skip((len.next_multiple_of(8) - len).min(p.len()), "property's padding")?;
    r.skip(r.len() - p.len(), "property")?;
    Ok((wire.kind.get(), body))
}

/// The inverse of [`read_property`].
pub(super) fn write_property(w: &mut Writer, kind: u16, body: impl FnOnce(&mut Writer)) {
    let start = w.len();
    w.put(&PropertyWire { kind: kind.into(), len: 0.into() });
    body(w);
    w.close(start, 2);
    w.pad(start, 8);
}

fn sample(r: &mut Reader<'_>, subtype: u16) -> Decoded<Action> {
    let wire: &SampleWire = r.get("sample")?;
    if wire.probability.get() == 0 {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "sample with probability 0");
    }
    let mut sample = Sample {
        probability: wire.probability.get(),
        collector_set_id: wire.collector_set_id.get(),
        obs_domain_id: wire.obs_domain_id.get(),
        obs_point_id: wire.obs_point_id.get(),
        sampling_port: OfPort::NONE,
        direction: SampleDirection::Default,
    };
    if subtype != 29 {
        sample.sampling_port = OfPort::from_u16(r.get::<U16>("sampling port")?.get());
        sample.direction = match r.bytes(1, "direction")?[0] {
            0 => SampleDirection::Default,
            1 => SampleDirection::Ingress,
            2 => SampleDirection::Egress,
            n => return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, format!("unknown sampling direction {n}")),
        };
        zero(r)?;
    }
    Ok(Action::Sample(sample))
}

const PT_ETHERNET: u32 = 0;
const PT_NSH: u32 = 0x0001_894f;

fn encap(r: &mut Reader<'_>) -> Decoded<Action> {
    r.skip(2, "header size")?;
    let packet_type = r.get::<U32>("packet type")?.get();
    let mut md_type = None;
    let mut tlvs = Vec::new();
    while packet_type == PT_NSH && r.len() >= 4 {
        // class:16 type:8 length:8, padded to 8 behind the last.
        let head = r.bytes(4, "encap property")?;
        let (class, kind, len) = (u16::from_be_bytes([head[0], head[1]]), head[2], usize::from(head[3]));
        if class == 0 && len == 0 {
            break;
        }
        if len < 4 {
            return bad(ErrorCode::NXBAC_BAD_ED_PROP, format!("an encap property of {len} bytes"));
        }
        let body = r.bytes(len - 4, "encap property")?;
        match (class, kind) {
            (ED_NSH, ED_NSH_MD_TYPE) if !body.is_empty() => {
                if !matches!(body[0], 1 | 2) {
                    return bad(ErrorCode::NXBAC_BAD_ED_PROP, format!("NSH MD type {}", body[0]));
                }
                md_type = Some(body[0]);
            }
            (ED_NSH, ED_NSH_TLV) if body.len() >= 4 => {
                let tlv_len = usize::from(body[3]);
                let tlv_class = u16::from_be_bytes([body[0], body[1]]);
                let Some(value) = body.get(4..4 + tlv_len) else {
                    return bad(ErrorCode::NXBAC_BAD_ED_PROP, "an NSH TLV longer than its property");
                };
                tlvs.push((tlv_class, body[2], value.to_vec()));
            }
            _ => return bad(ErrorCode::NXBAC_UNKNOWN_ED_PROP, format!("unknown encap property {class:#x}/{kind}")),
        }
        let pad = len.next_multiple_of(8) - len;
        r.skip(pad.min(r.len()), EMPTY_PAD)?;
    }
    match packet_type {
        PT_ETHERNET => Ok(Action::Encap(Encap::Ethernet)),
        PT_NSH => Ok(Action::Encap(Encap::Nsh { md_type, tlvs })),
        0x0001_8847 | 0x0001_8848 => Ok(Action::Encap(Encap::Mpls { ethertype: packet_type as u16 })),
        _ => bad(ErrorCode::NXBAC_BAD_HEADER_TYPE, format!("cannot encapsulate in {packet_type:#010x}")),
    }
}

/// Encap properties of NSH.
const ED_NSH: u16 = 4;
const ED_NSH_MD_TYPE: u8 = 1;
const ED_NSH_TLV: u8 = 2;

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

/// Every action that a version has no action of its own for.
pub(super) fn write(w: &mut Writer, action: &Action, version: Version) -> Encoded<()> {
    let port16 = |port: OfPort| match port.to_u16() {
        Some(port) => Ok(U16::new(port)),
        None => cannot(version, format!("port {} in Nicira's actions", port.0)),
    };
    match action {
        Action::OutputReg { src, max_len } => match oxm::Header::of(src.field, None) {
            Some(header) if header.vendor == 0 => simple(w, 15, |w| {
                w.put(&U16::new(sub_bits(*src)));
                header.write(w);
                w.put(&U16::new(*max_len));
                w.zeros(6);
            }),
            _ => simple(w, 32, |w| {
                w.put(&U16::new(sub_bits(*src)));
                w.put(&U16::new(*max_len));
                oxm::write_field(w, src.field, None);
            }),
        },
        Action::OutputTrunc { port, max_len } => {
            let port = port16(*port)?;
            simple(w, 39, |w| {
                w.put(&port);
                w.put(&U32::new(*max_len));
            });
        }
        Action::Controller(c) if c.userdata.is_empty() && !c.pause && c.meter.is_none() => simple(w, 20, |w| {
            w.put(&ControllerWire {
                max_len: c.max_len.into(),
                controller_id: c.controller_id.into(),
                reason: c.reason,
                pad: 0,
            });
        }),
        Action::Controller(c) => simple(w, 37, |w| write_controller2(w, c)),
        Action::SetQueue(queue) => simple(w, 4, |w| {
            w.zeros(2);
            w.put(&U32::new(queue.0));
        }),
        Action::PopQueue => empty(w, 5),
        Action::Group(group) => simple(w, 40, |w| {
            w.zeros(2);
            w.put(&U32::new(group.0));
        }),
        Action::Bundle(bundle) => write_bundle(w, bundle, version)?,
        Action::Multipath(m) => simple(w, 10, |w| {
            w.put(&MultipathWire {
                fields: hash_number(m.fields).into(),
                basis: m.basis.into(),
                pad1: [0; 2],
                algorithm: (m.algorithm as u16).into(),
                max_link: m.max_link.into(),
                arg: m.arg.into(),
                pad2: [0; 2],
                ofs_nbits: sub_bits(m.dst).into(),
            });
            oxm::write_field(w, m.dst.field, None);
        }),
        Action::Resubmit(resubmit) => {
            let in_port = port16(resubmit.in_port)?;
            let subtype = if resubmit.ct { 44 } else { 14 };
            simple(w, subtype, |w| w.put(&ResubmitWire { in_port, table: resubmit.table.0, pad: [0; 3] }));
        }
        Action::PushMpls { ethertype } => simple(w, 23, |w| w.put(&U16::new(*ethertype))),
        Action::PopMpls { ethertype } => simple(w, 24, |w| w.put(&U16::new(*ethertype))),
        Action::DecMplsTtl => empty(w, 26),
        Action::DecTtl(ttl) if ttl.explicit => simple(w, 21, |w| {
            w.put(&U16::new(ttl.controllers.len() as u16));
            w.zeros(4);
            ttl.controllers.iter().for_each(|&id| w.put(&U16::new(id)));
        }),
        Action::DecTtl(_) => empty(w, 18),
        Action::DecNshTtl => empty(w, 48),
        Action::Move { src, dst } => {
            let (Some(from), Some(to)) = (oxm::Header::of(src.field, None), oxm::Header::of(dst.field, None)) else {
                return cannot(version, "a move of these fields");
            };
            simple(w, 6, |w| {
                w.put(&MoveWire { n_bits: src.n_bits.into(), src_ofs: src.ofs.into(), dst_ofs: dst.ofs.into() });
                from.write(w);
                to.write(w);
            });
        }
        Action::Push(sub) | Action::Pop(sub) => {
            let subtype = if matches!(action, Action::Push(_)) { 27 } else { 28 };
            simple(w, subtype, |w| {
                w.put(&U16::new(sub.ofs));
                oxm::write_field(w, sub.field, None);
                w.put(&U16::new(sub.n_bits));
                w.zeros(6);
            });
        }
        Action::DeleteField(field) => simple(w, 50, |w| {
            oxm::write_field(w, *field, None);
            w.zeros(10);
        }),
        Action::Encap(encap) => write_encap(w, encap),
        Action::Decap { packet_type } => simple(w, 47, |w| {
            w.zeros(2);
            w.put(&U32::new(packet_type.unwrap_or(USE_NEXT_PROTO)));
        }),
        Action::Learn(learn) => learn::write(w, learn),
        Action::Conjunction { id, clause, n_clauses } => simple(w, 34, |w| {
            w.put(&ConjunctionWire { clause: *clause, n_clauses: *n_clauses, id: (*id).into() });
        }),
        Action::FinTimeout { idle, hard } => simple(w, 19, |w| {
            w.put(&U16::new(idle.0));
            w.put(&U16::new(hard.0));
            w.zeros(2);
        }),
        Action::Clone(actions) => {
            let start = open(w, 42);
            w.zeros(6);
            write_list(w, actions, version, false)?;
            w.close(start, 2);
        }
        Action::Ct(ct) => ct::write(w, ct, version)?,
        Action::CtClear => empty(w, 43),
        Action::Nat(nat) => ct::write_nat(w, nat),
        Action::Sample(sample) => {
            let port = port16(sample.sampling_port)?;
            let plain = sample.sampling_port == OfPort::NONE && sample.direction == SampleDirection::Default;
            simple(w, if plain { 29 } else { 41 }, |w| {
                w.put(&SampleWire {
                    probability: sample.probability.into(),
                    collector_set_id: sample.collector_set_id.into(),
                    obs_domain_id: sample.obs_domain_id.into(),
                    obs_point_id: sample.obs_point_id.into(),
                });
                if !plain {
                    w.put(&port);
                    w.slice(&[sample.direction as u8]);
                }
            });
        }
        Action::CheckPktLarger { pkt_len, dst } => simple(w, 49, |w| {
            w.put(&U16::new(*pkt_len));
            w.put(&U16::new(dst.ofs));
            oxm::write_field(w, dst.field, None);
            w.zeros(6);
        }),
        Action::Note(bytes) => simple(w, 8, |w| w.slice(bytes)),
        Action::Exit => empty(w, 17),
        Action::DebugRecirc => empty(w, 255),
        Action::DebugSlow => empty(w, 254),
        Action::Output { .. }
        | Action::Enqueue { .. }
        | Action::SetField(_)
        | Action::SetVlanVid { .. }
        | Action::SetVlanPcp { .. }
        | Action::StripVlan(StripForm::Strip | StripForm::Pop)
        | Action::PushVlan { .. }
        | Action::Meter(_) => return cannot(version, "this action"),
    }
    Ok(())
}

fn empty(w: &mut Writer, subtype: u16) {
    simple(w, subtype, |w| w.zeros(6));
}

fn write_controller2(w: &mut Writer, c: &Controller) {
    w.zeros(6);
    let two = |w: &mut Writer, kind: u16, value: u16| {
        write_property(w, kind, |w| w.slice(&[value.to_be_bytes(), [0; 2]].concat()));
    };
    if c.max_len != u16::MAX {
        two(w, 0, c.max_len);
    }
    if c.controller_id != 0 {
        two(w, 1, c.controller_id);
    }
    if c.reason != 1 {
        write_property(w, 2, |w| w.slice(&[c.reason, 0, 0, 0]));
    }
    if !c.userdata.is_empty() {
        write_property(w, 3, |w| w.slice(&c.userdata));
    }
    if c.pause {
        write_property(w, 4, |_| {});
    }
    if let Some(meter) = c.meter {
        write_property(w, 5, |w| w.put(&U32::new(meter.0)));
    }
}

fn write_bundle(w: &mut Writer, bundle: &Bundle, version: Version) -> Encoded<()> {
    if bundle.members.iter().any(|m| m.to_u16().is_none()) {
        return cannot(version, "a bundle with ports above 65535");
    }
    simple(w, if bundle.dst.is_some() { 13 } else { 12 }, |w| {
        let dst = bundle.dst.and_then(|dst| oxm::Header::of(dst.field, None));
        w.put(&BundleWire {
            algorithm: (bundle.algorithm as u16).into(),
            fields: hash_number(bundle.fields).into(),
            basis: bundle.basis.into(),
            member_type: MEMBER_PORTS.into(),
            n_members: (bundle.members.len() as u16).into(),
            ofs_nbits: bundle.dst.map_or(0, sub_bits).into(),
            dst: dst.map_or(0, oxm::Header::number).into(),
            pad: [0; 4],
        });
        bundle.members.iter().for_each(|m| w.put(&U16::new(m.to_u16().unwrap_or(0xffff))));
    });
    Ok(())
}

fn write_encap(w: &mut Writer, encap: &Encap) {
    let packet_type = match encap {
        Encap::Ethernet => PT_ETHERNET,
        Encap::Nsh { .. } => PT_NSH,
        Encap::Mpls { ethertype } => 0x0001_0000 | u32::from(*ethertype),
    };
    simple(w, 46, |w| {
        w.zeros(2);
        w.put(&U32::new(packet_type));
        let Encap::Nsh { md_type, tlvs } = encap else { return };
        if let Some(md_type) = md_type {
            w.slice(&ED_NSH.to_be_bytes());
            w.slice(&[ED_NSH_MD_TYPE, 5, *md_type, 0, 0, 0]);
        }
        for (class, kind, value) in tlvs {
            // Unlike others, this property's length counts its padding.
            let len = (8 + value.len()).next_multiple_of(8);
            w.slice(&ED_NSH.to_be_bytes());
            w.slice(&[ED_NSH_TLV, len as u8]);
            w.slice(&class.to_be_bytes());
            w.slice(&[*kind, value.len() as u8]);
            w.slice(value);
            w.zeros(len - 8 - value.len());
        }
    });
}
