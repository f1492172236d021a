//! Types of columns: `<base-type>` and `<type>` of RFC 7047 section 3.2, with their constraints.
//!
//! A [`BaseType`] says which atoms are allowed, a [`ColumnType`] how many of them and whether they map to others.
//! Printing gives the shortest equivalent form, as the OVS tools print schemas.

use crate::atom::{Atom, AtomType, format_real};
use crate::datum::Datum;
use crate::error::{Error, Result};
use crate::json::{Members, as_id, as_integer};
use serde_json::{Map, Value};

/// "unlimited" as a maximum number of elements.
pub const UNLIMITED: u32 = u32::MAX;

/// Which atoms are allowed.
#[derive(Clone, Debug, PartialEq)]
pub struct BaseType {
    /// The type of the atoms.
    pub kind: AtomType,
    /// What restricts them further.
    pub constraint: Constraint,
}

/// What restricts the atoms of a [`BaseType`].
#[derive(Clone, Debug, PartialEq)]
pub enum Constraint {
    /// Nothing.
    None,
    /// One of these, a set of one or more.
    Enum(Datum),
    /// Integers in a range, both ends included.
    Integer(i64, i64),
    /// Reals in a range, both ends included.
    Real(Option<f64>, Option<f64>),
    /// Strings of so many characters.
    Length(u32, u32),
    /// UUIDs of rows of a table.
    Ref {
        /// The table's name.
        table: String,
        /// Strong references must resolve; weak ones vanish with their row.
        strong: bool,
    },
}

/// What a column holds: so many atoms, or so many pairs of atoms.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnType {
    /// The elements of a set or the keys of a map.
    pub key: BaseType,
    /// The values of a map.
    pub value: Option<BaseType>,
    /// At least so many: 0 or 1.
    pub min: u32,
    /// At most so many; [`UNLIMITED`] for any number.
    pub max: u32,
}

impl From<AtomType> for BaseType {
    fn from(kind: AtomType) -> BaseType {
        BaseType { kind, constraint: Constraint::None }
    }
}

impl BaseType {
    /// The table that atoms refer to, if they are references.
    pub fn ref_table(&self) -> Option<&str> {
        if let Constraint::Ref { table, .. } = &self.constraint { Some(table) } else { None }
    }

    /// Whether atoms are strong references.
    pub fn is_strong(&self) -> bool {
        matches!(self.constraint, Constraint::Ref { strong: true, .. })
    }

    /// Whether atoms are weak references.
    pub fn is_weak(&self) -> bool {
        matches!(self.constraint, Constraint::Ref { strong: false, .. })
    }

    /// Reads a `<base-type>`.
    pub fn from_json(json: &Value) -> Result<BaseType> {
        if json.is_string() {
            return AtomType::from_json(json).map(BaseType::from);
        }
        let mut members = Members::new(json, &"ovsdb type")?;
        let kind = AtomType::from_json(members.required("type")?)?;
        let mut constraint = Constraint::None;
        if let Some(allowed) = members.optional("enum") {
            let set = ColumnType { key: kind.into(), value: None, min: 1, max: UNLIMITED };
            constraint = Constraint::Enum(Datum::from_json(allowed, &set, None)?);
        } else {
            match kind {
                AtomType::Integer => {
                    let min = members.optional_as("minInteger", as_integer)?;
                    let max = members.optional_as("maxInteger", as_integer)?;
                    if min.is_some() || max.is_some() {
                        let (min, max) = (min.unwrap_or(i64::MIN), max.unwrap_or(i64::MAX));
                        ordered(json, min <= max, "minInteger exceeds maxInteger")?;
                        constraint = Constraint::Integer(min, max);
                    }
                }
                AtomType::Real => {
                    let min = members.optional_as("minReal", Value::as_f64)?;
                    let max = members.optional_as("maxReal", Value::as_f64)?;
                    if min.is_some() || max.is_some() {
                        ordered(json, !matches!((min, max), (Some(a), Some(b)) if a > b), "minReal exceeds maxReal")?;
                        constraint = Constraint::Real(min, max);
                    }
                }
                AtomType::String => {
                    let min = length_member(&mut members, "minLength")?;
                    let max = length_member(&mut members, "maxLength")?;
                    if min.is_some() || max.is_some() {
                        let (min, max) = (min.unwrap_or(0), max.unwrap_or(UNLIMITED));
                        ordered(json, min <= max, "minLength exceeds maxLength")?;
                        constraint = Constraint::Length(min, max);
                    }
                }
                AtomType::Uuid => {
                    if let Some(table) = members.optional_as("refTable", as_id)? {
                        let strong = match members.optional_as("refType", as_id)? {
                            None | Some("strong") => true,
                            Some("weak") => false,
                            Some(other) => {
                                let text = format!("refType must be \"strong\" or \"weak\" (not \"{other}\")");
                                return Err(Error::syntax(Some(json), text));
                            }
                        };
                        constraint = Constraint::Ref { table: table.to_owned(), strong };
                    }
                }
                AtomType::Boolean => {}
            }
        }
        members.finish()?;
        Ok(BaseType { kind, constraint })
    }

    /// The `<base-type>` in its shortest form.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("type".into(), self.kind.name().into());
        let mut put = |name: &str, value: Value| drop(object.insert(name.into(), value));
        match &self.constraint {
            Constraint::None => {}
            Constraint::Enum(allowed) => put("enum", allowed.to_json()),
            Constraint::Integer(min, max) => {
                if *min != i64::MIN {
                    put("minInteger", (*min).into());
                }
                if *max != i64::MAX {
                    put("maxInteger", (*max).into());
                }
            }
            Constraint::Real(min, max) => {
                for (name, bound) in [("minReal", min), ("maxReal", max)] {
                    if let Some(bound) = bound {
                        put(name, Atom::Real(*bound).to_json());
                    }
                }
            }
            Constraint::Length(min, max) => {
                if *min != 0 {
                    put("minLength", (*min).into());
                }
                if *max != UNLIMITED {
                    put("maxLength", (*max).into());
                }
            }
            Constraint::Ref { table, strong } => {
                put("refTable", table.clone().into());
                if !strong {
                    put("refType", "weak".into());
                }
            }
        }
        if object.len() == 1 { self.kind.name().into() } else { Value::Object(object) }
    }

    /// Whether `atom`, which must be of this type, meets the constraint.
    pub fn check(&self, atom: &Atom) -> Result<()> {
        let range = |value: &dyn Fn() -> String, min: Option<String>, max: Option<String>| {
            let value = value();
            Error::constraint(match (min, max) {
                (Some(min), Some(max)) => format!("{value} is not in the valid range {min} to {max} (inclusive)"),
                (Some(min), None) => format!("{value} is less than minimum allowed value {min}"),
                (_, max) => format!("{value} is greater than maximum allowed value {}", max.unwrap_or_default()),
            })
        };
        match (&self.constraint, atom) {
            (Constraint::Enum(allowed), _) if !allowed.contains_key(atom) => Err(Error::constraint(format!(
                "{} is not one of the allowed values ([{}])",
                atom.to_text(),
                allowed.keys().map(Atom::to_text).collect::<Vec<_>>().join(", ")
            ))),
            (Constraint::Integer(min, max), Atom::Integer(i)) if !(min..=max).contains(&i) => Err(range(
                &|| i.to_string(),
                (*min != i64::MIN).then(|| min.to_string()),
                (*max != i64::MAX).then(|| max.to_string()),
            )),
            (Constraint::Real(min, max), Atom::Real(r))
                if min.is_some_and(|min| *r < min) || max.is_some_and(|max| *r > max) =>
            {
                Err(range(&|| format_real(*r), min.map(format_real), max.map(format_real)))
            }
            (Constraint::Length(min, max), Atom::String(s)) => {
                let length = s.chars().count();
                if length < *min as usize {
                    Err(Error::constraint(format!("\"{s}\" length {length} is less than minimum allowed length {min}")))
                } else if length > *max as usize {
                    Err(Error::constraint(format!(
                        "\"{s}\" length {length} is greater than maximum allowed length {max}"
                    )))
                } else {
                    Ok(())
                }
            }
            _ => Ok(()),
        }
    }
}

impl ColumnType {
    /// Exactly one atom of a type.
    pub fn scalar(key: impl Into<BaseType>) -> ColumnType {
        ColumnType { key: key.into(), value: None, min: 1, max: 1 }
    }

    /// Whether it holds exactly one atom.
    pub fn is_scalar(&self) -> bool {
        self.min == 1 && self.max == 1 && self.value.is_none()
    }

    /// Whether it holds none or one atom.
    pub fn is_optional_scalar(&self) -> bool {
        self.min == 0 && self.max == 1 && self.value.is_none()
    }

    /// Whether it holds pairs.
    pub fn is_map(&self) -> bool {
        self.value.is_some()
    }

    /// Whether keys or values are strong references.
    pub fn has_strong(&self) -> bool {
        self.key.is_strong() || self.value.as_ref().is_some_and(BaseType::is_strong)
    }

    /// Whether keys or values are weak references.
    pub fn has_weak(&self) -> bool {
        self.key.is_weak() || self.value.as_ref().is_some_and(BaseType::is_weak)
    }

    /// Reads a `<type>`.
    pub fn from_json(json: &Value) -> Result<ColumnType> {
        if json.is_string() {
            return Ok(ColumnType::scalar(AtomType::from_json(json)?));
        }
        let simple_or_object = |v| if matches!(v, &Value::String(_) | &Value::Object(_)) { Some(v) } else { None };
        let mut members = Members::new(json, &"ovsdb type")?;
        let key = BaseType::from_json(members.required_as("key", simple_or_object)?)?;
        let value = match members.optional_as("value", simple_or_object)? {
            Some(value) => Some(BaseType::from_json(value)?),
            None => None,
        };
        let min = match members.optional_as("min", as_integer_value)? {
            None => 1,
            Some(json) => count(json)?,
        };
        let max = match members.optional_as("max", |v| if v.is_number() || v.is_string() { Some(v) } else { None })? {
            None => 1,
            Some(Value::String(s)) if s == "unlimited" => UNLIMITED,
            Some(json) => count(json)?,
        };
        members.finish()?;
        if min > 1 || max < 1 || min > max {
            return Err(Error::syntax(Some(json), "ovsdb type fails constraint checks"));
        }
        Ok(ColumnType { key, value, min, max })
    }

    /// The `<type>` in its shortest form.
    pub fn to_json(&self) -> Value {
        let key = self.key.to_json();
        if self.is_scalar() && key.is_string() {
            return key;
        }
        let mut object = Map::new();
        object.insert("key".into(), key);
        if let Some(value) = &self.value {
            object.insert("value".into(), value.to_json());
        }
        if self.min != 1 {
            object.insert("min".into(), self.min.into());
        }
        if self.max == UNLIMITED {
            object.insert("max".into(), "unlimited".into());
        } else if self.max != 1 {
            object.insert("max".into(), self.max.into());
        }
        Value::Object(object)
    }

    /// Whether `n` elements are allowed; if not, a sentence that says so.
    pub fn check_size(&self, n: usize) -> Result<(), String> {
        if (self.min as usize..=self.max as usize).contains(&n) {
            return Ok(());
        }
        let class = if self.is_map() { "map" } else { "set" };
        Err(match (self.min, self.max) {
            (1, 1) => format!("{class} must have exactly one member but {n} are present"),
            (min, max) => format!("{class} must have {min} to {max} members but {n} are present"),
        })
    }

    /// Whether all atoms of `datum`, which must be of these types, meet the constraints.
    pub fn check_atoms(&self, datum: &Datum) -> Result<()> {
        if self.key.constraint != Constraint::None {
            datum.keys().try_for_each(|key| self.key.check(key))?;
        }
        match &self.value {
            Some(value) if value.constraint != Constraint::None => {
                datum.pairs().iter().try_for_each(|(_, v)| value.check(v))
            }
            _ => Ok(()),
        }
    }
}

fn ordered(json: &Value, fine: bool, text: &str) -> Result<()> {
    if fine { Ok(()) } else { Err(Error::syntax(Some(json), text)) }
}

fn as_integer_value(json: &Value) -> Option<&Value> {
    as_integer(json).map(|_| json)
}

fn count(json: &Value) -> Result<u32> {
    as_integer(json)
        .and_then(|n| u32::try_from(n).ok())
        .ok_or_else(|| Error::syntax(Some(json), "bad min or max value"))
}

fn length_member<'a>(members: &mut Members<'a>, name: &'static str) -> Result<Option<u32>> {
    let Some(json) = members.optional_as(name, as_integer_value)? else { return Ok(None) };
    let length = as_integer(json).and_then(|n| u32::try_from(n).ok());
    let text = || format!("{name} out of valid range 0 to {}", u32::MAX);
    length.map(Some).ok_or_else(|| Error::syntax(Some(json), text()))
}
