//! What: `history`, `revert`, `confirm` and `rollback`, and the commit of a change that must be confirmed.
//!
//! How: requests of our server beyond RFC 7047 (db/server/src/server/operator.rs). They read or make commits by themselves,
//! so each is the only command of its call and takes part in no transaction.

use super::command::Given;
use super::context::{Context, ROOT};
use super::words::Words;
use super::{Options, next_contents, wait_for_switch};
use crate::Call;
use crate::connect::connect;
use crate::failure::{Exit, Failure, fail};
use serde_json::{Map, Value, json};
use weft_jsonrpc::session::Session;
use weft_ovsdb::atom::Atom;
use weft_ovsdb::replica::{Event, Link, Outcome, Request, Select};

/// Whether the command is one of these.
pub fn is_one(given: &Given) -> bool {
    matches!(given.command.name, "history" | "revert" | "confirm" | "rollback")
}

/// Reached only from among other commands.
pub fn alone(context: &mut Context<'_>) -> Result<(), Failure> {
    fail(format!("'{}' must be the only command of a call", context.given.command.name))
}

/// Runs the command.
pub async fn serve(_call: &Call, options: &Options, given: &Given) -> Result<Exit, Failure> {
    let job = job(given)?;
    let connection = match connect(&options.db, options.retry).await {
        Ok(connection) => connection,
        Err(reason) => return fail(format!("{}: database connection failed ({reason})", options.db)),
    };
    let select = Select::default().columns(ROOT, &["cur_cfg"]);
    let mut link = Link::new(Session::over(connection), ROOT, select);
    next_contents(&mut link, options).await?;
    if options.dry_run && job.method != "weft_history" {
        return Ok(Exit::OK);
    }
    let mut params = vec![json!(ROOT)];
    params.extend(job.params);
    let result = ask(&mut link, job.method, params, |_| {}).await?;
    print!("{}", (job.show)(&result));
    if let Some(next_cfg) = result.get("next_cfg").and_then(Value::as_i64).filter(|_| !options.no_wait) {
        wait_for_switch(&mut link, options, next_cfg).await?;
    }
    Ok(Exit::OK)
}

/// Commits and has the server take it back unless it is confirmed. Also what to tell the user.
pub async fn commit(
    link: &mut Link,
    request: &Request,
    seconds: u64,
    aside: impl FnMut(Event),
) -> Result<(Outcome, String), Failure> {
    let mut params = vec![json!(ROOT), json!({"confirm": seconds})];
    params.extend(request.operations.iter().cloned());
    let result = ask(link, "weft_transact", params, aside).await?;
    let outcome = request.outcome(result.get("results").ok_or(&result));
    let id = result["pending"]["commit"].as_str().unwrap_or_default();
    let told = format!(
        "commit {id} is rolled back in {seconds} s unless it is confirmed: vsctl confirm (at once: vsctl rollback)\n"
    );
    Ok((outcome, if id.is_empty() { String::new() } else { told }))
}

struct Job {
    method: &'static str,
    params: Vec<Value>,
    show: Box<dyn Fn(&Value) -> String>,
}

fn job(given: &Given) -> Result<Job, Failure> {
    match given.command.name {
        "history" => {
            let words = Words::parse(given, &["all", "json"], &["limit", "show"])?;
            let (all, json) = (words.has("all"), words.has("json"));
            let show = words.value("show").or(words.at_most_one("ID")?);
            let mut wanted = json!({"all": all});
            match show {
                Some(id) => wanted = json!({"commit": id}),
                None => {
                    let limit = words.value("limit").unwrap_or(LIMIT);
                    match limit.parse::<u64>() {
                        Ok(limit) if limit > 0 => wanted["limit"] = json!(limit),
                        _ => return fail(format!("--limit: \"{limit}\" is no number of commits")),
                    }
                }
            }
            let whole = show.is_some();
            let show = move |result: &Value| match json {
                true => format!("{result}\n"),
                false => history(result, whole),
            };
            Ok(Job { method: "weft_history", params: vec![wanted], show: Box::new(show) })
        }
        "revert" => {
            let words = Words::parse(given, &[], &["comment"])?;
            let id = words.one("ID")?;
            let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
            let by = user.filter(|user| !user.is_empty()).map(|user| format!("vsctl: reverted by {user}"));
            let comment = words.value("comment").map(str::to_owned).or(by).unwrap_or_else(|| "vsctl".to_owned());
            let show = |result: &Value| {
                let word = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
                format!("commit {} is undone by commit {}\n", word("reverted"), word("commit"))
            };
            let params = vec![json!(id), json!({"comment": comment})];
            Ok(Job { method: "weft_revert", params, show: Box::new(show) })
        }
        name => {
            let words = Words::parse(given, &[], &[])?;
            let rollback = name == "rollback";
            let mut options = json!({"rollback": rollback});
            if let Some(id) = words.at_most_one("ID")? {
                options["commit"] = json!(id);
            }
            let show = move |result: &Value| {
                let id = result["commit"].as_str().unwrap_or_default();
                format!("commit {id} is {}\n", if rollback { "rolled back" } else { "confirmed" })
            };
            Ok(Job { method: "weft_confirm", params: vec![options], show: Box::new(show) })
        }
    }
}

async fn ask(
    link: &mut Link,
    method: &str,
    params: Vec<Value>,
    mut aside: impl FnMut(Event),
) -> Result<Value, Failure> {
    let token = link.client().call(method, params);
    loop {
        match link.next().await {
            Event::Answered(of, Ok(result)) if of == token => return Ok(result),
            Event::Answered(of, Err(error)) if of == token => return fail(reason(&error)),
            Event::Disconnected(reason) => return fail(format!("database connection failed ({reason})")),
            event => aside(event),
        }
    }
}

fn reason(error: &Value) -> String {
    match error {
        Value::String(text) if text == "unknown method" => {
            "the database server keeps no history and takes nothing back: it is not one of ours".to_owned()
        }
        Value::String(text) => text.clone(),
        other => match other.get("details").or(other.get("error")).and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None => other.to_string(),
        },
    }
}

fn history(result: &Value, whole: bool) -> String {
    let mut text = String::new();
    if let Some(id) = result["pending"]["commit"].as_str() {
        let left = result["pending"]["left"].as_u64().unwrap_or_default().div_ceil(1000);
        text += &format!("commit {id} is rolled back in {left} s unless it is confirmed\n\n");
    }
    let commits = result["commits"].as_array().map(Vec::as_slice).unwrap_or_default();
    for commit in commits {
        let comment = commit["comment"].as_str().unwrap_or("(no comment)");
        let mut lines = comment.lines();
        let id = commit["id"].as_str().unwrap_or_default();
        text += &format!("{id}  {}  {}\n", date(&commit["date"]), lines.next().unwrap_or_default());
        lines.for_each(|line| text += &format!("{:31}{line}\n", ""));
        let rows = commit["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
        for row in rows.iter().filter(|row| whole || is_news(row)) {
            match whole {
                true => text += &details(row),
                false => text += &format!("{:31}{}\n", "", summary(row)),
            }
        }
    }
    if commits.is_empty() {
        text += "no commits are remembered\n";
    }
    text
}

/// `+ Port eth1`, `~ Bridge br0: fail_mode, ports`
fn summary(row: &Value) -> String {
    let (mark, name) = (mark(row), name(row));
    match row["what"].as_str() {
        Some("modify") => format!("{mark} {name}: {}", columns(row).join(", ")),
        _ => format!("{mark} {name}"),
    }
}

/// The row with all values, before and after.
fn details(row: &Value) -> String {
    let mut text = format!("  {} {}\n", mark(row), name(row));
    let side = |side: &str, column: &str| row[side].get(column).map(value);
    let names = ["old", "new"].iter().find_map(|side| row[*side].as_object()).map(|o| o.keys()).into_iter().flatten();
    for column in names {
        text += &match (side("old", column), side("new", column)) {
            (Some(old), Some(new)) => format!("      {column}: {old} -> {new}\n"),
            (Some(one), None) | (None, Some(one)) => format!("      {column}: {one}\n"),
            (None, None) => String::new(),
        };
    }
    text
}

fn mark(row: &Value) -> char {
    match row["what"].as_str() {
        Some("insert") => '+',
        Some("delete") => '-',
        _ => '~',
    }
}

fn name(row: &Value) -> String {
    let table = row["table"].as_str().unwrap_or_default();
    match (row["name"].as_str(), row["uuid"].as_str()) {
        _ if table == ROOT => table.to_owned(),
        (Some(name), _) => format!("{table} {name}"),
        (None, uuid) => format!("{table} {}", uuid.unwrap_or_default()),
    }
}

/// The columns that somebody set; what the switch reports is left out unless there is nothing else.
fn columns(row: &Value) -> Vec<&str> {
    let table = row["table"].as_str().unwrap_or_default();
    let all: Vec<&str> = row["new"].as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
    let set: Vec<&str> = all.iter().copied().filter(|c| !weft_ovsdb::open_vswitch::is_reported(table, c)).collect();
    if set.is_empty() { all } else { set }
}

/// Counters that go up with every commit are no news.
fn is_news(row: &Value) -> bool {
    row["what"] != "modify" || columns(row).iter().any(|column| !matches!(*column, "next_cfg" | "cur_cfg"))
}

/// A value of the wire as text of the tools.
fn value(json: &Value) -> String {
    match json.as_array().map(Vec::as_slice) {
        Some([kind, Value::Array(items)]) if kind == "set" => {
            format!("[{}]", items.iter().map(value).collect::<Vec<_>>().join(", "))
        }
        Some([kind, Value::Array(pairs)]) if kind == "map" => {
            let pair = |pair: &Value| format!("{}={}", value(&pair[0]), value(&pair[1]));
            format!("{{{}}}", pairs.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        Some([kind, Value::String(uuid)]) if kind == "uuid" => uuid.clone(),
        _ => match json {
            Value::String(text) => Atom::from(text.as_str()).to_text(),
            other => other.to_string(),
        },
    }
}

fn date(json: &Value) -> String {
    let stamp = json.as_i64().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    stamp.map_or("(no date)".to_owned(), |stamp| {
        stamp.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    })
}

/// So many commits are listed unless the user says otherwise.
const LIMIT: &str = "25";
