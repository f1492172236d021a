//! What: a document as changes of rows.
//!
//! How: a walk down the document. A row that it names is found or made, its settings are compared with the document's
//! and written where they differ, then the rows below it. What the document does not say stays; under `exact = true`
//! (which holds for everything below until `exact = false`) it goes: settings get their defaults, rows are removed.
//! References by name (a mirror's ports) are resolved at the end, when all rows are there.
//!
//! Invariants: a bridge's local port never goes by `exact`; what the switch reports is never written.

use crate::document::Document;
use crate::error::{Error, Result, at};
use crate::shape;
use crate::value::{atom, datum, is_nothing};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use weft_ovsdb::open_vswitch::OPEN_VSWITCH as ROOT;
use weft_ovsdb::replica::Transaction;
use weft_ovsdb::{Atom, ColumnSchema, Datum, TableSchema, Uuid};

impl Document {
    /// Puts what differs into the transaction.
    ///
    /// # Errors
    /// When a word or value of the document has no meaning; the transaction is then of no use.
    pub fn write(&self, tx: &mut Transaction<'_>) -> Result<()> {
        let root = match tx.rows(ROOT).first() {
            Some(root) => *root,
            None => insert(tx, ROOT, "")?,
        };
        let mut writer = Writer { tx, later: Vec::new(), written: BTreeMap::new() };
        writer.row("", ROOT, root, &self.root, false)?;
        for later in std::mem::take(&mut writer.later) {
            writer.names(later)?;
        }
        writer.drop_unused();
        Ok(())
    }
}

struct Writer<'a, 'r> {
    tx: &'a mut Transaction<'r>,
    later: Vec<Later>,
    /// Rows with the place that wrote them: some rows are shared.
    written: BTreeMap<Uuid, (String, Map<String, Value>)>,
}

/// References to rows by their names.
struct Later {
    path: String,
    table: String,
    row: Uuid,
    column: ColumnSchema,
    names: Value,
}

impl Writer<'_, '_> {
    /// Writes the settings of a row that is there.
    fn row(&mut self, path: &str, table: &str, row: Uuid, node: &Map<String, Value>, exact: bool) -> Result<()> {
        if let Some((other, said)) = self.written.get(&row)
            && said != node
        {
            return at(path, format!("shares its row with {other}, of which the document says something else"));
        }
        self.written.insert(row, (path.to_owned(), node.clone()));
        let schema = self.tx.schema(table).expect("a row has a table").clone();
        let exact = match node.get("exact") {
            None => exact,
            Some(Value::Bool(exact)) => *exact,
            Some(_) => return at(&join(path, "exact"), "true or false expected"),
        };
        let mut said = Vec::new();
        for (word, value) in node {
            if matches!(word.as_str(), "exact" | "absent") {
                continue;
            }
            let path = join(path, word);
            if table == "Port" && word == "interface" {
                let name = self.string(table, row, "name");
                let one = Value::Object(Map::from_iter([(name, value.clone())]));
                let column = schema.column("interfaces").expect("a port has interfaces").clone();
                self.column(&path, &schema, row, &column, &one, exact)?;
                said.push(column.name);
                continue;
            }
            let Some(column) = shape::column(&schema, word).cloned() else {
                return at(&path, unknown(&schema, word));
            };
            if !shape::is_setting(table, &column) {
                return at(&path, "is reported by the switch; it cannot be set");
            }
            if shape::name_column(table) == Some(&column.name) {
                return at(&path, "is the name, which stands in front already");
            }
            self.column(&path, &schema, row, &column, value, exact)?;
            said.push(column.name);
        }
        if exact {
            self.reset_others(path, &schema, row, &said)?;
        }
        Ok(())
    }

    /// Takes back what the document does not say.
    fn reset_others(&mut self, path: &str, schema: &TableSchema, row: Uuid, said: &[String]) -> Result<()> {
        for column in &schema.columns {
            let is_name = shape::name_column(&schema.name) == Some(&column.name);
            // A port without interfaces is no port.
            let must_stay = schema.name == "Port" && column.name == "interfaces";
            if is_name || must_stay || said.contains(&column.name) || !shape::is_setting(&schema.name, column) {
                continue;
            }
            let path = join(path, shape::word(&schema.name, &column.name));
            let nothing = match (column.kind.key.is_strong(), &column.kind.value) {
                (true, None) if column.kind.max > 1 => Value::Object(Map::new()),
                _ => Value::Null,
            };
            self.column(&path, schema, row, column, &nothing, true)?;
        }
        Ok(())
    }

    fn column(
        &mut self,
        path: &str,
        schema: &TableSchema,
        row: Uuid,
        column: &ColumnSchema,
        value: &Value,
        exact: bool,
    ) -> Result<()> {
        let table = schema.name.as_str();
        let kind = &column.kind;
        match (kind.key.ref_table(), kind.value.as_ref().and_then(|value| value.ref_table())) {
            (Some(_), _) if kind.key.is_weak() => {
                let (path, table, names) = (path.to_owned(), table.to_owned(), value.clone());
                self.later.push(Later { path, table, row, column: column.clone(), names });
                Ok(())
            }
            (Some(of), _) if kind.max > 1 => self.named(path, (table, row, &column.name), of, value, exact),
            (Some(of), _) => self.single(path, (table, row, &column.name), of, value, exact),
            (None, Some(of)) => self.keyed(path, (table, row, column), of, value, exact),
            (None, None) => {
                let under = self.tx.get(table, row, &column.name).cloned().filter(|_| !exact);
                let new = datum(path, value, kind, under.as_ref())?;
                self.set(table, row, &column.name, new);
                Ok(())
            }
        }
    }

    /// A set of rows with names.
    fn named(
        &mut self,
        path: &str,
        (table, row, column): Place<'_>,
        of: &str,
        value: &Value,
        exact: bool,
    ) -> Result<()> {
        let Some(name_column) = shape::name_column(of) else {
            return at(path, format!("rows of table {of} have no names; this version cannot say them"));
        };
        let empty = Map::new();
        let wanted = match value {
            Value::Object(wanted) => wanted,
            value if is_nothing(value) => &empty,
            _ => return at(path, "a table of names expected"),
        };
        // An explicit "nothing" takes all away, exact or not.
        let exact = exact || is_nothing(value);
        let mut members = self.references(table, row, column);
        let local =
            if table == "Bridge" && column == "ports" { self.string(table, row, "name") } else { String::new() };
        for (name, node) in wanted {
            let path = join(path, name);
            let here = members.iter().copied().find(|member| self.string(of, *member, name_column) == *name);
            if node == &Value::Bool(false) || is_nothing(node) || node.get("absent") == Some(&Value::Bool(true)) {
                if let Some(member) = here {
                    members.retain(|other| *other != member);
                    self.tx.delete(of, member);
                }
                continue;
            }
            let node = match node {
                Value::Object(node) => node,
                Value::Bool(true) => &empty,
                _ => return at(&path, "a table of settings expected, or false for none"),
            };
            let member = match here {
                Some(member) => member,
                None => {
                    let member = self.adopt(of, name_column, name, &path)?;
                    members.push(member);
                    member
                }
            };
            if of == "Bridge" && here.is_none() {
                self.local_port(member, name, &path)?;
            }
            if of == "Port" && self.references(of, member, "interfaces").is_empty() && !has_interfaces(node) {
                let interface = self.adopt("Interface", "name", name, &path)?;
                self.set(of, member, "interfaces", Datum::from(Atom::Uuid(interface)));
            }
            self.row(&path, of, member, node, exact)?;
        }
        if exact {
            let keep = |writer: &Self, member: &Uuid| {
                let name = writer.string(of, *member, name_column);
                wanted.contains_key(&name) || (!local.is_empty() && name == local)
            };
            let (kept, gone): (Vec<Uuid>, Vec<Uuid>) = members.iter().partition(|member| keep(self, member));
            gone.into_iter().for_each(|member| self.tx.delete(of, member));
            members = kept;
        }
        self.set(table, row, column, Datum::set_of(members.into_iter().map(Atom::Uuid)));
        Ok(())
    }

    /// At most one row, said by its settings.
    fn single(
        &mut self,
        path: &str,
        (table, row, column): Place<'_>,
        of: &str,
        value: &Value,
        exact: bool,
    ) -> Result<()> {
        let here = self.references(table, row, column).first().copied();
        let Value::Object(node) = value else {
            if is_nothing(value) || value == &Value::Bool(false) {
                self.set(table, row, column, Datum::empty_set());
                return Ok(());
            }
            return at(path, "a table of settings expected");
        };
        let member = match here {
            Some(member) => member,
            None => insert(self.tx, of, path)?,
        };
        self.row(path, of, member, node, exact)?;
        self.set(table, row, column, Datum::from(Atom::Uuid(member)));
        Ok(())
    }

    /// Rows under keys, such as queues by number.
    fn keyed(
        &mut self,
        path: &str,
        (table, row, column): (&str, Uuid, &ColumnSchema),
        of: &str,
        value: &Value,
        exact: bool,
    ) -> Result<()> {
        let empty = Map::new();
        let wanted = match value {
            Value::Object(wanted) => wanted,
            value if is_nothing(value) => &empty,
            _ => return at(path, "a table of keys expected"),
        };
        let old = self.tx.get(table, row, &column.name).cloned().unwrap_or_else(Datum::empty_map);
        let keep = !exact && !is_nothing(value);
        let mut pairs: Vec<(Atom, Atom)> = if keep { old.pairs().to_vec() } else { Vec::new() };
        for (word, node) in wanted {
            let path = join(path, word);
            let key = atom(&path, &Value::from(word.as_str()), &column.kind.key)?;
            pairs.retain(|(other, _)| *other != key);
            let Value::Object(node) = node else {
                if is_nothing(node) || node == &Value::Bool(false) {
                    continue;
                }
                return at(&path, "a table of settings expected, or false for none");
            };
            let member = match old.get(&key).and_then(Atom::as_uuid) {
                Some(member) => member,
                None => insert(self.tx, of, &path)?,
            };
            self.row(&path, of, member, node, exact)?;
            pairs.push((key, Atom::Uuid(member)));
        }
        self.set(table, row, &column.name, Datum::map_of(pairs));
        Ok(())
    }

    /// The row of that name if one lies elsewhere in the database (it moves), else a new one.
    fn adopt(&mut self, table: &str, name_column: &str, name: &str, path: &str) -> Result<Uuid> {
        if shape::is_unique(table) {
            let rows = self.tx.rows(table);
            let found = rows.into_iter().find(|row| self.string(table, *row, name_column) == name);
            if let Some(found) = found {
                let (owner, column) = match table {
                    "Port" => ("Bridge", "ports"),
                    "Interface" => ("Port", "interfaces"),
                    "Manager" => (ROOT, "manager_options"),
                    _ => (ROOT, "bridges"),
                };
                for row in self.tx.rows(owner) {
                    let had = self.references(owner, row, column);
                    if had.contains(&found) {
                        let left = had.into_iter().filter(|other| *other != found).map(Atom::Uuid);
                        self.set(owner, row, column, Datum::set_of(left));
                    }
                }
                return Ok(found);
            }
        }
        let row = insert(self.tx, table, path)?;
        self.tx.set(table, row, name_column, Datum::One(Atom::from(name)));
        Ok(row)
    }

    /// A new bridge has a port of its own name.
    fn local_port(&mut self, bridge: Uuid, name: &str, path: &str) -> Result<()> {
        let interface = self.adopt("Interface", "name", name, path)?;
        self.tx.set("Interface", interface, "type", Datum::One(Atom::from("internal")));
        let port = self.adopt("Port", "name", name, path)?;
        self.tx.set("Port", port, "interfaces", Datum::from(Atom::Uuid(interface)));
        self.tx.set("Bridge", bridge, "ports", Datum::from(Atom::Uuid(port)));
        Ok(())
    }

    /// Resolves names of rows.
    fn names(&mut self, later: Later) -> Result<()> {
        let Later { path, table, row, column, names } = later;
        let of = column.kind.key.ref_table().unwrap_or_default().to_owned();
        let Some(name_column) = shape::name_column(&of) else { return at(&path, format!("{of} rows have no names")) };
        let names = match names {
            Value::Array(names) => names,
            Value::Null => Vec::new(),
            one => vec![one],
        };
        let mut found = Vec::new();
        for name in names {
            let Some(text) = name.as_str() else { return at(&path, format!("a name expected, not {name}")) };
            let rows = self.tx.rows(&of);
            match rows.into_iter().find(|row| self.string(&of, *row, name_column) == text) {
                Some(row) => found.push(Atom::Uuid(row)),
                None => return at(&path, format!("there is no {} named {text}", of.to_lowercase())),
            }
        }
        let new = Datum::set_of(found);
        if let Err(reason) = column.kind.check_size(new.len()) {
            return at(&path, reason);
        }
        self.set(&table, row, &column.name, new);
        Ok(())
    }

    /// Rows of root tables stay when nobody refers to them; those that this transaction orphaned go.
    fn drop_unused(&mut self) {
        for (table, owner, column) in [("QoS", "Port", "qos"), ("Queue", "QoS", "queues")] {
            let used = |rows: Vec<Uuid>, get: &dyn Fn(Uuid) -> Option<Datum>| -> Vec<Uuid> {
                let datums = rows.into_iter().filter_map(get);
                let of = |datum: Datum| -> Vec<Uuid> {
                    let pairs = datum.pairs().iter().filter_map(|(_, value)| value.as_uuid());
                    datum.atoms().iter().filter_map(Atom::as_uuid).chain(pairs).collect()
                };
                datums.flat_map(of).collect()
            };
            let replica = self.tx.replica();
            let before = replica.rows(owner).map(|row| row.uuid).collect();
            let before = used(before, &|row| replica.row(owner, row)?.get(column).cloned());
            let after = used(self.tx.rows(owner), &|row| self.tx.get(owner, row, column).cloned());
            let orphans: Vec<Uuid> = before.into_iter().filter(|row| !after.contains(row)).collect();
            orphans.into_iter().for_each(|row| self.tx.delete(table, row));
        }
    }

    /// A new row's required reference is nil until it is set.
    fn references(&self, table: &str, row: Uuid, column: &str) -> Vec<Uuid> {
        let datum = self.tx.get(table, row, column);
        let uuids = datum.into_iter().flat_map(Datum::atoms).filter_map(Atom::as_uuid);
        uuids.filter(|uuid| !uuid.is_nil()).collect()
    }

    fn string(&self, table: &str, row: Uuid, column: &str) -> String {
        self.tx.get(table, row, column).and_then(Datum::as_str).unwrap_or_default().to_owned()
    }

    /// Writes only what differs, and only if nobody changes it meanwhile.
    fn set(&mut self, table: &str, row: Uuid, column: &str, value: Datum) {
        if self.tx.get(table, row, column) != Some(&value) {
            self.tx.verify(table, row, column);
            self.tx.set(table, row, column, value);
        }
    }
}

/// A column of a row.
type Place<'a> = (&'a str, Uuid, &'a str);

fn insert(tx: &mut Transaction<'_>, table: &str, path: &str) -> Result<Uuid> {
    let missing = || Error { path: path.to_owned(), message: format!("the database has no table {table}") };
    tx.insert(table).ok_or_else(missing)
}

fn has_interfaces(node: &Map<String, Value>) -> bool {
    node.contains_key("interface") || node.contains_key("interfaces")
}

fn join(path: &str, word: &str) -> String {
    if path.is_empty() { word.to_owned() } else { format!("{path}.{word}") }
}

fn unknown(schema: &TableSchema, word: &str) -> String {
    let settings = schema.columns.iter().filter(|column| shape::is_setting(&schema.name, column));
    let words: Vec<&str> = settings.map(|column| shape::word(&schema.name, &column.name)).collect();
    let near = words.iter().find(|known| known.starts_with(word) || word.starts_with(**known));
    match near {
        Some(near) => format!("there is no such setting; did you mean {near}?"),
        None => format!("there is no such setting; {} has {}", schema.name, words.join(", ")),
    }
}
