//! Groups, `bundle` and `multipath` beside the real ovs-vswitchd: traces equal to the letter, but for what a hash chooses.

mod real;

use real::{Pair, check, report};
use weft_pipeline::BundleSettings;

fn pair() -> Option<Pair> {
    let pair = Pair::start()?;
    pair.real.run("ovs-vsctl", &["set", "open", ".", "other_config:max-idle=100000"]);
    pair.bridge("br0", true, 100);
    for i in [1, 2, 3, 4, 10, 11] {
        pair.port("br0", i, BundleSettings::trunk(&format!("p{i}")), &[]);
    }
    Some(pair)
}

/// Without hashes and what they choose.
fn unhashed(text: &str) -> String {
    let word = |line: &str, before: &str| {
        let at = line.find(before).map(|at| at + before.len())?;
        let end = line[at..].find(|c: char| !c.is_ascii_hexdigit() && c != 'x').map_or(line.len(), |n| at + n);
        Some(format!("{}N{}", &line[..at], &line[end..]))
    };
    let mut out = String::new();
    for line in text.lines() {
        let bucket = if line.contains("score") { None } else { word(line, "bucket ") };
        let line = bucket.or_else(|| word(line, "score ")).or_else(|| word(line, "is now ")).unwrap_or(line.into());
        if !line.starts_with("Final flow") {
            out.push_str(&line);
            out.push('\n');
        }
    }
    out
}

#[test]
fn buckets_trace_alike() {
    let Some(pair) = pair() else { return };
    pair.groups(
        "br0",
        &[
            "group_id=1,type=all,bucket=output:1,bucket=dec_ttl,output:2,bucket=set_field:00:00:00:00:00:05->eth_src,\
             output:3,bucket=set_field:0x7->reg0,resubmit(,5)",
            "group_id=2,type=indirect,bucket=set_field:1.2.3.4->ip_src,output:2",
            "group_id=3,type=ff,bucket=watch_port:10,output:10,bucket=watch_port:11,output:11",
            "group_id=4,type=all,bucket=group:2,output:4,bucket=group:3",
            "group_id=5,type=all,bucket=group:99,bucket=output:2",
            "group_id=6,type=all,bucket=group:6,output:3,bucket=output:2",
            "group_id=7,type=all",
            "group_id=8,type=all,bucket=drop,bucket=resubmit:3,bucket=output:2,controller",
            "group_id=9,type=ff",
            "group_id=10,type=ff,bucket=watch_group:55,output:2,bucket=watch_port:66,watch_group:56,output:2,\
             bucket=watch_group:3,output:2,bucket=watch_port:2,output:4",
            "group_id=11,type=ff,bucket=watch_group:11,output:2",
            "group_id=12,type=indirect,bucket=push:NXM_NX_REG0[],exit,output:2,output:3",
            "group_id=13,type=indirect,bucket=push_vlan:0x8100,set_field:4101->vlan_vid,output:4",
            "group_id=14,type=ff,bucket=watch_port:3,watch_group:3,output:2",
        ],
    );
    pair.flows(
        "br0",
        &[
            "table=5,reg0=7,actions=10",
            "tcp,tp_dst=1,actions=group:1,4",
            "tcp,tp_dst=2,actions=set_field:00:00:00:00:00:99->eth_dst,group:1,4",
            "tcp,tp_dst=3,actions=group:2,4",
            "tcp,tp_dst=4,actions=write_actions(output:10,group:2,set_field:5.6.7.8->ip_dst)",
            "tcp,tp_dst=5,actions=group:3,4",
            "tcp,tp_dst=6,actions=group:4,4",
            "tcp,tp_dst=7,actions=group:5,4",
            "tcp,tp_dst=8,actions=group:6,4",
            "tcp,tp_dst=9,actions=group:7,4",
            "tcp,tp_dst=10,actions=group:8,4",
            "tcp,tp_dst=11,actions=group:9,4",
            "tcp,tp_dst=12,actions=group:10,4",
            "tcp,tp_dst=13,actions=group:11,4",
            "tcp,tp_dst=14,actions=group:12,4",
            "tcp,tp_dst=15,actions=push_vlan:0x8100,set_field:4103->vlan_vid,group:13,4",
            "tcp,tp_dst=16,actions=group:14,4",
        ],
    );
    let mut differences = Vec::new();
    let mut n = 0;
    let mut all = |differences: &mut Vec<String>| {
        for ttl in [1, 64] {
            for port in 1..=16 {
                n += 1;
                let flow = format!("in_port=1,tcp,nw_ttl={ttl},tp_dst={port}");
                differences.extend(pair.compare(&["br0", &flow]).err());
            }
        }
    };
    all(&mut differences);
    pair.admin("br0", "p10", false);
    all(&mut differences);
    pair.admin("br0", "p11", false);
    all(&mut differences);
    report(differences, n);
}

/// What a select group looks at, and what it says; which bucket is its own choice.
#[test]
fn select_groups_look_at_the_same_bits() {
    let Some(pair) = pair() else { return };
    pair.groups(
        "br0",
        &[
            "group_id=1,type=select,selection_method=hash,bucket=output:2,bucket=output:2,bucket=weight:3,output:2",
            "group_id=2,type=select,selection_method=hash,fields(ip_src,tcp_dst),bucket=output:2,bucket=output:2",
            "group_id=3,type=select,selection_method=hash,selection_method_param=5,fields(ip_src=255.255.0.0,vlan_vid),\
             bucket=output:2,bucket=output:2",
            "group_id=4,type=select,selection_method=hash,fields(eth_src,eth_dst,eth_type,ip_proto),\
             bucket=watch_port:10,output:2,bucket=weight:0,output:2,bucket=weight:5,output:2",
            "group_id=5,type=select",
            "group_id=6,type=select,selection_method=dp_hash,bucket=weight:1,output:2,bucket=weight:1000,output:2",
            "group_id=7,type=select,selection_method=hash,fields(ipv6_src,ipv6_dst,tcp_src,udp_src),bucket=2,bucket=2",
            "group_id=8,type=select,selection_method=hash,bucket=weight:0,watch_port:2,output:2,\
             bucket=weight:0,watch_port:99,output:3",
        ],
    );
    let flows: Vec<String> = (1..=8).map(|i| format!("metadata={i},actions=group:{i},4")).collect();
    pair.flows("br0", &flows.iter().map(String::as_str).collect::<Vec<_>>());
    pair.flows("br0", &["metadata=9,actions=push_vlan:0x88a8,set_field:4101->vlan_vid,group:1,4"]);
    let packets = [
        "tcp",
        "udp",
        "sctp",
        "ip",
        "tcp6",
        "udp6",
        "sctp6",
        "arp",
        "dl_type=0x1234",
        "dl_vlan=5",
        "dl_vlan=5,dl_vlan_pcp=3,tcp,nw_src=1.2.3.4,tp_dst=80",
        "tcp,nw_frag=later",
        "tcp,nw_frag=first",
        "mpls",
    ];
    let mut differences = Vec::new();
    for up in [true, false] {
        pair.admin("br0", "p10", up);
        for group in 1..=9 {
            for packet in packets {
                let flow = format!("in_port=1,metadata={group},{packet}");
                differences.extend(same_but_for_hashes(&pair, &["br0", &flow]).err());
            }
        }
    }
    report(differences, 2 * 9 * packets.len());
}

fn same_but_for_hashes(pair: &Pair, args: &[&str]) -> Result<(), String> {
    let ours = pair.ours.command("ofproto/trace", args, weft_base::Time::ZERO).unwrap_or_else(|e| e);
    let (real, ours) = (unhashed(&pair.real.trace(args)), unhashed(&ours));
    if real == ours { Ok(()) } else { Err(format!("== {args:?}\n-- real\n{real}\n-- ours\n{ours}\n")) }
}

#[test]
fn datapath_hashes_trace_alike() {
    let Some(pair) = pair() else { return };
    pair.groups(
        "br0",
        &[
            "group_id=1,type=select,bucket=output:2,bucket=output:3",
            "group_id=2,type=select,selection_method=dp_hash,selection_method_param=7,bucket=output:2,bucket=output:3",
            "group_id=3,type=select,selection_method=dp_hash,selection_method_param=0x100000007,bucket=weight:4,output:3",
            "group_id=4,type=all,bucket=group:2,bucket=output:11",
            "group_id=5,type=select,selection_method=dp_hash,selection_method_param=0x500000007,bucket=output:2",
        ],
    );
    pair.flows(
        "br0",
        &[
            "metadata=1,actions=mod_dl_src:00:00:00:00:00:01,load:5->NXM_NX_REG0[],group:1,4,output:NXM_NX_REG0[]",
            "metadata=2,actions=group:2,4",
            "metadata=3,actions=group:3,4",
            "metadata=4,actions=mod_dl_dst:00:00:00:00:00:07,group:4,4",
            "metadata=5,actions=group:5,4",
            "metadata=6,actions=group:2,group:3,4",
            "metadata=7,actions=load:1->NXM_NX_REG0[],resubmit(,1),10",
            "table=1,reg0=1,actions=group:1,11",
            "metadata=8,actions=write_actions(group:1)",
        ],
    );
    let flows: Vec<String> = (1..=8).map(|i| format!("in_port=1,metadata={i},tcp")).collect();
    check(&pair, &flows.iter().map(|flow| vec!["br0", flow.as_str()]).collect::<Vec<_>>());
}

#[test]
fn bundles_and_multipath_look_at_the_same_bits() {
    let Some(pair) = pair() else { return };
    let hashes =
        ["eth_src", "symmetric_l4", "symmetric_l3l4", "symmetric_l3l4+udp", "nw_src", "nw_dst", "symmetric_l3"];
    let mut flows = Vec::new();
    for (i, hash) in hashes.iter().enumerate() {
        flows.push(format!("metadata={i},actions=multipath({hash},50,modulo_n,3,0,NXM_NX_REG0[0..5]),2"));
        let load = format!("bundle_load({hash},0,hrw,ofport,NXM_NX_REG1[0..15],members:2,3,4)");
        flows.push(format!("metadata={},actions={load},2", i + 100));
    }
    for (i, actions) in [
        "bundle(eth_src,0,active_backup,ofport,members:10,11),2",
        "bundle_load(symmetric_l4,0,active_backup,ofport,NXM_NX_REG2[0..15],members:10,11),2",
        "bundle(nw_src,0,hrw,ofport,members:99),2",
        "bundle(nw_src,0,hrw,ofport,members:10),2",
        "bundle(nw_src,0,hrw,ofport,members:10,99),bundle(eth_src,0,active_backup,ofport,members:1,2)",
        "bundle_load(eth_src,0,hrw,ofport,NXM_NX_REG3[0..15],members:LOCAL),2",
        "bundle_load(eth_src,0,hrw,ofport,NXM_NX_REG3[0..15],members:),2",
        "bundle_load(nw_src,0,hrw,ofport,NXM_OF_ETH_DST[0..15],members:3,99),3",
        "multipath(nw_src,50,hrw,1,0,NXM_OF_ETH_DST[0..15]),3",
    ]
    .iter()
    .enumerate()
    {
        flows.push(format!("metadata={},actions={actions}", i + 200));
    }
    pair.flows("br0", &flows.iter().map(String::as_str).collect::<Vec<_>>());
    let packets = [
        "tcp",
        "udp",
        "sctp",
        "ip",
        "tcp6",
        "udp6",
        "sctp6",
        "arp",
        "dl_type=0x1234",
        "dl_vlan=5",
        "dl_vlan=5,dl_vlan_pcp=3,tcp",
        "tcp,nw_frag=later",
        "tcp,nw_frag=first",
        "mpls",
    ];
    let mut differences = Vec::new();
    let mut n = 0;
    for i in (0..7).chain(100..107) {
        for packet in packets {
            n += 1;
            let flow = format!("in_port=1,metadata={i},{packet}");
            differences.extend(same_but_for_hashes(&pair, &["br0", &flow]).err());
        }
    }
    for down in ["", "p10", "p11"] {
        if !down.is_empty() {
            pair.admin("br0", down, false);
        }
        for i in 200..209 {
            n += 1;
            differences.extend(pair.compare(&["br0", &format!("in_port=1,metadata={i},tcp")]).err());
        }
    }
    report(differences, n);
}
