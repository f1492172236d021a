//! One OpenFlow connection: finding the switch, agreeing on a version, asking and answering.

use std::future::poll_fn;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use weft_jsonrpc::address::{Address, OPENFLOW_PORT};
use weft_jsonrpc::session::bare;
use weft_jsonrpc::stream::Stream;
use weft_openflow::codec::{self, Framer};
use weft_openflow::message::FlowFormat;
use weft_openflow::{Dialect, Message, Version, Xid};

use super::format::Format;
use super::{Options, show};
use crate::failure::{Failure, fail};

/// A connection on which a version is agreed.
pub struct Peer {
    stream: Stream,
    framer: Framer,
    /// What was read last.
    chunk: Vec<u8>,
    /// How we speak.
    pub dialect: Dialect,
    /// The target as the user names it.
    pub name: String,
}

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// What happened first.
enum Progress {
    Said(usize),
    Heard(usize),
}

/// Transaction ids are never used twice by one run, as scripts that compare them expect.
static NEXT_XID: AtomicU32 = AtomicU32::new(1);

fn next_xid() -> Xid {
    Xid(NEXT_XID.fetch_add(1, Ordering::Relaxed))
}

/// Where a word points to: a bridge's socket, a socket's path, or a connection method.
fn locate(options: &Options, target: &str, suffix: &str) -> Result<(Address, String), Failure> {
    let is_socket = |path: &Path| std::fs::metadata(path).is_ok_and(|m| m.file_type().is_socket());
    if let Some((method, _)) = target.split_once(':')
        && !target.contains('/') | matches!(method, "unix" | "tcp" | "ssl")
    {
        return match Address::parse(target, OPENFLOW_PORT) {
            Ok(address) => Ok((address, target.to_string())),
            Err(_) => fail(format!("connecting to {target} (Address family not supported by protocol)")),
        };
    }
    for path in [options.socket(target, suffix), target.into()] {
        if is_socket(&path) {
            let name = format!("unix:{}", path.display());
            return Ok((Address::Unix(path), name));
        }
    }
    fail(format!("{target} is not a bridge or a socket"))
}

impl Peer {
    /// Connects to a switch's management socket, speaking one of `versions`.
    pub async fn open(options: &Options, target: &str, versions: u32) -> Result<Peer, Failure> {
        Peer::open_socket(options, target, "mgmt", versions).await
    }

    /// Connects to a bridge's snooping socket: a copy of what its controllers hear and say.
    pub async fn open_snoop(options: &Options, target: &str) -> Result<Peer, Failure> {
        let all = Version::ALL.iter().fold(0, |bits, v| bits | v.bit());
        Peer::open_socket(options, target, "snoop", all).await
    }

    /// Connects to the socket at a path.
    pub async fn at(socket: &Path, versions: u32) -> Result<Peer, Failure> {
        let name = format!("unix:{}", socket.display());
        Peer::connect(Address::Unix(socket.to_owned()), name, versions).await
    }

    async fn open_socket(options: &Options, target: &str, suffix: &str, versions: u32) -> Result<Peer, Failure> {
        let (address, name) = locate(options, target, suffix)?;
        Peer::connect(address, name, versions).await
    }

    async fn connect(address: Address, name: String, versions: u32) -> Result<Peer, Failure> {
        let stream = match Stream::connect(&address).await {
            Ok(stream) => stream,
            // The socket was there; what came after it failed.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::PROTO.raw_os_error()) => {
                return fail(format!("{name}: failed to connect to socket ({})", bare(&error)));
            }
            Err(error) => return fail(format!("connecting to {name} ({})", bare(&error))),
        };
        let newest = Version::ALL.into_iter().rev().find(|v| versions & v.bit() != 0).unwrap_or(Version::V10);
        let mut peer = Peer { stream, framer: Framer::new(), chunk: Vec::new(), dialect: Dialect::new(newest), name };
        match peer.greet(versions).await {
            Ok(()) => Ok(peer),
            Err(error) => fail(format!("{}: failed to connect to socket ({})", peer.name, bare(&error))),
        }
    }

    async fn greet(&mut self, versions: u32) -> io::Result<()> {
        self.send_raw(&Message::Hello { versions }, next_xid()).await?;
        let reset = || io::Error::from(rustix::io::Errno::CONNRESET);
        let hello = self.receive().await?.ok_or_else(reset)?;
        let protocol_error = || io::Error::from(rustix::io::Errno::PROTO);
        let Ok(codec::Incoming { message: Message::Hello { versions: theirs }, .. }) =
            codec::decode(&hello, &self.dialect)
        else {
            return Err(protocol_error());
        };
        match codec::negotiate(versions, theirs) {
            Some(version) => {
                self.dialect = Dialect::new(version);
                Ok(())
            }
            None => {
                tracing::warn!(
                    target: "vconn",
                    "{}: version negotiation failed (we support {}, peer supports {})",
                    self.name,
                    describe(versions),
                    describe(theirs)
                );
                Err(protocol_error())
            }
        }
    }

    /// The agreed version.
    pub fn version(&self) -> Version {
        self.dialect.version
    }

    /// Makes flows take a form (1.0 only needs words for it).
    pub async fn use_format(&mut self, format: Format) -> Result<(), Failure> {
        if self.version() == Version::V10 && self.dialect.nxm != format.nxm {
            let wanted = if format.nxm { FlowFormat::Nxm } else { FlowFormat::OpenFlow10 };
            self.do_and_wait(&Message::SetFlowFormat(wanted)).await?;
        }
        if self.version() == Version::V10 && self.dialect.flow_mod_table_id != format.table_id {
            self.do_and_wait(&Message::FlowModTableId(format.table_id)).await?;
        }
        self.dialect = Dialect { packet_in: self.dialect.packet_in, ..format.dialect() };
        Ok(())
    }

    async fn send_raw(&mut self, message: &Message, xid: Xid) -> io::Result<()> {
        let bytes = codec::encode(message, xid, &self.dialect).map_err(io::Error::other)?;
        self.stream.write_all(&bytes).await
    }

    /// Sends a message; gives its transaction id.
    pub async fn send(&mut self, message: &Message) -> Result<Xid, Failure> {
        let xid = next_xid();
        let bytes = self.encode(message, xid)?;
        self.send_bytes(&bytes).await?;
        Ok(xid)
    }

    /// A message's bytes.
    pub fn encode(&self, message: &Message, xid: Xid) -> Result<Vec<u8>, Failure> {
        codec::encode(message, xid, &self.dialect).map_err(|error| error.to_string().into())
    }

    /// Sends bytes as they are.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self.stream.write_all(bytes).await {
            Ok(()) => Ok(()),
            Err(error) => fail(format!("talking to {} ({})", self.name, bare(&error))),
        }
    }

    /// Sends bytes that may be many; what the switch says meanwhile is kept for later. If nobody listened, a switch that
    /// has much to say would at some time listen no more either.
    pub async fn send_and_listen(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        let mut heard = [0; 16 * 1024];
        while !bytes.is_empty() {
            let (stream, chunk) = (&mut self.stream, &mut heard);
            let progress = poll_fn(|cx| {
                if let Poll::Ready(written) = Pin::new(&mut *stream).poll_write(cx, bytes) {
                    return Poll::Ready(written.map(Progress::Said));
                }
                let mut buffer = ReadBuf::new(chunk);
                let read = Pin::new(&mut *stream).poll_read(cx, &mut buffer);
                read.map_ok(|()| Progress::Heard(buffer.filled().len()))
            });
            match progress.await {
                Ok(Progress::Said(0) | Progress::Heard(0)) => {
                    return fail(format!("{}: connection closed by peer", self.name));
                }
                Ok(Progress::Said(n)) => bytes = &bytes[n..],
                Ok(Progress::Heard(n)) => self.framer.push(&heard[..n]),
                Err(error) => return fail(format!("talking to {} ({})", self.name, bare(&error))),
            }
        }
        Ok(())
    }

    /// The next message's bytes; `None` at the end of the stream.
    async fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            match self.framer.next_message() {
                Ok(Some(message)) => return Ok(Some(message.to_vec())),
                Ok(None) => {}
                Err(_) => return Err(rustix::io::Errno::PROTO.into()),
            }
            // features of all tables are more than a megabyte
            self.chunk.resize(CHUNK, 0);
            let n = self.stream.read(&mut self.chunk).await?;
            if n == 0 {
                return Ok(None);
            }
            self.framer.push(&self.chunk[..n]);
        }
    }

    /// The next message, whatever it is; `None` at the end. Cancel safe.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        match self.receive().await {
            Ok(message) => Ok(message),
            Err(error) => fail(format!("{}: receive failed ({})", self.name, bare(&error))),
        }
    }

    /// A transaction id for a message that is encoded by hand.
    pub fn fresh_xid(&self) -> Xid {
        next_xid()
    }

    /// As many transaction ids, one after another; the first.
    pub fn reserve_xids(&self, count: u32) -> Xid {
        Xid(NEXT_XID.fetch_add(count, Ordering::Relaxed))
    }

    /// The next message, echo requests answered; the stream's end is a failure.
    pub async fn next_reply(&mut self) -> Result<Vec<u8>, Failure> {
        self.next_or_fail().await
    }

    /// The next message that is no echo request (those are answered) and not of the stream's end.
    async fn next_or_fail(&mut self) -> Result<Vec<u8>, Failure> {
        loop {
            let Some(bytes) = self.next().await? else {
                return fail(format!("{}: connection closed by peer", self.name));
            };
            match codec::decode(&bytes, &self.dialect) {
                Ok(codec::Incoming { message: Message::EchoRequest(data), xid, .. }) => {
                    let reply = self.encode(&Message::EchoReply(data), xid)?;
                    self.send_bytes(&reply).await?;
                }
                _ => return Ok(bytes),
            }
        }
    }

    /// Sends a request and waits for the message with its transaction id.
    pub async fn ask(&mut self, request: &Message) -> Result<Vec<u8>, Failure> {
        let xid = self.send(request).await?;
        self.answer_to(xid).await
    }

    /// The next message with this transaction id; others are not ours and pass by.
    pub async fn answer_to(&mut self, xid: Xid) -> Result<Vec<u8>, Failure> {
        loop {
            let bytes = self.next_or_fail().await?;
            if xid_of(&bytes) == Some(xid) {
                return Ok(bytes);
            }
            tracing::debug!(target: "vconn", "{}: received reply with xid other than {:#x}", self.name, xid.0);
        }
    }

    /// As [`Peer::ask`], and understands the answer; one that makes no sense, or an error, ends the command.
    pub async fn ask_for(&mut self, request: &Message) -> Result<Message, Failure> {
        let bytes = self.ask(request).await?;
        match codec::decode(&bytes, &self.dialect) {
            Ok(incoming) => Ok(incoming.message),
            Err(error) => {
                fail(format!("received bad reply: ***decode error: {}***\n{}", error.code, show::hex(&bytes)))
            }
        }
    }

    /// Sends a message that is only answered when it fails, and waits until it was done. The answer is the error.
    pub async fn do_or_error(&mut self, message: &Message) -> Result<Option<Vec<u8>>, Failure> {
        let xid = self.send(message).await?;
        self.outcome(xid).await
    }

    /// [`Peer::do_and_wait`], printing the bytes first: with five `-m` as a dump, with more as one number that
    /// `ofctl/send` takes.
    ///
    /// # Errors
    /// The switch's, and the connection's.
    pub async fn show_and_do(&mut self, message: &Message, verbosity: u32) -> Result<(), Failure> {
        let xid = next_xid();
        let bytes = self.encode(message, xid)?;
        match verbosity {
            0..5 => {}
            5 => print!("{}", show::hex(&bytes)),
            _ => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                println!("0x{}", digits.trim_start_matches('0'));
            }
        }
        self.send_bytes(&bytes).await?;
        match self.outcome(xid).await? {
            None => Ok(()),
            Some(error) => Err(show::refused(&error)),
        }
    }

    /// What came of a message: a barrier's reply says that there is no error.
    async fn outcome(&mut self, xid: Xid) -> Result<Option<Vec<u8>>, Failure> {
        let barrier = self.send(&Message::BarrierRequest).await?;
        let mut error = None;
        loop {
            let bytes = self.next_or_fail().await?;
            match xid_of(&bytes) {
                Some(got) if got == barrier => return Ok(error),
                Some(got) if got == xid => error = Some(bytes),
                _ => {}
            }
        }
    }

    /// As [`Peer::do_or_error`]; an error is printed and ends the command.
    pub async fn do_and_wait(&mut self, message: &Message) -> Result<(), Failure> {
        match self.do_or_error(message).await? {
            None => Ok(()),
            Some(error) => Err(show::refused(&error)),
        }
    }
}

/// The transaction id of a message's bytes.
pub fn xid_of(bytes: &[u8]) -> Option<Xid> {
    let field = bytes.get(4..8)?;
    Some(Xid(u32::from_be_bytes(field.try_into().ok()?)))
}

/// `version 0x01`, `versions 0x01, 0x04`.
fn describe(bits: u32) -> String {
    let numbers: Vec<String> =
        Version::ALL.iter().filter(|v| bits & v.bit() != 0).map(|v| format!("{:#04x}", *v as u8)).collect();
    match numbers.len() {
        1 => format!("version {}", numbers[0]),
        _ => format!("versions {}", numbers.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_switch_that_must_be_heard_before_it_listens_is_heard() {
        let (ours, mut theirs) = Stream::pair();
        let dialect = Dialect::new(Version::V14);
        let mut peer = Peer { stream: ours, framer: Framer::new(), chunk: Vec::new(), dialect, name: "test".into() };
        let answer = codec::encode(&Message::EchoReply(vec![7; 60_000]), Xid(5), &dialect).unwrap();
        let question = vec![1; 1 << 20];
        // more than the pipe holds either way
        let switch = async {
            for _ in 0..10 {
                theirs.write_all(&answer).await.unwrap();
            }
            let mut heard = vec![0; question.len()];
            theirs.read_exact(&mut heard).await.unwrap();
            heard
        };
        let (sent, heard) = tokio::join!(peer.send_and_listen(&question), switch);
        assert!(sent.is_ok() && heard == question);
        for _ in 0..10 {
            assert_eq!(peer.next().await.unwrap().unwrap(), answer);
        }
        drop(theirs);
        assert!(peer.send_and_listen(&question).await.is_err());
    }
}
