//! Actions that put headers on and take them off, and those of conntrack, both ways.

use std::fmt::Write as _;
use std::net::IpAddr;

use weft_packet::Mac;

use super::{call, mpls, split_top};
use crate::DpAction;
use crate::action::{Ct, CtNat, NatDirection, PushNsh};
use crate::text::number::{hex, parse_u64, parse_u128};

/// One of the actions that this file knows.
pub fn format(action: &DpAction) -> Option<String> {
    Some(match action {
        DpAction::PushMpls { ethertype, entry } => {
            format!("push_mpls({},eth_type={ethertype:#x})", mpls::format_entry(*entry))
        }
        DpAction::AddMpls { ethertype, entry } => {
            format!("add_mpls({},eth_type={ethertype:#x})", mpls::format_entry(*entry))
        }
        DpAction::PopMpls { ethertype } => format!("pop_mpls(eth_type={ethertype:#x})"),
        DpAction::PushEth { src, dst } => format!("push_eth(src={src},dst={dst})"),
        DpAction::PopEth => "pop_eth".to_owned(),
        DpAction::PushNsh(nsh) => format!("push_nsh({})", push_nsh(nsh)),
        DpAction::PopNsh => "pop_nsh()".to_owned(),
        DpAction::Ct(ct) => conntrack(ct),
        DpAction::CtClear => "ct_clear".to_owned(),
        _ => return None,
    })
}

/// The way back; `Err` names nothing: the caller has the text.
pub fn parse(text: &str) -> Option<Result<DpAction, ()>> {
    let found = match call(text) {
        ("push_mpls", Some(inside)) => {
            read_entry(inside).map(|(ethertype, entry)| DpAction::PushMpls { ethertype, entry })
        }
        ("add_mpls", Some(inside)) => {
            read_entry(inside).map(|(ethertype, entry)| DpAction::AddMpls { ethertype, entry })
        }
        ("pop_mpls", Some(inside)) => ethertype(inside).map(|ethertype| DpAction::PopMpls { ethertype }),
        ("push_eth", Some(inside)) => read_push_eth(inside),
        ("pop_eth", None) => Some(DpAction::PopEth),
        ("push_nsh", Some(inside)) => read_push_nsh(inside).map(|nsh| DpAction::PushNsh(Box::new(nsh))),
        ("pop_nsh", Some("")) => Some(DpAction::PopNsh),
        ("ct", inside) => read_ct(inside.unwrap_or_default()).map(|ct| DpAction::Ct(Box::new(ct))),
        ("ct_clear", None) => Some(DpAction::CtClear),
        _ => return None,
    };
    Some(found.ok_or(()))
}

fn push_nsh(nsh: &PushNsh) -> String {
    let PushNsh { flags, ttl, md_type, next, spi, si, context, options } = nsh;
    let mut text = format!("flags={flags},ttl={ttl},mdtype={md_type},np={next},spi={spi:#x},si={si}");
    if *md_type == 1 {
        for (i, word) in context.iter().enumerate() {
            let _ = write!(text, ",c{}={word:#x}", i + 1);
        }
    } else if !options.is_empty() {
        text.push_str(",md2=0x");
        options.iter().for_each(|byte| {
            let _ = write!(text, "{byte:02x}");
        });
    }
    text
}

fn conntrack(ct: &Ct) -> String {
    let mut parts: Vec<String> = Vec::new();
    if ct.commit {
        parts.push(if ct.force { "force_commit" } else { "commit" }.to_owned());
    }
    if ct.zone != 0 {
        parts.push(format!("zone={}", ct.zone));
    }
    if let Some((value, mask)) = ct.mark {
        parts.push(format!("mark={value:#x}/{mask:#x}"));
    }
    if let Some((value, mask)) = ct.label {
        parts.push(match mask {
            u128::MAX => format!("label={}", hex(value)),
            mask => format!("label={}/{}", hex(value), hex(mask)),
        });
    }
    if let Some(helper) = &ct.helper {
        parts.push(format!("helper={helper}"));
    }
    if let Some(nat) = &ct.nat {
        parts.push(format_nat(nat));
    }
    if parts.is_empty() { "ct".to_owned() } else { format!("ct({})", parts.join(",")) }
}

fn format_nat(nat: &CtNat) -> String {
    let mut parts: Vec<String> = Vec::new();
    if let Some(direction) = nat.direction {
        let mut text = match direction {
            NatDirection::Source => "src".to_owned(),
            NatDirection::Destination => "dst".to_owned(),
        };
        // a port behind an IPv6 address needs it in brackets
        let brackets = nat.ports.is_some();
        let address = |address: IpAddr| match address {
            IpAddr::V6(v6) if brackets => format!("[{v6}]"),
            other => other.to_string(),
        };
        if nat.addresses.is_some() || nat.ports.is_some() {
            text.push('=');
        }
        if let Some((low, high)) = nat.addresses {
            text.push_str(&address(low));
            if let Some(high) = high {
                let _ = write!(text, "-{}", address(high));
            }
        }
        if let Some((low, high)) = nat.ports {
            let _ = write!(text, ":{low}");
            if let Some(high) = high {
                let _ = write!(text, "-{high}");
            }
        }
        parts.push(text);
    }
    for (said, name) in [(nat.persistent, "persistent"), (nat.hash, "hash"), (nat.random, "random")] {
        if said {
            parts.push(name.to_owned());
        }
    }
    if parts.is_empty() { "nat".to_owned() } else { format!("nat({})", parts.join(",")) }
}

fn value_of<'a>(inside: &'a str, name: &str) -> Option<&'a str> {
    inside.split(',').find_map(|word| word.trim().strip_prefix(name)?.strip_prefix('='))
}

fn number<T: TryFrom<u64>>(inside: &str, name: &str) -> Option<T> {
    T::try_from(parse_u64(value_of(inside, name)?)?).ok()
}

fn ethertype(inside: &str) -> Option<u16> {
    number(inside, "eth_type")
}

fn read_entry(inside: &str) -> Option<(u16, u32)> {
    let ethertype = ethertype(inside)?;
    let entry: Vec<&str> = inside.split(',').filter(|word| !word.trim().starts_with("eth_type=")).collect();
    match mpls::parse(&entry.join(","))?[..] {
        [(entry, _)] => Some((ethertype, entry)),
        _ => None,
    }
}

fn read_push_eth(inside: &str) -> Option<DpAction> {
    let mac = |name: &str| value_of(inside, name)?.parse::<Mac>().ok();
    Some(DpAction::PushEth { src: mac("src")?, dst: mac("dst")? })
}

fn read_push_nsh(inside: &str) -> Option<PushNsh> {
    let md_type = number(inside, "mdtype")?;
    let context = ["c1", "c2", "c3", "c4"].map(|name| number(inside, name).unwrap_or(0));
    let options = match value_of(inside, "md2") {
        Some(text) => {
            let digits = text.strip_prefix("0x")?;
            let even = digits.len().is_multiple_of(2) && digits.is_ascii() && digits.len() <= 2 * PushNsh::MAX_OPTIONS;
            let bytes = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok());
            if even { bytes.collect::<Option<Vec<u8>>>()? } else { return None }
        }
        None => Vec::new(),
    };
    Some(PushNsh {
        flags: number(inside, "flags").unwrap_or(0),
        ttl: number(inside, "ttl")?,
        md_type,
        next: number(inside, "np")?,
        spi: number(inside, "spi")?,
        si: number(inside, "si")?,
        context,
        options,
    })
}

fn read_ct(inside: &str) -> Option<Ct> {
    let mut ct = Ct::default();
    for part in split_top(inside).ok()? {
        let masked = |text: &str| match text.split_once('/') {
            Some((value, mask)) => Some((parse_u128(value)?, parse_u128(mask)?)),
            None => Some((parse_u128(text)?, u128::MAX)),
        };
        match part.split_once('=') {
            _ if part.starts_with("nat") => ct.nat = Some(read_nat(part)?),
            None if part == "commit" => ct.commit = true,
            None if part == "force_commit" => (ct.commit, ct.force) = (true, true),
            Some(("zone", zone)) => ct.zone = u16::try_from(parse_u64(zone)?).ok()?,
            Some(("mark", mark)) => {
                let (value, mask) = masked(mark)?;
                let mask = if mask == u128::MAX { u32::MAX } else { u32::try_from(mask).ok()? };
                ct.mark = Some((u32::try_from(value).ok()?, mask));
            }
            Some(("label", label)) => ct.label = Some(masked(label)?),
            Some(("helper", helper)) => ct.helper = Some(helper.to_owned()),
            _ => return None,
        }
    }
    Some(ct)
}

fn read_nat(part: &str) -> Option<CtNat> {
    let mut nat = CtNat::default();
    let ("nat", inside) = call(part) else { return None };
    for word in inside.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word.split_once('=') {
            None => match word {
                "src" => nat.direction = Some(NatDirection::Source),
                "dst" => nat.direction = Some(NatDirection::Destination),
                "persistent" => nat.persistent = true,
                "hash" => nat.hash = true,
                "random" => nat.random = true,
                _ => return None,
            },
            Some((direction, range)) => {
                nat.direction = Some(match direction {
                    "src" => NatDirection::Source,
                    "dst" => NatDirection::Destination,
                    _ => return None,
                });
                (nat.addresses, nat.ports) = read_range(range)?;
            }
        }
    }
    Some(nat)
}

/// Lowest and highest of something.
type Range<T> = Option<(T, Option<T>)>;

/// `1.2.3.4-1.2.3.9:80-90`, `[fe80::1]:80`, `fe80::1-fe80::2`, `:80`
fn read_range(text: &str) -> Option<(Range<IpAddr>, Range<u16>)> {
    let (addresses, ports) = match text.rfind("]:") {
        Some(at) => (&text[..=at], Some(&text[at + 2..])),
        None if text.matches(':').count() > 1 => (text, None),
        None => text.split_once(':').map_or((text, None), |(addresses, ports)| (addresses, Some(ports))),
    };
    let address = |text: &str| text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    let addresses = match addresses.split_once('-') {
        _ if addresses.is_empty() => None,
        Some((low, high)) => Some((address(low)?, Some(address(high)?))),
        None => Some((address(addresses)?, None)),
    };
    let port = |text: &str| text.parse::<u16>().ok();
    let ports = match ports.map(|ports| (ports, ports.split_once('-'))) {
        None => None,
        Some((_, Some((low, high)))) => Some((port(low)?, Some(port(high)?))),
        Some((only, None)) => Some((port(only)?, None)),
    };
    Some((addresses, ports))
}
