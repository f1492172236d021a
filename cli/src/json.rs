//! What: JSON as people see it: members in order of their names, compact or one to a line.

use serde_json::Value;

/// On one line.
pub use weft_ovsdb::error::compact_sorted as compact;

/// Members and elements on lines of their own, two spaces for each level.
pub fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

/// Either.
pub fn text(value: &Value, is_pretty: bool) -> String {
    if is_pretty { pretty(value) } else { compact(value) }
}

/// A closing bracket follows the last element on its line; an empty collection takes none of its own.
fn write(value: &Value, depth: usize, out: &mut String) {
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', depth * 2));
    };
    match value {
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                line(out, depth + 1);
                write(item, depth + 1, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (at, (name, value)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                line(out, depth + 1);
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push_str(": ");
                write(value, depth + 1, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&compact(scalar)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pretty_puts_closing_brackets_behind() {
        let value = json!({"b": [1, ["set", []]], "a": {}});
        assert_eq!(pretty(&value), "{\n  \"a\": {},\n  \"b\": [\n    1,\n    [\n      \"set\",\n      []]]}");
        assert_eq!(compact(&value), r#"{"a":{},"b":[1,["set",[]]]}"#);
    }
}
