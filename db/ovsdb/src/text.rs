//! The values' text form, as users write and read it with ovs-vsctl ("Database Values" in ovs-vsctl(8)).
//!
//! Printing: [`Datum::to_text`] quotes strings that could be taken for something else, [`Datum::to_bare_text`] strips
//! all punctuation. Parsing: [`Datum::from_text`]; its refusals are plain sentences, as the tools print them.

use crate::atom::{Atom, AtomType, NamedUuids, format_real, parse_uuid, write_json_string};
use crate::datum::{Datum, Duplicate};
use crate::types::{BaseType, ColumnType, UNLIMITED};

/// The largest range `A-B` of integers that may be written in one word.
const MAX_RANGE: i64 = 4096;

impl Atom {
    /// The text form; strings are quoted if needed.
    pub fn to_text(&self) -> String {
        match self {
            Atom::String(s) if needs_quotes(s) => {
                let mut out = String::new();
                write_json_string(s, &mut out);
                out
            }
            _ => self.to_bare_text(),
        }
    }

    /// The text form; strings are never quoted.
    pub fn to_bare_text(&self) -> String {
        match self {
            Atom::Integer(i) => i.to_string(),
            Atom::Real(r) => format_real(*r),
            Atom::Boolean(b) => b.to_string(),
            Atom::String(s) => s.to_string(),
            Atom::Uuid(u) => u.to_string(),
        }
    }

    /// Reads one atom of type `base` from all of `text`, checking its constraint. `names` resolves `@NAME`.
    pub fn from_text(text: &str, base: &BaseType, names: Option<&mut dyn NamedUuids>) -> Result<Atom, String> {
        let atom = match base.kind {
            AtomType::Integer => {
                Atom::Integer(decimal(text).ok_or_else(|| format!("\"{text}\" is not a valid integer or range"))?)
            }
            AtomType::Real => match text.parse::<f64>() {
                Ok(r) if r.is_finite() && text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) => {
                    Atom::Real(if r == 0.0 { 0.0 } else { r })
                }
                _ => return Err(format!("\"{text}\" is not a valid real number")),
            },
            AtomType::Boolean => match text {
                "true" | "yes" | "on" | "1" => Atom::Boolean(true),
                "false" | "no" | "off" | "0" => Atom::Boolean(false),
                _ => return Err(format!("\"{text}\" is not a valid boolean (use \"true\" or \"false\")")),
            },
            AtomType::String if text.is_empty() => {
                return Err("An empty string is not valid as input; use \"\" to represent the empty string".into());
            }
            AtomType::String if text.starts_with('"') => Atom::from(unquote(text)?),
            AtomType::String => Atom::from(text),
            AtomType::Uuid => match (text.strip_prefix('@'), names) {
                (Some(_), Some(names)) if base.is_weak() => Atom::Uuid(names.resolve_weakly(text)),
                (Some(_), Some(names)) => Atom::Uuid(names.resolve(text)),
                _ => Atom::Uuid(parse_uuid(text).ok_or_else(|| format!("\"{text}\" is not a valid UUID"))?),
            },
        };
        base.check(&atom).map_err(|e| e.to_string())?;
        Ok(atom)
    }
}

impl Datum {
    /// The text form: `[a, b]`, `{k=v}`, or a lone atom; none is `[]` or `{}`.
    pub fn to_text(&self) -> String {
        match self {
            Datum::One(atom) => atom.to_text(),
            Datum::Set(atoms) => {
                format!("[{}]", atoms.iter().map(Atom::to_text).collect::<Vec<_>>().join(", "))
            }
            Datum::Map(pairs) => {
                let pairs = pairs.iter().map(|(k, v)| format!("{}={}", k.to_text(), v.to_text()));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// As [`Datum::to_text`] with the type's brackets: `[5]` where a column may hold more than one.
    pub fn to_text_as(&self, kind: &ColumnType) -> String {
        match self {
            Datum::One(atom) if kind.max > 1 => format!("[{}]", atom.to_text()),
            _ => self.to_text(),
        }
    }

    /// The text form without brackets, commas and quotes.
    pub fn to_bare_text(&self) -> String {
        match self {
            Datum::Map(pairs) => {
                let pairs = pairs.iter().map(|(k, v)| format!("{}={}", k.to_bare_text(), v.to_bare_text()));
                pairs.collect::<Vec<_>>().join(" ")
            }
            _ => self.atoms().iter().map(Atom::to_bare_text).collect::<Vec<_>>().join(" "),
        }
    }

    /// Reads a value of type `kind` from all of `text`, checking size and constraints. `names` resolves `@NAME`.
    pub fn from_text(text: &str, kind: &ColumnType, names: Option<&mut dyn NamedUuids>) -> Result<Datum, String> {
        let mut reader = Reader { text, rest: text, kind, names };
        let datum = reader.datum()?;
        let n = datum.len();
        if n > kind.max as usize {
            return Err(format!("{text}: {n} value(s) specified but the maximum number is {}", kind.max));
        }
        if n < kind.min as usize {
            return Err(format!("{text}: {n} value(s) specified but the minimum number is {}", kind.min));
        }
        Ok(datum)
    }
}

impl ColumnType {
    /// The type in English, for messages: "set of up to 4096 integers", "map of (string, string) pairs".
    pub fn to_english(&self) -> String {
        let class = if self.is_map() { "map" } else { "set" };
        if self.is_scalar() {
            return self.key.kind.name().into();
        }
        let amount = match (self.min, self.max) {
            (0, UNLIMITED) => String::new(),
            (min, UNLIMITED) => format!("{min} or more "),
            (0, max) => format!("up to {max} "),
            (min, max) => format!("{min} to {max} "),
        };
        match &self.value {
            Some(value) => format!("{class} of {amount}({}, {}) pairs", self.key.kind.name(), value.kind.name()),
            None => format!("{class} of {amount}{}s", self.key.kind.name()),
        }
    }
}

/// Whether a string must be quoted so that it is not taken for another type or cut in pieces.
pub fn needs_quotes(s: &str) -> bool {
    let mut bytes = s.bytes();
    let Some(first) = bytes.next() else { return true };
    !(first.is_ascii_alphabetic() || first == b'_')
        || !bytes.all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        || s == "true"
        || s == "false"
        || parse_uuid(s).is_some()
}

/// Takes one word, which may be a quoted string, from the front of `text`: (word, rest). The word keeps its quotes.
pub fn take_word(text: &str) -> Result<(&str, &str), String> {
    if !text.starts_with('"') {
        let end = text.find([':', '=', ',', ' ', '[', ']', '{', '}', '!', '<', '>']).unwrap_or(text.len());
        return Ok(text.split_at(end));
    }
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Ok(text.split_at(at + 1)),
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    Err(format!("{text}: quoted string extends past end of argument"))
}

/// What a word of [`take_word`] means as a string.
pub fn unquote(word: &str) -> Result<String, String> {
    if !word.starts_with('"') {
        return Ok(word.to_owned());
    }
    let inner = word.len() >= 2 && word.ends_with('"');
    if !inner {
        return Err(format!("{word}: missing quote at end of quoted string"));
    }
    serde_json::from_str(word).map_err(|e| {
        let escape = word.find('\\').map(|at| word[at + 1..].chars().next().unwrap_or('"'));
        match escape {
            Some(c) if !"\"\\/bfnrtu".contains(c) => format!("{word}: bad escape \\{c}"),
            _ => format!("{word}: {e}"),
        }
    })
}

struct Reader<'a, 'n> {
    text: &'a str,
    rest: &'a str,
    kind: &'a ColumnType,
    names: Option<&'n mut dyn NamedUuids>,
}

impl<'a> Reader<'a, '_> {
    fn datum(&mut self) -> Result<Datum, String> {
        let (open, close) = if self.kind.is_map() { ('{', '}') } else { ('[', ']') };
        self.skip_spaces();
        let bracketed = self.eat(open);
        let mut atoms = Vec::new();
        let mut pairs = Vec::new();
        loop {
            self.skip_spaces();
            if self.rest.is_empty() || (bracketed && self.rest.starts_with(close)) {
                break;
            }
            match &self.kind.value {
                None => self.elements(&mut atoms)?,
                Some(value) => {
                    let pair = self.rest;
                    let key = self.atom(&self.kind.key)?;
                    self.skip_spaces();
                    if !self.eat('=') {
                        return Err(match self.rest.chars().next() {
                            Some(c) => format!("{pair}: syntax error at \"{c}\" expecting \"=\""),
                            None => format!("{pair}: syntax error at \""),
                        });
                    }
                    self.skip_spaces();
                    pairs.push((key, self.atom(value)?));
                }
            }
            self.end_of_item()?;
        }
        if bracketed {
            if !self.eat(close) {
                return Err(format!("{}: missing \"{close}\" at end of data", self.text));
            }
            self.skip_spaces();
            if !self.rest.is_empty() {
                return Err(format!("{}: trailing garbage after \"{close}\"", self.text));
            }
        }
        let datum = if self.kind.is_map() { Datum::map(pairs) } else { Datum::set(atoms) };
        datum.map_err(|duplicate| match duplicate {
            Duplicate::InSet => format!("{}: set contains duplicate value", self.text),
            Duplicate::InMap => format!("{}: map contains duplicate key", self.text),
        })
    }

    /// One element of a set; of integers, also a range `A-B`.
    fn elements(&mut self, atoms: &mut Vec<Atom>) -> Result<(), String> {
        if self.kind.key.kind != AtomType::Integer {
            atoms.push(self.atom(&self.kind.key)?);
            return Ok(());
        }
        let word = self.word()?;
        let (first, last) = integer_range(word)?;
        for i in first..=last {
            let atom = Atom::Integer(i);
            self.kind.key.check(&atom).map_err(|e| e.to_string())?;
            atoms.push(atom);
        }
        Ok(())
    }

    fn atom(&mut self, base: &BaseType) -> Result<Atom, String> {
        let word = self.word()?;
        if base.kind == AtomType::Integer {
            let (first, last) = integer_range(word)?;
            let atom = Atom::Integer(first);
            base.check(&atom).map_err(|e| e.to_string())?;
            return if first == last { Ok(atom) } else { Err(format!("\"{word}\" is not a valid integer")) };
        }
        Atom::from_text(word, base, self.names.as_mut().map(|n| &mut **n as &mut dyn NamedUuids))
    }

    fn word(&mut self) -> Result<&'a str, String> {
        let (word, rest) = take_word(self.rest)?;
        match self.rest.chars().next() {
            Some(c) if word.is_empty() => Err(self.unexpected(c)),
            _ => {
                self.rest = rest;
                Ok(word)
            }
        }
    }

    fn end_of_item(&mut self) -> Result<(), String> {
        let before = self.rest.len();
        self.skip_spaces();
        let spaced = self.rest.len() != before;
        if self.eat(',') || spaced || self.rest.is_empty() {
            return Ok(());
        }
        match self.rest.chars().next() {
            Some(']') if !self.kind.is_map() && self.text.trim_start().starts_with('[') => Ok(()),
            Some('}') if self.kind.is_map() && self.text.trim_start().starts_with('{') => Ok(()),
            Some(c) => Err(self.unexpected(c)),
            None => Ok(()),
        }
    }

    fn unexpected(&self, c: char) -> String {
        format!("{}: unexpected \"{c}\" parsing {}", self.text, self.kind.to_english())
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

/// A decimal integer with an optional sign, as C's strtoll with base 10 takes it.
fn decimal(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn integer_range(word: &str) -> Result<(i64, i64), String> {
    if let Some(i) = decimal(word) {
        return Ok((i, i));
    }
    let invalid = || format!("\"{word}\" is not a valid integer or range");
    let dash = word.char_indices().skip(1).find(|&(_, c)| c == '-').map(|(at, _)| at).ok_or_else(invalid)?;
    let first = decimal(&word[..dash]).ok_or_else(invalid)?;
    let last = decimal(&word[dash + 1..]).ok_or_else(invalid)?;
    if last < first {
        return Err(format!("\"{word}\" is not a valid range. Range end cannot be before start."));
    }
    if last.checked_sub(first).is_none_or(|n| n >= MAX_RANGE) {
        return Err(format!("\"{word}\" is not a valid range. Range cannot be larger than {MAX_RANGE}."));
    }
    Ok((first, last))
}
