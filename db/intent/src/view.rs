//! What: one way to read rows from what is and from what would be.

use std::collections::BTreeMap;
use weft_ovsdb::open_vswitch::OPEN_VSWITCH as ROOT;
use weft_ovsdb::replica::{Replica, Transaction};
use weft_ovsdb::{Atom, Datum, Uuid};

/// Rows of one state.
pub(crate) trait Rows {
    fn root(&self) -> Option<Uuid>;
    fn value(&self, table: &str, row: Uuid, column: &str) -> Option<&Datum>;
}

impl Rows for Replica {
    fn root(&self) -> Option<Uuid> {
        self.rows(ROOT).next().map(|row| row.uuid)
    }

    fn value(&self, table: &str, row: Uuid, column: &str) -> Option<&Datum> {
        self.row(table, row)?.get(column)
    }
}

impl Rows for Transaction<'_> {
    fn root(&self) -> Option<Uuid> {
        self.rows(ROOT).first().copied()
    }

    fn value(&self, table: &str, row: Uuid, column: &str) -> Option<&Datum> {
        self.get(table, row, column)
    }
}

/// The rows that a column refers to.
pub(crate) fn references(rows: &dyn Rows, table: &str, row: Uuid, column: &str) -> Vec<Uuid> {
    let datum = rows.value(table, row, column);
    datum.into_iter().flat_map(Datum::atoms).filter_map(Atom::as_uuid).collect()
}

/// The rows that a column refers to, by name.
pub(crate) fn named(
    rows: &dyn Rows,
    (table, row, column): (&str, Uuid, &str),
    (of, name): (&str, &str),
) -> BTreeMap<String, Uuid> {
    let members = references(rows, table, row, column).into_iter();
    members.filter_map(|member| Some((text(rows, of, member, name)?, member))).collect()
}

/// A text column.
pub(crate) fn text(rows: &dyn Rows, table: &str, row: Uuid, column: &str) -> Option<String> {
    rows.value(table, row, column)?.as_str().map(str::to_owned)
}
