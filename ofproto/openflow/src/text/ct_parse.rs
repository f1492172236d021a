//! Conntrack's actions from text: `ct(...)` and `nat(...)`.

use std::net::IpAddr;

use super::Names;
use super::action_parse::{number, parse_inside, subfield};
use super::words::Words;
use crate::action::{Action, Ct, CtZone, Nat, NatAlgorithm, NatDirection};
use crate::ids::TableId;

pub(super) fn parse_ct(arg: &str, names: &Names) -> Result<Ct, String> {
    let mut ct =
        Ct { commit: false, force: false, zone: CtZone::Immediate(0), table: None, alg: 0, actions: Vec::new() };
    for option in Words::of(arg) {
        let value = option.text();
        match option.key {
            "commit" => ct.commit = true,
            "force" => ct.force = true,
            "table" => {
                let table = names.parse_table(value).ok_or_else(|| format!("unknown table {value}"))?;
                if table == TableId::ALL {
                    return Err(format!("invalid table {:#x}", table.0));
                }
                ct.table = Some(table);
            }
            "zone" => {
                ct.zone = match number::<u16>(value, "zone") {
                    Ok(zone) => CtZone::Immediate(zone),
                    Err(_) => CtZone::Field(subfield(value)?),
                }
            }
            "alg" => {
                ct.alg = match value {
                    "ftp" => 21,
                    "tftp" => 69,
                    other => return Err(format!("invalid conntrack helper \"{other}\"")),
                }
            }
            "nat" => ct.actions.push(Action::Nat(parse_nat(value)?)),
            "exec" => ct.actions.extend(parse_inside(value, names, Some("ct"))?),
            other => return Err(format!("invalid argument to \"ct\" action: `{other}'")),
        }
    }
    if ct.force && !ct.commit {
        return Err("\"force\" flag requires \"commit\" flag.".to_owned());
    }
    Ok(ct)
}

pub(super) fn parse_nat(arg: &str) -> Result<Nat, String> {
    let mut nat = Nat::default();
    let (mut hash, mut random) = (false, false);
    for option in Words::of(arg) {
        match option.key {
            "src" | "dst" => {
                if nat.direction.is_some() {
                    return Err("May only specify one of \"src\" or \"dst\".".to_owned());
                }
                nat.direction =
                    Some(if option.key == "src" { NatDirection::Source } else { NatDirection::Destination });
                if let Some(range) = option.value.filter(|r| !r.is_empty()) {
                    (nat.addresses, nat.ports) = parse_nat_range(range)?;
                }
            }
            "persistent" => nat.persistent = true,
            "hash" => hash = true,
            "random" => random = true,
            other => return Err(format!("invalid key \"{other}\" in \"nat\" argument")),
        }
    }
    if hash && random {
        return Err("Both \"hash\" and \"random\" are not allowed.".to_owned());
    }
    nat.algorithm = match (hash, random) {
        (true, _) => Some(NatAlgorithm::Hash),
        (_, true) => Some(NatAlgorithm::Random),
        _ => None,
    };
    if nat.direction.is_none() && (nat.persistent || nat.algorithm.is_some()) {
        return Err("Flags allowed only with \"src\" or \"dst\".".to_owned());
    }
    Ok(nat)
}

type NatRange = (Option<(IpAddr, Option<IpAddr>)>, Option<(u16, Option<u16>)>);

/// `A[-B][:P[-Q]]`; IPv6 addresses in brackets where ports follow.
fn parse_nat_range(text: &str) -> Result<NatRange, String> {
    let invalid = || format!("invalid nat range \"{text}\"");
    let garbage = |rest: &str| {
        let at = text.len() - rest.len();
        format!("garbage ({rest}) after nat range \"{text}\" (pos: {at})")
    };
    let Some((low, mut rest)) = leading_address(text) else { return Err(garbage(text)) };
    let mut high = None;
    if let Some(second) = rest.strip_prefix('-') {
        let (address, behind) = leading_address(second).ok_or_else(invalid)?;
        if address < low || address.is_ipv4() != low.is_ipv4() {
            return Err(invalid());
        }
        (high, rest) = (Some(address), behind);
    }
    let mut ports = None;
    if let Some(behind) = rest.strip_prefix(':') {
        let (first, mut left) = leading_port(behind).ok_or_else(invalid)?;
        let mut last = None;
        if let Some(second) = left.strip_prefix('-') {
            let (port, behind) = leading_port(second).filter(|(port, _)| *port >= first).ok_or_else(invalid)?;
            (last, left) = (Some(port), behind);
        }
        (ports, rest) = (Some((first, last)), left);
    }
    if rest.is_empty() { Ok((Some((low, high)), ports)) } else { Err(garbage(rest)) }
}

/// An address, IPv6 in brackets or not, and what follows it.
fn leading_address(text: &str) -> Option<(IpAddr, &str)> {
    if let Some(inner) = text.strip_prefix('[') {
        let (address, rest) = inner.split_once(']')?;
        return Some((address.parse().ok().filter(IpAddr::is_ipv6)?, rest));
    }
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    if let Ok(address) = text[..end].parse::<std::net::Ipv4Addr>() {
        return Some((address.into(), &text[end..]));
    }
    let end = text.find(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':')).unwrap_or(text.len());
    Some((text[..end].parse::<std::net::Ipv6Addr>().ok()?.into(), &text[end..]))
}

fn leading_port(text: &str) -> Option<(u16, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}
