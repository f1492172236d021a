//! Random lists of actions that fit a match.

use super::{Kind, Rng, TABLES, Table, ipv4, ipv6, l4, mac};
use crate::real::PORTS;

/// What is known of the frame at some point of a list.
#[derive(Clone, Copy)]
pub struct Known {
    pub kind: Option<Kind>,
    pub tagged: bool,
    pub table: u64,
    pub depth: u32,
    /// Whether it has an Ethernet header.
    pub ethernet: bool,
    /// The cable to the next bridge.
    pub onward: Option<u64>,
    /// What its table is like.
    pub of: Table,
}

impl Known {
    fn has_later_table(&self) -> bool {
        self.table < TABLES - 1
    }

    fn later_table(&self, rng: &mut Rng) -> u64 {
        self.table + 1 + rng.below(TABLES - 1 - self.table)
    }

    fn is_ip(&self) -> bool {
        self.kind.is_some_and(|kind| kind.is_v4() || kind.is_v6())
    }

    fn is_ethernet(&self) -> bool {
        self.ethernet
    }
}

/// Actions; at the top with the other instructions.
pub fn list(rng: &mut Rng, mut known: Known) -> String {
    let depth = known.depth;
    if depth == 0 && rng.one_in(12) {
        return "drop".into();
    }
    let mut all: Vec<String> = (0..1 + rng.below(4)).map(|_| action(rng, &mut known)).collect();
    if depth > 0 {
        return all.join(",");
    }
    if rng.one_in(15) {
        all.push("clear_actions".into());
    }
    if rng.one_in(6) {
        all.push(format!("write_actions({})", set(rng, &known)));
    }
    if rng.one_in(10) {
        all.push(format!("write_metadata:0x{:x}/0xf", rng.below(3)));
    }
    if known.has_later_table() && rng.one_in(5) {
        all.push(format!("goto_table:{}", known.later_table(rng)));
    }
    all.join(",")
}

/// An action set.
fn set(rng: &mut Rng, known: &Known) -> String {
    let mut all = vec![match rng.below(5) {
        0 => format!("group:{}", group(rng, known)),
        _ => format!("output:{}", output(rng, known)),
    }];
    if known.is_ethernet() && rng.one_in(2) {
        all.push(format!("set_field:{}->eth_dst", mac(rng)));
    }
    if known.is_ethernet() && rng.one_in(5) {
        all.push("push_vlan:0x8100,set_field:4102->vlan_vid".into());
    }
    if known.is_ip() && rng.one_in(4) {
        all.push("dec_ttl".into());
    }
    if rng.one_in(6) {
        all.push(format!("set_queue:{}", rng.below(3)));
    }
    all.join(",")
}

/// A group; in the last table none of those that look up there.
fn group(rng: &mut Rng, known: &Known) -> u64 {
    match known.has_later_table() {
        true => 1 + rng.below(9),
        false => [2, 3, 4, 7, 8, 9][rng.below(6) as usize],
    }
}

fn output(rng: &mut Rng, known: &Known) -> u64 {
    match known.onward {
        Some(cable) if rng.one_in(6) => cable,
        _ => 1 + rng.below(PORTS),
    }
}

fn action(rng: &mut Rng, known: &mut Known) -> String {
    let port = output(rng, known);
    if rng.one_in(3) {
        return newer(rng, known);
    }
    let inside = Known { depth: known.depth + 1, ..*known };
    match rng.below(26) {
        0..=4 => format!("output:{port}"),
        5 if known.of.forgetful => rng.pick(&["in_port", "local", "flood", "all", "output:9"]).to_string(),
        5 => rng.pick(&["in_port", "local", "normal", "flood", "all", "output:9"]).to_string(),
        6 => {
            let len = 64 + rng.below(3) * 50;
            match rng.below(8) {
                0 => format!("output(port={},max_len={len})", rng.pick(&["local", "in_port", "9"])),
                _ => format!("output(port={port},max_len={len})"),
            }
        }
        23 if known.depth == 0 && known.table == 0 && !known.of.encaps => {
            format!("check_pkt_larger({})->NXM_NX_REG{}[{}]", 100 * (1 + rng.below(2)), rng.below(3), rng.below(2))
        }
        24 => rng.pick(&OPTIONS).to_string(),
        7 if known.has_later_table() => format!("resubmit(,{})", known.later_table(rng)),
        8 if known.has_later_table() => format!("resubmit({port},{})", known.later_table(rng)),
        9 => format!("load:0x{:x}->NXM_NX_REG{}[]", rng.below(3), rng.below(3)),
        10 => format!("load:0x{:x}->NXM_NX_REG{}[4..7]", rng.below(3), rng.below(3)),
        11 if known.is_ethernet() => format!("set_field:{}->eth_{}", mac(rng), rng.pick(&["src", "dst"])),
        12 if known.is_ethernet() => {
            known.tagged = true;
            format!("push_vlan:0x8100,set_field:{}->vlan_vid", 4096 + 5 + rng.below(2))
        }
        13 if known.tagged => {
            // a second tag may be left
            known.tagged = false;
            "pop_vlan".into()
        }
        14 if known.tagged => format!("set_field:{}->vlan_pcp", rng.below(8)),
        15 if known.depth < 2 && !known.of.encaps => format!("clone({})", list(rng, inside)),
        16 => format!("move:NXM_NX_REG{}[0..15]->NXM_NX_REG{}[16..31]", rng.below(3), rng.below(3)),
        17 if known.is_ethernet() => {
            "push:NXM_NX_REG0[],push:NXM_OF_ETH_SRC[],pop:NXM_OF_ETH_DST[],pop:NXM_NX_REG1[]".into()
        }
        18 if known.is_ethernet() => "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]".into(),
        19 => format!("set_queue:{},output:{port},pop_queue", rng.below(3)),
        20 => "load:0x7->NXM_NX_PKT_MARK[]".into(),
        21 => format!("output:NXM_NX_REG{}[0..15]", rng.below(3)),
        22 if known.depth == 0 && rng.one_in(3) => "exit".into(),
        _ => match known.kind {
            Some(kind) => header(rng, known, kind),
            None => format!("output:{port}"),
        },
    }
}

/// What is written of a tunnel's fields, and read.
const OPTIONS: [&str; 10] = [
    "set_field:0x5->tun_metadata0",
    "set_field:0x10/0xf0->tun_metadata0",
    "set_field:0x100000002->tun_metadata1",
    "move:NXM_NX_TUN_METADATA0[0..7]->NXM_NX_REG0[0..7]",
    "move:NXM_NX_REG1[0..7]->NXM_NX_TUN_METADATA1[32..39]",
    "push:NXM_NX_TUN_METADATA1[0..15],pop:NXM_NX_REG2[0..15]",
    "delete_field:tun_metadata0",
    "set_field:1.1.1.1->tun_src",
    "set_field:2.2.2.2->tun_dst",
    "move:NXM_NX_TUN_IPV4_SRC[]->NXM_NX_REG0[]",
];

/// Nicira's and later versions' actions.
fn newer(rng: &mut Rng, known: &mut Known) -> String {
    match rng.below(26) {
        0 | 1 => format!("group:{}", group(rng, known)),
        2 => {
            let fields = rng.pick(&HASHES);
            let algorithm = rng.pick(&["modulo_n", "hash_threshold", "hrw", "iter_hash"]);
            format!("multipath({fields},50,{algorithm},1,0,NXM_NX_REG{}[4..20])", rng.below(3))
        }
        3 => format!("bundle(eth_src,0,active_backup,ofport,members:9,{},{})", output(rng, known), output(rng, known)),
        4 => format!("bundle({},7,hrw,ofport,members:{})", rng.pick(&HASHES), output(rng, known)),
        5 => format!(
            "bundle_load({},7,{},ofport,NXM_NX_REG{}[0..15],members:{})",
            rng.pick(&HASHES),
            rng.pick(&["hrw", "active_backup"]),
            rng.below(3),
            output(rng, known)
        ),
        6 if known.has_later_table() => format!("resubmit(,{},ct)", known.later_table(rng)),
        7..=9 if known.is_ip() => conntrack(rng, known),
        10 => "ct_clear".into(),
        11 if known.is_ethernet() => {
            (known.kind, known.tagged) = (Some(Kind::Mpls), false);
            "push_mpls:0x8847".into()
        }
        12 if known.kind == Some(Kind::Mpls) => {
            let (text, beneath) = [
                ("pop_mpls:0x0800", Some(Kind::Ip)),
                ("pop_mpls:0x8847", Some(Kind::Mpls)),
                ("pop_mpls:0x86dd", Some(Kind::Ipv6)),
                ("pop_mpls:0x1234", Some(Kind::Other)),
            ][rng.below(4) as usize];
            known.kind = beneath;
            text.into()
        }
        13 if !known.of.encaps => "ct_clear".into(),
        13 if known.is_ethernet() && rng.one_in(2) => {
            (known.kind, known.tagged) = (Some(Kind::Nsh), false);
            known.ethernet = rng.one_in(2);
            let outer = if known.ethernet { ",encap(ethernet)" } else { "" };
            let header = rng.pick(&[
                "encap(nsh(md_type=1))",
                "encap(nsh(md_type=2,tlv(0x1000,10,0x12345678)))",
                "encap(nsh(md_type=1)),set_field:0x5->nsh_spi",
            ]);
            format!("{header}{outer}")
        }
        13 if known.kind == Some(Kind::L3) || !known.is_ethernet() => {
            known.ethernet = true;
            "encap(ethernet)".into()
        }
        13 if known.kind.is_some() => {
            known.tagged = false;
            known.ethernet = false;
            "decap()".into()
        }
        14 | 15 => {
            let ((from, n), (to, m)) = (subfield(rng, known), subfield(rng, known));
            let bits = 1 + rng.below(n.min(m));
            let (a, b) = (rng.below(n - bits + 1), rng.below(m - bits + 1));
            format!("move:{from}[{a}..{}]->{to}[{b}..{}]", a + bits - 1, b + bits - 1)
        }
        16 => {
            let ((from, n), (to, m)) = (subfield(rng, known), subfield(rng, known));
            let (a, b) = (rng.below(n), rng.below(m));
            format!("push:{from}[0..{a}],pop:{to}[{b}..{}]", m - 1)
        }
        17 if known.is_ip() => rng.pick(&["dec_ttl(1,2)", "dec_ttl(7)"]).into(),
        19 => format!("sample(probability={},collector_set_id=1,obs_domain_id=2,obs_point_id=3)", 1 + rng.below(65535)),
        20 => rng
            .pick(&[
                "controller(max_len=100)",
                "controller(userdata=01.02,id=3)",
                "controller(reason=no_match)",
                "controller(pause)",
                "note:01.02.03",
            ])
            .into(),
        21 if matches!(known.kind, Some(Kind::Tcp | Kind::Tcp6)) => {
            "fin_timeout(idle_timeout=10,hard_timeout=20)".into()
        }
        22 if !known.of.forgetful => learn(rng, known),
        23 => rng
            .pick(&[
                "set_field:0x5->tun_id",
                "set_field:0x2/0xf->xreg1",
                "set_field:0x1->xxreg0",
                "set_field:0x1/0x3->metadata",
                "set_field:0x300000002->xreg0",
                "load:0->NXM_OF_IN_PORT[]",
                "load:2->NXM_OF_IN_PORT[]",
                "push:NXM_OF_IN_PORT[],load:3->NXM_OF_IN_PORT[],output:1,pop:NXM_OF_IN_PORT[]",
            ])
            .into(),
        24 if matches!(known.kind, Some(Kind::Icmp6)) => rng
            .pick(&["set_field:fd00::2->nd_target", "set_field:50:54:00:00:00:02->nd_tll", "set_field:1->icmpv6_code"])
            .into(),
        _ => format!("enqueue:{}:{}", 1 + rng.below(PORTS), rng.below(3)),
    }
}

fn conntrack(rng: &mut Rng, known: &Known) -> String {
    let mut of = Vec::new();
    let commits = rng.one_in(2);
    if commits {
        of.push(rng.pick(&["commit", "commit", "commit,force"]).to_owned());
    }
    if rng.one_in(2) {
        of.push(rng.pick(&["zone=7", "zone=NXM_NX_REG0[0..15]"]).to_owned());
    }
    if known.has_later_table() && !rng.one_in(4) {
        of.push(format!("table={}", known.later_table(rng)));
    }
    let v4 = known.kind.is_some_and(Kind::is_v4);
    if rng.one_in(3) {
        of.push(
            match (commits, v4) {
                (true, true) => {
                    rng.pick(&["nat(src=10.0.0.240)", "nat(dst=10.0.0.241:80)", "nat(src=10.0.0.1-10.0.0.9,random)"])
                }
                (true, false) => "nat(src=fd00::99)",
                (false, _) => "nat",
            }
            .to_owned(),
        );
    }
    if commits && rng.one_in(2) {
        of.push(
            rng.pick(&[
                "exec(set_field:1->ct_mark)",
                "exec(set_field:1/3->ct_label)",
                "exec(move:NXM_NX_REG0[]->NXM_NX_CT_LABEL[0..31],load:2->NXM_NX_CT_MARK[0..3])",
            ])
            .to_owned(),
        );
    }
    format!("ct({})", of.join(","))
}

fn learn(rng: &mut Rng, known: &Known) -> String {
    let table = rng.below(TABLES);
    let more = match known.kind {
        Some(Kind::Tcp) => ",eth_type=0x800,nw_proto=6,NXM_OF_TCP_DST[]=NXM_OF_TCP_SRC[]",
        Some(kind) if kind.is_v4() => ",eth_type=0x800,NXM_OF_IP_DST[]=NXM_OF_IP_SRC[]",
        Some(Kind::Arp) => ",eth_type=0x806,NXM_OF_ARP_SPA[]",
        _ => "",
    };
    let mac = if known.is_ethernet() { ",NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]" } else { "" };
    let limit = rng.pick(&["", "idle_timeout=10,", "limit=2,result_dst=NXM_NX_REG1[3],"]);
    format!(
        "learn({limit}table={table},priority=7{mac}{more},load:NXM_OF_IN_PORT[]->NXM_NX_REG2[0..15],output:NXM_NX_REG0[0..15])"
    )
}

/// A field that the frame has, and how many bits it has.
fn subfield(rng: &mut Rng, known: &Known) -> (&'static str, u64) {
    let mut can = vec![
        ("NXM_NX_REG0", 32),
        ("NXM_NX_REG1", 32),
        ("NXM_NX_REG2", 32),
        ("OXM_OF_PKT_REG0", 64),
        ("OXM_OF_PKT_REG1", 64),
        ("NXM_NX_XXREG0", 128),
        ("OXM_OF_METADATA", 64),
        ("NXM_OF_IN_PORT", 16),
        ("NXM_NX_PKT_MARK", 32),
        ("NXM_NX_TUN_ID", 64),
    ];
    if known.is_ethernet() {
        can.extend([("NXM_OF_ETH_SRC", 48), ("NXM_OF_ETH_DST", 48)]);
    }
    match known.kind {
        Some(kind) if kind.is_v4() => can.extend([("NXM_OF_IP_SRC", 32), ("NXM_OF_IP_DST", 32), ("NXM_NX_IP_TTL", 8)]),
        Some(kind) if kind.is_v6() => {
            can.extend([("NXM_NX_IPV6_SRC", 128), ("NXM_NX_IPV6_DST", 128), ("NXM_NX_IP_TTL", 8)])
        }
        Some(Kind::Arp) => can.extend([("NXM_OF_ARP_SPA", 32), ("NXM_NX_ARP_SHA", 48)]),
        _ => {}
    }
    match known.kind {
        Some(Kind::Tcp | Kind::Tcp6) => can.extend([("NXM_OF_TCP_SRC", 16), ("NXM_OF_TCP_DST", 16)]),
        Some(Kind::Udp | Kind::Udp6) => can.extend([("NXM_OF_UDP_SRC", 16), ("NXM_OF_UDP_DST", 16)]),
        _ => {}
    }
    can[rng.below(can.len() as u64) as usize]
}

const HASHES: [&str; 7] =
    ["eth_src", "symmetric_l4", "symmetric_l3l4", "symmetric_l3l4+udp", "nw_src", "nw_dst", "symmetric_l3"];

/// Something that only this kind of frame has.
fn header(rng: &mut Rng, known: &Known, kind: Kind) -> String {
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
        Kind::Arp => rng
            .pick(&["set_field:2->arp_op", "set_field:10.0.0.2->arp_spa", "move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[]"])
            .into(),
        Kind::Mpls => rng.pick(&["dec_mpls_ttl", "set_mpls_ttl:9", "set_mpls_label:7", "set_mpls_tc:1"]).into(),
        Kind::Nsh => rng
            .pick(&[
                "dec_nsh_ttl",
                if known.of.encaps { "decap()" } else { "note:02" },
                "set_field:7->nsh_si",
                "set_field:8->nsh_spi",
                "set_field:9->nsh_c2",
            ])
            .into(),
        _ => "note:01".into(),
    }
}
