//! The task of one connection: moves whole messages between a socket and the owner, and notices silence.

use super::{Event, GOODBYE};
use crate::server::SessionId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
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

/// Serves a connection until either side ends it; the owner does so by dropping its end of `kept`. What the owner has to
/// say goes out through the connection's outlet.
pub(super) async fn serve(
    session: SessionId,
    mut connection: Connection,
    peer: Peer,
    _gone: Option<oneshot::Sender<()>>,
    events: mpsc::Sender<Event>,
    kept: oneshot::Receiver<()>,
) {
    if let Err(error) = talk(session, &mut connection, &peer, &events, kept).await {
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
    connection: &mut Connection,
    peer: &Peer,
    events: &mpsc::Sender<Event>,
    mut kept: oneshot::Receiver<()>,
) -> Result<(), ConnectionError> {
    let mut silence = Silence::new(peer.probe);
    // A certificate is known once the handshake is over, which the first message shows.
    let mut known = false;
    loop {
        if connection.backlog() >= ENOUGH {
            // Who does not read is not read from.
            tokio::select! {
                biased;
                _ = &mut kept => return let_go(connection).await,
                flushed = connection.flush() => flushed?,
            }
        }
        tokio::select! {
            biased;
            _ = &mut kept => return let_go(connection).await,
            message = connection.recv() => match message? {
                Message::Reply { id, .. } if id == PROBE_ID => {}
                Message::Reply { .. } | Message::Error { .. } => {
                    tracing::warn!(target: "ovsdb_jsonrpc_server", "{}: received unexpected reply message", peer.name);
                    return Ok(());
                }
                message => {
                    if !std::mem::replace(&mut known, true)
                        && let Some(identity) = connection.identity()
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
                if !silence.probe(connection.received()) {
                    continue;
                }
                if silence.unanswered {
                    tracing::error!(target: "reconnect", "{}: no response to inactivity probe, disconnecting", peer.name);
                    return Ok(());
                }
                silence.unanswered = true;
                connection.queue(Message::request("echo", Vec::new(), PROBE_ID));
            }
        }
    }
}

/// What is queued may still be read, but nobody waits for that for long.
async fn let_go(connection: &mut Connection) -> Result<(), ConnectionError> {
    let _ = timeout(GOODBYE, connection.flush()).await;
    Ok(())
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
/// So many bytes unwritten are reason to write before anything else.
const ENOUGH: usize = 1 << 20;
