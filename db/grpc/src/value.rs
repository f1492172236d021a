//! What: messages as the JSON of OVSDB and back.
//!
//! Invariants: what OVSDB can say has exactly one message, so a transaction survives the way there and back.

use crate::v1;
use serde_json::{Map, Value, json};

/// Why a message is no OVSDB operation.
pub type Wrong = String;

/// An operation of RFC 7047 section 5.2.
///
/// # Errors
/// When something is missing.
pub fn operation_to_json(operation: &v1::Operation) -> Result<Value, Wrong> {
    use v1::operation::Kind;
    let Some(kind) = &operation.kind else { return Err("an operation without a kind".to_owned()) };
    Ok(match kind {
        Kind::Insert(insert) => {
            let mut json = json!({"op": "insert", "table": insert.table, "row": row_to_json(insert.row.as_ref())?});
            if !insert.name.is_empty() {
                json["uuid-name"] = json!(insert.name);
            }
            if !insert.uuid.is_empty() {
                json["uuid"] = json!(insert.uuid);
            }
            json
        }
        Kind::Select(select) => {
            let mut json = json!({"op": "select", "table": select.table, "where": conditions(&select.r#where)?});
            if !select.columns.is_empty() {
                json["columns"] = json!(select.columns);
            }
            json
        }
        Kind::Update(update) => {
            let row = row_to_json(update.row.as_ref())?;
            json!({"op": "update", "table": update.table, "where": conditions(&update.r#where)?, "row": row})
        }
        Kind::Mutate(mutate) => {
            let mutations = mutate.mutations.iter().map(mutation).collect::<Result<Vec<_>, _>>()?;
            json!({"op": "mutate", "table": mutate.table, "where": conditions(&mutate.r#where)?, "mutations": mutations})
        }
        Kind::Delete(delete) => json!({"op": "delete", "table": delete.table, "where": conditions(&delete.r#where)?}),
        Kind::Wait(wait) => json!({
            "op": "wait", "table": wait.table, "where": conditions(&wait.r#where)?, "columns": wait.columns,
            "until": if wait.until_not { "!=" } else { "==" }, "timeout": wait.timeout_ms,
            "rows": wait.rows.iter().map(|row| row_to_json(Some(row))).collect::<Result<Vec<_>, _>>()?,
        }),
        Kind::Comment(comment) => json!({"op": "comment", "comment": comment}),
        Kind::Durable(durable) => json!({"op": "commit", "durable": durable}),
        Kind::AssertLock(lock) => json!({"op": "assert", "lock": lock}),
    })
}

/// The message for an operation in JSON; `None` if it is none that OVSDB knows.
pub fn operation_from_json(json: &Value) -> Option<v1::Operation> {
    use v1::operation::Kind;
    let text = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
    let list = |name: &str| json.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let names = |name: &str| list(name).iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    let row = |json: &Value| Some(row_from_json(json.as_object()?));
    let chosen = || list("where").iter().map(condition_from_json).collect::<Option<Vec<_>>>();
    let table = || text("table");
    let kind = match json.get("op")?.as_str()? {
        "insert" => Kind::Insert(v1::Insert {
            table: table()?,
            row: row(json.get("row")?),
            name: text("uuid-name").unwrap_or_default(),
            uuid: text("uuid").unwrap_or_default(),
        }),
        "select" => Kind::Select(v1::Select { table: table()?, r#where: chosen()?, columns: names("columns") }),
        "update" => Kind::Update(v1::Update { table: table()?, r#where: chosen()?, row: row(json.get("row")?) }),
        "mutate" => {
            let mutations = list("mutations").iter().map(mutation_from_json).collect::<Option<Vec<_>>>()?;
            Kind::Mutate(v1::Mutate { table: table()?, r#where: chosen()?, mutations })
        }
        "delete" => Kind::Delete(v1::Delete { table: table()?, r#where: chosen()? }),
        "wait" => Kind::Wait(v1::Wait {
            table: table()?,
            r#where: chosen()?,
            columns: names("columns"),
            rows: list("rows").iter().map(row).collect::<Option<Vec<_>>>()?,
            until_not: text("until")? == "!=",
            timeout_ms: json.get("timeout").and_then(Value::as_u64).and_then(|ms| u32::try_from(ms).ok())?,
        }),
        "comment" => Kind::Comment(text("comment")?),
        "commit" => Kind::Durable(json.get("durable")?.as_bool()?),
        "assert" => Kind::AssertLock(text("lock")?),
        _ => return None,
    };
    Some(v1::Operation { kind: Some(kind) })
}

/// A result of RFC 7047 section 4.1.3.
pub fn result_from_json(json: &Value) -> v1::OperationResult {
    let uuid = json.get("uuid").and_then(|uuid| uuid.get(1)).and_then(Value::as_str).unwrap_or_default();
    let rows = json.get("rows").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    v1::OperationResult {
        uuid: uuid.to_owned(),
        count: json.get("count").and_then(Value::as_i64).unwrap_or_default(),
        rows: rows.iter().filter_map(Value::as_object).map(row_from_json).collect(),
    }
}

/// A row's columns.
pub fn row_from_json(row: &Map<String, Value>) -> v1::Row {
    v1::Row { columns: row.iter().map(|(name, value)| (name.clone(), value_from_json(value))).collect() }
}

/// A column's value in JSON.
///
/// # Errors
/// When an atom or the value is empty.
pub fn value_to_json(value: &v1::Value) -> Result<Value, Wrong> {
    use v1::value::Kind;
    match &value.kind {
        None => Err("a value without a kind".to_owned()),
        Some(Kind::Atom(atom)) => atom_to_json(Some(atom)),
        Some(Kind::Set(set)) => {
            let atoms = set.atoms.iter().map(|atom| atom_to_json(Some(atom))).collect::<Result<Vec<_>, _>>()?;
            Ok(json!(["set", atoms]))
        }
        Some(Kind::Map(map)) => {
            let pair = |pair: &v1::Pair| {
                Ok::<_, Wrong>(json!([atom_to_json(pair.key.as_ref())?, atom_to_json(pair.value.as_ref())?]))
            };
            Ok(json!(["map", map.pairs.iter().map(pair).collect::<Result<Vec<_>, _>>()?]))
        }
    }
}

/// A column's value from JSON.
pub fn value_from_json(json: &Value) -> v1::Value {
    use v1::value::Kind;
    let kind = match json.as_array().map(Vec::as_slice) {
        Some([Value::String(kind), Value::Array(atoms)]) if kind == "set" => {
            Kind::Set(v1::Set { atoms: atoms.iter().map(atom_from_json).collect() })
        }
        Some([Value::String(kind), Value::Array(pairs)]) if kind == "map" => {
            let pair = |pair: &Value| v1::Pair {
                key: pair.get(0).map(atom_from_json),
                value: pair.get(1).map(atom_from_json),
            };
            Kind::Map(v1::Map { pairs: pairs.iter().map(pair).collect() })
        }
        _ => Kind::Atom(atom_from_json(json)),
    };
    v1::Value { kind: Some(kind) }
}

fn atom_to_json(atom: Option<&v1::Atom>) -> Result<Value, Wrong> {
    use v1::atom::Kind;
    match atom.and_then(|atom| atom.kind.as_ref()) {
        None => Err("an atom without a kind".to_owned()),
        Some(Kind::Text(text)) => Ok(json!(text)),
        Some(Kind::Integer(number)) => Ok(json!(number)),
        Some(Kind::Real(number)) => Ok(json!(number)),
        Some(Kind::Boolean(truth)) => Ok(json!(truth)),
        Some(Kind::Uuid(uuid)) => Ok(json!(["uuid", uuid])),
        Some(Kind::Named(name)) => Ok(json!(["named-uuid", name])),
    }
}

fn atom_from_json(json: &Value) -> v1::Atom {
    use v1::atom::Kind;
    let kind = match json {
        Value::String(text) => Some(Kind::Text(text.clone())),
        Value::Bool(truth) => Some(Kind::Boolean(*truth)),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Some(Kind::Integer(integer)),
            None => number.as_f64().map(Kind::Real),
        },
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(kind), Value::String(name)] if kind == "uuid" => Some(Kind::Uuid(name.clone())),
            [Value::String(kind), Value::String(name)] if kind == "named-uuid" => Some(Kind::Named(name.clone())),
            _ => None,
        },
        _ => None,
    };
    v1::Atom { kind }
}

fn row_to_json(row: Option<&v1::Row>) -> Result<Value, Wrong> {
    let columns = row.into_iter().flat_map(|row| &row.columns);
    let json: Result<Map<String, Value>, Wrong> = columns
        .map(|(name, value)| Ok((name.clone(), value_to_json(value).map_err(|e| format!("{name}: {e}"))?)))
        .collect();
    Ok(Value::Object(json?))
}

fn conditions(conditions: &[v1::Condition]) -> Result<Value, Wrong> {
    let one = |condition: &v1::Condition| {
        let value =
            condition.value.as_ref().ok_or_else(|| format!("{}: a condition without a value", condition.column))?;
        let function = FUNCTIONS.get(condition.function as usize).ok_or("no such function")?;
        Ok::<_, Wrong>(json!([condition.column, function, value_to_json(value)?]))
    };
    Ok(Value::Array(conditions.iter().map(one).collect::<Result<Vec<_>, _>>()?))
}

fn condition_from_json(json: &Value) -> Option<v1::Condition> {
    let [Value::String(column), Value::String(function), value] = json.as_array()?.as_slice() else { return None };
    let function = FUNCTIONS.iter().position(|known| known == function)? as i32;
    Some(v1::Condition { column: column.clone(), function, value: Some(value_from_json(value)) })
}

fn mutation(mutation: &v1::Mutation) -> Result<Value, Wrong> {
    let value = mutation.value.as_ref().ok_or_else(|| format!("{}: a mutation without a value", mutation.column))?;
    let mutator = MUTATORS.get(mutation.mutator as usize).ok_or("no such mutator")?;
    Ok(json!([mutation.column, mutator, value_to_json(value)?]))
}

fn mutation_from_json(json: &Value) -> Option<v1::Mutation> {
    let [Value::String(column), Value::String(mutator), value] = json.as_array()?.as_slice() else { return None };
    let mutator = MUTATORS.iter().position(|known| known == mutator)? as i32;
    Some(v1::Mutation { column: column.clone(), mutator, value: Some(value_from_json(value)) })
}

/// In the order of the proto file's numbers.
const FUNCTIONS: &[&str] = &["==", "!=", "<", "<=", ">", ">=", "includes", "excludes"];
/// In the order of the proto file's numbers.
const MUTATORS: &[&str] = &["+=", "-=", "*=", "/=", "%=", "insert", "delete"];
