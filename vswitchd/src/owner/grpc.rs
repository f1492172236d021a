//! What: the counters that gRPC clients stream.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use tokio::sync::{mpsc, oneshot};
use weft_base::Clock;
use weft_grpc::{CounterSource, v1};

use super::Owner;
use crate::event::Event;

/// Asks the owner whenever a client wants a report.
pub fn counter_source(events: mpsc::Sender<Event>) -> CounterSource {
    Arc::new(move || {
        let events = events.clone();
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            events.send(Event::Counters(reply)).await.ok()?;
            answer.await.ok()
        })
    })
}

impl Owner {
    /// What ports and datapath have counted.
    pub(super) fn counters(&self) -> v1::StatisticsReport {
        let port = |interface: &crate::switch::Interface| {
            let stats = interface.device()?.stats().ok()?;
            let facts = self.switch.facts(interface);
            Some(v1::PortStatistics {
                bridge: interface.bridge.clone(),
                port: interface.name.clone(),
                ofport: facts.ofport.unwrap_or_default(),
                rx_packets: stats.rx_packets.unwrap_or_default(),
                tx_packets: stats.tx_packets.unwrap_or_default(),
                rx_bytes: stats.rx_bytes.unwrap_or_default(),
                tx_bytes: stats.tx_bytes.unwrap_or_default(),
                rx_errors: stats.rx_errors.unwrap_or_default(),
                tx_errors: stats.tx_errors.unwrap_or_default(),
                rx_dropped: stats.rx_dropped.unwrap_or_default(),
                tx_dropped: stats.tx_dropped.unwrap_or_default(),
            })
        };
        let datapath = self.worker_stats();
        let time = self.switch.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        v1::StatisticsReport {
            time_ms: i64::try_from(time.as_millis()).unwrap_or_default(),
            ports: self.switch.interfaces.values().filter_map(port).collect(),
            hits: datapath.hit,
            misses: datapath.missed,
            lost: datapath.lost,
            cached_flows: datapath.flows,
        }
    }
}
