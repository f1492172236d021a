//! Actions with state (learn, conjunction, fin_timeout, meter, ...): our `ofproto/trace` beside that of the real
//! ovs-vswitchd.

mod real;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use real::{Pair, check, report};

#[test]
fn learning_traces_alike() {
    let Some(pair) = Pair::with_ports(4) else { return };
    pair.flows(
        "br0",
        &[
            "table=0,in_port=1,actions=learn(table=1,idle_timeout=10,hard_timeout=20,priority=7,cookie=0x123,\
             NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],eth_type=0x800,\
             load:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15],load:5->NXM_NX_REG1[],output:NXM_OF_IN_PORT[]),2",
            "table=0,in_port=2,tcp,actions=learn(table=2,fin_idle_timeout=2,fin_hard_timeout=3,send_flow_rem,delete_learned,\
             eth_type=0x800,nw_proto=6,NXM_OF_IP_SRC[]=NXM_OF_IP_DST[],NXM_OF_IP_DST[],tcp_src=tcp_dst,limit=1,\
             result_dst=reg0[3],load:reg1->reg2,output:reg3),resubmit(,4),3",
            "table=0,in_port=3,actions=learn(table=3,delete_learned,limit=2,cookie=0x55,NXM_OF_ETH_SRC[],result_dst=reg0[0]),\
             controller",
            "table=0,in_port=4,ip,actions=learn(table=5,NXM_OF_IN_PORT[],NXM_OF_ETH_SRC[0..15]=NXM_OF_ETH_DST[16..31],\
             NXM_OF_ETH_SRC[16..31],eth_type=0x800,ip_dst=nw_src,load:NXM_OF_IP_DST[4..11]->NXM_OF_ETH_DST[8..15],\
             load:0xaabb->NXM_OF_ETH_SRC[32..47]),resubmit(,5),2",
            "table=0,in_port=4,ipv6,actions=learn(table=6,eth_type=0x86dd,NXM_NX_IPV6_SRC[]=NXM_NX_IPV6_DST[],\
             NXM_NX_REG7[3..9]=5,metadata=tun_id,load:ipv6_src[64..127]->xxreg0[0..63]),2",
            "table=0,in_port=4,arp,actions=learn(table=254,eth_type=0x806,arp_spa=arp_tpa),2",
            "table=0,in_port=4,actions=learn(table=7,priority=0)",
        ],
    );
    let flows = [
        "in_port=1,ip,dl_src=00:00:00:00:00:01,dl_vlan=5",
        "in_port=1,dl_src=00:00:00:00:00:02",
        "in_port=2,tcp,nw_src=1.2.3.4,nw_dst=5.6.7.8,tp_dst=80,tp_src=1000",
        "in_port=2,tcp,nw_src=1.2.3.4,nw_dst=5.6.7.8,tp_dst=81,tp_src=1000",
        "in_port=3,dl_src=00:00:00:00:00:01",
        "in_port=3,dl_src=00:00:00:00:00:02",
        "in_port=3,dl_src=00:00:00:00:00:03",
        "in_port=3,dl_src=00:00:00:00:00:02",
        "in_port=4,ip,dl_src=00:11:22:33:44:55,dl_dst=66:77:88:99:aa:bb,nw_src=10.1.2.3,nw_dst=10.4.5.6",
        "in_port=4,ipv6,ipv6_src=fe80::1,ipv6_dst=fe80::2",
        "in_port=4,arp,arp_spa=1.1.1.1,arp_tpa=2.2.2.2,arp_op=2",
        "in_port=4,dl_type=0x1234",
    ];
    let mut differences = Vec::new();
    for flow in flows {
        // without effects, with them, and once more
        differences.extend(pair.compare(&["br0", flow]).err());
        differences.extend(pair.compare(&["br0", flow, "-generate"]).err());
        differences.extend(pair.compare(&["br0", flow, "-generate"]).err());
    }
    report(differences, 3 * flows.len());
}

#[test]
fn conjunctions_trace_alike() {
    let Some(pair) = Pair::with_ports(4) else { return };
    pair.flows(
        "br0",
        &[
            "priority=100,conj_id=1,actions=2",
            "priority=100,conj_id=2,in_port=3,actions=3",
            "priority=100,conj_id=3,actions=resubmit(,1)",
            "priority=10,ip,nw_src=10.0.0.0/8,actions=conjunction(1,1/2),conjunction(2,1/2)",
            "priority=10,ip,nw_src=11.0.0.1,actions=conjunction(2,1/2)",
            "priority=10,tcp,tp_dst=80,actions=conjunction(1,2/2)",
            "priority=10,tcp,tp_dst=0x100/0xff00,actions=conjunction(1,2/2)",
            "priority=10,udp,udp_dst=90,actions=conjunction(2,2/2),note:11.22",
            "priority=5,ip,nw_src=10.0.0.0/8,actions=4",
            "priority=4,ip,nw_dst=1.1.1.1,actions=1",
            "priority=200,ip,nw_src=10.0.0.0/8,nw_dst=9.9.9.9,actions=conjunction(3,1/3)",
            "priority=200,ip,nw_tos=4,actions=conjunction(3,2/3)",
            "priority=200,udp,actions=conjunction(3,3/3)",
            "priority=10,ip,nw_dst=3.3.3.3,actions=1",
            "table=1,conj_id=3,actions=3",
            "table=1,priority=1,actions=4",
            "priority=0,actions=drop",
        ],
    );
    check(
        &pair,
        &[
            vec!["br0", "in_port=1,tcp,nw_src=10.1.1.1,tcp_dst=80"],
            vec!["br0", "in_port=1,tcp,nw_src=10.1.1.1,tcp_dst=81"],
            vec!["br0", "in_port=1,tcp,nw_src=10.1.1.1,nw_dst=3.3.3.3,tcp_dst=80"],
            vec!["br0", "in_port=1,tcp,nw_src=10.1.1.1,tcp_dst=256"],
            vec!["br0", "in_port=1,tcp,nw_src=11.0.0.1,tcp_dst=80"],
            vec!["br0", "in_port=1,udp,nw_src=11.0.0.1,udp_dst=90"],
            vec!["br0", "in_port=3,udp,nw_src=11.0.0.1,udp_dst=90"],
            vec!["br0", "in_port=3,udp,nw_src=10.0.0.1,nw_dst=9.9.9.9,udp_dst=90,nw_tos=4"],
            vec!["br0", "in_port=3,udp,nw_src=12.0.0.1,nw_dst=1.1.1.1,udp_dst=90,nw_tos=4"],
            vec!["br0", "in_port=3,arp"],
        ],
    );
}

/// Random tables of clauses and ordinary flows; no two conjunctions of one priority, whose order would be undefined.
#[test]
fn random_conjunctions_trace_alike() {
    let Some(pair) = Pair::with_ports(4) else { return };
    let matches = [
        "ip,nw_src=10.0.0.0/8",
        "ip,nw_src=10.1.0.0/16",
        "ip,nw_src=10.1.2.3",
        "ip,nw_dst=10.1.0.0/16",
        "tcp,tp_dst=80",
        "tcp,tp_dst=0x40/0xffc0",
        "tcp,tp_src=1",
        "in_port=1",
        "in_port=2,ip",
        "ip,nw_tos=32",
        "dl_src=00:00:00:00:00:01",
        "dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:02",
        "tcp",
        "reg0=0",
    ];
    let rule = (0..matches.len(), 1u32..5, prop::bool::weighted(0.7), 1u32..4, prop::bool::weighted(0.25));
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let (mut differences, mut cases) = (Vec::new(), 0);
    for table in 1..13 {
        let rules = prop::collection::vec(rule.clone(), 4..16).new_tree(&mut runner).expect("values").current();
        let mut seen = std::collections::BTreeSet::new();
        let mut flows: Vec<String> = Vec::new();
        for (what, priority, is_clause, clause, by_number) in rules {
            let mut line = format!("table={table},priority={priority},{}", matches[what]);
            if by_number && !is_clause {
                line += &format!(",conj_id={priority}");
            }
            // overlapping flows of one priority have no defined order: one mask a priority for those that decide
            if !seen.insert((what, priority, by_number)) || !is_clause && !seen.insert((1000, priority, by_number)) {
                continue;
            }
            line += &if is_clause {
                format!(",actions=conjunction({priority},{}/3)", clause)
            } else {
                format!(",actions={}", 1 + (what + priority as usize) % 4)
            };
            flows.push(line);
        }
        flows.extend((1..5).map(|id| format!("table={table},priority={},conj_id={id},actions={id}", 20 + id)));
        flows.push(format!("table=0,metadata={table},actions=resubmit(,{table})"));
        pair.flows("br0", &flows.iter().map(String::as_str).collect::<Vec<_>>());
        for nth in 0..25u32 {
            let pick =
                |of: &[&str], by: u32| of[((nth * 7 + by * nth + table * by) % of.len() as u32) as usize].to_owned();
            let frame = format!(
                "in_port={},dl_src=00:00:00:00:00:0{},dl_dst=00:00:00:00:00:0{},{}",
                1 + nth % 3,
                1 + nth / 3 % 2,
                1 + nth / 5 % 2,
                if nth % 9 == 8 {
                    "arp".to_owned()
                } else {
                    format!(
                        "{},nw_src={},nw_dst={},nw_tos={}{}",
                        pick(&["tcp", "tcp", "icmp"], 0),
                        pick(&["10.1.2.3", "10.1.9.9", "10.9.9.9", "11.0.0.1"], 3),
                        pick(&["10.1.0.1", "1.1.1.1"], 5),
                        pick(&["0", "32"], 2),
                        if nth * 7 % 3 == 2 {
                            String::new()
                        } else {
                            format!(",tcp_src={},tcp_dst={}", nth % 2, pick(&["80", "64", "443"], 11))
                        },
                    )
                }
            );
            cases += 1;
            differences.extend(pair.compare(&["br0", &format!("{frame},metadata={table}")]).err());
        }
    }
    report(differences, cases);
}

/// Add a meter to both.
fn meter(pair: &Pair, text: &str) {
    pair.real.run("ovs-ofctl", &["-O", "OpenFlow13", "add-meter", "br0", text]);
    let todo = weft_openflow::text::parse_meter(text, weft_openflow::meter::MeterModCommand::Add).expect(text);
    pair.ours.program_meter("br0", todo, weft_base::Time::ZERO).expect(text);
}

#[test]
fn meters_trace_alike() {
    let Some(pair) = Pair::with_ports(4) else { return };
    let band = "pktps,bands=type=drop,rate=1";
    meter(&pair, &format!("meter=7,{band}"));
    meter(&pair, &format!("meter=3,{band}"));
    pair.flows(
        "br0",
        &[
            "in_port=1,actions=meter:3,2",
            "in_port=2,actions=mod_dl_src:00:00:00:00:00:01,controller(meter_id=7),3",
            "in_port=3,ip,actions=controller(meter_id=99),dec_ttl,4",
            "in_port=3,actions=resubmit(,1)",
            "table=1,actions=meter:7,resubmit(,2),1",
            "table=2,actions=meter:3,4",
            "in_port=4,actions=meter:7,write_actions(output:2),goto_table:5",
            "table=5,actions=push_vlan:0x8100,3",
        ],
    );
    let flows = ["in_port=1", "in_port=2", "in_port=3", "in_port=3,ip,nw_ttl=1", "in_port=3,ip,nw_ttl=9", "in_port=4"];
    let cases: Vec<Vec<&str>> = flows.iter().map(|flow| vec!["br0", *flow]).collect();
    check(&pair, &cases);
    meter(&pair, &format!("meter=controller,{band}"));
    check(&pair, &cases);
}

#[test]
fn branches_by_length_trace_alike() {
    let Some(pair) = Pair::with_ports(4) else { return };
    pair.flows(
        "br0",
        &[
            "in_port=1,actions=check_pkt_larger(1500)->reg0[0],resubmit(,1),3",
            "table=1,reg0=1/1,actions=2,mod_dl_src:00:00:00:00:00:09,4",
            "table=1,reg0=0,actions=controller",
            "in_port=2,priority=1,actions=mod_dl_src:00:00:00:00:00:01,check_pkt_larger(100)->NXM_NX_REG0[3]",
            "in_port=3,arp,actions=check_pkt_larger(100)->NXM_NX_REG0[3],check_pkt_larger(200)->NXM_NX_REG0[4],1",
            "in_port=3,tcp,actions=clone(check_pkt_larger(100)->NXM_NX_REG0[3],2),4",
            "in_port=4,actions=1,resubmit(,5),3,mod_dl_dst:00:00:00:00:00:07,3",
            "table=5,actions=mod_dl_src:00:00:00:00:00:01,check_pkt_larger(100)->NXM_NX_REG0[3],2,\
             move:NXM_NX_REG0[]->NXM_OF_ETH_DST[0..31],2,resubmit(,6)",
            "table=6,actions=dec_ttl,resubmit(,7)",
            "table=7,reg0=8,actions=exit",
            "table=7,reg0=0,actions=learn(table=8,eth_src),3",
            "in_port=2,udp,actions=resubmit(,15),4,resubmit(,19)",
            "table=15,actions=check_pkt_larger(100)->NXM_NX_REG0[3],1",
            "table=19,actions=3",
            "in_port=2,icmp,actions=resubmit(,20),4",
            "table=20,actions=check_pkt_larger(100)->NXM_NX_REG0[3],resubmit(,21),1",
            "table=21,reg0=8,actions=3",
            "table=21,reg0=0,actions=1,exit",
            "in_port=3,ip,priority=1,actions=check_pkt_larger(100)->NXM_NX_REG0[3],goto_table:12",
            "table=12,reg0=8,actions=push:NXM_NX_REG0[],mod_vlan_vid:7,2,pop:NXM_NX_REG1[],1",
        ],
    );
    check(
        &pair,
        &[
            vec!["br0", "in_port=1"],
            vec!["br0", "in_port=1,tcp"],
            vec!["br0", "in_port=2"],
            vec!["br0", "in_port=2,udp"],
            vec!["br0", "in_port=2,icmp"],
            vec!["br0", "in_port=3,arp"],
            vec!["br0", "in_port=3,tcp"],
            vec!["br0", "in_port=3,icmp"],
            vec!["br0", "in_port=4,ip,nw_ttl=5"],
            vec!["br0", "in_port=4,ip,nw_ttl=5", "-generate"],
        ],
    );
}

#[test]
fn samples_trace_alike() {
    let Some(pair) = Pair::with_ports(4) else { return };
    let flows = [
        "in_port=1,actions=sample(probability=12345,collector_set_id=1,obs_domain_id=34567,obs_point_id=45678),2",
        "in_port=2,udp,actions=mod_dl_src:00:00:00:00:00:01,\
         sample(probability=65535,collector_set_id=1,obs_domain_id=2,obs_point_id=3,sampling_port=3,egress),1",
        "in_port=2,icmp,actions=sample(probability=1,collector_set_id=1,sampling_port=1,ingress),1",
        "in_port=2,arp,actions=sample(probability=30000,collector_set_id=2,sampling_port=1,ingress),1",
        "in_port=2,tcp,actions=sample(probability=30000,collector_set_id=1,sampling_port=9),mod_dl_src:00:00:00:00:00:01",
    ];
    pair.flows("br0", &flows);
    let frames = ["in_port=1", "in_port=2,udp", "in_port=2,icmp", "in_port=2,arp", "in_port=2,tcp"];
    let cases: Vec<Vec<&str>> = frames.iter().map(|flow| vec!["br0", *flow]).collect();
    check(&pair, &cases);
    let set =
        ["--", "--id=@i", "create", "ipfix", "targets=\"127.0.0.1:1\"", "--", "--id=@br", "get", "bridge", "br0", "--"];
    let set: Vec<&str> =
        set.iter().copied().chain(["create", "Flow_Sample_Collector_Set", "bridge=@br", "id=1", "ipfix=@i"]).collect();
    pair.real.run("ovs-vsctl", &set);
    let fail_mode = weft_pipeline::FailMode::Secure;
    let settings = weft_pipeline::BridgeSettings {
        datapath_type: "dummy".into(),
        fail_mode,
        flow_sampling: true,
        ..Default::default()
    };
    pair.ours.set_bridge("br0", settings, weft_base::Time::ZERO).expect("br0 is there");
    check(&pair, &cases);
}

/// Lists of the actions that move bits about, overlapping and masked, at random.
#[test]
fn random_moves_trace_alike() {
    let Some(pair) = Pair::with_ports(4) else { return };
    let fields = [
        "NXM_NX_REG0",
        "NXM_NX_REG1",
        "NXM_NX_REG0",
        "OXM_OF_METADATA",
        "NXM_OF_ETH_SRC",
        "NXM_OF_ETH_DST",
        "NXM_OF_IP_SRC",
        "NXM_NX_XXREG0",
        "OXM_OF_PKT_REG0",
    ];
    let widths = [32, 32, 32, 64, 48, 48, 32, 128, 64];
    let action = (0usize..8, 0..fields.len(), 0..fields.len(), 0u32..48, 0u32..48, 1u32..33, any::<u32>());
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[9; 32]));
    let (mut differences, mut cases) = (Vec::new(), 0);
    for table in 1..21 {
        let actions = prop::collection::vec(action.clone(), 2..12).new_tree(&mut runner).expect("values").current();
        let mut list = Vec::new();
        for (kind, a, b, at_a, at_b, bits, value) in actions {
            // OVS forgets that writing an IP header rests on there being one, but for `load`
            let b = if b == 6 { 1 } else { b };
            let bits = bits.min(widths[a]).min(widths[b]);
            let place = |f: usize, at: u32| {
                let at = at.min(widths[f] - bits);
                format!("{}[{at}..{}]", fields[f], at + bits - 1)
            };
            let value = u64::from(value) & ((1 << bits) - 1);
            list.push(match kind {
                0 | 1 => format!("move:{}->{}", place(a, at_a), place(b, at_b)),
                2 => format!("load:{value:#x}->{}", place(a, at_a)),
                3 => format!("push:{}", place(a, at_a)),
                4 => format!("pop:{}", place(b, at_b)),
                5 => format!("set_queue:{}", value & 0xff),
                6 => {
                    format!("output({})", ["port=2,max_len=100", "port=3,max_len=64", "port=in_port,max_len=90"][a % 3])
                }
                _ => ["note:11.22", "pop_queue", "enqueue:3:7", "output:NXM_NX_REG0[0..15]", "4", "set_queue:5"][b % 6]
                    .to_owned(),
            });
        }
        let flow = format!("table={table},ip,actions={},1", list.join(","));
        pair.flows("br0", &[&flow, &format!("table=0,ip,metadata={table},actions=resubmit(,{table})")]);
        for frame in [
            "in_port=1,ip,dl_src=12:34:56:78:9a:bc,dl_dst=0f:1e:2d:3c:4b:5a,nw_src=10.20.30.40,nw_dst=1.2.3.4,nw_proto=1",
            "in_port=2,tcp,reg0=0x20003,reg1=0xffffffff,dl_src=ff:ff:ff:ff:ff:ff,nw_src=255.0.255.0",
        ] {
            cases += 1;
            differences.extend(pair.compare(&["br0", &format!("{frame},metadata={table}")]).err());
        }
    }
    report(differences, cases);
}
