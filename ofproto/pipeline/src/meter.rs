//! The meters of a bridge: what controllers have configured, and the meters of the datapath that do it.
//!
//! What: [`Meters`] keeps, by OpenFlow number, the configuration and the [`weft_engine::Meter`] that the workers charge.
//! Datapath numbers belong to all bridges together ([`Numbers`]); the lowest free one is given, as OVS does.
//! OpenFlow's two virtual meters are meters like the others: packets for controllers go through OFPM_CONTROLLER unless
//! their action names a meter, frames for the slow path through OFPM_SLOWPATH.
//!
//! Invariant: a meter that is here has a number that nobody else has.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weft_base::Time;
use weft_engine::{Beyond, Meter as Running, MeterBand as RunningBand, MeterConfig as RunningConfig, MeterUnit};
use weft_openflow::ErrorCode;
use weft_openflow::ids::MeterId;
use weft_openflow::meter::{BandKind, MeterConfig, MeterFeatures, MeterFlags, MeterStats};

/// How many meters there can be, over all bridges.
pub const MAX_METERS: u32 = 1 << 18;
/// How many bands a meter can have.
pub const MAX_BANDS: usize = 8;

/// What OFPMP_METER_FEATURES says: drop and DSCP remark, everything but colours.
pub const FEATURES: MeterFeatures = MeterFeatures {
    max_meters: MAX_METERS,
    band_types: 0b110,
    capabilities: 0xf,
    max_bands: MAX_BANDS as u8,
    max_color: 0,
};

/// Numbers of the datapath's meters.
#[derive(Default)]
pub struct Numbers(BTreeSet<u32>);

impl Numbers {
    fn take(&mut self) -> Option<u32> {
        // given out from the lowest: the first gap, or the next
        let free = self.0.iter().zip(0..).find(|(taken, n)| *taken != n).map_or(self.0.len() as u32, |(_, n)| n);
        (free < MAX_METERS && self.0.insert(free)).then_some(free)
    }

    fn give_back(&mut self, number: u32) {
        self.0.remove(&number);
    }
}

/// A bridge's meters.
#[derive(Default)]
pub struct Meters(BTreeMap<MeterId, Meter>);

/// One.
pub struct Meter {
    /// As it was configured.
    pub config: MeterConfig,
    /// Its number in the datapath.
    pub number: u32,
    /// The one at work there.
    pub running: Arc<Running>,
    /// When it was added.
    pub created: Time,
}

/// What the datapath has to be told: this meter has this number now, or none has.
pub type Told = (u32, Option<Arc<Running>>);

impl Meters {
    /// The meter of that number.
    #[inline]
    pub fn get(&self, id: MeterId) -> Option<&Meter> {
        self.0.get(&id)
    }

    /// All of them, or the one that is asked for.
    ///
    /// # Errors
    /// If that is not there.
    pub fn meant_by(&self, id: MeterId) -> Result<Vec<&Meter>, ErrorCode> {
        match id {
            MeterId::ALL => Ok(self.0.values().collect()),
            one => self.get(one).map(|meter| vec![meter]).ok_or(ErrorCode::OFPMMFC_UNKNOWN_METER),
        }
    }

    /// All numbers.
    pub fn ids(&self) -> impl Iterator<Item = MeterId> + '_ {
        self.0.keys().copied()
    }

    /// Add one.
    ///
    /// # Errors
    /// If it cannot be, or is there already.
    pub fn add(&mut self, config: MeterConfig, numbers: &mut Numbers, now: Time) -> Result<Told, ErrorCode> {
        named(config.id)?;
        if self.0.contains_key(&config.id) {
            return Err(ErrorCode::OFPMMFC_METER_EXISTS);
        }
        let running = Arc::new(Running::new(&running(&config)?, now));
        let number = numbers.take().ok_or(ErrorCode::OFPMMFC_OUT_OF_METERS)?;
        self.0.insert(config.id, Meter { config, number, running: running.clone(), created: now });
        Ok((number, Some(running)))
    }

    /// Give one another configuration; its counters start anew.
    ///
    /// # Errors
    /// If it is not there, or cannot be so.
    pub fn modify(&mut self, config: MeterConfig, now: Time) -> Result<Told, ErrorCode> {
        named(config.id)?;
        let meter = self.0.get_mut(&config.id).ok_or(ErrorCode::OFPMMFC_UNKNOWN_METER)?;
        meter.running = Arc::new(Running::new(&running(&config)?, now));
        meter.config = config;
        Ok((meter.number, Some(meter.running.clone())))
    }

    /// Remove one; nothing if it is not there.
    pub fn remove(&mut self, id: MeterId, numbers: &mut Numbers) -> Option<Told> {
        let gone = self.0.remove(&id)?;
        numbers.give_back(gone.number);
        Some((gone.number, None))
    }
}

impl Meter {
    /// What OFPMP_METER says; `flow_count` flows use it.
    pub fn stats(&self, flow_count: usize, now: Time) -> MeterStats {
        let (packet_in_count, byte_in_count) = self.running.counted();
        MeterStats {
            id: self.config.id,
            flow_count: flow_count as u32,
            packet_in_count,
            byte_in_count,
            duration: now.since(self.created),
            bands: self.running.exceeded().collect(),
        }
    }
}

/// Whether a meter can have this number.
pub(crate) fn named(id: MeterId) -> Result<(), ErrorCode> {
    let is_virtual = matches!(id, MeterId::CONTROLLER | MeterId::SLOWPATH);
    match id.0 == 0 || id > MeterId::MAX && !is_virtual {
        true => Err(ErrorCode::OFPMMFC_INVALID_METER),
        false => Ok(()),
    }
}

/// The engine's words for a configuration.
fn running(config: &MeterConfig) -> Result<RunningConfig, ErrorCode> {
    let unit = match (config.flags.contains(MeterFlags::KBPS), config.flags.contains(MeterFlags::PKTPS)) {
        (true, false) => MeterUnit::Kilobits,
        (false, true) => MeterUnit::Packets,
        _ => return Err(ErrorCode::OFPMMFC_BAD_FLAGS),
    };
    if config.bands.len() > MAX_BANDS {
        return Err(ErrorCode::OFPMMFC_OUT_OF_BANDS);
    }
    let bands = config.bands.iter().map(|band| RunningBand {
        rate: band.rate,
        burst: if config.flags.contains(MeterFlags::BURST) { band.burst } else { 0 },
        then: match band.kind {
            BandKind::Drop => Beyond::Drop,
            BandKind::DscpRemark { prec_level } => Beyond::Remark(prec_level),
        },
    });
    Ok(RunningConfig { unit, bands: bands.collect() })
}
