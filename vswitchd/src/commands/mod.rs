//! What: the switch's appctl commands: one table of names, limits and functions.
//!
//! Why: whoever looks for what `appctl X` does finds one row here and one function beside its kin.
//!
//! How: the socket side checks the number of words and hands the call to the owner; the function answers with
//! text, or with what was wrong. `exit` is answered when all is closed.
//!
//! Invariants: a command never waits for a peer. Its error texts are those that Open vSwitch's users know.

mod bridge;
mod coverage;
mod datapath;
mod device;
mod dummy;
mod polling;
mod spare;
mod switch;
mod time;

use tokio::sync::mpsc;
use weft_jsonrpc::unixctl::{Call, Commands};

pub use spare::Spare;

use crate::event::Event;
use crate::owner::Owner;

/// What a command does.
type Handler = fn(&mut Owner, &[String]) -> Answer;

/// Text to print, or what was wrong.
type Answer = Result<String, String>;

/// One command.
struct Command {
    name: &'static str,
    usage: &'static str,
    min: usize,
    max: usize,
    handler: Handler,
}

const fn command(name: &'static str, usage: &'static str, min: usize, max: usize, handler: Handler) -> Command {
    Command { name, usage, min, max, handler }
}

/// All of them. Those of `netdev-dummy` and `time` exist only with `--enable-dummy`.
fn table() -> impl Iterator<Item = &'static Command> {
    [
        bridge::COMMANDS,
        coverage::COMMANDS,
        datapath::COMMANDS,
        device::COMMANDS,
        dummy::COMMANDS,
        polling::COMMANDS,
        spare::COMMANDS,
        switch::COMMANDS,
        time::COMMANDS,
    ]
    .into_iter()
    .flatten()
}

/// Registers the commands; calls go to the owner as [`Event::Command`].
pub fn register(commands: &mut Commands, owner: &mpsc::Sender<Event>, with_dummies: bool) {
    let only_with_dummies = |name: &str| name.starts_with("netdev-dummy/") || name.starts_with("time/");
    for command in table().filter(|command| with_dummies || !only_with_dummies(command.name)) {
        commands.forward(command.name, command.usage, command.min, command.max, owner.clone(), Event::Command);
    }
    for command in pipelines() {
        commands.forward(command.name, command.usage, command.min, command.max, owner.clone(), Event::Command);
    }
    commands.forward("exit", "[--cleanup]", 0, 1, owner.clone(), Event::Command);
}

/// Runs one call.
pub fn run(owner: &mut Owner, call: Call) {
    if call.command == "exit" {
        owner.cleanup = call.args.first().is_some_and(|arg| arg == "--cleanup");
        return owner.exit(Some(call.reply));
    }
    owner.commands_received += 1;
    match table().find(|command| command.name == call.command) {
        Some(command) => {
            let answer = (command.handler)(owner, &call.args);
            call.reply.send(answer);
        }
        // Only registered names are forwarded, so it is one of the pipeline's.
        None => {
            let args: Vec<&str> = call.args.iter().map(String::as_str).collect();
            let answer = owner.switch.pipeline.command(&call.command, &args, owner.now());
            call.reply.send(answer);
        }
    }
}

/// The commands that the pipeline answers by itself, unless there is one of that name here.
fn pipelines() -> impl Iterator<Item = &'static weft_pipeline::command::Command> {
    weft_pipeline::command::COMMANDS.iter().filter(|theirs| table().all(|ours| ours.name != theirs.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once_and_takes_what_it_says() {
        let mut names: Vec<_> = table().map(|command| command.name).collect();
        names.sort_unstable();
        names.windows(2).for_each(|pair| assert_ne!(pair[0], pair[1]));
        table().for_each(|command| assert!(command.min <= command.max, "{}", command.name));
    }
}
