//! `mpls(label=20/0xfffff,tc=0/0,ttl=64/0x0,bos=0/1,label=...)`: one entry of the label stack after the other.
//!
//! A match shows every entry that the frame has, down to the bottom, and all of their masks, even those of no bit.

use crate::text::number::parse_u64;
use crate::{FlowKey, FlowMask};

/// How many entries a key holds.
pub const ENTRIES: usize = 3;
/// The bit that marks the last entry.
const BOTTOM: u32 = 0x100;

/// Name, bits, position; in the order of the text.
const PARTS: [(&str, u32, u32); 4] = [("label", 0xf_ffff, 12), ("tc", 7, 9), ("ttl", 0xff, 0), ("bos", 1, 8)];

/// The entries of a key or the masks of them.
pub fn entries(word: impl Fn(usize) -> u64) -> [u32; ENTRIES] {
    [(word(25) >> 32) as u32, word(25) as u32, (word(26) >> 32) as u32]
}

/// What a match says, if anything; `verbose`: in any case.
pub fn format_masked(key: &FlowKey, mask: &FlowMask, verbose: bool) -> Option<String> {
    let (values, masks) = (entries(|i| key.word(i)), entries(|i| mask.word(i)));
    if masks == [0; ENTRIES] && !verbose {
        return None;
    }
    let shown = values.iter().zip(masks).take(depth(values)).map(|(&value, mask)| {
        let part = |(name, bits, at): (&str, u32, u32)| {
            let (value, mask) = (value >> at & bits, mask >> at & bits);
            match name {
                "tc" | "bos" => format!("{name}={value}/{mask:x}"),
                _ => format!("{name}={value}/{mask:#x}"),
            }
        };
        PARTS.map(part).join(",")
    });
    Some(shown.collect::<Vec<_>>().join(","))
}

/// A key's entries.
pub fn format_exact(key: &FlowKey) -> String {
    let values = entries(|i| key.word(i));
    values[..depth(values)].iter().map(|&entry| format_entry(entry)).collect::<Vec<_>>().join(",")
}

/// `label=0,tc=0,ttl=64,bos=1`
pub fn format_entry(entry: u32) -> String {
    PARTS.map(|(name, bits, at)| format!("{name}={}", entry >> at & bits)).join(",")
}

/// Entries with their masks.
pub fn parse(inside: &str) -> Option<Vec<(u32, u32)>> {
    let mut found: Vec<(u32, u32)> = Vec::new();
    for word in inside.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let (name, text) = word.split_once('=')?;
        let (_, bits, at) = *PARTS.iter().find(|(n, _, _)| *n == name)?;
        if name == "label" || found.is_empty() {
            found.push((0, 0));
        }
        let number = |text: &str| parse_u64(text).and_then(|n| u32::try_from(n).ok()).filter(|n| n & !bits == 0);
        let (value, mask) = match text.split_once('/') {
            Some((value, mask)) => (number(value)?, u32::from_str_radix(mask.trim_start_matches("0x"), 16).ok()?),
            None => (number(text)?, bits),
        };
        let (entry, entry_mask) = found.last_mut()?;
        *entry |= (value & mask) << at;
        *entry_mask |= (mask & bits) << at;
    }
    (found.len() <= ENTRIES).then_some(found)
}

fn depth(values: [u32; ENTRIES]) -> usize {
    values.iter().position(|entry| entry & BOTTOM != 0).map_or(ENTRIES, |at| at + 1)
}
