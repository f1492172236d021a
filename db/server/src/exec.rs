//! Executing the operations of a transaction (RFC 7047 section 5.2) and writing down their results.
//!
//! Results are written as JSON text at once; a reply is never built as a tree.

use crate::commit::commit;
use crate::rbac::{Client, Wish};
use crate::table::{Row, Table};
use crate::txn::{ChangeSet, Txn};
use crate::uuids::UuidSource;
use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};
use serde_json::Value;
use std::time::Duration;
use weft_ovsdb::atom::NamedUuids;
use weft_ovsdb::operation::{Values, default_row, identity, write_row};
use weft_ovsdb::schema::{COL_UUID, COL_VERSION};
use weft_ovsdb::{Atom, Condition, DatabaseSchema, Datum, Error, Mutation, Operation, Result, TableSchema, Uuid};

/// What a transaction may count on from outside the database.
pub struct Context<'a> {
    /// Whether the client owns a lock.
    pub owns_lock: &'a dyn Fn(&str) -> bool,
    /// How long ago the request came, for waits.
    pub elapsed: Duration,
    /// Whether clients may only read.
    pub read_only: bool,
    /// Who asks, if it has a role that restricts what it may change.
    pub client: Option<Client<'a>>,
}

/// What became of a transaction.
pub enum Outcome {
    /// It is over; the changes are in the tables, and not yet in the log.
    Done {
        /// The `result` member of the reply, as JSON text.
        result: String,
        /// What changed.
        changes: ChangeSet,
        /// Comments for the log.
        comment: Option<String>,
        /// Whether the reply must wait for the disk.
        durable: bool,
    },
    /// A `wait` does not hold yet; nothing has changed.
    Waiting {
        /// The table that the wait looks at.
        table: usize,
        /// When the wait gives up, counted from the request; never if not given.
        timeout: Option<Duration>,
    },
}

/// Executes a list of operations and commits.
pub fn execute(
    schema: &DatabaseSchema,
    tables: &mut [Table],
    uuids: &mut UuidSource,
    operations: &[Value],
    context: &Context<'_>,
) -> Outcome {
    let mut run = Run {
        schema,
        tables,
        uuids,
        context,
        txn: Txn::default(),
        names: Names::default(),
        out: String::with_capacity(64),
    };
    run.out.push('[');
    for (i, json) in operations.iter().enumerate() {
        if i > 0 {
            run.out.push(',');
        }
        match run.operation(json, i + 1, operations.len()) {
            Ok(()) => {}
            Err(Stop::Wait { table, timeout }) => {
                run.txn.rollback(run.tables);
                return Outcome::Waiting { table, timeout };
            }
            Err(Stop::Error(error)) => {
                run.out.push_str(&error.to_json().to_string());
                run.out.push_str(&",null".repeat(operations.len() - i - 1));
                run.out.push(']');
                run.txn.rollback(run.tables);
                return Outcome::Done { result: run.out, changes: ChangeSet::default(), comment: None, durable: false };
            }
        }
    }
    let Run { mut txn, mut out, .. } = run;
    let durable = txn.durable;
    let comments = std::mem::take(&mut txn.comments);
    let changes = match commit(schema, tables, txn, uuids) {
        Ok(changes) => changes,
        Err(error) => {
            if !operations.is_empty() {
                out.push(',');
            }
            out.push_str(&error.to_json().to_string());
            ChangeSet::default()
        }
    };
    out.push(']');
    let mut comment = String::new();
    for text in comments {
        if !comment.is_empty() {
            comment.push('\n');
        }
        comment.push_str(&text);
    }
    let comment = Some(comment).filter(|c| !c.is_empty());
    Outcome::Done { result: out, changes, comment, durable }
}

/// Why operations stop.
enum Stop {
    Error(Error),
    Wait { table: usize, timeout: Option<Duration> },
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Error(error)
    }
}

struct Run<'a> {
    schema: &'a DatabaseSchema,
    tables: &'a mut [Table],
    uuids: &'a mut UuidSource,
    context: &'a Context<'a>,
    txn: Txn,
    names: Names,
    out: String,
}

/// The transaction's named UUIDs.
#[derive(Default)]
struct Names {
    by_name: HashMap<String, (Uuid, bool), RandomState>,
}

impl NamedUuids for Names {
    fn resolve(&mut self, name: &str) -> Uuid {
        if let Some((uuid, _)) = self.by_name.get(name) {
            return *uuid;
        }
        let uuid = Uuid::new_v4();
        self.by_name.insert(name.to_owned(), (uuid, false));
        uuid
    }
}

impl Run<'_> {
    fn operation(&mut self, json: &Value, at: usize, of: usize) -> Result<(), Stop> {
        let operation = Operation::from_json(json, at, of, self.schema, &mut self.names);
        let operation = operation.map_err(|error| self.identity_taken(json).unwrap_or(error))?;
        if self.context.read_only
            && let Some(name) = operation.writes()
        {
            let text = format!("{name} operation not allowed when database server is in read only mode");
            return Err(Error::new("not allowed", text).into());
        }
        match operation {
            Operation::Insert { table, uuid_name, uuid, row } => self.insert(&table, uuid_name, uuid, row)?,
            Operation::Select { table, condition, columns, sort } => self.select(&table, &condition, columns, &sort),
            Operation::Update { table, condition, row } => {
                let rows = self.matching(table.index, &condition);
                let columns: Vec<usize> = row.iter().map(|(column, _)| *column).collect();
                self.check_role(Wish::Update, &table, &rows, &columns)?;
                for old in &rows {
                    self.change(table.index, old, row.iter().cloned())?;
                }
                self.count(rows.len());
            }
            Operation::Mutate { table, condition, mutations } => {
                let rows = self.matching(table.index, &condition);
                let columns: Vec<usize> = mutations.iter().map(|mutation| mutation.column).collect();
                self.check_role(Wish::Mutate, &table, &rows, &columns)?;
                for old in &rows {
                    self.mutate(&table, old, &mutations)?;
                }
                self.count(rows.len());
            }
            Operation::Delete { table, condition } => {
                let rows = self.matching(table.index, &condition);
                self.check_role(Wish::Delete, &table, &rows, &[])?;
                for row in &rows {
                    self.txn.delete(self.tables, table.index, row.uuid());
                }
                self.count(rows.len());
            }
            Operation::Wait { table, condition, columns, rows, equal, timeout } => {
                self.wait(&table, &condition, &columns, &rows, equal, timeout)?;
            }
            Operation::Commit { durable } => {
                self.txn.durable |= durable;
                self.out.push_str("{}");
            }
            Operation::Abort => return Err(Error::new("aborted", "aborted by request").into()),
            Operation::Comment { text } => {
                self.txn.comments.push(text);
                self.out.push_str("{}");
            }
            Operation::Assert { lock } => {
                if !(self.context.owns_lock)(&lock) {
                    return Err(Error::new("not owner", format!("Asserted lock {lock} not held.")).into());
                }
                self.out.push_str("{}");
            }
        }
        Ok(())
    }

    fn insert(
        &mut self,
        table: &TableSchema,
        uuid_name: Option<String>,
        uuid: Option<Uuid>,
        values: Values,
    ) -> Result<(), Error> {
        if let Some(error) = self.taken(table, uuid_name.as_deref(), uuid) {
            return Err(error);
        }
        let uuid = match uuid_name {
            None => uuid.unwrap_or_else(|| self.uuids.next()),
            Some(name) => {
                let fresh = uuid.unwrap_or_else(|| self.uuids.next());
                let entry = self.names.by_name.entry(name).or_insert((fresh, false));
                entry.1 = true;
                if let Some(uuid) = uuid {
                    entry.0 = uuid;
                }
                entry.0
            }
        };
        let mut columns = default_row(table);
        let mut given = vec![false; columns.len()];
        for (column, value) in values {
            columns[column] = value;
            given[column] = true;
        }
        columns[COL_UUID] = Datum::One(Atom::Uuid(uuid));
        columns[COL_VERSION] = Datum::One(Atom::Uuid(Uuid::nil()));
        // A default can be illegal, such as 0 where at least 1 is asked for; then the client must give a value.
        for (column, value) in columns.iter().enumerate().filter(|(c, _)| !given[*c]) {
            table.columns[column].kind.check_atoms(value)?;
        }
        if self.context.client.is_some() {
            self.check_role(Wish::Insert, table, &[Row::new(columns.clone())], &[])?;
        }
        self.txn.insert(self.tables, table.index, columns, self.uuids);
        self.out.push_str("{\"uuid\":");
        Atom::Uuid(uuid).write_json(&mut self.out);
        self.out.push('}');
        Ok(())
    }

    /// Whether an insert's row may not be who it wants to be.
    fn taken(&self, table: &TableSchema, name: Option<&str>, uuid: Option<Uuid>) -> Option<Error> {
        if let Some(uuid) = uuid
            && (self.tables[table.index].get(uuid).is_some() || self.txn.existed((table.index, uuid)) == Some(true))
        {
            let text = "This UUID would duplicate a UUID already present within the table or deleted within the same \
                        transaction.";
            return Some(Error::new("duplicate uuid", text).with_syntax(Some(&uuid.to_string().into())));
        }
        let name = name.filter(|name| self.names.by_name.get(*name).is_some_and(|(_, inserted)| *inserted))?;
        let text = "This \"uuid-name\" appeared on an earlier \"insert\" operation.";
        Some(Error::new("duplicate uuid-name", text).with_syntax(Some(&name.into())))
    }

    /// Of an insert that has more than one fault, that it wants a taken identity is told first.
    fn identity_taken(&self, json: &Value) -> Option<Error> {
        let (table, name, uuid) = identity(json, self.schema)?;
        self.taken(&table, name, uuid)
    }

    fn select(&mut self, table: &TableSchema, condition: &Condition, columns: Option<Vec<usize>>, sort: &[usize]) {
        // Rows that look the same are one row, unless they can be told apart by their UUIDs.
        let distinct = columns.as_ref().is_some_and(|columns| !columns.contains(&COL_UUID));
        let columns = columns.unwrap_or_else(|| (0..table.columns.len()).collect());
        let mut seen: HashSet<String, RandomState> = HashSet::default();
        self.out.push_str("{\"rows\":[");
        let mut first = true;
        let mut rows = self.matching(table.index, condition);
        rows.sort_by(|a, b| {
            let orders = sort.iter().map(|column| a[*column].cmp(&b[*column]));
            orders.reduce(std::cmp::Ordering::then).unwrap_or(std::cmp::Ordering::Equal)
        });
        for row in rows {
            let before = self.out.len();
            if !first {
                self.out.push(',');
            }
            let start = self.out.len();
            write_row(table, row.columns(), columns.iter().copied(), &mut self.out);
            if distinct && !seen.insert(self.out[start..].to_owned()) {
                self.out.truncate(before);
                continue;
            }
            first = false;
        }
        self.out.push_str("]}");
    }

    fn mutate(&mut self, table: &TableSchema, old: &Row, mutations: &[Mutation]) -> Result<(), Error> {
        let mut values: Values = Vec::with_capacity(mutations.len());
        for mutation in mutations {
            let column = mutation.column;
            let kind = &table.columns[column].kind;
            match values.iter_mut().find(|(c, _)| *c == column) {
                Some((_, value)) => *value = mutation.apply(value, kind)?,
                None => values.push((column, mutation.apply(&old[column], kind)?)),
            }
        }
        self.change(table.index, old, values)
    }

    fn change(
        &mut self,
        table: usize,
        old: &Row,
        values: impl IntoIterator<Item = (usize, Datum)>,
    ) -> Result<(), Error> {
        let values: Values = values.into_iter().filter(|(c, v)| *c != COL_VERSION && old[*c] != *v).collect();
        if !values.is_empty() {
            self.txn.update(self.tables, table, old, values, self.uuids);
        }
        Ok(())
    }

    fn wait(
        &mut self,
        table: &TableSchema,
        condition: &Condition,
        columns: &[usize],
        rows: &[Vec<Datum>],
        equal: bool,
        timeout: Option<Duration>,
    ) -> Result<(), Stop> {
        let project = |row: &[Datum]| columns.iter().map(|&c| row[c].clone()).collect::<Vec<_>>();
        let have: HashSet<Vec<Datum>, RandomState> =
            self.matching(table.index, condition).iter().map(|row| project(row.columns())).collect();
        let want: HashSet<Vec<Datum>, RandomState> = rows.iter().map(|row| project(row)).collect();
        if (have == want) == equal {
            self.out.push_str("{}");
            return Ok(());
        }
        match timeout {
            Some(Duration::ZERO) => Err(Error::new("timed out", "\"where\" clause test failed").into()),
            Some(timeout) if self.context.elapsed >= timeout => {
                let ms = self.context.elapsed.as_millis();
                Err(Error::new("timed out", format!("\"wait\" timed out after {ms} ms")).into())
            }
            timeout => Err(Stop::Wait { table: table.index, timeout }),
        }
    }

    fn check_role(&self, wish: Wish, table: &TableSchema, rows: &[Row], columns: &[usize]) -> Result<(), Error> {
        match &self.context.client {
            Some(client) => client.may(wish, self.schema, self.tables, table, rows, columns),
            None => Ok(()),
        }
    }

    fn count(&mut self, n: usize) {
        self.out.push_str("{\"count\":");
        self.out.push_str(&n.to_string());
        self.out.push('}');
    }

    /// The rows of which all clauses hold, as they are now.
    fn matching(&self, table: usize, condition: &Condition) -> Vec<Row> {
        let rows = &self.tables[table];
        let holds = |row: &&Row| condition.all_hold(row.columns());
        if let Some(uuid) = condition.single_row() {
            return rows.get(uuid).filter(holds).cloned().into_iter().collect();
        }
        let Some(committed) = rows.lookup(condition) else {
            return rows.rows().filter(holds).cloned().collect();
        };
        // The index knows the last commit; what this transaction did since must be looked at beside it.
        let mut uuids: Vec<Uuid> = committed.map(Row::uuid).into_iter().collect();
        uuids.extend(self.txn.touched().filter(|((t, _), _)| *t == table).map(|((_, uuid), _)| uuid));
        uuids.sort_unstable();
        uuids.dedup();
        uuids.into_iter().filter_map(|uuid| rows.get(uuid)).filter(holds).cloned().collect()
    }
}
