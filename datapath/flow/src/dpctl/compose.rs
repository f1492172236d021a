//! A frame that has a given key, for tests that describe frames instead of spelling them out.
//!
//! How: headers from the key, a payload that counts up. The lengths are those that Open vSwitch composes, because its
//! tests compare byte counts.

use weft_packet::Mac;
use weft_packet::builder::Builder;
use weft_packet::wire::arp::ArpWire;

use crate::action::PushNsh;
use crate::{FieldId, FlowKey};

/// The frame; `size` is its length if it is longer than what the headers need.
pub fn compose(key: &FlowKey, size: usize) -> Vec<u8> {
    compose_with(key, size, &PAYLOAD)
}

/// As [`compose`], with these bytes behind the innermost header.
pub fn compose_with(key: &FlowKey, size: usize, payload: &[u8]) -> Vec<u8> {
    let mac = |field: FieldId| {
        let bytes = (field.get(key) as u64).to_be_bytes();
        Mac([bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]])
    };
    let mut frame = Builder::ethernet(mac(FieldId::EthDst), mac(FieldId::EthSrc));
    let outer = (key.word(2) as u16, key.word(3) as u16);
    let inner = ((key.word(4) >> 48) as u16, (key.word(4) >> 32) as u16);
    for (tci, tpid) in [outer, inner] {
        if tci & 0x1000 != 0 {
            frame = frame.vlan(if tpid == 0 { 0x8100 } else { tpid }, tci & !0x1000);
        }
    }
    let eth_type = FieldId::EthType.get(key) as u16;
    let mut bytes = match eth_type {
        0x05ff => {
            let mut bytes = frame.ethertype(0).build();
            let at = bytes.len() - 2;
            bytes.truncate(at);
            // An 802.3 length and an LLC header that names nothing.
            bytes.extend([0, 3, 0x42, 0x42, 0x03]);
            bytes
        }
        0x0800 => ipv4(frame, key, payload).build(),
        0x86dd => ipv6(frame, key, payload).build(),
        0x0806 | 0x8035 => {
            let four = |field: FieldId| (field.get(key) as u32).to_be_bytes();
            let op = FieldId::ArpOp.get(key) as u16;
            let arp = ArpWire::new(
                op,
                mac(FieldId::ArpSha),
                four(FieldId::ArpSpa),
                mac(FieldId::ArpTha),
                four(FieldId::ArpTpa),
            );
            frame.arp(&arp).ethertype(eth_type).build()
        }
        0x8847 | 0x8848 => frame.mpls(eth_type, &label_stack(key)).build(),
        0x894f => frame.ethertype(eth_type).payload(&PushNsh::of_key(key, Vec::new()).bytes()).build(),
        other => frame.ethertype(other).build(),
    };
    if bytes.len() < size {
        bytes.resize(size, 0);
    }
    bytes
}

/// The entries down to the bottom; the last one that a key holds is the bottom here.
fn label_stack(key: &FlowKey) -> Vec<u32> {
    let mut entries = super::mpls::entries(|i| key.word(i)).to_vec();
    let bottom = entries.iter().position(|entry| entry & 0x100 != 0 || *entry == 0).unwrap_or(2);
    entries.truncate(if entries[bottom] == 0 { bottom.max(1) } else { bottom + 1 });
    if let Some(last) = entries.last_mut() {
        *last |= 0x100;
    }
    entries
}

fn ipv4(frame: Builder, key: &FlowKey, payload: &[u8]) -> Builder {
    let four = |field: FieldId| (field.get(key) as u32).to_be_bytes();
    let frame = frame
        .ipv4(four(FieldId::IpSrc), four(FieldId::IpDst))
        .ttl(FieldId::NwTtl.get(key) as u8)
        .tos(FieldId::NwTos.get(key) as u8);
    let frame = fragment(frame, key);
    transport(frame, key, payload)
}

fn ipv6(frame: Builder, key: &FlowKey, payload: &[u8]) -> Builder {
    let sixteen = |field: FieldId| field.get(key).to_be_bytes();
    let frame = frame
        .ipv6(sixteen(FieldId::Ipv6Src), sixteen(FieldId::Ipv6Dst))
        .ttl(FieldId::NwTtl.get(key) as u8)
        .tos(FieldId::NwTos.get(key) as u8)
        .label(FieldId::Ipv6Label.get(key) as u32);
    transport(frame, key, payload)
}

fn fragment(frame: Builder, key: &FlowKey) -> Builder {
    match FieldId::IpFrag.get(key) {
        0 => frame,
        1 => frame.fragment(0x2000),
        _ => frame.fragment(0x2000 | 100),
    }
}

fn transport(frame: Builder, key: &FlowKey, payload: &[u8]) -> Builder {
    let proto = FieldId::NwProto.get(key) as u8;
    let short = |field: FieldId| field.get(key) as u16;
    let byte = |field: FieldId| field.get(key) as u8;
    if FieldId::IpFrag.get(key) & 2 != 0 {
        return frame.proto(proto);
    }
    match (proto, FieldId::EthType.get(key)) {
        (6, _) => {
            let (src, dst, flags) = (short(FieldId::TcpSrc), short(FieldId::TcpDst), short(FieldId::TcpFlags));
            let frame = frame.tcp(src, dst, flags);
            // Segments that open or close a connection carry no data.
            if flags & (FIN | SYN | RST) != 0 { frame } else { frame.payload(payload) }
        }
        (17, _) => frame.udp(short(FieldId::UdpSrc), short(FieldId::UdpDst)).payload(payload),
        (132, _) => frame.sctp(short(FieldId::SctpSrc), short(FieldId::SctpDst)),
        (1, 0x0800) => frame.icmp(byte(FieldId::IcmpType), byte(FieldId::IcmpCode)).payload(payload),
        (58, 0x86dd) => {
            let (kind, code) = (byte(FieldId::Icmpv6Type), byte(FieldId::Icmpv6Code));
            if !matches!(kind, 135 | 136) {
                return frame.icmp(kind, code).payload(payload);
            }
            let (option, field) = if kind == 135 { (1, FieldId::NdSll) } else { (2, FieldId::NdTll) };
            let link = field.get(key) as u64;
            let bytes = link.to_be_bytes();
            let mac = Mac([bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]]);
            let reserved = FieldId::NdReserved.get(key) as u32;
            frame.nd(kind, reserved, FieldId::NdTarget.get(key).to_be_bytes(), (link != 0).then_some((option, mac)))
        }
        _ => frame.proto(proto),
    }
}

const FIN: u16 = 1;
const SYN: u16 = 2;
const RST: u16 = 4;

/// Bytes behind the transport header, each its own offset.
const PAYLOAD: [u8; 64] = {
    let mut bytes = [0; 64];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = at as u8;
        at += 1;
    }
    bytes
};
