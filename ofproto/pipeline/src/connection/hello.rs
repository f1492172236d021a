//! HELLO: which version the two sides speak (OpenFlow 1.3.1 §6.3.1, 1.5 §7.5.1).
//!
//! A side that sends a bitmap speaks exactly its versions; one without speaks every version up to its header's. The
//! newest common one is used. Without one, an error says in words what each side has, in the version of the peer's HELLO.

use weft_openflow::codec::{self as wire, Dialect};
use weft_openflow::{ErrorCode, ErrorMessage, Message, Version, Xid};

use crate::config::{ConnectionId, Ended, Versions};
use crate::pipeline::{Control, Pipeline};

impl Pipeline {
    /// The peer's first message.
    pub(super) fn hello(&self, control: &mut Control, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = control.connections.get_mut(id) else { return };
        let ours = connection.versions.0;
        let theirs = match wire::decode(bytes, &Dialect::new(Version::V15)).map(|incoming| incoming.message) {
            Ok(Message::Hello { versions }) => with_future(versions, bytes),
            // something else than a HELLO came first
            _ => return self.close(control, id, Ended::NoHello(Some(bytes.to_vec()))),
        };
        match wire::negotiate(ours, theirs) {
            Some(version) => {
                connection.version = Some(version);
                let bridge = connection.bridge;
                self.peers_changed(control, bridge);
            }
            None => {
                connection.closing = true;
                connection.ended = Some(Ended::NoCommonVersion(Versions(ours), Versions(theirs)));
                let text = format!("We support {}, you support {}, no common versions.", words(ours), words(theirs));
                let code = ErrorCode::OFPHFC_INCOMPATIBLE;
                let error = Message::Error(ErrorMessage { code, data: text.into_bytes() });
                let version = bytes.first().and_then(|v| Version::from_wire(*v)).unwrap_or(Version::V10);
                control.connections.send_in(id, Xid(0), &error, &Dialect::new(version));
            }
        }
    }
}

/// A HELLO of a newer version without a bitmap speaks that version too, which counts in the words about it.
fn with_future(versions: u32, bytes: &[u8]) -> u32 {
    let newest = bytes.first().copied().unwrap_or(1);
    let up_to_ours = Version::ALL.iter().fold(0, |bits, v| bits | v.bit());
    let has_bitmap = bytes.len() > 8;
    if has_bitmap || versions != up_to_ours || newest <= Version::V15 as u8 {
        return versions;
    }
    (2..=newest.min(31)).fold(versions, |bits, v| bits | 1 << v)
}

/// `version 0x01`, `version 0x04 and earlier`, `versions 0x01, 0x04`.
fn words(bits: u32) -> String {
    let all: Vec<u32> = (1..32).filter(|v| bits >> v & 1 == 1).collect();
    match all.as_slice() {
        [one] => format!("version 0x{one:02x}"),
        [1, .., last] if *last as usize == all.len() => format!("version 0x{last:02x} and earlier"),
        _ => format!("versions {}", all.iter().map(|v| format!("0x{v:02x}")).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_said_in_the_words_of_ovs() {
        assert_eq!(words(0b10), "version 0x01");
        assert_eq!(words(0b111_1110), "version 0x06 and earlier");
        assert_eq!(words(0b1_0010), "versions 0x01, 0x04");
        assert_eq!(words(0b1_1000), "versions 0x03, 0x04");
        assert_eq!(words(1 << 7), "version 0x07");
    }
}
