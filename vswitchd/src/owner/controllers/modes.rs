//! What: per bridge, who forwards while no controller is there, and the rules that lead to one.

use std::time::Duration;

use weft_base::Time;
use weft_jsonrpc::address::{Address, Remote as Target};
use weft_pipeline::HiddenRule;

use super::{SHORTEST_PROBE, probe_interval};
use crate::config::{BridgeConfig, ControllerKind, FailMode};
use crate::owner::Owner;
use crate::owner::fail_open::{FailOpen, FailOpenEvent, Situation};
use crate::owner::in_band::{self, Remote};
use crate::owner::local_address::{self, Given};

/// A bridge's modes.
#[derive(Default)]
pub(super) struct Mode {
    fail_open: FailOpen,
    situation: Option<Situation>,
    rules: Vec<HiddenRule>,
    /// When the way to remotes is looked up again.
    routes: Option<Time>,
    /// What the local port's device has from us.
    given: Option<Given>,
}

impl Owner {
    /// Looks at all bridges' modes; `anew` after a change of the configuration.
    pub(super) fn modes_turn(&mut self, anew: bool) {
        let now = self.now();
        self.note_contacts(now);
        let names: Vec<String> = self.switch.running.bridges.keys().cloned().collect();
        for name in names {
            let Some(config) = self.switch.running.bridges.get(&name).map(|bridge| bridge.config.clone()) else {
                continue;
            };
            self.fail_open_turn(&config, now);
            let due = self.controllers.modes.get(&name).and_then(|mode| mode.routes);
            if anew {
                let mode = self.controllers.modes.entry(name.clone()).or_default();
                mode.given = local_address::settle(&name, local_address::wanted(&config), mode.given);
            }
            if anew || due.is_some_and(|due| due <= now) {
                self.in_band_turn(&config, now);
            }
        }
    }

    pub(super) fn modes_deadline(&self) -> Option<Time> {
        let modes = self.controllers.modes.values();
        modes.flat_map(|mode| mode.routes.into_iter().chain(mode.fail_open.next_deadline(mode.situation))).min()
    }

    /// Notes which controllers are there and in charge, and which are being probed.
    fn note_contacts(&mut self, now: Time) {
        for active in self.controllers.actives.values_mut() {
            active.in_charge = false;
            let Some(link) = active.link.and_then(|link| self.controllers.links.get(&link)) else { continue };
            let Some(status) = self.switch.pipeline.connection_status(link.id) else { continue };
            active.machine.on_probe(status.probing);
            if active.machine.is_connected() && status.admitted {
                active.contact = now;
                active.in_charge = true;
            }
        }
    }

    fn fail_open_turn(&mut self, config: &BridgeConfig, now: Time) {
        let actives = self.controllers.actives.iter();
        let primaries: Vec<_> = actives
            .filter(|((bridge, _), active)| *bridge == config.name && active.config.kind == ControllerKind::Primary)
            .map(|(_, active)| active)
            .collect();
        let contact = primaries.iter().map(|active| active.contact).max();
        let probes = primaries.iter().map(|active| probe_interval(&active.config).unwrap_or(SHORTEST_PROBE));
        let standalone = config.fail_mode == FailMode::Standalone;
        let situation = contact.zip(probes.max()).filter(|_| standalone);
        let in_charge = primaries.iter().any(|active| active.in_charge);
        let situation = situation.map(|(contact, probe)| Situation { contact, in_charge, probe });
        let ask: Vec<_> = primaries
            .iter()
            .filter(|active| active.machine.is_connected() && !active.in_charge)
            .filter_map(|active| self.controllers.links.get(&active.link?).map(|link| link.id))
            .collect();
        let mode = self.controllers.modes.entry(config.name.clone()).or_default();
        mode.situation = situation;
        while let Some(event) = mode.fail_open.on_situation(situation, now) {
            match event {
                FailOpenEvent::Open(away) => {
                    let why = "Could not connect to controller (or switch failed controller's post-connection admission control policy)";
                    tracing::warn!(target: "fail_open", "{why} for {} seconds, failing open", away.as_secs());
                }
                FailOpenEvent::Close => tracing::warn!(target: "fail_open", "No longer in fail-open mode"),
                FailOpenEvent::Still(away) => {
                    let seconds = away.as_secs();
                    tracing::info!(target: "fail_open", "Still in fail-open mode after {seconds} seconds disconnected from controller");
                }
                FailOpenEvent::Ask => ask.iter().for_each(|id| self.switch.pipeline.ask_for_a_sign(*id, now)),
            }
        }
        let open = mode.fail_open.is_open();
        self.switch.set_fail_open(&config.name, open);
    }

    fn in_band_turn(&mut self, config: &BridgeConfig, now: Time) {
        let name = &config.name;
        let managers = self.reader.desired().switch.managers.iter();
        let controllers = config.controllers.values().filter(|controller| controller.in_band);
        let targets = controllers.filter_map(|controller| match &controller.remote {
            Target::Active(address) => Some(address),
            Target::Passive(_) => None,
        });
        let of = |address: &Address| Remote::of(address);
        let mut remotes: Vec<Remote> = targets.chain(managers).filter_map(of).collect();
        if config.disable_in_band {
            remotes.clear();
        }
        let Some(local) = self.switch.bridges.get(name).map(|bridge| bridge.mac) else { return };
        let is_kernels =
            self.switch.interfaces.get(name).is_some_and(|i| matches!(i.kind.opened.as_str(), "internal" | "tap"));
        let hops: Vec<_> = if is_kernels && !remotes.is_empty() {
            let read = |file| std::fs::read_to_string(file).unwrap_or_default();
            let (routes, neighbours) = (read("/proc/net/route"), read("/proc/net/arp"));
            remotes.iter().filter_map(|r| in_band::next_hop(&routes, &neighbours, name, r.ip)).collect()
        } else {
            Vec::new()
        };
        let rules = in_band::rules(local, &remotes, &hops, config.in_band_queue);
        let mode = self.controllers.modes.entry(name.clone()).or_default();
        mode.routes = (is_kernels && !remotes.is_empty()).then_some(now + LOOK_AGAIN);
        if mode.rules != rules {
            if let Err(error) = self.switch.pipeline.set_in_band(name, &rules, now) {
                tracing::error!(target: "in_band", "{name}: {error}");
            }
            mode.rules = rules;
        }
    }
}

/// How long a next hop's address is believed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
