//! What: cuts a byte stream into JSON values.
//!
//! Why: JSON-RPC over a stream has no length prefix; messages are objects one after another, with or
//! without white space between them. A parser that is called again for each arriving chunk would be
//! quadratic in the size of a message, so a small scanner finds the end first and each byte is looked at
//! once.
//!
//! ```text
//!   push(bytes) ──> [ consumed | scanned ... | not yet scanned ] ──> next() ──> Value
//!                     start^         scan^
//! ```
//!
//! Invariants: a value longer than `max_size` or nested deeper than `max_depth` is an error before it is
//! built; after an error the splitter stays in error.

use serde_json::Value;

/// Longest message taken from a peer. A whole database arrives in one message, so this is generous.
pub const MAX_SIZE: usize = 1 << 30;
/// Deepest nesting taken from a peer; `serde_json` itself stops at 128.
pub const MAX_DEPTH: usize = 120;

/// Why the stream cannot be read any further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// A message began with something else than an object or array.
    #[error("syntax error at beginning of input")]
    Start,
    /// The scanner found the end, the parser disagrees with what is inside.
    #[error("{0}")]
    Syntax(String),
    /// Longer than the limit.
    #[error("message longer than {max} bytes")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// Nested deeper than the limit.
    #[error("input exceeds maximum nesting depth {max}")]
    TooDeep {
        /// The limit.
        max: usize,
    },
}

/// Incremental cutter; see the module's header.
#[derive(Debug)]
pub struct Splitter {
    buffer: Vec<u8>,
    start: usize,
    scan: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
    failed: Option<FramingError>,
    max_size: usize,
    max_depth: usize,
}

impl Default for Splitter {
    fn default() -> Self {
        Splitter::with_limits(MAX_SIZE, MAX_DEPTH)
    }
}

impl Splitter {
    /// A splitter with limits of its own.
    pub fn with_limits(max_size: usize, max_depth: usize) -> Splitter {
        Splitter {
            buffer: Vec::new(),
            start: 0,
            scan: 0,
            depth: 0,
            in_string: false,
            escaped: false,
            failed: None,
            max_size,
            max_depth: max_depth.min(MAX_DEPTH),
        }
    }

    /// Takes what the peer sent.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        if self.start > 0 && self.start * 2 >= self.buffer.len() {
            self.buffer.drain(..self.start);
            self.scan -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole value, `None` if more bytes are needed.
    pub fn next_value(&mut self) -> Result<Option<Value>, FramingError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = match self.find_end() {
            Ok(Some(end)) => self.take(end).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        if let Err(error) = &result {
            self.failed = Some(error.clone());
            self.buffer = Vec::new();
            (self.start, self.scan) = (0, 0);
        }
        result
    }

    /// Does a partial message wait for its end?
    pub fn is_partial(&self) -> bool {
        self.start < self.buffer.len()
    }

    /// Looks at each new byte once; the end of a value is where its last bracket closes.
    fn find_end(&mut self) -> Result<Option<usize>, FramingError> {
        while self.scan < self.buffer.len() {
            let byte = self.buffer[self.scan];
            if self.scan - self.start >= self.max_size {
                return Err(FramingError::TooLong { max: self.max_size });
            }
            self.scan += 1;
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'{' | b'[' => {
                    self.depth += 1;
                    if self.depth > self.max_depth {
                        return Err(FramingError::TooDeep { max: self.max_depth });
                    }
                }
                _ if self.depth == 0 => {
                    if !byte.is_ascii_whitespace() {
                        return Err(FramingError::Start);
                    }
                    self.start = self.scan;
                }
                b'"' => self.in_string = true,
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Ok(Some(self.scan));
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn take(&mut self, end: usize) -> Result<Value, FramingError> {
        let value = serde_json::from_slice(&self.buffer[self.start..end]);
        self.start = end;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.buffer.shrink_to(64 * 1024);
            self.start = 0;
            self.scan = 0;
        }
        value.map_err(|error| FramingError::Syntax(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn all(splitter: &mut Splitter) -> Vec<Value> {
        std::iter::from_fn(|| splitter.next_value().unwrap()).collect()
    }

    #[test]
    fn values_follow_each_other_without_newlines() {
        let mut splitter = Splitter::default();
        splitter.push(br#"{"a":"}{\"\\"}[1,2] {"b":{}}{"c""#);
        assert_eq!(all(&mut splitter), [json!({"a": "}{\"\\"}), json!([1, 2]), json!({"b": {}})]);
        assert!(splitter.is_partial());
        splitter.push(b":3}\n");
        assert_eq!(all(&mut splitter), [json!({"c": 3})]);
        assert!(!splitter.is_partial());
    }

    #[test]
    fn limits_hold() {
        let mut splitter = Splitter::with_limits(10, 3);
        splitter.push(b"[[[[");
        assert_eq!(splitter.next_value(), Err(FramingError::TooDeep { max: 3 }));
        let mut splitter = Splitter::with_limits(10, 3);
        splitter.push(b"[\"0123456789\"]");
        assert_eq!(splitter.next_value(), Err(FramingError::TooLong { max: 10 }));
        assert_eq!(splitter.next_value(), Err(FramingError::TooLong { max: 10 }));
        let mut splitter = Splitter::default();
        splitter.push(b"x");
        assert_eq!(splitter.next_value(), Err(FramingError::Start));
        let mut splitter = Splitter::default();
        splitter.push(b"{]");
        assert!(matches!(splitter.next_value(), Err(FramingError::Syntax(_))));
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        let inner = leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((".*", inner), 0..5).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        });
        inner.prop_map(|value| if value.is_object() || value.is_array() { value } else { json!([value]) })
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(values in prop::collection::vec(json_value(), 1..5), cuts in prop::collection::vec(1usize..40, 1..40)) {
            let text: String = values.iter().map(|value| value.to_string()).collect();
            let mut splitter = Splitter::default();
            let mut rest = text.as_bytes();
            let mut got = Vec::new();
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                splitter.push(now);
                got.extend(all(&mut splitter));
                rest = later;
                if rest.is_empty() { break; }
            }
            prop_assert_eq!(got, values);
            prop_assert!(!splitter.is_partial());
        }
    }

    #[test]
    fn any_bytes_are_cut_or_refused() {
        bolero::check!().with_type::<Vec<Vec<u8>>>().for_each(|chunks| {
            let mut splitter = Splitter::with_limits(1000, 10);
            for chunk in chunks {
                splitter.push(chunk);
                while let Ok(Some(_)) = splitter.next_value() {}
            }
        });
    }
}
