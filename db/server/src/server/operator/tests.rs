//! Stories about history, undoing and confirming, in virtual time.

use super::*;
use crate::storage::MemoryStorage;
use crate::storage::Storage;
use weft_base::SimClock;
use weft_ovsdb::DatabaseSchema;

struct Sim {
    server: Server,
    clock: Arc<SimClock>,
    log: MemoryStorage,
    client: SessionId,
}

fn schema() -> DatabaseSchema {
    let json = json!({"name": "P", "version": "1.0.0", "tables": {
        "T": {"isRoot": true, "columns": {
            "name": {"type": "string"},
            "i": {"type": "integer"},
            "c": {"type": {"key": {"type": "uuid", "refTable": "C"}, "min": 0, "max": "unlimited"}},
            "m": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
            "status": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}, "ephemeral": true}
        }, "indexes": [["name"]]},
        "C": {"columns": {"name": {"type": "string"}}}
    }});
    DatabaseSchema::from_json(&json).unwrap()
}

impl Sim {
    fn new() -> Sim {
        let (db, log) = Database::in_memory(&schema());
        drop(db);
        Sim::over(log, Arc::new(SimClock::new(Time::from_millis(1_000))))
    }

    fn over(log: MemoryStorage, clock: Arc<SimClock>) -> Sim {
        let mut server = Server::new(clock.clone());
        server.add_database(Database::open(Box::new(log.clone())).unwrap().0).unwrap();
        let client = server.open_session();
        while server.poll().is_some() {}
        Sim { server, clock, log, client }
    }

    /// The server's process ends at once; another one takes over after `away`.
    fn restarted(self, away: Duration) -> Sim {
        self.clock.advance(away);
        Sim::over(self.log, self.clock)
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        let Value::Array(params) = params else { panic!("params are an array") };
        let params = [vec![json!("P")], params].concat();
        self.server.on_message(self.client, Message::request(method, params, 1));
        self.server.flush();
        let mut last = Value::Null;
        while let Some(output) = self.server.poll() {
            if let Output::Send(_, text) = output {
                let mut bytes = Vec::new();
                text.write_to(&mut bytes);
                last = serde_json::from_slice(&bytes).unwrap();
            }
        }
        self.clock.advance(Duration::from_millis(1));
        last
    }

    /// Commits and gives the commit's name.
    fn commit(&mut self, comment: &str, operation: Value) -> String {
        let reply = self.ask("transact", json!([operation, {"op": "comment", "comment": comment}]));
        assert!(!reply.to_string().contains("details"), "{reply}");
        self.history()[0]["id"].as_str().unwrap().to_owned()
    }

    fn history(&mut self) -> Vec<Value> {
        self.ask("weft_history", json!([{}]))["result"]["commits"].as_array().unwrap().clone()
    }

    fn pending(&mut self) -> Value {
        self.ask("weft_history", json!([{}]))["result"]["pending"].clone()
    }

    fn row(&mut self) -> Value {
        let select = json!([{"op": "select", "table": "T", "where": [["name", "==", "a"]], "columns": ["i", "m"]}]);
        self.ask("transact", select)["result"][0]["rows"][0].clone()
    }

    fn wait(&mut self, by: Duration) {
        self.clock.advance(by);
        let due = self.server.next_deadline().is_some_and(|at| at <= self.clock.now());
        if due {
            self.server.on_deadline();
        }
    }
}

fn insert(name: &str) -> Value {
    json!({"op": "insert", "table": "T", "row": {"name": name}})
}

fn set(i: i64) -> Value {
    json!({"op": "update", "table": "T", "where": [["name", "==", "a"]], "row": {"i": i}})
}

fn map(key: &str, value: &str) -> Value {
    let add = json!(["map", [[key, value]]]);
    json!({"op": "mutate", "table": "T", "where": [["name", "==", "a"]], "mutations": [["m", "insert", add]]})
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn history_says_who_when_and_what() {
    let mut sim = Sim::new();
    let id = sim.commit("anna: first", insert("a"));
    sim.commit("anna: second", set(5));
    let history = sim.history();
    assert_eq!(history.len(), 2);
    assert_eq!(history[0]["comment"], "anna: second");
    assert_eq!(history[0]["rows"][0]["old"], json!({"i": 0}));
    assert_eq!(history[0]["rows"][0]["new"], json!({"i": 5}));
    assert_eq!(history[0]["rows"][0]["name"], "a");
    assert_eq!(history[1]["id"], id);
    assert_eq!(history[1]["rows"][0]["what"], "insert");
    let status = json!({"op": "update", "table": "T", "where": [], "row": {"status": ["map", [["up", "yes"]]]}});
    sim.ask("transact", json!([status]));
    assert_eq!(sim.history().len(), 2, "what is not kept is no commit");
}

#[test]
fn names_outlive_restarts_and_compactions() {
    let mut sim = Sim::new();
    sim.commit("1", insert("a"));
    sim.commit("2", set(5));
    let before = sim.history();
    let mut sim = sim.restarted(SECOND);
    assert_eq!(sim.history(), before);
    sim.server.compact(None).unwrap();
    assert_eq!(sim.history(), before);
    sim.commit("3", set(6));
    let before = sim.history();
    assert_eq!(before.len(), 3);
    let mut sim = sim.restarted(SECOND);
    assert_eq!(sim.history(), before);
    // The note is older than the log: what is in both is there once.
    let mut bytes = Vec::new();
    crate::log::frame(&json!({"x": 1}).to_string(), &mut bytes);
    sim.server.compact(None).unwrap();
    assert_eq!(sim.restarted(SECOND).history(), before);
}

#[test]
fn a_commit_is_undone_in_a_new_one() {
    let mut sim = Sim::new();
    sim.commit("a", insert("a"));
    let five = sim.commit("five", set(5));
    let reply = sim.ask("weft_revert", json!([five, {"comment": "bert"}]));
    assert_eq!(reply["error"], Value::Null, "{reply}");
    assert_eq!(sim.row()["i"], 0);
    let undone = sim.history()[0].clone();
    assert_eq!(undone["comment"], format!("bert\nrevert {five}: five"));
    // Undoing that brings it back.
    sim.ask("weft_revert", json!([undone["id"]]));
    assert_eq!(sim.row()["i"], 5);
}

#[test]
fn later_changes_of_the_same_cell_are_in_the_way_those_of_others_are_not() {
    let mut sim = Sim::new();
    sim.commit("a", insert("a"));
    let five = sim.commit("five", set(5));
    let six = sim.commit("six", set(6));
    let error = sim.ask("weft_revert", json!([five]))["error"]["details"].as_str().unwrap().to_owned();
    assert_eq!(error, format!("cannot undo {five}: changed since: T a: i was 5 and is 6 now (by commit {six})"));
    let x = sim.commit("x", map("x", "1"));
    sim.commit("y", map("y", "1"));
    assert_eq!(sim.ask("weft_revert", json!([x]))["error"], Value::Null);
    assert_eq!(sim.row(), json!({"i": 6, "m": ["map", [["y", "1"]]]}));
    let error = sim.ask("weft_revert", json!(["ffffffff"]))["error"]["error"].clone();
    assert_eq!(error, "unknown commit");
}

#[test]
fn rows_that_went_come_back_with_all_that_hung_on_them() {
    let mut sim = Sim::new();
    let named = json!(["named-uuid", "c"]);
    sim.ask(
        "transact",
        json!([
            {"op": "insert", "table": "C", "uuid-name": "c", "row": {"name": "child"}},
            {"op": "insert", "table": "T", "row": {"name": "a", "c": named, "i": 3}}
        ]),
    );
    let all = json!([
        {"op": "select", "table": "T", "where": [], "columns": ["_uuid", "name", "c", "i"]},
        {"op": "select", "table": "C", "where": [], "columns": ["_uuid", "name"]}
    ]);
    let before = sim.ask("transact", all.clone())["result"].clone();
    let gone = sim.commit("gone", json!({"op": "delete", "table": "T", "where": []}));
    assert_eq!(sim.ask("weft_revert", json!([gone]))["error"], Value::Null);
    assert_eq!(sim.ask("transact", all)["result"], before);
    // A row that came is taken away only while it is as it came.
    let b = sim.commit("b", insert("b"));
    sim.commit("b 2", json!({"op": "update", "table": "T", "where": [["name", "==", "b"]], "row": {"i": 2}}));
    let error = sim.ask("weft_revert", json!([b]))["error"]["details"].as_str().unwrap().to_owned();
    assert!(error.contains("T b: i was 0 and is 2 now"), "{error}");
}

#[test]
fn what_is_not_confirmed_is_taken_back() {
    let mut sim = Sim::new();
    sim.commit("a", insert("a"));
    let reply = sim.ask("weft_transact", json!([{"confirm": 60}, set(5)]));
    assert_eq!(reply["result"]["results"][0], json!({"count": 1}));
    assert_eq!(sim.row()["i"], 5);
    let second = sim.ask("weft_transact", json!([{"confirm": 60}, set(6)]));
    assert_eq!(second["error"]["error"], "busy");
    // Whoever asked may be gone.
    sim.server.close_session(sim.client);
    sim.client = sim.server.open_session();
    sim.wait(59 * SECOND);
    assert_eq!(sim.row()["i"], 5);
    sim.wait(SECOND);
    assert_eq!(sim.row()["i"], 0);
    let comment = sim.history()[0]["comment"].as_str().unwrap().to_owned();
    assert!(comment.starts_with("roll back ") && comment.contains("not confirmed within 60 s"), "{comment}");
    assert_eq!(sim.pending(), Value::Null);
    assert_eq!(sim.ask("weft_confirm", json!([{}]))["error"]["error"], "not pending");
}

#[test]
fn what_is_confirmed_stands_over_a_restart_too() {
    let mut sim = Sim::new();
    sim.commit("a", insert("a"));
    sim.ask("weft_transact", json!([{"confirm": 60}, set(5)]));
    assert_eq!(sim.ask("weft_confirm", json!([{}]))["error"], Value::Null);
    sim.wait(61 * SECOND);
    assert_eq!(sim.row()["i"], 5);
    let mut sim = sim.restarted(100 * SECOND);
    assert_eq!(sim.row()["i"], 5);
}

#[test]
fn a_restarted_server_goes_on_waiting() {
    let mut sim = Sim::new();
    sim.commit("a", insert("a"));
    sim.ask("weft_transact", json!([{"confirm": 60}, set(5)]));
    let mut sim = sim.restarted(30 * SECOND);
    assert_eq!(sim.row()["i"], 5);
    let left = sim.pending()["left"].as_u64().unwrap();
    assert!((29_000..=30_000).contains(&left), "{left}");
    sim.wait(30 * SECOND);
    assert_eq!(sim.row()["i"], 0);
}

#[test]
fn a_server_that_was_down_for_too_long_takes_back_first() {
    let mut sim = Sim::new();
    sim.commit("a", insert("a"));
    sim.ask("weft_transact", json!([{"confirm": 60}, set(5)]));
    sim.server.compact(None).unwrap();
    let mut sim = sim.restarted(3600 * SECOND);
    assert_eq!(sim.row()["i"], 0);
    assert_eq!(sim.restarted(SECOND).row()["i"], 0);
}

#[test]
fn a_change_that_never_reached_the_log_is_not_taken_back() {
    let mut sim = Sim::new();
    sim.commit("a", insert("a"));
    let before = sim.log.bytes();
    sim.ask("weft_transact", json!([{"confirm": 60}, set(5)]));
    let note = Storage::kept(&mut sim.log, NOTE).unwrap();
    let mut crashed = MemoryStorage::new(before);
    Storage::keep(&mut crashed, NOTE, Some(&note)).unwrap();
    let clock = sim.clock.clone();
    let mut sim = Sim::over(crashed, clock);
    assert_eq!((sim.pending(), sim.row()["i"].clone()), (Value::Null, json!(0)));
    // A log that is full takes neither the change nor leaves anything waiting.
    sim.log.set_full(true);
    let reply = sim.ask("weft_transact", json!([{"confirm": 60}, set(5)]));
    assert!(reply["error"].is_object(), "{reply}");
    assert_eq!((sim.pending(), sim.row()["i"].clone()), (Value::Null, json!(0)));
}

#[test]
fn a_backup_takes_nothing_back_until_it_is_active() {
    let mut sim = Sim::new();
    sim.commit("a", insert("a"));
    sim.ask("weft_transact", json!([{"confirm": 60}, set(5)]));
    sim.server.set_read_only(true);
    sim.wait(61 * SECOND);
    assert_eq!((sim.row()["i"].clone(), sim.server.next_deadline()), (json!(5), None));
    for method in ["weft_revert", "weft_transact", "weft_confirm"] {
        assert_eq!(sim.ask(method, json!([{"confirm": 60}]))["error"]["error"], "not allowed");
    }
    sim.server.set_read_only(false);
    sim.wait(SECOND);
    assert_eq!(sim.row()["i"], 0);
}

#[test]
fn what_others_changed_meanwhile_stays_theirs() {
    let mut sim = Sim::new();
    sim.commit("a", insert("a"));
    sim.ask("weft_transact", json!([{"confirm": 60}, set(5), map("x", "1")]));
    sim.commit("other", set(7));
    sim.wait(60 * SECOND);
    assert_eq!(sim.row(), json!({"i": 7, "m": ["map", []]}));
}

#[test]
fn a_rollback_may_be_asked_for() {
    let mut sim = Sim::new();
    sim.commit("a", insert("a"));
    sim.ask("weft_transact", json!([{"confirm": 60}, set(5)]));
    let reply = sim.ask("weft_confirm", json!([{"rollback": true}]));
    assert_eq!(reply["result"]["rolled_back"], true);
    assert_eq!(sim.row()["i"], 0);
    for bad in [json!([{"confirm": 0}, set(1)]), json!([{}, set(1)]), json!([3, set(1)]), json!([])] {
        assert!(sim.ask("weft_transact", bad)["error"].is_object());
    }
    // A transaction that fails leaves nothing to confirm.
    sim.ask("weft_transact", json!([{"confirm": 60}, {"op": "abort"}]));
    assert_eq!(sim.pending(), Value::Null);
}
