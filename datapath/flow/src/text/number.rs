//! Integers in text.

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
    digits_to_u128(digits, radix)
}

/// Digits without a sign; most numbers are short, and 64 bits are much less work.
pub(super) fn digits_to_u128(digits: &str, radix: u32) -> Option<u128> {
    match digits.len() {
        0..=SHORT => u64::from_str_radix(digits, radix).ok().map(u128::from),
        _ => u128::from_str_radix(digits, radix).ok(),
    }
}

/// So many digits fit 64 bits in every radix up to 16.
const SHORT: usize = 16;

/// As [`parse_u128`], for what fits 64 bits.
pub fn parse_u64(text: &str) -> Option<u64> {
    parse_u128(text).and_then(|value| u64::try_from(value).ok())
}

/// Hexadecimal with `0x`, but `0` for zero.
pub fn hex(value: u128) -> String {
    if value == 0 { "0".to_owned() } else { format!("{value:#x}") }
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
}
