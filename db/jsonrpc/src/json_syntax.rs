//! What: why a text is no JSON, in the words that OVSDB's users and their scripts know.
//!
//! Why: parsing proper is serde's; its complaints name lines and columns from one and use other words. This reader runs only
//! after serde has refused a text, so it may be slow, but must be right about where the trouble is.
//!
//! ```text
//!   chars ─> Lexer ─> token, with the place behind it ─> Parser: a state per place in an array or object
//! ```
//!
//! Invariants: a place is the number of characters and lines taken in before the one at fault. Texts of arrays and objects
//! only: OVSDB never sends anything else.

/// What is wrong with a text and where; `None`: nothing that this reader knows of.
pub fn complaint(text: &str) -> Option<String> {
    let mut reader = Reader { rest: text.chars().peekable(), line: 0, column: 0, byte: 0 };
    let mut parser = Parser { state: State::Start, depth: Vec::new() };
    let wrong = loop {
        match reader.token() {
            Ok(Some(token)) => {
                if let Err(wrong) = parser.token(&token) {
                    break wrong.to_string();
                }
                // A bracket, or the quotation mark that ends a string, is taken in only once it has found its place.
                if token != Token::Scalar {
                    reader.take();
                }
            }
            Ok(None) if parser.state == State::End => return None,
            Ok(None) if parser.state == State::Start => break "empty input stream".to_string(),
            Ok(None) => break "unexpected end of input".to_string(),
            Err(wrong) => break wrong,
        }
    };
    let Reader { line, column, byte, .. } = reader;
    Some(format!("line {line}, column {column}, byte {byte}: {wrong}"))
}

/// The same after serde has refused a text: never without words.
pub fn explain(text: &str, error: &serde_json::Error) -> String {
    complaint(text).unwrap_or_else(|| error.to_string())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    String,
    Scalar,
    Mark(char),
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
    column: usize,
    byte: usize,
}

impl Reader<'_> {
    fn take(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.byte += c.len_utf8();
        match c {
            '\n' => (self.line, self.column) = (self.line + 1, 0),
            _ => self.column += c.len_utf8(),
        }
        Some(c)
    }

    fn token(&mut self) -> Result<Option<Token>, String> {
        while self.rest.peek().is_some_and(|c| matches!(c, ' ' | '\t' | '\r' | '\n')) {
            self.take();
        }
        match self.rest.peek().copied() {
            None => Ok(None),
            Some('"') => self.string().map(Some),
            Some(c @ ('[' | ']' | '{' | '}' | ':' | ',')) => Ok(Some(Token::Mark(c))),
            Some(c) if c.is_ascii_alphabetic() => {
                let word = self.run(|c| c.is_ascii_alphabetic());
                match word.as_str() {
                    "true" | "false" | "null" => Ok(Some(Token::Scalar)),
                    _ => Err(format!("invalid keyword '{word}'")),
                }
            }
            Some(c) if c == '-' || c.is_ascii_digit() => {
                number(&self.run(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E')))?;
                Ok(Some(Token::Scalar))
            }
            Some(c) if c.is_ascii_graphic() => Err(format!("invalid character '{c}'")),
            Some(c) => Err(format!("invalid character U+{:04x}", u32::from(c))),
        }
    }

    fn run(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let mut word = String::new();
        while self.rest.peek().is_some_and(|c| belongs(*c)) {
            word.extend(self.take());
        }
        word
    }

    /// Up to the quotation mark that ends it.
    fn string(&mut self) -> Result<Token, String> {
        self.take();
        let mut inside = String::new();
        loop {
            match self.rest.peek().copied() {
                None => return Err("unexpected end of input in quoted string".to_string()),
                Some('"') => break,
                Some(c) if (c as u32) < 0x20 => {
                    return Err(format!("U+{:04X} must be escaped in quoted string", u32::from(c)));
                }
                Some('\\') => {
                    inside.extend(self.take());
                    match self.take() {
                        None => return Err("unexpected end of input in quoted string".to_string()),
                        next => inside.extend(next),
                    }
                }
                Some(_) => inside.extend(self.take()),
            }
        }
        escapes(&inside)?;
        Ok(Token::String)
    }
}

/// Are a quoted text's escapes what they should be?
fn escapes(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let escape = rest[at + 1..].chars().next().unwrap_or(' ');
        rest = &rest[at + 1 + escape.len_utf8()..];
        if escape == 'u' {
            let (unit, after) = hex4(rest)?;
            rest = after;
            if (0xd800..0xdc00).contains(&unit) {
                let Some(second) = rest.strip_prefix("\\u") else {
                    return Err("malformed escaped surrogate pair".to_string());
                };
                let (unit, after) = hex4(second)?;
                if !(0xdc00..0xe000).contains(&unit) {
                    return Err("second half of escaped surrogate pair is not trailing surrogate".to_string());
                }
                rest = after;
            } else if unit == 0 {
                return Err("null bytes not supported in quoted strings".to_string());
            }
        } else if !"\"\\/bfnrt".contains(escape) {
            return Err(format!("bad escape \\{escape}"));
        }
    }
    Ok(())
}

fn hex4(text: &str) -> Result<(u32, &str), String> {
    if text.chars().count() < 4 {
        return Err("quoted string ends within \\u escape".to_string());
    }
    let digits = text.get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    unit.map(|unit| (unit, &text[4..])).ok_or_else(|| "malformed \\u escape".to_string())
}

fn number(text: &str) -> Result<(), &'static str> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text.strip_prefix('-').unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 {
        return Err("'-' must be followed by digit");
    }
    if whole > 1 && rest.starts_with('0') {
        return Err("leading zeros not allowed");
    }
    let mut rest = &rest[whole..];
    if let Some(after) = rest.strip_prefix('.') {
        if digits(after) == 0 {
            return Err("decimal point must be followed by digit");
        }
        rest = &after[digits(after)..];
    }
    if let Some(after) = rest.strip_prefix(['e', 'E']) {
        let after = after.strip_prefix(['+', '-']).unwrap_or(after);
        if digits(after) == 0 {
            return Err("exponent must contain at least one digit");
        }
        rest = &after[digits(after)..];
    }
    match text.parse::<f64>() {
        _ if !rest.is_empty() => Err("syntax error in number"),
        Ok(number) if number.is_finite() => Ok(()),
        _ => Err("number outside valid range"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    End,
    /// Behind `[`.
    FirstItem,
    /// Behind a comma in an array.
    Item,
    /// Behind an array's value.
    AfterItem,
    /// Behind `{`.
    FirstName,
    /// Behind a comma in an object.
    Name,
    Colon,
    Value,
    AfterValue,
}

struct Parser {
    state: State,
    /// The state behind each collection that is open.
    depth: Vec<State>,
}

impl Parser {
    fn token(&mut self, token: &Token) -> Result<(), &'static str> {
        use State::{AfterItem, AfterValue, Colon, End, FirstItem, FirstName, Item, Name, Start, Value};
        self.state = match (self.state, token) {
            (Start, Token::Mark(open @ ('[' | '{'))) => self.open(*open, End)?,
            (Start, _) => return Err("syntax error at beginning of input"),
            (End, _) => return Err("trailing garbage at end of input"),
            (FirstItem, Token::Mark(']')) => self.close(),
            (FirstItem | Item, Token::Mark(open @ ('[' | '{'))) => self.open(*open, AfterItem)?,
            (FirstItem | Item, Token::String | Token::Scalar) => AfterItem,
            (AfterItem, Token::Mark(',')) => Item,
            (AfterItem, Token::Mark(']')) => self.close(),
            (AfterItem, _) => return Err("syntax error expecting ']' or ','"),
            (FirstName, Token::Mark('}')) => self.close(),
            (FirstName | Name, Token::String) => Colon,
            (FirstName | Name, _) => return Err("syntax error parsing object expecting string"),
            (Colon, Token::Mark(':')) => Value,
            (Colon, _) => return Err("syntax error parsing object expecting ':'"),
            (Value, Token::Mark(open @ ('[' | '{'))) => self.open(*open, AfterValue)?,
            (Value, Token::String | Token::Scalar) => AfterValue,
            (AfterValue, Token::Mark(',')) => Name,
            (AfterValue, Token::Mark('}')) => self.close(),
            (AfterValue, _) => return Err("syntax error expecting '}' or ','"),
            (FirstItem | Item | Value, Token::Mark(_)) => return Err("syntax error expecting value"),
        };
        Ok(())
    }

    fn open(&mut self, bracket: char, then: State) -> Result<State, &'static str> {
        if self.depth.len() >= DEEPEST {
            return Err("input exceeds maximum nesting depth 1000");
        }
        self.depth.push(then);
        Ok(if bracket == '[' { State::FirstItem } else { State::FirstName })
    }

    fn close(&mut self) -> State {
        self.depth.pop().unwrap_or(State::End)
    }
}

const DEEPEST: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_words_are_those_of_the_real_tools() {
        // Each captured from ovsdb-tool schema-name.
        for (text, wanted) in [
            ("", "line 0, column 0, byte 0: empty input stream"),
            ("x", "line 0, column 1, byte 1: invalid keyword 'x'"),
            ("hello world\n", "line 0, column 5, byte 5: invalid keyword 'hello'"),
            ("[\"mydb", "line 0, column 6, byte 6: unexpected end of input in quoted string"),
            ("[[", "line 0, column 2, byte 2: unexpected end of input"),
            ("{\"name\":\"5\"\n", "line 1, column 0, byte 12: unexpected end of input"),
            ("{\"a\":1,}", "line 0, column 7, byte 7: syntax error parsing object expecting string"),
            ("{\"a\" 1}", "line 0, column 6, byte 6: syntax error parsing object expecting ':'"),
            ("{1:2}", "line 0, column 2, byte 2: syntax error parsing object expecting string"),
            ("[,]", "line 0, column 1, byte 1: syntax error expecting value"),
            ("[1,]", "line 0, column 3, byte 3: syntax error expecting value"),
            ("[1 2]", "line 0, column 4, byte 4: syntax error expecting ']' or ','"),
            ("]", "line 0, column 0, byte 0: syntax error at beginning of input"),
            ("{\"a\":1]", "line 0, column 6, byte 6: syntax error expecting '}' or ','"),
            ("\"abc", "line 0, column 4, byte 4: unexpected end of input in quoted string"),
            ("\"a\\x\"", "line 0, column 4, byte 4: bad escape \\x"),
            ("\"a\\u12\"", "line 0, column 6, byte 6: quoted string ends within \\u escape"),
            ("\"a\\u12x4\"", "line 0, column 8, byte 8: malformed \\u escape"),
            ("\"a\\ud800\"", "line 0, column 8, byte 8: malformed escaped surrogate pair"),
            (
                "\"a\\ud800\\u0041\"",
                "line 0, column 14, byte 14: second half of escaped surrogate pair is not trailing surrogate",
            ),
            ("\"a\\u0000\"", "line 0, column 8, byte 8: null bytes not supported in quoted strings"),
            ("\"a\nb\"", "line 0, column 2, byte 2: U+000A must be escaped in quoted string"),
            ("\"a\\", "line 0, column 3, byte 3: unexpected end of input in quoted string"),
            ("01", "line 0, column 2, byte 2: leading zeros not allowed"),
            ("1.x", "line 0, column 2, byte 2: decimal point must be followed by digit"),
            (".5", "line 0, column 0, byte 0: invalid character '.'"),
            ("-", "line 0, column 1, byte 1: '-' must be followed by digit"),
            ("1e+", "line 0, column 3, byte 3: exponent must contain at least one digit"),
            ("1e400", "line 0, column 5, byte 5: number outside valid range"),
            ("1x", "line 0, column 1, byte 1: syntax error at beginning of input"),
            ("[1]x", "line 0, column 4, byte 4: invalid keyword 'x'"),
            ("[1] [2]", "line 0, column 4, byte 4: trailing garbage at end of input"),
            ("\"abc\"def", "line 0, column 4, byte 4: syntax error at beginning of input"),
            ("\x01", "line 0, column 0, byte 0: invalid character U+0001"),
            ("[1,\n2,\n x]", "line 2, column 2, byte 9: invalid keyword 'x'"),
            ("[1,2,,3]", "line 0, column 5, byte 5: syntax error expecting value"),
            ("{\"a\":{\"b\":[1,{\"c\":}]}}", "line 0, column 18, byte 18: syntax error expecting value"),
            ("1.5.5", "line 0, column 5, byte 5: syntax error in number"),
        ] {
            assert_eq!(complaint(text).as_deref(), Some(wanted), "{text:?}");
        }
        let deep = "[".repeat(1001) + &"]".repeat(1001);
        let wanted = "line 0, column 1000, byte 1000: input exceeds maximum nesting depth 1000";
        assert_eq!(complaint(&deep).as_deref(), Some(wanted));
        assert_eq!(complaint("[1,{\"a\":[true,-1.5e3,\"x\\n\\ud83d\\ude00\"]},{}, []]"), None);
    }

    #[test]
    fn what_serde_takes_there_is_nothing_to_complain_about() {
        bolero::check!().with_type::<String>().for_each(|text| {
            let said = complaint(text);
            let is_collection = |v: serde_json::Value| v.is_array() || v.is_object();
            if serde_json::from_str(text).is_ok_and(is_collection) {
                assert!(said.is_none() || text.contains("\\u"), "{text:?}: {said:?}");
            }
        });
    }
}
