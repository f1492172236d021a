//! What: the four kinds of JSON-RPC 1.0 message.
//!
//! Why: a message is told apart by which members are null; deciding that once, at the door, spares every
//! reader the question.
//!
//! Invariants: a request's id is never null, params are always an array.

use serde_json::{Map, Value, json};

/// One JSON-RPC message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Wants an answer with the same id.
    Request {
        /// What to do.
        method: String,
        /// Positional arguments.
        params: Vec<Value>,
        /// Chosen by the sender, any JSON but null.
        id: Value,
    },
    /// Wants no answer.
    Notify {
        /// What happened.
        method: String,
        /// Positional arguments.
        params: Vec<Value>,
    },
    /// The answer to a request that went well.
    Reply {
        /// The request's id.
        id: Value,
        /// What came of it.
        result: Value,
    },
    /// The answer to a request that did not.
    Error {
        /// The request's id.
        id: Value,
        /// What was wrong.
        error: Value,
    },
}

/// Why a JSON value is not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not an object at all.
    #[error("message is not a JSON object")]
    NotObject,
    /// A member has the wrong type.
    #[error("{0} member has wrong type")]
    Type(&'static str),
    /// Members that do not belong together, or none that say what it is.
    #[error("message is neither a request nor a reply")]
    Kind,
    /// A member that JSON-RPC does not know.
    #[error("message has unexpected member \"{0}\"")]
    Unexpected(String),
}

impl Message {
    /// A request.
    pub fn request(method: impl Into<String>, params: Vec<Value>, id: impl Into<Value>) -> Message {
        Message::Request { method: method.into(), params, id: id.into() }
    }

    /// A notification.
    pub fn notify(method: impl Into<String>, params: Vec<Value>) -> Message {
        Message::Notify { method: method.into(), params }
    }

    /// Understands a JSON value.
    pub fn from_json(value: Value) -> Result<Message, MessageError> {
        let Value::Object(members) = value else { return Err(MessageError::NotObject) };
        let mut method = Value::Null;
        let mut params = Value::Null;
        let mut result = Value::Null;
        let mut error = Value::Null;
        let mut id = Value::Null;
        for (name, value) in members {
            match name.as_str() {
                "method" => method = value,
                "params" => params = value,
                "result" => result = value,
                "error" => error = value,
                "id" => id = value,
                _ => return Err(MessageError::Unexpected(name)),
            }
        }
        match (method, params) {
            (Value::String(method), Value::Array(params)) => match (result, error, id) {
                (Value::Null, Value::Null, Value::Null) => Ok(Message::Notify { method, params }),
                (Value::Null, Value::Null, id) => Ok(Message::Request { method, params, id }),
                _ => Err(MessageError::Kind),
            },
            (Value::String(_), _) => Err(MessageError::Type("params")),
            (Value::Null, Value::Null) => match (result, error, id) {
                (_, _, Value::Null) => Err(MessageError::Kind),
                (result, Value::Null, id) => Ok(Message::Reply { id, result }),
                (Value::Null, error, id) => Ok(Message::Error { id, error }),
                _ => Err(MessageError::Kind),
            },
            (Value::Null, _) => Err(MessageError::Kind),
            _ => Err(MessageError::Type("method")),
        }
    }

    /// The JSON value to put on the wire.
    pub fn to_json(&self) -> Value {
        match self {
            Message::Request { method, params, id } => json!({"id": id, "method": method, "params": params}),
            Message::Notify { method, params } => json!({"id": null, "method": method, "params": params}),
            Message::Reply { id, result } => json!({"id": id, "result": result, "error": null}),
            Message::Error { id, error } => json!({"id": id, "result": null, "error": error}),
        }
    }

    /// The same, by value, so that a large result is not copied.
    pub fn into_json(self) -> Value {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| members.insert(name.to_string(), value);
        match self {
            Message::Request { method, params, id } => {
                put("id", id);
                put("method", method.into());
                put("params", params.into());
            }
            Message::Notify { method, params } => {
                put("id", Value::Null);
                put("method", method.into());
                put("params", params.into());
            }
            Message::Reply { id, result } => {
                put("id", id);
                put("result", result);
                put("error", Value::Null);
            }
            Message::Error { id, error } => {
                put("id", id);
                put("result", Value::Null);
                put("error", error);
            }
        }
        Value::Object(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_survive_a_round_trip() {
        for message in [
            Message::request("echo", vec![json!(1)], "x"),
            Message::notify("update", vec![]),
            Message::Reply { id: json!(0), result: json!([]) },
            Message::Reply { id: json!(0), result: Value::Null },
            Message::Error { id: json!("e"), error: json!("no") },
        ] {
            assert_eq!(Message::from_json(message.to_json()), Ok(message.clone()));
            assert_eq!(message.to_json(), message.into_json());
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for value in [
            json!([]),
            json!({}),
            json!({"id": 1, "method": "x"}),
            json!({"id": 1, "method": 2, "params": []}),
            json!({"id": 1, "method": "x", "params": [], "result": 1}),
            json!({"id": 1, "params": []}),
            json!({"id": 1, "result": 1, "error": 1}),
            json!({"result": 1}),
            json!({"id": 1, "result": 1, "foo": 1}),
        ] {
            assert!(Message::from_json(value.clone()).is_err(), "{value}");
        }
    }
}
