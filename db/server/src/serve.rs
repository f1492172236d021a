//! The server on sockets: one task owns all databases, each connection has a task that moves whole messages.
//!
//! ```text
//!   listener tasks ──Event::Connected──┐
//!   connection tasks ─Event::Message──>├─> owner task: Server::on_message…, flush, poll
//!   appctl, vswitchd ─Event::Call─────>┘        │
//!   connection tasks <──texts───────────────────┘
//! ```
//!
//! The channel to the owner is bounded, so clients that send too fast wait in their sockets. What goes out to a
//! client is counted, and a client that lets more than a limit pile up is cut off, so that it costs itself only.
//! All messages that are there are handed in before one flush: that is where group commit comes from.

mod calls;
mod commands;
mod connection;
mod relay;
mod remotes;
mod replication;
mod state;
mod sync;
mod upstream;

use crate::database::Database;
use crate::server::{Output, Server, SessionId, Text, open_file};
use connection::Peer;
use relay::Relay;
use remotes::Remotes;
use state::State;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use sync::Sync;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use upstream::UpstreamId;
use weft_base::{Clock, SystemClock};
use weft_jsonrpc::message::Message;
use weft_jsonrpc::session::SessionEvent;
use weft_jsonrpc::stream::Stream;
use weft_ovsdb::{Error, Result};

pub use calls::Call;
pub use commands::register as register_commands;
pub use sync::{SyncCall, SyncConfig};

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
            tls: Vec::new(),
        }
    }
}

/// A running server. Dropping it does not stop it; [`OvsdbServer::stop`] does.
pub struct OvsdbServer {
    handle: Handle,
    owner: JoinHandle<()>,
}

/// A way to the server for those in the same process.
#[derive(Clone)]
pub struct Handle {
    events: mpsc::Sender<Event>,
}

/// All that can wake the owner, besides its deadlines.
enum Event {
    /// A client is there.
    Connected(Box<Incoming>),
    /// A client has proved who it is.
    Identified(SessionId, String),
    /// Something came from a server that we copy from.
    Upstream(UpstreamId, SessionEvent),
    /// A client sent something.
    Message(SessionId, Message),
    /// A client is gone.
    Disconnected(SessionId),
    /// Somebody in the process wants something.
    Call(Call, oneshot::Sender<Result<String, String>>),
}

/// A connection that nobody serves yet.
struct Incoming {
    stream: Stream,
    peer: Peer,
    /// Dropped with the connection, for who waits for that.
    _gone: Option<oneshot::Sender<()>>,
}

impl OvsdbServer {
    /// Opens the databases, begins to listen and serves. Needs a tokio runtime.
    pub fn start(mut config: OvsdbServerConfig) -> Result<OvsdbServer> {
        if let Some(state) = config.state.as_deref().and_then(State::load) {
            (config.databases, config.remotes) = (state.databases, state.remotes);
            if let Some(sync) = state.sync {
                config.sync = sync;
            }
        }
        let mut server = Server::new(config.clock.clone());
        let mut files = BTreeMap::new();
        let mut relayed = Vec::new();
        for path in &config.databases {
            if let Some(text) = path.to_str().filter(|text| text.starts_with("relay:")) {
                relayed.push(text.to_owned());
                continue;
            }
            let mut db = open_file(path)?;
            if config.whole_columns {
                db.write_whole_columns();
            }
            files.insert(db.schema().name.clone(), canonical(path));
            server.add_database(db)?;
        }
        OvsdbServer::spawn(server, files, config, &relayed)
    }

    /// Serves databases that are open already, for instance in memory.
    pub fn start_with(databases: Vec<Database>, config: OvsdbServerConfig) -> Result<OvsdbServer> {
        let mut server = Server::new(config.clock.clone());
        databases.into_iter().try_for_each(|db| server.add_database(db))?;
        OvsdbServer::spawn(server, BTreeMap::new(), config, &[])
    }

    fn spawn(
        server: Server,
        files: BTreeMap<String, PathBuf>,
        config: OvsdbServerConfig,
        relayed: &[String],
    ) -> Result<OvsdbServer> {
        let (events, inbox) = mpsc::channel(EVENTS);
        let remotes = Remotes::new(events.clone(), config.remotes);
        let mut owner = Owner {
            server,
            files,
            clients: BTreeMap::new(),
            remotes,
            events: events.clone(),
            clock: config.clock,
            backlog_limit: config.backlog_limit,
            state: config.state,
            sync: Sync::new(&config.sync).map_err(Error::bare)?,
            tls: config.tls,
            whole_columns: config.whole_columns,
            relays: BTreeMap::new(),
            n_upstreams: 0,
            changes_seen: u64::MAX,
            last_group: 0,
            stopping: None,
        };
        relayed.iter().try_for_each(|text| owner.add_relay(text))?;
        owner.start_sync(config.sync.active);
        owner.follow_remotes();
        Ok(OvsdbServer { handle: Handle { events }, owner: tokio::spawn(owner.run(inbox)) })
    }

    /// The way to the server.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Writes what is left to write, closes everything and waits until that is done.
    pub async fn stop(self) {
        // An error means that the owner has ended already.
        let _ = self.handle.call(Call::Stop).await;
        let _ = self.owner.await;
    }

    /// Waits until somebody stops the server.
    pub async fn stopped(self) {
        let _ = self.owner.await;
    }
}

impl Handle {
    /// Connects a client in the same process.
    pub async fn connect(&self, name: &str) -> Result<Stream> {
        let (ours, theirs) = Stream::pair();
        let peer = Peer { name: name.to_owned(), remote: None, probe: None, role: None, read_only: false };
        let incoming = Event::Connected(Box::new(Incoming { stream: theirs, peer, _gone: None }));
        self.events.send(incoming).await.map_err(|_| stopped())?;
        Ok(ours)
    }

    /// Asks for something.
    pub async fn call(&self, call: Call) -> Result<String, String> {
        let (reply, answer) = oneshot::channel();
        if self.events.send(Event::Call(call, reply)).await.is_err() {
            return Err(stopped().to_string());
        }
        answer.await.unwrap_or_else(|_| Err(stopped().to_string()))
    }

    /// Asks without waiting; for handlers that may not block.
    pub fn call_later(&self, call: Call, done: impl FnOnce(Result<String, String>) + Send + 'static) {
        let handle = self.clone();
        tokio::spawn(async move { done(handle.call(call).await) });
    }
}

/// The one task that owns the databases.
struct Owner {
    server: Server,
    files: BTreeMap<String, PathBuf>,
    clients: BTreeMap<SessionId, Client>,
    remotes: Remotes,
    events: mpsc::Sender<Event>,
    clock: Arc<dyn Clock>,
    backlog_limit: usize,
    state: Option<PathBuf>,
    sync: Sync,
    tls: Vec<(String, String)>,
    whole_columns: bool,
    relays: BTreeMap<String, (UpstreamId, Relay)>,
    n_upstreams: u64,
    changes_seen: u64,
    /// How many transactions the last flush to the disk had.
    last_group: usize,
    stopping: Option<oneshot::Sender<Result<String, String>>>,
}

struct Client {
    peer: Peer,
    texts: mpsc::UnboundedSender<Text>,
    /// Bytes sent to the connection's task and not yet taken by the kernel.
    waiting: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Owner {
    async fn run(mut self, mut inbox: mpsc::Receiver<Event>) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.stopping.is_none() {
            let deadline = self.server.next_deadline().map(|at| at - self.clock.now());
            tokio::select! {
                biased;
                count = inbox.recv_many(&mut batch, BATCH) => if count == 0 { break },
                () = sleep(deadline) => self.server.on_deadline(),
                () = sleep_until(self.remotes.retry_at()) => self.follow_remotes(),
            }
            for event in batch.drain(..) {
                self.on_event(event);
            }
            self.gather(&mut inbox).await;
            self.server.flush();
            self.send_all();
            let changes = self.server.counters().changes;
            if changes != self.changes_seen {
                self.changes_seen = changes;
                self.follow_remotes();
                self.send_all();
            }
        }
        self.server.flush();
        self.send_all();
        self.remotes.stop();
        for (_, client) in std::mem::take(&mut self.clients) {
            // The channel ends, so the task writes what is queued and hangs up.
            drop(client.texts);
            let _ = tokio::time::timeout(GOODBYE, client.task).await;
        }
        let reply = self.stopping.take();
        if let Some(path) = &self.state {
            // There may never have been one.
            let _ = std::fs::remove_file(path);
        }
        drop(self);
        if let Some(reply) = reply {
            let _ = reply.send(Ok(String::new()));
        }
    }

    /// Group commit. Clients that were answered together ask again together, but not all within one turn of the loop:
    /// before a flush that must reach the disk, waits for as many of them as the last one had, or a fraction of the time
    /// that the disk takes. A client on its own waits for nobody.
    async fn gather(&mut self, inbox: &mut mpsc::Receiver<Event>) {
        let mut group = self.server.n_durable();
        if group == 0 {
            return;
        }
        let until = self.clock.now() + GATHER;
        while group < self.last_group && self.stopping.is_none() && self.clock.now() < until {
            // Lets the connections' tasks look at their sockets.
            tokio::task::yield_now().await;
            while let Ok(event) = inbox.try_recv() {
                self.on_event(event);
            }
            group = self.server.n_durable();
        }
        self.last_group = group;
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Message(session, message) => self.server.on_message(session, message),
            Event::Identified(session, identity) => self.server.identify(session, identity),
            Event::Upstream(id, event) => self.on_upstream(id, event),
            Event::Connected(incoming) => self.connected(*incoming),
            Event::Disconnected(session) => self.disconnected(session),
            Event::Call(Call::Stop, reply) => self.stopping = Some(reply),
            Event::Call(call, reply) => {
                let lasting = call.is_lasting();
                let answer = self.on_call(call);
                if lasting {
                    self.save_state();
                }
                // Who asked may be gone.
                let _ = reply.send(answer);
            }
        }
    }

    fn connected(&mut self, incoming: Incoming) {
        let session = self.server.open_session();
        self.server.restrict(session, incoming.peer.role.clone(), incoming.peer.read_only);
        let (texts, outbox) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let peer = incoming.peer.clone();
        let serve = connection::serve(session, incoming, self.events.clone(), outbox, waiting.clone());
        let task = tokio::spawn(serve);
        self.clients.insert(session, Client { peer, texts, waiting, task });
        self.report_remotes();
    }

    fn on_upstream(&mut self, id: UpstreamId, event: SessionEvent) {
        let Some(event) = self.on_sync(id, event) else { return };
        // One that has been given up may still have something to say.
        if let Some((_, relay)) = self.relays.values_mut().find(|(own, _)| *own == id) {
            relay.on_event(event, &mut self.server);
        }
    }

    fn next_upstream(&mut self) -> UpstreamId {
        self.n_upstreams += 1;
        UpstreamId(self.n_upstreams)
    }

    fn disconnected(&mut self, session: SessionId) {
        self.server.close_session(session);
        self.clients.remove(&session);
        self.report_remotes();
    }

    fn send_all(&mut self) {
        while let Some(output) = self.server.poll() {
            match output {
                Output::Close(session, reason) => self.cut_off(session, &reason),
                Output::Forward { db, serial, operations } => match self.relays.get_mut(&db) {
                    Some((_, relay)) => relay.forward(serial, operations),
                    None => self.server.forwarded(serial, Err("canceled".into())),
                },
                Output::Send(session, text) => {
                    let Some(client) = self.clients.get(&session) else { continue };
                    let size = text.len();
                    if client.waiting.fetch_add(size, Ordering::Relaxed) > self.backlog_limit {
                        self.cut_off(session, "too much data waits to be read by the client");
                    } else {
                        // A task that has just ended will be reported as disconnected.
                        let _ = client.texts.send(text);
                    }
                }
            }
        }
    }

    fn cut_off(&mut self, session: SessionId, reason: &str) {
        self.server.close_session(session);
        let Some(client) = self.clients.remove(&session) else { return };
        tracing::info!(target: "ovsdb_server", "{}: disconnecting ({reason})", client.peer.name);
        if client.waiting.load(Ordering::Relaxed) > self.backlog_limit {
            client.task.abort();
        }
        self.report_remotes();
    }

    /// Listens and connects as the configuration and the databases say now.
    fn follow_remotes(&mut self) {
        self.follow_tls();
        for stopped in self.remotes.follow(&self.server) {
            let of = |client: &Client| client.peer.remote.as_deref() == Some(stopped.as_str());
            let sessions: Vec<SessionId> = self.clients.iter().filter(|(_, c)| of(c)).map(|(s, _)| *s).collect();
            sessions.into_iter().for_each(|session| self.cut_off(session, "remote removed"));
        }
        self.report_remotes();
    }

    /// Writes into the databases what became of the remotes that they ask for.
    fn report_remotes(&mut self) {
        for status in self.remotes.statuses(self.clients.values().filter_map(|c| c.peer.remote.as_deref())) {
            self.server.write_remote_status(&status.database, &status.remote, status.connected, &status.status);
        }
    }
}

async fn sleep(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn canonical(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn stopped() -> Error {
    Error::bare("the database server has stopped")
}

/// Runs a future to its end or until `stop` is dropped or sent to.
async fn until_stopped(stop: oneshot::Receiver<()>, work: impl Future<Output = ()>) {
    tokio::select! {
        _ = stop => {}
        () = work => {}
    }
}

/// Events that may wait for the owner; beyond that, clients wait.
const EVENTS: usize = 1024;
/// How long a flush to the disk waits for those that took part in the last one.
const GATHER: Duration = Duration::from_micros(150);
/// Events taken before a flush.
const BATCH: usize = 512;
/// What may wait for one client by default.
const BACKLOG_LIMIT: usize = 256 << 20;
/// How long a client may take to read its last messages when the server stops.
const GOODBYE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
