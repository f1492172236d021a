//! Tuples of connections: `ct_nw_src=10.0.0.1,ct_nw_proto=6,ct_tp_dst=80` (ovs-ofctl(8), `ct-flush`).

use std::net::{IpAddr, Ipv6Addr};

use weft_flow::text::number::parse_u64;
use weft_flow::text::value::ipv6_text;

use super::words::Words;
use crate::conntrack::{CtFlush, CtTuple, mapped};

/// `zone=N 'ORIGINAL' 'REPLY'`.
pub fn format_flush(flush: &CtFlush) -> String {
    let v4 = flush.original.is_ipv4() || flush.reply.is_ipv4();
    let tuple = |t: &CtTuple| {
        let family = if v4 { "nw" } else { "ipv6" };
        let mut text = format!("ct_{family}_src={},ct_{family}_dst={},", address(t.src), address(t.dst));
        text += &match flush.is_icmp() {
            true => format!("icmp_id={},icmp_type={},icmp_code={}", t.icmp_id, t.icmp_type, t.icmp_code),
            false => format!("ct_tp_src={},ct_tp_dst={}", t.src_port, t.dst_port),
        };
        text
    };
    let (original, reply) = (tuple(&flush.original), tuple(&flush.reply));
    format!("zone={} '{original},ct_nw_proto={}' '{reply}'", flush.zone.unwrap_or(0), flush.proto)
}

fn address(address: Ipv6Addr) -> String {
    match address.to_ipv4_mapped() {
        Some(v4) => v4.to_string(),
        None => ipv6_text(address.to_bits()),
    }
}

/// Read a tuple; gives its protocol too (0 if it names none).
///
/// # Errors
/// The text that the tools print.
pub fn parse_tuple(text: &str) -> Result<(CtTuple, u8), String> {
    let mut t = CtTuple::default();
    let mut proto = 0u8;
    let mut family: Option<bool> = None;
    let (mut ports, mut icmp) = (false, false);
    for word in Words::of(text) {
        let value = word.text();
        let failed = || format!("failed to parse field {}", word.key);
        let number = |max: u64| parse_u64(value).filter(|n| *n <= max).ok_or_else(failed);
        // the protocol must be known by then
        if word.key.starts_with("icmp_") && !matches!(proto, 1 | 58) {
            return Err("invalid L4 fields".to_owned());
        }
        match word.key {
            "ct_nw_src" | "ct_nw_dst" | "ct_ipv6_src" | "ct_ipv6_dst" => {
                let v4 = word.key.starts_with("ct_nw");
                let address: IpAddr = value.parse().map_err(|_| failed())?;
                if address.is_ipv4() != v4 {
                    return Err(failed());
                }
                if family.is_some_and(|before| before != v4) {
                    return Err(format!("the L3 protocol does not match {value}"));
                }
                family = Some(v4);
                let end = if word.key.ends_with("src") { &mut t.src } else { &mut t.dst };
                *end = mapped(address);
            }
            "ct_nw_proto" => proto = number(255)? as u8,
            "ct_tp_src" => (t.src_port, ports) = (number(0xffff)? as u16, true),
            "ct_tp_dst" => (t.dst_port, ports) = (number(0xffff)? as u16, true),
            "icmp_type" => (t.icmp_type, icmp) = (number(255)? as u8, true),
            "icmp_code" => (t.icmp_code, icmp) = (number(255)? as u8, true),
            "icmp_id" => (t.icmp_id, icmp) = (number(0xffff)? as u16, true),
            other => return Err(format!("invalid conntrack tuple field: {other}")),
        }
    }
    if ports && proto == 0 {
        return Err("port is set without protocol".to_owned());
    }
    if icmp && !matches!(proto, 1 | 58) {
        return Err("invalid L4 fields".to_owned());
    }
    Ok((t, proto))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Dialect, decode, encode};
    use crate::{Message, Version, Xid};

    /// Bytes and text as ovs-ofctl 3.1 sends and prints them.
    #[test]
    fn a_flush_lies_on_the_wire_as_ovs_sends_it() {
        let hex = "010400a0000000020000232000000020010000000000000000000050000000000000001400000000000000000000ffff0a01010100\
                   0000000001001400000000000000000000ffff0a0101020000000000040008000a00000005000508000000000600050000000000010038\
                   000000000000001400000000000000000000ffff0a01010300000000000400080000000000050005000000000006000500000000";
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
        let (original, proto) =
            parse_tuple("ct_nw_src=10.1.1.1,ct_nw_dst=10.1.1.2,ct_nw_proto=1,icmp_type=8,icmp_code=0,icmp_id=10")
                .unwrap();
        let flush = CtFlush { zone: None, proto, original, reply: parse_tuple("ct_nw_src=10.1.1.3").unwrap().0 };
        let dialect = Dialect::new(Version::V10);
        assert_eq!(encode(&Message::CtFlush(flush), Xid(2), &dialect).unwrap(), bytes);
        assert_eq!(decode(&bytes, &dialect).unwrap().message, Message::CtFlush(flush));
        assert_eq!(
            format_flush(&flush),
            "zone=0 'ct_nw_src=10.1.1.1,ct_nw_dst=10.1.1.2,icmp_id=10,icmp_type=8,icmp_code=0,ct_nw_proto=1' \
             'ct_nw_src=10.1.1.3,ct_nw_dst=::,icmp_id=0,icmp_type=0,icmp_code=0'"
        );
        for len in 16..bytes.len() {
            let _ = decode(&bytes[..len], &dialect);
        }
    }

    #[test]
    fn wrong_tuples_are_named() {
        for (text, error) in [
            ("foo=3", "invalid conntrack tuple field: foo"),
            ("ct_nw_proto=17,ct_tp_src=x", "failed to parse field ct_tp_src"),
            ("ct_nw_src=x", "failed to parse field ct_nw_src"),
            ("ct_nw_src=1.1.1.1,ct_ipv6_dst=fe80::1", "the L3 protocol does not match fe80::1"),
            ("icmp_type=3", "invalid L4 fields"),
        ] {
            assert_eq!(parse_tuple(text).unwrap_err(), error);
        }
        bolero::check!().with_type::<String>().for_each(|text| drop(parse_tuple(text)));
    }
}
