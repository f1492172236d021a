//! What: how updates of three generations change the copy, and a record of what changed.
//!
//! `update` (RFC 7047 section 4.1.6) carries whole old and new values; `update2` and `update3`
//! (ovsdb-server(7) sections 4.1.14 and 4.1.16) carry differences.
//!
//! Invariants: an update that does not fit the schema is an error and leaves the copy as it was.

use super::rows::{Replica, Row, Table};
use crate::atom::{Uuid, parse_uuid};
use crate::datum::Datum;
use crate::error::{Error, Result};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What an update changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// By table and row.
    pub tables: BTreeMap<String, BTreeMap<Uuid, RowChange>>,
}

/// What happened to one row; its present state is in the replica.
#[derive(Clone, Debug, PartialEq)]
pub struct RowChange {
    /// The row as it was; absent if it is new.
    pub old: Option<Row>,
    /// The row as it is; absent if it was deleted.
    pub new: Option<Row>,
}

impl Changes {
    /// Nothing changed?
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// The changed rows of a table.
    pub fn rows(&self, table: &str) -> impl Iterator<Item = (Uuid, &RowChange)> {
        self.tables.get(table).into_iter().flatten().map(|(uuid, change)| (*uuid, change))
    }

    /// Did any row of the table change in the column, appear or vanish?
    pub fn touches(&self, replica: &Replica, table: &str, column: &str) -> bool {
        let index = replica.table(table).and_then(|table| table.schema().column_index(column));
        index.is_some_and(|index| self.rows(table).any(|(_, change)| change.columns().any(|at| at == index)))
    }

    fn record(&mut self, table: &str, uuid: Uuid, old: Option<Row>, new: Option<Row>) {
        if old == new {
            return;
        }
        self.tables.entry(table.to_string()).or_default().insert(uuid, RowChange { old, new });
    }
}

impl RowChange {
    /// Indexes of the columns that differ; for a row that appeared or vanished, all of them.
    pub fn columns(&self) -> impl Iterator<Item = usize> {
        let count = self.old.as_ref().or(self.new.as_ref()).map_or(0, |row| row.values().len());
        (0..count).filter(|at| match (&self.old, &self.new) {
            (Some(old), Some(new)) => old.values()[*at] != new.values()[*at],
            _ => true,
        })
    }
}

impl Replica {
    /// Applies `<table-updates>` of `monitor` and `update`.
    pub fn apply_update(&mut self, updates: &Value) -> Result<Changes> {
        self.apply(updates, |table, uuid, json| {
            let new = match json.get("new") {
                None | Some(Value::Null) => return Ok(None),
                Some(new) => object(new)?,
            };
            let mut values = match table.rows.get(&uuid) {
                Some(row) => row.values().to_vec(),
                None => table.default_row(uuid),
            };
            set_columns(table, &mut values, new)?;
            Ok(Some(Row::new(values)))
        })
    }

    /// Applies `<table-updates2>` of `monitor_cond`, `monitor_cond_since`, `update2` and `update3`.
    pub fn apply_update2(&mut self, updates: &Value) -> Result<Changes> {
        self.apply(updates, |table, uuid, json| {
            let Some((kind, body)) = object(json)?.iter().next() else {
                return Err(Error::syntax(Some(json), "<row-update2> has no member"));
            };
            match kind.as_str() {
                "delete" => Ok(None),
                "initial" | "insert" => {
                    let mut values = table.default_row(uuid);
                    set_columns(table, &mut values, object(body)?)?;
                    Ok(Some(Row::new(values)))
                }
                "modify" => {
                    let Some(row) = table.rows.get(&uuid) else {
                        return Err(Error::syntax(Some(json), format!("modification of missing row {uuid}")));
                    };
                    let mut values = row.values().to_vec();
                    for (name, diff) in object(body)? {
                        let Some(at) = table.schema().column_index(name) else { continue };
                        let kind = &table.schema().columns[at].kind;
                        values[at] = values[at].apply_diff(&read_diff(diff, kind)?, kind);
                    }
                    Ok(Some(Row::new(values)))
                }
                _ => Err(Error::syntax(Some(json), format!("unknown <row-update2> member \"{kind}\""))),
            }
        })
    }

    /// What turns `self` into `new`, which has the same tables.
    pub(super) fn difference(&self, new: &Replica) -> Changes {
        let mut changes = Changes::default();
        for (name, table) in &new.tables {
            let before = self.tables.get(name).map(|table| &table.rows);
            for (uuid, row) in &table.rows {
                let old = before.and_then(|rows| rows.get(uuid)).cloned();
                changes.record(name, *uuid, old, Some(row.clone()));
            }
        }
        for (name, table) in &self.tables {
            let after = new.tables.get(name).map(|table| &table.rows);
            for (uuid, row) in &table.rows {
                if !after.is_some_and(|rows| rows.contains_key(uuid)) {
                    changes.record(name, *uuid, Some(row.clone()), None);
                }
            }
        }
        changes
    }

    /// Works out every row's new state first, so that an error changes nothing.
    fn apply(
        &mut self,
        updates: &Value,
        new_row: impl Fn(&Table, Uuid, &Value) -> Result<Option<Row>>,
    ) -> Result<Changes> {
        let mut changes = Changes::default();
        for (name, rows) in object(updates)? {
            // A table that we did not ask for.
            let Some(table) = self.tables.get(name) else { continue };
            for (text, json) in object(rows)? {
                let uuid = parse_uuid(text)
                    .ok_or_else(|| Error::syntax(Some(json), format!("\"{text}\" is not a row's UUID")))?;
                let new = new_row(table, uuid, json)?;
                changes.record(name, uuid, table.rows.get(&uuid).cloned(), new);
            }
        }
        for (name, rows) in &changes.tables {
            let table = self.tables.get_mut(name).expect("only tables of ours were recorded");
            for (uuid, change) in rows {
                match &change.new {
                    Some(row) => table.rows.insert(*uuid, row.clone()),
                    None => table.rows.remove(uuid),
                };
            }
        }
        Ok(changes)
    }
}

fn set_columns(table: &Table, values: &mut [Datum], row: &Map<String, Value>) -> Result<()> {
    for (name, json) in row {
        // The server may know columns that the schema we were given lacked a moment ago; not ours to judge.
        let Some(at) = table.schema().column_index(name) else { continue };
        values[at] = Datum::from_json_unchecked(json, &table.schema().columns[at].kind, None)?;
    }
    Ok(())
}

/// A difference may hold more or fewer elements than the column may.
fn read_diff(json: &Value, kind: &crate::types::ColumnType) -> Result<Datum> {
    if kind.max == 1 {
        return Datum::from_json_unchecked(json, kind, None);
    }
    let mut wide = kind.clone();
    (wide.min, wide.max) = (0, crate::types::UNLIMITED);
    Datum::from_json_unchecked(json, &wide, None)
}

fn object(json: &Value) -> Result<&Map<String, Value>> {
    json.as_object().ok_or_else(|| Error::syntax(Some(json), "object expected"))
}
