//! Stories about documents, on a replica made by hand.

use super::*;
use serde_json::json;
use std::sync::Arc;
use weft_ovsdb::open_vswitch;
use weft_ovsdb::replica::{Replica, Select, Transaction};

const ROOT: &str = "00000000-0000-0000-0000-000000000001";

fn empty() -> Replica {
    let mut replica = Replica::new(Arc::new(open_vswitch::schema()), &Select::everything());
    replica.apply_update2(&json!({"Open_vSwitch": {ROOT: {"insert": {}}}})).unwrap();
    replica
}

/// br0 with its local port, p1 (tag 10, tap) and a controller.
fn switch() -> Replica {
    let mut replica = empty();
    let id = |n: u8| format!("00000000-0000-0000-0000-0000000000{n:02}");
    let uuid = |n: u8| json!(["uuid", id(n)]);
    let set = |of: &[u8]| json!(["set", of.iter().map(|n| uuid(*n)).collect::<Vec<_>>()]);
    let rows = json!({
        "Open_vSwitch": {ROOT: {"modify": {"bridges": set(&[10]), "other_config": ["map", [["keep", "me"]]]}}},
        "Bridge": {id(10): {"insert": {"name": "br0", "ports": set(&[20, 21]), "controller": set(&[40])}}},
        "Port": {
            id(20): {"insert": {"name": "br0", "interfaces": set(&[30])}},
            id(21): {"insert": {"name": "p1", "interfaces": set(&[31]), "tag": 10}},
        },
        "Interface": {
            id(30): {"insert": {"name": "br0", "type": "internal"}},
            id(31): {"insert": {"name": "p1", "type": "tap", "ofport": 1}},
        },
        "Controller": {id(40): {"insert": {"target": "tcp:127.0.0.1:6653"}}},
    });
    replica.apply_update2(&rows).unwrap();
    replica
}

fn planned(replica: &Replica, toml: &str) -> Vec<String> {
    let mut tx = Transaction::new(replica);
    Document::parse(toml, Format::Toml).unwrap().write(&mut tx).unwrap();
    consequences(&tx).consequences.iter().map(ToString::to_string).collect()
}

fn error(replica: &Replica, toml: &str) -> String {
    let mut tx = Transaction::new(replica);
    Document::parse(toml, Format::Toml).unwrap().write(&mut tx).unwrap_err().to_string()
}

#[test]
fn a_switch_from_nothing() {
    let text = r#"
        [other_config]
        flow-limit = 1000
        [managers."ptcp:6640"]
        [bridges.br0]
        fail-mode = "secure"
        protocols = ["OpenFlow13"]
        [bridges.br0.controllers."tcp:10.0.0.1:6653"]
        max_backoff = 1000
        [bridges.br0.ports.eth1]
        tag = 10
        [bridges.br0.ports.vx0.interface]
        type = "vxlan"
        options = { remote_ip = "1.2.3.4", key = 7 }
        [bridges.br0.ports.bond0]
        bond_mode = "balance-slb"
        interfaces = { eth2 = {}, eth3 = {} }
        [bridges.br0.ports.eth1.qos]
        type = "linux-htb"
        queues = { 1 = { other_config = { max-rate = 1000000 } } }
        [bridges.br0.mirrors.m]
        select_all = true
        output_port = "vx0"
    "#;
    let replica = empty();
    let expected = [
        "~ switch: other_config:flow-limit: none -> 1000",
        "+ manager ptcp:6640",
        "+ bridge br0: fail_mode: secure, mirrors.m.output_port: vx0, mirrors.m.select_all: true, \
         protocols: OpenFlow13",
        "+ port bond0 of bridge br0: bond_mode: balance-slb",
        "+ port eth1 of bridge br0: qos.queues.1.other_config:max-rate: 1000000, qos.type: linux-htb, tag: 10",
        "+ port vx0 of bridge br0: options:key: 7, options:remote_ip: 1.2.3.4, type: vxlan",
        "+ controller tcp:10.0.0.1:6653 of bridge br0: max_backoff: 1000",
    ];
    let found = planned(&replica, text);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for expected in expected {
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected}\nin {found:#?}");
    }
}

#[test]
fn what_is_said_already_changes_nothing_and_what_is_not_said_stays() {
    let replica = switch();
    let same = "[bridges.br0.ports.p1]\ntag = 10\n[bridges.br0.ports.p1.interface]\ntype = 'tap'\n";
    let mut tx = Transaction::new(&replica);
    Document::parse(same, Format::Toml).unwrap().write(&mut tx).unwrap();
    assert!(tx.request().is_none());
    assert!(consequences(&tx).is_empty());
}

#[test]
fn consequences_in_switch_terms() {
    let replica = switch();
    for (text, expected) in [
        ("[bridges.br0.ports.p1]\ntag = 20", vec!["~ port p1 of bridge br0: tag: 10 -> 20"]),
        (
            "[bridges.br0.ports.p1.interface]\ntype = 'system'",
            vec!["! port p1 of bridge br0 flaps: type: tap -> system"],
        ),
        (
            "[bridges.br0.ports.p1.interface]\nofport_request = 1",
            vec!["~ port p1 of bridge br0: ofport_request: none -> 1"],
        ),
        (
            "[bridges.br0.ports.p1.interface]\nofport_request = 7",
            vec!["! port p1 of bridge br0 flaps: ofport_request: none -> 7"],
        ),
        ("bridges.br0.ports.p1 = false", vec!["- port p1 of bridge br0"]),
        (
            "[bridges]\nbr0 = false",
            vec![
                "- bridge br0",
                "! flows of bridge br0 go: the bridge goes",
                "- port p1 of bridge br0",
                "- controller tcp:127.0.0.1:6653 of bridge br0",
            ],
        ),
        (
            "[bridges.br0.controllers]\n'tcp:127.0.0.1:6653' = false",
            vec!["! flows of bridge br0 go: its last controller goes", "- controller tcp:127.0.0.1:6653 of bridge br0"],
        ),
        ("[bridges.br0]\nfail_mode = 'secure'", vec!["~ bridge br0: fail_mode: none -> secure"]),
        (
            "[bridges.br0]\nprotocols = ['OpenFlow13']",
            vec![
                "~ bridge br0: protocols: none -> OpenFlow13",
                "! controller tcp:127.0.0.1:6653 of bridge br0 reconnects: its bridge speaks other versions",
            ],
        ),
        (
            "[bridges.br1.ports.p1]",
            vec!["+ bridge br1", "! port p1 of bridge br1 flaps: moves here from br0, tag: 10, type: tap"],
        ),
        (
            "[bridges.br0]\ndatapath_type = 'netdev'",
            vec![
                "! bridge br0 is built anew: datapath_type: none -> netdev",
                "! flows of bridge br0 go: another datapath type: the bridge is built anew",
                "! controller tcp:127.0.0.1:6653 of bridge br0 reconnects: the bridge is built anew",
                "! port br0 of bridge br0 flaps: its bridge is built anew",
                "! port p1 of bridge br0 flaps: its bridge is built anew",
            ],
        ),
    ] {
        assert_eq!(planned(&replica, text), expected, "{text}");
    }
}

/// br0 with p1, p2 and p3 at their numbers.
fn numbered() -> Replica {
    let mut replica = empty();
    let id = |n: u8| format!("00000000-0000-0000-0000-0000000000{n:02}");
    let uuid = |n: u8| json!(["uuid", id(n)]);
    let set = |of: &[u8]| json!(["set", of.iter().map(|n| uuid(*n)).collect::<Vec<_>>()]);
    let port = |name: &str, n: u8| json!({"insert": {"name": name, "interfaces": set(&[n])}});
    let tap = |name: &str, number: i64| json!({"insert": {"name": name, "type": "tap", "ofport": number}});
    let rows = json!({
        "Open_vSwitch": {ROOT: {"modify": {"bridges": set(&[10])}}},
        "Bridge": {id(10): {"insert": {"name": "br0", "ports": set(&[21, 22, 23])}}},
        "Port": {id(21): port("p1", 31), id(22): port("p2", 32), id(23): port("p3", 33)},
        "Interface": {id(31): tap("p1", 1), id(32): tap("p2", 2), id(33): tap("p3", 3)},
    });
    replica.apply_update2(&rows).unwrap();
    replica
}

#[test]
fn numbers_that_move_are_told() {
    let replica = numbered();
    for (text, expected) in [
        // a device that is opened anew has its number again
        (
            "[bridges.br0.ports.p1.interface]\ntype = 'system'",
            vec!["! port p1 of bridge br0 flaps: type: tap -> system"],
        ),
        (
            "[bridges.br0.ports.p1.interface]\nofport_request = 2",
            vec![
                "! port p1 of bridge br0 flaps: ofport_request: none -> 2",
                "! port p2 of bridge br0 flaps: ofport: 2 -> another (p1 asks for 2)",
            ],
        ),
        (
            "[bridges.br0.ports]\np1.interface.ofport_request = 2\np2.interface.ofport_request = 1",
            vec![
                "! port p1 of bridge br0 flaps: ofport_request: none -> 2",
                "! port p2 of bridge br0 flaps: ofport_request: none -> 1",
            ],
        ),
        (
            "[bridges.br0.ports]\np1.interface.ofport_request = 9\np2.interface.ofport_request = 9",
            vec![
                "! port p1 of bridge br0 flaps: ofport_request: none -> 9",
                "! port p2 of bridge br0 flaps: ofport_request: none -> 9",
            ],
        ),
        (
            "[bridges.br0.ports]\nnew.interface.ofport_request = 3\np3.tag = 7",
            vec![
                "+ port new of bridge br0: ofport_request: 3",
                "! port p3 of bridge br0 flaps: tag: none -> 7, ofport: 3 -> another (new asks for 3)",
            ],
        ),
    ] {
        assert_eq!(planned(&replica, text), expected, "{text}");
    }
}

#[test]
fn exact_takes_away_what_is_not_said() {
    let replica = switch();
    let all = planned(&replica, "exact = true\n[bridges.br0]\n");
    assert_eq!(
        all,
        [
            "~ switch: other_config:keep: me -> none",
            "! flows of bridge br0 go: its last controller goes",
            "- controller tcp:127.0.0.1:6653 of bridge br0",
            "- port p1 of bridge br0",
        ]
    );
    let port = planned(&replica, "[bridges.br0.ports.p1]\nexact = true\n");
    assert_eq!(port, ["~ port p1 of bridge br0: tag: 10 -> none"]);
    let spared = planned(&replica, "exact = true\n[other_config]\nkeep = 'me'\n[bridges.br0]\nexact = false\n");
    assert!(spared.is_empty(), "{spared:?}");
}

#[test]
fn mistakes_say_where() {
    let replica = switch();
    for (text, expected) in [
        ("[bridges.br0.ports.p1]\ntags = 3", "bridges.br0.ports.p1.tags: there is no such setting; did you mean tag?"),
        ("[bridges.br0.ports.p1]\ntag = 'x'", "bridges.br0.ports.p1.tag: integer expected, not \"x\""),
        ("[bridges.br0.ports.p1]\ntag = 5000", "bridges.br0.ports.p1.tag: "),
        ("[bridges.br0.ports.p1.interface]\nofport = 5", "reported by the switch"),
        ("[bridges.br0]\nname = 'x'", "bridges.br0.name: is the name"),
        ("bridges = 5", "bridges: a table of names expected"),
        ("[bridges.br0.mirrors.m]\noutput_port = 'nope'", "mirrors.m.output_port: there is no port named nope"),
        ("exact = 3", "exact: true or false expected"),
    ] {
        let said = error(&replica, text);
        assert!(said.contains(expected), "{text}: {said}");
    }
    assert!(Document::parse("a = ", Format::Toml).unwrap_err().message.starts_with("not TOML"));
    assert!(Document::parse("[1]", Format::Json).unwrap_err().message.contains("an object"));
}

#[test]
fn a_queue_that_nobody_wants_any_more_goes_with_its_row() {
    let mut replica = switch();
    let id = |n: u8| format!("00000000-0000-0000-0000-0000000000{n:02}");
    let rows = json!({
        "Port": {id(21): {"modify": {"qos": ["uuid", id(50)]}}},
        "QoS": {id(50): {"insert": {"type": "linux-htb", "queues": ["map", [[1, ["uuid", id(51)]]]]}}},
        "Queue": {id(51): {"insert": {}}},
    });
    replica.apply_update2(&rows).unwrap();
    let mut tx = Transaction::new(&replica);
    Document::parse("[bridges.br0.ports.p1]\nqos = []", Format::Toml).unwrap().write(&mut tx).unwrap();
    let operations = serde_json::to_string(&tx.request().unwrap().operations).unwrap();
    assert!(operations.contains(r#""op":"delete","table":"QoS""#), "{operations}");
    assert!(operations.contains(r#""op":"delete","table":"Queue""#), "{operations}");
}

#[test]
fn any_text_is_a_document_or_an_error() {
    let replica = switch();
    bolero::check!().with_type::<String>().for_each(|text| {
        for format in [Format::Toml, Format::Json] {
            if let Ok(document) = Document::parse(text, format) {
                let _ = document.write(&mut Transaction::new(&replica));
            }
        }
    });
}

/// Words that mean something, put together at random: written twice, the second time changes nothing.
#[test]
fn a_document_that_was_written_is_there() {
    const PIECES: &[&str] = &[
        "[bridges.br0]\nfail_mode = 'secure'\n",
        "[bridges.br0.other_config]\na = 1\nkeep = []\n",
        "[bridges.br0.ports.p1]\ntag = 7\ntrunks = [1, 2]\n",
        "[bridges.br0.ports.p2.interface]\ntype = 'tap'\n",
        "[bridges.br1.ports.p3]\n",
        "[bridges.br1.controllers.'tcp:1.1.1.1:1']\n",
        "[managers.'ptcp:1']\ninactivity_probe = 3\n",
        "[bridges.br1.mirrors.m]\nselect_src_port = ['p3']\n",
        "[bridges.br1.netflow]\ntargets = ['1.1.1.1:1']\n",
    ];
    bolero::check!().with_type::<(u16, bool)>().for_each(|(chosen, exact)| {
        let mut text = format!("exact = {exact}\n");
        for (i, piece) in PIECES.iter().enumerate() {
            if chosen & (1 << i) != 0 {
                text += piece;
            }
        }
        if chosen & (1 << 7) != 0 && chosen & (1 << 4) == 0 {
            return;
        }
        let replica = switch();
        let document = Document::parse(&text, Format::Toml).unwrap();
        let mut tx = Transaction::new(&replica);
        document.write(&mut tx).unwrap_or_else(|e| panic!("{text}: {e}"));
        document.write(&mut tx).unwrap();
        let before = tx.request().map(|r| serde_json::to_string(&r.operations).unwrap());
        assert!(!before.as_ref().is_some_and(|before| before.contains("00000000-0000-0000-0000-000000000000")));
        document.write(&mut tx).unwrap();
        let after = tx.request().map(|r| serde_json::to_string(&r.operations).unwrap());
        assert_eq!(before, after, "{text}");
    });
}
