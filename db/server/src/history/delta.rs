//! What: what a commit did to one row, free of the row itself: only columns that are kept on disk and differ.

use crate::table::Table;
use crate::txn::ChangeSet;
use serde_json::{Map, Value, json};
use weft_ovsdb::atom::parse_uuid;
use weft_ovsdb::operation::own_columns;
use weft_ovsdb::{DatabaseSchema, Datum, TableSchema, Uuid};

/// See the header of this file.
#[derive(Clone, Debug, PartialEq)]
pub struct Delta {
    /// The table's index.
    pub table: usize,
    /// The row.
    pub uuid: Uuid,
    /// What happened to it.
    pub what: What,
    /// Of a row that came or went: its columns that are not as by default.
    pub cells: Vec<Cell>,
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It came.
    Insert,
    /// It changed.
    Modify,
    /// It went.
    Delete,
}

/// One column of a row before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The column's index.
    pub column: usize,
    /// Before.
    pub old: Datum,
    /// After.
    pub new: Datum,
}

impl What {
    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            What::Insert => "insert",
            What::Modify => "modify",
            What::Delete => "delete",
        }
    }
}

/// The deltas of a change set, in order of table and UUID.
pub(super) fn of(tables: &[Table], set: &ChangeSet) -> Vec<Delta> {
    let mut deltas = Vec::new();
    for (table, rows) in &set.tables {
        let schema = &tables[*table].schema;
        for change in rows {
            let what = match (&change.old, &change.new) {
                (None, _) => What::Insert,
                (_, None) => What::Delete,
                _ => What::Modify,
            };
            let columns = own_columns(schema).filter(|&c| schema.columns[c].persistent);
            let cells = columns.filter_map(|column| {
                let side = |row: &Option<crate::table::Row>| match row {
                    Some(row) => row[column].clone(),
                    None => Datum::default_for(&schema.columns[column].kind),
                };
                let (old, new) = (side(&change.old), side(&change.new));
                (old != new).then_some(Cell { column, old, new })
            });
            let cells: Vec<Cell> = cells.collect();
            if what != What::Modify || !cells.is_empty() {
                deltas.push(Delta { table: *table, uuid: change.uuid(), what, cells });
            }
        }
    }
    deltas.sort_by_key(|delta| (delta.table, delta.uuid));
    deltas
}

impl Delta {
    /// `{"table":…, "uuid":…, "what":…, "old":{COLUMN: VALUE}, "new":{…}}`
    pub fn to_json(&self, tables: &[Table]) -> Value {
        let schema = &tables[self.table].schema;
        let side = |value: fn(&Cell) -> &Datum| -> Map<String, Value> {
            let name = |cell: &Cell| schema.columns[cell.column].name.clone();
            self.cells.iter().map(|cell| (name(cell), value(cell).to_json())).collect()
        };
        let mut json = json!({"table": schema.name, "uuid": self.uuid.to_string(), "what": self.what.word()});
        if self.what != What::Insert {
            json["old"] = Value::Object(side(|cell| &cell.old));
        }
        if self.what != What::Delete {
            json["new"] = Value::Object(side(|cell| &cell.new));
        }
        json
    }

    /// The same for a row of another schema; `None` if nothing is left of it.
    pub fn converted(&self, from: &TableSchema, to: &DatabaseSchema) -> Option<Delta> {
        let table = to.table(&from.name)?;
        let cells: Vec<Cell> = (self.cells.iter())
            .filter_map(|cell| {
                let column = table.column_index(&from.columns[cell.column].name)?;
                let value = |old: &Datum| Datum::from_json(&old.to_json(), &table.columns[column].kind, None).ok();
                Some(Cell { column, old: value(&cell.old)?, new: value(&cell.new)? })
            })
            .filter(|cell| cell.old != cell.new)
            .collect();
        let left = self.what != What::Modify || !cells.is_empty();
        left.then_some(Delta { table: table.index, uuid: self.uuid, what: self.what, cells })
    }

    /// Reads what [`Delta::to_json`] wrote; `None` if it does not fit the schema.
    pub fn from_json(json: &Value, schema: &DatabaseSchema) -> Option<Delta> {
        let table = schema.table(json.get("table")?.as_str()?)?;
        let what = match json.get("what")?.as_str()? {
            "insert" => What::Insert,
            "modify" => What::Modify,
            "delete" => What::Delete,
            _ => return None,
        };
        let side = |name: &str| json.get(name).and_then(Value::as_object);
        let names = side("old").or(side("new"))?.keys();
        let mut cells = Vec::new();
        for name in names {
            let column = table.column_index(name)?;
            let kind = &table.columns[column].kind;
            let value = |side: Option<&Map<String, Value>>| match side {
                None => Some(Datum::default_for(kind)),
                Some(side) => Datum::from_json_unchecked(side.get(name)?, kind, None).ok(),
            };
            cells.push(Cell { column, old: value(side("old"))?, new: value(side("new"))? });
        }
        Some(Delta { table: table.index, uuid: parse_uuid(json.get("uuid")?.as_str()?)?, what, cells })
    }
}
