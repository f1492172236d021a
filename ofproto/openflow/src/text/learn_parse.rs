//! The `learn` action from text.

use weft_flow::FieldId;
use weft_flow::text::number::{parse_u64, parse_u128};
use weft_flow::text::parse_value;

use super::Names;
use super::action_parse::{move_ends, number, subfield};
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
                if !dst.field.field().writable {
                    return Err(format!("{value} is read-only"));
                }
                if dst.n_bits != 1 {
                    return Err("result_dst in 'learn' action must be a single bit".to_owned());
                }
                learn.result_dst = Some(dst);
            }
            _ => learn.specs.push(parse_spec(&word, arg, names)?),
        }
    }
    Ok(learn)
}

fn parse_spec(word: &Word<'_>, whole: &str, names: &Names) -> Result<LearnSpec, String> {
    let value = word.text();
    match word.key {
        "load" if value.starts_with(|c: char| c.is_ascii_digit()) => {
            let (number, dst) = value.split_once("->").ok_or_else(|| format!("load: missing `->' in `{value}'"))?;
            let digits = number.strip_prefix("0x").unwrap_or(number);
            let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
            let parsed = parse_u128(number);
            if parsed.is_none() && !is_number {
                return Err(format!("load: garbage before `->' in `{value}'"));
            }
            let dst = subfield(dst)?;
            // more digits than any field has bits are too many, too
            let fitting = parsed.filter(|number| is_within(*number, dst.n_bits));
            let number = fitting.ok_or_else(|| format!("{value}: value does not fit into {} bits", dst.n_bits))?;
            Ok(LearnSpec { n_bits: dst.n_bits, src: LearnSrc::Immediate(number), dst: LearnDst::Load(dst) })
        }
        "load" => {
            let (src, dst) = move_ends(value)?;
            if src.n_bits != dst.n_bits {
                let widths = (src.n_bits, dst.n_bits);
                return Err(format!(
                    "{value}: source field is {} bits wide but destination is {} bits wide",
                    widths.0, widths.1
                ));
            }
            Ok(LearnSpec { n_bits: dst.n_bits, src: LearnSrc::Field(src), dst: LearnDst::Load(dst) })
        }
        "output" => {
            let src = subfield(value)?;
            Ok(LearnSpec { n_bits: src.n_bits, src: LearnSrc::Field(src), dst: LearnDst::Output })
        }
        name => {
            // `field`, `field=value`, `field[a..b]=field[c..d]`
            let dst = subfield(name).map_err(|_| format!("{whole}: unknown keyword {name}"))?;
            if !name.contains('[') && dst.field.field().oxm.is_empty() {
                return Err(format!("{whole}: experimenter OXM field '{name}' not supported"));
            }
            let src = match word.value {
                None => LearnSrc::Field(dst),
                Some(text) => source(text, name, dst, whole, names)?,
            };
            Ok(LearnSpec { n_bits: dst.n_bits, src, dst: LearnDst::Match(dst) })
        }
    }
}

fn is_within(value: u128, bits: u16) -> bool {
    bits >= 128 || value >> bits == 0
}

/// A field of the same width, or a constant; in a match of a whole field also in the field's own form.
fn source(text: &str, name: &str, dst: SubField, whole: &str, names: &Names) -> Result<LearnSrc, String> {
    let not_a_field = match subfield(text) {
        Ok(src) if src.n_bits == dst.n_bits => return Ok(LearnSrc::Field(src)),
        Ok(src) => {
            return Err(format!("{whole}: bit widths of {name} ({}) and {text} ({}) differ", src.n_bits, dst.n_bits));
        }
        Err(error) => error,
    };
    constant(text, name, dst, whole, names).map_err(|not_a_constant| {
        format!(
            "{whole}: {name} value {text} cannot be parsed as a subfield ({not_a_field}) or an immediate value \
             ({not_a_constant})"
        )
    })
}

fn constant(text: &str, name: &str, dst: SubField, whole: &str, names: &Names) -> Result<LearnSrc, String> {
    if dst != SubField::whole(dst.field) {
        let assignment = format!("{name}={text}");
        let shown = if whole.is_empty() { &assignment } else { whole };
        let value = parse_u128(text).ok_or_else(|| format!("{shown}: cannot parse integer value"))?;
        return match is_within(value, dst.n_bits) {
            true => Ok(LearnSrc::Immediate(value)),
            false => Err(format!("{shown}: value {value:#x} does not fit into {} bits", dst.n_bits)),
        };
    }
    if dst.field == FieldId::InPortOxm && parse_u64(text).is_some_and(|n| n >= 0xff00) {
        // asked for what it notes of the number
        let _ = names.parse_port(text);
        return Err(format!("{text}: port value out of range for in_port_oxm"));
    }
    let (value, mask) = parse_value(dst.field, text, &names.ports)?;
    match mask == dst.field.field().all_ones() {
        true => Ok(LearnSrc::Immediate(value)),
        false => Err(format!("{text}: wildcards not allowed here")),
    }
}
