//! What: changes in the making. Reads go through to the replica under what was already written here, so a later
//! step of the same transaction sees what an earlier one did.
//!
//! Invariants: nothing is sent before [`Transaction::request`]; a write of what is there already is no write; a
//! reference to a row inserted here goes out as its name, as its UUID is the server's to choose.

use super::index::{Index, Indexes};
use super::rows::{Replica, Row, default_row};
use crate::atom::{Atom, Uuid};
use crate::datum::Datum;
use crate::error::compact_sorted;
use crate::schema::{ColumnSchema, TableSchema};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// See the module's header.
#[derive(Debug)]
pub struct Transaction<'a> {
    replica: &'a Replica,
    rows: BTreeMap<Uuid, Pending>,
    order: Vec<Uuid>,
    indexes: RefCell<Indexes>,
    verified: BTreeSet<(String, Uuid, usize)>,
    mutations: Vec<Value>,
    comment: Vec<String>,
    increment: Option<(String, Uuid, String)>,
    lock: Option<String>,
}

/// A finished transaction, ready to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// The operations, without the database's name in front.
    pub operations: Vec<Value>,
    inserted: Vec<(usize, Uuid)>,
    increment: Option<usize>,
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// There was nothing to do.
    Unchanged,
    /// Committed.
    Success {
        /// What the server calls the rows that we inserted: our name first.
        uuids: BTreeMap<Uuid, Uuid>,
        /// The new value of the incremented column.
        increment: Option<i64>,
    },
    /// Somebody else was faster, or the connection broke: wait for an update and build it again.
    TryAgain,
    /// The server refused; another try would not help.
    Error(String),
}

impl<'a> Transaction<'a> {
    /// Nothing changed yet.
    pub fn new(replica: &'a Replica) -> Transaction<'a> {
        Transaction {
            replica,
            rows: BTreeMap::new(),
            order: Vec::new(),
            indexes: RefCell::default(),
            verified: BTreeSet::new(),
            mutations: Vec::new(),
            comment: Vec::new(),
            increment: None,
            lock: None,
        }
    }

    /// What lies under the changes.
    pub fn replica(&self) -> &'a Replica {
        self.replica
    }

    /// Makes a row; the UUID is valid inside this transaction. `None` if there is no such table.
    pub fn insert(&mut self, table: &str) -> Option<Uuid> {
        self.insert_as(table, Uuid::new_v4())
    }

    /// The same under an identity that the caller already gave away.
    pub fn insert_as(&mut self, table: &str, uuid: Uuid) -> Option<Uuid> {
        let schema = self.replica.table(table)?.schema().clone();
        let values = default_row(&schema, uuid);
        self.indexes.get_mut().row(table, uuid, &values, true);
        self.rows.insert(
            uuid,
            Pending { schema, values, state: State::Inserted, keeps_uuid: false, written: BTreeSet::new() },
        );
        self.order.push(uuid);
        Some(uuid)
    }

    /// Makes a row that gets exactly this identity in the database.
    pub fn insert_with_uuid(&mut self, table: &str, uuid: Uuid) -> Option<Uuid> {
        self.insert_as(table, uuid)?;
        self.rows.get_mut(&uuid)?.keeps_uuid = true;
        Some(uuid)
    }

    /// Sets a column. Returns whether there was such a row and column.
    pub fn set(&mut self, table: &str, uuid: Uuid, column: &str, value: Datum) -> bool {
        let Some(pending) = self.pending(table, uuid) else { return false };
        let Some(at) = pending.schema.column_index(column) else { return false };
        let old = std::mem::replace(&mut pending.values[at], value);
        pending.written.insert(at);
        let pending = &self.rows[&uuid];
        if pending.state != State::Deleted {
            self.indexes.get_mut().changed(table, at, uuid, &old, &pending.values[at]);
        }
        true
    }

    /// Removes a row. A row inserted here just was never there. Of tables whose rows live only as long as
    /// something refers to them nothing is sent: the server collects such rows.
    pub fn delete(&mut self, table: &str, uuid: Uuid) {
        if self.pending(table, uuid).is_none() || self.is_deleted(uuid) {
            return;
        }
        self.indexes.get_mut().row(table, uuid, &self.rows[&uuid].values, false);
        match self.rows.get_mut(&uuid) {
            Some(pending) if pending.state != State::Inserted => pending.state = State::Deleted,
            _ => {
                self.rows.remove(&uuid);
                self.order.retain(|other| *other != uuid);
            }
        }
    }

    /// Commits only if the column still holds what the replica says.
    pub fn verify(&mut self, table: &str, uuid: Uuid, column: &str) {
        if let Some(row) = self.replica.row(table, uuid)
            && let Some(at) = row.table.column_index(column)
        {
            self.verified.insert((table.to_string(), uuid, at));
        }
    }

    /// Adds mutations such as `["external_ids", "insert", ["map", ...]]` of a row that is in the database.
    /// The server applies them to whatever is there then; they are not seen by reads here.
    pub fn mutate(&mut self, table: &str, uuid: Uuid, mutations: Vec<Value>) {
        self.mutations.push(json!({"op": "mutate", "table": table, "where": where_uuid(uuid), "mutations": mutations}));
    }

    /// Text for the server's log; several are put on lines of their own.
    pub fn comment(&mut self, text: impl Into<String>) {
        self.comment.push(text.into());
    }

    /// Adds one to an integer column when everything else is done, and tells its new value.
    pub fn increment(&mut self, table: &str, uuid: Uuid, column: &str) {
        self.increment = Some((table.to_string(), uuid, column.to_string()));
    }

    /// Commits only while we hold this lock.
    pub fn assert_lock(&mut self, lock: &str) {
        self.lock = Some(lock.to_string());
    }

    /// A column's value as this transaction sees it.
    pub fn get(&self, table: &str, uuid: Uuid, column: &str) -> Option<&Datum> {
        let (schema, values) = self.values(table, uuid)?;
        Some(&values[schema.column_index(column)?])
    }

    /// All values of a row as this transaction sees it, by column index.
    pub fn row(&self, table: &str, uuid: Uuid) -> Option<&[Datum]> {
        self.values(table, uuid).map(|(_, values)| values)
    }

    /// The rows that this transaction sees: the replica's without the deleted, then the inserted.
    pub fn rows(&self, table: &str) -> Vec<Uuid> {
        let old = self.replica.rows(table).map(|row| row.uuid).filter(|uuid| !self.is_deleted(*uuid));
        let new = self.order.iter().copied().filter(|uuid| {
            let pending = &self.rows[uuid];
            pending.state == State::Inserted && pending.schema.name == table
        });
        old.chain(new).collect()
    }

    /// Is there such a row, as this transaction sees it?
    pub fn contains(&self, table: &str, uuid: Uuid) -> bool {
        self.values(table, uuid).is_some_and(|(schema, _)| schema.name == table)
    }

    /// The rows whose column holds this one value, by identity.
    pub fn find(&self, table: &str, column: &str, value: &Atom) -> Vec<Uuid> {
        let Some(at) = self.schema(table).and_then(|schema| schema.column_index(column)) else { return Vec::new() };
        let rows = || self.rows(table).into_iter().filter_map(|uuid| Some((uuid, &self.row(table, uuid)?[at])));
        self.indexes.borrow_mut().of(table, at, || Index::of(rows())).find(value)
    }

    /// The table's schema.
    pub fn schema(&self, table: &str) -> Option<&'a Arc<TableSchema>> {
        Some(self.replica.table(table)?.schema())
    }

    /// Was the row inserted here?
    pub fn is_inserted(&self, uuid: Uuid) -> bool {
        self.rows.get(&uuid).is_some_and(|pending| pending.state == State::Inserted)
    }

    /// Was the row deleted here?
    pub fn is_deleted(&self, uuid: Uuid) -> bool {
        self.rows.get(&uuid).is_some_and(|pending| pending.state == State::Deleted)
    }

    /// What to send; `None` if there is nothing to do.
    pub fn request(&self) -> Option<Request> {
        let mut operations = Vec::new();
        if let Some(lock) = &self.lock {
            operations.push(json!({"op": "assert", "lock": lock}));
        }
        operations.extend(self.waits());
        let waits = operations.len();
        let mut inserted = Vec::new();
        for uuid in &self.order {
            let pending = &self.rows[uuid];
            let table = &pending.schema.name;
            match pending.state {
                State::Deleted if !self.replica.schema().is_root(&pending.schema) => {}
                State::Deleted => {
                    operations.push(json!({"op": "delete", "table": table, "where": where_uuid(*uuid)}));
                }
                State::Inserted => {
                    inserted.push((operations.len(), *uuid));
                    let row = self.row_json(pending, |at, column| !pending.values[at].is_default(&column.kind));
                    operations.push(match pending.keeps_uuid {
                        true => json!({"op": "insert", "table": table, "uuid": uuid.to_string(), "row": row}),
                        false => json!({"op": "insert", "table": table, "uuid-name": row_name(*uuid), "row": row}),
                    });
                }
                State::Modified => self.modification(*uuid, pending, &mut operations),
            }
        }
        operations.extend(self.mutations.iter().cloned());
        let mut increment = None;
        if operations.len() > waits
            && let Some((table, uuid, column)) = &self.increment
        {
            let at = where_uuid_named(*uuid, |uuid| self.has_name(uuid));
            let mutation = json!([[column, "+=", 1]]);
            operations.push(json!({"op": "mutate", "table": table, "where": at, "mutations": mutation}));
            increment = Some(operations.len());
            operations.push(json!({"op": "select", "table": table, "where": at, "columns": [column]}));
        }
        if operations.len() == waits {
            return None;
        }
        if !self.comment.is_empty() {
            operations.push(json!({"op": "comment", "comment": self.comment.join("\n")}));
        }
        Some(Request { operations, inserted, increment })
    }

    /// What changed in a row that is there. A set that is verified and only grew or shrank goes out as the difference: a
    /// bridge's thousand ports need not be sent to add one.
    fn modification(&self, uuid: Uuid, pending: &Pending, operations: &mut Vec<Value>) {
        let table = &pending.schema.name;
        let old = self.replica.row(table, uuid).map(|row| row.row);
        let (mut row, mut mutations) = (Map::new(), Vec::new());
        for &at in &pending.written {
            let ColumnSchema { name, kind, .. } = &pending.schema.columns[at];
            let new = &pending.values[at];
            let old = old.map(|old| &old.values()[at]);
            let is_big = |old: &Datum| !kind.is_map() && old.len().min(new.len()) > 1;
            let verified = || self.verified.contains(&(table.clone(), uuid, at));
            match old {
                Some(old) if old == new => {}
                Some(old) if is_big(old) && verified() && new.includes(old) => {
                    mutations.push(json!([name, "insert", self.datum_json(&new.subtract(old))]));
                }
                Some(old) if is_big(old) && verified() && old.includes(new) => {
                    mutations.push(json!([name, "delete", self.datum_json(&old.subtract(new))]));
                }
                _ => {
                    row.insert(name.clone(), self.datum_json(new));
                }
            }
        }
        let at = where_uuid(uuid);
        if !row.is_empty() {
            operations.push(json!({"op": "update", "table": table, "where": at, "row": row}));
        }
        if !mutations.is_empty() {
            operations.push(json!({"op": "mutate", "table": table, "where": at, "mutations": mutations}));
        }
    }

    /// Is the row known to the server only by a name, until it is committed?
    fn has_name(&self, uuid: Uuid) -> bool {
        self.rows.get(&uuid).is_some_and(|pending| pending.state == State::Inserted && !pending.keeps_uuid)
    }

    fn values(&self, table: &str, uuid: Uuid) -> Option<(&TableSchema, &[Datum])> {
        match self.rows.get(&uuid) {
            Some(pending) if pending.state == State::Deleted => None,
            Some(pending) => Some((&pending.schema, &pending.values)),
            None => self.replica.row(table, uuid).map(|row| (row.table, row.row.values())),
        }
    }

    fn pending(&mut self, table: &str, uuid: Uuid) -> Option<&mut Pending> {
        if !self.rows.contains_key(&uuid) {
            let schema = self.replica.table(table)?.schema().clone();
            let values = self.replica.row(table, uuid)?.row.values().to_vec();
            self.rows.insert(
                uuid,
                Pending { schema, values, state: State::Modified, keeps_uuid: false, written: BTreeSet::new() },
            );
            self.order.push(uuid);
        }
        self.rows.get_mut(&uuid)
    }

    /// One `wait` for each verified row that the transaction does not itself make.
    fn waits(&self) -> Vec<Value> {
        let mut rows: BTreeMap<(&str, Uuid), Vec<usize>> = BTreeMap::new();
        for (table, uuid, at) in &self.verified {
            rows.entry((table.as_str(), *uuid)).or_default().push(*at);
        }
        let waits = rows.into_iter().filter_map(|((table, uuid), columns)| {
            let row = self.replica.row(table, uuid)?;
            let names: Vec<&str> = columns.iter().map(|at| row.table.columns[*at].name.as_str()).collect();
            let values: Map<String, Value> = columns
                .iter()
                .map(|at| (row.table.columns[*at].name.clone(), row.row.values()[*at].to_json()))
                .collect();
            Some(json!({
                "op": "wait", "timeout": 0, "table": table, "where": where_uuid(uuid),
                "columns": names, "until": "==", "rows": [values],
            }))
        });
        waits.collect()
    }

    fn row_json(&self, pending: &Pending, wanted: impl Fn(usize, &ColumnSchema) -> bool) -> Map<String, Value> {
        let columns = pending.written.iter().map(|at| (*at, &pending.schema.columns[*at]));
        columns
            .filter(|(at, column)| wanted(*at, column))
            .map(|(at, column)| (column.name.clone(), self.datum_json(&pending.values[at])))
            .collect()
    }

    fn datum_json(&self, datum: &Datum) -> Value {
        let atom = |atom: &Atom| match atom {
            Atom::Uuid(uuid) if self.has_name(*uuid) => json!(["named-uuid", row_name(*uuid)]),
            other => other.to_json(),
        };
        match datum {
            Datum::One(one) => atom(one),
            Datum::Set(atoms) => json!(["set", atoms.iter().map(atom).collect::<Vec<_>>()]),
            Datum::Map(pairs) => {
                json!(["map", pairs.iter().map(|(k, v)| json!([atom(k), atom(v)])).collect::<Vec<_>>()])
            }
        }
    }
}

impl Request {
    /// Understands the reply to `transact`: its result, or `Err` with the JSON-RPC error.
    pub fn outcome(&self, reply: Result<&Value, &Value>) -> Outcome {
        let results = match reply {
            Ok(Value::Array(results)) => results,
            Ok(other) | Err(other) => return Outcome::Error(compact_sorted(other)),
        };
        for result in results {
            match result.get("error").and_then(Value::as_str) {
                Some("timed out" | "not owner") => return Outcome::TryAgain,
                Some(_) => return Outcome::Error(compact_sorted(result)),
                None => {}
            }
        }
        if results.len() < self.operations.len() {
            return Outcome::Error("the server answered only a part of the transaction".to_string());
        }
        let uuid = |at: usize| Atom::from_json(results[at].get("uuid")?, crate::AtomType::Uuid, None).ok()?.as_uuid();
        let uuids = self.inserted.iter().filter_map(|(at, ours)| Some((*ours, uuid(*at)?))).collect();
        let count = |at: usize| results[at].get("rows")?.get(0)?.as_object()?.values().next()?.as_i64();
        Outcome::Success { uuids, increment: self.increment.and_then(count) }
    }
}

impl Row {
    /// The value of a column, by index.
    pub fn value(&self, column: usize) -> &Datum {
        &self.values()[column]
    }
}

#[derive(Debug)]
struct Pending {
    schema: Arc<TableSchema>,
    values: Vec<Datum>,
    state: State,
    keeps_uuid: bool,
    written: BTreeSet<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Inserted,
    Modified,
    Deleted,
}

fn where_uuid(uuid: Uuid) -> Value {
    json!([["_uuid", "==", ["uuid", uuid.to_string()]]])
}

fn where_uuid_named(uuid: Uuid, inserted: impl Fn(Uuid) -> bool) -> Value {
    match inserted(uuid) {
        true => json!([["_uuid", "==", ["named-uuid", row_name(uuid)]]]),
        false => where_uuid(uuid),
    }
}

/// A name must be an identifier.
fn row_name(uuid: Uuid) -> String {
    format!("row{}", uuid.simple())
}
