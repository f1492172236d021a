//! NXAST_LEARN and NXAST_LEARN2: how flows are made from packets.
//!
//! ```text
//! spec: 0:2 immediate:1 dst:2 n_bits:11, source (field:32 ofs:16, or the bits in whole 16-bit words), destination
//! ```

use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::simple;
use crate::action::{Action, Learn, LearnDst, LearnSpec, LearnSrc, SubField};
use crate::error::ErrorCode;
use crate::ids::{Cookie, TableId, Timeout};
use crate::wire::action::{check_destination, check_source};
use crate::wire::buf::{Decoded, Reader, Writer, bad};
use crate::wire::oxm;

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct LearnWire {
    idle: U16,
    hard: U16,
    priority: U16,
    cookie: U64,
    flags: U16,
    table: u8,
    pad: u8,
    fin_idle: U16,
    fin_hard: U16,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Learn2Wire {
    limit: U32,
    result_ofs: U16,
    pad: [u8; 2],
}

const SEND_FLOW_REM: u16 = 1 << 0;
const DELETE_LEARNED: u16 = 1 << 1;
const WRITE_RESULT: u16 = 1 << 2;

const IMMEDIATE: u16 = 1 << 13;
const DST_LOAD: u16 = 1 << 11;
const DST_OUTPUT: u16 = 2 << 11;
const DST_MASK: u16 = 3 << 11;
const N_BITS: u16 = 0x7ff;

pub(super) fn read(r: &mut Reader<'_>, two: bool) -> Decoded<Action> {
    let wire: &LearnWire = r.get("learn")?;
    let flags = wire.flags.get();
    let known = SEND_FLOW_REM | DELETE_LEARNED | if two { WRITE_RESULT } else { 0 };
    if wire.pad != 0 || flags & !known != 0 {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, format!("learn with unknown flags {flags:#x}"));
    }
    if wire.table == 0xff {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "learn needs a table");
    }
    let mut learn = Learn {
        idle_timeout: Timeout(wire.idle.get()),
        hard_timeout: Timeout(wire.hard.get()),
        priority: wire.priority.get(),
        cookie: Cookie(wire.cookie.get()),
        table: TableId(wire.table),
        fin_idle_timeout: Timeout(wire.fin_idle.get()),
        fin_hard_timeout: Timeout(wire.fin_hard.get()),
        send_flow_rem: flags & SEND_FLOW_REM != 0,
        delete_learned: flags & DELETE_LEARNED != 0,
        limit: 0,
        result_dst: None,
        specs: Vec::new(),
    };
    if two {
        let wire: &Learn2Wire = r.get("learn's limit")?;
        learn.limit = wire.limit.get();
        if wire.pad != [0; 2] {
            return bad(ErrorCode::NXBAC_MUST_BE_ZERO, "learn's padding is not zero");
        }
        if flags & WRITE_RESULT != 0 {
            let dst = SubField { field: oxm::read_field(r)?, ofs: wire.result_ofs.get(), n_bits: 1 };
            check_destination(dst)?;
            learn.result_dst = Some(dst);
        }
    }
    while r.len() >= 2 {
        let header = r.get::<U16>("learn spec")?.get();
        if header == 0 {
            break;
        }
        learn.specs.push(read_spec(r, header)?);
    }
    if r.take_rest().iter().any(|&b| b != 0) {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "learn's padding is not zero");
    }
    Ok(Action::Learn(Box::new(learn)))
}

fn read_spec(r: &mut Reader<'_>, header: u16) -> Decoded<LearnSpec> {
    let n_bits = header & N_BITS;
    if header & 0xc000 != 0 || n_bits == 0 {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, format!("unknown learn spec {header:#06x}"));
    }
    let src = if header & IMMEDIATE != 0 {
        let bytes = r.bytes(immediate_len(n_bits), "learn's immediate value")?;
        if bytes.len() > 16 && bytes[..bytes.len() - 16].iter().any(|&b| b != 0) {
            return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "learn's immediate value is too large");
        }
        LearnSrc::Immediate(bytes.iter().fold(0, |n, &b| n << 8 | u128::from(b)))
    } else {
        let src = read_sub(r, n_bits)?;
        check_source(src)?;
        LearnSrc::Field(src)
    };
    let dst = match header & DST_MASK {
        0 => {
            let dst = read_sub(r, n_bits)?;
            check_source(dst)?;
            LearnDst::Match(dst)
        }
        DST_LOAD => {
            let dst = read_sub(r, n_bits)?;
            check_destination(dst)?;
            LearnDst::Load(dst)
        }
        DST_OUTPUT if header & IMMEDIATE == 0 => LearnDst::Output,
        _ => return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, format!("unknown learn spec {header:#06x}")),
    };
    Ok(LearnSpec { n_bits, src, dst })
}

fn read_sub(r: &mut Reader<'_>, n_bits: u16) -> Decoded<SubField> {
    let field = oxm::read_short_field(r)?;
    Ok(SubField { field, ofs: r.get::<U16>("offset")?.get(), n_bits })
}

/// Bits in whole 16-bit words.
fn immediate_len(n_bits: u16) -> usize {
    2 * usize::from(n_bits.div_ceil(16))
}

pub(super) fn write(w: &mut Writer, learn: &Learn) {
    write_in(w, learn, learn.limit != 0 || learn.result_dst.is_some());
}

/// `two`: in the form that has room for a limit.
pub(super) fn write_in(w: &mut Writer, learn: &Learn, two: bool) {
    let flag = |on: bool, bit: u16| if on { bit } else { 0 };
    simple(w, if two { 45 } else { 16 }, |w| {
        w.put(&LearnWire {
            idle: learn.idle_timeout.0.into(),
            hard: learn.hard_timeout.0.into(),
            priority: learn.priority.into(),
            cookie: learn.cookie.0.into(),
            flags: (flag(learn.send_flow_rem, SEND_FLOW_REM)
                | flag(learn.delete_learned, DELETE_LEARNED)
                | flag(learn.result_dst.is_some(), WRITE_RESULT))
            .into(),
            table: learn.table.0,
            pad: 0,
            fin_idle: learn.fin_idle_timeout.0.into(),
            fin_hard: learn.fin_hard_timeout.0.into(),
        });
        if two {
            w.put(&Learn2Wire {
                limit: learn.limit.into(),
                result_ofs: learn.result_dst.map_or(0, |dst| dst.ofs).into(),
                pad: [0; 2],
            });
            if let Some(dst) = learn.result_dst {
                oxm::write_field(w, dst.field, None);
            }
        }
        learn.specs.iter().for_each(|spec| write_spec(w, spec));
    });
}

fn write_spec(w: &mut Writer, spec: &LearnSpec) {
    let mut header = spec.n_bits & N_BITS;
    header |= if matches!(spec.src, LearnSrc::Immediate(_)) { IMMEDIATE } else { 0 };
    header |= match spec.dst {
        LearnDst::Match(_) => 0,
        LearnDst::Load(_) => DST_LOAD,
        LearnDst::Output => DST_OUTPUT,
    };
    w.put(&U16::new(header));
    match spec.src {
        LearnSrc::Field(sub) => write_sub(w, sub),
        LearnSrc::Immediate(value) => {
            let len = immediate_len(spec.n_bits);
            w.zeros(len.saturating_sub(16));
            w.slice(&value.to_be_bytes()[16 - len.min(16)..]);
        }
    }
    match spec.dst {
        LearnDst::Match(sub) | LearnDst::Load(sub) => write_sub(w, sub),
        LearnDst::Output => {}
    }
}

fn write_sub(w: &mut Writer, sub: SubField) {
    oxm::write_field(w, sub.field, None);
    w.put(&U16::new(sub.ofs));
}
