//! One database: its tables and its log.
//!
//! A transaction takes two steps. [`Database::execute`] changes the tables and puts the record into a batch;
//! [`Database::flush`] writes the batch with one write and, if some transaction asked for it, one `fsync`. Replies
//! and notifications wait for the flush. If it fails, everything in the batch is undone, latest first.
//!
//! Invariant: between flushes, tables = what the log says + the batch.

use crate::commit::{apply_unchecked, commit, rebuild};
use crate::exec::{Context, Outcome, execute};
use crate::history::{self, Commit, History, Replayed};
use crate::log;
use crate::mirror::{RowUpdate, Update};
use crate::storage::{MemoryStorage, Storage};
use crate::table::{Row, Table};
use crate::txn::{ChangeSet, Txn};
use crate::uuids::UuidSource;
use serde_json::Value;
use std::sync::Arc;
use weft_ovsdb::error::compact_sorted;
use weft_ovsdb::operation::default_row;
use weft_ovsdb::schema::{COL_UUID, COL_VERSION, N_IMPLICIT};
use weft_ovsdb::{DatabaseSchema, Datum, Error, Result};

/// A database.
pub struct Database {
    schema: Arc<DatabaseSchema>,
    schema_text: Arc<str>,
    tables: Vec<Table>,
    storage: Option<Box<dyn Storage>>,
    uuids: UuidSource,
    batch: Batch,
    compacted_size: u64,
    history: History,
    /// Why the last write failed, if it did.
    trouble: Option<String>,
    whole_columns: bool,
}

/// Transactions whose records are not written yet.
#[derive(Default)]
struct Batch {
    framed: Vec<u8>,
    sets: Vec<Arc<ChangeSet>>,
    commits: Vec<Commit>,
    /// How many of them must be on the disk.
    durable: usize,
}

/// A transaction that is over, but for the flush.
pub struct Executed {
    /// The `result` member of the reply, as JSON text.
    pub result: String,
    /// What changed, to be told after the flush.
    pub changes: Option<Arc<ChangeSet>>,
}

/// What became of a request to execute operations.
pub enum Execution {
    /// Over, but for the flush.
    Done(Executed),
    /// See [`Outcome::Waiting`].
    Waiting {
        /// The table that the wait looks at.
        table: usize,
        /// When it gives up, counted from the request.
        timeout: Option<std::time::Duration>,
    },
}

impl Database {
    /// Opens what is in `storage`. Tells also if the end of the log was damaged and has been cut off.
    pub fn open(mut storage: Box<dyn Storage>) -> Result<(Database, Option<log::Torn>)> {
        let mut loading: Option<Database> = None;
        let torn = storage.replay(&mut |record| {
            match &mut loading {
                None => loading = Some(Database::new(DatabaseSchema::from_json(&record)?)),
                Some(db) => {
                    let replayed = Replayed::before(&db.schema, &db.tables, &record);
                    log::apply(&db.schema, &mut db.tables, &record, &mut db.uuids)?;
                    if let Some(replayed) = replayed {
                        db.history.push(replayed.after(&db.tables));
                    }
                }
            }
            Ok(())
        })?;
        let Some(mut db) = loading else { return Err(Error::new("ovsdb error", "log has no schema")) };
        rebuild(&db.schema, &mut db.tables)?;
        db.compacted_size = storage.size();
        if let Some(note) = storage.kept(history::NOTE) {
            db.history.restore(&note, &db.schema, &db.tables);
        }
        db.storage = Some(storage);
        Ok((db, torn))
    }

    /// An empty database that is kept nowhere.
    pub fn new(schema: DatabaseSchema) -> Database {
        let tables = tables_of(&schema);
        Database {
            schema_text: compact_sorted(&schema.to_json()).into(),
            schema: Arc::new(schema),
            tables,
            storage: None,
            uuids: UuidSource::new(),
            batch: Batch::default(),
            compacted_size: 0,
            history: History::default(),
            trouble: None,
            whole_columns: false,
        }
    }

    /// The bytes of a log with nothing but a schema, as `ovsdb-tool create` writes it.
    pub fn initial_log(schema: &DatabaseSchema) -> Vec<u8> {
        let mut framed = Vec::new();
        log::frame(&schema.to_json().to_string(), &mut framed);
        framed
    }

    /// A database in memory, with a log that tests can look at.
    pub fn in_memory(schema: &DatabaseSchema) -> (Database, MemoryStorage) {
        let storage = MemoryStorage::new(Database::initial_log(schema));
        let (db, _) = Database::open(Box::new(storage.clone())).expect("a fresh log is whole");
        (db, storage)
    }

    /// The schema.
    pub fn schema(&self) -> &Arc<DatabaseSchema> {
        &self.schema
    }

    /// The schema as JSON text with sorted members.
    pub fn schema_text(&self) -> &Arc<str> {
        &self.schema_text
    }

    /// The tables in order of name.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// Writes changed columns whole to the log, as Open vSwitch before 2.17 can read them, instead of differences.
    pub fn write_whole_columns(&mut self) {
        self.whole_columns = true;
    }

    /// Whether the database is kept somewhere.
    pub fn is_persistent(&self) -> bool {
        self.storage.is_some()
    }

    /// Executes operations; see the header of this file. `date_ms` goes into the log.
    pub fn execute(&mut self, operations: &[Value], context: &Context<'_>, date_ms: i64) -> Execution {
        match execute(&self.schema, &mut self.tables, &mut self.uuids, operations, context) {
            Outcome::Waiting { table, timeout } => Execution::Waiting { table, timeout },
            Outcome::Done { result, changes, comment, durable } => {
                let changes = (!changes.is_empty()).then(|| Arc::new(changes));
                if let Some(changes) = &changes {
                    self.stage(changes, comment.as_deref(), durable, date_ms);
                }
                Execution::Done(Executed { result, changes })
            }
        }
    }

    /// Makes changes that another server has made before; see [`crate::mirror`]. They wait for the flush too.
    pub fn replicate(&mut self, updates: Vec<Update>, date_ms: i64) -> Result<Option<Arc<ChangeSet>>> {
        let mut txn = Txn::default();
        for (t, uuid, update) in updates {
            let (old, table) = (self.tables[t].get(uuid).cloned(), self.tables[t].schema.clone());
            let row = match (update, &old) {
                (RowUpdate::Gone, _) => {
                    txn.delete(&mut self.tables, t, uuid);
                    continue;
                }
                (RowUpdate::Is(values), _) => {
                    let mut columns = default_row(&table);
                    columns[COL_UUID] = Datum::One(uuid.into());
                    columns[COL_VERSION] = Datum::One(self.uuids.next().into());
                    values.into_iter().for_each(|(column, value)| columns[column] = value);
                    Row::new(columns)
                }
                (RowUpdate::Changes(diffs), Some(old)) => {
                    let apply = |(c, diff): (usize, Datum)| (c, old[c].apply_diff(&diff, &table.columns[c].kind));
                    old.with(diffs.into_iter().map(apply))
                }
                (RowUpdate::Changes(_), None) => {
                    txn.rollback(&mut self.tables);
                    return Err(Error::new("ovsdb error", format!("no row {uuid} in table {} to change", table.name)));
                }
            };
            if !old.is_some_and(|old| old.same_content(&row) && old[COL_VERSION] == row[COL_VERSION]) {
                txn.put(&mut self.tables, t, row);
            }
        }
        let changes = commit(&self.schema, &mut self.tables, txn, &mut self.uuids)?;
        let changes = (!changes.is_empty()).then(|| Arc::new(changes));
        if let Some(changes) = &changes {
            self.stage(changes, None, false, date_ms);
        }
        Ok(changes)
    }

    fn stage(&mut self, changes: &Arc<ChangeSet>, comment: Option<&str>, durable: bool, date_ms: i64) {
        if self.storage.is_none() {
            return;
        }
        self.batch.sets.push(changes.clone());
        if let Some(record) = log::transaction(&self.tables, changes, comment, date_ms, !self.whole_columns) {
            log::frame(&record, &mut self.batch.framed);
            self.batch.durable += usize::from(durable);
            self.batch.commits.push(Commit::new(date_ms, comment, changes.clone()));
        }
    }

    /// How many transactions that must be on the disk wait for the flush.
    pub fn n_durable(&self) -> usize {
        self.batch.durable
    }

    /// Writes what has been executed since the last flush. If that fails, all of it is undone.
    pub fn flush(&mut self) -> Result<()> {
        if self.batch.sets.is_empty() {
            return Ok(());
        }
        let mut batch = std::mem::take(&mut self.batch);
        let Some(storage) = &mut self.storage else { return Ok(()) };
        let written = if batch.framed.is_empty() {
            Ok(())
        } else {
            storage.append(&batch.framed).and_then(|()| if batch.durable > 0 { storage.sync() } else { Ok(()) })
        };
        self.trouble = written.as_ref().err().map(ToString::to_string);
        if written.is_err() {
            for set in batch.sets.iter().rev() {
                apply_unchecked(&self.schema, &mut self.tables, set, true);
            }
        }
        if written.is_ok() {
            batch.commits.into_iter().for_each(|commit| self.history.push(commit));
        }
        // Keep the allocation, unless something huge passed through.
        batch.framed.clear();
        if batch.framed.capacity() <= KEEP_BATCH {
            self.batch.framed = batch.framed;
        }
        written
    }

    /// Whether the log has grown enough to be worth compacting (ovsdb-server(1): twice its size after the last
    /// compaction and at least 10 MB).
    pub fn wants_compaction(&self) -> bool {
        self.storage.as_ref().is_some_and(|s| s.size() >= MIN_COMPACT && s.size() > 2 * self.compacted_size)
    }

    /// Replaces the log by one that holds the schema and the present rows.
    pub fn compact(&mut self, date_ms: i64) -> Result<()> {
        self.flush()?;
        let Some(storage) = &mut self.storage else { return Ok(()) };
        let mut framed = Vec::new();
        log::frame(&self.schema.to_json().to_string(), &mut framed);
        if let Some(record) = log::snapshot_as(&self.tables, "compacting database online", date_ms, !self.whole_columns)
        {
            log::frame(&record, &mut framed);
        }
        if let Err(error) = storage.keep(history::NOTE, Some(&self.history.to_note(&self.tables))) {
            tracing::warn!(target: "ovsdb_server", "the history before this compaction is lost: {error}");
        }
        storage.compact(&framed)?;
        self.compacted_size = storage.size();
        Ok(())
    }

    /// The latest commit that waits for the flush.
    pub fn staged(&self) -> Option<&Commit> {
        self.batch.commits.last()
    }

    /// Undoes what has been executed since the last flush.
    pub fn discard(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        for set in batch.sets.iter().rev() {
            apply_unchecked(&self.schema, &mut self.tables, set, true);
        }
    }

    /// The commits that are remembered.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Keeps a note beside the log; see [`Storage::keep`].
    pub fn keep(&mut self, name: &str, note: Option<&[u8]>) -> Result<()> {
        self.storage.as_mut().map_or(Ok(()), |storage| storage.keep(name, note))
    }

    /// The note, if there is one.
    pub fn kept(&mut self, name: &str) -> Option<Vec<u8>> {
        self.storage.as_mut()?.kept(name)
    }

    /// "ok", or what went wrong with the storage and has not gone well since.
    pub fn storage_status(&self) -> &str {
        self.trouble.as_deref().unwrap_or("ok")
    }

    /// Bytes in the log.
    pub fn log_size(&self) -> u64 {
        self.storage.as_ref().map_or(0, |s| s.size())
    }

    /// Changes the schema, keeping the data of tables and columns that both have. On error all is as before.
    pub fn convert(&mut self, schema: DatabaseSchema, date_ms: i64) -> Result<()> {
        self.flush()?;
        let mut tables = tables_of(&schema);
        let mut txn = Txn::default();
        for old in &self.tables {
            let Some(table) = schema.table(&old.schema.name) else { continue };
            let kept: Vec<(usize, usize)> = (N_IMPLICIT..table.columns.len())
                .filter_map(|c| Some((c, old.schema.column_index(&table.columns[c].name)?)))
                .collect();
            for row in old.rows() {
                let mut columns = default_row(table);
                columns[COL_UUID] = row[COL_UUID].clone();
                for &(to, from) in &kept {
                    let kind = &table.columns[to].kind;
                    columns[to] = Datum::from_json(&row[from].to_json(), kind, None)?;
                }
                txn.insert(&mut tables, table.index, columns, &mut self.uuids);
            }
        }
        commit(&schema, &mut tables, txn, &mut self.uuids)?;
        let text: Arc<str> = compact_sorted(&schema.to_json()).into();
        let before = (
            std::mem::replace(&mut self.schema, Arc::new(schema)),
            std::mem::replace(&mut self.schema_text, text),
            std::mem::replace(&mut self.tables, tables),
        );
        let history = std::mem::take(&mut self.history);
        if let Err(error) = self.compact(date_ms) {
            self.history = history;
            (self.schema, self.schema_text, self.tables) = before;
            return Err(error);
        }
        Ok(())
    }
}

fn tables_of(schema: &DatabaseSchema) -> Vec<Table> {
    schema.tables.values().map(|table| Table::new(table.clone(), schema.is_root(table))).collect()
}

const MIN_COMPACT: u64 = 10 << 20;
const KEEP_BATCH: usize = 1 << 20;
