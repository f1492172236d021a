//! What: what a command works with: the transaction, its words and options, its output, and names for rows.

use super::command::Given;
use super::model::{Model, NAMES};
use crate::failure::{Failure, fail};
use crate::table::Table;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use weft_ovsdb::replica::Transaction;
use weft_ovsdb::{Datum, NamedUuids, Uuid};

/// One run over all commands. It is thrown away and built anew when the transaction must be tried again.
pub struct Context<'a> {
    /// The changes so far.
    pub tx: Transaction<'a>,
    /// The present command.
    pub given: &'a Given,
    /// Is this the only command of the call?
    pub alone: bool,
    /// What the commands printed so far, one for each.
    pub output: Vec<Output>,
    /// Names for rows.
    pub symbols: Symbols,
    /// A command's condition does not hold yet: try again after the next change.
    pub must_wait: bool,
    /// The exit status, if nothing fails.
    pub status: u8,
    /// The server shall take the changes back unless they are confirmed within so many seconds.
    pub confirm: Option<u64>,
    /// Interfaces that were added, to be checked once the switch has taken them.
    pub new_interfaces: BTreeSet<String>,
    /// Bridges and ports by name, while nobody has written what they are made of.
    model: RefCell<Option<Rc<Model>>>,
}

/// What a command prints.
#[derive(Debug)]
pub enum Output {
    /// Lines.
    Text(String),
    /// A table.
    Table(Table),
    /// The identity of a row that the server is about to name.
    Created(Uuid),
}

/// Rows named on the command line by `--id=@NAME`.
#[derive(Default)]
pub struct Symbols {
    names: BTreeMap<String, Symbol>,
}

/// A named row.
#[derive(Clone, Debug)]
struct Symbol {
    uuid: Uuid,
    defined: bool,
    needs_reference: bool,
    /// Something keeps it alive.
    referenced: bool,
    /// Something names it that does not.
    mentioned: bool,
}

impl<'a> Context<'a> {
    /// Before the first command.
    pub fn new(tx: Transaction<'a>, commands: &'a [Given]) -> Context<'a> {
        Context {
            tx,
            given: &commands[0],
            alone: commands.len() == 1,
            output: Vec::new(),
            symbols: Symbols::default(),
            must_wait: false,
            status: 0,
            confirm: None,
            new_interfaces: BTreeSet::new(),
            model: RefCell::default(),
        }
    }

    /// The `at`th word after the command's name; the table of commands says how many there are.
    pub fn arg(&self, at: usize) -> &'a str {
        &self.given.args[at]
    }

    /// The same if there is one.
    pub fn opt_arg(&self, at: usize) -> Option<&'a str> {
        self.given.args.get(at).map(String::as_str)
    }

    /// Words from the `at`th on.
    pub fn args_from(&self, at: usize) -> &'a [String] {
        self.given.args.get(at..).unwrap_or_default()
    }

    /// Was the option given?
    pub fn has(&self, option: &str) -> bool {
        self.given.options.contains_key(option)
    }

    /// The option's value.
    pub fn option(&self, option: &str) -> Option<&'a str> {
        self.given.options.get(option)?.as_deref()
    }

    /// Adds a line to the command's output.
    pub fn print(&mut self, line: impl AsRef<str>) {
        if let Some(Output::Text(text)) = self.output.last_mut() {
            text.push_str(line.as_ref());
            text.push('\n');
        }
    }

    /// Makes a table the command's output.
    pub fn print_table(&mut self, table: Table) {
        self.output.pop();
        self.output.push(Output::Table(table));
    }

    /// The one row of `Open_vSwitch`, made if it is missing.
    pub fn root(&mut self) -> Result<Uuid, Failure> {
        match self.tx.rows(ROOT).first() {
            Some(uuid) => Ok(*uuid),
            None => match self.tx.insert(ROOT) {
                Some(uuid) => Ok(uuid),
                None => fail("the database has no table Open_vSwitch"),
            },
        }
    }

    /// A column's value as the transaction sees it.
    pub fn get(&self, table: &str, row: Uuid, column: &str) -> Datum {
        self.tx.get(table, row, column).cloned().unwrap_or_else(Datum::empty_set)
    }

    /// A string column, empty if unset.
    pub fn string(&self, table: &str, row: Uuid, column: &str) -> String {
        self.tx.get(table, row, column).and_then(Datum::as_str).unwrap_or_default().to_string()
    }

    /// A string column of a row, which may have been deleted here: while something refers to it, it stays.
    pub fn name(&self, table: &str, row: Uuid) -> String {
        match self.tx.is_deleted(row) {
            true => self.tx.replica().row(table, row).and_then(|row| row.str("name")).unwrap_or_default().to_string(),
            false => self.string(table, row, "name"),
        }
    }

    /// The rows that a column refers to.
    pub fn uuids(&self, table: &str, row: Uuid, column: &str) -> Vec<Uuid> {
        let datum = self.tx.get(table, row, column);
        datum.into_iter().flat_map(Datum::atoms).filter_map(|atom| atom.as_uuid()).collect()
    }

    /// Makes a row with a name.
    pub fn insert(&mut self, table: &str) -> Result<Uuid, Failure> {
        match self.tx.insert(table) {
            Some(uuid) => Ok(uuid),
            None => fail(format!("the database has no table {table}")),
        }
    }

    /// Bridges, ports and interfaces by name, as they are now.
    pub fn model(&self) -> Rc<Model> {
        self.model.borrow_mut().get_or_insert_with(|| Rc::new(Model::new(self))).clone()
    }

    /// `model` is what they are now, `change` aside, after this command's writes: it need not be read from the rows again.
    pub fn keep_model(&mut self, mut model: Rc<Model>, change: impl FnOnce(&Self, &mut Model)) {
        self.model.take();
        change(self, Rc::make_mut(&mut model));
        self.model = RefCell::new(Some(model));
    }

    /// Removes a row.
    pub fn delete(&mut self, table: &str, row: Uuid) {
        self.model.take();
        self.tx.delete(table, row);
    }

    /// Sets a column.
    pub fn set(&mut self, table: &str, row: Uuid, column: &str, value: impl Into<Datum>) -> Result<(), Failure> {
        if NAMES.iter().any(|(of, columns)| *of == table && columns.contains(&column)) {
            self.model.take();
        }
        match self.tx.set(table, row, column, value.into()) {
            true => Ok(()),
            false => fail(format!("{table} does not contain a column whose name matches \"{column}\"")),
        }
    }

    /// Adds a reference to a set, and makes sure that nobody changes the set meanwhile.
    pub fn add_reference(&mut self, table: &str, row: Uuid, column: &str, to: Uuid) -> Result<(), Failure> {
        self.tx.verify(table, row, column);
        let set = self.get(table, row, column).union(&Datum::from(weft_ovsdb::Atom::Uuid(to)));
        self.set(table, row, column, set)
    }

    /// Removes a reference from a set, and makes sure that nobody changes the set meanwhile.
    pub fn remove_reference(&mut self, table: &str, row: Uuid, column: &str, to: Uuid) -> Result<(), Failure> {
        self.tx.verify(table, row, column);
        let set = self.get(table, row, column).subtract(&Datum::from(weft_ovsdb::Atom::Uuid(to)));
        self.set(table, row, column, set)
    }
}

impl Symbols {
    /// Ties `@name` to a row.
    pub fn define(&mut self, name: &str, needs_reference: bool) -> Result<Uuid, Failure> {
        if !name.starts_with('@') {
            return fail(format!("row id \"{name}\" does not begin with \"@\""));
        }
        let symbol = self.entry(name);
        if symbol.defined {
            return fail(format!("row id \"{name}\" may only be specified on one --id option"));
        }
        symbol.defined = true;
        symbol.needs_reference = needs_reference;
        Ok(symbol.uuid)
    }

    /// Ties `@name` to a row that exists already.
    pub fn define_as(&mut self, name: &str, uuid: Uuid) -> Result<(), Failure> {
        let used = self.names.contains_key(name);
        self.define(name, false)?;
        if !used {
            self.entry(name).uuid = uuid;
            return Ok(());
        }
        fail(format!("row id \"{name}\" is referenced before it is defined; put its --id option first"))
    }

    /// Complains about names that were used and never tied to a row, and warns of those that lead nowhere.
    pub fn check(&self) -> Result<(), Failure> {
        if let Some((name, _)) = self.names.iter().find(|(_, symbol)| !symbol.defined) {
            return fail(format!(
                "row id \"{name}\" is referenced but never created (e.g. with \"-- --id={name} create ...\")"
            ));
        }
        for (name, symbol) in &self.names {
            if symbol.needs_reference && !symbol.referenced {
                tracing::warn!(
                    target: "vsctl",
                    "row id \"{name}\" was created but {} reference to it was inserted, \
                     so it will not actually appear in the database",
                    if symbol.mentioned { "only a weak" } else { "no" }
                );
            }
        }
        Ok(())
    }

    fn entry(&mut self, name: &str) -> &mut Symbol {
        self.names.entry(name.to_string()).or_insert_with(|| Symbol {
            uuid: Uuid::new_v4(),
            defined: false,
            needs_reference: false,
            referenced: false,
            mentioned: false,
        })
    }
}

impl NamedUuids for Symbols {
    fn resolve(&mut self, name: &str) -> Uuid {
        let symbol = self.entry(name);
        symbol.referenced = true;
        symbol.uuid
    }

    fn resolve_weakly(&mut self, name: &str) -> Uuid {
        let symbol = self.entry(name);
        symbol.mentioned = true;
        symbol.uuid
    }
}

/// The root table.
pub const ROOT: &str = "Open_vSwitch";
