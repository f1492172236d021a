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
use std::process::ExitCode;

/// A tool: under which names it is called, and its entry point.
struct Tool {
    names: [&'static str; 2],
    summary: &'static str,
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
    Tool { names: ["vsctl", "ovs-vsctl"], summary: "configure a switch through its database", run: vsctl::run },
    Tool { names: ["ofctl", "ovs-ofctl"], summary: "program and watch an OpenFlow switch", run: ofctl::run },
    Tool { names: ["appctl", "ovs-appctl"], summary: "ask a running daemon", run: appctl::run },
    Tool { names: ["dpctl", "ovs-dpctl"], summary: "look into the datapath", run: dpctl::run },
    Tool { names: ["dbclient", "ovsdb-client"], summary: "talk to an OVSDB server", run: dbclient::run },
    Tool { names: ["dbtool", "ovsdb-tool"], summary: "work on an OVSDB file", run: dbtool::run },
];

/// Finds the tool by the executable's name and runs it.
pub fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let mut program = weft_jsonrpc::daemon::executable_name();
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
    eprintln!("usage: weft TOOL [ARGS...]\n\nThe tools, each also an executable of that name:");
    for tool in TOOLS {
        eprintln!("  {:<10} {} (as {})", tool.names[0], tool.summary, tool.names[1]);
    }
    ExitCode::FAILURE
}
