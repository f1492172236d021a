//! The server on sockets: one task owns all databases, each connection has a task that takes whole messages in.
//!
//! ```text
//!   listener tasks ──Event::Connected──┐
//!   connection tasks ─Event::Message──>├─> owner task: Server::on_message…, flush, poll
//!   appctl, vswitchd ─Event::Call─────>┘        │
//!   sockets <──────── outlets <─────────────────┘
//! ```
//!
//! The owner writes to the sockets itself, once per turn and client; only what a socket does not take at once is left to
//! the connection's task. An update to a hundred clients wakes nobody in this process.
//!
//! The channel to the owner is bounded, so clients that send too fast wait in their sockets. What goes out to a
//! client is counted, and a client that lets more than a limit pile up is cut off, so that it costs itself only.
//! All messages that are there are handed in before one flush: that is where group commit comes from.

mod calls;
mod commands;
mod config;
mod connection;
mod coverage;
mod disk;
mod relay;
mod remotes;
mod replication;
mod spin;
mod state;
mod sync;
mod upstream;

use crate::database::Database;
use crate::server::{DiskTicket, Output, Server, SessionId, open_file};
use connection::Peer;
use disk::Disk;
use relay::Relay;
use remotes::Remotes;
use spin::Spin;
use state::State;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use sync::Sync;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use upstream::UpstreamId;
use weft_base::{Clock, Time};
use weft_jsonrpc::connection::Connection;
use weft_jsonrpc::message::Message;
use weft_jsonrpc::outlet::Outlet;
use weft_jsonrpc::session::SessionEvent;
use weft_jsonrpc::stream::Stream;
use weft_ovsdb::{Error, Result};

pub use calls::Call;
pub use commands::register as register_commands;
pub use config::OvsdbServerConfig;
pub use sync::{SyncCall, SyncConfig};

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
    /// The disk has done something.
    Disk(DiskTicket, Result<()>, Duration),
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
        mut server: Server,
        files: BTreeMap<String, PathBuf>,
        config: OvsdbServerConfig,
        relayed: &[String],
    ) -> Result<OvsdbServer> {
        let (events, inbox) = mpsc::channel(EVENTS);
        server.defer_disk_work();
        server.set_compaction_rule(config.compaction);
        let remotes = Remotes::new(events.clone(), config.remotes);
        let mut owner = Owner {
            server,
            files,
            clients: BTreeMap::new(),
            addressed: Vec::new(),
            round: 1,
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
            now: Time::ZERO,
            disk: Disk::new(config.trim),
            spin: Spin::new(config.spin),
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
    /// Outlets with something that is not pushed yet.
    addressed: Vec<Arc<Outlet>>,
    /// Which round of sending this is.
    round: u64,
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
    /// The beginning of this turn.
    now: Time,
    disk: Disk,
    spin: Spin,
    stopping: Option<oneshot::Sender<Result<String, String>>>,
}

struct Client {
    peer: Peer,
    outlet: Arc<Outlet>,
    /// When it last said something.
    heard: Time,
    /// When something was last put into the outlet, in rounds of sending.
    addressed: u64,
    /// Dropped, it tells the connection's task to end when everything has been read.
    keep: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Owner {
    async fn run(mut self, mut inbox: mpsc::Receiver<Event>) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.stopping.is_none() {
            self.spin.stay_awake(&*self.clock, &inbox).await;
            let deadline = self.server.next_deadline().map(|at| at - self.clock.now());
            tokio::select! {
                biased;
                count = inbox.recv_many(&mut batch, BATCH) => if count == 0 { break },
                () = sleep(deadline) => self.server.on_deadline(),
                () = sleep_until(self.remotes.retry_at()) => self.follow_remotes(),
            }
            self.now = self.clock.now();
            for event in batch.drain(..) {
                self.on_event(event);
            }
            self.server.flush();
            self.send_all();
            self.serve_disk(&mut inbox).await;
            let changes = self.server.counters().changes;
            if changes != self.changes_seen {
                self.changes_seen = changes;
                self.follow_remotes();
                self.send_all();
            }
        }
        self.server.settle();
        self.send_all();
        self.remotes.stop();
        for (_, client) in std::mem::take(&mut self.clients) {
            // The task writes what is queued and hangs up.
            drop(client.keep);
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

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Message(session, message) => {
                if let Some(client) = self.clients.get_mut(&session) {
                    client.heard = self.now;
                }
                self.server.on_message(session, message);
            }
            Event::Disk(ticket, result, took) => self.disk.done(&mut self.server, &ticket, result, took),
            Event::Identified(session, identity) => self.server.identify(session, identity),
            Event::Upstream(id, event) => self.on_upstream(id, event),
            Event::Connected(incoming) => self.connected(*incoming),
            Event::Disconnected(session) => self.disconnected(session),
            Event::Call(Call::Stop, reply) => self.stopping = Some(reply),
            Event::Call(Call::Compact(name), reply) => self.compact(name.as_deref(), reply),
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
        let Incoming { stream, peer, _gone } = incoming;
        let connection = Connection::new(stream);
        let outlet = connection.outlet().clone();
        let (keep, kept) = oneshot::channel();
        let serve = connection::serve(session, connection, peer.clone(), _gone, self.events.clone(), kept);
        let task = tokio::spawn(serve);
        self.clients.insert(session, Client { peer, outlet, heard: self.now, addressed: 0, keep, task });
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
                Output::Disk(work) => self.do_disk_work(work),
                Output::Compacted(db, result) => self.disk.compacted(&db, &result),
                Output::Forward { db, serial, operations } => match self.relays.get_mut(&db) {
                    Some((_, relay)) => relay.forward(serial, operations),
                    None => self.server.forwarded(serial, Err("canceled".into())),
                },
                Output::Send(session, text) => {
                    let Some(client) = self.clients.get_mut(&session) else { continue };
                    let before = client.outlet.fill(|out| {
                        let before = out.backlog();
                        text.add_to(out);
                        before
                    });
                    if std::mem::replace(&mut client.addressed, self.round) != self.round {
                        self.addressed.push(client.outlet.clone());
                    }
                    if before > self.backlog_limit {
                        self.cut_off(session, "too much data waits to be read by the client");
                    }
                }
            }
        }
        self.round += 1;
        self.addressed.drain(..).for_each(|outlet| outlet.push());
    }

    fn cut_off(&mut self, session: SessionId, reason: &str) {
        self.server.close_session(session);
        let Some(client) = self.clients.remove(&session) else { return };
        tracing::info!(target: "ovsdb_server", "{}: disconnecting ({reason})", client.peer.name);
        if client.outlet.backlog() > self.backlog_limit {
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
/// Events taken before a flush.
const BATCH: usize = 512;
/// How long a client may take to read its last messages when the server stops.
const GOODBYE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
