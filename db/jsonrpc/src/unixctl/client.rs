//! What: the asking side of the control channel, blocking: a tool asks one thing and waits.

use crate::framing::{FramingError, Splitter};
use crate::message::Message;
use crate::rundir;
use crate::session::bare;
use crate::stream::connect_unix_blocking;
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// A connected control channel.
#[derive(Debug)]
pub struct Client {
    socket: UnixStream,
    splitter: Splitter,
    next_id: u64,
}

/// What the daemon said: text to print, or what was wrong with the request.
pub type CommandResult = Result<String, String>;

/// Where the control socket of `-t TARGET` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The socket.
    pub socket: PathBuf,
}

/// Why the daemon could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The target's pidfile names no running daemon.
    #[error("cannot read pidfile \"{path}\" ({reason})")]
    Pidfile {
        /// Which file.
        path: String,
        /// What was wrong with it.
        reason: String,
    },
    /// Nobody listens on the socket.
    #[error("cannot connect to \"{path}\" ({reason})")]
    Connect {
        /// Which socket.
        path: String,
        /// The system's words.
        reason: String,
    },
    /// The connection broke while we waited.
    #[error("{0}")]
    Transaction(String),
}

impl Target {
    /// A name that contains `/` first is a socket; else `RUNDIR/NAME.pid` tells the socket's name.
    pub fn find(target: &str) -> Result<Target, ClientError> {
        if target.starts_with('/') {
            return Ok(Target { socket: target.into() });
        }
        let dir = rundir::run_dir();
        let pidfile = dir.join(format!("{target}.pid"));
        let pid = read_pidfile(&pidfile)
            .map_err(|reason| ClientError::Pidfile { path: pidfile.display().to_string(), reason })?;
        Ok(Target { socket: dir.join(format!("{target}.{pid}.ctl")) })
    }
}

impl Client {
    /// Connects.
    pub fn connect(target: &Target) -> Result<Client, ClientError> {
        let socket = connect_unix_blocking(&target.socket).map_err(|error| ClientError::Connect {
            path: target.socket.display().to_string(),
            reason: bare(&error),
        })?;
        Ok(Client { socket, splitter: Splitter::default(), next_id: 0 })
    }

    /// Runs one command and waits for its answer.
    pub fn call(&mut self, command: &str, args: &[String]) -> Result<CommandResult, ClientError> {
        let id = json!(self.next_id);
        self.next_id += 1;
        let params = args.iter().map(|arg| json!(arg)).collect();
        let request = Message::request(command, params, id.clone()).into_json().to_string();
        self.socket.write_all(request.as_bytes()).map_err(broken)?;
        loop {
            match self.recv()? {
                Message::Reply { id: of, result } if of == id => return Ok(Ok(text(result))),
                Message::Error { id: of, error } if of == id => return Ok(Err(text(error))),
                _ => {}
            }
        }
    }

    fn recv(&mut self) -> Result<Message, ClientError> {
        let mut chunk = [0; 16 * 1024];
        loop {
            let value = self
                .splitter
                .next_value()
                .map_err(|error: FramingError| ClientError::Transaction(error.to_string()))?;
            if let Some(value) = value {
                return Message::from_json(value).map_err(|error| ClientError::Transaction(error.to_string()));
            }
            match self.socket.read(&mut chunk).map_err(broken)? {
                0 => return Err(ClientError::Transaction("End of file".to_string())),
                count => self.splitter.push(&chunk[..count]),
            }
        }
    }
}

/// The process id in a pidfile, if that process lives.
pub fn read_pidfile(path: &Path) -> Result<u32, String> {
    let text = std::fs::read_to_string(path).map_err(|error| bare(&error))?;
    let no_process = || bare(&io::Error::from_raw_os_error(rustix::io::Errno::SRCH.raw_os_error()));
    let pid: i32 = text.trim().parse().map_err(|_| no_process())?;
    let process = rustix::process::Pid::from_raw(pid).ok_or_else(no_process)?;
    match rustix::process::test_kill_process(process) {
        Ok(()) | Err(rustix::io::Errno::PERM) => Ok(pid as u32),
        Err(_) => Err(no_process()),
    }
}

fn broken(error: io::Error) -> ClientError {
    ClientError::Transaction(bare(&error))
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
