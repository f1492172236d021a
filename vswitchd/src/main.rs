//! The executable: `vswitchd`, `ovs-vswitchd` or `ovsdb-server`, whichever its file is called.

use std::process::ExitCode;

use weft_jsonrpc::daemon;
use weft_vswitchd::options::{self, Parsed, Program};

fn main() -> ExitCode {
    let program = Program::from_name(&daemon::executable_name());
    match options::parse(program, std::env::args().skip(1)) {
        Ok(Parsed::Run(_)) => ExitCode::FAILURE,
        Ok(Parsed::Print(text)) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", program.shown());
            ExitCode::FAILURE
        }
    }
}
