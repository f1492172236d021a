//! What: receive queues and the cores that poll them, worked out anew after each change of the configuration.

use std::collections::BTreeMap;

use super::{State, Switch};
use crate::pmd::{self, Line, Mode, PolledPort, Wish};

/// What the log has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    isolates: bool,
    mode: Mode,
    max_sleep: u64,
}

impl Switch {
    /// Deal the queues of polled ports, and say what became of them.
    pub(super) fn arrange_queues(&mut self) {
        let config = self.running.switch.clone().unwrap_or_default();
        if self.running.bridges.is_empty() && self.said.is_none() {
            return;
        }
        // pinning without isolating needs to know how full a core is
        let isolates = config.pmd_rxq_isolate || config.pmd_rxq_assign != Mode::Group;
        if isolates && !config.pmd_rxq_isolate {
            tracing::warn!(
                target: "dpif_netdev",
                "pmd-rxq-isolate can only be set false when using pmd-rxq-assign=group"
            );
        }
        self.say(Said { isolates, mode: config.pmd_rxq_assign, max_sleep: config.pmd_max_sleep });
        let mut ports: BTreeMap<u32, PolledPort> = BTreeMap::new();
        for interface in self.interfaces.values().filter(|interface| interface.kind.opened == "dummy-pmd") {
            let State::Open { device, dp, .. } = &interface.state else { continue };
            let running = self.running.interface(&interface.bridge, &interface.port, &interface.name);
            let option = |key: &str| running.and_then(|config| config.options.get(key));
            let port = PolledPort {
                name: interface.name.clone(),
                numa: option("numa_id").and_then(|text| text.parse().ok()).unwrap_or(0),
                queues: device.dummy().map_or(1, |dummy| dummy.rx_queues() as u32),
                pinned: pmd::parse_affinity(running.map_or("", |config| &config.rxq_affinity)),
            };
            ports.insert(dp.0, port);
        }
        let wish = Wish {
            mask: config.pmd_cpu_mask.as_deref().and_then(pmd::parse_mask),
            mode: config.pmd_rxq_assign,
            isolate: isolates,
            ports: ports.into_values().collect(),
        };
        for line in self.cores.arrange(wish) {
            match line {
                Line::Info(text) => tracing::info!(target: "dpif_netdev", "{text}"),
                Line::Warn(text) => tracing::warn!(target: "dpif_netdev", "{text}"),
            }
        }
    }

    fn say(&mut self, now: Said) {
        let before = self.said.replace(now);
        if before.is_some_and(|before| before.mode != now.mode) {
            tracing::info!(target: "dpif_netdev", "Rxq to PMD assignment mode changed to: '{}'.", now.mode.name());
        }
        if before.is_none_or(|before| before.isolates != now.isolates) {
            let isolates = if now.isolates { "isolates" } else { "does not isolate" };
            tracing::info!(target: "dpif_netdev", "pmd-rxq-affinity {isolates} PMD core");
        }
        if before.is_none_or(|before| before.max_sleep != now.max_sleep) {
            let asleep = if now.max_sleep > 0 { "enabled" } else { "disabled" };
            tracing::info!(target: "dpif_netdev", "PMD max sleep request is {} usecs.", now.max_sleep);
            tracing::info!(target: "dpif_netdev", "PMD load based sleeps are {asleep}.");
        }
    }
}
