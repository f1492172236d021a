//! What: ovsdb-tool(1): work on an OVSDB file without a server.
//!
//! Invariants: a file is replaced whole or not at all. Clusters are not served here; their files can be made, looked at and
//! turned into standalone ones.

mod cluster;
mod file;
mod show_log;
mod versions;

use crate::Call;
use crate::failure::{Exit, Failure, fail};
use crate::getopt::{Opt, Takes, opt, opt_short};
use crate::{getopt, json, logging, schema_file, version};
use file::Magic;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use weft_jsonrpc::{json_syntax, rundir};
use weft_ovsdb::Uuid;
use weft_server::database::{Database, Execution};
use weft_server::exec;
use weft_server::log;
use weft_server::storage::{FileStorage, Storage};

/// The tool's entry point.
pub fn run(call: &Call) -> Result<Exit, Failure> {
    let log = logging::start(&call.program);
    let options: Vec<Opt> = [OPTIONS, logging::OPTIONS].concat();
    let parsed = getopt::parse(&call.args, &options)?;
    let mut more = 0;
    let (mut cid, mut election_timer) = (None, None);
    for found in &parsed.options {
        if logging::take(&log, found)? {
            continue;
        }
        match found.name {
            "more" => more += 1,
            "cid" => cid = Some(read_cid(found.value())?),
            "election-timer" => election_timer = Some(read_election_timer(found.value())?),
            "version" => {
                println!("{}", version::line(&call.program));
                return Ok(Exit::OK);
            }
            "help" => {
                print!("{}", help(&call.program));
                return Ok(Exit::OK);
            }
            _ => {}
        }
    }
    let Some((name, words)) = parsed.rest.split_first() else {
        return fail("missing command name; use --help for help");
    };
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        return fail(format!("unknown command '{name}'; use --help for help"));
    };
    if words.len() < command.words.0 {
        return fail(format!("'{name}' command requires at least {} arguments", command.words.0));
    }
    if words.len() > command.words.1 {
        return fail(format!("'{name}' command takes at most {} arguments", command.words.1));
    }
    (command.run)(&Job { program: call.program.clone(), words: words.to_vec(), more, cid, election_timer })
}

/// A command about to run.
struct Job {
    program: String,
    words: Vec<String>,
    more: usize,
    /// `--cid`
    cid: Option<Uuid>,
    /// `--election-timer`, in milliseconds.
    election_timer: Option<u32>,
}

impl Job {
    /// The database file.
    fn db(&self, at: usize) -> String {
        let default = || rundir::db_dir().join("conf.db").display().to_string();
        self.words.get(at).cloned().unwrap_or_else(default)
    }

    /// The schema file.
    fn schema(&self, at: usize) -> String {
        let default = || rundir::pkgdata_dir().join("vswitch.ovsschema").display().to_string();
        self.words.get(at).cloned().unwrap_or_else(default)
    }
}

struct Command {
    name: &'static str,
    words: (usize, usize),
    usage: &'static str,
    help: &'static str,
    run: fn(&Job) -> Result<Exit, Failure>,
}

#[rustfmt::skip]
const COMMANDS: &[Command] = &[
    Command { name: "create", words: (0, 2), usage: "[DB [SCHEMA]]", help: "make an empty database", run: create },
    Command { name: "compact", words: (0, 2), usage: "[DB [TARGET]]", help: "leave out what is history, in place or into TARGET", run: compact },
    Command { name: "convert", words: (0, 3), usage: "[DB [SCHEMA [TARGET]]]", help: "change the schema, in place or into TARGET", run: convert },
    Command { name: "needs-conversion", words: (0, 2), usage: "[DB [SCHEMA]]", help: "print yes if DB's schema differs from SCHEMA, else no", run: needs_conversion },
    Command { name: "db-name", words: (0, 1), usage: "[DB]", help: "print the name of DB's schema", run: db_name },
    Command { name: "db-version", words: (0, 1), usage: "[DB]", help: "print the version of DB's schema", run: db_version },
    Command { name: "db-cksum", words: (0, 1), usage: "[DB]", help: "print the checksum of DB's schema", run: db_cksum },
    Command { name: "schema-name", words: (0, 1), usage: "[SCHEMA]", help: "print SCHEMA's name", run: schema_name },
    Command { name: "schema-version", words: (0, 1), usage: "[SCHEMA]", help: "print SCHEMA's version", run: schema_version },
    Command { name: "schema-cksum", words: (0, 1), usage: "[SCHEMA]", help: "print SCHEMA's checksum", run: schema_cksum },
    Command { name: "compare-versions", words: (3, 3), usage: "A OP B", help: "exit with 0 if A OP B holds, else 2; OP is < <= == >= > !=", run: versions::compare },
    Command { name: "query", words: (1, 2), usage: "[DB] TRANSACTION", help: "run a transaction and keep nothing of it", run: query },
    Command { name: "transact", words: (1, 2), usage: "[DB] TRANSACTION", help: "run a transaction", run: transact },
    Command { name: "show-log", words: (0, 1), usage: "[-m | --more]... [DB]", help: "print what happened; -m: which rows, -mm: which values", run: show_log::run },
    Command { name: "db-is-standalone", words: (1, 1), usage: "DB", help: "exit with 0 if DB belongs to one server, else 2", run: is_standalone },
    Command { name: "db-is-clustered", words: (1, 1), usage: "DB", help: "exit with 0 if DB belongs to a cluster, else 2", run: is_clustered },
    Command { name: "create-cluster", words: (3, 3), usage: "DB CONTENTS LOCAL", help: "make the file of a cluster's first server", run: cluster::create },
    Command { name: "join-cluster", words: (4, usize::MAX), usage: "DB NAME LOCAL REMOTE...", help: "make the file of a server that shall join a cluster", run: cluster::join },
    Command { name: "cluster-to-standalone", words: (2, 2), usage: "DB CLUSTERDB", help: "make a standalone DB of what a cluster's server had", run: cluster::to_standalone },
    Command { name: "check-cluster", words: (1, usize::MAX), usage: "DB...", help: "refuses: clusters are not checked by this build", run: check_cluster },
    Command { name: "db-cid", words: (1, 1), usage: "DB", help: "print the identity of DB's cluster", run: cluster::cid },
    Command { name: "db-sid", words: (1, 1), usage: "DB", help: "print the identity of DB's server in its cluster", run: cluster::sid },
    Command { name: "db-local-address", words: (1, 1), usage: "DB", help: "print the address of DB's server in its cluster", run: cluster::local_address },
    Command { name: "list-commands", words: (0, usize::MAX), usage: "", help: "print the commands with their words", run: list_commands },
    Command { name: "help", words: (0, usize::MAX), usage: "", help: "print this help", run: print_help },
];

const OPTIONS: &[Opt] = &[
    opt_short("more", 'm', Takes::Nothing),
    opt("rbac-role", Takes::Value),
    opt("cid", Takes::Value),
    opt("election-timer", Takes::Value),
    opt_short("help", 'h', Takes::Nothing),
    opt_short("version", 'V', Takes::Nothing),
];

fn create(job: &Job) -> Result<Exit, Failure> {
    let (schema, _) = schema_file::read(&job.schema(1))?;
    let path = job.db(0);
    FileStorage::create(Path::new(&path), &Database::initial_log(&schema)).inspect_err(|_| warn_of_owner(&path))?;
    Ok(Exit::OK)
}

fn compact(job: &Job) -> Result<Exit, Failure> {
    let path = job.db(0);
    let comment = format!("compacted by {} {}", job.program, version::OVS_VERSION);
    replace(&path, job.words.get(1), &comment, |_| Ok(()))
}

fn convert(job: &Job) -> Result<Exit, Failure> {
    let (schema, _) = schema_file::read(&job.schema(1))?;
    let comment = format!("converted by {} {}", job.program, version::OVS_VERSION);
    replace(&job.db(0), job.words.get(2), &comment, |database| database.convert(schema, now_ms()))
}

/// Writes what `change` makes of a database into a new file, or over the old one.
fn replace(
    path: &str,
    target: Option<&String>,
    comment: &str,
    change: impl FnOnce(&mut Database) -> weft_ovsdb::Result<()>,
) -> Result<Exit, Failure> {
    // Without a target the lock must be held from before reading until after writing.
    let in_place = match target {
        None => {
            file::read_standalone(path)?;
            Some(open_locked(path).or_else(|error| fail(error.to_string().replacen("I/O error: ", "", 1)))?)
        }
        Some(_) => None,
    };
    let mut database = file::open_copy(path)?;
    change(&mut database)?;
    let mut framed = Database::initial_log(database.schema());
    log::frame(&log::snapshot(database.tables(), comment, now_ms(), false), &mut framed);
    match (in_place, target) {
        (Some(mut storage), _) => storage.compact(framed.into())?,
        (None, Some(target)) => write_target(target, &framed)?,
        (None, None) => {}
    }
    Ok(Exit::OK)
}

/// A target that is there already is replaced.
fn write_target(target: &str, framed: &[u8]) -> Result<(), Failure> {
    let path = Path::new(target);
    match path.exists() {
        true => FileStorage::open(path)?.compact(framed.to_vec().into())?,
        false => drop(FileStorage::create(path, framed)?),
    }
    Ok(())
}

/// Opens a file to change it; the log says who has it already.
fn open_locked(path: &str) -> weft_ovsdb::Result<FileStorage> {
    FileStorage::open(Path::new(path)).inspect_err(|_| warn_of_owner(path))
}

fn warn_of_owner(path: &str) {
    let path = Path::new(path);
    let lock = path.with_file_name(format!(".{}.~lock~", path.file_name().unwrap_or_default().to_string_lossy()));
    let shown = lock.display();
    match file::lock_owner(&lock) {
        Ok(Some(pid)) => {
            tracing::warn!(target: "lockfile", "{shown}: cannot lock file because it is already locked by pid {pid}");
        }
        Ok(None) => {}
        Err(error) => {
            let why = weft_jsonrpc::session::bare(&error);
            tracing::warn!(target: "lockfile", "{shown}: failed to open lock file: {why}");
            tracing::warn!(target: "lockfile", "{shown}: failed to lock file: {why}");
        }
    }
}

fn needs_conversion(job: &Job) -> Result<Exit, Failure> {
    let actual = file::schema(&job.db(0))?;
    let (wanted, _) = schema_file::read(&job.schema(1))?;
    println!("{}", if actual == wanted { "no" } else { "yes" });
    Ok(Exit::OK)
}

fn db_name(job: &Job) -> Result<Exit, Failure> {
    match file::magic(&job.db(0))? {
        Magic::Cluster => cluster::name(job),
        Magic::Standalone => say(file::schema(&job.db(0))?.name),
    }
}

fn db_version(job: &Job) -> Result<Exit, Failure> {
    say(file::schema(&job.db(0))?.version.unwrap_or_default())
}

fn db_cksum(job: &Job) -> Result<Exit, Failure> {
    say(file::schema(&job.db(0))?.cksum.unwrap_or_default())
}

fn schema_name(job: &Job) -> Result<Exit, Failure> {
    say(schema_file::read(&job.schema(0))?.0.name)
}

fn schema_version(job: &Job) -> Result<Exit, Failure> {
    say(schema_file::read(&job.schema(0))?.0.version.unwrap_or_default())
}

fn schema_cksum(job: &Job) -> Result<Exit, Failure> {
    say(schema_file::read(&job.schema(0))?.0.cksum.unwrap_or_default())
}

fn say(text: String) -> Result<Exit, Failure> {
    println!("{text}");
    Ok(Exit::OK)
}

fn query(job: &Job) -> Result<Exit, Failure> {
    let (path, text) = path_and_transaction(job);
    let mut database = file::open_copy(&path)?;
    execute(&mut database, text)
}

fn transact(job: &Job) -> Result<Exit, Failure> {
    let (path, text) = path_and_transaction(job);
    // A damaged file is left alone: only a server that cannot ask anybody cuts its end off.
    file::open_copy(&path)?;
    let (mut database, _) = Database::open(Box::new(open_locked(&path)?))?;
    execute(&mut database, text)
}

fn path_and_transaction(job: &Job) -> (String, &str) {
    match &job.words[..] {
        [path, text, ..] => (path.clone(), text),
        [text] => (job.db(1), text),
        [] => (job.db(0), ""),
    }
}

fn execute(database: &mut Database, text: &str) -> Result<Exit, Failure> {
    let params: Value = serde_json::from_str(text)
        .or_else(|error| fail(format!("\"{text}\": {}", json_syntax::explain(text, &error))))?;
    let syntax = |details: &str| {
        let error = weft_ovsdb::Error::syntax(Some(&params), details);
        say(json::compact(&error.to_json()))
    };
    let Value::Array(words) = &params else { return syntax("array expected") };
    let Some((Value::String(name), operations)) = words.split_first() else {
        return syntax("database name expected as first parameter");
    };
    if *name != database.schema().name {
        return syntax("database name expected as first parameter");
    }
    let context = exec::Context { owns_lock: &|_| false, elapsed: Duration::ZERO, read_only: false, client: None };
    match database.execute(operations, &context, now_ms()) {
        Execution::Done(executed) => {
            database.flush()?;
            let result: Value = serde_json::from_str(&executed.result).or_else(|error| fail(error.to_string()))?;
            say(json::compact(&result))
        }
        // Nobody will make the change that it waits for.
        Execution::Waiting { .. } => say(json::compact(&waiting(operations))),
    }
}

/// The results of a transaction whose first `wait` would wait.
fn waiting(operations: &[Value]) -> Value {
    let at = operations.iter().position(|operation| operation["op"] == "wait").unwrap_or(0);
    let mut results = vec![serde_json::json!({}); at];
    results.push(serde_json::json!({"details": "triggers not supported", "error": "not supported"}));
    results.resize(operations.len(), Value::Null);
    Value::from(results)
}

fn is_standalone(job: &Job) -> Result<Exit, Failure> {
    Ok(if file::magic(&job.db(0))? == Magic::Standalone { Exit::OK } else { Exit(2) })
}

fn is_clustered(job: &Job) -> Result<Exit, Failure> {
    Ok(if file::magic(&job.db(0))? == Magic::Cluster { Exit::OK } else { Exit(2) })
}

fn check_cluster(job: &Job) -> Result<Exit, Failure> {
    for path in &job.words {
        if file::magic(path)? != Magic::Cluster {
            return fail(format!("ovsdb error: {path}: cannot identify file type"));
        }
    }
    fail("clusters are not checked by this build")
}

fn read_cid(text: &str) -> Result<Uuid, Failure> {
    match weft_ovsdb::atom::parse_uuid(text) {
        Some(cid) => Ok(cid),
        None => fail(format!("{text}: not a valid UUID")),
    }
}

fn read_election_timer(text: &str) -> Result<u32, Failure> {
    match text.parse() {
        Ok(milliseconds @ 100..=600_000) => Ok(milliseconds),
        _ => fail("ovsdb error: election timer must be between 100 and 600000, in msec."),
    }
}

fn print_help(job: &Job) -> Result<Exit, Failure> {
    print!("{}", help(&job.program));
    Ok(Exit::OK)
}

fn list_commands(_: &Job) -> Result<Exit, Failure> {
    println!("The available commands are:");
    for command in COMMANDS {
        println!("  {:<23} {}", command.name, command.usage.to_lowercase());
    }
    Ok(Exit::OK)
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// What `--help` prints.
pub fn help(program: &str) -> String {
    let mut text =
        format!("{program}: work on an OVSDB file\nusage: {program} [OPTIONS] COMMAND [ARG...]\n\nCommands:\n");
    for command in COMMANDS {
        text += &format!("  {:<44} {}\n", format!("{} {}", command.name, command.usage), command.help);
    }
    text += &format!(
        "\nDB is {} and SCHEMA is {} if not given.\n\n{}\nOther options:\n  \
         -m, --more                 say more\n  \
         -h, --help                 print this help\n  \
         -V, --version              print the version\n",
        rundir::db_dir().join("conf.db").display(),
        rundir::pkgdata_dir().join("vswitch.ovsschema").display(),
        logging::HELP
    );
    text
}
