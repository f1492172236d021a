//! What: a connection that keeps itself alive: answers echo, probes a silent peer, reconnects.
//!
//! Why: both ends of OVSDB need the same three habits; the users of a session only see messages, and that
//! the peer came or went.
//!
//! ```text
//!              Session::to(address)                         Session::over(connection)
//!                     │                                              │
//!   Waiting(backoff) ─┴─> Connecting ──> Active <────────────────────┘
//!        ^                    │            │  silence for `probe`: echo; again: drop
//!        └────────────────────┴────────────┘  (over: then Closed for ever)
//! ```
//!
//! Invariants: `next` is cancel safe; between `Connected` and `Disconnected` all messages come from one
//! connection; a message queued while disconnected is dropped, as the peer's state died with the old one.

use crate::address::Address;
use crate::connection::{Connection, ConnectionError};
use crate::message::Message;
use crate::stream::Stream;
use serde_json::{Value, json};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};

/// What a session tells its owner.
#[derive(Debug)]
pub enum SessionEvent {
    /// A fresh connection: whatever the peer knew about us is gone.
    Connected,
    /// Anything but echo traffic.
    Message(Message),
    /// The connection, or the attempt to make one, ended; `reason` is for the log.
    Disconnected {
        /// Why.
        reason: String,
    },
}

/// How long to wait between attempts: doubles from `min` to `max`.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// After the first failure.
    pub min: Duration,
    /// Never longer than this.
    pub max: Duration,
}

impl Default for Backoff {
    /// One to eight seconds, as users of OVS know it.
    fn default() -> Self {
        Backoff { min: Duration::from_secs(1), max: Duration::from_secs(8) }
    }
}

/// See the module's header.
pub struct Session {
    address: Option<Address>,
    state: State,
    probe: Option<Duration>,
    backoff: Backoff,
    delay: Duration,
    echo_sent: bool,
    heard: u64,
    heard_at: Instant,
}

/// How long a peer may be silent before it is probed, and again before it is given up.
pub const DEFAULT_PROBE: Duration = Duration::from_secs(5);

impl Session {
    /// Connects to `address`, again and again.
    pub fn to(address: Address) -> Session {
        // A peer on the same machine cannot vanish without closing its socket.
        let probe = match address {
            Address::Unix(_) => None,
            _ => Some(DEFAULT_PROBE),
        };
        let now = Instant::now();
        Session::with_state(Some(address), State::Waiting(now), probe)
    }

    /// Serves an accepted or in-process connection; ends when it ends.
    pub fn over(connection: Connection) -> Session {
        Session::with_state(None, State::Fresh(connection), None)
    }

    /// How long the peer may be silent before it is probed; `None` never probes.
    pub fn set_probe(&mut self, probe: Option<Duration>) {
        self.probe = probe.filter(|probe| !probe.is_zero());
    }

    /// Times between attempts.
    pub fn set_backoff(&mut self, backoff: Backoff) {
        self.backoff = backoff;
    }

    /// Gives up the present connection and, for an active session, starts over at once.
    pub fn force_reconnect(&mut self) {
        self.delay = Duration::ZERO;
        self.state = match self.state {
            State::Active(_) | State::Fresh(_) => State::Dropped("forced reconnect".to_string()),
            State::Closed => State::Closed,
            _ => State::Waiting(Instant::now()),
        };
    }

    /// Is there a connection now?
    pub fn is_connected(&self) -> bool {
        matches!(self.state, State::Active(_) | State::Fresh(_))
    }

    /// Has the session ended for ever?
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Who is or should be at the other end.
    pub fn peer(&self) -> String {
        match (&self.address, &self.state) {
            (Some(address), _) => address.to_string(),
            (None, State::Active(connection) | State::Fresh(connection)) => connection.peer().to_string(),
            (None, _) => String::new(),
        }
    }

    /// Puts a message on its way; it is written while somebody awaits [`Session::next`] or
    /// [`Session::flush`]. Returns whether there was a connection to take it.
    pub fn send(&mut self, message: Message) -> bool {
        match &mut self.state {
            State::Active(connection) => connection.queue(message),
            _ => return false,
        }
        true
    }

    /// Bytes sent and not yet taken by the socket.
    pub fn backlog(&self) -> usize {
        match &self.state {
            State::Active(connection) => connection.backlog(),
            _ => 0,
        }
    }

    /// Waits until everything sent is with the kernel, or the connection failed.
    pub async fn flush(&mut self) {
        if let State::Active(connection) = &mut self.state
            && let Err(error) = connection.flush().await
        {
            self.state = State::Dropped(error.to_string());
        }
    }

    /// What happens next. Cancel safe. For ever pending once the session is closed.
    pub async fn next(&mut self) -> SessionEvent {
        loop {
            match &mut self.state {
                State::Closed => std::future::pending().await,
                State::Fresh(_) => {
                    let State::Fresh(connection) = std::mem::replace(&mut self.state, State::Closed) else {
                        unreachable!("matched above")
                    };
                    return self.begin(connection);
                }
                State::Dropped(_) => {
                    let State::Dropped(reason) = std::mem::replace(&mut self.state, State::Closed) else {
                        unreachable!("matched above")
                    };
                    return self.end(reason);
                }
                State::Waiting(until) => {
                    sleep_until(*until).await;
                    let Some(address) = self.address.clone() else {
                        self.state = State::Closed;
                        continue;
                    };
                    tracing::info!(target: "reconnect", "{address}: connecting...");
                    let limit = self.delay.max(self.backoff.min);
                    self.state = State::Connecting(Box::pin(connect(address, limit)));
                }
                State::Connecting(attempt) => match attempt.await {
                    Ok(stream) => {
                        tracing::info!(target: "reconnect", "{}: connected", stream.peer());
                        return self.begin(Connection::new(stream));
                    }
                    Err(error) => {
                        let reason = error.to_string();
                        tracing::info!(target: "reconnect", "{}: connection attempt failed ({})", self.peer(), bare(&error));
                        return self.end(reason);
                    }
                },
                State::Active(_) => match self.next_message().await {
                    Ok(Some(message)) => return SessionEvent::Message(message),
                    Ok(None) => {}
                    Err(reason) => {
                        tracing::info!(target: "reconnect", "{}: {reason}", self.peer());
                        self.state = State::Closed;
                        return self.end(reason);
                    }
                },
            }
        }
    }

    fn with_state(address: Option<Address>, state: State, probe: Option<Duration>) -> Session {
        let backoff = Backoff::default();
        let now = Instant::now();
        Session { address, state, probe, backoff, delay: Duration::ZERO, echo_sent: false, heard: 0, heard_at: now }
    }

    fn begin(&mut self, connection: Connection) -> SessionEvent {
        self.state = State::Active(connection);
        self.echo_sent = false;
        self.heard = 0;
        self.heard_at = Instant::now();
        SessionEvent::Connected
    }

    fn end(&mut self, reason: String) -> SessionEvent {
        if self.address.is_some() {
            // A connection that worked for a while earns a fresh start of the backoff.
            if self.heard > 0 {
                self.delay = Duration::ZERO;
                self.heard = 0;
            }
            self.state = State::Waiting(Instant::now() + self.delay);
            self.delay = (self.delay * 2).clamp(self.backoff.min, self.backoff.max);
        } else {
            self.state = State::Closed;
        }
        SessionEvent::Disconnected { reason }
    }

    /// One message that is not echo traffic; `Ok(None)` when there was only housekeeping.
    async fn next_message(&mut self) -> Result<Option<Message>, String> {
        let State::Active(connection) = &mut self.state else { return Ok(None) };
        if connection.received() != self.heard {
            self.heard = connection.received();
            self.heard_at = Instant::now();
            self.echo_sent = false;
        }
        let received = match self.probe {
            None => connection.recv().await,
            Some(probe) => match timeout_at(self.heard_at + probe, connection.recv()).await {
                Ok(received) => received,
                Err(_) if connection.received() != self.heard => return Ok(None),
                Err(_) if self.echo_sent => {
                    return Err(format!(
                        "no response to inactivity probe after {} seconds, disconnecting",
                        probe.as_secs()
                    ));
                }
                Err(_) => {
                    self.echo_sent = true;
                    self.heard_at = Instant::now();
                    connection.queue(Message::request("echo", vec![], ECHO_ID));
                    return Ok(None);
                }
            },
        };
        match received {
            Ok(Message::Request { method, params, id }) if method == "echo" => {
                connection.queue(Message::Reply { id, result: json!(params) });
                Ok(None)
            }
            Ok(Message::Reply { id, .. } | Message::Error { id, .. }) if id == *ECHO_ID => Ok(None),
            Ok(message) => Ok(Some(message)),
            Err(ConnectionError::Closed) => Err("connection closed by peer".to_string()),
            Err(ConnectionError::Io(error)) => Err(format!("connection dropped ({})", bare(&error))),
            Err(error) => Err(format!("connection dropped ({error})")),
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({})", self.peer())
    }
}

type Attempt = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

enum State {
    Waiting(Instant),
    Connecting(Attempt),
    /// Connected, and the owner does not know yet.
    Fresh(Connection),
    Active(Connection),
    /// Ended, and the owner does not know yet.
    Dropped(String),
    Closed,
}

const ECHO_ID: &str = "echo";

async fn connect(address: Address, limit: Duration) -> io::Result<Stream> {
    match timeout_at(Instant::now() + limit, Stream::connect(&address)).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// The error in the C library's words, without Rust's "(os error 2)".
pub fn bare(error: &io::Error) -> String {
    let text = match error.raw_os_error() {
        Some(_) => error.to_string(),
        None if error.kind() == io::ErrorKind::TimedOut => "Connection timed out".to_string(),
        None => return error.to_string(),
    };
    match text.find(" (os error") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}

/// Is this value the id of the session's own probe?
pub fn is_probe_id(id: &Value) -> bool {
    id == ECHO_ID
}

#[cfg(test)]
mod tests;
