//! A field's value and mask in text, each [`FieldForm`] in its own way (ovs-fields(7), "Format").

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::field::{FieldForm, Masking};
use crate::text::PortNames;
use crate::text::number::{CT_STATE, TCP_FLAGS, TUN_FLAGS, format_flags, format_masked_flags, parse_flags, parse_u128};
use crate::{Field, FieldId, OfPort};

/// Read `VALUE` or `VALUE/MASK` of a field: the value (zero outside of the mask) and the bits that matter.
///
/// # Errors
/// The text that the tools print: what was read, and what was expected.
pub fn parse_value(id: FieldId, text: &str, ports: &PortNames) -> Result<(u128, u128), String> {
    let field = id.field();
    if text == "*" {
        return Ok((0, 0));
    }
    let (value, mask) = match field.form {
        FieldForm::Decimal | FieldForm::Hexadecimal => integers(field, text)?,
        FieldForm::Ethernet => masked(text, mac)?.ok_or_else(|| format!("{text}: invalid Ethernet address"))?,
        FieldForm::Ipv4 => ipv4(text)?,
        FieldForm::Ipv6 => ipv6(text)?,
        FieldForm::OfPort16 | FieldForm::OfPort32 => (port(field, text, ports)?, field.all_ones()),
        FieldForm::Frag => frag(text)?,
        FieldForm::TunnelFlags => flags(text, field, TUN_FLAGS, "tunnel")?,
        FieldForm::TcpFlags => flags(text, field, TCP_FLAGS, "TCP")?,
        FieldForm::CtState => flags(text, field, CT_STATE, "ct_state")?,
        FieldForm::PacketType => (packet_type(text)?, field.all_ones()),
    };
    let (mask, full) = (mask & field.all_ones(), field.all_ones());
    if mask != full && mask != 0 && field.masking == Masking::None {
        return Err(format!("{text}: invalid mask for field {}", field.name));
    }
    Ok((value & mask, mask))
}

/// Print a value with its mask as `set_field` and `learn` show them; the mask only where it is not all ones.
pub fn format_value(id: FieldId, value: u128, mask: u128, ports: &PortNames) -> String {
    let field = id.field();
    if mask == 0 {
        return "ANY".to_owned();
    }
    let exact = mask == field.all_ones();
    match field.form {
        FieldForm::OfPort16 | FieldForm::OfPort32 if exact => ports.show(OfPort(value as u32)).to_string(),
        FieldForm::Decimal if exact => value.to_string(),
        FieldForm::Decimal | FieldForm::Hexadecimal | FieldForm::OfPort16 | FieldForm::OfPort32 => {
            if exact {
                format!("{value:#x}")
            } else {
                format!("{value:#x}/{mask:#x}")
            }
        }
        FieldForm::Ethernet => format_mac(value as u64, mask as u64),
        FieldForm::Ipv4 => format_ipv4(value as u32, mask as u32),
        FieldForm::Ipv6 => format_ipv6(value, mask),
        FieldForm::Frag => format_frag(value, mask),
        FieldForm::TunnelFlags => format_masked_flags(value, mask, TUN_FLAGS),
        FieldForm::TcpFlags if exact => format_flags(value, TCP_FLAGS),
        FieldForm::TcpFlags => format_masked_flags(value, mask, TCP_FLAGS),
        FieldForm::CtState if exact => format_flags(value, CT_STATE),
        FieldForm::CtState => format_masked_flags(value, mask, CT_STATE),
        FieldForm::PacketType => format!("({},{:#x})", value >> 16, value & 0xffff),
    }
}

/// A MAC address, with its mask if that is not all ones.
pub fn format_mac(value: u64, mask: u64) -> String {
    const ALL: u64 = 0xffff_ffff_ffff;
    let one = |mac: u64| {
        let b = mac.to_be_bytes();
        format!("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", b[2], b[3], b[4], b[5], b[6], b[7])
    };
    if mask & ALL == ALL { one(value) } else { format!("{}/{}", one(value), one(mask)) }
}

/// An IPv4 address, with prefix length or mask if not exact.
pub fn format_ipv4(value: u32, mask: u32) -> String {
    let address = Ipv4Addr::from(value);
    match mask.leading_ones() {
        32 => address.to_string(),
        ones if mask.count_ones() == ones => format!("{address}/{ones}"),
        _ => format!("{address}/{}", Ipv4Addr::from(mask)),
    }
}

/// An IPv6 address, with prefix length or mask if not exact.
pub fn format_ipv6(value: u128, mask: u128) -> String {
    let address = Ipv6Addr::from(value);
    match mask.leading_ones() {
        128 => address.to_string(),
        ones if mask.count_ones() == ones => format!("{address}/{ones}"),
        _ => format!("{address}/{}", Ipv6Addr::from(mask)),
    }
}

/// A word for the fragment bits that matter.
pub fn format_frag(value: u128, mask: u128) -> String {
    let word = match (value, mask) {
        (0, 3) => "no",
        (1, 1) => "yes",
        (1, 3) => "first",
        (3, 3) => "later",
        (0, 2) => "not_later",
        _ => return format!("{value:#x}/{mask:#x}"),
    };
    word.to_owned()
}

/// A MAC address as a number, from `xx:xx:xx:xx:xx:xx` (one or two digits each).
pub fn parse_mac(text: &str) -> Option<u64> {
    let mut value = 0;
    let mut parts = text.split(':');
    for _ in 0..6 {
        let part = parts.next().filter(|p| matches!(p.len(), 1 | 2))?;
        value = value << 8 | u64::from(u8::from_str_radix(part, 16).ok()?);
    }
    parts.next().is_none().then_some(value)
}

fn mac(text: &str) -> Option<u128> {
    parse_mac(text).map(u128::from)
}

fn masked(text: &str, parse: impl Fn(&str) -> Option<u128>) -> Result<Option<(u128, u128)>, String> {
    let Some((value, mask)) = text.split_once('/') else {
        return Ok(parse(text).map(|value| (value, u128::MAX)));
    };
    Ok(parse(value).zip(parse(mask)))
}

fn integers(field: &Field, text: &str) -> Result<(u128, u128), String> {
    let one = |part: &str| {
        let value = parse_u128(part).ok_or_else(|| format!("{text}: bad syntax for field {}", field.name))?;
        let wire_max = if field.wire_bits >= 128 { u128::MAX } else { (1 << field.wire_bits) - 1 };
        if value > wire_max {
            return Err(format!("{part}: value too large for {}-byte field {}", field.wire_bytes(), field.name));
        }
        Ok(value)
    };
    match text.split_once('/') {
        Some((value, mask)) => Ok((one(value)?, one(mask)?)),
        None => Ok((one(text)?, u128::MAX)),
    }
}

fn ipv4(text: &str) -> Result<(u128, u128), String> {
    let bad = || format!("{text}: invalid IP address");
    let (address, mask) = match text.split_once('/') {
        None => (text, u32::MAX),
        Some((address, mask)) if mask.contains('.') => (address, mask.parse::<Ipv4Addr>().map_err(|_| bad())?.into()),
        Some((address, prefix)) => {
            let prefix: u32 = prefix.parse().map_err(|_| bad())?;
            if prefix > 32 {
                return Err(format!("{text}: IPv4 network prefix bits not between 0 and 32, inclusive"));
            }
            (address, u32::MAX.checked_shl(32 - prefix).unwrap_or(0))
        }
    };
    let address: Ipv4Addr = address.parse().map_err(|_| bad())?;
    Ok((u128::from(u32::from(address)), u128::from(mask)))
}

fn ipv6(text: &str) -> Result<(u128, u128), String> {
    let bad = || format!("{text}: invalid IPv6 address");
    let (address, mask) = match text.split_once('/') {
        None => (text, u128::MAX),
        Some((address, mask)) if mask.contains(':') => (address, mask.parse::<Ipv6Addr>().map_err(|_| bad())?.into()),
        Some((address, prefix)) => {
            let prefix: u32 = prefix.parse().map_err(|_| bad())?;
            if prefix > 128 {
                return Err(format!("{text}: IPv6 network prefix bits not between 0 and 128, inclusive"));
            }
            (address, u128::MAX.checked_shl(128 - prefix).unwrap_or(0))
        }
    };
    Ok((u128::from(address.parse::<Ipv6Addr>().map_err(|_| bad())?), mask))
}

fn port(field: &Field, text: &str, ports: &PortNames) -> Result<u128, String> {
    let port = ports
        .parse(text)
        .ok_or_else(|| format!("{text}: invalid or unknown port for {}", field.name.trim_end_matches("_oxm")))?;
    Ok(u128::from(port.0))
}

fn frag(text: &str) -> Result<(u128, u128), String> {
    match text {
        "no" => Ok((0, 3)),
        "yes" => Ok((1, 1)),
        "first" => Ok((1, 3)),
        "later" => Ok((3, 3)),
        "not_later" => Ok((0, 2)),
        _ => Err(format!(
            "{text}: unknown fragment type (valid types are \"no\", \"yes\", \"first\", \"later\", \"not_later\""
        )),
    }
}

fn flags(text: &str, field: &Field, names: &[(u128, &str)], what: &str) -> Result<(u128, u128), String> {
    parse_flags(text, field.all_ones(), names).map_err(|word| format!("{word}: unknown {what} flag(s)"))
}

fn packet_type(text: &str) -> Result<u128, String> {
    let inner = text.strip_prefix('(').and_then(|t| t.strip_suffix(')'));
    let parts = inner.and_then(|t| t.split_once(',')).and_then(|(ns, id)| Some((parse_u128(ns)?, parse_u128(id)?)));
    match parts {
        Some((ns, id)) if ns <= 1 && id <= 0xffff => Ok(ns << 16 | id),
        _ => Err(format!("{text}: bad syntax for packet type: expected (NS,TYPE)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(name: &str, text: &str) -> Result<(u128, u128), String> {
        parse_value(FieldId::by_name(name).expect("a field"), text, &PortNames::new())
    }

    #[test]
    fn errors_name_what_was_read_and_the_field() {
        for (name, text, error) in [
            ("nw_src", "bad", "bad: invalid IP address"),
            ("nw_src", "1.1.1.1/33", "1.1.1.1/33: IPv4 network prefix bits not between 0 and 32, inclusive"),
            ("dl_src", "bad", "bad: invalid Ethernet address"),
            ("tp_src", "70000", "70000: value too large for 2-byte field tcp_src"),
            ("reg0", "0x1ffffffff", "0x1ffffffff: value too large for 4-byte field reg0"),
            ("in_port", "foo", "foo: invalid or unknown port for in_port"),
            ("tcp_flags", "foo", "foo: unknown TCP flag(s)"),
            ("ct_state", "+foo", "foo: unknown ct_state flag(s)"),
            ("eth_type", "0x9999/0xff", "0x9999/0xff: invalid mask for field eth_type"),
        ] {
            assert_eq!(parse(name, text), Err(error.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(index in 0..FieldId::ALL.len(), value: u128, mask: u128, exact: bool) {
            let id = FieldId::ALL[index];
            let all = id.field().all_ones();
            let masks = !matches!(id.field().form, FieldForm::Frag | FieldForm::TunnelFlags | FieldForm::TcpFlags
                | FieldForm::CtState | FieldForm::OfPort16 | FieldForm::OfPort32 | FieldForm::PacketType);
            prop_assume!(masks);
            let exact = exact || id.field().masking == Masking::None || mask & all == 0;
            let mask = if exact { all } else { mask & all };
            let value = value & mask;
            let text = format_value(id, value, mask, &PortNames::new());
            prop_assert_eq!(parse_value(id, &text, &PortNames::new()), Ok((value, mask)), "{}", text);
        }

        #[test]
        fn no_text_makes_it_panic(index in 0..FieldId::ALL.len(), text in "\\PC{0,24}") {
            let _ = parse_value(FieldId::ALL[index], &text, &PortNames::new());
        }
    }
}
