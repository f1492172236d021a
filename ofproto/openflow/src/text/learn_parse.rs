//! The `learn` action from text.

use weft_flow::text::match_parse::field_by_any_name;
use weft_flow::text::number::parse_u128;
use weft_flow::text::parse_value;

use super::Names;
use super::action_parse::{number, subfield};
use super::words::{Word, Words};
use crate::action::{Learn, LearnDst, LearnSpec, LearnSrc, SubField};
use crate::flow::FlowMod;
use crate::ids::{Cookie, TableId, Timeout};

/// What stands inside `learn(...)`.
///
/// # Errors
/// The text that the tools print.
pub fn parse_learn(arg: &str, names: &Names) -> Result<Learn, String> {
    let mut learn = Learn {
        idle_timeout: Timeout::NEVER,
        hard_timeout: Timeout::NEVER,
        priority: FlowMod::DEFAULT_PRIORITY,
        cookie: Cookie(0),
        table: TableId(1),
        fin_idle_timeout: Timeout::NEVER,
        fin_hard_timeout: Timeout::NEVER,
        send_flow_rem: false,
        delete_learned: false,
        limit: 0,
        result_dst: None,
        specs: Vec::new(),
    };
    for word in Words::of(arg) {
        let value = word.text();
        match word.key {
            "table" => {
                learn.table = names.parse_table(value).ok_or_else(|| format!("unknown table \"{value}\""))?;
                if learn.table == TableId::ALL {
                    return Err(format!("{}: table id 255 not valid for `learn' action", arg));
                }
            }
            "priority" => learn.priority = number(value, "priority")?,
            "idle_timeout" => learn.idle_timeout = Timeout(number(value, word.key)?),
            "hard_timeout" => learn.hard_timeout = Timeout(number(value, word.key)?),
            "fin_idle_timeout" => learn.fin_idle_timeout = Timeout(number(value, word.key)?),
            "fin_hard_timeout" => learn.fin_hard_timeout = Timeout(number(value, word.key)?),
            "cookie" => learn.cookie = Cookie(number(value, "cookie")?),
            "send_flow_rem" => learn.send_flow_rem = true,
            "delete_learned" => learn.delete_learned = true,
            "limit" => learn.limit = number(value, "limit")?,
            "result_dst" => {
                let dst = subfield(value)?;
                if dst.n_bits != 1 {
                    return Err("result_dst in 'learn' action must be a single bit".to_owned());
                }
                learn.result_dst = Some(dst);
            }
            _ => learn.specs.push(parse_spec(&word, names).map_err(|e| format!("{arg}: {e}"))?),
        }
    }
    Ok(learn)
}

fn parse_spec(word: &Word<'_>, names: &Names) -> Result<LearnSpec, String> {
    let value = word.text();
    match word.key {
        "load" => {
            let (src, dst) = value.split_once("->").ok_or_else(|| format!("missing `->' in `{}'", word.all))?;
            let dst = subfield(dst)?;
            let src = source(src, dst, None, names)?;
            Ok(LearnSpec { n_bits: dst.n_bits, src, dst: LearnDst::Load(dst) })
        }
        "output" => {
            let src = subfield(value)?;
            Ok(LearnSpec { n_bits: src.n_bits, src: LearnSrc::Field(src), dst: LearnDst::Output })
        }
        name => {
            // `field`, `field=value`, `field[a..b]=field[c..d]`
            let dst = subfield(name).map_err(|error| {
                if field_by_any_name(name).is_none() && !name.contains('[') {
                    format!("unknown keyword {name}")
                } else {
                    error
                }
            })?;
            let src = match word.value {
                None => LearnSrc::Field(dst),
                Some(text) => source(text, dst, Some(name), names)?,
            };
            Ok(LearnSpec { n_bits: dst.n_bits, src, dst: LearnDst::Match(dst) })
        }
    }
}

/// A field of the same width, or a constant; in a match of a whole field also in the field's own form.
fn source(text: &str, dst: SubField, whole: Option<&str>, names: &Names) -> Result<LearnSrc, String> {
    if let Some(value) = parse_u128(text) {
        if dst.n_bits < 128 && value >> dst.n_bits != 0 {
            return Err(format!("value {text} does not fit into {} bits", dst.n_bits));
        }
        return Ok(LearnSrc::Immediate(value));
    }
    if let Ok(src) = subfield(text) {
        if src.n_bits != dst.n_bits {
            return Err(format!(
                "bit widths of {text} ({}) and {} ({}) differ",
                src.n_bits,
                dst.field.field().name,
                dst.n_bits
            ));
        }
        return Ok(LearnSrc::Field(src));
    }
    match whole.filter(|name| !name.contains('[')) {
        Some(_) => parse_value(dst.field, text, &names.ports).map(|(value, _)| LearnSrc::Immediate(value)),
        None => Err(format!("{text}: neither a number nor a field")),
    }
}
