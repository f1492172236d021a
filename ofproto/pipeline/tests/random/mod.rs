//! Random flow tables and frames that meet each other often: few values, few ports, every kind of frame, on the switch of
//! [`crate::real::Pair::joined`].
//!
//! Invariant: equal seeds give equal cases; nearly each flow is one that a switch must accept. Where a hash chooses, it
//! has one choice only, so that no two switches need the same hash.

mod actions;
pub mod raw;

use std::fmt::Write as _;

use actions::Known;

use crate::real::PORTS;

/// SplitMix64 (Steele, Lea, Flood 2014): enough for choosing.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// What kind of frame: the flow syntax's word for it, and its fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Other,
    Arp,
    Ip,
    Tcp,
    Udp,
    Sctp,
    Icmp,
    Ipv6,
    Tcp6,
    Udp6,
    Icmp6,
    Mpls,
    Nsh,
    /// An IPv4 packet without an Ethernet header.
    L3,
}

use Kind::*;

const KINDS: [Kind; 26] = [
    Other, Arp, Ip, Tcp, Udp, Sctp, Icmp, Ipv6, Tcp6, Udp6, Icmp6, Mpls, Other, Arp, Ip, Tcp, Udp, Sctp, Icmp, Ipv6,
    Tcp6, Udp6, Icmp6, Mpls, Nsh, L3,
];

impl Kind {
    pub fn any(rng: &mut Rng) -> Kind {
        KINDS[rng.below(KINDS.len() as u64) as usize]
    }

    fn word(self) -> &'static str {
        match self {
            Other => "dl_type=0x1234",
            Arp => "arp",
            Ip => "ip",
            Tcp => "tcp",
            Udp => "udp",
            Sctp => "sctp",
            Icmp => "icmp",
            Ipv6 => "ipv6",
            Tcp6 => "tcp6",
            Udp6 => "udp6",
            Icmp6 => "icmp6",
            Mpls => "mpls",
            Nsh => "dl_type=0x894f",
            L3 => "packet_type=(1,0x800)",
        }
    }

    pub fn is_v4(self) -> bool {
        matches!(self, Ip | Tcp | Udp | Sctp | Icmp | L3)
    }

    pub fn is_v6(self) -> bool {
        matches!(self, Ipv6 | Tcp6 | Udp6 | Icmp6)
    }

    /// The prefix of its ports' fields.
    pub fn ports(self) -> Option<&'static str> {
        match self {
            Tcp | Tcp6 => Some("tcp"),
            Udp | Udp6 => Some("udp"),
            Sctp => Some("sctp"),
            _ => None,
        }
    }
}

/// Tables that flows are in.
const TABLES: u64 = 4;
fn mac(rng: &mut Rng) -> String {
    format!("50:54:00:00:00:0{}", 1 + rng.below(4))
}

fn ipv4(rng: &mut Rng) -> String {
    format!("10.{}.{}.{}", rng.below(2), rng.below(2), 1 + rng.below(3))
}

fn ipv6(rng: &mut Rng) -> String {
    format!("fd00:{}::{}", rng.below(2), 1 + rng.below(3))
}

fn l4(rng: &mut Rng) -> u64 {
    [1, 2, 80, 443][rng.below(4) as usize]
}

/// What the flows of a case are like.
#[derive(Clone, Copy)]
pub struct Table {
    /// They teach nothing, so that frames may be real ones.
    pub forgetful: bool,
    /// They put headers around packets and take them off, and so do without copies: a header that is new or gone inside
    /// a copy, and never sent, has Open vSwitch push an Ethernet header onto the next frame that goes out.
    pub encaps: bool,
}

/// One flow with its table and a priority of its own: equal ones would leave the choice between overlapping flows open.
pub fn flow(rng: &mut Rng, nth: usize, kind_of_table: Table) -> String {
    let bridge = ["", "", "", "", "", "br1 ", "br2 "][rng.below(7) as usize];
    let (kind, table) = (Kind::any(rng), if rng.one_in(2) { 0 } else { rng.below(TABLES) });
    let priority = [1, 10, 10, 100, 600][rng.below(5) as usize] * 100 + nth;
    let mut text = format!("{bridge}table={table},priority={priority}");
    let mut tagged = false;
    if rng.one_in(3) {
        let port = match bridge {
            "" => 1 + rng.below(PORTS),
            "br1 " => 10 + rng.below(2),
            _ => 10,
        };
        let _ = write!(text, ",in_port={port}");
    }
    let is_any = rng.one_in(6);
    let kind = if is_any { None } else { Some(kind) };
    if let Some(kind) = kind {
        let _ = write!(text, ",{}", kind.word());
        matching(rng, kind, &mut text);
    }
    let ethernet = kind != Some(L3);
    if ethernet && rng.one_in(5) {
        tagged = true;
        let _ = write!(text, ",{}", rng.pick(&["dl_vlan=5", "dl_vlan=6,dl_vlan_pcp=3", "vlan_tci=0x1000/0x1000"]));
    } else if ethernet && rng.one_in(12) {
        text.push_str(",vlan_tci=0x0000/0x1fff");
    }
    if ethernet && rng.one_in(5) {
        let _ = write!(text, ",dl_dst={}", mac(rng));
    }
    if ethernet && rng.one_in(8) {
        text.push_str(rng.pick(&[
            ",dl_dst=01:00:00:00:00:00/01:00:00:00:00:00",
            ",dl_src=50:54:00:00:00:01",
            ",dl_src=00:00:00:00:00:02/00:00:00:00:00:02",
        ]));
    }
    if table > 0 && rng.one_in(4) {
        let _ = write!(text, ",reg{}=0x{:x}", rng.below(3), rng.below(3));
    }
    if table > 0 && rng.one_in(8) {
        text.push_str(rng.pick(&[
            ",metadata=0x1/0xf",
            ",xreg1=0x2/0xf",
            ",xxreg0=0x1/0x3",
            ",pkt_mark=7",
            ",tun_id=5",
            ",actset_output=2",
        ]));
    }
    if rng.one_in(12) {
        text.push_str(rng.pick(&TUNNEL_MATCHES));
    }
    let conjunctive = kind.is_some() && rng.one_in(25);
    if conjunctive {
        let _ = write!(text, ",actions=conjunction({},{}/2)", 1 + rng.below(2), 1 + rng.below(2));
        return text;
    }
    if rng.one_in(25) {
        let _ = write!(text, ",conj_id={}", 1 + rng.below(2));
    }
    let onward = match bridge {
        "" => Some(10),
        "br1 " => Some(11),
        _ => None,
    };
    let known = Known { kind, tagged, table, depth: 0, ethernet, onward, of: kind_of_table };
    // whether what is behind a patch cable needs a clone of its own is each switch's own judgement; and no circles
    let for_good = ["max_len", "ct(", "cap(", "nsh", "meter", "in_port", "IN_PORT", "group:6", "pause"];
    // in which order a flood goes is each switch's own: not where there are cables
    let floods = |part: &str| matches!(part, "flood" | "all") || (part == "normal" && bridge == "br1 ");
    let list = loop {
        let list = actions::list(rng, known);
        let cannot_be_undone = !bridge.is_empty() && for_good.iter().any(|word| list.contains(word));
        if !cannot_be_undone && (bridge == "br2 " || !list.split([',', '(', ')']).any(floods)) {
            break list;
        }
    };
    let _ = write!(text, ",actions={list}");
    text
}

/// Of a frame that came in through a tunnel.
const TUNNEL_MATCHES: [&str; 10] = [
    ",tun_id=5",
    ",tun_src=1.1.1.1",
    ",tun_dst=2.2.2.2/31",
    ",tun_ipv6_src=fd00::1",
    ",tun_metadata0=0x5",
    ",tun_metadata0=0x1/0xf",
    ",tun_metadata1=0x100000002",
    ",tun_metadata1",
    ",tun_ttl=64",
    ",tun_tos=4",
];

/// Fields of the kind.
fn matching(rng: &mut Rng, kind: Kind, text: &mut String) {
    if kind.is_v4() {
        for field in ["nw_src", "nw_dst"] {
            if rng.one_in(3) {
                let _ = write!(text, ",{field}={}{}", ipv4(rng), rng.pick(&["", "", "/24", "/16", "/15", "/8"]));
            }
        }
    }
    if kind.is_v6() {
        for field in ["ipv6_src", "ipv6_dst"] {
            if rng.one_in(3) {
                let _ = write!(text, ",{field}={}{}", ipv6(rng), rng.pick(&["", "/64", "/32", "/31"]));
            }
        }
        if rng.one_in(10) {
            text.push_str(",ipv6_label=0x00001");
        }
    }
    if (kind.is_v4() || kind.is_v6()) && rng.one_in(5) {
        let extra = [
            "nw_ttl=1",
            "nw_ttl=64",
            "nw_tos=32",
            "nw_ecn=1",
            "ip_frag=no",
            "ip_frag=not_later",
            "ip_frag=yes",
            "ip_frag=first",
            "ip_frag=later",
        ];
        let _ = write!(text, ",{}", rng.pick(&extra));
    }
    if (kind.is_v4() || kind.is_v6()) && rng.one_in(8) {
        text.push_str(rng.pick(&[
            ",ct_state=+trk+est",
            ",ct_state=+trk+new",
            ",ct_state=-trk",
            ",ct_state=+trk,ct_mark=0x1/0x3",
            ",ct_state=+trk,ct_zone=7",
            ",ct_state=+trk,ct_label=0x1",
        ]));
    }
    if let Some(prefix) = kind.ports() {
        for side in ["src", "dst"] {
            if rng.one_in(3) {
                let _ = write!(text, ",{prefix}_{side}={}{}", l4(rng), rng.pick(&["", "", "/0xfff0", "/0xff00"]));
            }
        }
        if prefix == "tcp" && rng.one_in(8) {
            text.push_str(rng.pick(&[",tcp_flags=+syn-ack", ",tcp_flags=0x010/0x010"]));
        }
    }
    match kind {
        Icmp if rng.one_in(2) => text.push_str(rng.pick(&[",icmp_type=8", ",icmp_type=0", ",icmp_type=8,icmp_code=0"])),
        Icmp6 if rng.one_in(2) => text.push_str(rng.pick(&[
            ",icmp_type=135,icmp_code=0,nd_target=fd00::1",
            ",icmp_type=136",
            ",icmp_type=128",
            ",icmp_type=135,icmp_code=0,nd_sll=50:54:00:00:00:01",
            ",icmp_type=136,icmp_code=0,nd_tll=50:54:00:00:00:02",
            ",icmp_type=136,icmp_code=0,nd_target=fd00::/64",
        ])),
        Nsh if rng.one_in(2) => {
            text.push_str(rng.pick(&[",nsh_mdtype=1,nsh_spi=1", ",nsh_si=255", ",nsh_mdtype=1,nsh_c1=5", ",nsh_np=3"]))
        }
        L3 if rng.one_in(3) => text.push_str(rng.pick(&[",nw_proto=17", ",nw_proto=6"])),
        Arp if rng.one_in(2) => text.push_str(rng.pick(&[
            ",arp_op=1",
            ",arp_op=2",
            ",arp_spa=10.0.0.1",
            ",arp_tpa=10.0.0.0/24",
            ",arp_sha=50:54:00:00:00:01",
        ])),
        Mpls if rng.one_in(2) => text.push_str(rng.pick(&[",mpls_label=100", ",mpls_bos=1", ",mpls_tc=2"])),
        _ => {}
    }
}

/// A packet without an Ethernet header as `ofproto/trace` takes it: in the datapath's words.
pub fn bare(rng: &mut Rng) -> String {
    let port = 1 + rng.below(PORTS);
    let (src, dst, ttl) = (1 + rng.below(3), 1 + rng.below(3), [1, 2, 64][rng.below(3) as usize]);
    let (protocol, name) = [(6, "tcp"), (17, "udp")][rng.below(2) as usize];
    let ports = format!("{name}(src={},dst={})", l4(rng), l4(rng));
    let of = |kind: &str| format!("recirc_id(0),in_port({port}),packet_type(ns=1,id={kind}),eth_type({kind})");
    match rng.below(4) {
        0 => format!(
            "{},ipv6(src=fd00::{src},dst=fd00:1::{dst},label=0,proto={protocol},tclass=0,hlimit={ttl},frag=no),{ports}",
            of("0x86dd")
        ),
        1 => format!("{},mpls(label={},tc=0,ttl={ttl},bos=1)", of("0x8847"), 100 * rng.below(2)),
        _ => format!(
            "{},ipv4(src=10.0.0.{src},dst=10.1.0.{dst},proto={protocol},tos=0,ttl={ttl},frag=no),{ports}",
            of("0x800")
        ),
    }
}

/// What conntrack would say, frame by frame, as options of `ofproto/trace`.
pub fn tracked(rng: &mut Rng) -> Vec<&'static str> {
    match rng.below(4) {
        0 => vec!["--ct-next", "trk,est"],
        1 => vec!["--ct-next", "trk,new", "--ct-next", "trk,est,rpl"],
        _ => Vec::new(),
    }
}

/// A bridge, and the ports by which frames come in there.
pub fn place(rng: &mut Rng) -> (&'static str, u64) {
    match rng.below(10) {
        0 => ("br1", 1 + rng.below(2)),
        1 => ("br2", 10),
        _ => ("br0", 1 + rng.below(PORTS)),
    }
}

/// A frame as `ofproto/trace` takes it.
pub fn frame(rng: &mut Rng, port: u64) -> String {
    // the real one's traces take a packet without an Ethernet header for one without an EtherType
    let kind = Some(Kind::any(rng)).filter(|kind| *kind != L3).unwrap_or(Ip);
    let mut text = format!("in_port={port},{}", kind.word());
    if matches!(kind, Ip | Ipv6) {
        // without a protocol OVS forgets that it writes no header then
        text.push_str(",nw_proto=47");
    }
    let _ = write!(text, ",dl_src={}", mac(rng));
    let dst = if rng.one_in(6) { "ff:ff:ff:ff:ff:ff".into() } else { mac(rng) };
    let _ = write!(text, ",dl_dst={dst}");
    text.push_str(rng.pick(&["", "", "", ",dl_vlan=5,dl_vlan_pcp=0", ",dl_vlan=6,dl_vlan_pcp=3", ",dl_vlan=7"]));
    if rng.one_in(6) {
        text.push_str(rng.pick(&[
            ",tun_src=1.1.1.1,tun_dst=2.2.2.2,tun_id=5",
            ",tun_src=1.1.1.1,tun_dst=2.2.2.3,tun_id=6,tun_metadata0=0x5,tun_ttl=64",
            ",tun_ipv6_src=fd00::1,tun_ipv6_dst=fd00::2,tun_metadata1=0x100000002",
            ",tun_src=1.1.1.2,tun_dst=2.2.2.2,tun_metadata0=0x11,tun_metadata1=0x3,tun_tos=4",
        ]));
    }
    let mut later = false;
    if kind.is_v4() {
        let _ = write!(text, ",nw_src={},nw_dst={}", ipv4(rng), ipv4(rng));
    }
    if kind.is_v6() {
        let _ = write!(text, ",ipv6_src={},ipv6_dst={}", ipv6(rng), ipv6(rng));
    }
    if kind.is_v4() || kind.is_v6() {
        let _ = write!(text, ",nw_ttl={}", [1, 2, 64, 64, 64][rng.below(5) as usize]);
        let extra = rng.pick(&["", "", "", "", ",nw_tos=32", ",nw_ecn=1", ",ip_frag=first", ",ip_frag=later"]);
        later = extra == ",ip_frag=later";
        text.push_str(extra);
    }
    if later {
        return text; // what follows is data
    }
    if let Some(prefix) = kind.ports() {
        let _ = write!(text, ",{prefix}_src={},{prefix}_dst={}", l4(rng), l4(rng));
        if prefix == "tcp" {
            text.push_str(rng.pick(&["", ",tcp_flags=syn", ",tcp_flags=ack"]));
        }
    }
    match kind {
        Icmp => text.push_str(rng.pick(&[",icmp_type=8,icmp_code=0", ",icmp_type=0", ""])),
        Icmp6 => text.push_str(rng.pick(&[
            ",icmpv6_type=135,icmpv6_code=0,nd_target=fd00::1,nd_sll=50:54:00:00:00:01",
            ",icmpv6_type=136,icmpv6_code=0,nd_target=fd00::2",
            ",icmpv6_type=136,icmpv6_code=0,nd_target=fd00::2,nd_tll=50:54:00:00:00:02",
            ",icmpv6_type=128",
        ])),
        Arp => text.push_str(rng.pick(&[
            ",arp_op=1,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_sha=50:54:00:00:00:01",
            ",arp_op=2,arp_spa=10.1.0.1,arp_tpa=10.0.0.3",
        ])),
        Nsh => text.push_str(rng.pick(&[
            ",nsh_flags=0,nsh_ttl=63,nsh_mdtype=1,nsh_np=3,nsh_spi=0x1,nsh_si=255,nsh_c1=5",
            ",nsh_flags=0,nsh_ttl=1,nsh_mdtype=1,nsh_np=1,nsh_spi=0x2,nsh_si=254",
            ",nsh_flags=1,nsh_ttl=9,nsh_mdtype=2,nsh_np=1,nsh_spi=0x1,nsh_si=255",
        ])),
        Mpls => {
            text.push_str(rng.pick(&[",mpls_label=100,mpls_bos=1,mpls_ttl=64", ",mpls_label=5,mpls_tc=2,mpls_ttl=2"]))
        }
        _ => {}
    }
    text
}
