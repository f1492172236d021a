//! Who waits for the disk, and who does not.

use super::super::tests::{Sim, insert};
use super::*;
use crate::storage::MemoryStorage;
use serde_json::json;

fn durable() -> Value {
    json!({"op": "commit", "durable": true})
}

/// A server whose disk works when the test says so.
fn sim() -> Sim {
    let mut sim = Sim::new();
    sim.server.defer_disk_work();
    sim
}

impl Sim {
    /// One turn of whoever drives the server: what is heard.
    fn turn(&mut self) -> Vec<(SessionId, Value)> {
        self.server.flush();
        self.server.start_disk_work();
        self.heard()
    }

    /// The disk does the oldest work that it was asked for.
    fn disk(&mut self) -> Vec<(SessionId, Value)> {
        let DiskWork { ticket, job } = self.work.pop_front().expect("there is work");
        let result = job();
        self.server.disk_done(&ticket, result);
        self.turn()
    }

    fn ids(heard: &[(SessionId, Value)]) -> Vec<i64> {
        heard.iter().filter_map(|(_, message)| message["id"].as_i64()).collect()
    }
}

#[test]
fn only_who_asked_for_the_disk_waits_for_it() {
    let mut sim = sim();
    let (a, b) = (sim.server.open_session(), sim.server.open_session());
    sim.transact(a, json!([insert("a"), durable()]), 1);
    assert!(sim.turn().is_empty());
    assert_eq!(sim.work.len(), 1);
    sim.transact(b, json!([insert("b")]), 2);
    sim.transact(b, json!([{"op": "select", "table": "T", "where": [], "columns": ["n"]}]), 3);
    let heard = sim.turn();
    assert_eq!(Sim::ids(&heard), [2, 3]);
    assert_eq!(heard[1].1["result"][0]["rows"].as_array().unwrap().len(), 2);
    assert_eq!(sim.log.synced(), Database::initial_log(sim.server.database("P").unwrap().schema()));
    assert_eq!(Sim::ids(&sim.disk()), [1]);
    assert_eq!(sim.log.syncs(), 1);
}

#[test]
fn what_becomes_durable_during_a_sync_shares_the_next_one() {
    let mut sim = sim();
    let clients: Vec<SessionId> = (0..5).map(|_| sim.server.open_session()).collect();
    for (i, client) in clients.iter().enumerate() {
        sim.transact(*client, json!([insert(&i.to_string()), durable()]), i as i64);
        assert!(sim.turn().is_empty());
    }
    assert_eq!(sim.server.n_unsynced(), 4);
    assert_eq!((sim.work.len(), Sim::ids(&sim.disk())), (1, vec![0]));
    assert_eq!((sim.work.len(), Sim::ids(&sim.disk())), (1, vec![1, 2, 3, 4]));
    assert_eq!((sim.work.len(), sim.log.syncs()), (0, 2));
}

#[test]
fn replies_to_one_client_keep_their_order() {
    let mut sim = sim();
    let (a, b) = (sim.server.open_session(), sim.server.open_session());
    sim.transact(a, json!([insert("1"), durable()]), 1);
    sim.transact(a, json!([insert("2")]), 2);
    sim.transact(b, json!([insert("3")]), 3);
    sim.transact(a, json!([insert("4"), durable()]), 4);
    assert_eq!(Sim::ids(&sim.turn()), [3]);
    sim.transact(a, json!([insert("1")]), 5);
    sim.transact(a, json!([durable()]), 6);
    assert!(sim.turn().is_empty());
    assert_eq!(Sim::ids(&sim.disk()), [1, 2, 4, 5, 6]);
}

#[test]
fn a_client_that_goes_is_not_waited_for() {
    let mut sim = sim();
    let (a, b) = (sim.server.open_session(), sim.server.open_session());
    sim.transact(a, json!([insert("a"), durable()]), 1);
    sim.turn();
    sim.server.close_session(a);
    assert!(sim.disk().is_empty());
    sim.transact(b, json!([insert("b")]), 2);
    assert_eq!(Sim::ids(&sim.turn()), [2]);
}

#[test]
fn commits_go_on_during_a_compaction_and_none_is_lost() {
    let mut sim = sim();
    let client = sim.server.open_session();
    for i in 0..30 {
        sim.transact(client, json!([insert(&format!("before {i}"))]), i);
    }
    sim.turn();
    let grown = sim.log.bytes().len();
    assert_eq!(sim.server.compact(Some("P")).unwrap(), ["P"]);
    let mut n = 100;
    let mut ended = Vec::new();
    while ended.is_empty() {
        // Before each step a commit that the step does not know of, and one that waits for the disk.
        sim.transact(client, json!([insert(&n.to_string())]), n);
        sim.transact(client, json!([insert(&(n + 1).to_string()), durable()]), n + 1);
        n += 2;
        let mut heard = sim.turn();
        heard.extend(sim.disk());
        ended.extend(heard.into_iter().filter(|(session, _)| session.0 == 0));
        assert!(n < 200, "the compaction does not end");
    }
    assert_eq!(ended[0].1, json!({"compacted": "P", "ok": true}));
    while !sim.work.is_empty() {
        sim.disk();
    }
    assert!(sim.log.bytes().len() < grown);
    let (again, torn) = Database::open(Box::new(MemoryStorage::new(sim.log.synced()))).unwrap();
    assert!(torn.is_none());
    let table = |db: &Database| db.schema().table("T").unwrap().index;
    let names = |db: &Database| {
        let mut names: Vec<String> = db.tables()[table(db)].rows().map(|row| row[3].to_text()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&again), names(sim.server.database("P").unwrap()));
    assert_eq!(again.tables()[table(&again)].len() as i64, 30 + (n - 100));
}

#[test]
fn a_database_that_is_removed_takes_its_waiting_replies_along() {
    let mut sim = sim();
    let client = sim.server.open_session();
    sim.say(client, "set_db_change_aware", json!([true]), 0);
    sim.transact(client, json!([insert("a"), durable()]), 1);
    sim.turn();
    sim.server.compact(Some("P")).unwrap();
    sim.server.remove_database("P").unwrap();
    assert_eq!(Sim::ids(&sim.turn()), [1]);
    assert_eq!(sim.log.synced(), sim.log.bytes());
    // What was under way ends without anybody minding.
    while !sim.work.is_empty() {
        sim.disk();
    }
}

#[test]
fn a_log_that_grows_is_compacted_by_the_rule() {
    let mut sim = sim();
    let rule = Rule { min_size: 1000, min_commits: 100, ..Rule::default() };
    sim.server.set_compaction_rule(rule);
    let client = sim.server.open_session();
    let mut n = 0;
    let mut commits = |sim: &mut Sim, count: i64| {
        for _ in 0..count {
            sim.transact(client, json!([insert(&n.to_string())]), n);
            n += 1;
        }
        sim.turn();
        let begun = !sim.work.is_empty();
        while !sim.work.is_empty() {
            sim.disk();
        }
        begun
    };
    assert!(!commits(&mut sim, 99));
    sim.clock.advance(rule.min_age);
    assert!(!commits(&mut sim, 0));
    assert!(commits(&mut sim, 1), "grown, old enough, and 100 commits");
    assert!(!commits(&mut sim, 1000), "too soon again");
    sim.clock.advance(rule.min_age - Duration::from_secs(1));
    assert!(!commits(&mut sim, 1));
    sim.clock.advance(Duration::from_secs(1));
    assert!(commits(&mut sim, 1));
    // Not doubled, but a day.
    sim.clock.advance(rule.max_age - Duration::from_secs(1));
    assert!(!commits(&mut sim, 100));
    sim.clock.advance(Duration::from_secs(1));
    assert!(commits(&mut sim, 1));
}
