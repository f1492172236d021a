//! The registry against ovs-fields(7), field by field, where that page is installed.
//!
//! Two kinds of tables of the page are read: the block of facts that each described field has (`Name:;\fBconj_id\fR` and
//! what follows), and the lines of the summaries, which also name the fields that share one description.

use std::process::Command;

use weft_flow::FieldId;
use weft_flow::field::{Field, FieldForm, Masking, Prerequisite};

#[test]
fn every_fact_of_the_manual_is_in_the_registry() {
    let Some(page) = page() else {
        // images of containers often leave manual pages out, so this may be so where all else is required
        println!("weft-skip every_fact_of_the_manual_is_in_the_registry: ovs-fields(7) is not installed");
        return;
    };
    let mut described = 0;
    for block in page.split("\nName:;").skip(1) {
        let block = block.split("\n.TE").next().unwrap_or_default();
        described += 1;
        block_agrees(&format!("Name:;{block}"));
    }
    let summaries = page.lines().filter_map(summary).inspect(|line| summary_agrees(line)).count();
    assert!(described > 80 && summaries > 170, "the page has changed its form: {described} blocks, {summaries} lines");
}

fn page() -> Option<String> {
    let output = Command::new("zcat").arg("/usr/share/man/man7/ovs-fields.7.gz").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.replace("\\[char59]", ";");
    let plain = ["\\fB", "\\fI", "\\fR"].iter().fold(text, |text, font| text.replace(font, ""));
    (!plain.is_empty()).then_some(plain)
}

/// `conj_id`, or `nw_src (aka ip_src)`.
fn field(name: &str) -> &'static Field {
    let (name, alias) = match name.split_once(" (aka ").or_else(|| name.split_once(" aka ")) {
        Some((name, alias)) => (name, Some(alias.trim_end_matches(')'))),
        None => (name, None),
    };
    let field = FieldId::by_name(name).unwrap_or_else(|| panic!("{name} is not in the registry")).field();
    assert_eq!(field.name, name);
    assert_eq!(field.aliases, alias.as_slice(), "{name}");
    field
}

fn block_agrees(block: &str) {
    let fact = |label: &str| {
        let at = block.find(&format!("{label}:;")).unwrap_or_else(|| panic!("{label} in {block}"));
        let rest = &block[at + label.len() + 2..];
        match rest.strip_prefix("T{\n") {
            Some(long) => long.split("\nT}").next().unwrap_or_default().to_owned(),
            None => rest.lines().next().unwrap_or_default().to_owned(),
        }
    };
    let row = field(&fact("Name"));
    let name = row.name;
    let (bits, low) = width(&fact("Width"));
    assert_eq!(row.wire_bits, bits, "{name}");
    assert_eq!(row.bits, known_low_bits(name).unwrap_or(low), "{name}");
    assert_eq!(form(row.form), fact("Format"), "{name}");
    assert_eq!(masks(row.masking), fact("Masking"), "{name}");
    assert_eq!(prerequisite(row.prerequisite), fact("Prerequisites"), "{name}");
    assert_eq!(if row.writable { "read/write" } else { "read-only" }, fact("Access"), "{name}");
    let mut codes = 0;
    for label in ["OXM", "NXM"] {
        for code in fact(label).split("; ").filter(|code| *code != "none") {
            codes += 1;
            code_agrees(row, code);
        }
    }
    assert_eq!(codes, row.oxm.len(), "{name}");
}

/// `OXM_OF_IPV4_SRC (11) since OpenFlow 1.2 and Open vSwitch 1.7`
fn code_agrees(row: &Field, code: &str) {
    let (name, rest) = code.split_once(" (").expect("a number");
    let (number, since) = rest.split_once(") since ").expect("a version");
    let ours = row.oxm.iter().find(|oxm| oxm.name == name).unwrap_or_else(|| panic!("{name}"));
    assert_eq!(number, ours.field.to_string(), "{name}");
    let version = since.strip_prefix("OpenFlow 1.").and_then(|v| v.split(' ').next()).map_or(0, |minor| {
        // 1.2 is 3 on the wire
        minor.parse::<u8>().expect("a version") + 1
    });
    assert_eq!(ours.since, version, "{name}");
    let class = match name.split_once('_').expect("a prefix") {
        ("NXM", rest) => u16::from(rest.starts_with("NX_")),
        ("OXM", rest) if rest.starts_with("OF_PKT_REG") => 0x8001,
        ("OXM", _) => 0x8000,
        ("ERICOXM", _) => 0x1000,
        _ => 0xffff,
    };
    assert_eq!(ours.class, class, "{name}");
}

/// A summary's line: name, bytes, masks, access, prerequisites, versions.
fn summary(line: &str) -> Option<Vec<&str>> {
    let cells: Vec<&str> = line.split(';').collect();
    (cells.len() == 6 && matches!(cells[3], "yes" | "no") && cells[1].starts_with(|c: char| c.is_ascii_digit()))
        .then_some(cells)
}

fn summary_agrees(cells: &[&str]) {
    let row = field(cells[0]);
    let name = row.name;
    let (bytes, low) = match cells[1].split_once(" (low ") {
        Some((bytes, low)) => (bytes, low.trim_end_matches(" bits)").parse().expect("bits")),
        None => (cells[1], 8 * cells[1].parse::<u16>().expect("bytes")),
    };
    assert_eq!(row.wire_bytes().to_string(), bytes, "{name}");
    assert_eq!(row.bits, known_low_bits(name).unwrap_or(low), "{name}");
    assert_eq!(row.masking == Masking::Arbitrary, cells[2] == "yes", "{name}");
    assert_eq!(row.writable, cells[3] == "yes", "{name}");
    assert_eq!(prerequisite(row.prerequisite), cells[4], "{name}");
}

/// `16 bits (only the least-significant 12 bits may be nonzero)`
fn width(text: &str) -> (u16, u16) {
    let first = |text: &str| text.split(' ').next().and_then(|n| n.parse::<u16>().ok()).expect("bits");
    let low = text.split_once("least-significant ").map(|(_, low)| first(low));
    (first(text), low.unwrap_or(first(text)))
}

/// Where the registry means more, or less, than the page: OpenFlow's VLAN id has the "there is a tag" bit above the 12 of
/// the id; of an ARP operation the datapath keeps one byte.
fn known_low_bits(name: &str) -> Option<u16> {
    match name {
        "vlan_vid" => Some(13),
        "arp_op" => Some(8),
        _ => None,
    }
}

fn form(form: FieldForm) -> &'static str {
    match form {
        FieldForm::Decimal => "decimal",
        FieldForm::Hexadecimal => "hexadecimal",
        FieldForm::Ethernet => "Ethernet",
        FieldForm::Ipv4 => "IPv4",
        FieldForm::Ipv6 => "IPv6",
        FieldForm::OfPort16 => "OpenFlow 1.0 port",
        FieldForm::OfPort32 => "OpenFlow 1.1+ port",
        FieldForm::Frag => "frag",
        FieldForm::TunnelFlags => "tunnel flags",
        FieldForm::TcpFlags => "TCP flags",
        FieldForm::CtState => "ct state",
        FieldForm::PacketType => "packet type",
    }
}

fn masks(masking: Masking) -> &'static str {
    match masking {
        Masking::None => "not maskable",
        Masking::Arbitrary => "arbitrary bitwise masks",
    }
}

fn prerequisite(of: Prerequisite) -> &'static str {
    match of {
        Prerequisite::None => "none",
        Prerequisite::Ethernet => "Ethernet",
        Prerequisite::Arp => "ARP",
        Prerequisite::Vlan => "VLAN VID",
        Prerequisite::Ipv4 => "IPv4",
        Prerequisite::Ipv6 => "IPv6",
        Prerequisite::Ip => "IPv4/IPv6",
        Prerequisite::Nsh => "NSH",
        Prerequisite::Ct => "CT",
        Prerequisite::Mpls => "MPLS",
        Prerequisite::Tcp => "TCP",
        Prerequisite::Udp => "UDP",
        Prerequisite::Sctp => "SCTP",
        Prerequisite::Icmpv4 => "ICMPv4",
        Prerequisite::Icmpv6 => "ICMPv6",
        Prerequisite::Nd => "ND",
        Prerequisite::NdSolicit => "ND solicit",
        Prerequisite::NdAdvert => "ND advert",
    }
}
