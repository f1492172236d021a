//! What must hold after every transaction, whatever it was: a refused one changes nothing; counts of references,
//! weak references and indexes are what a fresh count gives; the log replays to the same rows, cut anywhere it
//! replays to an earlier state; a monitor's client can follow.

mod random;

use proptest::prelude::*;
use random::{Random, schema, transaction};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use weft_ovsdb::{BaseType, DatabaseSchema, Datum, Uuid};
use weft_server::database::{Database, Execution};
use weft_server::exec::Context;
use weft_server::monitor::{Spec, Version};
use weft_server::storage::MemoryStorage;

type Contents = BTreeMap<String, BTreeMap<Uuid, Vec<Datum>>>;

/// All persistent rows, without `_version`.
fn contents(db: &Database, with_ephemeral: bool) -> Contents {
    let row = |table: &weft_server::table::Table, row: &weft_server::table::Row| {
        let keep = |c: &usize| *c != 1 && (with_ephemeral || table.schema.columns[*c].persistent || *c == 0);
        (0..row.columns().len()).filter(keep).map(|c| row[c].clone()).collect::<Vec<_>>()
    };
    db.tables().iter().map(|t| (t.schema.name.clone(), t.rows().map(|r| (r.uuid(), row(t, r))).collect())).collect()
}

fn reopen(bytes: Vec<u8>) -> Database {
    Database::open(Box::new(MemoryStorage::new(bytes))).unwrap().0
}

/// Counts everything anew, the slow way.
fn check(db: &Database) {
    let schema = db.schema();
    let mut strong: BTreeMap<(String, Uuid), u32> = BTreeMap::new();
    for table in db.tables() {
        for row in table.rows() {
            for (c, column) in table.schema.columns.iter().enumerate() {
                let mut visit = |base: &BaseType, uuid: Option<Uuid>| {
                    let (Some(to), Some(uuid)) = (base.ref_table(), uuid) else { return };
                    let target = &db.tables()[schema.table(to).unwrap().index];
                    assert!(
                        target.get(uuid).is_some(),
                        "{}.{} of {} dangles",
                        table.schema.name,
                        column.name,
                        row.uuid()
                    );
                    if base.is_strong() && !(to == table.schema.name && uuid == row.uuid()) {
                        *strong.entry((to.to_owned(), uuid)).or_default() += 1;
                    }
                    if base.is_weak() {
                        assert!(target.weak_sources(uuid).contains(&(table.schema.index, row.uuid())));
                    }
                };
                row[c].keys().for_each(|k| visit(&column.kind.key, k.as_uuid()));
                if let Some(of) = &column.kind.value {
                    row[c].pairs().iter().for_each(|(_, v)| visit(of, v.as_uuid()));
                }
                assert!(column.kind.check_size(row[c].len()).is_ok());
                column.kind.check_atoms(&row[c]).unwrap();
            }
        }
    }
    for table in db.tables() {
        let name = &table.schema.name;
        assert!(table.len() <= table.schema.max_rows as usize);
        for row in table.rows() {
            let refs = strong.get(&(name.clone(), row.uuid())).copied().unwrap_or(0);
            assert_eq!(table.refs(row.uuid()), Some(refs), "references to {name} {}", row.uuid());
            assert!(table.is_root || refs > 0, "garbage in {name}");
        }
        for index in &table.schema.indexes {
            let keys: BTreeSet<Vec<Datum>> =
                table.rows().map(|row| index.iter().map(|&c| row[c].clone()).collect()).collect();
            assert_eq!(keys.len(), table.len(), "index {index:?} of {name}");
        }
    }
}

/// A client that knows only what update2 notifications tell.
#[derive(Default)]
struct Follower(BTreeMap<String, BTreeMap<String, BTreeMap<String, Datum>>>);

impl Follower {
    fn take(&mut self, schema: &DatabaseSchema, updates: &Value) {
        for (name, rows) in updates.as_object().unwrap() {
            let table = schema.table(name).unwrap();
            let of = self.0.entry(name.clone()).or_default();
            for (uuid, update) in rows.as_object().unwrap() {
                let (kind, values) = update.as_object().unwrap().iter().next().unwrap();
                if kind == "delete" {
                    assert!(of.remove(uuid).is_some());
                    continue;
                }
                assert_eq!(of.contains_key(uuid), kind == "modify", "{kind} of {uuid}");
                let row = of.entry(uuid.clone()).or_default();
                for (column, value) in values.as_object().unwrap() {
                    let any = &table.column(column).unwrap().kind;
                    let old = row.get(column).cloned().unwrap_or_else(|| Datum::default_for(any));
                    let new = match kind.as_str() {
                        "modify" => old.apply_diff(&Datum::diff_from_json(value, any).unwrap(), any),
                        _ => Datum::from_json(value, any, None).unwrap(),
                    };
                    row.insert(column.clone(), new);
                }
            }
        }
    }

    fn agrees(&self, db: &Database) {
        for table in db.tables() {
            let none = BTreeMap::new();
            let mine = self.0.get(&table.schema.name).unwrap_or(&none);
            assert_eq!(mine.len(), table.len());
            for row in table.rows() {
                let mine = &mine[&row.uuid().to_string()];
                for (c, column) in table.schema.columns.iter().enumerate().skip(1) {
                    let value = mine.get(&column.name).cloned().unwrap_or_else(|| Datum::default_for(&column.kind));
                    assert_eq!(value, row[c], "{}.{}", table.schema.name, column.name);
                }
            }
        }
    }
}

fn run(seed: u64, transactions: usize) {
    let schema = DatabaseSchema::from_json(&schema()).unwrap();
    let (mut db, storage) = Database::in_memory(&schema);
    let everything: serde_json::Map<String, Value> = schema.tables.keys().map(|t| (t.clone(), json!([{}]))).collect();
    let spec = Spec::from_json(&Value::Object(everything), Version::Update2, &schema).unwrap();
    let mut follower = Follower::default();
    let mut states = vec![contents(&db, false)];
    let mut random = Random::new(seed);
    for _ in 0..transactions {
        let operations = transaction(&mut random);
        let before = contents(&db, true);
        let context = Context { owns_lock: &|_| false, elapsed: Duration::ZERO, read_only: false, client: None };
        let Execution::Done(done) = db.execute(&operations, &context, 0) else { panic!("no wait has a timeout") };
        let results: Value = serde_json::from_str(&done.result).unwrap();
        let failed = results.as_array().unwrap().iter().any(|r| r.get("error").is_some());
        storage.set_full(random.below(10) == 0);
        let refused = db.flush().is_err();
        if failed || refused {
            assert_eq!(contents(&db, true), before, "{operations:?}");
        } else if let Some(changes) = &done.changes
            && let Some(updates) = spec.changes(db.tables(), changes)
        {
            follower.take(&schema, &serde_json::from_str(&updates).unwrap());
        }
        check(&db);
        states.push(contents(&db, false));
        storage.set_full(false);
    }
    follower.agrees(&db);
    let bytes = storage.bytes();
    let again = reopen(bytes.clone());
    check(&again);
    assert_eq!(contents(&again, false), contents(&db, false));
    // Wherever a crash cuts the log, what opens is a state that once was.
    for _ in 0..10 {
        let first = Database::initial_log(&schema).len();
        let cut = first + random.below((bytes.len() - first + 1) as u64) as usize;
        let state = contents(&reopen(bytes[..cut].to_vec()), false);
        assert!(states.contains(&state), "cut at {cut}");
    }
    let rows = contents(&db, false);
    db.compact(0).unwrap();
    assert_eq!(contents(&reopen(storage.bytes()), false), rows);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn hold_whatever_happens(seed in any::<u64>()) {
        run(seed, 60);
    }
}
