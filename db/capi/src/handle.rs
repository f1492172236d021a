//! What: a handle, in safe Rust: blocking calls over the asynchronous database, JSON for rows.

use serde_json::{Map, Value, json};
use std::ffi::CString;
use std::time::Duration;
use tokio::runtime::Runtime;
use weft_ovsdb::Uuid;
use weft_ovsdb::replica::{Changes, Database, Replica, Row, RowRef, Select, Table};

/// A database and the last texts that were given out.
pub struct Handle {
    runtime: Option<Runtime>,
    database: Option<Database>,
    changes: Changes,
    text: CString,
    error: CString,
}

impl Handle {
    /// A handle; what is wrong with the arguments is told by the first call.
    pub fn open(remote: &str, database: &str, tables: Option<&str>) -> Handle {
        let select = match tables {
            None => Select::everything(),
            Some(tables) => tables.split(',').map(str::trim).fold(Select::default(), Select::table),
        };
        let mut handle = Handle {
            runtime: None,
            database: None,
            changes: Changes::default(),
            text: CString::default(),
            error: CString::default(),
        };
        // The session's task is spawned as it is made.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Err(error) => handle.fail(&error.to_string()),
            Ok(runtime) => {
                let opened = {
                    let _inside = runtime.enter();
                    Database::open(remote, database, select)
                };
                handle.runtime = Some(runtime);
                match opened {
                    Ok(database) => handle.database = Some(database),
                    Err(error) => handle.fail(&error.to_string()),
                }
            }
        }
        handle
    }

    /// See `weftdb_wait`.
    pub fn wait(&mut self, timeout: Option<Duration>) -> i32 {
        let Some((runtime, database)) = self.runtime.as_ref().zip(self.database.as_mut()) else { return -1 };
        let next = runtime.block_on(async {
            match timeout {
                None => Some(database.next().await),
                Some(limit) => tokio::time::timeout(limit, database.next()).await.ok(),
            }
        });
        match next {
            None => self.done(0),
            Some(Ok(changes)) => {
                self.changes = changes;
                self.done(1)
            }
            Some(Err(error)) => {
                self.fail(&error.to_string());
                -1
            }
        }
    }

    /// See `weftdb_changes`.
    pub fn changes(&mut self) -> Option<&CString> {
        let Some(replica) = self.database.as_ref().and_then(Database::replica) else {
            return self.nothing(NO_CONTENTS);
        };
        let mut json = Map::new();
        for (name, rows) in &self.changes.tables {
            let Some(table) = replica.table(name) else { continue };
            let row = |uuid: Uuid, row: &Option<Row>| {
                row.as_ref().map(|row| row_json(table, RowRef { table: table.schema(), uuid, row }))
            };
            let change = |(uuid, change): (&Uuid, &weft_ovsdb::replica::RowChange)| {
                (uuid.to_string(), json!({"old": row(*uuid, &change.old), "new": row(*uuid, &change.new)}))
            };
            json.insert(name.clone(), Value::Object(rows.iter().map(change).collect()));
        }
        self.give(&Value::Object(json).to_string())
    }

    /// See `weftdb_rows`.
    pub fn rows(&mut self, table: &str) -> Option<&CString> {
        let rows = self.table(table).map(|table| table.rows().map(|row| row_json(table, row)).collect::<Vec<_>>());
        match rows {
            Ok(rows) => self.give(&Value::Array(rows).to_string()),
            Err(error) => self.nothing(&error),
        }
    }

    /// See `weftdb_get`.
    pub fn get(&mut self, table: &str, uuid: &str, column: &str) -> Option<&CString> {
        match self.cell(table, uuid, column).map(|datum| datum.to_json().to_string()) {
            Ok(text) => self.give(&text),
            Err(error) => self.nothing(&error),
        }
    }

    /// See `weftdb_get_text`.
    pub fn get_text(&mut self, table: &str, uuid: &str, column: &str) -> Option<&CString> {
        let text = self.cell(table, uuid, column);
        let text = text.and_then(|datum| match datum.as_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(format!("{table} {uuid}: {column} holds no text")),
        });
        match text {
            Ok(text) => self.give(&text),
            Err(error) => self.nothing(&error),
        }
    }

    /// See `weftdb_find`.
    pub fn find(&mut self, table: &str, column: &str, value: &str) -> Option<&CString> {
        let found = self.table(table).map(|rows| {
            let row = rows.rows().find(|row| row.str(column) == Some(value));
            row.map(|row| row.uuid.to_string())
        });
        match found {
            Ok(Some(uuid)) => self.give(&uuid),
            Ok(None) => self.nothing(&format!("no row of {table} has {column} {value}")),
            Err(error) => self.nothing(&error),
        }
    }

    /// See `weftdb_transact`.
    pub fn transact(&mut self, operations: &str, timeout: Option<Duration>) -> Option<&CString> {
        let operations: Vec<Value> = match serde_json::from_str(operations) {
            Ok(operations) => operations,
            Err(error) => return self.nothing(&format!("operations: {error}")),
        };
        let (runtime, database) = self.runtime.as_ref().zip(self.database.as_mut())?;
        let answer = runtime.block_on(async {
            let work = execute(database, operations);
            match timeout {
                None => Some(work.await),
                Some(limit) => tokio::time::timeout(limit, work).await.ok(),
            }
        });
        match answer {
            None => self.nothing("timed out"),
            Some(Err(error)) => self.nothing(&error),
            Some(Ok(results)) => match results.iter().find(|result| result.get("error").is_some()) {
                Some(error) => self.nothing(&error.to_string()),
                None => self.give(&Value::Array(results).to_string()),
            },
        }
    }

    /// See `weftdb_error`.
    pub fn error(&self) -> &CString {
        &self.error
    }

    fn table(&self, name: &str) -> Result<&Table, String> {
        let replica: &Replica = self.database.as_ref().and_then(Database::replica).ok_or(NO_CONTENTS)?;
        replica.table(name).ok_or_else(|| format!("table {name} is not copied, or does not exist"))
    }

    fn cell(&self, table: &str, uuid: &str, column: &str) -> Result<weft_ovsdb::Datum, String> {
        let id = uuid.parse().map_err(|_| format!("\"{uuid}\" is no UUID"))?;
        let row = self.table(table)?.row(id).ok_or_else(|| format!("there is no row {uuid} in {table}"))?;
        row.get(column).cloned().ok_or_else(|| format!("{table} has no column {column}"))
    }

    fn done(&mut self, result: i32) -> i32 {
        self.error = CString::default();
        result
    }

    fn give(&mut self, text: &str) -> Option<&CString> {
        match CString::new(text) {
            Ok(text) => {
                self.text = text;
                self.error = CString::default();
                Some(&self.text)
            }
            Err(_) => self.nothing("the text holds a zero byte"),
        }
    }

    fn nothing(&mut self, error: &str) -> Option<&CString> {
        self.fail(error);
        None
    }

    fn fail(&mut self, error: &str) {
        self.error = CString::new(error.replace('\0', " ")).unwrap_or_default();
    }
}

/// Sends the operations once the copy is there; changes that come meanwhile wait for `weftdb_wait`.
async fn execute(database: &mut Database, operations: Vec<Value>) -> Result<Vec<Value>, String> {
    database.ready().await.map_err(|error| error.to_string())?;
    let name = database.replica().map(|replica| replica.schema().name.clone()).unwrap_or_default();
    let mut params = vec![Value::from(name)];
    params.extend(operations);
    let answer = database.call("transact", params).await.map_err(|error| error.to_string())?;
    match answer {
        Ok(Value::Array(results)) => Ok(results),
        Ok(other) | Err(other) => Err(other.to_string()),
    }
}

fn row_json(table: &Table, row: RowRef<'_>) -> Value {
    let mut json = Map::new();
    json.insert("_uuid".to_owned(), json!(["uuid", row.uuid.to_string()]));
    let columns = table.selected().filter_map(|column| Some((column.to_owned(), row.get(column)?.to_json())));
    json.extend(columns);
    Value::Object(json)
}

const NO_CONTENTS: &str = "the contents are not there yet: call weftdb_wait first";
