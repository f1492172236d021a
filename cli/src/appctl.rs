//! What: ovs-appctl(8): ask a running daemon.

use crate::failure::{Exit, Failure, fail};
use crate::getopt::{Opt, Takes, opt_short};
use crate::{Call, getopt, logging, timeout, version};
use std::io::Write;
use weft_jsonrpc::unixctl::{Client, ClientError, Target};

/// The tool's entry point.
pub fn run(call: &Call) -> Result<Exit, Failure> {
    let log = logging::start(&call.program);
    let options: Vec<Opt> = [OPTIONS, logging::OPTIONS].concat();
    let parsed = getopt::parse_leading(&call.args, &options)?;
    let (mut target, mut limit) = (DEFAULT_TARGET.to_string(), None);
    for found in &parsed.options {
        if logging::take(&log, found)? {
            continue;
        }
        match found.name {
            "target" => target = found.value().to_string(),
            "timeout" => limit = Some(found.value().to_string()),
            // Said what the default is now; old scripts still say it.
            "execute" => {}
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
    let limit = timeout::parse(limit.as_deref(), "-T or --timeout")?;
    let Some((command, args)) = parsed.rest.split_first() else {
        return fail("at least one non-option argument is required (use --help for help)");
    };
    timeout::arm(limit);
    ask(&target, command, args)
}

fn ask(target: &str, command: &str, args: &[String]) -> Result<Exit, Failure> {
    let found = Target::find(target).map_err(refused)?;
    let mut client = Client::connect(&found).map_err(refused)?;
    match client.call(command, args) {
        Ok(Ok(text)) => {
            // A reader that went away wants no more.
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
            Ok(Exit::OK)
        }
        Ok(Err(text)) => {
            eprint!("{text}");
            Err(Failure::with_status(format!("{target}: server returned an error"), 2))
        }
        Err(error) => fail(format!("{target}: transaction error ({error})")),
    }
}

/// The log says what the system refused, as other daemons' clients do.
fn refused(error: ClientError) -> String {
    match &error {
        ClientError::Pidfile { path, reason } => tracing::warn!(target: "daemon_unix", "{path}: open: {reason}"),
        ClientError::Connect { path, .. } => tracing::warn!(target: "unixctl", "failed to connect to {path}"),
        ClientError::Transaction(_) => {}
    }
    error.to_string()
}

/// What `--help` prints.
pub fn help(program: &str) -> String {
    format!(
        "{program}: ask a running switch daemon, or tell it something\n\
         usage: {program} [OPTIONS] COMMAND [ARG...]\n\n\
         Which daemon:\n  \
         -t, --target=TARGET        its name, as in TARGET.pid, or its control socket (default: {DEFAULT_TARGET})\n\n\
         Commands of every daemon (list-commands tells the others):\n  \
         list-commands              print the daemon's commands\n  \
         version                    print the daemon's version\n  \
         vlog/list                  print the log levels of each module\n  \
         vlog/list-pattern          print how log lines look\n  \
         vlog/set [SPEC]            set log levels; SPEC is of a module, a destination (syslog, console,\n                             \
         file) and a level (off, emer, err, warn, info, dbg)\n  \
         vlog/reopen                close and open the log file, after it was moved away\n  \
         vlog/close                 close the log file\n\n\
         Options:\n  \
         -T, --timeout=SECS         give up after SECS seconds\n  \
         -h, --help                 print this help\n  \
         -V, --version              print the version\n\n{}",
        logging::HELP
    )
}

const DEFAULT_TARGET: &str = "ovs-vswitchd";

const OPTIONS: &[Opt] = &[
    opt_short("target", 't', Takes::Value),
    opt_short("timeout", 'T', Takes::Value),
    opt_short("execute", 'e', Takes::Nothing),
    opt_short("help", 'h', Takes::Nothing),
    opt_short("version", 'V', Takes::Nothing),
];
