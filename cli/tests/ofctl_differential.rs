//! Our `parse-flow` beside that of the real ovs-ofctl, where Debian's package is installed: random flows from the registry
//! of fields and a list of actions, in every form of OpenFlow. What is printed and the exit status must be equal.
//!
//! `WEFT_DIFFERENTIAL=N` looks at N flows instead of a few hundred.

use std::process::{Command, Output};

use weft_flow::field::{FieldForm, Masking, Prerequisite};
use weft_flow::{Field, FieldId};

const REAL: &str = "/usr/bin/ovs-ofctl";

/// A small generator; the seed is the test's, so that what fails once fails again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    fn one_of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len() as u64) as usize]
    }

    fn bits(&mut self, n: u16) -> u128 {
        let wide = u128::from(self.roll()) << 64 | u128::from(self.roll());
        if n >= 128 { wide } else { wide & ((1 << n) - 1) }
    }
}

fn needed(what: Prerequisite) -> &'static str {
    use Prerequisite as P;
    match what {
        P::None | P::Ethernet => "",
        P::Arp => "arp,",
        P::Vlan => "vlan_tci=0x1000/0x1000,",
        P::Ipv4 | P::Ip => "ip,",
        P::Ipv6 => "ipv6,",
        P::Nsh => "dl_type=0x894f,",
        P::Ct => "ip,ct_state=+trk+est,",
        P::Mpls => "mpls,",
        P::Tcp => "tcp,",
        P::Udp => "udp,",
        P::Sctp => "sctp,",
        P::Icmpv4 => "icmp,",
        P::Icmpv6 => "icmp6,",
        P::Nd | P::NdSolicit => "icmp6,icmpv6_type=135,icmpv6_code=0,",
        P::NdAdvert => "icmp6,icmpv6_type=136,icmpv6_code=0,",
    }
}

/// Fields whose text has no random values worth trying, or that say no more than another one.
fn is_tried(field: &Field) -> bool {
    !field.name.starts_with("tun_metadata")
        && !matches!(field.id, FieldId::PacketType | FieldId::RecircId | FieldId::SkbPriority | FieldId::TunTos)
        && !matches!(field.id, FieldId::TunTtl | FieldId::CtNwProto | FieldId::NshMdtype | FieldId::DpHash)
        && !field.name.starts_with("ct_tp")
        && !field.name.starts_with("ct_nw")
        && !field.name.starts_with("ct_ipv6")
}

fn value(dice: &mut Dice, field: &Field) -> String {
    let masked = field.masking == Masking::Arbitrary && dice.below(3) == 0;
    match field.form {
        FieldForm::Decimal | FieldForm::Hexadecimal => {
            let mut value = dice.bits(field.bits);
            match field.id {
                FieldId::NwTos => value &= 0xfc,
                // Without that bit it says that there is no tag, and the rest is nonsense.
                FieldId::VlanTci | FieldId::VlanVid => value |= 0x1000,
                _ => {}
            }
            let mask = dice.bits(field.bits).max(1);
            match masked && !matches!(field.id, FieldId::VlanVid | FieldId::VlanTci) {
                true => format!("{:#x}/{mask:#x}", value & mask),
                false => format!("{value:#x}"),
            }
        }
        FieldForm::Ethernet => {
            let mac = |bits: u128| {
                let bytes = bits.to_be_bytes();
                bytes[10..].iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")
            };
            let (value, mask) = (dice.bits(48), dice.bits(48));
            if masked { format!("{}/{}", mac(value & mask), mac(mask)) } else { mac(value) }
        }
        FieldForm::Ipv4 => {
            let (value, length) = (dice.bits(32) as u32, 1 + dice.below(32) as u32);
            let mask = u32::MAX << (32 - length);
            let address = |bits: u32| std::net::Ipv4Addr::from(bits);
            if masked { format!("{}/{length}", address(value & mask)) } else { address(value).to_string() }
        }
        FieldForm::Ipv6 => std::net::Ipv6Addr::from(dice.bits(128) | 1 << 127).to_string(),
        FieldForm::OfPort16 | FieldForm::OfPort32 => dice.one_of(&["1", "65279", "LOCAL", "in_port"]).to_owned(),
        FieldForm::Frag => dice.one_of(&["yes", "no", "first", "later", "not_later"]).to_owned(),
        FieldForm::TunnelFlags => dice.one_of(&["oam", "+oam", "-oam"]).to_owned(),
        FieldForm::TcpFlags => dice.one_of(&["syn", "+syn-ack", "fin|psh", "0x12/0x3f", "-rst"]).to_owned(),
        FieldForm::CtState => dice.one_of(&["trk", "+trk+new", "-trk", "+est-rpl", "new|trk"]).to_owned(),
        FieldForm::PacketType => "(0,0)".to_owned(),
    }
}

/// Without `clone`: with it the real tool forgets which forms the rest of the flow rules out.
const ACTIONS: &[&str] = &[
    "output:N",
    "N",
    "LOCAL",
    "in_port",
    "normal",
    "flood",
    "all",
    "controller",
    "controller:N",
    "enqueue:N:B",
    "controller(reason=no_match,max_len=N,id=B)",
    "controller(userdata=01.02,pause)",
    "set_queue:N",
    "pop_queue",
    "group:N",
    "resubmit:N",
    "resubmit(,B)",
    "resubmit(N,B)",
    "bundle(eth_src,N,hrw,ofport,members:1,N)",
    "bundle_load(nw_src,0,active_backup,ofport,reg0[0..15],members:N,2)",
    "multipath(symmetric_l4,N,modulo_n,B,0,reg1[0..15])",
    "load:B->reg3[4..19]",
    "load:N->NXM_NX_REG5[]",
    "move:reg0[0..7]->reg1[8..15]",
    "move:eth_src[]->eth_dst[]",
    "push:reg2[]",
    "pop:reg2[]",
    "push:eth_src[0..15]",
    "mod_vlan_vid:B",
    "mod_vlan_pcp:3",
    "strip_vlan",
    "push_vlan:0x8100",
    "set_field:B->reg6",
    "set_field:0x1200/0xff00->metadata",
    "set_field:00:11:22:33:44:55->eth_src",
    "set_field:B->tun_id",
    "set_tunnel:N",
    "set_tunnel64:N",
    "mod_dl_dst:00:11:22:33:44:55",
    "mod_nw_src:1.2.3.4",
    "mod_nw_tos:8",
    "mod_tp_dst:N",
    "set_field:1.2.3.4->nw_dst",
    "set_field:B->ip_dscp",
    "set_field:N->tcp_dst",
    "dec_ttl",
    "dec_ttl(1,B)",
    "push_mpls:0x8847",
    "pop_mpls:0x0800",
    "set_mpls_label:N",
    "set_mpls_ttl:B",
    "dec_mpls_ttl",
    "ct(commit,zone=N)",
    "ct(table=B,zone=reg0[0..15])",
    "ct(commit,nat(src=10.0.0.1-10.0.0.9:B-65535,random))",
    "ct(commit,exec(load:N->ct_mark[]))",
    "ct(nat)",
    "ct_clear",
    "learn(table=B,eth_type=0x800,ip_dst=1.2.3.4,load:N->reg0[0..15],output:in_port[])",
    "learn(table=1,idle_timeout=N,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
    "conjunction(B,1/2)",
    "fin_timeout(idle_timeout=N)",
    "sample(probability=N,collector_set_id=B,obs_point_id=N)",
    "check_pkt_larger(N)->reg0[3]",
    "note:01.02.03",
    "exit",
    "output:reg0[0..15]",
    "output(port=N,max_len=100)",
    "write_metadata:N",
    "goto_table:B",
    "clear_actions",
    "write_actions(output:N,group:B)",
    "meter:N",
    "drop",
    "delete_field:reg0",
    "nat",
    "foo",
    "output:foo",
    "load:N->reg0[0..3]",
    "set_field:B->eth_type",
];

fn flow(dice: &mut Dice) -> String {
    let mut text = String::new();
    if dice.below(2) == 0 {
        text += dice.one_of(&["ip,", "tcp,", "tcp6,", "udp,", "dl_vlan=5,tcp,", "mpls,", "arp,", "icmp6,"]);
    }
    for _ in 0..dice.below(3) {
        let field = FieldId::ALL[dice.below(FieldId::ALL.len() as u64) as usize].field();
        // A second protocol beside the first says what of both the tool believes; that is tried elsewhere.
        if is_tried(field) && (needed(field.prerequisite).is_empty() || text.is_empty()) {
            text += needed(field.prerequisite);
            text += &format!("{}={},", field.name, value(dice, field));
        }
    }
    for (word, odds) in
        [("priority=N,", 4), ("table=B,", 6), ("cookie=N,", 6), ("idle_timeout=N,", 8), ("send_flow_rem,", 9)]
    {
        if dice.below(odds) == 0 {
            text += word;
        }
    }
    let n = 1 + dice.below(3);
    let actions: Vec<&str> = (0..n).map(|_| dice.one_of(ACTIONS)).collect();
    text += &format!("actions={}", actions.join(","));
    let mut filled = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let alone = !filled.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && rest.peek().is_none_or(|c| !c.is_ascii_alphanumeric() && *c != '_');
        match c {
            'N' if alone => filled += &(1 + dice.below(60_000)).to_string(),
            'B' if alone => filled += &(1 + dice.below(60)).to_string(),
            c => filled.push(c),
        }
    }
    filled
}

fn run(program: &str, first: &[&str], words: &[&str]) -> Output {
    Command::new(program).args(first).args(words).output().expect("it runs")
}

/// What the user sees, without the time of log lines.
fn seen(output: &Output) -> (Option<i32>, String, Vec<String>) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let errors = stderr.lines().filter(|line| line.contains("ovs-ofctl:")).map(str::to_owned).collect();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), errors)
}

#[test]
fn random_flows_parse_and_print_as_ovs_ofctl_has_them() {
    if !std::path::Path::new(REAL).exists() {
        assert!(std::env::var_os("WEFT_E2E_REQUIRED").is_none(), "{REAL} is not installed");
        println!("weft-skip random_flows_parse_and_print_as_ovs_ofctl_has_them: {REAL} is not installed");
        return;
    }
    let ours = std::path::PathBuf::from(env!("CARGO_BIN_EXE_weft"));
    let count: u64 = std::env::var("WEFT_DIFFERENTIAL").map_or(200, |n| n.parse().expect("a number"));
    let forms: [&[&str]; 6] = [
        &[],
        &["-F", "nxm"],
        &["-O", "OpenFlow11"],
        &["-O", "OpenFlow12"],
        &["-O", "OpenFlow13"],
        &["-O", "OpenFlow15"],
    ];
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut differences = Vec::new();
    for _ in 0..count {
        let flow = flow(&mut dice);
        let form = forms[dice.below(forms.len() as u64) as usize];
        let words = [form, &["parse-flow", &flow]].concat();
        let real = seen(&run(REAL, &[], &words));
        let mine = seen(&run(ours.to_str().expect("text"), &["ovs-ofctl"], &words));
        if real != mine {
            differences.push(format!("{words:?}\n  real: {real:?}\n  ours: {mine:?}"));
        }
    }
    let n = differences.len();
    assert!(n == 0, "{n} of {count} differ:\n{}", differences.join("\n"));
}

/// Messages that were found to print otherwise once, and damaged ones beside them: the same bytes through `ofp-print`.
#[test]
fn damaged_messages_print_as_ovs_ofctl_has_them() {
    if !std::path::Path::new(REAL).exists() {
        assert!(std::env::var_os("WEFT_E2E_REQUIRED").is_none(), "{REAL} is not installed");
        println!("weft-skip damaged_messages_print_as_ovs_ofctl_has_them: {REAL} is not installed");
        return;
    }
    let ours = std::path::PathBuf::from(env!("CARGO_BIN_EXE_weft"));
    let ours = ours.to_str().expect("text");
    let mut differences = Vec::new();
    for (hex, options) in
        include_str!("golden/messages.txt").lines().flat_map(|hex| [(hex, &[][..]), (hex, &["-mmm"][..])])
    {
        let words = [options, &["ofp-print", hex]].concat();
        let (real, mine) = (run(REAL, &[], &words), run(ours, &["ovs-ofctl"], &words));
        let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
        if (real.status.code(), text(&real)) != (mine.status.code(), text(&mine)) {
            differences.push(format!("{words:?}\n  real: {}\n  ours: {}", text(&real), text(&mine)));
        }
    }
    let n = differences.len();
    assert!(n == 0, "{n} differ:\n{}", differences.join("\n"));
}

/// Lists of actions, sound and damaged: the meaning, what changes when it is written again, and the log's words.
#[test]
fn actions_are_read_and_refused_as_ovs_ofctl_does() {
    if !std::path::Path::new(REAL).exists() {
        assert!(std::env::var_os("WEFT_E2E_REQUIRED").is_none(), "{REAL} is not installed");
        println!("weft-skip actions_are_read_and_refused_as_ovs_ofctl_does: {REAL} is not installed");
        return;
    }
    let ours = std::path::PathBuf::from(env!("CARGO_BIN_EXE_weft"));
    let ours = ours.to_str().expect("text");
    let mut differences = Vec::new();
    for line in include_str!("golden/actions.txt").lines() {
        let (version, hex) = line.split_once(' ').expect("a version and bytes");
        let [real, mine] = [vec![REAL], vec![ours, "ovs-ofctl"]].map(|program| {
            let mut command = Command::new(program[0]);
            command.args(&program[1..]).args(["-vPATTERN:console:%c|%p|%m", "parse-actions", version]);
            command.stdin(std::process::Stdio::piped());
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            let mut child = command.spawn().expect("it runs");
            std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), hex.as_bytes()).expect("it reads");
            let output = child.wait_with_output().expect("it ends");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (output.status.code(), text(&output.stdout), text(&output.stderr))
        });
        if real != mine {
            differences.push(format!("{line}\n  real: {real:?}\n  ours: {mine:?}"));
        }
    }
    let n = differences.len();
    assert!(n == 0, "{n} differ:\n{}", differences.join("\n"));
}
