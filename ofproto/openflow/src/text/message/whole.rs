//! A message from its bytes, whatever they are: its name, its body, or what is wrong with it.
//!
//! Errors quote the message that caused them, bundles carry messages: those are shown the same way, one inside the other.
//! Invariant: however deep bytes from outside nest messages, only so many are looked at; the rest is a dump.

use std::fmt::Write;

use super::{bundle_flags, bundle_id, escape, format_body, format_raw_flow_mod, head, hex_dump};
use crate::codec::{self, Kind};
use crate::error::ErrorCode;

use crate::message::Message;
use crate::text::Names;
use crate::text::usable::Protocols;
use crate::{Dialect, Version, bundle, consistency};

/// How messages are shown.
#[derive(Clone, Copy)]
pub struct Style<'a> {
    /// Names of ports and tables.
    pub names: &'a Names,
    /// How much is shown: the number of `-m` options.
    pub verbosity: u32,
    /// OpenFlow 1.0's flow mods carry a table.
    pub table_id: bool,
}

/// A message, or what is wrong with its length; ends with a line's end.
pub fn show(bytes: &[u8], style: Style<'_>) -> String {
    nested(bytes, style, 0)
}

fn nested(bytes: &[u8], style: Style<'_>, depth: u8) -> String {
    let length = bytes.get(2..4).map_or(0, |l| usize::from(u16::from_be_bytes([l[0], l[1]])));
    let n = bytes.len();
    if depth > MAX_DEPTH {
        return hex_dump(bytes);
    }
    if n == 0 {
        return "OpenFlow message is empty\n".to_owned();
    }
    if n < 8 {
        return format!("OpenFlow packet too short (only {n} bytes):\n{}", hex_dump(bytes));
    }
    if length < n {
        return format!("(***only uses {length} bytes out of {n}***)\n{}", hex_dump(bytes));
    }
    let version = Version::from_wire(bytes[0]);
    let xid = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    if length > n {
        let name = match (codec::kind_of_start(bytes), version) {
            (Some(kind), Some(version)) => head(kind, version, xid) + "\n",
            _ => String::new(),
        };
        return format!("{name}(***truncated to {n} bytes from {length}***)\n{}", hex_dump(bytes));
    }
    let mut text = whole(bytes, version, xid, style, depth);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// A message of the right length.
fn whole(bytes: &[u8], version: Option<Version>, xid: u32, style: Style<'_>, depth: u8) -> String {
    let dialect = Dialect { flow_mod_table_id: style.table_id, ..Dialect::new(version.unwrap_or(Version::V10)) };
    let sound = codec::kind_of_sound(bytes);
    let named = sound.as_ref().ok().copied().zip(version);
    // what is wrong is said once
    let decoded = sound.and_then(|_| codec::decode_what_goes(bytes, &dialect)).map_err(|error| error.code);
    if let Some((kind @ (Kind::BundleAdd | Kind::OnfBundleAdd), version)) = named
        && decoded.as_ref().err().is_none_or(|code| !code.name().starts_with("OFPBFC_"))
    {
        let dump = if style.verbosity >= 3 { hex_dump(bytes) } else { String::new() };
        return head(kind, version, xid) + &bundle_add(bytes, kind, style, depth) + &dump;
    }
    let decoded = decoded.and_then(|(incoming, bad)| match &incoming.message {
        Message::FlowMod(m) => fits(m, incoming.version).map(|()| (incoming, bad)),
        _ => Ok((incoming, bad)),
    });
    match decoded {
        Ok((incoming, bad)) => {
            let mut text = head(incoming.kind, incoming.version, xid);
            text.push_str(&flags(bytes, incoming.version));
            let raw = (style.verbosity >= 1).then(|| codec::raw_pattern(bytes, &incoming)).flatten();
            text.push_str(&match (&incoming.message, raw) {
                (Message::FlowMod(m), Some(raw)) => format_raw_flow_mod(m, &raw, incoming.version, style.names),
                (Message::Error(error), _) => {
                    let quoted = match error.code.name().starts_with("OFPHFC_") {
                        true => format!("{}\n", escape(&error.data)),
                        false => nested(&error.data, Style { verbosity: 0, ..style }, depth + 1),
                    };
                    format!(" {}\n{quoted}", error.code.name())
                }
                (message, _) => format_body(message, incoming.version, style.names, style.verbosity),
            });
            if matches!(incoming.message, Message::Hello { .. }) && !is_plain_hello(&bytes[8..]) {
                text.push_str(" unknown data in hello:\n");
                text.push_str(&hex_dump(bytes));
            }
            if let Some(bad) = bad {
                if !text.ends_with('\n') {
                    text.push('\n');
                }
                let _ = writeln!(text, "***decode error: {}***", bad.code);
                text.push_str(&hex_dump(bytes));
            } else if style.verbosity >= 3 {
                if !text.ends_with('\n') {
                    text.push('\n');
                }
                text.push_str(&hex_dump(bytes));
            }
            text
        }
        Err(code) => {
            let mut text = String::new();
            if let Some((kind, version)) = named {
                text.push_str(&head(kind, version, xid));
                text.push_str(&flags(bytes, version));
                text.push(' ');
            }
            // To somebody who reads, an unknown version is one more message that nobody knows.
            if code == ErrorCode::OFPBRC_BAD_VERSION {
                let (version, number) = (bytes[0], bytes[1]);
                tracing::warn!(target: "ofp_msgs", "unknown OpenFlow message (version {version}, type {number})");
            }
            let code = if code == ErrorCode::OFPBRC_BAD_VERSION { ErrorCode::OFPBRC_BAD_TYPE } else { code };
            let _ = writeln!(text, "***decode error: {code}***");
            text.push_str(&hex_dump(bytes));
            text
        }
    }
}

/// The flags of statistics: more follow, or what nobody knows.
fn flags(bytes: &[u8], version: Version) -> String {
    let stats = if version == Version::V10 { 16 } else { 18 };
    if bytes[1] != stats && bytes[1] != stats + 1 {
        return String::new();
    }
    let bits = bytes.get(10..12).map_or(0, |b| u16::from_be_bytes([b[0], b[1]]));
    // since 1.3 requests have parts too
    let more = bits & 1 != 0 && (bytes[1] == stats + 1 || version >= Version::V13);
    let unknown = bits & !u16::from(more);
    match (more, unknown) {
        (false, 0) => String::new(),
        (true, 0) => " flags=[more]".to_owned(),
        (true, bits) => format!(" flags=[more][***unknown flags {bits:#06x}***]"),
        (false, bits) => format!(" flags=[***unknown flags {bits:#06x}***]"),
    }
}

/// A message in a bundle is shown as it would be outside.
fn bundle_add(bytes: &[u8], kind: Kind, style: Style<'_>, depth: u8) -> String {
    let at = if kind == Kind::OnfBundleAdd { 16 } else { 8 };
    let Some((fixed, rest)) = bytes.get(at..).and_then(|body| body.split_at_checked(8)) else { return String::new() };
    let id = u32::from_be_bytes([fixed[0], fixed[1], fixed[2], fixed[3]]);
    let flags = bundle::BundleFlags::from_bits_retain(u16::from_be_bytes([fixed[6], fixed[7]]));
    let length = rest.get(2..4).map_or(0, |l| usize::from(u16::from_be_bytes([l[0], l[1]])));
    let inner = rest.get(..length).unwrap_or(rest);
    format!("\n bundle_id={} flags={}\n{}", bundle_id(id), bundle_flags(flags), nested(inner, style, depth + 1))
}

/// Whether a flow's actions fit its match.
fn fits(m: &crate::FlowMod, version: Version) -> Result<(), ErrorCode> {
    let mut said = Vec::new();
    let mut usable = Protocols::of_version(version);
    let checked = consistency::check(&m.instructions, &m.matching, m.table, &mut usable, &mut said);
    for note in said {
        match note.module {
            "meta_flow" => tracing::warn!(target: "meta_flow", "{}", note.text),
            _ => tracing::warn!(target: "ofp_actions", "{}", note.text),
        }
    }
    checked
}

/// A HELLO's body that holds nothing but a version bitmap.
fn is_plain_hello(body: &[u8]) -> bool {
    body.is_empty() || (body.len() == 8 && body[..4] == [0, 1, 0, 8])
}

/// How many messages stand inside one another at most.
const MAX_DEPTH: u8 = 16;

#[cfg(test)]
mod tests;
