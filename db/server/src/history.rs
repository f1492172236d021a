//! What: the commits that a database remembers, so that they can be listed, looked at and undone.
//!
//! Why: an operator who broke something wants the commit by name, with time and comment, and wants it undone as one new
//! commit, not by restoring a file.
//!
//! ```text
//!   log records ── replay ──┐
//!   commits ──── flush ─────┼─> History (the newest 1000 commits, at most 20,000 rows)
//!   .NAME.~history~ ────────┘        │
//!          ^                         ├─> list, show        server/operator.rs
//!          └────── before compact ───┘   undo ─> operations of a new commit   history/undo.rs
//! ```
//!
//! How: the log is the history; nothing else is written while commits go on. Only a compaction, which takes the old
//! records away, first keeps what is remembered as a note beside the file. A commit's name is a digest of its date,
//! comment and contents, so it is the same before and after a restart or a compaction, and a commit that is in both
//! places is recognised. The file itself stays an ordinary OVSDB file.
//!
//! Invariants: remembering costs a commit one push; at most [`MAX_COMMITS`] and [`MAX_ROWS`] are remembered, but
//! always the newest commit; a conversion to another schema is a commit of its own, and what came before it is remembered as far
//! as the new schema has words for it.

mod delta;
mod undo;

pub use delta::{Cell, Delta, What};
pub use undo::{Conflict, Undo, undo};
pub(crate) use undo::{name_in, name_of};

use crate::storage::Writer;
use crate::table::{Row, Table};
use crate::txn::{ChangeSet, RowChange};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use weft_ovsdb::atom::parse_uuid;
use weft_ovsdb::{DatabaseSchema, Uuid};

/// See the header of this file.
#[derive(Default)]
pub struct History {
    commits: VecDeque<Commit>,
    rows: usize,
}

/// A remembered commit.
#[derive(Clone)]
pub struct Commit {
    /// When, in milliseconds since 1970.
    pub date_ms: i64,
    /// Who and why, as far as the client said.
    pub comment: Option<Arc<str>>,
    body: Body,
}

#[derive(Clone)]
enum Body {
    /// Shared with the tables.
    Live(Arc<ChangeSet>),
    /// Read from a note.
    Kept(Arc<[Delta]>),
}

impl Commit {
    /// A commit that has just been made.
    pub fn new(date_ms: i64, comment: Option<&str>, set: Arc<ChangeSet>) -> Commit {
        Commit { date_ms, comment: comment.map(Arc::from), body: Body::Live(set) }
    }

    /// What it changed, row by row, in order of table and UUID; only what is kept on disk.
    pub fn deltas(&self, tables: &[Table]) -> Cow<'_, [Delta]> {
        match &self.body {
            Body::Kept(deltas) => Cow::Borrowed(deltas),
            Body::Live(set) => Cow::Owned(delta::of(tables, set)),
        }
    }

    /// Its name: eight hexadecimal digits.
    pub fn id(&self, tables: &[Table]) -> String {
        let mut hash = Sha1::new();
        hash.update(self.to_json(tables).to_string().as_bytes());
        hash.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    /// All of it, for a note.
    pub fn to_json(&self, tables: &[Table]) -> Value {
        let rows: Vec<Value> = self.deltas(tables).iter().map(|delta| delta.to_json(tables)).collect();
        json!({"date": self.date_ms, "comment": self.comment.as_deref(), "rows": rows})
    }

    /// Reads what [`Commit::to_json`] wrote; `None` if it does not fit the schema.
    pub fn from_json(json: &Value, schema: &DatabaseSchema) -> Option<Commit> {
        let rows = json.get("rows")?.as_array()?;
        let deltas: Option<Vec<Delta>> = rows.iter().map(|row| Delta::from_json(row, schema)).collect();
        let comment = json.get("comment").and_then(Value::as_str).map(Arc::from);
        Some(Commit { date_ms: json.get("date")?.as_i64()?, comment, body: Body::Kept(deltas?.into()) })
    }

    /// The commit in the words of another schema: what that has no table or column for, or would not allow, is left out.
    fn converted(&self, tables: &[Table], schema: &DatabaseSchema) -> Commit {
        let deltas = self.deltas(tables);
        let kept = deltas.iter().filter_map(|delta| delta.converted(&tables[delta.table].schema, schema));
        Commit { body: Body::Kept(kept.collect()), ..self.clone() }
    }

    fn n_rows(&self) -> usize {
        match &self.body {
            Body::Live(set) => set.len(),
            Body::Kept(deltas) => deltas.len(),
        }
    }
}

impl History {
    /// Remembers a commit; forgets old ones if there are too many.
    pub fn push(&mut self, commit: Commit) {
        self.rows += commit.n_rows();
        self.commits.push_back(commit);
        while self.commits.len() > MAX_COMMITS || (self.rows > MAX_ROWS && self.commits.len() > 1) {
            let gone = self.commits.pop_front().expect("more than one is there");
            self.rows -= gone.n_rows();
        }
    }

    /// The commits, oldest first.
    pub fn commits(&self) -> impl DoubleEndedIterator<Item = &Commit> + ExactSizeIterator {
        self.commits.iter()
    }

    /// The history after a conversion from `tables` to another schema.
    pub fn converted(&self, tables: &[Table], schema: &DatabaseSchema, date_ms: i64) -> History {
        let mut history = History::default();
        self.commits.iter().for_each(|commit| history.push(commit.converted(tables, schema)));
        let version = schema.version.as_deref().unwrap_or("without a number");
        let comment = format!("converted to schema version {version}");
        history.push(Commit { date_ms, comment: Some(comment.into()), body: Body::Kept(Arc::default()) });
        history
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = History::default();
    }

    /// The commits whose names begin like this, oldest first, with their places.
    pub fn find(&self, tables: &[Table], prefix: &str) -> Vec<(usize, &Commit)> {
        self.commits.iter().enumerate().filter(|(_, commit)| commit.id(tables).starts_with(prefix)).collect()
    }

    /// The commits after this place.
    pub fn after(&self, place: usize) -> impl Iterator<Item = &Commit> {
        self.commits.iter().skip(place + 1)
    }

    /// The note that outlives a compaction, put into words when it is written. It shares the commits.
    pub fn to_note(&self, tables: &[Table]) -> Writer {
        let commits = self.commits.clone();
        // Of the tables only their schemas count.
        let tables: Vec<Table> = tables.iter().map(|table| Table::new(table.schema.clone(), table.is_root)).collect();
        Box::new(move |out| {
            out.write_all(b"{\"version\":1,\"commits\":[")?;
            for (i, commit) in commits.iter().enumerate() {
                if i > 0 {
                    out.write_all(b",")?;
                }
                let head = json!({"date": commit.date_ms, "comment": commit.comment.as_deref()}).to_string();
                write!(out, "{},\"rows\":[", head.trim_end_matches('}'))?;
                for (i, delta) in commit.deltas(&tables).iter().enumerate() {
                    if i > 0 {
                        out.write_all(b",")?;
                    }
                    serde_json::to_writer(&mut *out, &delta.to_json(&tables))?;
                }
                out.write_all(b"]}")?;
            }
            out.write_all(b"]}")
        })
    }

    /// Puts what a note holds in front of what the log gave, but for what is in both. A note that cannot be read is as
    /// good as none.
    pub fn restore(&mut self, note: &[u8], schema: &DatabaseSchema, tables: &[Table]) {
        let Ok(note) = serde_json::from_slice::<Value>(note) else { return };
        let Some(commits) = note.get("commits").and_then(Value::as_array) else { return };
        let logged: HashSet<String> = self.commits.iter().map(|commit| commit.id(tables)).collect();
        let newer = std::mem::take(self).commits;
        let kept = commits.iter().filter_map(|json| Commit::from_json(json, schema));
        kept.filter(|commit| !logged.contains(&commit.id(tables))).for_each(|commit| self.push(commit));
        newer.into_iter().for_each(|commit| self.push(commit));
    }
}

/// Remembers a record of the log while it is replayed: what it touched before it was applied.
pub struct Replayed {
    rows: Vec<(usize, Uuid, Option<Row>)>,
    date_ms: i64,
    comment: Option<String>,
}

impl Replayed {
    /// Looks at a record that is about to be applied. `None` for the snapshot of a compaction or conversion and for records that are
    /// too big to be remembered.
    pub fn before(schema: &DatabaseSchema, tables: &[Table], record: &Value) -> Option<Replayed> {
        let members = record.as_object()?;
        let comment = members.get("_comment").and_then(Value::as_str);
        let own = || members.iter().filter(|(name, _)| !name.starts_with('_'));
        let count: usize = own().map(|(_, rows)| rows.as_object().map_or(0, serde_json::Map::len)).sum();
        if count > MAX_ROWS || comment.is_some_and(|comment| SNAPSHOTS.iter().any(|words| comment.starts_with(words))) {
            return None;
        }
        let mut rows = Vec::with_capacity(count);
        for (name, changed) in own() {
            let Some(table) = schema.table(name) else { continue };
            let uuids = changed.as_object()?.keys().filter_map(|uuid| parse_uuid(uuid));
            rows.extend(uuids.map(|uuid| (table.index, uuid, tables[table.index].get(uuid).cloned())));
        }
        let date_ms = members.get("_date").and_then(Value::as_i64).unwrap_or_default();
        Some(Replayed { rows, date_ms, comment: comment.map(str::to_owned) })
    }

    /// The commit, now that the record has been applied.
    pub fn after(self, tables: &[Table]) -> Commit {
        let mut set = ChangeSet::default();
        for (table, uuid, old) in self.rows {
            let new = tables[table].get(uuid).cloned();
            if old.is_none() && new.is_none() {
                continue;
            }
            match set.tables.last_mut() {
                Some((last, changes)) if *last == table => changes.push(RowChange { old, new }),
                _ => set.tables.push((table, vec![RowChange { old, new }])),
            }
        }
        Commit::new(self.date_ms, self.comment.as_deref(), Arc::new(set))
    }
}

/// The name of the note that holds the history.
pub const NOTE: &str = "history";
/// So many commits are remembered.
pub const MAX_COMMITS: usize = 1000;
/// So many changed rows are remembered, all commits together.
pub const MAX_ROWS: usize = 20_000;
/// How the comments of snapshots begin, whoever wrote them.
const SNAPSHOTS: [&str; 3] = ["compacting database", "compacted by ovsdb-", "converted by ovsdb-"];

#[cfg(test)]
mod tests;
