//! Matches on the wire, compared with `ovs-ofctl parse-nx-match`, `parse-oxm`, `parse-ofp10-match` and
//! `parse-ofp11-match` where that tool is installed: random TLVs, strict and loose, and random fixed matches.

use std::io::Write;
use std::process::{Command, Stdio};

use weft_flow::FieldId;
use weft_flow::field::{Masking, Prerequisite};
use weft_flow::text::{PortNames, format_match};
use weft_openflow::text::nxm;
use weft_openflow::{Version, codec};

const LINES: usize = 3000;

#[test]
fn tlvs_mean_what_they_mean_to_the_real_tool() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let lines: Vec<String> = (0..LINES).map(|_| line(&mut dice)).collect();
    for (args, strict, version) in [
        (&["parse-nx-match"][..], false, None),
        (&["--strict", "parse-nx-match"], true, None),
        (&["parse-oxm", "OpenFlow12"], false, Some(Version::V12)),
        (&["--strict", "parse-oxm", "OpenFlow15"], true, Some(Version::V15)),
    ] {
        let Some(theirs) = ask(args, &(lines.join("\n") + "\n")) else { return };
        let theirs: Vec<&str> = theirs.lines().collect();
        assert_eq!(theirs.len(), LINES, "{args:?}");
        let mut wrong = Vec::new();
        for (line, theirs) in lines.iter().zip(theirs) {
            let bytes = nxm::parse(line).expect("names of the registry");
            let ours = match codec::match_from_oxm(&bytes, strict) {
                Ok((_, Some(_))) if strict && version.is_some() => {
                    "nx_pull_match() returned error OFPBMC_BAD_FIELD".into()
                }
                Ok((m, cookie)) => nxm::format(&codec::match_to_oxm(&m, cookie.filter(|_| version.is_none()), version)),
                Err(code) => format!("nx_pull_match() returned error {code}"),
            };
            if ours != theirs {
                wrong.push(format!("{line}\n  ours   {ours}\n  theirs {theirs}\n"));
            }
        }
        assert!(wrong.is_empty(), "{args:?}: {} differ\n{}", wrong.len(), wrong[..wrong.len().min(20)].concat());
    }
}

#[test]
fn fixed_matches_mean_what_they_mean_to_the_real_tool() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for (version, command, fixed) in [
        (Version::V10, "parse-ofp10-match", random10 as fn(&mut Dice) -> Vec<u8>),
        (Version::V11, "parse-ofp11-match", random11),
    ] {
        let matches: Vec<Vec<u8>> = (0..500).map(|_| fixed(&mut dice)).collect();
        let text: String = matches.iter().map(|bytes| hex(bytes) + "\n").collect();
        let Some(theirs) = ask(&[command], &text) else { return };
        let mut blocks = theirs.split("\n\n");
        for bytes in &matches {
            let block = blocks.next().expect("a block each");
            let first = block.lines().next().unwrap_or_default();
            let ours = match codec::fixed_match_from_wire(bytes, version) {
                Ok(m) => {
                    let again = codec::fixed_match_to_wire(&m, version);
                    let changed = bytes.iter().zip(&again).enumerate().filter(|(_, (old, new))| old != new);
                    let changed = changed.map(|(at, (old, new))| format!("\n{at:2}: {old:02x} -> {new:02x}"));
                    format_match(&m, &PortNames::new()) + &changed.collect::<String>()
                }
                Err(code) => format!("bad ofp11_match: {code}"),
            };
            let theirs: Vec<&str> = block.lines().filter(|line| !line.starts_with("normal: ")).collect();
            assert_eq!(ours, theirs.join("\n"), "{command} {} ({first})", hex(bytes));
        }
    }
}

/// What the real tool answers; `None` if there is none.
fn ask(args: &[&str], input: &str) -> Option<String> {
    let child =
        Command::new("ovs-ofctl").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut child) = child else {
        assert!(std::env::var_os("WEFT_E2E_REQUIRED").is_none(), "ovs-ofctl is not installed");
        println!("weft-skip {:?}: ovs-ofctl is not installed", std::thread::current().name());
        return None;
    };
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    let writer = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input.as_bytes()));
        child.wait_with_output()
    });
    Some(String::from_utf8(writer.expect("it ran").stdout).expect("text"))
}

/// A few TLVs, mostly with what they require before them.
fn line(d: &mut Dice) -> String {
    let field = any_field(d);
    let mut tlvs: Vec<String> = Vec::new();
    if !d.one_in(10) {
        tlvs.extend(required(field.field().prerequisite).iter().map(|tlv| (*tlv).to_owned()));
    }
    tlvs.push(tlv(d, field));
    if d.one_in(2) {
        let other = any_field(d);
        tlvs.push(tlv(d, other));
    }
    if d.one_in(20) {
        tlvs.push(
            d.pick(&["NXM_NX_COOKIE(0000000012345678)", "NXM_NX_COOKIE_W(0000000000000001/00000000ffffffff)"]).into(),
        );
    }
    tlvs.join(", ")
}

fn any_field(d: &mut Dice) -> FieldId {
    loop {
        let field = d.pick(&FieldId::ALL);
        // options without a table: the tool forgets their values; ERSPAN's fields have all
        // bits of their bytes there
        let erspan = field.field().name.starts_with("tun_erspan");
        if !erspan && !field.field().oxm.is_empty() && field.tun_metadata_index().is_none() {
            return field;
        }
    }
}

fn tlv(d: &mut Dice, id: FieldId) -> String {
    let row = id.field();
    let name = d.pick(row.oxm).name;
    let digits = row.wire_bytes() * 2;
    let mut value = number(d, row.bits.into(), row.wire_bits.into());
    if row.masking == Masking::None || !d.one_in(3) {
        return format!("{name}({value:0digits$x})");
    }
    let mask = number(d, row.bits.into(), row.wire_bits.into());
    if !d.one_in(10) {
        value &= mask;
    }
    format!("{name}_W({value:0digits$x}/{mask:0digits$x})")
}

/// Mostly of the field's bits, now and then of all of its bytes.
fn number(d: &mut Dice, bits: u32, wire_bits: u32) -> u128 {
    let bits = if d.one_in(12) { wire_bits } else { bits };
    let all = u128::MAX >> (128 - bits);
    let random = u128::from(d.next()) << 64 | u128::from(d.next());
    d.pick(&[0, 1, all, random & all, random & all])
}

fn required(of: Prerequisite) -> &'static [&'static str] {
    use Prerequisite as P;
    match of {
        P::None | P::Ethernet => &[],
        P::Arp => &["NXM_OF_ETH_TYPE(0806)"],
        P::Vlan => &["OXM_OF_VLAN_VID_W(1000/1000)"],
        P::Ipv4 | P::Ip => &["NXM_OF_ETH_TYPE(0800)"],
        P::Ipv6 => &["NXM_OF_ETH_TYPE(86dd)"],
        P::Nsh => &["OXM_OF_ETH_TYPE(894f)"],
        P::Ct => &["NXM_OF_ETH_TYPE(0800)", "NXM_NX_CT_STATE_W(00000022/00000022)"],
        P::Mpls => &["NXM_OF_ETH_TYPE(8847)"],
        P::Tcp => &["NXM_OF_ETH_TYPE(0800)", "NXM_OF_IP_PROTO(06)"],
        P::Udp => &["NXM_OF_ETH_TYPE(86dd)", "OXM_OF_IP_PROTO(11)"],
        P::Sctp => &["NXM_OF_ETH_TYPE(0800)", "NXM_OF_IP_PROTO(84)"],
        P::Icmpv4 => &["NXM_OF_ETH_TYPE(0800)", "NXM_OF_IP_PROTO(01)"],
        P::Icmpv6 => &["NXM_OF_ETH_TYPE(86dd)", "NXM_OF_IP_PROTO(3a)"],
        P::Nd | P::NdSolicit => &["NXM_OF_ETH_TYPE(86dd)", "NXM_OF_IP_PROTO(3a)", "NXM_NX_ICMPV6_TYPE(87)"],
        P::NdAdvert => &["NXM_OF_ETH_TYPE(86dd)", "NXM_OF_IP_PROTO(3a)", "OXM_OF_ICMPV6_TYPE(88)"],
    }
}

/// OpenFlow 1.0's 40 bytes: some wildcards, protocols that exist.
fn random10(d: &mut Dice) -> Vec<u8> {
    let wildcards = d.next() as u32 & 0x003f_ffff | d.pick(&[0, 0x0038_20ff, 0xef, 0x0038_200f]);
    let mut bytes = wildcards.to_be_bytes().to_vec();
    bytes.extend(d.pick(&[1u16, 0xfffe, 0, 17]).to_be_bytes());
    bytes.extend(d.bytes(12));
    bytes.extend(d.pick(&[0xffffu16, 5, 0x123, 0x1fff]).to_be_bytes());
    bytes.extend([d.pick(&[0, 5, 15]), 0]);
    bytes.extend(ethertype(d));
    bytes.extend([d.pick(&[0, 4, 7, 255]), d.pick(&[0, 1, 6, 17, 132, 58, 89]), 0, 0]);
    bytes.extend(d.bytes(12));
    bytes
}

/// OpenFlow 1.1's 88 bytes.
fn random11(d: &mut Dice) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 88];
    bytes.extend(d.pick(&[1u32, 0xffff_fffe, 17]).to_be_bytes());
    bytes.extend((d.next() as u32 & 0x3ff | d.pick(&[0, 0x3ff, 0x3f7, 0x307])).to_be_bytes());
    for _ in 0..2 {
        bytes.extend(d.bytes(6));
        let mask = d.pick(&[0u8, 0xff]);
        bytes.extend(if d.one_in(3) { d.bytes(6) } else { vec![mask; 6] });
    }
    bytes.extend(d.pick(&[0xffffu16, 0xfffe, 5, 0x123, 0x1fff]).to_be_bytes());
    bytes.extend([d.pick(&[0, 5, 7]), 0]);
    bytes.extend(ethertype(d));
    bytes.extend([d.pick(&[0, 4, 7, 0xfc]), d.pick(&[0, 1, 6, 17, 132, 58, 89])]);
    bytes.extend(d.bytes(16));
    bytes.extend([0, d.pick(&[0, 8]), 0, d.pick(&[0, 1]), 0, d.pick(&[0, 0, 15]), 1, 2, d.pick(&[0, 7, 8]), 0, 0, 0]);
    bytes.extend(d.bytes(16));
    bytes
}

fn ethertype(d: &mut Dice) -> [u8; 2] {
    d.pick(&[0x0800u16, 0x0800, 0x0806, 0x8035, 0x86dd, 0x8847, 0x1234, 0x05ff]).to_be_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A small generator of random numbers (xorshift), so that every run sees the same.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 16) as usize % n
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.below(256) as u8).collect()
    }
}
