//! What: connection methods as users write them (`unix:FILE`, `tcp:IP:PORT`, `ptcp:PORT:IP`, ...).
//!
//! Why: the same words are used on command lines, in the database and in OpenFlow's configuration; they
//! differ only in the default port, so that is an argument.
//!
//! Invariants: parsing never touches the network; a relative `unix:` path lies in the run directory.

use crate::rundir;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;

/// The port that IANA gave OVSDB.
pub const OVSDB_PORT: u16 = 6640;
/// The port that IANA gave OpenFlow.
pub const OPENFLOW_PORT: u16 = 6653;

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// `unix:FILE`
    Unix(PathBuf),
    /// `tcp:HOST[:PORT]`
    Tcp {
        /// A numeric address (IPv6 without its brackets) or a name to look up.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// `ssl:HOST[:PORT]`, see [`crate::tls`].
    Ssl {
        /// A numeric address or a name.
        host: String,
        /// TCP port.
        port: u16,
    },
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Passive {
    /// `punix:FILE`
    Unix(PathBuf),
    /// `ptcp:[PORT][:IP]`
    Tcp {
        /// 0 lets the kernel choose.
        port: u16,
        /// `None`: every address of the machine.
        ip: Option<IpAddr>,
    },
    /// `pssl:[PORT][:IP]`, see [`crate::tls`].
    Ssl {
        /// 0 lets the kernel choose.
        port: u16,
        /// `None`: every address of the machine.
        ip: Option<IpAddr>,
    },
}

/// Either direction, as `--remote` and the Manager table accept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Remote {
    /// We connect.
    Active(Address),
    /// They connect.
    Passive(Passive),
}

/// Why a connection method was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No known method before the first colon.
    #[error("{0}: unknown connection method")]
    Method(String),
    /// The host part is missing or its brackets do not match.
    #[error("{0}: bad peer name format")]
    Host(String),
    /// The port is not a number in range, or missing where there is no default.
    #[error("{text}: bad port \"{port}\"")]
    Port {
        /// The whole address.
        text: String,
        /// The part that should have been a port.
        port: String,
    },
    /// A listening address must be numeric.
    #[error("{text}: bad IP address \"{ip}\"")]
    Ip {
        /// The whole address.
        text: String,
        /// The part that should have been an address.
        ip: String,
    },
}

impl Address {
    /// Parses an active method; `default_port` serves `tcp:HOST` without a port.
    pub fn parse(text: &str, default_port: u16) -> Result<Address, AddressError> {
        match text.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => Ok(Address::Unix(rundir::resolve(&rundir::run_dir(), path))),
            Some(("tcp", rest)) => {
                let (host, port) = host_port(text, rest, default_port)?;
                Ok(Address::Tcp { host, port })
            }
            Some(("ssl", rest)) => {
                let (host, port) = host_port(text, rest, default_port)?;
                Ok(Address::Ssl { host, port })
            }
            _ => Err(AddressError::Method(text.to_string())),
        }
    }
}

impl Passive {
    /// Parses a passive method; `default_port` serves `ptcp:`.
    pub fn parse(text: &str, default_port: u16) -> Result<Passive, AddressError> {
        match text.split_once(':') {
            Some(("punix", path)) if !path.is_empty() => Ok(Passive::Unix(rundir::resolve(&rundir::run_dir(), path))),
            Some(("ptcp", rest)) => {
                let (port, ip) = port_ip(text, rest, default_port)?;
                Ok(Passive::Tcp { port, ip })
            }
            Some(("pssl", rest)) => {
                let (port, ip) = port_ip(text, rest, default_port)?;
                Ok(Passive::Ssl { port, ip })
            }
            _ => Err(AddressError::Method(text.to_string())),
        }
    }

    /// `PORT:ADDRESS`, the name under which a listening port is logged.
    pub fn target(&self) -> String {
        let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        match self {
            Passive::Unix(path) => path.display().to_string(),
            Passive::Tcp { port, ip } | Passive::Ssl { port, ip } => match ip {
                Some(ip) => format!("{port}:{}", bracketed(ip)),
                None => format!("{port}:{unspecified}"),
            },
        }
    }
}

impl Remote {
    /// Parses either direction.
    pub fn parse(text: &str, default_port: u16) -> Result<Remote, AddressError> {
        if matches!(text.split(':').next(), Some("punix" | "ptcp" | "pssl")) {
            Passive::parse(text, default_port).map(Remote::Passive)
        } else {
            Address::parse(text, default_port).map(Remote::Active)
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;
    /// With OVSDB's default port.
    fn from_str(text: &str) -> Result<Address, AddressError> {
        Address::parse(text, OVSDB_PORT)
    }
}

impl FromStr for Passive {
    type Err = AddressError;
    /// With OVSDB's default port.
    fn from_str(text: &str) -> Result<Passive, AddressError> {
        Passive::parse(text, OVSDB_PORT)
    }
}

impl FromStr for Remote {
    type Err = AddressError;
    /// With OVSDB's default port.
    fn from_str(text: &str) -> Result<Remote, AddressError> {
        Remote::parse(text, OVSDB_PORT)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host_text = |host: &str| if host.contains(':') { format!("[{host}]") } else { host.to_string() };
        match self {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Tcp { host, port } => write!(f, "tcp:{}:{port}", host_text(host)),
            Address::Ssl { host, port } => write!(f, "ssl:{}:{port}", host_text(host)),
        }
    }
}

impl fmt::Display for Passive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, port, ip) = match self {
            Passive::Unix(path) => return write!(f, "punix:{}", path.display()),
            Passive::Tcp { port, ip } => ("ptcp", port, ip),
            Passive::Ssl { port, ip } => ("pssl", port, ip),
        };
        match ip {
            Some(ip) => write!(f, "{method}:{port}:{}", bracketed(ip)),
            None => write!(f, "{method}:{port}"),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remote::Active(address) => address.fmt(f),
            Remote::Passive(passive) => passive.fmt(f),
        }
    }
}

fn bracketed(ip: &IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// `HOST[:PORT]`, the host in brackets if it contains colons.
fn host_port(text: &str, rest: &str, default_port: u16) -> Result<(String, u16), AddressError> {
    let bad_host = || AddressError::Host(text.to_string());
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or_else(bad_host)?;
            let port = if after.is_empty() { "" } else { after.strip_prefix(':').ok_or_else(bad_host)? };
            (host, port)
        }
        None => match rest.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err(bad_host()),
            Some((host, port)) => (host, port),
            None => (rest, ""),
        },
    };
    if host.is_empty() {
        return Err(bad_host());
    }
    Ok((host.to_string(), port_number(text, port, default_port, 1)?))
}

/// `[PORT][:IP]`.
fn port_ip(text: &str, rest: &str, default_port: u16) -> Result<(u16, Option<IpAddr>), AddressError> {
    let (port, ip) = rest.split_once(':').unwrap_or((rest, ""));
    let port = port_number(text, port, default_port, 0)?;
    if ip.is_empty() {
        return Ok((port, None));
    }
    let bare = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip);
    match bare.parse() {
        Ok(parsed) => Ok((port, Some(parsed))),
        Err(_) => Err(AddressError::Ip { text: text.to_string(), ip: ip.to_string() }),
    }
}

fn port_number(text: &str, port: &str, default_port: u16, min: u16) -> Result<u16, AddressError> {
    if port.is_empty() {
        return Ok(default_port);
    }
    match port.parse::<u16>() {
        Ok(number) if number >= min => Ok(number),
        _ => Err(AddressError::Port { text: text.to_string(), port: port.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_parse_and_print_back() {
        for text in ["unix:/a/b", "tcp:127.0.0.1:6640", "tcp:[::1]:1234", "ssl:example.org:99"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in ["punix:/a/b", "ptcp:6640", "ptcp:0:127.0.0.1", "pssl:1:[::1]"] {
            assert_eq!(text.parse::<Passive>().unwrap().to_string(), text);
        }
        assert_eq!("tcp:10.0.0.1".parse::<Address>().unwrap().to_string(), "tcp:10.0.0.1:6640");
        assert_eq!(Address::parse("tcp:10.0.0.1", OPENFLOW_PORT).unwrap().to_string(), "tcp:10.0.0.1:6653");
        assert_eq!("ptcp:".parse::<Passive>().unwrap().to_string(), "ptcp:6640");
        assert!(matches!("ptcp:1".parse(), Ok(Remote::Passive(_))));
        assert!(matches!("tcp:h:1".parse(), Ok(Remote::Active(_))));
    }

    #[test]
    fn nonsense_is_named() {
        for text in ["", "tcp", "tcp:", "tcp::1", "tcp:h:0", "tcp:h:70000", "tcp:[::1", "tcp:a:b:c", "unix:", "foo:bar"]
        {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        for text in ["", "ptcp:x", "ptcp:1:host", "punix:", "tcp:1.2.3.4"] {
            assert!(text.parse::<Passive>().is_err(), "{text}");
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused() {
        bolero::check!().with_type::<String>().for_each(|text| {
            if let Ok(remote) = text.parse::<Remote>() {
                let again = remote.to_string().parse::<Remote>();
                assert!(again.is_ok() || remote.to_string().contains("unix:"), "{remote}");
            }
        });
    }
}
