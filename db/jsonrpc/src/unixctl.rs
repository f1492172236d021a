//! What: appctl's control channel. JSON-RPC over `RUNDIR/PROGRAM.PID.ctl`: the method is the command, the
//! parameters are its words, the result is text for a person to read.
//!
//! Why: commands need the daemon's state, which one loop owns; so a handler is given the words and a
//! [`Reply`] that it may answer at any later time, from anywhere.
//!
//! ```text
//!   ovs-appctl ──socket──> server task ──Call{args, reply}──> handler ──bounded channel──> owner loop
//!        <──────────────────── text <───────────────────────────── reply.ok(text) ────────────┘
//! ```
//!
//! Invariants: the requests of one connection are answered in order; a handler that drops its [`Reply`]
//! still gives the client an answer; number of arguments is checked before a handler runs.

mod client;
mod server;

pub use client::{Client, ClientError, CommandResult, Target};
pub use server::{Server, default_path};

use std::collections::BTreeMap;
use tokio::sync::{mpsc, oneshot};

/// One request: what was asked, and the way back.
#[derive(Debug)]
pub struct Call {
    /// The command's name.
    pub command: String,
    /// Its words.
    pub args: Vec<String>,
    /// Where the answer goes.
    pub reply: Reply,
}

/// The way back to the client; using it up answers the request.
#[derive(Debug)]
pub struct Reply(oneshot::Sender<Result<String, String>>);

impl Reply {
    /// The text to print. A missing final newline is the client's business.
    pub fn ok(self, text: impl Into<String>) {
        self.send(Ok(text.into()));
    }

    /// What was wrong.
    pub fn error(self, text: impl Into<String>) {
        self.send(Err(text.into()));
    }

    /// Either.
    pub fn send(self, result: Result<String, String>) {
        // The client may have gone; then nobody wants the answer.
        let _ = self.0.send(result);
    }

    /// A reply for tests, and for calls that do not come from a socket.
    pub fn channel() -> (Reply, oneshot::Receiver<Result<String, String>>) {
        let (tx, rx) = oneshot::channel();
        (Reply(tx), rx)
    }
}

/// What a daemon can be asked. `list-commands` and `version` are always among it.
pub struct Commands {
    table: BTreeMap<String, Command>,
}

impl Commands {
    /// `version` is the line that the `version` command prints, such as `ovs-vswitchd (Open vSwitch) 3.1.0`.
    pub fn new(version: impl Into<String>) -> Commands {
        let version = version.into();
        let mut commands = Commands { table: BTreeMap::new() };
        commands.immediate("version", "", 0, 0, move |_| Ok(version.clone()));
        // Answered by `dispatch`, which has the whole table; listed so that it lists itself.
        commands.immediate("list-commands", "", 0, 0, |_| Ok(String::new()));
        commands
    }

    /// Any handler. `usage` names the arguments; between `min` and `max` of them are accepted.
    pub fn register(
        &mut self,
        name: &str,
        usage: &str,
        min: usize,
        max: usize,
        handler: impl Fn(Call) + Send + Sync + 'static,
    ) {
        let command = Command { usage: usage.to_string(), min, max, handler: Box::new(handler) };
        self.table.insert(name.to_string(), command);
    }

    /// A handler that can answer at once.
    pub fn immediate(
        &mut self,
        name: &str,
        usage: &str,
        min: usize,
        max: usize,
        handler: impl Fn(&[String]) -> Result<String, String> + Send + Sync + 'static,
    ) {
        self.register(name, usage, min, max, move |call| call.reply.send(handler(&call.args)));
    }

    /// Hands the call to whoever reads the channel; a full channel is an answer, not a wait.
    pub fn forward<T: Send + 'static>(
        &mut self,
        name: &str,
        usage: &str,
        min: usize,
        max: usize,
        to: mpsc::Sender<T>,
        wrap: impl Fn(Call) -> T + Send + Sync + 'static,
    ) {
        self.register(name, usage, min, max, move |call| {
            match to.try_reserve() {
                Ok(permit) => permit.send(wrap(call)),
                Err(mpsc::error::TrySendError::Full(())) => call.reply.error("daemon is busy, try again"),
                Err(mpsc::error::TrySendError::Closed(())) => call.reply.error("daemon is exiting"),
            };
        });
    }

    /// Every command with its usage, in order.
    pub fn list(&self) -> impl Iterator<Item = (&str, &str)> {
        self.table.iter().map(|(name, command)| (name.as_str(), command.usage.as_str()))
    }

    /// Checks the words and runs the handler.
    pub fn dispatch(&self, call: Call) {
        let Some(command) = self.table.get(&call.command) else {
            let name = call.command;
            return call.reply.error(format!(
                "\"{name}\" is not a valid command (use \"list-commands\" to see a list of valid commands)"
            ));
        };
        let count = call.args.len();
        if count < command.min {
            let (name, min) = (&call.command, command.min);
            return call.reply.error(format!("\"{name}\" command requires at least {min} arguments"));
        }
        if count > command.max {
            let (name, max) = (&call.command, command.max);
            return call.reply.error(format!("\"{name}\" command takes at most {max} arguments"));
        }
        if call.command == "list-commands" {
            return call.reply.ok(self.listing());
        }
        (command.handler)(call);
    }

    fn listing(&self) -> String {
        let lines = self.list().map(|(name, usage)| format!("  {name:<23} {usage}\n"));
        std::iter::once("The available commands are:\n".to_string()).chain(lines).collect()
    }
}

impl std::fmt::Debug for Commands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.table.keys()).finish()
    }
}

struct Command {
    usage: String,
    min: usize,
    max: usize,
    handler: Box<dyn Fn(Call) + Send + Sync>,
}

#[cfg(test)]
mod tests;
