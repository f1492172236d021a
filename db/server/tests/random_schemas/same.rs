//! What must be equal. UUIDs that the servers chose are paired by the results of inserts; sets of them, whose order differs
//! therefore, are sorted; reals have the 15 digits that Open vSwitch sends. Of several violations, which server names
//! which is free, and only their kind must be the same.

use serde_json::Value;
use std::collections::HashMap;
use weft_ovsdb::atom::{NamedUuids, format_real, parse_uuid};
use weft_ovsdb::error::compact_sorted;
use weft_ovsdb::{DatabaseSchema, Operation, Uuid};

/// Theirs and ours of each UUID that the servers chose.
#[derive(Default)]
pub struct Pairs {
    to_ours: HashMap<String, String>,
    to_theirs: HashMap<String, String>,
}

impl Pairs {
    pub fn add(&mut self, theirs: &str, ours: &str) {
        self.to_ours.insert(theirs.into(), ours.into());
        self.to_theirs.insert(ours.into(), theirs.into());
    }

    /// The servers have exchanged their files.
    pub fn swap(&mut self) {
        std::mem::swap(&mut self.to_ours, &mut self.to_theirs);
    }

    pub fn ours(&self, theirs: &str) -> String {
        self.to_ours.get(theirs).cloned().unwrap_or_else(|| theirs.into())
    }

    pub fn theirs_of(&self, ours: &str) -> String {
        self.to_theirs.get(ours).cloned().unwrap_or_else(|| ours.into())
    }

    /// A request as it goes to our server.
    pub fn request_to_ours(&self, request: &Value) -> Value {
        each_uuid(request, &|uuid| self.ours(uuid))
    }

    /// Their message as it can be compared.
    pub fn theirs(&self, message: &Value) -> Value {
        comparable(&each_uuid(message, &|uuid| match is_given(uuid) || self.to_ours.contains_key(uuid) {
            true => uuid.into(),
            false => "CHOSEN".into(),
        }))
    }

    /// A message with the UUIDs that it has.
    pub fn verbatim(&self, message: &Value) -> Value {
        comparable(message)
    }

    /// Our message as it can be compared.
    pub fn said_by_ours(&self, message: &Value) -> Value {
        comparable(&each_uuid(message, &|uuid| match self.to_theirs.get(uuid) {
            Some(theirs) => theirs.clone(),
            None if is_given(uuid) => uuid.into(),
            None => "CHOSEN".into(),
        }))
    }

    /// Pairs the UUIDs in the results of a transaction; gives the index of the insert and the UUID of theirs.
    pub fn learn(&mut self, theirs: &[Value], ours: &[Value]) -> Vec<(usize, String)> {
        let results = |messages: &[Value]| messages.iter().find_map(|m| m["result"].as_array().cloned());
        let (Some(theirs), Some(ours)) = (results(theirs), results(ours)) else { return Vec::new() };
        let mut learned = Vec::new();
        for (i, (a, b)) in theirs.iter().zip(&ours).enumerate() {
            if let (Some(a), Some(b)) = (a["uuid"][1].as_str(), b["uuid"][1].as_str())
                && !is_given(a)
            {
                self.add(a, b);
                learned.push((i, a.to_owned()));
            }
        }
        learned
    }
}

/// Whether the generator made it.
fn is_given(uuid: &str) -> bool {
    uuid.contains("-1111-4000-8000-") || uuid.contains("-2222-4000-8000-") || uuid == crate::schemas::NIL
}

/// Changes every UUID, also within texts and names of members.
fn each_uuid(json: &Value, to: &dyn Fn(&str) -> String) -> Value {
    let text = |text: &str| {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = (0..rest.len()).find(|&at| uuid_at(rest, at)) {
            out += &rest[..at];
            out += &to(&rest[at..at + 36]);
            rest = &rest[at + 36..];
        }
        out + rest
    };
    match json {
        Value::String(s) => Value::String(text(s)),
        Value::Array(items) => items.iter().map(|item| each_uuid(item, to)).collect(),
        Value::Object(members) => members.iter().map(|(k, v)| (text(k), each_uuid(v, to))).collect(),
        other => other.clone(),
    }
}

fn uuid_at(text: &str, at: usize) -> bool {
    let dash = |place: &usize| text.as_bytes().get(at + place) == Some(&b'-');
    [8, 13, 18, 23].iter().all(dash) && text.get(at..at + 36).is_some_and(|t| parse_uuid(t).is_some())
}

fn comparable(json: &Value) -> Value {
    match json {
        Value::Number(n) if !n.is_i64() => match n.as_f64().unwrap() {
            r if r.fract() == 0.0 && r.abs() < 9e15 => (r as i64).into(),
            r => Value::String(format_real(r)),
        },
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(comparable).collect();
            if let [Value::String(class), Value::Array(members)] = items.as_mut_slice()
                && (class == "set" || class == "map")
                && members.iter().any(|m| m.to_string().contains("\"uuid\""))
            {
                members.sort_by_key(Value::to_string);
            }
            Value::Array(items)
        }
        Value::Object(members) => {
            let mut out: serde_json::Map<String, Value> =
                members.iter().map(|(k, v)| (k.clone(), comparable(v))).collect();
            if let Some(Value::Array(rows)) = out.get_mut("rows") {
                rows.sort_by_key(compact_sorted);
            }
            // RFC 7047 section 3.1 wants it in replies that are errors, too; they leave it out.
            if out.get("result") == Some(&Value::Null) {
                out.remove("result");
            }
            // Over there, one hears of a row that changed only in columns that are not told, or that was changed back and
            // has a new version from that.
            let told = |changes: &Value| changes.as_object().is_none_or(|m| m.keys().any(|name| name != "_version"));
            out.retain(|_, row| told(&row["modify"]) && (row.get("new").is_none() || told(&row["old"])));
            Value::Object(out)
        }
        other => other.clone(),
    }
}

/// Updates of one change come in any order of the monitors.
pub fn in_order(mut messages: Vec<Value>) -> Vec<Value> {
    let is_update = |m: &Value| {
        m["method"].as_str().is_some_and(|method| method.starts_with("update") || method == "monitor_canceled")
    };
    messages.retain_mut(|m| {
        let Some(tables) = m["params"].as_array_mut().and_then(|p| p.last_mut()).and_then(Value::as_object_mut) else {
            return true;
        };
        tables.retain(|_, rows| *rows != Value::Object(serde_json::Map::new()));
        !tables.is_empty()
    });
    let mut at = 0;
    while at < messages.len() {
        let n = messages[at..].iter().take_while(|m| is_update(m)).count();
        messages[at..at + n].sort_by_key(|m| m["params"][0].to_string());
        at += n.max(1);
    }
    // A conversion cancels what waits before or after it says that it is done.
    messages.sort_by_key(|m| m["error"] == "canceled");
    messages
}

/// Words of refusals that name one of several rows or values at fault, whichever is found first.
const FREE: [&str; 7] = [
    "identical values",
    "nonexistent row",
    "allowed value",
    "eak reference",
    "greater than the schema-defined limit",
    "in monitor session",
    "contains duplicate",
];

/// Whether two messages are the same as far as they must be. `request` is what both were asked.
pub fn same(theirs: &Value, ours: &Value, request: &Value, schema: &DatabaseSchema) -> bool {
    if theirs == ours {
        return true;
    }
    let (Some(a), Some(b)) = (theirs["result"].as_array(), ours["result"].as_array()) else {
        let refused = |m: &Value| m["error"]["error"].is_string();
        let method = request["method"].as_str().unwrap_or_default();
        let tables = request["params"][2].as_object().map_or(0, serde_json::Map::len);
        if method.starts_with("monitor") && tables > 1 && refused(theirs) && refused(ours) {
            return true;
        }
        // A conversion looks at rows and at members of the schema in any order.
        let converts = request["method"] == "convert" && refused(theirs) && refused(ours);
        return converts || free(&theirs["error"], &ours["error"]);
    };
    a.len() == b.len()
        && a.iter().zip(b).enumerate().all(|(i, (a, b))| {
            let operation = &request["params"][i + 1];
            a == b || free(a, b) || (a["error"].is_string() && one_at_a_time(operation, a, schema))
        })
}

fn free(theirs: &Value, ours: &Value) -> bool {
    let kind = |error: &Value| {
        let mut details = error["details"].as_str()?.to_owned();
        for (words, same) in [
            ("remaining reference", "nonexistent row"),
            ("valid range", "allowed value"),
            ("allowed length", "allowed value"),
            ("Attempted to store", "allowed value"),
            ("map contains", "set contains"),
        ] {
            details = details.replace(words, same);
        }
        FREE.iter().find(|words| details.contains(**words)).map(|words| (error["error"].clone(), *words))
    };
    kind(theirs).is_some() && kind(theirs) == kind(ours)
}

/// Whether their error is one that we would give if the operation's row had only one of its columns: they look at them in
/// no particular order.
fn one_at_a_time(operation: &Value, theirs: &Value, schema: &DatabaseSchema) -> bool {
    struct Names(HashMap<String, Uuid>);
    impl NamedUuids for Names {
        fn resolve(&mut self, name: &str) -> Uuid {
            *self.0.entry(name.into()).or_insert_with(Uuid::new_v4)
        }
    }
    let Some(row) = operation["row"].as_object().or_else(|| operation["rows"][0].as_object()) else { return false };
    // Which UUIDs are the same is not known here before names are resolved.
    let duplicate = theirs["details"].as_str().is_some_and(|text| text.contains("contains duplicate"));
    (duplicate && row.len() > 1)
        || row.iter().any(|(name, value)| {
            let mut one = operation.clone();
            let row = Value::Object([(name.clone(), value.clone())].into_iter().collect());
            match operation["row"].is_object() {
                true => one["row"] = row,
                false => one["rows"][0] = row,
            }
            let error = Operation::from_json(&one, 1, 1, schema, &mut Names(HashMap::new())).err();
            error.is_some_and(|error| {
                let (error, theirs) = (comparable(&error.to_json()), theirs.clone());
                // The whole operation is in the message of some.
                error["error"] == theirs["error"] && error["details"] == theirs["details"]
            })
        })
}
