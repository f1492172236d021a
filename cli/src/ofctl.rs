//! What: ovs-ofctl(8): ask an OpenFlow switch, program it, watch it.
//!
//! How: [`command`] is the one table of commands; a command gets a [`Job`] (the options and its words) and opens
//! [`peer::Peer`]s as it needs them. Everything about messages and flow syntax is weft-openflow's.
//!
//! ```text
//!   words ─> Options ─> Command ─> Job ─┬─> Peer (target, version, formats) ─> show::message ─> stdout
//!                                       └─> offline: text <-> bytes
//! ```
//!
//! Invariants: results go to standard output, errors of the switch to standard error, with exit status 1.

/// Prints; a reader that went away wants no more.
macro_rules! say {
    ($($what:tt)*) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stdout().lock(), $($what)*);
    }};
}

/// As `say!`, with the line's end.
macro_rules! sayln {
    ($($what:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout().lock(), $($what)*);
    }};
}

mod bulk;
mod bundle;
mod capture;
mod command;
mod compare;
pub mod count;
mod dump;
mod flows;
mod format;
mod help;
mod lint;
mod monitor;
mod names;
mod notes;
mod offline;
mod packet;
mod peer;
mod settings;
mod show;
mod watch;

use std::path::PathBuf;

use crate::connect::block_on;
use crate::failure::{Exit, Failure, fail};
use crate::getopt::{Opt, Takes, opt, opt_short};
use crate::{Call, getopt, logging, timeout, version};
use command::Command;
use format::Formats;
use weft_flow::FieldId;
use weft_jsonrpc::daemon::{self, Daemon, Launch};
use weft_openflow::Version;
use weft_openflow::packet::PacketInFormat;
use weft_openflow::text::color::Colors;

/// The tool's entry point.
pub fn run(call: &Call) -> Result<Exit, Failure> {
    let log = logging::start(&call.program);
    log.set("console:info").expect("a valid specification");
    let known: Vec<Opt> =
        [OPTIONS, logging::OPTIONS, logging::PKI_OPTIONS].concat().into_iter().chain(daemon_options()).collect();
    let parsed = getopt::parse(&call.args, &known)?;
    let mut options = Options::new(call, log.clone());
    let mut limit = None;
    for found in &parsed.options {
        if logging::take(&log, found)? || options.daemon.take(found.name, found.value.as_deref()) {
            continue;
        }
        match found.name {
            "timeout" => limit = Some(found.value().to_string()),
            "version" => {
                println!("{}\nOpenFlow versions 0x1:0x6", version::line(&call.program));
                return Ok(Exit::OK);
            }
            "help" => {
                print!("{}", help::help(&call.program));
                return Ok(Exit::OK);
            }
            "color" => options.color = color(found.value.as_deref())?,
            name => options.take(name, found.value())?,
        }
    }
    options.settle()?;
    if options.color {
        Colors::parse(&std::env::var("OVS_COLORS").unwrap_or_default()).install();
    }
    let limit = timeout::parse(limit.as_deref(), "-t or --timeout")?;
    let Some((name, words)) = parsed.rest.split_first() else {
        return fail("missing command name; use --help for help");
    };
    let Some(command) = Command::find(name) else {
        return fail(format!("unknown command '{name}'; use --help for help"));
    };
    let (min, max) = command.words;
    if words.len() < min {
        return fail(format!("'{name}' command requires at least {min} arguments"));
    }
    if words.len() > max {
        return fail(format!("'{name}' command takes at most {max} arguments"));
    }
    if options.read_only && command.writes {
        return fail(format!("'{name}' command does not work in read only mode"));
    }
    timeout::arm(limit);
    options.daemon.keep_stdout = true;
    match daemon::start(&call.program, &options.daemon).map_err(|error| error.to_string())? {
        Launch::Exit(status) => Ok(Exit(status)),
        Launch::Run(daemon) => {
            let mut job = Job { options, daemon, words: words.to_vec() };
            block_on(command::dispatch(command, &mut job))
        }
    }
}

/// What `--help` prints.
pub fn help(program: &str) -> String {
    help::help(program)
}

/// A command about to run.
struct Job {
    options: Options,
    daemon: Daemon,
    words: Vec<String>,
}

impl Job {
    /// A word that may be missing.
    fn word(&self, at: usize) -> Option<&str> {
        self.words.get(at).map(String::as_str)
    }
}

/// One `--sort` or `--rsort`.
#[derive(Clone, Copy, Debug)]
struct Criterion {
    /// `None`: by priority.
    field: Option<FieldId>,
    descending: bool,
}

/// The user's choices.
struct Options {
    program: String,
    /// Versions that may be spoken, as a HELLO bitmap.
    versions: u32,
    formats: Formats,
    strict: bool,
    may_create: bool,
    readd: bool,
    read_only: bool,
    /// `None`: as the standard output is a terminal or not.
    names: Option<bool>,
    stats: bool,
    bundle: bool,
    timestamp: bool,
    verbosity: u32,
    sort: Vec<Criterion>,
    packet_in: Option<PacketInFormat>,
    unixctl: Option<String>,
    /// Whether flows are printed in colours.
    color: bool,
    /// `lint --format json`
    json: bool,
    daemon: daemon::Options,
    log: weft_jsonrpc::vlog::Vlog,
}

const OPTIONS: &[Opt] = &[
    opt_short("protocols", 'O', Takes::Value),
    opt_short("flow-format", 'F', Takes::Value),
    opt_short("packet-in-format", 'P', Takes::Value),
    opt_short("timeout", 't', Takes::Value),
    opt_short("more", 'm', Takes::Nothing),
    opt("strict", Takes::Nothing),
    opt("may-create", Takes::Nothing),
    opt("readd", Takes::Nothing),
    opt("read-only", Takes::Nothing),
    opt("names", Takes::Nothing),
    opt("no-names", Takes::Nothing),
    opt("sort", Takes::Optional),
    opt("rsort", Takes::Optional),
    opt("stats", Takes::Nothing),
    opt("no-stats", Takes::Nothing),
    opt("bundle", Takes::Nothing),
    opt("timestamp", Takes::Nothing),
    opt("unixctl", Takes::Value),
    opt("color", Takes::Optional),
    opt("format", Takes::Value),
    opt_short("help", 'h', Takes::Nothing),
    opt_short("version", 'V', Takes::Nothing),
];

fn daemon_options() -> impl Iterator<Item = Opt> {
    daemon::Options::LONG.iter().map(|(name, value)| {
        let takes = match value {
            None => Takes::Nothing,
            Some(false) => Takes::Optional,
            Some(true) => Takes::Value,
        };
        opt(name, takes)
    })
}

impl Options {
    fn new(call: &Call, log: weft_jsonrpc::vlog::Vlog) -> Options {
        Options {
            program: call.program.clone(),
            versions: 0,
            formats: Formats::all(),
            strict: false,
            may_create: false,
            readd: false,
            read_only: false,
            names: None,
            stats: true,
            bundle: false,
            timestamp: false,
            verbosity: 0,
            sort: Vec::new(),
            packet_in: None,
            unixctl: None,
            color: false,
            json: false,
            daemon: daemon::Options::default(),
            log,
        }
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        match name {
            "protocols" => self.versions = versions(value)?,
            "flow-format" => self.formats = Formats::parse(value)?,
            "packet-in-format" => {
                self.packet_in = Some(match value {
                    "standard" | "openflow10" => PacketInFormat::Standard,
                    "nxt_packet_in" | "nxm" => PacketInFormat::Nxt,
                    "nxt_packet_in2" => PacketInFormat::Nxt2,
                    _ => return fail(format!("unknown packet-in format `{value}'")),
                });
            }
            "more" => self.verbosity += 1,
            "strict" => self.strict = true,
            "may-create" => self.may_create = true,
            "readd" => self.readd = true,
            "read-only" => self.read_only = true,
            "names" => self.names = Some(true),
            "no-names" => self.names = Some(false),
            "stats" => self.stats = true,
            "no-stats" => self.stats = false,
            "bundle" => self.bundle = true,
            "timestamp" => self.timestamp = true,
            "format" => match value {
                "text" => self.json = false,
                "json" => self.json = true,
                _ => return fail(format!("unknown output format \"{value}\"")),
            },
            "unixctl" => self.unixctl = Some(value.to_string()),
            "sort" | "rsort" => {
                let field = match value {
                    "" | "priority" => None,
                    field => match FieldId::by_name(field) {
                        Some(field) => Some(field),
                        None => return fail(format!("{field}: unknown field name")),
                    },
                };
                self.sort.push(Criterion { field, descending: name == "rsort" });
            }
            _ => {}
        }
        Ok(())
    }

    /// What the options mean together.
    fn settle(&mut self) -> Result<(), Failure> {
        // Bundles need a version that has them.
        if self.versions == 0 {
            self.versions = if self.bundle { Version::V14.bit() } else { Version::V10.bit() };
        }
        let with_bundles = Version::V13.bit() | Version::V14.bit() | Version::V15.bit();
        if self.bundle && self.versions & with_bundles == 0 {
            self.versions = Version::V14.bit();
        }
        if self.formats.within(self.versions).is_empty() {
            let versions = format::version_list(self.versions);
            return fail(format!(
                "None of the enabled OpenFlow versions ({versions}) supports any of the enabled flow formats ({}).  \
                 (Use -O to enable additional OpenFlow versions or -F to enable additional flow formats.)",
                self.formats
            ));
        }
        self.formats = self.formats.within(self.versions);
        Ok(())
    }

    /// Whether names of ports and tables are printed.
    fn show_names(&self) -> bool {
        self.names.unwrap_or_else(|| rustix::termios::isatty(std::io::stdout()))
    }

    /// Whether names of ports and tables are understood.
    fn accept_names(&self) -> bool {
        self.names != Some(false)
    }

    /// How much printed messages say: their bytes too from `-mmmm` on, one later than those of the offline commands.
    fn depth(&self) -> u32 {
        if self.verbosity > 2 { self.verbosity - 1 } else { self.verbosity }
    }

    /// `NAME` of a bridge: its management (or snooping) socket.
    fn socket(&self, bridge: &str, suffix: &str) -> PathBuf {
        weft_jsonrpc::rundir::run_dir().join(format!("{bridge}.{suffix}"))
    }
}

/// What `--color` says: for a terminal that is not a dumb one, unless it says more.
fn color(value: Option<&str>) -> Result<bool, Failure> {
    match value.unwrap_or("auto").to_ascii_lowercase().as_str() {
        "always" | "yes" | "force" => Ok(true),
        "never" | "no" | "none" => Ok(false),
        "auto" | "tty" | "if-tty" => {
            let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
            let known = std::env::var_os("TERM").is_some() && !dumb;
            Ok(known && rustix::termios::isatty(std::io::stdout()))
        }
        _ => fail(format!("incorrect value `{}' for --color", value.unwrap_or_default())),
    }
}

/// `OpenFlow10,OpenFlow13` as a HELLO bitmap.
fn versions(text: &str) -> Result<u32, Failure> {
    let mut bits = 0;
    for name in text.split([',', ' ']).filter(|name| !name.is_empty()) {
        match Version::by_name(name) {
            Some(version) => bits |= version.bit(),
            None => return fail(format!("Unknown OpenFlow version: \"{name}\"")),
        }
    }
    // no name at all: whatever the switch speaks
    Ok(if bits == 0 { Version::ALL.iter().fold(0, |bits, version| bits | version.bit()) } else { bits })
}
