//! What: TCP sockets whose packets carry a DSCP, from their SYN on; those that a marked socket accepts inherit it.
//!
//! Invariant: a mark that the kernel refuses costs nobody a connection.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use rustix::net::sockopt::{set_ip_tos, set_ipv6_tclass};
use tokio::net::{TcpSocket, TcpStream};

/// The low two bits of the byte are ECN's.
pub(super) fn mark(socket: &impl AsFd, dscp: u8) {
    let byte = (dscp & 0x3f) << 2;
    // An IPv6 socket takes both: it may carry IPv4 too. An IPv4 one refuses the second.
    let _ = set_ip_tos(socket, byte);
    let _ = set_ipv6_tclass(socket, u32::from(byte));
}

/// Connects to the first of the host's addresses that answers.
pub(super) async fn connect(host: &str, port: u16, dscp: Option<u8>) -> io::Result<TcpStream> {
    let mut last = None;
    for address in tokio::net::lookup_host((host, port)).await? {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        dscp.inspect(|dscp| mark(&socket, *dscp));
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Listener;
    use rustix::net::sockopt::ip_tos;

    #[tokio::test]
    async fn both_ends_of_a_marked_connection_carry_the_mark() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        mark(&listener, 48);
        let port = listener.local_addr().unwrap().port();
        let near = connect("127.0.0.1", port, Some(10)).await.unwrap();
        let (far, _) = listener.accept().unwrap();
        assert_eq!((ip_tos(&near).unwrap(), ip_tos(&far).unwrap()), (10 << 2, 48 << 2));
        let plain = connect("127.0.0.1", port, None).await.unwrap();
        assert_eq!(ip_tos(&plain).unwrap(), 0);
    }

    #[tokio::test]
    async fn a_unix_socket_needs_no_mark() {
        let dir = tempfile::tempdir().unwrap();
        let at = crate::address::Passive::Unix(dir.path().join("sock"));
        assert!(Listener::bind_marked(&at, Some(48)).is_ok());
    }
}
