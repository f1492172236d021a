//! What: rows of table Interface: one device, or one end of a patch.

use std::collections::BTreeMap;

use uuid::Uuid;
use weft_packet::Mac;
use weft_pipeline::liveness::Monitoring;

use super::row::Checked;

/// The number that the switch itself wrote down earlier. A wish, not a setting: two configurations that differ only
/// in it are the same.
#[derive(Clone, Copy, Debug, Default, Eq)]
pub struct Hint(pub Option<u32>);

impl PartialEq for Hint {
    fn eq(&self, _: &Hint) -> bool {
        true
    }
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceConfig {
    /// The row.
    pub id: Uuid,
    /// Its name, which is the device's.
    pub name: String,
    /// Its type as the user wrote it; empty means `system`.
    pub kind: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
    /// `other_config:pmd-rxq-affinity`: which queue is for which core.
    pub rxq_affinity: String,
    /// `other_config:tx-steering=hash`: frames choose their transmit queue by what they carry.
    pub steers_by_hash: bool,
    /// Which OpenFlow port number it would like.
    pub ofport_request: Option<u32>,
    /// Which number it had in the switch's former life.
    pub ofport_hint: Hint,
    /// Which Ethernet address its device shall get.
    pub mac: Option<Mac>,
    /// Which MTU its device shall get.
    pub mtu_request: Option<u32>,
    /// What watches its link.
    pub monitoring: Monitoring,
}

impl InterfaceConfig {
    /// Reads the row.
    pub fn read(row: &mut Checked<'_, '_>) -> InterfaceConfig {
        let name = row.row.text("name").to_owned();
        let port_number = |n: i64| (1..0xff00).contains(&n).then_some(n as u32);
        let mac = match row.row.text("mac") {
            "" => None,
            text => match text.parse::<Mac>() {
                Ok(mac) if mac.is_multicast() => {
                    row.warn("mac", text, "expected a unicast Ethernet address");
                    None
                }
                Ok(mac) if mac.is_zero() => None,
                Ok(mac) => Some(mac),
                Err(_) => {
                    row.warn("mac", text, "expected an Ethernet address such as 02:00:00:00:00:01");
                    None
                }
            },
        };
        for (column, feature) in [("ingress_policing_rate", "policing"), ("ingress_policing_kpkts_rate", "policing")] {
            if let Some(rate) = row.row.integer(column).filter(|rate| *rate != 0) {
                row.warn(column, rate, format!("{feature} is not supported by this version"));
            }
        }
        InterfaceConfig {
            id: row.row.id,
            name,
            kind: row.row.text("type").to_owned(),
            options: row.row.map("options"),
            rxq_affinity: row.row.key("other_config", "pmd-rxq-affinity").unwrap_or_default().to_owned(),
            steers_by_hash: row.row.key("other_config", "tx-steering") == Some("hash"),
            ofport_request: row.row.integer("ofport_request").and_then(port_number),
            ofport_hint: Hint(row.row.integer("ofport").and_then(port_number)),
            mac,
            monitoring: super::monitoring::read(row),
            mtu_request: row.row.integer("mtu_request").and_then(|n| (68..=65535).contains(&n).then_some(n as u32)),
        }
    }

    /// Whether it is one end of a patch between two bridges rather than a device.
    pub fn is_patch(&self) -> bool {
        self.kind == "patch"
    }

    /// Whether it is a bridge's own device.
    pub fn is_internal(&self) -> bool {
        self.kind == "internal"
    }

    /// `options:peer` of a patch.
    pub fn peer(&self) -> Option<&str> {
        self.options.get("peer").map(String::as_str)
    }
}
