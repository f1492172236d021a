//! What: ovs-dpctl(8): the datapath's ports and megaflows.
//!
//! How: the datapath lives inside the switch daemon, so every command is its control command of the same name
//! (`dpctl/show` and so on). Files of flows are read here, a line at a time, and what actions mean is said here.

use std::io::Write;

use weft_flow::dpctl::{self as flow, DpNames};
use weft_jsonrpc::unixctl::{Client, Target};

use crate::failure::{Exit, Failure, fail};
use crate::getopt::{Opt, Takes, opt, opt_short};
use crate::{Call, getopt, logging, timeout, version};

/// The tool's entry point.
pub fn run(call: &Call) -> Result<Exit, Failure> {
    let log = logging::start(&call.program);
    let options: Vec<Opt> = [OPTIONS, logging::OPTIONS].concat();
    let parsed = getopt::parse_leading(&call.args, &options)?;
    let (mut target, mut limit, mut forwarded) = (DEFAULT_TARGET.to_owned(), None, Vec::new());
    for found in &parsed.options {
        if logging::take(&log, found)? {
            continue;
        }
        match found.name {
            "target" => target = found.value().to_owned(),
            "timeout" => limit = Some(found.value().to_owned()),
            "more" => forwarded.push("-m".to_owned()),
            "statistics" => forwarded.push("-s".to_owned()),
            "names" | "no-names" | "clear" | "may-create" => forwarded.push(format!("--{}", found.name)),
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
    let Some((command, args)) = parsed.rest.split_first() else {
        return fail("missing command name; use --help for help");
    };
    timeout::arm(limit);
    if let Some(done) = offline(command, args) {
        print!("{}", done?);
        return Ok(Exit::OK);
    }
    let mut daemon = Daemon::connect(&target)?;
    match (command.as_str(), args) {
        ("add-flows" | "mod-flows", [.., file]) => {
            daemon.each_line(file, &command[..command.len() - 1], &forwarded, &args[..args.len() - 1])
        }
        // with a file these are the file's flows, without all flows
        ("del-flows", [.., file]) if std::path::Path::new(file).is_file() => {
            daemon.each_line(file, "del-flow", &forwarded, &args[..args.len() - 1])
        }
        _ => daemon.ask(command, &[&forwarded, args].concat()),
    }
}

/// What a text means needs no daemon.
fn offline(command: &str, args: &[String]) -> Option<Result<String, Failure>> {
    let (least, most) = match command {
        "parse-actions" => (1, usize::MAX),
        "normalize-actions" => (2, 2),
        _ => return None,
    };
    if args.len() < least {
        return Some(fail(format!("'{command}' command requires at least {least} arguments")));
    }
    if args.len() > most {
        return Some(fail(format!("'{command}' command takes at most {most} arguments")));
    }
    let names = DpNames::new();
    let texts = match command {
        "normalize-actions" => {
            if let Err(error) = flow::parse_match(&args[0], &names) {
                return Some(fail(format!("{}: {error}", args[0])));
            }
            &args[1..]
        }
        _ => args,
    };
    let lines = texts.iter().map(|text| match flow::parse_actions(text, &names) {
        Ok(actions) => Ok(flow::format_actions(&actions, &names) + "\n"),
        Err(error) => fail(format!("{text}: {error}")),
    });
    Some(lines.collect())
}

/// A connection to the daemon.
struct Daemon {
    client: Client,
    target: String,
}

impl Daemon {
    fn connect(target: &str) -> Result<Daemon, Failure> {
        let found = Target::find(target).map_err(|error| error.to_string())?;
        let client = Client::connect(&found).map_err(|error| error.to_string())?;
        Ok(Daemon { client, target: target.to_owned() })
    }

    fn ask(&mut self, command: &str, args: &[String]) -> Result<Exit, Failure> {
        match self.client.call(&format!("dpctl/{command}"), args) {
            Ok(Ok(text)) => {
                // A reader that went away wants no more.
                let _ = std::io::stdout().lock().write_all(text.as_bytes());
                Ok(Exit::OK)
            }
            Ok(Err(text)) => fail(text.trim_end().trim_start_matches("ovs-vswitchd: ").to_owned()),
            Err(error) => fail(format!("{}: transaction error ({error})", self.target)),
        }
    }

    /// Runs a command for each flow of a file: `FLOW [ACTIONS]` a line, `#` begins a comment.
    fn each_line(&mut self, file: &str, command: &str, options: &[String], dp: &[String]) -> Result<Exit, Failure> {
        let text = match file {
            "-" => std::io::read_to_string(std::io::stdin()),
            path => std::fs::read_to_string(path),
        };
        let text = text.map_err(|error| Failure::from(format!("{file}: {error}")))?;
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            // flow and actions are separated by a space; `actions:` may stand in front of the latter
            let (flow, actions) = line.split_once([' ', '\t']).unwrap_or((line, ""));
            let actions = actions.trim().trim_start_matches("actions:");
            let mut args = [options, dp].concat();
            args.push(flow.trim_end_matches(',').to_owned());
            if !actions.is_empty() {
                args.push(actions.to_owned());
            }
            self.ask(command, &args).map_err(|error| Failure::from(format!("{file}:{}: {error}", number + 1)))?;
        }
        Ok(Exit::OK)
    }
}

/// What `--help` prints.
pub fn help(program: &str) -> String {
    format!(
        "{program}: look into the datapath of a running switch\n\
         usage: {program} [OPTIONS] COMMAND [ARG...]\n\n\
         A datapath is named as dump-dps prints it, and may be left out while there is only one.\n\n\
         Commands:\n  \
         show [DP...]               ports and counters (-s: counters of each port too)\n  \
         dump-dps                   the datapaths\n  \
         dump-flows [DP] [filter=FLOW]\n                             \
         megaflows with their counters (-m: with ids and wildcarded fields)\n  \
         get-flow [DP] ufid:ID      one of them\n  \
         add-flow [DP] FLOW ACTIONS\n  \
         mod-flow [DP] FLOW ACTIONS\n  \
         del-flow [DP] FLOW         change them by hand: for experiments, the switch may undo it\n  \
         del-flows [DP] [FILE]      forget all of them, or those of a file\n  \
         add-flows [DP] FILE        a flow a line\n  \
         mod-flows [DP] FILE\n  \
         del-if DP PORT...          take ports out until the next configuration\n  \
         parse-actions ACTIONS...   actions read and printed again; needs no switch\n  \
         normalize-actions FLOW ACTIONS\n  \
         list-commands              all commands of the running daemon\n\n\
         Options:\n  \
         -m, --more                 print more\n  \
         -s, --statistics           print counters\n  \
         --names, --no-names        port names or numbers\n  \
         --clear, --may-create      for mod-flow\n  \
         --target=TARGET            the daemon's name or control socket (default: {DEFAULT_TARGET})\n  \
         -t, --timeout=SECS         give up after SECS seconds\n  \
         -h, --help                 print this help\n  \
         -V, --version              print the version\n\n{}",
        logging::HELP
    )
}

const DEFAULT_TARGET: &str = "ovs-vswitchd";

const OPTIONS: &[Opt] = &[
    opt_short("statistics", 's', Takes::Nothing),
    opt_short("more", 'm', Takes::Nothing),
    opt("names", Takes::Nothing),
    opt("no-names", Takes::Nothing),
    opt("clear", Takes::Nothing),
    opt("may-create", Takes::Nothing),
    opt("target", Takes::Value),
    opt_short("timeout", 't', Takes::Value),
    opt_short("help", 'h', Takes::Nothing),
    opt_short("version", 'V', Takes::Nothing),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str) -> Option<Result<String, Failure>> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        offline(&words[0], &words[1..])
    }

    #[test]
    fn actions_are_read_without_a_daemon() {
        assert_eq!(ask("parse-actions 1,2 drop pop_vlan"), Some(Ok("1,2\ndrop\npop_vlan\n".to_owned())));
        assert_eq!(ask("normalize-actions in_port(1),eth_type(0x1234) 3"), Some(Ok("3\n".to_owned())));
        assert!(ask("parse-actions 1 foo").is_some_and(|answer| answer.is_err()));
        assert!(ask("normalize-actions nonsense(1) 3").is_some_and(|answer| answer.is_err()));
        assert_eq!(ask("normalize-actions 1"), Some(fail("'normalize-actions' command requires at least 2 arguments")));
        assert_eq!(ask("show"), None);
    }
}
