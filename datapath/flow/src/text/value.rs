//! One field's value and mask as text (ovs-fields(7), "Format").

use std::net::{Ipv4Addr, Ipv6Addr};

use weft_packet::Mac;

use super::PortNames;
use super::error::{FlagKind, TextError};
use super::flags::{CT_STATE, FlagError, TCP_FLAGS, TUN_FLAGS, format_flags_under, parse_flags};
use super::number::{digits_to_u128, hex};
use crate::field::{Field, FieldForm, FieldId, Masking};
use crate::port::OfPort;

/// Read `value` or `value/mask` (or `*`) as `field` writes it. Returns value and mask; value bits that the mask leaves
/// out, and bits beyond the field's width, are dropped.
///
/// # Errors
/// The text that the tools print: what was read, and what was expected.
pub fn parse_value(field: FieldId, text: &str, ports: &PortNames) -> Result<(u128, u128), String> {
    parse(field, text, ports).map_err(|error| error.to_string())
}

fn parse(field: FieldId, text: &str, ports: &PortNames) -> Result<(u128, u128), TextError> {
    let f = field.field();
    if text == "*" {
        return Ok((0, 0));
    }
    let (value, mask) = match f.form {
        FieldForm::Decimal | FieldForm::Hexadecimal => integers(f, text)?,
        FieldForm::Ethernet => ethernet(text)?,
        FieldForm::Ipv4 => ipv4(text)?,
        FieldForm::Ipv6 => ipv6(text)?,
        FieldForm::OfPort16 | FieldForm::OfPort32 => (port(f, text, ports)?, f.all_ones()),
        FieldForm::Frag => fragment(text)?,
        FieldForm::TcpFlags => flags(text, TCP_FLAGS, 0xfff, FlagKind::Tcp)?,
        FieldForm::CtState => match flags(text, CT_STATE, 0xff, FlagKind::CtState)? {
            (value, 0xff) if !text.contains(['/', '+', '-']) => (value, f.all_ones()),
            masked => masked,
        },
        // Only this flag can be matched.
        FieldForm::TunnelFlags => flags(text, &TUN_FLAGS[..1], 1, FlagKind::Tunnel)?,
        FieldForm::PacketType => (packet_type(text)?, f.all_ones()),
    };
    let ones = f.all_ones();
    let wire = if f.wire_bits >= 128 { u128::MAX } else { (1 << f.wire_bits) - 1 };
    if f.masking == Masking::None && mask & wire != wire && mask & wire != 0 {
        return Err(TextError::MaskNotAllowed { text: text.into(), field: f.name });
    }
    // A mask of the field's whole wire width is an exact match, also where not all its bits are significant.
    let mask = mask & ones;
    if f.masking == Masking::None && mask != ones && mask != 0 {
        return Err(TextError::MaskNotAllowed { text: text.into(), field: f.name });
    }
    Ok((value & mask, mask))
}

/// Write a value with its mask as `set_field` and `learn` show them; the mask only where it is not all ones.
pub fn format_value(field: FieldId, value: u128, mask: u128, ports: &PortNames) -> String {
    let f = field.field();
    if mask == 0 {
        return "ANY".into();
    }
    let exact = mask == f.all_ones();
    match f.form {
        FieldForm::Decimal if exact => value.to_string(),
        FieldForm::Decimal => format!("{value}/{}", hex(mask)),
        FieldForm::Hexadecimal => masked_hex(value, mask, f.all_ones()),
        FieldForm::Ethernet => format_mac(value as u64, mask as u64),
        FieldForm::Ipv4 => format_ipv4(value as u32, mask as u32),
        FieldForm::Ipv6 => format_ipv6(value, mask),
        FieldForm::OfPort16 => ports.show(OfPort::from_u16(value as u16)).to_string(),
        FieldForm::OfPort32 => ports.show(OfPort(value as u32)).to_string(),
        FieldForm::Frag => format_frag(value, mask),
        FieldForm::TcpFlags => format_flags_under(value, mask, 0xfff, TCP_FLAGS),
        FieldForm::CtState => format_flags_under(value, mask, 0xff, CT_STATE),
        FieldForm::TunnelFlags => format_flags_under(value, mask, 0xffff, TUN_FLAGS),
        FieldForm::PacketType => format_packet_type(value as u32),
    }
}

/// `0x..[/0x..]`, `0` for zero.
pub(super) fn masked_hex(value: u128, mask: u128, all: u128) -> String {
    if mask == all { hex(value) } else { format!("{}/{}", hex(value), hex(mask)) }
}

/// A MAC address, with its mask if that is not all ones.
pub fn format_mac(value: u64, mask: u64) -> String {
    const ALL: u64 = 0xffff_ffff_ffff;
    let mac = Mac::from_u64(value);
    if mask & ALL == ALL { mac.to_string() } else { format!("{mac}/{}", Mac::from_u64(mask)) }
}

/// A MAC address as a number.
pub fn parse_mac(text: &str) -> Option<u64> {
    text.parse::<Mac>().ok().map(Mac::to_u64)
}

/// `10.0.0.0/8`, `10.0.0.0/255.0.255.0`, or just the address.
pub fn format_ipv4(value: u32, mask: u32) -> String {
    let address = Ipv4Addr::from(value);
    match mask {
        u32::MAX => address.to_string(),
        _ if mask.leading_ones() + mask.trailing_zeros() == 32 => format!("{address}/{}", mask.leading_ones()),
        _ => format!("{address}/{}", Ipv4Addr::from(mask)),
    }
}

/// The same for IPv6.
pub fn format_ipv6(value: u128, mask: u128) -> String {
    let address = ipv6_text(value);
    match mask {
        u128::MAX => address,
        _ if mask.leading_ones() + mask.trailing_zeros() == 128 => format!("{address}/{}", mask.leading_ones()),
        _ => format!("{address}/{}", ipv6_text(mask)),
    }
}

/// As C's inet_ntop writes it: it shows ::a.b.c.d for addresses with 96 leading zeros.
pub fn ipv6_text(value: u128) -> String {
    if value >> 32 == 0 && value >> 16 != 0 {
        return format!("::{}", Ipv4Addr::from(value as u32));
    }
    Ipv6Addr::from(value).to_string()
}

/// `(ns,type)`; types below ten in decimal, as the tools do.
pub fn format_packet_type(value: u32) -> String {
    match (value >> 16, value & 0xffff) {
        (ns, kind @ 0..=9) => format!("({ns},{kind})"),
        (ns, kind) => format!("({ns},{kind:#x})"),
    }
}

/// A word for the fragment bits that matter.
pub fn format_frag(value: u128, mask: u128) -> String {
    let word = FRAGMENTS.iter().find(|(_, v, m)| (value & mask, mask & 3) == ((*v).into(), (*m).into()));
    word.map_or_else(|| format!("{}/{}", hex(value), hex(mask)), |(name, ..)| (*name).into())
}

/// A number in decimal, hexadecimal with 0x or octal with 0, and what follows it.
pub(super) fn number(text: &str) -> Option<(Result<u128, TooLarge>, &str)> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(rest) => (rest, 16),
        None => (text, 10),
    };
    let end = digits.bytes().position(|byte| !char::from(byte).is_digit(radix)).unwrap_or(digits.len());
    let (run, rest) = digits.split_at(end);
    if run.is_empty() {
        // A bare "0x" reads as 0.
        return (radix == 16).then_some((Ok(0), rest));
    }
    let value = digits_to_u128(run, radix).filter(|v| radix == 16 || *v <= u64::MAX.into());
    Some((value.ok_or(TooLarge), rest))
}

/// More than 128 bits, or more than 64 in decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

fn integers(f: &Field, text: &str) -> Result<(u128, u128), TextError> {
    let too_large = || TextError::TooLarge { text: text.into(), bytes: f.wire_bytes(), field: f.name };
    if text.starts_with('-') {
        return Err(too_large());
    }
    let fits = |value: Result<u128, TooLarge>| {
        value.ok().filter(|v| f.wire_bits >= 128 || v >> f.wire_bits == 0).ok_or_else(too_large)
    };
    let (value, rest) = number(text).ok_or(TextError::BadValue { text: text.into(), field: f.name })?;
    let value = fits(value)?;
    let Some(mask) = rest.strip_prefix('/') else {
        let bad = TextError::BadValue { text: text.into(), field: f.name };
        return if rest.is_empty() { Ok((value, u128::MAX)) } else { Err(bad) };
    };
    match number(mask) {
        Some((mask, "")) => match fits(mask) {
            Ok(mask) => Ok((value, mask)),
            Err(_) => Err(TextError::MaskTooLarge { text: text.into(), bytes: f.wire_bytes(), field: f.name }),
        },
        _ => Err(TextError::BadMask { text: text.into(), field: f.name }),
    }
}

fn ethernet(text: &str) -> Result<(u128, u128), TextError> {
    let bad = |_| TextError::Ethernet { text: text.into() };
    let (value, mask) = text.split_once('/').map_or((text, None), |(v, m)| (v, Some(m)));
    let mask = mask.map_or(Ok(Mac::BROADCAST), str::parse).map_err(bad)?;
    Ok((value.parse::<Mac>().map_err(bad)?.to_u64().into(), mask.to_u64().into()))
}

fn ipv4(text: &str) -> Result<(u128, u128), TextError> {
    let bad = || TextError::Ipv4 { text: text.into() };
    let (value, mask) = text.split_once('/').map_or((text, None), |(v, m)| (v, Some(m)));
    let value = ipv4_address(value).ok_or_else(bad)?;
    let mask = match mask {
        None => u32::MAX,
        Some(dotted) if dotted.contains('.') => ipv4_address(dotted).ok_or_else(bad)?,
        Some(len) => {
            let len: u32 = len.parse().map_err(|_| bad())?;
            if len > 32 {
                return Err(TextError::Ipv4Prefix { text: text.into() });
            }
            u32::MAX.checked_shl(32 - len).unwrap_or(0)
        }
    };
    Ok((value.into(), mask.into()))
}

/// Four decimal bytes, leading zeros allowed.
pub(super) fn ipv4_address(text: &str) -> Option<u32> {
    let (mut address, mut part, mut digits, mut dots) = (0, 0u32, 0, 0);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' if digits < 3 => {
                part = part * 10 + u32::from(byte - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && part <= 255 && dots < 3 => {
                address = address << 8 | part;
                dots += 1;
                (part, digits) = (0, 0);
            }
            _ => return None,
        }
    }
    (dots == 3 && digits > 0 && part <= 255).then_some(address << 8 | part)
}

fn ipv6(text: &str) -> Result<(u128, u128), TextError> {
    let bad = || TextError::Ipv6 { text: text.into() };
    let (value, mask) = text.split_once('/').map_or((text, None), |(v, m)| (v, Some(m)));
    let value = value.parse::<Ipv6Addr>().map_err(|_| bad())?.to_bits();
    let mask = match mask {
        None => u128::MAX,
        Some(address) if address.contains(':') => address.parse::<Ipv6Addr>().map_err(|_| bad())?.to_bits(),
        Some(len) => {
            let len: u32 = len.parse().map_err(|_| bad())?;
            if len > 128 {
                return Err(TextError::Ipv6Prefix { text: text.into() });
            }
            u128::MAX.checked_shl(128 - len).unwrap_or(0)
        }
    };
    Ok((value, mask))
}

fn port(f: &Field, text: &str, ports: &PortNames) -> Result<u128, TextError> {
    let name = f.name.trim_end_matches("_oxm");
    let wide = f.form == FieldForm::OfPort32;
    let port = ports.parse(text).ok_or_else(|| match wide {
        true => TextError::PortRange { text: text.into(), field: f.name },
        false => TextError::Port { text: text.into(), field: name },
    })?;
    Ok(if f.form == FieldForm::OfPort16 { u128::from(port.to_u16().unwrap_or(u16::MAX)) } else { port.0.into() })
}

fn fragment(text: &str) -> Result<(u128, u128), TextError> {
    let found = FRAGMENTS.iter().find(|(name, ..)| *name == text);
    found.map(|(_, v, m)| ((*v).into(), (*m).into())).ok_or(TextError::Fragment { text: text.into() })
}

fn flags(text: &str, names: &[&str], all: u128, what: FlagKind) -> Result<(u128, u128), TextError> {
    parse_flags(text, all, names).map_err(|error| match error {
        FlagError::Unknown(text) => TextError::Flag { text: text.into(), what },
        FlagError::Twice(text) => TextError::FlagTwice { text: text.into(), what },
    })
}

fn packet_type(text: &str) -> Result<u128, TextError> {
    let bad = |at: &str, missing| TextError::PacketType { text: at.into(), missing };
    let rest = text.strip_prefix('(').ok_or_else(|| bad(text, "missing '('"))?;
    let part = |at: &str| match number(at) {
        Some((Ok(value), rest)) if value <= 0xffff => Some((value, at.len() - rest.len())),
        _ => None,
    };
    let (ns, len) = part(rest).ok_or_else(|| bad(rest, "ns"))?;
    let rest = rest[len..].strip_prefix(',').ok_or_else(|| bad(&rest[len..], "missing ','"))?;
    let (id, len) = part(rest).ok_or_else(|| bad(rest, "ns_type"))?;
    if &rest[len..] != ")" {
        return Err(bad(&rest[len..], "missing ')'"));
    }
    Ok(ns << 16 | id)
}

/// Name, value, mask.
const FRAGMENTS: [(&str, u8, u8); 5] =
    [("no", 0, 3), ("yes", 1, 1), ("first", 1, 3), ("later", 3, 3), ("not_later", 0, 2)];

#[cfg(test)]
mod tests;
