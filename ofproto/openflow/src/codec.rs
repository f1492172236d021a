//! Messages to bytes and back, for either side of a connection.
//!
//! ```text
//! bytes --Framer--> one message's bytes --decode--> Incoming { version, xid, name, message }
//! Message --encode--> bytes (several messages where an answer is longer than 64 KiB)
//! ```
//! A [`Dialect`] says what the two sides agreed on. Invariants: whatever bytes come in, the result is a message or an
//! error with the code that goes back; what is decoded and encoded again means the same.

mod decoder;
mod encoder;
mod fragment;
pub(crate) mod kind;
mod lengths;
mod stream;
#[cfg(test)]
mod tests;

pub use decoder::{FlowModHead, decode, decode_flow_mod, decode_what_goes};
pub(crate) use encoder::kind_for;
pub use encoder::{encode, encode_flow_mod};
pub use fragment::{
    actions_from_wire, actions_rewritten, fixed_match_from_wire, fixed_match_len, fixed_match_to_wire,
    instructions_from_wire, instructions_to_wire, match_from_oxm, match_to_oxm, raw_pattern,
};
pub use kind::Kind;
pub use stream::{Framer, Reassembler};

use zerocopy::FromBytes;

use crate::error::{ErrorCode, ErrorMessage};
use crate::ids::{Version, Xid};
use crate::message::Message;
use crate::packet::PacketInFormat;
use crate::wire::DecodeError;
use crate::wire::buf::{Decoded, bad};
use kind::HeaderWire;

/// What the two sides of a connection agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dialect {
    /// The version.
    pub version: Version,
    /// 1.0: flows in Nicira's form (NXT_SET_FLOW_FORMAT, or the request came in it).
    pub nxm: bool,
    /// 1.0: flow mods carry a table (NXT_FLOW_MOD_TABLE_ID).
    pub flow_mod_table_id: bool,
    /// Which packet-in to send.
    pub packet_in: PacketInFormat,
}

impl Dialect {
    /// A version as it is before anything was negotiated.
    pub fn new(version: Version) -> Dialect {
        Dialect { version, nxm: false, flow_mod_table_id: false, packet_in: PacketInFormat::Standard }
    }

    /// The dialect in which a request wants its answer.
    pub fn answering(self, request: &Incoming) -> Dialect {
        Dialect { nxm: self.nxm || matches!(request.kind, Kind::NxFlowRequest | Kind::NxAggregateRequest), ..self }
            .exactly(request)
    }

    /// A plain request gets a plain answer, whatever the flow format.
    fn exactly(self, request: &Incoming) -> Dialect {
        match request.kind {
            Kind::FlowRequest | Kind::AggregateRequest => Dialect { nxm: false, ..self },
            _ => self,
        }
    }
}

/// A message that came in.
#[derive(Clone, PartialEq, Debug)]
pub struct Incoming {
    /// Its version.
    pub version: Version,
    /// Its transaction id.
    pub xid: Xid,
    /// Which of the forms of its meaning it had.
    pub kind: Kind,
    /// Of a statistics request: another part follows under the same transaction id.
    pub more: bool,
    /// What it says.
    pub message: Message,
}

/// The version that both sides speak, newest first; the arguments are bitmaps of [`Version::bit`].
pub fn negotiate(ours: u32, theirs: u32) -> Option<Version> {
    Version::ALL.into_iter().rev().find(|v| ours & theirs & v.bit() != 0)
}

/// Which kind of message these bytes are, even if their body makes no sense.
pub fn kind_of(bytes: &[u8]) -> Result<Kind, DecodeError> {
    let (version, _) = version_of(bytes)?;
    Ok(kind::identify(bytes, version)?.kind)
}

/// As [`kind_of`], if the body has a length that the kind allows.
pub fn kind_of_sound(bytes: &[u8]) -> Result<Kind, DecodeError> {
    Ok(sound(bytes)?.kind)
}

/// Of a statistics request whose body has a length that its kind allows: the kind, and whether another part follows.
pub fn request_part(bytes: &[u8]) -> Option<(Kind, bool)> {
    let (version, _) = version_of(bytes).ok()?;
    let found = sound(bytes).ok()?;
    (found.kind.stats_direction(version) == Some(false)).then_some((found.kind, found.more))
}

fn sound(bytes: &[u8]) -> Decoded<kind::Identity<'_>> {
    let (version, _) = version_of(bytes)?;
    let found = kind::identify(bytes, version)?;
    lengths::check(found.kind, version, found.body.len(), bytes.len())?;
    Ok(found)
}

/// As [`kind_of`], of a message of which only the start is there.
pub fn kind_of_start(bytes: &[u8]) -> Option<Kind> {
    let version = bytes.first().and_then(|v| Version::from_wire(*v))?;
    Some(kind::identify(bytes, version).ok()?.kind)
}

/// The version and transaction id of a message. A HELLO of a version from the future counts as our newest.
fn version_of(bytes: &[u8]) -> Decoded<(Version, Xid)> {
    let Ok((header, _)) = HeaderWire::ref_from_prefix(bytes) else {
        return bad(ErrorCode::OFPBRC_BAD_LEN, "a message has 8 bytes at least");
    };
    if usize::from(header.len.get()) != bytes.len() {
        return bad(ErrorCode::OFPBRC_BAD_LEN, format!("length {} of {} bytes", header.len, bytes.len()));
    }
    let xid = Xid(header.xid.get());
    match Version::from_wire(header.version) {
        Some(version) => Ok((version, xid)),
        None if header.kind == 0 && header.version > Version::V15 as u8 => Ok((Version::V15, xid)),
        None => bad(ErrorCode::OFPBRC_BAD_VERSION, format!("version {:#04x} is unknown", header.version)),
    }
}

/// HELLO's only element, and the error types that stand for an experimenter's own numbers.
const VERSION_BITMAP: u16 = 1;
const NICIRA_ERROR: u16 = 0xb0c2;
const EXPERIMENTER_ERROR: u16 = 0xffff;

/// The error message that answers a bad message: its code, and of the message what fits.
pub fn error_reply(code: ErrorCode, offending: &[u8]) -> Message {
    Message::Error(ErrorMessage { code, data: offending.to_vec() })
}
