//! Recirculation, MPLS, conntrack, NSH and packet types: our `ofproto/trace` beside that of the real ovs-vswitchd.

mod real;

use real::{Pair, check};
use weft_pipeline::BundleSettings;

#[test]
fn stopping_halfway_traces_alike() {
    let Some(pair) = Pair::with_ports(4) else { return };
    pair.flows(
        "br0",
        &[
            "table=0,cookie=0x5,in_port=1,actions=set_field:1->reg0,push:NXM_NX_REG0[],resubmit(,1),set_field:7->reg2,output:3",
            "table=1,cookie=0x6,actions=set_field:2->reg1,resubmit(,2),output:4",
            "table=2,cookie=0x7,reg0=1,actions=mod_dl_src:00:00:00:00:00:01,debug_recirc,pop:NXM_NX_REG5[],output:2,resubmit(,3)",
            "table=0,in_port=2,actions=debug_slow,3",
        ],
    );
    check(&pair, &[vec!["br0", "in_port=1,ip"], vec!["br0", "in_port=2,ip"], vec!["br0", "in_port=2"]]);
}

#[test]
fn label_stacks_trace_alike() {
    let Some(pair) = Pair::with_ports(4) else { return };
    pair.bridge("br1", true, 101);
    pair.patch("br0", 20, "pa", "pb");
    pair.patch("br1", 1, "pb", "pa");
    pair.port("br1", 5, BundleSettings::trunk("q1"), &[]);
    let mut flows: Vec<String> = [
        "in_port=1,tcp,actions=push_mpls:0x8847,2",
        "in_port=1,arp,actions=push_mpls:0x8848,set_field:5->mpls_label,set_field:3->mpls_tc,set_field:7->mpls_ttl,push_mpls:0x8847,push_mpls:0x8847,2",
        "in_port=1,dl_vlan=5,ip,actions=push_mpls:0x8847,set_field:77->mpls_label,2,pop_vlan,3",
        "in_port=1,udp,actions=set_field:00:00:00:00:00:05->eth_dst,set_field:1.1.1.1->ip_dst,push_mpls:0x8847,\
         set_field:00:00:00:00:00:06->eth_src,push_vlan:0x8100,2,set_field:7->mpls_label,set_field:00:00:00:00:00:07->eth_src,3",
        "in_port=1,icmp,actions=push_mpls:0x8847,pop_mpls:0x0800,dec_ttl,3",
        "in_port=1,sctp,actions=push_mpls:0x8847,3,pop_mpls:0x0800,2",
        "in_port=1,ipv6,actions=push_mpls:0x8847,push_mpls:0x8847,push_mpls:0x8847,push_mpls:0x8847,3",
        "in_port=3,mpls,mpls_bos=1,actions=pop_mpls:0x86dd,resubmit(,1)",
        "in_port=3,mpls,mpls_bos=0,actions=clone(pop_mpls:0x8847,4),2",
        "in_port=4,mpls,actions=20,pop_mpls:0x0800,20,2",
        "in_port=4,tcp,actions=20,2,3",
        "in_port=4,udp,actions=set_field:80->udp_dst,clone(set_field:9->nw_ttl,push_mpls:0x8847,1),3,set_field:5->nw_ttl,2",
        "in_port=4,sctp,actions=clone(push_mpls:0x8847,1),3",
        "table=1,dl_type=0x86dd,actions=dec_ttl,4",
    ]
    .map(str::to_owned)
    .into();
    let lists = [
        "pop_mpls:0x0800,3",
        "pop_mpls:0x8847,3",
        "pop_mpls:0x0800,mod_nw_ttl:4,3",
        "pop_mpls:0x8847,dec_mpls_ttl,3",
        "dec_mpls_ttl,set_field:5->mpls_tc,load:3->OXM_OF_MPLS_LABEL[0..3],move:OXM_OF_MPLS_LABEL[0..7]->NXM_NX_REG0[0..7],output:NXM_NX_REG0[]",
        "push_mpls:0x8847,set_field:11->mpls_label,pop_mpls:0x8847,3",
        "pop_mpls:0x8847,push_mpls:0x8847,3",
        "pop_mpls:0x8847,pop_mpls:0x8847,pop_mpls:0x8847,pop_mpls:0x0800,3",
        "set_field:100->mpls_label,4,3,pop_mpls:0x8847,set_field:200->mpls_label,push_mpls:0x8848,3",
        "push_mpls:0x8847,3,pop_mpls:0x8847,4,pop_mpls:0x0800,1,push_mpls:0x8847,3",
        "pop_mpls:0x8848,3",
        "set_field:9->mpls_label,pop_mpls:0x0800,set_field:00:00:00:00:00:01->eth_src,set_field:3->reg0,set_queue:3,controller,normal,in_port,output:NXM_NX_REG0[]",
        "pop_mpls:0x0800,set_field:3->reg0,write_metadata:3",
        "pop_mpls:0x0800,3,goto_table:1",
        "pop_mpls:0x0800,note:00",
        "pop_mpls:0x0800,push_vlan:0x8100,3",
        "pop_mpls:0x0800,clone(3)",
        "push_vlan:0x8100,set_field:4100->vlan_vid,push_mpls:0x8847,3,pop_vlan,4",
        "dec_mpls_ttl,dec_mpls_ttl,3",
    ];
    flows.extend(
        lists.iter().enumerate().map(|(i, list)| format!("in_port=2,mpls,mpls_label={},actions={list}", 100 + i)),
    );
    let flows: Vec<&str> = flows.iter().map(String::as_str).collect();
    pair.flows("br0", &flows);
    pair.flows("br1", &["actions=5", "priority=40000,tcp,actions=dec_ttl,push_mpls:0x8847,5"]);
    let mut cases: Vec<Vec<String>> = [
        "in_port=1,tcp,nw_ttl=64,nw_tos=32",
        "in_port=1,arp",
        "in_port=1,dl_vlan=5,ip,nw_ttl=3",
        "in_port=1,dl_vlan=5,dl_vlan_pcp=3,tcp,nw_ttl=3",
        "in_port=1,udp,nw_ttl=3,nw_src=3.3.3.3,nw_dst=4.4.4.4,nw_tos=184",
        "in_port=1,icmp,nw_ttl=3,nw_src=3.3.3.3",
        "in_port=1,sctp,nw_ttl=3,nw_src=3.3.3.3",
        "in_port=1,ipv6,nw_ttl=9",
        "in_port=3,mpls,mpls_label=5,mpls_bos=1",
        "in_port=3,mpls,mpls_label=5,mpls_bos=0",
        "in_port=4,mpls,mpls_label=5,mpls_bos=1",
        "in_port=4,tcp,nw_ttl=64,nw_src=1.1.1.1",
        "in_port=4,udp,nw_ttl=64,nw_src=1.1.1.1,nw_tos=184",
        "in_port=4,sctp,nw_ttl=64,nw_src=1.1.1.1",
    ]
    .map(|flow| vec!["br0".to_owned(), flow.to_owned()])
    .into();
    for label in 100..100 + lists.len() {
        for rest in ["mpls_ttl=64,mpls_bos=1", "mpls_ttl=64,mpls_bos=0", "mpls_ttl=2,mpls_tc=3"] {
            cases.push(vec!["br0".into(), format!("in_port=2,mpls,mpls_label={label},{rest}")]);
        }
        let second = "label=18,tc=2,ttl=10";
        for below in [
            format!("{second},bos=1"),
            format!("{second},bos=0,label=28,tc=3,ttl=10,bos=1"),
            format!("{second},bos=0,label=28,tc=3,ttl=10,bos=0"),
        ] {
            let eth = "eth(src=50:54:00:00:00:09,dst=50:54:00:00:00:0a),eth_type(0x8847)";
            cases.push(vec![
                "ovs-dummy".into(),
                format!("in_port(2),{eth},mpls(label={label},tc=1,ttl=64,bos=0,{below})"),
            ]);
        }
    }
    let cases: Vec<Vec<&str>> = cases.iter().map(|case| case.iter().map(String::as_str).collect()).collect();
    check(&pair, &cases);
}

#[test]
fn conntrack_traces_alike() {
    let Some(pair) = Pair::with_ports(4) else { return };
    pair.bridge("br1", true, 101);
    pair.patch("br0", 20, "pa", "pb");
    pair.patch("br1", 1, "pb", "pa");
    pair.port("br1", 5, BundleSettings::trunk("q1"), &[]);
    let lists = [
        "set_field:9->reg3,ct(commit,table=3,zone=5,nat(src=1.2.3.4),exec(set_field:5->ct_mark)),output:3",
        "ct(table=3),ct(table=4),4",
        "clone(ct(table=3)),push_mpls:0x8847,set_field:33->mpls_label,2",
        "resubmit(,10),4",
        "clone(ct(table=3))",
        "ct(commit,zone=NXM_NX_REG0[0..15],force,exec(load:0x123->NXM_NX_CT_LABEL[0..11])),4",
        "ct(commit,zone=5,alg=ftp,nat),4",
        "ct(commit,nat(src=1.2.3.4-1.2.3.9:80-90,random)),ct(commit,nat(dst=1.2.3.4,hash)),4",
        "ct(commit,nat(src,persistent),exec(load:1->NXM_NX_CT_MARK[4..7],load:7->NXM_NX_CT_LABEL[64..95])),4",
        "ct_clear,3,ct(commit),ct_clear,2",
        "set_field:9->nw_ttl,ct(commit),set_field:7->nw_ttl,3",
        "set_field:7->reg1,ct(commit,table=5,nat(dst=5.5.5.5:80),exec(move:NXM_NX_REG1[]->NXM_NX_CT_MARK[],set_field:0x77->ct_label)),3",
        "set_field:00:00:00:00:00:05->eth_dst,20,2",
        "ct(table=7)",
        "20",
        "set_field:0x55->metadata,push:NXM_NX_REG1[],ct(table=3,zone=NXM_NX_REG1[0..15])",
        "clone(ct(commit,table=3)),3",
        "clone(set_field:4->nw_ttl,ct(commit),2),3",
    ];
    let mut flows: Vec<String> = [
        "table=3,priority=5,ct_state=+trk+new,tcp,actions=ct(commit),4",
        "table=3,priority=5,ct_state=+trk+est,tcp,actions=ct_clear,4",
        "table=4,actions=controller,4",
        "table=5,ct_state=+trk,tcp,actions=set_field:9->nw_ttl,ct(table=6,nat)",
        "table=6,tcp,actions=set_field:7->reg1,ct(table=4,zone=NXM_NX_REG1[0..15]),ct_clear,2",
        "table=7,actions=20,ct_clear,2",
        "table=10,tcp,actions=clone(push_mpls:0x8847,4),ct(commit),clone(ct(commit),3),2",
        "in_port=3,tcp6,actions=ct(commit,table=3,nat(src=fe80::1-fe80::5))",
        "in_port=3,ct_state=-trk,ip,actions=ct(table=0)",
        "in_port=3,ct_state=+trk+est,ip,ct_mark=0,ct_label=0x5/0xff,actions=2",
        "in_port=3,ct_state=+trk+new,ip,ct_zone=0,actions=ct(commit),1",
        "in_port=4,udp,ct_state=+trk+est,actions=set_field:7->reg1,resubmit(,14,ct),output:3",
        "in_port=4,udp6,ct_state=+trk+est,actions=resubmit(,14,ct),output:3",
        "table=14,udp,nw_src=1.1.1.0/24,tp_src=5,actions=set_field:8->nw_ttl,2",
        "table=14,ipv6,ipv6_src=fe80::1,actions=1",
    ]
    .map(str::to_owned)
    .into();
    flows.extend(lists.iter().enumerate().map(|(i, list)| format!("in_port=1,tcp,tcp_dst={},actions={list}", 100 + i)));
    let flows: Vec<&str> = flows.iter().map(String::as_str).collect();
    pair.flows("br0", &flows);
    pair.flows(
        "br1",
        &[
            "ip,ct_state=-trk,actions=set_field:00:00:00:00:00:06->eth_src,ct(table=2,zone=9),ct_clear,5",
            "table=2,ip,actions=5",
            "priority=1,actions=5",
        ],
    );
    let mut cases: Vec<Vec<String>> = [
        "in_port=3,tcp6",
        "in_port=3,tcp",
        "in_port=4,udp,ct_state=trk|est,ct_nw_proto=17,ct_nw_src=1.1.1.1,ct_tp_src=5",
        "in_port=4,udp,ct_state=trk|est,ct_nw_proto=17",
        "in_port=4,udp,ct_state=trk|est,ct_nw_src=1.1.1.1",
        "in_port=4,udp6,ct_state=trk|est,ct_nw_proto=17,ct_ipv6_src=fe80::1",
    ]
    .map(|flow| vec!["br0".to_owned(), flow.to_owned()])
    .into();
    for port in 100..100 + lists.len() {
        let flow = format!("in_port=1,tcp,nw_ttl=64,nw_src=10.0.0.1,tcp_src=7,tcp_dst={port}");
        cases.push(vec!["br0".into(), flow.clone()]);
        cases.push(vec![
            "br0".into(),
            flow,
            "--ct-next".into(),
            "trk,est,rpl".into(),
            "--ct-next".into(),
            "trk new".into(),
        ]);
    }
    cases.push(["br0", "in_port=3,udp", "--ct-next", "foo"].map(str::to_owned).into());
    cases.push(["br0", "in_port=3,udp", "--ct-next"].map(str::to_owned).into());
    let cases: Vec<Vec<&str>> = cases.iter().map(|case| case.iter().map(String::as_str).collect()).collect();
    check(&pair, &cases);
}

#[test]
fn headers_around_packets_trace_alike() {
    let Some(pair) = Pair::with_ports(4) else { return };
    let lists = [
        (
            "ip",
            "encap(nsh(md_type=1)),set_field:0x1234->nsh_spi,set_field:5->nsh_si,set_field:0x11223344->nsh_c1,encap(ethernet),set_field:11:22:33:44:55:66->eth_dst,4",
        ),
        (
            "arp",
            "encap(nsh(md_type=2,tlv(0x1000,10,0x12345678),tlv(0x2000,20,0xfedcba9876543210))),set_field:0x1234->nsh_spi,encap(ethernet),set_field:11:22:33:44:55:66->eth_dst,4",
        ),
        (
            "ip",
            "encap(nsh(md_type=1)),set_field:0x1234->nsh_spi,encap(ethernet),set_field:11:22:33:44:55:66->eth_dst,4,dec_nsh_ttl,set_field:7->nsh_si,3,decap,decap,2",
        ),
        ("dl_type=0x894f,nsh_mdtype=1,nsh_np=3", "decap(),decap(),3"),
        ("dl_type=0x894f,nsh_mdtype=1,nsh_np=1", "dec_nsh_ttl,set_field:7->nsh_si,set_field:2->nsh_flags,3"),
        ("dl_type=0x894f,nsh_mdtype=1,nsh_np=5", "decap(),decap(),encap(ethernet),3"),
        ("dl_type=0x894f,nsh_mdtype=1,nsh_np=4", "decap(),decap(),encap(ethernet),3"),
        ("ip", "decap,encap(ethernet),1,set_field:00:00:00:00:00:05->eth_dst,4"),
        ("arp", "decap,2"),
        ("ip", "encap(ethernet),2"),
        ("dl_type=0x1234", "decap,encap(nsh),2"),
        ("ipv6", "decap,encap(nsh),encap(nsh),encap(ethernet),2"),
        ("arp", "encap(mpls),set_field:33->mpls_label,encap(ethernet),2"),
        ("dl_type=0x8847", "decap,decap(packet_type(ns=1,type=0x0800)),encap(ethernet),2"),
        ("dl_type=0x8848", "decap,decap(packet_type(ns=0,type=0)),2"),
        ("ip", "decap,encap(mpls),encap(mpls_mc),encap(ethernet),2"),
        ("ipv6", "encap(nsh),dec_nsh_ttl,clone(encap(ethernet),2),set_field:5->nsh_c1,encap(ethernet),3"),
        ("dl_type=0x894f,nsh_mdtype=1", "set_field:3->nsh_flags,dec_nsh_ttl,3"),
        ("arp", "set_field:00:00:00:00:00:01->eth_src,decap,2,encap(ethernet),3"),
        ("tcp", "decap,set_field:9->nw_ttl,set_field:80->tcp_dst,encap(ethernet),3"),
    ];
    let flows: Vec<String> = lists
        .iter()
        .enumerate()
        .map(|(i, (of, list))| format!("in_port=1,dl_src=00:00:00:00:01:{i:02x},{of},actions={list}"))
        .collect();
    pair.flows("br0", &flows.iter().map(String::as_str).collect::<Vec<_>>());
    let mut cases = Vec::new();
    for (i, (of, _)) in lists.iter().enumerate() {
        let rest = match *of {
            "ip" | "ipv6" | "tcp" => ",nw_ttl=64,nw_tos=32",
            of if of.contains("0x894f") => ",nsh_ttl=33,nsh_spi=0x100,nsh_si=3",
            "dl_type=0x8847" | "dl_type=0x8848" => ",mpls_label=4,mpls_bos=1",
            _ => "",
        };
        cases.push(format!("in_port=1,dl_src=00:00:00:00:01:{i:02x},{of}{rest}"));
        if of.contains("nsh_mdtype=1") {
            cases.push(format!("in_port=1,dl_src=00:00:00:00:01:{i:02x},{of},nsh_ttl=1"));
        }
    }
    check(&pair, &cases.iter().map(|case| vec!["br0", case.as_str()]).collect::<Vec<_>>());
}

/// What is left where translation stopped, and how it goes on.
#[test]
fn what_is_left_is_said_alike() {
    let Some(pair) = Pair::with_ports(4) else { return };
    let lists = [
        "resubmit(,2)",
        "resubmit(1,2)",
        "output:2",
        "dec_ttl",
        "output:NXM_NX_REG0[]",
        "learn(table=1)",
        "ct(table=1)",
        "load:1->NXM_NX_REG0[],resubmit(,2),output:2",
        "controller",
        "clone(output:1)",
        "enqueue:1:2",
        "bundle(eth_src,0,active_backup,ofport,members:1,2)",
        "normal",
        "fin_timeout(idle_timeout=10)",
        "exit",
        "check_pkt_larger(100)->NXM_NX_REG0[0]",
        "output(port=1,max_len=100)",
        "pop_queue",
        "push:NXM_NX_REG0[],pop:NXM_NX_REG1[]",
        "ct_clear",
        "debug_recirc",
    ];
    let mut differences = Vec::new();
    for (nth, list) in lists.iter().enumerate() {
        let flow = format!("priority={},cookie=0x5,tcp,tcp_dst={},actions=debug_recirc,{list}", 10 + nth, 1 + nth);
        pair.flows("br0", &[&flow]);
        let frame = format!("in_port=1,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,tcp_dst={}", 1 + nth);
        differences.extend(pair.compare_resumed("br0", &frame).err());
    }
    real::report(differences, lists.len());
}
