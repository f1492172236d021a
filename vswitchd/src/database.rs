//! What: which part of the database the switch copies, and how the configuration reads the copy.
//!
//! Invariants: what the switch itself writes is not news to it: [`news`] leaves such changes out.

use uuid::Uuid;
use weft_ovsdb::Datum;
use weft_ovsdb::replica::{Changes, Replica, Select};

use crate::config::Rows;

impl Rows for Replica {
    fn column(&self, table: &str, id: Uuid, column: &str) -> Option<&Datum> {
        self.row(table, id)?.get(column)
    }

    fn contains(&self, table: &str, id: Uuid) -> bool {
        self.row(table, id).is_some()
    }

    fn ids(&self, table: &str) -> Vec<Uuid> {
        self.rows(table).map(|row| row.uuid).collect()
    }
}

/// What to copy: what we read, and what we write too, so that a restarted switch corrects what an earlier one left.
/// Statistics are written blindly; they change all the time.
pub fn select() -> Select {
    let tables = CONFIGURATION.iter().chain(STATUS);
    tables.fold(Select::default(), |select, (table, columns)| select.columns(table, columns))
}

/// Tables that the switch writes to.
pub fn written() -> impl Iterator<Item = &'static str> {
    STATUS.iter().map(|(table, _)| *table)
}

/// The rows whose configuration changed.
pub fn news<'a>(replica: &'a Replica, changes: &'a Changes) -> impl Iterator<Item = (&'a str, Uuid)> {
    changes.tables.iter().flat_map(move |(table, rows)| {
        let schema = replica.table(table).map(|table| table.schema());
        let read =
            CONFIGURATION.iter().find(|(name, _)| name == table).map(|(_, columns)| *columns).unwrap_or_default();
        let indexes: Vec<usize> =
            read.iter().filter_map(|column| schema.and_then(|schema| schema.column_index(column))).collect();
        let relevant = move |(id, change): (&Uuid, &weft_ovsdb::replica::RowChange)| {
            let known = change.old.is_none() || change.new.is_none();
            (known || change.columns().any(|at| indexes.contains(&at))).then_some((table.as_str(), *id))
        };
        rows.iter().filter_map(relevant)
    })
}

/// Columns that say what the switch shall do.
const CONFIGURATION: &[(&str, &[&str])] = &[
    ("Open_vSwitch", &["bridges", "datapaths", "manager_options", "other_config", "external_ids", "next_cfg", "ssl"]),
    ("SSL", &["private_key", "certificate", "ca_cert", "bootstrap_ca_cert"]),
    (
        "Bridge",
        &[
            "name",
            "ports",
            "datapath_type",
            "controller",
            "fail_mode",
            "protocols",
            "other_config",
            "external_ids",
            "flood_vlans",
            "flow_tables",
            "mirrors",
            "netflow",
            "sflow",
            "ipfix",
            "auto_attach",
            "stp_enable",
            "rstp_enable",
            "mcast_snooping_enable",
        ],
    ),
    (
        "Port",
        &[
            "name",
            "interfaces",
            "tag",
            "trunks",
            "cvlans",
            "vlan_mode",
            "mac",
            "protected",
            "qos",
            "lacp",
            "bond_mode",
            "bond_updelay",
            "bond_downdelay",
            "fake_bridge",
            "other_config",
            "external_ids",
        ],
    ),
    (
        "Interface",
        &[
            "name",
            "type",
            "options",
            "mac",
            "ofport_request",
            "mtu_request",
            "ingress_policing_rate",
            "ingress_policing_kpkts_rate",
            "bfd",
            "cfm_mpid",
            "other_config",
            "external_ids",
        ],
    ),
    (
        "Controller",
        &[
            "type",
            "target",
            "max_backoff",
            "inactivity_probe",
            "connection_mode",
            "local_ip",
            "local_netmask",
            "local_gateway",
            "enable_async_messages",
            "controller_queue_size",
            "controller_rate_limit",
            "controller_burst_limit",
            "other_config",
        ],
    ),
    ("Manager", &["target"]),
    ("Flow_Table", &["name", "flow_limit", "overflow_policy", "groups", "prefixes"]),
    ("Datapath", &[]),
];

/// Columns that say what the switch does.
const STATUS: &[(&str, &[&str])] = &[
    (
        "Open_vSwitch",
        &[
            "cur_cfg",
            "ovs_version",
            "db_version",
            "datapath_types",
            "iface_types",
            "dpdk_initialized",
            "dpdk_version",
            "statistics",
        ],
    ),
    ("Bridge", &["datapath_id", "datapath_version", "status"]),
    ("Port", &["status"]),
    (
        "Interface",
        &[
            "ofport",
            "mac_in_use",
            "mtu",
            "admin_state",
            "link_state",
            "link_speed",
            "link_resets",
            "duplex",
            "ifindex",
            "status",
            "error",
            "bfd_status",
            "cfm_fault",
            "cfm_fault_status",
            "cfm_flap_count",
            "cfm_health",
            "cfm_remote_mpids",
            "cfm_remote_opstate",
        ],
    ),
    ("Controller", &["is_connected", "role", "status"]),
    ("Manager", &["is_connected", "status"]),
    ("Datapath", &["datapath_version", "capabilities"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;
    use weft_ovsdb::open_vswitch;

    #[test]
    fn every_column_that_is_named_exists() {
        let schema = open_vswitch::schema();
        for (table, columns) in CONFIGURATION.iter().chain(STATUS) {
            let table = schema.table(table).unwrap();
            columns.iter().for_each(|column| assert!(table.column_index(column).is_some(), "{column}"));
        }
    }

    #[test]
    fn our_own_writing_is_no_news() {
        let mut replica = Replica::new(Arc::new(open_vswitch::schema()), &select());
        let id = "00000000-0000-0000-0000-000000000001";
        let insert = json!({"Interface": {id: {"insert": {"name": "p1"}}}});
        let changes = replica.apply_update2(&insert).unwrap();
        assert_eq!(news(&replica, &changes).count(), 1);
        let changes = replica.apply_update2(&json!({"Interface": {id: {"modify": {"ofport": 3}}}})).unwrap();
        assert_eq!(news(&replica, &changes).count(), 0);
        let changes = replica.apply_update2(&json!({"Interface": {id: {"modify": {"mtu_request": 3000}}}})).unwrap();
        assert_eq!(news(&replica, &changes).count(), 1);
    }
}
