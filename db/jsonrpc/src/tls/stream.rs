//! What: a TLS connection as a byte stream.
//!
//! How: whoever connects waits for the handshake; whoever accepts does not, so that a slow peer keeps no other peer
//! waiting: there the handshake runs inside the first read or write.
//!
//! Invariants: after a failed handshake every read and write fails. A peer that just closes its socket has ended the
//! stream: OpenFlow and JSON-RPC both see for themselves whether a message was cut.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustls::AlertDescription;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::der::Names;
use super::files::{Loaded, learn_ca};

/// See the module's header.
pub struct TlsStream(State);

enum State {
    Accepting(Handshake),
    Up(Box<tokio_rustls::TlsStream<TcpStream>>),
    Failed,
}

type Handshake = Pin<Box<dyn Future<Output = io::Result<tokio_rustls::TlsStream<TcpStream>>> + Send>>;

impl TlsStream {
    pub(super) async fn connect(socket: TcpStream, host: &str, loaded: Arc<Loaded>) -> io::Result<TlsStream> {
        let name = match ServerName::try_from(host.to_owned()) {
            Ok(name) => name,
            // A name that DNS could not hold is not sent; it would not be compared anyway.
            Err(_) => ServerName::from(IpAddr::from(Ipv4Addr::UNSPECIFIED)),
        };
        let connected = TlsConnector::from(loaded.client.clone()).connect(name, socket).await;
        let up = connected.map_err(|error| failed("SSL_connect", error))?;
        bootstrap(&loaded, up.get_ref().1.peer_certificates())?;
        Ok(TlsStream(State::Up(Box::new(up.into()))))
    }

    pub(super) fn accept(socket: TcpStream, loaded: Arc<Loaded>) -> TlsStream {
        TlsStream(State::Accepting(Box::pin(async move {
            let accepted = TlsAcceptor::from(loaded.server.clone()).accept(socket).await;
            let up = accepted.map_err(|error| failed("SSL_accept", error))?;
            bootstrap(&loaded, up.get_ref().1.peer_certificates())?;
            Ok(up.into())
        })))
    }

    /// The common name in the peer's certificate, once the handshake is done.
    pub fn peer_name(&self) -> Option<String> {
        let State::Up(up) = &self.0 else { return None };
        Names::of(up.get_ref().1.peer_certificates()?.first()?)?.common_name()
    }

    /// The connection, once the handshake is done.
    fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut tokio_rustls::TlsStream<TcpStream>>> {
        if let State::Accepting(handshake) = &mut self.0 {
            self.0 = match ready!(handshake.as_mut().poll(cx)) {
                Ok(up) => State::Up(Box::new(up)),
                Err(error) => {
                    self.0 = State::Failed;
                    return Poll::Ready(Err(error));
                }
            };
        }
        match &mut self.0 {
            State::Up(up) => Poll::Ready(Ok(up)),
            State::Accepting(_) | State::Failed => Poll::Ready(Err(Errno::PROTO.into())),
        }
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let up = ready!(self.poll_up(cx))?;
        match ready!(Pin::new(up).poll_read(cx, buf)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            read => Poll::Ready(read.map_err(|error| failed("SSL_read", error))),
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let up = ready!(self.poll_up(cx))?;
        Pin::new(up).poll_write(cx, buf).map_err(|error| failed("SSL_write", error))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let up = ready!(self.poll_up(cx))?;
        Pin::new(up).poll_flush(cx).map_err(|error| failed("SSL_write", error))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            State::Up(up) => Pin::new(up).poll_shutdown(cx),
            State::Accepting(_) | State::Failed => Poll::Ready(Ok(())),
        }
    }
}

/// Logs what went wrong and gives the error that users of Open vSwitch see.
fn failed(what: &str, error: io::Error) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidMessage(why)) => {
            tracing::warn!(target: "stream_ssl", limit = 60u64, "{what}: the peer does not speak SSL ({why:?})");
        }
        Some(rustls::Error::AlertReceived(alert)) => {
            tracing::warn!(target: "stream_ssl", limit = 60u64, "{what}: {}", alert_words(*alert));
        }
        Some(reason) => tracing::warn!(target: "stream_ssl", limit = 60u64, "{what}: {reason}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            tracing::warn!(target: "stream_ssl", limit = 60u64, "{what}: the peer closed the connection in the middle of a handshake");
        }
        None => {
            tracing::warn!(target: "stream_ssl", limit = 60u64, "{what}: system error ({})", crate::session::bare(&error));
            return error;
        }
    }
    Errno::PROTO.into()
}

/// What the peer did not like, in the words of OpenSSL that people search for.
fn alert_words(alert: AlertDescription) -> String {
    let (age, words) = match alert {
        AlertDescription::HandshakeFailure => ("sslv3", "handshake failure"),
        AlertDescription::NoCertificate => ("sslv3", "no certificate"),
        AlertDescription::BadCertificate => ("sslv3", "bad certificate"),
        AlertDescription::UnsupportedCertificate => ("sslv3", "unsupported certificate"),
        AlertDescription::CertificateRevoked => ("sslv3", "certificate revoked"),
        AlertDescription::CertificateExpired => ("sslv3", "certificate expired"),
        AlertDescription::CertificateUnknown => ("sslv3", "certificate unknown"),
        AlertDescription::UnknownCA => ("tlsv1", "unknown ca"),
        AlertDescription::AccessDenied => ("tlsv1", "access denied"),
        AlertDescription::DecryptError => ("tlsv1", "decrypt error"),
        AlertDescription::ProtocolVersion => ("tlsv1", "protocol version"),
        AlertDescription::InsufficientSecurity => ("tlsv1", "insufficient security"),
        AlertDescription::CertificateRequired => ("tlsv13", "certificate required"),
        other => return format!("the peer sent alert {other:?}"),
    };
    format!("{age} alert {words}")
}

/// Learns the CA if it is to be learned; then this connection has served its purpose.
fn bootstrap(loaded: &Loaded, peer: Option<&[rustls::pki_types::CertificateDer<'_>]>) -> io::Result<()> {
    let Some(file) = &loaded.bootstrap else { return Ok(()) };
    match learn_ca(file, peer.unwrap_or_default()) {
        Ok(()) => {
            let text = "successfully bootstrapped CA cert to";
            tracing::info!(target: "stream_ssl", "{text} {}", file.display());
        }
        Err(reason) => tracing::error!(target: "stream_ssl", "{reason}"),
    }
    Err(Errno::PROTO.into())
}

impl std::fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            State::Accepting(_) => "TlsStream(accepting)",
            State::Up(_) => "TlsStream(up)",
            State::Failed => "TlsStream(failed)",
        })
    }
}
