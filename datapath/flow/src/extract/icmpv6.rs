//! ICMPv6 (RFC 4443 §2.1) and neighbour discovery (RFC 4861 §4.3, §4.4, §4.6).

use super::{Draft, be32, be64};
use crate::FlowKey;

/// Over IPv4, where it has no business, only type and code are read.
pub(super) fn read(draft: &mut Draft, key: &mut FlowKey, bytes: &[u8], ipv4: bool) {
    let Some(header) = bytes.first_chunk::<8>() else { return };
    draft.type_and_code(header[0], header[1]);
    if header[1] != 0 || ipv4 {
        return;
    }
    if !matches!(header[0], NEIGHBOR_SOLICIT | NEIGHBOR_ADVERT) {
        return;
    }
    key.or_word(29, u64::from(be32(header, 4)));
    let Some(target) = bytes[8..].first_chunk::<16>() else { return };
    // A doubled option leaves the target zero too: the message cannot be trusted.
    let Ok([source, destination]) = link_addresses(&bytes[24..]) else { return };
    key.set_word(13, be64(target, 0));
    key.set_word(14, be64(target, 8));
    for (address, word, kind) in [(source, 11, SOURCE_LINK_ADDRESS), (destination, 12, TARGET_LINK_ADDRESS)] {
        if let Some(address) = address {
            key.set_word(word, address);
            draft.tcp_flags = u16::from(kind);
        }
    }
}

/// The source and target link-layer address options, in the upper 48 bits. Whatever follows a broken option is
/// ignored.
fn link_addresses(mut options: &[u8]) -> Result<[Option<u64>; 2], Doubled> {
    let mut found = [None; 2];
    while let Some(option) = options.first_chunk::<8>() {
        let len = usize::from(option[1]) * 8;
        if len == 0 || len > options.len() {
            break;
        }
        if matches!(option[0], SOURCE_LINK_ADDRESS | TARGET_LINK_ADDRESS) && len == 8 {
            let address = &mut found[usize::from(option[0] - SOURCE_LINK_ADDRESS)];
            if address.replace(be64(option, 0) << 16).is_some() {
                return Err(Doubled);
            }
        }
        options = &options[len..];
    }
    Ok(found)
}

struct Doubled;

const NEIGHBOR_SOLICIT: u8 = 135;
const NEIGHBOR_ADVERT: u8 = 136;
const SOURCE_LINK_ADDRESS: u8 = 1;
const TARGET_LINK_ADDRESS: u8 = 2;
