//! Where the server serves: what the command line and appctl say, and what `db:` remotes find in databases.
//!
//! Each passive remote has a task that accepts, each active one a task that connects again and again. What changed
//! is found by comparing; unchanged remotes keep their sockets.

use super::{Event, Incoming, Peer, until_stopped};
use crate::server::{RemoteRow, Server};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use weft_jsonrpc::address::{Address, OVSDB_PORT, Passive, Remote};
use weft_jsonrpc::session::bare;
use weft_jsonrpc::stream::{Listener, Stream};

/// All remotes, wished and real.
pub(super) struct Remotes {
    events: mpsc::Sender<Event>,
    configured: BTreeSet<String>,
    running: BTreeMap<String, Running>,
}

struct Running {
    wish: Wish,
    /// The same for the task, which asks with each connection.
    row: Arc<Mutex<RemoteRow>>,
    /// Dropping it ends the task.
    _stop: Option<oneshot::Sender<()>>,
    port: Option<u16>,
    error: Option<String>,
    /// When to try again what has failed.
    again: Option<Instant>,
}

/// A remote and who wants it.
#[derive(Clone, Debug, PartialEq)]
struct Wish {
    remote: RemoteRow,
    database: Option<String>,
}

/// What became of a remote that a database asks for.
pub(super) struct Status {
    pub database: String,
    pub remote: RemoteRow,
    pub connected: bool,
    pub status: Vec<(String, String)>,
}

impl Remotes {
    pub(super) fn new(events: mpsc::Sender<Event>, configured: Vec<String>) -> Remotes {
        Remotes { events, configured: configured.into_iter().collect(), running: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, remote: String) {
        self.configured.insert(remote);
    }

    pub(super) fn remove(&mut self, remote: &str) -> bool {
        self.configured.remove(remote)
    }

    pub(super) fn configured(&self) -> impl Iterator<Item = &str> {
        self.configured.iter().map(String::as_str)
    }

    pub(super) fn stop(&mut self) {
        self.running.clear();
    }

    /// Starts what is wished and not there, stops what is there and not wished; gives what was stopped.
    pub(super) fn follow(&mut self, server: &Server) -> Vec<String> {
        let wishes = self.wishes(server);
        let mut stopped = Vec::new();
        let now = Instant::now();
        self.running.retain(|target, running| {
            let Some(wish) = wishes.get(target).filter(|_| running.again.is_none_or(|at| at > now)) else {
                stopped.push(target.clone());
                return false;
            };
            if running.wish != *wish {
                // Its clients come again under the new rules.
                let rules = |wish: &Wish| (wish.remote.role.clone(), wish.remote.read_only);
                if rules(&running.wish) != rules(wish) {
                    stopped.push(target.clone());
                }
                running.wish = wish.clone();
                *running.row.lock().unwrap_or_else(|e| e.into_inner()) = wish.remote.clone();
            }
            true
        });
        // What was stopped lets go of its place a moment later.
        let retry = if stopped.is_empty() { RETRY } else { RETRY_SOON };
        for (target, wish) in wishes {
            if !self.running.contains_key(&target) {
                let running = self.begin(&target, wish, retry);
                self.running.insert(target, running);
            }
        }
        stopped
    }

    /// When [`Remotes::follow`] should be called to try again what has failed.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.running.values().filter_map(|running| running.again).min()
    }

    /// What to write into databases, given the remote of each connection.
    pub(super) fn statuses<'a>(&self, connections: impl Iterator<Item = &'a str>) -> Vec<Status> {
        let wanted = |running: &&Running| running.wish.database.is_some() && running.wish.remote.row.is_some();
        if !self.running.values().any(|r| wanted(&r)) {
            return Vec::new();
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for remote in connections {
            *counts.entry(remote).or_default() += 1;
        }
        let status = |running: &Running| {
            let n = counts.get(running.wish.remote.target.as_str()).copied().unwrap_or(0);
            let mut status = Vec::new();
            let mut put = |key: &str, value: String| status.push((key.to_owned(), value));
            if n > 0 {
                put("state", "ACTIVE".into());
            }
            if n > 1 {
                put("n_connections", n.to_string());
            }
            if let Some(port) = running.port {
                put("bound_port", port.to_string());
            }
            if let Some(error) = &running.error {
                put("last_error", error.clone());
            }
            let database = running.wish.database.clone().unwrap_or_default();
            Status { database, remote: running.wish.remote.clone(), connected: n > 0, status }
        };
        self.running.values().filter(wanted).map(status).collect()
    }

    fn wishes(&self, server: &Server) -> BTreeMap<String, Wish> {
        let mut wishes = BTreeMap::new();
        for text in &self.configured {
            match database_remote(text) {
                Ok(None) => {
                    let remote = RemoteRow::plain(text.clone());
                    wishes.insert(text.clone(), Wish { remote, database: None });
                }
                Ok(Some((db, table, column))) => match server.remotes_in(db, table, column) {
                    Ok(rows) => {
                        for remote in rows {
                            let wish = Wish { database: Some(db.to_owned()), remote };
                            wishes.entry(wish.remote.target.clone()).or_insert(wish);
                        }
                    }
                    Err(error) => tracing::debug!(target: "ovsdb_server", "{error}"),
                },
                Err(error) => tracing::warn!(target: "ovsdb_server", "{error}"),
            }
        }
        wishes
    }

    fn begin(&self, target: &str, wish: Wish, retry: Duration) -> Running {
        let row = Arc::new(Mutex::new(wish.remote.clone()));
        let failed = |wish, error: String| {
            if retry == RETRY {
                tracing::error!(target: "ovsdb_jsonrpc_server", "{target}: listen failed: {error}");
            }
            let again = Some(Instant::now() + retry);
            Running { wish, row: row.clone(), _stop: None, port: None, error: Some(error), again }
        };
        let remote = match Remote::parse(target, OVSDB_PORT) {
            Ok(remote) => remote,
            Err(error) => return failed(wish, error.to_string()),
        };
        let (stop, stopped) = oneshot::channel();
        let (events, name) = (self.events.clone(), Arc::from(target));
        let mut port = None;
        match remote {
            Remote::Passive(passive) => {
                let listener = match Listener::bind(&passive) {
                    Ok(listener) => listener,
                    Err(error) => return failed(wish, bare(&error)),
                };
                if let Passive::Tcp { port: bound, .. } = listener.local() {
                    port = Some(*bound);
                }
                let unix = matches!(passive, Passive::Unix(_));
                tokio::spawn(until_stopped(stopped, accept(listener, name, row.clone(), unix, events)));
            }
            Remote::Active(address) => {
                tokio::spawn(until_stopped(stopped, connect(address, name, row.clone(), events)));
            }
        }
        Running { wish, row, _stop: Some(stop), port, error: None, again: None }
    }
}

/// The parts of `db:DATABASE,TABLE,COLUMN`; `None` for any other remote.
pub(super) fn database_remote(text: &str) -> Result<Option<(&str, &str, &str)>, String> {
    let Some(rest) = text.strip_prefix("db:") else { return Ok(None) };
    match rest.split(',').map(str::trim).collect::<Vec<_>>().as_slice() {
        [db, table, column] => Ok(Some((db, table, column))),
        _ => Err(format!("\"{text}\": invalid syntax")),
    }
}

async fn accept(
    listener: Listener,
    name: Arc<str>,
    row: Arc<Mutex<RemoteRow>>,
    unix: bool,
    events: mpsc::Sender<Event>,
) {
    static UNIX_PEERS: AtomicU64 = AtomicU64::new(0);
    loop {
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                // Out of descriptors, most likely; trying at once again would only burn time.
                tracing::warn!(target: "ovsdb_jsonrpc_server", limit = 60u64, "{name}: accept failed: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let peer_name = match unix {
            true => format!("unix#{}", UNIX_PEERS.fetch_add(1, Ordering::Relaxed)),
            false => stream.peer().to_owned(),
        };
        // A process on this machine cannot go without its socket being closed.
        let default = if unix { None } else { Some(DEFAULT_PROBE) };
        let row = row.lock().unwrap_or_else(|e| e.into_inner()).clone();
        let probe = row.inactivity_probe.or(default);
        let (role, read_only) = (row.role.clone(), row.read_only);
        let peer = Peer { name: peer_name, remote: Some(name.clone()), probe, role, read_only };
        if !hand_over(stream, peer, None, &events).await {
            return;
        }
    }
}

async fn connect(address: Address, name: Arc<str>, row: Arc<Mutex<RemoteRow>>, events: mpsc::Sender<Event>) {
    let mut pause = MIN_BACKOFF;
    loop {
        let now = || row.lock().unwrap_or_else(|e| e.into_inner()).clone();
        let longest = now().max_backoff.unwrap_or(MAX_BACKOFF).max(MIN_BACKOFF);
        match Stream::connect(&address).await {
            Err(error) => {
                tracing::info!(target: "reconnect", "{name}: connection attempt failed ({error})");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
            Ok(stream) => {
                tracing::info!(target: "reconnect", "{name}: connected");
                pause = MIN_BACKOFF;
                let row = now();
                let probe = row.inactivity_probe.or(Some(DEFAULT_PROBE));
                let (gone, until_gone) = oneshot::channel();
                let (role, read_only) = (row.role.clone(), row.read_only);
                let peer = Peer { name: name.to_string(), remote: Some(name.clone()), probe, role, read_only };
                if !hand_over(stream, peer, Some(gone), &events).await {
                    return;
                }
                let _ = until_gone.await;
                tokio::time::sleep(pause).await;
            }
        }
    }
}

async fn hand_over(
    stream: Stream,
    peer: Peer,
    gone: Option<oneshot::Sender<()>>,
    events: &mpsc::Sender<Event>,
) -> bool {
    events.send(Event::Connected(Box::new(Incoming { stream, peer, _gone: gone }))).await.is_ok()
}

/// A place that cannot be listened at is tried again this much later.
const RETRY: Duration = Duration::from_secs(5);
/// One that something of ours has not let go of yet is tried again this much later.
const RETRY_SOON: Duration = Duration::from_millis(20);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const DEFAULT_PROBE: Duration = Duration::from_secs(5);
const MIN_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(8);
