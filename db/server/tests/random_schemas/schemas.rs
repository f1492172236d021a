//! Random schemas: every base type and constraint, scalars, options, sets and maps, references of both kinds, tables that
//! are roots or not, limits, indexes, columns that do not last or may not change. And values that fit them.

use crate::random::Random;
use serde_json::{Map, Value, json};
use weft_ovsdb::types::{BaseType, Constraint, UNLIMITED};
use weft_ovsdb::{AtomType, ColumnType};

const TABLES: [&str; 5] = ["A", "Bb", "C_c", "D4", "_E"];
const WORDS: [&str; 14] =
    ["", "a", "b", "ab", "abc", "zz", "true", "é", "a b", "\"", "\\", "\n\t", "\u{1}", "\u{1F600}"];

/// A schema named `P`.
pub fn schema(r: &mut Random) -> Value {
    let n = 2 + r.below(4) as usize;
    let names = &TABLES[..n];
    let tables: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), table(r, names))).collect();
    let mut schema = json!({"name": "P", "version": "1.2.3", "tables": tables});
    if r.chance(50) {
        schema["cksum"] = "12 34".into();
    }
    schema
}

/// The schema with something added, taken away or made anew.
pub fn evolved(r: &mut Random, schema: &Value) -> Value {
    let mut schema = schema.clone();
    let names: Vec<String> = schema["tables"].as_object().unwrap().keys().cloned().collect();
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    for _ in 0..1 + r.below(3) {
        let name = r.one(&names);
        let tables = schema["tables"].as_object_mut().unwrap();
        match r.below(6) {
            0 => drop(tables.insert(name, table(r, &known))),
            1 if tables.len() > 1 => drop(tables.shift_remove(&name)),
            _ => {
                let Some(of) = tables.get_mut(&name) else { continue };
                let columns = of["columns"].as_object_mut().unwrap();
                let column = format!("c{}", r.below(7));
                match r.below(3) {
                    0 if columns.len() > 1 => drop(columns.shift_remove(&column)),
                    _ => drop(columns.insert(column, self::column(r, &known))),
                }
            }
        }
    }
    schema["version"] = format!("1.2.{}", r.below(9)).into();
    schema
}

fn table(r: &mut Random, names: &[&str]) -> Value {
    let n = 1 + r.below(6);
    let columns: Map<String, Value> = (0..n).map(|i| (format!("c{i}"), column(r, names))).collect();
    let lasting: Vec<String> = columns
        .iter()
        .filter(|(_, c)| c.get("ephemeral") != Some(&Value::Bool(true)))
        .map(|(n, _)| n.clone())
        .collect();
    let mut table = json!({"columns": columns});
    if r.chance(65) {
        table["isRoot"] = r.chance(95).into();
    }
    if r.chance(12) {
        table["maxRows"] = (1 + r.below(4)).into();
    }
    if r.chance(8) {
        table["mutable"] = true.into();
    }
    if r.chance(30) && !lasting.is_empty() {
        let indexes = 1 + r.below(2);
        let of = (0..indexes).map(|_| {
            let mut of = vec![r.one(&lasting)];
            let second = r.one(&lasting);
            if !of.contains(&second) && r.chance(60) {
                of.push(second);
            }
            json!(of)
        });
        table["indexes"] = Value::Array(of.collect());
    }
    table
}

fn column(r: &mut Random, names: &[&str]) -> Value {
    let key = base(r, names);
    let kind = match r.below(20) {
        0..6 => key["type"]
            .as_str()
            .filter(|_| key.as_object().unwrap().len() == 1)
            .map_or_else(|| json!({"key": key}), Value::from),
        6..10 => json!({"key": key, "min": 0}),
        10..15 => json!({"key": key, "min": r.below(2), "max": most(r)}),
        15..17 => json!({"key": key, "value": base(r, names), "min": r.below(2), "max": most(r)}),
        _ => json!({"key": key, "value": base(r, names), "min": 0, "max": "unlimited"}),
    };
    let mut column = json!({"type": kind});
    if r.chance(8) {
        column["mutable"] = r.chance(20).into();
    }
    // A reference that must be given but is not kept: theirs loses the row when it reads the file again.
    let must = column["type"]["min"] != 0 && column["type"].to_string().contains("refTable");
    if r.chance(10) && !must {
        column["ephemeral"] = r.chance(80).into();
    }
    column
}

fn most(r: &mut Random) -> Value {
    if r.chance(40) { "unlimited".into() } else { (1 + r.below(4)).into() }
}

fn base(r: &mut Random, names: &[&str]) -> Value {
    let kind = r.one(&["integer", "real", "boolean", "string", "uuid", "uuid"]);
    let mut of = json!({"type": kind});
    if r.chance(12) {
        let plain = BaseType::from(AtomType::from_name(kind).unwrap());
        let n = 1 + r.below(4);
        let mut some: Vec<Value> = Vec::new();
        for _ in 0..n {
            let one = atom(r, &plain, &mut |r| any_uuid(r));
            // 1 and 1.0 are one value.
            if !some.iter().any(|other| other == &one || (one.is_number() && other.as_f64() == one.as_f64())) {
                some.push(one);
            }
        }
        of["enum"] = if some.len() == 1 && r.chance(50) { some.remove(0) } else { json!(["set", some]) };
        return of;
    }
    match kind {
        "integer" if r.chance(40) => {
            let low = small(r);
            set(r, &mut of, 70, "minInteger", low.into());
            let high = low + r.below(9) as i64;
            set(r, &mut of, 70, "maxInteger", high.into());
        }
        "real" if r.chance(40) => {
            let low = small(r) as f64 / 4.0;
            set(r, &mut of, 70, "minReal", low.into());
            let high = low + r.below(9) as f64 / 4.0;
            set(r, &mut of, 70, "maxReal", high.into());
        }
        "string" if r.chance(40) => {
            let low = r.below(3);
            set(r, &mut of, 70, "minLength", low.into());
            let high = low + r.below(3);
            set(r, &mut of, 70, "maxLength", high.into());
        }
        "uuid" if r.chance(80) => {
            of["refTable"] = r.one(names).into();
            if r.chance(50) {
                of["refType"] = if r.chance(75) { "weak" } else { "strong" }.into();
            }
        }
        _ => {}
    }
    of
}

fn set(r: &mut Random, of: &mut Value, percent: u64, name: &str, value: Value) {
    if r.chance(percent) {
        of[name] = value;
    }
}

fn small(r: &mut Random) -> i64 {
    r.below(12) as i64 - 4
}

/// One of few that name no row.
pub fn any_uuid(r: &mut Random) -> Value {
    json!(["uuid", if r.chance(10) { NIL.to_owned() } else { format!("00000000-1111-4000-8000-{:012x}", r.below(6)) }])
}

/// The UUID of zeros.
pub const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// An atom that the type allows, most of the time. `row` gives a reference.
pub fn atom(r: &mut Random, of: &BaseType, row: &mut dyn FnMut(&mut Random) -> Value) -> Value {
    match (&of.constraint, of.kind) {
        (Constraint::Enum(allowed), _) if r.chance(95) => allowed.key(r.below(allowed.len() as u64) as usize).to_json(),
        (Constraint::Integer(min, max), _) if r.chance(92) => {
            let low = (*min).max(-20);
            json!(low + r.below(((*max).min(low.saturating_add(12)) - low).max(0) as u64 + 1) as i64)
        }
        (Constraint::Real(min, max), _) if r.chance(92) => match (min, max) {
            (Some(min), Some(max)) => json!(min + (max - min) * r.below(5) as f64 / 4.0),
            (Some(min), None) => json!(min + r.below(9) as f64 / 4.0),
            (None, max) => json!(max.unwrap_or(0.0) - r.below(9) as f64 / 4.0),
        },
        (Constraint::Length(min, max), _) if r.chance(92) => {
            let fits = |w: &&&str| (*min as usize..=*max as usize).contains(&w.chars().count());
            let fitting: Vec<&str> = WORDS.iter().filter(fits).copied().collect();
            json!(r.one(&fitting))
        }
        (Constraint::Ref { .. }, _) => row(r),
        (_, AtomType::Integer) => match r.below(25) {
            0 => json!(r.one(&[i64::MAX, i64::MIN, 1 << 53, -1_000_000_007])),
            1 => json!(small(r) as f64),
            _ => json!(small(r)),
        },
        (_, AtomType::Real) => match r.below(12) {
            0 => json!(r.one(&[1e300, -2.5e-7, 0.3, 1e12, 123_456_789.123_456, -0.0])),
            1 => json!(small(r)),
            _ => json!(small(r) as f64 / 4.0),
        },
        (_, AtomType::Boolean) => json!(r.chance(50)),
        (_, AtomType::String) => json!(r.one(&WORDS)),
        (_, AtomType::Uuid) => any_uuid(r),
    }
}

/// A value that the type allows, most of the time.
pub fn value(r: &mut Random, of: &ColumnType, row: &mut dyn FnMut(&mut Random, &str) -> Value) -> Value {
    let (min, max) = (u64::from(of.min), if of.max == UNLIMITED { 5 } else { u64::from(of.max) });
    let mut n = min + r.below(max - min + 1);
    if r.chance(2) {
        n = r.below(max + 3);
    }
    let mut one = |r: &mut Random, base: &BaseType| {
        let table = base.ref_table().unwrap_or_default().to_owned();
        atom(r, base, &mut |r| row(r, &table))
    };
    let (mut keys, mut items): (Vec<Value>, Vec<Value>) = Default::default();
    for _ in 0..n {
        let key = one(r, &of.key);
        let same = |other: &Value| *other == key || (key.is_number() && other.as_f64() == key.as_f64());
        if keys.iter().any(same) && !r.chance(2) {
            continue;
        }
        keys.push(key.clone());
        items.push(match &of.value {
            Some(value) => json!([key, one(r, value)]),
            None => key,
        });
    }
    match of.is_map() {
        true => json!(["map", items]),
        false if items.len() == 1 && r.chance(80) => items.remove(0),
        false => json!(["set", items]),
    }
}
