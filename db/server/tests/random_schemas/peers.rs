//! The two servers, each with two clients: Open vSwitch's as a process, ours as a value on a file.

use serde_json::{Value, json};
use std::io::{BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use weft_base::SystemClock;
use weft_jsonrpc::message::Message;
use weft_server::server::{Output, Server, SessionId, open_file};

const SERVER: &str = "/usr/sbin/ovsdb-server";
const TOOL: &str = "/usr/bin/ovsdb-tool";
const CTL: &str = "/usr/bin/ovs-appctl";

/// What came for each of the two clients, in order.
pub type Heard = [Vec<Value>; 2];

/// Whether the real one is installed; it must be where peers are required.
pub fn installed() -> bool {
    let there = [SERVER, TOOL, CTL].iter().all(|program| Path::new(program).exists());
    if !there {
        assert!(std::env::var_os("WEFT_E2E_REQUIRED").is_none(), "{SERVER} is not installed");
        eprintln!("SKIPPED: no {SERVER} to compare with");
    }
    there
}

/// Runs their tool on files; the error is what it complained of.
pub fn tool(args: &[&str]) -> Result<String, String> {
    let output = Command::new(TOOL).args(args).stdin(Stdio::null()).output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

struct Client {
    stream: UnixStream,
    messages: serde_json::StreamDeserializer<'static, serde_json::de::IoRead<BufReader<UnixStream>>, Value>,
}

/// Open vSwitch's.
pub struct Theirs {
    process: Child,
    dir: PathBuf,
    clients: Vec<Client>,
}

/// It is gone: it died of what it was asked, which 3.1 can.
#[derive(Debug)]
pub struct Died;

impl Theirs {
    /// Serves the file `db` in `dir`.
    pub fn start(dir: &Path, db: &Path) -> Theirs {
        let path = |name: &str| dir.join(name).display().to_string();
        let _ = std::fs::remove_file(dir.join("sock"));
        let process = Command::new(SERVER)
            .arg(db)
            .arg(format!("--remote=punix:{}", path("sock")))
            .arg(format!("--unixctl={}", path("ctl")))
            .args(["-vconsole:emer", "-vsyslog:off", "--no-chdir"])
            .current_dir(dir)
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(dir.join("last words")).unwrap())
            .spawn()
            .unwrap();
        let mut theirs = Theirs { process, dir: dir.to_owned(), clients: Vec::new() };
        for _ in 0..2 {
            let stream = loop {
                match UnixStream::connect(dir.join("sock")) {
                    Ok(stream) => break stream,
                    Err(_) => {
                        assert!(theirs.process.try_wait().unwrap().is_none(), "their server does not take {db:?}")
                    }
                }
                std::thread::yield_now();
            };
            let reader = BufReader::new(stream.try_clone().unwrap());
            let messages = serde_json::Deserializer::from_reader(reader).into_iter();
            theirs.clients.push(Client { stream, messages });
        }
        theirs
    }

    /// Sends a request and gives all that both clients hear of it; `expected` is how much that should be.
    pub fn request(&mut self, client: usize, request: &Value, expected: &Heard) -> Result<Heard, Died> {
        let mut heard = Heard::default();
        // A client that is to be hung up on is not asked again.
        self.clients[client].stream.write_all(request.to_string().as_bytes()).map_err(|_| Died)?;
        for round in 0..200 {
            // Who asked first: the others hear only then what comes of it.
            for who in [client, 1 - client] {
                self.clients[who].catch_up(&mut heard[who])?;
            }
            if heard.iter().zip(expected).all(|(heard, expected)| heard.len() >= expected.len()) {
                break;
            }
            // A transaction that waited for this one is executed a moment later.
            if round > 20 {
                std::thread::yield_now();
            }
        }
        Ok(heard)
    }

    /// How it died, and its last words.
    pub fn obituary(mut self) -> String {
        let said = std::fs::read_to_string(self.dir.join("last words")).unwrap_or_default();
        format!("{:?} {said}", self.process.wait())
    }

    /// Compacts the file.
    pub fn compact(&self) {
        let ctl = self.dir.join("ctl");
        let done = Command::new(CTL).arg("-t").arg(ctl).arg("ovsdb-server/compact").output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Ends it; the file is whole.
    pub fn stop(mut self) {
        let exit = Command::new(CTL).arg("-t").arg(self.dir.join("ctl")).arg("exit").output().unwrap();
        assert!(exit.status.success(), "{}", String::from_utf8_lossy(&exit.stderr));
        let _ = self.process.wait();
    }
}

impl Client {
    /// Reads what is there, up to the answer to an echo.
    fn catch_up(&mut self, heard: &mut Vec<Value>) -> Result<(), Died> {
        self.stream.write_all(b"{\"id\":\"mark\",\"method\":\"echo\",\"params\":[]}").map_err(|_| Died)?;
        loop {
            let message = self.messages.next().ok_or(Died)?.map_err(|_| Died)?;
            if message["id"] == "mark" {
                return Ok(());
            }
            heard.push(message);
        }
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Ours.
pub struct Ours {
    server: Server,
    clients: [SessionId; 2],
}

impl Ours {
    /// Serves the file.
    pub fn start(db: &Path) -> weft_ovsdb::Result<Ours> {
        let mut server = Server::new(Arc::new(SystemClock::new()));
        server.add_database(open_file(db)?)?;
        let clients = [server.open_session(), server.open_session()];
        while server.poll().is_some() {}
        Ok(Ours { server, clients })
    }

    /// Hands in a request and gives all that both clients hear of it.
    pub fn request(&mut self, client: usize, request: &Value) -> Heard {
        self.server.on_message(self.clients[client], Message::from_json(request.clone()).unwrap());
        self.server.flush();
        let mut heard = Heard::default();
        while let Some(output) = self.server.poll() {
            let (session, message) = match output {
                Output::Send(session, text) => {
                    let mut bytes = Vec::new();
                    text.write_to(&mut bytes);
                    (session, serde_json::from_slice(&bytes).unwrap())
                }
                Output::Close(session, reason) => (session, json!({"closed": reason})),
                Output::Disk(work) => {
                    let result = (work.job)();
                    self.server.disk_done(&work.ticket, result);
                    continue;
                }
                Output::Compacted(db, result) => {
                    result.unwrap_or_else(|error| panic!("{db}: {error}"));
                    continue;
                }
                Output::Forward { .. } => panic!("nothing is relayed"),
            };
            heard[usize::from(session != self.clients[0])].push(message);
        }
        heard
    }

    /// Compacts the file.
    pub fn compact(&mut self) {
        self.server.compact(Some("P")).unwrap();
    }
}
