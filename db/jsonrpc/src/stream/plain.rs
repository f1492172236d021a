//! What: a unix or TCP socket that is watched for reading alone.
//!
//! Why: a socket that is watched for writing too wakes its owner whenever the peer has read something, so a server that
//! tells a hundred clients of a change is woken a hundred times for nothing. Nearly always a socket takes what it is
//! given; only one that is full is watched for writing, as a second descriptor, until it has taken all.

use rustix::fd::OwnedFd;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// See the header of this file.
pub(super) struct PlainSocket {
    end: Arc<WriteEnd>,
}

/// The way to write to a socket. Several may have it; that messages stay whole is their business.
#[derive(Debug)]
pub(crate) struct WriteEnd {
    socket: AsyncFd<OwnedFd>,
    /// While the socket is full.
    full: Mutex<Option<AsyncFd<OwnedFd>>>,
}

impl PlainSocket {
    /// Takes a connected socket that does not block.
    pub(super) fn new(socket: OwnedFd) -> io::Result<(PlainSocket, Arc<WriteEnd>)> {
        let socket = watched(socket, Interest::READABLE)?;
        let end = Arc::new(WriteEnd { socket, full: Mutex::default() });
        Ok((PlainSocket { end: end.clone() }, end))
    }
}

impl WriteEnd {
    /// Writes what the kernel takes at once.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self.socket.get_ref(), bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?)
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                written => return Poll::Ready(written),
            }
            let mut full = self.full.lock().expect("nobody panics while holding this lock");
            if full.is_none() {
                let second = rustix::io::fcntl_dupfd_cloexec(self.socket.get_ref(), 0)?;
                *full = Some(watched(second, Interest::WRITABLE)?);
            }
            if let Some(watched) = full.as_ref() {
                ready!(watched.poll_write_ready(cx))?.clear_ready();
            }
        }
    }

    fn is_taken(&self) {
        self.full.lock().expect("nobody panics while holding this lock").take();
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe for the sake of types whose descriptor may change; this one owns it"
)]
fn watched(socket: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(socket, interest)
}

impl AsyncRead for PlainSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.end.socket.poll_read_ready(cx))?;
            let room = buf.initialize_unfilled();
            let wanted = room.len();
            match rustix::net::recv(guard.get_inner(), room, RecvFlags::DONTWAIT) {
                Ok((_, count)) => {
                    // Less than there was room for is all that there was: the next bytes will be told of.
                    if count > 0 && count < wanted {
                        guard.clear_ready();
                    }
                    buf.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(rustix::io::Errno::AGAIN) => guard.clear_ready(),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

impl AsyncWrite for PlainSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.end.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end.is_taken();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(rustix::net::shutdown(self.end.socket.get_ref(), Shutdown::Write)?))
    }
}
