use super::*;
use crate::{DpAction, FieldId, FlowKey, extract::Limits};
use proptest::prelude::*;
use weft_packet::Frame;

const BASE: &str = "in_port(1),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:07)";

fn names() -> DpNames {
    DpNames::from_iter([(DpPort(7), "p7".to_owned())])
}

/// Lines that Open vSwitch printed.
const MATCHES: &[&str] = &[
    "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x0806)",
    "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:07),eth_type(0x0800),ipv4(frag=no)",
    "recirc_id(0x1),in_port(1),packet_type(ns=0,id=0),eth_type(0x86dd),ipv6(frag=no)",
    "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0/0xffff)",
    "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x8100),vlan(vid=10),encap(eth_type(0x0800),ipv4(frag=no))",
    "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth(dst=01:00:00:00:00:00/01:00:00:00:00:00),eth_type(0x0800),\
     ipv4(src=10.0.0.0/255.0.0.0,proto=6,tos=0x10/0xfc,ttl=64,frag=no),tcp(dst=80),tcp_flags(+syn-ack)",
    "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x8847),mpls(label=20/0xfffff,tc=0/0,ttl=0/0x0,bos=0/1,\
     label=36/0xfffff,tc=0/7,ttl=64/0xff,bos=0/1,label=52/0xfffff,tc=0/7,ttl=64/0xff,bos=1/1)",
    "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x8847),mpls(label=33/0xfffff,tc=1/7,ttl=0/0x0,bos=1/1)",
    "recirc_id(0),in_port(2),packet_type(ns=0,id=0),eth_type(0x894f),nsh(mdtype=1,spi=0x1,c1=0x1)",
    "in_port(2),eth_type(0x0806),arp(sip=10.0.0.1,tip=10.0.0.2,op=1/0xff)",
    "skb_priority(0x5),skb_mark(0x1/0xff),ct_state(+est+trk),ct_zone(0x2),recirc_id(0),in_port(3)",
    "in_port(3),eth_type(0x86dd),ipv6(src=::1,label=0x7,proto=58,hlimit=255,frag=no),icmpv6(type=135),nd(target=::3,sll=02:00:00:00:00:01)",
];

#[test]
fn matches_read_back_as_printed() {
    for text in MATCHES {
        let text = text.replace("op=1/0xff", "op=1");
        let parsed = parse_match(&text, &names()).unwrap();
        assert_eq!(format_match(&parsed, &names()), text);
    }
    let named = parse_match("in_port(p7)", &names()).unwrap();
    assert_eq!(format_match(&named, &names()), "in_port(p7)");
    assert_eq!(format_match(&named, &DpNames::new()), "in_port(7)");
}

#[test]
fn actions_read_back_as_printed() {
    for text in [
        "drop",
        "2,100",
        "p7,trunc(60),3",
        "push_vlan(vid=3,pcp=0),2,pop_vlan,push_vlan(tpid=0x88a8,vid=5,pcp=7),1",
        "set(eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02)),1",
        "set(ipv4(src=10.0.0.1,tos=0x4/0xfc,ttl=63)),set(tcp(src=80)),1",
        "set(skb_mark(0x5/0xff)),set(skb_priority(0x1)),recirc(0x9)",
        "hash(l4(0)),recirc(0x1)",
        "hash(sym_l4(7)),recirc(0x1)",
        "clone(set(arp(op=2)),1),2",
        "userspace(pid=0,slow_path(action))",
        "meter(0),2",
        "push_mpls(label=5,tc=3,ttl=7,bos=1,eth_type=0x8847),pop_mpls(eth_type=0x800),set(mpls(label=3,tc=5,ttl=63,bos=0)),1",
        "push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x1234,si=5,c1=0x11223344,c2=0x0,c3=0x0,c4=0x0),\
         push_eth(src=00:00:00:00:00:00,dst=11:22:33:44:55:66),1",
        "push_nsh(flags=0,ttl=63,mdtype=2,np=3,spi=0x1234,si=255,md2=0x10000a041234567820001408fedcba9876543210),pop_nsh(),pop_eth,1",
        "pop_eth,add_mpls(label=33,tc=0,ttl=64,bos=1,eth_type=0x8847),1",
        "set(nsh(flags=2,ttl=9,si=7)),set(nsh(spi=0x1,c1=0x4)),1",
        "ct,recirc(0x3),ct(commit,zone=5,mark=0x5/0xffffffff,nat(src=1.2.3.4)),recirc(0x2),3",
        "ct(force_commit,label=0x123/0xfff),ct(commit,label=0x77),ct(commit,zone=5,helper=ftp,nat),ct_clear,1",
        "ct(commit,nat(src=1.2.3.4-1.2.3.9:80-90,random)),ct(commit,nat(dst=1.2.3.4,hash)),ct(commit,nat(src,persistent))",
        "ct(commit,nat(src=[fe80::1]-[fe80::9]:80-90)),ct(nat(dst=fe80::1-fe80::9,random)),ct(commit,nat(src=1.2.3.4:80)),1",
        "check_pkt_len(size=1500,gt(2,set(eth(src=00:00:00:00:00:09)),4,3),le(drop))",
        "sample(sample=100.0%,actions(meter(4),userspace(pid=0,slow_path(action)))),1",
        "sample(sample=18.8%,actions(userspace(pid=0,flow_sample(probability=12345,collector_set_id=1,obs_domain_id=34567,\
         obs_point_id=45678,output_port=4294967295)))),1",
        "userspace(pid=0,flow_sample(probability=65535,collector_set_id=1,obs_domain_id=2,obs_point_id=3,output_port=3,egress)),1",
        "userspace(pid=0,controller(reason=1,dont_send=0,continuation=0,recirc_id=4,rule_cookie=0x5,controller_id=0,max_len=65535))",
    ] {
        let parsed = parse_actions(text, &names()).unwrap();
        assert_eq!(format_actions(&parsed, &names()), text);
    }
    assert!(parse_actions("ct(commit,mark=0x5/0x1ffffffff)", &names()).is_err());
    assert!(parse_actions("nonsense(", &names()).is_err());
    assert!(parse_actions("set(eth(foo=1))", &names()).is_err());
    assert!(parse_actions(&"clone(".repeat(100), &names()).is_err());
}

/// Lengths that Open vSwitch gave its own frames.
#[test]
fn frames_are_as_long_as_those_of_open_vswitch() {
    for (text, length) in [
        ("eth_type(0x0800),ipv4(src=1.1.1.1,dst=2.2.2.2,proto=6,tos=0,ttl=64,frag=no),tcp(src=8,dst=80)", 118),
        ("eth_type(0x0800),ipv4(src=1.1.1.1,dst=2.2.2.2,proto=17,tos=0,ttl=64,frag=no),udp(src=8,dst=80)", 106),
        ("eth_type(0x0800),ipv4(src=1.1.1.1,dst=2.2.2.2,proto=132,tos=0,ttl=64,frag=no),sctp(src=8,dst=80)", 46),
        ("eth_type(0x0800),ipv4(src=1.1.1.1,dst=2.2.2.2,proto=1,tos=0,ttl=64,frag=no),icmp(type=8,code=0)", 106),
        ("eth_type(0x0800),ipv4(src=1.1.1.1,dst=2.2.2.2,proto=99,tos=0,ttl=64,frag=no)", 34),
        ("eth_type(0x0800),ipv4(src=1.1.1.1,dst=2.2.2.2,proto=6,tos=0,ttl=64,frag=first),tcp(src=8,dst=80)", 118),
        ("eth_type(0x0800),ipv4(src=1.1.1.1,dst=2.2.2.2,proto=6,tos=0,ttl=64,frag=later)", 34),
        (
            "eth_type(0x0800),ipv4(src=1.1.1.1,dst=2.2.2.2,proto=6,tos=0,ttl=64,frag=no),tcp(src=8,dst=80),tcp_flags(syn)",
            54,
        ),
        ("eth_type(0x1234)", 14),
        ("eth_type(0x0806),arp(sip=1.1.1.1,tip=2.2.2.2,op=1,sha=50:54:00:00:00:05,tha=00:00:00:00:00:00)", 42),
        (
            "eth_type(0x86dd),ipv6(src=::1,dst=::2,label=0,proto=58,tclass=0,hlimit=64,frag=no),icmpv6(type=128,code=0)",
            126,
        ),
        (
            "eth_type(0x86dd),ipv6(src=::1,dst=::2,label=0,proto=58,tclass=0,hlimit=64,frag=no),icmpv6(type=135,code=0),\
          nd(target=::3,sll=00:00:00:00:00:01,tll=00:00:00:00:00:00)",
            86,
        ),
        (
            "eth_type(0x8100),vlan(vid=10,pcp=3),encap(eth_type(0x0800),ipv4(src=1.1.1.1,dst=2.2.2.2,proto=1,tos=0,\
          ttl=64,frag=no),icmp(type=8,code=0))",
            110,
        ),
        ("eth_type(0x8847),mpls(label=3,tc=1,ttl=64,bos=1)", 18),
    ] {
        let key = parse_key(&format!("{BASE},{text}"), &names()).unwrap();
        let bytes = compose(&key, 0);
        assert_eq!(bytes.len(), length, "{text}");
        // Reading the frame gives the key again.
        let mut again = FlowKey::new();
        again.set_word(0, key.word(0));
        let mut frame = Frame::copy_of(&bytes);
        crate::extract(&mut frame, &mut again, Limits { vlans: 2 }).unwrap();
        let (mut wanted, mut got) = (format_key(&key, &names()), format_key(&again, &names()));
        if text.contains("mpls") {
            (wanted, got) = (wanted.split(",mpls").next().unwrap().into(), got.split(",mpls").next().unwrap().into());
        }
        assert_eq!(got, wanted);
    }
    assert_eq!(compose(&parse_key(BASE, &names()).unwrap(), 100).len(), 100);
}

#[test]
fn mistakes_are_named() {
    for (text, word) in
        [("in_port(x)", "in_port(x)"), ("eth(src=1)x", "eth(src=1)x"), ("ipv4(foo=1)", "foo=1"), ("aa", "aa")]
    {
        let error = parse_match(text, &names()).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in "[a-z_0-9(),/=.:+|-]{0,80}") {
        let _ = parse_match(&text, &names());
        let _ = parse_actions(&text, &names());
    }

    #[test]
    fn keys_read_back(words in prop::collection::vec(any::<u64>(), 12)) {
        let mut key = FlowKey::new();
        for (at, word) in words.iter().enumerate().skip(2) {
            key.set_word(at, *word);
        }
        key.set_word(0, words[0] & 0xffff);
        key.set_word(1, 0x0800 << 16 | words[1] & 0x01ff);
        let text = format_key(&key, &DpNames::new());
        let parsed = parse_key(&text, &DpNames::new()).unwrap();
        prop_assert_eq!(format_key(&parsed, &DpNames::new()), text);
        prop_assert_eq!(FieldId::IpSrc.get(&parsed), FieldId::IpSrc.get(&key));
        compose(&key, 0);
    }
}

#[test]
fn fuzz_actions() {
    bolero::check!().with_type::<String>().for_each(|text| {
        if let Ok(actions) = parse_actions(text, &names()) {
            let again: Vec<DpAction> = parse_actions(&format_actions(&actions, &names()), &names()).unwrap();
            assert_eq!(format_actions(&again, &names()), format_actions(&actions, &names()));
        }
        let _ = parse_match(text, &names());
    });
}

#[test]
fn a_network_header_says_its_ethernet_type() {
    let kind = |text: &str| FieldId::EthType.get(&parse_key(text, &DpNames::new()).unwrap());
    assert_eq!(kind("in_port(1),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=1,frag=no),icmp(type=8,code=0)"), 0x0800);
    assert_eq!(kind("ipv6(proto=6),tcp(src=1,dst=2)"), 0x86dd);
    assert_eq!(kind("arp(op=1)"), 0x0806);
    // what is said counts
    assert_eq!(kind("eth_type(0x1234),ipv4(proto=1)"), 0x1234);
    assert_eq!(kind("in_port(1)"), 0);
}

/// As Open vSwitch 3.1 shows a flow that matches next to nothing, by the frame that made it.
#[test]
fn a_flow_in_full_shows_the_frame_that_made_it() {
    let front = "skb_priority(0/0),skb_mark(0/0),ct_state(0/0),ct_zone(0/0),ct_mark(0/0),ct_label(0/0),recirc_id(0),\
                 dp_hash(0/0),in_port(p7),packet_type(ns=0,id=0),eth(src=10:11:11:11:11:11/00:00:00:00:00:00,\
                 dst=50:54:00:00:00:07/00:00:00:00:00:00)";
    let table = [
        (
            "eth_type(0x0800),ipv4(src=192.168.0.1,dst=192.168.0.2,proto=6,tos=0,ttl=64,frag=no),tcp(src=8,dst=10),\
             tcp_flags(0x002)",
            "eth_type(0x0800),ipv4(src=192.168.0.1/0.0.0.0,dst=192.168.0.2/0.0.0.0,proto=6/0,tos=0/0,ttl=64/0,frag=no),\
             tcp(src=8/0,dst=10/0),tcp_flags(0/0)",
        ),
        (
            "eth_type(0x86dd),ipv6(src=fe80::1,dst=fe80::2,label=5,proto=58,tclass=4,hlimit=64,frag=no),\
             icmpv6(type=136,code=0),nd(target=fe80::3,tll=00:01:02:03:04:05)",
            "eth_type(0x86dd),ipv6(src=fe80::1/::,dst=fe80::2/::,label=0x5/0,proto=58/0,tclass=0x4/0,hlimit=64/0,\
             frag=no),icmpv6(type=136/0,code=0/0),nd(target=fe80::3/::,sll=00:00:00:00:00:00/00:00:00:00:00:00,\
             tll=00:01:02:03:04:05/00:00:00:00:00:00)",
        ),
        (
            "eth_type(0x8847),mpls(label=10,tc=1,ttl=64,bos=0,label=20,tc=0,ttl=63,bos=1)",
            "eth_type(0x8847),mpls(label=10/0x0,tc=1/0,ttl=64/0x0,bos=0/0,label=20/0x0,tc=0/0,ttl=63/0x0,bos=1/0)",
        ),
        (
            "eth_type(0x0806),arp(sip=1.2.3.4,tip=1.2.3.5,op=1,sha=00:01:02:03:04:05,tha=00:00:00:00:00:00)",
            "eth_type(0x0806),arp(sip=1.2.3.4/0.0.0.0,tip=1.2.3.5/0.0.0.0,op=1/0,\
             sha=00:01:02:03:04:05/00:00:00:00:00:00,tha=00:00:00:00:00:00/00:00:00:00:00:00)",
        ),
    ];
    let base = "in_port(7),eth(src=10:11:11:11:11:11,dst=50:54:00:00:00:07),";
    for (frame, shown) in table {
        let key = parse_key(&format!("{base}{frame}"), &names()).unwrap();
        let mut mask = crate::FlowMask::new();
        mask.set_word(0, u64::MAX);
        mask.set_word(1, 0xffff_ffff_ffff_ff00);
        assert_eq!(print::format_flow(&key, &mask, &names(), true), format!("{front},{shown}"));
    }
}

#[test]
fn what_a_mask_leaves_of_a_value_is_shown_beside_the_whole_value() {
    let key = parse_key("in_port(7),eth_type(0x86dd),ipv6(src=2001:db8:3c4d:5:4:3:2:1,frag=no)", &names()).unwrap();
    let text = "recirc_id(0),in_port(7),packet_type(ns=0,id=0),eth_type(0x86dd),\
                ipv6(src=2001:db8:3c4d:5:4:3:2:1/ffff:ffff:ffff:fffc::,frag=no)";
    let matching = parse_match(text, &DpNames::new()).unwrap();
    assert_eq!(print::format_flow(&key, matching.mask(), &DpNames::new(), false), text);
}

#[test]
fn a_tag_of_which_nothing_matters_still_nests() {
    let text =
        "in_port(1),eth(),eth_type(0x88a8),vlan(vid=10,pcp=3/0x0),encap(eth_type(0x8100),encap(eth_type(0x0800)))";
    let read = parse_match(text, &DpNames::new()).unwrap();
    let shown = format_match(&read, &DpNames::new());
    assert_eq!(parse_match(&shown, &DpNames::new()).unwrap(), read, "{shown}");
}
