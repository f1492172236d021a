//! What: the commands that read a file of a cluster's server: who it is, and what was in the database.
//!
//! Why: clusters themselves are not served here, but whoever leaves one behind must get at his data.
//!
//! How: the first record of such a file is its header: the server's and the cluster's names, and the snapshot that the log
//! starts from, `prev_data` = [schema, contents] (ovsdb(5)). Later records hold a transaction in `data` = [schema or null,
//! changes or null], at the `index` that the raft log gave it; a record may replace what stood at its index before.

use super::file::{Magic, damage, magic, open_copy, read};
use super::{Job, now_ms, say, write_target};
use crate::failure::{Exit, Failure, fail};
use crate::schema_file;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use weft_ovsdb::{DatabaseSchema, Uuid};
use weft_server::database::Database;
use weft_server::log;
use weft_server::storage::{FileStorage, MemoryStorage};

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

/// `create-cluster DB CONTENTS LOCAL`: CONTENTS is a schema, or a standalone database.
pub fn create(job: &Job) -> Result<Exit, Failure> {
    let (target, contents, local) = (&job.words[0], &job.words[1], &job.words[2]);
    let (schema, changes) = match read(contents)?.starts_with(b"OVSDB ") {
        true => {
            let database = open_copy(contents)?;
            let record = log::snapshot(database.tables(), &format!("created from {contents}"), now_ms(), true);
            (database.schema().to_json(), serde_json::from_str(&record).unwrap_or_else(|_| json!({})))
        }
        false => (schema_file::read(contents)?.0.to_json(), json!({})),
    };
    let schema = persistent(schema, contents);
    check_address(local)?;
    let [cluster, server, entry] = std::array::from_fn(|_| Uuid::new_v4().to_string());
    let header = json!({
        "name": schema["name"], "cluster_id": cluster, "server_id": server, "local_address": local,
        "prev_term": 1, "prev_index": 1, "prev_eid": entry, "prev_servers": {server.clone(): local},
        "prev_data": [schema, changes],
    });
    let timer = job.election_timer.map(|timer| json!({"election_timer": timer, "term": 1, "index": 2}));
    write(target, &[Some(header), timer])
}

/// `join-cluster DB NAME LOCAL REMOTE...`
pub fn join(job: &Job) -> Result<Exit, Failure> {
    let (target, name, local, remotes) = (&job.words[0], &job.words[1], &job.words[2], &job.words[3..]);
    check_address(local)?;
    for remote in remotes {
        check_address(remote)?;
        if remote == local {
            return fail("ovsdb error: remote addresses cannot be the same as the local address");
        }
    }
    let mut header = json!({
        "name": name, "server_id": Uuid::new_v4().to_string(), "local_address": local, "remote_addresses": remotes,
    });
    if let Some(cid) = job.cid {
        header["cluster_id"] = json!(cid.to_string());
    }
    write(target, &[Some(header)])
}

/// The schema without ephemeral columns, which clusters do not have.
fn persistent(mut schema: Value, path: &str) -> Value {
    let (mut count, mut first) = (0, None);
    for (table, body) in schema["tables"].as_object_mut().into_iter().flatten() {
        for (column, body) in body["columns"].as_object_mut().into_iter().flatten() {
            if body.as_object_mut().and_then(|body| body.remove("ephemeral")).is_some() {
                count += 1;
                first.get_or_insert((column.clone(), table.clone()));
            }
        }
    }
    if let Some((column, table)) = first {
        let name = schema["name"].as_str().unwrap_or_default();
        tracing::warn!(
            target: "ovsdb",
            "{path}: changed {count} columns in '{name}' database from ephemeral to persistent, including '{column}' \
             column in '{table}' table, because clusters do not support ephemeral columns"
        );
    }
    schema
}

/// Where a server listens for the others.
fn check_address(text: &str) -> Result<(), Failure> {
    let rest = match text.split_once(':') {
        Some(("unix", _)) => return Ok(()),
        Some(("tcp" | "ssl", rest)) => rest,
        _ => return fail(format!("ovsdb error: {text}: expected \"tcp\" or \"ssl\" address")),
    };
    let syntax = || fail(format!("ovsdb error: {text}: syntax error in address"));
    let after_host = match rest.strip_prefix('[') {
        Some(v6) => v6.split_once(']').and_then(|(_, after)| after.strip_prefix(':')),
        None => rest.split_once(':').map(|(_, port)| port),
    };
    match after_host {
        None => {
            tracing::error!(target: "socket_util", "{rest}: port must be specified");
            syntax()
        }
        Some(port) if port.parse::<u16>().is_err() => {
            tracing::error!(target: "socket_util", "{rest}: bad port number \"{port}\"");
            syntax()
        }
        Some(_) => Ok(()),
    }
}

fn write(target: &str, records: &[Option<Value>]) -> Result<Exit, Failure> {
    let mut framed = Vec::new();
    for record in records.iter().flatten() {
        let mut one = Vec::new();
        log::frame(&record.to_string(), &mut one);
        framed.extend_from_slice(CLUSTER);
        framed.extend_from_slice(&one[STANDALONE.len()..]);
    }
    FileStorage::create(Path::new(target), &framed)?;
    Ok(Exit::OK)
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
        return Err(damage(path, &torn));
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
        None if name == "cluster_id" => {
            eprintln!("{path}: cluster ID not yet known");
            Ok(Exit(2))
        }
        None => fail(format!("{path}: no {name}")),
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
            Err(torn) if all.is_empty() => return Err(damage(path, &torn)),
            Err(torn) => {
                tracing::warn!(target: "ovsdb_log", "{}, the damaged end is left out", torn.to_error(path));
                return Ok(all);
            }
        }
    }
}

/// A record is a header line and a line of JSON.
fn as_standalone(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        match line.strip_prefix(CLUSTER) {
            Some(rest) => {
                out.extend_from_slice(STANDALONE);
                out.extend_from_slice(rest);
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

/// What a header begins with.
const CLUSTER: &[u8] = b"OVSDB CLUSTER ";
const STANDALONE: &[u8] = b"OVSDB JSON ";
