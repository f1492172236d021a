//! What: one connection to a database server, as tools make it.

use std::time::Duration;
use weft_jsonrpc::address::{OVSDB_PORT, Remote};
use weft_jsonrpc::connection::Connection;
use weft_jsonrpc::rundir;
use weft_jsonrpc::session::bare;
use weft_jsonrpc::stream::{Listener, Stream};

/// Where the local database server listens.
pub fn default_server() -> String {
    format!("unix:{}", rundir::run_dir().join("db.sock").display())
}

/// Connects once, or again and again if `retry`; waits for a peer if `server` is a passive method. Several
/// methods separated by commas are tried in turn. The error is the system's words.
pub async fn connect(server: &str, retry: bool) -> Result<Connection, String> {
    let mut error = String::new();
    loop {
        for method in methods(server) {
            match connect_one(&method).await {
                Ok(stream) => return Ok(Connection::new(stream)),
                Err(reason) => error = reason,
            }
        }
        if !retry {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn connect_one(method: &str) -> Result<Stream, String> {
    match Remote::parse(method, OVSDB_PORT) {
        Ok(Remote::Active(address)) => Stream::connect(&address).await.map_err(|error| bare(&error)),
        Ok(Remote::Passive(passive)) => {
            let listener = Listener::bind(&passive).map_err(|error| bare(&error))?;
            listener.accept().await.map_err(|error| bare(&error))
        }
        Err(error) => {
            tracing::debug!(target: "stream", "{error}");
            Err(bare(&rustix::io::Errno::AFNOSUPPORT.into()))
        }
    }
}

/// A comma separates methods only where the next one begins.
fn methods(server: &str) -> Vec<String> {
    let mut methods: Vec<String> = Vec::new();
    for part in server.split(',') {
        match methods.last_mut() {
            Some(last) if !part.contains(':') => {
                last.push(',');
                last.push_str(part);
            }
            _ => methods.push(part.to_string()),
        }
    }
    methods
}

const PAUSE: Duration = Duration::from_millis(500);

/// A runtime for a tool: one thread, sockets and timers.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("the system has a thread and a poller for us").block_on(future)
}
