//! Tunnel ports: what goes into them and comes out, as `ofproto/trace` of Open vSwitch 3.1 says it. Every verdict in here was
//! captured from it, with the same ports, routes and neighbours.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use support::Switch;
use weft_flow::OfPort;
use weft_packet::{DpPort, Mac};
use weft_pipeline::tunnel::listen::Device;
use weft_pipeline::tunnel::{Tunnel, options};
use weft_pipeline::{BridgeSettings, BundleSettings, ConfigError, FailMode, PortKind, PortSettings, PortState};

/// `br0` carries outer packets and has the address 1.1.2.88; `int-br` has tunnels.
fn switch(tunnels: &[(u32, u32, &str)]) -> Switch {
    let switch = Switch::new(FailMode::Standalone, 1);
    let settings = BridgeSettings { fail_mode: FailMode::Secure, ..BridgeSettings::default() };
    switch.pipeline.add_bridge("int-br", settings, switch.now).unwrap();
    port(&switch, "int-br", "int-br", PortKind::Device(DpPort(7)), OfPort::LOCAL).unwrap();
    port(&switch, "int-br", "d1", PortKind::Device(DpPort(2)), OfPort(20)).unwrap();
    for (number, dp, words) in tunnels {
        add_tunnel(&switch, *number, *dp, words).unwrap();
    }
    let addresses = vec![([1, 1, 2, 88].into(), 24), ("2001:cafe::88".parse().unwrap(), 24)];
    switch.pipeline.set_device("br0", Some(Device { mac: LOCAL, addresses }));
    for line in [
        "ovs/route/add 1.1.2.92/24 br0",
        "ovs/route/add 2001:cafe::92/24 br0",
        "tnl/neigh/set br0 1.1.2.92 f8:bc:12:44:34:b6",
        "tnl/neigh/set br0 2001:cafe::92 f8:bc:12:44:34:b7",
    ] {
        assert_eq!(switch.command(line), "OK");
    }
    switch
}

const LOCAL: Mac = Mac([0x0a, 0xa5, 0xc6, 0x8e, 0x30, 0x46]);

fn port(switch: &Switch, bridge: &str, name: &str, kind: PortKind, number: OfPort) -> Result<(), ConfigError> {
    let settings = PortSettings {
        name: name.into(),
        device_type: "dummy".into(),
        kind,
        ofport_request: Some(number),
        state: PortState::default(),
    };
    switch.pipeline.set_bundle(bridge, BundleSettings::trunk(name))?;
    switch.pipeline.add_port(bridge, name, settings, switch.now).map(|_| ())
}

fn tunnel(dp: u32, words: &str) -> Tunnel {
    let mut words = words.split_whitespace();
    let kind = options::kind_of(words.next().unwrap()).unwrap();
    let options: BTreeMap<_, _> =
        words.map(|word| word.split_once('=').unwrap()).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    Tunnel { dp: DpPort(dp), config: options::read("t", kind, &options).config.unwrap() }
}

fn add_tunnel(switch: &Switch, number: u32, dp: u32, words: &str) -> Result<(), ConfigError> {
    port(switch, "int-br", &format!("t{number}"), PortKind::Tunnel(Box::new(tunnel(dp, words))), OfPort(number))
}

const FRAME: &str = "in_port=20,udp,dl_src=50:54:00:00:00:05,dl_dst=50:54:00:00:00:07,nw_src=192.168.0.1,\
                     nw_dst=192.168.0.2,nw_ttl=64,udp_src=1,udp_dst=2";

fn program(switch: &Switch, actions: &str) {
    use weft_openflow::flow::FlowModCommand;
    use weft_openflow::text::{FlowCommand, Names, parse_flow};
    let flow =
        parse_flow(&format!("in_port=20,actions={actions}"), FlowCommand::Mod(FlowModCommand::Add), &Names::none());
    switch.pipeline.program("int-br", flow.unwrap(), switch.now).unwrap();
}

/// What is done with the frame when it meets these actions.
fn verdict(switch: &Switch, actions: &str) -> String {
    program(switch, actions);
    line(&switch.command(&format!("ofproto/trace int-br {FRAME}")), "Datapath actions: ")
}

fn line(text: &str, prefix: &str) -> String {
    let found = text.lines().find_map(|line| line.strip_prefix(prefix));
    found.unwrap_or_else(|| panic!("{text}")).to_owned()
}

const TUNNELS: &[(u32, u32, &str)] = &[
    (2, 4789, "vxlan remote_ip=1.1.2.92 key=123"),
    (3, 6081, "geneve remote_ip=1.1.2.92 key=123 csum=true"),
    (4, 4, "gre remote_ip=1.1.2.92 key=456 seq=true csum=true"),
    (5, 3, "erspan remote_ip=1.1.2.92 key=7 erspan_ver=1 erspan_idx=0x3"),
    (6, 3, "erspan remote_ip=1.1.2.92 key=8 erspan_ver=2 erspan_dir=1 erspan_hwid=7"),
    (7, 2152, "gtpu remote_ip=1.1.2.92 key=9"),
    (8, 4790, "vxlan remote_ip=1.1.2.92 key=123 exts=gpe packet_type=ptap dst_port=4790"),
    (9, 4789, "vxlan remote_ip=2001:cafe::92 key=123"),
    (10, 6081, "geneve remote_ip=flow key=flow"),
    (14, 6, "ip6gre remote_ip=2001:cafe::92 key=5"),
    (15, 5, "ip6erspan remote_ip=2001:cafe::92 key=6 erspan_ver=1 erspan_idx=5"),
    (16, 4791, "vxlan remote_ip=1.1.2.92 key=55 exts=gbp dst_port=4791"),
    (17, 4, "gre remote_ip=1.1.2.92 packet_type=legacy_l3"),
];

#[test]
fn outer_headers_are_prepared_where_a_bridge_carries_them() {
    let switch = switch(TUNNELS);
    let v4 = |proto: u8| {
        format!(
            "eth(dst=f8:bc:12:44:34:b6,src=0a:a5:c6:8e:30:46,dl_type=0x0800),ipv4(src=1.1.2.88,dst=1.1.2.92,proto={proto},\
             tos=0,ttl=64,frag=0x4000)"
        )
    };
    let v6 = |proto: u8| {
        format!(
            "eth(dst=f8:bc:12:44:34:b7,src=0a:a5:c6:8e:30:46,dl_type=0x86dd),ipv6(src=2001:cafe::88,dst=2001:cafe::92,\
             label=0,proto={proto},tclass=0x0,hlimit=64)"
        )
    };
    let push = |port: u32, size: usize, kind: u32, headers: String| {
        format!("tnl_push(tnl_port({port}),header(size={size},type={kind},{headers}),out_port(100)),1")
    };
    let vxlan = push(4789, 50, 4, v4(17) + ",udp(src=0,dst=4789,csum=0x0),vxlan(flags=0x8000000,vni=0x7b)");
    let geneve = push(6081, 50, 5, v4(17) + ",udp(src=0,dst=6081,csum=0xffff),geneve(vni=0x7b)");
    for (actions, wanted) in [
        ("2", vxlan.clone()),
        ("3", geneve.clone()),
        ("4", push(4, 50, 3, v4(47) + ",gre((flags=0xb000,proto=0x6558),csum=0x0,key=0x1c8,seq=0x0)")),
        ("5", push(3, 50, 107, v4(47) + ",erspan(ver=1,sid=0x7,idx=0x3)")),
        ("6", push(3, 54, 107, v4(47) + ",erspan(ver=2,sid=0x8,dir=1,hwid=0x7)")),
        (
            "7",
            "pop_eth,".to_owned()
                + &push(2152, 50, 110, v4(17) + ",udp(src=0,dst=2152,csum=0x0),gtpu(flags=0x30,msgtype=255,teid=0x9)"),
        ),
        ("8", push(4790, 50, 4, v4(17) + ",udp(src=0,dst=4790,csum=0x0),vxlan(flags=0xc000003,vni=0x7b)")),
        ("9", push(4789, 70, 4, v6(17) + ",udp(src=0,dst=4789,csum=0xffff),vxlan(flags=0x8000000,vni=0x7b)")),
        ("10", "drop".to_owned()),
        ("14", push(6, 62, 109, v6(47) + ",gre((flags=0x2000,proto=0x6558),key=0x5)")),
        ("15", push(5, 70, 108, v6(47) + ",erspan(ver=1,sid=0x6,idx=0x5)")),
        ("17", "pop_eth,".to_owned() + &push(4, 38, 3, v4(47) + ",gre((flags=0x0,proto=0x800))")),
        ("2,20", vxlan.clone()),
        ("2,3", format!("clone({vxlan}),{geneve}")),
        ("mod_vlan_vid:5,2", format!("push_vlan(vid=5,pcp=0),{vxlan}")),
        (
            "set_tunnel:5,set_field:1.1.2.92->tun_dst,10",
            push(6081, 50, 5, v4(17) + ",udp(src=0,dst=6081,csum=0x0),geneve(vni=0x5)"),
        ),
        ("set_tunnel:5,set_field:6.6.6.92->tun_dst,10", "drop".to_owned()),
    ] {
        assert_eq!(verdict(&switch, actions), wanted, "{actions}");
    }
}

#[test]
fn the_datapath_puts_headers_on_where_no_bridge_carries_them() {
    let switch = switch(TUNNELS);
    assert_eq!(switch.command("dpif/set-dp-features br0 tnl_push_pop false"), "");
    for (actions, wanted) in [
        ("2", "set(tunnel(tun_id=0x7b,dst=1.1.2.92,ttl=64,tp_dst=4789,flags(df|key))),4789"),
        ("3", "set(tunnel(tun_id=0x7b,dst=1.1.2.92,ttl=64,tp_dst=6081,flags(df|csum|key))),6081"),
        ("4", "set(tunnel(tun_id=0x1c8,dst=1.1.2.92,ttl=64,flags(df|csum|key))),4"),
        ("5", "set(tunnel(tun_id=0x7,dst=1.1.2.92,ttl=64,erspan(ver=1,idx=0x3),flags(df|key))),3"),
        ("6", "set(tunnel(tun_id=0x8,dst=1.1.2.92,ttl=64,erspan(ver=2,dir=1,hwid=0x7),flags(df|key))),3"),
        ("7", "set(tunnel(tun_id=0x9,dst=1.1.2.92,ttl=64,tp_dst=2152,flags(df|key))),pop_eth,2152"),
        ("9", "set(tunnel(tun_id=0x7b,ipv6_dst=2001:cafe::92,ttl=64,tp_dst=4789,flags(df|key))),4789"),
        ("10", "drop"),
        ("17", "set(tunnel(dst=1.1.2.92,ttl=64,flags(df))),pop_eth,4"),
        (
            "set_field:5->tun_gbp_id,set_field:0x8->tun_gbp_flags,16",
            "set(tunnel(tun_id=0x37,dst=1.1.2.92,ttl=64,tp_dst=4791,vxlan(gbp(id=5,flags=0x8)),flags(df|key))),4791",
        ),
        (
            "2,3,2",
            "set(tunnel(tun_id=0x7b,dst=1.1.2.92,ttl=64,tp_dst=4789,flags(df|key))),4789,\
             set(tunnel(tun_id=0x7b,dst=1.1.2.92,ttl=64,tp_dst=6081,flags(df|csum|key))),6081,\
             set(tunnel(tun_id=0x7b,dst=1.1.2.92,ttl=64,tp_dst=4789,flags(df|key))),4789",
        ),
    ] {
        assert_eq!(verdict(&switch, actions), wanted, "{actions}");
    }
    program(&switch, "2");
    let trace = switch.command(&format!("ofproto/trace int-br {FRAME}"));
    assert_eq!(line(&trace, "Megaflow: "), "recirc_id=0,eth,ip,in_port=20,nw_ecn=0,nw_frag=no");
    assert!(trace.contains("     -> output to kernel tunnel\n"), "{trace}");
}

#[test]
fn the_way_is_told() {
    let switch = switch(&TUNNELS[..1]);
    program(&switch, "2");
    let trace = switch.command(&format!("ofproto/trace int-br {FRAME}"));
    let wanted = "\nbridge(\"int-br\")\n----------------\n 0. in_port=20, priority 32768\n    output:2\n     -> output to native \
                  tunnel\n     -> tunneling to 1.1.2.92 via br0\n     -> tunneling from 0a:a5:c6:8e:30:46 1.1.2.88 to \
                  f8:bc:12:44:34:b6 1.1.2.92\n\nbridge(\"br0\")\n-------------\n 0. priority 0\n    NORMAL\n     -> no learned \
                  MAC for destination, flooding\n\nFinal flow: unchanged\nMegaflow: \
                  recirc_id=0,eth,ip,in_port=20,nw_ecn=0,nw_frag=no\n";
    assert!(trace.contains(wanted), "{trace}");
}

/// An unknown next hop is asked for, by ARP or ND; the answer lets the next frame through.
#[test]
fn a_neighbour_is_asked_for_until_it_answers() {
    let mut switch = switch(&TUNNELS[..1]);
    switch.command("tnl/neigh/flush");
    program(&switch, "2");
    let frame = support::ethernet(1, 2, 0x1234);
    assert_eq!(weft_flow::dpctl::format_actions(&switch.receive(2, &frame), &Default::default()), "drop");
    switch.run(Duration::from_millis(2500));
    let asked = switch.script.sent();
    let question = "ffffffffffff0aa5c68e304608060001080006040001\
                    0aa5c68e3046010102580000000000000101025c";
    assert_eq!(asked, [question; 3], "at once, and each second");
    let reply = "0aa5c68e3046f8bc124434b608060001080006040002f8bc124434b60101025c0aa5c68e304601010258";
    let reply: Vec<u8> =
        (0..reply.len() / 2).map(|i| u8::from_str_radix(&reply[2 * i..2 * i + 2], 16).unwrap()).collect();
    switch.receive(1, &reply);
    assert!(switch.command("tnl/neigh/show").ends_with("f8:bc:12:44:34:b6   br0\n"));
    switch.run(Duration::from_secs(5));
    assert_eq!(switch.script.sent().len(), 3);
    let through = weft_flow::dpctl::format_actions(&switch.receive(2, &frame), &Default::default());
    assert!(through.starts_with("tnl_push(tnl_port(4789),"), "{through}");
    switch.run(Duration::from_secs(1000));
    assert!(!switch.command("tnl/neigh/show").contains("br0"), "nobody used it");
}

/// Whoever is asked for by a tunnel that was not there yet, or is no longer.
#[test]
fn frames_for_us_are_a_tunnels_from_when_it_comes_to_when_it_goes() {
    let mut switch = switch(&[]);
    let gre = hex("0aa5c68e3046f8bc124434b60800 4500003400004000402f0000 0101025c01010258 20006558000001c8 \
         505400000007505400000005ffff 00000000000000000000");
    let actions = |switch: &Switch| weft_flow::dpctl::format_actions(&switch.receive(1, &gre), &Default::default());
    for _ in 0..2 {
        assert_eq!(actions(&switch), "100");
        add_tunnel(&switch, 4, 4, "gre remote_ip=1.1.2.92 key=456").unwrap();
        switch.run(Duration::from_secs(1));
        assert_eq!(actions(&switch), "tnl_pop(4)");
        switch.pipeline.set_tunnel("int-br", "t4", tunnel(4, "gre remote_ip=1.1.2.93 key=456")).unwrap();
        switch.run(Duration::from_secs(1));
        assert_eq!(actions(&switch), "tnl_pop(4)");
        switch.pipeline.remove_port("int-br", "t4", switch.now).unwrap();
        switch.run(Duration::from_secs(1));
    }
    assert_eq!(actions(&switch), "100");
}

/// What is cut is the frame inside, once.
#[test]
fn a_frame_is_cut_before_it_goes_into_a_tunnel() {
    let switch = switch(TUNNELS);
    for actions in ["output(port=2,max_len=64)", "output(port=2,max_len=64),20"] {
        let verdict = verdict(&switch, actions);
        assert!(verdict.starts_with("trunc(64),") && verdict.matches("trunc").count() == 1, "{verdict}");
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

const RECEIVERS: &[(u32, u32, &str)] = &[
    (1, 1, "gre remote_ip=1.1.1.1"),
    (2, 1, "gre remote_ip=1.1.1.1 local_ip=2.2.2.2"),
    (3, 1, "gre remote_ip=flow key=flow"),
    (4, 1, "gre remote_ip=1.1.1.1 key=5"),
    (5, 1, "gre remote_ip=1.1.1.1 key=flow"),
    (6, 1, "gre remote_ip=3.3.3.3 key=5 packet_type=legacy_l3"),
    (7, 1, "gre remote_ip=4.4.4.4 key=5 packet_type=ptap"),
    (9, 6081, "geneve remote_ip=flow key=flow"),
    (10, 4789, "vxlan remote_ip=flow key=flow exts=gbp"),
    (11, 1, "gre remote_ip=5.5.5.5 tos=inherit ttl=inherit"),
];

fn received(switch: &Switch, outer: &str, inner: &str) -> String {
    switch.command(&format!("ofproto/trace ovs-system tunnel({outer}),{inner}"))
}

fn tcp(tos: u8) -> String {
    format!(
        "eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:07),eth_type(0x0800),\
         ipv4(src=192.168.0.1,dst=192.168.0.2,proto=6,tos={tos},ttl=64,frag=no),tcp(src=8,dst=9)"
    )
}

fn receiver() -> Switch {
    let switch = switch(RECEIVERS);
    switch.command("dpif/set-dp-features br0 tnl_push_pop false");
    use weft_openflow::flow::FlowModCommand;
    use weft_openflow::text::{FlowCommand, Names, parse_flow};
    let flow = parse_flow("priority=10,actions=20", FlowCommand::Mod(FlowModCommand::Add), &Names::none()).unwrap();
    switch.pipeline.program("int-br", flow, switch.now).unwrap();
    switch
}

#[test]
fn packets_find_the_port_that_asks_for_them() {
    let switch = receiver();
    let of = |outer: &str, port: u32| {
        let trace = received(&switch, outer, &format!("in_port({port}),{}", tcp(0)));
        (line(&trace, "Megaflow: "), line(&trace, "Datapath actions: "))
    };
    for (outer, megaflow) in [
        (
            "tun_id=0x0,src=1.1.1.1,dst=9.9.9.9,ttl=64",
            "tun_id=0,tun_src=1.1.1.1,tun_dst=9.9.9.9,tun_tos=0,tun_flags=-df-csum+key,in_port=1,",
        ),
        (
            "src=1.1.1.1,dst=2.2.2.2,ttl=64,flags(df)",
            "tun_id=0,tun_src=1.1.1.1,tun_dst=2.2.2.2,tun_tos=0,tun_flags=+df-csum-key,in_port=2,",
        ),
        (
            "tun_id=0x5,src=1.1.1.1,dst=2.2.2.2,ttl=64,flags(df|key)",
            "tun_id=0x5,tun_src=1.1.1.1,tun_dst=2.2.2.2,tun_tos=0,tun_flags=+df-csum+key,in_port=4,",
        ),
        (
            "tun_id=0x9,src=8.8.8.8,dst=2.2.2.2,ttl=64,flags(df|key)",
            "tun_id=0x9,tun_src=8.8.8.8,tun_dst=2.2.2.2,tun_tos=0,tun_flags=+df-csum+key,in_port=3,",
        ),
    ] {
        assert_eq!(of(outer, 1), (format!("recirc_id=0,eth,ip,{megaflow}nw_frag=no"), "2".to_owned()), "{outer}");
    }
    let lost = received(
        &switch,
        "tun_id=0x9,src=8.8.8.8,dst=2.2.2.2,ttl=64,flags(df|key)",
        &format!("in_port(77),{}", tcp(0)),
    );
    assert_eq!(lost, "no OpenFlow tunnel port for this packet");
}

#[test]
fn congestion_goes_on_in_the_inner_header_or_ends_the_packet() {
    let switch = receiver();
    let outer = "tun_id=0x7,src=1.1.1.1,dst=2.2.2.2,tos=3,ttl=64,flags(df|key)";
    for (tos, actions, ecn) in [(0, "drop", 0), (1, "set(ipv4(tos=0x3/0x3)),2", 1), (2, "set(ipv4(tos=0x3/0x3)),2", 2)]
    {
        let trace = received(&switch, outer, &format!("in_port(1),{}", tcp(tos)));
        assert_eq!(line(&trace, "Datapath actions: "), actions, "{tos}");
        assert!(line(&trace, "Megaflow: ").ends_with(&format!(",in_port=5,nw_ecn={ecn},nw_frag=no")), "{trace}");
    }
}

#[test]
fn a_packet_without_ethernet_gets_a_header_where_bridges_expect_one() {
    let switch = receiver();
    let packet = "in_port(1),packet_type(ns=1,id=0x800),eth_type(0x0800),\
                  ipv4(src=192.168.0.1,dst=192.168.0.2,proto=6,tos=0,ttl=64,frag=no),tcp(src=8,dst=9)";
    let legacy = received(&switch, "tun_id=0x5,src=3.3.3.3,dst=2.2.2.2,ttl=64,flags(df|key)", packet);
    assert_eq!(line(&legacy, "Datapath actions: "), "push_eth(src=00:00:00:00:00:00,dst=00:00:00:00:00:00),2");
    assert_eq!(
        line(&legacy, "Megaflow: "),
        "recirc_id=0,packet_type=(1,0x800),ip,tun_id=0x5,tun_src=3.3.3.3,tun_dst=2.2.2.2,tun_tos=0,\
         tun_flags=+df-csum+key,in_port=6,nw_frag=no"
    );
    let aware = received(&switch, "tun_id=0x5,src=4.4.4.4,dst=2.2.2.2,ttl=64,flags(df|key)", packet);
    assert_eq!(line(&aware, "Datapath actions: "), "drop");
    assert!(aware.contains("Trying to send non-Ethernet packet through legacy L2 port"), "{aware}");
}

#[test]
fn two_ports_cannot_ask_for_the_same_packets() {
    let switch = switch(&[(1, 1, "gre remote_ip=1.1.1.1"), (2, 1, "gre remote_ip=1.1.1.2")]);
    let refused = add_tunnel(&switch, 3, 1, "gre remote_ip=1.1.1.1").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "attempting to add tunnel port with same config as port 't1' (::->1.1.1.1, key=0, legacy_l2, dp port=1)"
    );
    assert!(switch.pipeline.set_tunnel("int-br", "t2", tunnel(1, "gre remote_ip=1.1.1.1")).is_err());
    switch.pipeline.set_tunnel("int-br", "t1", tunnel(1, "gre remote_ip=1.1.1.3 key=7")).unwrap();
    switch.pipeline.set_tunnel("int-br", "t2", tunnel(1, "gre remote_ip=1.1.1.1")).unwrap();
    assert_eq!(
        switch.command("ofproto/list-tunnels"),
        "port 1: t1 (gre: ::->1.1.1.3, key=0x7, legacy_l2, dp port=1, ttl=64)\n\
         port 1: t2 (gre: ::->1.1.1.1, key=0, legacy_l2, dp port=1, ttl=64)\n"
    );
    assert_eq!(switch.command("tnl/ports/show"), "Listening ports:\ngre_sys (1) ref_cnt=2\n");
}
