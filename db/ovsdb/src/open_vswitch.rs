//! What: the `Open_vSwitch` database's schema, version 8.3.1, as ovs-vswitchd.conf.db(5) documents it.
//!
//! Why: the embedded database is made from it, and tests need a real schema.

use crate::schema::DatabaseSchema;

/// The schema's name, and that of its root table.
pub const OPEN_VSWITCH: &str = "Open_vSwitch";

/// The schema as JSON text.
pub const SCHEMA_TEXT: &str = include_str!("../schema/open_vswitch.json");

/// The parsed schema.
pub fn schema() -> DatabaseSchema {
    DatabaseSchema::from_text(SCHEMA_TEXT).expect("the embedded schema is tested")
}

/// Whether the switch itself writes the column: what is, not what shall be. Columns that are kept on disk for other
/// reasons than being settings are among them; ephemeral ones need not be listed.
pub fn is_reported(table: &str, column: &str) -> bool {
    REPORTED.iter().any(|(name, columns)| *name == table && columns.contains(&column))
}

const REPORTED: &[(&str, &[&str])] = &[
    (
        "Open_vSwitch",
        &[
            "next_cfg",
            "cur_cfg",
            "statistics",
            "ovs_version",
            "db_version",
            "system_type",
            "system_version",
            "datapath_types",
            "iface_types",
            "dpdk_initialized",
            "dpdk_version",
        ],
    ),
    ("Bridge", &["datapath_version", "status", "rstp_status"]),
    ("Port", &["bond_active_slave", "status", "statistics", "rstp_status", "rstp_statistics"]),
    ("Interface", &["ofport", "cfm_flap_count", "error", "status", "statistics"]),
    ("Datapath", &["datapath_version", "capabilities"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_parses_and_prints_back() {
        let schema = schema();
        assert_eq!(schema.name, OPEN_VSWITCH);
        assert_eq!(schema.tables.len(), 19);
        assert_eq!(DatabaseSchema::from_json(&schema.to_json()), Ok(schema));
    }

    /// Skipped where Open vSwitch is not installed.
    #[test]
    fn it_means_what_the_installed_one_means() {
        let Ok(text) = std::fs::read_to_string("/usr/share/openvswitch/vswitch.ovsschema") else { return };
        let (ours, theirs) = (schema(), DatabaseSchema::from_text(&text).unwrap());
        if ours.version != theirs.version {
            return;
        }
        for (name, table) in &theirs.tables {
            assert_eq!(ours.table(name), Some(table));
        }
        assert_eq!(ours, theirs);
    }
}
