//! Parts of messages by themselves, for tools that read bare matches, actions or instructions.

use weft_flow::{FieldId, Match};

use crate::codec::{Incoming, Kind};
use crate::error::ErrorCode;
use crate::ids::Version;
use crate::instruction::Instructions;
use crate::message::Message;
use crate::wire::buf::{Reader, Writer};
use crate::wire::oxm::Unknown;
use crate::wire::{action, instruction, match10, match11, oxm};

/// A match from bare TLVs, with Nicira's cookie and its mask. `strict`: unknown fields are errors.
pub fn match_from_oxm(bytes: &[u8], strict: bool) -> Result<(Match, Option<(u64, u64)>), ErrorCode> {
    let unknown = if strict { Unknown::Refuse } else { Unknown::SkipButCheck };
    let (mut m, cookie) = oxm::read_match(bytes, unknown).map_err(|error| error.code)?;
    if oxm::implies_ethernet(bytes) && m.get(FieldId::PacketType).1 == 0 {
        // what has layers is an Ethernet frame
        m.set(FieldId::PacketType, 0);
    }
    Ok((m, cookie))
}

/// The inverse of [`match_from_oxm`]; `version` `None` is NXM.
pub fn match_to_oxm(m: &Match, cookie: Option<(u64, u64)>, version: Option<Version>) -> Vec<u8> {
    let mut w = Writer::default();
    oxm::write_match(&mut w, m, version);
    if let Some((value, mask)) = cookie {
        oxm::write_nx_cookie(&mut w, value, mask);
    }
    w.bytes
}

/// How long OpenFlow 1.0's or 1.1's fixed match is.
pub fn fixed_match_len(version: Version) -> usize {
    match version {
        Version::V10 => size_of::<match10::Match10Wire>(),
        _ => size_of::<match11::Match11Wire>(),
    }
}

/// The inverse of [`fixed_match_from_wire`]; what the version cannot say is lost.
pub fn fixed_match_to_wire(m: &Match, version: Version) -> Vec<u8> {
    let mut w = Writer::default();
    match version {
        Version::V10 => w.put(&match10::write(m)),
        _ => w.put(&match11::write(m)),
    }
    w.bytes
}

/// The match of a flow mod as it lies on the wire, field by field; `None` where the text of its meaning says it all.
pub fn raw_pattern(bytes: &[u8], incoming: &Incoming) -> Option<String> {
    let Message::FlowMod(todo) = &incoming.message else { return None };
    match incoming.kind {
        Kind::FlowMod if incoming.version == Version::V10 => {
            let mut r = Reader::new(bytes.get(8..)?, ErrorCode::OFPBMC_BAD_LEN);
            r.get("match").ok().map(match10::show)
        }
        Kind::NxFlowMod => Some(crate::text::nxm::format(&match_to_oxm(&todo.matching, None, None))),
        _ => None,
    }
}

/// OpenFlow 1.0's or 1.1's fixed match.
pub fn fixed_match_from_wire(bytes: &[u8], version: Version) -> Result<Match, ErrorCode> {
    let mut r = Reader::new(bytes, ErrorCode::OFPBMC_BAD_LEN);
    let matching = match version {
        Version::V10 => r.get("match").map(match10::read),
        _ => r.get("match").and_then(match11::read),
    };
    matching.map_err(|error| error.code)
}

/// A list of actions.
pub fn actions_from_wire(bytes: &[u8], version: Version) -> Result<Instructions, ErrorCode> {
    action::read_list(bytes, version).map(Instructions::apply).map_err(|error| error.code)
}

/// A list of actions read and written again.
pub fn actions_rewritten(bytes: &[u8], version: Version) -> Option<Vec<u8>> {
    action::rewrite_list(bytes, version)
}

/// A list of instructions; in 1.0 the list of actions that stands for them.
pub fn instructions_from_wire(bytes: &[u8], version: Version) -> Result<Instructions, ErrorCode> {
    instruction::read(bytes, version).map_err(|error| error.code)
}

/// The inverse of [`instructions_from_wire`].
pub fn instructions_to_wire(instructions: &Instructions, version: Version) -> Option<Vec<u8>> {
    let mut w = Writer::default();
    instruction::write(&mut w, instructions, version, false).ok()?;
    Some(w.bytes)
}
