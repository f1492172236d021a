//! A disk that fails at any moment: writes that get through by half, syncs that fail, and a power cut after which only
//! some of what was never synced is there. Whatever happens, what was acknowledged as durable is read again, nothing is
//! there by half, and what is there is a state that once was.

use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use weft_ovsdb::{DatabaseSchema, Error, Result};
use weft_server::database::{Database, Execution};
use weft_server::exec::Context;
use weft_server::log::Torn;
use weft_server::storage::{MemoryStorage, Storage};

/// What is on the disk, and how much more it will take.
#[derive(Default)]
struct Disk {
    /// Survives everything.
    synced: Vec<u8>,
    /// Written and not synced: a power cut leaves a beginning of it.
    cached: Vec<u8>,
    /// Bytes, and operations that are no writes, until the disk fails; each counts one.
    left: usize,
}

impl Disk {
    fn spend(&mut self, cost: usize) -> Result<(), usize> {
        if self.left < cost {
            return Err(std::mem::take(&mut self.left));
        }
        self.left -= cost;
        Ok(())
    }
}

#[derive(Clone)]
struct CrashingStorage(Arc<Mutex<Disk>>);

fn broken() -> Error {
    Error::io("disk: write failed", &std::io::Error::other("broken"))
}

impl Storage for CrashingStorage {
    fn replay(&mut self, each: &mut dyn FnMut(Value) -> Result<()>) -> Result<Option<Torn>> {
        let disk = self.0.lock().unwrap();
        MemoryStorage::new([&disk.synced[..], &disk.cached].concat()).replay(each)
    }

    fn append(&mut self, framed: &[u8]) -> Result<()> {
        let mut disk = self.0.lock().unwrap();
        match disk.spend(framed.len()) {
            Ok(()) => disk.cached.extend_from_slice(framed),
            // The process dies in the middle of the write.
            Err(some) => disk.cached.extend_from_slice(&framed[..some]),
        }
        if disk.left == 0 { Err(broken()) } else { Ok(()) }
    }

    fn sync(&mut self) -> Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.spend(1).map_err(|_| broken())?;
        let cached = std::mem::take(&mut disk.cached);
        disk.synced.extend(cached);
        Ok(())
    }

    fn compact(&mut self, framed: &[u8]) -> Result<()> {
        let mut disk = self.0.lock().unwrap();
        // Beside the old file; only the rename, the last byte of the cost, makes it the file.
        disk.spend(framed.len() + 1).map_err(|_| broken())?;
        disk.synced = framed.to_vec();
        disk.cached.clear();
        Ok(())
    }

    fn size(&self) -> u64 {
        let disk = self.0.lock().unwrap();
        (disk.synced.len() + disk.cached.len()) as u64
    }
}

fn schema() -> DatabaseSchema {
    let table = json!({"isRoot": true, "columns": {"n": {"type": "integer"}}, "indexes": [["n"]]});
    DatabaseSchema::from_json(&json!({"name": "K", "tables": {"A": table, "B": table}})).unwrap()
}

fn numbers(db: &Database, table: usize) -> BTreeSet<i64> {
    db.tables()[table].rows().map(|row| row[2].as_integer().unwrap()).collect()
}

/// Runs until the disk fails, cuts the power, and looks at what is left.
fn run(script: &[(u8, bool)], budget: usize, kept: usize) {
    let mut disk = Disk { synced: Database::initial_log(&schema()), left: usize::MAX, ..Disk::default() };
    disk.left = budget;
    let storage = CrashingStorage(Arc::new(Mutex::new(disk)));
    let (mut db, _) = Database::open(Box::new(storage.clone())).unwrap();
    let mut acknowledged = 0;
    let mut states = vec![BTreeSet::new()];
    let mut next = 0;
    'run: for &(step, durable) in script {
        if step == 0 {
            if db.compact(0).is_err() {
                break 'run;
            }
            continue;
        }
        // A group of transactions that share a flush.
        let mut group = Vec::new();
        for _ in 0..step {
            let insert = |table: &str| json!({"op": "insert", "table": table, "row": {"n": next}});
            let mut operations = vec![insert("A"), insert("B"), json!({"op": "commit", "durable": durable})];
            if next % 5 == 4 {
                for table in ["A", "B"] {
                    operations.push(json!({"op": "delete", "table": table, "where": [["n", "==", next - 3]]}));
                }
            }
            let context = Context { owns_lock: &|_| false, elapsed: Duration::ZERO, read_only: false, client: None };
            let Execution::Done(done) = db.execute(&operations, &context, 0) else { panic!("nothing waits") };
            assert!(!done.result.contains("error"), "{}", done.result);
            group.push(next);
            states.push(numbers(&db, 0));
            next += 1;
        }
        if db.flush().is_err() {
            break 'run;
        }
        if durable {
            // Durable means durable for all before it, too.
            acknowledged = states.len() - 1;
        }
    }
    let survivor = {
        let disk = storage.0.lock().unwrap();
        let kept = kept.min(disk.cached.len());
        [&disk.synced[..], &disk.cached[..kept]].concat()
    };
    let (again, _) = Database::open(Box::new(MemoryStorage::new(survivor))).unwrap();
    let (a, b) = (numbers(&again, 0), numbers(&again, 1));
    assert_eq!(a, b, "a transaction is there by half");
    assert!(states[acknowledged..].contains(&a), "{a:?} was not since {:?}", states[acknowledged]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_was_acknowledged_is_there_after_a_crash(
        script in prop::collection::vec((0u8..5, any::<bool>()), 1..20),
        budget in 0usize..12_000,
        kept in 0usize..4_000,
    ) {
        run(&script, budget, kept);
    }
}

#[test]
fn no_byte_is_a_bad_moment() {
    let script = [(2, true), (1, false), (0, false), (3, true), (1, true)];
    for budget in (0..3_500).step_by(3) {
        run(&script, budget, budget % 701);
    }
}
