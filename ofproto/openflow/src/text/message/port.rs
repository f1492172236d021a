//! Ports, their counters and their queues.

use std::fmt::Write;

use super::words;
use crate::port::*;
use crate::text::Names;
use crate::text::flow_print::seconds;

/// A port's description, as `ofctl show` lists it: several lines, each with its end.
pub fn format_port_desc(desc: &PortDesc) -> String {
    let mut text = format!(
        " {}({}): addr:{}\n     config:     {}\n     state:      {}\n",
        desc.port,
        desc.name.escape_debug(),
        desc.hw_addr,
        config(desc.config),
        state(desc.state)
    );
    let features = [
        ("current:    ", desc.current),
        ("advertised: ", desc.advertised),
        ("supported:  ", desc.supported),
        ("peer:       ", desc.peer),
    ];
    for (name, bits) in features.iter().filter(|(_, bits)| !bits.is_empty()) {
        let _ = writeln!(text, "     {name}{}", self::features(*bits));
    }
    let _ = writeln!(text, "     speed: {} Mbps now, {} Mbps max", desc.curr_speed / 1000, desc.max_speed / 1000);
    text
}

fn config(bits: PortConfig) -> String {
    let names = [
        (PortConfig::PORT_DOWN, "PORT_DOWN"),
        (PortConfig::NO_STP, "NO_STP"),
        (PortConfig::NO_RECV, "NO_RECV"),
        (PortConfig::NO_RECV_STP, "NO_RECV_STP"),
        (PortConfig::NO_FLOOD, "NO_FLOOD"),
        (PortConfig::NO_FWD, "NO_FWD"),
        (PortConfig::NO_PACKET_IN, "NO_PACKET_IN"),
    ]
    .map(|(bit, name)| (u64::from(bit.bits()), name));
    words(bits.bits().into(), &names, " ")
}

fn state(bits: PortState) -> String {
    let mut said = Vec::new();
    for (bit, name) in [(PortState::LINK_DOWN, "LINK_DOWN"), (PortState::BLOCKED, "BLOCKED"), (PortState::LIVE, "LIVE")]
    {
        if bits.contains(bit) {
            said.push(name);
        }
    }
    match (bits.contains(PortState::STP_HIGH), bits.contains(PortState::STP_LOW)) {
        (false, false) => {}
        (false, true) => said.push("STP_LEARN"),
        (true, false) => said.push("STP_FORWARD"),
        (true, true) => said.push("STP_BLOCK"),
    }
    if said.is_empty() { "0".to_owned() } else { said.join(" ") }
}

fn features(bits: PortFeatures) -> String {
    let names = [
        (PortFeatures::HD_10MB, "10MB-HD"),
        (PortFeatures::FD_10MB, "10MB-FD"),
        (PortFeatures::HD_100MB, "100MB-HD"),
        (PortFeatures::FD_100MB, "100MB-FD"),
        (PortFeatures::HD_1GB, "1GB-HD"),
        (PortFeatures::FD_1GB, "1GB-FD"),
        (PortFeatures::FD_10GB, "10GB-FD"),
        (PortFeatures::FD_40GB, "40GB-FD"),
        (PortFeatures::FD_100GB, "100GB-FD"),
        (PortFeatures::FD_1TB, "1TB-FD"),
        (PortFeatures::OTHER, "OTHER"),
        (PortFeatures::COPPER, "COPPER"),
        (PortFeatures::FIBER, "FIBER"),
        (PortFeatures::AUTONEG, "AUTO_NEG"),
        (PortFeatures::PAUSE, "AUTO_PAUSE"),
        (PortFeatures::PAUSE_ASYM, "AUTO_PAUSE_ASYM"),
    ]
    .map(|(bit, name)| (u64::from(bit.bits()), name));
    words(bits.bits().into(), &names, " ")
}

pub(super) fn descs(ports: &[PortDesc]) -> String {
    let mut sorted: Vec<&PortDesc> = ports.iter().collect();
    sorted.sort_by_key(|port| port.port);
    sorted.into_iter().fold("\n".to_owned(), |text, port| text + &format_port_desc(port))
}

pub(super) fn status(status: &PortStatus) -> String {
    let reason = match status.reason {
        PortReason::Add => "ADD",
        PortReason::Delete => "DEL",
        PortReason::Modify => "MOD",
    };
    format!(" {reason}:{}", format_port_desc(&status.desc))
}

pub(super) fn port_mod(m: &PortMod, names: &Names) -> String {
    let advertise = if m.advertise.is_empty() { "UNCHANGED".to_owned() } else { features(m.advertise) };
    format!(
        " port: {}: addr:{}\n     config: {}\n     mask:   {}\n     advertise: {advertise}\n",
        names.ports.show(m.port),
        m.hw_addr,
        config(m.config),
        config(m.mask)
    )
}

pub(super) fn stats(ports: &[PortStats], names: &Names) -> String {
    let mut text = format!(" {} ports\n", ports.len());
    for p in ports {
        let name = names.ports.show(p.port).to_string();
        // made for numbers; names get the space of theirs
        let space = if p.port.0 < 10 { " " } else { "" };
        let _ = write!(text, "  port {space}{name}: ");
        let rx = [
            ("rx pkts", p.rx_packets),
            ("bytes", p.rx_bytes),
            ("drop", p.rx_dropped),
            ("errs", p.rx_errors),
            ("frame", p.rx_frame_err),
            ("over", p.rx_over_err),
            ("crc", p.rx_crc_err),
        ];
        let tx = [
            ("tx pkts", p.tx_packets),
            ("bytes", p.tx_bytes),
            ("drop", p.tx_dropped),
            ("errs", p.tx_errors),
            ("coll", p.collisions),
        ];
        let _ = writeln!(text, "{}", counters(&rx));
        let _ = writeln!(text, "           {}", counters(&tx));
        if let Some(duration) = p.duration {
            let _ = writeln!(text, "           duration={}s", seconds(duration));
        }
        if let Some(rfc2819) = &p.rfc2819 {
            text.push_str(&format_rfc2819(rfc2819));
        }
        text.push_str(&custom(&p.custom));
    }
    text
}

fn counters(all: &[(&str, u64)]) -> String {
    all.iter().map(|(name, value)| format!("{name}={}", counter(*value))).collect::<Vec<_>>().join(", ")
}

fn counter(value: u64) -> String {
    if value == u64::MAX { "?".to_owned() } else { value.to_string() }
}

/// Named counters, three a line.
fn custom(counters: &[(String, u64)]) -> String {
    let known: Vec<_> = counters.iter().filter(|(_, value)| *value != u64::MAX).collect();
    if known.is_empty() {
        return String::new();
    }
    let mut text = "           CUSTOM Statistics\n".to_owned();
    for line in known.chunks(3) {
        text.push_str("                      ");
        let words: Vec<String> = line.iter().map(|(name, value)| format!("{name}={value},")).collect();
        let _ = writeln!(text, "{}", words.join(" "));
    }
    text
}

fn format_rfc2819(s: &Rfc2819Stats) -> String {
    let groups: [(&str, Vec<(&str, u64)>); 3] = [
        (
            "rx rfc2819",
            vec![
                ("1_to_64_packets", s.rx_1_to_64),
                ("65_to_127_packets", s.rx_65_to_127),
                ("128_to_255_packets", s.rx_128_to_255),
                ("256_to_511_packets", s.rx_256_to_511),
                ("512_to_1023_packets", s.rx_512_to_1023),
                ("1024_to_1522_packets", s.rx_1024_to_1522),
                ("1523_to_max_packets", s.rx_1523_to_max),
                ("broadcast_packets", s.rx_broadcast),
                ("undersized_errors", s.rx_undersized),
                ("oversize_errors", s.rx_oversize),
                ("rx_fragmented_errors", s.rx_fragments),
                ("rx_jabber_errors", s.rx_jabber),
            ],
        ),
        (
            "tx rfc2819",
            vec![
                ("1_to_64_packets", s.tx_1_to_64),
                ("65_to_127_packets", s.tx_65_to_127),
                ("128_to_255_packets", s.tx_128_to_255),
                ("256_to_511_packets", s.tx_256_to_511),
                ("512_to_1023_packets", s.tx_512_to_1023),
                ("1024_to_1522_packets", s.tx_1024_to_1522),
                ("1523_to_max_packets", s.tx_1523_to_max),
            ],
        ),
        ("tx rfc2819", vec![("multicast_packets", s.tx_multicast), ("broadcast_packets", s.tx_broadcast)]),
    ];
    let mut text = String::new();
    for (name, counters) in groups {
        let known: Vec<String> =
            counters.iter().filter(|(_, v)| *v != u64::MAX).map(|(n, v)| format!("{n}={v}")).collect();
        if !known.is_empty() {
            let _ = writeln!(text, "           {name} {}", known.join(", "));
        }
    }
    text
}

pub(super) fn queue_stats(queues: &[QueueStats], names: &Names) -> String {
    let mut text = format!(" {} queues\n", queues.len());
    for q in queues {
        let duration = q.duration.map_or_else(|| "?".to_owned(), |d| format!("{}s", seconds(d)));
        let _ = writeln!(
            text,
            "  port {} queue {}: bytes={}, pkts={}, errors={}, duration={duration}",
            names.ports.show(q.port),
            q.queue.0,
            counter(q.tx_bytes),
            counter(q.tx_packets),
            counter(q.tx_errors)
        );
    }
    text
}

pub(super) fn queue_configs(queues: &[QueueConfig], names: &Names) -> String {
    let mut text = String::new();
    let mut port = None;
    let mut queues: Vec<&QueueConfig> = queues.iter().collect();
    queues.sort_by_key(|q| (q.port, q.queue));
    for q in queues {
        if port != Some(q.port) {
            let space = if port.is_none() { " " } else { "" };
            port = Some(q.port);
            let _ = writeln!(text, "{space}port={}", names.ports.show(q.port));
        }
        let mut line = format!("queue {}:", q.queue.0);
        for (name, rate) in [("min_rate", q.min_rate), ("max_rate", q.max_rate)] {
            match rate {
                None => {}
                Some(rate) if rate <= 1000 => {
                    let _ = write!(line, " {name}:{}.{}%", rate / 10, rate % 10);
                }
                Some(_) => {
                    let _ = write!(line, " {name}:(disabled)");
                }
            }
        }
        let _ = writeln!(text, "{line}");
    }
    text
}
