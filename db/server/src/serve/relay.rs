//! The client side of a relayed database: `relay:DATABASE:REMOTE`.
//!
//! ```text
//!   Connected ─ monitor of `_Server` ─> schema, once it has one ─ monitor_cond_since ─> contents ─> update3 …
//!       ^         └ get_schema, if the other server has no `_Server`  └ monitor_cond, if it is older
//!       └──────────── Disconnected, or anything that we do not understand
//! ```
//!
//! `_Server` tells about a database that appears, goes or changes its schema; that is why we never have to be hung up on.
//!
//! What clients want changed while there is no connection waits for one; what was on its way when the connection broke
//! is answered with an error, since nobody knows what became of it.

use super::upstream::Upstream;
use crate::server::{Dialect, Server};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use weft_jsonrpc::message::Message;
use weft_jsonrpc::session::SessionEvent;
use weft_ovsdb::atom::parse_uuid;
use weft_ovsdb::{DatabaseSchema, Error, Result, Uuid};

pub(super) struct Relay {
    database: String,
    upstream: Upstream,
    /// Whether the copy is up to date, so that requests can be passed on.
    following: bool,
    waiting: Vec<(u64, Vec<Value>)>,
    on_their_way: BTreeSet<u64>,
    theirs: Theirs,
    /// The schema under which a monitor has been asked for.
    copying: Option<String>,
}

/// What `_Server` at the other end says about the database.
#[derive(Default)]
struct Theirs {
    connected: bool,
    schema: Option<String>,
}

impl Relay {
    pub(super) fn new(database: String, upstream: Upstream) -> Relay {
        Relay {
            database,
            upstream,
            following: false,
            waiting: Vec::new(),
            on_their_way: BTreeSet::new(),
            theirs: Theirs::default(),
            copying: None,
        }
    }

    /// Passes a request on.
    pub(super) fn forward(&mut self, serial: u64, operations: Vec<Value>) {
        if !self.following {
            self.waiting.push((serial, operations));
            return;
        }
        let mut params = vec![json!(self.database)];
        params.extend(operations);
        self.on_their_way.insert(serial);
        self.upstream.send(Message::request("transact", params, serial));
    }

    pub(super) fn on_event(&mut self, event: SessionEvent, server: &mut Server) {
        match event {
            SessionEvent::Connected => {
                self.copying = None;
                let row = json!({"columns": ["name", "connected", "schema"], "where": [["name", "==", self.database]]});
                self.ask("set_db_change_aware", vec![json!(true)]);
                self.ask(ABOUT, vec![json!("_Server"), json!(ABOUT), json!({"Database": [row]})]);
            }
            SessionEvent::Disconnected { .. } => self.lost(server),
            SessionEvent::Message(message) => {
                if let Err(error) = self.on_message(message, server) {
                    tracing::warn!(target: "relay", "{}: {error}", self.database);
                    self.upstream.reconnect();
                }
            }
        }
    }

    fn on_message(&mut self, message: Message, server: &mut Server) -> Result<()> {
        match message {
            Message::Reply { id, result } => match id.as_str() {
                Some(ABOUT) => self.on_news(&result, server)?,
                Some("get_schema") => self.copy(&result, server)?,
                Some("monitor_cond_since") => {
                    let (found, last, updates) = match result.as_array().map(Vec::as_slice) {
                        Some([Value::Bool(found), last, updates]) => (*found, uuid(last)?, updates),
                        _ => return Err(Error::syntax(None, "monitor_cond_since reply has a wrong form")),
                    };
                    match found {
                        true => server.mirror_updates(&self.database, updates, Dialect::Differences, last)?,
                        false => self.contents(updates, last, server)?,
                    }
                    self.caught_up(server);
                }
                Some("monitor_cond") => {
                    self.contents(&result, Uuid::nil(), server)?;
                    self.caught_up(server);
                }
                _ => self.answered(&id, Ok(result), server),
            },
            Message::Error { id, error } => match id.as_str() {
                Some("set_db_change_aware") => {}
                Some(ABOUT) => self.ask("get_schema", vec![json!(self.database)]),
                Some("monitor_cond_since") if error == "unknown method" => self.monitor("monitor_cond", server),
                Some(method) => return Err(Error::new("ovsdb error", format!("{method} failed: {error}"))),
                None => self.answered(&id, Err(error), server),
            },
            Message::Notify { method, params } => match (method.as_str(), params.as_slice()) {
                ("update3", [_, last, updates]) => {
                    server.mirror_updates(&self.database, updates, Dialect::Differences, uuid(last)?)?;
                }
                ("update2", [about, updates]) if about == ABOUT => self.on_news(updates, server)?,
                ("update2", [_, updates]) => {
                    server.mirror_updates(&self.database, updates, Dialect::Differences, Uuid::nil())?;
                }
                ("monitor_canceled", [id]) if *id == self.monitor_id() => {
                    // `_Server` says what to do next.
                    self.copying = None;
                    self.lost(server);
                    self.begin(server)?;
                }
                _ => {}
            },
            Message::Request { .. } => {}
        }
        Ok(())
    }

    /// What `_Server` says about the database: differences of its one row.
    fn on_news(&mut self, updates: &Value, server: &mut Server) -> Result<()> {
        for row in updates["Database"].as_object().into_iter().flat_map(|rows| rows.values()) {
            for kind in ["initial", "insert", "modify"] {
                let Some(values) = row.get(kind).and_then(Value::as_object) else { continue };
                if kind != "modify" {
                    self.theirs = Theirs::default();
                }
                if let Some(connected) = values.get("connected") {
                    self.theirs.connected = *connected == true;
                }
                if let Some(schema) = values.get("schema") {
                    self.theirs.schema = schema.as_str().map(str::to_owned);
                }
            }
            if row.get("delete").is_some() {
                self.theirs = Theirs::default();
            }
        }
        match self.theirs.connected {
            true => self.begin(server),
            false => {
                if self.following {
                    self.copying = None;
                    self.lost(server);
                }
                Ok(())
            }
        }
    }

    /// Begins to copy, if the other server has the database ready and we do not copy it yet.
    fn begin(&mut self, server: &mut Server) -> Result<()> {
        let Some(schema) = self.theirs.schema.clone().filter(|_| self.theirs.connected) else { return Ok(()) };
        if self.copying.as_ref() == Some(&schema) {
            return Ok(());
        }
        let json = serde_json::from_str(&schema).map_err(|e| Error::syntax(None, e.to_string()))?;
        self.copying = Some(schema);
        self.copy(&json, server)
    }

    fn copy(&mut self, schema: &Value, server: &mut Server) -> Result<()> {
        server.set_relayed_schema(&self.database, DatabaseSchema::from_json(schema)?);
        self.monitor("monitor_cond_since", server);
        Ok(())
    }

    fn contents(&self, contents: &Value, last: Uuid, server: &mut Server) -> Result<()> {
        server.mirror_contents(&self.database, contents, Dialect::Differences, last, &BTreeSet::new())
    }

    fn monitor_id(&self) -> Value {
        json!(["monid", self.database])
    }

    fn monitor(&self, method: &str, server: &Server) {
        let Some(db) = server.database(&self.database) else { return };
        let tables: serde_json::Map<String, Value> =
            db.schema().tables.keys().map(|name| (name.clone(), json!([{}]))).collect();
        let mut params = vec![json!(self.database), self.monitor_id(), Value::Object(tables)];
        if method == "monitor_cond_since" {
            params.push(json!(server.relayed_until(&self.database).to_string()));
        }
        self.ask(method, params);
    }

    /// Requests of our own are known by their method.
    fn ask(&self, method: &str, params: Vec<Value>) {
        let name = if method == ABOUT { "monitor_cond" } else { method };
        self.upstream.send(Message::request(name, params, method));
    }

    fn caught_up(&mut self, server: &mut Server) {
        self.following = true;
        server.set_relay_connected(&self.database, true);
        for (serial, operations) in std::mem::take(&mut self.waiting) {
            self.forward(serial, operations);
        }
    }

    fn answered(&mut self, id: &Value, outcome: Result<Value, Value>, server: &mut Server) {
        if let Some(serial) = id.as_u64()
            && self.on_their_way.remove(&serial)
        {
            server.forwarded(serial, outcome);
        }
    }

    fn lost(&mut self, server: &mut Server) {
        self.following = false;
        server.set_relay_connected(&self.database, false);
        let error = Error::new("ovsdb error", "lost connection to relay server").to_json();
        for serial in std::mem::take(&mut self.on_their_way) {
            server.forwarded(serial, Err(error.clone()));
        }
    }
}

fn uuid(json: &Value) -> Result<Uuid> {
    let text = json.as_str().and_then(parse_uuid);
    text.ok_or_else(|| Error::syntax(Some(json), "transaction id must be a UUID"))
}

/// The id of our monitor of the other server's `_Server`.
const ABOUT: &str = "about";
