//! What: the command-line tools, one executable under many names.
//!
//! Why: the tools share their option parsing, connections, table formats and error style; one file to install
//! and to keep in the page cache.
//!
//! How: [`main`] looks at the name of the executable file (not at `argv[0]`, which callers choose freely) in
//! [`TOOLS`], the one table of tools. Called by any other name, the first word is the tool: `weft vsctl show`.
//!
//! ```text
//!   main ─> TOOLS ─> vsctl ─> replica ─> OVSDB server      dbclient ─> OVSDB server
//!                    ofctl ─> peer ─> OpenFlow switch
//!                    appctl ─> unixctl ─> daemon           dbtool ─> database file
//! ```
//!
//! Invariants: a tool prints its results to standard output and everything else to standard error; a failure is
//! a [`Failure`](failure::Failure) that ends in `main`, never an exit deep inside.

pub mod connect;
pub mod failure;
pub mod getopt;
pub mod json;
pub mod logging;
pub mod manual;
pub mod schema_file;
pub mod table;
pub mod timeout;
pub mod version;

pub mod appctl;
pub mod dbclient;
pub mod dbtool;
pub mod dpctl;

pub mod ofctl;
pub mod vsctl;

use failure::{Exit, Failure};
use manual::{Page, Shell};
use std::process::ExitCode;

/// A tool: under which names it is called, and its entry point.
struct Tool {
    names: [&'static str; 2],
    summary: &'static str,
    help: fn(&str) -> String,
    run: fn(&Call) -> Result<Exit, Failure>,
}

/// How a tool was called.
#[derive(Clone, Debug)]
pub struct Call {
    /// The name to put in front of error messages.
    pub program: String,
    /// The words after the name.
    pub args: Vec<String>,
}

const TOOLS: &[Tool] = &[
    Tool {
        names: ["vsctl", "ovs-vsctl"],
        summary: "configure a switch through its database",
        help: vsctl::help,
        run: vsctl::run,
    },
    Tool {
        names: ["ofctl", "ovs-ofctl"],
        summary: "program and watch an OpenFlow switch",
        help: ofctl::help,
        run: ofctl::run,
    },
    Tool { names: ["appctl", "ovs-appctl"], summary: "ask a running daemon", help: appctl::help, run: appctl::run },
    Tool { names: ["dpctl", "ovs-dpctl"], summary: "look into the datapath", help: dpctl::help, run: dpctl::run },
    Tool {
        names: ["dbclient", "ovsdb-client"],
        summary: "talk to an OVSDB server",
        help: dbclient::help,
        run: dbclient::run,
    },
    Tool { names: ["dbtool", "ovsdb-tool"], summary: "work on an OVSDB file", help: dbtool::help, run: dbtool::run },
];

/// For the manuals: in which section each tool's is, and what it says beyond the tool's help.
const MANUALS: &[(u8, &str)] =
    &[(8, ""), (8, include_str!("../../docs/man/ofctl.more")), (8, ""), (8, ""), (1, ""), (1, "")];

/// What all tools take.
fn pages() -> Vec<([&'static str; 2], Page)> {
    TOOLS.iter().map(|tool| (tool.names, Page::parse(&(tool.help)(tool.names[0])))).collect()
}

/// `weft manual TOOL` and `weft completion SHELL`.
fn documentation(words: &[String]) -> Option<String> {
    let [what, name] = words else { return None };
    match what.as_str() {
        "completion" => Some(manual::completion(Shell::find(name)?, &pages())),
        "manual" => {
            let at = TOOLS.iter().position(|tool| tool.names.contains(&name.as_str()))?;
            let (tool, (section, more)) = (&TOOLS[at], MANUALS[at]);
            Some(manual::troff(&Page::parse(&(tool.help)(tool.names[0])), section, tool.names[1], more))
        }
        _ => None,
    }
}

/// Finds the tool by the executable's name and runs it.
pub fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let mut program = weft_jsonrpc::daemon::executable_name();
    if find(&program).is_none()
        && let Some(text) = documentation(&args)
    {
        print!("{text}");
        return ExitCode::SUCCESS;
    }
    let tool = find(&program).or_else(|| {
        // A detached child has its role in front of the tool's name.
        let at = args.iter().position(|word| !word.starts_with('-'))?;
        program = args.remove(at);
        find(&program)
    });
    let Some(tool) = tool else { return usage() };
    let call = Call { program, args };
    match (tool.run)(&call) {
        Ok(Exit(status)) => ExitCode::from(status),
        Err(failure) => {
            // An empty message: what went wrong is on standard error already.
            if !failure.message.is_empty() {
                let name = if failure.as_called { called(&call.program) } else { call.program };
                eprintln!("{name}: {failure}");
            }
            ExitCode::from(failure.status)
        }
    }
}

/// The name that the tool was called by, path and all, if it is this tool's.
fn called(program: &str) -> String {
    let words = std::env::args_os().next().map(|word| word.to_string_lossy().into_owned());
    words.filter(|word| word.rsplit('/').next() == Some(program)).unwrap_or_else(|| program.to_string())
}

fn find(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.names.contains(&name))
}

fn usage() -> ExitCode {
    eprintln!(
        "usage: weft TOOL [ARGS...]\n       weft manual TOOL\n       weft completion bash|zsh|fish\n\nThe tools, each also an executable of that name:"
    );
    for tool in TOOLS {
        eprintln!("  {:<10} {} (as {})", tool.names[0], tool.summary, tool.names[1]);
    }
    ExitCode::FAILURE
}
