//! What: the commands that work on any table.

use super::context::{Context, Output};
use super::expression::{self, ASSIGNMENT, COMPARISONS, Operator, Parts};
use super::lookup;
use crate::failure::{Failure, fail};
use crate::table::{Cell, Table};
use std::sync::Arc;
use weft_ovsdb::schema::COL_UUID;
use weft_ovsdb::types::UNLIMITED;
use weft_ovsdb::{Atom, AtomType, ColumnSchema, ColumnType, Datum, TableSchema, Uuid};

/// `list TABLE [RECORD]...`
pub fn list(context: &mut Context<'_>) -> Result<(), Failure> {
    let table = named_table(context)?;
    let columns = chosen_columns(context, &table)?;
    let mut rows = Vec::new();
    for name in context.args_from(1) {
        match lookup::record_if_any(context, &table, name)? {
            Some(row) => rows.push(row),
            None if context.has("if-exists") => {}
            None => return fail(format!("no row \"{name}\" in table {}", table.name)),
        }
    }
    if context.args_from(1).is_empty() {
        rows = context.tx.rows(&table.name);
    }
    print_rows(context, &table, &columns, rows);
    Ok(())
}

/// `find TABLE [CONDITION]...`
pub fn find(context: &mut Context<'_>) -> Result<(), Failure> {
    let table = named_table(context)?;
    let columns = chosen_columns(context, &table)?;
    let conditions = conditions(context.args_from(1), &table)?;
    let mut rows = Vec::new();
    for row in context.tx.rows(&table.name) {
        if fulfils(context, &table, row, &conditions)? {
            rows.push(row);
        }
    }
    print_rows(context, &table, &columns, rows);
    Ok(())
}

/// `get TABLE RECORD [COLUMN[:KEY]]...`
pub fn get(context: &mut Context<'_>) -> Result<(), Failure> {
    let table = named_table(context)?;
    let must_exist = !context.has("if-exists");
    if context.has("id") && !must_exist {
        return fail("--if-exists and --id may not be specified together");
    }
    let name = context.arg(1);
    let Some(row) = existing_record(context, &table, name)? else { return Ok(()) };
    if let Some(id) = context.option("id") {
        context.symbols.define_as(id, row)?;
    }
    for word in context.args_from(2) {
        let parts = expression::parse(word, &table, &[])?;
        let (index, key) = (parts.index, parts.key);
        let column = &table.columns[index];
        let value = value(context, &table, row, index);
        let Some(key) = key else {
            context.print(value.to_text_as(&column.kind));
            continue;
        };
        if !column.kind.is_map() {
            return fail(format!("cannot specify key to get for non-map column {}", column.name));
        }
        let atom = Atom::from_text(&key, &column.kind.key, Some(&mut context.symbols))?;
        match value.get(&atom) {
            Some(found) => context.print(found.to_text()),
            None if !must_exist => context.print(""),
            None => {
                let (table, column) = (&table.name, &column.name);
                let key = atom.to_bare_text();
                return fail(format!("no key \"{key}\" in {table} record \"{name}\" column {column}"));
            }
        }
    }
    Ok(())
}

/// `set TABLE RECORD COLUMN[:KEY]=VALUE...`
pub fn set(context: &mut Context<'_>) -> Result<(), Failure> {
    let table = named_table(context)?;
    let Some(row) = existing_record(context, &table, context.arg(1))? else { return Ok(()) };
    for word in context.args_from(2) {
        set_column(context, &table, row, word)?;
    }
    Ok(())
}

/// `add TABLE RECORD COLUMN [KEY=]VALUE...`
pub fn add(context: &mut Context<'_>) -> Result<(), Failure> {
    let table = named_table(context)?;
    let index = lookup::column(&table, context.arg(2))?;
    let Some(row) = existing_record(context, &table, context.arg(1))? else { return Ok(()) };
    let column = changeable(context, &table, row, index)?;
    let mut wide = column.kind.clone();
    (wide.min, wide.max) = (1, UNLIMITED);
    let old = value(context, &table, row, index);
    let mut added = empty(&column.kind);
    for word in context.args_from(3) {
        // What is added replaces a pair with the same key.
        added = Datum::from_text(word, &wide, Some(&mut context.symbols))?.union(&added);
    }
    if context.alone && !column.kind.is_map() {
        // Nothing here depends on the outcome, so the server may add to whatever it holds by then.
        let json = match &added {
            Datum::One(atom) => serde_json::json!(["set", [atom.to_json()]]),
            other => other.to_json(),
        };
        context.tx.mutate(&table.name, row, vec![serde_json::json!([column.name, "insert", json])]);
        return Ok(());
    }
    let new = added.union(&old);
    let (size, max) = (new.len(), column.kind.max);
    if size > max as usize {
        let (table, column) = (&table.name, &column.name);
        return fail(format!(
            "\"add\" operation would put {size} values in column {column} of table {table} \
             but the maximum number is {max}"
        ));
    }
    context.tx.verify(&table.name, row, &column.name);
    context.set(&table.name, row, &column.name, new)
}

/// `remove TABLE RECORD COLUMN KEY|VALUE|KEY=VALUE...`
pub fn remove(context: &mut Context<'_>) -> Result<(), Failure> {
    let table = named_table(context)?;
    let index = lookup::column(&table, context.arg(2))?;
    let Some(row) = existing_record(context, &table, context.arg(1))? else { return Ok(()) };
    let column = changeable(context, &table, row, index)?;
    let mut pairs = column.kind.clone();
    (pairs.min, pairs.max) = (1, UNLIMITED);
    let keys = ColumnType { value: None, ..pairs.clone() };
    let mut new = value(context, &table, row, index);
    for word in context.args_from(3) {
        let gone = match Datum::from_text(word, &pairs, Some(&mut context.symbols)) {
            Err(_) if column.kind.is_map() => Datum::from_text(word, &keys, Some(&mut context.symbols))?,
            parsed => parsed?,
        };
        new = new.subtract(&gone);
    }
    let (size, min) = (new.len(), column.kind.min);
    if size < min as usize {
        let (table, column) = (&table.name, &column.name);
        return fail(format!(
            "\"remove\" operation would put {size} values in column {column} of table {table} \
             but the minimum number is {min}"
        ));
    }
    context.tx.verify(&table.name, row, &column.name);
    context.set(&table.name, row, &column.name, new)
}

/// `clear TABLE RECORD COLUMN...`
pub fn clear(context: &mut Context<'_>) -> Result<(), Failure> {
    let table = named_table(context)?;
    let indexes =
        context.args_from(2).iter().map(|name| lookup::column(&table, name)).collect::<Result<Vec<_>, _>>()?;
    let Some(row) = existing_record(context, &table, context.arg(1))? else { return Ok(()) };
    for index in indexes {
        let column = changeable(context, &table, row, index)?;
        if column.kind.min > 0 {
            return fail(format!(
                "\"clear\" operation cannot be applied to column {} of table {}, which is not allowed to be empty",
                column.name, table.name
            ));
        }
        context.set(&table.name, row, &column.name, empty(&column.kind))?;
    }
    Ok(())
}

/// `create TABLE COLUMN[:KEY]=VALUE...`
pub fn create(context: &mut Context<'_>) -> Result<(), Failure> {
    let table = named_table(context)?;
    let is_root = context.tx.replica().schema().is_root(&table);
    let row = match context.option("id") {
        Some(id) => match id.parse::<Uuid>() {
            Ok(uuid) if id.len() == 36 => {
                context.tx.insert_with_uuid(&table.name, uuid);
                uuid
            }
            _ => {
                let uuid = context.symbols.define(id, !is_root)?;
                context.tx.insert_as(&table.name, uuid);
                uuid
            }
        },
        None => {
            if !is_root {
                tracing::warn!(
                    target: "db_ctl_base",
                    "applying \"create\" command to table {} without --id option will have no effect", table.name
                );
            }
            context.insert(&table.name)?
        }
    };
    for word in context.args_from(1) {
        set_column(context, &table, row, word)?;
    }
    context.output.pop();
    context.output.push(Output::Created(row));
    Ok(())
}

/// `destroy TABLE RECORD...`
pub fn destroy(context: &mut Context<'_>) -> Result<(), Failure> {
    let table = named_table(context)?;
    if context.has("all") {
        if !context.args_from(1).is_empty() {
            return fail("--all and records argument should not be specified together");
        }
        if context.has("if-exists") {
            return fail("--all and --if-exists should not be specified together");
        }
        for row in context.tx.rows(&table.name) {
            context.delete(&table.name, row);
        }
        return Ok(());
    }
    if context.args_from(1).is_empty() {
        tracing::warn!(target: "db_ctl_base", "either --all or records argument should be specified");
    }
    for name in context.args_from(1) {
        if let Some(row) = existing_record(context, &table, name)? {
            context.delete(&table.name, row);
        }
    }
    Ok(())
}

/// `wait-until TABLE RECORD [CONDITION]...`
pub fn wait_until(context: &mut Context<'_>) -> Result<(), Failure> {
    let table = named_table(context)?;
    let conditions = conditions(context.args_from(2), &table)?;
    let holds = match lookup::record_if_any(context, &table, context.arg(1))? {
        Some(row) => fulfils(context, &table, row, &conditions)?,
        None => false,
    };
    context.must_wait |= !holds;
    Ok(())
}

/// `comment [WORD]...`: the whole command line goes to the database's log anyway.
pub fn comment(_: &mut Context<'_>) -> Result<(), Failure> {
    Ok(())
}

/// Applies `COLUMN[:KEY]=VALUE` to a row.
pub fn set_column(context: &mut Context<'_>, table: &TableSchema, row: Uuid, word: &str) -> Result<(), Failure> {
    let parts = expression::parse(word, table, ASSIGNMENT)?;
    let column = changeable(context, table, row, parts.index)?;
    let Some((_, text)) = &parts.value else { return Ok(()) };
    let kind = &column.kind;
    let new = match &parts.key {
        None => Datum::from_text(text, kind, Some(&mut context.symbols))?,
        Some(key) => {
            let Some(value_type) = &kind.value else {
                return fail(format!("cannot specify key to set for non-map column {}", column.name));
            };
            let key = Atom::from_text(key, &kind.key, Some(&mut context.symbols))?;
            let new = Atom::from_text(text, value_type, Some(&mut context.symbols))?;
            Datum::map_of([(key, new)]).union(&value(context, table, row, parts.index))
        }
    };
    context.set(&table.name, row, &column.name, new)
}

fn named_table(context: &Context<'_>) -> Result<Arc<TableSchema>, Failure> {
    lookup::table(context.tx.replica().schema(), context.arg(0))
}

/// The record, or `None` if it is missing and may be.
fn existing_record(context: &Context<'_>, table: &TableSchema, name: &str) -> Result<Option<Uuid>, Failure> {
    match context.has("if-exists") {
        true => lookup::record_if_any(context, table, name),
        false => lookup::record(context, table, name).map(Some),
    }
}

/// `--columns`, or `_uuid` and then all others by name.
fn chosen_columns(context: &Context<'_>, table: &TableSchema) -> Result<Vec<usize>, Failure> {
    let Some(list) = context.option("columns") else {
        let others = (0..table.columns.len()).filter(|at| *at >= weft_ovsdb::schema::N_IMPLICIT);
        return Ok(std::iter::once(COL_UUID).chain(others).collect());
    };
    let names = list.split([',', ' ']).filter(|name| !name.is_empty());
    let columns = names.map(|name| lookup::column_or_uuid(table, name)).collect::<Result<Vec<_>, _>>()?;
    if columns.is_empty() {
        return fail("must specify at least one column name");
    }
    Ok(columns)
}

fn conditions<'t>(words: &[String], table: &'t TableSchema) -> Result<Vec<Parts<'t>>, Failure> {
    words.iter().map(|word| expression::parse(word, table, COMPARISONS)).collect()
}

fn fulfils(
    context: &mut Context<'_>,
    table: &TableSchema,
    row: Uuid,
    conditions: &[Parts<'_>],
) -> Result<bool, Failure> {
    for parts in conditions {
        let value = value(context, table, row, parts.index);
        if !expression::holds(&value, parts, &mut context.symbols)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn value(context: &Context<'_>, table: &TableSchema, row: Uuid, index: usize) -> Datum {
    match context.tx.row(&table.name, row) {
        Some(values) => values[index].clone(),
        None => Datum::default_for(&table.columns[index].kind),
    }
}

/// A column that only a new row may set is refused on an old one.
fn changeable<'t>(
    context: &Context<'_>,
    table: &'t TableSchema,
    row: Uuid,
    index: usize,
) -> Result<&'t ColumnSchema, Failure> {
    let column = &table.columns[index];
    if !column.mutable && !context.tx.is_inserted(row) {
        return fail(format!("cannot modify read-only column {} in table {}", column.name, table.name));
    }
    Ok(column)
}

fn empty(kind: &ColumnType) -> Datum {
    if kind.is_map() { Datum::empty_map() } else { Datum::empty_set() }
}

fn print_rows(context: &mut Context<'_>, table: &TableSchema, columns: &[usize], rows: Vec<Uuid>) {
    let mut printed = Table::new(columns.iter().map(|at| table.columns[*at].name.as_str()));
    for row in rows {
        let cell = |at: &usize| Cell::Datum(value(context, table, row, *at), column_kind(table, *at));
        printed.rows.push(columns.iter().map(cell).collect());
    }
    context.print_table(printed);
}

fn column_kind(table: &TableSchema, at: usize) -> ColumnType {
    match at {
        COL_UUID => ColumnType::scalar(AtomType::Uuid),
        _ => table.columns[at].kind.clone(),
    }
}

/// Only equality may set.
const _: () = assert!(matches!(ASSIGNMENT[0].1, Operator::Equal));
