//! What: OpenFlow messages in the log (`vlog/set vconn:dbg`), as ofctl prints them.

use weft_openflow::text::Names;
use weft_openflow::{Version, codec};

/// Logs OpenFlow messages as ofctl prints them; nothing is decoded unless somebody wants to see it.
pub fn log_messages(peer: &str, what: &str, mut bytes: &[u8]) {
    if !tracing::event_enabled!(target: "vconn", tracing::Level::DEBUG) {
        return;
    }
    while let Some(header) = bytes.first_chunk::<8>() {
        let length = usize::from(u16::from_be_bytes([header[2], header[3]])).clamp(8, bytes.len());
        let (message, rest) = bytes.split_at(length);
        bytes = rest;
        tracing::debug!(target: "vconn", "{peer}: {what}: {}", Shown(message));
    }
}

/// A message, printable.
pub struct Shown<'a>(pub &'a [u8]);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let version = Version::ALL.into_iter().find(|version| *version as u8 == self.0[0]);
        let decoded = version.and_then(|v| Some((v, codec::decode(self.0, &codec::Dialect::new(v)).ok()?)));
        let Some((version, incoming)) = decoded else {
            return write!(f, "{} bytes that do not parse", self.0.len());
        };
        f.write_str(incoming.kind.name())?;
        if version != Version::V10 {
            write!(f, " (OF1.{})", version as u8 - 1)?;
        }
        let body = weft_openflow::text::format_body(&incoming.message, version, &Names::none(), 0);
        write!(f, " (xid={:#x}):{}", incoming.xid.0, body.trim_end())
    }
}
