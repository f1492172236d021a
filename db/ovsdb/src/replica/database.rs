//! What: a database for programs: connect, read rows, follow changes, commit.
//!
//! ```no_run
//! # async fn example() -> Result<(), weft_ovsdb::replica::ClientError> {
//! use weft_ovsdb::replica::{Database, Select};
//! use weft_ovsdb::Atom;
//!
//! let select = Select::default().columns("Bridge", &["name", "fail_mode"]);
//! let mut database = Database::open("unix:/run/openvswitch/db.sock", "Open_vSwitch", select)?;
//! database.ready().await?;
//! for bridge in database.replica().into_iter().flat_map(|replica| replica.rows("Bridge")) {
//!     println!("{}", bridge.str("name").unwrap_or_default());
//! }
//! let committed = database
//!     .commit(|tx| {
//!         for bridge in tx.rows("Bridge") {
//!             tx.set("Bridge", bridge, "fail_mode", Atom::from("secure").into());
//!         }
//!     })
//!     .await?;
//! # let _ = committed;
//! # Ok(())
//! # }
//! ```
//!
//! Invariants: [`Database::next`] gives every change once, also those that came while a commit was under way; a lost
//! connection is made again, and what changed meanwhile is one change.

use super::Changes;
use super::client::Event;
use super::link::Link;
use super::rows::{Replica, Select};
use super::transaction::{Outcome, Transaction};
use crate::atom::Uuid;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use weft_jsonrpc::address::{Address, OVSDB_PORT};
use weft_jsonrpc::session::Session;

/// See the module's header.
#[derive(Debug)]
pub struct Database {
    link: Link,
    unread: VecDeque<Changes>,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The address is none.
    #[error("{0}")]
    Address(String),
    /// The server does not have this database, or speaks otherwise than we do.
    #[error("{0}")]
    Database(String),
    /// The server refused the transaction; trying again would not help.
    #[error("transaction error: {0}")]
    Refused(String),
}

/// A transaction that stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// What the server calls the rows that were inserted: our name first.
    pub uuids: BTreeMap<Uuid, Uuid>,
    /// The new value of the column of [`Transaction::increment`].
    pub increment: Option<i64>,
}

impl Database {
    /// A database at `remote` (`unix:FILE`, `tcp:HOST:PORT`, `ssl:HOST:PORT`). The connection is made by the first call
    /// that waits, and again whenever it breaks.
    ///
    /// # Errors
    /// When `remote` is no such address.
    pub fn open(remote: &str, database: &str, select: Select) -> Result<Database, ClientError> {
        let address = Address::parse(remote, OVSDB_PORT).map_err(|error| ClientError::Address(error.to_string()))?;
        Ok(Database { link: Link::new(Session::to(address), database, select), unread: VecDeque::new() })
    }

    /// Waits until the copy is complete. Cancel safe.
    ///
    /// # Errors
    /// When the server does not have this database.
    pub async fn ready(&mut self) -> Result<(), ClientError> {
        while !self.link.client().is_live() {
            let changes = self.event().await?;
            self.unread.extend(changes);
        }
        Ok(())
    }

    /// The copy, once there is one. It stays readable while the connection is broken.
    pub fn replica(&self) -> Option<&Replica> {
        self.link.replica()
    }

    /// What changed since the last call; first of all, every row that is there. Waits for it. Cancel safe.
    ///
    /// # Errors
    /// When the server no longer has this database.
    pub async fn next(&mut self) -> Result<Changes, ClientError> {
        loop {
            if let Some(changes) = self.unread.pop_front() {
                return Ok(changes);
            }
            let changes = self.event().await?;
            self.unread.extend(changes);
        }
    }

    /// Commits what `change` puts into a transaction. It is called again, on the new contents, when somebody else was
    /// faster; so it must not do anything else.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn commit(&mut self, mut change: impl FnMut(&mut Transaction<'_>)) -> Result<Committed, ClientError> {
        loop {
            self.ready().await?;
            let Some(replica) = self.link.replica() else { continue };
            let mut tx = Transaction::new(replica);
            change(&mut tx);
            let Some(request) = tx.request() else { return Ok(Committed::default()) };
            drop(tx);
            let mut aside = Vec::new();
            let outcome = self.link.commit(request, |event| aside.push(event)).await;
            let mut news = false;
            for event in aside {
                let changes = Database::take(event)?;
                news |= changes.is_some();
                self.unread.extend(changes);
            }
            match outcome {
                Outcome::Success { uuids, increment } => return Ok(Committed { uuids, increment }),
                Outcome::Unchanged => return Ok(Committed::default()),
                Outcome::Error(text) => return Err(ClientError::Refused(text)),
                // What we built on is outdated; what is true is on its way, unless it has come already.
                Outcome::TryAgain if !news => {
                    let changes = self.event().await?;
                    self.unread.extend(changes);
                }
                Outcome::TryAgain => {}
            }
        }
    }

    /// Sends any request of the protocol and waits for its result, or the server's error.
    ///
    /// # Errors
    /// When the server no longer has this database.
    pub async fn call(&mut self, method: &str, params: Vec<Value>) -> Result<Result<Value, Value>, ClientError> {
        let token = self.link.client().call(method, params);
        loop {
            match self.link.next().await {
                Event::Answered(of, answer) if of == token => return Ok(answer),
                event => self.unread.extend(Database::take(event)?),
            }
        }
    }

    /// The connection with the protocol's details: locks, other requests.
    pub fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    async fn event(&mut self) -> Result<Option<Changes>, ClientError> {
        Database::take(self.link.next().await)
    }

    fn take(event: Event) -> Result<Option<Changes>, ClientError> {
        match event {
            Event::Ready(changes) | Event::Changed(changes) => Ok(Some(changes)),
            Event::Failed(reason) => Err(ClientError::Database(reason)),
            Event::Committed(..) | Event::Answered(..) | Event::Lock(_) | Event::Disconnected(_) => Ok(None),
        }
    }
}
