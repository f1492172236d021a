//! What the server wants done, and the words for it.

use super::{DiskWork, SessionId};
use crate::monitor::Version;
use serde_json::Value;
use std::sync::Arc;
use weft_jsonrpc::outlet::Pieces;
use weft_ovsdb::{Result, Uuid};

/// What the server wants done.
#[derive(Debug)]
pub enum Output {
    /// Send this to the client.
    Send(SessionId, Text),
    /// Hang up.
    Close(SessionId, String),
    /// Let the server that this database is relayed from execute these operations, and say what came of it with
    /// [`super::Server::forwarded`].
    Forward {
        /// The database.
        db: String,
        /// Which request this is.
        serial: u64,
        /// The operations.
        operations: Vec<Value>,
    },
    /// Do this, wherever it may take its time, and tell [`super::Server::disk_done`].
    Disk(DiskWork),
    /// A compaction of this database has ended.
    Compacted(String, Result<()>),
}

/// A message as JSON text. Notifications to many share their body.
#[derive(Clone, Debug)]
pub enum Text {
    /// All of it.
    Whole(String),
    /// `head`, then `body`, then `]}`.
    Shared {
        /// The message up to the body, different for each receiver.
        head: Arc<str>,
        /// The same for all receivers.
        body: Arc<str>,
    },
}

impl Text {
    /// How many bytes.
    pub fn len(&self) -> usize {
        match self {
            Text::Whole(text) => text.len(),
            Text::Shared { head, body } => head.len() + body.len() + SHARED_TAIL.len(),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the message to `out`.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Text::Whole(text) => out.extend_from_slice(text.as_bytes()),
            Text::Shared { head, body } => {
                out.extend_from_slice(head.as_bytes());
                out.extend_from_slice(body.as_bytes());
                out.extend_from_slice(SHARED_TAIL.as_bytes());
            }
        }
    }

    /// Puts the message on its way.
    pub fn add_to(self, out: &mut Pieces) {
        match self {
            Text::Whole(text) => out.add_text(text),
            Text::Shared { head, body } => {
                out.add(head.as_bytes());
                out.add_shared(&body);
                out.add(SHARED_TAIL.as_bytes());
            }
        }
    }
}

/// An update notification.
pub(super) fn update(version: Version, id: &str, txn: Uuid, body: Arc<str>) -> Text {
    Text::Shared { head: head(version, id, txn), body }
}

/// An update notification up to its body.
pub(super) fn head(version: Version, id: &str, txn: Uuid) -> Arc<str> {
    let head = match version {
        Version::Update => format!("{{\"id\":null,\"method\":\"update\",\"params\":[{id},"),
        Version::Update2 => format!("{{\"id\":null,\"method\":\"update2\",\"params\":[{id},"),
        Version::Update3 => format!("{{\"id\":null,\"method\":\"update3\",\"params\":[{id},\"{txn}\","),
    };
    head.into()
}

const SHARED_TAIL: &str = "]}";
