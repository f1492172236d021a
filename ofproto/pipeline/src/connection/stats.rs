//! Statistics (multipart) requests.

use weft_base::Time;
use weft_flow::OfPort;
use weft_openflow::flow::{AggregateStats, FlowStats, FlowStatsRequest};
use weft_openflow::port::{PortStats, QueueConfig, QueueStats};
use weft_openflow::switch::SwitchDesc;
use weft_openflow::table::TableStats;
use weft_openflow::{ErrorCode, Message, QueueId, StatsReply, StatsRequest, Version};

use super::dispatch::Replies;
use super::{features, group, table_status};
use crate::bridge::{Bridge, Port};
use crate::config::{PortCounters, PortKind};
use crate::pipeline::Pipeline;
use crate::rule::Rule;
use crate::tables::BridgeId;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Pipeline {
    pub(super) fn stats(&self, bridge: BridgeId, request: StatsRequest, version: Version, now: Time) -> Replies {
        let body = match request {
            StatsRequest::Desc => self.with(bridge, |b| StatsReply::Desc(desc(b)))?,
            // given piece by piece: answer.rs
            StatsRequest::Flow(_) | StatsRequest::FlowMonitor(_) => return Ok(Vec::new()),
            StatsRequest::Aggregate(which) => {
                self.push_all();
                self.with(bridge, |b| StatsReply::Aggregate(aggregate(meant(b, &which))))?
            }
            StatsRequest::Table => {
                self.push_all();
                self.with(bridge, |b| {
                    StatsReply::Table(b.flows.visible().iter().map(|t| table_stats(t, version)).collect())
                })?
            }
            StatsRequest::Port(which) => StatsReply::Port(self.port_stats(bridge, which, now)?),
            StatsRequest::Queue { port, queue } => self.with(bridge, |b| queue_stats(b, port, queue))??,
            StatsRequest::PortDesc(which) => self.with(bridge, |b| {
                let wanted = |p: &&Port| which == OfPort::NONE || p.number == which;
                StatsReply::PortDesc(b.ports().filter(wanted).map(features::port_desc).collect())
            })?,
            StatsRequest::TableFeatures(new) => {
                if !new.is_empty() {
                    self.change_tables(bridge, &new, version)?;
                }
                self.with(bridge, |b| {
                    StatsReply::TableFeatures(
                        b.flows.visible().iter().map(|t| features::table_features(t, version)).collect(),
                    )
                })?
            }
            StatsRequest::TableDesc => self.with(bridge, |b| {
                let desc = b.flows.visible().iter().map(|t| table_status::desc(t));
                StatsReply::TableDesc(desc.collect())
            })?,
            StatsRequest::QueueDesc { port, queue } => StatsReply::QueueDesc(self.queues(bridge, port, queue)?),
            StatsRequest::Group(which) => {
                self.push_all();
                self.with(bridge, |b| StatsReply::Group(group::stats(b, which, now)))?
            }
            StatsRequest::GroupDesc(which) => self.with(bridge, |b| StatsReply::GroupDesc(group::descs(b, which)))?,
            StatsRequest::GroupFeatures => StatsReply::GroupFeatures(group::features(version)),
            StatsRequest::Meter(which) => self.meter_stats(bridge, which, now)?,
            StatsRequest::MeterConfig(which) => self.meter_configs(bridge, which)?,
            StatsRequest::MeterFeatures => StatsReply::MeterFeatures(crate::meter::FEATURES),
            StatsRequest::IpfixBridge | StatsRequest::IpfixFlow => return Err(ErrorCode::NXST_NOT_CONFIGURED),
        };
        Ok(vec![Message::StatsReply { body, more: false }])
    }

    /// Queue configuration (before 1.4).
    pub(super) fn queue_config(&self, bridge: BridgeId, port: OfPort, queue: QueueId) -> Replies {
        let queues = self.queues(bridge, port, queue)?;
        Ok(vec![Message::QueueGetConfigReply { port, queues }])
    }

    /// Every port has one queue, without rates.
    fn queues(&self, bridge: BridgeId, port: OfPort, queue: QueueId) -> Result<Vec<QueueConfig>, ErrorCode> {
        let config = |p: &Port| QueueConfig { port: p.number, queue: QueueId(0), min_rate: None, max_rate: None };
        self.with(bridge, |b| {
            let asked = queue == QueueId::ALL || queue == QueueId(0);
            match port {
                OfPort::NONE => Ok(b.ports().filter(|p| p.dp().is_some() && asked).map(config).collect()),
                one => {
                    let port = b.port(one).ok_or(ErrorCode::OFPQOFC_BAD_PORT)?;
                    if !asked {
                        return Err(ErrorCode::OFPQOFC_BAD_QUEUE);
                    }
                    Ok(vec![config(port)])
                }
            }
        })?
    }

    fn port_stats(&self, bridge: BridgeId, which: OfPort, now: Time) -> Result<Vec<PortStats>, ErrorCode> {
        if self.with(bridge, Bridge::has_patches)? {
            self.push_all(); // patch ports are counted by megaflows
        }
        // the daemon is asked without a lock
        let ports: Vec<(OfPort, String, Time, Option<PortCounters>)> = self.with(bridge, |b| {
            let wanted = b.ports().filter(|p| which == OfPort::NONE || p.number == which);
            wanted.map(|p| (p.number, p.settings.name.clone(), p.added, patch_counters(p))).collect()
        })?;
        Ok(ports
            .into_iter()
            .map(|(number, name, added, patch)| {
                let c = patch.unwrap_or_else(|| (self.hooks().port_counters)(&name));
                let or = |value: Option<u64>| value.unwrap_or(u64::MAX);
                PortStats {
                    rx_packets: or(c.rx_packets),
                    tx_packets: or(c.tx_packets),
                    rx_bytes: or(c.rx_bytes),
                    tx_bytes: or(c.tx_bytes),
                    rx_dropped: or(c.rx_dropped),
                    tx_dropped: or(c.tx_dropped),
                    rx_errors: or(c.rx_errors),
                    tx_errors: or(c.tx_errors),
                    rx_frame_err: or(c.rx_frame_err),
                    rx_over_err: or(c.rx_over_err),
                    rx_crc_err: or(c.rx_crc_err),
                    collisions: or(c.collisions),
                    custom: c.custom,
                    duration: Some(now.since(added)),
                    ..PortStats::unknown(number)
                }
            })
            .collect())
    }

    fn with<T>(&self, bridge: BridgeId, look: impl FnOnce(&Bridge) -> T) -> Result<T, ErrorCode> {
        self.read().bridge(bridge).map(look).ok_or(ErrorCode::OFPBRC_EPERM)
    }
}

impl Pipeline {
    /// What went through each patch port and tunnel, by name.
    pub fn patch_counters(&self) -> Vec<(String, PortCounters)> {
        {
            let tables = self.read();
            if !tables.bridges().any(Bridge::has_patches) && !tables.tunnels.is_there() {
                return Vec::new();
            }
        }
        self.push_all(); // they are counted by megaflows
        let tables = self.read();
        let ports = tables.bridges().flat_map(Bridge::ports);
        ports.filter_map(|port| Some((port.settings.name.clone(), patch_counters(port)?))).collect()
    }
}

/// What was counted of a port that has no device.
pub(crate) fn patch_counters(port: &Port) -> Option<PortCounters> {
    let (PortKind::Patch { .. } | PortKind::Tunnel(_)) = port.settings.kind else { return None };
    let get = |counter: &std::sync::atomic::AtomicU64| Some(counter.load(Ordering::Relaxed));
    Some(PortCounters {
        rx_packets: get(&port.patch.rx_packets),
        rx_bytes: get(&port.patch.rx_bytes),
        tx_packets: get(&port.patch.tx_packets),
        tx_bytes: get(&port.patch.tx_bytes),
        ..PortCounters::default()
    })
}

fn desc(bridge: &Bridge) -> SwitchDesc {
    let d = bridge.settings.description.clone();
    SwitchDesc {
        mfr_desc: d.manufacturer,
        hw_desc: d.hardware,
        sw_desc: d.software,
        serial_num: d.serial,
        dp_desc: d.datapath,
    }
}

pub(super) fn meant<'a>(bridge: &'a Bridge, which: &'a FlowStatsRequest) -> impl Iterator<Item = &'a Arc<Rule>> {
    let tables = bridge.flows.meant_by(which.table);
    tables.iter().filter(|t| !t.is_empty()).flat_map(|t| t.covered_by(&which.matching)).filter(|rule| {
        !rule.is_hidden()
            && (rule.cookie.0 ^ which.cookie.0) & which.cookie_mask == 0
            && rule.outputs_to(which.out_port)
            && rule.uses_group(which.out_group)
    })
}

pub(super) fn flow_stats(rule: &Rule, now: Time) -> FlowStats {
    let (packet_count, byte_count, used) = rule.counters();
    let seconds = |since: Time| Some(u16::try_from(now.since(since).as_secs()).unwrap_or(u16::MAX));
    FlowStats {
        matching: rule.pattern.unpack(),
        cookie: rule.cookie,
        table: rule.table,
        priority: rule.priority as u16,
        duration: rule.age(now),
        idle_timeout: rule.idle_timeout(),
        hard_timeout: rule.hard_timeout(),
        importance: rule.importance,
        flags: rule.flags,
        idle_age: seconds(used),
        hard_age: seconds(rule.modified()),
        packet_count,
        byte_count,
        instructions: (*rule.instructions).clone(),
    }
}

fn aggregate<'a>(rules: impl Iterator<Item = &'a Arc<Rule>>) -> AggregateStats {
    rules.fold(AggregateStats::default(), |mut sum, rule| {
        let (packets, bytes, _) = rule.counters();
        sum.packet_count += packets;
        sum.byte_count += bytes;
        sum.flow_count += 1;
        sum
    })
}

fn table_stats(table: &crate::flow_table::FlowTable, version: Version) -> TableStats {
    let (lookup_count, matched_count) = table.counters.get();
    let active = table.rules().filter(|r| !r.is_hidden()).count();
    TableStats {
        table: table.id,
        active_count: u32::try_from(active).unwrap_or(u32::MAX),
        lookup_count,
        matched_count,
        features: features::table_features(table, version),
    }
}

/// How much of a table is free, in whole percents.
pub(super) fn percent_free(table: &crate::flow_table::FlowTable) -> u8 {
    let max = u64::from(table.max_flows.unwrap_or(crate::flow_table::MAX_ENTRIES)).max(1);
    let free = max.saturating_sub(table.visible_len() as u64);
    u8::try_from(free * 100 / max).unwrap_or(100)
}

fn queue_stats(bridge: &Bridge, port: OfPort, queue: QueueId) -> Result<StatsReply, ErrorCode> {
    let unknown = |p: &Port| QueueStats {
        port: p.number,
        queue: QueueId(0),
        tx_bytes: u64::MAX,
        tx_packets: u64::MAX,
        tx_errors: u64::MAX,
        duration: None,
    };
    let asked = queue == QueueId::ALL || queue == QueueId(0);
    match port {
        OfPort::NONE | OfPort::ALL => {
            if !asked {
                return Err(ErrorCode::OFPQOFC_BAD_QUEUE);
            }
            Ok(StatsReply::Queue(bridge.ports().filter(|p| p.dp().is_some()).map(unknown).collect()))
        }
        one => {
            let port = bridge.port(one).ok_or(ErrorCode::OFPQOFC_BAD_PORT)?;
            if !asked {
                return Err(ErrorCode::OFPQOFC_BAD_QUEUE);
            }
            Ok(StatsReply::Queue(vec![unknown(port)]))
        }
    }
}
