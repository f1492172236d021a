//! Mutations: `[COLUMN, MUTATOR, VALUE]` of RFC 7047 section 5.1.
//!
//! Arithmetic works on every number of a column; `insert` and `delete` on sets and maps. The result must again be a
//! legal value of the column: in range, without duplicates, not too many elements.

use crate::atom::{Atom, AtomType, NamedUuids};
use crate::condition::{find_column, type_mismatch};
use crate::datum::Datum;
use crate::error::{Error, Result};
use crate::schema::TableSchema;
use crate::types::{BaseType, ColumnType, UNLIMITED};
use serde_json::Value;

/// What a mutation does to a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after the operators of RFC 7047")]
pub enum Mutator {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Insert,
    Delete,
}

/// One mutation.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutation {
    /// Index of the column.
    pub column: usize,
    /// What to do.
    pub mutator: Mutator,
    /// With what.
    pub arg: Datum,
}

impl Mutator {
    const ALL: [Mutator; 7] =
        [Mutator::Add, Mutator::Sub, Mutator::Mul, Mutator::Div, Mutator::Mod, Mutator::Insert, Mutator::Delete];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Mutator::Add => "+=",
            Mutator::Sub => "-=",
            Mutator::Mul => "*=",
            Mutator::Div => "/=",
            Mutator::Mod => "%=",
            Mutator::Insert => "insert",
            Mutator::Delete => "delete",
        }
    }

    /// The mutator of that name.
    pub fn from_name(name: &str) -> Result<Mutator> {
        let mutator = Mutator::ALL.into_iter().find(|m| m.name() == name);
        mutator.ok_or_else(|| Error::new("unknown mutator", format!("No mutator named {name}.")))
    }
}

impl Mutation {
    /// Reads a mutation of a row of `table`.
    pub fn from_json(json: &Value, table: &TableSchema, mut names: Option<&mut dyn NamedUuids>) -> Result<Mutation> {
        let Some([Value::String(column_name), Value::String(mutator), arg]) = json.as_array().map(Vec::as_slice) else {
            return Err(Error::syntax(Some(json), "Parse error in mutation."));
        };
        let column = find_column(table, column_name, json)?;
        let schema = &table.columns[column];
        if !schema.mutable {
            let text = format!("Cannot mutate immutable column {} in table {}.", schema.name, table.name);
            return Err(Error::constraint(text).with_syntax(Some(json)));
        }
        let mutator = Mutator::from_name(mutator)?;
        let kind = &schema.kind;
        let mut read =
            |kind: &ColumnType| Datum::from_json(arg, kind, names.as_mut().map(|n| &mut **n as &mut dyn NamedUuids));
        let arg = match mutator {
            Mutator::Insert | Mutator::Delete if kind.is_scalar() => {
                return Err(type_mismatch(table, column, mutator.name(), json));
            }
            Mutator::Insert => read(&ColumnType { min: 0, ..kind.clone() })?,
            Mutator::Delete => {
                let any = ColumnType { min: 0, max: UNLIMITED, ..kind.clone() };
                match read(&any) {
                    Err(_) if kind.is_map() => read(&ColumnType { value: None, ..any })?,
                    other => other?,
                }
            }
            _ => {
                let fits = match kind.key.kind {
                    AtomType::Integer => true,
                    AtomType::Real => mutator != Mutator::Mod,
                    _ => false,
                };
                if !fits || kind.is_map() {
                    return Err(type_mismatch(table, column, mutator.name(), json));
                }
                read(&ColumnType::scalar(BaseType::from(kind.key.kind)))?
            }
        };
        Ok(Mutation { column, mutator, arg })
    }

    /// The mutation in RFC 7047 notation.
    pub fn to_json(&self, table: &TableSchema) -> Value {
        Value::Array(vec![
            table.columns[self.column].name.clone().into(),
            self.mutator.name().into(),
            self.arg.to_json(),
        ])
    }

    /// What the column holds after the mutation of `value`.
    pub fn apply(&self, value: &Datum, kind: &ColumnType) -> Result<Datum> {
        let result = match self.mutator {
            Mutator::Insert => value.union(&self.arg),
            Mutator::Delete => value.subtract(&self.arg),
            _ => self.arithmetic(value, kind)?,
        };
        let n = result.len();
        if kind.check_size(n).is_err() {
            return Err(Error::constraint(format!("Attempted to store {n} elements in {}.", kind.to_english())));
        }
        Ok(result)
    }

    fn arithmetic(&self, value: &Datum, kind: &ColumnType) -> Result<Datum> {
        let arg = self.arg.one().expect("the argument of arithmetic was read as a scalar");
        let compute = |atom| {
            let result = self.compute(atom, arg)?;
            kind.key.check(&result).map(|()| result)
        };
        let results = value.atoms().iter().map(compute).collect::<Result<Vec<_>>>()?;
        let duplicates =
            |_| Error::constraint(format!("Result of \"{}\" operation contains duplicates.", self.mutator.name()));
        Datum::set(results).map_err(duplicates)
    }

    fn compute(&self, x: &Atom, y: &Atom) -> Result<Atom> {
        let divides = matches!(self.mutator, Mutator::Div | Mutator::Mod);
        if divides && y.is_default() {
            return Err(Error::new("domain error", "Division by zero."));
        }
        let result = match (x, y) {
            (&Atom::Integer(x), &Atom::Integer(y)) => match self.mutator {
                Mutator::Add => x.checked_add(y),
                Mutator::Sub => x.checked_sub(y),
                Mutator::Mul => x.checked_mul(y),
                Mutator::Div => x.checked_div(y),
                _ => x.checked_rem(y).or(Some(0)),
            }
            .map(Atom::Integer),
            (&Atom::Real(x), &Atom::Real(y)) => Some(match self.mutator {
                Mutator::Add => x + y,
                Mutator::Sub => x - y,
                Mutator::Mul => x * y,
                _ => x / y,
            })
            .filter(|r| r.is_finite())
            .map(Atom::Real),
            _ => None,
        };
        result.ok_or_else(|| {
            Error::new("range error", format!("Result of \"{}\" operation is out of range.", self.mutator.name()))
        })
    }
}
