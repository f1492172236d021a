//! Tunnel options beside the real ovs-vswitchd: the TLV table's rules, and traces of flows that match and write them.

mod real;

use real::{Pair, report};
use weft_base::Time;
use weft_openflow::codec::{self, Dialect};
use weft_openflow::switch::{TlvMap, TlvTableCommand, TlvTableMod};
use weft_openflow::{Message, Version, Xid};
use weft_pipeline::{ConnectionKind, ConnectionSettings};

fn map(class: u16, kind: u8, len: u8, index: u16) -> TlvMap {
    TlvMap { class, kind, len, index }
}

/// What our switch answers to a change of the table: the error's name, or nothing.
fn change(pair: &Pair, command: TlvTableCommand, maps: &[TlvMap]) -> Option<String> {
    let settings = ConnectionSettings::new(ConnectionKind::Service, "test");
    let id = pair.ours.connect("br0", settings, Time::ZERO).expect("br0 is there");
    let dialect = Dialect::new(Version::V10);
    let message = Message::TlvTableMod(TlvTableMod { command, maps: maps.to_vec() });
    for message in [Message::Hello { versions: Version::V10.bit() }, message] {
        let bytes = codec::encode(&message, Xid(1), &dialect).expect("1.0 can say it");
        pair.ours.input(id, &bytes, Time::ZERO);
    }
    pair.ours.run(Time::ZERO);
    let mut rest = &pair.ours.output(id)[..];
    pair.ours.disconnect(id);
    while rest.len() >= 8 {
        let (one, behind) = rest.split_at(usize::from(u16::from_be_bytes([rest[2], rest[3]])));
        rest = behind;
        if let Ok(incoming) = codec::decode(one, &dialect)
            && let Message::Error(error) = incoming.message
        {
            return Some(error.code.name().to_string());
        }
    }
    None
}

/// The same change of the real table.
fn change_real(pair: &Pair, command: &str, maps: &[TlvMap]) -> Option<String> {
    let text: Vec<String> = maps
        .iter()
        .map(|m| format!("{{class={:#x},type={:#x},len={}}}->tun_metadata{}", m.class, m.kind, m.len, m.index))
        .collect();
    let output = pair.real.output("ovs-ofctl", &[command, "br0", &text.join(",")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.lines().find(|line| line.contains("OFPT_ERROR")).and_then(|line| line.rsplit(' ').next()).map(str::to_owned)
}

#[test]
fn options_trace_alike() {
    let Some(pair) = Pair::with_ports(3) else { return };
    for maps in [
        &[map(0x102, 0x80, 4, 0), map(0xffff, 1, 8, 1)][..],
        &[map(0x102, 0x81, 4, 0)],
        &[map(0x102, 0x80, 4, 2)],
        &[map(0x102, 0x83, 124, 3), map(0x102, 0x84, 124, 4)],
        &[map(7, 1, 124, 63)],
    ] {
        let ours = change(&pair, TlvTableCommand::Add, maps);
        assert_eq!(ours, change_real(&pair, "add-tlv-map", maps), "{maps:?}");
    }
    pair.flows(
        "br0",
        &[
            "priority=9,in_port=1,tun_metadata0=0x5,actions=2",
            "priority=8,in_port=1,tun_metadata0=0x5/0xff,actions=3",
            "priority=7,in_port=1,tun_metadata1=0x11/0xff,actions=move:tun_metadata1[4..11]->reg0[0..7],2",
            "priority=6,in_port=1,tun_metadata1,actions=set_field:0xab/0xff->tun_metadata1,delete_field:tun_metadata0,3",
            "priority=5,in_port=1,tun_metadata63=0x1234,actions=2,3",
            "in_port=2,actions=load:5->tun_metadata0[3..10],set_field:0x77->tun_metadata63,resubmit(1,)",
            "in_port=3,actions=push:tun_metadata0[0..15],pop:tun_metadata1[8..23],resubmit(1,)",
        ],
    );
    let mut differences = Vec::new();
    for port in [1, 2, 3] {
        for options in [
            "",
            "tun_metadata0=5",
            "tun_metadata0=0x305",
            "tun_metadata0=0",
            "tun_metadata1=0x2311",
            "tun_metadata1=0x2312,tun_metadata0=6",
            "tun_metadata63=0x1234",
            "tun_metadata63=0x1234567890123456789012345678901234567890",
        ] {
            for ends in ["tun_src=1.1.1.1,tun_dst=2.2.2.2", "tun_ipv6_src=::1,tun_ipv6_dst=::2", ""] {
                let flow = [&format!("in_port={port},ip"), ends, options].map(str::to_owned);
                let flow: Vec<String> = flow.into_iter().filter(|part| !part.is_empty()).collect();
                differences.extend(pair.compare(&["br0", &flow.join(",")]).err());
            }
        }
    }
    report(differences, 72);
    // what flows use cannot go
    let gone = [map(0x102, 0x80, 4, 0)];
    assert_eq!(change(&pair, TlvTableCommand::Delete, &gone), change_real(&pair, "del-tlv-map", &gone));
    assert_eq!(change(&pair, TlvTableCommand::Delete, &gone).as_deref(), Some("NXTTMFC_INVALID_TLV_DEL"));
}
