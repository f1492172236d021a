//! What: the record of all rows of a database at one moment, as a compaction writes it.
//!
//! Why: taking it costs a counter per row; putting it into words takes long and may happen beside the owner. The words are
//! never together in memory: they are made twice, once for the length and digest in front of them and once for the file.
//!
//! Invariant: both times the same words come, for rows never change.

use super::{frame_header, write_change};
use crate::table::{Row, Table};
use crate::txn::RowChange;
use sha1::{Digest, Sha1};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;
use weft_ovsdb::TableSchema;
use weft_ovsdb::atom::write_json_string;

/// See the header of this file.
pub struct Snapshot {
    tables: Vec<(Arc<TableSchema>, Vec<Row>)>,
    comment: String,
    date_ms: i64,
    diffs: bool,
}

impl Snapshot {
    /// What is there now. `diffs` as in [`super::transaction`], though nothing here is one.
    pub fn new(tables: &[Table], comment: &str, date_ms: i64, diffs: bool) -> Snapshot {
        let filled = tables.iter().filter(|table| !table.is_empty());
        let tables = filled.map(|table| (table.schema.clone(), table.rows().cloned().collect())).collect();
        Snapshot { tables, comment: comment.to_owned(), date_ms, diffs }
    }

    /// The record's JSON text.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        self.say(&mut text).expect("memory takes everything");
        String::from_utf8(text).expect("it was made of strings")
    }

    /// Writes the framed record.
    pub fn write_framed(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut measure = Measure { length: 0, hash: Sha1::new() };
        self.say(&mut measure)?;
        measure.write_all(b"\n")?;
        let mut header = Vec::new();
        frame_header(measure.length, measure.hash, &mut header);
        out.write_all(&header)?;
        self.say(out)?;
        out.write_all(b"\n")
    }

    /// Says all of it.
    fn say(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut text = format!("{{\"_date\":{}", self.date_ms);
        if self.diffs {
            text.push_str(",\"_is_diff\":true");
        }
        for (schema, rows) in &self.tables {
            let mut first = true;
            for row in rows {
                let before = text.len();
                match first {
                    true => drop(write!(text, ",\"{}\":{{", schema.name)),
                    false => text.push(','),
                }
                let change = RowChange { old: None, new: Some(row.clone()) };
                match write_change(schema, &change, self.diffs, &mut text) {
                    true => first = false,
                    false => text.truncate(before),
                }
                if text.len() >= PIECE {
                    out.write_all(text.as_bytes())?;
                    text.clear();
                }
            }
            if !first {
                text.push('}');
            }
        }
        text.push_str(",\"_comment\":");
        write_json_string(&self.comment, &mut text);
        text.push('}');
        out.write_all(text.as_bytes())
    }
}

/// Counts and digests.
struct Measure {
    length: usize,
    hash: Sha1,
}

impl Write for Measure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.length += bytes.len();
        self.hash.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const PIECE: usize = 64 << 10;
