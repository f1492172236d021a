//! The match part of the flow syntax of ovs-ofctl(8): `tcp,in_port=1,nw_src=10.0.0.0/8,tp_dst=80`.

use crate::key::TUN_METADATA_WORD;
use crate::text::{PortNames, number, parse_value};
use crate::tun_metadata::{BadNumber, PRESENT_WORD, TunValue};
use crate::{FieldId, FlowMask, Match};

/// Protocol words: name, eth_type, nw_proto.
const PROTOCOLS: &[(&str, u16, Option<u8>)] = &[
    ("ip", 0x0800, None),
    ("ipv4", 0x0800, None),
    ("ip4", 0x0800, None),
    ("arp", 0x0806, None),
    ("icmp", 0x0800, Some(1)),
    ("tcp", 0x0800, Some(6)),
    ("udp", 0x0800, Some(17)),
    ("sctp", 0x0800, Some(132)),
    ("ipv6", 0x86dd, None),
    ("ip6", 0x86dd, None),
    ("icmp6", 0x86dd, Some(58)),
    ("tcp6", 0x86dd, Some(6)),
    ("udp6", 0x86dd, Some(17)),
    ("sctp6", 0x86dd, Some(132)),
    ("rarp", 0x8035, None),
    ("mpls", 0x8847, None),
    ("mplsm", 0x8848, None),
];

/// Apply one `key` or `key=value` of a flow to a match. `Ok(false)`: the key is none of a match's.
///
/// # Errors
/// The text that the tools print.
pub fn parse_match_key(pattern: &mut Match, key: &str, value: Option<&str>, ports: &PortNames) -> Result<bool, String> {
    read_match_key(pattern, key, value, ports).map(|said| said.is_some())
}

/// What one word of a flow required of a match.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    /// These bits of a field, called by its own name.
    Field(FieldId, u128),
    /// A protocol, a tunnel option, or a field by another name.
    Other,
}

/// [`parse_match_key`] that tells what was said.
///
/// # Errors
/// The text that the tools print.
pub fn read_match_key(
    pattern: &mut Match,
    key: &str,
    value: Option<&str>,
    ports: &PortNames,
) -> Result<Option<Said>, String> {
    if let Some(id) = FieldId::by_name(key) {
        return read_field(pattern, id, key, value, ports).map(Some);
    }
    if let Some((_, eth_type, nw_proto)) = PROTOCOLS.iter().find(|(name, ..)| *name == key) {
        pattern.set(FieldId::EthType, u128::from(*eth_type));
        if let Some(proto) = nw_proto {
            pattern.set(FieldId::NwProto, u128::from(*proto));
        }
        return Ok(Some(Said::Other));
    }
    if key == "eth" {
        pattern.set(FieldId::PacketType, 0);
        return Ok(Some(Said::Other));
    }
    // an NXM or OXM name is as good as the field's own
    let Some(id) = field_by_oxm_name(key) else { return Ok(None) };
    read_field(pattern, id, key, value, ports).map(|_| Some(Said::Other))
}

/// [`read_match_key`] of a field that `key` names.
///
/// # Errors
/// The text that the tools print.
pub fn read_field(
    pattern: &mut Match,
    id: FieldId,
    key: &str,
    value: Option<&str>,
    ports: &PortNames,
) -> Result<Said, String> {
    if let Some(index) = id.tun_metadata_index() {
        return set_option(pattern, index, key, value.unwrap_or_default()).map(|()| Said::Other);
    }
    let value = value.ok_or_else(|| format!("field {key} missing value"))?;
    set_field(pattern, id, value, ports).map(|mask| Said::Field(id, mask))
}

/// Read a whole match: fields and shorthands separated by commas or blanks.
///
/// # Errors
/// The text that the tools print.
pub fn parse_match(text: &str, ports: &PortNames) -> Result<Match, String> {
    let mut pattern = Match::any();
    for (key, value) in pieces(text) {
        if !parse_match_key(&mut pattern, key, value, ports)? {
            return Err(match value {
                Some(_) => format!("unknown keyword {key}"),
                None => format!("field {key} missing value"),
            });
        }
    }
    Ok(pattern)
}

/// The `key=value` pieces of a flow: separated by commas and blanks; what stands in parentheses belongs together.
pub fn pieces(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    const SEPARATORS: [char; 5] = [',', ' ', '\t', '\n', '\r'];
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(SEPARATORS);
        if rest.is_empty() {
            return None;
        }
        let mut depth = 0;
        let end = rest.find(|c: char| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth <= 0 && SEPARATORS.contains(&c)
        });
        let (piece, tail) = rest.split_at(end.unwrap_or(rest.len()));
        rest = tail;
        Some(piece.split_once('=').map_or((piece, None), |(key, value)| (key, Some(value))))
    })
}

/// The field of that name, alias, or NXM/OXM name.
pub fn field_by_any_name(name: &str) -> Option<FieldId> {
    FieldId::by_name(name).or_else(|| field_by_oxm_name(name))
}

fn field_by_oxm_name(name: &str) -> Option<FieldId> {
    FieldId::ALL.into_iter().find(|id| id.field().oxm.iter().any(|oxm| oxm.name == name))
}

/// A tunnel option; without a value, that it is there.
fn set_option(pattern: &mut Match, index: u8, name: &str, text: &str) -> Result<(), String> {
    if pattern.tun_option(index).is_some() {
        return Err(format!("field {name} set multiple times"));
    }
    let value = parse_option(name, text)?;
    pattern.set_tun(index, &value).map_err(|_| format!("field {name} is not mapped to a tunnel option"))
}

/// The value of a tunnel option.
///
/// # Errors
/// The text that the tools print.
pub fn parse_option(name: &str, text: &str) -> Result<TunValue, String> {
    TunValue::parse(text).map_err(|why| match why {
        BadNumber::Value => format!("{text}: bad syntax for {name} value"),
        BadNumber::Mask => format!("{text}: bad syntax for {name} mask"),
        BadNumber::TooLarge => format!("{text}: value too large for 124-byte field {name}"),
    })
}

/// Requires a field; which bits were named.
fn set_field(pattern: &mut Match, id: FieldId, text: &str, ports: &PortNames) -> Result<u128, String> {
    // An empty value is read as a wildcard by the fields that can be written that way.
    let (value, mask) = parse_value(id, if text.is_empty() { "0/0" } else { text }, ports)?;
    match id {
        // no tag at all
        FieldId::DlVlan if number::parse_u64(text) == Some(0xffff) => pattern.set(id, 0xffff),
        _ => pattern.set_masked(id, value, mask),
    }
    Ok(mask)
}

/// Drop what the match's protocols cannot have: a flow of IPv4 addresses without `ip` matches everything, as users of
/// OpenFlow 1.0 know it. Returns whether anything was dropped.
pub fn normalize(pattern: &mut Match) -> bool {
    normalize_from(pattern).is_some()
}

/// [`normalize`] that gives the match as it was, if anything was dropped.
pub fn normalize_from(pattern: &mut Match) -> Option<Box<Match>> {
    use FieldId::*;
    let exact = |id: FieldId| pattern.is_exact(id).then(|| pattern.get(id).0);
    // namespace 1 of packet_type is that of Ethertypes
    let eth_type = exact(PacketType).filter(|kind| kind >> 16 == 1).map(|kind| kind & 0xffff).or(exact(EthType));
    let proto = exact(NwProto);
    // other protocols have something else in that place
    let icmp_type = exact(IcmpType).filter(|_| proto == Some(58));
    let known = (eth_type.map(|v| v as u16), proto.map(|v| v as u8), icmp_type.map(|v| v as u8));
    // flows of one file are mostly of one kind
    LAST_KEPT.with_borrow_mut(|(of, keep)| {
        if *of != Some(known) {
            *keep = kept_with(known);
            *of = Some(known);
        }
        if keep.covers(pattern.mask()) { None } else { drop_others(pattern, keep) }
    })
}

/// Ethertype, network protocol, ICMP type, as far as a match says them.
type Protocols = (Option<u16>, Option<u8>, Option<u8>);

thread_local! {
    static LAST_KEPT: std::cell::RefCell<(Option<Protocols>, FlowMask)> =
        const { std::cell::RefCell::new((None, FlowMask::new())) };
}

/// What a match of these protocols may speak of.
fn kept_with((eth_type, proto, icmp_type): Protocols) -> FlowMask {
    use FieldId::*;
    let mut allowed: Vec<FieldId> = Vec::new();
    match eth_type {
        Some(0x0800) => allowed.extend([IpSrc, IpDst, NwProto, IpFrag, NwTos, NwTtl]),
        Some(0x86dd) => allowed.extend([Ipv6Src, Ipv6Dst, Ipv6Label, NwProto, IpFrag, NwTos, NwTtl]),
        Some(0x0806 | 0x8035) => allowed.extend([IpSrc, IpDst, NwProto, ArpSha, ArpTha]),
        Some(0x8847 | 0x8848) => allowed.extend([MplsLabel, MplsTc, MplsBos, MplsTtl]),
        _ => {}
    }
    match (eth_type, proto) {
        (Some(0x0800 | 0x86dd), Some(6)) => allowed.extend([TcpSrc, TcpDst, TcpFlags]),
        (Some(0x0800 | 0x86dd), Some(17 | 132)) | (Some(0x0800), Some(1)) => allowed.extend([TcpSrc, TcpDst]),
        (Some(0x86dd), Some(58)) => {
            allowed.extend([TcpSrc, TcpDst]);
            match icmp_type {
                Some(135) => allowed.extend([NdTarget, NdSll, NdReserved, NdOptionsType]),
                Some(136) => allowed.extend([NdTarget, NdTll, NdReserved, NdOptionsType]),
                _ => {}
            }
        }
        _ => {}
    }
    let mut keep = FlowMask::new();
    for id in FieldId::ALL.into_iter().filter(|id| !is_layered(*id)).chain(allowed) {
        id.unwildcard(&mut keep);
    }
    for word in TUN_METADATA_WORD..=PRESENT_WORD {
        keep.set_word(word, u64::MAX);
    }
    keep
}

/// Drop what is not kept; returns what it was, unless that goes without a word.
fn drop_others(pattern: &mut Match, keep: &FlowMask) -> Option<Box<Match>> {
    let mut silent = FlowMask::new();
    // what nobody writes without its protocol goes without a word
    [FieldId::IpFrag, FieldId::TcpFlags, FieldId::NdReserved].iter().for_each(|field| field.unwildcard(&mut silent));
    let mut mask = pattern.mask().clone();
    let mut dropped = false;
    for word in pattern.mask().used_words() {
        let gone = mask.word(word) & !keep.word(word);
        dropped |= gone & !silent.word(word) != 0;
        mask.set_word(word, mask.word(word) & !gone);
    }
    let less = Match::with_layout(pattern.key().clone(), mask, pattern.layout().cloned());
    let was = std::mem::replace(pattern, less);
    dropped.then(|| Box::new(was))
}

/// Whether a field exists only under some network protocol. (Fields that share a place are all of that kind.) Some
/// of NSH and conntrack stay, as in Open vSwitch: whoever decodes the match refuses them.
fn is_layered(id: FieldId) -> bool {
    use crate::field::Prerequisite as P;
    !matches!(id.field().prerequisite, P::None | P::Ethernet | P::Vlan | P::Ct | P::Nsh)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::format_match;

    /// Keys separated by commas, as in a flow; values hold no commas here.
    fn parse(text: &str) -> Result<Match, String> {
        let mut pattern = Match::any();
        for part in text.split(',').filter(|p| !p.is_empty()) {
            let (key, value) = part.split_once('=').map_or((part, None), |(k, v)| (k, Some(v)));
            if !parse_match_key(&mut pattern, key, value, &PortNames::new())? {
                return Err(format!("unknown keyword {key}"));
            }
        }
        normalize(&mut pattern);
        Ok(pattern)
    }

    /// Pairs of what was written and what Open vSwitch's `ovs-ofctl parse-flow` makes of it.
    #[test]
    fn matches_print_as_users_know_them() {
        for (written, printed) in [
            ("", ""),
            (
                "in_port=1,dl_vlan=5,dl_vlan_pcp=3,ip,nw_frag=later,nw_tos=32,nw_ttl=5,nw_ecn=2",
                "ip,in_port=1,dl_vlan=5,dl_vlan_pcp=3,nw_tos=32,nw_ecn=2,nw_ttl=5,nw_frag=later",
            ),
            (
                "reg0=5,reg1=1/0xf,xreg1=7,metadata=5/0xff,tun_id=5,pkt_mark=9,ct_mark=1,ct_label=0x5/0xff,ct_zone=3,icmp,icmp_type=8,icmp_code=0",
                "pkt_mark=0x9,ct_zone=3,ct_mark=0x1,ct_label=0x5/0xff,icmp,reg0=0x5,reg1=0x1/0xf,reg2=0,reg3=0x7,tun_id=0x5,metadata=0x5/0xff,icmp_type=8,icmp_code=0",
            ),
            (
                "ipv6,ipv6_src=fe80::/16,ipv6_dst=::1,ipv6_label=5/0xff",
                "ipv6,ipv6_src=fe80::/16,ipv6_dst=::1,ipv6_label=0x00005/0x000ff",
            ),
            (
                "icmp6,icmp_type=135,nd_target=::1,nd_sll=00:00:00:00:00:01",
                "icmp6,icmp_type=135,nd_target=::1,nd_sll=00:00:00:00:00:01",
            ),
            (
                "arp,arp_op=1,arp_spa=1.1.1.1,arp_sha=00:00:00:00:00:01",
                "arp,arp_spa=1.1.1.1,arp_op=1,arp_sha=00:00:00:00:00:01",
            ),
            ("mpls,mpls_label=5,mpls_tc=1,mpls_bos=1,mpls_ttl=3", "mpls,mpls_label=5,mpls_tc=1,mpls_ttl=3,mpls_bos=1"),
            (
                "dl_type=0x1234,dl_src=00:00:00:00:00:01/01:00:00:00:00:00",
                "dl_src=00:00:00:00:00:00/01:00:00:00:00:00,dl_type=0x1234",
            ),
            ("vlan_vid=0x1005/0x1fff,vlan_pcp=1", "dl_vlan=5,dl_vlan_pcp=1"),
            ("vlan_tci=0", "vlan_tci=0x0000"),
            ("dl_vlan=0xffff", "vlan_tci=0x0000"),
            ("vlan_vid=5", "vlan_tci=0x0005/0x1fff"),
            ("vlan_vid=0x1005", "dl_vlan=5"),
            ("vlan_pcp=1", "dl_vlan_pcp=1"),
            ("vlan_tci=0x1000/0x1000", "vlan_tci=0x1000/0x1000"),
            ("vlan_tci=0x1005", "dl_vlan=5,dl_vlan_pcp=0"),
            ("vlan_tci=0x5/0xfff", "vlan_tci=0x0005/0x0fff"),
            ("tun_flags=+oam,tun_src=1.1.1.1,tun_gbp_id=3", "tun_src=1.1.1.1,tun_gbp_id=3,tun_flags=+oam"),
            ("conj_id=5,recirc_id=3", "recirc_id=0x3,conj_id=5"),
            ("udp,tp_src=5/0xff,udp_dst=9", "udp,tp_src=0x5/0xff,tp_dst=9"),
            ("nw_src=1.1.1.1", ""),
            ("ip,tp_src=5", "ip"),
            ("nw_proto=6", ""),
            ("tcp,tcp_flags=0x3/0xf", "tcp,tcp_flags=+fin+syn-rst-psh"),
            ("tcp,tcp_flags=0x12", "tcp,tcp_flags=syn|ack"),
            ("ip,nw_proto=89", "ip,nw_proto=89"),
            ("ct_state=0x21/0x23", "ct_state=+new-est+trk"),
            ("ct_state=trk|new", "ct_state=new|trk"),
            ("ip,nw_src=1.2.3.4/0.0.255.0", "ip,nw_src=0.0.3.0/0.0.255.0"),
            ("ip,ip_dscp=3", "ip,nw_tos=12"),
            ("in_port=65534", "in_port=LOCAL"),
            ("eth,tcp", "tcp"),
            ("recirc_id=0,tcp", "recirc_id=0,eth,tcp"),
            (
                "dl_type=0x894f,nsh_spi=0x123,nsh_si=4,nsh_c1=0x5/0xf,nsh_flags=1,nsh_ttl=3,nsh_mdtype=1,nsh_np=3",
                "dl_type=0x894f,nsh_flags=1,nsh_ttl=3,nsh_mdtype=1,nsh_np=3,nsh_spi=0x123,nsh_si=4,nsh_c1=0x5/0xf",
            ),
            (
                "arp,arp_spa=1.1.1.0/24,nw_dst=1.1.1.1,arp_tha=2:2:2:2:2:2/ff:ff:ff:00:00:00",
                "arp,arp_spa=1.1.1.0/24,arp_tpa=1.1.1.1,arp_tha=02:02:02:00:00:00/ff:ff:ff:00:00:00",
            ),
            (
                "icmp6,icmpv6_type=136,icmpv6_code=0,nd_target=fe80::1/ffff::,nd_tll=1:1:1:1:1:1,nd_reserved=5,nd_options_type=2",
                "icmp6,icmp_type=136,icmp_code=0,nd_target=fe80::/16,nd_tll=01:01:01:01:01:01,nd_reserved=5,nd_options_type=2",
            ),
        ] {
            let pattern = parse(written).unwrap_or_else(|e| panic!("{written}: {e}"));
            assert_eq!(format_match(&pattern, &PortNames::new()), printed, "{written}");
        }
    }

    #[test]
    fn no_field_is_called_like_a_protocol() {
        let words = PROTOCOLS.iter().map(|(name, ..)| *name).chain(["eth"]);
        assert_eq!(words.filter_map(FieldId::by_name).count(), 0);
    }

    #[test]
    fn wrong_keys_and_values_are_named() {
        assert_eq!(parse("foo=1"), Err("unknown keyword foo".to_owned()));
        assert_eq!(parse("nsh_spi"), Err("field nsh_spi missing value".to_owned()));
        assert_eq!(parse("dl_vlan=5/5"), Err("5/5: invalid mask for field dl_vlan".to_owned()));
    }
}
