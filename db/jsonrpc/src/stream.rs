//! What: connected byte streams and the listeners that make them.
//!
//! Why: above this file nobody cares whether a peer came over a unix socket, TCP or an in-process pipe;
//! OpenFlow uses the same streams.
//!
//! Invariants: a unix socket file that we made is removed when its listener goes, and replaced, not an
//! obstacle, when it was left behind by a crash. A path too long for `sockaddr_un` works all the same.

mod mark;
mod plain;

pub(crate) use plain::WriteEnd;

use crate::address::{Address, Passive};
use crate::tls;
use plain::PlainSocket;
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpListener, UnixListener, UnixStream};

/// A connected byte stream.
pub struct Stream {
    io: Box<dyn Bytes>,
    peer: String,
    /// For who may write beside the stream's reader.
    direct: Option<Arc<WriteEnd>>,
}

/// A listening socket.
pub struct Listener {
    socket: Socket,
    local: Passive,
    /// Device and inode of the socket file that we made.
    file: Option<(u64, u64)>,
}

impl Stream {
    /// Connects; `ssl:` as [`crate::tls::process`] is configured.
    pub async fn connect(address: &Address) -> io::Result<Stream> {
        Stream::connect_marked(address, None).await
    }

    /// [`Stream::connect`]; what goes over TCP carries this DSCP.
    pub async fn connect_marked(address: &Address, dscp: Option<u8>) -> io::Result<Stream> {
        let peer = address.to_string();
        Ok(match address {
            Address::Unix(path) => {
                let (path, _keep) = short_path(path)?;
                Stream::socket(UnixStream::connect(path).await?.into_std()?.into(), peer)?
            }
            Address::Tcp { host, port } => {
                let socket = mark::connect(host, *port, dscp).await?;
                socket.set_nodelay(true)?;
                Stream::socket(socket.into_std()?.into(), peer)?
            }
            Address::Ssl { host, port } => {
                let socket = mark::connect(host, *port, dscp).await?;
                socket.set_nodelay(true)?;
                Stream { io: Box::new(tls::process().connect(socket, host).await?), peer, direct: None }
            }
        })
    }

    fn socket(socket: OwnedFd, peer: String) -> io::Result<Stream> {
        let (io, direct) = PlainSocket::new(socket)?;
        Ok(Stream { io: Box::new(io), peer, direct: Some(direct) })
    }

    /// One end of an in-process pipe.
    pub fn in_process(io: DuplexStream, peer: impl Into<String>) -> Stream {
        Stream { io: Box::new(io), peer: peer.into(), direct: None }
    }

    /// Two connected in-process ends.
    pub fn pair() -> (Stream, Stream) {
        let (a, b) = tokio::io::duplex(64 * 1024);
        (Stream::in_process(a, "in-process"), Stream::in_process(b, "in-process"))
    }

    /// Who is at the other end, as users write it.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Who the peer has proved to be: the common name in its certificate. Known once something has been read.
    pub fn identity(&self) -> Option<String> {
        self.io.identity()
    }

    /// A way to write past the stream; none if it is no plain socket.
    pub(crate) fn direct(&self) -> Option<Arc<WriteEnd>> {
        self.direct.clone()
    }
}

impl Listener {
    /// Listens. Must run inside a tokio runtime.
    pub fn bind(passive: &Passive) -> io::Result<Listener> {
        Listener::bind_marked(passive, None)
    }

    /// [`Listener::bind`]; what goes to those who come over TCP carries this DSCP.
    pub fn bind_marked(passive: &Passive, dscp: Option<u8>) -> io::Result<Listener> {
        let mut local = passive.clone();
        let socket = match &mut local {
            Passive::Unix(path) => Socket::Unix(bind_unix(path)?),
            Passive::Tcp { port, ip } | Passive::Ssl { port, ip } => {
                let socket = bind_tcp(*ip, *port)?;
                dscp.inspect(|dscp| mark::mark(&socket, *dscp));
                if *port == 0 {
                    *port = socket.local_addr()?.port();
                    tracing::info!(target: "socket_util", "{}: listening on port {port}", passive.target());
                }
                if matches!(passive, Passive::Ssl { .. }) { Socket::Ssl(socket) } else { Socket::Tcp(socket) }
            }
        };
        let file = match &local {
            Passive::Unix(path) => identity_of(path),
            Passive::Tcp { .. } | Passive::Ssl { .. } => None,
        };
        Ok(Listener { socket, local, file })
    }

    /// Waits for the next peer. Cancel safe.
    pub async fn accept(&self) -> io::Result<Stream> {
        match &self.socket {
            Socket::Unix(socket) => {
                let (io, _) = socket.accept().await?;
                Stream::socket(io.into_std()?.into(), "unix".to_string())
            }
            Socket::Tcp(socket) => {
                let (io, peer) = socket.accept().await?;
                io.set_nodelay(true)?;
                Stream::socket(io.into_std()?.into(), format!("tcp:{}", shown(peer)))
            }
            Socket::Ssl(socket) => {
                let (io, peer) = socket.accept().await?;
                io.set_nodelay(true)?;
                // The handshake happens with the first byte, in whoever reads: a slow peer keeps nobody else waiting.
                let io = Box::new(tls::process().accept(io)?);
                Ok(Stream { io, peer: format!("ssl:{}", shown(peer)), direct: None })
            }
        }
    }

    /// Where it listens, with the port that the kernel chose.
    pub fn local(&self) -> &Passive {
        &self.local
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Passive::Unix(path) = &self.local
            && identity_of(path) == self.file
        {
            // Nothing left to do about a file that somebody else removed first.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({})", self.peer)
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Listener({})", self.local)
    }
}

/// Which file that is, so that the one of a successor is left alone.
fn identity_of(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::symlink_metadata(path).ok()?;
    Some((meta.dev(), meta.ino()))
}

/// Connects without tokio, for tools that do one thing and wait for it.
pub fn connect_unix_blocking(path: &Path) -> io::Result<std::os::unix::net::UnixStream> {
    let (path, _keep) = short_path(path)?;
    std::os::unix::net::UnixStream::connect(path)
}

trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {
    fn identity(&self) -> Option<String> {
        None
    }
}
impl Bytes for PlainSocket {}
impl Bytes for DuplexStream {}
impl Bytes for tls::TlsStream {
    fn identity(&self) -> Option<String> {
        self.peer_name()
    }
}

enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
    Ssl(TcpListener),
}

/// A peer's address as users write it.
fn shown(peer: SocketAddr) -> String {
    match peer.ip().to_canonical() {
        IpAddr::V6(ip) => format!("[{ip}]:{}", peer.port()),
        IpAddr::V4(ip) => format!("{ip}:{}", peer.port()),
    }
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        rustix::net::SocketFlags::CLOEXEC | rustix::net::SocketFlags::NONBLOCK,
        None,
    )?;
    // Before bind, so that the file never exists with wider permissions; the umask narrows this further.
    rustix::fs::fchmod(&socket, Mode::from_raw_mode(0o770))?;
    let (short, _keep) = short_path(path)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(&short)?)?;
    rustix::net::listen(&socket, 64)?;
    UnixListener::from_std(std::os::unix::net::UnixListener::from(socket))
}

/// `ip` absent means every address: one dual-stack socket where the kernel has IPv6, else IPv4.
fn bind_tcp(ip: Option<IpAddr>, port: u16) -> io::Result<TcpListener> {
    let std = match ip {
        Some(ip) => std::net::TcpListener::bind(SocketAddr::new(ip, port))?,
        None => match std::net::TcpListener::bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)) {
            Ok(socket) => socket,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(_) => std::net::TcpListener::bind(SocketAddr::new([0, 0, 0, 0].into(), port))?,
        },
    };
    std.set_nonblocking(true)?;
    TcpListener::from_std(std)
}

/// `sockaddr_un` holds 107 bytes of path; a longer one is reached through its directory's descriptor,
/// which must stay open until the path has been used.
fn short_path(path: &Path) -> io::Result<(PathBuf, Option<OwnedFd>)> {
    if path.as_os_str().len() <= MAX_UNIX_PATH {
        return Ok((path.to_path_buf(), None));
    }
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(dir, flags, Mode::empty())?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name);
    Ok((short, Some(dir)))
}

const MAX_UNIX_PATH: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn talk(listener: &Listener, address: &Address) {
        let (client, server) = tokio::join!(Stream::connect(address), listener.accept());
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        client.write_all(b"ping").await.unwrap();
        let mut got = [0; 4];
        server.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"ping");
    }

    #[tokio::test]
    async fn unix_sockets_work_with_long_paths_and_clean_up() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(100)).join("e".repeat(60));
        std::fs::create_dir_all(&deep).unwrap();
        for dir in [dir.path(), &deep] {
            let path = dir.join("sock");
            std::fs::write(&path, "left behind").unwrap();
            let listener = Listener::bind(&Passive::Unix(path.clone())).unwrap();
            talk(&listener, &Address::Unix(path.clone())).await;
            drop(listener);
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn a_listener_that_goes_leaves_the_socket_of_its_successor() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sock");
        let first = Listener::bind(&Passive::Unix(path.clone())).unwrap();
        let second = Listener::bind(&Passive::Unix(path.clone())).unwrap();
        drop(first);
        talk(&second, &Address::Unix(path.clone())).await;
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn tcp_tells_the_port_that_the_kernel_chose() {
        let listener = Listener::bind(&"ptcp:0:127.0.0.1".parse().unwrap()).unwrap();
        let Passive::Tcp { port, .. } = *listener.local() else { panic!() };
        assert_ne!(port, 0);
        talk(&listener, &Address::Tcp { host: "127.0.0.1".into(), port }).await;
    }
}
