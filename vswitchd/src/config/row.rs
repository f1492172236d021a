//! What: rows of the database as the configuration reads them, and the notes it makes about what it cannot use.
//!
//! Why: a wrong value must never stop the switch; it costs one warning that names row, column, value and what
//! was expected, and the documented default is used instead.
//!
//! Invariants: reading is pure and total. A warning is made once per reading, not once per use.

use std::fmt;
use std::ops::RangeInclusive;

use uuid::Uuid;
use weft_ovsdb::Datum;

/// Where rows come from: the replica, or a table in a test.
pub trait Rows {
    /// One column of one row; `None` when the row or the column is not there.
    fn column(&self, table: &str, id: Uuid, column: &str) -> Option<&Datum>;
    /// Is there such a row?
    fn contains(&self, table: &str, id: Uuid) -> bool;
    /// Every row of a table, in a stable order.
    fn ids(&self, table: &str) -> Vec<Uuid>;
}

/// One row.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    rows: &'a dyn Rows,
    /// Its table.
    pub table: &'static str,
    /// Its identity.
    pub id: Uuid,
}

/// A value that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Which row, such as `bridge br0`.
    pub row: String,
    /// The column, with the key for a map: `other_config:mac-aging-time`.
    pub column: String,
    /// What stands there.
    pub value: String,
    /// What could have stood there.
    pub expected: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: \"{}\" ignored: {}", self.row, self.column, self.value, self.expected)
    }
}

impl<'a> Row<'a> {
    /// The row, if it exists.
    pub fn find(rows: &'a dyn Rows, table: &'static str, id: Uuid) -> Option<Row<'a>> {
        rows.contains(table, id).then_some(Row { rows, table, id })
    }

    fn datum(&self, column: &str) -> Option<&'a Datum> {
        self.rows.column(self.table, self.id, column)
    }

    /// A string column; empty when unset.
    pub fn text(&self, column: &str) -> &'a str {
        self.datum(column).and_then(Datum::as_str).unwrap_or("")
    }

    /// An optional integer column.
    pub fn integer(&self, column: &str) -> Option<i64> {
        self.datum(column).and_then(Datum::as_integer)
    }

    /// An optional boolean column.
    pub fn boolean(&self, column: &str) -> Option<bool> {
        self.datum(column).and_then(Datum::as_bool)
    }

    /// A set of references.
    pub fn refs(&self, column: &str) -> Vec<Uuid> {
        self.datum(column).map(|d| d.atoms().iter().filter_map(|a| a.as_uuid()).collect()).unwrap_or_default()
    }

    /// Whether a set of references leads to a row.
    pub fn refers_to(&self, column: &str, id: Uuid) -> bool {
        self.datum(column).is_some_and(|datum| datum.contains_key(&weft_ovsdb::Atom::Uuid(id)))
    }

    /// The rows that a set of references leads to.
    pub fn follow(&self, column: &str, table: &'static str) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let rows = self.rows;
        self.refs(column).into_iter().filter_map(move |id| Row::find(rows, table, id))
    }

    /// A map from integers to references.
    pub fn numbered_refs(&self, column: &str, table: &'static str) -> Vec<(i64, Row<'a>)> {
        let pairs = self.datum(column).map(Datum::pairs).unwrap_or_default();
        let found =
            pairs.iter().filter_map(|(k, v)| Some((k.as_integer()?, Row::find(self.rows, table, v.as_uuid()?)?)));
        found.collect()
    }

    /// A set of integers.
    pub fn integers(&self, column: &str) -> Vec<i64> {
        self.datum(column).map(|d| d.atoms().iter().filter_map(|a| a.as_integer()).collect()).unwrap_or_default()
    }

    /// A set of strings.
    pub fn texts(&self, column: &str) -> Vec<&'a str> {
        self.datum(column).map(|d| d.atoms().iter().filter_map(|a| a.as_str()).collect()).unwrap_or_default()
    }

    /// One value of a string map.
    pub fn key(&self, column: &str, key: &str) -> Option<&'a str> {
        self.datum(column).and_then(|d| d.get_str(key))
    }

    /// A whole string map.
    pub fn map(&self, column: &str) -> std::collections::BTreeMap<String, String> {
        let pairs = self.datum(column).map(Datum::pairs).unwrap_or_default();
        let texts = pairs.iter().filter_map(|(k, v)| Some((k.as_str()?.to_owned(), v.as_str()?.to_owned())));
        texts.collect()
    }

    /// What warnings call this row.
    pub fn label(&self) -> String {
        let named = match self.table {
            "Controller" | "Manager" => self.text("target"),
            _ => self.text("name"),
        };
        match (self.table, named) {
            (table, "") => format!("{} {}", table.to_lowercase(), self.id),
            (table, name) => format!("{} {name}", table.to_lowercase()),
        }
    }
}

/// Reads options of a row with their limits, and collects what was wrong.
pub struct Checked<'r, 'w> {
    /// The row being read.
    pub row: Row<'r>,
    warnings: &'w mut Vec<Warning>,
}

impl<'r, 'w> Checked<'r, 'w> {
    /// Reads `row`; what is wrong goes to `warnings`.
    pub fn new(row: Row<'r>, warnings: &'w mut Vec<Warning>) -> Checked<'r, 'w> {
        Checked { row, warnings }
    }

    /// Notes a value that could not be used.
    pub fn warn(&mut self, column: &str, value: impl fmt::Display, expected: impl Into<String>) {
        let row = self.row.label();
        let value = value.to_string();
        self.warnings.push(Warning { row, column: column.to_owned(), value, expected: expected.into() });
    }

    /// `true` or `false` in a string map. OVS takes everything but `true` as false, so this does too, with a note.
    pub fn flag(&mut self, column: &str, key: &str, default: bool) -> bool {
        match self.row.key(column, key) {
            None => default,
            Some("true") => true,
            Some("false") => false,
            Some(other) => {
                self.warn(&format!("{column}:{key}"), other, "expected true or false");
                default
            }
        }
    }

    /// An integer in a string map, within `limits`.
    pub fn number(&mut self, column: &str, key: &str, limits: RangeInclusive<i64>) -> Option<i64> {
        let text = self.row.key(column, key)?;
        let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(hex) => i64::from_str_radix(hex, 16).ok(),
            None => text.trim().parse().ok(),
        };
        match parsed {
            Some(number) if limits.contains(&number) => Some(number),
            _ => {
                self.warn(&format!("{column}:{key}"), text, expected_range(&limits));
                None
            }
        }
    }

    /// A word in a string map, one of `words`.
    pub fn word<T: Copy>(&mut self, column: &str, key: &str, words: &[(&str, T)], default: T) -> T {
        match self.row.key(column, key) {
            None => default,
            Some(text) => self.one_of(&format!("{column}:{key}"), text, words).unwrap_or(default),
        }
    }

    /// Finds `text` among `words`, or notes what would have been there.
    pub fn one_of<T: Copy>(&mut self, column: &str, text: &str, words: &[(&str, T)]) -> Option<T> {
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.warn(column, text, format!("expected one of {}", known.join(", ")));
        }
        found
    }

    /// Any text that parses as `T`; `expected` says what would.
    pub fn parsed<T: std::str::FromStr>(&mut self, column: &str, key: &str, expected: &str) -> Option<T> {
        let text = self.row.key(column, key)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.warn(&format!("{column}:{key}"), text, format!("expected {expected}"));
        }
        parsed
    }
}

fn expected_range(limits: &RangeInclusive<i64>) -> String {
    match (*limits.start(), *limits.end()) {
        (low, i64::MAX) => format!("expected an integer of at least {low}"),
        (low, high) => format!("expected an integer from {low} to {high}"),
    }
}
