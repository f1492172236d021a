//! What: OpenFlow over sockets: whole messages in, whole messages out.
//!
//! Why: the eight bytes of OpenFlow's header say how long a message is, whatever its version; more need not be
//! known here.
//!
//! Invariants: a length below eight ends its connection. No message is longer than the 65535 bytes that its header
//! can say, so no peer can make us hold more than that.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use weft_jsonrpc::address::{Address, Passive};
use weft_jsonrpc::session::bare;
use weft_jsonrpc::stream::{Listener, Stream};

use super::outbox::{Outbox, Outgoing};

/// Names a connection while it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Names a listener, for those who come through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u64);

/// Names an attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dial(pub u64);

/// A connection that is up.
#[derive(Debug)]
pub struct Connection {
    /// Its name.
    pub id: ConnId,
    /// Who is there.
    pub peer: String,
    /// The way to it. Letting go of it hangs up.
    pub out: Outbox,
}

/// What sockets tell the owner.
#[derive(Debug)]
pub enum Net {
    /// Somebody came.
    Accepted(ListenerId, Connection),
    /// An attempt to connect ended.
    Dialed(Dial, Result<Connection, String>),
    /// Whole messages, one after another.
    Frame(ConnId, Vec<u8>),
    /// The socket has taken what waited, and the owner said that it has more.
    Drained(ConnId),
    /// The connection ended, and why.
    Closed(ConnId, Hangup),
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hangup {
    /// The peer closed it.
    Peer,
    /// It failed, in the C library's words.
    Broken(String),
    /// The peer did not answer to a probe for so many seconds.
    Silent(u64),
    /// We are done with it.
    Ours,
}

impl Hangup {
    /// The word for `Controller.status:last_error`.
    pub fn error(&self) -> &str {
        match self {
            Hangup::Peer => "End of file",
            Hangup::Broken(error) => error,
            Hangup::Silent(_) => "Connection timed out",
            Hangup::Ours => "Success",
        }
    }
}

/// A listening socket; closed (and its file removed) when dropped.
#[derive(Debug)]
pub struct OpenFlowListener {
    task: tokio::task::JoinHandle<()>,
    /// Where it listens, with the port that the kernel chose.
    pub local: Passive,
}

/// Hands out the numbers of connections.
static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
/// Hands out the numbers of peers that came over unix sockets.
static NEXT_UNIX: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

impl OpenFlowListener {
    /// Listens on `at`; what goes over TCP carries this DSCP.
    ///
    /// # Errors
    /// The socket's own.
    pub fn bind<E: From<Net> + Send + 'static>(
        runtime: &Handle,
        id: ListenerId,
        at: &Passive,
        dscp: Option<u8>,
        events: mpsc::Sender<E>,
    ) -> io::Result<OpenFlowListener> {
        let _inside = runtime.enter();
        let listener = Listener::bind_marked(at, dscp)?;
        let local = listener.local().clone();
        let task = runtime.spawn(async move {
            loop {
                match listener.accept().await {
                    Ok(stream) => {
                        let connection = serve(stream, events.clone());
                        if events.send(Net::Accepted(id, connection).into()).await.is_err() {
                            return;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(target: "connmgr", limit = 60u64, "accept failed ({})", bare(&error));
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        });
        Ok(OpenFlowListener { task, local })
    }
}

impl Drop for OpenFlowListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Dial {
    /// Connects; the outcome comes as [`Net::Dialed`]. What goes over TCP carries this DSCP.
    pub fn start<E: From<Net> + Send + 'static>(
        self,
        runtime: &Handle,
        to: Address,
        dscp: Option<u8>,
        events: mpsc::Sender<E>,
    ) -> Dialing {
        let task = runtime.spawn(async move {
            let outcome = match Stream::connect_marked(&to, dscp).await {
                Ok(stream) => Ok(serve(stream, events.clone())),
                Err(error) => Err(bare(&error)),
            };
            let _ = events.send(Net::Dialed(self, outcome).into()).await;
        });
        Dialing { dial: self, task: task.abort_handle() }
    }
}

/// An attempt under way; letting go of it gives it up.
#[derive(Debug)]
pub struct Dialing {
    /// Its name.
    pub dial: Dial,
    task: tokio::task::AbortHandle,
}

impl Drop for Dialing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Gives a stream its two tasks. Must be called inside the runtime.
fn serve<E: From<Net> + Send + 'static>(stream: Stream, events: mpsc::Sender<E>) -> Connection {
    let id = ConnId(NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let peer = match stream.peer() {
        // They all look alike; numbers tell them apart.
        "unix" => format!("unix#{}", NEXT_UNIX.fetch_add(1, std::sync::atomic::Ordering::Relaxed)),
        peer => peer.to_owned(),
    };
    let (out, outgoing) = Outbox::new();
    let (reader, writer) = tokio::io::split(stream);
    tokio::spawn(async move {
        let reason = tokio::select! {
            reason = read(id, reader, &events) => reason,
            reason = write(id, writer, outgoing, &events) => reason,
        };
        let _ = events.send(Net::Closed(id, reason).into()).await;
    });
    Connection { id, peer, out }
}

async fn read<E: From<Net>>(id: ConnId, mut reader: ReadHalf<Stream>, events: &mpsc::Sender<E>) -> Hangup {
    let mut buffer = Vec::with_capacity(READ);
    loop {
        let (mut end, mut broken) = (0, None);
        while let Some(length) = message_length(&buffer[end..]) {
            if length < HEADER {
                broken = Some(length);
                break;
            }
            if buffer.len() < end + length {
                break;
            }
            end += length;
        }
        if end > 0 {
            // A peer that fills the buffer has much to say: one event for more of it.
            let room = if buffer.len() == buffer.capacity() { buffer.len() * 2 } else { buffer.len() };
            let mut rest = Vec::with_capacity(room.clamp(READ, MOST_READ));
            rest.extend_from_slice(&buffer[end..]);
            buffer.truncate(end);
            if events.send(Net::Frame(id, std::mem::replace(&mut buffer, rest)).into()).await.is_err() {
                return Hangup::Ours;
            }
        }
        if let Some(length) = broken {
            tracing::error!(target: "vconn_stream", limit = 60u64, "received too-short ofp_header ({length} bytes)");
            return Hangup::Broken("Protocol error".to_owned());
        }
        if buffer.len() == buffer.capacity() {
            buffer.reserve(READ);
        }
        match reader.read_buf(&mut buffer).await {
            Ok(0) if buffer.is_empty() => return Hangup::Peer,
            Ok(0) => {
                tracing::error!(target: "vconn_stream", limit = 60u64, "connection dropped mid-packet");
                return Hangup::Broken("Protocol error".to_owned());
            }
            Ok(_) => {}
            Err(error) => return Hangup::Broken(bare(&error)),
        }
    }
}

async fn write<E: From<Net>>(
    id: ConnId,
    mut writer: WriteHalf<Stream>,
    mut outgoing: Outgoing,
    events: &mpsc::Sender<E>,
) -> Hangup {
    let mut buffer = Vec::new();
    while outgoing.next(&mut buffer).await.is_some() {
        if let Err(error) = writer.write_all(&buffer).await {
            return Hangup::Broken(bare(&error));
        }
        if outgoing.written(buffer.len()) && events.send(Net::Drained(id).into()).await.is_err() {
            return Hangup::Ours;
        }
    }
    let _ = writer.shutdown().await;
    Hangup::Ours
}

fn message_length(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(2..4)?;
    Some(usize::from(u16::from_be_bytes([length[0], length[1]])))
}

const HEADER: usize = 8;
const READ: usize = 4 * 1024;
/// At most this and a message are read before they are handed on: some hundred microseconds of work.
const MOST_READ: usize = 128 * 1024;
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    async fn scene() -> (OpenFlowListener, mpsc::Receiver<Net>, Stream, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("br0.mgmt");
        let (events, mut inbox) = mpsc::channel(16);
        let at = Passive::Unix(path.clone());
        let listener = OpenFlowListener::bind(&Handle::current(), ListenerId(7), &at, None, events).unwrap();
        let client = Stream::connect(&Address::Unix(path)).await.unwrap();
        let _ = &mut inbox;
        (listener, inbox, client, dir)
    }

    #[tokio::test]
    async fn an_attempt_that_nobody_waits_for_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(dir.path().join("peer")).unwrap();
        let (events, mut inbox) = mpsc::channel::<Net>(16);
        drop(Dial(1).start(&Handle::current(), Address::Unix(dir.path().join("peer")), None, events));
        assert!(inbox.recv().await.is_none(), "its task is gone, and its end of the channel with it");
    }

    #[tokio::test]
    async fn messages_come_whole_however_they_arrive() {
        let (_listener, mut inbox, mut client, _dir) = scene().await;
        let Some(Net::Accepted(ListenerId(7), connection)) = inbox.recv().await else { panic!() };
        let hello = [1u8, 0, 0, 8, 0, 0, 0, 1];
        let echo = [1u8, 2, 0, 10, 0, 0, 0, 2, 9, 9];
        client.write_all(&[&hello[..], &echo[..5]].concat()).await.unwrap();
        let Some(Net::Frame(id, bytes)) = inbox.recv().await else { panic!() };
        assert_eq!((id, bytes.as_slice()), (connection.id, &hello[..]));
        client.write_all(&echo[5..]).await.unwrap();
        let Some(Net::Frame(_, bytes)) = inbox.recv().await else { panic!() };
        assert_eq!(bytes, echo);
        let many = hello.repeat(3000);
        client.write_all(&many).await.unwrap();
        let mut got = Vec::new();
        while got.len() < many.len() {
            let Some(Net::Frame(_, bytes)) = inbox.recv().await else { panic!() };
            assert_eq!(bytes.len() % 8, 0);
            got.extend(bytes);
        }
        assert_eq!(got, many);
        assert!(connection.out.send(hello.to_vec()));
        let mut got = [0; 8];
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(got, hello);
        drop(connection);
        assert_eq!(client.read(&mut got).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_length_that_cannot_be_ends_the_connection() {
        let (_listener, mut inbox, mut client, _dir) = scene().await;
        let Some(Net::Accepted(_, connection)) = inbox.recv().await else { panic!() };
        client.write_all(&[1, 0, 0, 7, 0, 0, 0, 1]).await.unwrap();
        let Some(Net::Closed(id, reason)) = inbox.recv().await else { panic!() };
        assert_eq!(id, connection.id);
        assert_eq!(reason, Hangup::Broken("Protocol error".to_owned()));
    }
}
