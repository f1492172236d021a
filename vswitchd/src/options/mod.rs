//! What: the command line of the daemon under each of its names.
//!
//! Why: one executable is a whole switch (`vswitchd`), a switch whose database is elsewhere (`ovs-vswitchd`), or a
//! database server (`ovsdb-server`); users' scripts pass the flags that they know from Open vSwitch.
//!
//! How: one table of options ([`TABLE`]) gives the parser, the help and the check which program knows what.
//!
//! Invariants: parsing touches nothing: no file, no socket, no environment.

mod help;
mod parse;

pub use help::{COMPATIBLE, help, version};
pub use parse::{UsageError, parse};

use std::path::PathBuf;
use weft_jsonrpc::daemon;

/// Which program this is, by the file name of the executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `vswitchd`: switch and database in one.
    Whole,
    /// `ovs-vswitchd`: the switch alone.
    Switch,
    /// `ovsdb-server`: the database alone.
    Database,
}

impl Program {
    /// By the executable's file name; any other name is the whole switch.
    pub fn from_name(name: &str) -> Program {
        match name {
            "ovs-vswitchd" => Program::Switch,
            "ovsdb-server" => Program::Database,
            _ => Program::Whole,
        }
    }

    /// The name in pidfiles, sockets and logs. The whole switch answers where scripts look for the switch.
    pub fn name(self) -> &'static str {
        match self {
            Program::Whole | Program::Switch => "ovs-vswitchd",
            Program::Database => "ovsdb-server",
        }
    }

    /// The name that people see in help and errors.
    pub fn shown(self) -> &'static str {
        match self {
            Program::Whole => "vswitchd",
            Program::Switch => "ovs-vswitchd",
            Program::Database => "ovsdb-server",
        }
    }
}

/// How `--enable-dummy` treats the types that users name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Dummy {
    /// No dummy devices unless asked for by `type=dummy`.
    #[default]
    Off,
    /// Type `dummy` exists, and so does datapath type `dummy`.
    On,
    /// Every device is a dummy, whatever its type says.
    Override,
    /// Devices of type `system` are dummies.
    System,
}

/// Everything that the command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Pidfile, detaching and the like.
    pub daemon: daemon::Options,
    /// `-v`, in order. `None` is a bare `-v`.
    pub verbose: Vec<Option<String>>,
    /// `--log-file`, perhaps with a path.
    pub log_file: Option<Option<PathBuf>>,
    /// `--syslog-method`.
    pub syslog_method: Option<String>,
    /// `--syslog-target`.
    pub syslog_target: Option<String>,
    /// `--unixctl`.
    pub unixctl: Option<String>,
    /// `--remote`, in order.
    pub remotes: Vec<String>,
    /// What is not an option: a database to connect to, or database files.
    pub arguments: Vec<String>,
    /// `--enable-dummy`.
    pub dummy: Dummy,
    /// `--dummy-numa`: the node of each core of an imagined machine.
    pub dummy_numa: Option<String>,
    /// `--disable-system`: no kernel datapath, which we never have.
    pub disable_system: bool,
    /// `--disable-system-route`: leave the kernel's routes alone.
    pub disable_system_route: bool,
    /// `--mlockall`: keep all memory resident.
    pub mlockall: bool,
    /// `--no-dbs`: start the database server without a file.
    pub no_dbs: bool,
    /// `--run`: a command to run beside the database server, which ends with it.
    pub run: Option<String>,
    /// `--disable-file-column-diff`: write whole columns to the log.
    pub whole_columns: bool,
    /// Where to serve gRPC (`--grpc`), ours.
    pub grpc: Vec<String>,
    /// Packet workers (`--workers`), ours.
    pub workers: Option<usize>,
    /// Key, certificate and CA of `ssl:` connections.
    pub tls: weft_jsonrpc::tls::Settings,
    /// Those of them that a database holds: the option's name and `db:DATABASE,TABLE,COLUMN`.
    pub tls_columns: Vec<(String, String)>,
    /// `--sync-from`, `--sync-exclude-tables`, `--active`.
    pub sync: weft_server::serve::SyncConfig,
}

/// What parsing came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Run with these.
    Run(Box<Options>),
    /// Print this and be done.
    Print(String),
}

/// Whether an option has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    No,
    /// `--name` or `--name=VALUE`.
    May,
    /// `--name=VALUE` or `--name VALUE`.
    Must,
}

/// One option.
struct Entry {
    long: &'static str,
    short: Option<char>,
    value: Value,
    /// How help shows the value.
    shown: &'static str,
    /// Which programs have it.
    of: Of,
    section: Section,
    help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    All,
    /// With a switch in it.
    Switch,
    /// With a database in it.
    Database,
    /// The database server alone.
    Server,
}

impl Of {
    fn has(self, program: Program) -> bool {
        match self {
            Of::All => true,
            Of::Switch => program != Program::Database,
            Of::Database => program != Program::Switch,
            Of::Server => program == Program::Database,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Database,
    Switch,
    Daemon,
    Logging,
    Ssl,
    Other,
    /// Understood, and not worth a line of help.
    Hidden,
}

const fn entry(
    long: &'static str,
    value: Value,
    shown: &'static str,
    of: Of,
    section: Section,
    help: &'static str,
) -> Entry {
    Entry { long, short: None, value, shown, of, section, help }
}

const fn short(short: char, entry: Entry) -> Entry {
    Entry { short: Some(short), ..entry }
}

const TABLE: &[Entry] = &[
    entry(
        "remote",
        Value::Must,
        "REMOTE",
        Of::Database,
        Section::Database,
        "serve the database at REMOTE (repeatable)",
    ),
    entry("no-dbs", Value::No, "", Of::Server, Section::Database, "start without a database file"),
    entry("sync-from", Value::Must, "SERVER", Of::Server, Section::Database, "be a backup of the databases at SERVER"),
    entry(
        "sync-exclude-tables",
        Value::Must,
        "DB:TABLE,...",
        Of::Server,
        Section::Database,
        "tables that a backup does not copy",
    ),
    entry("active", Value::No, "", Of::Server, Section::Database, "with --sync-from, begin as the active server"),
    entry("run", Value::Must, "COMMAND", Of::Server, Section::Database, "run COMMAND beside the server, end with it"),
    entry(
        "disable-file-column-diff",
        Value::No,
        "",
        Of::Database,
        Section::Database,
        "write whole columns to the file",
    ),
    entry(
        "workers",
        Value::Must,
        "N",
        Of::Switch,
        Section::Switch,
        "packet worker threads (default: one per two CPUs)",
    ),
    entry(
        "grpc",
        Value::Must,
        "ADDRESS",
        Of::Switch,
        Section::Switch,
        "serve gRPC at a path, unix:, tcp: or ssl: (repeatable)",
    ),
    entry("enable-dummy", Value::May, "override|system", Of::Switch, Section::Switch, "dummy devices, for tests"),
    entry("disable-system", Value::No, "", Of::Switch, Section::Switch, "accepted: there is no kernel datapath"),
    entry("disable-system-route", Value::No, "", Of::Switch, Section::Switch, "leave the kernel's routing table alone"),
    entry("mlockall", Value::No, "", Of::Switch, Section::Switch, "keep all memory resident"),
    entry("dummy-numa", Value::Must, "LIST", Of::Switch, Section::Hidden, ""),
    entry("dpdk", Value::No, "", Of::Switch, Section::Hidden, ""),
    entry("detach", Value::No, "", Of::All, Section::Daemon, "run in background, return once ready"),
    entry("monitor", Value::No, "", Of::All, Section::Daemon, "restart the daemon if it crashes"),
    entry("no-chdir", Value::No, "", Of::All, Section::Daemon, "do not change to directory /"),
    entry(
        "pidfile",
        Value::May,
        "FILE",
        Of::All,
        Section::Daemon,
        "write the process id (default: RUNDIR/PROGRAM.pid)",
    ),
    entry("overwrite-pidfile", Value::No, "", Of::All, Section::Daemon, "start even if the pidfile is taken"),
    entry("user", Value::Must, "USER[:GROUP]", Of::All, Section::Hidden, ""),
    entry("no-self-confinement", Value::No, "", Of::All, Section::Hidden, ""),
    entry("daemon-role-worker", Value::No, "", Of::All, Section::Hidden, ""),
    entry("daemon-role-monitor", Value::No, "", Of::All, Section::Hidden, ""),
    short('v', entry("verbose", Value::May, "SPEC", Of::All, Section::Logging, "logging: MODULE:DESTINATION:LEVEL")),
    entry("log-file", Value::May, "FILE", Of::All, Section::Logging, "log to FILE (default: LOGDIR/PROGRAM.log)"),
    entry("syslog-method", Value::Must, "METHOD", Of::All, Section::Logging, "libc, null, unix:FILE or udp:IP:PORT"),
    entry(
        "syslog-target",
        Value::Must,
        "HOST:PORT",
        Of::All,
        Section::Logging,
        "also send syslog messages there by UDP",
    ),
    short('p', entry("private-key", Value::Must, "FILE", Of::All, Section::Ssl, "key of our certificate")),
    short('c', entry("certificate", Value::Must, "FILE", Of::All, Section::Ssl, "certificate to show to peers")),
    short(
        'C',
        entry(
            "ca-cert",
            Value::Must,
            "FILE",
            Of::All,
            Section::Ssl,
            "CA that signs the peers' certificates; none trusts all",
        ),
    ),
    entry(
        "bootstrap-ca-cert",
        Value::Must,
        "FILE",
        Of::All,
        Section::Ssl,
        "as --ca-cert, taken from the first peer if missing",
    ),
    entry("peer-ca-cert", Value::Must, "FILE", Of::All, Section::Ssl, "CA certificate to show to peers that bootstrap"),
    entry("ssl-protocols", Value::Must, "LIST", Of::All, Section::Ssl, "TLSv1.2, TLSv1.3 (default: both)"),
    entry("ssl-ciphers", Value::Must, "LIST", Of::All, Section::Ssl, "ciphers of TLS 1.2, in OpenSSL's words"),
    entry(
        "unixctl",
        Value::Must,
        "SOCKET",
        Of::All,
        Section::Other,
        "control socket (default: RUNDIR/PROGRAM.PID.ctl)",
    ),
    short('h', entry("help", Value::No, "", Of::All, Section::Other, "this text")),
    short('V', entry("version", Value::No, "", Of::All, Section::Other, "the version")),
];

#[cfg(test)]
mod tests;
