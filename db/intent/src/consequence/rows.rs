//! What: the settings in which two rows differ, rows below them included.

use crate::shape;
use crate::view::Rows;
use std::collections::BTreeMap;
use weft_ovsdb::{Atom, ColumnSchema, DatabaseSchema, Datum, Uuid};

/// A row of one state, if it is there.
pub(super) type Side<'a> = (&'a dyn Rows, Option<Uuid>);

/// `column: before -> after` for each setting that differs; of a new row what is not the default.
pub(super) fn changes(schema: &DatabaseSchema, old: Side<'_>, new: Side<'_>, table: &str, but: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let Some(of) = schema.table(table) else { return found };
    let name = shape::name_column(table);
    for column in &of.columns {
        let skipped = but.contains(&column.name.as_str()) || name == Some(column.name.as_str());
        if skipped || !shape::is_setting(table, column) {
            continue;
        }
        let word = shape::word(table, &column.name);
        let default = Datum::default_for(&column.kind);
        let value = |(rows, row): Side<'_>| {
            row.and_then(|row| rows.value(table, row, &column.name)).cloned().unwrap_or_else(|| default.clone())
        };
        let (before, after) = (value(old), value(new));
        if column.kind.key.is_weak() {
            let names = |side, datum: &Datum| -> String {
                let names = members(side, datum, column.kind.key.ref_table().unwrap_or_default());
                if names.is_empty() { "none".to_owned() } else { names.into_keys().collect::<Vec<_>>().join(" ") }
            };
            if before != after {
                found.push(arrow(word, old.1.is_some(), &names(old, &before), &names(new, &after)));
            }
        } else if let Some(below) = referred(column) {
            let (had, has) = (members(old, &before, below), members(new, &after, below));
            for key in had.keys().chain(has.keys()).collect::<std::collections::BTreeSet<_>>() {
                let place = if key.is_empty() { word.to_owned() } else { format!("{word}.{key}") };
                match (had.get(key), has.get(key)) {
                    (Some(_), None) => found.push(format!("{place}: goes")),
                    (had, Some(has)) => {
                        let inside = changes(schema, (old.0, had.copied()), (new.0, Some(*has)), below, &[]);
                        if had.is_none() && inside.is_empty() {
                            found.push(format!("{place}: comes"));
                        }
                        found.extend(inside.into_iter().map(|change| format!("{place}.{change}")));
                    }
                    (None, None) => {}
                }
            }
        } else if before != after {
            compare(word, (&before, old.1.is_some()), &after, &mut found);
        }
    }
    found
}

/// The table whose rows the column owns or names.
fn referred(column: &ColumnSchema) -> Option<&str> {
    column.kind.key.ref_table().or_else(|| column.kind.value.as_ref()?.ref_table())
}

/// The rows below by the name that people know: their own, their key, or none.
fn members((rows, _): Side<'_>, datum: &Datum, table: &str) -> BTreeMap<String, Uuid> {
    let named = |row: Uuid| {
        let name = shape::name_column(table).and_then(|name| rows.value(table, row, name)?.as_str());
        name.unwrap_or_default().to_owned()
    };
    let of_set = datum.atoms().iter().filter_map(Atom::as_uuid).map(|row| (named(row), row));
    let of_map = datum.pairs().iter().filter_map(|(key, value)| Some((super::atom(key), value.as_uuid()?)));
    of_set.chain(of_map).collect()
}

fn compare(word: &str, (before, was_there): (&Datum, bool), after: &Datum, found: &mut Vec<String>) {
    if let (Datum::Map(old), Datum::Map(new)) = (before, after) {
        let keys: std::collections::BTreeSet<&Atom> = old.iter().chain(new.iter()).map(|(key, _)| key).collect();
        for key in keys {
            let (old, new) = (before.get(key), after.get(key));
            if old != new {
                let text = |atom: Option<&Atom>| atom.map_or("none".to_owned(), super::atom);
                found.push(arrow(&format!("{word}:{}", super::atom(key)), was_there, &text(old), &text(new)));
            }
        }
        return;
    }
    found.push(arrow(word, was_there, &shown(before), &shown(after)));
}

/// Of a row that comes, only what it gets is of interest.
fn arrow(word: &str, was_there: bool, before: &str, after: &str) -> String {
    if was_there { format!("{word}: {before} -> {after}") } else { format!("{word}: {after}") }
}

/// A value for people.
pub(super) fn shown(datum: &Datum) -> String {
    match datum {
        Datum::Set(atoms) if atoms.is_empty() => "none".to_owned(),
        Datum::One(atom) if atom.as_str() == Some("") => "none".to_owned(),
        other => other.to_bare_text(),
    }
}
