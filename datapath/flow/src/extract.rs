//! Extraction: from a frame's bytes to its flow key.
//!
//! What: [`extract`] reads the headers of a frame once and writes the key's frame words; metadata (word 0, conntrack,
//! tunnel, marks) belongs to the caller, see [`FlowKey::begin`].
//! Why this way: nearly every frame is untagged IPv4 with TCP or UDP. Its fields lie in words 1-6, computed in registers
//! and stored at once; each header is sliced once to a fixed-size array, so that the reads inside need no checks.
//! How it fits: the layers call downwards (`ethernet -> network -> transport`), each leaves the deeper fields zero
//! when its bytes are malformed or missing, as ovs-fields(7) has it: such a frame still matches on its outer layers.
//! Invariant: the key says nothing of an earlier frame.

mod icmpv6;
mod ipv6;
mod nsh;
#[cfg(test)]
mod tests;

use weft_packet::{Frame, FrameError, Layer};

use crate::key::{FlowKey, RARE_FRAME_WORDS};

/// `eth_type` of an 802.3 frame that names no Ethertype (OpenFlow 1.0 OFP_DL_TYPE_NOT_ETH_TYPE).
pub const ETH_TYPE_NONE: u16 = 0x05ff;
/// `ip_frag`: any fragment.
pub const FRAG_ANY: u8 = 1;
/// `ip_frag`: not the first fragment.
pub const FRAG_LATER: u8 = 2;

/// How deep to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// 802.1Q tags that can be matched, at most 2 (`other_config:vlan-limit`, where absent means 1). Further tags are
    /// payload.
    pub vlans: u8,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { vlans: 1 }
    }
}

/// Read `frame` into the frame's words of `key`, and note the offsets of its network and transport headers.
///
/// # Errors
/// If the frame is shorter than an Ethernet header. Anything malformed deeper is no error: the fields of that layer
/// and of those inside it are zero.
#[inline]
pub fn extract(frame: &mut Frame, key: &mut FlowKey, limits: Limits) -> Result<(), FrameError> {
    let bytes = frame.bytes();
    let Some(eth) = bytes.first_chunk::<14>() else {
        return Err(FrameError::Short { layer: Layer::Ethernet, need: 14, have: bytes.len() });
    };
    if key.used() & RARE_FRAME_WORDS != 0 {
        key.clear_words(RARE_FRAME_WORDS);
    }
    let mut draft = Draft {
        dst_tci: be64(eth, 0) & !0xffff,
        src_tpid: be64(eth, 6) & !0xffff,
        eth_type: be16(eth, 12),
        ..Draft::default()
    };
    let mut l3 = 14;
    if draft.eth_type != ETH_IPV4 {
        l3 = draft.link_layer(bytes, limits);
    }
    let l4 = draft.network(key, &bytes[l3..]).map_or(0, |offset| l3 + offset);
    key.set_common(&draft.words());
    frame.l3 = l3 as u16;
    frame.l4 = l4 as u16;
    Ok(())
}

/// [`extract`] for a frame that may have lost its Ethernet header on its way: `key` says of what type it is.
///
/// # Errors
/// If an Ethernet frame is shorter than its header.
pub fn extract_again(frame: &mut Frame, key: &mut FlowKey, limits: Limits) -> Result<(), FrameError> {
    let packet_type = (key.word(1) >> 32) as u32;
    if packet_type == 0 {
        return extract(frame, key, limits);
    }
    for word in [2, 3, 4] {
        key.set_word(word, 0);
    }
    let l4 = extract_network(frame.bytes(), packet_type as u16, key);
    (frame.l3, frame.l4) = (0, l4.unwrap_or(0) as u16);
    Ok(())
}

/// Read what follows an Ethernet header into `key`: for frames without one (a layer-3 tunnel's payload, whose
/// packet type the caller has set) and for what stands behind a popped MPLS stack. Returns the offset of the
/// transport header, if there is one.
pub fn extract_network(bytes: &[u8], eth_type: u16, key: &mut FlowKey) -> Option<usize> {
    key.clear_words(RARE_FRAME_WORDS);
    let mut draft = Draft {
        packet_type: (key.word(1) >> 32) as u32,
        dst_tci: key.word(2),
        src_tpid: key.word(3),
        inner_tag: (key.word(4) >> 32) as u32,
        eth_type,
        ..Draft::default()
    };
    let l4 = draft.network(key, bytes);
    key.set_common(&draft.words());
    l4
}

/// What words 1-6 will hold.
#[derive(Default)]
struct Draft {
    packet_type: u32,
    eth_type: u16,
    frag: u8,
    nw_proto: u8,
    /// eth_dst, and the outer tag's TCI below it.
    dst_tci: u64,
    /// eth_src, and the outer tag's TPID below it.
    src_tpid: u64,
    /// The inner tag: TCI, TPID.
    inner_tag: u32,
    tos: u8,
    ttl: u8,
    tcp_flags: u16,
    /// IPv4 or ARP addresses.
    addresses: u64,
    /// tp_src, tp_dst.
    ports: u32,
    ipv6_label: u32,
}

impl Draft {
    #[inline]
    fn words(&self) -> [u64; 6] {
        [
            u64::from(self.packet_type) << 32
                | u64::from(self.eth_type) << 16
                | u64::from(self.frag) << 8
                | u64::from(self.nw_proto),
            self.dst_tci,
            self.src_tpid,
            u64::from(self.inner_tag) << 32
                | u64::from(self.tos) << 24
                | u64::from(self.ttl) << 16
                | u64::from(self.tcp_flags),
            self.addresses,
            u64::from(self.ports) << 32 | u64::from(self.ipv6_label),
        ]
    }

    /// Tags and 802.3 lengths: leaves the final Ethertype, returns where the network header begins.
    fn link_layer(&mut self, bytes: &[u8], limits: Limits) -> usize {
        let mut at = 12;
        let mut tags = 0;
        while matches!(self.eth_type, ETH_8021Q | ETH_8021AD) && tags < limits.vlans.min(2) {
            let Some(tag) = bytes.get(at..).and_then(|b| b.first_chunk::<6>()) else { break };
            let tci = be16(tag, 2) | 0x1000;
            if tags == 0 {
                self.dst_tci |= u64::from(tci);
                self.src_tpid |= u64::from(self.eth_type);
            } else {
                self.inner_tag = u32::from(tci) << 16 | u32::from(self.eth_type);
            }
            self.eth_type = be16(tag, 4);
            at += 4;
            tags += 1;
        }
        at += 2;
        if self.eth_type < FIRST_ETHERTYPE {
            self.eth_type = ETH_TYPE_NONE;
            // 802.2 LLC with a SNAP header of organisation 0 carries an Ethertype after all.
            if let Some(llc) = bytes[at..].first_chunk::<8>() {
                let ethertype = be16(llc, 6);
                if llc[..6] == [0xaa, 0xaa, 0x03, 0, 0, 0] && ethertype >= FIRST_ETHERTYPE {
                    self.eth_type = ethertype;
                    at += 8;
                }
            }
        }
        at
    }

    /// Returns the offset of the transport header within `bytes`, if there is one to be found.
    #[inline]
    fn network(&mut self, key: &mut FlowKey, bytes: &[u8]) -> Option<usize> {
        if self.eth_type == ETH_IPV4 {
            return self.ipv4(key, bytes);
        }
        self.other_network(key, bytes)
    }

    fn other_network(&mut self, key: &mut FlowKey, bytes: &[u8]) -> Option<usize> {
        match self.eth_type {
            ETH_IPV6 => return self.ipv6(key, bytes),
            ETH_ARP | ETH_RARP => self.arp(key, bytes),
            ETH_MPLS | ETH_MPLS_MULTICAST => mpls(key, bytes),
            ETH_NSH => nsh::read(self, key, bytes),
            _ => {}
        }
        None
    }

    /// RFC 791 §3.1.
    #[inline]
    fn ipv4(&mut self, key: &mut FlowKey, bytes: &[u8]) -> Option<usize> {
        let header = bytes.first_chunk::<20>()?;
        let header_len = usize::from(header[0] & 0x0f) * 4;
        let total_len = usize::from(be16(header, 2));
        // The Ethertype says that this is IPv4; the version bits are not asked again, as users' rules expect.
        if header_len < 20 || total_len < header_len || total_len > bytes.len() {
            return None;
        }
        let fragment = be16(header, 6);
        if fragment & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET) != 0 {
            self.frag = if fragment & IPV4_OFFSET == 0 { FRAG_ANY } else { FRAG_ANY | FRAG_LATER };
        }
        self.tos = header[1];
        self.ttl = header[8];
        self.nw_proto = header[9];
        self.addresses = be64(header, 12);
        if self.frag & FRAG_LATER != 0 {
            return None;
        }
        self.transport(key, &bytes[header_len..total_len], true);
        Some(header_len)
    }

    /// Ports, types and flags. `ipv4` says which ICMP numbers mean what.
    #[inline]
    fn transport(&mut self, key: &mut FlowKey, bytes: &[u8], ipv4: bool) {
        match self.nw_proto {
            PROTO_TCP => {
                if let Some(tcp) = bytes.first_chunk::<20>() {
                    let header_len = usize::from(tcp[12] >> 4) * 4;
                    if header_len >= 20 && header_len <= bytes.len() {
                        self.ports = be32(tcp, 0);
                        self.tcp_flags = be16(tcp, 12) & 0x0fff;
                    }
                }
            }
            PROTO_UDP => {
                if let Some(udp) = bytes.first_chunk::<8>() {
                    self.ports = be32(udp, 0);
                }
            }
            PROTO_SCTP => {
                if let Some(sctp) = bytes.first_chunk::<12>() {
                    self.ports = be32(sctp, 0);
                }
            }
            PROTO_ICMP if ipv4 => {
                if let Some(icmp) = bytes.first_chunk::<8>() {
                    self.type_and_code(icmp[0], icmp[1]);
                }
            }
            PROTO_IGMP => {
                if let Some(igmp) = bytes.first_chunk::<8>() {
                    self.type_and_code(igmp[0], igmp[1]);
                    key.or_word(29, u64::from(be32(igmp, 4)));
                }
            }
            PROTO_ICMPV6 => icmpv6::read(self, key, bytes, ipv4),
            _ => {}
        }
    }

    #[inline]
    fn type_and_code(&mut self, kind: u8, code: u8) {
        self.ports = u32::from(kind) << 16 | u32::from(code);
    }

    /// RFC 826, for Ethernet and IPv4; RARP (RFC 903) has the same shape. Only opcodes of one byte are kept.
    fn arp(&mut self, key: &mut FlowKey, bytes: &[u8]) {
        let Some(arp) = bytes.first_chunk::<28>() else { return };
        if be64(arp, 0) >> 16 != ARP_ETHERNET_IPV4 {
            return;
        }
        if arp[6] == 0 {
            self.nw_proto = arp[7];
        }
        self.addresses = u64::from(be32(arp, 14)) << 32 | u64::from(be32(arp, 24));
        key.set_word(11, be64(arp, 8) & !0xffff);
        key.set_word(12, be64(arp, 18) & !0xffff);
    }
}

/// RFC 3032: the first three entries of the label stack, fewer if the stack's bottom comes first.
fn mpls(key: &mut FlowKey, bytes: &[u8]) {
    let mut entries = [0u32; 3];
    for (entry, wire) in entries.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *entry = u32::from_be_bytes(*wire);
        if *entry & MPLS_BOTTOM != 0 {
            break;
        }
    }
    key.set_word(25, u64::from(entries[0]) << 32 | u64::from(entries[1]));
    key.or_word(26, u64::from(entries[2]) << 32);
}

#[inline]
fn be16<const N: usize>(bytes: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[inline]
fn be32<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[inline]
fn be64<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    u64::from(be32(bytes, at)) << 32 | u64::from(be32(bytes, at + 4))
}

const ETH_IPV4: u16 = 0x0800;
const ETH_ARP: u16 = 0x0806;
const ETH_RARP: u16 = 0x8035;
const ETH_IPV6: u16 = 0x86dd;
const ETH_8021Q: u16 = 0x8100;
const ETH_8021AD: u16 = 0x88a8;
const ETH_MPLS: u16 = 0x8847;
const ETH_MPLS_MULTICAST: u16 = 0x8848;
const ETH_NSH: u16 = 0x894f;
/// Smaller numbers in the type's place are an 802.3 length.
const FIRST_ETHERTYPE: u16 = 0x0600;
/// Hardware type 1, protocol 0x0800, address lengths 6 and 4.
const ARP_ETHERNET_IPV4: u64 = 0x0001_0800_0604;
const IPV4_MORE_FRAGMENTS: u16 = 0x2000;
const IPV4_OFFSET: u16 = 0x1fff;
const MPLS_BOTTOM: u32 = 0x100;
const PROTO_ICMP: u8 = 1;
const PROTO_IGMP: u8 = 2;
const PROTO_TCP: u8 = 6;
const PROTO_UDP: u8 = 17;
const PROTO_ICMPV6: u8 = 58;
const PROTO_SCTP: u8 = 132;
