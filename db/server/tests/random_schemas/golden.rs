//! What random rounds found, once for each: requests and the words that Open vSwitch 3.1 has for them.

use serde_json::{Value, json};
use std::sync::Arc;
use weft_base::SystemClock;
use weft_jsonrpc::message::Message;
use weft_ovsdb::DatabaseSchema;
use weft_server::database::Database;
use weft_server::server::{Output, Server, SessionId};

struct Ours {
    server: Server,
    clients: Vec<SessionId>,
}

impl Ours {
    fn new() -> Ours {
        let schema = json!({"name": "P", "version": "1.0.0", "tables": {
            "T": {"isRoot": true, "columns": {
                "i": {"type": "integer"},
                "e": {"type": {"key": {"type": "integer", "enum": ["set", [1, 2, 4]]}, "min": 0, "max": "unlimited"}},
                "m": {"type": {"key": "string", "value": "integer", "min": 0, "max": "unlimited"}},
                "one": {"type": {"key": "string", "value": "integer", "min": 1, "max": 1}}
            }},
            "W": {"isRoot": true, "maxRows": 1, "columns": {
                "w": {"type": {"key": {"type": "uuid", "refTable": "T", "refType": "weak"}}}
            }},
            "M": {"isRoot": true, "columns": {
                "m": {"type": {"key": {"type": "uuid", "refTable": "T", "refType": "weak"},
                               "value": {"type": "uuid", "refTable": "T"}, "min": 0, "max": "unlimited"}}
            }}
        }});
        let mut server = Server::new(Arc::new(SystemClock::new()));
        let (db, _) = Database::in_memory(&DatabaseSchema::from_json(&schema).unwrap());
        server.add_database(db).unwrap();
        let clients = (0..3).map(|_| server.open_session()).collect();
        while server.poll().is_some() {}
        Ours { server, clients }
    }

    /// What all clients hear of a request: who, and the method, the result or the error.
    fn ask(&mut self, client: usize, method: &str, params: Value) -> Vec<(usize, Value)> {
        let Value::Array(params) = params else { panic!("params are an array") };
        self.server.on_message(self.clients[client], Message::request(method, params, 1));
        self.server.flush();
        let said = std::iter::from_fn(|| self.server.poll());
        said.map(|output| {
            let Output::Send(session, text) = output else { panic!("{output:?}") };
            let mut bytes = Vec::new();
            text.write_to(&mut bytes);
            let message: Value = serde_json::from_slice(&bytes).unwrap();
            let part =
                ["method", "error", "result"].into_iter().map(|name| &message[name]).find(|part| !part.is_null());
            (self.clients.iter().position(|c| *c == session).unwrap(), part.unwrap().clone())
        })
        .collect()
    }

    /// The details of the error of a transaction.
    fn details(&mut self, operations: Value) -> String {
        let mut params = vec![json!("P")];
        params.extend(operations.as_array().unwrap().iter().cloned());
        let said = self.ask(0, "transact", params.into());
        let results = said.last().unwrap().1.as_array().unwrap().clone();
        let error = results.into_iter().find(|r| r["error"].is_string()).expect("it is refused");
        error["details"].as_str().unwrap().to_owned()
    }
}

const UUID: &str = "00000000-0000-4000-8000-000000000001";

#[test]
fn of_several_faults_the_first_is_told() {
    let mut ours = Ours::new();
    let not_allowed = "Parsing ovsdb operation 1 of 1 failed: Member 'zzz' is present but not allowed here.";
    for operation in [
        json!({"op": "select", "table": "T", "where": [["q", "==", 1]], "columns": ["q"], "zzz": 1}),
        json!({"op": "update", "table": "T", "where": [], "row": {"q": 1}, "zzz": 1}),
        json!({"op": "mutate", "table": "T", "where": [], "mutations": [["q", "+=", 1]], "zzz": 1}),
        json!({"op": "delete", "table": "T", "where": [["q", "==", 1]], "zzz": 1}),
        json!({"op": "wait", "table": "T", "where": [["q", "==", 1]], "rows": [{"q": 1}], "until": "x", "zzz": 1}),
    ] {
        assert_eq!(ours.details(json!([operation])), not_allowed, "{operation}");
    }
    let wait = |more: Value| {
        let mut wait = json!({"op": "wait", "table": "T", "where": [], "rows": [], "until": "==", "timeout": 0});
        wait.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([wait])
    };
    let zz = json!(["zz"]);
    assert_eq!(
        ours.details(wait(json!({"columns": zz, "timeout": -1, "until": "x"}))),
        "zz is not a valid column name"
    );
    assert_eq!(ours.details(wait(json!({"timeout": -1, "until": "x"}))), "timeout must be nonnegative");
    assert_eq!(ours.details(wait(json!({"until": "x", "rows": [{"q": 1}]}))), "\"until\" must be \"==\" or \"!=\"");
    assert!(
        ours.details(wait(json!({"timeout": 1e30, "until": "x"}))).ends_with("Type mismatch for member 'timeout'.")
    );

    let taken =
        "This UUID would duplicate a UUID already present within the table or deleted within the same transaction.";
    let insert = |row: Value| json!({"op": "insert", "table": "T", "uuid": UUID, "row": row});
    assert_eq!(ours.details(json!([insert(json!({"one": ["map", [["a", 1]]]})), insert(json!({"q": 1}))])), taken);
    let named = |row: Value| json!({"op": "insert", "table": "T", "uuid-name": "n", "row": row});
    let twice = "This \"uuid-name\" appeared on an earlier \"insert\" operation.";
    assert_eq!(ours.details(json!([named(json!({})), named(json!({"q": 1}))])), twice);

    let row = |row: Value| json!([{"op": "insert", "table": "T", "row": row}]);
    let allowed = "9 is not one of the allowed values ([1, 2, 4])";
    assert_eq!(ours.details(row(json!({"e": ["set", [1, 1, 9]]}))), allowed);
    assert_eq!(ours.details(row(json!({"e": ["set", [1, 9, "x"]]}))), allowed);
    assert_eq!(ours.details(row(json!({"e": ["set", [1], 2]}))), "expected [\"set\", <array>]");
}

#[test]
fn words_about_values_and_types() {
    let mut ours = Ours::new();
    let condition = json!([{"op": "delete", "table": "T", "where": [["one", "<", ["map", [["a", 1]]]]]}]);
    let text =
        "Type mismatch: \"<\" operator may not be applied to column one of type map of 1 to 1 (string, integer) pairs.";
    assert_eq!(ours.details(condition), text);
    let said = ours.ask(0, "transact", json!(["P", {"op": "a b", "x": [5.0, -2.5e-7, 1e30]}]));
    assert_eq!(said[0].1[0]["syntax"], "{\"op\":\"a b\",\"x\":[5,-2.5e-07,1e+30]}");
}

#[test]
fn results_of_arithmetic_are_looked_at_one_by_one() {
    let mut ours = Ours::new();
    let insert = json!({"op": "insert", "table": "T", "row": {"e": ["set", [1, 2]]}});
    let divide = json!({"op": "mutate", "table": "T", "where": [], "mutations": [["e", "/=", 9]]});
    assert_eq!(ours.details(json!([insert, divide])), "0 is not one of the allowed values ([1, 2, 4])");
}

#[test]
fn rows_are_counted_before_weak_references_are_looked_at() {
    let mut ours = Ours::new();
    let insert = json!({"op": "insert", "table": "W", "row": {"w": ["uuid", UUID]}});
    let text = "transaction causes \"W\" table to contain 2 rows, greater than the schema-defined limit of 1 row(s)";
    assert_eq!(ours.details(json!([insert, insert])), text);
}

#[test]
fn words_about_monitors() {
    let mut ours = Ours::new();
    let error = |said: Vec<(usize, Value)>| said.last().unwrap().1.clone();
    assert_eq!(error(ours.ask(0, "monitor_cancel", json!([]))), "invalid parameters");
    let since = json!(["P", "m", {"T": []}, ["set", []]]);
    assert_eq!(error(ours.ask(0, "monitor_cond_since", since))["details"], "last-txn-id must be string");
    assert_eq!(ours.ask(0, "monitor_cond", json!(["P", "m", {"T": []}])), [(0, json!({}))]);
    let details = |said: Vec<(usize, Value)>| error(said)["details"].clone();
    assert_eq!(details(ours.ask(0, "monitor_cond", json!(["P", "m", 1]))), "monitor-requests must be object");
    let change = ours.ask(0, "monitor_cond_change", json!(["m", "m", {"T": 1}]));
    assert_eq!(details(change), "table T no monitor-cond-change JSON array");
    let change = error(ours.ask(0, "monitor_cond_change", json!(["m", "m", 1])));
    assert_eq!(change, json!({"details": "monitor-cond-change-requests must be object", "error": "syntax error"}));
}

#[test]
fn of_several_conditions_for_a_table_one_counts() {
    let mut ours = Ours::new();
    let insert = |i: i64| json!({"op": "insert", "table": "T", "row": {"i": i, "one": ["map", [["a", 1]]]}});
    ours.ask(1, "transact", json!(["P", insert(1), insert(2)]));
    let at = |column: &str, i: i64| json!({"columns": [column], "where": [["i", "==", i]]});
    let said = ours.ask(0, "monitor_cond", json!(["P", "m", {"T": [at("i", 1), at("e", 2)]}]));
    let rows: Vec<&Value> = said[0].1["T"].as_object().unwrap().values().collect();
    assert_eq!(rows, [&json!({"initial": {"i": 1}})]);
    let change = json!(["m", "m", {"T": [{"where": [["i", "==", 1]]}, {"where": [["i", "==", 2]]}]}]);
    assert_eq!(ours.ask(0, "monitor_cond_change", change).len(), 2, "one row goes and one comes, then the reply");
    assert_eq!(ours.ask(0, "monitor", json!(["P", "v1", {"T": [{"columns": ["i"]}]}])).len(), 1);
    let change = json!(["v1", "v1", {"T": [{"where": [["i", "==", 7]]}]}]);
    assert_eq!(ours.ask(0, "monitor_cond_change", change), [(0, json!({}))], "a plain monitor has no conditions");
}

#[test]
fn locks_that_are_given_up_or_stolen() {
    // Who asks for what, and who hears that it is the owner then; after `ovsdb-server` of 3.1.
    let story = |steps: &[(usize, &str)]| -> Vec<Vec<(usize, String)>> {
        let mut ours = Ours::new();
        let heard = steps.iter().map(|(client, method)| {
            let said = ours.ask(*client, method, json!(["l"]));
            said.into_iter().filter_map(|(who, part)| Some((who, part.as_str()?.to_owned()))).collect()
        });
        heard.collect()
    };
    let locked = |who: usize| vec![(who, "locked".to_owned())];
    let stolen = |who: usize| vec![(who, "stolen".to_owned())];
    let none = Vec::new;
    assert_eq!(story(&[(0, "lock"), (1, "lock"), (1, "unlock")]), [none(), none(), locked(0)]);
    assert_eq!(story(&[(0, "lock"), (1, "steal"), (1, "unlock")]), [none(), stolen(0), locked(0)]);
    let thieves = story(&[(0, "steal"), (1, "steal"), (1, "unlock"), (0, "unlock")]);
    assert_eq!(thieves, [none(), stolen(0), none(), none()]);
    let queue = story(&[(0, "lock"), (1, "lock"), (2, "steal"), (1, "unlock"), (0, "unlock"), (2, "unlock")]);
    assert_eq!(queue, [none(), none(), stolen(0), locked(2), locked(2), none()]);
}

#[test]
fn a_mandatory_reference_that_is_not_kept_does_not_keep_the_file_from_opening() {
    let schema = json!({"name": "P", "tables": {
        "T": {"isRoot": true, "columns": {"r": {"type": {"key": {"type": "uuid", "refTable": "C"}}, "ephemeral": true}}},
        "C": {"isRoot": true, "columns": {"n": {"type": "integer"}}}
    }});
    let (mut db, storage) = Database::in_memory(&DatabaseSchema::from_json(&schema).unwrap());
    let context = weft_server::exec::Context {
        owns_lock: &|_| false,
        elapsed: std::time::Duration::ZERO,
        read_only: false,
        client: None,
    };
    let operations = [
        json!({"op": "insert", "table": "C", "uuid-name": "c", "row": {"n": 1}}),
        json!({"op": "insert", "table": "T", "row": {"r": ["named-uuid", "c"]}}),
    ];
    db.execute(&operations, &context, 0);
    db.flush().unwrap();
    drop(db);
    let (mut db, _) = Database::open(Box::new(storage)).unwrap();
    assert_eq!(db.tables().iter().map(weft_server::table::Table::len).collect::<Vec<_>>(), [1, 1]);
    db.execute(&[json!({"op": "delete", "table": "T", "where": []})], &context, 0);
    db.flush().unwrap();
    assert!(db.tables()[1].is_empty());
}

#[test]
fn comments_and_snapshots_in_the_log() {
    let mut ours = Ours::new();
    let comment = |text: &str| json!({"op": "comment", "comment": text});
    let insert = json!({"op": "insert", "table": "T", "row": {"one": ["map", [["a", 1]]]}});
    ours.ask(0, "transact", json!(["P", insert, comment(""), comment("a"), comment(""), comment("b")]));
    let commits = ours.server.database("P").unwrap().history().commits();
    assert_eq!(commits.map(|commit| commit.comment.as_deref().unwrap_or_default()).collect::<Vec<_>>(), ["a\n\nb"]);
    let tables = ours.server.database("P").unwrap().tables();
    assert!(weft_server::log::snapshot(&[], "nothing", 5, true).contains("\"_comment\":\"nothing\""));
    assert!(!weft_server::log::snapshot(tables, "x", 5, false).contains("_is_diff"));
}

/// RFC 7047 section 3.2 protects rows that are referred to. Open vSwitch 3.1 goes on counting the reference of a pair that went
/// with its weak key and refuses to delete the row "because of 1 remaining reference(s)", until it has been started again.
#[test]
fn a_pair_that_goes_with_its_weak_key_holds_no_row() {
    let mut ours = Ours::new();
    let row = |i: u8| json!({"op": "insert", "table": "T", "uuid-name": format!("t{i}"), "row": {"i": i, "one": ["map", [["a", 1]]]}});
    let pair =
        json!({"op": "insert", "table": "M", "row": {"m": ["map", [[["named-uuid", "t1"], ["named-uuid", "t2"]]]]}});
    let delete = |i: u8| json!({"op": "delete", "table": "T", "where": [["i", "==", i]]});
    ours.ask(0, "transact", json!(["P", row(1), row(2), pair]));
    assert!(ours.details(json!([delete(2)])).ends_with("because of 1 remaining reference(s)"));
    assert_eq!(ours.ask(0, "transact", json!(["P", delete(1)])), [(0, json!([{"count": 1}]))]);
    let select = json!({"op": "select", "table": "M", "where": [], "columns": ["m"]});
    assert_eq!(ours.ask(0, "transact", json!(["P", select])), [(0, json!([{"rows": [{"m": ["map", []]}]}]))]);
    assert_eq!(ours.ask(0, "transact", json!(["P", delete(2)])), [(0, json!([{"count": 1}]))]);
}
