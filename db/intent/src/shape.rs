//! What: how the words of a document map to the schema of database `Open_vSwitch`.
//!
//! A row is a table of the document; its keys are the names of columns, with `-` for `_` allowed. Rows that the
//! schema refers to are tables inside it:
//!
//! | document | rows |
//! |---|---|
//! | top level | the one row of Open_vSwitch |
//! | `bridges.NAME` | Bridge by `name`; its local port comes with it |
//! | `bridges.BR.ports.NAME` | Port by `name`; without `interfaces` it has one interface of its own name |
//! | `….ports.NAME.interface` | the columns of that one interface |
//! | `….ports.NAME.interfaces.NAME` | Interface by `name`, for bonds |
//! | `bridges.BR.controllers."TARGET"`, `managers."TARGET"` | Controller, Manager by `target` |
//! | `bridges.BR.mirrors.NAME` | Mirror by `name`; ports are given by name |
//! | `….qos`, `….qos.queues.N`, `bridges.BR.netflow`, `flow_tables.N`, `ssl`, `datapaths.TYPE`, … | the row that the column refers to |
//!
//! Invariants: what the switch reports is no setting.

use weft_ovsdb::{ColumnSchema, TableSchema};

/// The column by whose value people name the rows of a table.
pub fn name_column(table: &str) -> Option<&'static str> {
    match table {
        "Bridge" | "Port" | "Interface" | "Mirror" => Some("name"),
        "Controller" | "Manager" => Some("target"),
        _ => None,
    }
}

/// Whether that name is unique in the whole database, so that a row may move.
pub fn is_unique(table: &str) -> bool {
    matches!(table, "Bridge" | "Port" | "Interface" | "Manager")
}

/// The column that a word of a document means.
pub fn column<'a>(table: &'a TableSchema, word: &str) -> Option<&'a ColumnSchema> {
    let word = word.replace('-', "_");
    let name = match (table.name.as_str(), word.as_str()) {
        ("Open_vSwitch", "managers") => "manager_options",
        ("Bridge", "controllers") => "controller",
        (_, "_uuid" | "_version") => return None,
        (_, other) => other,
    };
    table.column(name)
}

/// The word of a document for a column.
pub fn word<'a>(table: &str, column: &'a str) -> &'a str {
    match (table, column) {
        ("Open_vSwitch", "manager_options") => "managers",
        ("Bridge", "controller") => "controllers",
        (_, other) => other,
    }
}

/// Whether the column says what shall be, not what is.
pub fn is_setting(table: &str, column: &ColumnSchema) -> bool {
    let reported = weft_ovsdb::open_vswitch::is_reported(table, &column.name);
    column.persistent && !reported && !matches!(column.name.as_str(), "_uuid" | "_version")
}
