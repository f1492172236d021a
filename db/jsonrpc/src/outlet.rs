//! What: what is on its way out to a peer: written at once as far as the kernel takes it, else kept until it does.
//!
//! Why: whoever has something to say to a hundred peers should not wake a hundred tasks for it. The owner of a
//! connection's task and anybody else may add messages and push; the task only takes over when the socket is full, or
//! when the stream is no plain socket (TLS, pipes).
//!
//! ```text
//!   fill(messages) ──> [ piece | piece | … ] ──push()──> socket, as long as it takes something
//!                            └──────────────poll()─────> the stream, in the connection's task
//! ```
//!
//! Invariants: bytes leave in the order in which they were added, whoever writes them; a lock is held for as long as a
//! write that does not block. Big texts are kept as they are, without a copy.

use crate::stream::WriteEnd;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::AsyncWrite;

/// See the header of this file.
#[derive(Debug)]
pub struct Outlet {
    pieces: Mutex<Pieces>,
    /// The socket, if it can be written to directly.
    socket: Option<Arc<WriteEnd>>,
}

/// What waits to be written.
#[derive(Debug, Default)]
pub struct Pieces {
    queue: VecDeque<Piece>,
    /// How much of the first piece has been written.
    at: usize,
    /// Bytes not written yet.
    left: usize,
    /// An empty buffer to be used again.
    spare: Vec<u8>,
    /// The connection's task.
    waker: Option<Waker>,
}

#[derive(Debug)]
enum Piece {
    Bytes(Vec<u8>),
    Text(String),
    Shared(Arc<str>),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Bytes(bytes) => bytes,
            Piece::Text(text) => text.as_bytes(),
            Piece::Shared(text) => text.as_bytes(),
        }
    }
}

impl Pieces {
    /// Adds a copy of this.
    pub fn add(&mut self, bytes: &[u8]) {
        self.write_with(|out| out.extend_from_slice(bytes));
    }

    /// Adds this.
    pub fn add_text(&mut self, text: String) {
        if text.len() < BIG {
            return self.add(text.as_bytes());
        }
        self.left += text.len();
        self.queue.push_back(Piece::Text(text));
    }

    /// Adds this, which others have too.
    pub fn add_shared(&mut self, text: &Arc<str>) {
        if text.len() < BIG {
            return self.add(text.as_bytes());
        }
        self.left += text.len();
        self.queue.push_back(Piece::Shared(text.clone()));
    }

    /// Lets `write` append.
    pub fn write_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if !matches!(self.queue.back(), Some(Piece::Bytes(bytes)) if bytes.len() < FULL) {
            self.queue.push_back(Piece::Bytes(std::mem::take(&mut self.spare)));
        }
        if let Some(Piece::Bytes(bytes)) = self.queue.back_mut() {
            let before = bytes.len();
            write(bytes);
            self.left += bytes.len() - before;
        }
    }

    /// Bytes not written yet.
    pub fn backlog(&self) -> usize {
        self.left
    }

    /// The next bytes to write; empty if there are none.
    fn front(&mut self) -> &[u8] {
        while self.queue.front().is_some_and(|piece| piece.bytes().len() == self.at) {
            self.at = 0;
            if let Some(Piece::Bytes(mut bytes)) = self.queue.pop_front()
                && bytes.capacity() <= KEPT
            {
                bytes.clear();
                self.spare = bytes;
            }
        }
        self.queue.front().map_or(&[], |piece| &piece.bytes()[self.at..])
    }

    fn written(&mut self, count: usize) {
        self.at += count;
        self.left -= count;
    }
}

impl Outlet {
    pub(crate) fn new(socket: Option<Arc<WriteEnd>>) -> Outlet {
        Outlet { pieces: Mutex::default(), socket }
    }

    /// Adds something. It stays until somebody pushes or the connection's task runs.
    pub fn fill<R>(&self, add: impl FnOnce(&mut Pieces) -> R) -> R {
        add(&mut self.pieces())
    }

    /// Bytes not written yet.
    pub fn backlog(&self) -> usize {
        self.pieces().left
    }

    /// Writes as much as the kernel takes at once, and leaves the rest to the connection's task.
    pub fn push(&self) {
        let mut pieces = self.pieces();
        if let Some(socket) = &self.socket {
            loop {
                let bytes = pieces.front();
                if bytes.is_empty() {
                    return;
                }
                match socket.try_write(bytes) {
                    Ok(count) if count > 0 => pieces.written(count),
                    // The task meets the error again and ends the connection.
                    _ => break,
                }
            }
        }
        let waker = pieces.waker.take();
        drop(pieces);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Writes through the stream until nothing is left. Whoever pushes from now on wakes the task.
    pub(crate) fn poll(&self, cx: &mut Context<'_>, stream: &mut (impl AsyncWrite + Unpin)) -> Poll<io::Result<()>> {
        let mut pieces = self.pieces();
        if !pieces.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            pieces.waker = Some(cx.waker().clone());
        }
        loop {
            let bytes = pieces.front();
            if bytes.is_empty() {
                drop(pieces);
                return Pin::new(stream).poll_flush(cx);
            }
            let count = ready!(Pin::new(&mut *stream).poll_write(cx, bytes))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            pieces.written(count);
        }
    }

    fn pieces(&self) -> MutexGuard<'_, Pieces> {
        self.pieces.lock().expect("nobody panics while holding this lock")
    }
}

/// From this size on a text is not copied.
const BIG: usize = 32 << 10;
/// So much is gathered in one piece.
const FULL: usize = 256 << 10;
/// A buffer of at most this size is kept for the next messages.
const KEPT: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{Address, Passive};
    use crate::stream::{Listener, Stream};
    use tokio::io::AsyncReadExt;

    async fn connected() -> (tempfile::TempDir, Stream, Stream) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = Listener::bind(&Passive::Unix(path.clone())).unwrap();
        let address = Address::Unix(path);
        let (client, server) = tokio::join!(Stream::connect(&address), listener.accept());
        (dir, client.unwrap(), server.unwrap())
    }

    /// More than any socket buffer, added in pieces of many sizes.
    fn fill(outlet: &Outlet) -> Vec<u8> {
        let mut all = Vec::new();
        for i in 0..400_usize {
            let text = char::from(b'a' + (i % 26) as u8).to_string().repeat(i * i % 70_000 + 1);
            all.extend_from_slice(text.as_bytes());
            match i % 3 {
                0 => outlet.fill(|out| out.add(text.as_bytes())),
                1 => outlet.fill(|out| out.add_text(text)),
                _ => outlet.fill(|out| out.add_shared(&text.into())),
            }
        }
        all
    }

    async fn arrives_in_order(ours: Stream, mut theirs: Stream) {
        let mut connection = crate::connection::Connection::new(ours);
        let outlet = connection.outlet().clone();
        let mut expected = fill(&outlet);
        let task = tokio::spawn(async move { connection.recv().await });
        // The task has looked at what there is once before more comes.
        tokio::task::yield_now().await;
        outlet.push();
        for _ in 0..10 {
            expected.extend(fill(&outlet));
            outlet.push();
            tokio::task::yield_now().await;
        }
        let mut got = vec![0; expected.len()];
        theirs.read_exact(&mut got).await.unwrap();
        assert!(got == expected);
        assert_eq!(outlet.backlog(), 0);
        // Its task waits for messages, and a push writes without it.
        outlet.fill(|out| out.add(b"again"));
        outlet.push();
        let mut got = [0; 5];
        theirs.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"again");
        drop(theirs);
        assert!(task.await.unwrap().is_err());
    }

    #[tokio::test]
    async fn what_a_full_socket_does_not_take_follows_in_order() {
        let (_dir, client, server) = connected().await;
        arrives_in_order(server, client).await;
    }

    #[tokio::test]
    async fn a_stream_that_is_no_socket_is_written_by_its_task() {
        let (a, b) = Stream::pair();
        arrives_in_order(a, b).await;
    }
}
