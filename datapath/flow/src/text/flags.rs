//! Flags in text: `syn|ack` where all of them matter, `+syn-ack` where some do.

use super::number::hex;
use super::value::number;

/// The names of TCP's flags (RFC 9293, RFC 3168, RFC 3540), lowest bit first.
pub const TCP_FLAGS: &[&str] = &["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns"];
/// The names of the connection states (ovs-fields(7), "Connection Tracking Fields"), lowest bit first.
pub const CT_STATE: &[&str] = &["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"];
/// The names of the tunnel flags, lowest bit first; OpenFlow can match the first only.
pub const TUN_FLAGS: &[&str] = &["oam", "df", "csum", "key"];

/// What is wrong with a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlagError<'a> {
    /// No flag of that name.
    Unknown(&'a str),
    /// Named before.
    Twice(&'a str),
}

/// [`format_flags`] if the mask has all of `all`, else [`format_masked_flags`].
pub fn format_flags_under(value: u128, mask: u128, all: u128, names: &[&str]) -> String {
    if mask & all == all { format_flags(value & mask, names) } else { format_masked_flags(value, mask, names) }
}

/// Flags that are set, joined by `|`; `0` if none is.
pub fn format_flags(value: u128, names: &[&str]) -> String {
    let set: Vec<String> = bits(value).map(|bit| name(bit, names)).collect();
    if set.is_empty() { hex(0) } else { set.join("|") }
}

/// Flags that matter: `+name` where set, `-name` where clear.
pub fn format_masked_flags(value: u128, mask: u128, names: &[&str]) -> String {
    bits(mask).fold(String::new(), |mut out, bit| {
        out.push(if value >> bit & 1 != 0 { '+' } else { '-' });
        out + &name(bit, names)
    })
}

/// `+a-b` (with its mask), `a|b` or a number (all bits of `all` matter), or number/mask.
///
/// # Errors
/// The word that is no flag, or was said before.
pub fn parse_flags<'a>(text: &'a str, all: u128, names: &[&str]) -> Result<(u128, u128), FlagError<'a>> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        let bad = FlagError::Unknown(text);
        let (value, rest) = number(text).ok_or(bad)?;
        let mask = match rest.strip_prefix('/').map(number) {
            None if rest.is_empty() => all,
            Some(Some((Ok(mask), ""))) => mask,
            _ => return Err(bad),
        };
        let value = value.map_err(|_| bad)?;
        return if (value | mask) & !all == 0 { Ok((value, mask)) } else { Err(bad) };
    }
    let bit = |name: &str| {
        let bracketed = || u32::from_str_radix(name.strip_prefix('[')?.strip_suffix(']')?, 16).ok();
        let named = names.iter().position(|n| *n == name).map(|i| 1u32 << i);
        named.or_else(|| bracketed().filter(|b| b.is_power_of_two())).map(u128::from).filter(|b| b & !all == 0)
    };
    if !text.starts_with(['+', '-']) {
        let value = text.split('|').try_fold(0, |value, name| Some(value | bit(name)?));
        return value.map(|value| (value, all)).ok_or(FlagError::Unknown(text));
    }
    let (mut value, mut mask) = (0, 0);
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        let end = rest[1..].find(['+', '-']).map_or(rest.len(), |i| i + 1);
        let name = &rest[1..end];
        let flag = bit(name).ok_or(FlagError::Unknown(name))?;
        if mask & flag != 0 {
            return Err(FlagError::Twice(name));
        }
        mask |= flag;
        value |= if sign == '+' { flag } else { 0 };
        rest = &rest[end..];
    }
    Ok((value, mask))
}

fn bits(set: u128) -> impl Iterator<Item = u32> {
    (0..32).filter(move |bit| set >> bit & 1 != 0)
}

fn name(bit: u32, names: &[&str]) -> String {
    names.get(bit as usize).map_or_else(|| format!("[{:x}]", 1u32 << bit), |name| (*name).into())
}
