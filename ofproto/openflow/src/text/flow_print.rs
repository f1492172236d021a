//! Flows with their counters, a line each, as `dump-flows` prints them.

use std::fmt::Write;
use std::time::Duration;

use weft_flow::text::format_match;

use super::Names;
use super::action_print::format_instructions;
use super::color::paint_match;
use crate::flow::{FlowMod, FlowModFlags, FlowStats};

/// One flow as `ovs-ofctl dump-flows` prints it, without the leading space and the line's end.
pub fn format_flow_stats(flow: &FlowStats, names: &Names) -> String {
    format_flow_stats_with(flow, names, true)
}

/// As [`format_flow_stats`]; `statistics` false is `--no-stats`.
pub fn format_flow_stats_with(flow: &FlowStats, names: &Names, statistics: bool) -> String {
    let mut text = String::new();
    if statistics || flow.cookie.0 != 0 {
        let _ = write!(text, "{}{:#x}, ", names.param("cookie="), flow.cookie.0);
    }
    if statistics {
        let _ = write!(text, "{}{}s, ", names.param("duration="), seconds(flow.duration));
        let _ = write!(text, "{}{}, ", names.special("table="), names.show_table(flow.table));
        let _ = write!(text, "{}{}, ", names.param("n_packets="), counter(flow.packet_count));
        let _ = write!(text, "{}{}, ", names.param("n_bytes="), counter(flow.byte_count));
    } else if flow.table.0 != 0 || names.has_table(flow.table) {
        let _ = write!(text, "{}{}, ", names.special("table="), names.show_table(flow.table));
    }
    if flow.idle_timeout.0 != 0 {
        let _ = write!(text, "{}{}, ", names.param("idle_timeout="), flow.idle_timeout.0);
    }
    if flow.hard_timeout.0 != 0 {
        let _ = write!(text, "{}{}, ", names.param("hard_timeout="), flow.hard_timeout.0);
    }
    for (flag, word) in FLAG_WORDS {
        if flow.flags.contains(flag) {
            let _ = write!(text, "{word} ");
        }
    }
    if flow.importance != 0 {
        let _ = write!(text, "{}{}, ", names.param("importance="), flow.importance);
    }
    if statistics {
        if let Some(age) = flow.idle_age {
            let _ = write!(text, "{}{age}, ", names.param("idle_age="));
        }
        if let Some(age) = flow.hard_age.filter(|age| u64::from(*age) != flow.duration.as_secs()) {
            let _ = write!(text, "{}{age}, ", names.param("hard_age="));
        }
    }
    text.push_str(&format_pattern(&flow.matching, flow.priority, names));
    let _ = write!(text, "{}{}", names.actions_word(), format_instructions(&flow.instructions, names));
    text
}

/// `priority=5,tcp,... ` with the space behind it; empty for a match of everything at the default priority.
pub fn format_pattern(matching: &weft_flow::Match, priority: u16, names: &Names) -> String {
    let mut text = String::new();
    if priority != FlowMod::DEFAULT_PRIORITY {
        let _ = write!(text, "{}{priority}", names.special("priority="));
    }
    let fields = format_match(matching, &names.ports);
    let fields = paint_match(&fields, names);
    if !text.is_empty() && !fields.is_empty() {
        text.push(',');
    }
    text.push_str(&fields);
    if !text.is_empty() {
        text.push(' ');
    }
    text
}

/// Seconds; with three decimals where there is a fraction, with as many as it takes where milliseconds do not say it all.
pub fn seconds(duration: Duration) -> String {
    let (whole, nanos) = (duration.as_secs(), duration.subsec_nanos());
    match nanos {
        0 => whole.to_string(),
        _ if nanos.is_multiple_of(1_000_000) => format!("{whole}.{:03}", nanos / 1_000_000),
        _ => format!("{whole}.{nanos:09}").trim_end_matches('0').to_owned(),
    }
}

fn counter(value: u64) -> String {
    if value == u64::MAX { "?".to_owned() } else { value.to_string() }
}

/// The words of flow mod flags, in the order in which they are shown.
pub const FLAG_WORDS: [(FlowModFlags, &str); 5] = [
    (FlowModFlags::SEND_FLOW_REM, "send_flow_rem"),
    (FlowModFlags::CHECK_OVERLAP, "check_overlap"),
    (FlowModFlags::RESET_COUNTS, "reset_counts"),
    (FlowModFlags::NO_PKT_COUNTS, "no_packet_counts"),
    (FlowModFlags::NO_BYT_COUNTS, "no_byte_counts"),
];
