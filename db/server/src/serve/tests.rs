//! The server over real sockets and pipes.

use super::*;

mod pairs;

use crate::storage::{DiskJob, MemoryStorage, Rewrite, Storage};
use serde_json::{Value, json};
use std::sync::{Condvar, Mutex};
use weft_jsonrpc::address::Address;
use weft_jsonrpc::connection::{Connection, ConnectionError};
use weft_ovsdb::DatabaseSchema;

fn database() -> Database {
    let schema = json!({"name": "P", "version": "1.0.0", "tables": {
        "T": {"isRoot": true, "columns": {"n": {"type": "string"}, "managers": {"type":
            {"key": {"type": "uuid", "refTable": "Manager"}, "min": 0, "max": "unlimited"}}}},
        "Manager": {"columns": {
            "target": {"type": "string"},
            "is_connected": {"type": "boolean", "ephemeral": true},
            "status": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}, "ephemeral": true}
        }}
    }});
    Database::in_memory(&DatabaseSchema::from_json(&schema).unwrap()).0
}

fn start(config: OvsdbServerConfig) -> OvsdbServer {
    OvsdbServer::start_with(vec![database()], config).unwrap()
}

async fn ask(connection: &mut Connection, method: &str, params: Value) -> Value {
    let Value::Array(params) = params else { panic!("params are an array") };
    connection.queue(Message::request(method, params, 1));
    loop {
        match connection.recv().await.unwrap() {
            Message::Reply { result, .. } => return result,
            Message::Error { error, .. } => panic!("{error}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn clients_come_through_sockets_and_pipes() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("db.sock");
    let remotes = vec![format!("punix:{}", socket.display())];
    let server = start(OvsdbServerConfig { remotes, ..OvsdbServerConfig::default() });
    let insert = json!(["P", {"op": "insert", "table": "T", "row": {"n": "a"}}]);
    let mut inside = Connection::new(server.handle().connect("vswitchd").await.unwrap());
    ask(&mut inside, "transact", insert).await;
    let mut outside = Connection::new(Stream::connect(&Address::Unix(socket.clone())).await.unwrap());
    let select = json!(["P", {"op": "select", "table": "T", "where": [], "columns": ["n"]}]);
    assert_eq!(ask(&mut outside, "transact", select).await, json!([{"rows": [{"n": "a"}]}]));
    assert!(server.handle().call(Call::Memory).await.unwrap().contains("sessions:2"));
    server.stop().await;
    assert!(matches!(outside.recv().await, Err(ConnectionError::Closed)));
    assert!(!socket.exists(), "the socket goes with the server");
}

#[tokio::test]
async fn nonsense_costs_the_connection_and_nothing_else() {
    let server = start(OvsdbServerConfig::default());
    let mut good = Connection::new(server.handle().connect("good").await.unwrap());
    for bytes in [&b"xx"[..], b"{\"foo\":1}", b"{\"id\":1,\"result\":5,\"error\":null}"] {
        use tokio::io::AsyncWriteExt;
        let mut bad = server.handle().connect("bad").await.unwrap();
        bad.write_all(bytes).await.unwrap();
        assert!(Connection::new(bad).recv().await.is_err());
    }
    assert_eq!(ask(&mut good, "echo", json!([1])).await, json!([1]));
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let server = start(OvsdbServerConfig { backlog_limit: 100_000, ..OvsdbServerConfig::default() });
    let mut deaf = Connection::new(server.handle().connect("deaf").await.unwrap());
    ask(&mut deaf, "monitor", json!(["P", "m", {"T": {}}])).await;
    let mut busy = Connection::new(server.handle().connect("busy").await.unwrap());
    for _ in 0..100 {
        let insert = json!({"op": "insert", "table": "T", "row": {"n": "x".repeat(10_000)}});
        ask(&mut busy, "transact", json!(["P", insert])).await;
    }
    let memory = server.handle().call(Call::Memory).await.unwrap();
    assert!(memory.contains("sessions:1"), "{memory}");
    server.stop().await;
}

#[tokio::test]
async fn managers_are_listened_for_and_told_of_their_state() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("managed.sock");
    let remotes = vec!["db:P,T,managers".to_owned()];
    let server = start(OvsdbServerConfig { remotes, ..OvsdbServerConfig::default() });
    let mut inside = Connection::new(server.handle().connect("vswitchd").await.unwrap());
    let transaction = json!(["P",
        {"op": "insert", "table": "Manager", "row": {"target": format!("punix:{}", socket.display())}, "uuid-name": "m"},
        {"op": "insert", "table": "T", "row": {"managers": ["named-uuid", "m"]}}]);
    ask(&mut inside, "transact", transaction).await;
    let connected = json!(["P", {"op": "wait", "table": "Manager", "where": [], "columns": ["is_connected"],
        "until": "==", "rows": [{"is_connected": true}]}]);
    let manager = Stream::connect(&Address::Unix(socket)).await.unwrap();
    assert_eq!(ask(&mut inside, "transact", connected).await, json!([{}]));
    let select = json!(["P", {"op": "select", "table": "Manager", "where": [], "columns": ["status"]}]);
    let status = json!([{"rows": [{"status": ["map", [["state", "ACTIVE"]]]}]}]);
    assert_eq!(ask(&mut inside, "transact", select).await, status);
    drop(manager);
    let gone = json!(["P", {"op": "wait", "table": "Manager", "where": [], "columns": ["is_connected"],
        "until": "==", "rows": [{"is_connected": false}]}]);
    assert_eq!(ask(&mut inside, "transact", gone).await, json!([{}]));
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_place_that_was_taken_is_tried_again() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let remotes = vec![format!("ptcp:{port}:127.0.0.1")];
    let server = start(OvsdbServerConfig { remotes, ..OvsdbServerConfig::default() });
    let address = Address::Tcp { host: "127.0.0.1".into(), port };
    drop(taken);
    assert!(Stream::connect(&address).await.is_err(), "nobody listens yet");
    tokio::time::sleep(Duration::from_secs(6)).await;
    let mut client = Connection::new(Stream::connect(&address).await.unwrap());
    assert_eq!(ask(&mut client, "echo", json!([1])).await, json!([1]));
    server.stop().await;
}

#[tokio::test]
async fn appctl_adds_and_removes() {
    let server = start(OvsdbServerConfig::default());
    let handle = server.handle();
    let call = |call: Call| {
        let handle = handle.clone();
        async move { handle.call(call).await }
    };
    assert_eq!(call(Call::ListDatabases).await, Ok("P\n_Server\n".into()));
    assert_eq!(call(Call::RemoveRemote("zz".into())).await, Err("no such remote".into()));
    assert_eq!(call(Call::Compact(Some("zz".into()))).await, Err("no database by that name".into()));
    let nope = call(Call::AddDatabase("/nonexistent".into())).await.unwrap_err();
    assert_eq!(nope, "I/O error: /nonexistent: open failed (No such file or directory)");
    let bad = call(Call::AddRemote("db:P,T,zz".into())).await.unwrap_err();
    assert_eq!(bad, "\"db:P,T,zz\": table \"T\" has no column \"zz\"");
    let rows =
        call(Call::Transact { database: "P".into(), operations: "[{\"op\":\"comment\",\"comment\":\"c\"}]".into() });
    assert_eq!(rows.await, Ok("[{}]".into()));
    server.stop().await;
    assert!(handle.call(Call::ListDatabases).await.is_err());
}

/// A disk whose `fsync` takes until the test opens the gate.
#[derive(Clone)]
struct Gated {
    memory: MemoryStorage,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl Storage for Gated {
    fn replay(&mut self, each: &mut dyn FnMut(Value) -> Result<()>) -> Result<Option<crate::log::Torn>> {
        self.memory.replay(each)
    }
    fn append(&mut self, framed: &[u8]) -> Result<()> {
        self.memory.append(framed)
    }
    fn syncing(&mut self) -> DiskJob {
        let (job, gate) = (self.memory.syncing(), self.gate.clone());
        Box::new(move || {
            let (open, changed) = &*gate;
            drop(changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
            job()
        })
    }
    fn rewriting(&mut self, rewrite: Rewrite) -> Result<DiskJob> {
        self.memory.rewriting(rewrite)
    }
    fn catch_up(&mut self) -> Result<()> {
        self.memory.catch_up()
    }
    fn replace(&mut self) -> Result<()> {
        self.memory.replace()
    }
    fn give_up(&mut self) {
        self.memory.give_up();
    }
    fn size(&self) -> u64 {
        self.memory.size()
    }
}

#[tokio::test]
async fn a_slow_disk_keeps_nobody_waiting_but_who_asked_for_it() {
    let schema = DatabaseSchema::from_json(&json!({"name": "P", "tables": {"T": {"isRoot": true, "columns":
        {"n": {"type": "string"}}}}}))
    .unwrap();
    let memory = MemoryStorage::new(Database::initial_log(&schema));
    let disk = Gated { memory: memory.clone(), gate: Arc::default() };
    let (db, _) = Database::open(Box::new(disk.clone())).unwrap();
    let server = OvsdbServer::start_with(vec![db], OvsdbServerConfig::default()).unwrap();
    let mut slow = Connection::new(server.handle().connect("slow").await.unwrap());
    let mut quick = Connection::new(server.handle().connect("quick").await.unwrap());
    let insert = |name: &str| json!({"op": "insert", "table": "T", "row": {"n": name}});
    let operations = vec![json!("P"), insert("a"), json!({"op": "commit", "durable": true})];
    slow.send(Message::request("transact", operations, "slow")).await.unwrap();
    for i in 0..20 {
        let result = ask(&mut quick, "transact", json!(["P", insert(&i.to_string())])).await;
        assert_eq!(result[0]["uuid"][0], "uuid");
    }
    assert_eq!(memory.syncs(), 0);
    let (open, changed) = &*disk.gate;
    *open.lock().unwrap() = true;
    changed.notify_all();
    let Message::Reply { id, result } = slow.recv().await.unwrap() else { panic!("it is a reply") };
    assert_eq!((id, &result[1]), (json!("slow"), &json!({})));
    assert!(memory.syncs() > 0);
    server.stop().await;
}

#[tokio::test]
async fn compactions_are_answered_when_they_are_done() {
    static TRIMMED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let trim = || _ = TRIMMED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let server = start(OvsdbServerConfig { trim: Some(trim), ..OvsdbServerConfig::default() });
    let handle = server.handle();
    assert_eq!(handle.call(Call::Compact(Some("P".into()))).await, Ok(String::new()));
    assert_eq!(TRIMMED.load(std::sync::atomic::Ordering::Relaxed), 0, "not asked for");
    handle.call(Call::TrimOnCompaction(true)).await.unwrap();
    let (one, other) = tokio::join!(handle.call(Call::Compact(None)), handle.call(Call::Compact(Some("P".into()))));
    assert_eq!((one, other), (Ok(String::new()), Ok(String::new())));
    assert!(TRIMMED.load(std::sync::atomic::Ordering::Relaxed) > 0);
    assert!(handle.call(Call::Compact(Some("Q".into()))).await.is_err());
    server.stop().await;
}
