//! Tunnels: headers that carry a packet inside another.
//!
//! What: [`Kind`] names the encapsulations; [`Tunnel`] is what the outer headers say, whichever kind they are of.
//! [`decap`] reads the outer headers of a frame; [`encap`] composes those that a flow's packets get, and [`push`] puts them
//! on a frame. [`vxlan`] to [`stt`]: one file per protocol.
//! How: nothing here but [`stt::assembly`] keeps state: bytes are read into a [`Tunnel`], a `Tunnel` is written as bytes. What differs
//! from packet to packet (lengths, sums, ports, sequence numbers) is the push's.
//! Invariant: reading is bounded by the bytes that are there; what is wrong with them has a name.

pub mod bareudp;
pub mod erspan;
pub mod geneve;
pub mod gre;
pub mod gtpu;
pub mod lisp;
pub mod push;
pub mod srv6;
pub mod stt;
pub mod vxlan;

use std::net::IpAddr;

use crate::checksum::Sum;
use crate::wire::ipv4::Ipv4Wire;
use crate::wire::ipv6::Ipv6Wire;
use crate::wire::udp::UdpWire;
use crate::wire::{ethernet, ethertype, ipv4, ipv6, proto, udp, view};
use crate::{DropReason, Mac};

pub use push::Push;

/// An encapsulation. Its number is the one that Open vSwitch's datapath actions show (`type=`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the protocols' names")]
pub enum Kind {
    Gre,
    /// RFC 7348, with its extensions GBP and GPE.
    Vxlan,
    /// RFC 8926.
    Geneve,
    /// RFC 6830.
    Lisp,
    /// draft-davie-stt.
    Stt,
    Erspan,
    Ip6Erspan,
    Ip6Gre,
    /// 3GPP 29.281.
    Gtpu,
    /// IP or MPLS directly behind a UDP header.
    BareUdp,
    /// RFC 8754, RFC 8986.
    Srv6,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 11] = [
        Kind::Gre,
        Kind::Vxlan,
        Kind::Geneve,
        Kind::Lisp,
        Kind::Stt,
        Kind::Erspan,
        Kind::Ip6Erspan,
        Kind::Ip6Gre,
        Kind::Gtpu,
        Kind::BareUdp,
        Kind::Srv6,
    ];

    /// Its number in datapath actions.
    pub const fn number(self) -> u32 {
        match self {
            Kind::Gre => 3,
            Kind::Vxlan => 4,
            Kind::Geneve => 5,
            Kind::Lisp => 105,
            Kind::Stt => 106,
            Kind::Erspan => 107,
            Kind::Ip6Erspan => 108,
            Kind::Ip6Gre => 109,
            Kind::Gtpu => 110,
            Kind::BareUdp => 111,
            Kind::Srv6 => 112,
        }
    }

    /// The kind with that number.
    pub fn by_number(number: u32) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The interface type's name.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Gre => "gre",
            Kind::Vxlan => "vxlan",
            Kind::Geneve => "geneve",
            Kind::Lisp => "lisp",
            Kind::Stt => "stt",
            Kind::Erspan => "erspan",
            Kind::Ip6Erspan => "ip6erspan",
            Kind::Ip6Gre => "ip6gre",
            Kind::Gtpu => "gtpu",
            Kind::BareUdp => "bareudp",
            Kind::Srv6 => "srv6",
        }
    }

    /// The UDP or TCP port that is its own.
    pub const fn port(self) -> Option<u16> {
        match self {
            Kind::Vxlan => Some(4789),
            Kind::Geneve => Some(6081),
            Kind::Gtpu => Some(2152),
            Kind::Lisp => Some(4341),
            Kind::BareUdp => Some(6635),
            Kind::Stt => Some(7471),
            Kind::Gre | Kind::Ip6Gre | Kind::Erspan | Kind::Ip6Erspan | Kind::Srv6 => None,
        }
    }

    /// Whether a UDP header stands in front of the tunnel's own.
    pub const fn is_udp(self) -> bool {
        matches!(self, Kind::Vxlan | Kind::Geneve | Kind::Lisp | Kind::Gtpu | Kind::BareUdp)
    }
}

/// The outer packet's addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "plain words")]
pub enum Ends {
    V4 { src: [u8; 4], dst: [u8; 4] },
    V6 { src: [u8; 16], dst: [u8; 16] },
}

impl Default for Ends {
    fn default() -> Ends {
        Ends::V4 { src: [0; 4], dst: [0; 4] }
    }
}

impl Ends {
    /// Source.
    pub fn src(&self) -> IpAddr {
        match *self {
            Ends::V4 { src, .. } => src.into(),
            Ends::V6 { src, .. } => src.into(),
        }
    }

    /// Destination.
    pub fn dst(&self) -> IpAddr {
        match *self {
            Ends::V4 { dst, .. } => dst.into(),
            Ends::V6 { dst, .. } => dst.into(),
        }
    }
}

/// What outer headers say. What a kind has no place for is zero. Geneve's options are kept beside it, as they lie on the
/// wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Tunnel {
    /// The outer addresses.
    pub ends: Ends,
    /// VNI, key, TEID, session; [`KEY`] says whether it is there.
    pub id: u64,
    /// [`OAM`], [`DF`], [`CSUM`], [`KEY`].
    pub flags: u16,
    /// DSCP and ECN of the outer header.
    pub tos: u8,
    /// Time to live of the outer header.
    pub ttl: u8,
    /// Outer source port, 0: not said.
    pub tp_src: u16,
    /// Outer destination port, 0: not said.
    pub tp_dst: u16,
    /// VXLAN group policy id.
    pub gbp_id: u16,
    /// VXLAN group policy flags.
    pub gbp_flags: u8,
    /// ERSPAN version 1 (type II) or 2 (type III); 0: none.
    pub erspan_ver: u8,
    /// ERSPAN type II: the port index, 20 bits.
    pub erspan_idx: u32,
    /// ERSPAN type III: the direction, 1 bit.
    pub erspan_dir: u8,
    /// ERSPAN type III: the hardware id, 6 bits.
    pub erspan_hwid: u8,
    /// GTP-U's first byte.
    pub gtpu_flags: u8,
    /// GTP-U's message type.
    pub gtpu_msgtype: u8,
}

/// The packet is for the tunnel's own maintenance (Geneve's O bit).
pub const OAM: u16 = 1;
/// The outer IPv4 header forbids fragments.
pub const DF: u16 = 2;
/// The outer transport (or GRE) header has a checksum.
pub const CSUM: u16 = 4;
/// There is a key.
pub const KEY: u16 = 8;

/// The packet type (ovs-fields(7), `packet_type`) of a frame with an Ethernet header.
pub const ETHERNET: u32 = 0;

/// The packet type of a packet that begins with what this EtherType says.
pub const fn of_ethertype(ethertype: u16) -> u32 {
    1 << 16 | ethertype as u32
}

/// A message of GTP's own (3GPP 29.281 §7): the namespace of UDP ports, and GTP-U's.
pub const GTPU_MESSAGE: u32 = 3 << 16 | 2152;

/// What is wrong with outer headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TunnelError {
    /// The packet ends inside a header.
    Short,
    /// A length field does not agree with what is there.
    Length,
    /// A checksum is wrong.
    Checksum,
    /// The outer packet is a fragment.
    Fragment,
    /// A version or a flag that nobody defined, or that this tunnel does not use.
    Flags,
    /// The options are not whole, or one is critical that nobody knows.
    Options,
    /// What is inside is of a kind that this tunnel does not carry.
    Payload,
}

impl TunnelError {
    /// The reason under which such a packet is counted.
    pub const fn reason(self) -> DropReason {
        match self {
            TunnelError::Short => DropReason::TunnelShort,
            TunnelError::Length => DropReason::TunnelLength,
            TunnelError::Checksum => DropReason::TunnelChecksum,
            TunnelError::Fragment => DropReason::TunnelFragment,
            TunnelError::Flags => DropReason::TunnelFlags,
            TunnelError::Options => DropReason::TunnelOptions,
            TunnelError::Payload => DropReason::TunnelPayload,
        }
    }
}

/// A tunnel port as reading and writing headers knows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Dialect {
    /// The encapsulation.
    pub kind: Kind,
    /// VXLAN: group policy (draft-smith-vxlan-group-policy).
    pub gbp: bool,
    /// VXLAN: other payloads than Ethernet (draft-ietf-nvo3-vxlan-gpe).
    pub gpe: bool,
    /// Bare UDP: the EtherType of what is inside; 0: IP, as its version says.
    pub ethertype: u16,
}

impl Dialect {
    /// A kind without extensions.
    pub const fn of(kind: Kind) -> Dialect {
        Dialect { kind, gbp: false, gpe: false, ethertype: 0 }
    }
}

/// Outer headers that were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decap<'a> {
    /// What they say.
    pub tunnel: Tunnel,
    /// Geneve's options, as they lie there.
    pub options: &'a [u8],
    /// Where the inner packet begins.
    pub at: usize,
    /// Where it ends.
    pub end: usize,
    /// Its type, see [`ETHERNET`] and [`of_ethertype`].
    pub inner: u32,
}

/// What a kind's own reader sees: its header's place and that of the packet's end.
#[derive(Clone, Copy)]
pub(crate) struct Body<'a> {
    /// The frame up to the end of the outer packet.
    bytes: &'a [u8],
    /// Where the tunnel's header begins.
    at: usize,
    /// The outer checksums need no look.
    is_checked: bool,
}

impl<'a> Body<'a> {
    pub(crate) fn take<const N: usize>(&mut self) -> Result<[u8; N], TunnelError> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()).ok_or(TunnelError::Short)?;
        self.at += N;
        Ok(*taken)
    }

    pub(crate) fn slice(&mut self, len: usize) -> Result<&'a [u8], TunnelError> {
        let taken = self.bytes.get(self.at..self.at + len).ok_or(TunnelError::Short)?;
        self.at += len;
        Ok(taken)
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// 4 or 6, as the packet ahead says.
    pub(crate) fn ip(&self) -> Result<u32, TunnelError> {
        match self.rest().first().ok_or(TunnelError::Short)? >> 4 {
            4 => Ok(of_ethertype(ethertype::IPV4)),
            6 => Ok(of_ethertype(ethertype::IPV6)),
            _ => Err(TunnelError::Payload),
        }
    }
}

/// Read the outer headers of a frame whose outer IP header begins at `l3`. `is_checked`: the checksums of UDP and GRE need no
/// look, for a device has looked or will fill them in.
///
/// # Errors
/// What is wrong with them. Nothing is kept of such a frame.
#[inline]
pub fn decap(dialect: Dialect, bytes: &[u8], l3: usize, is_checked: bool) -> Result<Decap<'_>, TunnelError> {
    let mut tunnel = Tunnel::default();
    let (l4, end, proto) = outer_ip(bytes, l3, &mut tunnel)?;
    let mut body = Body { bytes: &bytes[..end], at: l4, is_checked };
    let mut options: &[u8] = &[];
    let kind = dialect.kind;
    if kind.is_udp() {
        if proto != proto::UDP {
            return Err(TunnelError::Payload);
        }
        let sum = udp(&mut body, &mut tunnel)?;
        if sum != 0 && !(kind == Kind::Gtpu && gtpu::is_summed_before_its_length(&body, sum)) {
            return Err(TunnelError::Checksum);
        }
    }
    let inner = match kind {
        Kind::Vxlan => vxlan::decap(&mut body, &mut tunnel, dialect)?,
        Kind::Geneve => geneve::decap(&mut body, &mut tunnel, &mut options)?,
        Kind::Gre | Kind::Ip6Gre if proto == GRE => gre::decap(&mut body, &mut tunnel)?,
        Kind::Erspan | Kind::Ip6Erspan if proto == GRE => erspan::decap(&mut body, &mut tunnel)?,
        Kind::Gtpu => gtpu::decap(&mut body, &mut tunnel)?,
        Kind::BareUdp => bareudp::decap(&body, dialect)?,
        Kind::Srv6 => srv6::decap(proto)?,
        Kind::Lisp => lisp::decap(&mut body, &mut tunnel)?,
        Kind::Stt if proto == proto::TCP => stt::decap(&mut body, &mut tunnel)?,
        Kind::Gre | Kind::Ip6Gre | Kind::Erspan | Kind::Ip6Erspan | Kind::Stt => return Err(TunnelError::Payload),
    };
    let (at, end) = (body.at, body.bytes.len());
    if at >= end || (inner == ETHERNET && end - at < ethernet::LEN) {
        return Err(TunnelError::Short);
    }
    Ok(Decap { tunnel, options, at, end, inner })
}

/// The outer IP header: where the next one begins, where the packet ends, which protocol is next.
fn outer_ip(bytes: &[u8], l3: usize, tunnel: &mut Tunnel) -> Result<(usize, usize, u8), TunnelError> {
    match bytes.get(l3).ok_or(TunnelError::Short)? >> 4 {
        4 => {
            let ip = view::<Ipv4Wire>(bytes, l3).ok_or(TunnelError::Short)?;
            (tunnel.tos, tunnel.ttl) = (ip.tos, ip.ttl);
            tunnel.ends = Ends::V4 { src: ip.src, dst: ip.dst };
            let l4 = l3 + ip.header_len();
            let end = match usize::from(ip.total_len.get()) {
                0 => bytes.len(), // a GSO frame that 16 bits do not count
                len => l3 + len,
            };
            if ip.header_len() < ipv4::LEN || l4 > end || end > bytes.len() {
                return Err(TunnelError::Length);
            }
            if ip.fragment.get() & (ipv4::MORE_FRAGMENTS | ipv4::OFFSET) != 0 {
                return Err(TunnelError::Fragment);
            }
            if ip.header_len() == ipv4::LEN && Sum::of(&bytes[l3..l4]).finish() != 0 {
                return Err(TunnelError::Checksum);
            }
            Ok((l4, end, ip.proto))
        }
        6 => {
            let ip = view::<Ipv6Wire>(bytes, l3).ok_or(TunnelError::Short)?;
            (tunnel.tos, tunnel.ttl) = ((ip.first.get() >> 20) as u8, ip.hop_limit);
            tunnel.ends = Ends::V6 { src: ip.src, dst: ip.dst };
            let mut l4 = l3 + ipv6::LEN;
            let end = match usize::from(ip.payload_len.get()) {
                0 => bytes.len(),
                len => l4 + len,
            };
            if end > bytes.len() {
                return Err(TunnelError::Length);
            }
            let mut proto = ip.next;
            // hop-by-hop, routing and destination options (RFC 8200 §4); their number is bounded by the packet's length
            while matches!(proto, 0 | 43 | 60) {
                let head: &[u8; 4] = bytes[..end].get(l4..).and_then(|b| b.first_chunk()).ok_or(TunnelError::Short)?;
                if proto == 43 && head[2] == srv6::TYPE && head[3] != 0 {
                    return Err(TunnelError::Flags); // the segments' list is not at its end: it is for someone else
                }
                proto = head[0];
                l4 += 8 + 8 * usize::from(head[1]);
            }
            match proto {
                44 => Err(TunnelError::Fragment),
                _ if l4 > end => Err(TunnelError::Length),
                _ => Ok((l4, end, proto)),
            }
        }
        _ => Err(TunnelError::Flags),
    }
}

/// The UDP header. What its checksum comes to, with all that it covers: 0 if it is right, or need not be looked at.
fn udp(body: &mut Body<'_>, tunnel: &mut Tunnel) -> Result<u16, TunnelError> {
    let at = body.at;
    let udp = view::<UdpWire>(body.bytes, at).ok_or(TunnelError::Short)?;
    let len = match usize::from(udp.len.get()) {
        0 => body.bytes.len() - at,
        len => len,
    };
    if len < udp::LEN || at + len > body.bytes.len() {
        return Err(TunnelError::Length);
    }
    body.bytes = &body.bytes[..at + len];
    (tunnel.tp_src, tunnel.tp_dst) = (udp.src.get(), udp.dst.get());
    let mut sum = 0;
    if udp.checksum.get() != 0 {
        tunnel.flags |= CSUM;
        if !body.is_checked {
            sum = pseudo(&tunnel.ends, proto::UDP, len).with(&body.bytes[at..]).finish();
        }
    }
    body.at += udp::LEN;
    Ok(sum)
}

/// The sum of a pseudo header.
pub(crate) fn pseudo(ends: &Ends, proto: u8, len: usize) -> Sum {
    match ends {
        Ends::V4 { src, dst } => Sum::of(src).with(dst).with16(proto.into()).with16(len as u16),
        Ends::V6 { src, dst } => Sum::of(src).with(dst).with(&(len as u32).to_be_bytes()).with16(proto.into()),
    }
}

/// Outer headers to be written.
#[derive(Clone, Copy, Debug)]
pub struct Encap<'a> {
    /// The encapsulation, and what it may say.
    pub dialect: Dialect,
    /// Where the outer frame goes.
    pub dst: Mac,
    /// Where it comes from.
    pub src: Mac,
    /// What the headers say. A destination port of 0 stands for the kind's own.
    pub tunnel: &'a Tunnel,
    /// Geneve's options.
    pub options: &'a [u8],
    /// The type of what goes inside, see [`ETHERNET`] and [`of_ethertype`].
    pub inner: u32,
    /// GRE: number the packets.
    pub seq: bool,
    /// The outer IPv6 header's flow label.
    pub label: u32,
    /// SRv6: the segments in the order of the way; none: the destination alone.
    pub segments: &'a [[u8; 16]],
}

/// The headers as [`push`] wants them, from Ethernet to the last option: lengths, sums, the UDP source port and sequence
/// numbers are zero; a UDP checksum of 0xffff is one to be made.
///
/// # Errors
/// [`TunnelError::Payload`] if this encapsulation cannot carry such a packet; [`TunnelError::Options`] for more options or
/// segments than fit.
pub fn encap(encap: &Encap<'_>) -> Result<Vec<u8>, TunnelError> {
    let Encap { dialect, tunnel, inner, .. } = *encap;
    let mut tail = Vec::with_capacity(128);
    let next = match dialect.kind {
        Kind::Vxlan => vxlan::encap(encap, &mut tail)?,
        Kind::Geneve => geneve::encap(encap, &mut tail)?,
        Kind::Gre | Kind::Ip6Gre => gre::encap(encap, &mut tail)?,
        Kind::Erspan | Kind::Ip6Erspan => erspan::encap(encap, &mut tail)?,
        Kind::Gtpu => gtpu::encap(encap, &mut tail)?,
        Kind::BareUdp => bareudp::encap(encap)?,
        Kind::Srv6 => srv6::encap(encap, &mut tail)?,
        Kind::Lisp => lisp::encap(encap, &mut tail)?,
        Kind::Stt => stt::encap(encap, &mut tail)?,
    };
    let _ = inner;
    let mut bytes = Vec::with_capacity(ethernet::LEN + ipv6::LEN + udp::LEN + tail.len());
    bytes.extend(encap.dst.0);
    bytes.extend(encap.src.0);
    match tunnel.ends {
        Ends::V4 { src, dst } => {
            let fragment = if tunnel.flags & DF != 0 { ipv4::DONT_FRAGMENT } else { 0 };
            bytes.extend(ethertype::IPV4.to_be_bytes());
            bytes.extend([0x45, tunnel.tos, 0, 0, 0, 0]);
            bytes.extend(fragment.to_be_bytes());
            bytes.extend([tunnel.ttl, next, 0, 0]);
            bytes.extend(src);
            bytes.extend(dst);
        }
        Ends::V6 { src, dst } => {
            bytes.extend(ethertype::IPV6.to_be_bytes());
            bytes.extend((6 << 28 | u32::from(tunnel.tos) << 20 | encap.label & 0xf_ffff).to_be_bytes());
            bytes.extend([0, 0, next, tunnel.ttl]);
            bytes.extend(src);
            // the first segment is where the packet goes first
            bytes.extend(encap.segments.first().copied().unwrap_or(dst));
        }
    }
    if dialect.kind.is_udp() {
        let port = if tunnel.tp_dst == 0 { dialect.kind.port().unwrap_or(0) } else { tunnel.tp_dst };
        let wants_sum = tunnel.flags & CSUM != 0 || matches!(tunnel.ends, Ends::V6 { .. });
        bytes.extend([0, 0]);
        bytes.extend(port.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(if wants_sum { [0xff; 2] } else { [0; 2] });
    }
    bytes.append(&mut tail);
    Ok(bytes)
}

const GRE: u8 = 47;

#[cfg(test)]
mod tests;
