//! What: `wait`: until a database is added to the server, connected to its cluster, or removed.
//!
//! How: a replica of the server's own database about databases.

use super::Job;
use crate::failure::{Exit, Failure, fail};
use weft_jsonrpc::address::Address;
use weft_jsonrpc::session::Session;
use weft_ovsdb::replica::{Event, Link, Replica, Select};

/// `wait DATABASE STATE`
pub async fn wait(job: Job) -> Result<Exit, Failure> {
    let (database, state) = (job.words[0].as_str(), job.words[1].as_str());
    if !["added", "connected", "removed"].contains(&state) {
        return fail(format!("{state}: unknown state"));
    }
    let address: Address = match job.server.parse() {
        Ok(address) => address,
        Err(error) => return fail(format!("{error}")),
    };
    let select = Select::default().columns("Database", &["name", "connected"]);
    let mut link = Link::new(Session::to(address), "_Server", select);
    loop {
        match link.next().await {
            Event::Ready(_) | Event::Changed(_)
                if link.replica().is_some_and(|replica| is_in(replica, database, state)) =>
            {
                return Ok(Exit::OK);
            }
            Event::Failed(reason) => return fail(format!("{}: {reason}", job.server)),
            _ => {}
        }
    }
}

fn is_in(replica: &Replica, database: &str, state: &str) -> bool {
    let mut found = replica.rows("Database").filter(|row| row.str("name") == Some(database));
    match (found.next(), state) {
        (None, state) => state == "removed",
        (Some(row), "connected") => row.bool("connected") == Some(true),
        (Some(_), state) => state == "added",
    }
}
