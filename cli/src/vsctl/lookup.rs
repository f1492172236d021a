//! What: finding tables, columns and records by the names that users give them.
//!
//! Invariants: an exact name wins over an abbreviation; case and the difference of `-` and `_` do not matter.

use super::context::Context;
use crate::failure::{Failure, fail};
use std::sync::Arc;
use weft_ovsdb::schema::{COL_VERSION, DatabaseSchema};
use weft_ovsdb::{Atom, AtomType, TableSchema, Uuid};

/// The table that a name means.
pub fn table(schema: &DatabaseSchema, name: &str) -> Result<Arc<TableSchema>, Failure> {
    let names: Vec<&str> = schema.tables.keys().map(String::as_str).collect();
    match find(&names, name) {
        Found::One(at) => Ok(schema.tables[names[at]].clone()),
        Found::None => fail(format!("unknown table \"{name}\"")),
        Found::Many(list) => fail(format!("\"{name}\" matches multiple table names: {list}")),
    }
}

/// The index of the column that a name means; `_uuid` is not one of them.
pub fn column(table: &TableSchema, name: &str) -> Result<usize, Failure> {
    column_among(table, name, false)
}

/// The same with `_uuid`, for commands that only read.
pub fn column_or_uuid(table: &TableSchema, name: &str) -> Result<usize, Failure> {
    column_among(table, name, true)
}

fn column_among(table: &TableSchema, name: &str, uuid: bool) -> Result<usize, Failure> {
    let usable = |at: &usize| if uuid { *at != COL_VERSION } else { *at > COL_VERSION };
    let indexes: Vec<usize> = (0..table.columns.len()).filter(usable).collect();
    let names: Vec<&str> = indexes.iter().map(|at| table.columns[*at].name.as_str()).collect();
    let title = &table.name;
    match find(&names, name) {
        Found::One(at) => Ok(indexes[at]),
        Found::None => fail(format!("{title} does not contain a column whose name matches \"{name}\"")),
        Found::Many(list) => {
            fail(format!("{title} contains more than one column whose name matches \"{name}\": {list}"))
        }
    }
}

/// The record that a name means, `None` if there is none.
pub fn record_if_any(context: &Context<'_>, table: &TableSchema, name: &str) -> Result<Option<Uuid>, Failure> {
    if let Ok(uuid) = name.parse::<Uuid>()
        && name.len() == 36
        && context.tx.contains(&table.name, uuid)
    {
        return Ok(Some(uuid));
    }
    if name == "." {
        let rows = context.tx.rows(&table.name);
        return Ok(if rows.len() == 1 { Some(rows[0]) } else { None });
    }
    for way in WAYS.iter().filter(|way| way.table == table.name) {
        if let Some(uuid) = by_column(context, way, name)? {
            return Ok(Some(uuid));
        }
    }
    if name.len() >= 4 && name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        let name_lower = name.to_ascii_lowercase();
        let rows = context.tx.rows(&table.name);
        let mut matching = rows.into_iter().filter(|uuid| uuid.to_string().starts_with(&name_lower));
        if let (Some(one), None) = (matching.next(), matching.next()) {
            return Ok(Some(one));
        }
    }
    Ok(None)
}

/// The record that a name means.
pub fn record(context: &Context<'_>, table: &TableSchema, name: &str) -> Result<Uuid, Failure> {
    match record_if_any(context, table, name)? {
        Some(uuid) => Ok(uuid),
        None => fail(format!("no row \"{name}\" in table {}", table.name)),
    }
}

/// A way to name records of a table other than by UUID.
pub struct Way {
    /// Whose records.
    pub table: &'static str,
    /// The table whose `column` holds the name.
    pub name_table: &'static str,
    /// Which column holds the name.
    pub name_column: &'static str,
    /// The column of `name_table` that refers to `table`, if they differ.
    pub reference: Option<&'static str>,
}

const fn own(table: &'static str, column: &'static str) -> Way {
    Way { table, name_table: table, name_column: column, reference: None }
}

const fn via(table: &'static str, owner: &'static str, reference: &'static str) -> Way {
    Way { table, name_table: owner, name_column: "name", reference: Some(reference) }
}

/// Every way, by table.
pub const WAYS: &[Way] = &[
    via("AutoAttach", "Bridge", "auto_attach"),
    own("Bridge", "name"),
    via("Controller", "Bridge", "controller"),
    own("Flow_Sample_Collector_Set", "id"),
    own("Flow_Table", "name"),
    via("IPFIX", "Bridge", "ipfix"),
    own("Interface", "name"),
    own("Manager", "target"),
    own("Mirror", "name"),
    via("NetFlow", "Bridge", "netflow"),
    own("Port", "name"),
    via("QoS", "Port", "qos"),
    via("sFlow", "Bridge", "sflow"),
];

fn by_column(context: &Context<'_>, way: &Way, name: &str) -> Result<Option<Uuid>, Failure> {
    let Some(schema) = context.tx.schema(way.name_table) else { return Ok(None) };
    let Some(column) = schema.column(way.name_column) else { return Ok(None) };
    let wanted = match column.kind.key.kind {
        AtomType::String => Atom::from(name),
        AtomType::Integer => match name.parse() {
            Ok(number) => Atom::Integer(number),
            Err(_) => return Ok(None),
        },
        _ => return Ok(None),
    };
    let owner = match context.tx.find(way.name_table, way.name_column, &wanted)[..] {
        [] => return Ok(None),
        [owner] => owner,
        _ => return fail(format!("multiple rows in {} match \"{name}\"", way.name_table)),
    };
    let Some(reference) = way.reference else { return Ok(Some(owner)) };
    match context.uuids(way.name_table, owner, reference)[..] {
        [uuid] => Ok(context.tx.contains(way.table, uuid).then_some(uuid)),
        // One of many is nobody's name.
        _ => Ok(None),
    }
}

enum Found {
    None,
    One(usize),
    Many(String),
}

/// Exact, else by unique prefix.
fn find(names: &[&str], wanted: &str) -> Found {
    let plain = |name: &str| name.to_ascii_lowercase().replace('-', "_");
    let wanted = plain(wanted);
    let all = names.iter().enumerate().map(|(at, name)| (at, plain(name)));
    if let Some((at, _)) = all.clone().find(|(_, name)| *name == wanted) {
        return Found::One(at);
    }
    let matching: Vec<usize> = all.filter(|(_, name)| name.starts_with(&wanted)).map(|(at, _)| at).collect();
    match matching[..] {
        [] => Found::None,
        [one] => Found::One(one),
        _ => Found::Many(matching.iter().map(|at| names[*at]).collect::<Vec<_>>().join(", ")),
    }
}
