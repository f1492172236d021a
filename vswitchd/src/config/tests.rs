use super::*;
use std::collections::HashMap;
use weft_ovsdb::{Atom, Datum};

/// Rows in memory.
#[derive(Clone, Default)]
pub(crate) struct Table(pub HashMap<(String, Uuid), HashMap<String, Datum>>);

impl Rows for Table {
    fn column(&self, table: &str, id: Uuid, column: &str) -> Option<&Datum> {
        self.0.get(&(table.to_owned(), id))?.get(column)
    }
    fn contains(&self, table: &str, id: Uuid) -> bool {
        self.0.contains_key(&(table.to_owned(), id))
    }
    fn ids(&self, table: &str) -> Vec<Uuid> {
        let mut ids: Vec<Uuid> = self.0.keys().filter(|(t, _)| t == table).map(|(_, id)| *id).collect();
        ids.sort();
        ids
    }
}

impl Table {
    pub(crate) fn put(&mut self, table: &str, id: u128, columns: &[(&str, Datum)]) -> Uuid {
        let id = Uuid::from_u128(id);
        let row = self.0.entry((table.to_owned(), id)).or_default();
        row.extend(columns.iter().map(|(name, datum)| ((*name).to_owned(), datum.clone())));
        id
    }
}

pub(crate) fn text(text: &str) -> Datum {
    Datum::One(Atom::from(text))
}

pub(crate) fn refs(ids: &[u128]) -> Datum {
    Datum::set_of(ids.iter().map(|id| Atom::from(Uuid::from_u128(*id))))
}

pub(crate) fn map(pairs: &[(&str, &str)]) -> Datum {
    Datum::map_of(pairs.iter().map(|(k, v)| (*k, *v)))
}

/// A bridge br0 with its local port and p1.
fn small() -> Table {
    let mut table = Table::default();
    table.put("Open_vSwitch", 1, &[("bridges", refs(&[10]))]);
    table.put("Bridge", 10, &[("name", text("br0")), ("ports", refs(&[20, 21]))]);
    table.put("Port", 20, &[("name", text("br0")), ("interfaces", refs(&[30]))]);
    table.put("Interface", 30, &[("name", text("br0")), ("type", text("internal"))]);
    table.put("Port", 21, &[("name", text("p1")), ("interfaces", refs(&[31]))]);
    table.put("Interface", 31, &[("name", text("p1"))]);
    table
}

fn everything(table: &Table) -> Vec<(String, Uuid)> {
    let mut all: Vec<_> = table.0.keys().cloned().collect();
    all.sort();
    all
}

pub(crate) fn read(table: &Table) -> (Reader, Touched, Vec<Warning>) {
    let mut reader = Reader::default();
    let all = everything(table);
    let (touched, warnings) = reader.update(table, all.iter().map(|(t, id)| (t.as_str(), *id)));
    (reader, touched, warnings)
}

#[test]
fn rows_become_bridges_ports_and_interfaces() {
    let (reader, touched, warnings) = read(&small());
    let bridge = &reader.desired().bridges["br0"];
    assert_eq!(bridge.ports.keys().collect::<Vec<_>>(), ["br0", "p1"]);
    assert_eq!(bridge.ports["br0"].interfaces[0].kind, "internal");
    assert_eq!(warnings, []);
    assert_eq!(touched, Touched { switch: false, ..Touched::all(reader.desired()) });
}

#[test]
fn a_bridge_without_a_local_port_row_gets_one() {
    let mut table = small();
    table.put("Bridge", 10, &[("ports", refs(&[21]))]);
    let (reader, _, _) = read(&table);
    assert_eq!(*reader.desired().bridges["br0"].ports["br0"], PortConfig::local("br0"));
}

#[test]
fn wrong_values_cost_a_warning_that_names_them_and_nothing_else() {
    let wrong: &[(&str, u128, &str, Datum, &str)] = &[
        (
            "Open_vSwitch",
            1,
            "other_config",
            map(&[("max-idle", "soon")]),
            "other_config:max-idle: \"soon\" ignored: expected an integer from 500",
        ),
        (
            "Bridge",
            10,
            "other_config",
            map(&[("mac-aging-time", "0")]),
            "bridge br0: other_config:mac-aging-time: \"0\" ignored",
        ),
        (
            "Bridge",
            10,
            "other_config",
            map(&[("datapath-id", "12")]),
            "other_config:datapath-id: \"12\" ignored: expected 0x and up to 16 hex digits",
        ),
        ("Bridge", 10, "other_config", map(&[("hwaddr", "01:00:00:00:00:00")]), "expected a unicast Ethernet address"),
        ("Bridge", 10, "other_config", map(&[("forward-bpdu", "yes")]), "expected true or false"),
        ("Bridge", 10, "stp_enable", Datum::One(Atom::from(true)), "bridge br0: stp_enable: \"true\" ignored"),
        (
            "Port",
            21,
            "other_config",
            map(&[("priority-tags", "maybe")]),
            "port p1: other_config:priority-tags: \"maybe\" ignored: expected one of no",
        ),
        ("Interface", 31, "mac", text("aa:bb"), "interface p1: mac: \"aa:bb\" ignored: expected an Ethernet address"),
    ];
    for (table_name, id, column, value, expected) in wrong {
        let mut table = small();
        table.put(table_name, *id, &[(*column, value.clone())]);
        let (mut reader, _, warnings) = read(&table);
        assert_eq!(warnings.len(), 1, "{expected}: {warnings:?}");
        assert!(warnings[0].to_string().contains(expected), "{}", warnings[0]);
        assert_eq!(reader.desired(), read(&small()).0.desired());
        // The same mistake is told once.
        let (_, again) = reader.update(&table, [(*table_name, Uuid::from_u128(*id))]);
        assert_eq!(again, []);
    }
}

#[test]
fn controllers_are_primary_when_we_open_the_connection() {
    let mut table = small();
    table.put("Bridge", 10, &[("controller", refs(&[40, 41, 42]))]);
    table.put("Controller", 40, &[("target", text("tcp:10.0.0.1")), ("inactivity_probe", Datum::One(Atom::from(0)))]);
    table.put("Controller", 41, &[("target", text("ptcp:6653:127.0.0.1"))]);
    table.put("Controller", 42, &[("target", text("gopher:1"))]);
    let (reader, _, warnings) = read(&table);
    let controllers = &reader.desired().bridges["br0"].config.controllers;
    assert_eq!(controllers["tcp:10.0.0.1"].kind, ControllerKind::Primary);
    assert_eq!(controllers["tcp:10.0.0.1"].inactivity_probe, None);
    assert_eq!(controllers["ptcp:6653:127.0.0.1"].kind, ControllerKind::Service);
    assert_eq!(controllers.len(), 2);
    assert!(warnings[0].to_string().contains("unknown connection method"), "{}", warnings[0]);
}

#[test]
fn a_changed_interface_touches_its_own_port_only() {
    let mut table = small();
    let (mut reader, _, _) = read(&table);
    let id = table.put("Interface", 31, &[("ofport_request", Datum::One(Atom::from(7)))]);
    let (touched, _) = reader.update(&table, [("Interface", id)]);
    assert_eq!(touched.ports, BTreeSet::from([("br0".to_owned(), "p1".to_owned())]));
    assert!(touched.bridges.is_empty());
    assert_eq!(reader.desired().bridges["br0"].ports["p1"].interfaces[0].ofport_request, Some(7));
}

#[test]
fn a_deleted_bridge_takes_its_ports_along() {
    let mut table = small();
    let (mut reader, _, _) = read(&table);
    table.put("Open_vSwitch", 1, &[("bridges", refs(&[]))]);
    let changed: Vec<_> = [("Bridge", 10), ("Port", 20), ("Port", 21), ("Interface", 30), ("Interface", 31)]
        .map(|(table, id)| (table, Uuid::from_u128(id)))
        .to_vec();
    changed.iter().for_each(|(name, id)| drop(table.0.remove(&((*name).to_owned(), *id))));
    let all = changed.iter().copied().chain([("Open_vSwitch", Uuid::from_u128(1))]);
    let (touched, _) = reader.update(&table, all);
    assert!(touched.bridges.contains("br0"));
    assert_eq!(*reader.desired(), Desired::default());
}

mod incremental_is_full {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Op {
        Bridges(Vec<u128>),
        Ports(u128, Vec<u128>),
        Tag(u128, i64),
        Kind(u128, &'static str),
        FailMode(u128, &'static str),
    }

    fn ops() -> impl Strategy<Value = Vec<Vec<Op>>> {
        let some = |range: std::ops::Range<u128>| prop::collection::btree_set(range, 0..4);
        let op = prop_oneof![
            some(10..13).prop_map(|ids| Op::Bridges(ids.into_iter().collect())),
            (10..13u128, some(20..26)).prop_map(|(b, ids)| Op::Ports(b, ids.into_iter().collect())),
            (20..26u128, 0..5i64).prop_map(|(p, tag)| Op::Tag(p, tag)),
            (30..36u128, prop::sample::select(vec!["", "internal", "dummy", "patch"]))
                .prop_map(|(i, k)| Op::Kind(i, k)),
            (10..13u128, prop::sample::select(vec!["secure", "standalone"])).prop_map(|(b, m)| Op::FailMode(b, m)),
        ];
        prop::collection::vec(prop::collection::vec(op, 1..4), 1..8)
    }

    fn world() -> Table {
        let mut table = Table::default();
        table.put("Open_vSwitch", 1, &[]);
        for bridge in 10..13 {
            table.put("Bridge", bridge, &[("name", text(&format!("br{bridge}")))]);
        }
        for port in 20..26u128 {
            table.put("Port", port, &[("name", text(&format!("p{port}"))), ("interfaces", refs(&[port + 10]))]);
            table.put("Interface", port + 10, &[("name", text(&format!("p{port}")))]);
        }
        table
    }

    fn apply(table: &mut Table, op: &Op) -> (&'static str, Uuid) {
        match op {
            Op::Bridges(ids) => ("Open_vSwitch", table.put("Open_vSwitch", 1, &[("bridges", refs(ids))])),
            Op::Ports(bridge, ids) => {
                // A port is on one bridge at most, as the database sees to.
                for other in (10..13).filter(|other| other != bridge) {
                    let had = table.column("Bridge", Uuid::from_u128(other), "ports").cloned();
                    let rest = had.unwrap_or_else(Datum::empty_set).subtract(&refs(ids));
                    table.put("Bridge", other, &[("ports", rest)]);
                }
                ("Bridge", table.put("Bridge", *bridge, &[("ports", refs(ids))]))
            }
            Op::Tag(port, tag) => ("Port", table.put("Port", *port, &[("tag", Datum::One(Atom::from(*tag)))])),
            Op::Kind(id, kind) => ("Interface", table.put("Interface", *id, &[("type", text(kind))])),
            Op::FailMode(id, mode) => ("Bridge", table.put("Bridge", *id, &[("fail_mode", text(mode))])),
        }
    }

    proptest! {
        #[test]
        fn whatever_happens(batches in ops()) {
            let mut table = world();
            let (mut reader, _, _) = read(&table);
            let mut running = crate::plan::Running::default();
            for batch in batches {
                let mut changed = vec![];
                for op in &batch {
                    changed.push(apply(&mut table, op));
                    if matches!(op, Op::Ports(..)) {
                        changed.extend((10..13).map(|id| ("Bridge", Uuid::from_u128(id))));
                    }
                }
                let (touched, _) = reader.update(&table, changed);
                let (fresh, _, _) = read(&table);
                prop_assert_eq!(reader.desired(), fresh.desired());
                for step in crate::plan::plan(reader.desired(), &running, &touched) {
                    running.record(&step, Some(1));
                }
                // What was touched is enough: a plan that looks at everything finds nothing more.
                let mut all = Touched::all(reader.desired());
                all.switch = false;
                all.bridges.extend(running.bridges.keys().cloned());
                for (bridge, state) in &running.bridges {
                    all.ports.extend(state.ports.keys().map(|port| (bridge.clone(), port.clone())));
                }
                prop_assert_eq!(crate::plan::plan(reader.desired(), &running, &all), vec![]);
            }
        }
    }
}
