//! Integers and flags in text.

/// The flags of `ct_state` (ovs-fields(7), "Connection State Fields").
pub const CT_STATE: &[(u128, &str)] = &[
    (0x01, "new"),
    (0x02, "est"),
    (0x04, "rel"),
    (0x08, "rpl"),
    (0x10, "inv"),
    (0x20, "trk"),
    (0x40, "snat"),
    (0x80, "dnat"),
];

/// The flags of `tcp_flags` (RFC 793, RFC 3168, RFC 3540).
pub const TCP_FLAGS: &[(u128, &str)] = &[
    (0x001, "fin"),
    (0x002, "syn"),
    (0x004, "rst"),
    (0x008, "psh"),
    (0x010, "ack"),
    (0x020, "urg"),
    (0x040, "ece"),
    (0x080, "cwr"),
    (0x100, "ns"),
];

/// The flags of `tun_flags`.
pub const TUN_FLAGS: &[(u128, &str)] = &[(0x01, "oam")];

/// An unsigned integer: decimal, 0x hexadecimal, or octal with a leading 0.
pub fn parse_u128(text: &str) -> Option<u128> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    if digits.starts_with('+') {
        return None;
    }
    u128::from_str_radix(digits, radix).ok()
}

/// As [`parse_u128`], for what fits 64 bits.
pub fn parse_u64(text: &str) -> Option<u64> {
    parse_u128(text).and_then(|value| u64::try_from(value).ok())
}

/// Hexadecimal with `0x`, but `0` for zero.
pub fn hex(value: u128) -> String {
    if value == 0 { "0".to_owned() } else { format!("{value:#x}") }
}

/// Flags that are set, joined by `|`; `0` if none is. Unknown bits follow in hexadecimal.
pub fn format_flags(value: u128, flags: &[(u128, &str)]) -> String {
    let mut words: Vec<String> =
        flags.iter().filter(|(bit, _)| value & bit != 0).map(|(_, name)| (*name).to_owned()).collect();
    let known: u128 = flags.iter().map(|(bit, _)| bit).sum();
    if value & !known != 0 {
        words.push(format!("{:#x}", value & !known));
    }
    if words.is_empty() { "0".to_owned() } else { words.join("|") }
}

/// Flags that matter: `+name` where set, `-name` where clear.
pub fn format_masked_flags(value: u128, mask: u128, flags: &[(u128, &str)]) -> String {
    let mut text = String::new();
    for (bit, name) in flags.iter().filter(|(bit, _)| mask & bit != 0) {
        text.push(if value & bit != 0 { '+' } else { '-' });
        text.push_str(name);
    }
    let known: u128 = flags.iter().map(|(bit, _)| bit).sum();
    if mask & !known != 0 {
        text.push_str(&format!("{}{:#x}", if value & !known != 0 { '+' } else { '-' }, mask & !known));
    }
    text
}

/// `+a-b` (with its mask), `a|b` or a number (all bits of `all` matter). `Err` is the word that is no flag.
pub fn parse_flags<'a>(text: &'a str, all: u128, flags: &[(u128, &str)]) -> Result<(u128, u128), &'a str> {
    if let Some(value) = parse_u128(text) {
        let known: u128 = flags.iter().map(|(bit, _)| bit).sum();
        return if value & !known == 0 { Ok((value, all)) } else { Err(text) };
    }
    if let Some((value, mask)) = text.split_once('/').and_then(|(v, m)| Some((parse_u128(v)?, parse_u128(m)?))) {
        return if (value | mask) & !all == 0 { Ok((value & mask, mask)) } else { Err(text) };
    }
    let bit_of = |word: &'a str| flags.iter().find(|(_, name)| *name == word).map(|(bit, _)| *bit).ok_or(word);
    if !text.starts_with(['+', '-']) {
        let mut value = 0;
        for word in text.split('|').filter(|w| !w.is_empty()) {
            value |= bit_of(word)?;
        }
        return Ok((value, all));
    }
    let (mut value, mut mask) = (0, 0);
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        let after = &rest[1..];
        let end = after.find(['+', '-']).unwrap_or(after.len());
        let bit = bit_of(&after[..end])?;
        mask |= bit;
        if sign == '+' {
            value |= bit;
        }
        rest = &after[end..];
    }
    Ok((value, mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_three_radixes() {
        for (text, value) in [
            ("10", Some(10)),
            ("0x1f", Some(31)),
            ("010", Some(8)),
            ("0", Some(0)),
            ("", None),
            ("1x", None),
            ("-1", None),
            ("+1", None),
        ] {
            assert_eq!(parse_u128(text), value, "{text}");
        }
    }

    #[test]
    fn flags_read_back_as_printed() {
        for (text, value, mask) in [("+syn-ack", 2, 0x12), ("+new+trk", 0, 0)] {
            if let Ok(parsed) = parse_flags(text, 0xfff, TCP_FLAGS) {
                assert_eq!(parsed, (value, mask));
                assert_eq!(format_masked_flags(parsed.0, parsed.1, TCP_FLAGS), text);
            } else {
                assert_eq!(parse_flags(text, 0xfff, TCP_FLAGS), Err("new"));
            }
        }
        assert_eq!(parse_flags("syn|ack", 0xfff, TCP_FLAGS), Ok((0x12, 0xfff)));
        assert_eq!(format_flags(0x12, TCP_FLAGS), "syn|ack");
        assert_eq!(parse_flags("0x800", 0xfff, TCP_FLAGS), Err("0x800"));
    }
}
