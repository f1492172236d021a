//! What holds for all values: notations read back what they write, set algebra agrees with `BTreeSet` and
//! `BTreeMap`, differences undo themselves, and no parser panics.

use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use weft_ovsdb::atom::{NamedUuids, format_real};
use weft_ovsdb::types::UNLIMITED;
use weft_ovsdb::{
    Atom, AtomType, BaseType, ColumnType, Condition, Constraint, DatabaseSchema, Datum, Mutation, Operation, Uuid,
};

fn any_kind() -> impl Strategy<Value = AtomType> {
    prop::sample::select(vec![AtomType::Integer, AtomType::Real, AtomType::Boolean, AtomType::String, AtomType::Uuid])
}

/// Atoms from a small pool, so that values meet again.
fn atom(kind: AtomType) -> BoxedStrategy<Atom> {
    match kind {
        AtomType::Integer => prop_oneof![(-3i64..4), any::<i64>()].prop_map(Atom::Integer).boxed(),
        AtomType::Real => prop_oneof![Just(0.0), Just(-0.0), Just(1.5), Just(1e300), any::<f64>()]
            .prop_filter("JSON has finite numbers only", |r: &f64| r.is_finite())
            .prop_map(Atom::Real)
            .boxed(),
        AtomType::Boolean => any::<bool>().prop_map(Atom::Boolean).boxed(),
        AtomType::String => {
            prop_oneof!["[ab]{0,2}", "\\PC{0,6}", Just("true".into()), Just("a\"\\\n\u{1}é".to_string())]
                .prop_map(Atom::from)
                .boxed()
        }
        AtomType::Uuid => (0u128..5).prop_map(|n| Atom::Uuid(Uuid::from_u128(n))).boxed(),
    }
}

fn kind_and_datum() -> impl Strategy<Value = (ColumnType, Datum)> {
    kind_and_data(1).prop_map(|(kind, mut data)| (kind, data.remove(0)))
}

/// A type without constraints and `n` values of it.
fn kind_and_data(n: usize) -> impl Strategy<Value = (ColumnType, Vec<Datum>)> {
    (any_kind(), prop::option::of(any_kind()), prop::bool::ANY).prop_flat_map(move |(key, value, scalar)| {
        let kind = match (scalar, value) {
            (true, _) => ColumnType::scalar(key),
            (false, value) => ColumnType { key: key.into(), value: value.map(BaseType::from), min: 0, max: UNLIMITED },
        };
        let datum = match value {
            _ if scalar => atom(key).prop_map(Datum::One).boxed(),
            None => prop::collection::vec(atom(key), 0..6).prop_map(Datum::set_of).boxed(),
            Some(value) => prop::collection::vec((atom(key), atom(value)), 0..6).prop_map(Datum::map_of).boxed(),
        };
        (Just(kind), prop::collection::vec(datum, n))
    })
}

fn atoms(datum: &Datum) -> BTreeSet<Atom> {
    datum.atoms().iter().cloned().collect()
}

fn pairs(datum: &Datum) -> BTreeMap<Atom, Atom> {
    datum.pairs().iter().cloned().collect()
}

struct NoNames;

impl NamedUuids for NoNames {
    fn resolve(&mut self, name: &str) -> Uuid {
        Uuid::from_u128(name.len() as u128)
    }
}

proptest! {
    #[test]
    fn json_reads_back((kind, datum) in kind_and_datum()) {
        let json = datum.to_json();
        prop_assert_eq!(&Datum::from_json(&json, &kind, None).unwrap(), &datum);
        let mut text = String::new();
        datum.write_json(&mut text);
        let parsed: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(Datum::from_json(&parsed, &kind, None).unwrap(), datum);
    }

    #[test]
    fn text_reads_back((kind, datum) in kind_and_datum()) {
        let digits = |a: &Atom| a.as_real().is_none_or(|r| format_real(r).parse() == Ok(r));
        prop_assume!(datum.keys().all(digits) && datum.pairs().iter().all(|(_, v)| digits(v)));
        let text = datum.to_text();
        prop_assert_eq!(Datum::from_text(&text, &kind, None), Ok(datum), "{}", text);
    }

    #[test]
    fn reals_print_fifteen_digits(r in any::<f64>().prop_filter("finite", |r| r.is_finite())) {
        let printed: f64 = format_real(r).parse().unwrap();
        prop_assert!((printed - r).abs() <= r.abs() * 1e-14, "{r} prints as {printed}");
    }

    #[test]
    fn differences_lead_from_old_to_new((kind, data) in kind_and_data(2)) {
        let [old, new] = data.as_slice() else { unreachable!() };
        let diff = old.diff(new, &kind);
        prop_assert_eq!(&old.apply_diff(&diff, &kind), new);
        prop_assert_eq!(&new.apply_diff(&new.diff(old, &kind), &kind), old);
    }

    #[test]
    fn algebra_agrees_with_the_standard_library((kind, data) in kind_and_data(2)) {
        let [a, b] = data.as_slice() else { unreachable!() };
        if kind.is_map() {
            let (ma, mb) = (pairs(a), pairs(b));
            let mut union = mb.clone();
            union.extend(ma.clone());
            prop_assert_eq!(pairs(&a.union(b)), union);
            let left: BTreeMap<_, _> = ma.iter().filter(|(k, v)| mb.get(k) != Some(v)).map(|(k, v)| (k.clone(), v.clone())).collect();
            prop_assert_eq!(pairs(&a.subtract(b)), left);
            prop_assert_eq!(a.includes(b), mb.iter().all(|(k, v)| ma.get(k) == Some(v)));
            prop_assert_eq!(a.excludes(b), !mb.iter().any(|(k, v)| ma.get(k) == Some(v)));
        } else {
            let (sa, sb) = (atoms(a), atoms(b));
            prop_assert_eq!(atoms(&a.union(b)), &sa | &sb);
            prop_assert_eq!(atoms(&a.subtract(b)), &sa - &sb);
            prop_assert_eq!(a.includes(b), sb.is_subset(&sa));
            prop_assert_eq!(a.excludes(b), sa.is_disjoint(&sb));
        }
        prop_assert_eq!(a == b, a.cmp(b).is_eq());
    }

    #[test]
    fn text_never_panics(text in "[\\[\\]{}=,:\"\\\\ a-c0-3@.-]{0,12}", (kind, _) in kind_and_datum()) {
        let _ = Datum::from_text(&text, &kind, Some(&mut NoNames));
    }
}

const SCHEMA: &str = r#"{"name":"P","version":"1.0.0","tables":{
  "T":{"isRoot":true,"columns":{
    "i":{"type":"integer"},"s":{"type":{"key":{"type":"string","maxLength":4},"min":0,"max":"unlimited"}},
    "m":{"type":{"key":"string","value":"integer","min":0,"max":3}},
    "r":{"type":{"key":{"type":"real","minReal":1},"min":0}},
    "e":{"type":{"key":{"type":"string","enum":["set",["a","b"]]},"min":0}},
    "ref":{"type":{"key":{"type":"uuid","refTable":"T"},"min":0,"max":"unlimited"}},
    "imm":{"type":"integer","mutable":false}},"indexes":[["i"]],"maxRows":100}}}"#;

#[test]
fn schemas_print_what_they_read() {
    let schema = DatabaseSchema::from_text(SCHEMA).unwrap();
    assert_eq!(DatabaseSchema::from_json(&schema.to_json()).unwrap(), schema);
}

#[test]
fn constraints_print_what_they_read() {
    for text in [
        r#""uuid""#,
        r#"{"key":{"type":"integer","minInteger":-5,"maxInteger":7},"min":0,"max":3}"#,
        r#"{"key":{"type":"real","maxReal":2.5},"min":0}"#,
        r#"{"key":{"type":"string","minLength":2},"value":{"type":"uuid","refTable":"T","refType":"weak"},"max":"unlimited"}"#,
        r#"{"key":{"type":"boolean","enum":true}}"#,
    ] {
        let kind = ColumnType::from_json(&serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(ColumnType::from_json(&kind.to_json()).unwrap(), kind, "{text}");
    }
    let kind =
        ColumnType::from_json(&serde_json::json!({"key": {"type": "integer", "enum": ["set", [3, 1]]}})).unwrap();
    assert_eq!(kind.key.constraint, Constraint::Enum(Datum::set([1i64, 3]).unwrap()));
}

/// JSON made of the words that parsers look for.
fn wordy_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "op",
        "insert",
        "select",
        "update",
        "mutate",
        "delete",
        "wait",
        "commit",
        "comment",
        "assert",
        "abort",
        "T",
        "i",
        "s",
        "m",
        "r",
        "e",
        "ref",
        "imm",
        "table",
        "where",
        "row",
        "rows",
        "columns",
        "until",
        "==",
        "!=",
        "<",
        "includes",
        "excludes",
        "+=",
        "%=",
        "uuid",
        "uuid-name",
        "named-uuid",
        "set",
        "map",
        "_uuid",
        "timeout",
        "durable",
        "mutations",
        "lock",
        "a",
        "00000000-0000-0000-0000-000000000001",
    ]);
    let leaf = prop_oneof![
        word.clone().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        (-3i64..9).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6)
                .prop_map(|m| Value::Object(m.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

/// Operations that are nearly right.
fn operation_json() -> impl Strategy<Value = Value> {
    let op = prop::sample::select(vec!["insert", "select", "update", "mutate", "delete", "wait", "commit", "comment"]);
    let member = prop::sample::select(vec![
        "where",
        "row",
        "rows",
        "columns",
        "until",
        "mutations",
        "timeout",
        "durable",
        "comment",
        "uuid",
        "uuid-name",
    ]);
    (op, prop::collection::vec((member, wordy_json()), 0..5)).prop_map(|(op, members)| {
        let mut object: serde_json::Map<String, Value> = members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        object.insert("op".into(), op.into());
        object.insert("table".into(), "T".into());
        Value::Object(object)
    })
}

proptest! {
    #[test]
    fn parsers_of_requests_never_panic(json in prop_oneof![wordy_json(), operation_json()]) {
        let schema = DatabaseSchema::from_text(SCHEMA).unwrap();
        let table = schema.table("T").unwrap();
        if let Err(error) = Operation::from_json(&json, 1, 1, &schema, &mut NoNames) {
            prop_assert!(error.to_json()["error"].is_string());
        }
        if let Ok(condition) = Condition::from_json(&json, table, None) {
            prop_assert_eq!(Condition::from_json(&condition.to_json(table), table, None).unwrap(), condition);
        }
        if let Ok(mutation) = Mutation::from_json(&json, table, None) {
            prop_assert_eq!(Mutation::from_json(&mutation.to_json(table), table, None).unwrap(), mutation);
        }
        let _ = DatabaseSchema::from_json(&json);
        let _ = ColumnType::from_json(&json);
    }
}

#[test]
fn fuzz_schema() {
    bolero::check!().for_each(|bytes: &[u8]| {
        if let Ok(json) = serde_json::from_slice::<Value>(bytes)
            && let Ok(schema) = DatabaseSchema::from_json(&json)
        {
            assert_eq!(DatabaseSchema::from_json(&schema.to_json()).unwrap(), schema);
        }
    });
}

#[test]
fn fuzz_operation() {
    let schema = DatabaseSchema::from_text(SCHEMA).unwrap();
    bolero::check!().for_each(|bytes: &[u8]| {
        if let Ok(json) = serde_json::from_slice::<Value>(bytes) {
            let _ = Operation::from_json(&json, 1, 1, &schema, &mut NoNames);
        }
    });
}

#[test]
fn fuzz_text() {
    let set = ColumnType { key: AtomType::Integer.into(), value: None, min: 0, max: UNLIMITED };
    let map = ColumnType { key: AtomType::String.into(), value: Some(AtomType::Real.into()), min: 0, max: UNLIMITED };
    bolero::check!().for_each(|bytes: &[u8]| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            let _ = Datum::from_text(text, &set, None);
            let _ = Datum::from_text(text, &map, Some(&mut NoNames));
        }
    });
}
