//! What: `--print-grpc`: a call's transaction as the gRPC request that does the same, for programs that will do it.
//!
//! How: the operations, which are JSON of OVSDB, become the protobuf JSON of `weft.v1.TransactRequest`
//! (db/grpc/proto/weft/v1/switch.proto), inside a command line of the well-known tool grpcurl.
//!
//! Invariants: every operation that `vsctl` makes has a request; tests/e2e_grpc.rs sends what is printed here.

use serde_json::{Map, Value, json};

/// The command line.
pub fn command(operations: &[Value]) -> String {
    let operations: Vec<Value> = operations.iter().map(operation).collect();
    let request = json!({"operations": operations}).to_string().replace('\'', r"'\''");
    let socket = weft_jsonrpc::rundir::run_dir().join("grpc.sock");
    format!(
        "grpcurl -plaintext -import-path proto -proto weft/v1/switch.proto \\\n  -d '{request}' \\\n  \
         unix://{} weft.v1.Switch/Transact\n",
        socket.display()
    )
}

fn operation(json: &Value) -> Value {
    let table = &json["table"];
    let chosen = || list(&json["where"], condition);
    match json["op"].as_str().unwrap_or_default() {
        "insert" => {
            let mut insert = json!({"table": table, "row": row(&json["row"])});
            for (from, to) in [("uuid-name", "name"), ("uuid", "uuid")] {
                if let Some(text) = json.get(from) {
                    insert[to] = text.clone();
                }
            }
            json!({"insert": insert})
        }
        "select" => json!({"select": {"table": table, "where": chosen(), "columns": json["columns"]}}),
        "update" => json!({"update": {"table": table, "where": chosen(), "row": row(&json["row"])}}),
        "mutate" => {
            json!({"mutate": {"table": table, "where": chosen(), "mutations": list(&json["mutations"], mutation)}})
        }
        "delete" => json!({"delete": {"table": table, "where": chosen()}}),
        "wait" => json!({"wait": {
            "table": table, "where": chosen(), "columns": json["columns"], "rows": list(&json["rows"], row),
            "untilNot": json["until"] == "!=", "timeoutMs": json["timeout"],
        }}),
        "comment" => json!({"comment": json["comment"]}),
        "commit" => json!({"durable": json["durable"]}),
        _ => json!({"assertLock": json["lock"]}),
    }
}

fn list(json: &Value, each: fn(&Value) -> Value) -> Vec<Value> {
    json.as_array().into_iter().flatten().map(each).collect()
}

fn condition(json: &Value) -> Value {
    let function = match json[1].as_str().unwrap_or_default() {
        "!=" => "FUNCTION_NOT_EQUAL",
        "<" => "FUNCTION_LESS",
        "<=" => "FUNCTION_LESS_OR_EQUAL",
        ">" => "FUNCTION_GREATER",
        ">=" => "FUNCTION_GREATER_OR_EQUAL",
        "includes" => "FUNCTION_INCLUDES",
        "excludes" => "FUNCTION_EXCLUDES",
        _ => "FUNCTION_EQUAL",
    };
    json!({"column": json[0], "function": function, "value": value(&json[2])})
}

fn mutation(json: &Value) -> Value {
    let mutator = match json[1].as_str().unwrap_or_default() {
        "-=" => "MUTATOR_SUBTRACT",
        "*=" => "MUTATOR_MULTIPLY",
        "/=" => "MUTATOR_DIVIDE",
        "%=" => "MUTATOR_REMAINDER",
        "insert" => "MUTATOR_INSERT",
        "delete" => "MUTATOR_DELETE",
        _ => "MUTATOR_ADD",
    };
    json!({"column": json[0], "mutator": mutator, "value": value(&json[2])})
}

fn row(json: &Value) -> Value {
    let columns: Map<String, Value> =
        json.as_object().into_iter().flatten().map(|(name, json)| (name.clone(), value(json))).collect();
    json!({"columns": columns})
}

fn value(json: &Value) -> Value {
    match json.as_array().map(Vec::as_slice) {
        Some([kind, atoms @ Value::Array(_)]) if kind == "set" => json!({"set": {"atoms": list(atoms, atom)}}),
        Some([kind, pairs @ Value::Array(_)]) if kind == "map" => {
            let pair = |pair: &Value| json!({"key": atom(&pair[0]), "value": atom(&pair[1])});
            json!({"map": {"pairs": list(pairs, pair)}})
        }
        _ => json!({"atom": atom(json)}),
    }
}

fn atom(json: &Value) -> Value {
    match json {
        Value::String(text) => json!({"text": text}),
        Value::Bool(truth) => json!({"boolean": truth}),
        // Whole numbers of 64 bits are texts in protobuf's JSON.
        Value::Number(number) => match number.as_i64() {
            Some(integer) => json!({"integer": integer.to_string()}),
            None => json!({"real": number}),
        },
        Value::Array(parts) if parts.first().is_some_and(|kind| kind == "uuid") => json!({"uuid": parts[1]}),
        Value::Array(parts) if parts.len() == 2 => json!({"named": parts[1]}),
        other => other.clone(),
    }
}
