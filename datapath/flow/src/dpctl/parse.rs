//! Keys and matches, read.

use super::layout::{self, Item};
use super::{DpNames, call, split_top};
use crate::text::flags::{CT_STATE, TCP_FLAGS, parse_flags};
use crate::text::number::parse_u64;
use crate::{FieldId, FlowKey, Match};

/// A match; what is not mentioned does not matter.
///
/// # Errors
/// Names the word that was not understood.
pub fn parse_match(text: &str, names: &DpNames) -> Result<Match, String> {
    let mut matching = Match::any();
    // blanks and line breaks say nothing
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let text = text.as_str();
    let text = match text.strip_prefix("ufid:").and_then(|rest| rest.split_once(',')) {
        Some((_, rest)) => rest,
        None => text,
    };
    level(text, names, &mut matching, 0)?;
    Ok(matching)
}

/// A key; what is not mentioned is zero, except that a network header says its own Ethernet type.
///
/// # Errors
/// Names the word that was not understood.
pub fn parse_key(text: &str, names: &DpNames) -> Result<FlowKey, String> {
    let mut matching = parse_match(text, names)?;
    let (packet_type, typed) = matching.get(FieldId::PacketType);
    if packet_type >> 16 == 1 && typed != 0 {
        // a packet without an Ethernet header is of the type that its packet type says
        matching.set(FieldId::EthType, packet_type & 0xffff);
    } else if matching.get(FieldId::EthType).1 == 0 {
        let names = split_top(text)?.into_iter().map(|part| call(part).0);
        let mut implied = names.filter_map(|name| match name {
            "ipv4" => Some(0x0800),
            "ipv6" => Some(0x86dd),
            "arp" => Some(0x0806),
            _ => None,
        });
        if let Some(kind) = implied.next_back() {
            matching.set(FieldId::EthType, kind);
        }
    }
    Ok(matching.key().clone())
}

/// One level of nesting; `tags` have been read outside.
fn level(text: &str, names: &DpNames, out: &mut Match, tags: usize) -> Result<(), String> {
    let parts = split_top(text)?;
    let mut tagged = false;
    for (index, part) in parts.iter().enumerate() {
        let (name, Some(inside)) = call(part) else { return Err(format!("syntax error at {part}")) };
        let bad = || format!("syntax error at {part}");
        if let Some((_, field, form)) = layout::SINGLES.iter().find(|(n, _, _)| *n == name) {
            let (value, mask) = layout::read(*form, inside, field.field().all_ones()).ok_or_else(bad)?;
            out.set_masked(*field, value, mask);
            continue;
        }
        if name == "tunnel" {
            let rest = || &text[part.as_ptr() as usize - text.as_ptr() as usize..];
            super::tunnel::parse(inside, out).map_err(|_| format!("syntax error at {}", rest()))?;
            continue;
        }
        if name == "mpls" {
            label_stack(&super::mpls::parse(inside).ok_or_else(bad)?, out);
            continue;
        }
        if let Some((items, _)) = layout::group(name) {
            group(inside, items, out).map_err(|what| format!("syntax error at {what}"))?;
            continue;
        }
        match name {
            "in_port" => {
                let port = names.parse(inside).ok_or_else(bad)?;
                out.set(FieldId::InPortOxm, port.0.into());
            }
            "packet_type" => {
                let (mut ns, mut id) = (0, 0);
                for word in split_top(inside)? {
                    let (key, value) = word.split_once('=').ok_or_else(bad)?;
                    let value = parse_u64(value).filter(|v| *v <= 0xffff).ok_or_else(bad)?;
                    *(if key == "ns" { &mut ns } else { &mut id }) = value;
                }
                out.set(FieldId::PacketType, u128::from(ns << 16 | id));
            }
            "eth_type" => {
                // Before a tag, the type is the tag's.
                let next = parts.get(index + 1).map(|next| call(next).0);
                let (value, mask) = layout::read(layout::Form::Hex, inside, 0xffff).ok_or_else(bad)?;
                match next {
                    Some("vlan") => tag(out, tags, None, Some(value as u16), 0)?,
                    // a tag of which nothing matters but that it is there
                    Some("encap") => {
                        tag(out, tags, Some(0x1000), Some(value as u16), 0x1000)?;
                        tagged = true;
                    }
                    _ if inside == "0/0xffff" => out.set(FieldId::EthType, 0x05ff),
                    _ => out.set_masked(FieldId::EthType, value, mask),
                }
            }
            "vlan" => {
                let (tci, bits) = vlan(inside).ok_or_else(bad)?;
                tag(out, tags, Some(tci), None, bits)?;
                tagged = true;
            }
            "encap" => level(inside, names, out, tags + usize::from(tagged))?,
            "ct_state" => {
                let all = FieldId::CtState.field().all_ones();
                let (value, mask) = parse_flags(inside, all, CT_STATE).map_err(|_| bad())?;
                out.set_masked(FieldId::CtState, value, mask);
            }
            "tcp_flags" => {
                let all = FieldId::TcpFlags.field().all_ones();
                let (value, mask) = parse_flags(inside, all, TCP_FLAGS).map_err(|_| bad())?;
                out.set_masked(FieldId::TcpFlags, value, mask);
            }
            // What connections say of their first frame: not matched by this datapath yet.
            "ct_tuple4" | "ct_tuple6" => {}
            _ => return Err(bad()),
        }
    }
    Ok(())
}

fn group<'a>(inside: &'a str, items: &[Item], out: &mut Match) -> Result<(), &'a str> {
    for word in inside.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let (name, value) = word.split_once('=').ok_or(word)?;
        let (_, field, form) = items.iter().find(|(n, _, _)| *n == name).ok_or(word)?;
        let (value, mask) = layout::read(*form, value, field.field().all_ones()).ok_or(word)?;
        out.set_masked(*field, value, mask);
        if *field == FieldId::NwTos {
            out.set_masked(FieldId::NwEcn, value & 3, mask & 3);
        }
    }
    Ok(())
}

fn label_stack(entries: &[(u32, u32)], out: &mut Match) {
    let (mut key, mut mask) = (out.key().clone(), out.mask().clone());
    for ((value, bits), (word, shift)) in entries.iter().zip([(25, 32), (25, 0), (26, 32)]) {
        key.set_bits(word, shift, 32, u128::from(*value));
        mask.set_bits(word, shift, 32, u128::from(*bits));
    }
    *out = Match::new(key, mask);
}

/// Writes a tag's TCI or type: the outer one, or the inner.
fn tag(out: &mut Match, level: usize, tci: Option<u16>, tpid: Option<u16>, bits: u16) -> Result<(), String> {
    let (mut key, mut mask) = (out.key().clone(), out.mask().clone());
    let (tci_at, tpid_at) = match level {
        0 => ((2, 0), (3, 0)),
        1 => ((4, 48), (4, 32)),
        _ => return Err("more than two VLAN tags".to_owned()),
    };
    if let Some(tci) = tci {
        key.set_bits(tci_at.0, tci_at.1, 16, u128::from(tci));
        mask.set_bits(tci_at.0, tci_at.1, 16, u128::from(bits));
    }
    if let Some(tpid) = tpid {
        key.set_bits(tpid_at.0, tpid_at.1, 16, u128::from(tpid));
        mask.set_bits(tpid_at.0, tpid_at.1, 16, 0xffff);
    }
    *out = Match::new(key, mask);
    Ok(())
}

/// `vid=10,pcp=0`, with masks; a tag that is there unless `cfi=0`.
pub(super) fn vlan(inside: &str) -> Option<(u16, u16)> {
    let (mut tci, mut bits) = (0x1000u16, 0x1000u16);
    for word in inside.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let (name, value) = word.split_once('=')?;
        let (full, shift) = match name {
            "vid" => (0xfff, 0),
            "pcp" => (7, 13),
            "cfi" => (1, 12),
            "tci" => (0xffff, 0),
            _ => return None,
        };
        let (value, mask) = layout::read(layout::Form::Hex, value, full)?;
        tci = tci & !((full as u16) << shift) | (value as u16) << shift;
        bits |= (mask as u16) << shift;
    }
    Some((tci, bits))
}
