//! What: `ovsdb-server`: the database alone.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use weft_jsonrpc::rundir;
use weft_jsonrpc::unixctl::{Reply, Server};
use weft_server::serve::{Call, OvsdbServer, OvsdbServerConfig, register_commands};

use super::start::Base;
use crate::options::{Options, Program};

/// Runs until told to end.
pub fn run(base: Base, options: &Options) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(base, options))
}

async fn serve(base: Base, options: &Options) -> Result<ExitCode> {
    let Base { mut daemon, mut commands } = base;
    let server = OvsdbServer::start(OvsdbServerConfig {
        databases: files(options),
        remotes: options.remotes.clone(),
        state: options.daemon.monitor.then(state_file),
        whole_columns: options.whole_columns,
        sync: options.sync.clone(),
        tls: options.tls_columns.clone(),
        spin: SPIN,
        trim: Some(weft_netdev::trim_heap),
        ..OvsdbServerConfig::default()
    })
    .map_err(|error| anyhow::anyhow!("{error}"))?;
    let (exits, mut asked_to_exit) = mpsc::channel::<Reply>(4);
    register_commands(&mut commands, &server.handle());
    commands.register("exit", "", 0, 0, move |call| {
        // A second request while the first is under way is answered by the end of the process.
        let _ = exits.try_send(call.reply);
    });
    let control = Server::bind(Program::Database.name(), options.unixctl.as_deref()).context("control socket")?;
    if let Some(control) = control {
        tokio::spawn(control.run(Arc::new(commands)));
    }
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hup = signal(SignalKind::hangup())?;
    let mut child = options.run.as_deref().map(start_child).transpose()?;
    await_relays(&server).await;
    daemon.ready()?;
    // Only now: before this, whatever is logged reaches the user's terminal.
    if child.is_none() {
        tracing::info!(target: "ovsdb_server", "ovsdb-server (Open vSwitch) {}", crate::options::COMPATIBLE);
    }
    let mut code = ExitCode::SUCCESS;
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        _ = hup.recv() => {}
        reply = asked_to_exit.recv() => {
            if let Some(reply) = reply {
                reply.ok("");
            }
        }
        status = wait_child(&mut child) => {
            let failed = !status.is_ok_and(|status| status.success());
            if failed {
                code = ExitCode::FAILURE;
            }
        }
    }
    server.stop().await;
    drop(daemon);
    Ok(code)
}

/// A relay whose source is there should be of use to who comes next; one whose source is away begins without.
async fn await_relays(server: &OvsdbServer) {
    let handle = server.handle();
    let ready = async {
        while handle.call(Call::AreRelaysReady).await == Ok(String::new()) {
            tokio::time::sleep(RELAY_POLL).await;
        }
    };
    let _ = tokio::time::timeout(RELAY_PATIENCE, ready).await;
}

/// Where a server under a monitor keeps what appctl has changed, for the one that follows it after a crash. The
/// monitor is the parent of both.
fn state_file() -> PathBuf {
    rundir::run_dir().join(format!("ovsdb-server.{}.state", std::os::unix::process::parent_id()))
}

/// The files to serve: those named, else the default one, else none with `--no-dbs`.
fn files(options: &Options) -> Vec<PathBuf> {
    if !options.arguments.is_empty() {
        return options.arguments.iter().map(PathBuf::from).collect();
    }
    if options.no_dbs { Vec::new() } else { vec![rundir::db_dir().join("conf.db")] }
}

fn start_child(command: &str) -> Result<std::process::Child> {
    let child = std::process::Command::new("/bin/sh").args(["-c", command]).spawn();
    child.with_context(|| format!("could not run \"{command}\""))
}

async fn wait_child(child: &mut Option<std::process::Child>) -> std::io::Result<std::process::ExitStatus> {
    match child {
        None => std::future::pending().await,
        Some(child) => loop {
            match child.try_wait()? {
                Some(status) => return Ok(status),
                None => tokio::time::sleep(CHILD_POLL).await,
            }
        },
    }
}

/// About as long as waking a thread takes.
const SPIN: std::time::Duration = std::time::Duration::from_micros(50);
const RELAY_POLL: std::time::Duration = std::time::Duration::from_millis(2);
const RELAY_PATIENCE: std::time::Duration = std::time::Duration::from_millis(300);
/// How soon the end of the child is noticed.
const CHILD_POLL: std::time::Duration = std::time::Duration::from_millis(10);
