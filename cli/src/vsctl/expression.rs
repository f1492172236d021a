//! What: `COLUMN[:KEY]OPERATOR VALUE`, as `set`, `find` and `wait-until` take it.

use super::context::Symbols;
use super::lookup;
use crate::failure::{Failure, fail};
use std::cmp::Ordering;
use weft_ovsdb::text::{take_word, unquote};
use weft_ovsdb::types::UNLIMITED;
use weft_ovsdb::{Atom, ColumnSchema, ColumnType, Datum, TableSchema};

/// How to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `<=`
    LessEqual,
    /// `>=`
    GreaterEqual,
    /// `{=}`
    SetEqual,
    /// `{!=}`
    SetNotEqual,
    /// `{<}`
    SetLess,
    /// `{>}`
    SetGreater,
    /// `{<=}`, `{in}`
    SetLessEqual,
    /// `{>=}`
    SetGreaterEqual,
    /// `{not-in}`
    SetNotIn,
}

/// The parts of a word.
#[derive(Debug)]
pub struct Parts<'t> {
    /// Which column.
    pub column: &'t ColumnSchema,
    /// Its index.
    pub index: usize,
    /// The text between `:` and the operator.
    pub key: Option<String>,
    /// The operator with its value.
    pub value: Option<(Operator, String)>,
}

/// Cuts a word; an operator of `operators` and a value must follow the column, or nothing if there are none.
pub fn parse<'t>(word: &str, table: &'t TableSchema, operators: &[(&str, Operator)]) -> Result<Parts<'t>, Failure> {
    let (name, mut rest) = take_word(word)?;
    if name.is_empty() {
        return fail(format!("{word}: missing column name"));
    }
    let name = unquote(name)?;
    // What only reads may read a row's identity too.
    let index = match operators.is_empty() {
        true => lookup::column_or_uuid(table, &name)?,
        false => lookup::column(table, &name)?,
    };
    let mut key = None;
    if let Some(after) = rest.strip_prefix(':') {
        let (text, after) = take_word(after)?;
        (key, rest) = (Some(text.to_string()), after);
    }
    let column = &table.columns[index];
    if operators.is_empty() {
        return match rest.is_empty() {
            true => Ok(Parts { column, index, key, value: None }),
            false => fail(format!("{word}: trailing garbage \"{rest}\" in argument")),
        };
    }
    let longest = operators.iter().filter(|(text, _)| rest.starts_with(text)).max_by_key(|(text, _)| text.len());
    match longest {
        Some((text, operator)) if rest.len() > text.len() => {
            let value = rest[text.len()..].to_string();
            Ok(Parts { column, index, key, value: Some((*operator, value)) })
        }
        _ => fail(format!("{word}: argument does not end in {} followed by a value.", english(operators))),
    }
}

/// Does a row with this value fulfil the condition?
pub fn holds(value: &Datum, parts: &Parts<'_>, symbols: &mut Symbols) -> Result<bool, Failure> {
    let Some((operator, text)) = &parts.value else { return Ok(true) };
    let kind = &parts.column.kind;
    let Some(key) = &parts.key else {
        let mut wanted_kind = kind.clone();
        if operator.is_set() {
            wanted_kind.max = UNLIMITED;
        }
        let wanted = Datum::from_text(text, &wanted_kind, Some(symbols))?;
        return Ok(operator.compare(value, &wanted));
    };
    let Some(value_type) = &kind.value else {
        return fail(format!("cannot specify key to check for non-map column {}", parts.column.name));
    };
    let key = Atom::from_text(key, &kind.key, Some(symbols))?;
    let wanted_kind = ColumnType { key: value_type.clone(), value: None, min: 0, max: UNLIMITED };
    let wanted = Datum::from_text(text, &wanted_kind, Some(symbols))?;
    match value.get(&key) {
        Some(atom) => Ok(operator.compare(&Datum::from(atom.clone()), &wanted)),
        None if operator.is_set() => Ok(operator.compare(&Datum::empty_set(), &wanted)),
        None => Ok(false),
    }
}

impl Operator {
    fn is_set(self) -> bool {
        !matches!(
            self,
            Operator::Equal
                | Operator::NotEqual
                | Operator::Less
                | Operator::Greater
                | Operator::LessEqual
                | Operator::GreaterEqual
        )
    }

    fn compare(self, value: &Datum, wanted: &Datum) -> bool {
        let order = value.cmp(wanted);
        match self {
            Operator::Equal | Operator::SetEqual => order == Ordering::Equal,
            Operator::NotEqual | Operator::SetNotEqual => order != Ordering::Equal,
            Operator::Less => order == Ordering::Less,
            Operator::Greater => order == Ordering::Greater,
            Operator::LessEqual => order != Ordering::Greater,
            Operator::GreaterEqual => order != Ordering::Less,
            Operator::SetLess => value.len() < wanted.len() && wanted.includes(value),
            Operator::SetGreater => value.len() > wanted.len() && value.includes(wanted),
            Operator::SetLessEqual => wanted.includes(value),
            Operator::SetGreaterEqual => value.includes(wanted),
            Operator::SetNotIn => value.excludes(wanted),
        }
    }
}

fn english(operators: &[(&str, Operator)]) -> String {
    let quoted: Vec<String> = operators.iter().map(|(text, _)| format!("\"{text}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{}, or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// For `set` and `create`.
pub const ASSIGNMENT: &[(&str, Operator)] = &[("=", Operator::Equal)];

/// For `find` and `wait-until`.
pub const COMPARISONS: &[(&str, Operator)] = &[
    ("=", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("<=", Operator::LessEqual),
    (">=", Operator::GreaterEqual),
    ("{=}", Operator::SetEqual),
    ("{!=}", Operator::SetNotEqual),
    ("{<}", Operator::SetLess),
    ("{>}", Operator::SetGreater),
    ("{<=}", Operator::SetLessEqual),
    ("{>=}", Operator::SetGreaterEqual),
    ("{in}", Operator::SetLessEqual),
    ("{not-in}", Operator::SetNotIn),
];
