//! `monitor` and `snoop`: print what comes, in the background too, and obey appctl meanwhile.
//!
//! ```text
//!   switch ──messages──> loop ──text──> standard error, or the file of ofctl/set-output-file
//!   appctl ──ofctl/*───>      ──bytes─> switch
//! ```
//! Invariant: `--detach` returns when everything was asked for, so that nothing is missed.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use tokio::sync::mpsc;
use weft_jsonrpc::unixctl::{Call, Commands, Reply, Server};
use weft_jsonrpc::vlog;
use weft_openflow::message::StatsRequest;
use weft_openflow::packet::PacketInFormat;
use weft_openflow::switch::SwitchConfig;
use weft_openflow::text::Names;
use weft_openflow::{Message, Version, Xid, codec};

use super::peer::{Peer, xid_of};
use super::{Job, names, packet, show, watch};
use crate::failure::{Exit, Failure, fail};

/// `monitor`.
pub async fn monitor(job: &mut Job) -> Result<Exit, Failure> {
    let options = &job.options;
    let target = job.words[0].clone();
    let until_v12 = Version::V10.bit() | Version::V11.bit() | Version::V12.bit();
    if job.words.iter().any(|word| word == "invalid_ttl") && options.versions & until_v12 == 0 {
        let list = super::format::version_list(until_v12);
        return fail(format!("invalid_ttl requires one of the OpenFlow versions {list} but none is enabled (use -O)"));
    }
    let mut peer = Peer::open(options, &target, options.versions).await?;
    let mut watcher = Watcher::new(job).await?;
    let mut set_config = false;
    let mut config = SwitchConfig::default();
    for word in &job.words[1..] {
        if word.starts_with(|c: char| c.is_ascii_digit()) || word == "invalid_ttl" || word == "resume" {
            if !set_config {
                config = match peer.ask_for(&Message::GetConfigRequest).await? {
                    Message::GetConfigReply(config) => config,
                    _ => return fail(format!("{target}: bad reply to config request")),
                };
                set_config = true;
            }
            match word.as_str() {
                "invalid_ttl" => config.invalid_ttl_to_controller = Some(true),
                // a service hears of packets only once it has said how much of them it wants
                "resume" => {
                    watcher.resume = true;
                    config.miss_send_len = u16::MAX;
                }
                word => config.miss_send_len = word.parse().unwrap_or(u16::MAX),
            }
            peer.do_and_wait(&Message::SetConfig(config)).await?;
        } else if let Some(spec) = word.strip_prefix("watch:") {
            let accepted = match options.accept_names() {
                true => names::fetch(options, &target).await?,
                false => Names::none(),
            };
            let request = watch::parse(spec, 0, &accepted)?;
            let request = StatsRequest::FlowMonitor(vec![request]);
            let reply = peer.ask(&Message::StatsRequest(request)).await?;
            watcher.print(&reply)?;
        } else {
            return fail(format!("{word}: unsupported \"monitor\" argument"));
        }
    }
    set_packet_in_format(&mut peer, job.options.packet_in).await?;
    watcher.run(job, peer, true).await
}

/// The richest packet-in that the switch sends, or the one that the user wants.
async fn set_packet_in_format(peer: &mut Peer, wanted: Option<PacketInFormat>) -> Result<(), Failure> {
    if peer.version() > Version::V10 && wanted.is_none() && peer.version() >= Version::V13 {
        // Later versions' own message says enough for most, yet Nicira's says more: ask for it all the same.
        let _ = peer.do_or_error(&Message::SetPacketInFormat(PacketInFormat::Nxt2)).await?;
        return Ok(());
    }
    match wanted {
        Some(format) => {
            let error = peer.do_or_error(&Message::SetPacketInFormat(format)).await?;
            if error.is_some() && format != PacketInFormat::Standard {
                return fail(format!("{}: failed to set packet in format to nx_packet_in", peer.name));
            }
        }
        None => {
            let _ = peer.do_or_error(&Message::SetPacketInFormat(PacketInFormat::Nxt2)).await?;
        }
    }
    Ok(())
}

/// `snoop`.
pub async fn snoop(job: &mut Job) -> Result<Exit, Failure> {
    let peer = Peer::open_snoop(&job.options, &job.words[0]).await?;
    let watcher = Watcher::new(job).await?;
    watcher.run(job, peer, false).await
}

struct Watcher {
    names: Names,
    verbosity: u32,
    timestamp: bool,
    /// Standard error as it was before the process went to the background.
    out: File,
    resume: bool,
}

impl Watcher {
    async fn new(job: &Job) -> Result<Watcher, Failure> {
        let stderr = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3);
        let out = stderr.map_err(|error| format!("cannot keep standard error ({error})"))?;
        // Without a terminal there are no names to ask for.
        let names = match job.options.show_names() {
            true => names::fetch(&job.options, &job.words[0]).await?,
            false => Names::none(),
        };
        Ok(Watcher {
            names,
            verbosity: job.options.verbosity,
            timestamp: job.options.timestamp,
            out: File::from(out),
            resume: false,
        })
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        match self.out.write_all(text.as_bytes()) {
            Ok(()) => Ok(()),
            Err(error) => fail(format!("writing output failed ({error})")),
        }
    }

    fn print(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let mut text = String::new();
        if self.timestamp {
            text = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S%.3f: ").to_string();
        }
        text.push_str(&show::message(bytes, &self.names, self.verbosity));
        self.write(&text)
    }

    /// Until `exit`, or the connection's end.
    async fn run(mut self, job: &mut Job, mut peer: Peer, sends: bool) -> Result<Exit, Failure> {
        let mut calls = serve(job)?;
        job.daemon.ready().map_err(|error| error.to_string())?;
        let mut blocked = false;
        let mut barriers: Vec<(Xid, Reply)> = Vec::new();
        loop {
            tokio::select! {
                biased;
                call = calls.recv() => {
                    let Some(call) = call else { return Ok(Exit::OK) };
                    match call.command.as_str() {
                        "exit" => {
                            call.reply.ok("");
                            // The answer goes out before the process does.
                            tokio::time::sleep(GRACE).await;
                            return Ok(Exit::OK);
                        }
                        "ofctl/block" => { blocked = true; call.reply.ok(""); }
                        "ofctl/unblock" => { blocked = false; call.reply.ok(""); }
                        "ofctl/set-output-file" => {
                            let result = self.set_output_file(&call.args[0]);
                            call.reply.send(result);
                        }
                        "ofctl/barrier" => match peer.send(&Message::BarrierRequest).await {
                            Ok(xid) => barriers.push((xid, call.reply)),
                            Err(error) => call.reply.error(error.to_string()),
                        },
                        "ofctl/send" => {
                            let result = self.send(&mut peer, &call.args).await?;
                            call.reply.send(result);
                        }
                        _ => {
                            let result = self.packet_out(&mut peer, &call.args[0]).await;
                            call.reply.send(result);
                        }
                    }
                }
                message = peer.next(), if !blocked => {
                    let Some(bytes) = message? else { return fail("vconn_recv: End of file") };
                    if sends {
                        answer_echo(&mut peer, &bytes).await?;
                    }
                    self.print(&bytes)?;
                    if let Some(at) = barriers.iter().position(|(xid, _)| Some(*xid) == xid_of(&bytes)) {
                        barriers.remove(at).1.ok("");
                    }
                    if self.resume {
                        self.resume(&mut peer, &bytes).await?;
                    }
                }
            }
        }
    }

    /// Lets a paused packet go on, and says so.
    async fn resume(&mut self, peer: &mut Peer, bytes: &[u8]) -> Result<(), Failure> {
        let Ok(codec::Incoming { message: Message::PacketIn(packet), xid, .. }) = codec::decode(bytes, &peer.dialect)
        else {
            return Ok(());
        };
        if packet.continuation.is_empty() {
            return Ok(());
        }
        let answer = peer.encode(&Message::Resume(packet), xid)?;
        self.write(&format!("send: {}", show::message(&answer, &self.names, self.verbosity)))?;
        peer.send_bytes(&answer).await
    }

    fn set_output_file(&mut self, path: &str) -> Result<String, String> {
        let file = File::options().create(true).truncate(true).write(true).open(path);
        self.out = file.map_err(|error| weft_jsonrpc::session::bare(&error))?;
        Ok(String::new())
    }

    /// Bytes as they are, each word a message.
    async fn send(&mut self, peer: &mut Peer, words: &[String]) -> Result<Result<String, String>, Failure> {
        let mut report = String::new();
        let mut ok = true;
        for word in words {
            let bytes = match show::unhex(word) {
                Ok(bytes) if bytes.len() >= 8 => bytes,
                Ok(_) => {
                    report.push_str("Message too short for OpenFlow\n");
                    ok = false;
                    continue;
                }
                Err(error) => {
                    report.push_str(&format!("{error}\n"));
                    ok = false;
                    continue;
                }
            };
            let mut bytes = bytes;
            let len = (bytes.len() as u16).to_be_bytes();
            bytes[2..4].copy_from_slice(&len);
            let text = format!("send: {}", show::message(&bytes, &self.names, self.verbosity));
            self.write(&text)?;
            match peer.send_bytes(&bytes).await {
                Ok(()) => report.push_str("sent\n"),
                Err(error) => {
                    report.push_str(&format!("{error}\n"));
                    ok = false;
                }
            }
        }
        Ok(if ok { Ok(report) } else { Err(report) })
    }

    async fn packet_out(&mut self, peer: &mut Peer, text: &str) -> Result<String, String> {
        let packet = packet::parse(text, &self.names)?;
        peer.send(&Message::PacketOut(packet)).await.map_err(|error| error.to_string())?;
        Ok(String::new())
    }
}

async fn answer_echo(peer: &mut Peer, bytes: &[u8]) -> Result<(), Failure> {
    if let Ok(codec::Incoming { message: Message::EchoRequest(data), xid, .. }) = codec::decode(bytes, &peer.dialect) {
        let reply = peer.encode(&Message::EchoReply(data), xid)?;
        peer.send_bytes(&reply).await?;
    }
    Ok(())
}

/// Listens for appctl; everything is done by the loop.
fn serve(job: &Job) -> Result<mpsc::Receiver<Call>, Failure> {
    let (to, calls) = mpsc::channel(64);
    let mut commands = Commands::new(crate::version::line(&job.options.program));
    vlog::register(&mut commands, &job.options.log);
    let table = [
        ("exit", "", 0, 0),
        ("ofctl/send", "OFMSG...", 1, usize::MAX),
        ("ofctl/packet-out", "\"in_port=<port> packet=<hex data> actions=...\"", 1, 1),
        ("ofctl/barrier", "", 0, 0),
        ("ofctl/set-output-file", "FILE", 1, 1),
        ("ofctl/block", "", 0, 0),
        ("ofctl/unblock", "", 0, 0),
    ];
    for (name, usage, min, max) in table {
        commands.forward(name, usage, min, max, to.clone(), |call| call);
    }
    let server = Server::bind(&job.options.program, job.options.unixctl.as_deref());
    if let Some(server) = server.map_err(|error| format!("failed to create unixctl server ({error})"))? {
        tokio::spawn(server.run(Arc::new(commands)));
        // The listener's task holds the commands, and with them the channel's other end, for ever.
    } else {
        // No socket: keep the channel open, or the loop would end at once.
        std::mem::forget(to);
    }
    Ok(calls)
}

/// Long enough for an answer to leave.
const GRACE: std::time::Duration = std::time::Duration::from_millis(20);
