//! What: the operations that undo a commit, and what stands in their way.
//!
//! How: a commit changed cells: a column of at most one element, one element of a set, one key of a map. A cell is put
//! back if it still is as the commit left it. So a port that was added can be taken away again although other
//! ports came later; a tag that somebody else has set since is a conflict. Rows that went come back under their old
//! UUID, so references to them mean the same. What the switch reports by itself is no cell: it changes all the time.
//!
//! Invariants: pure; the operations, executed at once, cannot meet a conflict that was not found here, except for the
//! schema's own rules (references, indexes, maxRows), which the transaction checks.

use super::delta::{Delta, What};
use crate::table::Table;
use serde_json::{Map, Value, json};
use weft_ovsdb::open_vswitch::is_reported;
use weft_ovsdb::{Atom, ColumnSchema, Datum, TableSchema, Uuid};

/// See [`undo`].
#[derive(Clone, Debug, Default)]
pub struct Undo {
    /// What to do.
    pub operations: Vec<Value>,
    /// What is not as the commit left it, and therefore not among the operations.
    pub conflicts: Vec<Conflict>,
}

/// Something that changed since.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// The table's index.
    pub table: usize,
    /// The row.
    pub uuid: Uuid,
    /// The column, unless it is about the whole row.
    pub column: Option<usize>,
    /// What happened, for people: `Port eth1: tag was 10 and is 20 now`.
    pub text: String,
}

/// What undoes these deltas, as things are now.
pub fn undo(tables: &[Table], deltas: &[Delta]) -> Undo {
    let mut undo = Undo::default();
    let (gone, rest): (Vec<&Delta>, Vec<&Delta>) = deltas.iter().partition(|delta| delta.what == What::Delete);
    // Rows come back first, so that what follows may refer to them.
    gone.into_iter().for_each(|delta| undo.bring_back(tables, delta));
    rest.iter().filter(|delta| delta.what == What::Modify).for_each(|delta| undo.put_back(tables, delta));
    rest.iter().filter(|delta| delta.what == What::Insert).for_each(|delta| undo.take_away(tables, delta));
    undo
}

impl Undo {
    fn bring_back(&mut self, tables: &[Table], delta: &Delta) {
        let table = &tables[delta.table];
        if table.get(delta.uuid).is_some() {
            return self.conflict(tables, delta, None, "is there again");
        }
        let cells = delta.cells.iter().filter(|cell| is_cell(&table.schema, cell.column));
        let row: Map<String, Value> =
            cells.map(|cell| (table.schema.columns[cell.column].name.clone(), cell.old.to_json())).collect();
        let uuid = delta.uuid.to_string();
        self.operations.push(json!({"op": "insert", "table": table.schema.name, "uuid": uuid, "row": row}));
    }

    fn put_back(&mut self, tables: &[Table], delta: &Delta) {
        let table = &tables[delta.table];
        let Some(row) = table.get(delta.uuid) else {
            if delta.cells.iter().any(|cell| is_cell(&table.schema, cell.column)) {
                self.conflict(tables, delta, None, "is gone");
            }
            return;
        };
        let mut values = Map::new();
        for cell in delta.cells.iter().filter(|cell| is_cell(&table.schema, cell.column)) {
            let column = &table.schema.columns[cell.column];
            match restored(column, &cell.old, &cell.new, &row[cell.column]) {
                Ok(value) if value == row[cell.column] => {}
                Ok(value) => drop(values.insert(column.name.clone(), value.to_json())),
                Err(text) => self.conflict(tables, delta, Some(cell.column), &text),
            }
        }
        if !values.is_empty() {
            let id = json!([["_uuid", "==", ["uuid", delta.uuid.to_string()]]]);
            self.operations.push(json!({"op": "update", "table": table.schema.name, "where": id, "row": values}));
        }
    }

    fn take_away(&mut self, tables: &[Table], delta: &Delta) {
        let table = &tables[delta.table];
        let Some(row) = table.get(delta.uuid) else { return self.conflict(tables, delta, None, "is gone already") };
        let before = self.conflicts.len();
        for (c, column) in table.schema.columns.iter().enumerate().filter(|(c, _)| is_cell(&table.schema, *c)) {
            let left = delta.cells.iter().find(|cell| cell.column == c).map(|cell| cell.new.clone());
            let left = left.unwrap_or_else(|| Datum::default_for(&column.kind));
            if row[c] != left {
                let text = format!("{} was {} and is {} now", column.name, left.to_text(), row[c].to_text());
                self.conflict(tables, delta, Some(c), &text);
            }
        }
        if self.conflicts.len() == before {
            let id = json!([["_uuid", "==", ["uuid", delta.uuid.to_string()]]]);
            self.operations.push(json!({"op": "delete", "table": table.schema.name, "where": id}));
        }
    }

    fn conflict(&mut self, tables: &[Table], delta: &Delta, column: Option<usize>, what: &str) {
        let table = &tables[delta.table];
        let named = table.get(delta.uuid).and_then(|row| name_in(&table.schema, |c| Some(&row[c])));
        let named = named.or_else(|| name_of(&table.schema, delta));
        let name = named.unwrap_or_else(|| delta.uuid.to_string());
        let colon = if column.is_some() { ":" } else { "" };
        let text = format!("{} {name}{colon} {what}", table.schema.name);
        self.conflicts.push(Conflict { table: delta.table, uuid: delta.uuid, column, text });
    }
}

/// The value with what the commit did taken back, or why that cannot be.
fn restored(column: &ColumnSchema, old: &Datum, new: &Datum, now: &Datum) -> Result<Datum, String> {
    let name = &column.name;
    match (old, new, now) {
        (Datum::Map(_), Datum::Map(_), Datum::Map(_)) => {
            let mut pairs: Vec<(Atom, Atom)> = now.pairs().to_vec();
            let keys = old.keys().chain(new.keys()).filter(|key| old.get(key) != new.get(key));
            for key in keys {
                if now.get(key) != new.get(key) {
                    let text = |atom: Option<&Atom>| atom.map_or("unset".to_owned(), Atom::to_text);
                    let (was, is) = (text(new.get(key)), text(now.get(key)));
                    return Err(format!("{name}:{} was {was} and is {is} now", key.to_text()));
                }
                pairs.retain(|(other, _)| other != key);
                pairs.extend(old.get(key).map(|value| (key.clone(), value.clone())));
            }
            Ok(Datum::map_of(pairs))
        }
        _ if column.kind.max == 1 => match now == new {
            true => Ok(old.clone()),
            false => Err(format!("{name} was {} and is {} now", new.to_text(), now.to_text())),
        },
        _ => {
            let (added, removed) = (new.subtract(old), old.subtract(new));
            if !now.includes(&added) {
                return Err(format!("{name} has lost some of {} since", added.to_text()));
            }
            if !now.excludes(&removed) {
                return Err(format!("{name} has some of {} again", removed.to_text()));
            }
            Ok(now.subtract(&added).union(&removed))
        }
    }
}

/// How people name a row, from the columns that the delta has.
pub(crate) fn name_of(schema: &TableSchema, delta: &Delta) -> Option<String> {
    name_in(schema, |column| {
        let cell = delta.cells.iter().find(|cell| cell.column == column)?;
        Some(if delta.what == What::Delete { &cell.old } else { &cell.new })
    })
}

/// How people name a row, from its columns.
pub(crate) fn name_in<'a>(schema: &TableSchema, get: impl Fn(usize) -> Option<&'a Datum>) -> Option<String> {
    let columns = ["name", "target"].iter().filter_map(|name| schema.column_index(name));
    columns.filter_map(get).find_map(|datum| datum.as_str().filter(|name| !name.is_empty()).map(str::to_owned))
}

fn is_cell(schema: &TableSchema, column: usize) -> bool {
    let of = &schema.columns[column];
    column >= weft_ovsdb::schema::N_IMPLICIT && of.persistent && !is_reported(&schema.name, &of.name)
}
