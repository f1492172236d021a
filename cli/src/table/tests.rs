//! One table in every format.

use super::*;
use weft_ovsdb::Atom;

fn table() -> Table {
    let set = ColumnType { key: AtomType::Integer.into(), value: None, min: 0, max: 9 };
    let string = ColumnType::scalar(AtomType::String);
    let mut table = Table::new(["name", "tags"]);
    table.caption = Some("Port table".to_string());
    table.rows = vec![
        vec![Cell::Datum(Atom::from("p 1").into(), string.clone()), Cell::Datum(Datum::set_of([1i64, 2]), set.clone())],
        vec![Cell::Datum(Atom::from("a").into(), string), Cell::Datum(Datum::empty_set(), set)],
    ];
    table
}

use weft_ovsdb::AtomType;

fn rendered(options: &[(&'static str, &str)]) -> String {
    let mut style = Style::table();
    for (name, value) in options {
        style.take(&Found { name, value: Some(value.to_string()) }).unwrap();
    }
    table().render(&style, true)
}

#[test]
fn every_format() {
    assert_eq!(rendered(&[]), "Port table\nname  tags\n----- ------\n\"p 1\" [1, 2]\na     []\n");
    assert_eq!(
        rendered(&[("format", "list")]),
        "Port table\nname                : \"p 1\"\ntags                : [1, 2]\n\nname                : a\ntags                : []\n"
    );
    assert_eq!(rendered(&[("bare", "")]), "Port table\np 1\n1 2\n\na\n\n");
    assert_eq!(rendered(&[("format", "csv")]), "Port table\nname,tags\n\"\"\"p 1\"\"\",\"[1, 2]\"\na,[]\n");
    assert_eq!(
        rendered(&[("format", "json")]),
        "{\"caption\":\"Port table\",\"data\":[[\"p 1\",[\"set\",[1,2]]],[\"a\",[\"set\",[]]]],\"headings\":[\"name\",\"tags\"]}\n"
    );
    assert!(rendered(&[("format", "html")]).contains("    <td>&quot;p 1&quot;</td>\n"));
    assert_eq!(
        rendered(&[("data", "json"), ("no-headings", ""), ("max-column-width", "4")]),
        "Port table\n\"p 1 [\"se\n\"a\"  [\"se\n"
    );
}

#[test]
fn rows_sort_by_value() {
    let mut table = table();
    table.sort();
    assert!(table.render(&Style::list(), true).starts_with("Port table\nname                : a\n"));
}
