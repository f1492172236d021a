//! What: requests and their replies over one connection.

use crate::failure::{Failure, fail};
use serde_json::{Value, json};
use std::collections::VecDeque;
use weft_jsonrpc::connection::Connection;
use weft_jsonrpc::message::Message;
use weft_ovsdb::DatabaseSchema;

/// A connection with requests numbered.
pub struct Rpc {
    connection: Connection,
    next_id: u64,
    /// Notifications that came while a reply was awaited.
    aside: VecDeque<Message>,
}

impl Rpc {
    /// Over a fresh connection.
    pub fn new(connection: Connection) -> Rpc {
        Rpc { connection, next_id: 0, aside: VecDeque::new() }
    }

    /// Asks, and gives the result or the server's error.
    pub async fn call(&mut self, method: &str, params: Vec<Value>) -> Result<Result<Value, Value>, Failure> {
        let id = self.send(method, params);
        loop {
            match self.recv().await? {
                Message::Reply { id: of, result } if of == id => return Ok(Ok(result)),
                Message::Error { id: of, error } if of == id => return Ok(Err(error)),
                other => self.aside.push_back(other),
            }
        }
    }

    /// The same where an error is the end.
    pub async fn must_call(&mut self, method: &str, params: Vec<Value>) -> Result<Value, Failure> {
        match self.call(method, params).await? {
            Ok(result) => Ok(result),
            Err(error) => fail(format!("transaction returned error: {}", crate::json::compact(&error))),
        }
    }

    /// Puts a request on its way; it is written while somebody receives.
    pub fn send(&mut self, method: &str, params: Vec<Value>) -> Value {
        let id = json!(self.next_id);
        self.next_id += 1;
        self.connection.queue(Message::request(method, params, id.clone()));
        id
    }

    /// The next message that is not echo. Cancel safe.
    pub async fn next(&mut self) -> Result<Message, Failure> {
        match self.aside.pop_front() {
            Some(message) => Ok(message),
            None => self.recv().await,
        }
    }

    /// The names of the server's databases, sorted.
    pub async fn list_dbs(&mut self) -> Result<Vec<String>, Failure> {
        let result = self.must_call("list_dbs", vec![]).await?;
        let names = result.as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut names: Vec<String> = names.map(str::to_string).collect();
        names.sort();
        Ok(names)
    }

    /// A database's schema.
    pub async fn schema(&mut self, database: &str) -> Result<DatabaseSchema, Failure> {
        let json = self.must_call("get_schema", vec![json!(database)]).await?;
        Ok(DatabaseSchema::from_json(&json)?)
    }

    async fn recv(&mut self) -> Result<Message, Failure> {
        loop {
            match self.connection.recv().await {
                Ok(Message::Request { method, params, id }) if method == "echo" => {
                    self.connection.queue(Message::Reply { id, result: json!(params) });
                }
                Ok(message) => return Ok(message),
                Err(error) => return fail(format!("{}: receive failed ({error})", self.connection.peer())),
            }
        }
    }
}
