//! What: the database as the service uses it: one request, or a replica.

use serde_json::Value;
use tonic::Status;
use weft_jsonrpc::address::Address;
use weft_jsonrpc::connection::Connection;
use weft_jsonrpc::message::Message;
use weft_jsonrpc::session::Session;
use weft_jsonrpc::stream::Stream;
use weft_ovsdb::error::compact_sorted;
use weft_ovsdb::open_vswitch::OPEN_VSWITCH;
use weft_ovsdb::replica::{Event, Link, Select};

/// The name in a request, or the switch's database.
pub fn name(given: &str) -> String {
    if given.is_empty() { OPEN_VSWITCH.to_owned() } else { given.to_owned() }
}

/// Sends one request and gives its result.
pub async fn ask(address: &Address, method: &str, params: Vec<Value>) -> Result<Value, Status> {
    let mut connection = connect(address).await?;
    connection.send(Message::request(method, params, 0)).await.map_err(lost)?;
    loop {
        match connection.recv().await.map_err(lost)? {
            Message::Reply { result, .. } => return Ok(result),
            Message::Error { error, .. } => return Err(refused(&error)),
            Message::Request { method, params, id } if method == "echo" => {
                let reply = Message::Reply { id, result: Value::Array(params) };
                connection.send(reply).await.map_err(lost)?;
            }
            Message::Request { .. } | Message::Notify { .. } => {}
        }
    }
}

/// A replica, complete.
pub async fn replica(address: &Address, database: &str, select: Select) -> Result<Link, Status> {
    let connection = connect(address).await?;
    let mut link = Link::new(Session::over(connection), database, select);
    loop {
        match link.next().await {
            Event::Ready(_) => return Ok(link),
            Event::Failed(reason) => return Err(Status::invalid_argument(reason)),
            Event::Disconnected(reason) => {
                return Err(Status::unavailable(format!("database connection failed ({reason})")));
            }
            _ => {}
        }
    }
}

/// What a refusal of the server is to a gRPC client.
pub fn refused(error: &Value) -> Status {
    let tag = error.get("error").and_then(Value::as_str).unwrap_or_default();
    let text = match error {
        Value::String(text) => text.clone(),
        other => match other.get("details").and_then(Value::as_str) {
            Some(details) if tag.is_empty() => details.to_owned(),
            Some(details) => format!("{tag}: {details}"),
            None => compact_sorted(other),
        },
    };
    match tag {
        "timed out" | "not owner" => Status::aborted(text),
        "conflict" | "busy" | "not pending" | "constraint violation" | "referential integrity violation" => {
            Status::failed_precondition(text)
        }
        "unknown commit" => Status::not_found(text),
        "not allowed" | "permission error" => Status::permission_denied(text),
        "resources exhausted" | "I/O error" => Status::resource_exhausted(text),
        _ if text == "unknown method" => Status::unimplemented("the database server is not one of ours"),
        _ => Status::invalid_argument(text),
    }
}

async fn connect(address: &Address) -> Result<Connection, Status> {
    let failed = |error| Status::unavailable(format!("{address}: database connection failed ({error})"));
    Ok(Connection::new(Stream::connect(address).await.map_err(failed)?))
}

fn lost(error: weft_jsonrpc::connection::ConnectionError) -> Status {
    Status::unavailable(format!("database connection failed ({error})"))
}
