//! IPv6 and its extension headers (RFC 8200 §3, §4).

use super::{Draft, FRAG_ANY, FRAG_LATER, be16, be32, be64};
use crate::FlowKey;

impl Draft {
    /// Returns the offset of the transport header within `bytes`, unless this is a later fragment or the chain of
    /// extension headers is broken.
    pub(super) fn ipv6(&mut self, key: &mut FlowKey, bytes: &[u8]) -> Option<usize> {
        let header = bytes.first_chunk::<40>()?;
        let payload_len = usize::from(be16(header, 4));
        if 40 + payload_len > bytes.len() {
            return None;
        }
        let payload = &bytes[40..40 + payload_len];
        // The addresses stay, even if the chain of extension headers is broken.
        for (i, at) in [8, 16, 24, 32].into_iter().enumerate() {
            key.set_word(7 + i, be64(header, at));
        }
        let chain = walk(header[6], payload)?;
        let first = be32(header, 0);
        self.tos = (first >> 20) as u8;
        self.ipv6_label = first & 0x000f_ffff;
        self.ttl = header[7];
        self.nw_proto = chain.proto;
        self.frag = chain.frag;
        if self.frag & FRAG_LATER != 0 {
            return None;
        }
        self.transport(key, &payload[chain.len..], false);
        Some(40 + chain.len)
    }
}

/// Where a chain of extension headers ends.
struct Chain {
    proto: u8,
    frag: u8,
    len: usize,
}

/// `None` if the payload ends inside an extension header.
fn walk(mut proto: u8, payload: &[u8]) -> Option<Chain> {
    let mut frag = 0;
    let mut at = 0;
    loop {
        let len = match proto {
            HOP_BY_HOP | ROUTING | DESTINATION => 8 + 8 * usize::from(*payload.get(at + 1)?),
            // RFC 4302 §2.2: in 4-byte words, less 2.
            AUTHENTICATION => 8 + 4 * usize::from(*payload.get(at + 1)?),
            FRAGMENT => 8,
            _ => return Some(Chain { proto, frag, len: at }),
        };
        let header = payload.get(at..at + len)?;
        let next = header[0];
        if proto == FRAGMENT {
            let offset = be16(header.first_chunk::<8>()?, 2);
            if offset != 0 {
                frag = FRAG_ANY;
                if offset & !7 != 0 {
                    return Some(Chain { proto: FRAGMENT, frag: FRAG_ANY | FRAG_LATER, len: at + len });
                }
            }
        }
        proto = next;
        at += len;
    }
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
