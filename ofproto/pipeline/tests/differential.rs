//! Our `ofproto/trace` beside that of the real ovs-vswitchd on its dummy datapath, where Debian's package is installed.
//! The texts must be equal to the letter, but for numbers that are each daemon's own (recirculation ids).

mod real;

use real::{Pair, check, report};
use weft_pipeline::{BundleSettings, PriorityTags, VlanMode, VlanSet};

#[test]
fn actions_and_tables_trace_alike() {
    let Some(pair) = Pair::with_ports(4) else { return };
    pair.bridge("br1", false, 101);
    pair.patch("br0", 20, "pa", "pb");
    pair.patch("br1", 1, "pb", "pa");
    pair.port("br1", 5, BundleSettings::trunk("q1"), &[]);
    pair.flows(
        "br0",
        &[
            "in_port=1,tcp,actions=resubmit(,1),resubmit(2,3),2",
            "in_port=1,udp,actions=set_field:4.5.6.7->ip_dst,set_field:00:00:00:00:00:09->eth_dst,set_field:4->ip_dscp,\
             set_field:80->udp_dst,push_vlan:0x8100,set_field:4100->vlan_vid,set_queue:5,set_field:7->pkt_mark,2",
            "in_port=1,arp,actions=set_field:4.5.6.7->arp_spa,2",
            "in_port=1,tcp6,actions=set_field:fe80::1->ipv6_src,mod_nw_ttl:9,2",
            "in_port=1,dl_type=0x1234,actions=load:0x1->NXM_OF_ETH_DST[4..7],2,\
             move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],3,controller(reason=no_match,userdata=01.02),\
             output(port=4,max_len=100),output(port=1,max_len=100)",
            "table=1,priority=5,tcp,actions=set_field:0x5->reg0,set_field:1.2.3.4->ip_src,output:NXM_NX_REG0[],goto_table:2",
            "table=1,priority=4,actions=drop",
            "table=2,ip,actions=dec_ttl,output:3,controller(max_len=100),note:00.01,set_queue:3,output:2,pop_queue",
            "table=3,actions=local,in_port,normal,exit",
            "in_port=2,cookie=0x99,actions=write_actions(output:3,push_vlan:0x8100,set_field:4100->vlan_vid),\
             write_metadata:0x55/0xff,goto_table:4",
            "table=4,metadata=0x55/0xff,actions=clear_actions,write_actions(output:1)",
            "in_port=3,dl_type=0x8888,actions=clone(mod_vlan_vid:9,2),1,push:NXM_NX_REG0[],pop:NXM_NX_REG1[],output:9,output:3",
            "in_port=3,dl_type=0x8889,actions=20,2",
            "in_port=3,dl_type=0x888a,actions=mod_vlan_vid:9,20,strip_vlan,2",
            "in_port=3,dl_type=0x888b,actions=resubmit:3",
            "in_port=3,dl_type=0x888c,actions=enqueue:4:7,2",
            "in_port=3,dl_type=0x888d,actions=set_field:0x11->reg3,resubmit(,5),1",
            "table=5,reg3=0x11,actions=move:NXM_OF_IN_PORT[]->NXM_NX_REG4[0..15],push:NXM_NX_REG4[],pop:NXM_NX_REG5[],2",
            "in_port=3,dl_type=0x888e,actions=CONTROLLER:100,2",
            "in_port=3,dl_type=0x888f,actions=load:0->NXM_OF_VLAN_TCI[],1,load:0x1005->NXM_OF_VLAN_TCI[],2",
            "in_port=3,dl_vlan=7,dl_type=0x9990,actions=strip_vlan,1,mod_vlan_pcp:3,2,mod_vlan_vid:4,4",
            "in_port=3,dl_type=0x9991,actions=write_actions(set_field:00:00:00:00:00:07->eth_src)",
            "in_port=3,dl_type=0x9992,actions=resubmit(,6),1",
            "table=6,actions=exit",
            "in_port=3,icmp,actions=clone(dec_ttl,1),2,4",
            "in_port=3,sctp,actions=mod_tp_src:7,1,mod_nw_src:1.1.1.1,2",
            "in_port=3,dl_vlan=8,tcp,actions=set_field:1->nw_ecn,push_vlan:0x88a8,1",
            "in_port=4,vlan_tci=0x0000/0x1000,actions=2",
            "in_port=4,ip,nw_src=10.1.0.0/16,actions=1",
            "in_port=4,ip,nw_src=10.2.0.0/24,tcp,tp_dst=80,priority=40000,actions=2",
        ],
    );
    check(
        &pair,
        &[
            vec!["br0", "in_port=1,tcp,nw_ttl=64"],
            vec!["br0", "in_port=1,tcp,nw_ttl=1"],
            vec!["br0", "in_port=1,udp,nw_ttl=5"],
            vec!["br0", "in_port=1,udp,nw_ttl=5,dl_vlan=5,dl_vlan_pcp=3"],
            vec!["br0", "in_port=1,arp,arp_op=1"],
            vec!["br0", "in_port=1,tcp6"],
            vec!["br0", "in_port=1,dl_type=0x1234"],
            vec!["br0", "in_port=1,dl_type=0x1234,dl_dst=00:00:00:00:00:10"],
            vec!["br0", "in_port=1,dl_type=0x1234,dl_dst=ff:ff:ff:ff:ff:ff,dl_src=00:00:00:00:00:05"],
            vec!["br0", "in_port=2"],
            vec!["br0", "in_port=3,dl_type=0x8888"],
            vec!["br0", "in_port=3,dl_type=0x8888,dl_vlan=4,dl_vlan_pcp=1"],
            vec!["br0", "in_port=3,dl_type=0x8889,dl_src=50:54:00:00:00:05"],
            vec!["br0", "in_port=3,dl_type=0x888a"],
            vec!["br0", "in_port=3,dl_type=0x888b"],
            vec!["br0", "in_port=3,dl_type=0x888c"],
            vec!["br0", "in_port=3,dl_type=0x888d"],
            vec!["br0", "in_port=3,dl_type=0x888e"],
            vec!["br0", "in_port=3,dl_type=0x888f"],
            vec!["br0", "in_port=3,dl_type=0x888f,dl_vlan=99"],
            vec!["br0", "in_port=3,dl_type=0x9990,dl_vlan=7"],
            vec!["br0", "in_port=3,dl_type=0x9990,dl_vlan=7,dl_vlan_pcp=5"],
            vec!["br0", "in_port=3,dl_type=0x9991"],
            vec!["br0", "in_port=3,dl_type=0x9992"],
            vec!["br0", "in_port=3,icmp,nw_ttl=9"],
            vec!["br0", "in_port=3,sctp"],
            vec!["br0", "in_port=3,tcp,dl_vlan=8"],
            vec!["br0", "in_port=3,tcp"],
            vec!["br0", "in_port=3"],
            vec!["br0", "in_port=4"],
            vec!["br0", "in_port=4,dl_vlan=3"],
            vec!["br0", "in_port=4,dl_vlan=3,tcp,nw_src=10.1.2.3"],
            vec!["br0", "in_port=4,dl_vlan=3,tcp,nw_src=10.2.0.3,tp_dst=80"],
            vec!["br0", "in_port=4,dl_vlan=3,tcp,nw_src=192.168.0.1,tp_dst=81"],
            vec!["br0", "in_port=9"],
            vec!["br1", "in_port=9"],
            vec!["br1", "in_port=CONTROLLER,dl_dst=01:02:03:04:05:06"],
            vec!["br1", "dl_dst=01:02:03:04:05:06"],
            vec!["br1", "in_port=1,dl_dst=01:80:c2:00:00:00"],
            vec!["br1", "in_port=5,dl_dst=01:80:c2:00:00:0f"],
            vec!["nobr", "in_port=1"],
            vec!["br0", "in_port=foo"],
            vec!["br0", "in_port=1", "zz"],
            vec!["br0", "in_port=1,ip", "--bad"],
            vec!["ovs-dummy", "in_port(77),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:06),eth_type(0x1234)"],
            vec![
                "ovs-dummy",
                "in_port(1),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:06),eth_type(0x0800),\
                 ipv4(src=1.1.1.1,dst=2.2.2.2,proto=6,tos=0,ttl=64,frag=no),tcp(src=1,dst=2)",
            ],
            vec![
                "in_port(1),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:06),eth_type(0x0800),\
                 ipv4(src=1.1.1.1,dst=2.2.2.2,proto=6,tos=0,ttl=64,frag=no),tcp(src=1,dst=2)",
            ],
            vec![
                "br0",
                "in_port=1",
                "ffffffffffff0000000000010806000108000604000100000000000101010101000000000000020202020000",
            ],
        ],
    );
}

/// Every VLAN mode in and out, with every kind of tag, learned and flooded.
#[test]
fn vlan_modes_trace_alike() {
    let Some(pair) = Pair::start() else { return };
    pair.bridge("br0", false, 100);
    let bundle = |name: &str, mode, tag: Option<u16>, trunks: &[u16]| BundleSettings {
        mode,
        tag,
        trunks: VlanSet::listed_or_all(trunks.iter().copied()),
        ..BundleSettings::trunk(name)
    };
    pair.port("br0", 1, BundleSettings::access("p1", 10), &["tag=10"]);
    pair.port("br0", 2, BundleSettings::access("p2", 20), &["tag=20"]);
    pair.port("br0", 3, bundle("p3", VlanMode::Trunk, None, &[10, 20]), &["trunks=10,20"]);
    pair.port("br0", 4, bundle("p4", VlanMode::Trunk, None, &[]), &[]);
    pair.port(
        "br0",
        5,
        bundle("p5", VlanMode::NativeTagged, Some(10), &[20]),
        &["vlan_mode=native-tagged", "tag=10", "trunks=20"],
    );
    pair.port(
        "br0",
        6,
        bundle("p6", VlanMode::NativeUntagged, Some(10), &[]),
        &["vlan_mode=native-untagged", "tag=10"],
    );
    let tunnel = BundleSettings { cvlans: VlanSet::of([10, 11]), ..bundle("p7", VlanMode::Dot1qTunnel, Some(30), &[]) };
    pair.port("br0", 7, tunnel, &["vlan_mode=dot1q-tunnel", "tag=30", "cvlans=10,11"]);
    let tagged = |name: &str, tag, priority_tags| BundleSettings { priority_tags, ..BundleSettings::access(name, tag) };
    pair.port(
        "br0",
        8,
        tagged("p8", 10, PriorityTags::IfNonzero),
        &["tag=10", "other-config:priority-tags=if-nonzero"],
    );
    pair.port("br0", 9, tagged("p9", 10, PriorityTags::Always), &["tag=10", "other-config:priority-tags=always"]);
    for (number, name) in [(11, "p11"), (12, "p12")] {
        let protected = BundleSettings { protected: true, ..BundleSettings::trunk(name) };
        pair.port("br0", number, protected, &["protected=true"]);
    }
    let mut differences = Vec::new();
    let mut cases = 0;
    for port in [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12] {
        for tag in [
            "",
            ",dl_vlan=0,dl_vlan_pcp=0",
            ",dl_vlan=0,dl_vlan_pcp=5",
            ",dl_vlan=10",
            ",dl_vlan=20,dl_vlan_pcp=3",
            ",dl_vlan=30",
            ",dl_vlan=11",
        ] {
            // OVS forgets that keeping a priority tag rests on the priority
            if tag.ends_with("pcp=5") && matches!(port, 4 | 11 | 12) {
                continue;
            }
            let src = format!("50:54:00:00:01:{port:02x}");
            let flow = format!("in_port={port},dl_src={src},dl_dst=ff:ff:ff:ff:ff:ff,dl_type=0x1234{tag}");
            cases += 1;
            differences.extend(pair.compare(&["br0", &flow, "-generate"]).err());
        }
    }
    for port in [1, 3, 4, 6, 7, 11] {
        for to in [1, 3, 5, 6, 7, 8, 12] {
            for tag in ["", ",dl_vlan=10,dl_vlan_pcp=1", ",dl_vlan=20"] {
                let flow = format!(
                    "in_port={port},dl_src=50:54:00:00:02:01,dl_dst=50:54:00:00:01:{to:02x},dl_type=0x1234{tag}"
                );
                cases += 1;
                differences.extend(pair.compare(&["br0", &flow]).err());
            }
        }
    }
    let arp =
        "in_port=1,arp,dl_src=50:54:00:00:01:01,dl_dst=ff:ff:ff:ff:ff:ff,arp_op=1,arp_spa=1.1.1.1,arp_tpa=1.1.1.1";
    differences.extend(pair.compare(&["br0", arp, "-generate"]).err());
    differences.extend(pair.compare(&["br0", &arp.replace("in_port=1", "in_port=6"), "-generate"]).err());
    differences.extend(pair.compare(&["br0", arp]).err());
    report(differences, cases + 3);
}
