//! What: the switch's sockets. Everything asynchronous is in here and under the rooms it calls.
//!
//! Why: one thread moves bytes between sockets and bounded channels; the owner of the switch's state never waits
//! for a peer, and a peer that does not read costs itself its messages.
//!
//! ```text
//!   sockets thread (tokio)                     owner (main thread)
//!   accept/connect/read ── Event, bounded ──>  state machines
//!   write  <── Outbox, counted ────────────────┘
//! ```
//!
//! Invariants: the owner never awaits a socket; a reader waits (and its peer with it) while the owner is busy.

mod openflow;
mod outbox;
mod reconnect;

pub use openflow::{ConnId, Connection, Dial, Dialing, Hangup, ListenerId, Net, OpenFlowListener};
pub use outbox::Outbox;
pub use reconnect::{Outlook, Reconnect, ReconnectEvent, State};

use std::io;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The thread that serves sockets.
#[derive(Debug)]
pub struct Sockets {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Sockets {
    /// Starts it.
    ///
    /// # Errors
    /// When the machine gives no thread or no epoll.
    pub fn start() -> io::Result<Sockets> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        // Without a name, so that log lines do not show a thread that users know nothing of.
        let thread = std::thread::Builder::new().spawn(move || {
            runtime.block_on(async {
                let _ = stopped.await;
                // What was answered a moment ago should still reach its socket.
                tokio::time::sleep(LAST_WORDS).await;
            });
            runtime.shutdown_timeout(LAST_WORDS);
        })?;
        Ok(Sockets { handle, stop: Some(stop), thread: Some(thread) })
    }

    /// Where to spawn tasks, and to register sockets.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

const LAST_WORDS: std::time::Duration = std::time::Duration::from_millis(20);
