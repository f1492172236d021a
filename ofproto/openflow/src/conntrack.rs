//! Forgetting connections by what identifies them (NXT_CT_FLUSH).

use std::net::{IpAddr, Ipv6Addr};

/// Which connections to forget.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CtFlush {
    /// Only those of this zone; `None`: of all zones, or of zone 0 if a tuple is given.
    pub zone: Option<u16>,
    /// The IP protocol of both tuples; 0: any.
    pub proto: u8,
    /// What they were before translation.
    pub original: CtTuple,
    /// What replies to them are.
    pub reply: CtTuple,
}

/// One direction of a connection; zero and unspecified: any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CtTuple {
    /// Source; IPv4 as a mapped address.
    pub src: Ipv6Addr,
    /// Destination.
    pub dst: Ipv6Addr,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Identifier of an ICMP echo.
    pub icmp_id: u16,
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
}

impl Default for CtTuple {
    fn default() -> CtTuple {
        CtTuple {
            src: Ipv6Addr::UNSPECIFIED,
            dst: Ipv6Addr::UNSPECIFIED,
            src_port: 0,
            dst_port: 0,
            icmp_id: 0,
            icmp_type: 0,
            icmp_code: 0,
        }
    }
}

impl CtTuple {
    /// Whether any of its addresses is an IPv4 address.
    pub fn is_ipv4(&self) -> bool {
        [self.src, self.dst].iter().any(|a| a.to_ipv4_mapped().is_some())
    }

    /// Whether it says nothing.
    pub fn is_any(&self) -> bool {
        *self == CtTuple::default()
    }
}

impl CtFlush {
    /// ICMP or ICMPv6.
    pub fn is_icmp(&self) -> bool {
        matches!(self.proto, 1 | 58)
    }
}

/// An address as a tuple holds it.
pub fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}
