//! Conditions: `[COLUMN, FUNCTION, VALUE]` clauses of RFC 7047 section 5.1, and `true`/`false` in their place.
//!
//! `where` of an operation is the conjunction of its clauses, `where` of a monitor their disjunction; a list without
//! clauses holds for every row in both. Ordering functions also take columns of zero or one number and are false
//! while such a column is empty (ovsdb-server(7) section 5.1).

use crate::atom::{AtomType, NamedUuids, Uuid};
use crate::datum::Datum;
use crate::error::{Error, Result};
use crate::schema::{COL_UUID, TableSchema};
use crate::types::ColumnType;
use crate::types::UNLIMITED;
use serde_json::Value;

/// What a clause asks of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named after the operators of RFC 7047")]
pub enum Function {
    Lt,
    Le,
    Eq,
    Ne,
    Ge,
    Gt,
    Includes,
    Excludes,
}

/// One clause.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Clause {
    /// Holds always or never.
    Constant(bool),
    /// Holds if `function` is true of the column and the argument.
    Compare {
        /// Index of the column.
        column: usize,
        /// What to ask.
        function: Function,
        /// With what to compare.
        arg: Datum,
    },
}

/// A list of clauses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Condition {
    /// In the order given.
    pub clauses: Vec<Clause>,
}

impl Function {
    const ALL: [Function; 8] = [
        Function::Lt,
        Function::Le,
        Function::Eq,
        Function::Ne,
        Function::Ge,
        Function::Gt,
        Function::Includes,
        Function::Excludes,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Function::Lt => "<",
            Function::Le => "<=",
            Function::Eq => "==",
            Function::Ne => "!=",
            Function::Ge => ">=",
            Function::Gt => ">",
            Function::Includes => "includes",
            Function::Excludes => "excludes",
        }
    }

    /// The function of that name.
    pub fn from_name(name: &str) -> Result<Function> {
        let function = Function::ALL.into_iter().find(|f| f.name() == name);
        function.ok_or_else(|| Error::new("unknown function", format!("No function named {name}.")))
    }

    /// Whether it holds of a column's value and an argument.
    pub fn holds(self, value: &Datum, arg: &Datum) -> bool {
        let order = || Some(value.one()?.cmp(arg.one()?));
        match self {
            Function::Eq => value == arg,
            Function::Ne => value != arg,
            Function::Includes => value.includes(arg),
            Function::Excludes => value.excludes(arg),
            Function::Lt => order().is_some_and(|o| o.is_lt()),
            Function::Le => order().is_some_and(|o| o.is_le()),
            Function::Ge => order().is_some_and(|o| o.is_ge()),
            Function::Gt => order().is_some_and(|o| o.is_gt()),
        }
    }
}

impl Clause {
    /// Reads a clause about a row of `table`.
    pub fn from_json(json: &Value, table: &TableSchema, names: Option<&mut dyn NamedUuids>) -> Result<Clause> {
        if let Value::Bool(constant) = json {
            return Ok(Clause::Constant(*constant));
        }
        let Some([Value::String(column_name), Value::String(function), arg]) = json.as_array().map(Vec::as_slice)
        else {
            return Err(Error::syntax(Some(json), "Parse error in condition."));
        };
        let column = find_column(table, column_name, json)?;
        let function = Function::from_name(function)?;
        let mut kind = &table.columns[column].kind;
        let adjusted;
        match function {
            Function::Lt | Function::Le | Function::Gt | Function::Ge => {
                let ordered = matches!(kind.key.kind, AtomType::Integer | AtomType::Real);
                if !ordered || kind.value.is_some() || kind.max != 1 {
                    return Err(type_mismatch(table, column, function.name(), json));
                }
                adjusted = ColumnType { min: 1, ..kind.clone() };
                kind = &adjusted;
            }
            Function::Includes if !kind.is_scalar() && kind.min != 0 => {
                adjusted = ColumnType { min: 0, ..kind.clone() };
                kind = &adjusted;
            }
            Function::Excludes if !kind.is_scalar() => {
                adjusted = ColumnType { min: 0, max: UNLIMITED, ..kind.clone() };
                kind = &adjusted;
            }
            _ => {}
        }
        Ok(Clause::Compare { column, function, arg: Datum::from_json(arg, kind, names)? })
    }

    /// Whether the clause holds of a row.
    pub fn holds(&self, row: &[Datum]) -> bool {
        match self {
            Clause::Constant(constant) => *constant,
            Clause::Compare { column, function, arg } => function.holds(&row[*column], arg),
        }
    }

    /// The clause in RFC 7047 notation.
    pub fn to_json(&self, table: &TableSchema) -> Value {
        match self {
            Clause::Constant(constant) => Value::Bool(*constant),
            Clause::Compare { column, function, arg } => {
                Value::Array(vec![table.columns[*column].name.clone().into(), function.name().into(), arg.to_json()])
            }
        }
    }
}

impl Condition {
    /// Reads a list of clauses.
    pub fn from_json(json: &Value, table: &TableSchema, mut names: Option<&mut dyn NamedUuids>) -> Result<Condition> {
        let Value::Array(items) = json else {
            return Err(Error::syntax(Some(json), "array expected"));
        };
        let mut clauses = Vec::with_capacity(items.len());
        for item in items {
            clauses.push(Clause::from_json(item, table, names.as_mut().map(|n| &mut **n as &mut dyn NamedUuids))?);
        }
        Ok(Condition { clauses })
    }

    /// The list in RFC 7047 notation.
    pub fn to_json(&self, table: &TableSchema) -> Value {
        Value::Array(self.clauses.iter().map(|c| c.to_json(table)).collect())
    }

    /// Whether all clauses hold of a row.
    pub fn all_hold(&self, row: &[Datum]) -> bool {
        self.clauses.iter().all(|c| c.holds(row))
    }

    /// Whether some clause holds of a row, or there are none.
    pub fn any_holds(&self, row: &[Datum]) -> bool {
        self.clauses.is_empty() || self.clauses.iter().any(|c| c.holds(row))
    }

    /// As a disjunction, whether it holds of every row without looking.
    pub fn is_any_true(&self) -> bool {
        self.clauses.is_empty() || self.clauses.contains(&Clause::Constant(true))
    }

    /// The UUID of the only row of which all clauses can hold, if the clauses say so.
    pub fn single_row(&self) -> Option<Uuid> {
        self.equal_to(COL_UUID)?.as_uuid()
    }

    /// The value that a column must have for all clauses to hold, if the clauses say so.
    pub fn equal_to(&self, wanted: usize) -> Option<&Datum> {
        self.clauses.iter().find_map(|clause| match clause {
            Clause::Compare { column, function: Function::Eq, arg } if *column == wanted => Some(arg),
            _ => None,
        })
    }
}

/// The column's index, or "unknown column".
pub(crate) fn find_column(table: &TableSchema, name: &str, json: &Value) -> Result<usize> {
    table.column_index(name).ok_or_else(|| {
        Error::new("unknown column", format!("No column {name} in table {}.", table.name)).with_syntax(Some(json))
    })
}

pub(crate) fn type_mismatch(table: &TableSchema, column: usize, operator: &str, json: &Value) -> Error {
    let column = &table.columns[column];
    let text = format!(
        "Type mismatch: \"{operator}\" operator may not be applied to column {} of type {}.",
        column.name,
        column.kind.to_english()
    );
    Error::syntax(Some(json), text)
}
