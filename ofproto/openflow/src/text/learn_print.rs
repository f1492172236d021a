//! The `learn` action in text.

use std::fmt::Write;

use weft_flow::text::format_value;
use weft_flow::text::number::hex;

use super::Names;
use super::action_print::format_subfield;
use crate::action::{Learn, LearnDst, LearnSpec, LearnSrc, SubField};
use crate::flow::FlowMod;

/// `learn(...)`.
pub fn format_learn(learn: &Learn, names: &Names) -> String {
    // some commas belong to the word behind them, which shows in colours
    let mut text = format!("{}{}", names.special("table="), names.show_table(learn.table));
    let timeouts = [
        ("idle_timeout=", learn.idle_timeout),
        ("hard_timeout=", learn.hard_timeout),
        ("fin_idle_timeout=", learn.fin_idle_timeout),
    ];
    for (name, timeout) in timeouts.iter().filter(|(_, timeout)| timeout.0 != 0) {
        let _ = write!(text, ",{}{}", names.param(name), timeout.0);
    }
    if learn.fin_hard_timeout.0 != 0 {
        let _ = write!(text, "{}{}", names.param(",fin_hard_timeout="), learn.fin_hard_timeout.0);
    }
    if learn.priority != FlowMod::DEFAULT_PRIORITY {
        let _ = write!(text, "{}{}", names.special(",priority="), learn.priority);
    }
    if learn.send_flow_rem {
        let _ = write!(text, ",{}", names.value("send_flow_rem"));
    }
    if learn.delete_learned {
        let _ = write!(text, ",{}", names.value("delete_learned"));
    }
    if learn.cookie.0 != 0 {
        let _ = write!(text, ",{}{:#x}", names.param("cookie="), learn.cookie.0);
    }
    if learn.limit != 0 {
        let _ = write!(text, ",{}{}", names.param("limit="), learn.limit);
    }
    if let Some(dst) = learn.result_dst {
        let _ = write!(text, ",{}{}", names.param("result_dst="), format_subfield(dst));
    }
    for spec in &learn.specs {
        text.push(',');
        text.push_str(&format_spec(spec, names));
    }
    format!("{}{text}{}", names.learn("learn("), names.learn(")"))
}

fn format_spec(spec: &LearnSpec, names: &Names) -> String {
    let cut = |sub: SubField| format_subfield(SubField { n_bits: spec.n_bits, ..sub });
    let load = |src: &str, dst| format!("{}{src}{}{}", names.special("load:"), names.special("->"), cut(dst));
    match (spec.src, spec.dst) {
        (LearnSrc::Immediate(value), LearnDst::Match(dst)) => {
            let field = dst.field.field();
            if dst.ofs == 0 && spec.n_bits == SubField::width(dst.field) {
                let value = format_value(dst.field, value, field.all_ones(), &names.ports);
                format!("{}{value}", names.param(&format!("{}=", field.name)))
            } else {
                format!("{}{}", names.param(&format!("{}=", cut(dst))), hex(value))
            }
        }
        (LearnSrc::Field(src), LearnDst::Match(dst)) if (src.field, src.ofs) == (dst.field, dst.ofs) => {
            names.param(&cut(dst)).to_string()
        }
        (LearnSrc::Field(src), LearnDst::Match(dst)) => {
            format!("{}{}{}", names.param(&cut(dst)), names.param("="), cut(src))
        }
        (LearnSrc::Immediate(value), LearnDst::Load(dst)) => load(&hex(value), dst),
        (LearnSrc::Field(src), LearnDst::Load(dst)) => load(&cut(src), dst),
        (LearnSrc::Field(src), LearnDst::Output) => format!("{}{}", names.special("output:"), cut(src)),
        (LearnSrc::Immediate(value), LearnDst::Output) => format!("{}{}", names.special("output:"), hex(value)),
    }
}
