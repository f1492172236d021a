//! What: the directories in which daemons and tools meet.
//!
//! Why: `OVS_RUNDIR` and friends let many switches live side by side on one machine (tests do this all the
//! time), so no path is ever a constant.
//!
//! Invariants: a variable that is set, even to an odd value, wins over the default.

use std::path::{Path, PathBuf};

/// Sockets and pidfiles: `OVS_RUNDIR`, else `/var/run/openvswitch`.
pub fn run_dir() -> PathBuf {
    from_env("OVS_RUNDIR", "/var/run/openvswitch")
}

/// The database file: `OVS_DBDIR`, else `OVS_SYSCONFDIR/openvswitch`, else `/etc/openvswitch`.
pub fn db_dir() -> PathBuf {
    match std::env::var_os("OVS_DBDIR") {
        Some(dir) if !dir.is_empty() => dir.into(),
        _ => sysconf_dir().join("openvswitch"),
    }
}

/// Log files: `OVS_LOGDIR`, else `/var/log/openvswitch`.
pub fn log_dir() -> PathBuf {
    from_env("OVS_LOGDIR", "/var/log/openvswitch")
}

/// System configuration: `OVS_SYSCONFDIR`, else `/etc`.
pub fn sysconf_dir() -> PathBuf {
    from_env("OVS_SYSCONFDIR", "/etc")
}

/// Packaged read-only data such as schemas: `OVS_PKGDATADIR`, else `/usr/share/openvswitch`.
pub fn pkgdata_dir() -> PathBuf {
    from_env("OVS_PKGDATADIR", "/usr/share/openvswitch")
}

/// `name` itself if it is absolute, else `name` inside `dir`.
pub fn resolve(dir: &Path, name: impl AsRef<Path>) -> PathBuf {
    dir.join(name)
}

fn from_env(variable: &str, default: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(dir) if !dir.is_empty() => dir.into(),
        _ => default.into(),
    }
}
