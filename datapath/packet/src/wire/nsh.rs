//! The network service header (RFC 8300 §2), in front of a frame or a packet.
//!
//! ```text
//! | version: 2 | O U: 2 | time to live: 6 | length: 6 | md type: 8 | next: 8 | path: 24 | index: 8 | context ...
//! ```
//! The length counts words of four bytes.

use super::Missing;
use crate::Frame;

/// The header without context.
pub const LEN: usize = 8;

/// What a header at the front of `bytes` says: its length in bytes, and what comes next.
pub fn length_and_next(bytes: &[u8]) -> Option<(usize, u8)> {
    let header = bytes.first_chunk::<LEN>()?;
    let len = usize::from(header[1] & 0x3f) * 4;
    (header[0] >> 6 == 0 && len >= LEN && len <= bytes.len()).then_some((len, header[3]))
}

/// New values; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the standard's names")]
pub struct NshEdit {
    pub flags: Option<u8>,
    pub ttl: Option<u8>,
    /// Value and bits of path and index together.
    pub path: Option<(u32, u32)>,
    /// Values and bits of the context words.
    pub context: [Option<(u32, u32)>; 4],
}

/// Write fields of the header at `at`.
///
/// # Errors
/// If there is none.
pub fn edit(frame: &mut Frame, at: usize, edit: &NshEdit) -> Result<(), Missing> {
    let bytes = frame.bytes_mut().get_mut(at..).ok_or(Missing)?;
    let (len, _) = length_and_next(bytes).ok_or(Missing)?;
    let mut first = u16::from_be_bytes([bytes[0], bytes[1]]);
    if let Some(flags) = edit.flags {
        first = first & !0x3000 | u16::from(flags & 3) << 12;
    }
    if let Some(ttl) = edit.ttl {
        first = first & !0x0fc0 | u16::from(ttl & 0x3f) << 6;
    }
    bytes[..2].copy_from_slice(&first.to_be_bytes());
    let fixed = bytes[2] == 1 && len >= LEN + 16;
    let context = edit.context.iter().enumerate().filter(|_| fixed).map(|(i, word)| (LEN + 4 * i, *word));
    for (at, word) in std::iter::once((4, edit.path)).chain(context) {
        let Some((value, bits)) = word else { continue };
        if let Some(there) = bytes.get_mut(at..).and_then(|b| b.first_chunk_mut::<4>()) {
            *there = (u32::from_be_bytes(*there) & !bits | value & bits).to_be_bytes();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_where_they_stand() {
        let mut bytes = vec![0x0f, 0xc6, 1, 3, 0, 0, 1, 2];
        bytes.extend([0; 16]);
        let mut frame = Frame::copy_of(&bytes);
        let change = NshEdit {
            flags: Some(2),
            ttl: Some(5),
            path: Some((0x0000_1209, 0xffff_ff0f)),
            context: [None, Some((0xaabb_ccdd, u32::MAX)), None, None],
        };
        edit(&mut frame, 0, &change).unwrap();
        assert_eq!(frame.bytes()[..8], [0x21, 0x46, 1, 3, 0, 0, 0x12, 9]);
        assert_eq!(frame.bytes()[12..16], [0xaa, 0xbb, 0xcc, 0xdd]);
        assert_eq!(length_and_next(frame.bytes()), Some((24, 3)));
        assert_eq!(edit(&mut frame, 20, &change), Err(Missing));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let mut frame = Frame::copy_of(bytes);
            let all = NshEdit { path: Some((1, 1)), context: [Some((1, 1)); 4], ..NshEdit::default() };
            let _ = (length_and_next(bytes), edit(&mut frame, 0, &all));
        });
    }
}
