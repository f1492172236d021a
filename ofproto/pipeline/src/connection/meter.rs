//! Meter mods, and what is asked about meters.

use std::collections::BTreeSet;

use weft_base::Time;
use weft_openflow::flow::FlowRemovedReason;
use weft_openflow::ids::MeterId;
use weft_openflow::meter::{MeterFlags, MeterMod, MeterModCommand};
use weft_openflow::{ErrorCode, StatsReply};

use crate::flow_mod::Change;
use crate::learn;
use crate::meter::Told;
use crate::pipeline::{Control, Pipeline};
use crate::tables::{BridgeId, Tables};

impl Pipeline {
    /// Do what a meter mod says, as if a controller had sent it.
    ///
    /// # Errors
    /// The error that the controller would get; `OFPBRC_EPERM` if there is no such bridge.
    pub fn program_meter(&self, bridge: &str, todo: MeterMod, now: Time) -> Result<(), ErrorCode> {
        let mut control = self.control();
        let id = self.read().bridge_named(bridge).map(|b| b.id).ok_or(ErrorCode::OFPBRC_EPERM)?;
        self.meter_mod(&mut control, id, todo, now)
    }

    /// Do what a meter mod says. The flows that use a meter go with it.
    pub(super) fn meter_mod(
        &self,
        control: &mut Control,
        bridge: BridgeId,
        todo: MeterMod,
        now: Time,
    ) -> Result<(), ErrorCode> {
        let id = todo.meter.id;
        let deletes = todo.command == MeterModCommand::Delete;
        if !(deletes && id == MeterId::ALL) {
            crate::meter::named(id)?;
        }
        if !deletes && todo.meter.flags.bits() & !MeterFlags::all().bits() != 0 {
            return Err(ErrorCode::OFPMMFC_BAD_FLAGS);
        }
        let (told, gone) = {
            let mut tables = self.write();
            let Tables { bridges, meter_numbers, .. } = &mut *tables;
            let bridge = bridges.get_mut(&bridge).ok_or(ErrorCode::OFPBRC_EPERM)?;
            let mut gone = Vec::new();
            let told: Vec<Told> = match todo.command {
                MeterModCommand::Add => vec![bridge.meters.add(todo.meter, meter_numbers, now)?],
                MeterModCommand::Modify => vec![bridge.meters.modify(todo.meter, now)?],
                MeterModCommand::Delete => {
                    let ids: Vec<MeterId> = bridge.meters.ids().filter(|m| id == MeterId::ALL || id == *m).collect();
                    let is_used = |meter: &MeterId| bridge.flows.uses.flows_of_meter(*meter) > 0;
                    let used: BTreeSet<MeterId> = ids.iter().copied().filter(is_used).collect();
                    if !used.is_empty() {
                        let users: Vec<_> = bridge.flows.all().iter().flat_map(|t| t.rules_through(&used)).collect();
                        for rule in users {
                            bridge.flows.remove(&rule);
                            gone.push(Change::Removed(rule, FlowRemovedReason::MeterDelete));
                        }
                    }
                    learn::remove_orphans(&mut bridge.flows, &mut gone);
                    ids.into_iter().filter_map(|meter| bridge.meters.remove(meter, meter_numbers)).collect()
                }
            };
            bridge.flows.uses.known_meters = bridge.meters.ids().collect();
            bridge.changed();
            (told, gone)
        };
        if let Some(datapath) = self.datapath() {
            told.into_iter().for_each(|(number, meter)| datapath.meter_set(number, meter));
        }
        self.changed();
        self.changes_made(control, None, bridge, &gone, now);
        Ok(())
    }

    /// OFPMP_METER.
    pub(super) fn meter_stats(&self, bridge: BridgeId, which: MeterId, now: Time) -> Result<StatsReply, ErrorCode> {
        let tables = self.read();
        let bridge = tables.bridge(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?;
        let meters = bridge.meters.meant_by(which)?.into_iter();
        let stats = meters.map(|meter| meter.stats(bridge.flows.uses.flows_of_meter(meter.config.id), now));
        Ok(StatsReply::Meter(stats.collect()))
    }

    /// OFPMP_METER_CONFIG.
    pub(super) fn meter_configs(&self, bridge: BridgeId, which: MeterId) -> Result<StatsReply, ErrorCode> {
        let tables = self.read();
        let bridge = tables.bridge(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?;
        let meters = bridge.meters.meant_by(which)?.into_iter();
        Ok(StatsReply::MeterConfig(meters.map(|meter| meter.config.clone()).collect()))
    }
}
