//! The flows that a frame has just missed, and by what.
//!
//! How: the terms of a flow's match, as people write them, are tried one by one on the frame. Flows that fail by the fewest
//! terms come first.

use std::cmp::Reverse;

use weft_flow::text::match_parse::{field_by_any_name, pieces};
use weft_flow::text::{PortNames, format_value, parse_match_key};
use weft_flow::{FlowKey, Match};

use crate::flow_table::FlowTable;
use crate::text;

/// How many are named.
const NAMED: usize = 3;
/// How many flows are looked at: a table of millions should not stop the control thread.
const LOOKED_AT: usize = 50_000;
/// How many wrong terms still are near.
const FEW: usize = 2;

/// A flow that almost matched.
pub(super) struct Near {
    pub priority: u32,
    pub matching: String,
    pub actions: String,
    pub but: Vec<Wrong>,
}

/// A term that the frame does not satisfy.
pub(super) struct Wrong {
    /// `nw_dst=10.0.0.3`
    pub wanted: String,
    /// What the frame has there, for a field.
    pub has: Option<String>,
}

/// The flows that miss the frame by the fewest terms, highest priority first among equals.
pub(super) fn nearest(table: &FlowTable, key: &FlowKey) -> Vec<Near> {
    let mut all: Vec<(usize, Reverse<u32>, Near)> = Vec::new();
    for rule in table.rules().take(LOOKED_AT) {
        let matching = text::matching(&rule.pattern.unpack(), &Default::default());
        let but = wrong(&matching, key, FEW + 1);
        let worst = all.last().filter(|_| all.len() == NAMED).map(|(n, p, _)| (*n, *p));
        let this = (but.len(), Reverse(rule.priority));
        if but.is_empty() || but.len() > FEW || worst.is_some_and(|worst| this >= worst) {
            continue;
        }
        let actions = text::instructions(&rule.instructions);
        all.push((this.0, this.1, Near { priority: rule.priority, matching, actions, but }));
        all.sort_by_key(|(n, p, _)| (*n, *p));
        all.truncate(NAMED);
    }
    all.into_iter().map(|(.., near)| near).collect()
}

/// The terms of a match that the frame does not satisfy, at most `limit`.
fn wrong(matching: &str, key: &FlowKey, limit: usize) -> Vec<Wrong> {
    let ports = PortNames::new();
    let differs = |(name, value): &(&str, Option<&str>)| {
        let mut term = Match::any();
        parse_match_key(&mut term, name, *value, &ports).unwrap_or(false) && !term.matches(key)
    };
    let tell = |(name, value): (&str, Option<&str>)| Wrong {
        wanted: value.map_or_else(|| name.to_string(), |value| format!("{name}={value}")),
        has: field_by_any_name(name).filter(|_| value.is_some()).map(|field| {
            let said = format_value(field, field.get(key), field.field().all_ones(), &ports);
            format!("{name}={said}")
        }),
    };
    pieces(matching).filter(differs).take(limit).map(tell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_flow::FieldId;

    #[test]
    fn each_term_is_tried_by_itself() {
        let mut key = FlowKey::new();
        FieldId::EthType.set(&mut key, 0x0800);
        FieldId::NwProto.set(&mut key, 6);
        FieldId::IpDst.set(&mut key, 0x0a00_0002);
        let of = |matching: &str| {
            let all = wrong(matching, &key, 9);
            all.into_iter().map(|w| (w.wanted, w.has.unwrap_or_default())).collect::<Vec<_>>()
        };
        assert!(of("tcp,nw_dst=10.0.0.0/24").is_empty());
        let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
        assert_eq!(of("tcp,nw_dst=10.0.0.3"), [pair("nw_dst=10.0.0.3", "nw_dst=10.0.0.2")]);
        assert_eq!(of("udp,nw_dst=10.0.0.2"), [pair("udp", "")]);
    }
}
