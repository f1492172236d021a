//! Random transactions over one schema that has every kind of reference, index and limit.

use serde_json::{Value, json};

/// A small generator; a seed always gives the same transactions.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    pub fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// `T` refers strongly to `C`, `C` to itself; `W` refers weakly to `C`; `M` has few rows.
pub fn schema() -> Value {
    let strong = |min: u32, max: Value| json!({"key": {"type": "uuid", "refTable": "C"}, "min": min, "max": max});
    let weak = |max: Value| json!({"key": {"type": "uuid", "refTable": "C", "refType": "weak"}, "min": 0, "max": max});
    json!({"name": "P", "version": "1.0.0", "tables": {
        "T": {"isRoot": true, "columns": {
            "i": {"type": "integer"},
            "s": {"type": {"key": {"type": "string", "maxLength": 5}}},
            "is": {"type": {"key": {"type": "integer", "minInteger": -4, "maxInteger": 8}, "min": 0, "max": 4}},
            "m": {"type": {"key": "string", "value": "integer", "min": 0, "max": "unlimited"}},
            "r": {"type": {"key": "real", "min": 0}},
            "eph": {"type": "integer", "ephemeral": true},
            "sr": {"type": strong(0, json!("unlimited"))},
            "mr": {"type": {"key": "integer", "value": {"type": "uuid", "refTable": "C"}, "min": 0, "max": 3}}
        }},
        "C": {"columns": {
            "n": {"type": "string"},
            "k": {"type": {"key": "integer", "min": 0}},
            "next": {"type": strong(0, json!(1))}
        }, "indexes": [["n"], ["k", "n"]]},
        "W": {"isRoot": true, "columns": {
            "i": {"type": "integer"},
            "w": {"type": weak(json!("unlimited"))},
            "wm": {"type": {"key": "string", "value": {"type": "uuid", "refTable": "C", "refType": "weak"}, "min": 0, "max": "unlimited"}}
        }},
        "M": {"isRoot": true, "maxRows": 2, "columns": {"n": {"type": "string"}}, "indexes": [["n"]]}
    }})
}

pub const TABLES: [(&str, &[&str]); 4] = [
    ("C", &["k", "n", "next"]),
    ("M", &["n"]),
    ("T", &["eph", "i", "is", "m", "mr", "r", "s", "sr"]),
    ("W", &["i", "w", "wm"]),
];

/// The operations of one transaction.
pub fn transaction(random: &mut Random) -> Vec<Value> {
    // Rows with weak references change in transactions of their own, see the test that compares servers.
    let tables: &[&str] = if random.chance(20) { &["W"] } else { &["T", "T", "C", "C", "M"] };
    let n = 1 + random.below(5);
    (0..n).map(|_| operation(random, tables)).collect()
}

fn operation(random: &mut Random, tables: &[&str]) -> Value {
    let table = random.one(tables);
    match random.below(20) {
        0..8 => {
            let uuid = uuid(random, table);
            json!({"op": "insert", "table": table, "uuid": uuid, "row": row(random, table)})
        }
        8..12 => {
            json!({"op": "update", "table": table, "where": condition(random, table), "row": row(random, table)})
        }
        12..16 => {
            let n = 1 + random.below(2);
            let mutations: Vec<Value> = (0..n).map(|_| mutation(random, table)).collect();
            json!({"op": "mutate", "table": table, "where": condition(random, table), "mutations": mutations})
        }
        16..18 => json!({"op": "delete", "table": table, "where": condition(random, table)}),
        18 => {
            let all = TABLES.iter().find(|(t, _)| *t == table).unwrap().1;
            let columns = if random.chance(50) { all } else { &all[..1] };
            json!({"op": "select", "table": table, "where": condition(random, table), "columns": columns})
        }
        _ => match random.below(4) {
            0 => json!({"op": "abort"}),
            1 => json!({"op": "comment", "comment": "why"}),
            2 => json!({"op": "commit", "durable": true}),
            _ => {
                let rows = json!([row(random, table)]);
                let until = random.one(&["==", "!="]);
                json!({"op": "wait", "timeout": 0, "table": table, "where": condition(random, table),
                       "columns": [TABLES.iter().find(|(t, _)| *t == table).unwrap().1[0]], "until": until, "rows": rows})
            }
        },
    }
}

/// Few UUIDs, so that rows meet again; those of one table are not those of another.
fn uuid(random: &mut Random, table: &str) -> String {
    let digit = table.as_bytes()[0];
    format!("{digit:08x}-0000-4000-8000-{:012x}", random.below(8))
}

fn reference(random: &mut Random) -> Value {
    json!(["uuid", uuid(random, "C")])
}

fn set<T: Into<Value>>(random: &mut Random, most: u64, mut item: impl FnMut(&mut Random) -> T) -> Value {
    let n = random.below(most + 1);
    let mut items: Vec<Value> = Vec::new();
    for _ in 0..n {
        let item = item(random).into();
        if !items.contains(&item) || random.chance(3) {
            items.push(item);
        }
    }
    json!(["set", items])
}

fn map(random: &mut Random, key: impl Fn(&mut Random) -> Value, value: impl Fn(&mut Random) -> Value) -> Value {
    let n = random.below(4);
    let mut pairs: Vec<Value> = Vec::new();
    for _ in 0..n {
        let pair = json!([key(random), value(random)]);
        if !pairs.iter().any(|p| p[0] == pair[0]) {
            pairs.push(pair);
        }
    }
    json!(["map", pairs])
}

fn small(random: &mut Random) -> Value {
    json!(random.below(12) as i64 - 3)
}

fn word(random: &mut Random) -> Value {
    json!(random.one(&["a", "b", "c", "d", "e", "ab", "toolong"]))
}

fn value(random: &mut Random, table: &str, column: &str) -> Value {
    match (table, column) {
        ("T", "i" | "eph") | ("W", "i") => small(random),
        ("T", "s") | ("C" | "M", "n") => word(random),
        ("T", "is") => set(random, 5, small),
        ("T", "m") => map(random, word, small),
        ("T", "r") => set(random, 1, |r| json!(r.below(9) as f64 / 4.0)),
        ("C", "k") => set(random, 1, |r| json!(r.below(3))),
        ("T", "sr") => set(random, 3, reference),
        ("T", "mr") => map(random, |r| json!(r.below(3)), reference),
        ("C", "next") => set(random, 1, reference),
        ("W", "w") => set(random, 4, reference),
        _ => map(random, word, reference),
    }
}

fn column(random: &mut Random, table: &str) -> &'static str {
    random.one(TABLES.iter().find(|(t, _)| *t == table).unwrap().1)
}

fn row(random: &mut Random, table: &str) -> Value {
    let n = random.below(4);
    let mut row = serde_json::Map::new();
    for _ in 0..n {
        let column = column(random, table);
        row.insert(column.into(), value(random, table, column));
    }
    if table == "C" && random.chance(70) {
        // Otherwise nearly everything would fail on the index.
        row.insert("n".into(), json!(format!("n{}", random.below(40))));
    }
    Value::Object(row)
}

fn condition(random: &mut Random, table: &str) -> Value {
    let n = random.below(3);
    let clauses = (0..n).map(|_| {
        if random.chance(50) {
            return json!(["_uuid", random.one(&["==", "==", "==", "!="]), ["uuid", uuid(random, table)]]);
        }
        let column = column(random, table);
        let function = random.one(&["==", "==", "!=", "<", ">=", "includes", "excludes"]);
        json!([column, function, value(random, table, column)])
    });
    Value::Array(clauses.collect())
}

fn mutation(random: &mut Random, table: &str) -> Value {
    let column = column(random, table);
    let mutator = random.one(&["+=", "-=", "*=", "/=", "%=", "insert", "insert", "insert", "delete", "delete"]);
    let arg = match mutator {
        "insert" | "delete" => value(random, table, column),
        _ => small(random),
    };
    json!([column, mutator, arg])
}
