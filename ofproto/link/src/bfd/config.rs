//! What a session is told to do: the keys of Interface `bfd` (ovs-vswitchd.conf.db(5)).

use std::net::Ipv4Addr;
use std::time::Duration;

use weft_packet::Mac;

/// Settings of a session; each has the name of its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The shortest interval at which we take packets.
    pub min_rx: Duration,
    /// The shortest interval at which we send them.
    pub min_tx: Duration,
    /// `min_rx` of a link without data; zero: the same.
    pub decay_min_rx: Duration,
    /// Received data says that the link works.
    pub forwarding_if_rx: bool,
    /// Tell the neighbour not to forward to us.
    pub cpath_down: bool,
    /// Only packets without a tunnel key are for us.
    pub check_tnl_key: bool,
    /// `bfd_local_src_mac`; `None`: the port's own.
    pub local_src: Option<Mac>,
    /// `bfd_local_dst_mac`.
    pub local_dst: Mac,
    /// `bfd_remote_dst_mac`: the only destination that is for us; `None`: all are.
    pub remote_dst: Option<Mac>,
    /// `bfd_src_ip`.
    pub src_ip: Ipv4Addr,
    /// Whether it was said: then only packets to that address are for us.
    pub check_dst_ip: bool,
    /// `bfd_dst_ip`.
    pub dst_ip: Ipv4Addr,
    /// Mark packets in a tunnel as its own affairs.
    pub oam: bool,
    /// How many packets in a row may be lost.
    pub mult: u8,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            min_rx: Duration::from_millis(1000),
            min_tx: Duration::from_millis(100),
            decay_min_rx: Duration::ZERO,
            forwarding_if_rx: false,
            cpath_down: false,
            check_tnl_key: false,
            local_src: None,
            local_dst: Mac([0x00, 0x23, 0x20, 0, 0, 1]),
            remote_dst: None,
            src_ip: Ipv4Addr::new(169, 254, 1, 1),
            check_dst_ip: false,
            dst_ip: Ipv4Addr::new(169, 254, 1, 0),
            oam: false,
            mult: 3,
        }
    }
}
