//! What: `plan FILE` and `apply FILE`: desired states.
//!
//! How: the file becomes changes in the call's own transaction (weft-intent), so it can stand among other commands, and
//! is tried again like them if somebody else was faster. What the transaction would do to the switch is told from the
//! transaction itself; how many flows there are to lose is asked of the bridges.

use super::context::Context;
use super::words::Words;
use crate::failure::{Failure, fail};
use crate::ofctl::count;
use std::io::Read;
use std::sync::OnceLock;
use weft_intent::{Document, Format, Kind, Plan, consequences};
use weft_ovsdb::replica::Transaction;

/// `plan FILE [--json]`
pub fn plan(context: &mut Context<'_>) -> Result<(), Failure> {
    let words = Words::of(context, &["json"], &[])?;
    let document = read(words.one("FILE")?)?;
    // A transaction of its own: planning changes nothing, whatever else the call does.
    let mut tx = Transaction::new(context.tx.replica());
    document.write(&mut tx).map_err(|error| error.to_string())?;
    let plan = with_flows(consequences(&tx), &tx);
    if !plan.is_empty() {
        context.status = CHANGES;
    }
    show(context, &plan, words.has("json"));
    Ok(())
}

/// `apply FILE [--json] [--confirm TIME]`
pub fn apply(context: &mut Context<'_>) -> Result<(), Failure> {
    let words = Words::of(context, &["json"], &["confirm"])?;
    let document = read(words.one("FILE")?)?;
    if let Some(text) = words.value("confirm") {
        context.confirm = Some(seconds(text)?);
    }
    document.write(&mut context.tx).map_err(|error| error.to_string())?;
    let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    if let Some(user) = user.filter(|user| !user.is_empty()) {
        context.tx.comment(format!("applied by {user}"));
    }
    let plan = with_flows(consequences(&context.tx), &context.tx);
    show(context, &plan, words.has("json"));
    Ok(())
}

/// Asks the bridges that would lose their flows how many there are. One that is not on this machine, or not this
/// database's, says nothing.
fn with_flows(mut plan: Plan, tx: &Transaction<'_>) -> Plan {
    for consequence in plan.consequences.iter_mut().filter(|consequence| consequence.kind == Kind::LoseFlows) {
        let replica = tx.replica();
        let row = replica.rows("Bridge").find(|row| row.str("name") == Some(&consequence.name));
        let id = row.and_then(|row| u64::from_str_radix(row.str("datapath_id")?, 16).ok());
        let socket = weft_jsonrpc::rundir::run_dir().join(format!("{}.mgmt", consequence.name));
        consequence.flows = id.filter(|_| socket.exists()).and_then(|id| count::flows(&socket, id));
    }
    plan
}

fn show(context: &mut Context<'_>, plan: &Plan, json: bool) {
    match json {
        true => context.print(plan.to_json().to_string()),
        false => context.print(plan.to_string().trim_end()),
    }
}

/// `-` is standard input, which can be read only once although a call may be tried again.
fn read(name: &str) -> Result<Document, Failure> {
    static INPUT: OnceLock<String> = OnceLock::new();
    let text = match name {
        "-" => match INPUT.get() {
            Some(text) => text.clone(),
            None => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).map_err(|error| format!("standard input: {error}"))?;
                INPUT.get_or_init(|| text).clone()
            }
        },
        name => std::fs::read_to_string(name).map_err(|error| format!("{name}: {error}"))?,
    };
    // JSON needs no file name to be recognised.
    let format = if text.trim_start().starts_with('{') { Format::Json } else { Format::of_file(name) };
    Document::parse(&text, format).map_err(|error| format!("{name}: {error}").into())
}

/// `60`, `60s`, `5m`, `1h`.
fn seconds(text: &str) -> Result<u64, Failure> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let seconds = digits.parse::<u64>().ok().zip(unit).and_then(|(count, unit)| count.checked_mul(unit));
    match seconds.filter(|seconds| *seconds > 0) {
        Some(seconds) => Ok(seconds),
        None => fail(format!("--confirm: \"{text}\" is no time; say 60, 60s, 5m or 1h")),
    }
}

/// The exit status of a plan that would change something.
const CHANGES: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, expected) in [("60", 60), ("60s", 60), ("5m", 300), ("1h", 3600)] {
            assert_eq!(seconds(text), Ok(expected));
        }
        for text in ["", "s", "0", "0m", "1d", "-1", "99999999999999999999", "é"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
