//! What: reading a schema from a file.

use crate::failure::{Failure, fail};
use serde_json::Value;
use weft_ovsdb::DatabaseSchema;

/// The schema, with the JSON that it is made of.
pub fn read(path: &str) -> Result<(DatabaseSchema, Value), Failure> {
    let unreadable = |reason: String| format!("failed to read schema: \"{path}\" could not be read as JSON ({reason})");
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let why = weft_jsonrpc::session::bare(&error);
            return fail(unreadable(format!("error opening \"{path}\": {why}")));
        }
    };
    let json: Value = match serde_json::from_str(&text) {
        Ok(json) => json,
        Err(error) => return fail(unreadable(weft_jsonrpc::json_syntax::explain(&text, &error))),
    };
    let schema = DatabaseSchema::from_json(&json)
        .map_err(|error| error.context(format!("failed to parse \"{path}\" as ovsdb schema")))?;
    Ok((schema, json))
}
