//! What: rows as structs. [`rows!`](crate::rows) makes one for a table: the columns to copy, and how a row is read.
//!
//! ```
//! use std::collections::BTreeMap;
//! use weft_ovsdb::replica::Select;
//!
//! weft_ovsdb::rows! {
//!     /// A port of a bridge.
//!     pub struct Port of "Port" {
//!         /// Its name.
//!         name: String,
//!         /// Its VLAN.
//!         tag: Option<i64>,
//!         /// A column whose name is a word of Rust is given another one.
//!         config: BTreeMap<String, String> = "other_config",
//!     }
//! }
//!
//! let select = Select::default().typed::<Port>();
//! ```
//!
//! Invariants: a row that does not fit the struct (a server with another schema) is left out, never a panic; a column
//! that the server lacks reads as absent, which only `Option`, `Vec` and maps can be.

use super::changes::Changes;
use super::rows::{Replica, RowRef, Select};
use crate::atom::{Atom, Uuid};
use crate::datum::Datum;
use std::collections::BTreeMap;

/// A struct that stands for the rows of a table.
pub trait TypedRow: Sized {
    /// The table.
    const TABLE: &'static str;
    /// The columns that it reads.
    const COLUMNS: &'static [&'static str];
    /// Reads a row; `None` if it does not fit.
    fn from_row(row: RowRef<'_>) -> Option<Self>;
}

/// A type that a column's value can have.
pub trait ColumnValue: Sized {
    /// Reads a value; `None` if it is of another kind.
    fn from_datum(datum: &Datum) -> Option<Self>;
    /// The value as the database has it.
    fn to_datum(&self) -> Datum;
    /// What it is where there is no such column.
    fn absent() -> Option<Self> {
        None
    }
}

/// A type that one element of a value can have.
pub trait AtomValue: Sized + Ord {
    /// Reads an element.
    fn from_atom(atom: &Atom) -> Option<Self>;
    /// The element as the database has it.
    fn to_atom(&self) -> Atom;
}

/// What happened to a row, typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// It came.
    Added(Uuid, T),
    /// It is other than it was.
    Changed {
        /// Which row.
        uuid: Uuid,
        /// Before.
        old: T,
        /// After.
        new: T,
    },
    /// It went.
    Removed(Uuid, T),
}

impl Select {
    /// Adds the columns that a struct reads.
    #[must_use]
    pub fn typed<T: TypedRow>(self) -> Select {
        self.columns(T::TABLE, T::COLUMNS)
    }
}

impl Replica {
    /// All rows of a struct's table.
    pub fn all<T: TypedRow>(&self) -> impl Iterator<Item = (Uuid, T)> {
        self.rows(T::TABLE).filter_map(|row| Some((row.uuid, T::from_row(row)?)))
    }

    /// One row.
    pub fn one<T: TypedRow>(&self, uuid: Uuid) -> Option<T> {
        T::from_row(self.row(T::TABLE, uuid)?)
    }
}

impl Changes {
    /// What happened to the rows of a struct's table, as far as the struct can see it.
    pub fn typed<T: TypedRow + PartialEq>(&self, replica: &Replica) -> Vec<Change<T>> {
        let Some(table) = replica.table(T::TABLE) else { return Vec::new() };
        let read = |uuid, row: &Option<super::Row>| {
            let row = row.as_ref()?;
            T::from_row(RowRef { table: table.schema(), uuid, row })
        };
        let change =
            |(uuid, change): (Uuid, &super::RowChange)| match (read(uuid, &change.old), read(uuid, &change.new)) {
                (None, None) => None,
                (None, Some(new)) => Some(Change::Added(uuid, new)),
                (Some(old), None) => Some(Change::Removed(uuid, old)),
                (Some(old), Some(new)) if old == new => None,
                (Some(old), Some(new)) => Some(Change::Changed { uuid, old, new }),
            };
        self.rows(T::TABLE).filter_map(change).collect()
    }
}

/// Reads a column of a row; used by [`rows!`](crate::rows).
pub fn column<T: ColumnValue>(row: RowRef<'_>, column: &str) -> Option<T> {
    match row.get(column) {
        Some(datum) => T::from_datum(datum),
        None => T::absent(),
    }
}

macro_rules! atom_values {
    ($($kind:ty: $atom:ident => $read:expr, $value:ident => $write:expr;)*) => {$(
        impl AtomValue for $kind {
            fn from_atom($atom: &Atom) -> Option<$kind> {
                $read
            }
            fn to_atom(&self) -> Atom {
                let $value = self;
                $write
            }
        }

        impl ColumnValue for $kind {
            fn from_datum(datum: &Datum) -> Option<$kind> {
                <$kind>::from_atom(datum.one()?)
            }
            fn to_datum(&self) -> Datum {
                Datum::One(self.to_atom())
            }
        }
    )*};
}

atom_values! {
    String: atom => atom.as_str().map(str::to_owned), value => Atom::from(value.as_str());
    i64: atom => atom.as_integer(), value => Atom::from(*value);
    bool: atom => atom.as_bool(), value => Atom::from(*value);
    Uuid: atom => atom.as_uuid(), value => Atom::from(*value);
}

/// Reals have no order, so they are values of columns only, not elements of sets.
impl ColumnValue for f64 {
    fn from_datum(datum: &Datum) -> Option<f64> {
        datum.as_real()
    }

    fn to_datum(&self) -> Datum {
        Datum::One(Atom::from(*self))
    }
}

impl<T: AtomValue> ColumnValue for Option<T> {
    fn from_datum(datum: &Datum) -> Option<Option<T>> {
        match datum {
            Datum::One(atom) => T::from_atom(atom).map(Some),
            Datum::Set(atoms) if atoms.is_empty() => Some(None),
            _ => None,
        }
    }

    fn to_datum(&self) -> Datum {
        self.as_ref().map_or_else(Datum::empty_set, |value| Datum::One(value.to_atom()))
    }

    fn absent() -> Option<Option<T>> {
        Some(None)
    }
}

impl<T: AtomValue> ColumnValue for Vec<T> {
    fn from_datum(datum: &Datum) -> Option<Vec<T>> {
        match datum {
            Datum::Map(_) => None,
            set => set.atoms().iter().map(T::from_atom).collect(),
        }
    }

    fn to_datum(&self) -> Datum {
        Datum::set_of(self.iter().map(T::to_atom))
    }

    fn absent() -> Option<Vec<T>> {
        Some(Vec::new())
    }
}

impl<K: AtomValue, V: AtomValue> ColumnValue for BTreeMap<K, V> {
    fn from_datum(datum: &Datum) -> Option<BTreeMap<K, V>> {
        let Datum::Map(pairs) = datum else { return None };
        pairs.iter().map(|(key, value)| Some((K::from_atom(key)?, V::from_atom(value)?))).collect()
    }

    fn to_datum(&self) -> Datum {
        Datum::map_of(self.iter().map(|(key, value)| (key.to_atom(), value.to_atom())))
    }

    fn absent() -> Option<BTreeMap<K, V>> {
        Some(BTreeMap::new())
    }
}

/// Makes structs for the rows of tables; see [`typed`](crate::replica::typed).
#[macro_export]
macro_rules! rows {
    ($($(#[$meta:meta])* $vis:vis struct $name:ident of $table:literal {
        $($(#[$field_meta:meta])* $field:ident: $kind:ty $(= $column:literal)?),* $(,)?
    })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name {
            $($(#[$field_meta])* pub $field: $kind,)*
        }

        impl $crate::replica::typed::TypedRow for $name {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$($crate::rows!(@column $field $($column)?)),*];

            fn from_row(row: $crate::replica::RowRef<'_>) -> Option<Self> {
                Some($name {
                    $($field: $crate::replica::typed::column(row, $crate::rows!(@column $field $($column)?))?,)*
                })
            }
        }
    )*};
    (@column $field:ident) => { stringify!($field) };
    (@column $field:ident $column:literal) => { $column };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open_vswitch;
    use serde_json::json;
    use std::sync::Arc;

    rows! {
        struct Bridge of "Bridge" { name: String, stp: bool = "stp_enable", fail_mode: Option<String> }
        struct Port of "Port" {
            name: String,
            tag: Option<i64>,
            trunks: Vec<i64>,
            interfaces: Vec<Uuid>,
            external_ids: BTreeMap<String, String>,
            future: Option<i64> = "column_of_tomorrow",
        }
        struct Wrong of "Port" { name: i64 }
    }

    #[test]
    fn rows_come_change_and_go() {
        let select = Select::default().typed::<Bridge>().typed::<Port>();
        let mut replica = Replica::new(Arc::new(open_vswitch::schema()), &select);
        let id: Uuid = "00000000-0000-0000-0000-000000000001".parse().unwrap();
        let update = |body| json!({"Port": {id.to_string(): body}});
        let came = json!({"insert": {"name": "p", "trunks": ["set", [1, 2]], "external_ids": ["map", [["a", "b"]]]}});
        let changes = replica.apply_update2(&update(came)).unwrap();
        let port = Port {
            name: "p".into(),
            tag: None,
            trunks: vec![1, 2],
            interfaces: vec![Uuid::nil()],
            external_ids: BTreeMap::from([("a".into(), "b".into())]),
            future: None,
        };
        assert_eq!(changes.typed(&replica), [Change::Added(id, port.clone())]);
        assert_eq!(replica.one::<Port>(id), Some(port.clone()));
        let changes = replica.apply_update2(&update(json!({"modify": {"tag": 7}}))).unwrap();
        let new = Port { tag: Some(7), ..port.clone() };
        assert_eq!(changes.typed(&replica), [Change::Changed { uuid: id, old: port, new: new.clone() }]);
        assert!(changes.typed::<Bridge>(&replica).is_empty());
        assert_eq!(replica.all::<Wrong>().count(), 0);
        let changes = replica.apply_update2(&update(json!({"delete": null}))).unwrap();
        assert_eq!(changes.typed(&replica), [Change::Removed(id, new)]);
    }

    #[test]
    fn values_go_there_and_back() {
        fn same<T: ColumnValue + PartialEq + std::fmt::Debug>(value: T) {
            assert_eq!(T::from_datum(&value.to_datum()), Some(value));
        }
        same("x".to_owned());
        same(true);
        same(1.5);
        same(Uuid::new_v4());
        same(Some(3));
        same(None::<String>);
        same(vec![1, 2, 3]);
        same(BTreeMap::from([(1, "a".to_owned())]));
        assert_eq!(i64::from_datum(&"x".to_owned().to_datum()), None);
        assert_eq!(Vec::<String>::from_datum(&Datum::empty_map()), None);
    }
}
