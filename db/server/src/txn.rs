//! A transaction in progress: what each touched row was before, and the way back.
//!
//! Changes go straight into the tables, so that later operations see them; the first change of a row keeps the row
//! as it was. Ending a transaction is either [`crate::commit`] or [`Txn::rollback`].

use crate::table::{Row, RowId, Table};
use crate::uuids::UuidSource;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use weft_ovsdb::operation::Values;
use weft_ovsdb::schema::COL_VERSION;
use weft_ovsdb::{Atom, Datum, Uuid};

/// A transaction in progress on a database's tables.
#[derive(Default)]
pub struct Txn {
    changes: Vec<Touched>,
    by_row: HashMap<RowId, usize, RandomState>,
    refs: Vec<(RowId, i64)>,
    /// Comments, in order.
    pub comments: Vec<String>,
    /// Whether some operation asked for durability.
    pub durable: bool,
}

/// A row that the transaction touched.
struct Touched {
    at: RowId,
    old: Option<Row>,
    /// References to the row, while it is out of its table.
    refs: i64,
}

/// What a transaction did to one row. At least one of the two is there.
#[derive(Clone, Debug)]
pub struct RowChange {
    /// The row before; none if it was inserted.
    pub old: Option<Row>,
    /// The row after; none if it was deleted.
    pub new: Option<Row>,
}

/// What a transaction did, by table.
#[derive(Clone, Debug, Default)]
pub struct ChangeSet {
    /// Tables with changes, ascending by index.
    pub tables: Vec<(usize, Vec<RowChange>)>,
}

impl RowChange {
    /// The row's UUID.
    pub fn uuid(&self) -> Uuid {
        self.new.as_ref().or(self.old.as_ref()).expect("a change has a row on one side").uuid()
    }
}

impl ChangeSet {
    /// What several transactions, in their order, came to as one.
    pub fn merged<'a>(sets: impl IntoIterator<Item = &'a ChangeSet>) -> ChangeSet {
        let mut rows: BTreeMap<RowId, RowChange> = BTreeMap::new();
        for (table, changes) in sets.into_iter().flat_map(|set| &set.tables) {
            for change in changes {
                match rows.entry((*table, change.uuid())) {
                    Entry::Vacant(entry) => drop(entry.insert(change.clone())),
                    Entry::Occupied(mut entry) => entry.get_mut().new = change.new.clone(),
                }
            }
        }
        let mut set = ChangeSet::default();
        for ((table, _), change) in rows {
            if change.old.is_none() && change.new.is_none() {
                continue;
            }
            match set.tables.last_mut() {
                Some((last, changes)) if *last == table => changes.push(change),
                _ => set.tables.push((table, vec![change])),
            }
        }
        set
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Whether the table has changes.
    pub fn touches(&self, table: usize) -> bool {
        self.tables.iter().any(|(t, _)| *t == table)
    }

    /// How many rows changed.
    pub fn len(&self) -> usize {
        self.tables.iter().map(|(_, rows)| rows.len()).sum()
    }
}

impl Txn {
    /// Inserts a row whose columns but `_version` are all set.
    pub fn insert(&mut self, tables: &mut [Table], table: usize, mut columns: Vec<Datum>, uuids: &mut UuidSource) {
        columns[COL_VERSION] = Datum::One(Atom::Uuid(uuids.next()));
        let row = Row::new(columns);
        let at = (table, row.uuid());
        self.touch(at, None);
        tables[table].put(row, 0);
    }

    /// Sets columns of a row, which is as `old` now.
    pub fn update(
        &mut self,
        tables: &mut [Table],
        table: usize,
        old: &Row,
        mut values: Values,
        uuids: &mut UuidSource,
    ) {
        // One new version for all that a transaction does to a row.
        if self.touch((table, old.uuid()), Some(old)) {
            values.push((COL_VERSION, Datum::One(Atom::Uuid(uuids.next()))));
        }
        tables[table].put(old.with(values), 0);
    }

    /// Puts in a row as it is, its version included, in place of the one with its UUID.
    pub fn put(&mut self, tables: &mut [Table], table: usize, row: Row) {
        let at = (table, row.uuid());
        let old = tables[table].get(at.1).cloned();
        self.touch(at, old.as_ref());
        tables[table].put(row, 0);
    }

    /// Deletes a row.
    pub fn delete(&mut self, tables: &mut [Table], table: usize, uuid: Uuid) {
        if let Some((row, refs)) = tables[table].take(uuid) {
            self.touch((table, uuid), Some(&row));
            let i = self.by_row[&(table, uuid)];
            self.changes[i].refs = i64::from(refs);
        }
    }

    /// Whether the row was there before the transaction: yes, no, or `None` if it was not touched.
    pub fn existed(&self, at: RowId) -> Option<bool> {
        self.by_row.get(&at).map(|&i| self.changes[i].old.is_some())
    }

    /// The row as it was before, if it was touched and was there.
    pub fn old(&self, at: RowId) -> Option<&Row> {
        self.by_row.get(&at).and_then(|&i| self.changes[i].old.as_ref())
    }

    /// The rows touched so far, in order.
    pub fn touched(&self) -> impl Iterator<Item = (RowId, Option<&Row>)> {
        self.changes.iter().map(|t| (t.at, t.old.as_ref()))
    }

    /// How many rows were touched.
    pub fn n_touched(&self) -> usize {
        self.changes.len()
    }

    /// The `i`-th touched row.
    pub fn touched_at(&self, i: usize) -> (RowId, Option<&Row>) {
        (self.changes[i].at, self.changes[i].old.as_ref())
    }

    /// Changes the number of strong references to a row, also of one that this transaction deleted. The new number,
    /// if the row exists or existed.
    pub fn add_refs(&mut self, tables: &mut [Table], at: RowId, delta: i64) -> Option<i64> {
        let refs = match tables[at.0].add_refs(at.1, delta) {
            Some(refs) => i64::from(refs),
            None => {
                let touched = &mut self.changes[*self.by_row.get(&at)?];
                touched.refs += delta;
                touched.refs
            }
        };
        self.refs.push((at, delta));
        Some(refs)
    }

    /// References to a row that this transaction deleted.
    pub fn refs_of_deleted(&self, at: RowId) -> i64 {
        self.by_row.get(&at).map_or(0, |&i| self.changes[i].refs)
    }

    /// Undoes everything.
    pub fn rollback(self, tables: &mut [Table]) {
        for Touched { at: (table, uuid), old, refs } in self.changes {
            match old {
                Some(row) => tables[table].put(row, u32::try_from(refs).unwrap_or(0)),
                None => drop(tables[table].take(uuid)),
            }
        }
        for ((table, uuid), delta) in self.refs.into_iter().rev() {
            tables[table].add_refs(uuid, -delta);
        }
    }

    /// What was done, for a transaction that stands. Rows that are as before keep their old version.
    pub fn finish(self, tables: &mut [Table]) -> ChangeSet {
        let mut set = ChangeSet::default();
        for Touched { at: (table, uuid), old, .. } in self.changes {
            let new = tables[table].get(uuid).cloned();
            match (&old, &new) {
                (None, None) => continue,
                (Some(old), Some(new)) if old.same_content(new) => {
                    tables[table].put(old.clone(), 0);
                    continue;
                }
                _ => {}
            }
            match set.tables.iter_mut().find(|(t, _)| *t == table) {
                Some((_, rows)) => rows.push(RowChange { old, new }),
                None => set.tables.push((table, vec![RowChange { old, new }])),
            }
        }
        set.tables.sort_by_key(|(table, _)| *table);
        set
    }

    /// Notes a row's first change; whether it was the first.
    fn touch(&mut self, at: RowId, old: Option<&Row>) -> bool {
        let next = self.changes.len();
        let first = *self.by_row.entry(at).or_insert(next) == next;
        if first {
            self.changes.push(Touched { at, old: old.cloned(), refs: 0 });
        }
        first
    }
}
