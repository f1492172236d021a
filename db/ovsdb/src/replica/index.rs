//! What: which rows hold a value, as a transaction sees them.
//!
//! Why: a call with a thousand commands names a thousand rows; looking through the table for each takes a million looks.
//!
//! How: an index of a column is made when it is first asked for and told of every write from then on.
//!
//! Invariants: an index that exists says what a look at every row would say.

use crate::atom::{Atom, Uuid};
use crate::datum::Datum;
use std::collections::{BTreeSet, HashMap};

/// Rows by the single value of a column.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_value: HashMap<Atom, BTreeSet<Uuid>>,
}

/// The indexes of a transaction, by table and column.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    columns: HashMap<(String, usize), Index>,
}

impl Index {
    /// Over rows with their values of the column.
    pub(super) fn of<'a>(rows: impl Iterator<Item = (Uuid, &'a Datum)>) -> Index {
        let mut index = Index::default();
        rows.for_each(|(uuid, value)| index.add(uuid, value));
        index
    }

    /// The rows that hold the value and nothing else.
    pub(super) fn find(&self, value: &Atom) -> Vec<Uuid> {
        self.by_value.get(value).into_iter().flatten().copied().collect()
    }

    fn add(&mut self, uuid: Uuid, value: &Datum) {
        if let Some(atom) = value.one() {
            self.by_value.entry(atom.clone()).or_default().insert(uuid);
        }
    }

    fn remove(&mut self, uuid: Uuid, value: &Datum) {
        if let Some(rows) = value.one().and_then(|atom| self.by_value.get_mut(atom)) {
            rows.remove(&uuid);
        }
    }
}

impl Indexes {
    /// The index of a column, made now if there is none.
    pub(super) fn of(&mut self, table: &str, column: usize, make: impl FnOnce() -> Index) -> &Index {
        self.columns.entry((table.to_string(), column)).or_insert_with(make)
    }

    /// A row's value of a column was `old`, and is `new` now.
    pub(super) fn changed(&mut self, table: &str, column: usize, uuid: Uuid, old: &Datum, new: &Datum) {
        if self.columns.is_empty() {
            return;
        }
        if let Some(index) = self.columns.get_mut(&(table.to_string(), column)) {
            index.remove(uuid, old);
            index.add(uuid, new);
        }
    }

    /// A row came (`here`) or went, with these values.
    pub(super) fn row(&mut self, table: &str, uuid: Uuid, values: &[Datum], here: bool) {
        for ((_, column), index) in self.columns.iter_mut().filter(|((of, _), _)| of == table) {
            match here {
                true => index.add(uuid, &values[*column]),
                false => index.remove(uuid, &values[*column]),
            }
        }
    }
}
