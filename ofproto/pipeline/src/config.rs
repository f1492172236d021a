//! What the daemon tells the pipeline: settings of bridges, bundles and ports, in the terms of the database.
//!
//! Everything here is plain data. The verbs that take it are on [`crate::Pipeline`]; each changes one thing and costs
//! the same with one port as with a thousand. Field documentation names the column that each setting comes from.

use std::collections::BTreeMap;
use std::time::Duration;

use weft_flow::OfPort;
use weft_openflow::action::Action;
use weft_openflow::controller::Role;
use weft_openflow::{QueueId, Version};
use weft_packet::DpPort;

use crate::tunnel::Tunnel;
use crate::vlan::{PriorityTags, VlanMode, VlanSet};

/// A MAC address.
pub type Mac = [u8; 6];

/// What a bridge does while no controller is connected (Bridge `fail_mode`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FailMode {
    /// Forward like a learning switch. With no controller configured: from the start.
    #[default]
    Standalone,
    /// Only what the flow table says.
    Secure,
}

/// A set of OpenFlow versions (Bridge `protocols`), bit n = wire version n.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Versions(pub u32);

impl Versions {
    /// What a bridge without `protocols` offers.
    pub const DEFAULT: Versions = Versions(0b0111_1110);

    /// The versions with these names of the database (`OpenFlow10`, ...); unknown names are ignored.
    pub fn from_names<'a, I: IntoIterator<Item = &'a str>>(names: I) -> Versions {
        let bits = names.into_iter().fold(0, |bits, name| {
            bits | match name {
                "OpenFlow10" => 1 << 1,
                "OpenFlow11" => 1 << 2,
                "OpenFlow12" => 1 << 3,
                "OpenFlow13" => 1 << 4,
                "OpenFlow14" => 1 << 5,
                "OpenFlow15" => 1 << 6,
                _ => 0,
            }
        });
        if bits == 0 { Versions::DEFAULT } else { Versions(bits) }
    }
}

impl Default for Versions {
    fn default() -> Self {
        Versions::DEFAULT
    }
}

/// Settings of a bridge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BridgeSettings {
    /// Bridge `datapath_type` as OVS prints it in `dpif/show`: `system`, `netdev`, `dummy`.
    pub datapath_type: String,
    /// Bridge `datapath_id` (other_config:datapath-id, or made from the local port's MAC).
    pub datapath_id: u64,
    /// Bridge `fail_mode`.
    pub fail_mode: FailMode,
    /// Whether the column `controller` names one (services on management sockets do not count).
    pub has_controller: bool,
    /// The controllers have been away for too long, and `fail_mode` is standalone: the bridge forwards by itself.
    pub fail_open: bool,
    /// Bridge `protocols`.
    pub versions: Versions,
    /// other_config:mac-aging-time.
    pub mac_aging: Duration,
    /// other_config:mac-table-size.
    pub mac_table_size: usize,
    /// other_config:forward-bpdu.
    pub forward_bpdu: bool,
    /// Bridge `flood_vlans`.
    pub flood_vlans: VlanSet,
    /// Whether there is an exporter for `sample` actions (a Flow_Sample_Collector_Set).
    pub flow_sampling: bool,
    /// What OFPST_DESC says.
    pub description: Description,
    /// Rows of Flow_Table, by the number of their table.
    pub tables: BTreeMap<u8, TableSettings>,
}

/// A row of Flow_Table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TableSettings {
    /// Flow_Table `name`.
    pub name: String,
    /// Flow_Table `flow_limit`.
    pub flow_limit: Option<u32>,
    /// Whether Flow_Table `overflow_policy` is `evict`.
    pub evict: bool,
    /// Flow_Table `groups`, as written; what is not understood is ignored.
    pub groups: Vec<String>,
    /// Flow_Table `prefixes`, as written. Empty: the addresses of IPv4; `none`: none.
    pub prefixes: Vec<String>,
}

impl Default for BridgeSettings {
    fn default() -> Self {
        BridgeSettings {
            datapath_type: "system".into(),
            datapath_id: 0,
            fail_mode: FailMode::Standalone,
            has_controller: false,
            fail_open: false,
            versions: Versions::DEFAULT,
            mac_aging: Duration::from_secs(300),
            mac_table_size: 8192,
            forward_bpdu: false,
            flood_vlans: VlanSet::none(),
            flow_sampling: false,
            description: Description::default(),
            tables: BTreeMap::new(),
        }
    }
}

/// What OFPST_DESC says.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct Description {
    pub manufacturer: String,
    pub hardware: String,
    pub software: String,
    pub serial: String,
    /// other_config:dp-desc.
    pub datapath: String,
}

impl Default for Description {
    fn default() -> Self {
        Description {
            manufacturer: "Nicira, Inc.".into(),
            hardware: "Open vSwitch".into(),
            software: "3.1.0".into(),
            serial: "None".into(),
            datapath: "None".into(),
        }
    }
}

/// Settings of a bundle (a row of the database's Port table): one or more ports that act as one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BundleSettings {
    /// Port `name`.
    pub name: String,
    /// Port `vlan_mode` and `tag` together, see [`VlanMode::from_columns`].
    pub mode: VlanMode,
    /// Port `tag`.
    pub tag: Option<u16>,
    /// Port `trunks` ([`VlanSet::listed_or_all`]).
    pub trunks: VlanSet,
    /// Port `cvlans` ([`VlanSet::listed_or_all`]).
    pub cvlans: VlanSet,
    /// other_config:qinq-ethtype: 0x88a8 (802.1ad, the default) or 0x8100 (802.1q).
    pub qinq_ethertype: u16,
    /// other_config:priority-tags.
    pub priority_tags: PriorityTags,
    /// Port `protected`.
    pub protected: bool,
}

impl BundleSettings {
    /// A trunk of all VLANs.
    pub fn trunk(name: &str) -> BundleSettings {
        BundleSettings {
            name: name.into(),
            mode: VlanMode::Trunk,
            tag: None,
            trunks: VlanSet::all(),
            cvlans: VlanSet::all(),
            qinq_ethertype: 0x88a8,
            priority_tags: PriorityTags::Never,
            protected: false,
        }
    }

    /// An access port of one VLAN.
    pub fn access(name: &str, tag: u16) -> BundleSettings {
        BundleSettings { mode: VlanMode::Access, tag: Some(tag), ..BundleSettings::trunk(name) }
    }
}

/// What stands behind a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PortKind {
    /// A device of the datapath.
    Device(DpPort),
    /// A tunnel: what the datapath's port for its kind carries, as far as it is this tunnel's.
    Tunnel(Box<Tunnel>),
    /// The other end of a patch cable: the name of the peer port, on whatever bridge (options:peer).
    Patch {
        /// The peer's name.
        peer: String,
    },
}

/// Settings of a port (a row of the database's Interface table).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortSettings {
    /// Interface `name`. Unique among all bridges.
    pub name: String,
    /// Interface `type` as `dpif/show` prints it (`system`, `internal`, `tap`, `dummy`, `patch`, ...).
    pub device_type: String,
    /// What stands behind it.
    pub kind: PortKind,
    /// Interface `ofport_request`. The bridge's local port asks for [`OfPort::LOCAL`].
    pub ofport_request: Option<OfPort>,
    /// Link and administrative state.
    pub state: PortState,
}

/// What changes about a port while it lives; see `Pipeline::set_port_state`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortState {
    /// Interface `mac_in_use`.
    pub mac: Mac,
    /// Interface `admin_state` is `up`.
    pub admin_up: bool,
    /// Interface `link_state` is `up`.
    pub link_up: bool,
    /// Interface `link_speed`, in bits per second; 0 if unknown.
    pub speed: u64,
    /// Interface `mtu`; 0 if unknown.
    pub mtu: u32,
}

impl Default for PortState {
    fn default() -> Self {
        PortState { mac: [0; 6], admin_up: true, link_up: true, speed: 0, mtu: 1500 }
    }
}

/// Counters of a port, as OFPST_PORT reports them. `None`: the device does not count it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "the names of Interface `statistics`")]
pub struct PortCounters {
    pub rx_packets: Option<u64>,
    pub tx_packets: Option<u64>,
    pub rx_bytes: Option<u64>,
    pub tx_bytes: Option<u64>,
    pub rx_dropped: Option<u64>,
    pub tx_dropped: Option<u64>,
    pub rx_errors: Option<u64>,
    pub tx_errors: Option<u64>,
    pub rx_frame_err: Option<u64>,
    pub rx_over_err: Option<u64>,
    pub rx_crc_err: Option<u64>,
    pub collisions: Option<u64>,
    /// Counters that only this kind of device has (OpenFlow 1.4+: custom statistics).
    pub custom: Vec<(String, u64)>,
}

/// An OpenFlow connection, for as long as the daemon runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// What kind of peer an OpenFlow connection has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectionKind {
    /// A client of the management socket or of a listening (`p*`) target: served, but gets no packets of its own accord.
    Service,
    /// A controller that the switch connects to.
    Controller,
    /// A client of the snoop socket: gets a copy of what controllers and switch say to each other.
    Snoop,
}

/// Settings of an OpenFlow connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectionSettings {
    /// What kind of peer.
    pub kind: ConnectionKind,
    /// The peer as logs and listings name it (`unix#1`, `tcp:127.0.0.1:6653`).
    pub name: String,
    /// Controller `inactivity_probe`; `None`: never probe.
    pub probe_interval: Option<Duration>,
    /// Controller `controller_rate_limit` (packet-ins a second) and `controller_burst_limit`; `None`: no limit.
    pub packet_in_limit: Option<(u32, u32)>,
    /// Controller `controller_queue_size`: packet-ins that may wait for the socket.
    pub queue_size: usize,
    /// Controller `enable_async_messages`: whether it hears of events before it asks for them.
    pub async_messages: bool,
}

impl ConnectionSettings {
    /// A connection with no probes and no limits.
    pub fn new(kind: ConnectionKind, name: &str) -> ConnectionSettings {
        ConnectionSettings {
            kind,
            name: name.into(),
            probe_interval: None,
            packet_in_limit: None,
            queue_size: 100,
            async_messages: true,
        }
    }
}

/// How a connection stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectionStatus {
    /// The negotiated version, once HELLOs were exchanged.
    pub version: Option<Version>,
    /// Controller `role`.
    pub role: Role,
    /// The connection is of no more use: send what is queued, then close it.
    pub closing: bool,
    /// Why, where the peer did not just ask for something impossible.
    pub ended: Option<Ended>,
    /// It is silent, and was asked for a sign of life.
    pub probing: bool,
    /// The peer has done something that only those do who take charge.
    pub admitted: bool,
    /// Packet-ins under the rate limit, if there is one: for misses, and those that actions sent.
    pub pace: Option<[PaceStats; 2]>,
}

/// Why a connection ended from our side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// What came first was no HELLO (its bytes), or nothing came in time.
    NoHello(Option<Vec<u8>>),
    /// No version that both speak: ours and theirs, as bits by number on the wire.
    NoCommonVersion(Versions, Versions),
    /// Silence, even after a probe; after how many seconds.
    Silent(u64),
    /// The bytes made no sense.
    Garbage,
}

/// What became of packet-ins under a rate limit (Controller `status:packet-in-*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "the column's own words")]
pub struct PaceStats {
    pub bypassed: u64,
    pub queued: u64,
    pub dropped: u64,
    pub backlog: u64,
}

/// A rule of in-band control: NORMAL, perhaps through a queue, whatever the flow table says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HiddenRule {
    /// Above everything that a controller can say.
    pub priority: u32,
    /// Which frames.
    pub matching: weft_flow::Match,
    /// Bridge other_config:in-band-queue.
    pub queue: Option<u32>,
}

impl HiddenRule {
    pub(crate) fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        actions.extend(self.queue.map(|queue| Action::SetQueue(QueueId(queue))));
        actions.push(Action::Output { port: OfPort::NORMAL, max_len: 0 });
        actions
    }
}

/// Why the daemon's request was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfigError {
    /// No bridge of that name.
    NoSuchBridge(String),
    /// No bundle of that name on the bridge.
    NoSuchBundle(String),
    /// No port of that name.
    NoSuchPort(String),
    /// A bridge or port of that name is there already.
    Exists(String),
    /// All OpenFlow port numbers are taken.
    NoFreePort,
    /// A tunnel port asks for the same packets as this one, in these words.
    SameTunnel {
        /// The other's name.
        rival: String,
        /// What both ask for.
        wanted: String,
    },
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ConfigError::NoSuchBridge(name) => write!(f, "no bridge named {name}"),
            ConfigError::NoSuchBundle(name) => write!(f, "no port named {name}"),
            ConfigError::NoSuchPort(name) => write!(f, "no interface named {name}"),
            ConfigError::Exists(name) => write!(f, "{name} already exists"),
            ConfigError::NoFreePort => write!(f, "all OpenFlow port numbers are in use"),
            ConfigError::SameTunnel { rival, wanted } => {
                write!(f, "attempting to add tunnel port with same config as port '{rival}' ({wanted})")
            }
        }
    }
}

impl std::error::Error for ConfigError {}
