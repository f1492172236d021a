//! What: the row of table Open_vSwitch: what holds for the whole daemon.

use std::path::PathBuf;
use std::time::Duration;

use super::row::{Checked, Row};
use weft_jsonrpc::address::{Address, OVSDB_PORT};

/// Settings of the whole daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchConfig {
    /// The configuration's number; goes to `cur_cfg` once it is applied.
    pub next_cfg: i64,
    /// `external_ids:system-id`.
    pub system_id: Option<String>,
    /// How often statistics are written to rows.
    pub stats_interval: Duration,
    /// Whether the machine's statistics are wanted too.
    pub enable_statistics: bool,
    /// Upper limit of cached flows.
    pub flow_limit: u32,
    /// How long a cached flow may be idle.
    pub max_idle: Duration,
    /// The longest wait between revalidations.
    pub max_revalidator: Duration,
    /// Flows slower than this may be dropped rather than revalidated when revalidation is slow.
    pub min_revalidate_pps: u32,
    /// VLAN tags that are looked at: 0 stands for as many as we can.
    pub vlan_limit: u32,
    /// An open OpenFlow bundle that nobody touches this long is dropped.
    pub bundle_idle_timeout: Duration,
    /// Cores that may poll queues, as a hexadecimal mask; `None`: one of each memory node.
    pub pmd_cpu_mask: Option<String>,
    /// How receive queues are dealt to cores.
    pub pmd_rxq_assign: crate::pmd::Mode,
    /// Whether a core with a pinned queue gets no others.
    pub pmd_rxq_isolate: bool,
    /// How long a core may sleep when it has little to do, in microseconds.
    pub pmd_max_sleep: u64,
    /// Do not talk to controllers, keep cached flows: a restart is under way.
    pub flow_restore_wait: bool,
    /// Managers that we connect to.
    pub managers: Vec<Address>,
    /// Whom OpenFlow's `ssl:` connections show and trust; `None`: what the command line says.
    pub ssl: Option<SslConfig>,
}

/// A row of table SSL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SslConfig {
    /// File of the private key.
    pub private_key: PathBuf,
    /// File of the certificate.
    pub certificate: PathBuf,
    /// File of the CA that peers are verified by.
    pub ca_cert: PathBuf,
    /// Take the CA from the first peer.
    pub bootstrap: bool,
}

impl SslConfig {
    fn read(row: Row<'_>) -> SslConfig {
        SslConfig {
            private_key: row.text("private_key").into(),
            certificate: row.text("certificate").into(),
            ca_cert: row.text("ca_cert").into(),
            bootstrap: row.boolean("bootstrap_ca_cert") == Some(true),
        }
    }
}

impl Default for SwitchConfig {
    /// What ovs-vswitchd.conf.db(5) gives as defaults.
    fn default() -> Self {
        SwitchConfig {
            next_cfg: 0,
            system_id: None,
            stats_interval: Duration::from_secs(5),
            enable_statistics: false,
            flow_limit: 200_000,
            max_idle: Duration::from_secs(10),
            max_revalidator: Duration::from_millis(500),
            min_revalidate_pps: 5,
            vlan_limit: 1,
            bundle_idle_timeout: Duration::from_secs(10),
            pmd_cpu_mask: None,
            pmd_rxq_assign: crate::pmd::Mode::default(),
            pmd_rxq_isolate: true,
            pmd_max_sleep: 0,
            flow_restore_wait: false,
            managers: Vec::new(),
            ssl: None,
        }
    }
}

impl SwitchConfig {
    /// Reads the row.
    pub fn read(row: &mut Checked<'_, '_>) -> SwitchConfig {
        let default = SwitchConfig::default();
        let oc = "other_config";
        let millis = |n: i64| Duration::from_millis(n as u64);
        SwitchConfig {
            next_cfg: row.row.integer("next_cfg").unwrap_or(0),
            system_id: row.row.key("external_ids", "system-id").map(str::to_owned),
            stats_interval: row
                .number(oc, "stats-update-interval", 5000..=i64::MAX)
                .map_or(default.stats_interval, millis),
            enable_statistics: row.flag(oc, "enable-statistics", false),
            flow_limit: row.number(oc, "flow-limit", 0..=u32::MAX.into()).map_or(default.flow_limit, |n| n as u32),
            max_idle: row.number(oc, "max-idle", 500..=u32::MAX.into()).map_or(default.max_idle, millis),
            max_revalidator: row
                .number(oc, "max-revalidator", 100..=u32::MAX.into())
                .map_or(default.max_revalidator, millis),
            min_revalidate_pps: row
                .number(oc, "min-revalidate-pps", 0..=u32::MAX.into())
                .map_or(default.min_revalidate_pps, |n| n as u32),
            vlan_limit: row.number(oc, "vlan-limit", 0..=u32::MAX.into()).map_or(default.vlan_limit, |n| n as u32),
            bundle_idle_timeout: row
                .number(oc, "bundle-idle-timeout", 1..=u32::MAX.into())
                .map_or(default.bundle_idle_timeout, |n| Duration::from_secs(n as u64)),
            pmd_cpu_mask: row.row.key(oc, "pmd-cpu-mask").map(str::to_owned),
            pmd_rxq_assign: assignment(row.row.key(oc, "pmd-rxq-assign")),
            pmd_rxq_isolate: row.flag(oc, "pmd-rxq-isolate", true),
            pmd_max_sleep: row.row.key(oc, "pmd-maxsleep").and_then(|text| text.parse::<i64>().ok()).map_or(0, sleep),
            flow_restore_wait: row.flag(oc, "flow-restore-wait", false),
            managers: row
                .row
                .follow("manager_options", "Manager")
                .filter_map(|manager| Address::parse(manager.text("target"), OVSDB_PORT).ok())
                .collect(),
            ssl: row.row.follow("ssl", "SSL").next().map(SslConfig::read),
        }
    }
}

fn assignment(text: Option<&str>) -> crate::pmd::Mode {
    let mode = text.map(crate::pmd::Mode::parse);
    if mode == Some(None) {
        tracing::warn!(
            target: "dpif_netdev",
            "Unsupported rx queue to PMD assignment mode in pmd-rxq-assign. Defaulting to 'cycles'."
        );
    }
    mode.flatten().unwrap_or_default()
}

/// Nobody sleeps longer than ten milliseconds.
fn sleep(asked: i64) -> u64 {
    u64::try_from(asked).unwrap_or(u64::MAX).min(10_000)
}
