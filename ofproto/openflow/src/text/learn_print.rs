//! The `learn` action in text.

use weft_flow::text::format_value;
use weft_flow::text::number::hex;

use super::Names;
use super::action_print::format_subfield;
use crate::action::{Learn, LearnDst, LearnSpec, LearnSrc, SubField};
use crate::flow::FlowMod;

/// `learn(...)`.
pub fn format_learn(learn: &Learn, names: &Names) -> String {
    let mut parts = vec![format!("table={}", names.show_table(learn.table))];
    let timeouts = [
        ("idle_timeout", learn.idle_timeout),
        ("hard_timeout", learn.hard_timeout),
        ("fin_idle_timeout", learn.fin_idle_timeout),
        ("fin_hard_timeout", learn.fin_hard_timeout),
    ];
    parts.extend(timeouts.iter().filter(|(_, t)| t.0 != 0).map(|(name, t)| format!("{name}={}", t.0)));
    if learn.priority != FlowMod::DEFAULT_PRIORITY {
        parts.push(format!("priority={}", learn.priority));
    }
    if learn.send_flow_rem {
        parts.push("send_flow_rem".to_owned());
    }
    if learn.delete_learned {
        parts.push("delete_learned".to_owned());
    }
    if learn.cookie.0 != 0 {
        parts.push(format!("cookie={:#x}", learn.cookie.0));
    }
    if learn.limit != 0 {
        parts.push(format!("limit={}", learn.limit));
    }
    if let Some(dst) = learn.result_dst {
        parts.push(format!("result_dst={}", format_subfield(dst)));
    }
    parts.extend(learn.specs.iter().map(|spec| format_spec(spec, names)));
    format!("learn({})", parts.join(","))
}

fn format_spec(spec: &LearnSpec, names: &Names) -> String {
    let cut = |sub: SubField| format_subfield(SubField { n_bits: spec.n_bits, ..sub });
    match (spec.src, spec.dst) {
        (LearnSrc::Immediate(value), LearnDst::Match(dst)) => {
            let field = dst.field.field();
            if dst.ofs == 0 && spec.n_bits == field.bits {
                format!("{}={}", field.name, format_value(dst.field, value, field.all_ones(), &names.ports))
            } else {
                format!("{}={}", cut(dst), hex(value))
            }
        }
        (LearnSrc::Field(src), LearnDst::Match(dst)) if (src.field, src.ofs) == (dst.field, dst.ofs) => cut(dst),
        (LearnSrc::Field(src), LearnDst::Match(dst)) => format!("{}={}", cut(dst), cut(src)),
        (LearnSrc::Immediate(value), LearnDst::Load(dst)) => format!("load:{}->{}", hex(value), cut(dst)),
        (LearnSrc::Field(src), LearnDst::Load(dst)) => format!("load:{}->{}", cut(src), cut(dst)),
        (LearnSrc::Field(src), LearnDst::Output) => format!("output:{}", cut(src)),
        (LearnSrc::Immediate(value), LearnDst::Output) => format!("output:{}", hex(value)),
    }
}
