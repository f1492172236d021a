//! Schemas: databases, tables and columns (RFC 7047 section 3.2, ovsdb(7)).
//!
//! Columns have a fixed index. Index 0 and 1 are always `_uuid` and `_version`, which every table has and no schema
//! lists; then come the schema's columns in order of name. A row of the server or of a replica is a slice with one
//! datum for each index.

use crate::atom::AtomType;
use crate::error::{Error, Result};
use crate::json::{Members, as_id, as_integer, is_id};
use crate::types::{BaseType, ColumnType, Constraint, UNLIMITED};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The index of `_uuid` in every table.
pub const COL_UUID: usize = 0;
/// The index of `_version` in every table.
pub const COL_VERSION: usize = 1;
/// How many columns every table has beside the schema's.
pub const N_IMPLICIT: usize = 2;

/// A whole database's schema.
#[derive(Clone, Debug, PartialEq)]
pub struct DatabaseSchema {
    /// The name that requests use.
    pub name: String,
    /// `x.y.z`; very old schemas have none.
    pub version: Option<String>,
    /// A checksum that only schema authors look at.
    pub cksum: Option<String>,
    /// The tables by name.
    pub tables: BTreeMap<String, Arc<TableSchema>>,
}

/// A table's schema.
#[derive(Clone, Debug, PartialEq)]
pub struct TableSchema {
    /// The table's name.
    pub name: String,
    /// The table's place among the database's tables in order of name.
    pub index: usize,
    /// All columns by index: `_uuid`, `_version`, then the schema's in order of name.
    pub columns: Vec<ColumnSchema>,
    /// Whether clients may change the table at all (only internal tables may not).
    pub mutable: bool,
    /// Whether rows live without being referred to. Use [`DatabaseSchema::is_root`] for the effective answer.
    pub is_root: bool,
    /// At most so many rows; [`UNLIMITED`] for any number.
    pub max_rows: u32,
    /// Groups of column indexes whose values together are unique among the rows.
    pub indexes: Vec<Vec<usize>>,
}

/// A column's schema.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnSchema {
    /// The column's name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnType,
    /// Whether it may change after the row's insertion.
    pub mutable: bool,
    /// Whether it is written to the log.
    pub persistent: bool,
}

impl DatabaseSchema {
    /// Reads a `<database-schema>`.
    pub fn from_json(json: &Value) -> Result<DatabaseSchema> {
        let mut members = Members::new(json, &"database schema")?;
        let name = members.required_as("name", as_id)?.to_owned();
        let version = members.optional_as("version", Value::as_str)?.map(str::to_owned);
        let cksum = members.optional_as("cksum", Value::as_str)?.map(str::to_owned);
        let tables_json = members.required_as("tables", Value::as_object)?;
        members.finish()?;
        if let Some(version) = &version
            && !is_version(version)
        {
            return Err(Error::syntax(Some(json), format!("schema version \"{version}\" not in format x.y.z")));
        }
        let mut tables = BTreeMap::new();
        for (name, table) in tables_json {
            check_name(name, json)?;
            tables.insert(name.clone(), Arc::new(TableSchema::from_json(table, name)?));
        }
        for (index, table) in tables.values_mut().enumerate() {
            Arc::make_mut(table).index = index;
        }
        if tables.values().all(|table| table.is_root) {
            // Marks on every table say what none would.
            tables.values_mut().for_each(|table| Arc::make_mut(table).is_root = false);
        }
        let mut schema = DatabaseSchema { name, version, cksum, tables };
        schema.check_references()?;
        Ok(schema)
    }

    /// Reads a `<database-schema>` from text.
    pub fn from_text(text: &str) -> Result<DatabaseSchema> {
        let json = serde_json::from_str(text).map_err(|e| Error::syntax(None, format!("invalid JSON: {e}")))?;
        DatabaseSchema::from_json(&json)
    }

    /// The `<database-schema>`, without what is default.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("name".into(), self.name.clone().into());
        for (name, text) in [("version", &self.version), ("cksum", &self.cksum)] {
            if let Some(text) = text {
                object.insert(name.into(), text.clone().into());
            }
        }
        let default_root = self.all_are_roots();
        let tables = self.tables.iter().map(|(name, table)| (name.clone(), table.to_json(default_root))).collect();
        object.insert("tables".into(), Value::Object(tables));
        Value::Object(object)
    }

    /// The table of that name.
    pub fn table(&self, name: &str) -> Option<&Arc<TableSchema>> {
        self.tables.get(name)
    }

    /// Whether rows of `table` live without being referred to. In a schema that marks no table as root, all do.
    pub fn is_root(&self, table: &TableSchema) -> bool {
        table.is_root || self.all_are_roots()
    }

    fn all_are_roots(&self) -> bool {
        !self.tables.values().any(|t| t.is_root)
    }

    /// References must name tables; a column with weak references is mutable, since deletions change it.
    fn check_references(&mut self) -> Result<()> {
        let names: Vec<String> = self.tables.keys().cloned().collect();
        for table in self.tables.values_mut() {
            for column in &mut Arc::make_mut(table).columns {
                let ColumnType { key, value, .. } = &column.kind;
                for (what, base) in [("key", Some(key)), ("value", value.as_ref())] {
                    if let Some(target) = base.and_then(BaseType::ref_table)
                        && !names.iter().any(|n| n == target)
                    {
                        let text = format!("column {} {what} refers to undefined table {target}", column.name);
                        return Err(Error::syntax(None, text));
                    }
                }
                column.mutable |= column.kind.has_weak();
            }
        }
        Ok(())
    }
}

impl TableSchema {
    /// A table with `columns`, which may come in any order, and nothing special about it.
    pub fn new(name: impl Into<String>, mut columns: Vec<ColumnSchema>) -> TableSchema {
        columns.sort_by(|a, b| a.name.cmp(&b.name));
        let implicit = |name: &str| ColumnSchema {
            name: name.into(),
            kind: ColumnType::scalar(BaseType { kind: AtomType::Uuid, constraint: Constraint::None }),
            mutable: false,
            persistent: name == "_uuid",
        };
        columns.splice(0..0, [implicit("_uuid"), implicit("_version")]);
        TableSchema {
            name: name.into(),
            index: 0,
            columns,
            mutable: true,
            is_root: false,
            max_rows: UNLIMITED,
            indexes: Vec::new(),
        }
    }

    /// Reads a `<table-schema>`.
    pub fn from_json(json: &Value, name: &str) -> Result<TableSchema> {
        let what = format!("table schema for table {name}");
        let mut members = Members::new(json, &what)?;
        let columns_json = members.required_as("columns", Value::as_object)?;
        let mutable = members.optional_as("mutable", Value::as_bool)?;
        let max_rows = members.optional_as("maxRows", as_integer)?;
        let is_root = members.optional_as("isRoot", Value::as_bool)?;
        let indexes_json = members.optional_as("indexes", Value::as_array)?;
        members.finish()?;
        let max_rows = match max_rows {
            None => UNLIMITED,
            Some(n) if n <= 0 => return Err(Error::syntax(Some(json), "maxRows must be at least 1")),
            Some(n) => u32::try_from(n).unwrap_or(UNLIMITED),
        };
        if columns_json.is_empty() {
            return Err(Error::syntax(Some(json), "table must have at least one column"));
        }
        let mut columns = Vec::new();
        for (column_name, column) in columns_json {
            check_name(column_name, json)?;
            columns.push(ColumnSchema::from_json(column, column_name)?);
        }
        let mut table = TableSchema::new(name, columns);
        table.mutable = mutable.unwrap_or(true);
        table.is_root = is_root.unwrap_or(false);
        table.max_rows = max_rows;
        for index in indexes_json.into_iter().flatten() {
            let columns = table.column_set(index)?;
            if columns.is_empty() {
                return Err(Error::syntax(Some(json), "index must have at least one column"));
            }
            if let Some(&ephemeral) = columns.iter().find(|&&c| !table.columns[c].persistent) {
                let name = &table.columns[ephemeral].name;
                let text = format!("ephemeral columns (such as {name}) may not be indexed");
                return Err(Error::syntax(Some(json), text));
            }
            table.indexes.push(columns);
        }
        Ok(table)
    }

    /// The `<table-schema>`; `default_root` as when every table is a root and none needs to say so.
    fn to_json(&self, default_root: bool) -> Value {
        let mut object = Map::new();
        if !self.mutable {
            object.insert("mutable".into(), false.into());
        }
        let columns = self.columns.iter().skip(N_IMPLICIT).map(|c| (c.name.clone(), c.to_json())).collect();
        object.insert("columns".into(), Value::Object(columns));
        if self.max_rows != UNLIMITED {
            object.insert("maxRows".into(), self.max_rows.into());
        }
        if self.is_root && !default_root {
            object.insert("isRoot".into(), true.into());
        }
        if !self.indexes.is_empty() {
            let names = |index: &Vec<usize>| index.iter().map(|&c| self.columns[c].name.clone().into()).collect();
            object
                .insert("indexes".into(), Value::Array(self.indexes.iter().map(|i| Value::Array(names(i))).collect()));
        }
        Value::Object(object)
    }

    /// The index of the column of that name.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        match name {
            "_uuid" => Some(COL_UUID),
            "_version" => Some(COL_VERSION),
            _ => {
                let own = &self.columns[N_IMPLICIT..];
                own.binary_search_by(|c| c.name.as_str().cmp(name)).ok().map(|i| i + N_IMPLICIT)
            }
        }
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnSchema> {
        self.column_index(name).map(|i| &self.columns[i])
    }

    /// Reads a JSON array of distinct names of columns, as indexes of columns in the order given.
    pub fn column_set(&self, json: &Value) -> Result<Vec<usize>> {
        let distinct = || Error::syntax(Some(json), "array of distinct column names expected");
        let mut columns = Vec::new();
        for item in json.as_array().ok_or_else(distinct)? {
            let name = item.as_str().ok_or_else(distinct)?;
            let text = || format!("{name} is not a valid column name");
            let column = self.column_index(name).ok_or_else(|| Error::syntax(Some(json), text()))?;
            if columns.contains(&column) {
                return Err(distinct());
            }
            columns.push(column);
        }
        Ok(columns)
    }
}

impl ColumnSchema {
    /// A mutable, persistent column.
    pub fn new(name: impl Into<String>, kind: ColumnType) -> ColumnSchema {
        ColumnSchema { name: name.into(), kind, mutable: true, persistent: true }
    }

    /// Reads a `<column-schema>`.
    pub fn from_json(json: &Value, name: &str) -> Result<ColumnSchema> {
        let what = format!("schema for column {name}");
        let mut members = Members::new(json, &what)?;
        let mutable = members.optional_as("mutable", Value::as_bool)?;
        let ephemeral = members.optional_as("ephemeral", Value::as_bool)?;
        let kind = members.required_as("type", |v| if v.is_string() || v.is_object() { Some(v) } else { None })?;
        members.finish()?;
        Ok(ColumnSchema {
            name: name.into(),
            kind: ColumnType::from_json(kind)?,
            mutable: mutable.unwrap_or(true),
            persistent: !ephemeral.unwrap_or(false),
        })
    }

    /// The `<column-schema>`.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("type".into(), self.kind.to_json());
        if !self.mutable {
            object.insert("mutable".into(), false.into());
        }
        if !self.persistent {
            object.insert("ephemeral".into(), true.into());
        }
        Value::Object(object)
    }
}

fn check_name(name: &str, json: &Value) -> Result<()> {
    if name.starts_with('_') {
        return Err(Error::syntax(Some(json), "names beginning with \"_\" are reserved"));
    }
    if is_id(name) { Ok(()) } else { Err(Error::syntax(Some(json), "name must be a valid id")) }
}

fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 3 && parts.iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
}
