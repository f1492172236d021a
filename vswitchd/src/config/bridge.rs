//! What: rows of table Bridge, without their ports: the switch that controllers see.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use uuid::Uuid;
use weft_packet::Mac;

use super::controller::ControllerConfig;
use super::row::{Checked, Row, Warning};

/// What a bridge does on its own when no primary controller is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailMode {
    /// Forward like a learning switch.
    Standalone,
    /// Forward nothing that no flow asks for.
    Secure,
}

/// An OpenFlow version that a bridge may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the column's own words")]
pub enum Protocol {
    OpenFlow10,
    OpenFlow11,
    OpenFlow12,
    OpenFlow13,
    OpenFlow14,
    OpenFlow15,
}

/// Settings of one OpenFlow table.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FlowTableConfig {
    /// Its name.
    pub name: Option<String>,
    /// How many flows it may hold.
    pub flow_limit: Option<u32>,
    /// Whether a full table evicts rather than refuses.
    pub evict: bool,
    /// `groups` as written.
    pub groups: Vec<String>,
    /// `prefixes` as written.
    pub prefixes: Vec<String>,
}

/// One bridge, without its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeConfig {
    /// The row.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// `datapath_type` as written.
    pub datapath_type: String,
    /// `other_config:datapath-id`.
    pub datapath_id: Option<u64>,
    /// `other_config:hwaddr`.
    pub hwaddr: Option<Mac>,
    /// `other_config:dp-desc`.
    pub dp_desc: Option<String>,
    /// `other_config:dp-sn`.
    pub dp_sn: Option<String>,
    /// See [`FailMode`].
    pub fail_mode: FailMode,
    /// Versions that may be negotiated, ascending. Never empty.
    pub protocols: Vec<Protocol>,
    /// How long a learned address lasts without traffic.
    pub mac_aging: Duration,
    /// How many addresses may be learned.
    pub mac_table_size: u32,
    /// VLANs in which nothing is learned.
    pub flood_vlans: BTreeSet<u16>,
    /// Whether NORMAL forwards 01:80:c2:00:00:0x.
    pub forward_bpdu: bool,
    /// No rules for the way to controllers.
    pub disable_in_band: bool,
    /// The queue that those rules use.
    pub in_band_queue: Option<u32>,
    /// Packet-ins that may wait for the management connections.
    pub controller_queue_size: u32,
    /// Its controllers, by target.
    pub controllers: BTreeMap<String, ControllerConfig>,
    /// Settings of its tables.
    pub tables: BTreeMap<u8, FlowTableConfig>,
}

impl BridgeConfig {
    /// Reads the row with its controllers and flow tables.
    pub fn read(row: Row<'_>, warnings: &mut Vec<Warning>) -> BridgeConfig {
        let controllers = row.follow("controller", "Controller").collect::<Vec<_>>();
        let controllers = controllers.into_iter().filter_map(|row| {
            let controller = ControllerConfig::read(&mut Checked::new(row, warnings))?;
            Some((controller.target.clone(), controller))
        });
        let controllers = controllers.collect();
        let tables = row.numbered_refs("flow_tables", "Flow_Table").into_iter();
        let tables = tables.filter_map(|(id, row)| Some((u8::try_from(id).ok()?, flow_table(row, warnings)))).collect();
        let mut row = Checked::new(row, warnings);
        let oc = "other_config";
        let fail_mode = match row.row.text("fail_mode") {
            "" => FailMode::Standalone,
            text => row.one_of("fail_mode", text, FAIL_MODES).unwrap_or(FailMode::Standalone),
        };
        let mut protocols: Vec<Protocol> = Vec::new();
        for text in row.row.texts("protocols") {
            protocols.extend(row.one_of("protocols", text, PROTOCOLS));
        }
        if protocols.is_empty() {
            protocols = PROTOCOLS.iter().map(|(_, protocol)| *protocol).collect();
        }
        protocols.sort();
        for column in ["stp_enable", "rstp_enable", "mcast_snooping_enable"] {
            if row.row.boolean(column) == Some(true) {
                row.warn(column, true, "not supported by this version");
            }
        }
        for column in ["mirrors", "netflow", "sflow", "ipfix", "auto_attach"] {
            if let Some(id) = row.row.refs(column).first() {
                row.warn(column, id, "not supported by this version");
            }
        }
        let seconds = |n: i64| Duration::from_secs(n as u64);
        BridgeConfig {
            id: row.row.id,
            name: row.row.text("name").to_owned(),
            datapath_type: row.row.text("datapath_type").to_owned(),
            datapath_id: datapath_id(&mut row),
            hwaddr: hwaddr(&mut row),
            dp_desc: row.row.key(oc, "dp-desc").map(str::to_owned),
            dp_sn: row.row.key(oc, "dp-sn").map(str::to_owned),
            fail_mode,
            protocols,
            mac_aging: row
                .number(oc, "mac-aging-time", 1..=u32::MAX.into())
                .map_or(seconds(300), |n| seconds(n.clamp(15, 3600))),
            mac_table_size: row
                .number(oc, "mac-table-size", 1..=u32::MAX.into())
                .map_or(8192, |n| n.clamp(10, 1_000_000) as u32),
            flood_vlans: row.row.integers("flood_vlans").into_iter().filter_map(|n| u16::try_from(n).ok()).collect(),
            forward_bpdu: row.flag(oc, "forward-bpdu", false),
            disable_in_band: row.flag(oc, "disable-in-band", false),
            in_band_queue: row.number(oc, "in-band-queue", 0..=u32::MAX.into()).map(|n| n as u32),
            controller_queue_size: row.number(oc, "controller-queue-size", 1..=512).unwrap_or(100) as u32,
            controllers,
            tables,
        }
    }

    /// The bridge's versions as a set of the wire's numbers, 1 being OpenFlow 1.0.
    pub fn versions(&self) -> impl Iterator<Item = u8> + '_ {
        self.protocols.iter().map(|protocol| *protocol as u8 + 1)
    }
}

fn flow_table(row: Row<'_>, warnings: &mut Vec<Warning>) -> FlowTableConfig {
    let mut row = Checked::new(row, warnings);
    let evict = match row.row.text("overflow_policy") {
        "" => false,
        text => row.one_of("overflow_policy", text, &[("refuse", false), ("evict", true)]).unwrap_or(false),
    };
    let name = Some(row.row.text("name").to_owned()).filter(|name| !name.is_empty());
    let flow_limit = row.row.integer("flow_limit").and_then(|n| u32::try_from(n).ok());
    let texts = |column| row.row.texts(column).into_iter().map(str::to_owned).collect();
    FlowTableConfig { name, flow_limit, evict, groups: texts("groups"), prefixes: texts("prefixes") }
}

/// `0x` with up to 16 hexadecimal digits, or exactly 16 of them; not zero.
fn datapath_id(row: &mut Checked<'_, '_>) -> Option<u64> {
    let text = row.row.key("other_config", "datapath-id")?;
    let digits = match text.strip_prefix("0x") {
        Some(digits) if (1..=16).contains(&digits.len()) => digits,
        None if text.len() == 16 => text,
        _ => "",
    };
    let id = if digits.bytes().all(|b| b.is_ascii_hexdigit()) { u64::from_str_radix(digits, 16).ok() } else { None };
    let id = id.filter(|id| *id != 0);
    if id.is_none() {
        row.warn(
            "other_config:datapath-id",
            text,
            "expected 0x and up to 16 hex digits, or 16 hex digits, not all zero",
        );
    }
    id
}

fn hwaddr(row: &mut Checked<'_, '_>) -> Option<Mac> {
    let mac: Mac = row.parsed("other_config", "hwaddr", "an Ethernet address")?;
    if mac.is_multicast() || mac.is_zero() {
        row.warn("other_config:hwaddr", mac, "expected a unicast Ethernet address");
        return None;
    }
    Some(mac)
}

const FAIL_MODES: &[(&str, FailMode)] = &[("standalone", FailMode::Standalone), ("secure", FailMode::Secure)];

const PROTOCOLS: &[(&str, Protocol)] = &[
    ("OpenFlow10", Protocol::OpenFlow10),
    ("OpenFlow11", Protocol::OpenFlow11),
    ("OpenFlow12", Protocol::OpenFlow12),
    ("OpenFlow13", Protocol::OpenFlow13),
    ("OpenFlow14", Protocol::OpenFlow14),
    ("OpenFlow15", Protocol::OpenFlow15),
];
