//! What `vsctl plan` promises is what the daemon does: random desired states through both planners.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use weft_base::Time;
use weft_flow::OfPort;
use weft_intent::{Document, Format, Kind, consequences};
use weft_ovsdb::open_vswitch;
use weft_ovsdb::replica::{Replica, RowRef, Select, Transaction};
use weft_pipeline::{BridgeSettings, BundleSettings, Hooks, Pipeline, PortKind, PortSettings, PortState};
use weft_vswitchd::config::{Reader, Touched};
use weft_vswitchd::plan::{Running, Step, plan};

/// A switch as it is: two bridges with a tap, a patch, a dummy, a tunnel and a bond.
const BEFORE: &str = r#"
[bridges.br0.ports.p1]
tag = 10
interface.type = "tap"
[bridges.br0.ports.p2.interface]
type = "dummy"
options = { pstream = "punix:x" }
[bridges.br0.ports.bond0]
interfaces = { e1 = { type = "tap" }, e2 = { type = "tap" } }
[bridges.br1.ports.pa.interface]
type = "patch"
options = { peer = "pb" }
[bridges.br1.ports.t1.interface]
type = "vxlan"
options = { remote_ip = "1.1.1.1" }
[bridges.br1.controllers."tcp:127.0.0.1:6653"]
"#;

const PIECES: &[&str] = &[
    "[bridges.br0.ports.p1]\ntag = 20\n",
    "[bridges.br0.ports.p1.interface]\ntype = 'system'\n",
    "[bridges.br0.ports.p2.interface]\noptions = { pstream = 'punix:y' }\n",
    "[bridges.br0.ports.p2.interface]\ntype = 'internal'\n",
    "[bridges.br0.ports.bond0]\nexact = true\ninterfaces = { e1 = { type = 'tap' } }\n",
    "[bridges.br0.ports.bond0]\ninterfaces = { e1 = { options = { a = 1 } }, e3 = { type = 'tap' } }\n",
    "[bridges.br1.ports.pa.interface]\noptions = { peer = 'pc' }\n",
    "[bridges.br1.ports.t1.interface]\noptions = { remote_ip = '1.1.1.2' }\n",
    "[bridges]\nbr1 = false\n",
    "[bridges.br1]\ndatapath_type = 'netdev'\n",
    "[bridges.br1]\nfail_mode = 'secure'\n",
    "[bridges.br2.ports.p9.interface]\ntype = 'dummy'\n",
    "[bridges.br1.ports.p1]\n",
    "[bridges.br0.ports]\np2 = false\n",
    "[bridges.br0.ports.p1.interface]\nmtu_request = 9000\n",
    "[bridges.br0.ports.p1.interface]\nofport_request = 40\n",
    "[bridges.br0.ports.p3.interface]\nofport_request = 2\n",
    "[bridges.br0.ports.p2.interface]\nofport_request = 3\n",
    "[bridges.br1.ports.p7.interface]\nofport_request = 8\n",
    "[bridges.br1.ports.e9.interface]\nofport_request = 7\n",
];

/// The rows that a transaction shows, as a replica of their own; `numbered`: with OpenFlow numbers, as if they ran.
fn after(tx: &Transaction<'_>, numbered: bool) -> Replica {
    let mut replica = Replica::new(tx.replica().schema().clone(), &Select::everything());
    let mut tables = Map::new();
    let mut number = 0;
    for (name, table) in &tx.replica().schema().tables {
        let mut rows = Map::new();
        for uuid in tx.rows(name) {
            let values = tx.row(name, uuid).expect("listed");
            let columns = table.columns.iter().zip(values).skip(2).map(|(c, value)| (c.name.clone(), value.to_json()));
            let mut row: Map<String, Value> = columns.collect();
            if numbered && name == "Interface" {
                number += 1;
                row.insert("ofport".to_owned(), json!(number));
            }
            rows.insert(uuid.to_string(), json!({"insert": row}));
        }
        tables.insert(name.clone(), Value::Object(rows));
    }
    replica.apply_update2(&Value::Object(tables)).expect("the rows fit the schema");
    replica
}

fn rows(replica: &Replica) -> Vec<(&str, Uuid)> {
    replica.tables().flat_map(|(name, table)| table.rows().map(move |row| (name, row.uuid))).collect()
}

/// The daemon's steps to the first state, and from it to the other.
fn steps(before: &Replica, now: &Replica) -> (Vec<Step>, Vec<Step>) {
    let mut reader = Reader::default();
    let mut running = Running::default();
    reader.update(before, rows(before));
    let numbers = numbers(before);
    let up = plan(reader.desired(), &running, &Touched::all(reader.desired()));
    for step in &up {
        let number = match step {
            Step::AddInterface { interface, .. } => numbers.get(&interface.name).copied(),
            _ => None,
        };
        running.record(step, number);
    }
    let changed: BTreeSet<(&str, Uuid)> = rows(before).into_iter().chain(rows(now)).collect();
    let mut touched = Touched::all(reader.desired());
    touched.merge(reader.update(now, changed).0);
    (up, plan(reader.desired(), &running, &touched))
}

/// What the rows say of OpenFlow port numbers, by interface.
fn numbers(replica: &Replica) -> BTreeMap<String, u32> {
    let number = |row: RowRef<'_>| Some((row.str("name")?.to_owned(), u32::try_from(row.int("ofport")?).ok()?));
    replica.rows("Interface").filter_map(number).collect()
}

/// The numbers that a pipeline deals when it is taken through `up`, as the rows have it, and `steps`.
fn dealt(before: &Replica, up: &[Step], steps: &[Step]) -> BTreeMap<String, u32> {
    let pipeline = Pipeline::new(Hooks::default());
    let mut had = numbers(before);
    let mut dealt = BTreeMap::new();
    for (at, step) in up.iter().chain(steps).enumerate() {
        if at == up.len() {
            had.clear();
            skip_small_numbers(&pipeline, up);
        }
        match step {
            Step::AddBridge(config) => {
                pipeline.add_bridge(&config.name, BridgeSettings::default(), Time::ZERO).unwrap()
            }
            Step::RemoveBridge { bridge } => pipeline.remove_bridge(bridge).unwrap(),
            Step::AddPort { bridge, port } => add_bundle(&pipeline, bridge, &port.name),
            Step::RemovePort { bridge, port } => pipeline.remove_bundle(bridge, port, Time::ZERO).unwrap(),
            Step::AddInterface { bridge, port, interface } => {
                let local = (interface.name == *bridge).then_some(OfPort::LOCAL);
                let asked = interface.ofport_request.or(interface.ofport_hint.0).map(OfPort);
                let asked = had.get(&interface.name).copied().map(OfPort).or(asked);
                let number = add_port(&pipeline, bridge, port, &interface.name, local.or(asked));
                dealt.insert(interface.name.clone(), number);
            }
            Step::RemoveInterface { bridge, interface, .. } => {
                pipeline.remove_port(bridge, interface, Time::ZERO).unwrap();
                dealt.remove(interface);
            }
            _ => {}
        }
    }
    dealt
}

/// A switch that has run for a while deals numbers that nobody had lately.
fn skip_small_numbers(pipeline: &Pipeline, up: &[Step]) {
    for step in up {
        let Step::AddBridge(config) = step else { continue };
        add_bundle(pipeline, &config.name, "spare");
        for n in 0..50 {
            add_port(pipeline, &config.name, "spare", &format!("spare{n}"), None);
        }
        pipeline.remove_bundle(&config.name, "spare", Time::ZERO).unwrap();
    }
}

fn add_bundle(pipeline: &Pipeline, bridge: &str, name: &str) {
    pipeline.set_bundle(bridge, BundleSettings::trunk(name)).unwrap();
}

fn add_port(pipeline: &Pipeline, bridge: &str, port: &str, name: &str, asked: Option<OfPort>) -> u32 {
    let settings = PortSettings {
        name: name.to_owned(),
        device_type: "patch".to_owned(),
        kind: PortKind::Patch { peer: "none".to_owned() },
        ofport_request: asked,
        state: PortState::default(),
    };
    pipeline.add_port(bridge, port, settings, Time::ZERO).unwrap().0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn both_planners_agree(chosen in proptest::collection::btree_set(0..PIECES.len(), 1..4)) {
        let mut empty = Replica::new(Arc::new(open_vswitch::schema()), &Select::everything());
        let root = "00000000-0000-0000-0000-000000000001";
        empty.apply_update2(&json!({"Open_vSwitch": {root: {"insert": {}}}})).unwrap();
        let mut tx = Transaction::new(&empty);
        Document::parse(BEFORE, Format::Toml).unwrap().write(&mut tx).unwrap();
        let before = after(&tx, true);
        let text: String = chosen.iter().map(|piece| PIECES[*piece]).collect();
        // Pieces that say the same table twice make no TOML; those that put a port into two bridges make no sense.
        let Ok(document) = Document::parse(&text, Format::Toml) else { return Ok(()) };
        let mut tx = Transaction::new(&before);
        if document.write(&mut tx).is_err() {
            return Ok(());
        }
        let promised = consequences(&tx);
        let (up, steps) = steps(&before, &after(&tx, false));

        let of = |kinds: &[Kind]| -> BTreeSet<&str> {
            promised.consequences.iter().filter(|c| kinds.contains(&c.kind)).map(|c| c.name.as_str()).collect()
        };
        let done = |step: fn(&Step) -> Option<&str>| -> BTreeSet<&str> { steps.iter().filter_map(step).collect() };
        let both = |a: &BTreeSet<&str>, b: &BTreeSet<&str>| a.intersection(b).map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
        let bridges_come = done(|step| match step {
            Step::AddBridge(config) => Some(&config.name),
            _ => None,
        });
        let bridges_go = done(|step| match step {
            Step::RemoveBridge { bridge } => Some(bridge),
            _ => None,
        });
        prop_assert_eq!(of(&[Kind::AddBridge, Kind::RebuildBridge]), bridges_come, "{}{:?}", text, steps);
        prop_assert_eq!(of(&[Kind::RemoveBridge, Kind::RebuildBridge]), bridges_go, "{}{:?}", text, steps);
        // Local ports come and go with their bridge; a port that does both has moved, or its bridge is built anew.
        let ports_come = done(|step| match step {
            Step::AddPort { bridge, port } if port.name != *bridge => Some(&port.name),
            _ => None,
        });
        let ports_go = done(|step| match step {
            Step::RemovePort { bridge, port } if port != bridge => Some(port),
            _ => None,
        });
        let moved = both(&ports_come, &ports_go);
        let but = |a: BTreeSet<&str>| a.into_iter().filter(|n| !moved.contains(*n)).map(str::to_owned).collect::<BTreeSet<_>>();
        let owned = |a: BTreeSet<&str>| a.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        prop_assert_eq!(owned(of(&[Kind::AddPort])), but(ports_come), "{}{:?}", text, steps);
        prop_assert_eq!(owned(of(&[Kind::RemovePort])), but(ports_go), "{}{:?}", text, steps);
        // A port flaps when a device of its is closed and opened.
        let opened = done(|step| match step {
            Step::AddInterface { interface, .. } => Some(&interface.name),
            _ => None,
        });
        let reopened = steps.iter().filter_map(|step| match step {
            Step::RemoveInterface { port, interface, .. } if opened.contains(interface.as_str()) => Some(port.as_str()),
            _ => None,
        });
        prop_assert_eq!(of(&[Kind::FlapPort]), reopened.collect::<BTreeSet<_>>(), "{}{:?}", text, steps);
        // A number that is said to stay or to move does so.
        let (had, has) = (numbers(&before), dealt(&before, &up, &steps));
        let promised: BTreeMap<&str, _> = promised.numbers.iter().map(|moved| (moved.interface.as_str(), moved)).collect();
        for (name, number) in has.iter().filter(|(_, number)| **number != OfPort::LOCAL.0) {
            let Some(before) = had.get(name) else { continue };
            match promised.get(name.as_str()) {
                None => prop_assert_eq!(number, before, "{} {}{:?}", name, text, steps),
                Some(moved) => {
                    prop_assert_eq!(moved.from, i64::from(*before), "{} {}{:?}", name, text, steps);
                    prop_assert_ne!(number, before, "{} {}{:?}", name, text, steps);
                    let kept = moved.to.is_none_or(|to| to == i64::from(*number));
                    prop_assert!(kept, "{} {} {:?} {}{:?}", name, number, moved, text, steps);
                }
            }
        }
        prop_assert!(promised.keys().all(|name| has.contains_key(*name)), "{}{:?}", text, steps);
    }
}
