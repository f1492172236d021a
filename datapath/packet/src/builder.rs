//! Composing frames: outer headers first, lengths and checksums filled in at the end.
//!
//! ```
//! use weft_packet::{Mac, builder::Builder};
//! let frame = Builder::ethernet(Mac::BROADCAST, Mac::ZERO).vlan(0x8100, 10)
//!     .ipv4([10, 0, 0, 1], [10, 0, 0, 2]).ttl(3).udp(53, 5353).payload(b"hello").build();
//! assert_eq!(frame.len(), 14 + 4 + 20 + 8 + 5);
//! ```

use zerocopy::IntoBytes;

use crate::Mac;
use crate::checksum::{self, Sum, pseudo_v4, pseudo_v6};
use crate::wire::arp::ArpWire;
use crate::wire::ethernet::EthernetWire;
use crate::wire::icmp::IcmpWire;
use crate::wire::ipv4::{self, Ipv4Wire};
use crate::wire::ipv6::{self, Ipv6Wire};
use crate::wire::nd::{LinkOptionWire, NdWire};
use crate::wire::sctp::SctpWire;
use crate::wire::tcp::TcpWire;
use crate::wire::udp::UdpWire;
use crate::wire::vlan::TagWire;
use crate::wire::{ethertype, proto, transport, view_mut};

/// A frame in the making. Each method appends a header, and tells the one before what follows it.
#[derive(Clone, Debug)]
pub struct Builder {
    bytes: Vec<u8>,
    /// Where the Ethertype stands that a network header must write.
    type_at: usize,
    network: Network,
    transport: Option<(usize, u8)>,
}

#[derive(Clone, Copy, Debug)]
enum Network {
    None,
    V4(usize),
    V6(usize),
}

impl Builder {
    /// Begin with an Ethernet header.
    pub fn ethernet(dst: Mac, src: Mac) -> Builder {
        Builder {
            bytes: EthernetWire::new(dst, src, 0).as_bytes().to_vec(),
            type_at: 12,
            network: Network::None,
            transport: None,
        }
    }

    /// Begin without an Ethernet header (a layer-3 frame).
    pub fn bare() -> Builder {
        Builder { bytes: Vec::new(), type_at: usize::MAX, network: Network::None, transport: None }
    }

    /// An 802.1Q tag; `tci` as it goes onto the wire.
    #[must_use]
    pub fn vlan(mut self, tpid: u16, tci: u16) -> Builder {
        let tag = TagWire { tpid: tpid.into(), tci: tci.into() };
        let at = self.type_at;
        self.bytes.splice(at..at, tag.as_bytes().iter().copied());
        self.type_at += 4;
        self
    }

    /// The Ethertype, for what no other method appends.
    #[must_use]
    pub fn ethertype(mut self, kind: u16) -> Builder {
        if let Some(field) = self.bytes.get_mut(self.type_at..) {
            field[..2].copy_from_slice(&kind.to_be_bytes());
        }
        self
    }

    /// An ARP packet.
    #[must_use]
    pub fn arp(self, arp: &ArpWire) -> Builder {
        self.ethertype(ethertype::ARP).payload(arp.as_bytes())
    }

    /// An MPLS label stack, outermost first; the bottom-of-stack bits are the caller's.
    #[must_use]
    pub fn mpls(self, kind: u16, entries: &[u32]) -> Builder {
        entries.iter().fold(self.ethertype(kind), |builder, entry| builder.payload(&entry.to_be_bytes()))
    }

    /// An IPv4 header.
    #[must_use]
    pub fn ipv4(self, src: [u8; 4], dst: [u8; 4]) -> Builder {
        let mut next = self.ethertype(ethertype::IPV4);
        next.network = Network::V4(next.bytes.len());
        next.payload(Ipv4Wire::new(src, dst, 0, 0).as_bytes())
    }

    /// An IPv6 header.
    #[must_use]
    pub fn ipv6(self, src: [u8; 16], dst: [u8; 16]) -> Builder {
        let mut next = self.ethertype(ethertype::IPV6);
        next.network = Network::V6(next.bytes.len());
        next.payload(Ipv6Wire::new(src, dst, 0, 0).as_bytes())
    }

    /// The time to live of the IP header.
    #[must_use]
    pub fn ttl(mut self, ttl: u8) -> Builder {
        self.edit_v4(|ip| ip.ttl = ttl);
        self.edit_v6(|ip| ip.hop_limit = ttl);
        self
    }

    /// DSCP and ECN of the IP header.
    #[must_use]
    pub fn tos(mut self, tos: u8) -> Builder {
        self.edit_v4(|ip| ip.tos = tos);
        self.edit_v6(|ip| ip.first = (ip.first.get() & !0x0ff0_0000 | u32::from(tos) << 20).into());
        self
    }

    /// The flow label of the IPv6 header.
    #[must_use]
    pub fn label(mut self, label: u32) -> Builder {
        self.edit_v6(|ip| ip.first = (ip.first.get() & !0x000f_ffff | label & 0x000f_ffff).into());
        self
    }

    /// Flags and offset of the IPv4 header.
    #[must_use]
    pub fn fragment(mut self, fragment: u16) -> Builder {
        self.edit_v4(|ip| ip.fragment = fragment.into());
        self
    }

    /// The protocol of the IP header, for what no other method appends.
    #[must_use]
    pub fn proto(mut self, number: u8) -> Builder {
        self.edit_v4(|ip| ip.proto = number);
        self.edit_v6(|ip| ip.next = number);
        self
    }

    /// A TCP header without options.
    #[must_use]
    pub fn tcp(self, src: u16, dst: u16, flags: u16) -> Builder {
        self.transport(proto::TCP, TcpWire::new(src, dst, flags).as_bytes())
    }

    /// A UDP header.
    #[must_use]
    pub fn udp(self, src: u16, dst: u16) -> Builder {
        self.transport(proto::UDP, UdpWire::new(src, dst, 0).as_bytes())
    }

    /// An SCTP common header.
    #[must_use]
    pub fn sctp(self, src: u16, dst: u16) -> Builder {
        self.transport(proto::SCTP, SctpWire::new(src, dst).as_bytes())
    }

    /// An ICMP header (ICMPv6 behind IPv6).
    #[must_use]
    pub fn icmp(self, kind: u8, code: u8) -> Builder {
        let number = if matches!(self.network, Network::V6(_)) { proto::ICMPV6 } else { proto::ICMP };
        self.transport(number, IcmpWire::new(kind, code).as_bytes())
    }

    /// A neighbour discovery message, with a link-layer address option if one is given.
    #[must_use]
    pub fn nd(self, kind: u8, reserved: u32, target: [u8; 16], link: Option<(u8, Mac)>) -> Builder {
        let mut icmp = IcmpWire::new(kind, 0);
        icmp.rest = reserved.into();
        let next = self.transport(proto::ICMPV6, NdWire { icmp, target }.as_bytes());
        match link {
            Some((kind, mac)) => next.payload(LinkOptionWire { kind, len: 1, mac: mac.0 }.as_bytes()),
            None => next,
        }
    }

    /// Bytes as they are.
    #[must_use]
    pub fn payload(mut self, bytes: &[u8]) -> Builder {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The frame, with lengths and checksums.
    pub fn build(mut self) -> Vec<u8> {
        self.finish_transport();
        let len = self.bytes.len();
        if let Network::V4(at) = self.network {
            self.edit_v4(|ip| {
                ip.total_len = ((len - at) as u16).into();
                ip.refresh();
            });
        }
        if let Network::V6(at) = self.network {
            self.edit_v6(|ip| ip.payload_len = ((len - at - ipv6::LEN) as u16).into());
        }
        self.bytes
    }

    fn transport(self, number: u8, header: &[u8]) -> Builder {
        let mut next = self.proto(number);
        next.transport = Some((next.bytes.len(), number));
        next.payload(header)
    }

    fn finish_transport(&mut self) {
        let Some((at, number)) = self.transport else { return };
        let len = self.bytes.len() - at;
        if number == proto::UDP {
            view_mut::<UdpWire>(&mut self.bytes, at).expect("udp() appended it").len = (len as u16).into();
        }
        if number == proto::SCTP {
            let crc = checksum::crc32c(&self.bytes[at..]);
            self.bytes[at + 8..at + 12].copy_from_slice(&crc.to_le_bytes());
            return;
        }
        let Some(offset) = transport::checksum_offset(number) else { return };
        let pseudo = match self.network {
            _ if number == proto::ICMP => Sum::default(),
            Network::V4(ip) => {
                let addresses = self.bytes[ip + 12..ip + ipv4::LEN].first_chunk().expect("8 bytes");
                pseudo_v4(addresses, number, len as u16)
            }
            Network::V6(ip) => {
                let addresses = self.bytes[ip + 8..ip + ipv6::LEN].first_chunk().expect("32 bytes");
                pseudo_v6(addresses, number, len as u32)
            }
            Network::None => Sum::default(),
        };
        let sum = pseudo.with(&self.bytes[at..]).finish();
        let check = if number == proto::UDP { checksum::nonzero(sum) } else { sum };
        self.bytes[at + offset..at + offset + 2].copy_from_slice(&check.to_be_bytes());
    }

    fn edit_v4(&mut self, edit: impl FnOnce(&mut Ipv4Wire)) {
        if let Network::V4(at) = self.network {
            edit(view_mut(&mut self.bytes, at).expect("ipv4() appended it"));
        }
    }

    fn edit_v6(&mut self, edit: impl FnOnce(&mut Ipv6Wire)) {
        if let Network::V6(at) = self.network {
            edit(view_mut(&mut self.bytes, at).expect("ipv6() appended it"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{ChecksumState, Frame};
    use crate::wire::{icmp, ipv4::Ipv4Edit, ipv6::Ipv6Edit, layers, nd};
    use pnet_packet::{Packet, ethernet::EthernetPacket, ipv4::Ipv4Packet, tcp::TcpPacket, udp::UdpPacket};

    #[test]
    fn another_library_reads_what_we_compose() {
        let bytes = Builder::ethernet(Mac::BROADCAST, Mac([2, 0, 0, 0, 0, 1]))
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2])
            .tos(0x2e << 2)
            .ttl(9)
            .tcp(1234, 80, 0x12)
            .payload(b"x")
            .build();
        let ethernet = EthernetPacket::new(&bytes).unwrap();
        let ip = Ipv4Packet::new(ethernet.payload()).unwrap();
        assert_eq!(ip.get_checksum(), pnet_packet::ipv4::checksum(&ip));
        assert_eq!((ip.get_ttl(), ip.get_dscp(), ip.get_total_length()), (9, 0x2e, 41));
        let tcp = TcpPacket::new(ip.payload()).unwrap();
        assert_eq!(tcp.get_checksum(), pnet_packet::tcp::ipv4_checksum(&tcp, &ip.get_source(), &ip.get_destination()));
        assert_eq!((tcp.get_source(), tcp.get_flags()), (1234, 0x12));
    }

    /// Every edit must leave the frame as if it had been built that way.
    fn check_edit(before: Builder, after: Builder, edit: impl Fn(&mut Frame)) {
        let mut frame = Frame::copy_of(&before.clone().build());
        let found = layers::find(frame.bytes()).unwrap();
        (frame.l3, frame.l4) = (found.l3 as u16, found.l4 as u16);
        edit(&mut frame);
        assert_eq!(frame.bytes(), after.clone().build(), "with a full checksum");
        let Some(offset) = transport::checksum_offset(found.proto) else { return };
        if found.proto == proto::ICMP {
            return;
        }
        // The same with the checksum left to a device.
        let mut frame = Frame::copy_of(&before.build());
        (frame.l3, frame.l4) = (found.l3 as u16, found.l4 as u16);
        let pseudo = found.pseudo(frame.bytes()).folded();
        frame.bytes_mut()[found.l4 + offset..found.l4 + offset + 2].copy_from_slice(&pseudo.to_be_bytes());
        frame.checksum = ChecksumState::Partial { start: found.l4 as u16, offset: offset as u16 };
        edit(&mut frame);
        checksum::fill(&mut frame);
        assert_eq!(frame.bytes(), after.build(), "with a partial checksum");
    }

    #[test]
    fn edits_keep_all_checksums_right() {
        let base = || Builder::ethernet(Mac::BROADCAST, Mac::ZERO);
        let v4 = || base().ipv4([10, 0, 0, 1], [10, 0, 0, 2]);
        let v4b = || base().ipv4([1, 2, 3, 4], [10, 0, 0, 9]).ttl(3).tos(7);
        let edit_v4 = |f: &mut Frame| {
            let edit = Ipv4Edit { src: Some([1, 2, 3, 4]), dst: Some([10, 0, 0, 9]), tos: Some(7), ttl: Some(3) };
            ipv4::edit(f, &edit).unwrap();
        };
        check_edit(v4().tcp(1, 2, 0), v4b().tcp(1, 2, 0), edit_v4);
        check_edit(v4().udp(1, 2).payload(b"abc"), v4b().udp(1, 2).payload(b"abc"), edit_v4);
        check_edit(v4().sctp(1, 2).payload(b"abc"), v4b().sctp(1, 2).payload(b"abc"), edit_v4);
        check_edit(v4().icmp(8, 0), v4b().icmp(8, 0), edit_v4);
        check_edit(v4().icmp(8, 0), v4().icmp(3, 1), |f| icmp::edit(f, 1, Some(3), Some(1)).unwrap());
        for number in [6, 17, 132] {
            let with = |s, d| match number {
                6 => v4().tcp(s, d, 2),
                17 => v4().udp(s, d),
                _ => v4().sctp(s, d),
            };
            check_edit(with(1, 2), with(77, 2), |f| transport::set_ports(f, number, Some(77), None).unwrap());
        }
        let v6 = |src| base().ipv6([src; 16], [2; 16]);
        check_edit(v6(1).tcp(1, 2, 0), v6(9).label(5).tcp(1, 2, 0), |f| {
            ipv6::edit(f, &Ipv6Edit { src: Some([9; 16]), label: Some(5), ..Ipv6Edit::default() }, 6).unwrap();
        });
        let solicit = |target, mac| v6(1).nd(nd::SOLICIT, 0, [target; 16], Some((nd::SOURCE, Mac([mac; 6]))));
        check_edit(solicit(1, 1), solicit(9, 8), |f| {
            nd::set_target(f, [9; 16]).unwrap();
            nd::set_link(f, nd::SOURCE, Mac([8; 6]), nd::SOURCE).unwrap();
        });
    }

    #[test]
    fn a_udp_packet_without_checksum_stays_without() {
        let mut bytes = Builder::ethernet(Mac::BROADCAST, Mac::ZERO).ipv4([1; 4], [2; 4]).udp(1, 2).build();
        bytes[40..42].fill(0);
        let mut frame = Frame::copy_of(&bytes);
        (frame.l3, frame.l4) = (14, 34);
        transport::set_ports(&mut frame, proto::UDP, Some(5), None).unwrap();
        ipv4::edit(&mut frame, &Ipv4Edit { src: Some([9; 4]), ..Ipv4Edit::default() }).unwrap();
        assert_eq!(UdpPacket::new(&frame.bytes()[34..]).unwrap().get_checksum(), 0);
    }
}
