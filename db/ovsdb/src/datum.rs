//! Datums: what one column of one row holds: an atom, a set of atoms, or a map from atoms to atoms.
//!
//! A datum is always canonical: sets are sorted and without duplicates, maps sorted by key with each key once, and
//! a set of exactly one atom is [`Datum::One`] (RFC 7047 writes it without `["set", ...]` too). Two datums are
//! therefore equal exactly when they hold the same. Sets and maps are shared slices: cloning a row costs counters,
//! not copies. A datum does not know its column's type; [`ColumnType`] checks it.

use crate::atom::{Atom, NamedUuids, Uuid};
use crate::error::{Error, Result};
use crate::types::{BaseType, ColumnType, Constraint, UNLIMITED};
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The value of one column of one row.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Datum {
    /// A set of exactly one atom, which is also how a scalar column is held.
    One(Atom),
    /// A set of none, or of two or more atoms, ascending. Build it with [`Datum::set`].
    Set(Arc<[Atom]>),
    /// A map, ascending by key. Build it with [`Datum::map`].
    Map(Arc<[(Atom, Atom)]>),
}

/// Something occurs twice that may occur only once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicate {
    /// An element of a set.
    InSet,
    /// A key of a map.
    InMap,
}

impl From<Duplicate> for Error {
    fn from(duplicate: Duplicate) -> Error {
        Error::new(
            "ovsdb error",
            match duplicate {
                Duplicate::InSet => "set contains duplicate",
                Duplicate::InMap => "map contains duplicate key",
            },
        )
    }
}

impl Datum {
    /// The set without elements.
    pub fn empty_set() -> Datum {
        Datum::Set(Arc::default())
    }

    /// The map without pairs.
    pub fn empty_map() -> Datum {
        Datum::Map(Arc::default())
    }

    /// A set of `atoms` in any order; each may occur once.
    pub fn set(atoms: impl IntoIterator<Item = impl Into<Atom>>) -> Result<Datum, Duplicate> {
        let mut atoms: Vec<Atom> = atoms.into_iter().map(Into::into).collect();
        atoms.sort_unstable();
        if atoms.windows(2).any(|w| w[0] == w[1]) { Err(Duplicate::InSet) } else { Ok(Datum::from_sorted(atoms)) }
    }

    /// A set of `atoms` in any order; repetitions are dropped.
    pub fn set_of(atoms: impl IntoIterator<Item = impl Into<Atom>>) -> Datum {
        let mut atoms: Vec<Atom> = atoms.into_iter().map(Into::into).collect();
        atoms.sort_unstable();
        atoms.dedup();
        Datum::from_sorted(atoms)
    }

    /// A map of `pairs` in any order; each key may occur once.
    pub fn map(pairs: impl IntoIterator<Item = (impl Into<Atom>, impl Into<Atom>)>) -> Result<Datum, Duplicate> {
        let mut pairs: Vec<(Atom, Atom)> = pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        if pairs.windows(2).any(|w| w[0].0 == w[1].0) { Err(Duplicate::InMap) } else { Ok(Datum::Map(pairs.into())) }
    }

    /// A map of `pairs` in any order; of pairs with the same key the last one counts.
    pub fn map_of(pairs: impl IntoIterator<Item = (impl Into<Atom>, impl Into<Atom>)>) -> Datum {
        let mut pairs: Vec<(Atom, Atom)> = pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        pairs.reverse();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, first| later.0 == first.0);
        Datum::Map(pairs.into())
    }

    /// What a column of `kind` holds before anybody sets it (RFC 7047 section 5.2.1).
    pub fn default_for(kind: &ColumnType) -> Datum {
        match (kind.min, &kind.value) {
            (0, None) => Datum::empty_set(),
            (0, Some(_)) => Datum::empty_map(),
            (_, None) => Datum::One(kind.key.kind.default_atom()),
            (_, Some(value)) => Datum::Map([(kind.key.kind.default_atom(), value.kind.default_atom())].into()),
        }
    }

    /// Whether it is what [`Datum::default_for`] gives.
    pub fn is_default(&self, kind: &ColumnType) -> bool {
        match self {
            Datum::One(atom) => kind.min == 1 && atom.is_default(),
            Datum::Set(atoms) => kind.min == 0 && atoms.is_empty(),
            Datum::Map(pairs) => match kind.min {
                0 => pairs.is_empty(),
                _ => pairs.len() == 1 && pairs[0].0.is_default() && pairs[0].1.is_default(),
            },
        }
    }

    /// How many elements or pairs.
    pub fn len(&self) -> usize {
        match self {
            Datum::One(_) => 1,
            Datum::Set(atoms) => atoms.len(),
            Datum::Map(pairs) => pairs.len(),
        }
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements of a set, or nothing for a map.
    pub fn atoms(&self) -> &[Atom] {
        match self {
            Datum::One(atom) => std::slice::from_ref(atom),
            Datum::Set(atoms) => atoms,
            Datum::Map(_) => &[],
        }
    }

    /// The pairs of a map, or nothing for a set.
    pub fn pairs(&self) -> &[(Atom, Atom)] {
        if let Datum::Map(pairs) = self { pairs } else { &[] }
    }

    /// The elements of a set or the keys of a map, ascending.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Atom> + DoubleEndedIterator {
        (0..self.len()).map(|i| self.key(i))
    }

    /// The `i`-th element or key; panics past the end.
    pub fn key(&self, i: usize) -> &Atom {
        match self {
            Datum::Map(pairs) => &pairs[i].0,
            _ => &self.atoms()[i],
        }
    }

    /// The single element, if there is exactly one and it is no map.
    pub fn one(&self) -> Option<&Atom> {
        if let Datum::One(atom) = self { Some(atom) } else { None }
    }

    /// The value under `key` in a map.
    pub fn get(&self, key: &Atom) -> Option<&Atom> {
        let pairs = self.pairs();
        pairs.binary_search_by(|p| p.0.cmp(key)).ok().map(|i| &pairs[i].1)
    }

    /// The string under `key` in a map of strings.
    pub fn get_str(&self, key: &str) -> Option<&str> {
        let pairs = self.pairs();
        pairs.binary_search_by(|p| p.0.as_str().cmp(&Some(key))).ok().and_then(|i| pairs[i].1.as_str())
    }

    /// Whether a set has the element, or a map the key.
    pub fn contains_key(&self, key: &Atom) -> bool {
        match self {
            Datum::One(atom) => atom == key,
            Datum::Set(atoms) => atoms.binary_search(key).is_ok(),
            Datum::Map(_) => self.get(key).is_some(),
        }
    }

    /// The single integer, if that is what it is; likewise the other `as_` functions.
    pub fn as_integer(&self) -> Option<i64> {
        self.one()?.as_integer()
    }

    /// The single real.
    pub fn as_real(&self) -> Option<f64> {
        self.one()?.as_real()
    }

    /// The single boolean.
    pub fn as_bool(&self) -> Option<bool> {
        self.one()?.as_bool()
    }

    /// The single string.
    pub fn as_str(&self) -> Option<&str> {
        self.one()?.as_str()
    }

    /// The single UUID.
    pub fn as_uuid(&self) -> Option<Uuid> {
        self.one()?.as_uuid()
    }

    /// Reads a `<value>` for a column of type `kind`, checking size and constraints.
    pub fn from_json(json: &Value, kind: &ColumnType, names: Option<&mut dyn NamedUuids>) -> Result<Datum> {
        Datum::read(json, kind, names, true)
    }

    /// Like [`Datum::from_json`] but without enums and ranges: for what our own log says.
    pub fn from_json_unchecked(json: &Value, kind: &ColumnType, names: Option<&mut dyn NamedUuids>) -> Result<Datum> {
        Datum::read(json, kind, names, false)
    }

    /// Each atom is read and checked before the next one; that none is there twice is checked last.
    fn read(json: &Value, kind: &ColumnType, mut names: Option<&mut dyn NamedUuids>, checked: bool) -> Result<Datum> {
        let mut atom = |json: &Value, base: &BaseType| {
            let atom = Atom::from_json(json, base.kind, names.as_mut().map(|n| &mut **n as &mut dyn NamedUuids))?;
            if checked && base.constraint != Constraint::None {
                base.check(&atom)?;
            }
            Ok(atom)
        };
        let class = if kind.is_map() { "map" } else { "set" };
        let tagged = match json.as_array().map(Vec::as_slice) {
            Some([Value::String(tag), body]) if tag == class => Some(body),
            Some([Value::String(tag), ..]) if tag == class => Some(&Value::Null),
            _ => None,
        };
        let Some(body) = tagged else {
            if kind.is_map() {
                return Err(Error::syntax(Some(json), "expected [\"map\", <array>]"));
            }
            return atom(json, &kind.key).map(Datum::One);
        };
        let Value::Array(items) = body else {
            return Err(Error::syntax(Some(json), format!("expected [\"{class}\", <array>]")));
        };
        kind.check_size(items.len()).map_err(|text| Error::syntax(Some(json), text))?;
        match &kind.value {
            None => {
                let atoms = items.iter().map(|item| atom(item, &kind.key)).collect::<Result<Vec<_>>>()?;
                Ok(Datum::set(atoms)?)
            }
            Some(value) => {
                let pairs = items.iter().map(|item| match item.as_array().map(Vec::as_slice) {
                    Some([k, v]) => Ok((atom(k, &kind.key)?, atom(v, value)?)),
                    _ => Err(Error::syntax(Some(item), "expected 2-element array")),
                });
                Ok(Datum::map(pairs.collect::<Result<Vec<_>>>()?)?)
            }
        }
    }

    /// The value in RFC 7047 notation.
    pub fn to_json(&self) -> Value {
        let (class, items): (&str, Vec<Value>) = match self {
            Datum::One(atom) => return atom.to_json(),
            Datum::Set(atoms) => ("set", atoms.iter().map(Atom::to_json).collect()),
            Datum::Map(pairs) => {
                ("map", pairs.iter().map(|(k, v)| Value::Array(vec![k.to_json(), v.to_json()])).collect())
            }
        };
        Value::Array(vec![class.into(), Value::Array(items)])
    }

    /// Appends the value in RFC 7047 notation as text, without building a tree first.
    pub fn write_json(&self, out: &mut String) {
        match self {
            Datum::One(atom) => atom.write_json(out),
            Datum::Set(atoms) => {
                out.push_str("[\"set\",[");
                for (i, atom) in atoms.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    atom.write_json(out);
                }
                out.push_str("]]");
            }
            Datum::Map(pairs) => {
                out.push_str("[\"map\",[");
                for (i, (key, value)) in pairs.iter().enumerate() {
                    out.push_str(if i > 0 { ",[" } else { "[" });
                    key.write_json(out);
                    out.push(',');
                    value.write_json(out);
                    out.push(']');
                }
                out.push_str("]]");
            }
        }
    }

    /// Whether every element (or pair) of `other` is in `self`.
    pub fn includes(&self, other: &Datum) -> bool {
        match other {
            Datum::Map(pairs) => pairs.iter().all(|(k, v)| self.get(k) == Some(v)),
            _ => other.atoms().iter().all(|a| self.contains_key(a)),
        }
    }

    /// Whether no element (or pair) of `other` is in `self`.
    pub fn excludes(&self, other: &Datum) -> bool {
        match other {
            Datum::Map(pairs) => !pairs.iter().any(|(k, v)| self.get(k) == Some(v)),
            _ => !other.atoms().iter().any(|a| self.contains_key(a)),
        }
    }

    /// Everything in either; for a key in both, `self`'s value stays.
    pub fn union(&self, other: &Datum) -> Datum {
        if let Datum::Map(pairs) = self {
            return Datum::Map(merge(pairs, other.pairs(), |p| &p.0, |mine, _| mine.cloned()).into());
        }
        Datum::from_sorted(merge(self.atoms(), other.atoms(), |a| a, |mine, _| mine.cloned()))
    }

    /// What is left of `self` without `other`. Of a map, `other` may name pairs (equal ones go) or, as a set, keys.
    pub fn subtract(&self, other: &Datum) -> Datum {
        match (self, other) {
            (Datum::Map(pairs), Datum::Map(_)) => {
                Datum::Map(pairs.iter().filter(|(k, v)| other.get(k) != Some(v)).cloned().collect())
            }
            (Datum::Map(pairs), _) => Datum::Map(pairs.iter().filter(|p| !other.contains_key(&p.0)).cloned().collect()),
            _ => Datum::from_sorted(self.atoms().iter().filter(|a| !other.contains_key(a)).cloned().collect()),
        }
    }

    /// A set of `atoms`, which must be ascending and distinct.
    pub(crate) fn from_sorted(mut atoms: Vec<Atom>) -> Datum {
        debug_assert!(atoms.windows(2).all(|w| w[0] < w[1]));
        match atoms.len() {
            1 => Datum::One(atoms.remove(0)),
            _ => Datum::Set(atoms.into()),
        }
    }
}

/// The difference of two values of one column, as update2 notifications and `_is_diff` log records carry it
/// (ovsdb-server(7) section 4.1.14).
impl Datum {
    /// What turns `self` into `new`. For a column of at most one element this is `new` itself.
    pub fn diff(&self, new: &Datum, kind: &ColumnType) -> Datum {
        if kind.max == 1 {
            return new.clone();
        }
        match (self, new) {
            (Datum::Map(old), Datum::Map(new)) => {
                let changed = merge(old, new, |p| &p.0, |old, new| if old == new { None } else { new.cloned() });
                Datum::Map(changed.into())
            }
            _ => Datum::from_sorted(merge(self.atoms(), new.atoms(), |a| a, |_, _| None)),
        }
    }

    /// Reads a difference, which may have more or fewer elements than a value of type `kind`.
    pub fn diff_from_json(json: &Value, kind: &ColumnType) -> Result<Datum> {
        match kind.max {
            1 => Datum::from_json_unchecked(json, kind, None),
            _ => Datum::from_json_unchecked(json, &ColumnType { min: 0, max: UNLIMITED, ..kind.clone() }, None),
        }
    }

    /// The inverse of [`Datum::diff`]: `old.apply_diff(&old.diff(&new, kind), kind) == new`.
    pub fn apply_diff(&self, diff: &Datum, kind: &ColumnType) -> Datum {
        if kind.max == 1 {
            return diff.clone();
        }
        match (self, diff) {
            (Datum::Map(old), Datum::Map(diff)) => {
                let new = merge(old, diff, |p| &p.0, |old, diff| if old == diff { None } else { diff.cloned() });
                Datum::Map(new.into())
            }
            _ => Datum::from_sorted(merge(self.atoms(), diff.atoms(), |a| a, |_, _| None)),
        }
    }
}

/// Merges two sorted runs. An item on one side only is kept; `both` decides about those with equal keys.
fn merge<T: Clone>(
    a: &[T],
    b: &[T],
    key: impl Fn(&T) -> &Atom,
    both: impl Fn(Option<&T>, Option<&T>) -> Option<T>,
) -> Vec<T> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        match key(&a[i]).cmp(key(&b[j])) {
            Ordering::Less => {
                out.push(a[i].clone());
                i += 1;
            }
            Ordering::Greater => {
                out.push(b[j].clone());
                j += 1;
            }
            Ordering::Equal => {
                out.extend(both(Some(&a[i]), Some(&b[j])));
                i += 1;
                j += 1;
            }
        }
    }
    out.extend_from_slice(&a[i..]);
    out.extend_from_slice(&b[j..]);
    out
}

impl From<Atom> for Datum {
    fn from(atom: Atom) -> Datum {
        Datum::One(atom)
    }
}

impl Ord for Datum {
    /// The order of ovs-vsctl's `<` and of table output: fewer elements first, then keys, then values.
    fn cmp(&self, other: &Datum) -> Ordering {
        (self.len().cmp(&other.len()))
            .then_with(|| self.keys().cmp(other.keys()))
            .then_with(|| self.pairs().iter().map(|p| &p.1).cmp(other.pairs().iter().map(|p| &p.1)))
    }
}

impl PartialOrd for Datum {
    fn partial_cmp(&self, other: &Datum) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write_json(&mut text);
        f.write_str(&text)
    }
}
