//! Flows and actions as people write them: the syntax of ovs-ofctl(8) and ovs-actions(7), both ways.
//!
//! - [`words`]: how a line falls into `key=value`, `key:value` and `key(value)`.
//! - [`action_print`], [`learn_print`]: from actions to text.
//! - [`action_parse`], [`learn_parse`], [`instruction_parse`]: from text to actions.
//! - [`color`]: the colours of `--color`.
//! - [`verify`]: what must not stand together; [`usable`]: which forms of OpenFlow can say it; [`notes`]: what to log.
//! - [`flow_print`], [`flow_parse`]: whole flows.
//! - [`message`]: whole messages, print only.
//!
//! Invariant: what is printed reads back as the same value.

pub mod action_parse;
pub mod action_print;
pub mod color;
pub mod conntrack;
mod ct_parse;
mod encap_parse;
pub mod flow_parse;
pub mod flow_print;
pub mod group_parse;
pub mod instruction_parse;
pub mod learn_parse;
pub mod learn_print;
pub mod message;
pub mod meter_parse;
pub mod notes;
pub mod nxm;
mod select_parse;
pub mod usable;
pub mod verify;
pub mod words;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use weft_flow::OfPort;
use weft_flow::text::PortNames;
use weft_flow::text::number::parse_u64;

use crate::TableId;

pub use action_parse::subfield as parse_subfield;
pub use action_print::{format_action, format_actions, format_instructions};
pub use flow_parse::{
    FlowCommand, ParsedFlow, parse_flow, parse_flow_mod_line, read_flow, read_flow_mod_line, read_flow_mod_line_into,
};
pub use flow_print::{format_flow_stats, format_flow_stats_with};
pub use group_parse::parse_group;
pub use instruction_parse::parse_instructions;
pub use message::format_body;
pub use meter_parse::parse_meter;
pub use notes::{Level, Note};
pub use usable::Protocols;

/// Drop what a match's protocols cannot have, and say so in the log, the first five times:
/// users wonder why their flow says less than they wrote.
pub fn normalize_logged(pattern: &mut weft_flow::Match) -> bool {
    let before = pattern.clone();
    let changed = weft_flow::text::normalize(pattern);
    // a peer that keeps sending such flows does not fill the log
    static SAID: AtomicU32 = AtomicU32::new(0);
    if changed && SAID.fetch_add(1, Ordering::Relaxed) < 5 {
        let names = Names::none();
        let show = |of| color::paint_match(&weft_flow::text::format_match(of, &names.ports), &names).into_owned();
        tracing::info!(target: "ofp_match", "normalization changed ofp_match, details:");
        tracing::info!(target: "ofp_match", " pre: {}", show(&before));
        tracing::info!(target: "ofp_match", "post: {}", show(pattern));
    }
    changed
}

/// A number with or without a sign.
fn signed(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        Some(rest) => parse_u64(rest).and_then(|n| i64::try_from(n).ok()).map(|n| -n),
        None => parse_u64(text).and_then(|n| i64::try_from(n).ok()),
    }
}

/// What the tools say of port numbers that are old-fashioned or do not exist.
fn note_port(number: i64) {
    let note = match number {
        i64::MIN..0 => format!("Negative value {number} is not a valid port number."),
        0xff00..=0xffff => match OfPort::from_u16(number as u16).reserved_name() {
            Some(name) => {
                format!(
                    "referring to port {name} as {number} is deprecated for compatibility with OpenFlow 1.1 and later"
                )
            }
            None => format!(
                "port {number} is a reserved OF1.0 port number that will be translated to {} when talking to an OF1.1 \
                 or later controller",
                number + 0xffff_0000
            ),
        },
        0x1_0000..=0xffff_feff => {
            format!("port {number} is outside the supported range 0 through ffff or 0xffffff00 through 0xffffffff")
        }
        _ => return,
    };
    notes::say(Note::warn("ofp_port", note));
}

/// The names that text may use for a bridge's ports and tables, and the colours to print in.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Port names.
    pub ports: PortNames,
    /// Colours; as the process has them.
    colors: Option<&'static color::Colors>,
    /// Table names, both ways.
    tables: HashMap<TableId, String>,
}

impl Names {
    /// Numbers and reserved names only.
    pub fn none() -> Names {
        Names { colors: color::Colors::installed(), ..Names::default() }
    }

    /// Name a table.
    pub fn insert_table(&mut self, table: TableId, name: &str) {
        self.tables.insert(table, name.to_owned());
    }

    /// The port that `text` means; what is odd about its number is noted.
    pub fn parse_port(&self, text: &str) -> Option<OfPort> {
        if let Some(number) = signed(text) {
            note_port(number);
        }
        self.ports.parse(text)
    }

    /// The table that `text` means; numbers that no table can have are noted.
    pub fn parse_table(&self, text: &str) -> Option<TableId> {
        // in decimal alone; what fits no int is a name like another
        let number = text.parse::<i32>().ok();
        if let Some(number) = number {
            let why = match number {
                0..=255 => return Some(TableId(number as u8)),
                i32::MIN..0 => format!("Negative value {number} is not a valid table number."),
                _ => format!("table {number} is outside the supported range 0 through 255"),
            };
            notes::say(Note::warn("ofp_table", why));
            return None;
        }
        let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
        self.tables.iter().find(|(_, name)| *name == bare).map(|(table, _)| *table)
    }

    /// Whether the table has a name.
    pub fn has_table(&self, table: TableId) -> bool {
        self.tables.contains_key(&table)
    }

    /// The table as the tools print it: its name, or its number.
    pub fn show_table(&self, table: TableId) -> String {
        self.tables.get(&table).cloned().unwrap_or_else(|| table.0.to_string())
    }
}
