//! Flow mods, flows that went, flow statistics, flow monitors.

use std::fmt::Write;

use weft_flow::OfPort;
use weft_flow::text::format_match;

use super::words;
use crate::flow::*;
use crate::monitor::*;
use crate::text::color::paint_match;
use crate::text::flow_print::{FLAG_WORDS, format_flow_stats, format_pattern, seconds};
use crate::text::{Names, format_actions, format_instructions};
use crate::{Cookie, GroupId, TableId, Version};

pub(super) fn flow_mod(m: &FlowMod, version: Version, names: &Names, _verbosity: u32) -> String {
    with_pattern(m, &format_pattern(&m.matching, m.priority, names), None, version, names)
}

/// A flow mod whose match is shown as it lies on the wire; the priority has a word of its own then.
pub fn raw_flow_mod(m: &FlowMod, pattern: &str, version: Version, names: &Names) -> String {
    let priority = (m.priority != FlowMod::DEFAULT_PRIORITY).then_some(m.priority);
    with_pattern(m, &format!("{pattern} "), priority, version, names)
}

fn with_pattern(m: &FlowMod, pattern: &str, priority: Option<u16>, version: Version, names: &Names) -> String {
    let mut text = match m.command {
        FlowModCommand::Add => " ADD",
        FlowModCommand::Modify => " MOD",
        FlowModCommand::ModifyStrict => " MOD_STRICT",
        FlowModCommand::Delete => " DEL",
        FlowModCommand::DeleteStrict => " DEL_STRICT",
    }
    .to_owned();
    if m.table.0 != 0 && !(m.table == TableId::ALL && version == Version::V10) {
        let _ = write!(text, " table:{}", names.show_table(m.table));
    }
    text.push(' ');
    text.push_str(pattern);
    // from 1.1 on a modification cannot change the cookie
    let adds = m.command == FlowModCommand::Add || version == Version::V10;
    if m.cookie.0 != 0 && adds && m.cookie != Cookie::UNCHANGED {
        let _ = write!(text, "cookie:{:#x} ", m.cookie.0);
    }
    if m.cookie_mask != 0 {
        let _ = write!(text, "cookie:{:#x}/{:#x} ", m.filter_cookie.0, m.cookie_mask);
    }
    if m.idle_timeout.0 != 0 {
        let _ = write!(text, "idle:{} ", m.idle_timeout.0);
    }
    if m.hard_timeout.0 != 0 {
        let _ = write!(text, "hard:{} ", m.hard_timeout.0);
    }
    if let Some(priority) = priority {
        let _ = write!(text, "pri:{priority} ");
    }
    if m.importance != 0 {
        let _ = write!(text, "importance:{} ", m.importance);
    }
    if let Some(id) = m.buffer_id {
        let _ = write!(text, "buf:{id:#x} ");
    }
    if m.out_port != OfPort::NONE {
        let _ = write!(text, "out_port:{} ", names.ports.show(m.out_port));
    }
    if m.out_group != GroupId::ANY && m.out_group != GroupId(0) {
        let _ = write!(text, "out_group:{} ", m.out_group.0);
    }
    for (flag, word) in FLAG_WORDS {
        // a reset of the counters is what every addition meant before OpenFlow 1.2
        if m.flags.contains(flag) && !(flag == FlowModFlags::RESET_COUNTS && version < Version::V12) {
            let _ = write!(text, "{word} ");
        }
    }
    let _ = write!(text, "actions={}", format_instructions(&m.instructions, names));
    text
}

pub(super) fn removed(r: &FlowRemoved, version: Version, names: &Names) -> String {
    let mut text = format!(" {}reason=", format_pattern(&r.matching, r.priority, names));
    text.push_str(match r.reason {
        FlowRemovedReason::IdleTimeout => "idle",
        FlowRemovedReason::HardTimeout => "hard",
        FlowRemovedReason::Delete => "delete",
        FlowRemovedReason::GroupDelete => "group_delete",
        FlowRemovedReason::MeterDelete => "meter_delete",
        FlowRemovedReason::Eviction => "eviction",
    });
    if r.table != TableId::ALL && (version > Version::V10 || r.table.0 != 0) {
        let _ = write!(text, " table_id={}", names.show_table(r.table));
    }
    if r.cookie.0 != 0 {
        let _ = write!(text, " cookie:{:#x}", r.cookie.0);
    }
    let _ = write!(text, " duration{}s idle{}", seconds(r.duration), r.idle_timeout.0);
    if r.hard_timeout.0 != 0 {
        let _ = write!(text, " hard{}", r.hard_timeout.0);
    }
    let _ = writeln!(text, " pkts{} bytes{}", r.packet_count, r.byte_count);
    text
}

pub(super) fn stats(flows: &[FlowStats], names: &Names) -> String {
    let mut text = "\n".to_owned();
    for flow in flows {
        let _ = writeln!(text, " {}", format_flow_stats(flow, names));
    }
    text
}

pub(super) fn stats_request(filter: &FlowStatsRequest, names: &Names) -> String {
    let mut text = String::new();
    if filter.table != TableId::ALL {
        let _ = write!(text, " table={}", names.show_table(filter.table));
    }
    if filter.out_port != OfPort::NONE {
        let _ = write!(text, " out_port={}", names.ports.show(filter.out_port));
    }
    let fields = format_match(&filter.matching, &names.ports);
    let fields = paint_match(&fields, names);
    if !fields.is_empty() {
        let _ = write!(text, " {fields}");
    }
    text
}

fn monitor_flags(flags: FlowMonitorFlags) -> String {
    let names = [
        (FlowMonitorFlags::INITIAL, "initial"),
        (FlowMonitorFlags::ADD, "add"),
        (FlowMonitorFlags::REMOVED, "delete"),
        (FlowMonitorFlags::MODIFY, "modify"),
        (FlowMonitorFlags::INSTRUCTIONS, "actions"),
        (FlowMonitorFlags::NO_ABBREV, "no-abbrev"),
        (FlowMonitorFlags::ONLY_OWN, "own"),
    ]
    .map(|(bit, name)| (u64::from(bit.bits()), name));
    words(flags.bits().into(), &names, ",")
}

pub(super) fn monitor_requests(requests: &[FlowMonitorRequest], names: &Names) -> String {
    let mut text = String::new();
    for r in requests {
        let _ = write!(text, "\n id={} flags={}", r.id, monitor_flags(r.flags));
        if r.out_port != OfPort::NONE {
            let _ = write!(text, " out_port={}", names.ports.show(r.out_port));
        }
        if r.table != TableId::ALL {
            let _ = write!(text, " table={}", names.show_table(r.table));
        }
        let _ = write!(text, " {}", paint_match(&format_match(&r.matching, &names.ports), names));
        text = text.trim_end().to_owned();
    }
    text
}

pub(super) fn monitor_updates(updates: &[FlowUpdate], names: &Names) -> String {
    let mut text = String::new();
    for update in updates {
        text.push_str("\n event=");
        match update {
            FlowUpdate::Abbrev(xid) => {
                let _ = write!(text, "ABBREV xid={:#x}", xid.0);
            }
            FlowUpdate::Paused => text.push_str("PAUSED"),
            FlowUpdate::Resumed => text.push_str("RESUMED"),
            FlowUpdate::Full(full) => text.push_str(&full_update(full, names)),
        }
    }
    text
}

fn full_update(u: &FlowUpdateFull, names: &Names) -> String {
    let mut text = match u.event {
        FlowUpdateEvent::Initial => "INITIAL".to_owned(),
        FlowUpdateEvent::Added => "ADDED".to_owned(),
        FlowUpdateEvent::Modified => "MODIFIED".to_owned(),
        FlowUpdateEvent::Removed => {
            let reasons = ["idle", "hard", "delete", "group_delete", "meter_delete", "eviction"];
            format!("DELETED reason={}", reasons.get(usize::from(u.reason)).copied().unwrap_or("(unknown)"))
        }
    };
    let _ = write!(text, " table={}", names.show_table(u.table));
    if u.idle_timeout.0 != 0 {
        let _ = write!(text, " idle_timeout={}", u.idle_timeout.0);
    }
    if u.hard_timeout.0 != 0 {
        let _ = write!(text, " hard_timeout={}", u.hard_timeout.0);
    }
    let _ = match u.cookie.0 {
        0 => write!(text, " cookie=0"),
        cookie => write!(text, " cookie={cookie:#x}"),
    };
    // the priority is there, but nobody prints it
    let pattern = format_pattern(&u.matching, FlowMod::DEFAULT_PRIORITY, names);
    let _ = write!(text, " {}", pattern.trim_end());
    if !u.actions.is_empty() {
        text = text.trim_end().to_owned();
        let _ = write!(text, " actions={}", format_actions(&u.actions, names));
    }
    text.trim_end().to_owned()
}
