//! How a line of flow syntax falls into words: `key`, `key=value`, `key:value`, `key(value)`, `key(value)->more`.

/// One word of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// What stands before `=`, `:` or `(`.
    pub key: &'a str,
    /// What stands behind; `None` when there is no delimiter at all.
    pub value: Option<&'a str>,
    /// What follows `)`, as in `check_pkt_larger(100)->reg0[0]`.
    pub rest: &'a str,
    /// The whole word.
    pub all: &'a str,
}

impl<'a> Word<'a> {
    /// The value, empty if there is none.
    pub fn text(&self) -> &'a str {
        self.value.unwrap_or_default()
    }
}

/// The words of a line: separated by commas and white space, but not inside parentheses or quotes.
pub struct Words<'a> {
    left: &'a str,
}

impl<'a> Words<'a> {
    /// The words of `line`.
    pub fn of(line: &'a str) -> Words<'a> {
        Words { left: line }
    }
}

/// What a byte means to words; all that counts is ASCII, so bytes will do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Separator,
    Delimiter,
    Opens,
    Closes,
    Quote,
}

static CLASSES: [Class; 256] = {
    let mut classes = [Class::Letter; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b',' | b' ' | b'\t' | b'\r' | b'\n' => Class::Separator,
            b'=' | b':' => Class::Delimiter,
            b'(' => Class::Opens,
            b')' => Class::Closes,
            b'"' => Class::Quote,
            _ => Class::Letter,
        };
        byte += 1;
    }
    classes
};

fn is_separator(byte: u8) -> bool {
    CLASSES[usize::from(byte)] == Class::Separator
}

/// Where the word at the start of `text` ends: at the first separator outside of parentheses and quotes. And
/// where its first delimiter is.
fn end_of_word(text: &str) -> (usize, Option<usize>) {
    let bytes = text.as_bytes();
    let mut depth = 0u32;
    let mut delimiter = None;
    let mut at = 0;
    while at < bytes.len() {
        match CLASSES[usize::from(bytes[at])] {
            Class::Letter => {}
            Class::Separator if depth == 0 => break,
            Class::Separator => {}
            Class::Delimiter => delimiter = delimiter.or(Some(at)),
            Class::Opens => {
                depth += 1;
                delimiter = delimiter.or(Some(at));
            }
            Class::Closes => depth = depth.saturating_sub(1),
            Class::Quote => at = end_of_quote(bytes, at, &mut delimiter),
        }
        at += 1;
    }
    (at.min(bytes.len()), delimiter)
}

/// Where the quote that begins at `start` ends.
fn end_of_quote(bytes: &[u8], start: usize, delimiter: &mut Option<usize>) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        if matches!(bytes[at], b'=' | b':' | b'(') {
            *delimiter = delimiter.or(Some(at));
        }
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at
}

/// Where the parenthesis that is open before `text` closes.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1u32;
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return Some(i);
                }
            }
            _ => {}
        }
    }
    None
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let start = self.left.bytes().position(|byte| !is_separator(byte))?;
        self.left = &self.left[start..];
        let (end, delimiter) = end_of_word(self.left);
        let (all, left) = self.left.split_at(end);
        self.left = left;
        let quoted = all.starts_with('"');
        Some(match delimiter.filter(|_| !quoted) {
            None => Word { key: all, value: None, rest: "", all },
            Some(at) => {
                let (key, behind) = (&all[..at], &all[at + 1..]);
                match closing(behind).filter(|_| all.as_bytes()[at] == b'(') {
                    Some(end) => Word { key, value: Some(&behind[..end]), rest: &behind[end + 1..], all },
                    None => Word { key, value: Some(behind), rest: "", all },
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<(&str, Option<&str>, &str)> {
        Words::of(line).map(|w| (w.key, w.value, w.rest)).collect()
    }

    #[test]
    fn words_end_outside_of_parentheses() {
        assert_eq!(
            words("output:1, resubmit(,2) learn(a=b,c),check_pkt_larger(1)->reg0[0..3],x=1:2,drop"),
            [
                ("output", Some("1"), ""),
                ("resubmit", Some(",2"), ""),
                ("learn", Some("a=b,c"), ""),
                ("check_pkt_larger", Some("1"), "->reg0[0..3]"),
                ("x", Some("1:2"), ""),
                ("drop", None, ""),
            ]
        );
        assert_eq!(words(" ,, "), []);
        assert_eq!(words("\"a,b\""), [("\"a,b\"", None, "")]);
        assert_eq!(words("ct(nat(src=1.1.1.1))"), [("ct", Some("nat(src=1.1.1.1)"), "")]);
        assert_eq!(words("open(1"), [("open", Some("1"), "")]);
    }
}
