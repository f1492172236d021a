//! Databases that another server has too: relayed ones, and those of a backup.
//!
//! A relay keeps a copy in memory and serves readers from it; what would change something is executed by the other
//! server, whose update comes back before its reply does. A backup keeps copies in files of its own and serves readers
//! only, until it is told to take over.

use super::*;
use crate::mirror;
use serde_json::json;
use weft_ovsdb::{DatabaseSchema, Error, Result};

/// How the other server puts changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `update`: whole rows.
    Rows,
    /// `update2` and `update3`: differences.
    Differences,
}

impl RelayState {
    fn new() -> RelayState {
        RelayState { connected: false, ready: false, history: VecDeque::new(), last: Uuid::nil() }
    }

    /// What has happened after transaction `last`, if that is still known.
    pub(super) fn since(&self, last: Uuid) -> Option<ChangeSet> {
        if last.is_nil() {
            return None;
        }
        if last == self.last {
            return Some(ChangeSet::default());
        }
        let at = self.history.iter().position(|(txn, _)| *txn == last)?;
        Some(ChangeSet::merged(self.history.iter().skip(at + 1).map(|(_, changes)| &**changes)))
    }

    fn remember(&mut self, txn: Uuid, changes: Option<&Arc<ChangeSet>>) {
        if txn.is_nil() {
            return;
        }
        self.last = txn;
        self.history.push_back((txn, changes.cloned().unwrap_or_default()));
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }
}

impl Server {
    /// The server's own identity, which changes with each start.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Adds a database that will be copied from another server.
    pub fn add_relay(&mut self, name: &str) -> Result<()> {
        let nothing = DatabaseSchema::from_json(&json!({"name": name, "tables": {}}))?;
        self.add_database(Database::new(nothing))?;
        if let Some(hosted) = self.databases.get_mut(name) {
            hosted.relay = Some(RelayState::new());
        }
        self.describe_databases();
        Ok(())
    }

    /// Whether a database can be used; a relayed one cannot before it has been copied once.
    pub fn is_available(&self, name: &str) -> bool {
        self.databases.get(name).is_some_and(|h| h.relay.as_ref().is_none_or(|relay| relay.ready))
    }

    /// The identity of the last transaction of a relayed database.
    pub fn relayed_until(&self, name: &str) -> Uuid {
        self.databases.get(name).and_then(|hosted| hosted.relay.as_ref()).map_or(Uuid::nil(), |relay| relay.last)
    }

    /// The other server's schema of a relayed database; a new one empties the copy.
    pub fn set_relayed_schema(&mut self, name: &str, schema: DatabaseSchema) {
        self.flush();
        let Some(hosted) = self.databases.get_mut(name) else { return };
        let db = Database::new(schema);
        if hosted.db.schema_text() == db.schema_text() {
            return;
        }
        hosted.db = db;
        let before = hosted.relay.replace(RelayState::new());
        self.abandon(name);
        if before.is_some_and(|relay| relay.ready) {
            self.disconnect_unaware(&format!("committed {name} database schema conversion"));
        }
        self.describe_databases();
    }

    /// Whether a relayed database follows the other server.
    pub fn set_relay_connected(&mut self, name: &str, connected: bool) {
        let Some(relay) = self.databases.get_mut(name).and_then(|hosted| hosted.relay.as_mut()) else { return };
        relay.ready |= connected;
        relay.connected = connected;
        self.describe_databases();
    }

    /// Makes a database equal to what another server's monitor said at its beginning, but for tables left out.
    pub fn mirror_contents(
        &mut self,
        name: &str,
        contents: &Value,
        dialect: Dialect,
        txn: Uuid,
        left_out: &BTreeSet<String>,
    ) -> Result<()> {
        self.flush();
        let Some(hosted) = self.databases.get_mut(name) else { return Err(gone(name)) };
        if let Some(relay) = &mut hosted.relay {
            relay.history.clear();
        }
        let (schema, diffs) = (hosted.db.schema().clone(), dialect == Dialect::Differences);
        let updates = mirror::contents(&schema, hosted.db.tables(), contents, diffs, left_out)?;
        self.mirror(name, updates, txn)
    }

    /// Makes the changes that another server has made.
    pub fn mirror_updates(&mut self, name: &str, updates: &Value, dialect: Dialect, txn: Uuid) -> Result<()> {
        self.flush();
        let Some(hosted) = self.databases.get_mut(name) else { return Err(gone(name)) };
        let updates = mirror::updates(hosted.db.schema(), updates, dialect == Dialect::Differences)?;
        self.mirror(name, updates, txn)
    }

    fn mirror(&mut self, name: &str, updates: Vec<mirror::Update>, txn: Uuid) -> Result<()> {
        let date_ms = self.date_ms();
        let Some(hosted) = self.databases.get_mut(name) else { return Err(gone(name)) };
        let changes = hosted.db.replicate(updates, date_ms)?;
        hosted.db.append()?;
        if let Some(relay) = &mut hosted.relay {
            relay.remember(txn, changes.as_ref());
        }
        if let Some(changes) = changes {
            self.notify(name, &changes);
            self.run_waits(|db, waiting| db == name && changes.touches(waiting.table));
            self.flush();
        }
        Ok(())
    }

    /// Becomes a backup, whose clients may only read, or ceases to be one. All clients have to come again.
    pub fn set_read_only(&mut self, read_only: bool) {
        if std::mem::replace(&mut self.read_only, read_only) == read_only {
            return;
        }
        let role = if read_only { "backup" } else { "active" };
        let mut ids: Vec<SessionId> = self.sessions.keys().copied().collect();
        ids.sort_unstable();
        let close = |id| Output::Close(id, format!("server has become {role}"));
        self.out.extend(ids.into_iter().map(close));
    }

    /// Whether it is a backup.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// From now on knows `monitor` alone, as servers did before conditions; for tests of clients.
    pub fn disable_conditions(&mut self) {
        self.conditions = false;
    }

    /// What came of operations that another server was asked to execute.
    pub fn forwarded(&mut self, serial: u64, outcome: Result<Value, Value>) {
        let Some(Forwarded { session, id, .. }) = self.forwarded.remove(&serial) else { return };
        match outcome {
            Ok(result) => self.reply_text(session, &id, &result.to_string()),
            Err(error) => self.reply_error(session, &id, &error),
        }
    }

    /// Operations that must be executed elsewhere are those that could change something.
    pub(super) fn is_forwarded(&self, db: &str, operations: &[Value]) -> bool {
        let writes =
            |operation: &Value| matches!(operation["op"].as_str(), Some("insert" | "update" | "mutate" | "delete"));
        self.databases[db].relay.is_some() && operations.iter().any(writes)
    }

    pub(super) fn forward(
        &mut self,
        db: String,
        session: SessionId,
        id: &Value,
        mut operations: Vec<Value>,
    ) -> Result<()> {
        // Locks are this server's own; the other one would not know who holds them.
        for at in 0..operations.len() {
            if operations[at]["op"] != "assert" {
                continue;
            }
            let lock = operations[at]["lock"].as_str().unwrap_or_default().to_owned();
            if !self.locks.owns(&lock, session) {
                let error = Error::new("not owner", format!("Asserted lock {lock} not held.")).to_json();
                let mut results = vec![json!({}); at];
                results.push(error);
                results.resize(operations.len(), Value::Null);
                self.reply_text(session, id, &Value::Array(results).to_string());
                return Ok(());
            }
            operations[at] = json!({"op": "comment", "comment": format!("lock {lock} is held")});
        }
        let serial = self.next_forward;
        self.next_forward += 1;
        self.forwarded.insert(serial, Forwarded { db: db.clone(), session, id: id.clone() });
        self.out.push_back(Output::Forward { db, serial, operations });
        Ok(())
    }

    /// Answers what another server will never answer.
    pub(super) fn abandon_forwarded(&mut self, db: &str) {
        let serials: Vec<u64> = self.forwarded.iter().filter(|(_, f)| f.db == db).map(|(serial, _)| *serial).collect();
        for serial in serials {
            self.forwarded(serial, Err("canceled".into()));
        }
    }
}

fn gone(name: &str) -> Error {
    Error::new("ovsdb error", format!("no database named {name}"))
}

/// Transactions that a client may have missed and still be told one by one.
const HISTORY: usize = 100;
