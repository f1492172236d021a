//! Lines that Open vSwitch printed, read and printed again.

use crate::dpctl::{DpNames, format_actions, format_flow, format_match, parse_actions, parse_match};
use crate::{DpAction, FlowKey};

const ACTIONS: &[&str] = &[
    "tnl_pop(4)",
    "tnl_pop(4),recirc(0x1)",
    "set(tunnel(tun_id=0x1,src=1.1.1.1,dst=2.2.2.2,tos=0x8,ttl=64,tp_src=1,tp_dst=4789,flags(df|csum|key)))",
    "set(tunnel(dst=2.2.2.2,ttl=64,flags(df))),3",
    "set(tunnel(dst=2.2.2.2,ttl=64)),3",
    "set(tunnel(tun_id=0x0,dst=2.2.2.2,ttl=64,flags(df|key))),3",
    "set(tunnel(ipv6_src=::1,ipv6_dst=::2,ttl=64,vxlan(gbp(id=12,flags=0x40)),flags(df))),3",
    "set(tunnel(ipv6_src=::1,ipv6_dst=::2,ttl=64,vxlan(gbp(id=12,flags=0)),flags(df))),3",
    "set(tunnel(tun_id=0x7f,dst=2.2.2.2,ttl=64,geneve({class=0xffff,type=0x80,len=4,0xa}{class=0x102,type=0x1,len=8,\
     0x1234567890}),flags(df|key))),3",
    "set(tunnel(dst=2.2.2.2,ttl=64,tp_dst=4789,geneve({class=0xffff,type=0x80,len=0}),flags(csum))),3",
    "set(tunnel(dst=2.2.2.2,ttl=64,geneve({class=0x1,type=0x1,len=4,0}),flags(csum))),3",
    "set(tunnel(tun_id=0x7f,dst=2.2.2.2,ttl=64,erspan(ver=1,idx=0x7),flags(df|key))),3",
    "set(tunnel(tun_id=0x7f,dst=2.2.2.2,ttl=64,erspan(ver=2,dir=1,hwid=0xf),flags(df|key))),3",
    "set(tunnel(tun_id=0x7f,dst=2.2.2.2,ttl=64,gtpu(flags=0x30,msgtype=255),flags(df|key))),3",
    "set(tunnel(tun_id=0x7f,dst=2.2.2.2,ttl=64,flags(oam|df|csum|key))),3",
    "tnl_push(tnl_port(4789),header(size=50,type=4,eth(dst=f8:bc:12:44:34:b6,src=aa:55:aa:55:00:00,dl_type=0x0800),\
     ipv4(src=1.1.2.88,dst=1.1.2.92,proto=17,tos=0,ttl=64,frag=0x4000),udp(src=0,dst=4789,csum=0x0),\
     vxlan(flags=0x8000000,vni=0x7b)),out_port(101)),2",
    "tnl_push(tnl_port(4789),header(size=70,type=4,eth(dst=f8:bc:12:44:34:b6,src=aa:55:aa:55:00:00,dl_type=0x86dd),\
     ipv6(src=2001:cafe::88,dst=2001:cafe::92,label=4660,proto=17,tclass=0x5,hlimit=64),\
     udp(src=0,dst=4789,csum=0xffff),vxlan(flags=0x8000000,vni=0x7b)),out_port(101)),2",
    "tnl_push(tnl_port(4791),header(size=50,type=4,eth(dst=f8:bc:12:44:34:b6,src=aa:55:aa:55:00:00,dl_type=0x0800),\
     ipv4(src=1.1.2.88,dst=1.1.2.92,proto=17,tos=0,ttl=64,frag=0x4000),udp(src=0,dst=4791,csum=0x0),\
     vxlan(flags=0xc000003,vni=0x7e)),out_port(101)),2",
    "tnl_push(tnl_port(6081),header(size=70,type=5,eth(dst=f8:bc:12:44:34:b6,src=aa:55:aa:55:00:00,dl_type=0x0800),\
     ipv4(src=1.1.2.88,dst=1.1.2.92,proto=17,tos=0x20,ttl=9,frag=0x0),udp(src=0,dst=6081,csum=0x0),\
     geneve(crit,vni=0x7f,options({class=0xffff,type=0x80,len=4,0xa}{class=0x102,type=0x1,len=8,0x1234567890}))),\
     out_port(101)),2",
    "tnl_push(tnl_port(6081),header(size=50,type=5,eth(dst=f8:bc:12:44:34:b6,src=aa:55:aa:55:00:00,dl_type=0x0800),\
     ipv4(src=1.1.2.88,dst=1.1.2.92,proto=17,tos=0,ttl=64,frag=0x4000),udp(src=0,dst=6081,csum=0x0),\
     geneve(oam,crit,vni=0x1c7)),out_port(1))",
    "tnl_push(tnl_port(6081),header(size=50,type=5,eth(dst=f8:bc:12:44:34:b6,src=aa:55:aa:55:00:00,dl_type=0x0800),\
     ipv4(src=1.1.2.88,dst=1.1.2.92,proto=17,tos=0,ttl=64,frag=0x4000),udp(src=0,dst=6081,csum=0x0),\
     geneve(vni=0x1c7)),out_port(1))",
    "clone(tnl_push(tnl_port(3),header(size=46,type=3,eth(dst=f8:bc:12:44:34:b6,src=aa:55:aa:55:00:00,dl_type=0x0800),\
     ipv4(src=1.1.2.88,dst=1.1.2.92,proto=47,tos=0,ttl=64,frag=0x4000),gre((flags=0xa000,proto=0x6558),csum=0x0,\
     key=0x80)),out_port(101)),2),3",
    "pop_eth,tnl_push(tnl_port(3),header(size=46,type=3,eth(dst=f8:bc:12:44:34:b6,src=aa:55:aa:55:00:00,dl_type=0x0800),\
     ipv4(src=1.1.2.88,dst=1.1.2.92,proto=47,tos=0,ttl=64,frag=0x4000),gre((flags=0x3000,proto=0x800),key=0x81,\
     seq=0x5)),out_port(101)),2",
    "tnl_push(tnl_port(3),header(size=38,type=3,eth(dst=f8:bc:12:44:34:b6,src=aa:55:aa:55:00:00,dl_type=0x0800),\
     ipv4(src=1.1.2.88,dst=1.1.2.92,proto=47,tos=0x1c,ttl=64,frag=0x4000),gre((flags=0x0,proto=0x6558))),\
     out_port(101)),2",
    "tnl_push(tnl_port(6),header(size=62,type=109,eth(dst=f8:bc:12:44:34:b7,src=aa:55:aa:55:00:00,dl_type=0x86dd),\
     ipv6(src=2001:cafe::88,dst=2001:cafe::92,label=0,proto=47,tclass=0x0,hlimit=64),gre((flags=0x2000,proto=0x6558),\
     key=0x83)),out_port(101)),2",
    "tnl_push(tnl_port(4),header(size=50,type=107,eth(dst=f8:bc:12:44:34:b6,src=aa:55:aa:55:00:00,dl_type=0x0800),\
     ipv4(src=1.1.2.88,dst=1.1.2.92,proto=47,tos=0,ttl=64,frag=0x4000),erspan(ver=1,sid=0x84,idx=0x3)),\
     out_port(101)),2",
    "tnl_push(tnl_port(5),header(size=74,type=108,eth(dst=f8:bc:12:44:34:b7,src=aa:55:aa:55:00:00,dl_type=0x86dd),\
     ipv6(src=2001:cafe::88,dst=2001:cafe::92,label=0,proto=47,tclass=0x0,hlimit=64),erspan(ver=2,sid=0x87,dir=0,\
     hwid=0x4)),out_port(101)),2",
    "pop_eth,tnl_push(tnl_port(2152),header(size=50,type=110,eth(dst=f8:bc:12:44:34:b6,src=aa:55:aa:55:00:00,\
     dl_type=0x0800),ipv4(src=1.1.2.88,dst=1.1.2.92,proto=17,tos=0,ttl=64,frag=0x4000),udp(src=0,dst=2152,csum=0x0),\
     gtpu(flags=0x30,msgtype=255,teid=0x88)),out_port(101)),2",
];

/// In our own words, for Open vSwitch 3.1 has no such header.
const OWN: &[&str] = &[
    "tnl_push(tnl_port(6),header(size=94,type=112,eth(dst=f8:bc:12:44:34:b7,src=aa:55:aa:55:00:00,dl_type=0x86dd),\
     ipv6(src=2001:cafe::88,dst=2001:cafe::92,label=0,proto=43,tclass=0x0,hlimit=64),srv6(segments_left=1,\
     segs(2001:cafe::93,2001:cafe::92))),out_port(100)),1",
    "tnl_push(tnl_port(6),header(size=54,type=112,eth(dst=f8:bc:12:44:34:b7,src=aa:55:aa:55:00:00,dl_type=0x86dd),\
     ipv6(src=2001:cafe::88,dst=2001:cafe::92,label=0,proto=4,tclass=0x0,hlimit=64)),out_port(100)),1",
    "tnl_push(tnl_port(6635),header(size=42,type=111,eth(dst=f8:bc:12:44:34:b6,src=aa:55:aa:55:00:00,dl_type=0x0800),\
     ipv4(src=1.1.2.88,dst=1.1.2.92,proto=17,tos=0,ttl=64,frag=0x4000),udp(src=0,dst=6635,csum=0x0)),out_port(101)),2",
    "tnl_push(tnl_port(4341),header(size=50,type=105,eth(dst=f8:bc:12:44:34:b6,src=aa:55:aa:55:00:00,dl_type=0x0800),\
     ipv4(src=1.1.2.88,dst=1.1.2.92,proto=17,tos=0,ttl=64,frag=0x4000),udp(src=0,dst=4341,csum=0x0),\
     lisp(flags=0x8,iid=0x88)),out_port(101)),2",
    "tnl_push(tnl_port(7471),header(size=72,type=106,eth(dst=f8:bc:12:44:34:b6,src=aa:55:aa:55:00:00,dl_type=0x0800),\
     ipv4(src=1.1.2.88,dst=1.1.2.92,proto=6,tos=0,ttl=64,frag=0x4000),tcp(src=0,dst=7471),\
     stt(flags=0x0,context=0x88)),out_port(101)),2",
];

const MATCHES: &[&str] = &[
    "tunnel(tun_id=0x7f,src=1.2.3.4,dst=2.0.0.0/255.0.0.0,tp_dst=5,geneve({class=0xffff,type=0x80,len=4,0xa/0xf}),\
     flags(-df-csum+key)),recirc_id(0),in_port(1)",
    "tunnel(tun_id=0x7f,ipv6_src=::1,ipv6_dst=::2,ttl=5,vxlan(gbp(id=1/0xff,flags=0x8)),flags(+key)),recirc_id(0),in_port(1)",
    "tunnel(tun_id=0x7f/0xff,dst=1.1.1.1,ttl=4,gtpu(flags=0x1,msgtype=255),flags(df|key)),recirc_id(0),in_port(1)",
    "tunnel(tun_id=0x7f,dst=1.1.1.1,ttl=4,geneve(),flags(+key)),recirc_id(0),in_port(1)",
    "tunnel(tun_id=0x7f,src=1.1.2.92,dst=1.1.2.88,flags(-df-csum+key)),recirc_id(0),in_port(4789)",
    "tunnel(src=1.1.2.92,dst=1.1.2.88,flags(-df-csum)),recirc_id(0),in_port(3)",
];

#[test]
fn actions_read_back_as_printed() {
    let names = DpNames::new();
    for text in ACTIONS.iter().chain(OWN) {
        let actions = parse_actions(text, &names).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(format_actions(&actions, &names), *text);
    }
}

#[test]
fn matches_read_back_as_printed() {
    let names = DpNames::new();
    for text in MATCHES {
        let matching = parse_match(text, &names).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(format_match(&matching, &names), *text);
    }
}

#[test]
fn a_header_of_another_size_than_it_says_is_refused() {
    let text = ACTIONS.iter().find(|text| text.starts_with("tnl_push")).unwrap().replace("size=50", "size=54");
    assert!(parse_actions(&text, &DpNames::new()).is_err());
    let short = DpAction::TnlPush(Box::new(crate::action::TnlPush {
        tnl_port: weft_packet::DpPort(1),
        out_port: weft_packet::DpPort(2),
        kind: weft_packet::tunnel::Kind::Vxlan,
        header: vec![0; 3],
    }));
    let text = format_actions(&[short], &DpNames::new());
    assert_eq!(text, "tnl_push(tnl_port(1),header(size=3,type=4),out_port(2))");
}

/// What `dpctl/dump-flows` and `dpctl/dump-flows -m` of Open vSwitch showed of a frame with two options, one of them
/// mapped and looked at by no flow.
#[test]
fn options_that_do_not_matter_show_that_they_are_there() {
    let names = DpNames::new();
    let all = "tunnel(tun_id=0x7f,src=1.1.2.92,dst=1.1.2.88,ttl=64,tp_src=1234,tp_dst=6081,geneve({class=0xffff,type=0x80,\
               len=4,0xa}{class=0x102,type=0x1,len=8,0x1234567890}))";
    let key: FlowKey = parse_match(all, &names).unwrap().key().clone();
    let some = "tunnel(tun_id=0x7f,src=1.1.2.92,dst=1.1.2.88,geneve(),flags(-df-csum+key))";
    let mask = parse_match(some, &names).unwrap().mask().clone();
    assert_eq!(
        format_flow(&key, &mask, &names, false),
        "tunnel(tun_id=0x7f,src=1.1.2.92,dst=1.1.2.88,geneve({}{}),flags(-df-csum+key)),eth()"
    );
    let verbose = format_flow(&key, &mask, &names, true);
    let start = "skb_priority(0/0),tunnel(tun_id=0x7f,src=1.1.2.92,dst=1.1.2.88,ttl=64/0,tp_src=1234/0,tp_dst=6081/0,\
                 geneve({class=0xffff/0,type=0x80/0,len=4/0,0xa/0}{class=0x102/0,type=0x1/0,len=8/0,0x1234567890/0}),\
                 flags(-df-csum+key)),skb_mark(0/0)";
    assert!(verbose.starts_with(start), "{verbose}");
}

#[test]
fn what_no_attribute_could_hold_is_too_long() {
    let flow = |count: usize| format!("in_port(1),tunnel({}),eth()", vec!["dst=1.1.1.1"; count].join(","));
    assert_eq!(super::too_long(&flow(8191), 4), None);
    assert!(super::too_long(&flow(8192), 4).is_some_and(|rest| rest.starts_with("tunnel(dst=")));
    let set = format!("set({}),2", &flow(8190)["in_port(1),".len()..flow(8190).len() - ",eth()".len()]);
    assert_eq!((super::too_long(&set, 8).is_some(), super::too_long(&set, 16).is_some()), (false, true));
}

#[test]
fn an_error_names_all_from_the_tunnel_on() {
    let error = parse_match("in_port(1),tunnel(src=1.1.1.1,flags(x)),eth()", &DpNames::new()).unwrap_err();
    assert_eq!(error, "syntax error at tunnel(src=1.1.1.1,flags(x)),eth()");
}

#[test]
fn no_text_makes_it_panic() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let _ = super::parse_set(&text);
        let _ = super::too_long(&text, 4);
        let _ = super::parse_options(&text);
        let _ = parse_actions(&format!("tnl_push({text})"), &DpNames::new());
    });
}
