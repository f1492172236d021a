//! Database files, shared with Open vSwitch's tools: what they write opens here, what we write opens there.

use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use weft_ovsdb::DatabaseSchema;
use weft_server::database::{Database, Execution};
use weft_server::exec::Context;
use weft_server::server::open_file;
use weft_server::storage::{FileStorage, Storage};

const TOOL: &str = "/usr/bin/ovsdb-tool";

fn schema() -> Value {
    json!({"name": "P", "version": "1.2.3", "cksum": "1 2", "tables": {"T": {"isRoot": true, "columns": {
        "n": {"type": "string"},
        "s": {"type": {"key": "integer", "min": 0, "max": "unlimited"}},
        "eph": {"type": "integer", "ephemeral": true}
    }, "indexes": [["n"]]}}})
}

fn create(path: &Path) -> Database {
    let schema = DatabaseSchema::from_json(&schema()).unwrap();
    drop(FileStorage::create(path, &Database::initial_log(&schema)).unwrap());
    open_file(path).unwrap()
}

fn transact(db: &mut Database, operations: Value) {
    let context = Context { owns_lock: &|_| false, elapsed: Duration::ZERO, read_only: false, client: None };
    let Execution::Done(done) = db.execute(operations.as_array().unwrap(), &context, 1_700_000_000_000) else {
        panic!()
    };
    assert!(!done.result.contains("error"), "{}", done.result);
    db.flush().unwrap();
}

fn fill(db: &mut Database) {
    transact(db, json!([{"op": "insert", "table": "T", "row": {"n": "a", "s": ["set", [1, 2, 3]], "eph": 7}}]));
    transact(
        db,
        json!([
            {"op": "mutate", "table": "T", "where": [], "mutations": [["s", "delete", 2], ["s", "insert", 9]]},
            {"op": "comment", "comment": "not 2\nbut 9"}
        ]),
    );
}

fn names(db: &Database) -> Vec<String> {
    let mut names: Vec<String> = db.tables()[0].rows().map(|row| format!("{:?} {:?}", row[3], row[4])).collect();
    names.sort();
    names
}

/// Runs `ovsdb-tool`; `None`, and said so, where there is none.
fn tool(args: &[&str]) -> Option<String> {
    if !Path::new(TOOL).exists() {
        assert!(std::env::var_os("WEFT_E2E_REQUIRED").is_none(), "{TOOL} is not installed");
        eprintln!("SKIPPED: no {TOOL} to compare with");
        return None;
    }
    let output = Command::new(TOOL).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn our_files_open_with_their_tools() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let mut db = create(&path);
    fill(&mut db);
    drop(db);
    let file = path.to_str().unwrap();
    let Some(name) = tool(&["db-name", file]) else { return };
    assert_eq!(name, "P\n");
    let select = json!(["P", {"op": "select", "table": "T", "where": [], "columns": ["n", "s", "eph"]}]).to_string();
    let rows: Value = serde_json::from_str(&tool(&["query", file, &select]).unwrap()).unwrap();
    assert_eq!(rows, json!([{"rows": [{"n": "a", "s": ["set", [1, 3, 9]], "eph": 0}]}]));
    let log = tool(&["show-log", file]).unwrap();
    assert!(log.contains("record 2: 2023-11-14 22:13:20.000 \"not 2\nbut 9\""), "{log}");
    tool(&["compact", file]).unwrap();
    assert_eq!(names(&open_file(&path).unwrap()), ["\"a\" [\"set\",[1,3,9]]"]);
}

#[test]
fn their_files_open_here() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(path("schema"), schema().to_string()).unwrap();
    if tool(&["create", &path("db"), &path("schema")]).is_none() {
        return;
    }
    for operation in [
        json!({"op": "insert", "table": "T", "row": {"n": "é", "s": ["set", [1, 2]]}}),
        json!({"op": "mutate", "table": "T", "where": [], "mutations": [["s", "delete", 1], ["s", "insert", 7]]}),
    ] {
        tool(&["transact", &path("db"), &json!(["P", operation]).to_string()]).unwrap();
    }
    let log = std::fs::read_to_string(path("db")).unwrap();
    assert!(log.contains("\"_is_diff\":true"));
    let mut db = open_file(Path::new(&path("db"))).unwrap();
    assert_eq!(names(&db), ["\"é\" [\"set\",[2,7]]"]);
    fill(&mut db);
    drop(db);
    assert!(
        tool(&["query", &path("db"), r#"["P",{"op":"select","table":"T","where":[]}]"#]).unwrap().contains("\"a\"")
    );
}

#[test]
fn a_torn_tail_is_cut_off_and_writing_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let mut db = create(&path);
    let empty = std::fs::metadata(&path).unwrap().len();
    fill(&mut db);
    drop(db);
    let whole = std::fs::read(&path).unwrap();
    for cut in [empty as usize + 1, whole.len() - 1, whole.len() - 20] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let (db, torn) = Database::open(Box::new(FileStorage::open(&path).unwrap())).unwrap();
        assert!(torn.is_some());
        assert!(std::fs::metadata(&path).unwrap().len() < cut as u64);
        drop(db);
        let mut db = open_file(&path).unwrap();
        transact(&mut db, json!([{"op": "insert", "table": "T", "row": {"n": "after"}}]));
        drop(db);
        let (db, torn) = Database::open(Box::new(FileStorage::open(&path).unwrap())).unwrap();
        assert!(torn.is_none());
        assert!(names(&db).iter().any(|n| n.contains("after")));
    }
}

#[test]
fn what_is_no_database_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let open = || open_file(&path).err().map(|e| e.to_string().replace(dir.path().to_str().unwrap(), "DIR"));
    assert_eq!(open().unwrap(), "I/O error: DIR/db: open failed (No such file or directory)");
    for (bytes, text) in [
        (&b"hello\n"[..], "ovsdb error: DIR/db: unexpected file format"),
        (b"", "ovsdb error: DIR/db: cannot identify file type"),
        (b"OVSDB CLUSTER 3 7fd1a60b01f91b314f59955a4e4d4e80d8edf11d\n{}\n", "ovsdb error: DIR/db: clustered"),
        (
            b"OVSDB JSON 3 0000000000000000000000000000000000000000\n{}\n",
            "syntax error: DIR/db: 3 bytes starting at offset 54 have SHA-1 hash 5f36",
        ),
        (
            b"OVSDB JSON 3 5f36b2ea290645ee34d943220a14b54ee5ea5be5\n{}\n",
            "syntax \"{}\": syntax error: DIR/db: Parsing",
        ),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = open().unwrap();
        assert!(error.starts_with(text), "{error}");
    }
}

#[test]
fn compaction_replaces_the_file_and_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let mut db = create(&path);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    for n in 0..50 {
        transact(&mut db, json!([{"op": "insert", "table": "T", "row": {"n": n.to_string()}}]));
    }
    let (rows, before) = (names(&db), db.log_size());
    db.compact(0).unwrap();
    assert!(db.log_size() < before);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    transact(&mut db, json!([{"op": "insert", "table": "T", "row": {"n": "later"}}]));
    drop(db);
    let again = open_file(&path).unwrap();
    assert_eq!(again.tables()[0].len(), rows.len() + 1);
}

#[test]
fn a_compaction_beside_commits_loses_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let mut db = create(&path);
    let mut n = 0;
    let mut commit = |db: &mut Database| {
        n += 1;
        transact(db, json!([{"op": "insert", "table": "T", "row": {"n": n.to_string()}}]));
    };
    for give_up in [true, false] {
        (0..50).for_each(|_| commit(&mut db));
        let before = db.log_size();
        let job = db.rewriting(0).unwrap().unwrap();
        commit(&mut db);
        job().unwrap();
        commit(&mut db);
        db.catch_up().unwrap();
        commit(&mut db);
        db.sync().unwrap();
        if give_up {
            db.give_up_compaction();
            assert!(!path.with_extension("tmp").exists());
            commit(&mut db);
            assert!(db.log_size() > before);
            continue;
        }
        commit(&mut db);
        db.replace().unwrap();
        commit(&mut db);
        db.sync().unwrap();
        assert!(db.log_size() < before);
        assert_eq!(db.log_size(), std::fs::metadata(&path).unwrap().len());
    }
    commit(&mut db);
    let rows = names(&db);
    drop(db);
    assert_eq!(names(&open_file(&path).unwrap()), rows);
}

#[test]
fn reading_only_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    drop(create(&path));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(b"OVSDB JSON 5");
    std::fs::write(&path, &bytes).unwrap();
    let mut storage = FileStorage::open_read_only(&path).unwrap();
    assert!(storage.replay(&mut |_| Ok(())).unwrap().is_some());
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}
