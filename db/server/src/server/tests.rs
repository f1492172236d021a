//! Stories about clients and the server, without sockets and in virtual time.

use super::*;
use crate::storage::MemoryStorage;
use serde_json::json;
use weft_base::SimClock;
use weft_ovsdb::DatabaseSchema;

pub(super) struct Sim {
    pub server: Server,
    pub clock: Arc<SimClock>,
    pub log: MemoryStorage,
    /// Work for the disk that nobody has done yet.
    pub work: VecDeque<DiskWork>,
}

/// A database `P` with root table `T`, whose rows refer to rows of `C`.
fn schema() -> DatabaseSchema {
    let json = json!({"name": "P", "version": "1.0.0", "tables": {
        "T": {"isRoot": true, "columns": {
            "n": {"type": "string"},
            "i": {"type": "integer"},
            "c": {"type": {"key": {"type": "uuid", "refTable": "C"}, "min": 0, "max": "unlimited"}},
            "w": {"type": {"key": {"type": "uuid", "refTable": "C", "refType": "weak"}, "min": 0, "max": "unlimited"}},
            "status": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}, "ephemeral": true},
            "target": {"type": {"key": "string", "min": 0, "max": "unlimited"}}
        }, "indexes": [["n"]]},
        "C": {"columns": {"n": {"type": "string"}}}
    }});
    DatabaseSchema::from_json(&json).unwrap()
}

impl Sim {
    pub fn new() -> Sim {
        let clock = Arc::new(SimClock::new(Time::from_millis(1_000)));
        let mut server = Server::new(clock.clone());
        let (db, log) = Database::in_memory(&schema());
        server.add_database(db).unwrap();
        while server.poll().is_some() {}
        Sim { server, clock, log, work: VecDeque::new() }
    }

    pub fn say(&mut self, session: SessionId, method: &str, params: Value, id: i64) {
        let Value::Array(params) = params else { panic!("params are an array") };
        self.server.on_message(session, Message::request(method, params, id));
    }

    pub fn transact(&mut self, session: SessionId, operations: Value, id: i64) {
        let Value::Array(operations) = operations else { panic!("operations are an array") };
        let params = [vec![json!("P")], operations].concat();
        self.say(session, "transact", Value::Array(params), id);
    }

    /// What has been sent so far: (receiver, message).
    pub fn heard(&mut self) -> Vec<(SessionId, Value)> {
        let mut heard = Vec::new();
        while let Some(output) = self.server.poll() {
            match output {
                Output::Send(session, text) => {
                    let mut bytes = Vec::new();
                    text.write_to(&mut bytes);
                    assert_eq!(bytes.len(), text.len());
                    heard.push((session, serde_json::from_slice(&bytes).unwrap()));
                }
                Output::Close(session, reason) => heard.push((session, json!({"close": reason}))),
                Output::Forward { db, .. } => panic!("{db} is no relay"),
                Output::Disk(work) => self.work.push_back(work),
                Output::Compacted(db, result) => {
                    heard.push((SessionId(0), json!({"compacted": db, "ok": result.is_ok()})));
                }
            }
        }
        heard
    }

    pub fn flushed(&mut self) -> Vec<(SessionId, Value)> {
        self.server.flush();
        self.heard()
    }

    /// One request and its reply, nothing else being sent.
    pub fn ask(&mut self, session: SessionId, method: &str, params: Value) -> Value {
        self.say(session, method, params, 1);
        let mut heard = self.flushed();
        assert_eq!(heard.len(), 1, "{heard:?}");
        heard.remove(0).1
    }
}

pub(super) fn insert(name: &str) -> Value {
    json!({"op": "insert", "table": "T", "row": {"n": name}})
}

#[test]
fn a_client_hears_of_its_own_change_before_the_reply() {
    let mut sim = Sim::new();
    let client = sim.server.open_session();
    assert_eq!(sim.ask(client, "monitor", json!(["P", "m", {"T": {"columns": ["n"]}}]))["result"], json!({}));
    sim.transact(client, json!([insert("a")]), 7);
    assert!(sim.heard().is_empty(), "nothing is told before the log has it");
    let heard = sim.flushed();
    assert_eq!(heard.len(), 2);
    assert_eq!(heard[0].1["method"], "update");
    assert_eq!(heard[1].1["id"], 7);
}

#[test]
fn many_durable_transactions_share_one_sync() {
    let mut sim = Sim::new();
    let clients: Vec<SessionId> = (0..8).map(|_| sim.server.open_session()).collect();
    for (n, &client) in clients.iter().enumerate() {
        sim.transact(client, json!([insert(&n.to_string()), {"op": "commit", "durable": true}]), 1);
    }
    assert_eq!(sim.log.syncs(), 0);
    assert_eq!(sim.flushed().len(), 8);
    assert_eq!(sim.log.syncs(), 1);
    assert_eq!(sim.log.synced(), sim.log.bytes());
    sim.transact(clients[0], json!([insert("lazy")]), 2);
    sim.flushed();
    assert_eq!(sim.log.syncs(), 1, "nobody asked for this one to be durable");
}

#[test]
fn a_full_disk_fails_the_transaction_and_not_the_server() {
    let mut sim = Sim::new();
    let (a, b) = (sim.server.open_session(), sim.server.open_session());
    sim.ask(b, "monitor", json!(["P", "m", {"T": {}}]));
    sim.log.set_full(true);
    sim.transact(a, json!([insert("a")]), 1);
    sim.transact(b, json!([{"op": "select", "table": "T", "where": []}]), 2);
    let heard = sim.flushed();
    assert_eq!(heard.len(), 2, "no update for what did not happen: {heard:?}");
    let error = &heard[0].1["result"][1];
    assert_eq!(error["error"], "I/O error");
    assert_eq!(error["io-error"], "No space left on device");
    assert_eq!(heard[1].1["result"], json!([{"rows": []}]), "who only reads does not suffer");
    sim.log.set_full(false);
    sim.transact(a, json!([insert("a")]), 3);
    let heard = sim.flushed();
    assert_eq!(heard.len(), 2);
    assert!(heard[1].1["result"][0]["uuid"].is_array());
}

#[test]
fn a_wait_waits_until_it_holds_or_its_time_is_up() {
    let mut sim = Sim::new();
    let (a, b) = (sim.server.open_session(), sim.server.open_session());
    let wait = |until: &str, timeout: Value| {
        json!([{"op": "wait", "table": "T", "where": [], "columns": ["n"], "rows": [{"n": "x"}], "until": until,
                "timeout": timeout}, {"op": "comment", "comment": "done"}])
    };
    sim.transact(a, wait("==", json!(5000)), 1);
    assert!(sim.flushed().is_empty());
    assert_eq!(sim.server.next_deadline(), Some(Time::from_millis(6_000)));
    sim.transact(b, json!([insert("x")]), 1);
    let heard = sim.flushed();
    assert_eq!(heard.iter().map(|(s, _)| *s).collect::<Vec<_>>(), [b, a]);
    assert_eq!(heard[1].1["result"], json!([{}, {}]));

    sim.transact(a, wait("!=", json!(50)), 2);
    assert!(sim.flushed().is_empty());
    sim.clock.advance(Duration::from_millis(50));
    sim.server.on_deadline();
    let reply = sim.heard().remove(0).1;
    let error = json!({"error": "timed out", "details": "\"wait\" timed out after 50 ms"});
    assert_eq!(reply["result"], json!([error, null]));

    sim.transact(a, wait("!=", json!(0)), 3);
    assert_eq!(sim.flushed()[0].1["result"][0]["details"], "\"where\" clause test failed");
}

#[test]
fn a_waiting_transaction_can_be_cancelled() {
    let mut sim = Sim::new();
    let a = sim.server.open_session();
    let wait =
        json!([{"op": "wait", "table": "T", "where": [], "columns": ["n"], "rows": [{"n": "x"}], "until": "=="}]);
    sim.transact(a, wait.clone(), 5);
    sim.transact(a, wait, 5);
    assert_eq!(sim.flushed()[0].1["error"]["details"], "transact: duplicate request ID");
    sim.server.on_message(a, Message::notify("cancel", vec![json!(5)]));
    assert_eq!(sim.flushed()[0].1, json!({"id": 5, "result": null, "error": "canceled"}));
    assert_eq!(sim.server.next_deadline(), None);
}

#[test]
fn locks_are_queued_stolen_and_inherited() {
    let mut sim = Sim::new();
    let (a, b, c) = (sim.server.open_session(), sim.server.open_session(), sim.server.open_session());
    assert_eq!(sim.ask(a, "lock", json!(["l"]))["result"], json!({"locked": true}));
    assert_eq!(sim.ask(b, "lock", json!(["l"]))["result"], json!({"locked": false}));
    sim.transact(b, json!([{"op": "assert", "lock": "l"}]), 1);
    assert_eq!(sim.flushed()[0].1["result"][0]["error"], "not owner");
    sim.say(c, "steal", json!(["l"]), 1);
    let heard = sim.flushed();
    assert_eq!(heard[0], (a, json!({"id": null, "method": "stolen", "params": ["l"]})));
    assert_eq!(heard[1].1["result"], json!({"locked": true}));
    sim.say(c, "unlock", json!(["l"]), 2);
    assert_eq!(sim.flushed()[0], (a, json!({"id": null, "method": "locked", "params": ["l"]})));
    sim.server.close_session(a);
    assert_eq!(sim.flushed()[0].0, b);
    assert_eq!(sim.ask(b, "lock", json!(["l"]))["error"]["details"], "must issue \"unlock\" before new \"lock\"");
}

#[test]
fn equal_monitors_are_put_into_words_once() {
    let mut sim = Sim::new();
    let clients: Vec<SessionId> = (0..10).map(|_| sim.server.open_session()).collect();
    for &client in &clients {
        sim.ask(client, "monitor_cond", json!(["P", ["m", client.0], {"T": [{"columns": ["n", "i"]}]}]));
    }
    sim.transact(clients[0], json!([insert("a")]), 1);
    assert_eq!(sim.flushed().len(), 11);
    let counters = sim.server.counters();
    assert_eq!((counters.composed_updates, counters.sent_updates), (1, 10));
}

#[test]
fn conditions_make_rows_come_and_go() {
    let mut sim = Sim::new();
    let a = sim.server.open_session();
    let over = |n: i64| json!([{"columns": ["i"], "where": [["i", ">", n]]}]);
    let zero = "00000000-0000-0000-0000-000000000000";
    let reply = sim.ask(a, "monitor_cond_since", json!(["P", "m", {"T": over(5)}, zero]));
    assert_eq!(reply["result"], json!([false, zero, {}]));
    let row_says = |sim: &mut Sim, i: i64| {
        sim.transact(a, json!([{"op": "update", "table": "T", "where": [["n", "==", "a"]], "row": {"i": i}}]), 2);
        let heard = sim.flushed();
        (heard.len() == 2).then(|| {
            let rows = heard[0].1["params"][2]["T"].as_object().unwrap().clone();
            rows.into_iter().next().unwrap().1
        })
    };
    sim.transact(a, json!([insert("a")]), 1);
    assert_eq!(sim.flushed().len(), 1);
    assert_eq!(row_says(&mut sim, 6), Some(json!({"insert": {"i": 6}})));
    assert_eq!(row_says(&mut sim, 7), Some(json!({"modify": {"i": 7}})));
    assert_eq!(row_says(&mut sim, 1), Some(json!({"delete": null})));
    assert_eq!(row_says(&mut sim, 2), None);
    sim.say(a, "monitor_cond_change", json!(["m", "m2", {"T": [{"where": [["i", "<", 5]]}]}]), 9);
    let heard = sim.flushed();
    assert_eq!(heard[0].1["method"], "update3");
    assert_eq!(heard[0].1["params"][0], "m2");
    assert_eq!(heard[1].1, json!({"id": 9, "result": {}, "error": null}));
    assert_eq!(sim.ask(a, "monitor_cancel", json!(["m"]))["error"], "unknown monitor");
    assert_eq!(sim.ask(a, "monitor_cancel", json!(["m2"]))["result"], json!({}));
}

#[test]
fn weak_references_go_with_their_row_and_garbage_with_its_last_reference() {
    let mut sim = Sim::new();
    let a = sim.server.open_session();
    sim.transact(
        a,
        json!([
            {"op": "insert", "table": "C", "row": {"n": "c"}, "uuid-name": "c"},
            {"op": "insert", "table": "T", "row": {"n": "strong", "c": ["named-uuid", "c"]}},
            {"op": "insert", "table": "T", "row": {"n": "weak", "w": ["named-uuid", "c"]}},
            {"op": "insert", "table": "C", "row": {"n": "nobody's"}}
        ]),
        1,
    );
    sim.flushed();
    let rows = |sim: &Sim, table: usize| sim.server.database("P").unwrap().tables()[table].len();
    assert_eq!(rows(&sim, 0), 1);
    sim.transact(a, json!([{"op": "delete", "table": "T", "where": [["n", "==", "strong"]]}]), 2);
    sim.flushed();
    assert_eq!(rows(&sim, 0), 0);
    let reply = sim.ask(a, "transact", json!(["P", {"op": "select", "table": "T", "where": [], "columns": ["w"]}]));
    assert_eq!(reply["result"], json!([{"rows": [{"w": ["set", []]}]}]));
}

#[test]
fn two_rows_with_one_key_are_named_in_a_fixed_order() {
    let mut sim = Sim::new();
    let a = sim.server.open_session();
    let row = |i: i64| json!({"op": "insert", "table": "T", "row": {"n": "same", "i": i}});
    for (first, second) in [(1, 2), (2, 1)] {
        sim.transact(a, json!([row(first), row(second)]), 1);
        let reply = sim.flushed().remove(0).1;
        let greater = &reply["result"][usize::from(second > first)]["uuid"][1];
        let text = reply["result"][2]["details"].as_str().unwrap();
        assert!(text.contains("identical values (same) for index on column \"n\""), "{text}");
        assert!(text.contains(&format!("First row, with UUID {}", greater.as_str().unwrap())), "{text}");
    }
}

#[test]
fn what_is_ephemeral_is_not_in_the_log() {
    let mut sim = Sim::new();
    let a = sim.server.open_session();
    sim.transact(a, json!([insert("a")]), 1);
    sim.flushed();
    let before = sim.log.bytes();
    let status = json!(["map", [["state", "up"]]]);
    sim.transact(a, json!([{"op": "update", "table": "T", "where": [], "row": {"status": status}}]), 2);
    assert_eq!(sim.flushed()[0].1["result"], json!([{"count": 1}]));
    assert_eq!(sim.log.bytes(), before);
}

#[test]
fn the_server_database_lists_databases_and_is_not_written_to() {
    let mut sim = Sim::new();
    let a = sim.server.open_session();
    let select = json!({"op": "select", "table": "Database", "where": [], "columns": ["name", "model", "leader"]});
    let mut rows = sim.ask(a, "transact", json!(["_Server", select]))["result"][0]["rows"].take();
    rows.as_array_mut().unwrap().sort_by_key(|r| r["name"].to_string());
    let row = |name: &str| json!({"name": name, "model": "standalone", "leader": true});
    assert_eq!(rows, json!([row("P"), row("_Server")]));
    let delete = json!({"op": "delete", "table": "Database", "where": []});
    assert_eq!(sim.ask(a, "transact", json!(["_Server", delete]))["result"][0]["error"], "not allowed");
    assert_eq!(sim.ask(a, "list_dbs", json!([]))["result"], json!(["P", "_Server"]));
}

#[test]
fn removing_a_database_tells_the_aware_and_hangs_up_on_others() {
    let mut sim = Sim::new();
    let (aware, other) = (sim.server.open_session(), sim.server.open_session());
    sim.ask(aware, "set_db_change_aware", json!([true]));
    sim.ask(aware, "monitor", json!(["P", "m", {"T": {}}]));
    sim.ask(aware, "monitor", json!(["_Server", "s", {"Database": {"columns": ["name"]}}]));
    sim.server.remove_database("P").unwrap();
    let heard = sim.flushed();
    assert_eq!(heard[0], (aware, json!({"id": null, "method": "monitor_canceled", "params": ["m"]})));
    assert_eq!(heard[1].0, other);
    assert!(heard[1].1["close"].is_string());
    assert_eq!(heard[2].1["method"], "update");
    assert_eq!(sim.ask(aware, "get_schema", json!(["P"]))["error"]["error"], "unknown database");
    assert!(sim.server.remove_database("_Server").is_err());
}

#[test]
fn conversion_keeps_what_both_schemas_have() {
    let mut sim = Sim::new();
    let a = sim.server.open_session();
    sim.ask(a, "set_db_change_aware", json!([true]));
    sim.transact(a, json!([insert("a")]), 1);
    sim.flushed();
    let wider = json!({"name": "P", "version": "2.0.0", "tables": {"T": {"columns": {
        "n": {"type": {"key": "string", "min": 0, "max": "unlimited"}}, "new": {"type": "boolean"}}}}});
    sim.say(a, "convert", json!(["P", wider]), 2);
    let reply = sim.flushed().pop().unwrap().1;
    assert_eq!(reply, json!({"id": 2, "result": {}, "error": null}));
    let select = json!(["P", {"op": "select", "table": "T", "where": [], "columns": ["n", "new"]}]);
    let rows = json!([{"rows": [{"n": "a", "new": false}]}]);
    assert_eq!(sim.ask(a, "transact", select.clone())["result"], rows);
    let strict = json!({"name": "P", "version": "3.0.0", "tables": {"T": {"columns": {
        "n": {"type": {"key": {"type": "string", "minLength": 5}}}}}}});
    assert_eq!(sim.ask(a, "convert", json!(["P", strict]))["error"]["error"], "constraint violation");
    assert_eq!(sim.ask(a, "transact", select)["result"], rows, "a refused conversion changes nothing");
    let (again, _) = Database::open(Box::new(MemoryStorage::new(sim.log.bytes()))).unwrap();
    assert_eq!(again.schema().version.as_deref(), Some("2.0.0"));
    assert_eq!(again.tables()[0].len(), 1);
}

#[test]
fn requests_that_make_no_sense_get_errors() {
    let mut sim = Sim::new();
    let a = sim.server.open_session();
    for (method, params, error) in [
        ("foo", json!([]), json!("unknown method")),
        (
            "transact",
            json!([]),
            json!({"syntax": "[]", "details": "transact request params must begin with <db-name>", "error": "syntax error"}),
        ),
        (
            "get_schema",
            json!(["zz"]),
            json!({"syntax": "[\"zz\"]", "details": "get_schema request specifies unknown database zz", "error": "unknown database"}),
        ),
        (
            "monitor",
            json!(["P"]),
            json!({"syntax": "[\"P\"]", "details": "invalid parameters", "error": "syntax error"}),
        ),
        ("monitor", json!(["P", 1, {"Z": {}}]), json!({"details": "no table named Z", "error": "syntax error"})),
        (
            "monitor_cond_change",
            json!(["x", "y", {}]),
            json!({"syntax": "\"x\"", "details": "unknown monitor session", "error": "syntax error"}),
        ),
        (
            "lock",
            json!(["a-b"]),
            json!({"syntax": "[\"a-b\"]", "details": "lock request params must be <id>", "error": "syntax error"}),
        ),
    ] {
        assert_eq!(sim.ask(a, method, params)["error"], error);
    }
    assert_eq!(sim.ask(a, "transact", json!(["P"]))["result"], json!([]));
    assert_eq!(sim.ask(a, "echo", json!([1, "a"]))["result"], json!([1, "a"]));
}

#[test]
fn remotes_are_found_in_columns() {
    let mut sim = Sim::new();
    let a = sim.server.open_session();
    sim.transact(a, json!([{"op": "insert", "table": "T", "row": {"target": ["set", ["ptcp:1", "punix:x"]]}}]), 1);
    sim.flushed();
    let found = sim.server.remotes_in("P", "T", "target").unwrap();
    assert_eq!(found.iter().map(|r| r.target.as_str()).collect::<Vec<_>>(), ["ptcp:1", "punix:x"]);
    let error = sim.server.remotes_in("P", "T", "zz").unwrap_err();
    assert_eq!(error, "\"db:P,T,zz\": table \"T\" has no column \"zz\"");
}
