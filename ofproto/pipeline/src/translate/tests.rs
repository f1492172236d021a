//! Two keys that agree under a verdict's mask get the same verdict.

use proptest::prelude::*;
use weft_base::Time;
use weft_flow::{FlowKey, OfPort};
use weft_openflow::text::{FlowCommand, Names, parse_flow};
use weft_openflow::{FlowModCommand, Version};
use weft_packet::DpPort;

use super::{Input, translate};
use crate::config::{BridgeSettings, BundleSettings, PortKind, PortSettings, PortState};
use crate::flow_mod;
use crate::tables::Tables;
use crate::vlan::{VlanMode, VlanSet};

const MATCHES: [&str; 12] = [
    "in_port=1",
    "ip",
    "tcp,tp_dst=80",
    "dl_vlan=5",
    "vlan_tci=0/0x1000",
    "ip,nw_src=10.0.0.0/8",
    "dl_src=00:00:00:00:00:01",
    "arp,arp_op=1",
    "reg0=1",
    "ipv6",
    "conj_id=1",
    "conj_id=2,tcp",
];

const ACTIONS: [&str; 20] = [
    "NORMAL",
    "1",
    "mod_vlan_vid:5,2",
    "strip_vlan,1,NORMAL",
    "dec_ttl,3",
    "resubmit(,1)",
    "load:1->NXM_NX_REG0[],resubmit(,1),2",
    "mod_nw_src:10.1.1.1,resubmit(,1)",
    "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],NORMAL",
    "mod_dl_src:00:00:00:00:00:01,resubmit(,2),1",
    "push:NXM_OF_ETH_SRC[],pop:NXM_NX_REG1[0..47],drop",
    "clone(mod_vlan_vid:7,1),2",
    "mod_tp_dst:81,ALL",
    "controller,2",
    "conjunction(1,1/2)",
    "conjunction(1,2/2),conjunction(2,1/2)",
    "conjunction(2,2/2)",
    "learn(table=2,limit=1,NXM_OF_ETH_SRC[],load:1->NXM_NX_REG0[],result_dst=reg1[0]),resubmit(,1),move:NXM_NX_REG1[]->NXM_OF_ETH_DST[0..31],2",
    "check_pkt_larger(100)->NXM_NX_REG0[0],resubmit(,1),mod_vlan_vid:6,2",
    "set_queue:3,mod_nw_tos:4,resubmit(,2),1",
];

fn switch(rules: &[(u8, u16, usize, usize)]) -> Tables {
    let mut tables = Tables::default();
    tables.add_bridge("br0", BridgeSettings::default(), Time::ZERO).expect("a bridge");
    let tunnel = BundleSettings { mode: VlanMode::Dot1qTunnel, tag: Some(9), ..BundleSettings::trunk("p3") };
    let native = BundleSettings {
        mode: VlanMode::NativeUntagged,
        tag: Some(5),
        trunks: VlanSet::all(),
        ..BundleSettings::trunk("p4")
    };
    let bundles = [BundleSettings::trunk("p1"), BundleSettings::access("p2", 5), tunnel, native];
    for (i, bundle) in bundles.into_iter().enumerate() {
        let number = i as u32 + 1;
        let name = bundle.name.clone();
        tables.set_bundle("br0", bundle).expect("a bundle");
        let settings = PortSettings {
            name: name.clone(),
            device_type: "dummy".into(),
            kind: PortKind::Device(DpPort(number)),
            ofport_request: Some(OfPort(number)),
            state: PortState::default(),
        };
        tables.add_port("br0", &name, settings, Time::ZERO).expect("a port");
    }
    let bridge = tables.bridge_named_mut("br0").expect("br0");
    for (table, priority, matching, actions) in rules {
        let text = format!("table={table},priority={priority},{},actions={}", MATCHES[*matching], ACTIONS[*actions]);
        let names = Names::none();
        if let Ok(mut todo) = parse_flow(&text, FlowCommand::Mod(FlowModCommand::Add), &names) {
            let ready = flow_mod::prepare(&mut todo, Version::V10, &mut Default::default(), Time::ZERO);
            let _ = ready.and_then(|ready| flow_mod::apply(&mut bridge.flows, &ready, Time::ZERO, &mut Vec::new()));
        }
    }
    tables
}

/// A frame's key made of few values, so that rules hit.
fn key(choice: &[u8]) -> FlowKey {
    use weft_flow::FieldId::*;
    let pick = |i: usize, of: &[u128]| of[usize::from(choice[i]) % of.len()];
    let mut key = FlowKey::new();
    InPortOxm.set(&mut key, pick(0, &[1, 2, 3, 4]));
    EthSrc.set(&mut key, pick(1, &[1, 2, 3]));
    EthDst.set(&mut key, pick(2, &[1, 2, 0xffff_ffff_ffff]));
    let tci = pick(3, &[0, 0x1005, 0x1000, 0x3005, 0x1007]);
    VlanTci.set(&mut key, tci);
    if tci != 0 {
        key.or_word(3, 0x8100);
    }
    EthType.set(&mut key, pick(4, &[0x0800, 0x86dd, 0x0806, 0x1234]));
    let proto = if EthType.get(&key) == 0x1234 { 0 } else { pick(5, &[1, 2, 6, 17]) };
    NwProto.set(&mut key, proto);
    if EthType.get(&key) == 0x0800 {
        IpSrc.set(&mut key, pick(6, &[0x0a00_0001, 0x0a01_0101, 0x0b00_0001]));
        NwTtl.set(&mut key, pick(7, &[0, 1, 2, 64]));
        TcpDst.set(&mut key, pick(8, &[80, 81, 443]));
    }
    key
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_the_mask_leaves_out_does_not_matter(
        rules in prop::collection::vec((0u8..3, 0u16..4, 0usize..12, 0usize..20), 0..16),
        choice in prop::collection::vec(any::<u8>(), 9),
        others in prop::collection::vec(prop::collection::vec(any::<u8>(), 9), 16),
    ) {
        let tables = switch(&rules);
        let bridge = tables.bridge_named("br0").expect("br0");
        let key_a = key(&choice);
        let verdict = |key: &FlowKey| translate(&Input { tables: &tables, bridge, key, actions: None, frozen: None }, None);
        let first = verdict(&key_a);
        let again = verdict(&key_a);
        prop_assert_eq!(&first.actions, &again.actions);
        prop_assert!(first.mask == again.mask);
        for other in &others {
            // the other frame, made to agree under the mask
            let mut key_b = key(other);
            for i in 0..weft_flow::key::OPENFLOW_WORDS {
                let m = first.mask.word(i);
                let word = key_a.word(i) & m | key_b.word(i) & !m;
                if word != key_b.word(i) {
                    key_b.set_word(i, word);
                }
            }
            // a frame that can be: a tag has a TPID, none has none
            let tpid = match (key_b.word(2) & 0x1000, key_b.word(3) & 0xffff) {
                (0, _) => 0,
                (_, 0) => 0x8100,
                (_, tpid) => tpid,
            };
            key_b.set_word(3, key_b.word(3) & !0xffff | tpid);
            // ... nor a priority
            if key_b.word(2) & 0x1000 == 0 {
                key_b.set_word(2, key_b.word(2) & !0xffff);
            }
            if (0..weft_flow::key::OPENFLOW_WORDS).any(|i| (key_a.word(i) ^ key_b.word(i)) & first.mask.word(i) != 0) {
                continue;
            }
            prop_assert_eq!(&verdict(&key_b).actions, &first.actions);
        }
    }
}
