//! Where a frame's network and transport headers lie, for those who have no flow key at hand.

use super::{ethernet, ethertype, ipv4, ipv6, mpls, nsh, proto, vlan};
use crate::checksum::{Sum, pseudo_v4, pseudo_v6};
use crate::wire::{ethernet::EthernetWire, ipv4::Ipv4Wire, ipv6::Ipv6Wire, view};

/// An IP packet's place within a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    /// Offset of the IP header.
    pub l3: usize,
    /// Offset of the transport header.
    pub l4: usize,
    /// Offset behind the IP payload (padding follows).
    pub end: usize,
    /// Whether it is IPv6.
    pub v6: bool,
    /// Transport protocol.
    pub proto: u8,
}

/// Find the headers of an IP packet behind any number of VLAN tags and MPLS labels, or network service headers. `None` for anything else, for a fragment and for a
/// packet that is shorter than its length field says (a length of 0 stands for "up to the end", as GSO frames have it).
pub fn find(bytes: &[u8]) -> Option<Layers> {
    find_from(bytes, 0)
}

/// Find the headers of an inner packet at `start`, which begins with an Ethernet header or with its IP header.
pub fn find_inner(bytes: &[u8], start: usize, ethernet: bool) -> Option<Layers> {
    match bytes.get(start)? >> 4 {
        _ if ethernet => find_from(bytes, start),
        4 => find_v4(bytes, start),
        6 => find_v6(bytes, start),
        _ => None,
    }
}

/// With an Ethernet header at `start`.
fn find_from(bytes: &[u8], start: usize) -> Option<Layers> {
    let mut kind = view::<EthernetWire>(bytes, start)?.ethertype.get();
    let mut l3 = start + ethernet::LEN;
    while matches!(kind, ethertype::VLAN | ethertype::QINQ) {
        kind = u16::from_be_bytes(*bytes.get(l3 + 2..)?.first_chunk()?);
        l3 += vlan::LEN;
    }
    match kind {
        ethertype::IPV4 => find_v4(bytes, l3),
        ethertype::IPV6 => find_v6(bytes, l3),
        ethertype::MPLS | ethertype::MPLS_MULTICAST => {
            // the entry whose bottom bit is set is the last; the packet's version says what follows
            let entries = bytes.get(l3..)?.as_chunks::<{ mpls::LEN }>().0;
            l3 += mpls::LEN * (entries.iter().position(|entry| entry[2] & 1 != 0)? + 1);
            match bytes.get(l3)? >> 4 {
                4 => find_v4(bytes, l3),
                6 => find_v6(bytes, l3),
                _ => None,
            }
        }
        ethertype::NSH => {
            let (len, next) = nsh::length_and_next(&bytes[l3..])?;
            match next {
                1 => find_v4(bytes, l3 + len),
                2 => find_v6(bytes, l3 + len),
                3 => find_from(bytes, l3 + len),
                _ => None,
            }
        }
        _ => None,
    }
}

fn find_v4(bytes: &[u8], l3: usize) -> Option<Layers> {
    let header = view::<Ipv4Wire>(bytes, l3)?;
    let l4 = l3 + header.header_len();
    let end = match usize::from(header.total_len.get()) {
        0 => bytes.len(),
        len => l3 + len,
    };
    let fragment = header.fragment.get() & (ipv4::MORE_FRAGMENTS | ipv4::OFFSET) != 0;
    if header.version_ihl >> 4 != 4 || header.header_len() < ipv4::LEN || l4 > end || end > bytes.len() || fragment {
        return None;
    }
    Some(Layers { l3, l4, end, v6: false, proto: header.proto })
}

fn find_v6(bytes: &[u8], l3: usize) -> Option<Layers> {
    let header = view::<Ipv6Wire>(bytes, l3)?;
    let mut l4 = l3 + ipv6::LEN;
    let end = match usize::from(header.payload_len.get()) {
        0 => bytes.len(),
        len => l4 + len,
    };
    if header.first.get() >> 28 != 6 || end > bytes.len() {
        return None;
    }
    let mut proto = header.next;
    // Hop-by-hop, routing and destination options (RFC 8200 §4) may stand between.
    while matches!(proto, 0 | 43 | 60) {
        let [next, len] = *bytes.get(l4..end)?.first_chunk()?;
        proto = next;
        l4 += 8 + 8 * usize::from(len);
    }
    (l4 <= end && proto != 44).then_some(Layers { l3, l4, end, v6: true, proto })
}

impl Layers {
    /// The sum of the pseudo header for a transport packet that reaches to `end`.
    ///
    /// # Panics
    /// If `bytes` are not those that [`find`] was given.
    pub fn pseudo(&self, bytes: &[u8]) -> Sum {
        self.pseudo_for(bytes, self.end - self.l4)
    }

    /// The same for another transport length.
    pub fn pseudo_for(&self, bytes: &[u8], len: usize) -> Sum {
        const WAS_THERE: &str = "find() saw the header";
        if self.v6 {
            pseudo_v6(&view::<Ipv6Wire>(bytes, self.l3).expect(WAS_THERE).addresses(), self.proto, len as u32)
        } else {
            pseudo_v4(&view::<Ipv4Wire>(bytes, self.l3).expect(WAS_THERE).addresses(), self.proto, len as u16)
        }
    }

    /// Where the transport's payload begins, if its header is whole.
    pub fn payload(&self, bytes: &[u8]) -> Option<usize> {
        let at = match self.proto {
            proto::TCP => {
                let len = usize::from(bytes.get(self.l4 + 12)? >> 4) * 4;
                if len < 20 {
                    return None;
                }
                self.l4 + len
            }
            proto::UDP => self.l4 + 8,
            _ => return None,
        };
        (at <= self.end).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bytes_make_it_panic() {
        bolero::check!().for_each(|bytes: &[u8]| {
            if let Some(found) = find(bytes) {
                assert!(found.l3 <= found.l4 && found.l4 <= found.end && found.end <= bytes.len());
                let _ = (found.pseudo(bytes), found.payload(bytes));
            }
        });
    }
}
