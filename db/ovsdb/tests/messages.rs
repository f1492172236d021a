//! The words of refusals, as users of Open vSwitch know them. Each line was compared with what the tools of Open
//! vSwitch 3.1 print.

use serde_json::{Value, json};
use weft_ovsdb::types::UNLIMITED;
use weft_ovsdb::{AtomType, BaseType, ColumnType, Constraint, DatabaseSchema, Datum};

fn kind(json: Value) -> ColumnType {
    ColumnType::from_json(&json).unwrap()
}

#[test]
fn about_schemas() {
    let column = |kind: Value| json!({"name": "X", "tables": {"T": {"columns": {"c": {"type": kind}}}}});
    let table = |table: Value| json!({"name": "X", "tables": {"T": table}});
    let one = json!({"c": {"type": "integer"}});
    for (json, text) in [
        (json!([]), r#"syntax error: Parsing database schema failed: Object expected."#),
        (json!({}), r#"syntax "{}": syntax error: Parsing database schema failed: Required 'name' member is missing."#),
        (
            json!({"name": "X", "version": "1", "tables": {}}),
            r#"syntax "{"name":"X","tables":{},"version":"1"}": syntax error: schema version "1" not in format x.y.z"#,
        ),
        (
            json!({"name": "X", "tables": {}, "foo": 1}),
            r#"syntax "{"foo":1,"name":"X","tables":{}}": syntax error: Parsing database schema failed: Member 'foo' is present but not allowed here."#,
        ),
        (
            json!({"name": "1X", "tables": {}}),
            r#"syntax "{"name":"1X","tables":{}}": syntax error: Parsing database schema failed: Type mismatch for member 'name'."#,
        ),
        (
            table(json!({"columns": {}})),
            r#"syntax "{"columns":{}}": syntax error: table must have at least one column"#,
        ),
        (table(json!(5)), "syntax error: Parsing table schema for table T failed: Object expected."),
        (
            table(json!({"columns": one, "maxRows": 0})),
            r#"syntax "{"columns":{"c":{"type":"integer"}},"maxRows":0}": syntax error: maxRows must be at least 1"#,
        ),
        (
            table(json!({"columns": one, "indexes": [["d"]]})),
            r#"syntax "["d"]": syntax error: d is not a valid column name"#,
        ),
        (
            table(json!({"columns": one, "indexes": [["c", "c"]]})),
            r#"syntax "["c","c"]": syntax error: array of distinct column names expected"#,
        ),
        (column(json!("foo")), r#"syntax ""foo"": syntax error: "foo" is not an atomic-type"#),
        (
            column(json!({"key": {"type": "integer", "minInteger": 5, "maxInteger": 4}})),
            r#"syntax "{"maxInteger":4,"minInteger":5,"type":"integer"}": syntax error: minInteger exceeds maxInteger"#,
        ),
        (
            column(json!({"key": "integer", "min": 2})),
            r#"syntax "{"key":"integer","min":2}": syntax error: ovsdb type fails constraint checks"#,
        ),
        (
            column(json!({"key": {"type": "string", "minLength": -1}})),
            r#"syntax "-1": syntax error: minLength out of valid range 0 to 4294967295"#,
        ),
        (
            column(json!({"key": {"type": "uuid", "refTable": "Z"}})),
            "syntax error: column c key refers to undefined table Z",
        ),
        (
            column(json!({"key": {"type": "uuid", "refTable": "T", "refType": "foo"}})),
            r#"syntax "{"refTable":"T","refType":"foo","type":"uuid"}": syntax error: refType must be "strong" or "weak" (not "foo")"#,
        ),
    ] {
        assert_eq!(DatabaseSchema::from_json(&json).unwrap_err().to_string(), text);
    }
}

#[test]
fn about_values_in_requests() {
    let limited = |key: Value| json!({"key": key, "min": 0, "max": 1});
    let map = json!({"key": "string", "value": "string", "min": 0, "max": "unlimited"});
    for (of, value, text) in [
        (json!("integer"), json!(1.5), r#"syntax "1.5": syntax error: expected integer"#),
        (
            json!("integer"),
            json!(["set", []]),
            r#"syntax "["set",[]]": syntax error: set must have exactly one member but 0 are present"#,
        ),
        (json!("uuid"), json!(["uuid", "x"]), r#"syntax "["uuid","x"]": syntax error: "x" is not a valid UUID"#),
        (json!("uuid"), json!("x"), r#"syntax ""x"": syntax error: expected ["uuid", <string>]"#),
        (
            json!({"key": "string", "min": 0, "max": 2}),
            json!(["set", ["a", "a"]]),
            "ovsdb error: set contains duplicate",
        ),
        (
            json!({"key": "string", "min": 0, "max": 2}),
            json!(["set", ["a", "b", "c"]]),
            r#"syntax "["set",["a","b","c"]]": syntax error: set must have 0 to 2 members but 3 are present"#,
        ),
        (map.clone(), json!("a"), r#"syntax ""a"": syntax error: expected ["map", <array>]"#),
        (map.clone(), json!(["map", ["a"]]), r#"syntax ""a"": syntax error: expected 2-element array"#),
        (map, json!(["map", [["a", "b"], ["a", "c"]]]), "ovsdb error: map contains duplicate key"),
        (
            limited(json!({"type": "string", "enum": ["set", ["a", "b", "c"]]})),
            json!("d"),
            "constraint violation: d is not one of the allowed values ([a, b, c])",
        ),
        (
            json!({"key": {"type": "string", "enum": ["set", ["a", "b"]]}}),
            json!(""),
            r#"constraint violation: "" is not one of the allowed values ([a, b])"#,
        ),
        (
            limited(json!({"type": "integer", "minInteger": 1, "maxInteger": 10})),
            json!(0),
            "constraint violation: 0 is not in the valid range 1 to 10 (inclusive)",
        ),
        (
            limited(json!({"type": "integer", "minInteger": 1})),
            json!(0),
            "constraint violation: 0 is less than minimum allowed value 1",
        ),
        (
            limited(json!({"type": "real", "minReal": 1.5, "maxReal": 10})),
            json!(11),
            "constraint violation: 11 is not in the valid range 1.5 to 10 (inclusive)",
        ),
        (
            limited(json!({"type": "string", "minLength": 2, "maxLength": 4})),
            json!("é"),
            r#"constraint violation: "é" length 1 is less than minimum allowed length 2"#,
        ),
    ] {
        assert_eq!(Datum::from_json(&value, &kind(of), None).unwrap_err().to_string(), text);
    }
}

#[test]
fn about_values_on_command_lines() {
    let vlans = || ColumnType {
        key: BaseType { kind: AtomType::Integer, constraint: Constraint::Integer(0, 4095) },
        value: None,
        min: 0,
        max: 4096,
    };
    let map = || kind(json!({"key": "string", "value": "string", "min": 0, "max": "unlimited"}));
    let string = || ColumnType::scalar(AtomType::String);
    let mode = || kind(json!({"key": {"type": "string", "enum": ["set", ["secure", "standalone"]]}, "min": 0}));
    for (of, text, message) in [
        (ColumnType::scalar(AtomType::Boolean), "foo", r#""foo" is not a valid boolean (use "true" or "false")"#),
        (vlans(), "5-1", r#""5-1" is not a valid range. Range end cannot be before start."#),
        (vlans(), "1,1", "1,1: set contains duplicate value"),
        (vlans(), "9999", "constraint violation: 9999 is not in the valid range 0 to 4095 (inclusive)"),
        (vlans(), "abc", r#""abc" is not a valid integer or range"#),
        (vlans(), "0x10", r#""0x10" is not a valid integer or range"#),
        (vlans(), "[1,2", r#"[1,2: missing "]" at end of data"#),
        (vlans(), "1,,2", r#"1,,2: unexpected "," parsing set of up to 4096 integers"#),
        (vlans(), "1]", r#"1]: unexpected "]" parsing set of up to 4096 integers"#),
        (vlans(), "[1] 2", r#"[1] 2: trailing garbage after "]""#),
        (mode(), "secure,standalone", "secure,standalone: 2 value(s) specified but the maximum number is 1"),
        (mode(), "foo", "constraint violation: foo is not one of the allowed values ([secure, standalone])"),
        (map(), "a=b,a=c", "a=b,a=c: map contains duplicate key"),
        (map(), "a", "a: syntax error at \""),
        (map(), "{a=b", r#"{a=b: missing "}" at end of data"#),
        (map(), "a=b=c", r#"a=b=c: unexpected "=" parsing map of (string, string) pairs"#),
        (string(), "\"a", "\"a: quoted string extends past end of argument"),
        (string(), r#""a\q""#, r#""a\q": bad escape \q"#),
        (string(), "a:b/c", r#"a:b/c: unexpected ":" parsing string"#),
        (ColumnType::scalar(AtomType::Uuid), "x", r#""x" is not a valid UUID"#),
    ] {
        assert_eq!(Datum::from_text(text, &of, None).unwrap_err(), message);
    }
}

#[test]
fn values_print_as_vsctl_prints_them() {
    let set = ColumnType { key: AtomType::String.into(), value: None, min: 0, max: UNLIMITED };
    let map = ColumnType { value: Some(AtomType::String.into()), ..set.clone() };
    for (of, text, printed) in [
        (&set, "[]", "[]"),
        (&set, "b a", "[a, b]"),
        (&set, "-x", "\"-x\""),
        (&set, "_x.y-z", "_x.y-z"),
        (&set, "true", "\"true\""),
        (&set, "9x", "\"9x\""),
        (&map, "{}", "{}"),
        (&map, "a=b, c=d", "{a=b, c=d}"),
        (&map, "\"a=b\"=c", "{\"a=b\"=c}"),
        (&map, "a=550e8400-e29b-41d4-a716-446655440000", "{a=\"550e8400-e29b-41d4-a716-446655440000\"}"),
    ] {
        assert_eq!(Datum::from_text(text, of, None).unwrap().to_text(), printed);
    }
    let reals = [(1.0, "1"), (0.1, "0.1"), (1e300, "1e+300"), (1.0 / 3.0, "0.333333333333333"), (-2.5, "-2.5")];
    for (r, text) in reals {
        assert_eq!(weft_ovsdb::atom::format_real(r), text);
    }
}
