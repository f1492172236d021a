//! What: `show-log`: the records of a file for people.

use super::Job;
use super::file::{damage, read_standalone};
use crate::failure::{Exit, Failure, fail};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use weft_ovsdb::{DatabaseSchema, Datum};
use weft_server::log::Records;

/// `show-log [DB]`
pub fn run(job: &Job) -> Result<Exit, Failure> {
    let path = job.db(0);
    let bytes = read_standalone(&path)?;
    let mut records = Records::new(&bytes);
    let mut shower = Shower { schema: None, names: BTreeMap::new(), more: job.more };
    for number in 0.. {
        match records.next_record() {
            Ok(Some(record)) => shower.show(number, &record)?,
            Ok(None) => break,
            Err(torn) => return Err(damage(&path, &torn)),
        }
    }
    Ok(Exit::OK)
}

/// Remembers what earlier records said, so that rows have names.
struct Shower {
    schema: Option<DatabaseSchema>,
    names: BTreeMap<(String, String), String>,
    more: usize,
}

impl Shower {
    fn show(&mut self, number: usize, record: &Value) -> Result<(), Failure> {
        let Some(members) = record.as_object() else { return fail(format!("record {number}: not a JSON object")) };
        if number == 0 {
            let schema = DatabaseSchema::from_json(record)?;
            let (version, cksum) = (schema.version.as_deref(), schema.cksum.as_deref());
            println!(
                "record 0: \"{}\" schema, version=\"{}\", cksum=\"{}\"\n",
                schema.name,
                version.unwrap_or_default(),
                cksum.unwrap_or_default()
            );
            self.schema = Some(schema);
            return Ok(());
        }
        let mut line = format!("record {number}:");
        if let Some(date) = members.get("_date").and_then(Value::as_i64) {
            line += &format!(" {}", date_text(date));
        }
        if let Some(comment) = members.get("_comment").and_then(Value::as_str) {
            line += &format!(" \"{comment}\"");
        }
        println!("{line}");
        if self.more > 0 {
            self.changes(members);
            println!();
        }
        Ok(())
    }

    fn changes(&mut self, members: &Map<String, Value>) {
        let is_diff = members.get("_is_diff").and_then(Value::as_bool).unwrap_or(false);
        for (table, rows) in members.iter().filter(|(name, _)| !name.starts_with('_')) {
            for (uuid, row) in rows.as_object().into_iter().flatten() {
                self.row(table, uuid, row, is_diff);
            }
        }
    }

    fn row(&mut self, table: &str, uuid: &str, row: &Value, is_diff: bool) {
        let short = uuid.get(..8).unwrap_or(uuid);
        let key = (table.to_string(), uuid.to_string());
        let columns = row.as_object();
        let given = columns.and_then(|columns| columns.get("name")).and_then(Value::as_str);
        let title = match (self.names.get(&key), given) {
            (None, Some(name)) => format!("insert row \"{name}\" ({short}):"),
            (None, None) => format!("insert row {short}:"),
            (Some(name), _) if is_diff => format!("row {name} ({short}) diff:"),
            (Some(name), _) => format!("row {name} ({short}):"),
        };
        println!("  table {table} {title}");
        match columns {
            None => {
                println!("    delete row");
                self.names.remove(&key);
                return;
            }
            Some(columns) if self.more > 1 => {
                for (column, value) in columns {
                    println!("    {column}={}", self.value_text(table, column, value));
                }
            }
            Some(_) => {}
        }
        let name = given.map(|name| format!("\"{name}\""));
        self.names.entry(key).or_insert_with(|| name.unwrap_or_else(|| short.to_string()));
    }

    fn value_text(&self, table: &str, column: &str, value: &Value) -> String {
        let kind = self.schema.as_ref().and_then(|schema| Some(schema.table(table)?.column(column)?.kind.clone()));
        let datum = kind.and_then(|mut kind| {
            (kind.min, kind.max) = (0, kind.max.max(if kind.max == 1 { 1 } else { weft_ovsdb::types::UNLIMITED }));
            Some((Datum::from_json_unchecked(value, &kind, None).ok()?, kind))
        });
        match datum {
            Some((datum, kind)) => datum.to_text_as(&kind),
            None => crate::json::compact(value),
        }
    }
}

/// Old files have seconds, new ones milliseconds.
fn date_text(date: i64) -> String {
    let milliseconds = if date < 1_000_000_000_000 { date * 1000 } else { date };
    match jiff::Timestamp::from_millisecond(milliseconds) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        Err(_) => date.to_string(),
    }
}
