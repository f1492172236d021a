//! Random requests for a schema: transactions with every operation, monitors of all three kinds with conditions that
//! change, locks, conversions; and requests with one thing wrong.

use crate::random::Random;
use crate::schemas::{self, any_uuid};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use weft_ovsdb::{ColumnType, DatabaseSchema, TableSchema};

/// What the generator knows.
pub struct World {
    pub r: Random,
    pub json: Value,
    pub schema: DatabaseSchema,
    /// Rows with UUIDs that the server chose, by table; the newest few.
    pub learned: BTreeMap<String, Vec<String>>,
    /// Monitors by id, with the kind and the tables.
    pub monitors: Vec<(String, &'static str, Vec<String>)>,
    next_monitor: u64,
    /// Names of rows of the transaction that is being made.
    names: Vec<(String, String)>,
}

/// One request.
pub struct Step {
    /// Which of two clients.
    pub client: usize,
    pub method: String,
    pub params: Value,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut r = Random::new(seed);
        let (json, schema) = loop {
            let json = schemas::schema(&mut r);
            if let Ok(schema) = DatabaseSchema::from_json(&json) {
                break (json, schema);
            }
        };
        World { r, json, schema, learned: BTreeMap::new(), monitors: Vec::new(), next_monitor: 0, names: Vec::new() }
    }

    /// Another schema from now on; monitors are gone with the old one.
    pub fn converted(&mut self, json: Value) {
        self.schema = DatabaseSchema::from_json(&json).unwrap();
        self.json = json;
        self.monitors.clear();
    }

    /// The servers have exchanged their files: rows have other names, and no monitor is left.
    pub fn exchanged(&mut self, to: impl Fn(&str) -> String) {
        self.monitors.clear();
        self.learned.values_mut().flatten().for_each(|uuid| *uuid = to(uuid));
    }

    pub fn step(&mut self) -> Step {
        let of = |client: usize, method: &str, params: Value| Step { client, method: method.into(), params };
        let mut step = match self.r.below(100) {
            0..6 => {
                let (kind, params) = self.monitor();
                of(0, kind, params)
            }
            // They lose updates of a plain monitor after this.
            6..14 if self.monitors.iter().any(|(_, kind, _)| *kind != "monitor") => self.condition_change(),
            14..16 if !self.monitors.is_empty() => {
                let (id, ..) = self.monitors.swap_remove(self.r.below(self.monitors.len() as u64) as usize);
                of(0, "monitor_cancel", json!([id]))
            }
            16..21 => {
                let client = self.r.below(2) as usize;
                of(client, self.r.one(&["lock", "steal", "unlock"]), json!([self.r.one(&["l", "m"])]))
            }
            21 if self.r.chance(40) => of(0, "convert", json!(["P", schemas::evolved(&mut self.r, &self.json)])),
            22 => {
                let method = self.r.one(&["get_schema", "echo", "list_dbs", "nonsense", "monitor_cancel", "transact"]);
                let params = self.r.one(&[json!(["P"]), json!(["Q"]), json!([]), json!([1]), json!(["x", {}])]);
                of(self.r.below(2) as usize, method, params)
            }
            n => of(usize::from(n > 92), "transact", self.transaction()),
        };
        if self.r.chance(12) && step.method != "echo" {
            let from = usize::from(step.method == "transact");
            corrupt(&mut self.r, &mut step.params, from);
        }
        step
    }

    fn table(&mut self) -> TableSchema {
        let tables: Vec<_> = self.schema.tables.values().cloned().collect();
        (*self.r.one(&tables)).clone()
    }

    fn transaction(&mut self) -> Value {
        self.names.clear();
        let n = 1 + self.r.below(5);
        let mut params = vec![json!("P")];
        for _ in 0..n {
            let operation = self.operation();
            // Who waits for ever does so first: they look at all again whenever anything changes, we when it may matter.
            match operation["op"] == "wait" && operation.get("timeout").is_none() {
                true => params.insert(1, operation),
                false => params.push(operation),
            }
        }
        Value::Array(params)
    }

    fn operation(&mut self) -> Value {
        let table = self.table();
        let name = table.name.clone();
        match self.r.below(40) {
            0..18 => {
                let mut insert = json!({"op": "insert", "table": name, "row": self.row(&table, 90)});
                if self.r.chance(60) {
                    insert["uuid"] = fixed(&mut self.r, &name).into();
                }
                if self.r.chance(40) {
                    let own = format!("n{}", self.r.below(4));
                    if !self.names.iter().any(|(_, n)| *n == own) || self.r.chance(5) {
                        self.names.push((name, own.clone()));
                        insert["uuid-name"] = own.into();
                    }
                }
                insert
            }
            18..24 => {
                json!({"op": "update", "table": name, "where": self.condition(&table), "row": self.row(&table, 20)})
            }
            24..31 => {
                let n = 1 + self.r.below(2);
                let mutations: Vec<Value> = (0..n).map(|_| self.mutation(&table)).collect();
                json!({"op": "mutate", "table": name, "where": self.condition(&table), "mutations": mutations})
            }
            31..34 => json!({"op": "delete", "table": name, "where": self.condition(&table)}),
            34..36 => {
                let mut select = json!({"op": "select", "table": name, "where": self.condition(&table)});
                if self.r.chance(70) {
                    select["columns"] = self.columns(&table);
                }
                select
            }
            36 | 37 => {
                let n = self.r.below(2);
                let rows: Vec<Value> = (0..n).map(|_| self.row(&table, 90)).collect();
                let mut wait = json!({"op": "wait", "table": name, "where": self.condition(&table), "rows": rows,
                                      "until": self.r.one(&["==", "!="]), "timeout": 0});
                if self.r.chance(85) {
                    wait["columns"] = self.columns(&table);
                }
                if self.r.chance(5) {
                    wait.as_object_mut().unwrap().shift_remove("timeout");
                }
                wait
            }
            38 => json!({"op": "comment", "comment": self.r.one(&["why", "", "é\n", "\"a\""])}),
            _ => match self.r.below(4) {
                0 => json!({"op": "abort"}),
                1 => json!({"op": "assert", "lock": self.r.one(&["l", "m", "n"])}),
                _ => json!({"op": "commit", "durable": self.r.chance(20)}),
            },
        }
    }

    fn columns(&mut self, table: &TableSchema) -> Value {
        let mut names: Vec<&str> = Vec::new();
        for column in &table.columns {
            if column.name != "_version" && self.r.chance(50) {
                names.push(&column.name);
            }
        }
        json!(names)
    }

    /// A value for a column, with references to rows that may be there.
    fn value(&mut self, kind: &ColumnType) -> Value {
        let (names, learned) = (&self.names, &self.learned);
        schemas::value(&mut self.r, kind, &mut |r, table| {
            let named: Vec<&String> = names.iter().filter(|(t, _)| t == table).map(|(_, n)| n).collect();
            match (r.below(10), learned.get(table)) {
                (0..3, _) if !named.is_empty() => json!(["named-uuid", r.one(&named)]),
                (3..6, Some(rows)) => json!(["uuid", r.one(rows)]),
                // Never one of another table: theirs takes a row's own UUID for a reference to itself, whatever the table.
                (6, _) if r.chance(5) => json!(["named-uuid", "nobody"]),
                (7, _) if r.chance(10) => any_uuid(r),
                _ => json!(["uuid", fixed(r, table)]),
            }
        })
    }

    /// `percent` of the columns; all that must be given, for a reference of zeros leads nowhere.
    fn row(&mut self, table: &TableSchema, percent: u64) -> Value {
        let mut row = Map::new();
        for column in &table.columns[2..] {
            if self.r.chance(percent) {
                row.insert(column.name.clone(), self.value(&column.kind));
            }
        }
        Value::Object(row)
    }

    fn condition(&mut self, table: &TableSchema) -> Value {
        let n = self.r.below(3);
        let clauses = (0..n).map(|_| self.clause(table)).collect();
        Value::Array(clauses)
    }

    fn clause(&mut self, table: &TableSchema) -> Value {
        if self.r.chance(4) {
            return self.r.chance(60).into();
        }
        if self.r.chance(40) {
            let function = self.r.one(&["==", "==", "==", "!=", "includes", "excludes"]);
            let uuid = self.row_of(&table.name);
            return json!(["_uuid", function, ["uuid", uuid]]);
        }
        let column = self.r.one(&table.columns[2..]);
        let functions: &[&str] = match column.kind.key.kind {
            weft_ovsdb::AtomType::Integer | weft_ovsdb::AtomType::Real
                if column.kind.max == 1 && !column.kind.is_map() =>
            {
                &["<", "<=", "==", "!=", ">=", ">", "includes", "excludes"]
            }
            _ if self.r.chance(3) => &["<", ">="],
            _ => &["==", "!=", "includes", "excludes"],
        };
        json!([column.name, self.r.one(functions), self.value(&column.kind)])
    }

    fn row_of(&mut self, table: &str) -> String {
        match self.learned.get(table) {
            Some(rows) if self.r.chance(40) => self.r.one(rows),
            _ => fixed(&mut self.r, table),
        }
    }

    fn mutation(&mut self, table: &TableSchema) -> Value {
        let column = self.r.one(&table.columns[2..]);
        let kind = &column.kind;
        let number =
            matches!(kind.key.kind, weft_ovsdb::AtomType::Integer | weft_ovsdb::AtomType::Real) && !kind.is_map();
        let mutator = match (number, kind.is_scalar()) {
            (true, true) => self.r.one(&["+=", "-=", "*=", "/=", "%="]),
            (true, false) => self.r.one(&["+=", "-=", "*=", "/=", "%=", "insert", "delete"]),
            (false, false) => self.r.one(&["insert", "delete"]),
            (false, true) => self.r.one(&["insert", "delete", "+=", "%="]),
        };
        let arg = match mutator {
            "insert" => self.value(&ColumnType { min: 0, ..kind.clone() }),
            "delete" if kind.is_map() && self.r.chance(50) => {
                self.value(&ColumnType { min: 0, value: None, ..kind.clone() })
            }
            "delete" => self.value(&ColumnType { min: 0, ..kind.clone() }),
            _ => match self.r.below(12) {
                // Theirs dies of a negative number times zero.
                0 if mutator != "*=" => json!(0),
                1 => json!(i64::MAX),
                2 => json!(0.5),
                _ => json!(self.r.one(&[-3, -2, -1, 1, 2, 3])),
            },
        };
        json!([column.name, mutator, arg])
    }

    fn monitor(&mut self) -> (&'static str, Value) {
        let kind = self.r.one(&["monitor", "monitor_cond", "monitor_cond_since"]);
        let id = match self.r.chance(5) {
            true => self.monitors.first().map_or("m".into(), |(id, ..)| id.clone()),
            false => format!("m{}", self.next_monitor),
        };
        self.next_monitor += 1;
        let mut requests = Map::new();
        for table in self.schema.tables.values().cloned().collect::<Vec<_>>() {
            if !self.r.chance(80) {
                continue;
            }
            let columns: Vec<String> = table.columns[2..].iter().map(|c| c.name.clone()).collect();
            let (left, right): (Vec<String>, Vec<String>) = columns.into_iter().partition(|_| self.r.chance(60));
            let mut of = vec![self.monitor_request(kind, &table, left)];
            if self.r.chance(25) {
                let mut second = self.monitor_request(kind, &table, right);
                // Which of two conditions counts depends on how many tables there are, over there.
                second.as_object_mut().unwrap().shift_remove("where");
                if let Some(condition) = of[0].get("where") {
                    second["where"] = condition.clone();
                }
                of.push(second);
            }
            if self.r.chance(5) {
                of[0].as_object_mut().unwrap().shift_remove("columns");
                of.truncate(1);
            }
            requests.insert(table.name.clone(), Value::Array(of));
        }
        if !self.monitors.iter().any(|(other, ..)| *other == id) {
            self.monitors.push((id.clone(), kind, requests.keys().cloned().collect()));
        }
        let mut params = json!(["P", id, requests]);
        if kind == "monitor_cond_since" {
            params.as_array_mut().unwrap().push(any_uuid(&mut self.r)[1].clone());
        }
        (kind, params)
    }

    fn monitor_request(&mut self, kind: &str, table: &TableSchema, columns: Vec<String>) -> Value {
        let mut request = json!({"columns": columns});
        if self.r.chance(30) {
            let mut select = Map::new();
            for what in ["initial", "insert", "delete", "modify"] {
                if self.r.chance(50) {
                    select.insert(what.into(), self.r.chance(40).into());
                }
            }
            request["select"] = Value::Object(select);
        }
        if kind != "monitor" && self.r.chance(70) {
            request["where"] = self.monitor_condition(table);
        }
        request
    }

    fn monitor_condition(&mut self, table: &TableSchema) -> Value {
        self.names.clear();
        self.condition(table)
    }

    fn condition_change(&mut self) -> Step {
        let conditional = |i: &usize| self.monitors[*i].1 != "monitor";
        let which: Vec<usize> = (0..self.monitors.len()).filter(conditional).collect();
        let i = self.r.one(&which);
        let id = self.monitors[i].0.clone();
        let new = match self.r.chance(10) {
            true => {
                self.next_monitor += 1;
                format!("m{}", self.next_monitor - 1)
            }
            false => id.clone(),
        };
        let mut requests = Map::new();
        for table in self.schema.tables.values().cloned().collect::<Vec<_>>() {
            let watched = self.monitors[i].2.contains(&table.name);
            if self.r.chance(if watched { 60 } else { 2 }) {
                requests.insert(table.name.clone(), json!([{"where": self.monitor_condition(&table)}]));
            }
        }
        Step { client: 0, method: "monitor_cond_change".into(), params: json!([id, new, requests]) }
    }
}

/// Few UUIDs, so that rows meet again; those of one table are not those of another.
pub fn fixed(r: &mut Random, table: &str) -> String {
    format!("{:08x}-2222-4000-8000-{:012x}", table.as_bytes()[0], r.below(7))
}

/// Spoils one thing, somewhere at or behind item `from`.
fn corrupt(r: &mut Random, params: &mut Value, from: usize) {
    let Value::Array(items) = params else { return };
    if items.len() <= from {
        return;
    }
    let i = from + r.below((items.len() - from) as u64) as usize;
    spoil(r, &mut items[i]);
}

fn spoil(r: &mut Random, at: &mut Value) {
    let deeper = r.chance(80);
    match at {
        Value::Array(items) if deeper && !items.is_empty() => {
            let i = r.below(items.len() as u64) as usize;
            spoil(r, &mut items[i]);
        }
        Value::Object(members) if deeper && !members.is_empty() => {
            let i = r.below(members.len() as u64) as usize;
            spoil(r, members.values_mut().nth(i).unwrap());
        }
        Value::Array(items) if r.chance(50) => match (items.is_empty(), r.below(2)) {
            (false, 0) => drop(items.remove(r.below(items.len() as u64) as usize)),
            (false, _) => items.push(items[0].clone()),
            (true, _) => items.push(junk(r)),
        },
        Value::Object(members) if r.chance(70) => match (members.is_empty(), r.below(3)) {
            (false, 0 | 1) => {
                let i = r.below(members.len() as u64) as usize;
                let name = members.keys().nth(i).unwrap().clone();
                members.shift_remove(&name);
            }
            _ => drop(members.insert(r.one(&["zzz", "_uuid", "c0", "where"]).into(), junk(r))),
        },
        Value::String(text) if r.chance(30) => text.push('x'),
        other => *other = junk(r),
    }
}

fn junk(r: &mut Random) -> Value {
    r.one(&[
        Value::Null,
        json!(true),
        json!(false),
        json!(-1),
        json!(0),
        json!(1.5),
        json!(1e30),
        json!(i64::MAX),
        json!("zzz"),
        json!(""),
        json!("c0"),
        json!("_uuid"),
        json!("a b"),
        json!([]),
        json!({}),
        json!(["set", []]),
        json!(["map", []]),
        json!(["set", [1, 1]]),
        json!(["set", 1]),
        json!(["map", [[1, 2], [1, 2]]]),
        json!(["map", [[1]]]),
        json!(["uuid", "x"]),
        json!(["named-uuid", "a b"]),
        json!(["named-uuid", "nobody"]),
        json!(["x", []]),
    ])
}
