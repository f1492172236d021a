//! A server that is killed at any moment: what it acknowledged as durable is there when the file opens again, and no
//! transaction is there by half. The server is `examples/serve`, which `cargo test` builds.

mod running;

use running::server;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use weft_ovsdb::DatabaseSchema;
use weft_server::database::Database;
use weft_server::server::open_file;
use weft_server::storage::FileStorage;

const ROUNDS: u64 = 200;
/// Requests sent without waiting for replies.
const IN_FLIGHT: u64 = 8;

fn schema() -> DatabaseSchema {
    let table = json!({"isRoot": true, "columns": {"n": {"type": "integer"}}, "indexes": [["n"]]});
    DatabaseSchema::from_json(&json!({"name": "K", "tables": {"A": table, "B": table}})).unwrap()
}

fn connect(socket: &Path) -> UnixStream {
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return stream,
            Err(_) => std::thread::yield_now(),
        }
    }
}

fn request(n: u64) -> String {
    let insert = |table: &str| json!({"op": "insert", "table": table, "row": {"n": n}});
    let params = json!(["K", insert("A"), insert("B"), {"op": "commit", "durable": true}]);
    json!({"method": "transact", "params": params, "id": n}).to_string()
}

/// Sends transactions from number `from` on until `acks` have been acknowledged; gives the acknowledged numbers.
fn drive(stream: &mut UnixStream, from: u64, acks: u64) -> Vec<u64> {
    let mut sent = from;
    while sent < from + IN_FLIGHT {
        stream.write_all(request(sent).as_bytes()).unwrap();
        sent += 1;
    }
    let reader = std::io::BufReader::new(stream.try_clone().unwrap());
    let mut replies = serde_json::Deserializer::from_reader(reader.take(u64::MAX)).into_iter::<Value>();
    let mut acknowledged = Vec::new();
    while (acknowledged.len() as u64) < acks {
        let reply = replies.next().unwrap().unwrap();
        assert!(reply["result"][2] == json!({}) && reply["error"].is_null(), "{reply}");
        acknowledged.push(reply["id"].as_u64().unwrap());
        stream.write_all(request(sent).as_bytes()).unwrap();
        sent += 1;
    }
    acknowledged
}

fn numbers(db: &Database, table: usize) -> BTreeSet<u64> {
    db.tables()[table].rows().map(|row| row[2].as_integer().unwrap() as u64).collect()
}

#[test]
fn what_was_acknowledged_survives_and_nothing_is_there_by_half() {
    let Some(server) = server() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (file, socket) = (dir.path().join("db"), dir.path().join("sock"));
    drop(FileStorage::create(&file, &Database::initial_log(&schema())).unwrap());
    let mut acknowledged = BTreeSet::new();
    let mut next = 0;
    for round in 0..ROUNDS {
        let _ = std::fs::remove_file(&socket);
        let mut process = Command::new(&server)
            .arg(&file)
            .arg(format!("--remote=punix:{}", socket.display()))
            // In every other round it compacts its log all the time, too.
            .args((round % 2 == 1).then_some("--compact-every=2"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut stream = connect(&socket);
        acknowledged.extend(drive(&mut stream, next, 1 + round % 4));
        // The server is in the middle of what is still in flight.
        process.kill().unwrap();
        process.wait().unwrap();
        let db = open_file(&file).unwrap();
        let (a, b) = (numbers(&db, 0), numbers(&db, 1));
        assert_eq!(a, b, "round {round}: a transaction is there by half");
        let lost: Vec<&u64> = acknowledged.difference(&a).collect();
        assert!(lost.is_empty(), "round {round}: acknowledged but lost: {lost:?}");
        next = a.last().map_or(0, |n| n + 1).max(next + IN_FLIGHT + 100);
    }
}
