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

fn is_separator(c: char) -> bool {
    matches!(c, ',' | ' ' | '\t' | '\r' | '\n')
}

/// Where the word at the start of `text` ends: at the first separator outside of parentheses and quotes.
fn end_of_word(text: &str) -> usize {
    let mut depth = 0u32;
    let mut quoted = false;
    let mut escaped = false;
    for (i, c) in text.char_indices() {
        if quoted {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match c {
            '"' => quoted = true,
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && is_separator(c) => return i,
            _ => {}
        }
    }
    text.len()
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
        self.left = self.left.trim_start_matches(is_separator);
        if self.left.is_empty() {
            return None;
        }
        let (all, left) = self.left.split_at(end_of_word(self.left));
        self.left = left;
        let quoted = all.starts_with('"');
        let delimiter = all.find(['=', ':', '(']).filter(|_| !quoted);
        Some(match delimiter {
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
