//! What: the ways to the system log, `--syslog-method`.
//!
//! Invariants: never blocks, never fails its caller: without a syslog daemon messages are lost, as always.

use super::pattern::{Record, host_name};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

/// The prefix of a message whose method lets us write one; listed by `vlog/list-pattern`.
pub(super) const PREFIX: &str = "<%B> %D{%h %e %T} %E %A:";

/// Why a `--syslog-method` was refused.
#[derive(Debug, thiserror::Error)]
pub enum MethodError {
    /// None of libc, null, unix: and udp:.
    #[error("unsupported syslog method '{0}'")]
    Unknown(String),
    /// The host or port of `udp:` or `--syslog-target`.
    #[error("{0}: expected a numerical IP address and a port")]
    Target(String),
    /// No socket to be had.
    #[error("{0}: {1}")]
    Socket(String, std::io::Error),
}

pub(super) enum Syslog {
    /// The local daemon's datagram socket.
    Unix { socket: UnixDatagram, path: PathBuf },
    /// Over the network.
    Udp { socket: UdpSocket, to: SocketAddr },
}

impl Syslog {
    /// `None` for the method `null`.
    pub fn open(method: &str) -> Result<Option<Syslog>, MethodError> {
        match method.split_once(':') {
            None if method == "null" => Ok(None),
            None if method == "libc" => unix(method, "/dev/log"),
            Some(("unix", path)) => unix(method, path),
            Some(("udp", target)) => udp(target),
            _ => Err(MethodError::Unknown(method.to_string())),
        }
    }

    pub fn send(&self, record: &Record<'_>, line: &str) {
        let pid = std::process::id();
        let date = record.now.strftime("%b %e %H:%M:%S");
        let program = record.program;
        for line in line.lines() {
            // Lost if nobody listens: see the module's header.
            let _ = match self {
                Syslog::Unix { socket, path } => {
                    let text = format!("<{}>{date} {program}[{pid}]: {line}", record.pri());
                    socket.send_to(text.as_bytes(), path)
                }
                Syslog::Udp { socket, to } => {
                    let text = format!("<{}> {date} {} {program}: {line}", record.pri(), host_name());
                    socket.send_to(text.as_bytes(), to)
                }
            };
        }
    }
}

fn unix(method: &str, path: &str) -> Result<Option<Syslog>, MethodError> {
    let socket = UnixDatagram::unbound().and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
    let socket = socket.map_err(|error| MethodError::Socket(method.to_string(), error))?;
    Ok(Some(Syslog::Unix { socket, path: path.into() }))
}

fn udp(target: &str) -> Result<Option<Syslog>, MethodError> {
    let to: SocketAddr = target.parse().map_err(|_| MethodError::Target(target.to_string()))?;
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
    let socket = socket.map_err(|error| MethodError::Socket(target.to_string(), error))?;
    Ok(Some(Syslog::Udp { socket, to }))
}
