//! What: `lock`, `steal` and `unlock`, which go on running so that the lock stays theirs.

use super::Job;
use super::rpc::Rpc;
use crate::failure::{Exit, Failure};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::mpsc;
use weft_jsonrpc::message::Message;
use weft_jsonrpc::unixctl::{Call, Commands, Reply, Server};
use weft_jsonrpc::vlog;

/// Runs one of them; ends when the server goes away or appctl says `exit`.
pub async fn run(mut job: Job, mut rpc: Rpc, method: &str) -> Result<Exit, Failure> {
    let (to_us, mut calls) = mpsc::channel::<Call>(8);
    let mut commands = commands(&job);
    for name in ["lock", "steal", "unlock"] {
        commands.forward(name, "LOCK", 1, 1, to_us.clone(), |call| call);
    }
    commands.forward("exit", "", 0, 0, to_us, |call| call);
    serve(&job, commands)?;
    rpc.send(method, vec![json!(job.words[0])]);
    loop {
        tokio::select! {
            message = rpc.next() => match message? {
                Message::Reply { result, .. } => {
                    println!("{}", crate::json::compact(&result));
                    job.daemon.ready().map_err(|error| error.to_string())?;
                }
                Message::Error { .. } => job.daemon.ready().map_err(|error| error.to_string())?,
                Message::Notify { method, params } => {
                    println!("{method}\n{}", crate::json::compact(&Value::from(params)));
                }
                Message::Request { .. } => {}
            },
            Some(call) = calls.recv() => match call.command.as_str() {
                "exit" => return Ok(exit(job, call.reply).await),
                // The server's answer goes where the first one went.
                _ => {
                    rpc.send(&call.command, vec![json!(call.args[0])]);
                    call.reply.ok("");
                }
            },
        }
    }
}

/// Answers `exit`, once the pidfile is gone so that a successor may start, and lets the answer out.
pub async fn exit(job: Job, reply: Reply) -> Exit {
    drop(job);
    reply.ok("");
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    Exit::OK
}

/// The commands that every long-running client has.
pub fn commands(job: &Job) -> Commands {
    let mut commands = Commands::new(crate::version::line(&job.options.program));
    vlog::register(&mut commands, &job.options.log);
    commands
}

/// Listens for appctl.
pub fn serve(job: &Job, commands: Commands) -> Result<(), Failure> {
    let is_daemon = !job.daemon.is_foreground() || job.daemon.pidfile().is_some();
    if !is_daemon && job.options.unixctl.is_none() {
        return Ok(());
    }
    let server = Server::bind(&job.options.program, job.options.unixctl.as_deref());
    if let Some(server) = server.map_err(|error| format!("could not listen for appctl ({error})"))? {
        tokio::spawn(server.run(Arc::new(commands)));
    }
    Ok(())
}
