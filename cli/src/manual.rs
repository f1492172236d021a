//! What: manual pages and shell completions, made from the tools' help.
//!
//! Why: what a tool takes is said once, in its table of commands; help is made from that, and everything else from help.
//!
//! ```text
//!   table of commands ─> help ─> Page { sections of entries } ─┬─> troff        weft manual TOOL
//!                                                              └─> completion   weft completion bash|zsh|fish
//! ```
//!
//! How: help has one form: a line `TOOL: what it is for`, a line `usage: ...`, paragraphs at the left margin, and titles that
//! end with a colon, with entries under them: two spaces, the words, a gap, what they do; or that on lines of its own.
//!
//! Invariants: a word that help does not show is neither in a manual nor completed.

mod completion;
#[cfg(test)]
mod tests;

pub use completion::{Shell, completion};

use std::fmt::Write;

/// Help, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The tool.
    pub name: String,
    /// What it is for.
    pub summary: String,
    /// How it is called.
    pub usage: String,
    /// Lines of text outside of sections; an empty one ends a paragraph.
    pub text: Vec<String>,
    /// Commands and options.
    pub sections: Vec<Section>,
}

/// Entries under a title.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Without the colon.
    pub title: String,
    /// In their order.
    pub entries: Vec<Entry>,
}

/// Commands or options that one text explains, mostly one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The words.
    pub words: Vec<String>,
    /// What they do.
    pub help: String,
}

impl Page {
    /// Takes a help text apart.
    pub fn parse(help: &str) -> Page {
        let mut page = Page::default();
        let mut lines = help.lines().peekable();
        if let Some((name, summary)) = lines.next().and_then(|line| line.split_once(": ")) {
            (page.name, page.summary) = (name.to_string(), summary.to_string());
        }
        let mut inside = false;
        while let Some(line) = lines.next() {
            let is_entry = |line: &&str| line.starts_with("  ");
            if let Some(usage) = line.strip_prefix("usage: ") {
                page.usage = usage.to_string();
            } else if line.ends_with(':') && !line.starts_with(' ') && lines.peek().is_some_and(is_entry) {
                page.sections.push(Section { title: line.trim_end_matches(':').to_string(), entries: Vec::new() });
                inside = true;
            } else if inside && line.starts_with("  ") {
                page.sections.last_mut().expect("inside of one").take(line);
            } else {
                inside = false;
                page.text.push(line.trim().to_string());
            }
        }
        page
    }

    /// The commands: name, all words, help.
    pub fn commands(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.words().filter(|(words, _)| !is_option(words)).filter_map(|(words, help)| {
            let name = words.split(' ').find(|word| !word.starts_with('['))?;
            Some((name, words, help))
        })
    }

    /// The options: each form with its dashes, whether it takes a value, help.
    pub fn options(&self) -> impl Iterator<Item = (&str, bool, &str)> {
        let options = self.words().filter(|(words, _)| is_option(words));
        options.flat_map(|(words, help)| words.split(", ").map(move |form| (form, help))).map(|(form, help)| {
            let end = form.find(['=', '[', ' ']).unwrap_or(form.len());
            // `-vSPEC`
            let end = if form.starts_with("--") { end } else { end.min(2) };
            (&form[..end], form[end..].starts_with('='), help)
        })
    }

    fn words(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = self.sections.iter().flat_map(|section| &section.entries);
        entries.flat_map(|entry| entry.words.iter().map(|words| (words.as_str(), entry.help.as_str())))
    }
}

impl Section {
    fn take(&mut self, line: &str) {
        let text = line.trim();
        if line.starts_with("      ") {
            if let Some(last) = self.entries.last_mut() {
                last.help += if last.help.is_empty() { "" } else { " " };
                last.help += text;
            }
            return;
        }
        let (words, help) = match text.split_once("  ") {
            Some((words, help)) => (words.to_string(), help.trim().to_string()),
            None => (text.to_string(), String::new()),
        };
        match self.entries.last_mut() {
            // Nothing was said of the one before: what comes next is about both.
            Some(last) if last.help.is_empty() => {
                last.words.push(words);
                last.help = help;
            }
            _ => self.entries.push(Entry { words: vec![words], help }),
        }
    }
}

fn is_option(words: &str) -> bool {
    words.starts_with('-')
}

/// A manual page. `other` is the tool's other name, `more` are sections in troff that only this tool has.
pub fn troff(page: &Page, section: u8, other: &str, more: &str) -> String {
    let name = &page.name;
    let mut out = format!(
        ".\\\" Made by \"weft manual {name}\" from the tool's help; what it adds is in {name}.more.\n\
         .TH {} {section} \"\" \"Weft\" \"Weft Manual\"\n.SH NAME\n{name} \\- {}\n.SH SYNOPSIS\n.B {name}\n{}\n.SH DESCRIPTION\n",
        name.to_uppercase(),
        escape(&page.summary),
        escape(page.usage.trim_start_matches(name.as_str()).trim()),
    );
    let _ = writeln!(
        out,
        "This tool answers to the name \\fB{}\\fR too: it takes the commands and options of Open vSwitch's tool of that name and \
         prints what that prints.",
        escape(other)
    );
    for line in &page.text {
        let _ = writeln!(out, "{}", if line.is_empty() { ".PP".to_string() } else { escape(line) });
    }
    while let Some(shorter) = out.strip_suffix(".PP\n") {
        out = shorter.to_string();
    }
    let mut title = "";
    for section in &page.sections {
        let options = section.entries.iter().all(|entry| entry.words.iter().all(|words| is_option(words)));
        let above = if options { "OPTIONS" } else { "COMMANDS" };
        if above != title {
            let _ = writeln!(out, ".SH {above}");
            title = above;
        }
        if !section.title.eq_ignore_ascii_case(above) {
            let _ = writeln!(out, ".SS {}", escape(&section.title));
        }
        for entry in &section.entries {
            for (at, words) in entry.words.iter().enumerate() {
                let _ = writeln!(out, "{}\n{}", if at == 0 { ".TP" } else { ".TQ" }, bold(words));
            }
            let _ = writeln!(out, "{}", sentence(&entry.help));
        }
    }
    out += more;
    let _ = writeln!(out, ".SH SEE ALSO\n{}({section}), ovs\\-vswitchd.conf.db(5), ovsdb(7)", escape(other));
    out
}

/// A command's name or an option's forms stand out.
fn bold(words: &str) -> String {
    let mut out = String::new();
    let mut named = false;
    for (at, word) in words.split(' ').enumerate() {
        if at > 0 {
            out.push(' ');
        }
        let is_name = is_option(word) || (!named && !is_option(words) && !word.starts_with('['));
        let end = if is_option(word) {
            word.find(['=', '[']).unwrap_or(word.trim_end_matches(',').len())
        } else {
            word.len()
        };
        let _ = match is_name {
            true => write!(out, "\\fB{}\\fR{}", escape(&word[..end]), escape(&word[end..])),
            false => write!(out, "{}", escape(word)),
        };
        named |= is_name;
    }
    out
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    escape(&format!("{first}{}{}", chars.as_str(), if text.is_empty() || text.ends_with('.') { "" } else { "." }))
}

/// Text that troff leaves as it is.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
