//! Reading JSON objects whose members are all accounted for.
//!
//! [`Members`] takes the members of one object by name and type; [`Members::finish`] refuses what nobody asked for.
//! The messages are those that users of OVS know: "Parsing WHAT failed: Required 'NAME' member is missing."

use crate::error::{Error, Result};
use serde_json::{Map, Value};
use smallvec::SmallVec;
use std::fmt;

/// Takes the members of a JSON object one by one.
pub struct Members<'a> {
    what: &'a dyn fmt::Display,
    json: &'a Value,
    object: &'a Map<String, Value>,
    taken: SmallVec<[&'a str; 8]>,
}

impl<'a> Members<'a> {
    /// Begins to read `json`, which must be an object; `what` names it in messages.
    pub fn new(json: &'a Value, what: &'a dyn fmt::Display) -> Result<Members<'a>> {
        match json {
            Value::Object(object) => Ok(Members { what, json, object, taken: SmallVec::new() }),
            _ => Err(Error::syntax(None, format!("Parsing {what} failed: Object expected."))),
        }
    }

    /// A member of any type, if it is there.
    pub fn optional(&mut self, name: &'a str) -> Option<&'a Value> {
        self.taken.push(name);
        self.object.get(name)
    }

    /// A member of any type that must be there.
    pub fn required(&mut self, name: &'a str) -> Result<&'a Value> {
        self.optional(name).ok_or_else(|| self.error(format_args!("Required '{name}' member is missing.")))
    }

    /// A member that `check` accepts, if it is there.
    pub fn optional_as<T>(&mut self, name: &'a str, check: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>> {
        match self.optional(name) {
            None => Ok(None),
            Some(value) => check(value).map(Some).ok_or_else(|| self.mismatch(name)),
        }
    }

    /// A member that must be there and that `check` accepts.
    pub fn required_as<T>(&mut self, name: &'a str, check: impl Fn(&'a Value) -> Option<T>) -> Result<T> {
        let value = self.required(name)?;
        check(value).ok_or_else(|| self.mismatch(name))
    }

    /// Refuses members that were not asked for.
    pub fn finish(self) -> Result<()> {
        if (self.object.len() > self.taken.len() || self.object.keys().any(|k| !self.taken.contains(&k.as_str())))
            && let Some(name) = self.object.keys().find(|k| !self.taken.contains(&k.as_str()))
        {
            return Err(self.error(format_args!("Member '{name}' is present but not allowed here.")));
        }
        Ok(())
    }

    /// The object itself.
    pub fn json(&self) -> &'a Value {
        self.json
    }

    fn mismatch(&self, name: &str) -> Error {
        self.error(format_args!("Type mismatch for member '{name}'."))
    }

    /// A syntax error of this object.
    pub fn error(&self, details: fmt::Arguments<'_>) -> Error {
        Error::syntax(Some(self.json), format!("Parsing {} failed: {details}", self.what))
    }
}

/// A JSON number that is an integer, also when it is written as `1.0`, as OVS reads it.
pub fn as_integer(json: &Value) -> Option<i64> {
    let Value::Number(number) = json else { return None };
    number.as_i64().or_else(|| match number.as_f64() {
        Some(x) if x.fract() == 0.0 && (-9.2e18..9.2e18).contains(&x) => Some(x as i64),
        _ => None,
    })
}

/// A JSON string that is an `<id>`: a letter or underscore, then letters, digits and underscores.
pub fn as_id(json: &Value) -> Option<&str> {
    json.as_str().filter(|s| is_id(s))
}

/// Whether `s` is an `<id>` of RFC 7047.
pub fn is_id(s: &str) -> bool {
    let mut bytes = s.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
