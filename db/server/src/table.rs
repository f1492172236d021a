//! Tables: rows by UUID, rows by each of the schema's indexes, and who refers to whom.
//!
//! A table always shows the newest state, the running transaction's included; the transaction keeps what was
//! there before ([`crate::txn`]). The schema's indexes are the exception: they show the last commit, since within a
//! transaction two rows may have the same key for a while.
//!
//! Invariants, outside a transaction: `refs` of a row counts the strong references to it from other rows;
//! `weak_sources` of a row lists the rows with weak references to it; each index holds every row once.

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet, HashTable};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use weft_ovsdb::schema::{COL_UUID, COL_VERSION};
use weft_ovsdb::{Condition, Datum, TableSchema, Uuid};

/// One version of a row: a datum for each column, shared by all that hold it.
#[derive(Clone, Debug)]
pub struct Row(Arc<[Datum]>);

/// A row's place: its table's index and its UUID.
pub type RowId = (usize, Uuid);

/// A table.
pub struct Table {
    /// What may be in it.
    pub schema: Arc<TableSchema>,
    /// Whether rows stay without being referred to.
    pub is_root: bool,
    /// Columns with strong references.
    pub strong_columns: Vec<usize>,
    /// Columns with weak references.
    pub weak_columns: Vec<usize>,
    hasher: RandomState,
    rows: HashTable<Slot>,
    indexes: Vec<Index>,
    weak_sources: HashMap<Uuid, HashSet<RowId, RandomState>, RandomState>,
}

struct Slot {
    row: Row,
    refs: u32,
}

struct Index {
    columns: Vec<usize>,
    rows: HashTable<Row>,
}

impl Row {
    /// A row of these columns.
    pub fn new(columns: Vec<Datum>) -> Row {
        Row(columns.into())
    }

    /// The row's UUID.
    pub fn uuid(&self) -> Uuid {
        self.0[COL_UUID].as_uuid().expect("column 0 of a row is its UUID")
    }

    /// All columns.
    pub fn columns(&self) -> &[Datum] {
        &self.0
    }

    /// Whether both hold the same in all columns but `_version`.
    pub fn same_content(&self, other: &Row) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || self.0.iter().zip(other.0.iter()).enumerate().all(|(i, (a, b))| i == COL_VERSION || a == b)
    }

    /// A copy with some columns replaced.
    pub fn with(&self, values: impl IntoIterator<Item = (usize, Datum)>) -> Row {
        let mut columns: Arc<[Datum]> = self.0.iter().cloned().collect();
        let own = Arc::get_mut(&mut columns).expect("nobody else has it yet");
        for (column, value) in values {
            own[column] = value;
        }
        Row(columns)
    }
}

impl std::ops::Index<usize> for Row {
    type Output = Datum;

    fn index(&self, column: usize) -> &Datum {
        &self.0[column]
    }
}

impl Table {
    /// An empty table.
    pub fn new(schema: Arc<TableSchema>, is_root: bool) -> Table {
        let columns = |has: fn(&weft_ovsdb::ColumnType) -> bool| {
            (0..schema.columns.len()).filter(|&c| has(&schema.columns[c].kind)).collect()
        };
        Table {
            is_root,
            strong_columns: columns(weft_ovsdb::ColumnType::has_strong),
            weak_columns: columns(weft_ovsdb::ColumnType::has_weak),
            hasher: RandomState::default(),
            rows: HashTable::new(),
            indexes: (schema.indexes.iter())
                .map(|columns| Index { columns: columns.clone(), rows: HashTable::new() })
                .collect(),
            weak_sources: HashMap::default(),
            schema,
        }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All rows, in no order.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().map(|slot| &slot.row)
    }

    /// The row of that UUID.
    pub fn get(&self, uuid: Uuid) -> Option<&Row> {
        self.slot(uuid).map(|slot| &slot.row)
    }

    /// How many strong references from other rows the row has, if it exists.
    pub fn refs(&self, uuid: Uuid) -> Option<u32> {
        self.slot(uuid).map(|slot| slot.refs)
    }

    /// Changes the number of strong references; the new number, if the row exists.
    pub fn add_refs(&mut self, uuid: Uuid, delta: i64) -> Option<u32> {
        let hash = self.hasher.hash_one(uuid);
        let slot = self.rows.find_mut(hash, |slot| slot.row.uuid() == uuid)?;
        slot.refs = u32::try_from(i64::from(slot.refs) + delta).expect("a reference is removed at most once");
        Some(slot.refs)
    }

    /// Puts a row in, in place of the one with the same UUID, whose references it keeps; else with `refs`.
    pub fn put(&mut self, row: Row, refs: u32) {
        let uuid = row.uuid();
        let hash = self.hasher.hash_one(uuid);
        match self.rows.find_mut(hash, |slot| slot.row.uuid() == uuid) {
            Some(slot) => slot.row = row,
            None => {
                let hasher = &self.hasher;
                self.rows.insert_unique(hash, Slot { row, refs }, |slot| hasher.hash_one(slot.row.uuid()));
            }
        }
    }

    /// Takes a row out: the row and the number of references to it.
    pub fn take(&mut self, uuid: Uuid) -> Option<(Row, u32)> {
        let hash = self.hasher.hash_one(uuid);
        let entry = self.rows.find_entry(hash, |slot| slot.row.uuid() == uuid).ok()?;
        let slot = entry.remove().0;
        Some((slot.row, slot.refs))
    }

    fn slot(&self, uuid: Uuid) -> Option<&Slot> {
        self.rows.find(self.hasher.hash_one(uuid), |slot| slot.row.uuid() == uuid)
    }
}

/// The schema's indexes.
impl Table {
    /// How many there are.
    pub fn n_indexes(&self) -> usize {
        self.indexes.len()
    }

    /// The columns of an index.
    pub fn index_columns(&self, index: usize) -> &[usize] {
        &self.indexes[index].columns
    }

    /// The committed row, if any, that alone can meet `condition` according to some index. `None`: no index helps.
    pub fn lookup(&self, condition: &Condition) -> Option<Option<&Row>> {
        self.indexes.iter().find_map(|index| {
            let mut hasher = self.hasher.build_hasher();
            for &column in &index.columns {
                condition.equal_to(column)?.hash(&mut hasher);
            }
            let equal = |row: &Row| index.columns.iter().all(|&c| condition.equal_to(c) == Some(&row[c]));
            Some(index.rows.find(hasher.finish(), equal))
        })
    }

    /// Removes a row from an index.
    pub fn unindex(&mut self, index: usize, row: &Row) {
        let hash = self.key_hash(index, row);
        let uuid = row.uuid();
        if let Ok(entry) = self.indexes[index].rows.find_entry(hash, |r| r.uuid() == uuid) {
            entry.remove();
        }
    }

    /// Adds a row to an index, or gives the row that already has its key.
    pub fn index(&mut self, index: usize, row: &Row) -> Result<(), Row> {
        let hash = self.key_hash(index, row);
        let Index { columns, rows } = &mut self.indexes[index];
        if let Some(other) = rows.find(hash, |r| columns.iter().all(|&c| r[c] == row[c])) {
            return Err(other.clone());
        }
        let hasher = &self.hasher;
        rows.insert_unique(hash, row.clone(), |r| key_hash(hasher, columns, r));
        Ok(())
    }

    fn key_hash(&self, index: usize, row: &Row) -> u64 {
        key_hash(&self.hasher, &self.indexes[index].columns, row)
    }
}

/// Weak references, backwards.
impl Table {
    /// The rows that weakly refer to a row of this table.
    pub fn weak_sources(&self, target: Uuid) -> Vec<RowId> {
        self.weak_sources.get(&target).map(|s| s.iter().copied().collect()).unwrap_or_default()
    }

    /// Notes that `source` refers to `target`.
    pub fn add_weak_source(&mut self, target: Uuid, source: RowId) {
        self.weak_sources.entry(target).or_default().insert(source);
    }

    /// Forgets that `source` refers to `target`.
    pub fn remove_weak_source(&mut self, target: Uuid, source: RowId) {
        if let Some(sources) = self.weak_sources.get_mut(&target) {
            sources.remove(&source);
            if sources.is_empty() {
                self.weak_sources.remove(&target);
            }
        }
    }

    /// How many weak references there are to rows of this table.
    pub fn n_weak_refs(&self) -> usize {
        self.weak_sources.values().map(|s| s.len()).sum()
    }
}

fn key_hash(hasher: &RandomState, columns: &[usize], row: &Row) -> u64 {
    let mut hasher = hasher.build_hasher();
    for &column in columns {
        row[column].hash(&mut hasher);
    }
    hasher.finish()
}
