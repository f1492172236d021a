//! Where bytes become messages and back.

use weft_openflow::{ErrorCode, Message, Version, Xid};

/// Length of the header that every message starts with.
const HEADER: usize = 8;

/// The length that the first message of a stream says it has: `None` while the header is not complete, an error if it
/// is shorter than its own header.
pub(super) fn message_len(stream: &[u8]) -> Option<Result<usize, ()>> {
    let header = stream.first_chunk::<HEADER>()?;
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    Some(if len < HEADER { Err(()) } else { Ok(len) })
}

/// A message's transaction id.
pub(super) fn xid(message: &[u8]) -> Xid {
    match message.first_chunk::<HEADER>() {
        Some(h) => Xid(u32::from_be_bytes([h[4], h[5], h[6], h[7]])),
        None => Xid(0),
    }
}

/// The versions that a HELLO offers: its bitmap, else every version up to the header's. `None`: it is no HELLO.
pub(super) fn hello(message: &[u8]) -> Option<u32> {
    let header = message.first_chunk::<HEADER>()?;
    if header[1] != 0 {
        return None;
    }
    let mut rest = &message[HEADER..];
    while let [a, b, c, d, ..] = *rest {
        let len = usize::from(u16::from_be_bytes([c, d]));
        if u16::from_be_bytes([a, b]) == 1
            && len >= 8
            && let Some(bitmap) = rest.get(4..8)
        {
            return Some(u32::from_be_bytes([bitmap[0], bitmap[1], bitmap[2], bitmap[3]]));
        }
        rest = rest.get(len.max(4).next_multiple_of(8)..).unwrap_or_default();
    }
    let up_to = u32::from(header[0]).min(Version::V15 as u32);
    Some((2 << up_to) - 2)
}

/// A message as this version has it, in as many parts as it takes.
pub(super) fn encode(version: Version, xid: Xid, message: &Message) -> Vec<Vec<u8>> {
    let _ = (version, xid, message);
    Vec::new()
}

/// What a message says, or the error that it deserves.
pub(super) fn decode(version: Version, message: &[u8]) -> Result<Message, ErrorCode> {
    let _ = (version, message);
    Err(ErrorCode::OFPBRC_BAD_TYPE)
}
