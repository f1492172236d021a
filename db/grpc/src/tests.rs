//! Messages and OVSDB's JSON, there and back; the generated code and the proto file.

use crate::{parse_listen, v1, value};
use prost::Message;
use serde_json::json;
use weft_jsonrpc::address::Passive;

#[test]
fn every_operation_survives_the_way_there_and_back() {
    let uuid = "550e8400-e29b-41d4-a716-446655440000";
    let at = json!([["_uuid", "==", ["uuid", uuid]], ["n", "includes", ["set", [1, 2]]], ["r", ">=", 1.5]]);
    for operation in [
        json!({"op": "insert", "table": "T", "row": {"n": "x", "m": ["map", [["a", true]]]}, "uuid-name": "row1"}),
        json!({"op": "insert", "table": "T", "row": {"r": ["named-uuid", "row1"]}, "uuid": uuid}),
        json!({"op": "select", "table": "T", "where": at, "columns": ["n"]}),
        json!({"op": "update", "table": "T", "where": at, "row": {"n": ["set", []]}}),
        json!({"op": "mutate", "table": "T", "where": [], "mutations": [["i", "+=", 1], ["s", "insert", ["set", [1]]]]}),
        json!({"op": "delete", "table": "T", "where": at}),
        json!({"op": "wait", "table": "T", "where": at, "columns": ["n"], "until": "!=", "timeout": 0, "rows": [{"n": 1}]}),
        json!({"op": "comment", "comment": "x"}),
        json!({"op": "commit", "durable": true}),
        json!({"op": "assert", "lock": "l"}),
    ] {
        let message = value::operation_from_json(&operation).unwrap_or_else(|| panic!("{operation}"));
        let message = v1::Operation::decode(message.encode_to_vec().as_slice()).unwrap();
        assert_eq!(value::operation_to_json(&message), Ok(operation));
    }
    for nonsense in [json!({}), json!({"op": "steal"}), json!({"op": "insert"}), json!(3)] {
        assert_eq!(value::operation_from_json(&nonsense), None);
    }
    assert!(value::operation_to_json(&v1::Operation::default()).is_err());
}

/// `cargo xtask proto` was run after the last change of the proto file: names and numbers are the same.
#[test]
fn the_generated_code_is_that_of_the_proto_file() {
    let text = include_str!("../proto/weft/v1/switch.proto");
    let pool = prost_reflect::DescriptorPool::decode(crate::DESCRIPTORS).unwrap();
    let mut said: Vec<String> = Vec::new();
    let mut message = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        if let Some(rest) = line.strip_prefix("message ").or_else(|| line.strip_prefix("enum ")) {
            message = rest.trim_end_matches(" {").to_owned();
        } else if let Some((left, number)) = line.split_once(" = ")
            && !message.is_empty()
        {
            let name = left.split(' ').next_back().unwrap_or_default();
            said.push(format!("{message}.{name}={}", number.trim_end_matches(';')));
        }
    }
    let mut generated: Vec<String> = Vec::new();
    for message in pool.all_messages().filter(|message| !message.is_map_entry()) {
        generated
            .extend(message.fields().map(|field| format!("{}.{}={}", message.name(), field.name(), field.number())));
    }
    for one in pool.all_enums() {
        generated.extend(one.values().map(|value| format!("{}.{}={}", one.name(), value.name(), value.number())));
    }
    said.sort();
    generated.sort();
    assert_eq!(said, generated);
    let calls = text.lines().filter(|line| line.trim().starts_with("rpc ")).count();
    assert_eq!(pool.get_service_by_name("weft.v1.Switch").unwrap().methods().count(), calls);
}

#[test]
fn addresses() {
    assert_eq!(parse_listen("/run/x.sock"), Ok(Passive::Unix("/run/x.sock".into())));
    assert_eq!(parse_listen("unix:/x"), Ok(Passive::Unix("/x".into())));
    let localhost = Some([127, 0, 0, 1].into());
    assert_eq!(parse_listen("tcp:localhost:7"), Ok(Passive::Tcp { port: 7, ip: localhost }));
    assert_eq!(parse_listen("ssl:127.0.0.1:7"), Ok(Passive::Ssl { port: 7, ip: localhost }));
    assert_eq!(parse_listen("ptcp:7"), Ok(Passive::Tcp { port: 7, ip: None }));
    for wrong in ["", "x", "tcp:somewhere:7", "http://x"] {
        assert!(parse_listen(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn any_message_is_an_operation_or_an_error() {
    bolero::check!().with_type::<Vec<u8>>().for_each(|bytes| {
        if let Ok(message) = v1::TransactRequest::decode(bytes.as_slice()) {
            for operation in &message.operations {
                let _ = value::operation_to_json(operation);
            }
        }
    });
}
