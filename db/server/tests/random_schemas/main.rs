//! Random schemas, random requests: Open vSwitch's `ovsdb-server` and ours must say the same to two clients (replies with
//! the words of errors, updates of monitors of all three kinds, locks, conversions), hold the same, and write files that
//! the other goes on with. Halfway through a round the servers exchange their files.
//!
//! `WEFT_DIFFERENTIAL_SECONDS=600` runs long, `WEFT_DIFFERENTIAL_SEED=7` begins elsewhere, `WEFT_DIFFERENTIAL_ROUNDS=1`
//! runs just that. What has been found and mended is in `golden.rs` as well.
//!
//! Two things are known to differ, and a round ends there. 3.1 keeps weak references to rows that go in the transaction
//! that changes the row that holds them, against RFC 7047 section 3.2. We remove them. And where a pair of a map goes because
//! the row of its weak key went, 3.1 still counts the strong reference that was its value, until it starts again: it refuses to
//! delete a row that no row refers to. That section protects rows that are referred to; we let it go
//! (`golden::a_pair_that_goes_with_its_weak_key_holds_no_row`).

#[allow(dead_code, reason = "of this only the generator is used")]
#[path = "../random/mod.rs"]
mod random;

mod golden;
mod peers;
mod requests;
mod same;
mod schemas;

use peers::{Died, Heard, Ours, Theirs};
use requests::{Step, World};
use same::{Pairs, in_order, same};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use weft_base::{Clock, SystemClock};
use weft_ovsdb::{BaseType, ColumnType, DatabaseSchema};

/// One database, twice.
struct Twins {
    dir: tempfile::TempDir,
    theirs: Option<Theirs>,
    ours: Option<Ours>,
    /// Which of the two files each has.
    swapped: bool,
    pairs: Pairs,
    schema: DatabaseSchema,
    next_id: u64,
    /// Requests that wait, by client.
    waiting: Vec<(usize, u64)>,
    /// What was asked, for the report.
    asked: Vec<String>,
}

/// Why a round ends before its time.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Their server died.
    Died,
    /// Their server has references to rows that are gone.
    DeadReferences,
    /// Their server counts strong references that no row has.
    StaleCount,
    /// Their server does not read what was written.
    Misread,
}

impl From<Died> for End {
    fn from(_: Died) -> End {
        End::Died
    }
}

impl Twins {
    fn start(schema: &Value) -> Twins {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("schema"), schema.to_string()).unwrap();
        for name in ["a.db", "b.db"] {
            let made = peers::tool(&["create", path(name).to_str().unwrap(), path("schema").to_str().unwrap()]);
            made.unwrap_or_else(|error| panic!("their tool does not take {schema}: {error}"));
        }
        let mut twins = Twins {
            dir,
            theirs: None,
            ours: None,
            swapped: false,
            pairs: Pairs::default(),
            schema: DatabaseSchema::from_json(schema).unwrap(),
            next_id: 0,
            waiting: Vec::new(),
            asked: Vec::new(),
        };
        twins.serve().unwrap();
        twins
    }

    fn files(&self) -> (PathBuf, PathBuf) {
        let path = |name: &str| self.dir.path().join(name);
        match self.swapped {
            false => (path("a.db"), path("b.db")),
            true => (path("b.db"), path("a.db")),
        }
    }

    fn serve(&mut self) -> Result<(), End> {
        let (theirs, ours) = self.files();
        self.theirs = Some(Theirs::start(self.dir.path(), &theirs));
        match Ours::start(&ours) {
            Ok(ours) => self.ours = Some(ours),
            Err(error) => panic!("schema {}\n{}\nours does not open: {error}", self.schema.to_json(), self.lately()),
        }
        for client in 0..2 {
            self.ask(client, "set_db_change_aware", json!([true]))?;
        }
        Ok(())
    }

    /// Asks both and compares; what they said.
    fn ask(&mut self, client: usize, method: &str, params: Value) -> Result<Heard, End> {
        self.next_id += 1;
        let request = json!({"id": self.next_id, "method": method, "params": params});
        self.send(client, request)
    }

    fn send(&mut self, client: usize, request: Value) -> Result<Heard, End> {
        self.asked.push(format!("{client} {request}"));
        let ours = self.ours.as_mut().unwrap().request(client, &self.pairs.request_to_ours(&request));
        let theirs = self.theirs.as_mut().unwrap().request(client, &request, &ours)?;
        self.pairs.learn(&theirs[client], &ours[client]);
        let answered = |m: &Value, id: u64| m["id"] == id && m.get("result").is_some();
        self.waiting.retain(|(client, id)| !ours[*client].iter().any(|m| answered(m, *id)));
        if let Some(id) = request["id"].as_u64()
            && !ours[client].iter().any(|m| answered(m, id))
        {
            self.waiting.push((client, id));
        }
        for who in 0..2 {
            let a = in_order(theirs[who].iter().map(|m| self.pairs.theirs(m)).collect());
            let b = in_order(ours[who].iter().map(|m| self.pairs.said_by_ours(m)).collect());
            let equal = a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| same(a, b, &request, &self.schema));
            if !equal {
                return self.differ(&request, who, &a, &b);
            }
        }
        Ok(theirs)
    }

    /// A difference, unless it comes of one of the known defects.
    fn differ(&mut self, request: &Value, who: usize, theirs: &[Value], ours: &[Value]) -> Result<Heard, End> {
        if self.dead_references()? {
            return Err(End::DeadReferences);
        }
        if self.stale_count(request, theirs)? {
            return Err(End::StaleCount);
        }
        let lines = |messages: &[Value]| messages.iter().map(|m| format!("  {m}\n")).collect::<String>();
        let before = self.lately();
        panic!(
            "schema {}\n{before}\nclient {client} asked {request}\nclient {who} heard\ntheirs:\n{}ours:\n{}",
            self.schema.to_json(),
            lines(theirs),
            lines(ours),
            client = &self.asked.last().unwrap()[..1],
        );
    }

    /// The last requests.
    fn lately(&self) -> String {
        let last = std::env::var("WEFT_DIFFERENTIAL_SHOW").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
        self.asked[self.asked.len().saturating_sub(last)..].join("\n")
    }

    /// The rows of a table, as both have them, in the words of theirs.
    fn rows(&mut self, table: &str) -> Result<(Vec<Value>, Vec<Value>), End> {
        let (theirs, ours) = self.select(table)?;
        Ok((rows_of(self.pairs.theirs(&theirs)), rows_of(self.pairs.said_by_ours(&ours))))
    }

    fn rows_in_our_words(&mut self, table: &str) -> Result<(Vec<Value>, Vec<Value>), End> {
        let (theirs, ours) = self.select(table)?;
        let plain = Pairs::default();
        let theirs = self.pairs.request_to_ours(&theirs);
        Ok((rows_of(plain.verbatim(&theirs)), rows_of(plain.verbatim(&ours))))
    }

    fn select(&mut self, table: &str) -> Result<(Value, Value), End> {
        let names: Vec<&str> = self.schema.table(table).unwrap().columns.iter().map(|c| c.name.as_str()).collect();
        let columns: Vec<&str> = names.into_iter().filter(|name| *name != "_version").collect();
        let select = json!({"op": "select", "table": table, "where": [], "columns": columns});
        let request = json!({"id": "rows", "method": "transact", "params": ["P", select]});
        let ours = self.ours.as_mut().unwrap().request(0, &request);
        let theirs = self.theirs.as_mut().unwrap().request(0, &request, &ours)?;
        Ok((theirs[0][0].clone(), ours[0][0].clone()))
    }

    /// Whether their rows have weak references to rows that are not there.
    fn dead_references(&mut self) -> Result<bool, End> {
        let schema = self.schema.clone();
        let mut there: Vec<(String, Vec<String>, String)> = Vec::new();
        for table in schema.tables.values() {
            let (rows, _) = self.rows(&table.name)?;
            let ids = rows.iter().filter_map(|row| row["_uuid"][1].as_str().map(str::to_owned)).collect();
            let weak: Vec<&Value> = table
                .columns
                .iter()
                .filter(|c| c.kind.has_weak())
                .flat_map(|c| rows.iter().map(|row| &row[&c.name]))
                .collect();
            there.push((table.name.clone(), ids, json!(weak).to_string()));
        }
        let all: Vec<&String> = there.iter().flat_map(|(_, ids, _)| ids).collect();
        Ok(there.iter().any(|(_, _, weak)| {
            weak.split("\"uuid\",\"").skip(1).any(|rest| rest.get(..36).is_some_and(|id| !all.iter().any(|a| *a == id)))
        }))
    }

    /// Whether they refuse to delete a row because of more references than their rows have, and the request makes none.
    fn stale_count(&mut self, request: &Value, theirs: &[Value]) -> Result<bool, End> {
        let words = json!(theirs).to_string();
        let Some((row, many)) = remaining(&words) else { return Ok(false) };
        let mut there = 0;
        for table in self.schema.clone().tables.values() {
            let (rows, _) = self.rows(&table.name)?;
            let columns = || table.columns.iter().filter(|column| column.name != "_uuid");
            there += rows.iter().flat_map(|r| columns().map(|c| strong(&r[&c.name], &c.kind, row))).sum::<usize>();
        }
        // Once for the condition that names it.
        Ok(there < many && request.to_string().matches(row).count() <= 1)
    }

    /// Everything in all tables must be equal.
    fn same_contents(&mut self) -> Result<(), End> {
        for name in self.schema.tables.keys().cloned().collect::<Vec<_>>() {
            let (theirs, ours) = self.rows(&name)?;
            if theirs != ours {
                self.differ(&json!({"contents of": name}), 0, &theirs, &ours)?;
            }
        }
        Ok(())
    }

    /// The servers go on, each with the other's file.
    fn exchange(&mut self) -> Result<(), End> {
        for (client, id) in std::mem::take(&mut self.waiting) {
            self.send(client, json!({"id": null, "method": "cancel", "params": [id]}))?;
        }
        self.same_contents()?;
        let before = self.lasting(|twins, table| Ok(twins.rows(table)?.0))?;
        self.theirs.take().unwrap().stop();
        drop(self.ours.take());
        let (theirs, ours) = self.files();
        let (a, b) =
            (records(&theirs, &|json| self.pairs.theirs(json)), records(&ours, &|json| self.pairs.said_by_ours(json)));
        if let Some((a, b)) = a.iter().zip(&b).find(|(a, b)| a != b) {
            panic!("schema {}\nrecords differ\ntheirs: {a}\nours:   {b}", self.schema.to_json());
        }
        assert_eq!(a.len(), b.len(), "records in the logs");
        self.swapped = !self.swapped;
        self.pairs.swap();
        self.serve()?;
        // What ours calls its rows now is what theirs called them before.
        let ours = self.lasting(|twins, table| Ok(twins.rows_in_our_words(table)?.1))?;
        if let Some((before, ours)) = before.iter().zip(&ours).find(|(a, b)| a != b) {
            panic!("schema {}\nours has read\n{before:?}\nas\n{ours:?}", self.schema.to_json());
        }
        if self.lasting(|twins, table| Ok(twins.rows_in_our_words(table)?.0))? != before {
            return Err(End::Misread);
        }
        self.same_contents()
    }

    /// The rows of all tables without columns that are not kept.
    fn lasting(&mut self, rows: impl Fn(&mut Twins, &str) -> Result<Vec<Value>, End>) -> Result<Vec<Vec<Value>>, End> {
        let mut all = Vec::new();
        for table in self.schema.clone().tables.values() {
            let mut rows = rows(self, &table.name)?;
            for row in &mut rows {
                let lasts = |name: &str| table.column_index(name).is_some_and(|c| table.columns[c].persistent);
                row.as_object_mut().unwrap().retain(|name, _| lasts(name));
            }
            rows.sort_by_key(weft_ovsdb::error::compact_sorted);
            all.push(rows);
        }
        Ok(all)
    }
}

/// The row and the number in "cannot delete A row ROW because of N remaining reference(s)".
fn remaining(words: &str) -> Option<(&str, usize)> {
    let (before, after) = words.split_once(" because of ")?;
    let (many, _) = after.split_once(" remaining reference(s)")?;
    Some((before.rsplit(' ').next()?, many.parse().ok()?))
}

/// How often a value refers strongly to a row.
fn strong(value: &Value, kind: &ColumnType, row: &str) -> usize {
    let atoms = match value[0].as_str() {
        Some("set" | "map") => value[1].as_array().unwrap().clone(),
        _ => vec![value.clone()],
    };
    let refers = |atom: &Value, base: &BaseType| base.is_strong() && atom[1] == row;
    let count = |atom: &Value| match &kind.value {
        Some(value) => usize::from(refers(&atom[0], &kind.key)) + usize::from(refers(&atom[1], value)),
        None => usize::from(refers(atom, &kind.key)),
    };
    atoms.iter().map(count).sum()
}

fn rows_of(message: Value) -> Vec<Value> {
    message["result"][0]["rows"].as_array().cloned().unwrap_or_default()
}

/// The records of a log without their dates.
fn records(file: &Path, comparable: &dyn Fn(&Value) -> Value) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    let bodies = text.lines().filter(|line| !line.starts_with("OVSDB JSON "));
    let mut records: Vec<Value> = bodies.map(|line| serde_json::from_str(line).unwrap()).collect();
    if let Some(schema) = records.first_mut() {
        // After a conversion they keep the schema as it was sent.
        *schema = DatabaseSchema::from_json(schema).unwrap().to_json();
    }
    let schema = DatabaseSchema::from_json(&records[0]).unwrap();
    for record in &mut records {
        *record = comparable(record);
        without_nothing(record, &schema);
        if let Some(members) = record.as_object_mut() {
            members.shift_remove("_date");
        }
    }
    records.retain(|record| *record != json!({"_is_diff": true}));
    records
}

/// They write a difference that is none for a column that was changed and changed back.
fn without_nothing(record: &mut Value, schema: &DatabaseSchema) {
    if record["_is_diff"] != true {
        return;
    }
    for (table, rows) in record.as_object_mut().unwrap() {
        if schema.table(table).is_none() {
            continue;
        }
        let rows = rows.as_object_mut().unwrap().values_mut().filter_map(Value::as_object_mut);
        for row in rows {
            row.retain(|_, value| *value != json!(["set", []]) && *value != json!(["map", []]));
        }
    }
    // A row without any value may be one that was changed and changed back, too.
    record.as_object_mut().unwrap().retain(|name, rows| {
        if let (Some(rows), true) = (rows.as_object_mut(), schema.table(name).is_some()) {
            rows.retain(|_, row| *row != json!({}));
            return !rows.is_empty();
        }
        true
    });
}

/// How a round went.
#[derive(Default)]
struct Tally {
    requests: usize,
    well: usize,
    refused: usize,
    died: usize,
    dead_references: usize,
    stale_counts: usize,
    misread: usize,
}

/// One schema, so many requests.
fn round(seed: u64, requests: usize, tally: &mut Tally) {
    let mut world = World::new(seed);
    let mut twins = Twins::start(&world.json);
    match play(&mut world, &mut twins, requests, tally) {
        Ok(()) => {}
        Err(End::Died) => {
            let how = twins.theirs.take().map(Theirs::obituary).unwrap_or_default();
            eprintln!("seed {seed}: their server died ({how}) of {}", twins.asked.last().unwrap());
            tally.died += 1;
        }
        Err(End::DeadReferences) => tally.dead_references += 1,
        Err(End::StaleCount) => tally.stale_counts += 1,
        Err(End::Misread) => tally.misread += 1,
    }
}

fn play(world: &mut World, twins: &mut Twins, requests: usize, tally: &mut Tally) -> Result<(), End> {
    for n in 0..requests {
        let Step { client, method, params } = world.step();
        let heard = twins.ask(client, &method, params.clone())?;
        tally.requests += 1;
        let text = json!(heard).to_string();
        let refused = text.contains("\"error\":\"") || text.contains("\"error\":{");
        *(if refused { &mut tally.refused } else { &mut tally.well }) += 1;
        match method.as_str() {
            "transact" => {
                for (i, uuid) in twins.inserted(&heard[client]) {
                    let table = params[i + 1]["table"].as_str().unwrap_or_default().to_owned();
                    let rows = world.learned.entry(table).or_default();
                    rows.push(uuid);
                    if rows.len() > 6 {
                        rows.remove(0);
                    }
                }
            }
            "convert" if heard[client].iter().any(|m| m["result"].is_object()) => {
                world.converted(params[1].clone());
                twins.schema = world.schema.clone();
                twins.waiting.clear();
                twins.same_contents()?;
            }
            // They apply what comes before the fault, in no particular order of tables; we apply all or nothing.
            "monitor_cond_change" if refused => {
                if let Some(i) = world.monitors.iter().position(|(id, ..)| params[0] == **id) {
                    let (id, ..) = world.monitors.swap_remove(i);
                    twins.ask(0, "monitor_cancel", json!([id]))?;
                }
            }
            _ => {}
        }
        if n + 1 == requests / 2 {
            if world.r.chance(50) {
                twins.theirs.as_ref().unwrap().compact();
                twins.ours.as_mut().unwrap().compact();
            }
            twins.exchange()?;
            world.exchanged(|uuid| twins.pairs_to_theirs(uuid));
        }
    }
    twins.exchange()
}

impl Twins {
    fn inserted(&self, heard: &[Value]) -> Vec<(usize, String)> {
        let Some(results) = heard.iter().find_map(|m| m["result"].as_array()) else { return Vec::new() };
        if results.iter().any(|result| result["error"].is_string()) {
            return Vec::new();
        }
        let uuids = results.iter().enumerate().filter_map(|(i, r)| Some((i, r["uuid"][1].as_str()?.to_owned())));
        uuids.filter(|(_, uuid)| !uuid.contains("-2222-4000-8000-")).collect()
    }

    /// The name that their server has for what it called so before the exchange.
    fn pairs_to_theirs(&self, before: &str) -> String {
        self.pairs.theirs_of(before)
    }
}

#[test]
fn both_servers_agree_on_random_schemas() {
    if !peers::installed() {
        return;
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let clock = SystemClock::new();
    let begin = clock.now();
    let long = number("WEFT_DIFFERENTIAL_SECONDS");
    let budget = Duration::from_secs(long.unwrap_or(30));
    let rounds = number("WEFT_DIFFERENTIAL_ROUNDS").unwrap_or(if long.is_some() { u64::MAX } else { 40 });
    let first = number("WEFT_DIFFERENTIAL_SEED").unwrap_or(1);
    let (mut tally, mut different) = (Tally::default(), Vec::new());
    for seed in (first..).take(usize::try_from(rounds).unwrap_or(usize::MAX)) {
        // Each is looked at on its own, so that one run shows all that is to be mended.
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| round(seed, 160, &mut tally))).is_err() {
            eprintln!("seed {seed}: they differ");
            different.push(seed);
        }
        if clock.now() - begin > budget {
            break;
        }
    }
    eprintln!(
        "{} requests, {} went well, {} were refused; their server died in {} rounds, kept dead references \
         in {}, counted references that are none in {}, misread a file in {}",
        tally.requests, tally.well, tally.refused, tally.died, tally.dead_references, tally.stale_counts, tally.misread
    );
    assert!(different.is_empty(), "they differ with seeds {different:?}");
    assert!(tally.well * 5 > tally.requests, "nearly everything fails: the generator is no good");
}
