//! `tunnel(..)` in keys and matches, and in `set(tunnel(..))`.
//!
//! How: a table of names, places and forms serves both ways; a `set` is a key all of whose bits matter.

use std::fmt::Write as _;

use super::layout::{self, Form};
use super::{call, split_top};
use crate::Match;
use crate::action::SetTunnel;
use crate::key::{FlowKey, FlowMask};
use crate::text::flags::{TUN_FLAGS, format_flags, format_masked_flags, parse_flags};
use crate::text::number::{hex, parse_u128};
use crate::tun_metadata::PRESENT_WORD;
use crate::tunnel::{self, FLAGS_WORD};

/// A name, where it lies (word, shift, bits) and how it is written.
type Item = (&'static str, usize, u32, u32, Form);

const TUN_ID: Item = ("tun_id", 35, 0, 64, Form::LongHex);
const TTL: Item = ("ttl", FLAGS_WORD, 32, 8, Form::Decimal);
const ITEMS: &[Item] = &[
    TUN_ID,
    ("src", 30, 32, 32, Form::Ipv4),
    ("dst", 30, 0, 32, Form::Ipv4),
    ("ipv6_src", 31, 0, 128, Form::Ipv6),
    ("ipv6_dst", 33, 0, 128, Form::Ipv6),
    ("tos", FLAGS_WORD, 40, 8, Form::Hex),
    TTL,
    ("tp_src", FLAGS_WORD, 16, 16, Form::Decimal),
    ("tp_dst", FLAGS_WORD, 0, 16, Form::Decimal),
];
const GBP: &[Item] = &[("id", 37, 48, 16, Form::Decimal), ("flags", 37, 40, 8, Form::Hex)];
const VERSION: Item = ("ver", 37, 32, 8, Form::Decimal);
const ERSPAN_1: &[Item] = &[VERSION, ("idx", 37, 0, 32, Form::LongHex)];
const ERSPAN_2: &[Item] = &[VERSION, ("dir", 38, 56, 8, Form::Decimal), ("hwid", 38, 48, 8, Form::LongHex)];
const GTPU: &[Item] = &[("flags", 38, 40, 8, Form::LongHex), ("msgtype", 38, 32, 8, Form::Decimal)];

/// The flags that have names.
const FLAGS: u128 = 0xf;
/// Where the flag that says "there is a key" stands.
const KEY_BIT: u64 = (weft_packet::tunnel::KEY as u64) << 48;
const FLAGS_SHIFT: u32 = 48;

/// What stands between the parentheses. With `verbose`, what does not matter is shown with a mask of no bit.
pub fn format(key: &FlowKey, mask: &FlowMask, verbose: bool) -> String {
    let mut parts: Vec<String> = Vec::new();
    for item in ITEMS {
        let is_there = match item.0 {
            "tun_id" => key.word(FLAGS_WORD) & KEY_BIT != 0,
            "ttl" => true,
            _ => value(item, key) != 0,
        };
        if is_there {
            parts.extend(show(item, key, mask, verbose));
        }
    }
    let group = |items: &[Item]| {
        let shown: Vec<String> = items.iter().filter_map(|item| show(item, key, mask, verbose)).collect();
        shown.join(",")
    };
    if GBP.iter().any(|item| value(item, key) != 0) {
        parts.push(format!("vxlan(gbp({}))", group(GBP)));
    }
    if tunnel::is_raw(key) || mask.word(PRESENT_WORD) != 0 {
        let raw = tunnel::raw(key);
        parts.push(format!("geneve({})", options(&raw, &tunnel::raw_mask(mask, raw.len()), verbose)));
    }
    match value(&VERSION, key) {
        1 => parts.push(format!("erspan({})", group(ERSPAN_1))),
        2 => parts.push(format!("erspan({})", group(ERSPAN_2))),
        _ => {}
    }
    if GTPU.iter().any(|item| value(item, key) != 0) {
        parts.push(format!("gtpu({})", group(GTPU)));
    }
    let bits = u128::from(mask.word(FLAGS_WORD) >> FLAGS_SHIFT) & FLAGS;
    let flags = u128::from(key.word(FLAGS_WORD) >> FLAGS_SHIFT) & FLAGS;
    // that there is no key goes without saying: `tun_id` would say it
    let bits = if bits != FLAGS { bits & (!u128::from(weft_packet::tunnel::KEY) | flags) } else { bits };
    match bits {
        0 => {}
        FLAGS if flags == 0 => {}
        FLAGS => parts.push(format!("flags({})", format_flags(flags, TUN_FLAGS))),
        _ => parts.push(format!("flags({})", format_masked_flags(flags, bits, TUN_FLAGS))),
    }
    parts.join(",")
}

/// The bits that matter to a key shown in full.
pub fn full_mask(key: &FlowKey, mask: &mut FlowMask) {
    (30..PRESENT_WORD).filter(|word| *word != 38).for_each(|word| mask.or_word(word, u64::MAX));
    mask.or_word(38, u64::MAX << 32); // a priority lies below
    mask.or_word(FLAGS_WORD, u64::MAX);
    if tunnel::is_raw(key) {
        mask.or_word(PRESENT_WORD, u64::MAX);
    }
}

/// The way back, into a match. `Err` is the word that was not understood.
pub fn parse<'a>(inside: &'a str, out: &mut Match) -> Result<(), &'a str> {
    let (mut key, mut mask) = (out.key().clone(), out.mask().clone());
    read(inside, &mut key, &mut mask)?;
    *out = Match::new(key, mask);
    Ok(())
}

/// Whether a tunnel in a flow, or in an action, would not fit the netlink attribute that Open vSwitch's datapaths are told it by,
/// whose length has 16 bits; `besides` of its bytes are something else's. Returns what of the text cannot be understood therefore.
pub fn too_long(text: &str, besides: usize) -> Option<&str> {
    let at = text.find("tunnel(")?;
    let inside = &text[at + "tunnel(".len()..];
    let mut depth = 1;
    let end = inside.bytes().position(|byte| {
        depth += i32::from(byte == b'(') - i32::from(byte == b')');
        depth == 0
    })?;
    let inside = &inside[..end];
    let size = |word: &&str| match call(word).0 {
        "tun_id" => 12,
        "ipv6_src" | "ipv6_dst" => 20,
        "flags" => 4,
        _ => 8,
    };
    let total: usize = split_top(inside).ok()?.iter().map(size).sum();
    (total + besides > usize::from(u16::MAX)).then_some(&text[at..])
}

/// The arguments of `set(tunnel(..))`.
pub fn format_set(set: &SetTunnel) -> String {
    let (mut key, mut mask) = (FlowKey::new(), FlowMask::new());
    tunnel::write(&set.tunnel, &mut key);
    tunnel::set_raw(&set.options, &mut key);
    full_mask(&key, &mut mask);
    format(&key, &mask, false)
}

/// The way back.
pub fn parse_set(inside: &str) -> Option<SetTunnel> {
    let mut key = FlowKey::new();
    read(inside, &mut key, &mut FlowMask::new()).ok()?;
    let options = tunnel::raw(&key).to_vec();
    Some(SetTunnel { tunnel: tunnel::read(&key), options })
}

fn read<'a>(inside: &'a str, key: &mut FlowKey, mask: &mut FlowMask) -> Result<(), &'a str> {
    for word in split_top(inside).map_err(|_| inside)? {
        match call(word) {
            ("vxlan", Some(inside)) => match call(inside) {
                ("gbp", Some(inside)) => group(inside, GBP, key, mask).ok_or(word)?,
                _ => return Err(word),
            },
            ("geneve", Some(options)) => read_options(options, key, mask).ok_or(word)?,
            ("erspan", Some(inside)) => {
                let items = match inside.split([',', '/']).next() {
                    Some("ver=1") => ERSPAN_1,
                    Some("ver=2") => ERSPAN_2,
                    _ => return Err(word),
                };
                group(inside, items, key, mask).ok_or(word)?;
            }
            ("gtpu", Some(inside)) => group(inside, GTPU, key, mask).ok_or(word)?,
            ("flags", Some(inside)) => {
                let inside = if inside.is_empty() { "0" } else { inside };
                // whether there is a key is said by `tun_id`
                let (value, bits) = parse_flags(inside, FLAGS, TUN_FLAGS).map_err(|_| word)?;
                let value = value as u64 & !u64::from(weft_packet::tunnel::KEY);
                key.or_word(FLAGS_WORD, value << FLAGS_SHIFT);
                mask.or_word(FLAGS_WORD, (bits as u64) << FLAGS_SHIFT);
            }
            _ => {
                let (name, _) = word.split_once('=').ok_or(word)?;
                group(word, ITEMS, key, mask).ok_or(word)?;
                if name == TUN_ID.0 {
                    key.or_word(FLAGS_WORD, KEY_BIT);
                    mask.or_word(FLAGS_WORD, KEY_BIT);
                }
            }
        }
    }
    Ok(())
}

fn group(inside: &str, items: &[Item], key: &mut FlowKey, mask: &mut FlowMask) -> Option<()> {
    for word in inside.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let (name, text) = word.split_once('=')?;
        let &(_, at, shift, bits, form) = items.iter().find(|item| item.0 == name)?;
        let (value, ones) = layout::read(form, text, all_ones(bits))?;
        key.set_bits(at, shift, bits, value);
        mask.set_bits(at, shift, bits, ones);
    }
    Some(())
}

fn value(item: &Item, key: &FlowKey) -> u128 {
    key.get_bits(item.1, item.2, item.3)
}

fn show(item: &Item, key: &FlowKey, mask: &FlowMask, verbose: bool) -> Option<String> {
    let &(name, word, shift, bits, form) = item;
    let ones = mask.get_bits(word, shift, bits);
    let value = key.get_bits(word, shift, bits);
    (ones != 0 || verbose).then(|| format!("{name}={}", masked(form, value, ones, all_ones(bits))))
}

fn masked(form: Form, value: u128, ones: u128, full: u128) -> String {
    match (form, ones) {
        (Form::LongHex, 0) => layout::show(form, value, full, full) + "/0",
        _ => layout::show(form, value, ones, full),
    }
}

fn all_ones(bits: u32) -> u128 {
    u128::MAX >> (128 - bits)
}

/// `{class=0xffff,type=0x80,len=4,0xa/0xf}` for each option.
pub fn options(raw: &[u8], mask: &[u8], verbose: bool) -> String {
    let mut text = String::new();
    for option in tunnel::options(raw) {
        let bits = |from: usize, len: usize| {
            let bytes = mask.get(option.at + from..option.at + from + len).unwrap_or_default();
            bytes.iter().fold(0u128, |n, byte| n << 8 | u128::from(*byte))
        };
        let mut parts: Vec<String> = Vec::new();
        let mut part = |name: &str, form, value: u128, ones: u128, full: u128| {
            if ones != 0 || verbose {
                parts.push(format!("{name}={}", masked(form, value, ones, full)));
            }
        };
        part("class", Form::Hex, option.class.into(), bits(0, 2), 0xffff);
        part("type", Form::Hex, option.kind.into(), bits(2, 1), 0xff);
        part("len", Form::Decimal, option.data.len() as u128, if bits(3, 1) == 0 { 0 } else { 0xff }, 0xff);
        let ones = mask.get(option.at + 4..option.at + 4 + option.data.len()).unwrap_or_default();
        if !option.data.is_empty() && (verbose || ones.iter().any(|byte| *byte != 0)) {
            let all = ones.iter().all(|byte| *byte == 0xff) && ones.len() == option.data.len();
            let slash = if all { String::new() } else { format!("/{}", hex_bytes(ones)) };
            parts.push(hex_bytes(option.data) + &slash);
        }
        let _ = write!(text, "{{{}}}", parts.join(","));
    }
    text
}

/// Options in text, as bytes with the bits that matter.
pub fn parse_options(text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut raw, mut mask) = (Vec::new(), Vec::new());
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (inside, after) = rest.strip_prefix('{')?.split_once('}')?;
        rest = after.trim_start_matches(',').trim();
        let (mut class, mut kind, mut len) = ((0, 0), (0, 0), (0, 0));
        let (mut data, mut ones) = (Vec::new(), Vec::new());
        for word in inside.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word.split_once('=') {
                Some(("class", text)) => class = layout::read(Form::LongHex, text, 0xffff)?,
                Some(("type", text)) => kind = layout::read(Form::LongHex, text, 0xff)?,
                Some(("len", text)) => len = layout::read(Form::Decimal, text, 0xff)?,
                Some(_) => return None,
                None => {
                    let (value, bits) = word.split_once('/').map_or((word, None), |(v, m)| (v, Some(m)));
                    let size = len.0 as usize;
                    data = parse_hex_bytes(value, size)?;
                    ones = bits.map_or_else(|| Some(vec![0xff; size]), |bits| parse_hex_bytes(bits, size))?;
                }
            }
        }
        let size = len.0 as usize;
        if !size.is_multiple_of(4) || size > 124 {
            return None;
        }
        data.resize(size, 0);
        ones.resize(size, 0);
        tunnel::push_option(&mut raw, class.0 as u16, kind.0 as u8, &data);
        mask.extend((class.1 as u16).to_be_bytes());
        mask.extend([kind.1 as u8, if len.1 == 0 { 0 } else { 0xff }]);
        mask.extend(ones);
    }
    (raw.len() <= tunnel::MAX_OPTIONS).then_some((raw, mask))
}

fn read_options(inside: &str, key: &mut FlowKey, mask: &mut FlowMask) -> Option<()> {
    let (raw, bits) = parse_options(inside)?;
    tunnel::set_raw(&raw, key);
    tunnel::set_raw_mask(&bits, mask);
    mask.set_word(PRESENT_WORD, u64::MAX);
    mask.or_word(FLAGS_WORD, u64::from(tunnel::RAW) << FLAGS_SHIFT);
    Some(())
}

/// A big number in hexadecimal, without leading zeros.
fn hex_bytes(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => format!("0x{digits}"),
    }
}

fn parse_hex_bytes(text: &str, len: usize) -> Option<Vec<u8>> {
    let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) else {
        let value = parse_u128(text)?.to_be_bytes();
        return fit(&value, len);
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) || digits.len() > 2 * 124 {
        return None;
    }
    let even = if digits.len().is_multiple_of(2) { digits.to_owned() } else { format!("0{digits}") };
    let bytes: Option<Vec<u8>> =
        (0..even.len()).step_by(2).map(|at| u8::from_str_radix(even.get(at..at + 2)?, 16).ok()).collect();
    fit(&bytes?, len)
}

/// Right-aligned in `len` bytes.
fn fit(bytes: &[u8], len: usize) -> Option<Vec<u8>> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = &bytes[zeros..];
    let lead = len.checked_sub(bytes.len())?;
    Some(std::iter::repeat_n(0, lead).chain(bytes.iter().copied()).collect())
}

/// `0` for zero, as [`hex`] has it, for who writes headers.
pub(super) fn short_hex(value: impl Into<u128>) -> String {
    hex(value.into())
}

#[cfg(test)]
mod tests;
