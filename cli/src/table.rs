//! What: tables for people and programs: `--format`, `--data` and what goes with them.
//!
//! Invariants: a cell knows its OVSDB type, so JSON output is exact and text output is the user's choice.

mod render;

use crate::getopt::{Found, Opt, Takes, opt, opt_short};
use serde_json::Value;
use std::cmp::Ordering;
use weft_ovsdb::{ColumnType, Datum};

/// Rows under headings, perhaps with a caption and the time.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Above the table.
    pub caption: Option<String>,
    /// One for each column.
    pub headings: Vec<String>,
    /// Cells, as many as headings in each.
    pub rows: Vec<Vec<Cell>>,
    /// Show when it was made.
    pub timestamp: Option<String>,
}

/// What stands in one place.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Plain words.
    Text(String),
    /// JSON, shown as such.
    Json(Value),
    /// A column's value.
    Datum(Datum, ColumnType),
    /// Nothing.
    Empty,
}

/// The user's choice.
#[derive(Clone, Debug)]
pub struct Style {
    format: Format,
    data: Data,
    headings: bool,
    pretty: bool,
    max_column_width: usize,
}

/// For a tool's table of options.
pub const OPTIONS: &[Opt] = &[
    opt_short("format", 'f', Takes::Value),
    opt_short("data", 'd', Takes::Value),
    opt("no-headings", Takes::Nothing),
    opt("pretty", Takes::Nothing),
    opt("bare", Takes::Nothing),
    opt("max-column-width", Takes::Value),
];

/// Help for them.
pub const HELP: &str = "\
Output formatting options:
  -f, --format=FORMAT        table, list, html, csv or json
  -d, --data=FORMAT          cells as string, bare or json
  --no-headings              leave out the heading row
  --pretty                   JSON on several lines, where it is not in a table
  --bare                     same as --format=list --data=bare --no-headings
  --max-column-width=N       cut cells of text tables after N columns
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Table,
    List,
    Html,
    Csv,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Data {
    String,
    Bare,
    Json,
}

impl Style {
    /// Lists, the default of vsctl.
    pub fn list() -> Style {
        Style { format: Format::List, data: Data::String, headings: true, pretty: false, max_column_width: 0 }
    }

    /// Tables, the default of dbclient.
    pub fn table() -> Style {
        Style { format: Format::Table, ..Style::list() }
    }

    /// Applies one of [`OPTIONS`]; `false` if it is another option.
    pub fn take(&mut self, found: &Found) -> Result<bool, String> {
        let value = found.value();
        match found.name {
            "format" => {
                self.format = match value {
                    "table" => Format::Table,
                    "list" => Format::List,
                    "html" => Format::Html,
                    "csv" => Format::Csv,
                    "json" => Format::Json,
                    _ => return Err(format!("unknown output format \"{value}\"")),
                }
            }
            "data" => {
                self.data = match value {
                    "string" => Data::String,
                    "bare" => Data::Bare,
                    "json" => Data::Json,
                    _ => return Err(format!("unknown data format \"{value}\"")),
                }
            }
            "no-headings" => self.headings = false,
            "pretty" => self.pretty = true,
            "bare" => (self.format, self.data, self.headings) = (Format::List, Data::Bare, false),
            "max-column-width" => self.max_column_width = value.parse().unwrap_or(0),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// JSON on several lines?
    pub fn is_pretty(&self) -> bool {
        self.pretty
    }

    /// Will tables come out as JSON?
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }
}

impl Table {
    /// A table with these headings.
    pub fn new(headings: impl IntoIterator<Item = impl Into<String>>) -> Table {
        Table { headings: headings.into_iter().map(Into::into).collect(), ..Table::default() }
    }

    /// Sorts rows by the cells from left to right; a row's identity, being random, counts last.
    pub fn sort(&mut self) {
        let (last, first): (Vec<usize>, Vec<usize>) =
            (0..self.headings.len()).partition(|at| self.headings[*at] == "_uuid");
        self.rows.sort_by(|a, b| {
            let orders = first.iter().chain(&last).map(|at| a[*at].cmp_value(&b[*at]));
            orders.reduce(Ordering::then).unwrap_or(Ordering::Equal)
        });
    }

    /// As text; `first` tells whether another table was printed before.
    pub fn render(&self, style: &Style, first: bool) -> String {
        render::render(self, style, first)
    }
}

impl Cell {
    fn cmp_value(&self, other: &Cell) -> Ordering {
        match (self, other) {
            (Cell::Datum(a, _), Cell::Datum(b, _)) => a.cmp(b),
            (a, b) => a.plain().cmp(&b.plain()),
        }
    }

    fn plain(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Json(json) => crate::json::compact(json),
            Cell::Datum(datum, kind) => datum.to_text_as(kind),
            Cell::Empty => String::new(),
        }
    }
}

#[cfg(test)]
mod tests;
