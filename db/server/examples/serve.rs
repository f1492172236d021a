//! The smallest database server: `serve FILE... --remote=METHOD... [--compact-every=COMMITS] [--backlog=BYTES]`.
//! For trying things out and for measuring; the product is the `ovsdb-server` personality of the daemon.

use std::path::PathBuf;
use std::time::Duration;
use weft_server::compaction::Rule;
use weft_server::serve::{OvsdbServer, OvsdbServerConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut config = OvsdbServerConfig { spin: Duration::from_micros(50), ..OvsdbServerConfig::default() };
    for arg in std::env::args().skip(1) {
        if let Some(commits) = arg.strip_prefix("--compact-every=") {
            let (min_commits, age) = (commits.parse().expect("a number of commits"), Duration::ZERO);
            config.compaction = Rule { min_size: 0, min_commits, min_age: age, max_age: age };
            continue;
        }
        if let Some(bytes) = arg.strip_prefix("--backlog=") {
            config.backlog_limit = bytes.parse().expect("a number of bytes");
            continue;
        }
        match arg.strip_prefix("--remote=") {
            Some(remote) => config.remotes.push(remote.to_owned()),
            None if arg.starts_with("--") => {}
            None => config.databases.push(PathBuf::from(arg)),
        }
    }
    match OvsdbServer::start(config) {
        Ok(server) => server.stopped().await,
        Err(error) => {
            eprintln!("ovsdb-server: {error}");
            std::process::exit(1);
        }
    }
}

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
