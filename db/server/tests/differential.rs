//! The same transactions to Open vSwitch's `ovsdb-server` and to ours: replies, notifications and contents must
//! agree. Where the choice is free (which of several violations is named, the order of rows) only what both must
//! agree on is compared. Skipped, and said so, where there is no `ovsdb-server`.
//!
//! Left out: rows with weak references that change in the transaction that removes what they refer to. There 3.1
//! keeps dead references, against RFC 7047 section 3.2; we remove them.

mod random;

use random::{Random, TABLES, schema, transaction};
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use weft_base::SystemClock;
use weft_jsonrpc::message::Message;
use weft_ovsdb::DatabaseSchema;
use weft_server::database::Database;
use weft_server::server::{Output, Server, SessionId};

const SERVER: &str = "/usr/sbin/ovsdb-server";
const TOOL: &str = "/usr/bin/ovsdb-tool";

struct Theirs {
    process: Child,
    _dir: tempfile::TempDir,
    stream: UnixStream,
    replies: serde_json::StreamDeserializer<'static, serde_json::de::IoRead<std::io::BufReader<UnixStream>>, Value>,
}

impl Theirs {
    fn start() -> Option<Theirs> {
        if !Path::new(SERVER).exists() || !Path::new(TOOL).exists() {
            assert!(std::env::var_os("WEFT_E2E_REQUIRED").is_none(), "{SERVER} is not installed");
            eprintln!("SKIPPED: no {SERVER} to compare with");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        std::fs::write(path("schema"), schema().to_string()).unwrap();
        let created = Command::new(TOOL).args(["create", &path("db"), &path("schema")]).status().unwrap();
        assert!(created.success());
        let process = Command::new(SERVER)
            .arg(path("db"))
            .arg(format!("--remote=punix:{}", path("sock")))
            .arg(format!("--unixctl={}", path("ctl")))
            .args(["-vconsole:off", "--no-chdir"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let stream = loop {
            match UnixStream::connect(path("sock")) {
                Ok(stream) => break stream,
                Err(_) => std::thread::yield_now(),
            }
        };
        let reader = std::io::BufReader::new(stream.try_clone().unwrap());
        let replies = serde_json::Deserializer::from_reader(reader).into_iter();
        Some(Theirs { process, _dir: dir, stream, replies })
    }

    /// Everything up to and including the reply; `None` if the server died of the request, which 3.1 can.
    fn request(&mut self, method: &str, params: Value) -> Option<Vec<Value>> {
        let request = json!({"id": 1, "method": method, "params": params});
        self.stream.write_all(request.to_string().as_bytes()).unwrap();
        let mut got = Vec::new();
        loop {
            let message = self.replies.next()?.unwrap();
            let last = !message["id"].is_null();
            got.push(message);
            if last {
                return Some(got);
            }
        }
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Ours {
    server: Server,
    session: SessionId,
}

impl Ours {
    fn start() -> Ours {
        let mut server = Server::new(Arc::new(SystemClock::new()));
        let (db, _) = Database::in_memory(&DatabaseSchema::from_json(&schema()).unwrap());
        server.add_database(db).unwrap();
        let session = server.open_session();
        while server.poll().is_some() {}
        Ours { server, session }
    }

    fn request(&mut self, method: &str, params: Value) -> Vec<Value> {
        let Value::Array(params) = params else { panic!("params are an array") };
        self.server.on_message(self.session, Message::request(method, params, 1));
        self.server.flush();
        std::iter::from_fn(|| self.server.poll())
            .map(|output| {
                let Output::Send(_, text) = output else { panic!("{output:?}") };
                let mut bytes = Vec::new();
                text.write_to(&mut bytes);
                serde_json::from_slice(&bytes).unwrap()
            })
            .collect()
    }
}

/// Words of refusals that name one of several rows or values at fault, whichever is found first.
const FREE: [&str; 6] = [
    "identical values",
    "nonexistent row",
    "remaining reference",
    "weak reference",
    "valid range",
    "Attempted to store",
];

/// Theirs sends reals with 15 digits, ours with all.
fn fifteen_digits(json: &Value) -> Value {
    match json {
        Value::Number(n) if !n.is_i64() => json!(weft_ovsdb::atom::format_real(n.as_f64().unwrap())),
        Value::Array(items) => items.iter().map(fifteen_digits).collect(),
        Value::Object(members) => members.iter().map(|(k, v)| (k.clone(), fifteen_digits(v))).collect(),
        other => other.clone(),
    }
}

/// What both servers must agree on.
fn comparable(message: &Value) -> Value {
    let mut message = fifteen_digits(message);
    let Value::Object(object) = &mut message else { return message };
    if object.get("result") == Some(&Value::Null) {
        object.remove("result");
    }
    for result in object.get_mut("result").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(rows) = result.get_mut("rows").and_then(Value::as_array_mut) {
            rows.sort_by_key(weft_ovsdb::error::compact_sorted);
        }
        let free = result["details"].as_str().is_some_and(|text| FREE.iter().any(|words| text.contains(words)));
        if free {
            result.as_object_mut().unwrap().remove("details");
        }
    }
    message
}

/// Of an insert with two faults, either may be the one that is told.
fn same_refusal(params: &Value, theirs: &[Value], ours: &mut [Value]) {
    for (theirs, ours) in theirs.iter().zip(ours) {
        let (Some(theirs), Some(ours)) =
            (theirs["result"].as_array(), ours.get_mut("result").and_then(Value::as_array_mut))
        else {
            continue;
        };
        for (i, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
            if params[i + 1]["op"] == "insert" && theirs["error"].is_string() && ours["error"].is_string() {
                *ours = theirs.clone();
            }
        }
    }
}

fn compare(seed: u64, transactions: usize) {
    let Some(mut theirs) = Theirs::start() else { return };
    let mut ours = Ours::start();
    let monitors: serde_json::Map<String, Value> =
        TABLES.iter().map(|(table, columns)| ((*table).to_owned(), json!([{"columns": columns}]))).collect();
    for (method, id) in [("monitor", "one"), ("monitor_cond", "two")] {
        let params = json!(["P", id, monitors]);
        assert_eq!(
            theirs.request(method, params.clone()).unwrap().iter().map(comparable).collect::<Vec<_>>(),
            ours.request(method, params).iter().map(comparable).collect::<Vec<_>>()
        );
    }
    let mut random = Random::new(seed);
    let mut well = 0;
    for n in 0..transactions {
        let mut params = vec![json!("P")];
        params.extend(transaction(&mut random));
        let params = Value::Array(params);
        let sort = |messages: Vec<Value>| {
            let mut messages: Vec<Value> = messages.iter().map(comparable).collect();
            messages.sort_by_key(|m| m["params"][0].to_string());
            messages
        };
        let Some(a) = theirs.request("transact", params.clone()) else {
            eprintln!("seed {seed}, transaction {n}: their server died of {params}");
            return;
        };
        let (a, mut b) = (sort(a), sort(ours.request("transact", params.clone())));
        same_refusal(&params, &a, &mut b);
        assert_eq!(a, b, "seed {seed}, transaction {n}: {params}");
        well += usize::from(!a.iter().any(|m| m.to_string().contains("\"error\":\"")));
    }
    let select = |table: &str| json!({"op": "select", "table": table, "where": []});
    for (table, columns) in TABLES {
        let mut operation = select(table);
        operation["columns"] = json!([&["_uuid"], columns].concat());
        let params = json!(["P", operation]);
        let (a, b) = (theirs.request("transact", params.clone()).unwrap(), ours.request("transact", params));
        assert_eq!(comparable(&a[0]), comparable(&b[0]), "seed {seed}: {table}");
    }
    assert!(well * 10 > transactions, "nearly everything fails: the generator is no good ({well} of {transactions})");
}

#[test]
fn both_servers_agree() {
    for seed in 1..=4 {
        compare(seed, 500);
    }
}
