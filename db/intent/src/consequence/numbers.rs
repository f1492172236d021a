//! What: which OpenFlow port numbers would move.
//!
//! Why: flows name ports by number; a port that comes back under another one takes their traffic to nowhere.
//!
//! How: as the daemon deals numbers (vswitchd/plan, ofproto/pipeline bridge): who stays open keeps its number, unless
//! another asks for it; of those that are opened the ones that ask come first, then those that had a number, each at the lowest
//! number first, then the others. Who gets none of these takes the next that is free, which is not known beforehand.
//!
//! Invariants: pure; a number that is told is the one that the daemon would give.

use crate::view::{Rows, named};
use std::collections::{BTreeMap, BTreeSet};
use weft_ovsdb::{Datum, Uuid};

/// An interface of a bridge under another number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The bridge, after the change.
    pub bridge: String,
    /// Its port.
    pub port: String,
    /// Its name.
    pub interface: String,
    /// The number it has.
    pub from: i64,
    /// The number it will have, if that is certain.
    pub to: Option<i64>,
    /// Who asks for the number that it has, if it stayed open otherwise.
    pub gives_way_to: Option<String>,
}

/// A bridge before and after.
pub(super) struct Bridge<'a> {
    pub name: &'a str,
    /// Its row before; none if it is built anew, which forgets the numbers that it gave.
    pub old: Option<Uuid>,
    pub new: Uuid,
    /// Interfaces that are closed and opened again.
    pub reopened: &'a BTreeSet<String>,
    /// The numbers of all interfaces before, on whatever bridge.
    pub before: &'a BTreeMap<String, i64>,
}

struct Coming {
    port: String,
    name: String,
    asks: Option<i64>,
    had: Option<i64>,
    gives_way_to: Option<String>,
}

/// The numbers of all interfaces of the bridges in `roots`.
pub(super) fn present(rows: &dyn Rows, bridges: &BTreeMap<String, Uuid>) -> BTreeMap<String, i64> {
    let interfaces = bridges.values().flat_map(|bridge| interfaces(rows, *bridge));
    interfaces.filter_map(|(_, name, row)| Some((name, number(rows, row, "ofport")?))).collect()
}

/// Interfaces whose number moves.
pub(super) fn moved(old: &dyn Rows, new: &dyn Rows, bridge: &Bridge<'_>) -> Vec<Moved> {
    let had: BTreeMap<String, i64> =
        bridge.old.map(|row| present(old, &BTreeMap::from([(String::new(), row)]))).unwrap_or_default();
    let mut used: BTreeMap<i64, (String, String, Option<i64>)> = BTreeMap::new();
    let mut coming = Vec::new();
    for (port, name, row) in interfaces(new, bridge.new).into_iter().filter(|(_, name, _)| name != bridge.name) {
        let asks = number(new, row, "ofport_request");
        match had.get(&name) {
            Some(number) if !bridge.reopened.contains(&name) => {
                used.insert(*number, (port, name, asks));
            }
            _ => {
                let had = number(new, row, "ofport");
                coming.push(Coming { port, name, asks, had, gives_way_to: None });
            }
        }
    }
    let asked: Vec<(i64, String)> = coming.iter().filter_map(|c| Some((c.asks?, c.name.clone()))).collect();
    for (number, rival) in asked {
        if used.get(&number).is_some_and(|(_, _, asks)| *asks != Some(number))
            && let Some((port, name, asks)) = used.remove(&number)
        {
            coming.push(Coming { port, name, asks, had: Some(number), gives_way_to: Some(rival) });
        }
    }
    coming.sort_by_key(|coming| match (coming.asks, coming.had) {
        (Some(number), _) => (0, number),
        (None, Some(number)) => (1, number),
        (None, None) => (2, 0),
    });
    let mut used: BTreeSet<i64> = used.into_keys().collect();
    let mut moved = Vec::new();
    for Coming { port, name, asks, had: hint, gives_way_to } in coming {
        let remembered = had.get(&name).copied();
        let to = [asks.or(hint), remembered].into_iter().flatten().find(|number| used.insert(*number));
        if let Some(from) = bridge.before.get(&name).copied().filter(|from| to != Some(*from)) {
            let bridge = bridge.name.to_owned();
            moved.push(Moved { bridge, port, interface: name, from, to, gives_way_to });
        }
    }
    moved
}

/// Port, interface and its row.
fn interfaces(rows: &dyn Rows, bridge: Uuid) -> Vec<(String, String, Uuid)> {
    let ports = named(rows, ("Bridge", bridge, "ports"), ("Port", "name")).into_iter();
    let of_port = |(port, row): (String, Uuid)| {
        let interfaces = named(rows, ("Port", row, "interfaces"), ("Interface", "name")).into_iter();
        interfaces.map(|(name, row)| (port.clone(), name, row)).collect::<Vec<_>>()
    };
    ports.flat_map(of_port).collect()
}

/// A number that a port can have.
fn number(rows: &dyn Rows, interface: Uuid, column: &str) -> Option<i64> {
    rows.value("Interface", interface, column).and_then(Datum::as_integer).filter(|number| (1..0xff00).contains(number))
}
