//! What: the service on a socket: unix, TCP or TLS with the process's own identity.

use crate::service::Service;
use crate::v1::switch_server::SwitchServer;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use weft_jsonrpc::address::{Address, Passive};
use weft_jsonrpc::stream::{Listener, Stream};

/// Where to listen: a path, `unix:PATH`, `tcp:HOST:PORT`, `ssl:HOST:PORT`, or the passive methods of OVSDB.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse_listen(text: &str) -> Result<Passive, String> {
    let wrong = |_| format!("\"{text}\": a path, unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT expected");
    if text.starts_with('/') {
        return Ok(Passive::Unix(text.into()));
    }
    if text.starts_with("punix:") || text.starts_with("ptcp:") || text.starts_with("pssl:") {
        return Passive::parse(text, PORT).map_err(wrong);
    }
    let ip = |host: &str| match host {
        "localhost" => Ok(Some([127, 0, 0, 1].into())),
        host => host.parse().map(Some).map_err(|_| format!("\"{text}\": {host} is no IP address")),
    };
    match Address::parse(text, PORT).map_err(wrong)? {
        Address::Unix(path) => Ok(Passive::Unix(path)),
        Address::Tcp { host, port } => Ok(Passive::Tcp { port, ip: ip(&host)? }),
        Address::Ssl { host, port } => Ok(Passive::Ssl { port, ip: ip(&host)? }),
    }
}

/// Serves until the task is dropped. The listener exists already, so that whoever starts us knows that it could be made.
///
/// # Errors
/// When HTTP cannot be served at all.
pub async fn serve(listener: Listener, service: Service) -> Result<(), tonic::transport::Error> {
    let (accepted, incoming) = mpsc::channel::<io::Result<Io>>(WAITING);
    let accept = async move {
        loop {
            match listener.accept().await {
                Ok(stream) => {
                    if accepted.send(Ok(Io(stream))).await.is_err() {
                        return;
                    }
                }
                // One peer's trouble, or a full table of files: not a reason to stop listening.
                Err(error) => {
                    tracing::warn!(target: "grpc", limit = 10, "accept failed: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    let server = Server::builder().serve_with_incoming(SwitchServer::new(service), ReceiverStream::new(incoming));
    tokio::select! {
        served = server => served,
        () = accept => Ok(()),
    }
}

/// A connection as tonic wants it.
struct Io(Stream);

impl Connected for Io {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Connections that may wait to be taken.
const WAITING: usize = 16;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
/// The port of `tcp:HOST`.
const PORT: u16 = 6690;
