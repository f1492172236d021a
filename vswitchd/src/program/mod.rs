//! What: the programs that this executable is, from their command line to their last word.
//!
//! How: [`start`] does what all daemons do (log, pidfile, detaching, control socket); [`switch`] and [`database`]
//! do the rest.
//!
//! Invariants: a mistake before the daemon is ready reaches the user's terminal as `PROGRAM: what was wrong`.

mod database;
mod start;
mod switch;

use std::process::ExitCode;

use weft_jsonrpc::daemon;

use crate::options::{self, Parsed, Program};

/// Runs the program that the executable's name says, with these words.
pub fn run(words: impl IntoIterator<Item = String>) -> ExitCode {
    weft_netdev::die_of_crashes();
    let program = Program::from_name(&daemon::executable_name());
    let options = match options::parse(program, words) {
        Ok(Parsed::Run(options)) => *options,
        Ok(Parsed::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{}: {error}", program.shown());
            return ExitCode::FAILURE;
        }
    };
    let ended = start::start(program, &options).and_then(|started| match started {
        start::Started::Exit(status) => Ok(ExitCode::from(status)),
        start::Started::Run(base) => match program {
            Program::Database => database::run(*base, &options),
            Program::Switch | Program::Whole => switch::run(*base, program, &options),
        },
    });
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{}: {error:#}", program.shown());
            ExitCode::FAILURE
        }
    }
}
