//! What: commits for operators: history, undoing a commit, and changes that take themselves back unless confirmed.
//!
//! Four requests beyond RFC 7047, all with the database's name first. Times are milliseconds, wall-clock ones since 1970.
//!
//! | method | params | result |
//! |---|---|---|
//! | `weft_history` | `{"limit": N, "commit": PREFIX, "all": BOOL}` | `{"commits": [...], "pending": {...}}`, newest first |
//! | `weft_revert` | `PREFIX, {"comment": TEXT}` | `{"commit": ID, "next_cfg": N}` |
//! | `weft_transact` | `{"confirm": SECONDS}, operation...` | `{"results": [...], "pending": {...}}` |
//! | `weft_confirm` | `{"commit": PREFIX, "rollback": BOOL}` | `{"commit": ID, "next_cfg": N}` |
//!
//! The one owner of a deadline is the server. It does not matter what becomes of the client, its connection, or the
//! server itself: before the change is written, a note is put beside the log, with all that is needed to take it back.
//! A server that finds the note goes on waiting, by the wall clock, or takes the change back before it serves anybody
//! if the time has passed while it was down. A note whose change never reached the log is thrown away.
//!
//! ```text
//!   weft_transact ─> Armed ── weft_confirm ──────────────> stands
//!                      │──── deadline, or rollback ──────> taken back, as a commit of its own
//!                      └──── restart ─> note ─> Armed
//! ```
//!
//! Invariants: at most one change a database waits; what others changed since in the same cells stays theirs, and the
//! log says so.

use super::*;
use crate::history::{Commit, Conflict, Undo, undo};
use serde_json::json;
use weft_ovsdb::open_vswitch::is_reported;
use weft_ovsdb::{Error, Result};

/// A change that waits for a confirmation.
pub(super) struct Armed {
    commit: Commit,
    id: String,
    deadline: Time,
    deadline_ms: i64,
    seconds: u64,
}

impl Server {
    pub(super) fn weft_history(&mut self, db: &str, params: &[Value]) -> Result<String> {
        self.flush();
        let options = options(params.get(1))?;
        let limit = options.get("limit").and_then(Value::as_u64).map_or(usize::MAX, |n| n as usize);
        let prefix = options.get("commit").and_then(Value::as_str);
        let all = options.get("all").and_then(Value::as_bool).unwrap_or(prefix.is_some());
        let hosted = &self.databases[db];
        let tables = hosted.db.tables();
        let shown = |commit: &&Commit| all || commit.comment.is_some() || !only_reports(commit, tables);
        let mut commits = Vec::new();
        for commit in hosted.db.history().commits().rev().filter(shown) {
            if commits.len() == limit {
                break;
            }
            let id = commit.id(tables);
            if prefix.is_some_and(|prefix| !id.starts_with(prefix)) {
                continue;
            }
            commits.push(described(commit, id, tables));
        }
        if let Some(prefix) = prefix.filter(|_| commits.is_empty()) {
            return Err(no_commit(prefix));
        }
        Ok(json!({"commits": commits, "pending": self.pending_json(db)}).to_string())
    }

    pub(super) fn weft_revert(&mut self, db: &str, params: &[Value]) -> Result<String> {
        self.flush();
        let Some(prefix) = params.get(1).and_then(Value::as_str) else {
            return Err(Error::syntax(Some(&Value::Array(params.to_vec())), "the commit's name expected"));
        };
        let options = options(params.get(2))?;
        self.must_own(db)?;
        let hosted = &self.databases[db];
        let tables = hosted.db.tables();
        let (place, commit) = match hosted.db.history().find(tables, prefix)[..] {
            [] => return Err(no_commit(prefix)),
            [(place, commit)] => (place, commit.clone()),
            ref many => {
                let text = format!("{prefix} names {} commits; give more of the name", many.len());
                return Err(Error::new("ambiguous", text));
            }
        };
        let id = commit.id(tables);
        let Undo { operations, conflicts } = undo(tables, &commit.deltas(tables));
        if !conflicts.is_empty() {
            let later: Vec<(String, Commit)> =
                hosted.db.history().after(place).map(|commit| (commit.id(tables), commit.clone())).collect();
            let told = conflicts.iter().take(MAX_TOLD).map(|conflict| match changer(conflict, &later, tables) {
                Some(by) => format!("{} (by commit {by})", conflict.text),
                None => conflict.text.clone(),
            });
            let text = format!("cannot undo {id}: changed since: {}", told.collect::<Vec<_>>().join("; "));
            return Err(Error::new("conflict", text));
        }
        if operations.is_empty() {
            return Err(Error::new("conflict", format!("there is nothing of {id} to undo")));
        }
        let mut comment = options.get("comment").and_then(Value::as_str).map(str::to_owned).unwrap_or_default();
        if !comment.is_empty() {
            comment.push('\n');
        }
        comment += &format!("revert {id}{}", quoted(&commit));
        let next_cfg = self.take_back(db, operations, &comment)?;
        let hosted = &self.databases[db];
        let new = hosted.db.history().commits().last().map(|commit| commit.id(hosted.db.tables()));
        Ok(json!({"commit": new, "reverted": id, "next_cfg": next_cfg}).to_string())
    }

    /// Executes and arms. The reply goes out here, as it may only after the flush.
    pub(super) fn weft_transact(
        &mut self,
        session: SessionId,
        db: &str,
        mut params: Vec<Value>,
        id: &Value,
    ) -> Result<()> {
        let operations = params.split_off(params.len().min(2));
        let seconds = options(params.get(1))?.get("confirm").and_then(Value::as_u64);
        let Some(seconds) = seconds.filter(|seconds| (1..=MAX_SECONDS).contains(seconds)) else {
            let text = format!("\"confirm\" must be a number of seconds from 1 to {MAX_SECONDS}");
            return Err(Error::syntax(params.get(1), text));
        };
        if self.databases[db].internal {
            return Err(Error::new("not allowed", format!("{db} is an internal database")));
        }
        self.must_own(db)?;
        if let Some(armed) = self.armed.get(db) {
            let text = format!("commit {} still waits for its confirmation", armed.id);
            return Err(Error::new("busy", text));
        }
        self.flush();
        let now = self.clock.now();
        let mut request = Request { session, id: id.clone(), operations, since: now };
        request.operations.push(json!({"op": "commit", "durable": true}));
        let done = match self.execute(db, &request) {
            Execution::Done(done) => done,
            Execution::Waiting { .. } => return Err(Error::bare("timed out")),
        };
        let date_ms = self.date_ms();
        let hosted = self.databases.get_mut(db).expect("the caller has found the database");
        let mut pending = Value::Null;
        if let Some(commit) = hosted.db.staged().cloned() {
            let commit_id = commit.id(hosted.db.tables());
            let deadline_ms = date_ms + 1000 * seconds as i64;
            let note = json!({
                "commit": commit.to_json(hosted.db.tables()), "deadline": deadline_ms, "seconds": seconds
            });
            let kept = hosted.db.keep(NOTE, Some(note.to_string().as_bytes()));
            let written = kept.and_then(|()| hosted.db.append());
            if let Err(error) = written {
                hosted.db.discard();
                // What was not written needs no taking back.
                let _ = hosted.db.keep(NOTE, None);
                return Err(error);
            }
            let deadline = now + Duration::from_secs(seconds);
            tracing::info!(target: "ovsdb_server", "{db}: commit {commit_id} is taken back in {seconds} s unless confirmed");
            self.armed.insert(db.to_owned(), Armed { commit, id: commit_id, deadline, deadline_ms, seconds });
            pending = self.pending_json(db);
        } else {
            hosted.db.append()?;
        }
        let mut results = done.result;
        if let Some(hosted) = self.databases.get_mut(db)
            && let Err(error) = hosted.db.sync()
        {
            // It stands, though nobody knows for how long, and is taken back as announced.
            with_error(&mut results, &error);
        }
        let result = format!("{{\"results\":{results},\"pending\":{pending}}}");
        let touched =
            self.finish(Pending { db: db.to_owned(), request, result, changes: done.changes, durable: false });
        self.run_waits(|name, waiting| touched.iter().any(|(db, set)| name == db && set.touches(waiting.table)));
        self.flush();
        Ok(())
    }

    pub(super) fn weft_confirm(&mut self, db: &str, params: &[Value]) -> Result<String> {
        self.flush();
        let options = options(params.get(1))?;
        let prefix = options.get("commit").and_then(Value::as_str).unwrap_or_default();
        let Some(armed) = self.armed.get(db) else {
            return Err(Error::new("not pending", "no change waits for a confirmation"));
        };
        if !armed.id.starts_with(prefix) {
            return Err(Error::new("not pending", format!("{} waits for a confirmation, not {prefix}", armed.id)));
        }
        let id = armed.id.clone();
        if options.get("rollback") == Some(&Value::Bool(true)) {
            let next_cfg = self.roll_back(db, "by request")?;
            return Ok(json!({"commit": id, "rolled_back": true, "next_cfg": next_cfg}).to_string());
        }
        // Only once the note is gone for good the change is confirmed.
        self.databases.get_mut(db).expect("found by the caller").db.keep(NOTE, None)?;
        self.armed.remove(db);
        tracing::info!(target: "ovsdb_server", "{db}: commit {id} is confirmed");
        Ok(json!({"commit": id, "rolled_back": false}).to_string())
    }

    /// Takes up what a server before us left waiting.
    pub(super) fn rearm(&mut self, db: &str) {
        let (now, date_ms) = (self.clock.now(), self.date_ms());
        let Some(hosted) = self.databases.get_mut(db) else { return };
        let Some(note) = hosted.db.kept(NOTE) else { return };
        let armed = serde_json::from_slice::<Value>(&note).ok().and_then(|note| {
            let commit = Commit::from_json(note.get("commit")?, hosted.db.schema())?;
            let deadline_ms = note.get("deadline")?.as_i64()?;
            let seconds = note.get("seconds")?.as_u64()?;
            // A clock that was set back must not make the wait longer than it was meant to be.
            let left = u64::try_from(deadline_ms - date_ms).unwrap_or(0).min(seconds * 1000);
            let id = commit.id(hosted.db.tables());
            let deadline = now + Duration::from_millis(left);
            Some(Armed { commit, id, deadline, deadline_ms: date_ms + left as i64, seconds })
        });
        let history = hosted.db.history();
        let written = armed.filter(|armed| {
            let forgotten = history.commits().len() >= crate::history::MAX_COMMITS;
            forgotten || !history.find(hosted.db.tables(), &armed.id).is_empty()
        });
        match written {
            None => drop(hosted.db.keep(NOTE, None)),
            Some(armed) => {
                tracing::info!(target: "ovsdb_server", "{db}: commit {} still waits for its confirmation", armed.id);
                self.armed.insert(db.to_owned(), armed);
                self.expire();
            }
        }
    }

    /// The contents of a relay are another server's business.
    fn must_own(&self, db: &str) -> Result<()> {
        match self.databases[db].relay {
            None => Ok(()),
            Some(_) => Err(Error::new("not allowed", format!("{db} is a relay: ask the server that it comes from"))),
        }
    }

    /// Takes back what was not confirmed in time. A backup changes nothing by itself: it does so when it is active again.
    pub(super) fn expire(&mut self) {
        if self.read_only {
            return;
        }
        let now = self.clock.now();
        let due: Vec<String> =
            self.armed.iter().filter(|(_, armed)| armed.deadline <= now).map(|(db, _)| db.clone()).collect();
        for db in due {
            let why = format!("not confirmed within {} s", self.armed[&db].seconds);
            if let Err(error) = self.roll_back(&db, &why) {
                tracing::error!(target: "ovsdb_server", "{db}: cannot take an unconfirmed change back: {error}");
            }
        }
    }

    /// When the first change that waits is due.
    pub(super) fn armed_deadline(&self) -> Option<Time> {
        self.armed.values().filter(|_| !self.read_only).map(|armed| armed.deadline).min()
    }

    /// Takes the waiting change back, as far as nobody else changed it since.
    fn roll_back(&mut self, db: &str, why: &str) -> Result<Option<i64>> {
        let Some(armed) = self.armed.remove(db) else { return Ok(None) };
        let Some(hosted) = self.databases.get(db) else { return Ok(None) };
        let tables = hosted.db.tables();
        let Undo { operations, conflicts } = undo(tables, &armed.commit.deltas(tables));
        for conflict in &conflicts {
            tracing::warn!(target: "ovsdb_server", "{db}: rolling back {}: left as it is: {}", armed.id, conflict.text);
        }
        let comment = format!("roll back {} ({why}){}", armed.id, quoted(&armed.commit));
        tracing::warn!(target: "ovsdb_server", "{db}: {comment}");
        let taken = if operations.is_empty() { Ok(None) } else { self.take_back(db, operations, &comment) };
        if let Some(hosted) = self.databases.get_mut(db) {
            // Were the note to stay, the next start would try again, which does no harm.
            let _ = hosted.db.keep(NOTE, None);
        }
        taken
    }

    /// Executes operations that undo something, durably, and asks the switch to look. The new `next_cfg`.
    fn take_back(&mut self, db: &str, mut operations: Vec<Value>, comment: &str) -> Result<Option<i64>> {
        let counts =
            self.databases[db].db.schema().table("Open_vSwitch").is_some_and(|t| t.column_index("next_cfg").is_some());
        if counts {
            operations.push(
                json!({"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}),
            );
            operations.push(json!({"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]}));
        }
        operations.push(json!({"op": "comment", "comment": comment}));
        operations.push(json!({"op": "commit", "durable": true}));
        let results: Value = serde_json::from_str(&self.transact_internal(db, operations)?).unwrap_or_default();
        let results = results.as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(error) = results.iter().find(|result| result.get("error").is_some()) {
            let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            return Err(Error::new("conflict", format!("cannot undo it: {} ({})", text("details"), text("error"))));
        }
        Ok(results.iter().find_map(|result| result.get("rows")?.get(0)?.get("next_cfg")?.as_i64()))
    }

    fn pending_json(&self, db: &str) -> Value {
        let Some(armed) = self.armed.get(db) else { return Value::Null };
        let left = armed.deadline.since(self.clock.now());
        json!({"commit": armed.id, "deadline": armed.deadline_ms, "left": left.as_millis() as u64})
    }
}

/// A commit in words: no values unless it is looked at alone.
fn described(commit: &Commit, id: String, tables: &[crate::table::Table]) -> Value {
    let row = |delta: &crate::history::Delta| {
        let table = &tables[delta.table];
        let named = crate::history::name_of(&table.schema, delta)
            .or_else(|| crate::history::name_in(&table.schema, |c| table.get(delta.uuid).map(|row| &row[c])));
        let mut json = delta.to_json(tables);
        json["name"] = named.map_or(Value::Null, Value::from);
        json
    };
    let rows: Vec<Value> = commit.deltas(tables).iter().map(row).collect();
    json!({"id": id, "date": commit.date_ms, "comment": commit.comment.as_deref(), "rows": rows})
}

/// Whether a commit holds nothing but what the switch reports.
fn only_reports(commit: &Commit, tables: &[crate::table::Table]) -> bool {
    let reports = |delta: &crate::history::Delta| {
        let schema = &tables[delta.table].schema;
        let modifies = delta.what == crate::history::What::Modify;
        modifies && delta.cells.iter().all(|cell| is_reported(&schema.name, &schema.columns[cell.column].name))
    };
    commit.deltas(tables).iter().all(reports)
}

/// The newest commit that changed what the conflict is about.
fn changer(conflict: &Conflict, later: &[(String, Commit)], tables: &[crate::table::Table]) -> Option<String> {
    let same = |delta: &crate::history::Delta| {
        let cell = conflict.column.is_none_or(|column| delta.cells.iter().any(|cell| cell.column == column));
        delta.table == conflict.table && delta.uuid == conflict.uuid && cell
    };
    let by = later.iter().rev().find(|(_, commit)| commit.deltas(tables).iter().any(same));
    by.map(|(id, _)| id.clone())
}

fn quoted(commit: &Commit) -> String {
    commit
        .comment
        .as_deref()
        .map(|comment| format!(": {}", comment.lines().next().unwrap_or_default()))
        .unwrap_or_default()
}

fn options(json: Option<&Value>) -> Result<serde_json::Map<String, Value>> {
    match json {
        None | Some(Value::Null) => Ok(serde_json::Map::new()),
        Some(Value::Object(options)) => Ok(options.clone()),
        Some(other) => Err(Error::syntax(Some(other), "object expected")),
    }
}

fn no_commit(prefix: &str) -> Error {
    Error::new("unknown commit", format!("no commit {prefix} is remembered"))
}

/// The name of the note that holds a waiting change.
const NOTE: &str = "pending";
/// The longest wait for a confirmation: a week.
const MAX_SECONDS: u64 = 7 * 24 * 3600;
/// So many conflicts are told.
const MAX_TOLD: usize = 5;

#[cfg(test)]
#[path = "operator/tests.rs"]
mod tests;
