//! Random flow tables and frames that meet each other often: few values, few ports, every kind of frame.
//!
//! Invariant: equal seeds give equal cases; nearly each flow is one that a switch must accept.

use std::fmt::Write as _;

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
}

use Kind::*;

const KINDS: [Kind; 12] = [Other, Arp, Ip, Tcp, Udp, Sctp, Icmp, Ipv6, Tcp6, Udp6, Icmp6, Mpls];

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
        }
    }

    pub fn is_v4(self) -> bool {
        matches!(self, Ip | Tcp | Udp | Sctp | Icmp)
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
/// Ports of the bridge.
pub const PORTS: u64 = 4;

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

/// One flow with its table and a priority of its own: equal ones would leave the choice between overlapping flows open.
pub fn flow(rng: &mut Rng, nth: usize) -> String {
    let (kind, table) = (Kind::any(rng), if rng.one_in(2) { 0 } else { rng.below(TABLES) });
    let priority = [1, 10, 10, 100, 600][rng.below(5) as usize] * 100 + nth;
    let mut text = format!("table={table},priority={priority}");
    let mut tagged = false;
    if rng.one_in(3) {
        let _ = write!(text, ",in_port={}", 1 + rng.below(PORTS));
    }
    let is_any = rng.one_in(6);
    let kind = if is_any { None } else { Some(kind) };
    if let Some(kind) = kind {
        let _ = write!(text, ",{}", kind.word());
        matching(rng, kind, &mut text);
    }
    if rng.one_in(5) {
        tagged = true;
        let _ = write!(text, ",{}", rng.pick(&["dl_vlan=5", "dl_vlan=6,dl_vlan_pcp=3", "vlan_tci=0x1000/0x1000"]));
    } else if rng.one_in(12) {
        text.push_str(",vlan_tci=0x0000/0x1fff");
    }
    if rng.one_in(5) {
        let _ = write!(text, ",dl_dst={}", mac(rng));
    }
    if rng.one_in(8) {
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
        let _ = write!(text, ",metadata=0x{:x}/0xf", rng.below(3));
    }
    let _ = write!(text, ",actions={}", actions(rng, kind, tagged, table, 0));
    text
}

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
        let extra = ["nw_ttl=1", "nw_ttl=64", "nw_tos=32", "nw_ecn=1", "ip_frag=no", "ip_frag=not_later"];
        let _ = write!(text, ",{}", rng.pick(&extra));
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
        ])),
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

/// An action list that fits the match.
fn actions(rng: &mut Rng, kind: Option<Kind>, tagged: bool, table: u64, depth: u32) -> String {
    if depth == 0 && rng.one_in(12) {
        return "drop".into();
    }
    let mut tagged = tagged;
    let mut all = Vec::new();
    for _ in 0..1 + rng.below(4) {
        all.push(action(rng, kind, &mut tagged, table, depth));
    }
    if depth == 0 && table < TABLES - 1 && rng.one_in(5) {
        if rng.one_in(3) {
            let _ = write!(&mut all[0], ",write_actions({})", set_of_actions(rng));
            let written = all.swap_remove(0);
            let (first, written) = written.split_once(",write_actions").unwrap_or((&written, "(drop)"));
            let list: Vec<String> = std::iter::once(first.to_string()).chain(all).collect();
            let goto = table + 1 + rng.below(TABLES - 1 - table);
            return format!("{},write_actions{written},goto_table:{goto}", list.join(","));
        }
        if rng.one_in(3) {
            all.push(format!("write_metadata:0x{:x}/0xf", rng.below(3)));
        }
        all.push(format!("goto_table:{}", table + 1 + rng.below(TABLES - 1 - table)));
    }
    all.join(",")
}

fn set_of_actions(rng: &mut Rng) -> String {
    let mut all = vec![format!("output:{}", 1 + rng.below(PORTS))];
    if rng.one_in(2) {
        all.push(format!("set_field:{}->eth_dst", mac(rng)));
    }
    all.join(",")
}

fn action(rng: &mut Rng, kind: Option<Kind>, tagged: &mut bool, table: u64, depth: u32) -> String {
    let port = 1 + rng.below(PORTS);
    match rng.below(24) {
        0..=4 => format!("output:{port}"),
        5 => rng.pick(&["in_port", "local", "normal", "output:9"]).to_string(),
        6 => format!("output(port={port},max_len={})", 64 + rng.below(3) * 50),
        7 if table < TABLES - 1 => format!("resubmit(,{})", table + 1 + rng.below(TABLES - 1 - table)),
        8 if table < TABLES - 1 => {
            format!("resubmit({port},{})", table + 1 + rng.below(TABLES - 1 - table))
        }
        9 => format!("load:0x{:x}->NXM_NX_REG{}[]", rng.below(3), rng.below(3)),
        10 => format!("load:0x{:x}->NXM_NX_REG{}[4..7]", rng.below(3), rng.below(3)),
        11 => format!("set_field:{}->eth_{}", mac(rng), rng.pick(&["src", "dst"])),
        12 => {
            *tagged = true;
            format!("push_vlan:0x8100,set_field:{}->vlan_vid", 4096 + 5 + rng.below(2))
        }
        13 if *tagged => {
            // a second tag may be left
            *tagged = false;
            "pop_vlan".into()
        }
        14 if *tagged => format!("set_field:{}->vlan_pcp", rng.below(8)),
        15 if depth < 2 => format!("clone({})", actions(rng, kind, *tagged, table, depth + 1)),
        16 => format!("move:NXM_NX_REG{}[0..15]->NXM_NX_REG{}[16..31]", rng.below(3), rng.below(3)),
        17 => "push:NXM_NX_REG0[],push:NXM_OF_ETH_SRC[],pop:NXM_OF_ETH_DST[],pop:NXM_NX_REG1[]".into(),
        18 => "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]".into(),
        19 => format!("set_queue:{},output:{port},pop_queue", rng.below(3)),
        20 => "load:0x7->NXM_NX_PKT_MARK[]".into(),
        21 => format!("output:NXM_NX_REG{}[0..15]", rng.below(3)),
        22 if depth == 0 && rng.one_in(3) => "exit".into(),
        _ => match kind {
            Some(kind) => header_action(rng, kind),
            None => format!("output:{port}"),
        },
    }
}

/// Something that only this kind of frame has.
fn header_action(rng: &mut Rng, kind: Kind) -> String {
    if kind.is_v4() || kind.is_v6() {
        let choice = rng.below(6);
        if choice == 0 {
            return "dec_ttl".into();
        }
        if choice == 1 {
            return rng.pick(&["mod_nw_tos:32", "set_field:1->nw_ecn", "load:5->NXM_NX_IP_TTL[]"]).into();
        }
        if choice == 2
            && let Some(prefix) = kind.ports()
        {
            return format!("set_field:{}->{prefix}_{}", l4(rng), rng.pick(&["src", "dst"]));
        }
        let side = rng.pick(&["src", "dst"]);
        return match kind.is_v4() {
            true if choice == 3 => "move:NXM_OF_IP_SRC[]->NXM_OF_IP_DST[]".into(),
            true => format!("set_field:{}->ip_{side}", ipv4(rng)),
            false => format!("set_field:{}->ipv6_{side}", ipv6(rng)),
        };
    }
    match kind {
        Arp => rng
            .pick(&["set_field:2->arp_op", "set_field:10.0.0.2->arp_spa", "move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[]"])
            .into(),
        Mpls => rng.pick(&["dec_mpls_ttl", "set_mpls_ttl:9", "set_mpls_label:7", "set_mpls_tc:1"]).into(),
        _ => "note:01".into(),
    }
}

/// A frame as `ofproto/trace` takes it.
pub fn frame(rng: &mut Rng) -> String {
    let kind = Kind::any(rng);
    let mut text = format!("in_port={},{}", 1 + rng.below(PORTS), kind.word());
    if matches!(kind, Ip | Ipv6) {
        // without a protocol OVS forgets that it writes no header then
        text.push_str(",nw_proto=47");
    }
    let _ = write!(text, ",dl_src={}", mac(rng));
    let dst = if rng.one_in(6) { "ff:ff:ff:ff:ff:ff".into() } else { mac(rng) };
    let _ = write!(text, ",dl_dst={dst}");
    text.push_str(rng.pick(&["", "", "", ",dl_vlan=5,dl_vlan_pcp=0", ",dl_vlan=6,dl_vlan_pcp=3", ",dl_vlan=7"]));
    if kind.is_v4() {
        let _ = write!(text, ",nw_src={},nw_dst={}", ipv4(rng), ipv4(rng));
    }
    if kind.is_v6() {
        let _ = write!(text, ",ipv6_src={},ipv6_dst={}", ipv6(rng), ipv6(rng));
    }
    if kind.is_v4() || kind.is_v6() {
        let _ = write!(text, ",nw_ttl={}", [1, 2, 64, 64, 64][rng.below(5) as usize]);
        text.push_str(rng.pick(&["", "", ",nw_tos=32", ",nw_ecn=1", ",ip_frag=first"]));
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
            ",icmpv6_type=128",
        ])),
        Arp => text.push_str(rng.pick(&[
            ",arp_op=1,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_sha=50:54:00:00:00:01",
            ",arp_op=2,arp_spa=10.1.0.1,arp_tpa=10.0.0.3",
        ])),
        Mpls => {
            text.push_str(rng.pick(&[",mpls_label=100,mpls_bos=1,mpls_ttl=64", ",mpls_label=5,mpls_tc=2,mpls_ttl=2"]))
        }
        _ => {}
    }
    text
}
