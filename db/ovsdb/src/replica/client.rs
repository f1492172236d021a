//! What: the client's half of the protocol, as a value: messages in, messages and events out.
//!
//! ```text
//!   Idle ─on_connected─> Schema ─reply─> Monitor(since -> cond -> plain) ─reply─> Live
//!     ^                                                                            │ update*
//!     └──────────────────────────── on_disconnected ───────────────────────────────┘
//! ```
//!
//! Invariants: requests get ids that are never reused; an unanswered transaction of a broken connection becomes
//! [`Outcome::TryAgain`], since nobody can know whether it was committed.

use super::changes::Changes;
use super::rows::{Replica, Select};
use super::transaction::{Outcome, Request};
use crate::error::compact_sorted;
use crate::schema::DatabaseSchema;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use weft_jsonrpc::message::Message;

/// See the module's header.
#[derive(Debug)]
pub struct Client {
    database: String,
    select: Select,
    replica: Option<Replica>,
    state: State,
    next_id: u64,
    last_transaction: String,
    transactions: BTreeMap<u64, Request>,
    calls: BTreeMap<u64, Token>,
    lock: Option<Lock>,
    lock_request: Option<u64>,
    messages: VecDeque<Message>,
    events: VecDeque<Event>,
}

/// Names a transaction or call in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u64);

/// What the owner is told.
#[derive(Debug)]
pub enum Event {
    /// The replica is complete. The changes are against what it was before the connection was lost.
    Ready(Changes),
    /// The replica changed.
    Changed(Changes),
    /// A transaction was decided.
    Committed(Token, Outcome),
    /// A call other than a transaction was answered, by a result or an error.
    Answered(Token, Result<Value, Value>),
    /// We hold the lock, or no longer.
    Lock(bool),
    /// The connection was lost; the replica stays readable.
    Disconnected(String),
    /// The server cannot give us this database; more may come after a reconnect.
    Failed(String),
}

impl Client {
    /// A client of `database` that copies what `select` says.
    pub fn new(database: &str, select: Select) -> Client {
        Client {
            database: database.to_string(),
            select,
            replica: None,
            state: State::Idle,
            next_id: 0,
            last_transaction: NO_TRANSACTION.to_string(),
            transactions: BTreeMap::new(),
            calls: BTreeMap::new(),
            lock: None,
            lock_request: None,
            messages: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The copy, once there is one.
    pub fn replica(&self) -> Option<&Replica> {
        self.replica.as_ref()
    }

    /// Is the copy complete and kept up to date?
    pub fn is_live(&self) -> bool {
        matches!(self.state, State::Live)
    }

    /// Asks for a lock, now and after each reconnect.
    pub fn set_lock(&mut self, name: Option<&str>) {
        if let Some(old) = self.lock.take()
            && !matches!(self.state, State::Idle)
        {
            self.request("unlock", vec![json!(old.name)]);
            if old.held {
                self.events.push_back(Event::Lock(false));
            }
        }
        self.lock = name.map(|name| Lock { name: name.to_string(), held: false });
        if !matches!(self.state, State::Idle) {
            self.request_lock();
        }
    }

    /// Do we hold the lock that we asked for?
    pub fn has_lock(&self) -> bool {
        self.lock.as_ref().is_some_and(|lock| lock.held)
    }

    /// Sends a transaction. Not while disconnected: then its outcome is to try again.
    pub fn transact(&mut self, request: Request) -> Token {
        let mut params = vec![json!(self.database)];
        params.extend(request.operations.iter().cloned());
        let id = self.fresh_id();
        if matches!(self.state, State::Idle) {
            self.events.push_back(Event::Committed(Token(id), Outcome::TryAgain));
            return Token(id);
        }
        self.messages.push_back(Message::request("transact", params, id));
        self.transactions.insert(id, request);
        Token(id)
    }

    /// Sends any other request.
    pub fn call(&mut self, method: &str, params: Vec<Value>) -> Token {
        let id = self.request(method, params);
        self.calls.insert(id, Token(id));
        Token(id)
    }

    /// A message to send.
    pub fn poll_message(&mut self) -> Option<Message> {
        self.messages.pop_front()
    }

    /// Something to tell the owner.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// There is a fresh connection.
    pub fn on_connected(&mut self) {
        self.messages.clear();
        let id = self.request("get_schema", vec![json!(self.database)]);
        self.state = State::Schema(id);
        self.request_lock();
    }

    /// The connection is gone.
    pub fn on_disconnected(&mut self, reason: String) {
        self.state = State::Idle;
        self.messages.clear();
        for id in std::mem::take(&mut self.transactions).into_keys() {
            self.events.push_back(Event::Committed(Token(id), Outcome::TryAgain));
        }
        for token in std::mem::take(&mut self.calls).into_values() {
            self.events.push_back(Event::Answered(token, Err(json!("connection lost"))));
        }
        if let Some(lock) = &mut self.lock
            && std::mem::take(&mut lock.held)
        {
            self.events.push_back(Event::Lock(false));
        }
        self.events.push_back(Event::Disconnected(reason));
    }

    /// The server said something.
    pub fn on_message(&mut self, message: Message) {
        match message {
            Message::Reply { id, result } => self.on_reply(id.as_u64(), Ok(result)),
            Message::Error { id, error } => self.on_reply(id.as_u64(), Err(error)),
            Message::Notify { method, params } => self.on_notify(&method, &params),
            Message::Request { id, .. } => {
                self.messages.push_back(Message::Error { id, error: json!({"error": "unknown method"}) });
            }
        }
    }

    fn on_reply(&mut self, id: Option<u64>, reply: Result<Value, Value>) {
        let Some(id) = id else { return };
        if let Some(request) = self.transactions.remove(&id) {
            let outcome = request.outcome(reply.as_ref());
            return self.events.push_back(Event::Committed(Token(id), outcome));
        }
        if let Some(token) = self.calls.remove(&id) {
            return self.events.push_back(Event::Answered(token, reply));
        }
        if self.lock_request == Some(id) {
            let locked = reply.is_ok_and(|result| result["locked"] == json!(true));
            return self.hold_lock(locked);
        }
        match self.state {
            State::Schema(expected) if expected == id => self.on_schema(reply),
            State::Monitor(method, expected) if expected == id => self.on_monitor(method, reply),
            _ => {}
        }
    }

    fn on_notify(&mut self, method: &str, params: &[Value]) {
        let changes = match (method, params) {
            ("update", [id, updates]) if is_ours(id) => self.apply(|replica| replica.apply_update(updates)),
            ("update2", [id, updates]) if is_ours(id) => self.apply(|replica| replica.apply_update2(updates)),
            ("update3", [id, last, updates]) if is_ours(id) => {
                self.last_transaction = last.as_str().unwrap_or(NO_TRANSACTION).to_string();
                self.apply(|replica| replica.apply_update2(updates))
            }
            ("locked" | "stolen", [name]) => {
                if self.lock.as_ref().is_some_and(|lock| name == lock.name.as_str()) {
                    self.hold_lock(method == "locked");
                }
                return;
            }
            _ => return,
        };
        match changes {
            Ok(changes) if changes.is_empty() => {}
            Ok(changes) => self.events.push_back(Event::Changed(changes)),
            Err(text) => self.fail(format!("bad update: {text}")),
        }
    }

    fn on_schema(&mut self, reply: Result<Value, Value>) {
        let json = match reply {
            Ok(json) => json,
            Err(error) => return self.fail(error_text(&error)),
        };
        let schema = match DatabaseSchema::from_json(&json) {
            Ok(schema) => schema,
            Err(error) => return self.fail(format!("bad schema: {error}")),
        };
        if self.replica.as_ref().is_none_or(|replica| **replica.schema() != schema) {
            // Nothing of the old copy has a meaning under another schema.
            self.replica = Some(Replica::new(Arc::new(schema), &self.select));
            self.last_transaction = NO_TRANSACTION.to_string();
        }
        self.monitor(Method::Since);
    }

    fn monitor(&mut self, method: Method) {
        let Some(replica) = &self.replica else { return };
        let tables: Map<String, Value> = replica
            .tables()
            .map(|(name, table)| {
                let columns: Vec<&str> = table.selected().collect();
                (name.to_string(), json!([{"columns": columns}]))
            })
            .collect();
        let mut params = vec![json!(self.database), monitor_id(), Value::Object(tables)];
        let name = match method {
            Method::Since => {
                params.push(json!(self.last_transaction));
                "monitor_cond_since"
            }
            Method::Cond => "monitor_cond",
            Method::Plain => "monitor",
        };
        let id = self.request(name, params);
        self.state = State::Monitor(method, id);
    }

    fn on_monitor(&mut self, method: Method, reply: Result<Value, Value>) {
        let result = match (reply, method) {
            (Ok(result), _) => result,
            (Err(_), Method::Since) => return self.monitor(Method::Cond),
            (Err(_), Method::Cond) => return self.monitor(Method::Plain),
            (Err(error), Method::Plain) => return self.fail(error_text(&error)),
        };
        let old = self.replica.take().expect("made before the monitor was asked for");
        let mut new = old.clone();
        let applied = match (method, &result) {
            (Method::Plain, updates) => {
                new = old.emptied();
                new.apply_update(updates)
            }
            (Method::Cond, updates) => {
                new = old.emptied();
                new.apply_update2(updates)
            }
            (Method::Since, Value::Array(parts)) if parts.len() == 3 => {
                if parts[0] != json!(true) {
                    new = old.emptied();
                }
                self.last_transaction = parts[1].as_str().unwrap_or(NO_TRANSACTION).to_string();
                new.apply_update2(&parts[2])
            }
            (Method::Since, _) => Err(crate::Error::new("syntax error", "bad reply to monitor_cond_since")),
        };
        if let Err(error) = applied {
            self.replica = Some(old);
            return self.fail(format!("bad initial contents: {error}"));
        }
        let changes = old.difference(&new);
        self.replica = Some(new);
        self.state = State::Live;
        self.events.push_back(Event::Ready(changes));
    }

    fn apply(&mut self, apply: impl FnOnce(&mut Replica) -> crate::Result<Changes>) -> Result<Changes, String> {
        match &mut self.replica {
            Some(replica) => apply(replica).map_err(|error| error.to_string()),
            None => Ok(Changes::default()),
        }
    }

    fn fail(&mut self, reason: String) {
        self.events.push_back(Event::Failed(reason));
    }

    fn hold_lock(&mut self, held: bool) {
        if let Some(lock) = &mut self.lock
            && lock.held != held
        {
            lock.held = held;
            self.events.push_back(Event::Lock(held));
        }
    }

    fn request_lock(&mut self) {
        if let Some(lock) = &self.lock {
            let name = json!(lock.name);
            self.lock_request = Some(self.request("lock", vec![name]));
        }
    }

    fn request(&mut self, method: &str, params: Vec<Value>) -> u64 {
        let id = self.fresh_id();
        self.messages.push_back(Message::request(method, params, id));
        id
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

#[derive(Debug)]
struct Lock {
    name: String,
    held: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    Schema(u64),
    Monitor(Method, u64),
    Live,
}

#[derive(Clone, Copy, Debug)]
enum Method {
    Since,
    Cond,
    Plain,
}

const NO_TRANSACTION: &str = "00000000-0000-0000-0000-000000000000";

/// One monitor for each connection, so any constant will do.
fn monitor_id() -> Value {
    json!("replica")
}

fn is_ours(id: &Value) -> bool {
    *id == monitor_id()
}

fn error_text(error: &Value) -> String {
    match error {
        Value::String(text) => text.clone(),
        other => compact_sorted(other),
    }
}
