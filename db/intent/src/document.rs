//! What: the text of a desired state, read into a tree; what its words mean is [`crate::write`]'s business.

use crate::error::{Result, at};
use serde_json::{Map, Value};

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// TOML 1.0.
    Toml,
    /// JSON; `null` says what `[]` says.
    Json,
}

impl Format {
    /// By the file's name: `.json` is JSON, everything else TOML.
    pub fn of_file(name: &str) -> Format {
        match name.to_ascii_lowercase().ends_with(".json") {
            true => Format::Json,
            false => Format::Toml,
        }
    }
}

/// A desired state.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub(crate) root: Map<String, Value>,
}

impl Document {
    /// Reads a text.
    ///
    /// # Errors
    /// When it is no TOML or JSON, or no table at all.
    pub fn parse(text: &str, format: Format) -> Result<Document> {
        let value = match format {
            Format::Json => match serde_json::from_str(text) {
                Ok(value) => value,
                Err(error) => return at("", format!("not JSON: {error}")),
            },
            Format::Toml => match toml::from_str::<toml::Table>(text) {
                Ok(table) => Value::Object(table.into_iter().map(|(key, value)| (key, plain(value))).collect()),
                Err(error) => return at("", format!("not TOML: {}", error.to_string().trim_end())),
            },
        };
        match value {
            Value::Object(root) => Ok(Document { root }),
            _ => at("", "a desired state is an object"),
        }
    }
}

/// TOML in the words of JSON. Dates are text: no column holds one.
fn plain(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::from(number),
        toml::Value::Boolean(truth) => Value::from(truth),
        toml::Value::Datetime(date) => Value::from(date.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        toml::Value::Table(table) => Value::Object(table.into_iter().map(|(key, value)| (key, plain(value))).collect()),
    }
}
