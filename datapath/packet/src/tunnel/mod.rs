//! Tunnels: headers that carry a packet inside another.
//!
//! What: [`Kind`] names the encapsulations; [`Tunnel`] is what the outer headers say, whichever kind they are of.
//! How: nothing here keeps state: bytes are read into a [`Tunnel`], a `Tunnel` is written as bytes.
//! Invariant: reading is bounded by the bytes that are there; what is wrong with them has a name.

use std::net::IpAddr;

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
