//! What: commands that read or change a database's contents.

use super::Job;
use super::rpc::Rpc;
use crate::failure::{Exit, Failure, fail};
use crate::json;
use crate::table::{Cell, Table};
use serde_json::{Map, Value, json};
use std::io::{Read, Write};
use std::sync::Arc;
use weft_jsonrpc::json_syntax;
use weft_ovsdb::schema::{COL_UUID, COL_VERSION, N_IMPLICIT};
use weft_ovsdb::{Atom, ColumnSchema, DatabaseSchema, Datum, TableSchema};
use weft_server::database::Database;
use weft_server::log;
use weft_server::storage::MemoryStorage;

/// `transact TRANSACTION`
pub async fn transact(job: Job, mut rpc: Rpc) -> Result<Exit, Failure> {
    let params = read_transaction(&job.words[0])?;
    let result = rpc.must_call("transact", params).await?;
    println!("{}", json::text(&result, job.options.style.is_pretty()));
    Ok(Exit::OK)
}

/// `query TRANSACTION`: an `abort` at the end makes sure that nothing changes.
pub async fn query(job: Job, mut rpc: Rpc) -> Result<Exit, Failure> {
    let mut params = read_transaction(&job.words[0])?;
    params.push(json!({"op": "abort"}));
    let mut result = rpc.must_call("transact", params).await?;
    if let Some(results) = result.as_array_mut()
        && results.last().is_some_and(|last| last["error"] == "aborted")
    {
        results.pop();
    }
    println!("{}", json::text(&result, job.options.style.is_pretty()));
    Ok(Exit::OK)
}

/// `dump [TABLE [COLUMN...]]`
pub async fn dump(job: Job, mut rpc: Rpc) -> Result<Exit, Failure> {
    let schema = rpc.schema(&job.database).await?;
    let tables: Vec<&Arc<TableSchema>> = match job.words.first() {
        None => schema.tables.values().collect(),
        Some(name) => match schema.table(name) {
            Some(table) => vec![table],
            None => return fail(format!("No table \"{name}\" found.")),
        },
    };
    let wanted = job.words.get(1..).unwrap_or_default();
    for (at, table) in tables.into_iter().enumerate() {
        let columns = dumped_columns(table, wanted)?;
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let select = json!({"op": "select", "table": table.name, "where": [], "columns": names});
        let rows = select_rows(&mut rpc, &job.database, select).await?;
        let mut printed = Table::new(names);
        printed.caption = Some(format!("{} table", table.name));
        for row in &rows {
            let cells = columns.iter().map(|column| cell(row.get(&column.name), column));
            printed.rows.push(cells.collect::<Result<_, _>>()?);
        }
        printed.sort();
        print!("{}", printed.render(&job.options.style, at == 0));
    }
    Ok(Exit::OK)
}

/// `backup`: a log with the schema and one transaction that inserts everything.
pub async fn backup(job: Job, mut rpc: Rpc) -> Result<Exit, Failure> {
    let schema = rpc.schema(&job.database).await?;
    let mut framed = Vec::new();
    log::frame(&schema.to_json().to_string(), &mut framed);
    let mut record = Map::new();
    record.insert("_date".into(), json!(jiff::Timestamp::now().as_millisecond()));
    for table in schema.tables.values() {
        let columns = table.columns[N_IMPLICIT..].iter().filter(|column| column.persistent);
        let names: Vec<&str> = columns.map(|column| column.name.as_str()).chain(["_uuid"]).collect();
        let select = json!({"op": "select", "table": table.name, "where": [], "columns": names});
        let mut rows = Map::new();
        for mut row in select_rows(&mut rpc, &job.database, select).await? {
            let uuid = row.remove("_uuid").and_then(|uuid| uuid.get(1)?.as_str().map(str::to_string));
            rows.insert(uuid.unwrap_or_default(), Value::Object(row));
        }
        if !rows.is_empty() {
            record.insert(table.name.clone(), Value::Object(rows));
        }
    }
    record.insert("_is_diff".into(), json!(true));
    record.insert("_comment".into(), json!(format!("produced by \"{} backup\"", job.options.program)));
    log::frame(&Value::Object(record).to_string(), &mut framed);
    match std::io::stdout().lock().write_all(&framed) {
        Ok(()) => Ok(Exit::OK),
        Err(error) => fail(format!("write failed ({})", weft_jsonrpc::session::bare(&error))),
    }
}

/// `restore`: one transaction that deletes everything and inserts what the snapshot holds.
pub async fn restore(job: Job, mut rpc: Rpc) -> Result<Exit, Failure> {
    let schema = rpc.schema(&job.database).await?;
    let mut bytes = Vec::new();
    if let Err(error) = std::io::stdin().lock().read_to_end(&mut bytes) {
        return fail(format!("/dev/stdin: read failed ({})", weft_jsonrpc::session::bare(&error)));
    }
    if !bytes.starts_with(b"OVSDB JSON ") {
        let what = if bytes.is_empty() { "cannot identify file type" } else { "unexpected file format" };
        return fail(format!("ovsdb error: /dev/stdin: {what}"));
    }
    let (snapshot, _) = Database::open(Box::new(MemoryStorage::new(bytes)))?;
    check_schemas(&job, snapshot.schema(), &schema)?;
    let mut params = vec![json!(job.database)];
    params.extend(schema.tables.keys().map(|table| json!({"op": "delete", "table": table, "where": []})));
    params.extend(inserts(&schema, &snapshot));
    params.push(json!({"op": "comment", "comment": format!("{}: restored from snapshot", job.options.program)}));
    let results = rpc.must_call("transact", params).await?;
    for result in results.as_array().into_iter().flatten() {
        if result.get("error").is_some() {
            return fail(format!("server returned error: {}", json::compact(result)));
        }
    }
    Ok(Exit::OK)
}

/// A snapshot of another schema needs `--force`.
fn check_schemas(job: &Job, snapshot: &DatabaseSchema, database: &DatabaseSchema) -> Result<(), Failure> {
    if snapshot == database {
        return Ok(());
    }
    let version = |schema: &DatabaseSchema| schema.version.clone().unwrap_or_default();
    let (ours, theirs) = (version(snapshot), version(database));
    let difference = match ours == theirs {
        true => "backup schema and database schema differ".to_string(),
        false => format!("backup schema has version \"{ours}\" but database schema has version \"{theirs}\""),
    };
    if !job.options.force {
        let program = &job.options.program;
        return fail(format!(
            "{difference} (use --force to override differences, or \"{program} convert\" to change the schema)"
        ));
    }
    tracing::info!(target: "ovsdb_client", "{difference}");
    Ok(())
}

/// An insert for each row of the snapshot, with references by name as the server chooses new UUIDs.
fn inserts(schema: &DatabaseSchema, snapshot: &Database) -> Vec<Value> {
    let mut operations = Vec::new();
    let name = |uuid: &weft_ovsdb::Uuid| format!("row{}", uuid.simple());
    let atom = |atom: &Atom, is_reference: bool| match atom {
        Atom::Uuid(uuid) if is_reference => json!(["named-uuid", name(uuid)]),
        other => other.to_json(),
    };
    for table in snapshot.tables() {
        let Some(target) = schema.table(&table.schema.name) else { continue };
        for row in table.rows() {
            let mut values = Map::new();
            for (at, column) in table.schema.columns.iter().enumerate().skip(N_IMPLICIT) {
                let wanted = target.column(&column.name).is_some_and(|column| column.persistent);
                let datum = &row.columns()[at];
                if !wanted || datum.is_default(&column.kind) {
                    continue;
                }
                let key = |a: &Atom| atom(a, column.kind.key.ref_table().is_some());
                let is_reference = column.kind.value.as_ref().is_some_and(|value| value.ref_table().is_some());
                let json = match datum {
                    Datum::One(one) => key(one),
                    Datum::Set(atoms) => json!(["set", atoms.iter().map(key).collect::<Vec<_>>()]),
                    Datum::Map(pairs) => {
                        let pair = |(k, v): &(Atom, Atom)| json!([key(k), atom(v, is_reference)]);
                        json!(["map", pairs.iter().map(pair).collect::<Vec<_>>()])
                    }
                };
                values.insert(column.name.clone(), json);
            }
            let (table, uuid) = (&table.schema.name, name(&row.uuid()));
            operations.push(json!({"op": "insert", "table": table, "uuid-name": uuid, "row": values}));
        }
    }
    operations
}

/// Without names: `_uuid` first, then all by name.
fn dumped_columns<'t>(table: &'t TableSchema, names: &[String]) -> Result<Vec<&'t ColumnSchema>, Failure> {
    if names.is_empty() {
        let others = table.columns.iter().enumerate().filter(|(at, _)| *at != COL_VERSION && *at != COL_UUID);
        return Ok(std::iter::once(&table.columns[COL_UUID]).chain(others.map(|(_, column)| column)).collect());
    }
    let mut names: Vec<&String> = names.iter().collect();
    names.sort();
    let column = |name: &&String| match table.column(name) {
        Some(column) => Ok(column),
        None => fail(format!("Table \"{}\" has no column {name}.", table.name)),
    };
    // Versions are of one server's memory: they are no contents.
    let version = table.columns[COL_VERSION].name.as_str();
    let columns = names.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    Ok(columns.into_iter().filter(|column| column.name != version).collect())
}

async fn select_rows(rpc: &mut Rpc, database: &str, select: Value) -> Result<Vec<Map<String, Value>>, Failure> {
    let mut results = rpc.must_call("transact", vec![json!(database), select]).await?;
    let object = |row| if let Value::Object(row) = row { Some(row) } else { None };
    match results.get_mut(0).and_then(|result| result.get_mut("rows")).map(Value::take) {
        Some(Value::Array(rows)) => Ok(rows.into_iter().filter_map(object).collect()),
        _ => fail(format!("unexpected reply to select: {}", json::compact(&results))),
    }
}

/// A cell of a row that the server sent; what it did not send is empty.
pub fn cell(value: Option<&Value>, column: &ColumnSchema) -> Result<Cell, Failure> {
    match value {
        None => Ok(Cell::Empty),
        Some(json) => Ok(Cell::Datum(Datum::from_json_unchecked(json, &column.kind, None)?, column.kind.clone())),
    }
}

fn read_transaction(text: &str) -> Result<Vec<Value>, Failure> {
    match parse_json(text)? {
        Value::Array(params) if params.first().is_some_and(Value::is_string) => Ok(params),
        _ => fail("not a valid OVSDB query"),
    }
}

/// JSON from the command line.
pub fn parse_json(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).or_else(|error| fail(format!("\"{text}\": {}", json_syntax::explain(text, &error))))
}
