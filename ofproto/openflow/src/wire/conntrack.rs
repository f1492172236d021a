//! NXT_CT_FLUSH: a protocol, then properties (type, length, value; padded to 8 bytes), two of them with properties inside.

use std::net::Ipv6Addr;

use zerocopy::byteorder::big_endian::U16;

use super::buf::{Decoded, Reader, Writer, bad};
use crate::conntrack::{CtFlush, CtTuple};
use crate::error::ErrorCode;

const ORIGINAL: u16 = 0;
const REPLY: u16 = 1;
const ZONE: u16 = 2;

const SRC: u16 = 0;
const DST: u16 = 1;
const SRC_PORT: u16 = 2;
const DST_PORT: u16 = 3;
const ICMP_ID: u16 = 4;
const ICMP_TYPE: u16 = 5;
const ICMP_CODE: u16 = 6;

pub(crate) fn read(mut r: Reader<'_>) -> Decoded<CtFlush> {
    let head = r.bytes(8, "ct_flush")?;
    if head[1..].iter().any(|&b| b != 0) {
        return bad(ErrorCode::NXBRC_MUST_BE_ZERO, "padding is not zero");
    }
    let mut flush = CtFlush { proto: head[0], ..CtFlush::default() };
    while !r.is_empty() {
        let (kind, mut body) = property(&mut r)?;
        match kind {
            ORIGINAL => flush.original = tuple(body)?,
            REPLY => flush.reply = tuple(body)?,
            ZONE => flush.zone = Some(body.get::<U16>("zone")?.get()),
            _ => return bad(ErrorCode::OFPBPC_BAD_TYPE, format!("unknown property {kind}")),
        }
    }
    if !one_family(&[flush.original.src, flush.original.dst, flush.reply.src, flush.reply.dst]) {
        return bad(ErrorCode::OFPBPC_BAD_VALUE, "addresses of two families");
    }
    Ok(flush)
}

/// The next property's type and value; its padding is skipped.
fn property<'a>(r: &mut Reader<'a>) -> Decoded<(u16, Reader<'a>)> {
    let kind = r.get::<U16>("property")?.get();
    let len = usize::from(r.get::<U16>("property")?.get());
    let Some(body) = len.checked_sub(4) else {
        return bad(ErrorCode::OFPBPC_BAD_LEN, format!("a property of {len} bytes"));
    };
    let inside = r.sub(body, "property")?;
    let pad = (len.next_multiple_of(8) - len).min(r.len());
    r.skip(pad, "padding")?;
    Ok((kind, inside))
}

fn tuple(mut r: Reader<'_>) -> Decoded<CtTuple> {
    let mut t = CtTuple::default();
    r.skip(4, "padding")?;
    while !r.is_empty() {
        let (kind, mut body) = property(&mut r)?;
        match kind {
            SRC => t.src = address(&mut body)?,
            DST => t.dst = address(&mut body)?,
            SRC_PORT => t.src_port = body.get::<U16>("port")?.get(),
            DST_PORT => t.dst_port = body.get::<U16>("port")?.get(),
            ICMP_ID => t.icmp_id = body.get::<U16>("icmp id")?.get(),
            ICMP_TYPE => t.icmp_type = body.bytes(1, "icmp type")?[0],
            ICMP_CODE => t.icmp_code = body.bytes(1, "icmp code")?[0],
            _ => return bad(ErrorCode::OFPBPC_BAD_TYPE, format!("unknown property {kind} of a tuple")),
        }
    }
    Ok(t)
}

/// Whether all addresses that are there are of one family.
fn one_family(addresses: &[Ipv6Addr]) -> bool {
    let mut families = addresses.iter().filter(|a| !a.is_unspecified()).map(|a| a.to_ipv4_mapped().is_some());
    match families.next() {
        Some(first) => families.all(|family| family == first),
        None => true,
    }
}

fn address(r: &mut Reader<'_>) -> Decoded<Ipv6Addr> {
    Ok(Ipv6Addr::from(*r.get::<[u8; 16]>("address")?))
}

pub(crate) fn write(w: &mut Writer, flush: &CtFlush) {
    w.slice(&[flush.proto, 0, 0, 0, 0, 0, 0, 0]);
    for (kind, t) in [(ORIGINAL, &flush.original), (REPLY, &flush.reply)] {
        if t.is_any() {
            continue;
        }
        let start = open(w, kind);
        w.zeros(4);
        write_tuple(w, t, flush.is_icmp());
        close(w, start);
    }
    if let Some(zone) = flush.zone {
        short(w, ZONE, zone);
    }
}

fn write_tuple(w: &mut Writer, t: &CtTuple, icmp: bool) {
    for (kind, address) in [(SRC, t.src), (DST, t.dst)] {
        if !address.is_unspecified() {
            let start = open(w, kind);
            w.slice(&address.octets());
            close(w, start);
        }
    }
    if icmp {
        short(w, ICMP_ID, t.icmp_id);
        for (kind, byte) in [(ICMP_TYPE, t.icmp_type), (ICMP_CODE, t.icmp_code)] {
            let start = open(w, kind);
            w.slice(&[byte]);
            close(w, start);
        }
        return;
    }
    for (kind, port) in [(SRC_PORT, t.src_port), (DST_PORT, t.dst_port)] {
        if port != 0 {
            short(w, kind, port);
        }
    }
}

/// Two bytes of value; their padding counts as part of the property.
fn short(w: &mut Writer, kind: u16, value: u16) {
    w.put(&U16::new(kind));
    w.put(&U16::new(8));
    w.put(&U16::new(value));
    w.zeros(2);
}

fn open(w: &mut Writer, kind: u16) -> usize {
    let start = w.len();
    w.put(&U16::new(kind));
    w.put(&U16::new(0));
    start
}

/// Fills the length in, and pads behind it.
fn close(w: &mut Writer, start: usize) {
    let len = w.len() - start;
    w.set_u16(start + 2, len);
    w.zeros(len.next_multiple_of(8) - len);
}
