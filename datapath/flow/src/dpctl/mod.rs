//! Datapath flows and actions as ovs-dpctl(8) writes them.
//!
//! What: another syntax than OpenFlow's, nested like the headers: `in_port(1),eth(src=..,dst=..),eth_type(0x0800),
//! ipv4(src=10.0.0.1,frag=no)`. Printed by `dpctl/dump-flows` and `ofproto/trace`, taken by `dpctl/add-flow` and
//! `netdev-dummy/receive`.
//!
//! - [`print`]: keys and matches. [`parse`]: the way back. [`layout`]: which field stands where, said once for both.
//! - [`actions`], [`actions_parse`]: what is done; `encap`: headers put on and taken off, conntrack, both ways.
//! - `tunnel`, `push`: outer headers, by their fields and byte by byte.
//! - `mpls`: the label stack of keys and matches.
//! - [`lookup`]: what a flow's mask costs Open vSwitch's lookups.
//! - [`compose`]: a frame that has a given key.
//!
//! Invariant: what is printed reads back as the same.

pub mod actions;
pub mod actions_parse;
pub mod compose;
mod encap;
mod layout;
pub mod lookup;
pub(crate) mod mpls;
pub mod parse;
pub mod print;
mod push;
pub mod tunnel;

pub use actions::format_actions;
pub use actions_parse::parse_actions;
pub use compose::compose;
pub use parse::{parse_key, parse_match};
pub use print::{format_flow, format_key, format_key_in_full, format_match};

use std::collections::BTreeMap;

use weft_packet::DpPort;

/// What the datapath's ports are called. Empty: numbers only.
#[derive(Clone, Debug, Default)]
pub struct DpNames(BTreeMap<DpPort, String>);

impl DpNames {
    /// Numbers only.
    pub fn new() -> DpNames {
        DpNames::default()
    }

    /// The port's name, or its number.
    pub fn show(&self, port: DpPort) -> String {
        self.0.get(&port).cloned().unwrap_or_else(|| port.to_string())
    }

    /// The port that a number or name means.
    pub fn parse(&self, text: &str) -> Option<DpPort> {
        let number = crate::text::number::parse_u64(text).and_then(|n| u32::try_from(n).ok()).map(DpPort);
        number.or_else(|| self.0.iter().find(|(_, name)| *name == text).map(|(port, _)| *port))
    }
}

impl FromIterator<(DpPort, String)> for DpNames {
    fn from_iter<I: IntoIterator<Item = (DpPort, String)>>(names: I) -> DpNames {
        DpNames(names.into_iter().collect())
    }
}

/// Splits at commas that stand outside of parentheses.
pub(crate) fn split_top(text: &str) -> Result<Vec<&str>, String> {
    let (mut depth, mut start, mut parts) = (0usize, 0, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.checked_sub(1).ok_or_else(|| format!("{text}: unbalanced parentheses"))?,
            b',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if depth != 0 {
        return Err(format!("{text}: unbalanced parentheses"));
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    Ok(parts)
}

/// `name(inside)`, or `name` alone.
pub(crate) fn call(text: &str) -> (&str, Option<&str>) {
    match text.split_once('(') {
        Some((name, rest)) if rest.ends_with(')') => (name.trim(), Some(&rest[..rest.len() - 1])),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests;
