//! `dpif/*`, `upcall/*`, `ofproto/list`, `bridge/dump-flows`, `drop/show`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use weft_base::Time;
use weft_engine::flow_text;
use weft_flow::OfPort;
use weft_flow::dpctl::DpNames;
use weft_packet::DpPort;

use crate::bridge::{Bridge, Port};
use crate::config::PortKind;
use crate::flow_table::HIDDEN_TABLE;
use crate::pipeline::Pipeline;
use crate::text;

impl Pipeline {
    pub(super) fn ofproto_list(&self) -> String {
        self.read().bridges().map(|b| format!("{}\n", b.name)).collect()
    }

    /// Each bridge as a datapath of its own, by the type of its ports.
    pub(super) fn dpif_dump(&self) -> String {
        self.read().bridges().map(|b| format!("{}@{}\n", b.settings.datapath_type, b.name)).collect()
    }

    /// `netdev@ovs-netdev: hit:N missed:N`, then bridges and ports.
    pub(super) fn dpif_show(&self) -> String {
        let stats = self.datapath().map(|d| d.stats()).unwrap_or_default();
        let tables = self.read();
        let mut by_type: BTreeMap<&str, Vec<&Bridge>> = BTreeMap::new();
        for bridge in tables.bridges() {
            by_type.entry(&bridge.settings.datapath_type).or_default().push(bridge);
        }
        let mut out = String::new();
        for (kind, bridges) in by_type {
            let _ = writeln!(out, "{kind}@ovs-{kind}: hit:{} missed:{}", stats.hit, stats.missed);
            for bridge in bridges {
                let _ = writeln!(out, "  {}:", bridge.name);
                let mut ports: Vec<&Port> = bridge.ports().collect();
                ports.sort_by(|a, b| a.settings.name.cmp(&b.settings.name));
                for port in ports {
                    let dp = port.dp().map_or_else(|| "none".into(), |dp| dp.to_string());
                    let number = port.number.0 & 0xffff;
                    let _ = write!(out, "    {} {number}/{dp}: ({}", port.settings.name, port.settings.device_type);
                    if let PortKind::Patch { peer } = &port.settings.kind {
                        let _ = write!(out, ": peer={peer}");
                    }
                    if let Some(tunnel) = port.tunnel() {
                        let _ = write!(out, ": {}", tunnel.config);
                    }
                    out.push_str(")\n");
                }
            }
        }
        out
    }

    pub(super) fn upcall_show(&self) -> String {
        let kinds: Vec<String> = {
            let tables = self.read();
            let mut kinds: Vec<String> = tables.bridges().map(|b| b.settings.datapath_type.clone()).collect();
            kinds.sort();
            kinds.dedup();
            kinds
        };
        let current = self.datapath().map_or(0, |d| d.flows().len());
        let limit = self.limit();
        let mut control = self.control();
        let r = &mut control.revalidator;
        r.max_flows = r.max_flows.max(current);
        let mut out = String::new();
        for kind in kinds {
            let (average, most) = (r.average_flows, r.max_flows);
            let _ = writeln!(out, "{kind}@ovs-{kind}:");
            let _ = writeln!(out, "  flows         : (current {current}) (avg {average}) (max {most}) (limit {limit})");
            let _ = writeln!(out, "  dump duration : {}ms", r.last_duration.as_millis().max(1));
            let _ = writeln!(out, "  ufid enabled : {}\n", !r.dumps_whole_flows);
            let _ = writeln!(out, "  0: (keys {current})");
        }
        out
    }

    pub(super) fn set_flow_limit_by_hand(&self, text: &str) -> String {
        let limit: usize = text.parse().unwrap_or(0);
        self.control().revalidator.limits.flow_limit = limit;
        self.set_limit(limit);
        format!("set flow_limit to {limit}\n")
    }

    pub(super) fn show_dp_features(&self, bridge: &str) -> Result<String, String> {
        let tables = self.read();
        tables.bridge_named(bridge).ok_or("no such bridge")?;
        Ok(tables.features.show())
    }

    /// Take a feature away, or give it back: every verdict is looked at again.
    pub(super) fn set_dp_features(&self, args: &[&str]) -> Result<String, String> {
        let (bridge, name, value) = (args[0], args.get(1).copied(), args.get(2).copied());
        let said = {
            let mut tables = self.write();
            tables.bridge_named(bridge).ok_or("no such bridge")?;
            tables.features.command(name, value)?
        };
        if value.is_some() {
            self.purge();
        }
        Ok(said)
    }

    /// The megaflows of one bridge, in the datapath's syntax.
    pub(super) fn dump_megaflows(&self, args: &[&str], now: Time) -> Result<String, String> {
        let (mut names, mut more, mut bridge) = (None, false, None);
        for arg in args {
            match *arg {
                "-m" | "--more" => more = true,
                "--names" => names = Some(true),
                "--no-names" => names = Some(false),
                name => bridge = Some(name),
            }
        }
        let bridge = bridge.ok_or("no such bridge")?;
        let ports = {
            let tables = self.read();
            let bridge = tables.bridge_named(bridge).ok_or("no such bridge")?;
            let ports = bridge.ports().filter_map(|p| p.dp().map(|dp| (dp, p.dp_name())));
            ports.collect::<BTreeMap<DpPort, String>>()
        };
        let shown = if names.unwrap_or(more) { ports.clone().into_iter().collect() } else { DpNames::new() };
        let Some(datapath) = self.datapath() else { return Ok(String::new()) };
        let mut lines: Vec<String> = datapath
            .flows()
            .iter()
            .filter(|f| ports.contains_key(&DpPort(f.pattern.word(0) as u32)))
            .map(|f| {
                let id = if more { f.name() + " " } else { String::new() };
                id + &flow_text::whole(f, &shown, more, now)
            })
            .collect();
        lines.sort();
        Ok(lines.iter().map(|l| format!("{l}\n")).collect())
    }

    /// All rules with their statistics, the switch's own included.
    pub(super) fn bridge_dump_flows(&self, args: &[&str], now: Time) -> Result<String, String> {
        // Nothing is offloaded: everything that was counted went through software.
        let (bridge, offloaded) = match args {
            ["--offload-stats", bridge] => (*bridge, ", n_offload_packets=0, n_offload_bytes=0"),
            [.., bridge] => (*bridge, ""),
            [] => ("", ""),
        };
        self.push_statistics();
        let tables = self.read();
        let bridge = tables.bridge_named(bridge).ok_or("Unknown bridge")?;
        let mut out = String::new();
        for rule in bridge.flows.all().iter().flat_map(|t| t.rules()) {
            let (packets, bytes, _) = rule.counters();
            if rule.table.0 != 0 || rule.table == HIDDEN_TABLE {
                let _ = write!(out, "table_id={}, ", rule.table.0);
            }
            let _ = write!(
                out,
                "duration={}s, n_packets={packets}, n_bytes={bytes}{offloaded}, ",
                rule.age(now).as_secs(),
            );
            if rule.priority != DEFAULT_PRIORITY {
                let _ = write!(out, "priority={},", rule.priority);
            }
            let matching = text::matching(&rule.pattern.unpack(), &Default::default());
            if !matching.is_empty() {
                let _ = write!(out, "{matching},");
            }
            let _ = writeln!(out, "{}", text::instructions(&rule.instructions));
        }
        Ok(out)
    }

    /// Why and where frames died, since each port was added.
    pub(super) fn drop_show(&self) -> String {
        let Some(datapath) = self.datapath() else { return String::new() };
        let drops = datapath.drops();
        let tables = self.read();
        let mut out = format!("{:<16} {:<20} {:>12}\n", "port", "reason", "packets");
        for (dp, reason, count) in drops {
            let name = match tables.port_of_dp(dp) {
                Some((_, port)) => port.settings.name.clone(),
                None if dp == DpPort::NONE => "-".into(),
                None => dp.to_string(),
            };
            let _ = writeln!(out, "{name:<16} {:<20} {count:>12}", reason.name());
        }
        out
    }
}

/// The priority that goes without saying.
const DEFAULT_PRIORITY: u32 = 32768;

/// The names of a bridge's ports, for flows' text.
pub(crate) fn port_names(bridge: &Bridge) -> weft_flow::text::PortNames {
    let mut names = weft_flow::text::PortNames::new();
    for port in bridge.ports().filter(|p| p.number != OfPort::LOCAL) {
        names.insert(port.number, &port.settings.name);
    }
    names
}
