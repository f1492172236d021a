//! Records: written as Open vSwitch writes them, read back, and every damage noticed.

use super::*;
use serde_json::json;

fn framed(texts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    texts.iter().for_each(|text| frame(text, &mut bytes));
    bytes
}

fn read(bytes: &[u8]) -> (Vec<Value>, Option<Torn>) {
    let mut records = Records::new(bytes);
    let mut found = Vec::new();
    loop {
        match records.next_record() {
            Ok(Some(record)) => found.push(record),
            Ok(None) => return (found, None),
            Err(torn) => return (found, Some(torn)),
        }
    }
}

#[test]
fn a_record_looks_as_ovsdb_5_says() {
    // The digest is what `printf '{"a":1}\n' | sha1sum` prints.
    assert_eq!(
        framed(&[r#"{"a":1}"#]),
        b"OVSDB JSON 8 8a3d961f7fe8ef7b41d461059884a9461be85059\n{\"a\":1}\n".as_slice()
    );
}

#[test]
fn every_cut_gives_the_whole_records_before_it() {
    let texts = [r#"{"name":"P"}"#, r#"{"_date":1}"#, r#"{"é":"\n"}"#];
    let bytes = framed(&texts);
    let ends: Vec<usize> = (0..=3).map(|n| framed(&texts[..n]).len()).collect();
    for cut in 0..=bytes.len() {
        let (found, torn) = read(&bytes[..cut]);
        assert_eq!(found.len(), ends.iter().filter(|&&end| end <= cut).count() - 1, "cut at {cut}");
        assert_eq!(torn.is_none(), ends.contains(&cut), "cut at {cut}");
    }
}

#[test]
fn every_flipped_byte_is_noticed() {
    let bytes = framed(&[r#"{"name":"P"}"#, r#"{"_date":12}"#]);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let (found, torn) = read(&damaged);
        // Case of digits of the digest does not matter; everything else does.
        assert!(torn.is_some() || found.len() == 2 && bytes[at].is_ascii_alphabetic(), "flip at {at}");
    }
    assert!(matches!(
        read(b"OVSDB JSON 23 8a3d961f7fe8ef7b41d461059884a9461be85059\n{").1,
        Some(Torn::Short { offset: 55, need: 23 })
    ));
    let clustered = read(b"OVSDB CLUSTER 5 da39a3ee5e6b4b0d3255bfef95601890afd80709\n{}\n\n\n").1;
    assert!(matches!(clustered, Some(Torn::Header { clustered: true, .. })));
}

#[test]
fn differences_and_values_are_both_understood() {
    let schema = DatabaseSchema::from_json(&json!({"name": "P", "tables": {"T": {"columns": {
        "i": {"type": "integer"},
        "s": {"type": {"key": "integer", "min": 0, "max": "unlimited"}},
        "m": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}
    }}}}))
    .unwrap();
    let mut tables = vec![Table::new(schema.table("T").unwrap().clone(), true)];
    let mut uuids = UuidSource::new();
    let id = "550e8400-e29b-41d4-a716-446655440001";
    let mut step = |record: Value| {
        apply(&schema, &mut tables, &record, &mut uuids)
            .map(|()| tables[0].rows().next().map(|row| (2..5).map(|c| row[c].to_text()).collect::<Vec<_>>().join(" ")))
    };
    let insert = json!({"_date": 1, "_is_diff": true, "T": {id: {"s": ["set", [1, 2]], "m": ["map", [["a", "b"], ["c", "d"]]]}}});
    assert_eq!(step(insert).unwrap().unwrap(), "0 {a=b, c=d} [1, 2]");
    let diff =
        json!({"_is_diff": true, "T": {id: {"s": ["set", [2, 3]], "m": ["map", [["a", "b"], ["c", "x"]]], "i": 5}}});
    assert_eq!(step(diff).unwrap().unwrap(), "5 {c=x} [1, 3]");
    let value = json!({"T": {id: {"s": 9, "m": ["map", []]}}});
    assert_eq!(step(value).unwrap().unwrap(), "5 {} 9");
    assert_eq!(step(json!({"T": {id: null}})).unwrap(), None);
    assert!(step(json!({"T": {id: null}})).is_err());
    assert!(step(json!({"Z": {}})).is_err());
    assert!(step(json!({"T": {"nonsense": {}}})).is_err());
    assert!(step(json!({"T": {id: {"zz": 1}}})).is_err());
}

#[test]
fn fuzz_records() {
    let whole = framed(&[r#"{"name":"P"}"#, r#"{"_date":12}"#]);
    bolero::check!().for_each(|bytes: &[u8]| {
        let _ = read(bytes);
        // Also damage in the middle of something good.
        let mut mixed = whole.clone();
        for (i, byte) in bytes.iter().enumerate().take(mixed.len()) {
            let at = (i * 7 + usize::from(*byte)) % mixed.len();
            mixed[at] = *byte;
        }
        let _ = read(&mixed);
    });
}
