//! Meters.
#![allow(missing_docs, reason = "the names are the specification's")]

use std::time::Duration;

use bitflags::bitflags;

use crate::ids::MeterId;

/// Add, change or delete a meter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeterMod {
    /// What to do.
    pub command: MeterModCommand,
    /// The meter.
    pub meter: MeterConfig,
}

/// OFPMC_*.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
#[repr(u16)]
pub enum MeterModCommand {
    Add = 0,
    Modify = 1,
    Delete = 2,
}

/// A meter as it is configured.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct MeterConfig {
    pub id: MeterId,
    pub flags: MeterFlags,
    pub bands: Vec<MeterBand>,
}

bitflags! {
    /// OFPMF_*.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct MeterFlags: u16 {
        const KBPS = 1 << 0;
        const PKTPS = 1 << 1;
        const BURST = 1 << 2;
        const STATS = 1 << 3;
    }
}

/// What happens above a rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct MeterBand {
    pub kind: BandKind,
    pub rate: u32,
    pub burst: u32,
}

/// OFPMBT_*.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BandKind {
    /// Drop.
    Drop,
    /// Raise the drop precedence in the DSCP.
    DscpRemark {
        /// By so many steps.
        prec_level: u8,
    },
}

/// A meter's counters.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct MeterStats {
    pub id: MeterId,
    pub flow_count: u32,
    pub packet_in_count: u64,
    pub byte_in_count: u64,
    pub duration: Duration,
    /// Packets and bytes of each band.
    pub bands: Vec<(u64, u64)>,
}

/// What meters can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct MeterFeatures {
    pub max_meters: u32,
    /// One bit per OFPMBT_*.
    pub band_types: u32,
    pub capabilities: u32,
    pub max_bands: u8,
    pub max_color: u8,
}
