//! What: messages on their way to a peer.
//!
//! Why: the owner cannot wait for a peer, so it hands messages over and can see how many bytes wait; whoever
//! produces what may be lost (packet-ins) looks first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::mpsc;

/// The owner's end.
#[derive(Clone, Debug)]
pub struct Outbox {
    messages: mpsc::UnboundedSender<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
    has_more: Arc<AtomicBool>,
}

/// The socket's end.
#[derive(Debug)]
pub struct Outgoing {
    messages: mpsc::UnboundedReceiver<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
    has_more: Arc<AtomicBool>,
}

impl Outbox {
    /// Both ends.
    pub fn new() -> (Outbox, Outgoing) {
        let (messages, receiver) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let has_more = Arc::new(AtomicBool::new(false));
        let outbox = Outbox { messages, waiting: waiting.clone(), has_more: has_more.clone() };
        (outbox, Outgoing { messages: receiver, waiting, has_more })
    }

    /// Hands a message over. False once the connection is gone.
    pub fn send(&self, message: Vec<u8>) -> bool {
        self.waiting.fetch_add(message.len(), Ordering::SeqCst);
        self.messages.send(message).is_ok()
    }

    /// The owner has more for the peer and wants to hear once the socket has taken what waits.
    pub fn has_more(&self) {
        self.has_more.store(true, Ordering::SeqCst);
    }

    /// Bytes that the socket has not taken.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}

impl Outgoing {
    /// The next messages, as many as wait, joined. `None`: the owner has let go of the connection.
    pub async fn next(&mut self, buffer: &mut Vec<u8>) -> Option<()> {
        buffer.clear();
        buffer.extend_from_slice(&self.messages.recv().await?);
        while buffer.len() < BATCH {
            match self.messages.try_recv() {
                Ok(message) => buffer.extend_from_slice(&message),
                Err(_) => break,
            }
        }
        Some(())
    }

    /// The socket took `bytes`; true if the owner has more and hardly anything waits.
    pub fn written(&self, bytes: usize) -> bool {
        let left = self.waiting.fetch_sub(bytes, Ordering::SeqCst) - bytes;
        left < BATCH && self.has_more.swap(false, Ordering::SeqCst)
    }
}

/// Worth one system call.
const BATCH: usize = 64 * 1024;
