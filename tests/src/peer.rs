//! Open vSwitch with its userspace datapath as the far end of tunnels.
//!
//! ```text
//!  host a -- br0 (tunnel port)   br-phy -- veth -- "far": Open vSwitch, its local port as host
//!  10.9.0.1                      172.31.0.1        172.31.0.2, 10.9.0.2
//! ```

use std::path::PathBuf;

use anyhow::Result;

use crate::sandbox::scratch;
use crate::stage::{Daemon, Host};
use crate::{Program, Stage};

/// Where Debian puts its daemon.
const OVS_VSWITCHD: &str = "/usr/lib/openvswitch-switch/ovs-vswitchd";

/// `ip ARGS`, one string split at spaces.
///
/// # Errors
/// When it fails.
pub fn ip(args: &str) -> Result<String> {
    Program::new("ip", &args.split_whitespace().collect::<Vec<_>>()).run()
}

/// Our switch with a host `a`, and a veth to `far`, over which both versions of IP go.
///
/// # Errors
/// When any step fails.
pub fn two_sites(name: &str) -> Result<(Stage, Daemon, Host, Host)> {
    let stage = Stage::for_test(name)?;
    let daemon = stage.start(&[])?;
    stage.vsctl("add-br br0 -- set Bridge br0 datapath_type=netdev")?;
    stage.vsctl("add-br br-phy -- set Bridge br-phy datapath_type=netdev")?;
    let far = stage.veth_host("br-phy", "far", "", "")?;
    ip("addr add 172.31.0.1/24 dev br-phy")?;
    ip("link set br-phy up")?;
    Program::new("sysctl", &["-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.br-phy.accept_dad=0"]).output()?;
    ip("-6 addr add fd00::1/64 dev br-phy nodad")?;
    Program::in_netns("far", "sysctl", &["-qw", "net.ipv6.conf.all.disable_ipv6=0"]).run()?;
    let a = stage.tap_host("br0", "a", "10.9.0.1/24", "")?;
    Ok((stage, daemon, a, far))
}

/// Open vSwitch's daemons on the far side: `br-phy` on the veth, `br0` with the local port as host. They end when dropped.
pub struct Peer {
    run: PathBuf,
}

impl Peer {
    /// Start them.
    ///
    /// # Errors
    /// When any step fails.
    pub fn start(name: &str) -> Result<Peer> {
        let run = scratch().join(format!("{name}-peer"));
        std::fs::create_dir_all(&run)?;
        let peer = Peer { run };
        let db = peer.run.join("conf.db").display().to_string();
        Program::new("/usr/bin/ovsdb-tool", &["create", &db, "/usr/share/openvswitch/vswitch.ovsschema"]).run()?;
        let remote = format!("--remote=punix:{}", peer.run.join("db.sock").display());
        let common = ["--pidfile", "--detach", "--no-chdir", "--log-file"];
        peer.program("/usr/sbin/ovsdb-server", &[&[db.as_str(), remote.as_str()], &common[..]].concat()).detach()?;
        peer.vsctl("--no-wait init")?;
        let socket = format!("unix:{}", peer.run.join("db.sock").display());
        let switch = [&[socket.as_str(), "--disable-system"], &common[..]].concat();
        peer.program(OVS_VSWITCHD, &switch).detach()?;
        // Open vSwitch takes a frame as it is: sums and segments are to be made before a cable, where none is
        Program::in_netns("far", "ethtool", &["-K", "e-far", "tx", "off"]).run()?;
        Program::new("ethtool", &["-K", "v-far", "tx", "off"]).run()?;
        peer.vsctl("add-br br-phy -- set Bridge br-phy datapath_type=netdev -- add-port br-phy e-far")?;
        peer.vsctl("add-br br0 -- set Bridge br0 datapath_type=netdev")?;
        for (device, address) in [("br-phy", "172.31.0.2/24"), ("br0", "10.9.0.2/24")] {
            ip(&format!("-n far addr add {address} dev {device}"))?;
            ip(&format!("-n far link set {device} up"))?;
        }
        ip("-n far -6 addr add fd00::2/64 dev br-phy nodad")?;
        Ok(peer)
    }

    fn program(&self, name: &str, args: &[&str]) -> Program {
        let mut program = Program::in_netns("far", name, args);
        for key in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"] {
            program = program.env(key, &self.run);
        }
        program
    }

    /// `ovs-vsctl ARGS`, one string split at spaces.
    ///
    /// # Errors
    /// When it fails.
    pub fn vsctl(&self, args: &str) -> Result<String> {
        let mut all = vec!["--timeout=20"];
        all.extend(args.split_whitespace());
        self.program("/usr/bin/ovs-vsctl", &all).run()
    }

    /// `ovs-ofctl ARGS`.
    ///
    /// # Errors
    /// When it fails.
    pub fn ofctl(&self, args: &[&str]) -> Result<String> {
        self.program("/usr/bin/ovs-ofctl", args).run()
    }

    /// `ovs-appctl ARGS`.
    ///
    /// # Errors
    /// When it fails.
    pub fn appctl(&self, args: &[&str]) -> Result<String> {
        self.program("/usr/bin/ovs-appctl", args).run()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        for daemon in ["ovs-vswitchd", "ovsdb-server"] {
            if let Ok(pid) = std::fs::read_to_string(self.run.join(format!("{daemon}.pid"))) {
                let _ = Program::new("kill", &[pid.trim()]).output();
            }
        }
    }
}
