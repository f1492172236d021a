//! Several servers: relays, backups; and clients with roles.

use super::*;

fn pair_schema() -> DatabaseSchema {
    let schema = json!({"name": "P", "version": "1.0.0", "tables": {
        "a": {"isRoot": true, "columns": {"n": {"type": "integer"}}, "indexes": [["n"]]},
        "b": {"isRoot": true, "columns": {"n": {"type": "integer"},
            "r": {"type": {"key": {"type": "uuid", "refTable": "a", "refType": "weak"}, "min": 0, "max": "unlimited"}}}}
    }});
    DatabaseSchema::from_json(&schema).unwrap()
}

struct Place {
    server: OvsdbServer,
    socket: String,
}

impl Place {
    async fn new(dir: &Path, name: &str, config: OvsdbServerConfig) -> Place {
        let socket = dir.join(name).display().to_string();
        let remotes = vec![format!("punix:{socket}")];
        let relayed = !config.databases.is_empty();
        let config = OvsdbServerConfig { remotes, ..config };
        let server = match relayed {
            true => OvsdbServer::start(config),
            false => OvsdbServer::start_with(vec![Database::in_memory(&pair_schema()).0], config),
        };
        Place { server: server.unwrap(), socket }
    }

    async fn client(&self) -> Connection {
        Connection::new(self.server.handle().connect("test").await.unwrap())
    }
}

fn insert(table: &str, n: i64) -> Value {
    json!(["P", {"op": "insert", "table": table, "row": {"n": n}}])
}

/// Waits, in the server, until the table holds these numbers.
fn until(table: &str, numbers: &[i64]) -> Value {
    let rows: Vec<Value> = numbers.iter().map(|n| json!({"n": n})).collect();
    json!(["P", {"op": "wait", "table": table, "where": [], "columns": ["n"], "until": "==", "rows": rows}])
}

/// A relay serves nothing before it has caught up; the `_Server` database says when.
async fn connected(client: &mut Connection) {
    let wait = json!(["_Server", {"op": "wait", "table": "Database", "where": [["name", "==", "P"]],
        "columns": ["connected"], "until": "==", "rows": [{"connected": true}]}]);
    assert_eq!(ask(client, "transact", wait).await, json!([{}]));
}

#[tokio::test]
async fn a_relay_of_a_relay_reads_by_itself_and_writes_through() {
    let dir = tempfile::tempdir().unwrap();
    let relay_of = |socket: &str| OvsdbServerConfig {
        databases: vec![format!("relay:P:unix:{socket}").into()],
        ..OvsdbServerConfig::default()
    };
    // The far end is there first: it waits for the middle, and the middle for the source.
    let source_socket = dir.path().join("source").display().to_string();
    let middle = Place::new(dir.path(), "middle", relay_of(&source_socket)).await;
    let far = Place::new(dir.path(), "far", relay_of(&middle.socket)).await;
    let mut client = far.client().await;
    client.queue(Message::request("get_schema", vec![json!("P")], 1));
    let Message::Error { error, .. } = client.recv().await.unwrap() else { panic!("it cannot know the schema yet") };
    assert_eq!(error["error"], "database not available");
    let source = Place::new(dir.path(), "source", OvsdbServerConfig::default()).await;
    connected(&mut client).await;
    ask(&mut client, "monitor", json!(["P", "m", {"a": [{"columns": ["n"]}]}])).await;
    client.queue(Message::request("transact", vec![json!("P"), insert("a", 5)[1].clone()], 7));
    let Message::Notify { method, params } = client.recv().await.unwrap() else { panic!("the update comes first") };
    assert_eq!((method.as_str(), &params[0]), ("update", &json!("m")));
    assert!(matches!(client.recv().await.unwrap(), Message::Reply { id, .. } if id == 7));
    // What the source refuses is refused here in the same words.
    let refused = ask(&mut client, "transact", insert("a", 5)).await;
    assert_eq!(refused[1]["error"], "constraint violation", "{refused}");
    let select = json!(["P", {"op": "select", "table": "a", "where": [], "columns": ["n", "_version"]}]);
    let mut at_source = source.client().await;
    assert_eq!(
        ask(&mut client, "transact", select.clone()).await,
        ask(&mut at_source, "transact", select).await,
        "versions are the source's"
    );
    // Locks are the relay's own, and may be asserted in what is passed on.
    let assert = json!(["P", {"op": "assert", "lock": "l"}, insert("a", 6)[1]]);
    assert_eq!(ask(&mut client, "transact", assert.clone()).await[0]["error"], "not owner");
    ask(&mut client, "lock", json!(["l"])).await;
    assert_eq!(ask(&mut client, "transact", assert).await[0], json!({}));
    for place in [far, middle, source] {
        place.server.stop().await;
    }
}

#[tokio::test]
async fn a_backup_copies_serves_readers_and_takes_over() {
    let dir = tempfile::tempdir().unwrap();
    let active = Place::new(dir.path(), "active", OvsdbServerConfig::default()).await;
    let from = Some(format!("unix:{}", active.socket));
    let sync = SyncConfig { from, exclude: Some("P:b".into()), active: false };
    let backup = Place::new(dir.path(), "backup", OvsdbServerConfig { sync, ..OvsdbServerConfig::default() }).await;
    let mut first = active.client().await;
    ask(&mut first, "transact", insert("a", 1)).await;
    ask(&mut first, "transact", insert("b", 1)).await;
    let mut reader = backup.client().await;
    assert_eq!(ask(&mut reader, "transact", until("a", &[1])).await, json!([{}]));
    ask(&mut first, "transact", json!(["P", {"op": "delete", "table": "a", "where": []}, insert("a", 2)[1]])).await;
    assert_eq!(ask(&mut reader, "transact", until("a", &[2])).await, json!([{}]));
    assert_eq!(ask(&mut reader, "transact", until("b", &[])).await, json!([{}]), "left out");
    assert_eq!(ask(&mut reader, "transact", insert("a", 3)).await[0]["error"], "not allowed");
    let status = backup.server.handle().call(Call::Sync(SyncCall::Status)).await.unwrap();
    let expected = format!("state: backup\nreplicating: unix:{}\ndatabase: P\nexclude: P:b\n", active.socket);
    assert_eq!(status, expected);
    backup.server.handle().call(Call::Sync(SyncCall::Disconnect)).await.unwrap();
    assert!(reader.recv().await.is_err(), "clients come again");
    let mut writer = backup.client().await;
    assert!(ask(&mut writer, "transact", insert("a", 3)).await[0]["uuid"].is_array());
    // Becoming a backup again, it forgets what the active server does not have.
    backup.server.handle().call(Call::Sync(SyncCall::Connect)).await.unwrap();
    let mut reader = backup.client().await;
    assert_eq!(ask(&mut reader, "transact", until("a", &[2])).await, json!([{}]));
    backup.server.stop().await;
    active.server.stop().await;
}

#[tokio::test]
async fn a_server_is_no_backup_of_itself() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(dir.path(), "own", OvsdbServerConfig::default()).await;
    let handle = place.server.handle();
    handle.call(Call::Sync(SyncCall::SetFrom(format!("unix:{}", place.socket)))).await.unwrap();
    handle.call(Call::Sync(SyncCall::Connect)).await.unwrap();
    while handle.call(Call::Sync(SyncCall::Status)).await.unwrap() != "state: active\n" {
        tokio::task::yield_now().await;
    }
    place.server.stop().await;
}

#[tokio::test]
async fn a_remote_that_only_reads_and_a_role_without_identity_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let column = |kind: &str| json!({"type": kind});
    let schema = json!({"name": "P", "tables": {
        "C": {"isRoot": true, "columns": {"target": column("string"), "role": column("string"),
            "read_only": column("boolean")}},
        "Root": {"isRoot": true, "columns": {"c": {"type":
            {"key": {"type": "uuid", "refTable": "C"}, "min": 0, "max": "unlimited"}}}},
        "RBAC_Role": {"isRoot": true, "columns": {"name": column("string")}},
        "a": {"isRoot": true, "columns": {"n": column("integer")}}
    }});
    let db = Database::in_memory(&DatabaseSchema::from_json(&schema).unwrap()).0;
    let remotes = vec!["db:P,Root,c".to_owned()];
    let config = OvsdbServerConfig { remotes, ..OvsdbServerConfig::default() };
    let server = OvsdbServer::start_with(vec![db], config).unwrap();
    let mut inside = Connection::new(server.handle().connect("inside").await.unwrap());
    let row = |name: &str, role: &str, read_only: bool| {
        json!({"op": "insert", "table": "C", "uuid-name": name,
            "row": {"target": format!("punix:{}", path(name)), "role": role, "read_only": read_only}})
    };
    let root =
        json!({"op": "insert", "table": "Root", "row": {"c": ["set", [["named-uuid", "x"], ["named-uuid", "y"]]]}});
    ask(&mut inside, "transact", json!(["P", row("x", "", true), row("y", "tester", false), root])).await;
    // The reply to something later shows that the remotes have been looked at.
    ask(&mut inside, "echo", json!([])).await;
    let mut reader = Connection::new(Stream::connect(&Address::Unix(path("x").into())).await.unwrap());
    assert_eq!(ask(&mut reader, "transact", insert("a", 1)).await[0]["error"], "not allowed");
    let mut nobody = Connection::new(Stream::connect(&Address::Unix(path("y").into())).await.unwrap());
    let refused = ask(&mut nobody, "transact", insert("a", 1)).await;
    let words = "RBAC rules for client \"(null)\" role \"tester\" prohibit row insertion into table \"a\".";
    assert_eq!(refused[0], json!({"error": "permission error", "details": words}));
    // Without its role it may: the listener stays, its clients come again.
    let free = json!(["P", {"op": "update", "table": "C", "where": [], "row": {"role": "", "read_only": false}}]);
    ask(&mut inside, "transact", free).await;
    assert!(nobody.recv().await.is_err());
    let mut again = Connection::new(Stream::connect(&Address::Unix(path("y").into())).await.unwrap());
    assert!(ask(&mut again, "transact", insert("a", 1)).await[0]["uuid"].is_array());
    server.stop().await;
}
