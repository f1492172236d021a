//! Whether `learn`, `fin_timeout` and `conjunction` make sense where they stand.

use weft_flow::Match;
use weft_flow::field::Prerequisite;
use weft_openflow::action::{Action, Learn, LearnDst, LearnSrc, SubField};
use weft_openflow::{ErrorCode, Instructions};

use super::Known;

/// A learn action: its sources are fields that the frame has, its destinations fields that the learned flow promises. The
/// latter OVS checks whatever the version.
pub(super) fn learn(learn: &Learn, known: &Known, strict: bool) -> Result<(), ErrorCode> {
    let has = |known: &Known, sub: SubField| match known.promises(sub.field.field().prerequisite) {
        true => Ok(()),
        false => Err(ErrorCode::OFPBAC_MATCH_INCONSISTENT),
    };
    let mut matching = Match::any();
    for spec in &learn.specs {
        if let LearnSrc::Field(src) = spec.src
            && strict
        {
            has(known, src)?;
        }
        match spec.dst {
            LearnDst::Match(dst) => {
                has(&Known::of(&matching), dst)?;
                let value = match spec.src {
                    LearnSrc::Immediate(value) => value,
                    LearnSrc::Field(_) => 0,
                };
                crate::translate::require(&mut matching, dst, value);
            }
            LearnDst::Load(dst) => {
                if !dst.field.field().writable {
                    return Err(ErrorCode::OFPBAC_BAD_SET_ARGUMENT);
                }
                has(&Known::of(&matching), dst)?;
            }
            LearnDst::Output => {}
        }
    }
    match learn.result_dst {
        Some(dst) if !dst.field.field().writable => Err(ErrorCode::OFPBAC_BAD_SET_ARGUMENT),
        _ => Ok(()),
    }
}

/// Only TCP ends with a FIN.
pub(super) fn fin_timeout(known: &Known, strict: bool) -> Result<(), ErrorCode> {
    match strict && !known.promises(Prerequisite::Tcp) {
        true => Err(ErrorCode::OFPBAC_MATCH_INCONSISTENT),
        false => Ok(()),
    }
}

/// A clause does nothing besides being one: only notes may stand beside it.
pub(super) fn conjunctions(of: &Instructions) -> Result<(), ErrorCode> {
    let is_clause = |action: &Action| matches!(action, Action::Conjunction { .. });
    if !of.apply.iter().any(is_clause) {
        return Ok(());
    }
    let alone = of.apply.iter().all(|action| is_clause(action) || matches!(action, Action::Note(_)));
    let alone = alone && *of == Instructions { apply: of.apply.clone(), ..Instructions::default() };
    if alone { Ok(()) } else { Err(ErrorCode::NXBAC_BAD_CONJUNCTION) }
}

/// A meter comes before everything else, and in no list but the outermost.
pub(super) fn meters(of: &Instructions) -> Result<(), ErrorCode> {
    let is_meter = |action: &Action| matches!(action, Action::Meter(_));
    let before = usize::from(of.meter.is_none());
    if of.apply.iter().skip(before).any(is_meter) {
        return Err(ErrorCode::OFPBAC_UNSUPPORTED_ORDER);
    }
    let mut all = 0;
    of.for_each_action(&mut |action| all += usize::from(is_meter(action)));
    let outermost = of.apply.iter().filter(|action| is_meter(action)).count();
    if all > outermost { Err(ErrorCode::OFPBAC_BAD_TYPE) } else { Ok(()) }
}
