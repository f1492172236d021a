//! What: rows of table Port: one or more interfaces that act as one, and the VLANs they carry.

use std::sync::Arc;

use uuid::Uuid;
use weft_packet::Mac;

use super::interface::InterfaceConfig;
use super::row::{Checked, Row, Warning};

/// How a port treats VLAN tags, see ovs-vswitchd.conf.db(5) under `vlan_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the column's own words")]
pub enum VlanMode {
    Access,
    Trunk,
    NativeTagged,
    NativeUntagged,
    Dot1qTunnel,
}

/// Whether frames without a VLAN leave with a priority tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the option's own words")]
pub enum PriorityTags {
    No,
    IfNonzero,
    Always,
}

/// One port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortConfig {
    /// The row.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// See [`VlanMode`].
    pub vlan_mode: VlanMode,
    /// The access, native or tunnel VLAN.
    pub tag: Option<u16>,
    /// The VLANs that a trunk carries; none means all.
    pub trunks: Vec<u16>,
    /// The customer VLANs that a dot1q-tunnel takes; none means all.
    pub cvlans: Vec<u16>,
    /// See [`PriorityTags`].
    pub priority_tags: PriorityTags,
    /// The outer tag's Ethernet type in dot1q-tunnel mode.
    pub qinq_ethtype: u16,
    /// Protected ports do not talk to each other.
    pub protected: bool,
    /// `mac`: what the bridge's local port takes its address from if set.
    pub mac: Option<Mac>,
    /// Its interfaces, by name. More than one makes a bond.
    pub interfaces: Vec<Arc<InterfaceConfig>>,
}

impl PortConfig {
    /// Reads the row and its interfaces.
    pub fn read(row: Row<'_>, warnings: &mut Vec<Warning>) -> PortConfig {
        let interfaces: Vec<Row<'_>> = row.follow("interfaces", "Interface").collect();
        let mut interfaces: Vec<_> = interfaces
            .into_iter()
            .map(|row| Arc::new(InterfaceConfig::read(&mut Checked::new(row, warnings))))
            .collect();
        interfaces.sort_by(|a, b| a.name.cmp(&b.name));
        let mut row = Checked::new(row, warnings);
        let vid = |n: i64| (0..4096).contains(&n).then_some(n as u16);
        let vids = |ns: Vec<i64>| ns.into_iter().filter_map(vid).collect::<Vec<u16>>();
        let tag = row.row.integer("tag").and_then(vid);
        let trunks = vids(row.row.integers("trunks"));
        let vlan_mode = match row.row.text("vlan_mode") {
            // Without a mode the other columns say which one is meant.
            "" if tag.is_some() && trunks.is_empty() => VlanMode::Access,
            "" if tag.is_some() => VlanMode::Access,
            "" => VlanMode::Trunk,
            text => row.one_of("vlan_mode", text, VLAN_MODES).unwrap_or(VlanMode::Trunk),
        };
        if let Some(mode) = ["bond_mode"].into_iter().find(|column| !row.row.text(column).is_empty()) {
            let text = row.row.text(mode).to_owned();
            if interfaces.len() > 1 && text != "active-backup" {
                row.warn(mode, text, "bonding is not supported by this version: only the first interface carries");
            }
        }
        if !matches!(row.row.text("lacp"), "" | "off") {
            let text = row.row.text("lacp").to_owned();
            row.warn("lacp", text, "LACP is not supported by this version");
        }
        if !row.row.refs("qos").is_empty() {
            let qos = row.row.refs("qos")[0];
            row.warn("qos", qos, "QoS is not supported by this version");
        }
        PortConfig {
            id: row.row.id,
            name: row.row.text("name").to_owned(),
            vlan_mode,
            tag,
            trunks,
            cvlans: vids(row.row.integers("cvlans")),
            priority_tags: row.word("other_config", "priority-tags", PRIORITY_TAGS, PriorityTags::No),
            qinq_ethtype: row.word("other_config", "qinq-ethtype", QINQ_ETHTYPES, 0x88a8),
            protected: row.row.boolean("protected").unwrap_or(false),
            mac: row.row.text("mac").parse().ok(),
            interfaces,
        }
    }

    /// The port that a bridge has when the database names none for it: a single internal interface of its name.
    pub fn local(bridge: &str) -> PortConfig {
        let interface = InterfaceConfig {
            id: Uuid::nil(),
            name: bridge.to_owned(),
            kind: "internal".to_owned(),
            options: Default::default(),
            rxq_affinity: String::new(),
            steers_by_hash: false,
            ofport_request: None,
            ofport_hint: Default::default(),
            mac: None,
            mtu_request: None,
            monitoring: Default::default(),
        };
        PortConfig {
            id: Uuid::nil(),
            name: bridge.to_owned(),
            vlan_mode: VlanMode::Trunk,
            tag: None,
            trunks: Vec::new(),
            cvlans: Vec::new(),
            priority_tags: PriorityTags::No,
            qinq_ethtype: 0x88a8,
            protected: false,
            mac: None,
            interfaces: vec![Arc::new(interface)],
        }
    }
}

const VLAN_MODES: &[(&str, VlanMode)] = &[
    ("access", VlanMode::Access),
    ("trunk", VlanMode::Trunk),
    ("native-tagged", VlanMode::NativeTagged),
    ("native-untagged", VlanMode::NativeUntagged),
    ("dot1q-tunnel", VlanMode::Dot1qTunnel),
];

const PRIORITY_TAGS: &[(&str, PriorityTags)] = &[
    ("no", PriorityTags::No),
    ("false", PriorityTags::No),
    ("if-nonzero", PriorityTags::IfNonzero),
    ("true", PriorityTags::IfNonzero),
    ("always", PriorityTags::Always),
];

const QINQ_ETHTYPES: &[(&str, u16)] = &[("802.1ad", 0x88a8), ("802.1q", 0x8100)];
