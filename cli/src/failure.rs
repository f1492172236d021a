//! What: how a tool ends.

use crate::getopt::Misuse;
use std::fmt;

/// A regular end with this status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    /// All went well.
    pub const OK: Exit = Exit(0);
}

/// An end with a message for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong, without the program's name.
    pub message: String,
    /// The exit status.
    pub status: u8,
    /// The command line was wrong: the message begins with the name that the tool was called by.
    pub as_called: bool,
}

impl Failure {
    /// With a status of its own.
    pub fn with_status(message: impl Into<String>, status: u8) -> Failure {
        Failure { message: message.into(), status, as_called: false }
    }
}

/// A failure from anything that says what is wrong.
pub fn fail<T>(message: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::with_status(message, 1))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Failure {
        Failure::with_status(message, 1)
    }
}

impl From<Misuse> for Failure {
    fn from(misuse: Misuse) -> Failure {
        Failure { as_called: true, ..Failure::with_status(misuse.0, 1) }
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Failure {
        Failure::with_status(message, 1)
    }
}

impl From<weft_ovsdb::Error> for Failure {
    fn from(error: weft_ovsdb::Error) -> Failure {
        Failure::with_status(error.to_string(), 1)
    }
}
