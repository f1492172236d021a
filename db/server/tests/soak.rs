//! A server among bad company: clients that never read, that vanish in the middle of a message, that send garbage, oversized
//! and deeply nested JSON, that open and drop connections; while others commit and watch. Nothing acknowledged is lost, what
//! a monitor builds is what is there, and the server's memory is flat. `WEFT_SOAK_SECONDS=600` runs long and prints figures.
//!
//! The server is `examples/serve`, which `cargo test` builds.

#[allow(dead_code, reason = "of this only the generator is used")]
mod random;
mod running;

use random::Random;
use running::Running;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use weft_base::{Clock, SystemClock, Time};
use weft_ovsdb::DatabaseSchema;
use weft_server::database::Database;
use weft_server::server::open_file;
use weft_server::storage::FileStorage;

const COMMITTERS: u64 = 3;
/// Rows that each of them keeps.
const ROWS: usize = 100;
/// What may wait for a client; less than in the product, so that it happens often.
const BACKLOG: usize = 4 << 20;
/// A pause of those who disturb, so that they disturb and do not just compete.
const PAUSE: Duration = Duration::from_millis(5);

/// What all clients share.
struct Stage<'a> {
    socket: &'a Path,
    clock: SystemClock,
    over: AtomicBool,
    disturbed: AtomicU64,
    cut_off: AtomicU64,
    latencies: Mutex<Vec<Duration>>,
    kept: Mutex<BTreeSet<i64>>,
    compared: AtomicU64,
}

/// A client that behaves.
struct Client {
    stream: UnixStream,
    messages: serde_json::StreamDeserializer<'static, serde_json::de::IoRead<BufReader<UnixStream>>, Value>,
    next: u64,
}

impl Client {
    fn new(socket: &Path) -> Client {
        let stream = UnixStream::connect(socket).unwrap();
        let messages = serde_json::Deserializer::from_reader(BufReader::new(stream.try_clone().unwrap())).into_iter();
        Client { stream, messages, next: 0 }
    }

    /// The result; notifications that come before it go to `other`.
    fn ask(&mut self, method: &str, params: Value, mut other: impl FnMut(Value)) -> Value {
        self.next += 1;
        let request = json!({"id": self.next, "method": method, "params": params});
        self.stream.write_all(request.to_string().as_bytes()).unwrap();
        loop {
            let message = self.messages.next().expect("the server hung up on a client that behaves").unwrap();
            if message["id"] == self.next {
                assert!(message["error"].is_null(), "{message}");
                return message["result"].clone();
            }
            other(message);
        }
    }

    fn transact(&mut self, operations: Value) -> Value {
        let mut params = vec![json!("S")];
        params.extend(operations.as_array().unwrap().iter().cloned());
        let result = self.ask("transact", params.into(), |message| panic!("{message}"));
        assert!(!result.to_string().contains("\"error\""), "{result}");
        result
    }
}

impl Stage<'_> {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// Inserts and deletes; what it was told is done is done.
    fn commit(&self, who: u64) {
        let mut client = Client::new(self.socket);
        let mut mine: Vec<i64> = Vec::new();
        let mut latencies = Vec::new();
        let mut n = (who as i64) << 40;
        while self.goes_on() {
            n += 1;
            let begin = self.clock.now();
            let mut operations = vec![
                json!({"op": "insert", "table": "T", "row": {"n": n, "s": "x".repeat(200), "m": ["map", [["k", "v"]]]}}),
            ];
            if mine.len() == ROWS {
                operations.push(json!({"op": "delete", "table": "T", "where": [["n", "==", mine.remove(0)]]}));
            }
            operations.push(json!({"op": "commit", "durable": n % 16 == 0}));
            let result = client.transact(operations.into());
            assert!(result[1]["count"].is_null() || result[1]["count"] == 1, "an acknowledged row was lost: {result}");
            latencies.push(self.clock.now() - begin);
            mine.push(n);
        }
        self.kept.lock().unwrap().extend(mine);
        self.latencies.lock().unwrap().extend(latencies);
    }

    /// Keeps a copy by what a monitor is told, and compares it with what is there.
    fn watch(&self) {
        let mut client = Client::new(self.socket);
        let mut copy: BTreeMap<String, Value> = BTreeMap::new();
        let apply = |copy: &mut BTreeMap<String, Value>, updates: &Value| {
            for (uuid, change) in updates["T"].as_object().into_iter().flatten() {
                match change.get("initial").or(change.get("insert")) {
                    Some(row) => drop(copy.insert(uuid.clone(), row["n"].clone())),
                    None => assert!(copy.remove(uuid).is_some(), "{uuid} was not there"),
                }
            }
        };
        let first = client.ask("monitor_cond", json!(["S", "w", {"T": [{"columns": ["n"]}]}]), |m| panic!("{m}"));
        apply(&mut copy, &first);
        while self.goes_on() {
            let select = json!(["S", {"op": "select", "table": "T", "where": [], "columns": ["_uuid", "n"]}]);
            let result = client.ask("transact", select, |update| apply(&mut copy, &update["params"][1]));
            let rows = result[0]["rows"].as_array().unwrap();
            let there: BTreeMap<String, Value> =
                rows.iter().map(|row| (row["_uuid"][1].as_str().unwrap().to_owned(), row["n"].clone())).collect();
            assert_eq!(copy, there, "what the monitor was told is not what is there");
            self.compared.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(PAUSE);
        }
    }

    /// Asks for a lot and never reads, until it is cut off.
    fn stall(&self) {
        while self.goes_on() {
            let Ok(mut stream) = UnixStream::connect(self.socket) else { continue };
            stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
            let monitor = json!({"id": 0, "method": "monitor", "params": ["S", "m", {"T": [{}]}]});
            let select =
                json!({"id": 1, "method": "transact", "params": ["S", {"op": "select", "table": "T", "where": []}]});
            let select = select.to_string();
            let mut said = stream.write_all(monitor.to_string().as_bytes());
            while self.goes_on() {
                match said {
                    Ok(()) => said = stream.write_all(select.as_bytes()),
                    // The server does not take any more, which is its good right; it must hang up in the end.
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => said = Ok(()),
                    Err(_) => {
                        self.cut_off.fetch_add(1, Ordering::Relaxed);
                        break;
                    }
                }
                std::thread::sleep(PAUSE);
            }
            self.disturbed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One of everything that clients should not do.
    fn misbehave(&self, seed: u64) {
        let mut random = Random::new(seed);
        while self.goes_on() {
            let Ok(mut stream) = UnixStream::connect(self.socket) else { continue };
            stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            let insert = json!({"op": "insert", "table": "T", "row": {"n": -1, "s": "y".repeat(100)}});
            let abort = json!({"op": "abort"});
            let request = json!({"id": 1, "method": "transact", "params": ["S", insert, abort]}).to_string();
            let bytes: Vec<u8> = match random.below(9) {
                0 => Vec::new(),
                1 => request.as_bytes()[..random.below(request.len() as u64) as usize].to_vec(),
                2 => (0..random.below(4000)).map(|_| random.below(256) as u8).collect(),
                3 => vec![b'['; 1_000_000],
                4 => format!("{{\"id\":1,\"method\":\"echo\",\"params\":{}", "[{\"a\":".repeat(50_000)).into_bytes(),
                5 => format!("{{\"id\":1,\"method\":\"{}", "z".repeat(2_000_000)).into_bytes(),
                6 => json!({"id": 1, "method": "echo", "params": ["e".repeat(500_000)]}).to_string().into_bytes(),
                7 => b"{\"id\":1,\"method\":\"echo\",\"params\":[\"\xff\xfe\"]}".to_vec(),
                _ => request.repeat(20).into_bytes(),
            };
            let _ = stream.write_all(&bytes);
            if random.chance(50) {
                let mut some = [0; 4096];
                let _ = stream.read(&mut some);
            }
            drop(stream);
            self.disturbed.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(PAUSE);
        }
    }

    /// Samples the memory of the server until the time is up.
    fn observe(&self, pid: u32, until: Time) -> Vec<u64> {
        let mut samples = Vec::new();
        while self.clock.now() < until && self.goes_on() {
            samples.push(resident(pid));
            std::thread::sleep(Duration::from_millis(100));
        }
        samples
    }
}

/// Kilobytes.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the server is there");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a process has memory");
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Ends the others when one has panicked, too.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn nothing_is_lost_and_memory_is_flat_among_bad_company() {
    let long = std::env::var("WEFT_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let seconds: u64 = long.unwrap_or(10);
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let schema = DatabaseSchema::from_json(&json!({"name": "S", "tables": {"T": {"isRoot": true, "columns": {
        "n": {"type": "integer"},
        "s": {"type": "string"},
        "m": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}
    }, "indexes": [["n"]]}}}))
    .unwrap();
    drop(FileStorage::create(&path("db"), &Database::initial_log(&schema)).unwrap());
    let backlog = format!("--backlog={BACKLOG}");
    let Some(server) = Running::start_with(&[&path("db")], &path("sock"), &[&backlog]) else { return };
    let socket = path("sock");
    let stage = Stage {
        socket: &socket,
        clock: SystemClock::new(),
        over: AtomicBool::new(false),
        disturbed: AtomicU64::new(0),
        cut_off: AtomicU64::new(0),
        latencies: Mutex::default(),
        kept: Mutex::default(),
        compared: AtomicU64::new(0),
    };
    let until = stage.clock.now() + Duration::from_secs(seconds);
    let memory = std::thread::scope(|scope| {
        let stage = &stage;
        for who in 0..COMMITTERS {
            scope.spawn(move || {
                let _over = Over(&stage.over);
                stage.commit(who);
            });
        }
        scope.spawn(move || {
            let _over = Over(&stage.over);
            stage.watch();
        });
        for n in 0..3 {
            scope.spawn(move || stage.stall());
            scope.spawn(move || stage.misbehave(n));
        }
        let _over = Over(&stage.over);
        stage.observe(server.id(), until)
    });
    let mut client = Client::new(&socket);
    let numbers = |result: &Value| -> BTreeSet<i64> {
        result[0]["rows"].as_array().unwrap().iter().map(|row| row["n"].as_i64().unwrap()).collect()
    };
    let there = client.transact(json!([{"op": "select", "table": "T", "where": [], "columns": ["n"]}]));
    let kept = stage.kept.into_inner().unwrap();
    assert_eq!(numbers(&there), kept);
    drop(server);
    let db = open_file(&path("db")).unwrap();
    let column = db.tables()[0].schema.column_index("n").unwrap();
    let filed: BTreeSet<i64> = db.tables()[0].rows().map(|row| row[column].as_integer().unwrap()).collect();
    assert_eq!(filed, kept, "what was acknowledged is not what the file has");

    let mut latencies = stage.latencies.into_inner().unwrap();
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    // The first third fills pools and caches; from then on nothing may be kept that goes with its client.
    let third = memory.len() / 3;
    let (early, late) = (memory[..third * 2].iter().max().unwrap(), memory[third * 2..].iter().max().unwrap());
    eprintln!(
        "{seconds} s: {} commits, latency p50 {:?} p99 {:?} max {:?}; {} comparisons; {} bad clients, {} that did not read \
         were cut off; memory {} kB at first, at most {early} kB in the first two thirds, {late} kB in the last",
        latencies.len(),
        at(50),
        at(99),
        at(100),
        stage.compared.load(Ordering::Relaxed),
        stage.disturbed.load(Ordering::Relaxed),
        stage.cut_off.load(Ordering::Relaxed),
        memory[0],
    );
    let minutes: Vec<String> = memory.chunks(600).map(|minute| minute.last().unwrap().to_string()).collect();
    eprintln!("  memory at the end of each minute: {} kB", minutes.join(" "));
    let limit = 6 * BACKLOG as u64 / 1024 + 128 * 1024;
    assert!(*late < limit, "the server has grown to {late} kB");
    assert!(long.is_none() || late * 4 < early * 5, "memory grows: {early} kB, later {late} kB");
    assert!(long.is_none() || stage.cut_off.load(Ordering::Relaxed) > 0, "nobody was cut off");
}
