//! What the checks at the end of a transaction say when they fail, in the words that users know.

use crate::table::{Row, RowId, Table};
use crate::txn::Txn;
use weft_ovsdb::schema::N_IMPLICIT;
use weft_ovsdb::{Datum, Error, Uuid};

pub(super) fn dangling(table: &Table, row: &Row, target: RowId, tables: &[Table]) -> Error {
    let holds = |&&c: &&usize| {
        row[c].keys().any(|k| k.as_uuid() == Some(target.1))
            || row[c].pairs().iter().any(|(_, v)| v.as_uuid() == Some(target.1))
    };
    let column = table.strong_columns.iter().find(holds).copied().unwrap_or_default();
    dangling_in(table, column, row, target, tables)
}

pub(super) fn dangling_in(table: &Table, column: usize, row: &Row, target: RowId, tables: &[Table]) -> Error {
    Error::new(
        "referential integrity violation",
        format!(
            "Table {} column {} row {} references nonexistent row {} in table {}.",
            table.schema.name,
            table.schema.columns[column].name,
            row.uuid(),
            target.1,
            tables[target.0].schema.name
        ),
    )
}

/// The message about a column that may not be empty but lost all its weak references.
pub(super) fn emptied(table: &Table, column: usize, uuid: Uuid, value: &Datum, inserted: bool) -> Error {
    let zero = value.keys().any(|k| k.as_uuid().is_some_and(|u| u.is_nil()))
        || value.pairs().iter().any(|(_, v)| v.as_uuid().is_some_and(|u| u.is_nil()));
    let within = if inserted { " (inserted within this transaction)" } else { "" };
    let (table, column) = (&table.schema.name, &table.schema.columns[column].name);
    Error::constraint(if zero {
        format!(
            "Weak reference column \"{column}\" in \"{table}\" row {uuid}{within} contained all-zeros UUID (probably \
             as the default value for this column) but deleting this value caused a constraint volation because this \
             column is not allowed to be empty."
        )
    } else {
        format!(
            "Deletion of {} weak reference(s) to deleted (or never-existing) rows from column \"{column}\" in \
             \"{table}\" row {uuid}{within} caused this column to become empty, but constraints on this column \
             disallow an empty column.",
            value.len()
        )
    })
}

pub(super) fn duplicate_key(table: &Table, index: usize, new: &Row, other: &Row, txn: &Txn) -> Error {
    let columns = table.index_columns(index);
    // Which row comes first must not depend on their random identities: the one with the greater values does.
    let own = |row: &Row| row.columns()[N_IMPLICIT..].to_vec();
    let (first, second) = if own(other) > own(new) { (other, new) } else { (new, other) };
    let name = |&c: &usize| format!("\"{}\"", table.schema.columns[c].name);
    let key = |row: &Row| columns.iter().map(|&c| row[c].to_text()).collect::<Vec<_>>().join(", ");
    let history = |row: &Row| {
        let at = (table.schema.index, row.uuid());
        match (txn.existed(at), txn.old(at)) {
            (None, _) => {
                "existed in the database before this transaction and was not modified by the transaction".into()
            }
            (Some(false), _) => "was inserted by this transaction".to_string(),
            (Some(true), Some(old)) if columns.iter().all(|&c| old[c] == row[c]) => {
                "existed in the database before this transaction, which modified some of the row's columns but not \
                 any columns in this index"
                    .into()
            }
            (Some(true), Some(old)) => format!("had the following index values before the transaction: {}", key(old)),
            (Some(true), None) => "changed".into(),
        }
    };
    let names = columns.iter().map(name).collect::<Vec<_>>();
    let names = match names.as_slice() {
        [one] => format!("column {one}"),
        [some @ .., last] => format!("columns {} and {last}", some.join(", ")),
        [] => String::new(),
    };
    Error::constraint(format!(
        "Transaction causes multiple rows in \"{}\" table to have identical values ({}) for index on {names}.  First \
         row, with UUID {}, {}.  Second row, with UUID {}, {}.",
        table.schema.name,
        key(new),
        first.uuid(),
        history(first),
        second.uuid(),
        history(second),
    ))
}
