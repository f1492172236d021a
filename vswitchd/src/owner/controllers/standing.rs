//! What: how a bridge's controllers stand, in the words of their rows (ovs-vswitchd.conf.db(5), table Controller).

use std::collections::HashMap;

use weft_base::Time;
use weft_pipeline::{ConnectionId, PaceStats, Pipeline};

use super::{Active, Controllers, Link};
use crate::config::ControllerConfig;
use crate::serve::ConnId;

/// How a controller of a bridge stands, for its row.
pub struct Standing {
    /// Its settings.
    pub config: ControllerConfig,
    /// Is anybody connected?
    pub connected: bool,
    /// The pipeline's connection.
    pub connection: Option<ConnectionId>,
    /// The keys of `status`.
    pub status: Vec<(&'static str, String)>,
}

impl Controllers {
    /// All configured controllers, as they stand at `now`. Of those that connect to us nothing is said: there may be none
    /// or many.
    pub fn standings(&self, pipeline: &Pipeline, now: Time) -> Vec<Standing> {
        let actives = self.actives.values();
        let mut all: Vec<Standing> = actives.map(|active| active.standing(&self.links, pipeline, now)).collect();
        for config in self.listeners.values().filter_map(|listening| listening.settings.clone()) {
            all.push(Standing { config, connected: false, connection: None, status: Vec::new() });
        }
        all
    }
}

impl Active {
    fn standing(&self, links: &HashMap<ConnId, Link>, pipeline: &Pipeline, now: Time) -> Standing {
        let mut status = vec![("state", self.machine.state_name().to_owned())];
        let (connected, disconnected) = self.machine.history();
        let seconds = |then: Time| now.since(then).as_secs().to_string();
        status.extend(connected.map(|then| ("sec_since_connect", seconds(then))));
        status.extend(disconnected.map(|then| ("sec_since_disconnect", seconds(then))));
        status.extend(self.machine.last_error().map(|error| ("last_error", error.to_owned())));
        let link = self.link.and_then(|link| links.get(&link));
        let pace = link.and_then(|link| pipeline.connection_status(link.id)?.pace);
        for (keys, stats) in KEYS.iter().zip(pace.into_iter().flatten()) {
            let PaceStats { bypassed, queued, dropped, backlog } = stats;
            let values = [bypassed, queued, dropped, backlog].map(|value| value.to_string());
            status.extend(keys.iter().copied().zip(values));
        }
        let connected = self.machine.is_connected();
        let connection = link.filter(|_| connected).map(|link| link.id);
        Standing { config: self.config.clone(), connected, connection, status }
    }
}

const KEYS: [[&str; 4]; 2] = [
    ["packet-in-miss-bypassed", "packet-in-miss-queued", "packet-in-miss-dropped", "packet-in-miss-backlog"],
    ["packet-in-action-bypassed", "packet-in-action-queued", "packet-in-action-dropped", "packet-in-action-backlog"],
];
