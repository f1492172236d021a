//! Keys and matches, printed.

use weft_packet::DpPort;

use super::DpNames;
use super::layout::{self, Item};
use super::{mpls, tunnel};
use crate::text::flags::{CT_STATE, TCP_FLAGS, format_flags, format_masked_flags};
use crate::text::number::hex;
use crate::{FieldId, FlowKey, FlowMask, Match};

/// How much of a flow is said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// What matters.
    Match,
    /// What matters, and that it is Ethernet if nothing else says so.
    Flow,
    /// What the frame has, with masks of no bit for what does not matter.
    Verbose,
    /// A key in full: its mask goes without saying.
    Whole,
}

/// A match as `dpctl/dump-flows` shows it: fields that do not matter are left out.
pub fn format_match(matching: &Match, names: &DpNames) -> String {
    print(matching.key(), matching.mask(), names, Style::Match)
}

/// A flow by the frame that made it: values as that frame had them, masks beside them. With `verbose`, what does not
/// matter is shown with a mask of no bit (`dpctl/dump-flows -m`).
pub fn format_flow(key: &FlowKey, mask: &FlowMask, names: &DpNames, verbose: bool) -> String {
    print(key, mask, names, if verbose { Style::Verbose } else { Style::Flow })
}

/// A whole key: every field of the headers that it has.
pub fn format_key(key: &FlowKey, names: &DpNames) -> String {
    print(key, &full_mask(key), names, Style::Whole)
}

/// A whole key with the metadata that is zero, as the datapath logs what it does not know.
pub fn format_key_in_full(key: &FlowKey, names: &DpNames) -> String {
    let mut mask = full_mask(key);
    layout::SINGLES.iter().for_each(|(_, field, _)| field.unwildcard(&mut mask));
    FieldId::CtState.unwildcard(&mut mask);
    print(key, &mask, names, Style::Whole)
}

/// The mask under which all fields of the headers that `key` has matter.
pub fn full_mask(key: &FlowKey) -> FlowMask {
    let mut mask = FlowMask::new();
    use FieldId::*;
    [RecircId, InPort, PacketType, EthSrc, EthDst, EthType].iter().for_each(|field| field.unwildcard(&mut mask));
    for (_, field, _) in layout::SINGLES {
        if field.get(key) != 0 {
            field.unwildcard(&mut mask);
        }
    }
    if CtState.get(key) != 0 {
        CtState.unwildcard(&mut mask);
    }
    if key.word(2) & PRESENT != 0 {
        mask.or_word(2, 0xffff);
        mask.or_word(3, 0xffff);
    }
    if key.word(4) >> 48 & PRESENT != 0 {
        mask.or_word(4, 0xffff_ffff << 32);
    }
    if crate::tunnel::is_there(key) {
        tunnel::full_mask(key, &mut mask);
    }
    for (_, items) in headers(key) {
        items.iter().for_each(|(_, field, _)| field.unwildcard(&mut mask));
    }
    if nw_proto(key) == 6 && is_ip(key) {
        TcpFlags.unwildcard(&mut mask);
    }
    mask
}

fn print(key: &FlowKey, mask: &FlowMask, names: &DpNames, style: Style) -> String {
    let verbose = style == Style::Verbose;
    let mut parts: Vec<String> = Vec::new();
    let single = |name: &str, field: FieldId, form, parts: &mut Vec<String>| {
        let (value, bits) = (field.get(key), field.get_mask(mask));
        if bits != 0 || verbose {
            parts.push(format!("{name}({})", layout::show(form, value, bits, field.field().all_ones())));
        }
    };
    let (before, after) = layout::SINGLES.split_at(BEFORE_CT_STATE);
    let (priority, before) = before.split_at(1);
    priority.iter().for_each(|(name, field, form)| single(name, *field, *form, &mut parts));
    if crate::tunnel::is_there(key) {
        parts.push(format!("tunnel({})", tunnel::format(key, mask, verbose)));
    }
    before.iter().for_each(|(name, field, form)| single(name, *field, *form, &mut parts));
    let ct = FieldId::CtState.get_mask(mask);
    if ct == 0 && verbose {
        parts.push(format!("ct_state({}/0)", hex(FieldId::CtState.get(key))));
    } else if ct != 0 {
        let value = FieldId::CtState.get(key);
        let all = FieldId::CtState.field().all_ones();
        let exact = ct == all;
        let text = if exact { format_flags(value, CT_STATE) } else { format_masked_flags(value, ct, CT_STATE) };
        parts.push(format!("ct_state({text})"));
    }
    after.iter().for_each(|(name, field, form)| single(name, *field, *form, &mut parts));
    if FieldId::InPort.get_mask(mask) != 0 || mask.word(0) & 0xffff_ffff != 0 {
        parts.push(format!("in_port({})", names.show(DpPort(key.word(0) as u32))));
    }
    let packet_type = FieldId::PacketType.get(key);
    let typed = FieldId::PacketType.get_mask(mask) != 0;
    if typed {
        parts.push(format!("packet_type(ns={},id={})", packet_type >> 16, hex(packet_type & 0xffff)));
    } else if verbose {
        parts.push(format!("packet_type(ns={}/0,id={}/0)", packet_type >> 16, hex(packet_type & 0xffff)));
    }
    if packet_type == 0 {
        let eth = fields(key, mask, layout::ETH, style);
        if !eth.is_empty() || (!typed && style == Style::Flow) {
            parts.push(format!("eth({eth})"));
        }
    }
    let mut closing = 0;
    for (tci, tpid, bits, matters) in tags(key, mask, style) {
        match matters || verbose {
            true => parts.push(format!("eth_type({tpid:#06x}),vlan({}),encap(", vlan(tci, bits, verbose))),
            false => parts.push(format!("eth_type({tpid:#06x}),encap(")),
        }
        closing += 1;
    }
    let eth_type = FieldId::EthType.get(key);
    match (eth_type, FieldId::EthType.get_mask(mask)) {
        (_, 0) => {}
        // An 802.3 frame: the datapath says that there is no type.
        (0 | 0x05ff, _) => parts.push("eth_type(0/0xffff)".to_owned()),
        (_, 0xffff) => parts.push(format!("eth_type({eth_type:#06x})")),
        (_, bits) => parts.push(format!("eth_type({eth_type:#06x}/{bits:#06x})")),
    }
    for (name, items) in headers(key) {
        let inside = match name {
            "mpls" if style == Style::Whole => mpls::format_exact(key),
            "mpls" => mpls::format_masked(key, mask, verbose).unwrap_or_default(),
            _ => fields(key, mask, items, style),
        };
        if !inside.is_empty() {
            parts.push(format!("{name}({inside})"));
        }
        if name == "tcp" {
            let bits = FieldId::TcpFlags.get_mask(mask);
            let (value, all) = (FieldId::TcpFlags.get(key), FieldId::TcpFlags.field().all_ones());
            if bits == 0 && verbose && value != 0 {
                parts.push("tcp_flags(0/0)".to_owned());
            } else if bits == all {
                parts.push(format!("tcp_flags({})", format_flags(value, TCP_FLAGS)));
            } else if bits != 0 {
                parts.push(format!("tcp_flags({})", format_masked_flags(value, bits, TCP_FLAGS)));
            }
        }
    }
    let text = parts.join(",").replace("encap(,", "encap(");
    text + &")".repeat(closing)
}

/// `name=value` of those that matter.
fn fields(key: &FlowKey, mask: &FlowMask, items: &[Item], style: Style) -> String {
    let shown = items.iter().filter_map(|(name, field, form)| {
        let bits = field.get_mask(mask);
        let full = field.field().all_ones();
        (bits != 0 || style == Style::Verbose)
            .then(|| format!("{name}={}", layout::show(*form, field.get(key), bits, full)))
    });
    shown.collect::<Vec<_>>().join(",")
}

/// The tags that are there, outer first: TCI, type, bits of the TCI that matter, whether any of id and priority does. A
/// flow that says nothing of its tags shows none.
fn tags(key: &FlowKey, mask: &FlowMask, style: Style) -> Vec<(u16, u16, u16, bool)> {
    let outer = (key.word(2) as u16, key.word(3) as u16, mask.word(2) as u16);
    let inner = ((key.word(4) >> 48) as u16, (key.word(4) >> 32) as u16, (mask.word(4) >> 48) as u16);
    let there =
        |(tci, _, bits): &(u16, u16, u16)| u64::from(*tci) & PRESENT != 0 && (*bits != 0 || style == Style::Verbose);
    let typed = |(tci, tpid, bits): (u16, u16, u16)| {
        (tci, if tpid == 0 { 0x8100 } else { tpid }, bits, u64::from(bits) & !PRESENT != 0)
    };
    [outer, inner].into_iter().take_while(there).map(typed).collect()
}

/// `vid=10,pcp=3/0x0`: with masks where not all bits matter; what is zero and does not matter is left out, unless all
/// is to be said.
pub(super) fn vlan(tci: u16, bits: u16, verbose: bool) -> String {
    let part = |name: &str, value: u16, mask: u16, full: u16| match mask {
        0 if value == 0 && !verbose => None,
        mask if mask == full => Some(format!("{name}={value}")),
        mask => Some(format!("{name}={value}/{mask:#x}")),
    };
    let vid = part("vid", tci & 0xfff, bits & 0xfff, 0xfff);
    let pcp = part("pcp", tci >> 13, bits >> 13, 7);
    let cfi = (tci & 0x1000 == 0).then(|| "cfi=0".to_owned());
    [vid, pcp, cfi].into_iter().flatten().collect::<Vec<_>>().join(",")
}

/// The network and transport headers that a key has.
fn headers(key: &FlowKey) -> Vec<(&'static str, &'static [Item])> {
    let mut found: Vec<(&'static str, &'static [Item])> = Vec::new();
    match FieldId::EthType.get(key) {
        0x0800 => found.push(("ipv4", layout::IPV4)),
        0x86dd => found.push(("ipv6", layout::IPV6)),
        0x0806 | 0x8035 => found.push(("arp", layout::ARP)),
        0x8847 | 0x8848 => found.push(("mpls", layout::MPLS)),
        0x894f => found.push(("nsh", if FieldId::NshMdtype.get(key) == 1 { layout::NSH } else { &layout::NSH[..6] })),
        _ => {}
    }
    // A later fragment has no transport header.
    if !is_ip(key) || FieldId::IpFrag.get(key) & 2 != 0 {
        return found;
    }
    match (nw_proto(key), FieldId::EthType.get(key)) {
        (6, _) => found.push(("tcp", layout::TCP)),
        (17, _) => found.push(("udp", layout::UDP)),
        (132, _) => found.push(("sctp", layout::SCTP)),
        (1, 0x0800) => found.push(("icmp", layout::ICMP)),
        (58, 0x86dd) => {
            found.push(("icmpv6", layout::ICMPV6));
            if matches!(FieldId::Icmpv6Type.get(key), 135 | 136) {
                found.push(("nd", layout::ND));
            }
        }
        _ => {}
    }
    found
}

fn is_ip(key: &FlowKey) -> bool {
    matches!(FieldId::EthType.get(key), 0x0800 | 0x86dd)
}

fn nw_proto(key: &FlowKey) -> u128 {
    FieldId::NwProto.get(key)
}

/// The bit of a TCI that says "there is a tag".
const PRESENT: u64 = 0x1000;
/// How many of the single values stand before `ct_state`.
const BEFORE_CT_STATE: usize = 2;
