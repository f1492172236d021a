//! What: a table under watch: which columns, which kinds of changes, and how a row is printed.

use super::super::Job;
use super::super::data::{cell, parse_json};
use crate::failure::{Failure, fail};
use crate::table::Cell;
use serde_json::{Map, Value, json};
use weft_ovsdb::schema::{COL_VERSION, N_IMPLICIT};
use weft_ovsdb::types::UNLIMITED;
use weft_ovsdb::{ColumnSchema, DatabaseSchema, TableSchema};

/// See the module's header.
pub struct Watched {
    /// The table's name.
    pub name: String,
    /// The columns to print.
    pub columns: Vec<ColumnSchema>,
    /// What to ask the server for.
    pub request: Value,
}

impl Watched {
    /// Each word of `groups` names columns that are reported alike, and with `!` kinds of changes to leave out.
    pub fn new(
        job: &Job,
        schema: &DatabaseSchema,
        name: &str,
        groups: &[String],
        conditions: Option<&str>,
    ) -> Result<Watched, Failure> {
        let (server, database) = (&job.server, &job.database);
        let Some(table) = schema.table(name) else {
            let at = if conditions.is_some() { String::new() } else { format!("{server}: ") };
            return fail(format!("{at}{database} does not have a table named \"{name}\""));
        };
        let conditions = conditions.map(parse_json).transpose()?;
        let mut columns: Vec<ColumnSchema> = Vec::new();
        let mut requests = Vec::new();
        let groups: Vec<&str> = if groups.is_empty() { vec![""] } else { groups.iter().map(String::as_str).collect() };
        for group in groups {
            let (mut named, select) = match read_group(group, table) {
                Ok(parts) => parts,
                Err(Unknown(word)) => {
                    return fail(format!(
                        "{server}: table \"{name}\" in {database} does not have a column named \"{word}\""
                    ));
                }
            };
            if named.is_empty() {
                named = table.columns[N_IMPLICIT..].iter().collect();
                named.push(&table.columns[COL_VERSION]);
            }
            for column in &named {
                if columns.iter().any(|other| other.name == column.name) {
                    return fail(format!("{server}: column \"{}\" mentioned multiple times", column.name));
                }
                columns.push((*column).clone());
            }
            let names: Vec<&str> = named.iter().map(|column| column.name.as_str()).collect();
            let mut request = json!({"columns": names});
            if !select.is_empty() {
                request["select"] = Value::Object(select);
            }
            if let Some(conditions) = &conditions {
                request["where"] = conditions.clone();
            }
            requests.push(request);
        }
        Ok(Watched { name: name.to_string(), columns, request: Value::Array(requests) })
    }

    /// A row to print; columns that the server left out are empty.
    pub fn row(&self, uuid: &str, action: &str, values: &Value) -> Result<Vec<Cell>, Failure> {
        let mut cells = vec![Cell::Text(uuid.to_string()), Cell::Text(action.to_string())];
        for column in &self.columns {
            let mut column = column.clone();
            if action == "modify" && column.kind.max > 1 {
                // A difference may have more or fewer elements than the column.
                (column.kind.min, column.kind.max) = (0, UNLIMITED);
            }
            cells.push(cell(values.get(&column.name), &column)?);
        }
        Ok(cells)
    }
}

/// A word that is neither a column nor a kind of change.
struct Unknown(String);

fn read_group<'t>(group: &str, table: &'t TableSchema) -> Result<(Vec<&'t ColumnSchema>, Map<String, Value>), Unknown> {
    let (mut named, mut select) = (Vec::new(), Map::new());
    for word in group.split(',').filter(|word| !word.is_empty()) {
        match word.strip_prefix('!') {
            Some(kind) if KINDS.contains(&kind) => drop(select.insert(kind.to_string(), json!(false))),
            Some(_) => return Err(Unknown(word.to_string())),
            None => named.push(table.column(word).ok_or_else(|| Unknown(word.to_string()))?),
        }
    }
    Ok((named, select))
}

const KINDS: [&str; 4] = ["initial", "insert", "delete", "modify"];
