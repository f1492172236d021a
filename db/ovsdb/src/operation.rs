//! Operations of a transaction: `<operation>` of RFC 7047 section 5.2, typed and checked against a schema.
//!
//! Operations are read one at a time, just before each is executed, because what an operation means can depend on
//! those before it (named UUIDs) and because the results of the ones before a bad one are still reported.

use crate::atom::{NamedUuids, Uuid, parse_uuid};
use crate::condition::{Condition, find_column};
use crate::datum::Datum;
use crate::error::{Error, Result};
use crate::json::{Members, as_id, as_integer};
use crate::mutation::Mutation;
use crate::schema::{DatabaseSchema, N_IMPLICIT, TableSchema};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Columns by index with the values that a client gives for them.
pub type Values = Vec<(usize, Datum)>;

/// One operation.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Adds a row.
    Insert {
        /// Where.
        table: Arc<TableSchema>,
        /// The name by which the transaction refers to the row.
        uuid_name: Option<String>,
        /// The row's UUID, if the client chooses it.
        uuid: Option<Uuid>,
        /// Values of columns that are not default.
        row: Values,
    },
    /// Reads rows.
    Select {
        /// Where.
        table: Arc<TableSchema>,
        /// Which rows.
        condition: Condition,
        /// Which columns; all if not given.
        columns: Option<Vec<usize>>,
        /// By which columns the rows are ordered, the first one counting most.
        sort: Vec<usize>,
    },
    /// Sets columns.
    Update {
        /// Where.
        table: Arc<TableSchema>,
        /// Which rows.
        condition: Condition,
        /// The new values.
        row: Values,
    },
    /// Changes columns relative to what they hold.
    Mutate {
        /// Where.
        table: Arc<TableSchema>,
        /// Which rows.
        condition: Condition,
        /// The changes, in order.
        mutations: Vec<Mutation>,
    },
    /// Removes rows.
    Delete {
        /// Where.
        table: Arc<TableSchema>,
        /// Which rows.
        condition: Condition,
    },
    /// Holds the transaction back until rows look as given.
    Wait {
        /// Where.
        table: Arc<TableSchema>,
        /// Which rows.
        condition: Condition,
        /// Which columns to compare.
        columns: Vec<usize>,
        /// Rows, whole, with defaults where nothing is given.
        rows: Vec<Vec<Datum>>,
        /// Whether the rows shall be equal to those given, or shall not.
        equal: bool,
        /// How long to wait; for ever if not given.
        timeout: Option<Duration>,
    },
    /// Asks for durability.
    Commit {
        /// Whether the reply must wait until the transaction is on the disk.
        durable: bool,
    },
    /// Gives up.
    Abort,
    /// Says what for.
    Comment {
        /// For the log.
        text: String,
    },
    /// Gives up unless the client owns a lock.
    Assert {
        /// The lock.
        lock: String,
    },
}

impl Operation {
    /// Reads the operation that is number `at` (from 1) of `of`. For an insert with a `uuid-name`, the caller
    /// enters the name; `names` resolves all other uses.
    pub fn from_json(
        json: &Value,
        at: usize,
        of: usize,
        schema: &DatabaseSchema,
        names: &mut dyn NamedUuids,
    ) -> Result<Operation> {
        // Only messages tell operations apart, so the words are not put together before one is needed.
        let what = format_args!("ovsdb operation {at} of {of}");
        let mut members = Members::new(json, &what)?;
        let op = members.required_as("op", as_id)?;
        let operation = match op {
            "insert" => {
                let (table, uuid_name, uuid, row) = insert(members, schema)?;
                let row = values(row, &table, names)?;
                return Ok(Operation::Insert { row, table, uuid_name: uuid_name.map(str::to_owned), uuid });
            }
            "select" => {
                let table = table(&mut members, schema)?;
                let condition = members.required_as("where", as_array)?;
                let columns = members.optional_as("columns", as_array)?;
                let sort = members.optional_as("sort", as_array)?;
                members.finish()?;
                let condition = Condition::from_json(condition, &table, Some(names))?;
                let columns = columns.map(|json| table.column_set(json)).transpose()?;
                let sort = sort.map(|json| table.column_set(json)).transpose()?.unwrap_or_default();
                Operation::Select { table, condition, columns, sort }
            }
            "update" => {
                let table = table(&mut members, schema)?;
                let condition = members.required_as("where", as_array)?;
                let row = members.required_as("row", as_object)?;
                members.finish()?;
                let row = values(row, &table, names)?;
                if let Some(&(column, _)) = row.iter().find(|(c, _)| !table.columns[*c].mutable) {
                    let name = &table.columns[column].name;
                    let text = format!("Cannot update immutable column {name} in table {}.", table.name);
                    return Err(Error::constraint(text).with_syntax(Some(json)));
                }
                let condition = Condition::from_json(condition, &table, Some(names))?;
                Operation::Update { table, condition, row }
            }
            "mutate" => {
                let table = table(&mut members, schema)?;
                let condition = members.required_as("where", as_array)?;
                let mutations_json = members.required_as("mutations", Value::as_array)?;
                members.finish()?;
                let mut mutations = Vec::with_capacity(mutations_json.len());
                for json in mutations_json {
                    mutations.push(Mutation::from_json(json, &table, Some(names))?);
                }
                let condition = Condition::from_json(condition, &table, Some(names))?;
                Operation::Mutate { table, condition, mutations }
            }
            "delete" => {
                let table = table(&mut members, schema)?;
                let condition = members.required_as("where", as_array)?;
                members.finish()?;
                Operation::Delete { condition: Condition::from_json(condition, &table, Some(names))?, table }
            }
            "wait" => wait(members, schema, names)?,
            "commit" => {
                let durable = members.required_as("durable", Value::as_bool)?;
                members.finish()?;
                Operation::Commit { durable }
            }
            "abort" => {
                members.finish()?;
                Operation::Abort
            }
            "comment" => {
                let text = members.required_as("comment", Value::as_str)?.to_owned();
                members.finish()?;
                Operation::Comment { text }
            }
            "assert" => {
                let lock = members.required_as("lock", as_id)?.to_owned();
                members.finish()?;
                Operation::Assert { lock }
            }
            _ => return Err(members.error(format_args!("No operation \"{op}\""))),
        };
        Ok(operation)
    }
}

impl Operation {
    /// The name of the operation if it is one that a server that only serves readers refuses.
    pub fn writes(&self) -> Option<&'static str> {
        match self {
            Operation::Insert { .. } => Some("insert"),
            Operation::Update { .. } => Some("update"),
            Operation::Mutate { .. } => Some("mutate"),
            Operation::Delete { .. } => Some("delete"),
            Operation::Commit { durable: true } => Some("commit"),
            _ => None,
        }
    }
}

/// Reads a `<row>` as values by column. `_uuid` and `_version` are checked by the operation, if it minds.
pub fn values(json: &Value, table: &TableSchema, names: &mut dyn NamedUuids) -> Result<Values> {
    let Value::Object(object) = json else {
        return Err(Error::syntax(Some(json), "row must be JSON object"));
    };
    let mut values = Vec::with_capacity(object.len());
    for (name, value) in object {
        let column = find_column(table, name, json)?;
        values.push((column, Datum::from_json(value, &table.columns[column].kind, Some(names))?));
    }
    Ok(values)
}

/// A row of `table` with default values, all zero UUIDs included.
pub fn default_row(table: &TableSchema) -> Vec<Datum> {
    table.columns.iter().map(|column| Datum::default_for(&column.kind)).collect()
}

/// Who an insert wants the new row to be: its table, name and UUID, as far as they are given; whatever is in the row, whose
/// faults come second. `None` if it is no insert or is not well-formed.
pub fn identity<'a>(
    json: &'a Value,
    schema: &DatabaseSchema,
) -> Option<(Arc<TableSchema>, Option<&'a str>, Option<Uuid>)> {
    let mut members = Members::new(json, &"insert").ok()?;
    members.required_as("op", as_id).ok().filter(|op| *op == "insert")?;
    insert(members, schema).ok().map(|(table, name, uuid, _)| (table, name, uuid))
}

/// The parts of an insert.
type Insert<'a> = (Arc<TableSchema>, Option<&'a str>, Option<Uuid>, &'a Value);

fn insert<'a>(mut members: Members<'a>, schema: &DatabaseSchema) -> Result<Insert<'a>> {
    let table = table(&mut members, schema)?;
    let row = members.required_as("row", as_object)?;
    let uuid_name = members.optional_as("uuid-name", as_id)?;
    let uuid = members.optional_as("uuid", |v| v.is_string().then_some(v))?;
    members.finish()?;
    let uuid = match uuid {
        None => None,
        Some(json) => match json.as_str().and_then(parse_uuid) {
            None => return Err(Error::syntax(Some(json), "bad uuid")),
            some => some,
        },
    };
    Ok((table, uuid_name, uuid, row))
}

fn wait(mut members: Members<'_>, schema: &DatabaseSchema, names: &mut dyn NamedUuids) -> Result<Operation> {
    let timeout = members.optional_as("timeout", |v| as_integer(v).map(|_| v))?;
    let condition = members.required_as("where", as_array)?;
    let columns = members.optional_as("columns", as_array)?;
    let until = members.required_as("until", |v| v.is_string().then_some(v))?;
    let rows_json = members.required_as("rows", Value::as_array)?;
    let table = table(&mut members, schema)?;
    members.finish()?;
    let condition = Condition::from_json(condition, &table, Some(names))?;
    let columns = match columns {
        Some(json) => table.column_set(json)?,
        None => (0..table.columns.len()).collect(),
    };
    let timeout = match timeout {
        None => None,
        Some(json) => match as_integer(json).map(u64::try_from) {
            Some(Ok(ms)) => Some(Duration::from_millis(ms)),
            _ => return Err(Error::syntax(Some(json), "timeout must be nonnegative")),
        },
    };
    let equal = match until.as_str() {
        Some("==") => true,
        Some("!=") => false,
        _ => return Err(Error::syntax(Some(until), "\"until\" must be \"==\" or \"!=\"")),
    };
    let mut rows = Vec::with_capacity(rows_json.len());
    for json in rows_json {
        let mut row = default_row(&table);
        for (column, value) in values(json, &table, names)? {
            row[column] = value;
        }
        rows.push(row);
    }
    Ok(Operation::Wait { table, condition, columns, rows, equal, timeout })
}

fn table(members: &mut Members<'_>, schema: &DatabaseSchema) -> Result<Arc<TableSchema>> {
    let name = members.required_as("table", as_id)?;
    match schema.table(name) {
        Some(table) => Ok(table.clone()),
        None => Err(members.error(format_args!("No table named {name}."))),
    }
}

fn as_object(json: &Value) -> Option<&Value> {
    json.is_object().then_some(json)
}

fn as_array(json: &Value) -> Option<&Value> {
    json.is_array().then_some(json)
}

/// Writes the columns of a row as a `<row>` object.
pub fn write_row(table: &TableSchema, row: &[Datum], columns: impl IntoIterator<Item = usize>, out: &mut String) {
    out.push('{');
    let mut first = true;
    for column in columns {
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        write_member(&table.columns[column].name, &row[column], out);
    }
    out.push('}');
}

/// Writes `"NAME":VALUE`; names of columns need no escapes.
pub fn write_member(name: &str, value: &Datum, out: &mut String) {
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
    value.write_json(out);
}

/// The schema's own columns of a table, by index.
pub fn own_columns(table: &TableSchema) -> std::ops::Range<usize> {
    N_IMPLICIT..table.columns.len()
}
