//! What: what every daemon does first.

use anyhow::Result;
use weft_jsonrpc::daemon::{self, Daemon, Launch};
use weft_jsonrpc::unixctl::Commands;
use weft_jsonrpc::vlog::{self, Vlog};

use crate::options::{Options, Program, version};

/// What [`start`] came to.
pub enum Started {
    /// This process was only the launcher.
    Exit(u8),
    /// This process is the daemon.
    Run(Box<Base>),
}

/// What a daemon has.
pub struct Base {
    /// Its process.
    pub daemon: Daemon,
    /// Its commands so far: version, list-commands, vlog/*.
    pub commands: Commands,
}

/// Sets up the log, becomes a daemon if asked to.
pub fn start(program: Program, options: &Options) -> Result<Started> {
    let log = Vlog::new(program.name(), MODULES);
    for spec in &options.verbose {
        // A bare -v means everything everywhere.
        log.set(spec.as_deref().unwrap_or("any:any:dbg"))?;
    }
    if let Some(method) = options.syslog_method.clone().or_else(|| std::env::var("OVS_SYSLOG_METHOD").ok()) {
        log.set_syslog_method(&method)?;
    }
    if let Some(target) = &options.syslog_target {
        log.set_syslog_target(target)?;
    }
    let daemon = match daemon::start(program.name(), &options.daemon)? {
        Launch::Exit(status) => return Ok(Started::Exit(status)),
        Launch::Run(daemon) => daemon,
    };
    log.install();
    weft_jsonrpc::tls::process().configure(options.tls.clone());
    if let Some(path) = &options.log_file {
        // OVS goes on without its log file, and says so on the console; so do we.
        let _ = log.open_file(path.as_deref());
    }
    let mut commands = Commands::new(version(program).trim_end());
    vlog::register(&mut commands, &log);
    Ok(Started::Run(Box::new(Base { daemon, commands })))
}

/// Names that `-v` and `vlog/set` know, which are those of Open vSwitch where it has the thing.
const MODULES: &[&str] = &[
    "backtrace",
    "bfd",
    "bond",
    "bridge",
    "bundle",
    "bundles",
    "cfm",
    "collectors",
    "command_line",
    "connmgr",
    "conntrack",
    "coverage",
    "ct_dpif",
    "daemon",
    "daemon_unix",
    "dpctl",
    "dpif",
    "dpif_netdev",
    "dpif_netlink",
    "entropy",
    "fail_open",
    "fatal_signal",
    "flow",
    "grpc",
    "in_band",
    "ipf",
    "ipfix",
    "jsonrpc",
    "lacp",
    "lldp",
    "mac_learning",
    "memory",
    "meta_flow",
    "native_tnl",
    "netdev",
    "netdev_dpdk",
    "netdev_dummy",
    "netdev_linux",
    "netdev_offload",
    "netdev_tap",
    "netdev_vport",
    "netflow",
    "netlink",
    "netlink_notifier",
    "nx_match",
    "odp_execute",
    "odp_util",
    "ofp_actions",
    "ofp_bundle",
    "ofp_errors",
    "ofp_flow",
    "ofp_group",
    "ofp_match",
    "ofp_meter",
    "ofp_monitor",
    "ofp_msgs",
    "ofp_packet",
    "ofp_parse",
    "ofp_port",
    "ofp_protocol",
    "ofp_queue",
    "ofp_table",
    "ofp_util",
    "ofproto",
    "ofproto_dpif",
    "ofproto_dpif_mirror",
    "ofproto_dpif_monitor",
    "ofproto_dpif_rid",
    "ofproto_dpif_trace",
    "ofproto_dpif_upcall",
    "ofproto_dpif_xlate",
    "ofproto_xlate_cache",
    "ovs_lldp",
    "ovs_numa",
    "ovs_rcu",
    "ovs_router",
    "ovs_thread",
    "ovs_vswitchd",
    "ovsdb_cs",
    "ovsdb_error",
    "ovsdb_file",
    "ovsdb_idl",
    "ovsdb_jsonrpc_server",
    "ovsdb_log",
    "ovsdb_server",
    "pcap_file",
    "pinsched",
    "pmd_perf_counters",
    "poll_loop",
    "process",
    "raft",
    "rconn",
    "reconnect",
    "relay",
    "replication",
    "route_table",
    "rstp",
    "rstp_sm",
    "sflow",
    "signals",
    "socket_util",
    "socket_util_unix",
    "stp",
    "stream",
    "stream_fd",
    "stream_ssl",
    "stream_tcp",
    "stream_unix",
    "svec",
    "system_stats",
    "tc",
    "timeval",
    "tunnel",
    "unixctl",
    "userspace_tso",
    "util",
    "vconn",
    "vconn_stream",
    "vlog",
    "vswitchd",
    "xenserver",
];
