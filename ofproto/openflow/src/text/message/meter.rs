//! Meters.

use std::fmt::Write;

use super::words;
use crate::MeterId;
use crate::meter::*;
use crate::text::flow_print::seconds;

pub(super) fn id(meter: MeterId) -> String {
    match meter {
        MeterId::SLOWPATH => "slowpath".to_owned(),
        MeterId::CONTROLLER => "controller".to_owned(),
        MeterId::ALL => "all".to_owned(),
        id if id > MeterId::MAX => "unknown".to_owned(),
        MeterId(number) => number.to_string(),
    }
}

const FLAGS: [(u64, &str); 4] = [(1, "kbps"), (2, "pktps"), (4, "burst"), (8, "stats")];

fn config(m: &MeterConfig) -> String {
    let known = m.flags.intersection(MeterFlags::all());
    let mut flags =
        if known.is_empty() { String::new() } else { format!("{} ", words(known.bits().into(), &FLAGS, " ")) };
    if known != m.flags {
        let _ = write!(flags, "flags:{:#x} ", m.flags.bits() & !known.bits());
    }
    let mut text = format!("meter={} {flags}bands=", id(m.id));
    for band in &m.bands {
        match band.kind {
            BandKind::Drop => text.push_str("\ntype=drop"),
            BandKind::DscpRemark { .. } => text.push_str("\ntype=dscp_remark"),
        }
        let _ = write!(text, " rate={}", band.rate);
        if m.flags.contains(MeterFlags::BURST) {
            let _ = write!(text, " burst_size={}", band.burst);
        }
        if let BandKind::DscpRemark { prec_level } = band.kind {
            let _ = write!(text, " prec_level={prec_level}");
        }
    }
    text.push('\n');
    text
}

pub(super) fn meter_mod(m: &MeterMod) -> String {
    let word = match m.command {
        MeterModCommand::Add => "ADD",
        MeterModCommand::Modify => "MOD",
        MeterModCommand::Delete => "DEL",
    };
    format!(" {word} {}", config(&m.meter))
}

pub(super) fn configs(meters: &[MeterConfig]) -> String {
    // each on lines of its own, with an empty one between
    match meters {
        [] => "\n".to_owned(),
        meters => meters.iter().map(|m| format!("\n{}", config(m))).collect(),
    }
}

pub(super) fn stats(meters: &[MeterStats]) -> String {
    let mut text = String::new();
    if meters.is_empty() {
        text.push('\n');
    }
    for m in meters {
        let _ = writeln!(
            text,
            "\nmeter:{} flow_count:{} packet_in_count:{} byte_in_count:{} duration:{}s bands:",
            id(m.id),
            m.flow_count,
            m.packet_in_count,
            m.byte_in_count,
            seconds(m.duration)
        );
        for (i, (packets, bytes)) in m.bands.iter().enumerate() {
            let _ = writeln!(text, "{i}: packet_count:{packets} byte_count:{bytes}");
        }
    }
    text
}

pub(super) fn features(f: &MeterFeatures) -> String {
    let bands = words(u64::from(f.band_types), &[(1 << 1, "drop"), (1 << 2, "dscp_remark")], " ");
    format!(
        "\nmax_meter:{} max_bands:{} max_color:{}\nband_types: {bands}\ncapabilities: {}\n",
        f.max_meters,
        f.max_bands,
        f.max_color,
        words(f.capabilities.into(), &FLAGS, " ")
    )
}
