//! What: the copy itself: tables of rows.
//!
//! Invariants: a row has one datum for each column of its table's schema; columns that were not selected hold
//! their default.

use crate::atom::{Atom, Uuid};
use crate::datum::Datum;
use crate::schema::{DatabaseSchema, N_IMPLICIT, TableSchema};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which tables and columns to copy.
#[derive(Clone, Debug, Default)]
pub struct Select {
    everything: bool,
    tables: BTreeMap<String, Option<Vec<String>>>,
    chooser: Option<Chooser>,
}

/// A choice that waits for the schema.
#[derive(Clone)]
struct Chooser(Arc<dyn Fn(&DatabaseSchema) -> Select + Send + Sync>);

impl std::fmt::Debug for Chooser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chooser")
    }
}

/// A snapshot of the selected part of a database.
#[derive(Clone, Debug)]
pub struct Replica {
    schema: Arc<DatabaseSchema>,
    pub(super) tables: BTreeMap<String, Table>,
}

/// The rows of one table.
#[derive(Clone, Debug)]
pub struct Table {
    schema: Arc<TableSchema>,
    selected: Vec<bool>,
    pub(super) rows: BTreeMap<Uuid, Row>,
}

/// One row's values, shared and immutable.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(Arc<[Datum]>);

/// A row with its identity and the meaning of its columns.
#[derive(Clone, Copy, Debug)]
pub struct RowRef<'a> {
    /// The row's table.
    pub table: &'a TableSchema,
    /// The row's identity.
    pub uuid: Uuid,
    /// The row's values.
    pub row: &'a Row,
}

impl Select {
    /// All columns of all tables.
    pub fn everything() -> Select {
        Select { everything: true, ..Select::default() }
    }

    /// What `choose` says once the server's schema is known, for names that only the schema can complete.
    pub fn chosen_by(choose: impl Fn(&DatabaseSchema) -> Select + Send + Sync + 'static) -> Select {
        Select { chooser: Some(Chooser(Arc::new(choose))), ..Select::default() }
    }

    /// Adds columns of a table; those that the server's schema lacks are left out silently.
    pub fn columns(mut self, table: &str, columns: &[&str]) -> Select {
        let columns = columns.iter().map(|column| column.to_string());
        if let Some(list) = self.tables.entry(table.to_string()).or_insert(Some(Vec::new())) {
            list.extend(columns);
        }
        self
    }

    /// Adds all columns of a table.
    pub fn table(mut self, table: &str) -> Select {
        self.tables.insert(table.to_string(), None);
        self
    }

    fn has_table(&self, table: &str) -> bool {
        self.everything || self.tables.contains_key(table)
    }

    fn has_column(&self, table: &str, column: &str) -> bool {
        self.everything
            || match self.tables.get(table) {
                Some(Some(columns)) => columns.iter().any(|name| name == column),
                Some(None) => true,
                None => false,
            }
    }
}

impl Replica {
    /// An empty copy of what `select` asks for and `schema` has.
    pub fn new(schema: Arc<DatabaseSchema>, select: &Select) -> Replica {
        let chosen = select.chooser.as_ref().map(|chooser| chooser.0(&schema));
        let select = chosen.as_ref().unwrap_or(select);
        let tables = schema.tables.iter().filter(|(name, _)| select.has_table(name));
        let tables = tables
            .map(|(name, table)| {
                let selected = table.columns.iter().enumerate();
                let selected = selected.map(|(i, column)| i >= N_IMPLICIT && select.has_column(name, &column.name));
                let selected = selected.collect();
                (name.clone(), Table { schema: table.clone(), selected, rows: BTreeMap::new() })
            })
            .collect();
        Replica { schema, tables }
    }

    /// The server's schema.
    pub fn schema(&self) -> &Arc<DatabaseSchema> {
        &self.schema
    }

    /// A selected table.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// All selected tables by name.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &Table)> {
        self.tables.iter().map(|(name, table)| (name.as_str(), table))
    }

    /// The rows of a table; none if it is not selected or does not exist.
    pub fn rows(&self, table: &str) -> impl Iterator<Item = RowRef<'_>> {
        self.tables.get(table).into_iter().flat_map(Table::rows)
    }

    /// One row.
    pub fn row(&self, table: &str, uuid: Uuid) -> Option<RowRef<'_>> {
        self.tables.get(table)?.row(uuid)
    }

    /// The same tables without rows.
    pub(super) fn emptied(&self) -> Replica {
        let mut copy = self.clone();
        copy.tables.values_mut().for_each(|table| table.rows.clear());
        copy
    }
}

impl Table {
    /// What the columns mean.
    pub fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    /// Names of the columns that are copied.
    pub fn selected(&self) -> impl Iterator<Item = &str> {
        let columns = self.schema.columns.iter().zip(&self.selected);
        columns.filter(|(_, selected)| **selected).map(|(column, _)| column.name.as_str())
    }

    /// Is the column copied?
    pub fn is_selected(&self, column: usize) -> bool {
        self.selected.get(column).copied().unwrap_or(false)
    }

    /// The rows by identity.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = RowRef<'_>> {
        self.rows.iter().map(|(uuid, row)| RowRef { table: &self.schema, uuid: *uuid, row })
    }

    /// One row.
    pub fn row(&self, uuid: Uuid) -> Option<RowRef<'_>> {
        self.rows.get(&uuid).map(|row| RowRef { table: &self.schema, uuid, row })
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// No rows?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A row with default values.
    pub(super) fn default_row(&self, uuid: Uuid) -> Vec<Datum> {
        default_row(&self.schema, uuid)
    }
}

/// A row of `schema` before anybody sets anything.
pub(super) fn default_row(schema: &TableSchema, uuid: Uuid) -> Vec<Datum> {
    let mut values: Vec<Datum> = schema.columns.iter().map(|column| Datum::default_for(&column.kind)).collect();
    values[crate::schema::COL_UUID] = Datum::One(Atom::Uuid(uuid));
    values
}

impl Row {
    pub(super) fn new(values: Vec<Datum>) -> Row {
        Row(values.into())
    }

    /// One datum for each column of the table's schema.
    pub fn values(&self) -> &[Datum] {
        &self.0
    }
}

impl<'a> RowRef<'a> {
    /// A column's value; `None` if the schema has no such column.
    pub fn get(&self, column: &str) -> Option<&'a Datum> {
        Some(&self.row.0[self.table.column_index(column)?])
    }

    /// A string, or an optional string that is there.
    pub fn str(&self, column: &str) -> Option<&'a str> {
        self.get(column)?.as_str()
    }

    /// An integer, or an optional integer that is there.
    pub fn int(&self, column: &str) -> Option<i64> {
        self.get(column)?.as_integer()
    }

    /// A boolean, or an optional boolean that is there.
    pub fn bool(&self, column: &str) -> Option<bool> {
        self.get(column)?.as_bool()
    }

    /// The references, or other UUIDs, in a set.
    pub fn uuids(&self, column: &str) -> impl Iterator<Item = Uuid> + use<'a> {
        self.get(column).into_iter().flat_map(|datum| datum.atoms()).filter_map(Atom::as_uuid)
    }

    /// The value under a key of a map of strings.
    pub fn map_str(&self, column: &str, key: &str) -> Option<&'a str> {
        self.get(column)?.get_str(key)
    }
}
