//! What: whole JSON-RPC messages over one stream.
//!
//! Why: callers sit in a `select!` loop, so sending must not be lost halfway when another arm wins; what is
//! queued stays here until the socket took it, and [`Connection::recv`] keeps writing while it waits.
//!
//! Invariants: every method is cancel safe; after an error or end of stream the connection only repeats it.

use crate::framing::{FramingError, Splitter};
use crate::message::{Message, MessageError};
use crate::outlet::Outlet;
use crate::stream::Stream;
use serde_json::Value;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};

/// A stream with message boundaries.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    splitter: Splitter,
    chunk: Vec<u8>,
    outlet: Arc<Outlet>,
    closed: bool,
    received: u64,
}

/// Why a connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The socket's own error.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Bytes that are not JSON, or too much of it.
    #[error("error parsing stream: {0}")]
    Framing(#[from] FramingError),
    /// JSON that is no JSON-RPC message.
    #[error("received bad JSON-RPC message: {0}")]
    Message(#[from] MessageError),
    /// The peer hung up.
    #[error("connection closed by peer")]
    Closed,
}

impl Connection {
    /// Speaks over `stream`.
    pub fn new(stream: Stream) -> Connection {
        let outlet = Arc::new(Outlet::new(stream.direct()));
        Connection {
            stream,
            splitter: Splitter::default(),
            chunk: vec![0; READ_CHUNK],
            outlet,
            closed: false,
            received: 0,
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &str {
        self.stream.peer()
    }

    /// Who the peer has proved to be; see [`Stream::identity`].
    pub fn identity(&self) -> Option<String> {
        self.stream.identity()
    }

    /// Puts a message behind those that wait to be written. Driven by `recv`, `flush` or `send`.
    pub fn queue(&mut self, message: Message) {
        tracing::debug!(target: "jsonrpc", "{}: send {}", self.stream.peer(), Summary(&message));
        self.queue_json(&message.into_json());
    }

    /// The same for a ready-made JSON value.
    pub fn queue_json(&mut self, value: &Value) {
        let write = |out: &mut Vec<u8>| serde_json::to_writer(out, value).expect("writing to memory cannot fail");
        self.outlet.fill(|out| out.write_with(write));
    }

    /// The way out, for others who have something to say to the peer.
    pub fn outlet(&self) -> &Arc<Outlet> {
        &self.outlet
    }

    /// Bytes queued and not yet taken by the socket.
    pub fn backlog(&self) -> usize {
        self.outlet.backlog()
    }

    /// Bytes ever received, whether or not they made a whole message: a sign of life.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Waits until everything queued is with the kernel.
    pub async fn flush(&mut self) -> Result<(), ConnectionError> {
        poll_fn(|cx| self.poll_out(cx)).await?;
        Ok(())
    }

    /// Queues and flushes.
    pub async fn send(&mut self, message: Message) -> Result<(), ConnectionError> {
        self.queue(message);
        self.flush().await
    }

    /// The next message; meanwhile keeps writing what is queued.
    pub async fn recv(&mut self) -> Result<Message, ConnectionError> {
        let value = self.recv_json().await?;
        let message = Message::from_json(value)?;
        tracing::debug!(target: "jsonrpc", "{}: received {}", self.stream.peer(), Summary(&message));
        Ok(message)
    }

    /// The next JSON value, message or not.
    pub async fn recv_json(&mut self) -> Result<Value, ConnectionError> {
        poll_fn(|cx| self.poll_json(cx)).await
    }

    fn poll_json(&mut self, cx: &mut Context<'_>) -> Poll<Result<Value, ConnectionError>> {
        // A write error does not hide what the peer said before it went away.
        let write_error = match self.poll_out(cx) {
            Poll::Ready(Err(error)) => Some(error),
            _ => None,
        };
        loop {
            if let Some(value) = self.splitter.next_value()? {
                return Poll::Ready(Ok(value));
            }
            if self.closed {
                return Poll::Ready(Err(ConnectionError::Closed));
            }
            let mut buffer = ReadBuf::new(&mut self.chunk);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => match write_error {
                    Some(error) => return Poll::Ready(Err(error.into())),
                    None => return Poll::Pending,
                },
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => self.closed = true,
                Poll::Ready(Ok(())) => {
                    self.received += buffer.filled().len() as u64;
                    self.splitter.push(buffer.filled());
                }
            }
        }
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outlet.poll(cx, &mut self.stream)
    }
}

/// How messages appear in the log.
struct Summary<'a>(&'a Message);

impl std::fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |params: &Vec<Value>| Value::from(params.clone());
        match self.0 {
            Message::Request { method, params, id } => {
                write!(f, "request, method=\"{method}\", params={}, id={id}", list(params))
            }
            Message::Notify { method, params } => {
                write!(f, "notification, method=\"{method}\", params={}", list(params))
            }
            Message::Reply { id, result } => write!(f, "reply, result={result}, id={id}"),
            Message::Error { id, error } => write!(f, "error, error={error}, id={id}"),
        }
    }
}

const READ_CHUNK: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn both_sides_may_send_more_than_the_pipe_holds() {
        let (a, b) = Stream::pair();
        let (mut a, mut b) = (Connection::new(a), Connection::new(b));
        let big = Message::notify("big", vec![json!("x".repeat(1_000_000))]);
        a.queue(big.clone());
        b.queue(big.clone());
        let (at_a, at_b) = tokio::join!(a.recv(), b.recv());
        assert_eq!(at_b.unwrap(), big);
        // `b` may have finished receiving before it finished writing.
        assert_eq!(at_a.unwrap(), big);
    }

    #[tokio::test]
    async fn the_end_and_nonsense_are_told_apart() {
        let (mut a, b) = Stream::pair();
        let mut b = Connection::new(b);
        a.write_all(b"{\"id\":1,\"method\":\"m\",\"params\":[]}{\"foo\":1}").await.unwrap();
        drop(a);
        assert_eq!(b.recv().await.unwrap(), Message::request("m", vec![], 1));
        assert!(matches!(b.recv().await, Err(ConnectionError::Message(_))));
        assert!(matches!(b.recv().await, Err(ConnectionError::Closed)));
    }
}
