//! Ports: descriptions, changes, statistics; queues.
#![allow(missing_docs, reason = "the names are the specification's")]

use std::time::Duration;

use bitflags::bitflags;
use weft_flow::OfPort;

use crate::ids::{Mac, QueueId};

/// What a port is.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct PortDesc {
    pub port: OfPort,
    pub hw_addr: Mac,
    /// At most 15 bytes in versions before 1.4 and in 1.4+ too.
    pub name: String,
    pub config: PortConfig,
    pub state: PortState,
    /// What it does now.
    pub current: PortFeatures,
    pub advertised: PortFeatures,
    pub supported: PortFeatures,
    pub peer: PortFeatures,
    /// kbps.
    pub curr_speed: u32,
    /// kbps.
    pub max_speed: u32,
}

bitflags! {
    /// OFPPC_*: the same bits in every version.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct PortConfig: u32 {
        /// Administratively down.
        const PORT_DOWN = 1 << 0;
        /// 1.0: no spanning tree here.
        const NO_STP = 1 << 1;
        /// Drop what comes in.
        const NO_RECV = 1 << 2;
        /// 1.0: drop spanning tree packets.
        const NO_RECV_STP = 1 << 3;
        /// 1.0: not part of FLOOD.
        const NO_FLOOD = 1 << 4;
        /// Drop what would go out.
        const NO_FWD = 1 << 5;
        /// No packet-in on a miss.
        const NO_PACKET_IN = 1 << 6;
    }
}

bitflags! {
    /// OFPPS_*.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct PortState: u32 {
        /// No carrier.
        const LINK_DOWN = 1 << 0;
        /// 1.1+: blocked by something outside of OpenFlow.
        const BLOCKED = 1 << 1;
        /// 1.1+: live for fast failover.
        const LIVE = 1 << 2;
        /// 1.0: the two bits of the spanning tree's state (listen 0, learn 1, forward 2, block 3).
        const STP_LOW = 1 << 8;
        /// See STP_LOW.
        const STP_HIGH = 1 << 9;
    }
}

bitflags! {
    /// OFPPF_*: the bits of OpenFlow 1.1 and later.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct PortFeatures: u32 {
        const HD_10MB = 1 << 0;
        const FD_10MB = 1 << 1;
        const HD_100MB = 1 << 2;
        const FD_100MB = 1 << 3;
        const HD_1GB = 1 << 4;
        const FD_1GB = 1 << 5;
        const FD_10GB = 1 << 6;
        const FD_40GB = 1 << 7;
        const FD_100GB = 1 << 8;
        const FD_1TB = 1 << 9;
        const OTHER = 1 << 10;
        const COPPER = 1 << 11;
        const FIBER = 1 << 12;
        const AUTONEG = 1 << 13;
        const PAUSE = 1 << 14;
        const PAUSE_ASYM = 1 << 15;
    }
}

/// A port came, went or changed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct PortStatus {
    pub reason: PortReason,
    pub desc: PortDesc,
}

/// OFPPR_*.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
#[repr(u8)]
pub enum PortReason {
    Add = 0,
    Delete = 1,
    Modify = 2,
}

/// Change a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortMod {
    /// Which.
    pub port: OfPort,
    /// Must be the port's address (zero in 1.4+: not checked).
    pub hw_addr: Mac,
    /// New bits.
    pub config: PortConfig,
    /// Which bits change.
    pub mask: PortConfig,
    /// Zero: leave.
    pub advertise: PortFeatures,
}

/// A port's counters; `u64::MAX` in any: unknown.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct PortStats {
    pub port: OfPort,
    pub rx_packets: u64,
    pub tx_packets: u64,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_dropped: u64,
    pub tx_dropped: u64,
    pub rx_errors: u64,
    pub tx_errors: u64,
    pub rx_frame_err: u64,
    pub rx_over_err: u64,
    pub rx_crc_err: u64,
    pub collisions: u64,
    /// 1.3+.
    pub duration: Option<Duration>,
    /// RFC 2819 counters (1.4+, OVS's experimenter property); empty: none.
    pub rfc2819: Option<Box<Rfc2819Stats>>,
    /// Named counters (OVS's experimenter property).
    pub custom: Vec<(String, u64)>,
}

impl PortStats {
    /// Nothing known but the port.
    pub fn unknown(port: OfPort) -> PortStats {
        PortStats {
            port,
            rx_packets: u64::MAX,
            tx_packets: u64::MAX,
            rx_bytes: u64::MAX,
            tx_bytes: u64::MAX,
            rx_dropped: u64::MAX,
            tx_dropped: u64::MAX,
            rx_errors: u64::MAX,
            tx_errors: u64::MAX,
            rx_frame_err: u64::MAX,
            rx_over_err: u64::MAX,
            rx_crc_err: u64::MAX,
            collisions: u64::MAX,
            duration: None,
            rfc2819: None,
            custom: Vec::new(),
        }
    }
}

/// RFC 2819 counters; `u64::MAX`: unknown.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the RFC's names")]
pub struct Rfc2819Stats {
    pub rx_1_to_64: u64,
    pub rx_65_to_127: u64,
    pub rx_128_to_255: u64,
    pub rx_256_to_511: u64,
    pub rx_512_to_1023: u64,
    pub rx_1024_to_1522: u64,
    pub rx_1523_to_max: u64,
    pub tx_1_to_64: u64,
    pub tx_65_to_127: u64,
    pub tx_128_to_255: u64,
    pub tx_256_to_511: u64,
    pub tx_512_to_1023: u64,
    pub tx_1024_to_1522: u64,
    pub tx_1523_to_max: u64,
    pub tx_multicast: u64,
    pub rx_broadcast: u64,
    pub tx_broadcast: u64,
    pub rx_undersized: u64,
    pub rx_oversize: u64,
    pub rx_fragments: u64,
    pub rx_jabber: u64,
}

impl Rfc2819Stats {
    /// In the order of the fields, as they lie on the wire.
    pub fn counters(&self) -> [u64; 21] {
        [
            self.rx_1_to_64,
            self.rx_65_to_127,
            self.rx_128_to_255,
            self.rx_256_to_511,
            self.rx_512_to_1023,
            self.rx_1024_to_1522,
            self.rx_1523_to_max,
            self.tx_1_to_64,
            self.tx_65_to_127,
            self.tx_128_to_255,
            self.tx_256_to_511,
            self.tx_512_to_1023,
            self.tx_1024_to_1522,
            self.tx_1523_to_max,
            self.tx_multicast,
            self.rx_broadcast,
            self.tx_broadcast,
            self.rx_undersized,
            self.rx_oversize,
            self.rx_fragments,
            self.rx_jabber,
        ]
    }

    /// The inverse of [`Rfc2819Stats::counters`].
    pub fn from_counters(counters: [u64; 21]) -> Rfc2819Stats {
        let [
            rx_1_to_64,
            rx_65_to_127,
            rx_128_to_255,
            rx_256_to_511,
            rx_512_to_1023,
            rx_1024_to_1522,
            rx_1523_to_max,
            tx_1_to_64,
            tx_65_to_127,
            tx_128_to_255,
            tx_256_to_511,
            tx_512_to_1023,
            tx_1024_to_1522,
            tx_1523_to_max,
            tx_multicast,
            rx_broadcast,
            tx_broadcast,
            rx_undersized,
            rx_oversize,
            rx_fragments,
            rx_jabber,
        ] = counters;
        Rfc2819Stats {
            rx_1_to_64,
            rx_65_to_127,
            rx_128_to_255,
            rx_256_to_511,
            rx_512_to_1023,
            rx_1024_to_1522,
            rx_1523_to_max,
            tx_1_to_64,
            tx_65_to_127,
            tx_128_to_255,
            tx_256_to_511,
            tx_512_to_1023,
            tx_1024_to_1522,
            tx_1523_to_max,
            tx_multicast,
            rx_broadcast,
            tx_broadcast,
            rx_undersized,
            rx_oversize,
            rx_fragments,
            rx_jabber,
        }
    }
}

/// A queue's counters.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct QueueStats {
    pub port: OfPort,
    pub queue: QueueId,
    pub tx_bytes: u64,
    pub tx_packets: u64,
    pub tx_errors: u64,
    /// 1.3+.
    pub duration: Option<Duration>,
}

/// A queue's configuration; rates in tenths of a percent of the link, `None`: not configured.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct QueueConfig {
    pub port: OfPort,
    pub queue: QueueId,
    pub min_rate: Option<u16>,
    pub max_rate: Option<u16>,
}
