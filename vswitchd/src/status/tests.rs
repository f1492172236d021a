use super::*;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use weft_jsonrpc::message::Message;
use weft_ovsdb::replica::Client;
use weft_ovsdb::{Atom, open_vswitch};

const ID: &str = "00000000-0000-0000-0000-000000000001";

fn replica() -> Replica {
    let mut replica = Replica::new(Arc::new(open_vswitch::schema()), &crate::database::select());
    replica.apply_update2(&json!({"Interface": {ID: {"insert": {"name": "p1", "error": "old"}}}})).unwrap();
    replica
}

fn id() -> Uuid {
    ID.parse().unwrap()
}

fn number(n: i64) -> Datum {
    Datum::One(Atom::from(n))
}

/// A token to go with a request.
fn token(client: &mut Client, request: Request) -> Token {
    client.transact(request)
}

fn row(request: &Request) -> Value {
    request.operations[0]["row"].clone()
}

#[test]
fn only_what_differs_goes_out_and_once() {
    let replica = replica();
    let mut writer = Writer::default();
    writer.put("Interface", id(), "ofport", number(1));
    writer.put("Interface", id(), "ofport", number(2));
    writer.put("Interface", id(), "error", Datum::empty_set());
    writer.put("Interface", id(), "mtu", Datum::empty_set());
    let (request, _) = writer.request(&replica).unwrap();
    assert_eq!(row(&request), json!({"ofport": 2, "error": ["set", []]}));
    assert!(writer.request(&replica).is_none());
}

#[test]
fn statistics_that_did_not_move_stay_at_home() {
    let replica = replica();
    let mut client = Client::new("Open_vSwitch", crate::database::select());
    client.on_connected();
    let mut writer = Writer::default();
    let stats = Datum::map_of([(Atom::from("rx_packets"), Atom::from(7))]);
    writer.put("Interface", id(), "statistics", stats.clone());
    let (request, columns) = writer.request(&replica).unwrap();
    let name = token(&mut client, request);
    writer.sent(name, columns);
    writer.put("Interface", id(), "statistics", stats.clone());
    assert!(writer.request(&replica).is_none(), "one at a time");
    let done = Outcome::Success { uuids: Default::default(), increment: None };
    assert!(writer.on_outcome(name, &done));
    assert!(writer.request(&replica).is_none(), "nothing new");
    writer.on_reconnect();
    assert!(writer.request(&replica).is_some());
}

#[test]
fn a_lost_transaction_is_sent_again_with_newer_values() {
    let replica = replica();
    let mut client = Client::new("Open_vSwitch", crate::database::select());
    client.on_connected();
    let mut writer = Writer::default();
    writer.put("Interface", id(), "ofport", number(1));
    writer.put("Interface", id(), "mtu", number(1500));
    let (request, columns) = writer.request(&replica).unwrap();
    let name = token(&mut client, request);
    writer.sent(name, columns);
    writer.put("Interface", id(), "mtu", number(9000));
    assert!(writer.on_outcome(name, &Outcome::TryAgain));
    let (request, _) = writer.request(&replica).unwrap();
    assert_eq!(row(&request), json!({"ofport": 1, "mtu": 9000}));
    assert!(matches!(client.poll_message(), Some(Message::Request { .. })));
}

#[test]
fn rows_that_are_gone_are_not_written() {
    let replica = replica();
    let mut writer = Writer::default();
    writer.put("Interface", Uuid::from_u128(99), "ofport", number(1));
    assert!(writer.request(&replica).is_none());
    assert!(writer.is_idle());
}

#[test]
fn facts_become_columns() {
    let failed = InterfaceFacts { error: Some("no".into()), ..InterfaceFacts::default() };
    let columns: HashMap<_, _> = interface_columns(&failed).into_iter().collect();
    assert_eq!(columns["ofport"], number(-1));
    assert_eq!(columns["ifindex"], Datum::empty_set());
    let open = InterfaceFacts { ofport: Some(3), up: Some(true), carrier: Some(false), ..InterfaceFacts::default() };
    let columns: HashMap<_, _> = interface_columns(&open).into_iter().collect();
    assert_eq!((columns["ofport"].clone(), columns["ifindex"].clone()), (number(3), number(0)));
    assert_eq!(columns["link_state"].as_str(), Some("down"));
    assert_eq!(columns["admin_state"].as_str(), Some("up"));
}
