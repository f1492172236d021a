//! What: the socket side of the control channel.
//!
//! Invariants: one slow or broken client delays only itself.

use super::{Call, Commands, Reply};
use crate::address::Passive;
use crate::connection::Connection;
use crate::message::Message;
use crate::rundir;
use crate::stream::{Listener, Stream};
use serde_json::{Value, json};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// A listening control socket; removed when dropped.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
}

/// `RUNDIR/PROGRAM.PID.ctl` of this process.
pub fn default_path(program: &str) -> PathBuf {
    rundir::run_dir().join(format!("{program}.{}.ctl", std::process::id()))
}

impl Server {
    /// Listens on `--unixctl`'s path, by default on [`default_path`]. The word `none` means not at all.
    pub fn bind(program: &str, path: Option<&str>) -> io::Result<Option<Server>> {
        let path = match path {
            Some("none") => return Ok(None),
            Some(path) => rundir::resolve(&rundir::run_dir(), path),
            None => default_path(program),
        };
        Ok(Some(Server { listener: Listener::bind(&Passive::Unix(path))? }))
    }

    /// Serves for ever. Drop the future to stop.
    pub async fn run(self, commands: Arc<Commands>) {
        loop {
            match self.listener.accept().await {
                Ok(stream) => {
                    tokio::spawn(serve(stream, commands.clone()));
                }
                Err(error) => {
                    tracing::warn!(target: "unixctl", "{:?}: accept failed: {error}", self.listener);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn serve(stream: Stream, commands: Arc<Commands>) {
    let mut connection = Connection::new(stream);
    while let Ok(message) = connection.recv().await {
        let Message::Request { method, params, id } = message else { continue };
        let result = answer(&commands, method, params).await;
        let reply = match result {
            Ok(text) => Message::Reply { id, result: json!(lined(text)) },
            Err(text) => Message::Error { id, error: json!(lined(text)) },
        };
        if connection.send(reply).await.is_err() {
            return;
        }
    }
}

async fn answer(commands: &Commands, command: String, params: Vec<Value>) -> Result<String, String> {
    let mut args = Vec::with_capacity(params.len());
    for (index, param) in params.into_iter().enumerate() {
        match param {
            Value::String(text) => args.push(text),
            _ => return Err(format!("\"{command}\" command: argument {} is not a string", index + 1)),
        }
    }
    tracing::debug!(target: "unixctl", "received request {command}{args:?}, id=0");
    let (reply, answer) = Reply::channel();
    commands.dispatch(Call { command: command.clone(), args, reply });
    let result = answer.await.unwrap_or_else(|_| Err(format!("\"{command}\" was abandoned by the daemon")));
    match &result {
        Ok(text) => tracing::debug!(target: "unixctl", "replying with success, id=0: \"{text}\""),
        Err(text) => tracing::debug!(target: "unixctl", "replying with error, id=0: \"{text}\""),
    }
    result
}

/// Text for people ends with a newline, unless there is none at all.
fn lined(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Out of descriptors, most likely: others must close theirs first.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
