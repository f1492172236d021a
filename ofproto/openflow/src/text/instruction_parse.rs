//! What stands behind `actions=`: actions and instructions in the order in which OpenFlow runs them.

use super::Names;
use super::action_parse::{lower, number, parse_action, parse_inside};
use super::verify::{beside_conjunction, verify, verify_actions};
use super::words::Words;
use crate::action::Action;
use crate::ids::{MeterId, TableId};
use crate::instruction::{Instructions, WriteMetadata};

/// The instructions, in the order of their execution.
const ORDER: [&str; 6] = ["meter", "apply_actions", "clear_actions", "write_actions", "write_metadata", "goto_table"];

/// Parse actions and instructions.
///
/// # Errors
/// The text that the tools print.
pub fn parse_instructions(text: &str, names: &Names) -> Result<Instructions, String> {
    let mut all = Instructions::default();
    let mut latest = 0;
    let mut dropped = false;
    let mut misplaced = None;
    // How many actions stand before the first instruction, and its name.
    let mut first_instruction = None;
    for word in Words::of(text) {
        let key = lower(word.key);
        if key == "drop" {
            dropped = true;
            continue;
        }
        let place = match &*key {
            "meter" => 0,
            "clear_actions" => 2,
            "write_actions" => 3,
            "write_metadata" => 4,
            "goto_table" => 5,
            _ => 1,
        };
        // What is wrong inside an action is said first.
        if place < latest {
            misplaced.get_or_insert_with(|| {
                let text = format!(
                    "invalid instruction ordering: {} must appear before {}, for OpenFlow 1.1+ compatibility",
                    ORDER[place], ORDER[latest]
                );
                (all.apply.len(), text)
            });
        } else if (place == latest && place > 1) || (place == 0 && all.meter.is_some()) {
            misplaced.get_or_insert_with(|| {
                let name = ORDER[place];
                (all.apply.len(), format!("duplicate {name} instruction not allowed, for OpenFlow 1.1+ compatibility"))
            });
        }
        latest = latest.max(place);
        if place != 1 && first_instruction.is_none() {
            first_instruction = Some((all.apply.len(), ORDER[place]));
        }
        match place {
            0 => all.meter = Some(MeterId(number(word.text(), "meter")?)),
            1 => all.apply.push(parse_action(&word, names)?),
            2 => all.clear = true,
            3 => {
                all.write_actions =
                    Some(parse_inside(word.text(), names, Some("write_actions"))?).filter(|a| !a.is_empty())
            }
            4 => all.write_metadata = Some(parse_write_metadata(word.text())?),
            _ => all.goto_table = Some(parse_goto_table(word.text(), names)?),
        }
    }
    if dropped && all != Instructions::default() {
        return Err("\"drop\" must not be accompanied by any other action or instruction".to_owned());
    }
    if let Some((at, name)) = first_instruction {
        let partner = |action: &Action| matches!(action, Action::Conjunction { .. } | Action::Note(_));
        if all.apply.iter().any(|a| matches!(a, Action::Conjunction { .. })) && all.apply[..at].iter().all(partner) {
            return Err(beside_conjunction(name));
        }
    }
    if let Some((at, misplaced)) = misplaced {
        verify_actions(&all.apply[..at])?;
        return Err(misplaced);
    }
    verify(&all)?;
    Ok(all)
}

fn parse_write_metadata(text: &str) -> Result<WriteMetadata, String> {
    if text.is_empty() {
        return Err("missing required numeric argument".to_owned());
    }
    let number = |t: &str| number::<u64>(t, "write_metadata");
    Ok(match text.split_once('/') {
        Some((value, mask)) => WriteMetadata { value: number(value)?, mask: number(mask)? },
        None => WriteMetadata { value: number(text)?, mask: u64::MAX },
    })
}

fn parse_goto_table(text: &str, names: &Names) -> Result<TableId, String> {
    names.parse_table(text).ok_or_else(|| format!("unknown table \"{text}\""))
}
