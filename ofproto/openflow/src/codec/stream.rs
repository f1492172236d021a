//! From a byte stream to messages, and from parts of an answer to the answer.
//!
//! Invariant: both hold a bounded amount: one message, and [`Reassembler::MAX_ENTRIES`] of one answer.

use crate::error::ErrorCode;
use crate::ids::Xid;
use crate::message::StatsReply;
use crate::wire::DecodeError;
use crate::wire::buf::bad;

/// Cuts a byte stream into messages.
#[derive(Default, Debug)]
pub struct Framer {
    bytes: Vec<u8>,
    start: usize,
}

impl Framer {
    /// Nothing read yet.
    pub fn new() -> Framer {
        Framer::default()
    }

    /// More bytes from the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message. An error ends the stream: there is no telling where the next message starts.
    pub fn next_message(&mut self) -> Result<Option<&[u8]>, DecodeError> {
        let rest = &self.bytes[self.start..];
        let &[_, _, high, low, ..] = rest else { return Ok(None) };
        let len = usize::from(u16::from_be_bytes([high, low]));
        if len < 8 {
            return bad(ErrorCode::OFPBRC_BAD_LEN, format!("a message of {len} bytes"));
        }
        if rest.len() < len {
            return Ok(None);
        }
        let at = self.start;
        self.start += len;
        Ok(Some(&self.bytes[at..at + len]))
    }

    /// Bytes that wait for the rest of their message.
    pub fn pending(&self) -> usize {
        self.bytes.len() - self.start
    }
}

/// Joins the parts of a statistics reply.
#[derive(Default, Debug)]
pub struct Reassembler {
    parts: Option<(Xid, StatsReply)>,
    entries: usize,
}

impl Reassembler {
    /// The most entries that an answer may have.
    pub const MAX_ENTRIES: usize = 4 << 20;

    /// One part; the whole answer once its last part is there.
    pub fn push(&mut self, xid: Xid, part: StatsReply, more: bool) -> Result<Option<StatsReply>, DecodeError> {
        self.entries += entries(&part);
        if self.entries > Reassembler::MAX_ENTRIES {
            return bad(ErrorCode::OFPBRC_MULTIPART_BUFFER_OVERFLOW, "an answer has too many entries");
        }
        let whole = match self.parts.take() {
            None => part,
            Some((first, mut whole)) => {
                if first != xid || !join(&mut whole, part) {
                    return bad(ErrorCode::OFPBRC_BAD_STAT, "parts of different answers are mixed");
                }
                whole
            }
        };
        if more {
            self.parts = Some((xid, whole));
            return Ok(None);
        }
        self.entries = 0;
        Ok(Some(whole))
    }
}

/// How many entries a part has.
pub(super) fn entries(part: &StatsReply) -> usize {
    match part {
        StatsReply::Flow(v) => v.len(),
        StatsReply::Port(v) => v.len(),
        StatsReply::TableFeatures(v) => v.len(),
        _ => 1,
    }
}

/// Appends a part; false if it is of another kind.
fn join(whole: &mut StatsReply, part: StatsReply) -> bool {
    macro_rules! lists {
        ($($list:ident),*) => {
            match (whole, part) {
                $((StatsReply::$list(a), StatsReply::$list(b)) => a.extend(b),)*
                _ => return false,
            }
        };
    }
    lists!(
        Flow,
        Table,
        Port,
        Queue,
        Group,
        GroupDesc,
        Meter,
        MeterConfig,
        TableFeatures,
        PortDesc,
        TableDesc,
        QueueDesc,
        FlowMonitor,
        IpfixFlow
    );
    true
}
