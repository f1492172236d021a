//! Monitors: who wants to hear about what, and the words for it (RFC 7047 section 4.1.5 and ovsdb-server(7)).
//!
//! ```text
//!   commit ──ChangeSet──> for each distinct Spec: compose once ──text──> every subscriber with that Spec
//! ```
//!
//! Sessions that ask for the same share one [`Spec`], so a change is put into words once, however many listen.

use crate::table::{Row, Table};
use crate::txn::{ChangeSet, RowChange};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use serde_json::Value;
use std::sync::Arc;
use weft_ovsdb::json::Members;
use weft_ovsdb::operation::write_member;
use weft_ovsdb::schema::COL_UUID;
use weft_ovsdb::{Condition, DatabaseSchema, Error, Result, TableSchema};

/// Which notification a monitor gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// `monitor`: old and new values.
    Update,
    /// `monitor_cond`: differences.
    Update2,
    /// `monitor_cond_since`: differences and a transaction id.
    Update3,
}

/// What a monitor is about; equal ones are shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spec {
    /// How to say it.
    pub version: Version,
    /// Tables by index, ascending.
    pub tables: Vec<TableSpec>,
}

/// The part of a [`Spec`] that is about one table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableSpec {
    /// The table's index.
    pub table: usize,
    /// Columns with what is wanted of each.
    pub columns: Vec<(usize, Select)>,
    /// What is wanted of the table: everything that is wanted of some column.
    pub select: Select,
    /// Which rows; a disjunction.
    pub condition: Condition,
}

/// Kinds of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Select {
    /// Rows that are there at the beginning.
    pub initial: bool,
    /// Rows that come.
    pub insert: bool,
    /// Rows that go.
    pub delete: bool,
    /// Rows that change.
    pub modify: bool,
}

/// Which kind of change a row is to a monitor.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Initial,
    Insert,
    Delete,
    Modify,
}

impl Select {
    const NONE: Select = Select { initial: false, insert: false, delete: false, modify: false };

    fn has(self, kind: Kind) -> bool {
        match kind {
            Kind::Initial => self.initial,
            Kind::Insert => self.insert,
            Kind::Delete => self.delete,
            Kind::Modify => self.modify,
        }
    }

    fn or(self, other: Select) -> Select {
        Select {
            initial: self.initial || other.initial,
            insert: self.insert || other.insert,
            delete: self.delete || other.delete,
            modify: self.modify || other.modify,
        }
    }

    fn from_json(json: Option<&Value>, table: &str) -> Result<Select> {
        let Some(json) = json else { return Ok(Select { initial: true, insert: true, delete: true, modify: true }) };
        let what = format!("table {table} select");
        let mut members = Members::new(json, &what)?;
        let mut flag = |name| Ok::<_, Error>(members.optional_as(name, Value::as_bool)?.unwrap_or(true));
        let select = Select {
            initial: flag("initial")?,
            insert: flag("insert")?,
            delete: flag("delete")?,
            modify: flag("modify")?,
        };
        members.finish()?;
        Ok(select)
    }
}

impl Spec {
    /// Reads `<monitor-requests>` or `<monitor-cond-requests>`.
    pub fn from_json(json: &Value, version: Version, schema: &DatabaseSchema) -> Result<Spec> {
        let Value::Object(requests) = json else {
            return Err(Error::syntax(Some(json), "monitor-requests must be object"));
        };
        let mut tables = Vec::with_capacity(requests.len());
        for (name, request) in requests {
            let table = schema.table(name).ok_or_else(|| no_table(name))?;
            let mut spec = TableSpec {
                table: table.index,
                columns: Vec::new(),
                select: Select::NONE,
                condition: Condition::default(),
            };
            // One request without its array is accepted too (ovsdb-server(7) section 4.1.5).
            match request {
                Value::Array(requests) => {
                    requests.iter().enumerate().try_for_each(|(i, r)| spec.add(r, table, version, i == 0))?;
                }
                request => spec.add(request, table, version, true)?,
            }
            spec.columns.sort_by_key(|(column, _)| *column);
            tables.push(spec);
        }
        tables.sort_by_key(|t| t.table);
        Ok(Spec { version, tables })
    }

    /// The spec with other conditions, from `<monitor-cond-update-requests>`; of several for a table the last one counts.
    /// A plain `monitor` has none and stays as it is.
    pub fn with_conditions(&self, json: &Value, schema: &DatabaseSchema) -> Result<Spec> {
        let Value::Object(requests) = json else {
            return Err(Error::syntax(None, "monitor-cond-change-requests must be object"));
        };
        let mut spec = self.clone();
        for (name, request) in requests {
            let table = schema.table(name).ok_or_else(|| no_table(name))?;
            let Some(of) = spec.tables.iter_mut().find(|t| t.table == table.index) else {
                return Err(Error::syntax(None, format!("no table named {name} in monitor session")));
            };
            let Value::Array(requests) = request else {
                return Err(Error::syntax(None, format!("table {name} no monitor-cond-change JSON array")));
            };
            for request in requests {
                let what = format!("table {name}");
                let mut members = Members::new(request, &what)?;
                let columns = members.optional("columns");
                let clauses = members.optional_as("where", |v| v.is_array().then_some(v))?;
                members.finish()?;
                if let Some(columns) = columns {
                    return Err(Error::syntax(Some(columns), "changing columns is unsupported"));
                }
                // A plain monitor has no conditions, whatever is said of them.
                let clauses = clauses.filter(|_| self.version != Version::Update);
                let condition = clauses.map(|clauses| Condition::from_json(clauses, table, None)).transpose()?;
                of.condition = condition.unwrap_or_default();
            }
            if requests.is_empty() {
                of.condition = Condition::default();
            }
        }
        Ok(spec)
    }

    /// The rows at the beginning, as `<table-updates>`.
    pub fn initial(&self, tables: &[Table]) -> String {
        let mut out = Writer::new();
        for of in self.tables.iter().filter(|t| t.select.initial) {
            let table = &tables[of.table];
            out.table(&table.schema.name);
            for row in table.rows().filter(|row| of.condition.any_holds(row.columns())) {
                of.row(self.version, &table.schema, Kind::Initial, None, Some(row), &mut out);
            }
        }
        out.finish().unwrap_or_else(|| "{}".into())
    }

    /// What a commit means to the monitor, as `<table-updates>`; `None` if nothing.
    pub fn changes(&self, tables: &[Table], set: &ChangeSet) -> Option<String> {
        let mut out = Writer::new();
        for (t, rows) in &set.tables {
            let Ok(i) = self.tables.binary_search_by_key(t, |of| of.table) else { continue };
            let (of, table) = (&self.tables[i], &tables[*t]);
            out.table(&table.schema.name);
            for RowChange { old, new } in rows {
                let (old, new) = (of.visible(old, self.version), of.visible(new, self.version));
                of.change(self.version, &table.schema, old, new, &mut out);
            }
        }
        out.finish()
    }

    /// What other conditions mean to the monitor, as `<table-updates2>`; `None` if nothing.
    pub fn difference(&self, after: &Spec, tables: &[Table]) -> Option<String> {
        let mut out = Writer::new();
        for (of, after) in self.tables.iter().zip(&after.tables).filter(|(a, b)| a.condition != b.condition) {
            let table = &tables[of.table];
            out.table(&table.schema.name);
            for row in table.rows() {
                let was = of.condition.any_holds(row.columns()).then_some(row);
                let is = after.condition.any_holds(row.columns()).then_some(row);
                if was.is_some() != is.is_some() {
                    of.change(self.version, &table.schema, was, is, &mut out);
                }
            }
        }
        out.finish()
    }
}

impl TableSpec {
    /// Of several requests for a table the first one says which rows.
    fn add(&mut self, json: &Value, table: &TableSchema, version: Version, first: bool) -> Result<()> {
        let what = format!("table {}", table.name);
        let mut members = Members::new(json, &what)?;
        let columns = members.optional_as("columns", |v| v.is_array().then_some(v))?;
        let select = members.optional_as("select", |v| v.is_object().then_some(v))?;
        let clauses = match version {
            Version::Update => None,
            _ => members.optional_as("where", |v| v.is_array().then_some(v))?,
        };
        members.finish()?;
        let select = Select::from_json(select, &table.name)?;
        self.select = self.select.or(select);
        match columns.and_then(Value::as_array) {
            // All but `_uuid`, which is already the name under which a row is sent.
            None => self.columns.extend((COL_UUID + 1..table.columns.len()).map(|c| (c, select))),
            Some(names) => {
                for name in names {
                    let Some(name) = name.as_str() else {
                        return Err(Error::syntax(columns, "array of column names expected"));
                    };
                    let column = table.column_index(name);
                    let text = || format!("{name} is not a valid column name");
                    self.columns.push((column.ok_or_else(|| Error::syntax(columns, text()))?, select));
                }
            }
        }
        for (i, (column, _)) in self.columns.iter().enumerate() {
            if self.columns[..i].iter().any(|(c, _)| c == column) {
                let text = format!("column {} mentioned more than once", table.columns[*column].name);
                return Err(Error::syntax(columns, text));
            }
        }
        if let Some(clauses) = clauses {
            let condition = Condition::from_json(clauses, table, None)?;
            if first {
                self.condition = condition;
            }
        }
        Ok(())
    }

    fn visible<'r>(&self, row: &'r Option<Row>, version: Version) -> Option<&'r Row> {
        row.as_ref().filter(|row| version == Version::Update || self.condition.any_holds(row.columns()))
    }

    fn change(&self, version: Version, table: &TableSchema, old: Option<&Row>, new: Option<&Row>, out: &mut Writer) {
        let kind = match (old, new) {
            (None, Some(_)) => Kind::Insert,
            (Some(_), None) => Kind::Delete,
            (Some(_), Some(_)) => Kind::Modify,
            (None, None) => return,
        };
        if self.select.has(kind) {
            self.row(version, table, kind, old, new, out);
        }
    }

    fn row(
        &self,
        version: Version,
        table: &TableSchema,
        kind: Kind,
        old: Option<&Row>,
        new: Option<&Row>,
        out: &mut Writer,
    ) {
        let columns = || self.columns.iter().filter(|(_, select)| select.has(kind)).map(|(c, _)| *c);
        let Some(row) = new.or(old) else { return };
        let changed = |c: &usize| matches!((old, new), (Some(old), Some(new)) if old[*c] != new[*c]);
        if kind == Kind::Modify && !columns().any(|c| changed(&c)) {
            return;
        }
        out.row(row);
        let text = &mut out.text;
        match version {
            Version::Update => {
                if let Some(new) = new {
                    text.push_str("\"new\":");
                    write_object(text, table, columns().map(|c| (c, &new[c])));
                }
                if let Some(old) = old {
                    text.push_str(if new.is_some() { ",\"old\":" } else { "\"old\":" });
                    let all = new.is_none();
                    write_object(text, table, columns().filter(|c| all || changed(c)).map(|c| (c, &old[c])));
                }
            }
            Version::Update2 | Version::Update3 => match (kind, old, new) {
                (Kind::Delete, ..) => text.push_str("\"delete\":null"),
                (Kind::Modify, Some(old), Some(new)) => {
                    text.push_str("\"modify\":");
                    let diff = |c: usize| old[c].diff(&new[c], &table.columns[c].kind);
                    write_object(text, table, columns().filter(changed).map(|c| (c, diff(c))));
                }
                _ => {
                    text.push_str(if kind == Kind::Initial { "\"initial\":" } else { "\"insert\":" });
                    let given = |c: &usize| !row[*c].is_default(&table.columns[*c].kind);
                    write_object(text, table, columns().filter(given).map(|c| (c, &row[c])));
                }
            },
        }
        text.push('}');
    }
}

/// Writes `{TABLE:{UUID:{…},…},…}` with only the tables that have rows.
struct Writer {
    text: String,
    table: String,
    any_table: bool,
    any_row: bool,
}

impl Writer {
    fn new() -> Writer {
        Writer { text: String::new(), table: String::new(), any_table: false, any_row: false }
    }

    fn table(&mut self, name: &str) {
        if self.any_row {
            self.text.push('}');
        }
        self.any_row = false;
        name.clone_into(&mut self.table);
    }

    /// Begins a row's object.
    fn row(&mut self, row: &Row) {
        if !std::mem::replace(&mut self.any_row, true) {
            self.text.push(if self.any_table { ',' } else { '{' });
            self.any_table = true;
            self.text.push('"');
            self.text.push_str(&self.table);
            self.text.push_str("\":{\"");
        } else {
            self.text.push_str(",\"");
        }
        let mut buffer = weft_ovsdb::Uuid::encode_buffer();
        self.text.push_str(row.uuid().hyphenated().encode_lower(&mut buffer));
        self.text.push_str("\":{");
    }

    fn finish(mut self) -> Option<String> {
        if self.any_row {
            self.text.push('}');
        }
        if self.any_table {
            self.text.push('}');
        }
        self.any_table.then_some(self.text)
    }
}

fn write_object<D: std::borrow::Borrow<weft_ovsdb::Datum>>(
    out: &mut String,
    table: &TableSchema,
    values: impl Iterator<Item = (usize, D)>,
) {
    out.push('{');
    for (i, (column, value)) in values.enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_member(&table.columns[column].name, value.borrow(), out);
    }
    out.push('}');
}

fn no_table(name: &str) -> Error {
    Error::syntax(None, format!("no table named {name}"))
}

/// A database's monitors: each distinct spec with those who subscribed to it.
pub struct Monitors<S> {
    by_spec: HashMap<Arc<Spec>, Vec<Subscriber<S>>, RandomState>,
}

/// One monitor of one session.
pub struct Subscriber<S> {
    /// The session.
    pub session: S,
    /// The monitor's id, as JSON text.
    pub id: Arc<str>,
    /// How its notifications begin, if commits have no identities.
    pub head: Arc<str>,
}

impl<S> Default for Monitors<S> {
    fn default() -> Monitors<S> {
        Monitors { by_spec: HashMap::default() }
    }
}

impl<S: Copy + PartialEq> Monitors<S> {
    /// Adds a monitor; gives the spec that it shares.
    pub fn subscribe(&mut self, spec: Spec, session: S, id: Arc<str>, head: Arc<str>) -> Arc<Spec> {
        let spec = match self.by_spec.get_key_value(&spec) {
            Some((shared, _)) => shared.clone(),
            None => Arc::new(spec),
        };
        self.by_spec.entry(spec.clone()).or_default().push(Subscriber { session, id, head });
        spec
    }

    /// Removes a monitor.
    pub fn unsubscribe(&mut self, spec: &Arc<Spec>, session: S, id: &str) {
        if let Some(subscribers) = self.by_spec.get_mut(spec) {
            subscribers.retain(|s| s.session != session || &*s.id != id);
            if subscribers.is_empty() {
                self.by_spec.remove(spec);
            }
        }
    }

    /// Every distinct spec with its subscribers.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<Spec>, &[Subscriber<S>])> {
        self.by_spec.iter().map(|(spec, subscribers)| (spec, subscribers.as_slice()))
    }

    /// How many distinct specs there are.
    pub fn len(&self) -> usize {
        self.by_spec.len()
    }

    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.by_spec.is_empty()
    }
}
