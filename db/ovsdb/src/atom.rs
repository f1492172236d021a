//! Atoms: the indivisible values of RFC 7047 section 5.1 (integer, real, boolean, string, UUID).
//!
//! An atom is 24 bytes. A string of at most 23 bytes lies in it; longer ones are shared, so that a row kept in a table,
//! in a running transaction and in a monitor's backlog holds each string once. Order and equality are those of the database: integers and reals by
//! value, false before true, strings and UUIDs by bytes. `-0.0` equals `0.0`; NaN cannot enter (JSON has none).

use crate::error::{Error, Result};
use crate::json::{as_integer, is_id};
use serde_json::{Number, Value};
use smol_str::SmolStr;
use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};
pub use uuid::Uuid;

/// The type of an atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AtomType {
    /// 64-bit signed.
    Integer,
    /// 64-bit floating point, finite.
    Real,
    /// true or false.
    Boolean,
    /// Unicode without NUL.
    String,
    /// A row's identity, or any other UUID.
    Uuid,
}

/// A value of one of the [`AtomType`]s.
#[derive(Clone)]
pub enum Atom {
    /// 64-bit signed.
    Integer(i64),
    /// 64-bit floating point, finite.
    Real(f64),
    /// true or false.
    Boolean(bool),
    /// Unicode without NUL.
    String(SmolStr),
    /// A row's identity, or any other UUID.
    Uuid(Uuid),
}

/// Gives the UUIDs that a transaction's `["named-uuid", NAME]` (or a command line's `@NAME`) stands for.
pub trait NamedUuids {
    /// The UUID for `name`; the same one each time.
    fn resolve(&mut self, name: &str) -> Uuid;

    /// The same where the reference does not keep the row alive.
    fn resolve_weakly(&mut self, name: &str) -> Uuid {
        self.resolve(name)
    }
}

impl AtomType {
    /// The type's name in schemas.
    pub fn name(self) -> &'static str {
        match self {
            AtomType::Integer => "integer",
            AtomType::Real => "real",
            AtomType::Boolean => "boolean",
            AtomType::String => "string",
            AtomType::Uuid => "uuid",
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<AtomType> {
        [AtomType::Integer, AtomType::Real, AtomType::Boolean, AtomType::String, AtomType::Uuid]
            .into_iter()
            .find(|t| t.name() == name)
    }

    /// Reads an `<atomic-type>`.
    pub fn from_json(json: &Value) -> Result<AtomType> {
        match json.as_str() {
            Some(name) => AtomType::from_name(name)
                .ok_or_else(|| Error::syntax(Some(json), format!("\"{name}\" is not an atomic-type"))),
            None => Err(Error::syntax(Some(json), "atomic-type expected")),
        }
    }

    /// What a column of this type holds before anybody sets it (RFC 7047 section 5.2.1).
    pub fn default_atom(self) -> Atom {
        match self {
            AtomType::Integer => Atom::Integer(0),
            AtomType::Real => Atom::Real(0.0),
            AtomType::Boolean => Atom::Boolean(false),
            AtomType::String => Atom::String(SmolStr::default()),
            AtomType::Uuid => Atom::Uuid(Uuid::nil()),
        }
    }
}

impl Atom {
    /// The atom's type.
    pub fn atom_type(&self) -> AtomType {
        match self {
            Atom::Integer(_) => AtomType::Integer,
            Atom::Real(_) => AtomType::Real,
            Atom::Boolean(_) => AtomType::Boolean,
            Atom::String(_) => AtomType::String,
            Atom::Uuid(_) => AtomType::Uuid,
        }
    }

    /// Whether it is the default of its type.
    pub fn is_default(&self) -> bool {
        match self {
            Atom::Integer(i) => *i == 0,
            Atom::Real(r) => *r == 0.0,
            Atom::Boolean(b) => !b,
            Atom::String(s) => s.is_empty(),
            Atom::Uuid(u) => u.is_nil(),
        }
    }

    /// Reads an `<atom>` of type `kind`. `names` resolves named UUIDs; without it they are refused.
    pub fn from_json(json: &Value, kind: AtomType, names: Option<&mut dyn NamedUuids>) -> Result<Atom> {
        let atom = match kind {
            AtomType::Integer => as_integer(json).map(Atom::Integer),
            AtomType::Real => json.as_f64().map(Atom::Real),
            AtomType::Boolean => json.as_bool().map(Atom::Boolean),
            AtomType::String => json.as_str().map(Atom::from),
            AtomType::Uuid => return uuid_from_json(json, names).map(Atom::Uuid),
        };
        atom.ok_or_else(|| Error::syntax(Some(json), format!("expected {}", kind.name())))
    }

    /// The atom in RFC 7047 notation.
    pub fn to_json(&self) -> Value {
        match self {
            Atom::Integer(i) => Value::from(*i),
            Atom::Real(r) => real_to_json(*r),
            Atom::Boolean(b) => Value::Bool(*b),
            Atom::String(s) => Value::String(s.to_string()),
            Atom::Uuid(u) => Value::Array(vec!["uuid".into(), u.to_string().into()]),
        }
    }

    /// Appends the atom in RFC 7047 notation as text, without building a tree first.
    pub fn write_json(&self, out: &mut String) {
        match self {
            Atom::Integer(i) => {
                let _ = write!(out, "{i}");
            }
            Atom::Real(r) => out.push_str(&real_to_json(*r).to_string()),
            Atom::Boolean(b) => out.push_str(if *b { "true" } else { "false" }),
            Atom::String(s) => write_json_string(s, out),
            Atom::Uuid(u) => {
                out.push_str("[\"uuid\",\"");
                out.push_str(u.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
                out.push_str("\"]");
            }
        }
    }

    /// The integer, if it is one.
    pub fn as_integer(&self) -> Option<i64> {
        if let Atom::Integer(i) = self { Some(*i) } else { None }
    }

    /// The real, if it is one.
    pub fn as_real(&self) -> Option<f64> {
        if let Atom::Real(r) = self { Some(*r) } else { None }
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Atom::Boolean(b) = self { Some(*b) } else { None }
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Atom::String(s) = self { Some(s) } else { None }
    }

    /// The UUID, if it is one.
    pub fn as_uuid(&self) -> Option<Uuid> {
        if let Atom::Uuid(u) = self { Some(*u) } else { None }
    }
}

/// Appends `s` as a JSON string.
pub fn write_json_string(s: &str, out: &mut String) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in s.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&s[from..at]);
        if escape.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
        from = at + 1;
    }
    out.push_str(&s[from..]);
    out.push('"');
}

/// A real as the OVS tools print it: like C's `%.15g`, so that 0.1 + 0.2 is 0.3 to people. JSON carries all digits.
pub fn format_real(r: f64) -> String {
    let digits = 15;
    let text = format!("{:.*e}", digits as usize - 1, r);
    let (mantissa, exponent) = text.split_once('e').expect("{:e} always prints an exponent");
    let exponent: i32 = exponent.parse().expect("{:e} prints a decimal exponent");
    let strip = |s: &str| match s.contains('.') {
        true => s.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => s.to_owned(),
    };
    if (-4..digits).contains(&exponent) {
        strip(&format!("{:.*}", (digits - 1 - exponent) as usize, r))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", strip(mantissa), exponent.abs())
    }
}

/// Integral reals go out as integers, as OVS writes them; readers accept both.
fn real_to_json(r: f64) -> Value {
    if r.fract() == 0.0 && r.abs() < 9.0e15 {
        Value::from(r as i64)
    } else {
        Number::from_f64(r).map_or(Value::from(0), Value::Number)
    }
}

fn uuid_from_json(json: &Value, names: Option<&mut dyn NamedUuids>) -> Result<Uuid> {
    if let Some([Value::String(kind), Value::String(text)]) = json.as_array().map(Vec::as_slice) {
        match (kind.as_str(), names) {
            ("uuid", _) => {
                return parse_uuid(text)
                    .ok_or_else(|| Error::syntax(Some(json), format!("\"{text}\" is not a valid UUID")));
            }
            ("named-uuid", Some(names)) => {
                return if is_id(text) {
                    Ok(names.resolve(text))
                } else {
                    Err(Error::syntax(Some(json), "named-uuid string is not a valid <id>"))
                };
            }
            _ => {}
        }
    }
    Err(Error::syntax(Some(json), "expected [\"uuid\", <string>]"))
}

/// A UUID in the one form OVSDB takes: 36 characters with hyphens.
pub fn parse_uuid(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}

impl From<&str> for Atom {
    fn from(s: &str) -> Atom {
        Atom::String(s.into())
    }
}

impl From<String> for Atom {
    fn from(s: String) -> Atom {
        Atom::String(s.into())
    }
}

impl From<i64> for Atom {
    fn from(i: i64) -> Atom {
        Atom::Integer(i)
    }
}

impl From<f64> for Atom {
    fn from(r: f64) -> Atom {
        Atom::Real(r)
    }
}

impl From<bool> for Atom {
    fn from(b: bool) -> Atom {
        Atom::Boolean(b)
    }
}

impl From<Uuid> for Atom {
    fn from(u: Uuid) -> Atom {
        Atom::Uuid(u)
    }
}

impl Ord for Atom {
    fn cmp(&self, other: &Atom) -> Ordering {
        match (self, other) {
            (Atom::Integer(a), Atom::Integer(b)) => a.cmp(b),
            (Atom::Real(a), Atom::Real(b)) => a.partial_cmp(b).unwrap_or_else(|| a.total_cmp(b)),
            (Atom::Boolean(a), Atom::Boolean(b)) => a.cmp(b),
            (Atom::String(a), Atom::String(b)) => a.cmp(b),
            (Atom::Uuid(a), Atom::Uuid(b)) => a.cmp(b),
            _ => self.atom_type().cmp(&other.atom_type()),
        }
    }
}

impl PartialOrd for Atom {
    fn partial_cmp(&self, other: &Atom) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Atom {
    fn eq(&self, other: &Atom) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Atom {}

impl Hash for Atom {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Atom::Integer(i) => i.hash(state),
            Atom::Real(r) => (if *r == 0.0 { 0.0 } else { *r }).to_bits().hash(state),
            Atom::Boolean(b) => b.hash(state),
            Atom::String(s) => s.hash(state),
            Atom::Uuid(u) => u.hash(state),
        }
    }
}

impl fmt::Debug for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write_json(&mut text);
        f.write_str(&text)
    }
}
