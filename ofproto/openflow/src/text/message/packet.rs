//! Packets to and from controllers.

use std::fmt::Write;

use weft_flow::text::{format_key, format_match};
use weft_flow::{FieldId, FlowKey, Match, OfPort, extract};
use weft_packet::Frame;

use crate::packet::{PacketIn, PacketInReason, PacketOut};
use crate::text::action_print::REASONS;
use crate::text::color::paint_match;
use crate::text::{Names, format_actions};
use crate::wire::said::dump;

fn reason_name(reason: PacketInReason) -> String {
    match reason {
        PacketInReason::EXPLICIT_MISS | PacketInReason::IMPLICIT_MISS => "no_match".to_owned(),
        PacketInReason(number) => {
            REASONS.get(usize::from(number)).map_or_else(|| number.to_string(), |name| (*name).to_owned())
        }
    }
}

pub(super) fn packet_in(p: &PacketIn, names: &Names, verbosity: u32) -> String {
    let mut text = String::new();
    if let Some(table) = p.table.filter(|t| t.0 != 0) {
        let _ = write!(text, " table_id={}", names.show_table(table));
    }
    // All ones: no flow sent it.
    if let Some(cookie) = p.cookie.filter(|cookie| cookie.0 != u64::MAX) {
        let _ = write!(text, " cookie={:#x}", cookie.0);
    }
    let _ = write!(text, " total_len={} ", p.total_len);
    text.push_str(&paint_match(&format_match(&p.metadata, &names.ports), names));
    let _ = write!(text, " (via {})", reason_name(p.reason));
    let _ = write!(text, " data_len={}", p.packet.len());
    match p.buffer_id {
        None => {
            text.push_str(" (unbuffered)");
            if p.total_len != p.packet.len() {
                text.push_str(" (***total_len != data_len***)");
            }
        }
        Some(id) => {
            let _ = write!(text, " buffer={id:#010x}");
            if p.total_len < p.packet.len() {
                text.push_str(" (***total_len < data_len***)");
            }
        }
    }
    text.push('\n');
    if !p.userdata.is_empty() {
        let bytes: Vec<String> = p.userdata.iter().map(|b| format!("{b:02x}")).collect();
        let _ = writeln!(text, " userdata={}", bytes.join("."));
    }
    if !p.continuation.is_empty() && verbosity > 0 {
        let bytes: Vec<String> = p.continuation.iter().map(|b| format!("{b:02x}")).collect();
        let _ = writeln!(text, " continuation={}", bytes.join("."));
    }
    if verbosity > 0 || !p.packet.is_empty() {
        text.push_str(&format_packet(&p.packet, &p.metadata, names));
    }
    if verbosity > 0 {
        text.push_str(&dump(&p.packet));
        text.push('\n');
    }
    text
}

pub(super) fn packet_out(p: &PacketOut, names: &Names, verbosity: u32) -> String {
    let mut text = format!(" {}", paint_match(&format_match(&p.metadata, &names.ports), names));
    let _ = write!(text, " actions={}", format_actions(&p.actions, names));
    match p.buffer_id {
        Some(id) => {
            let _ = write!(text, " buffer={id:#010x}");
        }
        None => {
            let _ = write!(text, " data_len={}", p.packet.len());
            if verbosity > 0 && !p.packet.is_empty() {
                text.push('\n');
                text.push_str(&format_packet(&p.packet, &p.metadata, names));
                text.push_str(&dump(&p.packet));
                text.push('\n');
                return text;
            }
            if !p.packet.is_empty() {
                text.push('\n');
                text.push_str(&format_packet(&p.packet, &p.metadata, names));
                return text;
            }
        }
    }
    text.push('\n');
    text
}

/// A packet's headers on one line with its end, and the checksum of its innermost header.
pub fn format_packet(packet: &[u8], metadata: &Match, names: &Names) -> String {
    let mut frame = Frame::copy_of(packet);
    let mut key = FlowKey::new();
    FieldId::PacketType.set(&mut key, metadata.get(FieldId::PacketType).0);
    if extract::extract_again(&mut frame, &mut key, extract::Limits { vlans: 2 }).is_err() {
        return format!("(***packet of {} bytes is too short***)\n", packet.len());
    }
    // where it came in stands with the rest of the metadata
    FieldId::InPortOxm.set(&mut key, u128::from(OfPort::NONE.0));
    let shown = format_key(&key, &names.ports);
    let shown = shown.replacen(&format!("in_port={},", names.ports.show(OfPort::NONE)), "", 1);
    format!("{}{}\n", paint_match(&shown, names), checksum(&frame, &key))
}

fn checksum(frame: &Frame, key: &FlowKey) -> String {
    let eth_type = match FieldId::PacketType.get(key) {
        0 => FieldId::EthType.get(key),
        packet_type => packet_type & 0xffff,
    };
    if !matches!(eth_type, 0x0800 | 0x86dd) || frame.l4 == 0 {
        return String::new();
    }
    let (name, offset) = match FieldId::NwProto.get(key) {
        6 => ("tcp_csum", 16),
        17 => ("udp_csum", 6),
        132 => ("sctp_csum", 8),
        1 if eth_type == 0x0800 => ("icmp_csum", 2),
        58 if eth_type == 0x86dd => ("icmp6_csum", 2),
        _ => return String::new(),
    };
    let at = usize::from(frame.l4) + offset;
    let bytes = frame.bytes();
    if name == "sctp_csum" {
        return bytes
            .get(at..at + 4)
            .map(|b| format!(" {name}:{:x}", u32::from_be_bytes([b[0], b[1], b[2], b[3]])))
            .unwrap_or_default();
    }
    bytes.get(at..at + 2).map(|b| format!(" {name}:{:x}", u16::from_be_bytes([b[0], b[1]]))).unwrap_or_default()
}
