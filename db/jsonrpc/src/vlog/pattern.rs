//! What: how a log line looks, ovs-appctl(8) "vlog/set PATTERN".
//!
//! Invariants: every text is a pattern; an escape that is not known is printed as it is.

use super::level::{Facility, Level};
use jiff::tz::TimeZone;
use std::fmt::{self, Write};
use std::sync::OnceLock;
use std::time::Duration;

/// A parsed pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    source: String,
    parts: Vec<Part>,
}

/// One message with all that a pattern may show of it.
pub(super) struct Record<'a> {
    pub program: &'a str,
    pub module: &'a str,
    pub level: Level,
    pub message: &'a str,
    pub facility: Facility,
    pub serial: u64,
    pub now: jiff::Timestamp,
}

impl Pattern {
    /// Never fails, as users may put anything between the escapes.
    pub fn parse(source: &str) -> Pattern {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some(at) = rest.find('%') {
            push_text(&mut parts, &rest[..at]);
            let (part, after) = escape(&rest[at..]);
            parts.push(part);
            rest = after;
        }
        push_text(&mut parts, rest);
        Pattern { source: source.to_string(), parts }
    }

    pub(super) fn format(&self, record: &Record<'_>) -> String {
        let mut line = String::with_capacity(64 + record.message.len());
        for part in &self.parts {
            match part {
                Part::Text(text) => line.push_str(text),
                Part::Escape { letter, argument, pad } => {
                    let text = expand(*letter, argument.as_deref(), record);
                    pad.put(&mut line, &text);
                }
            }
        }
        line
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Record<'_> {
    /// RFC 5424 PRI.
    pub fn pri(&self) -> u32 {
        u32::from(self.facility.0) * 8 + u32::from(self.level.severity())
    }
}

/// This machine's name.
pub(super) fn host_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let read = std::fs::read_to_string("/proc/sys/kernel/hostname");
        read.map(|name| name.trim().to_string()).unwrap_or_else(|_| "localhost".to_string())
    })
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Escape { letter: char, argument: Option<String>, pad: Pad },
}

#[derive(Clone, Copy, Debug, Default)]
struct Pad {
    width: usize,
    zeros: bool,
    left: bool,
}

impl Pad {
    fn put(self, line: &mut String, text: &str) {
        let missing = self.width.saturating_sub(text.chars().count());
        let fill = if self.zeros { '0' } else { ' ' };
        let before = if self.left { 0 } else { missing };
        line.extend(std::iter::repeat_n(fill, before));
        line.push_str(text);
        line.extend(std::iter::repeat_n(fill, missing - before));
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_string()));
    }
}

/// `%[-][0][WIDTH]LETTER[{ARGUMENT}]` at the start of `text`, and what follows it.
fn escape(text: &str) -> (Part, &str) {
    let mut rest = &text[1..];
    let mut pad = Pad::default();
    if let Some(after) = rest.strip_prefix('-') {
        (pad.left, rest) = (true, after);
    }
    if let Some(after) = rest.strip_prefix('0') {
        (pad.zeros, rest) = (true, after);
    }
    while let Some(digit) = rest.chars().next().and_then(|c| c.to_digit(10)) {
        pad.width = (pad.width * 10 + digit as usize).min(MAX_WIDTH);
        rest = &rest[1..];
    }
    let Some(letter) = rest.chars().next() else { return (Part::Text(text.to_string()), "") };
    rest = &rest[letter.len_utf8()..];
    if !"ABcdDEmNnpPrtT%".contains(letter) {
        return (Part::Text(text[..text.len() - rest.len()].to_string()), rest);
    }
    let mut argument = None;
    if let Some((inside, after)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        (argument, rest) = (Some(inside.to_string()), after);
    }
    (Part::Escape { letter, argument, pad }, rest)
}

fn expand(letter: char, argument: Option<&str>, record: &Record<'_>) -> String {
    match letter {
        'A' => record.program.to_string(),
        'B' => record.pri().to_string(),
        'c' => record.module.to_string(),
        'd' => date(argument, record.now, TimeZone::system()),
        'D' => date(argument, record.now, TimeZone::UTC),
        'E' => host_name().to_string(),
        'm' => record.message.to_string(),
        'N' => record.serial.to_string(),
        'n' => "\n".to_string(),
        'p' => record.level.name().to_string(),
        'P' => std::process::id().to_string(),
        'r' => since_start(record.now).as_millis().to_string(),
        't' => thread_name().unwrap_or_else(|| "main".to_string()),
        'T' => thread_name().map(|name| format!("({name})")).unwrap_or_default(),
        _ => "%".to_string(),
    }
}

/// strftime, with each run of `#` replaced by that many digits of the second's fraction.
fn date(format: Option<&str>, now: jiff::Timestamp, zone: TimeZone) -> String {
    let format = format.filter(|format| !format.is_empty()).unwrap_or("%Y-%m-%d %H:%M:%S");
    let nanos = format!("{:09}", now.subsec_nanosecond().max(0));
    let mut digits = nanos.chars().take(3).chain(std::iter::repeat('0'));
    let mut filled = String::with_capacity(format.len());
    for c in format.chars() {
        filled.push(if c == '#' { digits.next().unwrap_or('0') } else { c });
    }
    let mut text = String::new();
    match write!(text, "{}", now.to_zoned(zone).strftime(&filled)) {
        Ok(()) => text,
        Err(_) => filled,
    }
}

fn since_start(now: jiff::Timestamp) -> Duration {
    static START: OnceLock<jiff::Timestamp> = OnceLock::new();
    let start = *START.get_or_init(|| now);
    now.duration_since(start).unsigned_abs()
}

/// The first thread has no subprogram name.
fn thread_name() -> Option<String> {
    let thread = std::thread::current();
    thread.name().filter(|name| *name != "main").map(str::to_string)
}

const MAX_WIDTH: usize = 1000;
