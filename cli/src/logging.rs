//! What: the logging and PKI options that every tool takes.
//!
//! Invariants: a tool's console shows warnings and worse, until `-v` says otherwise.

use crate::getopt::{Found, Opt, Takes, opt, opt_short};
use weft_jsonrpc::vlog::Vlog;

/// For a tool's table of options.
pub const OPTIONS: &[Opt] = &[
    opt_short("verbose", 'v', Takes::Optional),
    opt("log-file", Takes::Optional),
    opt("syslog-method", Takes::Value),
    opt("syslog-target", Takes::Value),
];

/// For `ssl:` connections; they go to [`weft_jsonrpc::tls::process`].
pub const PKI_OPTIONS: &[Opt] = &[
    opt_short("private-key", 'p', Takes::Value),
    opt_short("certificate", 'c', Takes::Value),
    opt_short("ca-cert", 'C', Takes::Value),
    opt("ssl-protocols", Takes::Value),
    opt("ssl-ciphers", Takes::Value),
    opt("bootstrap-ca-cert", Takes::Value),
    opt("peer-ca-cert", Takes::Value),
];

/// Help for the first.
pub const HELP: &str = "\
Logging options:
  -vSPEC, --verbose=SPEC     set logging levels, as for 'appctl vlog/set'
  -v, --verbose              log everything
  --log-file[=FILE]          log to FILE
  --syslog-method=METHOD     libc, unix:FILE, udp:IP:PORT or null
  --syslog-target=IP:PORT    send a copy of syslog messages there
";

/// Help for the second.
pub const PKI_HELP: &str = "\
SSL options, for ssl: and pssl:
  -p, --private-key=FILE     the key of our certificate
  -c, --certificate=FILE     our certificate
  -C, --ca-cert=FILE         the CA that the peer's certificate must come from
  --bootstrap-ca-cert=FILE   the same; learned from the first peer if FILE is not there
  --peer-ca-cert=FILE        a CA certificate to show to the peer
  --ssl-protocols=LIST       versions to speak: TLSv1.2, TLSv1.3
  --ssl-ciphers=LIST         ciphers for TLSv1.2, in OpenSSL's words
";

/// Starts the log; call it before anything is worth logging.
pub fn start(program: &str) -> Vlog {
    let log = Vlog::new(program, MODULES);
    log.set("console:warn").expect("a valid specification");
    let method = std::env::var("OVS_SYSLOG_METHOD").unwrap_or_else(|_| "libc".to_string());
    if let Err(error) = log.set_syslog_method(&method) {
        eprintln!("{program}: {error}");
    }
    log.install();
    log
}

/// Applies one of [`OPTIONS`]; `false` if it is another option.
pub fn take(log: &Vlog, found: &Found) -> Result<bool, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    match found.name {
        "verbose" => {
            let spec = found.value();
            log.set(spec).map_err(|error| format!("processing \"{spec}\": {error}"))?;
        }
        "log-file" => {
            // A file that cannot be opened is in the log already, and no reason not to work.
            let _ = log.open_file(found.value.as_deref().map(std::path::Path::new));
        }
        "syslog-method" => log.set_syslog_method(found.value()).map_err(|error| text(&error))?,
        "syslog-target" => log.set_syslog_target(found.value()).map_err(|error| text(&error))?,
        name => {
            let mut known = false;
            weft_jsonrpc::tls::process().change(|settings| known = settings.take(name, found.value()));
            return Ok(known);
        }
    }
    Ok(true)
}

/// Names that may be used in `-v`: ours, and those which scripts written for OVS's tools silence or raise.
const MODULES: &[&str] = &[
    "command_line",
    "coverage",
    "daemon_unix",
    "db_ctl_base",
    "dns_resolve",
    "dpctl",
    "entropy",
    "fatal_signal",
    "file_util",
    "flow",
    "lockfile",
    "meta_flow",
    "netdev",
    "netlink",
    "netlink_socket",
    "nx_match",
    "odp_util",
    "ofctl",
    "ofp_actions",
    "ofp_errors",
    "ofp_match",
    "ofp_msgs",
    "ofp_packet",
    "ofp_port",
    "ofp_print",
    "ofp_protocol",
    "ofp_table",
    "ofp_util",
    "ovs_rcu",
    "ovs_thread",
    "ovsdb",
    "ovsdb_client",
    "ovsdb_cs",
    "ovsdb_error",
    "ovsdb_idl",
    "ovsdb_log",
    "ovsdb_tool",
    "pcap",
    "poll_loop",
    "process",
    "rconn",
    "socket_util",
    "socket_util_unix",
    "stream",
    "stream_fd",
    "stream_ssl",
    "stream_tcp",
    "stream_unix",
    "svec",
    "table",
    "timeval",
    "unixctl",
    "util",
    "vconn",
    "vsctl",
];
