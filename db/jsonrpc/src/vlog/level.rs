//! What: how bad a message is, where messages go, and what syslog calls their origin.

/// Severity; a destination shows everything up to its own level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As a destination's level: nothing. No message has it.
    Off,
    /// The process is about to die.
    Emer,
    /// A high-level operation failed.
    Err,
    /// Something low failed, higher layers may recover.
    Warn,
    /// Useful in retrospect.
    Info,
    /// For those who know the code.
    Dbg,
}

/// Where messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The system log.
    Syslog = 0,
    /// Standard error.
    Console = 1,
    /// The log file, once one is open.
    File = 2,
}

/// RFC 5424 facility.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(pub(super) u8);

impl Level {
    /// As shown in the log.
    pub fn name(self) -> &'static str {
        match self {
            Level::Off => "OFF",
            Level::Emer => "EMER",
            Level::Err => "ERR",
            Level::Warn => "WARN",
            Level::Info => "INFO",
            Level::Dbg => "DBG",
        }
    }

    /// Case does not matter.
    pub fn parse(word: &str) -> Option<Level> {
        LEVELS.into_iter().find(|level| level.name().eq_ignore_ascii_case(word))
    }

    /// RFC 5424 severity.
    pub(super) fn severity(self) -> u8 {
        match self {
            Level::Off | Level::Emer => 1,
            Level::Err => 3,
            Level::Warn => 4,
            Level::Info => 5,
            Level::Dbg => 7,
        }
    }

    pub(super) fn of(level: &tracing::Level) -> Level {
        match *level {
            tracing::Level::ERROR => Level::Err,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            _ => Level::Dbg,
        }
    }
}

impl Destination {
    /// In the order in which they are listed.
    pub const ALL: [Destination; 3] = [Destination::Syslog, Destination::Console, Destination::File];

    /// As users write it.
    pub fn name(self) -> &'static str {
        match self {
            Destination::Syslog => "syslog",
            Destination::Console => "console",
            Destination::File => "file",
        }
    }

    /// Case does not matter.
    pub fn parse(word: &str) -> Option<Destination> {
        Destination::ALL.into_iter().find(|at| at.name().eq_ignore_ascii_case(word))
    }

    pub(super) fn default_pattern(self) -> &'static str {
        match self {
            Destination::Syslog => "ovs|%05N|%c%T|%p|%m",
            Destination::Console => "%D{%Y-%m-%dT%H:%M:%SZ}|%05N|%c%T|%p|%m",
            Destination::File => "%D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m",
        }
    }
}

impl Facility {
    pub(super) const DAEMON: Facility = Facility(3);
    pub(super) const LOCAL0: Facility = Facility(16);

    /// Case does not matter.
    pub fn parse(word: &str) -> Option<Facility> {
        let number = FACILITIES.iter().position(|name| name.eq_ignore_ascii_case(word))?;
        Some(Facility(number as u8))
    }
}

const LEVELS: [Level; 6] = [Level::Off, Level::Emer, Level::Err, Level::Warn, Level::Info, Level::Dbg];

/// RFC 5424 table 1, in order.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "clock", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock2", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];
