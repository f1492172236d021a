//! The network service header (RFC 8300 §2).

use super::{Draft, be16, be32};
use crate::FlowKey;

pub(super) fn read(draft: &mut Draft, key: &mut FlowKey, bytes: &[u8]) {
    let Some(base) = bytes.first_chunk::<8>() else { return };
    let first = be16(base, 0);
    // Version:2 O:1 U:1 TTL:6 length:6 (in 4-byte words).
    let len = usize::from(first & 0x3f) * 4;
    let version = first >> 14;
    let kind = base[2];
    if version != 0 || len > bytes.len() {
        return;
    }
    let context = match (kind, bytes.get(8..24).and_then(|b| b.first_chunk::<16>())) {
        (MD_FIXED, Some(context)) if len == 24 => {
            [be32(context, 0), be32(context, 4), be32(context, 8), be32(context, 12)]
        }
        (MD_FIXED, _) => return,
        (MD_VARIABLE, _) if len < 8 => return,
        _ => [0; 4],
    };
    let flags = u64::from(first >> 12 & 3);
    let ttl = u64::from(first >> 6 & 0x3f);
    let path = u64::from(be32(base, 4)); // spi:24 si:8
    key.or_word(26, flags << 24 | ttl << 16 | u64::from(kind) << 8 | u64::from(base[3]));
    key.set_word(27, path << 32 | u64::from(context[0]));
    key.set_word(28, u64::from(context[1]) << 32 | u64::from(context[2]));
    key.or_word(29, u64::from(context[3]) << 32);
    // No transport header of the outer frame follows.
    draft.ports = 0;
}

const MD_FIXED: u8 = 1;
const MD_VARIABLE: u8 = 2;
