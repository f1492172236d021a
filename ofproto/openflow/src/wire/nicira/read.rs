//! Nicira's actions from bytes: one arm per subtype.
//!
//! Invariant: an arm reads its whole body; padding that must be zero is checked, padding that may be anything is skipped.

use weft_flow::{FieldId, OfPort};
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::controller::controller2;
use super::encap::encap;
use super::multipath::{bundle, multipath};
use super::{ConjunctionWire, EMPTY_PAD, MoveWire, SampleWire, StackWire, USE_NEXT_PROTO, WRITE_METADATA, sub_field};
use super::{ct, learn};
use crate::action::{Action, Controller, DecTtl, Resubmit, Sample, SampleDirection, SetField, SetForm, SubField};
use crate::error::ErrorCode;
use crate::ids::{GroupId, QueueId, TableId, Timeout, Version};
use crate::wire::action::{check_destination, check_source, move_checked, read_nested};
use crate::wire::buf::{Decoded, Reader, bad};
use crate::wire::said::{Module, warn};
use crate::wire::{oxm, set_field};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct ResubmitWire {
    pub(super) in_port: U16,
    pub(super) table: u8,
    pub(super) pad: [u8; 3],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct ControllerWire {
    pub(super) max_len: U16,
    pub(super) controller_id: U16,
    pub(super) reason: u8,
    pub(super) pad: u8,
}

/// A Nicira action behind its vendor id.
pub(crate) fn read(mut r: Reader<'_>, version: Version, depth: u8) -> Decoded<Action> {
    let subtype = r.get::<U16>("Nicira action type")?.get();
    let action = match subtype {
        // 1.5 says both by actions of its own
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
            let src = sub_field(bits, oxm::read_short_field(&mut r)?);
            let max_len = r.get::<U16>("max_len")?.get();
            if r.take_rest().iter().any(|&b| b != 0) {
                return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "padding is not zero");
            }
            check_source(src)?;
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
            Action::Controller(Controller {
                max_len: wire.max_len.get(),
                controller_id: wire.controller_id.get(),
                reason: wire.reason,
                ..Controller::default()
            })
        }
        21 => {
            let n = usize::from(r.get::<U16>("dec_ttl")?.get());
            if r.bytes(4, EMPTY_PAD)?.iter().any(|&b| b != 0) {
                return bad(ErrorCode::NXBRC_MUST_BE_ZERO, "dec_ttl's padding is not zero");
            }
            let have = r.len();
            let Ok(ids) = r.bytes(2 * n, "controller ids") else {
                let text = format!(
                    "Nicira action dec_ttl_cnt_ids only has {have} bytes allocated for controller ids.  {} bytes are \
                     required for {n} controllers.",
                    2 * n
                );
                warn(Module::Actions, || text.clone());
                return bad(ErrorCode::OFPBAC_BAD_LEN, text);
            };
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
        50 => Action::DeleteField(oxm::read_field(&mut r)?),
        254 => padded(&mut r, 6, Action::DebugSlow)?,
        255 => padded(&mut r, 6, Action::DebugRecirc)?,
        _ => return bad(ErrorCode::OFPBAC_BAD_VENDOR_TYPE, format!("unknown Nicira action {subtype}")),
    };
    Ok(action)
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
        return bad(ErrorCode::NXBRC_MUST_BE_ZERO, "padding is not zero");
    }
    Ok(())
}

fn modify(field: FieldId, value: u128, form: SetForm) -> Action {
    Action::SetField(SetField { field, value, mask: field.field().all_ones(), form })
}

pub(super) fn ethertype(r: &mut Reader<'_>) -> Decoded<u16> {
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

pub(super) fn resubmit(r: &mut Reader<'_>, with_table: bool, ct: bool) -> Decoded<Resubmit> {
    let wire: &ResubmitWire = r.get("resubmit")?;
    if with_table && wire.pad != [0; 3] {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "resubmit's padding is not zero");
    }
    let table = if with_table { TableId(wire.table) } else { TableId::ALL };
    Ok(Resubmit { in_port: OfPort::from_u16(wire.in_port.get()), table, ct })
}

pub(super) fn sample(r: &mut Reader<'_>, subtype: u16) -> Decoded<Action> {
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
    }
    if subtype == 41 {
        sample.direction = match r.bytes(1, "direction")?[0] {
            0 => SampleDirection::Default,
            1 => SampleDirection::Ingress,
            2 => SampleDirection::Egress,
            n => {
                let text = format!("invalid sample direction {n}");
                warn(Module::Actions, || text.clone());
                return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, text);
            }
        };
        zero(r)?;
    }
    Ok(Action::Sample(sample))
}
