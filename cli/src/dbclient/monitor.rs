//! What: `monitor`, `monitor-cond` and `monitor-cond-since`: a table of what was there and of each change.
//!
//! Invariants: columns come in the order in which they were asked for, else by name with `_version` last.

mod watched;

use super::data::parse_json;
use super::lock::{commands, exit, serve};
use super::{Job, rpc::Rpc};
use crate::failure::{Exit, Failure, fail};
use crate::table::{Cell, Table};
use serde_json::{Map, Value, json};
use std::io::Write;
use tokio::sync::mpsc;
use watched::Watched;
use weft_jsonrpc::message::Message;
use weft_jsonrpc::unixctl::Call;

/// `monitor TABLE [COLUMN,...]...` or `monitor ALL`
pub async fn plain(job: Job, mut rpc: Rpc) -> Result<Exit, Failure> {
    let schema = rpc.schema(&job.database).await?;
    let tables = match job.words[0].as_str() {
        "ALL" if job.words.len() == 1 && schema.table("ALL").is_none() => {
            let all = schema.tables.keys().map(|name| Watched::new(&job, &schema, name, &[], None));
            all.collect::<Result<Vec<_>, _>>()?
        }
        name => vec![Watched::new(&job, &schema, name, &job.words[1..], None)?],
    };
    run(job, rpc, tables, Version::Plain, None).await
}

/// `monitor-cond CONDITIONS TABLE [COLUMN,...]`
pub async fn cond(job: Job, mut rpc: Rpc) -> Result<Exit, Failure> {
    let schema = rpc.schema(&job.database).await?;
    let table = Watched::new(&job, &schema, &job.words[1], &job.words[2..], Some(&job.words[0]))?;
    run(job, rpc, vec![table], Version::Cond, None).await
}

/// `monitor-cond-since [LASTID] CONDITIONS TABLE [COLUMN,...]`
pub async fn cond_since(mut job: Job, mut rpc: Rpc) -> Result<Exit, Failure> {
    let schema = rpc.schema(&job.database).await?;
    let mut last = NO_TRANSACTION.to_string();
    if weft_ovsdb::atom::parse_uuid(&job.words[0]).is_some() {
        last = job.words.remove(0);
    }
    if job.words.len() < 2 {
        return fail("invalid syntax for 'monitor-cond-since' (use --help for help)");
    }
    let table = Watched::new(&job, &schema, &job.words[1], &job.words[2..], Some(&job.words[0]))?;
    run(job, rpc, vec![table], Version::Since, Some(last)).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Plain,
    Cond,
    Since,
}

async fn run(
    mut job: Job,
    mut rpc: Rpc,
    tables: Vec<Watched>,
    version: Version,
    last: Option<String>,
) -> Result<Exit, Failure> {
    let (to_us, mut calls) = mpsc::channel::<Call>(8);
    let mut commands = commands(&job);
    for name in ["exit", "ovsdb-client/block", "ovsdb-client/unblock"] {
        commands.forward(name, "", 0, 0, to_us.clone(), |call| call);
    }
    commands.forward("ovsdb-client/cond_change", "TABLE COND", 2, 2, to_us, |call| call);
    serve(&job, commands)?;

    let requests: Map<String, Value> = tables.iter().map(|table| (table.name.clone(), table.request.clone())).collect();
    let mut params = vec![json!(job.database), MONITOR_ID, Value::Object(requests)];
    let method = match version {
        Version::Plain => "monitor",
        Version::Cond => "monitor_cond",
        Version::Since => {
            params.push(json!(last.unwrap_or_default()));
            "monitor_cond_since"
        }
    };
    let initial = match rpc.call(method, params).await? {
        Ok(initial) => initial,
        Err(error) => return fail(refusal(&error)),
    };
    let mut output = Output { tables, first: true };
    match version {
        Version::Plain => output.updates(&job, &initial, true)?,
        Version::Cond => output.updates2(&job, &initial)?,
        Version::Since => {
            println!("found: {}, last_id: {}", initial[0], initial[1].as_str().unwrap_or(NO_TRANSACTION));
            output.updates2(&job, &initial[2])?;
        }
    }
    flush();
    job.daemon.ready().map_err(|error| error.to_string())?;
    let mut blocked = false;
    loop {
        tokio::select! {
            message = rpc.next(), if !blocked => {
                if let Message::Notify { method, params } = message?
                    && !output.notification(&job, &method, &params)?
                {
                    return Ok(Exit::OK);
                }
            }
            Some(call) = calls.recv() => match call.command.as_str() {
                "exit" => return Ok(exit(job, call.reply).await),
                "ovsdb-client/block" => {
                    call.reply.ok(if blocked { "already blocking" } else { "now blocking" });
                    blocked = true;
                }
                "ovsdb-client/unblock" => {
                    call.reply.ok(if blocked { "now unblocked" } else { "already unblocked" });
                    blocked = false;
                }
                _ => change_condition(&mut rpc, call),
            },
        }
        flush();
    }
}

/// What the server found wrong, as a sentence where it is one about a condition.
fn refusal(error: &Value) -> String {
    let member = |name: &str| error.get(name).and_then(Value::as_str);
    match (member("syntax"), member("error"), member("details")) {
        (Some(syntax), Some(tag), Some(details)) => format!("syntax \"{syntax}\": {tag}: {details}"),
        _ => format!("transaction returned error: {}", crate::json::compact(error)),
    }
}

fn change_condition(rpc: &mut Rpc, call: Call) {
    match parse_json(&call.args[1]) {
        Ok(conditions) => {
            let change = json!({call.args[0].clone(): [{"where": conditions}]});
            rpc.send("monitor_cond_change", vec![MONITOR_ID, MONITOR_ID, change]);
            call.reply.ok("");
        }
        Err(failure) => call.reply.error(failure.message),
    }
}

/// Prints tables one after another.
struct Output {
    tables: Vec<Watched>,
    first: bool,
}

impl Output {
    /// Prints what a notification says. Returns whether more may come.
    fn notification(&mut self, job: &Job, method: &str, params: &[Value]) -> Result<bool, Failure> {
        match (method, params) {
            ("update", [_, updates]) => self.updates(job, updates, false)?,
            ("update2", [_, updates]) => self.updates2(job, updates)?,
            ("update3", [_, last, updates]) => {
                // The line break behind it is the one that separates tables.
                print!("\nlast_id: {}", last.as_str().unwrap_or(NO_TRANSACTION));
                self.updates2(job, updates)?;
            }
            ("monitor_canceled", _) => {
                println!("monitor_canceled");
                flush();
                return Ok(false);
            }
            _ => {}
        }
        Ok(true)
    }

    /// RFC 7047 `<table-updates>`.
    fn updates(&mut self, job: &Job, updates: &Value, initial: bool) -> Result<(), Failure> {
        self.each(job, updates, |table, uuid, update, rows| {
            let old = update.get("old").filter(|old| !old.is_null());
            let new = update.get("new").filter(|new| !new.is_null());
            match (old, new) {
                (Some(old), Some(new)) => {
                    rows.push(table.row(uuid, "old", old)?);
                    rows.push(table.row("", "new", new)?);
                }
                (Some(old), None) => rows.push(table.row(uuid, "delete", old)?),
                (None, Some(new)) => rows.push(table.row(uuid, if initial { "initial" } else { "insert" }, new)?),
                (None, None) => {}
            }
            Ok(())
        })
    }

    /// `<table-updates2>` of ovsdb-server(7).
    fn updates2(&mut self, job: &Job, updates: &Value) -> Result<(), Failure> {
        self.each(job, updates, |table, uuid, update, rows| {
            for (action, row) in update.as_object().into_iter().flatten() {
                rows.push(table.row(uuid, action, row)?);
            }
            Ok(())
        })
    }

    fn each(
        &mut self,
        job: &Job,
        updates: &Value,
        rows_of: impl Fn(&Watched, &str, &Value, &mut Vec<Vec<Cell>>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for watched in &self.tables {
            let Some(rows) = updates.get(&watched.name).and_then(Value::as_object) else { continue };
            let columns = watched.columns.iter().map(|column| column.name.as_str());
            let mut table = Table::new(["row", "action"].into_iter().chain(columns));
            if self.tables.len() > 1 {
                table.caption = Some(watched.name.clone());
            }
            if job.options.timestamp {
                table.timestamp = Some(jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S%.3f").to_string());
            }
            for (uuid, update) in rows {
                rows_of(watched, uuid, update, &mut table.rows)?;
            }
            if !table.rows.is_empty() {
                print!("{}", table.render(&job.options.style, self.first));
                self.first = false;
            }
        }
        Ok(())
    }
}

fn flush() {
    // A reader that went away wants no more.
    let _ = std::io::stdout().flush();
}

const MONITOR_ID: Value = Value::Null;
const NO_TRANSACTION: &str = "00000000-0000-0000-0000-000000000000";
