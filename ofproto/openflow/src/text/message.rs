//! Whole messages as `ofctl` prints them: what stands behind `OFPT_... (xid=0x..):`.
//!
//! - [`switch`]: features, configuration, descriptions.
//! - [`port`]: ports, their counters and queues.
//! - [`table`]: how tables are configured; [`table_features`]: what they can do, and their counters.
//! - [`group`], [`meter`]: groups and meters.
//! - [`packet`]: packets to and from controllers.
//! - [`whole`]: all of a message from its bytes.
//! - [`flow`]: flow mods, flow removal, flow statistics, monitors.

mod flow;
mod group;
mod meter;
mod packet;
mod port;
mod switch;
mod table;
mod table_features;
pub mod whole;

pub use flow::raw_flow_mod as format_raw_flow_mod;
pub use packet::format_packet;
pub use port::format_port_desc;

use std::fmt::Write;

use super::Names;
use crate::message::{Message, StatsReply, StatsRequest};
use crate::{Version, bundle::BundleControlKind, controller::Role};

/// The text of a message's body. It begins with a space or a line's end where the tools put one behind the colon, and ends
/// with a line's end only where bodies of several lines do.
///
/// `verbosity` is the number of `-m` options: from 1 on packets are also dumped in hexadecimal.
pub fn format_body(message: &Message, version: Version, names: &Names, verbosity: u32) -> String {
    match message {
        Message::Hello { versions } => hello(*versions),
        Message::Error(error) => format!(" {}\n{}", error.code.name(), error_data(error)),
        Message::EchoRequest(data) | Message::EchoReply(data) => echo(data),
        Message::FeaturesReply(features) => switch::features(features, version),
        Message::GetConfigReply(config) | Message::SetConfig(config) => switch::config(config),
        Message::PacketIn(packet) | Message::Resume(packet) => packet::packet_in(packet, names, verbosity),
        Message::PacketOut(packet) => packet::packet_out(packet, names, verbosity),
        Message::FlowRemoved(removed) => flow::removed(removed, version, names),
        Message::FlowMod(flow_mod) => flow::flow_mod(flow_mod, version, names, verbosity),
        Message::PortStatus(status) => port::status(status),
        Message::PortMod(port_mod) => port::port_mod(port_mod, names),
        Message::TableMod(table_mod) => table::table_mod(table_mod, names),
        Message::TableStatus(status) => table::status(status, names),
        Message::GroupMod(group_mod) => group::group_mod(group_mod, version, names),
        Message::MeterMod(meter_mod) => meter::meter_mod(meter_mod),
        Message::QueueGetConfigRequest { port, .. } => format!(" port={}", names.ports.show(*port)),
        Message::QueueGetConfigReply { queues, .. } => port::queue_configs(queues, names),
        Message::RoleRequest(role) | Message::RoleReply(role) => {
            format!(" role={}{}", role_name(role.role), generation(role.generation_id))
        }
        Message::RoleStatus(status) => {
            let reason = ["primary_request", "configuration_changed", "experimenter_data_changed"];
            let reason = reason.get(usize::from(status.reason)).copied().unwrap_or("(unknown)");
            format!(" role={}{} reason={reason}", role_name(status.role), generation(status.generation_id))
        }
        Message::StatsRequest(request) => stats_request(request, version, names),
        Message::StatsReply { body, .. } => stats_reply(body, version, names),
        Message::SetFlowFormat(format) => match format {
            crate::message::FlowFormat::OpenFlow10 => " format=openflow10".to_owned(),
            crate::message::FlowFormat::Nxm => " format=nxm".to_owned(),
        },
        Message::FlowModTableId(enable) => format!(" {}", if *enable { "enable" } else { "disable" }),
        Message::SetPacketInFormat(format) => {
            let name = match format {
                crate::packet::PacketInFormat::Standard => "standard",
                crate::packet::PacketInFormat::Nxt => "nxt_packet_in",
                crate::packet::PacketInFormat::Nxt2 => "nxt_packet_in2",
            };
            format!(" format={name}")
        }
        Message::SetControllerId(id) => format!(" id={id}"),
        Message::FlowMonitorCancel(id) => format!(" id={id}"),
        Message::BundleControl(control) => {
            let kind = match control.kind {
                BundleControlKind::OpenRequest => "OPEN_REQUEST",
                BundleControlKind::OpenReply => "OPEN_REPLY",
                BundleControlKind::CloseRequest => "CLOSE_REQUEST",
                BundleControlKind::CloseReply => "CLOSE_REPLY",
                BundleControlKind::CommitRequest => "COMMIT_REQUEST",
                BundleControlKind::CommitReply => "COMMIT_REPLY",
                BundleControlKind::DiscardRequest => "DISCARD_REQUEST",
                BundleControlKind::DiscardReply => "DISCARD_REPLY",
            };
            format!("\n bundle_id={} type={kind} flags={}", bundle_id(control.id), bundle_flags(control.flags))
        }
        Message::BundleAdd(add) => {
            let inner = format_body(&add.message, version, names, verbosity);
            let head = head(crate::codec::kind_for(&add.message, &crate::Dialect::new(version)), version, add.xid.0);
            format!("\n bundle_id={} flags={}\n{head}{inner}", bundle_id(add.id), bundle_flags(add.flags))
        }
        Message::RequestForward { message, .. } => {
            let what = if matches!(**message, Message::GroupMod(_)) { "group_mod" } else { "meter_mod" };
            format!(" reason={what}{}", format_body(message, version, names, verbosity))
        }
        Message::CtFlush(flush) => format!(" {}", super::conntrack::format_flush(flush)),
        Message::CtFlushZone(zone) => format!(" zone_id={zone}"),
        Message::TlvTableMod(table_mod) => switch::tlv_table_mod(table_mod),
        Message::TlvTableReply(table) => switch::tlv_table(table),
        Message::SetAsync(config) | Message::GetAsyncReply(config) => switch::async_config(config, version),
        Message::FeaturesRequest
        | Message::GetConfigRequest
        | Message::BarrierRequest
        | Message::BarrierReply
        | Message::GetAsyncRequest
        | Message::FlowAge
        | Message::TlvTableRequest
        | Message::FlowMonitorPaused
        | Message::FlowMonitorResumed => String::new(),
    }
}

fn stats_request(request: &StatsRequest, version: Version, names: &Names) -> String {
    let port = |port| names.ports.show(port).to_string();
    match request {
        StatsRequest::Flow(filter) | StatsRequest::Aggregate(filter) => flow::stats_request(filter, names),
        StatsRequest::Port(p) => format!(" port_no={}", port(*p)),
        StatsRequest::PortDesc(p) => format!(" port={}", port(*p)),
        StatsRequest::Queue { port: p, queue } | StatsRequest::QueueDesc { port: p, queue } => {
            let name = if *queue == crate::QueueId::ALL { "ALL".to_owned() } else { queue.0.to_string() };
            match request {
                // of a description only what was asked for
                StatsRequest::QueueDesc { .. } if *queue == crate::QueueId::ALL => format!(" port={}", port(*p)),
                _ => format!(" port={} queue={name}", port(*p)),
            }
        }
        StatsRequest::Group(id) | StatsRequest::GroupDesc(id) => format!(" group_id={}", group::id(*id)),
        StatsRequest::Meter(id) | StatsRequest::MeterConfig(id) => format!(" meter={}", meter::id(*id)),
        StatsRequest::TableFeatures(tables) if !tables.is_empty() => table_features::features(tables, version, names),
        StatsRequest::FlowMonitor(requests) => flow::monitor_requests(requests, names),
        StatsRequest::Desc
        | StatsRequest::Table
        | StatsRequest::GroupFeatures
        | StatsRequest::MeterFeatures
        | StatsRequest::TableFeatures(_)
        | StatsRequest::TableDesc
        | StatsRequest::IpfixBridge
        | StatsRequest::IpfixFlow => String::new(),
    }
}

fn stats_reply(reply: &StatsReply, version: Version, names: &Names) -> String {
    match reply {
        StatsReply::Desc(desc) => switch::desc(desc),
        StatsReply::Flow(flows) => flow::stats(flows, names),
        StatsReply::Aggregate(a) => {
            format!(" packet_count={} byte_count={} flow_count={}", a.packet_count, a.byte_count, a.flow_count)
        }
        StatsReply::Table(tables) => table_features::stats(tables, version, names),
        StatsReply::Port(ports) => port::stats(ports, names),
        StatsReply::PortDesc(ports) => port::descs(ports),
        StatsReply::Queue(queues) => port::queue_stats(queues, names),
        StatsReply::QueueDesc(queues) => port::queue_configs(queues, names),
        StatsReply::Group(groups) => group::stats(groups),
        StatsReply::GroupDesc(groups) => group::descs(groups, version, names),
        StatsReply::GroupFeatures(features) => group::features(features),
        StatsReply::Meter(meters) => meter::stats(meters),
        StatsReply::MeterConfig(meters) => meter::configs(meters),
        StatsReply::MeterFeatures(features) => meter::features(features),
        StatsReply::TableFeatures(tables) => table_features::features(tables, version, names),
        StatsReply::TableDesc(tables) => table::descs(tables, names),
        StatsReply::FlowMonitor(updates) => flow::monitor_updates(updates, names),
        StatsReply::IpfixBridge(stats) => switch::ipfix(&[*stats]),
        StatsReply::IpfixFlow(stats) => switch::ipfix(stats),
    }
}

fn hello(versions: u32) -> String {
    let listed: Vec<String> = (0..32).filter(|bit| versions & 1 << bit != 0).map(|bit| format!("{bit:#04x}")).collect();
    format!("\n version bitmap: {}\n", listed.join(", "))
}

fn echo(data: &[u8]) -> String {
    let dump = if data.is_empty() { String::new() } else { hex_dump(data) };
    format!(" {} bytes of payload\n{dump}", data.len())
}

/// HELLO_FAILED carries a text; the others the message that caused them.
fn error_data(error: &crate::ErrorMessage) -> String {
    if error.code.name().starts_with("OFPHFC_") {
        return format!("{}\n", escape(&error.data));
    }
    whole::show(&error.data, whole::Style { names: &Names::none(), verbosity: 0, table_id: true })
}

/// `OFPT_HELLO (OF1.3) (xid=0x1):`
pub fn head(kind: crate::codec::Kind, version: Version, xid: u32) -> String {
    let of = if version == Version::V10 { String::new() } else { format!(" (OF{})", version.number()) };
    format!("{}{of} (xid={xid:#x}):", kind.name_in(version))
}

/// Text with what cannot be printed as octal numbers.
fn escape(bytes: &[u8]) -> String {
    let one = |b: &u8| if (0x20..0x7f).contains(b) { char::from(*b).to_string() } else { format!("\\{b:03o}") };
    bytes.iter().map(one).collect()
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::NoChange => "nochange",
        Role::Equal => "equal",
        Role::Primary => "primary",
        Role::Secondary => "secondary",
    }
}

fn generation(id: Option<u64>) -> String {
    id.filter(|id| *id != u64::MAX).map(|id| format!(" generation_id={id}")).unwrap_or_default()
}

/// Hexadecimal, but a plain `0`.
fn bundle_id(id: u32) -> String {
    if id == 0 { "0".to_owned() } else { format!("{id:#x}") }
}

fn bundle_flags(flags: crate::bundle::BundleFlags) -> String {
    words(flags.bits().into(), &[(1, "atomic"), (2, "ordered")], " ")
}

/// The words of set bits, unknown bits in hexadecimal, `0` for none.
fn words(bits: u64, names: &[(u64, &str)], between: &str) -> String {
    let mut said: Vec<String> =
        names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| (*name).to_owned()).collect();
    let known: u64 = names.iter().map(|(bit, _)| bit).fold(0, |a, b| a | b);
    if bits & !known != 0 {
        said.push(format!("{:#x}", bits & !known));
    }
    if said.is_empty() { "0".to_owned() } else { said.join(between) }
}

/// Bytes, 16 a line: offset, hexadecimal, text.
pub fn hex_dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (i, line) in bytes.chunks(16).enumerate() {
        let _ = write!(text, "{:08x} ", i * 16);
        for at in 0..16 {
            // the middle dash stands once the first half is full
            let between = if at == 8 && line.len() >= 8 { '-' } else { ' ' };
            match line.get(at) {
                Some(byte) => {
                    let _ = write!(text, "{between}{byte:02x}");
                }
                None => {
                    let _ = write!(text, "{between}  ");
                }
            }
        }
        text.push_str(" |");
        for at in 0..16 {
            text.push(match line.get(at) {
                Some(byte) if byte.is_ascii_graphic() || *byte == b' ' => char::from(*byte),
                Some(_) => '.',
                None => ' ',
            });
        }
        text.push_str("|\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_dumped_in_lines_of_sixteen() {
        assert_eq!(
            hex_dump(b"\x01\x01\x00\x14\x00\x00\x00\x00"),
            "00000000  01 01 00 14 00 00 00 00-                        |........        |\n"
        );
        assert_eq!(
            hex_dump(&[0x41; 17]),
            "00000000  41 41 41 41 41 41 41 41-41 41 41 41 41 41 41 41 |AAAAAAAAAAAAAAAA|\n\
             00000010  41                                              |A               |\n"
        );
    }

    /// A message's name and body as `ofp-print` shows them, without the transaction id.
    fn printed(version: Version, kind: u8, body: &[u8]) -> String {
        let mut bytes = vec![version as u8, kind, 0, (8 + body.len()) as u8, 0, 0, 0, 2];
        bytes.extend_from_slice(body);
        let got = crate::codec::decode(&bytes, &crate::Dialect::new(version)).unwrap();
        format!("{}:{}", got.kind.name_in(version), format_body(&got.message, version, &Names::none(), 0))
    }

    #[test]
    fn bundle_zero_has_no_prefix() {
        let body = |id: u8| [0, 0, 0, id, 0, 0, 0, 3];
        let text = |id: &str| format!("OFPT_BUNDLE_CONTROL:\n bundle_id={id} type=OPEN_REQUEST flags=atomic ordered");
        assert_eq!(printed(Version::V14, 33, &body(0)), text("0"));
        assert_eq!(printed(Version::V14, 33, &body(10)), text("0xa"));
    }

    #[test]
    fn flow_monitors_are_onfs_in_13() {
        let body = [0xff, 0xff, 0, 0, 0, 0, 0, 0, 0x4f, 0x4e, 0x46, 0, 0, 0, 7, 0x4e];
        assert_eq!(printed(Version::V13, 19, &body), "ONFST_FLOW_MONITOR reply:");
    }

    #[test]
    fn every_kind_of_asynchronous_message_is_listed() {
        let body: Vec<u8> = (1..=6).flat_map(|bits: u32| bits.to_be_bytes()).collect();
        let text = printed(Version::V13, 28, &body);
        assert!(text.ends_with("ROLE_STATUS: (off)\n    TABLE_STATUS: (off)\n  REQUESTFORWARD: (off)\n"), "{text}");
        assert!(text.contains("REQUESTFORWARD: (off)\n\n secondary:\n"), "{text}");
        let body = [0, 9, 0, 8, 0, 0, 0, 0x18, 0, 0xb, 0, 8, 0, 0, 0, 3];
        let text = printed(Version::V15, 28, &body);
        assert!(text.contains("    TABLE_STATUS: vacancy_down vacancy_up\n"), "{text}");
        assert!(text.contains("  REQUESTFORWARD: group_mod_request meter_mod_request\n"), "{text}");
    }

    #[test]
    fn the_cookie_of_no_flow_is_left_out() {
        let mut body = vec![0xff, 0xff, 0xff, 0xff, 0, 0, 0, 7];
        body.extend([0xff; 8]);
        body.extend([0, 1, 0, 12, 0x80, 0, 0, 4, 0xff, 0xff, 0xff, 0xfd, 0, 0, 0, 0, 0, 0]);
        let text = printed(Version::V13, 10, &body);
        assert!(text.starts_with("OFPT_PACKET_IN: table_id=7 total_len=0 in_port=CONTROLLER"), "{text}");
    }
}
