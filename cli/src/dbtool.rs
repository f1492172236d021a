//! What: ovsdb-tool(1): work on an OVSDB file without a server.
//!
//! Invariants: a file is replaced whole or not at all; clusters are not served by this build, and every command
//! about them says so.

mod show_log;
mod versions;

use crate::Call;
use crate::failure::{Exit, Failure, fail};
use crate::getopt::{Opt, Takes, opt, opt_short};
use crate::{getopt, json, logging, schema_file, version};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use weft_jsonrpc::rundir;
use weft_ovsdb::DatabaseSchema;
use weft_server::database::{Database, Execution};
use weft_server::exec;
use weft_server::log;
use weft_server::storage::{FileStorage, MemoryStorage, Storage};

/// The tool's entry point.
pub fn run(call: &Call) -> Result<Exit, Failure> {
    let log = logging::start(&call.program);
    let options: Vec<Opt> = [OPTIONS, logging::OPTIONS].concat();
    let parsed = getopt::parse(&call.args, &options)?;
    let mut more = 0;
    for found in &parsed.options {
        if logging::take(&log, found)? {
            continue;
        }
        match found.name {
            "more" => more += 1,
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
    (command.run)(&Job { program: call.program.clone(), words: words.to_vec(), more })
}

/// A command about to run.
struct Job {
    program: String,
    words: Vec<String>,
    more: usize,
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
    Command { name: "create-cluster", words: (3, 3), usage: "DB CONTENTS LOCAL", help: "not supported by this build", run: no_clusters },
    Command { name: "join-cluster", words: (4, usize::MAX), usage: "DB NAME LOCAL REMOTE...", help: "not supported by this build", run: no_clusters },
    Command { name: "cluster-to-standalone", words: (2, 2), usage: "DB CLUSTERDB", help: "not supported by this build", run: no_clusters },
    Command { name: "check-cluster", words: (1, usize::MAX), usage: "DB...", help: "not supported by this build", run: not_clustered },
    Command { name: "db-cid", words: (1, 1), usage: "DB", help: "of clusters, which this build does not support", run: not_clustered },
    Command { name: "db-sid", words: (1, 1), usage: "DB", help: "of clusters, which this build does not support", run: not_clustered },
    Command { name: "db-local-address", words: (1, 1), usage: "DB", help: "of clusters, which this build does not support", run: not_clustered },
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
    FileStorage::create(Path::new(&job.db(0)), &Database::initial_log(&schema))?;
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
        None => Some(FileStorage::open(Path::new(path))?),
        Some(_) => None,
    };
    let mut database = open_copy(path)?;
    change(&mut database)?;
    let mut framed = Database::initial_log(database.schema());
    if let Some(record) = log::snapshot(database.tables(), comment, now_ms()) {
        log::frame(&record, &mut framed);
    }
    match (in_place, target) {
        (Some(mut storage), _) => storage.compact(&framed)?,
        (None, Some(target)) => write_target(target, &framed)?,
        (None, None) => {}
    }
    Ok(Exit::OK)
}

fn write_target(target: &str, framed: &[u8]) -> Result<(), Failure> {
    FileStorage::create(Path::new(target), framed)?;
    Ok(())
}

fn needs_conversion(job: &Job) -> Result<Exit, Failure> {
    let actual = schema_of(&job.db(0))?;
    let (wanted, _) = schema_file::read(&job.schema(1))?;
    println!("{}", if actual == wanted { "no" } else { "yes" });
    Ok(Exit::OK)
}

fn db_name(job: &Job) -> Result<Exit, Failure> {
    say(schema_of(&job.db(0))?.name)
}

fn db_version(job: &Job) -> Result<Exit, Failure> {
    say(schema_of(&job.db(0))?.version.unwrap_or_default())
}

fn db_cksum(job: &Job) -> Result<Exit, Failure> {
    say(schema_of(&job.db(0))?.cksum.unwrap_or_default())
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
    let mut database = open_copy(&path)?;
    execute(&mut database, text)
}

fn transact(job: &Job) -> Result<Exit, Failure> {
    let (path, text) = path_and_transaction(job);
    let storage = FileStorage::open(Path::new(&path))?;
    let (mut database, torn) = Database::open(Box::new(storage))?;
    if let Some(torn) = torn {
        tracing::warn!(target: "ovsdb_log", "{path}: {torn:?}, the damaged end was cut off");
    }
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
    let params: Value = serde_json::from_str(text).or_else(|error| fail(format!("\"{text}\": {error}")))?;
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
        Execution::Waiting { .. } => fail("transaction waits for a change that nobody will make"),
    }
}

fn is_standalone(job: &Job) -> Result<Exit, Failure> {
    Ok(if magic(&job.db(0))? == Magic::Standalone { Exit::OK } else { Exit(2) })
}

fn is_clustered(job: &Job) -> Result<Exit, Failure> {
    Ok(if magic(&job.db(0))? == Magic::Cluster { Exit::OK } else { Exit(2) })
}

fn no_clusters(_: &Job) -> Result<Exit, Failure> {
    fail("clustered databases are not supported by this build")
}

fn not_clustered(job: &Job) -> Result<Exit, Failure> {
    for path in &job.words {
        if magic(path)? != Magic::Cluster {
            return fail(format!("{path}: not a clustered database"));
        }
    }
    no_clusters(job)
}

fn print_help(job: &Job) -> Result<Exit, Failure> {
    print!("{}", help(&job.program));
    Ok(Exit::OK)
}

/// What a file begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magic {
    Standalone,
    Cluster,
    Unknown,
}

fn magic(path: &str) -> Result<Magic, Failure> {
    let bytes = read(path)?;
    Ok(match &bytes {
        bytes if bytes.starts_with(b"OVSDB JSON ") => Magic::Standalone,
        bytes if bytes.starts_with(b"OVSDB CLUSTER ") => Magic::Cluster,
        _ => Magic::Unknown,
    })
}

fn read(path: &str) -> Result<Vec<u8>, Failure> {
    Ok(std::fs::read(path).map_err(|error| weft_ovsdb::Error::io(format!("{path}: open failed"), &error))?)
}

/// The whole file, if it is a standalone database.
fn read_standalone(path: &str) -> Result<Vec<u8>, Failure> {
    match magic(path)? {
        Magic::Standalone => read(path),
        Magic::Cluster => fail(format!("{path}: cannot apply this operation to clustered database file")),
        Magic::Unknown => fail(format!("ovsdb error: {path}: unexpected file format")),
    }
}

/// The schema in front of a file; the rest is not looked at.
fn schema_of(path: &str) -> Result<DatabaseSchema, Failure> {
    let bytes = read_standalone(path)?;
    match log::Records::new(&bytes).next_record() {
        Ok(Some(json)) => Ok(DatabaseSchema::from_json(&json)?),
        Ok(None) | Err(_) => fail(format!("ovsdb error: {path}: unexpected file format")),
    }
}

/// The database in memory; the file is only read.
fn open_copy(path: &str) -> Result<Database, Failure> {
    let (database, torn) = Database::open(Box::new(MemoryStorage::new(read_standalone(path)?)))?;
    if let Some(torn) = torn {
        tracing::warn!(target: "ovsdb_log", "{path}: {torn:?}, the damaged end is left out");
    }
    Ok(database)
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn help(program: &str) -> String {
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
