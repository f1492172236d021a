//! ICMPv6 (RFC 4443 §2.1) and neighbour discovery (RFC 4861 §4.3, §4.4, §4.6).

use super::{Draft, be32, be64};
use crate::FlowKey;

pub(super) fn read(draft: &mut Draft, key: &mut FlowKey, bytes: &[u8]) {
    let Some(header) = bytes.first_chunk::<8>() else { return };
    draft.type_and_code(header[0], header[1]);
    if header[1] != 0 {
        return;
    }
    let (option, word) = match header[0] {
        NEIGHBOR_SOLICIT => (SOURCE_LINK_ADDRESS, 11),
        NEIGHBOR_ADVERT => (TARGET_LINK_ADDRESS, 12),
        _ => return,
    };
    let reserved = be32(header, 4);
    key.or_word(29, u64::from(reserved));
    let Some(target) = bytes[8..].first_chunk::<16>() else { return };
    // A broken or doubled option leaves the target zero too: the message cannot be trusted.
    let Ok(address) = link_address(&bytes[24..], option) else { return };
    key.set_word(13, be64(target, 0));
    key.set_word(14, be64(target, 8));
    if let Some(address) = address {
        key.set_word(word, address);
        draft.tcp_flags = u16::from(option);
    }
}

/// The link-layer address option of the wanted kind, in the upper 48 bits.
fn link_address(mut options: &[u8], wanted: u8) -> Result<Option<u64>, Malformed> {
    let mut found = None;
    while let Some(option) = options.first_chunk::<8>() {
        let len = usize::from(option[1]) * 8;
        if len == 0 || len > options.len() {
            return Err(Malformed);
        }
        if option[0] == wanted && len == 8 {
            if found.is_some() {
                return Err(Malformed);
            }
            found = Some(be64(option, 0) << 16);
        }
        options = &options[len..];
    }
    Ok(found)
}

struct Malformed;

const NEIGHBOR_SOLICIT: u8 = 135;
const NEIGHBOR_ADVERT: u8 = 136;
const SOURCE_LINK_ADDRESS: u8 = 1;
const TARGET_LINK_ADDRESS: u8 = 2;
