//! One database: its tables and its log.
//!
//! A transaction takes two steps. [`Database::execute`] changes the tables and puts the record into a batch;
//! [`Database::append`] writes the batch with one write. Replies and notifications wait for that. If it fails, everything
//! in the batch is undone, latest first. What has to be on the disk waits for a job of [`Database::syncing`] too.
//!
//! Invariant: between appends, tables = what the log says + the batch.

mod disk;

use crate::commit::{apply_unchecked, commit, rebuild};
use crate::compaction::Growth;
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
    growth: Growth,
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
    /// Whether some of them must be on the disk.
    durable: bool,
}

/// A transaction that is over, but for the flush.
pub struct Executed {
    /// The `result` member of the reply, as JSON text.
    pub result: String,
    /// What changed, to be told after the flush.
    pub changes: Option<Arc<ChangeSet>>,
    /// Whether the reply must wait until all that is there now is on the disk.
    pub durable: bool,
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
        db.growth.compacted(storage.size());
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
            growth: Growth::default(),
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
                Execution::Done(Executed { result, changes, durable: durable && self.is_persistent() })
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
            self.batch.durable |= durable;
            self.batch.commits.push(Commit::new(date_ms, comment, changes.clone()));
        }
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
        let history = self.history.converted(&before.2, &self.schema, date_ms);
        let history = std::mem::replace(&mut self.history, history);
        if let Err(error) = self.compact_as("converted by ovsdb-server", date_ms) {
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
