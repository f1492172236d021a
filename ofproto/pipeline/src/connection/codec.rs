//! Messages to bytes for one peer.

use tracing::debug;
use weft_openflow::codec::{self, Dialect};
use weft_openflow::{ErrorCode, ErrorMessage, Message, Xid};

/// A message as the peer has it. What its version cannot say is, as an answer, an error; of our own accord, nothing.
pub(super) fn encode(dialect: &Dialect, xid: Xid, message: &Message) -> Vec<u8> {
    match codec::encode(message, xid, dialect) {
        Ok(bytes) => bytes,
        Err(why) => {
            debug!(%why, "a message cannot be said in this version");
            let is_answer = matches!(message, Message::StatsReply { .. } | Message::FeaturesReply(_));
            let error = ErrorMessage { code: ErrorCode::NXBRC_UNENCODABLE_ERROR, data: Vec::new() };
            match is_answer {
                true => codec::encode(&Message::Error(error), xid, dialect).unwrap_or_default(),
                false => Vec::new(),
            }
        }
    }
}
