//! How a server begins.

use super::SyncConfig;
use crate::compaction::Rule;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use weft_base::{Clock, SystemClock};

/// How a server begins.
pub struct OvsdbServerConfig {
    /// Database files to open.
    pub databases: Vec<PathBuf>,
    /// Where to serve: connection methods, or `db:DATABASE,TABLE,COLUMN`.
    pub remotes: Vec<String>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How many bytes may wait for a client before it is cut off.
    pub backlog_limit: usize,
    /// Where to keep what appctl changes, so that a restart after a crash goes on with it. A file that is there
    /// already counts instead of `databases` and `remotes`; a server that ends in peace removes it.
    pub state: Option<PathBuf>,
    /// Write changed columns whole to the files; see [`Database::write_whole_columns`].
    pub whole_columns: bool,
    /// Replication from another server.
    pub sync: SyncConfig,
    /// When logs are compacted.
    pub compaction: Rule,
    /// How long the owner stays awake for the next message after the last, where messages come that quickly. A thread
    /// that sleeps takes longer to wake than most messages take to be served.
    pub spin: Duration,
    /// What gives memory that is not used back to the system, for `memory-trim-on-compaction`.
    pub trim: Option<fn()>,
    /// TLS settings that a database holds: the option's name and `db:DATABASE,TABLE,COLUMN`.
    pub tls: Vec<(String, String)>,
}

impl Default for OvsdbServerConfig {
    fn default() -> OvsdbServerConfig {
        OvsdbServerConfig {
            databases: Vec::new(),
            remotes: Vec::new(),
            clock: Arc::new(SystemClock::new()),
            backlog_limit: BACKLOG_LIMIT,
            state: None,
            whole_columns: false,
            sync: SyncConfig::default(),
            compaction: Rule::default(),
            spin: Duration::ZERO,
            trim: None,
            tls: Vec::new(),
        }
    }
}

/// What may wait for one client by default.
const BACKLOG_LIMIT: usize = 256 << 20;
