//! Undoing random commits, and what is remembered.

use super::*;
use crate::database::Database;
use crate::exec::Context;
use proptest::prelude::*;
use std::time::Duration;

fn schema() -> DatabaseSchema {
    let json = json!({"name": "P", "version": "1.0.0", "tables": {
        "T": {"isRoot": true, "columns": {
            "name": {"type": "string"},
            "i": {"type": "integer"},
            "o": {"type": {"key": "integer", "min": 0}},
            "s": {"type": {"key": "integer", "min": 0, "max": "unlimited"}},
            "m": {"type": {"key": "integer", "value": "integer", "min": 0, "max": "unlimited"}}
        }}
    }});
    DatabaseSchema::from_json(&json).unwrap()
}

fn run(db: &mut Database, operations: &[Value], date: i64) {
    let context = Context { owns_lock: &|_| false, elapsed: Duration::ZERO, read_only: false, client: None };
    db.execute(operations, &context, date);
    db.flush().unwrap();
}

fn dump(db: &Database) -> Vec<String> {
    let rows = db.tables()[0].rows().map(|row| {
        row.columns()
            .iter()
            .enumerate()
            .filter(|(c, _)| *c != 1)
            .map(|(_, d)| d.to_text())
            .collect::<Vec<_>>()
            .join(" ")
    });
    let mut rows: Vec<String> = rows.collect();
    rows.sort();
    rows
}

fn operation() -> impl Strategy<Value = Value> {
    let at = (0..3u8).prop_map(|n| json!([["name", "==", n.to_string()]]));
    let small = 0..4i64;
    prop_oneof![
        (0..3u8).prop_map(|n| json!({"op": "insert", "table": "T", "row": {"name": n.to_string()}})),
        at.clone().prop_map(|at| json!({"op": "delete", "table": "T", "where": at})),
        (at.clone(), small.clone())
            .prop_map(|(at, i)| json!({"op": "update", "table": "T", "where": at, "row": {"i": i}})),
        (at.clone(), proptest::collection::vec(small.clone(), 0..2))
            .prop_map(|(at, o)| { json!({"op": "update", "table": "T", "where": at, "row": {"o": ["set", o]}}) }),
        (at.clone(), small.clone(), any::<bool>()).prop_map(|(at, i, add)| {
            let mutator = if add { "insert" } else { "delete" };
            json!({"op": "mutate", "table": "T", "where": at, "mutations": [["s", mutator, i]]})
        }),
        (at, small.clone(), small).prop_map(|(at, k, v)| {
            json!({"op": "update", "table": "T", "where": at, "row": {"m": ["map", [[k, v]]]}})
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// All commits undone, newest first, leave nothing; and after a restart and a compaction it is the same history.
    #[test]
    fn undoing_everything_backwards_leaves_nothing(commits in proptest::collection::vec(
        proptest::collection::vec(operation(), 1..4), 1..12)) {
        let (mut db, log) = Database::in_memory(&schema());
        for (n, operations) in commits.iter().enumerate() {
            run(&mut db, operations, n as i64);
        }
        let names = |db: &Database| -> Vec<String> { db.history().commits().map(|c| c.id(db.tables())).collect() };
        let before = names(&db);
        let (mut again, _) = Database::open(Box::new(log.clone())).unwrap();
        prop_assert_eq!(&names(&again), &before);
        again.compact(99).unwrap();
        drop(again);
        let (mut db, _) = Database::open(Box::new(log)).unwrap();
        prop_assert_eq!(&names(&db), &before);
        let all: Vec<Commit> = db.history().commits().cloned().collect();
        for commit in all.iter().rev() {
            let deltas = commit.deltas(db.tables()).into_owned();
            let undone = undo(db.tables(), &deltas);
            prop_assert_eq!(undone.conflicts, vec![]);
            run(&mut db, &undone.operations, 100);
        }
        prop_assert_eq!(dump(&db), Vec::<String>::new());
    }
}

#[test]
fn only_the_newest_are_remembered() {
    let (mut db, log) = Database::in_memory(&schema());
    for n in 0..MAX_COMMITS as i64 + 10 {
        run(&mut db, &[json!({"op": "insert", "table": "T", "row": {"i": n}})], n);
    }
    assert_eq!(db.history().commits().len(), MAX_COMMITS);
    let many: Vec<Value> = (0..MAX_ROWS).map(|i| json!({"op": "insert", "table": "T", "row": {"i": i}})).collect();
    run(&mut db, &many, 5000);
    assert_eq!(db.history().commits().len(), 1);
    db.compact(6000).unwrap();
    let (db, _) = Database::open(Box::new(log)).unwrap();
    assert_eq!(db.history().commits().len(), 1);
}

#[test]
fn any_note_is_read_or_ignored() {
    let schema = schema();
    let tables = [Table::new(schema.tables["T"].clone(), true)];
    bolero::check!().with_type::<Vec<u8>>().for_each(|note| {
        History::default().restore(note, &schema, &tables);
    });
    let mut history = History::default();
    let bad = json!({"commits": [{"date": 1, "rows": [{"table": "X"}]}, 3, {"date": 2, "comment": null, "rows": []}]});
    history.restore(bad.to_string().as_bytes(), &schema, &tables);
    assert_eq!(history.commits().len(), 1);
}

#[test]
fn a_conversion_is_a_commit_and_keeps_what_came_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let storage = crate::storage::FileStorage::create(&path, &Database::initial_log(&schema())).unwrap();
    drop(storage);
    let mut db = crate::server::open_file(&path).unwrap();
    let insert = |name: &str| json!({"op": "insert", "table": "T", "row": {"name": name, "i": 7, "o": 3}});
    run(&mut db, &[insert("a"), json!({"op": "comment", "comment": "first"})], 1000);
    run(&mut db, &[json!({"op": "update", "table": "T", "where": [], "row": {"o": 4}})], 2000);
    let mut other = schema().to_json();
    other["version"] = "1.0.1".into();
    let columns = other["tables"]["T"]["columns"].as_object_mut().unwrap();
    columns.shift_remove("o");
    columns.insert("new".into(), json!({"type": "string"}));
    db.convert(DatabaseSchema::from_json(&other).unwrap(), 3000).unwrap();
    run(&mut db, &[json!({"op": "update", "table": "T", "where": [], "row": {"new": "x"}})], 4000);
    let told = |db: &Database| -> Vec<(i64, Option<String>, usize, usize)> {
        let commits = db.history().commits();
        commits
            .map(|commit| {
                let deltas = commit.deltas(db.tables());
                let cells = deltas.iter().map(|delta| delta.cells.len()).sum();
                (commit.date_ms, commit.comment.as_deref().map(str::to_owned), deltas.len(), cells)
            })
            .collect()
    };
    let expected = [
        (1000, Some("first".to_owned()), 1, 2),
        (2000, None, 0, 0),
        (3000, Some("converted to schema version 1.0.1".to_owned()), 0, 0),
        (4000, None, 1, 1),
    ];
    assert_eq!(told(&db), expected);
    let ids = |db: &Database| -> Vec<String> { db.history().commits().map(|c| c.id(db.tables())).collect() };
    let before = ids(&db);
    drop(db);
    let db = crate::server::open_file(&path).unwrap();
    assert_eq!((told(&db).as_slice(), ids(&db)), (expected.as_slice(), before));
}
