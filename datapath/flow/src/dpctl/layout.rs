//! Which field stands in which group of the syntax, under which name and in which form.

use crate::FieldId;
use crate::action::SetHeader;

/// How a value is written inside a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Decimal; masks in hexadecimal.
    Decimal,
    /// Hexadecimal, `0` for zero.
    Hex,
    /// Hexadecimal, `0x0` for zero.
    LongHex,
    /// An Ethernet address.
    Mac,
    /// An IPv4 address; masks as addresses.
    Ipv4,
    /// An IPv6 address; masks as addresses.
    Ipv6,
    /// `no`, `first` or `later`.
    Frag,
}

/// A field inside a group.
pub type Item = (&'static str, FieldId, Form);

/// `eth(src=..,dst=..)`
pub const ETH: &[Item] = &[("src", FieldId::EthSrc, Form::Mac), ("dst", FieldId::EthDst, Form::Mac)];
/// `ipv4(..)`
pub const IPV4: &[Item] = &[
    ("src", FieldId::IpSrc, Form::Ipv4),
    ("dst", FieldId::IpDst, Form::Ipv4),
    ("proto", FieldId::NwProto, Form::Decimal),
    ("tos", FieldId::NwTos, Form::Hex),
    ("ttl", FieldId::NwTtl, Form::Decimal),
    ("frag", FieldId::IpFrag, Form::Frag),
];
/// `ipv6(..)`
pub const IPV6: &[Item] = &[
    ("src", FieldId::Ipv6Src, Form::Ipv6),
    ("dst", FieldId::Ipv6Dst, Form::Ipv6),
    ("label", FieldId::Ipv6Label, Form::Hex),
    ("proto", FieldId::NwProto, Form::Decimal),
    ("tclass", FieldId::NwTos, Form::Hex),
    ("hlimit", FieldId::NwTtl, Form::Decimal),
    ("frag", FieldId::IpFrag, Form::Frag),
];
/// `tcp(..)`
pub const TCP: &[Item] = &[("src", FieldId::TcpSrc, Form::Decimal), ("dst", FieldId::TcpDst, Form::Decimal)];
/// `udp(..)`
pub const UDP: &[Item] = &[("src", FieldId::UdpSrc, Form::Decimal), ("dst", FieldId::UdpDst, Form::Decimal)];
/// `sctp(..)`
pub const SCTP: &[Item] = &[("src", FieldId::SctpSrc, Form::Decimal), ("dst", FieldId::SctpDst, Form::Decimal)];
/// `icmp(..)`
pub const ICMP: &[Item] = &[("type", FieldId::IcmpType, Form::Decimal), ("code", FieldId::IcmpCode, Form::Decimal)];
/// `icmpv6(..)`
pub const ICMPV6: &[Item] =
    &[("type", FieldId::Icmpv6Type, Form::Decimal), ("code", FieldId::Icmpv6Code, Form::Decimal)];
/// `arp(..)`
pub const ARP: &[Item] = &[
    ("sip", FieldId::ArpSpa, Form::Ipv4),
    ("tip", FieldId::ArpTpa, Form::Ipv4),
    ("op", FieldId::ArpOp, Form::Decimal),
    ("sha", FieldId::ArpSha, Form::Mac),
    ("tha", FieldId::ArpTha, Form::Mac),
];
/// `nd(..)`
pub const ND: &[Item] = &[
    ("target", FieldId::NdTarget, Form::Ipv6),
    ("sll", FieldId::NdSll, Form::Mac),
    ("tll", FieldId::NdTll, Form::Mac),
];
/// `mpls(..)`
pub const MPLS: &[Item] = &[
    ("label", FieldId::MplsLabel, Form::Decimal),
    ("tc", FieldId::MplsTc, Form::Decimal),
    ("ttl", FieldId::MplsTtl, Form::Decimal),
    ("bos", FieldId::MplsBos, Form::Decimal),
];
/// `nsh(..)`
pub const NSH: &[Item] = &[
    ("flags", FieldId::NshFlags, Form::Decimal),
    ("ttl", FieldId::NshTtl, Form::Decimal),
    ("mdtype", FieldId::NshMdtype, Form::Decimal),
    ("np", FieldId::NshNp, Form::Decimal),
    ("spi", FieldId::NshSpi, Form::LongHex),
    ("si", FieldId::NshSi, Form::Decimal),
    ("c1", FieldId::NshC1, Form::LongHex),
    ("c2", FieldId::NshC2, Form::LongHex),
    ("c3", FieldId::NshC3, Form::LongHex),
    ("c4", FieldId::NshC4, Form::LongHex),
];
/// Groups of the frame's headers, by name.
pub const GROUPS: &[(&str, &[Item], SetHeader)] = &[
    ("eth", ETH, SetHeader::Ethernet),
    ("ipv4", IPV4, SetHeader::Ipv4),
    ("ipv6", IPV6, SetHeader::Ipv6),
    ("tcp", TCP, SetHeader::Tcp),
    ("udp", UDP, SetHeader::Udp),
    ("sctp", SCTP, SetHeader::Sctp),
    ("icmp", ICMP, SetHeader::Icmpv4),
    ("icmpv6", ICMPV6, SetHeader::Icmpv6),
    ("arp", ARP, SetHeader::Arp),
    ("nd", ND, SetHeader::Nd),
    ("mpls", MPLS, SetHeader::Mpls),
    ("nsh", NSH, SetHeader::Nsh),
];

/// Single values in parentheses, by name.
pub const SINGLES: &[(&str, FieldId, Form)] = &[
    ("skb_priority", FieldId::SkbPriority, Form::Hex),
    ("skb_mark", FieldId::PktMark, Form::Hex),
    ("ct_zone", FieldId::CtZone, Form::Hex),
    ("ct_mark", FieldId::CtMark, Form::Hex),
    ("ct_label", FieldId::CtLabel, Form::Hex),
    ("recirc_id", FieldId::RecircId, Form::Hex),
    ("dp_hash", FieldId::DpHash, Form::Hex),
];

/// A group by name.
pub fn group(name: &str) -> Option<(&'static [Item], SetHeader)> {
    GROUPS.iter().find(|(n, _, _)| *n == name).map(|(_, items, header)| (*items, *header))
}

/// A header's group.
pub fn of_header(header: SetHeader) -> Option<(&'static str, &'static [Item])> {
    GROUPS.iter().find(|(_, _, h)| *h == header).map(|(name, items, _)| (*name, *items))
}

/// One value as it stands behind its name.
pub fn show(form: Form, value: u128, mask: u128, full: u128) -> String {
    let hex = crate::text::number::hex;
    let exact = mask == full;
    let one = |value: u128| match form {
        Form::Decimal => value.to_string(),
        Form::Hex => hex(value),
        Form::LongHex => format!("{value:#x}"),
        Form::Mac => crate::text::value::format_mac(value as u64, u64::MAX),
        Form::Ipv4 => std::net::Ipv4Addr::from(value as u32).to_string(),
        Form::Ipv6 => std::net::Ipv6Addr::from(value).to_string(),
        Form::Frag => match value {
            0 => "no".to_owned(),
            1 => "first".to_owned(),
            _ => "later".to_owned(),
        },
    };
    match form {
        _ if exact => one(value),
        Form::Decimal | Form::Frag => format!("{}/{}", one(value), hex(mask)),
        _ => format!("{}/{}", one(value), one(mask)),
    }
}

/// The way back: the value, and its mask if one is given.
pub fn read(form: Form, text: &str, full: u128) -> Option<(u128, u128)> {
    let number = crate::text::number::parse_u128;
    let one = |text: &str| match form {
        Form::Decimal | Form::Hex | Form::LongHex => number(text),
        Form::Mac => crate::text::value::parse_mac(text).map(u128::from).or_else(|| number(text)),
        Form::Ipv4 => text.parse::<std::net::Ipv4Addr>().ok().map(|a| u128::from(u32::from(a))),
        Form::Ipv6 => text.parse::<std::net::Ipv6Addr>().ok().map(u128::from),
        Form::Frag => match text {
            "no" => Some(0),
            "first" => Some(1),
            "later" => Some(3),
            _ => number(text),
        },
    };
    let prefix = |bits: &str, width: u32| {
        let ones: u32 = bits.parse().ok().filter(|ones| *ones <= width)?;
        Some(if ones == 0 { 0 } else { (u128::MAX << (128 - ones)) >> (128 - width) })
    };
    let (value, mask) = match text.split_once('/') {
        None => (one(text)?, full),
        Some((value, mask)) => {
            let mask = match form {
                Form::Ipv4 if !mask.contains('.') => prefix(mask, 32)?,
                Form::Ipv6 if !mask.contains(':') => prefix(mask, 128)?,
                Form::Frag => number(mask)?,
                _ => one(mask)?,
            };
            (one(value)?, mask)
        }
    };
    ((value | mask) & !full == 0).then_some((value & mask, mask))
}
