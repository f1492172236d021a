//! What the process can ask its database server for, and what the owner does about it.

use super::relay::Relay;
use super::upstream::Upstream;
use super::*;

/// What the process can ask for; the answers are text for people, except where said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Open a database file.
    AddDatabase(PathBuf),
    /// Close a database.
    RemoveDatabase(String),
    /// Their names, a line each.
    ListDatabases,
    /// Compact the logs.
    Compact(Option<String>),
    /// Give unused memory back to the system after each compaction, or no longer.
    TrimOnCompaction(bool),
    /// Serve at a further place.
    AddRemote(String),
    /// Serve there no longer.
    RemoveRemote(String),
    /// Where it serves, a line each.
    ListRemotes,
    /// Hang up on all clients; they come back.
    Reconnect,
    /// About replication.
    Sync(SyncCall),
    /// Whether a database's file is in order.
    StorageStatus(String),
    /// Tell in the log, for people, what is done with `DB:TABLE`, or no longer.
    Narrate(String, bool),
    /// Which tables are told about.
    ListNarrated,
    /// Serve `monitor` alone.
    DisableConditions,
    /// Whether every relayed database follows its source.
    AreRelaysReady,
    /// `name:number` for `memory/show`.
    Memory,
    /// Counters.
    Counters,
    /// What `coverage/show` says of them.
    Coverage,
    /// One of them, by the name that it has there.
    ReadCounter(String),
    /// Execute operations (JSON text of an array); the answer is the JSON text of the results.
    Transact {
        /// The database.
        database: String,
        /// An array of operations.
        operations: String,
    },
    /// End.
    Stop,
}

impl Call {
    /// Whether a server that follows this one after a crash should know.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            Call::AddDatabase(_) | Call::RemoveDatabase(_) | Call::AddRemote(_) | Call::RemoveRemote(_) => true,
            Call::Sync(call) => !matches!(call, SyncCall::Status | SyncCall::From | SyncCall::Excluded),
            _ => false,
        }
    }
}

impl Owner {
    pub(super) fn on_call(&mut self, call: Call) -> Result<String, String> {
        let text = |result: Result<()>| result.map(|()| String::new()).map_err(|e| e.to_string());
        match call {
            Call::AddDatabase(path) => self.add_database(&path).map_err(|e| e.to_string()),
            Call::RemoveDatabase(name) => {
                let removed = self.server.remove_database(&name);
                if removed.is_ok() {
                    self.files.remove(&name);
                    self.relays.remove(&name);
                    self.follow_remotes();
                }
                text(removed)
            }
            Call::ListDatabases => Ok(self.server.database_names().map(|name| format!("{name}\n")).collect()),
            // It takes its time and is answered later.
            Call::Compact(_) | Call::Stop => Ok(String::new()),
            Call::TrimOnCompaction(on) => {
                self.disk.trim_on_compaction(on);
                Ok(String::new())
            }
            Call::AddRemote(remote) => {
                if let Some((db, table, column)) = remotes::database_remote(&remote)? {
                    self.server.remotes_in(db, table, column)?;
                }
                self.remotes.add(remote);
                self.follow_remotes();
                Ok(String::new())
            }
            Call::RemoveRemote(remote) => {
                if !self.remotes.remove(&remote) {
                    return Err("no such remote".into());
                }
                self.follow_remotes();
                Ok(String::new())
            }
            Call::ListRemotes => Ok(self.remotes.configured().map(|remote| format!("{remote}\n")).collect()),
            Call::Reconnect => {
                let sessions: Vec<SessionId> = self.clients.keys().copied().collect();
                sessions.into_iter().for_each(|session| self.cut_off(session, "by user request"));
                Ok(String::new())
            }
            Call::Memory => {
                let words = self.server.memory_report().into_iter().map(|(name, n)| format!("{name}:{n}"));
                Ok(words.collect::<Vec<_>>().join(" "))
            }
            Call::Counters => Ok(format!("{:?}", self.server.counters())),
            Call::Coverage => Ok(coverage::shown(&self.server.counters())),
            Call::ReadCounter(name) => coverage::total(&self.server.counters(), &name),
            Call::Transact { database, operations } => {
                let operations = serde_json::from_str(&operations).map_err(|e| e.to_string())?;
                self.server.transact_internal(&database, operations).map_err(|e| e.to_string())
            }
            Call::Sync(call) => self.sync_call(call),
            Call::AreRelaysReady => {
                let ready = self.relays.keys().all(|name| self.server.is_available(name));
                Ok(if ready { "yes" } else { "" }.to_owned())
            }
            Call::StorageStatus(name) => match self.server.database(&name) {
                Some(db) => Ok(format!("status: {}\n", db.storage_status())),
                None => Err("Failed to find the database.".into()),
            },
            Call::Narrate(table, on) => self.server.narrate(&table, on).map(|()| String::new()),
            Call::ListNarrated => Ok(self.server.narrated_list()),
            Call::DisableConditions => {
                self.server.disable_conditions();
                self.on_call(Call::Reconnect)
            }
        }
    }

    /// Keeps which databases and remotes there are.
    pub(super) fn save_state(&self) {
        if let Some(path) = &self.state {
            let remotes = self.remotes.configured().map(str::to_owned).collect();
            let databases = self.files.values().cloned().collect();
            State { databases, remotes, sync: Some(self.sync.config()) }.save(path);
        }
    }

    fn add_database(&mut self, path: &Path) -> Result<String> {
        if let Some(text) = path.to_str().filter(|text| text.starts_with("relay:")) {
            self.add_relay(text)?;
            self.follow_remotes();
            return Ok(String::new());
        }
        let file = canonical(path);
        if self.files.values().any(|open| *open == file) {
            return Err(Error::new("ovsdb error", format!("{}: already open", path.display())));
        }
        let mut db = open_file(path)?;
        if self.whole_columns {
            db.write_whole_columns();
        }
        let name = db.schema().name.clone();
        self.server.add_database(db)?;
        self.files.insert(name, file);
        self.follow_remotes();
        Ok(String::new())
    }

    /// Adds `relay:DATABASE:REMOTE`.
    pub(super) fn add_relay(&mut self, text: &str) -> Result<()> {
        let parts = text.strip_prefix("relay:").and_then(|rest| rest.split_once(':'));
        let Some((name, remote)) = parts.filter(|(name, remote)| !name.is_empty() && !remote.is_empty()) else {
            return Err(Error::new("ovsdb error", format!("{text}: invalid syntax")));
        };
        self.server.add_relay(name)?;
        let id = self.next_upstream();
        let upstream = Upstream::start(id, remote, None, self.events.clone());
        self.relays.insert(name.to_owned(), (id, Relay::new(name.to_owned(), upstream)));
        self.files.insert(name.to_owned(), PathBuf::from(text));
        Ok(())
    }

    /// Takes the TLS settings that databases hold.
    pub(super) fn follow_tls(&self) {
        for (option, text) in &self.tls {
            let value = match remotes::database_remote(text) {
                Ok(Some((db, table, column))) => self.server.setting_in(db, table, column),
                Ok(None) => Err(format!("\"{text}\": invalid syntax")),
                Err(error) => Err(error),
            };
            let value = value.unwrap_or_else(|error| {
                tracing::warn!(target: "ovsdb_server", limit = 2u64, "{error}");
                None
            });
            weft_jsonrpc::tls::process().change(|settings| {
                settings.take(option, value.as_deref().unwrap_or_default());
            });
        }
    }
}
