//! The task of one connection: moves whole messages between a socket and the owner, and notices silence.

use super::{Event, GOODBYE, Incoming};
use crate::server::{SessionId, Text};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use weft_jsonrpc::connection::{Connection, ConnectionError};
use weft_jsonrpc::message::Message;
use weft_jsonrpc::session::bare;

/// Who is at the other end.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// For the log.
    pub name: String,
    /// The remote through which the connection came, as in the configuration.
    pub remote: Option<Arc<str>>,
    /// How long the peer may be silent before it is probed; never if not given.
    pub probe: Option<Duration>,
    /// What the remote restricts its clients to.
    pub role: Option<String>,
    /// Whether the remote lets clients only read.
    pub read_only: bool,
}

/// Serves a connection until either side ends it.
pub(super) async fn serve(
    session: SessionId,
    incoming: Incoming,
    events: mpsc::Sender<Event>,
    mut outbox: mpsc::UnboundedReceiver<Text>,
    waiting: Arc<AtomicUsize>,
) {
    let Incoming { stream, peer, _gone } = incoming;
    let mut line = Line { connection: Connection::new(stream), waiting, queued: 0 };
    if let Err(error) = talk(session, &mut line, &peer, &events, &mut outbox).await {
        let name = &peer.name;
        match error {
            ConnectionError::Closed => tracing::debug!(target: "reconnect", "{name}: connection closed by peer"),
            ConnectionError::Io(error) => {
                tracing::warn!(target: "reconnect", "{name}: connection dropped ({})", bare(&error));
            }
            error => {
                tracing::warn!(target: "jsonrpc", "{name}: {error}");
                tracing::warn!(target: "reconnect", "{name}: connection dropped (Protocol error)");
            }
        }
    }
    // The owner may have ended.
    let _ = events.send(Event::Disconnected(session)).await;
}

async fn talk(
    session: SessionId,
    line: &mut Line,
    peer: &Peer,
    events: &mpsc::Sender<Event>,
    outbox: &mut mpsc::UnboundedReceiver<Text>,
) -> Result<(), ConnectionError> {
    let mut texts = Vec::with_capacity(TEXTS);
    let mut silence = Silence::new(peer.probe);
    // A certificate is known once the handshake is over, which the first message shows.
    let mut known = false;
    loop {
        line.settle();
        if line.connection.backlog() >= ENOUGH {
            line.connection.flush().await?;
            line.settle();
        }
        tokio::select! {
            biased;
            count = outbox.recv_many(&mut texts, TEXTS) => {
                if count == 0 {
                    // The owner lets go; what is queued may still be read, but nobody waits for that for long.
                    let _ = timeout(GOODBYE, line.connection.flush()).await;
                    return Ok(());
                }
                line.queue(&mut texts);
            }
            message = line.connection.recv() => match message? {
                Message::Reply { id, .. } if id == PROBE_ID => {}
                Message::Reply { .. } | Message::Error { .. } => {
                    tracing::warn!(target: "ovsdb_jsonrpc_server", "{}: received unexpected reply message", peer.name);
                    return Ok(());
                }
                message => {
                    if !std::mem::replace(&mut known, true)
                        && let Some(identity) = line.connection.identity()
                        && events.send(Event::Identified(session, identity)).await.is_err()
                    {
                        return Ok(());
                    }
                    if events.send(Event::Message(session, message)).await.is_err() {
                        return Ok(());
                    }
                }
            },
            () = silence.long_enough() => {
                if !silence.probe(line.connection.received()) {
                    continue;
                }
                if silence.unanswered {
                    tracing::error!(target: "reconnect", "{}: no response to inactivity probe, disconnecting", peer.name);
                    return Ok(());
                }
                silence.unanswered = true;
                line.connection.queue(Message::request("echo", Vec::new(), PROBE_ID));
            }
        }
    }
}

/// A connection and how much of what the owner sent still lies here.
struct Line {
    connection: Connection,
    waiting: Arc<AtomicUsize>,
    queued: usize,
}

impl Line {
    fn queue(&mut self, texts: &mut Vec<Text>) {
        for text in texts.drain(..) {
            self.queued += text.len();
            self.connection.queue_with(|out| text.write_to(out));
        }
    }

    /// Takes what the kernel has taken off the owner's account.
    fn settle(&mut self) {
        let left = self.connection.backlog().min(self.queued);
        self.waiting.fetch_sub(self.queued - left, Ordering::Relaxed);
        self.queued = left;
    }
}

/// Watches for a peer that has gone without a word.
struct Silence {
    after: Option<Duration>,
    since: Instant,
    heard: u64,
    unanswered: bool,
}

impl Silence {
    fn new(after: Option<Duration>) -> Silence {
        Silence { after: after.filter(|a| !a.is_zero()), since: Instant::now(), heard: 0, unanswered: false }
    }

    async fn long_enough(&self) {
        match self.after {
            Some(after) => sleep_until(self.since + after).await,
            None => std::future::pending().await,
        }
    }

    /// The time is up: whether nothing has come meanwhile. Starts the next period.
    fn probe(&mut self, received: u64) -> bool {
        self.since = Instant::now();
        let silent = received == self.heard;
        self.heard = received;
        self.unanswered &= silent;
        silent
    }
}

/// The id of our probes.
const PROBE_ID: &str = "echo";
/// Texts taken from the owner at once.
const TEXTS: usize = 256;
/// So many bytes unwritten are reason to write before anything else.
const ENOUGH: usize = 1 << 20;
