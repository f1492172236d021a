//! What a device says of itself: speed, features, MTU range, statistics.

use weft_packet::Mac;

/// Duplex mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Duplex {
    /// One direction at a time.
    Half,
    /// Both directions at once.
    Full,
}

bitflags::bitflags! {
    /// Link features, with the bit numbers of OpenFlow 1.1 and later (`OFPPF_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Features: u32 {
        /// 10 Mb half-duplex.
        const HD_10MB = 1 << 0;
        /// 10 Mb full-duplex.
        const FD_10MB = 1 << 1;
        /// 100 Mb half-duplex.
        const HD_100MB = 1 << 2;
        /// 100 Mb full-duplex.
        const FD_100MB = 1 << 3;
        /// 1 Gb half-duplex.
        const HD_1GB = 1 << 4;
        /// 1 Gb full-duplex.
        const FD_1GB = 1 << 5;
        /// 10 Gb full-duplex.
        const FD_10GB = 1 << 6;
        /// 40 Gb full-duplex.
        const FD_40GB = 1 << 7;
        /// 100 Gb full-duplex.
        const FD_100GB = 1 << 8;
        /// 1 Tb full-duplex.
        const FD_1TB = 1 << 9;
        /// Another rate.
        const OTHER = 1 << 10;
        /// Copper medium.
        const COPPER = 1 << 11;
        /// Fiber medium.
        const FIBER = 1 << 12;
        /// Auto-negotiation.
        const AUTONEG = 1 << 13;
        /// Pause.
        const PAUSE = 1 << 14;
        /// Asymmetric pause.
        const PAUSE_ASYM = 1 << 15;
    }
}

/// The link: what it is doing and what it could do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkInfo {
    /// Current speed in bits per second, if known.
    pub speed_bps: Option<u64>,
    /// Highest supported speed in bits per second, if known.
    pub max_speed_bps: Option<u64>,
    /// Duplex, if known.
    pub duplex: Option<Duplex>,
    /// Features in use.
    pub current: Features,
    /// Features that are advertised.
    pub advertised: Features,
    /// Features that are supported.
    pub supported: Features,
    /// Features that the other side advertises.
    pub peer: Features,
}

/// The MTUs that a device accepts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MtuRange {
    /// The smallest.
    pub min: u32,
    /// The largest.
    pub max: u32,
}

/// A device's counters, seen from the switch: rx is what came in from the device. `None`: the device does not count
/// it (ofctl prints `?`, the database has no such key).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "each field is the statistic of that name in Interface.statistics")]
pub struct Stats {
    pub rx_packets: Option<u64>,
    pub tx_packets: Option<u64>,
    pub rx_bytes: Option<u64>,
    pub tx_bytes: Option<u64>,
    pub rx_errors: Option<u64>,
    pub tx_errors: Option<u64>,
    pub rx_dropped: Option<u64>,
    pub tx_dropped: Option<u64>,
    pub multicast: Option<u64>,
    pub collisions: Option<u64>,
    pub rx_length_errors: Option<u64>,
    pub rx_over_err: Option<u64>,
    pub rx_crc_err: Option<u64>,
    pub rx_frame_err: Option<u64>,
    pub rx_fifo_errors: Option<u64>,
    pub rx_missed_errors: Option<u64>,
    pub tx_aborted_errors: Option<u64>,
    pub tx_carrier_errors: Option<u64>,
    pub tx_fifo_errors: Option<u64>,
    pub tx_heartbeat_errors: Option<u64>,
    pub tx_window_errors: Option<u64>,
    /// The device's own counters (OpenFlow 1.4 custom statistics), also in `Interface.statistics`.
    pub custom: Vec<(String, u64)>,
}

impl Stats {
    /// The counters that `Interface.statistics` shows, by their names there; custom ones last.
    pub fn entries(&self) -> impl Iterator<Item = (&str, u64)> {
        let standard = [
            ("rx_packets", self.rx_packets),
            ("tx_packets", self.tx_packets),
            ("rx_bytes", self.rx_bytes),
            ("tx_bytes", self.tx_bytes),
            ("rx_dropped", self.rx_dropped),
            ("tx_dropped", self.tx_dropped),
            ("rx_errors", self.rx_errors),
            ("tx_errors", self.tx_errors),
            ("rx_frame_err", self.rx_frame_err),
            ("rx_over_err", self.rx_over_err),
            ("rx_crc_err", self.rx_crc_err),
            ("rx_missed_errors", self.rx_missed_errors),
            ("rx_multicast_packets", self.multicast),
            ("collisions", self.collisions),
        ];
        let standard = standard.into_iter().filter_map(|(name, value)| value.map(|v| (name, v)));
        standard.chain(self.custom.iter().map(|(name, value)| (name.as_str(), *value)))
    }
}

/// A kernel link as netlink describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// The kernel's number of it.
    pub ifindex: u32,
    /// Its name.
    pub name: String,
    /// Its address.
    pub mac: Mac,
    /// Its MTU.
    pub mtu: u32,
    /// The MTUs that it accepts, where the driver says so.
    pub mtu_range: Option<MtuRange>,
    /// Administratively up (IFF_UP).
    pub up: bool,
    /// Has carrier (IFF_LOWER_UP).
    pub carrier: bool,
    /// How often the carrier changed since the device was made.
    pub carrier_changes: u32,
    /// The driver's kind of link (`veth`, `tun`, `bridge`), empty for plain hardware.
    pub kind: String,
    /// The queueing discipline at its root.
    pub qdisc: String,
    /// Its counters as the kernel counts them (before any turning round for taps).
    pub stats: Stats,
}
