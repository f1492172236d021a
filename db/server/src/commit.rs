//! The checks at the end of a transaction, in this order, and what they change by themselves:
//!
//! 1. strong references: each must lead to a row; a row with references to it cannot go;
//! 2. garbage: rows of tables that are no roots go when nothing refers to them;
//! 3. no table has more rows than `maxRows`;
//! 4. weak references: those that lead nowhere are removed;
//! 5. no two rows have the same key in an index.
//!
//! Either all hold and the transaction stands, or nothing of it remains. All work is proportional to what changed
//! (and to the size of the reference columns that changed), never to the size of the database.

mod words;

use crate::table::{Row, RowId, Table};
use crate::txn::{ChangeSet, RowChange, Txn};
use crate::uuids::UuidSource;
use weft_ovsdb::types::{BaseType, UNLIMITED};
use weft_ovsdb::{Atom, ColumnType, DatabaseSchema, Datum, Error, Result};
use words::{dangling, dangling_in, duplicate_key, emptied};

/// Ends a transaction: checks it and keeps it, or undoes it and says why.
pub fn commit(
    schema: &DatabaseSchema,
    tables: &mut [Table],
    mut txn: Txn,
    uuids: &mut UuidSource,
) -> Result<ChangeSet> {
    if txn.n_touched() == 0 {
        return Ok(ChangeSet::default());
    }
    match check(schema, tables, &mut txn, uuids) {
        Err(error) => {
            txn.rollback(tables);
            Err(error)
        }
        Ok(()) => {
            let set = txn.finish(tables);
            for (table, rows) in &set.tables {
                rows.iter().for_each(|change| note_weak_sources(schema, tables, *table, change));
            }
            Ok(set)
        }
    }
}

/// Makes a change, or its opposite, without any check: for what has been committed before.
pub fn apply_unchecked(schema: &DatabaseSchema, tables: &mut [Table], set: &ChangeSet, backwards: bool) {
    let sides = |change: &RowChange| match backwards {
        false => change.clone(),
        true => RowChange { old: change.new.clone(), new: change.old.clone() },
    };
    let all = || set.tables.iter().flat_map(|(t, rows)| rows.iter().map(move |change| (*t, sides(change))));
    for (table, change) in all() {
        let table = &mut tables[table];
        for index in 0..table.n_indexes() {
            if let Some(old) = &change.old {
                table.unindex(index, old);
            }
        }
        match &change.new {
            Some(new) => table.put(new.clone(), 0),
            None => drop(table.take(change.uuid())),
        }
    }
    for (table, change) in all() {
        for (row, delta) in [(&change.old, -1), (&change.new, 1)] {
            if let Some(row) = row {
                for target in strong_targets(schema, &tables[table], row) {
                    tables[target.0].add_refs(target.1, delta);
                }
            }
        }
        note_weak_sources(schema, tables, table, &change);
        let table = &mut tables[table];
        for index in 0..table.n_indexes() {
            if let Some(new) = &change.new {
                // The state had been checked when it was committed, so keys are distinct.
                let _ = table.index(index, new);
            }
        }
    }
}

/// Computes everything that tables know beside their rows, after rows have been put in from a log; removes garbage
/// and dead weak references. Fails if a strong reference leads nowhere or a key is not unique.
pub fn rebuild(schema: &DatabaseSchema, tables: &mut [Table]) -> Result<()> {
    let ids: Vec<RowId> =
        tables.iter().enumerate().flat_map(|(t, table)| table.rows().map(move |row| (t, row.uuid()))).collect();
    for &(t, uuid) in &ids {
        let row = tables[t].get(uuid).expect("listed above").clone();
        for target in strong_targets(schema, &tables[t], &row) {
            if tables[target.0].add_refs(target.1, 1).is_none() && !(target.1.is_nil() && forgets(&tables[t], &row)) {
                return Err(dangling(&tables[t], &row, target, tables));
            }
        }
    }
    let mut txn = Txn::default();
    let mut garbage: Vec<RowId> =
        ids.iter().copied().filter(|&(t, uuid)| !tables[t].is_root && tables[t].refs(uuid) == Some(0)).collect();
    collect_garbage(schema, tables, &mut txn, &mut garbage);
    let mut uuids = UuidSource::new();
    for &at in &ids {
        if !tables[at.0].weak_columns.is_empty() {
            drop_dead_weak_refs(schema, tables, &mut txn, at, &mut uuids, &mut garbage)?;
        }
    }
    collect_garbage(schema, tables, &mut txn, &mut garbage);
    drop(txn);
    for (t, uuid) in ids {
        let Some(row) = tables[t].get(uuid).cloned() else { continue };
        for index in 0..tables[t].n_indexes() {
            if let Err(other) = tables[t].index(index, &row) {
                return Err(duplicate_key(&tables[t], index, &row, &other, &Txn::default()));
            }
        }
        note_weak_sources(schema, tables, t, &RowChange { old: None, new: Some(row) });
    }
    Ok(())
}

/// Whether a row has an ephemeral reference that must be given: a log does not say what it was, so it leads nowhere until
/// somebody sets it again.
fn forgets(table: &Table, row: &Row) -> bool {
    let lost = |&&c: &&usize| !table.schema.columns[c].persistent && row[c].is_default(&table.schema.columns[c].kind);
    table.strong_columns.iter().find(lost).is_some()
}

fn check(schema: &DatabaseSchema, tables: &mut [Table], txn: &mut Txn, uuids: &mut UuidSource) -> Result<()> {
    let mut garbage = count_strong_refs(schema, tables, txn)?;
    collect_garbage(schema, tables, txn, &mut garbage);
    check_max_rows(tables, txn)?;
    check_weak_refs(schema, tables, txn, uuids, &mut garbage)?;
    // A map from weak to strong references may have lost strong ones just now.
    while !garbage.is_empty() {
        collect_garbage(schema, tables, txn, &mut garbage);
        check_weak_refs(schema, tables, txn, uuids, &mut garbage)?;
    }
    check_indexes(tables, txn)
}

/// Step 1. Gives the rows that may have become garbage.
fn count_strong_refs(schema: &DatabaseSchema, tables: &mut [Table], txn: &mut Txn) -> Result<Vec<RowId>> {
    let mut garbage = Vec::new();
    let mut deleted = Vec::new();
    for i in 0..txn.n_touched() {
        let ((t, uuid), old) = txn.touched_at(i);
        let (old, new) = (old.cloned(), tables[t].get(uuid).cloned());
        match (&old, &new) {
            (Some(_), None) => deleted.push((t, uuid)),
            (None, Some(_)) if !tables[t].is_root => garbage.push((t, uuid)),
            _ => {}
        }
        for c in 0..tables[t].strong_columns.len() {
            let column = tables[t].strong_columns[c];
            let (before, after) = (old.as_ref().map(|r| &r[column]), new.as_ref().map(|r| &r[column]));
            if before == after {
                continue;
            }
            let kind = tables[t].schema.columns[column].kind.clone();
            let (gone, come) = difference(before, after, &kind);
            for target in strong_atoms(schema, &kind, &come).filter(|&at| at != (t, uuid)) {
                if tables[target.0].get(target.1).is_none() {
                    let row = new.as_ref().expect("only a row that is there has new references");
                    return Err(dangling_in(&tables[t], column, row, target, tables));
                }
                txn.add_refs(tables, target, 1);
            }
            for target in strong_atoms(schema, &kind, &gone).filter(|&at| at != (t, uuid)) {
                if txn.add_refs(tables, target, -1) == Some(0) && !tables[target.0].is_root {
                    garbage.push(target);
                }
            }
        }
    }
    for at in deleted {
        let refs = txn.refs_of_deleted(at);
        if refs > 0 {
            let name = &tables[at.0].schema.name;
            let text = format!("cannot delete {name} row {} because of {refs} remaining reference(s)", at.1);
            return Err(Error::new("referential integrity violation", text));
        }
    }
    Ok(garbage)
}

/// Step 2. Empties the list.
fn collect_garbage(schema: &DatabaseSchema, tables: &mut [Table], txn: &mut Txn, garbage: &mut Vec<RowId>) {
    while let Some((t, uuid)) = garbage.pop() {
        if tables[t].refs(uuid) != Some(0) {
            continue;
        }
        let row = tables[t].get(uuid).expect("it has a reference count").clone();
        txn.delete(tables, t, uuid);
        for target in strong_targets(schema, &tables[t], &row).collect::<Vec<_>>() {
            if txn.add_refs(tables, target, -1) == Some(0) && !tables[target.0].is_root {
                garbage.push(target);
            }
        }
    }
}

/// Step 4. Rows to look at: those changed, and those that refer to rows that went.
fn check_weak_refs(
    schema: &DatabaseSchema,
    tables: &mut [Table],
    txn: &mut Txn,
    uuids: &mut UuidSource,
    garbage: &mut Vec<RowId>,
) -> Result<()> {
    let mut suspects = Vec::new();
    for ((t, uuid), old) in txn.touched() {
        match tables[t].get(uuid) {
            Some(_) if !tables[t].weak_columns.is_empty() => suspects.push((t, uuid)),
            None if old.is_some() => suspects.extend(tables[t].weak_sources(uuid)),
            _ => {}
        }
    }
    for at in suspects {
        drop_dead_weak_refs(schema, tables, txn, at, uuids, garbage)?;
    }
    Ok(())
}

fn drop_dead_weak_refs(
    schema: &DatabaseSchema,
    tables: &mut [Table],
    txn: &mut Txn,
    at: RowId,
    uuids: &mut UuidSource,
    garbage: &mut Vec<RowId>,
) -> Result<()> {
    let Some(row) = tables[at.0].get(at.1).cloned() else { return Ok(()) };
    let mut values = Vec::new();
    for c in 0..tables[at.0].weak_columns.len() {
        let column = tables[at.0].weak_columns[c];
        let kind = tables[at.0].schema.columns[column].kind.clone();
        let is_dead = |base: &BaseType, atom: &Atom| match (base.is_weak(), weak_target(schema, base, atom)) {
            (true, Some((t, uuid))) => tables[t].get(uuid).is_none(),
            _ => false,
        };
        let value = &row[column];
        let kept = match (&kind.value, value) {
            (Some(of), Datum::Map(pairs)) => {
                if !pairs.iter().any(|(k, v)| is_dead(&kind.key, k) || is_dead(of, v)) {
                    continue;
                }
                let live = pairs.iter().filter(|(k, v)| !is_dead(&kind.key, k) && !is_dead(of, v));
                Datum::map_of(live.cloned())
            }
            _ => {
                if !value.atoms().iter().any(|a| is_dead(&kind.key, a)) {
                    continue;
                }
                Datum::set_of(value.atoms().iter().filter(|a| !is_dead(&kind.key, a)).cloned())
            }
        };
        if kept.len() < kind.min as usize {
            return Err(emptied(&tables[at.0], column, at.1, value, txn.existed(at) == Some(false)));
        }
        if kind.has_strong() {
            let (gone, _) = difference(Some(value), Some(&kept), &kind);
            for target in strong_atoms(schema, &kind, &gone).filter(|&target| target != at) {
                if txn.add_refs(tables, target, -1) == Some(0) && !tables[target.0].is_root {
                    garbage.push(target);
                }
            }
        }
        values.push((column, kept));
    }
    if !values.is_empty() {
        txn.update(tables, at.0, &row, values, uuids);
    }
    Ok(())
}

/// Step 3.
fn check_max_rows(tables: &[Table], txn: &Txn) -> Result<()> {
    for ((t, _), _) in txn.touched() {
        let table = &tables[t];
        let max = table.schema.max_rows;
        if max != UNLIMITED && table.len() > max as usize {
            return Err(Error::constraint(format!(
                "transaction causes \"{}\" table to contain {} rows, greater than the schema-defined limit of {max} row(s)",
                table.schema.name,
                table.len()
            )));
        }
    }
    Ok(())
}

/// Step 5. Brings the indexes up to date on the way; puts them back if a key is not unique.
fn check_indexes(tables: &mut [Table], txn: &Txn) -> Result<()> {
    let mut changed: Vec<(usize, usize, Option<Row>, Option<Row>)> = Vec::new();
    for ((t, uuid), old) in txn.touched() {
        let new = tables[t].get(uuid);
        for index in 0..tables[t].n_indexes() {
            // A row that keeps its key is indexed anew too, as the index holds the row itself.
            let as_before = matches!((old, new), (Some(old), Some(new)) if old.same_content(new));
            if !as_before && (old.is_some() || new.is_some()) {
                changed.push((t, index, old.cloned(), new.cloned()));
            }
        }
    }
    for (t, index, old, _) in &changed {
        if let Some(old) = old {
            tables[*t].unindex(*index, old);
        }
    }
    let mut failure = None;
    let mut done = 0;
    for (t, index, _, new) in &changed {
        if let Some(new) = new
            && let Err(other) = tables[*t].index(*index, new)
        {
            failure = Some(duplicate_key(&tables[*t], *index, new, &other, txn));
            break;
        }
        done += 1;
    }
    let Some(failure) = failure else { return Ok(()) };
    for (t, index, _, new) in &changed[..done] {
        if let Some(new) = new {
            tables[*t].unindex(*index, new);
        }
    }
    for (t, index, old, _) in &changed {
        if let Some(old) = old {
            let _ = tables[*t].index(*index, old);
        }
    }
    Err(failure)
}

fn note_weak_sources(schema: &DatabaseSchema, tables: &mut [Table], t: usize, change: &RowChange) {
    let at = (t, change.uuid());
    for c in 0..tables[t].weak_columns.len() {
        let column = tables[t].weak_columns[c];
        let (old, new) = (change.old.as_ref().map(|r| &r[column]), change.new.as_ref().map(|r| &r[column]));
        if old == new {
            continue;
        }
        let kind = tables[t].schema.columns[column].kind.clone();
        let targets = |value: Option<&Datum>| -> Vec<RowId> {
            value.map(|v| weak_atoms(schema, &kind, v).collect()).unwrap_or_default()
        };
        // Another column may still refer to the same row; it is noted again below.
        for target in targets(old) {
            tables[target.0].remove_weak_source(target.1, at);
        }
        for target in targets(new) {
            tables[target.0].add_weak_source(target.1, at);
        }
    }
    if tables[t].weak_columns.len() > 1
        && let Some(new) = &change.new
    {
        for c in 0..tables[t].weak_columns.len() {
            let column = tables[t].weak_columns[c];
            let kind = tables[t].schema.columns[column].kind.clone();
            for target in weak_atoms(schema, &kind, &new[column]).collect::<Vec<_>>() {
                tables[target.0].add_weak_source(target.1, at);
            }
        }
    }
}

/// The rows that a row strongly refers to, itself left out.
fn strong_targets<'a>(
    schema: &'a DatabaseSchema,
    table: &Table,
    row: &'a Row,
) -> impl Iterator<Item = RowId> + use<'a> {
    let itself = (table.schema.index, row.uuid());
    let columns: Vec<(usize, ColumnType)> =
        table.strong_columns.iter().map(|&c| (c, table.schema.columns[c].kind.clone())).collect();
    columns
        .into_iter()
        .flat_map(move |(column, kind)| strong_atoms(schema, &kind, &row[column]).collect::<Vec<_>>())
        .filter(move |&target| target != itself)
}

fn strong_atoms<'a>(
    schema: &'a DatabaseSchema,
    kind: &'a ColumnType,
    value: &'a Datum,
) -> impl Iterator<Item = RowId> + 'a {
    atoms_of(schema, kind, value, BaseType::is_strong)
}

fn weak_atoms<'a>(
    schema: &'a DatabaseSchema,
    kind: &'a ColumnType,
    value: &'a Datum,
) -> impl Iterator<Item = RowId> + 'a {
    atoms_of(schema, kind, value, BaseType::is_weak)
}

fn atoms_of<'a>(
    schema: &'a DatabaseSchema,
    kind: &'a ColumnType,
    value: &'a Datum,
    wanted: fn(&BaseType) -> bool,
) -> impl Iterator<Item = RowId> + 'a {
    let table_of = |base: &'a BaseType| {
        wanted(base).then(|| base.ref_table().and_then(|name| schema.table(name))).flatten().map(|t| t.index)
    };
    let key_table = table_of(&kind.key);
    let value_table = kind.value.as_ref().and_then(table_of);
    let keys = value.keys().filter_map(move |k| Some((key_table?, k.as_uuid()?)));
    let values = value.pairs().iter().filter_map(move |(_, v)| Some((value_table?, v.as_uuid()?)));
    keys.chain(values)
}

fn weak_target(schema: &DatabaseSchema, base: &BaseType, atom: &Atom) -> Option<RowId> {
    Some((schema.table(base.ref_table()?)?.index, atom.as_uuid()?))
}

/// What is only in the one or only in the other, pairs as wholes.
fn difference(old: Option<&Datum>, new: Option<&Datum>, kind: &ColumnType) -> (Datum, Datum) {
    let empty = if kind.is_map() { Datum::empty_map() } else { Datum::empty_set() };
    match (old, new) {
        (Some(old), Some(new)) => (old.subtract(new), new.subtract(old)),
        (old, new) => (old.cloned().unwrap_or_else(|| empty.clone()), new.cloned().unwrap_or(empty)),
    }
}
