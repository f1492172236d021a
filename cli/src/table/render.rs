//! What: the five ways to write a table.

use super::{Cell, Data, Format, Style, Table};
use serde_json::{Value, json};
use weft_ovsdb::{Atom, AtomType, BaseType};

pub(super) fn render(table: &Table, style: &Style, first: bool) -> String {
    let mut out = String::new();
    if !first && style.format != Format::Json {
        out.push('\n');
    }
    match style.format {
        Format::Table => text_table(table, style, &mut out),
        Format::List => list(table, style, &mut out),
        Format::Html => html(table, style, &mut out),
        Format::Csv => csv(table, style, &mut out),
        Format::Json => {
            out.push_str(&crate::json::text(&to_json(table), style.pretty));
            out.push('\n');
        }
    }
    out
}

fn cell_text(cell: &Cell, style: &Style) -> String {
    match cell {
        Cell::Datum(datum, kind) => match style.data {
            Data::String => datum.to_text_as(kind),
            Data::Bare => datum.to_bare_text(),
            Data::Json => crate::json::compact(&datum.to_json()),
        },
        other => other.plain(),
    }
}

fn cut(text: String, style: &Style, heading_width: usize) -> String {
    let limit = match style.max_column_width {
        0 => return text,
        limit if style.headings => limit.max(heading_width),
        limit => limit,
    };
    text.chars().take(limit).collect()
}

fn text_table(table: &Table, style: &Style, out: &mut String) {
    let width = |text: &str| text.chars().count();
    let rows: Vec<Vec<String>> = table
        .rows
        .iter()
        .map(|row| {
            let cells = row.iter().zip(&table.headings);
            cells.map(|(cell, heading)| cut(cell_text(cell, style), style, width(heading))).collect()
        })
        .collect();
    let widths: Vec<usize> = (0..table.headings.len())
        .map(|at| {
            let heading = if style.headings { width(&table.headings[at]) } else { 0 };
            rows.iter().map(|row| width(&row[at])).max().unwrap_or(0).max(heading)
        })
        .collect();
    let mut line = |cells: &[String]| {
        let mut text = String::new();
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                text.push(' ');
            }
            text.push_str(cell);
            if at + 1 < cells.len() {
                text.extend(std::iter::repeat_n(' ', widths[at] - width(cell)));
            }
        }
        out.push_str(text.trim_end_matches(' '));
        out.push('\n');
    };
    if let Some(caption) = caption(table) {
        line(&[caption]);
    }
    if style.headings {
        line(&table.headings);
        let dashes: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        line(&dashes);
    }
    rows.iter().for_each(|row| line(row));
}

fn list(table: &Table, style: &Style, out: &mut String) {
    if let Some(caption) = caption(table) {
        out.push_str(&caption);
        out.push('\n');
    }
    for (at, row) in table.rows.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        for (heading, cell) in table.headings.iter().zip(row) {
            if style.headings {
                out.push_str(&format!("{heading:<20}: "));
            }
            out.push_str(&cell_text(cell, style));
            out.push('\n');
        }
    }
}

fn csv(table: &Table, style: &Style, out: &mut String) {
    let quoted = |text: &str| match text.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_string(),
    };
    if let Some(caption) = caption(table) {
        out.push_str(&caption);
        out.push('\n');
    }
    let mut line = |cells: Vec<String>| {
        out.push_str(&cells.join(","));
        out.push('\n');
    };
    if style.headings {
        line(table.headings.iter().map(|heading| quoted(heading)).collect());
    }
    for row in &table.rows {
        line(row.iter().map(|cell| quoted(&cell_text(cell, style))).collect());
    }
}

fn html(table: &Table, style: &Style, out: &mut String) {
    out.push_str("<table border=1>\n");
    if let Some(caption) = caption(table) {
        out.push_str(&format!("    <caption>{}</caption>\n", escape(&caption)));
    }
    if style.headings {
        out.push_str("  <tr>\n");
        for heading in &table.headings {
            out.push_str(&format!("    <th>{}</th>\n", escape(heading)));
        }
        out.push_str("  </tr>\n");
    }
    for row in &table.rows {
        out.push_str("  <tr>\n");
        for (heading, cell) in table.headings.iter().zip(row) {
            out.push_str(&format!("    <td>{}</td>\n", html_cell(heading, cell, style)));
        }
        out.push_str("  </tr>\n");
    }
    out.push_str("</table>\n");
}

/// A row's identity becomes an anchor, a reference a link to it, both shortened.
fn html_cell(heading: &str, cell: &Cell, style: &Style) -> String {
    let text = escape(&cell_text(cell, style));
    let Cell::Datum(datum, kind) = cell else { return text };
    let is_uuid = |base: &BaseType| base.kind == AtomType::Uuid;
    if !is_uuid(&kind.key) && !kind.value.as_ref().is_some_and(is_uuid) {
        return text;
    }
    let mut linked = text;
    let values = datum.pairs().iter().map(|(_, value)| value);
    for uuid in datum.keys().chain(values).filter_map(Atom::as_uuid) {
        let full = uuid.to_string();
        let short = &full[..8];
        let link = match heading {
            "_uuid" => format!("<a name=\"{full}\">{short}</a>"),
            _ => format!("<a href=\"#{full}\">{short}</a>"),
        };
        linked = linked.replace(&full, &link);
    }
    linked
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn to_json(table: &Table) -> Value {
    let cell = |cell: &Cell| match cell {
        Cell::Text(text) => json!(text),
        Cell::Json(json) => json.clone(),
        Cell::Datum(datum, _) => datum.to_json(),
        Cell::Empty => json!(""),
    };
    let rows: Vec<Vec<Value>> = table.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let mut object = json!({"headings": table.headings, "data": rows});
    if let Some(caption) = &table.caption {
        object["caption"] = json!(caption);
    }
    if let Some(time) = &table.timestamp {
        object["time"] = json!(time);
    }
    object
}

fn caption(table: &Table) -> Option<String> {
    match (&table.caption, &table.timestamp) {
        (Some(caption), Some(time)) => Some(format!("{caption} at {time}")),
        (Some(caption), None) => Some(caption.clone()),
        (None, Some(time)) => Some(time.clone()),
        (None, None) => None,
    }
}
