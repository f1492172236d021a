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
use weft_server::storage::{DiskJob, MemoryStorage, Rewrite, Storage};

/// In a script: the next step of a compaction.
const STEP: u8 = 5;

/// A file: what survives everything, and what is written and not synced, of which a power cut leaves a beginning.
#[derive(Clone, Default)]
struct Inode {
    synced: Vec<u8>,
    cached: Vec<u8>,
}

impl Inode {
    fn len(&self) -> usize {
        self.synced.len() + self.cached.len()
    }

    fn bytes(&self) -> Vec<u8> {
        [&self.synced[..], &self.cached].concat()
    }

    /// Puts the first `length` bytes on the disk, and no more than that.
    fn sync(&mut self, length: usize) {
        let count = length.saturating_sub(self.synced.len()).min(self.cached.len());
        self.synced.extend(self.cached.drain(..count));
    }
}

/// What is on the disk, and how much more it will take.
#[derive(Default)]
struct Disk {
    log: Inode,
    /// The log that is to replace it, where in the old one goes on what it lacks, and whether it gets what the old gets.
    new: Option<(Inode, usize, bool)>,
    /// The old log, whose name is still on the disk.
    named: Option<Inode>,
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
        MemoryStorage::new(disk.log.bytes()).replay(each)
    }

    fn append(&mut self, framed: &[u8]) -> Result<()> {
        let mut disk = self.0.lock().unwrap();
        match disk.spend(framed.len()) {
            Ok(()) => disk.log.cached.extend_from_slice(framed),
            // The process dies in the middle of the write.
            Err(some) => disk.log.cached.extend_from_slice(&framed[..some]),
        }
        if disk.left == 0 {
            return Err(broken());
        }
        if let Some((new, _, true)) = &mut disk.new {
            new.cached.extend_from_slice(framed);
        }
        Ok(())
    }

    fn syncing(&mut self) -> DiskJob {
        let disk = self.0.lock().unwrap();
        let (old, new) = (disk.log.len(), disk.new.as_ref().filter(|new| new.2).map(|new| new.0.len()));
        let (renamed, shared) = (disk.named.is_some(), self.0.clone());
        Box::new(move || {
            let mut disk = shared.lock().unwrap();
            disk.spend(1).map_err(|_| broken())?;
            disk.log.sync(old);
            if let (Some((inode, ..)), Some(length)) = (&mut disk.new, new) {
                inode.sync(length);
            }
            if renamed {
                disk.named = None;
            }
            Ok(())
        })
    }

    fn rewriting(&mut self, rewrite: Rewrite) -> Result<DiskJob> {
        let mut disk = self.0.lock().unwrap();
        disk.new = Some((Inode::default(), disk.log.len(), false));
        let shared = self.0.clone();
        Ok(Box::new(move || {
            let mut framed = Vec::new();
            (rewrite.log)(&mut framed).unwrap();
            let mut disk = shared.lock().unwrap();
            disk.spend(framed.len() + 1).map_err(|_| broken())?;
            disk.new.as_mut().unwrap().0.synced = framed;
            Ok(())
        }))
    }

    fn catch_up(&mut self) -> Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.spend(1).map_err(|_| broken())?;
        let bytes = disk.log.bytes();
        let (new, from, follows) = disk.new.as_mut().unwrap();
        new.cached.extend_from_slice(&bytes[*from..]);
        *follows = true;
        Ok(())
    }

    fn replace(&mut self) -> Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.spend(1).map_err(|_| broken())?;
        let (new, ..) = disk.new.take().unwrap();
        let old = std::mem::replace(&mut disk.log, new);
        disk.named = Some(old);
        Ok(())
    }

    fn give_up(&mut self) {
        self.0.lock().unwrap().new = None;
    }

    fn size(&self) -> u64 {
        self.0.lock().unwrap().log.len() as u64
    }
}

/// A compaction while commits go on, a step at a time.
#[derive(Default)]
enum Compaction {
    #[default]
    None,
    Asked(DiskJob),
    Written,
    CaughtUp,
    Settled,
    Renamed,
}

impl Compaction {
    fn step(self, db: &mut Database) -> Result<Compaction> {
        Ok(match self {
            Compaction::None => Compaction::Asked(db.rewriting(0)?.unwrap()),
            Compaction::Asked(job) => job().map(|()| Compaction::Written)?,
            Compaction::Written => db.catch_up().map(|()| Compaction::CaughtUp)?,
            Compaction::CaughtUp => db.sync().map(|()| Compaction::Settled)?,
            Compaction::Settled => db.replace().map(|()| Compaction::Renamed)?,
            Compaction::Renamed => db.sync().map(|()| Compaction::None)?,
        })
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
    let log = Inode { synced: Database::initial_log(&schema()), cached: Vec::new() };
    let disk = Disk { log, left: budget, ..Disk::default() };
    let storage = CrashingStorage(Arc::new(Mutex::new(disk)));
    let (mut db, _) = Database::open(Box::new(storage.clone())).unwrap();
    let mut compaction = Compaction::default();
    let mut acknowledged = 0;
    let mut states = vec![BTreeSet::new()];
    let mut next = 0;
    'run: for &(step, durable) in script {
        match step {
            0 => {
                compaction = Compaction::None;
                if db.compact(0).is_err() {
                    break 'run;
                }
                continue;
            }
            STEP => {
                match std::mem::take(&mut compaction).step(&mut db) {
                    Ok(next) => compaction = next,
                    Err(_) => break 'run,
                }
                continue;
            }
            _ => {}
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
        // Until the directory is synced, either log may be the one by that name.
        let log = disk.named.as_ref().filter(|_| kept % 2 == 1).unwrap_or(&disk.log);
        let kept = kept.min(log.cached.len());
        [&log.synced[..], &log.cached[..kept]].concat()
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
        script in prop::collection::vec((prop_oneof![0..STEP, Just(STEP), Just(STEP)], any::<bool>()), 1..40),
        budget in 0usize..16_000,
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

#[test]
fn no_byte_is_a_bad_moment_for_a_compaction_beside_commits() {
    // A commit, durable or not, before and after each of the six steps.
    let commits = (1..=13).map(|n| (1, n % 3 != 0));
    let script: Vec<(u8, bool)> = commits.flat_map(|commit| [commit, (STEP, false)]).collect();
    for budget in (0..8_000).step_by(5) {
        run(&script, budget, budget % 1201);
    }
}
