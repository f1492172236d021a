//! The Debian packages that the commands need.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::report::step;

/// A program and the package that brings it.
pub struct Need {
    program: &'static str,
    package: &'static str,
    why: &'static str,
}

const fn need(program: &'static str, package: &'static str, why: &'static str) -> Need {
    Need { program, package, why }
}

/// A file below /usr/lib stands for the package that brings it.
const fn module(file: &'static str, package: &'static str, why: &'static str) -> Need {
    Need { program: file, package, why }
}

/// What the demo calls.
pub const DEMO: &[Need] = &[
    need("cc", "gcc", "links the binaries"),
    need("ip", "iproute2", "network namespaces"),
    need("unshare", "util-linux", "namespaces that leave nothing behind"),
    need("ping", "iputils-ping", "is it forwarded?"),
    need("iperf3", "iperf3", "bulk TCP transfer"),
    need("sysctl", "procps", "quiet hosts"),
];

/// What the tests call besides.
pub const TEST: &[Need] = &[
    need("ovs-vsctl", "openvswitch-switch", "Open vSwitch's own tools drive our daemon"),
    need("tshark", "tshark", "an independent reading of packets"),
    need("python3", "python3", "sockets of test hosts"),
    need("python3-config", "python3-dev", "builds a module of the controller Faucet"),
    need("openssl", "openssl", "certificates for TLS"),
    need("ethtool", "ethtool", "offload settings of test devices"),
    module(
        "python3/dist-packages/ovs/db/idl.py",
        "python3-openvswitch",
        "Open vSwitch's Python IDL talks to our server",
    ),
];

/// Install what is missing.
///
/// # Errors
/// When something is missing and cannot be installed.
pub fn install(needs: &[&[Need]]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().flat_map(|n| n.iter()).filter(|n| !on_path(n.program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for n in &missing {
        step(&format!("installing Debian package {} ({}: {})", n.package, n.program, n.why));
    }
    if !weft_tests::sandbox::is_root() {
        bail!("missing programs, and only root can install them: apt-get install {}", names(&missing));
    }
    apt(&["update", "-qq"])?;
    let packages = names(&missing);
    let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
    args.extend(packages.split(' '));
    apt(&args)?;
    // the package starts its daemons where an init system runs; ours must not find them in its way
    if missing.iter().any(|n| n.package == "openvswitch-switch") && on_path("systemctl") {
        Command::new("systemctl").args(["disable", "--now", "openvswitch-switch"]).output()?;
    }
    match missing.iter().find(|n| !on_path(n.program)) {
        Some(n) => bail!("{} is still missing after installing {}", n.program, n.package),
        None => Ok(()),
    }
}

fn names(needs: &[&Need]) -> String {
    needs.iter().map(|n| n.package).collect::<Vec<_>>().join(" ")
}

pub(crate) fn apt(args: &[&str]) -> Result<()> {
    let done = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .context("apt-get does not start: is this Debian?")?;
    if !done.status.success() {
        bail!("apt-get {}: {}", args.join(" "), String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}

fn on_path(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').chain(["/usr/sbin", "/sbin", "/usr/lib"]).any(|folder| Path::new(folder).join(program).exists())
}
