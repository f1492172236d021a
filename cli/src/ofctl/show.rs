//! Messages as people read them: name, version, transaction id, and the body in weft-openflow's words.

use std::fmt::Write;

use weft_openflow::text::{Names, message};
use weft_openflow::{Dialect, ErrorCode, Message, Version, codec};

use super::peer::xid_of;
use crate::failure::Failure;

/// One message, with the line's end.
pub fn message(bytes: &[u8], names: &Names, verbosity: u32) -> String {
    message_in(bytes, names, verbosity, true)
}

/// As [`message`]; `table_id`: OpenFlow 1.0's flow mods carry a table.
pub fn message_in(bytes: &[u8], names: &Names, verbosity: u32, table_id: bool) -> String {
    let version = bytes.first().copied().and_then(Version::from_wire);
    let dialect = Dialect { flow_mod_table_id: table_id, ..Dialect::new(version.unwrap_or(Version::V10)) };
    let xid = xid_of(bytes).unwrap_or_default().0;
    let mut text = match codec::decode(bytes, &dialect) {
        Ok(incoming) => {
            let mut text = message::head(incoming.kind, incoming.version, xid);
            if let Message::StatsReply { more: true, .. } = &incoming.message {
                text.push_str(" flags=[more]");
            }
            let raw = (verbosity >= 1).then(|| codec::raw_pattern(bytes, &incoming)).flatten();
            text.push_str(&match (&incoming.message, raw) {
                (Message::FlowMod(m), Some(raw)) => message::format_raw_flow_mod(m, &raw, incoming.version, names),
                (message, _) => message::format_body(message, incoming.version, names, verbosity),
            });
            if matches!(incoming.message, Message::Hello { .. }) && !plain_hello(&bytes[8..]) {
                text.push_str(" unknown data in hello:\n");
                text.push_str(&hex(bytes));
            }
            text
        }
        Err(error) => {
            let mut text = String::new();
            // A length that is wrong from the start leaves nothing to say about the body.
            let named = codec::kind_of(bytes).ok().filter(|kind| {
                error.code != ErrorCode::OFPBRC_BAD_LEN
                    || matches!(kind, codec::Kind::NxPacketIn2 | codec::Kind::Resume)
            });
            if let (Some(kind), Some(version)) = (named, version) {
                text.push_str(&message::head(kind, version, xid));
                text.push(' ');
            }
            // To somebody who reads, an unknown version is one more message that nobody knows.
            let unknown = [ErrorCode::OFPBRC_BAD_VERSION, ErrorCode::OFPBRC_BAD_TYPE].contains(&error.code);
            if unknown && bytes.len() >= 2 {
                let (version, number) = (bytes[0], bytes[1]);
                tracing::warn!(target: "ofp_msgs", "unknown OpenFlow message (version {version}, type {number})");
            }
            let code = if unknown { ErrorCode::OFPBRC_BAD_TYPE } else { error.code };
            let _ = writeln!(text, "***decode error: {code}***");
            tracing::debug!(target: "ofp_util", "{}", error.reason);
            text.push_str(&hex(bytes));
            text
        }
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    if verbosity >= 3 {
        text.push_str(&hex(bytes));
    }
    text
}

/// A HELLO's body that holds nothing but a version bitmap.
fn plain_hello(body: &[u8]) -> bool {
    body.is_empty() || (body.len() == 8 && body[..4] == [0, 1, 0, 8])
}

/// The failure that a switch's error makes: the message itself goes to standard error as it is.
pub fn refused(error: &[u8]) -> Failure {
    eprint!("{}", message(error, &Names::none(), 2));
    Failure::with_status(String::new(), 1)
}

/// Offset, sixteen bytes, and what of them can be printed.
pub fn hex(bytes: &[u8]) -> String {
    message::hex_dump(bytes)
}

/// As [`hex`], without the letters.
pub fn plain_hex(bytes: &[u8]) -> String {
    hex(bytes).lines().map(|line| format!("{}\n", line.split('|').next().unwrap_or_default().trim_end())).collect()
}

/// Bytes written as digits, with or without spaces.
pub fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace() && *c != '.').collect();
    if digits.len() % 2 == 1 || digits.iter().any(|c| !c.is_ascii_hexdigit()) {
        return Err("trailing garbage following hex bytes".to_string());
    }
    let digit = |c: char| c.to_digit(16).unwrap_or(0) as u8;
    Ok(digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_has_offsets_bytes_and_letters() {
        assert_eq!(
            hex(&[4, 0x13, 0, 0x10, 0, 0, 0, 2, 0, 0x0c, 0x41, 0, 0, 0, 0, 0]),
            "00000000  04 13 00 10 00 00 00 02-00 0c 41 00 00 00 00 00 |..........A.....|\n"
        );
        assert_eq!(unhex("0a 0B.0c").unwrap(), [10, 11, 12]);
        assert!(unhex("0").is_err());
    }
}
