//! The server as a value: messages in, messages out, told the time. No socket, no task, no clock of its own.
//!
//! ```text
//!   on_message(session, message) ─> tables change, replies wait ─┐
//!   on_message(…)                                                ├─> flush(): one write per database
//!   on_message(…)                                               ─┘      └─> poll(): notifications, then replies
//! ```
//!
//! Whoever drives the server hands in all messages that are there and then flushes once. A request that looks at
//! committed state (a new monitor) flushes first by itself. Replies that speak of the disk come later (`server/disk.rs`).
//!
//! Invariants: a client hears of a change before the reply to the transaction that made it; nobody hears of a change
//! that the log refused.

mod databases;
mod disk;
mod operator;
mod output;
mod relays;
mod requests;

use crate::compaction::Rule;
use crate::database::{Database, Executed, Execution};
use crate::exec::Context;
use crate::locks::Locks;
use crate::monitor::{Monitors, Spec, Version};
use crate::rbac::Client;
use crate::txn::ChangeSet;
use disk::with_error;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use output::{head, update};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use weft_base::{Clock, Time};
use weft_jsonrpc::message::Message;
use weft_ovsdb::Uuid;

pub use databases::{RemoteRow, SERVER_DB, open_file};
pub use disk::{DiskTicket, DiskWork};
pub use output::{Output, Text};
pub use relays::Dialect;

/// A client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// See the header of this file.
pub struct Server {
    clock: Arc<dyn Clock>,
    id: Uuid,
    databases: BTreeMap<String, Hosted>,
    sessions: HashMap<SessionId, Session, RandomState>,
    next_session: u64,
    locks: Locks<SessionId>,
    pending: Vec<Pending>,
    /// Replies that wait for the disk, in the order of their transactions.
    unsynced: VecDeque<disk::Unsynced>,
    /// Whether the disk's work is done elsewhere.
    deferred: bool,
    rule: Rule,
    next_host: u64,
    /// Changes that wait for a confirmation, by database.
    armed: BTreeMap<String, operator::Armed>,
    out: VecDeque<Output>,
    counters: Counters,
    /// A backup: clients may only read.
    read_only: bool,
    /// Whether clients may use `monitor_cond` and its kin.
    conditions: bool,
    /// Requests that another server executes, by serial number.
    forwarded: BTreeMap<u64, Forwarded>,
    next_forward: u64,
    /// Tables, by database, whose operations are written to the log for people.
    narrated: BTreeSet<(String, String)>,
}

/// A request that another server executes.
struct Forwarded {
    db: String,
    session: SessionId,
    id: Value,
}

/// What a server has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Transactions that ended, well or not.
    pub transactions: u64,
    /// Transactions that changed something and stand.
    pub changes: u64,
    /// Flushes that failed.
    pub failed_flushes: u64,
    /// Update notifications put into words (each may go to many).
    pub composed_updates: u64,
    /// Update notifications sent.
    pub sent_updates: u64,
}

struct Hosted {
    db: Database,
    monitors: Monitors<SessionId>,
    waits: Vec<Waiting>,
    /// Read-only for clients; internal.
    internal: bool,
    /// The copy of a database that another server has.
    relay: Option<RelayState>,
    disk: disk::Disk,
}

/// What a relayed database is like.
struct RelayState {
    /// Whether it follows the other server at the moment.
    connected: bool,
    /// Whether it has ever had the other server's schema and contents.
    ready: bool,
    /// The last transactions with the identities that the other server gave them, oldest first.
    history: VecDeque<(Uuid, Arc<ChangeSet>)>,
    /// The identity of the newest transaction; nil if the other server gives none.
    last: Uuid,
}

#[derive(Default)]
struct Session {
    monitors: BTreeMap<String, Monitor>,
    change_aware: bool,
    /// What the remote restricts its clients to, if anything.
    role: Option<String>,
    /// Who the client has proved to be.
    identity: Option<String>,
    /// Whether the remote lets clients only read.
    read_only: bool,
}

struct Monitor {
    db: String,
    spec: Arc<Spec>,
}

/// A transaction whose `wait` does not hold yet.
struct Waiting {
    request: Request,
    table: usize,
    deadline: Option<Time>,
}

/// A transact request.
#[derive(Clone)]
struct Request {
    session: SessionId,
    id: Value,
    operations: Vec<Value>,
    since: Time,
}

/// A transaction that has been executed and waits for the flush.
struct Pending {
    db: String,
    request: Request,
    result: String,
    changes: Option<Arc<ChangeSet>>,
    /// Whether the reply must wait for the disk.
    durable: bool,
}

impl Server {
    /// A server without databases but its own, `_Server`.
    pub fn new(clock: Arc<dyn Clock>) -> Server {
        let mut server = Server {
            clock,
            id: Uuid::new_v4(),
            databases: BTreeMap::new(),
            sessions: HashMap::default(),
            next_session: 1,
            locks: Locks::default(),
            pending: Vec::new(),
            unsynced: VecDeque::new(),
            deferred: false,
            rule: Rule::default(),
            next_host: 0,
            armed: BTreeMap::new(),
            out: VecDeque::new(),
            counters: Counters::default(),
            read_only: false,
            conditions: true,
            forwarded: BTreeMap::new(),
            next_forward: 0,
            narrated: BTreeSet::new(),
        };
        server.add_internal();
        server
    }

    /// A client has connected.
    pub fn open_session(&mut self) -> SessionId {
        let id = SessionId(self.next_session);
        self.next_session += 1;
        self.sessions.insert(id, Session::default());
        id
    }

    /// What the remote that a client came through allows it.
    pub fn restrict(&mut self, id: SessionId, role: Option<String>, read_only: bool) {
        if let Some(session) = self.sessions.get_mut(&id) {
            (session.role, session.read_only) = (role, read_only);
        }
    }

    /// A client has proved who it is.
    pub fn identify(&mut self, id: SessionId, identity: String) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.identity = Some(identity);
        }
    }

    /// A client is gone: its monitors, locks and waiting transactions go too.
    pub fn close_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        for (monitor_id, monitor) in session.monitors {
            if let Some(hosted) = self.databases.get_mut(&monitor.db) {
                hosted.monitors.unsubscribe(&monitor.spec, id, &monitor_id);
            }
        }
        for hosted in self.databases.values_mut() {
            hosted.waits.retain(|waiting| waiting.request.session != id);
        }
        self.forwarded.retain(|_, forwarded| forwarded.session != id);
        self.unsynced.retain(|unsynced| unsynced.session != id);
        for name in self.locks.of(id) {
            self.unlock(&name, id);
        }
    }

    /// Whether the session is open.
    pub fn has_session(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    /// How many clients are connected.
    pub fn n_sessions(&self) -> usize {
        self.sessions.len()
    }

    /// What has been done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Takes a message from a client. Replies come out of [`Server::poll`], some only after [`Server::flush`].
    pub fn on_message(&mut self, session: SessionId, message: Message) {
        if !self.sessions.contains_key(&session) {
            return;
        }
        match message {
            Message::Request { method, params, id } => self.on_request(session, &method, params, id),
            Message::Notify { method, params } => {
                if method == "cancel" {
                    self.cancel(session, &params);
                }
            }
            // We send no requests but echoes, and those are the connection's business.
            Message::Reply { .. } | Message::Error { .. } => {}
        }
    }

    /// Writes what has been executed, tells who wants to know, and lets the replies go.
    pub fn flush(&mut self) {
        while !self.pending.is_empty() {
            let pending = std::mem::take(&mut self.pending);
            let touched = self.write_down(pending);
            self.run_waits(|db, waiting| touched.iter().any(|(name, set)| name == db && set.touches(waiting.table)));
        }
        self.compact_if_grown();
        if !self.deferred {
            self.start_disk_work();
        }
    }

    /// The next thing to do; `None` if there is nothing.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`Server::on_deadline`] wants to be called, if at all.
    pub fn next_deadline(&self) -> Option<Time> {
        let waits = self.databases.values().flat_map(|h| h.waits.iter().filter_map(|w| w.deadline));
        waits.chain(self.armed_deadline()).min()
    }

    /// Lets transactions whose waits have lasted too long fail, and takes back what was not confirmed in time.
    pub fn on_deadline(&mut self) {
        self.expire();
        let now = self.clock.now();
        self.run_waits(|_, waiting| waiting.deadline.is_some_and(|deadline| deadline <= now));
        self.flush();
    }

    /// Writes the databases' logs and finishes the pending transactions; gives what changed.
    fn write_down(&mut self, pending: Vec<Pending>) -> Vec<(String, Arc<ChangeSet>)> {
        let mut refused = Vec::new();
        for (name, hosted) in &mut self.databases {
            if let Err(error) = hosted.db.append() {
                self.counters.failed_flushes += 1;
                tracing::error!(target: "ovsdb_server", "{name}: {error}");
                refused.push(name.clone());
            }
        }
        let mut touched = Vec::new();
        for one in pending {
            if refused.contains(&one.db) {
                touched.extend(self.retry_alone(one));
            } else {
                touched.extend(self.finish(one));
            }
        }
        touched
    }

    /// Tells the subscribers and then the client.
    fn finish(&mut self, done: Pending) -> Option<(String, Arc<ChangeSet>)> {
        self.counters.transactions += 1;
        if let Some(changes) = &done.changes {
            self.notify(&done.db, changes);
        }
        let touched = done.changes.as_ref().map(|changes| (done.db.clone(), changes.clone()));
        self.reply_when_durable(done);
        touched
    }

    /// The log refused a batch, and all of it has been undone. Each transaction gets another chance of its own, so
    /// that those that fit, or only read, do not suffer from those that do not.
    fn retry_alone(&mut self, failed: Pending) -> Option<(String, Arc<ChangeSet>)> {
        let request = failed.request.clone();
        let Execution::Done(executed) = self.execute(&failed.db, &request) else {
            self.reply_text(request.session, &request.id, &failed.result);
            return None;
        };
        let hosted = self.databases.get_mut(&failed.db)?;
        let Executed { mut result, changes, durable } = executed;
        match hosted.db.append() {
            Ok(()) => self.finish(Pending { result, changes, durable, ..failed }),
            Err(error) => {
                with_error(&mut result, &error);
                self.finish(Pending { result, changes: None, durable: false, ..failed })
            }
        }
    }

    fn notify(&mut self, db: &str, changes: &ChangeSet) {
        let Some(hosted) = self.databases.get(db) else { return };
        self.counters.changes += 1;
        let txn = hosted.relay.as_ref().map_or(Uuid::nil(), |relay| relay.last);
        for (spec, subscribers) in hosted.monitors.iter() {
            let Some(body) = spec.changes(hosted.db.tables(), changes) else { continue };
            let body: Arc<str> = body.into();
            self.counters.composed_updates += 1;
            self.counters.sent_updates += subscribers.len() as u64;
            for subscriber in subscribers {
                let head = match txn.is_nil() {
                    true => subscriber.head.clone(),
                    false => head(spec.version, &subscriber.id, txn),
                };
                self.out.push_back(Output::Send(subscriber.session, Text::Shared { head, body: body.clone() }));
            }
        }
    }

    fn execute(&mut self, db: &str, request: &Request) -> Execution {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let date_ms = wall.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        let locks = &self.locks;
        let owns_lock = |name: &str| locks.owns(name, request.session);
        let hosted = self.databases.get_mut(db).expect("the caller has found the database");
        let elapsed = now - request.since;
        let session = self.sessions.get(&request.session);
        let client = session.and_then(|session| {
            let role = session.role.as_deref()?;
            Some(Client { role, id: session.identity.as_deref() })
        });
        let read_only = hosted.internal || session.is_some_and(|session| self.read_only || session.read_only);
        let context = Context { owns_lock: &owns_lock, elapsed, read_only, client };
        hosted.db.execute(&request.operations, &context, date_ms)
    }

    fn transact(&mut self, db: &str, request: Request) {
        match self.execute(db, &request) {
            Execution::Waiting { table, timeout } => {
                let deadline = timeout.map(|timeout| request.since + timeout.min(LONGEST_WAIT));
                let hosted = self.databases.get_mut(db).expect("it has just executed");
                hosted.waits.push(Waiting { request, table, deadline });
            }
            Execution::Done(done) => {
                let Executed { result, changes, durable } = done;
                self.pending.push(Pending { db: db.to_owned(), request, result, changes, durable });
            }
        }
    }

    /// Executes the chosen waiting transactions again.
    fn run_waits(&mut self, chosen: impl Fn(&str, &Waiting) -> bool) {
        let mut again = Vec::new();
        for (name, hosted) in &mut self.databases {
            let mut i = 0;
            while i < hosted.waits.len() {
                if chosen(name, &hosted.waits[i]) {
                    again.push((name.clone(), hosted.waits.remove(i).request));
                } else {
                    i += 1;
                }
            }
        }
        for (db, request) in again {
            self.transact(&db, request);
        }
    }

    fn unlock(&mut self, name: &str, session: SessionId) {
        if let Some(next) = self.locks.unlock(name, session) {
            self.notification(next, "locked", name);
        }
    }

    fn date_ms(&self) -> i64 {
        self.clock.wall().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
    }

    fn reply_text(&mut self, session: SessionId, id: &Value, result: &str) {
        let id = id.to_string();
        let mut text = String::with_capacity(id.len() + result.len() + 32);
        for part in ["{\"id\":", &id, ",\"result\":", result, ",\"error\":null}"] {
            text.push_str(part);
        }
        self.out.push_back(Output::Send(session, Text::Whole(text)));
    }

    fn reply_error(&mut self, session: SessionId, id: &Value, error: &Value) {
        let text = format!("{{\"id\":{id},\"result\":null,\"error\":{error}}}");
        self.out.push_back(Output::Send(session, Text::Whole(text)));
    }

    fn notification(&mut self, session: SessionId, method: &str, name: &str) {
        let name = Value::from(name);
        let text = format!("{{\"id\":null,\"method\":\"{method}\",\"params\":[{name}]}}");
        self.out.push_back(Output::Send(session, Text::Whole(text)));
    }
}

/// Longer waits than this are for ever; keeps deadlines from overflowing.
const LONGEST_WAIT: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

#[cfg(test)]
mod tests;
