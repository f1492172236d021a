//! Active-backup replication: the server copies its databases from an active one and serves readers meanwhile.
//!
//! ```text
//!   Connected ─ get_server_id, list_dbs ─> get_schema of what both have ─> monitor of what fits ─> update …
//! ```
//!
//! A server that finds itself, or nothing that it could copy, at the other end becomes active again (ovsdb(7),
//! "Active-Backup Database Service Model").
//!
//! Invariant: tables that are left out are never touched.

use super::upstream::Upstream;
use crate::server::{Dialect, Server};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use weft_jsonrpc::message::Message;
use weft_jsonrpc::session::SessionEvent;
use weft_ovsdb::{DatabaseSchema, Error, Result, Uuid};

/// Tables that are not copied, by database.
pub(super) type LeftOut = BTreeMap<String, BTreeSet<String>>;

/// Reads `DB:TABLE[,DB:TABLE]...`.
pub(super) fn parse_left_out(text: &str) -> Result<LeftOut, String> {
    let mut found = LeftOut::new();
    for item in text.split([',', ' ']).filter(|item| !item.is_empty()) {
        match item.split_once(':') {
            Some((db, table)) if !db.is_empty() && !table.is_empty() && !table.contains(':') => {
                found.entry(db.to_owned()).or_default().insert(table.to_owned());
            }
            _ => return Err(format!("{item}: tables to leave out are written DB:TABLE")),
        }
    }
    Ok(found)
}

/// As users write it.
pub(super) fn left_out_text(left_out: &LeftOut) -> String {
    let items = left_out.iter().flat_map(|(db, tables)| tables.iter().map(move |table| format!("{db}:{table}")));
    items.collect::<Vec<_>>().join(",")
}

/// A running replication.
pub(super) struct Replication {
    pub(super) address: String,
    pub(super) upstream: Upstream,
    left_out: LeftOut,
    /// Databases whose schema is awaited.
    asked: BTreeSet<String>,
    /// Databases that are copied.
    copied: BTreeSet<String>,
    begun: bool,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    GoOn,
    /// There is nothing to be a backup of.
    GiveUp,
}

impl Replication {
    pub(super) fn new(address: String, upstream: Upstream, left_out: LeftOut) -> Replication {
        let (asked, copied) = (BTreeSet::new(), BTreeSet::new());
        Replication { address, upstream, left_out, asked, copied, begun: false }
    }

    /// What `sync-status` tells about it.
    pub(super) fn status(&self) -> String {
        if self.copied.is_empty() {
            return format!("state: backup\nconnecting: {}\n", self.address);
        }
        let databases = self.copied.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let mut text = format!("state: backup\nreplicating: {}\ndatabase: {databases}\n", self.address);
        if !self.left_out.is_empty() {
            text += &format!("exclude: {}\n", left_out_text(&self.left_out));
        }
        text
    }

    pub(super) fn on_event(&mut self, event: SessionEvent, server: &mut Server) -> Verdict {
        match event {
            SessionEvent::Connected => {
                self.asked.clear();
                self.begun = false;
                self.ask("get_server_id", vec![], json!("get_server_id"));
            }
            SessionEvent::Disconnected { .. } => self.copied.clear(),
            SessionEvent::Message(message) => match self.on_message(message, server) {
                Ok(verdict) => return verdict,
                Err(error) => {
                    tracing::warn!(target: "replication", "{}: {error}", self.address);
                    self.copied.clear();
                    self.upstream.reconnect();
                }
            },
        }
        Verdict::GoOn
    }

    fn on_message(&mut self, message: Message, server: &mut Server) -> Result<Verdict> {
        match message {
            Message::Reply { id, result } => return self.on_reply(&id, result, server),
            Message::Error { id, error } => {
                return Err(Error::new("ovsdb error", format!("request {id} failed: {error}")));
            }
            Message::Notify { method, params } if method == "update" => {
                if let [Value::String(db), updates] = params.as_slice()
                    && self.copied.contains(db)
                {
                    server.mirror_updates(db, updates, Dialect::Rows, Uuid::nil())?;
                }
            }
            Message::Notify { .. } | Message::Request { .. } => {}
        }
        Ok(Verdict::GoOn)
    }

    fn on_reply(&mut self, id: &Value, result: Value, server: &mut Server) -> Result<Verdict> {
        let words: Vec<&str> = match id {
            Value::String(word) => vec![word],
            Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
            _ => return Ok(Verdict::GoOn),
        };
        match words.as_slice() {
            ["get_server_id"] => {
                if result == server.id().to_string() {
                    let text = "server ID check failed: Self replicating is not allowed";
                    tracing::warn!(target: "replication", "{text}");
                    return Ok(Verdict::GiveUp);
                }
                self.ask("list_dbs", vec![], json!("list_dbs"));
            }
            ["list_dbs"] => {
                let theirs: BTreeSet<&str> =
                    result.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let ours = server.copyable_names().filter(|name| theirs.contains(name)).map(str::to_owned);
                self.asked = ours.collect();
                for db in self.asked.clone() {
                    self.ask("get_schema", vec![json!(db)], json!(["get_schema", db]));
                }
                return Ok(self.schemas_known());
            }
            ["get_schema", db] => {
                let theirs = DatabaseSchema::from_json(&result)?;
                self.asked.remove(*db);
                let Some(ours) = server.database(db).map(|db| db.schema().clone()) else { return Ok(Verdict::GoOn) };
                if *ours != theirs {
                    let text = "checking if";
                    tracing::info!(
                        target: "replication",
                        "Schema version mismatch, {text} {db} can still be replicated or not."
                    );
                }
                if self.fits(&ours, &theirs) {
                    self.copied.insert((*db).to_owned());
                    if *ours != theirs {
                        tracing::info!(target: "replication", "{db} can be replicated.");
                    }
                } else {
                    tracing::info!(target: "replication", "{db} cannot be replicated.");
                }
                if let Some(ours) = self.monitored(db, &theirs) {
                    self.ask("monitor", vec![json!(db), json!(db), ours], json!(["monitor", db]));
                }
                return Ok(self.schemas_known());
            }
            ["monitor", db] => {
                if !std::mem::replace(&mut self.begun, true) {
                    tracing::info!(target: "replication", "Monitor request received. Resetting the database");
                }
                let left_out = self.left_out.get(*db).cloned().unwrap_or_default();
                server.mirror_contents(db, &result, Dialect::Rows, Uuid::nil(), &left_out)?;
            }
            _ => {}
        }
        Ok(Verdict::GoOn)
    }

    /// Once all schemas are there: is any of them good for something?
    fn schemas_known(&self) -> Verdict {
        if self.asked.is_empty() && self.copied.is_empty() {
            tracing::warn!(target: "replication", "Nothing to replicate.");
            return Verdict::GiveUp;
        }
        Verdict::GoOn
    }

    /// Whether rows of the other server's tables can lie in ours.
    fn fits(&self, ours: &DatabaseSchema, theirs: &DatabaseSchema) -> bool {
        let left_out = self.left_out.get(&ours.name);
        let wanted = theirs.tables.values().filter(|table| !left_out.is_some_and(|out| out.contains(&table.name)));
        for table in wanted {
            let Some(own) = ours.table(&table.name) else {
                let text = "not present in the local db schema";
                tracing::info!(target: "replication", "Table {} {text}", table.name);
                return false;
            };
            for column in &table.columns {
                let same = own.column_index(&column.name).is_some_and(|c| own.columns[c].kind == column.kind);
                if !same {
                    let text = "not present in the local db schema";
                    tracing::info!(target: "replication", "Column {}:{} {text}", table.name, column.name);
                    return false;
                }
            }
        }
        true
    }

    fn monitored(&self, db: &str, theirs: &DatabaseSchema) -> Option<Value> {
        if !self.copied.contains(db) {
            return None;
        }
        let left_out = self.left_out.get(db);
        let wanted = theirs.tables.keys().filter(|table| !left_out.is_some_and(|out| out.contains(*table)));
        Some(Value::Object(wanted.map(|table| (table.clone(), json!([{}]))).collect()))
    }

    fn ask(&self, method: &str, params: Vec<Value>, id: Value) {
        self.upstream.send(Message::request(method, params, id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_to_leave_out_read_back() {
        let text = "a:t,b:t,b:u";
        assert_eq!(left_out_text(&parse_left_out(text).unwrap()), text);
        assert!(parse_left_out("").unwrap().is_empty());
        assert!(parse_left_out("a").is_err());
    }
}
