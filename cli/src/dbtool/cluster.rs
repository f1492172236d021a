//! What: the commands that read a file of a cluster's server: who it is, and what was in the database.
//!
//! Why: clusters themselves are not served here, but whoever leaves one behind must get at his data.
//!
//! How: the first record of such a file is its header: the server's and the cluster's names, and the snapshot that the log
//! starts from, `prev_data` = [schema, contents] (ovsdb(5)). Later records hold a transaction in `data` = [schema or null,
//! changes or null], at the `index` that the raft log gave it; a record may replace what stood at its index before.

use super::file::{Magic, damage, magic, read};
use super::{Job, say, write_target};
use crate::failure::{Exit, Failure, fail};
use serde_json::Value;
use std::collections::BTreeMap;
use weft_ovsdb::DatabaseSchema;
use weft_server::database::Database;
use weft_server::log;
use weft_server::storage::MemoryStorage;

/// `db-name` of a cluster's file.
pub fn name(job: &Job) -> Result<Exit, Failure> {
    member(job, "name")
}

/// `db-cid DB`
pub fn cid(job: &Job) -> Result<Exit, Failure> {
    must_be_clustered(job)?;
    member(job, "cluster_id")
}

/// `db-sid DB`
pub fn sid(job: &Job) -> Result<Exit, Failure> {
    must_be_clustered(job)?;
    member(job, "server_id")
}

/// `db-local-address DB`
pub fn local_address(job: &Job) -> Result<Exit, Failure> {
    must_be_clustered(job)?;
    member(job, "local_address")
}

/// `cluster-to-standalone DB CLUSTERDB`
pub fn to_standalone(job: &Job) -> Result<Exit, Failure> {
    let (target, path) = (&job.words[0], &job.words[1]);
    if magic(path)? != Magic::Cluster {
        return fail("Database is not clustered db.\n");
    }
    let mut framed = Vec::new();
    for record in contents(records(path)?)? {
        log::frame(&record.to_string(), &mut framed);
    }
    // What cannot be opened is not worth writing.
    let (database, torn) = Database::open(Box::new(MemoryStorage::new(framed.clone())))?;
    if let Some(torn) = torn {
        return Err(damage(path, &framed, &torn));
    }
    drop(database);
    write_target(target, &framed)?;
    Ok(Exit::OK)
}

/// The schema and the transactions that make the database.
fn contents(records: Vec<Value>) -> Result<Vec<Value>, Failure> {
    let mut entries: BTreeMap<u64, Value> = BTreeMap::new();
    let Some(header) = records.first() else { return fail("ovsdb error: no records in the file") };
    let mut all = vec![header["prev_data"].clone()];
    for record in &records[1..] {
        if let (Some(index), Some(data)) = (record["index"].as_u64(), record.get("data")) {
            // What comes again is the leader's newer word, and what stood behind it is void.
            entries.split_off(&index);
            entries.insert(index, data.clone());
        }
    }
    all.extend(entries.into_values());
    let mut out: Vec<Value> = Vec::new();
    for data in all {
        let (schema, changes) = (data[0].clone(), data[1].clone());
        if schema.is_object() {
            DatabaseSchema::from_json(&schema)?;
            // A new schema comes with everything that it applies to.
            out = vec![schema];
        }
        if changes.is_object() {
            out.push(changes);
        }
    }
    match out.first() {
        Some(_) => Ok(out),
        None => fail("ovsdb error: the file has no schema: its server never joined the cluster"),
    }
}

fn member(job: &Job, name: &str) -> Result<Exit, Failure> {
    let path = job.db(0);
    let records = records(&path)?;
    match records.first().and_then(|header| header[name].as_str()) {
        Some(text) => say(text.to_string()),
        None => fail(format!("{path}: no {name} yet")),
    }
}

fn must_be_clustered(job: &Job) -> Result<(), Failure> {
    let path = job.db(0);
    match magic(&path)? {
        Magic::Cluster => Ok(()),
        Magic::Standalone => fail(format!("{path}: not a clustered database")),
    }
}

/// All whole records; what is behind them was never acknowledged.
fn records(path: &str) -> Result<Vec<Value>, Failure> {
    let bytes = read(path)?;
    // The frames are those of a standalone file but for the word in front.
    let text = as_standalone(&bytes);
    let mut records = log::Records::new(&text);
    let mut all = Vec::new();
    loop {
        match records.next_record() {
            Ok(Some(record)) => all.push(record),
            Ok(None) => return Ok(all),
            Err(torn) if all.is_empty() => return Err(damage(path, &text, &torn)),
            Err(torn) => {
                tracing::warn!(target: "ovsdb_log", "{path}: {torn}, the damaged end is left out");
                return Ok(all);
            }
        }
    }
}

/// A record is a header line and a line of JSON.
fn as_standalone(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        match line.strip_prefix(b"OVSDB CLUSTER ") {
            Some(rest) => {
                out.extend_from_slice(b"OVSDB JSON ");
                out.extend_from_slice(rest);
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}
