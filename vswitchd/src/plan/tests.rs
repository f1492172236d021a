use super::*;
use crate::config::tests::{Table, map, read, refs, text};
use crate::config::{Reader, Touched};
use weft_ovsdb::{Atom, Datum};

fn two_ports() -> Table {
    let mut table = Table::default();
    table.put("Open_vSwitch", 1, &[("bridges", refs(&[10]))]);
    table.put("Bridge", 10, &[("name", text("br0")), ("ports", refs(&[20, 21, 22]))]);
    for (n, name, kind) in [(0, "br0", "internal"), (1, "p1", ""), (2, "p2", "tap")] {
        table.put("Port", 20 + n, &[("name", text(name)), ("interfaces", refs(&[30 + n]))]);
        table.put("Interface", 30 + n, &[("name", text(name)), ("type", text(kind))]);
    }
    table
}

/// Carries the plan out in thought; every interface opens.
fn carry_out(reader: &Reader, running: &mut Running, touched: &Touched) -> Vec<String> {
    let steps = plan(reader.desired(), running, touched);
    let mut number = 0;
    for step in &steps {
        number += 1;
        running.record(step, Some(number));
    }
    assert_eq!(plan(reader.desired(), running, touched), [], "a plan carried out leaves nothing");
    steps.iter().map(Step::to_string).collect()
}

/// Changes one row of the small world and returns what the plan for it says.
fn after(table: &str, id: u128, columns: &[(&str, Datum)]) -> Vec<String> {
    let mut rows = two_ports();
    let (mut reader, touched, _) = read(&rows);
    let mut running = Running::default();
    carry_out(&reader, &mut running, &touched);
    let id = rows.put(table, id, columns);
    let (touched, _) = reader.update(&rows, [(table, id)]);
    carry_out(&reader, &mut running, &touched)
}

#[test]
fn from_nothing_bridges_come_before_ports_and_ports_before_interfaces() {
    let (reader, touched, _) = read(&two_ports());
    assert_eq!(
        carry_out(&reader, &mut Running::default(), &touched),
        [
            "add bridge br0",
            "add port br0 br0",
            "add port br0 p1",
            "add port br0 p2",
            "add interface br0 br0 br0 type=internal",
            "add interface br0 p1 p1 type=system",
            "add interface br0 p2 p2 type=tap",
        ]
    );
}

#[test]
fn each_change_costs_its_own_steps_only() {
    let number = |n: i64| Datum::One(Atom::from(n));
    let table: &[(&str, u128, &str, Datum, &[&str])] = &[
        ("Port", 21, "tag", number(10), &["change port br0 p1"]),
        ("Bridge", 10, "fail_mode", text("secure"), &["change bridge br0"]),
        ("Bridge", 10, "external_ids", map(&[("a", "b")]), &[]),
        ("Interface", 31, "mtu_request", number(9000), &["change port br0 p1", "change interface br0 p1 p1"]),
        ("Interface", 31, "ofport", number(9), &[]),
        (
            "Interface",
            31,
            "ofport_request",
            number(9),
            &["remove interface br0 p1 p1", "change port br0 p1", "add interface br0 p1 p1 type=system"],
        ),
        (
            "Interface",
            32,
            "type",
            text("internal"),
            &["remove interface br0 p2 p2", "change port br0 p2", "add interface br0 p2 p2 type=internal"],
        ),
        (
            "Bridge",
            10,
            "ports",
            refs(&[20, 21]),
            &["change bridge br0", "remove interface br0 p2 p2", "remove port br0 p2"],
        ),
        (
            "Open_vSwitch",
            1,
            "bridges",
            refs(&[]),
            &[
                "remove interface br0 br0 br0",
                "remove port br0 br0",
                "remove interface br0 p1 p1",
                "remove port br0 p1",
                "remove interface br0 p2 p2",
                "remove port br0 p2",
                "remove bridge br0",
            ],
        ),
    ];
    for (name, id, column, value, expected) in table {
        let got = after(name, *id, &[(*column, value.clone())]);
        let expected: Vec<_> =
            expected.iter().filter(|line| !(line.starts_with("change bridge") && *column == "ports")).collect();
        assert_eq!(got.iter().collect::<Vec<_>>(), expected, "{name} {column}");
    }
}

#[test]
fn another_datapath_type_rebuilds_the_bridge() {
    let steps = after("Bridge", 10, &[("datapath_type", text("dummy"))]);
    let at = |text: &str| steps.iter().position(|step| step == text).unwrap();
    assert!(at("remove interface br0 p1 p1") < at("remove bridge br0"));
    assert!(at("remove bridge br0") < at("add bridge br0"));
    assert!(at("add bridge br0") < at("add interface br0 p1 p1 type=system"));
}

#[test]
fn a_device_that_came_back_is_opened_again() {
    let (reader, touched, _) = read(&two_ports());
    let mut running = Running::default();
    for step in plan(reader.desired(), &running, &touched) {
        running.record(&step, None);
    }
    assert_eq!(plan(reader.desired(), &running, &touched), []);
    running.port_mut("br0", "p1").unwrap().interfaces.get_mut("p1").unwrap().retry = true;
    assert_eq!(
        carry_out(&reader, &mut running, &touched),
        ["remove interface br0 p1 p1", "add interface br0 p1 p1 type=system"]
    );
}

#[test]
fn requested_numbers_are_given_out_first() {
    let mut rows = two_ports();
    rows.put("Interface", 32, &[("ofport_request", Datum::One(Atom::from(1)))]);
    let (reader, touched, _) = read(&rows);
    let steps = carry_out(&reader, &mut Running::default(), &touched);
    let at = |text: &str| steps.iter().position(|step| step.starts_with(text)).unwrap();
    assert!(at("add interface br0 br0") < at("add interface br0 p2"));
    assert!(at("add interface br0 p2") < at("add interface br0 p1"));
}

#[test]
fn a_number_that_two_ask_for_moves_its_holder_once() {
    let mut rows = two_ports();
    let (mut reader, touched, _) = read(&rows);
    let mut running = Running::default();
    carry_out(&reader, &mut running, &touched);
    let held = running.port("br0", "p1").unwrap().interfaces["p1"].ofport.unwrap();
    let wanted = Datum::One(Atom::from(i64::from(held)));
    for n in [3, 4] {
        let name = text(&format!("p{n}"));
        rows.put("Interface", 30 + n, &[("name", name.clone()), ("ofport_request", wanted.clone())]);
        rows.put("Port", 20 + n, &[("name", name), ("interfaces", refs(&[30 + n]))]);
    }
    let id = rows.put("Bridge", 10, &[("ports", refs(&[20, 21, 22, 23, 24]))]);
    let (touched, _) = reader.update(&rows, [("Bridge", id)]);
    let steps: Vec<String> = plan(reader.desired(), &running, &touched).iter().map(Step::to_string).collect();
    let count = |wanted: &str| steps.iter().filter(|step| step.starts_with(wanted)).count();
    assert_eq!(count("remove interface br0 p1 p1"), 1, "{steps:?}");
    assert_eq!(count("add interface br0 p1 p1"), 1, "{steps:?}");
}

#[test]
fn a_number_that_nobody_asked_for_is_given_up_to_one_who_does() {
    let mut rows = two_ports();
    let (mut reader, touched, _) = read(&rows);
    let mut running = Running::default();
    carry_out(&reader, &mut running, &touched);
    let held = running.port("br0", "p1").unwrap().interfaces["p1"].ofport.unwrap();
    let id = rows.put("Interface", 32, &[("ofport_request", Datum::One(Atom::from(i64::from(held))))]);
    let (touched, _) = reader.update(&rows, [("Interface", id)]);
    let steps: Vec<String> = plan(reader.desired(), &running, &touched).iter().map(Step::to_string).collect();
    assert_eq!(
        steps,
        [
            "remove interface br0 p2 p2",
            "remove interface br0 p1 p1",
            "change port br0 p2",
            "add interface br0 p2 p2 type=tap",
            "add interface br0 p1 p1 type=system",
        ]
    );
}
