//! Rows as another server has them: `<table-updates>` and `<table-updates2>` turned into changes of our own tables.
//!
//! Why: a backup and a relay both copy a database from a server that they monitor. The monitor's reply says how the
//! tables are ([`contents`], which also takes out what is not in it), its notifications what has changed ([`updates`]).

use crate::table::Table;
use serde_json::Value;
use std::collections::BTreeSet;
use weft_ovsdb::atom::parse_uuid;
use weft_ovsdb::schema::COL_UUID;
use weft_ovsdb::{DatabaseSchema, Datum, Error, Result, TableSchema, Uuid};

/// What becomes of a row.
#[derive(Clone, Debug)]
pub enum RowUpdate {
    /// It is this, whether or not it was there; columns that are not named hold their defaults.
    Is(Vec<(usize, Datum)>),
    /// Some columns change by these differences.
    Changes(Vec<(usize, Datum)>),
    /// It is gone.
    Gone,
}

/// A row, by its table's index and its UUID, and what becomes of it.
pub type Update = (usize, Uuid, RowUpdate);

/// What notifications say. `diffs`: as `update2` and `update3` do, else as `update`.
pub fn updates(schema: &DatabaseSchema, json: &Value, diffs: bool) -> Result<Vec<Update>> {
    let mut found = Vec::new();
    for (name, rows) in object(json)? {
        let table = schema.table(name).ok_or_else(|| Error::syntax(None, format!("no table named {name}")))?;
        for (uuid, row) in object(rows)? {
            let id = parse_uuid(uuid).ok_or_else(|| Error::syntax(Some(row), format!("bad row UUID {uuid}")))?;
            let update = if diffs { update2(table, row)? } else { update1(table, row)? };
            found.push((table.index, id, update));
        }
    }
    Ok(found)
}

/// What makes the tables, but for those left out, equal to what a monitor's first reply says.
pub fn contents(
    schema: &DatabaseSchema,
    tables: &[Table],
    json: &Value,
    diffs: bool,
    left_out: &BTreeSet<String>,
) -> Result<Vec<Update>> {
    let mut found = updates(schema, json, diffs)?;
    let there: BTreeSet<(usize, Uuid)> = found.iter().map(|(table, id, _)| (*table, *id)).collect();
    for (t, table) in tables.iter().enumerate().filter(|(_, table)| !left_out.contains(&table.schema.name)) {
        let ours = table.rows().map(|row| row.uuid()).filter(|id| !there.contains(&(t, *id)));
        found.extend(ours.map(|id| (t, id, RowUpdate::Gone)));
    }
    Ok(found)
}

/// `{"old": ROW, "new": ROW}`; the new row is whole.
fn update1(table: &TableSchema, json: &Value) -> Result<RowUpdate> {
    match json.get("new") {
        Some(new) => Ok(RowUpdate::Is(values(table, new, false)?)),
        None => Ok(RowUpdate::Gone),
    }
}

/// One of `initial`, `insert`, `modify` and `delete`.
fn update2(table: &TableSchema, json: &Value) -> Result<RowUpdate> {
    let members = object(json)?;
    match members.iter().next().map(|(kind, row)| (kind.as_str(), row)) {
        Some(("initial" | "insert", row)) => Ok(RowUpdate::Is(values(table, row, false)?)),
        Some(("modify", row)) => Ok(RowUpdate::Changes(values(table, row, true)?)),
        Some(("delete", _)) => Ok(RowUpdate::Gone),
        _ => Err(Error::syntax(Some(json), "row update must be initial, insert, modify or delete")),
    }
}

fn values(table: &TableSchema, json: &Value, diffs: bool) -> Result<Vec<(usize, Datum)>> {
    let mut found = Vec::new();
    for (name, value) in object(json)? {
        let Some(column) = table.column_index(name) else {
            return Err(Error::syntax(Some(json), format!("no column {name} in table {}", table.name)));
        };
        if column == COL_UUID {
            continue;
        }
        let kind = &table.columns[column].kind;
        let value = match diffs {
            true => Datum::diff_from_json(value, kind)?,
            false => Datum::from_json_unchecked(value, kind, None)?,
        };
        found.push((column, value));
    }
    Ok(found)
}

fn object(json: &Value) -> Result<&serde_json::Map<String, Value>> {
    json.as_object().ok_or_else(|| Error::syntax(Some(json), "object expected"))
}
