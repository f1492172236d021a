//! The error object of RFC 7047: a tag that programs compare, details for people, and the JSON that was at fault.
//!
//! Every refusal in the database rooms is one of these, so that whatever a client is told over the wire and what a
//! tool prints on a terminal come from the same value. `tag` is the `error` member ("constraint violation"),
//! `details` the sentence, `syntax` the offending JSON, already printed compactly with sorted members.

use crate::atom::{format_real, write_json_string};
use crate::json::as_integer;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// An OVSDB error, as in RFC 7047 section 3.1 `<error>` with the members that Open vSwitch adds.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    tag: Cow<'static, str>,
    details: Option<String>,
    syntax: Option<String>,
    io_error: Option<String>,
}

/// The result of most functions of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with a tag and details.
    pub fn new(tag: impl Into<Cow<'static, str>>, details: impl Into<String>) -> Error {
        Error(Box::new(Inner { tag: tag.into(), details: Some(details.into()), syntax: None, io_error: None }))
    }

    /// An error that says all with its tag, such as "timed out".
    pub fn bare(tag: impl Into<Cow<'static, str>>) -> Error {
        Error(Box::new(Inner { tag: tag.into(), details: None, syntax: None, io_error: None }))
    }

    /// "syntax error": the request does not read as RFC 7047 asks. `json` is the part at fault.
    pub fn syntax(json: Option<&Value>, details: impl Into<String>) -> Error {
        Error::new("syntax error", details).with_syntax(json)
    }

    /// "constraint violation": the value or the change is well-formed but not allowed.
    pub fn constraint(details: impl Into<String>) -> Error {
        Error::new("constraint violation", details)
    }

    /// "I/O error": the operating system refused; `what` we were doing and its word for it.
    pub fn io(what: impl Into<String>, error: &std::io::Error) -> Error {
        let mut e = Error::new("I/O error", what);
        e.0.io_error = Some(os_words(error));
        e
    }

    /// Adds the JSON at fault.
    pub fn with_syntax(mut self, json: Option<&Value>) -> Error {
        self.0.syntax = json.map(compact_sorted);
        self
    }

    /// The tag, which is the `error` member on the wire.
    pub fn tag(&self) -> &str {
        &self.0.tag
    }

    /// The sentence for people.
    pub fn details(&self) -> Option<&str> {
        self.0.details.as_deref()
    }

    /// The same error with its details put behind `context: `, as the tools do when they name a file.
    pub fn context(mut self, context: impl fmt::Display) -> Error {
        self.0.details = Some(match self.0.details.take() {
            Some(details) => format!("{context}: {details}"),
            None => context.to_string(),
        });
        self
    }

    /// The error object for the wire.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        for (name, text) in [("syntax", &self.0.syntax), ("io-error", &self.0.io_error), ("details", &self.0.details)] {
            if let Some(text) = text {
                object.insert(name.into(), Value::String(text.clone()));
            }
        }
        object.insert("error".into(), Value::String(self.0.tag.clone().into_owned()));
        Value::Object(object)
    }
}

impl fmt::Display for Error {
    /// As the OVS tools print it: `syntax "JSON": TAG: DETAILS (OS ERROR)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(syntax) = &self.0.syntax {
            write!(f, "syntax \"{syntax}\": ")?;
        }
        f.write_str(&self.0.tag)?;
        if let Some(details) = &self.0.details {
            write!(f, ": {details}")?;
        }
        match &self.0.io_error {
            Some(io_error) => write!(f, " ({io_error})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl std::error::Error for Error {}

/// JSON on one line with the members of every object in order of their names: stable text for messages. Reals are written
/// as tools print them, integers as such, whatever they were sent as.
pub fn compact_sorted(json: &Value) -> String {
    fn write(json: &Value, out: &mut String) {
        match json {
            Value::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write(item, out);
                }
                out.push(']');
            }
            Value::Object(members) => {
                let mut names: Vec<_> = members.iter().collect();
                names.sort_by_key(|&(name, _)| name);
                out.push('{');
                for (i, (name, value)) in names.into_iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_json_string(name, out);
                    out.push(':');
                    write(value, out);
                }
                out.push('}');
            }
            Value::Number(number) if !number.is_i64() => match (as_integer(json), number.as_f64()) {
                (Some(integer), _) => out.push_str(&integer.to_string()),
                (None, Some(real)) => out.push_str(&format_real(real)),
                (None, None) => out.push_str(&number.to_string()),
            },
            other => out.push_str(&other.to_string()),
        }
    }
    let mut out = String::new();
    write(json, &mut out);
    out
}

/// The operating system's own words, without the "(os error N)" that std appends.
fn os_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}
