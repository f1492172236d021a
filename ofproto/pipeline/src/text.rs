//! What `ofproto/trace` and the other queries print of matches, actions and addresses.

use std::fmt::Write as _;

use weft_base::Time;
use weft_engine::Megaflow;
use weft_flow::dpctl::{self, DpNames};
use weft_flow::text::{PortNames, format_match, format_value};
use weft_flow::{DpAction, FieldId, FlowKey, FlowMask, Match, OfPort};
use weft_openflow::Instructions;
use weft_openflow::action::{Action, SubField};
use weft_openflow::instruction::WriteMetadata;
use weft_openflow::text::action_print::format_subfield;
use weft_openflow::text::{Names, format_action, format_actions, format_instructions, parse_instructions};

use crate::config::Mac;

/// `02:00:00:00:00:01`
pub(crate) fn mac(mac: Mac) -> String {
    weft_openflow::ids::Mac(mac).to_string()
}

/// Actions as the tools write them.
pub(crate) fn actions(actions: &[Action]) -> String {
    format_actions(actions, &Names::none())
}

/// One action as the tools write it.
pub(crate) fn action(action: &Action) -> String {
    format_action(action, &Names::none())
}

/// `write_metadata:0x5/0xff`
pub(crate) fn write_metadata(write: &WriteMetadata) -> String {
    match write.mask {
        u64::MAX => format!("write_metadata:{:#x}", write.value),
        mask => format!("write_metadata:{:#x}/{mask:#x}", write.value),
    }
}

/// A match as the tools write it, empty for "anything".
pub(crate) fn matching(of: &Match) -> String {
    let text = format_match(of, &PortNames::new());
    // what comes from no port: OVS's traces call it ANY
    match of.get(FieldId::InPortOxm) {
        (port, mask) if mask != 0 && port == u128::from(OfPort::NONE.0) => {
            text.replacen("in_port=NONE", "in_port=ANY", 1)
        }
        _ => text,
    }
}

/// `NXM_OF_ETH_DST[] is now 00:00:00:00:00:00`
pub(crate) fn is_now(dst: SubField, value: u128) -> String {
    let text = format_value(dst.field, value, dst.field.field().all_ones(), &PortNames::new());
    let text = if text == "0x0" { "0" } else { &text };
    format!("{} is now {text}", format_subfield(dst))
}

/// A frame's key, every field that such a frame has; what is zero beyond the headers is left out.
pub(crate) fn flow(key: &FlowKey) -> String {
    use FieldId::*;
    let mut fields: Vec<FieldId> = vec![InPortOxm, EthSrc, EthDst, EthType, VlanTci];
    let proto = NwProto.get(key);
    match EthType.get(key) {
        kind @ (0x0800 | 0x86dd) => {
            if kind == 0x0800 {
                fields.extend([IpSrc, IpDst]);
            } else {
                fields.extend([Ipv6Src, Ipv6Dst, Ipv6Label]);
            }
            fields.extend([NwProto, NwTos, NwTtl, IpFrag]);
            let icmp = if kind == 0x0800 { 1 } else { 58 };
            match proto {
                6 => fields.extend([TcpSrc, TcpDst, TcpFlags]),
                17 | 132 => fields.extend([TcpSrc, TcpDst]),
                _ if proto == icmp => {
                    fields.extend([TcpSrc, TcpDst]);
                    match (kind, IcmpType.get(key)) {
                        (0x86dd, 135) => fields.extend([NdTarget, NdSll, NdReserved, NdOptionsType]),
                        (0x86dd, 136) => fields.extend([NdTarget, NdTll, NdReserved, NdOptionsType]),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        0x0806 | 0x8035 => fields.extend([ArpSpa, ArpTpa, ArpOp, ArpSha, ArpTha]),
        0x8847 | 0x8848 => fields.extend([MplsLabel, MplsTc, MplsTtl, MplsBos]),
        _ => {}
    }
    let mut mask = FlowMask::new();
    for field in fields {
        field.unwildcard(&mut mask);
    }
    for field in FieldId::ALL {
        let is_metadata = field < EthSrc && !matches!(field, InPort | InPortOxm | PacketType);
        let is_wide = (Xreg0..=Xxreg3).contains(&field);
        if is_metadata && !is_wide && field.get(key) != 0 {
            field.unwildcard(&mut mask);
        }
    }
    let mut text = matching(&Match::new(key.clone(), mask));
    if VlanTci.get(key) != 0 {
        let (tpid, tci) = ((key.word(4) >> 32) as u16, (key.word(4) >> 48) as u16);
        let inner = match tpid {
            0 => format!(",vlan_tci1={tci:#06x}"),
            _ => format!(",dl_vlan1={},dl_vlan_pcp1={}", tci & 0xfff, tci >> 13),
        };
        let at = text.find(",dl_src=").unwrap_or(text.len());
        text.insert_str(at, &inner);
    }
    text
}

/// `actions=...`, all instructions.
pub(crate) fn instructions(of: &Instructions) -> String {
    format!("actions={}", format_instructions(of, &Names::none()))
}

/// Datapath actions as `ofproto/trace` prints them.
pub(crate) fn dp_actions(actions: &[DpAction]) -> String {
    dpctl::format_actions(actions, &DpNames::new())
}

/// A megaflow as `dpif/dump-flows` prints it.
pub(crate) fn megaflow(flow: &Megaflow, names: &DpNames, more: bool, now: Time) -> String {
    let mut line = String::new();
    if more {
        let _ = write!(line, "ufid:{}, ", ufid(flow.ufid));
    }
    let stats = &flow.stats;
    let _ = write!(
        line,
        "{}, packets:{}, bytes:{}, used:",
        dpctl::format_match(&flow.pattern, names),
        stats.packets.get(),
        stats.bytes.get()
    );
    match stats.used.get() {
        0 => line.push_str("never"),
        used => {
            let ago = now.since(Time::from_nanos(used));
            let _ = write!(line, "{}.{:03}s", ago.as_secs(), ago.subsec_millis());
        }
    }
    if stats.tcp_flags() != 0 {
        let _ = write!(line, ", flags:{}", packet_flags(stats.tcp_flags()));
    }
    let _ = write!(line, ", actions:{}", dpctl::format_actions(&flow.actions.load(), names));
    line
}

/// TCP flags as tcpdump and OVS abbreviate them.
fn packet_flags(flags: u16) -> String {
    let letters =
        [(0x01, 'F'), (0x02, 'S'), (0x04, 'R'), (0x08, 'P'), (0x10, '.'), (0x20, 'U'), (0x40, 'E'), (0x80, 'C')];
    letters.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, letter)| *letter).collect()
}

fn ufid(ufid: u128) -> String {
    let hex = format!("{ufid:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Actions in the tools' syntax.
pub(crate) fn parse_actions(text: &str, ports: PortNames) -> Result<Vec<Action>, String> {
    let mut names = Names::none();
    names.ports = ports;
    parse_instructions(text, &names).map(|i| i.apply)
}

/// A flow in the datapath's syntax.
pub(crate) fn parse_odp_flow(text: &str, names: &DpNames) -> Result<FlowKey, String> {
    dpctl::parse_key(text, names)
}
