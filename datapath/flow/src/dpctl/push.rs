//! `tnl_push(..)`: outer headers, byte by byte, in text and back.
//!
//! How: what is printed is read from the header's bytes, layer by layer, and the bytes are composed from the text in the same
//! order; a header that is not whole prints as far as it goes.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use weft_packet::tunnel::Kind;
use weft_packet::wire::proto;
use weft_packet::{DpPort, Mac};

use super::tunnel::{options, parse_options, short_hex};
use super::{DpNames, call, split_top};
use crate::action::TnlPush;
use crate::text::number::parse_u64;

/// The whole action.
pub fn format(push: &TnlPush, names: &DpNames) -> String {
    let (port, out) = (names.show(push.tnl_port), names.show(push.out_port));
    let mut rest = Bytes(&push.header);
    let text = headers(push.kind, &mut rest).unwrap_or_default();
    let (size, kind) = (push.header.len(), push.kind.number());
    format!("tnl_push(tnl_port({port}),header(size={size},type={kind}{text}),out_port({out}))")
}

/// The way back.
pub fn parse(inside: &str, names: &DpNames) -> Option<TnlPush> {
    let mut push = TnlPush { tnl_port: DpPort::NONE, out_port: DpPort::NONE, kind: Kind::Vxlan, header: Vec::new() };
    for part in split_top(inside).ok()? {
        match call(part) {
            ("tnl_port", Some(port)) => push.tnl_port = names.parse(port)?,
            ("out_port", Some(port)) => push.out_port = names.parse(port)?,
            ("header", Some(inside)) => (push.kind, push.header) = header(inside)?,
            _ => return None,
        }
    }
    (!push.header.is_empty()).then_some(push)
}

/// Bytes still to be read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }
}

fn headers(kind: Kind, rest: &mut Bytes<'_>) -> Option<String> {
    let (dst, src, ethertype) = (Mac(rest.take()?), Mac(rest.take()?), rest.u16()?);
    let mut text = format!(",eth(dst={dst},src={src},dl_type={ethertype:#06x})");
    let next = match ethertype {
        0x0800 => ipv4(rest, &mut text)?,
        0x86dd => ipv6(rest, &mut text)?,
        _ => return Some(text),
    };
    if next == proto::UDP {
        let [src, dst, _, csum] = [rest.u16()?, rest.u16()?, rest.u16()?, rest.u16()?];
        let _ = write!(text, ",udp(src={src},dst={dst},csum={csum:#x})");
    }
    let tail = match kind {
        Kind::Vxlan => vxlan(rest)?,
        Kind::Geneve => geneve(rest)?,
        Kind::Gre | Kind::Ip6Gre => gre(rest)?,
        Kind::Erspan | Kind::Ip6Erspan => erspan(rest)?,
        Kind::Gtpu => gtpu(rest)?,
        Kind::Srv6 if next == ROUTING => srv6(rest)?,
        Kind::Lisp => lisp(rest)?,
        Kind::Stt => stt(rest)?,
        Kind::BareUdp | Kind::Srv6 => return Some(text),
    };
    Some(text + "," + &tail)
}

fn ipv4(rest: &mut Bytes<'_>, text: &mut String) -> Option<u8> {
    let [_, tos, ..] = rest.take::<6>()?;
    let (fragment, [ttl, proto]) = (rest.u16()?, rest.take()?);
    let _checksum = rest.u16()?;
    let (src, dst) = (Ipv4Addr::from(rest.take::<4>()?), Ipv4Addr::from(rest.take::<4>()?));
    let tos = short_hex(tos);
    let _ = write!(text, ",ipv4(src={src},dst={dst},proto={proto},tos={tos},ttl={ttl},frag={fragment:#x})");
    Some(proto)
}

fn ipv6(rest: &mut Bytes<'_>, text: &mut String) -> Option<u8> {
    let (first, _len, [next, hops]) = (rest.u32()?, rest.u16()?, rest.take()?);
    let (src, dst) = (Ipv6Addr::from(rest.take::<16>()?), Ipv6Addr::from(rest.take::<16>()?));
    let (label, class) = (first & 0xf_ffff, first >> 20 & 0xff);
    let _ = write!(text, ",ipv6(src={src},dst={dst},label={label},proto={next},tclass={class:#x},hlimit={hops})");
    Some(next)
}

fn vxlan(rest: &mut Bytes<'_>) -> Option<String> {
    let (flags, vni) = (rest.u32()?, rest.u32()? >> 8);
    Some(format!("vxlan(flags={flags:#x},vni={vni:#x})"))
}

fn geneve(rest: &mut Bytes<'_>) -> Option<String> {
    let [_, flags, ..] = rest.take::<4>()?;
    let vni = rest.u32()? >> 8;
    let mut text = String::from("geneve(");
    for (bit, name) in [(0x80, "oam,"), (0x40, "crit,")] {
        if flags & bit != 0 {
            text.push_str(name);
        }
    }
    let _ = write!(text, "vni={vni:#x}");
    if !rest.0.is_empty() {
        let _ = write!(text, ",options({})", options(rest.0, &vec![0xff; rest.0.len()], false));
    }
    Some(text + ")")
}

fn gre(rest: &mut Bytes<'_>) -> Option<String> {
    let (flags, proto) = (rest.u16()?, rest.u16()?);
    let mut text = format!("gre((flags={flags:#x},proto={proto:#x})");
    if flags & CSUM != 0 {
        let (csum, _) = (rest.u16()?, rest.u16()?);
        let _ = write!(text, ",csum={csum:#x}");
    }
    if flags & KEY != 0 {
        let _ = write!(text, ",key={:#x}", rest.u32()?);
    }
    if flags & SEQ != 0 {
        let _ = write!(text, ",seq={:#x}", rest.u32()?);
    }
    Some(text + ")")
}

fn erspan(rest: &mut Bytes<'_>) -> Option<String> {
    let _gre = rest.take::<8>()?;
    let first = rest.u32()?;
    let (version, session) = (first >> 28, first & 0x3ff);
    Some(match version {
        1 => format!("erspan(ver=1,sid={session:#x},idx={:#x})", rest.u32()? & 0xf_ffff),
        _ => {
            let _time = rest.u32()?;
            let last = rest.u32()?;
            let (direction, hardware) = (last >> 3 & 1, last >> 4 & 0x3f);
            format!("erspan(ver=2,sid={session:#x},dir={direction},hwid={hardware:#x})")
        }
    })
}

fn gtpu(rest: &mut Bytes<'_>) -> Option<String> {
    let [flags, message, ..] = rest.take::<4>()?;
    Some(format!("gtpu(flags={flags:#x},msgtype={message},teid={:#x})", rest.u32()?))
}

fn srv6(rest: &mut Bytes<'_>) -> Option<String> {
    let [_, _, _, left, last, ..] = rest.take::<8>()?;
    let segments = (0..=last).map(|_| Some(Ipv6Addr::from(rest.take::<16>()?).to_string()));
    let segments: Vec<String> = segments.collect::<Option<_>>()?;
    Some(format!("srv6(segments_left={left},segs({}))", segments.join(",")))
}

fn lisp(rest: &mut Bytes<'_>) -> Option<String> {
    let (first, last) = (rest.u32()?, rest.u32()?);
    Some(format!("lisp(flags={:#x},iid={:#x})", first >> 24, last >> 8))
}

fn stt(rest: &mut Bytes<'_>) -> Option<String> {
    let (src, dst) = (rest.u16()?, rest.u16()?);
    let _rest_of_tcp = rest.take::<16>()?;
    let [_, flags, ..] = rest.take::<8>()?;
    let context = u64::from_be_bytes(rest.take()?);
    Some(format!("tcp(src={src},dst={dst}),stt(flags={flags:#x},context={context:#x})"))
}

/// `size=..,type=..,eth(..),ipv4(..)` and so on.
fn header(inside: &str) -> Option<(Kind, Vec<u8>)> {
    let parts = split_top(inside).ok()?;
    let size = parts.iter().find_map(|part| part.strip_prefix("size=")).and_then(parse_u64)?;
    let number = parts.iter().find_map(|part| part.strip_prefix("type=")).and_then(parse_u64)?;
    let kind = Kind::by_number(u32::try_from(number).ok()?)?;
    let mut bytes: Vec<u8> = Vec::with_capacity(128);
    for part in parts {
        let (name, Some(inside)) = call(part) else { continue };
        layer(name, inside, kind, &mut bytes)?;
    }
    (bytes.len() as u64 == size && bytes.len() <= MAX_HEADER).then_some((kind, bytes))
}

fn layer(name: &str, inside: &str, kind: Kind, bytes: &mut Vec<u8>) -> Option<()> {
    let of = Words(inside);
    match name {
        "eth" => {
            bytes.extend(of.text("dst")?.parse::<Mac>().ok()?.0);
            bytes.extend(of.text("src")?.parse::<Mac>().ok()?.0);
            bytes.extend(of.number::<u16>("dl_type")?.to_be_bytes());
        }
        "ipv4" => {
            bytes.extend([0x45, of.number("tos")?, 0, 0, 0, 0]);
            bytes.extend(of.number::<u16>("frag")?.to_be_bytes());
            bytes.extend([of.number("ttl")?, of.number("proto")?, 0, 0]);
            bytes.extend(of.text("src")?.parse::<Ipv4Addr>().ok()?.octets());
            bytes.extend(of.text("dst")?.parse::<Ipv4Addr>().ok()?.octets());
        }
        "ipv6" => {
            let (label, class) = (of.number::<u32>("label")? & 0xf_ffff, of.number::<u8>("tclass")?);
            bytes.extend((6 << 28 | u32::from(class) << 20 | label).to_be_bytes());
            bytes.extend([0, 0, of.number("proto")?, of.number("hlimit")?]);
            bytes.extend(of.text("src")?.parse::<Ipv6Addr>().ok()?.octets());
            bytes.extend(of.text("dst")?.parse::<Ipv6Addr>().ok()?.octets());
        }
        "udp" => {
            for (name, or) in [("src", None), ("dst", None), ("len", Some(0)), ("csum", None)] {
                bytes.extend(of.number::<u16>(name).or(or)?.to_be_bytes());
            }
        }
        "vxlan" => {
            bytes.extend(of.number::<u32>("flags")?.to_be_bytes());
            bytes.extend((of.number::<u32>("vni")? << 8).to_be_bytes());
        }
        "geneve" => {
            let (mut flags, mut vni, mut raw) = (0, None, Vec::new());
            for word in split_top(inside).ok()? {
                match call(word) {
                    ("oam", None) => flags |= 0x80,
                    ("crit", None) => flags |= 0x40,
                    ("options", Some(inside)) => raw = parse_options(inside)?.0,
                    _ => vni = parse_u64(word.strip_prefix("vni=")?),
                }
            }
            bytes.extend([(raw.len() / 4) as u8, flags, 0x65, 0x58]);
            bytes.extend(((u32::try_from(vni?).ok()?) << 8).to_be_bytes());
            bytes.append(&mut raw);
        }
        "gre" => {
            let parts = split_top(inside).ok()?;
            let (first, rest) = parts.split_first()?;
            let first = Words(first.strip_prefix('(')?.strip_suffix(')')?);
            let flags = first.number::<u16>("flags")?;
            bytes.extend(flags.to_be_bytes());
            bytes.extend(first.number::<u16>("proto")?.to_be_bytes());
            let rest = rest.join(",");
            let of = Words(&rest);
            if flags & CSUM != 0 {
                bytes.extend(of.number::<u16>("csum")?.to_be_bytes());
                bytes.extend([0, 0]);
            }
            for (bit, name) in [(KEY, "key"), (SEQ, "seq")] {
                if flags & bit != 0 {
                    bytes.extend(of.number::<u32>(name)?.to_be_bytes());
                }
            }
        }
        "erspan" => {
            let (version, session) = (of.number::<u8>("ver")?, of.number::<u32>("sid")? & 0x3ff);
            let ethertype: u16 = if version == 1 { 0x88be } else { 0x22eb };
            bytes.extend(SEQ.to_be_bytes());
            bytes.extend(ethertype.to_be_bytes());
            bytes.extend([0; 4]);
            bytes.extend((u32::from(version) << 28 | session).to_be_bytes());
            match version {
                1 => bytes.extend(of.number::<u32>("idx")?.to_be_bytes()),
                2 => {
                    let (direction, hardware) = (of.number::<u32>("dir")? & 1, of.number::<u32>("hwid")? & 0x3f);
                    bytes.extend([0; 4]);
                    bytes.extend((hardware << 4 | direction << 3).to_be_bytes());
                }
                _ => return None,
            }
        }
        "gtpu" => {
            bytes.extend([of.number("flags")?, of.number("msgtype")?, 0, 0]);
            bytes.extend(of.number::<u32>("teid")?.to_be_bytes());
        }
        "srv6" => {
            let segments = split_top(inside).ok()?.into_iter().find_map(|word| match call(word) {
                ("segs", Some(inside)) => Some(inside),
                _ => None,
            })?;
            let segments: Vec<Ipv6Addr> = segments.split(',').map(|s| s.trim().parse().ok()).collect::<Option<_>>()?;
            let last = u8::try_from(segments.len().checked_sub(1)?).ok().filter(|last| *last < 100)?;
            bytes.extend([0, last * 2 + 2, 4, of.number("segments_left")?, last, 0, 0, 0]);
            segments.iter().for_each(|segment| bytes.extend(segment.octets()));
        }
        "lisp" => {
            bytes.extend((of.number::<u32>("flags")? << 24).to_be_bytes());
            bytes.extend((of.number::<u32>("iid")? << 8).to_be_bytes());
        }
        "tcp" => {
            bytes.extend(of.number::<u16>("src")?.to_be_bytes());
            bytes.extend(of.number::<u16>("dst")?.to_be_bytes());
            bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
        }
        "stt" if kind == Kind::Stt => {
            bytes.extend([0, of.number("flags")?, 0, 0, 0, 0, 0, 0]);
            bytes.extend(of.number::<u64>("context")?.to_be_bytes());
            bytes.extend([0, 0]);
        }
        _ => return None,
    }
    Some(())
}

/// `name=value` by name.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.split(',').find_map(|word| word.trim().strip_prefix(name)?.strip_prefix('='))
    }

    fn number<T: TryFrom<u64>>(&self, name: &str) -> Option<T> {
        T::try_from(parse_u64(self.text(name)?)?).ok()
    }
}

const ROUTING: u8 = 43;
const CSUM: u16 = 0x8000;
const KEY: u16 = 0x2000;
const SEQ: u16 = 0x1000;
/// Longer headers nobody means.
const MAX_HEADER: usize = 2048;
