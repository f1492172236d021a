//! Stories of a replica whose server is the test.

use super::*;
use crate::{Atom, Datum, Uuid, open_vswitch};
use serde_json::{Value, json};
use std::sync::Arc;
use weft_jsonrpc::message::Message;

const BR0: &str = "00000000-0000-0000-0000-0000000000b0";
const ROOT: &str = "00000000-0000-0000-0000-00000000000a";

fn uuid(text: &str) -> Uuid {
    text.parse().unwrap()
}

fn select() -> Select {
    Select::default().columns("Open_vSwitch", &["bridges", "next_cfg", "nonsense"]).table("Bridge")
}

fn contents() -> Value {
    json!({
        "Open_vSwitch": {ROOT: {"initial": {"bridges": ["uuid", BR0], "next_cfg": 3}}},
        "Bridge": {BR0: {"initial": {"name": "br0", "other_config": ["map", [["a", "1"], ["b", "2"]]]}}},
    })
}

fn replica() -> Replica {
    let mut replica = Replica::new(Arc::new(open_vswitch::schema()), &select());
    replica.apply_update2(&contents()).unwrap();
    replica
}

/// Answers the schema request and returns the monitor request's method and id.
fn up_to_monitor(client: &mut Client) -> (String, Value) {
    client.on_connected();
    let Some(Message::Request { method, id, .. }) = client.poll_message() else { panic!() };
    assert_eq!(method, "get_schema");
    client.on_message(Message::Reply { id, result: open_vswitch::schema().to_json() });
    next_request(client)
}

fn next_request(client: &mut Client) -> (String, Value) {
    let Some(Message::Request { method, id, .. }) = client.poll_message() else { panic!() };
    (method, id)
}

#[test]
fn differences_are_applied_and_recorded() {
    let mut replica = replica();
    let row = replica.row("Bridge", uuid(BR0)).unwrap();
    assert_eq!(row.str("name"), Some("br0"));
    assert_eq!(row.map_str("other_config", "b"), Some("2"));
    assert_eq!(row.uuids("ports").count(), 0);
    let diff = json!({"Bridge": {BR0: {"modify": {"other_config": ["map", [["a", "1"], ["b", "3"], ["c", "4"]]]}}}});
    let changes = replica.apply_update2(&diff).unwrap();
    let row = replica.row("Bridge", uuid(BR0)).unwrap();
    assert_eq!(row.get("other_config").unwrap(), &Datum::map_of([("b", "3"), ("c", "4")]));
    assert!(changes.touches(&replica, "Bridge", "other_config"));
    assert!(!changes.touches(&replica, "Bridge", "name"));
    let changes = replica.apply_update2(&json!({"Bridge": {BR0: {"delete": null}}})).unwrap();
    assert!(changes.touches(&replica, "Bridge", "name"));
    assert!(replica.table("Bridge").unwrap().is_empty());
}

#[test]
fn a_bad_update_changes_nothing() {
    let mut replica = replica();
    let before = format!("{replica:?}");
    for bad in [
        json!([]),
        json!({"Bridge": {"x": {"delete": null}}}),
        json!({"Bridge": {BR0: {"modify": {"name": 3}}}}),
        json!({"Bridge": {BR0: {"delete": null}, ROOT: {"modify": {}}}}),
        json!({"Bridge": {BR0: {"explode": {}}}}),
    ] {
        assert!(replica.apply_update2(&bad).is_err(), "{bad}");
        assert_eq!(format!("{replica:?}"), before);
    }
    assert!(replica.apply_update(&json!({"Bridge": {BR0: {"new": {"name": []}}}})).is_err());
}

#[test]
fn older_servers_are_served_by_older_methods() {
    let mut client = Client::new("Open_vSwitch", select());
    let (method, id) = up_to_monitor(&mut client);
    assert_eq!(method, "monitor_cond_since");
    client.on_message(Message::Error { id, error: json!({"error": "unknown method"}) });
    let (method, id) = next_request(&mut client);
    assert_eq!(method, "monitor_cond");
    client.on_message(Message::Error { id, error: json!("unknown method") });
    let (method, id) = next_request(&mut client);
    assert_eq!(method, "monitor");
    let rows = json!({"Bridge": {BR0: {"new": {"name": "br0"}}}});
    client.on_message(Message::Reply { id, result: rows });
    assert!(matches!(client.poll_event(), Some(Event::Ready(changes)) if changes.rows("Bridge").count() == 1));
    let update = json!({"Bridge": {BR0: {"old": {"name": "br0"}}}});
    client.on_message(Message::notify("update", vec![json!("replica"), update]));
    assert!(matches!(client.poll_event(), Some(Event::Changed(_))));
    assert!(client.replica().unwrap().table("Bridge").unwrap().is_empty());
}

#[test]
fn after_a_reconnect_only_the_difference_is_told() {
    let mut client = Client::new("Open_vSwitch", select());
    let (_, id) = up_to_monitor(&mut client);
    client.on_message(Message::Reply { id, result: json!([false, BR0, contents()]) });
    assert!(matches!(client.poll_event(), Some(Event::Ready(_))));
    let transaction = {
        let mut transaction = Transaction::new(client.replica().unwrap());
        transaction.set("Bridge", uuid(BR0), "stp_enable", Datum::from(Atom::Boolean(true)));
        transaction.request().unwrap()
    };
    let token = client.transact(transaction);
    client.on_disconnected("cut".to_string());
    assert!(matches!(client.poll_event(), Some(Event::Committed(of, Outcome::TryAgain)) if of == token));
    assert!(matches!(client.poll_event(), Some(Event::Disconnected(_))));
    client.on_connected();
    let (_, id) = next_request(&mut client);
    client.on_message(Message::Reply { id, result: open_vswitch::schema().to_json() });
    let Some(Message::Request { params, id, .. }) = client.poll_message() else { panic!() };
    assert_eq!(params[3], json!(BR0));
    let mut later = contents();
    later["Bridge"][BR0]["initial"]["stp_enable"] = json!(true);
    client.on_message(Message::Reply { id, result: json!([false, ROOT, later]) });
    let Some(Event::Ready(changes)) = client.poll_event() else { panic!() };
    let change = changes.rows("Bridge").next().unwrap().1;
    assert_eq!(change.columns().count(), 1);
    assert!(changes.rows("Open_vSwitch").next().is_none());
}

#[test]
fn transactions_see_their_own_writes_and_send_only_what_differs() {
    let replica = replica();
    let mut tx = Transaction::new(&replica);
    assert!(tx.request().is_none());
    tx.set("Bridge", uuid(BR0), "name", Datum::from(Atom::from("br0")));
    assert!(tx.request().is_none());
    let port = tx.insert("Bridge").unwrap();
    tx.set("Bridge", port, "name", Datum::from(Atom::from("br1")));
    tx.verify("Open_vSwitch", uuid(ROOT), "bridges");
    tx.set("Open_vSwitch", uuid(ROOT), "bridges", Datum::set_of([uuid(BR0), port].map(Atom::Uuid)));
    tx.increment("Open_vSwitch", uuid(ROOT), "next_cfg");
    tx.comment("test");
    assert_eq!(tx.rows("Bridge").len(), 2);
    assert_eq!(tx.get("Bridge", port, "name").unwrap().as_str(), Some("br1"));
    let request = tx.request().unwrap();
    let kinds: Vec<&str> = request.operations.iter().map(|op| op["op"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["wait", "insert", "update", "mutate", "select", "comment"]);
    assert_eq!(request.operations[1]["row"], json!({"name": "br1"}));
    let name = request.operations[1]["uuid-name"].clone();
    assert!(request.operations[2]["row"]["bridges"][1].as_array().unwrap().contains(&json!(["named-uuid", name])));
    let results = json!([{}, {"uuid": ["uuid", ROOT]}, {"count": 1}, {"count": 1}, {"rows": [{"next_cfg": 4}]}, {}]);
    let Outcome::Success { uuids, increment } = request.outcome(Ok(&results)) else { panic!() };
    assert_eq!((uuids[&port], increment), (uuid(ROOT), Some(4)));
    assert_eq!(request.outcome(Ok(&json!([{"error": "timed out"}]))), Outcome::TryAgain);
    assert_eq!(
        request.outcome(Ok(&json!([{}, {"error": "constraint violation", "details": "d"}]))),
        Outcome::Error(r#"{"details":"d","error":"constraint violation"}"#.to_string())
    );
    tx.delete("Bridge", port);
    tx.delete("Bridge", uuid(BR0));
    assert!(tx.rows("Bridge").is_empty());
}

#[test]
fn a_big_set_that_grows_is_sent_as_the_difference() {
    let mut replica = replica();
    let ports: Vec<Value> = (1..4).map(|n| json!(["uuid", Uuid::from_u128(n).to_string()])).collect();
    let initial = json!({"Bridge": {BR0: {"modify": {"ports": ["set", ports]}}}});
    replica.apply_update2(&initial).unwrap();
    let change = |to: Vec<u128>, verified: bool| {
        let mut tx = Transaction::new(&replica);
        if verified {
            tx.verify("Bridge", uuid(BR0), "ports");
        }
        tx.set("Bridge", uuid(BR0), "ports", Datum::set_of(to.into_iter().map(|n| Atom::Uuid(Uuid::from_u128(n)))));
        tx.request().unwrap().operations.last().cloned().unwrap()
    };
    let named = |n: u128| json!(["uuid", Uuid::from_u128(n).to_string()]);
    assert_eq!(change(vec![1, 2, 3, 4], true)["mutations"], json!([["ports", "insert", named(4)]]));
    assert_eq!(change(vec![1, 3], true)["mutations"], json!([["ports", "delete", named(2)]]));
    for (to, verified) in [(vec![1, 2, 3, 4], false), (vec![1, 2, 4], true), (vec![], true)] {
        assert_eq!(change(to, verified)["op"], "update");
    }
}

#[test]
fn a_choice_may_wait_for_the_schema() {
    let select = Select::chosen_by(|schema| match schema.table("Manager") {
        Some(_) => Select::default().columns("Manager", &["target"]),
        None => Select::everything(),
    });
    let replica = Replica::new(Arc::new(open_vswitch::schema()), &select);
    let tables: Vec<_> = replica.tables().map(|(name, table)| (name, table.selected().collect::<Vec<_>>())).collect();
    assert_eq!(tables, [("Manager", vec!["target"])]);
}

#[test]
fn any_update_is_applied_or_refused() {
    bolero::check!().with_type::<(String, String, u8)>().for_each(|(a, b, shape)| {
        let mut replica = replica();
        let value = match shape % 4 {
            0 => json!({"Bridge": {BR0: {a: {b: 1}}}}),
            1 => json!({"Bridge": {BR0: {"modify": {a: b}}}}),
            2 => json!({"Bridge": {a: {"insert": {b: 1}}}}),
            _ => json!({a: b}),
        };
        let _ = replica.apply_update2(&value);
        let _ = replica.apply_update(&value);
    });
}

#[test]
fn rows_are_found_by_what_they_hold_now() {
    let replica = replica();
    let mut tx = Transaction::new(&replica);
    let name = |text: &str| Atom::from(text);
    let old = uuid(BR0);
    assert_eq!(tx.find("Bridge", "name", &name("br0")), [old]);
    let new = tx.insert("Bridge").unwrap();
    assert_eq!(tx.find("Bridge", "name", &name("")), [new]);
    tx.set("Bridge", new, "name", name("br1").into());
    assert!(tx.find("Bridge", "name", &name("")).is_empty());
    tx.set("Bridge", old, "name", name("br1").into());
    let mut both = vec![old, new];
    both.sort_unstable();
    assert_eq!(tx.find("Bridge", "name", &name("br1")), both);
    tx.delete("Bridge", new);
    tx.delete("Bridge", old);
    tx.delete("Bridge", old);
    tx.set("Bridge", old, "name", name("br1").into());
    assert!(tx.find("Bridge", "name", &name("br1")).is_empty());
    assert!(!tx.contains("Bridge", old) && !tx.contains("Bridge", new) && !tx.contains("Port", uuid(ROOT)));
    assert!(tx.find("Bridge", "nonsense", &name("x")).is_empty() && tx.find("Nope", "name", &name("x")).is_empty());
}
