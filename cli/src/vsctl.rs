//! What: ovs-vsctl(8): configure a switch through its database.
//!
//! How: the commands of one call run one after another against a transaction over a replica of the whole
//! database; then it is committed. If somebody else was faster, everything is done again on the new contents, so
//! commands print into their [`context::Context`] and nothing is shown before the outcome is known.
//!
//! ```text
//!   words ─> command::split ─> [Given] ─> Context{Transaction} ─> commit ─> print ─> wait for the switch
//!                                  ^__________ try again ___________│
//! ```
//!
//! Invariants: a call changes everything it was asked to or nothing.

mod autoattach;
mod bridge;
pub mod command;
mod commits;
mod context;
mod controller;
mod database;
mod desired;
mod expression;
mod grpc;
mod help;
mod lookup;
mod model;
mod needs;
mod overview;
mod port;
mod reset;
mod words;
mod zone;

use crate::Call;
use crate::connect::{block_on, connect, default_server};
use crate::failure::{Exit, Failure, fail};
use crate::getopt::{Found, Opt, Takes, opt, opt_short};
use crate::table::Style;
use crate::{getopt, logging, table, timeout, version};
use command::Given;
use context::{Context, Output, ROOT};
use std::collections::{BTreeMap, BTreeSet};
use weft_jsonrpc::session::Session;
use weft_ovsdb::Uuid;
use weft_ovsdb::replica::{Event, Link, Outcome, Select, Transaction};

/// The tool's entry point.
pub fn run(call: &Call) -> Result<Exit, Failure> {
    let log = logging::start(&call.program);
    let (options, rest) = parse_global(call, &log)?;
    if let Some(text) = options.print_only {
        print!("{text}");
        return Ok(Exit::OK);
    }
    let commands = command::split(options.first_options.clone(), &rest)?;
    let words = call.args.join(" ");
    match commands.iter().all(|given| given.command.is_read_only()) {
        true => tracing::debug!(target: "vsctl", "Called as {} {words}", call.program),
        false => tracing::info!(target: "vsctl", "Called as {} {words}", call.program),
    }
    timeout::arm(timeout::parse(options.timeout.as_deref(), "-t or --timeout")?);
    match &commands[..] {
        [only] if commits::is_one(only) => block_on(commits::serve(call, &options, only)),
        _ => block_on(serve(call, &options, &commands)),
    }
}

/// What `--help` prints.
pub fn help(program: &str) -> String {
    help::help(program, &default_server())
}

/// The options in front of the first command.
struct Options {
    db: String,
    no_wait: bool,
    dry_run: bool,
    /// Print the gRPC call that does the same, and do nothing.
    print_grpc: bool,
    oneline: bool,
    retry: bool,
    timeout: Option<String>,
    style: Style,
    /// Options among them that belong to the first command.
    first_options: Vec<String>,
    /// Print this and do nothing else.
    print_only: Option<String>,
}

const OPTIONS: &[Opt] = &[
    opt("db", Takes::Value),
    opt("no-syslog", Takes::Nothing),
    opt("no-wait", Takes::Nothing),
    opt("dry-run", Takes::Nothing),
    opt("print-grpc", Takes::Nothing),
    opt("oneline", Takes::Nothing),
    opt_short("timeout", 't', Takes::Value),
    opt("retry", Takes::Nothing),
    opt_short("help", 'h', Takes::Nothing),
    opt("commands", Takes::Nothing),
    opt("options", Takes::Nothing),
    opt("leader-only", Takes::Nothing),
    opt("no-leader-only", Takes::Nothing),
    opt("shuffle-remotes", Takes::Nothing),
    opt("no-shuffle-remotes", Takes::Nothing),
    opt_short("version", 'V', Takes::Nothing),
];

/// A command's options may stand among the global ones, so both are known here.
fn parse_global(call: &Call, log: &weft_jsonrpc::vlog::Vlog) -> Result<(Options, Vec<String>), Failure> {
    let global: Vec<Opt> = [OPTIONS, logging::OPTIONS, table::OPTIONS, logging::PKI_OPTIONS].concat();
    let mut known = global.clone();
    // As the real tool lists them when a shortened name fits many.
    let (database, others): (Vec<_>, Vec<_>) =
        command::all().partition(|command| command::is_database_command(command));
    for option in database.iter().chain(&others).flat_map(|command| command.options) {
        let (long, takes) = match option.strip_suffix('=') {
            Some(name) => (name, Takes::Value),
            None => (*option, Takes::Nothing),
        };
        if !known.iter().any(|other| other.long == long) {
            known.push(opt(long, takes));
        }
    }
    let parsed = getopt::parse_leading(&call.args, &known)?;
    let mut options = Options {
        db: default_server(),
        no_wait: false,
        dry_run: false,
        print_grpc: false,
        oneline: false,
        retry: false,
        timeout: None,
        style: Style::list(),
        first_options: Vec::new(),
        print_only: None,
    };
    for found in &parsed.options {
        if logging::take(log, found)? || options.style.take(found)? {
            continue;
        }
        match found.name {
            "db" => options.db = found.value().to_string(),
            "no-syslog" => log.set("vsctl:syslog:warn").map_err(|error| error.to_string())?,
            "no-wait" => options.no_wait = true,
            "dry-run" => options.dry_run = true,
            "print-grpc" => options.print_grpc = true,
            "oneline" => options.oneline = true,
            "timeout" => options.timeout = Some(found.value().to_string()),
            "retry" => options.retry = true,
            "help" => options.print_only = Some(help::help(&call.program, &default_server())),
            "commands" => options.print_only = Some(help::commands()),
            "options" => options.print_only = Some(help::options(&global)),
            "version" => options.print_only = Some(format!("{}\nDB Schema 8.3.1\n", version::line(&call.program))),
            "leader-only" | "no-leader-only" | "shuffle-remotes" | "no-shuffle-remotes" => {}
            // Here, as in the real tool, saying it twice is no mistake.
            _ if options.first_options.contains(&as_word(found)) => {}
            _ => options.first_options.push(as_word(found)),
        }
        if options.print_only.is_some() {
            break;
        }
    }
    Ok((options, parsed.rest))
}

fn as_word(found: &Found) -> String {
    match &found.value {
        Some(value) => format!("--{}={value}", found.name),
        None => format!("--{}", found.name),
    }
}

/// Connects and runs the commands until they are decided.
async fn serve(call: &Call, options: &Options, commands: &[Given]) -> Result<Exit, Failure> {
    let connection = match connect(&options.db, options.retry).await {
        Ok(connection) => connection,
        Err(reason) => return fail(format!("{}: database connection failed ({reason})", options.db)),
    };
    let (given, waits) = (commands.to_vec(), !options.no_wait);
    let select = Select::chosen_by(move |schema| needs::select(&given, waits, schema));
    let mut link = Link::new(Session::over(connection), ROOT, select);
    next_contents(&mut link, options).await?;
    loop {
        match attempt(&mut link, call, options, commands).await? {
            Some(exit) => return Ok(exit),
            None => next_contents(&mut link, options).await?,
        }
    }
}

/// Waits until the replica is there, or differs from before.
async fn next_contents(link: &mut Link, options: &Options) -> Result<(), Failure> {
    loop {
        match link.next().await {
            Event::Ready(_) | Event::Changed(_) => return Ok(()),
            Event::Failed(reason) => return fail(format!("{}: {reason}", options.db)),
            Event::Disconnected(reason) => {
                return fail(format!("{}: database connection failed ({reason})", options.db));
            }
            _ => {}
        }
    }
}

/// One try; `None` if another is needed once the database has changed.
async fn attempt(link: &mut Link, call: &Call, options: &Options, commands: &[Given]) -> Result<Option<Exit>, Failure> {
    let Some(replica) = link.replica() else { return fail("no database contents") };
    let mut context = Context::new(Transaction::new(replica), commands);
    context.tx.comment(format!("{0}: {0} {1}", call.program, call.args.join(" ")));
    let root = context.root()?;
    if !options.no_wait {
        context.tx.increment(ROOT, root, "next_cfg");
    }
    for given in commands {
        context.given = given;
        context.output.push(Output::Text(String::new()));
        (given.command.run)(&mut context)?;
        if context.must_wait {
            return Ok(None);
        }
    }
    context.symbols.check()?;
    if options.print_grpc {
        let call = context.tx.request().map(|request| grpc::command(&request.operations));
        print(options, vec![Output::Text(call.unwrap_or_default())], &BTreeMap::new());
        return Ok(Some(Exit::OK));
    }
    let request = if options.dry_run { None } else { context.tx.request() };
    let status = context.status;
    let mut output = std::mem::take(&mut context.output);
    let confirm = context.confirm;
    let new_interfaces = std::mem::take(&mut context.new_interfaces);
    drop(context);
    let outcome = match request {
        None => Outcome::Unchanged,
        Some(request) => {
            let mut changed = false;
            let aside = |event: Event| changed |= matches!(event, Event::Changed(_));
            let outcome = match confirm {
                None => link.commit(request, aside).await,
                Some(seconds) => {
                    let (outcome, told) = commits::commit(link, &request, seconds, aside).await?;
                    output.push(Output::Text(told));
                    outcome
                }
            };
            if outcome == Outcome::TryAgain && changed {
                return Box::pin(attempt(link, call, options, commands)).await;
            }
            outcome
        }
    };
    match outcome {
        Outcome::TryAgain => Ok(None),
        Outcome::Error(text) => {
            tracing::warn!(target: "ovsdb_idl", "transaction error: {text}");
            fail(format!("transaction error: {text}"))
        }
        Outcome::Unchanged => {
            print(options, output, &BTreeMap::new());
            Ok(Some(Exit(status)))
        }
        Outcome::Success { uuids, increment } => {
            print(options, output, &uuids);
            if let Some(next_cfg) = increment.filter(|_| !options.no_wait) {
                wait_for_switch(link, options, next_cfg).await?;
                complain(link, call, &new_interfaces);
            }
            Ok(Some(Exit(status)))
        }
    }
}

/// Waits until the switch says that it runs this configuration.
async fn wait_for_switch(link: &mut Link, options: &Options, next_cfg: i64) -> Result<(), Failure> {
    loop {
        let current = link.replica().and_then(|replica| replica.rows(ROOT).next()).and_then(|root| root.int("cur_cfg"));
        if current.is_some_and(|current| current >= next_cfg) {
            return Ok(());
        }
        next_contents(link, options).await?;
    }
}

/// Tells about interfaces that the switch could not open.
fn complain(link: &Link, call: &Call, new_interfaces: &BTreeSet<String>) {
    let Some(replica) = link.replica() else { return };
    for interface in replica.rows("Interface") {
        let name = interface.str("name").unwrap_or_default();
        if !new_interfaces.contains(name) || interface.int("ofport") != Some(-1) {
            continue;
        }
        let reason = interface.str("error").map(|error| format!(": {error}")).unwrap_or_default();
        let program = &call.program;
        eprintln!("{program}: Error detected while setting up '{name}'{reason}.  See ovs-vswitchd log for details.");
        let dir = weft_jsonrpc::rundir::log_dir();
        eprintln!("{program}: The default log directory is \"{}\".", dir.display());
    }
}

/// Prints what the commands said; `uuids` are the identities that the server gave to new rows.
fn print(options: &Options, output: Vec<Output>, uuids: &BTreeMap<Uuid, Uuid>) {
    let mut all = String::new();
    let mut first_table = true;
    for output in output {
        let text = match output {
            Output::Table(table) => {
                all += &table.render(&options.style, first_table);
                first_table = false;
                continue;
            }
            Output::Text(text) => text,
            Output::Created(uuid) => format!("{}\n", uuids.get(&uuid).unwrap_or(&uuid)),
        };
        match options.oneline {
            true => {
                let text = text.strip_suffix('\n').unwrap_or(&text);
                all += &text.replace('\\', "\\\\").replace('\n', "\\n");
                all.push('\n');
            }
            false => all += &text,
        }
    }
    use std::io::Write;
    // A reader that went away wants no more.
    let _ = std::io::stdout().lock().write_all(all.as_bytes());
}
