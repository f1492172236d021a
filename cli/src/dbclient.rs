//! What: ovsdb-client(1): talk to an OVSDB server.
//!
//! How: every command may be given a server and a database in front of its own words; both have defaults, so
//! what a first word is depends on what it looks like (a server has a method and a colon) and on which databases
//! the server has.
//!
//! Invariants: a command sees a connection and a database's name that exist.

mod data;
mod lock;
mod monitor;
mod rpc;
mod schema;
mod state;

use crate::Call;
use crate::connect::{block_on, connect, default_server};
use crate::failure::{Exit, Failure, fail};
use crate::getopt::{Opt, Takes, opt, opt_short};
use crate::table::Style;
use crate::{getopt, logging, table, timeout, version};
use rpc::Rpc;
use weft_jsonrpc::daemon::{self, Daemon, Launch};

/// The tool's entry point.
pub fn run(call: &Call) -> Result<Exit, Failure> {
    let log = logging::start(&call.program);
    log.set("console:info").expect("a valid specification");
    let mut options = Options {
        program: call.program.clone(),
        style: Style::table(),
        timestamp: false,
        force: false,
        daemon: daemon::Options::default(),
        unixctl: None,
        log: log.clone(),
    };
    options.daemon.keep_stdout = true;
    let known: Vec<Opt> = [OPTIONS, logging::OPTIONS, table::OPTIONS, logging::PKI_OPTIONS].concat();
    let known: Vec<Opt> = known.into_iter().chain(daemon_options()).collect();
    let parsed = getopt::parse(&call.args, &known)?;
    let mut limit = None;
    for found in &parsed.options {
        if logging::take(&log, found)? || options.style.take(found)? {
            continue;
        }
        if options.daemon.take(found.name, found.value.as_deref()) {
            continue;
        }
        match found.name {
            "timestamp" => options.timestamp = true,
            "force" => options.force = true,
            "timeout" => limit = Some(found.value().to_string()),
            "unixctl" => options.unixctl = Some(found.value().to_string()),
            "leader-only" | "no-leader-only" => {}
            "version" => {
                println!("{}", version::line(&call.program));
                return Ok(Exit::OK);
            }
            _ => {
                print!("{}", help(&call.program));
                return Ok(Exit::OK);
            }
        }
    }
    let limit = timeout::parse(limit.as_deref(), "-t or --timeout")?;
    let Some((name, words)) = parsed.rest.split_first() else {
        return fail("missing command name; use --help for help");
    };
    if name == "help" {
        print!("{}", help(&call.program));
        return Ok(Exit::OK);
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        return fail(format!("unknown command '{name}'; use --help for help"));
    };
    timeout::arm(limit);
    match daemon::start(&call.program, &options.daemon).map_err(|error| error.to_string())? {
        Launch::Exit(status) => Ok(Exit(status)),
        Launch::Run(daemon) => block_on(serve(options, daemon, command, words)),
    }
}

/// The user's choices that commands look at.
struct Options {
    program: String,
    style: Style,
    timestamp: bool,
    force: bool,
    daemon: daemon::Options,
    unixctl: Option<String>,
    log: weft_jsonrpc::vlog::Vlog,
}

/// One command.
struct Command {
    name: &'static str,
    needs: Needs,
    /// How many words of its own it takes, least and greatest.
    words: (usize, usize),
    usage: &'static str,
    help: &'static str,
}

/// What must be there before a command runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// A server's name only: the command connects by itself.
    Server,
    /// A connection.
    Connection,
    /// A connection and a database.
    Database,
}

/// A command about to run.
struct Job {
    options: Options,
    daemon: Daemon,
    server: String,
    database: String,
    words: Vec<String>,
}

const ANY: usize = usize::MAX;

#[rustfmt::skip]
const COMMANDS: &[Command] = &[
    Command { name: "list-dbs", needs: Needs::Connection, words: (0, 0), usage: "[SERVER]", help: "print the names of the databases" },
    Command { name: "get-schema", needs: Needs::Database, words: (0, 0), usage: "[SERVER] [DATABASE]", help: "print a database's schema" },
    Command { name: "get-schema-version", needs: Needs::Database, words: (0, 0), usage: "[SERVER] [DATABASE]", help: "print its schema's version" },
    Command { name: "get-schema-cksum", needs: Needs::Database, words: (0, 0), usage: "[SERVER] [DATABASE]", help: "print its schema's checksum" },
    Command { name: "list-tables", needs: Needs::Database, words: (0, 0), usage: "[SERVER] [DATABASE]", help: "print the names of its tables" },
    Command { name: "list-columns", needs: Needs::Database, words: (0, 1), usage: "[SERVER] [DATABASE] [TABLE]", help: "print the columns of a table, or of all" },
    Command { name: "transact", needs: Needs::Connection, words: (1, 1), usage: "[SERVER] TRANSACTION", help: "run [DATABASE, OPERATION...] and print the results" },
    Command { name: "query", needs: Needs::Connection, words: (1, 1), usage: "[SERVER] TRANSACTION", help: "the same without changing anything" },
    Command { name: "dump", needs: Needs::Database, words: (0, ANY), usage: "[SERVER] [DATABASE] [TABLE [COLUMN...]]", help: "print the contents" },
    Command { name: "monitor", needs: Needs::Database, words: (1, ANY), usage: "[SERVER] [DATABASE] TABLE [COLUMN,...]...", help: "print a table and its changes; COLUMN may be\n!initial, !insert, !delete or !modify to leave these out" },
    Command { name: "monitor", needs: Needs::Database, words: (1, ANY), usage: "[SERVER] [DATABASE] ALL", help: "print all tables and their changes" },
    Command { name: "monitor-cond", needs: Needs::Database, words: (2, 3), usage: "[SERVER] [DATABASE] CONDITIONS TABLE [COLUMN,...]", help: "print rows that fulfil conditions" },
    Command { name: "monitor-cond-since", needs: Needs::Database, words: (2, 4), usage: "[SERVER] [DATABASE] [LASTID] CONDITIONS TABLE [COLUMN,...]", help: "the same from a transaction on" },
    Command { name: "wait", needs: Needs::Server, words: (2, 2), usage: "[SERVER] DATABASE STATE", help: "wait until a database is added, connected or removed" },
    Command { name: "backup", needs: Needs::Database, words: (0, 0), usage: "[SERVER] [DATABASE] > SNAPSHOT", help: "print the contents as a database file" },
    Command { name: "restore", needs: Needs::Database, words: (0, 0), usage: "[--force] restore [SERVER] [DATABASE] < SNAPSHOT", help: "replace the contents" },
    Command { name: "convert", needs: Needs::Connection, words: (1, 1), usage: "[SERVER] SCHEMA", help: "change the schema of the database that SCHEMA names" },
    Command { name: "needs-conversion", needs: Needs::Connection, words: (1, 1), usage: "[SERVER] SCHEMA", help: "print yes if its schema differs, else no" },
    Command { name: "lock", needs: Needs::Connection, words: (1, 1), usage: "[SERVER] LOCK", help: "take a lock, or wait for it" },
    Command { name: "steal", needs: Needs::Connection, words: (1, 1), usage: "[SERVER] LOCK", help: "take a lock away from its owner" },
    Command { name: "unlock", needs: Needs::Connection, words: (1, 1), usage: "[SERVER] LOCK", help: "give a lock back" },
];

const OPTIONS: &[Opt] = &[
    opt("timestamp", Takes::Nothing),
    opt("force", Takes::Nothing),
    opt_short("timeout", 't', Takes::Value),
    opt("unixctl", Takes::Value),
    opt("leader-only", Takes::Nothing),
    opt("no-leader-only", Takes::Nothing),
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

async fn serve(options: Options, daemon: Daemon, command: &Command, words: &[String]) -> Result<Exit, Failure> {
    let invalid = || fail(format!("invalid syntax for '{}' (use --help for help)", command.name));
    let mut words = words.to_vec();
    let fits = |count: usize| (command.words.0..=command.words.1).contains(&count);
    let server = match words.first() {
        Some(word) if looks_like_server(word) => words.remove(0),
        _ => default_server(),
    };
    let mut job = Job { options, daemon, server, database: String::new(), words };
    if command.needs == Needs::Server {
        return if fits(job.words.len()) { state::wait(job).await } else { invalid() };
    }
    let mut rpc = open(&job.server).await?;
    if command.needs == Needs::Database {
        let databases = rpc.list_dbs().await?;
        match job.words.first() {
            // A table may be called as its database is.
            Some(word) if databases.contains(word) && job.words.len() > command.words.0 => {
                job.database = job.words.remove(0)
            }
            _ if !fits(job.words.len()) => return invalid(),
            _ => match default_database(&databases) {
                Some(name) => job.database = name,
                None => {
                    return fail(format!(
                        "no default database for '{}' command, please specify a database name",
                        command.name
                    ));
                }
            },
        }
    }
    if !fits(job.words.len()) {
        return invalid();
    }
    match command.name {
        "list-dbs" => schema::list_dbs(rpc).await,
        "get-schema" => schema::get(job, rpc).await,
        "get-schema-version" => schema::version(job, rpc).await,
        "get-schema-cksum" => schema::cksum(job, rpc).await,
        "list-tables" => schema::list_tables(job, rpc).await,
        "list-columns" => schema::list_columns(job, rpc).await,
        "convert" => schema::convert(job, rpc).await,
        "needs-conversion" => schema::needs_conversion(job, rpc).await,
        "transact" => data::transact(job, rpc).await,
        "query" => data::query(job, rpc).await,
        "dump" => data::dump(job, rpc).await,
        "backup" => data::backup(job, rpc).await,
        "restore" => data::restore(job, rpc).await,
        "monitor" => monitor::plain(job, rpc).await,
        "monitor-cond" => monitor::cond(job, rpc).await,
        "monitor-cond-since" => monitor::cond_since(job, rpc).await,
        method => lock::run(job, rpc, method).await,
    }
}

async fn open(server: &str) -> Result<Rpc, Failure> {
    let active = ["unix:", "tcp:", "ssl:"].iter().any(|method| server.starts_with(method));
    let what = if active { "connect" } else { "connect or listen" };
    match connect(server, false).await {
        Ok(connection) => Ok(Rpc::new(connection)),
        Err(reason) => fail(format!("failed to {what} to \"{server}\" ({reason})")),
    }
}

/// A method and a colon, unlike a database, JSON or most file names.
fn looks_like_server(word: &str) -> bool {
    word.split_once(':').is_some_and(|(method, _)| !method.is_empty() && method.bytes().all(|b| b.is_ascii_lowercase()))
}

/// `Open_vSwitch`, else the only one that is not the server's own.
fn default_database(databases: &[String]) -> Option<String> {
    let ours: Vec<&String> = databases.iter().filter(|name| !name.starts_with('_')).collect();
    match ours[..] {
        [one] => Some(one.clone()),
        _ => ours.into_iter().find(|name| *name == "Open_vSwitch").cloned(),
    }
}

/// What `--help` prints.
pub fn help(program: &str) -> String {
    let mut text =
        format!("{program}: talk to an OVSDB server\nusage: {program} [OPTIONS] COMMAND [ARG...]\n\nCommands:\n");
    for command in COMMANDS {
        let help = command.help.replace('\n', "\n      ");
        let name = if command.usage.contains(command.name) { "" } else { command.name };
        text += &format!("  {name}{}{}\n      {help}\n", if name.is_empty() { "" } else { " " }, command.usage);
    }
    text += &format!(
        "\nSERVER is unix:FILE, tcp:HOST:PORT, or punix:FILE, ptcp:PORT[:IP] to be connected to\n\
         (default: {}). DATABASE is Open_vSwitch if not given.\n\n{}  \
         --timestamp                tell when changes were seen\n\n\
         Options of commands that go on running:\n  \
         --detach                   go on in the background\n  \
         --pidfile[=FILE]           write the process's number to a file\n  \
         --overwrite-pidfile        even if another process holds it\n  \
         --no-chdir                 stay in the current directory\n  \
         --unixctl=SOCKET           listen there for appctl\n\n{}\n{}\n\
         Other options:\n  \
         -t, --timeout=SECS         give up after SECS seconds\n  \
         -h, --help                 print this help\n  \
         -V, --version              print the version\n",
        default_server(),
        table::HELP,
        logging::HELP,
        logging::PKI_HELP
    );
    text
}
