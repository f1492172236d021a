//! Databases come and go; `_Server` says which there are; some of them say where to listen.

use super::*;
use serde_json::json;
use std::path::Path;
use weft_ovsdb::{AtomType, DatabaseSchema, Datum, Error, Result};

/// The name of the database about databases (ovsdb-server(5)).
pub const SERVER_DB: &str = "_Server";

/// A remote that a database asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteRow {
    /// Where to listen or connect to, as in the column.
    pub target: String,
    /// The table and row that say so, to write the status back to; none if the column itself holds targets.
    pub row: Option<(String, Uuid)>,
    /// How long to wait at most between attempts to connect.
    pub max_backoff: Option<Duration>,
    /// How long a client may be silent before it is probed; zero never probes.
    pub inactivity_probe: Option<Duration>,
    /// What the row restricts clients to.
    pub role: Option<String>,
    /// Whether the row lets clients only read.
    pub read_only: bool,
}

impl RemoteRow {
    /// A remote with nothing but a target.
    pub fn plain(target: impl Into<String>) -> RemoteRow {
        RemoteRow {
            target: target.into(),
            row: None,
            max_backoff: None,
            inactivity_probe: None,
            role: None,
            read_only: false,
        }
    }
}

impl Server {
    pub(super) fn add_internal(&mut self) {
        let schema = DatabaseSchema::from_json(&server_schema()).expect("our own schema is valid");
        self.host(SERVER_DB.into(), Database::new(schema), true);
    }

    /// Adds a database under its schema's name.
    pub fn add_database(&mut self, db: Database) -> Result<()> {
        self.flush();
        let name = db.schema().name.clone();
        if self.databases.contains_key(&name) {
            return Err(Error::new("ovsdb error", format!("{name}: duplicate database name")));
        }
        self.disconnect_unaware(&format!("adding {name} database"));
        self.host(name.clone(), db, false);
        self.rearm(&name);
        Ok(())
    }

    /// Removes a database: cancels what goes on in it and closes its log.
    pub fn remove_database(&mut self, name: &str) -> Result<()> {
        self.flush();
        match self.databases.get(name) {
            None => return Err(Error::bare("Failed to find the database.")),
            Some(hosted) if hosted.internal => return Err(Error::bare("Cannot remove reserved database.")),
            Some(_) => {}
        }
        self.settle_disk(name);
        self.abandon(name);
        // Whoever opens the file next goes on waiting.
        self.armed.remove(name);
        self.databases.remove(name);
        self.disconnect_unaware(&format!("removing {name} database by user request"));
        self.describe_databases();
        Ok(())
    }

    /// The names of all databases, `_Server` included.
    pub fn database_names(&self) -> impl Iterator<Item = &str> {
        self.databases.keys().map(String::as_str)
    }

    /// The names of the databases that a backup could copy.
    pub fn copyable_names(&self) -> impl Iterator<Item = &str> {
        self.databases.iter().filter(|(_, h)| !h.internal && h.relay.is_none()).map(|(name, _)| name.as_str())
    }

    /// Begins or ceases to tell in the log what is done with a table, `DB:TABLE`. The error is a sentence.
    pub fn narrate(&mut self, table: &str, on: bool) -> Result<(), String> {
        let (db, name) = table.split_once(':').ok_or("invalid DB:TABLE argument")?;
        let hosted = self.databases.get(db).ok_or("no such database")?;
        if hosted.db.schema().table(name).is_none() {
            return Err("no such table".into());
        }
        let table = (db.to_owned(), name.to_owned());
        match on {
            true => drop(self.narrated.insert(table)),
            false => drop(self.narrated.remove(&table)),
        }
        Ok(())
    }

    /// Which tables are told about, as a table for people.
    pub fn narrated_list(&self) -> String {
        let line = |a: &str, b: &str, c: &str| format!("{a:<16}{b:<28}{c}\n");
        let mut text = line("database", "table", "logging") + &line("--------", "-----", "-------");
        for (name, hosted) in &self.databases {
            text += &format!("{name:<16} \n");
            for table in hosted.db.schema().tables.keys() {
                let on = self.narrated.contains(&(name.clone(), table.clone()));
                text += &line("", table, if on { "ON" } else { "OFF" });
            }
        }
        text
    }

    /// A database.
    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.get(name).map(|hosted| &hosted.db)
    }

    /// Executes operations of our own, such as writing a status; the result as in a reply.
    pub fn transact_internal(&mut self, db: &str, operations: Vec<Value>) -> Result<String> {
        self.flush();
        let Some(hosted) = self.databases.get_mut(db) else {
            return Err(Error::new("unknown database", format!("no database named {db}")));
        };
        let internal = std::mem::replace(&mut hosted.internal, false);
        let request = Request { session: SessionId(0), id: Value::Null, operations, since: self.clock.now() };
        let execution = self.execute(db, &request);
        if let Some(hosted) = self.databases.get_mut(db) {
            hosted.internal = internal;
            hosted.db.append()?;
        }
        let done = match execution {
            Execution::Waiting { .. } => return Err(Error::bare("timed out")),
            Execution::Done(done) => done,
        };
        if let Some(changes) = &done.changes {
            self.notify(db, changes);
            self.run_waits(|name, waiting| name == db && changes.touches(waiting.table));
            self.flush();
        }
        Ok(done.result)
    }

    /// The remotes that a column names: `column` of the table holds targets, or refers to rows that have a
    /// `target`. The error is a sentence for the user.
    pub fn remotes_in(&self, db: &str, table: &str, column: &str) -> Result<Vec<RemoteRow>, String> {
        let name = format!("db:{db},{table},{column}");
        let hosted = self.databases.get(db).ok_or_else(|| format!("\"{name}\": no database named {db}"))?;
        let schema = hosted.db.schema();
        let of = schema.table(table).ok_or_else(|| format!("\"{name}\": no table named {table}"))?;
        let no_column = || format!("\"{name}\": table \"{table}\" has no column \"{column}\"");
        let c = of.column_index(column).ok_or_else(no_column)?;
        let kind = &of.columns[c].kind;
        let rows = hosted.db.tables()[of.index].rows();
        if kind.key.kind == AtomType::String && kind.value.is_none() {
            let targets = rows.flat_map(|row| row[c].atoms().iter().filter_map(|a| a.as_str().map(str::to_owned)));
            return Ok(targets.map(RemoteRow::plain).collect());
        }
        let Some(target_schema) = kind.key.ref_table().and_then(|t| schema.table(t)) else {
            return Err(format!("\"{name}\": type mismatch: column holds neither strings nor references to a table"));
        };
        let column = |name: &str| target_schema.column_index(name);
        let Some(target) = column("target") else {
            return Err(format!("\"{name}\": table \"{}\" has no column \"target\"", target_schema.name));
        };
        let targets = &hosted.db.tables()[target_schema.index];
        let referred = rows.flat_map(|row| row[c].keys().filter_map(|k| k.as_uuid()));
        let mut found: Vec<RemoteRow> = Vec::new();
        for row in referred.filter_map(|uuid| targets.get(uuid)) {
            let millis = |name: &str| {
                let ms = row[column(name)?].as_integer()?;
                Some(Duration::from_millis(u64::try_from(ms).ok()?))
            };
            let Some(target) = row[target].as_str() else { continue };
            let role = column("role").and_then(|c| row[c].as_str()).filter(|role| !role.is_empty());
            found.push(RemoteRow {
                target: target.to_owned(),
                row: Some((target_schema.name.clone(), row.uuid())),
                max_backoff: millis("max_backoff"),
                inactivity_probe: millis("inactivity_probe"),
                role: role.map(str::to_owned),
                read_only: column("read_only").and_then(|c| row[c].as_bool()).unwrap_or(false),
            });
        }
        found.sort_by(|a, b| a.target.cmp(&b.target));
        found.dedup_by(|a, b| a.target == b.target);
        Ok(found)
    }

    /// Writes what became of a remote into its row, as far as the row has columns for it and they differ.
    pub fn write_remote_status(&mut self, db: &str, remote: &RemoteRow, connected: bool, status: &[(String, String)]) {
        let Some((table, uuid)) = &remote.row else { return };
        let Some(hosted) = self.databases.get(db) else { return };
        let Some(schema) = hosted.db.schema().table(table).cloned() else { return };
        let Some(row) = hosted.db.tables()[schema.index].get(*uuid) else { return };
        let mut values = serde_json::Map::new();
        let mut set = |name: &str, value: Datum| {
            if schema.column_index(name).is_some_and(|c| row[c] != value) {
                values.insert(name.into(), value.to_json());
            }
        };
        set("is_connected", Datum::One(connected.into()));
        set("status", Datum::map_of(status.iter().map(|(k, v)| (k.as_str(), v.as_str()))));
        if values.is_empty() {
            return;
        }
        let id = json!(["uuid", uuid.to_string()]);
        let update = json!({"op": "update", "table": table, "where": [["_uuid", "==", id]], "row": values});
        if let Err(error) = self.transact_internal(db, vec![update]) {
            tracing::warn!(target: "ovsdb_server", "{db}: cannot write status of remote {}: {error}", remote.target);
        }
    }

    /// What `memory/show` tells, by word.
    pub fn memory_report(&self) -> Vec<(&'static str, usize)> {
        let (mut atoms, mut cells, mut weak) = (0, 0, 0);
        for table in self.databases.values().flat_map(|hosted| hosted.db.tables()) {
            for row in table.rows() {
                cells += row.columns().len();
                atoms += row.columns().iter().map(|d| d.len() + d.pairs().len()).sum::<usize>();
            }
            weak += table.n_weak_refs();
        }
        let monitors = self.sessions.values().map(|s| s.monitors.len()).sum();
        let triggers: usize = self.databases.values().map(|h| h.waits.len()).sum();
        let mut report = vec![("atoms", atoms), ("cells", cells), ("monitors", monitors), ("n-weak-refs", weak)];
        report.extend([("sessions", self.n_sessions()), ("triggers", triggers)].into_iter().filter(|(_, n)| *n > 0));
        report
    }

    /// The first nonempty string in a column, for settings that a database holds. The error is a sentence.
    pub fn setting_in(&self, db: &str, table: &str, column: &str) -> Result<Option<String>, String> {
        let name = format!("db:{db},{table},{column}");
        let hosted = self.databases.get(db).ok_or_else(|| format!("\"{name}\": no database named {db}"))?;
        let of = hosted.db.schema().table(table).ok_or_else(|| format!("\"{name}\": no table named {table}"))?;
        let no_column = || format!("\"{name}\": table \"{table}\" has no column \"{column}\"");
        let c = of.column_index(column).ok_or_else(no_column)?;
        let texts =
            hosted.db.tables()[of.index].rows().flat_map(|row| row[c].atoms().iter().filter_map(|a| a.as_str()));
        Ok(texts.filter(|text| !text.is_empty()).min().map(str::to_owned))
    }

    pub(super) fn convert_database(&mut self, name: &str, schema: DatabaseSchema) -> Result<()> {
        self.flush();
        let date_ms = self.date_ms();
        let hosted = self.databases.get_mut(name).expect("the caller has found the database");
        if hosted.internal {
            return Err(Error::new("not allowed", format!("{name} is an internal database")));
        }
        if hosted.relay.is_some() {
            return Err(Error::new("not allowed", format!("{name} is relayed; convert it where it comes from")));
        }
        self.settle_disk(name);
        let hosted = self.databases.get_mut(name).expect("it is still there");
        hosted.db.convert(schema, date_ms)?;
        self.abandon(name);
        self.disconnect_unaware(&format!("{name} database schema changed"));
        self.describe_databases();
        Ok(())
    }

    fn host(&mut self, name: String, db: Database, internal: bool) {
        self.next_host += 1;
        let disk = disk::Disk::new(self.next_host);
        let mut hosted = Hosted { db, monitors: Monitors::default(), waits: Vec::new(), internal, relay: None, disk };
        // The time until the first compaction counts from here.
        hosted.db.wants_compaction(&self.rule, self.clock.now());
        self.databases.insert(name, hosted);
        self.describe_databases();
    }

    /// Cancels the monitors and waiting transactions of a database.
    pub(super) fn abandon(&mut self, name: &str) {
        let Some(hosted) = self.databases.get_mut(name) else { return };
        let waits = std::mem::take(&mut hosted.waits);
        hosted.monitors = Monitors::default();
        self.abandon_forwarded(name);
        for waiting in waits {
            self.reply_error(waiting.request.session, &waiting.request.id, &"canceled".into());
        }
        let mut ids: Vec<SessionId> = self.sessions.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let Some(session) = self.sessions.get_mut(&id) else { continue };
            let gone: Vec<String> =
                session.monitors.iter().filter(|(_, m)| m.db == name).map(|(id, _)| id.clone()).collect();
            for monitor in gone {
                session.monitors.remove(&monitor);
                let text = format!("{{\"id\":null,\"method\":\"monitor_canceled\",\"params\":[{monitor}]}}");
                self.out.push_back(Output::Send(id, Text::Whole(text)));
            }
        }
    }

    /// Hangs up on clients that would not understand that databases changed.
    pub(super) fn disconnect_unaware(&mut self, reason: &str) {
        let mut ids: Vec<SessionId> =
            self.sessions.iter().filter(|(_, s)| !s.change_aware).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        self.out.extend(ids.into_iter().map(|id| Output::Close(id, reason.to_owned())));
    }

    /// Brings the rows of `_Server` up to date.
    pub(super) fn describe_databases(&mut self) {
        let described: BTreeMap<String, Value> = (self.databases.iter())
            .map(|(name, hosted)| {
                let (model, connected) = match &hosted.relay {
                    None => ("standalone", true),
                    Some(relay) => ("relay", relay.connected),
                };
                let schema = match &hosted.relay {
                    Some(relay) if !relay.ready => json!(["set", []]),
                    _ => json!(**hosted.db.schema_text()),
                };
                let leader = hosted.relay.is_none();
                let row = json!({
                    "name": name, "model": model, "connected": connected, "leader": leader, "schema": schema
                });
                (name.clone(), row)
            })
            .collect();
        let Some(hosted) = self.databases.get(SERVER_DB) else { return };
        let table = &hosted.db.tables()[0];
        let name_column = table.schema.column_index("name").expect("our own schema has the column");
        let present: BTreeSet<&str> = table.rows().filter_map(|row| row[name_column].as_str()).collect();
        let condition = |name: &str| json!([["name", "==", name]]);
        let gone = present.iter().filter(|name| !described.contains_key(**name));
        let mut operations: Vec<Value> =
            gone.map(|name| json!({"op": "delete", "table": "Database", "where": condition(name)})).collect();
        // An update that changes nothing is no change to anybody.
        operations.extend(described.iter().map(|(name, row)| match present.contains(name.as_str()) {
            true => json!({"op": "update", "table": "Database", "where": condition(name), "row": row}),
            false => json!({"op": "insert", "table": "Database", "row": row}),
        }));
        let result = self.transact_internal(SERVER_DB, operations);
        debug_assert!(result.is_ok_and(|r| !r.contains("\"error\"")));
    }
}

/// Opens a database file. A damaged end is cut off and said in the log.
pub fn open_file(path: &Path) -> Result<Database> {
    let storage = crate::storage::FileStorage::open(path)?;
    let (db, torn) = Database::open(Box::new(storage))?;
    if let Some(torn) = torn {
        tracing::error!(target: "ovsdb_server", "{}", torn.to_error(&path.display().to_string()));
    }
    Ok(db)
}

/// The schema of `_Server` that ovsdb-server(5) documents.
fn server_schema() -> Value {
    let optional = |key: &str| json!({"type": {"key": key, "min": 0}});
    json!({
        "name": SERVER_DB,
        "version": "1.2.0",
        "tables": {"Database": {"columns": {
            "name": {"type": "string"},
            "model": {"type": {"key": {"type": "string", "enum": ["set", ["clustered", "relay", "standalone"]]}}},
            "connected": {"type": "boolean"},
            "leader": {"type": "boolean"},
            "schema": optional("string"),
            "cid": optional("uuid"),
            "sid": optional("uuid"),
            "index": optional("integer"),
        }}}
    })
}
