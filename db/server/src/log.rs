//! The records of a standalone database file, as ovsdb(5) describes them.
//!
//! ```text
//!   OVSDB JSON <length> <sha1>\n      length and digest of the next line, its newline included
//!   <one JSON object>\n               first record: the schema; others: {"_date":…, TABLE: {UUID: ROW|null}, …}
//! ```
//!
//! We write `"_is_diff":true` records as Open vSwitch since 2.17 does: a changed column that holds more than one
//! element carries the difference, not the value. Records without it carry values; both are read.
//!
//! Invariant: [`Records`] never panics and never gives a record whose digest is wrong.

use crate::table::{Row, Table};
use crate::txn::{ChangeSet, RowChange};
use crate::uuids::UuidSource;
use serde_json::Value;
use sha1::{Digest, Sha1};
use std::fmt::Write;
use weft_ovsdb::atom::{parse_uuid, write_json_string};
use weft_ovsdb::operation::{default_row, own_columns, write_member};
use weft_ovsdb::schema::{COL_UUID, COL_VERSION};
use weft_ovsdb::{Atom, DatabaseSchema, Datum, Error, Result, TableSchema};

mod snapshot;

pub use snapshot::Snapshot;

/// Appends a record with this JSON text, which must be one line.
pub fn frame(json: &str, out: &mut Vec<u8>) {
    let mut hash = Sha1::new();
    hash.update(json.as_bytes());
    hash.update(b"\n");
    frame_header(json.len() + 1, hash, out);
    out.extend_from_slice(json.as_bytes());
    out.push(b'\n');
}

fn frame_header(length: usize, hash: Sha1, out: &mut Vec<u8>) {
    let mut digest = [0; 40];
    for (i, byte) in hash.finalize().iter().enumerate() {
        digest[2 * i] = HEX[usize::from(byte >> 4)];
        digest[2 * i + 1] = HEX[usize::from(byte & 15)];
    }
    out.extend_from_slice(b"OVSDB JSON ");
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(&digest);
    out.push(b'\n');
}

/// Reads the records of a file one after another.
pub struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Why there is no further record although the file goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Torn {
    /// The file ends inside a record.
    Short {
        /// Where the missing part begins.
        offset: usize,
        /// How long it should be.
        need: usize,
    },
    /// What is there is no header of a record.
    Header {
        /// Where.
        offset: usize,
        /// Whether it has the form of a header of a clustered database.
        clustered: bool,
        /// The line, as far as it can be shown.
        line: String,
    },
    /// The digest is not that of the data.
    Digest {
        /// Where the data begins.
        offset: usize,
        /// How long it is.
        length: usize,
        /// Its digest.
        is: String,
        /// The header's digest.
        should: String,
    },
    /// The data is not JSON.
    Json {
        /// Where the data begins.
        offset: usize,
        /// How long it is.
        length: usize,
        /// What the parser says.
        error: String,
    },
    /// The record says what cannot be done.
    Refused(Error),
}

impl Torn {
    /// As an error about the file `name`.
    pub fn to_error(&self, name: &str) -> Error {
        let text = match self {
            Torn::Short { offset, need } => {
                let end = std::io::Error::other("End of file");
                return Error::io(format!("{name}: error reading {need} bytes starting at offset {offset}"), &end);
            }
            Torn::Refused(error) => return error.clone(),
            Torn::Header { offset, line, .. } => format!("parse error at offset {offset} in header line \"{line}\""),
            Torn::Digest { offset, length, is, should } => {
                format!("{length} bytes starting at offset {offset} have SHA-1 hash {is} but should have hash {should}")
            }
            Torn::Json { offset, length, error } => {
                format!("{length} bytes starting at offset {offset} are not valid JSON ({error})")
            }
        };
        Error::syntax(None, format!("{name}: {text}"))
    }
}

impl<'a> Records<'a> {
    /// The records in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Records<'a> {
        Records { bytes, at: 0 }
    }

    /// Where the next record begins: everything before is whole.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The next record, `None` at the end of the file.
    pub fn next_record(&mut self) -> Result<Option<Value>, Torn> {
        let rest = &self.bytes[self.at..];
        if rest.is_empty() {
            return Ok(None);
        }
        let header_error = |clustered| {
            let end = rest.iter().take(MAX_HEADER).position(|&b| b == b'\n').unwrap_or(rest.len().min(MAX_HEADER));
            let line = String::from_utf8_lossy(&rest[..end]).into_owned();
            Torn::Header { offset: self.at, clustered, line }
        };
        let Some(newline) = rest.iter().take(MAX_HEADER).position(|&b| b == b'\n') else {
            return Err(header_error(rest.starts_with(b"OVSDB CLUSTER ")));
        };
        let header = std::str::from_utf8(&rest[..newline]).map_err(|_| header_error(false))?;
        let words: Vec<&str> = header.split(' ').collect();
        let ["OVSDB", magic, length, digest] = words.as_slice() else { return Err(header_error(false)) };
        if *magic != "JSON" || digest.len() != 40 {
            return Err(header_error(*magic == "CLUSTER"));
        }
        let length: usize = length.parse().map_err(|_| header_error(false))?;
        let offset = self.at + newline + 1;
        let Some(data) = offset.checked_add(length).and_then(|end| self.bytes.get(offset..end)) else {
            return Err(Torn::Short { offset, need: length });
        };
        let actual = Sha1::digest(data);
        let same = |(i, byte): (usize, &u8)| u8::from_str_radix(&digest[2 * i..2 * i + 2], 16) == Ok(*byte);
        if !digest.is_ascii() || !actual.iter().enumerate().all(same) {
            let is = actual.iter().map(|byte| format!("{byte:02x}")).collect();
            return Err(Torn::Digest { offset, length, is, should: (*digest).to_owned() });
        }
        let json = serde_json::from_slice(data).map_err(|e| Torn::Json { offset, length, error: e.to_string() })?;
        self.at = offset + length;
        Ok(Some(json))
    }
}

/// Writes the JSON of a transaction's record; `None` if nothing in it is persistent.
/// `diffs`: a changed column is written as the difference, not as the value.
pub fn transaction(
    tables: &[Table],
    changes: &ChangeSet,
    comment: Option<&str>,
    date_ms: i64,
    diffs: bool,
) -> Option<String> {
    let mut out = format!("{{\"_date\":{date_ms}");
    if diffs {
        out.push_str(",\"_is_diff\":true");
    }
    let mut any = false;
    for (t, rows) in &changes.tables {
        let mut first = true;
        for change in rows {
            let before = out.len();
            if first {
                let _ = write!(out, ",\"{}\":{{", tables[*t].schema.name);
            } else {
                out.push(',');
            }
            if write_change(&tables[*t].schema, change, diffs, &mut out) {
                first = false;
                any = true;
            } else {
                out.truncate(before);
            }
        }
        if !first {
            out.push('}');
        }
    }
    if let Some(comment) = comment {
        out.push_str(",\"_comment\":");
        write_json_string(comment, &mut out);
    }
    out.push('}');
    any.then_some(out)
}

/// Writes the JSON of a record that makes a database with these rows out of an empty one, also if there are
/// none. `diffs` as in [`transaction`].
pub fn snapshot(tables: &[Table], comment: &str, date_ms: i64, diffs: bool) -> String {
    Snapshot::new(tables, comment, date_ms, diffs).text()
}

/// Makes the changes of a record in the tables, without any check but of types.
pub fn apply(schema: &DatabaseSchema, tables: &mut [Table], record: &Value, uuids: &mut UuidSource) -> Result<()> {
    let Value::Object(members) = record else {
        return Err(Error::syntax(Some(record), "transaction record must be an object"));
    };
    let is_diff = members.get("_is_diff").and_then(Value::as_bool).unwrap_or(false);
    for (name, rows) in members.iter().filter(|(name, _)| !name.starts_with('_')) {
        let Some(table) = schema.table(name) else {
            return Err(Error::new("unknown table", format!("No table named {name}.")).with_syntax(Some(record)));
        };
        let Value::Object(rows) = rows else {
            return Err(Error::syntax(Some(rows), "object expected"));
        };
        for (uuid, row) in rows {
            let Some(uuid) = parse_uuid(uuid) else {
                return Err(Error::syntax(Some(row), format!("\"{uuid}\" is not a valid UUID")));
            };
            apply_row(&mut tables[table.index], uuid, row, is_diff, uuids)?;
        }
    }
    Ok(())
}

fn apply_row(
    table: &mut Table,
    uuid: weft_ovsdb::Uuid,
    json: &Value,
    is_diff: bool,
    uuids: &mut UuidSource,
) -> Result<()> {
    let Value::Object(values) = json else {
        if json.is_null() {
            return match table.take(uuid) {
                Some(_) => Ok(()),
                None => Err(Error::new("ovsdb error", format!("{uuid}: attempt to delete a row that does not exist"))),
            };
        }
        return Err(Error::syntax(Some(json), "object expected"));
    };
    let schema = table.schema.clone();
    let old = table.get(uuid).cloned();
    let mut columns = match &old {
        Some(row) => row.columns().to_vec(),
        None => default_row(&schema),
    };
    for (name, value) in values {
        let Some(column) = schema.column_index(name) else {
            let text = format!("No column {name} in table {}.", schema.name);
            return Err(Error::new("unknown column", text).with_syntax(Some(json)));
        };
        let kind = &schema.columns[column].kind;
        columns[column] = if is_diff && old.is_some() {
            columns[column].apply_diff(&Datum::diff_from_json(value, kind)?, kind)
        } else {
            Datum::from_json_unchecked(value, kind, None)?
        };
    }
    columns[COL_UUID] = Datum::One(Atom::Uuid(uuid));
    columns[COL_VERSION] = Datum::One(Atom::Uuid(uuids.next()));
    table.put(Row::new(columns), 0);
    Ok(())
}

/// Writes `"UUID":null` or `"UUID":{…}`; whether there was anything persistent to say.
fn write_change(schema: &TableSchema, change: &RowChange, diffs: bool, out: &mut String) -> bool {
    let _ = write!(out, "\"{}\":", change.uuid());
    let Some(new) = &change.new else {
        out.push_str("null");
        return true;
    };
    out.push('{');
    let mut any = false;
    for c in own_columns(schema) {
        let column = &schema.columns[c];
        let value = &new[c];
        let unchanged = match &change.old {
            Some(old) => old[c] == *value,
            None => value.is_default(&column.kind),
        };
        if !column.persistent || unchanged {
            continue;
        }
        if std::mem::replace(&mut any, true) {
            out.push(',');
        }
        match &change.old {
            Some(old) if diffs => write_member(&column.name, &old[c].diff(value, &column.kind), out),
            _ => write_member(&column.name, value, out),
        }
    }
    out.push('}');
    any || change.old.is_none()
}

const HEX: &[u8; 16] = b"0123456789abcdef";
/// Longer than any header: 11 bytes, 20 digits, a digest.
const MAX_HEADER: usize = 128;

#[cfg(test)]
mod tests;
